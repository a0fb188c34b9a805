"""Matching keys compiled to SQL: what PS3.4 C.2.2.2 says of each kind of value."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Date, Integer, MetaData, String, Table, Time, func, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from wetread.kit.errors import Invalid
from wetread.query import values
from wetread.query.matching import Key, KeyTable, Kind, condition, name_groups
from wetread.query.values import BadValue

TABLE = Table(
    "t",
    MetaData(),
    Column("uid", String),
    Column("code", String),
    Column("codes", ARRAY(String)),
    Column("name", String),
    Column("day", Date),
    Column("clock", Time),
    Column("number", Integer),
)
UID = Key("StudyInstanceUID", Kind.UID, TABLE.c.uid)
CODE = Key("Modality", Kind.TEXT, TABLE.c.code)
CODES = Key("ModalitiesInStudy", Kind.TEXT, TABLE.c.codes, array=True)
NAME = Key("PatientName", Kind.NAME, TABLE.c.name)
DAY = Key("StudyDate", Kind.DATE, TABLE.c.day)
CLOCK = Key("StudyTime", Kind.TIME, TABLE.c.clock)
NUMBER = Key("SeriesNumber", Kind.INTEGER, TABLE.c.number)


def sql(key: Key, value: str, *, fuzzy: bool = False) -> str:
    made = condition(key, value, fuzzy_names=fuzzy)
    assert made is not None
    dialect = postgresql.dialect()
    return str(made.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).replace("%%", "%")


@pytest.mark.parametrize("value", ["", " ", "*", "**", "\0"])
@pytest.mark.parametrize("key", [UID, CODE, NAME, DAY, NUMBER])
def test_universal_matching_makes_no_condition(key: Key, value: str) -> None:
    assert condition(key, value) is None


@pytest.mark.parametrize("value", ["\\", "*\\ ", "\\\\"])
@pytest.mark.parametrize("key", [CODE, NAME, DAY, CLOCK, NUMBER])
def test_a_list_of_nothing_is_universal(key: Key, value: str) -> None:
    assert condition(key, value) is None
    assert condition(key, value, fuzzy_names=True) is None


def test_a_list_of_uids_becomes_in() -> None:
    assert sql(UID, "1.2.3 \\1.2.4\0") == "t.uid IN ('1.2.3', '1.2.4')"
    assert sql(UID, "1.2.3.004") == "t.uid = '1.2.3.004'"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("CT", "t.code = 'CT'"),
        ("C?", r"t.code LIKE 'C_' ESCAPE '\'"),
        ("*T*", r"t.code LIKE '%T%' ESCAPE '\'"),
        ("_1%", "t.code = '_1%'"),
        ("_1%*", r"t.code LIKE '\_1\%%' ESCAPE '\'"),
        ("CT\\MR", "t.code = 'CT' OR t.code = 'MR'"),
    ],
)
def test_wild_cards_and_nothing_else_are_special(value: str, expected: str) -> None:
    assert sql(CODE, value) == expected


def test_an_array_matches_where_one_value_does() -> None:
    assert sql(CODES, "CT").replace("::VARCHAR", "").lower() == "'ct' = any(t.codes)"
    assert "unnest(t.codes)" in sql(CODES, "C*")


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("20260131", date(2026, 1, 31), date(2026, 1, 31)),
        ("2026.01.31", date(2026, 1, 31), date(2026, 1, 31)),
        ("-20260131", None, date(2026, 1, 31)),
        ("20260131-", date(2026, 1, 31), None),
        ("20260101-20260131", date(2026, 1, 1), date(2026, 1, 31)),
        ("202602", date(2026, 2, 1), date(2026, 2, 28)),
        ("2024-2025", date(2024, 1, 1), date(2025, 12, 31)),
    ],
)
def test_date_ranges(value: str, first: date | None, last: date | None) -> None:
    found = values.date_range(value)
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("1030", time(10, 30), time(10, 30, 59, 999999)),
        ("103015.5", time(10, 30, 15, 500000), time(10, 30, 15, 599999)),
        ("-12", None, time(12, 59, 59, 999999)),
        ("08-", time(8), None),
        ("0800-0900", time(8), time(9, 0, 59, 999999)),
        ("235960", time(23, 59, 59), time(23, 59, 59, 999999)),
    ],
)
def test_time_ranges(value: str, first: time | None, last: time | None) -> None:
    found = values.time_range(value)
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (DAY, "20261341"),
        (DAY, "-"),
        (DAY, "yesterday"),
        (CLOCK, "2561"),
        (NUMBER, "1.5"),
        (UID, "1.2;id"),
        (NUMBER, "9" * 12),
    ],
)
def test_a_value_that_is_none_names_its_key(key: Key, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        condition(key, value)
    assert caught.value.fields[0].field == key.keyword


def test_names_fold_and_match_any_group() -> None:
    assert sql(NAME, "Doe^John^^") == r"t.name LIKE immutable_unaccent(lower('%=Doe^John=%')) ESCAPE '\'"
    assert "'%=D\\_e%=%'" in sql(NAME, "D_e*")


def test_fuzzy_names_match_words_wherever_they_stand() -> None:
    made = sql(NAME, "john doe", fuzzy=True)
    assert made.count("john") == made.count("doe") == 1
    assert " AND " in made


@pytest.mark.parametrize(
    ("value", "by_group"),
    [
        ("Doe^John", True),
        ("Doe*", True),
        ("*oe", False),
        ("D?e*", False),
        ("Doe^John=山田", False),
        ("^", False),
    ],
)
def test_whole_names_and_beginnings_are_looked_for_in_each_group(value: str, by_group: bool) -> None:
    made = sql(Key("PatientName", Kind.NAME, TABLE.c.name, groups=name_groups(TABLE.c.name)), value)
    assert made.count("split_part(t.name, '=', ") == (3 * (1 + value.endswith("*")) if by_group else 0)
    assert ("LIKE" in made) is not by_group


def test_date_and_time_can_match_as_one_instant() -> None:
    table = KeyTable.of(DAY, CLOCK)
    wanted = {"StudyDate": "20260101-20260102", "StudyTime": "1200-0800"}
    apart = table.conditions(wanted)
    together = table.conditions(wanted, combined=[("StudyDate", "StudyTime")])
    assert len(apart.conditions) == 2
    assert len(together.conditions) == 1
    assert "(t.day, t.clock) >=" in str(together.conditions[0])


def test_an_unknown_key_is_told_not_refused() -> None:
    compiled = KeyTable.of(CODE).conditions({"Modality": "CT", "PatientMood": "good", "Empty": ""})
    assert len(compiled.conditions) == 1
    assert compiled.unmatched == ["PatientMood"]


@given(st.text(max_size=60))
def test_reading_a_range_never_fails_otherwise(value: str) -> None:
    for read in (values.date_range, values.time_range):
        try:
            found = read(value)
        except BadValue:
            continue
        assert found.first is not None or found.last is not None


@given(st.text(alphabet="ab_%\\*?", max_size=12), st.text(alphabet="ab_%\\", max_size=12))
def test_a_like_pattern_means_what_the_wild_cards_mean(pattern: str, text: str) -> None:
    import fnmatch
    import re

    like = values.like_pattern(pattern)
    meaning = ""
    characters = iter(like)
    for character in characters:
        if character == "\\":
            meaning += re.escape(next(characters))
        else:
            meaning += {"%": "(?s:.*)", "_": "(?s:.)"}.get(character, re.escape(character))
    assert bool(re.fullmatch(meaning, text)) == fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [("20260131", ["= '2026-01-31'"]), ("20260101-20260131", [">= '2026-01-01'", "<= '2026-01-31'"]), ("-20260131", ["<= '2026-01-31'"])],
)  # fmt: skip
def test_days_are_bounded_by_what_rows_are_sorted_by_too(value: str, bounds: list[str]) -> None:
    """Both: what has no day is sorted by one, and is on none."""
    sorted_by = func.coalesce(TABLE.c.day, text("'0001-01-01'"))
    days = Key("StudyDate", Kind.DATE, TABLE.c.day, indexed=sorted_by)
    wanted = {"StudyDate": value, "StudyTime": "08-12"}
    table = KeyTable.of(days, CLOCK)
    (combined,) = table.conditions(wanted, combined=[("StudyDate", "StudyTime")]).conditions
    for made in (
        sql(days, value),
        str(combined.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})),
    ):
        for bound in bounds:
            assert f"coalesce(t.day, '0001-01-01') {bound}" in made
            assert made.count("t.day") > len(bounds)
