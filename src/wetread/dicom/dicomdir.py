"""The directory of a file-set: DICOMDIR by the Basic Directory Object (PS3.3 F, PS3.10 8). Pure: bytes from headers.

pydicom's own file-set keeps whole objects in a folder until it is written. What leaves here is streamed, so that only what
the records say is held: a few hundred bytes an object.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.fileset import DIRECTORY_RECORDERS, _four_level_record_type
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN
from wetread.dicom.uid import new_uid

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_IN_USE: Final = 0xFFFF
_ITEM: Final = 8
# What the records of PS3.3 F.5 are made of.
_KEYWORDS: Final = (
    "SpecificCharacterSet", "ImageType", "InstanceCreationDate", "InstanceCreationTime", "SOPClassUID",
    "SOPInstanceUID", "StudyDate", "ContentDate", "StudyTime", "ContentTime", "AccessionNumber", "Modality",
    "ConceptNameCodeSequence", "StudyDescription", "SeriesDescription", "PatientName", "PatientID", "StudyInstanceUID",
    "SeriesInstanceUID", "StudyID", "SeriesNumber", "InstanceNumber", "NumberOfFrames", "Rows", "Columns",
    "EncapsulatedDocument", "DocumentTitle", "MIMETypeOfEncapsulatedDocument", "HL7InstanceIdentifier",
    "CompletionFlag", "VerificationFlag", "VerificationDateTime", "ContentSequence", "ContentLabel",
    "ContentDescription", "ContentCreatorName", "PresentationCreationDate", "PresentationCreationTime",
    "ReferencedSeriesSequence", "BlendingSequence", "DoseSummationType", "StructureSetLabel", "StructureSetDate",
    "StructureSetTime", "RTPlanLabel", "RTPlanDate", "RTPlanTime", "TreatmentDate", "TreatmentTime",
    "UserContentLabel", "UserContentLongLabel", "DataPointRows", "DataPointColumns",
    "ReferencedImageEvidenceSequence", "VerifyingObserverSequence",
)  # fmt: skip
HEADER_TAGS: Final = frozenset(f"{int(Tag(keyword)):08X}" for keyword in _KEYWORDS)
# Of type 1 in a directory, where the objects may have no value; the same words stand in what DCMTK invents.
_INVENTED: Final[dict[str, Any]] = {
    "PatientID": "UNKNOWN",
    "StudyDate": "19000101",
    "StudyTime": "000000",
    "StudyID": "1",
    "SeriesNumber": 1,
    "Modality": "OT",
    "InstanceNumber": 1,
    "ContentDate": "19000101",
    "ContentTime": "000000",
}


def header_of(dataset: Dataset) -> Dataset:
    """What a directory says of an object, without its long values."""
    header = Dataset()
    for keyword in _KEYWORDS:
        if keyword == "EncapsulatedDocument" and keyword in dataset:
            header.EncapsulatedDocument = b""
        elif keyword in dataset:
            header[keyword] = dataset[keyword]
    return _tidied(header)


def header_of_json(document: Mapping[str, Any]) -> Dataset:
    """The same from the DICOM JSON model (PS3.18 F)."""
    kept = {
        tag: element
        for tag, element in document.items()
        if tag in HEADER_TAGS and "BulkDataURI" not in element and "InlineBinary" not in element
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are not quite right are told as they are
        header = Dataset.from_json(kept)
    if "00420011" in document:
        header.EncapsulatedDocument = b""
    header.SpecificCharacterSet = "ISO_IR 192"
    return _tidied(header)


def _tidied(header: Dataset) -> Dataset:
    if "ContentSequence" in header:
        # PS3.3 F.5.23: of the content only what modifies the title.
        modifiers = [
            item for item in header.ContentSequence if item.get("RelationshipType") == "HAS CONCEPT MOD"
        ]
        if modifiers:
            header.ContentSequence = modifiers
        else:
            del header.ContentSequence
    if header.get("VerificationFlag") == "VERIFIED" and "VerificationDateTime" not in header:
        # PS3.3 F.5.23: when it was last verified, which in the object stands with who did it.
        said = [
            str(item.get("VerificationDateTime") or "")
            for item in header.get("VerifyingObserverSequence", ())
        ]
        if any(said):
            header.VerificationDateTime = max(said)
    for keyword, invented in _INVENTED.items():
        if header.get(keyword) in (None, ""):
            setattr(header, keyword, invented)
    return header


@dataclass(slots=True)
class _Record:
    dataset: Dataset
    lower: dict[str, _Record] = field(default_factory=dict)
    place: int = 0


class Directory:
    """Takes in the objects of a file-set one by one; `encode` gives the DICOMDIR."""

    def __init__(self, file_set_id: str = "") -> None:
        self._file_set_id = file_set_id[:16]
        self._patients: dict[str, _Record] = {}

    def add(
        self, header: Dataset, transfer_syntax_uid: str, file_id: Sequence[str], *, uid: str | None = None
    ) -> bool:
        """Notes an object that lies under `file_id`, the parts of its path (PS3.10 8.2: up to 8 of 8 characters).

        False where no record can be made of it: the object is in the file-set all the same, which PS3.10 8.6 allows.
        """
        kind = _four_level_record_type(header)
        recorder = DIRECTORY_RECORDERS.get(kind)
        if recorder is None:
            return False
        try:
            leaf = recorder(header)
            levels = [DIRECTORY_RECORDERS[level](header) for level in ("PATIENT", "STUDY", "SERIES")]
        except (AttributeError, KeyError, ValueError):
            return False
        leaf.ReferencedFileID = list(file_id)
        leaf.ReferencedSOPClassUIDInFile = header.SOPClassUID
        leaf.ReferencedSOPInstanceUIDInFile = uid or header.SOPInstanceUID
        leaf.ReferencedTransferSyntaxUIDInFile = transfer_syntax_uid
        keys = (str(header.PatientID), str(header.StudyInstanceUID), str(header.SeriesInstanceUID))
        beside = self._patients
        charset = header.get("SpecificCharacterSet")
        for level, key, record in zip(("PATIENT", "STUDY", "SERIES"), keys, levels, strict=True):
            if key not in beside:
                beside[key] = _Record(_completed(record, level, charset))
            beside = beside[key].lower
        beside[str(leaf.ReferencedSOPInstanceUIDInFile)] = _Record(_completed(leaf, kind, charset))
        return True

    def encode(self) -> bytes:
        """The DICOMDIR in Explicit VR Little Endian, as PS3.10 8.6 asks."""
        head = Dataset()
        head.FileSetID = self._file_set_id
        head.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
        head.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
        head.FileSetConsistencyFlag = 0
        meta = build_meta(MEDIA_STORAGE_DIRECTORY, new_uid(), EXPLICIT_VR_LITTLE_ENDIAN)
        # (0004,1220) SQ with two reserved bytes and a length of four.
        at = len(meta) + len(_encoded(head)) + 12
        for record in _walk(self._patients):
            record.place = at
            at += _ITEM + len(_encoded(record.dataset))
        _link(self._patients)
        roots = list(self._patients.values())
        if roots:
            head.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = roots[0].place
            head.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = roots[-1].place
        items = b"".join(
            struct.pack("<HHI", 0xFFFE, 0xE000, len(encoded)) + encoded
            for encoded in (_encoded(record.dataset) for record in _walk(self._patients))
        )
        sequence = struct.pack("<HH2s2xI", 0x0004, 0x1220, b"SQ", len(items))
        return meta + _encoded(head) + sequence + items


def _completed(record: Dataset, kind: str, charset: Any) -> Dataset:
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = _IN_USE
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = kind
    if charset:
        record.SpecificCharacterSet = charset
    return record


def _walk(level: Mapping[str, _Record]) -> Iterator[_Record]:
    for record in level.values():
        yield record
        yield from _walk(record.lower)


def _link(level: Mapping[str, _Record]) -> None:
    records = list(level.values())
    for record, follower in zip_longest(records, records[1:]):
        record.dataset.OffsetOfTheNextDirectoryRecord = follower.place if follower else 0
        first = next(iter(record.lower.values()), None)
        record.dataset.OffsetOfReferencedLowerLevelDirectoryEntity = first.place if first else 0
        _link(record.lower)


def _encoded(dataset: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(out, dataset)
    return bytes(out.getvalue())
