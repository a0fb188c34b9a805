"""Facts that the priors room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class PriorsChanged(Event):
    """What is known of a patient's studies at other archives changed, or how far their fetching is."""

    kind: ClassVar[str] = "priors.changed"

    patient_pk: int
