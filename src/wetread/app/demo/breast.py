"""Mammography: four views of two breasts, drawn as layers of fat, gland, ducts and skin under compression."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from wetread.app.demo.field import Array, smooth_noise
from wetread.app.demo.objects import MG_IMAGE, Device, Picture, SeriesHead, Visit, code, radiograph, region

DEVICE = Device("Phantom Mammo 29", "MG-0815")
SPACING = 0.12
ROWS, COLUMNS = 1996, 1596

Side = Literal["L", "R"]
Finding = Literal["mass", "calcifications"]

_VIEWS = {
    "CC": code("399162004", "cranio-caudal"),
    "MLO": code("399368009", "medio-lateral oblique"),
}
# How much of the breast is gland, by the composition that a report names.
_DENSITY = {"a": 0.10, "b": 0.34, "c": 0.62, "d": 0.95}


def _outline(view: str, depth: float, half: float, across: Array, along: Array) -> Array:
    """Signed distance (about, in mm) to the compressed breast: `across` from the chest wall, `along` the edge."""
    centre = 4.0 if view == "CC" else 16.0
    v = along - centre
    lower = np.where(v > 0, half * (0.98 if view == "CC" else 0.92), half * (1.02 if view == "CC" else 1.25))
    q = (np.maximum(across, 0) / depth) ** 2.1 + np.abs(v / lower) ** 2.25
    distance: Array = (q ** np.float32(0.5) - 1) * np.float32(min(depth, half) * 0.92)
    return distance.astype(np.float32)


def _view(
    view: str, rng: np.random.Generator, *, composition: str, finding: Finding | None, size: float
) -> Array:
    """A right breast's attenuation, 0 (air) to about 1: chest wall on the right edge of the picture."""
    rows, columns = ROWS, COLUMNS
    across = (np.arange(columns, 0, -1, dtype=np.float32) * SPACING)[None, :]
    along = ((np.arange(rows, dtype=np.float32) - rows / 2) * SPACING)[:, None]
    depth = 104.0 if view == "CC" else 112.0
    wave = smooth_noise(rng, (rows // 6, columns // 6), 90)
    wave = np.repeat(np.repeat(wave, 6, 0), 6, 1)
    wave = np.pad(wave, ((0, rows - wave.shape[0]), (0, columns - wave.shape[1])), mode="edge")
    distance = _outline(view, depth, 92.0, across, along) + wave * 0.9
    inside = np.clip(0.5 - distance / 0.25, 0, 1)
    # compression: even thickness, rounded near the skin
    thickness = np.sqrt(np.clip(1 - np.clip(distance + 26, 0, 26) ** 2 / 26**2, 0, 1)) * inside
    fat = 0.34 * thickness
    # gland: a cone towards the nipple, torn into strands
    nipple = (depth, 4.0 if view == "CC" else 16.0)
    reach = np.hypot((across - depth * 0.52) / (depth * 0.46), (along - nipple[1] * 0.9) / 52)
    cone = np.clip(1.12 - reach, 0, 1) ** 0.7
    strands = _strands(rng, rows, columns)
    amount = _DENSITY[composition]
    threshold = np.float32(0.85 - 1.25 * amount)
    lobes = np.clip((strands - threshold) * 0.55 + 0.25, 0, 1)
    gland = cone * lobes * thickness
    picture: Array = fat + gland * np.float32(0.20 + 0.30 * amount)
    picture += np.abs(strands) * thickness * cone * 0.035
    picture += _threads(rng, rows, columns) * thickness * 0.02
    _ducts(picture, rng, across, along, nipple, thickness)
    skin = np.clip(1 - np.abs(distance + 0.9) / 0.8, 0, 1)
    picture += skin * 0.12
    knob = np.clip(1 - np.hypot((across - depth - 1.5) / 5.5, (along - nipple[1]) / 5.0), 0, 1)
    picture += np.sqrt(knob) * 0.16
    if view == "MLO":
        edge = (across - 52) + (along + 119.7) * 0.44
        muscle = np.clip(0.5 - (edge + wave * 2) / 2.4, 0, 1)
        fibres = smooth_noise(rng, (rows // 4, columns // 4), (40, 6))
        fibres = np.repeat(np.repeat(fibres, 4, 0), 4, 1)
        fibres = np.pad(fibres, ((0, rows - fibres.shape[0]), (0, columns - fibres.shape[1])), mode="edge")
        picture += muscle * inside * (0.30 + fibres * 0.012)
        for v, u, r in (
            (-96.0, 26.0, 5.0),
            (-84.0, 18.0, 4.0),
        ):  # lymph nodes of the axilla, with a fatty hilum
            node = np.clip(1 - np.hypot((across - u) / r, (along - v) / (r * 1.4)), 0, 1)
            hilum = np.clip(1 - np.hypot((across - u + 1) / (r * 0.5), (along - v) / (r * 0.7)), 0, 1)
            picture += (np.sqrt(node) - hilum * 0.7) * 0.09
    if finding is not None:
        _finding(picture, rng, across, along, view, finding, size)
    return picture


def _strands(rng: np.random.Generator, rows: int, columns: int) -> Array:
    small = (rows // 3 + 1, columns // 3 + 1)
    field = smooth_noise(rng, small, (26, 44)) + smooth_noise(rng, small, (11, 16)) * 0.6
    field += smooth_noise(rng, small, (5, 6)) * 0.32
    large: Array = np.asarray(ndimage.zoom(field, 3, order=1)[:rows, :columns])
    return large


def _threads(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Cooper's ligaments and small vessels: the thin zero lines of a few noise fields."""
    small = (rows // 2, columns // 2)
    total = np.zeros(small, dtype=np.float32)
    for scale in (24, 38, 60):
        total += np.clip(1 - np.abs(smooth_noise(rng, small, scale)) * scale * 0.16, 0, 1)
    large: Array = np.repeat(np.repeat(total, 2, 0), 2, 1)
    smooth: Array = ndimage.gaussian_filter(large[:rows, :columns], 1.2)
    return smooth


def _ducts(
    picture: Array,
    rng: np.random.Generator,
    across: Array,
    along: Array,
    nipple: tuple[float, float],
    thickness: Array,
) -> None:
    for _ in range(16):
        u, v = nipple[0] - 2, nipple[1]
        heading = rng.normal(0, 0.5)
        width = rng.uniform(0.5, 1.1)
        for _ in range(14):
            length = 4.5
            nu, nv = u - length * np.cos(heading), v + length * np.sin(heading)
            _stroke(picture, across, along, (u, v), (nu, nv), width, 0.028, thickness)
            u, v, heading = nu, nv, heading + rng.normal(0, 0.22)
            width *= 0.95


def _stroke(
    picture: Array,
    across: Array,
    along: Array,
    p: tuple[float, float],
    q: tuple[float, float],
    width: float,
    value: float,
    mask: Array,
) -> None:
    pad = width * 2 + 0.5
    c0 = int(np.clip(COLUMNS - (max(p[0], q[0]) + pad) / SPACING, 0, COLUMNS))
    c1 = int(np.clip(COLUMNS - (min(p[0], q[0]) - pad) / SPACING, 0, COLUMNS))
    r0 = int(np.clip((min(p[1], q[1]) - pad) / SPACING + ROWS / 2, 0, ROWS))
    r1 = int(np.clip((max(p[1], q[1]) + pad) / SPACING + ROWS / 2, 0, ROWS))
    if c0 >= c1 or r0 >= r1:
        return
    a, b = across[:, c0:c1], along[r0:r1]
    du, dv = q[0] - p[0], q[1] - p[1]
    t = np.clip(((a - p[0]) * du + (b - p[1]) * dv) / (du * du + dv * dv + 1e-6), 0, 1)
    d = np.hypot(a - p[0] - t * du, b - p[1] - t * dv)
    picture[r0:r1, c0:c1] += np.clip(1.2 - d / width, 0, 1) * np.float32(value) * mask[r0:r1, c0:c1]


def _finding(
    picture: Array,
    rng: np.random.Generator,
    across: Array,
    along: Array,
    view: str,
    finding: Finding,
    size: float,
) -> None:
    centre = (58.0, -20.0) if view == "CC" else (52.0, -26.0)
    everywhere = np.ones_like(picture)
    if finding == "mass":
        r = 7.0 * size
        angle = np.arctan2(along - centre[1], across - centre[0])
        edge = r * (1 + 0.12 * np.sin(angle * 5 + 1) + 0.08 * np.sin(angle * 9))
        ball = np.clip(1 - (np.hypot(across - centre[0], along - centre[1]) / edge) ** 2, 0, 1)
        picture += np.sqrt(ball) * 0.21
        for _ in range(34):
            a = rng.uniform(0, 2 * np.pi)
            out = r * rng.uniform(1.4, 2.5)
            start = (centre[0] + r * 0.6 * np.cos(a), centre[1] + r * 0.6 * np.sin(a))
            end = (centre[0] + out * np.cos(a + 0.08), centre[1] + out * np.sin(a + 0.08))
            _stroke(picture, across, along, start, end, 0.34, 0.055, everywhere)
    else:
        for _ in range(int(26 * size)):
            at = (centre[0] + rng.normal(0, 3.4), centre[1] + rng.normal(0, 4.4))
            end = (at[0] + rng.normal(0, 0.28), at[1] + rng.normal(0, 0.28))
            _stroke(
                picture, across, along, at, end, rng.uniform(0.12, 0.26), rng.uniform(0.2, 0.4), everywhere
            )


def mammogram(
    visit: Visit,
    *,
    seed: int,
    composition: Literal["a", "b", "c", "d"] = "b",
    finding: Finding | None = None,
    side: Side = "L",
    size: float = 1.0,
) -> list[Picture]:
    """RCC, LCC, RMLO, LMLO; the finding on `side`, at the same place in both of its views."""
    found = []
    number = 0
    for view in ("CC", "MLO"):
        for breast in ("R", "L"):
            number += 1
            rng = np.random.default_rng([seed, 51, number])
            here = finding if breast == side else None
            picture = _view(view, rng, composition=composition, finding=here, size=size)
            noise = ndimage.gaussian_filter(rng.standard_normal(picture.shape, dtype=np.float32), 0.6)
            picture = picture + noise * np.float32(0.011)
            detail = picture - ndimage.gaussian_filter(picture, 9)
            shown = np.clip((picture + detail * 0.7 - 0.06) / 0.86, 0, 1) ** 1.12
            if breast == "L":
                shown = np.ascontiguousarray(shown[:, ::-1])
            found.append(_object(visit, number, view, breast, shown))
    return found


def _object(visit: Visit, number: int, view: str, breast: str, shown: Array) -> Picture:
    head = SeriesHead("MG", number, f"{breast} {view}", "BREAST", DEVICE, "Screening")
    # Towards the nipple, and what lies at the bottom of the picture (PS3.3 C.7.6.1.1.1).
    towards = "A" if breast == "L" else "P"
    item = {**_VIEWS[view], "ViewModifierCodeSequence": []}
    orientation = (
        towards,
        ("R" if breast == "L" else "L") if view == "CC" else ("FR" if breast == "L" else "FL"),
    )
    angle = {"CC": "0", "MLO": "45" if breast == "R" else "-45"}[view]
    return radiograph(
        visit,
        head,
        1,
        shown,
        sop_class_uid=MG_IMAGE,
        pixel_spacing=SPACING,
        view_position=view,
        patient_orientation=orientation,
        image_laterality=breast,
        inverted=number % 2 == 0,
        attributes={
            "KVP": "29",
            "ExposureTime": "900",
            "XRayTubeCurrent": "90",
            "Exposure": "81",
            "AnodeTargetMaterial": "TUNGSTEN",
            "FilterMaterial": "RHODIUM",
            "BodyPartThickness": "52",
            "CompressionForce": "110",
            "OrganExposed": "BREAST",
            "OrganDose": "0.0131",
            "BreastImplantPresent": "NO",
            "PartialView": "NO",
            "PositionerType": "MAMMOGRAPHIC",
            "PositionerPrimaryAngle": angle,
            "PositionerPrimaryAngleDirection": "CC" if breast == "R" else "CW",
            "ViewCodeSequence": [item],
            "AnatomicRegionSequence": region("BREAST"),
        },
        offset_s=45.0 * number,
    )
