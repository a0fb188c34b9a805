"""Use cases of the scheduling room: the only writer of resources, appointments, steps and study links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import and_, func, select
from sqlalchemy.exc import IntegrityError

from wetread.archive.model import Study
from wetread.kit.errors import Conflict, FieldError, IllegalTransition, Invalid, NotFound
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.orders.rules import Move
from wetread.orders.service import (
    OrderInput,
    ProcedureChoice,
    move_requested_procedure,
    place_order,
    procedures_of,
)
from wetread.patients.model import Patient
from wetread.patients.service import PatientBar, patient_bars
from wetread.scheduling import rules
from wetread.scheduling.candidates import CandidateOrder, Resolved, candidate_orders, resolved
from wetread.scheduling.events import AppointmentChanged, StepChanged
from wetread.scheduling.linking import (
    Unmatched,
    match_studies,
    order_arrived,
    orders_of_study,
    patient_changed,
    patient_merged,
    reconcile,
    studies_arrived,
    undo_reconciliation,
    unmatched,
)
from wetread.scheduling.model import (
    Appointment,
    ModalityResource,
    ScheduledProcedureStep,
    StudyLink,
)
from wetread.scheduling.performed import (
    PerformedStepRefused,
    create_performed_step,
    update_performed_step,
)
from wetread.scheduling.procedure_steps import (
    RESCHEDULED,
    AcquisitionKeeper,
    code_item,
    date_time,
    keep_missed_steps,
    keep_steps_of,
    keys_of,
    linked_studies,
    order_attributes,
    own_code,
    patients_of,
    procedures_of_patients,
    reason,
)
from wetread.scheduling.rules import AppointmentMove, Slot, StepMove
from wetread.scheduling.steps import lock_steps, move_appointment, move_step
from wetread.scheduling.tracking import LinkedStudy, Performed, performed_of, performed_statuses, studies_of
from wetread.scheduling.unscheduled import (
    Hung,
    Unscheduled,
    candidates_for_performed_step,
    hang_performed_step,
    hung_performed_steps,
    take_back_performed_step,
    unscheduled_performed_steps,
)
from wetread.scheduling.worklist import json_model, worklist_items
from wetread.security.model import Site
from wetread.security.service import AuditEventID, Permission, Work

__all__ = [
    "RESCHEDULED",
    "AcquisitionKeeper",
    "Booking",
    "CandidateOrder",
    "Hung",
    "Performed",
    "PerformedStepRefused",
    "Resolved",
    "ResourceInput",
    "Slot",
    "Unmatched",
    "Unscheduled",
    "act_on_step",
    "add_resource",
    "appointment_of_canceled_order",
    "book",
    "bookings_of_patient",
    "cancel_appointment",
    "candidate_orders",
    "candidates_for_performed_step",
    "code_item",
    "create_performed_step",
    "date_time",
    "day_board",
    "first_slots",
    "first_slots_of_procedure",
    "hang_performed_step",
    "hung_performed_steps",
    "json_model",
    "keep_missed_steps",
    "keep_steps_of",
    "keys_of",
    "linked_studies",
    "mark_no_show",
    "match_studies",
    "move_open_appointment",
    "order_arrived",
    "order_attributes",
    "orders_of_study",
    "own_code",
    "patient_changed",
    "patient_merged",
    "patients_of",
    "performed_steps",
    "procedures_of_patients",
    "reason",
    "reconcile",
    "reinstate",
    "reschedule",
    "resolved",
    "resources",
    "schedule",
    "stat_order_arrived",
    "studies_arrived",
    "take_back_performed_step",
    "tracking_board",
    "undo_reconciliation",
    "unmatched",
    "unscheduled_performed_steps",
    "update_performed_step",
    "walk_in",
    "worklist_items",
]  # fmt: skip

SLOT_DAYS_MAX = 60


@dataclass(frozen=True, slots=True)
class ResourceInput:
    """A scanner that can be booked."""

    site_pk: int
    name: str
    station_name: str
    station_ae_title: str
    modality: str
    opens: time = time(7)
    closes: time = time(20)
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as screens show it."""

    modality_resource_pk: int
    site_pk: int
    site_code: str
    time_zone: str
    name: str
    station_ae_title: str
    modality: str
    opens: time
    closes: time
    weekdays: list[int]
    active: bool


@dataclass(frozen=True, slots=True)
class Booking:
    """A step with its appointment, order and patient: a line of the day board, the technologist's day, the tracking."""

    scheduled_procedure_step_pk: int
    scheduled_procedure_step_id: str
    scheduled_procedure_step_status: str
    status_changed_at: datetime
    appointment_pk: int | None
    appointment_state: str | None
    arrived_at: datetime | None
    modality_resource_pk: int
    resource_name: str
    site_code: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    requested_procedure_pk: int
    imaging_service_request_pk: int
    accession_number: str
    requested_procedure_description: str
    requested_procedure_priority: str
    requested_procedure_state: str
    ordered_at: datetime
    reason_for_the_requested_procedure: str | None
    laterality: str | None
    modality: str
    patient: PatientBar
    number_of_images: int
    overbooked: bool
    overbook_reason: str | None
    cancel_reason: str | None
    performed_procedure_step_status: str | None
    studies: list[LinkedStudy]


def resources(work: Work, *, site_pk: int | None = None, modality: str | None = None) -> list[Resource]:
    """Bookable scanners."""
    work.require(Permission.SCHEDULE_READ, Permission.CONFIG_READ)
    query = select(ModalityResource, Site).join(Site, Site.site_pk == ModalityResource.site_pk)
    if site_pk is not None:
        query = query.where(ModalityResource.site_pk == site_pk)
    if modality:
        query = query.where(ModalityResource.modality == modality)
    if work.actor.site_pks is not None:
        query = query.where(ModalityResource.site_pk.in_(work.actor.site_pks))
    rows = work.session.execute(query.order_by(Site.code, ModalityResource.name)).all()
    return [
        Resource(
            one.modality_resource_pk, one.site_pk, site.code, site.time_zone, one.name, one.station_ae_title,
            one.modality, one.opens, one.closes, list(one.weekdays), one.active,
        )
        for one, site in rows
    ]  # fmt: skip


def add_resource(work: Work, given: ResourceInput) -> ModalityResource:
    """A new scanner. Raises Invalid, Conflict for an AE title that is taken."""
    work.require(Permission.CONFIG_WRITE)
    site = work.session.get(Site, given.site_pk)
    if site is None or site.time_zone not in available_timezones():
        raise Invalid("The site is not known.", fields=[FieldError("site_pk", "not known")])
    if given.closes <= given.opens:
        raise Invalid("The opening hours are empty.", fields=[FieldError("closes", "after opening")])
    if work.session.scalar(
        select(ModalityResource.modality_resource_pk).where(
            ModalityResource.station_ae_title == given.station_ae_title
        )
    ):
        raise Conflict("This AE title is taken.", fields=[FieldError("station_ae_title", "taken")])
    resource = ModalityResource(
        site_pk=given.site_pk,
        name=given.name,
        station_name=given.station_name,
        station_ae_title=given.station_ae_title,
        modality=given.modality,
        opens=given.opens,
        closes=given.closes,
        weekdays=list(given.weekdays),
    )
    work.session.add(resource)
    work.session.flush()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "C", object_type="modality_resource",
               object_id=resource.modality_resource_pk)  # fmt: skip
    return resource


def first_slots(
    work: Work,
    requested_procedure_pk: int,
    *,
    not_before: datetime | None = None,
    site_pk: int | None = None,
    count: int = 6,
) -> list[Slot]:
    """The first free slots for an ordered procedure over all fitting resources, by time. Raises NotFound."""
    work.require(Permission.SCHEDULE_READ)
    _, request, procedure = _requested(work, requested_procedure_pk)
    work.audit(AuditEventID.QUERY, "E", object_type="slots", object_id=requested_procedure_pk)
    return _first_slots(work, procedure, not_before, site_pk or request.site_pk, count)


def first_slots_of_procedure(
    work: Work, procedure_pk: int, *, not_before: datetime | None = None, site_pk: int, count: int = 6
) -> list[Slot]:
    """The first free slots for a catalogue entry at a site, before anything is ordered: the caller on the telephone
    asks for the time first. Raises NotFound."""
    work.require(Permission.SCHEDULE_READ)
    procedure = work.session.get(Procedure, procedure_pk)
    if procedure is None:
        raise NotFound("There is no such procedure.")
    work.audit(AuditEventID.QUERY, "E", object_type="slots of procedure", object_id=procedure_pk)
    return _first_slots(work, procedure, not_before, site_pk, count)


def _first_slots(
    work: Work, procedure: Procedure, not_before: datetime | None, site_pk: int, count: int
) -> list[Slot]:
    if not_before is not None:
        _check_aware(not_before, "not_before")
    start = max(not_before or work.now(), work.now())
    fitting = [one for one in resources(work, site_pk=site_pk, modality=procedure.modality) if one.active]
    found: list[Slot] = []
    for offset in range(SLOT_DAYS_MAX):
        for resource in fitting:
            day = (start.astimezone(ZoneInfo(resource.time_zone)) + timedelta(days=offset)).date()
            if day.weekday() not in resource.weekdays:
                continue
            taken = _taken(work, resource, day)
            found.extend(
                rules.free_slots(
                    resource.modality_resource_pk, day, resource.opens, resource.closes, resource.time_zone, taken,
                    procedure.duration_minutes, start,
                )[:count]
            )  # fmt: skip
        if len(found) >= count:
            break
    return sorted(found, key=lambda slot: (slot.starts_at, slot.modality_resource_pk))[:count]


def _taken(work: Work, resource: Resource, day: date) -> list[tuple[datetime, datetime]]:
    begin, _ = rules.hours_of(day, time(0), time(0), resource.time_zone)
    rows = work.session.execute(
        select(Appointment.starts_at, Appointment.ends_at).where(
            Appointment.modality_resource_pk == resource.modality_resource_pk,
            Appointment.state.not_in(("cancelled", "noshow")),
            Appointment.ends_at > begin,
            Appointment.starts_at < begin + timedelta(hours=26),
        )
    ).all()
    return [(start, end) for start, end in rows]


def schedule(
    work: Work,
    requested_procedure_pk: int,
    modality_resource_pk: int,
    starts_at: datetime,
    *,
    minutes: int | None = None,
    overbook_reason: str | None = None,
    idempotency_key: UUID | None = None,
) -> ScheduledProcedureStep:
    """Books a slot and makes the step that the modality will find. PostgreSQL refuses a double booking, and a key of a
    form that was used before: Conflict."""
    work.require(Permission.SCHEDULE_WRITE)
    _check_aware(starts_at, "starts_at")
    requested, request, procedure = _requested(work, requested_procedure_pk, lock=True)
    resource = work.session.get(ModalityResource, modality_resource_pk)
    if resource is None or not resource.active or not _works_at(work, resource.site_pk):
        raise NotFound("There is no such resource.")
    if resource.modality != procedure.modality:
        raise Invalid(
            f"{resource.name} is a {resource.modality}; the procedure needs {procedure.modality}.",
            fields=[FieldError("modality_resource_pk", "wrong modality")],
        )
    _check_not_scheduled(work, requested_procedure_pk)
    move_requested_procedure(work, requested_procedure_pk, Move.SCHEDULE)
    appointment = Appointment(
        modality_resource_pk=modality_resource_pk,
        requested_procedure_pk=requested_procedure_pk,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes or procedure.duration_minutes),
        state="booked",
        overbook_reason=overbook_reason,
        booked_at=work.now(),
        booked_by=work.actor.username[:64],
        idempotency_key=idempotency_key,
    )
    _book(work, appointment)
    step = _new_step(work, requested, resource, appointment)
    _audit(work, request.patient_pk, "C", step.scheduled_procedure_step_pk)
    return step


def _check_not_scheduled(work: Work, requested_procedure_pk: int) -> None:
    if work.session.scalar(
        select(func.count()).where(
            ScheduledProcedureStep.requested_procedure_pk == requested_procedure_pk,
            ScheduledProcedureStep.scheduled_procedure_step_status.in_((*rules.OPEN_STEPS, "STARTED")),
        )
    ):
        raise Conflict("This procedure is scheduled already. Reschedule it instead.")


def _new_step(
    work: Work, requested: RequestedProcedure, resource: ModalityResource, appointment: Appointment
) -> ScheduledProcedureStep:
    requested_procedure_pk = requested.requested_procedure_pk
    number = work.session.scalar(
        select(func.count()).where(ScheduledProcedureStep.requested_procedure_pk == requested_procedure_pk)
    )
    step = ScheduledProcedureStep(
        requested_procedure_pk=requested_procedure_pk,
        appointment_pk=appointment.appointment_pk,
        modality_resource_pk=resource.modality_resource_pk,
        scheduled_procedure_step_id=f"S{requested_procedure_pk}-{(number or 0) + 1}",
        scheduled_procedure_step_status="SCHEDULED",
        modality=resource.modality,
        scheduled_station_ae_title=resource.station_ae_title,
        scheduled_station_name=resource.station_name,
        scheduled_procedure_step_description=requested.requested_procedure_description,
        scheduled_procedure_step_location=resource.name[:16],
        starts_at=appointment.starts_at,
        status_changed_at=work.now(),
    )
    work.session.add(step)
    work.session.flush()
    work.publish(AppointmentChanged(appointment.appointment_pk, appointment.state))
    work.publish(StepChanged(step.scheduled_procedure_step_pk, requested_procedure_pk, "SCHEDULED"))
    return step


def _check_aware(moment: datetime, field: str) -> None:
    if moment.tzinfo is None:
        raise Invalid("The time needs its zone.", fields=[FieldError(field, "with offset")])


def _book(work: Work, appointment: Appointment) -> None:
    with _no_double_booking(work):
        work.session.add(appointment)


@contextmanager
def _no_double_booking(work: Work) -> Iterator[None]:
    """Flushes what the block does, in a savepoint; PostgreSQL's own refusal becomes a Conflict."""
    try:
        with work.session.begin_nested():
            yield
            work.session.flush()
    except IntegrityError as error:
        if "appointment_no_double_booking" in str(error.orig):
            raise Conflict(
                "Another appointment takes this time on this scanner.",
                fields=[FieldError("starts_at", "taken; choose another slot, or overbook with a reason")],
            ) from None
        if "uq_appointment_idempotency_key" in str(error.orig):
            raise Conflict("This form booked something else before. Open it again.") from None
        raise


def walk_in(
    work: Work,
    requested_procedure_pk: int,
    modality_resource_pk: int,
    *,
    idempotency_key: UUID | None = None,
) -> ScheduledProcedureStep:
    """Emergency or walk-in: scheduled now, arrived at once; it may stand beside another appointment."""
    now = work.now().replace(second=0, microsecond=0)
    step = schedule(
        work, requested_procedure_pk, modality_resource_pk, now, overbook_reason="walk-in",
        idempotency_key=idempotency_key,
    )  # fmt: skip
    move_step(work, step, StepMove.ARRIVE)
    move_appointment(work, step.appointment_pk, AppointmentMove.ARRIVE)
    return step


def order_and_book(
    work: Work,
    given: OrderInput,
    modality_resource_pk: int,
    starts_at: datetime | None,
    *,
    minutes: int | None = None,
    overbook_reason: str | None = None,
    idempotency_key: UUID | None = None,
) -> ScheduledProcedureStep:
    """Places an order of one procedure and books it at `starts_at`; None: a walk-in, who is here now.

    Both or neither: who is cut off in between leaves no order that nobody books. Who lost the answer and asks again, or
    pressed twice, gets what was made: `idempotency_key` is one of the form. Raises what both raise, and Conflict where
    another person has just booked the same.
    """
    work.require(Permission.ORDER_WRITE)
    work.require(Permission.SCHEDULE_WRITE)
    if len(given.procedures) != 1:
        raise Invalid("One slot is for one procedure.", fields=[FieldError("procedures", "exactly one")])
    if starts_at is not None:
        _check_aware(starts_at, "starts_at")
    # One booking at a time for a patient, so that two of the same at one instant see each other.
    work.session.execute(
        select(Patient.patient_pk)
        .where(Patient.patient_pk == given.patient_pk)
        .with_for_update(key_share=True)
    )
    made = _made_with(work, idempotency_key, given.patient_pk) or _made_just_now(
        work, given.patient_pk, given.procedures[0], modality_resource_pk, starts_at
    )
    if made is not None:
        _audit(work, given.patient_pk, "R", made.scheduled_procedure_step_pk)
        return made
    request = place_order(work, given)
    (requested,) = procedures_of(work, request.imaging_service_request_pk)
    if starts_at is None:
        return walk_in(
            work, requested.requested_procedure_pk, modality_resource_pk, idempotency_key=idempotency_key
        )
    return schedule(
        work, requested.requested_procedure_pk, modality_resource_pk, starts_at, minutes=minutes,
        overbook_reason=overbook_reason, idempotency_key=idempotency_key,
    )  # fmt: skip


def _made_with(work: Work, idempotency_key: UUID | None, patient_pk: int) -> ScheduledProcedureStep | None:
    """What this form made for this patient before, however late it is sent again."""
    if idempotency_key is None:
        return None
    return work.session.scalar(
        select(ScheduledProcedureStep)
        .join(Appointment, Appointment.appointment_pk == ScheduledProcedureStep.appointment_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk,
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .where(
            Appointment.idempotency_key == idempotency_key,
            ImagingServiceRequest.patient_pk == patient_pk,
            Appointment.booked_by == work.actor.username[:64],
        )
        .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk.desc())
        .limit(1)
    )


def _made_just_now(
    work: Work,
    patient_pk: int,
    choice: ProcedureChoice,
    modality_resource_pk: int,
    starts_at: datetime | None,
) -> ScheduledProcedureStep | None:
    """What the same person booked of the same for the same patient, there and then, a moment ago. Raises Conflict where
    it was another person: whether that is the same, the two decide."""
    query = (
        select(ScheduledProcedureStep, Appointment.booked_by)
        .join(Appointment, Appointment.appointment_pk == ScheduledProcedureStep.appointment_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk,
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .where(
            ImagingServiceRequest.patient_pk == patient_pk,
            RequestedProcedure.laterality.is_not_distinct_from(choice.laterality),
            Appointment.modality_resource_pk == modality_resource_pk,
            Appointment.booked_at > work.now() - rules.ASKED_AGAIN,
            Appointment.state.in_(("booked", "arrived")),
            ScheduledProcedureStep.scheduled_procedure_step_status.in_(rules.OPEN_STEPS),
            Appointment.overbook_reason == "walk-in"
            if starts_at is None
            else Appointment.starts_at == starts_at,
            Procedure.procedure_pk == choice.procedure_pk
            if choice.procedure_pk is not None
            else Procedure.code_value == choice.code_value,
        )
        .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk.desc())
        .limit(1)
    )
    found = work.session.execute(query).first()
    if found is None:
        return None
    step, booked_by = found
    if booked_by != work.actor.username[:64]:
        raise Conflict(
            f"{booked_by} booked the same for this patient a moment ago. It stands on the day board."
        )
    return step


def reschedule(
    work: Work,
    appointment_pk: int,
    modality_resource_pk: int,
    starts_at: datetime,
    overbook_reason: str | None = None,
) -> Appointment:
    """Moves an appointment to another time or scanner of the same modality. Raises Conflict, IllegalTransition."""
    work.require(Permission.SCHEDULE_WRITE)
    _check_aware(starts_at, "starts_at")
    appointment, step, patient_pk = _appointment(work, appointment_pk)
    resource = work.session.get(ModalityResource, modality_resource_pk)
    if (
        resource is None
        or not resource.active
        or resource.modality != step.modality
        or not _works_at(work, resource.site_pk)
    ):
        raise Invalid(
            "That scanner does not fit.", fields=[FieldError("modality_resource_pk", "wrong modality")]
        )
    move_appointment(work, appointment_pk, AppointmentMove.RESCHEDULE)
    length = appointment.ends_at - appointment.starts_at
    with _no_double_booking(work):
        appointment.modality_resource_pk = modality_resource_pk
        appointment.starts_at, appointment.ends_at = starts_at, starts_at + length
        appointment.overbook_reason = overbook_reason
    step.modality_resource_pk = modality_resource_pk
    step.scheduled_station_ae_title, step.scheduled_station_name = (
        resource.station_ae_title,
        resource.station_name,
    )
    step.scheduled_procedure_step_location, step.starts_at = resource.name[:16], starts_at
    work.session.flush()
    work.publish(AppointmentChanged(appointment_pk, appointment.state))
    work.publish(StepChanged(step.scheduled_procedure_step_pk, step.requested_procedure_pk, "SCHEDULED"))
    _audit(work, patient_pk, "U", step.scheduled_procedure_step_pk)
    return appointment


def move_open_appointment(work: Work, requested_procedure_pk: int, starts_at: datetime) -> bool:
    """Moves what is booked for a Requested Procedure to another time on the same scanner; False where nothing is booked.

    Raises Conflict where the time is taken, IllegalTransition where the patient is here already.
    """
    work.require(Permission.SCHEDULE_WRITE)
    step = work.session.scalar(
        select(ScheduledProcedureStep).where(
            ScheduledProcedureStep.requested_procedure_pk == requested_procedure_pk,
            ScheduledProcedureStep.scheduled_procedure_step_status.in_(rules.OPEN_STEPS),
            ScheduledProcedureStep.appointment_pk.is_not(None),
        )
    )
    if step is None or step.appointment_pk is None:
        return False
    if step.starts_at != starts_at:
        reschedule(work, step.appointment_pk, step.modality_resource_pk, starts_at)
    return True


def cancel_appointment(work: Work, appointment_pk: int, reason: str) -> None:
    """Frees the slot; the order goes back to be scheduled. Raises IllegalTransition once the step has started."""
    _leave(work, appointment_pk, AppointmentMove.CANCEL, reason)


def mark_no_show(work: Work, appointment_pk: int) -> None:
    """The patient did not come; the order goes back to be scheduled, and this can be taken back."""
    _leave(work, appointment_pk, AppointmentMove.MISS, "no-show")


def _leave(work: Work, appointment_pk: int, move: AppointmentMove, reason: str) -> None:
    work.require(Permission.SCHEDULE_WRITE)
    if not reason.strip():
        raise Invalid("A reason is needed.", fields=[FieldError("reason", "required")])
    _, step, patient_pk = _appointment(work, appointment_pk)
    move_appointment(work, appointment_pk, move, reason)
    move_step(work, step, StepMove.CANCEL, reason)
    move_requested_procedure(work, step.requested_procedure_pk, Move.UNSCHEDULE, reason)
    _audit(work, patient_pk, "U", step.scheduled_procedure_step_pk)


def reinstate(work: Work, appointment_pk: int) -> ScheduledProcedureStep:
    """A no-show comes after all: the same appointment stands again, where its time is still free, and counts as missed no
    more. Raises Conflict, IllegalTransition."""
    work.require(Permission.SCHEDULE_WRITE)
    appointment, old, patient_pk = _appointment(work, appointment_pk)
    if appointment.state != "noshow":
        raise IllegalTransition("The appointment", appointment.state, AppointmentMove.REINSTATE)
    requested, _, _ = _requested(work, old.requested_procedure_pk, lock=True)
    _check_not_scheduled(work, requested.requested_procedure_pk)
    move_requested_procedure(work, requested.requested_procedure_pk, Move.SCHEDULE)
    with _no_double_booking(work):
        move_appointment(work, appointment_pk, AppointmentMove.REINSTATE)
    resource = work.session.get_one(ModalityResource, appointment.modality_resource_pk)
    step = _new_step(work, requested, resource, appointment)
    _audit(work, patient_pk, "U", step.scheduled_procedure_step_pk, {"move": "reinstate"})
    return step


def act_on_step(
    work: Work,
    scheduled_procedure_step_pk: int,
    move: StepMove,
    reason: str | None = None,
    checks: Sequence[str] = (),
    allergy_reason: str | None = None,
) -> None:
    """The technologist's or front desk's button: arrive, prepare, start, complete, discontinue. What was checked with
    the patient before goes into the audit record, and so does `allergy_reason`: why contrast is given although allergies
    speak against it. Raises IllegalTransition, Invalid without a reason where one is needed."""
    work.require(Permission.STEP_PERFORM, Permission.SCHEDULE_WRITE)
    if move is not StepMove.ARRIVE:
        work.require(Permission.STEP_PERFORM)
    if move in (StepMove.DISCONTINUE, StepMove.REVERT) and not (reason or "").strip():
        raise Invalid("A reason is needed.", fields=[FieldError("reason", "required")])
    named = ScheduledProcedureStep.scheduled_procedure_step_pk == scheduled_procedure_step_pk
    step = next(iter(lock_steps(work, named)), None)
    if step is None:
        raise NotFound("There is no such step.")
    _, request, procedure = _requested(work, step.requested_procedure_pk)
    overridden = _check_allergies(work, step, move, request, procedure, checks, allergy_reason)
    move_step(work, step, move, reason)
    follow = {
        StepMove.ARRIVE: AppointmentMove.ARRIVE,
        StepMove.PREPARE: AppointmentMove.CHECK_IN,
        StepMove.REVERT: AppointmentMove.REINSTATE,
    }.get(move)
    if follow is not None:
        move_appointment(work, step.appointment_pk, follow)
    detail = {"move": move.value}
    if reason:
        detail["reason"] = reason[:200]
    if checks:
        detail["checked"] = ",".join(sorted(set(checks)))
    if overridden:
        detail["contrast in spite of allergies"] = overridden
    _audit(work, request.patient_pk, "U", scheduled_procedure_step_pk, detail)


def _check_allergies(
    work: Work,
    step: ScheduledProcedureStep,
    move: StepMove,
    request: ImagingServiceRequest,
    procedure: Procedure,
    checks: Sequence[str],
    allergy_reason: str | None,
) -> str | None:
    """Before contrast: the reason that outweighed the allergies, None where nothing speaks against it. Raises Invalid
    where no one gave one. An emergency that nobody made ready is asked at its start, and so is who was made ready
    before the record said what it says now."""
    before = step.scheduled_procedure_step_status
    if move not in (StepMove.PREPARE, StepMove.START) or before not in rules.OPEN_STEPS:
        return None
    patient = work.session.get_one(Patient, request.patient_pk, populate_existing=True)
    answered = patient.allergies_asked_at
    if before == rules.StepStatus.READY and (answered is None or answered <= step.status_changed_at):
        return None
    known = patient_bars(work, [patient.patient_pk])[patient.patient_pk].allergies
    doubt = rules.contrast_doubt(procedure.requested_contrast_agent, known, asked_now="allergies" in checks)
    if doubt is None:
        return None
    if not (allergy_reason or "").strip():
        raise Invalid("Mind the patient's allergies.", fields=[FieldError("allergy_reason", doubt)])
    return (allergy_reason or "").strip()[:200]


def appointment_of_canceled_order(work: Work, event: dict[str, Any]) -> None:
    """On `order.changed` to CANCELED: its steps leave the worklist and its slot is free."""
    work.audit(AuditEventID.PROCEDURE_RECORD, "U", object_type="steps of order")
    if event["keys"].get("state") != "CANCELED":
        return
    steps = lock_steps(
        work,
        ScheduledProcedureStep.requested_procedure_pk == int(event["keys"]["requested_procedure_pk"]),
        ScheduledProcedureStep.scheduled_procedure_step_status.in_(rules.OPEN_STEPS),
    )
    for step in steps:
        move_step(work, step, StepMove.CANCEL, "the order was cancelled")
        move_appointment(work, step.appointment_pk, AppointmentMove.CANCEL, "the order was cancelled")


def stat_order_arrived(work: Work, event: dict[str, Any]) -> None:
    """On `order.changed`: a STAT order from another system stands on a scanner's worklist at once, beside what is booked.
    Nobody at the front desk is awake at 3 AM; the technologist may still take it on another scanner."""
    requested = work.session.get(RequestedProcedure, int(event["keys"]["requested_procedure_pk"]))
    if (
        requested is None
        or requested.state != "REQUESTED"
        or requested.requested_procedure_priority != "STAT"
    ):
        return
    _, request, procedure = _requested(work, requested.requested_procedure_pk)
    if request.placer_order_number is None:
        return
    if work.session.scalar(
        select(func.count()).where(
            ScheduledProcedureStep.requested_procedure_pk == requested.requested_procedure_pk
        )
    ):
        return  # people have taken it off the list: a no-show, or a slot that they gave up, does not come back by itself
    fitting = resources(work, site_pk=request.site_pk, modality=procedure.modality)
    chosen = next((one for one in fitting if one.active), None)
    if chosen is not None:
        schedule(work, requested.requested_procedure_pk, chosen.modality_resource_pk, work.now(),
                 overbook_reason="STAT order")  # fmt: skip


def book(work: Work, scheduled_procedure_step_pk: int) -> Booking:
    """One step with all around it. Raises NotFound."""
    work.require(Permission.SCHEDULE_READ)
    found = _bookings(work, ScheduledProcedureStep.scheduled_procedure_step_pk == scheduled_procedure_step_pk)
    work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="scheduled_procedure_step",
               object_id=scheduled_procedure_step_pk)  # fmt: skip
    if not found:
        raise NotFound("There is no such step.")
    return found[0]


def day_board(
    work: Work, day: date, *, site_pk: int | None = None, modality_resource_pk: int | None = None
) -> list[Booking]:
    """All bookings of a day in wall time of each site."""
    work.require(Permission.SCHEDULE_READ)
    local = func.timezone(Site.time_zone, ScheduledProcedureStep.starts_at)
    noon = datetime.combine(day, time(12), UTC)
    # By the index to what is that day anywhere on earth, then by each site's clock.
    around = ScheduledProcedureStep.starts_at.between(noon - timedelta(hours=27), noon + timedelta(hours=25))
    where = [around, func.date(local) == day]
    if site_pk is not None:
        where.append(Site.site_pk == site_pk)
    if modality_resource_pk is not None:
        where.append(ScheduledProcedureStep.modality_resource_pk == modality_resource_pk)
    found = _bookings(work, and_(*where))
    work.audit(AuditEventID.QUERY, "E", object_type="day board", detail={"day": day.isoformat()})
    return found


def performed_steps(work: Work, scheduled_procedure_step_pk: int) -> list[Performed]:
    """What modalities reported of a step, with the series that they say they made. Raises NotFound."""
    work.require(Permission.SCHEDULE_READ)
    step = work.session.get(ScheduledProcedureStep, scheduled_procedure_step_pk)
    if step is None:
        raise NotFound("There is no such step.")
    _, request, _ = _requested(work, step.requested_procedure_pk)
    _audit(work, request.patient_pk, "R", scheduled_procedure_step_pk)
    return performed_of(work, scheduled_procedure_step_pk)


def bookings_of_patient(work: Work, patient_pk: int) -> list[Booking]:
    """Everything that was ever booked for a patient, oldest first: "when is my appointment?"."""
    work.require(Permission.SCHEDULE_READ)
    found = _bookings(work, ImagingServiceRequest.patient_pk == patient_pk)
    work.audit(AuditEventID.QUERY, "E", patient_pk=patient_pk, object_type="bookings of patient")
    return found


def tracking_board(work: Work, *, site_pk: int | None = None) -> list[Booking]:
    """What is open or was finished within twelve hours, everywhere."""
    work.require(Permission.SCHEDULE_READ)
    now = work.now()
    where: list[Any] = [
        ScheduledProcedureStep.scheduled_procedure_step_status.in_((*rules.OPEN_STEPS, "STARTED"))
        & ScheduledProcedureStep.starts_at.between(now - timedelta(hours=24), now + timedelta(hours=16))
        | ScheduledProcedureStep.scheduled_procedure_step_status.in_(rules.FINAL_STEPS)
        & (ScheduledProcedureStep.status_changed_at > now - timedelta(hours=12))
    ]
    if site_pk is not None:
        where.append(Site.site_pk == site_pk)
    found = _bookings(work, and_(*where))
    work.audit(AuditEventID.QUERY, "E", object_type="tracking board")
    return found


def _bookings(work: Work, where: Any) -> list[Booking]:
    images = (
        select(func.coalesce(func.sum(Study.number_of_study_related_instances), 0))
        .join(StudyLink, StudyLink.study_pk == Study.study_pk)
        .where(StudyLink.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk)
        .correlate(ScheduledProcedureStep)
        .scalar_subquery()
    )
    query = (
        select(ScheduledProcedureStep, Appointment, ModalityResource, Site, RequestedProcedure, ImagingServiceRequest,
               Procedure, images)
        .join(ModalityResource, ModalityResource.modality_resource_pk == ScheduledProcedureStep.modality_resource_pk)
        .join(Site, Site.site_pk == ModalityResource.site_pk)
        .join(RequestedProcedure,
              RequestedProcedure.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk)
        .join(ImagingServiceRequest,
              ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk)
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .outerjoin(Appointment, Appointment.appointment_pk == ScheduledProcedureStep.appointment_pk)
        .where(where)
        .order_by(ScheduledProcedureStep.starts_at)
        .limit(1000)
    )  # fmt: skip
    if work.actor.site_pks is not None:
        query = query.where(Site.site_pk.in_(work.actor.site_pks))
    rows = work.session.execute(query).all()
    bars = patient_bars(work, {row[5].patient_pk for row in rows})
    performed = performed_statuses(work, [row[0].scheduled_procedure_step_pk for row in rows])
    studies = studies_of(work, [row[4].requested_procedure_pk for row in rows])
    return [
        Booking(
            step.scheduled_procedure_step_pk,
            step.scheduled_procedure_step_id,
            step.scheduled_procedure_step_status,
            step.status_changed_at,
            step.appointment_pk,
            appointment.state if appointment else None,
            appointment.arrived_at if appointment else None,
            resource.modality_resource_pk,
            resource.name,
            site.code,
            site.time_zone,
            step.starts_at,
            appointment.ends_at
            if appointment
            else step.starts_at + timedelta(minutes=procedure.duration_minutes),
            requested.requested_procedure_pk,
            request.imaging_service_request_pk,
            request.accession_number,
            requested.requested_procedure_description,
            requested.requested_procedure_priority,
            requested.state,
            request.ordered_at,
            requested.reason_for_the_requested_procedure,
            requested.laterality,
            step.modality,
            bars[request.patient_pk],
            int(count),
            bool(appointment and appointment.overbook_reason),
            appointment.overbook_reason if appointment else None,
            appointment.cancel_reason if appointment else None,
            performed.get(step.scheduled_procedure_step_pk),
            studies.get(requested.requested_procedure_pk, []),
        )
        for step, appointment, resource, site, requested, request, procedure, count in rows
    ]


def _requested(
    work: Work, requested_procedure_pk: int, *, lock: bool = False
) -> tuple[RequestedProcedure, ImagingServiceRequest, Procedure]:
    requested = work.session.get(
        RequestedProcedure,
        requested_procedure_pk,
        with_for_update={"of": RequestedProcedure, "key_share": True} if lock else None,
    )
    if requested is None:
        raise NotFound("There is no such requested procedure.")
    request = work.session.get_one(ImagingServiceRequest, requested.imaging_service_request_pk)
    if not _works_at(work, request.site_pk):
        raise NotFound("There is no such requested procedure.")
    return requested, request, work.session.get_one(Procedure, requested.procedure_pk)


def _works_at(work: Work, site_pk: int) -> bool:
    return work.actor.site_pks is None or site_pk in work.actor.site_pks


def _appointment(work: Work, appointment_pk: int) -> tuple[Appointment, ScheduledProcedureStep, int]:
    # The last one: a no-show that came after all has a step of its own.
    step = next(reversed(lock_steps(work, ScheduledProcedureStep.appointment_pk == appointment_pk)), None)
    appointment = work.session.get(Appointment, appointment_pk, with_for_update=True, populate_existing=True)
    if appointment is None or step is None:
        raise NotFound("There is no such appointment.")
    _, request, _ = _requested(work, step.requested_procedure_pk)
    return appointment, step, request.patient_pk


def _audit(
    work: Work, patient_pk: int, action: str, step_pk: int, detail: dict[str, str] | None = None
) -> None:
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        action,
        patient_pk=patient_pk,
        object_type="scheduled_procedure_step",
        object_id=step_pk,
        detail=detail,
    )
