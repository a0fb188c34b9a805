"""MLLP over TLS with real sockets: who shows a good certificate is heard, and nobody else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from tls_fixtures import Authority

from wetread.hl7.framing import frame
from wetread.hl7.server import MllpServer
from wetread.kit.tls import TlsFiles, client_context, server_context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def heard() -> list[bytes]:
    return []


@pytest.fixture
def server(authority: Authority, heard: list[bytes]) -> Iterator[MllpServer]:
    def handle(message: bytes, address: str | None) -> bytes:
        heard.append(message)
        return b"MSA|AA|1"

    context = server_context(authority.issue("interface"))
    made = MllpServer("127.0.0.1", 0, handle, context=context)
    made.start()
    yield made
    made.stop()


def dial(server: MllpServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=20)


def wait_for_none(server: MllpServer) -> None:
    """Neither a connection nor its thread is left."""
    deadline = time.monotonic() + 15
    while server.connections or any(thread.name == "mllp-connection" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_message_is_answered_by_tls(server: MllpServer, authority: Authority, heard: list[bytes]) -> None:
    context = client_context(authority.issue("his"))
    with dial(server) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
        for number in range(3):
            secured.sendall(frame(b"MSH|^~\\&|%d" % number))
            assert secured.recv(4096) == frame(b"MSA|AA|1")
    assert len(heard) == 3
    wait_for_none(server)


def test_without_a_certificate_nothing_is_heard(
    server: MllpServer, authority: Authority, heard: list[bytes]
) -> None:
    context = client_context(TlsFiles(None, None, authority.path))
    with (
        dial(server) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        # In TLS 1.3 the client may speak before it is told that it is refused.
        secured.sendall(frame(b"MSH|^~\\&|1"))
        if not secured.recv(4096):
            raise ConnectionError
    assert heard == []
    wait_for_none(server)


def test_plain_talk_is_refused_and_leaves_no_thread(server: MllpServer, heard: list[bytes]) -> None:
    with dial(server) as plain:
        plain.sendall(frame(b"MSH|^~\\&|1"))
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(4096):
                pass
    assert heard == []
    wait_for_none(server)


def test_stopping_ends_an_idle_tls_connection(server: MllpServer, authority: Authority) -> None:
    context = client_context(authority.issue("idle"))
    with dial(server) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
        secured.sendall(frame(b"MSH|^~\\&|1"))
        assert secured.recv(4096)
        server.stop()
        assert server.connections == 0
