"""Text from raw bytes by Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1), tolerant of what real devices send.

Nothing raises: bytes that do not belong to the named set are shown as replacement characters, and the answer says so.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydicom.charset import decode_bytes, encode_string, python_encoding

DEFAULT: Final = ("iso8859",)
_PN_DELIMITERS: Final = {0x5E, 0x3D, 0x5C}
_TEXT_DELIMITERS: Final = {0x0D, 0x0A, 0x09, 0x0C, 0x5C}
# Sets in which 0x5C may be the second byte of a character: decode first, split on the backslash afterwards.
_MULTI_BYTE: Final = frozenset({"gb18030", "gbk", "shift_jis", "utf8", "utf_8"})
_ALONE: Final = frozenset({"utf8", "gb18030", "gbk"})


@dataclass(frozen=True, slots=True)
class Text:
    """Decoded text; `damaged` where bytes did not belong to the character set."""

    value: str
    damaged: bool = False


def codecs_of(specific_character_set: str | Sequence[str] | None) -> tuple[str, ...]:
    """Python codecs for (0008,0005), whose first value may be empty; misspelt terms are understood, unknown ones
    fall back to Latin-1, which loses no byte."""
    if specific_character_set is None:
        return DEFAULT
    terms = (
        specific_character_set.split("\\")
        if isinstance(specific_character_set, str)
        else list(specific_character_set)
    )
    found = [_codec(term) for term in terms]
    if len(found) > 1 and any(codec in _ALONE for codec in found):
        # PS3.3 C.12.1.1.2: ISO_IR 192, GB18030 and GBK stand alone; a second value is a writer's mistake.
        return (next(codec for codec in found if codec in _ALONE),)
    return tuple(found) or DEFAULT


@lru_cache(256)
def _codec(term: str) -> str:
    plain = re.sub(r"[^A-Z0-9]+", " ", term.upper()).strip()
    if not plain:
        return DEFAULT[0]
    match = re.fullmatch(r"ISO ?(2022)? ?IR ?(\d+)", plain)
    if match:
        spelt = f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"
        return python_encoding.get(spelt) or python_encoding.get(f"ISO 2022 IR {match[2]}") or DEFAULT[0]
    aliases = {"UTF 8": "utf8", "UTF8": "utf8", "LATIN1": "iso8859", "ASCII": "iso8859"}
    return python_encoding.get(plain) or aliases.get(plain) or DEFAULT[0]


def decode(raw: bytes, codecs: Sequence[str], *, person_name: bool = False) -> Text:
    """The text of a whole element, backslashes still in place."""
    if b"\x1b" not in raw and raw.isascii() and codecs[0] != "shift_jis":
        return Text(raw.decode("ascii"))
    if tuple(codecs) == DEFAULT and b"\x1b" not in raw:
        # Letters where no set was named break PS3.5 6.1.2.1. What reads as UTF-8 is UTF-8, which JavaScript's and other
        # young writers send untold: in text of Latin-1 its sequences do not occur by chance.
        with contextlib.suppress(UnicodeDecodeError):
            return Text(raw.decode("utf-8"))
    if (len(codecs) == 1 and codecs[0] in _MULTI_BYTE) or b"\x1b" not in raw:
        try:
            return Text(raw.decode(codecs[0]))
        except (UnicodeDecodeError, LookupError):
            pass
        return Text(raw.decode(codecs[0] if codecs[0] in _MULTI_BYTE else "latin-1", "replace"), damaged=True)
    delimiters = _PN_DELIMITERS if person_name else _TEXT_DELIMITERS
    try:
        value = decode_bytes(raw, list(codecs), delimiters)
    except (UnicodeDecodeError, LookupError, ValueError):
        return Text(raw.decode("latin-1"), damaged=True)
    return Text(value, damaged="\ufffd" in value or "\x1b" in value)


def encode(text: str, codecs: Sequence[str], *, person_name: bool = False) -> bytes | None:
    """`text` in those codecs with the escapes of ISO 2022 (PS3.5 6.1.2.5), None where it has characters of no set named.

    What is given is proved by reading it back. Sets are left at every delimiter, so each part begins in the first.
    """
    own = list(codecs)
    delimiters = r"([\^=\\])" if person_name else r"([\\\r\n\t\f])"
    if own[0] in _MULTI_BYTE - {"shift_jis"}:
        delimiters = r"(?!)"
    out = b""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for part in re.split(delimiters, text):
                # The default repertoire is ASCII alone; we read it as Latin-1 only to lose nothing.
                latin = all(ord(character) < 256 for character in part)
                sets = ["ascii" if latin and codec == DEFAULT[0] else codec for codec in own]
                out += part.encode("ascii") if part.isascii() else encode_string(part, sets)
    except (UnicodeError, LookupError, ValueError, Warning):
        return None
    read = decode(out, codecs, person_name=person_name)
    return out if read.value == text and not read.damaged else None
