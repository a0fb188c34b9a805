"""Every kind of study that the demo hospital's scanners make, by name: what the cases are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wetread.app.demo.breast import mammogram
from wetread.app.demo.documents import outside_report
from wetread.app.demo.heads import head_ct, head_mr
from wetread.app.demo.heart import electrocardiogram
from wetread.app.demo.objects import Picture, Visit
from wetread.app.demo.radiographs import chest, hand, knee
from wetread.app.demo.sonogram import abdomen
from wetread.app.demo.torso import Lesion, Spot
from wetread.app.demo.trunks import body_ct


def _spots(lesions: Mapping[Lesion, float]) -> tuple[Spot, ...]:
    return tuple(Spot(lesion, size) for lesion, size in lesions.items())


def _chest_ct(
    visit: Visit,
    *,
    seed: int,
    lesions: Mapping[Lesion, float] | None = None,
    segmented: bool = False,
    outside: bool = False,
) -> list[Picture]:
    found = body_ct(visit, "chest", seed=seed, spots=_spots(lesions or {}), segmented=segmented)
    return [*found, outside_report(visit)] if outside else found


def _abdomen_ct(visit: Visit, *, seed: int, lesions: Mapping[Lesion, float] | None = None) -> list[Picture]:
    return body_ct(visit, "abdomen", seed=seed, spots=_spots(lesions or {}))


def _chest_xr(
    visit: Visit, *, seed: int, lesions: Mapping[Lesion, float] | None = None, ecg: bool = False
) -> list[Picture]:
    plates = chest(visit, seed=seed, spots=_spots(lesions or {}))
    return [*plates, electrocardiogram(visit, seed=seed)] if ecg else plates


KINDS: dict[str, Callable[..., list[Picture]]] = {
    "ct-head": head_ct,
    "mr-head": head_mr,
    "ct-chest": _chest_ct,
    "ct-abdomen": _abdomen_ct,
    "xr-chest": _chest_xr,
    "xr-knee": knee,
    "xr-hand": hand,
    "us-abdomen": abdomen,
    "mg-screening": mammogram,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A study to be made: its kind, and what its maker is told."""

    kind: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)


def make(recipe: Recipe, visit: Visit) -> list[Picture]:
    """All objects of the study, in the order in which the machine would send them."""
    return KINDS[recipe.kind](visit, seed=recipe.seed, **recipe.settings)
