"""Moving Scheduled Procedure Steps, and what moves with them: the Requested Procedure and the appointment.

The order of locks. People, scanners, other systems and arriving images move the same rows at once, so whoever needs more
than one takes them from the top: the performed step or the link of the study that brings the news, the Imaging Service
Request, its Requested Procedures by ascending key, their steps by ascending key, the appointments. Nobody locks a step
or an appointment without its Requested Procedure: `lock_steps` does both.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import ColumnElement, select

from wetread.kit.errors import IllegalTransition
from wetread.orders.model import RequestedProcedure, RequestedProcedureState
from wetread.orders.rules import Move
from wetread.orders.service import move_requested_procedure
from wetread.scheduling import rules
from wetread.scheduling.events import AppointmentChanged, StepChanged
from wetread.scheduling.model import Appointment, ScheduledProcedureStep
from wetread.scheduling.rules import AppointmentMove, StepMove, StepStatus
from wetread.security.service import Work


def lock_procedures(work: Work, requested_procedure_pks: Iterable[int]) -> None:
    """Locks Requested Procedures against other moves, by ascending key; not against who puts their key into a row."""
    work.session.execute(
        select(RequestedProcedure.requested_procedure_pk)
        .where(RequestedProcedure.requested_procedure_pk.in_(set(requested_procedure_pks)))
        .order_by(RequestedProcedure.requested_procedure_pk)
        .with_for_update(of=RequestedProcedure, key_share=True)
    ).all()


def lock_steps(work: Work, *where: ColumnElement[bool]) -> list[ScheduledProcedureStep]:
    """The steps of which this is true, as they stand, by ascending key; locked, and before them their Requested
    Procedures."""
    # A step never moves to another Requested Procedure.
    keys = set(work.session.scalars(select(ScheduledProcedureStep.requested_procedure_pk).where(*where)))
    lock_procedures(work, keys)
    return list(
        work.session.scalars(
            select(ScheduledProcedureStep)
            .where(ScheduledProcedureStep.requested_procedure_pk.in_(keys), *where)
            .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def move_step(work: Work, step: ScheduledProcedureStep, move: StepMove, reason: str | None = None) -> None:
    """Moves one step by its table and lets order and appointment follow. Raises IllegalTransition."""
    before = step.scheduled_procedure_step_status
    after = rules.step_after(before, move)
    if after == before:
        return
    step.scheduled_procedure_step_status = after
    step.status_changed_at = work.now()
    if move is StepMove.TAKE_BACK:
        step.discontinuation_reason = None
    elif reason and move is not StepMove.REVERT:
        step.discontinuation_reason = reason[:200]
    work.session.flush()
    work.publish(StepChanged(step.scheduled_procedure_step_pk, step.requested_procedure_pk, after))
    _move_order(work, step, move, before, reason)
    if move is StepMove.START:
        move_appointment(work, step.appointment_pk, AppointmentMove.FULFIL)


def _move_order(
    work: Work, step: ScheduledProcedureStep, move: StepMove, before: str, reason: str | None
) -> None:
    statuses = set(
        work.session.scalars(
            select(ScheduledProcedureStep.scheduled_procedure_step_status).where(
                ScheduledProcedureStep.requested_procedure_pk == step.requested_procedure_pk
            )
        )
    )
    pk = step.requested_procedure_pk
    if move is StepMove.START:
        move_requested_procedure(work, pk, Move.START)
    elif move is StepMove.REVERT:
        # Arrived → scheduled does not touch the order, nor does one of several steps while another is done or under way.
        begun = statuses & {StepStatus.STARTED, StepStatus.COMPLETED}
        if before == StepStatus.STARTED and not begun:
            with suppress(IllegalTransition):
                move_requested_procedure(work, pk, Move.REVERT, reason)
    elif move is StepMove.TAKE_BACK:
        begun = statuses & {StepStatus.STARTED, StepStatus.COMPLETED}
        state = work.session.get_one(RequestedProcedure, pk).state
        if state != RequestedProcedureState.IN_PROGRESS or not begun:
            with suppress(IllegalTransition):  # what became of the order otherwise stands
                move_requested_procedure(work, pk, Move.REVERT, reason)
                if begun:
                    move_requested_procedure(work, pk, Move.START)
    elif move in (StepMove.COMPLETE, StepMove.DISCONTINUE) and statuses <= set(rules.FINAL_STEPS):
        done = StepStatus.COMPLETED in statuses
        move_requested_procedure(work, pk, Move.COMPLETE if done else Move.DISCONTINUE, reason)


def move_appointment(
    work: Work, appointment_pk: int | None, move: AppointmentMove, reason: str | None = None
) -> Appointment | None:
    """Moves an appointment by its table. Raises IllegalTransition."""
    if appointment_pk is None:
        return None
    appointment = work.session.get(Appointment, appointment_pk, with_for_update=True)
    if appointment is None:
        return None
    before = appointment.state
    appointment.state = rules.appointment_after(before, move)
    if appointment.state == before:
        return appointment
    if move is AppointmentMove.ARRIVE:
        appointment.arrived_at = work.now()
    elif move is AppointmentMove.REINSTATE:
        appointment.cancel_reason = None
        if appointment.state == rules.AppointmentState.BOOKED:
            appointment.arrived_at = None
    if reason:
        appointment.cancel_reason = reason[:200]
    work.session.flush()
    work.publish(AppointmentChanged(appointment.appointment_pk, appointment.state))
    return appointment
