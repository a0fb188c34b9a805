"""The value of a matching key as the requester sent it: wild cards, lists, ranges (PS3.4 C.2.2.2). Pure."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, time
from typing import Generic, TypeVar

T = TypeVar("T")

_DATE = re.compile(r"(\d{4})(?:\.?(\d{2})(?:\.?(\d{2}))?)?\Z")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?\Z")
_UID = re.compile(r"[0-9.]{1,64}\Z")


class BadValue(ValueError):
    """A key's value that cannot be matched; the message says why in words for the requester."""


@dataclass(frozen=True, slots=True)
class Range(Generic[T]):
    """Inclusive at both ends; None is open."""

    first: T | None
    last: T | None


def is_universal(value: str) -> bool:
    """True where the value matches everything: zero length (C.2.2.2.3) or asterisks alone (C.2.2.2.4)."""
    stripped = value.strip(" \0")
    return not stripped.strip("*")


def has_wildcard(value: str) -> bool:
    """True where `*` or `?` stands in the value."""
    return "*" in value or "?" in value


def like_pattern(value: str) -> str:
    r"""The LIKE pattern (escape `\`) of a value with DICOM wild cards: `*` any characters, `?` exactly one.

    All that is special to LIKE stands for itself, so `_1234` matches only `_1234`.
    """
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def uid_list(value: str) -> list[str]:
    """List of UID matching (C.2.2.2.2): values parted by a backslash. Padding is stripped, nothing else is changed."""
    uids = [uid for uid in (part.strip(" \0") for part in value.split("\\")) if uid]
    for uid in uids:
        if not _UID.match(uid):
            raise BadValue("is not a UID (digits and dots, at most 64 characters)")
    return uids


def date_range(value: str) -> Range[date]:
    """Single value or range of dates (C.2.2.2.1, C.2.2.2.5.1): `20260131`, `-20260131`, `20260101-`, both.

    A year or month alone means all of it; `2026.01.31` (ACR-NEMA) is understood too.
    """
    first, last = _split_range(value, _DATE)
    return Range(
        None if first is None else _date(first, last_day=False),
        None if last is None else _date(last, last_day=True),
    )


def time_range(value: str) -> Range[time]:
    """Single value or range of times (C.2.2.2.5.2); absent parts mean all of the hour, minute or second."""
    first, last = _split_range(value, _TIME)
    return Range(
        None if first is None else _time(first, end=False),
        None if last is None else _time(last, end=True),
    )


def name_pattern(value: str) -> str:
    """The comparable form of a person name or name pattern: no trailing `^` in any group, single spaces, trimmed.

    Case and accents are folded by the database on both sides.
    """
    groups = [re.sub(r"\s+", " ", group).strip(" ").rstrip("^ ") for group in value.strip(" \0").split("=")]
    return "=".join(groups).rstrip("=")


def name_words(value: str) -> list[str]:
    """The words of a loosely typed name (fuzzy matching, PS3.18 8.3.4.2): parted by space, comma, `^` or `=`."""
    return [word for word in re.split(r"[\s,^=*?]+", value) if word]


def _split_range(value: str, one: re.Pattern[str]) -> tuple[str | None, str | None]:
    text = value.strip(" \0")
    if one.match(text):
        return text, text
    for at, character in enumerate(text):
        if character != "-":
            continue
        left, right = text[:at].strip(), text[at + 1 :].strip()
        if (not left or one.match(left)) and (not right or one.match(right)) and (left or right):
            return left or None, right or None
    raise BadValue("is neither a value nor a range of this kind")


def _date(text: str, *, last_day: bool) -> date:
    match = _DATE.match(text)
    assert match is not None
    year, month, day = (None if part is None else int(part) for part in match.groups())
    assert year is not None
    month = month if month is not None else (12 if last_day else 1)
    try:
        if day is None:
            day = calendar.monthrange(year, month)[1] if last_day else 1
        return date(year, month, day)
    except (ValueError, calendar.IllegalMonthError) as error:
        raise BadValue("is not a date of the calendar") from error


def _time(text: str, *, end: bool) -> time:
    match = _TIME.match(text)
    assert match is not None
    hour, minute, second, fraction = match.groups()
    fill = "9" if end else "0"
    seconds = min(int(second), 59) if second is not None else (59 if end else 0)  # 60 is a leap second
    try:
        return time(
            int(hour),
            int(minute) if minute is not None else (59 if end else 0),
            seconds,
            int((fraction or "").ljust(6, fill)),
        )
    except ValueError as error:
        raise BadValue("is not a time of the day") from error
