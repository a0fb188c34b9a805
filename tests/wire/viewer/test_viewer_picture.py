"""The picture is right in every frame that is painted: never stretched, never under the scale or the note of another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, shown

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
ROWS, COLUMNS = 96, 120
ROW_MM, COLUMN_MM = 0.5, 0.8
# In the middle, so that the pane's middle row and column go through it.
BLOCK = (slice(33, 63), slice(40, 80))
HIGH_MM, WIDE_MM = 30 * ROW_MM, 40 * COLUMN_MM
SLICES = 6

# At the end of each frame, when everything that may still change it has run and it is about to be painted: what stands in
# the pane. (An observer of sizes is called there, and this one's element has another size in each frame.)
_WATCH = """() => {
  const pulse = document.createElement('div')
  pulse.style.cssText = 'position:fixed;height:1px;width:1px'
  document.body.append(pulse)
  window.seen = []
  const extent = (data, least) => {
    let from = -1, to = -1
    for (let at = 0; at * 4 < data.length; at++) if (data[at * 4] > least) { if (from < 0) from = at; to = at }
    return from < 0 ? 0 : to - from + 1
  }
  new ResizeObserver(() => {
    const pane = document.querySelector('[data-pane=a]')
    const canvas = pane?.querySelector('canvas')
    if (!canvas || !canvas.width || !canvas.clientWidth) return
    const context = canvas.getContext('2d')
    const { width, height, clientWidth, clientHeight } = canvas
    const bar = pane.querySelector('[class*=scale]')
    const said = bar && /^([\\d.]+) (cm|mm)$/.exec(bar.innerText)
    window.seen.push({
      state: pane.dataset.state,
      alert: pane.querySelector('[role=alert]')?.innerText ?? null,
      wide: extent(context.getImageData(0, height >> 1, width, 1).data, 128) * clientWidth / width,
      high: extent(context.getImageData(width >> 1, 0, 1, height).data, 128) * clientHeight / height,
      millimetres: said ? Number(said[1]) * (said[2] === 'cm' ? 10 : 1) / bar.getBoundingClientRect().width : null,
    })
  }).observe(pulse)
  let wide = false
  const beat = () => { wide = !wide; pulse.style.width = wide ? '2px' : '1px'; requestAnimationFrame(beat) }
  requestAnimationFrame(beat)
}"""
# Gives the viewer another size in each frame.
_STORM = """frames => new Promise(done => {
  const viewer = document.querySelector('[data-testid=viewer]')
  let at = 0
  const step = () => {
    viewer.style.right = at % 3 ? `${(at * 37) % 320}px` : ''
    viewer.style.bottom = at % 2 ? `${(at * 53) % 240}px` : ''
    if (at++ < frames) requestAnimationFrame(step)
    else { viewer.style.right = viewer.style.bottom = ''; requestAnimationFrame(() => requestAnimationFrame(done)) }
  }
  step()
})"""


def phantom(number: int, uid: tuple[str, str, str]) -> Dataset:
    values = np.zeros((ROWS, COLUMNS), "<i2")
    values[BLOCK] = 100
    values[number, 0] = 90  # no two alike
    ds = pictures.grey(
        values, WindowCenter="50", WindowWidth="100", PixelSpacing=[str(ROW_MM), str(COLUMN_MM)],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        ImagePositionPatient=["-40", "-30", str(4 * number)], FrameOfReferenceUID=uid[2],
    )  # fmt: skip
    ds.StudyInstanceUID, ds.SeriesInstanceUID, _ = uid
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
        "Test^Frame",
        "FRA",
        "HOSPITAL",
        "A1",
    )
    ds.PatientBirthDate, ds.PatientSex = "", ""
    ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
    return ds


@pytest.fixture
def stack(store: Any) -> list[Dataset]:
    """Slices with one block, which lies in the middle of each."""
    uid = (generate_uid(), generate_uid(), generate_uid())
    made = [phantom(number, uid) for number in range(SLICES)]
    for ds in made:
        ds.SOPInstanceUID = generate_uid()
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
    return made


def throttled(page: Page, rate: float) -> None:
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})


def faults(page: Page) -> list[str]:
    """What was painted wrong since the watch began, in words."""
    found = []
    seen = page.evaluate("() => window.seen.splice(0)")
    assert len(seen) > 5
    for at, one in enumerate(seen):
        wide, high, millimetres = one["wide"], one["high"], one["millimetres"]
        if not wide or not high:
            continue
        # A block's border falls anywhere in a pixel.
        if abs(wide / WIDE_MM - high / HIGH_MM) > 2 / WIDE_MM + 2 / HIGH_MM:
            found.append(f"frame {at}: {wide:.0f} by {high:.0f} pixels is stretched")
        if millimetres and abs(wide * millimetres - WIDE_MM) > 3 * millimetres:
            found.append(f"frame {at}: the scale makes {wide * millimetres:.2f} mm of {WIDE_MM}")
        if one["state"] == "shown" and one["alert"]:
            found.append(f"frame {at}: shown, and said to be missing")
    return found


def numbers(page: Page) -> list[str]:
    return [
        str(one)
        for one in page.locator("[data-pane=a]").evaluate_all("all => all.map(one => one.dataset.index)")
    ]


@pytest.mark.parametrize("pixels", [1, 1.5], ids=["plain", "dense"])
def test_the_scale_is_the_picture_s_in_every_frame(
    stack: list[Dataset], open_study: OpenStudy, pixels: float
) -> None:
    page = open_study(stack[0].StudyInstanceUID, 1100, 800, device_scale_factor=pixels)
    page.evaluate(_WATCH)
    throttled(page, 3)
    page.evaluate(_STORM, 40)
    for key in ("Shift+M", "t", "Shift+M", "t", "+", "+", "ArrowDown", "t", "Shift+M"):
        page.keyboard.press(key)
    for width, height in ((700, 800), (1300, 600), (1100, 800)):
        page.set_viewport_size({"width": width, "height": height})
        page.keyboard.press("ArrowUp")
    page.evaluate(_STORM, 20)
    assert faults(page) == []
    # What was enlarged is still so, and says so.
    expect(page.locator("[data-pane=a]")).to_contain_text("Zoom 144 %")


def test_a_pane_that_has_its_size_again_is_not_drawn_in_the_one_between(
    stack: list[Dataset], open_study: OpenStudy
) -> None:
    page = open_study(stack[0].StudyInstanceUID, 1100, 800)
    held: list[Route] = []
    page.route("**/frames/**", lambda route: held.append(route))  # noqa: PLW0108
    page.reload(wait_until="commit")
    pane = page.locator("[data-pane=a]")
    expect(pane).to_have_attribute("data-state", "loading")
    page.wait_for_timeout(300)
    page.evaluate(_WATCH)
    # To another size and back, before there is anything to draw.
    page.evaluate("""() => new Promise(done => {
      const viewer = document.querySelector('[data-testid=viewer]')
      let at = 0
      const step = () => {
        viewer.style.right = at % 2 ? '' : '300px'
        if (at++ < 9) requestAnimationFrame(step)
        else done()
      }
      step()
    })""")
    for route in held:
        route.continue_()
    page.unroute("**/frames/**")
    shown(page)
    page.wait_for_timeout(300)
    assert faults(page) == []
    pane_zoom = pane.locator("[class*=bottomLeft]")
    expect(pane_zoom).to_contain_text("Zoom 100 %")


def test_panes_that_stay_are_not_stretched_when_others_close(
    stack: list[Dataset], open_study: OpenStudy
) -> None:
    page = open_study(stack[0].StudyInstanceUID, 1100, 800)
    page.evaluate(_WATCH)
    for layout in ("3 by 3", "1 by 2", "3 by 1", "2 by 2", "1 by 1"):
        page.get_by_role("button", name="Layout", exact=True).click()
        page.get_by_role("button", name=layout).click()
        page.wait_for_timeout(200)
        page.locator("[data-pane=a]").dblclick(position={"x": 100, "y": 60})
        page.wait_for_timeout(200)
    assert faults(page) == []


def test_a_reader_who_goes_on_before_the_first_picture_came_sees_the_next_and_no_note(
    stack: list[Dataset], open_study: OpenStudy
) -> None:
    page = open_study(stack[0].StudyInstanceUID)
    held: list[Route] = []
    page.route("**/frames/**", lambda route: held.append(route))  # noqa: PLW0108
    page.reload(wait_until="commit")
    pane = page.locator("[data-pane=a]")
    expect(pane).to_have_attribute("data-state", "loading")
    page.wait_for_timeout(300)
    page.evaluate(_WATCH)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(100)
    for route in held:
        route.continue_()
    page.unroute("**/frames/**")
    shown(page, sop_instance_uid=stack[4].SOPInstanceUID)
    expect(pane.get_by_role("alert")).to_have_count(0)
    expect(pane.locator("[class*=scale]")).to_be_visible()
    page.wait_for_timeout(300)
    assert faults(page) == []


def test_the_note_of_a_missing_first_picture_goes_with_it(
    stack: list[Dataset], open_study: OpenStudy
) -> None:
    page = open_study(stack[0].StudyInstanceUID)
    page.route(f"**/{stack[2].SOPInstanceUID}/**", lambda route: route.abort())
    page.reload()
    pane = page.locator("[data-pane=a]")
    expect(pane.get_by_role("alert")).to_contain_text("Image 3 could not be loaded")
    page.keyboard.press("ArrowDown")
    shown(page, sop_instance_uid=stack[3].SOPInstanceUID)
    expect(pane.get_by_role("alert")).to_have_count(0)
    expect(pane).to_contain_text("4 / 6")
    # Back again it is missing still, and the picture that stays says which one it is.
    page.keyboard.press("ArrowUp")
    expect(pane.get_by_role("alert")).to_contain_text("Image 3 could not be loaded")
    expect(pane).to_contain_text("4 / 6")
    page.unroute(f"**/{stack[2].SOPInstanceUID}/**")
    pane.get_by_role("button", name="Try again").click()
    shown(page, sop_instance_uid=stack[2].SOPInstanceUID)
