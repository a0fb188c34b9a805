"""Mends two faults in the peer that many tests play with.

pynetdicom 3.0 stops its reactor thread before it asks something by clearing an event, and looks at a flag to see that the
thread stands. The flag is lowered only after the thread has left the event's `wait`: asked twice in a row, or on a busy
machine, it takes a thread that is just leaving for one that stands, and that thread then swallows the answer ("Received
unexpected C-FIND service message"). Here `clear` returns only when the thread really waits.

It also asks `select` whether something can be read, which knows file descriptors below 1,024 alone: in a process that has
more, as one with many archives, it takes every connection for closed. Here it is `poll` that is asked.
"""

from __future__ import annotations

import select
import threading
from types import SimpleNamespace
from typing import Any

from pynetdicom import transport
from pynetdicom.association import Association

_OWN_THREAD_S = 0.5  # what the reactor itself asks, e.g. in a handler, cannot wait for the reactor


class Checkpoint:
    """As much of threading.Event as an association uses."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._is_set = True
        self._waiter: threading.Thread | None = None

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        with self._condition:
            self._is_set, self._waiter = True, None
            self._condition.notify_all()

    def clear(self) -> None:
        with self._condition:
            self._is_set = False
            self._condition.wait_for(lambda: self._waiter is not None or self._is_set, _OWN_THREAD_S)

    def wait(self, timeout: float | None = None) -> bool:
        with self._condition:
            while not self._is_set:
                self._waiter = threading.current_thread()
                self._condition.notify_all()
                self._condition.wait()
        return True


def _select(
    readers: list[Any], writers: list[Any], errors: list[Any], timeout: float | None = None
) -> tuple[list[Any], list[Any], list[Any]]:
    """select.select for what is to be read."""
    assert not writers and not errors
    poll = select.poll()
    by_number = {reader.fileno(): reader for reader in readers}
    for number in by_number:
        poll.register(number, select.POLLIN)  # ValueError for what was closed, as from select
    found = poll.poll(None if timeout is None else timeout * 1000)
    return [by_number[number] for number, _ in found], [], []


def _mend() -> None:
    transport.select = SimpleNamespace(select=_select)
    begin = Association.__init__

    def init(self: Association, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self._reactor_checkpoint = Checkpoint()

    if begin.__name__ != "init":
        Association.__init__ = init


_mend()
