"""Objects lie in several stores, and move between them while they are read, written, purged and killed for."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from tools.faults.bucket import s3_server

from archive_stores import (
    SYSTEM,
    MakeArchive,
    bucket_of,
    feed,
    files,
    folders,
    locations,
    make_archive,
    read_all,
)
from forking import Mortal
from wetread.archive.integrity import Checked, check_object, check_slice, check_soon, place
from wetread.archive.integrity import Tally as CheckTally
from wetread.archive.jobs import remove_orphans
from wetread.archive.model import DamagedObject, FreshObject, ObjectCopy, StoreMove
from wetread.archive.moving import alone, change_move, list_moves, move_slice, next_of, start_move
from wetread.archive.objects import NoSpace, StoreUnavailable
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive
from wetread.archive.tiers import Stores, split
from wetread.kit import limits
from wetread.kit.errors import Conflict, Invalid

ROOT = Path(__file__).parents[3]
__all__ = ["make_archive"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


def run_move(archive: Archive, from_store: str, to_store: str) -> StoreMove:
    with archive.offices.work(SYSTEM) as work:
        pk = start_move(work, from_store, to_store).store_move_pk
    finish(archive, pk)
    with archive.offices.work(SYSTEM) as work:
        return list_moves(work)[0]


def finish(archive: Archive, pk: int) -> None:
    for _ in range(20):
        if move_slice(archive, pk, seconds=5) is None:
            return
    with archive.offices.work(SYSTEM) as work:
        move = list_moves(work)[0]
        raise AssertionError(f"the move does not end: {move.objects} {move.through} {move.last_fault}")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STORE_MOVE_CLOSED_S", -1.0)


def test_a_store_is_emptied_into_another(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    kept = feed(archive, make_dicom, 12) | feed(archive, make_dicom, 6, size=400)
    archive.intake.settler.settle()
    assert {split(one)[0] for one in locations(archive)} == {"local"}
    with archive.offices.database.transaction() as session:
        old = archive.retrieval.objects(session, sop_instance_uids=list(kept))
    # One is open while its bytes go: a reader that began before reads on.
    chunks = old[0].chunks()
    begun = bytes(next(iter(chunks)))
    move = run_move(archive, "local", "slow")
    assert (move.state, move.objects, move.objects_at_start, move.failed) == ("done", 18, 18, 0)
    assert {split(one)[0] for one in locations(archive)} == {"slow"}
    assert files(tmp_path / "local") == set()
    assert len(files(tmp_path / "slow")) == 18
    assert read_all(archive, list(kept)) == kept
    assert hashlib.sha256(begun + b"".join(chunks)).hexdigest() == kept[old[0].sop_instance_uid]
    # Who looked up the old place before, reads too.
    assert {one.sop_instance_uid: hashlib.sha256(b"".join(one.chunks())).hexdigest() for one in old} == kept
    with archive.offices.work(SYSTEM) as work:
        remove_orphans(work, older_than_s=-5)
    assert read_all(archive, list(kept)) == kept


def test_what_comes_meanwhile_goes_to_the_next_store(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    stores = folders(tmp_path)
    stores[1]["takes_new"] = True
    archive = make_archive(stores)
    kept = feed(archive, make_dicom, 4)
    with archive.offices.work(SYSTEM) as work:
        pk = start_move(work, "local", "slow").store_move_pk
    kept |= feed(archive, make_dicom, 4) | feed(archive, make_dicom, 2, size=400)
    archive.intake.settler.settle()
    finish(archive, pk)
    assert {split(one)[0] for one in locations(archive)} == {"slow"}
    assert read_all(archive, list(kept)) == kept
    kept |= feed(archive, make_dicom, 2, size=400)
    assert {split(one)[0] for one in locations(archive)} == {"slow"}
    # And back: the emptied store is open again.
    run_move(archive, "slow", "local")
    assert {split(one)[0] for one in locations(archive)} == {"local"}
    assert read_all(archive, list(kept)) == kept
    assert files(tmp_path / "slow") == set()


def test_a_store_moves_into_a_bucket_and_back(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path, server: str
) -> None:
    archive = make_archive([*folders(tmp_path), bucket_of(server, "moves")])
    kept = feed(archive, make_dicom, 6) | feed(archive, make_dicom, 2, size=2300)
    archive.intake.settler.settle()
    assert run_move(archive, "local", "bucket").state == "done"
    assert files(tmp_path / "local") == set()
    assert read_all(archive, list(kept)) == kept
    assert run_move(archive, "bucket", "slow").state == "done"
    assert read_all(archive, list(kept)) == kept
    left = [one for one in archive.objects.listing(-5) if one.startswith("bucket:")]
    assert left == []


def test_what_waits_beside_its_row_is_moved_after_it_settled(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    kept = feed(archive, make_dicom, 3, settled=False)
    with archive.offices.work(SYSTEM) as work:
        waiting = work.session.scalar(select(func.count()).select_from(FreshObject)) or 0
        assert len(next_of(work, "local", 0)) == 3 - waiting
        pk = start_move(work, "local", "slow").store_move_pk
    archive.intake.settler.settle()
    finish(archive, pk)
    assert {split(one)[0] for one in locations(archive)} == {"slow"}
    assert read_all(archive, list(kept)) == kept


def test_damage_stays_and_is_said(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    feed(archive, make_dicom, 3, size=400)
    victim = locations(archive)[1]
    path = tmp_path / "local" / victim
    spoiled = bytearray(path.read_bytes())
    spoiled[5000] ^= 1
    path.write_bytes(spoiled)
    move = run_move(archive, "local", "slow")
    assert (move.state, move.objects, move.failed) == ("done", 2, 1)
    assert [one for one in locations(archive) if split(one)[0] == "local"] == [victim]
    assert path.exists()
    assert len(files(tmp_path / "slow")) == 2
    with archive.offices.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(DamagedObject)) == 1


def test_a_copy_that_was_left_by_a_kill_is_used_and_a_spoiled_one_is_not(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    kept = feed(archive, make_dicom, 2, size=400)
    with archive.offices.work(SYSTEM) as work:
        ones = next_of(work, "local", 0)
    for one in ones:
        place(archive, one, f"slow:{one.location}")
    left = tmp_path / "slow" / ones[0].location
    left.write_bytes(left.read_bytes()[:-1])
    assert run_move(archive, "local", "slow").objects == 2
    assert read_all(archive, list(kept)) == kept


def test_a_target_that_is_full_ends_nothing_and_loses_nothing(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(folders(tmp_path))
    kept = feed(archive, make_dicom, 3, size=400)
    with archive.offices.work(SYSTEM) as work:
        pk = start_move(work, "local", "slow").store_move_pk
    assert isinstance(archive.objects, Stores)
    slow: Any = archive.objects.member("slow").objects
    with monkeypatch.context() as patch:

        def full(*_: object, **__: object) -> None:
            raise NoSpace("less than the reserve is free")

        patch.setattr(slow, "writer", full)
        assert move_slice(archive, pk, seconds=5) == limits.STORE_MOVE_FAULT_S
    with archive.offices.work(SYSTEM) as work:
        assert list_moves(work)[0].last_fault == "less than the reserve is free"
    assert read_all(archive, list(kept)) == kept
    finish(archive, pk)
    assert read_all(archive, list(kept)) == kept


def test_moves_that_cannot_be_are_refused(make_archive: MakeArchive, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    with pytest.raises(Invalid), archive.offices.work(SYSTEM) as work:
        start_move(work, "local", "nowhere")
    with pytest.raises(Invalid), archive.offices.work(SYSTEM) as work:
        start_move(work, "local", "local")
    with archive.offices.work(SYSTEM) as work:
        pk = start_move(work, "local", "slow").store_move_pk
    with pytest.raises(Conflict), archive.offices.work(SYSTEM) as work:
        start_move(work, "slow", "local")
    with archive.offices.work(SYSTEM) as work:
        change_move(work, pk, "paused")
    assert move_slice(archive, pk, seconds=1) is None
    with archive.offices.work(SYSTEM) as work:
        change_move(work, pk, "cancelled")
    with pytest.raises(Conflict), archive.offices.work(SYSTEM) as work:
        change_move(work, pk, "running")


def test_only_one_moves_at_a_time(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    archive = make_archive(folders(tmp_path))
    feed(archive, make_dicom, 1, size=400)
    with archive.offices.work(SYSTEM) as work:
        pk = start_move(work, "local", "slow").store_move_pk
    with alone(archive.offices.database) as got:
        assert got
        assert move_slice(archive, pk, seconds=1) == 2.0
        with archive.offices.work(SYSTEM) as work:
            assert remove_orphans(work, older_than_s=-5) == 0
    finish(archive, pk)


def test_a_store_that_is_not_in_the_settings_is_said_to_be(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    kept = feed(archive, make_dicom, 1, size=400)
    run_move(archive, "local", "slow")
    other = make_archive(folders(tmp_path)[:1])
    with pytest.raises(StoreUnavailable, match="slow"):
        read_all(other, list(kept))


def copied(archive: Archive, make_dicom: Any, count: int) -> tuple[dict[str, str], list[Checked]]:
    """Objects of several chunks with copies in the slow store: (SOP Instance UID → hash, what lies in the first)."""
    kept = feed(archive, make_dicom, count, size=400)
    with archive.offices.work(SYSTEM) as work:
        ones = next_of(work, "local", 0)
    for one in ones:
        place(archive, one, f"slow:{one.location}")
        with archive.offices.database.transaction() as session:
            session.add(
                ObjectCopy(
                    location=f"slow:{one.location}",
                    stored_object_pk=one.stored_object_pk,
                    verified_at=session.scalar(select(func.now())),
                )
            )
    return kept, ones


@pytest.mark.parametrize(
    "damage",
    [
        lambda sealed: sealed[:-20] + bytes(20),
        lambda sealed: sealed[:200] + bytes(20) + sealed[220:],
        lambda sealed: sealed[:-20],
        lambda sealed: b"XXXX" + sealed[4:],
    ],
    ids=["its end", "its middle", "cut", "its header"],
)
def test_what_is_damaged_is_read_from_its_copy_at_once_and_mended_soon(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path, damage: Any
) -> None:
    archive = make_archive(folders(tmp_path))
    archive.vault.on_damage = partial(check_soon, archive)
    kept, ones = copied(archive, make_dicom, 2)
    path = tmp_path / "local" / ones[0].location
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    assert read_all(archive, list(kept)) == kept
    assert read_all(archive, list(kept)) == kept
    assert path.read_bytes() != sound
    with archive.offices.database.transaction() as session:
        waiting = session.scalars(
            text("SELECT args FROM procrastinate_jobs WHERE task_name = 'archive.check_object'")
        ).all()
    assert waiting == [{"location": ones[0].location}]
    with archive.offices.work(SYSTEM) as work:
        check_object(work, ones[0].location)
    assert path.read_bytes() == sound


def test_damage_without_a_copy_is_refused_and_noted_soon(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    archive.vault.on_damage = partial(check_soon, archive)
    kept, (one, _) = copied(archive, make_dicom, 2)
    for store in ("local", "slow"):
        (tmp_path / store / one.location).write_bytes(bytes(500))
    with pytest.raises(Damaged):
        read_all(archive, list(kept))
    with archive.offices.work(SYSTEM) as work:
        check_object(work, one.location)
    with archive.offices.database.transaction() as session:
        assert session.scalars(select(DamagedObject.stored_object_pk)).all() == [one.stored_object_pk]


def test_damage_is_mended_from_the_copy_and_the_copy_from_the_object(
    make_archive: MakeArchive, make_dicom: Any, tmp_path: Path
) -> None:
    archive = make_archive(folders(tmp_path))
    kept, ones = copied(archive, make_dicom, 3)
    with archive.offices.work(SYSTEM) as work:
        remove_orphans(work, older_than_s=-5)
    assert len(files(tmp_path / "slow")) == 3  # copies are nobody's orphans
    spoiled, gone, copy = ones
    path = tmp_path / "local" / spoiled.location
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    (tmp_path / "local" / gone.location).unlink()
    (tmp_path / "slow" / copy.location).write_bytes(b"nothing")
    # What is gone is read from its copy at once.
    second = list(kept)[1]
    assert read_all(archive, [second]) == {second: kept[second]}
    tally = CheckTally()
    assert check_slice(archive, tally)
    assert (tally.objects, tally.damaged) == (3, 0)
    assert read_all(archive, list(kept)) == kept
    for one in ones:
        assert (tmp_path / "local" / one.location).read_bytes() == (
            tmp_path / "slow" / one.location
        ).read_bytes()


MOVER = """
import sys
from pathlib import Path
from forking import fork_when_told, say
from wetread.app.rooms import MODELS, load
from wetread.archive import moving
from wetread.archive.service import Archive, use_archive
from wetread.archive.tiers import Stores
from wetread.kit import limits
from wetread.kit.db import Database
from wetread.kit.stores import stores_of
from wetread.security.service import FileMasterKey, Offices
load(MODELS)
limits.STORE_MOVE_CLOSED_S = -1.0
limits.STORE_MOVE_BYTES_AT_ONCE = 200_000
def move():
    database = Database(sys.argv[1])
    stores = Stores.of(stores_of(sys.argv[2]), database)
    archive = Archive(database, Offices(database), stores, FileMasterKey(b"m" * 32))
    use_archive(archive)
    say("ready")
    while moving.move_slice(archive, int(sys.argv[3]), seconds=60) is not None:
        pass
    say("done")
fork_when_told(move)
"""


@pytest.mark.fault
@pytest.mark.timeout(600)
def test_kill_9_while_a_store_moves(make_archive: MakeArchive, make_dicom: Any, tmp_path: Path) -> None:
    import json
    import random

    stores = folders(tmp_path)
    archive = make_archive(stores)
    kept = feed(archive, make_dicom, 40, size=200)
    archive.intake.settler.settle()
    with archive.offices.work(SYSTEM) as work:
        pk = start_move(work, "local", "slow").store_move_pk
    wrong: list[str] = []
    ending = threading.Event()

    def read_on() -> None:
        while not ending.wait(0.2):
            if read_all(archive, list(kept)) != kept:
                wrong.append("changed")

    reader = threading.Thread(target=read_on)
    reader.start()
    chance, kills = random.Random(3), 0
    try:
        with Mortal("-c", MOVER, archive.offices.database.url, json.dumps(stores), str(pk)) as mover:
            while True:
                assert mover.begin() == "ready"
                # Longer each time, so that it ends on a slow machine too.
                time.sleep(chance.uniform(0.02, 0.2 + 0.5 * kills))
                if mover.kill() == ["done"]:
                    break
                kills += 1
                assert kills < 40
    finally:
        ending.set()
        reader.join()
    assert kills >= 1
    assert wrong == []
    assert {split(one)[0] for one in locations(archive)} == {"slow"}
    assert read_all(archive, list(kept)) == kept
    with archive.offices.work(SYSTEM) as work:
        remove_orphans(work, older_than_s=-5)
        assert list_moves(work)[0].state == "done"
        assert work.session.scalar(text("SELECT count(*) FROM stored_object")) == len(kept)
    assert files(tmp_path / "local") == set()
    assert len(files(tmp_path / "slow")) == len(kept)
