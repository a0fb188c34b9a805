"""Slow and silent clients at the web's door and at the HL7 listener (L1): the others do not notice."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from archive_fixtures import archive, decoder, web
from common import Api
from dicomweb_fixtures import Client, port
from wetread.hl7.server import MllpServer

__all__ = ["archive", "decoder", "port", "web"]


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def opened(port: int, sent: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.sendall(sent)
    return sock


def test_slow_headers_bodies_and_readers(web: Api, port: int) -> None:
    token = str(web.as_role("technologist").headers["Authorization"])
    client = Client(port, token)
    before = resident_mb()
    authorized = f"Authorization: {token}\r\n".encode()
    body = b"Content-Length: 1000000\r\nContent-Type: application/dicom\r\n\r\nDICM"
    slow = [opened(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ") for _ in range(200)]
    slow += [
        opened(port, b"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\n" + authorized + body)
        for _ in range(50)
    ]
    slow += [
        opened(
            port,
            b"POST /dicom-web/workitems HTTP/1.1\r\nHost: x\r\n"
            + authorized
            + body.replace(b"/dicom", b"/dicom+json"),
        )
        for _ in range(50)
    ]
    slow += [
        opened(
            port,
            b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{",
        )
        for _ in range(50)
    ]
    slow += [
        opened(port, b"GET /api/events HTTP/1.1\r\nHost: x\r\n" + authorized + b"\r\n") for _ in range(50)
    ]
    times = []
    for _ in range(30):
        began = time.perf_counter()
        assert client.get("/workitems").status == 204
        assert client.get("/studies").status in (200, 204)
        times.append(time.perf_counter() - began)
    grown = resident_mb() - before
    times.sort()
    print(
        f"\n400 slow clients: two searches in {times[15] * 1000:.0f} ms, slowest {times[-1] * 1000:.0f} ms, grown {grown:.0f} MB"
    )
    assert grown < 150
    for one in slow:
        one.close()
    # What was never finished was never begun.
    assert client.get("/workitems").status == 204


def test_silent_senders_of_messages() -> None:
    def handle(message: Any, *_: Any, **__: Any) -> bytes:
        return b"MSH|^~\\&|A|B|C|D|20261125||ACK|1|P|2.5\rMSA|AA|1\r"

    server = MllpServer("127.0.0.1", 0, handle)
    server.start()
    try:
        silent = [opened(server.address[1], b"\x0bMSH|^~") for _ in range(50)]
        began = time.perf_counter()
        with opened(server.address[1], b"\x0bMSH|^~\\&|A|B|C|D|20261125||ORM^O01|1|P|2.5\r\x1c\r") as sock:
            assert sock.recv(65536).startswith(b"\x0bMSH")
        print(f"\n50 silent senders: a message in {(time.perf_counter() - began) * 1000:.0f} ms")
        for one in silent:
            one.close()
    finally:
        server.stop()
