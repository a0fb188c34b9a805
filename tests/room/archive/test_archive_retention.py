"""Holds and retention: what rules say is over, what a person decides, and what no rule may touch."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from archive_fixtures import MakeDicom, Store, study_of
from common import Api
from wetread.archive import retention
from wetread.archive.model import Removal, RetentionProposal, Study
from wetread.archive.retention import RuleFields
from wetread.archive.service import Archive
from wetread.kit import limits
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.security.service import Actor, Role, permissions_of

SYSTEM = Actor.system("test")


def actor(role: Role) -> Actor:
    return Actor(1, role.value, role.value, frozenset({role}), permissions_of(frozenset({role})), "user")


def rule(archive: Archive, name: str, position: int = 0, **fields: Any) -> int:
    given = {"is_enabled": True, "keep_years": 10, **fields}
    with archive.offices.work(SYSTEM) as work:
        return retention.save_rule(work, RuleFields(name=name, position=position, **given)).retention_rule_pk


def run(archive: Archive) -> list[tuple[str, date]]:
    """A whole round; what is proposed, as (rule, day)."""
    slice_of: dict[str, Any] = {}
    while True:
        with archive.offices.work(SYSTEM) as work:
            retention.propose_retention(work, **slice_of)
        with archive.offices.database.transaction() as session:
            following = session.scalar(
                text(
                    "DELETE FROM procrastinate_jobs WHERE task_name = 'archive.propose_retention'"
                    " RETURNING args"
                )
            )
        if following is None:
            break
        slice_of = following
    with archive.offices.database.transaction() as session:
        rows = session.scalars(
            select(RetentionProposal)
            .where(RetentionProposal.decided_at.is_(None))
            .order_by(RetentionProposal.study_pk)
        )
        return [(row.rule_name, row.expired_on) for row in rows]


@pytest.fixture
def studies(archive: Archive, store: Store, make_dicom: MakeDicom) -> list[str]:
    """An adult's old CT, an adult's new CT, a child's old CT, an old mammogram, and a CT without a date of its day."""
    today = archive.offices.clock.now().date()
    made = []
    for changes in (
        {"StudyDate": "20100315", "PatientBirthDate": "19500101"},
        {"StudyDate": today.strftime("%Y%m%d"), "PatientBirthDate": "19500101"},
        {"StudyDate": "20100315", "PatientBirthDate": "20090601"},
        {"StudyDate": "20100315", "PatientBirthDate": "19600101", "Modality": "MG"},
        {"StudyDate": "", "PatientBirthDate": "19500101"},
    ):
        (ds,) = study_of(make_dicom, 1)
        for keyword, value in changes.items():
            setattr(ds, keyword, value)
        ds.InstitutionName = "Northside Hospital"
        store(ds)
        made.append(ds.StudyInstanceUID)
    return made


def proposed(archive: Archive) -> dict[str, str]:
    """Rule by Study Instance UID of what waits."""
    with archive.offices.database.transaction() as session:
        return {
            row[0]: row[1]
            for row in session.execute(
                select(Study.study_instance_uid, RetentionProposal.rule_name)
                .join(RetentionProposal, RetentionProposal.study_pk == Study.study_pk)
                .where(RetentionProposal.decided_at.is_(None))
            )
        }


def test_the_first_rule_that_matches_says_how_long(archive: Archive, studies: list[str]) -> None:
    rule(archive, "Mammograms for ever", 1, modalities=("MG",), keep_years=200)
    rule(archive, "Minors until 30", 2, patient_age_below=18, keep_years=10, keep_until_age=30)
    rule(archive, "Others ten years", 3, keep_years=10)
    assert run(archive) == [("Others ten years", date(2020, 3, 15))]
    assert proposed(archive) == {studies[0]: "Others ten years"}
    assert len(run(archive)) == 1  # a second round proposes nothing twice


def test_conditions_meet_site_description_and_age(archive: Archive, studies: list[str]) -> None:
    rule(archive, "Elsewhere", 1, institution_name="Southside", keep_years=1)
    rule(archive, "Off", 2, is_enabled=False, keep_years=1)
    assert run(archive) == []
    rule(archive, "Here, the young", 3, institution_name="northside", patient_age_below=1, keep_years=1)
    assert proposed(archive) == {} and run(archive) == [("Here, the young", date(2011, 3, 15))]
    assert set(proposed(archive)) == {studies[2]}


def test_slices_follow_each_other(
    archive: Archive, studies: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETENTION_STUDIES_A_JOB", 2)
    rule(archive, "Ten years")
    run(archive)
    assert set(proposed(archive)) == {studies[0], studies[2], studies[3]}


def test_a_preview_writes_nothing_and_counts_what_is_kept(archive: Archive, studies: list[str]) -> None:
    rule(archive, "Mammograms for ever", 1, modalities=("MG",), keep_years=200)
    with archive.offices.work(SYSTEM) as work:
        retention.place_hold(work, study_instance_uid=studies[2], reason="a claim")
    with archive.offices.work(SYSTEM) as work:
        taking = retention.preview_rule(work, RuleFields("New", 5, True, 10))
    assert (taking.matching, taking.expired, taking.held, taking.unknown) == (3, 1, 1, 1)
    assert [one.study_instance_uid for one in taking.studies] == [studies[0]]
    assert taking.studies[0].expired_on == date(2020, 3, 15)
    assert run(archive) == []


def test_a_person_decides_and_the_trash_takes_it(archive: Archive, studies: list[str]) -> None:
    rule(archive, "Ten years")
    run(archive)
    tess = actor(Role.TECHNOLOGIST)
    with archive.offices.work(tess) as work:
        page = retention.list_proposals(work)
        pks = {row.study.study_instance_uid: row.proposal.retention_proposal_pk for row in page.items}
    assert page.total == 3
    with archive.offices.work(tess) as work:
        assert retention.decide(work, [pks[studies[0]]], "trash") == 1
        assert retention.decide(work, [pks[studies[2]]], "keep") == 1
        assert retention.decide(work, [pks[studies[2]]], "keep") == 0
    with archive.offices.database.transaction() as session:
        removal = session.scalars(select(Removal)).one()
        assert (removal.cause, removal.level, removal.code_value) == ("retention", "STUDY", "113039")
        assert "Ten years" in removal.reason
        assert removal.purge_at == removal.removed_at + timedelta(days=limits.TRASH_DAYS)
    run(archive)
    assert set(proposed(archive)) == {studies[3]}  # what was kept is not asked for again at once
    with archive.offices.work(SYSTEM) as work:
        retention.place_hold(work, study_instance_uid=studies[3], reason="a claim")
    with pytest.raises(Conflict, match="legal hold"), archive.offices.work(tess) as work:
        retention.decide(work, [pks[studies[3]]], "trash")


def test_a_hold_is_placed_shown_and_lifted(archive: Archive, studies: list[str]) -> None:
    manager = actor(Role.ADMIN)
    with archive.offices.work(manager) as work:
        hold = retention.place_hold(work, study_instance_uid=studies[0], reason="a claim").legal_hold_pk
    with pytest.raises(Conflict), archive.offices.work(manager) as work:
        retention.place_hold(work, study_instance_uid=studies[0], reason="again")
    with archive.offices.work(manager) as work:
        (row,) = retention.list_holds(work)
        assert (row.patient_name, row.hold.reason, row.stands) == ("Doe^Jane", "a claim", True)
        other, own = (
            work.session.scalars(select(Study.study_pk).where(Study.study_instance_uid == uid)).one()
            for uid in (studies[1], studies[0])
        )
        assert retention.list_holds(work, study_pk=other) == []
        assert len(retention.list_holds(work, study_pk=own)) == 1
        retention.lift_hold(work, hold, reason="settled")
        assert retention.list_holds(work) == []
        assert len(retention.list_holds(work, standing=False)) == 1
    with pytest.raises(Conflict), archive.offices.work(manager) as work:
        retention.lift_hold(work, hold, reason="again")
    with pytest.raises(Denied), archive.offices.work(actor(Role.TECHNOLOGIST)) as work:
        retention.place_hold(work, study_instance_uid=studies[0], reason="x")
    for wrong in (
        {"study_instance_uid": studies[0], "reason": " "},
        {"reason": "of what?"},
        {"study_instance_uid": studies[0], "reason": "x", "until": date(2000, 1, 1)},
    ):
        with pytest.raises(Invalid), archive.offices.work(manager) as work:
            retention.place_hold(work, **wrong)
    with pytest.raises(NotFound), archive.offices.work(manager) as work:
        retention.place_hold(work, patient_pk=987654, reason="x")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"keep_years": 0}, "keep_years"),
        ({"name": ""}, "name"),
        ({"keep_until_age": 500}, "keep_until_age"),
        ({"patient_age_from": 18, "patient_age_below": 18}, "patient_age_below"),
        ({"modalities": ["C T;"]}, "modalities"),
    ],
)
def test_rules_by_http_say_what_is_wrong(web: Api, fields: dict[str, Any], wrong: str) -> None:
    client = web.as_role("admin")
    body = {"name": "Ten years", "position": 1, "is_enabled": True, "keep_years": 10}
    made = client.post("/api/archive/retention-rules", json=body)
    assert made.status_code == 201, made.text
    answer = client.post("/api/archive/retention-rules", json={**body, "name": "Another", **fields})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [wrong]
    pk = made.json()["retention_rule_pk"]
    changed = client.put(f"/api/archive/retention-rules/{pk}", json={**body, "keep_years": 12})
    assert changed.json()["keep_years"] == 12
    assert client.post("/api/archive/retention-rules", json=body).status_code == 409
    assert client.post("/api/archive/retention-rules/apply").status_code == 202
    assert client.post("/api/archive/retention-rules/preview", json=body).json()["matching"] == 0
    assert client.delete(f"/api/archive/retention-rules/{pk}").status_code == 204
    assert client.get("/api/archive/retention-rules").json() == []


def test_holds_and_proposals_by_http(archive: Archive, studies: list[str], web: Api) -> None:
    rule(archive, "Ten years")
    run(archive)
    reader = web.as_role("radiologist")
    page = reader.get("/api/archive/retention-proposals").json()
    assert page["total"] == 3
    first = next(one for one in page["items"] if one["study_instance_uid"] == studies[0])
    assert (first["rule_name"], first["expired_on"], first["is_held"]) == ("Ten years", "2020-03-15", False)
    placed = reader.post(
        "/api/archive/holds",
        json={"study_instance_uid": studies[0], "reason": "a claim", "until": "2199-01-01"},
    )
    assert placed.status_code == 201, placed.text
    decision = {"retention_proposal_pks": [first["retention_proposal_pk"]], "decision": "trash"}
    assert reader.post("/api/archive/retention-proposals/decision", json=decision).status_code == 409
    (hold,) = reader.get("/api/archive/holds", params={"study_pk": first["study_pk"]}).json()
    assert (hold["reason"], hold["until"], hold["stands"]) == ("a claim", "2199-01-01", True)
    assert (
        web.as_role("technologist")
        .post(f"/api/archive/holds/{hold['legal_hold_pk']}/lift", json={"reason": "x"})
        .status_code
        == 403
    )
    lifted = reader.post(f"/api/archive/holds/{hold['legal_hold_pk']}/lift", json={"reason": "settled"})
    assert lifted.status_code == 200
    done = reader.post("/api/archive/retention-proposals/decision", json=decision)
    assert done.json() == {"studies": 1}
    assert reader.get("/api/archive/retention-proposals").json()["total"] == 2
