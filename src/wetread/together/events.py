"""Facts that live sessions tell; keys alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class LiveSessionInvited(Event):
    """An account was invited; its browsers show it at once."""

    kind: ClassVar[str] = "live_session.invited"

    live_session_pk: int
    user_pk: int


@dataclass(frozen=True, slots=True)
class LiveSessionChanged(Event):
    """Who takes part or leads is another, or it ended."""

    kind: ClassVar[str] = "live_session.changed"

    live_session_pk: int
