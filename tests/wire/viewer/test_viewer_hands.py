"""What hands do with the loupe, with the lines of planes and with linked panes: by what is seen after it."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import select

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, drawn, shown
from viewer_hand import filed
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.security.service import Actor, AuditEventID

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
Array = np.ndarray[Any, Any]
TIMES = 3
_SEEN = """selector => {
  const canvas = document.querySelector(selector)
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width, height, data: btoa(text) }
}"""


def seen(page: Page, selector: str) -> Array:
    """The red of a canvas: of what is grey its grey."""
    canvas = page.evaluate(_SEEN, selector)
    flat = np.frombuffer(base64.b64decode(canvas["data"]), np.uint8)
    return flat.reshape(canvas["height"], canvas["width"], 4)[:, :, 0].astype(float)


def sampled(values: Array, x: Array, y: Array) -> Array:
    """Between four neighbours by distance."""
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = x - left, y - top
    upper = values[top, left] * (1 - across) + values[top, left + 1] * across
    lower = values[top + 1, left] * (1 - across) + values[top + 1, left + 1] * across
    return upper * (1 - down) + lower * down


def waves() -> Array:
    """Smooth everywhere, and alike nowhere."""
    y, x = np.mgrid[0:100, 0:120]
    return 500 + 300 * np.sin(x / 9) * np.cos(y / 7) + 2 * x + y


def under_a_table() -> Dataset:
    """Seen through a table that no window draws: it rises and falls."""
    table = np.round(30_000 * (1 + np.sin(np.linspace(0, 9, 1500)))).astype("<u2")
    return pictures.lut("VOILUTSequence", pictures.grey(waves().astype("<i2")), 0, table, 16, signed=True)


@pytest.mark.parametrize("turns", ["", "h>v"], ids=["as it lies", "mirrored, turned, inverted"])
def test_the_loupe_shows_what_lies_beneath_it_enlarged(store: Any, open_study: OpenStudy, turns: str) -> None:
    windowed = pictures.grey(waves().astype("<i2"), WindowCenter="600", WindowWidth="1000")
    page = open_study(filed(store, windowed, under_a_table()), 1300, 900)
    page.keyboard.press("t")
    page.get_by_role("button", name="Layout", exact=True).click()
    page.get_by_role("button", name="2 by 1").click()
    for name in ("a", "b"):
        shown(page, name)
        box = page.get_by_test_id(f"canvas-{name}").bounding_box()
        assert box
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(*middle)
        page.locator(f"[data-pane={name}]").dispatch_event("pointerdown")
        for key in turns:
            page.keyboard.press(key)
        page.keyboard.press("m")
        page.mouse.down()
        expect(page.locator(".magnifyTool")).to_be_visible()
        for way in ((0, 0), (60, -45)):
            page.mouse.move(middle[0] + way[0], middle[1] + way[1], steps=3)
            page.wait_for_timeout(400)
            loupe = seen(page, ".magnifyTool canvas")
            pane = seen(page, f"[data-testid=canvas-{name}] canvas")
            assert loupe.shape == (260, 260)
            y, x = np.mgrid[5:255, 5:255] + 0.5
            at = (middle[0] + way[0] - box["x"], middle[1] + way[1] - box["y"])
            beneath = sampled(pane, at[0] + (x - 130) / TIMES - 0.5, at[1] + (y - 130) / TIMES - 0.5)
            assert np.ptp(beneath) > 60
            assert np.abs(loupe[5:255, 5:255] - beneath).mean() < 2.5, (name, way)
        page.mouse.up()
        expect(page.locator(".magnifyTool")).to_have_count(0)


@pytest.fixture
def compared(store: Any, archive: Archive, open_case: OpenStudy) -> Page:
    """A CT beside its prior, of other pixels: in each a block of 32 by 24 mm in the middle."""
    uids = []
    for date, spacing, size in (("20261125", 0.8, 200), ("20250912", 0.5, 256)):
        study, series, frame = generate_uid(), generate_uid(), generate_uid()
        uids.append(study)
        for number in range(3):
            across, down = (16 / spacing, 12 / spacing)
            y, x = np.mgrid[0:size, 0:size] - (size - 1) / 2
            values = np.where((abs(x) <= across) & (abs(y) <= down), 100, -100).astype("<i2")
            ds = pictures.grey(
                values, WindowCenter="0", WindowWidth="400", PixelSpacing=[str(spacing)] * 2,
                FrameOfReferenceUID=frame, ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
                ImagePositionPatient=["0", "0", str(5 * number)],
            )  # fmt: skip
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, generate_uid()
            ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Linked", "LIN", "HOSPITAL"
            ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "", "", "A1"
            ds.StudyDate, ds.StudyDescription, ds.BodyPartExamined = date, "CT chest", "CHEST"
            ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
            [result] = store(pictures.as_file(ds), as_files=True)
            assert result.status == 0, result
    page = open_case(uids[0])
    prior_of(archive, *uids)
    page.reload()
    shown(page)
    page.keyboard.press("q")
    return page


def prior_of(archive: Archive, current: str, prior: str) -> None:
    """The prior is the same patient's."""
    with archive.offices.work(Actor.system("test")) as work:
        both = work.session.scalars(select(Study).where(Study.study_instance_uid.in_([current, prior])))
        found = {one.study_instance_uid: one for one in both}
        found[prior].patient_pk = found[current].patient_pk
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="study")


def block(page: Page, pane: str) -> tuple[float, float, float, float]:
    """The bright block on a pane: its middle from the pane's, and its sides, in pixels of the screen."""
    bright = drawn(page, pane)[:, :, 0] > 128
    y, x = np.nonzero(bright)
    assert x.min() > 0 and x.max() < bright.shape[1] - 1 and y.min() > 0 and y.max() < bright.shape[0] - 1
    return (
        float(x.mean() - (bright.shape[1] - 1) / 2),
        float(y.mean() - (bright.shape[0] - 1) / 2),
        float(np.ptp(x)) + 1,
        float(np.ptp(y)) + 1,
    )


def switch_links(page: Page, *names: str) -> None:
    together = page.get_by_role("button", name="What panes do together")
    together.click()
    for name in names:
        page.get_by_role("menuitemcheckbox", name=name).click()
    together.click()
    expect(page.get_by_role("menuitemcheckbox")).to_have_count(0)


def test_current_and_prior_are_enlarged_moved_and_windowed_together(compared: Page) -> None:
    page = compared
    expect(page.locator("[data-pane=b]")).to_contain_text("PRIOR")
    shown(page, "b")
    switch_links(page, "Zoom and move")
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = block(page, "a")

    def pulled(button: Any, right: float, down: float) -> None:
        page.mouse.move(x, y)
        page.mouse.down(button=button)
        page.mouse.move(x + right, y + down, steps=6)
        page.mouse.up(button=button)
        page.wait_for_timeout(400)

    pulled("right", 0, 40)
    enlarged = block(page, "a")
    assert abs(enlarged[2] / before[2] - 1) > 0.1
    pulled("middle", 30, -20)
    moved = block(page, "a")
    assert (moved[0] - enlarged[0], moved[1] - enlarged[1]) == pytest.approx((30, -20), abs=2)
    # A millimetre is as long on both, and the same place is at the same place.
    assert block(page, "b") == pytest.approx(moved, abs=2.5)
    # From the prior's side the current follows as well.
    other = page.get_by_test_id("canvas-b").bounding_box()
    assert other
    x, y = other["x"] + other["width"] / 2, other["y"] + other["height"] / 2
    pulled("right", 0, -25)
    assert abs(block(page, "b")[2] / moved[2] - 1) > 0.05
    assert block(page, "a") == pytest.approx(block(page, "b"), abs=2.5)
    # A window that is dragged on one is the other's too: 100 and -100 are as bright on both.
    page.keyboard.press("w")
    pulled("left", 60, 35)
    words = [
        re.search(r"W (\d+) · C (-?\d+)", page.locator(f"[data-pane={name}]").inner_text())
        for name in ("a", "b")
    ]
    assert words[0] and words[1]
    assert words[0][0] == words[1][0] != "W 400 · C 0"
    width, center = (float(one) for one in words[0].groups())
    for name in ("a", "b"):
        grey = drawn(page, name)[:, :, 0].astype(float)
        for value, at in ((100, grey.max()), (-100, np.median(grey))):
            assert at == pytest.approx(pictures.linear(center, width)(np.array(value)), abs=3), (name, value)
    # Not linked, the other stands.
    switch_links(page, "Zoom and move", "Window")
    still = drawn(page, "a")
    pulled("right", 0, 30)
    page.keyboard.press("2")
    page.wait_for_timeout(400)
    assert np.array_equal(drawn(page, "a"), still)


# Of stored values a millimetre: to the left, to the back, to the head.
RISE = np.array([3.0, -2.0, 4.0])
WIDTH = 1000


def rising(store: Any) -> str:
    """Slices of values that rise evenly through the patient; the UID of their study."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    down, right = np.mgrid[0:80, 0:80] - 40.0
    for number in range(25):
        place = np.stack([right, down, np.full_like(right, 3.0 * number - 36)], axis=-1)
        ds = pictures.grey(
            np.rint(500 + place @ RISE).astype("<i2"), WindowCenter="500", WindowWidth=str(WIDTH),
            FrameOfReferenceUID=frame, PixelSpacing=["1", "1"], SliceThickness="3",
            ImagePositionPatient=["-40", "-40", str(3 * number - 36)],
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        )  # fmt: skip
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Oblique", "OBL", "HOSPITAL"
        ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "", "", "A1"
        ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
    return study


def rise_on(page: Page, plane: str) -> tuple[float, float]:
    """By how much the values on a plane rise from pixel to pixel about its middle: to the right, downwards."""
    grey = seen(page, f"[data-testid=plane-{plane}] canvas")
    y, x = (size // 2 for size in grey.shape)
    part = grey[y - 40 : y + 40, x - 40 : x + 40] * (WIDTH - 1) / 255
    down, right = np.mgrid[0:80, 0:80]
    fitted, off, *_ = np.linalg.lstsq(
        np.stack([right.ravel(), down.ravel(), np.ones(right.size)], axis=1), part.ravel(), rcond=None
    )
    assert off[0] / right.size < 9  # it is even
    return float(fitted[0]), float(fitted[1])


def test_a_plane_is_turned_by_the_dot_of_its_line(store: Any, open_study: OpenStudy) -> None:
    page = open_study(rising(store), 1300, 900)
    page.keyboard.press("t")
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    page.wait_for_timeout(500)
    per_mm = {}
    for plane, (right, down) in {
        "axial": (RISE[0], RISE[1]),
        "sagittal": (RISE[1], -RISE[2]),
        "coronal": (RISE[0], -RISE[2]),
    }.items():
        here = rise_on(page, plane)
        # How large a pixel is, by what rises downwards.
        per_mm[plane] = abs(down / here[1])
        assert here == pytest.approx((right / per_mm[plane], down / per_mm[plane]), rel=0.05), plane
    box = page.get_by_test_id("plane-axial").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # The sagittal plane's line stands upright on the axial one; near it its dots are seen.
    page.mouse.move(x, y - box["height"] * 0.15, steps=4)
    dots = page.locator("[data-testid=plane-axial] svg circle")
    expect(dots).to_have_count(2)
    found = dots.first.bounding_box()
    assert found
    dot = (found["x"] + found["width"] / 2, found["y"] + found["height"] / 2)
    radius = np.hypot(dot[0] - x, dot[1] - y)
    start = np.arctan2(dot[1] - y, dot[0] - x)
    turn = np.radians(25)  # clockwise on the screen
    page.mouse.move(*dot, steps=4)
    page.mouse.down()
    for step in range(1, 11):
        angle = start + turn * step / 10
        page.mouse.move(x + radius * np.cos(angle), y + radius * np.sin(angle))
        page.wait_for_timeout(30)
    page.mouse.up()
    page.wait_for_timeout(500)
    # To the right on the sagittal plane was to the back: (0, 1, 0), which turned clockwise, looked at from the feet, is
    # to the right side of the patient too.
    way = np.array([-np.sin(turn), np.cos(turn), 0])
    pixel = per_mm["sagittal"]
    assert rise_on(page, "sagittal") == pytest.approx((way @ RISE / pixel, -RISE[2] / pixel), rel=0.06)
    # The axial plane lies as it lay.
    assert rise_on(page, "axial") == pytest.approx(
        (RISE[0] / per_mm["axial"], RISE[1] / per_mm["axial"]), rel=0.05
    )


def test_keys_and_mouse_buttons_are_each_persons_own(store: Any, open_case: OpenStudy) -> None:
    picture = pictures.grey(waves().astype("<i2"), WindowCenter="600", WindowWidth="900")
    page = open_case(filed(store, picture))
    sheet = page.get_by_role("dialog", name="Keys of this screen")
    corner = page.locator("[data-pane=a]")

    page.keyboard.press("?")
    sheet.get_by_role("button", name="Change keys").click()
    sheet.get_by_role("button", name="Another key for: Invert").click()
    page.keyboard.press("l")
    expect(sheet.get_by_role("status")).to_contain_text("L is taken: Length")
    sheet.get_by_role("button", name="Another key for: Invert").click()
    page.keyboard.press("Alt+J")
    expect(sheet.get_by_role("status")).to_contain_text("Invert: Alt J")
    sheet.get_by_role("radiogroup", name="Right button").get_by_text("Window").click()
    sheet.get_by_role("button", name="Done").click()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()

    def dragged() -> str:
        box = page.get_by_test_id("canvas-a").bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down(button="right")
        page.mouse.move(x + 40, y + 20, steps=6)
        page.mouse.up(button="right")
        page.wait_for_timeout(300)
        return re.search(r"W [\d.]+ · C -?[\d.]+", corner.inner_text())[0]

    assert dragged() != "W 900 · C 600"
    expect(corner).to_contain_text("Zoom 100 %")
    before = drawn(page)[:, :, 0].astype(float)
    page.keyboard.press("v")
    page.wait_for_timeout(200)
    assert np.abs(drawn(page)[:, :, 0] - before).max() == 0
    page.keyboard.press("Alt+J")
    page.wait_for_timeout(200)
    assert np.abs(drawn(page)[:, :, 0] - before).max() > 30

    # Another workstation, where nothing is kept, has them; and the usual ones come back at once.
    page.evaluate("localStorage.clear()")
    page.reload()
    shown(page)
    page.keyboard.press("?")
    expect(sheet.get_by_text("Invert yours")).to_be_visible()
    sheet.get_by_role("button", name="Change keys").click()
    sheet.get_by_role("button", name="Usual keys").click()
    expect(sheet.get_by_text("Invert yours")).to_have_count(0)
