"""What conditions mean, and how long patience lasts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.kit.errors import Invalid
from wetread.routing.rules import ATTEMPTS_MAX, Condition, Operator, conditions_of, stored, wait_after

CT_HEAD = {
    "Modality": frozenset({"CT", "SR"}),
    "StudyDescription": frozenset({"CT Head without contrast"}),
    "StationName": frozenset[str](),
}


@pytest.mark.parametrize(
    ("keyword", "operator", "values", "met"),
    [
        ("Modality", "is", ("ct",), True),
        ("Modality", "is", ("MR", "CT"), True),
        ("Modality", "is", ("MR",), False),
        ("Modality", "is_not", ("MR",), True),
        ("Modality", "is_not", ("SR",), False),  # any value in the study counts
        ("StudyDescription", "contains", ("HEAD",), True),
        ("StudyDescription", "contains", ("knee", "without"), True),
        ("StudyDescription", "starts_with", ("ct h",), True),
        ("StudyDescription", "starts_with", ("head",), False),
        ("StationName", "exists", (), False),
        ("StationName", "absent", (), True),
        ("StationName", "is_not", ("CT1",), True),
        ("Manufacturer", "is", ("x",), False),  # not a fact of this study at all
    ],
)
def test_a_condition_holds(keyword: str, operator: str, values: tuple[str, ...], met: bool) -> None:
    assert Condition(keyword, Operator(operator), values).met_by(CT_HEAD) is met


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"keyword": "PatientName", "operator": "is", "values": ["x"]}, "conditions.0.keyword"),
        ({"keyword": "Modality", "operator": "like", "values": ["x"]}, "conditions.0.operator"),
        ({"keyword": "Modality", "operator": "is", "values": []}, "conditions.0.values"),
        ({"keyword": "Modality", "operator": "exists", "values": ["CT"]}, "conditions.0.values"),
        ({"keyword": "Modality", "operator": "is", "values": [" "]}, "conditions.0.values"),
        ({"keyword": "Modality", "operator": "is", "values": ["x" * 65]}, "conditions.0.values"),
    ],
)
def test_what_is_no_condition_names_its_field(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        conditions_of([raw])
    assert [fault.field for fault in refused.value.fields] == [field]


@given(
    st.lists(
        st.builds(
            lambda keyword, values: Condition(keyword, Operator.IS, tuple(values)),
            st.sampled_from(["Modality", "StudyDescription"]),
            st.lists(st.text(min_size=1, max_size=9).map(str.strip).filter(bool), min_size=1, max_size=3),
        ),
        max_size=5,
    )
)
def test_what_is_kept_is_what_was_said(conditions: list[Condition]) -> None:
    assert conditions_of(stored(conditions)) == tuple(conditions)


def test_patience_grows_and_ends() -> None:
    waits = [wait_after(attempts) for attempts in range(1, ATTEMPTS_MAX)]
    seconds = [wait.total_seconds() for wait in waits if wait is not None]
    assert seconds[:4] == [15, 30, 60, 120]
    assert seconds == sorted(seconds)
    assert seconds[-1] == 3600
    assert wait_after(ATTEMPTS_MAX) is None
