"""The state machine of Workitems (PS3.4 annex CC): every cell of the table, and whatever comes in whatever order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wetread.workitems import rules
from wetread.workitems.rules import Action, Answer, Cancelling, Scope, State, WorkitemRefused, element

T1, T2 = "1.2.3.1", "1.2.3.2"
AT = "20261125030000.000000+0000"


def code(value: str) -> dict[str, Any]:
    return {
        "00080100": {"vr": "SH", "Value": [value]},
        "00080102": {"vr": "SH", "Value": ["DCM"]},
        "00080104": {"vr": "LO", "Value": [value.lower()]},
    }


def asked(**changes: Any) -> dict[str, Any]:
    sent = (
        element("ProcedureStepState", "SCHEDULED")
        | element("ScheduledProcedureStepPriority", "HIGH")
        | element("ProcedureStepLabel", "Find nodules")
        | element("WorklistLabel", "AI")
        | element("ScheduledProcedureStepStartDateTime", "20261125030000")
        | element("InputReadinessState", "READY")
    )
    for keyword, value in changes.items():
        sent |= element(keyword, *([] if value is None else [value]))
    return sent


def performed(**left_out: bool) -> dict[str, Any]:
    item = (
        element("PerformedStationNameCodeSequence", code("AI1"))
        | element("PerformedProcedureStepStartDateTime", AT)
        | element("PerformedProcedureStepEndDateTime", AT)
        | element("PerformedWorkitemCodeSequence", code("110005"))
        | element("OutputInformationSequence")
    )
    for keyword in left_out:
        del item[rules.tag_of(keyword)]
    return element("UnifiedProcedureStepPerformedProcedureSequence", item)


def canceled() -> dict[str, Any]:
    return element(
        "ProcedureStepProgressInformationSequence",
        element("ProcedureStepCancellationDateTime", AT)
        | element("ProcedureStepDiscontinuationReasonCodeSequence", code("110514")),
    )


def made() -> dict[str, Any]:
    attributes = rules.create("1.2.3", asked(), at=AT).attributes
    return attributes | element("ProcedureStepState", "SCHEDULED")


# Making one


def test_what_is_made_has_what_the_standard_asks_for() -> None:
    created = rules.create("1.2.3", asked(), at=AT)
    assert created.answer is Answer.SUCCESS
    for requirement in rules.REQUIREMENTS:
        if requirement.create in ("1", "2") and requirement.keyword != "ProcedureStepState":
            assert requirement.tag in created.attributes, requirement.keyword
    assert created.attributes["00080018"]["Value"] == ["1.2.3"]
    assert created.attributes["00404010"]["Value"] == [AT]
    assert list(created.attributes) == sorted(created.attributes)


@pytest.mark.parametrize("requirement", [one for one in rules.REQUIREMENTS if one.create == "1"])
def test_what_is_needed_must_be_there_and_have_a_value(requirement: rules.Requirement) -> None:
    sent = asked()
    del sent[requirement.tag]
    with pytest.raises(WorkitemRefused) as refused:
        rules.create("1.2.3", sent, at=AT)
    assert refused.value.answer is Answer.MISSING_ATTRIBUTE
    assert refused.value.tags == (int(requirement.tag, 16),)
    with pytest.raises(WorkitemRefused) as refused:
        rules.create("1.2.3", asked(**{requirement.keyword: None}), at=AT)
    assert refused.value.answer is Answer.MISSING_ATTRIBUTE_VALUE


@pytest.mark.parametrize("state", ["IN PROGRESS", "COMPLETED", "CANCELED", "NONSENSE"])
def test_one_is_made_scheduled_or_not_at_all(state: str) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.create("1.2.3", asked(ProcedureStepState=state), at=AT)
    assert refused.value.answer is Answer.NOT_SCHEDULED


@pytest.mark.parametrize(
    ("keyword", "value"), [("ScheduledProcedureStepPriority", "URGENT"), ("InputReadinessState", "YES")]
)
def test_enumerated_values_are_kept_to(keyword: str, value: str) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.create("1.2.3", asked(**{keyword: value}), at=AT)
    assert refused.value.answer is Answer.INVALID_ATTRIBUTE_VALUE
    with pytest.raises(WorkitemRefused) as refused:
        rules.update(State.SCHEDULED, None, made(), element(keyword, value), at=AT)
    assert refused.value.answer is Answer.INVALID_ATTRIBUTE_VALUE


def test_what_only_a_performer_may_say_is_left_out_and_said_so() -> None:
    created = rules.create("1.2.3", asked() | performed() | element("TransactionUID", T1), at=AT)
    assert created.answer is Answer.CREATED_WITH_MODIFICATIONS
    assert "00081195" not in created.attributes
    assert created.attributes[rules.PERFORMED_SEQUENCE] == {"vr": "SQ"}


def test_an_empty_worklist_label_is_filled_in() -> None:
    assert rules.create("1.2.3", asked(WorklistLabel=None), at=AT).attributes["00741202"]["Value"] == [
        "WETREAD"
    ]


# PS3.4 table CC.1.1-2, row by row: what is asked with the right Transaction UID, and without it.
_READY = made() | performed() | canceled()
TABLE = [
    # wanted, Transaction UID right, SCHEDULED, IN PROGRESS, COMPLETED, CANCELED
    ("IN PROGRESS", True, None, 0xC302, 0xC300, 0xC300),
    ("IN PROGRESS", False, 0xC301, 0xC301, 0xC301, 0xC301),
    ("SCHEDULED", True, 0xC303, 0xC303, 0xC303, 0xC303),
    ("SCHEDULED", False, 0xC303, 0xC303, 0xC303, 0xC303),
    ("COMPLETED", True, 0xC310, None, 0xB306, 0xC300),
    ("COMPLETED", False, 0xC301, 0xC301, 0xC301, 0xC301),
    ("CANCELED", True, 0xC310, None, 0xC300, 0xB304),
    ("CANCELED", False, 0xC301, 0xC301, 0xC301, 0xC301),
]
PRESENT = [State.SCHEDULED, State.IN_PROGRESS, State.COMPLETED, State.CANCELED]


@pytest.mark.parametrize(("wanted", "right", "answers"), [(row[0], row[1], row[2:]) for row in TABLE])
def test_every_cell_of_the_transition_table(
    wanted: str, right: bool, answers: tuple[int | None, ...]
) -> None:
    for state, answer in zip(PRESENT, answers, strict=True):
        given_uid = T1 if right else ""
        try:
            moved = rules.change_state(state, T1, _READY, wanted, given_uid)
        except WorkitemRefused as refused:
            assert refused.answer == answer, (state, wanted)
        else:
            assert moved.answer == (answer or 0), (state, wanted)
            assert moved.state == (None if answer else State(wanted)), (state, wanted)


@pytest.mark.parametrize("state", [State.IN_PROGRESS, State.COMPLETED, State.CANCELED])
@pytest.mark.parametrize("wanted", ["COMPLETED", "CANCELED"])
def test_another_transaction_uid_opens_nothing(state: State, wanted: str) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.change_state(state, T1, _READY, wanted, T2)
    assert refused.value.answer is Answer.WRONG_TRANSACTION_UID


@pytest.mark.parametrize("wanted", ["", "DONE", "in progress"])
def test_a_state_that_there_is_not(wanted: str) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.change_state(State.SCHEDULED, None, _READY, wanted, T1)
    assert refused.value.answer is Answer.INVALID_ARGUMENT_VALUE


@pytest.mark.parametrize("one", [row.keyword for row in rules.PERFORMED] + ["OutputInformationSequence"])
def test_completion_needs_what_was_performed(one: str) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.change_state(State.IN_PROGRESS, T1, made() | performed(**{one: True}), "COMPLETED", T1)
    assert refused.value.answer is Answer.NOT_MET_FINAL_STATE
    assert one in refused.value.detail
    with pytest.raises(WorkitemRefused):
        rules.change_state(State.IN_PROGRESS, T1, made(), "COMPLETED", T1)


def test_cancellation_needs_a_reason_but_nothing_performed() -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.change_state(State.IN_PROGRESS, T1, made(), "CANCELED", T1)
    assert refused.value.answer is Answer.NOT_MET_FINAL_STATE
    assert (
        rules.change_state(State.IN_PROGRESS, T1, made() | canceled(), "CANCELED", T1).state is State.CANCELED
    )


# Changing attributes


def test_who_may_change_attributes() -> None:
    comment = element("CommentsOnTheScheduledProcedureStep", "hurry")
    assert rules.update(State.SCHEDULED, None, made(), comment, at=AT)["00400400"]["Value"] == ["hurry"]
    locked = comment | element("TransactionUID", T1)
    assert "00081195" not in rules.update(State.IN_PROGRESS, T1, made(), locked, at=AT)
    for state, own, sent, answer in (
        (State.SCHEDULED, None, locked, Answer.NOT_YET_IN_PROGRESS),
        (State.IN_PROGRESS, T1, comment, Answer.WRONG_TRANSACTION_UID),
        (State.IN_PROGRESS, T2, locked, Answer.WRONG_TRANSACTION_UID),
        (State.COMPLETED, T1, locked, Answer.NO_LONGER_UPDATABLE),
        (State.CANCELED, T1, comment, Answer.NO_LONGER_UPDATABLE),
    ):
        with pytest.raises(WorkitemRefused) as refused:
            rules.update(state, own, made(), sent, at=AT)
        assert refused.value.answer is answer
        assert refused.value.status == (409 if answer is Answer.NOT_YET_IN_PROGRESS else 400)
    emptied = comment | element("TransactionUID")
    for own_uid in (T1, "", None):  # whatever is kept, nothing is no Transaction UID
        with pytest.raises(WorkitemRefused) as refused:
            rules.update(State.IN_PROGRESS, own_uid, made(), emptied, at=AT)
        assert refused.value.answer is Answer.WRONG_TRANSACTION_UID


@pytest.mark.parametrize("uid", ["1..2", "1.2.", ".1.2", "1.2.3.x", "1" * 65])
def test_what_is_no_uid_claims_nothing(uid: str) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.change_state(State.SCHEDULED, None, made(), "IN PROGRESS", uid)
    assert refused.value.answer is Answer.INVALID_ARGUMENT_VALUE


@pytest.mark.parametrize(
    "requirement",
    [
        one
        for one in rules.REQUIREMENTS
        if one.update == "-" and one.tag not in (rules.TRANSACTION_UID, rules.MODIFIED_AT)
    ],
)
def test_what_may_not_be_changed(requirement: rules.Requirement) -> None:
    vr = element(requirement.keyword)[requirement.tag]["vr"]
    value: Any = {"Alphabetic": "Other"} if vr == "PN" else code("X") if vr == "SQ" else "X"
    with pytest.raises(WorkitemRefused) as refused:
        rules.update(State.SCHEDULED, None, made(), element(requirement.keyword, value), at=AT)
    assert refused.value.answer is Answer.NO_SUCH_ATTRIBUTE
    assert refused.value.tags == (int(requirement.tag, 16),)


@pytest.mark.parametrize("requirement", [one for one in rules.REQUIREMENTS if one.update == "1"])
def test_what_may_not_be_emptied(requirement: rules.Requirement) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        rules.update(State.SCHEDULED, None, made(), element(requirement.keyword), at=AT)
    assert refused.value.answer is Answer.MISSING_ATTRIBUTE_VALUE


def test_sequences_are_replaced_as_a_whole() -> None:
    before = made() | element("ScheduledStationNameCodeSequence", code("CT1"), code("CT2"))
    after = rules.update(
        State.SCHEDULED, None, before, element("ScheduledStationNameCodeSequence", code("MR1")), at=AT
    )
    assert after[rules.STATIONS]["Value"] == [code("MR1")]


# Asking to cancel, and watching


def test_what_a_request_to_cancel_does() -> None:
    assert rules.request_cancel(State.SCHEDULED, heard=False) == (Cancelling.CANCELS, Answer.SUCCESS)
    assert rules.request_cancel(State.IN_PROGRESS, heard=True) == (Cancelling.ASKS, Answer.SUCCESS)
    assert rules.request_cancel(State.CANCELED, heard=False) == (Cancelling.NOTHING, Answer.ALREADY_CANCELED)
    for state, answer in (
        (State.COMPLETED, Answer.IS_COMPLETED),
        (State.IN_PROGRESS, Answer.PERFORMER_NOT_REACHED),
    ):
        with pytest.raises(WorkitemRefused) as refused:
            rules.request_cancel(state, heard=False)
        assert refused.value.answer is answer


def test_a_request_to_cancel_says_what_may_stand_in_the_workitem() -> None:
    said = {
        rules.REASON: {"vr": "LT", "Value": ["gone"]},
        rules.REASON_CODES: {"vr": "SQ", "Value": [code("110513")]},
    }
    assert rules.cancel_information({**said, rules.LABEL: {"vr": "LO", "Value": ["x"]}}) == said
    lacking = {tag: entry for tag, entry in code("110513").items() if tag != "00080104"}
    for wrong in (
        {rules.REASON_CODES: {"vr": "SQ", "Value": [lacking]}},
        {rules.REASON_CODES: {"vr": "CS", "Value": ["110513"]}},
        {rules.CONTACT_URI: {"vr": "OB", "InlineBinary": "AAEC"}},
    ):
        with pytest.raises(WorkitemRefused) as refused:
            rules.cancel_information(wrong)
        assert refused.value.answer is Answer.INVALID_ARGUMENT_VALUE


def test_what_can_be_subscribed_to() -> None:
    rules.check_subscription(Action.SUBSCRIBE, Scope.ONE, "PACS", {})
    rules.check_subscription(Action.SUSPEND, Scope.GLOBAL, "PACS", {})
    for action, scope, title, answer in (
        (Action.SUSPEND, Scope.ONE, "PACS", Answer.ACTION_NOT_APPROPRIATE),
        (Action.SUBSCRIBE, Scope.FILTERED, "PACS", Answer.INVALID_ARGUMENT_VALUE),
        (Action.SUBSCRIBE, Scope.ONE, "", Answer.INVALID_ARGUMENT_VALUE),
        (Action.SUBSCRIBE, Scope.ONE, "X" * 17, Answer.INVALID_ARGUMENT_VALUE),
        (Action.UNSUBSCRIBE, Scope.ONE, "A\\B", Answer.INVALID_ARGUMENT_VALUE),
    ):
        with pytest.raises(WorkitemRefused) as refused:
            rules.check_subscription(action, scope, title, {})
        assert refused.value.answer is answer


def test_every_status_has_words() -> None:
    assert {one for one in Answer if one >= 0xB000} <= set(rules.WORDS)
    assert all(len(words) <= 64 for words in rules.WORDS.values())  # Error Comment is an LO


# Whatever comes in whatever order

UIDS = st.sampled_from([T1, T2, "", "not a uid"])


class Life(RuleBasedStateMachine):
    """One Workitem under requests that know nothing of its state."""

    @initialize()
    def begin(self) -> None:
        self.attributes = made()
        self.state, self.own = State.SCHEDULED, None
        self.past: list[State] = [State.SCHEDULED]

    @rule(wanted=st.sampled_from([*State, "NONSENSE"]), given_uid=UIDS)
    def change(self, wanted: str, given_uid: str) -> None:
        before = self.state
        try:
            moved = rules.change_state(before, self.own, self.attributes, wanted, given_uid)
        except WorkitemRefused as refused:
            assert refused.answer >= 0xC000 or refused.answer is Answer.INVALID_ARGUMENT_VALUE
            return
        if moved.state is None:
            assert before.is_final and wanted == before
            return
        assert not before.is_final
        assert before is State.SCHEDULED or given_uid == self.own
        self.own = self.own or given_uid
        self.state = moved.state
        self.past.append(moved.state)
        assert moved.state is State.IN_PROGRESS or not rules.missing_for(moved.state, self.attributes)

    @rule(
        what=st.sampled_from([performed(), canceled(), element("ProcedureStepLabel", "other")]),
        given_uid=UIDS,
    )
    def tell(self, what: dict[str, Any], given_uid: str) -> None:
        sent = what | (element("TransactionUID", given_uid) if given_uid else {})
        try:
            after = rules.update(self.state, self.own, self.attributes, sent, at=AT)
        except WorkitemRefused:
            return
        assert not self.state.is_final
        assert self.state is State.SCHEDULED or given_uid == self.own
        self.attributes = after

    @invariant()
    def walks_the_standard_s_way(self) -> None:
        legal = [State.SCHEDULED, State.IN_PROGRESS]
        assert self.past == legal[: len(self.past)] or (
            self.past[:2] == legal and len(self.past) == 3 and self.past[2].is_final
        )
        assert "00081195" not in self.attributes
        assert (self.own is None) == (self.state is State.SCHEDULED)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25)


@given(st.lists(st.sampled_from([one.keyword for one in rules.REQUIREMENTS]), max_size=8))
def test_making_one_never_fails_otherwise_than_by_its_own_word(left_out: list[str]) -> None:
    sent = {
        tag: entry for tag, entry in asked().items() if tag not in {rules.tag_of(one) for one in left_out}
    }
    try:
        created = rules.create("1.2.3", sent, at=AT)
    except WorkitemRefused as refused:
        assert refused.answer is Answer.MISSING_ATTRIBUTE
    else:
        assert rules.create("1.2.3", sent, at=AT) == created
