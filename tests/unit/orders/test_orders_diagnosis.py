"""Diagnoses read as the dictionary has them that their table is made of."""

import pytest
import simple_icd_10_cm as icd

from wetread.orders.service import Diagnosis, diagnosis


def test_each_entry_reads_as_in_the_dictionary() -> None:
    wrong = []
    for code in icd.get_all_codes(with_dots=True):
        claims = icd.is_category_or_subcategory(code)  # chapters and blocks are none
        wanted = Diagnosis(code, icd.get_description(code), bool(icd.is_leaf(code))) if claims else None
        if diagnosis(code) != wanted or diagnosis(code.replace(".", "")) != wanted:
            wrong.append(code)
    assert not wrong


@pytest.mark.parametrize(
    "code", ["", "R", "R5", "R51.", "R51..9", "R5.19", "R519.", "r51.9", "A00-B99", "XYZ.1", " R51.9"]
)
def test_what_is_no_code_is_none(code: str) -> None:
    assert diagnosis(code) is None


@pytest.mark.parametrize("code", ["S72.001A", "S72001A"])
def test_a_seventh_character_is_a_code_of_its_own(code: str) -> None:
    found = diagnosis(code)
    assert found is not None
    assert (found.code, found.billable) == ("S72.001A", True)
