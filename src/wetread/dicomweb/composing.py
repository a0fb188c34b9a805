"""An object made of metadata and bulk data (PS3.18 10.5.1.2): the DICOM JSON Model and parts become a Part 10 file.

The data set is written in UTF-8, Explicit VR Little Endian, or in the transfer syntax of its compressed pixel data. Of
pictures that are no DICOM (a photograph), what describes the pixels is read from the compressed stream where the
metadata leave it out (PS3.18 10.5.1.2.1).
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.valuerep import format_number_as_ds

from wetread.dicom.errors import DicomError
from wetread.dicom.header import DEPTH_MAX, LONG_VRS, PIXEL_TAGS, UNDEFINED, VRS
from wetread.dicom.jsonmodel import encode_json
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, transfer_syntax

JsonDict = dict[str, Any]
_JPEG = "1.2.840.10008.1.2.4."
_PIXEL_DATA = "7FE00010"
# What only an answer to a search has (PS3.18 10.6.3.3), and what is said in the file meta information.
_NOT_STORED = frozenset({"00083002", "00081190"})
_DEFAULT_SYNTAX = {
    "image/jls": _JPEG + "80",
    "image/jp2": _JPEG + "90",
    "image/jpx": _JPEG + "92",
    "image/jphc": _JPEG + "201",
    "image/jxl": _JPEG + "110",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "video/mpeg": _JPEG + "100",
    "video/mp4": _JPEG + "102",
}


class CannotCompose(ValueError):
    """Metadata and bulk data make no object; the message holds no values."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """A part of the upload: its media type, the transfer syntax that it names, its length, and its bytes in pieces."""

    media_type: str
    transfer_syntax_uid: str | None
    length: int
    read: Callable[[], Iterator[bytes]]

    def start(self, length: int) -> bytes:
        """The first bytes."""
        found = b""
        for piece in self.read():
            found += piece
            if len(found) >= length:
                break
        return found[:length]


Parts = Mapping[str, Sequence[Bulk]]
"""Parts by Content-Location; several of one location are frames in order."""


class Located(dict[str, list[Bulk]]):
    """Parts that are found by the end of their location too, however many there are."""

    def __init__(self) -> None:
        super().__init__()
        self._by_end: dict[str, list[str]] = {}

    def add(self, location: str, bulk: Bulk) -> None:
        """One more."""
        if location not in self:
            self[location] = []
            self._by_end.setdefault(_end(location), []).append(location)
        self[location].append(bulk)

    def like(self, uri: str) -> Iterator[str]:
        """The locations that could be meant by an address that is no location itself."""
        # That many of one name are no upload that means anything: only the first are looked at.
        return islice(self._by_end.get(_end(uri), ()), _ALIKE_MAX)


def _end(location: str) -> str:
    return location.rsplit("/", 1)[-1]


_ALIKE_MAX = 100
_Piece = bytes | Bulk
_CHARACTER_SET = 0x00080005
_UTF_8_SAID: JsonDict = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
_UTF_8 = encode_json(_UTF_8_SAID)


def compose(document: JsonDict, parts: Parts) -> Iterator[bytes]:
    """The Part 10 file, in pieces. Raises CannotCompose before the first."""
    try:
        meta, pieces = _composed(document, parts)
    except CannotCompose:
        raise
    except (
        DicomError,
        ValueError,
        TypeError,
        struct.error,
        AttributeError,
        OverflowError,
        LookupError,
    ) as error:
        raise CannotCompose(
            f"the metadata hold a value that is not of its kind ({type(error).__name__})"
        ) from None
    return _written(meta, pieces)


def _composed(document: JsonDict, parts: Parts) -> tuple[bytes, list[_Piece]]:
    document = {
        tag.upper(): element
        for tag, element in document.items()
        if tag[:4] != "0002" and tag.upper() not in _NOT_STORED
    }
    if not all(isinstance(element, dict) for element in document.values()):
        raise CannotCompose("an attribute is no object of the DICOM JSON Model")
    frames = _frames(document, parts)
    syntax = _syntax(frames)
    if frames and transfer_syntax(syntax).encapsulated:
        document = _described(document, frames, syntax)
    pieces = list(_data_set(document, parts, syntax, 0))
    return build_meta(_text(document, "00080016"), _text(document, "00080018"), syntax), pieces


def _written(meta: bytes, pieces: Sequence[_Piece]) -> Iterator[bytes]:
    yield meta
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece.read()


def _text(document: JsonDict, tag: str) -> str:
    values = document.get(tag, {}).get("Value") or [""]
    return str(values[0] or "")


def _bulk_of(element: Mapping[str, Any], parts: Parts) -> Sequence[Bulk]:
    uri = str(element["BulkDataURI"])
    found = parts.get(uri)
    if found is None:
        # One side may be absolute, the other relative.
        could = parts.like(uri) if isinstance(parts, Located) else parts
        alike = [parts[location] for location in could if _same(location, uri)]
        found = alike[0] if len(alike) == 1 else None
    if not found:
        raise CannotCompose("a BulkDataURI has no part with its Content-Location")
    return found


def _same(location: str, uri: str) -> bool:
    shorter, longer = sorted((location, uri), key=len)
    return bool(shorter) and longer.endswith("/" + shorter.lstrip("/"))


def _frames(document: JsonDict, parts: Parts) -> Sequence[Bulk]:
    element = document.get(_PIXEL_DATA)
    return _bulk_of(element, parts) if element and "BulkDataURI" in element else ()


def _syntax(frames: Sequence[Bulk]) -> str:
    """The transfer syntax that the pixel data need."""
    if not frames:
        return EXPLICIT_VR_LITTLE_ENDIAN
    named = frames[0].transfer_syntax_uid
    if named is None and frames[0].media_type == "image/jpeg":
        # The standard's default is the lossless process; what people send is what the stream says.
        return _jpeg_syntax(frames[0].start(1 << 16))
    syntax = named or _DEFAULT_SYNTAX.get(frames[0].media_type, EXPLICIT_VR_LITTLE_ENDIAN)
    if syntax == IMPLICIT_VR_LITTLE_ENDIAN or transfer_syntax(syntax).deflated:
        return EXPLICIT_VR_LITTLE_ENDIAN  # the pixels are the same
    if transfer_syntax(syntax).big_endian:
        raise CannotCompose("bulk data are little endian")
    return syntax


def _data_set(document: JsonDict, parts: Parts, syntax: str, depth: int) -> Iterator[_Piece]:
    if depth > DEPTH_MAX:
        raise CannotCompose("sequences are nested too deep")
    # JSON and XML are Unicode, and so is what is written, whatever the source's character set was.
    said = _UTF_8_SAID if not depth or "00080005" in document else {}
    for tag, element in sorted((document | said).items()):
        number = int(tag, 16)
        if len(tag) != 8 or not isinstance(element, dict):
            raise CannotCompose("an attribute has no tag of eight hexadecimal digits")
        if number & 0xFFFF == 0:
            continue  # group lengths are retired
        vr = str(element.get("vr") or _dictionary_vr(number))
        if vr.encode() not in VRS:
            raise CannotCompose(f"({tag[:4]},{tag[4:]}) has no VR of the standard")
        if (
            number in PIXEL_TAGS
            and not depth
            and transfer_syntax(syntax).encapsulated
            and number & 0xFFFF == 0x10
        ):
            yield from _encapsulated(element, parts)
        elif "BulkDataURI" in element and vr != "SQ":
            bulk = _bulk_of(element, parts)
            length = sum(one.length for one in bulk)
            yield _head(number, vr, length + length % 2)
            yield from bulk
            yield bytes(length % 2)
        elif vr == "SQ":
            yield from _sequence(number, element.get("Value") or [], parts, syntax, depth)
        else:
            encoded = encode_json({tag: _normal(vr, element)})
            # The encoder announces UTF-8 before text; here that is said once, at the start.
            yield encoded if number == _CHARACTER_SET else encoded.removeprefix(_UTF_8)


def _dictionary_vr(number: int) -> str:
    try:
        return dictionary_VR(number).split(" or ")[-1]
    except KeyError:
        return "UN"


def _normal(vr: str, element: Mapping[str, Any]) -> JsonDict:
    """The element with numbers as its VR writes them."""
    if "InlineBinary" in element:
        try:
            base64.b64decode(str(element["InlineBinary"]), validate=True)
        except binascii.Error:
            raise CannotCompose("an InlineBinary is not base64") from None
        return {"vr": vr, "InlineBinary": element["InlineBinary"]}
    values = element.get("Value") or []
    if not isinstance(values, list):
        raise CannotCompose("a Value is no array")
    if vr == "DS":
        values = [format_number_as_ds(one) if isinstance(one, float) else one for one in values]
    elif vr == "IS":
        values = [int(one) if isinstance(one, float) and one == int(one) else one for one in values]
    elif vr in ("FL", "FD"):
        values = [float(one) for one in values if one is not None]
    elif vr in ("US", "SS", "UL", "SL", "UV", "SV"):
        values = [int(one) for one in values if one is not None]
    return {"vr": vr, "Value": values}


def _sequence(number: int, items: Sequence[Any], parts: Parts, syntax: str, depth: int) -> Iterator[_Piece]:
    contents: list[list[_Piece]] = []
    for item in items:
        if item is not None and not isinstance(item, dict):
            raise CannotCompose("an item of a sequence is no object")
        contents.append(list(_data_set(item or {}, parts, syntax, depth + 1)))
    lengths = [sum(map(_length, content)) for content in contents]
    yield _head(number, "SQ", sum(lengths) + 8 * len(lengths))
    for content, length in zip(contents, lengths, strict=True):
        yield struct.pack("<HHI", 0xFFFE, 0xE000, length)
        yield from content


def _length(piece: _Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.length


def _head(number: int, vr: str, length: int) -> bytes:
    head = struct.pack("<HH", number >> 16, number & 0xFFFF) + vr.encode()
    if vr.encode() in LONG_VRS:
        if length >= UNDEFINED:
            raise CannotCompose("a value is longer than an element can be")
        return head + struct.pack("<HI", 0, length)
    if length > 0xFFFE:
        raise CannotCompose(f"a value is too long for {vr}")
    return head + struct.pack("<H", length)


def _encapsulated(element: Mapping[str, Any], parts: Parts) -> Iterator[_Piece]:
    """Each part one frame, in one fragment (PS3.5 A.4), with a basic offset table where there are several."""
    frames = _bulk_of(element, parts)
    sizes = [one.length + one.length % 2 for one in frames]
    if max(sizes) >= UNDEFINED:
        raise CannotCompose("a frame is longer than a fragment can be")
    offsets: list[int] = []
    if len(frames) > 1 and sum(sizes) + 8 * len(sizes) < UNDEFINED:
        position = 0
        for size in sizes:
            offsets.append(position)
            position += size + 8
    yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, UNDEFINED)
    yield struct.pack(f"<HHI{len(offsets)}I", 0xFFFE, 0xE000, 4 * len(offsets), *offsets)
    for frame, size in zip(frames, sizes, strict=True):
        yield struct.pack("<HHI", 0xFFFE, 0xE000, size)
        yield frame
        yield bytes(size - frame.length)
    yield struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


# What a compressed stream says of its pixels -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stream:
    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool
    photometric: str


def _described(document: JsonDict, frames: Sequence[Bulk], syntax: str) -> JsonDict:
    """The document with the Image Pixel attributes that it leaves out, from the first frame."""
    wanted = ("00280002", "00280004", "00280010", "00280011", "00280100", "00280101", "00280102", "00280103")
    out = dict(document)
    if len(frames) > 1 and "00280008" not in out:
        out["00280008"] = {"vr": "IS", "Value": [len(frames)]}
    if all(tag in out for tag in wanted) or transfer_syntax(syntax).media_type.startswith("video/"):
        return out
    found = _stream(frames[0].start(1 << 16))
    if found is None:
        raise CannotCompose(
            "the metadata do not describe the pixels, and the compressed stream cannot be read"
        )
    allocated = 8 if found.bits <= 8 else 16
    described = {
        "00280002": ("US", found.samples),
        "00280004": ("CS", found.photometric),
        "00280010": ("US", found.rows),
        "00280011": ("US", found.columns),
        "00280100": ("US", allocated),
        "00280101": ("US", found.bits),
        "00280102": ("US", found.bits - 1),
        "00280103": ("US", int(found.signed)),
    }
    if found.samples > 1:
        described["00280006"] = ("US", 0)
    for tag, (vr, value) in described.items():
        out.setdefault(tag, {"vr": vr, "Value": [value]})
    return out


def _stream(start: bytes) -> _Stream | None:
    if start[:4] == b"\xff\x4f\xff\x51" and len(start) > 48:
        columns, rows, left, top = struct.unpack_from(">4I", start, 8)
        samples, depth = struct.unpack_from(">HB", start, 40)
        photometric = "MONOCHROME2"
        if samples == 3:
            at = start.find(b"\xff\x52")
            transformed = at > 0 and len(start) > at + 13 and start[at + 8]
            reversible = at > 0 and len(start) > at + 13 and start[at + 13] == 1
            photometric = ("YBR_RCT" if reversible else "YBR_ICT") if transformed else "RGB"
        return _Stream(
            rows - top, columns - left, samples, (depth & 0x7F) + 1, bool(depth & 0x80), photometric
        )
    found = _start_of_frame(start)
    if found is None:
        return None
    marker, bits, rows, columns, samples = found
    photometric = "MONOCHROME2"
    if samples == 3:
        adobe = start.find(b"Adobe")
        plain = marker in (0xC3, 0xF7) or (adobe > 0 and len(start) > adobe + 11 and start[adobe + 11] == 0)
        photometric = "RGB" if plain else "YBR_FULL_422"
    return _Stream(rows, columns, samples, bits, False, photometric)


def _start_of_frame(start: bytes) -> tuple[int, int, int, int, int] | None:
    """(marker, bits, rows, columns, samples) of a JPEG or JPEG-LS stream."""
    position = 2
    while start[:2] == b"\xff\xd8" and position + 10 <= len(start):
        if start[position] != 0xFF:
            return None
        marker = start[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", start, position + 4)
            return marker, bits, rows, columns, samples
        position += 2 + struct.unpack_from(">H", start, position + 2)[0]
    return None


def _jpeg_syntax(start: bytes) -> str:
    found = _start_of_frame(start)
    if found is None:
        raise CannotCompose("the JPEG stream cannot be read")
    if found[0] == 0xC0:
        return _JPEG + "50"
    if found[0] == 0xC1:
        return _JPEG + "51"
    if found[0] == 0xC3:
        selection = start.find(b"\xff\xda")
        first_order = (
            selection > 0
            and len(start) > selection + 5 + 2 * found[4]
            and (start[selection + 5 + 2 * found[4]] == 1)
        )
        return _JPEG + ("70" if first_order else "57")
    if found[0] == 0xF7:
        return _JPEG + "80"
    raise CannotCompose("this process of JPEG has no transfer syntax")
