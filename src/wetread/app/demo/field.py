"""Scalar fields in space: the brushes the phantoms are painted with.

Space is the DICOM patient coordinate system in millimetres: x grows to the patient's LEFT, y to the back, z to
the head. Arrays are indexed `[z, y, x]`; points and radii are given `(x, y, z)`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Point = tuple[float, float, float]
Box = tuple[slice, slice, slice]


def resampling_matrix(source: int, positions: NDArray[np.floating], *, cubic: bool = False) -> Array:
    """Weights that take `source` samples to `positions` (in source index units); edges are held."""
    p = np.clip(np.asarray(positions, dtype=np.float64), 0, source - 1)
    base = np.floor(p).astype(np.intp)
    t = p - base
    rows = np.arange(len(p))
    matrix = np.zeros((len(p), source), dtype=np.float32)
    weights: tuple[tuple[int, Array], ...]
    if cubic:  # Catmull-Rom
        weights = (
            (-1, ((-t + 2) * t - 1) * t / 2),
            (0, ((3 * t - 5) * t) * t / 2 + 1),
            (1, ((-3 * t + 4) * t + 1) * t / 2),
            (2, ((t - 1) * t) * t / 2),
        )
    else:
        weights = ((0, 1 - t), (1, t))
    for offset, weight in weights:
        np.add.at(matrix, (rows, np.clip(base + offset, 0, source - 1)), weight.astype(np.float32))
    return matrix


def averaging_matrix(source: int, centres: NDArray[np.floating], width: float) -> Array:
    """Weights that average `source` samples over boxes of `width` samples around `centres`: a slice profile."""
    edges = np.arange(source)
    overlap = 0.5 + width / 2 - np.abs(edges[None, :] - np.asarray(centres)[:, None])
    matrix = np.clip(overlap, 0, 1).astype(np.float32)
    total = matrix.sum(axis=1, keepdims=True)
    weights: Array = np.divide(matrix, total, out=np.zeros_like(matrix), where=total > 0)
    return weights


def apply_axes(volume: Array, matrices: Sequence[Array | None]) -> Array:
    """Applies one matrix to each axis of `volume` (None leaves the axis alone)."""
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            volume = np.moveaxis(np.tensordot(matrix, volume, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(volume, dtype=np.float32)


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], scale: float | Sequence[float]) -> Array:
    """Noise of unit variance whose features are about `scale` samples wide."""
    scales = [float(scale)] * len(shape) if isinstance(scale, (int, float)) else [float(s) for s in scale]
    coarse = [int(np.ceil(n / s)) + 4 for n, s in zip(shape, scales, strict=True)]
    values = rng.standard_normal(coarse, dtype=np.float32)
    matrices = [
        resampling_matrix(c, np.arange(n) / s + 1 + rng.random(), cubic=True)
        for c, n, s in zip(coarse, shape, scales, strict=True)
    ]
    field = apply_axes(values, matrices)
    return field / np.float32(field.std() + 1e-6)


def band_noise(rng: np.random.Generator, size: int, low: float, high: float, power: float = 1.0) -> Array:
    """A periodic `size`×`size` tile of unit variance, its spectrum `f**power` up to `high`, less below `low`.

    Frequencies in cycles per sample. This is the texture of filtered back-projection noise.
    """
    fy = np.fft.fftfreq(size)[:, None]
    fx = np.fft.rfftfreq(size)[None, :]
    f = np.hypot(fx, fy)
    gain = np.power(f + 1e-6, power) / (1 + (low / (f + 1e-6)) ** 2) * np.exp(-((f / high) ** 4))
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * gain
    tile = np.fft.irfft2(spectrum, s=(size, size)).astype(np.float32)
    scaled: Array = tile / tile.std()
    return scaled


class NoiseTiles:
    """Endless slices of textured noise from a few tiles, rolled and mirrored: cheap, and no two slices alike."""

    def __init__(self, rng: np.random.Generator, size: int, low: float, high: float, power: float) -> None:
        self._rng = rng
        self._size = size
        self._tiles = [band_noise(rng, size, low, high, power) for _ in range(4)]

    def slice(self, rows: int, columns: int) -> Array:
        """One slice of unit variance; `rows` and `columns` at most the tile's size."""
        total: Array | None = None
        for index in self._rng.choice(len(self._tiles), 2, replace=False):
            dy, dx = self._rng.integers(0, self._size, 2)
            tile = np.roll(self._tiles[index], (int(dy), int(dx)), (0, 1))
            if self._rng.random() < 0.5:
                tile = tile.T
            total = tile if total is None else total + tile
        assert total is not None
        return total[:rows, :columns] * np.float32(0.7071)


def soft(distance: Array, edge: float) -> Array:
    """Coverage 1 inside, 0 outside, linear over `edge` mm around the zero of a signed distance."""
    return np.clip(0.5 - distance / np.float32(edge), 0, 1)


def smooth_union(a: Array, b: Array, k: float) -> Array:
    """Union of two signed distances, rounded over about `k` mm."""
    h = np.clip(0.5 + 0.5 * (b - a) / np.float32(k), 0, 1)
    return b + (a - b) * h - np.float32(k) * h * (1 - h)


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid: `origin` is the centre of voxel [0, 0, 0] as (x, y, z); `spacing` likewise."""

    origin: Point
    spacing: Point
    shape: tuple[int, int, int]

    def axis(self, which: int) -> Array:
        """Coordinates along x (0), y (1) or z (2)."""
        n = self.shape[2 - which]
        return (self.origin[which] + self.spacing[which] * np.arange(n)).astype(np.float32)

    def mesh(self, box: Box | None = None) -> tuple[Array, Array, Array]:
        """Broadcastable x, y, z coordinates of `box` (all of the grid by default)."""
        zs, ys, xs = box or (slice(None), slice(None), slice(None))
        return (
            self.axis(0)[xs][None, None, :],
            self.axis(1)[ys][None, :, None],
            self.axis(2)[zs][:, None, None],
        )

    def box(self, low: Point, high: Point, margin: float = 0.0) -> Box:
        """The part of the grid that covers low..high with a margin; may be empty."""
        slices = []
        for which in (2, 1, 0):
            n = self.shape[2 - which]
            start = int(np.floor((low[which] - margin - self.origin[which]) / self.spacing[which]))
            stop = int(np.ceil((high[which] + margin - self.origin[which]) / self.spacing[which])) + 1
            slices.append(slice(min(max(start, 0), n), max(min(stop, n), 0)))
        return slices[0], slices[1], slices[2]

    def index(self, which: int, coordinates: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractional indices of coordinates along an axis."""
        return (np.asarray(coordinates, dtype=np.float64) - self.origin[which]) / self.spacing[which]


def ellipsoid(
    mesh: tuple[Array, Array, Array], centre: Point, radii: Point, *, tilt: Point = (0.0, 0.0, 0.0)
) -> Array:
    """Signed distance (approximate) to an ellipsoid; `tilt` turns it about x, y and z in degrees."""
    x, y, z = (c - np.float32(o) for c, o in zip(mesh, centre, strict=True))
    if any(tilt):
        m = rotation(tilt).T.astype(np.float32)
        x, y, z = (m[i, 0] * x + m[i, 1] * y + m[i, 2] * z for i in range(3))
    a, b, c = (np.float32(r) for r in radii)
    k0 = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
    k1 = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2)
    distance: Array = k0 * (k0 - 1) / (k1 + np.float32(1e-6))
    return distance


def rotation(degrees: Point) -> NDArray[np.float64]:
    """Rotation about x, then y, then z."""
    ax, ay, az = np.deg2rad(degrees)
    rx = np.array([[1, 0, 0], [0, np.cos(ax), -np.sin(ax)], [0, np.sin(ax), np.cos(ax)]])
    ry = np.array([[np.cos(ay), 0, np.sin(ay)], [0, 1, 0], [-np.sin(ay), 0, np.cos(ay)]])
    rz = np.array([[np.cos(az), -np.sin(az), 0], [np.sin(az), np.cos(az), 0], [0, 0, 1]])
    result: NDArray[np.float64] = rz @ ry @ rx
    return result


def capsule(mesh: tuple[Array, Array, Array], p: Point, q: Point, rp: float, rq: float) -> Array:
    """Signed distance to a rod from `p` to `q` whose radius goes from `rp` to `rq`."""
    x, y, z = mesh
    d = np.subtract(q, p).astype(np.float32)
    length = np.float32(np.dot(d, d) + 1e-6)
    px, py, pz = x - np.float32(p[0]), y - np.float32(p[1]), z - np.float32(p[2])
    t = np.clip((px * d[0] + py * d[1] + pz * d[2]) / length, 0, 1)
    distance = np.sqrt((px - t * d[0]) ** 2 + (py - t * d[1]) ** 2 + (pz - t * d[2]) ** 2)
    return np.asarray(distance - (np.float32(rp) + t * np.float32(rq - rp)), dtype=np.float32)


class Canvas:
    """Channels of values on a grid, painted over with soft-edged shapes."""

    def __init__(self, grid: Grid, background: Sequence[float], edge: float | None = None) -> None:
        self.grid = grid
        self.edge = edge or float(np.mean(grid.spacing)) * 1.2
        self.data = np.empty((len(background), *grid.shape), dtype=np.float32)
        self.data[:] = np.asarray(background, dtype=np.float32)[:, None, None, None]

    def cover(self, alpha: Array, values: Sequence[float], box: Box | None = None) -> None:
        """Lays `values` (one a channel) over the box as far as `alpha` covers."""
        where = box or (slice(None), slice(None), slice(None))
        for channel, value in zip(self.data, values, strict=True):
            view = channel[where]
            view += alpha * (np.float32(value) - view)

    def ellipsoid(
        self,
        centre: Point,
        radii: Point,
        values: Sequence[float],
        *,
        tilt: Point = (0.0, 0.0, 0.0),
        edge: float | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Paints an ellipsoid."""
        reach = max(radii) if any(tilt) else None
        r = (reach, reach, reach) if reach is not None else radii
        box = self.grid.box(
            (centre[0] - r[0], centre[1] - r[1], centre[2] - r[2]),
            (centre[0] + r[0], centre[1] + r[1], centre[2] + r[2]),
            margin=(edge or self.edge),
        )
        if any(s.start >= s.stop for s in box):
            return
        alpha = soft(ellipsoid(self.grid.mesh(box), centre, radii, tilt=tilt), edge or self.edge)
        self.cover(alpha * np.float32(opacity), values, box)

    def rod(
        self, p: Point, q: Point, rp: float, rq: float, values: Sequence[float], *, edge: float | None = None
    ) -> None:
        """Paints a rod from `p` to `q`."""
        r = max(rp, rq)
        low = (min(p[0], q[0]) - r, min(p[1], q[1]) - r, min(p[2], q[2]) - r)
        high = (max(p[0], q[0]) + r, max(p[1], q[1]) + r, max(p[2], q[2]) + r)
        box = self.grid.box(low, high, margin=(edge or self.edge))
        if any(s.start >= s.stop for s in box):
            return
        self.cover(soft(capsule(self.grid.mesh(box), p, q, rp, rq), edge or self.edge), values, box)

    def path(
        self, points: Sequence[Point], radius: float, values: Sequence[float], *, edge: float | None = None
    ) -> None:
        """Paints a tube along points."""
        for p, q in itertools.pairwise(points):
            self.rod(p, q, radius, radius, values, edge=edge)
