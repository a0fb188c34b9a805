"""The JSON model in our own writing: what is written once is written so the second time."""

from __future__ import annotations

from typing import Any

import pytest

from wetread.dicom.errors import DicomError
from wetread.dicom.jsonmodel import canonical, encode_json, to_json
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN
from wetread.dicomweb.nativexml import NotNative, from_xml
from wetread.dicomweb.workitems import keys_of
from wetread.kit.errors import WetreadError


def test_bytes_of_a_value_without_character_set_stay_as_they_are() -> None:
    raw = b"\x08\x00\x60\x00CS\x02\x00\xe5M"
    model = to_json(raw, EXPLICIT_VR_LITTLE_ENDIAN, lambda *_: None)
    assert encode_json(model) == raw
    assert canonical(canonical(model)) == canonical(model)


@pytest.mark.parametrize(
    "entry",
    [
        {"vr": "CS", "Value": ["山"]},
        {"vr": "US", "Value": [True]},
        {"vr": "US", "Value": [-1]},
        {"vr": "SQ", "Value": [1]},
        {"vr": "OB", "Value": ["x"]},
        {"vr": "XX"},
        {"vr": "LO", "Value": "x"},
        {"vr": "AT", "Value": ["XYZ"]},
        {"vr": "SQ", "InlineBinary": "AAEC"},
        {"vr": "PN", "InlineBinary": "AAEC"},
        {"vr": "OB", "InlineBinary": "A"},
    ],
)
def test_what_cannot_be_written_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(DicomError):
        canonical({"00080060": entry})


def test_long_binary_values_are_kept() -> None:
    import base64

    value = base64.b64encode(bytes(5000)).decode()
    assert canonical({"00111001": {"vr": "OB", "InlineBinary": value}})["00111001"]["InlineBinary"] == value


def test_groups_of_commands_and_files_are_no_part_of_a_data_set() -> None:
    name = {"vr": "PN", "Value": [{"Alphabetic": "김희중"}]}
    assert canonical({"00011000": name, "00020010": {"vr": "UI", "Value": ["1.2"]}, "00100010": name}) == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00100010": name,
    }


def test_what_is_written_is_read_back_as_it_was_written() -> None:
    # The first group looks like one that another byte order begins with: who wrote it knows which it is.
    lone = {"01000007": {"vr": "UN", "InlineBinary": "AAE="}}
    assert canonical(lone) == lone


def test_an_encoding_that_there_is_not() -> None:
    with pytest.raises(NotNative):
        from_xml(b'<?xml version="1.0" encoding="UTF-9"?><NativeDicomModel/>')


@pytest.mark.parametrize("name", ["-200000D", "+0100010", " 0100010", "0x010001", "00100010 "])
def test_a_tag_has_eight_hexadecimal_digits(name: str) -> None:
    with pytest.raises(WetreadError):
        keys_of([(name, "x")])
