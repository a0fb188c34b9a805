"""What is measured on a plane of no picture is kept by its place in the patient, and is there again on that plane."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from playwright.sync_api import Page, expect
from pydicom.uid import generate_uid
from sqlalchemy import select

from archive_fixtures import MakeDicom
from common import Api
from dicomweb_fixtures import Client, read
from viewer_fixtures import PATIENCE_MS, OpenStudy, shown
from wetread.archive.model import Study
from wetread.archive.service import Archive

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
expect.set_options(timeout=PATIENCE_MS)
SPACING_MM, STEP_MM, SLICES = 0.661468, 4.0, 16  # of pydicom's CT_small
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
DCIODVFY = Path(sys.executable).with_name("dciodvfy")


@pytest.fixture
def slices(store: Any, make_dicom: MakeDicom) -> list[pydicom.Dataset]:
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    made = [
        make_dicom(StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=number)
        for number in range(1, SLICES + 1)
    ]
    for at, ds in enumerate(made):
        ds.ImagePositionPatient, ds.FrameOfReferenceUID = [0, 0, at * STEP_MM], frame
    assert all(result.status == 0 for result in store(*made))
    return made


def report_of(reader: Client, study_instance_uid: str, tmp_path: Path) -> pydicom.Dataset:
    """The one report of the study, which dciodvfy and DCMTK must be able to read."""
    found = reader.get(
        f"/studies/{study_instance_uid}/instances?Modality=SR", Accept="application/dicom+json"
    )
    [one] = json.loads(found.body)
    series, instance = (one[tag]["Value"][0] for tag in ("0020000E", "00080018"))
    path = f"/studies/{study_instance_uid}/series/{series}/instances/{instance}"
    data = reader.get(path, Accept="application/dicom; transfer-syntax=*").body
    file = tmp_path / "made.dcm"
    file.write_bytes(data)
    judged = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
    said = (judged.stdout + judged.stderr).splitlines()
    assert [line for line in said if line.startswith("Error")] == []
    dump = subprocess.run(["dsrdump", file], capture_output=True, text=True, check=False)
    assert dump.returncode == 0, dump.stderr
    assert "SCOORD3D" in dump.stdout
    return read(data)


def open_planes(page: Page) -> None:
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    page.wait_for_timeout(500)


def millimetres_a_pixel(page: Page, plane: str) -> float:
    bar = page.locator(f"[data-plane={plane}] [class*=scale]")
    words, width = bar.evaluate("bar => [bar.innerText, bar.getBoundingClientRect().width]")
    length, unit = re.fullmatch(r"([\d.]+) (cm|mm)", words).groups()
    return float(length) * (10 if unit == "cm" else 1) / float(width)


def test_a_length_on_a_plane_is_kept_in_the_patient_and_drawn_there_again(
    slices: list[pydicom.Dataset], open_case: OpenStudy, reader: Client, tmp_path: Path
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    panel = page.get_by_role("complementary", name="Measurements")
    row = panel.locator("ol > li")
    open_planes(page)
    box = page.get_by_test_id("plane-sagittal").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    scale = millimetres_a_pixel(page, "sagittal")
    page.keyboard.press("l")
    page.mouse.move(x - 60, y + 11)
    page.mouse.down()
    page.mouse.move(x, y, steps=3)
    page.mouse.move(x + 40, y - 14, steps=3)
    page.mouse.up()
    expect(row).to_have_count(1)
    expect(row).to_contain_text("On a plane · near")
    expect(row).to_contain_text(" mm")
    expect(row.and_(page.locator("[aria-busy=true]"))).to_have_count(0)
    expect(panel).to_contain_text("Not kept yet")
    words = row.inner_text()
    page.keyboard.press("Shift+K")
    expect(panel).to_contain_text("Nothing new to keep")

    report = report_of(reader, slices[0].StudyInstanceUID, tmp_path)
    assert report.SOPClassUID == COMPREHENSIVE_3D_SR
    measured = report.ContentSequence[-1].ContentSequence[0].ContentSequence
    [number] = [node for node in measured if node.ValueType == "NUM"]
    place, source = number.ContentSequence
    assert (place.ValueType, place.GraphicType) == ("SCOORD3D", "POLYLINE")
    assert place.ReferencedFrameOfReferenceUID == slices[0].FrameOfReferenceUID
    # To the right of the screen is back, up is head; the plane goes through the middle of the volume.
    middle = np.array([63.5 * SPACING_MM, 63.5 * SPACING_MM, (SLICES - 1) / 2 * STEP_MM])
    points = np.array(place.GraphicData).reshape(2, 3)
    assert points[:, 0] == pytest.approx(middle[0], abs=0.5)
    assert points[0, 1:] - middle[1:] == pytest.approx([-60 * scale, -11 * scale], abs=0.5)
    assert points[1, 1:] - middle[1:] == pytest.approx([40 * scale, 14 * scale], abs=0.5)
    length = float(number.MeasuredValueSequence[0].NumericValue)
    assert length == pytest.approx(float(np.linalg.norm(points[1] - points[0])), abs=0.01)
    assert f"{length:.1f} mm" in words
    # It names the slice that is nearest to its first end.
    named = source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    nearest = min(slices, key=lambda ds: abs(float(ds.ImagePositionPatient[2]) - points[0, 2]))
    assert named == nearest.SOPInstanceUID

    page.reload()
    shown(page)
    page.keyboard.press("q")
    expect(row).to_have_count(1)
    assert row.inner_text() == words
    expect(panel).to_contain_text("Nothing new to keep")
    open_planes(page)
    drawing = page.get_by_test_id("plane-sagittal").locator("svg text")
    expect(drawing.filter(has_text=f"{length:.1f} mm")).to_be_visible()
    # Not on the other planes, nor on slices beside it.
    for plane in ("axial", "coronal"):
        expect(page.get_by_test_id(f"plane-{plane}").locator("svg text", has_text="mm")).to_have_count(0)
    page.get_by_test_id("plane-sagittal").hover()
    page.mouse.wheel(0, 400)
    expect(drawing.filter(has_text=" mm")).to_have_count(0)
    # Its row brings it back.
    row.get_by_role("button").first.click()
    expect(drawing.filter(has_text=f"{length:.1f} mm")).to_be_visible()
    expect(panel).to_contain_text("Nothing new to keep")
    assert row.inner_text() == words


def test_a_place_in_another_frame_of_reference_is_refused(
    slices: list[pydicom.Dataset], web: Api, archive: Archive
) -> None:
    with archive.offices.database.transaction() as session:
        study_pk = session.scalar(
            select(Study.study_pk).where(Study.study_instance_uid == slices[0].StudyInstanceUID)
        )
    space = {
        "frame_of_reference_uid": slices[0].FrameOfReferenceUID, "view_plane_normal": [1, 0, 0], "view_up": [0, 0, 1],
        "shapes": [{"graphic_type": "POLYLINE", "points": [[1, 2, 3], [1, 12, 3]]}],
    }  # fmt: skip
    one = {
        "tracking_uid": generate_uid(), "tracking_identifier": "Length", "space": space,
        "image": {"sop_instance_uid": slices[0].SOPInstanceUID, "frame_number": 1},
        "values": [{"concept": "length", "value": 10, "unit": "mm"}],
    }  # fmt: skip
    radiologist = web.as_role("radiologist")

    def post(**change: Any) -> int:
        body = {"measurements": [{**one, **change}]}
        return int(radiologist.post(f"/api/archive/studies/{study_pk}/findings", json=body).status_code)

    assert post(space={**space, "frame_of_reference_uid": generate_uid()}) == 422
    assert post(space=None) == 422
    assert post(shapes=[{"graphic_type": "POINT", "points": [[1, 2]]}]) == 422
    assert post(values=[{**one["values"][0], "shape": 1}]) == 422
    assert post() == 201
