"""Runs a plan; prints its figures; the exit code is 1 where anything was lost, changed or doubled, or the audit found a fault."""

from __future__ import annotations

import argparse
import contextlib
import math
import signal
import sys
import time

from tools.faults import doors, plans, points, scenes
from tools.faults.bucket import bucket_at, s3_server


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__)
    parser.add_argument("--plan", choices=("K1", "K2", "K2-doors", "P1", "N1", "S1"), required=True)
    parser.add_argument(
        "--rounds", type=int, default=25, help="kills, restarts, cuts of each boundary, objects"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="begins nothing new after that long")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a run")
    parser.add_argument("--every", type=int, default=1, help="K2: each so manieth call alone")
    parser.add_argument("--actions", default=",".join(points.ACTIONS), help="K2: what goes wrong")
    parser.add_argument("--only", default="", help="K2: these scenes or doors")
    parser.add_argument("--audit-every", type=int, default=50, help="K1: audits between, too")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it started, and tidies up
    print(f"seed {given.seed}", flush=True)
    seconds = given.minutes * 60
    actions = given.actions.split(",")
    chosen = given.only.split(",") if given.only else []
    with contextlib.ExitStack() as stack:
        # As there is one, the network before a bucket is cut too.
        endpoint = stack.enter_context(s3_server()) if given.plan in ("N1", "S1") else ""
        run = {
            "K1": lambda: plans.k1(given.rounds, given.seed, audit_every=given.audit_every, seconds=seconds),
            "K2": lambda: points.k2(
                given.seed,
                scenes=chosen or tuple(scenes.SCENES),
                actions=actions,
                every=given.every,
                seconds=seconds,
            ),
            "K2-doors": lambda: doors.k2_doors(
                given.seed,
                names=chosen or tuple(doors.DOORS),
                actions=actions,
                every=given.every,
                seconds=seconds,
            ),
            "P1": lambda: plans.p1(given.rounds, given.seed, seconds=seconds),
            "N1": lambda: plans.n1(given.rounds, given.seed, store=bucket_at(endpoint), seconds=seconds),
            "S1": lambda: plans.s1(given.rounds, given.seed, endpoint=endpoint, seconds=seconds),
        }[given.plan]
        outcome = run()
    print(outcome)
    return int(outcome.failed)


if __name__ == "__main__":
    sys.exit(main())
