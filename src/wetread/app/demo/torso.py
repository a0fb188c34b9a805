"""A trunk from shoulders to iliac crests: as CT numbers, and as what a chest radiograph is made of.

Space as in `field`. z = 0 lies at the diaphragm; the lungs reach from about -70 to 250 mm, the abdomen to -210.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wetread.app.demo.field import (
    Array,
    Canvas,
    Grid,
    Point,
    capsule,
    ellipsoid,
    smooth_noise,
    smooth_union,
    soft,
)

GRID = Grid(origin=(-192.0, -128.0, -210.0), spacing=(1.6, 1.6, 2.5), shape=(193, 161, 241))

Lesion = Literal["nodule", "mass", "pneumonia", "effusion", "kidney-stone", "liver-cysts", "emphysema"]

FAT, MUSCLE, SKIN, WATER, BLOOD, LIVER, SPLEEN, KIDNEY = -102.0, 56.0, 20.0, 8.0, 42.0, 60.0, 49.0, 34.0
LUNG, CORTEX, MARROW, CARTILAGE, DISC, STOOL = -862.0, 980.0, 240.0, 110.0, 72.0, -60.0


@dataclass(frozen=True, slots=True)
class Rod:
    """A rod in space, in mm."""

    p: Point
    q: Point
    rp: float
    rq: float


@dataclass(slots=True)
class Trunk:
    """The volume, and what is sharp on a radiograph."""

    hu: Array
    soft_hu: Array
    """Before vessels of the lung and bones were painted."""
    lung: Array
    """Signed distance to the lungs (negative inside)."""
    vessels: list[Rod] = field(default_factory=list)
    ribs: list[list[Rod]] = field(default_factory=list)
    cartilages: list[list[Rod]] = field(default_factory=list)


def spine_y(z: Array | float) -> Any:
    """Where the vertebral bodies' centres are, front to back."""
    return 56.0 + 9.0 * np.cos((np.asarray(z) - 130.0) * np.pi / 250.0)


def _table(z: Array, levels: list[tuple[float, float]]) -> Array:
    at, values = zip(*levels, strict=True)
    found: Array = np.interp(z, at, values).astype(np.float32)
    return found


def _ring(x: Array, y: Array, a: Array, b: Array, power: float) -> Array:
    """Signed distance (about) to a rounded box of half axes a and b."""
    r = ((np.abs(x) / a) ** power + (np.abs(y) / b) ** power) ** np.float32(1 / power)
    distance: Array = (r - 1) * np.minimum(a, b)
    return distance


_CAGE_A = [
    (-210, 138),
    (-100, 128),
    (-40, 130),
    (60, 130),
    (120, 121),
    (180, 99),
    (220, 68),
    (246, 34),
    (262, 14),
]
_CAGE_B = [(-210, 88), (-100, 84), (-40, 90), (60, 88), (120, 80), (180, 64), (220, 47), (246, 30), (262, 14)]


def cage(z: float) -> tuple[float, float]:
    """Half axes of the inside of the rib cage at a height."""
    at = np.asarray([z], dtype=np.float32)
    return float(_table(at, [(float(h), float(v)) for h, v in _CAGE_A])[0]), float(
        _table(at, [(float(h), float(v)) for h, v in _CAGE_B])[0]
    )


@lru_cache(maxsize=1)
def trunk(seed: int) -> Trunk:
    """The trunk of one person without lesions."""
    rng = np.random.default_rng([seed, 21])
    x, y, z = GRID.mesh()
    canvas = Canvas(GRID, (-1000.0,), edge=1.9)
    bump = smooth_noise(rng, GRID.shape, (30, 26, 26))
    a = _table(
        z, [(-210, 166), (-120, 154), (-40, 158), (60, 164), (150, 168), (205, 160), (235, 104), (272, 62)]
    )
    b = _table(
        z, [(-210, 112), (-120, 108), (-40, 112), (60, 113), (150, 106), (205, 88), (235, 70), (272, 60)]
    )
    outer = _ring(x, y - 4, a, b, 2.5) + bump * 0.8
    inner_a = _table(z, [(float(h), float(v)) for h, v in _CAGE_A])
    inner_b = _table(z, [(float(h), float(v)) for h, v in _CAGE_B])
    inner = _ring(x, y, inner_a, inner_b, 2.35) + bump * 0.5
    canvas.cover(soft(outer, 2.2), (SKIN,))
    canvas.cover(soft(outer + 2.6, 2.2), (FAT,))
    strands = smooth_noise(rng, GRID.shape, (16, 7, 8))
    belly = np.clip((-z - 20) / 60, 0, 1)
    flank = 9 + belly * 9 * np.clip(-y / 60 + 0.4, 0, 1)
    wall = outer + flank
    back = np.exp(-(((np.abs(x) - 36) / 30) ** 2) - ((y - 92) / 22) ** 2)
    muscle = np.maximum(wall, -(inner - 1.5))
    canvas.cover(
        soft(muscle + strands * 1.6 - back * 5, 2.5) * np.clip(1.06 - strands * 0.06, 0, 1), (MUSCLE,)
    )
    pectoral = ellipsoid((np.abs(x), y, z), (70, -88, 140), (62, 15, 50), tilt=(0, 0, 18))
    canvas.cover(soft(np.maximum(pectoral, outer + 8) + strands, 3), (MUSCLE,))
    intercostal = np.abs(inner - 4.5) - 3.8
    canvas.cover(soft(intercostal, 2) * np.clip((z + 80) / 20, 0, 1), (MUSCLE,))
    canvas.cover(soft(inner, 2.2), (FAT,))
    _abdomen(canvas, rng, inner, x, y, z)
    lung, heart = _lungs(canvas, rng, inner, x, y, z)
    _mediastinum(canvas, rng, heart)
    soft_hu = canvas.data[0].copy()
    result = Trunk(canvas.data[0], soft_hu, lung)
    result.vessels = _vessel_tree(rng, lung)
    _paint_vessels(canvas, result.vessels)
    _airways(canvas)
    _spine(canvas, rng)
    _cage_bones(canvas, result)
    return result


def _lungs(
    canvas: Canvas, rng: np.random.Generator, inner: Array, x: Array, y: Array, z: Array
) -> tuple[Array, Array]:
    dome_r = 27 - 62 * (((x + 64) / 82) ** 2 + ((y + 2) / 86) ** 2)
    dome_l = 14 - 62 * (((x - 70) / 82) ** 2 + ((y + 2) / 86) ** 2)
    dome = np.where(x < 0, dome_r, dome_l)
    heart = ellipsoid((x, y, z), (24, -28, 46), (63, 44, 47), tilt=(0, -24, -26))
    heart = smooth_union(heart, ellipsoid((x, y, z), (-22, -16, 50), (30, 34, 40)), 10)
    great = capsule((x, y, z), (6, -18, 84), (0, 8, 176), 29, 19)
    middle = np.minimum(heart - 3, great)
    middle = smooth_union(middle, capsule((x, y, z), (2, 22, 240), (3, 40, -40), 15, 17), 8)
    column = np.hypot(x / 1.1, y - spine_y(z) - 6) - 30
    middle = smooth_union(middle, column, 6)
    middle = smooth_union(middle, np.abs(x - 2) + 0.8 - np.clip((y - 2) * 0.16, 0, 8), 4)
    middle = smooth_union(middle, ellipsoid((x, y, z), (0, -4, -30), (40, 78, 38)), 16)
    lung = np.maximum(np.maximum(inner + 2.0, -middle), (dome - z) * 0.72)
    cover = soft(lung, 1.9)
    fine = smooth_noise(rng, GRID.shape, 2.6) * 16 + smooth_noise(rng, GRID.shape, 9) * 12
    value = LUNG + fine + (y + 20) * 0.35
    hu = canvas.data[0]
    hu += cover * (value - hu)
    # the dome itself: a thin muscle between lung and belly
    sheet = np.maximum(np.abs((dome - z) * 0.72 - 0.8) - 1.6, inner + 1)
    canvas.cover(soft(sheet, 1.8) * np.float32(0.9) * np.clip(soft(-middle + 4, 4), 0, 1), (MUSCLE,))
    return lung, heart


def _mediastinum(canvas: Canvas, rng: np.random.Generator, heart: Array) -> None:
    texture = smooth_noise(rng, GRID.shape, 6) * 2
    hu = canvas.data[0]
    inside = soft(heart, 2)
    hu += inside * (BLOOD + texture - hu)
    # epicardial fat in the grooves
    canvas.path([(-18, -50, 62), (-4, -58, 30), (18, -62, 4)], 4.5, (-70.0,), edge=3)
    canvas.path([(40, -42, 84), (52, -50, 50), (50, -58, 14)], 4.5, (-70.0,), edge=3)
    paint = canvas.path
    paint([(2, -22, 78), (-10, -24, 100), (-10, -16, 128)], 15.5, (BLOOD,))
    paint([(-10, -16, 128), (-2, -4, 141), (12, 14, 143), (24, 32, 132)], 13.0, (BLOOD,))
    paint(
        [(24, 32, 132), (27, 40, 110), (24, 40, 40), (16, 34, -20), (7, 28, -110), (5, 29, -150)],
        11.5,
        (BLOOD,),
    )
    paint([(12, -34, 78), (16, -26, 104)], 14.5, (BLOOD,))
    paint([(16, -22, 106), (34, 2, 110), (52, 14, 106)], 10.5, (BLOOD,))
    paint([(12, -20, 104), (-14, -4, 100), (-48, 6, 94)], 10.5, (BLOOD,))
    paint([(-24, -14, 84), (-26, -10, 130), (-24, -8, 172)], 9.5, (BLOOD,))
    paint([(-24, -8, 172), (-4, -22, 178), (36, -14, 196)], 6.5, (BLOOD,))
    for points in ([(-8, -8, 142), (-14, -2, 190), (-24, 0, 250)], [(8, 8, 146), (15, 8, 190), (22, 2, 250)],
                   [(18, 20, 143), (28, 22, 185), (44, 18, 215)]):  # fmt: skip
        paint(points, 5.0, (BLOOD,))
    paint([(5, 34, 262), (6, 36, 130), (10, 30, 30), (22, 12, -6)], 6.5, (36.0,))
    paint([(6, 35, 240), (7, 36, 160)], 2.0, (-700.0,), edge=3)
    canvas.ellipsoid((22, 10, 232), (12, 13, 22), (95.0,))  # thyroid
    canvas.ellipsoid((-22, 10, 232), (12, 13, 22), (95.0,))
    for _ in range(10):
        centre = (rng.uniform(-30, 34), rng.uniform(-22, 22), rng.uniform(95, 165))
        canvas.ellipsoid(centre, (3.4, 3.0, 4.2), (38.0,), opacity=0.8)


def _airways(canvas: Canvas) -> None:
    for points, radius in (
        ([(0, 8, 268), (0, 12, 200), (0, 18, 128)], 8.6),
        ([(0, 18, 128), (-20, 20, 110), (-46, 22, 92), (-60, 24, 66)], 6.4),
        ([(0, 18, 128), (24, 22, 112), (50, 26, 96), (64, 32, 66)], 6.0),
        ([(-26, 20, 108), (-46, 12, 122), (-58, 10, 150)], 4.2),
        ([(44, 24, 100), (58, 10, 118), (66, 4, 146)], 4.0),
        ([(-46, 22, 92), (-62, -14, 72)], 3.6),
        ([(50, 26, 96), (66, -12, 78)], 3.6),
    ):
        canvas.path(points, radius + 1.7, (22.0,))
    for points, radius in (
        ([(0, 8, 268), (0, 12, 200), (0, 18, 128)], 8.6),
        ([(0, 18, 128), (-20, 20, 110), (-46, 22, 92), (-60, 24, 66)], 6.4),
        ([(0, 18, 128), (24, 22, 112), (50, 26, 96), (64, 32, 66)], 6.0),
        ([(-26, 20, 108), (-46, 12, 122), (-58, 10, 150)], 4.2),
        ([(44, 24, 100), (58, 10, 118), (66, 4, 146)], 4.0),
        ([(-46, 22, 92), (-62, -14, 72)], 3.6),
        ([(50, 26, 96), (66, -12, 78)], 3.6),
    ):
        canvas.path(points, radius, (-1000.0,))


def _at(volume: Array, point: NDArray[np.floating]) -> float:
    index = [
        int(
            np.clip(
                round((point[axis] - GRID.origin[axis]) / GRID.spacing[axis]), 0, GRID.shape[2 - axis] - 1
            )
        )
        for axis in (2, 1, 0)
    ]
    return float(volume[index[0], index[1], index[2]])


def _vessel_tree(rng: np.random.Generator, lung: Array) -> list[Rod]:
    """Arteries and veins that branch from the hila and stay inside the lungs."""
    rods: list[Rod] = []
    for side, root in ((-1, (-44.0, 6.0, 96.0)), (1, (50.0, 12.0, 100.0))):
        stack: list[tuple[NDArray[np.float64], NDArray[np.float64], float, float]] = []
        for _ in range(15):
            direction = np.array(
                [side * rng.uniform(0.1, 1.0), rng.uniform(-0.9, 0.8), rng.uniform(-1.1, 1.0)]
            )
            stack.append((np.array(root), direction / np.linalg.norm(direction), 4.6, rng.uniform(30, 42)))
        while stack and len(rods) < 3400:
            start, direction, radius, length = stack.pop()
            end = start + direction * length
            if _at(lung, end) > -2 and radius < 4:
                end = start + direction * length * 0.45
                if _at(lung, end) > -1.5:
                    continue
            rods.append(Rod((start[0], start[1], start[2]), (end[0], end[1], end[2]), radius, radius * 0.86))
            if radius < 0.75:
                continue
            for _ in range(2):
                turn = direction + rng.normal(0, 0.42, 3)
                stack.insert(
                    int(rng.integers(0, len(stack) + 1)),
                    (
                        end,
                        turn / np.linalg.norm(turn),
                        radius * rng.uniform(0.66, 0.84),
                        length * rng.uniform(0.62, 0.88),
                    ),
                )
    return rods


def _paint_vessels(canvas: Canvas, rods: list[Rod]) -> None:
    for rod in rods:
        if max(rod.rp, rod.rq) < 0.6:
            continue
        canvas.rod(rod.p, rod.q, rod.rp, rod.rq, (34.0,), edge=2.0)


def _abdomen(canvas: Canvas, rng: np.random.Generator, inner: Array, x: Array, y: Array, z: Array) -> None:
    paint, hu = canvas.ellipsoid, canvas.data[0]
    rough = smooth_noise(rng, GRID.shape, 18)
    liver = ellipsoid((x, y, z), (-66, -4, -32), (76, 84, 74), tilt=(0, 16, 0))
    liver = smooth_union(liver, ellipsoid((x, y, z), (-4, -44, -2), (66, 34, 32), tilt=(0, -8, 12)), 14)
    liver = np.maximum(liver + rough * 1.5, inner + 3.0)
    texture = smooth_noise(rng, GRID.shape, 4) * 2.0
    psoas_edge = 2.2
    for s in (-1, 1):
        paint((s * 38, 62, -150), (19, 20, 95), (MUSCLE,), tilt=(0, s * 6, 0), edge=psoas_edge)
        paint((s * 76, 76, -160), (36, 12, 80), (MUSCLE,), tilt=(0, 0, s * 20), edge=psoas_edge)
    inside = soft(liver, 2.2)
    hu += inside * (LIVER + texture - hu)
    for points, radius in (
        ([(-22, 26, -60), (-24, 24, -20), (-22, 14, 16)], 11.0),
        ([(-24, 22, -6), (-56, -4, -2), (-96, -22, 2)], 4.0),
        ([(-24, 18, 2), (-36, -38, 4)], 4.0),
        ([(-22, 10, -54), (-40, 2, -42), (-78, 8, -36), (-104, 18, -30)], 5.0),
        ([(-40, 2, -42), (-52, -36, -36)], 4.0),
    ):
        canvas.path(points, radius, (38.0,), edge=3)
    paint((-50, -54, -78), (14, 15, 27), (34.0,), tilt=(20, 0, 0))
    paint((-50, -54, -78), (12.4, 13.4, 25.4), (9.0,), tilt=(20, 0, 0))
    spleen = ellipsoid((x, y, z), (100, 36, -14), (27, 44, 52), tilt=(0, 14, 0))
    canvas.cover(soft(np.maximum(spleen + rough, inner + 3), 2), (SPLEEN,))
    stomach = ellipsoid((x, y, z), (58, -18, -8), (44, 44, 46), tilt=(0, 30, 0))
    stomach = smooth_union(stomach, capsule((x, y, z), (40, -46, -48), (-22, -44, -66), 25, 15), 12)
    stomach = np.maximum(stomach, inner + 4)
    canvas.cover(soft(stomach, 2), (44.0,))
    hollow = stomach + 4.5
    canvas.cover(soft(hollow + smooth_noise(rng, GRID.shape, 5) * 0.8, 2), (18.0,))
    canvas.cover(soft(np.maximum(hollow, y + 46), 2), (-985.0,))  # air rises to the front of a lying patient
    canvas.path([(-40, -6, -76), (-10, -16, -66), (26, -4, -56), (72, 22, -40)], 9.0, (40.0,), edge=4)
    canvas.path(
        [(-26, -40, -68), (-52, -18, -74), (-52, 4, -100), (-20, 12, -120), (20, 6, -112)], 11.0, (38.0,)
    )
    canvas.path([(-22, 28, -60), (-22, 30, -160), (-30, 36, -208)], 11.0, (40.0,))
    for s in (-1, 1):
        drop = -92 if s < 0 else -80
        centre = (s * 64.0, 50.0, float(drop))
        paint(centre, (29, 27, 58), (KIDNEY,), tilt=(0, s * -10, s * -24))
        paint(
            (centre[0] - s * 13, centre[1] - 7, centre[2]), (11, 12, 26), (FAT,), tilt=(0, 0, s * -24), edge=5
        )
        paint((centre[0] - s * 12, centre[1] - 6, centre[2]), (5, 6, 15), (WATER,), edge=4)
        canvas.path([(s * 48, 42, drop), (s * 34, 38, drop - 50), (s * 32, 36, -208)], 2.4, (20.0,))
        canvas.path([(s * 44, 42, drop), (s * 18, 30, drop + 4), (0, 28, drop + 8)], 4.4, (40.0,))
        paint((s * 34, 34, drop + 62), (11, 3.2, 10), (28.0,), tilt=(0, 0, s * 34))
    _bowel(canvas, rng)


def _bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    loops = []
    for _ in range(26):
        at = np.array([rng.uniform(-66, 72), rng.uniform(-62, 8), rng.uniform(-205, -106)])
        points = [(float(at[0]), float(at[1]), float(at[2]))]
        direction = rng.normal(0, 1, 3)
        for _ in range(5):
            direction = direction / np.linalg.norm(direction) + rng.normal(0, 0.7, 3)
            at = at + direction / np.linalg.norm(direction) * 17
            at = np.clip(at, (-80, -66, -208), (86, 14, -102))
            points.append((float(at[0]), float(at[1]), float(at[2])))
        loops.append((points, rng.uniform(9.5, 12.5), rng.random() < 0.22))
    for loop, radius, gas in loops:
        canvas.path(loop, radius + 1.2, (FAT,), edge=2)
        canvas.path(loop, radius, (42.0,), edge=2)
        canvas.path(loop, radius - 3.2, (-900.0 if gas else 16.0,), edge=2.5)
    colon: tuple[Sequence[Point], ...] = (
        [(-108, 4, -206), (-108, 8, -150), (-104, 6, -98)],
        [(-104, -6, -96), (-60, -62, -108), (0, -74, -118), (60, -64, -96), (104, -14, -62)],
        [(110, 12, -64), (112, 22, -130), (108, 20, -206)],
    )
    for course in colon:
        canvas.path(course, 19, (FAT,))
        canvas.path(course, 17, (44.0,))
        canvas.path(course, 14.5, (STOOL,))
        for p, q in itertools.pairwise(course):
            for _ in range(16):
                t = rng.random()
                centre = tuple(float(a + (b - a) * t + rng.normal(0, 5)) for a, b in zip(p, q, strict=True))
                r = rng.uniform(2, 6.5)
                value = float(rng.choice((-950.0, 30.0, -400.0, 60.0), p=(0.42, 0.3, 0.18, 0.1)))
                canvas.ellipsoid((centre[0], centre[1], centre[2]), (r, r * 0.9, r * 1.2), (value,), edge=2.5)


def vertebrae() -> list[tuple[float, float, float, float]]:
    """(z of the centre, height, half width, half depth) of each vertebral body, top down."""
    found = []
    top = 266.0
    for number in range(17):
        grow = number / 16
        height = 17.5 + 11.0 * grow
        found.append((top - height / 2, height, 14.5 + 9.5 * grow, 11.5 + 6.0 * grow))
        top -= height + 4.0 + 5.0 * grow
    return found


def _spine(canvas: Canvas, rng: np.random.Generator) -> None:
    grain = smooth_noise(rng, GRID.shape, (1.2, 1.6, 1.6)) * 42
    hu = canvas.data[0]
    for centre_z, height, half_x, half_y in vertebrae():
        yc = float(spine_y(centre_z))
        box = GRID.box((-60, yc - 25, centre_z - 28), (60, yc + 62, centre_z + 22))
        mesh = GRID.mesh(box)
        lx, ly, lz = mesh
        ring = (np.hypot(lx / half_x, (ly - yc) / half_y) - 1) * half_y
        waist = np.abs(lz - centre_z) - height / 2
        body = np.maximum(ring + np.clip(1 - (np.abs(lz - centre_z) / (height / 2)) ** 2, 0, 1) * 1.6, waist)
        disc = np.maximum(ring + 0.8, np.abs(lz - (centre_z - height / 2 - 3.4)) - 3.6)
        view = hu[box]
        view += soft(disc, 2) * (DISC - view)
        view += soft(body, 2) * (CORTEX * 0.75 - view)
        marrow = MARROW + grain[box]
        view += soft(body + 2.2, 2) * (marrow - view)
        back = yc + half_y
        v = (CORTEX * 0.8,)
        for s in (-1, 1):
            canvas.rod(
                (s * half_x * 0.72, back - 2, centre_z + 3),
                (s * half_x * 0.8, back + 13, centre_z + 2),
                4.6,
                4.6,
                v,
            )
            canvas.rod((s * half_x * 0.8, back + 13, centre_z), (0, back + 23, centre_z - 5), 3.6, 3.6, v)
            canvas.rod(
                (s * half_x * 0.8, back + 11, centre_z),
                (s * (half_x + 17), back + 15, centre_z + 2),
                4.6,
                3.4,
                v,
            )
            canvas.rod(
                (s * half_x * 0.8, back + 12, centre_z + 9),
                (s * half_x * 0.8, back + 13, centre_z - 14),
                4.0,
                4.0,
                v,
            )
        canvas.rod((0, back + 22, centre_z - 4), (0, min(back + 42, 104), centre_z - 17), 3.2, 4.2, v)
        canvas.rod(
            (0, back + 9, centre_z + height / 2 + 4),
            (0, back + 9, centre_z - height / 2 - 6),
            7.2,
            7.2,
            (14.0,),
        )
        canvas.rod(
            (0, back + 9, centre_z + height / 2 + 4),
            (0, back + 9, centre_z - height / 2 - 6),
            4.6,
            4.6,
            (38.0,),
        )


def _cage_bones(canvas: Canvas, result: Trunk) -> None:
    bodies = vertebrae()
    for number in range(12):
        centre_z = bodies[number + 1][0]
        drop = (18, 30, 44, 54, 62, 68, 73, 76, 78, 80, 62, 34)[number]
        last = (150, 150, 148, 146, 144, 142, 138, 132, 124, 116, 84, 58)[number]
        for s in (-1, 1):
            points: list[Point] = []
            yc = float(spine_y(centre_z))
            points.append((s * 16.0, yc + 15.0, centre_z + 3))
            for degrees in np.arange(30, 178, 6.0):
                theta = np.deg2rad(degrees)
                height = centre_z + 4 - drop * (1 - np.cos(theta)) / 2 * 1.25
                a, b = cage(height)
                points.append(
                    (
                        float(s * (a + 4.2) * np.sin(theta) ** 0.8),
                        float((b + 4.2) * np.cos(theta)),
                        float(height),
                    )
                )
            count = 1 + int((last - 30) / 6)
            rib = [Rod(p, q, 4.9, 4.9) for p, q in itertools.pairwise(points[: count + 1])]
            result.ribs.append(rib)
            if number < 7:
                front = points[count:-1]
                target: Point = (
                    s * 14.0,
                    -cage(max(centre_z - drop, 60))[1] - 2,
                    max(front[-1][2], 66.0 + 6 * (6 - number)),
                )
                tail = [*front[:-1], target]
                result.cartilages.append([Rod(p, q, 5.2, 5.2) for p, q in itertools.pairwise(tail)])
    for line in result.cartilages:
        for rod in line:
            canvas.rod(rod.p, rod.q, rod.rp, rod.rq, (CARTILAGE,))
    for line in result.ribs:
        for rod in line:
            canvas.rod(rod.p, rod.q, rod.rp, rod.rq, (CORTEX * 0.72,), edge=1.6)
        for rod in line:
            canvas.rod(rod.p, rod.q, rod.rp - 2.3, rod.rq - 2.3, (MARROW * 0.7,), edge=2.0)
    sternum = -cage(130)[1] - 2
    canvas.ellipsoid((0, sternum - 1, 128), (17, 6.5, 62), (CORTEX * 0.6,), tilt=(10, 0, 0))
    canvas.ellipsoid((0, sternum - 1, 128), (14.6, 4.2, 59), (150.0,), tilt=(10, 0, 0))
    canvas.ellipsoid((0, -68, 190), (27, 7, 18), (CORTEX * 0.6,), tilt=(24, 0, 0))
    canvas.ellipsoid((0, -68, 190), (24, 4.6, 15), (160.0,), tilt=(24, 0, 0))
    for s in (-1, 1):
        clavicle: list[Point] = [
            (s * 14, -66, 206),
            (s * 52, -64, 217),
            (s * 96, -40, 224),
            (s * 138, -12, 230),
        ]
        canvas.path(clavicle, 6.4, (CORTEX * 0.85,))
        canvas.path(clavicle, 4.0, (MARROW,))
        canvas.ellipsoid((s * 100, 80, 150), (44, 4.6, 62), (CORTEX * 0.7,), tilt=(0, s * 12, s * -34))
        canvas.path([(s * 70, 96, 196), (s * 104, 88, 206), (s * 142, 56, 218)], 6.0, (CORTEX * 0.6,))
        canvas.ellipsoid((s * 138, 48, 200), (14, 14, 18), (CORTEX * 0.6,))
        canvas.ellipsoid((s * 138, 48, 200), (11, 11, 15), (MARROW,))


@dataclass(frozen=True, slots=True)
class Spot:
    """A lesion and how big it is (1: as described in `with_lesion`)."""

    lesion: Lesion
    size: float = 1.0


NODULE_CENTRE: Point = (-78.0, 22.0, 152.0)
MASS_CENTRE: Point = (74.0, -8.0, 130.0)


def with_lesions(person: Trunk, spots: tuple[Spot, ...], seed: int) -> Array:
    """A copy of the volume with lesions."""
    if not spots:
        return person.hu
    canvas = Canvas(GRID, (0.0,), edge=1.9)
    canvas.data[0] = person.hu
    rng = np.random.default_rng([seed, 33])
    for spot in spots:
        _paint(canvas, person, spot, rng)
    changed: Array = canvas.data[0]
    return changed


def _paint(canvas: Canvas, person: Trunk, spot: Spot, rng: np.random.Generator) -> None:
    x, y, z = GRID.mesh()
    k = spot.size
    if spot.lesion in ("nodule", "mass"):
        centre, r = (NODULE_CENTRE, 5.5 * k) if spot.lesion == "nodule" else (MASS_CENTRE, 21 * k)
        canvas.ellipsoid(centre, (r, r * 0.92, r), (38.0,), edge=2.2)
        for _ in range(14 if spot.lesion == "mass" else 6):  # spicules
            d = rng.normal(0, 1, 3)
            d = d / np.linalg.norm(d) * r * rng.uniform(1.3, 1.9)
            canvas.rod(
                centre, (centre[0] + d[0], centre[1] + d[1], centre[2] + d[2]), r * 0.4, 0.5, (20.0,), edge=2
            )
    elif spot.lesion == "pneumonia":
        rough = smooth_noise(rng, GRID.shape, 9) * 7 + smooth_noise(rng, GRID.shape, 4) * 4
        zone = ellipsoid((x, y, z), (-80, 40, 40), (46 * k, 44 * k, 44 * k)) + rough
        alpha = soft(zone, 16) * soft(person.lung + 1.5, 2)
        dense = person.hu < 0
        canvas.cover(alpha * dense * np.float32(0.92), (26.0,))
        canvas.path([(-60, 24, 66), (-78, 36, 46), (-92, 50, 26)], 2.4, (-880.0,), edge=2)
        canvas.path([(-66, 28, 60), (-84, 56, 52)], 2.4, (-880.0,), edge=2)
    elif spot.lesion == "effusion":
        level = soft((62 - 26 * k) - y - np.clip((z + 10) * -0.25, -12, 20), 5)
        alpha = soft(person.lung + 1.0, 2) * level * (x > 0) * np.clip((150 - z) / 30, 0, 1)
        canvas.cover(alpha, (12.0,))
    elif spot.lesion == "emphysema":
        for _ in range(150):
            c = (rng.uniform(-110, 110), rng.uniform(-60, 60), rng.uniform(110, 235))
            r = rng.uniform(3, 8) * k
            box = GRID.box((c[0] - r, c[1] - r, c[2] - r), (c[0] + r, c[1] + r, c[2] + r), 2)
            if any(s.start >= s.stop for s in box):
                continue
            alpha = soft(ellipsoid(GRID.mesh(box), c, (r, r, r)), 3) * soft(person.lung[box] + 4, 3)
            canvas.cover(alpha * np.float32(0.8), (-985.0,), box)
    elif spot.lesion == "kidney-stone":
        canvas.ellipsoid((52.0, 44.0, -84.0), (3.2 * k, 3.0 * k, 3.8 * k), (1050.0,), edge=1.4)
        canvas.ellipsoid((52.0, 44.0, -78.0), (13, 11, 17), (7.0,), edge=3, opacity=0.9)  # dilated pelvis
        canvas.ellipsoid((52.0, 44.0, -84.0), (3.2 * k, 3.0 * k, 3.8 * k), (1050.0,), edge=1.4)
    elif spot.lesion == "liver-cysts":
        for centre, r in (
            ((-88.0, -10.0, -20.0), 15.0),
            ((-52.0, 24.0, -48.0), 9.0),
            ((-40.0, -50.0, -12.0), 6.0),
        ):
            canvas.ellipsoid(centre, (r * k, r * k * 0.95, r * k), (4.0,), edge=1.6)
