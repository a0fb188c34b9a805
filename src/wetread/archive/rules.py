"""Decisions of the archive, without I/O: what a header says, whether it can be filed, where frames lie, corrections."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import IntEnum, StrEnum
from functools import cache
from itertools import pairwise
from typing import Any

import orjson
from pydicom.datadict import dictionary_VR, tag_for_keyword

JsonDict = dict[str, Any]

# What a peer may be allowed, one by one; a new peer has none of them until told.
PEER_RIGHTS = (
    "verify",
    "store",
    "find",
    "move",
    "get",
    "worklist",
    "mpps",
    "commitment",
    "workitems",
    "availability",
    "notify",
)


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052) of the Study Root model (PS3.4 C.6.2)."""

    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


class Status(IntEnum):
    """C-STORE status (PS3.4 B.2.3, PS3.7 C); STOW-RS failure reasons use the same codes (PS3.18 I.2.2)."""

    SUCCESS = 0x0000
    COERCED = 0xB000  # kept, but not as the sender meant it
    OUT_OF_RESOURCES = 0xA700
    NOT_OF_SOP_CLASS = 0xA900  # the data set does not match its SOP class
    CANNOT_UNDERSTAND = 0xC000
    PROCESSING_FAILURE = 0x0110
    NOT_AUTHORIZED = 0x0124

    @property
    def kept(self) -> bool:
        """Whether the sender may forget the object."""
        return self in (Status.SUCCESS, Status.COERCED)


_UID = re.compile(r"[0-9][0-9.]{0,63}\Z")
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})\Z")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?\Z")


def is_uid(text: str) -> bool:
    """At most 64 digits and dots. Leading zeros of components are let pass: real devices send them, and `004` is not `4`."""
    return bool(_UID.match(text))


def date_of(text: str | None) -> date | None:
    """A DA value, or None where it is none."""
    match = _DATE.match((text or "").strip(" \0"))
    if not match:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def time_of(text: str | None) -> time | None:
    """A TM value, absent parts as zero, or None where it is none."""
    match = _TIME.match((text or "").strip(" \0"))
    if not match:
        return None
    hour, minute, second, fraction = match.groups()
    try:
        return time(
            int(hour), int(minute or 0), min(int(second or 0), 59), int((fraction or "0").ljust(6, "0"))
        )
    except ValueError:
        return None


def integer_of(text: str | None, *, most: int = 2**31 - 1) -> int | None:
    """An IS value (`1.0` is let pass), or None where it is none or out of bounds."""
    try:
        number = float((text or "").split("\\", 1)[0].strip(" \0"))
    except ValueError:
        return None
    if number != number or not -most <= number <= most or number != int(number):  # noqa: PLR0124 - NaN
        return None
    return int(number)


_LENGTHS = {
    "accession_number": 64, "study_id": 64, "study_description": 256, "referring_physician_name": 324,
    "patient_name": 324, "patient_id": 64, "issuer_of_patient_id": 64, "patient_sex": 16, "modality": 16,
    "series_description": 256, "body_part_examined": 64, "laterality": 16, "protocol_name": 256,
    "institution_name": 256, "station_name": 64, "manufacturer": 256, "manufacturer_model_name": 256,
    "performed_procedure_step_id": 64, "photometric_interpretation": 16, "image_laterality": 16,
}  # fmt: skip
_STUDY_KEYWORDS = (
    "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName",
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
)  # fmt: skip
_SERIES_KEYWORDS = (
    "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined", "Laterality",
    "ProtocolName", "InstitutionName", "StationName", "Manufacturer", "ManufacturerModelName",
    "PerformedProcedureStepID", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
)  # fmt: skip
# Kept as received beside the columns, so that a correction can be taken back and everything can be asked for.
_RECEIVED_KEYWORDS = (
    *_STUDY_KEYWORDS, "IssuerOfAccessionNumberSequence", "NameOfPhysiciansReadingStudy",
    "AdmittingDiagnosesDescription", "PatientAge", "PatientSize", "PatientWeight", "EthnicGroup", "PatientComments",
    "OtherPatientIDs", "TimezoneOffsetFromUTC",
)  # fmt: skip


def tag_of(keyword: str) -> int:
    """The tag of a keyword that is known to exist."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return int(tag)


INSTANCE_KEYWORDS = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel",
    "PhotometricInterpretation", "ImageLaterality", "ContentDate", "ContentTime",
)  # fmt: skip
READ_TAGS: dict[str, int] = {
    keyword: tag_of(keyword)
    for keyword in (*INSTANCE_KEYWORDS, *_RECEIVED_KEYWORDS, *_SERIES_KEYWORDS)
    if not keyword.endswith("Sequence")
}


@cache
def snake(keyword: str) -> str:
    """`StudyInstanceUID` → `study_instance_uid`."""
    return (
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword)
        .lower()
        .replace("sopclass", "sop_class")
    )


def _column(keyword: str, text: str | None) -> Any:
    name = snake(keyword)
    if name.endswith("_date"):
        found = date_of(text)
        return found.isoformat() if found else None
    if name.endswith("_time"):
        moment = time_of(text)
        return moment.isoformat() if moment else None
    if name == "series_number":
        return integer_of(text)
    value = (text or "").strip(" \0").replace("\0", "")
    return value[: _LENGTHS.get(name, 64)] or None


def json_value(vr: str, text: str) -> list[Any]:
    """The values of an attribute's text in the DICOM JSON model (PS3.18 F.2)."""
    parts = [text] if vr in ("LT", "ST", "UT", "UR") else text.split("\\")
    values: list[Any] = []
    for part in parts:
        value = part.strip(" \0").replace("\0", "")
        if vr == "PN":
            values.append(person_name_json(value))
        elif vr in ("IS", "DS") and value:
            try:
                number = float(value)
            except ValueError:
                continue
            if number - number != 0:
                continue  # infinite or no number: JSON has no word for it
            values.append(int(number) if vr == "IS" or number == int(number) else number)
        else:
            values.append(value)
    return values


def person_name_json(value: str) -> JsonDict:
    """A PN value by component groups."""
    names = ("Alphabetic", "Ideographic", "Phonetic")
    return {name: group for name, group in zip(names, value.split("="), strict=False) if group}


def person_name_text(value: Any) -> str:
    """The PN string of a DICOM JSON value."""
    if not isinstance(value, Mapping):
        return str(value or "")
    return "=".join(str(value.get(name, "")) for name in ("Alphabetic", "Ideographic", "Phonetic")).rstrip(
        "="
    )


def element_json(keyword: str, text: str) -> tuple[str, JsonDict]:
    """(tag, element) in the DICOM JSON model."""
    tag, vr = _tag_and_vr(keyword)
    element: JsonDict = {"vr": vr}
    if text.strip(" \0"):
        element["Value"] = json_value(vr, text)
    return tag, element


@cache
def _tag_and_vr(keyword: str) -> tuple[str, str]:
    tag = tag_of(keyword)
    return f"{tag:08X}", dictionary_VR(tag)


@dataclass(frozen=True, slots=True)
class Filing:
    """What the index takes from one header: the UIDs, and on demand the rows of study and series."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    texts: Mapping[str, str]

    @property
    def patient(self) -> tuple[str, str]:
        """(issuer, identifier) as received."""
        return self.texts.get("IssuerOfPatientID", ""), self.texts.get("PatientID", "")

    def study(self) -> JsonDict:
        """The study's row for archive_series()."""
        received = dict(
            element_json(keyword, self.texts[keyword])
            for keyword in _RECEIVED_KEYWORDS
            if self.texts.get(keyword) is not None
        )
        row: JsonDict = {
            snake(keyword): _column(keyword, self.texts.get(keyword)) for keyword in _STUDY_KEYWORDS
        }
        return row | {"study_instance_uid": self.study_instance_uid, "received_attributes": received}

    def series(self, source: str | None, request: Mapping[str, str]) -> JsonDict:
        """The series' row for archive_series(). `request`: the first item of Request Attributes Sequence."""
        row: JsonDict = {
            snake(keyword): _column(keyword, self.texts.get(keyword)) for keyword in _SERIES_KEYWORDS
        }
        return row | {
            "series_instance_uid": self.series_instance_uid,
            "scheduled_procedure_step_id": _column("StudyID", request.get("ScheduledProcedureStepID")),
            "requested_procedure_id": _column("StudyID", request.get("RequestedProcedureID")),
            "source_application_entity_title": (source or "")[:16] or None,
        }


class NotFilable(Exception):
    """The header cannot be filed; `reason` is a QuarantineReason value, `detail` words for a person, no patient data."""

    def __init__(self, reason: str, detail: str, status: Status) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.status = reason, detail, status


def checked_uids(texts: Mapping[str, str]) -> tuple[str, str, str, str]:
    """(study, series, instance, class) UIDs of a header. Raises NotFilable where one is missing or no UID."""
    found: list[str] = []
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        uid = texts.get(keyword, "").strip(" \0")
        if not uid:
            raise NotFilable("missing-uid", f"{keyword} is missing", Status.NOT_OF_SOP_CLASS)
        if not is_uid(uid):
            raise NotFilable(
                "bad-uid", f"{keyword} is not a UID of at most 64 digits and dots", Status.NOT_OF_SOP_CLASS
            )
        found.append(uid)
    return found[0], found[1], found[2], found[3]


def filing_of(texts: Mapping[str, str]) -> Filing:
    """What decoded texts by keyword say. Raises NotFilable."""
    return Filing(*checked_uids(texts), texts)


@dataclass(slots=True)
class InstanceRow:
    """The parameters of archive_object() after study and series, in its order."""

    sop_instance_uid: str
    sop_class_uid: str
    instance_number: int | None
    number_of_frames: int
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    samples_per_pixel: int | None
    photometric_interpretation: str | None
    image_laterality: str | None
    frame_laterality: str | None
    content_date: date | None
    content_time: time | None
    location: str
    study_key_pk: int | None  # None: the object was sealed with a new key
    size_bytes: int
    dataset_sha256: bytes
    transfer_syntax_uid: str
    dataset_offset: int
    pixel_data_offset: int | None
    frame_length: int | None
    frame_table: bytes | None

    def values(self) -> tuple[Any, ...]:
        """All of them, in order."""
        return tuple(getattr(self, name) for name in self.__slots__)


# SOP classes that hold exactly one frame whatever is left over after it (PS3.3: no Multi-frame Module). Secondary
# Capture is not among them: many write several frames under it and say so.
SINGLE_FRAME_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.1",  # CR
        "1.2.840.10008.5.1.4.1.1.1.1",  # DX for presentation
        "1.2.840.10008.5.1.4.1.1.1.1.1",
        "1.2.840.10008.5.1.4.1.1.1.2",  # MG for presentation
        "1.2.840.10008.5.1.4.1.1.1.2.1",
        "1.2.840.10008.5.1.4.1.1.1.3",  # intra-oral
        "1.2.840.10008.5.1.4.1.1.1.3.1",
        "1.2.840.10008.5.1.4.1.1.2",  # CT
        "1.2.840.10008.5.1.4.1.1.4",  # MR
        "1.2.840.10008.5.1.4.1.1.6.1",  # US
        "1.2.840.10008.5.1.4.1.1.128",  # PET
    }
)


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Where the frames of encapsulated pixel data lie: per frame its fragments as (offset in the object, length)."""

    frames: tuple[tuple[tuple[int, int], ...], ...]

    def pack(self) -> bytes:
        """Compact bytes: counts, fragments of each frame, then offset and length of every fragment."""
        fragments = [fragment for frame in self.frames for fragment in frame]
        return b"".join(
            (
                struct.pack("<II", len(self.frames), len(fragments)),
                struct.pack(f"<{len(self.frames)}I", *(len(frame) for frame in self.frames)),
                struct.pack(f"<{len(fragments)}Q", *(offset for offset, _ in fragments)),
                struct.pack(f"<{len(fragments)}I", *(length for _, length in fragments)),
            )
        )

    @staticmethod
    def frame(packed: bytes, number: int) -> list[tuple[int, int]] | None:
        """The fragments of frame `number` (from 1) without unpacking the rest; None where there is no such frame."""
        frames, fragments = struct.unpack_from("<II", packed)
        if not 1 <= number <= frames:
            return None
        counts = struct.unpack_from(f"<{number}I", packed, 8)
        first, count = sum(counts[:-1]), counts[-1]
        offsets = struct.unpack_from(f"<{count}Q", packed, 8 + 4 * frames + 8 * first)
        lengths = struct.unpack_from(f"<{count}I", packed, 8 + 4 * frames + 8 * fragments + 4 * first)
        return list(zip(offsets, lengths, strict=True))

    @staticmethod
    def fragments(packed: bytes) -> list[tuple[int, int]]:
        """All fragments in order, whatever frames they are of."""
        frames, fragments = struct.unpack_from("<II", packed)
        offsets = struct.unpack_from(f"<{fragments}Q", packed, 8 + 4 * frames)
        lengths = struct.unpack_from(f"<{fragments}I", packed, 8 + 4 * frames + 8 * fragments)
        return list(zip(offsets, lengths, strict=True))


def frames_of_fragments(
    fragments: Sequence[tuple[int, int]],
    *,
    first_item_offset: int,
    basic_offsets: Sequence[int],
    extended_offsets: Sequence[int],
    number_of_frames: int,
    starts: Sequence[bytes],
) -> FrameTable:
    """Groups fragments into frames (PS3.5 A.4). `fragments` are (offset of the value, length) in the object, and
    offsets of the tables count from `first_item_offset`, the item tag of the first fragment.

    A table that does not point at items is not believed. Then: one frame owns all; as many fragments as frames are
    one each; else a frame begins where a compressed stream begins (`starts`: each fragment's first bytes).
    """
    if not fragments:
        return FrameTable(())
    if number_of_frames <= 1:
        return FrameTable((tuple(fragments),))
    items = {offset - 8: index for index, (offset, _) in enumerate(fragments)}
    for table in (extended_offsets, basic_offsets):
        indexes = [items.get(first_item_offset + offset) for offset in table]
        if (
            len(table) == number_of_frames
            and None not in indexes
            and indexes == sorted(set(indexes), key=_whole)
        ):
            bounds = [*(_whole(index) for index in indexes), len(fragments)]
            return FrameTable(tuple(tuple(fragments[a:b]) for a, b in pairwise(bounds)))
    full = [(fragment, start) for fragment, start in zip(fragments, starts, strict=True) if fragment[1]]
    if len(full) == number_of_frames:
        return FrameTable(tuple((fragment,) for fragment, _ in full))
    frames: list[list[tuple[int, int]]] = []
    for fragment, start in full:
        if not frames or start in _STREAM_STARTS:
            frames.append([])
        frames[-1].append(fragment)
    return FrameTable(tuple(map(tuple, frames)))


_STREAM_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff")  # JPEG and JPEG-LS; JPEG 2000


def _whole(index: int | None) -> int:
    assert index is not None
    return index


class FragmentFollower:
    """Follows encapsulated pixel data while it streams past, remembering where the fragments are (PS3.5 A.4).

    Feed it the bytes after the pixel data element's header, in any pieces. `complete` once the sequence delimiter
    came. Memory is that of the item headers and of the offset table only.
    """

    OFFSET_TABLE_BYTES_MAX = 4 * 1024 * 1024

    def __init__(self, start: int, *, little_endian: bool = True) -> None:
        self.fragments: list[tuple[int, int]] = []
        self.starts: list[bytes] = []  # the first three bytes of each fragment
        self.basic_offsets: tuple[int, ...] = ()
        self.first_item_offset = 0
        self.complete = False
        self.fault: str | None = None
        self._at = start  # offset in the object of the next byte
        self._header = bytearray()
        self._skip = 0
        self._table: bytearray | None = None
        self._items = 0
        self._order = "<" if little_endian else ">"

    @property
    def cut(self) -> bool:
        """Whether the bytes ended inside an item. A missing sequence delimiter alone cuts nothing off."""
        return not self.complete and bool(self._skip or self._header)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes of the object."""
        view = memoryview(data)
        while view and not self.complete and self.fault is None:
            if self._skip:
                step = min(self._skip, len(view))
                if self._table is not None:
                    self._table += view[:step]
                elif len(self.starts[-1]) < 3:
                    self.starts[-1] += bytes(view[: 3 - len(self.starts[-1])])
                self._skip -= step
                self._at += step
                view = view[step:]
                if not self._skip and self._table is not None:
                    self._read_table()
                continue
            step = min(8 - len(self._header), len(view))
            self._header += view[:step]
            self._at += step
            view = view[step:]
            if len(self._header) == 8:
                self._item(*struct.unpack(f"{self._order}HHI", self._header))
                self._header.clear()

    def _item(self, group: int, element: int, length: int) -> None:
        if (group, element) == (0xFFFE, 0xE0DD):
            self.complete = True
        elif (group, element) != (0xFFFE, 0xE000) or length == 0xFFFFFFFF:
            self.fault = "encapsulated pixel data holds something else than items"
        elif self._items == 0:
            self._items = 1
            if length > self.OFFSET_TABLE_BYTES_MAX:
                self.fault = "the basic offset table is longer than 4 MiB"
                return
            self._skip = length
            self._table = bytearray()
            if not length:
                self._read_table()
        else:
            self._items += 1
            self.fragments.append((self._at, length))
            self.starts.append(b"")
            self._skip = length

    def _read_table(self) -> None:
        table = self._table or bytearray()
        self._table = None
        count = len(table) // 4
        self.basic_offsets = struct.unpack_from(f"{self._order}{count}I", table)
        self.first_item_offset = self._at


# Removal -------------------------------------------------------------------------------------------------------

# PS3.16 CID 7011, Rejected Reasons for Key Objects: what a note with such a title makes of what it names.
REJECTION_TITLES = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}
# IHE IOCM (RAD-66): what is rejected is not provided; where it is a question of quality a hospital may choose to show it.
ON_REJECTION = {"113001": "hide", "113037": "hide", "113038": "hide", "113039": "trash"}


# Corrections ----------------------------------------------------------------------------------------------------

# What a person or an order may lay over a received study; UIDs of series and instances never change.
CORRECTABLE = frozenset(
    {
        "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber",
        "ReferringPhysicianName", "StudyDescription", "StudyID", "StudyDate", "StudyTime",
    }
)  # fmt: skip


# Of a series, and of one instance. What says how pixels are to be read is never open: that would be another image.
CORRECTABLE_OF_SERIES = frozenset(
    {
        "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined", "Laterality",
        "ProtocolName", "InstitutionName", "StationName", "OperatorsName", "PerformingPhysicianName",
    }
)  # fmt: skip
CORRECTABLE_OF_INSTANCE = frozenset(
    {
        "InstanceNumber", "ImageLaterality", "ViewPosition", "PatientOrientation", "ImageComments", "ContentDate",
        "ContentTime",
    }
)  # fmt: skip
OF_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
# PS3.3 C.7.3.1.1.1, C.8.3.1: what these may say.
_TERMS = {"Laterality": ("R", "L"), "ImageLaterality": ("R", "L", "U", "B"), "PatientSex": ("M", "F", "O")}
_TEXT_LENGTHS = {"LO": 64, "SH": 16, "CS": 16, "PN": 324, "LT": 10_240}
_CS = re.compile(r"[A-Z0-9 _]{1,16}\Z")


def fault_of_value(keyword: str, text: str) -> str | None:
    """Why `text` cannot be the value of an attribute (PS3.5 6.2), in words for a person; None where it can. Empty can."""
    value = text.strip()
    if not value:
        return None
    vr = dictionary_VR(tag_of(keyword))
    if keyword in _TERMS:
        return None if value in _TERMS[keyword] else f"is one of {', '.join(_TERMS[keyword])}"
    if vr == "DA":
        return None if date_of(value) else "is a date as YYYYMMDD"
    if vr == "TM":
        return None if time_of(value) else "is a time as HHMMSS"
    if vr == "IS":
        return None if integer_of(value) is not None else "is a whole number"
    parts = value.split("\\") if keyword == "PatientOrientation" else [value]
    if vr != "LT" and any("\\" in part for part in parts):
        return "holds no backslash"
    if any(ord(character) < 32 and character not in "\t\n\r\f" for character in value):
        return "holds no control characters"
    if vr == "CS" and not all(_CS.match(part) for part in parts):
        return "holds capitals, digits, spaces and underscores, at most 16"
    if any(len(part) > _TEXT_LENGTHS.get(vr, 64) for part in parts):
        return f"is at most {_TEXT_LENGTHS.get(vr, 64)} characters long"
    return None


def column_value(keyword: str, element: Mapping[str, Any]) -> Any:
    """The value of an indexed attribute from its element in the DICOM JSON model."""
    values = element.get("Value") or []
    vr = dictionary_VR(tag_of(keyword))
    if not values or values[0] in (None, "", {}):
        return None
    if vr == "PN":
        return person_name_text(values[0]) or None
    if vr == "DA":
        return date_of(str(values[0]))
    if vr == "TM":
        return time_of(str(values[0]))
    if vr == "IS":
        return integer_of(str(values[0]))
    return "\\".join(str(value) for value in values) or None


_ABSENT = "absent"


def absent(vr: str) -> JsonDict:
    """What a correction says of an element that is not there any more; never what leaves."""
    return {"vr": vr, _ABSENT: True}


def corrected(document: JsonDict, corrections: Sequence[tuple[JsonDict, JsonDict]]) -> JsonDict:
    """A DICOM JSON document with corrections (attributes, original attributes item) laid over, oldest first.

    The values replaced stay in Original Attributes Sequence (0400,0561) (PS3.3 C.12.1.1.9).
    """
    out = dict(document)
    items = list(out.get("04000561", {}).get("Value", []))
    for attributes, trace in corrections:
        replaced = {tag: out.get(tag, {"vr": element["vr"]}) for tag, element in attributes.items()}
        out |= attributes
        out = {tag: element for tag, element in out.items() if _ABSENT not in element}
        items.append({**trace, "04000550": {"vr": "SQ", "Value": [replaced]}})
    if items:
        out["04000561"] = {"vr": "SQ", "Value": items}
    return dict(sorted(out.items()))


def correction_trace(corrected_at_dt: str, corrected_by: str, reason: str) -> JsonDict:
    """An item of Original Attributes Sequence, still without the attributes that were replaced."""
    return {
        "04000562": {"vr": "DT", "Value": [corrected_at_dt]},
        "04000563": {"vr": "LO", "Value": [f"WETREAD {corrected_by}"[:64]]},
        "04000564": {"vr": "LO"},
        "04000565": {"vr": "CS", "Value": [reason]},
    }


def dumps(value: Any) -> bytes:
    """JSON bytes."""
    return orjson.dumps(value)
