"""Work of modalities that hangs on no Scheduled Procedure Step: a person says of which order it is, or takes that back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from wetread.kit.errors import Conflict, FieldError, IllegalTransition, Invalid, NotFound
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.patients.service import PatientBar, patient_bars
from wetread.scheduling import rules
from wetread.scheduling.candidates import CandidateOrder, Said, differences, likely_orders
from wetread.scheduling.events import PerformedStepChanged
from wetread.scheduling.model import (
    Appointment,
    PerformedProcedureStep,
    PerformedStepReference,
    ScheduledProcedureStep,
    StudyLink,
)
from wetread.scheduling.performed import JsonDict, counts, day_of, performed_for, settle, text_of
from wetread.scheduling.rules import AppointmentMove, StepMove, StepStatus
from wetread.scheduling.steps import lock_steps, move_appointment, move_step
from wetread.security.service import AuditEventID, Permission, Work

PROCEDURES_MAX = 10  # as many as an order has

Reported = Callable[[Session, int], bool]
"""Whether a report was written on a Requested Procedure."""
_reported: list[Reported] = []


def use_reported(reported: Reported) -> None:
    """Names who knows what was reported (called once by the composition root)."""
    _reported[:] = [reported]


@dataclass(frozen=True, slots=True)
class Unscheduled:
    """Work that hangs on no Scheduled Procedure Step, in the modality's own words, and why."""

    performed_procedure_step_pk: int
    performed_procedure_step_id: str
    performed_procedure_step_status: str
    performed_station_ae_title: str
    modality: str
    study_instance_uid: str
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    accession_number: str | None
    performed_procedure_step_description: str | None
    started_at: datetime
    ended_at: datetime | None
    unscheduled_reason: str


@dataclass(frozen=True, slots=True)
class Hung:
    """Work that a person hung on an order: what the modality said, and whose it counts as."""

    work: Unscheduled
    patient: PatientBar
    accession_number: str
    procedures: list[str]
    linked_at: datetime
    linked_by: str
    linked_because: str | None


def unscheduled_performed_steps(work: Work) -> list[Unscheduled]:
    """Work that modalities reported and that hangs on no scheduled step, newest first, at most 200."""
    work.require(Permission.RECONCILE)
    work.audit(AuditEventID.QUERY, "E", object_type="unscheduled performed steps")
    steps = work.session.scalars(
        select(PerformedProcedureStep)
        .where(
            PerformedProcedureStep.unscheduled_reason.is_not(None), PerformedProcedureStep.linked_at.is_(None)
        )
        .order_by(PerformedProcedureStep.performed_procedure_step_pk.desc())
        .limit(200)
    )
    return [_unscheduled(step) for step in steps]


def hung_performed_steps(work: Work, *, limit: int = 50) -> list[Hung]:
    """What people hung on orders, newest first."""
    work.require(Permission.RECONCILE)
    work.audit(AuditEventID.QUERY, "E", object_type="performed steps hung on orders")
    query = (
        select(PerformedProcedureStep, RequestedProcedure, ImagingServiceRequest)
        .join(
            PerformedStepReference,
            PerformedStepReference.performed_procedure_step_pk
            == PerformedProcedureStep.performed_procedure_step_pk,
        )
        .join(
            ScheduledProcedureStep,
            ScheduledProcedureStep.scheduled_procedure_step_pk
            == PerformedStepReference.scheduled_procedure_step_pk,
        )
        .join(
            RequestedProcedure,
            RequestedProcedure.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk,
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .where(PerformedProcedureStep.linked_at.is_not(None))
        .order_by(PerformedProcedureStep.linked_at.desc(), ScheduledProcedureStep.scheduled_procedure_step_pk)
        .limit(limit)
    )
    if work.actor.site_pks is not None:
        query = query.where(ImagingServiceRequest.site_pk.in_(work.actor.site_pks))
    rows = work.session.execute(query).all()
    bars = patient_bars(work, {request.patient_pk for *_, request in rows})
    found: dict[int, Hung] = {}
    for step, requested, request in rows:
        words = requested.requested_procedure_description
        known = found.get(step.performed_procedure_step_pk)
        assert step.linked_at is not None  # the query says so
        if known is None:
            found[step.performed_procedure_step_pk] = Hung(
                _unscheduled(step),
                bars[request.patient_pk],
                request.accession_number,
                [words],
                step.linked_at,
                step.linked_by or "",
                step.linked_because,
            )
        elif words not in known.procedures:
            known.procedures.append(words)
    return list(found.values())


def candidates_for_performed_step(
    work: Work, performed_procedure_step_pk: int, typed: str = ""
) -> list[CandidateOrder]:
    """Orders for waiting work, compared with what the modality says, the likeliest first; `typed`: only those of that
    accession number, patient's name or identifier. Raises NotFound."""
    work.require(Permission.RECONCILE)
    step = work.session.get(PerformedProcedureStep, performed_procedure_step_pk)
    if step is None or step.unscheduled_reason is None or step.linked_at is not None:
        raise NotFound("This work does not wait for an order.")
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        study_instance_uid=step.study_instance_uid[:64],
        object_type="candidate orders",
        object_id=performed_procedure_step_pk,
    )
    found = likely_orders(work, _said(step), typed)
    takers = set(
        work.session.scalars(
            select(ScheduledProcedureStep.requested_procedure_pk).where(
                ScheduledProcedureStep.requested_procedure_pk.in_(
                    [one.requested_procedure_pk for one in found]
                ),
                ScheduledProcedureStep.modality == step.modality,
                ScheduledProcedureStep.scheduled_procedure_step_status.not_in(("CANCELED", "DISCONTINUED")),
            )
        )
    )
    return [
        replace(one, obstacle=None if one.requested_procedure_pk in takers else _no_step(step.modality))
        for one in found
    ]


def hang_performed_step(
    work: Work,
    performed_procedure_step_pk: int,
    requested_procedure_pks: Collection[int],
    patient_pk: int,
    reason: str,
) -> None:
    """Hangs unscheduled work on the steps of its modality in these procedures, which are of one order; they move as far as
    it has gone. `patient_pk` is whom the person saw as the order's patient. Raises NotFound, Conflict, Invalid."""
    work.require(Permission.RECONCILE)
    if not reason.strip():
        raise Invalid("Say why.", fields=[FieldError("reason", "required")])
    step = _locked(work, performed_procedure_step_pk)
    if step.unscheduled_reason is None or step.linked_at is not None:
        raise Conflict("This work hangs on an order already.")
    order = _order(work, requested_procedure_pks)
    if order.patient_pk != patient_pk:
        raise Conflict("This order is another patient's by now. Look at it again.")
    keys = set(requested_procedure_pks)
    steps = [
        one
        for one in lock_steps(work, ScheduledProcedureStep.requested_procedure_pk.in_(keys))
        if one.modality == step.modality
        and one.scheduled_procedure_step_status not in ("CANCELED", "DISCONTINUED")
    ]
    if keys - {one.requested_procedure_pk for one in steps}:
        raise Invalid(
            "It cannot hang there.", fields=[FieldError("requested_procedure_pks", _no_step(step.modality))]
        )
    ended = work.session.scalar(
        select(RequestedProcedure.requested_procedure_pk).where(
            RequestedProcedure.requested_procedure_pk.in_(keys),
            RequestedProcedure.state.in_(("CANCELED", "DISCONTINUED")),
        )
    )
    if ended is not None:
        # Its steps leave the worklist a moment later.
        raise Conflict("This order was cancelled. Place a new one for what was done.")
    differs = {one.field for one in differences(work, _said(step), keys)}
    step.linked_at, step.linked_by = work.now(), work.actor.username[:64]
    step.linked_because = reason.strip()[:200]
    for scheduled in steps:
        work.session.add(
            PerformedStepReference(
                performed_procedure_step_pk=step.performed_procedure_step_pk,
                scheduled_procedure_step_pk=scheduled.scheduled_procedure_step_pk,
                status_before=scheduled.scheduled_procedure_step_status,
            )
        )
        if counts(step):
            with suppress(IllegalTransition):  # people were there before: what they did stands
                move_step(work, scheduled, StepMove.START)
    work.session.flush()
    if step.performed_procedure_step_status != "IN PROGRESS" and counts(step):
        for scheduled in steps:
            settle(work, scheduled)
    detail = {"reason": reason.strip()[:200], "order": str(order.imaging_service_request_pk)}
    if differs:
        detail["differs"] = ",".join(sorted(differs))
    _audit(work, step, order.patient_pk, detail)
    work.publish(PerformedStepChanged(step.performed_procedure_step_pk))


def take_back_performed_step(work: Work, performed_procedure_step_pk: int, reason: str) -> None:
    """Takes work off the order that a person had hung it on; it waits again. The order's steps stand as they did before,
    or as other work and images say; what people did to them since stands. Raises NotFound, Invalid, and Conflict where
    nobody hung it, or where nothing but it speaks for work that was reported."""
    work.require(Permission.RECONCILE)
    if not reason.strip():
        raise Invalid("Say why.", fields=[FieldError("reason", "required")])
    step = _locked(work, performed_procedure_step_pk)
    if step.linked_at is None:
        raise Conflict("Nobody hung this work on an order.")
    before = {
        row.scheduled_procedure_step_pk: row.status_before
        for row in work.session.scalars(
            select(PerformedStepReference).where(
                PerformedStepReference.performed_procedure_step_pk == performed_procedure_step_pk
            )
        )
    }
    steps = select(ScheduledProcedureStep.requested_procedure_pk).where(
        ScheduledProcedureStep.scheduled_procedure_step_pk.in_(before)
    )
    order = _order(work, set(work.session.scalars(steps)))
    scheduled = lock_steps(work, ScheduledProcedureStep.scheduled_procedure_step_pk.in_(before))
    work.session.execute(
        delete(PerformedStepReference).where(
            PerformedStepReference.performed_procedure_step_pk == performed_procedure_step_pk
        )
    )
    step.linked_at = step.linked_by = step.linked_because = None
    work.session.flush()
    for one in scheduled:
        _stand_without(work, step, one, before[one.scheduled_procedure_step_pk], reason.strip())
    _audit(work, step, order.patient_pk, {"reason": reason.strip()[:200], "move": "take back"})
    work.publish(PerformedStepChanged(step.performed_procedure_step_pk))


def _stand_without(
    work: Work,
    step: PerformedProcedureStep,
    scheduled: ScheduledProcedureStep,
    status_before: str | None,
    reason: str,
) -> None:
    given = {
        "IN PROGRESS": StepStatus.STARTED,
        "COMPLETED": StepStatus.COMPLETED,
        "DISCONTINUED": StepStatus.DISCONTINUED,
    }[step.performed_procedure_step_status]
    now = scheduled.scheduled_procedure_step_status
    if now != given or status_before in (None, now):
        return  # it stood so before, or people have moved it on
    procedure_pk = scheduled.requested_procedure_pk
    images = work.session.scalar(
        select(StudyLink.study_link_pk)
        .where(StudyLink.requested_procedure_pk == procedure_pk, StudyLink.state != "unmatched")
        .limit(1)
    )
    others = {one.performed_procedure_step_status for one in performed_for(work, scheduled) if counts(one)}
    stands = rules.status_without(str(status_before), others, images=images is not None)
    if stands == now:
        return
    if any(reported(work.session, procedure_pk) for reported in _reported):
        if images is not None:
            return  # what was read was made
        raise Conflict(
            "A report was written on this order, and nothing but this work says that it was done. "
            "Hang its images on it first, or place a new order for what was read."
        )
    move_step(work, scheduled, StepMove.TAKE_BACK, reason)
    appointment = (
        work.session.get(Appointment, scheduled.appointment_pk, with_for_update=True, populate_existing=True)
        if scheduled.appointment_pk is not None
        else None
    )
    arrived_at = appointment.arrived_at if appointment is not None else None
    with suppress(IllegalTransition):  # nobody comes to it any more
        move_appointment(work, scheduled.appointment_pk, AppointmentMove.REINSTATE)
    follow = {StepMove.ARRIVE: AppointmentMove.ARRIVE, StepMove.PREPARE: AppointmentMove.CHECK_IN}
    for move in rules.STEP_PATHS[stands]:
        move_step(work, scheduled, move)
        if move in follow:
            with suppress(IllegalTransition):
                move_appointment(work, scheduled.appointment_pk, follow[move])
    if appointment is not None:
        appointment.arrived_at = arrived_at  # that the patient is here is as true as before
    work.session.flush()


def _locked(work: Work, performed_procedure_step_pk: int) -> PerformedProcedureStep:
    step = work.session.get(
        PerformedProcedureStep, performed_procedure_step_pk, with_for_update=True, populate_existing=True
    )
    if step is None:
        raise NotFound("There is no such performed step.")
    return step


def _order(work: Work, requested_procedure_pks: Collection[int]) -> ImagingServiceRequest:
    """The one order of these procedures, locked: its patient stays who he is. Raises NotFound, Invalid."""
    keys = set(requested_procedure_pks)
    found = work.session.execute(
        select(
            RequestedProcedure.requested_procedure_pk, RequestedProcedure.imaging_service_request_pk
        ).where(RequestedProcedure.requested_procedure_pk.in_(keys))
    ).all()
    orders = {row[1] for row in found}
    if not keys or len(found) != len(keys):
        raise NotFound("There is no such order.")
    if len(orders) != 1:
        raise Invalid(
            "It cannot hang there.",
            fields=[FieldError("requested_procedure_pks", "are of several orders")],
        )
    order = work.session.get_one(
        ImagingServiceRequest, orders.pop(), with_for_update={"key_share": True}, populate_existing=True
    )
    if work.actor.site_pks is not None and order.site_pk not in work.actor.site_pks:
        raise NotFound("There is no such order.")
    return order


def _no_step(modality: str) -> str:
    return f"has no step for {modality or 'this modality'} that is not cancelled"


def _audit(work: Work, step: PerformedProcedureStep, patient_pk: int, detail: dict[str, str]) -> None:
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "U",
        patient_pk=patient_pk,
        study_instance_uid=step.study_instance_uid[:64],
        object_type="performed_procedure_step",
        object_id=step.performed_procedure_step_pk,
        detail=detail,
    )


def _items(attributes: JsonDict, tag: str) -> list[JsonDict]:
    return [one for one in attributes.get(tag, {}).get("Value") or [] if isinstance(one, dict)]


def _accession_number(attributes: JsonDict) -> str | None:
    numbers = (text_of(item, "00080050").strip() for item in _items(attributes, "00400270"))
    return next((number for number in numbers if number), None)


def _unscheduled(step: PerformedProcedureStep) -> Unscheduled:
    said = step.attributes
    return Unscheduled(
        step.performed_procedure_step_pk,
        step.performed_procedure_step_id,
        step.performed_procedure_step_status,
        step.performed_station_ae_title,
        step.modality,
        step.study_instance_uid,
        text_of(said, "00100010") or None,
        text_of(said, "00100020") or None,
        day_of(text_of(said, "00100030")),
        text_of(said, "00100040") or None,
        _accession_number(said),
        text_of(said, "00400254") or None,
        step.started_at,
        step.ended_at,
        step.unscheduled_reason or "",
    )


def _said(step: PerformedProcedureStep) -> Said:
    said = step.attributes
    words = [text_of(said, "00400254")]
    for item in _items(said, "00400340"):  # Performed Series Sequence: description, protocol
        words += [text_of(item, "0008103E"), text_of(item, "00181030")]
    description = "; ".join(dict.fromkeys(word.strip() for word in words if word.strip()))[:200] or None
    return Said(
        text_of(said, "00100010") or None,
        text_of(said, "00100020").strip() or None,
        text_of(said, "00100021").strip() or None,
        day_of(text_of(said, "00100030")),
        text_of(said, "00100040") or None,
        _accession_number(said),
        [step.modality] if step.modality else [],
        day_of(text_of(said, "00400244")),
        description,
        step.study_instance_uid,
        step.received_at,
        rules.side_of(description),
    )
