"""Association negotiation as bytes: what is built is read again, and no bytes raise anything but DicomError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wetread.dicom import charsets, pdu
from wetread.dicom.errors import DicomError

REQUEST = pdu.AssociateRequest(
    "WETREAD",
    "CT1",
    (pdu.ProposedContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),),
    16384,
    roles={"1.2.840.10008.5.1.4.1.1.2": (True, True)},
    user_identity=pdu.UserIdentity(2, b"ward", b"seven", positive_response_requested=True),
    extended={"1.2.840.10008.5.1.4.1.2.2.1": b"\x01\x01\x01"},
    asynchronous=(5, 3),
)


def test_a_request_is_read_as_it_was_built() -> None:
    assert pdu.parse_associate_request(pdu.build_associate_request(REQUEST)[6:]) == REQUEST


def test_an_answer_confirms_what_was_asked_to_be_confirmed() -> None:
    contexts = (pdu.AcceptedContext(1, pdu.ContextResult.ACCEPTANCE, "1.2.840.10008.1.2"),)
    extended = {"1.2.840.10008.5.1.4.1.2.2.1": b"\x01\x00\x01"}
    raw = pdu.build_associate_accept(REQUEST, contexts, 16384, REQUEST.roles, extended, identity_proved=True)
    accept = pdu.parse_associate_accept(raw[6:])
    assert (accept.contexts, accept.roles, accept.extended) == (contexts, REQUEST.roles, extended)
    # One operation at a time, whatever was proposed (PS3.7 D.3.3.3).
    assert (accept.asynchronous, accept.identity_accepted) == ((1, 1), True)
    unproved = pdu.build_associate_accept(REQUEST, contexts, 16384, {})
    assert not pdu.parse_associate_accept(unproved[6:]).identity_accepted
    bare = pdu.AssociateRequest("WETREAD", "CT1", REQUEST.contexts)
    plain = pdu.parse_associate_accept(pdu.build_associate_accept(bare, contexts, 16384, {})[6:])
    assert (plain.asynchronous, plain.identity_accepted) == (None, False)


@settings(max_examples=400)
@given(st.data())
def test_damaged_requests_are_malformed_and_nothing_worse(data: st.DataObject) -> None:
    raw = bytearray(pdu.build_associate_request(REQUEST)[6:])
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        with contextlib.suppress(DicomError):
            pdu.parse_associate_request(damaged)


@pytest.mark.parametrize(
    ("terms", "text", "raw"),
    [
        # PS3.5 H.3.1, H.3.2 and I.2, byte for byte.
        (
            ["", "ISO 2022 IR 87"],
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        ),
        (
            ["ISO 2022 IR 13", "ISO 2022 IR 87"],
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        ),
        (
            ["", "ISO 2022 IR 149"],
            "Hong^Gildong=洪^吉洞=홍^길동",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        ),
        (["ISO_IR 100"], "Müller^Jörg", b"M\xfcller^J\xf6rg"),
        (["ISO_IR 100"], "山田", None),
        (["ISO_IR 6"], "Müller", None),
        (["ISO_IR 13"], "山田", None),
    ],
)
def test_names_are_written_as_the_standard_writes_them(
    terms: list[str], text: str, raw: bytes | None
) -> None:
    assert charsets.encode(text, charsets.codecs_of(terms), person_name=True) == raw


@given(
    st.text(max_size=30),
    st.sampled_from(["ISO_IR 192", "ISO_IR 100", "ISO 2022 IR 87", "GB18030", "ISO_IR 166"]),
)
def test_what_is_encoded_reads_as_it_was(text: str, term: str) -> None:
    codecs = charsets.codecs_of(["", term] if "2022" in term else term)
    raw = charsets.encode(text, codecs)
    if raw is not None:
        assert charsets.decode(raw, codecs).value == text
