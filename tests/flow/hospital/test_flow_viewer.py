"""What a radiologist's hands do in the viewer, on the demo hospital's own CT: what is asserted is what the screen says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from hospital_fixtures import Hospital

pytestmark = pytest.mark.e2e

# The hospital is still being built in the background, on two cores.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def study(hospital: Hospital) -> dict[str, Any]:
    """A CT that waits to be read."""

    def found() -> dict[str, Any] | None:
        items = hospital.ask("GET", "/api/reading-list?limit=100", "radiologist")[1]["items"]
        return next((one for one in items if one["modality"] == "CT"), None)

    item: dict[str, Any] = hospital.wait(found, 120)
    return item


@pytest.fixture
def page(browser: Browser, hospital: Hospital, study: dict[str, Any]) -> Iterator[Page]:
    """The case on the screen, its first image drawn; the console had nothing to complain of."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    account, url = hospital.account("radiologist"), f"http://127.0.0.1:{hospital.http}"
    page.goto(f"{url}/sign-in")
    page.get_by_label("User name").fill(account["username"])
    page.get_by_label("Password").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Places").wait_for()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{url}/read/{study['study_pk']}")
    expect(page.locator("[data-pane=a]")).to_have_attribute("data-state", "shown")
    page.keyboard.press("q")  # the report aside, so that letters are the viewer's
    yield page
    assert complaints == []
    context.close()


def letters(page: Page) -> str:
    """The directions at the edges of the first pane: top, right, bottom, left."""
    return "".join(
        page.locator(f"[data-pane=a] [data-edge={edge}]").inner_text()
        for edge in ("top", "right", "bottom", "left")
    )


def drawn_again(page: Page) -> None:
    """Waits until a pane that has got another size is painted with it: the second frame from now at the latest."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def listed(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Measurements").get_by_role("listitem")


def test_letters_follow_a_turned_and_mirrored_picture(page: Page) -> None:
    before = letters(page)
    assert re.fullmatch(r"[LRAPHF]{4,8}", before)
    top, right, bottom, left = (
        page.locator(f"[data-pane=a] [data-edge={edge}]") for edge in ("top", "right", "bottom", "left")
    )
    was = [edge.inner_text() for edge in (top, right, bottom, left)]
    page.keyboard.press(">")
    expect(right).to_have_text(was[0])
    expect(bottom).to_have_text(was[1])
    expect(left).to_have_text(was[2])
    page.keyboard.press("h")
    expect(left).to_have_text(was[0])
    expect(bottom).to_have_text(was[1])
    page.keyboard.press("r")
    expect(top).to_have_text(was[0])
    assert letters(page) == before


def test_a_length_by_keys_alone_is_right_undone_and_jumped_to(page: Page) -> None:
    pane = page.locator("[data-pane=a]")
    bar = pane.locator("[class*=scale]")
    page.keyboard.press("Shift+M")
    expect(page.get_by_role("complementary", name="Measurements")).to_be_visible()
    drawn_again(page)
    # Its words and its width of one moment.
    words, width = bar.evaluate("bar => [bar.innerText, bar.getBoundingClientRect().width]")
    length, unit = re.fullmatch(r"([\d.]+) (cm|mm)", words).groups()
    millimetres = float(length) * (10 if unit == "cm" else 1) / width
    page.keyboard.press("l")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(listed(page)).to_have_count(1)
    expect(listed(page)).to_contain_text(" mm")
    said = float(re.search(r"([\d.]+) mm", listed(page).inner_text())[1])
    # Ten strides of 12 pixels; the bar is drawn to a pixel.
    assert said == pytest.approx(120 * millimetres, rel=0.03)

    index = pane.get_attribute("data-index")
    page.keyboard.press("ArrowDown")
    expect(pane).not_to_have_attribute("data-index", str(index))
    listed(page).get_by_role("button").first.click()
    expect(pane).to_have_attribute("data-index", str(index))

    page.keyboard.press("Delete")
    expect(listed(page)).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(listed(page)).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(listed(page)).to_have_count(0)


def test_a_region_tells_its_values_in_hounsfield_units(page: Page) -> None:
    page.keyboard.press("Shift+M")
    canvas = page.get_by_test_id("canvas-a").bounding_box()
    assert canvas
    x, y = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
    page.keyboard.press("Shift+O")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 20, steps=3)
    page.mouse.move(x + 50, y + 40, steps=3)
    page.mouse.up()
    expect(listed(page)).to_contain_text(re.compile(r"Mean -?[\d.]+ HU · SD [\d.]+"))
    words = listed(page).inner_text()
    mean = float(re.search(r"Mean (-?[\d.]+)", words)[1])
    least, most = (float(one) for one in re.search(r"Min (-?[\d.]+) · max (-?[\d.]+)", words).groups())
    assert least <= mean <= most
    assert re.search(r"Area [\d.]+ (mm|cm)²", words)


def test_panes_are_laid_out_filled_by_dragging_and_seen_alone(page: Page) -> None:
    page.get_by_role("button", name="Layout", exact=True).click()
    page.get_by_role("button", name="2 by 3").click()
    expect(page.locator("[data-pane]")).to_have_count(6)
    series = page.get_by_role("navigation", name="Series").locator("button:has(img)").first
    start, pane = series.bounding_box(), page.locator("[data-pane=f]")
    end = pane.bounding_box()
    assert start and end
    page.mouse.move(start["x"] + 40, start["y"] + 40)
    page.mouse.down()
    page.mouse.move(start["x"] + 80, start["y"] + 60, steps=2)
    page.mouse.move(end["x"] + 60, end["y"] + 60, steps=4)
    expect(pane).to_have_attribute("data-over", "true")
    page.mouse.up()
    expect(pane).to_have_attribute("data-state", "shown")
    page.mouse.dblclick(end["x"] + 60, end["y"] + 60)
    expect(pane).to_have_attribute("data-alone", "true")
    page.keyboard.press("Shift+B")
    expect(page.locator("[data-alone]")).to_have_count(0)


def test_planes_are_laid_through_a_volume_as_a_slab(page: Page) -> None:
    page.keyboard.press("Shift+P")
    planes = page.get_by_test_id("planes")
    expect(planes).to_have_attribute("data-ready", "true")
    expect(planes.locator("[data-plane=coronal] [data-edge=top]")).to_have_text("H")
    expect(planes.locator("[data-plane=sagittal] [data-edge=bottom]")).to_have_text("F")
    expect(planes.locator("[data-plane=axial] [data-edge=left]")).to_have_text("R")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    # Turned by 30° about the axial plane's line of sight, the coronal plane shows front and side at once.
    expect(planes.locator("[data-plane=coronal] [data-edge=left]")).to_have_text(re.compile("^R[AP]$"))
    page.keyboard.press("n")
    expect(planes.locator("[data-plane=axial]")).to_contain_text("MIP 10 mm")
    page.keyboard.press("Escape")
    expect(planes).to_have_count(0)
