"""Decisions of the worklist room: the order of the list, and which priors matter."""

from __future__ import annotations

from datetime import datetime, timedelta

CLAIM = timedelta(minutes=45)
PRIORITY_RANK = {"STAT": 0, "HIGH": 1, "ROUTINE": 2}
# The time within which each priority should be final after the first image.
SERVICE_LEVEL = {"STAT": timedelta(hours=1), "HIGH": timedelta(hours=4), "ROUTINE": timedelta(hours=24)}

READING_STATES = ("unread", "draft", "preliminary", "final")

_SAME_PART = {"BRAIN": "HEAD", "SKULL": "HEAD", "THORAX": "CHEST", "LUNG": "CHEST", "PELVIS": "ABDOMEN"}
_KIN = {
    "CT": {"CT": 3, "MR": 2, "PT": 2},
    "MR": {"MR": 3, "CT": 2},
    "DX": {"DX": 3, "CR": 3, "CT": 1},
    "CR": {"CR": 3, "DX": 3, "CT": 1},
    "MG": {"MG": 3, "US": 2, "MR": 2},
    "US": {"US": 3, "CT": 2, "MR": 2},
}


def part(body_part_examined: str | None) -> str | None:
    """Body parts that are read together, under one name."""
    if not body_part_examined:
        return None
    name = body_part_examined.upper()
    return _SAME_PART.get(name, name)


def relevance(
    modality: str | None, body_part: str | None, prior_modality: str | None, prior_body_part: str | None
) -> int:
    """How much a prior tells about a study: the same region first, then the same or a kindred modality; 0 to 13."""
    region = 0
    if part(body_part) and part(prior_body_part):
        region = 10 if part(body_part) == part(prior_body_part) else 0
    kin = _KIN.get(modality or "", {}).get(
        prior_modality or "", 3 if modality and modality == prior_modality else 0
    )
    return region + kin


def due(priority: str, first_image_at: datetime) -> datetime:
    """When the report should be final."""
    return first_image_at + SERVICE_LEVEL.get(priority, SERVICE_LEVEL["ROUTINE"])
