"""Facts that the scheduling room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class AppointmentChanged(Event):
    """An appointment was booked or moved on."""

    kind: ClassVar[str] = "appointment.changed"

    appointment_pk: int
    state: str


@dataclass(frozen=True, slots=True)
class StepChanged(Event):
    """A Scheduled Procedure Step came to be or moved."""

    kind: ClassVar[str] = "step.changed"

    scheduled_procedure_step_pk: int
    requested_procedure_pk: int
    status: str


@dataclass(frozen=True, slots=True)
class PerformedStepChanged(Event):
    """A scanner told of its work, or a person said of which order it is; it may hang on no Scheduled Procedure Step."""

    kind: ClassVar[str] = "performed_step.changed"

    performed_procedure_step_pk: int


@dataclass(frozen=True, slots=True)
class StudyLinked(Event):
    """A study hangs on its order now (or, without one, on its patient)."""

    kind: ClassVar[str] = "study.linked"

    study_pk: int
    requested_procedure_pk: int | None
    state: str


@dataclass(frozen=True, slots=True)
class StudyUnmatched(Event):
    """A study waits for a person to say whose it is."""

    kind: ClassVar[str] = "study.unmatched"

    study_pk: int
