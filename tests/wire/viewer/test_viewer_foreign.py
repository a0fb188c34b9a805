"""Presentation states and reports of other programs: shown as they say, or said not to be shown."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from viewer_fixtures import PATIENCE_MS, OpenStudy
from viewer_fixtures import drawn as canvas_of
from viewer_hand import Hand, filed, measuring, phantom, slice_of
from viewer_others import beside, code, content, item, number, reference

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"


def state(image: Dataset, **attributes: Any) -> Dataset:
    return item(
        SOPClassUID=GSPS, Modality="PR", ContentLabel="SENT", ContentDescription="", ContentCreatorName="Other^One",
        PresentationCreationDate="20261120", PresentationCreationTime="101500",
        ReferencedSeriesSequence=[item(SeriesInstanceUID=image.SeriesInstanceUID, ReferencedImageSequence=[reference(image)])],
        DisplayedAreaSelectionSequence=[
            item(
                DisplayedAreaTopLeftHandCorner=[1, 1], DisplayedAreaBottomRightHandCorner=[120, 100],
                PresentationSizeMode="SCALE TO FIT", PresentationPixelSpacing=["0.5", "0.8"],
            )
        ],
        PresentationLUTShape="IDENTITY", **attributes,
    )  # fmt: skip


def graphic(kind: str, points: list[float], units: str = "PIXEL", filled: str = "N") -> Dataset:
    return item(
        GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(points) // 2,
        GraphicData=points, GraphicType=kind, GraphicFilled=filled,
    )  # fmt: skip


def shown_box(page: Page, form: str) -> tuple[float, float, float, float]:
    """Left, top, width and height of what is drawn, on the page; a browser adds what corners of its line could need."""
    box = page.get_by_test_id("drawn").locator(form).first.bounding_box()
    assert box
    return box["x"], box["y"], box["width"], box["height"]


def test_a_presentation_state_of_another_is_drawn_as_it_says(store: Any, open_study: OpenStudy) -> None:
    image = slice_of(phantom())
    study = filed(store, image)
    annotation = item(
        GraphicLayer="FINDINGS",
        GraphicObjectSequence=[
            graphic("ELLIPSE", [40, 50, 80, 50, 60, 40, 60, 60]),
            graphic("POLYLINE", [0.25, 0.25, 0.75, 0.5], units="DISPLAY"),
            graphic("POLYLINE", [1, 1, 5, 5], units="MATRIX"),
        ],
        TextObjectSequence=[
            item(
                BoundingBoxAnnotationUnits="DISPLAY", BoundingBoxTopLeftHandCorner=[0.6, 0.1],
                BoundingBoxBottomRightHandCorner=[0.95, 0.2], BoundingBoxTextHorizontalJustification="LEFT",
                AnchorPointAnnotationUnits="PIXEL", AnchorPoint=[60, 40], AnchorPointVisibility="Y",
                UnformattedTextValue="Größer als zuvor",
            )
        ],
    )  # fmt: skip
    beside(store, image, state(
        image,
        GraphicLayerSequence=[item(GraphicLayer="FINDINGS", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=65535)],
        GraphicAnnotationSequence=[annotation],
        ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=11, ShutterRightVerticalEdge=110,
        ShutterUpperHorizontalEdge=6, ShutterLowerHorizontalEdge=95, ShutterPresentationValue=0,
        SoftcopyVOILUTSequence=[item(WindowCenter="50", WindowWidth="101")],
        PresentationLUTSequence=[item(LUTDescriptor=[4, 0, 16], LUTData=b"\0\0\x20\x4e\x40\x9c\xff\xff")],
    ))  # fmt: skip
    page = open_study(study, 1100, 760)
    hand: Hand = measuring(page)
    panel = page.get_by_role("complementary", name="Measurements")
    panel.get_by_role("button", name=re.compile("^Presentation SENT")).click()
    expect(page.get_by_test_id("drawn")).to_be_visible()
    left, top, width, height = shown_box(page, "ellipse")
    (x1, y1), (x2, y2) = hand.at((40, 40)), hand.at((80, 60))
    assert (left, top) == (pytest.approx(x1, abs=3.5), pytest.approx(y1, abs=3.5))
    assert (width, height) == (pytest.approx(x2 - x1, abs=7), pytest.approx(y2 - y1, abs=7))
    # Parts of what is displayed, which is all of the picture.
    left, top, width, height = shown_box(page, "polyline")
    (x1, y1), (x2, y2) = hand.at((30, 25)), hand.at((90, 50))
    assert (left, top) == (pytest.approx(x1, abs=3.5), pytest.approx(y1, abs=3.5))
    assert (width, height) == (pytest.approx(x2 - x1, abs=7), pytest.approx(y2 - y1, abs=7))
    expect(page.get_by_test_id("drawn")).to_contain_text("Größer als zuvor")
    expect(page.get_by_test_id("drawn").locator("path[data-shutter]")).to_have_count(1)
    expect(page.get_by_test_id("drawn").locator("polyline")).to_have_count(1)
    expect(panel).to_contain_text("Not shown: graphics in other units than pixels or the display.")


def grey_at(page: Page, hand: Hand, point: tuple[float, float]) -> int:
    """How bright a place of the picture is drawn, 0 to 255."""
    box = page.get_by_test_id("canvas-a").bounding_box()
    seen = canvas_of(page)
    assert box
    x, y = hand.at(point)
    scale = seen.shape[1] / box["width"]
    return int(seen[round((y - box["y"]) * scale), round((x - box["x"]) * scale), 0])


def test_the_tables_of_a_presentation_state_take_the_place_of_the_picture_s_until_a_reader_sets_a_window(
    store: Any, open_study: OpenStudy
) -> None:
    stored = phantom()
    stored[:] = 1024  # 0 HU
    stored[30:60, 40:80] = 1124
    image = slice_of(stored, RescaleSlope="1", RescaleIntercept="-1024")
    study = filed(store, image)
    # Of what was stored: 1024 becomes 0, 1124 becomes 3, which the last table darkens to a quarter of white.
    states = {
        "FALLING": state(
            image,
            ModalityLUTSequence=[item(LUTDescriptor=[2, 1123, 16], LUTData=b"\0\0\x03\0", ModalityLUTType="US")],
            SoftcopyVOILUTSequence=[
                item(VOILUTSequence=[item(LUTDescriptor=[4, 0, 8], LUTData=b"\xff\xaa\x55\0", LUTExplanation="FALLING")])
            ],
        ),
        "QUARTER": state(
            image,
            RescaleSlope="1", RescaleIntercept="-1024", RescaleType="HU",
            SoftcopyVOILUTSequence=[item(WindowCenter="50.5", WindowWidth="101")],
            PresentationLUTSequence=[item(LUTDescriptor=[2, 0, 16], LUTData=b"\xff\xff\x00\x40", LUTExplanation="QUARTER")],
        ),
    }  # fmt: skip
    del states["QUARTER"].PresentationLUTShape
    for label, ds in states.items():
        ds.ContentLabel = label
        beside(store, image, ds)
    page = open_study(study, 1100, 760)
    hand = measuring(page)
    panel = page.get_by_role("complementary", name="Measurements")
    pane = page.locator("[data-pane=a]")
    around, within = (20.0, 20.0), (60.0, 45.0)

    def seen() -> tuple[int, int]:
        return grey_at(page, hand, around), grey_at(page, hand, within)

    as_scanned = seen()
    for label, expected in (("FALLING", (255, 0)), ("QUARTER", (255, 64))):
        button = panel.get_by_role("button", name=re.compile(f"^Presentation {label}"))
        button.click()
        expect(pane).to_contain_text(f"Table: {label}")
        assert seen() == (pytest.approx(expected[0], abs=2), pytest.approx(expected[1], abs=2)), label
    button.click()
    expect(pane).not_to_contain_text("Table:")
    assert seen() == as_scanned
    button.click()
    expect(pane).to_contain_text("Table: QUARTER")
    page.keyboard.press("v")
    expect(pane).to_contain_text("Inverted")
    assert seen() == (pytest.approx(0, abs=2), pytest.approx(191, abs=2))
    assert "Not shown" not in panel.inner_text()
    page.keyboard.press("1")  # soft tissue: 400 HU about 50
    expect(pane).not_to_contain_text("Table:")
    assert seen() == (pytest.approx(255 - 96, abs=2), pytest.approx(255 - 160, abs=2))


def test_a_report_of_another_is_told_in_words_and_drawn_where_it_measures(
    store: Any, open_study: OpenStudy
) -> None:
    image = slice_of(phantom())
    study = filed(store, image)
    # (48, 35) is at the patient's (-40 + 47.5 * 0.8, -30 + 34.5 * 0.5), the slice at 10 mm.
    spatial = [-2.0, -12.75, 10.0, 14.0, -12.75, 10.0, 14.0, -2.75, 10.0]
    line = content(
        "INFERRED FROM", "SCOORD3D", None, GraphicType="POLYLINE", GraphicData=spatial,
        ReferencedFrameOfReferenceUID=image.FrameOfReferenceUID,
    )  # fmt: skip
    body = content(
        "INFERRED FROM", "SCOORD3D", None, GraphicType="ELLIPSOID", GraphicData=[0.0] * 18,
        ReferencedFrameOfReferenceUID=image.FrameOfReferenceUID,
    )  # fmt: skip
    group = content(
        "CONTAINS", "CONTAINER", ("125007", "DCM", "Measurement Group"), ContinuityOfContent="SEPARATE"
    )
    group.ContentSequence = [
        number(("X77", "99ELSE", "Wobble index"), "12.5", ("{wob}", "UCUM", "wobbles"), line),
        number(("118565006", "SCT", "Volume"), "7.25", ("cm3", "UCUM", "cubic centimeter"), body),
        content("CONTAINS", "TEXT", ("121106", "DCM", "Comment"), TextValue="Größe unverändert"),
        content("CONTAINS", "HOLOGRAM", ("Y1", "99ELSE", "Of a kind to come")),
    ]
    report = item(
        SOPClassUID=COMPREHENSIVE_3D_SR, Modality="SR", ContentDate="20261120", ContentTime="101500",
        CompletionFlag="COMPLETE", VerificationFlag="UNVERIFIED", ValueType="CONTAINER",
        ContinuityOfContent="SEPARATE", ConceptNameCodeSequence=code("126000", "DCM", "Imaging Measurement Report"),
        ContentSequence=[group],
    )  # fmt: skip
    beside(store, image, report)
    # One that says nothing at all.
    beside(
        store, image, item(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", ValueType="CONTAINER")
    )
    page = open_study(study, 1100, 760)
    hand: Hand = measuring(page)
    panel = page.get_by_role("complementary", name="Measurements")
    # It is no measurement of ours: nobody moves it, and it is not kept again.
    expect(panel.locator("ol > li")).to_have_count(0)
    panel.get_by_role("button", name=re.compile("^Report Imaging Measurement Report")).click()
    expect(panel).to_contain_text("Wobble index")
    expect(panel).to_contain_text("12.5 wobbles")
    expect(panel).to_contain_text("7.25 cm³")
    expect(panel).to_contain_text("Größe unverändert")
    expect(panel).to_contain_text("Not drawn: places told as ELLIPSOID.")
    left, top, width, height = shown_box(page, "polyline")
    (x1, y1), (x2, y2) = hand.at((48, 35)), hand.at((68, 55))
    assert (left, top) == (pytest.approx(x1, abs=3.5), pytest.approx(y1, abs=3.5))
    assert (width, height) == (pytest.approx(x2 - x1, abs=7), pytest.approx(y2 - y1, abs=7))
    expect(page.get_by_test_id("drawn")).to_contain_text("Wobble index 12.5 wobbles")
    panel.get_by_role("button", name="Report", exact=True).click()
    expect(panel).to_contain_text("It says nothing in words.")


KOS = "1.2.840.10008.5.1.4.1.1.88.59"


def selection(title: tuple[str, str, str], words: str, *images: Dataset) -> Dataset:
    """As other systems send them: no evidence is named, and one of the pictures may be of another study."""
    named = [content("CONTAINS", "IMAGE", None, ReferencedSOPSequence=[reference(one)]) for one in images]
    return item(
        SOPClassUID=KOS, Modality="KO", ContentDate="20261120", ContentTime="101500", ValueType="CONTAINER",
        ContinuityOfContent="SEPARATE", ConceptNameCodeSequence=code(*title), ReferencedPerformedProcedureStepSequence=[],
        ContentSequence=[content("CONTAINS", "TEXT", ("113012", "DCM", "Key Object Description"), TextValue=words), *named],
    )  # fmt: skip


def test_key_images_that_another_system_chose_are_shown_as_key_images(
    store: Any, open_study: OpenStudy
) -> None:
    first, second, third = (slice_of(phantom()) for _ in range(3))
    study = filed(store, first, second, third)
    elsewhere = item(SOPClassUID=first.SOPClassUID, SOPInstanceUID=generate_uid())
    beside(
        store, first, selection(("113002", "DCM", "For Referring Provider"), "Größe 4 mm", elsewhere, second, third)
    )  # fmt: skip
    beside(store, first, selection(("113010", "DCM", "Quality Issue"), "Blurred", first))
    beside(store, first, selection(("X1", "99ELSE", "For the tumour board"), "Old", elsewhere))
    page = open_study(study, 1100, 760)
    measuring(page)
    panel = page.get_by_role("complementary", name="Measurements")
    pane = page.locator("[data-pane=a]")
    expect(pane).to_have_attribute("data-sop-instance-uid", first.SOPInstanceUID)
    # What is wrong with a picture is no reason to call it a key image.
    expect(pane.get_by_text("Key image")).to_have_count(0)
    chosen = panel.get_by_role("button", name=re.compile("^Key images For Referring Provider"))
    chosen.click()
    expect(pane).to_have_attribute("data-sop-instance-uid", second.SOPInstanceUID)
    expect(pane.get_by_text("Key image")).to_be_visible()
    expect(panel).to_contain_text("Größe 4 mm")
    expect(panel).to_contain_text("1 more of them is not on this study.")
    panel.get_by_role("button", name="Series 3 · image 1").click()
    expect(pane).to_have_attribute("data-sop-instance-uid", third.SOPInstanceUID)
    expect(pane.get_by_text("Key image")).to_be_visible()
    panel.get_by_role("button", name=re.compile("^Pictures Quality Issue")).click()
    expect(pane).to_have_attribute("data-sop-instance-uid", first.SOPInstanceUID)
    expect(panel).to_contain_text("Blurred")
    panel.get_by_role("button", name=re.compile("^Key images For the tumour board")).click()
    expect(panel).to_contain_text("Its pictures are not on this study.")
