"""What the demo hospital makes, judged by others: dciodvfy for the standard, DCMTK for reading, numbers for geometry."""

from __future__ import annotations

import io
import subprocess
from collections import defaultdict
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pytest

from wetread.app.demo.acquire import KINDS, Recipe, make
from wetread.app.demo.objects import Subject, Visit
from wetread.dicom.uid import new_uid

RECIPES = {
    "ct-head": {"finding": "haemorrhage"},
    "mr-head": {"finding": "demyelination", "mirror": True, "contrast": True},
    "ct-chest": {"lesions": {"nodule": 1.0}, "segmented": True, "outside": True},
    "ct-abdomen": {"lesions": {"kidney-stone": 1.0}},
    "xr-chest": {"lesions": {"pneumonia": 1.0}, "ecg": True},
    "xr-knee": {"side": "R", "finding": "fracture"},
    "xr-hand": {"side": "L", "finding": "fracture"},
    "us-abdomen": {"finding": "stones", "cine_frames": 3},
    "mg-screening": {"finding": "mass"},
}


def visit() -> Visit:
    subject = Subject(
        "Yamada^Tarou=山田^太郎=やまだ^たろう", "WD00001", "WETREAD", date(1961, 4, 30), "F", "NORT260000001",
        new_uid(), "Study of the test", "Berg^Tom^^Dr.", "S1-1", "NORT260000001-1", 1.68, 71.5,
    )  # fmt: skip
    taken_at = datetime(2026, 11, 25, 3, 4, 5, tzinfo=ZoneInfo("America/New_York"))
    return Visit(subject, taken_at, "Northside Hospital", "NORTH_1")


@cache
def made(kind: str) -> list[bytes]:
    """What a scanner of this kind makes; for whoever judges it in another way too."""
    return [content for _, content in make(Recipe(kind, 3, RECIPES[kind]), visit())]


def telling(contents: list[bytes]) -> list[tuple[pydicom.Dataset, bytes]]:
    """The first and the last object of each series."""
    series: dict[str, list[tuple[pydicom.Dataset, bytes]]] = defaultdict(list)
    for content in contents:
        ds = pydicom.dcmread(io.BytesIO(content))
        series[ds.SeriesInstanceUID].append((ds, content))
    return [one for objects in series.values() for one in {0: objects[0], 1: objects[-1]}.values()]


@pytest.mark.timeout(420)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_a_scanner_makes_is_judged_clean(kind: str, tmp_path: Path) -> None:
    """One test a kind, as making the images is most of the work."""
    contents = made(kind)
    shown = telling(contents)
    for number, (ds, content) in enumerate(shown):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(content)
        _judge(file, ds.SOPInstanceUID)
        if ds.Modality in ("DOC", "SR"):
            continue
        if "WaveformSequence" in ds:
            continue
        pixels = ds.pixel_array
        assert pixels.std() > (0.1 if ds.BitsStored == 1 else 1)
        assert pixels.min() >= (-(1 << (ds.BitsStored - 1)) if ds.PixelRepresentation else 0)
        assert pixels.max() < 1 << ds.BitsStored
    _slices_lie_where_they_say(kind, contents)


def _judge(file: Path, sop_instance_uid: str) -> None:
    judged = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False)
    said = judged.stdout + judged.stderr
    assert not [line for line in said.splitlines() if line.startswith("Error")], said
    assert judged.returncode == 0, said
    subprocess.run(["dcmftest", file], check=True, capture_output=True)
    dump = subprocess.run(["dcmdump", "-q", file], check=True, capture_output=True).stdout
    assert sop_instance_uid.encode() in dump


def _slices_lie_where_they_say(kind: str, contents: list[bytes]) -> None:
    stacks: dict[str, list[Any]] = defaultdict(list)
    for content in contents:
        ds = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
        if "ImagePositionPatient" in ds and "LOCALIZER" not in ds.ImageType and ds.SeriesNumber != 1:
            stacks[ds.SeriesInstanceUID].append(ds)
    assert bool(stacks) == kind.startswith(("ct-", "mr-"))
    frames = {ds.FrameOfReferenceUID for stack in stacks.values() for ds in stack}
    assert len(frames) == min(len(stacks), 1)
    for stack in stacks.values():
        orientation = np.array(stack[0].ImageOrientationPatient, dtype=float)
        normal = np.cross(orientation[:3], orientation[3:])
        along = [float(np.dot(normal, np.array(ds.ImagePositionPatient, dtype=float))) for ds in stack]
        assert np.allclose(np.abs(np.diff(along)), float(stack[0].SpacingBetweenSlices), atol=1e-4)
        assert [int(ds.InstanceNumber) for ds in stack] == list(range(1, len(stack) + 1))


def test_what_a_program_finds_in_a_chest_is_there() -> None:
    objects = [pydicom.dcmread(io.BytesIO(content)) for content in made("ct-chest")]
    [found] = [ds for ds in objects if ds.Modality == "SEG"]
    images = {ds.SOPInstanceUID: ds for ds in objects}
    spacing = float(found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0])
    hounsfield: dict[int, list[Any]] = defaultdict(list)
    for group, mask in zip(found.PerFrameFunctionalGroupsSequence, found.pixel_array, strict=True):
        image = images[group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        corner, first = (
            np.array(ds.ImagePositionPatient, dtype=float) for ds in (group.PlanePositionSequence[0], image)
        )
        assert corner[2] == first[2]
        rows, columns = np.nonzero(mask)
        x = np.rint((corner[0] + columns * spacing - first[0]) / float(image.PixelSpacing[1])).astype(int)
        y = np.rint((corner[1] + rows * spacing - first[1]) / float(image.PixelSpacing[0])).astype(int)
        segment = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        hounsfield[segment].append(image.pixel_array[y, x])
        # The patient's right is where x is less.
        assert segment == 3 or (corner[0] + columns * spacing < 0).all() == (segment == 1)
    means = {segment: float(np.concatenate(values).mean()) for segment, values in hounsfield.items()}
    assert means[1] < -650
    assert means[2] < -650
    # Slices of 5 mm through a ball of 11: its edge is half lung.
    assert -350 < means[3] < 60


def test_contrast_lights_up_what_lay_at_the_same_place_before() -> None:
    series: dict[str, list[pydicom.Dataset]] = defaultdict(list)
    for ds in map(pydicom.dcmread, map(io.BytesIO, made("mr-head"))):
        series[ds.SeriesDescription].append(ds)
    before, after = series["T1 axial"], series["T1 axial contrast"]
    assert [ds.ImagePositionPatient for ds in before] == [ds.ImagePositionPatient for ds in after]
    assert {ds.FrameOfReferenceUID for ds in before} == {ds.FrameOfReferenceUID for ds in after}
    difference = np.stack(
        [b.pixel_array.astype(int) - a.pixel_array for a, b in zip(before, after, strict=True)]
    )
    # Most of the head is as it was but for noise; a little of it is bright.
    assert abs(np.median(difference)) < 10
    assert 0.0005 < (difference > 300).mean() < 0.05


def test_an_ecg_is_one_heart_seen_from_twelve_places() -> None:
    [found] = [ds for ds in map(pydicom.dcmread, map(io.BytesIO, made("xr-chest"))) if ds.Modality == "ECG"]
    curves = found.waveform_array(0)
    names = [one.ChannelLabel for one in found.WaveformSequence[0].ChannelDefinitionSequence]
    lead = {name: curves[:, at] for at, name in enumerate(names)}
    # Einthoven, and Goldberger, within what is rounded to be stored.
    assert np.abs(lead["I"] + lead["III"] - lead["II"]).max() <= 5
    assert np.abs(lead["aVR"] + lead["aVL"] + lead["aVF"]).max() <= 5
    assert 500 < lead["II"].max() < 2500
    beats = np.flatnonzero(np.diff((lead["II"] > lead["II"].max() / 2).astype(int)) == 1)
    said = {
        one.ConceptNameCodeSequence[0].CodeMeaning: float(one.NumericValue)
        for one in found.WaveformAnnotationSequence
        if "NumericValue" in one
    }
    assert 60 * 500 / np.diff(beats).mean() == pytest.approx(said["Heart rate"], abs=2)


def test_every_kind_is_judged() -> None:
    assert set(RECIPES) == set(KINDS)


def test_the_same_seed_makes_the_same_picture() -> None:
    for kind in ("xr-hand", "us-abdomen"):
        first, second = (
            pydicom.dcmread(io.BytesIO(make(Recipe(kind, 5, {**RECIPES[kind]}), visit())[0][1]))
            for _ in range(2)
        )
        other = pydicom.dcmread(io.BytesIO(make(Recipe(kind, 6, {**RECIPES[kind]}), visit())[0][1]))
        assert first.PixelData == second.PixelData != other.PixelData


def test_the_side_is_told_and_shown() -> None:
    objects = [pydicom.dcmread(io.BytesIO(content)) for content in made("mg-screening")]
    views = [(ds.ImageLaterality, ds.ViewPosition, ds.ViewCodeSequence[0].CodeValue) for ds in objects]
    assert views == [
        ("R", "CC", "399162004"),
        ("L", "CC", "399162004"),
        ("R", "MLO", "399368009"),
        ("L", "MLO", "399368009"),
    ]
    for ds in objects:
        shown = ds.pixel_array.astype(float)
        if ds.PhotometricInterpretation == "MONOCHROME1":
            shown = shown.max() - shown
        half = shown.shape[1] // 2
        left, right = shown[:, :half].mean(), shown[:, half:].mean()
        # Hung as mammograms are: the chest wall of the right breast is on the right of its picture.
        assert (right > left) == (ds.ImageLaterality == "R")
    for side in ("L", "R"):
        ds = pydicom.dcmread(io.BytesIO(make(Recipe("xr-hand", 3, {"side": side}), visit())[0][1]))
        assert ds.Laterality == side
        assert ds.PhotometricInterpretation == "MONOCHROME1"
