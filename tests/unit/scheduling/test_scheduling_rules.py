"""State tables against the plain rules they come from, slots in wall time on the days the clock moves, agreement."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.kit.errors import IllegalTransition, Invalid
from wetread.scheduling.rules import (
    AppointmentMove,
    AppointmentState,
    Demographics,
    StepMove,
    StepStatus,
    appointment_after,
    disagreements,
    free_slots,
    hours_of,
    names_agree,
    side_of,
    step_after,
    wall_to_utc,
)

# Written down a second time on purpose, from DICOM (0040,0020), IHE and FHIR Appointment.status.
STEPS = """
SCHEDULED    arrive=ARRIVED start=STARTED cancel=CANCELED
ARRIVED      prepare=READY start=STARTED cancel=CANCELED revert=SCHEDULED
READY        start=STARTED cancel=CANCELED revert=ARRIVED
STARTED      start=STARTED complete=COMPLETED discontinue=DISCONTINUED revert=SCHEDULED take_back=SCHEDULED
COMPLETED    start=COMPLETED complete=COMPLETED take_back=SCHEDULED
DISCONTINUED take_back=SCHEDULED
CANCELED
"""
APPOINTMENTS = """
booked       reschedule=booked arrive=arrived fulfil=fulfilled cancel=cancelled mark_as_no-show=noshow
arrived      check_in=checked-in fulfil=fulfilled cancel=cancelled reinstate=booked
checked-in   fulfil=fulfilled cancel=cancelled reinstate=arrived
fulfilled    fulfil=fulfilled reinstate=booked
cancelled
noshow       reinstate=booked
"""


def table(text: str) -> dict[tuple[str, str], str]:
    found = {}
    for line in text.split("\n"):
        state, *moves = line.split() or [""]
        found.update(
            {(state, move.replace("_", " ")): after for move, after in (m.split("=") for m in moves)}
        )
    return found


@pytest.mark.parametrize("move", list(StepMove))
@pytest.mark.parametrize("status", list(StepStatus))
def test_every_move_of_a_step(status: StepStatus, move: StepMove) -> None:
    after = table(STEPS).get((status.value, move.value))
    if after is None:
        with pytest.raises(IllegalTransition):
            step_after(status, move)
    else:
        assert step_after(status, move) == after


@pytest.mark.parametrize(
    ("description", "side"),
    [
        ("XR knee, LEFT", "L"),
        ("Knie rechts ap", "R"),
        ("Hands, left and right", "B"),
        ("MG bilateral", "B"),
        ("CT L spine", ""),
        ("Lefthand protocol", ""),
        (None, ""),
    ],
)
def test_a_side_is_read_only_where_it_is_spelt(description: str | None, side: str) -> None:
    assert side_of(description) == side


@pytest.mark.parametrize("move", list(AppointmentMove))
@pytest.mark.parametrize("state", list(AppointmentState))
def test_every_move_of_an_appointment(state: AppointmentState, move: AppointmentMove) -> None:
    after = table(APPOINTMENTS).get((state.value, move.value))
    if after is None:
        with pytest.raises(IllegalTransition):
            appointment_after(state, move)
    else:
        assert appointment_after(state, move) == after


NEW_YORK, CAIRO = "America/New_York", "Africa/Cairo"
SPRING, AUTUMN, CAIRO_SPRING = date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 24)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_skipped_hour_is_refused_with_the_next_that_exists() -> None:
    for second in (False, True):
        with pytest.raises(Invalid) as refused:
            wall_to_utc(SPRING, time(2, 30), NEW_YORK, second=second)
        assert "03:30" in refused.value.fields[0].reason
    assert wall_to_utc(SPRING, time(3), NEW_YORK) == utc("2026-03-08 07:00")


def test_of_an_hour_that_happens_twice_one_can_be_chosen() -> None:
    assert wall_to_utc(AUTUMN, time(1, 30), NEW_YORK) == utc("2026-11-01 05:30")
    assert wall_to_utc(AUTUMN, time(1, 30), NEW_YORK, second=True) == utc("2026-11-01 06:30")


def slots(day: date, opens: time, closes: time, zone: str, *, minutes: int = 60, taken=(), after=None):
    return free_slots(1, day, opens, closes, zone, taken, minutes, after or utc("2026-01-01 00:00"))


def wall(found: list, zone: str) -> list[str]:
    return [f"{one.starts_at.astimezone(ZoneInfo(zone)):%H:%M}" for one in found]


def test_a_spring_day_is_an_hour_short_and_an_autumn_day_an_hour_long() -> None:
    assert wall(slots(SPRING, time(1), time(5), NEW_YORK), NEW_YORK) == ["01:00", "03:00", "04:00"]
    assert wall(slots(AUTUMN, time(0), time(3), NEW_YORK), NEW_YORK) == ["00:00", "01:00", "01:00", "02:00"]
    usual = slots(date(2026, 11, 2), time(0), time(3), NEW_YORK)
    assert len(usual) == 3


def test_opening_in_a_skipped_hour_costs_no_day() -> None:
    assert wall(slots(SPRING, time(2, 30), time(5), NEW_YORK), NEW_YORK) == ["03:30"]
    assert wall(slots(CAIRO_SPRING, time(0), time(3), CAIRO), CAIRO) == ["01:00", "02:00"]
    assert wall(slots(SPRING, time(1), time(2, 30), NEW_YORK), NEW_YORK) == ["01:00"]


def test_the_second_of_two_closing_hours_counts() -> None:
    assert wall(slots(AUTUMN, time(0), time(1, 30), NEW_YORK), NEW_YORK) == ["00:00", "01:00"]
    assert hours_of(AUTUMN, time(0), time(1, 30), NEW_YORK)[1] == utc("2026-11-01 06:30")


def test_slots_keep_to_the_grid_the_hours_and_the_moment() -> None:
    day = date(2026, 7, 1)
    taken = [
        (utc("2026-07-01 11:07"), utc("2026-07-01 11:33")),
        (utc("2026-07-01 11:20"), utc("2026-07-01 11:40")),
    ]
    found = slots(day, time(7), time(8, 30), NEW_YORK, minutes=20, taken=taken, after=utc("2026-07-01 11:01"))
    assert wall(found, NEW_YORK) == ["07:40", "08:00"]
    assert slots(day, time(7), time(8), NEW_YORK, minutes=61) == []
    assert slots(day, time(7), time(8), NEW_YORK, after=utc("2026-07-02 11:01")) == []


@given(
    busy=st.lists(st.tuples(st.integers(0, 24 * 60), st.integers(1, 120)), max_size=12),
    minutes=st.sampled_from([5, 15, 30, 45, 60]),
    day=st.sampled_from([SPRING, AUTUMN, date(2026, 7, 1)]),
)
def test_a_free_slot_never_meets_a_taken_one(busy: list[tuple[int, int]], minutes: int, day: date) -> None:
    begin, end = hours_of(day, time(0), time(23), NEW_YORK)
    taken = [(begin + timedelta(minutes=at), begin + timedelta(minutes=at + length)) for at, length in busy]
    found = slots(day, time(0), time(23), NEW_YORK, minutes=minutes, taken=taken)
    for one in found:
        assert begin <= one.starts_at < one.ends_at <= end
        assert one.ends_at - one.starts_at == timedelta(minutes=minutes)
        assert not any(start < one.ends_at and stop > one.starts_at for start, stop in taken)
    assert all(one.ends_at <= other.starts_at for one, other in pairwise(found))
    # Nothing that would fit before the first slot was left out.
    first = found[0].starts_at if found else end
    at = begin
    while at + timedelta(minutes=minutes) <= first:
        assert any(start < at + timedelta(minutes=minutes) and stop > at for start, stop in taken)
        at += timedelta(minutes=5)


ORDER = Demographics("Müller^Jörg", date(1960, 12, 31), "M", frozenset({("CITY", "4711"), ("NORTH", "N1")}))


@pytest.mark.parametrize(
    ("study", "fields"),
    [
        (Demographics("Müller^Jörg", date(1960, 12, 31), "M", frozenset({("CITY", "4711")})), []),
        (Demographics("MUELLER^JOERG", None, None, frozenset({("NORTH", "N1")})), []),
        (Demographics(None, None, "O", frozenset({("CITY", "4711")})), []),
        (Demographics("Müller", date(1960, 12, 31), "M", frozenset({("CITY", "4711")})), []),
        (Demographics("Müller^Jörg", date(1960, 12, 31), "M", frozenset({("NORTH", "4711")})), ["patient_id"]),
        (Demographics("Müller^Jörg", date(1960, 12, 31), "M", frozenset()), ["patient_id"]),
        (Demographics("Müller^Jörg", date(1960, 12, 30), "M", frozenset({("CITY", "4711")})), ["patient_birth_date"]),
        (Demographics("Müller^Jörg", None, "F", frozenset({("CITY", "4711")})), ["patient_sex"]),
        (Demographics("Smith^Ann", None, "M", frozenset({("CITY", "4711")})), ["patient_name"]),
        (Demographics("Smith^Ann", date(1980, 1, 1), "F", frozenset()),
         ["patient_id", "patient_birth_date", "patient_sex", "patient_name"]),
    ],
)  # fmt: skip
def test_what_speaks_against_a_study_is_named_field_by_field(study: Demographics, fields: list[str]) -> None:
    assert [one["field"] for one in disagreements(ORDER, study)] == fields


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("Yamada^Tarou=山田^太郎", "山田^太郎", True),
        ("Yamada^Tarou=山田^太郎", "YAMADA^TAROU", True),
        ("O'Brien^Sian", "OBRIEN^SIAN", True),
        ("Иванова^Юлия", "Ivanova^Yuliya", True),
        ("Doe^Jane", "Roe^Richard", False),
        ("Doe^Jane", "", True),
    ],
)
def test_names_of_one_person(one: str, other: str, agree: bool) -> None:
    assert names_agree(one, other) is agree
