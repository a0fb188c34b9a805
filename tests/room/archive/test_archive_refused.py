"""What does not fit: another patient's objects, bad identifiers, cut objects, a full disk. Nothing is lost or guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import func, select

from archive_fixtures import PACKAGE_FILES
from wetread.archive.jobs import remove_orphans
from wetread.archive.model import Instance, Quarantine, Resolution, StoredObject, Study
from wetread.archive.objects import LocalWriter, NoSpace, StoreUnavailable
from wetread.archive.service import Archive, Status, instances_for_retrieve, resolve_quarantine
from wetread.kit.errors import Conflict, Invalid
from wetread.security.service import Actor

Store = Callable[..., Any]
ADMIN = Actor.system("admin")


def scalar(archive: Archive, query: Any) -> Any:
    with archive.offices.database.transaction() as session:
        return session.scalar(query)


def count(archive: Archive, model: Any) -> int:
    return int(scalar(archive, select(func.count()).select_from(model)))


def fetched(archive: Archive, sop_instance_uid: str) -> bytes:
    with archive.offices.work(ADMIN) as work:
        (one,) = instances_for_retrieve(work, sop_instance_uids=[sop_instance_uid], destination="TEST")
        return b"".join(one.chunks())


def resolve(archive: Archive, quarantine_pk: int, resolution: Resolution, reason: str) -> None:
    with archive.offices.work(ADMIN) as work:
        resolve_quarantine(work, archive, quarantine_pk, resolution, reason=reason)


def test_another_patient_is_never_put_under_a_study(archive: Archive, make_dicom: Any, store: Store) -> None:
    first = make_dicom()
    store(first)
    stranger = make_dicom(StudyInstanceUID=first.StudyInstanceUID, PatientID="P2", PatientName="Roe^Richard")
    (result,) = store(stranger)
    assert (result.status, result.outcome) == (Status.COERCED, "quarantined")
    assert count(archive, Instance) == 1
    with pytest.raises(Conflict, match="still cannot be filed"):
        resolve(archive, result.quarantine_pk, Resolution.RETRIED, "try")
    resolve(archive, result.quarantine_pk, Resolution.ACCEPTED, "same person, typed wrong")
    out = pydicom.dcmread(
        pydicom.filebase.DicomBytesIO(fetched(archive, stranger.SOPInstanceUID)), force=True
    )
    assert (str(out.PatientName), out.PatientID) == ("Doe^Jane", "P1")
    assert out.OriginalAttributesSequence[-1].ModifiedAttributesSequence[0].PatientID == "P2"
    # The next object of that other patient is still not let in.
    (again,) = store(make_dicom(StudyInstanceUID=first.StudyInstanceUID, PatientID="P2"))
    assert again.outcome == "quarantined"


def test_an_object_is_filed_by_a_retry_once_the_cause_is_gone(
    archive: Archive, make_dicom: Any, store: Store
) -> None:
    first = make_dicom()
    store(first)
    moved = make_dicom(SeriesInstanceUID=first.SeriesInstanceUID)
    (result,) = store(moved)
    assert result.outcome == "quarantined"
    with archive.offices.database.transaction() as session:
        session.delete(
            session.scalars(select(Study).where(Study.study_instance_uid == first.StudyInstanceUID)).one()
        )
    resolve(archive, result.quarantine_pk, Resolution.RETRIED, "the wrong study was removed")
    assert scalar(archive, select(Instance.sop_instance_uid)) == moved.SOPInstanceUID
    assert scalar(archive, select(Quarantine.resolution)) == "retried"
    assert count(archive, StoredObject) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"StudyInstanceUID": None}, "missing-uid"),
        ({"SOPInstanceUID": "1." + "2" * 64}, "bad-uid"),
        ({"SeriesInstanceUID": "../../../tmp/x"}, "bad-uid"),
    ],
)
def test_bad_identifiers_are_kept_aside(
    archive: Archive, make_dicom: Any, store: Store, change: dict[str, Any], reason: str
) -> None:
    with pydicom.config.disable_value_validation():
        (result,) = store(make_dicom(**change))
    assert (result.status, result.outcome) == (Status.NOT_OF_SOP_CLASS, "quarantined")
    row: Quarantine = scalar(archive, select(Quarantine))
    assert (row.reason, row.patient_name) == (reason, "Doe^Jane")
    assert count(archive, Study) == 0


@pytest.mark.parametrize("cut", [10, 200, 1500, 5000, 20000])
def test_a_truncated_object_is_kept_aside(
    archive: Archive, make_dicom: Any, store: Store, as_file: Any, cut: int
) -> None:
    (result,) = store(as_file(make_dicom())[:cut])
    assert result.outcome == "quarantined"
    assert not result.status.kept
    assert scalar(archive, select(Quarantine.reason)) in ("truncated", "unreadable")
    assert count(archive, Study) == 0
    with pytest.raises(Invalid):
        resolve(archive, result.quarantine_pk, Resolution.DISCARDED, " ")
    with pytest.raises(Conflict):
        resolve(archive, result.quarantine_pk, Resolution.ACCEPTED, "please")
    resolve(archive, result.quarantine_pk, Resolution.DISCARDED, "sent again")
    assert count(archive, StoredObject) == 0
    archive.objects.close()
    with archive.offices.work(ADMIN) as work:
        assert remove_orphans(work, older_than_s=-1) == 1


def test_an_empty_object_is_refused(archive: Archive, store: Store) -> None:
    (result,) = store(b"")
    assert not result.status.kept
    assert count(archive, Study) == 0


def test_the_message_and_the_data_set_must_name_the_same_object(
    archive: Archive, make_dicom: Any, as_dataset: Any
) -> None:
    ds = make_dicom()
    with archive.intake.transfer(ADMIN, received_from="X") as transfer:
        incoming = transfer.object(
            sop_class_uid=ds.SOPClassUID,
            sop_instance_uid="1.2.3.4",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
        )
        incoming.write(as_dataset(ds))
        result = incoming.commit()
    assert result.status == Status.NOT_OF_SOP_CLASS
    assert scalar(archive, select(Quarantine.reason)) == "uid-mismatch"


LARGE = {"Rows": 256, "Columns": 256, "PixelData": bytes(2 * 256 * 256)}  # too large to wait beside its rows


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (NoSpace("2 GB are kept free"), "no room in the store: 2 GB are kept free"),
        (StoreUnavailable("store far does not answer"), "store far does not answer"),
    ],
)
def test_a_full_store_or_one_out_of_reach_is_said_and_leaves_nothing(
    archive: Archive,
    make_dicom: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    fault: NoSpace,
    said: str,
) -> None:
    def full() -> None:
        raise fault

    monkeypatch.setattr(archive.objects, "create", full)
    monkeypatch.setattr(archive.objects, "new_location", full)
    for ds in (make_dicom(), make_dicom(**LARGE)):
        (result,) = store(ds)
        assert (result.status, result.outcome) == (Status.OUT_OF_RESOURCES, "refused")
        assert result.detail == said
    assert count(archive, Study) == count(archive, Quarantine) == 0


def test_a_failing_fsync_is_no_success(
    archive: Archive, make_dicom: Any, as_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: LocalWriter) -> None:
        self.abort()
        raise NoSpace("the disk is gone")

    study, series = generate_uid(), generate_uid()
    with archive.intake.transfer(ADMIN, received_from="X") as transfer:

        def send() -> Status:
            incoming = transfer.file()
            incoming.write(as_file(make_dicom(StudyInstanceUID=study, SeriesInstanceUID=series, **LARGE)))
            return incoming.commit().status

        # The second object goes the way of the group commit.
        assert [send(), send()] == [Status.SUCCESS] * 2
        with monkeypatch.context() as patched:
            patched.setattr(LocalWriter, "commit", fails)
            assert send() == Status.OUT_OF_RESOURCES
        assert send() == Status.SUCCESS
    assert count(archive, Instance) == 3
    assert scalar(archive, select(Study.number_of_study_related_instances)) == 3


def test_an_aborted_object_leaves_nothing(archive: Archive, make_dicom: Any, as_dataset: Any) -> None:
    ds = make_dicom()
    transfer = archive.intake.transfer(ADMIN, received_from="X")
    incoming = transfer.object(
        sop_class_uid=ds.SOPClassUID,
        sop_instance_uid=ds.SOPInstanceUID,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    incoming.write(as_dataset(ds)[:20000])
    incoming.abort()
    transfer.close()
    assert count(archive, Study) == 0
    root: Path = archive.objects.root
    assert [path for path in root.rglob("*") if path.is_file() and path.stat().st_size] == []


def test_pydicoms_own_files_are_kept_as_they_are(archive: Archive, store: Store) -> None:
    """Every syntax and many oddities: those stored come out with the data set they came with."""
    kept = 0
    for path in sorted(PACKAGE_FILES.glob("*.dcm")):
        data = path.read_bytes()
        if not 200 < len(data) < 1_000_000:
            continue
        (result,) = store(data)
        assert result.outcome in ("stored", "duplicate", "quarantined"), (path, result)
        if result.outcome == "stored":
            assert data.endswith(fetched(archive, result.sop_instance_uid)), path
            kept += 1
    assert kept > 30  # many share their identifiers and wait in quarantine
