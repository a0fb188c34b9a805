"""Keyset paging: a page and the opaque cursor of the next one."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from wetread.kit.errors import FieldError, Invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`items` in order; `next_cursor` None at the end; `total` None where counting would cost too much."""

    items: list[T]
    next_cursor: str | None = None
    total: int | None = None


def encode_cursor(*key: str | int | float | None) -> str:
    """The sort key of a page's last row as an opaque URL-safe token."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[str | int | float | None]:
    """The key of `length` parts inside `cursor`; raises Invalid for anything else."""
    try:
        key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        key = None
    if (
        not isinstance(key, list)
        or len(key) != length
        or not all(part is None or isinstance(part, (str, int, float)) for part in key)
    ):
        raise Invalid("The page cursor is not one of ours.", fields=[FieldError("cursor", "not valid")])
    return key
