"""Small objects wait beside their rows until they are in the store: there from the first instant, and only once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydicom
import pytest
from sqlalchemy import func, select, text

from archive_fixtures import dataset_bytes
from wetread.archive.ingest import Settler, Transfer
from wetread.archive.jobs import prepare_study
from wetread.archive.model import FreshObject, StoredObject
from wetread.archive.objects import NoSpace
from wetread.archive.service import Archive, StoreResult, instances_for_retrieve
from wetread.archive.store import is_ingest_before
from wetread.kit import limits
from wetread.security.service import Actor

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


@pytest.fixture
def lazy(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive that moves nothing to the store by itself."""
    monkeypatch.setattr(Settler, "_run", lambda _: None)
    return archive


def fresh(archive: Archive) -> list[tuple[str, bytes]]:
    with archive.offices.database.transaction() as session:
        return [
            (row[0], row[1]) for row in session.execute(select(FreshObject.location, FreshObject.content))
        ]


def files(archive: Archive) -> set[str]:
    return {
        f"{path.parent.name}/{path.name}"
        for path in archive.objects.root.rglob("*")
        if path.is_file() and path.stat().st_size
    }


def whole(archive: Archive, ds: pydicom.Dataset) -> bytes:
    with archive.offices.work(ADMIN) as work:
        (one,) = instances_for_retrieve(work, sop_instance_uids=[ds.SOPInstanceUID], destination="TEST")
        return b"".join(one.chunks())


def test_it_is_there_before_it_is_in_the_store_and_after(lazy: Archive, make_dicom: MakeDicom) -> None:
    first = make_dicom(PatientName="Canary^Ingrid")
    second = make_dicom(
        StudyInstanceUID=first.StudyInstanceUID,
        SeriesInstanceUID=first.SeriesInstanceUID,
        PatientName="Canary^Ingrid",
    )
    with lazy.intake.transfer(ADMIN, received_from="CT1") as transfer:
        assert [send(transfer, ds).outcome for ds in (first, second)] == ["stored"] * 2
    waiting = fresh(lazy)
    assert len(waiting) == 2
    assert files(lazy) == set()
    assert not any(b"Canary" in content or b"DICM" in content for _, content in waiting)
    assert [whole(lazy, ds) for ds in (first, second)] == [dataset_bytes(first), dataset_bytes(second)]
    lazy.intake.settler.settle()
    assert fresh(lazy) == []
    assert files(lazy) == {location for location, _ in waiting}
    assert [whole(lazy, ds) for ds in (first, second)] == [dataset_bytes(first), dataset_bytes(second)]


def test_what_a_killed_process_left_is_found(lazy: Archive, make_dicom: MakeDicom) -> None:
    ds = make_dicom()
    with lazy.intake.transfer(ADMIN, received_from="CT1") as transfer:
        send(transfer, ds)
    other = Settler(lazy.offices.database, lazy.vault)
    assert other.settle_left(older_than_s=3600) == 0
    assert other.settle_left() == 1
    assert fresh(lazy) == []
    lazy.intake.settler.settle()  # the one that was thought dead
    assert len(files(lazy)) == 1
    assert whole(lazy, ds) == dataset_bytes(ds)


@pytest.mark.parametrize("again", [True, False])
def test_nothing_is_kept_of_what_is_not_filed(lazy: Archive, make_dicom: MakeDicom, again: bool) -> None:
    ds = make_dicom()
    with lazy.intake.transfer(ADMIN, received_from="CT1") as transfer:
        send(transfer, ds)
        if not again:
            ds.PatientComments = "not the same"
        result = send(transfer, ds)
    assert result.outcome == ("duplicate" if again else "quarantined")
    assert len(fresh(lazy)) == 1
    # What waits for a person is in the store.
    assert len(files(lazy)) == (0 if again else 1)


def test_large_ones_are_files_at_once(lazy: Archive, make_dicom: MakeDicom) -> None:
    ds = make_dicom(Rows=256, Columns=256, PixelData=bytes(2 * 256 * 256))
    with lazy.intake.transfer(ADMIN, received_from="CT1") as transfer:
        send(transfer, ds)
    assert fresh(lazy) == []
    assert len(files(lazy)) == 1


def test_where_the_store_is_slow_small_ones_wait_for_it(
    lazy: Archive, make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_FRESH_BYTES_MAX", 1)
    with lazy.intake.transfer(ADMIN, received_from="CT1") as transfer:
        for _ in range(3):
            send(transfer, make_dicom())
    assert len(fresh(lazy)) == 1
    assert len(files(lazy)) == 2


def test_a_store_that_fails_loses_nothing(
    lazy: Archive, make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make_dicom()
    with lazy.intake.transfer(ADMIN, received_from="CT1") as transfer:
        send(transfer, ds)

    def full(_: Any) -> None:
        raise NoSpace("test")

    with monkeypatch.context() as patched:
        patched.setattr(lazy.objects, "put", full)
        with pytest.raises(NoSpace):
            lazy.intake.settler.settle()
    assert len(fresh(lazy)) == 1
    assert whole(lazy, ds) == dataset_bytes(ds)
    lazy.intake.settler.settle()
    assert (fresh(lazy), len(files(lazy))) == ([], 1)


def test_the_thread_moves_them_by_itself(archive: Archive, make_dicom: MakeDicom) -> None:
    with archive.intake.transfer(ADMIN, received_from="CT1") as transfer:
        send(transfer, make_dicom())
    archive.intake.settler.close()
    with archive.offices.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(FreshObject)) == 0
        location = session.scalars(select(StoredObject.location)).one()
    assert files(archive) == {location}


def test_preparation_lets_a_stream_of_objects_pass_but_not_for_ever(
    archive: Archive, make_dicom: MakeDicom
) -> None:
    objects = [make_dicom(InstanceNumber=number) for number in range(10)]
    for ds in objects:
        ds.StudyInstanceUID = objects[0].StudyInstanceUID

    def received(ages: list[str]) -> None:
        for ds, age in zip(objects, ages, strict=True):
            connection.execute(
                "UPDATE instance SET created_at = clock_timestamp() - CAST(%s AS interval) WHERE sop_instance_uid = %s",
                (age, ds.SOPInstanceUID),
            )

    with archive.intake.transfer(ADMIN, received_from="CT1") as transfer:
        assert {send(transfer, ds).outcome for ds in objects} == {"stored"}
    # Of the future, so that a slow machine changes nothing.
    with archive.offices.database.raw() as connection:
        (study_pk,) = connection.execute("SELECT study_pk FROM study").fetchone() or (0,)
        connection.execute("UPDATE study SET updated_at = clock_timestamp()")
        received(["-60 s"] * 10)
        assert is_ingest_before(connection, study_pk, 600)
        received(["2 s"] * 6 + ["-60 s"] * 4)  # a slow camera
        assert not is_ingest_before(connection, study_pk, 600)
        received(["-60 s"] * 10)
        connection.execute("UPDATE study SET updated_at = clock_timestamp() - interval '601 s'")
        assert not is_ingest_before(connection, study_pk, 600)
        assert not is_ingest_before(connection, study_pk + 1, 600)


def test_a_study_is_not_made_ready_while_objects_stream_in(archive: Archive, make_dicom: MakeDicom) -> None:
    first = make_dicom()
    with archive.intake.transfer(ADMIN, received_from="CT1") as transfer:
        for number in range(10):
            ds = make_dicom(StudyInstanceUID=first.StudyInstanceUID, InstanceNumber=number)
            assert send(transfer, ds).outcome == "stored"

    def prepare(after: str) -> tuple[int, int]:
        """(renditions there, runs that wait) after one run, beginning so long after the last object."""
        with archive.offices.work(ADMIN) as work:
            work.session.execute(
                text("UPDATE instance SET created_at = clock_timestamp() - CAST(:after AS interval)"),
                {"after": after},
            )
            study_pk = work.session.scalars(
                text("UPDATE study SET updated_at = now() RETURNING study_pk")
            ).one()
        with archive.offices.work(ADMIN) as work:
            prepare_study(work, study_pk)
        with archive.offices.database.transaction() as session:
            made = session.scalar(select(func.count()).where(StoredObject.role == "rendition"))
            waits = session.scalar(
                text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'archive.prepare_study'")
            )
            return made or 0, waits or 0

    assert prepare("-60 s") == (0, 1)  # of the future, so that a slow machine changes nothing
    assert prepare("60 s") == (10, 1)
