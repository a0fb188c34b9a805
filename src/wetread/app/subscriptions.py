"""Who hears what: every event kind with the tasks that run on it. All upward news of the house is on this page."""

from __future__ import annotations

SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "study.updated": ("scheduling.study_arrived", "archive.study_updated"),
    "order.changed": ("scheduling.order_changed", "billing.order_changed"),
    "patient.changed": ("billing.patient_changed",),
    "patient.merged": ("billing.patient_changed",),
}
