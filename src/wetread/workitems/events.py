"""Facts that the Workitems tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class WorkitemChanged(Event):
    """A Workitem was made, changed, or came into another state."""

    kind: ClassVar[str] = "workitem.changed"

    workitem_pk: int
    procedure_step_state: str


@dataclass(frozen=True, slots=True)
class WorkitemReported(Event):
    """Something waits to be told to a subscriber whose event channel may be open."""

    kind: ClassVar[str] = "workitem.reported"

    receiving_ae_title: str
