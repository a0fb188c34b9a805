"""Decisions of the sharing room: who is shown only their own, and which versions of a report leave the house."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, get_args

from wetread.security.rules import Permission, Role, permissions_of

# What a referrer sees of an order, from its beginning to its end. The first that fits is the state.
ResultState = Literal[
    "addended", "final", "preliminary", "canceled", "discontinued", "acquired", "in progress", "scheduled", "requested",
]  # fmt: skip
RESULT_STATES: tuple[ResultState, ...] = get_args(ResultState)


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """What leaves the house. Final versions and addenda always do, at their signature."""

    preliminary: bool = True

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of versions that a referrer is shown."""
        return ("preliminary", "final", "addendum") if self.preliminary else ("final", "addendum")


def sees_only_own(roles: Collection[Role]) -> bool:
    """Whether studies are open to these roles only by being a referrer: another role beside it widens nothing unless
    that role itself may read studies."""
    others = frozenset(roles) - {Role.REFERRER}
    return Role.REFERRER in roles and Permission.STUDY_READ not in permissions_of(others)


class Version(Protocol):
    """A signed version, as far as its release is concerned."""

    @property
    def version_number(self) -> int: ...

    @property
    def kind(self) -> str: ...


V = TypeVar("V", bound=Version)


def released(versions: Sequence[V], policy: ReleasePolicy) -> list[V]:
    """The text that stands: the last final version with its addenda, else the last preliminary one where that is
    released. A preliminary version that a final one replaced is not shown again."""
    final = [one for one in versions if one.kind == "final"]
    if final:
        return [final[-1], *(one for one in versions if one.kind == "addendum")]
    preliminary = [one for one in versions if one.kind == "preliminary"]
    return preliminary[-1:] if policy.preliminary else []
