"""Facts that the orders room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class OrderChanged(Event):
    """A Requested Procedure came to be or moved; `state` is where it stands now."""

    kind: ClassVar[str] = "order.changed"

    imaging_service_request_pk: int
    requested_procedure_pk: int
    state: str
