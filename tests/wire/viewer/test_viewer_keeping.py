"""What a reader leaves on a study is kept as standard objects, and other programs can read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from archive_fixtures import MakeDicom
from conftest import Api
from dicomweb_fixtures import Client, read
from wetread.archive.model import Study
from wetread.archive.service import Archive

DCIODVFY = Path(sys.executable).with_name("dciodvfy")


def complaints(data: bytes, tmp_path: Path) -> list[str]:
    """What dciodvfy calls an error."""
    file = tmp_path / "made.dcm"
    file.write_bytes(data)
    judged = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
    return [line for line in (judged.stdout + judged.stderr).splitlines() if line.startswith("Error")]


@pytest.fixture
def slices(store: Any, make_dicom: MakeDicom) -> list[pydicom.Dataset]:
    """Three slices of a CT."""
    study, series = generate_uid(), generate_uid()
    made = [
        make_dicom(
            StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=number, PatientName="Müller^Jörg"
        )
        for number in (1, 2, 3)
    ]
    for ds in made:
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.ImagePositionPatient = [0, 0, int(ds.InstanceNumber) * 5]
    assert all(result.status == 0 for result in store(*made))
    return made


def study_pk(archive: Archive, ds: pydicom.Dataset) -> int:
    with archive.offices.database.transaction() as session:
        return int(
            session.scalar(select(Study.study_pk).where(Study.study_instance_uid == ds.StudyInstanceUID)) or 0
        )


def findings(slices: list[pydicom.Dataset]) -> dict[str, Any]:
    image = {"sop_instance_uid": slices[1].SOPInstanceUID, "frame_number": 1}

    def one(name: str, shapes: list[Any], values: list[Any], comment: str | None = None) -> dict[str, Any]:
        return {
            "tracking_uid": generate_uid(), "tracking_identifier": name, "image": image, "shapes": shapes,
            "values": values, "comment": comment,
        }  # fmt: skip

    line = {"graphic_type": "POLYLINE", "points": [[10.5, 20.5], [60.5, 20.5]]}
    return {
        "measurements": [
            one("Length", [line], [{"concept": "length", "value": 33.1, "unit": "mm"}]),
            one(
                "Ellipse",
                [{"graphic_type": "ELLIPSE", "points": [[10, 30], [50, 30], [30, 20], [30, 40]]}],
                [
                    {"concept": "mean", "value": 41.25, "unit": "HU"},
                    {"concept": "area", "value": 275.0, "unit": "mm²"},
                ],
            ),
            one("Two diameters", [line, {"graphic_type": "POLYLINE", "points": [[30, 10], [30, 30]]}], [
                {"concept": "long", "value": 33.1, "unit": "mm"},
                {"concept": "short", "value": 13.2, "unit": "mm", "shape": 1},
            ]),
            one("Text", [{"graphic_type": "POINT", "points": [[5, 5]]}], [], "Größe unverändert"),
        ],
        "presentations": [
            {
                "images": [{"sop_instance_uid": ds.SOPInstanceUID, "frame_number": 1} for ds in slices],
                "area": [10, 10, 100, 110], "window": [40, 80], "rotation": 90, "flipped": True, "inverted": True,
                "spacing": [0.66, 0.66],
            }
        ],
        "key_images": [image],
    }  # fmt: skip


def test_findings_are_objects_of_the_study_that_dciodvfy_accepts(
    web: Api, archive: Archive, reader: Client, slices: list[pydicom.Dataset], tmp_path: Path
) -> None:
    radiologist = web.as_role("radiologist")
    answer = radiologist.post(
        f"/api/archive/studies/{study_pk(archive, slices[0])}/findings", json=findings(slices)
    )
    assert answer.status_code == 201, answer.text
    kinds = {}
    for one in answer.json()["documents"]:
        path = f"/studies/{slices[0].StudyInstanceUID}/series/{one['series_instance_uid']}/instances/{one['sop_instance_uid']}"
        data = reader.get(path, Accept="application/dicom; transfer-syntax=*").body
        ds = read(data)
        kinds[ds.Modality] = ds
        assert complaints(data, tmp_path) == [], ds.Modality
        assert str(ds.PatientName) == "Müller^Jörg"
        assert ds.PatientID == slices[0].PatientID
    assert set(kinds) == {"SR", "PR", "KO"}
    report = subprocess.run(["dsrdump", "-Er", "-"], input=b"", capture_output=True, check=False)
    assert report.returncode != 127
    measured = kinds["SR"].ContentSequence[-1].ContentSequence
    assert [group.ContentSequence[0].TextValue for group in measured] == [
        "Length",
        "Ellipse",
        "Two diameters",
        "Text",
    ]
    length = measured[0].ContentSequence[2]
    assert length.MeasuredValueSequence[0].NumericValue == pytest.approx(33.1)
    assert length.ContentSequence[0].GraphicData == pytest.approx([10.5, 20.5, 60.5, 20.5])
    assert (
        length.ContentSequence[0].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        == slices[1].SOPInstanceUID
    )
    state = kinds["PR"]
    assert (state.ImageRotation, state.ImageHorizontalFlip, state.PresentationLUTShape) == (
        90,
        "Y",
        "INVERSE",
    )
    assert len(state.GraphicAnnotationSequence) == 4


def test_a_picture_of_another_study_is_refused_and_nothing_is_kept(
    web: Api, archive: Archive, slices: list[pydicom.Dataset], make_dicom: MakeDicom, store: Any
) -> None:
    other = make_dicom(PatientID="P2")
    store(other)
    body = findings(slices)
    body["key_images"] = [{"sop_instance_uid": other.SOPInstanceUID, "frame_number": 1}]
    radiologist = web.as_role("radiologist")
    path = f"/api/archive/studies/{study_pk(archive, slices[0])}/findings"
    assert radiologist.post(path, json=body).status_code == 422
    body["key_images"] = [{"sop_instance_uid": slices[0].SOPInstanceUID, "frame_number": 2}]
    assert radiologist.post(path, json=body).status_code == 422
    assert radiologist.post(path, json={}).status_code == 422
    assert web.as_role("technologist").post(path, json=findings(slices)).status_code == 403
    with archive.offices.database.transaction() as session:
        kept = session.scalar(
            select(Study.modalities_in_study).where(Study.study_instance_uid == slices[0].StudyInstanceUID)
        )
    assert kept == ["CT"]
