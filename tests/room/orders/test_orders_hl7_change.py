"""ORM^O01 with XO: what was ordered is said anew before images are taken, and refused whole afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from datetime import time as clock_time
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from wetread.dicom.uid import new_uid
from wetread.hl7.acknowledgment import Ack, read_acknowledgment
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.orders.service import Move, ProcedureInput, add_procedure, move_requested_procedure
from wetread.scheduling import service as scheduling
from wetread.scheduling.model import ScheduledProcedureStep
from wetread.scheduling.rules import StepMove
from wetread.security.model import Site
from wetread.security.service import Actor, AuditEventID, Offices, Work
from wetread.sharing.messages import InterfaceMessage

LINES = [
    "MSH|^~\\&|EPIC|CITYHOSP|WETREAD|RIV|20261125||{type}|{number}|P|2.3.1||||||UNICODE UTF-8",
    "PID|1||4711^^^CITY^MR||Doe^Jane||19601231|F",
    "PV1|1|E",
    "ORC|{control}|P-1^EPIC|||||{timing}",
    "OBR|1|P-1^EPIC||{code}|||||||||||{side}||||||||||||||||{reason}",
]
AT = datetime(2026, 11, 25, 15, tzinfo=UTC)  # 10:00 in New York


class Sender:
    def __init__(self, interface: Interface) -> None:
        self.interface, self.number = interface, 0

    def __call__(self, control: str, *more: str, **fields: str) -> Ack:
        self.number += 1
        values = {
            "type": "ORM^O01",
            "code": "CTHEAD",
            "timing": "",
            "reason": "Headache",
            "side": "",
            **fields,
        }
        text = "\r".join((*LINES, *more)).format(control=control, number=self.number, **values)
        ack = read_acknowledgment(self.interface.handle(text.encode(), "127.0.0.1"))
        assert ack is not None
        return ack


def furnished(offices: Offices) -> Sender:
    with offices.work(Actor.system("test")) as work:
        site = Site(code="RIV", institution_name="Riverside", time_zone="America/New_York")
        work.session.add(site)
        work.session.flush()
        add_procedure(work, ProcedureInput("CTHEAD", "CT head", "CT"))
        add_procedure(work, ProcedureInput("CTCHEST", "CT chest", "CT"))
        add_procedure(work, ProcedureInput("XRKNEE", "XR knee", "DX", laterality_required=True))
        scheduling.add_resource(
            work,
            scheduling.ResourceInput(site.site_pk, "CT", "CT1", "CT1", "CT", clock_time(7), clock_time(20)),
        )
    return Sender(Interface(offices, InterfaceSettings("WETREAD")))


@pytest.fixture
def send(offices: Offices) -> Sender:
    return furnished(offices)


@pytest.fixture
def look(offices: Offices) -> Iterator[Work]:
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        yield work


def ordered(look: Work) -> RequestedProcedure:
    look.session.expire_all()
    return look.session.scalars(select(RequestedProcedure)).one()


def booked(offices: Offices, look: Work, at: datetime = AT) -> ScheduledProcedureStep:
    with offices.work(Actor.system("desk")) as work:
        scanner = scheduling.resources(work)[0].modality_resource_pk
        return scheduling.schedule(work, ordered(look).requested_procedure_pk, scanner, at)


@pytest.mark.parametrize("kind", ["ORM^O01", "OMI^O23"])
def test_an_order_is_changed_before_it_begins(send: Sender, look: Work, kind: str) -> None:
    assert send("NW", "DG1|1||R51.9^Headache^I10", type=kind).code == "AA"
    ack = send(
        "XO", "DG1|1||I61.9^^I10", "NTE|1||GCS 7", type=kind, timing="^^^^^S", reason="^Now unconscious"
    )
    assert (ack.code, ack.message.first("ORC").value(1)) == ("AA", "XR")
    one = ordered(look)
    assert ack.message.first("ORC").value(3) == one.accession_number
    assert (one.requested_procedure_priority, one.reason_for_the_requested_procedure, one.diagnosis_codes) == (
        "STAT", "Now unconscious", ["I61.9"],
    )  # fmt: skip
    request = look.session.scalars(select(ImagingServiceRequest)).one()
    assert request.imaging_service_request_comments == "GCS 7"
    # What a change does not speak of stays.
    assert send("XO", type=kind, reason="").code == "AA"
    one = ordered(look)
    assert (one.requested_procedure_priority, one.reason_for_the_requested_procedure, one.diagnosis_codes) == (
        "STAT", "Now unconscious", ["I61.9"],
    )  # fmt: skip


def test_a_change_reaches_the_worklist(send: Sender, offices: Offices, look: Work) -> None:
    send("NW")
    booked(offices, look)
    assert send("XO", timing="^^^^^S", reason="Seizure").code == "AA"
    with offices.work(Actor.system("scanner")) as work:
        (item,) = scheduling.worklist_items(work, {"00401003": {"vr": "SH"}, "00401002": {"vr": "LO"}})
    assert (item["00401003"]["Value"], item["00401002"]["Value"]) == (["STAT"], ["Seizure"])


def test_another_time_moves_what_is_booked(send: Sender, offices: Offices, look: Work) -> None:
    send("NW")
    step = booked(offices, look)
    assert send("XO", timing="^^^20261125143000").code == "AA"  # wall time of the site
    look.session.expire_all()
    moved = look.session.get(ScheduledProcedureStep, step.scheduled_procedure_step_pk)
    assert moved is not None and moved.starts_at == datetime(2026, 11, 25, 19, 30, tzinfo=UTC)
    # A time that is past is when it was ordered, not a wish.
    assert send("XO", timing="^^^20261120080000").code == "AA"
    assert send("XO", timing="^^^soon").code == "AE"
    look.session.expire_all()
    assert moved.starts_at == datetime(2026, 11, 25, 19, 30, tzinfo=UTC)


def test_a_wish_for_a_time_that_nobody_has_booked_yet_is_told_the_desk(send: Sender, look: Work) -> None:
    send("NW")
    for _ in range(2):
        assert send("XO", timing="^^^20261125143000").code == "AA"
    request = look.session.scalars(select(ImagingServiceRequest)).one()
    assert request.imaging_service_request_comments == "Requested for 2026-11-25 14:30"


@pytest.mark.parametrize(
    ("timing", "more", "comments"),
    [
        ("^^^20261125143000", (), "Requested for 2026-11-25 14:30"),
        ("", ("TQ1|1||||||20261125143000", "NTE|1||Fasting"), "Fasting\nRequested for 2026-11-25 14:30"),
        ("^^^20261120143000", (), None),  # when it was ordered
        ("^^^soon", (), None),
    ],
)
def test_the_time_that_a_new_order_asks_for_is_told_the_desk(
    send: Sender, look: Work, timing: str, more: tuple[str, ...], comments: str | None
) -> None:
    for _ in range(2):
        assert send("NW", *more, timing=timing).code == "AA"
    request = look.session.scalars(select(ImagingServiceRequest)).one()
    assert request.imaging_service_request_comments == comments


def refused(ack: Ack, code: str = "AE") -> str:
    assert (ack.code, ack.message.first("ORC").value(1)) == (code, "UX")
    assert ack.message.first("ERR").raw(1).startswith("ORC^1^1^207")
    return ack.text


def test_a_time_that_is_taken_changes_nothing_at_all(send: Sender, offices: Offices, look: Work) -> None:
    send("NW")
    booked(offices, look)
    with offices.work(Actor.system("desk")) as work:
        from wetread.orders import service as orders

        request = look.session.scalars(select(ImagingServiceRequest)).one()
        other = orders.place_order(
            work,
            orders.OrderInput(
                request.patient_pk, request.site_pk, [orders.ProcedureChoice(code_value="CTCHEST")]
            ),
        )
        requested = orders.procedures_of(work, other.imaging_service_request_pk)[0]
        scanner = scheduling.resources(work)[0].modality_resource_pk
        scheduling.schedule(
            work, requested.requested_procedure_pk, scanner, datetime(2026, 11, 25, 19, tzinfo=UTC)
        )
    assert "takes this time" in refused(send("XO", timing="^^^20261125140000^^S"))
    look.session.expire_all()
    priorities = set(look.session.scalars(select(RequestedProcedure.requested_procedure_priority)))
    assert priorities == {"ROUTINE"}


@pytest.mark.parametrize(
    "moves", [[Move.START], [Move.START, Move.COMPLETE], [Move.START, Move.DISCONTINUE], [Move.CANCEL]]
)
def test_nothing_is_changed_once_it_has_begun_or_ended(
    send: Sender, offices: Offices, look: Work, moves: list[Move]
) -> None:
    send("NW")
    with offices.work(Actor.system("test")) as work:
        for move in moves:
            move_requested_procedure(work, ordered(look).requested_procedure_pk, move)
        work.audit(AuditEventID.PROCEDURE_RECORD, "U")
    # As with a cancellation (UC): no other wording would help.
    assert "begun or ended" in refused(send("XO", timing="^^^^^S", reason="Seizure"), "AR")
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        kept = work.session.scalars(
            select(InterfaceMessage).order_by(InterfaceMessage.interface_message_pk.desc())
        ).first()
        assert kept is not None and (kept.state, kept.acknowledgment_code) == ("rejected", "AR")
    one = ordered(look)
    assert (one.requested_procedure_priority, one.reason_for_the_requested_procedure) == (
        "ROUTINE",
        "Headache",
    )


def test_who_is_here_already_keeps_the_time(send: Sender, offices: Offices, look: Work) -> None:
    send("NW")
    step = booked(offices, look)
    with offices.work(Actor.system("desk")) as work:
        scheduling.act_on_step(work, step.scheduled_procedure_step_pk, StepMove.ARRIVE)
    assert "begun" not in refused(send("XO", timing="^^^20261125143000"))
    assert send("XO", timing="^^^^^S").code == "AA"
    assert ordered(look).requested_procedure_priority == "STAT"


def test_another_procedure_or_side_is_another_order(send: Sender, look: Work) -> None:
    send("NW", code="XRKNEE", side="^^^^RT")
    assert "another order" in refused(send("XO", code="CTHEAD"))
    assert "another order" in refused(send("XO", code="XRKNEE", side="^^^^LT", timing="^^^^^S"))
    assert ordered(look).requested_procedure_priority == "ROUTINE"
    assert send("XO", code="XRKNEE", side="^^^^RT", timing="^^^^^S").code == "AA"
    assert send("XO", code="", timing="^^^^^R").code == "AA"
    one = ordered(look)
    assert (one.requested_procedure_priority, one.laterality) == ("ROUTINE", "R")


def test_what_is_not_known_or_not_right(send: Sender, look: Work) -> None:
    ack = send("XO")
    assert ack.code == "AE"
    assert "ORC^1^2^204" in ack.message.first("ERR").raw(1)
    send("NW")
    ack = send("XO", timing="^^^^^WHENEVER")
    assert ack.code == "AE"
    assert "ORC^1^7" in ack.message.first("ERR").raw(1)
    assert ordered(look).requested_procedure_priority == "ROUTINE"


def test_one_number_for_a_whole_order_costs_no_procedure(send: Sender, look: Work, offices: Offices) -> None:
    def obr(code: str) -> str:
        return f"OBR|1|P-1^EPIC||{code}" + "|" * 15 + "RP1"

    lines: list[Any] = [*LINES[:3], "ORC|NW|P-1^EPIC", obr("CTHEAD"), "ORC|NW|P-1^EPIC", obr("CTCHEST")]
    text = "\r".join(lines).format(type="ORM^O01", number="77")
    ack = read_acknowledgment(send.interface.handle(text.encode()))
    assert ack is not None and ack.code == "AA", ack
    assert len(look.session.scalars(select(ImagingServiceRequest)).all()) == 1
    ids = set(look.session.scalars(select(RequestedProcedure.requested_procedure_id)))
    assert len(ids) == 2


def by_button(work: Work, step: ScheduledProcedureStep) -> None:
    scheduling.act_on_step(work, step.scheduled_procedure_step_pk, StepMove.START)


def by_scanner(work: Work, step: ScheduledProcedureStep) -> None:
    def element(vr: str, *values: Any) -> dict[str, Any]:
        return {"vr": vr, "Value": list(values)}

    requested = work.session.get_one(RequestedProcedure, step.requested_procedure_pk)
    item = {
        "0020000D": element("UI", requested.study_instance_uid),
        "00400009": element("SH", step.scheduled_procedure_step_id),
    }
    begun = {
        "00400270": element("SQ", item),
        "00100020": element("LO", "4711"),
        "00400253": element("SH", "PPS1"),
        "00400241": element("AE", "CT1"),
        "00400244": element("DA", "20261125"),
        "00400245": element("TM", "1000"),
        "00400252": element("CS", "IN PROGRESS"),
        "00080060": element("CS", "CT"),
    }
    scheduling.create_performed_step(work, new_uid(), begun)


def by_desk(work: Work, step: ScheduledProcedureStep) -> None:
    assert step.appointment_pk is not None
    scheduling.mark_no_show(work, step.appointment_pk)


@pytest.mark.parametrize(
    ("click", "after"),
    [(by_button, "STARTED"), (by_scanner, "STARTED"), (by_desk, "CANCELED")],
)
def test_a_change_and_a_click_on_the_same_step_wait_for_each_other_in_one_order(
    clean_database: Database,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    click: Callable[[Work, ScheduledProcedureStep], None],
    after: str,
) -> None:
    """The change holds the order and still needs the step, when somebody comes who needs both."""
    offices = Offices(clean_database, clock)
    send = furnished(offices)
    send("NW")
    with offices.work(Actor.system("desk")) as work:
        requested = work.session.scalars(select(RequestedProcedure)).one()
        scanner = scheduling.resources(work)[0].modality_resource_pk
        step = scheduling.schedule(work, requested.requested_procedure_pk, scanner, AT)
    faults: list[Exception] = []

    def clicked() -> None:
        try:
            with offices.work(Actor.system("technologist")) as work:
                click(work, step)
        except Exception as fault:  # a deadlock is told to one of the two
            faults.append(fault)

    other = threading.Thread(target=clicked)
    real = scheduling.move_open_appointment

    def with_somebody_waiting(work: Work, requested_procedure_pk: int, starts_at: datetime) -> bool:
        other.start()
        with psycopg.connect(clean_database.url, autocommit=True) as watcher:
            while (
                other.is_alive()
                and not watcher.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                ).fetchone()
            ):
                time.sleep(0.02)
        assert other.is_alive(), "the click is to wait for the change"
        return real(work, requested_procedure_pk, starts_at)

    monkeypatch.setattr(scheduling, "move_open_appointment", with_somebody_waiting)
    ack = send("XO", timing="^^^20261125143000^^S")
    other.join(30)
    assert (ack.code, faults) == ("AA", [])
    with offices.work(Actor.system("test")) as work:
        moved = work.session.get_one(ScheduledProcedureStep, step.scheduled_procedure_step_pk)
        assert (moved.scheduled_procedure_step_status, moved.starts_at) == (
            after,
            datetime(2026, 11, 25, 19, 30, tzinfo=UTC),
        )
        priorities = set(work.session.scalars(select(RequestedProcedure.requested_procedure_priority)))
        assert priorities == {"STAT"}
        work.audit(AuditEventID.QUERY, "E")
