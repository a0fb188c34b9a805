"""Which way a picture lies: the letters at its edges, and the side that it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_AXES = (("L", "R"), ("P", "A"), ("H", "F"))
_OPPOSITE = str.maketrans("LRAPHF", "RLPAFH")
_SIDES = {"L": "LEFT", "R": "RIGHT", "B": "BOTH SIDES"}
# A direction that is less than this along an axis is not named after it.
_LEAST = 0.25


@dataclass(frozen=True, slots=True)
class Edges:
    """The letters at the edges of a picture as it is stored (PS3.3 C.7.6.1.1.1)."""

    left: str
    right: str
    top: str
    bottom: str


def letters_of(direction: Sequence[float]) -> str:
    """A direction in the patient, the strongest letter first, at most two: `L`, `AL`, `HA`."""
    named = [
        (abs(size), positive if size > 0 else negative)
        for size, (positive, negative) in zip(direction, _AXES, strict=True)
        if abs(size) > _LEAST
    ]
    return "".join(letter for _, letter in sorted(named, key=lambda one: -one[0])[:2])


def edges_of(document: Mapping[str, Any], frame_number: int = 1) -> Edges | None:
    """Of a frame, by its plane in the patient, else by Patient Orientation; `document` is in the DICOM JSON model. None where
    the object tells neither."""
    plane = _functional(document, frame_number, "00209116", "00200037")
    if len(plane) == 6 and all(isinstance(one, (int, float)) for one in plane):
        right, bottom = letters_of(plane[:3]), letters_of(plane[3:])
    else:
        told = _values(document, "00200020")
        if len(told) != 2 or not all(isinstance(one, str) and one for one in told):
            return None
        right, bottom = told
    return Edges(right.translate(_OPPOSITE), right, bottom.translate(_OPPOSITE), bottom)


def side_of(document: Mapping[str, Any], frame_number: int = 1) -> str | None:
    """LEFT, RIGHT or BOTH SIDES: of the frame, the image or its series; None where none is told."""
    told = [
        *_functional(document, frame_number, "00209071", "00209072"),
        *_values(document, "00200062"),
        *_values(document, "00200060"),
    ]
    return next((_SIDES[one] for one in told if one in _SIDES), None)


def _functional(document: Mapping[str, Any], frame_number: int, sequence: str, tag: str) -> list[Any]:
    """Values of an attribute from the frame's functional groups, those of all frames, or the top level (PS3.3 C.7.6.16)."""
    for groups, number in (("52009230", frame_number), ("52009229", 1)):
        for group in _values(document, groups)[number - 1 : number]:
            for item in _values(group, sequence)[:1]:
                if found := _values(item, tag):
                    return found
    return _values(document, tag)


def _values(document: Mapping[str, Any], tag: str) -> list[Any]:
    found = document.get(tag, {}).get("Value", [])
    return found if isinstance(found, list) else []
