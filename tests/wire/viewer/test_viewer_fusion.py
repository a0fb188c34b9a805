"""A PET over its CT: what is hot is drawn where it is, in the colours that the bar says, and never over another patient's."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage, generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, drawn

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)

# The body: 160 mm wide, 120 high, 90 long, of 40 HU; the CT and the PET have grids of their own.
CT_MM, CT_STEP = 1.0, 3.0
PET_MM, PET_STEP = 4.0, 5.0
HOT = (30.0, -20.0, 45.0)
RADIUS_MM = 12.0
HOT_SUV, BACKGROUND_SUV = 5.0, 1.0
SLOPE = 2.0
# SUV of one Bq/ml: 70 kg, 370 MBq, an hour before the scan (PS3.3 C.8.9.1.1.3).
SUV_OF_BQML = 70_000 / (370e6 * 2 ** (-3600 / 6586.2))
_PLANE = """plane => {
  const canvas = document.querySelector(`[data-testid=plane-${plane}] canvas`)
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width, height, data: btoa(text) }
}"""


def grid(size: tuple[int, int], spacing: float, z: float) -> tuple[np.ndarray[Any, Any], list[float]]:
    """The places of a slice's pixels, (rows, columns, xyz), about the middle of the body; and its first pixel's."""
    rows, columns = size
    x, y = (np.arange(columns) - (columns - 1) / 2) * spacing, (np.arange(rows) - (rows - 1) / 2) * spacing
    place = np.stack(np.broadcast_arrays(x[None, :], y[:, None], np.full((1, 1), z)), axis=-1)
    return place, [float(x[0]), float(y[0]), z]


def is_hot(place: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return ((place - np.array(HOT)) ** 2).sum(axis=-1) <= RADIUS_MM**2


def is_body(place: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (np.abs(place[..., 0]) < 80) & (np.abs(place[..., 1]) < 60)


def ct_slices(frame: str) -> list[Dataset]:
    out = []
    for z in np.arange(0, 90.1, CT_STEP):
        place, origin = grid((160, 200), CT_MM, float(z))
        values = np.where(is_body(place), 40, -1000).astype("<i2")
        out.append(placed(pictures.grey(values, WindowCenter="50", WindowWidth="400"), origin, CT_MM, frame))
    return out


def pet_slices(frame: str, **attributes: Any) -> list[Dataset]:
    out = []
    for z in np.arange(0, 90.1, PET_STEP):
        place, origin = grid((40, 50), PET_MM, float(z))
        suv = np.where(is_hot(place), HOT_SUV, np.where(is_body(place), BACKGROUND_SUV, 0))
        ds = pictures.grey(
            np.round(suv / SUV_OF_BQML / SLOPE).astype("<i2"), PositronEmissionTomographyImageStorage, Modality="PT",
            RescaleSlope=str(SLOPE), RescaleIntercept="0", Units="BQML", CorrectedImage=["DECY", "ATTN"],
            DecayCorrection="START", PatientWeight="70", SeriesDate="20261125", AcquisitionDate="20261125",
            SeriesTime="100000", AcquisitionTime="100100",
        )  # fmt: skip
        given = Dataset()
        given.RadiopharmaceuticalStartTime, given.RadionuclideTotalDose = "090000", "370000000"
        given.RadionuclideHalfLife = "6586.2"
        ds.RadiopharmaceuticalInformationSequence = [given]
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
        out.append(placed(ds, origin, PET_MM, frame))
    return out


def placed(ds: Dataset, origin: list[float], spacing: float, frame: str) -> Dataset:
    ds.FrameOfReferenceUID, ds.ImageOrientationPatient = frame, ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing, ds.ImagePositionPatient = [str(spacing)] * 2, [f"{one:.3f}" for one in origin]
    return ds


def filed(store: Any, **series: list[Dataset]) -> str:
    """Files series under their descriptions in one study; its UID."""
    study = generate_uid()
    for number, (description, slices) in enumerate(series.items(), 1):
        uid = generate_uid()
        for at, ds in enumerate(slices, 1):
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, uid, generate_uid()
            ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Fusion", "FUS", "HOSPITAL"
            ds.AccessionNumber, ds.PatientBirthDate, ds.PatientSex = "A1", "", ""
            ds.SeriesDescription, ds.SeriesNumber, ds.InstanceNumber = description, number, at
            [result] = store(pictures.as_file(ds), as_files=True)
            assert result.status == 0, result
    return study


def plane_drawn(page: Page, plane: str) -> np.ndarray[Any, Any]:
    canvas = page.evaluate(_PLANE, plane)
    flat = np.frombuffer(base64.b64decode(canvas["data"]), np.uint8)
    return flat.reshape(canvas["height"], canvas["width"], 4)[:, :, :3].astype(float)


def millimetres_a_pixel(page: Page, plane: str) -> float:
    bar = page.locator(f"[data-plane={plane}] [class*=scale]")
    words, width = bar.evaluate("bar => [bar.innerText, bar.getBoundingClientRect().width]")
    length, unit = re.fullmatch(r"([\d.]+) (cm|mm)", words).groups()
    return float(length) * (10 if unit == "cm" else 1) / float(width)


def hot_iron(suv: float, top: float) -> np.ndarray[Any, Any]:
    """PS3.6 B.1.1."""
    at = np.clip(suv / top, 0, 1) * 255
    return np.clip([2 * at, 2 * (at - 128), 4 * (at - 192)], 0, 255)


def open_planes(page: Page) -> None:
    page.keyboard.press("t")
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    page.wait_for_timeout(500)


def slide(page: Page, name: str, key: str, times: int = 1) -> None:
    thumb = page.get_by_role("slider", name=name)
    thumb.focus()
    for _ in range(times):
        page.keyboard.press(key)
    thumb.blur()


def cross_to(page: Page, plane: str, right_mm: float, down_mm: float) -> None:
    """Clicks so far from the middle of a plane, at first that of the body."""
    box = page.get_by_test_id(f"plane-{plane}").bounding_box()
    scale = millimetres_a_pixel(page, plane)
    page.mouse.click(
        box["x"] + box["width"] / 2 + right_mm / scale, box["y"] + box["height"] / 2 + down_mm / scale
    )


def test_a_window_of_suv_reaches_from_its_one_end_to_the_other(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, PET=pet_slices(generate_uid())), 1200, 800)
    expect(page.locator("[data-pane=a]")).to_contain_text("W 5 · C 2.5")
    page.wait_for_timeout(300)
    grey = drawn(page)[:, :, 0]
    # 0 to 5 SUV: the body of 1 SUV is a fifth of white.
    height, width = grey.shape
    assert grey[height // 2, width // 2] == pytest.approx(255 * BACKGROUND_SUV / 5, abs=3)


def test_a_pet_lies_over_its_ct_where_it_is_and_in_known_colours(store: Any, open_study: OpenStudy) -> None:
    frame = generate_uid()
    page = open_study(filed(store, CT=ct_slices(frame), PET=pet_slices(frame)), 1200, 800)
    open_planes(page)
    cross_to(page, "axial", HOT[0], HOT[1])
    page.keyboard.press("Shift+F")
    bar = page.get_by_test_id("colour-bar")
    expect(bar).to_contain_text("10 SUV")
    # The cross shows the values of both, and the SUV is the known one.
    expect(page.get_by_test_id("at-cross")).to_contain_text("At the cross 40 HU, 5.0 SUV")
    slide(page, "Shown from", "ArrowRight", 4)
    expect(page.locator("[data-plane=axial]")).to_contain_text("PT · PET · 50 % · 0 to 10 SUV · from 2 SUV")
    page.wait_for_timeout(800)
    scale = millimetres_a_pixel(page, "axial")
    seen = plane_drawn(page, "axial")
    middle = np.array(seen.shape[1::-1]) / 2
    # CT alone is grey: what has colour is hot, and is as far from the body's middle as it is in the patient.
    coloured = seen[..., 0] - seen[..., 2] > 40
    y, x = np.nonzero(coloured)
    assert (x.mean() + 0.5 - middle[0]) * scale == pytest.approx(HOT[0], abs=1)
    assert (y.mean() + 0.5 - middle[1]) * scale == pytest.approx(HOT[1], abs=1)
    assert len(x) * scale**2 == pytest.approx(np.pi * RADIUS_MM**2, rel=0.3)
    # Half the CT, half the colour of its SUV, well inside, beside the lines of the cross.
    at = (middle + (np.array(HOT[:2]) + 4) / scale).astype(int)
    grey = pictures.linear(50, 400)(np.array([40.0]))[0]
    assert seen[at[1], at[0]] == pytest.approx(grey / 2 + hot_iron(HOT_SUV, 10) / 2, abs=4)
    # Another plane goes through it too, in the same colours.
    across = plane_drawn(page, "coronal")
    y, x = np.nonzero(across[..., 0] - across[..., 2] > 40)
    scale = millimetres_a_pixel(page, "coronal")
    assert (x.mean() + 0.5 - across.shape[1] / 2) * scale == pytest.approx(HOT[0], abs=1.5)
    assert (across.shape[0] / 2 - y.mean() - 0.5) * scale == pytest.approx(HOT[2] - 45, abs=2)
    # All of it by the keys: the colour itself.
    for _ in range(5):
        page.keyboard.press(">")
    expect(page.locator("[data-plane=axial]")).to_contain_text("100 %")
    page.wait_for_timeout(500)
    assert plane_drawn(page, "axial")[at[1], at[0]] == pytest.approx(hot_iron(HOT_SUV, 10), abs=4)
    slide(page, "Brightest at", "ArrowLeft", 10)
    expect(bar).to_contain_text("5 SUV")
    page.wait_for_timeout(500)
    assert plane_drawn(page, "axial")[at[1], at[0]] == pytest.approx([255, 255, 255], abs=4)
    # Alone again, the CT is as it was.
    page.keyboard.press("Shift+F")
    expect(bar).to_have_count(0)
    page.wait_for_timeout(500)
    assert plane_drawn(page, "axial")[at[1], at[0]] == pytest.approx([grey] * 3, abs=2)


def test_another_frame_of_reference_is_never_fused(store: Any, open_study: OpenStudy) -> None:
    frame = generate_uid()
    no_weight = pet_slices(frame, PatientWeight="")
    page = open_study(
        filed(store, CT=ct_slices(frame), Elsewhere=pet_slices(generate_uid()), Weightless=no_weight),
        1200,
        800,
    )
    open_planes(page)
    page.get_by_role("button", name="Fuse", exact=True).click()
    elsewhere = page.get_by_role("menuitem", name=re.compile("Elsewhere"))
    expect(elsewhere).to_contain_text("Not fused: another frame of reference")
    expect(elsewhere).to_be_disabled()
    # What cannot be SUV says so, and in what it is told.
    page.get_by_role("menuitem", name=re.compile("Weightless")).click()
    expect(page.get_by_test_id("colour-bar")).to_contain_text("Bq/ml")
    expect(page.get_by_test_id("planes").get_by_role("note")).to_have_text(
        "PT: no SUV, the patient’s weight is missing"
    )
