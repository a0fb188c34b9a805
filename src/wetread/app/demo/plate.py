"""Radiographs: how much of what lies in a parallel beam, drawn at the detector's own sharpness.

A plate has coordinates u (to the right of the picture) and v (up), in mm. Rods and ellipsoids are projected by the
length of the beam inside them, so that edges stay sharp at any pixel size; soft tissue of a volume is summed up.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from wetread.app.demo.field import Array, Point, resampling_matrix, smooth_noise

# Linear attenuation per mm at about 70 keV.
MU_WATER, MU_CORTEX, MU_SPONGY, MU_FAT = 0.0193, 0.052, 0.0245, 0.0177


@dataclass(frozen=True, slots=True)
class Plate:
    """A detector: the position of its first pixel's centre, its pixel spacing in mm, its size."""

    left: float
    top: float
    spacing: float
    rows: int
    columns: int

    @classmethod
    def around(cls, low: tuple[float, float], high: tuple[float, float], spacing: float) -> Plate:
        """The plate that covers low..high (u, v)."""
        return cls(
            low[0],
            high[1],
            spacing,
            round((high[1] - low[1]) / spacing),
            round((high[0] - low[0]) / spacing),
        )

    def axes(self, box: tuple[slice, slice] | None = None) -> tuple[Array, Array]:
        """Broadcastable u and v coordinates."""
        rows, columns = box or (slice(None), slice(None))
        u = (self.left + self.spacing * np.arange(self.columns, dtype=np.float32))[columns]
        v = (self.top - self.spacing * np.arange(self.rows, dtype=np.float32))[rows]
        return u[None, :], v[:, None]

    def box(self, low: tuple[float, float], high: tuple[float, float]) -> tuple[slice, slice]:
        """The part of the plate that covers low..high; may be empty."""

        def clip(value: float, size: int) -> int:
            return int(min(max(value, 0), size))

        return (
            slice(
                clip((self.top - high[1]) / self.spacing - 1, self.rows),
                clip((self.top - low[1]) / self.spacing + 2, self.rows),
            ),
            slice(
                clip((low[0] - self.left) / self.spacing - 1, self.columns),
                clip((high[0] - self.left) / self.spacing + 2, self.columns),
            ),
        )

    def empty(self) -> Array:
        """A picture of nothing."""
        return np.zeros((self.rows, self.columns), dtype=np.float32)

    def rod(
        self,
        into: Array,
        p: Point,
        q: Point,
        rp: float,
        rq: float,
    ) -> None:
        """Keeps in `into` the longer of what is there and the beam's way through a rod.

        Points are (u, v, depth). Taking the longer one joins the rods of one bone without doubling them.
        """
        r = max(rp, rq)
        if r <= 0:
            return
        box = self.box((min(p[0], q[0]) - r, min(p[1], q[1]) - r), (max(p[0], q[0]) + r, max(p[1], q[1]) + r))
        if box[0].start >= box[0].stop or box[1].start >= box[1].stop:
            return
        u, v = self.axes(box)
        du, dv, dw = q[0] - p[0], q[1] - p[1], q[2] - p[2]
        flat = np.float32(du * du + dv * dv + 1e-6)
        along = ((u - p[0]) * du + (v - p[1]) * dv) / flat
        t = np.clip(along, 0, 1)
        d2 = (u - p[0] - t * du) ** 2 + (v - p[1] - t * dv) ** 2
        radius = np.float32(rp) + t * np.float32(rq - rp)
        steep = min(float(np.sqrt(1 + dw * dw / flat)), (abs(dw) + 2 * r) / (2 * r))
        chord = 2 * np.sqrt(np.maximum(radius * radius - d2, 0)) * np.float32(steep)
        np.maximum(into[box], chord, out=into[box])

    def path(self, into: Array, points: Sequence[Point], radii: Sequence[float] | float) -> None:
        """A tube along points."""
        sizes = [float(radii)] * len(points) if isinstance(radii, (int, float)) else list(radii)
        for index in range(len(points) - 1):
            self.rod(into, points[index], points[index + 1], sizes[index], sizes[index + 1])

    def ball(
        self,
        into: Array,
        centre: tuple[float, float],
        radii: tuple[float, float, float],
        *,
        turn: float = 0.0,
        power: float = 2.0,
    ) -> None:
        """An ellipsoid; `radii` along u, v and the beam, `turn` in degrees in the plane. `power` above 2 squares it."""
        r = max(radii[:2])
        box = self.box((centre[0] - r, centre[1] - r), (centre[0] + r, centre[1] + r))
        if box[0].start >= box[0].stop or box[1].start >= box[1].stop:
            return
        u, v = self.axes(box)
        angle = np.deg2rad(turn)
        a = (u - centre[0]) * np.cos(angle) + (v - centre[1]) * np.sin(angle)
        b = -(u - centre[0]) * np.sin(angle) + (v - centre[1]) * np.cos(angle)
        q = np.abs(a / np.float32(radii[0])) ** power + np.abs(b / np.float32(radii[1])) ** power
        chord = 2 * np.float32(radii[2]) * np.maximum(1 - q, 0) ** np.float32(1 / power)
        np.maximum(into[box], chord.astype(np.float32), out=into[box])


def bone(
    outer: Array, shell_mm: float, spacing: float, grain: Array, *, marrow: Array | None = None
) -> Array:
    """Attenuation of a bone, above that of the soft tissue it replaces: a dense shell around a spongy core.

    Without `marrow`, the core is the outer shape drawn in by `shell_mm`.
    """
    if marrow is None:
        edge = ndimage.grey_erosion(outer, size=(2 * max(round(shell_mm / spacing), 1) + 1,) * 2)
        marrow = np.maximum(edge - 2 * np.float32(shell_mm) * 0.8, 0)
    core = np.minimum(marrow, outer)
    result: Array = (outer - core) * np.float32(MU_CORTEX - MU_WATER) + core * np.float32(
        MU_SPONGY - MU_WATER
    ) * (1 + grain)
    return result


def crack(plate: Plate, points: Sequence[Point], width: float, rng: np.random.Generator) -> Array:
    """A fracture line 0..1: ragged, soft, of changing width."""
    ragged: list[Point] = []
    for p, q in itertools.pairwise(points):
        for t in np.arange(0, 1, 0.12):
            ragged.append(
                (
                    p[0] + (q[0] - p[0]) * t + rng.normal(0, 0.28),
                    p[1] + (q[1] - p[1]) * t + rng.normal(0, 0.28),
                    0,
                )
            )
    ragged.append(points[-1])
    line = plate.empty()
    plate.path(line, ragged, [width * float(w) for w in rng.uniform(0.25, 0.75, len(ragged))])
    result: Array = np.clip(ndimage.gaussian_filter(line, 0.22 / plate.spacing) / width, 0, 1)
    return result


def trabeculae(rng: np.random.Generator, shape: tuple[int, int], spacing: float) -> Array:
    """The net of a spongy bone, of about unit variance."""
    fine = smooth_noise(rng, shape, (max(0.9 / spacing, 1.5), max(0.45 / spacing, 1.2)))
    coarse = smooth_noise(rng, shape, max(1.8 / spacing, 2))
    return np.abs(fine) * 0.7 + coarse * 0.5 - 0.5


def summed(volume_hu: Array, axis: int, step_mm: float) -> Array:
    """Attenuation of the soft tissue of a volume along an axis, air as nothing."""
    mu = np.clip((volume_hu + 1000) / 1000, 0, 1.25) * np.float32(MU_WATER * step_mm)
    total: Array = mu.sum(axis=axis, dtype=np.float32)
    return total


def placed(plate: Plate, picture: Array, u: Array, v: Array) -> Array:
    """A picture with coordinates `u` (columns, ascending) and `v` (rows, ascending) put onto the plate."""
    pu, pv = plate.axes()
    iu = (pu[0] - u[0]) / (u[1] - u[0])
    iv = (pv[:, 0] - v[0]) / (v[1] - v[0])
    rows = resampling_matrix(len(v), iv, cubic=True)
    columns = resampling_matrix(len(u), iu, cubic=True)
    result: Array = rows @ picture @ columns.T
    result[:, (iu < -0.5) | (iu > len(u) - 0.5)] = 0
    result[(iv < -0.5) | (iv > len(v) - 0.5), :] = 0
    return result


def developed(
    attenuation: Array,
    rng: np.random.Generator,
    *,
    spacing: float,
    low: float,
    high: float,
    equalise: float = 0.45,
    sharpen: float = 1.1,
    noise: float = 0.012,
    gamma: float = 1.0,
) -> Array:
    """The picture 0..1 that a radiologist gets: harmonised, sharpened, with the quantum noise of a real exposure.

    `low` and `high` are the attenuations that become black and white.
    """
    blurred = ndimage.gaussian_filter(attenuation, 0.12 / spacing)
    quantum = rng.standard_normal(attenuation.shape, dtype=np.float32)
    quantum = ndimage.gaussian_filter(quantum, 0.7) * np.float32(2.2)
    seen = blurred + quantum * np.float32(noise) * np.exp(np.minimum(blurred, 5) / 2.6).astype(np.float32)
    step = max(int(2.0 / spacing), 1)  # the wide average is taken on a coarse copy
    coarse = ndimage.gaussian_filter(blurred[::step, ::step], 22 / (spacing * step))
    wide = placed(
        Plate(0, attenuation.shape[0] - 1.0, 1.0, *attenuation.shape),
        coarse[::-1],
        np.arange(coarse.shape[1], dtype=np.float32) * step,
        np.arange(coarse.shape[0], dtype=np.float32) * step + (attenuation.shape[0] - 1) % step,
    )
    middle = np.float32((low + high) / 2)
    harmonised = seen - np.float32(equalise) * (wide - middle) * (blurred > 0.02)
    detail = harmonised - ndimage.gaussian_filter(harmonised, 1.1 / spacing)
    values = (harmonised + np.float32(sharpen) * detail - np.float32(low)) / np.float32(high - low)
    shown = 1 / (1 + np.exp(-(values - 0.5) * 4.6))  # film's toe and shoulder
    floor, ceiling = 1 / (1 + np.exp(2.3)), 1 / (1 + np.exp(-2.3))
    result: Array = np.clip((shown - floor) / (ceiling - floor), 0, 1) ** np.float32(gamma)
    return result


def marker(
    plate: Plate, picture: Array, letter: str, corner: tuple[float, float], *, value: float = 0.98
) -> None:
    """A lead letter L or R as technologists lay it on the detector: it is in the beam, not burned in afterwards."""
    strokes = {
        "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
        "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    }[letter]
    cell = max(round(1.6 / plate.spacing), 1)
    glyph = np.kron(
        np.array([[c == "#" for c in line] for line in strokes], dtype=np.float32), np.ones((cell, cell))
    )
    row, column = int(corner[0] * plate.rows), int(corner[1] * plate.columns)
    view = picture[row : row + glyph.shape[0], column : column + glyph.shape[1]]
    np.maximum(
        view, (ndimage.gaussian_filter(glyph, 0.6) * value)[: view.shape[0], : view.shape[1]], out=view
    )
