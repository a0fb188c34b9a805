"""Matching of data sets in memory (PS3.4 C.2.2.2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.query.values import BadValue
from wetread.workitems import matching
from wetread.workitems.rules import element

ITEM = (
    element("PatientName", {"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎"})
    | element("PatientID", "P_1%")
    | element("PatientBirthDate", "19700131")
    | element("ScheduledProcedureStepStartDateTime", "20261125030000-0500")
    | element("ScheduledProcedureStepPriority", "HIGH")
    | element("SOPInstanceUID", "1.2.3")
    | element(
        "ScheduledStationNameCodeSequence",
        element("CodeValue", "CT1") | element("CodingSchemeDesignator", "99HOUSE"),
        element("CodeValue", "MR1") | element("CodingSchemeDesignator", "DCM"),
    )
)


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientName", {"Alphabetic": "muller*"}, True),
        ("PatientName", {"Alphabetic": "Müller^J?rg"}, True),
        ("PatientName", {"Alphabetic": "山田*"}, True),
        ("PatientName", {"Alphabetic": "Miller*"}, False),
        ("PatientID", "P_1%", True),
        ("PatientID", "P*", True),
        ("PatientID", "p_1%", False),
        ("PatientID", "P?1?", True),
        ("PatientID", "*", True),
        ("PatientBirthDate", "19700101-19701231", True),
        ("PatientBirthDate", "-19691231", False),
        ("PatientBirthDate", "19700131", True),
        ("ScheduledProcedureStepStartDateTime", "20261125080000+0000", True),
        ("ScheduledProcedureStepStartDateTime", "20261125", True),
        ("ScheduledProcedureStepStartDateTime", "20261125080001-20261126", False),
        ("ScheduledProcedureStepStartDateTime", "20261101-", True),
        ("ScheduledProcedureStepStartDateTime", "-2025", False),
        ("ScheduledProcedureStepPriority", "HIGH", True),
        ("ScheduledProcedureStepPriority", "LOW", False),
        ("SOPInstanceUID", "1.2.3", True),
        ("SOPInstanceUID", "1.2", False),
        ("AdmissionID", "A1", False),
        ("AdmissionID", "*", True),
    ],
)
def test_single_keys(keyword: str, value: object, expected: bool) -> None:
    assert matching.matches(ITEM, element(keyword, value)) is expected


def test_a_list_of_uids() -> None:
    assert matching.matches(ITEM, element("SOPInstanceUID", "1.2.9", "1.2.3"))


def test_one_item_must_match_all_keys_of_a_sequence() -> None:
    def stations(value: str, scheme: str) -> dict[str, object]:
        inner = element("CodeValue", value) | element("CodingSchemeDesignator", scheme)
        return element("ScheduledStationNameCodeSequence", inner)

    assert matching.matches(ITEM, stations("MR1", "DCM"))
    assert not matching.matches(ITEM, stations("CT1", "DCM"))
    assert matching.matches(ITEM, element("ScheduledStationNameCodeSequence"))
    assert matching.matches(ITEM, element("ScheduledStationNameCodeSequence", element("CodeValue")))


def test_what_is_asked_for_is_told_and_nothing_else() -> None:
    keys = (
        element("PatientID", "P*")
        | element("AdmissionID")
        | element("ScheduledStationNameCodeSequence", element("CodeValue"))
    )
    told = matching.select(ITEM, keys)
    assert list(told) == sorted(told)
    assert told["00100020"]["Value"] == ["P_1%"]
    assert told["00380010"] == {"vr": "LO"}
    assert told["00404025"]["Value"] == [element("CodeValue", "CT1"), element("CodeValue", "MR1")]


def test_what_is_there_of_another_vr_than_is_asked_for() -> None:
    number = {"00404025": {"vr": "SS", "Value": [7]}}
    keys = element("ScheduledStationNameCodeSequence", element("CodeValue", "CT1"))
    assert not matching.matches(number, keys)
    assert matching.select(number, keys) == {"00404025": {"vr": "SQ"}}


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("202602", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026013112+0100", datetime(2026, 1, 31, 11, tzinfo=UTC), datetime(2026, 1, 31, 11, 59, 59, 999999, tzinfo=UTC)),
        ("20260131120000.5", datetime(2026, 1, 31, 12, 0, 0, 500000, tzinfo=UTC), datetime(2026, 1, 31, 12, 0, 0, 500000, tzinfo=UTC)),
        ("2025-2026", datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("-20260131120000-0500", None, datetime(2026, 1, 31, 17, 0, 0, 999999, tzinfo=UTC)),
        ("20260131120000-0500-", datetime(2026, 1, 31, 17, tzinfo=UTC), None),
    ],
)  # fmt: skip
def test_dates_with_times(text: str, first: datetime | None, last: datetime | None) -> None:
    assert matching.date_time_range(text) == (first, last)


@pytest.mark.parametrize("text", ["", "-", "yesterday", "20261399", "2026-2027-2028", "99999999999999999"])
def test_what_is_no_date_and_time(text: str) -> None:
    with pytest.raises(BadValue):
        matching.date_time_range(text)


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_wild_cards_mean_what_a_slower_way_says(pattern: str, text: str) -> None:
    def slow(at: int, place: int) -> bool:
        if at == len(pattern):
            return place == len(text)
        if pattern[at] == "*":
            return any(slow(at + 1, later) for later in range(place, len(text) + 1))
        return place < len(text) and pattern[at] in ("?", text[place]) and slow(at + 1, place + 1)

    assert matching._like(pattern, text) is slow(0, 0)


@given(st.text(max_size=30))
def test_no_value_breaks_a_key(text: str) -> None:
    for keyword in ("PatientBirthDate", "ScheduledProcedureStepStartDateTime", "PatientName", "PatientID"):
        value: object = {"Alphabetic": text} if keyword == "PatientName" else text
        try:
            matching.check(element(keyword, value))
        except BadValue:
            continue
        matching.matches(ITEM, element(keyword, value))
        matching.matches(element(keyword, value), element(keyword, "2026"))
