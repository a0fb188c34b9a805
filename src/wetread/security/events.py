"""Facts that the security room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class PractitionerChanged(Event):
    """A physician's name, NPI or way to be reached was corrected."""

    kind: ClassVar[str] = "practitioner.changed"

    practitioner_pk: int
