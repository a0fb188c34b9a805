"""Damage is found by reading again, named, and mended by what is made or sent once more."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from wetread.archive.integrity import Tally, check_again, check_all, check_slice, check_store, integrity
from wetread.archive.jobs import remove_orphans
from wetread.archive.model import Instance, StoreCheck, StoredObject
from wetread.archive.service import Archive, instances_for_retrieve
from wetread.security.service import Actor

Store = Callable[..., Any]
ADMIN = Actor.system("admin")


def damage(archive: Archive, sop_instance_uid: str, change: Callable[[bytearray], Any]) -> None:
    with archive.offices.database.transaction() as session:
        location = session.scalars(
            select(StoredObject.location)
            .join(Instance, Instance.instance_pk == StoredObject.instance_pk)
            .where(Instance.sop_instance_uid == sop_instance_uid, StoredObject.role == "original")
        ).one()
    path = archive.objects.root / location
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(bytes(content))


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def cut(content: bytearray) -> None:
    del content[-10:]


def damages(archive: Archive) -> list[tuple[str | None, str]]:
    with archive.offices.work(ADMIN) as work:
        return [(one.sop_instance_uid, one.reason) for one in integrity(work).damaged]


def whole(archive: Archive, sop_instance_uid: str) -> bytes:
    with archive.offices.work(ADMIN) as work:
        (one,) = instances_for_retrieve(work, sop_instance_uids=[sop_instance_uid], destination="TEST")
        return b"".join(one.chunks())


def test_what_is_whole_is_read_and_nothing_noted(archive: Archive, make_dicom: Any, store: Store) -> None:
    store(*(make_dicom() for _ in range(3)))
    told: list[int] = []
    tally = check_all(archive, lambda now: told.append(now.objects))
    assert (tally.objects, tally.damaged, told[-1]) == (3, 0, 3)
    assert damages(archive) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (flip, "chunk 0 is not what was written"),
        (cut, "bytes in the store in place of"),
        (lambda content: content.__setitem__(slice(0, 4), b"XXXX"), "does not begin as a sealed object"),
    ],
)
def test_each_kind_of_damage_is_named(
    archive: Archive, make_dicom: Any, store: Store, change: Callable[[bytearray], Any], reason: str
) -> None:
    good, bad = make_dicom(), make_dicom()
    store(good, bad)
    damage(archive, bad.SOPInstanceUID, change)
    tally = check_all(archive, lambda _: None)
    assert (tally.objects, tally.damaged) == (2, 1)
    ((uid, words),) = damages(archive)
    assert uid == bad.SOPInstanceUID
    assert reason in words


def test_what_is_gone_is_damage(archive: Archive, make_dicom: Any, store: Store) -> None:
    ds = make_dicom()
    store(ds)
    for path in archive.objects.root.rglob("*"):
        if path.is_file() and path.stat().st_size:
            path.unlink()
    check_all(archive, lambda _: None)
    ((_, words),) = damages(archive)
    assert "is not in the store" in words


def test_what_was_swapped_is_damage(archive: Archive, make_dicom: Any, store: Store) -> None:
    """Two objects of one study lie under each other's names: each is authentic, neither is the one it should be."""
    one, other = (make_dicom(StudyInstanceUID="1.2.3") for _ in range(2))
    store(one, other)
    with archive.offices.database.transaction() as session:
        first, second = session.scalars(select(StoredObject).order_by(StoredObject.stored_object_pk)).all()
        paths = [archive.objects.root / stored.location for stored in (first, second)]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    check_all(archive, lambda _: None)
    assert [words for _, words in damages(archive)] == ["is not what was received"] * 2


def test_the_same_object_sent_again_mends_it(
    archive: Archive, make_dicom: Any, store: Store, as_dataset: Any
) -> None:
    ds, other = make_dicom(StudyInstanceUID="1.2.3"), make_dicom(StudyInstanceUID="1.2.3")
    store(ds, other)
    damage(archive, ds.SOPInstanceUID, flip)
    check_all(archive, lambda _: None)
    ours = copy.deepcopy(ds)
    ours.PatientComments = "not the same"
    assert store(ours)[0].outcome == "quarantined"
    assert len(damages(archive)) == 1
    (result, twice) = store(ds, ds)
    assert (result.status, result.outcome) == (0, "stored")
    assert twice.outcome == "duplicate"
    assert damages(archive) == []
    assert whole(archive, ds.SOPInstanceUID) == as_dataset(ds)
    assert check_all(archive, lambda _: None).damaged == 0
    with archive.offices.work(ADMIN) as work:
        assert remove_orphans(work, older_than_s=-1) >= 1  # the damaged bytes
    assert whole(archive, ds.SOPInstanceUID) == as_dataset(ds)
    with archive.offices.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Instance)) == 2


def test_a_disk_that_was_mended_clears_the_damage(archive: Archive, make_dicom: Any, store: Store) -> None:
    ds = make_dicom()
    store(ds)
    damage(archive, ds.SOPInstanceUID, flip)
    check_all(archive, lambda _: None)
    with archive.offices.work(ADMIN) as work:
        key = integrity(work).damaged[0].stored_object_pk
        assert check_again(work, key) is False
    damage(archive, ds.SOPInstanceUID, flip)
    with archive.offices.work(ADMIN) as work:
        assert check_again(work, key) is True
    assert damages(archive) == []


def test_a_damaged_rendition_is_made_anew(archive: Archive, make_dicom: Any, store: Store) -> None:
    from wetread.archive.jobs import prepare_study

    store(make_dicom(StudyInstanceUID="1.2.3"))
    with archive.offices.work(ADMIN) as work:
        prepare_study(work, scalar(archive, select(Instance.study_pk)))
    assert roles(archive) == ["original", "rendition"]
    path = archive.objects.root / scalar(
        archive, select(StoredObject.location).where(StoredObject.role == "rendition")
    )
    path.write_bytes(path.read_bytes()[:-1])
    assert check_all(archive, lambda _: None).damaged == 1
    assert roles(archive) == ["original"]
    assert damages(archive) == []
    assert scalar(
        archive, text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'archive.prepare_study'")
    )


def test_a_round_goes_on_where_it_was_and_rests_until_it_is_time(
    archive: Archive, make_dicom: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(*(make_dicom() for _ in range(3)))
    monkeypatch.setattr("wetread.kit.limits.STORE_CHECK_SLICE_S", -1.0)
    read: list[int] = []
    for _ in range(6):
        with archive.offices.work(ADMIN) as work:
            check_store(work)
        read.append(scalar(archive, select(func.sum(StoreCheck.objects))))
    assert read == [1, 2, 3, 3, 3, 3]
    with archive.offices.work(ADMIN) as work:
        found = integrity(work)
        assert found.completed_at is not None
        work.session.execute(update(StoreCheck).values(started_at=StoreCheck.started_at - timedelta(days=31)))
    with archive.offices.work(ADMIN) as work:
        check_store(work)
    assert scalar(archive, select(func.count()).select_from(StoreCheck)) == 2


def test_a_slice_says_how_far_it_is(archive: Archive, make_dicom: Any, store: Store) -> None:
    store(*(make_dicom() for _ in range(2)))
    tally = Tally()
    assert check_slice(archive, tally, seconds=-1.0) is False
    assert tally.objects == 1
    assert check_slice(archive, tally) is True
    assert tally.objects == 2


def test_the_doors(web: Any, archive: Archive, make_dicom: Any, store: Store) -> None:
    ds = make_dicom()
    store(ds)
    damage(archive, ds.SOPInstanceUID, flip)
    check_all(archive, lambda _: None)
    administrator = web.as_role("admin")
    (found,) = administrator.get("/api/archive/integrity").json()["damaged"]
    assert (found["sop_instance_uid"], found["source_application_entity_title"]) == (ds.SOPInstanceUID, "CT1")
    answer = administrator.post(f"/api/archive/damaged/{found['stored_object_pk']}/check")
    assert answer.json() == {"whole": False}
    assert web.as_role("technologist").get("/api/archive/integrity").status_code == 403


def roles(archive: Archive) -> list[str]:
    with archive.offices.database.transaction() as session:
        return sorted(session.scalars(select(StoredObject.role)))


def scalar(archive: Archive, query: Any) -> Any:
    with archive.offices.database.transaction() as session:
        return session.scalar(query)
