"""Sealed objects: the store and the study keys behind one door. Plain bytes go in and out; nothing plain is at rest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from wetread.archive import store
from wetread.archive.objects import ObjectStore, ObjectWriter
from wetread.archive.sealing import Sealer, Unsealer, new_data_key
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
    """One object being sealed and written. Nothing is to be seen until a row names `location`."""

    def __init__(self, target: ObjectWriter, key: StudyKey) -> None:
        self._target = target
        self._sealer = Sealer(key.data_key)
        self.location = target.location
        self.key = key

    @property
    def size_bytes(self) -> int:
        """Plain bytes so far."""
        return self._sealer.size_bytes

    def write(self, plain: bytes | bytearray | memoryview) -> None:
        """Appends plain bytes. Raises NoSpace."""
        parts = self._sealer.update(plain)
        if parts:
            self._target.write(parts)

    def finish(self) -> None:
        """Writes the final chunk; `commit` then makes it last. Raises NoSpace."""
        self._target.write(self._sealer.finish())

    def commit(self) -> None:
        """Returns once the object survives a power cut. Raises NoSpace."""
        self._target.commit()

    def abort(self) -> None:
        """Removes what was written."""
        self._target.abort()


class Vault:
    """Opens and makes sealed objects. Data keys are cached, unsealed, in this process's memory only."""

    def __init__(self, database: Database, objects: ObjectStore, master_key: MasterKey) -> None:
        self.objects = objects
        self._database = database
        self._master_key = master_key
        self._lock = threading.Lock()
        self._by_study: OrderedDict[str, StudyKey] = OrderedDict()
        self._by_pk: OrderedDict[int, bytes] = OrderedDict()

    def begin(self, study_instance_uid: str) -> SealedWriter:
        """A writer under a key of the study that this process knows, or under a new one, which the caller keeps in the
        transaction that files the object (`kept` then) or by `keep`. Raises NoSpace."""
        with self._lock:
            key = self._by_study.get(study_instance_uid)
        if key is None:
            key = self._new_key(study_instance_uid)
            self._remember(key)
        return SealedWriter(self.objects.create(), key)

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
        return SealedWriter(self.objects.create(), key)

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
        """Reads an object of `size_bytes` plain bytes. Raises Missing, Damaged."""
        data_key = self.data_key(study_key_pk, sealed_key)
        reader = self.objects.open(location)
        try:
            yield Unsealer(data_key, size_bytes, reader.read_at, reader.stored_bytes)
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
