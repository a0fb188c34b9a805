"""What the body scanner makes: CT of chest, and of abdomen and pelvis, with scout, soft and lung series."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from wetread.app.demo.documents import lung_report
from wetread.app.demo.field import Array, NoiseTiles
from wetread.app.demo.heads import CT_DEVICE
from wetread.app.demo.objects import CT_IMAGE, Picture, SeriesHead, Visit, code, ct_series, picture
from wetread.app.demo.plate import summed
from wetread.app.demo.segmented import lungs
from wetread.app.demo.stack import Cut, Plane, cut
from wetread.app.demo.torso import GRID, Spot, trunk, with_lesions
from wetread.dicom.uid import new_uid

Region = Literal["chest", "abdomen"]
_REACH = {"chest": (-75.0, 250.0), "abdomen": (-205.0, 40.0)}
_SOFT = (("SOFT TISSUE", 40.0, 400.0), ("LUNG", -600.0, 1500.0), ("BONE", 450.0, 1800.0))
_LUNG = (("LUNG", -600.0, 1500.0), ("SOFT TISSUE", 40.0, 400.0), ("BONE", 450.0, 1800.0))
FIELD_OF_VIEW = 400.0

_SOFT_TISSUE_HU = -400.0


def body_ct(
    visit: Visit, region: Region, *, seed: int, spots: tuple[Spot, ...] = (), segmented: bool = False
) -> list[Picture]:
    """A frontal scout, axial slices in a soft kernel (chest: and in a lung kernel), coronal reformats.

    `segmented`: and what a program found and measured in the lung slices.
    """
    volume = with_lesions(trunk(seed), spots, seed)
    rng = np.random.default_rng([seed, 22])
    frame = new_uid()
    part = region.upper()
    protocol = "Chest routine" if region == "chest" else "Abdomen and pelvis"
    common: dict[str, Any] = {
        "KVP": "120",
        "PatientPosition": "FFS",
        "FrameOfReferenceUID": frame,
        "PositionReferenceIndicator": "SN" if region == "chest" else "XY",
        "GantryDetectorTilt": "0",
    }
    found = [_scout(visit, volume, region, common, frame, rng)]
    first, last = _REACH[region]
    sharp: list[tuple[int, str, str, Plane, float, float, float, Any]] = [
        (2, f"Axial {region} 5.0", "B30f", "axial", 5.0, 9.0, 0.17, _SOFT)
    ]
    if region == "chest":
        sharp.append((3, "Axial lung 5.0", "B70f", "axial", 5.0, 34.0, 0.34, _LUNG))
    sharp.append((4, f"Coronal {region} 6.0", "B30f", "coronal", 6.0, 7.0, 0.17, _SOFT))
    for number, words, kernel, plane, step, sigma, cutoff, windows in sharp:
        axial = plane == "axial"
        how = Cut(
            plane,
            (0.0, 4.0) if axial else (0.0, (first + last) / 2),
            FIELD_OF_VIEW,
            512 if axial else 400,
            last if axial else -96.0,
            first if axial else 100.0,
            step,
            step,
        )
        stack = cut(volume, GRID, how, outside=-1000.0)
        noise = NoiseTiles(rng, 512, 0.03, cutoff, 1.0)
        for index in range(len(stack)):
            rows = stack.pixels[index]
            # thick parts starve the detector, most along the shoulders and the pelvis
            starved = 0.55 + 0.9 * min(float((rows > -300).mean()) / 0.45, 1.4)
            rows += noise.slice(*rows.shape) * np.float32(sigma * starved)
        head = SeriesHead("CT", number, words, part, CT_DEVICE, protocol, frame_of_reference_uid=frame)
        head.attributes = {
            **common,
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"] if axial else ["DERIVED", "SECONDARY", "OTHER"],
            "ConvolutionKernel": kernel,
            "ExposureTime": "500",
            "XRayTubeCurrent": "190",
            "Exposure": "95",
            "CTDIvol": 7.2 if region == "chest" else 11.4,
            "CTDIPhantomTypeCodeSequence": [code("113691", "IEC Body Dosimetry Phantom", "DCM")],
            "ReconstructionDiameter": f"{FIELD_OF_VIEW:g}",
        }
        slices = ct_series(visit, head, stack, window=windows)
        found += slices
        if segmented and windows is _LUNG:
            body = trunk(seed)
            # Heart and great vessels dent the lungs; their own vessels are counted to them.
            lung = np.maximum(body.lung, (body.soft_hu - _SOFT_TISSUE_HU) / 60)
            found.append(lungs(visit, frame, lung, how, spots, head, slices))
            found.append(lung_report(visit, head, slices, stack, spots))
    return found


def _scout(
    visit: Visit, volume: Array, region: Region, common: dict[str, Any], frame: str, rng: np.random.Generator
) -> Picture:
    """A frontal projection with its place in space."""
    path = summed(volume, 1, GRID.spacing[1])[::-1]
    values = np.clip(np.log1p(path) / np.log1p(path.max()), 0, 1) ** 1.6 * 1400 - 1000
    rows = np.repeat(values, 2, axis=0)[:-1]
    rows[1::2] = (values[:-1] + values[1:]) / 2
    rows = rows + rng.normal(0, 11, rows.shape)
    head = SeriesHead("CT", 1, "Scout", region.upper(), CT_DEVICE, "Scout", frame_of_reference_uid=frame)
    head.attributes = {
        **common,
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ConvolutionKernel": "T20f",
    }
    top = GRID.origin[2] + GRID.spacing[2] * (GRID.shape[0] - 1)
    return picture(
        visit,
        head,
        CT_IMAGE,
        1,
        np.clip(np.rint(rows), -1024, 3071).astype(np.int16),
        {
            "ImageOrientationPatient": ["1", "0", "0", "0", "0", "-1"],
            "ImagePositionPatient": [f"{GRID.origin[0]:g}", "0", f"{top:g}"],
            "PixelSpacing": [f"{GRID.spacing[2] / 2:g}", f"{GRID.spacing[0]:g}"],
            "SliceThickness": f"{GRID.spacing[1] * GRID.shape[1]:g}",
            "RescaleIntercept": "0",
            "RescaleSlope": "1",
            "RescaleType": "US",
            "WindowCenter": "-250",
            "WindowWidth": "1500",
        },
    )
