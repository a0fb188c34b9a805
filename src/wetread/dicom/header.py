"""A fast scanner of a data set's top level: the raw values of wanted elements, and where the pixel data begin.

It reads bytes as they came from a socket, possibly only the first part of an object, checks every declared length
against what is there, and never builds a tree. Text is decoded by `charsets`, full data sets by `jsonmodel`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from wetread.dicom.errors import DicomError
from wetread.dicom.transfersyntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)

UNDEFINED: Final = 0xFFFFFFFF
DEPTH_MAX: Final = 64
VALUE_BYTES_MAX: Final = 16 * 1024  # of a wanted element; longer ones are cut
INFLATED_BYTES_MAX: Final = 512 * 1024 * 1024
PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

# VRs with a reserved field and a 32-bit length in explicit syntaxes (PS3.5 7.1.2).
LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
VRS: Final = LONG_VRS | {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class MoreNeeded(Exception):
    """The bytes end inside an element: call again with more."""


@dataclass(slots=True)
class Header:
    """What the scan found.

    `values` maps tag (0xGGGGEEEE) to raw bytes; `pixel_tag` is the pixel data element met, `pixel_offset` the offset of
    its value from the start of the data set and `pixel_length` its declared length (UNDEFINED where encapsulated);
    `transfer_syntax_uid` is the syntax that the bytes really have, which may differ from the one that was declared.
    """

    transfer_syntax_uid: str
    values: dict[int, bytes] = field(default_factory=dict)
    pixel_tag: int | None = None
    pixel_offset: int | None = None
    pixel_length: int | None = None
    pixel_vr: str | None = None
    complete: bool = False

    def text(self, tag: int) -> str:
        """A value of the default repertoire, without padding; empty where absent."""
        return self.values.get(tag, b"").decode("latin-1").strip(" \0")

    def number(self, tag: int) -> int | None:
        """A US value, or None."""
        value = self.values.get(tag, b"")
        if len(value) < 2:
            return None
        order = ">" if self.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
        return int(struct.unpack_from(order + "H", value)[0])


def detect_syntax(data: bytes | memoryview, declared: str) -> str:
    """The syntax that the first element really has (a file may lie: security lesson of the big-endian case).

    Explicit little endian starts with a small little-endian group and two letters of a VR; implicit has no letters;
    big endian has the group's zero byte first.
    """
    head = bytes(data[:8])
    if len(head) < 8 or transfer_syntax(declared).deflated:
        return declared
    little, big = struct.unpack_from("<H", head)[0], struct.unpack_from(">H", head)[0]
    has_vr = head[4:6] in VRS
    if has_vr:
        if little > 0xFF and big <= 0xFF:
            return EXPLICIT_VR_BIG_ENDIAN
        return EXPLICIT_VR_LITTLE_ENDIAN if declared in _OTHERS_THAN_EXPLICIT_LITTLE else declared
    if (
        transfer_syntax(declared).explicit
        and little <= 0xFF
        and struct.unpack_from("<I", head, 4)[0] < 0x10000
    ):
        return IMPLICIT_VR_LITTLE_ENDIAN
    return declared


_OTHERS_THAN_EXPLICIT_LITTLE = frozenset({IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN})


def scan(
    data: bytes | bytearray | memoryview,
    declared_syntax: str,
    wanted: Collection[int],
    *,
    whole: bool,
    until: int = 0x7FE00010,
) -> Header:
    """Scans the top level up to the pixel data or the first tag over `until`.

    `whole`: `data` is the entire data set. Otherwise MoreNeeded is raised where the bytes end inside an element before
    the scan is done. Raises DicomError for lengths and structures that cannot be. Deflated data sets must be inflated
    first (`inflate`).
    """
    view = memoryview(data)
    syntax = detect_syntax(view, declared_syntax)
    header = Header(syntax)
    known = transfer_syntax(syntax)
    order = ">" if known.big_endian else "<"
    reader = _Reader(view, explicit=known.explicit, order=order, whole=whole)
    values = header.values
    position, end, last = 0, len(view), -1
    explicit = known.explicit
    head = struct.Struct(order + "HH2sH").unpack_from
    implicit_head = struct.Struct(order + "HHI").unpack_from
    long_length = struct.Struct(order + "I").unpack_from
    while position < end:
        if end - position < 12 and not (whole and end - position >= 8):
            if whole:
                if any(view[position:]):
                    raise DicomError("the data set ends inside an element", position)
                break
            raise MoreNeeded
        if explicit:
            group, element, vr, length = head(view, position)
            start = position + 8
            if vr in LONG_VRS:
                if end - position < 12:
                    raise DicomError("the data set ends inside an element", position)
                length = long_length(view, position + 8)[0]
                start = position + 12
            elif vr not in VRS:
                tag = group << 16 | element
                if tag == 0 and whole and not any(view[position:]):
                    break  # zeros after the end: padding that some writers leave
                raise DicomError(f"element ({group:04X},{element:04X}) has no valid VR", position)
        else:
            group, element, length = implicit_head(view, position)
            vr, start = b"UN", position + 8
        tag = group << 16 | element
        if tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
            raise DicomError("an item outside a sequence", position)
        if tag == 0xFFFCFFFC or (tag == 0 and length == 0):
            header.complete = True  # data set trailing padding (PS3.10 7.2), or zeros at the end of a file
            return header
        if tag <= last and tag < 0x00080000:
            raise DicomError("elements out of order", position)
        last = tag
        if tag in PIXEL_TAGS:
            header.pixel_tag, header.pixel_offset = tag, start
            header.pixel_length, header.pixel_vr = length, vr.decode()
            if whole and length != UNDEFINED and start + length > end:
                raise DicomError("the pixel data are cut short", start)
            header.complete = True
            return header
        if tag > until:
            header.complete = True
            return header
        if length == UNDEFINED:
            # UN of undefined length holds implicit little endian items (PS3.5 6.2.2 note 2, CP-246).
            position = reader.skip_sequence(start, 1, implicit=vr == b"UN")
            continue
        stop = start + length
        if stop > end:
            if whole:
                raise DicomError(f"element ({group:04X},{element:04X}) is longer than what is left", position)
            raise MoreNeeded
        if tag in wanted:
            values[tag] = bytes(view[start : start + min(length, VALUE_BYTES_MAX)])
        position = stop
    header.complete = whole
    if not whole:
        raise MoreNeeded
    return header


class _Reader:
    """Skips sequences of undefined length without recursion deeper than DEPTH_MAX."""

    def __init__(self, view: memoryview, *, explicit: bool, order: str, whole: bool) -> None:
        self._view, self._explicit, self._order, self._whole = view, explicit, order, whole

    def _ended(self, position: int) -> Exception:
        return DicomError("a sequence is cut short", position) if self._whole else MoreNeeded()

    def skip_sequence(self, position: int, depth: int, *, implicit: bool = False) -> int:
        """The offset behind the sequence whose first item starts at `position`."""
        if depth > DEPTH_MAX:
            raise DicomError(f"sequences nest deeper than {DEPTH_MAX}", position)
        view, end = self._view, len(self._view)
        order = "<" if implicit else self._order
        item = struct.Struct(order + "HHI").unpack_from
        while True:
            if end - position < 8:
                raise self._ended(position)
            group, element, length = item(view, position)
            tag = group << 16 | element
            position += 8
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM:
                raise DicomError("something else than an item in a sequence", position - 8)
            if length == UNDEFINED:
                position = self._skip_item(position, depth, implicit=implicit)
            elif position + length > end:
                raise self._ended(position)
            else:
                position += length

    def _skip_item(self, position: int, depth: int, *, implicit: bool) -> int:
        view, end = self._view, len(self._view)
        explicit = self._explicit and not implicit
        order = "<" if implicit else self._order
        head = struct.Struct(order + "HH2sH").unpack_from
        plain = struct.Struct(order + "HHI").unpack_from
        while True:
            if end - position < 8:
                raise self._ended(position)
            group, element, length = plain(view, position)
            if group == 0xFFFE and element == 0xE00D:
                return position + 8
            start, vr = position + 8, b"UN"
            if explicit:
                group, element, vr, length = head(view, position)
                if vr in LONG_VRS:
                    if end - position < 12:
                        raise self._ended(position)
                    length = struct.unpack_from(order + "I", view, position + 8)[0]
                    start = position + 12
                elif vr not in VRS:
                    raise DicomError(f"element ({group:04X},{element:04X}) has no valid VR", position)
            if length == UNDEFINED:
                position = self.skip_sequence(
                    start, depth + 1, implicit=implicit or (explicit and vr == b"UN")
                )
            elif start + length > end:
                raise self._ended(position)
            else:
                position = start + length


def inflate(data: bytes | memoryview, *, bytes_max: int = INFLATED_BYTES_MAX, ratio_max: int = 1000) -> bytes:
    """The data set of Deflated Explicit VR Little Endian (PS3.5 A.5), bounded in size and ratio. Raises DicomError."""
    engine = zlib.decompressobj(-15)
    limit = min(bytes_max, max(len(data), 1024) * ratio_max)
    try:
        result = engine.decompress(bytes(data), limit)
    except zlib.error as error:
        raise DicomError(f"the deflated data set is damaged: {error}") from None
    if engine.unconsumed_tail:
        raise DicomError(f"the deflated data set grows beyond {limit} bytes")
    if not engine.eof:
        raise DicomError("the deflated data set is cut short", len(data))
    return result
