"""Facts that the reporting room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class ReportChanged(Event):
    """A draft was begun or handed over; nothing was signed."""

    kind: ClassVar[str] = "report.changed"

    report_pk: int
    state: str


@dataclass(frozen=True, slots=True)
class ReportPreliminary(Event):
    """A preliminary version was signed."""

    kind: ClassVar[str] = "report.preliminary"

    report_pk: int
    version_number: int


@dataclass(frozen=True, slots=True)
class ReportFinal(Event):
    """The final version was signed."""

    kind: ClassVar[str] = "report.final"

    report_pk: int
    version_number: int


@dataclass(frozen=True, slots=True)
class ReportAddended(Event):
    """An addendum was signed onto a final report."""

    kind: ClassVar[str] = "report.addended"

    report_pk: int
    version_number: int
