"""The life of a report, step by step; its templates; what a careful colleague would ask."""

from __future__ import annotations

import pytest

from wetread.kit.errors import IllegalTransition
from wetread.reporting import rules
from wetread.reporting.rules import ReportState as State
from wetread.reporting.rules import Step

ALLOWED = {
    (State.DRAFT, Step.SAVE_DRAFT): State.DRAFT,
    (State.DRAFT, Step.SIGN_PRELIMINARY): State.PRELIMINARY,
    (State.DRAFT, Step.SIGN_FINAL): State.FINAL,
    (State.PRELIMINARY, Step.SAVE_DRAFT): State.PRELIMINARY,
    (State.PRELIMINARY, Step.SIGN_PRELIMINARY): State.PRELIMINARY,
    (State.PRELIMINARY, Step.SIGN_FINAL): State.FINAL,
    (State.FINAL, Step.ADDEND): State.ADDENDED,
    (State.ADDENDED, Step.ADDEND): State.ADDENDED,
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_every_step_from_every_state(state: State, step: Step) -> None:
    if (state, step) in ALLOWED:
        assert rules.after(state, step) is ALLOWED[state, step]
    else:
        with pytest.raises(IllegalTransition) as refused:
            rules.after(state, step)
        assert (refused.value.status, refused.value.state, refused.value.step) == (409, state, step)


def codes(
    findings: str, impression: str = "Normal.", *, sides: set[str] | None = None, sex: str | None = None
) -> set[str]:
    sections = {"findings": findings, "impression": impression}
    return {one.code for one in rules.check(sections, lateralities=sides or set(), patient_sex=sex)}


@pytest.mark.parametrize(
    ("side", "findings", "impression", "warned"),
    [
        ("L", "Fracture of the right patella.", "Patella fracture.", True),
        ("R", "Fracture of the left patella.", "Patella fracture.", True),
        ("R", "Gelenkspalt links verschmälert.", "Arthrose.", True),
        ("L", "Épanchement du genou droit.", "Épanchement.", True),
        (
            "L",
            "Left knee: fracture. Right knee for comparison: normal.",
            "Fracture of the left patella.",
            False,
        ),
        (
            "L",
            "Left knee: fracture. Right knee for comparison: normal.",
            "Fracture of the RIGHT patella.",
            True,
        ),
        ("L", "Fracture of the left patella.", "Patella fracture.", False),
        ("L", "Fracture of the patella.", "Fracture.", False),
        ("L", "A bright spot, copyright 2026.", "Upright view.", False),
    ],
)
def test_a_side_against_the_order(side: str, findings: str, impression: str, warned: bool) -> None:
    assert ("laterality" in codes(findings, impression, sides={side})) is warned


@pytest.mark.parametrize(
    ("ordered", "shown", "words"),
    [
        ({"L"}, {"R"}, "The order is for the LEFT side; the images are marked RIGHT."),
        ({"R"}, {"L", "R"}, "The order is for the RIGHT side; some images are marked LEFT."),
        ({"L"}, {"L"}, None),
        ({"L"}, set(), None),
        ({"B"}, {"L"}, None),
        ({"L", "R"}, {"R"}, None),
        (set(), {"R"}, None),
    ],
)
def test_images_of_another_side_than_was_ordered(
    ordered: set[str], shown: set[str], words: str | None
) -> None:
    sections = {"findings": "Normal.", "impression": "Normal."}
    found = rules.check(sections, lateralities=ordered, patient_sex=None, shown=shown)
    assert [one.text for one in found] == ([] if words is None else [words])


def test_orders_of_both_sides_allow_both() -> None:
    assert codes("Right and left.", "Right worse.", sides={"B"}) == set()
    assert codes("Right.", "Right.", sides={"L", "R"}) == set()
    assert codes("Right.", "Right.", sides=set()) == set()


@pytest.mark.parametrize("impression", ["", "  \n\t "])
def test_without_an_impression_nothing_is_signed(impression: str) -> None:
    (found,) = rules.check(
        {"findings": "Normal.", "impression": impression}, lateralities=set(), patient_sex=None
    )
    assert (found.code, found.blocking) == ("empty-impression", True)
    (missing,) = rules.check({"findings": "Normal."}, lateralities=set(), patient_sex=None)
    assert missing.blocking


def test_organs_of_the_other_sex_and_blanks_are_asked_about() -> None:
    assert codes("Uterus: normal.", sex="M") == {"sex"}
    assert codes("Prostate: enlarged.", sex="F") == {"sex"}
    assert codes("Uterus: normal.", sex="F") == codes("Prostate: normal.", sex="M") == set()
    assert codes("Uterus and prostate: normal.", sex="O") == codes("Uterus: normal.", sex=None) == set()
    for blank in ("Size ____ mm.", "Nodule: [ ]", "Margin ???"):
        assert codes(blank) == {"blank"}


@pytest.mark.parametrize(
    ("modality", "part", "named", "key"),
    [
        ("CT", "HEAD", None, "ct-head-stroke"),
        ("MR", "HEAD", None, "mr-head"),
        ("CT", "CHEST", None, "ct-chest"),
        ("DX", "CHEST", None, "xr-chest"),
        ("CR", "KNEE", None, "xr-extremity"),
        ("US", "ABDOMEN", None, "us-abdomen"),
        ("MG", "BREAST", None, "mg-screening"),
        ("NM", "HEART", None, "general"),
        ("CT", "HEAD", "general", "general"),
    ],
)
def test_the_template_that_fits(modality: str, part: str, named: str | None, key: str) -> None:
    assert rules.template_for(modality, part, named).key == key


def test_every_template_has_the_sections_of_a_report_in_order() -> None:
    for one in rules.TEMPLATES:
        assert tuple(one.sections) == rules.SECTIONS[:-1]
        assert one.sections["impression"] == "", "nobody signs an impression that nobody wrote"
    assert len({one.key for one in rules.TEMPLATES}) == len(rules.TEMPLATES)
    assert rules.template("no such").key == "general"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("a 5\u00a0mm nodule", "a 5\u00a0mm nodule"),
        ("所見\u3000正常", "所見\u3000正常"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("bell\x07 nul\x00 escape\x1b", "bell nul escape"),
        ("  kept\tinside  ", "kept\tinside"),
    ],
)
def test_text_is_kept_as_typed_but_for_what_breaks_documents(typed: str, kept: str) -> None:
    assert rules.cleaned_text(typed) == kept


def test_the_hash_stands_for_every_letter_whatever_the_order() -> None:
    one = rules.content_hash({"findings": "a", "impression": "b"})
    assert one == rules.content_hash({"impression": "b", "findings": "a"})
    assert one != rules.content_hash({"findings": "b", "impression": "a"})
    assert one != rules.content_hash({"findings": "a", "impression": "b "})
