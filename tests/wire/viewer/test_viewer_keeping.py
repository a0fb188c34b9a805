"""What a reader leaves on a study is kept as standard objects, and other programs can read them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
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
from wetread.security.model import User
from wetread.security.service import Actor, AuditEventID

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
expect.set_options(timeout=PATIENCE_MS)
SPACING_MM = 0.661468  # of pydicom's CT_small
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
    # Its window is one of Hounsfield units: whoever reads it has to know how the pixels become them.
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (1, -1024, "HU")


def test_pictures_of_other_values_get_a_state_of_their_own(
    web: Api, archive: Archive, reader: Client, make_dicom: MakeDicom, store: Any
) -> None:
    study, series = generate_uid(), generate_uid()
    slices = [
        make_dicom(
            StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=number, RescaleSlope=str(slope),
            RescaleIntercept="0",
        )
        for number, slope in enumerate((1, 0.5, 0.5), 1)
    ]  # fmt: skip
    assert all(result.status == 0 for result in store(*slices))
    body = {"presentations": findings(slices)["presentations"]}
    answer = web.as_role("radiologist").post(
        f"/api/archive/studies/{study_pk(archive, slices[0])}/findings", json=body
    )
    assert answer.status_code == 201, answer.text
    said = []
    for one in answer.json()["documents"]:
        path = f"/studies/{study}/series/{one['series_instance_uid']}/instances/{one['sop_instance_uid']}"
        state = read(reader.get(path, Accept="application/dicom; transfer-syntax=*").body)
        named = [
            item.ReferencedSOPInstanceUID
            for area in state.DisplayedAreaSelectionSequence
            for item in area.ReferencedImageSequence
        ]
        said.append((state.get("RescaleSlope"), named))
    assert said == [
        (None, [slices[0].SOPInstanceUID]),
        (0.5, [slices[1].SOPInstanceUID, slices[2].SOPInstanceUID]),
    ]


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


def draw_length(page: Page, below_the_middle: int = 0, pane: str = "a") -> str:
    """A length of 100 screen pixels, level, in a picture of 128 × 128 that fits its pane; what the list says of it."""
    box = page.get_by_test_id(f"canvas-{pane}").bounding_box()
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
    settled(page)
    words = listed(page).last.inner_text()
    across = 100 * 128 / min(box["width"], box["height"]) * SPACING_MM
    assert float(re.search(r"([\d.]+) mm", words)[1]) == pytest.approx(across, abs=0.06)
    return words


def settled(page: Page) -> None:
    """Waits until nothing in the list is still being drawn."""
    expect(listed(page).and_(page.locator("[aria-busy=true]"))).to_have_count(0)


def kept_reports(archive: Archive, reader: Client, study_instance_uid: str) -> list[pydicom.Dataset]:
    """The measurement reports of a study, the newest first."""
    found = reader.get(
        f"/studies/{study_instance_uid}/instances?Modality=SR", Accept="application/dicom+json"
    )
    if found.status == 204 or not found.body:
        return []
    reports = []
    for one in json.loads(found.body):
        series, instance = (one[tag]["Value"][0] for tag in ("0020000E", "00080018"))
        path = f"/studies/{study_instance_uid}/series/{series}/instances/{instance}"
        reports.append(read(reader.get(path, Accept="application/dicom; transfer-syntax=*").body))
    named = {
        item.ReferencedSOPInstanceUID
        for report in reports
        for study in report.get("PredecessorDocumentsSequence", [])
        for one in study.ReferencedSeriesSequence
        for item in one.ReferencedSOPSequence
    }
    return sorted(reports, key=lambda report: report.SOPInstanceUID in named)


def groups(report: pydicom.Dataset) -> list[pydicom.Dataset]:
    [measured] = [
        one for one in report.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "126010"
    ]
    return list(measured.get("ContentSequence", []))


def numbers(report: pydicom.Dataset) -> list[float]:
    """The lengths of a report as they are written, beside those of their shapes, which must be the same."""
    found = []
    for group in groups(report):
        for node in group.ContentSequence:
            if node.ValueType == "NUM":
                said = float(node.MeasuredValueSequence[0].NumericValue)
                x1, y1, x2, y2 = node.ContentSequence[0].GraphicData
                assert said == pytest.approx(np.hypot(x2 - x1, y2 - y1) * SPACING_MM, abs=1e-3)
                found.append(said)
    return found


def test_measurements_are_kept_and_are_there_when_the_study_is_opened_again(
    slices: list[pydicom.Dataset], open_case: OpenStudy, archive: Archive, reader: Client
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    panel = page.get_by_role("complementary", name="Measurements")
    expect(panel).to_contain_text("Nothing new to keep")
    said = draw_length(page)
    expect(panel).to_contain_text("Not kept yet")
    page.keyboard.press("Shift+K")
    expect(panel).to_contain_text("Nothing new to keep")
    [report] = kept_reports(archive, reader, slices[0].StudyInstanceUID)
    [kept] = numbers(report)
    assert float(re.search(r"([\d.]+) mm", said)[1]) == pytest.approx(kept, abs=0.06)

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
    settled(page)
    assert {listed(page).nth(0).inner_text(), listed(page).nth(1).inner_text()} == {said, other}


def test_a_row_says_that_it_is_being_drawn(slices: list[pydicom.Dataset], open_case: OpenStudy) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.press("l")
    page.mouse.move(x - 50, y)
    page.mouse.down()
    page.mouse.move(x, y, steps=3)
    expect(listed(page)).to_have_attribute("aria-busy", "true")
    page.mouse.move(x + 50, y, steps=3)
    page.wait_for_timeout(500)  # the hand rests, and does not let go
    expect(listed(page)).to_have_attribute("aria-busy", "true")
    page.mouse.up()
    expect(listed(page)).to_have_attribute("aria-busy", "false")


def test_what_was_kept_on_pictures_that_nobody_looked_at_since_is_kept_again(
    slices: list[pydicom.Dataset], open_case: OpenStudy, archive: Archive, reader: Client
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    page.keyboard.press("Shift+M")
    page.keyboard.press("Home")
    shown(page, sop_instance_uid=slices[0].SOPInstanceUID)
    first = draw_length(page)
    page.keyboard.press("Shift+K")
    expect(page.get_by_text("Kept in the archive")).to_be_visible()
    page.reload()
    shown(page)  # the middle of the three
    page.keyboard.press("q")
    expect(listed(page)).to_have_count(1)
    assert listed(page).inner_text() == first
    draw_length(page, 40)
    page.keyboard.press("Shift+K")
    expect(page.get_by_text("Kept in the archive: 2 measurements")).to_be_visible()
    newest, before = kept_reports(archive, reader, slices[0].StudyInstanceUID)
    assert len(numbers(newest)) == 2
    assert numbers(before)[0] in numbers(newest)


def test_removing_the_last_measurement_is_kept(
    slices: list[pydicom.Dataset], open_case: OpenStudy, archive: Archive, reader: Client, tmp_path: Path
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    panel = page.get_by_role("complementary", name="Measurements")
    page.keyboard.press("Shift+M")
    draw_length(page)
    page.keyboard.press("Shift+K")
    expect(panel).to_contain_text("Nothing new to keep")
    page.keyboard.press("e")
    expect(listed(page)).to_have_count(0)
    expect(panel).to_contain_text("Not kept yet")
    page.keyboard.press("Shift+K")
    expect(page.get_by_text("that no measurements stand")).to_be_visible()
    expect(panel).to_contain_text("Nothing new to keep")
    page.reload()
    shown(page)
    page.keyboard.press("q")
    expect(panel.get_by_role("button", name=re.compile("^Presentation"))).not_to_have_count(0)
    expect(panel).to_contain_text("Nothing new to keep")
    expect(listed(page)).to_have_count(0)
    expect(panel.get_by_role("button", name=re.compile("^Measurements"))).to_have_count(0)
    newest, before = kept_reports(archive, reader, slices[0].StudyInstanceUID)
    assert groups(newest) == []
    assert len(groups(before)) == 1
    file = io.BytesIO()
    newest.save_as(file)
    assert complaints(file.getvalue(), tmp_path) == []


def test_what_another_measured_stays_theirs_when_it_is_kept_again(
    web: Api, archive: Archive, reader: Client, slices: list[pydicom.Dataset], tmp_path: Path
) -> None:
    path = f"/api/archive/studies/{study_pk(archive, slices[0])}/findings"
    body = {"measurements": findings(slices)["measurements"][:2]}
    one, other = web.as_role("radiologist"), web.as_role("radiologist")
    with archive.offices.work(Actor.system("test")) as work:
        work.session.get_one(User, other.user_pk).display_name = "Weber^Ute"
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="user")
    [first] = one.post(path, json=body).json()["documents"]
    body["measurements"][1]["shapes"][0]["points"][0] = [12, 30]
    body["supersedes"] = [first["sop_instance_uid"]]
    answer = other.post(path, json=body)
    assert answer.status_code == 201, answer.text
    [newest, before] = kept_reports(archive, reader, slices[0].StudyInstanceUID)
    assert str(newest.AuthorObserverSequence[0].PersonName) == "Weber^Ute"
    whose = [
        [str(node.PersonName) for node in group.ContentSequence if node.ValueType == "PNAME"]
        for group in groups(newest)
    ]
    assert whose == [[str(before.AuthorObserverSequence[0].PersonName)], []]
    file = io.BytesIO()
    newest.save_as(file)
    assert complaints(file.getvalue(), tmp_path) == []
    # Only a report of measurements of this study can be superseded.
    body["supersedes"] = [slices[0].SOPInstanceUID]
    assert other.post(path, json=body).status_code == 422
    body["supersedes"] = [generate_uid()]
    assert other.post(path, json=body).status_code == 422


@pytest.fixture
def prior(store: Any, make_dicom: MakeDicom) -> pydicom.Dataset:
    """A CT of two years before."""
    ds = make_dicom(StudyDate="20021120", SeriesDate="20021120", PatientName="Müller^Jörg")
    ds.SpecificCharacterSet = "ISO_IR 192"
    assert store(ds)[0].status == 0
    return ds


def beside(page: Page, archive: Archive, study: pydicom.Dataset, prior: pydicom.Dataset) -> None:
    """Makes `prior` another study of the same patient, and hangs it in the second pane."""
    with archive.offices.work(Actor.system("test")) as work:
        found = {one.study_instance_uid: one for one in work.session.scalars(select(Study))}
        found[prior.StudyInstanceUID].patient_pk = found[study.StudyInstanceUID].patient_pk
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="study")
    page.reload()
    shown(page)
    shown(page, "b")
    page.keyboard.press("q")


def test_what_is_measured_on_a_prior_is_kept_on_the_prior(
    slices: list[pydicom.Dataset],
    prior: pydicom.Dataset,
    open_case: OpenStudy,
    archive: Archive,
    reader: Client,
) -> None:
    page = open_case(slices[0].StudyInstanceUID)
    panel = page.get_by_role("complementary", name="Measurements")
    page.keyboard.press("Shift+M")
    beside(page, archive, slices[0], prior)
    draw_length(page, 20, "a")
    draw_length(page, 40, "b")
    page.keyboard.press("Shift+K")
    expect(page.get_by_text("1 measurement on the prior")).to_be_visible()
    expect(panel).to_contain_text("Nothing new to keep")
    for ds in (slices[0], prior):
        [report] = kept_reports(archive, reader, ds.StudyInstanceUID)
        assert report.StudyInstanceUID == ds.StudyInstanceUID
        assert len(numbers(report)) == 1
    page.reload()
    shown(page, "b")
    page.keyboard.press("q")
    expect(listed(page)).to_have_count(2)
    expect(panel).to_contain_text("Nothing new to keep")

    # Leaving asks also for the prior's sake alone.
    draw_length(page, 60, "b")
    page.route(
        "**/findings", lambda route: route.fulfill(status=403, json={"title": "Denied", "status": 403})
    )
    page.get_by_role("button", name="Back to the list").click()
    question = page.get_by_role("dialog", name="The measurements are not kept")
    expect(question).to_contain_text("Also those on: PRIOR")
    expect(page.get_by_text(re.compile("The measurements on the prior .* were not kept"))).to_be_visible()
    question.get_by_role("button", name="Stay on the study").click()
    page.unroute("**/findings")
    page.get_by_role("button", name="Back to the list").click()
    page.wait_for_url("**/reading")
    assert len(numbers(kept_reports(archive, reader, prior.StudyInstanceUID)[0])) == 2
    assert len(kept_reports(archive, reader, slices[0].StudyInstanceUID)) == 1


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
