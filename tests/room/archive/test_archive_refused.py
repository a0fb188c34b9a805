"""What does not fit: another patient's objects, bad identifiers, cut objects, a full disk. Nothing is lost or guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydicom
import pytest
from sqlalchemy import func, select

from wetread.archive.model import Instance, Quarantine, Resolution, StoredObject, Study
from wetread.archive.service import Archive, Status, instances_for_retrieve, resolve_quarantine
from wetread.kit.errors import Conflict
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
