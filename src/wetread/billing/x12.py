"""X12 without I/O: segments, loops, and one table model with which every implementation guide is written and read.

A guide is a tree of `LoopUse` and `SegmentUse`. `arrange` puts a tree of loops into the guide's order and refuses what
the guide does not allow; `assign` reads a flat list of segments back into that tree. An interchange is found by
the fixed 106 characters of its ISA segment, with the white space that people met around terminators.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

ISA_CHARACTERS: Final = 106
_ISA_WIDTHS: Final = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1)


class X12Error(ValueError):
    """Not X12, or not what the guide allows. The message names segment, position and reason."""


@dataclass(frozen=True, slots=True)
class Separators:
    """ISA-16 and its neighbours. Our own files use these."""

    element: str = "*"
    component: str = ":"
    repetition: str = "^"
    terminator: str = "~"


STANDARD: Final = Separators()


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment; `elements[0]` is element 01. A composite is its components joined by `:`, see `composite`."""

    name: str
    elements: tuple[str, ...]

    def element(self, number: int) -> str:
        """Element `number` (1 = first), empty where absent."""
        return self.elements[number - 1] if 0 < number <= len(self.elements) else ""

    def components(self, number: int) -> list[str]:
        """Components of a composite element."""
        return self.element(number).split(STANDARD.component)

    def encode(self) -> str:
        """The segment without its terminator."""
        return STANDARD.element.join([self.name, *self.elements])


def seg(name: str, *elements: str | int | None) -> Segment:
    """Builds a segment from element values in order. Delimiters inside a value are refused, not dropped."""
    values = tuple("" if value is None else str(value) for value in elements)
    for number, value in enumerate(values, 1):
        if bad := set(value) & {STANDARD.element, STANDARD.terminator}:
            raise X12Error(f"{name}{number:02}: the character {bad.pop()!r} cannot stand in an element")
    return Segment(name, _without_tail(values))


def _without_tail(elements: tuple[str, ...]) -> tuple[str, ...]:
    """Without trailing empty elements, as X12 demands."""
    while elements and not elements[-1]:
        elements = elements[:-1]
    return elements


def composite(*components: str | int | None) -> str:
    """A composite element; trailing empty components are left out."""
    values = ["" if value is None else str(value) for value in components]
    if any(STANDARD.component in value for value in values):
        raise X12Error("a component cannot hold the component separator")
    return STANDARD.component.join(values).rstrip(STANDARD.component)


# --- tables -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SegmentUse:
    """A segment at its place in a guide, told apart from its neighbours by the codes of one element."""

    name: str
    codes: frozenset[str] = frozenset()
    at: int = 1
    required: bool = False
    repeat: int = 1

    def matches(self, segment: Segment) -> bool:
        """Whether the segment belongs here."""
        if segment.name != self.name:
            return False
        return not self.codes or segment.components(self.at)[0] in self.codes

    def __str__(self) -> str:
        return f"{self.name}*{'/'.join(sorted(self.codes))}" if self.codes else self.name


@dataclass(frozen=True, slots=True)
class LoopUse:
    """A loop at its place in a guide. Its first content is the segment by which it is recognised."""

    id: str
    content: tuple[SegmentUse | LoopUse, ...]
    required: bool = False
    repeat: int = 1

    @property
    def head(self) -> SegmentUse:
        """The segment that begins the loop."""
        first = self.content[0]
        return first if isinstance(first, SegmentUse) else first.head


@dataclass(frozen=True, slots=True)
class ElementUse:
    """An element's type (AN, ID, N, R, DT, TM, composite as AN), shortest and longest length, and need."""

    kind: str
    shortest: int
    longest: int
    required: bool = False


ElementTable = dict[str, tuple[ElementUse, ...]]


@dataclass(frozen=True, slots=True)
class Guide:
    """An implementation guide: its version code, its loops from ST to SE, and the elements it uses."""

    version: str
    functional_identifier: str
    transaction_set: str
    root: LoopUse
    elements: ElementTable


@dataclass(slots=True)
class Loop:
    """A loop's segments and inner loops, in any order until they are arranged."""

    id: str
    items: list[Segment | Loop] = field(default_factory=list)

    def add(self, *segments: Segment) -> Loop:
        """Adds segments and returns the loop."""
        self.items += segments
        return self

    def open(self, loop_id: str, *segments: Segment) -> Loop:
        """Adds an inner loop with its first segments and returns the inner one."""
        inner = Loop(loop_id, list(segments))
        self.items.append(inner)
        return inner

    def loops(self, loop_id: str) -> list[Loop]:
        """The inner loops of that id."""
        return [item for item in self.items if isinstance(item, Loop) and item.id == loop_id]

    def loop(self, loop_id: str) -> Loop:
        """The only inner loop of that id; an empty one where there is none."""
        return next(iter(self.loops(loop_id)), Loop(loop_id))

    def first(self, name: str, code: str | None = None, at: int = 1) -> Segment:
        """The first segment of that name (and code); an empty one where there is none."""
        for item in self.items:
            if (
                isinstance(item, Segment)
                and item.name == name
                and (code is None or item.components(at)[0] == code)
            ):
                return item
        return Segment(name, ())

    def walk(self) -> Iterator[Segment]:
        """All segments, depth first."""
        for item in self.items:
            if isinstance(item, Segment):
                yield item
            else:
                yield from item.walk()


def arrange(guide: Guide, tree: Loop) -> list[Segment]:
    """The segments of `tree` in the guide's order. Raises X12Error for anything missing, too often, unknown or too long."""
    segments = list(_arrange(guide.root, tree))
    for segment in segments:
        check_elements(guide.elements, segment)
    return segments


def _arrange(use: LoopUse, loop: Loop) -> Iterator[Segment]:
    left = list(loop.items)
    for part in use.content:
        taken: list[Segment | Loop] = []
        for item in left:
            if isinstance(part, SegmentUse):
                fits = isinstance(item, Segment) and part.matches(item)
            else:
                fits = isinstance(item, Loop) and item.id == part.id
            if fits:
                taken.append(item)
        name = str(part) if isinstance(part, SegmentUse) else f"loop {part.id}"
        if part.required and not taken:
            raise X12Error(f"loop {use.id}: {name} is missing")
        if part.repeat and len(taken) > part.repeat:
            raise X12Error(f"loop {use.id}: {name} may stand {part.repeat} times, not {len(taken)}")
        left = [item for item in left if not any(item is other for other in taken)]
        for item in taken:
            if isinstance(item, Loop):
                assert isinstance(part, LoopUse)
                yield from _arrange(part, item)
            else:
                yield item
    if left:
        stray = left[0]
        name = stray.encode() if isinstance(stray, Segment) else f"loop {stray.id}"
        raise X12Error(f"loop {use.id}: {name} has no place here")


def assign(guide: Guide, segments: Sequence[Segment]) -> Loop:
    """Reads the segments from ST to SE into the guide's loops. Raises X12Error where one has no place."""
    tree, at = _assign(guide.root, segments, 0)
    if at < len(segments):
        raise X12Error(f"segment {at + 1}: {segments[at].encode()} has no place here")
    return tree


def _assign(use: LoopUse, segments: Sequence[Segment], at: int) -> tuple[Loop, int]:
    loop = Loop(use.id)
    for part in use.content:
        count = 0
        head = part if isinstance(part, SegmentUse) else part.head
        while at < len(segments) and head.matches(segments[at]):
            if isinstance(part, SegmentUse):
                if part.repeat and count == part.repeat:
                    break
                loop.items.append(segments[at])
                at += 1
            else:
                inner, at = _assign(part, segments, at)
                loop.items.append(inner)
            count += 1
        if part.required and not count:
            found = segments[at].encode() if at < len(segments) else "the end"
            name = str(part) if isinstance(part, SegmentUse) else f"loop {part.id} ({head})"
            raise X12Error(f"segment {at + 1}: {name} is missing in loop {use.id}; found {found}")
    return loop, at


def _is_date(value: str) -> bool:
    if not re.fullmatch(r"\d{8}", value):
        return False
    try:
        datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007 - a calendar date has no zone
    except ValueError:
        return False
    return True


_KINDS: Final[dict[str, Callable[[str], bool]]] = {
    "AN": lambda v: bool(v) and not v[0].isspace() and not unallowed(v),
    "ID": lambda v: re.fullmatch("[A-Z0-9]+", v) is not None,
    "N": lambda v: re.fullmatch(r"-?\d+", v) is not None,
    "R": lambda v: re.fullmatch(r"-?(?:\d+(?:\.\d*[1-9])?|\.\d*[1-9])", v) is not None,
    "DT": _is_date,
    "TM": lambda v: re.fullmatch(r"(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d(?:\d{1,2})?)?", v) is not None,
}


def check_elements(table: ElementTable, segment: Segment) -> None:
    """Raises X12Error for an element that is missing, too short or long, or not of its kind."""
    uses = table.get(segment.name)
    if uses is None:
        raise X12Error(f"{segment.name}: no such segment in this guide")
    if len(segment.elements) > len(uses):
        raise X12Error(f"{segment.name}: has {len(segment.elements)} elements, the guide knows {len(uses)}")
    for number, use in enumerate(uses, 1):
        value, place = segment.element(number), f"{segment.name}{number:02}"
        if not value:
            if use.required:
                raise X12Error(f"{place}: a value is needed")
            continue
        length = len(value.replace("-", "").replace(".", "")) if use.kind in {"N", "R"} else len(value)
        if not use.shortest <= length <= use.longest:
            raise X12Error(
                f"{place}: '{value}' has {length} characters, {use.shortest} to {use.longest} may stand here"
            )
        if not _KINDS[use.kind](value):
            raise X12Error(f"{place}: '{value}' is not of the type {use.kind}")


# --- interchanges -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom: the values of ISA and GS. `control_number` is ISA13, GS06 and unique for the sender."""

    sender_qualifier: str
    sender_id: str
    receiver_qualifier: str
    receiver_id: str
    usage_indicator: str
    control_number: int
    at: datetime

    def isa(self) -> str:
        """The ISA segment, 105 characters and its terminator."""
        values = (
            *("00", "", "00", ""),
            *(self.sender_qualifier, self.sender_id, self.receiver_qualifier, self.receiver_id),
            *(self.at.strftime("%y%m%d"), self.at.strftime("%H%M"), STANDARD.repetition, "00501"),
            *(f"{self.control_number:09}", "0", self.usage_indicator, STANDARD.component),
        )
        for number, (value, width) in enumerate(zip(values, _ISA_WIDTHS, strict=True), 1):
            if len(value) > width or unallowed(value.replace("^", "")):
                raise X12Error(f"ISA{number:02}: '{value}' does not fit")
        padded = (value.ljust(width) for value, width in zip(values, _ISA_WIDTHS, strict=True))
        return STANDARD.element.join(["ISA", *padded]) + STANDARD.terminator


def write_interchange(guide: Guide, envelope: Envelope, transactions: Sequence[Loop]) -> str:
    """A whole interchange with one functional group. Each tree is the content between ST and SE."""
    lines: list[str] = []
    for number, tree in enumerate(transactions, 1):
        control = f"{number:04}"
        segments = arrange(guide, tree)
        header = seg("ST", guide.transaction_set, control, guide.version)
        lines += [s.encode() for s in (header, *segments, seg("SE", len(segments) + 2, control))]
    group = str(envelope.control_number)
    head = seg(
        "GS",
        guide.functional_identifier,
        envelope.sender_id,
        envelope.receiver_id,
        envelope.at.strftime("%Y%m%d"),
        envelope.at.strftime("%H%M"),
        group,
        "X",
        guide.version,
    )
    body = [head.encode(), *lines, seg("GE", len(transactions), group).encode()]
    body.append(seg("IEA", 1, f"{envelope.control_number:09}").encode())
    return envelope.isa() + "".join(f"\n{line}~" for line in body) + "\n"


@dataclass(frozen=True, slots=True)
class Interchange:
    """A read interchange: the elements of ISA and the segments of every transaction set with its group's version."""

    isa: tuple[str, ...]
    transactions: tuple[tuple[str, tuple[Segment, ...]], ...]


def read_interchange(text: str) -> Interchange:
    """Splits an interchange by the positions of its ISA. Raises X12Error for broken envelopes and counts.

    White space before ISA, before and after a terminator, and a line feed as terminator are tolerated; in a version
    before 00402 ISA11 is a code (`U`) and no repetition separator.
    """
    text = text.lstrip("\ufeff \t\r\n")
    if not text.startswith("ISA") or len(text) < ISA_CHARACTERS:
        raise X12Error("The file does not begin with an ISA segment of 106 characters")
    element, component = text[3], text[104]
    isa = tuple(text[: ISA_CHARACTERS - 1].split(element)[1:])
    if tuple(map(len, isa)) != _ISA_WIDTHS:
        raise X12Error("The elements of ISA do not have their fixed lengths")
    rest = text[105:]
    terminator = rest.lstrip(" \t\r\n")[:1] if rest[0] in " \t\r" else rest[0]
    if rest[0] in "\r\n" and not re.match(r"\s*[^\sA-Za-z0-9]", rest):
        terminator = "\n" if "\n" in rest else "\r"
    repetition = isa[10] if isa[11] >= "00402" and not isa[10].isalnum() else ""
    raw = rest[rest.index(terminator) + 1 :].split(terminator)
    segments = [_read_segment(part, element, component, repetition) for part in raw if part.strip()]
    return Interchange(isa, tuple(_transactions(segments, isa)))


def _read_segment(part: str, element: str, component: str, repetition: str) -> Segment:
    name, *elements = part.strip("\r\n\t ").split(element)
    marks = {ord(component): STANDARD.component}
    if repetition:
        marks[ord(repetition)] = STANDARD.repetition
    return Segment(name, _without_tail(tuple(value.translate(marks).strip() for value in elements)))


def _transactions(segments: list[Segment], isa: tuple[str, ...]) -> Iterator[tuple[str, tuple[Segment, ...]]]:
    version, inside, begun = "", None, False
    for segment in segments:
        if segment.name == "GS":
            version = segment.element(8)
        elif segment.name == "ST":
            inside, begun = [segment], True
        elif segment.name == "SE":
            if inside is None:
                raise X12Error("SE without ST")
            if segment.element(1) != str(len(inside) + 1) or segment.element(2) != inside[0].element(2):
                raise X12Error(f"SE says {segment.element(1)} segments, there are {len(inside) + 1}")
            yield version, tuple(inside[1:])
            inside = None
        elif segment.name == "IEA" and segment.element(2) != isa[12]:
            raise X12Error("IEA02 is not the control number of ISA13")
        elif inside is not None:
            inside.append(segment)
    if inside is not None or not begun:
        raise X12Error(
            "The file ends within a transaction set" if begun else "The file holds no transaction set"
        )


# --- characters ---------------------------------------------------------------------------------------------

_BASIC: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!\"&'()+,-./;?= ")
_EXTENDED: Final = frozenset("abcdefghijklmnopqrstuvwxyz%@[]_{}\\|<>#$")


def unallowed(text: str) -> set[str]:
    """Characters outside the basic and extended sets of X12 (appendix B.1.1.2), our delimiters left to their owners."""
    return set(text) - _BASIC - _EXTENDED - {STANDARD.component}


# ICAO Doc 9303 part 3, section 6: what a passport makes of these letters.
_LATIN: Final = {
    "Ä": "AE", "Æ": "AE", "Å": "AA", "Ö": "OE", "Ø": "OE", "Œ": "OE", "Ü": "UE", "ß": "SS", "ẞ": "SS", "Ñ": "N",
    "Þ": "TH", "Ð": "D", "Đ": "D", "Ł": "L", "Ħ": "H", "Ŧ": "T", "Ŋ": "N", "Ĳ": "IJ", "ı": "I", "ĸ": "Q",
}  # fmt: skip
_CYRILLIC: Final = dict(
    zip(
        "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯІЇЄҐЎЂЃЅЈЉЊЌЏ",
        [
            "A",
            "B",
            "V",
            "G",
            "D",
            "E",
            "E",
            "ZH",
            "Z",
            "I",
            "I",
            "K",
            "L",
            "M",
            "N",
            "O",
            "P",
            "R",
            "S",
            "T",
            "U",
            "F",
            "KH",
            "TS",
            "CH",
            "SH",
            "SHCH",
            "IE",
            "Y",
            "_",
            "E",
            "IU",
            "IA",
            "I",
            "I",
            "IE",
            "G",
            "U",
            "D",
            "G",
            "DZ",
            "J",
            "LJ",
            "NJ",
            "K",
            "DZ",
        ],
        strict=True,
    )
)
_GREEK: Final = dict(
    zip(
        "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ",
        [
            "A",
            "V",
            "G",
            "D",
            "E",
            "Z",
            "I",
            "TH",
            "I",
            "K",
            "L",
            "M",
            "N",
            "X",
            "O",
            "P",
            "R",
            "S",
            "T",
            "Y",
            "F",
            "CH",
            "PS",
            "O",
        ],
        strict=True,
    )
)
_SIGNS: Final = {
    "’": "'",
    "‘": "'",
    "ʼ": "'",
    "´": "'",
    "`": "'",
    "–": "-",
    "—": "-",
    "“": '"',
    "”": '"',
    "·": " ",
    "・": " ",
}


def clean(text: str, longest: int | None = None) -> str | None:
    """Text in X12's basic characters: capitals, marks dropped or spelt out as passports do (Müller → MUELLER).

    None where a letter has no Latin spelling (kanji, hangul, Arabic): a person must then give one.
    """
    out: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        spelt = _spell(character, out[-1:])
        if spelt is None:
            return None
        out.append(spelt)
    words = " ".join("".join(out).split())
    return words[:longest].rstrip() if longest else words


def _spell(character: str, before: list[str]) -> str | None:
    capital = character if character in "ßı" else character.upper()
    plain = "".join(c for c in unicodedata.normalize("NFKD", capital) if not unicodedata.combining(c))
    if plain == "Υ" and before == ["O"]:
        return "U"
    for table in (_LATIN, _CYRILLIC, _GREEK, _SIGNS):
        if capital in table:
            return table[capital].replace("_", "")
    plain = "".join(_CYRILLIC.get(c, _GREEK.get(c, _LATIN.get(c, c))) for c in plain)
    if plain.isspace() or not plain.isprintable():
        return " "
    if any(c not in _BASIC and c not in "*:^~" and (c.isalnum() or ord(c) > 0x7F) for c in plain):
        return None
    return "".join(c if c in _BASIC else " " for c in plain)


@dataclass(frozen=True, slots=True)
class ClaimName:
    """A person's name as NM103–NM107 take it."""

    last: str
    first: str
    middle: str
    suffix: str


def claim_name(person_name: str) -> ClaimName | None:
    """From a DICOM PN: the alphabetic group; None where it cannot be written in X12's characters.

    The ideographic and phonetic groups are never sent: what an insurer knows is the Latin spelling.
    """
    alphabetic = [part.strip() for part in person_name.split("=", maxsplit=1)[0].split("^")] + [""] * 5
    family, given, middle, _prefix, suffix = (clean(part) for part in alphabetic[:5])
    if not family or given is None:
        return None
    return ClaimName(
        family[:60].rstrip(), given[:35].rstrip(), (middle or "")[:25].rstrip(), (suffix or "")[:10].rstrip()
    )


def money(minor: int) -> str:
    """Cents as X12 writes amounts: `250`, `250.5`, `0`."""
    sign, units, cents = "-" if minor < 0 else "", abs(minor) // 100, abs(minor) % 100
    return f"{sign}{units}" + (f".{cents:02}".rstrip("0") if cents else "")
