"""Facts that notices tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class NoticeChanged(Event):
    """Somebody has something new to read, or has read it."""

    kind: ClassVar[str] = "notice.changed"

    notice_pk: int
