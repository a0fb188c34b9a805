"""Accept headers as real clients write them, and what they get."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.dicomweb.accept import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    EXPLICIT_LE,
    HTJ2K_RPCL,
    JSON,
    METADATA_OFFERS,
    OCTET_STREAM,
    RENDERED_MEDIA_TYPES,
    MediaRange,
    Offer,
    choose,
    frame_offers,
    object_offers,
    parse_accept,
    parse_query_accept,
)

JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
NATIVE = ("original", f"application/octet-stream; transfer-syntax={EXPLICIT_LE}")
RENDITION = ("rendition", f"image/jphc; transfer-syntax={HTJ2K_RPCL}")
STORED_JLS = ("original", f"image/jls; transfer-syntax={JPEG_LS}")
DECODED = ("decoded", f"application/octet-stream; transfer-syntax={EXPLICIT_LE}")
# As viewers send it: one header, of which a part is quoted and a part is not.
OHIF = (
    'multipart/related; type="image/jphc", multipart/related; type=image/jls; transfer-syntax=1.2.840.10008.1.2.4.80, '
    'multipart/related; type="application/octet-stream"; transfer-syntax=*'
)
DICOMWEB_CLIENT = (
    'multipart/related; type="application/octet-stream"; transfer-syntax="1.2.840.10008.1.2.1", '
    'multipart/related; type="image/jls"; transfer-syntax="1.2.840.10008.1.2.4.80"'
)


@pytest.mark.parametrize(
    ("accept", "stored", "rendition", "expected"),
    [
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', EXPLICIT_LE, True, (*NATIVE, True)),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", JPEG_LS, False, (*STORED_JLS, True)),
        ("multipart/related; type=application/octet-stream", JPEG_LS, False, (*DECODED, True)),
        ('multipart/related; type="image/jphc"', EXPLICIT_LE, True, (*RENDITION, True)),
        (f'multipart/related; type="image/jphc"; transfer-syntax={HTJ2K_RPCL}', EXPLICIT_LE, True, (*RENDITION, True)),
        ('multipart/related; type="image/jphc"', EXPLICIT_LE, False, None),
        (
            'multipart/related; type="image/jphc", multipart/related; type="application/octet-stream"; transfer-syntax=*',
            EXPLICIT_LE,
            False,
            (*NATIVE, True),
        ),
        (
            'multipart/related; type="image/jphc"; q=0.4, multipart/related; type="application/octet-stream"; q=0.9',
            EXPLICIT_LE,
            True,
            (*NATIVE, True),
        ),
        ("image/jphc", EXPLICIT_LE, True, (*RENDITION, False)),
        ("application/octet-stream", EXPLICIT_LE, True, (*NATIVE, False)),
        ("image/jls", JPEG_LS, False, (*STORED_JLS, False)),
        ("*/*", JPEG_LS, False, (*STORED_JLS, True)),
        ("", EXPLICIT_LE, True, (*NATIVE, True)),
        ("application/octet-stream", "1.2.840.10008.1.2.2", False, (*DECODED, False)),
        ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.2", "1.2.840.10008.1.2.2", False, (*DECODED, False)),
        ('multipart/related; type="video/mp4"', EXPLICIT_LE, False, None),
        ("text/html", EXPLICIT_LE, False, None),
        # Without a syntax image/jpeg means the lossless one; a client that names only this gets what there is, and is told.
        (
            'multipart/related; type="image/jpeg"',
            JPEG_BASELINE,
            False,
            ("original", f"image/jpeg; transfer-syntax={JPEG_BASELINE}", True),
        ),
        ("application/octet-stream; q=0", EXPLICIT_LE, False, None),
        # What is excluded by name stays excluded, whatever a wild card takes (RFC 9110 12.5.1).
        ("*/*, multipart/related; type=image/jls; q=0", JPEG_LS, False, (*DECODED, True)),
        (OHIF, EXPLICIT_LE, False, (*NATIVE, True)),
        (OHIF, JPEG_LS, False, (*STORED_JLS, True)),
        (OHIF, EXPLICIT_LE, True, (*RENDITION, True)),
        (DICOMWEB_CLIENT, EXPLICIT_LE, True, (*NATIVE, True)),
        (DICOMWEB_CLIENT, JPEG_LS, False, (*DECODED, True)),
        ('multipart/related; type="image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"', JPEG_LS, False, (*STORED_JLS, True)),
        ('multipart/related; type="image/jls', JPEG_LS, False, (*STORED_JLS, True)),
        ("Multipart/Related;TYPE=Image/JLS;Transfer-Syntax=*;boundary=x", JPEG_LS, False, (*STORED_JLS, True)),
        ("multipart/related", JPEG_LS, False, (*STORED_JLS, True)),
        ("image/*", JPEG_LS, False, (*STORED_JLS, False)),
        ("*", JPEG_LS, False, (*STORED_JLS, True)),
        (", ,", JPEG_LS, False, (*STORED_JLS, True)),
    ],
)  # fmt: skip
def test_frames(accept: str, stored: str, rendition: bool, expected: tuple[str, str, bool] | None) -> None:
    offers = frame_offers(stored, has_rendition=rendition, frames=1)
    choice = choose(parse_accept([accept] if accept else []), offers)
    assert (choice and (choice.source, choice.content_type, choice.multipart)) == expected


def test_several_frames_need_multipart() -> None:
    single = parse_accept(["application/octet-stream"])
    assert choose(single, frame_offers(EXPLICIT_LE, has_rendition=False, frames=1)) is not None
    assert choose(single, frame_offers(EXPLICIT_LE, has_rendition=False, frames=2)) is None


def test_a_video_is_never_offered_as_plain_pixels() -> None:
    offers = frame_offers("1.2.840.10008.1.2.4.102", has_rendition=False, frames=1)
    assert {offer.media_type for offer in offers} == {"video/mp4"}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/dicom+json", DICOM_JSON),
        ("application/json", JSON),
        ("*/*", DICOM_JSON),
        ("application/*", DICOM_JSON),
        ("text/html, application/json;q=0.1", JSON),
        ("application/json, application/dicom+json", JSON),
        ("application/json;q=0.5, application/dicom+json", DICOM_JSON),
        ("*/*, application/dicom+json;q=0", JSON),
        ("application/dicom+xml", None),
        ('multipart/related; type="application/dicom+xml"', DICOM_XML),
        ('multipart/related; type=application/dicom+xml, application/dicom+json; q=0.8', DICOM_XML),
        ("application/dicom+json; charset=utf-8", DICOM_JSON),
        ("application / dicom+json", DICOM_JSON),
        ("image/jpeg", None),
    ],
)  # fmt: skip
def test_metadata(accept: str, expected: str | None) -> None:
    choice = choose(parse_accept([accept]), METADATA_OFFERS)
    assert (choice and choice.media_type) == expected


def test_a_plus_that_became_a_space() -> None:
    assert parse_query_accept(["application/dicom json"])[0].media_type == DICOM_JSON
    (one,) = parse_query_accept(['multipart/related; type="application/dicom xml"'])
    assert (one.media_type, one.multipart) == (DICOM_XML, True)


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        ('multipart/related; type="application/dicom"; transfer-syntax=*', {JPEG_LS, EXPLICIT_LE}, "original"),
        ("multipart/related; type=application/dicom", {JPEG_LS}, "original"),
        ("application/dicom", {EXPLICIT_LE}, "original"),
        (f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS}", {EXPLICIT_LE}, None),
        (f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS}", {JPEG_LS}, "original"),
        (f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS}", {JPEG_LS, EXPLICIT_LE}, None),
        (f"application/dicom; transfer-syntax={EXPLICIT_LE}", {JPEG_LS}, "transcoded"),
        ("application/json", {EXPLICIT_LE}, None),
        ("*/*", {EXPLICIT_LE}, "original"),
    ],
)  # fmt: skip
def test_whole_objects(accept: str, stored: set[str], expected: str | None) -> None:
    choice = choose(parse_accept([accept]), object_offers(frozenset(stored), objects=1, transcodable=True))
    assert (choice and choice.source) == expected


def test_rendered() -> None:
    offers = list(map(Offer, RENDERED_MEDIA_TYPES))
    for accept, expected in (
        ("image/png", "image/png"),
        ("image/*", "image/jpeg"),
        ("image/webp", None),
        # As a browser asks for an <img>.
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/jpeg"),
    ):
        choice = choose(parse_accept([accept]), offers)
        assert (choice and choice.media_type) == expected


def test_a_406_tells_ranges_that_are_answered() -> None:
    for offers in (
        frame_offers(JPEG_LS, has_rendition=True, frames=1),
        object_offers(frozenset({JPEG_LS}), objects=2, transcodable=True),
        list(METADATA_OFFERS),
    ):
        for offer in offers:
            assert choose(parse_accept([offer.range]), offers) == offer


@given(st.lists(st.text(max_size=80), max_size=3))
def test_no_header_breaks_the_parser(headers: list[str]) -> None:
    ranges = parse_accept(headers)
    assert ranges
    for one in ranges:
        assert 0 <= one.quality <= 1
        assert "/" in one.media_type
    choose(ranges, METADATA_OFFERS)


_TOKEN = st.text(string.ascii_lowercase + string.digits + "-.+", min_size=1, max_size=12)
_VALUE = st.text(string.ascii_letters + string.digits + ' ,;="\\*./', max_size=12)


@st.composite
def _written(draw: st.DrawFn) -> tuple[str, MediaRange]:
    """A range as the grammar allows it to be written, and what it means."""
    multipart = draw(st.booleans())
    media_type = f"{draw(_TOKEN)}/{draw(_TOKEN)}"
    syntax = draw(st.sampled_from([None, "*", EXPLICIT_LE, JPEG_LS]))
    quality = draw(st.sampled_from([None, "1", "0", "0.5", "0.125", "1.000"]))
    extra = draw(
        st.dictionaries(
            _TOKEN.filter(lambda name: name not in ("q", "type", "transfer-syntax")), _VALUE, max_size=2
        )
    )
    space = draw(st.sampled_from(["", " ", "  ", "\t"]))

    def quoted(value: str, *, must: bool = False) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"' if must or draw(st.booleans()) else value

    parameters = [f"{name}={quoted(value, must=True)}" for name, value in extra.items()]
    if syntax:
        parameters.append(f"transfer-syntax={quoted(syntax)}")
    if multipart:
        parameters.append(f"type={quoted(media_type)}")
    if quality:
        parameters.append(f"q={quality}")
    parameters = draw(st.permutations(parameters))
    name = draw(st.sampled_from(["multipart/related", "Multipart/Related"])) if multipart else media_type
    text = f"{space};{space}".join([name, *parameters])
    return text, MediaRange(media_type, multipart, syntax, float(quality or 1))


@given(st.lists(_written(), min_size=1, max_size=5), st.booleans())
def test_what_is_written_by_the_grammar_is_read(written: list[tuple[str, MediaRange]], several: bool) -> None:
    texts = [text for text, _ in written]
    ranges = parse_accept(texts if several else [", ".join(texts)])
    found = [(one.media_type, one.multipart, one.transfer_syntax, one.quality) for one in ranges]
    assert found == [(one.media_type, one.multipart, one.transfer_syntax, one.quality) for _, one in written]


@given(
    st.permutations([OCTET_STREAM, "image/jphc", "image/jls"]),
    st.lists(st.sampled_from(["0", "0.2", "0.5", "0.9", "1"]), min_size=3, max_size=3),
)
def test_the_highest_quality_wins_and_ties_go_by_order(order: list[str], qualities: list[str]) -> None:
    accept = ", ".join(
        f"multipart/related; type={name}; q={q}" for name, q in zip(order, qualities, strict=True)
    )
    choice = choose(parse_accept([accept]), frame_offers(JPEG_LS, has_rendition=True, frames=3))
    best = max(qualities, key=float)
    expected = None if best == "0" else order[[float(one) for one in qualities].index(float(best))]
    assert (choice and choice.media_type) == expected


def test_a_header_of_quotes_is_read_at_once() -> None:
    assert parse_accept(['"\\' * 4000]) == parse_accept([])
    assert choose(parse_accept([DICOM + ";a=" + '"' * 8000]), [Offer(DICOM)]) is not None
