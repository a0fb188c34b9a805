"""Processes that die at any instant, and begin in one: a process that has everything imported forks them.

To import the house takes seconds of work, which each process that is started for being killed would spend again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Self

_TESTS = Path(__file__).parent
_PR_SET_PDEATHSIG = 1


def fork_when_told(run: Callable[[], None]) -> None:
    """In the process that forks, once all is imported and before there are threads: at a line that it reads it forks a child
    that runs, at the next one it kills the child, and says `gone` when it is."""
    for _ in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _be(run)
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)  # waited for by nobody yet: it cannot be another process
        os.waitpid(child, 0)
        say("gone")


def _be(run: Callable[[], None]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        run()
    except BaseException:
        traceback.print_exc()
    os._exit(0)


def say(line: str) -> None:
    """A line that the test reads."""
    os.write(1, f"{line}\n".encode())


class Mortal:
    """A child of a Python program that ends in `fork_when_told`; one at a time."""

    def __init__(self, *program: str) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS.parent / "src"), str(_TESTS)])},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of it is left."""
        self._parent.communicate()

    def begin(self) -> str:
        """What a new child says first."""
        self._tell()
        return self._read()

    def kill(self) -> list[str]:
        """SIGKILL; what else it said, when it is gone."""
        self._tell()
        return list(iter(self._read, "gone"))

    def _tell(self) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write("\n")
        self._parent.stdin.flush()

    def _read(self) -> str:
        assert self._parent.stdout is not None
        line = self._parent.stdout.readline()
        assert line, "the process that forks has ended"
        return line.rstrip("\n")
