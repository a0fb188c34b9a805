"""HL7 v2 codec: what is written is read, and no text is lost however it was written."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.hl7 import inbound
from wetread.hl7 import message as message_module
from wetread.hl7.acknowledgment import Fault, acknowledge, read_acknowledgment
from wetread.hl7.inbound import InterfaceSettings, moment
from wetread.hl7.message import (
    STANDARD,
    Delimiters,
    Message,
    NotHl7,
    Segment,
    TooManyParts,
    decode,
    escape,
    escape_lines,
    segment,
    unescape,
)

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
SAMPLES = Path(__file__).parents[4] / "shared" / "testdata" / "hl7"
HEAD = "MSH|^~\\&|HIS|CITY|WETREAD|RAD|20261125080000||ORM^O01|1|P|2.3.1||||||UNICODE UTF-8"

text = st.text(st.characters(codec="utf-8", exclude_characters="\x00\x0b\x1c"), max_size=60)
plain = text.map(str.strip).filter(lambda value: value != '""')


@given(text)
def test_escaping_is_undone_exactly(value: str) -> None:
    assert unescape(escape(value)) == value
    assert not set("|^~&\r\n") & set(escape(value))


@given(text)
def test_unescaping_foreign_text_never_fails_and_keeps_every_character_outside_of_sequences(
    value: str,
) -> None:
    read = unescape(value)
    if "\\" not in value:
        assert read == value


@given(st.lists(st.lists(st.tuples(plain, plain), min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_built_segment_reads_back(fields: list[list[tuple[str, str]]]) -> None:
    built = Message.build([segment("MSH", "HIS"), segment("ZZZ", *[list(f) for f in fields])])
    read = Message.parse(built.encode()).first("ZZZ")
    for number, repeats in enumerate(fields, 1):
        for repetition, (first, second) in enumerate(repeats, 1):
            assert read.value(number, repetition, 1) == first
            assert read.value(number, repetition, 2) == second


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_say_why_not(raw: bytes) -> None:
    for candidate in (raw, b"MSH|^~\\&|" + raw, HEAD.encode() + b"\r" + raw):
        try:
            message = Message.parse(candidate)
        except NotHl7:
            continue
        assert message.header.name == "MSH"
        message.encode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (r"\E\R\ ", "\\R\\ "),
        (r"BSV 4\5 re.", r"BSV 4\5 re."),
        (r"4\5 re. and \T\ more", r"4\5 re. and & more"),
        (r"a\X0D\\X0A\b", "a\r\nb"),
        (r"one\.br\two\.sp+2\three", "one\ntwo\n\nthree"),
        (r"\X7C\ ", "| "),
        (r"\H\loud\N\ ", "loud "),
        (r"\Z12\kept\ ", r"\Z12\kept\ "),
        (r"\XC3\\XA9\ ", "é "),
        (r"ends with \ ", "ends with \\ "),
        ("\\\\", "\\\\"),
        (r"\X0\ odd", r"\X0\ odd"),
    ],
)
def test_escapes_people_met(raw: str, expected: str) -> None:
    assert unescape(raw) == expected


def test_an_escaped_escape_between_components_is_a_component() -> None:
    read = Message.parse(f"{HEAD}\rZZZ|^\\E\\^".encode()).first("ZZZ")
    assert read.components(1) == ["", "\\", ""]


def test_raw_delimiters_in_a_text_field_are_kept() -> None:
    read = Message.parse(f"{HEAD}\rOBX|1|FT|||<p>a & b ^ c ~ d</p> MSH|^".encode()).first("OBX")
    assert read.text(5) == "<p>a & b ^ c ~ d</p> MSH"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r"])
@pytest.mark.parametrize("last", ["", "\r", "\n", "\r\n", "\x1c\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_segment_ends_of_every_kind(end: str, last: str, mark: str) -> None:
    raw = (mark + end.join([HEAD, "PID|1||4711^^^HIS", "OBR|1|A"]) + last).encode()
    message = Message.parse(raw)
    assert [s.name for s in message.segments] == ["MSH", "PID", "OBR"]
    assert message.first("PID").value(3, 1, 4) == "HIS"
    assert message.header.value(18) == "UNICODE UTF-8"


def test_a_line_feed_inside_a_cr_message_is_text() -> None:
    message = Message.parse(f"{HEAD}\rOBX|1|TX|||one\nMSH|two\rOBX|2|TX|||three".encode())
    texts = [s.raw(5) for s in message.all("OBX")]
    assert texts == ["one\nMSH", "three"]


def test_a_broken_line_continues_the_text_before_it() -> None:
    message = Message.parse(f"{HEAD}\rOBX|1|TX|||first line\rno segment here\rOBX|2|TX|||next".encode())
    assert [s.text(5) for s in message.all("OBX")] == ["first line\nno segment here", "next"]
    broken = Message.parse(f"{HEAD}\rOBX|1|ED|||^A^PDF^Base64^JVBE\rA0KJ==||||||F".encode()).first("OBX")
    assert broken.value(11) == "F" and broken.value(5, 1, 5) == "JVBE\nA0KJ=="


def test_what_follows_a_bare_segment_name_is_kept() -> None:
    assert Message.parse(f"{HEAD}\rNTE\rfree text\rmore|x".encode()).first("NTE").fields == [
        "NTE",
        "\nfree text\nmore",
        "x",
    ]


def test_fill_characters_reach_no_text_and_no_answer() -> None:
    raw = f"{HEAD}\rPID|1||47\0 11^^^CI\\X00\\TY||A^B\0".replace("|1|P", "|1\0\0|P").encode()
    message = Message.parse(raw)
    assert (message.control_id, message.first("PID").value(3), message.first("PID").value(3, 1, 4)) == (
        "1",
        "47 11",
        "CITY",
    )
    for told in (message, b"MSH|^^|A\0" + raw[9:]):
        answer = acknowledge(told, NOW, "A").encode()
        assert b"\0" not in answer
        assert (read_acknowledgment(answer) or pytest.fail("no answer")).control_id == "1"
    assert "\0" not in (decode(raw.replace(b"UNICODE UTF-8", b"X\0Y"))[2] or "\0")


@pytest.mark.parametrize(
    "more",
    ["\ra" * 200_000, "|" * 600_000, "^" * 600_000, "~1^^^A" * 200_000, "&" * 600_000, "\rPID|" * 100_000],
    ids=["lines", "fields", "components", "repetitions", "subcomponents", "segments"],
)
def test_more_parts_than_mean_anything_are_refused(more: str) -> None:
    raw = f"{HEAD}\rPID|1||4711^^^CITY{more}".encode()
    with pytest.raises(TooManyParts):
        Message.parse(raw)
    with pytest.raises(Fault) as refused:
        inbound._readable(raw)
    answer = read_acknowledgment(acknowledge(raw, NOW, "A", fault=refused.value).encode())
    assert answer is not None and (answer.code, answer.control_id) == ("AR", "1")
    assert answer.message.first("ERR").value(1, 1, 4) == "207"


def test_a_field_is_taken_apart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # All but the limit is still read in a time that grows with its length, not with its square.
    lengths: list[int] = []
    own = message_module._split

    def counted(text: str, mark: str) -> list[str]:
        lengths.append(len(text))
        return own(text, mark)

    monkeypatch.setattr(message_module, "_split", counted)
    raw = f"{HEAD}\rPID|1||{'^' * 20_000}" + "~1^^^A" * 40
    pid = Message.parse(raw.encode()).first("PID")
    assert len(pid.components(3)) == 20_001
    assert [pid.value(3, n) for n in range(2, 42)] == ["1"] * 40
    assert sum(lengths) < 10 * len(raw)
    pid.fields[3] = "2"
    assert pid.value(3) == "2"


def test_one_patient_has_a_bounded_number_of_identifiers() -> None:
    pid = "~".join(f"{n}^^^CITY" for n in range(60))
    with pytest.raises(Fault) as refused:
        inbound._identity(Message.parse(f"{HEAD}\rPID|1||{pid}".encode()), InterfaceSettings("W"))
    assert (refused.value.acknowledgment_code, refused.value.error_code) == ("AR", "207")


def test_five_encoding_characters_and_a_short_header() -> None:
    assert Delimiters.read("MSH|^~\\&#|A").truncation == "#"
    short = Message.parse(b"MSH|^~\\&|HIS")
    assert short.control_id == "" and short.message_type == ""
    assert Message.parse(b"MSH|^~|X\rZZZ|a\\b&c").first("ZZZ").value(1) == "a\\b&c"


@pytest.mark.parametrize("raw", [b"", b"PID|1", b"MSH", b"MSH ABC", b"MSHA^~", b"MSH|^^^^|", b"hello"])
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(NotHl7):
        Message.parse(raw)


@pytest.mark.parametrize(
    ("declared", "codec", "name"),
    [
        ("8859/1", "latin-1", "Müller"),
        ("8859/5", "iso8859-5", "Иванов"),
        ("UNICODE UTF-8", "utf-8", "Иванов 山田"),
        ("utf8", "utf-8", "Müller"),
        ("GB 18030-2000", "gb18030", "乗张"),
        ("ISO IR14~ISO IR87", "iso2022_jp", "山田 太郎"),
        ("KS X 1001", "euc_kr", "김희중"),
        ("8859-15", "iso8859-15", "Œuvre €"),
    ],
)
def test_characters_by_msh_18(declared: str, codec: str, name: str) -> None:
    raw = f"MSH|^~\\&|A|B|C|D|||ADT^A04|9|P|2.5.1||||||{declared}\rPID|||1||{name}^X".encode(codec)
    message = Message.parse(raw)
    assert message.first("PID").value(5) == name
    assert message.doubts == []


def test_characters_that_were_declared_wrongly_are_read_and_flagged() -> None:
    head = "MSH|^~\\&|A|B|C|D|||ADT^A04|9|P|2.5.1||||||"
    message = Message.parse(f"{head}ASCII\rPID|||1||Müller".encode())
    assert message.first("PID").value(5) == "Müller" and "UTF-8" in message.doubts[0]
    message = Message.parse(f"{head}UNICODE UTF-8\rPID|||1||Müller".encode("latin-1"))
    assert message.first("PID").value(5) == "Müller" and message.doubts
    assert "KLINGON" in (decode(f"{head}KLINGON\r".encode())[2] or "")
    assert Message.parse(f"{head}\rPID|||1||Müller".encode("latin-1")).first("PID").value(5) == "Müller"
    utf16 = f"{head}UNICODE UTF-16\rPID|||1||Müller"
    assert Message.parse(utf16.encode("utf-16")).first("PID").value(5) == "Müller"
    assert Message.parse(utf16.encode("utf-16-le")).first("PID").value(5) == "Müller"


def test_null_groups_and_missing_parts() -> None:
    message = Message.parse(f'{HEAD}\rORC|NW|1\rOBR|1||""\rORC|NW|2\rOBR|2\rOBX|1'.encode())
    assert message.first("OBR").is_null(3) and message.first("OBR").value(3) == ""
    assert [g.first("ORC").value(2) for g in message.groups("ORC")] == ["1", "2"]
    assert message.groups("ORC")[1].has("OBX") and not message.groups("ORC")[0].has("OBX")
    assert message.first("ZZZ").value(4, 2, 3) == "" and message.first("ZZZ").components(4) == []


def test_formatted_text_and_headers_are_written_whole() -> None:
    assert escape_lines("a|b\r\nc\rd") == r"a\F\b\.br\c\.br\d"
    assert segment("MSH", "A", None, "C").encode() == "MSH|^~\\&|A||C"
    assert (
        segment("PID", 1, None, [("1", None, None, ("H", "2.1", "ISO")), "3"]).encode()
        == "PID|1||1^^^H&2.1&ISO~3"
    )
    assert Segment("ZZZ", ["ZZZ"], STANDARD).encode() == "ZZZ"


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("*.hl7")) or [None], ids=lambda p: p.name if p else "none"
)
def test_samples_of_others_round_trip(path: Path | None) -> None:
    if path is None:
        pytest.skip("the folder of sample messages is not on this machine")
    raw = path.read_bytes()
    message = Message.parse(raw)
    assert message.control_id.startswith("100")
    again = Message.parse(message.encode())
    assert [s.encode() for s in again.segments] == [s.encode() for s in message.segments]
    kept = {s.name for s in message.segments}
    lines = raw.decode("latin-1").replace("\n", "\r").split("\r")
    assert {line[:3] for line in lines if line[3:4] == "|"} == kept


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026112603", "2026-11-26T08:00"),  # to the hour: the third pair is no seconds
        ("202611260315", "2026-11-26T08:15"),
        ("20261126031530.1234", "2026-11-26T08:15"),
        ("20261126", "2026-11-26T05:00"),
        ("20261126031500-0330", "2026-11-26T06:45"),
        ("202703140230", None),  # the clock in New York is put forward from 2 to 3
        ("202703140230-0500", "2027-03-14T07:30"),
        ("2026112", None),
        ("2026112625", None),
    ],
)
def test_a_time_stamp_is_as_exact_as_it_is_written(written: str, at: str | None) -> None:
    found = moment(written, "America/New_York")
    assert (found and f"{found:%Y-%m-%dT%H:%M}") == at
