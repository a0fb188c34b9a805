"""What is counted and what is measured: names, and from which moment to which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a case's way. Measured for the cases that reached its end on the day."""

    name: str
    begins: str
    ends: str


# Moments of a Requested Procedure: ordered; first booked; first image here; first signature; first final signature.
MOMENTS: Final = ("ordered_at", "scheduled_at", "acquired_at", "first_report_at", "final_at")
SEGMENTS: Final = (
    Segment("ordered_to_scheduled", "ordered_at", "scheduled_at"),
    Segment("scheduled_to_acquired", "scheduled_at", "acquired_at"),
    Segment("acquired_to_first_report", "acquired_at", "first_report_at"),
    Segment("first_report_to_final", "first_report_at", "final_at"),
    Segment("acquired_to_final", "acquired_at", "final_at"),
    Segment("ordered_to_final", "ordered_at", "final_at"),
)
SEGMENT: Final = {one.name: one for one in SEGMENTS}

# Volumes of a day: the figure, and the moment that must lie in the day.
VOLUMES: Final = {
    "ordered": "ordered_at",
    "scheduled": "scheduled_at",
    "acquired": "acquired_at",
    "first_reported": "first_report_at",
    "final": "final_at",
}
# Requested Procedures that ended otherwise on the day: the figure, and the state they went to.
ENDED: Final = {"order_canceled": "CANCELED", "discontinued": "DISCONTINUED"}
# Appointments that would have begun on the day; all of them: `appointments`.
APPOINTMENTS: Final = {
    "appointments": ("booked", "arrived", "checked-in", "fulfilled", "noshow", "cancelled"),
    "kept": ("arrived", "checked-in", "fulfilled"),
    "no_show": ("noshow",),
    "appointment_canceled": ("cancelled",),
}
# States of Requested Procedures as they are now.
OPEN: Final = {"now_requested": "REQUESTED", "now_scheduled": "SCHEDULED", "now_in_progress": "IN PROGRESS"}
READING: Final = ("waiting", "waiting_overdue", "waiting_preliminary")
SERVICE_LEVEL: Final = ("service_level_met", "service_level_missed")

FIGURES: Final = (
    *VOLUMES, *ENDED, *APPOINTMENTS, *OPEN, *READING, *SERVICE_LEVEL, *SEGMENT, "unmatched", "quarantined",
)  # fmt: skip
