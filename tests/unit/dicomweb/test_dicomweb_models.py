"""Native DICOM Model, spool and composing: what is written is read again, and nothing from outside breaks them."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wetread.dicomweb.composing import Bulk, CannotCompose, compose
from wetread.dicomweb.nativexml import NotNative, from_xml, to_xml
from wetread.dicomweb.spool import Spool, SpoolFull

_TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff\\^=\r"),
    min_size=1,
    max_size=12,
)
_PERSON = st.fixed_dictionaries(
    {"Alphabetic": st.lists(_TEXT, min_size=1, max_size=5).map("^".join)},
    optional={"Ideographic": _TEXT, "Phonetic": _TEXT},
)
_LEAF = st.one_of(
    st.builds(lambda values: ("0008103E", {"vr": "LO", "Value": values}), st.lists(_TEXT, min_size=1, max_size=3)),
    st.builds(lambda values: ("00100010", {"vr": "PN", "Value": values}), st.lists(_PERSON, min_size=1, max_size=2)),
    st.builds(lambda values: ("00280010", {"vr": "US", "Value": values}), st.lists(st.integers(0, 65535), min_size=1, max_size=3)),
    st.builds(lambda values: ("00180050", {"vr": "FD", "Value": values}), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3)),
    st.just(("00282000", {"vr": "OB", "InlineBinary": "AAEC"})),
    st.just(("00420011", {"vr": "OB", "BulkDataURI": "a?b&c=<d>"})),
    st.just(("00080050", {"vr": "SH"})),
)  # fmt: skip
_DOCUMENT = st.recursive(
    st.lists(_LEAF, max_size=5).map(dict),
    lambda inner: st.builds(
        lambda items, rest: {"00081140": {"vr": "SQ", "Value": items}, **rest},
        st.lists(inner, min_size=1, max_size=3),
        st.lists(_LEAF, max_size=3).map(dict),
    ),
    max_leaves=6,
)


@given(_DOCUMENT)
def test_xml_holds_what_json_holds(document: dict[str, Any]) -> None:
    assert from_xml(to_xml(document)) == document


@given(st.binary(max_size=300))
def test_no_bytes_break_the_xml_reader(data: bytes) -> None:
    for text in (data, b"<NativeDicomModel>" + data + b"</NativeDicomModel>"):
        try:
            from_xml(text)
        except NotNative:
            continue


def test_entities_numbers_and_depth_are_bounded() -> None:
    for body in (
        "<!DOCTYPE a [<!ENTITY b 'x'>]><NativeDicomModel/>",
        "<NativeDicomModel><DicomAttribute tag='00080050' vr='SH'><Value number='999999'>x</Value></DicomAttribute></NativeDicomModel>",
        "<NativeDicomModel>"
        + "<DicomAttribute tag='00081140' vr='SQ'><Item number='1'>" * 100
        + "</Item></DicomAttribute>" * 100
        + "</NativeDicomModel>",
        "<Item/>",
    ):
        with pytest.raises(NotNative):
            from_xml(body.encode())


def test_what_xml_cannot_hold_is_marked() -> None:
    assert from_xml(to_xml({"0008103E": {"vr": "LO", "Value": ["a\x00b"]}})) == {
        "0008103E": {"vr": "LO", "Value": ["a\ufffdb"]}
    }


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(0, 4000), st.integers(0, 4000))
def test_a_spool_gives_back_any_range(pieces: list[bytes], offset: int, length: int) -> None:
    whole = b"".join(pieces)
    with Spool() as spool:
        for piece in pieces:
            spool.write(piece)
        start = min(offset, len(whole))
        assert b"".join(spool.read(start, length)) == whole[start : start + length]
        if len(whole) > 32:  # nothing readable lies on the disk
            spool._file.seek(0)
            assert spool._file.read() != whole


def test_a_spool_has_a_limit() -> None:
    with Spool(10) as spool, pytest.raises(SpoolFull):
        spool.write(bytes(11))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_TAG = st.sampled_from(
    ["00080005", "00080018", "00100010", "00280010", "00081140", "7FE00010", "00091001", "x", "0008001"]
)
_ELEMENT = st.dictionaries(
    st.sampled_from(["vr", "Value", "BulkDataURI", "InlineBinary"]),
    _JSON | st.sampled_from(["SQ", "PN", "US", "OB", "DS"]),
)


@settings(max_examples=300)
@given(st.dictionaries(_TAG, _ELEMENT | _JSON, max_size=5))
def test_metadata_of_any_shape_make_an_object_or_are_refused(document: dict[str, Any]) -> None:
    bulk = Bulk("application/octet-stream", None, 2, lambda: iter([b"ab"]))
    try:
        content = b"".join(compose(document, {"u": [bulk]}))
    except CannotCompose:
        return
    pydicom.dcmread(io.BytesIO(content))
