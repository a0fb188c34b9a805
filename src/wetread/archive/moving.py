"""Moving objects from store to store while the system runs: copy, read the copy again, change the row, let the old one go.

Killed at any instant, nothing is lost: until the row names the new place the old one stands, and what no row names is
swept. Readers that hold the old location find the new one (tiers.Stores). One mover works at a time, over all processes,
and the janitor not beside it: so no place is removed that another has just begun to use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from sqlalchemy import func, select, update

from wetread.archive import store
from wetread.archive.integrity import Checked, fault_at, note, place
from wetread.archive.model import StoredObject, StoreMove
from wetread.archive.objects import Missing, NoSpace, StoreUnavailable
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive, the_archive
from wetread.archive.tiers import Stores, named, split, stores_in
from wetread.jobs.service import PREPARATION, Retry, defer, task
from wetread.kit import limits
from wetread.kit.db import Database
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.failpoints import failpoint
from wetread.security.service import Actor, AuditEventID, Permission, Work

log = structlog.get_logger()

_LOCK = 7_303_014_201  # of PostgreSQL's advisory locks, ours alone
_TOGETHER = 4
_MOVER = Actor.system("store move")


@contextmanager
def alone(database: Database) -> Iterator[bool]:
    """True where nobody else moves or sweeps stored objects meanwhile, in any process."""
    with psycopg.connect(database.url, autocommit=True, application_name="wetread-mover") as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        got = bool(row and row[0])
        try:
            yield got
        finally:
            # The end of the connection would do it too, a little later than the next one asks.
            if got:
                connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


@dataclass(slots=True)
class Moved:
    """What became of some objects. `waiting`: not in the store yet; `fault`: why a store ended the turn."""

    objects: int = 0
    bytes: int = 0
    damaged: int = 0
    waiting: int = 0
    fault: str | None = None


class Pace:
    """Lets no more than so many bytes a second pass, over all threads; None lets all."""

    def __init__(self, bytes_per_second: int | None) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def wait(self, count: int) -> None:
        """Returns when `count` more bytes may pass."""
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._free_at)
            self._free_at = begin + count / self._rate
        if begin > now:
            time.sleep(begin - now)


@dataclass(slots=True)
class _Tried:
    placed: list[tuple[Checked, str]] = field(default_factory=list)
    damaged: list[tuple[Checked, str]] = field(default_factory=list)


def move_objects(
    archive: Archive, ones: Sequence[Checked], to: str, *, pace: Pace, store_move_pk: int | None = None
) -> Moved:
    """Moves objects into the store `to`, under `alone`. The progress of a store's move is kept with the new places."""
    stores = stores_in(archive.objects)
    outcome, tried, lock = Moved(), _Tried(), threading.Lock()

    def one_of(one: Checked) -> None:
        if outcome.fault is not None:
            return
        pace.wait(one.size_bytes)
        target = named(to, split(one.location)[1])
        try:
            place(archive, one, target)
            failpoint("moving.placed")
        except Missing:
            # Beside its row still, or removed meanwhile.
            with lock:
                outcome.waiting += 1
        except Damaged as damage:
            with lock:
                tried.damaged.append((one, str(damage)))
        except (NoSpace, OSError) as error:
            with lock:
                outcome.fault = str(error)[:200]
        else:
            with lock:
                tried.placed.append((one, target))

    with ThreadPoolExecutor(_TOGETHER, thread_name_prefix="mover") as threads:
        list(threads.map(one_of, ones))
    for one, fault in tried.damaged:
        note(archive.offices, one, fault)
    outcome.damaged = len(tried.damaged)
    _swap(archive, stores, tried.placed, to, outcome, ones, store_move_pk)
    return outcome


def _swap(
    archive: Archive,
    stores: Stores,
    placed: Sequence[tuple[Checked, str]],
    to: str,
    outcome: Moved,
    ones: Sequence[Checked],
    store_move_pk: int | None,
) -> None:
    moved: set[int] = set()
    with archive.offices.work(_MOVER) as work:
        if placed:
            moved = store.relocate(
                work.session, [(one.stored_object_pk, one.location, target) for one, target in placed]
            )
            store.shift_usage(work.session, sorted(moved), split(placed[0][0].location)[0], to)
        outcome.objects = len(moved)
        outcome.bytes = sum(one.size_bytes for one, _ in placed if one.stored_object_pk in moved)
        if store_move_pk is not None:
            progress: dict[str, Any] = {
                "objects": StoreMove.objects + outcome.objects,
                "bytes": StoreMove.bytes + outcome.bytes,
                "failed": StoreMove.failed + outcome.damaged,
                "last_fault": outcome.fault,
            }
            if outcome.fault is None:
                progress["through"] = max(one.stored_object_pk for one in ones)
            work.session.execute(
                update(StoreMove).where(StoreMove.store_move_pk == store_move_pk).values(progress)
            )
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "U",
            object_type="moved objects",
            object_id=len(moved),
            detail={"to": to, "bytes": str(outcome.bytes)},
        )
    gone = [one.location for one, _ in placed if one.stored_object_pk in moved]
    late = [target for one, target in placed if one.stored_object_pk not in moved]
    if late:
        # Purged or replaced meanwhile: the copy belongs to nobody, unless a row says otherwise.
        with archive.offices.database.transaction() as session:
            known = store.known_locations(session, late)
        gone += [target for target in late if target not in known]
    for location in gone:
        failpoint("moving.before_delete")
        with suppress(StoreUnavailable, OSError):  # the janitor finds it
            stores.delete_here(location)


# A whole store --------------------------------------------------------------------------------------------------


def start_move(
    work: Work, from_store: str, to_store: str, *, bytes_per_second: int | None = None
) -> StoreMove:
    """Begins to empty one store into another; from now on it takes nothing new. Raises Invalid, Conflict."""
    work.require(Permission.CONFIG_WRITE)
    stores = stores_in(the_archive().objects)
    faults = [
        FieldError(name, f"is none of {', '.join(stores.members)}")
        for name, value in (("from_store", from_store), ("to_store", to_store))
        if value not in stores.members
    ]
    if from_store == to_store:
        faults.append(FieldError("to_store", "is the same store"))
    if bytes_per_second is not None and bytes_per_second < limits.STORE_MOVE_BYTES_A_SECOND_MIN:
        faults.append(FieldError("bytes_per_second", f"is at least {limits.STORE_MOVE_BYTES_A_SECOND_MIN}"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    standing = list(work.session.scalars(select(StoreMove).where(StoreMove.state.in_(("running", "paused")))))
    for other in standing:
        if from_store in (other.from_store, other.to_store) or to_store == other.from_store:
            raise Conflict(
                f"The move from {other.from_store} to {other.to_store} is under way: let it end, or cancel it."
            )
    room = stores.member(to_store).objects.space()
    objects, size = store.lying_in(work.session, from_store)
    settings = stores.member(to_store).settings
    left = None if settings.quota_bytes is None else settings.quota_bytes - stores.used_bytes(to_store)
    free = min(
        (
            one
            for one in (left, None if room is None else room[1] - settings.reserve_bytes)
            if one is not None
        ),
        default=None,
    )
    if free is not None and size > free:
        raise Invalid(
            f"{from_store} holds {size / 1e9:.1f} GB and {to_store} has room for {max(free, 0) / 1e9:.1f} GB.",
            fields=[FieldError("to_store", "has too little room")],
        )
    move = StoreMove(
        from_store=from_store,
        to_store=to_store,
        state="running",
        bytes_per_second=bytes_per_second,
        started_at=work.now(),
        started_by=work.actor.username[:64],
        objects_at_start=objects,
        bytes_at_start=size,
    )
    work.session.add(move)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C",
        object_type="store_move",
        object_id=move.store_move_pk,
        detail={"from": from_store, "to": to_store, "objects": str(objects)},
    )
    _next(work, move.store_move_pk)
    stores.look_again()
    return move


def change_move(work: Work, store_move_pk: int, state: str) -> StoreMove:
    """Pauses, goes on with (`running`) or cancels a move; what was moved stays moved. Raises NotFound, Conflict."""
    work.require(Permission.CONFIG_WRITE)
    move = work.session.get(StoreMove, store_move_pk, with_for_update=True)
    if move is None:
        raise NotFound("There is no such move.")
    if move.state not in ("running", "paused"):
        raise Conflict(f"It is {move.state} already.")
    move.state = state
    if state == "cancelled":
        move.finished_at = work.now()
    elif state == "running":
        _next(work, store_move_pk)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="store_move",
        object_id=store_move_pk,
        detail={"state": state},
    )
    stores_in(the_archive().objects).look_again()
    return move


def list_moves(work: Work, *, limit: int = 50) -> list[StoreMove]:
    """Moves, newest first."""
    work.require(Permission.CONFIG_READ)
    return list(work.session.scalars(select(StoreMove).order_by(StoreMove.store_move_pk.desc()).limit(limit)))


def _next(work: Work, store_move_pk: int, *, after_s: float = 0.0) -> None:
    defer(
        work,
        "archive.move_store",
        queueing_lock=f"archive.move_store:{store_move_pk}",
        queue=PREPARATION,
        run_at=work.now() + timedelta(seconds=after_s),
        store_move_pk=store_move_pk,
    )


@task("archive.move_store", queue=PREPARATION, retry=Retry(max_attempts=3))
def move_store(work: Work, store_move_pk: int) -> None:
    """Moves on for some seconds, and lets other work take its turn."""
    after_s = move_slice(the_archive(), store_move_pk, seconds=limits.STORE_MOVE_SLICE_S)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="store_move", object_id=store_move_pk)
    if after_s is not None:
        _next(work, store_move_pk, after_s=after_s)


@task("archive.move_stores", queue=PREPARATION, cron="* * * * *")
def move_stores(work: Work) -> None:
    """Takes up moves whose job was killed."""
    running = list(work.session.scalars(select(StoreMove.store_move_pk).where(StoreMove.state == "running")))
    for store_move_pk in running:
        _next(work, store_move_pk)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="store_move", object_id=len(running))


def move_slice(archive: Archive, store_move_pk: int, *, seconds: float) -> float | None:
    """Moves on for about that long; None at the end (or where it was stopped), else the seconds after which to go on."""
    ended = time.monotonic() + seconds
    pace: Pace | None = None
    while True:
        with archive.offices.work(_MOVER) as work:
            work.audit(
                AuditEventID.APPLICATION_ACTIVITY, "R", object_type="store_move", object_id=store_move_pk
            )
            move = work.session.get(StoreMove, store_move_pk)
            if move is None or move.state != "running":
                return None
            pace = pace or Pace(move.bytes_per_second)
            to, began = move.to_store, move.started_at
            waiting = next_of(work, move.from_store, move.through)
            if not waiting:
                return _end_of_round(work, move, (work.now() - began).total_seconds())
        with alone(archive.offices.database) as got:
            if not got:
                return 2.0
            outcome = move_objects(archive, waiting, to, pace=pace, store_move_pk=store_move_pk)
        if outcome.fault is not None:
            log.warning("a move waits for a store", store_move_pk=store_move_pk, fault=outcome.fault)
            return limits.STORE_MOVE_FAULT_S
        if time.monotonic() > ended:
            return 0.0


def _end_of_round(work: Work, move: StoreMove, age_s: float) -> float | None:
    left, _ = store.lying_in(work.session, move.from_store, damaged=False)
    if left == 0 and age_s > limits.STORE_MOVE_CLOSED_S:
        move.state, move.finished_at = "done", work.now()
        move.failed, move.last_fault = store.damaged_in(work.session, move.from_store), None
        log.info("a store was moved", store_move_pk=move.store_move_pk, objects=move.objects)
        return None
    # What came just now, before every process heard that the store takes nothing new.
    move.through = 0
    return 2.0 if left else limits.STORE_MOVE_CLOSED_S


def next_of(work: Work, from_store: str, after: int, *, limit: int = 64) -> list[Checked]:
    """Objects of a store that can be moved, by key; some at a time, and not too many bytes."""
    rows = store.movable(work.session, from_store, after, limit)
    chosen: list[Checked] = []
    size = 0
    for row in rows:
        chosen.append(Checked(*row))
        size += chosen[-1].size_bytes
        if size > limits.STORE_MOVE_BYTES_AT_ONCE:
            break
    return chosen


def objects_of_studies(work: Work, study_pks: Sequence[int], from_store: str | None) -> list[Checked]:
    """Everything that is kept of some studies in a store, or in any; not what waits beside its row."""
    return [Checked(*row) for row in store.movable_of(work.session, study_pks, from_store)]


def is_sound(archive: Archive, location: str, one: Checked) -> bool:
    """Whether what lies there is what was received."""
    return fault_at(archive, location, one) is None


def newest_object(work: Work) -> int:
    """The last stored_object_pk."""
    return work.session.scalar(select(func.max(StoredObject.stored_object_pk))) or 0
