"""What is acknowledged before its rows are on disk, kept so that it can be filed anew.

Two things make an acknowledged object last: its bytes, and the rows that name it. To wait for both one after the other
costs as much as all else together. So the rows of an object that is covered here are committed without waiting
(`synchronous_commit = off`; PostgreSQL may lose the last half second of them if it is killed, never any earlier ones), and
what is durable at that moment is enough to make them again:

- of an object with a file of its own: the file. Its name was written down, and synced, when it was made ahead, and the
  file says in an extended attribute which study's key has sealed it;
- of a small one, whose bytes lie beside its rows: a record with its bytes, in a log that is synced while the database
  works on the rows. The log's files have their full length from the start, so that a record costs no change of the folder.

About once a second, one transaction looks for the rows of what was acknowledged since, and waits for the disk: all that it
saw is on disk then (they were written to PostgreSQL's log before it), and is forgotten here. What it does not find, and
what the folder of a killed process still tells of, is filed anew from its bytes, as if it had just been received.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import structlog

from wetread.archive import store
from wetread.archive.objects import NoSpace, ObjectStore
from wetread.kit.db import Database
from wetread.kit.failpoints import failpoint

log = structlog.get_logger()

_CONFIRM_S, _AGAIN_S = 1.0, 2.0
_CONFIRMED_TOGETHER_MAX = 1000
_SEGMENTS = 3
_SEGMENT_BYTES = 16 * 1024 * 1024
_BLOCK = 512
_MAGIC = b"WTRR\x01\0\0\0"
_EPOCH_BYTES = 8
_HEAD = struct.Struct(
    f"<{_EPOCH_BYTES}sIIqH"
)  # epoch, length and CRC-32 of the content, study_key_pk, length of location
_NAMES_AGE_S_MAX = 1800.0  # nothing is filed under a name that was made so long ago


@dataclass(slots=True, eq=False)
class Covered:
    """An object whose rows need not wait for the disk."""

    location: str
    study_key_pk: int
    content: bytes | None
    segment: _Segment | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """Bytes that may lack their rows: sealed `content`, or the object at `location` where that is None."""

    location: str
    study_key_pk: int
    content: bytes | None


def _write_at(descriptor: int, parts: list[bytes], offset: int) -> None:
    """All of it: one call may take a part alone, and a record that is cut counts for nothing after a crash."""
    total = sum(map(len, parts))
    done = os.pwritev(descriptor, parts, offset)
    if done < total:
        rest = memoryview(b"".join(parts))
        while done < total:
            done += os.pwrite(descriptor, rest[done:], offset + done)


class _Segment:
    """One file of the log, used again and again. Records of earlier rounds have another epoch, and count for nothing."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        zeros = bytes(1024 * 1024)
        for at in range(0, _SEGMENT_BYTES, len(zeros)):
            _write_at(self._file, [zeros], at)
        os.fsync(self._file)
        self.live = 0
        self._end = _SEGMENT_BYTES
        self._epoch = b""
        self._counting, self._syncing = threading.Lock(), threading.Lock()
        self._written = self._synced = 0
        self.begin()

    def begin(self) -> None:
        """Forgets all records. The new epoch reaches the disk with the first of the next."""
        self._epoch = secrets.token_bytes(_EPOCH_BYTES)
        _write_at(self._file, [_MAGIC + self._epoch], 0)
        self._end = _BLOCK

    @property
    def is_empty(self) -> bool:
        """Whether no record was made since `begin`."""
        return self._end == _BLOCK

    def reserve(self, location: str, content: bytes) -> int | None:
        """A place for a record, None where there is none."""
        start = self._end
        end = start + _HEAD.size + len(location) + len(content)
        if end > _SEGMENT_BYTES:
            return None
        self._end = -(-end // _BLOCK) * _BLOCK
        return start

    def write(self, offset: int, covered: Covered) -> None:
        """Returns once the record would survive a power cut; those who come together wait for one sync."""
        assert covered.content is not None
        location = covered.location.encode()
        head = _HEAD.pack(
            self._epoch,
            len(covered.content),
            zlib.crc32(covered.content, zlib.crc32(location)),
            covered.study_key_pk,
            len(location),
        )
        _write_at(self._file, [head, location, covered.content], offset)
        with self._counting:
            self._written += 1
            mine = self._written
        with self._syncing:
            if self._synced >= mine:
                return
            until = self._written
            os.fdatasync(self._file)
            self._synced = until

    def close(self) -> None:
        os.close(self._file)


class Redo:
    """The log of one process, in a folder of its own beneath `folder`. Made once the process takes objects in (`start`).

    `file_anew` files what lacks its rows; it raises psycopg.Error or NoSpace where that has to be tried again.
    """

    def __init__(
        self, folder: Path, database: Database, objects: ObjectStore, file_anew: Callable[[Left], None]
    ) -> None:
        self._root = folder
        self._database = database
        self._objects = objects
        self._file_anew = file_anew
        self._lock = threading.Lock()
        self._own: _OwnFolder | None = None
        self._segments: list[_Segment] = []
        self._current: _Segment | None = None
        self._batches: dict[str, _Names] = {}
        self._filed: dict[str, Covered] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        objects.note_ahead(self._note)

    def start(self) -> None:
        """Objects are about to come in. Idempotent."""
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._stop.is_set():
                    self._thread = threading.Thread(target=self._run, name="archive-redo", daemon=True)
                    self._thread.start()

    def cover(self, location: str, study_key_pk: int, content: bytes | None) -> Covered | None:
        """Makes room for the object's record, or finds its file's name written down (`content` None); None where it can not
        be: then its rows have to wait for the disk. Ends by `filed` or `drop`."""
        with self._lock:
            if content is None:
                return Covered(location, study_key_pk, None) if location in self._batches else None
            segment = self._current
            offset = None if segment is None else segment.reserve(location, content)
            if segment is None or offset is None:
                return None
            segment.live += 1
            return Covered(location, study_key_pk, content, segment, offset)

    def keep(self, covered: Covered) -> None:
        """Returns once the record would survive a power cut. Raises NoSpace."""
        if covered.segment is not None:
            try:
                covered.segment.write(covered.offset, covered)
                failpoint("redo.kept")
            except OSError as error:
                raise NoSpace(f"cannot keep an object: {error.strerror}") from error

    def filed(self, covered: Covered) -> None:
        """Its rows are committed, and may be on disk or not."""
        with self._lock:
            self._filed[covered.location] = covered
        if not self._wake.is_set():
            self._wake.set()

    def drop(self, covered: Covered) -> None:
        """Its rows were not made, or are on disk."""
        with self._lock:
            self._done(covered)

    def forget(self, location: str) -> None:
        """The object with this name was filed by a commit that waited, or not at all."""
        with self._lock:
            self._forget_name(location)

    def confirm(self) -> None:
        """Looks for the rows of all that was filed until now, and files anew what has none. Raises psycopg.Error, NoSpace."""
        with self._lock:
            self._turn()
            waiting = list(self._filed.values())
        for start in range(0, len(waiting), _CONFIRMED_TOGETHER_MAX):
            some = waiting[start : start + _CONFIRMED_TOGETHER_MAX]
            with self._database.raw() as connection:
                found = store.filed_surely(connection, [one.location for one in some])
            # Only here, after the commit, is what was found on disk.
            failpoint("redo.confirmed")
            for one in some:
                if one.location not in found:
                    log.warning("rows were lost, the object is filed anew", location=one.location)
                    self._file_anew(Left(one.location, one.study_key_pk, one.content))
            with self._lock:
                for one in some:
                    self._filed.pop(one.location, None)
                    self._done(one)
        with self._lock:
            self._turn()

    def file_left(self) -> int:
        """Files anew what processes that are no more have left without rows; returns how many objects were looked at.
        Raises psycopg.Error, NoSpace: then what is left stays."""
        looked_at = 0
        for folder in _folders_left(self._root):
            candidates = list(_left_in(folder.path, self._objects))
            for start in range(0, len(candidates), _CONFIRMED_TOGETHER_MAX):
                some = candidates[start : start + _CONFIRMED_TOGETHER_MAX]
                with self._database.raw() as connection:
                    found = store.filed_surely(connection, [one.location for one in some])
                for one in some:
                    if one.location not in found:
                        self._file_anew(one)
                        failpoint("redo.filed_anew")
            looked_at += len(candidates)
            folder.remove()
        return looked_at

    def close(self) -> None:
        """Confirms what it can, and removes the folder where all is on disk. Idempotent."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
        own, self._own = self._own, None
        if own is None:
            return
        for segment in self._segments:
            segment.close()
        self._segments, self._current = [], None
        if self._filed:
            own.leave()  # the next start files what lacks its rows
        else:
            own.remove()

    def _run(self) -> None:
        try:
            self._make_segments()
        except OSError as error:
            log.warning("rows wait for the disk: no room for the log", error=error.strerror)
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            self._stop.wait(_CONFIRM_S)
            try:
                self.confirm()
            except Exception as error:  # noqa: BLE001 - what was not confirmed stays, and is looked for again
                log.warning("rows not confirmed", error=type(error).__name__)
                self._stop.wait(_AGAIN_S)
                self._wake.set()
        with suppress(psycopg.Error, NoSpace):
            self.confirm()

    def _make_segments(self) -> None:
        for number in range(_SEGMENTS):
            if self._stop.is_set():
                return
            segment = _Segment(self._folder() / f"log-{number}")
            with self._lock:
                self._segments.append(segment)
                self._current = self._current or segment
        self._own_folder().sync()

    def _own_folder(self) -> _OwnFolder:
        with self._lock:
            if self._own is None:
                self._own = _OwnFolder.make(self._root)
            return self._own

    def _folder(self) -> Path:
        return self._own_folder().path

    def _note(self, locations: Sequence[str]) -> bool:
        """Writes down names of files that are made ahead; False where it cannot, and they are not covered then, and in a
        process that makes files of its own alone."""
        if self._thread is None:
            return False
        try:
            own = self._own_folder()
            path = own.path / f"names-{secrets.token_hex(8)}"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _write_at(descriptor, ["".join(f"{one}\n" for one in locations).encode()], 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            own.sync()
        except OSError:
            return False
        names = _Names(path, set(locations))
        with self._lock:
            self._batches.update(dict.fromkeys(locations, names))
            self._forget_old_names()
        return True

    def _done(self, covered: Covered) -> None:
        if covered.segment is not None:
            covered.segment.live -= 1
        else:
            self._forget_name(covered.location)

    def _forget_name(self, location: str) -> None:
        names = self._batches.pop(location, None)
        if names is not None:
            names.left.discard(location)
            if not names.left:
                names.path.unlink(missing_ok=True)

    def _forget_old_names(self) -> None:
        limit = time.monotonic() - _NAMES_AGE_S_MAX
        for location in [
            one for one, names in self._batches.items() if names.made_at < limit and one not in self._filed
        ]:
            self._forget_name(location)

    def _turn(self) -> None:
        """Makes room: a file of the log whose objects are all confirmed begins anew, and another one is written on."""
        for segment in self._segments:
            if not segment.live and not segment.is_empty:
                segment.begin()
        if self._current is not None and not self._current.is_empty:
            self._current = next((one for one in self._segments if one.is_empty), self._current)


@dataclass(slots=True)
class _Names:
    path: Path
    left: set[str]
    made_at: float = field(default_factory=time.monotonic)


class _OwnFolder:
    """A folder of the log, locked for as long as its process lives."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls, root: Path) -> _OwnFolder:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = root / secrets.token_hex(8)
        path.mkdir(mode=0o700)
        made = cls(path, os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        fcntl.flock(made._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.sync()
        _sync(root)
        return made

    @classmethod
    def of_the_dead(cls, path: Path) -> _OwnFolder | None:
        """The folder, where its process is no more."""
        try:
            lock = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None  # it is just being made, or removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return cls(path, lock)

    def sync(self) -> None:
        _sync(self.path)

    def leave(self) -> None:
        os.close(self._lock)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _folders_left(root: Path) -> Iterator[_OwnFolder]:
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        folder = _OwnFolder.of_the_dead(path)
        if folder is not None:
            try:
                yield folder
            except BaseException:
                folder.leave()
                raise


def _left_in(folder: Path, objects: ObjectStore) -> Iterator[Left]:
    for path in sorted(folder.glob("log-*")):
        yield from _records(path.read_bytes())
    for path in sorted(folder.glob("names-*")):
        for location in path.read_text().splitlines():
            study_key_pk = objects.noted_key(location)
            if study_key_pk is not None:
                yield Left(location, study_key_pk, None)


def _records(data: bytes) -> Iterable[Left]:
    """Whole records of the last round. One that was never finished leaves a gap, so each block may begin the next."""
    if not data.startswith(_MAGIC):
        return
    epoch = data[len(_MAGIC) : len(_MAGIC) + _EPOCH_BYTES]
    at = _BLOCK
    while at + _HEAD.size <= len(data):
        found, length, crc, study_key_pk, named = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + named + length
        if found == epoch and end <= len(data):
            location = data[at + _HEAD.size : at + _HEAD.size + named]
            content = data[at + _HEAD.size + named : end]
            if zlib.crc32(content, zlib.crc32(location)) == crc:
                yield Left(location.decode(), study_key_pk, content)
                at = -(-end // _BLOCK) * _BLOCK
                continue
        at += _BLOCK


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
