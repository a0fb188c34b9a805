"""Planes through slices that are no even volume: distances are those of the patient, and what is missing is said."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
SIZE, PIXEL_MM = 100, 0.8
Vector = Sequence[float]
# Two balls, in the patient's millimetres.
BALLS = ((0.0, -15.0, 25.0), (0.0, 15.0, 55.0))
RADIUS_MM = 5.0
_PLANE = """plane => {
  const canvas = document.querySelector(`[data-testid=plane-${plane}] canvas`)
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width, height, data: btoa(text) }
}"""


def slice_at(origin: Vector, tilt: float) -> np.ndarray[Any, Any]:
    """What the scanner sees of the balls in a plane whose columns lean back by `tilt` degrees."""
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    right, down = np.meshgrid(np.arange(SIZE) * PIXEL_MM, np.arange(SIZE) * PIXEL_MM)
    place = np.stack([origin[0] + right, origin[1] + down * cos, origin[2] + down * sin])
    values = np.zeros((SIZE, SIZE))
    for ball in BALLS:
        away = np.sqrt(((place - np.array(ball)[:, None, None]) ** 2).sum(axis=0))
        values = np.maximum(values, 1000 * np.clip(RADIUS_MM + 0.5 - away, 0, 1))
    return (values + 100).astype("<i2")


def scanned(store: Any, places: Sequence[float], tilt: float = 0, *, least_is_white: bool = False) -> str:
    """A series of slices with the table at these places, mm; its study's UID."""
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for number, z in enumerate(places, 1):
        origin = (-40.0, -40.0, z)
        values = slice_at(origin, tilt)
        ds = pictures.grey(
            1200 - values if least_is_white else values, WindowCenter="600", WindowWidth="1000", FrameOfReferenceUID=frame,
            PixelSpacing=[str(PIXEL_MM)] * 2, SliceThickness="3", ImagePositionPatient=[f"{one:.4f}" for one in origin],
            ImageOrientationPatient=["1", "0", "0", "0", f"{cos:.7f}", f"{sin:.7f}"],
            PhotometricInterpretation="MONOCHROME1" if least_is_white else "MONOCHROME2",
        )  # fmt: skip
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
            "Test^Tilt",
            "TIL",
            "HOSPITAL",
            "A1",
        )
        ds.PatientBirthDate, ds.PatientSex = "", ""
        ds.SeriesNumber, ds.InstanceNumber = 1, number
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
    return study


def plane_drawn(page: Page, plane: str) -> np.ndarray[Any, Any]:
    canvas = page.evaluate(_PLANE, plane)
    flat = np.frombuffer(base64.b64decode(canvas["data"]), np.uint8)
    return flat.reshape(canvas["height"], canvas["width"], 4)[:, :, 0].astype(float)


def millimetres_a_pixel(page: Page, plane: str) -> float:
    bar = page.locator(f"[data-plane={plane}] [class*=scale]")
    words, width = bar.evaluate("bar => [bar.innerText, bar.getBoundingClientRect().width]")
    length, unit = re.fullmatch(r"([\d.]+) (cm|mm)", words).groups()
    return float(length) * (10 if unit == "cm" else 1) / float(width)


def balls_in(seen: np.ndarray[Any, Any]) -> list[tuple[float, float, int]]:
    """The middles (x, y) of the two bright spots, from the top, with how many pixels they have."""
    bright = seen > 100
    rows = np.flatnonzero(bright.any(axis=1))
    breaks = np.flatnonzero(np.diff(rows) > 3)
    assert len(breaks) == 1, "the balls are two"
    split = rows[breaks[0]] + 1
    found = []
    for part in (slice(0, split), slice(split, None)):
        y, x = np.nonzero(bright[part])
        found.append((float(x.mean()), float(y.mean()) + (part.start or 0), len(x)))
    return found


def open_planes(page: Page) -> None:
    page.keyboard.press("t")
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    page.wait_for_timeout(500)


@pytest.mark.parametrize(
    ("places", "tilt", "words", "least_is_white"),
    [
        (np.arange(21) * 3.0, 20, "Gantry tilt of 20° set straight", False),
        (np.arange(30, -1, -1) * 3.0 + 5, -12, "Gantry tilt of 12° set straight", False),
        (
            [*np.arange(0, 30, 2.0), *np.arange(30, 80, 3.0)],
            0,
            "Slices 2 to 3 mm apart, filled in between",
            True,
        ),
    ],
    ids=["tilted", "tilted back, downwards", "uneven, MONOCHROME1"],
)
def test_distances_on_planes_are_the_patient_s(
    store: Any, open_study: OpenStudy, places: Sequence[float], tilt: float, words: str, least_is_white: bool
) -> None:
    page = open_study(scanned(store, places, tilt, least_is_white=least_is_white), 1100, 800)
    open_planes(page)
    expect(page.get_by_test_id("planes").get_by_role("note")).to_have_text(words)
    # Which way is which: the higher ball lies at the back.
    sagittal = page.locator("[data-plane=sagittal]")
    expect(sagittal.locator("[data-edge=left]")).to_have_text("A")
    expect(sagittal.locator("[data-edge=top]")).to_have_text("H")
    scale = millimetres_a_pixel(page, "sagittal")
    (x1, y1, many), (x2, y2, others) = balls_in(plane_drawn(page, "sagittal"))
    assert (x1 - x2) * scale == pytest.approx(30, abs=1)
    assert (y2 - y1) * scale == pytest.approx(30, abs=1)
    # Balls, not eggs: as high and wide as they are.
    for count in (many, others):
        assert count * scale**2 == pytest.approx(np.pi * RADIUS_MM**2, rel=0.25)


def test_missing_slices_are_left_black_and_said(store: Any, open_study: OpenStudy) -> None:
    places = [3.0 * number for number in range(27) if number not in (13, 14)]
    page = open_study(scanned(store, places), 1100, 800)
    open_planes(page)
    expect(page.get_by_test_id("planes").get_by_role("note")).to_have_text(
        "2 slices are missing between images 13 and 14: left black"
    )
    scale = millimetres_a_pixel(page, "sagittal")
    (x1, y1, _), (x2, y2, _) = balls_in(plane_drawn(page, "sagittal"))
    assert (x1 - x2) * scale == pytest.approx(30, abs=1)
    assert (y2 - y1) * scale == pytest.approx(30, abs=1)
    # A window in which the body is grey: what is not there is black, for as long as it is not there.
    page.keyboard.press("1")
    expect(page.locator("[data-plane=sagittal]")).to_contain_text("W 400 · C 50")
    page.wait_for_timeout(500)
    column = plane_drawn(page, "sagittal")[:, int(x1) + 30]
    body = np.flatnonzero(column > 80)
    inside = column[body[0] : body[-1]]
    # From one slice to the other are 9 mm, of which the window shows the first and the last tenth of a step.
    assert np.count_nonzero(inside < 80) * scale == pytest.approx(8.4, abs=0.6)
    # It lies in the middle between the 13th slice and the 14th, at 36 and 45 mm.
    black = np.flatnonzero(inside < 80) + body[0]
    assert y1 < black.mean() < y2
    assert (y2 - black.mean()) * scale == pytest.approx(40.5 - BALLS[0][2], abs=1)
