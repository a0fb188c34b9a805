"""The node as the process it is, `wetread part node`, with every door open: settings become what peers meet."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from tls_fixtures import Authority
from tools.ports import free_port

from wetread.app.serve import Supervisor
from wetread.archive.peers import running_nodes
from wetread.archive.service import Archive
from wetread.dicom.sopclass import VERIFICATION
from wetread.dimse.client import AssociationFailed, open_plain
from wetread.hl7.framing import frame
from wetread.kit.config import load_settings
from wetread.kit.tls import TlsFiles, client_context
from wetread.security.service import Actor

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def two(archive: Archive, tmp_path: Path) -> Iterator[tuple[list[subprocess.Popen[bytes]], int]]:
    """Two processes of the node at one door, as the supervisor starts them, and its port."""
    settings = load_settings(
        {
            "WETREAD_DATA": str(tmp_path),
            "WETREAD_DATABASE_URL": archive.offices.database.url,
            "WETREAD_DICOM_PORT": str(free_port()),
            "WETREAD_HL7_PORT": str(free_port()),
            "WETREAD_ACCEPT_ANY_LOOPBACK_AE": "true",
            "WETREAD_NODE_PROCESSES": "2",
            "WETREAD_ROLES": "dicom,hl7",
        }
    )
    supervisor = Supervisor(settings)
    supervisor.open_doors()
    for part in supervisor.parts:
        supervisor.start(part)
    yield [part.process for part in supervisor.parts if part.process is not None], settings.dicom_port
    supervisor.end()


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    authority: Authority
    ports: dict[str, int]


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except (OSError, AssociationFailed):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def running(archive: Archive, tmp_path: Path) -> Iterator[Running]:
    authority = Authority(tmp_path)
    own = authority.issue("archive")
    ports = {name: free_port() for name in ("dicom", "dicom_tls", "hl7", "hl7_tls")}
    data = tmp_path / "data"
    data.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "WETREAD_DATA": str(data),
        "WETREAD_DATABASE_URL": archive.offices.database.url,
        "WETREAD_PEER_TLS_CERTIFICATE": str(own.certificate),
        "WETREAD_PEER_TLS_KEY": str(own.key),
        "WETREAD_PEER_TLS_AUTHORITIES": str(own.authorities),
        **{f"WETREAD_{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    with (tmp_path / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "wetread", "part", "node"], env=environment, stdout=log, stderr=log
        )
        try:
            yield Running(process, authority, ports)
        finally:
            process.kill()
            process.wait()


def echo(port: int, context: Any = None) -> bool:
    with open_plain("127.0.0.1", port, "WETREAD", "CT1", [VERIFICATION], tls=context) as association:
        association.echo()
    return True


def test_every_door_speaks_as_it_was_set_and_the_web_sees_who_is_there(
    running: Running, add_peer: Any, archive: Archive
) -> None:
    add_peer("CT1")
    scanner = client_context(running.authority.issue("CT1"))
    assert wait_for(lambda: echo(running.ports["dicom_tls"], scanner))
    assert echo(running.ports["dicom"])
    with pytest.raises(AssociationFailed):
        echo(running.ports["dicom_tls"], client_context(TlsFiles(None, None, running.authority.path)))
    with (
        socket.create_connection(("127.0.0.1", running.ports["hl7_tls"]), timeout=20) as plain,
        scanner.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(frame(b"MSH|^~\\&|HIS|CITY|WETREAD|RIV|20261125||ADT^A01|7|P|2.3.1\r"))
        assert b"|7" in secured.recv(4096)

    def seen() -> Any:
        with archive.offices.work(Actor.system("test")) as work:
            return [one for node in running_nodes(work) for one in node.associations]

    with open_plain(
        "127.0.0.1", running.ports["dicom_tls"], "WETREAD", "CT1", [VERIFICATION], tls=scanner
    ) as one:
        one.echo()
        (told,) = wait_for(seen)
    assert (told["calling_ae_title"], told["encrypted"]) == ("CT1", True)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
    with archive.offices.work(Actor.system("test")) as work:
        assert running_nodes(work) == []


def test_two_processes_share_a_door_and_one_that_dies_takes_its_own_callers_alone(
    two: tuple[list[subprocess.Popen[bytes]], int], archive: Archive
) -> None:
    processes, port = two
    assert len(processes) == 2

    def seen() -> dict[str, int]:
        with archive.offices.work(Actor.system("test")) as work:
            return {node.node.split(":")[-1]: len(node.associations) for node in running_nodes(work)}

    wait_for(lambda: len(seen()) == 2)
    with ExitStack() as stack:
        callers = []
        for _ in range(40):
            callers.append(
                stack.enter_context(open_plain("127.0.0.1", port, "WETREAD", "CT1", [VERIFICATION]))
            )
            callers[-1].echo()
        told = wait_for(lambda: found if sum((found := seen()).values()) == 40 else None)
        assert set(told) == {str(process.pid) for process in processes}
        assert min(told.values()) >= 10
        killed, left = processes
        killed.kill()
        killed.wait()
        alive = 0
        for caller in callers:
            try:
                caller.echo()
                alive += 1
            except AssociationFailed:
                pass
        assert alive == told[str(left.pid)]
        assert all(echo(port) for _ in range(8))
    # One that is told to end leaves the door open for others: none is left, so who calls waits for one that is started.
    left.send_signal(signal.SIGTERM)
    assert left.wait(60) == 0
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        pass
