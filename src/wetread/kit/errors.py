"""The errors that services raise. Each carries its HTTP status; edges map them to their own protocol's terms.

WetreadError
├── Invalid (422)            a field's content is wrong
├── NotFound (404)           absent, or not to be seen by this actor: the two look the same
├── Conflict (409)           collides with what is already there
│   └── IllegalTransition    a state machine refuses the step
├── Denied (403)             this actor may not do this kind of thing
├── Unauthenticated (401)
├── TooLarge (413)           over a limit named in kit.limits
└── Unavailable (503)        try again later; nothing was kept
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `field` in the caller's own spelling, `reason` in words for a person."""

    field: str
    reason: str


class WetreadError(Exception):
    """Base of all errors with a meaning for the caller. `detail` must never hold patient data beyond what was sent."""

    status: int = 500
    code: str = "internal"
    title: str = "The request could not be completed"

    def __init__(self, detail: str, *, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields: tuple[FieldError, ...] = tuple(fields)


class Invalid(WetreadError):
    """A field's content is wrong; `fields` names it."""

    status = 422
    code = "invalid"
    title = "Some fields need attention"


class NotFound(WetreadError):
    """Absent, or not visible to this actor."""

    status = 404
    code = "not-found"
    title = "Not found"


class Conflict(WetreadError):
    """Collides with what is already there (duplicate, double booking, stale version)."""

    status = 409
    code = "conflict"
    title = "This collides with what is already there"


class IllegalTransition(Conflict):
    """A state machine refuses the step."""

    code = "illegal-transition"
    title = "Not possible in the present state"

    def __init__(self, thing: str, state: str, step: str) -> None:
        super().__init__(f"{thing} is {state}: {step} is not possible.")
        self.thing, self.state, self.step = thing, state, step


class Denied(WetreadError):
    """This actor may not do this kind of thing."""

    status = 403
    code = "denied"
    title = "Not permitted"


class Unauthenticated(WetreadError):
    """No valid session or token."""

    status = 401
    code = "unauthenticated"
    title = "Please sign in"


class TooLarge(WetreadError):
    """Over a limit named in kit.limits."""

    status = 413
    code = "too-large"
    title = "Too large"


class TooMany(WetreadError):
    """Too many attempts or requests; `retry_after_s` says when to come back."""

    status = 429
    code = "too-many"
    title = "Too many attempts"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(WetreadError):
    """Temporarily impossible; nothing was kept."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"
