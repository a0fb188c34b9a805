"""Ports for servers that are started again and again at the same place.

A port that the kernel chose is one of those that it gives to whoever calls somebody: while its server is down, a caller of
anybody on this machine may get it, and the server cannot come back. These are none of them, and no two runs have the same.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_FIRST, _LAST = 20_000, 32_700
_held: dict[int, int] = {}
"""Port to the lock that this process holds on it, until it ends."""


def _last() -> int:
    """The last below those that callers get."""
    try:
        given = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return _LAST
    return min(_LAST, int(given[0]) - 1)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, for this process alone. Raises OSError where there is none."""
    folder = Path(tempfile.gettempdir()) / f"wetread-ports-{os.geteuid()}"
    folder.mkdir(exist_ok=True)
    last = _last()
    ports = range(_FIRST, last + 1) if last > _FIRST + 100 else range(10_000, 20_000)
    for port in random.SystemRandom().sample(ports, len(ports)):
        if port in _held:
            continue
        lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does
                probe.bind(("127.0.0.1", port))
                probe.listen()
        except OSError:
            os.close(lock)
            continue
        _held[port] = lock
        return port
    raise OSError("no port is free")
