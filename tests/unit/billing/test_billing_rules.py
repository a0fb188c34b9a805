"""State machines and the scrubber of billing."""

from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.billing.model import ChargeState, ClaimState, Component
from wetread.billing.rules import (
    CHARGE_MOVES,
    CLAIM_MOVES,
    AddressFacts,
    ChargeMove,
    ClaimFacts,
    ClaimMove,
    CoverageFacts,
    EntityFacts,
    Finding,
    LineFacts,
    Need,
    PersonFacts,
    charge_moved,
    claim_diagnoses,
    claim_moved,
    components,
    frequency_after,
    modifiers,
    pointers,
    scrub,
    verdict,
)
from wetread.kit.errors import IllegalTransition

OAK = AddressFacts("3 Oak St", "Anytown", "MA", "02115-1234")
LINE = LineFacts(1, "70450", ("26",), False, 1, 25000, date(2026, 11, 20), ("R51.9",))
GOOD = ClaimFacts(
    component="26",
    place_of_service="22",
    total_minor=25000,
    patient_name="Doe^Jane",
    patient_birth_date=date(1960, 1, 1),
    patient_address=AddressFacts("2 Elm St", "Anytown", "MA", "02115"),
    coverage=CoverageFacts("Medicare", "12345", "MB", "1EG4TE5MK73", "self", None, None),
    referrer=PersonFacts("Smith^Ann", "1679576722"),
    reader=PersonFacts("Read^Ray", "1497758544"),
    report_is_final=True,
    billing_provider=EntityFacts("Riverside Radiology", "1234567893", OAK, "123456789"),
    site=EntityFacts("Riverside", "1588667638", OAK),
    lines=(LINE,),
    submitter_is_set=True,
    today=date(2026, 11, 25),
)


def test_a_complete_claim_has_no_finding() -> None:
    assert scrub(GOOD) == []
    assert scrub(replace(GOOD, component="TC", reader=None, report_is_final=False)) == []


def line(**changes: object) -> ClaimFacts:
    changed = replace(LINE, **changes)
    return replace(GOOD, lines=(changed,), total_minor=changed.amount_minor)


@pytest.mark.parametrize(
    ("facts", "need", "field"),
    [
        (replace(GOOD, reader=None, report_is_final=False), Need.REPORT, "report"),
        (replace(GOOD, reader=None), Need.READER, "reader"),
        (replace(GOOD, coverage=None), Need.COVERAGE, "coverage"),
        (replace(GOOD, coverage=replace(GOOD.coverage, member_id=" ")), Need.COVERAGE, "member_id"),
        (replace(GOOD, coverage=replace(GOOD.coverage, payer_id="")), Need.COVERAGE, "payer_id"),
        (replace(GOOD, coverage=replace(GOOD.coverage, relationship="child", subscriber_birth_date=date(1980, 1, 1))), Need.COVERAGE, "subscriber_name"),
        (replace(GOOD, coverage=replace(GOOD.coverage, relationship="child", subscriber_name="Doe^Jim")), Need.COVERAGE, "subscriber_birth_date"),
        (replace(GOOD, patient_name="山田^太郎"), Need.PATIENT, "patient_name"),
        (replace(GOOD, patient_birth_date=None), Need.PATIENT, "patient_birth_date"),
        (replace(GOOD, patient_address=replace(OAK, line=None)), Need.PATIENT, "patient_address_line"),
        (replace(GOOD, patient_address=replace(OAK, state="XX")), Need.PATIENT, "patient_state"),
        (replace(GOOD, patient_address=replace(OAK, postal_code="0211")), Need.PATIENT, "patient_postal_code"),
        (replace(GOOD, referrer=None), Need.REFERRER, "referrer"),
        (replace(GOOD, referrer=PersonFacts("Smith^Ann", None)), Need.REFERRER, "npi"),
        (replace(GOOD, referrer=PersonFacts("Smith^Ann", "1679576723")), Need.REFERRER, "npi"),
        (replace(GOOD, reader=PersonFacts("Read^Ray", "1497758540")), Need.READER, "npi"),
        (replace(GOOD, reader=PersonFacts("김^희중", "1497758544")), Need.READER, "person_name"),
        (replace(GOOD, billing_provider=None), Need.BILLING_PROVIDER, "billing_provider"),
        (replace(GOOD, billing_provider=replace(GOOD.billing_provider, npi="1")), Need.BILLING_PROVIDER, "npi"),
        (replace(GOOD, billing_provider=replace(GOOD.billing_provider, tax_id="12")), Need.BILLING_PROVIDER, "tax_id"),
        (replace(GOOD, billing_provider=replace(GOOD.billing_provider, address=replace(OAK, postal_code="02115"))), Need.BILLING_PROVIDER, "postal_code"),
        (replace(GOOD, site=replace(GOOD.site, address=replace(OAK, city=""))), Need.SITE, "city"),
        (replace(GOOD, site=replace(GOOD.site, npi="1588667630")), Need.SITE, "npi"),
        (replace(GOOD, place_of_service=""), Need.PLACE_OF_SERVICE, "place_of_service"),
        (replace(GOOD, place_of_service="77"), Need.PLACE_OF_SERVICE, "place_of_service"),
        (replace(GOOD, submitter_is_set=False), Need.SUBMITTER, "submitter"),
        (replace(GOOD, total_minor=1), Need.CODING, "total_minor"),
        (replace(GOOD, lines=(), total_minor=0), Need.CODING, "lines"),
        (replace(GOOD, lines=(LINE,) * 51, total_minor=25000 * 51), Need.CODING, "lines"),
        (line(procedure_code=""), Need.CODING, "procedure_code"),
        (line(procedure_code="7045"), Need.CODING, "procedure_code"),
        (line(modifiers=("26", "TC")), Need.CODING, "modifiers"),
        (line(modifiers=("26", "26")), Need.CODING, "modifiers"),
        (line(modifiers=("266",)), Need.CODING, "modifiers"),
        (line(side_required=True), Need.CODING, "modifiers"),
        (line(amount_minor=0), Need.FEE, "amount_minor"),
        (line(diagnosis_codes=()), Need.DIAGNOSIS, "diagnosis_codes"),
        (line(unknown_diagnoses=("R51",)), Need.DIAGNOSIS, "diagnosis_codes"),
        (line(service_date=date(2026, 11, 26)), Need.CODING, "service_date"),
        (line(duplicate_of="W00000007"), Need.DUPLICATE, "modifiers"),
    ],
)  # fmt: skip
def test_each_gap_is_named_where_it_can_be_mended(facts: ClaimFacts, need: Need, field: str) -> None:
    found = scrub(facts)
    assert [(f.need, f.field) for f in found] == [(need, field)]
    assert (found[0].text and found[0].text[0].isupper()) or found[0].text[0].isdigit()


def test_repeats_sides_and_the_billers_own_address_are_understood() -> None:
    assert scrub(line(duplicate_of="W00000007", modifiers=("26", "76"))) == []
    assert scrub(line(side_required=True, modifiers=("26", "LT"))) == []
    own = replace(
        GOOD, site=replace(GOOD.site, npi="1234567893", address=AddressFacts(None, None, None, None))
    )
    assert scrub(own) == []


def test_thirteen_diagnoses_leave_a_line_without_a_pointer() -> None:
    codes = [f"A{n:02}.{n % 10}" for n in range(12)]
    lines = (
        replace(LINE, diagnosis_codes=tuple(codes)),
        replace(LINE, charge_pk=2, diagnosis_codes=("Z99.9",)),
    )
    found = scrub(replace(GOOD, lines=lines, total_minor=50000))
    assert [(f.need, f.charge_pk) for f in found] == [(Need.DIAGNOSIS, 2)]


@given(st.lists(st.lists(st.sampled_from([f"C{n}" for n in range(16)]), max_size=14), max_size=4))
def test_pointers_always_point_at_their_code(lines: list[list[str]]) -> None:
    codes = claim_diagnoses(lines)
    assert len(codes) <= 12 and len(set(codes)) == len(codes)
    for one in lines:
        found = pointers(one, codes)
        assert len(found) <= 4
        assert [codes[p - 1] for p in found] == [c for c in one if c in codes][:4]


def test_only_a_missing_report_waits_without_a_person() -> None:
    report, other = Finding(Need.REPORT, "report", "x"), Finding(Need.FEE, "amount_minor", "x")
    assert verdict([]) is ClaimMove.SCRUB_CLEAN
    assert verdict([report]) is ClaimMove.SCRUB_WAIT
    assert verdict([report, other]) is ClaimMove.SCRUB_FAIL


@pytest.mark.parametrize(
    ("bills_global", "splittable", "place", "read", "expected"),
    [
        (True, True, "11", False, ["global"]),
        (True, True, "22", True, ["global"]),
        (False, False, "11", False, ["global"]),
        (False, True, "11", False, ["TC"]),
        (False, True, "11", True, ["TC", "26"]),
        (False, True, "22", False, []),
        (False, True, "23", True, ["26"]),
    ],
)
def test_components_due(
    bills_global: bool, splittable: bool, place: str, read: bool, expected: list[str]
) -> None:
    due = components(bills_global=bills_global, splittable=splittable, place_of_service=place, read=read)
    assert [c.value for c in due] == expected


def test_modifiers_of_component_and_side() -> None:
    assert modifiers("26", "L") == ["26", "LT"]
    assert modifiers("TC", None) == ["TC"]
    assert modifiers(Component.GLOBAL, "B") == ["50"]
    assert modifiers(Component.GLOBAL, "R") == ["RT"]


@pytest.mark.parametrize(("state", "move"), list(product(ClaimState, ClaimMove)))
def test_claims_move_by_the_table_alone(state: ClaimState, move: ClaimMove) -> None:
    if (state, move) in CLAIM_MOVES:
        assert claim_moved(state, move) is CLAIM_MOVES[state, move]
    else:
        with pytest.raises(IllegalTransition):
            claim_moved(state, move)


@pytest.mark.parametrize(("state", "move"), list(product(ChargeState, ChargeMove)))
def test_charges_move_by_the_table_alone(state: ChargeState, move: ChargeMove) -> None:
    if (state, move) in CHARGE_MOVES:
        assert charge_moved(state, move) is CHARGE_MOVES[state, move]
    else:
        with pytest.raises(IllegalTransition):
            charge_moved(state, move)


def test_what_was_sent_is_never_quietly_unsent() -> None:
    after_sending = {ClaimState.SENT, ClaimState.ACCEPTED, ClaimState.PAID}
    unsent = {ClaimState.READY, ClaimState.DRAFT, ClaimState.VOID, ClaimState.BATCHED}
    # Save what tells the payer, by a replacement or a void, and what the payer told.
    said = {ClaimMove.CORRECT, ClaimMove.WITHDRAW, ClaimMove.WITHDRAWN}
    for (state, move), after in CLAIM_MOVES.items():
        if state in after_sending and move not in said:
            assert after not in unsent
    assert {state for state, move in CLAIM_MOVES if move is ClaimMove.WITHDRAWN} == {"sent", "accepted"}
    for state, move in CLAIM_MOVES:
        if state in after_sending and move in (ClaimMove.CORRECT, ClaimMove.WITHDRAW):
            assert frequency_after(state, "1", move) in "78"
    assert not [key for key in CLAIM_MOVES if key[0] is ClaimState.VOID]
    assert not [key for key in CHARGE_MOVES if key[0] is ChargeState.VOID]
