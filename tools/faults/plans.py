"""The plans. Each returns its figures and the verdict of the audit; see `tools.faults.audit`."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import psycopg

from tools.faults.audit import Verdict, audit, digest_of, stored_originals
from tools.faults.bucket import FaultyProxy, bucket_at
from tools.faults.cutter import BACK, TOWARDS, Cutter, edges, pdu_edges, to_path, to_port
from tools.faults.senders import (
    BY_WEB,
    CT,
    EXPLICIT,
    KEPT_ASIDE,
    Ledger,
    OrderSender,
    Sent,
    StoreSender,
    WebSender,
)
from tools.faults.stand import PostgresFailed, Stand, Stuck, await_that, on
from wetread.archive.objects import Missing, StoreUnavailable
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive
from wetread.dimse.client import AssociationFailed, OperationFailed

_QUIET_S = 180.0
_DRAIN_S = 300.0


@dataclass
class Outcome:
    """What a run came to."""

    plan: str
    done: Counter[str] = field(default_factory=Counter)
    recovery_s: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether anything was found."""
        return bool(self.verdict.faults)

    def __str__(self) -> str:
        times = sorted(self.recovery_s)
        back = f"; back after {times[len(times) // 2]:.2f} s (longest {times[-1]:.2f} s)" if times else ""
        done = ", ".join(f"{count} x {name}" for name, count in sorted(self.done.items()))
        faults = "".join(f"\n   {fault}" for fault in self.verdict.faults)
        return f"{self.plan}: {done} in {self.seconds:.0f} s{back}\n   {self.verdict}\n   answers {self.answers}{faults}"


_T = TypeVar("_T")


def within(places: Iterable[_T], seconds: float) -> Iterator[_T]:
    """Those that are come to within the time; where it is over, a run still ends in its audit."""
    until = time.monotonic() + seconds
    return itertools.takewhile(lambda _: time.monotonic() < until, places)


@contextlib.contextmanager
def sending(stand: Stand, seed: int, *, stores: int, uploads: int = 0, orders: int = 0) -> Iterator[Ledger]:
    """Senders that go on whatever happens, until the end of the block."""
    ledger = stand.ledger
    ledger.senders = [StoreSender(ledger, number, seed, stand.dicom) for number in range(stores)]
    ledger.senders += [
        WebSender(ledger, 100 + number, seed, stand.http, stand.token) for number in range(uploads)
    ]
    ledger.senders += [OrderSender(ledger, 200 + number, seed, stand.hl7) for number in range(orders)]
    for sender in ledger.senders:
        sender.start()
    try:
        yield ledger
    finally:
        for sender in ledger.senders:
            sender.ending.set()
        for sender in ledger.senders:
            sender.join(40)


def _await_more(ledger: Ledger, count: int, stand: Stand) -> float:
    """Until so many more answers came; returns the seconds to the first. Raises Stuck."""
    before, began = ledger.answers, time.monotonic()
    await_that(lambda: ledger.answers > before, _QUIET_S, f"an answer ({stand.log_end()})")
    first = time.monotonic() - began
    await_that(lambda: ledger.answers >= before + count, _QUIET_S, f"answers ({stand.log_end()})")
    return first


def settle_and_audit(stand: Stand, ledger: Ledger) -> Verdict:
    """A start in order, until nothing waits that anybody waits for; then the audit."""
    parts = stand.start_ready("node", "worker")
    try:
        with psycopg.connect(stand.postgres.url, autocommit=True) as connection:

            def quiet() -> bool:
                row = connection.execute(
                    "SELECT (SELECT count(*) FROM outbox_event WHERE relayed_at IS NULL),"
                    # Nobody waits for what is made ready: on a busy machine it goes on for minutes.
                    " (SELECT count(*) FROM procrastinate_jobs WHERE queue_name <> 'preparation' AND (status = 'doing'"
                    " OR (status = 'todo' AND coalesce(scheduled_at, now()) <= now()))),"
                    # What a killed worker held is taken up again when its heart has not beaten for half a minute.
                    " (SELECT count(*) FROM procrastinate_jobs j WHERE j.status = 'doing' AND NOT EXISTS (SELECT"
                    " FROM procrastinate_workers w WHERE w.id = j.worker_id"
                    " AND w.last_heartbeat > now() - interval '15 s'))"
                ).fetchone()
                return row == (0, 0, 0)

            try:
                await_that(quiet, _DRAIN_S, "jobs are done")
            except Stuck as stuck:
                left = connection.execute(
                    "SELECT task_name, status::text, count(*), min(attempts), max(attempts) FROM procrastinate_jobs"
                    " WHERE status IN ('todo', 'doing') GROUP BY 1, 2"
                ).fetchall()
                raise Stuck(f"{stuck}; left: {left}; {stand.log_end()}") from None
    finally:
        parts.end()
    with stand.opened() as (house, archive):
        return audit(archive, house.settings, ledger, log=stand.log_text())


def _restart(stand: Stand) -> None:
    """PostgreSQL again. What is left of the old one may stand in the way for a moment, as the supervisor finds it too."""
    until = time.monotonic() + 30
    while True:
        try:
            stand.start_postgres()
            return
        except PostgresFailed:
            if time.monotonic() > until:
                raise


def _kill_all_of_postgres(stand: Stand) -> None:
    stand.kill_postgres()
    _restart(stand)


def _kill_postmaster(stand: Stand) -> None:
    stand.kill_postgres(backends=False)
    _restart(stand)


def _kill_backends(stand: Stand) -> None:
    """Some backends; the postmaster then ends all and recovers by itself."""
    for pid in stand.postgres_pids()[1:][-2:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _stop_at_once(stand: Stand) -> None:
    """pg_ctl stop -m immediate."""
    for pid in stand.postgres_pids()[:1]:
        os.kill(pid, signal.SIGQUIT)
    await_that(lambda: not stand.postgres_pids(), 30, "PostgreSQL ends")
    _restart(stand)


def _hold(stand: Stand) -> None:
    """Stops for a moment, as on a machine that swaps, and goes on."""
    pids = stand.postgres_pids()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


DATABASE_FAULTS: dict[str, Callable[[Stand], None]] = {
    "kill -9 of all PostgreSQL": _kill_all_of_postgres,
    "kill -9 of the postmaster": _kill_postmaster,
    "kill -9 of two backends": _kill_backends,
    "immediate stop": _stop_at_once,
    "held": _hold,
}


def p1(
    rounds: int,
    seed: int,
    *,
    uploads: int = 1,
    orders: int = 1,
    seconds: float = math.inf,
    stand: Stand | None = None,
) -> Outcome:
    """P1: the database is killed and restarted while objects stream in, with and without the parts of the house."""
    outcome, began, chance = Outcome("P1"), time.monotonic(), random.Random(seed)
    names = ["node", "web"] if uploads else ["node"]
    kinds = list(DATABASE_FAULTS)
    with on(stand, lazy_log=True) as stand:
        parts = stand.start_ready(*names)
        with sending(stand, seed, stores=4, uploads=uploads, orders=orders) as ledger:
            for number in within(range(rounds), seconds):
                first = _await_more(ledger, 25, stand)
                if number:
                    outcome.recovery_s.append(first)
                time.sleep(chance.uniform(0.0, 0.4))
                kind = kinds[0] if number % 2 == 0 else kinds[1 + number // 2 % (len(kinds) - 1)]
                with_parts = number % 4 == 2 or chance.random() < 0.25
                if with_parts:
                    # Either may die first, by a hair.
                    order = [parts.kill, lambda kind=kind: DATABASE_FAULTS[kind](stand)]
                    if chance.random() < 0.5:
                        order.reverse()
                    for act in order:
                        act()
                    parts = stand.start_ready(*names)
                else:
                    DATABASE_FAULTS[kind](stand)
                outcome.done[kind + (" and the parts" if with_parts else "")] += 1
            outcome.recovery_s.append(_await_more(ledger, 25, stand))
            parts.kill()
        outcome.answers = dict(ledger.counts)
        outcome.verdict = settle_and_audit(stand, ledger)
        outcome.verdict.faults += improper(ledger)
        outcome.done["objects filed anew"] = stand.log_text().count("] filed anew")
    outcome.seconds = time.monotonic() - began
    return outcome


# K1 -------------------------------------------------------------------------------------------------------------

_WHOLE_HOUSE_EVERY = 8


def k1(
    rounds: int,
    seed: int,
    *,
    audit_every: int = 0,
    uploads: int = 2,
    orders: int = 1,
    seconds: float = math.inf,
    stand: Stand | None = None,
) -> Outcome:
    """K1: the parts of the house are killed at any instant; every third time the node is two processes, and uploads and
    jobs are there in every eighth round."""
    outcome, began, chance = Outcome("K1"), time.monotonic(), random.Random(seed)
    with (
        on(stand) as stand,
        sending(stand, seed, stores=4, uploads=uploads, orders=orders) as ledger,
    ):
        for number in within(range(rounds), seconds):
            whole = uploads and number % _WHOLE_HOUSE_EVERY == 0
            nodes = ("node",) * (2 if number % 3 == 1 else 1)
            parts = stand.start(*nodes, *(("web", "worker") if whole else ()))
            outcome.recovery_s.append(_await_more(ledger, 8, stand))
            if whole:
                stand.wait_ready(parts, ["web"])
            time.sleep(chance.uniform(0.0, 0.6))
            parts.kill()
            outcome.done["kills of all parts" if whole else "kills of the node"] += 1
            if audit_every and number % audit_every == audit_every - 1 and number + 1 < rounds:
                with ledger.held():
                    verdict = settle_and_audit(stand, ledger)
                print(f"   after {number + 1}: {verdict}", flush=True)
                if verdict.faults:
                    outcome.verdict = verdict
                    break
        ledger.end()
        outcome.answers = dict(ledger.counts)
        if not outcome.verdict.faults:
            outcome.verdict = settle_and_audit(stand, ledger)
        outcome.verdict.faults += improper(ledger)
    outcome.seconds = time.monotonic() - began
    return outcome


# N1 -------------------------------------------------------------------------------------------------------------


_GROWN_MAX = 24


def _held_by(pid: int) -> Counter[str]:
    """Threads, sockets and files of a process."""
    held = Counter({"threads": len(list(Path(f"/proc/{pid}/task").iterdir()))})
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            held["sockets" if os.readlink(one).startswith("socket:") else "files"] += 1
    return held


class _Modality:
    """One association an object, at that port; what is not acknowledged is sent again until it is."""

    def __init__(self, ledger: Ledger, seed: int, port: int) -> None:
        self._sender = StoreSender(ledger, 1, seed, port)
        self._ledger = ledger

    def make(self, *, large: bool = False) -> Sent:
        return self._sender.next(large=large)

    def send(self, one: Sent) -> bool:
        """Whether it was acknowledged."""
        self._ledger.attempt(one)
        try:
            with self._sender.association() as association:
                answer = association.store(CT, one.instance, EXPLICIT, [one.data])
            return self._ledger.answered(one, answer.status, twin=False)
        except (AssociationFailed, OperationFailed, OSError):
            return False

    def insist(self, one: Sent) -> None:
        """Until it is acknowledged. Raises Stuck."""
        await_that(lambda: self.send(one), _QUIET_S, "an object is taken in the end")


def _await_silence(cutter: Cutter) -> None:
    """Until nothing passed for a while, or it seems that something always does; counts from now on."""
    for _ in range(20):
        cutter.arm("", 0)
        time.sleep(0.5)
        if not any(cutter.passed.values()):
            return


def _cut_at(
    outcome: Outcome, cutter: Cutter, modality: _Modality, places: Iterable[tuple[str, int]], words: str, *, resend: float,
    chance: random.Random, large: bool,
) -> None:  # fmt: skip
    for direction, place in places:
        one = modality.make(large=large)
        cutter.arm(direction, place)
        known = modality.send(one)
        fired, at = not cutter.armed, time.monotonic()
        cutter.arm("", 0)
        outcome.done[words if fired else f"{words}, not reached"] += 1
        if not known and chance.random() < resend:
            modality.insist(one)
            outcome.recovery_s.append(time.monotonic() - at)


def _places(
    cutter: Cutter, cuts: int, chance: random.Random, find: Callable[[list[bytes]], list[int]]
) -> list[tuple[str, int]]:
    """Where to cut: the edges of both directions, and others at random, `cuts` in all."""
    found = [(direction, place) for direction in (TOWARDS, BACK) for place in find(cutter.passed[direction])]
    sizes = {direction: sum(map(len, cutter.passed[direction])) for direction in (TOWARDS, BACK)}
    if len(found) > cuts:
        found = chance.sample(found, cuts)
    while len(found) < cuts:
        direction = chance.choice((TOWARDS, BACK))
        found.append((direction, chance.randrange(max(sizes[direction], 1))))
    return found


def n1(
    cuts: int,
    seed: int,
    *,
    store: Mapping[str, Any] | None = None,
    seconds: float = math.inf,
    stand: Stand | None = None,
) -> Outcome:
    """N1: the network is cut at and beside every edge of what passes: sender/node, node/PostgreSQL, and node/store where
    one is given (settings of a bucket, whose endpoint is `http://127.0.0.1:port`)."""
    outcome, began, chance = Outcome("N1"), time.monotonic(), random.Random(seed)
    with contextlib.ExitStack() as stack:
        stand = stack.enter_context(on(stand))
        sender_side = stack.enter_context(Cutter(to_port(stand.dicom)))
        socket_path = unquote(stand.postgres.url.split("host=")[1]) + "/.s.PGSQL.5432"
        database_side = stack.enter_context(Cutter(to_path(socket_path)))
        more = {
            "WETREAD_DATABASE_URL": f"postgresql://wetread@127.0.0.1:{database_side.port}/wetread?sslmode=disable"
        }
        sides = [("sender/node", sender_side, pdu_edges), ("node/PostgreSQL", database_side, edges)]
        if store is not None:
            store_side = stack.enter_context(Cutter(to_port(int(str(store["endpoint"]).rsplit(":", 1)[1]))))
            proxied = [{**store, "endpoint": f"http://127.0.0.1:{store_side.port}"}]
            more["WETREAD_STORES"] = json.dumps(proxied)
            stand.more["WETREAD_STORES"] = json.dumps([dict(store)])
            sides.append(("node/store", store_side, edges))
        parts = stand.start("node", **more)
        stand.wait_ready(parts, ["node"])
        ledger = stand.ledger
        modality = _Modality(ledger, seed, sender_side.port)
        modality.insist(modality.make())  # the node has its connections
        base = _held_by(parts.pids[0])
        for words, cutter, find in sides:
            # A small object goes to the store some time after it was acknowledged, together with others: what passes there
            # then is of no known length. A large one goes at once.
            large = words == "node/store"
            _await_silence(cutter)
            modality.insist(modality.make(large=large))
            time.sleep(0.1)
            places = _places(cutter, cuts, chance, find)
            some = within(places, seconds / len(sides))
            _cut_at(
                outcome, cutter, modality, some, f"cuts of {words}", resend=0.8, chance=chance, large=large
            )
        modality.insist(modality.make())
        with contextlib.suppress(Stuck):
            await_that(lambda: _held_by(parts.pids[0]) <= base, 10, "files and threads are let go")
        grown = _held_by(parts.pids[0]) - base
        parts.end()
        outcome.answers = {**ledger.counts, **{f"{kind} more": count for kind, count in grown.items()}}
        outcome.verdict = settle_and_audit(stand, ledger)
        # Pools of connections may have grown to their size, but not with every cut.
        outcome.verdict.faults += [
            f"{count} more {kind} than before" for kind, count in grown.items() if count > _GROWN_MAX
        ]
    outcome.seconds = time.monotonic() - began
    return outcome


# S1 -------------------------------------------------------------------------------------------------------------

BAD_DAYS = {
    "503": 0.1, "cut-request": 0.05, "lost-answer": 0.05, "cut-answer": 0.02, "flip": 0.01, "slow": 0.02, "gone": 0.01,
    "crawl": 0.001, "etag": 0.02, "spoil": 0.01,
}  # fmt: skip
PROPER = {"0000", f"{KEPT_ASIDE:04X}", "A700", "no answer", BY_WEB, "HTTP 503", "HL7 AA", "HL7 AE"}
"""What senders may hear while something fails: success, kept aside, out of resources (PS3.4 B.2.3), not now, or nothing."""


def s1(
    count: int, seed: int, *, endpoint: str, seconds: float = math.inf, stand: Stand | None = None
) -> Outcome:
    """S1: so many objects come in while the object store has bad days; then each is read through the same network, and comes
    out right or not at all. `endpoint`: `http://127.0.0.1:port` of an S3 server with the bucket of `tools.faults.bucket`."""
    outcome, began = Outcome("S1"), time.monotonic()
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultyProxy(endpoint, BAD_DAYS, seed=seed))
        stand = stack.enter_context(on(stand))
        bad, sound = bucket_at(proxy.url), bucket_at(endpoint)
        stand.more["WETREAD_STORES"] = json.dumps([bad])
        parts = stand.start("node", "web")
        stand.wait_ready(parts, ["node", "web"])
        with sending(stand, seed, stores=4, uploads=1) as ledger:
            while (left := count - ledger.answers) > 0 and time.monotonic() - began < seconds:
                outcome.recovery_s.append(_await_more(ledger, min(left, 100), stand))
        if not parts.are_whole:
            outcome.verdict.faults.append(f"a part ended: {stand.log_end()}")
        parts.end()
        outcome.done = Counter({f"{fault} while storing": number for fault, number in proxy.done.items()})
        outcome.answers = dict(ledger.counts)
        stand.more["WETREAD_STORES"] = json.dumps([sound])
        found, outcome.verdict = outcome.verdict.faults, settle_and_audit(stand, ledger)
        outcome.verdict.faults += found
        outcome.verdict.faults += improper(ledger)
        stand.more["WETREAD_STORES"] = json.dumps([bad])
        proxy.done.clear()
        with stand.opened() as (_, archive):
            outcome.answers |= _read_through(archive, ledger, outcome.verdict)
        outcome.done.update({f"{fault} while reading": number for fault, number in proxy.done.items()})
    outcome.seconds = time.monotonic() - began
    return outcome


def improper(ledger: Ledger) -> list[str]:
    """What senders heard that they should not have."""
    return [
        f"a sender heard {one} {count} times" for one, count in ledger.counts.items() if one not in PROPER
    ]


def _read_through(archive: Archive, ledger: Ledger, verdict: Verdict) -> dict[str, int]:
    """Reads all that was acknowledged; what comes out wrong is a fault."""
    read: Counter[str] = Counter()
    for uid, stored, sealed_key in stored_originals(archive):
        try:
            digest = digest_of(archive, stored, sealed_key)
        except (Damaged, Missing, StoreUnavailable) as error:
            read[f"read: {type(error).__name__}"] += 1
            continue
        right = digest == ledger.attempted.get(uid)
        read["read right" if right else "read wrong"] += 1
        if not right:
            verdict.changed += 1
            verdict.faults.append(f"{uid} came out wrong")
    return dict(read)


__all__ = [
    "DATABASE_FAULTS",
    "PROPER",
    "Outcome",
    "Stuck",
    "k1",
    "n1",
    "p1",
    "s1",
    "sending",
    "settle_and_audit",
]
