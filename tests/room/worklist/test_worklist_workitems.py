"""Cases of the reading list as Unified Procedure Steps: claimed here or there, held by one, done by the final report."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select

from case_fixtures import PASSWORD, Case, Ward
from wetread.kit.clock import FixedClock
from wetread.kit.errors import Conflict, Denied
from wetread.notices.model import Notice
from wetread.orders.model import RequestedProcedure
from wetread.reporting import service as reporting
from wetread.scheduling.events import StudyLinked, StudyUnmatched
from wetread.scheduling.model import StudyLink
from wetread.security.service import Actor, Permission, Work
from wetread.workitems import rules
from wetread.workitems import service as workitems
from wetread.workitems.model import State, Workitem
from wetread.workitems.rules import Answer, WorkitemRefused, element, first, tag_of, text_of
from wetread.worklist import service
from wetread.worklist.model import ReadingClaim
from workitem_fixtures import PERFORMED, follow, keep_house

T = "1.2.3.99"
NORMAL = {"findings": "No haemorrhage.", "impression": "Normal CT of the head."}


class Readings:
    """What is done in the house and by clients, each in a transaction of its own that the Workitems then follow."""

    def __init__(self, ward: Ward) -> None:
        self.ward = ward

    @contextmanager
    def by(self, actor: Actor) -> Iterator[Work]:
        with self.ward.offices.work(actor) as work:
            yield work
        self.follow()

    def follow(self) -> None:
        with self.ward.made() as work:
            follow(work)

    def linked(self, case: Case) -> None:
        with self.ward.made() as work:
            work.publish(StudyLinked(case.study_pk, case.requested_procedure_pk, "matched"))
        self.follow()

    def of(self, case: Case) -> list[Workitem]:
        with self.ward.made() as work:
            found = select(Workitem).where(
                Workitem.step_kind == "reading", Workitem.step_pk == case.requested_procedure_pk
            )
            return list(work.session.scalars(found.order_by(Workitem.workitem_pk)))

    def states(self, case: Case) -> list[State]:
        return [one.state for one in self.of(case)]

    def holder(self, case: Case) -> int | None:
        with self.ward.made() as work:
            return work.session.scalar(
                select(ReadingClaim.user_pk).where(
                    ReadingClaim.requested_procedure_pk == case.requested_procedure_pk,
                    ReadingClaim.released_at.is_(None),
                )
            )

    def sign(self, actor: Actor, case: Case) -> None:
        with self.by(actor) as work:
            view = reporting.open_report(work, [case.requested_procedure_pk])
            reporting.sign(
                work, view.report_pk, "final", NORMAL, view.draft_revision, acknowledged=[], password=PASSWORD, totp=None
            )  # fmt: skip


@pytest.fixture
def readings(ward: Ward) -> Readings:
    keep_house()
    return Readings(ward)


@pytest.fixture
def case(readings: Readings) -> Case:
    made = readings.ward.case(priority="STAT")
    readings.linked(made)
    return made


def code_of(one: Workitem) -> str:
    progress = first(one.attributes, rules.PROGRESS)
    return text_of(first(progress, rules.REASON_CODES), "00080100")


def refusal(work: Work, one: Workitem, state: str, transaction: str = T) -> Answer:
    with pytest.raises(WorkitemRefused) as refused:
        workitems.change_state(work, one.sop_instance_uid, state, transaction)
    work.audited += 1  # in the product a refusal takes all of its transaction back
    return refused.value.answer


def test_a_case_is_an_interpretation_of_its_images(readings: Readings, case: Case) -> None:
    (one,) = readings.of(case)
    series, image = readings.ward.image(case.study_pk)
    with readings.ward.made() as work:
        attributes, _ = workitems.get(work, one.sop_instance_uid)
        (found,) = workitems.find(work, element("WorklistLabel", "READING"), limit=9).items
        study = work.session.get_one(RequestedProcedure, case.requested_procedure_pk).study_instance_uid
    code = first(attributes, tag_of("ScheduledWorkitemCodeSequence"))
    assert (text_of(code, "00080100"), text_of(code, "00080102")) == ("110005", "DCM")
    assert text_of(attributes, rules.PRIORITY) == "HIGH"
    assert text_of(attributes, rules.READINESS) == "INCOMPLETE"  # the scanner is still at it
    used = first(attributes, rules.INPUT)
    assert (text_of(used, "0020000D"), text_of(used, "0020000E")) == (study, series)
    assert text_of(first(used, "00081199"), "00081155") == image
    assert text_of(first(used, tag_of("DICOMRetrievalSequence")), tag_of("RetrieveAETitle")) == "WETREAD"
    assert rules.INPUT not in found or not rules.has_value(found, rules.INPUT)  # nobody asked for it
    assert text_of(attributes, tag_of("ScheduledProcedureStepStartDateTime")) == "20261124220000-0500"
    assert text_of(attributes, tag_of("ExpectedCompletionDateTime")) == "20261124230000-0500"


def test_what_was_told_may_be_said_again_and_nothing_else(readings: Readings, case: Case) -> None:
    """Clients send back the whole data set that they read."""
    (one,) = readings.of(case)
    with readings.ward.made() as work:
        told, _ = workitems.get(work, one.sop_instance_uid)
        assert rules.has_value(told, rules.INPUT)
        assert workitems.update(work, one.sop_instance_uid, told) is Answer.SUCCESS
        assert not rules.has_value(one.attributes, rules.INPUT)
        item = {**first(told, rules.INPUT), **element("StudyInstanceUID", "1.2.3")}
        with pytest.raises(WorkitemRefused) as refused:
            workitems.update(work, one.sop_instance_uid, element("InputInformationSequence", item))
        assert refused.value.answer is Answer.INVALID_ATTRIBUTE_VALUE
    again = readings.ward.study(case.patient_pk)
    readings.ward.link(again, case.requested_procedure_pk)
    with readings.ward.made() as work:
        told, _ = workitems.get(work, one.sop_instance_uid)
    assert len(told[rules.INPUT]["Value"]) == 2, "images that came meanwhile are told too"


def test_claimed_on_the_list_read_and_signed(readings: Readings, case: Case) -> None:
    reader, other = readings.ward.person("Dr. A"), readings.ward.person("Dr. B")
    with readings.by(reader) as work:
        service.claim(work, case.requested_procedure_pk)
    (one,) = readings.of(case)
    assert (one.state, one.performed_by) == (State.IN_PROGRESS, reader.username)
    with readings.by(other) as work:
        assert refusal(work, one, "IN PROGRESS") is Answer.ALREADY_IN_PROGRESS
        assert refusal(work, one, "COMPLETED") is Answer.WRONG_TRANSACTION_UID
    readings.sign(reader, case)
    (one,) = readings.of(case)
    assert one.state is State.COMPLETED
    assert rules.missing_for(State.COMPLETED, one.attributes) == []
    performer = first(
        first(one.attributes, rules.PERFORMED_SEQUENCE), tag_of("ActualHumanPerformersSequence")
    )
    assert text_of(first(performer, rules.PERFORMER_CODES), "00080100") == reader.username


def test_claimed_by_a_client_is_claimed_on_the_list(
    readings: Readings, case: Case, clock: FixedClock
) -> None:
    reader, other = readings.ward.person("Dr. A"), readings.ward.person("Dr. B")
    (one,) = readings.of(case)
    with readings.by(reader) as work:
        assert workitems.change_state(work, one.sop_instance_uid, "IN PROGRESS", T) is Answer.SUCCESS
    assert readings.holder(case) == reader.user_pk
    assert (readings.states(case), readings.of(case)[0].transaction_uid) == ([State.IN_PROGRESS], T)
    clock.advance(timedelta(minutes=40))
    with readings.by(reader) as work:
        # What is still worked on does not run out.
        workitems.update(work, one.sop_instance_uid, PERFORMED, T)
        assert refusal(work, one, "COMPLETED") is Answer.NOT_MET_FINAL_STATE  # its report is not final
    clock.advance(timedelta(minutes=10))
    with readings.ward.made() as work:
        service.keep_what_ran_out(work)
    assert readings.states(case) == [State.IN_PROGRESS]
    readings.sign(reader, case)
    assert readings.states(case) == [State.COMPLETED]
    with readings.by(reader) as work:
        assert workitems.change_state(work, one.sop_instance_uid, "COMPLETED", T) is Answer.ALREADY_COMPLETED
    with readings.by(other) as work:
        assert refusal(work, one, "IN PROGRESS", "1.2.9") is Answer.NO_LONGER_UPDATABLE


@pytest.mark.parametrize(
    ("how", "code"),
    [("client", "110513"), ("given back", "110530"), ("ran out", "110533"), ("taken over", "110526")],
)
def test_what_is_not_read_on_waits_anew(
    readings: Readings, case: Case, clock: FixedClock, how: str, code: str
) -> None:
    reader, other = readings.ward.person("Dr. A"), readings.ward.person("Dr. B")
    (one,) = readings.of(case)
    with readings.by(reader) as work:
        workitems.change_state(work, one.sop_instance_uid, "IN PROGRESS", T)
    if how == "client":
        item = element("CodeValue", code) | element("CodingSchemeDesignator", "DCM")
        progress = element(
            "ProcedureStepDiscontinuationReasonCodeSequence", item | element("CodeMeaning", "x")
        )
        with readings.by(reader) as work:
            workitems.update(
                work, one.sop_instance_uid, element("ProcedureStepProgressInformationSequence", progress), T
            )
            workitems.change_state(work, one.sop_instance_uid, "CANCELED", T)
        assert readings.holder(case) is None
    elif how == "given back":
        with readings.by(reader) as work:
            service.release(work, case.requested_procedure_pk)
    elif how == "ran out":
        clock.advance(timedelta(minutes=46))
        with readings.ward.made() as work:
            service.keep_what_ran_out(work)
    else:
        with readings.by(other) as work:
            service.claim(work, case.requested_procedure_pk, take_over_reason="STAT, she is away")
    ended, waiting = readings.of(case)
    assert (ended.state, code_of(ended)) == (State.CANCELED, code)
    assert waiting.state is (State.IN_PROGRESS if how == "taken over" else State.SCHEDULED)
    replaced = first(waiting.attributes, tag_of("ReplacedProcedureStepSequence"))
    assert text_of(replaced, "00081155") == ended.sop_instance_uid
    with readings.by(reader) as work:
        # Who lost it cannot end it any more.
        assert refusal(work, ended, "COMPLETED") is Answer.NO_LONGER_UPDATABLE


def test_only_a_person_reads_and_nobody_cancels_a_reading(readings: Readings, case: Case) -> None:
    (one,) = readings.of(case)
    rights = frozenset({Permission.WORKITEM_READ, Permission.WORKITEM_WRITE, Permission.REPORT_WRITE})
    station = Actor.application_entity("READER1", "127.0.0.1", rights)
    reader = readings.ward.person("Dr. A")
    with readings.by(reader) as work:
        with pytest.raises(Denied):
            workitems.change_state(
                Work(work.session, station, work.clock), one.sop_instance_uid, "IN PROGRESS", T
            )
        with pytest.raises(WorkitemRefused) as refused:
            workitems.request_cancel(work, one.sop_instance_uid, {})
        assert refused.value.answer is Answer.PERFORMER_DECLINES
        service.claim(work, case.requested_procedure_pk)
    with readings.ward.made() as work:
        assert workitems.request_cancel(work, one.sop_instance_uid, {}) is Answer.SUCCESS
        assert workitems.request_cancel(work, one.sop_instance_uid, {}) is Answer.SUCCESS
        told = work.session.scalars(select(Notice.user_pk)).all()
    assert told == [reader.user_pk]
    assert readings.states(case) == [State.IN_PROGRESS]


def test_images_that_go_take_their_reading_with_them(readings: Readings, case: Case) -> None:
    with readings.ward.made() as work:
        link = work.session.scalars(select(StudyLink).where(StudyLink.study_pk == case.study_pk)).one()
        link.state, link.requested_procedure_pk = "unmatched", None
        work.publish(StudyUnmatched(case.study_pk))
    readings.follow()
    assert readings.states(case) == [State.CANCELED]
    with readings.ward.made() as work:
        link = work.session.get_one(StudyLink, link.study_link_pk)
        link.state, link.requested_procedure_pk = "resolved", case.requested_procedure_pk
    readings.linked(case)
    assert readings.states(case) == [State.CANCELED, State.SCHEDULED]


def test_cases_of_before_get_theirs_at_night(readings: Readings) -> None:
    made = readings.ward.case()
    with readings.ward.made() as work:
        work.session.query(Workitem).delete()
        service.keep_missed_readings(work)
        service.keep_missed_readings(work)
    assert readings.states(made) == [State.SCHEDULED]


def test_of_many_who_reach_for_a_case_here_and_there_one_gets_it(committed_ward: Ward) -> None:
    """On the list, by the work item, and while that follows."""
    keep_house()
    readings = Readings(committed_ward)
    people = [committed_ward.person(f"Dr. {number}") for number in range(6)]
    for _ in range(3):
        case = committed_ward.case()
        readings.linked(case)
        (one,) = readings.of(case)
        start = threading.Barrier(len(people) + 1)

        def reach(
            number: int, case: Case = case, one: Workitem = one, start: threading.Barrier = start
        ) -> str | None:
            actor = people[number]
            start.wait()
            try:
                with committed_ward.offices.work(actor) as work:
                    if number % 2:
                        service.claim(work, case.requested_procedure_pk)
                    else:
                        workitems.change_state(work, one.sop_instance_uid, "IN PROGRESS", f"{T}.{number}")
            except (Conflict, WorkitemRefused):
                return None
            return actor.username

        def go_after(case: Case = case, start: threading.Barrier = start) -> None:
            start.wait()
            for _ in range(3):
                with committed_ward.made() as work:
                    news = {"requested_procedure_pk": case.requested_procedure_pk}
                    service.keep_readings_of(work, [{"kind": "reading.changed", "keys": news}])

        with ThreadPoolExecutor(len(people) + 1) as pool:
            follower = pool.submit(go_after)
            got = [who for who in pool.map(reach, range(len(people))) if who is not None]
            follower.result()
        readings.follow()
        assert len(got) == 1
        (one,) = readings.of(case)
        assert (one.state, one.performed_by) == (State.IN_PROGRESS, got[0])
