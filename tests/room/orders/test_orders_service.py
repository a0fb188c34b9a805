"""Orders on a real database: placed by the book, numbered once, changed and cancelled only while nothing has begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import sampled_from
from sqlalchemy import select

from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.kit.errors import Conflict, Denied, IllegalTransition, Invalid, NotFound
from wetread.kit.events import OutboxEvent
from wetread.orders import rules, service
from wetread.orders.model import (
    AccessionSequence,
    ImagingServiceRequest,
    RequestedProcedure,
    RequestedProcedureChange,
    RequestedProcedureState,
)
from wetread.orders.rules import Move
from wetread.orders.service import OrderChange, OrderInput, ProcedureChoice, ProcedureInput
from wetread.patients.service import (  # fmt: skip
    CoverageInput,
    PatientInput,
    PayerInput,
    merge_patients,
    payer_by_identifier,
    register_patient,
)
from wetread.security.model import AuditRecord, Practitioner, Site
from wetread.security.service import Actor, AuditEventID, Offices, Work


@dataclass
class Desk:
    """What an order needs."""

    work: Work
    site_pk: int
    other_site_pk: int
    patient_pk: int

    def place(self, *codes: str, laterality: str | None = None, **fields: Any) -> ImagingServiceRequest:
        """An order of these procedures (a CT head unless named)."""
        choices = [ProcedureChoice(code_value=code, laterality=laterality) for code in codes or ("CTHEAD",)]
        values = {"patient_pk": self.patient_pk, "site_pk": self.site_pk, "procedures": choices, **fields}
        return service.place_order(self.work, OrderInput(**values))

    def procedures(self, request: ImagingServiceRequest) -> list[RequestedProcedure]:
        """Fresh from the database."""
        self.work.session.flush()
        self.work.session.expire_all()
        return service.procedures_of(self.work, request.imaging_service_request_pk)


def furnish(work: Work) -> Desk:
    """A catalogue, two sites, a patient."""
    sites = [
        Site(code=code, institution_name=code.title(), time_zone="America/New_York")
        for code in ("RIVERSIDE", "Süd-1")
    ]
    work.session.add_all(sites)
    work.session.flush()
    service.add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT", cpt_code="70450"))
    service.add_procedure(work, ProcedureInput("CTCHEST", "CT chest", "CT"))
    service.add_procedure(work, ProcedureInput("XRKNEE", "XR knee", "DX", laterality_required=True))
    service.add_procedure(work, ProcedureInput("XROLD", "XR of old", "DX", active=False))
    patient = register_patient(work, PatientInput("Doe^Jane"))
    return Desk(work, sites[0].site_pk, sites[1].site_pk, patient.patient_pk)


@pytest.fixture
def desk(work: Work) -> Desk:
    return furnish(work)


def wrong_fields(call: Callable[[], Any]) -> set[str]:
    with pytest.raises(Invalid) as refused:
        call()
    return {one.field for one in refused.value.fields}


# --- placing --------------------------------------------------------------------------------------------------


def test_an_order_is_one_request_with_a_study_for_each_procedure(desk: Desk) -> None:
    request = desk.place("CTHEAD", "CTCHEST", requested_procedure_priority="urgent", diagnosis_codes=["r519", "R51.9", "I61.9"],
                         reason_for_the_requested_procedure="Thunderclap headache")  # fmt: skip
    first, second = desk.procedures(request)
    assert (request.accession_number, request.issuer_of_accession_number) == ("RIVE260000001", "WETREAD")
    assert first.study_instance_uid != second.study_instance_uid
    assert first.requested_procedure_id != second.requested_procedure_id
    for one in (first, second):
        assert (one.state, one.requested_procedure_priority) == ("REQUESTED", "HIGH")
        assert one.diagnosis_codes == ["R51.9", "I61.9"]
        assert one.accession_number == request.accession_number
        assert len(one.requested_procedure_id) <= 16
    order = service.get_order(desk.work, request.imaging_service_request_pk)
    assert (order.state, [d.code for d in order.diagnoses]) == ("REQUESTED", ["R51.9", "I61.9"])
    assert all(found.description for found in order.diagnoses)
    records = desk.work.session.execute(
        select(AuditRecord.event_id, AuditRecord.event_action_code, AuditRecord.patient_pk).where(
            AuditRecord.object_type == "imaging_service_request"
        )
    ).all()
    assert (AuditEventID.ORDER_RECORD.value, "C", desk.patient_pk) in [tuple(row) for row in records]
    assert list(desk.work.session.scalars(select(OutboxEvent.kind))).count("order.changed") == 2


@pytest.mark.parametrize(
    ("code", "side", "words"),
    [
        ("XRKNEE", "L", "XR knee, LEFT"),
        ("XRKNEE", "R", "XR knee, RIGHT"),
        ("XRKNEE", "B", "XR knee, BILATERAL"),
        ("XRKNEE", None, None),
        ("XRKNEE", "X", None),
        ("XRKNEE", "", None),
        ("CTHEAD", None, "CT head without contrast"),
        ("CTHEAD", "U", None),
    ],
)
def test_a_side_where_there_are_two(desk: Desk, code: str, side: str | None, words: str | None) -> None:
    if words is None:
        assert wrong_fields(lambda: desk.place(code, laterality=side)) == {"laterality"}
    else:
        (one,) = desk.procedures(desk.place(code, laterality=side))
        assert (one.requested_procedure_description, one.laterality) == (words, side)


def test_the_side_is_never_cut_off_a_long_name() -> None:
    assert rules.described("x" * 64, "B").endswith(", BILATERAL")
    assert len(rules.described("x" * 64, "B")) == 64


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"requested_procedure_priority": "SOON"}, "requested_procedure_priority"),
        ({"patient_pk": 999_999}, "patient_pk"),
        ({"site_pk": 999_999}, "site_pk"),
        ({"procedures": []}, "procedures"),
        ({"procedures": [ProcedureChoice(code_value="CTHEAD")] * 11}, "procedures"),
        ({"procedures": [ProcedureChoice(code_value="NOSUCH")]}, "procedures"),
        ({"procedures": [ProcedureChoice(code_value="XROLD")]}, "procedures"),
        ({"procedures": [ProcedureChoice(procedure_pk=999_999)]}, "procedures"),
        ({"procedures": [ProcedureChoice(code_value="CTHEAD", study_instance_uid=".")]}, "study_instance_uid"),
        ({"procedures": [ProcedureChoice(code_value="CTHEAD", study_instance_uid="1..2")]}, "study_instance_uid"),
        ({"procedures": [ProcedureChoice(code_value="CTHEAD", study_instance_uid="1." + "1" * 63)]}, "study_instance_uid"),
        ({"procedures": [ProcedureChoice(code_value="CTHEAD", study_instance_uid="../etc")]}, "study_instance_uid"),
        ({"procedures": [ProcedureChoice(code_value="CTHEAD", requested_procedure_id="1" * 17)]}, "requested_procedure_id"),
        ({"procedures": [ProcedureChoice(code_value=code, requested_procedure_id="1") for code in ("CTHEAD", "CTCHEST")]},
         "requested_procedure_id"),
        ({"accession_number": "A" * 17}, "accession_number"),
        ({"accession_number": " "}, "accession_number"),
        ({"accession_number": "A\\B"}, "accession_number"),
        ({"placer_order_number": ""}, "placer_order_number"),
        ({"comments": "c" * 2001}, "comments"),
        ({"reason_for_the_requested_procedure": "a\x00b"}, "reason_for_the_requested_procedure"),
        ({"coverage_pk": 999_999}, "coverage_pk"),
        ({"referring_practitioner_pk": 999_999}, "referring_practitioner_pk"),
        ({"diagnosis_codes": ["784.0"]}, "diagnosis_codes"),  # ICD-9
        ({"diagnosis_codes": ["R51"]}, "diagnosis_codes"),  # a category, not billable
        ({"diagnosis_codes": ["R50-R69"]}, "diagnosis_codes"),
        ({"diagnosis_codes": ["18"]}, "diagnosis_codes"),  # a chapter
        ({"diagnosis_codes": ["R51.9"] * 13}, "diagnosis_codes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_no_number_is_spent(
    desk: Desk, fields: dict[str, Any], wrong: str
) -> None:
    assert wrong in wrong_fields(lambda: desk.place(**fields))
    assert desk.work.session.scalars(select(AccessionSequence)).all() == []


def test_an_insurance_of_somebody_else_is_refused(desk: Desk) -> None:
    payer = payer_by_identifier(desk.work, PayerInput("BW", "Bluewater"))
    other = register_patient(
        desk.work, PatientInput("Roe^Jim", coverages=[CoverageInput(payer.payer_pk, "M1")])
    )
    from wetread.patients.model import Coverage

    coverage = desk.work.session.scalars(
        select(Coverage).where(Coverage.patient_pk == other.patient_pk)
    ).one()
    assert wrong_fields(lambda: desk.place(coverage_pk=coverage.coverage_pk)) == {"coverage_pk"}


def test_nothing_is_ordered_for_a_record_that_was_merged(desk: Desk) -> None:
    gone = register_patient(desk.work, PatientInput("Doe^Janet"))
    merge_patients(desk.work, desk.patient_pk, gone.patient_pk, "same")
    assert wrong_fields(lambda: desk.place(patient_pk=gone.patient_pk)) == {"patient_pk"}


def test_who_works_elsewhere_sees_changes_and_cancels_nothing_here(desk: Desk, work_as: Any) -> None:
    request = desk.place()
    pk, elsewhere = request.imaging_service_request_pk, {"site_pks": frozenset({desk.other_site_pk})}
    for act in (
        lambda work: service.get_order(work, pk),
        lambda work: service.cancel_order(work, pk, "x"),
        lambda work: service.change_order(work, pk, OrderChange("STAT")),
    ):
        with pytest.raises(NotFound), work_as("front_desk", **elsewhere) as work:
            act(work)
    with work_as("front_desk", **elsewhere) as work:
        assert service.find_orders(work) == []
    with pytest.raises(Denied), work_as("technologist") as work:
        service.cancel_order(work, pk, "x")
    assert desk.procedures(request)[0].state == "REQUESTED"


# --- numbers --------------------------------------------------------------------------------------------------


def test_numbers_run_by_site_and_year_and_fit(desk: Desk) -> None:
    numbers = [desk.place().accession_number for _ in range(3)]
    assert numbers == ["RIVE260000001", "RIVE260000002", "RIVE260000003"]
    assert desk.place(site_pk=desk.other_site_pk).accession_number == "SD1260000001"
    desk.work.clock = FixedClock(datetime(2027, 1, 1, tzinfo=UTC))
    assert desk.place().accession_number == "RIVE270000001"
    assert len(rules.accession_number("RIVE26", 9_999_999_999)) == rules.ACCESSION_NUMBER_CHARACTERS_MAX
    with pytest.raises(OverflowError):
        rules.accession_number("RIVE26", 10_000_000_000)


def test_a_number_is_unique_with_its_issuer_alone(desk: Desk) -> None:
    desk.place(accession_number="A1", issuer_of_accession_number="CITY")
    desk.place(accession_number="A1", issuer_of_accession_number="NORTH")
    desk.place(accession_number="A1")
    for issuer in ("CITY", None, "WETREAD"):
        with pytest.raises(Conflict) as refused:
            desk.place(accession_number=" A1 ", issuer_of_accession_number=issuer)
        assert refused.value.fields[0].field == "accession_number"
    desk.place(placer_order_number="P1", issuer_of_placer_order_number="ER")
    desk.place(placer_order_number="P1")
    for issuer in ("ER", None):
        with pytest.raises(Conflict) as refused:
            desk.place(placer_order_number="P1", issuer_of_placer_order_number=issuer)
        assert refused.value.fields[0].field == "placer_order_number"


def test_a_number_that_another_system_took_stops_nobody(desk: Desk) -> None:
    for taken in ("RIVE260000001", "RIVE260000002", "RIVE260000004"):
        desk.place(accession_number=taken)
    assert [desk.place().accession_number for _ in range(2)] == ["RIVE260000003", "RIVE260000005"]


def test_many_desks_at_once_get_different_numbers_without_gaps(clean_database: Database) -> None:
    offices = Offices(clean_database, FixedClock(datetime(2026, 11, 25, 3, tzinfo=UTC)))
    with offices.work(Actor.system("test")) as work:
        desk = furnish(work)
        site_pk, patient_pk = desk.site_pk, desk.patient_pk
    numbers: list[str] = []
    barrier = threading.Barrier(6)

    def place() -> None:
        barrier.wait(10)
        for attempt in range(5):
            try:
                with offices.work(Actor.system("desk")) as work:
                    made = Desk(work, site_pk, 0, patient_pk).place().accession_number
                    if attempt == 2:
                        raise Denied("the desk changes its mind")
                numbers.append(made)
            except Denied:
                pass

    threads = [threading.Thread(target=place) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # A transaction that was given up gives its number back.
    assert sorted(numbers) == [f"RIVE26{number:07d}" for number in range(1, 25)]


# --- cancelling and changing ----------------------------------------------------------------------------------


def test_what_has_not_begun_is_cancelled_with_its_reason(desk: Desk) -> None:
    request = desk.place("CTHEAD", "CTCHEST")
    with pytest.raises(Invalid):
        service.cancel_order(desk.work, request.imaging_service_request_pk, " ")
    with pytest.raises(NotFound):
        service.cancel_order(desk.work, 999_999, "x")
    service.move_requested_procedure(
        desk.work, desk.procedures(request)[0].requested_procedure_pk, Move.SCHEDULE
    )
    service.cancel_order(desk.work, request.imaging_service_request_pk, "ordered twice")
    assert [(one.state, one.state_reason) for one in desk.procedures(request)] == [
        ("CANCELED", "ordered twice")
    ] * 2
    order = service.get_order(desk.work, request.imaging_service_request_pk)
    assert order.state == "CANCELED"
    assert [(c.step, c.from_state, c.to_state, c.reason) for c in order.changes][-2:] == [
        ("cancel", "SCHEDULED", "CANCELED", "ordered twice"),
        ("cancel", "REQUESTED", "CANCELED", "ordered twice"),
    ]


@pytest.mark.parametrize("end", [(), (Move.COMPLETE,), (Move.DISCONTINUE,)])
def test_nothing_is_cancelled_once_one_procedure_has_begun(desk: Desk, end: tuple[Move, ...]) -> None:
    request = desk.place("CTHEAD", "CTCHEST")
    first = desk.procedures(request)[0].requested_procedure_pk
    for move in (Move.START, *end):
        service.move_requested_procedure(desk.work, first, move)
    before = [one.state for one in desk.procedures(request)]
    with pytest.raises(IllegalTransition):
        service.cancel_order(desk.work, request.imaging_service_request_pk, "too late")
    assert [one.state for one in desk.procedures(request)] == before


def test_cancel_and_start_at_once_end_in_one_of_them(clean_database: Database) -> None:
    offices = Offices(clean_database)
    with offices.work(Actor.system("test")) as work:
        desk = furnish(work)
        request = desk.place()
        pk = request.imaging_service_request_pk
        requested_pk = desk.procedures(request)[0].requested_procedure_pk
    barrier, outcomes = threading.Barrier(2), []

    def attempt(name: str, act: Callable[[Work], Any]) -> None:
        try:
            with offices.work(Actor.system(name)) as work:
                work.session.get(RequestedProcedure, requested_pk)  # what a screen had loaded before
                barrier.wait(10)
                act(work)
                work.audit(AuditEventID.ORDER_RECORD, "U")
            outcomes.append(name)
        except IllegalTransition:
            pass

    threads = [
        threading.Thread(target=attempt, args=("cancel", lambda work: service.cancel_order(work, pk, "x"))),
        threading.Thread(
            target=attempt,
            args=("start", lambda work: service.move_requested_procedure(work, requested_pk, Move.START)),
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(outcomes) == 1
    with offices.work(Actor.system("test")) as work:
        state = work.session.scalar(select(RequestedProcedure.state))
        assert state == {"cancel": "CANCELED", "start": "IN PROGRESS"}[outcomes[0]]
        work.audit(AuditEventID.QUERY, "E")


def test_urgency_reason_and_diagnoses_are_said_anew_before_the_start(desk: Desk) -> None:
    request = desk.place("CTHEAD", "CTCHEST", diagnosis_codes=["R51.9"], comments="GCS 14")
    pk = request.imaging_service_request_pk
    first, second = (one.requested_procedure_pk for one in desk.procedures(request))
    service.move_requested_procedure(desk.work, first, Move.SCHEDULE)
    service.change_order(
        desk.work,
        pk,
        OrderChange("STAT", "Now unconscious", ["I61.9"], "GCS 7"),
        requested_procedure_pks=[first],
    )
    service.change_order(desk.work, pk, OrderChange(more_comments="GCS 7"), requested_procedure_pks=[first])
    one, two = desk.procedures(request)
    assert (one.requested_procedure_priority, one.reason_for_the_requested_procedure, one.diagnosis_codes, one.state) == (
        "STAT", "Now unconscious", ["I61.9"], "SCHEDULED",
    )  # fmt: skip
    assert (two.requested_procedure_priority, two.diagnosis_codes) == ("ROUTINE", ["R51.9"])
    assert request.imaging_service_request_comments == "GCS 14\nGCS 7"
    changes = desk.work.session.scalars(
        select(RequestedProcedureChange).where(RequestedProcedureChange.step == "change")
    ).all()
    assert [(c.requested_procedure_pk, c.from_state, c.to_state) for c in changes] == [
        (first, "SCHEDULED", "SCHEDULED")
    ]
    assert wrong_fields(lambda: service.change_order(desk.work, pk, OrderChange("SOON"))) == {"requested_procedure_priority"}  # fmt: skip
    assert wrong_fields(lambda: service.change_order(desk.work, pk, OrderChange(diagnosis_codes=["R51"]))) == {"diagnosis_codes"}  # fmt: skip
    service.move_requested_procedure(desk.work, second, Move.START)
    with pytest.raises(IllegalTransition):
        service.change_order(desk.work, pk, OrderChange("STAT"))
    assert desk.procedures(request)[1].requested_procedure_priority == "ROUTINE"
    cancelled = desk.place()
    service.cancel_order(desk.work, cancelled.imaging_service_request_pk, "x")
    with pytest.raises(IllegalTransition):
        service.change_order(desk.work, cancelled.imaging_service_request_pk, OrderChange("STAT"))


# --- the state machine ----------------------------------------------------------------------------------------

# Written down a second time on purpose.
TABLE = {
    "REQUESTED": {"schedule": "SCHEDULED", "start": "IN PROGRESS", "cancel": "CANCELED"},
    "SCHEDULED": {"schedule": "SCHEDULED", "unschedule": "REQUESTED", "start": "IN PROGRESS", "cancel": "CANCELED"},
    "IN PROGRESS": {"start": "IN PROGRESS", "complete": "COMPLETED", "discontinue": "DISCONTINUED", "revert": "SCHEDULED"},
    "COMPLETED": {"start": "COMPLETED", "revert": "SCHEDULED"},
    "DISCONTINUED": {"schedule": "SCHEDULED", "revert": "SCHEDULED"},
    "CANCELED": {"reinstate": "REQUESTED"},
}  # fmt: skip


@pytest.mark.parametrize("move", list(Move))
@pytest.mark.parametrize("state", list(RequestedProcedureState))
def test_every_move(state: RequestedProcedureState, move: Move) -> None:
    after = TABLE[state.value].get(move.value)
    if after is None:
        with pytest.raises(IllegalTransition):
            rules.moved(state.value, move)
    else:
        assert rules.moved(state.value, move) == after


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        (["REQUESTED", "REQUESTED"], "REQUESTED"),
        (["REQUESTED", "SCHEDULED"], "SCHEDULED"),
        (["SCHEDULED", "IN PROGRESS"], "IN PROGRESS"),
        (["SCHEDULED", "COMPLETED"], "IN PROGRESS"),
        (["REQUESTED", "DISCONTINUED"], "IN PROGRESS"),
        (["COMPLETED", "COMPLETED"], "COMPLETED"),
        (["COMPLETED", "DISCONTINUED"], "COMPLETED"),
        (["DISCONTINUED", "DISCONTINUED"], "DISCONTINUED"),
        (["COMPLETED", "CANCELED"], "COMPLETED"),
        (["REQUESTED", "CANCELED"], "REQUESTED"),
        (["CANCELED", "CANCELED"], "CANCELED"),
    ],
)
def test_the_order_is_what_its_procedures_are(states: list[str], whole: str) -> None:
    assert rules.order_state(states) == whole
    assert rules.order_state(reversed(states)) == whole


class OrderMachine(RuleBasedStateMachine):
    """Any sequence of moves, changes and cancellations: the database follows the table, and its history tells the way."""

    desk: ClassVar[Desk]

    @initialize(size=sampled_from([1, 2, 3]))
    def place(self, size: int) -> None:
        """An order of one to three procedures."""
        self.request = self.desk.place(*["CTHEAD", "CTCHEST", "CTHEAD"][:size])
        self.pk = self.request.imaging_service_request_pk
        self.pks = [one.requested_procedure_pk for one in self.desk.procedures(self.request)]
        self.model = ["REQUESTED"] * size

    @rule(at=sampled_from([0, 1, 2]), move=sampled_from(list(Move)))
    def move(self, at: int, move: Move) -> None:
        """One procedure moves as its table says, or not at all."""
        at %= len(self.pks)
        after = TABLE[self.model[at]].get(move.value)
        if after is None:
            with pytest.raises(IllegalTransition):
                service.move_requested_procedure(self.desk.work, self.pks[at], move, "why")
        else:
            service.move_requested_procedure(self.desk.work, self.pks[at], move, "why")
            self.model[at] = after

    @rule()
    def cancel(self) -> None:
        """All or nothing."""
        if set(self.model) <= {"REQUESTED", "SCHEDULED", "CANCELED"}:
            service.cancel_order(self.desk.work, self.pk, "why")
            self.model = ["CANCELED"] * len(self.model)
        else:
            with pytest.raises(IllegalTransition):
                service.cancel_order(self.desk.work, self.pk, "why")

    @rule(priority=sampled_from(["STAT", "ROUTINE"]))
    def change(self, priority: str) -> None:
        """Never once something has begun, never of what is cancelled alone."""
        living = {state for state in self.model if state != "CANCELED"}
        if living and living <= {"REQUESTED", "SCHEDULED"}:
            service.change_order(self.desk.work, self.pk, OrderChange(priority))
        else:
            with pytest.raises(IllegalTransition):
                service.change_order(self.desk.work, self.pk, OrderChange(priority))

    @invariant()
    def told(self) -> None:
        """State, history and the order's own state agree."""
        if not hasattr(self, "pks"):
            return
        assert [one.state for one in self.desk.procedures(self.request)] == self.model
        order = service.get_order(self.desk.work, self.pk)
        assert order.state == rules.order_state(self.model)
        for pk, state in zip(self.pks, self.model, strict=True):
            way = [c for c in order.changes if c.requested_procedure_pk == pk]
            assert way[0].from_state is None
            assert way[-1].to_state == state
            assert all(one.to_state == other.from_state for one, other in pairwise(way))


@pytest.fixture
def machine(desk: Desk) -> Iterator[type[OrderMachine]]:
    OrderMachine.desk = desk
    yield OrderMachine


def test_any_sequence_of_moves(machine: type[OrderMachine]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=15, deadline=None, database=None))  # fmt: skip


# --- catalogue, finding, HTTP ---------------------------------------------------------------------------------


def test_the_catalogue_is_kept_by_code_and_scheme(desk: Desk) -> None:
    with pytest.raises(Conflict):
        service.add_procedure(desk.work, ProcedureInput("CTHEAD", "Again", "CT"))
    service.add_procedure(
        desk.work, ProcedureInput("CTHEAD", "Of others", "CT", coding_scheme_designator="99CITY")
    )
    # Without its scheme the code is ambiguous now, and nothing is guessed.
    assert wrong_fields(lambda: desk.place("CTHEAD")) == {"procedures"}
    choice = ProcedureChoice(code_value="CTHEAD", coding_scheme_designator="99CITY")
    (one,) = desk.procedures(desk.place(procedures=[choice]))
    assert one.requested_procedure_description == "Of others"
    service.change_procedure(desk.work, one.procedure_pk, {"code_meaning": "Renamed"})
    assert desk.work.session.get(RequestedProcedure, one.requested_procedure_pk).requested_procedure_description == "Of others"  # fmt: skip
    with pytest.raises(Invalid):
        service.change_procedure(desk.work, one.procedure_pk, {"code_value": "OTHER"})
    assert wrong_fields(lambda: service.add_procedure(desk.work, ProcedureInput("X", "X", "CT", 4))) == {"duration_minutes"}  # fmt: skip
    assert [p.code_value for p in service.procedure_catalogue(desk.work, "ct che")] == ["CTCHEST"]
    assert [p.code_value for p in service.procedure_catalogue(desk.work, "70450")] == ["CTHEAD"]
    assert service.procedure_catalogue(desk.work, "%") == []


def test_orders_are_found_most_urgent_first(desk: Desk) -> None:
    routine, stat = desk.place(), desk.place(requested_procedure_priority="STAT")
    found = [line.imaging_service_request.accession_number for line in service.find_orders(desk.work)]
    assert found == [stat.accession_number, routine.accession_number]
    assert len(service.find_orders(desk.work, "rive26")) == 2
    assert len(service.find_orders(desk.work, "jane doe")) == 2
    for nothing in ("%", "-", "smith", "RIVE27"):
        assert service.find_orders(desk.work, nothing) == []
    service.cancel_order(desk.work, stat.imaging_service_request_pk, "x")
    open_states = (state for state in ("REQUESTED", "SCHEDULED"))
    assert len(service.find_orders(desk.work, states=open_states)) == 1
    with pytest.raises(Invalid):
        service.find_orders(desk.work, states=["LOST"])


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("r51.9", "R51.9"),
        ("R519", "R51.9"),
        ("headache uns", "R51.9"),
        ("intracerebral hemorrhage unspec", "I61.9"),
    ],
)
def test_diagnoses_are_found_by_code_and_words(desk: Desk, typed: str, code: str) -> None:
    found = service.search_diagnoses(desk.work, typed)
    assert code in [one.code for one in found]
    assert all(one.billable for one in found)


def test_an_order_is_said_anew_over_http(api: Any, offices: Offices) -> None:
    with offices.work(Actor.system("test")) as work:
        desk = furnish(work)
    client = api.as_role("front_desk")
    body = {"patient_pk": desk.patient_pk, "site_pk": desk.site_pk, "procedures": [{"code_value": "XRKNEE", "laterality": "L"}],
            "reason_for_the_requested_procedure": "fell", "diagnosis_codes": ["I63.9"]}  # fmt: skip
    made = client.post("/api/orders", json=body).json()
    door = f"/api/orders/{made['imaging_service_request']['imaging_service_request_pk']}"
    changed = client.patch(door, json={"requested_procedure_priority": "STAT", "more_comments": "GCS 7"})
    assert changed.status_code == 200, changed.text
    asked = changed.json()["lines"][0]["requested_procedure"]
    assert asked["requested_procedure_priority"] == "STAT"
    assert (asked["reason_for_the_requested_procedure"], asked["diagnosis_codes"]) == ("fell", ["I63.9"])
    assert changed.json()["imaging_service_request"]["imaging_service_request_comments"] == "GCS 7"
    assert [one["step"] for one in changed.json()["changes"]][-1] == "change"
    emptied = client.patch(
        door, json={"diagnosis_codes": [], "reason_for_the_requested_procedure": ""}
    ).json()
    asked = emptied["lines"][0]["requested_procedure"]
    assert (asked["reason_for_the_requested_procedure"], asked["diagnosis_codes"]) == (None, [])
    with offices.work(Actor.system("test")) as work:
        berg = Practitioner(person_name="Berg^Tom", npi="1679576722")
        work.session.add(berg)
        work.session.flush()
        pk = berg.practitioner_pk
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "C")
    for sent, expected in (
        ({"referring_practitioner_pk": pk}, (pk, "Berg^Tom")),
        ({"requested_procedure_priority": "STAT"}, (pk, "Berg^Tom")),
        ({"referring_physician_name": " Who^Doctor "}, (None, "Who^Doctor")),
        ({"referring_physician_name": ""}, (None, None)),
    ):
        answer = client.patch(door, json=sent).json()
        request = answer["imaging_service_request"]
        assert (request["referring_practitioner_pk"], request["referring_physician_name"]) == expected
    named = [one["reason"] for one in answer["changes"] if one["reason"] == "referring_physician_name"]
    assert len(named) == 3, "each change of the physician is in the order's history"
    unknown = client.patch(door, json={"referring_practitioner_pk": 10**9})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "referring_practitioner_pk")
    wrong = client.patch(door, json={"diagnosis_codes": ["XYZ"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "diagnosis_codes")
    assert (
        api.as_role("radiologist").patch(door, json={"requested_procedure_priority": "ROUTINE"}).status_code
        == 403
    )
    assert client.post(f"{door}/cancel", json={"reason": "ordered twice"}).status_code == 200
    assert client.patch(door, json={"requested_procedure_priority": "ROUTINE"}).status_code == 409


def test_an_order_without_a_time_is_placed_once_however_often_it_is_sent(
    api: Any, offices: Offices, clock: FixedClock
) -> None:
    with offices.work(Actor.system("test")) as work:
        desk = furnish(work)
        other = register_patient(work, PatientInput("Roe^Ann")).patient_pk
    client = api.as_role("front_desk")
    key = "6c1d1f4e-0d55-4f4d-9a53-2a9d5b7f3f1"
    body = {
        "patient_pk": desk.patient_pk,
        "site_pk": desk.site_pk,
        "procedures": [{"code_value": "CTHEAD"}],
        "idempotency_key": f"{key}0",
    }

    def sent(**change: object) -> tuple[int, str]:
        answer = client.post("/api/orders", json={**body, **change})
        if answer.status_code != 201:
            return answer.status_code, answer.json()["detail"]
        return 201, answer.json()["imaging_service_request"]["accession_number"]

    first = sent()
    assert first[0] == 201
    # Opened anew after a lost answer, the form has another key; it is the same person, patient and procedure.
    assert sent(idempotency_key=f"{key}1") == first
    for other_order in ({"procedures": [{"code_value": "CTCHEST"}]}, {"patient_pk": other}):
        assert sent(**other_order) == (409, "This form ordered something else before. Open it again.")
    clock.advance(rules.ASKED_AGAIN + timedelta(minutes=1))
    assert sent() == first
    again = sent(idempotency_key=f"{key}2")
    assert again[0] == 201 and again != first
    assert sent(idempotency_key=None)[1] not in (first[1], again[1])


@pytest.mark.parametrize("desks", ["one desk, pressed twice", "two desks"])
def test_the_same_order_from_two_forms_at_one_instant_is_placed_once(
    desks: str, clean_database: Database
) -> None:
    offices = Offices(clean_database)
    with offices.work(Actor.system("test")) as work:
        desk = furnish(work)
        given = OrderInput(desk.patient_pk, desk.site_pk, [ProcedureChoice(code_value="CTHEAD")])
    together = threading.Barrier(2)

    def order(number: int) -> str:
        name = "desk" if desks.startswith("one") else f"desk {number}"
        try:
            with offices.work(Actor.system(name)) as work:
                together.wait(10)
                return service.place_order(work, replace(given, idempotency_key=uuid4())).accession_number
        except Conflict as refused:
            return refused.detail

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(order, range(2)))
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        (made,) = work.session.scalars(select(ImagingServiceRequest.accession_number))
    if desks.startswith("one"):
        assert told == [made, made]
    else:
        assert made in told and any("ordered the same for this patient a moment ago" in one for one in told)


def test_a_merge_while_an_order_is_placed_takes_it_along(
    clean_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    offices = Offices(clean_database)
    with offices.work(Actor.system("test")) as work:
        desk = furnish(work)
        living = register_patient(work, PatientInput("Doe^Janet")).patient_pk

    def merge() -> None:
        with offices.work(Actor.system("merge")) as work:
            merge_patients(work, living, desk.patient_pk, "same")

    with ThreadPoolExecutor(1) as pool:
        merging: list[Future[None]] = []
        check = service._checked_diagnoses

        def checked(codes: Sequence[str]) -> Any:
            # The patient has been looked at, and nothing is written yet.
            merging.append(pool.submit(merge))
            with suppress(TimeoutError):
                merging[0].result(1)
            return check(codes)

        monkeypatch.setattr(service, "_checked_diagnoses", checked)
        with offices.work(Actor.system("desk")) as work:
            given = OrderInput(desk.patient_pk, desk.site_pk, [ProcedureChoice(code_value="CTHEAD")])
            request = service.place_order(work, given)
        merging[0].result(20)
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        found = work.session.get_one(ImagingServiceRequest, request.imaging_service_request_pk)
        assert found.patient_pk == living


def test_an_order_over_http(api: Any, offices: Offices) -> None:
    with offices.work(Actor.system("test")) as work:
        desk = furnish(work)
        work.session.add(Practitioner(person_name="Smith^Ann", npi="1679576722"))
    client = api.as_role("front_desk")
    body = {"patient_pk": desk.patient_pk, "site_pk": desk.site_pk, "procedures": [{"code_value": "XRKNEE"}]}
    refused = client.post("/api/orders", json=body)
    assert refused.status_code == 422
    assert "LEFT, RIGHT or BILATERAL" in refused.text
    body["procedures"] = [{"code_value": "XRKNEE", "laterality": "L"}]
    made = client.post("/api/orders", json=body)
    assert made.status_code == 201, made.text
    pk = made.json()["imaging_service_request"]["imaging_service_request_pk"]
    assert (
        made.json()["lines"][0]["requested_procedure"]["requested_procedure_description"] == "XR knee, LEFT"
    )
    assert client.post("/api/orders/referrers/find", json={"text": "smi"}).json()["total"] == 1
    assert (
        client.post("/api/orders/diagnoses/find", json={"text": "i63.9"}).json()["items"][0]["code"]
        == "I63.9"
    )

    def found(**body: object) -> list[int]:
        answer = client.post("/api/orders/find", json=body)
        assert answer.status_code == 200, answer.text
        return [
            one["imaging_service_request"]["imaging_service_request_pk"] for one in answer.json()["items"]
        ]

    accession = made.json()["imaging_service_request"]["accession_number"]
    assert found(text=accession.lower()) == found(text="doe") == found(state=["REQUESTED"]) == [pk]
    assert found(text="nobody") == found(text=accession, state=["CANCELED"]) == found(patient_pk=0) == []
    assert client.post("/api/orders/find", json={"state": ["DONE"]}).status_code == 422
    assert [one["imaging_service_request"]["imaging_service_request_pk"] for one in
            client.get("/api/orders", params={"state": "REQUESTED"}).json()["items"]] == [pk]  # fmt: skip
    assert client.post(f"/api/orders/{pk}/cancel", json={"reason": ""}).status_code == 422
    assert (
        client.post(f"/api/orders/{pk}/cancel", json={"reason": "wrong side"}).json()["state"] == "CANCELED"
    )
    assert client.get("/api/orders/999999").status_code == 404
    assert api.as_role("referrer").get(f"/api/orders/{pk}").status_code == 403
