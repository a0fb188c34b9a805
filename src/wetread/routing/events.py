"""Facts that routing tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class StudyNotified(Event):
    """A rule wants the systems that placed a study's orders told that its images are here."""

    kind: ClassVar[str] = "study.notified"

    study_pk: int
    routing_rule_pk: int


@dataclass(frozen=True, slots=True)
class ForwardingChanged(Event):
    """A study on its way to another archive came further, arrived or failed."""

    kind: ClassVar[str] = "forwarding.changed"

    forwarding_pk: int
    state: str
