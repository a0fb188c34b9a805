"""What panes do together, and what hands do to one picture: judged by what is seen after it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, drawn, shown

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
AXIAL, SAGITTAL = ["1", "0", "0", "0", "1", "0"], ["0", "1", "0", "0", "0", "-1"]
# Two axial series at other places and steps, mm; and one from the side.
FINE, COARSE = [2.0 * number for number in range(20)], [1.0 + 4 * number for number in range(10)]
SIDE = [-8.0, 0.0, 8.0]


@pytest.fixture
def study(store: Any) -> str:
    """Three series of one frame of reference; each picture has a block in its upper left part."""
    uid, frame = generate_uid(), generate_uid()
    values = np.zeros((100, 100), "<i2")
    values[10:30, 10:40] = 100
    series: list[list[Dataset]] = []
    for places, orientation in ((FINE, AXIAL), (COARSE, AXIAL), (SIDE, SAGITTAL)):
        made = []
        for place in places:
            position = ["-40", "-40", str(place)] if orientation is AXIAL else [str(place), "-40", "60"]
            made.append(
                pictures.grey(
                    values, WindowCenter="50", WindowWidth="100", PixelSpacing=["0.8", "0.8"],
                    FrameOfReferenceUID=frame, ImageOrientationPatient=orientation, ImagePositionPatient=position,
                )
            )  # fmt: skip
        series.append(made)
    for number, made in enumerate(series, 1):
        series_uid = generate_uid()
        for at, ds in enumerate(made, 1):
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = uid, series_uid, generate_uid()
            ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Together", "TOG", "HOSPITAL"
            ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "", "", "A1"
            ds.SeriesNumber, ds.InstanceNumber = number, at
            [result] = store(pictures.as_file(ds), as_files=True)
            assert result.status == 0, result
    return uid


def pane(page: Page, name: str) -> Locator:
    return page.locator(f"[data-pane={name}]")


def laid_out(page: Page, layout: str, *panes: str) -> None:
    page.get_by_role("button", name="Layout", exact=True).click()
    page.get_by_role("button", name=layout).click()
    for name in panes:
        shown(page, name)
    page.get_by_test_id("canvas-a").hover(position={"x": 60, "y": 60})


def index(page: Page, name: str) -> int:
    return int(pane(page, name).get_attribute("data-index") or -1)


def nearest(places: list[float], place: float) -> list[int]:
    away = [abs(one - place) for one in places]
    return [at for at, one in enumerate(away) if one == min(away)]


def test_panes_scroll_to_the_same_place_and_show_where_it_cuts(study: str, open_study: OpenStudy) -> None:
    page = open_study(study, 1300, 700)
    laid_out(page, "1 by 3", "a", "b", "c")
    page.wait_for_timeout(500)
    for wanted in (14, 3, 19, 0):
        while (here := index(page, "a")) != wanted:
            page.keyboard.press("ArrowDown" if here < wanted else "ArrowUp")
            expect(pane(page, "a")).not_to_have_attribute("data-index", str(here))
        # Two places may lie equally near.
        follower = nearest(COARSE, FINE[wanted])
        named = ",".join(f"[data-pane=b][data-index='{one}']" for one in follower)
        expect(page.locator(named)).to_have_count(1)
        # The side's picture reaches from 60 mm at its top 80 mm down; it is another plane and stands still.
        assert index(page, "c") == 1
        line = pane(page, "c").locator("line[data-main]")
        expect(line).to_have_count(1)
        page.wait_for_timeout(300)
        y1, y2, size = line.evaluate(
            "line => [Number(line.getAttribute('y1')), Number(line.getAttribute('y2')),"
            " [line.ownerSVGElement.clientWidth, line.ownerSVGElement.clientHeight]]"
        )
        pixel = min(size) / 100 / 0.8  # screen pixels a millimetre: the square picture is fitted
        middle_mm = 60 - (100 - 1) / 2 * 0.8
        assert y1 == pytest.approx(y2, abs=0.5)
        assert y1 == pytest.approx(size[1] / 2 - (FINE[wanted] - middle_mm) * pixel, abs=1.5)
    # Not linked, it stands.
    page.keyboard.press("x")
    before = index(page, "b")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    expect(pane(page, "a")).to_have_attribute("data-index", "6")
    page.wait_for_timeout(300)
    assert index(page, "b") == before


def test_windows_go_together(study: str, open_study: OpenStudy) -> None:
    page = open_study(study, 1300, 700)
    laid_out(page, "1 by 2", "a", "b")
    page.keyboard.press("3")
    expect(pane(page, "a")).to_contain_text("W 2500 · C 500")
    expect(pane(page, "b")).to_contain_text("W 2500 · C 500")


def block(page: Page) -> tuple[float, float]:
    """The middle of the block from the pane's, in parts of the picture's side: to the right, down."""
    seen = drawn(page)[:, :, 0] > 128
    y, x = np.nonzero(seen)
    side = min(seen.shape)
    return float(x.mean() - seen.shape[1] / 2) / side, float(y.mean() - seen.shape[0] / 2) / side


def test_a_picture_is_turned_mirrored_and_put_back(study: str, open_study: OpenStudy) -> None:
    page = open_study(study, 800, 700)
    page.keyboard.press("t")
    page.wait_for_timeout(500)
    x, y = -0.25, -0.30  # columns 10 to 40 and rows 10 to 30 of 100
    expected = [
        (None, (x, y)),
        (">", (-y, x)),
        (">", (-x, -y)),
        ("<", (-y, x)),
        ("h", (y, x)),
        ("Shift+H", (y, -x)),
        ("r", (x, y)),
    ]
    for key, wanted in expected:
        if key:
            page.keyboard.press(key)
            page.wait_for_timeout(300)
        assert block(page) == pytest.approx(wanted, abs=0.01), key


def test_a_stack_plays_round_and_stops(study: str, open_study: OpenStudy) -> None:
    page = open_study(study, 800, 700)
    before = index(page, "a")
    page.keyboard.press("Space")
    # Past the last and on from the first. Now and then a look misses one: the next round brings it again.
    wanted, seen = {before, len(FINE) - 1, 0}, set[int]()
    until = time.monotonic() + PATIENCE_MS / 1000
    while not wanted <= seen and time.monotonic() < until:
        seen.add(index(page, "a"))
        page.wait_for_timeout(35)
    assert wanted <= seen
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    stopped = index(page, "a")
    page.wait_for_timeout(500)
    assert index(page, "a") == stopped
