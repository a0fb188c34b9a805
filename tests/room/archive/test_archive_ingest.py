"""Taking in: what is acknowledged is there, bit-identical, once; what does not fit waits for a person."""

from __future__ import annotations

import hashlib
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from sqlalchemy import func, select, text

from archive_fixtures import dataset_bytes, package_file
from wetread.archive import store
from wetread.archive.events import StudyUpdated
from wetread.archive.model import (
    Instance,
    Quarantine,
    Resolution,
    Series,
    StoredObject,
    Study,
    StudyCorrection,
    StudyKey,
)
from wetread.archive.rules import InstanceRow
from wetread.archive.service import (
    Archive,
    Level,
    Status,
    correct_study,
    find,
    instances_for_retrieve,
    list_quarantine,
    resolve_quarantine,
)
from wetread.archive.store import IngestPipeline
from wetread.kit.db import Database
from wetread.kit.errors import Conflict
from wetread.security.service import Actor, FileMasterKey

Store = Callable[..., Any]
ADMIN = Actor.system("admin")


def scalar(archive: Archive, query: Any) -> Any:
    with archive.offices.database.transaction() as session:
        return session.scalar(query)


def rows(archive: Archive, query: Any) -> list[Any]:
    with archive.offices.database.transaction() as session:
        return list(session.execute(query).all())


def count(archive: Archive, model: Any) -> int:
    return int(scalar(archive, select(func.count()).select_from(model)))


def fetched(archive: Archive, sop_instance_uid: str) -> tuple[str, bytes]:
    with archive.offices.work(ADMIN) as work:
        (one,) = instances_for_retrieve(work, sop_instance_uids=[sop_instance_uid], destination="TEST")
        return one.transfer_syntax_uid, b"".join(one.chunks())


def events(archive: Archive, kind: str) -> list[dict[str, Any]]:
    with archive.offices.database.transaction() as session:
        rows = session.execute(
            text("SELECT keys FROM outbox_event WHERE kind = :kind ORDER BY outbox_event_pk"), {"kind": kind}
        )
        return [row[0] for row in rows]


def announced(ds: pydicom.Dataset) -> dict[str, str]:
    return {
        "sop_class_uid": ds.SOPClassUID,
        "sop_instance_uid": ds.SOPInstanceUID,
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    }


def audited(archive: Archive, event_id: str) -> int:
    return int(scalar(archive, text(f"SELECT count(*) FROM audit_record WHERE event_id = '{event_id}'")))


def test_a_series_is_kept_bit_identical_and_indexed(
    archive: Archive, make_dicom: Any, store: Store, as_dataset: Any
) -> None:
    study, series = generate_uid(), generate_uid()
    objects = [
        make_dicom(StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=number)
        for number in range(1, 6)
    ]
    results = store(*objects)
    assert [(one.status, one.outcome) for one in results] == [(Status.SUCCESS, "stored")] * 5
    for ds in objects:
        assert fetched(archive, ds.SOPInstanceUID) == ("1.2.840.10008.1.2.1", as_dataset(ds))
    row: Study = scalar(archive, select(Study))
    assert (row.patient_name, row.patient_id, row.issuer_of_patient_id) == ("Doe^Jane", "P1", "HOSPITAL")
    assert (row.number_of_study_related_series, row.number_of_study_related_instances) == (1, 5)
    assert row.modalities_in_study == ["CT"]
    assert row.sop_classes_in_study == ["1.2.840.10008.5.1.4.1.1.2"]
    stored: StoredObject = scalar(archive, select(StoredObject).limit(1))
    first = as_dataset(next(ds for ds in objects if stored.instance_pk))
    assert stored.frame_length == 128 * 128 * 2
    assert hashlib.sha256(first).digest() in {
        one for (one,) in rows(archive, select(StoredObject.dataset_sha256))
    }


def test_nothing_plain_is_at_rest(archive: Archive, make_dicom: Any, store: Store) -> None:
    store(make_dicom(PatientName="Canary^Ingrid"))
    files = [path for path in archive.objects.root.rglob("*") if path.is_file() and path.stat().st_size]
    assert len(files) == 1
    content = files[0].read_bytes()
    assert b"Canary" not in content
    assert b"DICM" not in content
    assert "1.2." not in files[0].name


def test_news_and_records_of_a_transfer(archive: Archive, make_dicom: Any, store: Store) -> None:
    study = generate_uid()
    store(*(make_dicom(StudyInstanceUID=study) for _ in range(3)))
    told = events(archive, StudyUpdated.kind)
    assert told[0]["first_image"] is True
    assert told[0]["study_instance_uid"] == study
    assert all(not one["first_image"] for one in told[1:])
    assert audited(archive, "110104") == 1  # one record of the study's transfer, not one an instance
    store(make_dicom(StudyInstanceUID=study))
    assert audited(archive, "110104") == 2


def test_the_same_again_is_one_instance(archive: Archive, make_dicom: Any, store: Store) -> None:
    ds = make_dicom()
    assert [one.outcome for one in store(ds, ds)] == ["stored", "duplicate"]
    (again,) = store(ds, as_files=True)
    assert (again.status, again.outcome) == (Status.SUCCESS, "duplicate")
    assert count(archive, Instance) == count(archive, StoredObject) == 1
    assert scalar(archive, select(Study.number_of_study_related_instances)) == 1


def test_eight_at_once_are_one_instance(archive: Archive, make_dicom: Any, store: Store) -> None:
    objects = [
        make_dicom(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4", SOPInstanceUID="1.2.3.4.5")
    ] * 8
    outcomes: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: outcomes.extend(result.outcome for result in store(one)))
        for one in objects
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["duplicate"] * 7 + ["stored"]
    assert count(archive, Study) == count(archive, Series) == count(archive, Instance) == 1


def test_parallel_associations_commit_together(archive: Archive, make_dicom: Any, store: Store) -> None:
    study = generate_uid()
    sets = [[make_dicom(StudyInstanceUID=study) for _ in range(1)] for _ in range(6)]
    sets = [
        [make_dicom(StudyInstanceUID=study, SeriesInstanceUID=one[0].SeriesInstanceUID) for _ in range(12)]
        for one in sets
    ]
    threads = [threading.Thread(target=lambda one=one: store(*one)) for one in sets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row: Study = scalar(archive, select(Study))
    assert (row.number_of_study_related_series, row.number_of_study_related_instances) == (6, 72)
    assert count(archive, Instance) == 72


@pytest.fixture
def two_pipelines(archive: Archive) -> Iterator[tuple[IngestPipeline, IngestPipeline]]:
    """The connections on which two processes file."""
    made = IngestPipeline(archive.offices.database.url), IngestPipeline(archive.offices.database.url)
    yield made
    for one in made:
        one.close()


def has_counted(archive: Archive, pipeline: IngestPipeline) -> bool:
    """Whether its transaction, which is still open, has changed a study."""
    held = text(
        "SELECT count(*) FROM pg_locks WHERE pid = :pid AND relation = 'study'::regclass AND mode = 'RowExclusiveLock'"
    )
    return bool(scalar(archive, held.bindparams(pid=pipeline._link.backend_pid)))


@pytest.mark.parametrize("early", [False, True])
def test_processes_that_file_of_the_same_studies_do_not_lock_each_other_out(
    archive: Archive,
    make_dicom: Any,
    store: Store,
    two_pipelines: tuple[IngestPipeline, IngestPipeline],
    early: bool,
) -> None:
    known = [make_dicom(), make_dicom()]
    store(*known)
    places = rows(archive, select(Instance.study_pk, Instance.series_pk).order_by(Instance.instance_pk))
    key_pk = scalar(archive, select(func.min(StudyKey.study_key_pk)))

    def send(pipeline: IngestPipeline, place: Any, *, alone: bool) -> None:
        uid = generate_uid()
        pipeline.send_instance(
            *place, InstanceRow(
                uid, CTImageStorage, *(1, 1, 64, 64, 16, 1), "MONOCHROME2", *(None,) * 4, f"00/{uid[-40:]}", key_pk, 1000, b"h" * 32,
                ExplicitVRLittleEndian, 300, None, None, None,
            ), None, soon=False, early=alone,
        )  # fmt: skip

    one, other = two_pipelines
    # One may count at once, and has the first study until its commit; the other then counts with its own.
    send(one, places[0], alone=early)
    while early and not has_counted(archive, one):
        time.sleep(0.01)
    send(other, places[1], alone=False)
    send(other, places[0], alone=early)
    if not early:
        send(one, places[1], alone=False)
    # Whoever ends first does not wait for the one that is still under way.
    first, last = (one, other) if early else (other, one)
    assert {row[0] for row in first.commit()} == {b"stored"}
    assert {row[0] for row in last.commit()} == {b"stored"}
    counted = rows(archive, select(Study.number_of_study_related_instances).order_by(Study.study_pk))
    assert [row[0] for row in counted] == ([3, 2] if early else [3, 3])
    assert [
        row[0]
        for row in rows(archive, select(Series.number_of_series_related_instances).order_by(Series.series_pk))
    ] == [row[0] for row in counted]


def test_two_processes_that_begin_a_study_keep_both_keys(
    archive: Archive, make_dicom: Any, store: Store, as_dataset: Any
) -> None:
    other = Archive(
        archive.offices.database, archive.offices, archive.objects, FileMasterKey(b"m" * 32), decoder=None
    )
    study, series = generate_uid(), generate_uid()
    sets = [make_dicom(StudyInstanceUID=study, SeriesInstanceUID=series) for _ in range(4)]
    with (
        archive.intake.transfer(ADMIN, received_from="CT1") as one,
        other.intake.transfer(ADMIN, received_from="STOW") as another,
    ):
        coming = [
            (transfer.object(**announced(ds)), as_dataset(ds))
            for transfer, ds in zip((one, another, one, another), sets, strict=True)
        ]
        for incoming, data in coming:  # all are sealed before any key is kept
            incoming.write(data)
        assert [incoming.commit().outcome for incoming, _ in coming] == ["stored"] * 4
    other.intake.close()
    other.decoder.close()
    assert scalar(archive, select(func.count()).where(StudyKey.study_instance_uid == study)) == 2
    archive.vault.forget_keys()
    for ds in sets:
        assert fetched(archive, ds.SOPInstanceUID)[1] == as_dataset(ds)


def test_a_key_is_kept_with_the_first_object_that_is(
    archive: Archive, make_dicom: Any, store: Store, as_dataset: Any
) -> None:
    study = generate_uid()
    lost, kept = (make_dicom(StudyInstanceUID=study) for _ in range(2))
    with archive.intake.transfer(ADMIN, received_from="CT1") as transfer:
        incoming = transfer.object(**announced(lost))
        incoming.write(as_dataset(lost))
        incoming.abort()
    assert count(archive, StudyKey) == 0
    store(kept)
    assert count(archive, StudyKey) == 1
    assert fetched(archive, kept.SOPInstanceUID)[1] == as_dataset(kept)


def test_what_is_quarantined_first_has_its_key(archive: Archive, make_dicom: Any, store: Store) -> None:
    ds = make_dicom()
    cut = dataset_bytes(ds)[:-5000]
    with archive.intake.transfer(ADMIN, received_from="CT1") as transfer:
        incoming = transfer.object(**announced(ds))
        incoming.write(cut)
        assert incoming.commit().outcome == "quarantined"
    (location, key_pk, size) = rows(
        archive, select(StoredObject.location, StoredObject.study_key_pk, StoredObject.size_bytes)
    )[0]
    sealed = scalar(archive, select(StudyKey.sealed_key).where(StudyKey.study_key_pk == key_pk))
    archive.vault.forget_keys()
    with archive.vault.open(location, key_pk, sealed, size) as reader:
        assert bytes(reader.read(0, size)).endswith(cut)


def test_each_association_is_recorded_though_another_began_the_study(
    archive: Archive, make_dicom: Any, store: Store
) -> None:
    study, series = generate_uid(), generate_uid()
    for sender in ("CT1", "CT2", "CT3"):
        store(make_dicom(StudyInstanceUID=study, SeriesInstanceUID=series), sender=sender)
    begun = [
        detail["from"]
        for (detail,) in rows(
            archive,
            text("SELECT detail FROM audit_record WHERE event_id = '110102' ORDER BY audit_record_pk"),
        )
    ]
    assert begun == ["CT1", "CT2", "CT3"]
    assert audited(archive, "110104") == 3


def test_other_content_under_a_known_uid_waits_in_quarantine(
    archive: Archive, make_dicom: Any, store: Store, as_dataset: Any
) -> None:
    first = make_dicom()
    other = make_dicom(
        StudyInstanceUID=first.StudyInstanceUID,
        SeriesInstanceUID=first.SeriesInstanceUID,
        SOPInstanceUID=first.SOPInstanceUID,
        PixelData=bytes(128 * 128 * 2),
    )
    store(first)
    (result,) = store(other)
    assert (result.status, result.outcome) == (Status.COERCED, "quarantined")
    assert fetched(archive, first.SOPInstanceUID)[1] == as_dataset(first)
    with archive.offices.work(ADMIN) as work:
        (waiting,) = list_quarantine(work).items
        assert (waiting.reason, waiting.sop_instance_uid) == ("content-differs", first.SOPInstanceUID)
    with archive.offices.work(ADMIN) as work:
        resolve_quarantine(
            work, archive, waiting.quarantine_pk, Resolution.ACCEPTED, reason="corrected by the modality"
        )
    assert fetched(archive, first.SOPInstanceUID)[1] == as_dataset(other)
    roles = {
        row[0]: row[1]
        for row in rows(archive, select(StoredObject.role, func.count()).group_by(StoredObject.role))
    }
    assert roles == {"original": 1, "superseded": 1}  # both are kept
    with archive.offices.work(ADMIN) as work, pytest.raises(Conflict):
        work.audited = 1
        resolve_quarantine(work, archive, waiting.quarantine_pk, Resolution.DISCARDED, reason="again")


def test_a_series_under_another_study_waits(archive: Archive, make_dicom: Any, store: Store) -> None:
    first = make_dicom()
    store(first)
    (result,) = store(make_dicom(SeriesInstanceUID=first.SeriesInstanceUID))
    assert result.outcome == "quarantined"
    assert scalar(archive, select(Quarantine.reason)) == "series-moved"


def test_deflated_objects_are_indexed(archive: Archive, store: Store) -> None:
    data = package_file("image_dfl.dcm").read_bytes()
    (result,) = store(data)
    assert result.outcome == "stored"
    _, out = fetched(archive, result.sop_instance_uid)
    assert zlib.decompress(out, -15)


def test_corrections_are_laid_over_and_kept_apart(
    archive: Archive, make_dicom: Any, store: Store, as_dataset: Any
) -> None:
    ds = make_dicom(AccessionNumber="WRONG")
    store(ds)
    study_pk = scalar(archive, select(Study.study_pk))
    with archive.offices.work(ADMIN) as work:
        correct_study(
            work,
            study_pk,
            {
                "PatientName": "Müller^Łucja=山田^花子",
                "PatientID": "P9",
                "AccessionNumber": "A77",
                "PatientBirthDate": "19700102",
            },
            reason="reconciled",
        )
    _, data = fetched(archive, ds.SOPInstanceUID)
    out = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data), force=True)
    assert (str(out.PatientName), out.PatientID, out.AccessionNumber) == (
        "Müller^Łucja=山田^花子",
        "P9",
        "A77",
    )
    (trace,) = out.OriginalAttributesSequence
    assert trace.ReasonForTheAttributeModification == "CORRECT"
    assert str(trace.ModifiedAttributesSequence[0].PatientName) == "Doe^Jane"
    assert out.PixelData == ds.PixelData
    with archive.offices.work(ADMIN) as work:
        for keys in ({"PatientName": "muller*"}, {"PatientName": "山田^花子"}, {"AccessionNumber": "A77"}):
            assert len(find(work, Level.STUDY, keys).items) == 1, keys
        assert find(work, Level.STUDY, {"AccessionNumber": "WRONG"}).items == []
        assert count(archive, StudyCorrection) == 1
    stored_hash = scalar(archive, select(StoredObject.dataset_sha256))
    assert stored_hash == hashlib.sha256(as_dataset(ds)).digest()
    # A late object under the received or the corrected identifier still joins the study.
    for patient_id in ("P1", "P9"):
        (late,) = store(make_dicom(StudyInstanceUID=ds.StudyInstanceUID, PatientID=patient_id))
        assert late.outcome == "stored"


@pytest.mark.parametrize(
    ("keys", "hits"),
    [
        ({}, 4),
        ({"PatientName": "doe*"}, 2),
        ({"PatientName": "DOE^JANE"}, 1),
        ({"PatientName": "ozturk^*"}, 1),
        ({"PatientName": "ozturk^*"}, 1),
        ({"PatientName": "山田*"}, 1),
        ({"PatientID": "_1"}, 0),
        ({"PatientID": "A_1"}, 1),
        ({"PatientID": "A?1"}, 2),
        ({"StudyDate": "20260101-20260201"}, 2),
        ({"StudyDate": "20260301-"}, 1),
        ({"StudyTime": "0900-1000"}, 1),
        ({"ModalitiesInStudy": "MR"}, 1),
        ({"Modality": "CT\\MR"}, 4),
        ({"StudyInstanceUID": "1.1\\1.3\\9.9"}, 2),
        ({"NumberOfStudyRelatedInstances": "1"}, 4),
    ],
)
def test_finding(archive: Archive, make_dicom: Any, store: Store, keys: dict[str, str], hits: int) -> None:
    rows = [
        ("1.1", "Doe^Jane", "A_1", "20260115", "093000", "CT"),
        ("1.2", "Doe^John", "AX1", "20260201", "120000", "CT"),
        ("1.3", "Öztürk^Can", "B1", "20260301", "230000.5", "MR"),
        ("1.4", "Yamada^Tarou=山田^太郎=やまだ^たろう", "C1", "", "", "CT"),
    ]
    store(
        *(
            make_dicom(
                SpecificCharacterSet="ISO_IR 192",
                StudyInstanceUID=uid, PatientName=name, PatientID=patient_id, StudyDate=day, StudyTime=clock, Modality=modality,
            )
            for uid, name, patient_id, day, clock, modality in rows
        )
    )  # fmt: skip
    with archive.offices.work(ADMIN) as work:
        found = find(work, Level.STUDY, keys)
        assert len(found.items) == hits
        if not keys:
            # Newest first, those without a date last.
            assert [item["0020000D"]["Value"][0] for item in found.items] == ["1.3", "1.2", "1.1", "1.4"]
            page = find(work, Level.STUDY, keys, limit=2, offset=1)
            assert [item["0020000D"]["Value"][0] for item in page.items] == ["1.2", "1.1"]
            assert found.items[3]["00100010"]["Value"] == [
                {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
            ]


def test_a_database_that_hangs_is_given_up(clean_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SILENT_S_MAX", 0.2)
    pipeline = store.IngestPipeline(clean_database.url)
    pipeline._link.send_query_params(b"SELECT pg_sleep(3)", None)
    pipeline._answered.append(False)
    with pytest.raises(psycopg.OperationalError, match="silent"):
        pipeline.commit()
    assert not pipeline.usable
    pipeline.close()
