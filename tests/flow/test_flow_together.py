"""Three browsers look at one study: a radiologist leads, a colleague and a guest with a link follow.

What is asserted is what the canvases show and what the screens say, on screens of three shapes.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import select, text

from archive_fixtures import MakeDicom, Store, archive, as_dataset, as_file, decoder, make_dicom, store, web
from case_fixtures import Ward
from common import Api
from viewer_fixtures import PATIENCE_MS, drawn, shown
from viewer_others import beside, code, content, document, item, pdf
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.orders.service import Move, move_requested_procedure
from wetread.security.model import Practitioner
from wetread.security.service import FileMasterKey, Identity, use_guests
from wetread.sharing.service import OwnPatients
from wetread.together import room, service
from wetread.together.service import SeenTogether, actor_of_pass

__all__ = ["archive", "as_dataset", "as_file", "decoder", "make_dicom", "store", "web"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(560)]
expect.set_options(timeout=PATIENCE_MS)
SLICES = 7


class Server:
    """The application behind a socket that can be cut: all lines break, and it comes back at the same port."""

    def __init__(self, app: Any) -> None:
        self._app, self.port = app, 0
        self.start()

    def start(self) -> None:
        config = uvicorn.Config(
            self._app, host="127.0.0.1", port=self.port, log_level="error", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@dataclass
class Case:
    url: str
    study_pk: int
    lead: Api
    colleague: Api
    server: Server
    database: Any
    browser: Browser
    contexts: list[BrowserContext]
    complaints: list[str]

    def context(self, account: Api | None, width: int, height: int, **how: Any) -> Page:
        headers = {"Authorization": str(account.headers["Authorization"])} if account else {}
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, extra_http_headers=headers, **how
        )
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page


def pulse_for(seconds: int) -> Dataset:
    """A recording of one lead that is longer than any sheet."""
    beats = (1000 * np.sin(np.arange(100 * seconds) * 2 * np.pi / 100)).astype("<i2")
    lead = item(
        ChannelSourceSequence=code("2:2", "MDC", "Lead II"), ChannelSensitivity="1", WaveformBitsStored=16,
        ChannelSensitivityUnitsSequence=code("uV", "UCUM", "microvolt"), ChannelSensitivityCorrectionFactor="1",
        ChannelBaseline="0",
    )  # fmt: skip
    group = item(
        MultiplexGroupTimeOffset="0", WaveformOriginality="ORIGINAL", NumberOfWaveformChannels=1,
        NumberOfWaveformSamples=len(beats), SamplingFrequency="100", ChannelDefinitionSequence=[lead],
        WaveformBitsAllocated=16, WaveformSampleInterpretation="SS", WaveformData=beats.tobytes(),
    )  # fmt: skip
    return item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.2", Modality="ECG", SeriesNumber=92, WaveformSequence=[group]
    )


@pytest.fixture
def case(browser: Browser, web: Api, archive: Archive, store: Store, make_dicom: MakeDicom) -> Iterator[Case]:
    use_guests(actor_of_pass)
    archive.retrieval.visibility = SeenTogether(OwnPatients())
    ward = Ward(archive.offices, Identity(archive.offices, FileMasterKey(b"k" * 32)))
    study, series, space = (generate_uid() for _ in range(3))
    rows = np.random.default_rng(3).integers(-60, 120, (128, 128)).astype("<i2")
    slices = []
    for number in range(SLICES):
        # Each slice has a block of its own place, so that no two look alike; and none is like itself turned round.
        values = rows.copy()
        values[10 + 12 * number : 22 + 12 * number, 20:80] = 400
        slices.append(
            make_dicom(
                StudyInstanceUID=study, SeriesInstanceUID=series, FrameOfReferenceUID=space, InstanceNumber=number + 1,
                ImagePositionPatient=["-60", "-60", str(5 * number)], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelData=values.tobytes(), RescaleSlope="1", RescaleIntercept="0", WindowCenter="60",
                WindowWidth="400", PixelSpacing=["1", "1"], PatientName="Moss^Ada", PatientID="P1",
            )
        )  # fmt: skip
    before, masked = generate_uid(), []
    for number in range(SLICES - 2, SLICES):
        # The same places without a block: what is left when they are taken away.
        masked.append(
            make_dicom(
                StudyInstanceUID=study, SeriesInstanceUID=before, FrameOfReferenceUID=space, InstanceNumber=number + 1,
                ImagePositionPatient=["-60", "-60", str(5 * number)], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelData=rows.tobytes(), RescaleSlope="1", RescaleIntercept="0", SeriesNumber=99,
                SeriesDescription="Before", PixelSpacing=["1", "1"], PatientName="Moss^Ada", PatientID="P1",
            )
        )  # fmt: skip
    store(*slices, *masked)
    words = content("CONTAINS", "TEXT", ("121071", "DCM", "Finding"), TextValue="Nothing of note")
    beside(
        store, slices[0],
        item(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", ValueType="CONTAINER", ContentSequence=[words],
            ConceptNameCodeSequence=code("18748-4", "LN", "Outside report"),
        ),
    )  # fmt: skip
    sheets = pdf("Outside letter", "Its second page", "Its third page")
    beside(store, slices[0], document("1", "Letter", sheets, "application/pdf", SeriesNumber=91))
    beside(store, slices[0], pulse_for(60))
    corners = [(x, y, 5 * (SLICES - 2)) for x, y in ((-40, -40), (20, -40), (20, 20), (-40, 20))]
    drawn_by_hand = item(
        ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=4, ContourData=list(sum(corners, ()))
    )
    beside(
        store, slices[0],
        item(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", StructureSetLabel="PLAN", SeriesNumber=98,
            StructureSetROISequence=[item(ROINumber=1, ROIName="Target", ReferencedFrameOfReferenceUID=space)],
            ROIContourSequence=[item(ReferencedROINumber=1, ROIDisplayColor=[255, 0, 0], ContourSequence=[drawn_by_hand])],
        ),
    )  # fmt: skip
    with ward.made() as work:
        practitioner = Practitioner(person_name="Moreau^Ines^^Dr.")
        work.session.add(practitioner)
        work.session.flush()
        practitioner_pk = practitioner.practitioner_pk
    patient_pk = ward.patient()
    requested = ward.ordered("CTHEAD", patient_pk=patient_pk)
    with ward.made() as work:
        move_requested_procedure(work, requested.requested_procedure_pk, Move.START)
        row = work.session.scalars(select(Study).where(Study.study_instance_uid == study)).one()
        row.patient_pk = patient_pk
        study_pk = row.study_pk
    ward.link(study_pk, requested.requested_procedure_pk)
    lead = web.as_role("radiologist", practitioner_pk=practitioner_pk)
    colleague = web.as_role("radiologist")
    with ward.made() as work:
        for account, name in ((lead, "Dr. Ines Moreau"), (colleague, "Dr. Jonas Weber")):
            work.session.execute(
                text("UPDATE user_account SET display_name = :name WHERE user_pk = :pk"),
                {"name": name, "pk": account.user_pk},
            )
    server = Server(web.app)
    made = Case(
        f"http://127.0.0.1:{server.port}",
        study_pk,
        lead,
        colleague,
        server,
        archive.offices.database,
        browser,
        [],
        [],
    )
    yield made
    for context in made.contexts:
        context.close()
    server.stop()
    # Cornerstone's cache throws once more what a loader has told it, where nobody can catch it.
    complaints = [one for one in made.complaints if not one.startswith("The server could not be reached")]
    assert complaints == [], complaints


def begin(case: Case) -> Page:
    """The reader's screen with the session begun and its panel open."""
    page = case.context(case.lead, 1440, 900)
    page.goto(f"{case.url}/read/{case.study_pk}")
    shown(page)
    page.keyboard.press("q")  # the report aside, so that letters are the viewer's
    page.get_by_role("button", name="Look together with others").click()
    expect(page.get_by_test_id("together-banner")).to_contain_text("You lead")
    return page


def link_of(lead: Page) -> str:
    lead.get_by_role("button", name="Guest link").click()
    lead.get_by_role("button", name="Make the link").click()
    found = lead.get_by_test_id("guest-link").input_value()
    lead.get_by_role("button", name="Guest link").click()
    return found


def come_as_guest(case: Case, link: str, name: str = "Dr. Ann Far", **how: Any) -> Page:
    page = case.context(None, how.pop("width", 1024), how.pop("height", 768), **how)
    page.goto(link)
    expect(page.get_by_text("Dr. Ines Moreau")).to_be_visible()
    assert "#" not in page.url
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join").click()
    shown(page)
    expect(page.get_by_test_id("together-banner")).to_contain_text("Dr. Ines Moreau leads")
    return page


def come_as_colleague(case: Case, lead: Page) -> Page:
    """Sits at his home, sees the notice at once, and joins."""
    page = case.context(case.colleague, 1100, 900)
    page.goto(f"{case.url}/reading")
    expect(page.get_by_role("navigation", name="Places")).to_be_visible()
    page.wait_for_timeout(500)
    lead.get_by_role("button", name="Invite", exact=True).click()
    lead.get_by_label("Colleague").fill("Weber")
    lead.get_by_role("button", name=re.compile("Dr. Jonas Weber")).click()
    notice = page.get_by_role("alert", name="Invitation")
    expect(notice).to_contain_text("Dr. Ines Moreau asks you")
    notice.get_by_role("button", name="Join").click()
    shown(page)
    expect(page.get_by_test_id("together-banner")).to_contain_text("Dr. Ines Moreau leads")
    lead.get_by_role("button", name="Invite", exact=True).click()
    return page


def index(page: Page) -> str | None:
    return page.locator("[data-pane=a]").get_attribute("data-index")


def block(page: Page, threshold: int = 200) -> tuple[float, float, float, float]:
    """Where the bright block lies on the canvas (left, top, right, bottom), in CSS pixels from the pane's middle."""
    bright = drawn(page)[:, :, 0].astype(int) >= threshold
    # The noise has single bright pixels at no window that is used here; the block has thousands.
    columns, rows = (np.flatnonzero(bright.sum(axis) > 8) for axis in (0, 1))
    assert len(columns) and len(rows)
    height, width = bright.shape
    return (
        columns[0] - width / 2,
        rows[0] - height / 2,
        columns[-1] + 1 - width / 2,
        rows[-1] + 1 - height / 2,
    )


def settles(check: Any, seconds: float = 30) -> None:
    """Waits until a check of drawn pixels holds; its last failure is what is told."""
    until = time.monotonic() + seconds
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def test_two_follow_one_in_picture_window_and_place(case: Case) -> None:
    lead = begin(case)
    guest = come_as_guest(case, link_of(lead))
    colleague = come_as_colleague(case, lead)
    expect(lead.get_by_test_id("together-banner")).to_contain_text("2 follow you")
    expect(guest.get_by_label("Patient", exact=True)).to_contain_text("Moss")

    # Scroll.
    lead.get_by_test_id("canvas-a").click()
    lead.keyboard.press("End")
    for page in (lead, guest, colleague):
        expect(page.locator("[data-pane=a]")).to_have_attribute("data-index", str(SLICES - 1))
    lead.keyboard.press("ArrowUp")
    for page in (guest, colleague):
        expect(page.locator("[data-pane=a]")).to_have_attribute("data-index", str(SLICES - 2))

    # Window, by the drawn grey of the same place.
    words = lead.locator("[data-pane=a]")
    lead.keyboard.press("Shift+ArrowRight")
    said = re.search(r"W -?[\d.]+ · C -?[\d.]+", words.inner_text())
    assert said
    for page in (guest, colleague):
        expect(page.locator("[data-pane=a]")).to_contain_text(said[0])

    # Zoom: the same millimetres are seen, so the block is as large against the pane's height, and at the same place.
    for _ in range(3):
        lead.keyboard.press("+")

    def same_place() -> None:
        heights = {page: float(drawn(page).shape[0]) for page in (lead, guest, colleague)}
        widths = {page: float(drawn(page).shape[1]) for page in (lead, guest, colleague)}
        want = block(lead)
        for page in (guest, colleague):
            # A pane that is narrower shows as much to the sides, and so more above and below.
            scale = min(heights[page] / heights[lead], widths[page] / widths[lead])
            found = block(page)
            assert found == pytest.approx([edge * scale for edge in want], abs=3), (found, want, scale)

    settles(same_place)
    # Turned and inverted as well.
    lead.keyboard.press(">")
    settles(same_place)

    # What is laid over the picture.
    for shown_over in (1, 0):
        lead.keyboard.press("Shift+Z")
        for page in (lead, guest, colleague):
            expect(page.get_by_test_id("laid")).to_have_count(shown_over)

    # Who looks by themselves is not moved, and comes back by one key.
    guest.get_by_role("button", name="Look by yourself").click()
    expect(guest.get_by_test_id("together-banner")).to_contain_text("You look by yourself")
    before = index(guest)
    lead.keyboard.press("Home")
    expect(colleague.locator("[data-pane=a]")).to_have_attribute("data-index", "0")
    assert index(guest) == before
    guest.keyboard.press("Shift+Y")
    expect(guest.locator("[data-pane=a]")).to_have_attribute("data-index", "0")
    # A hand on the wheel means looking elsewhere, and is said at once.
    box = guest.get_by_test_id("canvas-a").bounding_box()
    assert box
    guest.mouse.move(box["x"] + 200, box["y"] + 200)
    guest.mouse.wheel(0, 200)
    expect(guest.get_by_test_id("together-banner")).to_contain_text("You look by yourself")

    # What is no picture hangs for all who follow, until somebody turns to a picture by hand.
    guest.keyboard.press("Shift+Y")
    for _ in range(2):  # pictures stand before what is none
        lead.keyboard.press("ArrowRight")
    for page in (lead, guest, colleague):
        expect(page.get_by_test_id("report")).to_contain_text("Nothing of note")
    guest.keyboard.press("ArrowLeft")
    expect(guest.get_by_test_id("together-banner")).to_contain_text("You look by yourself")
    shown(guest)
    expect(colleague.get_by_test_id("report")).to_be_visible()
    guest.keyboard.press("Shift+Y")
    expect(guest.get_by_test_id("report")).to_be_visible()
    for _ in range(2):
        lead.keyboard.press("ArrowLeft")
    lead.keyboard.press("End")
    for page in (lead, guest, colleague):
        expect(page.locator("[data-pane=a]")).to_have_attribute("data-index", str(SLICES - 1))

    # What is subtracted, and how the mask is moved; all that is left of the picture is its block.
    lead.keyboard.press("Shift+Q")
    for page in (lead, guest, colleague):
        expect(page.locator("[data-pane=a]")).to_contain_text("Subtracted · minus series 99 Before")
    settles(lambda: [_is_grey_beside_a_block(page) for page in (lead, guest, colleague)])
    for _ in range(5):
        lead.keyboard.press("Alt+Shift+ArrowRight")
    for page in (lead, guest, colleague):
        expect(page.get_by_label("Mask shift in pixels")).to_have_text("x +0.5 · y 0.0 px")
    lead.keyboard.press("r")
    for page in (lead, guest, colleague):
        expect(page.locator("[data-subtracted]")).to_have_count(0)
    expect(guest.get_by_test_id("together-banner")).to_contain_text("You see what they show")


def pointed(page: Page) -> tuple[float, float]:
    """Where another's pointer stands, from the corner of the paper's page or sheet as fractions of that."""
    pointer = page.locator("[data-paper] [data-pointer='Dr. Ines Moreau']")
    expect(pointer).to_be_visible()
    tip = pointer.bounding_box()
    sheet = page.get_by_label("Page 2 of 3").bounding_box()
    assert tip
    assert sheet
    return (tip["x"] - sheet["x"]) / sheet["width"], (tip["y"] - sheet["y"]) / sheet["height"]


def test_papers_are_read_together_at_one_place_by_a_guest_as_by_all(case: Case) -> None:
    lead = begin(case)
    guest = come_as_guest(case, link_of(lead))
    banner = guest.get_by_test_id("together-banner")
    lead.get_by_test_id("canvas-a").click()

    # A document, which page of it, how large, and who points where.
    for _ in range(3):
        lead.keyboard.press("ArrowRight")
    for page in (lead, guest):
        expect(page.locator("[data-page='1'][data-drawn]")).to_be_visible()
        assert page.get_by_role("link", name="Save the PDF").count() == (page is lead)
    lead.get_by_label("Page", exact=True).fill("2")
    lead.keyboard.press("Enter")
    expect(guest.get_by_label("Page", exact=True)).to_have_value("2")
    sheet = lead.get_by_label("Page 2 of 3").bounding_box()
    assert sheet
    lead.mouse.move(sheet["x"] + 0.3 * sheet["width"], sheet["y"] + 0.25 * sheet["height"])
    assert pointed(guest) == pytest.approx((0.3, 0.25), abs=0.01)
    for _ in range(4):
        lead.get_by_role("button", name="Larger").click()

    def as_large() -> None:
        shares = [
            page.get_by_label("Page 2 of 3").evaluate(
                "one => one.clientWidth / one.parentElement.clientWidth"
            )
            for page in (lead, guest)
        ]
        assert shares[0] > 1.9
        assert shares[1] == pytest.approx(shares[0], rel=0.02)

    settles(as_large)
    expect(banner).to_contain_text("You see what they show")

    # A recording: its time and speed.
    lead.keyboard.press("ArrowRight")
    for page in (lead, guest):
        expect(page.get_by_test_id("waveform-canvas")).to_have_attribute("data-strips", re.compile("from"))
    lead.keyboard.press("}")
    lead.keyboard.press("PageDown")

    def same_time() -> None:
        times = [
            json.loads(str(page.get_by_test_id("waveform-canvas").get_attribute("data-strips")))[0]["from"]
            for page in (lead, guest)
        ]
        assert times[0] > 1
        assert times[1] == pytest.approx(times[0], abs=0.06)

    settles(same_time)
    expect(guest.get_by_role("combobox", name="Paper speed")).to_have_value("50 mm/s")
    expect(banner).to_contain_text("You see what they show")
    # A hand on the paper means looking elsewhere, and stays where it was put; one key leads back.
    guest.get_by_test_id("waveform-canvas").hover()
    guest.mouse.wheel(0, 400)
    expect(banner).to_contain_text("You look by yourself")
    with pytest.raises(AssertionError):
        same_time()
    guest.keyboard.press("Shift+Y")
    settles(same_time)


def _is_grey_beside_a_block(page: Page) -> None:
    picture = drawn(page)[:, :, 0].astype(int)
    middle = picture[
        picture.shape[0] // 3 : picture.shape[0] // 2, picture.shape[1] // 3 : picture.shape[1] // 2
    ]
    assert middle.std() < 2
    assert (picture > middle.mean() + 60).sum() > 1000


_PLANE = """plane => {
  const canvas = document.querySelector(`[data-testid=plane-${plane}] canvas`)
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width, height, data: btoa(text) }
}"""
_RULED = "bar => [bar.innerText, bar.getBoundingClientRect().width]"


def sampled(page: Page, plane: str) -> np.ndarray[Any, Any]:
    """What a plane shows about its middle, by places in the patient: 40 mm to each side, means of 4 mm."""
    canvas = page.evaluate(_PLANE, plane)
    seen = np.frombuffer(base64.b64decode(canvas["data"]), np.uint8)
    seen = seen.reshape(canvas["height"], canvas["width"], 4)[:, :, 0].astype(float)
    words, width = page.locator(f"[data-plane={plane}] [class*=scale]").evaluate(_RULED)
    length, unit = re.fullmatch(r"([\d.]+) (cm|mm)", words).groups()
    scale = float(length) * (10 if unit == "cm" else 1) / float(width)
    places = (np.arange(160) - 79.5) / 2 / scale
    rows, columns = (np.rint(places + side / 2 - 0.5).astype(int) for side in seen.shape)
    return seen[np.ix_(rows, columns)].reshape(20, 8, 20, 8).mean((1, 3))


def alike(one: Page, other: Page, plane: str) -> None:
    a, b = sampled(one, plane), sampled(other, plane)
    assert a.std() > 10, "there is nothing to compare"
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99, plane


def planes_alike(lead: Page, *others: Page) -> None:
    for page in others:
        for plane in ("axial", "sagittal", "coronal"):
            alike(lead, page, plane)


def test_planes_the_body_and_cine_are_shared_and_come_to_who_joins_later(case: Case) -> None:
    lead = begin(case)
    guest = come_as_guest(case, link_of(lead))
    lead.get_by_test_id("canvas-a").click()
    lead.keyboard.press("Shift+P")
    for page in (lead, guest):
        expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    # Oblique, elsewhere, as a slab, in another window, larger.
    first = sampled(lead, "coronal")
    for _ in range(4):
        lead.keyboard.press("ArrowLeft")
    lead.keyboard.press("ArrowUp")
    lead.keyboard.press("n")
    lead.keyboard.press("Shift+ArrowDown")
    lead.keyboard.press("Shift+ArrowDown")
    lead.keyboard.press("[")
    lead.keyboard.press("+")
    expect(guest.locator("[data-plane=coronal]")).to_contain_text("MIP 6 mm")
    said = re.search(r"W \d+ · C -?\d+", lead.locator("[data-plane=coronal]").inner_text())
    assert said
    expect(guest.locator("[data-plane=coronal]")).to_contain_text(said[0])
    settles(lambda: planes_alike(lead, guest))
    assert np.corrcoef(first.ravel(), sampled(lead, "coronal").ravel())[0, 1] < 0.97

    # Who points there is seen on the same plane, at the same place.
    at = lead.get_by_test_id("plane-axial").bounding_box()
    other = guest.get_by_test_id("plane-axial").bounding_box()
    assert at
    assert other
    lead.mouse.move(at["x"] + at["width"] / 2 + 40, at["y"] + at["height"] / 2)
    pointer = guest.locator("[data-plane=axial] [data-pointer='Dr. Ines Moreau']")
    expect(pointer).to_be_visible()
    tip = pointer.bounding_box()
    assert tip
    scale = min(other["width"] / at["width"], other["height"] / at["height"])
    assert tip["x"] - other["x"] - other["width"] / 2 == pytest.approx(40 * scale, abs=3)

    # What is drawn there is on the others' planes, and measures the same.
    lead.keyboard.press("l")
    lead.mouse.down()
    lead.mouse.move(at["x"] + at["width"] / 2 + 40, at["y"] + at["height"] / 2 + 60, steps=4)
    lead.mouse.up()
    lead.mouse.move(at["x"] + 5, at["y"] + 5)
    guest.keyboard.press("Shift+M")
    listed = guest.get_by_role("complementary", name="Measurements").locator("ol > li")
    expect(listed).to_contain_text(" mm")
    guest.keyboard.press("Shift+M")

    # The body, and who comes late.
    lead.keyboard.press("Shift+D")
    expect(guest.get_by_test_id("plane-body")).to_be_visible()
    colleague = come_as_colleague(case, lead)
    expect(colleague.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    expect(colleague.get_by_role("combobox", name="How the body is drawn")).to_have_value("Bone")
    settles(lambda: planes_alike(lead, guest, colleague))
    lead.keyboard.press("Shift+ArrowRight")
    for page in (guest, colleague):
        expect(page.get_by_test_id("plane-body")).to_be_visible()
    # The guest's hand had just been at the keyboard, for a list: that is no wish to look elsewhere.
    expect(guest.get_by_test_id("together-banner")).not_to_contain_text("You look by yourself")

    # The new lead begins with what all see.
    lead.get_by_role("button", name="What Dr. Jonas Weber may").click()
    lead.get_by_role("menuitem", name="Give the lead").click()
    expect(colleague.get_by_test_id("together-banner")).to_contain_text("You lead")
    colleague.keyboard.press("Shift+D")
    for page in (lead, guest):
        expect(page.get_by_test_id("plane-body")).to_have_count(0)
        expect(page.locator("[data-plane=coronal]")).to_contain_text("MIP 6 mm")
    colleague.keyboard.press("ArrowDown")
    settles(lambda: planes_alike(colleague, lead, guest))

    # A hand on a plane means looking elsewhere.
    guest.mouse.move(other["x"] + 60, other["y"] + 60)
    guest.mouse.wheel(0, 100)
    expect(guest.get_by_test_id("together-banner")).to_contain_text("You look by yourself")
    with pytest.raises(AssertionError):
        alike(colleague, guest, "axial")
    guest.keyboard.press("Shift+Y")
    settles(lambda: planes_alike(colleague, guest))

    # Back to the images, which then play, as fast as the lead says.
    colleague.keyboard.press("Escape")
    for page in (lead, guest):
        expect(page.get_by_test_id("planes")).to_have_count(0)
    colleague.keyboard.press("Space")
    colleague.keyboard.press("Alt+ArrowUp")
    for page in (lead, guest):
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
        expect(page.get_by_label("11 images a second")).to_be_visible()
        before = index(page)
        expect(page.locator("[data-pane=a]")).not_to_have_attribute("data-index", str(before))
    colleague.keyboard.press("Space")
    for page in (colleague, lead, guest):
        expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()

    def stand_alike() -> None:
        # The lead's own last picture may still be on its way when the key is answered.
        assert len({index(page) for page in (colleague, lead, guest)}) == 1

    settles(stand_alike)


def test_pointers_marks_and_words_are_shared_and_the_lead_is_handed_over(case: Case) -> None:
    lead = begin(case)
    guest = come_as_guest(case, link_of(lead))
    colleague = come_as_colleague(case, lead)

    # A pointer stands at the same place of the picture on another screen.
    box = lead.get_by_test_id("canvas-a").bounding_box()
    assert box
    right, down = 90.0, -60.0
    lead.mouse.move(box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 + down)
    pointer = guest.locator("[data-pointer='Dr. Ines Moreau']")
    expect(pointer).to_be_visible()
    other = guest.get_by_test_id("canvas-a").bounding_box()
    assert other
    scale = min(other["width"], other["height"]) / min(box["width"], box["height"])

    def pointed() -> None:
        tip = pointer.bounding_box()
        assert tip
        assert tip["x"] - other["x"] - other["width"] / 2 == pytest.approx(right * scale, abs=3)
        assert tip["y"] - other["y"] - other["height"] / 2 == pytest.approx(down * scale, abs=3)

    settles(pointed)

    # What is drawn is drawn on all screens, and measures the same.
    lead.keyboard.press("l")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lead.mouse.move(x, y)
    lead.mouse.down()
    lead.mouse.move(x + 100, y + 20, steps=5)
    lead.mouse.up()
    for page in (guest, colleague):
        page.get_by_test_id("canvas-a").hover(position={"x": 5, "y": 5})
        page.keyboard.press("Shift+M")
    listed = [
        page.get_by_role("complementary", name="Measurements").locator("ol > li")
        for page in (guest, colleague)
    ]
    for one in listed:
        expect(one).to_have_count(1)
        expect(one).to_contain_text(" mm")
    assert listed[0].inner_text().splitlines()[:2] == listed[1].inner_text().splitlines()[:2]

    # Words.
    lead.get_by_label("Write to all").fill("Left basal ganglia?")
    lead.keyboard.press("Enter")
    guest.get_by_role("button", name=re.compile("people and words")).click()
    expect(guest.get_by_role("log")).to_contain_text("Left basal ganglia?")

    # The lead is given, and then the other drives.
    lead.get_by_role("button", name="What Dr. Jonas Weber may").click()
    lead.get_by_role("menuitem", name="Give the lead").click()
    expect(colleague.get_by_test_id("together-banner")).to_contain_text("You lead")
    expect(guest.get_by_test_id("together-banner")).to_contain_text("Dr. Jonas Weber leads")
    expect(lead.get_by_test_id("together-banner")).to_contain_text("Dr. Jonas Weber leads")
    colleague.get_by_test_id("canvas-a").click()
    colleague.keyboard.press("Home")
    for page in (lead, guest):
        expect(page.locator("[data-pane=a]")).to_have_attribute("data-index", "0")

    # Who looks at another picture is told of a mark, and what its numbers wait for.
    guest.get_by_test_id("canvas-a").hover(position={"x": 5, "y": 5})
    guest.keyboard.press("End")
    expect(guest.get_by_test_id("together-banner")).to_contain_text("You look by yourself")
    colleague.keyboard.press("l")
    box = colleague.get_by_test_id("canvas-a").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    colleague.mouse.move(x, y)
    colleague.mouse.down()
    colleague.mouse.move(x - 80, y + 40, steps=5)
    colleague.mouse.up()
    expect(listed[0]).to_have_count(2)
    expect(listed[0].last).to_contain_text("Numbers when its image is shown")
    expect(listed[0].last).to_have_attribute("aria-busy", "false")
    guest.get_by_role("button", name=re.compile("people and words")).click()
    listed[0].last.get_by_role("button").first.click()
    expect(guest.locator("[data-pane=a]")).to_have_attribute("data-index", "0")
    expect(listed[0].last).to_contain_text(" mm")
    expect(listed[0].last).not_to_contain_text("Numbers when")


def test_a_cut_line_comes_back_and_a_revoked_guest_does_not(case: Case) -> None:
    lead = begin(case)
    guest = come_as_guest(case, link_of(lead))
    lead.get_by_test_id("canvas-a").click()
    lead.keyboard.press("Home")
    expect(guest.locator("[data-pane=a]")).to_have_attribute("data-index", "0")

    case.server.stop()
    for page in (lead, guest):
        expect(page.get_by_test_id("together-banner")).to_contain_text("Reconnecting")
    case.server.start()
    expect(lead.get_by_test_id("together-banner")).to_contain_text("1 follows you")
    expect(guest.get_by_test_id("together-banner")).to_contain_text("Dr. Ines Moreau leads")
    lead.keyboard.press("End")
    expect(guest.locator("[data-pane=a]")).to_have_attribute("data-index", str(SLICES - 1))

    # A server that is killed has not written down what came last: the browsers still have it.
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(service, "save_document", lambda *_: None)
        lead.keyboard.press("ArrowUp")
        lead.keyboard.press("l")
        box = lead.get_by_test_id("canvas-a").bounding_box()
        assert box
        lead.mouse.move(box["x"] + 200, box["y"] + 200)
        lead.mouse.down()
        lead.mouse.move(box["x"] + 300, box["y"] + 220, steps=4)
        lead.mouse.up()
        guest.get_by_test_id("canvas-a").hover(position={"x": 5, "y": 5})
        guest.keyboard.press("Shift+M")
        measured = guest.get_by_role("complementary", name="Measurements").locator("ol > li")
        expect(measured).to_have_count(1)
        expect(guest.locator("[data-pane=a]")).to_have_attribute("data-index", str(SLICES - 2))
        case.server.stop()
        assert room.connections() == 0
    case.server.start()
    expect(lead.get_by_test_id("together-banner")).to_contain_text("1 follows you")
    expect(guest.get_by_test_id("together-banner")).to_contain_text("Dr. Ines Moreau leads")

    # The pass outlives a reload of the page, as of a tablet that slept; what it is told now is what the server has.
    guest.reload()
    shown(guest)
    expect(guest.locator("[data-pane=a]")).to_have_attribute("data-index", str(SLICES - 2))
    expect(measured).to_have_count(1)

    frame = guest.evaluate(
        "() => performance.getEntriesByType('resource').map(one => one.name).find(name => name.includes('/frames/'))"
    )
    ask = "url => fetch(url, { headers: { 'X-Wetread': '1' } }).then(answer => answer.status)"
    assert guest.evaluate(ask, frame) == 200
    lead.get_by_role("button", name="What Dr. Ann Far may").click()
    lead.get_by_role("menuitem", name="Revoke the invitation").click()
    expect(guest.get_by_role("alert")).to_contain_text("Your invitation to this session has ended")
    expect(guest.locator("[data-pane]")).to_have_count(0)
    assert guest.evaluate(ask, frame) == 401
    guest.reload()
    expect(guest.get_by_text("This session is not open to you")).to_be_visible()

    # What ended while the line was down is said to be over, and the images stay.
    case.server.stop()
    with case.database.transaction() as db:
        db.execute(text("UPDATE live_session SET ended_at = expires_at"))
    case.server.start()
    expect(lead.get_by_role("alert").filter(has_text="This session has ended")).to_be_visible()
    expect(lead.locator("[data-pane=a]")).to_have_attribute("data-state", "shown")


# A tone in place of a microphone, which a test's machine has not: the rest is the browsers' own WebRTC.
TONE = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext(), tone = context.createOscillator(), out = context.createMediaStreamDestination()
  tone.connect(out)
  tone.start()
  return out.stream
}
"""


def test_voices_go_from_browser_to_browser_once_both_switched_them_on(case: Case) -> None:
    lead = begin(case)
    guest = come_as_guest(case, link_of(lead))
    guest.get_by_role("button", name=re.compile("people and words")).click()
    for page in (lead, guest):
        page.evaluate(TONE)
        expect(page.locator("[data-heard]")).to_have_count(0)
        page.get_by_role("button", name="Speak (this network)").click()
    for page in (lead, guest):
        expect(page.locator("[data-heard='1']")).to_be_visible()
    expect(lead.get_by_text("Speaking: Dr. Ann Far")).to_be_visible()
    guest.get_by_role("button", name="Microphone on").click()
    expect(lead.locator("[data-heard='0']")).to_be_visible()
