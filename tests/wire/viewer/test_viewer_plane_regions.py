"""Regions and points on planes hold the values of the patient: oblique, through a tilted gantry's slices, in a slab, of a PET.

The phantom's value rises evenly along a direction of the patient, so that a region's mean is the value at its middle and
a slab's peak that at its surface, wherever they lie and however the plane is turned.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage, generate_uid
from scipy import ndimage

import viewer_pictures as pictures
from dicomweb_fixtures import Client, read
from viewer_fixtures import PATIENCE_MS, OpenStudy, shown

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
DCIODVFY = Path(sys.executable).with_name("dciodvfy")
SIZE, PIXEL_MM, STEP_MM, SLICES = 80, 1.0, 3.0, 25
RISE = np.array([3.0, -2.0, 4.0])  # of stored values, a millimetre
# SUV of one Bq/ml: 70 kg, 370 MBq, an hour before the scan (PS3.3 C.8.9.1.1.3).
SUV_OF_BQML = 70_000 / (370e6 * 2 ** (-3600 / 6586.2))


def rising(place: Any) -> Any:
    """The stored value at a place of the patient."""
    return 600 + np.asarray(place) @ RISE


def waving(place: Any) -> Any:
    """The same, with waves in it, so that to look a little beside is to see another value."""
    x, y, z = np.moveaxis(np.asarray(place), -1, 0)
    return rising(place) + 150 * np.sin(y / 9 + x / 20) * np.cos(z / 11)


def phantom(store: Any, tilt: float, *, is_pet: bool = False, value: Any = rising) -> str:
    """Slices of the phantom; the UID of their study."""
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for number in range(SLICES):
        origin = np.array([-40.0, -40.0, number * STEP_MM])
        down, right = np.meshgrid(np.arange(SIZE) * PIXEL_MM, np.arange(SIZE) * PIXEL_MM, indexing="ij")
        place = origin + np.stack([right, down * cos, down * sin], axis=-1)
        ds = pictures.grey(
            np.rint(value(place)).astype("<i2"), *((PositronEmissionTomographyImageStorage,) if is_pet else ()),
            WindowCenter="600", WindowWidth="1000", FrameOfReferenceUID=frame, SliceThickness="3",
            PixelSpacing=[str(PIXEL_MM)] * 2, ImagePositionPatient=[f"{one:.4f}" for one in origin],
            ImageOrientationPatient=["1", "0", "0", "0", f"{cos:.7f}", f"{sin:.7f}"],
        )  # fmt: skip
        if is_pet:
            ds.Modality, ds.RescaleSlope, ds.RescaleIntercept, ds.Units = "PT", "20", "0", "BQML"
            ds.CorrectedImage, ds.DecayCorrection, ds.PatientWeight = ["DECY", "ATTN"], "START", "70"
            ds.SeriesDate = ds.AcquisitionDate = "20261125"
            ds.SeriesTime, ds.AcquisitionTime = "100000", "100100"
            given = Dataset()
            given.RadiopharmaceuticalStartTime, given.RadionuclideTotalDose = "090000", "370000000"
            given.RadionuclideHalfLife = "6586.2"
            ds.RadiopharmaceuticalInformationSequence = [given]
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
            "Test^Rise",
            "RIS",
            "HOSPITAL",
            "A1",
        )
        ds.PatientBirthDate, ds.PatientSex, ds.SeriesNumber, ds.InstanceNumber = "", "", 1, number + 1
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
    return study


def open_planes(page: Page) -> None:
    page.keyboard.press("t")
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    expect(page.get_by_test_id("planes").get_by_text(f"of {SLICES} slices")).to_have_count(0)


def drag(page: Page, *points: tuple[float, float]) -> None:
    """With the first button down, on the sagittal plane; pixels from its middle."""
    box = page.get_by_test_id("plane-sagittal").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + points[0][0], y + points[0][1])
    page.mouse.down()
    last = points[0]
    for point in points[1:]:
        # Each move is seen by itself: a busy browser joins those of one frame, and would cut the outline's corners off.
        for part in (0.25, 0.5, 0.75, 1):
            page.mouse.move(*(o + a + (b - a) * part for o, a, b in zip((x, y), last, point, strict=True)))
            page.evaluate("() => new Promise(requestAnimationFrame)")
        last = point
    page.mouse.up()


def kept(
    page: Page, reader: Client, study: str, tmp_path: Path
) -> list[tuple[str, np.ndarray[Any, Any], dict[str, float], str]]:
    """(graphic type, points, values by meaning, their unit) of each measurement, in the report that judges find no fault in."""
    panel = page.get_by_role("complementary", name="Measurements")
    page.keyboard.press("Shift+K")
    expect(panel).to_contain_text("Nothing new to keep")
    found = reader.get(f"/studies/{study}/instances?Modality=SR", Accept="application/dicom+json")
    [one] = found.json()
    series, instance = (one[tag]["Value"][0] for tag in ("0020000E", "00080018"))
    path = f"/studies/{study}/series/{series}/instances/{instance}"
    file = tmp_path / "made.dcm"
    file.write_bytes(reader.get(path, Accept="application/dicom; transfer-syntax=*").body)
    judged = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
    assert [line for line in (judged.stdout + judged.stderr).splitlines() if line.startswith("Error")] == []
    dump = subprocess.run(["dsrdump", file], capture_output=True, text=True, check=False)
    assert dump.returncode == 0, dump.stderr
    out = []
    for group in read(file.read_bytes()).ContentSequence[-1].ContentSequence:
        numbers = [node for node in group.ContentSequence if node.ValueType == "NUM"]
        place = numbers[0].ContentSequence[0]
        values = {
            node.ConceptNameCodeSequence[0].CodeMeaning: float(node.MeasuredValueSequence[0].NumericValue)
            for node in numbers
        }
        unit = numbers[0].MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue
        out.append((place.GraphicType, np.array(place.GraphicData).reshape(-1, 3), values, unit))
    return out


@pytest.mark.parametrize(
    ("tilt", "turns", "is_pet"),
    [(0, 3, False), (0, 0, True)],
    ids=["oblique", "PET"],
)
def test_a_region_holds_the_values_that_its_plane_shows(
    store: Any, open_case: OpenStudy, reader: Client, tmp_path: Path, tilt: float, turns: int, is_pet: bool
) -> None:
    study = phantom(store, tilt, is_pet=is_pet)
    page = open_case(study)
    page.keyboard.press("Shift+M")
    row = page.get_by_role("complementary", name="Measurements").locator("ol > li")
    open_planes(page)
    # The sagittal plane is turned about two axes: it lies in no layer of voxels.
    for plane in ("axial", "coronal") if turns else ():
        page.get_by_test_id(f"plane-{plane}").hover()
        page.mouse.wheel(0, 0)
        page.locator(f"[data-plane={plane}]").dispatch_event("pointerdown")
        for _ in range(turns):
            page.keyboard.press("ArrowLeft")
    # Away from the lines of the other planes and from words, which could be dragged.
    for count, (key, strokes) in enumerate(
        (
            ("o", [(-120, -120), (-50, -60)]),
            ("Shift+O", [(120, -130), (50, -60)]),
            ("f", [(-130, 70), (-60, 130), (-40, 80), (-90, 60), (-130, 70)]),
            ("i", [(-100, 160)]),
        ),
        1,
    ):
        page.keyboard.press(key)
        drag(page, *strokes)
        expect(row).to_have_count(count)
    page.keyboard.press("n")
    page.keyboard.press("Shift+O")
    drag(page, (130, 120), (70, 92))
    expect(row).to_have_count(5)
    expect(row.last).to_contain_text("MIP 10 mm")
    expect(row.and_(page.locator("[aria-busy=true]"))).to_have_count(0)

    def told() -> list[str]:
        # What was kept and not shown again yet stands in lines of its own.
        return sorted(one.replace(" · ", "\n") for one in row.all_inner_texts())

    words = told()
    assert sum("Thin plane" in one for one in words) == 4

    per_value, unit = (20 * SUV_OF_BQML, "g/ml{SUVbw}") if is_pet else (1.0, "[hnsf'U]")
    # In whatever order kinds come, those of a kind as they were drawn; what a free hand drew has the most points.
    found = kept(page, reader, study, tmp_path)
    [ellipse], [probe] = ([one for one in found if one[0] == kind] for kind in ("ELLIPSE", "POINT"))
    # To keep it changes nothing that is seen: the planes stay as they were turned, and what is drawn on them.
    page.wait_for_timeout(1000)
    assert told() == words
    expect(page.get_by_test_id("plane-sagittal").locator("svg text", has_text="MIP 10 mm")).to_be_visible()
    polygons = [one for one in found if one[0] == "POLYGON"]
    freehand = max(polygons, key=lambda one: len(one[1]))
    rectangle, slab = (one for one in polygons if one is not freehand)
    assert {one[3] for one in (ellipse, rectangle, freehand, probe, slab)} == {unit}
    if turns:
        corners = rectangle[1]
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[1])
        assert np.abs(normal / np.linalg.norm(normal)).max() < 0.99
    for _, points, values, _ in (ellipse, rectangle):
        middle = points[:4].mean(axis=0)
        # In a layer of voxels they are counted whole, three millimetres high: a third of one is what the edge leaves open.
        off = 1.5 if turns else 4
        assert values["Mean"] == pytest.approx(rising(middle) * per_value, abs=off * per_value)
        assert values["Minimum"] < values["Mean"] < values["Maximum"]
    first, second = ellipse[1][:2], ellipse[1][2:]
    sides = [float(np.linalg.norm(one[1] - one[0])) for one in (first, second)]
    assert ellipse[2]["Area"] == pytest.approx(np.pi * sides[0] * sides[1] / 4, rel=0.01)
    # An even rise over a rectangle: from one corner to the opposite, and spread as evenly.
    corners = rectangle[1][:4]
    at_corners = rising(corners) * per_value
    step = (5 if turns else 9) * per_value  # of half a voxel
    assert rectangle[2]["Maximum"] == pytest.approx(at_corners.max(), abs=step)
    assert rectangle[2]["Minimum"] == pytest.approx(at_corners.min(), abs=step)
    across, down = at_corners[1] - at_corners[0], at_corners[3] - at_corners[0]
    assert rectangle[2]["Standard Deviation"] == pytest.approx(
        np.hypot(across, down) / np.sqrt(12), rel=0.06 if turns else 0.12
    )
    inside = rising(freehand[1]) * per_value
    assert (
        inside.min() - step
        <= freehand[2]["Minimum"]
        < freehand[2]["Mean"]
        < freehand[2]["Maximum"]
        <= inside.max() + step
    )
    assert probe[2]["Pixel value"] == pytest.approx(rising(probe[1][0]) * per_value, abs=1.5 * per_value)
    # The brightest of ten millimetres is at the surface, five beyond the middle.
    corners = slab[1]
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[1])
    rise = abs(float(RISE @ (normal / np.linalg.norm(normal))))
    assert rise > 1
    middle = corners[:4].mean(axis=0)
    assert slab[2]["Mean"] == pytest.approx(
        (rising(middle) + 5 * rise) * per_value, abs=(1 + rise) * per_value
    )

    # Read back, and worked out anew on its plane, it says the same.
    page.reload()
    shown(page)
    page.keyboard.press("q")
    expect(row).to_have_count(5)
    assert told() == words
    open_planes(page)
    for one in (row.filter(has_text="Ellipse"), row.filter(has_text="MIP 10 mm")):
        expect(one).to_contain_text(re.compile(r"Mean \S"))  # it is counted on its plane
        mean = re.search(r"Mean \S+", one.inner_text())
        assert mean
        one.get_by_role("button").first.click()
        expect(page.get_by_test_id("plane-sagittal").locator("svg text", has_text=mean[0])).to_be_visible()
    assert told() == words
    expect(page.get_by_role("complementary", name="Measurements")).to_contain_text("Nothing new to keep")


def resampled(tilt: float, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The values of the tilted slices at places of the patient, along the table between them; nan beyond them."""
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    number, row, column = np.mgrid[0:SLICES, 0:SIZE, 0:SIZE].astype(float)
    scanned = np.stack([column - 40, row * cos - 40, number * STEP_MM + row * sin], axis=-1)
    stored = np.rint(waving(scanned))
    row = (places[:, 1] + 40) / cos
    index = np.stack([(places[:, 2] - row * sin) / STEP_MM, row, places[:, 0] + 40])
    found: np.ndarray[Any, Any] = ndimage.map_coordinates(stored, index, order=1, mode="nearest")
    # The first and the last slice are as thick as the others: half of it lies beyond their middle.
    beyond = (index < [[-0.5], [0], [0]]) | (index > [[SLICES - 0.5], [SIZE - 1], [SIZE - 1]])
    return np.where(beyond.any(axis=0), np.nan, found)


def places_in(kind: str, points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Half a millimetre apart, in a rectangle of four corners or an ellipse of the ends of two axes."""
    if kind == "ELLIPSE":
        middle, one, other = points.mean(axis=0), points[1] - points[0], points[3] - points[2]
    else:
        middle, one, other = points[:4].mean(axis=0), points[1] - points[0], points[2] - points[1]
    first, second = (
        np.arange(0.25, length, 0.5) / length - 0.5 for length in np.linalg.norm([one, other], axis=1)
    )
    across, down = (each.ravel() for each in np.meshgrid(first, second))
    if kind == "ELLIPSE":
        inside = np.hypot(across, down) <= 0.5
        across, down = across[inside], down[inside]
    out: np.ndarray[Any, Any] = middle + across[:, None] * one + down[:, None] * other
    return out


@pytest.mark.parametrize("tilt", [15, -12])
def test_a_region_through_tilted_slices_is_what_a_resampling_of_them_says(
    store: Any, open_case: OpenStudy, reader: Client, tmp_path: Path, tilt: float
) -> None:
    study = phantom(store, tilt, value=waving)
    page = open_case(study)
    page.keyboard.press("Shift+M")
    row = page.get_by_role("complementary", name="Measurements").locator("ol > li")
    open_planes(page)
    expect(page.get_by_test_id("planes").get_by_role("note")).to_contain_text("Gantry tilt")
    page.locator("[data-plane=axial]").dispatch_event("pointerdown")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    down = 1 if tilt > 0 else -1
    for count, (key, strokes) in enumerate(
        (
            ("o", [(-60, -20 * down), (-30, -60 * down)]),
            ("Shift+O", [(20, -60 * down), (70, -20 * down)]),
            # Backwards and down the slices have come to an end; all of it lies on the plane.
            ("Shift+O", [(30, 60 * down), (120, 150 * down)]),
        ),
        1,
    ):
        page.keyboard.press(key)
        drag(page, *strokes)
        expect(row).to_have_count(count)
    expect(row.and_(page.locator("[aria-busy=true]"))).to_have_count(0)
    told = row.all_inner_texts()
    parts = [re.search(r"(\d+) % outside the images: not counted", one) for one in told]
    assert parts[:2] == [None, None]
    found = kept(page, reader, study, tmp_path)
    assert [one[0] for one in found] == ["ELLIPSE", "POLYGON", "POLYGON"]
    for (kind, points, values, _), part in zip(found, parts, strict=True):
        seen = resampled(tilt, places_in(kind, points))
        within = seen[~np.isnan(seen)]
        beyond = 100 * (1 - within.size / seen.size)
        assert (float(part[1]) if part else 0) == pytest.approx(beyond, abs=2.5)
        # Its places are a millimetre apart, and from one to the next the values rise by up to nine.
        assert values["Mean"] == pytest.approx(within.mean(), abs=3.5)
        assert values["Standard Deviation"] == pytest.approx(within.std(), rel=0.06)
        assert values["Minimum"] == pytest.approx(within.min(), abs=13)
        assert values["Maximum"] == pytest.approx(within.max(), abs=13)
    assert parts[2]


def test_a_plane_leaves_as_it_is_drawn_and_says_where_it_lies(
    store: Any, open_case: OpenStudy, tmp_path: Path
) -> None:
    page = open_case(phantom(store, 17))
    open_planes(page)
    for plane in ("axial", "coronal", "sagittal"):
        page.locator(f"[data-plane={plane}]").dispatch_event("pointerdown")
        if plane != "sagittal":
            for _ in range(2):
                page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(500)

    def exported(form: str, *, identified: bool = True) -> tuple[str, bytes]:
        page.keyboard.press("Control+e")
        dialog = page.get_by_role("dialog")
        dialog.get_by_text(form, exact=True).click()
        if not identified:
            dialog.get_by_text("Without", exact=True).click()
        expect(dialog.get_by_alt_text("As it will leave")).to_be_visible()
        with page.expect_download() as coming:
            dialog.get_by_role("button", name="Export").click()
        return coming.value.suggested_filename, Path(coming.value.path()).read_bytes()

    name, content = exported("DICOM")
    assert name.endswith("_CT_series-1_Sagittal-plane-thin-plane.dcm")
    file = tmp_path / "plane.dcm"
    file.write_bytes(content)
    judged = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
    assert [line for line in (judged.stdout + judged.stderr).splitlines() if line.startswith("Error")] == []
    ds = read(content)
    assert len(ds.SourceImageSequence) == SLICES
    row, column = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
    assert np.abs(np.cross(row, column)).max() < 0.99  # it is oblique
    # Each pixel holds the grey of the patient's value at the place that the object says.
    grey = ds.pixel_array.astype(float)
    at = np.stack(np.meshgrid(np.arange(ds.Rows), np.arange(ds.Columns), indexing="ij"), axis=-1)
    place = (
        np.array(ds.ImagePositionPatient, float)
        + at[..., 1:] * row * float(ds.PixelSpacing[1])
        + at[..., :1] * column * float(ds.PixelSpacing[0])
    )
    expected = np.clip((rising(place) - 599.5) / 999 + 0.5, 0, 1) * 255
    middle = np.linalg.norm(place - place.reshape(-1, 3).mean(axis=0), axis=-1) < 18
    assert middle.sum() > 5000
    assert expected[middle].std() > 5
    assert np.abs(grey - expected)[middle].max() <= 3

    name, content = exported("Picture", identified=False)
    assert name == "CT_series-1_Sagittal-plane-thin-plane.png"
    assert b"Rise" not in content
    # The lines of the other planes are coloured: none of them leaves.
    seen = imagecodecs.png_decode(content)[..., :3].astype(int)
    assert np.ptp(seen, axis=-1).max() < 24

    # On paper all three stand together, each with its letters and a bar of its own length.
    page.keyboard.press("Control+p")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Prepare sheets").click()
    sheet = dialog.get_by_test_id("pages")
    expect(sheet.get_by_role("figure")).to_have_count(3)
    expect(sheet.get_by_text("Page 1 of 1")).to_be_visible()
    for title in ("Axial plane", "Coronal plane", "Sagittal plane"):
        figure = sheet.get_by_role("figure").filter(has_text=title)
        expect(figure).to_contain_text(f"{title}, thin plane · Reformatted · ")
        assert float(figure.locator("[data-scale]").get_attribute("data-scale") or 0) > 0
