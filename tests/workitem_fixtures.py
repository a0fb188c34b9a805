"""Unified Procedure Steps as data sets, for tests of the room and of its protocols."""

from __future__ import annotations

from typing import Any

from wetread.workitems.rules import element

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
