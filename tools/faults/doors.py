"""K2 at the doors: the running house fails at the n-th call of its failpoints while somebody sends by C-STORE, STOW-RS or HL7,
or brings in a disc by `wetread send`.

Who sends hears that it failed, in the protocol's own terms, or nothing; sends again, and the same process takes it.
"""

from __future__ import annotations

import contextlib
import io
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path

import typer

from tools.faults.plans import Outcome, improper, settle_and_audit
from tools.faults.points import ACTIONS
from tools.faults.senders import CT, EXPLICIT, KEPT_ASIDE, OrderSender, StoreSender, WebSender
from tools.faults.stand import Parts, Stand, Stuck, on
from tools.faults.writes import ACTIONS as OF_WRITES
from wetread.cli.dicom import send as bring_in
from wetread.dimse.client import AssociationFailed, OperationFailed

_CALLS_MAX = 200
_TAKEN_S = 120.0


class _Door:
    """One way in: `send` a little of everything once; whether all was acknowledged."""

    part = "node"

    def __init__(self, stand: Stand, seed: int) -> None:
        self.stand, self.seed = stand, seed

    def prepare(self) -> None:
        """What will be sent until it is taken."""

    def send(self) -> bool:
        """See above."""
        raise NotImplementedError


class _ByStore(_Door):
    def prepare(self) -> None:
        self._sender = StoreSender(self.stand.ledger, 1, self.seed, self.stand.dicom)
        small, large = self._sender.next(), self._sender.next(large=True)
        self._waiting = [(self._sender.twin_of(small), True), (large, False), (small, False)]

    def send(self) -> bool:
        try:
            with self._sender.association() as association:
                while self._waiting:
                    one, twin = self._waiting[-1]
                    self.stand.ledger.attempt(one, twin=twin)
                    answer = association.store(CT, one.instance, EXPLICIT, [one.data])
                    if not self.stand.ledger.answered(one, answer.status, twin=twin):
                        return False
                    self._waiting.pop()
        except (AssociationFailed, OperationFailed, OSError):
            self._sender.broken()
            return False
        return True


class _ByWeb(_Door):
    part = "web"

    def prepare(self) -> None:
        self._sender = WebSender(self.stand.ledger, 1, self.seed, self.stand.http, self.stand.token)
        self._waiting = [self._sender.next(large=large) for large in (False, True)]

    def send(self) -> bool:
        try:
            self._waiting = self._sender.upload(self._waiting)
        except (OSError, HTTPException, ValueError):
            self._sender.broken()
        return not self._waiting


class _ByMessage(_Door):
    def prepare(self) -> None:
        self._sender = OrderSender(self.stand.ledger, 1, self.seed, self.stand.hl7)

    def send(self) -> bool:
        return self._sender.order(f"{self.seed:012d}")


class _ByDisc(_Door):
    """Folders of files, each brought in again until the command says that all were sent and committed to."""

    def prepare(self) -> None:
        self._sender = StoreSender(self.stand.ledger, 1, self.seed, self.stand.dicom)
        small, large = self._sender.next(), self._sender.next(large=True)
        # A twin is one only after what it is a twin of.
        self._waiting = [([self._sender.twin_of(small)], True), ([small, large], False)]
        for objects, twin in self._waiting:
            self._disc(twin).mkdir(parents=True)
            for number, one in enumerate(objects):
                (self._disc(twin) / f"I{number}").write_bytes(one.meta + one.data)

    def _disc(self, twin: bool) -> Path:
        return self.stand.data / f"disc-{self.seed}" / ("twin" if twin else "first")

    def send(self) -> bool:
        peer = f"WETREAD@127.0.0.1:{self.stand.dicom}"
        while self._waiting:
            objects, twin = self._waiting[-1]
            for one in objects:
                self.stand.ledger.attempt(one, twin=twin)
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    bring_in(peer, [self._disc(twin)], commit=True, calling="DISC", timeout=20)
            except typer.Exit:
                self._sender.broken()
                return False
            for one in objects:
                self.stand.ledger.answered(one, KEPT_ASIDE if twin else 0, twin=twin)
            self._waiting.pop()
        return True


DOORS: dict[str, Callable[[Stand, int], _Door]] = {
    "C-STORE": _ByStore, "STOW-RS": _ByWeb, "HL7": _ByMessage, "disc": _ByDisc,
}  # fmt: skip


def k2_doors(
    seed: int,
    *,
    names: Sequence[str] = tuple(DOORS),
    actions: Sequence[str] = ACTIONS,
    every: int = 1,
    seconds: float = math.inf,
    stand: Stand | None = None,
) -> Outcome:
    """Every door with every action, n = 1, 2, … until none fires; `every` as for `k2`."""
    outcome, began, chance = Outcome("K2 at the doors"), time.monotonic(), random.Random(seed)
    faults: list[str] = []
    reached: Counter[str] = Counter()
    with on(stand) as stand:
        run = seed * 10_000
        for name in names:
            for action in actions:
                if action in OF_WRITES:
                    continue  # those are made in a scene's own process
                number = 1 + chance.randrange(every)
                while time.monotonic() - began < seconds:
                    run += 1
                    began_at = time.monotonic()
                    fired = _at(DOORS[name](stand, run), f"*={action}@{number}", reached, faults)
                    if not fired:
                        break
                    outcome.recovery_s.append(time.monotonic() - began_at)
                    outcome.done[f"{name} {action}"] += 1
                    number += every
                    if number > _CALLS_MAX:
                        faults.append(f"{name} {action}: there are more calls each time")
                        break
                else:
                    outcome.done[f"{name} {action}: not to the end, for want of time"] += 1
        ledger = stand.ledger
        outcome.answers = {**ledger.counts, **reached}
        outcome.verdict = settle_and_audit(stand, ledger)
    outcome.verdict.faults += faults + improper(ledger)
    outcome.seconds = time.monotonic() - began
    return outcome


def _at(door: _Door, plan: str, reached: Counter[str], faults: list[str]) -> bool:
    """Whether the failpoint fired; what was sent is acknowledged in the end, by the same process where that lives."""
    stand, log = door.stand, door.stand.data / "failpoints.log"
    log.unlink(missing_ok=True)
    parts = stand.start(door.part, TEST_FAILPOINTS=plan, TEST_FAILPOINTS_LOG=str(log))
    try:
        stand.wait_ready(parts, [door.part])
    except Stuck:
        parts.kill()  # a start that failed
        parts = stand.start_ready(door.part)
    door.prepare()
    try:
        parts = _insist(door, parts, plan, faults)
    finally:
        parts.end()
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    fired = [name for name, action in lines if action != "-"]
    reached.update(fired)
    return bool(fired)


def _insist(door: _Door, parts: Parts, plan: str, faults: list[str]) -> Parts:
    until = time.monotonic() + _TAKEN_S
    while time.monotonic() < until:
        if door.send():
            return parts
        if not parts.are_whole:
            if "exit" not in plan:
                faults.append(
                    f"{type(door).__name__} at {plan}: the process ended: {door.stand.log_end()[-300:]}"
                )
            parts = door.stand.start_ready(door.part)
        else:
            time.sleep(0.2)
    faults.append(f"{type(door).__name__} at {plan}: never taken: {door.stand.log_end()[-300:]}")
    return parts


__all__ = ["DOORS", "k2_doors"]
