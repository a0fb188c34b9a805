"""Writes that a file system takes only in part (write(2): "may be less than count"): `short`, and the rest when it is asked
again; `torn`, and with the next call the disk is full. What is written to sockets and pipes stays as it is."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ACTIONS = ("short", "torn")
_CALLS = ("write", "writev", "pwrite", "pwritev")
real = {name: getattr(os, name) for name in _CALLS}


@contextlib.contextmanager
def taken_in_part(action: str, number: int, log: Path | None = None) -> Iterator[list[str]]:
    """Within, the `number`-th write of this process to a file (0: each) writes half of what it is given. Gives the list of
    what fired; each call is noted in `log` like a failpoint. The calls are those of `os`, not those of `io`."""
    lock = threading.Lock()
    fired: list[str] = []
    calls, full = 0, False

    def acts(name: str, descriptor: int, length: int) -> str:
        nonlocal calls, full
        if length < 2 or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        with lock:
            calls += 1
            act = ""
            if full:
                act, full = "full", False
            elif number in (0, calls):
                act, full = action, action == "torn"
            if log is not None:
                with log.open("a") as notes:
                    notes.write(f"os.{name} {act or '-'}\n")
            if act:
                fired.append(f"os.{name}")
        return act

    def one(name: str) -> Any:
        def call(descriptor: int, data: Any, *rest: int) -> int:
            parts: Sequence[Any] = data if name.endswith("v") else [data]
            whole = b"".join(parts)
            act = acts(name, descriptor, len(whole))
            if act == "full":
                raise OSError(errno.ENOSPC, "a write was torn before")
            if not act:
                return int(real[name](descriptor, data, *rest))
            some = whole[: len(whole) // 2]
            return int(real[name.removesuffix("v")](descriptor, some, *rest))

        return call

    for name in _CALLS:
        setattr(os, name, one(name))
    try:
        yield fired
    finally:
        for name in _CALLS:
            setattr(os, name, real[name])
