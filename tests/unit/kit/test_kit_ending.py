"""A process that is told to end ends, whatever its main thread does at that moment."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from wetread.kit.ending import Ending


@pytest.fixture
def ending() -> Iterator[Ending]:
    before = signal.getsignal(signal.SIGUSR1)
    one = Ending()
    one.on(signal.SIGUSR1)
    yield one
    signal.signal(signal.SIGUSR1, before)
    one.close()


def told_at(step: int, ending: Ending) -> bool:
    """Waits, and is told at the so manieth line that runs meanwhile; False: it has fewer."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        if event == "line" and lines == step:
            signal.raise_signal(signal.SIGUSR1)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ending.wait(0.01)
    finally:
        sys.settrace(before)
    return lines >= step


@pytest.mark.timeout(30)
def test_a_signal_is_heard_at_whatever_step_of_waiting_it_comes() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    step = 1
    try:
        while True:
            ending = Ending()
            ending.on(signal.SIGUSR1)
            reached = told_at(step, ending)
            assert ending.is_set() is reached
            ending.close()
            if not reached:
                break
            step += 1
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert step > 3


def test_who_waits_in_another_thread_is_told_too(ending: Ending) -> None:
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(ending.wait(60)))
    waiting.start()
    signal.raise_signal(signal.SIGUSR1)
    waiting.join(30)
    assert heard == [True]
    assert ending.wait()


def test_nobody_is_told_what_was_not_said(ending: Ending) -> None:
    began = time.monotonic()
    assert ending.wait(0.05) is False
    assert time.monotonic() - began >= 0.05
    assert not ending.is_set()
