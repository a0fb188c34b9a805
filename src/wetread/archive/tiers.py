"""Several object stores as one: each location names its store, and an object keeps its key wherever it is moved.

A location is `ab/<32 hex>` for the folder of old, and `name:ab/<32 hex>` for any other store. New objects go to the first
store that takes them: one that is full, out of reach or being emptied is passed over. What is not where a location says is
looked for where the index has it now, or has a copy of it, so that moving never disturbs a reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from wetread.archive import store
from wetread.archive.objects import (
    LocalObjects,
    Missing,
    NoSpace,
    NoteAhead,
    ObjectReader,
    ObjectStore,
    ObjectWriter,
    StoreUnavailable,
)
from wetread.archive.s3 import S3Objects
from wetread.kit.db import Database
from wetread.kit.stores import LOCAL, StoreSettings

log = structlog.get_logger()

_LOOKED_S = 5.0


def named(name: str, key: str) -> str:
    """The location of a key in a store."""
    return key if name == LOCAL else f"{name}:{key}"


def split(location: str) -> tuple[str, str]:
    """(store's name, key) of a location."""
    name, found, key = location.rpartition(":")
    return (name, key) if found else (LOCAL, key)


@dataclass(frozen=True, slots=True)
class StoresState:
    """What the index knows of the stores: bytes in each, and those that are being emptied."""

    used_bytes: Mapping[str, int]
    closed: frozenset[str]


class StoresIndex(Protocol):
    """What the stores ask of the index."""

    def elsewhere(self, location: str, keys: Sequence[str]) -> list[str]:
        """Where else an object lies: any of `keys` that a row or a copy names, and copies of what `location` names."""

    def state(self) -> StoresState: ...


class DatabaseIndex:
    """The index in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def elsewhere(self, location: str, keys: Sequence[str]) -> list[str]:
        """See StoresIndex."""
        with self._database.raw() as connection:
            return store.elsewhere(connection, location, keys)

    def state(self) -> StoresState:
        """See StoresIndex."""
        with self._database.raw() as connection:
            used, closed = store.stores_state(connection)
        return StoresState(used, frozenset(closed))


@dataclass(frozen=True, slots=True)
class Member:
    """One of the stores."""

    settings: StoreSettings
    objects: ObjectStore

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name


def objects_of(settings: StoreSettings) -> ObjectStore:
    """Opens the store that the settings describe. Raises OSError where a folder cannot be made."""
    if settings.bucket is not None:
        return S3Objects(settings)
    assert settings.folder is not None
    return LocalObjects(settings.folder, reserve_bytes=settings.reserve_bytes)


class Stores:
    """The stores of one process in the order of tiers; see ObjectStore."""

    def __init__(self, members: Sequence[Member], index: StoresIndex) -> None:
        self.members = {member.name: member for member in members}
        self._index = index
        self._lock = threading.Lock()
        self._state = StoresState({}, frozenset())
        self._looked_at = -float("inf")
        self.full_since: float | None = None

    @classmethod
    def of(cls, settings: Sequence[StoreSettings], database: Database) -> Stores:
        """The stores of the settings."""
        return cls([Member(one, objects_of(one)) for one in settings], DatabaseIndex(database))

    def member(self, name: str) -> Member:
        """The store of that name. Raises StoreUnavailable."""
        try:
            return self.members[name]
        except KeyError:
            raise StoreUnavailable(
                f"store {name} holds objects and is not in the settings any more"
            ) from None

    def create(self) -> ObjectWriter:
        """A writer in the first store that takes it. Raises NoSpace."""
        fault: NoSpace | None = None
        for member in self.open_members():
            try:
                writer = member.objects.create()
            except NoSpace as error:
                fault = fault or error
                continue
            writer.location = named(member.name, writer.location)
            return writer
        raise fault or NoSpace("no store takes new objects")

    def new_location(self) -> str:
        """See ObjectStore."""
        fault: NoSpace | None = None
        for member in self.open_members():
            try:
                return named(member.name, member.objects.new_location())
            except NoSpace as error:
                fault = fault or error
        raise fault or NoSpace("no store takes new objects")

    def takes_new(self) -> str | None:
        """None where there is room for what comes, else why not."""
        try:
            self.new_location()
        except NoSpace as error:
            return str(error)
        return None

    def put(self, objects: Mapping[str, bytes]) -> None:
        """See ObjectStore: each where its location says."""
        by_store: dict[str, dict[str, bytes]] = {}
        for location, content in objects.items():
            name, key = split(location)
            by_store.setdefault(name, {})[key] = content
        for name, some in by_store.items():
            self.member(name).objects.put(some)

    def writer(self, location: str, *, replace: bool) -> ObjectWriter:
        """See ObjectStore."""
        name, key = split(location)
        writer = self.member(name).objects.writer(key, replace=replace)
        writer.location = location
        return writer

    def open(self, location: str) -> ObjectReader:
        """The object for reading, from wherever it lies now. Raises Missing, StoreUnavailable."""
        name, key = split(location)
        try:
            reader = self.member(name).objects.open(key)
        except (Missing, StoreUnavailable) as fault:
            return self._open_elsewhere(location, fault)
        return reader if len(self.members) == 1 else _SteadyReader(self, location, reader)

    def open_here(self, location: str) -> ObjectReader:
        """The object for reading from the one store that the location names. Raises Missing, StoreUnavailable."""
        name, key = split(location)
        return self.member(name).objects.open(key)

    def copies(self, location: str) -> Iterator[ObjectReader]:
        """See ObjectStore: from wherever else it lies now."""
        name, key = split(location)
        keys = [named(other, key) for other in self.members if other != name]
        for other in self._index.elsewhere(location, keys) if keys else []:
            with suppress(Missing, StoreUnavailable):
                yield self.open_here(other)

    def delete(self, location: str) -> None:
        """Removes the object from every store: what was moved keeps its key. Raises StoreUnavailable at the end where one
        could not be asked."""
        fault: StoreUnavailable | None = None
        _, key = split(location)
        for member in self.members.values():
            try:
                member.objects.delete_here(key)
            except StoreUnavailable as error:
                fault = error
        if fault is not None:
            raise fault

    def delete_here(self, location: str) -> None:
        """Removes it from the one store that the location names. Raises StoreUnavailable."""
        name, key = split(location)
        self.member(name).objects.delete_here(key)

    def listing(self, older_than_s: float) -> Iterator[str]:
        """See ObjectStore; a store that does not answer is left out."""
        for member in self.members.values():
            try:
                for key in member.objects.listing(older_than_s):
                    yield named(member.name, key)
            except StoreUnavailable as error:
                log.warning("a store was not listed", store=member.name, error=str(error))

    def note_ahead(self, note: NoteAhead) -> None:
        """See ObjectStore."""

        def of(member: Member) -> NoteAhead:
            return lambda keys: note([named(member.name, key) for key in keys])

        for member in self.members.values():
            member.objects.note_ahead(of(member))

    def noted_key(self, location: str) -> int | None:
        """See ObjectStore."""
        name, key = split(location)
        member = self.members.get(name)
        return None if member is None else member.objects.noted_key(key)

    def space(self) -> tuple[int, int] | None:
        """Of the first store that takes new objects."""
        for member in self.open_members():
            return member.objects.space()
        return None

    def used_bytes(self, name: str) -> int:
        """Sealed bytes in a store, as the index has them (a little behind)."""
        return self._current().used_bytes.get(name, 0)

    def look_again(self) -> None:
        """Forgets what was known of quotas and of stores being emptied."""
        self._looked_at = -float("inf")

    def close(self) -> None:
        """Closes all."""
        for member in self.members.values():
            member.objects.close()

    def open_members(self) -> Iterator[Member]:
        """Stores that may take new objects."""
        if len(self.members) == 1:
            (only,) = self.members.values()
            if only.settings.quota_bytes is None:
                yield only
                return
        state = self._current()
        for member in self.members.values():
            quota = member.settings.quota_bytes
            if not member.settings.takes_new or member.name in state.closed:
                continue
            if quota is not None and state.used_bytes.get(member.name, 0) >= quota:
                continue
            yield member

    def _current(self) -> StoresState:
        if time.monotonic() - self._looked_at > _LOOKED_S:
            with self._lock:
                if time.monotonic() - self._looked_at > _LOOKED_S:
                    self._state = self._index.state()
                    self._looked_at = time.monotonic()
        return self._state

    def _open_elsewhere(self, location: str, fault: Exception) -> ObjectReader:
        for reader in self.copies(location):
            return reader
        raise fault


class _SteadyReader:
    """Reads on from where the object lies now, where it was moved or its store failed meanwhile."""

    def __init__(self, stores: Stores, location: str, reader: ObjectReader) -> None:
        self.stored_bytes = reader.stored_bytes
        self._stores = stores
        self._location = location
        self._reader = reader

    def read_at(self, start: int, length: int) -> bytes:
        """See ObjectReader."""
        try:
            return self._reader.read_at(start, length)
        except (Missing, StoreUnavailable, OSError) as fault:
            self._reader.close()
            self._reader = self._stores._open_elsewhere(self._location, fault)  # noqa: SLF001 - of one module
            return self._reader.read_at(start, length)

    def close(self) -> None:
        """See ObjectReader."""
        self._reader.close()


def stores_in(objects: Any) -> Stores:
    """The stores of an archive; a single store, as tests have it, as one of a kind. Raises StoreUnavailable."""
    if isinstance(objects, Stores):
        return objects
    raise StoreUnavailable("this archive has one store alone")
