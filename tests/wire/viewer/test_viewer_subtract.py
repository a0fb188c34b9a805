"""Subtraction: what the canvas shows of runs and of pairs of series, beside what numpy takes away."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy, drawn, enlarged, within
from viewer_hand import filed, listed, measuring, slice_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
XA = "1.2.840.10008.5.1.4.1.1.12.1"
ROWS, COLUMNS = 60, 80
Array = np.ndarray[Any, Any]


def run_of(frames: int = 6) -> Array:
    """Bones that stay, and a vessel that fills from the third frame on: less of the beam comes through."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    bones = 1000 + 300 * np.sin(x / 9) + 200 * np.cos(y / 7)
    run = np.repeat(bones[None], frames, 0)
    for at in range(2, frames):
        run[at, 20:30, 10 : 10 + 12 * (at - 1)] -= 120
    return np.round(run).astype("<u2")


def angiogram(pixels: Array, **mask: Any) -> Dataset:
    ds = pictures.grey(pixels, XA, Modality="XA", BitsStored=12, WindowCenter="1000", WindowWidth="1400")
    ds.PixelIntensityRelationship = mask.pop("relationship", "LOG")
    ds.RecommendedViewingMode = mask.pop("mode", "SUB")
    ds.FrameTime = "250"
    if mask:
        item = Dataset()
        for keyword, value in mask.items():
            setattr(item, keyword, value)
        ds.MaskSubtractionSequence = [item]
    return ds


def seen(page: Page, differences: Array) -> None:
    """Nothing is grey, and what there is lies beside it by a straight line; how steep that is the viewer says."""
    words = page.locator("[data-pane=a]").inner_text()
    width, center = (float(one) for one in re.search(r"W ([\d.]+) · C (-?[\d.]+)", words).groups())
    picture = drawn(page).astype(float)[:, :, 0]
    values, inside = enlarged(differences, picture.shape)
    look = pictures.linear(center, width)(values)
    # What the words round is less than this part of the greys.
    assert np.abs(picture - look)[inside].max() <= 2 + 255 * 1.5 / width
    assert picture[inside].std() > 10


def end(page: Page, key: str, index: int) -> None:
    page.keyboard.press(key)
    expect(page.locator("[data-pane=a]")).to_have_attribute("data-index", str(index))


def test_a_run_is_seen_as_its_device_subtracts_it(store: Any, open_study: OpenStudy) -> None:
    pixels = run_of()
    # Frames 1 and 2 averaged, half a pixel down and one to the left; the first two frames are none of its range.
    ds = angiogram(
        pixels, MaskOperation="AVG_SUB", MaskFrameNumbers=[1, 2], ApplicableFrameRange=[3, 6], MaskSubPixelShift=[0.5, 1.0],
    )  # fmt: skip
    page = open_study(filed(store, ds))
    pane = page.locator("[data-pane=a]")
    # The mask itself is seen as it is, and that is said.
    expect(pane).to_contain_text("Not subtracted: the device names no mask for it")
    end(page, "End", 5)
    expect(pane).to_contain_text("Subtracted · mask 1–2")
    mask = pixels[:2].astype(float).mean(0)
    moved = mask.copy()
    moved[1:, :-1] = (mask[1:, 1:] + mask[:-1, 1:]) / 2
    moved[0, :], moved[:, -1] = pixels[5, 0, :], pixels[5, :, -1]
    seen(page, pixels[5] - moved)


def test_a_beam_is_subtracted_by_its_logarithm_and_measured_as_a_difference(
    store: Any, open_study: OpenStudy
) -> None:
    pixels = run_of()
    ds = angiogram(pixels, relationship="LIN", mode="NAT", MaskOperation="TID", TIDOffset=2)
    page = open_study(filed(store, ds))
    end(page, "End", 5)
    expect(page.locator("[data-subtracted]")).to_have_count(0)
    page.keyboard.press("Shift+Q")
    expect(page.locator("[data-pane=a]")).to_contain_text("Subtracted · mask 4")
    differences = 1000 * (np.log(pixels[5].astype(float)) - np.log(pixels[3].astype(float)))
    seen(page, differences)

    hand = measuring(page, (ROWS, COLUMNS), aspect=1)
    page.keyboard.press("i")
    point = (40, 25)
    hand.click((point[0] + 0.5, point[1] + 0.5))
    expect(listed(page)).to_have_count(1)
    expect(listed(page)).to_have_attribute("aria-busy", "false")
    words = listed(page).inner_text()
    assert "Difference of logarithms" in words
    value = float(re.search(r"(-?[\d.]+) ‰", words)[1])
    assert value == pytest.approx(differences[point[1], point[0]], abs=0.6)


def test_a_hand_chooses_the_mask_moves_it_and_keeps_anatomy(store: Any, open_study: OpenStudy) -> None:
    pixels = run_of()
    page = open_study(filed(store, angiogram(pixels, mode="NAT")))
    pane, bar = page.locator("[data-pane=a]"), page.get_by_role("toolbar", name="Subtraction")
    page.keyboard.press("ArrowDown")
    expect(pane).to_have_attribute("data-index", "1")
    page.keyboard.press("&")
    expect(pane).to_contain_text("Subtracted · mask 2")
    end(page, "End", 5)
    values = pixels.astype(float)
    seen(page, values[5] - values[1])

    # A drag of the mask: two pixels of the picture to the right.
    bar.get_by_role("button", name="Move the mask by dragging").click()
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box
    across = within((int(box["height"]), int(box["width"])), (ROWS, COLUMNS))[2]
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 2 * across, y, steps=4)
    page.mouse.up()
    expect(bar.get_by_label("Mask shift in pixels")).to_have_text("x +2.0 · y 0.0 px")
    for _ in range(5):
        page.keyboard.press("Alt+Shift+ArrowUp")
    expect(bar.get_by_label("Mask shift in pixels")).to_have_text("x +2.0 · y −0.5 px")
    page.wait_for_timeout(400)
    moved = values[5].copy()
    moved[:-1, 2:] = (values[1][:-1, :-2] + values[1][1:, :-2]) / 2
    seen(page, values[5] - moved)

    page.keyboard.press("Alt+Shift+Home")
    for _ in range(3):
        page.keyboard.press("Alt+Shift+PageUp")
    expect(bar).to_contain_text("30 %")
    page.wait_for_timeout(400)
    seen(page, values[5] - 0.7 * values[1])

    page.keyboard.press("r")
    expect(pane).not_to_have_attribute("data-subtracted", re.compile(".*"))
    page.wait_for_timeout(200)
    seen(page, values[5])
    # Another mask than before, whose pictures have the same names: nothing of the first is left.
    page.keyboard.press("Shift+Q")
    expect(pane).to_contain_text("Subtracted · mask 1")
    page.wait_for_timeout(200)
    seen(page, values[5] - values[0])


# Presses a key in the same breath as the pane says that it shows another picture: no person is quicker.
AS_IT_IS_SEEN = """({ index, key, shiftKey }) => {
  const pane = document.querySelector('[data-pane=a]')
  const look = new MutationObserver(() => {
    if (pane.dataset.index !== String(index)) return
    look.disconnect()
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey, bubbles: true, cancelable: true }))
  })
  look.observe(pane, { attributes: true, attributeFilter: ['data-index'] })
}"""


def test_a_key_means_the_picture_that_is_seen(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, angiogram(run_of(), mode="NAT")))
    pane = page.locator("[data-pane=a]")
    page.evaluate(AS_IT_IS_SEEN, {"index": 1, "key": "&", "shiftKey": True})
    page.keyboard.press("ArrowDown")
    expect(pane).to_have_attribute("data-subtracted", "mask 2")


def series(values: Array, space: str, at: tuple[float, ...]) -> list[Dataset]:
    made = []
    for place in at:
        ds = slice_of((values + round(10 * place)).astype("<i2"), ImageType=["ORIGINAL", "PRIMARY"])
        ds.FrameOfReferenceUID = space
        ds.ImagePositionPatient = ["-40", "-30", str(place)]
        made.append(ds)
    return made


def sent(store: Any, *all_series: list[Dataset]) -> str:
    study = generate_uid()
    for number, one in enumerate(all_series, 1):
        uid = generate_uid()
        for at, ds in enumerate(one, 1):
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, uid, generate_uid()
            ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Subtraction", "SUB", "HOSPITAL"
            ds.AccessionNumber, ds.PatientBirthDate, ds.PatientSex = "A1", "", ""
            ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = number, at, f"Series {number}"
            [result] = store(pictures.as_file(ds), as_files=True)
            assert result.status == 0, result
    return study


def test_one_series_is_taken_from_another_at_each_place(store: Any, open_study: OpenStudy) -> None:
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    before = np.round(100 + 40 * np.sin(x / 8) + 30 * np.cos(y / 5)).astype("<i2")
    after = before.copy()
    after[20:30, 20:50] += 90
    space = generate_uid()
    places = (0.0, 5.0, 10.0, 15.0)
    # The first series lacks a picture, and is sent in another order; the third was made in another frame of reference.
    study = sent(
        store, series(before, space, (15.0, 5.0, 10.0)), series(after, space, places), series(before, generate_uid(), places)
    )  # fmt: skip
    page = open_study(study)
    page.keyboard.press("ArrowRight")
    pane = page.locator("[data-pane=a]")
    expect(pane).to_contain_text("2 · Series 2")
    page.keyboard.press("Shift+Q")
    expect(pane).to_contain_text("Subtracted · minus series 1 Series 1")
    picture = drawn(page).astype(float)[:, :, 0]
    values, inside = enlarged((after - before).astype(float), picture.shape, 0.625)
    assert picture[inside & (values > 89)].min() - picture[inside & (values < 1)].max() > 100
    assert picture[inside & (values < 1)].std() < 1, "what is the same in both is grey all over"
    end(page, "Home", 0)
    expect(pane).to_contain_text("Not subtracted: the other series has no picture at this place")

    page.get_by_role("button", name="Another series").click()
    expect(page.get_by_role("menuitem", name="3 · Series 3")).to_contain_text("another frame of reference")
    expect(page.get_by_role("menuitem", name="3 · Series 3")).to_be_disabled()
    expect(page.get_by_role("menuitem", name="1 · Series 1")).to_contain_text("3 of 4 images")


def test_what_is_measured_on_a_difference_is_not_kept_as_if_on_what_was_stored(
    store: Any, open_case: OpenStudy
) -> None:
    ds = angiogram(run_of(), mode="SUB", MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    ds.PixelSpacing = ["0.5", "0.5"]
    page = open_case(filed(store, ds))
    expect(page.locator("[data-pane=a]")).to_contain_text("Subtracted · mask 1")
    hand = measuring(page, (ROWS, COLUMNS), aspect=1)
    hand.drag("Shift+O", (12, 20), (30, 29))
    expect(listed(page)).to_contain_text("Difference")
    expect(listed(page)).to_contain_text("Subtracted")
    page.keyboard.press("Shift+K")
    expect(page.get_by_text("Not kept: 1 measurement on subtracted images")).to_be_visible()
    # Nor is the window of differences kept as one for what was stored; and nothing else was there to keep.
    page.wait_for_timeout(500)
    expect(page.get_by_text("Kept in the archive")).to_have_count(0)
