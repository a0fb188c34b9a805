"""HTTP: resources, slots, appointments, steps, boards, reconciliation."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wetread.kit import limits
from wetread.kit.errors import FieldError, Invalid
from wetread.orders import schemas
from wetread.orders.service import get_order
from wetread.scheduling import service
from wetread.scheduling.rules import StepMove
from wetread.scheduling.unscheduled import PROCEDURES_MAX
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api", tags=["scheduling"])


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ResourceIn(Body):
    site_pk: int
    name: str = Field(min_length=1, max_length=64)
    station_name: str = Field(min_length=1, max_length=16)
    station_ae_title: str = Field(min_length=1, max_length=16)
    modality: str = Field(min_length=1, max_length=16)
    opens: time = time(7)
    closes: time = time(20)
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = [0, 1, 2, 3, 4]


class BookIn(Body):
    requested_procedure_pk: int
    modality_resource_pk: int
    starts_at: datetime
    minutes: int | None = Field(None, ge=5, le=480)
    overbook_reason: str | None = Field(None, min_length=1, max_length=200)


class WalkInIn(Body):
    requested_procedure_pk: int
    modality_resource_pk: int


class OrderAndBookIn(schemas.OrderIn):
    modality_resource_pk: int
    starts_at: datetime | None = Field(None, description="absent: a walk-in, who is here now")
    minutes: int | None = Field(None, ge=5, le=480)
    overbook_reason: str | None = Field(None, min_length=1, max_length=200)


class OrderedOut(BaseModel):
    order: schemas.OrderOut
    booking: service.Booking


class RescheduleIn(Body):
    modality_resource_pk: int
    starts_at: datetime
    overbook_reason: str | None = Field(None, min_length=1, max_length=200)


class ReasonIn(Body):
    reason: str = Field(min_length=1, max_length=200)


# What a technologist has asked or seen before a step; it is kept in the audit record.
Check = Literal["identity", "laterality", "pregnancy", "allergies", "implants", "contrast", "preparation"]


class MoveIn(Body):
    move: Literal["arrive", "prepare", "start", "complete", "discontinue", "revert"]
    reason: str | None = Field(None, max_length=200)
    checks: list[Check] = Field(default_factory=list, max_length=len(get_args(Check)))
    allergy_reason: str | None = Field(
        None, max_length=200, description="Why contrast is given although allergies speak against it."
    )


class ReconcileIn(Body):
    requested_procedure_pk: int
    patient_pk: int = Field(description="whom the person saw as the order's patient")
    reason: str = Field(min_length=1, max_length=200)


class SearchIn(Body):
    text: str = Field("", max_length=limits.SEARCH_TEXT_CHARACTERS_MAX)


class BookingPage(BaseModel):
    items: list[service.Booking]
    next_cursor: str | None = None
    total: int


class UnmatchedPage(BaseModel):
    items: list[service.Unmatched]
    next_cursor: str | None = None
    total: int


class UnscheduledPage(BaseModel):
    items: list[service.Unscheduled]
    next_cursor: str | None = None
    total: int


class HangIn(Body):
    requested_procedure_pks: list[int] = Field(
        min_length=1, max_length=PROCEDURES_MAX, description="of one order"
    )
    patient_pk: int = Field(description="whom the person saw as the order's patient")
    reason: str = Field(min_length=1, max_length=200)


class HungPage(BaseModel):
    items: list[service.Hung]
    next_cursor: str | None = None
    total: int


class CandidatePage(BaseModel):
    items: list[service.CandidateOrder]
    next_cursor: str | None = None
    total: int


class ResolvedPage(BaseModel):
    items: list[service.Resolved]
    next_cursor: str | None = None
    total: int


@router.get("/schedule/resources")
def resources(
    site_pk: int | None = None,
    modality: Annotated[str | None, Query(max_length=16)] = None,
    work: Work = door(Permission.SCHEDULE_READ, Permission.CONFIG_READ),
) -> list[service.Resource]:
    """Bookable scanners."""
    return service.resources(work, site_pk=site_pk, modality=modality)


@router.post("/schedule/resources", status_code=201)
def add_resource(body: ResourceIn, work: Work = door(Permission.CONFIG_WRITE)) -> dict[str, int]:
    """A new scanner."""
    given = service.ResourceInput(**{**body.model_dump(), "weekdays": tuple(body.weekdays)})
    return {"modality_resource_pk": service.add_resource(work, given).modality_resource_pk}


@router.get("/schedule/slots")
def slots(
    requested_procedure_pk: int | None = None,
    procedure_pk: int | None = None,
    not_before: datetime | None = None,
    site_pk: int | None = None,
    work: Work = door(Permission.SCHEDULE_READ),
) -> list[service.Slot]:
    """The first fitting free slots of what is ordered, or of a catalogue entry at a site before it is."""
    if requested_procedure_pk is not None:
        return service.first_slots(work, requested_procedure_pk, not_before=not_before, site_pk=site_pk)
    if procedure_pk is None or site_pk is None:
        raise Invalid(
            "Slots of what?",
            fields=[FieldError("requested_procedure_pk", "this, or a procedure_pk and a site_pk")],
        )
    return service.first_slots_of_procedure(work, procedure_pk, not_before=not_before, site_pk=site_pk)


@router.post("/schedule/appointments", status_code=201)
def book(body: BookIn, work: Work = door(Permission.SCHEDULE_WRITE)) -> service.Booking:
    """Books a slot; 409 where it is taken."""
    step = service.schedule(
        work,
        body.requested_procedure_pk,
        body.modality_resource_pk,
        body.starts_at,
        minutes=body.minutes,
        overbook_reason=body.overbook_reason,
    )
    return service.book(work, step.scheduled_procedure_step_pk)


@router.post("/schedule/walk-ins", status_code=201)
def walk_in(body: WalkInIn, work: Work = door(Permission.SCHEDULE_WRITE)) -> service.Booking:
    """Scheduled now, arrived at once."""
    step = service.walk_in(work, body.requested_procedure_pk, body.modality_resource_pk)
    return service.book(work, step.scheduled_procedure_step_pk)


@router.post("/schedule/orders", status_code=201)
def order_and_book(body: OrderAndBookIn, work: Work = door(Permission.SCHEDULE_WRITE)) -> OrderedOut:
    """Places an order of one procedure and books it, or takes it as a walk-in: both or neither. 409 where the slot is taken."""
    step = service.order_and_book(
        work,
        body.to_input(),
        body.modality_resource_pk,
        body.starts_at,
        minutes=body.minutes,
        overbook_reason=body.overbook_reason,
        idempotency_key=body.idempotency_key,
    )
    booking = service.book(work, step.scheduled_procedure_step_pk)
    return OrderedOut(
        order=schemas.OrderOut.model_validate(get_order(work, booking.imaging_service_request_pk)),
        booking=booking,
    )


@router.put("/schedule/appointments/{appointment_pk}", status_code=204)
def reschedule(appointment_pk: int, body: RescheduleIn, work: Work = door(Permission.SCHEDULE_WRITE)) -> None:
    """Another time or scanner."""
    service.reschedule(work, appointment_pk, body.modality_resource_pk, body.starts_at, body.overbook_reason)


@router.post("/schedule/appointments/{appointment_pk}/cancellation", status_code=204)
def cancel(appointment_pk: int, body: ReasonIn, work: Work = door(Permission.SCHEDULE_WRITE)) -> None:
    """Frees the slot; the order stays to be scheduled."""
    service.cancel_appointment(work, appointment_pk, body.reason)


@router.post("/schedule/appointments/{appointment_pk}/no-show", status_code=204)
def no_show(appointment_pk: int, work: Work = door(Permission.SCHEDULE_WRITE)) -> None:
    """The patient did not come."""
    service.mark_no_show(work, appointment_pk)


@router.delete("/schedule/appointments/{appointment_pk}/no-show")
def reinstate(appointment_pk: int, work: Work = door(Permission.SCHEDULE_WRITE)) -> service.Booking:
    """The patient came after all."""
    step = service.reinstate(work, appointment_pk)
    return service.book(work, step.scheduled_procedure_step_pk)


@router.get("/schedule/days/{day}")
def day_board(
    day: date,
    site_pk: int | None = None,
    modality_resource_pk: int | None = None,
    work: Work = door(Permission.SCHEDULE_READ),
) -> BookingPage:
    """The day board."""
    items = service.day_board(work, day, site_pk=site_pk, modality_resource_pk=modality_resource_pk)
    return BookingPage(items=items, total=len(items))


@router.get("/patients/{patient_pk}/bookings")
def bookings_of_patient(patient_pk: int, work: Work = door(Permission.SCHEDULE_READ)) -> BookingPage:
    """Everything that was ever booked for a patient, oldest first."""
    items = service.bookings_of_patient(work, patient_pk)
    return BookingPage(items=items, total=len(items))


@router.get("/tracking")
def tracking(site_pk: int | None = None, work: Work = door(Permission.SCHEDULE_READ)) -> BookingPage:
    """What is under way everywhere."""
    items = service.tracking_board(work, site_pk=site_pk)
    return BookingPage(items=items, total=len(items))


@router.get("/steps/{scheduled_procedure_step_pk}")
def step(scheduled_procedure_step_pk: int, work: Work = door(Permission.SCHEDULE_READ)) -> service.Booking:
    """One step with all around it."""
    return service.book(work, scheduled_procedure_step_pk)


@router.get("/steps/{scheduled_procedure_step_pk}/performed")
def performed(
    scheduled_procedure_step_pk: int, work: Work = door(Permission.SCHEDULE_READ)
) -> list[service.Performed]:
    """What modalities reported of a step, with the series that they say they made."""
    return service.performed_steps(work, scheduled_procedure_step_pk)


@router.post("/steps/{scheduled_procedure_step_pk}/moves")
def move(
    scheduled_procedure_step_pk: int,
    body: MoveIn,
    work: Work = door(Permission.STEP_PERFORM, Permission.SCHEDULE_WRITE),
) -> service.Booking:
    """Arrive, prepare, start, complete, discontinue. 422 where contrast is ordered and allergies speak against it, until
    a person says why it may be given."""
    service.act_on_step(
        work,
        scheduled_procedure_step_pk,
        StepMove(body.move),
        body.reason,
        body.checks,
        body.allergy_reason,
    )
    return service.book(work, scheduled_procedure_step_pk)


@router.get("/reconciliation")
def unmatched(work: Work = door(Permission.RECONCILE)) -> UnmatchedPage:
    """Studies that wait for a person, with what speaks against each candidate."""
    items = service.unmatched(work)
    return UnmatchedPage(items=items, total=len(items))


@router.get("/reconciliation/performed-steps")
def unscheduled(work: Work = door(Permission.RECONCILE)) -> UnscheduledPage:
    """Work that modalities reported and that hangs on no scheduled step, newest first."""
    items = service.unscheduled_performed_steps(work)
    return UnscheduledPage(items=items, total=len(items))


@router.post("/reconciliation/performed-steps/{performed_procedure_step_pk}", status_code=204)
def hang(performed_procedure_step_pk: int, body: HangIn, work: Work = door(Permission.RECONCILE)) -> None:
    """Hangs such work on procedures of one order. 409 where the order is another patient's by now."""
    service.hang_performed_step(
        work, performed_procedure_step_pk, body.requested_procedure_pks, body.patient_pk, body.reason
    )


@router.get("/reconciliation/performed-steps/resolved")
def hung(work: Work = door(Permission.RECONCILE)) -> HungPage:
    """Work that people hung on orders, newest first; each can be taken back."""
    items = service.hung_performed_steps(work)
    return HungPage(items=items, total=len(items))


@router.post("/reconciliation/performed-steps/{performed_procedure_step_pk}/candidates")
def candidates_of_performed_step(
    performed_procedure_step_pk: int, body: SearchIn, work: Work = door(Permission.RECONCILE)
) -> CandidatePage:
    """Orders that such work may belong to, compared field by field, the likeliest first; or those that fit a text."""
    items = service.candidates_for_performed_step(work, performed_procedure_step_pk, body.text)
    return CandidatePage(items=items, total=len(items))


@router.post("/reconciliation/performed-steps/{performed_procedure_step_pk}/undo", status_code=204)
def take_back(
    performed_procedure_step_pk: int, body: ReasonIn, work: Work = door(Permission.RECONCILE)
) -> None:
    """Takes such work off its order again. 409 where a report was written on nothing else."""
    service.take_back_performed_step(work, performed_procedure_step_pk, body.reason)


@router.get("/reconciliation/resolved")
def resolved(work: Work = door(Permission.RECONCILE)) -> ResolvedPage:
    """What people decided, newest first; each can be taken back."""
    items = service.resolved(work)
    return ResolvedPage(items=items, total=len(items))


@router.post("/reconciliation/{study_pk}/candidates")
def candidates(study_pk: int, body: SearchIn, work: Work = door(Permission.RECONCILE)) -> CandidatePage:
    """Orders that a waiting study may belong to, compared field by field, the likeliest first; or those that fit a text."""
    items = service.candidate_orders(work, study_pk, body.text)
    return CandidatePage(items=items, total=len(items))


@router.post("/reconciliation/{study_pk}", status_code=204)
def reconcile(study_pk: int, body: ReconcileIn, work: Work = door(Permission.RECONCILE)) -> None:
    """Hangs a study on an order. 409 where the order is another patient's by now."""
    service.reconcile(work, study_pk, body.requested_procedure_pk, body.patient_pk, body.reason)


@router.post("/reconciliation/{study_pk}/undo", status_code=204)
def undo(study_pk: int, body: ReasonIn, work: Work = door(Permission.RECONCILE)) -> None:
    """Takes the link back."""
    service.undo_reconciliation(work, study_pk, body.reason)
