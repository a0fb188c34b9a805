"""An S3 server on this machine (moto), and a proxy before it that does what networks and stores do on bad days."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tools.ports import free_port

BUCKET = "images"
KEY, SECRET = "test-key", "test-secret"


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """moto as a process of its own, with an empty bucket; its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": "1000"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.put(f"{url}/{BUCKET}", timeout=5).raise_for_status()
                break
            assert process.poll() is None, "the S3 server ended"
            assert time.monotonic() < until, "the S3 server does not answer"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


FAULTS = (
    "503", "500", "cut-request", "lost-answer", "cut-answer", "slow", "crawl", "flip", "gone", "etag", "spoil",
)  # fmt: skip
_CRAWL_BYTES = 1024  # a second


@dataclass
class FaultyProxy:
    """Passes HTTP requests on; some of them go wrong, by the weights of `faults` (of 1). Counts what it did.

    503: SlowDown, not passed on; 500: the same as InternalError; cut-request: the connection is cut half-way through the
    request, before the store has it; lost-answer: the store does it, and the connection is cut before its answer;
    cut-answer: cut half-way through the answer's body; slow: the answer waits; crawl: 1 KB a second in both directions; flip: a
    bit of the answer's body changes; gone: what is read is said not to be there; etag: the answer has another ETag than the
    store's; spoil: the store keeps other bytes than it was given, and does not look at their checksum.
    `only`: a pattern that the request's head must match; `at_most`: how many go wrong.
    """

    target: str
    faults: dict[str, float] = field(default_factory=dict)
    seed: int = 1
    only: str = ""
    at_most: int = 1 << 30
    done: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> FaultyProxy:
        self._chance = random.Random(self.seed)
        self._lock = threading.Lock()
        self._host, port = self.target.removeprefix("http://").split(":")
        self._port = int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _choose(self, head: bytes) -> str:
        if self.only and not re.search(self.only.encode(), head):
            return ""
        with self._lock:
            if self.done.total() >= self.at_most:
                return ""
            at = self._chance.random()
            for name, weight in self.faults.items():
                at -= weight
                if at < 0:
                    self.done[name] += 1
                    return name
        return ""

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError):
            while self._one(client):
                pass

    def _one(self, client: socket.socket) -> bool:
        head, rest = _head(client)
        if not head:
            return False
        length = int(_header(head, b"content-length") or 0)
        fault = self._choose(head)
        if fault == "cut-request":
            _read(client, rest, length // 2)
            _reset(client)
            return False
        if b"expect: 100-continue" in head.lower():
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _read(client, rest, length, crawls=fault == "crawl")
        if fault == "spoil" and head.startswith(b"PUT ") and length:
            at = self._chance.randrange(length)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        if fault in ("503", "500"):
            code = "SlowDown" if fault == "503" else "InternalError"
            text = f"<Error><Code>{code}</Code></Error>".encode()
            client.sendall(
                f"HTTP/1.1 {fault} X\r\ncontent-type: application/xml\r\ncontent-length: {len(text)}\r\n\r\n".encode()
                + text
            )
            return True
        if fault == "gone" and head.startswith(b"GET ") and b"list-type" not in head:
            text = b"<Error><Code>NoSuchKey</Code></Error>"
            client.sendall(
                b"HTTP/1.1 404 X\r\ncontent-type: application/xml\r\ncontent-length: %d\r\n\r\n" % len(text)
                + text
            )
            return True
        with socket.create_connection((self._host, self._port)) as store:
            store.sendall(
                re.sub(rb"(?i)\r\nconnection:[^\r]*|\r\nexpect:[^\r]*", b"", head)[:-2]
                + b"connection: close\r\n\r\n"
                + body
            )
            answer = b""
            while piece := store.recv(1 << 16):
                answer += piece
        if fault == "lost-answer":
            _reset(client)
            return False
        if fault == "slow":
            time.sleep(0.3)
        end = answer.index(b"\r\n\r\n") + 4
        if fault == "cut-answer" and len(answer) > end + 1:
            client.sendall(answer[: end + (len(answer) - end) // 2])
            _reset(client)
            return False
        if fault == "flip" and len(answer) > end and b"GET" in head[:4] and b"list-type" not in head:
            at = end + self._chance.randrange(len(answer) - end)
            answer = answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1 :]
        if fault == "etag":
            answer = re.sub(rb'(?im)^(etag: *"?)([0-9a-f]{2})', rb"\1zz", answer[:end]) + answer[end:]
        if fault == "crawl":
            for at in range(0, len(answer), _CRAWL_BYTES):
                client.sendall(answer[at : at + _CRAWL_BYTES])
                time.sleep(1)
            return False
        client.sendall(answer)
        return False


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(1 << 16)
        if not piece:
            return b"", b""
        data += piece
    at = data.index(b"\r\n\r\n") + 4
    return data[:at], data[at:]


def _header(head: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"(?im)^" + name + rb":\s*([^\r]*)", head)
    return found.group(1) if found else None


def _read(client: socket.socket, begun: bytes, length: int, *, crawls: bool = False) -> bytes:
    data = begun
    if crawls:
        time.sleep(len(begun) / _CRAWL_BYTES)
    while len(data) < length:
        piece = client.recv(_CRAWL_BYTES if crawls else 1 << 16)
        if not piece:
            raise ValueError
        data += piece
        if crawls:
            time.sleep(1)
    if crawls and select.select([client], [], [], 0)[0]:
        raise ValueError  # who gave up waiting is gone: nothing is passed on for nobody
    return data


def _reset(client: socket.socket) -> None:
    # Closing with nothing lingering sends RST, as a router that restarts does.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def bucket_at(url: str) -> dict[str, Any]:
    """The settings of a store there, as WETREAD_STORES takes them."""
    return {
        "name": "bucket", "bucket": BUCKET, "endpoint": url, "access_key_id": KEY, "secret_access_key": SECRET,
        "timeout_s": 20,
    }  # fmt: skip


def settings_of(url: str, name: str = "bucket", **more: Any) -> Any:
    """The settings of a store in the bucket."""
    from wetread.kit.stores import stores_of

    return stores_of([bucket_at(url) | {"name": name} | more])[0]
