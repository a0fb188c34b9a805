"""Matching keys compiled to SQL conditions over a declared table of attributes (PS3.4 C.2.2.2).

A room declares what can be matched:

    STUDY = KeyTable(Key("PatientName", Kind.NAME, Study.patient_name_match), …)

and `STUDY.conditions({"PatientName": "DOE*"})` gives the conditions to put after WHERE. A key without a declared
column never fails a query: it is returned in `unmatched`, for the caller to say so (PS3.4 C.2.2.1.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import ColumnElement, Text, and_, false, func, literal, literal_column, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from wetread.kit.errors import FieldError, Invalid
from wetread.query import values
from wetread.query.values import BadValue, Range

Column = ColumnElement[Any] | InstrumentedAttribute[Any]
VALUES_MAX = 2000  # of one key; a requester with more must ask twice


class Kind(StrEnum):
    """How the values of a key compare, by their VR."""

    UID = "uid"  # UI: equality, list
    TEXT = "text"  # AE CS LO SH ST: equality or wild cards, case-sensitive
    NAME = (
        "name"  # PN: case and accents do not count, any group may match; the column is a `name_match_sql` one
    )
    DATE = "date"  # DA on a date column
    TIME = "time"  # TM on a time column
    INTEGER = "integer"  # IS US


@dataclass(frozen=True, slots=True)
class Key:
    """A matchable attribute: its keyword, how it compares, and where it is. `array`: the column holds many values.
    `indexed`: what has the column's value where there is one, and an index by which rows are sorted too. `groups`: the
    component groups of a name, each with an index in the order of its bytes (see `name_groups_sql`)."""

    keyword: str
    kind: Kind
    column: Column
    array: bool = False
    indexed: Column | None = None
    groups: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """Conditions for WHERE, and the keywords that have no column and so took no part."""

    conditions: list[ColumnElement[bool]]
    unmatched: list[str]


@dataclass(frozen=True)
class KeyTable:
    """The keys of one level, by keyword."""

    keys: Mapping[str, Key] = field(default_factory=dict)

    @classmethod
    def of(cls, *keys: Key) -> KeyTable:
        """A table of `keys`."""
        return cls({key.keyword: key for key in keys})

    def __or__(self, other: KeyTable) -> KeyTable:
        return KeyTable({**self.keys, **other.keys})

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keys

    def conditions(
        self,
        wanted: Mapping[str, str],
        *,
        fuzzy_names: bool = False,
        combined: Sequence[tuple[str, str]] = (),
    ) -> Compiled:
        """Compiles `wanted` (keyword → value as sent). `combined` names pairs of date and time keywords that are
        matched as one instant (C.2.2.2.5.3, negotiated). Raises Invalid naming the key whose value is no such value.
        """
        conditions: list[ColumnElement[bool]] = []
        unmatched: list[str] = []
        rest = dict(wanted)
        for date_keyword, time_keyword in combined:
            if values.is_universal(rest.get(date_keyword, "")) or values.is_universal(
                rest.get(time_keyword, "")
            ):
                continue
            dates, times = self.keys[date_keyword], self.keys[time_keyword]
            conditions.append(_instant(dates, times, rest.pop(date_keyword), rest.pop(time_keyword)))
        for keyword, value in rest.items():
            key = self.keys.get(keyword)
            if key is None:
                if not values.is_universal(value):
                    unmatched.append(keyword)
                continue
            made = condition(key, value, fuzzy_names=fuzzy_names)
            if made is not None:
                conditions.append(made)
        return Compiled(conditions, unmatched)


def condition(key: Key, value: str, *, fuzzy_names: bool = False) -> ColumnElement[bool] | None:
    """The condition of one key; None for universal matching. Raises Invalid for a value that is none."""
    if values.is_universal(value):
        return None
    try:
        if key.kind is Kind.UID:
            return _any_of(key, values.uid_list(value))
        if not _many(value):  # backslashes alone
            return None
        if key.kind is Kind.DATE:
            return or_(*(_on_days(key, values.date_range(one)) for one in _many(value)))
        if key.kind is Kind.TIME:
            return or_(*(_within(key.column, values.time_range(one)) for one in _many(value)))
        if key.kind is Kind.INTEGER:
            return _any_of(key, [_integer(one) for one in _many(value)])
        if key.kind is Kind.NAME:
            return or_(*(_name(key, one, fuzzy=fuzzy_names) for one in _many(value)))
        return or_(*(_text(key, one) for one in _many(value)))
    except BadValue as error:
        raise _invalid(key.keyword, error) from error


def name_match_sql(column: str) -> str:
    r"""The SQL of a generated column that a NAME key matches on: folded, groups between `=`, no trailing `^`.

    With a trigram index on it, what stands anywhere in a name is found by index.
    """
    return f"'=' || regexp_replace(immutable_unaccent(lower(btrim({column}))), '[\\^ ]+(=|$)', '\\1', 'g') || '='"


def name_groups_sql(column: str) -> tuple[str, ...]:
    """The SQL of the alphabetic, ideographic and phonetic group (PS3.5 6.2.1) in such a column. With an index on each, whole
    names and their beginnings are found without comparing what they share with others."""
    return tuple(f"(split_part({column}, '=', {number}) COLLATE \"C\")" for number in (2, 3, 4))


def name_groups(column: Column) -> tuple[Column, ...]:
    """The same as expressions, for Key."""
    return tuple(
        func.split_part(column, literal_column("'='"), literal_column(number), type_=Text).collate("C")
        for number in ("2", "3", "4")
    )


def after(columns: Sequence[Column], last: Sequence[Any], *, descending: bool) -> ColumnElement[bool]:
    """Rows that come after the row whose sort key is `last` (keyset paging); columns must not be null."""
    left = tuple_(*columns)
    right = tuple_(*(literal(part) for part in last))
    return left < right if descending else left > right


def _invalid(keyword: str, error: BadValue) -> Invalid:
    return Invalid(f"{keyword} {error}.", fields=[FieldError(keyword, str(error))])


def _many(value: str) -> list[str]:
    parts = [part for part in value.split("\\") if not values.is_universal(part)]
    if len(parts) > VALUES_MAX:
        raise BadValue(f"has more than {VALUES_MAX} values")
    return parts


def _integer(text: str) -> int:
    try:
        number = int(text.strip(" \0"))
    except ValueError as error:
        raise BadValue("is not an integer") from error
    if not -(2**31) <= number < 2**31:
        raise BadValue("is not an integer of 32 bits")
    return number


def _any_of(key: Key, wanted: Sequence[str] | Sequence[int]) -> ColumnElement[bool]:
    if len(wanted) > VALUES_MAX:
        raise BadValue(f"has more than {VALUES_MAX} values")
    if not wanted:
        return false()
    if key.array:
        return or_(*(literal(one) == func.any(key.column) for one in wanted))
    if len(wanted) == 1:
        return _is(key.column, wanted[0])
    return cast(ColumnElement[bool], key.column.in_(wanted))


def _is(column: Column, value: Any) -> ColumnElement[bool]:
    return cast(ColumnElement[bool], column == value)


def _within(column: Column, wanted: Range[Any]) -> ColumnElement[bool]:
    if wanted.first is not None and wanted.first == wanted.last:
        return _is(column, wanted.first)
    bounds: list[ColumnElement[bool]] = []
    if wanted.first is not None:
        bounds.append(column >= wanted.first)
    if wanted.last is not None:
        bounds.append(column <= wanted.last)
    return and_(*bounds)


def _on_days(key: Key, wanted: Range[date]) -> ColumnElement[bool]:
    within = _within(key.column, wanted)
    return within if key.indexed is None else and_(within, _within(key.indexed, wanted))


def _instant(dates: Key, times: Key, date_value: str, time_value: str) -> ColumnElement[bool]:
    try:
        days = values.date_range(date_value)
    except BadValue as error:
        raise _invalid(dates.keyword, error) from error
    try:
        clock = values.time_range(time_value)
    except BadValue as error:
        raise _invalid(times.keyword, error) from error
    both = tuple_(dates.column, times.column)
    bounds: list[ColumnElement[bool]] = []
    if days.first is not None:
        bounds.append(
            dates.column >= days.first
            if clock.first is None
            else both >= tuple_(literal(days.first), literal(clock.first))
        )
    if days.last is not None:
        bounds.append(
            dates.column <= days.last
            if clock.last is None
            else both <= tuple_(literal(days.last), literal(clock.last))
        )
    if dates.indexed is not None:
        bounds.append(_within(dates.indexed, days))
    return and_(*bounds)


def _text(key: Key, value: str) -> ColumnElement[bool]:
    text = value.strip(" \0")
    if not values.has_wildcard(text):
        return literal(text) == func.any(key.column) if key.array else _is(key.column, text)
    pattern = values.like_pattern(text)
    if not key.array:
        return key.column.like(pattern, escape="\\")
    one = func.unnest(key.column).column_valued("one")
    return select(literal(1)).where(one.like(pattern, escape="\\")).exists()


def _name(key: Key, value: str, *, fuzzy: bool) -> ColumnElement[bool]:
    column = key.column
    if fuzzy:
        words = values.name_words(value)
        if not words:
            raise BadValue("has no letters to look for")
        # One expression a word: with several, the index would be gone through for each, and for all that begins so.
        return and_(*(column.op("~", is_comparison=True)(_beginning_of_a_word(word)) for word in words))
    name = values.name_pattern(value)
    whole = name.rstrip("*")
    if key.groups and whole and "=" not in name and not values.has_wildcard(whole):
        wanted = _folded(whole)
        if whole == name:
            return or_(*(group == wanted for group in key.groups))
        beyond = wanted.concat(literal_column("chr(1114111)", Text))  # the last character that there is
        return or_(*(and_(group >= wanted, group < beyond) for group in key.groups))
    pattern = values.like_pattern(name)
    return column.like(_folded(f"%={pattern}=%"), escape="\\")


def _beginning_of_a_word(word: str) -> ColumnElement[str]:
    """The regular expression: all in the word stands for itself."""
    plain = func.regexp_replace(
        _folded(word),
        literal_column("'([^[:alnum:]])'"),
        literal_column("'\\\\\\1'"),
        literal_column("'g'"),
        type_=Text,
    )
    return func.textcat(literal_column("'[=^ -]'"), plain, type_=Text)


def _folded(pattern: str) -> ColumnElement[str]:
    return func.immutable_unaccent(func.lower(literal(pattern)))
