"""What stands at the edges of a picture, and which side it is of."""

from __future__ import annotations

import math
from typing import Any

import pytest

from wetread.dicom.orientation import Edges, edges_of, letters_of, side_of


def values(*found: Any) -> dict[str, Any]:
    return {"vr": "UN", "Value": list(found)}


def groups(*found: dict[str, Any]) -> dict[str, Any]:
    return values(*found)


AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"), ((-1, 0, 0), "R"), ((0, 1, 0), "P"), ((0, -1, 0), "A"), ((0, 0, 1), "H"), ((0, 0, -1), "F"),
        ((math.cos(0.5), math.sin(0.5), 0), "LP"), ((0, -0.6, 0.8), "HA"), ((0.99, 0.1, -0.1), "L"),
    ],
)  # fmt: skip
def test_directions(direction: tuple[float, ...], letters: str) -> None:
    assert letters_of(direction) == letters


@pytest.mark.parametrize(
    ("plane", "edges"),
    [
        (AXIAL, Edges("R", "L", "A", "P")),
        (CORONAL, Edges("R", "L", "H", "F")),
        (SAGITTAL, Edges("A", "P", "H", "F")),
    ],
)
def test_edges_of_planes(plane: tuple[float, ...], edges: Edges) -> None:
    assert edges_of({"00200037": values(*plane)}) == edges
    # Of many frames, each its own, or all the same.
    each = groups(
        {"00209116": groups({"00200037": values(*AXIAL)})}, {"00209116": groups({"00200037": values(*plane)})}
    )
    assert edges_of({"52009230": each}, 2) == edges
    shared = groups({"00209116": groups({"00200037": values(*plane)})})
    assert edges_of({"52009229": shared, "52009230": groups({}, {})}, 2) == edges


def test_edges_of_projections() -> None:
    assert edges_of({"00200020": values("P", "L")}) == Edges("A", "P", "R", "L")
    assert edges_of({"00200020": values("PR", "FR")}) == Edges("AL", "PR", "HL", "FR")
    assert edges_of({"00200020": values("P")}) is None
    assert edges_of({"00200020": {"vr": "CS"}}) is None
    assert edges_of({}) is None


def test_the_side_is_that_of_the_frame_then_of_the_image_then_of_the_series() -> None:
    series, image = {"00200060": values("L")}, {"00200062": values("R")}
    frame = {"52009230": groups({"00209071": groups({"00209072": values("B")})})}
    assert side_of(series) == "LEFT"
    assert side_of(series | image) == "RIGHT"
    assert side_of(series | image | frame) == "BOTH SIDES"
    assert side_of(series | image | frame, 2) == "RIGHT"
    assert side_of({"00200060": {"vr": "CS"}}) is None
    assert side_of({"00200062": values("U")}) is None
