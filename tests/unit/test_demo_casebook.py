"""The cases of the demo hospital: complete, consistent with what can be ordered and coded, and reports that can be signed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wetread.app.demo.acquire import KINDS
from wetread.app.demo.casebook import CASES, MISTYPED, STAT_PATIENT, Case
from wetread.app.demo.people import BY_NUMBER, PEOPLE, with_check_digit
from wetread.app.demo.run import PROCEDURES, SCANNERS, in_order_of_need
from wetread.dicom.personname import PersonName
from wetread.orders.service import diagnosis
from wetread.reporting import rules
from wetread.security.service import valid_npi

_PROCEDURE = {entry[0]: entry for entry in PROCEDURES}
_EVERYTHING = (*CASES, MISTYPED)


def test_people_are_many_and_written_in_many_scripts() -> None:
    assert len(PEOPLE) >= 40
    assert len(BY_NUMBER) == len(PEOPLE)
    names = [one.patient_name for one in PEOPLE]
    assert len(set(names)) == len(names)
    for name in names:
        assert all(len(group) <= 64 for group in name.split("=")), name  # PS3.5 6.2.1
        assert str(PersonName.from_json(PersonName.parse(name).as_json())) == name
    text = "".join(names)
    for low, high in (("А", "я"), ("一", "龥"), ("あ", "ん"), ("ء", "ي"), ("Α", "ω"), ("가", "힣")):
        assert any(low <= character <= high for character in text), (low, high)


def test_the_physicians_numbers_hold() -> None:
    assert valid_npi(with_check_digit("199999001"))


@pytest.mark.parametrize("case", _EVERYTHING, ids=lambda case: case.key)
def test_a_case_can_be_ordered_scheduled_and_coded(case: Case) -> None:
    assert case.patient in BY_NUMBER
    _, _, modality, _, part, sided, _, cpt = _PROCEDURE[case.procedure]
    assert modality in {kind for kind, _ in SCANNERS[case.site]}, "no such scanner at this site"
    assert bool(case.laterality) == sided
    assert len(cpt) == 5
    if case.diagnosis is not None:
        found = diagnosis(case.diagnosis)
        assert found is not None and found.billable, case.diagnosis
    if case.procedure == "MGSCREEN":
        assert BY_NUMBER[case.patient].patient_sex == "F"
    if case.ending in ("started", "completed", "discontinued", "no-show"):
        assert case.ago > timedelta(0)
    if case.recipe is not None:
        assert case.recipe.kind in KINDS
        assert {"screening": "BREAST"}.get(
            case.recipe.kind.split("-")[1], case.recipe.kind.split("-")[1].upper()
        ) == part


@pytest.mark.parametrize("case", [case for case in CASES if case.report], ids=lambda case: case.key)
def test_a_report_raises_no_question_before_signing(case: Case) -> None:
    report = case.report
    assert report is not None and case.recipe is not None and case.ending == "completed"
    sections = {"findings": report.findings, "impression": report.impression}
    warnings = rules.check(
        sections,
        lateralities={case.laterality} if case.laterality else set(),
        patient_sex=BY_NUMBER[case.patient].patient_sex,
    )
    if report.kind != "draft":
        assert not warnings, warnings


def test_everything_that_a_list_can_show_is_there() -> None:
    assert len({case.key for case in _EVERYTHING}) == len(_EVERYTHING)
    endings = {case.ending for case in CASES}
    assert endings == {
        "requested", "scheduled", "arrived", "ready", "started", "completed", "no-show", "cancelled", "discontinued",
    }  # fmt: skip
    assert {case.report.kind for case in CASES if case.report} == {"draft", "preliminary", "final"}
    assert any(case.report and case.report.addendum for case in CASES)
    unread = [case for case in CASES if case.recipe and not case.report]
    assert {case.priority for case in unread} == {"STAT", "HIGH", "ROUTINE"}
    assert {case.procedure[:2] for case in unread} == {"CT", "MR", "XR", "US", "MG"}
    # Several of what is unread can be compared with an earlier study of the same kind.
    earlier = {
        (case.patient, case.procedure) for case in CASES if case.report and case.ago > timedelta(days=30)
    }
    assert len([case for case in unread if (case.patient, case.procedure) in earlier]) >= 5
    assert (STAT_PATIENT, "CTHEAD") in earlier
    # The demo's referrer has results of several patients.
    assert len({case.patient for case in CASES if case.referrer == 0 and case.report}) >= 8


def test_what_waits_to_be_read_is_made_first() -> None:
    ordered = in_order_of_need(CASES)
    kinds = ["unread" if case.recipe and not case.report else "other" for case in ordered]
    assert "unread" not in kinds[kinds.index("other") :]
