"""Fingers on the picture: real touch points, on a tablet and on a phone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import CDPSession, Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, drawn

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
TABLET = {"width": 1024, "height": 768, "has_touch": True, "is_mobile": True}
PHONE = {"width": 390, "height": 844, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
Point = tuple[float, float]


@pytest.fixture
def stack(store: Any) -> list[Dataset]:
    """Twenty slices with a block in the middle."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    made = []
    for number in range(20):
        values = np.zeros((100, 100), "<i2")
        values[40:60, 40:60] = 100
        ds = pictures.grey(
            values, WindowCenter="50", WindowWidth="100", PixelSpacing=["0.8", "0.8"], FrameOfReferenceUID=frame,
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], ImagePositionPatient=["-40", "-40", str(2 * number)],
        )  # fmt: skip
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
            "Test^Touch",
            "TOU",
            "HOSPITAL",
            "A1",
        )
        ds.PatientBirthDate, ds.PatientSex = "", ""
        ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = 1, number + 1, "Axial"
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
        made.append(ds)
    return made


class Fingers:
    """Touches the screen as the glass tells it to the browser."""

    def __init__(self, page: Page, pane: str = "a") -> None:
        self.page = page
        self.glass: CDPSession = page.context.new_cdp_session(page)
        box = page.get_by_test_id(f"canvas-{pane}").bounding_box()
        assert box
        self.middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def tell(self, kind: str, points: Sequence[Point]) -> None:
        touching = [
            {"x": self.middle[0] + x, "y": self.middle[1] + y, "id": number}
            for number, (x, y) in enumerate(points)
        ]
        self.glass.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touching})

    def drag(self, *ways: tuple[Point, Point], steps: int = 12) -> None:
        """Each finger from one point to another, all at once, from the pane's middle."""
        # One finger after the other comes down, as hands do.
        for count in range(1, len(ways) + 1):
            self.tell("touchStart", [start for start, _ in ways[:count]])
        # The viewer waits for the other fingers before it takes one for a finger alone.
        self.page.wait_for_timeout(150)
        for step in range(1, steps + 1):
            part = step / steps
            self.tell(
                "touchMove", [(a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part) for a, b in ways]
            )
            self.page.wait_for_timeout(30)
        self.tell("touchEnd", [])
        pane, last = self.page.locator("[data-pane=a]"), None
        # Until what it brought about is on the screen: twice the same.
        while last != (last := (pane.get_attribute("data-index"), pane.inner_text())):
            self.page.wait_for_timeout(300)

    def tap(self, point: Point = (0, 0)) -> None:
        self.tell("touchStart", [point])
        self.tell("touchEnd", [])


def index(page: Page) -> int:
    return int(page.locator("[data-pane=a]").get_attribute("data-index") or -1)


def zoom(page: Page) -> int:
    words = page.locator("[data-pane=a] [class*=bottomLeft]").inner_text()
    return int(re.search(r"Zoom (\d+) %", words)[1])


def window(page: Page) -> tuple[float, float]:
    words = page.locator("[data-pane=a] [class*=bottomLeft]").inner_text()
    width, center = re.search(r"W (-?[\d.]+) · C (-?[\d.]+)", words).groups()
    return float(width), float(center)


def block(page: Page) -> tuple[float, float]:
    """The middle of the block on the canvas: x, y."""
    y, x = np.nonzero(drawn(page)[:, :, 0] > 128)
    return float(x.mean()), float(y.mean())


@pytest.mark.parametrize("screen", [TABLET, PHONE], ids=["tablet", "phone"])
def test_one_finger_scrolls_two_enlarge_and_move_three_window(
    stack: list[Dataset], open_study: OpenStudy, screen: dict[str, Any]
) -> None:
    page = open_study(stack[0].StudyInstanceUID, **screen)
    fingers = Fingers(page)
    ratio = float(screen.get("device_scale_factor", 1))
    before = (index(page), zoom(page), window(page))

    fingers.drag(((0, -60), (0, 60)))
    assert index(page) > before[0] + 2
    assert (zoom(page), window(page)) == before[1:]
    fingers.drag(((0, 100), (0, -100)))
    at = index(page)
    assert at < before[0] + 2

    fingers.drag(((-40, 0), (-80, 0)), ((40, 0), (80, 0)))
    larger = zoom(page)
    # The first part of the way tells what the fingers mean.
    assert larger == pytest.approx(200, rel=0.25)
    assert block(page) == pytest.approx((drawn(page).shape[1] / 2, drawn(page).shape[0] / 2), abs=12 * ratio)

    x, y = block(page)
    fingers.drag(((-40, 0), (-10, 50)), ((40, 0), (70, 50)))
    moved = block(page)
    assert moved[0] - x == pytest.approx(30 * ratio, abs=8 * ratio)
    assert moved[1] - y == pytest.approx(50 * ratio, abs=8 * ratio)
    assert zoom(page) == pytest.approx(larger, rel=0.05)
    assert (index(page), window(page)) == (at, before[2])

    fingers.drag(((-50, 0), (0, -40)), ((0, 0), (50, -40)), ((50, 0), (100, -40)))
    assert window(page) != before[2]
    assert (index(page), zoom(page)) == (at, pytest.approx(larger, rel=0.02))
    # The page itself stands still.
    assert page.evaluate("() => [scrollX, scrollY, visualViewport.scale]") == [0, 0, 1]


def test_two_taps_show_one_pane_alone(stack: list[Dataset], open_study: OpenStudy) -> None:
    page = open_study(stack[0].StudyInstanceUID, **TABLET)
    page.get_by_role("button", name="Layout", exact=True).tap()
    page.get_by_role("button", name="1 by 2").tap()
    expect(page.locator("[data-pane]")).to_have_count(2)
    page.wait_for_timeout(300)
    fingers = Fingers(page)
    fingers.tap()
    page.wait_for_timeout(600)
    fingers.tap()
    page.wait_for_timeout(200)
    assert page.locator("[data-alone]").count() == 0, "two taps far apart are no double tap"
    page.wait_for_timeout(600)
    fingers.tap()
    fingers.tap()
    expect(page.locator("[data-pane=a]")).to_have_attribute("data-alone", "true")


@pytest.mark.parametrize("screen", [TABLET, PHONE], ids=["tablet", "phone"])
def test_tools_are_within_the_thumbs_reach_and_the_picture_has_the_room(
    stack: list[Dataset], open_study: OpenStudy, screen: dict[str, Any]
) -> None:
    page = open_study(stack[0].StudyInstanceUID, **screen)
    tools = page.get_by_role("toolbar", name="Image tools")
    pane, bar = page.locator("[data-pane=a]").bounding_box(), tools.bounding_box()
    assert pane
    assert bar
    assert pane["y"] + pane["height"] <= bar["y"] + 1
    assert pane["height"] > 0.8 * screen["height"]
    # On a phone it has the whole width.
    assert pane["width"] > (0.8 if screen is TABLET else 0.99) * screen["width"]
    for one in tools.get_by_role("button").all():
        box = one.bounding_box()
        assert box
        assert box["height"] >= 44, one.get_attribute("aria-label")
        assert bar["y"] - 1 <= box["y"] and box["y"] + box["height"] <= screen["height"] + 1
    assert page.evaluate("() => document.documentElement.scrollWidth") <= screen["width"]
    # Who it is, and of what, is never covered.
    expect(page.locator("[data-pane=a]")).to_contain_text("Test, Touch")
