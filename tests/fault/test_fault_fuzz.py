"""A short part of `make fuzz`, the same each time, and that it would find something."""

from __future__ import annotations

import pytest
from tools.fuzz import TARGETS, Target, run

INPUTS = {
    "data set (F1)": 250, "file (F1)": 6000, "PDU (F2)": 4000, "association (F2)": 2000, "multipart (F3)": 3000,
    "query (F3)": 2000, "document (F3)": 4000, "upload (F3)": 3000, "answer (F3)": 3000, "HL7 (F4)": 500, "Workitem (F5)": 1500,
    "settings (F6)": 500,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_breaks_a_parser(target: Target) -> None:
    outcome = run(target, inputs=INPUTS[target.name], seed=20261125)
    print(outcome)
    assert [words for _, words in outcome.findings] == []
    assert outcome.inputs == INPUTS[target.name]


def test_what_breaks_is_found() -> None:
    def fragile(data: bytes) -> None:
        if b"\xff\xff\xff\xff" in data:
            raise ValueError("no length was minded")

    outcome = run(Target("fragile", fragile, lambda: [bytes(64)]), inputs=5000, seed=1)
    assert [words.split(" at ")[0] for _, words in outcome.findings] == ["ValueError: no length was minded"]
