"""The DICOM node by TLS (PS3.15 B.12), judged by DCMTK's tools and by Python's own TLS."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from fake_house import FakeHouse
from tls_fixtures import Authority

from archive_fixtures import package_file
from wetread.dicom.sopclass import STORAGE_CLASSES, STUDY_ROOT_FIND, VERIFICATION
from wetread.dimse.client import Association, AssociationFailed, open_plain
from wetread.dimse.server import Node
from wetread.kit.tls import PeerCertificate, TlsFiles, client_context, server_context

Serve = Callable[..., Node]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> TlsFiles:
    return authority.issue("archive")


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> TlsFiles:
    return authority.issue("CT1")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return Authority(tmp_path_factory.mktemp("other"), "Another authority").issue("CT1")


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
def serve(house: FakeHouse, server: TlsFiles) -> Iterator[Serve]:
    nodes: list[Node] = []

    def start(peer_certificate: PeerCertificate = "required") -> Node:
        context = server_context(server, peer_certificate)
        nodes.append(Node(house, "127.0.0.1", 0, tls_port=0, context=context))
        nodes[-1].start()
        return nodes[-1]

    yield start
    for node in nodes:
        node.close(grace_s=1)


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    assert shutil.which(command[0]), f"{command[0]} (Debian package dcmtk) is needed"
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def with_certificate(files: TlsFiles) -> list[str]:
    return ["+tls", str(files.key), str(files.certificate), "+cf", str(files.authorities)]


def echo(node: Node, *options: str) -> subprocess.CompletedProcess[str]:
    return tool("echoscu", "-v", "-to", "10", *options, "-aec", "WETREAD", "127.0.0.1", str(node.tls_port))


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def dicom_threads() -> int:
    return sum(thread.name == "dicom" for thread in threading.enumerate())


# BCP 195, its non-downgrading form, and the stricter one: what peers may insist on (PS3.15 B.9 to B.13).
@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_every_bcp_195_profile_of_a_peer_is_spoken(serve: Serve, scanner: TlsFiles, profile: str) -> None:
    done = echo(serve(), profile, *with_certificate(scanner))
    assert done.returncode == 0, done.stdout + done.stderr


def test_retired_profiles_are_refused(serve: Serve, scanner: TlsFiles) -> None:
    node = serve()
    # AES with CBC and a key exchange by RSA (B.3), and no encryption at all (B.1): neither is forward secret.
    for suite in ("TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_NULL_SHA"):
        done = echo(node, "+pa" if "AES" in suite else "+pn", "+cs", suite, *with_certificate(scanner))
        assert done.returncode != 0, suite
    assert echo(node, *with_certificate(scanner)).returncode == 0


def test_storescu_sends_by_tls_and_the_house_sees_whose_certificate_it_was(
    serve: Serve, house: FakeHouse, scanner: TlsFiles
) -> None:
    path = package_file("MR_small.dcm")
    done = tool(
        "storescu", "-v", *with_certificate(scanner), "-aec", "WETREAD", "127.0.0.1", str(serve().tls_port), str(path)
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = house.kept.values()
    assert kept.sop_instance_uid == pydicom.dcmread(path).SOPInstanceUID
    assert len(kept.data) > 8000
    assert [caller.certificate_names for caller in house.callers] == [("CT1", "localhost", "127.0.0.1")]
    assert house.callers[0].encrypted


@pytest.mark.parametrize("protocol", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_pass_an_object_of_many_records_unchanged(
    serve: Serve, house: FakeHouse, scanner: TlsFiles, protocol: ssl.TLSVersion
) -> None:
    context = client_context(scanner)
    context.minimum_version = context.maximum_version = protocol
    data = os.urandom(3_000_001)
    ct, syntax = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
    assert ct in STORAGE_CLASSES
    with Association(
        "127.0.0.1", serve().tls_port, "WETREAD", "ME", [(ct, (syntax,))], tls=context
    ) as association:
        assert association.store(ct, "1.2.3", syntax, [data]).status == 0
    assert house.kept["1.2.3"].data == data


def test_a_find_is_cancelled_by_tls(serve: Serve, house: FakeHouse, scanner: TlsFiles) -> None:
    house.matches = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{n}"]}} for n in range(5000)]
    done = tool(
        "findscu", "-v", "-S", "--cancel", "3", *with_certificate(scanner), "-aec", "WETREAD", "127.0.0.1",
        str(serve().tls_port), "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID",
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "Cancel" in said
    assert said.count("Find Response") < 5000


def test_a_client_without_a_certificate_is_refused_where_one_is_required(
    serve: Serve, house: FakeHouse, server: TlsFiles
) -> None:
    node = serve("required")
    assert echo(node, "+tla", "+cf", str(server.authorities)).returncode != 0
    assert house.callers == []
    assert echo(serve("optional"), "+tla", "+cf", str(server.authorities)).returncode == 0
    assert house.callers[0].certificate_names == ()
    assert house.callers[0].encrypted


@pytest.mark.parametrize("wanted", ["required", "optional"])
def test_a_certificate_of_another_authority_is_refused(
    serve: Serve, house: FakeHouse, server: TlsFiles, stranger: TlsFiles, wanted: PeerCertificate
) -> None:
    shown = TlsFiles(stranger.certificate, stranger.key, server.authorities)
    done = echo(serve(wanted), *with_certificate(shown))
    assert done.returncode != 0
    assert house.callers == []
    with pytest.raises(AssociationFailed):
        open_plain(
            "127.0.0.1", serve(wanted).tls_port, "WETREAD", "ME", [VERIFICATION], tls=client_context(shown)
        )
    assert house.callers == []


def test_an_expired_certificate_is_refused(serve: Serve, house: FakeHouse, authority: Authority) -> None:
    assert echo(serve(), *with_certificate(authority.issue("OLD", expired=True))).returncode != 0
    assert house.callers == []


def test_our_client_refuses_a_server_of_another_authority(
    serve: Serve, scanner: TlsFiles, stranger: TlsFiles
) -> None:
    context = client_context(TlsFiles(scanner.certificate, scanner.key, stranger.authorities))
    with pytest.raises(AssociationFailed, match="certificate not accepted"):
        open_plain("127.0.0.1", serve().tls_port, "WETREAD", "ME", [STUDY_ROOT_FIND], tls=context)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_not_spoken(serve: Serve) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", serve("none").tls_port), timeout=10) as sock,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(sock)


def test_plain_talk_on_the_tls_door_ends_at_once_and_leaves_no_thread(serve: Serve, house: FakeHouse) -> None:
    node = serve()
    before = dicom_threads()
    done = tool("echoscu", "-v", "-to", "10", "-aec", "WETREAD", "127.0.0.1", str(node.tls_port))
    assert done.returncode != 0
    with socket.create_connection(("127.0.0.1", node.tls_port), timeout=30) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):  # what was not read when it closed makes it one
            while sock.recv(4096):
                pass
    assert house.callers == []
    wait_for(lambda: dicom_threads() == before)
    assert house.strangers == ["wrong version number", "http request"]


def test_tls_on_the_plain_door_is_a_malformed_pdu(serve: Serve, house: FakeHouse, scanner: TlsFiles) -> None:
    node = serve()
    done = tool("echoscu", "-v", *with_certificate(scanner), "-aec", "WETREAD", "127.0.0.1", str(node.port))
    assert done.returncode != 0
    assert house.callers == []


def test_a_silent_handshake_is_cut_and_holds_nobody_up(
    serve: Serve, scanner: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wetread.dimse.server.REQUEST_S", 1.0)
    node = serve()
    silent = [socket.create_connection(("127.0.0.1", node.tls_port), timeout=30) for _ in range(5)]
    try:
        assert echo(node, *with_certificate(scanner)).returncode == 0
        for sock in silent:
            assert sock.recv(1) == b""
    finally:
        for sock in silent:
            sock.close()
    wait_for(lambda: dicom_threads() == 0)
