"""What the client will take: the Accept header by its grammar (RFC 9110 12.5.1, PS3.18 8.7), and what to send it. Pure.

Real clients leave out quotes (`type=application/octet-stream`), put several ranges into one header or repeat the
header, and pass `accept` as a query parameter; all of that is understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

EXPLICIT_LE = "1.2.840.10008.1.2.1"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
OCTET_STREAM = "application/octet-stream"
DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
NATIVE_LITTLE_ENDIAN = frozenset({"1.2.840.10008.1.2", EXPLICIT_LE, "1.2.840.10008.1.2.1.99"})
_HEADER_CHARACTERS_MAX = 8192

# PS3.18 Table 8.7.3-2 to 8.7.3-5: the media type of a frame in each transfer syntax.
FRAME_MEDIA_TYPES: dict[str, str] = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    HTJ2K_RPCL: "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.4.100": "video/mpeg",
    "1.2.840.10008.1.2.4.101": "video/mpeg",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
    "1.2.840.10008.1.2.4.104": "video/mp4",
    "1.2.840.10008.1.2.4.105": "video/mp4",
    "1.2.840.10008.1.2.4.106": "video/mp4",
    "1.2.840.10008.1.2.4.107": "video/mp4",
    "1.2.840.10008.1.2.4.108": "video/mp4",
}
# The transfer syntax that a media type means where none is named (PS3.18 Table 8.7.3-2, default column).
_DEFAULT_SYNTAX: dict[str, frozenset[str]] = {
    "image/jpeg": frozenset({"1.2.840.10008.1.2.4.70"}),
    "image/jls": frozenset({"1.2.840.10008.1.2.4.80"}),
    "image/jp2": frozenset({"1.2.840.10008.1.2.4.90"}),
    "image/jpx": frozenset({"1.2.840.10008.1.2.4.92"}),
}


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One acceptable media type: `media_type` may be `*/*` or `image/*`; `multipart` for multipart/related of it."""

    media_type: str
    multipart: bool
    transfer_syntax: str | None  # None: not named; "*": any
    quality: float
    parameters: Mapping[str, str] = field(default_factory=dict)

    def covers(self, media_type: str) -> bool:
        """Whether the range includes `media_type`."""
        if self.media_type in ("*/*", media_type):
            return True
        return self.media_type.endswith("/*") and media_type.startswith(self.media_type[:-1])


def parse_accept(headers: Sequence[str]) -> list[MediaRange]:
    """Media ranges, best first: by quality, then as written. Nothing said means `*/*`. Never raises."""
    ranges: list[MediaRange] = []
    for part in _split(",".join(headers)[:_HEADER_CHARACTERS_MAX], ","):
        pieces = _split(part, ";")
        name = pieces[0].strip().lower() if pieces else ""
        if "/" not in name:
            continue
        parameters: dict[str, str] = {}
        for piece in pieces[1:]:
            key, equals, value = piece.partition("=")
            if equals:
                parameters[key.strip().lower()] = _unquote(value.strip())
        multipart = name == "multipart/related"
        ranges.append(
            MediaRange(
                parameters.get("type", "*/*").lower() if multipart else name,
                multipart,
                parameters.get("transfer-syntax"),
                _quality(parameters.get("q")),
                parameters,
            )
        )
    acceptable = sorted((one for one in ranges if one.quality > 0), key=lambda one: -one.quality)
    return acceptable if ranges else [MediaRange("*/*", multipart=False, transfer_syntax=None, quality=1.0)]


def accepts_json(ranges: Sequence[MediaRange]) -> str | None:
    """The JSON media type to answer with, or None where the client takes no JSON."""
    for one in ranges:
        if not one.multipart:
            if one.covers(DICOM_JSON):
                return DICOM_JSON
            if one.covers("application/json"):
                return "application/json"
    return None


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """How frames go out. `source`: as stored, from the HTJ2K rendition, or decoded to plain pixels."""

    source: str  # "original" | "rendition" | "decoded"
    content_type: str
    multipart: bool


def choose_frame(
    ranges: Sequence[MediaRange], stored_syntax: str, *, has_rendition: bool, frames: int
) -> FrameChoice | None:
    """The best representation of `frames` frames; None is 406. A single frame may go out as a single part."""
    native = stored_syntax not in FRAME_MEDIA_TYPES
    stored_type = FRAME_MEDIA_TYPES.get(stored_syntax, OCTET_STREAM)
    for one in ranges:
        multipart = one.multipart or one.media_type == "*/*"
        if not multipart and frames != 1:
            continue
        if (
            has_rendition
            and one.media_type == "image/jphc"
            and one.transfer_syntax in (None, "*", HTJ2K_RPCL)
        ):
            return FrameChoice("rendition", f"image/jphc; transfer-syntax={HTJ2K_RPCL}", multipart)
        if not native and one.covers(stored_type) and _syntax_fits(one, stored_syntax, stored_type):
            return FrameChoice("original", f"{stored_type}; transfer-syntax={stored_syntax}", multipart)
        if not one.covers(OCTET_STREAM):
            continue
        if native:
            if one.transfer_syntax in (None, "*", EXPLICIT_LE, stored_syntax):
                source = "original" if stored_syntax in NATIVE_LITTLE_ENDIAN else "decoded"
                return FrameChoice(source, f"{OCTET_STREAM}; transfer-syntax={EXPLICIT_LE}", multipart)
        elif one.transfer_syntax in ("*", stored_syntax):
            return FrameChoice("original", f"{stored_type}; transfer-syntax={stored_syntax}", multipart)
        elif one.transfer_syntax in (None, EXPLICIT_LE):
            return FrameChoice("decoded", f"{OCTET_STREAM}; transfer-syntax={EXPLICIT_LE}", multipart)
    return None


def accepts_dicom(ranges: Sequence[MediaRange], stored_syntaxes: frozenset[str]) -> bool:
    """Whether whole objects may go out as they are stored (PS3.18 10.4.1.1.1); else 406."""
    for one in ranges:
        if not (one.multipart or one.media_type in ("*/*", DICOM, "application/*")) or not one.covers(DICOM):
            continue
        if one.transfer_syntax in (None, "*") or stored_syntaxes <= {one.transfer_syntax}:
            return True
    return False


def choose_rendered(ranges: Sequence[MediaRange]) -> str | None:
    """image/jpeg (the default) or image/png for rendered images."""
    for one in ranges:
        for media_type in ("image/jpeg", "image/png"):
            if one.covers(media_type):
                return media_type
    return None


def _syntax_fits(one: MediaRange, stored_syntax: str, stored_type: str) -> bool:
    if one.transfer_syntax is not None:
        return one.transfer_syntax in ("*", stored_syntax)
    if one.media_type != stored_type:
        return one.media_type == "*/*"
    default = _DEFAULT_SYNTAX.get(stored_type)
    return default is None or stored_syntax in default


def _quality(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value.strip('"')


def _split(text: str, separator: str) -> list[str]:
    """Splits at `separator` outside of quoted strings."""
    parts: list[str] = []
    start = 0
    quoted = escaped = False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]
