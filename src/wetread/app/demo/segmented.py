"""What a program of the demo hospital finds in a chest CT: lungs and nodule as a Segmentation (PS3.3 A.51)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wetread.app.demo.field import Array
from wetread.app.demo.objects import (
    CT_IMAGE,
    Device,
    Item,
    Picture,
    SeriesHead,
    Visit,
    code,
    number_text,
    picture,
)
from wetread.app.demo.stack import Cut, Stack, cut
from wetread.app.demo.torso import GRID, NODULE_CENTRE, Spot
from wetread.dicom.uid import new_uid

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
PROGRAM = Device("Lung Finder", "LF-1", "2.1")
_MATRIX = 256
_ANATOMY = code("123037004", "Anatomical Structure")


@dataclass(frozen=True, slots=True)
class Segment:
    """One thing that was found, as a mask of the cropped grid: [slice, row, column]."""

    label: str
    lab: tuple[float, float, float]
    category: Item
    kind: Item
    modifier: Item | None
    mask: NDArray[np.bool_]


def found_in(lung: Array, how: Cut, spots: Sequence[Spot]) -> tuple[Stack, list[Segment]]:
    """The lungs where their distance is below zero, on a grid of half the CT's fineness; a nodule is no lung."""
    coarse = Cut(
        how.plane,
        how.centre,
        how.field_of_view,
        _MATRIX,
        how.first,
        how.last,
        how.slice_thickness,
        how.spacing,
    )
    stack = cut(lung, GRID, coarse, outside=100.0)
    first = np.array(stack.image_positions_patient)
    across = first[0, 0] + stack.pixel_spacing * np.arange(_MATRIX)
    down = first[0, 1] + stack.pixel_spacing * np.arange(_MATRIX)
    z, y, x = first[:, 2][:, None, None], down[None, :, None], across[None, None, :]
    nodules = [spot.size * 5.5 for spot in spots if spot.lesion == "nodule"]
    away = np.sqrt((x - NODULE_CENTRE[0]) ** 2 + (y - NODULE_CENTRE[1]) ** 2 + (z - NODULE_CENTRE[2]) ** 2)
    nodule = away <= max(nodules, default=0.0)
    inside = (stack.pixels < 0) & ~nodule
    kind = code("39607008", "Lung")
    segments = [
        Segment("Right lung", (70, -18, -38), _ANATOMY, kind, code("24028007", "Right"), inside & (x < 0)),
        Segment("Left lung", (78, -42, 30), _ANATOMY, kind, code("7771000", "Left"), inside & (x >= 0)),
    ]
    if nodule.any():
        abnormal = code("49755003", "Morphologically Abnormal Structure")
        segments.append(Segment("Nodule", (66, 58, 46), abnormal, code("27925004", "Nodule"), None, nodule))
    return stack, segments


def lungs(
    visit: Visit,
    frame: str,
    lung: Array,
    how: Cut,
    spots: Sequence[Spot],
    images: SeriesHead,
    slices: Sequence[Picture],
) -> Picture:
    """The object, cropped to what was found; empty frames are left out. `slices` are the CT's, as `how` cut them."""
    stack, segments = found_in(lung, how, spots)
    covered = np.logical_or.reduce([one.mask for one in segments]).any(axis=0)
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    frames: list[NDArray[np.bool_]] = []
    groups: list[Item] = []
    for number, segment in enumerate(segments, 1):
        for index, (x, y, z) in enumerate(stack.image_positions_patient):
            mask = segment.mask[index, top:bottom, left:right]
            if not mask.any():
                continue
            frames.append(mask)
            corner = (x + left * stack.pixel_spacing, y + top * stack.pixel_spacing, z)
            groups.append(_frame(number, index, slices[index][0], corner))
    bits = np.packbits(np.stack(frames).ravel(), bitorder="little")
    organization = new_uid()
    head = SeriesHead(
        "SEG", 901, "Lungs, automatic", images.body_part_examined, PROGRAM, frame_of_reference_uid=frame
    )
    head.attributes = {"PositionReferenceIndicator": "SN"}
    attributes: dict[str, Any] = {
        "ImageType": ["DERIVED", "PRIMARY"],
        "Rows": int(bottom - top),
        "Columns": int(right - left),
        "NumberOfFrames": str(len(frames)),
        "BitsAllocated": 1,
        "BitsStored": 1,
        "HighBit": 0,
        "LossyImageCompression": "00",
        "SegmentationType": "BINARY",
        "ContentLabel": "LUNGS",
        "ContentDescription": "Lungs and nodules, found by a program",
        "ContentCreatorName": "",
        "SegmentSequence": [_segment(number, one) for number, one in enumerate(segments, 1)],
        "ReferencedSeriesSequence": [
            {
                "SeriesInstanceUID": images.series_instance_uid,
                "ReferencedInstanceSequence": [_reference(uid) for uid, _ in slices],
            }
        ],
        "DimensionOrganizationSequence": [{"DimensionOrganizationUID": organization}],
        "DimensionIndexSequence": [
            _dimension(organization, 0x0062000B, 0x0062000A, "Segment"),
            _dimension(organization, 0x00200032, 0x00209113, "Position"),
        ],
        "SharedFunctionalGroupsSequence": [
            {
                "PlaneOrientationSequence": [
                    {"ImageOrientationPatient": [number_text(v) for v in stack.image_orientation_patient]}
                ],
                "PixelMeasuresSequence": [
                    {
                        "PixelSpacing": [number_text(stack.pixel_spacing)] * 2,
                        "SliceThickness": number_text(stack.slice_thickness),
                        "SpacingBetweenSlices": number_text(stack.spacing_between_slices),
                    }
                ],
            }
        ],
        "PerFrameFunctionalGroupsSequence": groups,
    }
    return picture(visit, head, SEGMENTATION, 1, bits[None, :], attributes, offset_s=60.0)


def _reference(uid: str) -> Item:
    return {"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": uid}


def _dimension(organization: str, pointer: int, group: int, label: str) -> Item:
    return {
        "DimensionOrganizationUID": organization,
        "DimensionIndexPointer": pointer,
        "FunctionalGroupPointer": group,
        "DimensionDescriptionLabel": label,
    }


def _segment(number: int, one: Segment) -> Item:
    light, a, b = one.lab
    kind = (
        one.kind
        if one.modifier is None
        else {**one.kind, "SegmentedPropertyTypeModifierCodeSequence": [one.modifier]}
    )
    return {
        "SegmentNumber": number,
        "SegmentLabel": one.label,
        "SegmentAlgorithmType": "AUTOMATIC",
        "SegmentAlgorithmName": PROGRAM.manufacturer_model_name,
        "SegmentedPropertyCategoryCodeSequence": [one.category],
        "SegmentedPropertyTypeCodeSequence": [kind],
        # As it is stored (PS3.3 C.10.7.1.1).
        "RecommendedDisplayCIELabValue": [
            round(part * 65535) for part in (light / 100, (a + 128) / 255, (b + 128) / 255)
        ],
    }


def _frame(segment: int, index: int, source: str, corner: tuple[float, float, float]) -> Item:
    purpose = code("121322", "Source image for image processing operation", "DCM")
    return {
        "DerivationImageSequence": [
            {
                "SourceImageSequence": [{**_reference(source), "PurposeOfReferenceCodeSequence": [purpose]}],
                "DerivationCodeSequence": [code("113076", "Segmentation", "DCM")],
            }
        ],
        "FrameContentSequence": [{"DimensionIndexValues": [segment, index + 1]}],
        "PlanePositionSequence": [{"ImagePositionPatient": [number_text(v) for v in corner]}],
        "SegmentIdentificationSequence": [{"ReferencedSegmentNumber": segment}],
    }
