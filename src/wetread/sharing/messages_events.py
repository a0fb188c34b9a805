"""Facts that the interface queue tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class InterfaceMessageChanged(Event):
    """A message came, was made, or moved."""

    kind: ClassVar[str] = "interface_message.changed"

    interface_message_pk: int
    direction: str
    state: str


@dataclass(frozen=True, slots=True)
class InterfaceReceiverChanged(Event):
    """A receiver was set up or altered."""

    kind: ClassVar[str] = "interface_receiver.changed"

    interface_receiver_pk: int
