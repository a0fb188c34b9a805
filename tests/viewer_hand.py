"""A hand that draws on a phantom by the phantom's own pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import within

ROWS, COLUMNS = 100, 120
AXIAL = [1, 0, 0, 0, 1, 0]
# By 20° about the left-right axis, as of a tilted head.
TILTED = [1, 0, 0, 0, 0.9396926, -0.3420201]


def filed(store: Any, *objects: Dataset) -> str:
    """Files the objects as series of one study, in order; its UID."""
    study = generate_uid()
    for number, ds in enumerate(objects, 1):
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, generate_uid(), generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
            "Test^Geometry",
            "GEO",
            "HOSPITAL",
            "A1",
        )
        ds.PatientBirthDate, ds.PatientSex = "", ""
        ds.SeriesNumber, ds.InstanceNumber = number, 1
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, result
    return study


def phantom() -> np.ndarray[Any, Any]:
    """Noise about 40 with a block of 100 in it."""
    values = np.random.default_rng(4).integers(20, 60, (ROWS, COLUMNS))
    values[30:60, 40:80] = 100
    return values.astype("<i2")


def slice_of(
    values: np.ndarray[Any, Any], orientation: Sequence[float] = AXIAL, **attributes: Any
) -> Dataset:
    return pictures.grey(
        values, WindowCenter="50", WindowWidth="200", PixelSpacing=["0.5", "0.8"],
        ImageOrientationPatient=[f"{one:.7f}" for one in orientation], ImagePositionPatient=["-40", "-30", "10"],
        FrameOfReferenceUID=generate_uid(), **attributes,
    )  # fmt: skip


class Hand:
    """Draws by points of the picture: (column, row), 0,0 its upper left corner."""

    def __init__(self, page: Page, picture: tuple[int, int], aspect: float) -> None:
        self.page = page
        box = page.get_by_test_id("canvas-a").bounding_box()
        assert box
        left, top, self.across, self.down = within((int(box["height"]), int(box["width"])), picture, aspect)
        self.left, self.top = box["x"] + left, box["y"] + top

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        return self.left + point[0] * self.across, self.top + point[1] * self.down

    def drag(self, key: str, *points: tuple[float, float]) -> None:
        self.page.keyboard.press(key)
        self.page.mouse.move(*self.at(points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(point), steps=4)
        self.page.mouse.up()
        # The words follow the hand by a drawing.
        self.page.wait_for_timeout(400)

    def click(self, *points: tuple[float, float]) -> None:
        for point in points:
            self.page.mouse.move(*self.at(point), steps=3)
            self.page.mouse.down()
            self.page.mouse.up()


def listed(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Measurements").locator("ol > li")


def measuring(page: Page, picture: tuple[int, int] = (ROWS, COLUMNS), aspect: float = 0.625) -> Hand:
    page.keyboard.press("t")
    page.keyboard.press("Shift+M")
    page.wait_for_timeout(500)
    return Hand(page, picture, aspect)
