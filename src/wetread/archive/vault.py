"""Sealed objects: the store and the study keys behind one door. Plain bytes go in and out; nothing plain is at rest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from wetread.archive import store
from wetread.archive.objects import ObjectStore, ObjectWriter
from wetread.archive.sealing import Sealer, Unsealer, new_data_key
from wetread.kit.db import Database
from wetread.security.service import MasterKey

UNKNOWN_STUDY = ""  # the key of objects whose study could not be made out
_KEYS_CACHED_MAX = 20_000


class SealedWriter:
    """One object being sealed and written. Nothing is to be seen until a row names `location`."""

    def __init__(self, target: ObjectWriter, study_key_pk: int, data_key: bytes) -> None:
        self._target = target
        self._sealer = Sealer(data_key)
        self.location = target.location
        self.study_key_pk = study_key_pk

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
        self._by_study: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._by_pk: OrderedDict[int, bytes] = OrderedDict()

    def create(self, study_instance_uid: str) -> SealedWriter:
        """A writer under the study's key, which is made where there is none. Raises NoSpace."""
        with self._lock:
            known = self._by_study.get(study_instance_uid)
        if known is None:
            # Committed by itself before use: a key without objects is harmless, an object without its key is lost.
            with self._database.raw() as connection:
                known = self._find_or_make(connection, study_instance_uid)
            with self._lock:
                self._by_study[study_instance_uid] = known
                if len(self._by_study) > _KEYS_CACHED_MAX:
                    self._by_study.popitem(last=False)
        return SealedWriter(self.objects.create(), *known)

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

    def _find_or_make(
        self, connection: psycopg.Connection[Any], study_instance_uid: str
    ) -> tuple[int, bytes]:
        found = store.study_key(
            connection, study_instance_uid, lambda: self._master_key.seal(new_data_key(), b"study key")
        )
        return found[0], self.data_key(found[0], found[1])
