"""Rendered key images for the printed report, by a renderer that the composition root provides."""

from __future__ import annotations

from typing import Protocol

from wetread.reporting.pdf import KeyPicture
from wetread.reporting.service import MarkedImage
from wetread.security.service import Work


class Renderer(Protocol):
    """Makes a JPEG or PNG of a key image, as it was seen, or None where it cannot be drawn."""

    def __call__(self, work: Work, image: MarkedImage) -> bytes | None: ...


_renderer: Renderer | None = None


def use_renderer(renderer: Renderer) -> None:
    """Names the renderer of this process."""
    global _renderer  # noqa: PLW0603 - one per process, set at composition
    _renderer = renderer


def picture_of(work: Work, image: MarkedImage) -> KeyPicture | None:
    """The key image as a picture; None where no renderer is there or the frame cannot be drawn."""
    if _renderer is None:
        return None
    content = _renderer(work, image)
    return None if content is None else KeyPicture(content, image.note or "Key image")
