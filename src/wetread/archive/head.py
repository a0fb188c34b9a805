"""The head of an arriving object: buffered until it can be read, then everything the index wants to know of it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar, overload

from wetread.archive.model import QuarantineReason
from wetread.archive.rules import (
    READ_TAGS,
    SINGLE_FRAME_CLASSES,
    Filing,
    FragmentFollower,
    InstanceRow,
    date_of,
    frames_of_fragments,
    integer_of,
    tag_of,
    time_of,
)
from wetread.dicom import charsets, frames
from wetread.dicom import header as scanner
from wetread.dicom.errors import DicomError
from wetread.dicom.header import UNDEFINED, Header, MoreNeeded
from wetread.dicom.part10 import META_BYTES_MAX, build_meta, read_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from wetread.kit import limits

_EXTENDED_OFFSET_TABLE = 0x7FE00001
_WANTED = frozenset({*READ_TAGS.values(), _EXTENDED_OFFSET_TABLE})
_REQUEST_ATTRIBUTES = b"\x40\x00\x75\x02"  # (0040,0275), little endian
_LAST_INDEXED = 0x00420000  # beyond it, only pixel data is of interest
_NUMBERS = frozenset({"Rows", "Columns", "BitsAllocated", "SamplesPerPixel"})  # US
_NAMES = frozenset({"PatientName", "ReferringPhysicianName", "NameOfPhysiciansReadingStudy"})
_T = TypeVar("_T")
_CHARSET_TAG = tag_of("SpecificCharacterSet")
_INFLATED_HEAD_BYTES_MAX = 8 * 1024 * 1024


class Unreadable(Exception):
    """No data set can be made out; `reason` is a QuarantineReason."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(slots=True)
class Head:
    """What the header says. Offsets count from the start of the object as it is kept."""

    texts: Mapping[str, str]
    transfer_syntax_uid: str
    dataset_offset: int
    scanned: Header
    dataset_head: bytes  # the bytes that were scanned, for what the scan did not take
    deflated: bool

    @property
    def study_instance_uid(self) -> str:
        """The study's UID as it came, cut to what a key may have."""
        return self.texts.get("StudyInstanceUID", "")[:64]

    @property
    def pixel_data_offset(self) -> int | None:
        """Where the pixel data's value begins in the object; None without pixel data, or where it is deflated."""
        if self.scanned.pixel_offset is None or self.deflated:
            return None
        return self.dataset_offset + self.scanned.pixel_offset

    def follower(self) -> FragmentFollower | None:
        """For encapsulated pixel data: finds its fragments as they stream past."""
        if self.pixel_data_offset is None or self.scanned.pixel_length != UNDEFINED:
            return None
        big = transfer_syntax(self.scanned.transfer_syntax_uid).big_endian
        return FragmentFollower(self.pixel_data_offset, little_endian=not big)

    def truncation(self, size_bytes: int) -> str | None:
        """What is missing at the end of an object of `size_bytes`, if anything."""
        length = self.scanned.pixel_length
        if self.pixel_data_offset is None or length is None or length == UNDEFINED:
            return None
        missing = self.pixel_data_offset + length - size_bytes
        return f"the pixel data is cut by {missing} bytes" if missing > 0 else None

    @property
    def image_laterality(self) -> str | None:
        """The side that the image says it shows."""
        return self.texts.get("ImageLaterality", "")[:16] or None

    @property
    def frame_laterality(self) -> str | None:
        """The sides that the frames of an enhanced object say they show, each once, with a backslash between."""
        said = frames.lateralities(
            self.dataset_head, self.scanned.transfer_syntax_uid, self.scanned.pixel_offset
        )
        return "\\".join(sorted(said)) or None

    def request_attributes(self) -> Mapping[str, str]:
        """The first item of Request Attributes Sequence (0040,0275), as texts by keyword."""
        import pydicom
        from pydicom.dataset import Dataset

        if _REQUEST_ATTRIBUTES not in self.dataset_head:
            return {}
        syntax = transfer_syntax(self.scanned.transfer_syntax_uid)
        end = self.scanned.pixel_offset or len(self.dataset_head)
        found: dict[str, str] = {}
        with suppress(Exception):  # whatever is wrong in there, the object is filed without it
            dataset: Dataset = pydicom.dcmread(
                BytesIO(build_meta("", "", syntax.uid) + self.dataset_head[:end]),
                force=True,
                stop_before_pixels=True,
                specific_tags=["RequestAttributesSequence"],
            )
            for item in dataset.RequestAttributesSequence[:1]:
                for keyword in ("ScheduledProcedureStepID", "RequestedProcedureID"):
                    if keyword in item:
                        found[keyword] = str(item[keyword].value)
        return found

    def instance_row(
        self,
        filing: Filing,
        *,
        location: str,
        study_key_pk: int | None,
        size_bytes: int,
        dataset_sha256: bytes,
        follower: FragmentFollower | None,
    ) -> InstanceRow:
        """The index row of the instance and its object."""
        texts, number = self.texts, self.scanned.number
        rows, columns = number(READ_TAGS["Rows"]), number(READ_TAGS["Columns"])
        bits, samples = number(READ_TAGS["BitsAllocated"]), number(READ_TAGS["SamplesPerPixel"])
        photometric = texts.get("PhotometricInterpretation", "")[:16] or None
        single = filing.sop_class_uid in SINGLE_FRAME_CLASSES
        count = 0
        if self.scanned.pixel_tag is not None:
            count = frames.number_of_frames(self.scanned, single_frame_class=single)
        frame_table = frame_length = None
        if follower is not None:
            frame_table = frames_of_fragments(
                follower.fragments,
                first_item_offset=follower.first_item_offset,
                basic_offsets=follower.basic_offsets,
                extended_offsets=self._extended_offsets(),
                number_of_frames=count,
                starts=follower.starts,
            ).pack()
        elif self.pixel_data_offset is not None:
            # Frames of single bits that do not end on a byte are cut out by the decoder.
            frame_bits = frames.native_frame_bits(self.scanned)
            frame_length = frame_bits // 8 if frame_bits and frame_bits % 8 == 0 else None
        return InstanceRow(
            sop_instance_uid=filing.sop_instance_uid,
            sop_class_uid=filing.sop_class_uid,
            instance_number=integer_of(texts.get("InstanceNumber")),
            number_of_frames=count,
            rows=rows,
            columns=columns,
            bits_allocated=bits,
            samples_per_pixel=samples,
            photometric_interpretation=photometric,
            image_laterality=self.image_laterality,
            frame_laterality=self.frame_laterality,
            content_date=date_of(texts.get("ContentDate")),
            content_time=time_of(texts.get("ContentTime")),
            location=location,
            study_key_pk=study_key_pk,
            size_bytes=size_bytes,
            dataset_sha256=dataset_sha256,
            transfer_syntax_uid=self.transfer_syntax_uid[:64],
            dataset_offset=self.dataset_offset,
            pixel_data_offset=self.pixel_data_offset,
            frame_length=frame_length,
            frame_table=frame_table,
        )

    def _extended_offsets(self) -> tuple[int, ...]:
        table = self.scanned.values.get(_EXTENDED_OFFSET_TABLE, b"")
        return struct.unpack_from(f"<{len(table) // 8}Q", table)


class HeadReader:
    """Buffers the first bytes of an object until its header can be read."""

    def __init__(
        self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str | None, is_file: bool
    ) -> None:
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self.transfer_syntax_uid = transfer_syntax_uid
        self.prefix = b""
        self.dataset_offset = 0
        self.texts: Mapping[str, str] = {}
        self.is_file = is_file
        self._buffer = bytearray()
        self._next_try = 0
        self._head: Head | None = None
        self._fault: Unreadable | None = None

    @classmethod
    def of_dataset(cls, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> HeadReader:
        """For a data set that comes without file meta information; the UIDs are the message's."""
        return cls(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            is_file=False,
        )

    @classmethod
    def of_file(cls) -> HeadReader:
        """For a Part 10 file, or a bare data set in a file as old programs write it."""
        return cls(sop_class_uid="", sop_instance_uid="", transfer_syntax_uid=None, is_file=True)

    def feed(self, fragment: bytes | bytearray | memoryview) -> bool:
        """Takes bytes; True once the head is known, or known to be unreadable."""
        self._buffer += fragment
        if len(self._buffer) >= self._next_try:
            self._try(at_end=False)
            # A long header is not scanned again for every fragment.
            self._next_try = len(self._buffer) + min(len(self._buffer), 4 * 1024 * 1024)
        return self._head is not None or self._fault is not None

    def head(self, *, at_end: bool) -> Head | None:
        """The head, or None where more bytes are needed. Raises Unreadable."""
        if self._head is None and self._fault is None and at_end:
            self._try(at_end=True)
        if self._fault is not None:
            raise self._fault
        return self._head

    def take(self) -> bytearray:
        """All bytes that were buffered; from now on they pass by."""
        taken, self._buffer = self._buffer, bytearray()
        return taken

    def _try(self, *, at_end: bool) -> None:
        try:
            self._read(at_end=at_end)
        except MoreNeeded:
            if at_end:
                self._give_up(QuarantineReason.TRUNCATED, "the data set ends before its header does")
        except DicomError as error:
            cut = any(
                word in error.reason for word in ("cut short", "ends inside", "longer than what is left")
            )
            reason = QuarantineReason.TRUNCATED if cut and at_end else QuarantineReason.UNREADABLE
            self._give_up(reason, f"{error.reason} (byte {self.dataset_offset + error.offset})")

    def _give_up(self, reason: QuarantineReason, detail: str) -> None:
        self._fault = Unreadable(reason, detail)
        if not self.is_file:
            self._set_prefix(self.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN)
        # What can be read of the identity is shown to the person who has to decide.
        data = memoryview(bytes(self._buffer))[0 if not self.is_file else self.dataset_offset :]
        for until in (0x0020000E, 0x00100040, 0x00080018):
            with suppress(DicomError, MoreNeeded, ValueError):
                found = scanner.scan(
                    data,
                    self.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN,
                    _WANTED,
                    whole=False,
                    until=until,
                )
                self.texts = Texts(found)
                return

    def _read(self, *, at_end: bool) -> None:
        if self.is_file and self.transfer_syntax_uid is None:
            self._read_meta(at_end=at_end)
        declared = self.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN
        start = self.dataset_offset if self.is_file else 0
        if at_end and len(self._buffer) <= start:
            raise DicomError("there is no data set", start)
        deflated = transfer_syntax(declared).deflated
        if deflated:
            data, whole = self._inflated(start, at_end=at_end)
        else:
            data, whole = bytes(memoryview(self._buffer)[start:]), at_end
        try:
            found = scanner.scan(data, declared, _WANTED, whole=whole)
        except MoreNeeded:
            if len(self._buffer) < limits.OBJECT_HEAD_BYTES_MAX:
                raise
            # Something very long stands between the header and the pixel data: filed without frames.
            found = scanner.scan(data, declared, _WANTED, whole=False, until=_LAST_INDEXED)
        self.texts = Texts(found)
        if not found.values:
            raise DicomError("no known element stands at the start", 0)
        syntax = declared if deflated else found.transfer_syntax_uid
        self.transfer_syntax_uid = syntax
        if not self.is_file:
            self._set_prefix(syntax)
        self._head = Head(self.texts, syntax, self.dataset_offset, found, data, deflated)

    def _read_meta(self, *, at_end: bool) -> None:
        enough = at_end or len(self._buffer) > META_BYTES_MAX + 8
        try:
            meta = read_meta(bytes(memoryview(self._buffer)[: META_BYTES_MAX + 8]))
        except DicomError:
            if enough:
                raise
            raise MoreNeeded from None
        if not enough and meta.data_set_offset + 8 > len(self._buffer):
            raise MoreNeeded
        self.dataset_offset = meta.data_set_offset
        self.sop_class_uid = meta.media_storage_sop_class_uid
        self.sop_instance_uid = meta.media_storage_sop_instance_uid
        self.transfer_syntax_uid = meta.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN

    def _set_prefix(self, syntax: str) -> None:
        self.prefix = build_meta(self.sop_class_uid, self.sop_instance_uid, syntax)
        self.dataset_offset = len(self.prefix)

    def _inflated(self, start: int, *, at_end: bool) -> tuple[bytes, bool]:
        engine = zlib.decompressobj(-15)
        try:
            data = engine.decompress(memoryview(self._buffer)[start:], _INFLATED_HEAD_BYTES_MAX)
        except zlib.error as error:
            raise DicomError(f"the deflated data set is damaged: {error}", start) from None
        return data, at_end and engine.eof


class Texts(Mapping[str, str]):
    """Decoded texts by keyword, each decoded when first asked for: most objects of a series need only a few.

    US values are numbers and not among them.
    """

    def __init__(self, found: Header) -> None:
        self._values = found.values
        self._codecs: tuple[str, ...] | None = None
        self._decoded: dict[str, str] = {}

    def __getitem__(self, keyword: str) -> str:
        known = self._decoded.get(keyword)
        if known is None:
            if keyword in _NUMBERS:
                raise KeyError(keyword)
            known = self._decoded[keyword] = self._decode(keyword, self._values[READ_TAGS[keyword]])
        return known

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str | _T, /) -> str | _T: ...
    def get(self, key: str, default: str | _T | None = None, /) -> str | _T | None:
        """See Mapping; without an exception for what is absent, as most is."""
        known = self._decoded.get(key)
        if known is not None:
            return known
        tag = READ_TAGS.get(key)
        return default if tag is None or tag not in self._values or key in _NUMBERS else self[key]

    def __iter__(self) -> Iterator[str]:
        return (
            keyword for keyword, tag in READ_TAGS.items() if tag in self._values and keyword not in _NUMBERS
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _decode(self, keyword: str, raw: bytes) -> str:
        if self._codecs is None:
            named = self._values.get(_CHARSET_TAG, b"").decode("latin-1").strip(" \0")
            self._codecs = charsets.codecs_of(named)
        if raw.isascii() and b"\x1b" not in raw and self._codecs[0] != "shift_jis":
            return raw.decode("ascii").strip(" \0")
        return charsets.decode(raw, self._codecs, person_name=keyword in _NAMES).value.strip(" \0")
