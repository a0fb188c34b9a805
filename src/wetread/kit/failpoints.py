"""Named places between durable steps, at which a test lets the process die or the step fail.

They do nothing, and cost a look at one variable, unless TEST_FAILPOINTS is set: `name=action@n`, comma between several;
`*` as the name counts the calls of all. The n-th call dies (`exit`: at once, nothing is flushed or told) or raises (`EIO`,
`ENOSPC`: OSError; `timeout`: TimeoutError); `count` only notes. With TEST_FAILPOINTS_LOG each call is noted in that file
before it acts, so that whoever moves n on sees when none fires any more.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

_EXIT_CODE = 70
_ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}


class _Plan:
    def __init__(self, text: str, log: str | None) -> None:
        self._actions: dict[str, tuple[str, int]] = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, _, rest = item.partition("=")
            action, _, number = rest.partition("@")
            if action not in {"exit", "timeout", "count", *_ERRORS}:
                raise ValueError(f"TEST_FAILPOINTS: {action!r} is no action")
            self._actions[name] = (action, int(number or 1))
        self._log = Path(log) if log else None
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        with self._lock:
            fires = ""
            for counted in (name, "*"):
                self._calls[counted] += 1
                action, number = self._actions.get(counted, ("count", 0))
                if self._calls[counted] == number:
                    fires = action
            if self._log is not None:
                with self._log.open("a") as log:
                    log.write(f"{name} {fires or '-'}\n")
        if fires == "exit":
            os._exit(_EXIT_CODE)
        if fires == "timeout":
            raise TimeoutError(f"failpoint {name}")
        if fires in _ERRORS:
            raise OSError(_ERRORS[fires], f"failpoint {name}")


_plan: _Plan | None = None


def arm(environ: Mapping[str, str]) -> None:
    """Reads the plan anew, e.g. in a forked child. Raises ValueError where it is none."""
    global _plan  # noqa: PLW0603 - one a process, set at its start
    text = environ.get("TEST_FAILPOINTS")
    _plan = _Plan(text, environ.get("TEST_FAILPOINTS_LOG")) if text else None


def failpoint(name: str) -> None:
    """`<room>.<what was just done>`, or what is about to be. Raises OSError or TimeoutError where a test says so."""
    if _plan is not None:
        _plan.reach(name)


arm(os.environ)
