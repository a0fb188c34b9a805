"""Facts that the sharing room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class ResultSeenByReferrer(Event):
    """A referrer looked at a version of a report, or acknowledged it."""

    kind: ClassVar[str] = "result.seen"

    report_pk: int
    user_pk: int
    version_number: int
    acknowledged: bool
