"""Exporting: file-sets judged by DCMTK and dciodvfy, what goes out without names, who may, and the record of it."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid
from sqlalchemy import select

from archive_fixtures import (
    MakeDicom,
    Store,
    archive,
    as_dataset,
    as_file,
    decoder,
    make_dicom,
    package_file,
    store,
    study_of,
    web,
)
from common import Api
from wetread.archive.model import Study
from wetread.archive.service import Archive, correct_study
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, AuditEventID
from wetread.sharing.exports import use_export_policy
from wetread.sharing.exports_rules import ExportPolicy
from wetread.sharing.zipping import ZipStream

__all__ = ["archive", "as_dataset", "as_file", "decoder", "make_dicom", "store", "web"]

DCIODVFY = Path(sys.executable).with_name("dciodvfy")
IDENTITY = (b"Doe", b"Jane", b"P1-SECRET", b"HOSPITAL", b"A1-SECRET", b"19700102")


def mixed_study(make_dicom: MakeDicom, **attributes: Any) -> list[Dataset]:
    """A study of what file-sets find hard: two series of CT, JPEG 2000, an SR and a picture with writing in it."""
    who = {
        "PatientID": "P1-SECRET",
        "PatientBirthDate": "19700102",
        "AccessionNumber": "A1-SECRET",
        **attributes,
    }
    slices = study_of(make_dicom, 3, 2, **who)
    study = slices[0].StudyInstanceUID
    others = []
    for name in ("693_J2KI.dcm", "test-SR.dcm", "examples_jpeg2k.dcm"):
        ds = pydicom.dcmread(package_file(name))
        ds.PatientName, ds.IssuerOfPatientID = "Doe^Jane", "HOSPITAL"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, generate_uid(), generate_uid()
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        for keyword, value in who.items():
            setattr(ds, keyword, value)
        others.append(ds)
    return [*slices, *others]


def asked(study: str, **how: Any) -> dict[str, Any]:
    return {"identified": True, "scopes": [{"study_instance_uid": study}], **how}


def unzipped(content: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def said(*command: str | Path, fails: bool = False) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert fails or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def exports(archive: Archive) -> list[AuditRecord]:
    with archive.offices.database.transaction() as session:
        found = session.scalars(
            select(AuditRecord)
            .where(AuditRecord.event_id == AuditEventID.EXPORT)
            .order_by(AuditRecord.audit_record_pk)
        ).all()
        session.expunge_all()
        return list(found)


def test_a_study_leaves_as_a_file_set_that_others_read(
    web: Api, archive: Archive, make_dicom: MakeDicom, store: Store, tmp_path: Path
) -> None:
    objects = mixed_study(make_dicom)
    assert all(result.status == 0 for result in store(*objects, as_files=True))
    study = str(objects[0].StudyInstanceUID)
    with archive.offices.work(Actor.system("test")) as work:
        study_pk = work.session.scalar(select(Study.study_pk).where(Study.study_instance_uid == study))
        assert study_pk is not None
        correct_study(work, study_pk, {"PatientName": "Dœ^Jané"}, reason="misspelt")
    reader = web.as_role("radiologist")
    told = reader.post("/api/exports/dicom/estimate", json=asked(study)).json()
    assert told["number_of_instances"] == 8
    answer = reader.post("/api/exports/dicom", json=asked(study))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    folder = unzipped(answer.content, tmp_path / "out")

    # DCMTK reads it, dciodvfy finds no fault with it, and pydicom walks it from the first record to the last.
    dump = said("dcmdump", folder / "DICOMDIR")
    assert dump.count("DirectoryRecordType") == 8 + 1 + 1 + 5
    assert "# 8, 1 PatientName" not in dump
    verdict = said("dciodvfy", folder / "DICOMDIR", fails=True)
    assert "Error" not in verdict, verdict
    walked = FileSet(pydicom.dcmread(folder / "DICOMDIR"))
    assert {str(one.SOPInstanceUID) for one in walked} == {str(one.SOPInstanceUID) for one in objects}
    for one in walked:
        ds = pydicom.dcmread(one.path)
        assert ds.SOPInstanceUID == one.ReferencedSOPInstanceUIDInFile
        assert ds.file_meta.TransferSyntaxUID == one.ReferencedTransferSyntaxUIDInFile
        assert str(ds.PatientName) == "Dœ^Jané"
        sent = next(other for other in objects if other.SOPInstanceUID == ds.SOPInstanceUID)
        if "PixelData" in sent:
            assert ds.PixelData == sent.PixelData
    # Paths of PS3.10 8.2, and no name in them.
    for path in folder.rglob("*"):
        for part in path.relative_to(folder).parts:
            assert len(part.partition(".")[0]) <= 8
            assert part == part.upper()
    assert "COMPLETE" not in (folder / "README.TXT").read_text("ascii")

    (recorded,) = exports(archive)
    assert recorded.study_instance_uid == study
    assert recorded.patient_pk is not None or recorded.object_type == "study"
    assert recorded.user_id == reader.username
    assert recorded.detail == {"form": "dicom", "media": "110037", "identified": "yes", "instances": "8"}


def test_an_uncompressed_file_set_is_taken_by_dcmtk_as_a_general_purpose_disc(
    web: Api, make_dicom: MakeDicom, store: Store, tmp_path: Path
) -> None:
    objects = [one for one in mixed_study(make_dicom) if one.Modality != "SR"]
    store(*objects, as_files=True)
    study = str(objects[0].StudyInstanceUID)
    answer = web.as_role("technologist").post("/api/exports/dicom", json=asked(study, uncompressed=True))
    folder = unzipped(answer.content, tmp_path / "out")
    files = sorted(str(path.relative_to(folder)) for path in (folder / "DICOM").rglob("IM*"))
    assert len(files) == 7
    for path in files:
        assert pydicom.dcmread(folder / path).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    # STD-GEN-CD (PS3.11 D): DCMTK makes its own directory of the same files under that profile, and it agrees with ours.
    said("dcmmkdir", "-Pgp", "+I", "-nb", "+id", folder, "+D", tmp_path / "THEIRS", *files)
    ours, theirs = (pydicom.dcmread(path) for path in (folder / "DICOMDIR", tmp_path / "THEIRS"))

    def leaves(directory: Dataset) -> set[tuple[str, str, str]]:
        return {
            (
                record.DirectoryRecordType,
                record.ReferencedSOPInstanceUIDInFile,
                "/".join(record.ReferencedFileID),
            )
            for record in directory.DirectoryRecordSequence
            if "ReferencedFileID" in record
        }

    assert leaves(ours) == leaves(theirs)


def test_without_patient_data_nothing_says_who_it_is(
    web: Api, archive: Archive, make_dicom: MakeDicom, store: Store, tmp_path: Path
) -> None:
    objects = mixed_study(make_dicom)
    store(*objects, as_files=True)
    study = str(objects[0].StudyInstanceUID)
    reader = web.as_role("radiologist")
    told = reader.post("/api/exports/dicom/estimate", json=asked(study, identified=False)).json()
    # The ultrasound says nothing of writing, and its kind often has some; the report cannot be cleaned.
    assert (told["burned_in"], told["held_back"]) == (1, 1)
    made = [
        unzipped(
            reader.post(
                "/api/exports/dicom", json=asked(study, identified=False, burned_in_accepted=accepted)
            ).content,
            tmp_path / str(accepted),
        )
        for accepted in (False, True)
    ]
    assert [len(list((folder / "DICOM").rglob("IM*"))) for folder in made] == [6, 7]
    for folder, held_back in zip(made, (2, 1), strict=True):
        assert f"Held back: {held_back} objects" in (folder / "README.TXT").read_text("ascii")
        for path in folder.rglob("*"):
            if path.is_file():
                found = [word for word in IDENTITY if word in path.read_bytes()]
                assert found == [], path
        assert study.encode() not in (folder / "DICOMDIR").read_bytes()
        assert "Error" not in said("dciodvfy", folder / "DICOMDIR", fails=True)
        first = pydicom.dcmread(next((folder / "DICOM").rglob("IM*")))
        assert first.PatientIdentityRemoved == "YES"
    slices = [pydicom.dcmread(path) for path in (made[1] / "DICOM" / "SE000001").iterdir()]
    assert len({one.SeriesInstanceUID for one in slices}) == 1
    sent = np.stack([one.pixel_array for one in objects[:3]])
    assert np.array_equal(np.stack([one.pixel_array for one in slices]), sent)
    # Two exports cannot be joined by their pseudonyms.
    ids = [pydicom.dcmread(next((folder / "DICOM").rglob("IM*"))).PatientID for folder in made]
    assert ids[0] != ids[1]
    assert [one.detail["identified"] for one in exports(archive) if one.detail] == ["no", "no"]


def test_what_cannot_be_cleaned_is_not_given_as_an_empty_disc(
    web: Api, archive: Archive, make_dicom: MakeDicom, store: Store
) -> None:
    burned = make_dicom(BurnedInAnnotation="YES")
    store(burned)
    reader = web.as_role("radiologist")
    study = str(burned.StudyInstanceUID)
    assert reader.post("/api/exports/dicom", json=asked(study, identified=False)).status_code == 409
    picture = {**asked(study, identified=False), "form": "png", "number_of_pictures": 1}
    refused = reader.post("/api/exports/pictures", json=picture)
    assert refused.status_code == 409
    assert "writing" in refused.json()["detail"]
    assert exports(archive) == []
    taken = reader.post("/api/exports/pictures", json={**picture, "burned_in_accepted": True})
    assert taken.status_code == 201
    (recorded,) = exports(archive)
    assert recorded.detail is not None
    assert recorded.detail["burned_in_accepted"] == "yes"


def test_pictures_are_recorded_before_they_are_made(
    web: Api, archive: Archive, make_dicom: MakeDicom, store: Store
) -> None:
    first, second, third = study_of(make_dicom, 3)
    store(first, second, third)
    body = {
        "form": "print",
        "identified": True,
        "number_of_pictures": 2,
        "scopes": [
            {
                "study_instance_uid": str(first.StudyInstanceUID),
                "series_instance_uid": str(first.SeriesInstanceUID),
                "sop_instance_uids": [str(first.SOPInstanceUID), str(second.SOPInstanceUID)],
            }
        ],
    }
    reader = web.as_role("radiologist")
    assert reader.post("/api/exports/pictures", json=body).status_code == 201
    (recorded,) = exports(archive)
    assert recorded.event_action_code == "R"
    assert recorded.detail == {
        "form": "print",
        "media": "110038",
        "identified": "yes",
        "instances": "2",
        "pictures": "2",
        "series_instance_uid": str(first.SeriesInstanceUID),
    }
    body["scopes"][0]["sop_instance_uids"].append("1.2.3.4")
    assert reader.post("/api/exports/pictures", json=body).status_code == 404
    assert len(exports(archive)) == 1


def test_who_may_export(web: Api, archive: Archive, make_dicom: MakeDicom, store: Store) -> None:
    ct = make_dicom()
    store(ct)
    study = str(ct.StudyInstanceUID)
    picture = {**asked(study), "form": "png", "number_of_pictures": 1}

    def answers(client: Api) -> list[int]:
        return [
            client.post("/api/exports/pictures", json=picture).status_code,
            client.post("/api/exports/dicom/estimate", json=asked(study)).status_code,
            client.post("/api/exports/dicom", json=asked(study)).status_code,
        ]

    for role in ("front_desk", "referrer", "biller", "manager", "admin"):
        client = web.as_role(role)
        assert answers(client) == [403, 403, 403], role
        assert client.get("/api/exports/rights").json() == {"may_export": False}, role
    assert exports(archive) == []
    for role in ("radiologist", "technologist"):
        assert answers(web.as_role(role)) == [201, 200, 200], role
    # Where the house lets referrers, it is what they see of their own patients: this is none of theirs.
    use_export_policy(ExportPolicy(referrers=True))
    try:
        referrer = web.as_role("referrer")
        assert referrer.get("/api/exports/rights").json() == {"may_export": True}
        assert answers(referrer) == [404, 404, 404]
    finally:
        use_export_policy(ExportPolicy())


def test_a_disc_is_of_one_patient(web: Api, archive: Archive, make_dicom: MakeDicom, store: Store) -> None:
    one, other = make_dicom(), make_dicom(PatientID="P2", PatientName="Roe^Ann")
    store(one, other)
    scopes = [{"study_instance_uid": str(each.StudyInstanceUID)} for each in (one, other)]
    answer = web.as_role("radiologist").post(
        "/api/exports/dicom", json={"identified": True, "scopes": scopes}
    )
    assert answer.status_code == 422
    assert exports(archive) == []


def test_an_archive_is_made_in_pieces(tmp_path: Path) -> None:
    piece = os.urandom(1 << 20)
    stream = ZipStream(datetime(2026, 11, 26, tzinfo=UTC))
    written, largest = 0, 0
    with (tmp_path / "big.zip").open("wb") as out:

        def send(made: Any) -> None:
            nonlocal written, largest
            for one in made:
                largest = max(largest, len(one))
                written += out.write(one)

        for number in range(4):
            send(stream.file(f"IM{number}", (piece for _ in range(16)), compress=number % 2 == 1))
        send(stream.end())
    assert written > 64 << 20
    assert largest < 3 << 20
    with zipfile.ZipFile(tmp_path / "big.zip") as made:
        assert made.testzip() is None
        assert [one.file_size for one in made.infolist()] == [16 << 20] * 4


def test_a_plane_leaves_as_an_object_that_says_where_it_lies(
    web: Api, archive: Archive, make_dicom: MakeDicom, store: Store, tmp_path: Path
) -> None:
    space, series = generate_uid(), generate_uid()
    slices = [
        make_dicom(
            StudyInstanceUID="1.2.826.0.1.77", SeriesInstanceUID=series, FrameOfReferenceUID=space, PatientName="Doe^Jane",
            BodyPartExamined="HEAD",
            ImagePositionPatient=[0, 0, 3 * at], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
        for at in range(3)
    ]  # fmt: skip
    store(*slices)
    grey = bytes(range(240)) * 5
    plane = {
        "scope": {"study_instance_uid": "1.2.826.0.1.77", "series_instance_uid": series},
        "rows": 30, "columns": 40, "samples": 1, "pixels": base64.b64encode(zlib.compress(grey)).decode(),
        "place": {"position": [-1.5, 2.25, 7], "orientation": [[0, 1, 0], [0.6, 0, -0.8]], "spacing": [0.5, 0.5]},
        "drawn": "mip", "thickness": 10, "description": "Sagittal, MIP 10 mm", "identified": True,
    }  # fmt: skip
    radiologist = web.as_role("radiologist")

    def made(**change: Any) -> Any:
        return radiologist.post("/api/exports/capture", json={**plane, **change})

    for change in ({}, {"samples": 3, "columns": 20, "rows": 20}, {"identified": False}):
        answer = made(**change)
        assert answer.status_code == 200, answer.text
        file = tmp_path / "plane.dcm"
        file.write_bytes(answer.content)
        judged = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
        assert [
            line for line in (judged.stdout + judged.stderr).splitlines() if line.startswith("Error")
        ] == []
        ds = pydicom.dcmread(file)
        assert bytes(ds.PixelData) == grey
        assert (ds.ImagePositionPatient, ds.PixelSpacing) == ([-1.5, 2.25, 7], [0.5, 0.5])
        assert ds.ImageOrientationPatient == [0, 1, 0, 0.6, 0, -0.8]
        assert ds.DerivationCodeSequence[0].CodeMeaning == "Maximum intensity projection"
        named = [one.ReferencedSOPInstanceUID for one in ds.SourceImageSequence]
        if change.get("identified", True):
            assert (ds.PatientName, ds.FrameOfReferenceUID) == ("Doe^Jane", space)
            assert sorted(named) == sorted(one.SOPInstanceUID for one in slices)
            assert ds.StudyInstanceUID == "1.2.826.0.1.77"
        else:
            assert ds.PatientIdentityRemoved == "YES"
            for told in (
                b"Doe",
                space.encode(),
                series.encode(),
                *(one.SOPInstanceUID.encode() for one in slices),
            ):
                assert told not in answer.content
    assert [one.detail["identified"] for one in exports(archive)] == ["yes", "yes", "no"]
    # The body lies nowhere: nothing can be measured on it.
    ds = pydicom.dcmread(io.BytesIO(made(drawn="volume", place=None, thickness=None).content))
    assert ds.DerivationCodeSequence[0].CodeMeaning == "Volume rendering"
    assert bytes(ds.PixelData) == grey
    assert not {"ImagePositionPatient", "PixelSpacing", "FrameOfReferenceUID"} & set(ds.dir())
    # What would be no picture, or lie nowhere, is not made; nor what one may not see.
    assert made(rows=31).status_code == 422
    assert made(pixels="AAAA").status_code == 422
    assert made(place={**plane["place"], "orientation": [[0, 1, 0], [0, 1, 0]]}).status_code == 422
    assert made(place=None).status_code == 422
    assert made(drawn="volume").status_code == 422
    assert made(scope={**plane["scope"], "study_instance_uid": "1.2.3"}).status_code == 404
    assert web.as_role("biller").post("/api/exports/capture", json=plane).status_code == 403
