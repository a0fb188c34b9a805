"""Slow, silent and many clients at the DICOM node (L1 to L3): the others do not notice, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from wetread.dicom import pdu
from wetread.dicom.jsonmodel import encode
from wetread.dicom.sopclass import VERIFICATION
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN
from wetread.dimse import server
from wetread.dimse.client import Association, AssociationFailed, open_plain
from wetread.dimse.server import Node
from wetread.dimse.services import Found, Peer, StoreOutcome

CT = "1.2.840.10008.5.1.4.1.1.2"


class House:
    """Takes everybody, keeps nothing, counts."""

    def __init__(self) -> None:
        self.stored = 0
        self._lock = threading.Lock()

    def admit(self, caller: Any) -> Peer:
        rights = frozenset({"verify", "store", "find"})
        return Peer(caller.calling_ae_title, caller.called_ae_title, caller.network_address, rights)

    def transfer(self, _: Any) -> House:
        return self

    def open(self, *_: Any) -> House:
        return self

    def write(self, _: Any) -> None: ...

    def commit(self) -> StoreOutcome:
        with self._lock:
            self.stored += 1
        return StoreOutcome(0)

    def abort(self) -> None: ...

    def answered(self) -> None: ...

    def close(self) -> None: ...

    def find(self, *_: Any) -> Found:
        return Found([])


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def node(house: House) -> Iterator[Node]:
    made = Node(house, "127.0.0.1", 0)
    made.start()
    yield made
    made.close(grace_s=1)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def settled(node: Node, wanted: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not wanted():
        assert time.monotonic() < until
        time.sleep(0.05)


def echo(node: Node) -> float:
    began = time.perf_counter()
    with open_plain("127.0.0.1", node.port, "WETREAD", "CT1", [VERIFICATION]) as association:
        association.echo()
    return time.perf_counter() - began


def request() -> bytes:
    return pdu.build_associate_request(
        pdu.AssociateRequest(
            "WETREAD", "CT1", (pdu.ProposedContext(1, VERIFICATION, (EXPLICIT_VR_LITTLE_ENDIAN,)),)
        )
    )


def told(name: str, **figures: Any) -> None:
    print(f"\n{name}: " + ", ".join(f"{word} {value}" for word, value in figures.items()))


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "a byte now and then"])
def test_slow_strangers_are_sent_away_and_hold_up_nobody(
    node: Node, monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 3.0)
    before, threads = resident_mb(), threading.active_count()
    strangers = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(200)]
    ending = threading.Event()

    def drip() -> None:
        whole = request()
        for at in range(len(whole)):
            for one in strangers:
                with contextlib.suppress(OSError):
                    one.send(whole[at : at + 1])
            if ending.wait(0.3):
                return

    dripping = threading.Thread(target=drip)
    if drips:
        dripping.start()
    times = sorted(echo(node) for _ in range(20))
    grown = resident_mb() - before
    # All are gone after their time, whether or not something drips in.
    settled(node, lambda: threading.active_count() <= threads + drips)
    ending.set()
    if drips:
        dripping.join()
    for one in strangers:
        one.close()
    told("200 slow strangers", median_echo_ms=round(times[10] * 1000, 1), slowest_echo_ms=round(times[-1] * 1000, 1), grown_mb=round(grown, 1))  # fmt: skip
    assert grown < 150
    assert echo(node) > 0


def test_two_hundred_associations_and_the_one_too_many(node: Node, house: House) -> None:
    data = encode({"SOPClassUID": CT, "SOPInstanceUID": "1.2.3", "Rows": 512, "PixelData": bytes(10_000)})
    before = resident_mb()
    contexts = [(CT, [EXPLICIT_VR_LITTLE_ENDIAN]), (VERIFICATION, [EXPLICIT_VR_LITTLE_ENDIAN])]
    began = time.perf_counter()
    associations = [
        Association("127.0.0.1", node.port, "WETREAD", f"CT{number}", contexts)
        for number in range(server.ASSOCIATIONS_MAX)
    ]
    with pytest.raises(AssociationFailed, match=r"local limit exceeded \(result 2, source 3, reason 2\)"):
        Association("127.0.0.1", node.port, "WETREAD", "ONE_MORE", contexts)
    faults: list[Exception] = []

    def send(association: Association) -> None:
        try:
            for _ in range(5):
                answer = association.store(CT, generate_uid(), EXPLICIT_VR_LITTLE_ENDIAN, [data])
                assert answer.status == 0
            association.release()
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=send, args=(one,)) for one in associations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, grown = time.perf_counter() - began, resident_mb() - before
    told("200 associations", stored=house.stored, seconds=round(took, 1), grown_mb=round(grown))
    assert faults == []
    assert house.stored == 5 * server.ASSOCIATIONS_MAX
    settled(node, lambda: not node.open_associations())
    assert echo(node) > 0


def test_floods_leave_nothing_behind(node: Node) -> None:
    echo(node)
    gc.collect()
    threads, handles, before = threading.active_count(), descriptors(), resident_mb()
    began = time.perf_counter()
    for _ in range(2000):
        socket.create_connection(("127.0.0.1", node.port)).close()
    for number in range(400):
        association = open_plain("127.0.0.1", node.port, "WETREAD", "CT1", [VERIFICATION])
        association.release() if number % 4 else association.abort()
    for claimed in (2**30, 2**32 - 1):  # a PDU of a gigabyte is refused before its body is waited for
        with socket.create_connection(("127.0.0.1", node.port)) as sock:
            sock.sendall(struct.pack(">BxI", pdu.PduType.ASSOCIATE_RQ, claimed) + b"x" * 100)
            sock.settimeout(20)
            assert sock.recv(1) == bytes([pdu.PduType.ABORT])
    took = time.perf_counter() - began
    settled(node, lambda: threading.active_count() <= threads and not node.open_associations())
    gc.collect()
    grown = resident_mb() - before
    told("flood", seconds=round(took, 1), threads=f"{threading.active_count()} of {threads}", descriptors=f"{descriptors()} of {handles}", grown_mb=round(grown, 1))  # fmt: skip
    assert descriptors() <= handles + 5
    assert grown < 60
    assert echo(node) > 0


# PS3.8 table 9-10 as far as a requestor can drive it: what is not expected is answered by an abort, and the end.
_REQUEST, _RELEASE, _ABORT = request(), pdu.build_release_request(), pdu.build_abort()
_DATA = pdu.build_p_data(1, command=True, last=True, fragment=b"\0" * 12)
_ACCEPT = struct.pack(">BxI", pdu.PduType.ASSOCIATE_AC, 4) + bytes(4)
_REJECT = pdu.build_associate_reject(pdu.LOCAL_LIMIT_EXCEEDED)
_RELEASED = pdu.build_release_response()
_UNKNOWN = struct.pack(">BxI", 0x42, 4) + bytes(4)


def _answers(node: Node, *sent: bytes) -> list[int]:
    """Types of PDUs that come back until the end."""
    with socket.create_connection(("127.0.0.1", node.port)) as sock:
        sock.settimeout(20)
        for one in sent:
            sock.sendall(one)
        raw = b""
        while True:
            try:
                piece = sock.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            raw += piece
    kinds, at = [], 0
    while at < len(raw):
        kind, length = pdu.HEAD.unpack_from(raw, at)
        kinds.append(kind)
        at += 6 + length
    return kinds


@pytest.mark.parametrize(
    ("name", "sent"),
    [("data", _DATA), ("accept", _ACCEPT), ("reject", _REJECT), ("release", _RELEASE), ("released", _RELEASED), ("unknown", _UNKNOWN)],
)  # fmt: skip
def test_what_is_not_expected_before_an_association(node: Node, name: str, sent: bytes) -> None:
    assert _answers(node, sent) == [pdu.PduType.ABORT]


def test_an_abort_is_not_answered(node: Node) -> None:
    assert _answers(node, _ABORT) == []
    assert _answers(node, _REQUEST, _ABORT) == [pdu.PduType.ASSOCIATE_AC]


@pytest.mark.parametrize(
    ("name", "sent"),
    [("request", _REQUEST), ("data", _DATA), ("accept", _ACCEPT), ("reject", _REJECT), ("released", _RELEASED), ("unknown", _UNKNOWN)],
)  # fmt: skip
def test_what_is_not_expected_within_an_association(node: Node, name: str, sent: bytes) -> None:
    assert _answers(node, _REQUEST, sent) == [pdu.PduType.ASSOCIATE_AC, pdu.PduType.ABORT]


def test_the_way_it_should_go(node: Node) -> None:
    assert _answers(node, _REQUEST, _RELEASE) == [pdu.PduType.ASSOCIATE_AC, pdu.PduType.RELEASE_RP]
