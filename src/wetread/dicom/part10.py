"""The file format of PS3.10: preamble, prefix and File Meta Information, written strictly, read tolerantly."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from wetread.dicom.errors import DicomError
from wetread.dicom.header import LONG_VRS, VRS, detect_syntax
from wetread.dicom.transfersyntax import IMPLICIT_VR_LITTLE_ENDIAN
from wetread.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

META_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a file says of itself, and where its data set starts. `prefix_missing`: no `DICM`, taken as a bare data set."""

    transfer_syntax_uid: str
    data_set_offset: int
    media_storage_sop_class_uid: str = ""
    media_storage_sop_instance_uid: str = ""
    prefix_missing: bool = False


def build_meta(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, *, source_ae_title: str = ""
) -> bytes:
    """Preamble, `DICM` and File Meta Information (PS3.10 7.1) for a data set in that syntax."""
    elements = b"".join(
        (
            struct.pack("<HH2s2xI", 2, 1, b"OB", 2) + b"\x00\x01",
            _element(0x0002, b"UI", sop_class_uid),
            _element(0x0003, b"UI", sop_instance_uid),
            _element(0x0010, b"UI", transfer_syntax_uid),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _element(0x0016, b"AE", source_ae_title) if source_ae_title else b"",
        )
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("latin-1", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def read_meta(data: bytes | memoryview) -> FileMeta:
    """Reads the start of a Part 10 file. Without preamble or meta header the syntax is detected (a bare data set).

    Implicit meta elements, which some writers make, are read too. Raises DicomError where nothing makes sense.
    """
    view = memoryview(data)
    if len(view) >= 132 and bytes(view[128:132]) == b"DICM":
        position = 132
    elif len(view) >= 4 and bytes(view[:4]) == b"DICM":
        position = 4
    else:
        return _bare(view)
    values: dict[int, str] = {}
    while position + 8 <= len(view) and position < META_BYTES_MAX:
        group, number = struct.unpack_from("<HH", view, position)
        if group != 2:
            break
        vr = bytes(view[position + 4 : position + 6])
        if vr in VRS:
            if vr in LONG_VRS:
                if position + 12 > len(view):
                    raise DicomError("the meta header is cut short", position)
                length, start = struct.unpack_from("<I", view, position + 8)[0], position + 12
            else:
                length, start = struct.unpack_from("<H", view, position + 6)[0], position + 8
        else:
            length, start = struct.unpack_from("<I", view, position + 4)[0], position + 8
        if start + length > len(view):
            raise DicomError("a meta element is longer than what is left", position)
        if number in (0x0002, 0x0003, 0x0010):
            values[number] = bytes(view[start : start + length]).decode("latin-1").strip(" \0")
        position = start + length
    syntax = values.get(0x0010) or detect_syntax(view[position:], IMPLICIT_VR_LITTLE_ENDIAN)
    return FileMeta(syntax, position, values.get(0x0002, ""), values.get(0x0003, ""))


def _bare(view: memoryview) -> FileMeta:
    if len(view) < 8:
        raise DicomError("too short for a DICOM object")
    group = struct.unpack_from("<H", view)[0]
    if group not in (0x0002, 0x0004, 0x0008) and struct.unpack_from(">H", view)[0] != 0x0008:
        raise DicomError("neither a DICOM file nor a data set")
    return FileMeta(detect_syntax(view, IMPLICIT_VR_LITTLE_ENDIAN), 0, prefix_missing=True)
