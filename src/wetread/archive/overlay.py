"""Corrections laid over a data set's bytes: only the elements concerned change, everything else goes out as it came."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from wetread.archive.rules import JsonDict, corrected
from wetread.dicom import charsets, jsonmodel
from wetread.dicom.errors import DicomError
from wetread.dicom.header import (
    LONG_VRS,
    PIXEL_TAGS,
    UNDEFINED,
    _Reader,  # skipping nested sequences is the scanner's own knowledge
)
from wetread.dicom.transfersyntax import transfer_syntax

Corrections = Sequence[tuple[JsonDict, JsonDict]]
_CHARACTER_SET = 0x00080005


def overlay(head: bytes, transfer_syntax_uid: str, corrections: Corrections) -> bytes:
    """`head` (a data set up to and including the header of its pixel data element) with corrections laid over.

    New text is written in the data set's own character set where that can hold it; else the head is re-encoded in
    UTF-8. Raises DicomError where the head cannot be walked.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    model = jsonmodel.to_json(head, transfer_syntax_uid, lambda _path, _offset, _length: None, size=len(head))
    document = corrected(model, corrections)
    tags = {tag for attributes, _ in corrections for tag in attributes} | {"04000561"}
    patch = {int(tag, 16): document[tag] for tag in tags if tag in document}
    gone = {int(tag, 16) for tag in tags if tag not in document}
    codecs = charsets.codecs_of(_character_set(head, syntax.explicit, syntax.big_endian))
    if syntax.big_endian or not _fits(patch, codecs[0]):
        return _reencoded(head, transfer_syntax_uid, patch, gone)
    out: list[bytes] = []
    waiting = sorted(patch)
    end = 0
    for tag, start, stop in elements(head, explicit=syntax.explicit):
        while waiting and waiting[0] < tag:
            out.append(_encoded(waiting[0], patch, codecs[0], explicit=syntax.explicit))
            waiting.pop(0)
        if waiting and waiting[0] == tag:
            out.append(_encoded(waiting[0], patch, codecs[0], explicit=syntax.explicit))
            waiting.pop(0)
        elif tag not in gone:
            out.append(head[start:stop])
        end = stop
    out += (_encoded(tag, patch, codecs[0], explicit=syntax.explicit) for tag in waiting)
    out.append(head[end:])
    return b"".join(out)


def elements(head: bytes, *, explicit: bool) -> Iterator[tuple[int, int, int]]:
    """(tag, start, stop) of the top level; the pixel data element is its header alone."""
    view = memoryview(head)
    reader = _Reader(view, explicit=explicit, order="<", whole=True)
    position, end = 0, len(view)
    while position + 8 <= end:
        group, element, length = struct.unpack_from("<HHI", view, position)
        start, vr = position + 8, b"UN"
        if explicit:
            vr = bytes(view[position + 4 : position + 6])
            if vr in LONG_VRS:
                if position + 12 > end:
                    raise DicomError("the data set ends inside an element", position)
                length, start = struct.unpack_from("<I", view, position + 8)[0], position + 12
            else:
                length = struct.unpack_from("<H", view, position + 6)[0]
        tag = group << 16 | element
        if tag in PIXEL_TAGS:
            yield tag, position, end
            return
        if length == UNDEFINED:
            stop = reader.skip_sequence(start, 1, implicit=vr == b"UN")
        else:
            stop = start + length
        if stop > end:
            raise DicomError("an element is longer than what is left", position)
        yield tag, position, stop
        position = stop


def _character_set(head: bytes, explicit: bool, big_endian: bool) -> str:
    if big_endian:
        return ""
    for tag, start, stop in elements(head, explicit=explicit):
        if tag == _CHARACTER_SET:
            return head[start + 8 : stop].decode("latin-1").strip(" \0")
        if tag > _CHARACTER_SET:
            break
    return ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _fits(patch: dict[int, JsonDict], codec: str) -> bool:
    try:
        for text in _texts([element.get("Value", []) for element in patch.values()]):
            if not text.isascii():
                text.encode(codec)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _encoded(tag: int, patch: dict[int, JsonDict], codec: str, *, explicit: bool) -> bytes:
    element = jsonmodel.encode_json({f"{tag:08X}": patch[tag]}, explicit=explicit)
    if (
        codec in ("utf8", "utf_8")
        or element.isascii()
        or not any(not text.isascii() for text in _texts(patch[tag].get("Value", [])))
    ):
        return _without_character_set(element, tag, explicit=explicit)
    return _in_codec(tag, patch[tag], codec, explicit=explicit)


def _in_codec(tag: int, element: JsonDict, codec: str, *, explicit: bool) -> bytes:
    """One element through Latin-1 smuggling: each character's bytes in `codec` become characters of one byte."""

    def smuggled(value: Any) -> Any:
        if isinstance(value, str):
            return value.encode(codec).decode("latin-1")
        if isinstance(value, dict):
            return {name: smuggled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [smuggled(one) for one in value]
        return value

    from pydicom.dataset import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    dataset = Dataset.from_json({f"{tag:08X}": {**element, "Value": smuggled(element.get("Value", []))}})
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, not explicit
    write_dataset(out, dataset, parent_encoding="latin-1")
    return bytes(out.getvalue())


def _without_character_set(element: bytes, tag: int, *, explicit: bool) -> bytes:
    # The encoder announces UTF-8 before non-ASCII text; the data set has said so already.
    if tag != _CHARACTER_SET:
        for found, start, stop in elements(element, explicit=explicit):
            if found == tag:
                return element[start:stop]
    return element


def _reencoded(head: bytes, transfer_syntax_uid: str, patch: dict[int, JsonDict], gone: set[int]) -> bytes:
    """The head through pydicom in UTF-8, for what splicing cannot hold: big endian, or text outside the character set."""
    import pydicom
    from pydicom.dataset import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    from wetread.dicom.part10 import build_meta

    syntax = transfer_syntax(transfer_syntax_uid)
    header_end = len(head)
    for tag, start, _ in [] if syntax.big_endian else list(elements(head, explicit=syntax.explicit)):
        if tag in PIXEL_TAGS:
            header_end = start
    if syntax.big_endian and head[-12:-8] == b"\x7f\xe0\x00\x10":
        header_end = len(head) - 12
    try:
        dataset = pydicom.dcmread(
            BytesIO(build_meta("", "", transfer_syntax_uid) + head[:header_end]), force=True
        )
        dataset.decode()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.update(Dataset.from_json({f"{tag:08X}": element for tag, element in patch.items()}))
        for tag in gone & set(dataset.keys()):
            del dataset[tag]
        out = DicomBytesIO()
        out.is_little_endian, out.is_implicit_VR = not syntax.big_endian, not syntax.explicit
        write_dataset(out, dataset)
    except Exception as error:
        raise DicomError(f"corrections cannot be laid over this data set ({type(error).__name__})") from error
    return bytes(out.getvalue()) + head[header_end:]
