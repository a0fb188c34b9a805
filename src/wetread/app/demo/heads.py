"""What the head scanners make: CT with scout and bone series, MR in three planes and three contrasts."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wetread.app.demo.field import Grid, NoiseTiles
from wetread.app.demo.head import (
    GRID,
    Finding,
    HeadTraits,
    head_volume,
    with_contrast,
    with_infarct,
    with_lesions,
)
from wetread.app.demo.objects import (
    CT_IMAGE,
    Device,
    Picture,
    SeriesHead,
    Visit,
    code,
    ct_series,
    mr_series,
    picture,
)
from wetread.app.demo.stack import Cut, Plane, Stack, cut
from wetread.dicom.uid import new_uid

CT_DEVICE = Device("Phantom CT 64", "CT-0417")
MR_DEVICE = Device("Phantom MR 3T", "MR-0102")
_CT_WINDOWS = (("BRAIN", 40.0, 80.0), ("SUBDURAL", 75.0, 215.0), ("BONE", 500.0, 2000.0))


@lru_cache(maxsize=4)
def _volume(kind: Literal["ct", "mr"], traits: HeadTraits) -> NDArray[Any]:
    volume = head_volume(kind, traits)
    if kind == "mr":  # below the skull base the coil hears less and less
        z = GRID.axis(2)
        volume *= np.clip((z - z[0] + 2) / 34, 0, 1)[None, :, None, None] ** 0.8
    return volume


def _mirrored(volume: NDArray[Any], mirror: bool) -> NDArray[Any]:
    """The head seen in a mirror: another person for the price of a copy. The grid is nearly symmetrical."""
    return volume[..., ::-1] if mirror else volume


def _grid(mirror: bool, scale: float) -> Grid:
    spacing = tuple(s * scale for s in GRID.spacing)
    x = -(GRID.origin[0] + GRID.spacing[0] * (GRID.shape[2] - 1)) if mirror else GRID.origin[0]
    return Grid(
        origin=(x * scale, GRID.origin[1] * scale, GRID.origin[2] * scale),
        spacing=(spacing[0], spacing[1], spacing[2]),
        shape=GRID.shape,
    )


def head_ct(
    visit: Visit,
    *,
    seed: int,
    finding: Finding | None = None,
    ventricles: float = 0.08,
    mirror: bool = False,
    scale: float = 1.0,
    bone: bool = True,
    spacing_mm: float = 5.0,
) -> list[Picture]:
    """A lateral scout, the axial brain series, and the same in a bone kernel; feet to head."""
    infarct = finding == "infarct"  # it displaces nothing: laid over the head as it was before
    volume = _volume("ct", HeadTraits(seed, finding=None if infarct else finding, ventricles=ventricles))
    volume = _mirrored((with_infarct(volume, seed) if infarct else volume)[0], mirror)
    grid = _grid(mirror, scale)
    rng = np.random.default_rng([seed, 7])
    frame = new_uid()
    common = {
        "KVP": "120",
        "PatientPosition": "HFS",
        "FrameOfReferenceUID": frame,
        "PositionReferenceIndicator": "OM",
        "GantryDetectorTilt": "0",
        "DistanceSourceToDetector": "1085.6",
        "DistanceSourceToPatient": "595",
    }
    found = [_scout(visit, volume, grid, common, frame, rng)]
    low, high = -64 * scale, 98 * scale
    series = [(2, "Axial brain 5.0", "H31s", spacing_mm, 3.4, 250.0, 0.10, _CT_WINDOWS)]
    if bone:
        series.append((3, "Axial bone 2.5", "H60s", spacing_mm, 26.0, 250.0, 0.36, _CT_WINDOWS[::-1]))
    for number, words, kernel, step, sigma, field_of_view, cutoff, windows in series:
        how = Cut("axial", (0.0, 6.0 * scale), field_of_view, 512, low, high, step, step)
        stack = cut(volume, grid, how, outside=-1000.0)
        noise = NoiseTiles(rng, 512, 0.03, cutoff, 1.0)
        for index in range(len(stack)):
            stack.pixels[index] += noise.slice(512, 512) * np.float32(sigma)
        head = SeriesHead(
            "CT", number, words, "HEAD", CT_DEVICE, "Head routine", frame_of_reference_uid=frame
        )
        head.attributes = {
            **common,
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "ConvolutionKernel": kernel,
            "ExposureTime": "1000",
            "XRayTubeCurrent": "280",
            "Exposure": "280",
            "CTDIvol": 52.4,
            "CTDIPhantomTypeCodeSequence": [code("113690", "IEC Head Dosimetry Phantom", "DCM")],
            "DataCollectionDiameter": "500",
            "ReconstructionDiameter": f"{field_of_view:g}",
        }
        found += ct_series(visit, head, stack, window=windows)
    return found


def _scout(
    visit: Visit,
    volume: NDArray[Any],
    grid: Grid,
    common: dict[str, Any],
    frame: str,
    rng: np.random.Generator,
) -> Picture:
    """A lateral projection with its place in space, for cross-reference lines."""
    along = np.clip((volume + 1000) / 1000, 0, 2.6).mean(axis=2)[
        ::-1
    ]  # rows head to feet, columns front to back
    path = np.log1p(along * 6)
    values = (path / path.max()) ** 1.15 * 1150 - 1000
    step = grid.spacing[1] / 2
    rows = np.repeat(np.repeat(values, 2, axis=0), 2, axis=1)
    rows = (rows + np.roll(rows, 1, 0) + np.roll(rows, 1, 1) + np.roll(rows, (1, 1), (0, 1))) / 4
    rows = rows + rng.normal(0, 9, rows.shape)
    top = grid.origin[2] + grid.spacing[2] * (grid.shape[0] - 1)
    head = SeriesHead(
        "CT", 1, "Scout lateral", "HEAD", CT_DEVICE, "Head routine", frame_of_reference_uid=frame
    )
    head.attributes = {
        **common,
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ConvolutionKernel": "T20s",
    }
    return picture(
        visit,
        head,
        CT_IMAGE,
        1,
        np.clip(np.rint(rows), -1024, 3071).astype(np.int16),
        {
            "ImageOrientationPatient": ["0", "1", "0", "0", "0", "-1"],
            "ImagePositionPatient": ["0", f"{grid.origin[1]:.4f}", f"{top:.4f}"],
            "PixelSpacing": [f"{step:.4f}", f"{step:.4f}"],
            "SliceThickness": f"{grid.spacing[0] * grid.shape[2]:.2f}",
            "RescaleIntercept": "0",
            "RescaleSlope": "1",
            "RescaleType": "US",
            "WindowCenter": "-350",
            "WindowWidth": "1300",
        },
    )


# number, description, channel, plane, TR, TE, TI, echo train, sequence, variant, type, pixel matrix, noise
_MR_SERIES: tuple[tuple[Any, ...], ...] = (
    (2, "T1 sagittal", 0, "sagittal", 600, 11, None, 1, "SE", "NONE", 256, 0.014),
    (3, "T2 axial", 1, "axial", 5200, 98, None, 15, "SE", "SK", 384, 0.014),
    (4, "FLAIR axial", 2, "axial", 9000, 120, 2500, 19, ["SE", "IR"], "SK", 320, 0.012),
    (5, "T1 axial", 0, "axial", 620, 12, None, 1, "SE", "NONE", 320, 0.014),
    (6, "FLAIR coronal", 2, "coronal", 9000, 120, 2500, 19, ["SE", "IR"], "SK", 320, 0.012),
)
_AFTER_CONTRAST: tuple[Any, ...] = (
    7, "T1 axial contrast", 0, "axial", 620, 12, None, 1, "SE", "NONE", 320, 0.014,
)  # fmt: skip
_MR_CUTS: dict[Plane, tuple[tuple[float, float], float, float, float, float]] = {
    # plane: centre of the field of view, its width, first and last slice
    "axial": ((0.0, 6.0), 240.0, -58.0, 92.0, 0.0),
    "sagittal": ((10.0, 10.0), 250.0, 68.0, -68.0, 0.0),
    "coronal": ((0.0, 10.0), 240.0, -78.0, 92.0, 0.0),
}


def head_mr(
    visit: Visit,
    *,
    seed: int,
    finding: Finding | None = None,
    ventricles: float = 0.0,
    mirror: bool = False,
    scale: float = 1.0,
    spacing_mm: float = 5.5,
    lesions: int = 0,
    contrast: bool = False,
) -> list[Picture]:
    """Three localisers, then T1, T2 and FLAIR in three planes over one frame of reference, with `contrast` the axial T1 once
    more after it. `lesions`: of demyelination."""
    volume = _volume("mr", HeadTraits(seed=seed, finding=finding, ventricles=ventricles))
    if lesions:
        volume = with_lesions(volume, seed, lesions)
    after = _mirrored(with_contrast(volume, finding), mirror) if contrast else None
    volume = _mirrored(volume, mirror)
    grid = _grid(mirror, scale)
    rng = np.random.default_rng([seed, 8])
    frame = new_uid()
    common: dict[str, Any] = {
        "PatientPosition": "HFS",
        "FrameOfReferenceUID": frame,
        "PositionReferenceIndicator": "",
        "MagneticFieldStrength": "3",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "ImagingFrequency": "127.74",
        "ImagedNucleus": "1H",
        "NumberOfAverages": "1",
        "ReceiveCoilName": "HEAD_32",
    }
    found = _localisers(visit, volume, grid, common, frame, rng)
    series = [(volume, one) for one in _MR_SERIES] + ([] if after is None else [(after, _AFTER_CONTRAST)])
    for shown, (number, words, channel, plane, tr, te, ti, train, sequence, variant, matrix, sigma) in series:
        stack = _mr_stack(shown[channel], grid, plane, matrix, spacing_mm * scale, scale, rng, sigma)
        head = SeriesHead("MR", number, words, "HEAD", MR_DEVICE, words, frame_of_reference_uid=frame)
        head.attributes = {
            **common,
            "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
            "ScanningSequence": sequence,
            "SequenceVariant": variant,
            "RepetitionTime": str(tr),
            "EchoTime": str(te),
            "EchoTrainLength": str(train),
            "FlipAngle": "90" if train == 1 else "150",
            "SequenceName": words.replace(" ", "_").lower()[:16],
        }
        if ti:
            head.attributes["InversionTime"] = str(ti)
        if shown is after:
            head.attributes |= {"ContrastBolusAgent": "Gadoterate meglumine", "ContrastBolusRoute": "IV"}
        found += mr_series(visit, head, stack, full_scale=1100)
    return found


def _mr_stack(
    channel: NDArray[Any],
    grid: Grid,
    plane: Plane,
    matrix: int,
    spacing: float,
    scale: float,
    rng: np.random.Generator,
    sigma: float,
) -> Stack:
    centre, width, first, last, _ = _MR_CUTS[plane]
    how = Cut(
        plane,
        (centre[0] * scale, centre[1] * scale),
        width,
        matrix,
        first * scale,
        last * scale,
        spacing * 0.9,
        spacing,
    )
    stack = cut(channel, grid, how)
    rows = np.linspace(-1, 1, matrix, dtype=np.float32)
    # the coil sees the near parts brighter
    shade = (
        1 + np.float32(0.16) * (rows[:, None] ** 2 + rows[None, :] ** 2) - np.float32(0.06) * rows[:, None]
    )
    for index in range(len(stack)):
        real = stack.pixels[index] * shade + rng.normal(0, sigma, (matrix, matrix)).astype(np.float32)
        imaginary = rng.normal(0, sigma, (matrix, matrix)).astype(np.float32)
        stack.pixels[index] = np.hypot(real, imaginary)  # magnitude: Rician noise
    return stack


def _localisers(
    visit: Visit,
    volume: NDArray[Any],
    grid: Grid,
    common: dict[str, Any],
    frame: str,
    rng: np.random.Generator,
) -> list[Picture]:
    head = SeriesHead("MR", 1, "Localiser", "HEAD", MR_DEVICE, "Localiser", frame_of_reference_uid=frame)
    head.attributes = {
        **common,
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "RepetitionTime": "8.6",
        "EchoTime": "4",
        "EchoTrainLength": "1",
        "FlipAngle": "20",
    }
    found: list[Picture] = []
    planes: tuple[tuple[Plane, float], ...] = (("axial", 8.0), ("sagittal", 0.0), ("coronal", 10.0))
    for plane, at in planes:
        centre, _, _, _, _ = _MR_CUTS[plane]
        how = Cut(plane, centre, 280.0, 192, at, at, 8.0, 8.0)
        stack = cut(volume[0], grid, how)
        stack.pixels += np.abs(rng.normal(0, 0.03, stack.pixels.shape)).astype(np.float32)
        found += mr_series(visit, head, stack, full_scale=900, first_number=len(found) + 1)
    return found
