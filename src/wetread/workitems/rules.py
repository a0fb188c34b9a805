"""What a Workitem may become, and what it must say in each state: PS3.4 annex CC as tables.

One state machine for both protocols: each decision takes the present state and what is asked, and returns what is to be
done with its status, or raises WorkitemRefused. Nothing here reads or writes anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from pydicom.datadict import dictionary_VR

from wetread.kit.errors import WetreadError
from wetread.workitems import nested
from wetread.workitems.model import State
from wetread.workitems.nested import Fault, Lack

JsonDict = dict[str, Any]
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*\Z")


class Answer(IntEnum):
    """Statuses of PS3.4 CC.2 and of PS3.7 annex C that are answered with."""

    SUCCESS = 0x0000
    NOT_ALL_ATTRIBUTES = 0x0001
    CREATED_WITH_MODIFICATIONS = 0xB300
    DELETION_LOCK_NOT_GRANTED = 0xB301
    ALREADY_CANCELED = 0xB304
    COERCED = 0xB305
    ALREADY_COMPLETED = 0xB306
    NO_SUCH_ATTRIBUTE = 0x0105
    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    INVALID_ARGUMENT_VALUE = 0x0115
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    NO_SUCH_ACTION = 0x0123
    RESOURCE_LIMITATION = 0x0213
    NO_LONGER_UPDATABLE = 0xC300
    WRONG_TRANSACTION_UID = 0xC301
    ALREADY_IN_PROGRESS = 0xC302
    SCHEDULED_BY_CREATION_ONLY = 0xC303
    NOT_MET_FINAL_STATE = 0xC304
    NO_SUCH_WORKITEM = 0xC307
    UNKNOWN_RECEIVER = 0xC308
    NOT_SCHEDULED = 0xC309
    NOT_YET_IN_PROGRESS = 0xC310
    IS_COMPLETED = 0xC311
    PERFORMER_NOT_REACHED = 0xC312
    PERFORMER_DECLINES = 0xC313
    ACTION_NOT_APPROPRIATE = 0xC314
    NO_EVENT_REPORTS = 0xC315


WORDS: Mapping[Answer, str] = {
    Answer.CREATED_WITH_MODIFICATIONS: "The UPS was created with modifications",
    Answer.DELETION_LOCK_NOT_GRANTED: "Deletion Lock not granted",
    Answer.ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED",
    Answer.COERCED: "Coerced invalid values to valid values",
    Answer.ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED",
    Answer.DUPLICATE_SOP_INSTANCE: "The UPS exists already",
    Answer.NO_LONGER_UPDATABLE: "The UPS may no longer be updated",
    Answer.WRONG_TRANSACTION_UID: "The correct Transaction UID was not provided",
    Answer.ALREADY_IN_PROGRESS: "The UPS is already IN PROGRESS",
    Answer.SCHEDULED_BY_CREATION_ONLY: "The UPS may only become SCHEDULED via N-CREATE",
    Answer.NOT_MET_FINAL_STATE: "The UPS has not met final state requirements",
    Answer.NO_SUCH_WORKITEM: "No UPS of this UID is managed here",
    Answer.UNKNOWN_RECEIVER: "The Receiving AE-TITLE is unknown to this SCP",
    Answer.NOT_SCHEDULED: "The provided value of UPS State was not SCHEDULED",
    Answer.NOT_YET_IN_PROGRESS: "The UPS is not yet in the IN PROGRESS state",
    Answer.IS_COMPLETED: "The UPS is already COMPLETED",
    Answer.PERFORMER_NOT_REACHED: "The performer cannot be contacted",
    Answer.PERFORMER_DECLINES: "Performer chooses not to cancel",
    Answer.ACTION_NOT_APPROPRIATE: "The action is not appropriate for this instance",
    Answer.NO_EVENT_REPORTS: "The SCP does not support Event Reports",
}

_HTTP: Mapping[Answer, int] = {
    Answer.NO_SUCH_WORKITEM: 404,
    Answer.UNKNOWN_RECEIVER: 404,
    Answer.NO_SUCH_ATTRIBUTE: 400,
    Answer.INVALID_ATTRIBUTE_VALUE: 400,
    Answer.INVALID_ARGUMENT_VALUE: 400,
    Answer.MISSING_ATTRIBUTE: 400,
    Answer.MISSING_ATTRIBUTE_VALUE: 400,
    Answer.ACTION_NOT_APPROPRIATE: 400,
    Answer.NOT_SCHEDULED: 400,
    Answer.WRONG_TRANSACTION_UID: 400,  # PS3.18 tables 11.6.3-1 and 11.7.3-1
    Answer.RESOURCE_LIMITATION: 413,
}


class WorkitemRefused(WetreadError):
    """A request that is refused: the DIMSE status, words without patient data, the attributes at fault."""

    code = "workitem-refused"
    title = "Not possible with this Workitem"

    def __init__(
        self, answer: Answer, detail: str = "", tags: Sequence[int] = (), *, status: int | None = None
    ) -> None:
        super().__init__(detail or WORDS[answer])
        self.answer, self.tags = answer, tuple(tags)
        self.status = status or _HTTP.get(answer, 409)


# Attributes. A tag is eight hexadecimal digits, as in the DICOM JSON Model.


tag_of = nested.tag_of


class Final(StrEnum):
    """What a final state demands of an attribute (PS3.4 CC.2.5.1.1)."""

    REQUIRED = "R"  # of both final states
    COMPLETION = "P"  # of COMPLETED
    CANCELLATION = "X"  # of CANCELED
    OPTIONAL = "O"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A row of PS3.4 table CC.2.5-3. `create`: 1 with a value, 2 taken as empty where absent, 3 optional, 3/1 optional and
    not taken where it is empty, `-` none of the requester's; `update`: 1 not to be emptied, 3 free, `-` not to be changed; `match`: a required matching key."""

    keyword: str
    create: str
    update: str
    final: Final = Final.OPTIONAL
    match: bool = False

    @property
    def tag(self) -> str:
        """Its tag in the JSON model."""
        return tag_of(self.keyword)


_R, _P, _X = Final.REQUIRED, Final.COMPLETION, Final.CANCELLATION
REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement("SOPClassUID", "-", "-", _R),
    Requirement("SOPInstanceUID", "-", "-", _R, match=True),
    Requirement("TransactionUID", "-", "-"),
    # Scheduled Procedure Information
    Requirement("ScheduledProcedureStepPriority", "1", "1", _R, match=True),
    Requirement("ScheduledProcedureStepModificationDateTime", "-", "-", _R),
    Requirement("ProcedureStepLabel", "1", "1", match=True),
    Requirement("WorklistLabel", "2", "1", match=True),
    Requirement("ScheduledProcessingParametersSequence", "2", "3"),
    Requirement("ScheduledStationNameCodeSequence", "2", "3", match=True),
    Requirement("ScheduledStationClassCodeSequence", "2", "3", match=True),
    Requirement("ScheduledStationGeographicLocationCodeSequence", "2", "3", match=True),
    Requirement("ScheduledHumanPerformersSequence", "2", "3", match=True),
    Requirement("ScheduledProcedureStepStartDateTime", "1", "1", _R, match=True),
    Requirement("ExpectedCompletionDateTime", "3/1", "1", match=True),
    Requirement("ScheduledProcedureStepExpirationDateTime", "3", "3", match=True),
    Requirement("ScheduledWorkitemCodeSequence", "2", "1", match=True),
    Requirement("CommentsOnTheScheduledProcedureStep", "2", "1"),
    Requirement("InputReadinessState", "1", "1", _R, match=True),
    Requirement("InputInformationSequence", "2", "3"),
    Requirement("StudyInstanceUID", "2", "3"),
    Requirement("OutputDestinationSequence", "3", "3"),
    # Relationship, patient and visit
    Requirement("PatientName", "2", "-", match=True),
    Requirement("PatientID", "2", "-", match=True),
    Requirement("IssuerOfPatientID", "2", "-", match=True),
    Requirement("IssuerOfPatientIDQualifiersSequence", "2", "-"),
    Requirement("OtherPatientIDsSequence", "2", "3", match=True),
    Requirement("PatientBirthDate", "2", "-", match=True),
    Requirement("PatientSex", "2", "-", match=True),
    Requirement("GenderIdentitySequence", "3", "-"),
    Requirement("SexParametersForClinicalUseCategorySequence", "3", "-"),
    Requirement("PersonNamesToUseSequence", "3", "-"),
    Requirement("ThirdPersonPronounsSequence", "3", "-"),
    Requirement("AdmissionID", "2", "-", match=True),
    Requirement("IssuerOfAdmissionIDSequence", "2", "-", match=True),
    Requirement("AdmittingDiagnosesDescription", "2", "-"),
    Requirement("AdmittingDiagnosesCodeSequence", "2", "-"),
    Requirement("ReferencedRequestSequence", "2", "-", match=True),
    Requirement("ReplacedProcedureStepSequence", "3", "-", match=True),
    Requirement("ReferencedPatientPhotoSequence", "3", "3"),
    Requirement("MedicalAlerts", "2", "3"),
    Requirement("PregnancyStatus", "2", "3"),
    Requirement("SpecialNeeds", "2", "3"),
    # Progress and Performed Procedure Information
    Requirement("ProcedureStepState", "1", "-", _R, match=True),
    Requirement("ProcedureStepProgressInformationSequence", "-", "3", _X),
    Requirement("UnifiedProcedureStepPerformedProcedureSequence", "-", "3", _P),
)
# Inside the two sequences: what completion and cancellation demand. An Output Information Sequence without an item says
# that nothing was made.
PERFORMED: tuple[Requirement, ...] = (
    Requirement("PerformedStationNameCodeSequence", "-", "3", _P),
    Requirement("PerformedProcedureStepStartDateTime", "-", "3", _P),
    Requirement("PerformedProcedureStepEndDateTime", "-", "3", _P),
    Requirement("PerformedWorkitemCodeSequence", "-", "3", _P),
)
CANCELLATION: tuple[Requirement, ...] = (
    Requirement("ProcedureStepCancellationDateTime", "-", "3", _X),
    Requirement("ProcedureStepDiscontinuationReasonCodeSequence", "-", "3", _X),
)
ENUMERATED: Mapping[str, frozenset[str]] = {
    "ScheduledProcedureStepPriority": frozenset({"HIGH", "MEDIUM", "LOW"}),
    "InputReadinessState": frozenset({"INCOMPLETE", "UNAVAILABLE", "READY"}),
}

STATE, TRANSACTION_UID = tag_of("ProcedureStepState"), tag_of("TransactionUID")
SOP_CLASS, SOP_INSTANCE = tag_of("SOPClassUID"), tag_of("SOPInstanceUID")
PROGRESS = tag_of("ProcedureStepProgressInformationSequence")
PERFORMED_SEQUENCE = tag_of("UnifiedProcedureStepPerformedProcedureSequence")
OUTPUT, INPUT = tag_of("OutputInformationSequence"), tag_of("InputInformationSequence")
MODIFIED_AT = tag_of("ScheduledProcedureStepModificationDateTime")
WORKLIST_LABEL, LABEL = tag_of("WorklistLabel"), tag_of("ProcedureStepLabel")
PRIORITY, READINESS = tag_of("ScheduledProcedureStepPriority"), tag_of("InputReadinessState")
START = tag_of("ScheduledProcedureStepStartDateTime")
STATIONS, PERFORMERS = (
    tag_of("ScheduledStationNameCodeSequence"),
    tag_of("ScheduledHumanPerformersSequence"),
)
PERFORMER_CODES, ORGANIZATION = tag_of("HumanPerformerCodeSequence"), tag_of("HumanPerformerOrganization")
CANCELED_AT = tag_of("ProcedureStepCancellationDateTime")
REASON, REASON_CODES = (
    tag_of("ReasonForCancellation"),
    tag_of("ProcedureStepDiscontinuationReasonCodeSequence"),
)
CONTACT_URI, CONTACT_NAME = tag_of("ContactURI"), tag_of("ContactDisplayName")
COMMUNICATIONS = tag_of("ProcedureStepCommunicationsURISequence")
REQUESTING_AE, RECEIVING_AE = tag_of("RequestingAE"), tag_of("ReceivingAE")
DELETION_LOCK = tag_of("DeletionLock")
PATIENT_NAME, PATIENT_ID = tag_of("PatientName"), tag_of("PatientID")
_CHARACTER_SET, _TIMEZONE = "00080005", "00080201"
BY_TAG = {one.tag: one for one in REQUIREMENTS}
WORKLIST_DEFAULT = "WETREAD"
UPS_CLASS = "1.2.840.10008.5.1.4.34.6.1"

# DCM 110513, "Discontinued for unspecified reason" (CID 9300): what a request says that gives no reason.
UNSPECIFIED: JsonDict = {
    "00080100": {"vr": "SH", "Value": ["110513"]},
    "00080102": {"vr": "SH", "Value": ["DCM"]},
    "00080104": {"vr": "LO", "Value": ["Discontinued for unspecified reason"]},
}


def is_uid(text: str) -> bool:
    """Digits and dots, at most 64. Leading zeros are let pass: devices send them."""
    return len(text) <= 64 and _UID.match(text) is not None


def first(attributes: Mapping[str, Any], tag: str) -> Any:
    """The first value of an element; None where it has none."""
    values = attributes.get(tag, {}).get("Value") or [None]
    return values[0]


def text_of(attributes: Mapping[str, Any], tag: str) -> str:
    """The first value as text, empty where absent."""
    value = first(attributes, tag)
    return "" if value is None or isinstance(value, dict) else str(value).strip()


def has_value(attributes: Mapping[str, Any], tag: str) -> bool:
    """Whether an element is there and is not empty."""
    entry = attributes.get(tag, {})
    return any(value not in (None, "", {}) for value in entry.get("Value") or ()) or "InlineBinary" in entry


def element(keyword: str, *values: Any) -> JsonDict:
    """`{tag: {vr, Value}}` of a keyword; without values the element is empty."""
    tag = tag_of(keyword)
    vr = dictionary_VR(int(tag, 16))
    return {tag: {"vr": vr, "Value": list(values)} if values else {"vr": vr}}


def _empty(requirement: Requirement) -> JsonDict:
    return {"vr": dictionary_VR(int(requirement.tag, 16))}


_LACKS: Mapping[Lack, tuple[Answer, Answer]] = {
    # of an N-CREATE, of an N-SET, which knows no 0120 (PS3.7 10.1.3.1.9)
    Lack.MISSING: (Answer.MISSING_ATTRIBUTE, Answer.INVALID_ATTRIBUTE_VALUE),
    Lack.EMPTY: (Answer.MISSING_ATTRIBUTE_VALUE, Answer.MISSING_ATTRIBUTE_VALUE),
}


def _is_of_its_kind(tag: str, entry: Mapping[str, Any]) -> bool:
    """Whether items stand where the dictionary has a sequence, and text where it has text; no table has bytes."""
    return (entry.get("vr") == "SQ") == (dictionary_VR(int(tag, 16)) == "SQ") and "InlineBinary" not in entry


def _completed(attributes: JsonDict, *, creating: bool) -> JsonDict:
    """The data set with what its items may lack as empty. Raises WorkitemRefused for what they must not lack."""
    for tag, entry in attributes.items():
        if tag in BY_TAG and not _is_of_its_kind(tag, entry):
            raise WorkitemRefused(
                Answer.INVALID_ATTRIBUTE_VALUE,
                f"{BY_TAG[tag].keyword} is not of its VR"[:64],
                [int(tag, 16)],
            )
    whole, fault = nested.complete(attributes, creating=creating)
    if fault is not None:
        raise _refused_for(fault, creating=creating)
    return whole


def _refused_for(fault: Fault, *, creating: bool) -> WorkitemRefused:
    invalid = Answer.INVALID_ATTRIBUTE_VALUE
    of_create, of_set = _LACKS.get(fault.lack, (invalid, invalid))
    # The list of offending elements names attributes of the data set, not of its items (PS3.7 E).
    return WorkitemRefused(
        of_create if creating else of_set, _short(str(fault)), [int(tag_of(fault.path[0]), 16)]
    )


def _short(words: str) -> str:
    """The end of what is too long for an Error Comment: there the attribute stands."""
    return words if len(words) <= 64 else f"..{words[-62:]}"


def _check_values(attributes: Mapping[str, Any]) -> None:
    for keyword, allowed in ENUMERATED.items():
        tag = tag_of(keyword)
        if has_value(attributes, tag) and text_of(attributes, tag) not in allowed:
            raise WorkitemRefused(
                Answer.INVALID_ATTRIBUTE_VALUE,
                f"{keyword} is one of {', '.join(sorted(allowed))}",
                [int(tag, 16)],
            )


@dataclass(frozen=True, slots=True)
class Created:
    """A Workitem to be kept. `answer` is B300 where something that was sent is not kept as it was sent."""

    attributes: JsonDict
    answer: Answer


def create(sop_instance_uid: str, sent: Mapping[str, Any], *, at: str) -> Created:
    """Decides about an N-CREATE (PS3.4 CC.2.5). `at` is the present as DT. Raises WorkitemRefused: C309 where it is not
    SCHEDULED, 0120 and 0121 for what is missing, 0106 for values that cannot be."""
    for requirement in REQUIREMENTS:
        if requirement.create != "1":
            continue
        if requirement.tag not in sent:
            raise WorkitemRefused(
                Answer.MISSING_ATTRIBUTE, f"{requirement.keyword} is missing"[:64], [int(requirement.tag, 16)]
            )
        if not has_value(sent, requirement.tag):
            raise WorkitemRefused(
                Answer.MISSING_ATTRIBUTE_VALUE,
                f"{requirement.keyword} is empty"[:64],
                [int(requirement.tag, 16)],
            )
    if text_of(sent, STATE) != State.SCHEDULED:
        raise WorkitemRefused(Answer.NOT_SCHEDULED, tags=[int(STATE, 16)])
    gives_performance = has_value(sent, PROGRESS) or has_value(sent, PERFORMED_SEQUENCE)
    _check_values(sent)
    sent = _completed(
        {tag: entry for tag, entry in sent.items() if tag not in (PROGRESS, PERFORMED_SEQUENCE)},
        creating=True,
    )
    attributes: JsonDict = {}
    changed = gives_performance
    for tag, entry in sent.items():
        known = BY_TAG.get(tag)
        if tag in (_CHARACTER_SET, SOP_CLASS, SOP_INSTANCE) or int(tag, 16) < 0x00080000:
            continue
        if known is not None and known.create == "-":
            changed = changed or has_value(sent, tag)
            continue
        if known is not None and known.create == "3/1" and not has_value(sent, tag):
            continue
        attributes[tag] = entry
    for requirement in REQUIREMENTS:
        if requirement.create == "2":
            attributes.setdefault(requirement.tag, _empty(requirement))
    if not has_value(attributes, WORKLIST_LABEL):
        attributes |= element("WorklistLabel", WORKLIST_DEFAULT)
    attributes |= element("ScheduledProcedureStepModificationDateTime", at)
    attributes |= element("SOPClassUID", UPS_CLASS)
    attributes |= element("SOPInstanceUID", sop_instance_uid)
    attributes[PROGRESS] = attributes[PERFORMED_SEQUENCE] = {"vr": "SQ"}
    return Created(
        dict(sorted(attributes.items())),
        Answer.CREATED_WITH_MODIFICATIONS if changed else Answer.SUCCESS,
    )


def _wrong_transaction_uid(given: str) -> WorkitemRefused:
    # In the words of PS3.18 11.7.3.2.
    words = f"The Transaction UID is {'incorrect' if given else 'missing'}"
    return WorkitemRefused(Answer.WRONG_TRANSACTION_UID, words, [int(TRANSACTION_UID, 16)])


def check_lock(state: State, own: str | None, given: str) -> None:
    """Who may change it (PS3.4 CC.2.6.2): anybody while it is SCHEDULED, then who has the Transaction UID."""
    if state.is_final:
        raise WorkitemRefused(Answer.NO_LONGER_UPDATABLE, status=400)  # PS3.18 11.6.2
    if state is State.SCHEDULED and given:
        raise WorkitemRefused(Answer.NOT_YET_IN_PROGRESS)
    if state is State.IN_PROGRESS and (not given or given != own):
        raise _wrong_transaction_uid(given)


def update(
    state: State,
    own_transaction_uid: str | None,
    present: Mapping[str, Any],
    sent: Mapping[str, Any],
    *,
    at: str,
) -> JsonDict:
    """The attributes after an N-SET (PS3.4 CC.2.6): sequences are replaced as a whole. Raises WorkitemRefused."""
    check_lock(state, own_transaction_uid, text_of(sent, TRANSACTION_UID))
    changed: JsonDict = {}
    for tag, entry in sent.items():
        if tag in (_CHARACTER_SET, TRANSACTION_UID) or int(tag, 16) < 0x00080000:
            continue
        known = BY_TAG.get(tag)
        if known is not None and known.update == "-":
            same = present.get(tag, {}).get("Value") == entry.get("Value")
            if same or tag == MODIFIED_AT:
                continue
            raise WorkitemRefused(
                Answer.NO_SUCH_ATTRIBUTE, f"{known.keyword} cannot be changed so"[:64], [int(tag, 16)]
            )
        if known is not None and known.update == "1" and not has_value(sent, tag):
            raise WorkitemRefused(
                Answer.MISSING_ATTRIBUTE_VALUE, f"{known.keyword} is empty"[:64], [int(tag, 16)]
            )
        changed[tag] = entry
    _check_values(changed)
    changed = _completed(changed, creating=False)
    merged = {**present, **changed} | element("ScheduledProcedureStepModificationDateTime", at)
    return dict(sorted(merged.items()))


def missing_for(state: State, attributes: Mapping[str, Any]) -> list[str]:
    """The keywords of what a final state still demands (PS3.4 CC.2.5.1.1)."""
    demanded = {Final.REQUIRED, Final.COMPLETION if state is State.COMPLETED else Final.CANCELLATION}
    missing = [
        one.keyword for one in REQUIREMENTS if one.final in demanded and not has_value(attributes, one.tag)
    ]
    if state is State.COMPLETED:
        item = first(attributes, PERFORMED_SEQUENCE) or {}
        missing += [one.keyword for one in PERFORMED if item and not has_value(item, one.tag)]
        if item and OUTPUT not in item:
            missing.append("OutputInformationSequence")
    else:
        item = first(attributes, PROGRESS) or {}
        missing += [one.keyword for one in CANCELLATION if item and not has_value(item, one.tag)]
    return missing


_G = None  # goes
# (present, wanted) → what is answered where the Transaction UID is right (PS3.4 table CC.1.1-2); None: it goes there.
TRANSITIONS: Mapping[tuple[State, State], Answer | None] = {
    (State.SCHEDULED, State.IN_PROGRESS): _G,
    (State.IN_PROGRESS, State.IN_PROGRESS): Answer.ALREADY_IN_PROGRESS,
    (State.COMPLETED, State.IN_PROGRESS): Answer.NO_LONGER_UPDATABLE,
    (State.CANCELED, State.IN_PROGRESS): Answer.NO_LONGER_UPDATABLE,
    **{(state, State.SCHEDULED): Answer.SCHEDULED_BY_CREATION_ONLY for state in State},
    (State.SCHEDULED, State.COMPLETED): Answer.NOT_YET_IN_PROGRESS,
    (State.IN_PROGRESS, State.COMPLETED): _G,
    (State.COMPLETED, State.COMPLETED): Answer.ALREADY_COMPLETED,
    (State.CANCELED, State.COMPLETED): Answer.NO_LONGER_UPDATABLE,
    (State.SCHEDULED, State.CANCELED): Answer.NOT_YET_IN_PROGRESS,
    (State.IN_PROGRESS, State.CANCELED): _G,
    (State.COMPLETED, State.CANCELED): Answer.NO_LONGER_UPDATABLE,
    (State.CANCELED, State.CANCELED): Answer.ALREADY_CANCELED,
}
_WARNINGS = frozenset({Answer.ALREADY_COMPLETED, Answer.ALREADY_CANCELED})


@dataclass(frozen=True, slots=True)
class Moved:
    """What a request to change the state does. `state` is None where it stays, with a warning as `answer`."""

    state: State | None
    answer: Answer = Answer.SUCCESS


def change_state(
    state: State, own_transaction_uid: str | None, attributes: Mapping[str, Any], wanted: str, given: str
) -> Moved:
    """Decides about an N-ACTION Change UPS State (PS3.4 CC.2.1). Raises WorkitemRefused."""
    if wanted not in set(State):
        raise WorkitemRefused(
            Answer.INVALID_ARGUMENT_VALUE, "Procedure Step State is missing or none", [int(STATE, 16)]
        )
    to = State(wanted)
    if to is not State.SCHEDULED:
        if not given:
            raise _wrong_transaction_uid(given)
        if not is_uid(given):
            raise WorkitemRefused(
                Answer.INVALID_ARGUMENT_VALUE, "Transaction UID is none", [int(TRANSACTION_UID, 16)]
            )
        # Claiming brings a Transaction UID; all else proves the one that claimed.
        if to.is_final and state is not State.SCHEDULED and given != own_transaction_uid:
            raise _wrong_transaction_uid(given)
    answer = TRANSITIONS[state, to]
    if answer in _WARNINGS:
        return Moved(None, answer)
    if answer is not None:
        raise WorkitemRefused(answer)
    if to.is_final and (missing := missing_for(to, attributes)):
        raise WorkitemRefused(
            Answer.NOT_MET_FINAL_STATE,
            f"missing: {', '.join(missing)}",
            [int(tag_of(one), 16) for one in missing[:8]],
        )
    return Moved(to)


class Cancelling(StrEnum):
    """What a request to cancel leads to."""

    CANCELS = "cancels"  # nobody performs it: it is canceled at once
    ASKS = "asks"  # its performer is asked
    NOTHING = "nothing"  # it is canceled already


def request_cancel(state: State, *, heard: bool) -> tuple[Cancelling, Answer]:
    """Decides about an N-ACTION Request UPS Cancel (PS3.4 CC.2.2). `heard`: somebody is subscribed to it, as its
    performer must be to hear of it. Raises WorkitemRefused."""
    if state is State.SCHEDULED:
        return Cancelling.CANCELS, Answer.SUCCESS
    if state is State.CANCELED:
        return Cancelling.NOTHING, Answer.ALREADY_CANCELED
    if state is State.COMPLETED:
        raise WorkitemRefused(Answer.IS_COMPLETED)
    if not heard:
        raise WorkitemRefused(Answer.PERFORMER_NOT_REACHED)
    return Cancelling.ASKS, Answer.SUCCESS


def cancel_information(sent: Mapping[str, Any]) -> JsonDict:
    """What a request to cancel may say (PS3.4 table CC.2.2-1), fit to stand in the Workitem. Raises WorkitemRefused 0115."""
    asked: JsonDict = {}
    for tag in (REASON, REASON_CODES, CONTACT_URI, CONTACT_NAME):
        if not has_value(sent, tag):
            continue
        if not _is_of_its_kind(tag, sent[tag]):
            raise WorkitemRefused(
                Answer.INVALID_ARGUMENT_VALUE, "an argument is not of its VR", [int(tag, 16)]
            )
        asked[tag] = sent[tag]
    codes = {PROGRESS: {"vr": "SQ", "Value": [{tag: asked[tag] for tag in asked if tag == REASON_CODES}]}}
    _, fault = nested.complete(codes, creating=False)
    if fault is not None:
        raise WorkitemRefused(Answer.INVALID_ARGUMENT_VALUE, _short(str(fault)), [int(REASON_CODES, 16)])
    return asked


def with_cancellation(
    attributes: Mapping[str, Any], asked: Mapping[str, Any], *, at: str, default_reason: bool
) -> JsonDict:
    """The attributes with when and why it was canceled; what its performer said already stays."""
    progress = dict(first(attributes, PROGRESS) or {})
    if not has_value(progress, CANCELED_AT):
        progress |= element("ProcedureStepCancellationDateTime", at)
    for tag in (REASON, REASON_CODES):
        if has_value(asked, tag) and not has_value(progress, tag):
            progress[tag] = asked[tag]
    if default_reason and not has_value(progress, REASON_CODES):
        progress |= element("ProcedureStepDiscontinuationReasonCodeSequence", UNSPECIFIED)
    if has_value(asked, CONTACT_URI):
        contact = {tag: asked[tag] for tag in (CONTACT_URI, CONTACT_NAME) if has_value(asked, tag)}
        progress |= element("ProcedureStepCommunicationsURISequence", contact)
    progress = dict(sorted(progress.items()))
    return dict(sorted({**attributes, PROGRESS: {"vr": "SQ", "Value": [progress]}}.items()))


# Subscriptions


class Action(IntEnum):
    """Action Type ID (PS3.4 table CC.2-1)."""

    CHANGE_STATE = 1
    REQUEST_CANCEL = 2
    SUBSCRIBE = 3
    UNSUBSCRIBE = 4
    SUSPEND = 5


class Scope(StrEnum):
    """What a subscription is to."""

    ONE = "one"
    GLOBAL = "global"
    FILTERED = "filtered"


def scope_of(sop_instance_uid: str) -> Scope:
    """The scope of a subscription to an instance: two are well-known (PS3.4 CC.3.3.1)."""
    return {
        "1.2.840.10008.5.1.4.34.5": Scope.GLOBAL,
        "1.2.840.10008.5.1.4.34.5.1": Scope.FILTERED,
    }.get(sop_instance_uid, Scope.ONE)


def check_subscription(
    action: Action, scope: Scope, receiving_ae_title: str, keys: Mapping[str, Any]
) -> None:
    """Raises WorkitemRefused for a subscription, its end or its suspension that cannot be (PS3.4 CC.2.3)."""
    if not 1 <= len(receiving_ae_title) <= 16 or not all(
        32 <= ord(one) < 127 and one != "\\" for one in receiving_ae_title
    ):
        raise WorkitemRefused(
            Answer.INVALID_ARGUMENT_VALUE, "Receiving AE is missing or none", [int(RECEIVING_AE, 16)]
        )
    if action is Action.SUSPEND and scope is Scope.ONE:
        raise WorkitemRefused(Answer.ACTION_NOT_APPROPRIATE)
    if action is Action.SUBSCRIBE and scope is Scope.FILTERED and not keys:
        raise WorkitemRefused(Answer.INVALID_ARGUMENT_VALUE, "the filter has no matching key")


# Events


class EventType(IntEnum):
    """Event Type ID (PS3.4 table CC.2.4-1)."""

    STATE_REPORT = 1
    CANCEL_REQUESTED = 2
    PROGRESS_REPORT = 3
    SCP_STATUS_CHANGE = 4
    ASSIGNED = 5


def state_report(attributes: Mapping[str, Any], state: State) -> JsonDict:
    """Event information of a UPS State Report."""
    report = element("ProcedureStepState", state.value) | {READINESS: attributes.get(READINESS, {"vr": "CS"})}
    progress = first(attributes, PROGRESS) or {}
    for tag in (REASON, REASON_CODES):
        if state is State.CANCELED and has_value(progress, tag):
            report[tag] = progress[tag]
    return dict(sorted(report.items()))


def cancel_requested(asked: Mapping[str, Any], requesting_ae_title: str) -> JsonDict:
    """Event information of a UPS Cancel Requested."""
    event = element("RequestingAE", requesting_ae_title[:16])
    for tag in (REASON, REASON_CODES, CONTACT_URI, CONTACT_NAME):
        if has_value(asked, tag):
            event[tag] = asked[tag]
    return dict(sorted(event.items()))


def assigned(attributes: Mapping[str, Any]) -> JsonDict:
    """Event information of a UPS Assigned: to which station, to whom."""
    event: JsonDict = {}
    if has_value(attributes, STATIONS):
        event[STATIONS] = attributes[STATIONS]
    performer = first(attributes, PERFORMERS) or {}
    for tag in (PERFORMER_CODES, ORGANIZATION):
        if has_value(performer, tag):
            event[tag] = performer[tag]
    return dict(sorted(event.items()))


def events_of_update(
    before: Mapping[str, Any], after: Mapping[str, Any], state: State
) -> list[tuple[EventType, JsonDict]]:
    """What subscribers hear of an update (PS3.4 CC.2.4.3)."""
    told: list[tuple[EventType, JsonDict]] = []
    if before.get(READINESS) != after.get(READINESS):
        told.append((EventType.STATE_REPORT, state_report(after, state)))
    if before.get(PROGRESS) != after.get(PROGRESS) and has_value(after, PROGRESS):
        told.append((EventType.PROGRESS_REPORT, {PROGRESS: after[PROGRESS]}))
    if any(before.get(tag) != after.get(tag) and has_value(after, tag) for tag in (STATIONS, PERFORMERS)):
        told.append((EventType.ASSIGNED, assigned(after)))
    return told


def unknown_tags(wanted: Iterable[str], attributes: Mapping[str, Any]) -> list[str]:
    """Those of the asked tags that a Workitem does not have."""
    return [tag for tag in wanted if tag not in attributes and tag not in (STATE, TRANSACTION_UID)]
