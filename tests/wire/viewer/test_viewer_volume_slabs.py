"""Slabs: what MIP, MinIP and average make of a volume is what numpy makes of it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
SLICES, SIZE, FIELDS = 41, 80, 4
FIELD = SIZE // FIELDS
_PLANE = """plane => {
  const canvas = document.querySelector(`[data-testid=plane-${plane}] canvas`)
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width, height, data: btoa(text) }
}"""


def profiles() -> np.ndarray[Any, Any]:
    """What each of 4 by 4 fields is worth in each slice: (slice, field's row, field's column)."""
    # Each slice is of its own: a peak one slice thick is to be met, wherever the steps of a ray fall.
    values = np.random.default_rng(7).integers(40, 215, (SLICES, FIELDS, FIELDS))
    # At the slab's faces nothing changes: whether a face counts in is for nobody to see.
    for face in (SLICES // 2 - 5, SLICES // 2 + 5):
        values[face - 1] = values[face + 1] = values[face]
    return values


@pytest.fixture
def study(store: Any) -> str:
    """Slices of 1 mm, of 4 by 4 even fields each."""
    uid, series, frame = generate_uid(), generate_uid(), generate_uid()
    for number, fields in enumerate(profiles()):
        ds = pictures.grey(
            np.kron(fields, np.ones((FIELD, FIELD))).astype("<i2"), WindowCenter="128", WindowWidth="256",
            PixelSpacing=["1", "1"], SliceThickness="1", FrameOfReferenceUID=frame,
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], ImagePositionPatient=["-40", "-40", str(number)],
        )  # fmt: skip
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = uid, series, generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
            "Test^Slab",
            "SLA",
            "HOSPITAL",
            "A1",
        )
        ds.PatientBirthDate, ds.PatientSex = "", ""
        ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
    return uid


def fields_of(page: Page, plane: str = "axial") -> np.ndarray[Any, Any]:
    """The grey in the middle of each field on the plane: (row, column)."""
    canvas = page.evaluate(_PLANE, plane)
    flat = np.frombuffer(base64.b64decode(canvas["data"]), np.uint8)
    seen = flat.reshape(canvas["height"], canvas["width"], 4)[:, :, 0].astype(float)
    lit = seen > 20
    top, bottom = np.flatnonzero(lit.any(axis=1))[[0, -1]]
    left, right = np.flatnonzero(lit.any(axis=0))[[0, -1]]
    out = np.zeros((FIELDS, FIELDS))
    for row in range(FIELDS):
        for column in range(FIELDS):
            y = int(top + (bottom - top) * (row + 0.5) / FIELDS)
            x = int(left + (right - left) * (column + 0.5) / FIELDS)
            out[row, column] = np.median(seen[y - 4 : y + 5, x - 4 : x + 5])
    return out


def is_slice(seen: np.ndarray[Any, Any], number: int) -> bool:
    """Whether a thin plane shows this slice: others are far from it."""
    return bool(np.abs(profiles()[number] - seen).mean() < 6)


def test_slabs_are_what_numpy_makes_of_the_slices(study: str, open_study: OpenStudy) -> None:
    values = profiles().astype(float)
    page = open_study(study, 1100, 800)
    page.keyboard.press("t")
    page.keyboard.press("Shift+P")
    planes = page.get_by_test_id("planes")
    expect(planes).to_have_attribute("data-ready", "true")
    expect(planes).to_have_attribute("data-loaded", str(SLICES))
    page.wait_for_timeout(1000)
    middle = SLICES // 2
    assert is_slice(fields_of(page), middle)
    slab = values[middle - 5 : middle + 6]
    expected = {"MIP": slab.max(axis=0), "MinIP": slab.min(axis=0), "Average": slab.mean(axis=0)}
    for name, wanted in expected.items():
        page.keyboard.press("n")
        expect(planes.locator("[data-plane=axial]")).to_contain_text(f"{name} 10 mm")
        page.wait_for_timeout(1000)
        seen = fields_of(page)
        # An average's steps fall where they fall; it is not the brightest, nor the darkest, nor the middle slice.
        assert seen == pytest.approx(wanted, abs=8 if name != "Average" else 10), name
        others = [other for one, other in expected.items() if one != name]
        assert all(np.abs(seen - other).mean() > 20 for other in others), name
    page.keyboard.press("n")
    page.wait_for_timeout(1000)
    assert is_slice(fields_of(page), middle)
    # Five slices on, and back again.
    page.keyboard.press("PageDown")
    page.wait_for_timeout(700)
    seen = fields_of(page)
    assert is_slice(seen, middle + 5) or is_slice(seen, middle - 5)
    assert not is_slice(seen, middle)
    page.keyboard.press("PageUp")
    page.wait_for_timeout(700)
    assert is_slice(fields_of(page), middle)
