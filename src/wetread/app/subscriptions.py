"""Who hears what: every event kind with the tasks that run on it. All upward news of the house is on this page."""

from __future__ import annotations

from wetread.jobs.worker import Unless

SUBSCRIPTIONS: dict[str, tuple[str | Unless, ...]] = {
    # What a study says of itself stands with its first image; the next thousand ask for no other link.
    "study.updated": (
        Unless("grown", "scheduling.studies_arrived"),
        "archive.studies_updated",
        "archive.rejection_notes",
        "routing.studies_updated",
        "availability.studies_updated",
    ),
    "study.removed": ("availability.removed_or_restored",),
    "study.restored": ("availability.removed_or_restored",),
    "study.notified": ("hl7.study_notified",),
    "order.changed": (
        "scheduling.order_changed",
        "scheduling.steps_as_workitems",
        "worklist.readings_as_workitems",
        "billing.order_changed",
        "priors.order_changed",
        "wanted.order_changed",
    ),
    "appointment.changed": ("priors.appointment_changed", "wanted.appointment_changed"),
    "step.changed": ("scheduling.steps_as_workitems",),
    "study.linked": ("priors.study_linked", "worklist.readings_as_workitems"),
    "study.unmatched": ("worklist.readings_as_workitems",),
    "reading.changed": ("worklist.readings_as_workitems",),
    "report.preliminary": ("hl7.report_signed",),
    "report.final": ("billing.report_final", "hl7.report_signed", "worklist.readings_as_workitems"),
    "report.addended": ("hl7.report_signed",),
    "patient.changed": (
        "billing.patient_changed",
        "scheduling.patient_changed",
        "scheduling.steps_as_workitems",
        "worklist.readings_as_workitems",
    ),
    "practitioner.changed": ("billing.practitioner_changed",),
    "patient.merged": (
        "billing.patient_changed",
        "scheduling.patient_merged",
        "scheduling.steps_as_workitems",
        "worklist.readings_as_workitems",
        "priors.patient_merged",
    ),
}
