"""The one error of parsing: what was wrong, and where."""

from __future__ import annotations


class DicomError(ValueError):
    """Bytes that are not what they should be. `offset` counts from the start of what was parsed."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset
