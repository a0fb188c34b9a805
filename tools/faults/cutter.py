"""A network that is cut: passes bytes on, and at the byte where it is told to, resets every connection through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

TOWARDS, BACK = "towards", "back"


def to_port(port: int) -> Callable[[], socket.socket]:
    """Connects to a port of this machine."""
    return lambda: socket.create_connection(("127.0.0.1", port), 5)


def to_path(path: str) -> Callable[[], socket.socket]:
    """Connects to a Unix socket."""

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection

    return connect


@dataclass
class Cutter:
    """A listener on 127.0.0.1 in front of what `connect` reaches; use as a context manager.

    `arm` names the direction and how many more bytes pass before the cut; `passed` are the pieces since then, by direction.
    """

    connect: Callable[[], socket.socket]
    passed: dict[str, list[bytes]] = field(default_factory=dict)
    cuts: int = 0

    def __enter__(self) -> Cutter:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._direction, self._left = "", 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.arm("", 0)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        with self._lock:
            self._cut_all()

    def arm(self, direction: str, after_bytes: int) -> None:
        """Cuts once, after that many more bytes in that direction; with no direction it only counts."""
        with self._lock:
            self._direction, self._left = direction, after_bytes
            self.passed = {TOWARDS: [], BACK: []}

    @property
    def armed(self) -> bool:
        """Whether the cut is still to come."""
        return bool(self._direction)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = self.connect()
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for source, target, direction in ((near, far, TOWARDS), (far, near, BACK)):
                threading.Thread(target=self._pump, args=(source, target, direction), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            while piece := source.recv(1 << 16):
                with self._lock:
                    self.passed[direction].append(piece)
                    cut = direction == self._direction and len(piece) >= self._left
                    if cut:
                        piece = piece[: self._left]
                        self._direction, self.cuts = "", self.cuts + 1
                    elif direction == self._direction:
                        self._left -= len(piece)
                if piece:
                    target.sendall(piece)
                if cut:
                    with self._lock:
                        self._cut_all()
                    return
            target.shutdown(socket.SHUT_WR)
            with self._lock:
                if target.fileno() < 0 or source.fileno() < 0:
                    return

    def _cut_all(self) -> None:
        """RST, as from a router that restarts."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.shutdown(socket.SHUT_RD)  # wakes who reads it here
            with contextlib.suppress(OSError):
                one.close()
        self._open.clear()


def edges(pieces: list[bytes]) -> list[int]:
    """The places at and beside the ends of what passed in one go."""
    at, found = 0, {0, 1}
    for piece in pieces:
        at += len(piece)
        found |= {at - 1, at, at + 1}
    return sorted(place for place in found if 0 <= place < at)


def pdu_edges(pieces: list[bytes]) -> list[int]:
    """The places at and beside the ends of PDUs (PS3.8 9.3.1: a type, a reserved byte, four bytes of length)."""
    stream, at, found = b"".join(pieces), 0, {0, 1}
    while at + 6 <= len(stream):
        at += 6 + int.from_bytes(stream[at + 2 : at + 6], "big")
        found |= {at - 1, at, at + 1}
    return sorted(place for place in found if 0 <= place < len(stream))
