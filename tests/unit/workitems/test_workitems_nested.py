"""What stands inside the sequences of a Workitem (PS3.4 table CC.2.5-3): each nested row, made and changed."""

from __future__ import annotations

from typing import Any

import pytest

from wetread.workitems import nested, rules
from wetread.workitems.rules import Answer, State, WorkitemRefused, element, tag_of
from workitem_fixtures import code, workitem

AT = "20261125030000.000000+0000"
T = "1.2.3"
REFERENCE = element("ReferencedSOPClassUID", "1.2.4") | element("ReferencedSOPInstanceUID", "1.2.5")
USED = (
    element("TypeOfInstances", "DICOM")
    | element("StudyInstanceUID", "1.2.6")
    | element("SeriesInstanceUID", "1.2.7")
    | element("ReferencedSOPSequence", REFERENCE)
    | element("DICOMRetrievalSequence", element("RetrieveAETitle", "WETREAD"))
)
PERSON = (
    element("HumanPerformerCodeSequence", code("DOE"))
    | element("HumanPerformerName", {"Alphabetic": "Doe^Ann"})
    | element("HumanPerformerOrganization", "Eastgate")
)
# (sequence, its item, the attribute inside that it must not lack)
ROWS = [
    ("ScheduledStationNameCodeSequence", code("AI1"), "CodeMeaning"),
    ("ScheduledStationClassCodeSequence", code("AI1"), "CodeValue"),
    ("ScheduledStationGeographicLocationCodeSequence", code("AI1"), "CodingSchemeDesignator"),
    ("ScheduledHumanPerformersSequence", PERSON, "HumanPerformerCodeSequence"),
    ("ScheduledHumanPerformersSequence", PERSON, "HumanPerformerName"),
    ("ScheduledHumanPerformersSequence", PERSON, "HumanPerformerOrganization"),
    ("ScheduledWorkitemCodeSequence", code("CAD"), "CodeMeaning"),
    ("InputInformationSequence", USED, "TypeOfInstances"),
    ("InputInformationSequence", USED, "StudyInstanceUID"),
    ("InputInformationSequence", USED, "SeriesInstanceUID"),
    ("InputInformationSequence", USED, "ReferencedSOPSequence"),
    ("OtherPatientIDsSequence", element("PatientID", "P2"), "PatientID"),
    ("OutputDestinationSequence", element("DICOMStorageSequence", element("DestinationAE", "A")), "DestinationAE"),
    ("OutputDestinationSequence", element("DICOMStorageSequence", element("DestinationAE", "A")), "DICOMStorageSequence"),
    ("IssuerOfPatientIDQualifiersSequence", element("UniversalEntityID", "1.2.8") | element("UniversalEntityIDType", "ISO"), "UniversalEntityIDType"),
    ("ReferencedRequestSequence", element("StudyInstanceUID", "1.2.6"), "StudyInstanceUID"),
    ("ReplacedProcedureStepSequence", REFERENCE, "ReferencedSOPInstanceUID"),
    ("GenderIdentitySequence", element("GenderIdentityCodeSequence", code("446151000124109")), "GenderIdentityCodeSequence"),
    ("SexParametersForClinicalUseCategorySequence", element("SexParametersForClinicalUseCategoryCodeSequence", code("131230")), "CodeMeaning"),
    ("PersonNamesToUseSequence", element("NameToUse", "Jan"), "NameToUse"),
    ("ThirdPersonPronounsSequence", element("PronounCodeSequence", code("LA29518-0")), "PronounCodeSequence"),
    (
        "ScheduledProcessingParametersSequence",
        element("ValueType", "TEXT") | element("ConceptNameCodeSequence", code("X")) | element("TextValue", "much"),
        "ConceptNameCodeSequence",
    ),
]  # fmt: skip


def without(item: dict[str, Any], keyword: str, *, emptied: bool) -> dict[str, Any]:
    """The item without this attribute, wherever in it that stands."""
    tag, changed = tag_of(keyword), {}
    for one, entry in item.items():
        if one == tag:
            if emptied:
                changed[one] = {"vr": entry["vr"]}
        elif entry["vr"] == "SQ":
            items = [without(inner, keyword, emptied=emptied) for inner in entry.get("Value", [])]
            changed[one] = {"vr": "SQ", "Value": items}
        else:
            changed[one] = entry
    return changed


def refused(make: Any) -> WorkitemRefused:
    with pytest.raises(WorkitemRefused) as found:
        make()
    return found.value


@pytest.mark.parametrize(("sequence", "item", "lacking"), ROWS)
def test_what_an_item_must_not_lack(sequence: str, item: dict[str, Any], lacking: str) -> None:
    made = rules.create("1.2.3", workitem("x", **{sequence: item}), at=AT)
    assert made.answer is Answer.SUCCESS
    changeable = rules.BY_TAG[tag_of(sequence)].update != "-"
    for emptied in (False, True):
        # The first of what a code may be given by is missing, however the others came to be empty.
        is_empty = emptied and lacking not in ("CodeValue", "DICOMStorageSequence")
        of_create = Answer.MISSING_ATTRIBUTE_VALUE if is_empty else Answer.MISSING_ATTRIBUTE
        of_set = Answer.MISSING_ATTRIBUTE_VALUE if is_empty else Answer.INVALID_ATTRIBUTE_VALUE
        wrong = element(sequence, without(item, lacking, emptied=emptied))
        answer = refused(lambda wrong=wrong: rules.create("1.2.3", workitem("x") | wrong, at=AT))
        assert (answer.answer, answer.tags) == (of_create, (int(tag_of(sequence), 16),))
        assert lacking in answer.detail and len(answer.detail) <= 64
        if changeable:
            answer = refused(
                lambda wrong=wrong: rules.update(State.SCHEDULED, None, made.attributes, wrong, at=AT)
            )
            assert answer.answer is of_set


def test_what_an_item_may_lack_is_there_and_empty() -> None:
    sent = workitem("x", ReferencedRequestSequence=element("StudyInstanceUID", "1.2.6"))
    (item,) = rules.create("1.2.3", sent, at=AT).attributes[tag_of("ReferencedRequestSequence")]["Value"]
    for keyword in ("AccessionNumber", "OrderPlacerIdentifierSequence", "RequestedProcedureCodeSequence"):
        assert item[tag_of(keyword)] == {"vr": "SH" if keyword == "AccessionNumber" else "SQ"}


@pytest.mark.parametrize(
    "given",
    [
        element("LongCodeValue", "x" * 40) | element("CodingSchemeDesignator", "99A"),
        element("URNCodeValue", "urn:lex:us:federal"),  # says its scheme itself
    ],
)
def test_a_code_of_any_kind_is_a_code(given: dict[str, Any]) -> None:
    item = given | element("CodeMeaning", "something")
    assert rules.create("1.2.3", workitem("x", ScheduledWorkitemCodeSequence=item), at=AT).answer == 0


def test_a_structured_document_hangs_in_no_series() -> None:
    document = REFERENCE | element("HL7InstanceIdentifier", "1.2.8^4")
    item = element("TypeOfInstances", "CDA") | element("ReferencedSOPSequence", document)
    nameless = element("TypeOfInstances", "CDA") | element("ReferencedSOPSequence", REFERENCE)
    answer = refused(lambda: rules.create("1.2.3", workitem("x", InputInformationSequence=nameless), at=AT))
    assert (answer.answer, "HL7InstanceIdentifier" in answer.detail) == (Answer.MISSING_ATTRIBUTE, True)
    assert rules.create("1.2.3", workitem("x", InputInformationSequence=item), at=AT).answer == 0
    other = item | element("TypeOfInstances", "PAPER")
    answer = refused(lambda: rules.create("1.2.3", workitem("x", InputInformationSequence=other), at=AT))
    assert answer.answer is Answer.INVALID_ATTRIBUTE_VALUE


@pytest.mark.parametrize(
    ("sequence", "item", "words"),
    [
        (
            "ProcedureStepProgressInformationSequence",
            element("ProcedureStepCommunicationsURISequence", element("ContactDisplayName", "Ann")),
            "ContactURI",
        ),
        (
            "ProcedureStepProgressInformationSequence",
            element("ProcedureStepDiscontinuationReasonCodeSequence", element("CodeValue", "110514")),
            "CodingSchemeDesignator",
        ),
        (
            "UnifiedProcedureStepPerformedProcedureSequence",
            element("PerformedStationNameCodeSequence", element("CodeMeaning", "AI")),
            "CodeValue",
        ),
        (
            "UnifiedProcedureStepPerformedProcedureSequence",
            element("OutputInformationSequence", without(USED, "ReferencedSOPInstanceUID", emptied=False)),
            "ReferencedSOPInstanceUID",
        ),
    ],
)
def test_what_its_performer_says_is_whole_too(sequence: str, item: dict[str, Any], words: str) -> None:
    present = rules.create("1.2.3", workitem("x"), at=AT).attributes
    sent = element(sequence, item) | element("TransactionUID", T)
    answer = refused(lambda: rules.update(State.IN_PROGRESS, T, present, sent, at=AT))
    assert answer.answer is Answer.INVALID_ATTRIBUTE_VALUE
    assert words in answer.detail


@pytest.mark.parametrize(
    "wrong",
    [
        {tag_of("ScheduledStationNameCodeSequence"): {"vr": "LO", "Value": ["CT1"]}},
        {tag_of("ProcedureStepLabel"): {"vr": "SQ", "Value": [code("CT1")]}},
        {tag_of("PatientID"): {"vr": "SQ", "Value": [code("P1")]}},
        element("ScheduledWorkitemCodeSequence", code("A"), code("B")),
        element(
            "InputInformationSequence",
            {**USED, tag_of("ReferencedSOPSequence"): {"vr": "UI", "Value": ["1.2.5"]}},
        ),
        element("InputInformationSequence", {**USED, tag_of("TypeOfInstances"): {"vr": "SQ", "Value": [code("A")]}}),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_than_it_should_be(wrong: dict[str, Any]) -> None:
    answer = refused(lambda: rules.create("1.2.3", workitem("x") | wrong, at=AT))
    assert answer.answer is Answer.INVALID_ATTRIBUTE_VALUE


def test_every_sequence_of_the_table_says_what_is_in_it() -> None:
    bare = {
        one.keyword
        for one in rules.REQUIREMENTS
        if one.keyword.endswith("Sequence") and one.keyword not in nested.SEQUENCES
    }
    assert bare == set()


NAME = element("ConceptNameCodeSequence", code("X"))
UNITS = element("MeasurementUnitsCodeSequence", code("mm"))


@pytest.mark.parametrize(
    ("kind", "value", "lacking"),
    [
        ("DATETIME", element("DateTime", AT), "DateTime"),
        ("DATE", element("Date", "20261125"), "Date"),
        ("TIME", element("Time", "0300"), "Time"),
        ("PNAME", element("PersonName", {"Alphabetic": "Doe^Ann"}), "PersonName"),
        ("UIDREF", element("UID", "1.2.9"), "UID"),
        ("TEXT", element("TextValue", "much"), "TextValue"),
        ("CODE", element("ConceptCodeSequence", code("Y")), "ConceptCodeSequence"),
        ("NUMERIC", element("NumericValue", 5) | UNITS, "NumericValue"),
        ("NUMERIC", element("NumericValue", 5) | UNITS, "MeasurementUnitsCodeSequence"),
        ("IMAGE", element("ReferencedSOPSequence", REFERENCE), "ReferencedSOPSequence"),
        ("COMPOSITE", element("ReferencedSOPSequence", REFERENCE), "ReferencedSOPSequence"),
    ],
)
def test_a_named_value_has_the_value_of_its_kind(kind: str, value: dict[str, Any], lacking: str) -> None:
    item = element("ValueType", kind) | NAME | value
    for sequence in (item, item | element("ContentItemModifierSequence", item)):
        sent = workitem("x", ScheduledProcessingParametersSequence=sequence)
        assert rules.create("1.2.3", sent, at=AT).answer is Answer.SUCCESS
    bare = without(item, lacking, emptied=False)
    for sequence in (bare, item | element("ContentItemModifierSequence", bare)):
        sent = workitem("x", ScheduledProcessingParametersSequence=sequence)
        answer = refused(lambda sent=sent: rules.create("1.2.3", sent, at=AT))
        assert answer.answer is Answer.MISSING_ATTRIBUTE
        assert lacking in answer.detail
    unknown = item | element("ValueType", "WAVEFORM")
    sent = workitem("x", ScheduledProcessingParametersSequence=unknown)
    assert refused(lambda: rules.create("1.2.3", sent, at=AT)).answer is Answer.INVALID_ATTRIBUTE_VALUE


@pytest.mark.parametrize(("value", "has"), [("131232", True), ("131230", False)])
def test_specified_sex_parameters_say_how(value: str, has: bool) -> None:
    item = element("SexParametersForClinicalUseCategoryCodeSequence", code(value))
    sent = workitem("Scan", SexParametersForClinicalUseCategorySequence=item)
    kept = rules.create("1.2.3", sent, at=AT).attributes
    (found,) = kept[tag_of("SexParametersForClinicalUseCategorySequence")]["Value"]
    assert (tag_of("SexParametersForClinicalUseCategoryComment") in found) is has
    assert (tag_of("SexParametersForClinicalUseCategoryReference") in found) is has
    with pytest.raises(WorkitemRefused) as refusal:  # as all of who the patient is: by a new Workitem alone
        rules.update(
            State.SCHEDULED,
            None,
            kept,
            element("GenderIdentitySequence", element("GenderIdentityComment", "x")),
            at=AT,
        )
    assert refusal.value.answer is Answer.NO_SUCH_ATTRIBUTE


def test_what_is_optional_and_empty_is_left_out() -> None:
    request = element("StudyInstanceUID", "1.2.6") | element("PlacerOrderNumberImagingServiceRequest")
    sent = workitem("Scan", ReferencedRequestSequence=request) | element("ExpectedCompletionDateTime")
    kept = rules.create("1.2.3", sent, at=AT).attributes
    assert tag_of("ExpectedCompletionDateTime") not in kept
    assert (
        tag_of("PlacerOrderNumberImagingServiceRequest")
        not in kept[tag_of("ReferencedRequestSequence")]["Value"][0]
    )
    progress = element("ProcedureStepProgress", 50) | element("ReasonForCancellation")
    after = rules.update(
        State.IN_PROGRESS, T, kept,
        element("TransactionUID", T) | element("ProcedureStepProgressInformationSequence", progress), at=AT,
    )  # fmt: skip
    assert after[rules.PROGRESS]["Value"] == [element("ProcedureStepProgress", 50)]
