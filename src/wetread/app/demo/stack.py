"""Stacks of parallel slices cut from a volume, with the geometry DICOM wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wetread.app.demo.field import Array, Grid, Point, apply_axes, averaging_matrix, resampling_matrix

Plane = Literal["axial", "sagittal", "coronal"]

_ORIENTATION = {
    "axial": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "sagittal": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
}
# plane -> axes (0 x, 1 y, 2 z) of column, row and slice, and the sign of the row axis
_AXES = {"axial": (0, 1, 2, 1), "sagittal": (1, 2, 0, -1), "coronal": (0, 2, 1, -1)}


@dataclass(slots=True)
class Stack:
    """`pixels` is `[slice, row, column]`; positions are those of the first pixel's centre, in mm, LPS."""

    pixels: NDArray[Any]
    image_orientation_patient: tuple[float, ...]
    image_positions_patient: list[Point]
    slice_locations: list[float]
    pixel_spacing: float
    slice_thickness: float
    spacing_between_slices: float

    def __len__(self) -> int:
        return len(self.image_positions_patient)


@dataclass(frozen=True, slots=True)
class Cut:
    """How a volume is to be sliced; lengths in mm."""

    plane: Plane
    centre: tuple[float, float]
    """Centre of the field of view along (column axis, row axis)."""
    field_of_view: float
    matrix: int
    first: float
    last: float
    slice_thickness: float
    spacing: float

    def locations(self) -> NDArray[np.float64]:
        """Slice centres along the slice axis."""
        count = int(np.floor(abs(self.last - self.first) / self.spacing + 1e-6)) + 1
        result: NDArray[np.float64] = self.first + np.sign(self.last - self.first) * self.spacing * np.arange(
            count
        )
        return result


def cut(volume: Array, grid: Grid, how: Cut, *, outside: float = 0.0) -> Stack:
    """Slices one channel `[z, y, x]`; values stay float32, interpolated in plane and averaged across.

    What lies beyond the grid has the value `outside`.
    """
    column_axis, row_axis, slice_axis, row_sign = _AXES[how.plane]
    step = how.field_of_view / how.matrix
    across = how.centre[0] + step * (np.arange(how.matrix) - (how.matrix - 1) / 2)
    down = how.centre[1] + row_sign * step * (np.arange(how.matrix) - (how.matrix - 1) / 2)
    along = how.locations()
    matrices: list[Array | None] = [None, None, None]

    def put(axis: int, matrix: Array) -> None:
        matrices[2 - axis] = matrix

    put(
        slice_axis,
        averaging_matrix(
            grid.shape[2 - slice_axis],
            grid.index(slice_axis, along),
            max(how.slice_thickness / grid.spacing[slice_axis], 1.0),
        )
        if how.slice_thickness > grid.spacing[slice_axis] * 1.01
        else resampling_matrix(grid.shape[2 - slice_axis], grid.index(slice_axis, along)),
    )
    put(
        column_axis,
        resampling_matrix(grid.shape[2 - column_axis], grid.index(column_axis, across), cubic=True),
    )
    put(row_axis, resampling_matrix(grid.shape[2 - row_axis], grid.index(row_axis, down), cubic=True))
    beyond = [
        _beyond(grid, column_axis, across),
        _beyond(grid, row_axis, down),
    ]
    # the slice axis first: it shrinks the volume most
    order = [2 - slice_axis, 2 - row_axis, 2 - column_axis]
    for axis in order:
        only: list[Array | None] = [None, None, None]
        only[axis] = matrices[axis]
        volume = apply_axes(volume, only)
    pixels = np.ascontiguousarray(np.transpose(volume, order))
    pixels[:, :, beyond[0]] = outside
    pixels[:, beyond[1], :] = outside
    positions: list[Point] = []
    for location in along:
        point = [0.0, 0.0, 0.0]
        point[column_axis] = float(across[0])
        point[row_axis] = float(down[0])
        point[slice_axis] = float(location)
        positions.append((point[0], point[1], point[2]))
    return Stack(
        pixels=pixels,
        image_orientation_patient=_ORIENTATION[how.plane],
        image_positions_patient=positions,
        slice_locations=[float(v) for v in along],
        pixel_spacing=step,
        slice_thickness=how.slice_thickness,
        spacing_between_slices=how.spacing,
    )


def _beyond(grid: Grid, axis: int, positions: NDArray[Any]) -> NDArray[np.bool_]:
    at = grid.index(axis, positions)
    result: NDArray[np.bool_] = (at < -0.5) | (at > grid.shape[2 - axis] - 0.5)
    return result


def slices(stack: Stack) -> Iterator[tuple[int, NDArray[Any], Point]]:
    """Instance number from 1, pixels and position of every slice."""
    for index, position in enumerate(stack.image_positions_patient):
        yield index + 1, stack.pixels[index], position
