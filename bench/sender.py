"""A C-STORE sender that costs less than any server: objects wait in memory, PDUs are cut beforehand.

`python -m bench.sender HOST PORT CALLED_AE FILE…` loads the files and associates, prints `ready`, waits for a line, sends
all of them one after the other as a scanner does, and prints how many seconds the acknowledgements took.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

_PDU_BYTES = 131_072
_SUCCESS = 0
_STORE_RQ, _HAS_DATA_SET = 0x0001, 0x0000


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _associate_request(called: str) -> bytes:
    context = struct.pack(">BBBB", 1, 0, 0, 0)
    context += _item(0x30, CTImageStorage.encode()) + _item(0x40, ExplicitVRLittleEndian.encode())
    user = _item(0x51, struct.pack(">I", _PDU_BYTES)) + _item(0x52, b"1.2.826.0.1.3680043.10.999.1")
    body = struct.pack(">HH", 1, 0) + called.encode().ljust(16) + b"BENCH".ljust(16) + bytes(32)
    body += _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, context) + _item(0x50, user)
    return struct.pack(">BBI", 1, 0, len(body)) + body


def _element(number: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, number, len(value)) + value


def _command(message_id: int, sop_instance_uid: bytes) -> bytes:
    body = b"".join(
        (
            _element(0x0002, CTImageStorage.encode()),
            _element(0x0100, struct.pack("<H", _STORE_RQ)),
            _element(0x0110, struct.pack("<H", message_id)),
            _element(0x0700, struct.pack("<H", 0)),
            _element(0x0800, struct.pack("<H", _HAS_DATA_SET)),
            _element(0x1000, sop_instance_uid),
        )
    )
    return _element(0x0000, struct.pack("<I", len(body))) + body


def _pdus(data: bytes, *, command: bool) -> bytes:
    room = _PDU_BYTES - 12
    out = []
    for at in range(0, len(data), room):
        part = data[at : at + room]
        control = int(command) | (2 if at + room >= len(data) else 0)
        out.append(struct.pack(">BBIIBB", 4, 0, len(part) + 6, len(part) + 2, 1, control) + part)
    return b"".join(out)


def _message(number: int, path: Path) -> bytes:
    """The PDUs of one object, from a Part 10 file that `bench.corpus` wrote."""
    data = path.read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    at = data.index(b"\x02\x00\x03\x00UI")
    (length,) = struct.unpack_from("<H", data, at + 6)
    uid = data[at + 8 : at + 8 + length].rstrip(b"\0")
    return _pdus(_command(number % 65535 + 1, uid), command=True) + _pdus(data[start:], command=False)


class _Peer:
    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), 120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._waiting = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBI", self._exactly(6))
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        while len(self._waiting) < count:
            more = self._socket.recv(65_536)
            if not more:
                raise SystemExit("The server closed the association.")
            self._waiting += more
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


def _status(body: bytes) -> int:
    at = 6  # behind the head of the one PDV
    while at < len(body):
        group, element, length = struct.unpack_from("<HHI", body, at)
        if (group, element) == (0x0000, 0x0900):
            (status,) = struct.unpack_from("<H", body, at + 8)
            return int(status)
        at += 8 + length
    raise SystemExit("The answer has no Status.")


def main() -> None:
    """See above. Exits with 1 where anything but success is answered."""
    host, port, called, *files = sys.argv[1:]
    messages = [_message(number, Path(name)) for number, name in enumerate(files)]
    peer = _Peer(host, int(port))
    peer.send(_associate_request(called))
    kind, _ = peer.receive()
    if kind != 2:
        raise SystemExit("The association was refused.")
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    for message in messages:
        peer.send(message)
        kind, body = peer.receive()
        if kind != 4 or _status(body) != _SUCCESS:
            raise SystemExit("An object was not stored.")
    print(time.perf_counter() - begun, flush=True)
    peer.send(struct.pack(">BBII", 5, 0, 4, 0))
    peer.receive()


if __name__ == "__main__":
    main()
