"""Data set bytes to the DICOM JSON Model (PS3.18 F), and attributes back to bytes.

Element by element with a guard around each: one value that cannot be read never fails the object. Pixel data and
long binary values become BulkDataURIs with their byte ranges.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pydicom.datadict import dictionary_VR, private_dictionary_VR, tag_for_keyword

from wetread.dicom.charsets import codecs_of, decode
from wetread.dicom.charsets import encode as encode_text
from wetread.dicom.errors import DicomError
from wetread.dicom.header import DEPTH_MAX, LONG_VRS, PIXEL_TAGS, UNDEFINED, VRS, detect_syntax
from wetread.dicom.personname import PersonName
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax

JsonDict = dict[str, Any]
BulkUri = Callable[[str, int, int], str | None]
"""`(path of tags, offset, length)` → URI, or None to leave the value out. Offsets count from the data set's start."""

INLINE_BYTES_MAX: Final = 1024
ELEMENTS_MAX: Final = 200_000
_CHARACTER_SET: Final = 0x00080005
_NUMBERS: Final = {
    "US": ("H", 2), "SS": ("h", 2), "UL": ("I", 4), "SL": ("i", 4), "FL": ("f", 4), "FD": ("d", 8), "UV": ("Q", 8),
    "SV": ("q", 8),
}  # fmt: skip
_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_SINGLE: Final = frozenset({"LT", "ST", "UT", "UR"})
_WORDS: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def to_json(
    data: bytes | memoryview,
    transfer_syntax_uid: str,
    bulk_uri: BulkUri,
    *,
    size: int | None = None,
    inline_bytes_max: int | None = INLINE_BYTES_MAX,
    as_told: bool = False,
) -> JsonDict:
    """The JSON model of a whole data set. `data` may end in the pixel data where `size` names the object's full length.

    Longer binary values than `inline_bytes_max` become bulk data; None: none do. `as_told`: the transfer syntax is what it is
    said to be, without a look at whether that is so.
    """
    syntax = transfer_syntax(transfer_syntax_uid if as_told else detect_syntax(data, transfer_syntax_uid))
    walker = _Walker(
        memoryview(data),
        syntax.big_endian,
        bulk_uri,
        len(data) if size is None else size,
        len(data) if inline_bytes_max is None else inline_bytes_max,
    )
    result, _ = walker.data_set(0, None, explicit=syntax.explicit, codecs=codecs_of(None), depth=0, path="")
    return result


class _Walker:
    def __init__(
        self, view: memoryview, big_endian: bool, bulk_uri: BulkUri, size: int, inline_bytes_max: int
    ) -> None:
        self._view, self._bulk_uri, self._size = view, bulk_uri, size
        self._inline_bytes_max = inline_bytes_max
        self._order = ">" if big_endian else "<"
        self._left = ELEMENTS_MAX

    def data_set(
        self,
        position: int,
        stop: int | None,
        *,
        explicit: bool,
        codecs: tuple[str, ...],
        depth: int,
        path: str,
    ) -> tuple[JsonDict, int]:
        """Elements from `position` to `stop` (or an item delimiter); ends early, keeping what it has, at damage."""
        result: JsonDict = {}
        creators: dict[int, str] = {}
        view, order = self._view, self._order
        end = len(view) if stop is None else stop
        while position + 8 <= end and self._left > 0:
            self._left -= 1
            group, element = struct.unpack_from(order + "HH", view, position)
            tag = group << 16 | element
            if tag == 0xFFFEE00D:
                return result, position + 8
            if group in (0xFFFE, 0xFFFC) or group == 0:
                return result, end
            vr, length, start = self._head(position, tag, explicit, creators)
            if start is None:
                return result, end
            here = f"{path}{tag:08X}"
            if length == UNDEFINED and tag in PIXEL_TAGS:
                uri = self._bulk_uri(here, start, self._size - start)
                result[f"{tag:08X}"] = {"vr": "OB", **({"BulkDataURI": uri} if uri else {})}
                return result, end
            if vr == "SQ" or length == UNDEFINED:
                implicit = not explicit or vr == "UN"
                items, position = self._items(start, length, not implicit, codecs, depth + 1, here)
                result[f"{tag:08X}"] = {"vr": "SQ", **({"Value": items} if items else {})}
                continue
            if start + length > end and tag not in PIXEL_TAGS:
                return result, end
            try:
                entry = self._entry(tag, vr, start, length, codecs, here)
            except (ValueError, struct.error, OverflowError):
                entry = {"vr": vr}
            if tag == _CHARACTER_SET:
                codecs = codecs_of([str(value or "") for value in entry.get("Value", [])])
                # The JSON model is UTF-8 throughout (PS3.18 F.2): say so instead of the source's set.
                entry = {"vr": "CS", "Value": ["ISO_IR 192"]}
            if group % 2 and 0x10 <= element <= 0xFF and entry.get("Value"):
                creators[element] = str(entry["Value"][0])
            if element != 0:
                result[f"{tag:08X}"] = entry
            position = start + length
        return result, end if stop is None else position

    def _head(
        self, position: int, tag: int, explicit: bool, creators: dict[int, str]
    ) -> tuple[str, int, int | None]:
        view, order = self._view, self._order
        raw = bytes(view[position + 4 : position + 6])
        if explicit and raw in VRS:
            vr = raw.decode()
            if raw in LONG_VRS:
                if position + 12 > len(view):
                    return vr, 0, None
                length, start = struct.unpack_from(order + "I", view, position + 8)[0], position + 12
            else:
                length, start = struct.unpack_from(order + "H", view, position + 6)[0], position + 8
            return self._true_vr(tag, vr, creators), length, start
        if explicit:
            return "UN", 0, None
        length = struct.unpack_from(order + "I", view, position + 4)[0]
        return self._true_vr(tag, "UN", creators), length, position + 8

    @staticmethod
    def _true_vr(tag: int, vr: str, creators: dict[int, str]) -> str:
        """The dictionary's VR where the sender wrote none (implicit, UN) or a wrong one that would hide the value."""
        group, element = tag >> 16, tag & 0xFFFF
        if element == 0:
            return "UL"
        if group % 2:
            if vr != "UN":
                return vr
            if 0x10 <= element <= 0xFF:
                return "LO"
            creator = creators.get(element >> 8)
            try:
                known = private_dictionary_VR(tag, creator) if creator else "UN"
            except KeyError:
                return "UN"
            return known if len(known) == 2 else "UN"
        if vr not in ("UN", "UT", "LO", "SH", "OB"):
            return vr
        try:
            known = dictionary_VR(tag)
        except KeyError:
            return vr
        if vr in ("UT", "LO", "SH") and known not in ("DS", "IS", "CS", "DA", "TM", "DT", "UI", "PN"):
            return vr
        if vr == "OB" and known != "SQ":
            return vr
        return known.split(" or ")[-1] if " or " in known else known

    def _items(
        self, position: int, length: int, explicit: bool, codecs: tuple[str, ...], depth: int, path: str
    ) -> tuple[list[JsonDict], int]:
        view = self._view
        items: list[JsonDict] = []
        order = self._order if explicit or self._order == ">" else "<"
        end = len(view) if length == UNDEFINED else min(position + length, len(view))
        while position + 8 <= end:
            group, element, size = struct.unpack_from(order + "HHI", view, position)
            tag = group << 16 | element
            position += 8
            if tag == 0xFFFEE0DD:
                return items, position
            if tag != 0xFFFEE000:
                return items, end
            stop = None if size == UNDEFINED else min(position + size, end)
            if depth > DEPTH_MAX:
                return items, end
            item, position = self.data_set(
                position, stop, explicit=explicit, codecs=codecs, depth=depth, path=f"{path}/{len(items)}/"
            )
            position = stop if stop is not None else position
            items.append(item)
        return items, end

    def _entry(
        self, tag: int, vr: str, start: int, length: int, codecs: tuple[str, ...], path: str
    ) -> JsonDict:
        entry: JsonDict = {"vr": vr}
        if length == 0:
            return entry
        if tag in PIXEL_TAGS or (vr in _BINARY and length > self._inline_bytes_max):
            uri = self._bulk_uri(path, start, length)
            return {**entry, "BulkDataURI": uri} if uri else entry
        raw = bytes(self._view[start : start + length])
        if vr in _BINARY:
            width = _WORDS.get(vr, 1) if self._order == ">" else 1
            if width > 1:  # the model's binary values are little endian (PS3.18 F.2.7)
                words = array({2: "H", 4: "I", 8: "Q"}[width], raw[: length // width * width])
                words.byteswap()
                raw = words.tobytes()
            return {**entry, "InlineBinary": base64.b64encode(raw).decode()}
        values = self._values(vr, raw, codecs)
        return {**entry, "Value": values} if any(value is not None for value in values) else entry

    def _values(self, vr: str, raw: bytes, codecs: tuple[str, ...]) -> list[Any]:
        if vr in _NUMBERS:
            code, size = _NUMBERS[vr]
            numbers = struct.unpack(f"{self._order}{len(raw) // size}{code}", raw[: len(raw) // size * size])
            return [_finite(number) for number in numbers]
        if vr == "AT":
            pairs = struct.unpack(f"{self._order}{len(raw) // 4 * 2}H", raw[: len(raw) // 4 * 4])
            return [
                f"{group:04X}{element:04X}" for group, element in zip(pairs[::2], pairs[1::2], strict=True)
            ]
        text = decode(raw, codecs, person_name=vr == "PN").value if vr in _TEXT else raw.decode("latin-1")
        text = text.rstrip("\0")
        if vr in _SINGLE:
            return [text.rstrip(" ")]
        parts = [part.strip(" \0") if vr != "UC" else part.rstrip(" ") for part in text.split("\\")]
        if vr == "PN":
            return [PersonName.parse(part).as_json() or None for part in parts]
        if vr == "IS":
            return [_integer(part) for part in parts]
        if vr == "DS":
            return [_decimal(part) for part in parts]
        return [part or None for part in parts]


def character_set_of(data: bytes, *, explicit: bool) -> list[str]:
    """The values of (0008,0005) as sent, which the model replaces: it is Unicode. Little endian; empty where absent."""
    position = 0
    while position + 8 <= len(data):
        group, element = struct.unpack_from("<HH", data, position)
        tag = group << 16 | element
        if tag > _CHARACTER_SET:
            break
        # What may stand before (0008,0005) has a short length in explicit VR.
        (length,) = struct.unpack_from("<H" if explicit else "<I", data, position + (6 if explicit else 4))
        if tag == _CHARACTER_SET:
            text = data[position + 8 : position + 8 + length].decode("latin-1").strip(" \0")
            return [term.strip(" \0") for term in text.split("\\")] if text else []
        position += 8 + length
    return []


def word_bytes(tag: int) -> int:
    """Bytes of one word of a binary value, by the dictionary; 1 where it is a string of bytes or not known."""
    try:
        return _WORDS.get(dictionary_VR(tag).split(" or ")[-1], 1)
    except KeyError:
        return 1


def _finite(number: float) -> float | None:
    # JSON has no NaN or infinity.
    return number if isinstance(number, int) or math.isfinite(number) else None


def _integer(text: str) -> int | None:
    if not text:
        return None
    number = float(text)
    if number != int(number):
        raise ValueError(text)
    return int(number)


def _decimal(text: str) -> float | int | None:
    if not text:
        return None
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return int(number) if number == int(number) and "." not in text and "e" not in text.lower() else number


def encode(attributes: Mapping[str, Any], *, explicit: bool = True) -> bytes:
    """A little-endian data set from `{keyword: value}`, in tag order, text as UTF-8 with (0008,0005) ISO_IR 192.

    Values: str, int, float, bytes, None (zero length), lists of them, and lists of mappings for sequences. Person names
    are PN strings. Raises DicomError for a keyword that the dictionary lacks.
    """
    tagged: dict[int, tuple[str, Any]] = {}
    for keyword, value in attributes.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise DicomError(f"{keyword} is not in the dictionary")
        vr = dictionary_VR(tag).split(" or ")[0]
        # Samples of more than a byte are words (PS3.5 A.2).
        if keyword == "WaveformData" and int(attributes.get("WaveformBitsAllocated") or 8) > 8:
            vr = "OW"
        tagged[int(tag)] = (vr, value)
    if any(_needs_unicode(value) for _, value in tagged.values()):
        tagged[_CHARACTER_SET] = ("CS", "ISO_IR 192")
    return b"".join(_encode_element(tag, vr, value, explicit) for tag, (vr, value) in sorted(tagged.items()))


def encode_json(
    model: Mapping[str, Any], *, explicit: bool = True, character_set: Sequence[str] = ()
) -> bytes:
    """A little-endian data set from the DICOM JSON Model. Bulk data are left out.

    Text goes out in `character_set`, values of (0008,0005), where all of it can, else as UTF-8.
    """
    codecs = codecs_of(character_set) if any(character_set) else ()
    if codecs and _encodable(model, codecs):
        terms = {f"{_CHARACTER_SET:08X}": {"vr": "CS", "Value": list(character_set)}}
        return _encode_json({**model, **terms}, explicit, codecs)
    return _encode_json(model, explicit, ())


def _encodable(model: Mapping[str, Any], codecs: tuple[str, ...]) -> bool:
    for entry in model.values():
        vr, values = entry.get("vr"), entry.get("Value", [])
        if vr == "SQ":
            if not all(_encodable(item, codecs) for item in values):
                return False
        elif vr in _TEXT:
            texts = [str(PersonName.from_json(one)) if vr == "PN" and one else one for one in values]
            if _needs_unicode(texts) and any(
                encode_text(str(one or ""), codecs, person_name=vr == "PN") is None for one in texts
            ):
                return False
    return True


def _encode_json(model: Mapping[str, Any], explicit: bool, codecs: tuple[str, ...]) -> bytes:
    elements: dict[int, tuple[str, Any]] = {}
    for key, entry in model.items():
        tag, vr = int(key, 16), str(entry.get("vr", "UN"))
        if "InlineBinary" in entry:
            value: Any = base64.b64decode(entry["InlineBinary"])
        elif vr == "PN":
            value = [
                str(PersonName.from_json(one)) if one is not None else None for one in entry.get("Value", [])
            ]
        elif vr == "AT":
            value = [int(str(one), 16) for one in entry.get("Value", [])]
        else:
            value = entry.get("Value", [])
        elements[tag] = (vr, value)
    if _CHARACTER_SET not in elements and any(
        _needs_unicode(value) for vr, value in elements.values() if vr in _TEXT
    ):
        elements[_CHARACTER_SET] = ("CS", ["ISO_IR 192"])
    encoded: list[bytes] = []
    for tag, (vr, value) in sorted(elements.items()):
        if vr == "SQ":
            items = [_encode_json(item, explicit, codecs) for item in value]
            raw = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
        elif codecs and vr in _TEXT and _needs_unicode(value):
            texts = value if isinstance(value, list) else [value]
            raw = b"\\".join(
                encode_text(str(one or ""), codecs, person_name=vr == "PN") or b"" for one in texts
            )
            raw += b" " * (len(raw) % 2)
        else:
            raw = _encode_value(vr, value)
        encoded.append(_with_head(tag, vr, raw, explicit))
    return b"".join(encoded)


def _needs_unicode(value: Any) -> bool:
    if isinstance(value, str):
        return not value.isascii()
    return isinstance(value, (list, tuple)) and any(
        _needs_unicode(one) for one in value if isinstance(one, str)
    )


def _encode_element(tag: int, vr: str, value: Any, explicit: bool) -> bytes:
    raw = _encode_sequence(value or [], explicit) if vr == "SQ" else _encode_value(vr, value)
    return _with_head(tag, vr, raw, explicit)


def _with_head(tag: int, vr: str, raw: bytes, explicit: bool) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack("<I", len(raw)) + raw
    if vr.encode() in LONG_VRS:
        return head + vr.encode() + struct.pack("<HI", 0, len(raw)) + raw
    if len(raw) > 0xFFFE:
        raise DicomError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is too long for {vr}")
    return head + vr.encode() + struct.pack("<H", len(raw)) + raw


def _encode_sequence(items: Iterable[Mapping[str, Any]], explicit: bool) -> bytes:
    encoded = [encode(item, explicit=explicit) for item in items]
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in encoded)


def _encode_value(vr: str, value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        raw = value
    elif vr in _NUMBERS:
        code, _ = _NUMBERS[vr]
        numbers = value if isinstance(value, (list, tuple)) else [value]
        raw = struct.pack(f"<{len(numbers)}{code}", *numbers)
    elif vr == "AT":
        tags = value if isinstance(value, (list, tuple)) else [value]
        raw = b"".join(struct.pack("<HH", int(one) >> 16, int(one) & 0xFFFF) for one in tags)
    else:
        texts = value if isinstance(value, (list, tuple)) else [value]
        text = "\\".join("" if one is None else str(one) for one in texts)
        # Other VRs have no character set of their own (PS3.5 6.1.2.2); what is read of them byte for byte is written so.
        raw = text.encode() if vr in _TEXT else text.encode("latin-1", "replace")
    if len(raw) % 2:
        raw += b"\0" if vr in ("UI", "OB", "UN") else b" "
    return raw


def canonical(model: object) -> JsonDict:
    """A data set in the JSON model, as somebody else wrote it, in our own writing: what it holds can be encoded, and reads
    back as it stands. Bulk data, and what belongs to no data set, are left out. Raises DicomError naming the tag at fault."""
    _check_model(model, 0, [ELEMENTS_MAX])
    assert isinstance(model, dict)
    # Groups below 0008 belong to commands and files, not to data sets (PS3.5 7.1, PS3.10 7.1).
    own = {tag: entry for tag, entry in model.items() if int(tag, 16) >= 0x00080000}
    try:
        written = encode_json(own)
        return to_json(
            written, EXPLICIT_VR_LITTLE_ENDIAN, lambda *_: None, inline_bytes_max=None, as_told=True
        )
    except (ValueError, TypeError, struct.error, OverflowError, UnicodeError) as error:
        raise DicomError(f"a value is not one of its VR ({type(error).__name__})") from None


_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}\Z")


def _check_model(model: object, depth: int, left: list[int]) -> None:
    if not isinstance(model, dict):
        raise DicomError("a data set is not an object")
    if depth > DEPTH_MAX:
        raise DicomError("sequences nest too deeply")
    for tag, entry in model.items():
        left[0] -= 1
        if left[0] < 0:
            raise DicomError("there are too many attributes")
        if not isinstance(tag, str) or not _TAG.match(tag) or not isinstance(entry, dict):
            raise DicomError(f"{str(tag)[:64]} is no attribute")
        vr, values = entry.get("vr"), entry.get("Value", [])
        if not isinstance(vr, str) or vr.encode("ascii", "replace") not in VRS:
            raise DicomError(f"{tag} has no VR")
        if not isinstance(values, list) or not isinstance(entry.get("InlineBinary", ""), str):
            raise DicomError(f"the values of {tag} are no array")
        if "InlineBinary" in entry and vr not in _BINARY:
            raise DicomError(f"{tag} has a binary value, which {vr} has not")
        left[0] -= len(values)
        for value in values:
            if vr == "SQ":
                _check_model(value, depth + 1, left)
            elif not _is_of(vr, value):
                raise DicomError(f"{tag} has a value that is not one of {vr}")


def _is_of(vr: str, value: object) -> bool:
    if vr in _NUMBERS:
        whole = vr not in ("FL", "FD")
        return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if value is None:
        return True
    if vr == "PN":
        if isinstance(value, dict):
            return all(isinstance(group, str) for group in value.values())
        return isinstance(value, str)
    if vr in _BINARY:
        return False
    if vr in ("IS", "DS"):
        return isinstance(value, (int, float, str)) and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    return vr in _TEXT or all(ord(character) < 256 for character in value)
