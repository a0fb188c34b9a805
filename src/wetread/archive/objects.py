"""Where bytes lie: one small interface, a folder behind it. Keys are random, never derived from what came in.

No rename is needed for atomicity: an object's key is known to nobody until the row that names it commits, and what
was written without such a row is removed by the janitor.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from wetread.archive.sealing import Damaged
from wetread.kit.errors import Unavailable
from wetread.kit.failpoints import failpoint

_LOCATION = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}\Z")


class NoSpace(Exception):
    """The store has no room for more; nothing was kept."""


class StoreUnavailable(NoSpace, Unavailable):
    """The store cannot be reached, or does not do as it should: what was to be written is not kept, and what was to be read
    may well be there. The message names the store, and neither keys nor addresses."""


class Missing(Damaged):
    """An object that the index names is not in the store."""


NoteAhead = Callable[[Sequence[str]], bool]
"""Takes locations of files that are made ahead, and returns whether they are written down for good."""


class ObjectWriter(Protocol):
    """One object being written."""

    location: str

    def write(self, parts: list[bytes]) -> None: ...

    def hurry(self) -> None:
        """All is written and noted, and `commit` comes soon: the disk may begin, beside what the caller does until then."""

    def commit(self) -> None:
        """Returns once the object would survive a power cut."""

    def note_key(self, study_key_pk: int) -> bool:
        """Writes beside the object, to become durable with it, which key has sealed it; False where the store cannot."""

    def abort(self) -> None: ...


class ObjectReader(Protocol):
    """One object opened for reading."""

    stored_bytes: int

    def read_at(self, start: int, length: int) -> bytes: ...

    def close(self) -> None: ...


class ObjectStore(Protocol):
    """A flat store of immutable objects under keys of its own making."""

    def create(self) -> ObjectWriter: ...

    def new_location(self) -> str:
        """A key for an object that `put` will write. Raises NoSpace where there would be no room for it."""

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Writes whole small objects (location → bytes), and returns once all would survive a power cut; each appears
        whole or not at all. Those that are there already are written again. Raises NoSpace."""

    def open(self, location: str) -> ObjectReader:
        """Raises Missing, StoreUnavailable."""

    def open_here(self, location: str) -> ObjectReader:
        """From the one store that the location names. Raises Missing, StoreUnavailable."""

    def copies(self, location: str) -> Iterator[ObjectReader]:
        """The same object in other stores, as far as they can be reached. The caller closes them."""

    def writer(self, location: str, *, replace: bool) -> ObjectWriter:
        """Writes under a known key, which appears whole at `commit` or not at all: a copy of an object that lies in another
        store, or with `replace` a sound one in the place of a damaged one. Raises NoSpace."""

    def delete(self, location: str) -> None:
        """Removes the object, and its copies in other stores."""

    def delete_here(self, location: str) -> None:
        """Removes the object from the one store that the location names."""

    def listing(self, older_than_s: float) -> Iterator[str]:
        """Locations of objects that were last written longer ago than that."""

    def note_ahead(self, note: NoteAhead) -> None:
        """From now on, `note` is called with the locations of files that are made ahead, before any of them is used."""

    def noted_key(self, location: str) -> int | None:
        """The key that `note_key` wrote beside an object; None where there is none, or no such object."""

    def space(self) -> tuple[int, int] | None:
        """(bytes used by anything, bytes free) of what the store lies on, None where that has no bounds."""

    def close(self) -> None: ...


_SAME_FOLDER_S = 2.0
_POOL_FILES = 32
_POOL_AGE_S_MAX = 600.0  # far below the age at which the janitor takes a file for an orphan
_KEY_ATTRIBUTE = "user.wetread.study_key"
_WRITE_BACK_BYTES = 1024 * 1024
_SYNC_FILE_RANGE_WRITE = 2


class LocalObjects:
    """A folder with 256 folders of objects. `reserve_bytes` is kept free, so that the database can go on working.

    Empty files are made ahead, by a thread of its own, and their folder is fsynced once for all of them: so the
    entry of a new object is durable before its first byte is written, and the writer has one fsync to wait for.
    """

    def __init__(self, root: Path, *, reserve_bytes: int = 256 * 1024 * 1024) -> None:
        self.root = root
        self._reserve_bytes = reserve_bytes
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folders: list[int] = []
        for number in range(256):
            folder = root / f"{number:02x}"
            folder.mkdir(exist_ok=True, mode=0o700)
            self._folders.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        _sync_folder(root)
        self._space_checked_at = 0.0
        self._has_room = True
        self._folder, self._folder_chosen_at = 0, -math.inf
        self._ready: deque[LocalWriter] = deque()
        self._wanted = threading.Event()
        self._closed = False
        self._maker: threading.Thread | None = None
        self._note: NoteAhead | None = None

    def create(self) -> LocalWriter:
        """A writer under a fresh random key. Raises NoSpace."""
        self._check_room()
        writer = self._made_ahead() or self._make(secrets.randbelow(256))
        if len(self._ready) < _POOL_FILES // 2:
            if self._maker is None and not self._closed:
                self._maker = threading.Thread(target=self._make_ahead, name="archive-files", daemon=True)
                self._maker.start()
            self._wanted.set()
        return writer

    def new_location(self) -> str:
        """See ObjectStore. Locations that are asked for together tend to lie in one folder, which is synced once."""
        self._check_room()
        now = time.monotonic()
        if now - self._folder_chosen_at > _SAME_FOLDER_S:
            self._folder_chosen_at, self._folder = now, secrets.randbelow(256)
        return f"{self._folder:02x}/{secrets.token_hex(16)}"

    def put(self, objects: Mapping[str, bytes]) -> None:
        """See ObjectStore: written under names that nobody reads, synced, then given their own."""
        self._check_room()
        written: list[tuple[int, int, str, str]] = []
        try:
            for location, content in objects.items():
                folder = self._folders[int(self._checked(location)[:2], 16)]
                name = location[3:]
                draft = secrets.token_hex(16)  # as a location: what a kill leaves is an orphan like others
                descriptor = os.open(
                    draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder
                )
                written.append((descriptor, folder, draft, name))
                done = os.write(descriptor, content)
                while done < len(content):
                    done += os.write(descriptor, content[done:])
                # The disk begins with all of them before the first is waited for.
                _start_write_back(descriptor, 0, len(content))
            for descriptor, _, _, _ in written:
                os.fsync(descriptor)
            failpoint("objects.drafts_synced")
            for _, folder, draft, name in written:
                os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            failpoint("objects.drafts_named")
            for folder in {folder for _, folder, _, _ in written}:
                os.fsync(folder)
        except OSError as error:
            for _, folder, draft, _ in written:
                with suppress(OSError):
                    os.unlink(draft, dir_fd=folder)
            raise NoSpace(f"cannot keep an object: {error.strerror}") from error
        finally:
            for descriptor, _, _, _ in written:
                os.close(descriptor)

    def _made_ahead(self) -> LocalWriter | None:
        while True:
            try:
                writer = self._ready.popleft()
            except IndexError:
                return None
            if time.monotonic() - writer.made_at < _POOL_AGE_S_MAX:
                return writer
            writer.abort()  # old files without a row are the janitor's

    def close(self) -> None:
        """Removes the files that were made ahead, and lets the folders go. Idempotent."""
        self._closed = True
        self._wanted.set()
        if self._maker is not None:
            self._maker.join(5)
        while self._ready:
            self._ready.popleft().abort()
        folders, self._folders = self._folders, []
        for folder in folders:
            os.close(folder)

    def _make(self, number: int) -> LocalWriter:
        name = secrets.token_hex(16)
        folder = self._folders[number]
        try:
            descriptor = os.open(
                name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder
            )
        except OSError as error:
            raise NoSpace(f"cannot create an object: {error.strerror}") from error
        return LocalWriter(descriptor, folder, name, f"{number:02x}/{name}")

    def _make_ahead(self) -> None:
        while not self._closed:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed or len(self._ready) >= _POOL_FILES // 2:
                continue
            number = secrets.randbelow(256)
            made: list[LocalWriter] = []
            try:
                made += (self._make(number) for _ in range(_POOL_FILES))
                os.fsync(self._folders[number])
            except (NoSpace, OSError):
                for writer in made:
                    writer.abort()
                continue  # the next caller makes its own file, and hears why it cannot
            noted = self._note is not None and self._note([one.location for one in made])
            for writer in made:
                writer.entry_durable = True
                writer.noted = noted
            self._ready.extend(made)

    def open(self, location: str) -> LocalReader:
        """The object for reading. Raises Missing."""
        try:
            return LocalReader(os.open(self._path(location), os.O_RDONLY))
        except OSError as error:
            raise Missing(f"is not in the store ({error.strerror})") from error

    def open_here(self, location: str) -> LocalReader:
        """See ObjectStore: the one store there is."""
        return self.open(location)

    def copies(self, location: str) -> Iterator[LocalReader]:
        """See ObjectStore: the one store there is."""
        return iter(())

    def delete(self, location: str) -> None:
        """Removes the object, where it is there."""
        with suppress(FileNotFoundError):
            self._path(location).unlink()

    delete_here = delete

    def writer(self, location: str, *, replace: bool) -> PlacedWriter:
        """See ObjectStore."""
        self._check_room()
        number = int(self._checked(location)[:2], 16)
        return PlacedWriter(self._make(number), self._folders[number], location, replace=replace)

    def listing(self, older_than_s: float) -> Iterator[str]:
        """Locations of objects last written longer ago than `older_than_s`."""
        limit = time.time() - older_than_s
        for folder in sorted(self.root.iterdir()):
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if entry.stat().st_mtime < limit:
                            yield f"{folder.name}/{entry.name}"

    def note_ahead(self, note: NoteAhead) -> None:
        """See ObjectStore."""
        self._note = note

    def noted_key(self, location: str) -> int | None:
        """See ObjectStore."""
        try:
            return int(os.getxattr(self._path(location), _KEY_ATTRIBUTE))
        except (OSError, ValueError, Missing):
            return None

    def space(self) -> tuple[int, int]:
        """(used, free) bytes of the file system."""
        stat = os.statvfs(self.root)
        return (stat.f_blocks - stat.f_bfree) * stat.f_frsize, stat.f_bavail * stat.f_frsize

    def _path(self, location: str) -> Path:
        return self.root / self._checked(location)

    @staticmethod
    def _checked(location: str) -> str:
        if not _LOCATION.match(location):
            raise Missing("has no location of this store")
        return location

    def _check_room(self) -> None:
        now = time.monotonic()
        if now - self._space_checked_at > 0.25 or not self._has_room:
            self._space_checked_at = now
            self._has_room = self.space()[1] > self._reserve_bytes
        if not self._has_room:
            raise NoSpace("less than the reserve is free")


class LocalWriter:
    """Writes one file; see ObjectWriter. `entry_durable`: its folder was fsynced after the file was made; `noted`: so
    was its name where it is looked for after a crash."""

    def __init__(self, descriptor: int, folder: int, name: str, location: str) -> None:
        self.location = location
        self.entry_durable = False
        self.noted = False
        self.made_at = time.monotonic()
        self._descriptor = descriptor
        self._folder = folder
        self._name = name
        self._written = 0
        self._started = 0

    def write(self, parts: list[bytes]) -> None:
        """Appends the parts. Raises NoSpace."""
        try:
            total = sum(map(len, parts))
            done = os.writev(self._descriptor, parts)
            if done < total:
                rest = memoryview(b"".join(parts))
                while done < total:
                    done += os.write(self._descriptor, rest[done:])
        except OSError as error:
            raise NoSpace(f"cannot write an object: {error.strerror}") from error
        self._written += total
        if self._written - self._started >= _WRITE_BACK_BYTES:
            # The disk begins while the rest still arrives, so that fsync has less to wait for.
            self._start_write_back()

    def hurry(self) -> None:
        """See ObjectWriter."""
        # An fsync in a thread would be further by the time of `commit`, but waking that thread costs more than it gains.
        self._start_write_back()

    def _start_write_back(self) -> None:
        _start_write_back(self._descriptor, self._started, self._written - self._started)
        self._started = self._written

    def note_key(self, study_key_pk: int) -> bool:
        """See ObjectWriter."""
        if not self.noted:
            return False
        try:
            os.setxattr(self._descriptor, _KEY_ATTRIBUTE, str(study_key_pk).encode())
        except OSError:
            return False  # not every file system has them
        return True

    def commit(self) -> None:
        """Makes file and folder entry durable. Raises NoSpace; a failed fsync is never tried again."""
        try:
            failpoint("objects.written")
            os.fsync(self._descriptor)
            failpoint("objects.synced")
            if not self.entry_durable:
                os.fsync(self._folder)
            if not os.fstat(self._descriptor).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "it was removed while it was written")
        except OSError as error:
            self.abort()
            raise NoSpace(f"cannot keep an object: {error.strerror}") from error
        os.close(self._descriptor)
        self._descriptor = -1

    def abort(self) -> None:
        """Removes what was written."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._folder)


class PlacedWriter:
    """Writes a file under a name that nobody reads, which gets its own at the end; see ObjectStore.writer."""

    def __init__(self, draft: LocalWriter, folder: int, location: str, *, replace: bool) -> None:
        self.location = location
        self._draft = draft
        self._name = location[3:]
        self._folder = folder
        self._replace = replace

    def write(self, parts: list[bytes]) -> None:
        """Appends the parts. Raises NoSpace."""
        self._draft.write(parts)

    def hurry(self) -> None:
        """See ObjectWriter."""
        self._draft.hurry()

    def note_key(self, study_key_pk: int) -> bool:
        """See ObjectWriter: nothing is received under such a name."""
        return False

    def commit(self) -> None:
        """Makes file and name durable. Raises NoSpace; where the name is taken and may not be, the one that is there stays."""
        self._draft.commit()
        draft, name = self._draft.location[3:], self._name
        try:
            if self._replace:
                os.rename(draft, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            else:
                os.link(draft, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                os.unlink(draft, dir_fd=self._folder)
            failpoint("objects.placed")
            os.fsync(self._folder)
        except OSError as error:
            self._draft.abort()
            raise NoSpace(f"cannot keep an object: {error.strerror}") from error

    def abort(self) -> None:
        """Removes what was written."""
        self._draft.abort()


try:
    _sync_file_range: Any = ctypes.CDLL(None, use_errno=True).sync_file_range
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
except AttributeError:  # not Linux: fsync alone does it
    _sync_file_range = None


def _start_write_back(descriptor: int, start: int, length: int) -> None:
    if _sync_file_range is not None:
        _sync_file_range(descriptor, start, length, _SYNC_FILE_RANGE_WRITE)


class LocalReader:
    """Reads one file; see ObjectReader."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.stored_bytes = os.fstat(descriptor).st_size

    def read_at(self, start: int, length: int) -> bytes:
        """Bytes `start … start+length`, fewer at the end."""
        data = os.pread(self._descriptor, length, start)
        while len(data) < length:
            more = os.pread(self._descriptor, length - len(data), start + len(data))
            if not more:
                break
            data += more
        return data

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> LocalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
