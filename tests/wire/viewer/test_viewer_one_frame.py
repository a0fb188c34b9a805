"""What is drawn on a picture changes in the same frame as the picture, judged by what each frame that is painted shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy
from viewer_hand import COLUMNS, ROWS, listed, measuring

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
LEFT, RIGHT, TOP, BOTTOM = 40, 80, 30, 60

# What was painted last, read before anything of the next frame is drawn: the grey of the middle, the columns between which
# the middle row is bright, and from where to where the drawn line reaches, all in pixels of the screen.
_WATCH = """() => {
  const canvas = document.querySelector('[data-testid=canvas-a] canvas')
  const context = canvas.getContext('2d')
  const ratio = canvas.width / canvas.clientWidth
  window.__frames = []
  const read = () => {
    const { data } = context.getImageData(0, canvas.height >> 1, canvas.width, 1)
    const bright = Array.from({ length: canvas.width }, (_, at) => data[4 * at]).flatMap((grey, at) => (grey > 128 ? [at] : []))
    const line = document.querySelector('[data-testid=canvas-a] .svg-layer line')
    const ends = line && ['x1', 'x2'].map((name) => Number(line.getAttribute(name))).sort((a, b) => a - b)
    window.__frames.push({
      middle: data[4 * (canvas.width >> 1)],
      block: bright.length ? [bright[0] / ratio, (bright[bright.length - 1] + 1) / ratio] : null,
      line: ends,
    })
    window.__reading = requestAnimationFrame(read)
  }
  window.__reading = requestAnimationFrame(read)
}"""


def stack(store: Any, count: int) -> tuple[str, list[str]]:
    """A series of slices with a bright block, each darker than the one before; its study's UID and theirs."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    instances = []
    for number in range(count):
        values = np.zeros((ROWS, COLUMNS), "<i2")
        values[TOP:BOTTOM, LEFT:RIGHT] = 200 - 40 * number
        ds = pictures.grey(
            values, WindowCenter="100", WindowWidth="200", PixelSpacing=["0.8", "0.8"], FrameOfReferenceUID=frame,
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], ImagePositionPatient=["-40", "-30", str(5 * number)],
        )  # fmt: skip
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Frames", "FRA", "HOSPITAL"
        ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "", "", "A1"
        ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
        instances.append(ds.SOPInstanceUID)
    return study, instances


def frames(page: Page) -> list[dict[str, Any]]:
    """All frames since the last look."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    found: list[dict[str, Any]] = page.evaluate("() => window.__frames.splice(0)")
    return found


def test_a_measurement_moves_with_its_picture_frame_by_frame(store: Any, open_study: OpenStudy) -> None:
    page = open_study(stack(store, 1)[0], 900, 760)
    hand = measuring(page, aspect=1)
    hand.drag("l", (LEFT, 45), (RIGHT, 45))
    page.evaluate(_WATCH)
    frames(page)
    # The second button enlarges; the middle one moves.
    for button, way in (("right", (0, 9)), ("middle", (12, 0)), ("right", (0, -14))):
        x, y = hand.at((60, 55))
        page.mouse.move(x, y)
        page.mouse.down(button=button)
        for step in range(1, 9):
            page.mouse.move(x + way[0] * step, y + way[1] * step)
            page.evaluate("() => new Promise(requestAnimationFrame)")
        page.mouse.up(button=button)
    seen = frames(page)
    blocks = [one["block"] for one in seen]
    assert len({str(one) for one in blocks}) > 12, "the picture was enlarged and moved in many frames"
    # The drawing hand was true to a pixel of the screen.
    off = [max(abs(a - b) for a, b in zip(one["block"], one["line"], strict=True)) for one in seen]
    assert max(off) < 3, [(at, one) for at, one in zip(off, seen, strict=True)]


def test_a_measurement_is_seen_on_its_own_picture_alone(store: Any, open_study: OpenStudy) -> None:
    study, instances = stack(store, 3)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    # The last picture does not come until it is let through.
    page = open_study(
        study, 900, 760, before=lambda page: page.route(f"**/instances/{instances[2]}/frames/*", hold)
    )
    pane = page.locator("[data-pane=a]")
    hand = measuring(page, aspect=1)
    expect(pane).to_have_attribute("data-index", "1")
    page.evaluate(_WATCH)
    grey = frames(page)[-1]["middle"]
    hand.drag("l", (LEFT, 45), (RIGHT, 45))
    expect(listed(page)).to_have_count(1)
    frames(page)
    for key, index in (("ArrowUp", "0"), ("ArrowDown", "1")) * 2:
        page.keyboard.press(key)
        expect(pane).to_have_attribute("data-index", index)
    page.keyboard.press("ArrowDown")
    # Enlarged meanwhile, the picture that is seen keeps what is drawn on it.
    x, y = hand.at((60, 55))
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    for step in range(10):
        page.mouse.move(x, y + 5 * step)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    page.mouse.up(button="right")
    waited = frames(page)
    assert len({str(one["block"]) for one in waited}) > 5
    assert all(one["line"] for one in waited[-5:])
    for route in held:
        route.continue_()
    expect(pane).to_have_attribute("data-index", "2")
    seen = waited + frames(page)
    assert {one["middle"] == grey for one in seen} == {True, False}
    assert [one for one in seen if (one["middle"] == grey) != bool(one["line"])] == []
