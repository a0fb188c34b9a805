"""What tests of things that lie over pictures share: black slices, objects beside them, and what is painted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np
from playwright.sync_api import Locator, Page, expect
from pydicom.dataset import Dataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import viewer_pictures as pictures
from viewer_hand import AXIAL, COLUMNS, ROWS, Hand, filed, slice_of
from viewer_others import item

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_SEG = "1.2.840.10008.5.1.4.1.1.66.7"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
STEP, SLICES = 3.0, 6
# CIELab of red, green and blue about D50, as they are stored (PS3.3 C.10.7.1.1).
RED, GREEN, BLUE = [35580, 53665, 50862], [57553, 12524, 53711], [19377, 50450, 4105]
# A grid of its own, cropped and coarser, whose rows and frames begin at any bit.
GRID, GRID_MM, CORNER = (13, 17), (2.0, 3.0), (-30.0, -24.0)
Array = np.ndarray[Any, Any]


def code(meaning: str) -> list[Dataset]:
    return [item(CodeValue="1", CodingSchemeDesignator="99TEST", CodeMeaning=meaning)]


def stack(space: str) -> list[Dataset]:
    """Black slices, so that all colour is laid over them."""
    out = []
    for at in range(SLICES):
        ds = slice_of(np.zeros((ROWS, COLUMNS), "<i2"), SliceThickness=str(STEP))
        ds.FrameOfReferenceUID, ds.ImagePositionPatient = space, ["-40", "-30", str(10 + STEP * at)]
        out.append(ds)
    return out


def store_stack(store: Any, slices: list[Dataset]) -> str:
    """Files slices as one series of a study."""
    study = filed(store, slices[0])
    for number, ds in enumerate(slices[1:], 2):
        beside(
            store,
            slices[0],
            ds,
            SeriesInstanceUID=slices[0].SeriesInstanceUID,
            SeriesNumber=1,
            InstanceNumber=number,
        )
    return study


def beside(store: Any, image: Dataset, ds: Dataset, **attributes: Any) -> Dataset:
    """Files an object into the study of an image."""
    syntax = ds.file_meta.TransferSyntaxUID if hasattr(ds, "file_meta") else ExplicitVRLittleEndian
    for keyword in ("StudyInstanceUID", "PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber"):
        setattr(ds, keyword, getattr(image, keyword))
    ds.PatientBirthDate, ds.PatientSex = "", ""
    ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid()
    ds.SeriesNumber, ds.InstanceNumber = 50, 1
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.file_meta = pictures.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    [result] = store(pictures.as_file(ds), as_files=True)
    assert result.status == 0, result
    return ds


def segmentation(
    space: str,
    masks: list[tuple[int, float, Array]],
    colours: dict[int, list[int]],
    kind: str = "BINARY",
    **attributes: Any,
) -> Dataset:
    """Frames of (segment, place along the body, mask on the grid); segment 0: its values are numbers of segments."""
    ds = item(
        SOPClassUID=LABEL_MAP_SEG if kind == "LABELMAP" else SEG, Modality="SEG", SegmentationType=kind,
        FrameOfReferenceUID=space, Rows=GRID[0], Columns=GRID[1], NumberOfFrames=len(masks), SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2", PixelRepresentation=0, ContentLabel="ORGANS",
        SegmentSequence=[
            item(
                SegmentNumber=number, SegmentLabel=f"Organ {number}", SegmentAlgorithmType="AUTOMATIC",
                SegmentAlgorithmName="Knife", RecommendedDisplayCIELabValue=lab,
                SegmentedPropertyCategoryCodeSequence=code("Tissue"), SegmentedPropertyTypeCodeSequence=code("Spleen"),
            )
            for number, lab in colours.items()
        ],
        SharedFunctionalGroupsSequence=[
            item(
                PlaneOrientationSequence=[item(ImageOrientationPatient=AXIAL)],
                PixelMeasuresSequence=[item(PixelSpacing=list(GRID_MM), SliceThickness=STEP, SpacingBetweenSlices=STEP)],
            )
        ],
        PerFrameFunctionalGroupsSequence=[
            item(
                PlanePositionSequence=[item(ImagePositionPatient=[*CORNER, z])],
                **({"SegmentIdentificationSequence": [item(ReferencedSegmentNumber=segment)]} if segment else {}),
            )
            for segment, z, _ in masks
        ],
    )  # fmt: skip
    stored = np.stack([mask for *_, mask in masks])
    ds.BitsAllocated = ds.BitsStored = 1 if kind == "BINARY" else 8 * stored.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    data = pack_bits(stored.astype("u1")) if kind == "BINARY" else stored.tobytes()
    ds.PixelData = data + bytes(len(data) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsStored <= 8 else "OW"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def seen(page: Page, pane: str = "canvas-a") -> Array:
    """A pane as it is painted: picture, and all that lies over it."""
    box = page.get_by_test_id(pane).bounding_box()
    assert box
    decoded: Array = imagecodecs.png_decode(
        page.screenshot(clip={"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]})
    )
    return decoded[..., :3].astype(int)


def red(painted: Array) -> Array:
    """Which places are red: no line of another plane is so."""
    marked: Array = painted[..., 0] - painted[..., 1:].max(axis=-1) > 60
    return marked


def hue(rgb: Array) -> str:
    """Which colour a place has: r, g or b; a dot where it has none."""
    return "rgb"[int(rgb.argmax())] if rgb.max() - rgb.min() > 30 else "."


class Screen:
    """Places of the patient on a pane that shows a whole picture, perhaps turned."""

    def __init__(
        self,
        page: Page,
        turn: Callable[[float, float], tuple[float, float]] = lambda x, y: (x, y),
        *,
        lying: bool = False,
    ) -> None:
        self.page, self.turn = page, turn
        self.hand = Hand(page, (COLUMNS, ROWS) if lying else (ROWS, COLUMNS), 1.6 if lying else 0.625)

    def hues(self, places: Sequence[tuple[float, float]]) -> str:
        self.page.mouse.move(3, 3)
        painted, box = seen(self.page), self.page.get_by_test_id("canvas-a").bounding_box()
        assert box
        out = []
        for x, y in places:
            # (-40, -30) is the middle of the first pixel, 0.8 mm wide and 0.5 high.
            across, down = self.hand.at(self.turn((x + 40) / 0.8 + 0.5, (y + 30) / 0.5 + 0.5))
            out.append(hue(painted[round(down - box["y"]), round(across - box["x"])]))
        return "".join(out)


def middles(shape: tuple[int, int] = GRID) -> list[tuple[float, float]]:
    return [
        (CORNER[0] + column * GRID_MM[1], CORNER[1] + row * GRID_MM[0])
        for row in range(shape[0])
        for column in range(shape[1])
    ]


def expected(*masks: tuple[str, Array]) -> str:
    """The letters of the masks at the middles of the grid, the last that covers."""
    out = np.full(GRID, ".")
    for letter, mask in masks:
        out[mask.astype(bool)] = letter
    return "".join(out.ravel())


_CARD = re.compile("^(Segmentation|RT structures|Dose|Surfaces|Height map) (on|off)")


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Segmentations and structures")


def offered(page: Page, series: int = 1) -> None:
    """Waits until what can be laid over the picture is known, of so many series."""
    expect(page.locator("[data-pane=a]")).to_contain_text("hidden")
    cards = page.get_by_role("navigation", name="Series").get_by_role("button", name=_CARD)
    expect(cards).to_have_count(series)


def at_image(page: Page, number: int) -> None:
    expect(page.locator("[data-pane=a]")).to_have_attribute("data-index", str(number))
