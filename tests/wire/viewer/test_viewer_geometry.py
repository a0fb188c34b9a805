"""Geometry: what is measured and which way is which, on phantoms whose truth numpy knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, drawn, shown
from viewer_hand import AXIAL, COLUMNS, ROWS, TILTED, filed, listed, measuring, phantom, slice_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)


@pytest.mark.parametrize("orientation", [AXIAL, TILTED], ids=["axial", "tilted"])
def test_lengths_angles_and_values_are_those_of_the_phantom(
    store: Any, open_study: OpenStudy, orientation: Sequence[float]
) -> None:
    values = phantom()
    page = open_study(filed(store, slice_of(values, orientation)), 1100, 760)
    hand = measuring(page)

    hand.drag("l", (20, 50), (100, 50))
    expect(listed(page)).to_contain_text(re.compile(r"64(\.0)? mm"))  # 80 columns of 0.8 mm
    page.keyboard.press("e")
    hand.drag("l", (60, 10), (60, 90))
    expect(listed(page)).to_contain_text(re.compile(r"40(\.0)? mm"))  # 80 rows of 0.5 mm
    page.keyboard.press("e")
    hand.drag("l", (20, 20), (70, 80))
    said = re.search(r"([\d.]+) mm", listed(page).inner_text())
    assert said
    assert float(said[1]) == pytest.approx(np.hypot(50 * 0.8, 60 * 0.5), rel=0.01)
    page.keyboard.press("e")

    # A rectangle whose borders lie between pixels.
    hand.drag("Shift+O", (30, 20), (90, 70))
    expect(listed(page)).to_contain_text("Mean")
    words = listed(page).inner_text()
    inside = values[20:70, 30:90].astype(float)
    mean, deviation = re.search(r"Mean (-?[\d.]+) HU · SD ([\d.]+)", words).groups()
    least, most = re.search(r"Min (-?[\d.]+) · max (-?[\d.]+)", words).groups()
    area = float(re.search(r"Area ([\d.]+) cm²", words)[1])
    assert float(mean) == pytest.approx(inside.mean(), abs=0.7)
    assert float(deviation) == pytest.approx(inside.std(), abs=0.5)
    assert (float(least), float(most)) == (inside.min(), inside.max())
    assert area == pytest.approx(60 * 0.8 * 50 * 0.5 / 100, rel=0.02)
    page.keyboard.press("e")

    page.keyboard.press("i")
    hand.click((60.5, 45.5))
    expect(listed(page)).to_contain_text("100 HU")
    page.keyboard.press("e")

    # A right angle in the patient, whatever the shape of the pixels.
    page.keyboard.press("a")
    hand.click((20, 20), (20, 80), (90, 80))
    expect(listed(page)).to_contain_text("90.0°")


HEAD_FIRST = {
    "axial": (AXIAL, "ALPR"),
    "coronal": ([1, 0, 0, 0, 0, -1], "HLFR"),
    "sagittal": ([0, 1, 0, 0, 0, -1], "HPFA"),
    "axial, seen from above": ([-1, 0, 0, 0, 1, 0], "ARPL"),
    "prone": ([-1, 0, 0, 0, -1, 0], "PRAL"),
    "feet first on the side": ([0, 0, -1, 0, 1, 0], "AFPH"),
}


def test_letters_say_which_way_is_which(store: Any, open_study: OpenStudy) -> None:
    made = {name: slice_of(phantom(), orientation) for name, (orientation, _) in HEAD_FIRST.items()}
    page = open_study(filed(store, *made.values()))
    for name, ds in made.items():
        for _ in range(8):
            if (
                page.locator("[data-pane=a]").get_attribute("data-series-instance-uid")
                == ds.SeriesInstanceUID
            ):
                break
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(50)
        shown(page, sop_instance_uid=ds.SOPInstanceUID)
        seen = "".join(
            page.locator(f"[data-pane=a] [data-edge={edge}]").inner_text()
            for edge in ("top", "right", "bottom", "left")
        )
        assert seen == HEAD_FIRST[name][1], name


def test_nothing_is_measured_in_millimetres_without_a_calibration(store: Any, open_study: OpenStudy) -> None:
    page = open_study(
        filed(store, pictures.grey(phantom(), Modality="OT", WindowCenter="50", WindowWidth="200"))
    )
    expect(page.locator("[data-pane=a]")).to_contain_text("not calibrated: pixels only")
    expect(page.locator("[data-pane=a] [class*=scale]")).to_have_count(0)
    hand = measuring(page, aspect=1)
    hand.drag("l", (20, 50), (100, 50))
    expect(listed(page)).to_contain_text("Not calibrated")
    assert "mm" not in listed(page).inner_text()


def test_the_spacing_at_the_detector_is_named_for_what_it_is(store: Any, open_study: OpenStudy) -> None:
    ds = pictures.grey(
        phantom(), "1.2.840.10008.5.1.4.1.1.1.1", Modality="DX", ImagerPixelSpacing=["0.2", "0.2"],
        WindowCenter="50", WindowWidth="200", PatientOrientation=["L", "F"],
    )  # fmt: skip
    page = open_study(filed(store, ds))
    expect(page.locator("[data-pane=a]")).to_contain_text("mm at the detector")
    hand = measuring(page, aspect=1)
    hand.drag("l", (20, 50), (100, 50))
    expect(listed(page)).to_contain_text(re.compile(r"16(\.0)? mm at detector"))


def test_an_ultrasound_picture_is_measured_in_its_regions_alone(store: Any, open_study: OpenStudy) -> None:
    ds = pictures.grey(phantom().astype(np.uint8), "1.2.840.10008.5.1.4.1.1.6.1", Modality="US")
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 10, 10
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 109, 59
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    ds.SequenceOfUltrasoundRegions = [region]
    page = open_study(filed(store, ds))
    hand = measuring(page, aspect=1)
    hand.drag("l", (20, 30), (100, 30))
    expect(listed(page)).to_contain_text(re.compile(r"4(\.0)? cm"))
    page.keyboard.press("e")
    hand.drag("l", (20, 80), (100, 80))
    expect(listed(page)).to_contain_text("Not calibrated")


def test_a_pet_is_measured_in_suv_or_says_why_not(store: Any, open_study: OpenStudy) -> None:
    def pet(**attributes: Any) -> Dataset:
        ds = slice_of(
            np.full((ROWS, COLUMNS), 5000, "<i2"), Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128"
        )
        ds.RescaleSlope, ds.RescaleIntercept, ds.Units = "2.5", "0", "BQML"
        ds.CorrectedImage, ds.DecayCorrection, ds.PatientWeight = ["DECY", "ATTN"], "START", "70"
        ds.SeriesDate = ds.AcquisitionDate = "20261125"
        ds.SeriesTime, ds.AcquisitionTime = "100000", "100100"
        given = Dataset()
        given.RadiopharmaceuticalStartTime, given.RadionuclideTotalDose = "090000", "370000000"
        given.RadionuclideHalfLife = "6586.2"
        ds.RadiopharmaceuticalInformationSequence = [given]
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
        return ds

    whole, lacking = pet(), pet(PatientWeight="")
    page = open_study(filed(store, whole, lacking), 1100, 760)
    pane = page.locator("[data-pane=a]")
    expect(pane).to_contain_text("SUV, body weight")
    hand = measuring(page)
    hand.drag("Shift+O", (30, 20), (90, 70))
    expect(listed(page)).to_contain_text(re.compile("Mean [\\d.]+ SUV"))
    suv = 5000 * 2.5 * 70_000 / (370e6 * 2 ** (-3600 / 6586.2))
    said = float(re.search(r"Mean ([\d.]+) SUV", listed(page).inner_text())[1])
    assert said == pytest.approx(suv, abs=0.06)
    page.keyboard.press("e")
    page.keyboard.press("ArrowRight")
    shown(page, sop_instance_uid=lacking.SOPInstanceUID)
    expect(pane).to_contain_text("No SUV: the patient’s weight is missing")
    hand.drag("Shift+O", (30, 20), (90, 70))
    expect(listed(page)).to_contain_text(re.compile("Mean 12500 BQML"))


def test_planes_are_laid_through_an_object_of_many_frames(store: Any, open_study: OpenStudy) -> None:
    count = 12
    frames = np.stack([phantom() + 10 * number for number in range(count)]).astype("<i2")
    ds = pictures.grey(
        frames, "1.2.840.10008.5.1.4.1.1.2.1", WindowCenter="50", WindowWidth="200", NumberOfFrames=count
    )
    ds.FrameOfReferenceUID = generate_uid()
    shared, measures, direction = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.5", "0.8"], "2"
    direction.ImageOrientationPatient = [str(one) for one in AXIAL]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [direction]
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], []
    for number in range(count):
        group, place = Dataset(), Dataset()
        place.ImagePositionPatient = ["-40", "-30", str(2 * number)]
        group.PlanePositionSequence = [place]
        ds.PerFrameFunctionalGroupsSequence.append(group)
    page = open_study(filed(store, ds), 1100, 760)
    page.keyboard.press("Shift+P")
    planes = page.get_by_test_id("planes")
    expect(planes).to_have_attribute("data-ready", "true")
    expect(planes.locator("[data-plane=coronal] [data-edge=top]")).to_have_text("H")
    expect(planes.locator("[data-plane=sagittal] [data-edge=left]")).to_have_text("A")
    expect(planes).to_have_attribute("data-loaded", str(count))


def test_nothing_is_told_of_a_picture_that_is_not_there(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, slice_of(phantom())))
    pane = page.locator("[data-pane=a]")
    told = pane.locator("[class*=scale], [data-edge], [class*=bottomLeft] span")
    expect(told.first).to_be_visible()
    held: list[Any] = []
    holding = [True]
    page.route("**/frames/**", lambda route: held.append(route) if holding else route.continue_())
    page.reload(wait_until="commit")
    expect(pane).to_have_attribute("data-state", "loading")
    page.set_viewport_size(
        {"width": 800, "height": 650}
    )  # a pane that is resized draws itself, empty as it is
    page.wait_for_timeout(700)
    expect(pane).to_have_attribute("data-state", "loading")
    assert told.count() == 0
    holding.clear()
    for route in held:
        route.continue_()
    shown(page)
    expect(told.first).to_be_visible()


def test_a_picture_that_cannot_be_had_is_not_replaced_by_the_one_before(
    store: Any, open_study: OpenStudy
) -> None:
    first, second = slice_of(phantom()), slice_of(phantom(), TILTED, RescaleSlope="0.5", RescaleIntercept="0")
    study = filed(store, first, second)
    page = open_study(study)
    pane = page.locator("[data-pane=a]")
    page.route(f"**/{second.SeriesInstanceUID}/**/frames/**", lambda route: route.abort())
    page.reload()
    shown(page, sop_instance_uid=first.SOPInstanceUID)
    page.keyboard.press("ArrowRight")
    expect(pane.get_by_role("alert")).to_contain_text("Image 1 could not be loaded")
    page.set_viewport_size({"width": 800, "height": 650})
    page.wait_for_timeout(500)
    assert drawn(page).max() == 0
    assert pane.locator("[class*=scale], [data-edge]").count() == 0
    page.unroute(f"**/{second.SeriesInstanceUID}/**/frames/**")
    pane.get_by_role("button", name="Try again").click()
    shown(page, sop_instance_uid=second.SOPInstanceUID)
