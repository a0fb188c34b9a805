"""Taking objects in: a stream of fragments becomes a durable, encrypted, indexed instance, or a quarantined one.

One `Transfer` is one association or one STOW-RS request; it makes an `Incoming` for each object. The order of
things in `Incoming.commit` is what "acknowledged means kept" rests on:

1. the object is written under a random key and fsynced, its folder entry too; the bytes of a small one go with its
   rows instead, and are written to the store a little later, many together (`Settler`);
2. the rows are committed (for the first object of a study in a transfer together with the audit record and the event);
3. only then is a status returned.

Killed before 2, the object is an orphan that the janitor removes; killed after 2, everything is there.

For most objects of a stream, 2 does not wait for the disk: what is durable then is enough to file them anew (`redo`).

Rows of concurrent associations are committed together: the first to arrive leads, sends its rows and, while the
database works on them, makes its own object durable; whoever arrives meanwhile hands its rows to the leader.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import structlog
from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError

from wetread.archive import store
from wetread.archive.events import ObjectQuarantined, StudyUpdated
from wetread.archive.head import Head, HeadReader, Unreadable
from wetread.archive.hiding import policy_of, revive
from wetread.archive.model import Quarantine, QuarantineReason, StoredObject, StoredRole, Study
from wetread.archive.objects import NoSpace, StoreUnavailable
from wetread.archive.redo import Covered, Left, Redo
from wetread.archive.rules import (
    Filing,
    FragmentFollower,
    InstanceRow,
    NotFilable,
    Status,
    dumps,
    filing_of,
)
from wetread.archive.sealing import Damaged
from wetread.archive.vault import UNKNOWN_STUDY, SealedWriter, Vault
from wetread.kit import limits
from wetread.kit.db import Database
from wetread.kit.errors import Denied
from wetread.kit.failpoints import failpoint
from wetread.security.service import Actor, AuditEventID, Offices, Permission, Work, audit_entry

log = structlog.get_logger()

_DEADLOCK_TRIES = 5
_CROWDED_S = 1.0  # since a caller found another one at work
_SERIES_CACHED_MAX = 50_000
_REMOVED = "this object was removed here before"
_ANNOUNCE_S = 1.0
_SETTLE_S, _SETTLE_S_MAX = 0.5, 10.0
_SETTLE_AGAIN_S = 5.0
_SETTLED_TOGETHER_MAX = 250


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of one object. `status` is that of C-STORE; `detail` fits an Error Comment (no patient data)."""

    status: Status
    outcome: str  # "stored" | "duplicate" | "quarantined" | "refused"
    detail: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    quarantine_pk: int | None = None


class _Failed(Exception):
    """Nothing was kept, for want of space or of the database."""


class CommitGroup:
    """Commits the rows of concurrent callers together, on one connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pipeline: store.IngestPipeline | None = None
        self._lock = threading.Lock()
        self._waiting: deque[_Rows] = deque()
        self._led = False
        self._crowded_until = 0.0

    def add(
        self, send: Callable[[store.IngestPipeline, bool], None], make_durable: Callable[[], None]
    ) -> store.Answer:
        """Sends rows, of which one is answered; returns the answer after the commit. `make_durable` is called before it.
        `send` hears whether these rows are all of their transaction.

        Raises NoSpace from `make_durable`, psycopg.Error where the database failed: then nothing is known about
        whether the rows are there.
        """
        mine = _Rows(send)
        with self._lock:
            lead = not self._led
            self._led = True
        if not lead:
            self._crowded_until = time.monotonic() + _CROWDED_S
            make_durable()
            with self._lock:
                # The leader may have left meanwhile.
                if self._led:
                    done = mine.done = threading.Event()
                    self._waiting.append(mine)
                else:
                    self._led = lead = True
            if not lead:
                done.wait()
                lead = mine.promoted
            if lead:
                self._lead(mine, None)
        else:
            self._lead(mine, make_durable)
        if mine.error is not None:
            raise mine.error
        assert mine.result is not None
        return mine.result

    def close(self) -> None:
        """Closes the connection."""
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def _lead(self, mine: _Rows, make_durable: Callable[[], None] | None) -> None:
        batch = [mine]
        try:
            self._commit(batch, make_durable)
        except BaseException as error:  # noqa: BLE001 - each caller gets it as its own
            for one in batch:
                one.error = error
        for one in batch[1:]:
            one.answered()
        with self._lock:
            # Someone who waits now leads the next batch, in its own thread.
            if self._waiting:
                successor = self._waiting.popleft()
                successor.promoted = True
                successor.answered()
            else:
                self._led = False

    def _commit(self, batch: list[_Rows], make_durable: Callable[[], None] | None) -> None:
        pipeline = self._pipeline
        failpoint("ingest.before_rows")
        if pipeline is None or not pipeline.usable:
            pipeline = self._pipeline = store.IngestPipeline(self._url)
        # Nobody to wait for, nobody who waits: this one is all of its transaction.
        alone = time.monotonic() > self._crowded_until
        batch[0].send(pipeline, alone)
        if make_durable is not None:
            try:
                make_durable()
            except BaseException:
                pipeline.spoil()
                with suppress(psycopg.Error):
                    pipeline.commit()
                raise
        if not alone:
            with self._lock:
                batch += self._waiting
                self._waiting.clear()
            for one in batch[1:]:
                one.send(pipeline, False)
        try:
            answers = pipeline.commit()
        except psycopg.Error as error:
            final = len(batch) == 1 and not isinstance(error, psycopg.errors.DeadlockDetected)
            if final or not pipeline.usable:
                raise
            self._commit_singly(pipeline, batch)
            return
        failpoint("ingest.rows_committed")
        for one, answer in zip(batch, answers, strict=True):
            one.result = answer

    def _commit_singly(self, pipeline: store.IngestPipeline, batch: list[_Rows]) -> None:
        # One bad row must not take the others with it.
        for one in batch:
            for tries_left in reversed(range(_DEADLOCK_TRIES)):
                try:
                    one.send(pipeline, False)
                    (one.result,) = pipeline.commit()
                except psycopg.errors.DeadlockDetected as error:
                    # Another process files of the same study and had its rows in another order: it goes first.
                    if tries_left and pipeline.usable:
                        continue
                    one.error = error
                except psycopg.Error as error:
                    one.error = error
                break


@dataclass(slots=True)
class _Rows:
    send: Callable[[store.IngestPipeline, bool], None]
    done: threading.Event | None = None  # of those who wait for a leader
    result: store.Answer | None = None
    error: BaseException | None = None
    promoted: bool = False

    def answered(self) -> None:
        """Lets its caller go on."""
        assert self.done is not None
        self.done.set()


class Settler:
    """Writes to the store what was kept beside its rows, many objects together, from a thread of its own.

    What a killed process left is written by the next one (`settle_left`). Twice is harmless.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes] = {}
        self._waiting_bytes = 0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def has_room(self) -> bool:
        """Whether more may come; else objects go to the store at once, at the store's pace."""
        return self._waiting_bytes < limits.ARCHIVE_FRESH_BYTES_MAX

    def add(self, location: str, content: bytes) -> None:
        """The object is kept beside its rows, and waits for the store."""
        with self._lock:
            self._waiting[location] = content
            self._waiting_bytes += len(content)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="archive-settler", daemon=True)
                self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def settle(self) -> None:
        """Writes all that waits, now. Raises NoSpace, psycopg.Error; then it waits on."""
        while True:
            with self._lock:
                batch = dict(islice(self._waiting.items(), _SETTLED_TOGETHER_MAX))
            if not batch:
                return
            self._write(batch)
            with self._lock:
                for location, content in batch.items():
                    if self._waiting.pop(location, None) is not None:
                        self._waiting_bytes -= len(content)

    def settle_left(self, *, older_than_s: float = 0.0) -> int:
        """Writes what other processes left behind; returns how many objects. Raises NoSpace, psycopg.Error."""
        settled = 0
        while True:
            with self._database.raw() as connection:
                batch = store.fresh_objects(connection, older_than_s, _SETTLED_TOGETHER_MAX)
            if not batch:
                return settled
            self._write(batch)
            settled += len(batch)

    def close(self) -> None:
        """Ends the thread after a last turn."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(10)

    def _wait_for_a_pause(self) -> None:
        # While more comes, its senders wait for the disk: it is theirs, until there is much to write or some is old.
        until = time.monotonic() + _SETTLE_S_MAX
        while time.monotonic() < until and self._waiting_bytes < limits.ARCHIVE_FRESH_BYTES_MAX // 2:
            self._wake.clear()
            self._stop.wait(_SETTLE_S)
            if self._stop.is_set() or not self._wake.is_set():
                return

    def _write(self, batch: Mapping[str, bytes]) -> None:
        self._vault.objects.put(batch)
        failpoint("settler.put")
        with self._database.raw() as connection:
            store.forget_fresh(connection, list(batch))
        failpoint("settler.forgotten")

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wait_for_a_pause()
            self._wake.clear()
            try:
                self.settle()
            except Exception as error:  # noqa: BLE001 - it stays beside its rows, and is tried again
                log.warning("small objects not moved to the store", error=type(error).__name__)
                self._stop.wait(_SETTLE_AGAIN_S)
                self._wake.set()
            if self._stop.is_set():
                return


class Announcer:
    """Tells of studies that grew, at most once a second each, from a thread of its own."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices
        self._lock = threading.Lock()
        self._dirty: dict[int, str] = {}
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    def note(self, study_pk: int, study_instance_uid: str) -> None:
        """The study has news."""
        with self._lock:
            first = not self._dirty
            self._dirty[study_pk] = study_instance_uid
            if self._thread is None and not self._stop:
                self._thread = threading.Thread(target=self._run, name="archive-announcer", daemon=True)
                self._thread.start()
        if first:
            self._wake.set()

    def take(self, study_pks: set[int]) -> dict[int, str]:
        """Takes out what waits for these studies, to be told by the caller."""
        with self._lock:
            return {key: self._dirty.pop(key) for key in study_pks if key in self._dirty}

    def flush(self) -> None:
        """Tells everything that waits, now."""
        with self._lock:
            waiting, self._dirty = self._dirty, {}
        if waiting:
            with self._offices.work(Actor.system("archive")) as work:
                self._offices.database.commit_soon(work.session)  # undone by a crash, `recover` tells it anew
                announce(work, waiting)

    def close(self) -> None:
        """Ends the thread after a last flush."""
        self._stop = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if not self._stop:
                time.sleep(_ANNOUNCE_S)
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - the next start finds what was not told (recover)
                log.warning("studies not announced", error=type(error).__name__)
            if self._stop:
                return


def announce(work: Work, studies: Mapping[int, str]) -> None:
    """Publishes `study.updated` for (study_pk → study_instance_uid) that are not new."""
    work.session.execute(
        update(Study).where(Study.study_pk.in_(studies)).values(announced_at=func.clock_timestamp())
    )
    with raw_connection(work).pipeline():  # one round trip for all
        for study_pk, study_instance_uid in studies.items():
            work.publish(StudyUpdated(study_pk, study_instance_uid, first_image=False, grown=True))
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="study.updated", object_id=len(studies))


def recover(offices: Offices) -> int:
    """Tells of studies whose last news was lost because the process was killed; returns how many."""
    with offices.work(Actor.system("archive")) as work:
        studies = store.unannounced(work.session, newest=limits.ARCHIVE_RECOVERY_INSTANCES_MAX)
        announce(work, {study.study_pk: study.study_instance_uid for study in studies})
        return len(studies)


class Intake:
    """What all transfers of one process share."""

    def __init__(
        self, database: Database, offices: Offices, vault: Vault, *, redo_folder: Path | None = None
    ) -> None:
        self.offices = offices
        self.vault = vault
        self.redo = (
            None if redo_folder is None else Redo(redo_folder, database, vault.objects, self._file_anew)
        )
        self.group = CommitGroup(database.url)
        self.announcer = Announcer(offices)
        self.settler = Settler(database, vault)
        self._lock = threading.Lock()
        self._series: OrderedDict[str, tuple[int, int, str]] = OrderedDict()
        self._beginning: dict[str, _Turn] = {}

    def transfer(
        self,
        actor: Actor,
        *,
        received_from: str,
        network_address: str | None = None,
        answers_at_once: bool = False,
    ) -> Transfer:
        """For one association or one STOW-RS request. `answers_at_once`: whoever asks sends each object's answer before he
        calls `Transfer.answered`. Raises Denied without STUDY_STORE."""
        if not actor.may(Permission.STUDY_STORE):
            raise Denied(f"This needs the permission {Permission.STUDY_STORE}.")
        if self.redo is not None:
            self.redo.start()
        return Transfer(self, actor, received_from[:64], network_address, answers_at_once=answers_at_once)

    @contextmanager
    def alone(self, study_instance_uid: str) -> Iterator[None]:
        """While one association begins a study, others of this process that bring more of it wait, and then find it."""
        with self._lock:
            turn = self._beginning.setdefault(study_instance_uid, _Turn())
            turn.waiting += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.waiting -= 1
                if not turn.waiting:
                    del self._beginning[study_instance_uid]

    def series(self, series_instance_uid: str) -> tuple[int, int, str] | None:
        """(study_pk, series_pk, study UID with its patient) of a series that this process has filed before."""
        with self._lock:
            return self._series.get(series_instance_uid)

    def remember(self, series_instance_uid: str, known: tuple[int, int, str]) -> None:
        """Keeps a series' keys for the next object."""
        with self._lock:
            self._series[series_instance_uid] = known
            if len(self._series) > _SERIES_CACHED_MAX:
                self._series.popitem(last=False)

    def forget(self, series_instance_uid: str) -> None:
        """Drops a series' keys, e.g. because the study was removed."""
        with self._lock:
            self._series.pop(series_instance_uid, None)

    def file_left(self) -> int:
        """Files anew what killed processes left without rows; returns how many objects were looked at. Raises psycopg.Error,
        NoSpace."""
        return 0 if self.redo is None else self.redo.file_left()

    def close(self) -> None:
        """Tells what waits, and closes the connection."""
        if self.redo is not None:
            self.redo.close()
        self.announcer.close()
        self.settler.close()
        self.group.close()

    def _file_anew(self, left: Left) -> None:
        """Takes an object in from its sealed bytes, as if it had just been received. What cannot be read was never
        acknowledged, or was destroyed on purpose."""
        result: StoreResult | None = None
        with self.transfer(Actor.system("archive"), received_from="archive") as transfer:
            incoming = transfer.file(left=True)
            try:
                with self.vault.open_left(left.location, left.study_key_pk, left.content) as plain:
                    for piece in plain.iterate(0, plain.size_bytes):
                        incoming.write(piece)
            except Damaged:
                incoming.abort()
            else:
                result = incoming.commit()
        if result is not None and result.outcome == "refused" and result.status == Status.OUT_OF_RESOURCES:
            raise NoSpace(result.detail)
        log.warning("filed anew", outcome="unreadable" if result is None else result.outcome)


@dataclass(slots=True)
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0


@dataclass(slots=True)
class _StudyTally:
    study_pk: int
    instances: int = 0


class Transfer:
    """One association or one STOW-RS request: makes `Incoming` objects, and records per study what came."""

    def __init__(
        self,
        intake: Intake,
        actor: Actor,
        received_from: str,
        network_address: str | None,
        *,
        answers_at_once: bool = False,
    ) -> None:
        self._intake = intake
        self._answers_at_once = answers_at_once
        self._afterwards: Callable[[], None] | None = None
        self._actor = actor
        self.received_from = received_from
        self.network_address = network_address
        self._studies: dict[str, _StudyTally] = {}
        self._spare: SealedWriter | None = None

    def object(self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> Incoming:
        """A data set without file meta information, as C-STORE brings it."""
        return Incoming(
            self, self._intake, HeadReader.of_dataset(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        )

    def file(
        self,
        *,
        keep_unfilable: bool = True,
        other_patient: bool = False,
        returning: bool = False,
        left: bool = False,
    ) -> Incoming:
        """A Part 10 file, as STOW-RS and imports bring it.

        Without `keep_unfilable`, what cannot be filed is refused, not quarantined (it is there already); with
        `other_patient`, a known study takes the object though it names another patient; `returning`: a person lets it
        in though it was removed here; `left`: a process that is no more left it, and if it was removed, then since.
        """
        return Incoming(
            self,
            self._intake,
            HeadReader.of_file(),
            keep_unfilable=keep_unfilable,
            other_patient=other_patient,
            returning=returning,
            left=left,
        )

    def answered(self) -> None:
        """Does what nobody's answer has to wait for: it is about memory alone. Idempotent."""
        afterwards, self._afterwards = self._afterwards, None
        if afterwards is not None:
            afterwards()

    def close(self) -> None:
        """Records the transfer of each study (PS3.15 A.5.3.7) and tells of what is not told yet. Idempotent."""
        self.answered()
        studies, self._studies = self._studies, {}
        if not studies:
            return
        with self._intake.offices.work(self._actor) as work:
            news = self._intake.announcer.take({tally.study_pk for tally in studies.values()})
            if news:
                announce(work, news)
            with raw_connection(work).pipeline():  # one round trip for all
                for study_instance_uid, tally in studies.items():
                    work.audit(
                        AuditEventID.INSTANCES_TRANSFERRED,
                        "C",
                        study_instance_uid=study_instance_uid,
                        object_type="study",
                        object_id=tally.study_pk,
                        detail={"instances": str(tally.instances), "from": self.received_from},
                    )

    def __enter__(self) -> Transfer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What Incoming needs of its transfer.

    def writer(self, study_instance_uid: str) -> SealedWriter:
        """For an object of the study. Raises NoSpace."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.key.study_instance_uid == study_instance_uid:
            return spare
        return self._begin(study_instance_uid)

    def _begin(self, study_instance_uid: str) -> SealedWriter:
        hold_bytes = limits.ARCHIVE_HELD_BYTES_MAX if self._intake.settler.has_room else 0
        return self._intake.vault.begin(study_instance_uid, hold_bytes=hold_bytes)

    def file_instance(
        self,
        filing: Filing,
        head: Head,
        row: InstanceRow,
        writer: SealedWriter,
        *,
        other_patient: bool,
        returning: bool,
        left: bool,
    ) -> str:
        """Files one instance; returns the outcome of the SQL functions, for what was removed here before that of the
        policy: "removed" or "refused". Raises NoSpace, psycopg.Error.

        Whether it was removed is found by the statement that files it: the usual object pays nothing for it, and no
        removal can be missed.
        """
        same = "\\".join((filing.study_instance_uid, *filing.patient))
        tally = self._studies.get(filing.study_instance_uid)
        known = self._known(filing, same, writer)
        if known is None:
            with self._intake.alone(filing.study_instance_uid):
                known = self._known(filing, same, writer)
                if known is None:
                    outcome, study_pk, series_pk = self._file_first(
                        filing, head, row, writer, first=tally is None, other_patient=other_patient
                    )
                    if outcome in ("stored", "duplicate") and not other_patient:
                        self._intake.remember(filing.series_instance_uid, (study_pk, series_pk, same))
        if known is not None:
            try:
                outcome, study_pk = self._file_next(filing, known, row, writer, first=tally is None)
            except psycopg.errors.ForeignKeyViolation:
                self._intake.forget(filing.series_instance_uid)
                outcome, study_pk, series_pk = self._file_first(
                    filing, head, row, writer, first=False, other_patient=other_patient
                )
        if outcome == "removed" and left:
            return "refused"  # to remove it, its rows had to be there: what was purged must not come back
        if outcome == "removed":
            policy = self._policy_for_removed(filing, returning=returning)
            if policy == "refuse":
                return "refused"
            if policy == "accept":
                outcome, study_pk, _ = self._file_first(
                    filing, head, row, writer, first=tally is None, other_patient=other_patient
                )
        if outcome in ("stored", "duplicate"):
            if tally is None:
                tally = self._studies.setdefault(filing.study_instance_uid, _StudyTally(study_pk))
            tally.instances += 1
        return outcome

    def _file_next(
        self, filing: Filing, known: tuple[int, int], row: InstanceRow, writer: SealedWriter, *, first: bool
    ) -> tuple[str, int]:
        study_pk, series_pk = known
        if row.study_key_pk is None:  # its key was kept meanwhile
            row = replace(row, study_key_pk=writer.key.study_key_pk)
        # The record of a transfer that begins waits for the disk with its first object.
        entry = self._begun(filing, "study", study_pk) if first else None
        redo = self._intake.redo
        covered = None if redo is None or first else self._cover(redo, writer)

        def send(pipeline: store.IngestPipeline, alone: bool) -> None:
            pipeline.send_instance(
                study_pk, series_pk, row, writer.held, soon=covered is not None, early=alone
            )
            if entry is not None:
                pipeline.send_entry(entry)

        def make_durable() -> None:
            if redo is not None and covered is not None:
                redo.keep(covered)
            writer.make_durable()

        def afterwards() -> None:
            if redo is not None and covered is not None:
                redo.filed(covered)
            self._intake.announcer.note(study_pk, filing.study_instance_uid)
            self._settle(writer)
            if self._answers_at_once and self._intake.settler.has_room:
                # The next is likely of the same study; until it is written to, nothing of this is in the store.
                self._spare = self._begin(filing.study_instance_uid)

        self.answered()
        outcome: bytes | None = None
        try:
            (outcome,) = self._intake.group.add(send, make_durable)
        finally:
            if outcome == b"stored":
                self._afterwards = afterwards
            elif redo is not None and covered is not None:
                redo.drop(covered)
        if not self._answers_at_once:
            self.answered()
        return (outcome or b"").decode(), study_pk

    @staticmethod
    def _cover(redo: Redo, writer: SealedWriter) -> Covered | None:
        study_key_pk = writer.key.study_key_pk
        if study_key_pk is None or (writer.held is None and not writer.noted):
            return None
        return redo.cover(writer.location, study_key_pk, writer.held)

    def _policy_for_removed(self, filing: Filing, *, returning: bool) -> str:
        """What becomes of an object that was removed here: "quarantine", "refuse", or "accept", and then it can be filed."""
        with self._intake.offices.work(self._actor) as work:
            policy = "accept" if returning else policy_of(work.session).on_return
            if policy == "accept":
                revive(
                    work.session,
                    filing.study_instance_uid,
                    filing.series_instance_uid,
                    filing.sop_instance_uid,
                )
            work.audit(
                AuditEventID.INSTANCES_TRANSFERRED,
                "C",
                study_instance_uid=filing.study_instance_uid,
                object_type="removed object",
                detail={"from": self.received_from, "policy": policy},
                outcome=0 if policy == "accept" else 4,
            )
        return policy

    def _known(self, filing: Filing, same: str, writer: SealedWriter) -> tuple[int, int] | None:
        """(study_pk, series_pk), where this process has filed of the series and the study's key is kept."""
        known = self._intake.series(filing.series_instance_uid)
        writer.key = self._intake.vault.committed(writer.key)
        if known is None or known[2] != same or writer.key.study_key_pk is None:
            return None
        return known[0], known[1]

    def _begun(self, filing: Filing, what: str, key: int | None) -> dict[str, Any]:
        return audit_entry(
            self._actor,
            self._intake.offices.clock.now(),
            AuditEventID.BEGIN_TRANSFER,
            "E",
            study_instance_uid=filing.study_instance_uid,
            object_type=what,
            object_id=key,
            detail={"from": self.received_from},
        )

    def _file_first(
        self,
        filing: Filing,
        head: Head,
        row: InstanceRow,
        writer: SealedWriter,
        *,
        first: bool,
        other_patient: bool,
    ) -> tuple[str, int, int]:
        """The first object of a study or series in this transfer: with the audit record and event in one transaction."""
        key = writer.key
        row = replace(row, study_key_pk=key.study_key_pk)
        begins = store.FirstObject(
            of_study=first,
            study_json=dumps(filing.study()),
            series_json=dumps(filing.series(self.received_from, head.request_attributes())),
            sealed_key=key.sealed_key if key.study_key_pk is None else None,
            force=other_patient,
            entry=self._begun(filing, "study" if first else "series", None),
            event=StudyUpdated(0, filing.study_instance_uid, first_image=False),
        )

        def send(pipeline: store.IngestPipeline, alone: bool) -> None:
            pipeline.send_first(begins, row, writer.held)

        filed = store.FirstFiled.of(self._intake.group.add(send, writer.make_durable))
        if filed.study_key_pk is not None:
            self._intake.vault.kept(key, filed.study_key_pk)
        if filed.outcome == "stored":
            self._settle(writer)
            if self._intake.redo is not None:
                self._intake.redo.forget(writer.location)
        return filed.outcome, filed.study_pk, filed.series_pk

    def _settle(self, writer: SealedWriter) -> None:
        if writer.held is not None:
            self._intake.settler.add(writer.location, writer.held)

    def repair(self, filing: Filing, row: InstanceRow, writer: SealedWriter) -> bool:
        """Puts what came once more in the place of its damaged original; False where that is whole, as nearly always."""
        key = self._intake.vault.committed(writer.key)
        with self._intake.offices.database.raw() as connection:
            if not store.is_damaged(connection, filing.sop_instance_uid):
                return False
        study_key_pk = self._intake.vault.keep(key).study_key_pk
        assert study_key_pk is not None
        writer.commit()
        with self._intake.offices.database.raw() as connection:
            repaired = store.repair_original(connection, filing.sop_instance_uid, row, study_key_pk)
            entry = audit_entry(
                self._actor,
                self._intake.offices.clock.now(),
                AuditEventID.INSTANCES_TRANSFERRED,
                "U",
                study_instance_uid=filing.study_instance_uid,
                object_type="damaged object",
                detail={"from": self.received_from, "repaired": str(repaired)},
            )
            store.add_entry(connection, entry)
        return repaired

    def quarantine(
        self,
        reason: str,
        detail: str,
        *,
        stored: StoredObject | None,
        texts: Mapping[str, str],
    ) -> int:
        """Keeps an object for a person to decide about; returns quarantine_pk."""
        with self._intake.offices.work(self._actor) as work:
            if stored is not None:
                work.session.add(stored)
                work.session.flush()
            row = Quarantine(
                reason=reason,
                detail=detail[:400],
                stored_object_pk=None if stored is None else stored.stored_object_pk,
                sop_instance_uid=_cut(texts.get("SOPInstanceUID"), 128),
                sop_class_uid=_cut(texts.get("SOPClassUID"), 128),
                study_instance_uid=_cut(texts.get("StudyInstanceUID"), 128),
                patient_name=_cut(texts.get("PatientName"), 324),
                patient_id=_cut(texts.get("PatientID"), 64),
                accession_number=_cut(texts.get("AccessionNumber"), 64),
                received_from=self.received_from,
                network_address=self.network_address,
                received_at=work.now(),
            )
            work.session.add(row)
            work.session.flush()
            work.publish(ObjectQuarantined(row.quarantine_pk, reason))
            work.audit(
                AuditEventID.INSTANCES_TRANSFERRED,
                "C",
                study_instance_uid=_cut(texts.get("StudyInstanceUID"), 64),
                object_type="quarantine",
                object_id=row.quarantine_pk,
                detail={"from": self.received_from, "reason": reason},
                outcome=4,
            )
            return row.quarantine_pk


class Incoming:
    """One object on its way in. Memory is bounded: the header, and one chunk being sealed."""

    def __init__(
        self,
        transfer: Transfer,
        intake: Intake,
        reader: HeadReader,
        *,
        keep_unfilable: bool = True,
        other_patient: bool = False,
        returning: bool = False,
        left: bool = False,
    ) -> None:
        self._left = left
        self._keep_unfilable = keep_unfilable
        self._other_patient = other_patient
        self._returning = returning
        self._transfer = transfer
        self._intake = intake
        self._reader = reader
        self._head: Head | None = None
        self._fault: NotFilable | None = None
        self._writer: SealedWriter | None = None
        self._hash = _LateHash()
        self._follower: FragmentFollower | None = None
        self._failed: _Failed | None = None
        self._size = 0

    def write(self, fragment: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes. A failure is kept for `commit`, so that the sender can be read to the end."""
        if self._failed is not None:
            return
        self._size += len(fragment)
        if self._size > limits.OBJECT_BYTES_MAX:
            self._fail("the object is larger than the limit of this archive")
            return
        try:
            if self._writer is None:
                if self._reader.feed(fragment):
                    self._open(at_end=False)
            else:
                self._pass(fragment)
        except NoSpace as error:
            self._fail(_why_not_kept(error))
        except psycopg.Error as error:
            self._fail(f"the database does not answer ({type(error).__name__})")

    def abort(self) -> None:
        """Forgets the object, e.g. because the association was lost."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None

    def commit(self, *, only_study: str | None = None) -> StoreResult:
        """Files the object; returns once it is durable, or says why it is not. Others than of `only_study` are refused."""
        try:
            return self._commit(only_study)
        except NoSpace as error:
            self.abort()
            return self._result(Status.OUT_OF_RESOURCES, "refused", _why_not_kept(error))
        except _Failed as error:
            self.abort()
            return self._result(Status.OUT_OF_RESOURCES, "refused", str(error))
        except (psycopg.errors.ForeignKeyViolation, IntegrityError):
            # The key of its study was destroyed with what was purged: sent again, it is sealed with a new one.
            self._intake.vault.forget_keys()
            log.warning("ingest failed", error="the key is gone")
            return self._result(Status.OUT_OF_RESOURCES, "refused", "the study was destroyed meanwhile")
        except Exception as error:  # noqa: BLE001 - whatever failed, it was not kept, and the sender must hear that
            # The row may or may not be there: the object stays, and the janitor decides by the index.
            log.warning("ingest failed", error=type(error).__name__)
            return self._result(Status.OUT_OF_RESOURCES, "refused", f"filing failed ({type(error).__name__})")

    def _fail(self, why: str) -> None:
        self._failed = _Failed(why)
        self.abort()

    def _result(
        self, status: Status, outcome: str, detail: str, quarantine_pk: int | None = None
    ) -> StoreResult:
        texts = self._reader.texts if self._head is None else self._head.texts
        return StoreResult(
            status,
            outcome,
            detail,
            texts.get("SOPClassUID", "") or self._reader.sop_class_uid,
            texts.get("SOPInstanceUID", "") or self._reader.sop_instance_uid,
            texts.get("StudyInstanceUID", ""),
            texts.get("SeriesInstanceUID", ""),
            quarantine_pk,
        )

    def _open(self, *, at_end: bool) -> None:
        """Once the header is read (or cannot be): begins the object under its study's key."""
        try:
            self._head = self._reader.head(at_end=at_end)
            study_instance_uid = UNKNOWN_STUDY if self._head is None else self._head.study_instance_uid
        except Unreadable as error:
            self._fault = NotFilable(error.reason, str(error), Status.CANNOT_UNDERSTAND)
            study_instance_uid = UNKNOWN_STUDY
        if self._head is None and self._fault is None:
            return  # more bytes are needed
        self._writer = self._transfer.writer(study_instance_uid)
        if self._head is not None:
            self._follower = self._head.follower()
        buffered = self._reader.take()
        self._writer.write(self._reader.prefix)
        self._position = len(self._reader.prefix)
        self._pass(buffered)

    _position = 0

    def _pass(self, data: bytes | bytearray | memoryview) -> None:
        assert self._writer is not None
        view = memoryview(data)
        start = self._position
        self._position += len(view)
        dataset_offset = self._reader.dataset_offset
        self._hash.update(view[max(dataset_offset - start, 0) :] if start < dataset_offset else view)
        if self._follower is not None and self._head is not None:
            begin = self._head.pixel_data_offset or 0
            if self._position > begin:
                self._follower.feed(view[max(begin - start, 0) :])
        self._writer.write(view)

    def _commit(self, only_study: str | None) -> StoreResult:
        if self._failed is not None:
            raise self._failed
        if self._writer is None:
            self._open(at_end=True)
        writer = self._writer
        if writer is None:
            raise _Failed("the object is empty")
        if only_study is not None and self._head is not None and self._head.study_instance_uid != only_study:
            self.abort()
            return self._result(Status.NOT_OF_SOP_CLASS, "refused", "the object belongs to another study")
        writer.finish()
        try:
            if self._fault is not None:
                raise self._fault
            head = self._head
            assert head is not None
            filing = self._checked(head)
        except NotFilable as fault:
            return self._quarantine(fault)
        row = self._row(head, filing, writer)
        outcome = self._transfer.file_instance(
            filing,
            head,
            row,
            writer,
            other_patient=self._other_patient,
            returning=self._returning,
            left=self._left,
        )
        if outcome == "stored":
            self._writer = None
            return self._result(Status.SUCCESS, "stored", "")
        if outcome == "duplicate":
            if self._transfer.repair(filing, row, writer):
                self._writer = None
                return self._result(Status.SUCCESS, "stored", "put in the place of a damaged copy")
            self.abort()
            return self._result(Status.SUCCESS, "duplicate", "already here with the same content")
        if outcome == "refused":
            self.abort()
            return self._result(Status.NOT_AUTHORIZED, "refused", _REMOVED)
        detail = {
            "content-differs": "this SOP Instance UID is known with other content; both are kept, one in quarantine",
            "patient-differs": "this study is known with another patient; kept in quarantine",
            "series-moved": "this series is known in another study; kept in quarantine",
            "removed": f"{_REMOVED}; it waits for a decision",
        }[outcome]
        return self._quarantine(NotFilable(outcome, detail, Status.COERCED))

    def _checked(self, head: Head) -> Filing:
        filing = filing_of(head.texts)
        for announced, found, name in (
            (self._reader.sop_instance_uid, filing.sop_instance_uid, "SOP Instance UID"),
            (self._reader.sop_class_uid, filing.sop_class_uid, "SOP Class UID"),
        ):
            # Of a file, the data set counts: its meta information is made anew on the way out.
            if not self._reader.is_file and announced.strip(" \0") != found:
                raise NotFilable(
                    QuarantineReason.UID_MISMATCH,
                    f"the data set's {name} is not the announced one",
                    Status.NOT_OF_SOP_CLASS,
                )
        fault = head.truncation(self._position)
        if fault is None and self._follower is not None:
            fault = self._follower.fault or (
                "the last fragment of the pixel data is cut" if self._follower.cut else None
            )
        if fault is not None:
            raise NotFilable(QuarantineReason.TRUNCATED, fault, Status.CANNOT_UNDERSTAND)
        return filing

    def _row(self, head: Head, filing: Filing, writer: SealedWriter) -> InstanceRow:
        return head.instance_row(
            filing,
            location=writer.location,
            study_key_pk=writer.key.study_key_pk,
            size_bytes=writer.size_bytes,
            dataset_sha256=self._hash.digest(),
            follower=self._follower,
        )

    def _quarantine(self, fault: NotFilable) -> StoreResult:
        writer = self._writer
        assert writer is not None
        if not self._keep_unfilable:
            self.abort()
            return self._result(Status.CANNOT_UNDERSTAND, "refused", fault.detail)
        writer.commit()
        failpoint("ingest.quarantine_kept")
        stored = StoredObject(
            role=StoredRole.QUARANTINED,
            location=writer.location,
            study_key_pk=self._intake.vault.keep(writer.key).study_key_pk,
            size_bytes=writer.size_bytes,
            dataset_sha256=self._hash.digest(),
            transfer_syntax_uid=(self._reader.transfer_syntax_uid or "")[:64],
            dataset_offset=self._reader.dataset_offset,
        )
        texts = dict(self._reader.texts if self._head is None else self._head.texts)
        texts.setdefault("SOPInstanceUID", self._reader.sop_instance_uid)
        texts.setdefault("SOPClassUID", self._reader.sop_class_uid)
        key = self._transfer.quarantine(fault.reason, fault.detail, stored=stored, texts=texts)
        self._writer = None
        return self._result(fault.status, "quarantined", fault.detail, key)


class _LateHash:
    """SHA-256, whose work on objects of usual size waits until they are written: the disk is busy with them then."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._room = limits.ARCHIVE_HASHED_LATE_BYTES_MAX

    def update(self, data: memoryview) -> None:
        """Takes the next bytes."""
        self._room -= len(data)
        if self._room >= 0:
            self._waiting.append(bytes(data))
        else:
            self._catch_up()
            self._hash.update(data)

    def digest(self) -> bytes:
        """Of all bytes."""
        self._catch_up()
        return self._hash.digest()

    def _catch_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for piece in waiting:
            self._hash.update(piece)


def raw_connection(work: Work) -> psycopg.Connection[Any]:
    """The psycopg connection under a unit of work, inside its transaction."""
    connection = work.session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def _why_not_kept(error: NoSpace) -> str:
    # A store that is out of reach may have all the room there is.
    return str(error) if isinstance(error, StoreUnavailable) else f"no room in the store: {error}"


def _cut(text: str | None, length: int) -> str | None:
    value = (text or "").replace("\0", "").strip()
    return value[:length] or None
