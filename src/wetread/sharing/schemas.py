"""What the sharing room takes over HTTP."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from wetread.kit import limits
from wetread.sharing.rules import RESULT_STATES, ResultState


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class FindIn(Body):
    """What to look for among one's results."""

    text: str = Field("", max_length=100)
    state: list[ResultState] = Field(default_factory=list, max_length=len(RESULT_STATES))
    unseen: bool = False
    limit: int = Field(100, ge=1, le=limits.PAGE_ITEMS_MAX)
    cursor: str | None = Field(None, max_length=200)


class VersionIn(Body):
    """Which version was read."""

    version_number: int = Field(ge=1)
