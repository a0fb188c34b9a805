"""Unified Procedure Steps as data sets, for tests of the room and of its protocols."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from wetread.app.rooms import TASKS, load
from wetread.app.subscriptions import SUBSCRIPTIONS
from wetread.jobs.service import REGISTRY
from wetread.kit.events import OutboxEvent
from wetread.scheduling.service import AcquisitionKeeper
from wetread.security.service import Work
from wetread.workitems.model import StepKind
from wetread.workitems.rules import element
from wetread.workitems.service import use_keeper
from wetread.worklist.service import ReadingKeeper

GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"


def code(value: str) -> dict[str, Any]:
    return (
        element("CodeValue", value)
        | element("CodingSchemeDesignator", "99HOUSE")
        | element("CodeMeaning", value)
    )


def workitem(label: str, **attributes: Any) -> dict[str, Any]:
    """A scheduled step with these attributes, which go before its own."""
    sent = (
        element("ProcedureStepState", "SCHEDULED")
        | element("ScheduledProcedureStepPriority", "HIGH")
        | element("ProcedureStepLabel", label)
        | element("WorklistLabel", "AI")
        | element("ScheduledProcedureStepStartDateTime", "20261125030000")
        | element("InputReadinessState", "READY")
    )
    for keyword, value in attributes.items():
        sent |= element(keyword, value)
    return sent


PERFORMED = element(
    "UnifiedProcedureStepPerformedProcedureSequence",
    element("PerformedStationNameCodeSequence", code("AI1"))
    | element("PerformedProcedureStepStartDateTime", "20261125030000")
    | element("PerformedProcedureStepEndDateTime", "20261125030500")
    | element("PerformedWorkitemCodeSequence", code("CAD"))
    | element("OutputInformationSequence"),
)


def follow(work: Work) -> None:
    """Lets the Workitems of the house's own steps follow the news that wait, by the subscriptions of the product."""
    events: dict[str, list[dict[str, Any]]] = {}
    waiting = work.session.scalars(select(OutboxEvent).where(OutboxEvent.relayed_at.is_(None))).all()
    for one in waiting:
        one.relayed_at = work.now()
        for task in SUBSCRIPTIONS.get(one.kind, ()):
            if isinstance(task, str) and task.endswith("_as_workitems"):
                events.setdefault(task, []).append({"kind": one.kind, "keys": one.keys})
    load(TASKS)
    for task, told in events.items():
        REGISTRY.tasks[task].run(work, events=told)


def keep_house() -> None:
    """The rooms of the house's own steps, as the composition root names them."""
    use_keeper(StepKind.ACQUISITION, AcquisitionKeeper())
    use_keeper(StepKind.READING, ReadingKeeper("WETREAD"))
