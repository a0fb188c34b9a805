"""Slow and silent clients at the web's door and at the HL7 listener (L1): the others do not notice."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from archive_fixtures import MakeDicom, Store, archive, decoder, make_dicom, store, web
from common import Api
from dicomweb_fixtures import Client, path_of, port, served
from wetread.app.pace import Debt, Pace, paced
from wetread.hl7.server import MllpServer

__all__ = ["archive", "decoder", "make_dicom", "port", "store", "web"]


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


def until_cut(pace: Pace, count: int) -> None:
    for _ in range(600):
        if pace.cut >= count:
            return
        time.sleep(0.05)
    pytest.fail(f"{pace.cut} of {count} were cut off")


def received(sock: socket.socket) -> int:
    """Bytes until the end, whichever it is."""
    size = 0
    try:
        while data := sock.recv(1 << 20):
            size += len(data)
    except ConnectionResetError:
        pass
    return size


def test_who_does_not_read_is_cut_off_and_costs_a_piece(
    web: Api, store: Store, make_dicom: MakeDicom
) -> None:
    side = 3000
    image = make_dicom(Rows=side, Columns=side, PixelData=os.urandom(side * side * 2))
    store(image)
    token = str(web.as_role("technologist").headers["Authorization"])
    path, whole = path_of(image), side * side * 2
    pace = Pace(stall_s=1.0, bytes_a_second=200_000, headers_s=1.0, laggards_max=100, tick_s=0.1)
    with served(web, lifespan="off", http=paced(pace)) as port:

        def asked(what: str) -> socket.socket:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(30)
            sock.connect(("127.0.0.1", port))
            sock.sendall(
                f"GET /dicom-web{what} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode()
            )
            return sock

        assert len(Client(port, token).get(path).body) > whole
        before = resident_mb()
        # What streams, and the last answer of a study, whose end nobody waits for any more.
        stopped = [asked(path) for _ in range(20)] + [asked(path + "/metadata")]
        until_cut(pace, 20)
        grown = resident_mb() - before
        print(f"\n20 readers that stopped, {whole * 20 / 1e6:.0f} MB asked for: grown {grown:.0f} MB")
        assert grown < whole * 20 / 2e6  # a piece of each, not what was asked for
        assert all(received(one) < whole for one in stopped[:20])
        assert len(Client(port, token).get(path).body) > whole
        assert pace.laggards == set()

        silent = opened(port, b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        mute = opened(port, b"")
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        body = opened(
            port, head.encode() + b"Content-Length: 1000000\r\nContent-Type: application/dicom\r\n\r\nDICM"
        )
        until_cut(pace, 23)
        assert [received(one) for one in (silent, mute, body)] == [0, 0, 0]


def test_who_waits_without_owing_anything_is_left_alone(web: Api) -> None:
    technologist = web.as_role("technologist")
    token = str(technologist.headers["Authorization"])
    pace = Pace(stall_s=0.3, bytes_a_second=200_000, headers_s=0.3, tick_s=0.05)
    with served(web, lifespan="off", http=paced(pace)) as port:
        kept = opened(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        address = f"ws://127.0.0.1:{port}/dicom-web/subscribers/VIEWER"
        with connect(address, additional_headers={"Authorization": token}) as channel:
            time.sleep(1.0)
            channel.ping().wait(10)
            with pytest.raises(TimeoutError):
                channel.recv(timeout=0.1)
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        kept.close()
    assert pace.cut == 0


def test_too_many_laggards_lose_the_last_of_them(web: Api) -> None:
    token = str(web.as_role("technologist").headers["Authorization"])
    pace = Pace(stall_s=8.0, laggards_max=3, tick_s=0.05)  # whoever is behind by a quarter lags
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
    begun = head.encode() + b"Content-Length: 1000000\r\nContent-Type: application/dicom\r\n\r\nDICM"
    with served(web, lifespan="off", http=paced(pace)) as port:
        slow = [opened(port, begun) for _ in range(4)]
        until_cut(pace, 1)
        assert len(pace.laggards) <= 3
        for one in slow:
            one.close()


def test_a_slow_line_that_moves_is_never_behind() -> None:
    debt = Debt(Pace(bytes_a_second=4096))
    for _ in range(1000):
        debt.add(5.0, 5 * 5000)
    assert debt.behind_s == 0.0
    for _ in range(11):
        debt.add(5.0, 0)
    assert debt.behind_s == 55.0  # a stall that a line may have
    debt.add(5.0, 30 * 4096)
    assert debt.behind_s == 30.0
    for _ in range(60):
        debt.add(5.0, 5 * 1024)  # 1 KB/s: never still, and never done
    assert debt.behind_s > 200


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


def test_a_message_that_never_ends_is_given_up() -> None:
    server = MllpServer("127.0.0.1", 0, lambda message, address: message, message_s=0.5)
    server.start()
    try:
        with opened(server.address[1], b"\x0bMSH|whole\x1c\r") as sock:
            assert sock.recv(65536) == b"\x0bMSH|whole\x1c\r"
            time.sleep(0.7)  # silence between messages is no fault
            sock.sendall(b"\x0bMSH|")
            with pytest.raises(OSError):
                for _ in range(600):
                    sock.sendall(b"x")
                    time.sleep(0.05)
    finally:
        server.stop()
