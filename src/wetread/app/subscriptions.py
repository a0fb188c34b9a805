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
        "billing.order_changed",
        "priors.order_changed",
        "wanted.order_changed",
    ),
    "appointment.changed": ("priors.appointment_changed", "wanted.appointment_changed"),
    "study.linked": ("priors.study_linked",),
    "report.preliminary": ("hl7.report_signed",),
    "report.final": ("billing.report_final", "hl7.report_signed"),
    "report.addended": ("hl7.report_signed",),
    "patient.changed": ("billing.patient_changed", "scheduling.patient_changed"),
    "practitioner.changed": ("billing.practitioner_changed",),
    "patient.merged": ("billing.patient_changed", "scheduling.patient_merged", "priors.patient_merged"),
}
