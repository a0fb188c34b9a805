"""De-identification by the Basic Application Level Confidentiality Profile (PS3.15 E.2) and some of its options, with
pseudonyms that are the same for the same person and object as long as the key is the same. Pure.

Pseudonyms are HMAC-SHA-256 under a secret key: who has not the key can neither find whose they are by trying all
identifiers, nor join the data that two destinations with keys of their own were given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, Final

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag, repeater_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from wetread.dicom.confidentiality import (
    ACTIONS,
    DATES,
    DEVICE,
    INSTITUTION,
    PATIENT_CHARACTERISTICS,
    UIDS,
)

_ACTION_OF: Final[dict[int, str]] = {tag: action for action, tags in ACTIONS.items() for tag in tags}
_DAYS_MOVED_MAX = 3650
_SHARED = frozenset({0x00080016, 0x00081150, 0x00020010})  # UIDs of classes identify nobody
_DUMMY: Final[dict[str, Any]] = {
    "DA": "19000101", "TM": "000000", "DT": "19000101000000", "AS": "000Y", "PN": "REMOVED", "LO": "REMOVED",
    "SH": "REMOVED", "CS": "REMOVED", "ST": "REMOVED", "LT": "REMOVED", "UT": "REMOVED", "UC": "REMOVED", "AE": "REMOVED",
    "UR": "", "DS": "0", "IS": "0", "FL": 0.0, "FD": 0.0, "US": 0, "SS": 0, "UL": 0, "SL": 0, "UV": 0, "SV": 0,
}  # fmt: skip
# PS3.16 CID 7050: the codes that say how it was done.
_BASIC = ("113100", "Basic Application Confidentiality Profile")
_CODES: Final = {
    "retain_full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "move_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "retain_patient_characteristics": ("113108", "Retain Patient Characteristics Option"),
    "retain_device_identity": ("113109", "Retain Device Identity Option"),
    "retain_uids": ("113110", "Retain UIDs Option"),
    "retain_institution_identity": ("113112", "Retain Institution Identity Option"),
}
# Classes whose content is words or pages, which no table of attributes can clean.
_WORDS_INSIDE = ("1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.104.")
# Where pictures commonly show the name: secondary captures, ultrasound, endoscopy, photographs, video.
_DRAWN = (
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.6.",
    "1.2.840.10008.5.1.4.1.1.3.",
    "1.2.840.10008.5.1.4.1.1.77.1.",
)
_DRAWN_MODALITIES = frozenset({"US", "ES", "XC", "GM", "SC", "OT", "DOC", "IVUS", "ECG", "HC"})


class HeldBack(Exception):
    """The object may say who the patient is in a way that cannot be cleaned. Words for a person, without patient data."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the profile (E.3). `allow_burned_in`: also objects whose pixels may show who the patient is."""

    retain_full_dates: bool = False
    move_dates: bool = False
    retain_patient_characteristics: bool = False
    retain_device_identity: bool = False
    retain_uids: bool = False
    retain_institution_identity: bool = False
    allow_burned_in: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From JSON. Raises ValueError for what is no option, or where dates would be both kept and moved."""
        names = {field.name for field in fields(cls)}
        if unknown := set(given) - names:
            raise ValueError(f"{', '.join(sorted(unknown))}: there is no such option")
        made = cls(**{name: bool(value) for name, value in given.items()})
        if made.retain_full_dates and made.move_dates:
            raise ValueError("dates are either kept or moved")
        return made


class Pseudonyms:
    """What stands for persons and UIDs under one key (32 bytes)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def uid(self, uid: str) -> str:
        """A UID under 2.25 (PS3.5 B.2), always the same for the same."""
        return f"2.25.{uuid.UUID(bytes=self._mac('uid', uid)[:16], version=4).int}"

    def patient_id(self, issuer: str, patient_id: str) -> str:
        """What stands for a person: 16 characters."""
        return base64.b32encode(self._mac("patient", f"{issuer}\\{patient_id}")[:10]).decode()

    def days(self, issuer: str, patient_id: str) -> int:
        """By how many days all dates of a person are moved back, 1 to 3650, so that what lies between stays."""
        mac = self._mac("days", f"{issuer}\\{patient_id}")
        return 1 + int.from_bytes(mac[:8], "big") % _DAYS_MOVED_MAX

    def _mac(self, what: str, value: str) -> bytes:
        return hmac.digest(self._key, f"{what}\0{value}".encode(), hashlib.sha256)


def check(dataset: Dataset, options: Options) -> None:
    """Raises HeldBack for objects that must not go out."""
    sop_class = str(dataset.get("SOPClassUID", ""))
    if sop_class.startswith(_WORDS_INSIDE):
        raise HeldBack("held back: reports and documents cannot be de-identified")
    if options.allow_burned_in:
        return
    burned = str(dataset.get("BurnedInAnnotation", "")).strip().upper()
    if burned == "YES":
        raise HeldBack("held back: it says that its pixels show annotation (Burned In Annotation)")
    drawn = sop_class.startswith(_DRAWN) or str(dataset.get("Modality", "")).strip() in _DRAWN_MODALITIES
    if burned != "NO" and drawn:
        raise HeldBack("held back: pictures of its kind may show who the patient is")


def deidentify(dataset: Dataset, pseudonyms: Pseudonyms, options: Options) -> None:
    """Changes the data set in place; its SOP Instance UID is the pseudonym's afterwards. Raises HeldBack."""
    check(dataset, options)
    issuer, patient_id = str(dataset.get("IssuerOfPatientID") or ""), str(dataset.get("PatientID") or "")
    days = pseudonyms.days(issuer, patient_id)
    _clean(dataset, pseudonyms, options, days)
    stands = pseudonyms.patient_id(issuer, patient_id)
    dataset.PatientID = dataset.PatientName = stands
    dataset.PatientIdentityRemoved = "YES"
    chosen = [_BASIC] + [code for name, code in _CODES.items() if getattr(options, name)]
    dataset.DeidentificationMethod = [f"PS3.15 {code}" for code, _ in chosen]
    dataset.DeidentificationMethodCodeSequence = Sequence(_code(*code) for code in chosen)
    dataset.LongitudinalTemporalInformationModified = (
        "UNMODIFIED" if options.retain_full_dates else "MODIFIED" if options.move_dates else "REMOVED"
    )


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning[:64]
    return item


def _clean(dataset: Dataset, pseudonyms: Pseudonyms, options: Options, days: int) -> None:
    for tag in list(dataset.keys()):
        number = int(tag)
        group = number >> 16
        if group % 2 or 0x5000 <= group < 0x5100 or 0x6000 <= group < 0x6100:
            del dataset[tag]  # private attributes, curves, overlays
            continue
        action = _ACTION_OF.get(number)
        if action is None and not (dictionary_has_tag(tag) or repeater_has_tag(number)):
            del dataset[tag]  # of an edition after this table: what it says nobody knows here
            continue
        if number in DATES and (options.retain_full_dates or options.move_dates):
            if options.move_dates:
                _move(dataset[tag], days)
            continue
        if action is None or _retained(number, options):
            element = dataset[tag]
            if element.VR == "SQ":
                for item in element.value or ():
                    _clean(item, pseudonyms, options, days)
            elif element.VR == "UI" and action is None and not options.retain_uids and number not in _SHARED:
                _replace_uids(element, pseudonyms)
            continue
        if action == "X":
            del dataset[tag]
        else:
            _apply(dataset, dataset[tag], action.split("/")[-1], pseudonyms, options, days)


def _retained(number: int, options: Options) -> bool:
    return (
        (options.retain_uids and number in UIDS)
        or (options.retain_device_identity and number in DEVICE)
        or (options.retain_institution_identity and number in INSTITUTION)
        or (options.retain_patient_characteristics and number in PATIENT_CHARACTERISTICS)
    )


def _apply(
    dataset: Dataset, element: DataElement, action: str, pseudonyms: Pseudonyms, options: Options, days: int
) -> None:
    """The last of several actions satisfies every type of attribute (E.1.1): a dummy where a value may be needed."""
    if action in ("U", "U*"):
        if element.VR == "SQ":
            for item in element.value or ():
                _clean(item, pseudonyms, options, days)
        else:
            _replace_uids(element, pseudonyms)
    elif action == "Z" or not element.value:
        dataset[element.tag] = DataElement(element.tag, element.VR, [] if element.VR == "SQ" else None)
    elif element.VR == "SQ":
        for item in element.value:
            _clean(item, pseudonyms, options, days)
    elif element.VR in _DUMMY:
        dataset[element.tag] = DataElement(element.tag, element.VR, _DUMMY[element.VR])
    else:
        dataset[element.tag] = DataElement(element.tag, element.VR, b"\0\0")


def _replace_uids(element: DataElement, pseudonyms: Pseudonyms) -> None:
    values = element.value
    if isinstance(values, str):
        element.value = _replaced(str(values), pseudonyms)
    elif values:
        element.value = [_replaced(str(one), pseudonyms) for one in values]


def _replaced(uid: str, pseudonyms: Pseudonyms) -> str:
    # What the standard itself names (classes, transfer syntaxes, well-known instances) says nothing of a patient.
    return uid if not uid or uid in UID_dictionary else pseudonyms.uid(uid)


def _move(element: DataElement, days: int) -> None:
    if element.VR == "SQ":
        element.value = []
        return
    if element.VR not in ("DA", "DT") or not element.value:
        return  # times of day say nothing without their dates
    values = [element.value] if isinstance(element.value, str) else list(element.value)
    moved = [_earlier(str(one), days) for one in values]
    element.value = moved[0] if len(moved) == 1 else moved


def _earlier(text: str, days: int) -> str:
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""  # what is no whole date cannot be moved, and does not stay
    return f"{day.year:04d}{day.month:02d}{day.day:02d}{text[8:]}"
