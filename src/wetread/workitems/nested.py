"""What stands inside the sequences of a Unified Procedure Step: the nested rows of PS3.4 table CC.2.5-3 with its macros
(tables CC.2.5-2a and following). Pure: nothing here decides on a status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

JsonDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """An attribute of an item. `create` and `update`: 1 with a value, 1C so where one of `needed_by` has a value, 2 taken as
    empty where absent, 3 optional, 3/1 optional and left out where it is empty. `needed_by` names attributes, or an
    attribute and a value of it, or of the code in it; after `<`, one of the item that this item is in. `inside`: what its own
    items hold; `values`: the only ones there are."""

    keyword: str
    create: str = "3"
    update: str = "3"
    inside: Item | None = None
    needed_by: tuple[str, ...] = ()
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """The items of a sequence. `any_of`: at least one of these has a value."""

    rows: tuple[Row, ...]
    any_of: tuple[str, ...] = ()
    is_single: bool = False


class Lack(StrEnum):
    """What is wrong with an item."""

    MISSING = "is missing"
    EMPTY = "is empty"
    NO_SUCH_VALUE = "has a value that there is not"
    TOO_MANY = "has more than one item"
    NO_ITEMS = "is no sequence of items"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: `path` is keywords from the outermost on."""

    path: tuple[str, ...]
    lack: Lack

    def __str__(self) -> str:
        return f"{'.'.join(self.path)} {self.lack}"


def _one(keyword: str, inside: Item | None = None, **more: Any) -> Row:
    return Row(keyword, "1", "1", inside, **more)


def _two(keyword: str, inside: Item | None = None) -> Row:
    return Row(keyword, "2", "2", inside)


def _valued(keyword: str, inside: Item | None = None) -> Row:
    return Row(keyword, "3/1", "3/1", inside)


def _any(*keywords: str) -> tuple[Row, ...]:
    return tuple(Row(keyword) for keyword in keywords)


CODE = Item(
    (
        *_any("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeVersion"),
        Row("CodingSchemeDesignator", "1C", "1C", needed_by=("CodeValue", "LongCodeValue")),
        _one("CodeMeaning"),
    ),
    any_of=("CodeValue", "LongCodeValue", "URNCodeValue"),
)
ISSUER = Item(
    (
        *_any("LocalNamespaceEntityID", "UniversalEntityID"),
        Row("UniversalEntityIDType", "1C", "1C", needed_by=("UniversalEntityID",)),
    ),
    any_of=("LocalNamespaceEntityID", "UniversalEntityID"),
)
# What assigned a patient's identifier (PS3.3 table 10-18).
QUALIFIERS = Item(
    (
        Row("UniversalEntityID"),
        Row("UniversalEntityIDType", "1C", "1C", needed_by=("UniversalEntityID",)),
        Row("AssigningFacilitySequence", inside=Item(ISSUER.rows, ISSUER.any_of, is_single=True)),
        Row("AssigningJurisdictionCodeSequence", inside=Item(CODE.rows, CODE.any_of, is_single=True)),
        Row("AssigningAgencyOrDepartmentCodeSequence", inside=Item(CODE.rows, CODE.any_of, is_single=True)),
    ),
    is_single=True,
)
REFERENCE = Item((_one("ReferencedSOPClassUID"), _one("ReferencedSOPInstanceUID")))
# Referenced Instances and Access (PS3.3 table 10-3b). That none of the ways of retrieving is said is let pass: then the
# images are looked for in this archive.
ACCESS = Item(
    (
        _one("TypeOfInstances", values=frozenset({"DICOM", "CDA"})),
        Row("StudyInstanceUID", "1C", "1C", needed_by=("TypeOfInstances=DICOM",)),
        Row("SeriesInstanceUID", "1C", "1C", needed_by=("TypeOfInstances=DICOM",)),
        _one(
            "ReferencedSOPSequence",
            Item(
                (
                    *REFERENCE.rows,
                    Row("HL7InstanceIdentifier", "1C", "1C", needed_by=("<TypeOfInstances=CDA",)),
                )
            ),
        ),
        Row("DICOMRetrievalSequence", inside=Item((_one("RetrieveAETitle"),))),
        Row(
            "DICOMMediaRetrievalSequence",
            inside=Item((_two("StorageMediaFileSetID"), _one("StorageMediaFileSetUID"))),
        ),
        Row("WADORetrievalSequence", inside=Item((_one("RetrieveURI"),))),
        Row("WADORSRetrievalSequence", inside=Item((_one("RetrieveURL"),))),
        Row("XDSRetrievalSequence", inside=Item((_one("RepositoryUniqueID"),))),
    )
)
# A name and its value (PS3.3 table 10-2): where the value stands, by its kind.
_VALUES: Mapping[str, tuple[tuple[str, Item | None], ...]] = {
    "DATETIME": (("DateTime", None),),
    "DATE": (("Date", None),),
    "TIME": (("Time", None),),
    "PNAME": (("PersonName", None),),
    "UIDREF": (("UID", None),),
    "TEXT": (("TextValue", None),),
    "CODE": (("ConceptCodeSequence", Item(CODE.rows, CODE.any_of, is_single=True)),),
    "NUMERIC": (
        ("NumericValue", None),
        ("MeasurementUnitsCodeSequence", Item(CODE.rows, CODE.any_of, is_single=True)),
    ),
    "COMPOSITE": (),
    "IMAGE": (),
}
_NAMED_VALUE = (
    _one("ValueType", values=frozenset(_VALUES)),
    _one("ConceptNameCodeSequence", Item(CODE.rows, CODE.any_of, is_single=True)),
    *(
        Row(keyword, "1C", "1C", inside, (f"ValueType={kind}",))
        for kind, places in _VALUES.items()
        for keyword, inside in places
    ),
    Row(
        "ReferencedSOPSequence",
        "1C",
        "1C",
        Item(REFERENCE.rows, is_single=True),
        ("ValueType=COMPOSITE", "ValueType=IMAGE"),
    ),
)
CONTENT = Item((*_NAMED_VALUE, Row("ContentItemModifierSequence", inside=Item(_NAMED_VALUE))))
_PERFORMER = ("HumanPerformerName", "HumanPerformerOrganization")
SCHEDULED_PERFORMER = Item(
    (_one("HumanPerformerCodeSequence", CODE), *(_one(keyword) for keyword in _PERFORMER))
)
ACTUAL_PERFORMER = Item(
    (_valued("HumanPerformerCodeSequence", CODE), *(_valued(keyword) for keyword in _PERFORMER))
)
IDENTIFIER = Item(
    (
        _one("PatientID"),
        _two("IssuerOfPatientID"),
        _two("IssuerOfPatientIDQualifiersSequence", QUALIFIERS),
        Row("TypeOfPatientID"),
    )
)
REQUEST = Item(
    (
        _one("StudyInstanceUID"),
        _two("AccessionNumber"),
        _two("IssuerOfAccessionNumberSequence", ISSUER),
        _valued("PlacerOrderNumberImagingServiceRequest"),
        _two("OrderPlacerIdentifierSequence", ISSUER),
        _valued("FillerOrderNumberImagingServiceRequest"),
        _two("OrderFillerIdentifierSequence", ISSUER),
        _two("RequestedProcedureID"),
        _two("RequestedProcedureDescription"),
        _two("RequestedProcedureCodeSequence", CODE),
        Row("ReasonForRequestedProcedureCodeSequence", inside=CODE),
        _valued("RequestingService"),
        Row("RequestingServiceCodeSequence", inside=CODE),
    )
)
# How the person is named and spoken of, and what of the sex matters to the procedure (PS3.3 table 10.36-1 and following).
_WHILE = _any("EffectiveStartDateTime", "EffectiveStopDateTime")
GENDER_IDENTITY = Item((_one("GenderIdentityCodeSequence", CODE), *_WHILE, Row("GenderIdentityComment")))
_SPECIFIED = ("SexParametersForClinicalUseCategoryCodeSequence=131232",)
SEX_PARAMETERS = Item(
    (
        _one("SexParametersForClinicalUseCategoryCodeSequence", CODE),
        *_WHILE,
        Row("SexParametersForClinicalUseCategoryComment", "2C", "2C", needed_by=_SPECIFIED),
        Row("SexParametersForClinicalUseCategoryReference", "2C", "2C", needed_by=_SPECIFIED),
    )
)
NAME_TO_USE = Item((_one("NameToUse"), *_WHILE, Row("NameToUseComment")))
PRONOUNS = Item((_one("PronounCodeSequence", CODE), *_WHILE, Row("PronounComment")))
OUTPUT_DESTINATION = Item(
    (
        Row("DICOMStorageSequence", inside=Item((_one("DestinationAE"),))),
        Row("STOWRSStorageSequence", inside=Item((_one("StorageURL"),))),
        Row("XDSStorageSequence", inside=Item((_one("RepositoryUniqueID"),))),
    ),
    any_of=("DICOMStorageSequence", "STOWRSStorageSequence", "XDSStorageSequence"),
)
PROGRESS = Item(
    (
        _valued("ProcedureStepProgress"),
        _valued("ProcedureStepProgressDescription"),
        _valued("ProcedureStepCancellationDateTime"),
        _valued("ReasonForCancellation"),
        Row("ProcedureStepProgressParametersSequence", inside=CONTENT),
        _valued(
            "ProcedureStepCommunicationsURISequence",
            Item((_one("ContactURI"), _valued("ContactDisplayName"))),
        ),
        _valued("ProcedureStepDiscontinuationReasonCodeSequence", CODE),
    ),
    is_single=True,
)
PERFORMED = Item(
    (
        _valued("ActualHumanPerformersSequence", ACTUAL_PERFORMER),
        *(
            Row(keyword, inside=CODE)
            for keyword in (
                "PerformedStationNameCodeSequence",
                "PerformedStationClassCodeSequence",
                "PerformedStationGeographicLocationCodeSequence",
            )
        ),
        _valued("PerformedWorkitemCodeSequence", CODE),
        _valued("PerformedProcedureStepStartDateTime"),
        _valued("PerformedProcedureStepEndDateTime"),
        _valued("PerformedProcedureStepDescription"),
        _valued("CommentsOnThePerformedProcedureStep"),
        _valued("PerformedProcessingParametersSequence", CONTENT),
        _two("OutputInformationSequence", ACCESS),
    ),
    is_single=True,
)

SEQUENCES: Mapping[str, Item] = {
    "ScheduledProcessingParametersSequence": CONTENT,
    "ScheduledStationNameCodeSequence": CODE,
    "ScheduledStationClassCodeSequence": CODE,
    "ScheduledStationGeographicLocationCodeSequence": CODE,
    "ScheduledHumanPerformersSequence": SCHEDULED_PERFORMER,
    "ScheduledWorkitemCodeSequence": Item(CODE.rows, CODE.any_of, is_single=True),
    "InputInformationSequence": ACCESS,
    "OutputDestinationSequence": OUTPUT_DESTINATION,
    "IssuerOfPatientIDQualifiersSequence": QUALIFIERS,
    "OtherPatientIDsSequence": IDENTIFIER,
    "GenderIdentitySequence": GENDER_IDENTITY,
    "SexParametersForClinicalUseCategorySequence": SEX_PARAMETERS,
    "PersonNamesToUseSequence": NAME_TO_USE,
    "ThirdPersonPronounsSequence": PRONOUNS,
    "IssuerOfAdmissionIDSequence": Item(ISSUER.rows, ISSUER.any_of, is_single=True),
    "AdmittingDiagnosesCodeSequence": CODE,
    "ReferencedRequestSequence": REQUEST,
    "ReplacedProcedureStepSequence": REFERENCE,
    "ReferencedPatientPhotoSequence": ACCESS,
    "ProcedureStepProgressInformationSequence": PROGRESS,
    "UnifiedProcedureStepPerformedProcedureSequence": PERFORMED,
}
"""What the items of each sequence of a Workitem hold."""


def tag_of(keyword: str) -> str:
    """The tag of a keyword in the JSON model. Raises KeyError for one that the dictionary lacks."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{int(tag):08X}"


_SEQUENCES = {tag_of(keyword): (keyword, item) for keyword, item in SEQUENCES.items()}


def _values(item: Mapping[str, Any], keyword: str) -> list[Any]:
    entry = item.get(tag_of(keyword))
    return [] if entry is None else [one for one in entry.get("Value") or () if one not in (None, "", {})]


def _is_needed(item: Mapping[str, Any], by: str, around: Mapping[str, Any]) -> bool:
    keyword, _, value = by.partition("=")
    given = _values(around, keyword[1:]) if keyword.startswith("<") else _values(item, keyword)
    if not value:
        return bool(given)
    codes = [_values(one, "CodeValue") for one in given if isinstance(one, Mapping)]
    return value in given or [value] in codes


def complete(attributes: JsonDict, *, creating: bool) -> tuple[JsonDict, Fault | None]:
    """The data set with what its items may lack as empty (type 2), and the first fault in them."""
    whole: JsonDict = {}
    for tag, entry in attributes.items():
        if tag not in _SEQUENCES:
            whole[tag] = entry
            continue
        keyword, item = _SEQUENCES[tag]
        whole[tag], fault = _sequence((keyword,), entry, item, creating, attributes)
        if fault is not None:
            return attributes, fault
    return whole, None


def _sequence(
    path: tuple[str, ...], entry: JsonDict, of: Item, creating: bool, around: Mapping[str, Any]
) -> tuple[JsonDict, Fault | None]:
    items = entry.get("Value") or []
    if entry.get("vr") != "SQ" or not all(isinstance(one, Mapping) for one in items):
        return entry, Fault(path, Lack.NO_ITEMS)
    if of.is_single and len(items) > 1:
        return entry, Fault(path, Lack.TOO_MANY)
    whole = []
    for one in items:
        made = dict(one)
        for fault in _fill(path, made, of, creating, around):
            return entry, fault
        whole.append(dict(sorted(made.items())))
    return {**entry, "Value": whole} if items else entry, None


def _fill(
    path: tuple[str, ...], item: JsonDict, of: Item, creating: bool, around: Mapping[str, Any]
) -> Iterator[Fault]:
    """Completes an item in its place, which is in `around`; yields what is wrong with it."""
    for row in of.rows:
        kind, tag = (row.create if creating else row.update), tag_of(row.keyword)
        here = (*path, row.keyword)
        conditional = any(_is_needed(item, by, around) for by in row.needed_by)
        needed = kind == "1" or (kind == "1C" and conditional)
        given = _values(item, row.keyword)
        if needed and not given:
            yield Fault(here, Lack.EMPTY if tag in item else Lack.MISSING)
        if row.values and not row.values.issuperset(given if all(map(_is_text, given)) else {""}):
            yield Fault(here, Lack.NO_SUCH_VALUE)
        if kind == "3/1" and not given:
            item.pop(tag, None)
        if kind == "2" or (kind == "2C" and conditional):
            item.setdefault(tag, {"vr": dictionary_VR(int(tag, 16))})
        if tag in item and row.inside is not None:
            item[tag], fault = _sequence(here, item[tag], row.inside, creating, item)
            if fault is not None:
                yield fault
    if of.any_of and not any(_values(item, keyword) for keyword in of.any_of):
        yield Fault((*path, of.any_of[0]), Lack.MISSING)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def rows_of(sequences: Mapping[str, Item] = SEQUENCES) -> Iterator[tuple[str, Row]]:
    """Every nested attribute with the path to it, for who writes the table down."""
    for keyword, item in sequences.items():
        yield from _rows(keyword, item)


def _rows(path: str, item: Item) -> Iterator[tuple[str, Row]]:
    for row in item.rows:
        yield path, row
        if row.inside is not None and row.inside is not CODE:
            yield from _rows(f"{path} > {row.keyword}", row.inside)
