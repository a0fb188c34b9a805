"""Modality Performed Procedure Steps as a scanner sends them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import object_session

from wetread.orders.model import RequestedProcedure
from wetread.scheduling.model import ScheduledProcedureStep


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def created(*steps: ScheduledProcedureStep, uid: str | None = None, station: str = "EAST_CT1", **more: Any) -> dict[str, Any]:  # fmt: skip
    """N-CREATE attributes as a scanner that took these worklist entries sends them; no Patient ID (type 2)."""
    items = []
    for step in steps:
        session = object_session(step)
        assert session is not None
        requested = session.get_one(RequestedProcedure, step.requested_procedure_pk)
        items.append(
            {
                "0020000D": element("UI", uid or requested.study_instance_uid),
                "00080050": element("SH"),
                "00400009": element("SH", step.scheduled_procedure_step_id),
            }
        )
    items = items or [{"0020000D": element("UI", uid or "1.2.840.99999.5"), "00400009": element("SH")}]
    return {
        "00400270": element("SQ", *items),
        "00100010": element("PN", {"Alphabetic": "Doe^Jane"}),
        "00400253": element("SH", "PPS1"),
        "00400241": element("AE", station),
        "00400244": element("DA", "20261125"),
        "00400245": element("TM", "070500.000"),
        "00400252": element("CS", "IN PROGRESS"),
        "00080060": element("CS", "CT"),
        "00400340": element("SQ"),
        **more,
    }


def ended(status: str, reason: tuple[str, str] | None = None) -> dict[str, Any]:
    found = {
        "00400252": element("CS", status),
        "00400250": element("DA", "20261125"),
        "00400251": element("TM", "0720"),
        "00400340": element("SQ", {"0020000E": element("UI", "1.2.3.4"), "00181030": element("LO", "Head")}),
    }
    if reason:
        code = {"00080100": element("SH", reason[0]), "00080102": element("SH", "DCM"),
                "00080104": element("LO", reason[1])}  # fmt: skip
        found["00400281"] = element("SQ", code)
    return found
