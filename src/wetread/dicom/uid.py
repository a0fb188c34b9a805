"""Unique identifiers (PS3.5 section 9)."""

from __future__ import annotations

import re
import uuid
from typing import Final

UID_CHARACTERS_MAX: Final = 64
IMPLEMENTATION_CLASS_UID: Final = "2.25.215310931290934285071268466190342146937"
IMPLEMENTATION_VERSION_NAME: Final = "WETREAD_0_1"

_VALID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


def new_uid() -> str:
    """A fresh UID from a random UUID (PS3.5 B.2): `2.25.` and the UUID as one decimal number."""
    return f"2.25.{uuid.uuid4().int}"


def derived_uid(*words: str) -> str:
    """The UID of what is made of `words`: the same each time, so that nothing is made twice (PS3.5 B.2, by RFC 9562 5.5)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(words)).int}"


def is_valid_uid(uid: str) -> bool:
    """Whether `uid` keeps to PS3.5 9.1: digits and points, no leading zeros, at most 64 characters."""
    return len(uid) <= UID_CHARACTERS_MAX and _VALID.fullmatch(uid) is not None
