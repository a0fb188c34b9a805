"""Sealed objects: the store and the study keys behind one door. Plain bytes go in and out; nothing plain is at rest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from wetread.archive import store
from wetread.archive.objects import Missing, ObjectReader, ObjectStore, ObjectWriter
from wetread.archive.sealing import ReadAt, Sealer, Unsealer, new_data_key, plain_size
from wetread.kit.db import Database
from wetread.security.service import MasterKey

UNKNOWN_STUDY = ""  # the key of objects whose study could not be made out
_KEYS_CACHED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class StudyKey:
    """A data key. Until its row is committed, `study_key_pk` is None: it then must be kept with what it sealed."""

    study_instance_uid: str
    study_key_pk: int | None
    sealed_key: bytes
    data_key: bytes


class SealedWriter:
    """One object being sealed and written. Nothing is to be seen until a row names `location`.

    What is sealed waits in memory while it is smaller than `hold_bytes`; only then a file is made for it. An object that
    ends before that is `held`: its bytes can be kept beside its rows, or be written by `commit`.
    """

    def __init__(self, objects: ObjectStore, key: StudyKey, *, hold_bytes: int = 0) -> None:
        self._objects = objects
        self._sealer = Sealer(key.data_key)
        self._hold_bytes = hold_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._target: ObjectWriter | None = None if hold_bytes else objects.create()
        self._durable = self._noted = False
        self.location = "" if self._target is None else self._target.location
        self.held: bytes | None = None
        self.key = key

    @property
    def size_bytes(self) -> int:
        """Plain bytes so far."""
        return self._sealer.size_bytes

    def write(self, plain: bytes | bytearray | memoryview) -> None:
        """Appends plain bytes. Raises NoSpace."""
        parts = self._sealer.update(plain)
        if parts:
            self._write(parts)

    def finish(self) -> None:
        """Seals the end; `commit` then makes it last. Raises NoSpace."""
        self._write(self._sealer.finish())
        if self._target is None:
            self.location = self._objects.new_location()
            self.held = b"".join(self._waiting)
            self._waiting = []
        else:
            if self.key.study_key_pk is not None:
                self._noted = self._target.note_key(self.key.study_key_pk)
            self._target.hurry()

    def make_durable(self) -> None:
        """The same before its rows are committed: a held object needs nothing, its bytes go with them."""
        if self.held is None:
            self.commit()

    @property
    def noted(self) -> bool:
        """Whether the object becomes durable together with which key has sealed it, see ObjectWriter.note_key."""
        return self._noted

    def commit(self) -> None:
        """Returns once the object survives a power cut in the store. Raises NoSpace."""
        if self._durable:
            return
        if self._target is not None:
            self._target.commit()
        else:
            assert self.held is not None
            self._objects.put({self.location: self.held})
        self._durable = True

    def abort(self) -> None:
        """Removes what was written."""
        if self._target is not None:
            self._target.abort()
        elif self._durable:
            self._objects.delete(self.location)

    def _write(self, parts: list[bytes]) -> None:
        if self._target is None:
            self._waiting += parts
            self._waiting_bytes += sum(map(len, parts))
            if self._waiting_bytes < self._hold_bytes:
                return
            self._target = self._objects.create()
            self.location = self._target.location
            parts, self._waiting = self._waiting, []
        self._target.write(parts)


class _HeldReader:
    """Reads bytes; see ObjectReader."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.stored_bytes = len(content)

    def read_at(self, start: int, length: int) -> bytes:
        return self._content[start : start + length]

    def close(self) -> None:
        pass


class Vault:
    """Opens and makes sealed objects. Data keys are cached, unsealed, in this process's memory only."""

    def __init__(self, database: Database, objects: ObjectStore, master_key: MasterKey) -> None:
        self.objects = objects
        self._database = database
        self._master_key = master_key
        self._lock = threading.Lock()
        self._by_study: OrderedDict[str, StudyKey] = OrderedDict()
        self._by_pk: OrderedDict[int, bytes] = OrderedDict()
        self.on_damage: Callable[[str], None] = lambda _: None

    def begin(self, study_instance_uid: str, *, hold_bytes: int) -> SealedWriter:
        """A writer under a key of the study that this process knows, or under a new one, which the caller keeps in the
        transaction that files the object (`kept` then) or by `keep`. For `hold_bytes` see SealedWriter. Raises
        NoSpace."""
        with self._lock:
            key = self._by_study.get(study_instance_uid)
        if key is None:
            key = self._new_key(study_instance_uid)
            self._remember(key)
        return SealedWriter(self.objects, key, hold_bytes=hold_bytes)

    def create(self, study_instance_uid: str) -> SealedWriter:
        """A writer under the study's key, which is made and kept where there is none. Raises NoSpace."""
        with self._lock:
            key = self._by_study.get(study_instance_uid)
        if key is None or key.study_key_pk is None:
            with self._database.raw() as connection:
                found = store.study_key(connection, study_instance_uid)
            if found is None:
                key = self.keep(key or self._new_key(study_instance_uid))
            else:
                key = StudyKey(study_instance_uid, *found, self.data_key(*found))
                self._remember(key)
        return SealedWriter(self.objects, key)

    def keep(self, key: StudyKey) -> StudyKey:
        """Commits a new key by itself: a key without objects is harmless, an object without its key is lost."""
        key = self.committed(key)
        if key.study_key_pk is not None:
            return key
        with self._database.raw() as connection:
            study_key_pk = store.keep_study_key(connection, key.study_instance_uid, key.sealed_key)
        return self.kept(key, study_key_pk)

    def committed(self, key: StudyKey) -> StudyKey:
        """The key with its row, where that was committed since."""
        with self._lock:
            known = self._by_study.get(key.study_instance_uid)
        return known if known is not None and known.sealed_key == key.sealed_key else key

    def kept(self, key: StudyKey, study_key_pk: int) -> StudyKey:
        """Serves the key to what follows: its row is committed."""
        if key.study_key_pk is None:
            key = replace(key, study_key_pk=study_key_pk)
            self._remember(key)
        return key

    @contextmanager
    def open(
        self, location: str, study_key_pk: int, sealed_key: bytes, size_bytes: int
    ) -> Iterator[Unsealer]:
        """Reads an object of `size_bytes` plain bytes, damaged ones from their copies. Raises Missing, Damaged."""
        data_key = self.data_key(study_key_pk, sealed_key)
        with ExitStack() as readers:
            reader = self._open(location)
            readers.callback(reader.close)
            yield Unsealer(
                data_key,
                size_bytes,
                reader.read_at,
                reader.stored_bytes,
                self._copies(location, readers),
            )

    def _copies(self, location: str, readers: ExitStack) -> Iterator[tuple[ReadAt, int]]:
        """Asked for where the bytes at `location` are damaged: whoever mends them hears of it now."""
        self.on_damage(location)
        for copy in self.objects.copies(location):
            readers.callback(copy.close)
            yield copy.read_at, copy.stored_bytes

    def _open(self, location: str) -> ObjectReader:
        try:
            return self.objects.open(location)
        except Missing:
            # What came just now may lie beside its rows still; or it was moved between the two looks.
            with self._database.raw() as connection:
                content = store.fresh_object(connection, location)
            return self.objects.open(location) if content is None else _HeldReader(content)

    @contextmanager
    def open_left(self, location: str, study_key_pk: int, content: bytes | None) -> Iterator[Unsealer]:
        """Reads an object that no row tells of: sealed `content`, or what lies at `location`. Raises Missing, also where its
        key was destroyed, and Damaged, also where it was never finished."""
        with self._database.raw() as connection:
            sealed_key = store.sealed_key(connection, study_key_pk)
        if sealed_key is None:
            raise Missing("its key is not there")
        reader = self.objects.open_here(location) if content is None else _HeldReader(content)
        try:
            yield Unsealer(
                self.data_key(study_key_pk, sealed_key),
                plain_size(reader.stored_bytes),
                reader.read_at,
                reader.stored_bytes,
            )
        finally:
            reader.close()

    def data_key(self, study_key_pk: int, sealed_key: bytes) -> bytes:
        """The unsealed data key of a row of study_key."""
        with self._lock:
            key = self._by_pk.get(study_key_pk)
        if key is None:
            key = self._master_key.unseal(bytes(sealed_key), b"study key")
            with self._lock:
                self._by_pk[study_key_pk] = key
                if len(self._by_pk) > _KEYS_CACHED_MAX:
                    self._by_pk.popitem(last=False)
        return key

    def forget_keys(self) -> None:
        """Empties the cache, e.g. after keys were destroyed."""
        with self._lock:
            self._by_study.clear()
            self._by_pk.clear()

    def _new_key(self, study_instance_uid: str) -> StudyKey:
        data_key = new_data_key()
        return StudyKey(study_instance_uid, None, self._master_key.seal(data_key, b"study key"), data_key)

    def _remember(self, key: StudyKey) -> None:
        with self._lock:
            self._by_study[key.study_instance_uid] = key
            if len(self._by_study) > _KEYS_CACHED_MAX:
                self._by_study.popitem(last=False)
