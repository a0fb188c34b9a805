"""Doses over the pictures of their frame of reference, beside numpy's reckoning; plans and other objects that are read."""

from __future__ import annotations

import colorsys
import re
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from archive_fixtures import package_file
from viewer_fixtures import PATIENCE_MS, OpenStudy
from viewer_hand import AXIAL, COLUMNS, ROWS, Hand
from viewer_others import item
from viewer_overlaid import Array, at_image, beside, offered, seen, stack, store_stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
RTDOSE = "1.2.840.10008.5.1.4.1.1.481.2"
PRESCRIBED = 2.0
X, Y, Z = np.arange(-30.0, 31, 6), np.arange(-24.0, 5, 4), np.array([8.0, 13.0, 20.0, 29.0])
IN_PANE = "[data-pane=a]"


def doses() -> Array:
    """By plane, row and column, Gy: most near the middle, and rough, so that a place amiss is another dose."""
    z, y, x = np.meshgrid(Z, Y, X, indexing="ij")
    smooth = 3 * np.exp(-((x - 2) ** 2 + (y + 9) ** 2 + (z - 15) ** 2) / (2 * 11.0**2))
    noise = np.random.default_rng(7).random(smooth.shape) * 0.05
    rounded: Array = np.round((smooth + noise) / 1e-4) * 1e-4
    return rounded


def between(values: Array, x: float, y: float, z: float) -> float:
    """By the eight points around a place."""
    at = [
        (min(len(axis) - 2, int(np.searchsorted(axis, place, "right")) - 1), axis, place)
        for axis, place in ((Z, z), (Y, y), (X, x))
    ]
    sums = values
    for low, axis, place in at:
        part = (place - axis[low]) / (axis[low + 1] - axis[low])
        sums = sums[low] * (1 - part) + sums[low + 1] * part
    return float(sums)


def rt_dose(space: str, plan: str, values: Array, **attributes: Any) -> Dataset:
    ds = item(
        SOPClassUID=RTDOSE, Modality="RTDOSE", FrameOfReferenceUID=space, Rows=len(Y), Columns=len(X), NumberOfFrames=len(Z),
        SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", PixelRepresentation=0, BitsAllocated=32, BitsStored=32,
        HighBit=31, PixelSpacing=[4, 6], ImagePositionPatient=[X[0], Y[0], Z[0]], ImageOrientationPatient=AXIAL,
        FrameIncrementPointer=0x3004000C, GridFrameOffsetVector=list(Z), DoseGridScaling="0.0001", DoseUnits="GY",
        DoseType="PHYSICAL", DoseSummationType="PLAN",
        ReferencedRTPlanSequence=[
            item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.481.5", ReferencedSOPInstanceUID=plan)
        ],
    )  # fmt: skip
    ds.PixelData = np.round(values / 1e-4).astype("<u4").tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def place_of(hand: Hand, across: float, down: float) -> tuple[float, float]:
    """Where in the patient a place of the window lies: (-40, -30) is the middle of the first pixel, 0.8 by 0.5 mm."""
    return (
        ((across - hand.left) / hand.across - 0.5) * 0.8 - 40,
        ((down - hand.top) / hand.down - 0.5) * 0.5 - 30,
    )


def said_at(page: Page, hand: Hand, x: float, y: float) -> str:
    page.mouse.move(*hand.at(((x + 40) / 0.8 + 0.5, (y + 30) / 0.5 + 0.5)))
    page.wait_for_timeout(60)
    said = page.locator(IN_PANE).get_by_test_id("values-here")
    return said.inner_text() if said.count() else ""


def test_a_dose_lies_where_it_is_and_is_as_great_as_numpy_reckons(store: Any, open_study: OpenStudy) -> None:
    space = generate_uid()
    slices = stack(space)
    study = store_stack(store, slices)
    values = doses()
    plan = pydicom.dcmread(package_file("rtplan.dcm"))
    plan.DoseReferenceSequence = [
        item(DoseReferenceNumber=1, DoseReferenceType="TARGET", TargetPrescriptionDose=PRESCRIBED)
    ]
    beside(store, slices[0], plan, SeriesNumber=60)
    beside(
        store,
        slices[0],
        rt_dose(
            space,
            plan.SOPInstanceUID,
            values,
            SeriesDescription="PLAN DOSE",
            DVHSequence=[
                item(
                    DVHType="CUMULATIVE",
                    DoseUnits="GY",
                    DVHDoseScaling=1,
                    DVHVolumeUnits="CM3",
                    DVHNumberOfBins=3,
                    DVHData=[1, 80, 1, 60, 1, 10],
                    DVHMeanDose="1.5",
                    DVHReferencedROISequence=[item(ReferencedROINumber=3, DVHROIContributionType="INCLUDED")],
                )
            ],
        ),
        SeriesNumber=61,
    )
    elsewhere = rt_dose(generate_uid(), "", values, SeriesDescription="OF ANOTHER SPACE")
    beside(store, slices[0], elsewhere, SeriesNumber=62)

    page = open_study(study, 1440, 900, accept_downloads=True)
    offered(page, 2)
    page.get_by_role("button", name=re.compile("Dose off.*PLAN DOSE", re.DOTALL)).click()
    page.keyboard.press("*")
    expect(panel_of(page)).to_contain_text("Physical dose of the plan")
    expect(panel_of(page)).to_contain_text(f"Greatest: {values.max():.2f}".rstrip("0"))
    # What the plan prescribes is 100 %.
    expect(panel_of(page)).to_contain_text("prescribed: 2 Gy")
    expect(panel_of(page).get_by_label("100 % of PLAN DOSE", exact=True)).to_have_value("2")
    expect(panel_of(page).get_by_label("OF ANOTHER SPACE", exact=True)).to_contain_text(
        "The images that it belongs to are not open."
    )
    panel_of(page).get_by_role("button", name="Show OF ANOTHER SPACE").click()
    panel_of(page).get_by_role("button", name="Dose-volume histograms").click()
    histograms = panel_of(page).get_by_role("list", name="Dose-volume histograms")
    expect(histograms).to_contain_text("ROI 3mean 1.5")
    panel_of(page).get_by_role("img", name="Dose-volume histograms").hover(position={"x": 128, "y": 60})
    expect(histograms).to_contain_text(re.compile(r"6\d.* % · 5\d.* ml"))
    panel_of(page).get_by_role("button", name="Hide the histograms").click()

    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    at_image(page, 2)
    page.keyboard.press("t")
    page.wait_for_timeout(400)
    hand = Hand(page, (ROWS, COLUMNS), 0.625)
    # The value under the pointer, on a picture between two planes of the dose: z is 16.
    places = [(-20.0, -10.0), (2.0, -9.0), (11.3, -17.1), (25.0, 1.0), (-7.5, 2.2)]
    for x, y in places:
        [dose] = re.findall(r"^Dose ([\d.]+) Gy$", said_at(page, hand, x, y))
        assert float(dose) == pytest.approx(between(values, x, y, 16), abs=0.03), (x, y)
    # Beyond the grid there is no dose, and none is said.
    assert said_at(page, hand, 36, -10) == ""

    # A probe says it beside its own value, for as long as the dose is shown.
    page.keyboard.press("i")
    hand.click(((2.0 + 40) / 0.8 + 0.5, (-9.0 + 30) / 0.5 + 0.5))
    words = page.locator(f"{IN_PANE} .svg-layer")
    expect(words).to_contain_text("Dose")
    [dose] = re.findall(r"Dose ([\d.]+) Gy", words.text_content() or "")
    assert float(dose) == pytest.approx(between(values, 2.0, -9.0, 16), abs=0.03)
    page.keyboard.press("Shift+Z")
    expect(words).not_to_contain_text("Dose")
    page.keyboard.press("Shift+Z")
    expect(words).to_contain_text("Dose")
    page.keyboard.press("Control+z")
    page.keyboard.press("w")

    # The colours: only they, wholly opaque, on black.
    panel_of(page).get_by_role("button", name="None", exact=True).first.click()
    panel_of(page).get_by_role("button", name="Show In colours").first.click()
    panel_of(page).get_by_role("slider", name="Fill of PLAN DOSE").press("End")
    page.keyboard.press("Escape")
    page.mouse.move(3, 3)
    page.wait_for_timeout(400)
    painted, box = seen(page), page.get_by_test_id("canvas-a").bounding_box()
    assert box
    for x, y in [*places, (-25.0, -20.0), (34.0, -10.0)]:
        across, down = hand.at(((x + 40) / 0.8 + 0.5, (y + 30) / 0.5 + 0.5))
        found = painted[round(down - box["y"]), round(across - box["x"])]
        part = min(1.2, between(values, x, y, 16) / PRESCRIBED) if x < 31 else 0
        # From blue to red at what is prescribed; nothing below the least level.
        colour = colorsys.hls_to_rgb(
            (240 * (1 - part) if part <= 1 else 360 - 250 * (part - 1)) / 360, 0.52, 1
        )
        wanted = np.array([255 * one for one in colour]) if part >= 0.3 else found[:1]
        assert np.abs(found - wanted).max() < 30, (x, y, part, found, wanted)

    # The line of half of what is prescribed goes through places of 1 Gy, all around.
    panel_of(page).get_by_role("button", name="None", exact=True).first.click()
    panel_of(page).get_by_role("button", name="Show 50 %").first.click()
    page.wait_for_timeout(400)
    line = coloured(seen(page))
    rows, columns = np.nonzero(line)
    assert len(rows) > 300
    on_line = []
    for row, column in zip(rows, columns, strict=True):
        x, y = place_of(hand, column + 0.5 + box["x"], row + 0.5 + box["y"])
        if X[0] < x < X[-1] and Y[0] < y < Y[-1]:
            on_line.append(between(values, x, y, 16))
    assert np.mean(on_line) == pytest.approx(1, abs=0.03)
    assert np.ptp(on_line) < 0.4

    # Another reference is another line; it leaves as it is seen.
    reference = panel_of(page).get_by_label("100 % of PLAN DOSE", exact=True)
    reference.fill("3")
    expect(panel_of(page).locator("li[data-part='5000']").first).to_contain_text("1.5 Gy")
    expect(panel_of(page).locator("li[data-part='5000']").first).to_contain_text(
        f"{volume(values, 1.5):.3g} ml"
    )
    panel_of(page).get_by_label("Another level of PLAN DOSE").fill("40")
    page.keyboard.press("Enter")
    expect(panel_of(page).locator("li[data-part='4000']").first).to_contain_text("1.2 Gy")
    panel_of(page).get_by_role("button", name="All", exact=True).first.click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(400)
    on_screen = coloured(seen(page)).sum()
    page.keyboard.press("Control+e")
    with page.expect_download() as coming:
        page.get_by_role("dialog").get_by_role("button", name="Export").click()
    left = imagecodecs.png_decode(Path(coming.value.path()).read_bytes())[..., :3].astype(int)
    assert coloured(left).sum() == pytest.approx(on_screen, rel=0.03)

    # The same on planes, and where the pointer is.
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    panel_of(page).get_by_role("button", name="Go to In colours").first.click()
    for plane in ("axial", "sagittal", "coronal"):
        expect(page.locator(f"[data-plane={plane}] canvas[data-wash]")).to_have_count(1)
        assert coloured(seen(page, f"plane-{plane}")).sum() > 1000, plane
    where = page.get_by_test_id("plane-sagittal").bounding_box()
    assert where
    page.mouse.move(where["x"] + where["width"] / 2, where["y"] + where["height"] / 2)
    expect(page.locator("[data-plane=sagittal]").get_by_test_id("values-here")).to_contain_text(
        re.compile(r"Dose [\d.]+ Gy")
    )


def panel_of(page: Page) -> Any:
    return page.get_by_role("complementary", name="Segmentations, structures and doses")


def coloured(painted: Array) -> Array:
    marked: Array = painted.max(axis=-1) - painted.min(axis=-1) > 60
    return marked


def volume(values: Array, level: float) -> float:
    """How much has at least so great a dose, ml: each plane as thick as half the way to both of its neighbours."""
    thick = np.gradient(np.arange(len(Z)), Z) ** -1
    thick[1:-1] = (Z[2:] - Z[:-2]) / 2
    return float(((values >= level).sum(axis=(1, 2)) * thick).sum() * 24 / 1000)


def test_what_has_no_view_of_its_own_is_read(store: Any, open_study: OpenStudy) -> None:
    slices = stack(generate_uid())
    study = store_stack(store, slices)
    plan = beside(store, slices[0], pydicom.dcmread(package_file("rtplan.dcm")), SeriesNumber=60)
    matrix = [1, 0, 0, 5, 0, 1, 0, -2.5, 0, 0, 1, 0, 0, 0, 0, 1]
    moved = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.1",
        Modality="REG",
        FrameOfReferenceUID=slices[0].FrameOfReferenceUID,
        ContentLabel="TO PET",
        RegistrationSequence=[
            item(
                FrameOfReferenceUID="1.2.3",
                ReferencedImageSequence=[
                    item(
                        ReferencedSOPClassUID=slices[0].SOPClassUID,
                        ReferencedSOPInstanceUID=slices[0].SOPInstanceUID,
                    )
                ],
                MatrixRegistrationSequence=[
                    item(
                        MatrixSequence=[
                            item(
                                FrameOfReferenceTransformationMatrixType="RIGID",
                                FrameOfReferenceTransformationMatrix=matrix,
                            )
                        ]
                    )
                ],
            )
        ],
    )
    beside(store, slices[0], moved, SeriesNumber=61)
    page = open_study(study, 1024, 768, has_touch=True)
    series = page.get_by_role("navigation", name="Series")
    series.get_by_role("button", name=re.compile("RT plan")).click()
    view = page.get_by_test_id("object")
    beam = plan.BeamSequence[0]
    expect(view.get_by_role("region", name="Beams")).to_contain_text(beam.BeamName)
    # All that it says, by the names of the standard; found at any depth.
    attributes = view.get_by_test_id("attributes")
    expect(attributes).to_contain_text("RT Plan Label")
    expect(attributes).not_to_contain_text("Gantry Angle")
    view.get_by_label("Find within").fill("gantry angle")
    expect(attributes).to_contain_text("(300A,011E) DS")
    expect(attributes).not_to_contain_text("RT Plan Label")
    view.get_by_label("Find within").fill("")
    attributes.get_by_role("button", name=re.compile("^Beam Sequence")).click()
    expect(attributes).to_contain_text("Treatment Machine Name")

    series.get_by_role("button", name=re.compile("Registration")).click()
    expect(view).to_contain_text("From 1.2.3")
    expect(view).to_contain_text("0   1   0   -2.5")
    # What it names is a press away.
    view.get_by_label("Find within").fill(slices[0].SOPInstanceUID)
    attributes.get_by_role("button", name=re.compile("^Series 1")).click()
    expect(page.locator(f"[data-sop-instance-uid='{slices[0].SOPInstanceUID}']")).to_have_attribute(
        "data-state", "shown"
    )
