"""Bulk data of an upload are found by their address, absolute or relative, in a time that does not grow with their number."""

from __future__ import annotations

from typing import Any

import pytest

from wetread.dicomweb import composing
from wetread.dicomweb.composing import Bulk, CannotCompose, Located, compose


def bulk(content: bytes) -> Bulk:
    return Bulk("application/octet-stream", None, len(content), lambda: iter([content]))


def document(uri: str) -> dict[str, Any]:
    return {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3"]},
        "00420011": {"vr": "OB", "BulkDataURI": uri},
    }


@pytest.mark.parametrize(
    ("location", "uri", "found"),
    [
        ("http://a/b/1", "http://a/b/1", True), ("1", "http://a/b/1", True), ("http://a/b/1", "b/1", True),
        ("/b/1", "http://a/b/1", True), ("1", "11", False), ("c/1", "http://a/b/1", False),
    ],
)  # fmt: skip
def test_parts_are_found_by_their_address(location: str, uri: str, found: bool) -> None:
    parts = Located()
    parts.add(location, bulk(b"ABCD"))
    if found:
        assert b"ABCD" in b"".join(compose(document(uri), parts))
    else:
        with pytest.raises(CannotCompose):
            list(compose(document(uri), parts))


def test_two_that_could_be_meant_are_none() -> None:
    parts = Located()
    parts.add("http://a/1", bulk(b"AB"))
    parts.add("http://b/1", bulk(b"CD"))
    with pytest.raises(CannotCompose):
        list(compose(document("1"), parts))


def test_looking_for_one_does_not_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def counted(location: str, uri: str) -> bool:
        looked.append(location)
        return False

    monkeypatch.setattr(composing, "_same", counted)
    parts = Located()
    for number in range(2000):
        parts.add(f"http://a/{number}", bulk(b"AB"))
        parts.add(f"http://{number}/same", bulk(b"AB"))
    for uri in ("http://b/7", "http://b/9999", "http://b/same"):
        with pytest.raises(CannotCompose):
            list(compose(document(uri), parts))
    assert len(looked) == 1 + 0 + 100
