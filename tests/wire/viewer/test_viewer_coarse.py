"""On a slow link a stack is seen coarse first, says so, is never measured so, and becomes the truth."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import select

import viewer_pictures as pictures
from archive_fixtures import MakeDicom, Store, study_of
from viewer_fixtures import PATIENCE_MS, OpenStudy, drawn, enlarged, within
from wetread.archive import jobs
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.security.service import Actor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
SIDE, SLICES = 1024, 10
ROWS, COLUMNS = (322, 718), (202, 602)  # of a block
COARSE = "Coarse image, not yet full quality"


@pytest.fixture
def stack(store: Any, archive: Archive) -> list[Dataset]:
    """Slices whose noise makes them large, with renditions."""
    random = np.random.default_rng(5)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    made = []
    for number in range(SLICES):
        values = random.integers(-500, 500, (SIDE, SIDE)).astype("<i2")
        values[slice(*ROWS), slice(*COLUMNS)] += 3000
        ds = pictures.grey(
            values, WindowCenter="1500", WindowWidth="4000", PixelSpacing=["0.25", "0.25"],
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            ImagePositionPatient=["-128", "-128", str(4 * number)], FrameOfReferenceUID=frame,
        )  # fmt: skip
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Coarse", "COA", "HOSPITAL"
        ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "", "", "A1"
        ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
        made.append(ds)
    with archive.offices.database.raw() as connection:
        # Nothing is made ready while objects stream in.
        connection.execute("UPDATE instance SET created_at = created_at - interval '1 minute'")
    with archive.offices.work(Actor.system("worker")) as work:
        jobs.prepare_study(work, work.session.scalars(select(Study.study_pk)).one())
    archive.retrieval.forget()
    return made


def throttled(page: Page) -> None:
    """30 Mbit/s, 40 ms."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    rate = 30e6 / 8
    cdp.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 40, "downloadThroughput": rate, "uploadThroughput": rate},
    )


def crossings(line: np.ndarray[Any, Any], level: float) -> tuple[float, float]:
    """The first and the last place where a line of values goes through a level."""
    found = [
        at + (level - line[at]) / (line[at + 1] - line[at])
        for at in np.flatnonzero((line[:-1] < level) != (line[1:] < level))
    ]
    return float(found[0]), float(found[-1])


def test_coarse_first_and_then_the_truth(stack: list[Dataset], open_study: OpenStudy) -> None:
    held: list[Route] = []
    asked: list[tuple[str, str | None]] = []
    holding = True

    def frames(route: Route) -> None:
        asked.append((route.request.url.split("/instances/")[1], route.request.headers.get("range")))
        held.append(route) if holding else route.continue_()

    def before(page: Page) -> None:
        throttled(page)
        page.route("**/frames/*", frames)

    page = open_study(stack[0].StudyInstanceUID, 1100, 800, before)
    pane = page.locator("[data-pane=a]")
    expect(pane).to_have_attribute("data-quality", "coarse")
    expect(pane.get_by_text(COARSE)).to_be_visible()
    # The one that is looked at is asked for first, and of it only what is not here.
    middle = stack[(SLICES - 1) // 2]
    expect(pane).to_have_attribute("data-sop-instance-uid", middle.SOPInstanceUID)
    for _ in range(200):
        if asked:
            break
        page.wait_for_timeout(50)
    assert asked, "nothing more was asked for"
    assert asked[0][0] == f"{middle.SOPInstanceUID}/frames/1"
    found = re.fullmatch(r"bytes=(\d+)-", asked[0][1] or "")
    assert found, asked[0]

    # The block lies where it is, to less than a pixel, though every fourth row and column is drawn.
    seen = drawn(page).astype(float).mean(axis=2)
    left, top, across, down = within(seen.shape, (SIDE, SIDE))
    for line, origin, scale, edges in (
        (seen[int(top + 400 * down) : int(top + 640 * down)].mean(axis=0), left, across, COLUMNS),
        (seen[:, int(left + 280 * across) : int(left + 520 * across)].mean(axis=1), top, down, ROWS),
    ):
        for found_at, edge in zip(crossings(line, 255 * 2000 / 4000), edges, strict=True):
            assert abs((found_at + 0.5 - origin) / scale - edge) < 0.9, (found_at, edge)

    # No value is read from it.
    page.keyboard.press("Shift+O")
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box is not None
    ratio = box["width"] / seen.shape[1]

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + (left + x * across) * ratio, box["y"] + (top + y * down) * ratio

    page.mouse.move(*at(300, 400))
    page.mouse.down()
    page.mouse.move(*at(400, 520), steps=4)
    page.mouse.move(*at(500, 620), steps=4)
    page.mouse.up()
    words = pane.locator("svg text")
    expect(words.filter(has_text="Values wait for full quality")).to_be_visible()
    assert not words.filter(has_text="Mean").count()

    # What cannot be had is said, on the picture that is there.
    first = held.pop(0)
    page.route(f"**/{middle.SOPInstanceUID}/frames/*", lambda route: route.abort())
    first.abort()
    note = pane.get_by_role("alert")
    expect(note).to_contain_text("Coarse image: the rest could not be loaded")
    # Those that waited for it go on: all are coarse before the rest of any is here.
    expect(pane.get_by_text(f"Series: coarse {SLICES} of {SLICES}, full 0")).to_be_visible()
    page.unroute(f"**/{middle.SOPInstanceUID}/frames/*")
    holding = False
    note.get_by_role("button", name="Try again").click()
    for route in held:
        route.continue_()
    expect(pane).to_have_attribute("data-quality", "full")
    expect(pane.get_by_text(COARSE)).to_have_count(0)
    expect(words.filter(has_text="Mean")).to_be_visible()
    expect(pane).to_have_attribute("data-loaded", str(SLICES))
    expect(pane.get_by_text("Series: coarse")).to_have_count(0)
    # No byte came twice: of each picture that was asked for which was not here.
    assert len({url for url, _ in asked}) == SLICES
    assert all(of for _, of in asked)
    page.keyboard.press("Delete")
    page.wait_for_timeout(300)
    for step, key in ((0, None), (1, "ArrowDown")):
        if key:
            page.keyboard.press(key)
            expect(pane).to_have_attribute("data-index", str((SLICES - 1) // 2 + step))
        values = stack[(SLICES - 1) // 2 + step].pixel_array.astype(float)
        truth, inside = enlarged(np.clip((values - (1500 - 2000)) / 3999, 0, 1) * 255, seen.shape)
        shown = drawn(page).astype(float).mean(axis=2)
        assert np.abs(shown - truth)[inside].mean() < 1.5


def test_the_picture_that_a_case_begins_with_is_here_before_it_is_opened(
    stack: list[Dataset], open_case: OpenStudy, store: Store, make_dicom: MakeDicom
) -> None:
    other = study_of(make_dicom, 2)
    store(*other)
    page = open_case(other[0].StudyInstanceUID)
    read = open_case(stack[0].StudyInstanceUID)
    case = read.url.removeprefix(read.url.split("/read")[0])
    read.context.close()
    throttled(page)
    cdp = page.context.new_cdp_session(page)
    # So that the program itself tells of the link.
    cdp.send("Network.enable")
    cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    with page.expect_response("**/coarse?*", timeout=PATIENCE_MS) as begun:
        page.goto(page.url.split("/read")[0] + "/reading")
        rows = page.locator("[role=row]", has_text="CT")
        expect(rows).to_have_count(2)
        for row in rows.all():
            row.click()
            page.wait_for_timeout(2000)  # whoever stays is likely to open it
    middle = stack[(SLICES - 1) // 2].SOPInstanceUID
    assert f"frame={middle}%2F1" in begun.value.url or f"frame={middle}/1" in begun.value.url
    begun.value.finished()
    # From here on no picture is answered.
    for pictures_of in ("**/coarse?*", "**/frames/*"):
        page.route(pictures_of, lambda _: None)
    page.evaluate("path => window.history.pushState({}, '', path)", case)
    pane = page.locator("[data-pane=a]")
    expect(pane).to_have_attribute("data-quality", "coarse")
    expect(pane).to_have_attribute("data-sop-instance-uid", middle)
    page.unroute_all(behavior="ignoreErrors")


def test_the_picture_that_a_study_begins_with_comes_with_what_the_study_says(
    stack: list[Dataset], open_study: OpenStudy
) -> None:
    page = open_study(stack[0].StudyInstanceUID)
    asked: list[str] = []
    # No picture is answered that is asked for by itself.
    for pictures_of in ("**/coarse?*", "**/frames/*"):
        page.route(pictures_of, lambda route: asked.append(route.request.url))
    for part in ("**/series", "**/metadata"):
        page.route(part, lambda route: asked.append(route.request.url))
    middle = stack[(SLICES - 1) // 2].SOPInstanceUID
    pane = page.locator("[data-pane=a]")
    images = page.url.removeprefix(page.url.split("/room")[0])
    page.evaluate("window.history.pushState({}, '', '/room')")
    expect(pane).to_have_count(0)
    page.wait_for_timeout(11_000)  # nothing of it is kept
    for go in (lambda: page.evaluate("path => window.history.pushState({}, '', path)", images), page.reload):
        asked.clear()
        go()
        expect(pane).to_have_attribute("data-quality", "coarse")
        expect(pane).to_have_attribute("data-sop-instance-uid", middle)
        assert not [url for url in asked if url.endswith(("/series", "/metadata"))]
    page.unroute_all(behavior="ignoreErrors")
