"""Facts that the billing room tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class ClaimChanged(Event):
    """A claim came to be, was mended, or moved."""

    kind: ClassVar[str] = "claim.changed"

    claim_pk: int
    state: str


@dataclass(frozen=True, slots=True)
class ClaimBatchChanged(Event):
    """A file of claims was made, or handed in."""

    kind: ClassVar[str] = "claim_batch.changed"

    claim_batch_pk: int
