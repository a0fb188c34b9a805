"""Who has a case: one at a time, for a while, and never silently taken away."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from case_fixtures import Ward
from wetread.kit.clock import FixedClock
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.kit.events import OutboxEvent
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, Role
from wetread.worklist import service
from wetread.worklist.model import ReadingClaim
from wetread.worklist.service import ReadingFilter


def claim(ward: Ward, actor: Actor, procedure_pk: int, reason: str | None = None) -> None:
    with ward.offices.work(actor) as work:
        service.claim(work, procedure_pk, take_over_reason=reason)


def holder(ward: Ward, procedure_pk: int) -> str | None:
    with ward.made() as work:
        return next(
            item.claimed_by
            for item in service.reading_list(work, ReadingFilter()).items
            if item.requested_procedure_pk == procedure_pk
        )


def test_of_many_who_reach_for_a_case_at_once_one_gets_it(committed_ward: Ward) -> None:
    ward = committed_ward
    people = [ward.person(f"Dr. {number}") for number in range(6)]
    for _ in range(3):
        case = ward.case().requested_procedure_pk
        start = threading.Barrier(len(people))

        def reach(actor: Actor, case: int = case, start: threading.Barrier = start) -> str:
            start.wait()
            try:
                claim(ward, actor, case)
            except Conflict as refused:
                return refused.detail
            return "mine"

        with ThreadPoolExecutor(len(people)) as pool:
            answers = list(pool.map(reach, people))
        assert answers.count("mine") == 1
        winner = people[answers.index("mine")].display_name
        assert {answer for answer in answers if answer != "mine"} == {f"{winner} is reading this."}
        assert holder(ward, case) == winner
        with ward.made() as work:
            rows = work.session.scalars(
                select(ReadingClaim).where(ReadingClaim.requested_procedure_pk == case)
            ).all()
        assert len(rows) == 1


def test_the_refusal_is_a_409_that_names_the_holder(ward: Ward, api) -> None:
    case = ward.case().requested_procedure_pk
    claim(ward, ward.person("Dr. Ines Moreau"), case)
    client = api.as_role("radiologist")
    answer = client.post(f"/api/reading-list/{case}/claim", json={})
    assert (answer.status_code, answer.json()["detail"]) == (409, "Dr. Ines Moreau is reading this.")
    taken = client.post(f"/api/reading-list/{case}/claim", json={"take_over_reason": "Shift ended"})
    assert taken.status_code == 200
    assert holder(ward, case) == "radiologist"


def test_a_claim_runs_out_by_the_house_clock(ward: Ward, clock: FixedClock) -> None:
    case = ward.case().requested_procedure_pk
    first, second = ward.person("Dr. First"), ward.person("Dr. Second")
    claim(ward, first, case)
    clock.advance(timedelta(minutes=44))
    assert holder(ward, case) == "Dr. First"
    with pytest.raises(Conflict):
        claim(ward, second, case)
    clock.advance(timedelta(minutes=1))
    assert holder(ward, case) is None
    claim(ward, second, case)
    assert holder(ward, case) == "Dr. Second"
    with pytest.raises(Conflict, match=r"Dr\. Second"):
        claim(ward, first, case)


def test_taking_ones_own_again_prolongs_it(ward: Ward, clock: FixedClock) -> None:
    case = ward.case().requested_procedure_pk
    reader, other = ward.person("Dr. First"), ward.person("Dr. Second")
    claim(ward, reader, case)
    clock.advance(timedelta(minutes=40))
    claim(ward, reader, case)
    clock.advance(timedelta(minutes=40))
    with pytest.raises(Conflict):
        claim(ward, other, case)
    with ward.made() as work:
        assert len(work.session.scalars(select(ReadingClaim)).all()) == 1


def test_taking_over_needs_a_reason_which_is_kept_and_recorded(ward: Ward) -> None:
    case = ward.case()
    procedure = case.requested_procedure_pk
    first, second = ward.person("Dr. First"), ward.person("Dr. Second")
    claim(ward, first, procedure)
    for blank in ("", "  "):
        with pytest.raises(Invalid):
            claim(ward, second, procedure, blank)
    assert holder(ward, procedure) == "Dr. First"
    claim(ward, second, procedure, "The patient is on the table")
    assert holder(ward, procedure) == "Dr. Second"
    with ward.made() as work:
        old = work.session.scalars(select(ReadingClaim).where(ReadingClaim.user_pk == first.user_pk)).one()
        records = work.session.scalars(
            select(AuditRecord).where(
                AuditRecord.user_id == second.username, AuditRecord.object_type == "reading claim"
            )
        ).all()
    assert (old.released_at is not None, old.release_reason) == (True, "The patient is on the table")
    assert [(one.detail, one.object_id) for one in records] == [
        ({"taken over": "The patient is on the table"}, str(procedure))
    ]
    assert records[0].patient_pk is not None


def test_giving_back_frees_ones_own_and_nobody_elses(ward: Ward) -> None:
    case = ward.case().requested_procedure_pk
    first, second = ward.person("Dr. First"), ward.person("Dr. Second")
    claim(ward, first, case)
    with ward.offices.work(second) as work:
        service.release(work, case)
    assert holder(ward, case) == "Dr. First"
    with ward.offices.work(first) as work:
        service.release(work, case)
    assert holder(ward, case) is None
    claim(ward, second, case)
    assert holder(ward, case) == "Dr. Second"


def test_the_list_of_ones_own_and_the_next_case_skip_what_others_hold(ward: Ward, clock: FixedClock) -> None:
    stat = ward.case(priority="STAT").requested_procedure_pk
    routine = ward.case().requested_procedure_pk
    first, second = ward.person("Dr. First"), ward.person("Dr. Second")

    def upcoming(actor: Actor, *modalities: str) -> int | None:
        with ward.offices.work(actor) as work:
            found = service.next_case(work, ReadingFilter(("unread",), modalities))
        return found.requested_procedure_pk if found else None

    assert upcoming(second) == stat
    claim(ward, first, stat)
    assert upcoming(second) == routine
    assert upcoming(first) == stat, "one's own is still the next"
    assert upcoming(second, "MR") is None
    claim(ward, first, routine)
    assert upcoming(second) is None
    with ward.offices.work(first) as work:
        mine = service.reading_list(work, ReadingFilter(mine=True)).items
    with ward.offices.work(second) as work:
        assert service.reading_list(work, ReadingFilter(mine=True)).items == []
    assert [item.requested_procedure_pk for item in mine] == [stat, routine]
    clock.advance(timedelta(hours=1))
    assert upcoming(second) == stat


def test_each_change_of_hands_is_told_once(ward: Ward) -> None:
    case = ward.case().requested_procedure_pk
    first, second = ward.person("Dr. First"), ward.person("Dr. Second")
    claim(ward, first, case)
    claim(ward, first, case)
    claim(ward, second, case, "Shift ended")
    with ward.made() as work:
        told = work.session.scalars(select(OutboxEvent).where(OutboxEvent.kind == "reading.changed")).all()
    assert [one.keys for one in told] == [{"requested_procedure_pk": case}] * 2


def test_only_people_who_report_claim_and_only_what_there_is(ward: Ward) -> None:
    case = ward.case().requested_procedure_pk
    with pytest.raises(Denied):
        claim(ward, ward.person("Jun", Role.TECHNOLOGIST), case)
    with pytest.raises(Denied):
        claim(ward, Actor.system("test"), case)
    with pytest.raises(NotFound):
        claim(ward, ward.person(), case + 1000)
