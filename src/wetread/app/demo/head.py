"""A head: brain, skull and face on a 1 mm grid, as CT numbers or as MR signal.

The brain is the MNI152 average where the `nilearn` package is installed (read from it, never shipped with
Wetread), else one grown here from noise. Skull, scalp, eyes and sinuses are always ours.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import ndimage

from wetread.app.demo.field import (
    Array,
    Box,
    Canvas,
    Grid,
    Point,
    apply_axes,
    ellipsoid,
    resampling_matrix,
    smooth_noise,
    smooth_union,
    soft,
)

GRID = Grid(origin=(-92.0, -112.0, -86.0), spacing=(1.0, 1.0, 1.0), shape=(194, 246, 185))

# CT number in HU; T1-weighted, T2-weighted and FLAIR signal, 0..1
AIR = (-1000.0, 0.0, 0.0, 0.0)
SKIN = (15.0, 0.42, 0.30, 0.38)
FAT = (-95.0, 0.92, 0.72, 0.70)
MUSCLE = (58.0, 0.36, 0.20, 0.30)
CORTEX = (1450.0, 0.05, 0.03, 0.03)
DIPLOE = (560.0, 0.48, 0.34, 0.36)
CSF = (7.0, 0.14, 1.0, 0.05)
DURA = (58.0, 0.34, 0.16, 0.24)
BLOOD_POOL = (52.0, 0.22, 0.10, 0.14)
CALCIFIED = (190.0, 0.20, 0.12, 0.16)
VITREOUS = (10.0, 0.16, 0.98, 0.12)
LENS = (85.0, 0.40, 0.14, 0.24)
MUCOSA = (38.0, 0.34, 0.70, 0.62)
HAEMATOMA = (68.0, 0.55, 0.20, 0.34)
OEDEMA = (20.0, 0.42, 0.82, 0.92)
INFARCT = (23.0, 0.38, 0.80, 0.92)

_SLAB = 8

Pick = Callable[[Sequence[float]], Sequence[float]]
"""Takes the channels wanted out of a tissue."""
Finding = Literal["haemorrhage", "infarct", "demyelination", "meningioma"]


@dataclass(frozen=True, slots=True)
class HeadTraits:
    """What makes one head differ from the next."""

    seed: int
    size: float = 1.0
    """Scale against the template, about 0.93 to 1.06."""
    ventricles: float = 0.0
    """Widening of the ventricles, 0 (young) to 0.35 (old)."""
    finding: Finding | None = None


@cache
def _template(name: str) -> tuple[Array, tuple[float, float, float]] | None:
    """A volume of the MNI152 template as [z, y, x] in LPS order with the LPS origin; None without nilearn."""
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = (
        Path(next(iter(spec.submodule_search_locations)))
        / "datasets"
        / "data"
        / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
    )
    if not path.is_file():
        return None
    raw = gzip.decompress(path.read_bytes())
    nx, ny, nz = struct.unpack("<3h", raw[42:48])
    ox, oy, oz = (struct.unpack("<f", raw[at : at + 4])[0] for at in (292, 308, 324))
    voxels = np.frombuffer(raw, np.uint8, nx * ny * nz, offset=352).reshape(nz, ny, nx)
    flipped = voxels[:, ::-1, ::-1].astype(np.float32)  # RAS to LPS
    return flipped, (-(ox + nx - 1), -(oy + ny - 1), oz)


def template_available() -> bool:
    """Whether the MNI152 volume is there to be used."""
    return _template("t1") is not None


def _displacement(
    traits: HeadTraits, rng: np.random.Generator, box: Box | None = None
) -> tuple[Array, Array, Array]:
    """Where in the template each voxel of this head (or of a part of it) is taken from, as LPS coordinates."""
    x, y, z = GRID.mesh(box)
    coarse = (14, 16, 14)
    ups = [
        resampling_matrix(c, np.linspace(0, c - 1, n)[part], cubic=True)
        for c, n, part in zip(coarse, GRID.shape, box or (slice(None),) * 3, strict=True)
    ]
    ux, uy, uz = (
        apply_axes(smooth_noise(rng, coarse, 3.0), ups) * np.float32(amount) for amount in (1.6, 2.0, 1.6)
    )
    sx = x / np.float32(traits.size) + ux
    sy = y / np.float32(traits.size * 1.01) + uy
    sz = z / np.float32(traits.size) + uz
    if traits.ventricles:
        reach = np.exp(-((sx / 34) ** 2) - ((sy - 22) / 48) ** 2 - ((sz - 12) / 26) ** 2)
        sx = sx * (1 - np.float32(traits.ventricles) * reach)
        sz = 12 + (sz - 12) * (1 - np.float32(traits.ventricles * 0.6) * reach)
    if traits.finding in ("haemorrhage", "meningioma"):
        c, radius, far = (
            (HAEMATOMA_CENTRE, 19.0, 78.0) if traits.finding == "haemorrhage" else (MENINGIOMA_CENTRE, 13, 50)
        )
        dx, dy, dz = sx - np.float32(c[0]), sy - np.float32(c[1]), sz - np.float32(c[2])
        r = np.sqrt(dx * dx + dy * dy + dz * dz) + np.float32(1e-3)
        fade = np.clip((far - r) / (far - radius), 0, 1)
        inner = np.cbrt(np.maximum(r**3 - np.float32(radius**3) * fade, 0))
        k = inner / r
        sx, sy, sz = c[0] + dx * k, c[1] + dy * k, c[2] + dz * k
    return sx, sy, sz


HAEMATOMA_CENTRE: Point = (-27.0, 2.0, 6.0)
MENINGIOMA_CENTRE: Point = (44.0, -34.0, 36.0)


def _from_template(names: Sequence[str], traits: HeadTraits, rng: np.random.Generator) -> list[Array]:
    box = GRID.box((-79, -79, -76), (79, 113, 91))  # the template holds nothing but brain
    where = _displacement(traits, rng, box)
    result = []
    coordinates: Array | None = None
    for name in names:
        found = _template(name)
        assert found is not None
        volume, origin = found
        if coordinates is None:
            coordinates = np.stack(
                [
                    np.broadcast_to(
                        where[axis] - np.float32(origin[axis]), tuple(part.stop - part.start for part in box)
                    )
                    for axis in (2, 1, 0)
                ]
            )
        sampled = np.zeros(GRID.shape, dtype=np.float32)
        sampled[box] = ndimage.map_coordinates(volume, coordinates, output=np.float32, order=1, cval=0.0)
        result.append(sampled)
    return result


def _grown(names: Sequence[str], traits: HeadTraits, rng: np.random.Generator) -> list[Array]:
    """Grey matter, white matter and T1 signal (0..255) of a brain made from shapes and noise."""
    where = _displacement(traits, rng)
    mesh = where
    x, y, z = mesh
    side = np.abs(x)
    half = (side, y, z)
    cerebrum = ellipsoid(half, (30, 15, 14), (40, 88, 63))
    frontal = ellipsoid(half, (22, -28, 8), (38, 45, 42))
    temporal = ellipsoid(half, (46, 6, -22), (21, 42, 19), tilt=(8, 0, 0))
    occipital = ellipsoid(half, (24, 68, 6), (32, 38, 34))
    shape = smooth_union(smooth_union(cerebrum, frontal, 8), occipital, 8)
    floor = -z - 18 + np.clip((-y - 30) * 0.12, -6, 8)  # nothing of these lobes below the skull base
    shape = np.maximum(shape, floor)
    cerebral = smooth_union(shape, temporal, 4)
    cerebellum = ellipsoid(half, (24, 62, -42), (31, 30, 24))
    tent = z + 17 - np.clip((60 - y), 0, 40) * 0.05
    cerebellum = np.maximum(cerebellum, tent)
    stem = np.minimum(ellipsoid(mesh, (0, 26, -33), (17, 14, 17)), ellipsoid(mesh, (0, 34, -62), (9, 8, 34)))
    callosum = np.maximum(
        np.abs(np.sqrt(((y - 8) / 1.6) ** 2 + (z - 2) ** 2) - 24) - 4.5, np.maximum(-z + 0, side - 26)
    )
    fissure = np.maximum(side - 1.2, -callosum + 2)
    cerebral = np.maximum(cerebral, np.where(ellipsoid(mesh, (0, 10, 6), (9, 45, 20)) < 0, -9e9, -fissure))
    # sulci: thin walls of a noise field, up to 20 mm deep
    n1 = smooth_noise(rng, GRID.shape, (15, 17, 13))
    n1 += smooth_noise(rng, GRID.shape, 7.5) * np.float32(0.35)
    slope = np.float32(1.35 / 10.5)
    wall = np.abs(n1) / slope
    depth = -cerebral
    sylvian = np.abs(z + 3 - (y + 5) * 0.28 + smooth_noise(rng, GRID.shape, 22) * 2) - 0.8
    sylvian = np.maximum(sylvian, np.maximum(-(side - 36), np.abs(y - 5) - 38))
    sulcus = np.maximum(wall, depth - 17)
    sulcus = np.minimum(sulcus, sylvian)
    sulcus = np.minimum(sulcus, depth)
    open_width = np.float32(0.8 + 2.2 * traits.ventricles)
    csf = soft(sulcus - open_width, 1.4)
    cortex = soft(sulcus - open_width - 3.0, 1.2)
    inside = soft(cerebral, 1.2)
    # deep grey
    nuclei = ellipsoid(half, (10, 19, 8), (9, 14, 9), tilt=(0, 0, 14))  # thalamus
    putamen = ellipsoid(half, (26, -3, 3), (6, 17, 11), tilt=(0, 0, -10))
    caudate = ellipsoid(half, (13, -13, 11), (5, 10, 9))
    tail = np.maximum(
        np.abs(np.hypot((y - 6) / 1.2, z - 1) - 20) - 2.5, np.maximum(np.abs(side - 19) - 3, -z)
    )
    deep = np.minimum(np.minimum(nuclei, putamen), np.minimum(caudate, tail))
    # ventricles
    body = np.maximum(
        np.abs(np.hypot((y - 12) / 1.7, z - 2) - 17.5) - 4.4 - np.clip((y - 20) * 0.06, -1, 3),
        np.abs(side - 9 - np.clip((y - 10) * 0.33, -5, 12)) - 5.5,
    )
    body = np.maximum(body, -(z + 1) + np.clip(y - 30, 0, 30) * -0.4)
    horn = ellipsoid(half, (9, -24, 7), (4.2, 12, 8), tilt=(0, 0, 14))
    back = ellipsoid(half, (25, 58, 6), (5, 17, 7), tilt=(0, 0, -12))
    lower = ellipsoid(half, (34, 10, -16), (3.2, 22, 3), tilt=(8, 0, 0))
    third = np.maximum(side - 1.8, np.hypot((y - 12) / 1.3, z) - 11)
    fourth = ellipsoid(mesh, (0, 44, -34), (7, 5, 10))
    vent = np.minimum(np.minimum(body, horn), np.minimum(back, np.minimum(lower, third)))
    water = soft(np.minimum(vent, fourth), 1.2)
    # cerebellum: white core, fine leaves
    leaf = np.sin((np.hypot(z + 42, (y - 40) * 0.85) + smooth_noise(rng, GRID.shape, 12) * 1.5) * 1.15)
    core = soft(ellipsoid(half, (20, 56, -44), (17, 13, 8)), 3)
    cb = soft(cerebellum, 1.2)
    cb_white = np.clip(core + np.clip(leaf * 0.5, 0, 0.4) * soft(cerebellum + 7, 5), 0, 1)
    cb_csf = soft(np.abs(leaf + 1) * 2 - 0.3, 0.7) * 0.45 * soft(-cerebellum - 9, 4)
    st = soft(stem, 1.2)
    gm = inside * np.maximum(cortex, soft(deep, 1.5) * 0.85) * (1 - csf) * (1 - water)
    wm = inside * (1 - np.maximum(cortex, soft(deep, 1.5) * 0.85)) * (1 - csf) * (1 - water)
    gm = np.maximum(gm, cb * (1 - cb_white) * (1 - cb_csf) * (1 - water))
    wm = np.maximum(wm, cb * cb_white * (1 - water))
    gm = gm * (1 - st) + st * 0.3 * (1 - water)
    wm = wm * (1 - st) + st * 0.7 * (1 - water)
    bridge = soft(callosum, 1.5) * soft(side - 20, 4) * (1 - water) * inside
    wm = np.maximum(wm, bridge)
    gm = gm * (1 - bridge)
    texture = smooth_noise(rng, GRID.shape, 3.0) * 4
    t1 = (gm * 158 + wm * 222 + np.clip(1 - gm - wm, 0, 1) * 72 + texture) * (gm + wm > 0.02)
    maps = {"gm": gm * 255, "wm": wm * 255, "t1": t1}
    return [np.asarray(maps[name], dtype=np.float32) for name in names]


def head_volume(kind: Literal["ct", "mr"], traits: HeadTraits, *, grown: bool = False) -> Array:
    """The head as channels over `GRID`: `[HU]` for CT; `[T1, T2, FLAIR]` (0..1) for MR.

    `grown` makes the brain here even where the template is installed.
    """
    rng = np.random.default_rng(traits.seed)
    names = ["gm", "wm"] if kind == "ct" else ["t1", "gm", "wm"]
    source = _grown if grown or not template_available() else _from_template
    maps = source(names, traits, rng)
    gm, wm = (m / 255 for m in maps[-2:])
    pick = slice(0, 1) if kind == "ct" else slice(1, 4)

    def of(values: Sequence[float]) -> Sequence[float]:
        return values[pick]

    tissue = gm + wm
    hull = _hull(tissue)
    canvas = Canvas(GRID, of(AIR))
    bump = smooth_noise(rng, GRID.shape, 34)
    strands = smooth_noise(rng, GRID.shape, (18, 12, 9))
    grain = smooth_noise(rng, GRID.shape, 1.8)
    cavity = np.empty_like(hull)
    # Some slices at a time: what is made meanwhile stays near the processor, which is most of the work.
    for start in range(0, GRID.shape[0], _SLAB):
        part = slice(start, start + _SLAB)
        shapes = _Shapes(hull[part], bump[part], strands[part], grain[part])
        cavity[part] = _wrap(canvas, of, (part, slice(None), slice(None)), shapes, traits)
    _base_of_skull(canvas, of, rng, cavity)
    canvas.cover(cavity, of(CSF))

    if kind == "ct":
        hu = canvas.data[0]
        blend = np.clip(tissue, 0, 1)
        grey = gm / np.maximum(tissue, 1e-3)
        hu += blend * (grey * 38.5 + (1 - grey) * 27.5 - hu)
    else:
        t1 = maps[0]
        blend = np.clip((t1 - 30) / 40, 0, 1)
        for channel, levels in zip(
            canvas.data,
            (
                [0.10, 0.14, 0.30, 0.50, 0.74, 0.80],
                [1.0, 0.98, 0.72, 0.52, 0.33, 0.28],
                [0.04, 0.07, 0.38, 0.60, 0.45, 0.42],
            ),
            strict=True,
        ):
            signal = np.interp(t1, [50, 85, 122, 160, 222, 255], levels).astype(np.float32)
            np.add(channel, blend * (signal - channel), out=channel)

    _inner_details(canvas, of, hull, tissue, rng, traits)
    _petrous(canvas, of, rng)
    _eyes(canvas, of)
    if traits.finding:
        _paint_finding(canvas, of, traits, rng, tissue, hull)
    return canvas.data


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Of some slices: the distance to the brain's envelope, and noises that make skull, flesh and marrow uneven."""

    hull: Array
    bump: Array
    strands: Array
    grain: Array


def _wrap(canvas: Canvas, of: Pick, box: Box, shapes: _Shapes, traits: HeadTraits) -> Array:
    """Paints skin, flesh and skull of some slices; returns how far each voxel lies within the skull."""
    hull, bump, strands, grain = shapes.hull, shapes.bump, shapes.strands, shapes.grain
    x, y, z = GRID.mesh(box)
    side = np.abs(x)
    gap = np.float32(0.9 + 4 * traits.ventricles) + np.clip((-y - 20) * 0.012, 0, 1.0)
    squama = np.exp(-(((side - 70) / 14) ** 2) - ((z - 2) / 26) ** 2 - ((y - 8) / 40) ** 2)
    thickness = 6.2 + bump * 0.7 - squama * 2.6 + np.clip((y - 70) * 0.04, 0, 1.6)
    muscle_bulge = np.exp(-(((z + 14) / 27) ** 2) - ((y + 12) / 30) ** 2) * np.clip((side - 45) / 20, 0, 1)
    nape = np.exp(-(((z + 62) / 26) ** 2)) * np.clip((y - 45) / 30, 0, 1)
    scalp = 5.2 + bump * 0.5 + muscle_bulge * 7 + nape * 16
    outer_skull = hull - gap - thickness
    outer = outer_skull - scalp
    face = ellipsoid((x, y, z), (0, -34, -72), (64, 64, 62))
    brow = ellipsoid((x, y, z), (0, -34, -36), (67, 57, 40))
    face = smooth_union(face, brow, 14)
    jaw = ellipsoid((x, y, z), (0, -20, -98), (58, 66, 44))
    neck = np.hypot(x / 1.05, y - 36) - 60 + np.clip(z + 60, 0, 200) * 1.4
    outer = smooth_union(outer, smooth_union(smooth_union(face, jaw, 12), neck, 14), 10)
    nose = ellipsoid((x, y, z), (0, -94, -62), (14, 22, 24), tilt=(22, 0, 0))
    outer = smooth_union(outer, nose, 8)

    canvas.cover(soft(outer, 1.3), of(SKIN), box)
    fat = soft(outer + 2.0, 1.3)
    canvas.cover(fat, of(FAT), box)
    flesh = np.maximum(outer + 5.5, -ellipsoid((side, y, z), (52, -52, -60), (20, 34, 30)))
    below = np.clip((-z - 34) / 8, 0, 1)
    canvas.cover(soft(flesh + strands * 2.2, 3) * below, of(MUSCLE), box)
    temporalis = soft(np.maximum(outer + 4.2, -(outer_skull - 0.6)), 1.2) * np.clip(
        muscle_bulge * 3.2 - 0.5, 0, 1
    )
    canvas.cover(temporalis, of(MUSCLE), box)
    nuchal = soft(np.maximum(outer + 6, -(outer_skull - 0.6)) + strands, 2) * np.clip(nape * 2.5, 0, 1)
    canvas.cover(nuchal, of(MUSCLE), box)

    base_front = np.clip((z + 50 + np.clip(y, -60, 40) * 0.28) / 5, 0, 1)  # the shell ends at the skull base
    shell = soft(outer_skull, 1.2) * base_front
    canvas.cover(shell, of(CORTEX), box)
    middle = soft(np.abs(hull - gap - thickness * 0.52) - (thickness * 0.5 - 1.9), 1.1)
    canvas.cover(middle * base_front * np.clip(0.9 + grain * 0.12, 0, 1), of(DIPLOE), box)
    return soft(hull - gap, 1.2)


def _hull(tissue: Array) -> Array:
    """Signed distance in mm to the smooth envelope of the brain (negative inside)."""
    coarse = tissue[::2, ::2, ::2] > 0.35
    labels, count = ndimage.label(coarse)
    if count > 1:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        coarse = labels == sizes.argmax()
    out = ndimage.distance_transform_edt(~coarse, sampling=2.0)
    closed = ndimage.distance_transform_edt(out < 11.0, sampling=2.0)
    vault = ndimage.distance_transform_edt(np.pad(out, 20, constant_values=99) < 36.0, sampling=2.0)
    z = GRID.axis(2)[::2][:, None, None]
    y = GRID.axis(1)[::2][None, :, None]
    x = GRID.axis(0)[::2][None, None, :]
    above = z > -6 + np.clip(-y - 20, 0, 60) * 0.1
    grown = (closed > 10.0) | ((vault[20:-20, 20:-20, 20:-20] > 34.5) & (above | (y > 50) & (z > -50)))
    grown &= (z > -62) | (np.hypot(x, y - 38) < 11)
    outside = ndimage.distance_transform_edt(~grown, sampling=2.0)
    inside = ndimage.distance_transform_edt(grown, sampling=2.0)
    signed = np.where(grown, 1.0 - inside, outside - 1.0).astype(np.float32)
    signed = ndimage.gaussian_filter(signed, 1.3)
    matrices = [
        resampling_matrix(n, np.arange(full) / 2, cubic=True)
        for n, full in zip(signed.shape, GRID.shape, strict=True)
    ]
    return apply_axes(signed, matrices)


def _base_of_skull(canvas: Canvas, of: Pick, rng: np.random.Generator, cavity: Array) -> None:
    """Sphenoid, orbits' walls, nose and sinuses, before the brain is laid over them."""
    v = of
    paint = canvas.ellipsoid
    for s in (-1, 1):
        paint((s * 30, -38, -66), (21, 25, 24), v(CORTEX), tilt=(0, 0, s * 14))  # maxilla
        paint((s * 30, -38, -66), (19.8, 23.8, 22.8), v(AIR), tilt=(0, 0, s * 14))
        paint((s * 30, -36, -82), (18, 20, 5), v(MUCOSA), edge=4)
        paint((s * 52, -34, -52), (7, 19, 7), v(CORTEX), tilt=(0, 0, s * 24))  # zygoma
        paint((s * 56, -6, -52), (4, 24, 4.5), v(CORTEX), tilt=(0, 0, s * -8))
        paint((s * 54, 12, -56), (7, 6, 10), v(CORTEX))  # condyle
        paint((s * 52, 8, -82), (4, 11, 26), v(CORTEX), tilt=(0, 0, s * 5))  # ramus
        paint((s * 32, -44, -36), (21, 29, 21), v(CORTEX), tilt=(0, 0, s * -18))  # orbit
        paint((s * 32, -46, -36), (19.6, 31, 19.6), v(FAT), tilt=(0, 0, s * -18))
        paint((s * 24, 12, -42), (18, 7, 9), v(CORTEX), tilt=(0, 0, s * 14))
        paint((s * 22, -4, -64), (3, 10, 16), v(CORTEX), tilt=(0, 0, s * 20))  # pterygoids
        paint((s * 40, -22, -28), (16, 3, 14), v(CORTEX), tilt=(0, 0, s * 28))  # greater wing
    paint((0, -8, -40), (22, 20, 13), v(CORTEX))  # sphenoid
    paint((-6, -12, -41), (9, 15, 9.5), v(AIR))
    paint((8, -13, -42), (7, 13, 8.5), v(AIR))
    paint((0, 16, -54), (13, 6, 18), v(CORTEX), tilt=(-24, 0, 0))  # clivus
    paint((0, 15, -54), (10, 3, 15), v(DIPLOE), tilt=(-24, 0, 0))
    paint((0, -44, -36), (13, 26, 15), v(CORTEX))  # ethmoid
    for _ in range(34):  # cells
        c = (rng.uniform(-9, 9), rng.uniform(-64, -24), rng.uniform(-46, -26))
        paint(c, (rng.uniform(2.4, 4), rng.uniform(3, 5.5), rng.uniform(3, 5)), v(AIR))
    paint((0, -50, -68), (14, 38, 20), v(AIR))  # nasal cavity
    paint((1, -46, -66), (1.1, 34, 20), v(DURA))  # septum
    for s in (-1, 1):
        for height in (-58, -68, -77):
            paint((s * 7.5, -44, height), (3.2, 24, 3.4), v(MUCOSA))  # turbinates
    paint((0, -6, -84), (12, 13, 26), v(AIR))  # pharynx
    paint((0, -84, -54), (7, 8, 12), v(CORTEX), tilt=(20, 0, 0))  # nasal bone
    paint((0, -82, -55), (5, 8, 12), v(AIR), tilt=(20, 0, 0))
    for s, w in ((-1, 12), (1, 9)):  # frontal sinus
        paint((s * 10, -80, -6), (w + 1.5, 6.5, 13), v(CORTEX))
        paint((s * 10, -79.5, -6), (w, 4.6, 11), v(AIR))
    # upper neck: atlas and dens
    paint((0, 36, -84), (24, 17, 7), v(CORTEX))
    paint((0, 40, -84), (13, 13, 9), v(CSF))
    paint((0, 25, -84), (6, 5.5, 12), v(CORTEX))


def _petrous(canvas: Canvas, of: Pick, rng: np.random.Generator) -> None:
    v = of
    paint = canvas.ellipsoid
    for s in (-1, 1):
        paint((s * 40, 24, -42), (27, 7.5, 8.5), v((1750.0, 0.05, 0.04, 0.04)), tilt=(0, 0, s * 38))
        paint((s * 62, 36, -48), (11, 14, 19), v(CORTEX))
        for _ in range(46):
            c = (
                s * (62 + rng.uniform(-9, 7)),
                36 + rng.uniform(-11, 11),
                -48 + rng.uniform(-15, 13),
            )
            r = rng.uniform(1.5, 3.3)
            paint(c, (r, r * 1.1, r), v(AIR))
        paint((s * 50, 24, -42), (3.5, 3, 4), v(AIR))  # middle ear
        canvas.rod((s * 52, 20, -44), (s * 84, 18, -44), 3.2, 4.2, v(AIR))  # ear canal
        paint((s * 38, 26, -41), (2.0, 2.0, 2.0), v(CSF))  # cochlea
        paint((s * 84, 24, -40), (4, 13, 22), v(SKIN), tilt=(0, s * 12, s * -22))  # ear


def _inner_details(
    canvas: Canvas,
    of: Pick,
    hull: Array,
    tissue: Array,
    rng: np.random.Generator,
    traits: HeadTraits,
) -> None:
    v = of
    x, y, z = GRID.mesh()
    bend = smooth_noise(rng, GRID.shape[:2], 40)[:, :, None] * np.float32(0.7)
    shift: Array | np.float32 = np.float32(0.0)
    if traits.finding == "haemorrhage":
        shift = np.float32(5.5) * np.exp(-(((y - 0) / 45) ** 2) - ((z - 5) / 34) ** 2)
    sheet = np.abs(x - bend - shift) - 0.75
    free = np.hypot((y - 14) / 58, (z - 8) / 40) - 1
    falx = np.maximum(sheet, np.maximum(-free * 40, hull - 1))
    falx = np.maximum(falx, -(z + 14))
    canvas.cover(soft(falx, 1.2) * np.clip(1.1 - tissue * 0.5, 0, 1), v(DURA))
    sinus = np.maximum(np.abs(x - bend) - 3.2, np.maximum(np.abs(hull + 0.6) - 2.8, -(z - 4)))
    canvas.cover(soft(sinus, 1.5) * (np.abs(np.asarray(x)) < 9), v(BLOOD_POOL))
    tent_height = -13 - np.abs(x) * 0.22 + np.clip(70 - y, 0, 60) * 0.18
    tent = np.maximum(
        np.abs(z - tent_height) - 0.6, np.maximum(hull - 0.5, 34 - y + np.clip(20 - np.abs(x), 0, 20))
    )
    canvas.cover(soft(tent, 1.2) * np.float32(0.8), v(DURA))
    for s in (-1, 1):
        canvas.path(
            [(0, 98, -14), (s * 26, 92, -18), (s * 50, 68, -26), (s * 56, 46, -36), (s * 44, 40, -52)],
            3.4,
            v(BLOOD_POOL),
        )
        # carotid siphon and middle cerebral artery
        canvas.path([(s * 12, 2, -34), (s * 13, -8, -26), (s * 13, 0, -19)], 2.3, v(BLOOD_POOL))
        dense = traits.finding == "infarct" and s == 1
        artery = (76.0, 0.3, 0.1, 0.2) if dense else BLOOD_POOL
        canvas.path(
            [(s * 13, 0, -18), (s * 24, -4, -17), (s * 36, -4, -14), (s * 43, 2, -6)],
            2.0 if dense else 1.4,
            v(artery),
        )
        if traits.ventricles > 0.02:
            speck = rng.normal(0, 1.2, 3)
            canvas.ellipsoid((s * 24 + speck[0], 46 + speck[1], 8 + speck[2]), (2.6, 4.4, 3.4), v(CALCIFIED))
    canvas.path([(0, 6, -22), (0, 10, -34), (1, 9, -46)], 1.8, v(BLOOD_POOL))  # basilar artery
    if traits.ventricles > 0.02:
        canvas.ellipsoid((0, 29, 3), (2.4, 3.2, 2.4), v(CALCIFIED))  # pineal gland


def _eyes(canvas: Canvas, of: Pick) -> None:
    v = of
    for s in (-1, 1):
        globe: Point = (s * 32.0, -64.0, -37.0)
        apex: Point = (s * 16.0, -20.0, -33.0)
        canvas.path([globe, (s * 26, -44, -36), apex], 2.0, v(DURA))
        for off in ((9.5, 0, 0), (-9.5, 0, 0), (0, 0, 9.5), (0, 0, -9.5)):
            start = (globe[0] + off[0], globe[1] + 6, globe[2] + off[2])
            mid = (s * 25 + off[0] * 0.9, -42.0, -36 + off[2] * 0.9)
            canvas.path([start, mid, apex], 1.9, v(MUSCLE))
        canvas.ellipsoid(globe, (12.4, 12.4, 12.2), v(DURA))
        canvas.ellipsoid(globe, (11.4, 11.4, 11.2), v(VITREOUS))
        canvas.ellipsoid((globe[0] + s * 0.4, globe[1] - 8.4, globe[2]), (4.6, 2.0, 4.6), v(LENS))
        canvas.ellipsoid((s * 46.0, -62.0, -28.0), (3, 7, 5), v(MUSCLE))  # lacrimal gland
        canvas.ellipsoid((globe[0], globe[1] - 14, globe[2]), (15, 3.2, 10), v(SKIN))  # lids


def _paint_finding(
    canvas: Canvas, of: Pick, traits: HeadTraits, rng: np.random.Generator, tissue: Array, hull: Array
) -> None:
    v = of
    x, y, z = GRID.mesh()
    rough = smooth_noise(rng, GRID.shape, 9)
    if traits.finding == "haemorrhage":
        c = HAEMATOMA_CENTRE
        blood = ellipsoid((x, y, z), c, (15, 24, 19), tilt=(0, 0, 12)) + rough * 2.4
        lobe = ellipsoid((x, y, z), (c[0] - 6, c[1] + 20, c[2] + 7), (10, 14, 11)) + rough * 1.6
        blood = smooth_union(blood, lobe, 6)
        rim = soft(blood - 5.5 - rough * 1.5, 6) * np.clip(tissue * 1.3, 0, 1)
        canvas.cover(rim * np.float32(0.75), v(OEDEMA))
        swirl = 1 - np.clip(smooth_noise(rng, GRID.shape, 5) * 0.10, -0.15, 0.25)
        canvas.cover(np.clip(soft(blood, 2.2) * swirl, 0, 1), v(HAEMATOMA))
        # blood in the ventricle: what is water near the third and lateral ventricle and hangs down behind
        water = np.clip(1 - tissue * 1.6, 0, 1) * soft(hull + 22, 6)
        near = np.exp(-(((x - 4) / 17) ** 2) - ((y - 22) / 34) ** 2 - ((z - 10) / 17) ** 2)
        canvas.cover(np.clip(water * near * 1.25, 0, 0.92), v(HAEMATOMA))
        horn = np.exp(-(((np.abs(x) - 26) / 9) ** 2) - ((y - 62) / 12) ** 2 - ((z - 0) / 8) ** 2)
        canvas.cover(np.clip(water * horn * 1.4, 0, 0.9), v(HAEMATOMA))
    elif traits.finding == "infarct":
        _paint_infarct(canvas, of, rough, np.clip(tissue, 0, 1))
    elif traits.finding == "demyelination":
        paint_lesions(canvas, of, traits.seed, 20)
    elif traits.finding == "meningioma":
        canvas.ellipsoid(MENINGIOMA_CENTRE, (15, 16, 15), v((50.0, 0.46, 0.60, 0.70)), edge=1.5)


def paint_lesions(canvas: Canvas, of: Pick, seed: int, count: int) -> None:
    """White matter lesions of demyelination; the first ones of a seed are always the same, so that they can grow in number."""
    rng = np.random.default_rng([seed, 5])
    for _ in range(count):
        s = rng.choice((-1, 1))
        py = rng.uniform(-30, 66)
        c = (s * rng.uniform(15, 27) + s * max(py, 0) * 0.12, py, rng.uniform(12, 34))
        canvas.ellipsoid(
            c,
            (rng.uniform(1.8, 4.8), rng.uniform(1.8, 3.6), rng.uniform(2.2, 4.2)),
            of((24.0, 0.40, 0.86, 0.95)),
            tilt=(0, 0, s * rng.uniform(10, 50)),
            edge=2.6,
            opacity=0.9,
        )


def with_lesions(volume: Array, seed: int, count: int) -> Array:
    """A copy of an MR volume with white matter lesions."""
    canvas = Canvas(GRID, AIR[1:])
    canvas.data[:] = volume
    paint_lesions(canvas, lambda values: values[1:4], seed, count)
    changed: Array = canvas.data
    return changed


def with_contrast(volume: Array, finding: Finding | None) -> Array:
    """A copy of an MR volume in which gadolinium lights up what it reaches on T1: the great sinuses, arteries, a tumour."""
    canvas = Canvas(GRID, AIR[1:])
    canvas.data[:] = volume
    blood = (1.08, 0.5, 0.5)
    over = [np.deg2rad(angle) for angle in range(40, 176, 5)]
    canvas.path([(0, 17 - 92 * float(np.cos(a)), 10 + 78 * float(np.sin(a))) for a in over], 3.4, blood)
    for side in (-1, 1):
        canvas.path([(side * 2, 107, 10), (side * 28, 98, 0), (side * 48, 74, -16)], 2.8, blood)
        canvas.path(
            [(side * 13, 0, -18), (side * 24, -4, -17), (side * 36, -4, -14), (side * 43, 2, -6)], 1.3, blood
        )
    if finding == "meningioma":
        canvas.ellipsoid(MENINGIOMA_CENTRE, (15, 16, 15), (0.98, 0.60, 0.70), edge=1.5)
    changed: Array = canvas.data
    return changed


def _paint_infarct(canvas: Canvas, of: Pick, rough: Array, tissue: Array) -> None:
    """The territory of the left middle cerebral artery, its border ragged."""
    mesh = GRID.mesh()
    zone = np.maximum(ellipsoid(mesh, (50, 6, 14), (28, 44, 34)) + rough * 4, -(mesh[0] - 24))
    canvas.cover(soft(zone, 9) * tissue * np.float32(0.62), of(INFARCT))


def with_infarct(volume: Array, seed: int) -> Array:
    """A copy of a CT volume with an early infarct and the dense artery before it."""
    canvas = Canvas(GRID, AIR[:1])
    canvas.data[:] = volume
    hu = volume[0]
    rough = smooth_noise(np.random.default_rng([seed, 6]), GRID.shape, 9)
    _paint_infarct(canvas, lambda values: values[:1], rough, np.clip((hu - 14) / 8, 0, 1) * (hu < 70))
    canvas.path([(13, 0, -18), (24, -4, -17), (36, -4, -14), (43, 2, -6)], 2.0, (76.0,))
    changed: Array = canvas.data
    return changed
