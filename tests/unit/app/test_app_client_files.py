"""The web client's files as they are sent: packed for who takes that, for ever where their name tells their content."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from wetread.app import web

SCRIPT = b"console.log('a script that is longer when it is packed than it was')"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html>")
    (tmp_path / "assets" / "a-1.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "a-1.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "assets" / "a-1.js.br").write_bytes(b"brotli")
    (tmp_path / "assets" / "b-1.css").write_bytes(b"p{}")
    monkeypatch.setattr(web, "STATIC", tmp_path)
    app = FastAPI()
    web._add_client(app)
    return TestClient(app)


@pytest.mark.parametrize(
    ("taken", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("gzip; q=0.000", None),
    ],
)
def test_a_script_is_sent_packed_as_the_browser_takes_it(
    client: TestClient, taken: str, coding: str | None
) -> None:
    with client.stream("GET", "/assets/a-1.js", headers={"Accept-Encoding": taken}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    packed = web.STATIC / "assets" / "a-1.js.gz"
    assert raw == {"br": b"brotli", "gzip": packed.read_bytes(), None: SCRIPT}[coding]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_what_was_not_packed_is_sent_as_it_is_and_each_form_has_its_own_tag(client: TestClient) -> None:
    plain = client.get("/assets/b-1.css", headers={"Accept-Encoding": "gzip, br"})
    assert (plain.content, plain.headers.get("content-encoding")) == (b"p{}", None)
    tags = [
        client.get("/assets/a-1.js", headers={"Accept-Encoding": taken, "Range": "bytes=0-0"}).headers["etag"]
        for taken in ("gzip", "identity")
    ]
    assert tags[0] != tags[1]


def test_who_has_the_page_is_told_so_and_any_address_is_the_page(client: TestClient) -> None:
    page = client.get("/read/7")
    assert (page.content, page.headers["cache-control"]) == (b"<!doctype html>", "no-cache")
    for known in (page.headers["etag"], f'W/{page.headers["etag"]}, "x"'):
        again = client.get("/read/8", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", page.headers["etag"])
    assert client.get("/read/8", headers={"If-None-Match": '"x"'}).status_code == 200
    # Another page of the same length and time, as an upgrade can bring it, is another page.
    file = web.STATIC / "index.html"
    at = file.stat().st_mtime_ns
    file.write_bytes(b"<!DOCTYPE html>")
    os.utime(file, ns=(at, at))
    assert (
        client.get("/read/7", headers={"If-None-Match": page.headers["etag"]}).content == b"<!DOCTYPE html>"
    )
    assert client.get("/api/nowhere").status_code == 404
