"""Being told to end by a signal."""

from __future__ import annotations

import os
import select
import signal


class Ending:
    """Whether this process was told to end. Any thread may ask and wait.

    A signal's handler runs between two steps of whatever the main thread does just then. A `threading.Event` that it sets
    while the main thread waits for that very event finds its lock held, by the thread that is to release it, and the process
    never ends: so the handler takes no lock, and writes to a pipe that is never emptied.
    """

    def __init__(self) -> None:
        self._told = False
        self._readable, self._writable = os.pipe()

    def on(self, *numbers: signal.Signals) -> None:
        """From now on these signals are heard; called by the main thread."""
        for number in numbers:
            signal.signal(number, lambda *_: self.set())

    def set(self) -> None:
        """As if told by a signal."""
        if not self._told:  # two at once write two bytes, which does no harm
            self._told = True
            os.write(self._writable, b".")

    def is_set(self) -> bool:
        """True: it was told."""
        return self._told

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it is told, or so long; True: it was."""
        if not self._told:
            poll = select.poll()  # a number above 1023 is none for select(2)
            poll.register(self._readable, select.POLLIN)
            poll.poll(None if seconds is None else max(0.0, seconds) * 1000)
        return self._told

    def close(self) -> None:
        """Nobody waits any more."""
        os.close(self._readable)
        os.close(self._writable)
