"""Gives the rooms their collaborators: what a lower room asks for as a Protocol, a higher one or an edge provides."""

from __future__ import annotations

from wetread.app.build import House


def wire(house: House) -> None:
    """Called once in every process, after the models are loaded."""
