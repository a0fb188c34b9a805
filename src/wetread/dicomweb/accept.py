"""What the client will take: the Accept header by its grammar (RFC 9110 12.5.1, PS3.18 8.7), and what to send it. Pure.

Real clients leave out quotes (`type=application/octet-stream`), put the parameters of the inner type into the quotes of
`type`, put several ranges into one header or repeat the header, and pass `accept` as a query parameter in which `+`
has become a space; all of that is understood.

What can be sent is told as `Offer`s, best first. `choose` gives each the quality of the most specific range that it
fits, and takes the one of the highest; what is equal goes by the client's order, then by ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

EXPLICIT_LE = "1.2.840.10008.1.2.1"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
OCTET_STREAM = "application/octet-stream"
DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
NATIVE_LITTLE_ENDIAN = frozenset({"1.2.840.10008.1.2", EXPLICIT_LE, "1.2.840.10008.1.2.1.99"})
RENDERED_MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/jp2")
_HEADER_CHARACTERS_MAX = 8192
_JPEG = "1.2.840.10008.1.2.4."

# PS3.18 Table 8.7.3-2 to 8.7.3-5: the media type of a frame in each transfer syntax.
FRAME_MEDIA_TYPES: dict[str, str] = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **{_JPEG + number: "image/jpeg" for number in ("50", "51", "57", "70")},
    **{_JPEG + number: "image/jls" for number in ("80", "81")},
    **{_JPEG + number: "image/jp2" for number in ("90", "91")},
    **{_JPEG + number: "image/jpx" for number in ("92", "93")},
    **{_JPEG + number: "image/jxl" for number in ("110", "111", "112")},
    **{_JPEG + number: "image/jphc" for number in ("201", "202", "203")},
    **{_JPEG + number: "video/mpeg" for number in ("100", "100.1", "101", "101.1")},
    **{
        _JPEG + number: "video/mp4"
        for number in (
            "102",
            "102.1",
            "103",
            "103.1",
            "104",
            "104.1",
            "105",
            "105.1",
            "106",
            "106.1",
            "107",
            "108",
        )
    },
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
        return _specificity(self.media_type, media_type) is not None


ANYTHING = MediaRange("*/*", multipart=False, transfer_syntax=None, quality=1.0)


@dataclass(frozen=True, slots=True)
class Offer:
    """One form in which a thing can be sent. `also`: further transfer syntaxes that it satisfies; `asked_as`: another
    media type by which clients ask for it, naming the syntax or `*`; `source` is the offerer's own word for it."""

    media_type: str
    multipart: bool = False
    transfer_syntax: str | None = None
    also: frozenset[str] = frozenset()
    asked_as: str | None = None
    source: str = ""

    @property
    def content_type(self) -> str:
        """The Content-Type of the content itself, or of each part."""
        if self.transfer_syntax is None:
            return self.media_type
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"

    @property
    def range(self) -> str:
        """The media range with which a client gets it; told with a 406."""
        syntax = "" if self.transfer_syntax is None else f"; transfer-syntax={self.transfer_syntax}"
        if self.multipart:
            return f'multipart/related; type="{self.media_type}"{syntax}'
        return self.media_type + syntax


def parse_accept(headers: Sequence[str]) -> list[MediaRange]:
    """Media ranges as they are written, those of quality 0 too. Nothing said, or nothing readable, means `*/*`. Never raises."""
    ranges: list[MediaRange] = []
    for part in _split(",".join(headers)[:_HEADER_CHARACTERS_MAX], ","):
        pieces = _split(part, ";")
        name = _media_type(pieces[0]) if pieces else ""
        if name == "*":
            name = "*/*"  # old Java clients
        if "/" not in name:
            continue
        parameters = dict(_parameters(pieces[1:]))
        multipart = name in ("multipart/related", "multipart/*")
        if multipart:
            # Some put the inner type's own parameters into the quotes.
            inner = _split(parameters.get("type", "*/*"), ";")
            name = _media_type(inner[0]) if inner else "*/*"
            parameters = dict(_parameters(inner[1:])) | parameters
        ranges.append(
            MediaRange(
                name if "/" in name else "*/*",
                multipart,
                parameters.get("transfer-syntax") or None,
                _quality(parameters.get("q")),
                parameters,
            )
        )
    return ranges or [ANYTHING]


def parse_query_accept(values: Sequence[str]) -> list[MediaRange]:
    """The same from `accept` query parameters (PS3.18 8.3.3.1), in which an unescaped `+` came as a space."""
    return parse_accept(
        [value.replace("dicom json", "dicom+json").replace("dicom xml", "dicom+xml") for value in values]
    )


def choose(ranges: Sequence[MediaRange], offers: Iterable[Offer]) -> Offer | None:
    """The offer that the client likes best; None is 406."""
    best: tuple[tuple[float, int, int], Offer] | None = None
    for index, offer in enumerate(offers):
        fitting = [
            (specificity, -place, one.quality)
            for place, one in enumerate(ranges)
            if (specificity := _fits(one, offer)) is not None
        ]
        if not fitting:
            continue
        _, place, quality = max(fitting)
        rank = (quality, place, -index)
        if quality > 0 and (best is None or rank > best[0]):
            best = rank, offer
    return None if best is None else best[1]


def _fits(one: MediaRange, offer: Offer) -> float | None:
    """How specifically the range names the offer; None where it does not."""
    if one.multipart != offer.multipart and (one.multipart or one.media_type != "*/*"):
        return None
    named = _specificity(one.media_type, offer.media_type)
    aliased = False
    if named is None and offer.asked_as is not None and one.transfer_syntax is not None:
        named, aliased = _specificity(one.media_type, offer.asked_as), True
    if named is None:
        return None
    if one.transfer_syntax in (None, "*") or (offer.transfer_syntax is None and not aliased):
        return named
    if one.transfer_syntax == offer.transfer_syntax or one.transfer_syntax in offer.also:
        return named + 0.5
    return None


def _specificity(media_range: str, media_type: str) -> float | None:
    if media_range == media_type:
        return 2.0
    if media_range == "*/*":
        return 0.0
    if media_range.endswith("/*") and media_type.startswith(media_range[:-1]):
        return 1.0
    return None


# What there is to offer -----------------------------------------------------------------------------------------

JSON_OFFERS = (Offer(DICOM_JSON), Offer(JSON))
METADATA_OFFERS = (*JSON_OFFERS, Offer(DICOM_XML, multipart=True))
STORED_OFFERS = (*JSON_OFFERS, Offer(DICOM_XML))


def frame_offers(stored_syntax: str, *, has_rendition: bool, frames: int) -> list[Offer]:
    """The forms of `frames` frames: as stored, as the HTJ2K rendition, or decoded. A single one may go out unwrapped.

    Where a client names `image/jpeg` and no syntax, PS3.18 means the lossless one; it gets what there is, and is told.
    """
    rendition = [Offer("image/jphc", True, HTJ2K_RPCL, source="rendition")] if has_rendition else []
    stored_type = FRAME_MEDIA_TYPES.get(stored_syntax)
    if stored_type is None:
        source = "original" if stored_syntax in NATIVE_LITTLE_ENDIAN else "decoded"
        offers = [
            Offer(OCTET_STREAM, True, EXPLICIT_LE, frozenset({stored_syntax}), source=source),
            *rendition,
        ]
    else:
        original = Offer(stored_type, True, stored_syntax, asked_as=OCTET_STREAM, source="original")
        plain = (
            []
            if stored_type.startswith("video/")
            else [Offer(OCTET_STREAM, True, EXPLICIT_LE, source="decoded")]
        )
        offers = [original, *rendition, *plain]
    return [*offers, *map(_single, offers)] if frames == 1 else offers


def object_offers(stored_syntaxes: frozenset[str], *, objects: int, transcodable: bool) -> list[Offer]:
    """The forms of whole objects (PS3.18 10.4.1.1.1): as stored, or where that can be, in Explicit VR Little Endian."""
    stored = next(iter(stored_syntaxes)) if len(stored_syntaxes) == 1 else None
    offers = [Offer(DICOM, True, stored or "*", source="original")]
    if transcodable and stored != EXPLICIT_LE:
        offers.append(Offer(DICOM, True, EXPLICIT_LE, source="transcoded"))
    return [*offers, *map(_single, offers)] if objects == 1 else offers


def _single(offer: Offer) -> Offer:
    return Offer(offer.media_type, False, offer.transfer_syntax, offer.also, offer.asked_as, offer.source)


# The grammar ----------------------------------------------------------------------------------------------------


def _media_type(text: str) -> str:
    return "".join(text.split()).strip('"').lower()


def _parameters(pieces: Iterable[str]) -> Iterable[tuple[str, str]]:
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if equals:
            yield key.strip().lower(), _unquote(value.strip())


def _quality(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return min(max(quality, 0.0), 1.0) if quality == quality else 1.0  # noqa: PLR0124 - NaN


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        out: list[str] = []
        escaped = False
        for character in value[1:-1]:
            if character == "\\" and not escaped:
                escaped = True
                continue
            out.append(character)
            escaped = False
        return "".join(out).strip()
    return value.strip("\"' ")


def _split(text: str, separator: str) -> list[str]:
    """Splits at `separator` outside of quoted strings; a quote that never ends is none."""
    parts: list[str] = []
    start = position = 0
    quotes = True
    while position < len(text):
        character = text[position]
        if character == '"' and quotes:
            end = _closing_quote(text, position)
            quotes = end is not None
            position = position if end is None else end
        elif character == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _closing_quote(text: str, opening: int) -> int | None:
    position = opening + 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == '"':
            return position
        position += 1
    return None
