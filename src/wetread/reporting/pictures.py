"""Rendered key images for the printed report, by a renderer that the composition root provides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wetread.dicom.jsonmodel import JsonDict
from wetread.dicom.orientation import Edges
from wetread.reporting.service import MarkedImage
from wetread.security.service import Work


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """A key image as a JPEG or PNG, with what whoever reads the report has to know of it: which side it is of, what its
    edges are, and where it is found. `edges` None: the object does not tell."""

    content: bytes
    note: str | None = None
    side: str | None = None
    place: str = ""
    edges: Edges | None = None


def place_of(document: JsonDict, frames: int, frame_number: int) -> str:
    """Where an image is found, in words: `2026-11-27 · CC · series 2 Axial chest 5.0, image 33`."""

    def text(tag: str) -> str:
        return str((document.get(tag, {}).get("Value") or [""])[0] or "").strip()

    day = text("00080020")
    day = f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) == 8 and day.isdigit() else day
    series = " ".join(filter(None, ("series", text("00200011"), text("0008103E"))))
    number = f"image {text('00200013')}" if text("00200013") else ""
    frame = f"frame {frame_number}" if frames > 1 else ""
    place = ", ".join(filter(None, (series if series != "series" else "", number, frame)))
    return " · ".join(filter(None, (day, text("00185101"), place)))


class Renderer(Protocol):
    """Draws a key image as it was seen; None where it cannot be drawn."""

    def __call__(self, work: Work, image: MarkedImage) -> KeyPicture | None: ...


_renderer: Renderer | None = None


def use_renderer(renderer: Renderer) -> None:
    """Names the renderer of this process."""
    global _renderer  # noqa: PLW0603 - one per process, set at composition
    _renderer = renderer


def picture_of(work: Work, image: MarkedImage) -> KeyPicture | None:
    """The key image as a picture; None where no renderer is there or the frame cannot be drawn."""
    return None if _renderer is None else _renderer(work, image)
