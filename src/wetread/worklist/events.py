"""Facts that the worklist room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class ReadingChanged(Event):
    """Somebody took or gave back a case."""

    kind: ClassVar[str] = "reading.changed"

    requested_procedure_pk: int
