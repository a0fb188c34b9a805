"""Facts that the patients room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class PatientChanged(Event):
    """A patient was registered or altered; `identity_changed`: in what images show of who it is."""

    kind: ClassVar[str] = "patient.changed"

    patient_pk: int
    identity_changed: bool = False


@dataclass(frozen=True, slots=True)
class PatientMerged(Event):
    """Everything of `merged_patient_pk` now belongs to `surviving_patient_pk`, or no longer does (`undone`)."""

    kind: ClassVar[str] = "patient.merged"

    surviving_patient_pk: int
    merged_patient_pk: int
    undone: bool
