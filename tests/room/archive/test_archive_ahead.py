"""Rows of large objects are committed while their files are still being synced: whatever fails then, what was acknowledged
is there whole, and what was not is not there at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydicom
import pytest
from sqlalchemy import select

from archive_fixtures import dataset_bytes
from wetread.archive.ingest import Settler, Transfer
from wetread.archive.model import FreshObject, Instance, Series, StoredObject, Study
from wetread.archive.objects import LocalObjects, LocalWriter, NoSpace
from wetread.archive.service import Archive, StoreResult, instances_for_retrieve
from wetread.security.model import AuditRecord
from wetread.security.service import Actor

ADMIN = Actor.system("test")
MakeDicom = Callable[..., pydicom.Dataset]


@pytest.fixture
def lazy(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive that removes no mark by itself."""
    monkeypatch.setattr(Settler, "_run", lambda _: None)
    return archive


@pytest.fixture
def slices(make_dicom: MakeDicom) -> list[pydicom.Dataset]:
    """Three large images of one series."""
    first = make_dicom(Rows=256, Columns=256, PixelData=bytes(2 * 256 * 256))
    others = [
        make_dicom(
            StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID,
            Rows=256, Columns=256, PixelData=bytes([number]) * (2 * 256 * 256),
        )
        for number in (1, 2)
    ]  # fmt: skip
    return [first, *others]


def send(transfer: Transfer, ds: pydicom.Dataset) -> StoreResult:
    incoming = transfer.object(
        sop_class_uid=ds.SOPClassUID, sop_instance_uid=ds.SOPInstanceUID, transfer_syntax_uid="1.2.840.10008.1.2.1"
    )  # fmt: skip
    incoming.write(dataset_bytes(ds))
    return incoming.commit()


def sent(archive: Archive, *slices: pydicom.Dataset) -> list[str]:
    with archive.intake.transfer(ADMIN, received_from="CT1") as transfer:
        return [send(transfer, ds).outcome for ds in slices]


def marks(archive: Archive) -> list[str]:
    with archive.offices.database.transaction() as session:
        return list(session.scalars(select(FreshObject.location).where(FreshObject.content.is_(None))))


def counted(archive: Archive) -> tuple[int, int, int]:
    """Images by the study's count, by the series', and by their rows."""
    with archive.offices.database.transaction() as session:
        return (
            session.scalars(select(Study.number_of_study_related_instances)).one(),
            session.scalars(select(Series.number_of_series_related_instances)).one(),
            len(session.scalars(select(Instance.instance_pk)).all()),
        )


def location_of(archive: Archive, ds: pydicom.Dataset) -> str:
    with archive.offices.database.transaction() as session:
        return session.scalars(
            select(StoredObject.location)
            .join(Instance, Instance.instance_pk == StoredObject.instance_pk)
            .where(Instance.sop_instance_uid == ds.SOPInstanceUID)
        ).one()


def whole(archive: Archive, ds: pydicom.Dataset) -> bytes:
    with archive.offices.work(ADMIN) as work:
        (one,) = instances_for_retrieve(work, sop_instance_uids=[ds.SOPInstanceUID], destination="TEST")
        return b"".join(one.chunks())


def test_a_mark_goes_with_the_rows_and_goes_away_again(lazy: Archive, slices: list[pydicom.Dataset]) -> None:
    assert sent(lazy, *slices) == ["stored"] * 3
    # The first of a study is durable before its rows.
    assert set(marks(lazy)) == {location_of(lazy, ds) for ds in slices[1:]}
    assert [whole(lazy, ds) for ds in slices] == [dataset_bytes(ds) for ds in slices]
    lazy.intake.settler.settle()
    assert marks(lazy) == []
    assert [whole(lazy, ds) for ds in slices] == [dataset_bytes(ds) for ds in slices]


def test_what_the_disk_does_not_keep_is_refused_and_not_there(
    lazy: Archive, slices: list[pydicom.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(writer: LocalWriter) -> None:
        writer.abort()
        raise NoSpace("test")

    with lazy.intake.transfer(ADMIN, received_from="CT1") as transfer:
        assert send(transfer, slices[0]).outcome == "stored"
        with monkeypatch.context() as patched:
            patched.setattr(LocalWriter, "commit", broken)
            refused = send(transfer, slices[1])
        assert (refused.outcome, int(refused.status)) == ("refused", 0xA700)
        assert counted(lazy) == (1, 1, 1)
        assert marks(lazy) == []
        assert send(transfer, slices[1]).outcome == "stored"
    assert counted(lazy) == (2, 2, 2)
    assert whole(lazy, slices[1]) == dataset_bytes(slices[1])


def spoil(objects: Any, location: str, how: str) -> None:
    assert isinstance(objects, LocalObjects)
    path = objects.root / location
    if how == "gone":
        path.unlink()
    elif how == "cut":
        with path.open("r+b") as file:
            file.truncate(40_000)
    elif how == "zeros":  # as a file system leaves what it had no time to write
        path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("how", ["whole", "gone", "cut", "zeros"])
def test_after_a_power_cut_only_what_is_whole_stays(
    lazy: Archive, slices: list[pydicom.Dataset], how: str
) -> None:
    assert sent(lazy, *slices) == ["stored"] * 3
    lost = location_of(lazy, slices[2])
    spoil(lazy.objects, lost, how)
    assert Settler(lazy.offices.database, lazy.vault).settle_left() == 2
    assert marks(lazy) == []
    kept = slices if how == "whole" else slices[:2]
    assert counted(lazy) == (len(kept),) * 3
    assert [whole(lazy, ds) for ds in kept] == [dataset_bytes(ds) for ds in kept]
    with lazy.offices.database.transaction() as session:
        told = session.scalars(
            select(AuditRecord.study_instance_uid).where(AuditRecord.object_type == "object not kept")
        ).all()
    assert list(told) == ([] if how == "whole" else [slices[2].StudyInstanceUID])
    # Who had no answer sends it again.
    assert sent(lazy, slices[2]) == ["duplicate" if how == "whole" else "stored"]
    assert counted(lazy) == (3, 3, 3)
    assert whole(lazy, slices[2]) == dataset_bytes(slices[2])


def test_what_came_again_has_no_mark_of_its_own(lazy: Archive, slices: list[pydicom.Dataset]) -> None:
    assert sent(lazy, slices[0], slices[1], slices[1]) == ["stored", "stored", "duplicate"]
    assert marks(lazy) == [location_of(lazy, slices[1])]
