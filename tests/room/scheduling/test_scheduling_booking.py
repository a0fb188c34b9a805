"""Slots, appointments and steps on a real database: nobody gets a time twice, and every mistake can be taken back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.kit.errors import Conflict, Denied, IllegalTransition, Invalid, NotFound
from wetread.kit.events import OutboxEvent
from wetread.orders.model import RequestedProcedure
from wetread.orders.rules import Move
from wetread.orders.service import ProcedureInput, add_procedure, cancel_order, move_requested_procedure
from wetread.patients.service import AllergyInput, replace_allergies
from wetread.scheduling import service
from wetread.scheduling.model import Appointment, ScheduledProcedureStep
from wetread.scheduling.rules import OPEN_STEPS, STEP_MOVES, StepMove, StepStatus
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, AuditEventID, Offices, Work

# The clock of the tests stands at 3 AM UTC on Wednesday the 25th of November: 10 PM of Tuesday in New York.
WEDNESDAY_7 = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def state_of(hospital: Any, step: ScheduledProcedureStep) -> tuple[str, str, str]:
    """(step, appointment, requested procedure) as the database has them."""
    session = hospital.work.session
    session.flush()
    session.expire_all()
    appointment = session.get(Appointment, step.appointment_pk)
    requested = session.get(RequestedProcedure, step.requested_procedure_pk)
    return step.scheduled_procedure_step_status, appointment.state, requested.state


def booked(hospital: Any, at: datetime = WEDNESDAY_7, **how: Any) -> ScheduledProcedureStep:
    (requested,) = hospital.order()
    return service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, at, **how)


# --- slots ----------------------------------------------------------------------------------------------------


def test_the_first_slots_are_free_fitting_open_and_in_order(hospital: Any) -> None:
    (requested,) = hospital.order(None, "CTCHEST")
    found = service.first_slots(hospital.work, requested.requested_procedure_pk, count=4)
    assert [(slot.starts_at, slot.modality_resource_pk) for slot in found] == [
        (WEDNESDAY_7, hospital.ct1),
        (WEDNESDAY_7, hospital.ct2),
        (WEDNESDAY_7 + 30 * MINUTE, hospital.ct1),
        (WEDNESDAY_7 + 30 * MINUTE, hospital.ct2),
    ]
    booked(hospital)
    found = service.first_slots(hospital.work, requested.requested_procedure_pk, count=2)
    assert [(slot.starts_at, slot.modality_resource_pk) for slot in found] == [
        (WEDNESDAY_7, hospital.ct2),
        (WEDNESDAY_7 + 15 * MINUTE, hospital.ct1),
    ]


def test_slots_know_weekends_sites_and_what_is_past(hospital: Any) -> None:
    (requested,) = hospital.order()
    pk = requested.requested_procedure_pk
    friday_evening = datetime(2026, 11, 28, 0, 1, tzinfo=UTC)  # 19:01 in New York, closed
    found = service.first_slots(hospital.work, pk, not_before=friday_evening, count=1)
    assert found[0].starts_at == datetime(2026, 11, 30, 12, tzinfo=UTC)
    found = service.first_slots(hospital.work, pk, site_pk=hospital.west, count=1)
    assert (found[0].modality_resource_pk, found[0].starts_at.hour) == (hospital.ct_west, 15)
    past = service.first_slots(hospital.work, pk, not_before=datetime(2020, 1, 1, tzinfo=UTC), count=1)
    assert past[0].starts_at == WEDNESDAY_7


def test_a_cancelled_or_missed_appointment_frees_its_slot(hospital: Any) -> None:
    (other,) = hospital.order()
    for leave in (
        lambda pk: service.cancel_appointment(hospital.work, pk, "called"),
        lambda pk: service.mark_no_show(hospital.work, pk),
    ):
        step = booked(hospital)
        leave(step.appointment_pk)
        found = service.first_slots(hospital.work, other.requested_procedure_pk, count=1)
        assert (found[0].starts_at, found[0].modality_resource_pk) == (WEDNESDAY_7, hospital.ct1)


@pytest.mark.parametrize("where", ["slots", "schedule", "reschedule"])
def test_a_time_without_a_zone_is_refused_everywhere(hospital: Any, where: str) -> None:
    naive = datetime(2026, 11, 25, 12)
    step = booked(hospital)
    (requested,) = hospital.order()
    pk = requested.requested_procedure_pk
    with pytest.raises(Invalid):
        if where == "slots":
            service.first_slots(hospital.work, pk, not_before=naive)
        elif where == "schedule":
            service.schedule(hospital.work, pk, hospital.ct1, naive)
        else:
            service.reschedule(hospital.work, step.appointment_pk, hospital.ct1, naive)


def test_slots_over_the_night_the_clock_skips_midnight(work: Work, hospital: Any) -> None:
    from datetime import time

    from wetread.security.model import Site

    site = Site(code="CAI", institution_name="Cairo", time_zone="Africa/Cairo")
    work.session.add(site)
    work.session.flush()
    scanner = service.add_resource(
        work,
        service.ResourceInput(
            site.site_pk, "CT", "CAI_CT1", "CAI_CT1", "CT", time(0), time(2), tuple(range(7))
        ),
    )
    (requested,) = hospital.order(site_pk=site.site_pk)
    work.clock = FixedClock(datetime(2026, 4, 23, 21, tzinfo=UTC))  # 23:00 on the eve in Cairo
    found = service.first_slots(work, requested.requested_procedure_pk, count=5)
    assert {slot.modality_resource_pk for slot in found} == {scanner.modality_resource_pk}
    # That day begins at 01:00 and its scanner closes at 02:00: four quarters of an hour, then the next day.
    assert [slot.starts_at for slot in found] == [
        *(datetime(2026, 4, 23, 22, tzinfo=UTC) + 15 * MINUTE * n for n in range(4)),
        datetime(2026, 4, 24, 21, tzinfo=UTC),
    ]


# --- booking --------------------------------------------------------------------------------------------------


def test_a_booking_makes_appointment_and_step_and_tells_it(hospital: Any) -> None:
    step = booked(hospital)
    assert state_of(hospital, step) == ("SCHEDULED", "booked", "SCHEDULED")
    seen = service.book(hospital.work, step.scheduled_procedure_step_pk)
    assert (seen.starts_at, seen.ends_at) == (WEDNESDAY_7, WEDNESDAY_7 + 15 * MINUTE)
    assert (seen.site_code, seen.time_zone, seen.overbooked) == ("EAST", "America/New_York", False)
    assert step.scheduled_station_ae_title == "EAST_CT1"
    assert len(step.scheduled_procedure_step_id) <= 16
    kinds = set(hospital.work.session.scalars(select(OutboxEvent.kind)))
    assert {"appointment.changed", "step.changed", "order.changed"} <= kinds
    records = hospital.work.session.execute(
        select(AuditRecord.event_id, AuditRecord.event_action_code).where(
            AuditRecord.object_type == "scheduled_procedure_step"
        )
    ).all()
    assert (AuditEventID.PROCEDURE_RECORD.value, "C") in [tuple(row) for row in records]


@pytest.mark.parametrize(
    ("offset", "minutes", "free"),
    [(0, 15, False), (14, 15, False), (-14, 15, False), (5, 5, False), (-5, 60, False), (15, 15, True), (-15, 15, True)],
)  # fmt: skip
def test_what_overlaps_is_refused_and_what_touches_is_not(
    hospital: Any, offset: int, minutes: int, free: bool
) -> None:
    booked(hospital)
    (requested,) = hospital.order()
    at = WEDNESDAY_7 + offset * MINUTE

    def book() -> None:
        service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, at, minutes=minutes)

    if free:
        book()
        return
    with pytest.raises(Conflict) as refused:
        book()
    assert refused.value.fields[0].field == "starts_at"


def test_the_same_time_on_another_scanner_and_overbooking_with_a_reason(hospital: Any) -> None:
    booked(hospital)
    (one,), (two,) = hospital.order(), hospital.order()
    service.schedule(hospital.work, one.requested_procedure_pk, hospital.ct2, WEDNESDAY_7)
    step = service.schedule(
        hospital.work, two.requested_procedure_pk, hospital.ct1, WEDNESDAY_7, overbook_reason="trauma"
    )
    seen = service.book(hospital.work, step.scheduled_procedure_step_pk)
    assert (seen.overbooked, seen.overbook_reason, seen.cancel_reason) == (True, "trauma", None)
    assert step.appointment_pk is not None
    service.cancel_appointment(hospital.work, step.appointment_pk, "has a cold")
    assert service.book(hospital.work, step.scheduled_procedure_step_pk).cancel_reason == "has a cold"


def test_nobody_is_booked_over_who_was_overbooked(hospital: Any) -> None:
    """Whoever comes later needs a reason, whichever of the two that is there came without one."""
    booked(hospital)
    beside = booked(hospital, WEDNESDAY_7 + 5 * MINUTE, overbook_reason="trauma", minutes=60)
    over = WEDNESDAY_7 + 20 * MINUTE  # the first has gone, the second has not
    with pytest.raises(Conflict) as refused, hospital.work.session.begin_nested():
        booked(hospital, over)
    assert refused.value.fields[0].field == "starts_at"
    with_reason = booked(hospital, over, overbook_reason="trauma, too")
    # To be told so when moved, too, and not when nothing is moved.
    late = booked(hospital, WEDNESDAY_7 + 120 * MINUTE)
    for minutes, taken in ((64, True), (65, False), (70, False)):
        with hospital.work.session.begin_nested() as savepoint:
            move = (hospital.work, late.appointment_pk, hospital.ct1, WEDNESDAY_7 + minutes * MINUTE)
            if taken:
                with pytest.raises(Conflict):
                    service.reschedule(*move)
                savepoint.rollback()
            else:
                service.reschedule(*move)
    service.reschedule(
        hospital.work, late.appointment_pk, hospital.ct1, WEDNESDAY_7 + 64 * MINUTE, "the last minute"
    )
    with pytest.raises(Conflict), hospital.work.session.begin_nested():
        # The reason is taken away where it is still needed.
        service.reschedule(hospital.work, late.appointment_pk, hospital.ct1, WEDNESDAY_7 + 64 * MINUTE)
    # Who was there first is not in anybody's way: arriving takes no new time.
    first = hospital.work.session.scalars(
        select(ScheduledProcedureStep).where(ScheduledProcedureStep.starts_at == WEDNESDAY_7)
    ).one()
    service.act_on_step(hospital.work, first.scheduled_procedure_step_pk, StepMove.ARRIVE)
    # An overbooked appointment that is given up frees its time like another.
    service.cancel_appointment(hospital.work, beside.appointment_pk, "went home")
    service.cancel_appointment(hospital.work, with_reason.appointment_pk, "went home")
    booked(hospital, over)


def test_the_database_itself_refuses_who_is_put_over_an_overbooked_one(hospital: Any) -> None:
    booked(hospital, overbook_reason="trauma")
    other = booked(hospital, WEDNESDAY_7 + 60 * MINUTE)
    session = hospital.work.session
    for change in (
        {"starts_at": WEDNESDAY_7},
        {"starts_at": WEDNESDAY_7, "ends_at": WEDNESDAY_7 + MINUTE},
    ):
        with pytest.raises(IntegrityError, match="appointment_no_double_booking"), session.begin_nested():
            session.execute(
                update(Appointment).where(Appointment.appointment_pk == other.appointment_pk).values(**change)
            )


def test_an_overbooked_and_another_at_once_leave_nobody_over_the_overbooked(
    clean_database: Database, furnished: Callable[[Work], Any]
) -> None:
    """Who waited for the other sees what it made: an appointment without a reason is the earlier, or is refused."""
    offices = Offices(clean_database, FixedClock(datetime(2026, 11, 25, 3, tzinfo=UTC)))
    with offices.work(Actor.system("test")) as work:
        hospital = furnished(work)
        overbooked, other = (hospital.order()[0].requested_procedure_pk for _ in range(2))
        ct1 = hospital.ct1
    made, outcomes = threading.Event(), []

    def second_desk() -> None:
        made.wait(10)
        try:
            with offices.work(Actor.system("second desk")) as work:
                service.schedule(work, other, ct1, WEDNESDAY_7)
            outcomes.append("booked")
        except Conflict:
            outcomes.append("refused")

    thread = threading.Thread(target=second_desk)
    thread.start()
    with offices.work(Actor.system("first desk")) as work:
        service.schedule(work, overbooked, ct1, WEDNESDAY_7, overbook_reason="trauma")
        made.set()
        # Not before the second desk waits for this transaction, whose row it cannot see yet.
        with psycopg.connect(clean_database.url, autocommit=True) as watcher:
            while not watcher.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchone():
                assert thread.is_alive(), "the second desk did not wait for the first"
                time.sleep(0.02)
    thread.join(30)
    assert outcomes == ["refused"]


def test_what_does_not_fit_is_refused(hospital: Any) -> None:
    (requested,) = hospital.order()
    pk = requested.requested_procedure_pk
    with pytest.raises(Invalid):
        service.schedule(hospital.work, pk, hospital.mr, WEDNESDAY_7)
    with pytest.raises(NotFound):
        service.schedule(hospital.work, pk, 999_999, WEDNESDAY_7)
    with pytest.raises(NotFound):
        service.schedule(hospital.work, 999_999, hospital.ct1, WEDNESDAY_7)
    service.schedule(hospital.work, pk, hospital.ct1, WEDNESDAY_7)
    with pytest.raises(Conflict):
        service.schedule(hospital.work, pk, hospital.ct2, WEDNESDAY_7 + timedelta(hours=2))


def test_a_cancelled_order_is_not_booked(hospital: Any) -> None:
    (requested,) = hospital.order()
    cancel_order(hospital.work, requested.imaging_service_request_pk, "ordered twice")
    with pytest.raises(IllegalTransition):
        service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, WEDNESDAY_7)
    assert hospital.work.session.scalar(select(func.count()).select_from(Appointment)) == 0


def test_another_sites_desk_sees_no_such_order(hospital: Any, offices: Offices, work_as: Any) -> None:
    (requested,) = hospital.order()
    with pytest.raises(NotFound), work_as("front_desk", site_pks=frozenset({hospital.west})) as work:
        service.schedule(work, requested.requested_procedure_pk, hospital.ct1, WEDNESDAY_7)
    with pytest.raises(Denied), work_as("radiologist") as work:
        service.schedule(work, requested.requested_procedure_pk, hospital.ct1, WEDNESDAY_7)


def test_two_desks_at_once_get_one_slot_once(
    clean_database: Database, furnished: Callable[[Work], Any]
) -> None:
    offices = Offices(clean_database, FixedClock(datetime(2026, 11, 25, 3, tzinfo=UTC)))
    with offices.work(Actor.system("test")) as work:
        hospital = furnished(work)
        pks = [hospital.order()[0].requested_procedure_pk for _ in range(4)]
        ct1 = hospital.ct1
    barrier, outcomes = threading.Barrier(4), []

    def desk(number: int) -> None:
        try:
            with offices.work(Actor.system(f"desk {number}")) as work:
                barrier.wait(10)
                at = WEDNESDAY_7 + number * 5 * MINUTE  # each overlaps each
                service.schedule(work, pks[number], ct1, at, minutes=30)
            outcomes.append("booked")
        except Conflict as refused:
            assert (refused.status, refused.fields[0].field) == (409, "starts_at")
            outcomes.append("refused")

    threads = [threading.Thread(target=desk, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["booked", "refused", "refused", "refused"]
    with offices.work(Actor.system("test")) as work:
        assert work.session.scalar(select(func.count()).select_from(Appointment)) == 1
        states = sorted(work.session.scalars(select(RequestedProcedure.state)))
        assert states == ["REQUESTED", "REQUESTED", "REQUESTED", "SCHEDULED"]
        work.audit(AuditEventID.QUERY, "E")


def test_one_order_at_two_desks_is_booked_once(
    clean_database: Database, furnished: Callable[[Work], Any]
) -> None:
    offices = Offices(clean_database, FixedClock(datetime(2026, 11, 25, 3, tzinfo=UTC)))
    with offices.work(Actor.system("test")) as work:
        hospital = furnished(work)
        pk = hospital.order()[0].requested_procedure_pk
        scanners = [hospital.ct1, hospital.ct2]
    barrier, outcomes = threading.Barrier(2), []

    def desk(scanner: int) -> None:
        try:
            with offices.work(Actor.system("desk")) as work:
                barrier.wait(10)
                service.schedule(work, pk, scanner, WEDNESDAY_7)
            outcomes.append("booked")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=desk, args=(scanner,)) for scanner in scanners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["booked", "refused"]


# --- moving on ------------------------------------------------------------------------------------------------


def test_another_time_and_scanner(hospital: Any) -> None:
    step, other = booked(hospital), booked(hospital, WEDNESDAY_7 + 60 * MINUTE)
    later = WEDNESDAY_7 + 120 * MINUTE
    service.reschedule(hospital.work, step.appointment_pk, hospital.ct2, later)
    assert state_of(hospital, step) == ("SCHEDULED", "booked", "SCHEDULED")
    assert (step.starts_at, step.scheduled_station_ae_title) == (later, "EAST_CT2")
    seen = service.book(hospital.work, step.scheduled_procedure_step_pk)
    assert seen.ends_at - seen.starts_at == 15 * MINUTE
    with pytest.raises(Conflict):
        service.reschedule(hospital.work, step.appointment_pk, hospital.ct1, other.starts_at)
    state_of(hospital, step)
    assert (step.starts_at, step.scheduled_station_ae_title) == (later, "EAST_CT2")
    # Five minutes later than itself is no collision with itself.
    service.reschedule(hospital.work, step.appointment_pk, hospital.ct2, later + 5 * MINUTE)
    with pytest.raises(Invalid):
        service.reschedule(hospital.work, step.appointment_pk, hospital.mr, later)
    service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, StepMove.ARRIVE)
    with pytest.raises(IllegalTransition):
        service.reschedule(hospital.work, step.appointment_pk, hospital.ct2, later)


def test_a_cancelled_appointment_leaves_the_order_to_be_scheduled(hospital: Any) -> None:
    step = booked(hospital)
    with pytest.raises(Invalid):
        service.cancel_appointment(hospital.work, step.appointment_pk, "  ")
    service.cancel_appointment(hospital.work, step.appointment_pk, "has a cold")
    assert state_of(hospital, step) == ("CANCELED", "cancelled", "REQUESTED")
    with pytest.raises(IllegalTransition):
        service.cancel_appointment(hospital.work, step.appointment_pk, "again")
    again = service.schedule(hospital.work, step.requested_procedure_pk, hospital.ct1, WEDNESDAY_7)
    assert again.scheduled_procedure_step_id != step.scheduled_procedure_step_id


def test_nothing_under_way_is_cancelled_or_missed(hospital: Any) -> None:
    step = booked(hospital)
    service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, StepMove.START)
    assert state_of(hospital, step) == ("STARTED", "fulfilled", "IN PROGRESS")
    for leave in (service.mark_no_show, lambda work, pk: service.cancel_appointment(work, pk, "late")):
        with pytest.raises(IllegalTransition):
            leave(hospital.work, step.appointment_pk)
    assert state_of(hospital, step) == ("STARTED", "fulfilled", "IN PROGRESS")


def test_who_is_missed_can_come_after_all(hospital: Any) -> None:
    step = booked(hospital, minutes=45)
    service.mark_no_show(hospital.work, step.appointment_pk)
    assert state_of(hospital, step) == ("CANCELED", "noshow", "REQUESTED")
    back = service.reinstate(hospital.work, step.appointment_pk)
    assert state_of(hospital, back) == ("SCHEDULED", "booked", "SCHEDULED")
    # It is the same appointment, as long as before, and no missed one is left for the manager to count.
    assert back.appointment_pk == step.appointment_pk
    (appointment,) = hospital.work.session.scalars(select(Appointment)).all()
    assert (appointment.state, appointment.cancel_reason) == ("booked", None)
    assert appointment.ends_at - appointment.starts_at == 45 * MINUTE
    with pytest.raises(IllegalTransition):
        service.reinstate(hospital.work, step.appointment_pk)
    service.mark_no_show(hospital.work, step.appointment_pk)
    assert state_of(hospital, back) == ("CANCELED", "noshow", "REQUESTED")


def test_who_comes_late_may_find_the_place_taken(hospital: Any) -> None:
    step = booked(hospital)
    service.mark_no_show(hospital.work, step.appointment_pk)
    other = booked(hospital)
    with pytest.raises(Conflict) as refused, hospital.work.session.begin_nested():
        service.reinstate(hospital.work, step.appointment_pk)
    assert refused.value.fields[0].field == "starts_at"
    assert state_of(hospital, step) == ("CANCELED", "noshow", "REQUESTED")
    assert state_of(hospital, other) == ("SCHEDULED", "booked", "SCHEDULED")
    elsewhere = service.schedule(hospital.work, step.requested_procedure_pk, hospital.ct2, WEDNESDAY_7)
    with pytest.raises(Conflict):
        service.reinstate(hospital.work, step.appointment_pk)
    assert state_of(hospital, elsewhere) == ("SCHEDULED", "booked", "SCHEDULED")


def test_a_walk_in_stands_beside_who_is_booked(hospital: Any) -> None:
    booked(hospital, datetime(2026, 11, 25, 3, tzinfo=UTC))
    (requested,) = hospital.order()
    step = service.walk_in(hospital.work, requested.requested_procedure_pk, hospital.ct1)
    assert state_of(hospital, step) == ("ARRIVED", "arrived", "SCHEDULED")
    seen = service.book(hospital.work, step.scheduled_procedure_step_pk)
    assert seen.overbooked and seen.arrived_at == hospital.work.now()


def test_a_cancelled_order_takes_its_steps_off_the_list(hospital: Any) -> None:
    step = booked(hospital)
    cancel_order(hospital.work, _request_of(hospital, step), "not needed")
    event = {"keys": {"requested_procedure_pk": step.requested_procedure_pk, "state": "CANCELED"}}
    for _ in range(2):  # jobs may run twice
        service.appointment_of_canceled_order(hospital.work, event)
        assert state_of(hospital, step) == ("CANCELED", "cancelled", "CANCELED")


def _request_of(hospital: Any, step: ScheduledProcedureStep) -> int:
    requested = hospital.work.session.get(RequestedProcedure, step.requested_procedure_pk)
    return int(requested.imaging_service_request_pk)


def test_a_stat_order_of_another_system_stands_on_the_worklist_by_itself(hospital: Any) -> None:
    (foreign,) = hospital.order(
        requested_procedure_priority="STAT", placer_order_number="X1", issuer_of_placer_order_number="ER"
    )
    (own,) = hospital.order(requested_procedure_priority="STAT")
    (calm,) = hospital.order(placer_order_number="X2", issuer_of_placer_order_number="ER")
    for requested in (foreign, own, calm, foreign):
        service.stat_order_arrived(
            hospital.work, {"keys": {"requested_procedure_pk": requested.requested_procedure_pk}}
        )
    steps = hospital.work.session.scalars(select(ScheduledProcedureStep)).all()
    assert [step.requested_procedure_pk for step in steps] == [foreign.requested_procedure_pk]
    # Who did not come, or whose slot was given up, is not put on a scanner again behind the desk's back.
    service.mark_no_show(hospital.work, steps[0].appointment_pk)
    service.stat_order_arrived(
        hospital.work, {"keys": {"requested_procedure_pk": foreign.requested_procedure_pk}}
    )
    statuses = hospital.work.session.scalars(select(ScheduledProcedureStep.scheduled_procedure_step_status))
    assert list(statuses) == ["CANCELED"]


def test_nobody_books_a_scanner_of_a_site_where_they_do_not_work(hospital: Any, work_as: Any) -> None:
    at = datetime(2026, 11, 25, 15, tzinfo=UTC)
    (requested,) = hospital.order()
    step = service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, at)
    (other,) = hospital.order()
    elsewhere = {"site_pks": frozenset({hospital.east})}
    with pytest.raises(NotFound), work_as("front_desk", **elsewhere) as work:
        service.schedule(work, other.requested_procedure_pk, hospital.ct_west, at)
    with pytest.raises(Invalid), work_as("front_desk", **elsewhere) as work:
        service.reschedule(work, step.appointment_pk, hospital.ct_west, at)


# --- the technologist's buttons -------------------------------------------------------------------------------

PATHS = {
    StepStatus.SCHEDULED: [],
    StepStatus.ARRIVED: [StepMove.ARRIVE],
    StepStatus.READY: [StepMove.ARRIVE, StepMove.PREPARE],
    StepStatus.STARTED: [StepMove.START],
    StepStatus.COMPLETED: [StepMove.START, StepMove.COMPLETE],
    StepStatus.DISCONTINUED: [StepMove.START, StepMove.DISCONTINUE],
}


@pytest.mark.parametrize(
    ("status", "move"),
    [
        (status, move)
        for status in PATHS
        for move in StepMove
        if (status, move) not in STEP_MOVES and move is not StepMove.CANCEL
    ],
)
def test_an_illegal_button_changes_nothing(hospital: Any, status: StepStatus, move: StepMove) -> None:
    step = booked(hospital)
    for one in PATHS[status]:
        service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, one, "a reason")
    before = state_of(hospital, step)
    assert before[0] == status
    with pytest.raises(IllegalTransition):
        service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, move, "a reason")
    assert state_of(hospital, step) == before


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ([StepMove.ARRIVE], ("SCHEDULED", "booked", "SCHEDULED")),
        ([StepMove.ARRIVE, StepMove.PREPARE], ("ARRIVED", "arrived", "SCHEDULED")),
        ([StepMove.START], ("SCHEDULED", "booked", "SCHEDULED")),
        ([StepMove.ARRIVE, StepMove.PREPARE, StepMove.START], ("SCHEDULED", "booked", "SCHEDULED")),
    ],
)
def test_every_mistaken_button_can_be_taken_back_and_pressed_again(
    hospital: Any, path: list[StepMove], after: tuple[str, str, str]
) -> None:
    step = booked(hospital)
    pk = step.scheduled_procedure_step_pk
    for move in path:
        service.act_on_step(hospital.work, pk, move)
    there = state_of(hospital, step)
    with pytest.raises(Invalid):
        service.act_on_step(hospital.work, pk, StepMove.REVERT)
    service.act_on_step(hospital.work, pk, StepMove.REVERT, "wrong patient's line")
    assert state_of(hospital, step) == after
    if after[0] == "SCHEDULED":
        for move in path:
            service.act_on_step(hospital.work, pk, move)
        assert state_of(hospital, step) == there
    else:
        service.act_on_step(hospital.work, pk, path[-1])
        assert state_of(hospital, step) == there


def test_one_of_two_steps_taken_back_leaves_the_order_begun(hospital: Any) -> None:
    step = booked(hospital)
    pk = step.scheduled_procedure_step_pk
    second = ScheduledProcedureStep(
        **{
            column.name: getattr(step, column.name)
            for column in ScheduledProcedureStep.__table__.columns
            if column.name
            not in ("scheduled_procedure_step_pk", "scheduled_procedure_step_id", "appointment_pk")
        },
        scheduled_procedure_step_id="SECOND",
    )
    hospital.work.session.add(second)
    hospital.work.session.flush()
    service.act_on_step(hospital.work, pk, StepMove.START)
    service.act_on_step(hospital.work, pk, StepMove.COMPLETE)
    assert state_of(hospital, step)[2] == "IN PROGRESS"
    service.act_on_step(hospital.work, second.scheduled_procedure_step_pk, StepMove.ARRIVE)
    service.act_on_step(hospital.work, second.scheduled_procedure_step_pk, StepMove.REVERT, "mistake")
    assert state_of(hospital, step)[2] == "IN PROGRESS"
    service.act_on_step(hospital.work, second.scheduled_procedure_step_pk, StepMove.START)
    service.act_on_step(hospital.work, second.scheduled_procedure_step_pk, StepMove.REVERT, "mistake")
    assert state_of(hospital, step)[2] == "IN PROGRESS"
    service.act_on_step(hospital.work, second.scheduled_procedure_step_pk, StepMove.START)
    service.act_on_step(hospital.work, second.scheduled_procedure_step_pk, StepMove.DISCONTINUE, "pain")
    assert state_of(hospital, step)[2] == "COMPLETED"


def test_a_discontinued_procedure_is_tried_again(hospital: Any) -> None:
    step = booked(hospital)
    for move in (StepMove.START, StepMove.DISCONTINUE):
        service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, move, "claustrophobia")
    assert state_of(hospital, step) == ("DISCONTINUED", "fulfilled", "DISCONTINUED")
    assert step.discontinuation_reason == "claustrophobia"
    again = service.schedule(hospital.work, step.requested_procedure_pk, hospital.ct2, WEDNESDAY_7)
    pk = again.scheduled_procedure_step_pk
    service.act_on_step(hospital.work, pk, StepMove.START)
    service.act_on_step(hospital.work, pk, StepMove.REVERT, "wrong line")
    assert state_of(hospital, again) == ("SCHEDULED", "booked", "SCHEDULED")
    for move in (StepMove.START, StepMove.COMPLETE):
        service.act_on_step(hospital.work, pk, move)
    assert state_of(hospital, again) == ("COMPLETED", "fulfilled", "COMPLETED")


def test_the_desk_marks_arrivals_only(hospital: Any, work_as: Any) -> None:
    step = booked(hospital)
    pk = step.scheduled_procedure_step_pk
    with work_as("front_desk") as work:
        service.act_on_step(work, pk, StepMove.ARRIVE)
    for move in (StepMove.PREPARE, StepMove.START, StepMove.REVERT):
        with pytest.raises(Denied), work_as("front_desk") as work:
            service.act_on_step(work, pk, move, "a reason")
    with pytest.raises(NotFound), work_as("technologist", site_pks=frozenset({hospital.west})) as work:
        service.act_on_step(work, pk, StepMove.PREPARE)


def test_contrast_needs_somebodys_word_against_an_allergy(hospital: Any, api: Any) -> None:
    """The server asks what the technologist's screen asks, whatever client it is."""
    work, room = hospital.work, api.as_role("technologist")
    add_procedure(work, ProcedureInput("CTCON", "CT contrast", "CT", requested_contrast_agent="Iohexol"))
    iodine = [AllergyInput("Iodine", "anaphylaxis", severe=True)]
    at = WEDNESDAY_7

    def contrast(allergies: Any, *path: StepMove) -> tuple[int, int]:
        nonlocal at
        at += timedelta(minutes=30)
        patient_pk = hospital.patient(allergies=allergies)
        (requested,) = hospital.order(patient_pk, "CTCON")
        pk = service.schedule(
            work, requested.requested_procedure_pk, hospital.ct1, at
        ).scheduled_procedure_step_pk
        for one in path:
            service.act_on_step(work, pk, one)
        work.session.flush()
        return patient_pk, pk

    def press(pk: int, move: str, **more: Any) -> str | None:
        """The status after it, or None where it was refused for the allergies."""
        answer = room.post(f"/api/steps/{pk}/moves", json={"move": move, **more})
        if answer.status_code == 200:
            return str(answer.json()["scheduled_procedure_step_status"])
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
        (error,) = answer.json()["errors"]
        assert error["field"] == "allergy_reason" and "allergies" in error["reason"]
        assert "Iodine" not in answer.text
        before = work.session.get(ScheduledProcedureStep, pk, populate_existing=True)
        assert before is not None and before.scheduled_procedure_step_status != "STARTED"
        return None

    # Making ready is where it is asked; a tick alone, or blanks, are no word.
    _, allergic = contrast(iodine, StepMove.ARRIVE)
    assert press(allergic, "prepare") is None
    assert press(allergic, "prepare", checks=["allergies", "contrast"], allergy_reason="  ") is None
    assert (
        press(allergic, "prepare", checks=["allergies"], allergy_reason="Pre-medicated as ordered") == "READY"
    )
    details = [one for one in work.session.scalars(select(AuditRecord.detail)) if one and "move" in one]
    assert details[-1]["contrast in spite of allergies"] == "Pre-medicated as ordered"
    assert press(allergic, "start") == "STARTED", "it was asked when the patient was made ready"

    # An emergency that nobody made ready is asked at the start.
    for path in ((), (StepMove.ARRIVE,)):
        _, emergency = contrast(iodine, *path)
        assert press(emergency, "start", checks=["allergies"]) is None
        assert press(emergency, "start", allergy_reason="Emergency: cannot wait") == "STARTED"

    # Nobody asked: a tick says that somebody just did. Asked, and none are known: nothing speaks against it.
    _, unasked = contrast(None, StepMove.ARRIVE)
    assert press(unasked, "prepare", checks=["identity"]) is None
    assert press(unasked, "prepare", checks=["identity", "allergies"]) == "READY"
    _, none_known = contrast([], StepMove.ARRIVE)
    assert press(none_known, "prepare") == "READY"

    # What is recorded after the patient was made ready is asked before the start.
    patient_pk, ready = contrast([], StepMove.ARRIVE, StepMove.PREPARE)
    work.session.execute(
        update(ScheduledProcedureStep)
        .where(ScheduledProcedureStep.scheduled_procedure_step_pk == ready)
        .values(status_changed_at=work.now() - MINUTE)
    )
    replace_allergies(work, patient_pk, iodine)
    assert press(ready, "start") is None
    assert press(ready, "start", allergy_reason="The radiologist decided so") == "STARTED"

    # Without contrast there is nothing to refuse.
    (requested,) = hospital.order(hospital.patient(allergies=iodine), "CTHEAD")
    plain = service.schedule(work, requested.requested_procedure_pk, hospital.ct2, at)
    assert press(plain.scheduled_procedure_step_pk, "start") == "STARTED"


def test_boards_show_a_day_by_the_clock_of_each_site(hospital: Any) -> None:
    evening = datetime(2026, 11, 26, 1, tzinfo=UTC)  # the 25th, 17:00 in Los Angeles
    (requested,) = hospital.order(site_pk=hospital.west)
    west = service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct_west, evening)
    east = booked(hospital, datetime(2026, 11, 26, 5, tzinfo=UTC))  # the 26th, 00:00 in New York

    def board(day: int, **only: Any) -> list[int]:
        found = service.day_board(hospital.work, datetime(2026, 11, day, tzinfo=UTC).date(), **only)
        return [one.scheduled_procedure_step_pk for one in found]

    assert board(25) == [west.scheduled_procedure_step_pk]
    assert board(26) == [east.scheduled_procedure_step_pk]
    assert board(25, site_pk=hospital.east) == board(26, modality_resource_pk=hospital.ct2) == []
    # Both are more than sixteen hours away: not yet under way.
    assert service.tracking_board(hospital.work) == []


def test_every_state_of_an_open_step_leaves_the_order_schedulable_or_scheduled(hospital: Any) -> None:
    """No button leads to a step that is open while its order is not."""
    for status, path in PATHS.items():
        step = booked(
            hospital, WEDNESDAY_7 + timedelta(hours=len(path), minutes=17 * len(PATHS)), overbook_reason="x"
        )
        for move in path:
            service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, move, "a reason")
        expected = {"STARTED": "IN PROGRESS", "COMPLETED": "COMPLETED", "DISCONTINUED": "DISCONTINUED"}
        assert state_of(hospital, step)[2] == expected.get(status.value, "SCHEDULED")
        assert (status in OPEN_STEPS) == (state_of(hospital, step)[2] == "SCHEDULED")


def test_over_http_a_taken_slot_is_a_409_that_names_the_field(api: Any, hospital: Any) -> None:
    desk = api.as_role("front_desk")
    (one,), (two,) = hospital.order(), hospital.order()
    slots = desk.get(
        "/api/schedule/slots", params={"requested_procedure_pk": one.requested_procedure_pk}
    ).json()
    body = {"modality_resource_pk": slots[0]["modality_resource_pk"], "starts_at": slots[0]["starts_at"]}
    made = desk.post(
        "/api/schedule/appointments", json={**body, "requested_procedure_pk": one.requested_procedure_pk}
    )
    assert made.status_code == 201, made.text
    taken = desk.post(
        "/api/schedule/appointments", json={**body, "requested_procedure_pk": two.requested_procedure_pk}
    )
    assert taken.status_code == 409
    assert taken.headers["content-type"].startswith("application/problem+json")
    assert "starts_at" in taken.text
    naive = desk.get("/api/schedule/slots", params={"requested_procedure_pk": one.requested_procedure_pk,
                                                    "not_before": "2026-11-25T12:00:00"})  # fmt: skip
    assert naive.status_code == 422
    pk = made.json()["appointment_pk"]
    assert desk.post(f"/api/schedule/appointments/{pk}/no-show").status_code == 204
    back = desk.delete(f"/api/schedule/appointments/{pk}/no-show")
    assert (back.status_code, back.json()["appointment_state"]) == (200, "booked")
    assert (
        desk.post(f"/api/schedule/appointments/{pk}/cancellation", json={"reason": "cold"}).status_code == 204
    )
    assert (
        desk.post(f"/api/schedule/appointments/{pk}/cancellation", json={"reason": "cold"}).status_code == 409
    )
    assert (
        move_requested_procedure(hospital.work, one.requested_procedure_pk, Move.SCHEDULE).state
        == "SCHEDULED"
    )
