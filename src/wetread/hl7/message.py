"""HL7 v2 messages without I/O: characters, segments, fields, escapes (HL7 v2.5.1 chapter 2).

Reading is lenient, because real feeds are; two things are never given up: no text is lost, and what cannot be
understood is named. Writing is strict.

    message = Message.parse(raw)                # bytes as they came, without the MLLP frame
    message.first("PID").value(3, 1, 4)         # PID-3, repetition 1, component 4, escapes resolved
    Message.build([segment("MSH", …), segment("PID", 1, None, [("4711", None, None, "HIS")])]).encode()
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from wetread.kit import limits

Component = str | tuple[str | None, ...] | None
"""A component's text, or its sub-components."""
Repetition = str | tuple[Component, ...] | None
"""A field's text, or its components."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Text that is already escaped (formatted text, Base64)."""

    text: str


FieldValue = Repetition | Encoded | int | list[Repetition]
"""A field: one repetition, or a list of them."""

_SEGMENT_START = re.compile(r"[A-Z][A-Z0-9]{2}(?=$|[^A-Za-z0-9 ])")


class NotHl7(ValueError):
    """The bytes do not begin with a message header that could be answered."""


class TooManyParts(NotHl7):
    """More segments, fields or parts of fields than a message has that means anything: reading it would only take time."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2. A character that the sender left out is the empty string and never occurs."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation

    @classmethod
    def read(cls, text: str) -> Delimiters:
        """From the start of a header segment; raises NotHl7."""
        if len(text) < 4 or text[3].isalnum() or text[3].isspace():
            raise NotHl7("MSH-1 is missing")
        separator = text[3]
        characters = re.split(f"[{re.escape(separator)}\r\n]", text[4:], maxsplit=1)[0][:5]
        if len(set(characters)) != len(characters) or any(c.isalnum() for c in characters):
            raise NotHl7("MSH-2 does not hold encoding characters")
        return cls(separator, *(characters[i : i + 1] for i in range(5)))


STANDARD: Final = Delimiters()


def escape(text: str, delimiters: Delimiters = STANDARD) -> str:
    """Text as it may stand in a component: delimiters become escape sequences, line ends `\\X0D\\` and `\\X0A\\`."""
    mark = delimiters.escape
    names = {
        delimiters.escape: "E",
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.repetition: "R",
        delimiters.subcomponent: "T",
        "\r": "X0D",
        "\n": "X0A",
        "\x0b": "X0B",
        "\x1c": "X1C",
    }
    if delimiters.truncation:
        names[delimiters.truncation] = "P"
    names.pop("", None)
    return "".join(f"{mark}{names[c]}{mark}" if c in names else c for c in text)


def escape_lines(text: str, delimiters: Delimiters = STANDARD) -> str:
    """As `escape`, for formatted text (FT, TX): each line end becomes `\\.br\\`."""
    mark = delimiters.escape
    return f"{mark}.br{mark}".join(escape(line, delimiters) for line in re.split("\r\n|\r|\n", text))


_LINE_COMMAND = re.compile(r"\.(?:br|ce|sp(?:\+?(\d{1,2}))?)$")
_SILENT_COMMAND = re.compile(r"(?:H|N|\.(?:fi|nf|in[+-]?\d*|ti[+-]?\d*|sk\+?\d*))$")


def unescape(text: str, delimiters: Delimiters = STANDARD, encoding: str = "utf-8") -> str:
    """Text of a component. A sequence that is none (`BSV 4\\5 re.`, `\\Z1\\`, a lone mark) stands for itself.

    `\\X…\\` holds bytes in the character set of the message. Highlighting and indenting are dropped; line
    commands become line feeds.
    """
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    plain = {
        "E": mark,
        "F": delimiters.field,
        "S": delimiters.component,
        "R": delimiters.repetition,
        "T": delimiters.subcomponent,
        "P": delimiters.truncation,
    }
    out: list[str] = []
    at = 0
    while True:
        start = text.find(mark, at)
        if start < 0:
            out.append(text[at:])
            return "".join(out)
        out.append(text[at:start])
        end = text.find(mark, start + 1)
        body = text[start + 1 : end] if end > 0 else None
        meaning = _meaning(body, plain, encoding) if body else None
        if body == ".." or meaning is None:
            out.append(mark)
            at = start + 1
            continue
        at = end + 1
        if body and body[0] == "X" and len(body) > 1:
            # Neighbouring \X..\ sequences may share one multi-byte character.
            taken = bytearray.fromhex(body[1:])
            while follow := re.compile(f"{re.escape(mark)}X((?:[0-9A-Fa-f]{{2}})+){re.escape(mark)}").match(
                text, at
            ):
                taken += bytes.fromhex(follow.group(1))
                at = follow.end()
            out.append(_decode_bytes(bytes(taken), encoding))
        else:
            out.append(meaning)


def _meaning(body: str, plain: dict[str, str], encoding: str) -> str | None:
    if body in plain:
        return plain[body] or None
    if body[0] == "X" and re.fullmatch("X(?:[0-9A-Fa-f]{2})+", body):
        return _decode_bytes(bytes.fromhex(body[1:]), encoding)
    if lines := _LINE_COMMAND.match(body):
        return "\n" * max(1, int(lines.group(1) or 1))
    return "" if _SILENT_COMMAND.match(body) else None


def _decode_bytes(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\x00", "")  # fills up in some feeds; no text, and nothing can keep it as one


# --- characters ---------------------------------------------------------------------------------------------

CHARACTER_SETS: Final = {  # HL7 table 0211 → Python codec
    "ASCII": "ascii",
    "8859/1": "latin-1",
    **{f"8859/{n}": f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp_2",
    "ISO IR159": "iso2022_jp_2",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "CNS 11643-1992": "big5",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UNICODE UTF-32": "utf-32",
}


def codec_of(character_sets: Sequence[str]) -> str | None:
    """The Python codec for the repetitions of MSH-18; None where unknown or absent."""
    found = [CHARACTER_SETS.get(_charset_name(name)) for name in character_sets if name.strip()]
    multibyte = [codec for codec in found if codec and codec.startswith("iso2022")]
    return next(iter(multibyte), next((codec for codec in found if codec), None))


def _charset_name(name: str) -> str:
    name = re.sub(r"[_\s]+", " ", name.strip().upper())
    name = re.sub(r"^ISO ?IR ?", "ISO IR", name)
    name = re.sub(r"^(?:ISO[ -]?)?8859[-/ ]", "8859/", name)
    name = {"UTF-8": "UNICODE UTF-8", "UTF8": "UNICODE UTF-8", "UNICODE UTF8": "UNICODE UTF-8"}.get(
        name, name
    )
    return "GB 18030-2000" if re.sub("[ -]", "", name) in {"GB18030", "GB180302000"} else name


def decode(raw: bytes, default_codec: str = "utf-8") -> tuple[str, str, str | None]:
    """Bytes of a message → (text, codec, doubt). `doubt` says in words why the text may be spelt wrongly, else None.

    MSH-18 decides. Where it is absent `default_codec`, where it is wrong UTF-8, and last Latin-1, which takes
    every byte, so that nothing is dropped.
    """
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            try:
                return raw.decode(codec), codec.removesuffix("-sig"), None
            except UnicodeDecodeError:
                break
    if raw[:8].replace(b"\x00", b"")[:3] == b"MSH" and b"\x00" in raw[:8]:
        codec = "utf-16-be" if raw[0] == 0 else "utf-16-le"
        return raw.decode(codec, "replace"), codec, None
    header = re.split(b"[\r\n]", raw.lstrip(), maxsplit=1)[0]
    separator = header[3:4] or b"|"
    fields = header.split(separator)
    repetition = header[5:6].decode("latin-1") or "~"
    declared = fields[17].decode("latin-1").split(repetition) if len(fields) > 17 else []
    named = codec_of(declared)
    doubt = None
    if named is None and any(name.strip() for name in declared):
        doubt = f"MSH-18 names the character set '{_printable(declared[0])}', which is unknown"
    first = named or default_codec
    for codec in dict.fromkeys((first, "utf-8")):
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError:
            continue
        if codec != first:
            doubt = f"MSH-18 says {_printable(declared[0]) if declared else 'nothing'}, the bytes are UTF-8"
        return text, codec, doubt
    return (
        raw.decode("latin-1"),
        "latin-1",
        doubt or "The bytes do not fit the character set of MSH-18; read as Latin-1",
    )


def _printable(text: str) -> str:
    return "".join(one for one in text[:40] if one.isprintable())


# --- structure ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Segment:
    """One segment: its raw fields, escapes unresolved. `fields[n]` is field n (for MSH too, as HL7 counts)."""

    name: str
    fields: list[str]
    delimiters: Delimiters = STANDARD
    encoding: str = "utf-8"
    # Fields that were taken apart: who asks for one repetition asks for the next.
    _apart: dict[int, tuple[str, list[list[str]]]] = field(default_factory=dict, repr=False, compare=False)

    def raw(self, number: int) -> str:
        """Field `number` as it came; empty where absent."""
        return self.fields[number] if 0 < number < len(self.fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """Raw repetitions of the field; none where it is empty."""
        raw = self.raw(number)
        return _split(raw, self.delimiters.repetition) if raw else []

    def _components(self, number: int) -> list[list[str]]:
        """Raw components of each repetition."""
        raw = self.raw(number)
        known = self._apart.get(number)
        if known is None or known[0] is not raw:
            repeats = self.repetitions(number)
            known = raw, [_split(one, self.delimiters.component) for one in repeats]
            self._apart[number] = known
        return known[1]

    def value(self, number: int, repetition: int = 1, component: int = 1, subcomponent: int = 1) -> str:
        """Text of one part, counted from 1; empty where absent. HL7's explicit null `""` is read as empty."""
        repeats = self._components(number)
        parts = repeats[repetition - 1] if repetition <= len(repeats) else []
        return self._text(parts[component - 1], subcomponent) if component <= len(parts) else ""

    def _text(self, raw: str, subcomponent: int) -> str:
        parts = _split(raw, self.delimiters.subcomponent)
        raw = parts[subcomponent - 1] if subcomponent <= len(parts) else ""
        return "" if raw == '""' else unescape(raw, self.delimiters, self.encoding).strip()

    def components(self, number: int, repetition: int = 1) -> list[str]:
        """Texts of a repetition's components (first sub-component of each)."""
        repeats = self._components(number)
        return [self._text(one, 1) for one in repeats[repetition - 1]] if repetition <= len(repeats) else []

    def text(self, number: int) -> str:
        """The whole field as one text (NTE-3, OBX-5 of TX/FT/ST): stray delimiters in it are kept as text."""
        raw = self.raw(number)
        return "" if raw == '""' else unescape(raw, self.delimiters, self.encoding)

    def is_null(self, number: int) -> bool:
        """True for HL7's explicit null, which asks to delete the value."""
        return self.raw(number) == '""'

    def encode(self) -> str:
        """The segment without its terminator; trailing empty fields are left out."""
        separator = self.delimiters.field
        fields = self.fields[3:] if self.name in _HEADERS else self.fields[1:]
        body = [*([self.delimiters.encoding_characters] if self.name in _HEADERS else []), *fields]
        while body and not body[-1]:
            body.pop()
        return separator.join([self.name, *body])


_HEADERS = frozenset({"MSH", "BHS", "FHS"})


def _split(text: str, delimiter: str) -> list[str]:
    return text.split(delimiter) if delimiter else [text]


def segment(name: str, *values: FieldValue, delimiters: Delimiters = STANDARD) -> Segment:
    """Builds a segment from values for fields 1, 2, …: text is escaped, a tuple holds components, a list repetitions.

    For MSH give the values from MSH-3 on.
    """
    fields = [_encode_field(value, delimiters) for value in values]
    head = [name, delimiters.field, delimiters.encoding_characters] if name in _HEADERS else [name]
    return Segment(name, head + fields, delimiters)


def _encode_field(value: FieldValue, delimiters: Delimiters) -> str:
    if isinstance(value, list):
        return delimiters.repetition.join(_encode_repetition(item, delimiters) for item in value)
    return _encode_repetition(str(value) if isinstance(value, int) else value, delimiters)


def _encode_repetition(value: Repetition | Encoded, delimiters: Delimiters) -> str:
    if isinstance(value, tuple):
        return _trim(
            delimiters.component.join(_encode_component(c, delimiters) for c in value), delimiters.component
        )
    return _encode_component(value, delimiters)


def _encode_component(value: Component | Encoded, delimiters: Delimiters) -> str:
    if isinstance(value, Encoded):
        return value.text
    if isinstance(value, tuple):
        text = delimiters.subcomponent.join(escape(part or "", delimiters) for part in value)
        return _trim(text, delimiters.subcomponent)
    return escape(value or "", delimiters)


def _trim(text: str, delimiter: str) -> str:
    return text.rstrip(delimiter) if delimiter else text


@dataclass(slots=True)
class Message:
    """A message: its segments in order, and how its bytes were read."""

    segments: list[Segment]
    delimiters: Delimiters = STANDARD
    encoding: str = "utf-8"
    doubts: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, raw: bytes, default_codec: str = "utf-8") -> Message:
        """Reads the bytes of one message (no MLLP frame). Raises NotHl7 where no header can be made out, TooManyParts.

        What ends the header ends every segment: CR (a following LF belongs to it), or LF alone. In a CR message
        an LF is text. A line that does not begin like a segment continues the text before it.
        """
        text, codec, doubt = decode(raw, default_codec)
        text = text.replace("\x00", "").lstrip("\ufeff \t\r\n\x0b").rstrip("\x1c\r\n ")
        if not text.startswith("MSH"):
            raise NotHl7("The message does not begin with MSH")
        delimiters = Delimiters.read(text)
        _check_size(text, delimiters)
        ending = re.search("[\r\n]", text)
        if ending and ending.group() == "\n":
            lines = text.replace("\r", "").split("\n")
        else:
            lines = [line.removeprefix("\n") for line in text.split("\r")]
        segments: list[Segment] = []
        going_on: list[str] = []  # of the last field: what continues it on further lines
        for line in lines:
            start = _SEGMENT_START.match(line)
            if segments and line.startswith("MSH") and line[3:8] != delimiters.field + text[4:8]:
                start = None  # a text that speaks of MSH is no second header
            if not start or (len(line) > 3 and line[3] != delimiters.field):
                if line.strip() and segments:
                    text_end, *more = line.split(delimiters.field)
                    going_on.append(text_end)
                    if more:
                        _go_on(segments, going_on)
                        segments[-1].fields += more
                continue
            _go_on(segments, going_on)
            segments.append(_read_segment(line, delimiters, codec))
        _go_on(segments, going_on)
        return cls(segments, delimiters, codec, [doubt] if doubt else [])

    @classmethod
    def build(cls, segments: Iterable[Segment], encoding: str = "utf-8") -> Message:
        """A message of ours from built segments."""
        listed = list(segments)
        return cls(listed, listed[0].delimiters, encoding)

    def encode(self) -> bytes:
        """The bytes to send, each segment ended by CR; characters outside the set become `?` only in the worst case."""
        text = "".join(item.encode() + "\r" for item in self.segments)
        return text.encode(self.encoding, "replace")

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    def first(self, name: str) -> Segment:
        """The first segment of that name; an empty one where there is none, so that every look-up answers."""
        return next(
            (s for s in self.segments if s.name == name),
            Segment(name, [name], self.delimiters, self.encoding),
        )

    def has(self, name: str) -> bool:
        """True where a segment of that name is there."""
        return any(s.name == name for s in self.segments)

    def all(self, name: str) -> Iterator[Segment]:
        """All segments of that name."""
        return (s for s in self.segments if s.name == name)

    def groups(self, name: str) -> list[Message]:
        """Splits what begins with each segment `name` (ORC, OBR) into part messages, header in front."""
        starts = [index for index, item in enumerate(self.segments) if item.name == name]
        ends = [*starts[1:], len(self.segments)] if starts else []
        return [
            Message([self.header, *self.segments[start:end]], self.delimiters, self.encoding)
            for start, end in zip(starts, ends, strict=True)
        ]

    @property
    def message_type(self) -> str:
        """MSH-9 as `ORM^O01`; only what is there."""
        return "^".join(part for part in (self.header.value(9, 1, 1), self.header.value(9, 1, 2)) if part)

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.header.value(10)

    @property
    def version(self) -> str:
        """MSH-12.1."""
        return self.header.value(12)


def _check_size(text: str, delimiters: Delimiters) -> None:
    segments = text.count("\r") + text.count("\n")
    marks = (delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent)
    if segments > limits.HL7_LINES_MAX or sum(text.count(one) for one in marks if one) > limits.HL7_PARTS_MAX:
        raise TooManyParts(
            f"The message has more than {limits.HL7_LINES_MAX} lines or {limits.HL7_PARTS_MAX} parts"
        )


def _go_on(segments: list[Segment], lines: list[str]) -> None:
    """Adds the lines to the last field of the last segment."""
    if lines:
        segments[-1].fields[-1] = "\n".join((segments[-1].fields[-1], *lines))
        lines.clear()


def _read_segment(line: str, delimiters: Delimiters, codec: str) -> Segment:
    name, rest = line[:3], line[4:]
    fields = rest.split(delimiters.field)  # of a bare name one, which a further line may go on with
    if name in _HEADERS:
        fields = [delimiters.field, *fields]
    return Segment(name, [name, *fields], delimiters, codec)
