"""Modality Performed Procedure Steps (PS3.4 F.7): kept before they are answered, and what they move."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from wetread.dicom.personname import PersonName
from wetread.kit.errors import WetreadError
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.patients.model import PatientIdentifier
from wetread.scheduling import rules
from wetread.scheduling.model import PerformedProcedureStep, PerformedStepReference, ScheduledProcedureStep
from wetread.scheduling.steps import move_step
from wetread.security.model import Site
from wetread.security.service import AuditEventID, Permission, Work

JsonDict = dict[str, Any]


class PerformedStepRefused(WetreadError):
    """An N-CREATE or N-SET refused, with the DIMSE status and the attributes at fault."""

    status = 409
    code = "performed-step-refused"

    def __init__(self, dimse_status: int, detail: str, tags: tuple[int, ...] = ()) -> None:
        super().__init__(detail)
        self.dimse_status = dimse_status
        self.tags = tags


def create_performed_step(work: Work, sop_instance_uid: str, attributes: JsonDict) -> PerformedProcedureStep:
    """N-CREATE. Raises PerformedStepRefused: 0111 known UID, 0106 wrong status, 0120/0121 missing attribute."""
    work.require(Permission.STEP_PERFORM)
    known = work.session.scalar(
        select(PerformedProcedureStep).where(PerformedProcedureStep.sop_instance_uid == sop_instance_uid)
    )
    if known is not None:
        raise PerformedStepRefused(0x0111, "this performed step exists already")
    for tag, keyword in rules.MPPS_REQUIRED.items():
        if tag not in attributes:
            raise PerformedStepRefused(0x0120, f"{keyword} is missing", (int(tag, 16),))
        if not attributes[tag].get("Value"):
            raise PerformedStepRefused(0x0121, f"{keyword} has no value", (int(tag, 16),))
    if _text(attributes, "00400252") != "IN PROGRESS":
        raise PerformedStepRefused(0x0106, "a performed step begins IN PROGRESS", (0x00400252,))
    items = attributes["00400270"]["Value"]
    study_uids = [uid for item in items if (uid := _text(item, "0020000D"))]
    if not study_uids:
        raise PerformedStepRefused(
            0x0121, "Study Instance UID of the scheduled step is missing", (0x0020000D,)
        )
    steps, reason = _steps_meant(work, attributes, items)
    step = PerformedProcedureStep(
        sop_instance_uid=sop_instance_uid,
        performed_procedure_step_id=_text(attributes, "00400253")[:16],
        performed_procedure_step_status="IN PROGRESS",
        performed_station_ae_title=_text(attributes, "00400241")[:16],
        modality=_text(attributes, "00080060")[:16],
        study_instance_uid=study_uids[0],
        attributes=attributes,
        started_at=_moment(work, attributes, "00400244", "00400245"),
        unscheduled_reason=reason,
        received_at=work.now(),
    )
    work.session.add(step)
    work.session.flush()
    for scheduled in steps:
        work.session.add(
            PerformedStepReference(
                performed_procedure_step_pk=step.performed_procedure_step_pk,
                scheduled_procedure_step_pk=scheduled.scheduled_procedure_step_pk,
            )
        )
        move_step(work, scheduled, rules.StepMove.START)
    work.session.flush()
    _audit(work, step, "C")
    return step


def update_performed_step(work: Work, sop_instance_uid: str, attributes: JsonDict) -> PerformedProcedureStep:
    """N-SET. Raises PerformedStepRefused: 0112 unknown, 0110 after a final state, 0106 what may not change or be."""
    work.require(Permission.STEP_PERFORM)
    step = work.session.scalar(
        select(PerformedProcedureStep)
        .where(PerformedProcedureStep.sop_instance_uid == sop_instance_uid)
        .with_for_update()
    )
    if step is None:
        raise PerformedStepRefused(0x0112, "there is no such performed step")
    if step.performed_procedure_step_status != "IN PROGRESS":
        raise PerformedStepRefused(
            0x0110, "Performed Procedure Step Object may no longer be updated", (0x00400252,)
        )
    fixed = sorted(tag for tag in attributes if tag in rules.MPPS_FIXED)
    if fixed:
        raise PerformedStepRefused(
            0x0106, "an attribute of N-CREATE may not change", tuple(int(t, 16) for t in fixed)
        )
    status = _text(attributes, "00400252") or "IN PROGRESS"
    if status not in ("IN PROGRESS", "COMPLETED", "DISCONTINUED"):
        raise PerformedStepRefused(0x0106, "the status is not one of the standard", (0x00400252,))
    merged = {**step.attributes, **attributes}
    if status != "IN PROGRESS":
        for tag in ("00400250", "00400251"):
            if not merged.get(tag, {}).get("Value"):
                raise PerformedStepRefused(
                    0x0121, "a final state needs its end date and time", (int(tag, 16),)
                )
        step.ended_at = _moment(work, merged, "00400250", "00400251")
    step.attributes = merged
    step.performed_procedure_step_status = status
    work.session.flush()
    if status != "IN PROGRESS":
        move = rules.StepMove.COMPLETE if status == "COMPLETED" else rules.StepMove.DISCONTINUE
        reason = None
        if status == "DISCONTINUED":
            items = merged.get("00400281", {}).get("Value") or [{}]
            reason = _text(items[0], "00080104") or "discontinued at the modality"
        for scheduled in _referenced(work, step):
            move_step(work, scheduled, move, reason)
    _audit(work, step, "U")
    return step


def _referenced(work: Work, step: PerformedProcedureStep) -> list[ScheduledProcedureStep]:
    return list(
        work.session.scalars(
            select(ScheduledProcedureStep)
            .join(
                PerformedStepReference,
                PerformedStepReference.scheduled_procedure_step_pk
                == ScheduledProcedureStep.scheduled_procedure_step_pk,
            )
            .where(PerformedStepReference.performed_procedure_step_pk == step.performed_procedure_step_pk)
        )
    )


def _steps_meant(
    work: Work, attributes: JsonDict, items: list[JsonDict]
) -> tuple[list[ScheduledProcedureStep], str | None]:
    """Every Scheduled Procedure Step that is referenced, or the reason why the work hangs on none."""
    found: list[ScheduledProcedureStep] = []
    for item in items:
        step_id = _text(item, "00400009")
        query = (
            select(ScheduledProcedureStep, ImagingServiceRequest.patient_pk)
            .join(
                RequestedProcedure,
                RequestedProcedure.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk,
            )
            .join(
                ImagingServiceRequest,
                ImagingServiceRequest.imaging_service_request_pk
                == RequestedProcedure.imaging_service_request_pk,
            )
        )
        if step_id:
            query = query.where(ScheduledProcedureStep.scheduled_procedure_step_id == step_id)
        else:
            query = query.where(RequestedProcedure.study_instance_uid == _text(item, "0020000D"))
        rows = work.session.execute(query).all()
        if not rows:
            return [], "no such scheduled step: an unscheduled procedure"
        patient_id = _text(attributes, "00100020")
        if patient_id:
            own = set(
                work.session.scalars(
                    select(PatientIdentifier.patient_id).where(PatientIdentifier.patient_pk == rows[0][1])
                )
            )
            if patient_id not in own:
                return [], "Patient ID is not that of the order"
        found.extend(row[0] for row in rows)
    unique = list({step.scheduled_procedure_step_pk: step for step in found}.values())
    if any(step.scheduled_procedure_step_status in ("CANCELED", "DISCONTINUED") for step in unique):
        return [], "the scheduled step was cancelled"
    return unique, None


def _audit(work: Work, step: PerformedProcedureStep, action: str) -> None:
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        action,
        study_instance_uid=step.study_instance_uid[:64],
        object_type="performed_procedure_step",
        object_id=step.performed_procedure_step_pk,
        detail={"status": step.performed_procedure_step_status},
    )


def _text(attributes: Mapping[str, Any], tag: str) -> str:
    values = attributes.get(tag, {}).get("Value") or [""]
    value = values[0]
    return (
        str(PersonName.from_json(value))
        if isinstance(value, dict)
        else str(value if value is not None else "")
    )


def _moment(work: Work, attributes: JsonDict, date_tag: str, time_tag: str) -> datetime:
    """A modality's local date and time; without a zone of its own it is the site's. Nonsense counts as now."""
    day, clock = _text(attributes, date_tag), _text(attributes, time_tag).split(".")[0].ljust(6, "0")[:6]
    zone = work.session.scalar(select(Site.time_zone).order_by(Site.site_pk).limit(1)) or "UTC"
    try:
        moment = datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return work.now()
    return moment if abs(moment - work.now()) < timedelta(days=3650) else work.now()
