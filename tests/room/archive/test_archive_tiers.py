"""Tiers: new objects go to the first store with room, rules move what nobody needs, orders bring it back, copies mend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from archive_stores import (
    SYSTEM,
    MakeArchive,
    feed,
    files,
    folders,
    locations,
    make_archive,
    read_all,
)
from common import Api
from wetread.app.wanted import needed
from wetread.archive import store
from wetread.archive.model import Instance, ObjectCopy, StoredObject, Study, StudyUse
from wetread.archive.objects import LocalObjects, NoSpace
from wetread.archive.removal import Target, destroy_objects, purge_now, remove
from wetread.archive.service import Archive
from wetread.archive.tiering import (
    TierRuleFields,
    apply_rules,
    make_copies,
    move_study,
    note_views,
    recall_studies,
    remove_rule,
    room_for_new,
    save_rule,
    stores_now,
    usage,
    use_needed,
)
from wetread.archive.tiers import Stores, split
from wetread.kit.errors import Invalid
from wetread.security.service import AuditEventID, FileMasterKey, Identity, Security, use_identity

__all__ = ["make_archive"]
DAY = timedelta(days=1)


def rule(**changes: Any) -> TierRuleFields:
    fields: dict[str, Any] = {
        "name": "Old", "position": 10, "is_enabled": True, "from_store": "local", "to_store": "slow",
        "modalities": [], "institution_names": [], "days_unseen": 30, "is_only_when_full": False,
    }  # fmt: skip
    return TierRuleFields(**fields | changes)


def age(archive: Archive, days: int, modality: str | None = None) -> None:
    """Makes studies that old."""
    with archive.offices.work(SYSTEM) as work:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "U")
        at = work.now() - days * DAY
        query = update(Study).values(created_at=at, updated_at=at)
        if modality is not None:
            query = query.where(Study.modalities_in_study.any(modality))
        work.session.execute(query)


def by_store(archive: Archive) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in locations(archive):
        found[split(one)[0]] = found.get(split(one)[0], 0) + 1
    return found


@pytest.fixture(autouse=True)
def _nobody_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    use_needed(needed)
    # What else lies on the disk counts too: that of the machine which runs the tests may be above any mark.
    monkeypatch.setattr(LocalObjects, "space", lambda _self: (0, 10**12))


def add(archive: Archive, fields: TierRuleFields) -> int:
    with archive.offices.work(SYSTEM) as work:
        return save_rule(work, None, fields).tier_rule_pk


def test_what_nobody_looked_at_goes_to_the_next_tier(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    old = feed(archive, make_dicom, 3, size=200)
    archive.intake.settler.settle()
    age(archive, 40)
    young = feed(archive, make_dicom, 2, size=200)
    pk = add(archive, rule())
    assert apply_rules(archive) == 3
    assert by_store(archive) == {"slow": 3, "local": 2}
    assert apply_rules(archive) == 0
    assert read_all(archive, list(old | young)) == old | young
    with archive.offices.work(SYSTEM) as work:
        remove_rule(work, pk)


def test_what_somebody_looked_at_stays(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    feed(archive, make_dicom, 2, size=200)
    feed(archive, make_dicom, 3, size=200)
    age(archive, 400)
    with archive.offices.work(SYSTEM) as work:
        uid = work.session.scalars(select(Study.study_instance_uid).order_by(Study.study_pk)).first()
        work.audit(AuditEventID.INSTANCES_ACCESSED, "R", study_instance_uid=uid)
        work.session.flush()
        # A person looked; machines that read do not count.
        work.session.execute(text("ALTER TABLE audit_record DISABLE TRIGGER USER"))
        work.session.execute(
            text(
                "UPDATE audit_record SET actor_kind = 'user' WHERE study_instance_uid = :uid AND event_id = :id"
            ),
            {"uid": uid, "id": AuditEventID.INSTANCES_ACCESSED},
        )
        work.session.execute(text("ALTER TABLE audit_record ENABLE TRIGGER USER"))
        note_views(work)
        assert work.session.scalar(select(func.count()).select_from(StudyUse)) == 1
    add(archive, rule())
    assert apply_rules(archive) == 3
    assert by_store(archive) == {"slow": 3, "local": 2}


def test_rules_choose_by_modality_and_institution(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    for modality, institution in (("CT", "North"), ("MR", "North"), ("CT", "South")):
        feed(
            archive,
            lambda m=modality, i=institution, **more: make_dicom(Modality=m, InstitutionName=i, **more),
            1,
            size=200,
        )
    age(archive, 400)
    add(archive, rule(modalities=["ct"], institution_names=["South"]))
    add(archive, rule(is_enabled=False))
    assert apply_rules(archive) == 1
    add(archive, rule(modalities=["MR"]))
    assert apply_rules(archive) == 1
    assert by_store(archive) == {"slow": 2, "local": 1}
    with archive.offices.work(SYSTEM) as work:
        store.count_usage(work.session, from_start=True)
        work.session.execute(text("UPDATE stored_object SET created_at = created_at - interval '1 hour'"))
        store.count_usage(work.session, from_start=True)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
        counted = {(one.store, one.modality, one.institution_name): one.objects for one in usage(work)}
        before = {one.name: (one.objects, one.bytes) for one in stores_now(work)}
    assert counted == {("local", "CT", "North"): 1, ("slow", "MR", "North"): 1, ("slow", "CT", "South"): 1}
    with archive.offices.database.transaction() as session:
        left = session.scalar(
            select(Study.study_pk).where(
                Study.study_pk == Instance.study_pk,
                Instance.instance_pk == StoredObject.instance_pk,
                ~StoredObject.location.like("%:%"),
            )
        )
    assert left is not None
    assert move_study(archive, left, None, "slow") == (1, None)
    with archive.offices.work(SYSTEM) as work:
        store.count_usage(work.session, from_start=False)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
        after = {one.name: (one.objects, one.bytes) for one in stores_now(work)}
    assert after["slow"][0] == before["slow"][0] + 1
    assert after["local"] == (0, 0)


def test_a_rule_for_a_full_store_stops_at_the_low_mark(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    stores = folders(tmp_path)
    archive = make_archive(
        [stores[0] | {"quota_gb": 0.0006, "high_water_percent": 80, "low_water_percent": 50}, stores[1]]
    )
    for _ in range(6):
        feed(archive, make_dicom, 1, size=200)
    age(archive, 400)
    with archive.offices.work(SYSTEM) as work:
        work.session.execute(text("UPDATE stored_object SET created_at = created_at - interval '1 hour'"))
        store.count_usage(work.session, from_start=True)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    assert isinstance(archive.objects, Stores)
    archive.objects.look_again()
    add(archive, rule(is_only_when_full=True))
    used = archive.objects.used_bytes("local")
    assert used > 0.8 * 600_000 * 0.9
    moved = apply_rules(archive)
    assert 0 < moved < 6
    archive.objects.look_again()
    assert 0 < archive.objects.used_bytes("local") < 0.5 * 600_000


def test_a_disk_that_is_full_of_other_things_is_above_the_mark(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = folders(tmp_path)
    archive = make_archive([stores[0] | {"quota_gb": 1}, stores[1]])
    feed(archive, make_dicom, 1, size=200)
    age(archive, 400)
    add(archive, rule(is_only_when_full=True))
    monkeypatch.setattr(LocalObjects, "space", lambda _self: (84, 16))
    assert apply_rules(archive) == 0
    monkeypatch.setattr(LocalObjects, "space", lambda _self: (86, 14))
    assert apply_rules(archive) == 1


def test_what_is_needed_is_not_moved(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    feed(archive, make_dicom, 1, size=200)
    feed(archive, make_dicom, 1, size=200)
    age(archive, 400)
    with archive.offices.database.transaction() as session:
        first = session.scalars(select(Study.study_pk).order_by(Study.study_pk)).first()
    use_needed(lambda _session, _now: Study.study_pk == first)
    add(archive, rule())
    assert apply_rules(archive) == 1
    assert by_store(archive) == {"slow": 1, "local": 1}


def test_the_unread_are_needed(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    feed(archive, make_dicom, 1, size=200)
    feed(archive, make_dicom, 1, size=200)
    age(archive, 400)
    with archive.offices.work(SYSTEM) as work:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
        first = work.session.scalars(select(Study.study_pk).order_by(Study.study_pk)).first()
        work.session.execute(
            text(
                "INSERT INTO study_link (study_pk, state, linked_at, linked_by) VALUES (:pk, 'unmatched', now(), 'x')"
            ),
            {"pk": first},
        )
        assert list(work.session.scalars(select(Study.study_pk).where(needed(work.session, work.now())))) == [
            first
        ]


def test_a_study_comes_back_when_it_is_wanted_and_stays(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    kept = feed(archive, make_dicom, 3, size=200)
    age(archive, 400)
    add(archive, rule())
    assert apply_rules(archive) == 3
    with archive.offices.work(SYSTEM) as work:
        pks = list(work.session.scalars(select(Study.study_pk)))
        recall_studies(work, pks, (work.now() + 5 * DAY).isoformat())
    assert by_store(archive) == {"local": 3}
    assert apply_rules(archive) == 0
    assert read_all(archive, list(kept)) == kept


def test_rules_that_cannot_be_are_refused(make_archive: MakeArchive, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    for wrong in ({"to_store": "nowhere"}, {"to_store": "local"}, {"name": " "}, {"days_unseen": -1}):
        with pytest.raises(Invalid), archive.offices.work(SYSTEM) as work:
            save_rule(work, None, rule(**wrong))


def test_a_full_store_is_passed_over_and_without_room_nothing_is_acknowledged(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = folders(tmp_path)
    stores[1]["takes_new"] = True
    archive = make_archive(stores)
    assert isinstance(archive.objects, Stores)

    def full(*_: object) -> None:
        raise NoSpace("less than the reserve is free")

    local, slow = (archive.objects.member(name).objects for name in ("local", "slow"))
    with monkeypatch.context() as patch:
        for what in ("create", "new_location"):
            patch.setattr(local, what, full)
        kept = feed(archive, make_dicom, 2, size=400)
        assert by_store(archive) == {"slow": 2}
        assert room_for_new(archive) is None
        for what in ("create", "new_location"):
            patch.setattr(slow, what, full)
        assert room_for_new(archive) == "less than the reserve is free"
        with archive.intake.transfer(SYSTEM, received_from="CT1") as transfer:
            incoming = transfer.file()
            incoming.write(b"\0" * 128 + b"DICM" + b"\0" * 400_000)
            result = incoming.commit()
        assert result.status != 0
        assert by_store(archive) == {"slow": 2}
    feed(archive, make_dicom, 1, size=400)
    assert by_store(archive) == {"slow": 2, "local": 1}
    assert read_all(archive, list(kept)) == kept


def test_a_quota_closes_a_store(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    stores = folders(tmp_path)
    archive = make_archive([stores[0] | {"quota_gb": 0.0003}, stores[1] | {"takes_new": True}])
    feed(archive, make_dicom, 1, size=400)
    with archive.offices.work(SYSTEM) as work:
        work.session.execute(text("UPDATE stored_object SET created_at = created_at - interval '1 hour'"))
        store.count_usage(work.session, from_start=True)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    assert isinstance(archive.objects, Stores)
    archive.objects.look_again()
    feed(archive, make_dicom, 1, size=400)
    assert by_store(archive) == {"local": 1, "slow": 1}


def copied(tmp_path: Path, make_archive: MakeArchive, make_dicom: Any, count: int) -> Archive:
    stores = folders(tmp_path)
    archive = make_archive([stores[0] | {"copy_to": "slow"}, stores[1]])
    feed(archive, make_dicom, count, size=200)
    archive.intake.settler.settle()
    assert make_copies(archive) == (count, False)
    assert make_copies(archive) == (0, False)
    return archive


def test_every_object_gets_its_copy(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = copied(tmp_path, make_archive, make_dicom, 4)
    assert files(tmp_path / "local") == files(tmp_path / "slow")
    with archive.offices.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(ObjectCopy)) == 4


def test_purging_destroys_every_copy(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = copied(tmp_path, make_archive, make_dicom, 2)
    with archive.offices.work(SYSTEM) as work:
        uid = work.session.scalar(select(Study.study_instance_uid))
        assert uid is not None
        removal_pk = remove(work, Target(uid), reason="wrong patient").removal_pk
    # In the trash, every copy stays.
    assert len(files(tmp_path / "slow")) == 2
    places = locations(archive)
    with archive.offices.work(SYSTEM) as work:
        purge_now(work, removal_pk)
    with archive.offices.work(SYSTEM) as work:
        destroy_objects(work, places)
    assert files(tmp_path / "local") == set()
    assert files(tmp_path / "slow") == set()
    with archive.offices.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(ObjectCopy)) == 0


def test_the_screen_hears_of_stores_rules_and_moves(
    make_archive: MakeArchive, make_api: Callable[[Security], Api], make_dicom: Any, tmp_path: Path
) -> None:

    archive = make_archive(folders(tmp_path))
    feed(archive, make_dicom, 1, size=200)
    identity = Identity(archive.offices, FileMasterKey(b"k" * 32))
    use_identity(identity)
    client = make_api(Security(archive.offices, identity))
    client.app.state.archive = archive
    admin = client.as_role("admin")
    answer = admin.get("/api/archive/stores").json()
    assert [(one["name"], one["kind"], one["fault"]) for one in answer["stores"]] == [
        ("local", "folder", None), ("slow", "folder", None),
    ]  # fmt: skip
    assert answer["no_room"] is None
    body = {
        "name": "Old", "position": 1, "is_enabled": True, "from_store": "local", "to_store": "slow", "modalities": ["CT"],
        "institution_names": [], "days_unseen": 90, "is_only_when_full": False,
    }  # fmt: skip
    made = admin.post("/api/archive/tier-rules", json=body)
    assert made.status_code == 201
    pk = made.json()["tier_rule_pk"]
    assert (
        admin.put(f"/api/archive/tier-rules/{pk}", json=body | {"days_unseen": 10}).json()["days_unseen"]
        == 10
    )
    assert admin.post("/api/archive/tier-rules", json=body | {"to_store": "x"}).status_code == 422
    assert admin.delete(f"/api/archive/tier-rules/{pk}").status_code == 204
    assert admin.get("/api/archive/tier-rules").json() == []
    move = admin.post("/api/archive/store-moves", json={"from_store": "local", "to_store": "slow"})
    assert move.status_code == 201
    number = move.json()["store_move_pk"]
    assert (
        admin.post("/api/archive/store-moves", json={"from_store": "local", "to_store": "slow"}).status_code
        == 409
    )
    assert admin.get("/api/archive/stores").json()["no_room"] == "no store takes new objects"
    assert client.get("/readyz").json()["no_room"] == "no store takes new objects"
    changed = admin.post(f"/api/archive/store-moves/{number}/state", json={"state": "cancelled"})
    assert changed.json()["state"] == "cancelled"
    assert [one["state"] for one in admin.get("/api/archive/store-moves").json()] == ["cancelled"]
    assert client.get("/readyz").json()["status"] == "ready"
    assert client.as_role("technologist").get("/api/archive/stores").status_code == 403
