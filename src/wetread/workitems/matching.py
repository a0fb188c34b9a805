"""Attribute matching (PS3.4 C.2.2.2) of a data set in memory, in the DICOM JSON Model. Pure.

Subscriptions with a filter ask it of each new Workitem, searches of what the database narrowed down. Sequences match by
item, dates by their range, names without regard to capitals and accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from wetread.dicom.personname import PersonName
from wetread.query import values
from wetread.query.values import BadValue

JsonDict = Mapping[str, Any]

# They say how a data set is to be read; nothing is matched on them.
_NOT_KEYS = frozenset({"00080005", "00080052", "00080053", "00080201"})
_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?\Z"
)


def texts(entry: JsonDict) -> list[str]:
    """The values of an element as text; empty ones are left out."""
    found = []
    for sent in entry.get("Value") or ():
        is_name = isinstance(sent, Mapping) and entry.get("vr") == "PN"
        value = str(PersonName.from_json(dict(sent))) if is_name else sent
        if value is not None and not isinstance(value, Mapping) and str(value).strip(" \0"):
            found.append(str(value).strip(" \0"))
    return found


def is_universal(key: JsonDict) -> bool:
    """Whether the key matches everything: empty, or of a sequence whose item asks for nothing."""
    if key.get("vr") == "SQ":
        return all(
            is_universal(inner)
            for item in key.get("Value") or ()
            if isinstance(item, Mapping)
            for inner in item.values()
        )
    return all(values.is_universal(one) for one in texts(key))


def check(keys: JsonDict) -> None:
    """Raises BadValue for a key whose value can match nothing of its kind, as a range that is none."""
    matches({}, keys)
    for key in keys.values():
        vr = str(key.get("vr"))
        if vr == "SQ":
            for item in key.get("Value") or ():
                check(item)
        elif vr in ("DA", "TM", "DT", "UI") or vr in _NUMBERS:
            for one in texts(key):
                if not values.is_universal(one):
                    _one_matches(vr, one, "")


def matches(attributes: JsonDict, keys: JsonDict) -> bool:
    """Whether a data set has what all the keys ask for. Raises BadValue."""
    for tag, key in keys.items():
        if tag in _NOT_KEYS or is_universal(key):
            continue
        have = attributes.get(tag, {})
        if key.get("vr") == "SQ":
            wanted = (key.get("Value") or [{}])[0]
            if not any(
                matches(item, wanted) for item in have.get("Value") or () if isinstance(item, Mapping)
            ):
                return False
        elif not _matches(str(key.get("vr", "LO")), texts(have), texts(key)):
            return False
    return True


def select(attributes: JsonDict, keys: JsonDict) -> dict[str, Any]:
    """What the keys ask to be told of a data set; what it lacks is told without a value."""
    chosen: dict[str, Any] = {}
    for tag, key in keys.items():
        if tag in _NOT_KEYS:
            continue
        have = attributes.get(tag)
        wanted = key.get("Value") or ()
        if have is None:
            chosen[tag] = {"vr": key.get("vr", "UN")}
        elif key.get("vr") == "SQ" and wanted and wanted[0]:
            # What is there may be of another VR than what is asked for.
            items = [select(item, wanted[0]) for item in have.get("Value") or () if isinstance(item, Mapping)]
            chosen[tag] = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        else:
            chosen[tag] = have
    return dict(sorted(chosen.items()))


def _matches(vr: str, have: Iterable[str], wanted: Iterable[str]) -> bool:
    asked = [one for one in wanted if not values.is_universal(one)]
    return any(_one_matches(vr, one, value) for value in have for one in asked)


def _one_matches(vr: str, wanted: str, have: str) -> bool:
    """`have` empty: `wanted` alone is looked at, and nothing matches."""
    if vr == "DA":
        days = values.date_range(wanted)
        own = _quietly(values.date_range, have)
        return own is not None and _overlap(own.first, own.last, days.first, days.last)
    if vr == "TM":
        clock = values.time_range(wanted)
        time = _quietly(values.time_range, have)
        return time is not None and _overlap(time.first, time.first, clock.first, clock.last)
    if vr == "DT":
        first, last = date_time_range(wanted)
        instant = _quietly(date_time_range, have)
        return instant is not None and _overlap(instant[0], instant[0], first, last)
    if vr in _NUMBERS:
        number = _number(wanted)
        return bool(have) and number == _quietly(_number, have)
    if vr == "UI":
        return have in values.uid_list(wanted)
    if vr == "PN":
        pattern = _folded(values.name_pattern(wanted))
        name = _folded(values.name_pattern(have))
        return bool(have) and any(_like(pattern, one) for one in (name, *name.split("=")))
    return bool(have) and _like(wanted, have)


def _overlap(first: Any, last: Any, lower: Any, upper: Any) -> bool:
    return (lower is None or (last is not None and last >= lower)) and (
        upper is None or (first is not None and first <= upper)
    )


def _quietly(read: Any, value: str) -> Any:
    """What a data set holds may be no value of its kind: then it matches nothing."""
    try:
        return read(value) if value else None
    except BadValue:
        return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadValue("is not a number") from None


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(one for one in decomposed if not unicodedata.combining(one)).casefold()


def _like(pattern: str, text: str) -> bool:
    """Wild cards `*` and `?`, in time that grows with the product of the lengths and never worse."""
    at = star = mark = 0
    place, starred = 0, False
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark, starred = at, place, True
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif starred:
            mark += 1
            at, place = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")


def date_time_range(text: str) -> tuple[datetime | None, datetime | None]:
    """First and last instant of a DT or a range of them (PS3.4 C.2.2.2.5), aware UTC; None is open.

    A hyphen parts a range, or begins an offset from UTC: it is an offset where it can be one. Raises BadValue.
    """
    text = text.strip(" \0")
    whole = _instants(text)
    if whole is not None:
        return whole
    for at, character in enumerate(text):
        if character != "-":
            continue
        left, right = text[:at].strip(), text[at + 1 :].strip()
        before, after = _instants(left), _instants(right)
        if (before or not left) and (after or not right) and (left or right):
            return (before[0] if before else None), (after[1] if after else None)
    raise BadValue("is neither a date and time nor a range of them")


def _instants(text: str) -> tuple[datetime, datetime] | None:
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    parts = [None if one is None else int(one) for one in match.groups()[:6]]
    zone: timezone = UTC
    if offset := match.group(8):
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        minutes = -minutes if offset[0] == "-" else minutes
        if int(offset[3:]) > 59 or not -12 * 60 <= minutes <= 14 * 60:
            return None
        zone = timezone(timedelta(minutes=minutes))
    year, month, day, hour, minute, second = parts
    assert year is not None
    fraction = match.group(7)
    try:
        first = datetime(
            year, month or 1, day or 1, hour or 0, minute or 0, min(second or 0, 59),
            int((fraction or "0").ljust(6, "0")), tzinfo=zone,
        )  # fmt: skip
        return first.astimezone(UTC), _end(first, parts, fraction).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _end(first: datetime, parts: list[int | None], fraction: str | None) -> datetime:
    """The last instant that the value means: a year alone is all of it."""
    if fraction is not None:
        return first
    _, month, day, hour, minute, second = parts
    if month is None:
        after = first.replace(year=first.year + 1)
    elif day is None:
        after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    else:
        unit = next(
            (
                step
                for value, step in ((hour, {"days": 1}), (minute, {"hours": 1}), (second, {"minutes": 1}))
                if value is None
            ),
            {"seconds": 1},
        )
        after = first + timedelta(**unit)
    return after - timedelta(microseconds=1)
