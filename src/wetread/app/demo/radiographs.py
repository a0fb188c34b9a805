"""What the radiography rooms make: chest in two views, knee, hand."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from wetread.app.demo.field import Array, Point
from wetread.app.demo.objects import CR_IMAGE, DX_IMAGE, Device, Picture, SeriesHead, Visit, code, radiograph
from wetread.app.demo.plate import (
    MU_CORTEX,
    MU_WATER,
    Plate,
    bone,
    crack,
    developed,
    marker,
    placed,
    summed,
    trabeculae,
)
from wetread.app.demo.torso import GRID, Rod, Spot, spine_y, trunk, vertebrae, with_lesions

DX_DEVICE = Device("Phantom DR 43", "DR-2210")
CR_DEVICE = Device("Phantom CR 24", "CR-0031")

_VIEW_PA = code("272479007", "postero-anterior")
_VIEW_LATERAL = code("399067008", "lateral projection")
_VIEW_AP = code("399348003", "antero-posterior")
_EXPOSURE = {"KVP": "70", "ExposureTime": "12", "XRayTubeCurrent": "250", "Exposure": "3", "Grid": "NONE"}


Axes = tuple[int, int, int]
"""Which of x, y, z run along u, v and the beam."""
_FROM_BEHIND: Axes = (0, 2, 1)
_FROM_THE_SIDE: Axes = (1, 2, 0)


def _seen(point: Point, axes: Axes) -> Point:
    return point[axes[0]], point[axes[1]], point[axes[2]]


def _chest_pa(seed: int, spots: tuple[Spot, ...], rng: np.random.Generator) -> tuple[Plate, Array]:
    person = trunk(seed)
    plate = Plate.around((-205.0, -155.0), (205.0, 268.0), 0.24)
    soft = person.soft_hu
    if spots:
        soft = soft + (with_lesions(person, spots, seed) - person.hu)
    mu = placed(plate, summed(soft, 1, GRID.spacing[1]), GRID.axis(0), GRID.axis(2))
    mu += _vessels(plate, person.vessels, _FROM_BEHIND)
    grain = trabeculae(rng, (plate.rows, plate.columns), plate.spacing)
    mu += _ribs(plate, person.ribs, _FROM_BEHIND, grain)
    mu += _spine_front(plate, grain)
    mu += _shoulders(plate, mu, grain)
    return plate, mu


def _vessels(plate: Plate, rods: list[Rod], axes: Axes) -> Array:
    """Vessels of about one size are joined, those of different sizes add up."""
    total = plate.empty()
    for low, high in ((0.0, 0.8), (0.8, 1.25), (1.25, 1.9), (1.9, 2.9), (2.9, 9.0)):
        layer = plate.empty()
        for rod in rods:
            if low <= rod.rp < high:
                plate.rod(layer, _seen(rod.p, axes), _seen(rod.q, axes), rod.rp, rod.rq)
        total += layer
    return total * np.float32(MU_WATER * 0.92)


def _ribs(plate: Plate, ribs: list[list[Rod]], axes: Axes, grain: Array) -> Array:
    total = plate.empty()
    for rib in ribs:
        points = [_seen(rib[0].p, axes), *(_seen(rod.q, axes) for rod in rib)]
        low = (min(p[0] for p in points) - 9, min(p[1] for p in points) - 9)
        high = (max(p[0] for p in points) + 9, max(p[1] for p in points) + 9)
        box = plate.box(low, high)
        if box[0].start >= box[0].stop or box[1].start >= box[1].stop:
            continue
        u, v = plate.axes(box)
        small = Plate(float(u[0, 0]), float(v[0, 0]), plate.spacing, v.shape[0], u.shape[1])
        outer, core = small.empty(), small.empty()
        small.path(outer, points, 6.2)
        small.path(core, points, 4.9)
        outer, core = outer * np.float32(0.62), core * np.float32(0.62)  # ribs are flat
        total[box] += bone(outer, 1.2, plate.spacing, grain[box] * 0.25, marrow=core)
    return total


def _spine_front(plate: Plate, grain: Array) -> Array:
    outer, core, back = plate.empty(), plate.empty(), plate.empty()
    for centre, height, half_x, half_y in vertebrae():
        plate.ball(outer, (0, centre), (half_x + 1, height / 2 + 0.8, half_y), power=7)
        plate.ball(core, (0, centre), (half_x - 0.6, height / 2 - 0.9, half_y - 1), power=7)
        for s in (-1, 1):
            plate.ball(back, (s * half_x * 0.72, centre + 2), (4.2, 6.0, 7))
            plate.rod(back, (s * half_x * 0.7, centre + 2, 0), (s * (half_x + 18), centre + 3, 0), 4.6, 3.2)
        plate.rod(back, (0, centre - 6, 0), (0, centre - 15, 0), 3.0, 3.4)
    bodies = bone(outer, 1.2, plate.spacing, grain * 0.3, marrow=core) * 0.5
    arches = bone(back, 1.0, plate.spacing, grain * 0.2, marrow=back * 0.6) * 0.6
    result: Array = ndimage.gaussian_filter(bodies + arches, 1.4)
    return result


def _shoulders(plate: Plate, soft: Array, grain: Array) -> Array:
    """Clavicles, scapulae turned outwards, the heads of the humeri, and the soft tissue of the raised elbows."""
    total = plate.empty()
    flesh = plate.empty()
    for s in (-1, 1):
        clavicle, core = plate.empty(), plate.empty()
        points: list[Point] = [(s * 15, 203, 0), (s * 50, 214, 0), (s * 92, 226, 0), (s * 140, 236, 0)]
        plate.path(clavicle, points, [8.6, 6.2, 5.8, 7.4])
        plate.path(core, points, [6.8, 4.3, 3.9, 5.6])
        total += bone(clavicle, 1.5, plate.spacing, grain * 0.3, marrow=core) * 1.1
        blade, rim = plate.empty(), plate.empty()
        plate.ball(blade, (s * 132, 152), (24, 66, 2.6), turn=s * 14, power=2.6)
        plate.path(rim, [(s * 148, 212, 0), (s * 146, 152, 0), (s * 122, 88, 0)], [4.4, 3.4, 2.6])
        plate.path(rim, [(s * 118, 214, 0), (s * 150, 232, 0), (s * 172, 236, 0)], [3.4, 4.4, 5.4])
        total += bone(blade, 1.0, plate.spacing, grain * 0.2, marrow=blade * 0.3) * 0.5
        total += bone(rim, 1.4, plate.spacing, grain * 0.2, marrow=rim * 0.45) * 0.6
        humerus, marrow = plate.empty(), plate.empty()
        plate.ball(humerus, (s * 170, 208), (24, 24, 22))
        plate.path(humerus, [(s * 176, 204, 0), (s * 190, 150, 0), (s * 204, 60, 0)], [19, 11.5, 11])
        plate.ball(marrow, (s * 170, 208), (22.4, 22.4, 20))
        plate.path(marrow, [(s * 176, 204, 0), (s * 190, 150, 0), (s * 204, 60, 0)], [17, 7, 6.4])
        total += bone(humerus, 2.0, plate.spacing, grain * 0.3, marrow=marrow) * 0.7
        plate.ball(flesh, (s * 150, 196), (62, 66, 52), power=2.4)
        plate.path(flesh, [(s * 172, 190, 0), (s * 206, 60, 0)], [54, 46])
    thin = np.maximum(flesh * np.float32(MU_WATER) - np.maximum(soft, 0), 0)
    return total + thin


def _chest_lateral(seed: int, spots: tuple[Spot, ...], rng: np.random.Generator) -> tuple[Plate, Array]:
    person = trunk(seed)
    plate = Plate.around((-150.0, -155.0), (150.0, 268.0), 0.24)
    soft = person.soft_hu
    if spots:
        soft = soft + (with_lesions(person, spots, seed) - person.hu)
    mu = placed(plate, summed(soft, 2, GRID.spacing[0]), GRID.axis(1), GRID.axis(2))
    mu += _vessels(plate, person.vessels, _FROM_THE_SIDE)
    grain = trabeculae(rng, (plate.rows, plate.columns), plate.spacing)
    mu += _ribs(plate, person.ribs, _FROM_THE_SIDE, grain) * 0.55
    outer, core, back = plate.empty(), plate.empty(), plate.empty()
    for centre, height, half_x, half_y in vertebrae():
        yc = float(spine_y(centre))
        plate.ball(outer, (yc, centre), (half_y + 1, height / 2 + 0.8, half_x), power=7)
        plate.ball(core, (yc, centre), (half_y - 0.6, height / 2 - 0.9, half_x - 1), power=7)
        plate.rod(back, (yc + half_y, centre + 4, 0), (yc + half_y + 16, centre + 1, 0), 4.6, 5.2)
        plate.rod(back, (yc + half_y + 16, centre, 0), (yc + half_y + 36, centre - 13, 0), 4.0, 3.2)
    bodies = bone(outer, 1.2, plate.spacing, grain * 0.3, marrow=core) * 0.55
    arches = bone(back, 1.0, plate.spacing, grain * 0.2, marrow=back * 0.5) * 0.5
    mu += ndimage.gaussian_filter(bodies + arches, 1.3)
    breastbone = plate.empty()
    plate.path(breastbone, [(-66, 206, 0), (-82, 168, 0), (-92, 120, 0), (-95, 72, 0)], [5.5, 5, 4.6, 4])
    mu += bone(breastbone, 1.1, plate.spacing, grain * 0.2, marrow=breastbone * 0.6) * 1.3
    return plate, mu


def chest(visit: Visit, *, seed: int, spots: tuple[Spot, ...] = ()) -> list[Picture]:
    """Chest, postero-anterior and left lateral."""
    rng = np.random.default_rng([seed, 41])
    found = []
    for number, words in ((1, "PA"), (2, "LATERAL")):
        frontal = number == 1
        plate, mu = (_chest_pa if frontal else _chest_lateral)(seed, spots, rng)
        shown = developed(
            mu,
            rng,
            spacing=plate.spacing,
            low=1.15 if frontal else 1.9,
            high=5.5 if frontal else 7.6,
            equalise=0.16,
            noise=0.006,
        )
        marker(plate, shown, "L", (0.05, 0.90 if frontal else 0.06))
        head = SeriesHead("DX", number, f"Chest {words}", "CHEST", DX_DEVICE, "Chest erect")
        found.append(
            radiograph(
                visit,
                head,
                1,
                shown,
                sop_class_uid=DX_IMAGE,
                pixel_spacing=plate.spacing,
                view_position="PA" if frontal else "LL",
                patient_orientation=("L", "F") if frontal else ("P", "F"),
                image_laterality="U",
                attributes={
                    **_EXPOSURE,
                    "KVP": "125",
                    "Grid": ["FOCUSED", "PARALLEL"],
                    "PositionerType": "NONE",
                    "ViewCodeSequence": [_VIEW_PA if frontal else _VIEW_LATERAL],
                    "PatientOrientationCodeSequence": [code("10904000", "erect")],
                },
                offset_s=40.0 * (number - 1),
            )
        )
    return found


Side = Literal["L", "R"]


def _knee(view: str, finding: str | None, seed: int, rng: np.random.Generator) -> tuple[Plate, Array]:
    """A right knee; frontal: the fibula on the left of the picture. Side on: the front to the left."""
    plate = Plate.around((-75.0, -115.0), (75.0, 115.0), 0.14)
    grain = trabeculae(rng, (plate.rows, plate.columns), plate.spacing)
    frontal = view == "AP"
    narrow = 3.2 if finding == "osteoarthritis" else 0.0
    effusion = 7.0 if finding in ("effusion", "fracture") else 0.0
    flesh, muscle = plate.empty(), plate.empty()
    if frontal:
        plate.path(
            flesh, [(0, 140, 0), (0, 60, 0), (0, 0, 0), (2, -50, 0), (4, -140, 0)], [70, 62, 56, 52, 57]
        )
        plate.path(
            muscle, [(0, 140, 0), (0, 55, 0), (0, 0, 0), (2, -50, 0), (4, -140, 0)], [60, 50, 45, 45, 50]
        )
    else:
        plate.path(
            flesh, [(12, 140, 0), (8, 60, 0), (2, 0, 0), (14, -50, 0), (18, -140, 0)], [74, 66, 57, 54, 60]
        )
        plate.path(
            muscle, [(12, 140, 0), (10, 55, 0), (4, 0, 0), (16, -50, 0), (20, -140, 0)], [64, 52, 46, 46, 52]
        )
    mu = flesh * np.float32(0.0177) + muscle * np.float32(MU_WATER - 0.0177)
    if effusion and not frontal:
        pouch = plate.empty()
        plate.ball(pouch, (-32, 42), (9 + effusion, 26, 22), turn=14)
        mu += pouch * np.float32(0.0022)
    bones = _knee_front(plate, narrow) if frontal else _knee_side(plate)
    for outer, core, shell in bones:
        mu += bone(outer, shell, plate.spacing, grain * 0.32, marrow=core)
    if finding == "osteoarthritis" and frontal:
        for u, v, r in ((35, 1.5, 4.0), (37, -7.5, 4.6), (-36, -6.5, 3.4), (-34, 2.5, 2.8)):
            spur = plate.empty()
            plate.ball(spur, (u, v), (r, r * 0.7, r * 1.4))
            mu += spur * np.float32(MU_CORTEX - MU_WATER) * 0.8
        rim = plate.empty()
        plate.path(rim, [(8, -5, 0), (34, -6, 0)], 1.6)
        mu += rim * np.float32(0.05)
    if finding == "fracture":
        course: list[Point] = (
            [(-12, -4, 0), (-17, -20, 0), (-22, -34, 0), (-25, -47, 0)]
            if frontal
            else [(2, -6, 0), (6, -24, 0), (16, -44, 0)]
        )
        inside = np.clip(sum(core for _, core, _ in bones[1:2]) / 8, 0, 1)
        mu -= crack(plate, course, 1.5, rng) * inside * np.float32(0.3 if frontal else 0.2)
        step = plate.empty()  # the sunken part of the plateau
        plate.path(step, [(-30, -7, 0), (-14, -8, 0)], 1.3)
        mu += step * inside * np.float32(0.03 if frontal else 0)
    return plate, mu


Bones = list[tuple[Array, Array, float]]


def _knee_front(plate: Plate, narrow: float) -> Bones:
    found: Bones = []
    for which in ("femur", "tibia", "fibula", "patella"):
        outer, core = plate.empty(), plate.empty()
        for into, d in ((outer, 0.0), (core, 1.0)):
            thin = d * 4.6
            if which == "femur":
                plate.path(into, [(2, 130, 0), (2, 80, 0), (1, 56, 0), (0, 34, 0)],
                           [14.5 - thin, 15 - thin, 18 - d * 2.6, 28 - d * 1.2])  # fmt: skip
                plate.ball(into, (20, 18 - narrow), (18 - d * 1.3, 19.5 - d * 1.3, 27 - d), power=2.2)
                plate.ball(into, (-20, 18), (18 - d * 1.3, 18.5 - d * 1.3, 28 - d), power=2.2)
                plate.ball(into, (0, 33), (34 - d * 1.2, 20 - d, 24 - d), power=2.2)
            elif which == "tibia":
                plate.ball(into, (0, -16), (38.5 - d * 1.2, 13.5 - d * 1.3, 24 - d), power=3.4)
                plate.ball(into, (0, -29), (32 - d * 1.2, 16 - d, 23 - d), power=2.5)
                plate.path(into, [(1, -44, 0), (2, -58, 0), (3, -80, 0), (4, -130, 0)],
                           [23 - d * 1.8, 18 - d * 3, 15 - thin, 13.5 - thin])  # fmt: skip
                plate.rod(into, (5, -6, 0), (4, 1.5, 0), 5 - d, 1.6 - d * 0.6)
                plate.rod(into, (-6, -6, 0), (-5, 0.5, 0), 5 - d, 1.6 - d * 0.6)
            elif which == "fibula":
                plate.ball(into, (-34, -29), (9.5 - d, 9.5 - d, 9 - d))
                plate.path(
                    into,
                    [(-34, -32, 0), (-32, -50, 0), (-27, -130, 0)],
                    [8 - d * 1.4, 6 - d * 2.2, 6.4 - d * 2.6],
                )
            else:
                plate.ball(into, (1, 36), (20 - d, 21 - d, 6.5), power=2.4)
        found.append((outer, core, 1.2))
    return found


def _knee_side(plate: Plate) -> Bones:
    found: Bones = []
    for which in ("femur", "tibia", "fibula", "patella"):
        outer, core = plate.empty(), plate.empty()
        for into, d in ((outer, 0.0), (core, 1.0)):
            thin = d * 4.6
            if which == "femur":
                plate.path(into, [(2, 130, 0), (2, 80, 0), (2, 54, 0), (2, 36, 0)],
                           [14.5 - thin, 15 - thin, 16.5 - d * 2.6, 20 - d * 1.2])  # fmt: skip
                plate.ball(into, (7, 22), (29 - d * 1.2, 23 - d * 1.2, 33 - d), turn=-14, power=2.1)
                plate.ball(into, (16, 25), (22 - d * 1.2, 21 - d * 1.2, 36 - d))
            elif which == "tibia":
                plate.ball(into, (5, -14), (27 - d * 1.2, 12 - d * 1.3, 36 - d), turn=6, power=3.2)
                plate.ball(into, (5, -26), (23 - d * 1.2, 15 - d, 30 - d), power=2.5)
                plate.path(into, [(4, -42, 0), (5, -58, 0), (6, -80, 0), (8, -130, 0)],
                           [20 - d * 1.8, 17 - d * 3, 15 - thin, 14 - thin])  # fmt: skip
                plate.path(into, [(-18, -24, 0), (-16, -38, 0), (-6, -54, 0)], [5 - d, 5 - d, 6 - d * 1.5])
            elif which == "fibula":
                plate.ball(into, (24, -29), (9 - d, 9.5 - d, 9 - d))
                plate.path(
                    into,
                    [(24, -32, 0), (22, -50, 0), (20, -130, 0)],
                    [8 - d * 1.4, 6 - d * 2.2, 6.4 - d * 2.6],
                )
            else:
                plate.ball(into, (-32, 30), (8.5 - d, 20 - d, 20 - d), turn=8, power=2.3)
        found.append((outer, core, 1.2))
    return found


def knee(visit: Visit, *, seed: int, side: Side, finding: str | None = None) -> list[Picture]:
    """Knee, frontal and side on."""
    rng = np.random.default_rng([seed, 42])
    found = []
    for number, view in ((1, "AP"), (2, "LATERAL")):
        plate, mu = _knee(view, finding, seed, rng)
        shown = developed(
            mu, rng, spacing=plate.spacing, low=0.55, high=4.0, equalise=0.42, noise=0.006, sharpen=1.4
        )
        if (side == "L") == (view == "AP"):
            shown = np.ascontiguousarray(shown[:, ::-1])
        marker(plate, shown, side, (0.05, 0.08 if side == "R" else 0.84))
        head = SeriesHead("DX", number, f"Knee {side} {view}", "KNEE", DX_DEVICE, f"Knee {view}")
        frontal = ("L", "F")
        lateral = ("P", "F") if side == "L" else ("A", "F")
        found.append(
            radiograph(
                visit,
                head,
                1,
                shown,
                sop_class_uid=DX_IMAGE,
                pixel_spacing=plate.spacing,
                view_position="AP" if view == "AP" else ("LL" if side == "L" else "RL"),
                patient_orientation=frontal if view == "AP" else lateral,
                image_laterality=side,
                inverted=False,
                attributes={
                    **_EXPOSURE,
                    "PositionerType": "NONE",
                    "ViewCodeSequence": [_VIEW_AP if view == "AP" else _VIEW_LATERAL],
                },
                offset_s=30.0 * number,
            )
        )
    return found


# Digit: (base of the metacarpal, its head, proximal, middle, distal phalanx ends), a right hand from its back, mm.
_DIGITS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((-24, -14), (-52, 20), (-72, 44), (-84, 68)),
    ((-14, 4), (-25, 70), (-31, 112), (-33, 136), (-34, 155)),
    ((-1, 6), (-2, 70), (-3, 117), (-3, 146), (-3, 166)),
    ((10, 3), (19, 63), (25, 105), (27, 132), (28, 151)),
    ((19, -2), (36, 52), (47, 84), (51, 103), (54, 119)),
)
_WIDTH = (7.4, 6.4, 6.6, 6.0, 5.4)
_CARPALS = (
    # centre, half width, half height, turn
    ((-19, -34), 10, 7.5, -28), ((-4, -35), 9, 8, 10), ((9, -34), 8, 7.5, 24), ((13, -29), 5, 5, 0),
    ((-25, -18), 8.5, 7, -30), ((-15, -14), 7, 7, -10), ((-2, -16), 8, 12, 4), ((13, -15), 9.5, 9.5, 18),
)  # fmt: skip


def _bone_of(plate: Plate, mu: Array, grain: Array, a: Point, b: Point, width: float, shell: float) -> None:
    """A small long bone: waisted shaft, wider ends."""
    outer, core = plate.empty(), plate.empty()
    at = [tuple(a[i] + (b[i] - a[i]) * t for i in range(3)) for t in (0.07, 0.26, 0.5, 0.74, 0.95)]
    points: list[Point] = [(p[0], p[1], p[2]) for p in at]
    sizes = (1.18, 0.84, 0.74, 0.82, 1.06)
    plate.path(outer, points, [width * s for s in sizes])
    inner = (
        1.18 * width - 0.7,
        0.84 * width - shell * 0.8,
        0.74 * width - shell,
        0.82 * width - shell * 0.9,
        1.06 * width - 0.7,
    )
    plate.path(core, points, [max(i, 0.3) for i in inner])
    mu += bone(outer, shell, plate.spacing, grain, marrow=core)


def _hand(finding: str | None, rng: np.random.Generator, *, turned: bool) -> tuple[Plate, Array]:
    plate = Plate.around((-105.0, -85.0), (85.0, 182.0), 0.14)
    grain = trabeculae(rng, (plate.rows, plate.columns), plate.spacing) * 0.3
    flesh = plate.empty()
    digits = [tuple(_turned(at, turned) for at in digit) for digit in _DIGITS]
    for number, digit in enumerate(digits):
        width = _WIDTH[number]
        tip = digit[-1]
        before = digit[-2]
        end = (tip[0] + (tip[0] - before[0]) * 0.25, tip[1] + (tip[1] - before[1]) * 0.25)
        points: list[Point] = [(u, v, 0) for u, v in (*digit[1:-1], tip, end)]
        plate.path(
            flesh, points, [width * 2.0, *([width * 1.55] * (len(points) - 3)), width * 1.4, width * 1.15]
        )
        plate.path(flesh, [(digit[0][0], digit[0][1], 0), (digit[1][0], digit[1][1], 0)], [17, 14])
    plate.path(flesh, [(-2, -110, 0), (-3, -60, 0), (-4, -20, 0)], [29, 29, 34])
    plate.ball(flesh, (-2, 20), (42, 54, 15), power=2.6)
    plate.path(flesh, [(-30, -14, 0), (-50, 16, 0)], [20, 15])
    mu = np.minimum(flesh, 36 + flesh * 0.1) * np.float32(MU_WATER)
    for number, digit in enumerate(digits):
        for index in range(len(digit) - 1):
            gap = 3.4 if index else 0.8
            a, b = np.array(digit[index]), np.array(digit[index + 1])
            along = (b - a) / np.linalg.norm(b - a)
            width = _WIDTH[number] * (1.08, 0.94, 0.80, 0.62)[min(index + (number == 0 and index > 0), 3)]
            a, b = a + along * gap, b - along * (width * 0.62 if index < len(digit) - 2 else 2.0)
            p: Point = (float(a[0]), float(a[1]), 0.0)
            q: Point = (float(b[0]), float(b[1]), 0.0)
            _bone_of(plate, mu, grain, p, q, width, (3.0, 2.6, 2.2, 1.6)[min(index, 3)])
        tuft = plate.empty()
        plate.ball(tuft, digit[-1], (_WIDTH[number] * 0.62, 2.6, 3))
        mu += tuft * np.float32(0.016)
    for place, half_width, half_height, turn in _CARPALS:
        centre = _turned(place, turned)
        outer, core = plate.empty(), plate.empty()
        plate.ball(outer, centre, (half_width, half_height, 8), turn=turn, power=2.5)
        plate.ball(core, centre, (half_width - 0.9, half_height - 0.9, 7), turn=turn, power=2.5)
        mu += bone(outer, 0.9, plate.spacing, grain, marrow=core)
    forearm: tuple[tuple[list[Point], list[float], float], ...] = (
        ([(-15, -47, 0), (-13, -58, 0), (-11, -74, 0), (-9, -110, 0)], [14.5, 12, 8.5, 7.6], 2.6),
        ([(17, -47, 0), (16, -56, 0), (15, -74, 0), (14, -110, 0)], [8.0, 7.0, 6.2, 6.2], 2.4),
    )
    for points, sizes, shell in forearm:
        outer, core = plate.empty(), plate.empty()
        plate.path(outer, points, sizes)
        inner = [sizes[0] - 0.9, sizes[1] - 1.2, sizes[2] - shell, sizes[3] - shell]
        plate.path(core, points, inner)
        mu += bone(outer, shell, plate.spacing, grain, marrow=core)
    if finding == "fracture":  # neck of the fifth metacarpal
        course: list[Point] = [(*_turned(at, turned), 0.0) for at in ((22, 40), (28, 37), (31, 41), (40, 36))]
        inside = np.clip(mu / 0.6 - 0.55, 0, 1)
        mu -= crack(plate, course, 1.4, rng) * inside * np.float32(0.3)
        fragment = plate.empty()
        plate.path(fragment, [(*_turned((25, 39), turned), 0), (*_turned((29, 41), turned), 0)], 1.0)
        mu += fragment * np.float32(0.03)
    elif finding == "healing":
        callus = plate.empty()
        plate.ball(callus, _turned((32, 39), turned), (9.5, 9, 9), power=2.4)
        mu += callus * np.float32(0.009) * (1 + grain)
    return plate, np.maximum(mu, 0)


def _turned(at: tuple[float, float], turned: bool) -> tuple[float, float]:
    """Where a point comes to lie when the hand is rolled towards the thumb: rays draw together and slant."""
    return (at[0] * 0.72 + at[1] * 0.05 - 2, at[1]) if turned else at


def hand(visit: Visit, *, seed: int, side: Side, finding: str | None = None) -> list[Picture]:
    """Hand, from palm to back and oblique, on plates of computed radiography that store MONOCHROME1."""
    rng = np.random.default_rng([seed, 43])
    head = SeriesHead("CR", 1, f"Hand {side}", "HAND", CR_DEVICE, "Hand", laterality=side)
    found = []
    for number, words in ((1, "PA"), (2, "RAO" if side == "R" else "LAO")):
        plate, mu = _hand(finding, rng, turned=number == 2)
        shown = developed(
            mu, rng, spacing=plate.spacing, low=0.12, high=1.5, equalise=0.22, noise=0.006, sharpen=1.2
        )
        # The picture shows the back of the hand as its owner sees it: the thumb of a right hand to the left.
        if side == "L":
            shown = np.ascontiguousarray(shown[:, ::-1])
        marker(plate, shown, side, (0.9, 0.06 if side == "R" else 0.86))
        found.append(
            radiograph(
                visit,
                head,
                number,
                shown,
                sop_class_uid=CR_IMAGE,
                pixel_spacing=plate.spacing,
                view_position=words,
                patient_orientation=("L", "F"),
                image_laterality=side,
                inverted=True,
                attributes={
                    "KVP": "52",
                    "PlateType": "GP",
                    "CassetteSize": "24CMX30CM",
                    "Sensitivity": "200",
                },
                offset_s=40.0 * number,
            )
        )
    return found
