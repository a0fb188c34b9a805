"""Modality Performed Procedure Steps (PS3.4 F.7): kept before they are answered, and what they move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.exc import IntegrityError

from wetread.dicom.personname import PersonName
from wetread.kit.errors import IllegalTransition, WetreadError
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.patients.model import Patient, PatientIdentifier
from wetread.scheduling import rules
from wetread.scheduling.events import PerformedStepChanged
from wetread.scheduling.linking import personas
from wetread.scheduling.model import (
    ModalityResource,
    PerformedProcedureStep,
    PerformedStepReference,
    ScheduledProcedureStep,
)
from wetread.scheduling.steps import lock_steps, move_appointment, move_step
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
    if text_of(attributes, "00400252") != "IN PROGRESS":
        raise PerformedStepRefused(0x0106, "a performed step begins IN PROGRESS", (0x00400252,))
    items = attributes["00400270"]["Value"]
    study_uids = [uid for item in items if (uid := text_of(item, "0020000D"))]
    if not study_uids:
        raise PerformedStepRefused(
            0x0121, "Study Instance UID of the scheduled step is missing", (0x0020000D,)
        )
    steps, reason = _steps_meant(work, attributes, items)
    station = text_of(attributes, "00400241")
    step = PerformedProcedureStep(
        sop_instance_uid=sop_instance_uid,
        performed_procedure_step_id=text_of(attributes, "00400253")[:16],
        performed_procedure_step_status="IN PROGRESS",
        performed_station_ae_title=station[:16],
        modality=text_of(attributes, "00080060")[:16],
        study_instance_uid=study_uids[0],
        attributes=attributes,
        started_at=_moment(work, attributes, "00400244", "00400245", _zone(work, station, steps)),
        unscheduled_reason=reason,
        received_at=work.now(),
    )
    try:
        with work.session.begin_nested():
            work.session.add(step)
            work.session.flush()
    except IntegrityError:
        raise PerformedStepRefused(0x0111, "this performed step exists already") from None
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
    work.publish(PerformedStepChanged(step.performed_procedure_step_pk))
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
    status = text_of(attributes, "00400252") or "IN PROGRESS"
    if status not in ("IN PROGRESS", "COMPLETED", "DISCONTINUED"):
        raise PerformedStepRefused(0x0106, "the status is not one of the standard", (0x00400252,))
    merged = {**step.attributes, **attributes}
    if status != "IN PROGRESS":
        for tag in ("00400250", "00400251"):
            if not merged.get(tag, {}).get("Value"):
                raise PerformedStepRefused(
                    0x0121, "a final state needs its end date and time", (int(tag, 16),)
                )
        zone = _zone(work, step.performed_station_ae_title, _referenced(work, step))
        step.ended_at = _moment(work, merged, "00400250", "00400251", zone)
    step.attributes = merged
    step.performed_procedure_step_status = status
    work.session.flush()
    if status != "IN PROGRESS":
        for scheduled in _referenced(work, step):
            settle(work, scheduled)
    _audit(work, step, "U")
    work.publish(PerformedStepChanged(step.performed_procedure_step_pk))
    return step


def performed_for(work: Work, scheduled: ScheduledProcedureStep) -> Sequence[PerformedProcedureStep]:
    """What modalities reported of a scheduled step, oldest first."""
    return work.session.scalars(
        select(PerformedProcedureStep)
        .join(
            PerformedStepReference,
            PerformedStepReference.performed_procedure_step_pk
            == PerformedProcedureStep.performed_procedure_step_pk,
        )
        .where(PerformedStepReference.scheduled_procedure_step_pk == scheduled.scheduled_procedure_step_pk)
        .order_by(PerformedProcedureStep.performed_procedure_step_pk)
    ).all()


def counts(step: PerformedProcedureStep) -> bool:
    """Whether a performed step says anything of its scheduled one: not where another worklist entry was meant."""
    return (
        step.performed_procedure_step_status != "DISCONTINUED"
        or text_of(reason_code(step), "00080100") != rules.WRONG_WORKLIST_ENTRY
    )


def reason_code(step: PerformedProcedureStep) -> JsonDict:
    """Why a performed step was discontinued: an item of CID 9300; empty where it does not say."""
    found: JsonDict = (step.attributes.get("00400281", {}).get("Value") or [{}])[0]
    return found


def settle(work: Work, scheduled: ScheduledProcedureStep) -> None:
    """Moves a Scheduled Procedure Step as far as all its performed ones say.

    What a modality reports is kept whatever people did to the step meanwhile; a move that its table does not have is
    left out.
    """
    performed = performed_for(work, scheduled)
    counted = [one for one in performed if counts(one)]
    statuses = {one.performed_procedure_step_status for one in counted}
    reason = None
    if "IN PROGRESS" in statuses:
        return
    if not statuses:
        move, reason = rules.StepMove.REVERT, "another worklist entry was meant"
    elif "COMPLETED" in statuses:
        move = rules.StepMove.COMPLETE
    else:
        move = rules.StepMove.DISCONTINUE
        words = text_of(reason_code(counted[-1]), "00080104")
        reason = words or "discontinued at the modality"
    started = scheduled.scheduled_procedure_step_status == rules.StepStatus.STARTED
    if not started and move is not rules.StepMove.COMPLETE:
        return
    try:
        rules.step_after(scheduled.scheduled_procedure_step_status, move)
    except IllegalTransition:
        return
    move_step(work, scheduled, move, reason)
    if move is rules.StepMove.REVERT:
        move_appointment(work, scheduled.appointment_pk, rules.AppointmentMove.REINSTATE)


def _referenced(work: Work, step: PerformedProcedureStep) -> list[ScheduledProcedureStep]:
    named = select(PerformedStepReference.scheduled_procedure_step_pk).where(
        PerformedStepReference.performed_procedure_step_pk == step.performed_procedure_step_pk
    )
    return lock_steps(work, ScheduledProcedureStep.scheduled_procedure_step_pk.in_(named))


def _steps_meant(
    work: Work, attributes: JsonDict, items: list[JsonDict]
) -> tuple[list[ScheduledProcedureStep], str | None]:
    """Every Scheduled Procedure Step that is referenced, or the reason why the work hangs on none."""
    found: list[ScheduledProcedureStep] = []
    orders: set[str] = set()
    meant = [_meant(item) for item in items]
    lock_steps(work, or_(*meant))
    for item, where in zip(items, meant, strict=True):
        query = (
            select(ScheduledProcedureStep, RequestedProcedure, ImagingServiceRequest)
            .join(
                RequestedProcedure,
                RequestedProcedure.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk,
            )
            .join(
                ImagingServiceRequest,
                ImagingServiceRequest.imaging_service_request_pk
                == RequestedProcedure.imaging_service_request_pk,
            )
            .where(where)
            .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk)
            .execution_options(populate_existing=True)
        )
        rows = work.session.execute(query).all()
        if not rows:
            return [], "no such scheduled step: an unscheduled procedure"
        for row in rows:
            if doubt := _doubt(work, attributes, item, row[1], row[2]):
                return [], doubt
        found.extend(row[0] for row in rows)
        orders.update(row[1].state for row in rows)
    unique = list({step.scheduled_procedure_step_pk: step for step in found}.values())
    if any(step.scheduled_procedure_step_status in ("CANCELED", "DISCONTINUED") for step in unique):
        return [], "the scheduled step was cancelled"
    if orders & {"CANCELED", "DISCONTINUED"}:
        # Its steps leave the worklist a moment later; the scanner was quicker.
        return [], "the order was cancelled"
    return unique, None


def _meant(item: JsonDict) -> ColumnElement[bool]:
    step_id = text_of(item, "00400009")
    if step_id:
        return ScheduledProcedureStep.scheduled_procedure_step_id == step_id
    of_study = select(RequestedProcedure.requested_procedure_pk).where(
        RequestedProcedure.study_instance_uid == text_of(item, "0020000D")
    )
    return ScheduledProcedureStep.requested_procedure_pk.in_(of_study)


def _doubt(
    work: Work,
    attributes: JsonDict,
    item: JsonDict,
    requested: RequestedProcedure,
    request: ImagingServiceRequest,
) -> str | None:
    """Why a performed step is not surely of this order; None: it is.

    Scheduled Procedure Step ID is unique only in the RIS that made it (PS3.3 C.4.10), and Patient ID is of type 2 (PS3.4
    table F.7.2-1). So the patient has to agree too, by the identifier or by name and birth date; without them, the
    worklist's own UID or accession number, where nothing that is said of the patient speaks against it.
    """
    patient_id = text_of(attributes, "00100020").strip()
    if patient_id:
        own = work.session.scalars(
            select(PatientIdentifier.patient_id).where(PatientIdentifier.patient_pk == request.patient_pk)
        ).all()
        return None if patient_id in own else "Patient ID is not that of the order"
    said = rules.Demographics(
        text_of(attributes, "00100010"),
        day_of(text_of(attributes, "00100030")),
        text_of(attributes, "00100040"),
        frozenset(),
    )
    known = list(personas(work, work.session.get_one(Patient, request.patient_pk)))
    not_against = [
        one
        for one in known
        if all(against["field"] == "patient_id" for against in rules.disagreements(one, said))
    ]
    if not not_against:
        return "the patient is not that of the order"
    if text_of(item, "0020000D") == requested.study_instance_uid:
        return None
    if text_of(item, "00080050").strip() == request.accession_number:
        return None
    for one in not_against:
        by_name = rules.name_verdict(one.patient_name, said.patient_name)
        by_birth = rules.verdict(one.patient_birth_date, said.patient_birth_date)
        if by_name is by_birth is rules.Verdict.AGREES:
            return None
    return "only the step's number agrees: neither patient, study nor accession number"


def day_of(value: str) -> date | None:
    """A DA as a date; None where it is none."""
    try:
        return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _audit(work: Work, step: PerformedProcedureStep, action: str) -> None:
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        action,
        study_instance_uid=step.study_instance_uid[:64],
        object_type="performed_procedure_step",
        object_id=step.performed_procedure_step_pk,
        detail={"status": step.performed_procedure_step_status},
    )


def text_of(attributes: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM JSON as text; empty where there is none."""
    values = attributes.get(tag, {}).get("Value") or [""]
    value = values[0]
    return (
        str(PersonName.from_json(value))
        if isinstance(value, dict)
        else str(value if value is not None else "")
    )


def _zone(work: Work, station_ae_title: str, steps: Sequence[ScheduledProcedureStep]) -> str:
    """The time zone of the scanner that reports; of an unknown one, that of the steps or of the first site."""
    query = select(Site.time_zone).join(ModalityResource, ModalityResource.site_pk == Site.site_pk)
    known = work.session.scalar(query.where(ModalityResource.station_ae_title == station_ae_title))
    if known is None and steps:
        known = work.session.scalar(
            query.where(ModalityResource.modality_resource_pk == steps[0].modality_resource_pk)
        )
    return known or work.session.scalar(select(Site.time_zone).order_by(Site.site_pk).limit(1)) or "UTC"


def _moment(work: Work, attributes: JsonDict, date_tag: str, time_tag: str, zone: str) -> datetime:
    """A modality's local date and time. Nonsense counts as now."""
    day, clock = text_of(attributes, date_tag), text_of(attributes, time_tag).split(".")[0].ljust(6, "0")[:6]
    try:
        moment = datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return work.now()
    return moment if abs(moment - work.now()) < timedelta(days=3650) else work.now()
