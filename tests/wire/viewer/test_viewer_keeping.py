"""What a reader leaves on a study is kept as standard objects, and other programs can read them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest
from playwright.sync_api import Locator, Page, expect
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


# In the browser


def listed(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Measurements").locator("ol > li")


def letters(page: Page) -> list[str]:
    return [
        page.locator(f"[data-pane=a] [data-edge={edge}]").inner_text()
        for edge in ("top", "right", "bottom", "left")
    ]


def draw_length(page: Page, below_the_middle: int = 0) -> str:
    """A length of 100 screen pixels; what the list says of it."""
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + below_the_middle
    before = listed(page).count()
    page.keyboard.press("l")
    page.mouse.move(x - 50, y)
    page.mouse.down()
    page.mouse.move(x, y, steps=3)
    page.mouse.move(x + 50, y, steps=3)
    page.mouse.up()
    expect(listed(page)).to_have_count(before + 1)
    expect(listed(page).last).to_contain_text(" mm")
    return listed(page).last.inner_text()


def test_measurements_are_kept_and_are_there_when_the_study_is_opened_again(
    slices: list[pydicom.Dataset], open_case: OpenStudy
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    panel = page.get_by_role("complementary", name="Measurements")
    expect(panel).to_contain_text("Nothing new to keep")
    said = draw_length(page)
    expect(panel).to_contain_text("Not kept yet")
    page.keyboard.press("Shift+K")
    expect(panel).to_contain_text("Nothing new to keep")

    page.reload()
    shown(page)
    page.keyboard.press("q")
    expect(panel.get_by_role("button", name=re.compile("^Measurements"))).to_have_count(1)
    expect(panel.get_by_role("button", name=re.compile("^Presentation"))).to_have_count(1)
    expect(listed(page)).to_have_count(1)
    expect(listed(page)).to_contain_text(" mm")
    assert listed(page).inner_text() == said
    expect(panel).to_contain_text("Nothing new to keep")

    # What was not kept by hand is kept on leaving, before the screen changes.
    other = draw_length(page, 40)
    page.get_by_role("button", name="Back to the list").click()
    page.wait_for_url("**/reading")
    page.go_back()
    shown(page)
    expect(listed(page)).to_have_count(2)
    expect(listed(page).last).to_contain_text(" mm")
    assert {listed(page).nth(0).inner_text(), listed(page).nth(1).inner_text()} == {said, other}


def test_leaving_asks_where_the_archive_does_not_take_the_work(
    slices: list[pydicom.Dataset], open_case: OpenStudy
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    draw_length(page)
    page.route("**/findings", lambda route: route.abort())
    page.get_by_role("button", name="Back to the list").click()
    question = page.get_by_role("dialog", name="The measurements are not kept")
    question.get_by_role("button", name="Stay on the study").click()
    expect(listed(page)).to_have_count(1)
    page.unroute("**/findings")
    page.get_by_role("button", name="Back to the list").click()
    page.wait_for_url("**/reading")


def test_a_presentation_is_applied_as_it_was_kept(
    slices: list[pydicom.Dataset], open_case: OpenStudy
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    pane, panel = page.locator("[data-pane=a]"), page.get_by_role("complementary", name="Measurements")
    for key in ("3", ">", "h", "+", "+"):
        page.keyboard.press(key)
    corner = pane.locator("[class*=bottomLeft]")
    expect(corner).to_contain_text("Zoom 144 %")
    edges = letters(page)
    window = re.search(r"W [\d.]+ · C -?[\d.]+", corner.inner_text())[0]
    page.keyboard.press("Shift+K")
    expect(page.get_by_text("Kept in the archive")).to_be_visible()
    page.reload()
    shown(page)
    page.keyboard.press("q")
    expect(corner).to_contain_text("Zoom 100 %")
    assert letters(page) != edges
    panel.get_by_role("button", name=re.compile("^Presentation")).click()
    expect(corner).to_contain_text(window)
    expect(pane.locator("[data-edge=top]")).to_have_text(edges[0])
    assert letters(page) == edges
    zoom = float(re.search(r"Zoom (\d+) %", corner.inner_text())[1])
    # To whole pixels of the picture.
    assert zoom == pytest.approx(144, abs=4)


def test_measurements_go_into_the_report_by_one_key(
    slices: list[pydicom.Dataset], open_case: OpenStudy
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    words = re.search(r"[\d.]+ mm", draw_length(page))[0]
    page.keyboard.press("Shift+I")
    page.keyboard.press("q")
    expect(page.get_by_role("textbox", name="Findings")).to_contain_text(f"Length: {words} (series")
