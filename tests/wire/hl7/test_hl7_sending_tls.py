"""Sending by TLS: to a receiver with a good certificate of the right name, and not a byte of the message to any other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from tls_fixtures import Authority

from wetread.hl7 import client, jobs
from wetread.hl7.client import NoAcknowledgment, send, use_context
from wetread.hl7.server import MllpServer
from wetread.kit.tls import TlsFiles, client_context, server_context
from wetread.security.service import Actor, Offices
from wetread.sharing import messages_service as queue

MESSAGE = b"MSH|^~\\&|WETREAD|EAST|HIS|EAST|20261125||ORU^R01^ORU_R01|C1|P|2.5.1\rPID|1\r"
ANSWER = b"MSH|^~\\&|HIS|EAST|WETREAD|EAST|20261125||ACK^R01|9|P|2.5.1\rMSA|AA|C1\r"
ADMIN = Actor.system("admin")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "Strange authority")


@pytest.fixture
def ours(authority: Authority) -> Iterator[TlsFiles]:
    files = authority.issue("wetread")
    use_context(lambda encrypted: client_context(files) if encrypted else None)
    yield files
    client._contexts.clear()


@contextmanager
def receiver(files: TlsFiles | None) -> Iterator[tuple[int, list[bytes]]]:
    """A listener that answers every message; its port and what it heard."""
    heard: list[bytes] = []

    def handle(message: bytes, address: str | None) -> bytes:
        heard.append(message)
        return ANSWER

    made = MllpServer("127.0.0.1", 0, handle, context=None if files is None else server_context(files))
    made.start()
    try:
        yield made.address[1], heard
    finally:
        made.stop()


def send_to(port: int, **more: Any) -> Any:
    return send("127.0.0.1", port, MESSAGE, context=client.encrypted(), **more)


def test_a_good_receiver_gets_the_message(authority: Authority, ours: TlsFiles) -> None:
    with receiver(authority.issue("his")) as (port, heard):
        assert send_to(port).accepted
        assert send_to(port, certificate_name="localhost").accepted
    assert heard == [MESSAGE] * 2


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("stranger", "certificate not accepted: "),
        ("expired", "certificate not accepted: certificate has expired"),
        ("name", "certificate not accepted: Hostname mismatch"),
        ("plain", "no TLS with 127.0.0.1"),
    ],
)
def test_who_cannot_prove_himself_hears_nothing(
    authority: Authority, stranger: Authority, ours: TlsFiles, kind: str, words: str
) -> None:
    files = {
        "stranger": stranger.issue("his"),
        "expired": authority.issue("old", expired=True),
        "name": authority.issue("his"),
        "plain": None,
    }[kind]
    name = "results.hospital.example" if kind == "name" else None
    with receiver(files) as (port, heard), pytest.raises(NoAcknowledgment) as refused:
        send_to(port, certificate_name=name)
    assert words in str(refused.value)
    assert not any(b"PID" in one for one in heard)


def test_without_a_usable_certificate_of_ours_nothing_is_sent(tmp_path: Path) -> None:
    use_context(
        lambda encrypted: client_context(TlsFiles(tmp_path / "none.pem", tmp_path / "none.key", None))
    )
    with pytest.raises(NoAcknowledgment, match=r"no TLS from here, the certificate .* is not there"):
        client.encrypted()


def test_the_queue_sends_by_tls_and_keeps_what_was_refused(
    offices: Offices, authority: Authority, stranger: Authority, ours: TlsFiles
) -> None:
    def due(port: int, files_name: str | None = None) -> int:
        with offices.work(ADMIN) as work:
            given = queue.ReceiverInput(
                "HIS", "127.0.0.1", port, is_encrypted=True, certificate_name=files_name
            )
            known = queue.receivers(work)
            made = queue.save_receiver(work, given, known[0].interface_receiver_pk if known else None)
            if not known:
                queue.enqueue(
                    work, made, content=MESSAGE, message_type="ORU^R01", message_control_id="C1",
                    source_key="report:1:1", patient_pk=None, accession_number=None,
                )  # fmt: skip
            return made.interface_receiver_pk

    def deliver(key: int) -> Any:
        with offices.work(ADMIN) as work:
            jobs.deliver(work, key)
        with offices.work(ADMIN) as work:
            (one,) = queue.receivers(work)
            return one

    with receiver(stranger.issue("his")) as (port, heard):
        told = deliver(due(port))
        assert heard == []
        assert "certificate not accepted" in told.last_error
    with receiver(authority.issue("his")) as (port, heard):
        told = deliver(due(port))
    assert heard == [MESSAGE]
    assert (told.last_error, told.last_delivered_at is not None) == (None, True)
