"""A house in memory behind the DICOM node, for tests of the protocol alone."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from wetread.dicom.message import Status
from wetread.dicom.pdu import CALLED_AE_NOT_RECOGNIZED, CALLING_AE_NOT_RECOGNIZED, Rejection
from wetread.dimse.services import (
    Caller,
    Destination,
    FindOptions,
    Found,
    JsonDict,
    Peer,
    RefusedOperation,
    RetrieveItem,
    StoreOutcome,
)

RIGHTS = frozenset({"verify", "store", "find", "move", "get", "worklist", "mpps"})


@dataclass
class Kept:
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data: bytes

    def chunks_in(self, transfer_syntax_uid: str) -> Iterable[bytes]:
        raise ValueError("nothing is transcoded here")

    def chunks(self) -> Iterable[bytes]:
        for at in range(0, len(self.data), 100_000):
            yield self.data[at : at + 100_000]


@dataclass
class FakeHouse:
    """Fulfils NodeServices."""

    kept: dict[str, Kept] = field(default_factory=dict)
    aborted: int = 0
    closed: int = 0
    identifiers: list[JsonDict] = field(default_factory=list)
    matches: list[JsonDict] = field(default_factory=list)
    destinations: dict[str, Destination] = field(default_factory=dict)
    steps: dict[str, JsonDict] = field(default_factory=dict)
    sent: list[tuple[str, int]] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    discard: bool = False
    lock: Any = field(default_factory=threading.Lock)

    def admit(self, caller: Caller) -> Peer | Rejection:
        calling, called, address = caller.calling_ae_title, caller.called_ae_title, caller.network_address
        self.callers.append(caller)
        if called != "WETREAD":
            return CALLED_AE_NOT_RECOGNIZED
        if calling == "STRANGER":
            return CALLING_AE_NOT_RECOGNIZED
        if calling == "NODATABASE":
            raise OSError("the database is away")
        return Peer(calling, called, address, RIGHTS)

    def not_authenticated(self, network_address: str, reason: str) -> None:
        self.strangers.append(reason)

    def transfer(self, peer: Peer) -> FakeTransfer:
        return FakeTransfer(self)

    def find(self, peer: Peer, level: str, identifier: JsonDict, options: FindOptions) -> Found:
        self.identifiers.append(identifier)
        return Found(self.matches)

    def retrieve(self, peer: Peer, level: str, identifier: JsonDict) -> Sequence[RetrieveItem]:
        self.identifiers.append(identifier)
        return list(self.kept.values())

    def retrieved(self, peer: Peer, items: Sequence[RetrieveItem], destination: str) -> None:
        self.sent.append((destination, len(items)))

    def destination(self, ae_title: str) -> Destination | None:
        return self.destinations.get(ae_title)

    def worklist(self, peer: Peer, identifier: JsonDict) -> Iterator[JsonDict]:
        self.identifiers.append(identifier)
        yield from self.matches

    def create_performed_step(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None:
        if sop_instance_uid in self.steps:
            raise RefusedOperation(Status.DUPLICATE_SOP_INSTANCE, "this step exists")
        self.steps[sop_instance_uid] = attributes

    def set_performed_step(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None:
        if sop_instance_uid not in self.steps:
            raise RefusedOperation(Status.NO_SUCH_SOP_INSTANCE, "no such step")
        state = self.steps[sop_instance_uid]["00400252"]["Value"][0]
        if state != "IN PROGRESS":
            raise RefusedOperation(Status.PROCESSING_FAILURE, "the step is in a final state")
        self.steps[sop_instance_uid].update(attributes)


@dataclass
class FakeTransfer:
    house: FakeHouse

    def answered(self) -> None:
        pass

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> FakeSink:
        return FakeSink(
            self.house, Kept(sop_class_uid, sop_instance_uid, transfer_syntax_uid, b""), bytearray()
        )

    def close(self) -> None:
        self.house.closed += 1


@dataclass
class FakeSink:
    house: FakeHouse
    item: Kept
    buffer: bytearray

    def write(self, fragment: memoryview) -> None:
        if not self.house.discard:
            self.buffer += fragment

    def commit(self) -> StoreOutcome:
        self.item.data = bytes(self.buffer)
        with self.house.lock:
            self.house.kept[self.item.sop_instance_uid] = self.item
        return StoreOutcome(0)

    def abort(self) -> None:
        self.house.aborted += 1
