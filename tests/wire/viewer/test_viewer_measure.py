"""What each measuring tool says, beside what numpy makes of the same phantom."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy
from viewer_hand import COLUMNS, ROWS, Hand, filed, listed, measuring, phantom, slice_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)


def said(page: Page) -> str:
    """What the list says of the only measurement, when it is worked out."""
    expect(listed(page)).to_have_count(1)
    expect(listed(page)).to_have_attribute("aria-busy", "false")
    return listed(page).inner_text()


def values_of(words: str) -> dict[str, float]:
    """Mean, SD, min and max of a region."""
    mean, deviation = re.search(r"Mean (-?[\d.]+)[^·]*· SD ([\d.]+)", words).groups()
    least, most = re.search(r"Min (-?[\d.]+) · max (-?[\d.]+)", words).groups()
    return {"mean": float(mean), "deviation": float(deviation), "min": float(least), "max": float(most)}


def expected(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """As the list rounds them: whole numbers from 100 on, else to a tenth."""
    return {
        "mean": pytest.approx(values.mean(), abs=0.51 if abs(values.mean()) >= 100 else 0.06),
        "deviation": pytest.approx(values.std(), abs=0.51 if values.std() >= 100 else 0.06),
        "min": values.min(),
        "max": values.max(),
    }


def drag_on(hand: Hand, *points: tuple[float, float]) -> None:
    """The next part of a drawing, by the tool that is in the hand."""
    hand.page.mouse.move(*hand.at(points[0]))
    hand.page.mouse.down()
    for point in points[1:]:
        hand.page.mouse.move(*hand.at(point), steps=4)
    hand.page.mouse.up()


def test_a_region_counts_neither_padding_nor_what_a_shutter_hides(store: Any, open_study: OpenStudy) -> None:
    stored = phantom()
    stored[:, :35] = np.random.default_rng(5).integers(-2000, -1899, (ROWS, 35))
    ds = slice_of(stored, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1900)
    ds.RescaleSlope, ds.RescaleIntercept = "2", "-10"
    ds.ShutterShape = ["RECTANGULAR", "CIRCULAR"]
    ds.ShutterLeftVerticalEdge, ds.ShutterRightVerticalEdge = 11, 90
    ds.ShutterUpperHorizontalEdge, ds.ShutterLowerHorizontalEdge = 21, 80
    ds.CenterOfCircularShutter, ds.RadiusOfCircularShutter = [50, 60], 40
    page = open_study(filed(store, ds), 1100, 760)
    hand = measuring(page)
    hand.drag("Shift+O", (8, 12), (112, 90))
    words = said(page)
    row, column = np.mgrid[0:ROWS, 0:COLUMNS]
    counts = (row >= 20) & (row < 80) & (column >= 35) & (column < 90)
    counts &= np.hypot(column + 0.5 - 59.5, row + 0.5 - 49.5) <= 40
    assert values_of(words) == expected(2.0 * stored[counts] - 10)
    # What is measured is the shape that was drawn.
    area = float(re.search(r"Area ([\d.]+) cm²", words)[1])
    assert area == pytest.approx(104 * 0.8 * 78 * 0.5 / 100, rel=0.02)
    page.keyboard.press("e")
    hand.drag("Shift+O", (12, 30), (30, 60))
    words = said(page)
    assert "No values: padding, or behind a shutter" in words
    assert "Mean" not in words


def within_polygon(corners: list[tuple[float, float]]) -> np.ndarray[Any, Any]:
    """Which pixels have their middle in a polygon, by the rule of even and odd."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS] + 0.5
    inside = np.zeros((ROWS, COLUMNS), bool)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


FREE = [(30.0, 20.0), (90.0, 25.0), (80.0, 75.0), (35.0, 70.0)]


def area_of(corners: list[tuple[float, float]]) -> float:
    x, y = np.array(corners).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_a_free_region_has_the_values_within_it(store: Any, open_study: OpenStudy) -> None:
    values = phantom()
    page = open_study(filed(store, slice_of(values)), 1100, 760)
    hand = measuring(page)
    hand.drag("f", *FREE, (31, 21))
    words = said(page)
    inside = values[within_polygon(FREE)].astype(float)
    found = values_of(words)
    # The hand's way is smoothed: pixels of the border may count or not.
    assert found["mean"] == pytest.approx(inside.mean(), abs=1)
    assert found["deviation"] == pytest.approx(inside.std(), abs=1)
    assert (found["min"], found["max"]) == (inside.min(), inside.max())
    area = float(re.search(r"Area ([\d.]+) cm²", words)[1])
    assert area == pytest.approx(area_of(FREE) * 0.8 * 0.5 / 100, rel=0.02)


def test_a_free_region_of_ultrasound_is_measured_by_its_scan_region(
    store: Any, open_study: OpenStudy
) -> None:
    ds = pictures.grey(phantom().astype(np.uint8), "1.2.840.10008.5.1.4.1.1.6.1", Modality="US")
    region = pictures.Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 10, 10
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 109, 89
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    ds.SequenceOfUltrasoundRegions = [region]
    page = open_study(filed(store, ds), 1100, 760)
    hand = measuring(page, aspect=1)
    hand.drag("f", *FREE, (31, 21))
    area = float(re.search(r"Area ([\d.]+) cm²", said(page))[1])
    assert area == pytest.approx(area_of(FREE) * 0.05 * 0.05, rel=0.02)


def test_angles_between_lines_are_those_in_the_patient(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, slice_of(phantom())), 1100, 760)
    hand = measuring(page)

    page.keyboard.press("a")
    hand.click((20, 20), (60, 60), (100, 30))
    legs = np.array([(-40 * 0.8, -40 * 0.5), (40 * 0.8, -30 * 0.5)])
    cosine = legs[0] @ legs[1] / np.prod(np.linalg.norm(legs, axis=1))
    angle = float(re.search(r"([\d.]+)°", said(page))[1])
    assert angle == pytest.approx(np.degrees(np.arccos(cosine)), abs=0.6)
    page.keyboard.press("e")

    hand.drag("Shift+A", (20, 20), (90, 30))
    drag_on(hand, (20, 80), (90, 60))
    cobb = float(re.search(r"([\d.]+)°", said(page))[1])
    turned = np.arctan2(10 * 0.5, 70 * 0.8) + np.arctan2(20 * 0.5, 70 * 0.8)
    assert cobb == pytest.approx(np.degrees(turned), abs=0.6)


def test_two_diameters_are_told_each(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, slice_of(phantom())), 1100, 760)
    hand = measuring(page)
    hand.drag("d", (20, 50), (100, 50))
    long, short = re.search(r"Long ([\d.]+) mm\s+Short ([\d.]+) mm", said(page)).groups()
    assert float(long) == pytest.approx(64, abs=0.5)
    # The short one is drawn across the middle, a third to each side.
    assert float(short) == pytest.approx(64 * 2 / 3, abs=0.5)
    # A hand that rests before it lets go says nothing more afterwards: the row is done all the same.
    page.mouse.move(*hand.at((100, 50)))
    page.mouse.down()
    page.mouse.move(*hand.at((80, 50)), steps=8)
    expect(listed(page)).to_have_attribute("aria-busy", "true")
    page.wait_for_timeout(500)
    page.mouse.up()
    assert float(re.search(r"Long ([\d.]+) mm", said(page))[1]) == pytest.approx(48, abs=0.5)


def test_the_heart_is_told_as_a_part_of_the_chest(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, slice_of(phantom())), 1100, 760)
    hand = measuring(page)
    hand.drag("Shift+C", (40, 40), (80, 40))
    drag_on(hand, (20, 60), (100, 60))
    words = said(page)
    assert "CTR 0.50" in words
    assert re.search(r"Heart 3\.2 · chest 6\.4 cm", words)


def test_arrows_and_texts_say_what_a_person_typed(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, slice_of(phantom())), 1100, 760)
    hand = measuring(page)
    ask = page.get_by_role("dialog", name="Text on the image")

    hand.drag("u", (30, 30), (60, 40))
    ask.get_by_role("textbox").fill("Nodule, 3. segment")
    ask.get_by_role("textbox").press("Enter")
    assert "Nodule, 3. segment" in said(page)
    expect(page.locator("[data-testid=canvas-a] svg")).to_contain_text("Nodule, 3. segment")
    page.keyboard.press("e")
    expect(listed(page)).to_have_count(0)

    page.keyboard.press("Shift+U")
    hand.click((60, 70))
    ask.get_by_role("textbox").fill("Größe unverändert")
    ask.get_by_role("textbox").press("Enter")
    assert "Größe unverändert" in said(page)
    page.keyboard.press("e")

    # Without an answer nothing stays.
    hand.click((60, 70))
    ask.get_by_role("textbox").press("Escape")
    expect(listed(page)).to_have_count(0)


def test_vertebrae_are_labelled_on_from_the_first(store: Any, open_study: OpenStudy) -> None:
    sagittal = slice_of(phantom(), [0, 1, 0, 0, 0, -1])
    page = open_study(filed(store, sagittal), 1100, 760)
    hand = measuring(page)
    page.keyboard.press("Shift+V")
    hand.click((60, 40))
    ask = page.get_by_role("dialog", name="Text on the image")
    ask.get_by_role("textbox").fill("l 4")
    ask.get_by_role("textbox").press("Enter")
    expect(listed(page)).to_have_count(1)
    page.wait_for_timeout(300)
    # Towards the feet; and above all, though the last was set below.
    hand.click((58, 55), (56, 70), (58, 25))
    expect(listed(page)).to_have_count(4)
    words = [listed(page).nth(at).inner_text() for at in range(4)]
    assert [re.search(r"\b([CTLS]\d+)\b", one)[1] for one in words] == ["L4", "L5", "S1", "L3"]
    # Between two neighbours there is no other: a person has to say.
    hand.click((59, 48))
    ask.get_by_role("textbox").fill("L6")
    ask.get_by_role("textbox").press("Enter")
    expect(listed(page).last).to_contain_text("L6")
    # By keys alone as by hand: far above all of them comes the next towards the head.
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(listed(page).last).to_contain_text("L2")
    expect(ask).to_be_hidden()
