"""What is acknowledged before its rows are on disk is filed anew where they were lost, and never twice."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.faults.writes import taken_in_part

from archive_fixtures import dataset_bytes
from wetread.archive import redo as redo_module
from wetread.archive import store
from wetread.archive.ingest import Settler, Transfer
from wetread.archive.jobs import remove_orphans
from wetread.archive.objects import LocalObjects, NoSpace
from wetread.archive.pixels import Decoder
from wetread.archive.redo import Covered, Left, Redo
from wetread.archive.sealing import Damaged, plain_size, sealed_size
from wetread.archive.service import Archive, StoreResult, instances_for_retrieve, use_archive
from wetread.kit.db import Database
from wetread.security.service import Actor, FileMasterKey, Offices

ADMIN = Actor.system("test")
MakeDicom = Callable[..., pydicom.Dataset]


def send(transfer: Transfer, ds: pydicom.Dataset) -> StoreResult:
    incoming = transfer.object(
        sop_class_uid=ds.SOPClassUID,
        sop_instance_uid=ds.SOPInstanceUID,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    incoming.write(dataset_bytes(ds))
    return incoming.commit()


def opened(database: Database, folder: Path, decoder: Decoder) -> Archive:
    made = Archive(
        database,
        Offices(database),
        LocalObjects(folder / "objects", reserve_bytes=0),
        FileMasterKey(b"m" * 32),
        decoder=decoder,
        redo_folder=folder / "redo",
    )
    use_archive(made)
    return made


@pytest.fixture
def covering(
    clean_database: Database, tmp_path: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Archive]:
    """An archive with a log, in which nothing happens by itself: what is filed stays unconfirmed."""
    monkeypatch.setattr(Redo, "_run", lambda self: self._make_segments())
    monkeypatch.setattr(Settler, "_run", lambda _: None)
    made = opened(clean_database, tmp_path, decoder)
    made.intake.redo.start()
    made.intake.redo._thread.join()
    yield made
    made.close()


@pytest.fixture
def series(make_dicom: MakeDicom) -> Callable[[int, bool], list[pydicom.Dataset]]:
    """Objects of one series: small ones, or such as get a file at once."""

    def make(count: int, large: bool) -> list[pydicom.Dataset]:
        first = make_dicom()
        made = [first] + [
            make_dicom(StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID)
            for _ in range(count - 1)
        ]
        for one in made:
            if large:
                one.Rows = one.Columns = 256
                one.PixelData = secrets.token_bytes(2 * 256 * 256)
        return made

    return make


def store_all(archive: Archive, objects: list[pydicom.Dataset]) -> None:
    with archive.intake.transfer(ADMIN, received_from="CT1") as transfer:
        assert {send(transfer, ds).outcome for ds in objects} == {"stored"}


def lose_rows(archive: Archive, objects: list[pydicom.Dataset]) -> None:
    """As PostgreSQL does that is killed before it has written them."""
    uids = [ds.SOPInstanceUID for ds in objects]
    with psycopg.connect(archive.offices.database.url) as connection:
        connection.execute(
            "DELETE FROM fresh_object WHERE location IN (SELECT o.location FROM stored_object o JOIN instance i"
            " ON i.instance_pk = o.instance_pk WHERE i.sop_instance_uid = ANY(%s))",
            (uids,),
        )
        connection.execute(
            "DELETE FROM stored_object WHERE instance_pk IN (SELECT instance_pk FROM instance"
            " WHERE sop_instance_uid = ANY(%s))",
            (uids,),
        )
        lost = connection.execute("DELETE FROM instance WHERE sop_instance_uid = ANY(%s)", (uids,))
        assert lost.rowcount == len(uids)
        connection.execute(
            "UPDATE study SET number_of_study_related_instances = number_of_study_related_instances - %s",
            (len(uids),),
        )
        connection.execute(
            "UPDATE series SET number_of_series_related_instances = number_of_series_related_instances - %s",
            (len(uids),),
        )


def whole(archive: Archive, ds: pydicom.Dataset) -> list[bytes]:
    with archive.offices.work(ADMIN) as work:
        return [
            b"".join(one.chunks())
            for one in instances_for_retrieve(work, sop_instance_uids=[ds.SOPInstanceUID], destination="TEST")
        ]


def count(archive: Archive, table: str) -> int:
    with psycopg.connect(archive.offices.database.url) as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (-1,)
        return int(found)


def forget_the_process(archive: Archive) -> None:
    """What a kill leaves: the folder, and nobody who holds its lock."""
    redo = archive.intake.redo
    assert redo is not None
    own, redo._own = redo._own, None
    own.leave()


@pytest.mark.parametrize("large", [False, True])
def test_lost_rows_are_made_anew_while_the_process_lives(covering: Archive, series: Any, large: bool) -> None:
    objects = series(6, large)
    store_all(covering, objects[:2])  # files are made ahead, and their names written down, from the first on
    if large:
        covering.objects._maker.join(1)
    store_all(covering, objects[2:])
    waiting = {one.location for one in covering.intake.redo._filed.values()}
    assert len(waiting) >= 3
    lose_rows(covering, objects[3:])
    covering.intake.redo.confirm()
    assert [whole(covering, ds) for ds in objects] == [[dataset_bytes(ds)] for ds in objects]
    assert count(covering, "instance") == count(covering, "stored_object") == 6
    covering.intake.redo.confirm()
    assert covering.intake.redo._filed == {}


def test_an_answer_waits_for_no_bookkeeping_in_memory(covering: Archive, series: Any) -> None:
    objects = series(4, False)
    redo = covering.intake.redo
    assert redo is not None
    with covering.intake.transfer(ADMIN, received_from="CT1", answers_at_once=True) as transfer:
        for number, ds in enumerate(objects):
            assert send(transfer, ds).outcome == "stored"
            assert len(redo._filed) == max(number - 1, 0)  # the first of a study waits for the disk
            if number == 1:
                transfer.answered()
                transfer.answered()
                assert len(redo._filed) == 1
    assert len(redo._filed) == 3


@pytest.mark.parametrize("large", [False, True])
def test_what_a_killed_process_left_is_filed_at_the_next_start(
    covering: Archive, series: Any, large: bool, tmp_path: Path, decoder: Decoder
) -> None:
    objects = series(6, large)
    store_all(covering, objects[:2])
    if large:
        covering.objects._maker.join(1)
    store_all(covering, objects[2:])
    lose_rows(covering, objects[3:])
    forget_the_process(covering)
    after = opened(covering.offices.database, tmp_path, decoder)
    try:
        after.recover()
        assert [whole(after, ds) for ds in objects] == [[dataset_bytes(ds)] for ds in objects]
        assert count(after, "instance") == count(after, "stored_object") == 6
        # The lost files are orphans now, as what was filed anew has files of its own.
        with after.offices.work(ADMIN) as work:
            remove_orphans(work, older_than_s=-1)
        assert [whole(after, ds) for ds in objects] == [[dataset_bytes(ds)] for ds in objects]
        assert after.intake.file_left() == 0
    finally:
        after.close()
    assert list((tmp_path / "redo").iterdir()) == []


def test_nothing_is_filed_anew_whose_rows_are_there(covering: Archive, series: Any) -> None:
    store_all(covering, series(4, False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covering.intake.redo, "_file_anew", lambda _: pytest.fail("filed anew"))
        covering.intake.redo.confirm()
    forget_the_process(covering)
    assert count(covering, "instance") == 4


def test_the_living_are_left_alone(covering: Archive, series: Any, tmp_path: Path, decoder: Decoder) -> None:
    objects = series(3, False)
    store_all(covering, objects)
    lose_rows(covering, objects[1:])
    other = opened(covering.offices.database, tmp_path, decoder)
    try:
        assert other.intake.file_left() == 0
        covering.intake.redo.confirm()
    finally:
        other.close()
    assert count(covering, "instance") == 3


def test_what_was_destroyed_stays_destroyed(covering: Archive, series: Any, tmp_path: Path) -> None:
    objects = series(3, False)
    store_all(covering, objects)
    forget_the_process(covering)
    with psycopg.connect(covering.offices.database.url) as connection:
        for table in ("fresh_object", "stored_object", "instance", "series", "study", "study_key"):
            connection.execute(f"DELETE FROM {table}".encode())
    covering.vault.forget_keys()
    assert covering.intake.file_left() == 2
    assert count(covering, "instance") == 0
    assert list((tmp_path / "redo").iterdir()) == []


def test_it_stays_while_it_cannot_be_filed(
    covering: Archive, series: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = series(3, False)
    store_all(covering, objects)
    lose_rows(covering, objects[1:])
    forget_the_process(covering)
    with monkeypatch.context() as patch:
        patch.setattr(LocalObjects, "_check_room", _no_room)
        with pytest.raises(NoSpace):
            covering.intake.file_left()
    assert covering.intake.file_left() == 2
    assert [whole(covering, ds) for ds in objects] == [[dataset_bytes(ds)] for ds in objects]


def _no_room(_: LocalObjects) -> None:
    raise NoSpace("full")


def test_only_the_rest_of_a_stream_commits_without_waiting(
    covering: Archive, series: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    real = store.IngestPipeline.send_instance

    def noting(self: store.IngestPipeline, *values: Any, soon: bool, early: bool) -> None:
        asked.append(soon)
        real(self, *values, soon=soon, early=early)

    monkeypatch.setattr(store.IngestPipeline, "send_instance", noting)
    objects = series(4, False)
    store_all(covering, objects[:3])
    store_all(covering, objects[3:])  # the record of the next transfer waits for the disk
    assert asked == [True, True, False]


def test_names_are_written_down_where_objects_come_in_and_nowhere_else(
    clean_database: Database, tmp_path: Path, decoder: Decoder
) -> None:
    made = opened(clean_database, tmp_path, decoder)
    try:
        made.objects.create().abort()
        made.objects._maker.join(1)
        assert not (tmp_path / "redo").exists()
        with made.intake.transfer(ADMIN, received_from="CT1"):
            while made.objects._ready:
                made.objects.create().abort()
            made.objects.create().abort()
            made.objects._maker.join(1)
        assert list((tmp_path / "redo").rglob("names-*"))
    finally:
        made.close()
    assert list((tmp_path / "redo").iterdir()) == []


def test_without_an_attribute_on_the_file_the_rows_wait(
    covering: Archive, series: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: Any) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "setxattr", unsupported)
    store_all(covering, series(5, True))
    assert covering.intake.redo._filed == {}


def test_the_log_begins_anew_and_old_records_count_for_nothing(tmp_path: Path) -> None:
    segment = redo_module._Segment(tmp_path / "log-0")
    path = tmp_path / "log-0"
    try:
        for number in range(3):
            content = bytes([number]) * 700
            offset = segment.reserve(f"ab/{number}", content)
            assert offset is not None
            if number != 1:  # one never got so far
                segment.write(offset, Covered(f"ab/{number}", 7, content, segment, offset))
        assert list(redo_module._records(path.read_bytes())) == [
            Left("ab/0", 7, bytes(700)),
            Left("ab/2", 7, b"\2" * 700),
        ]
        segment.begin()
        assert list(redo_module._records(path.read_bytes())) == []
        offset = segment.reserve("ab/3", b"x")
        assert offset is not None
        segment.write(offset, Covered("ab/3", 8, b"x", segment, offset))
        assert list(redo_module._records(path.read_bytes())) == [Left("ab/3", 8, b"x")]
        assert segment.reserve("ab/4", bytes(redo_module._SEGMENT_BYTES)) is None
    finally:
        segment.close()


@given(st.integers(0, 400_000))
def test_the_plain_size_follows_from_the_sealed_one(size: int) -> None:
    assert plain_size(sealed_size(size)) == size


@given(st.integers(0, 200_000))
def test_no_size_is_made_up(stored: int) -> None:
    try:
        size = plain_size(stored)
    except Damaged:
        return
    assert sealed_size(size) == stored


@pytest.mark.parametrize("large", [False, True])
def test_what_a_disk_takes_piece_by_piece_is_there_whole_after_a_kill(
    clean_database: Database,
    series: Any,
    large: bool,
    tmp_path: Path,
    decoder: Decoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # write(2) may take less than it is given, of a record or of a list of names too.
    monkeypatch.setattr(Redo, "_run", lambda self: self._make_segments())
    monkeypatch.setattr(Settler, "_run", lambda _: None)
    objects = series(4, large)
    with taken_in_part("short", 0) as fired:
        before = opened(clean_database, tmp_path, decoder)
        before.intake.redo.start()
        before.intake.redo._thread.join()
        store_all(before, objects[:2])
        if large:
            before.objects._maker.join(1)
        store_all(before, objects[2:])
        lose_rows(before, objects[3:])
        forget_the_process(before)
        after = opened(clean_database, tmp_path, decoder)
        try:
            after.recover()
            assert [whole(after, ds) for ds in objects] == [[dataset_bytes(ds)] for ds in objects]
        finally:
            after.close()
            before.close()
    assert fired
