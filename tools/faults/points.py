"""K2: every named failpoint of every scene: the n-th call dies or fails, or the n-th write is taken in part, n = 1, 2, …
until none fires any more."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence

from tools.faults import writes
from tools.faults.plans import Outcome, settle_and_audit
from tools.faults.scenes import SCENES
from tools.faults.stand import Stand, on

ACTIONS = ("exit", "EIO", "ENOSPC", "timeout", *writes.ACTIONS)
_CALLS_MAX = 400


def k2(
    seed: int,
    *,
    scenes: Sequence[str] = tuple(SCENES),
    actions: Sequence[str] = ACTIONS,
    every: int = 1,
    seconds: float = math.inf,
    stand: Stand | None = None,
) -> Outcome:
    """Each scene is prepared afresh, fails at one call, is done again, and has to have come to the right end; the audit looks
    at all of it. `every`: only each so manieth call, beginning somewhere (for a short run)."""
    outcome, began, chance = Outcome("K2"), time.monotonic(), random.Random(seed)
    faults: list[str] = []
    reached: Counter[str] = Counter()
    with on(stand) as stand:
        second = {"name": "second", "folder": str(stand.data / "second"), "reserve_gb": 0}
        local = {"name": "local", "folder": str(stand.settings.objects_path), "reserve_gb": 0}
        stand.more["WETREAD_STORES"] = json.dumps([local, second])
        run = 0
        for name in scenes:
            for action in actions:
                number = 1 + chance.randrange(every)
                while time.monotonic() - began < seconds:
                    run += 1
                    at = f"{action}@{number}"
                    plan = at if action in writes.ACTIONS else f"*={at}"
                    fired = play_at(stand, name, plan, run, reached, faults)
                    if not fired:
                        break
                    outcome.done[f"{name} {action}"] += 1
                    number += every
                    if number > _CALLS_MAX:
                        faults.append(f"{name} {action}: there are more calls each time")
                        break
                else:
                    outcome.done[f"{name} {action}: not to the end, for want of time"] += 1
        read_notes(stand)
        outcome.verdict = settle_and_audit(stand, stand.ledger)
    outcome.verdict.faults += faults
    outcome.answers = dict(reached)
    outcome.seconds = time.monotonic() - began
    return outcome


def play_at(stand: Stand, scene: str, plan: str, run: int, reached: Counter[str], faults: list[str]) -> bool:
    """Plays a scene, which fails as the plan of failpoints says, and plays it on; whether the failpoint fired. `run` numbers
    what is made; what fired and what went wrong is added to `reached` and `faults`."""
    log, result = stand.data / "failpoints.log", stand.data / "result.json"
    for path in (log, result):
        path.unlink(missing_ok=True)
    asked = {
        "scene": scene, "seed": run, "notes": str(stand.data / "notes"), "result": str(result), "facts": {}, "prepare": True,
        "plan": {"TEST_FAILPOINTS" if "=" in plan else "WRITES": plan, "TEST_FAILPOINTS_LOG": str(log)},
    }  # fmt: skip
    stand.play(**asked)
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    fired = [name for name, action in lines if action != "-"]
    told = json.loads(result.read_text()) if result.exists() else {}
    if "done" not in told:
        if not fired or "exit" not in plan:
            faults.append(f"{scene} at {plan} of {fired or lines[-1:]}: {stand.log_end()[-600:]}")
        else:
            result.unlink()
            stand.play(**{**asked, "facts": told["facts"], "prepare": False, "plan": {}})
            if not result.exists() or "done" not in json.loads(result.read_text()):
                faults.append(f"{scene} after death at {plan} of {fired}: {stand.log_end()[-600:]}")
    elif told["raised"] and plan.startswith("short"):
        faults.append(f"{scene} at {plan} of {fired}: {told['raised']}, though all could be written")
    reached.update(fired)
    return bool(fired)


def read_notes(stand: Stand) -> None:
    """Puts what scenes were told about objects into the stand's ledger; those of studies that they purged count for nothing."""
    notes, ledger = stand.data / "notes", stand.ledger
    for line in notes.read_text().splitlines() if notes.exists() else ():
        kind, *words = line.split()
        if kind == "sent":
            ledger.attempted[words[1]] = words[2]
        elif kind == "twin":
            ledger.twins.add(words[2])
        elif kind == "kept":
            ledger.acknowledged[words[1]] = words[0]
        elif kind == "aside":
            ledger.aside.add(words[2])
        elif kind == "forgotten":
            ledger.acknowledged.pop(words[0], None)
        elif kind == "purged":
            gone = [uid for uid, study in ledger.acknowledged.items() if study == words[0]]
            for uid in gone:
                del ledger.acknowledged[uid]
