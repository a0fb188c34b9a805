"""Starts parts of the house in an instant: a process that has everything imported, and forks.

Reads one JSON document a line from standard input, `{"parts": [...], "environment": {...}}`, and answers with the process
ids of the forked parts (nodes that are named more than once share their doors); or `{"play": {...}, "environment": {...}}`, of a child that plays a scene. They end with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tools.faults.audit import FAILED_JOB
from tools.faults.scenes import play
from wetread.app import node, web  # noqa: F401 - imported ahead
from wetread.app.doors import Doors
from wetread.app.part import run_part
from wetread.app.rooms import MODELS, ROUTERS, TASKS, load
from wetread.jobs import worker
from wetread.jobs.service import Task
from wetread.kit import failpoints
from wetread.kit.config import load_settings
from wetread.security.service import Offices

_PR_SET_PDEATHSIG = 1


def _become(run: Callable[[], None], environment: dict[str, str], log: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(log, 2)
    os.environ.update(environment)
    failpoints.arm(os.environ)
    code = 1
    try:
        run()
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _part(name: str, doors: Doors) -> None:
    run_part(load_settings(), name, doors)


def _tell_why(run: Callable[[Offices, Task, dict[str, Any]], None]) -> Callable[..., None]:
    """The house logs of a failed job no more than the kind of error: others' words may have patient data. Here there is none."""

    def running(offices: Offices, task: Task, args: dict[str, Any]) -> None:
        try:
            run(offices, task, args)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)[-4:]
            places = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames))
            words = " ".join(f"{type(error).__name__}: {error}".split())[:400]
            print(f"{FAILED_JOB}{task.name}: {words} at {places}", file=sys.stderr, flush=True)
            raise

    return running


def main() -> None:
    """See above; the arguments are the file that parts log to, and `orders` where orders will come."""
    load(MODELS)
    load(ROUTERS)
    load(TASKS)
    worker.run_now = _tell_why(worker.run_now)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for line in sys.stdin:
        asked = json.loads(line)
        names = asked.get("parts", ())
        doors = Doors()
        if names.count("node") > 1:
            doors = Doors.opened(load_settings(asked["environment"]))
        runs = [
            partial(_part, name, replace(doors, first=name not in names[:at]))
            for at, name in enumerate(names)
        ]
        if "play" in asked:
            runs.append(partial(play, asked["play"]))
        pids = []
        for run in runs:
            child = os.fork()
            if child == 0:
                _become(run, asked["environment"], log)
            pids.append(child)
        doors.close()
        sys.stdout.write(json.dumps(pids) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
