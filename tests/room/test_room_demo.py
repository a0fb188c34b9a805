"""The demo hospital on a real database: cases played at their own times end in the states that the lists show."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from wetread.app.accounts import ensure_demo_accounts
from wetread.app.build import House, build_house
from wetread.app.demo import play
from wetread.app.demo.acquire import make
from wetread.app.demo.casebook import CASES, MISTYPED, Case
from wetread.app.demo.people import demo_referrer
from wetread.app.demo.run import foundations, theatre_of
from wetread.app.rooms import MODELS, load
from wetread.app.wiring import wire
from wetread.archive.model import Quarantine, Study
from wetread.kit.config import load_settings
from wetread.kit.db import Database, create_schema
from wetread.reporting.model import KeyImage, Report, ReportProcedure, ReportVersion
from wetread.scheduling.model import PerformedProcedureStep, ScheduledProcedureStep, StudyLink
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, AuditEventID
from wetread.sharing.service import results
from wetread.sharing.store import Wanted
from wetread.worklist.service import ReadingFilter, reading_list

pytestmark = pytest.mark.timeout(400)  # making images and the first look into ICD-10-CM take their time

BY_KEY = {case.key: case for case in CASES}
# One case of every ending, and what the assertions below need; all of the casebook would take a minute.
PLAYED = (
    "e-hand", "f-hand", "u-hand", "f-knee", "s-arrived-3", "s-ready", "s-later-4", "r-2", "n-show-2", "c-1", "x-2", "b-no-code",
)  # fmt: skip


@pytest.fixture(scope="module")
def house(make_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    load(MODELS)
    url = make_database("wetread_demo_room")
    database = Database(url)
    with database.engine.begin() as connection:
        create_schema(connection)
    database.close()
    data: Path = tmp_path_factory.mktemp("demo")
    settings = dataclasses.replace(load_settings(data=data), database_url=url, mfa_required=False)
    house = build_house(settings, part="demo")
    yield house
    house.close()


@pytest.fixture(scope="module")
def theatre(house: House) -> Iterator[play.Theatre]:
    archive = wire(house)
    ensure_demo_accounts(house)
    foundations(house)
    theatre = theatre_of(house, archive)
    for key in PLAYED:
        play.play_order(theatre, BY_KEY[key])
    play.play_order(theatre, MISTYPED)
    for key in ("e-hand", "f-hand", "u-hand", "f-knee"):
        _imaged(theatre, BY_KEY[key], contradict=key == "u-hand")
    _imaged(theatre, MISTYPED)
    yield theatre
    archive.close()


def _imaged(theatre: play.Theatre, case: Case, *, contradict: bool = False) -> None:
    visit, known = play.visit_of(theatre, case)
    assert not known and case.recipe is not None
    if case is MISTYPED:
        visit = play.mistyped(visit)
    pictures = make(case.recipe, visit)
    study_pk = play.send(theatre, visit, pictures)
    play.write_report(theatre, case, study_pk, pictures)
    if contradict:
        play.send_contradiction(theatre, visit, pictures[0])


def test_every_ending_is_reached_by_the_state_machines(theatre: play.Theatre) -> None:
    with theatre.work(Actor.system("test"), theatre.now) as (work, _):
        requested = {key: play.placed(work, BY_KEY[key]) for key in PLAYED}
        states = {key: one.state for key, one in requested.items() if one is not None}
        steps = Counter(
            (key, step.scheduled_procedure_step_status)
            for key, one in requested.items()
            if one is not None
            for step in work.session.scalars(
                select(ScheduledProcedureStep).where(
                    ScheduledProcedureStep.requested_procedure_pk == one.requested_procedure_pk
                )
            )
        )
        performed = work.session.scalars(select(PerformedProcedureStep)).all()
        work.audit(AuditEventID.QUERY, "E")
    assert states["r-2"] == "REQUESTED"
    assert states["s-later-4"] == states["s-arrived-3"] == states["s-ready"] == "SCHEDULED"
    assert states["u-hand"] == states["f-knee"] == states["b-no-code"] == "COMPLETED"
    assert states["c-1"] == "CANCELED"
    assert states["x-2"] == "DISCONTINUED"
    assert states["n-show-2"] == "REQUESTED"  # to be scheduled again
    assert steps["s-arrived-3", "ARRIVED"] == steps["s-ready", "READY"] == steps["n-show-2", "CANCELED"] == 1
    assert {one.performed_procedure_step_status for one in performed} == {"COMPLETED", "DISCONTINUED"}
    assert all(one.unscheduled_reason is None for one in performed)


def test_things_happened_when_the_case_says(theatre: play.Theatre) -> None:
    case = BY_KEY["e-hand"]
    begun = play.begun_at(case, theatre.now)
    with theatre.work(Actor.system("test"), theatre.now) as (work, _):
        requested = play.placed(work, case)
        assert requested is not None
        study = work.session.scalars(
            select(Study).where(Study.study_instance_uid == requested.study_instance_uid)
        ).one()
        version = work.session.scalars(
            select(ReportVersion)
            .join(ReportProcedure, ReportProcedure.report_pk == ReportVersion.report_pk)
            .where(ReportProcedure.requested_procedure_pk == requested.requested_procedure_pk)
        ).one()
        work.audit(AuditEventID.QUERY, "E")
        assert requested.state_changed_at == begun + timedelta(minutes=4)
        assert study.created_at == begun + timedelta(minutes=2)
        assert (
            study.study_date == study.created_at.date()
            or abs((study.created_at.date() - study.study_date).days) == 1
        )
        assert version.signed_at == begun + timedelta(minutes=4) + case.report.after
        assert version.signed_by_name == "Dr. Ines Moreau"


def test_images_hang_on_their_orders_and_the_mistyped_ones_wait(theatre: play.Theatre) -> None:
    with theatre.work(Actor.system("test"), theatre.now) as (work, _):
        links = work.session.scalars(select(StudyLink)).all()
        waiting = [link for link in links if link.state == "unmatched"]
        items = reading_list(work, ReadingFilter(states=("unread",))).items
        marked = work.session.scalars(select(KeyImage)).all()
        reports = work.session.scalars(select(Report.state)).all()
        work.audit(AuditEventID.QUERY, "E")
    assert Counter(link.state for link in links) == {"matched": 4, "unmatched": 1}
    assert [one["field"] for one in waiting[0].reasons] == ["patient_id"]
    assert waiting[0].candidate_procedure_pk is not None
    assert [one.requested_procedure_priority for one in items] == ["HIGH"]
    assert len(marked) == 1
    assert set(reports) == {"final"}


def test_the_contradicting_object_is_in_quarantine(theatre: play.Theatre) -> None:
    with theatre.work(Actor.system("test"), theatre.now) as (work, _):
        (kept,) = work.session.scalars(select(Quarantine)).all()
        work.audit(AuditEventID.QUERY, "E")
    assert kept.reason == "content-differs"


def test_the_referrers_account_is_the_physician_that_orders_name(theatre: play.Theatre) -> None:
    with theatre.work(Actor.system("test"), theatre.now) as (work, _):
        physician = demo_referrer(work)
        holder = work.session.execute(
            text("SELECT roles FROM user_account WHERE practitioner_pk = :pk"),
            {"pk": physician.practitioner_pk},
        ).one()
    assert holder.roles == ["referrer"]


def test_the_referrer_has_taken_note_of_older_results_only(theatre: play.Theatre) -> None:
    referrer = theatre.crew.referrer
    assert referrer is not None
    with theatre.work(referrer, theatre.now) as (work, _):
        rows = results(work, Wanted()).items
    hands = [one for one in rows if one.modality == "CR" and one.signed_at]
    assert len(hands) == 2
    assert all(one.acknowledged and not one.unseen for one in hands)


def test_playing_again_changes_nothing(theatre: play.Theatre) -> None:
    with theatre.work(Actor.system("test"), theatre.now) as (work, _):
        before = work.session.scalar(select(text("count(*)")).select_from(ScheduledProcedureStep))
        work.audit(AuditEventID.QUERY, "E")
    for key in PLAYED:
        play.play_order(theatre, BY_KEY[key])
    for case in (BY_KEY["f-knee"], MISTYPED):
        assert play.visit_of(theatre, case)[1]
    with theatre.work(Actor.system("test"), theatre.now) as (work, _):
        assert work.session.scalar(select(text("count(*)")).select_from(ScheduledProcedureStep)) == before
        assert work.session.scalar(select(text("count(*)")).select_from(AuditRecord))
        work.audit(AuditEventID.QUERY, "E")


def test_opened_again_later_images_came_no_later(theatre: play.Theatre) -> None:
    """Else reports would be older than their images, and every age would begin anew."""
    visit, known = play.visit_of(theatre, BY_KEY["f-knee"])
    assert known
    later = dataclasses.replace(theatre, now=theatre.now + timedelta(hours=5))
    moved = dataclasses.replace(visit, taken_at=visit.taken_at + timedelta(hours=5))

    def came(study_pk: int) -> object:
        with theatre.work(Actor.system("test"), theatre.now) as (work, _):
            work.audit(AuditEventID.QUERY, "E")
            return work.session.get_one(Study, study_pk).created_at

    study_pk = play.link(theatre, visit)
    before = came(study_pk)
    assert play.link(later, moved) == study_pk
    assert came(study_pk) == before
