"""Accept headers as real clients write them, and what they get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.dicomweb.accept import (
    DICOM_JSON,
    EXPLICIT_LE,
    HTJ2K_RPCL,
    accepts_dicom,
    accepts_json,
    choose_frame,
    choose_rendered,
    parse_accept,
)

JPEG_LS = "1.2.840.10008.1.2.4.80"
NATIVE = ("original", f"application/octet-stream; transfer-syntax={EXPLICIT_LE}")
RENDITION = ("rendition", f"image/jphc; transfer-syntax={HTJ2K_RPCL}")
STORED_JLS = ("original", f"image/jls; transfer-syntax={JPEG_LS}")
DECODED = ("decoded", f"application/octet-stream; transfer-syntax={EXPLICIT_LE}")


@pytest.mark.parametrize(
    ("accept", "stored", "rendition", "expected"),
    [
        (
            'multipart/related; type="application/octet-stream"; transfer-syntax=*',
            EXPLICIT_LE,
            True,
            (*NATIVE, True),
        ),
        (
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            JPEG_LS,
            False,
            (*STORED_JLS, True),
        ),
        ("multipart/related; type=application/octet-stream", JPEG_LS, False, (*DECODED, True)),
        ('multipart/related; type="image/jphc"', EXPLICIT_LE, True, (*RENDITION, True)),
        (
            f'multipart/related; type="image/jphc"; transfer-syntax={HTJ2K_RPCL}',
            EXPLICIT_LE,
            True,
            (*RENDITION, True),
        ),
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
        ('multipart/related; type="video/mp4"', EXPLICIT_LE, False, None),
        ("text/html", EXPLICIT_LE, False, None),
        ('multipart/related; type="image/jpeg"', "1.2.840.10008.1.2.4.50", False, None),
        ("application/octet-stream; q=0", EXPLICIT_LE, False, None),
    ],
)
def test_frames(accept: str, stored: str, rendition: bool, expected: tuple[str, str, bool] | None) -> None:
    choice = choose_frame(parse_accept([accept] if accept else []), stored, has_rendition=rendition, frames=1)
    assert (choice and (choice.source, choice.content_type, choice.multipart)) == expected


def test_several_frames_need_multipart() -> None:
    single = parse_accept(["application/octet-stream"])
    assert choose_frame(single, EXPLICIT_LE, has_rendition=False, frames=1) is not None
    assert choose_frame(single, EXPLICIT_LE, has_rendition=False, frames=2) is None


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/dicom+json", DICOM_JSON),
        ("application/json", "application/json"),
        ("*/*", DICOM_JSON),
        ("text/html, application/json;q=0.1", "application/json"),
        ("application/dicom+xml", None),
        ('multipart/related; type="application/dicom+xml"', None),
    ],
)
def test_json(accept: str, expected: str | None) -> None:
    assert accepts_json(parse_accept([accept])) == expected


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        ('multipart/related; type="application/dicom"; transfer-syntax=*', {JPEG_LS, EXPLICIT_LE}, True),
        ("multipart/related; type=application/dicom", {JPEG_LS}, True),
        ("application/dicom", {EXPLICIT_LE}, True),
        (f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS}", {EXPLICIT_LE}, False),
        (f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS}", {JPEG_LS}, True),
        ("application/json", {EXPLICIT_LE}, False),
        ("*/*", {EXPLICIT_LE}, True),
    ],
)
def test_whole_objects(accept: str, stored: set[str], expected: bool) -> None:
    assert accepts_dicom(parse_accept([accept]), frozenset(stored)) is expected


def test_rendered() -> None:
    assert choose_rendered(parse_accept(["image/png"])) == "image/png"
    assert choose_rendered(parse_accept(["image/*"])) == "image/jpeg"
    assert choose_rendered(parse_accept(["image/webp"])) is None


@given(st.lists(st.text(max_size=80), max_size=3))
def test_no_header_breaks_the_parser(headers: list[str]) -> None:
    for one in parse_accept(headers):
        assert 0 < one.quality <= 1
