"""The values of a picture, as a presentation state has to say them."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from wetread.archive.documents import modality_values


def rescale(slope: str, intercept: str, kind: str | None = None) -> Dataset:
    ds = Dataset()
    ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    if kind:
        ds.RescaleType = kind
    return ds


def said(picture: Dataset, frame: int = 1) -> tuple[Any, ...]:
    found = modality_values(picture.to_json_dict(), frame)
    return tuple(found.get(name) for name in ("RescaleSlope", "RescaleIntercept", "RescaleType"))


def test_a_plain_picture() -> None:
    picture = rescale("2.5", "-1024")
    assert said(picture) == (2.5, -1024, "US")
    picture.Modality = "CT"
    assert said(picture) == (2.5, -1024, "HU")
    assert said(rescale("2", "0", "BQML")) == (2, 0, "BQML")
    assert said(Dataset()) == said(rescale("1", "0")) == (None, None, None)


def test_frames_of_their_own_come_before_what_they_share() -> None:
    def group(values: Dataset) -> Dataset:
        ds = Dataset()
        ds.PixelValueTransformationSequence = [values]
        return ds

    picture = Dataset()
    picture.SharedFunctionalGroupsSequence = [group(rescale("3", "-1000", "HU"))]
    assert said(picture, 2) == (3, -1000, "HU")
    del picture.SharedFunctionalGroupsSequence
    picture.PerFrameFunctionalGroupsSequence = [group(rescale(str(number), "5", "US")) for number in (2, 4)]
    assert [said(picture, frame)[0] for frame in (1, 2)] == [2, 4]


def test_a_table_goes_along_whole_or_is_missed() -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [2, 0, 16], "OD", b"\1\0\2\0"
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    picture = Dataset()
    picture.ModalityLUTSequence = [table]
    assert modality_values(picture.to_json_dict(), 1).ModalityLUTSequence[0].LUTData == b"\1\0\2\0"
    elsewhere = picture.to_json_dict(bulk_data_threshold=1, bulk_data_element_handler=lambda _: "bulk/1")
    with pytest.raises(ValueError, match="not in the metadata"):
        modality_values(elsewhere, 1)
