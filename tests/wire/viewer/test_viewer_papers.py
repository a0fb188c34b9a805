"""What is no picture, in a pane: documents, reports and films, with whose they are above them, and pictures beside."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect
from pydicom.uid import generate_uid

import viewer_others as others
import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, shown
from viewer_hand import filed, phantom, slice_of
from viewer_others import beside, code, content, document, item, number, reference

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
_PIXELS = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width: canvas.width, height: canvas.height, data: btoa(text) }
}"""
CDA = """<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>Discharge letter</title>
<recordTarget><patientRole><id extension="GEO"/><patient><name><given>Test</given><family>Geometry</family></name></patient>
</patientRole></recordTarget><component><structuredBody><component><section><title>Diagnoses</title><text>
<paragraph onclick="document.title='run'">Größe <content styleCode="Bold">unverändert</content></paragraph>
<script>document.title = 'run'</script><img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="document.title='run'"/>
<table><tbody><tr><td colspan="2">Creatinine</td><td>81 µmol/l</td></tr></tbody></table></text></section></component>
</structuredBody></component></ClinicalDocument>"""


def painted(page: Page, selector: str) -> np.ndarray[Any, Any]:
    """The colours of a canvas: (rows, columns, RGB)."""
    got = page.locator(selector).evaluate(_PIXELS)
    flat = np.frombuffer(base64.b64decode(got["data"]), np.uint8)
    return flat.reshape(got["height"], got["width"], 4)[:, :, :3]


def report(image: Any) -> Any:
    region = content("INFERRED FROM", "SCOORD", None, GraphicType="POINT", GraphicData=[3.0, 4.0])
    region.ContentSequence = [
        content("SELECTED FROM", "IMAGE", None, ReferencedSOPSequence=[reference(image)])
    ]
    findings = content("CONTAINS", "CONTAINER", ("121070", "DCM", "Findings"), ContinuityOfContent="SEPARATE")
    findings.ContentSequence = [
        number(("410668003", "SCT", "Length"), "12.5", ("mm", "UCUM", "millimeter"), region),
        content("CONTAINS", "TEXT", ("121071", "DCM", "Finding"), TextValue="Größe unverändert"),
        content("CONTAINS", "UIDREF", ("112040", "DCM", "Tracking Unique Identifier"), UID="1.2.3.4.5"),
    ]
    elsewhere = item(SOPClassUID=image.SOPClassUID, SOPInstanceUID="1.2.3.4")
    return item(
        SOPClassUID=COMPREHENSIVE_SR, Modality="SR", ContentDate="20261120", ContentTime="101500", SeriesNumber=12,
        CompletionFlag="PARTIAL", VerificationFlag="UNVERIFIED", ValueType="CONTAINER", ContinuityOfContent="SEPARATE",
        ConceptNameCodeSequence=code("18748-4", "LN", "Diagnostic imaging report"),
        ContentSequence=[
            findings,
            content("CONTAINS", "IMAGE", ("121080", "DCM", "Best illustration"), ReferencedSOPSequence=[reference(elsewhere)]),
        ],
    )  # fmt: skip


def test_documents_and_reports_are_read_beside_the_pictures(store: Any, open_study: OpenStudy) -> None:
    first, second = slice_of(phantom()), slice_of(phantom())
    study = filed(store, first, second)
    pages = ("Outside report: no haemorrhage", "Second page: haemorrhage?", "日本語の所見")
    links = (
        b"<< /Type /Annot /Subtype /Link /Rect [72 500 272 540] /Border [0 0 0] /Dest [7 0 R /Fit] >> "
        b"<< /Type /Annot /Subtype /Link /Rect [72 440 272 480] /Border [0 0 0] /A << /S /URI /URI (http://192.0.2.1/x) >> >> "
        b"<< /Type /Annot /Subtype /Link /Rect [72 430 272 439] /A << /S /URI /URI (javascript:document.title='run') >> >> "
        b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (finding) /V (Left hand) /Rect [300 440 500 480] /DA (/Helv 12 Tf 0 g) >>"
    )
    outside = others.pdf(*pages, on_first=links)
    beside(store, first, document("1", "Outside report", outside, "application/pdf", SeriesNumber=10))
    beside(
        store, first, document("2", "Discharge letter", CDA.encode(), "text/xml", SeriesNumber=11)
    )  # fmt: skip
    beside(store, first, report(second))
    beside(
        store, first, document("1", "Broken", b"<html><script>1</script>", "application/pdf", SeriesNumber=13)
    )  # fmt: skip
    beside(store, first, document("3", "Kidney", b"solid kidney", "model/stl", SeriesNumber=14))
    page = open_study(study, 1440, 900)
    series, pane = page.get_by_role("navigation", name="Series"), page.locator("[data-pane=a]")

    # A PDF: its picture, its words, and what is searched for.
    series.get_by_role("button", name=re.compile("Outside report")).click()
    expect(pane).to_have_attribute("data-paper", "pdf")
    expect(pane).to_contain_text("Test, Geometry")
    expect(pane.get_by_label("Page 1 of 3")).to_contain_text(pages[0])
    at_first = painted(page, "[data-page='1'] canvas")
    rows, columns = at_first.shape[:2]
    scale = columns / 595
    # The blue box from (72, 300) to (272, 400) of its points, from below; and letters where the words stand.
    assert tuple(at_first[round(rows - 350 * scale), round(170 * scale)]) == (0, 0, 255)
    assert tuple(at_first[round(rows - 350 * scale), round(60 * scale)]) == (255, 255, 255)
    line = at_first[
        round(rows - 722 * scale) : round(rows - 698 * scale), round(72 * scale) : round(400 * scale)
    ]
    assert 0.05 < (line < 128).all(axis=2).mean() < 0.5
    # A link leads within the document; out of it none does unasked, and a script is none. What a form holds is read.
    expect(pane.get_by_text("Left hand")).to_be_visible()
    pane.get_by_role("button", name="Link within the document").click()
    expect(pane.get_by_role("textbox", name="Page", exact=True)).to_have_value("3")
    pane.get_by_role("textbox", name="Page", exact=True).fill("1")
    page.keyboard.press("Enter")
    out = pane.get_by_role("button", name=re.compile("^Link to"))
    expect(out).to_have_count(1)
    out.click()
    expect(pane.get_by_role("alert")).to_contain_text("http://192.0.2.1/x")
    leaves = pane.get_by_role("link", name="Open it in a new tab")
    expect(leaves).to_have_attribute("rel", "noopener noreferrer")
    pane.get_by_role("button", name="Stay here").click()
    expect(leaves).to_have_count(0)
    assert len(page.context.pages) == 1
    find = pane.get_by_role("textbox", name="Find in the document")
    find.fill("HAEMORRHAGE")
    find.press("Enter")
    expect(pane.get_by_role("search")).to_contain_text("1 of 2")
    find.press("Enter")
    expect(pane.get_by_role("search")).to_contain_text("2 of 2")
    expect(pane.get_by_label("Page 2 of 3").locator("[data-found=current]")).to_have_text(pages[1])
    find.fill("所見")
    find.press("Enter")
    expect(pane.get_by_label("Page 3 of 3").locator("[data-found=current]")).to_be_visible()
    find.blur()
    before = pane.get_by_label("Page 1 of 3").bounding_box()
    page.keyboard.press("Home")
    page.keyboard.press("+")
    expect(pane.get_by_label("Page 1 of 3")).to_be_in_viewport()
    after = pane.get_by_label("Page 1 of 3").bounding_box()
    assert before and after and after["width"] == pytest.approx(1.2 * before["width"], rel=0.01)

    box = page.get_by_test_id("pdf-pages").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, 80)
    page.keyboard.up("Control")
    page.wait_for_function(
        "wide => Math.abs(document.querySelector('[data-page=\"1\"]').getBoundingClientRect().width - wide) < 1",
        arg=after["width"] * math.exp(-0.2),
    )

    # For the printer there is nothing but its pages, and when that is done they are gone.
    page.evaluate("window.print = () => { document.title = 'printing' }")
    pane.get_by_role("button", name="Print").click()
    expect(page).to_have_title("printing")
    page.emulate_media(media="print")
    sheets = page.locator("body > [data-sheets] img")
    expect(sheets).to_have_count(3)
    expect(sheets.last).to_be_visible()
    expect(page.get_by_test_id("pdf-pages")).to_be_hidden()
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    expect(sheets).to_have_count(0)
    threads = len(page.workers)

    # By the keys that step through series: a letter of which nothing runs, and a report whose picture is a press away.
    page.keyboard.press("ArrowRight")
    expect(pane).to_have_attribute("data-paper", "text")
    expect(pane.get_by_test_id("text")).to_contain_text("Größe unverändert")
    expect(pane.get_by_role("cell", name="Creatinine")).to_have_attribute("colspan", "2")
    assert page.title() != "run" and pane.locator("script, img").count() == 0
    page.keyboard.press("ArrowRight")
    words = pane.get_by_test_id("report")
    for said in (
        "Diagnostic imaging report",
        "Partial",
        "Not verified",
        "Findings",
        "12.5 mm",
        "Größe unverändert",
    ):
        expect(words).to_contain_text(said)
    expect(words).to_contain_text("An object that is not in the studies opened here")
    expect(words).not_to_contain_text("1.2.3.4")
    # Its thread ended with the PDF.
    assert len(page.workers) == threads - 1
    words.get_by_role("button", name="Series 2 · image 1").click()
    shown(page, "b", second.SOPInstanceUID)
    expect(words).to_be_visible()
    expect(page.locator("[data-pane=b]").get_by_test_id("drawn")).to_contain_text("Length 12.5 mm")

    # What cannot be read says so, and what is not drawn is saved; then back to the pictures.
    series.get_by_role("button", name=re.compile("Broken")).click()
    beside_it = page.locator("[data-pane=b]")
    expect(beside_it.get_by_role("alert")).to_contain_text("This is no PDF that can be read")
    series.get_by_role("button", name=re.compile("Kidney")).click()
    expect(beside_it.get_by_role("alert")).to_contain_text("This STL file holds no triangles")
    saved = beside_it.get_by_role("link", name="Save the STL file").last
    expect(saved).to_have_attribute("download", "model.stl")
    assert page.request.get(saved.evaluate("link => link.href")).body() == b"solid kidney"
    beside_it.get_by_role("button", name="Back to the images").click()
    shown(page, "b", second.SOPInstanceUID)

    # What is on the study can be read from its list as well.
    series.get_by_role("button", name=re.compile("Outside report")).click()
    page.keyboard.press("Shift+M")
    page.get_by_role("button", name="Read Diagnostic imaging report").click()
    expect(page.locator("[data-pane=a] [data-testid=report]")).to_be_visible()


def box(x: float, y: float, z: float, size: tuple[float, float, float], before: int) -> str:
    """A box in OBJ, from a corner on; `before`: corners that were told of before it."""
    corners = [(x + size[0] * (n & 1), y + size[1] * (n >> 1 & 1), z + size[2] * (n >> 2)) for n in range(8)]
    faces = ((1, 3, 4, 2), (5, 6, 8, 7), (1, 2, 6, 5), (3, 7, 8, 4), (1, 5, 7, 3), (2, 4, 8, 6))
    return "".join(f"v {a} {b} {c}\n" for a, b, c in corners) + "".join(
        "f " + " ".join(str(before + corner) for corner in face) + "\n" for face in faces
    )


def colours_of(page: Page) -> dict[str, np.ndarray[Any, Any]]:
    """Where the red and the pale of a model are seen: columns from the middle of its canvas, in halves of its width."""
    with Image.open(io.BytesIO(page.get_by_test_id("model-canvas").screenshot())) as picture:
        seen = np.asarray(picture.convert("RGB")).astype(int)
    # Between what is written at the edges.
    seen = seen[seen.shape[0] // 8 : -seen.shape[0] // 8]
    red, green = seen[:, :, 0], seen[:, :, 1]
    across = (np.arange(seen.shape[1]) + 0.5) / seen.shape[1] * 2 - 1
    places = np.broadcast_to(across, red.shape)
    inside = np.abs(places) < 0.9
    return {
        "red": places[inside & (red > 90) & (green < red / 2)],
        "pale": places[inside & (red > 90) & (green > red * 0.7)],
    }


def test_a_model_is_turned_in_the_space_of_its_patient(store: Any, open_study: OpenStudy) -> None:
    image = slice_of(phantom())
    study = filed(store, image)
    colours = document(
        "5", "Colours", b"newmtl bone\nKd 1 0.9 0.8\nnewmtl vessel\nKd 1 0 0\n", "model/mtl", SeriesNumber=11
    )
    beside(store, image, colours)
    # A plate that is broad from right to left, and what is red on the left of the patient.
    obj = f"o Plate\nusemtl bone\n{box(-30, -10, -20, (50, 20, 40), 0)}o Vessel\nusemtl vessel\n{box(20, -10, -20, (10, 20, 40), 8)}"
    named = reference(colours)
    named.StudyInstanceUID, named.SeriesInstanceUID = colours.StudyInstanceUID, colours.SeriesInstanceUID
    model = document(
        "4", "Plate with a vessel", obj.encode(), "model/obj", SeriesNumber=10, ReferencedInstanceSequence=[named],
        FrameOfReferenceUID=image.FrameOfReferenceUID, MeasurementUnitsCodeSequence=code("mm", "UCUM", "mm"),
        ModelModification="YES", ModelMirroring="NO",
    )  # fmt: skip
    beside(store, image, model)
    page = open_study(study, 1440, 900)
    series, pane = page.get_by_role("navigation", name="Series"), page.locator("[data-pane=a]")
    series.get_by_role("button", name=re.compile("Plate with a vessel")).click()
    expect(pane.get_by_test_id("model")).to_have_attribute("data-triangles", "24")
    expect(pane).to_contain_text("Test, Geometry")
    expect(pane).to_contain_text("60 × 20 × 40 mm")
    expect(pane.get_by_role("alert")).to_have_text("Not for diagnosis: altered from the anatomy")
    expect(page.get_by_test_id("model-canvas")).to_have_attribute("data-drawn", re.compile(r"\d"))

    # From the front the left of the patient is on the right of the screen, from behind on the left.
    edge = pane.locator("[data-edge=right]")
    expect(edge).to_have_text("L")
    front = colours_of(page)
    assert len(front["red"]) > 1000
    assert front["red"].min() > front["pale"].max() - 0.01
    assert len(front["pale"]) / len(front["red"]) == pytest.approx(5, rel=0.05)
    pane.get_by_role("button", name="From behind").click()
    expect(edge).to_have_text("R")
    behind = colours_of(page)
    assert behind["red"].max() < behind["pale"].min() + 0.01
    # By the hand and by keys: a quarter to the right, and the right side of the patient is in front.
    pane.get_by_role("button", name="From the front").click()
    pane.get_by_role("group", name=re.compile("turned by the arrow keys")).focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    expect(edge).to_have_text("A")
    assert len(colours_of(page)["red"]) == 0

    # What hides another is seen through, or taken away.
    pane.get_by_role("button", name="Parts and colours").click()
    pane.get_by_role("checkbox", name="Plate").uncheck()
    assert len(colours_of(page)["pale"]) == 0
    assert len(colours_of(page)["red"]) > 1000
    pane.get_by_role("checkbox", name="Plate").check()
    pane.get_by_role("slider", name="Opacity").fill("30")
    expect(pane.get_by_role("slider", name="Opacity")).to_have_attribute("aria-valuetext", "30 %")
    before = page.get_by_test_id("model-canvas").screenshot()
    pane.get_by_label("Colour of Vessel").fill("#00ff00")
    assert page.get_by_test_id("model-canvas").screenshot() != before

    series.get_by_role("button", name=re.compile("Colours")).click()
    expect(pane.get_by_test_id("materials")).to_contain_text("vessel")

    # A picture of the study lies on what names it, its first row above; of one that is not here it is said.
    flag = np.zeros((40, 60, 3), "u1")
    flag[:20, :, 1], flag[20:, :, 2] = 220, 220
    picture = pictures.colour("RGB", flag.tobytes(), Rows=40, Columns=60, SeriesNumber=30)
    beside(store, image, picture)
    called = reference(picture)
    called.RelativeURIReferenceWithinEncapsulatedDocument = "maps/my%20flag.png"
    materials = document(
        "5", "Flags", b"newmtl flag\nmap_Kd my flag.png\nnewmtl lost\nmap_Kd lost.png\n", "model/mtl", SeriesNumber=21,
        ReferencedInstanceSequence=[called],
    )  # fmt: skip
    beside(store, image, materials)
    named = reference(materials)
    named.StudyInstanceUID, named.SeriesInstanceUID = materials.StudyInstanceUID, materials.SeriesInstanceUID
    corners = "v 0 0 0\nv 30 0 0\nv 30 0 20\nv 0 0 20\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
    for title, material in (("Raised flag", "flag"), ("Lost flag", "lost")):
        model = document(
            "4", title, f"{corners}usemtl {material}\nf 1/1 2/2 3/3 4/4\n".encode(), "model/obj", SeriesNumber=20,
            ReferencedInstanceSequence=[named], FrameOfReferenceUID=image.FrameOfReferenceUID,
        )  # fmt: skip
        beside(store, image, model)
    page.reload()
    series.get_by_role("button", name=re.compile("Raised flag")).click()
    expect(page.get_by_test_id("model-canvas")).to_have_attribute("data-drawn", re.compile(r"\d"))
    expect(pane.get_by_test_id("model")).not_to_contain_text("Pictures on its surface")
    page.wait_for_timeout(300)
    with Image.open(io.BytesIO(page.get_by_test_id("model-canvas").screenshot())) as shot:
        seen = np.asarray(shot.convert("RGB")).astype(int)
    green, blue = (np.nonzero(seen[..., n] - seen[..., 3 - n] > 60)[0] for n in (1, 2))
    assert len(green) == pytest.approx(len(blue), rel=0.05)
    assert green.max() <= blue.min() + 3
    series.get_by_role("button", name=re.compile("Lost flag")).click()
    expect(pane.get_by_test_id("model")).to_contain_text("Pictures on its surface are not drawn")


def test_a_film_is_played_by_picture_and_in_parts(store: Any, open_study: OpenStudy) -> None:
    image = slice_of(phantom())
    study = filed(store, image)
    beside(store, image, others.film())
    page = open_study(study, 1024, 768)
    asked: list[str] = []
    page.on(
        "request",
        lambda one: asked.append(one.headers.get("range", "")) if one.resource_type == "media" else None,
    )
    page.get_by_role("navigation", name="Series").get_by_role(
        "button", name=re.compile("Bronchoscopy")
    ).click()
    pane = page.locator("[data-pane=a]")
    expect(pane.locator("[data-ready]")).to_be_visible()
    expect(pane).to_contain_text(f"1 / {others.FRAMES}")

    def seen(picture: int) -> None:
        expect(pane.locator(f"[data-frame='{picture}']")).to_be_visible()
        brightness = pane.locator("video").evaluate(
            """video => {
              const canvas = new OffscreenCanvas(8, 8), drawing = canvas.getContext('2d')
              drawing.drawImage(video, 0, 0, 8, 8)
              return drawing.getImageData(4, 4, 1, 1).data[0]
            }"""
        )
        assert abs(brightness - others.level(picture)) <= 3, (picture, brightness)

    page.keyboard.press("End")
    seen(others.FRAMES - 1)
    page.keyboard.press("ArrowUp")
    seen(others.FRAMES - 2)
    page.keyboard.press("Home")
    page.keyboard.press("PageDown")
    seen(5)
    pane.get_by_role("button", name="Next picture").click()
    seen(6)
    pane.get_by_role("slider", name="Picture").fill("17")
    seen(17)
    page.keyboard.press("Space")
    expect(pane.locator("[data-playing]")).to_be_visible()
    # It goes on by itself to the end, and stands there.
    expect(pane.locator(f"[data-frame='{others.FRAMES - 1}']")).to_be_visible()
    expect(pane.locator("[data-playing]")).to_have_count(0)
    assert asked and all(one.startswith("bytes=") for one in asked), asked


def test_the_paper_of_another_patient_is_called_out(store: Any, open_study: OpenStudy) -> None:
    image = slice_of(phantom())
    study = filed(store, image)
    beside(store, image, report(image))

    def of_another(route: Route) -> None:
        """As an archive would tell it that was sent the report of somebody else for this study."""
        answer = route.fetch()
        found = answer.json()
        for one in found:
            if one["00080060"]["Value"] == ["SR"]:
                one["00100020"]["Value"] = ["SOMEBODY-ELSE"]
        route.fulfill(response=answer, body=json.dumps(found))

    page = open_study(study, before=lambda page: page.route("**/metadata", of_another))
    page.get_by_role("navigation", name="Series").get_by_role(
        "button", name=re.compile("Diagnostic imaging report")
    ).click()
    pane = page.locator("[data-pane=a]")
    expect(pane.get_by_role("alert")).to_have_text("Another patient ID than the study that is read")
    expect(pane).to_contain_text("SOMEBODY-ELSE")


def test_a_study_of_documents_alone_opens_with_the_first(store: Any, open_study: OpenStudy) -> None:
    image = slice_of(phantom())
    study = filed(store, image)
    image.StudyInstanceUID = generate_uid()
    beside(store, image, document("1", "Letter", others.pdf("Only words"), "application/pdf"))
    assert study != image.StudyInstanceUID
    page = open_study(image.StudyInstanceUID, state="paper")
    expect(page.get_by_label("Page 1 of 1")).to_contain_text("Only words")
    expect(page.get_by_role("button", name="Back to the images")).to_have_count(0)
