"""The push parser of multipart/related: same events however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.dicomweb.multipart import (
    PART_END,
    Malformed,
    MultipartParser,
    PartBegun,
    PartData,
    PartEnded,
    closing,
    part_header,
)

BOUNDARY = "b0unDary"


def body(parts: list[bytes], preamble: bytes = b"") -> bytes:
    return (
        preamble
        + b"".join(part_header(BOUNDARY, "application/dicom") + part + PART_END for part in parts)
        + closing(BOUNDARY)
    )


def parse(data: bytes, cuts: list[int]) -> list[bytes]:
    parser = MultipartParser(BOUNDARY)
    out: list[bytes] = []
    ended = 0
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        for happening in parser.feed(data[at:cut]):
            if isinstance(happening, PartBegun):
                assert happening.headers["content-type"] == "application/dicom"
                out.append(b"")
            elif isinstance(happening, PartData):
                out[-1] += happening.data
            else:
                assert isinstance(happening, PartEnded)
                ended += 1
        at = max(at, cut)
    parser.finish()
    assert ended == len(out)
    return out


_PIECES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"--", b"\r\n--", b"b0unDary", b"\r\n--b0unDar", b"x", b"\0"]
)
_CONTENT = st.lists(st.one_of(_PIECES, st.binary(max_size=20)), max_size=12).map(b"".join)


@given(
    st.lists(_CONTENT.filter(lambda content: b"--b0unDary" not in content), min_size=1, max_size=4),
    st.lists(st.integers(0, 400), max_size=30),
)
def test_parts_come_out_whole_however_they_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    data = body(parts)
    assert parse(data, [cut for cut in cuts if cut < len(data)]) == parts


def test_a_preamble_is_passed_over() -> None:
    assert parse(body([b"x"], b"This is a multipart message.\r\n"), []) == [b"x"]


@pytest.mark.parametrize(
    "data",
    [
        body([b"x"])[:-6],
        b"no boundary at all",
        b"--b0unDaryX\r\n\r\nx\r\n--b0unDary--",
        b"--b0unDary\r\n" + b"A: b\r\n" * 4000 + b"\r\n",
    ],
)
def test_what_is_not_multipart_is_refused(data: bytes) -> None:
    parser = MultipartParser(BOUNDARY)
    with pytest.raises(Malformed):
        list(parser.feed(data))
        parser.finish()


def test_memory_stays_small_while_a_part_streams() -> None:
    parser = MultipartParser(BOUNDARY)
    list(parser.feed(part_header(BOUNDARY, "application/dicom")))
    passed = 0
    for _ in range(64):
        passed += sum(len(one.data) for one in parser.feed(b"\r\n--b0un" * 1000) if isinstance(one, PartData))
        assert len(parser._buffer) < 64
    assert passed > 63 * 8000
