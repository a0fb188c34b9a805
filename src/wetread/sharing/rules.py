"""Decisions of the sharing room: who is shown only their own, and which versions of a report leave the house."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from wetread.reporting.rules import V, standing
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


def released(versions: Sequence[V], policy: ReleasePolicy) -> list[V]:
    """The text that stands, where it is released: a preliminary one only by the policy."""
    found = standing(versions)
    return [one for one in found if one.kind in policy.kinds]
