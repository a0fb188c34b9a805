"""MLLP frames and acknowledgments."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.hl7.acknowledgment import acknowledge, error, read_acknowledgment, reject
from wetread.hl7.framing import Framer, FrameTooLarge, frame
from wetread.hl7.message import Message, segment

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
body = st.binary(max_size=80).map(lambda b: b.replace(b"\x1c", b"").replace(b"\x0b", b""))


@given(st.lists(body, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_frames_survive_any_fragmentation(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(m) for m in messages)
    framer, got, at = Framer(1000), [], 0
    for size in [*cuts, len(stream) + 1]:
        got += framer.feed(stream[at : at + size])
        at += size
    assert got == messages
    assert not framer.pending


def test_junk_line_feeds_and_a_missing_cr_are_tolerated() -> None:
    framer = Framer(1000)
    assert framer.feed(b"junk\x0bMSH|1\x1c\r\n\x0bMSH|2\x1c\x0bMSH|3\x1c\r") == [b"MSH|1", b"MSH|2", b"MSH|3"]
    assert framer.junk_bytes == 4


def test_a_vertical_tab_in_text_is_text_and_a_second_start_begins_anew() -> None:
    assert Framer(1000).feed(b"\x0bMSH|a\x0bb\x1c\r") == [b"MSH|a\x0bb"]
    assert Framer(1000).feed(b"\x0bMSH|half\x0bMSH|whole\x1c\r") == [b"MSH|whole"]


def test_the_limit_holds_before_the_message_ends() -> None:
    framer = Framer(10)
    with pytest.raises(FrameTooLarge) as caught:
        framer.feed(b"\x0bMSH|" + b"x" * 20)
    assert caught.value.head.startswith(b"MSH|")


def order(version: str = "2.5.1", trigger: str = "ORM^O01^ORM_O01") -> Message:
    return Message.parse(f"MSH|^~\\&|HIS|CITY|WETREAD|RAD|2026||{trigger}|MSG7|T|{version}\rPID|1".encode())


def test_an_acceptance_turns_the_addresses_and_names_the_message() -> None:
    ack = acknowledge(order(), NOW, "77")
    assert ack.header.raw(3) == "WETREAD" and ack.header.raw(5) == "HIS" and ack.header.raw(6) == "CITY"
    assert ack.message_type == "ACK^O01" and ack.header.value(11) == "T"
    read = read_acknowledgment(ack.encode())
    assert read and read.accepted and (read.code, read.control_id) == ("AA", "MSG7")
    assert not ack.has("ERR")


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_a_fault_names_place_code_and_reason(version: str) -> None:
    ack = acknowledge(
        order(version), NOW, "77", fault=reject("204", "PID^1^3", "The order belongs to another patient")
    )
    err = ack.first("ERR")
    if version == "2.3.1":
        assert err.raw(1).startswith("PID^1^3^204&Unknown key identifier&HL70357")
    else:
        assert err.raw(2) == "PID^1^3" and err.value(3) == "204" and err.value(3, 1, 3) == "HL70357"
        assert err.value(4) == "E"
    read = read_acknowledgment(ack.encode())
    assert read and read.rejected and "another patient" in read.text


def test_order_responses_carry_order_control_codes() -> None:
    orc = segment("ORC", "UC", "A1", "F1")
    ack = acknowledge(order(), NOW, "1", orders=[orc], fault=reject("207", "ORC^1^1", "begun"))
    assert ack.message_type == "ORR^O02" and ack.first("ORC").value(1) == "UC"
    assert acknowledge(order(trigger="OMI^O23"), NOW, "1", orders=[orc]).message_type == "ORI^O24"


@pytest.mark.parametrize(
    ("raw", "control_id"),
    [
        (b"MSH|^^^^|HIS|CITY|W|R|2026||ORM^O01|M1|P|2.3", "M1"),
        (b"MSH|^~\\&|HIS|^^|W|R|2026|||M2|P|9.9", "M2"),
        (b"MSH|^~\\&", ""),
        (b"\xff\xfe\x00", ""),
        (b"", ""),
    ],
)
def test_broken_headers_are_answered(raw: bytes, control_id: str) -> None:
    ack = acknowledge(raw, NOW, "5", fault=error("100", "MSH^1", "not readable"))
    read = read_acknowledgment(ack.encode())
    assert read and read.code == "AE" and read.control_id == control_id


@pytest.mark.parametrize("raw", [b"", b"OK", b"MSH|^~\\&|A\rMSA", b"MSH|^~\\&|A\rMSA|XX|1", b"\x00" * 50])
def test_garbage_confirms_nothing(raw: bytes) -> None:
    assert read_acknowledgment(raw) is None
