"""Runs a plan; prints its figures; the exit code is 1 where anything was lost, changed or doubled, or the audit found a fault."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from tools.faults import plans, points


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__)
    parser.add_argument("--plan", choices=("K1", "K2", "P1", "N1"), required=True)
    parser.add_argument("--rounds", type=int, default=25, help="kills, restarts, or cuts of each boundary")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a run")
    parser.add_argument("--audit-every", type=int, default=50, help="K1: audits between, too")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it started, and tidies up
    print(f"seed {given.seed}", flush=True)
    run = {
        "K1": lambda: plans.k1(given.rounds, given.seed, audit_every=given.audit_every),
        "K2": lambda: points.k2(given.seed),
        "P1": lambda: plans.p1(given.rounds, given.seed),
        "N1": lambda: plans.n1(given.rounds, given.seed),
    }[given.plan]
    outcome = run()
    print(outcome)
    return int(outcome.failed)


if __name__ == "__main__":
    sys.exit(main())
