"""Reading again what is kept, all of it in turn: each chunk is authenticated, and the whole is what was received.

Damage is found before somebody needs the image. A damaged rendition is made anew from its original. A damaged original
is mended from its copy in another store; without one it waits for a person, who has it sent again: the same object
received once more takes the place of the damaged one. Copies are read with their objects, and mended from them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from wetread.archive import store
from wetread.archive.events import ObjectDamaged
from wetread.archive.model import (
    DamagedObject,
    Instance,
    ObjectCopy,
    Series,
    StoreCheck,
    StoredObject,
    StoredRole,
    Study,
    StudyKey,
)
from wetread.archive.objects import Missing, NoSpace, StoreUnavailable
from wetread.archive.sealing import Damaged, Unsealer, sealed_size
from wetread.archive.service import Archive, the_archive
from wetread.jobs.service import PREPARATION, defer, task
from wetread.kit import limits
from wetread.kit.failpoints import failpoint
from wetread.security.service import Actor, AuditEventID, Offices, Permission, Work

log = structlog.get_logger()

_AT_ONCE = 100
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """An object that is to be read again, and what it must be."""

    stored_object_pk: int
    role: str
    location: str
    study_key_pk: int
    sealed_key: bytes
    size_bytes: int
    dataset_offset: int
    dataset_sha256: bytes


@dataclass(slots=True)
class Tally:
    """What a check found. `through` is the last stored_object_pk that was read."""

    objects: int = 0
    bytes: int = 0
    damaged: int = 0
    through: int = 0


def fault_of(archive: Archive, one: Checked) -> str | None:
    """None where the object is whole in the place that its row names, else what is wrong with it. Raises
    StoreUnavailable."""
    fault = fault_at(archive, one.location, one)
    if fault is None:
        return None
    # What came just now may lie beside its row still.
    with archive.offices.database.raw() as connection:
        fresh = store.fresh_object(connection, one.location)
    return fault if fresh is None else None


def fault_at(archive: Archive, location: str, one: Checked) -> str | None:
    """The same of what lies at `location`."""
    try:
        _read_through(archive, location, one)
    except Damaged as damage:
        return str(damage)
    except StoreUnavailable:
        raise
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def _read_through(archive: Archive, location: str, one: Checked) -> None:
    digest = hashlib.sha256()
    data_key = archive.vault.data_key(one.study_key_pk, one.sealed_key)
    reader = archive.objects.open_here(location)
    try:
        sealed = Unsealer(data_key, one.size_bytes, reader.read_at, reader.stored_bytes)
        offset = one.dataset_offset
        for piece in sealed.iterate(offset, one.size_bytes - offset, piece_bytes=_PIECE_BYTES):
            digest.update(piece)
    finally:
        reader.close()
    if digest.digest() != one.dataset_sha256:
        raise Damaged("is not what was received")


def place(archive: Archive, one: Checked, target: str, *, source: str | None = None) -> None:
    """Has a sound copy of the sealed bytes at `target`, from `source` (else from where its row says): written, and read
    again and hashed. One that is there already stays, one that is not sound is replaced. Raises Missing or Damaged where
    the source is that, NoSpace, StoreUnavailable."""
    replace = False
    try:
        _read_through(archive, target, one)
    except Missing:
        pass
    except Damaged:
        replace = True
    else:
        return
    source = source or one.location
    reader = archive.objects.open_here(source)
    try:
        if reader.stored_bytes != sealed_size(one.size_bytes):
            raise Damaged(
                f"has {reader.stored_bytes} bytes in the store in place of {sealed_size(one.size_bytes)}"
            )
        writer = archive.objects.writer(target, replace=replace)
        try:
            for at in range(0, reader.stored_bytes, _PIECE_BYTES):
                writer.write([reader.read_at(at, min(_PIECE_BYTES, reader.stored_bytes - at))])
            failpoint("place.written")
            writer.commit()
            failpoint("place.durable")
        except BaseException:
            writer.abort()
            raise
    finally:
        reader.close()
    try:
        _read_through(archive, target, one)
    except Damaged:
        archive.objects.delete_here(target)
        _read_through(archive, source, one)  # raises what is wrong with the source
        raise StoreUnavailable(f"{target.partition(':')[0]} does not give back what was written") from None


def check_slice(archive: Archive, tally: Tally, *, seconds: float | None = None) -> bool:
    """Reads on from `tally.through` for about that long; True at the end of the store. Damage is noted as it is found."""
    ended = None if seconds is None else time.monotonic() + seconds
    while True:
        with archive.offices.work(Actor.system("store check")) as work:
            waiting = _next(work, tally.through)
        if not waiting:
            return True
        for one in waiting:
            try:
                fault = _checked(archive, one)
            except StoreUnavailable as error:
                # That says nothing about the object; the next round comes to it again.
                log.warning("not checked", stored_object_pk=one.stored_object_pk, error=str(error))
                tally.through = one.stored_object_pk
                if ended is not None and time.monotonic() > ended:
                    return False
                continue
            if fault is not None:
                tally.damaged += 1
            note(archive.offices, one, fault)
            tally.objects += 1
            tally.bytes += one.size_bytes
            tally.through = one.stored_object_pk
            if ended is not None and time.monotonic() > ended:
                return False


def _checked(archive: Archive, one: Checked) -> str | None:
    """Checks an object and its copies, and mends each from the others; what is wrong where none is sound."""
    fault = fault_of(archive, one)
    with archive.offices.database.transaction() as session:
        copies = list(
            session.scalars(
                select(ObjectCopy.location).where(ObjectCopy.stored_object_pk == one.stored_object_pk)
            )
        )
    for copy in copies:
        try:
            spoiled = fault_at(archive, copy, one)
            if fault is not None and spoiled is None:
                place(archive, one, one.location, source=copy)
                _mended(archive.offices, one, copy, fault)
                fault = None
            elif fault is None:
                if spoiled is not None:
                    place(archive, one, copy)
                    _mended(archive.offices, one, one.location, spoiled)
                with archive.offices.database.transaction() as session:
                    session.execute(
                        update(ObjectCopy)
                        .where(ObjectCopy.location == copy)
                        .values(verified_at=func.clock_timestamp())
                    )
        except (NoSpace, Damaged) as error:
            log.warning("a copy was of no use", stored_object_pk=one.stored_object_pk, error=str(error))
    if fault is not None and _was_moved(archive, one):
        return None
    return fault


def _was_moved(archive: Archive, one: Checked) -> bool:
    with archive.offices.database.transaction() as session:
        now = session.scalar(
            select(StoredObject.location).where(StoredObject.stored_object_pk == one.stored_object_pk)
        )
    return now != one.location


def _mended(offices: Offices, one: Checked, source: str, fault: str) -> None:
    log.warning("a stored object was mended from its copy", stored_object_pk=one.stored_object_pk)
    with offices.work(Actor.system("store check")) as work:
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "U",
            object_type="stored_object",
            object_id=one.stored_object_pk,
            detail={
                "damaged": fault[:200],
                "mended_from": source.partition(":")[0] if ":" in source else "local",
            },
        )


def _next(work: Work, after: int, condition: Any = None) -> list[Checked]:
    query = (
        select(
            StoredObject.stored_object_pk,
            StoredObject.role,
            StoredObject.location,
            StoredObject.study_key_pk,
            StudyKey.sealed_key,
            StoredObject.size_bytes,
            StoredObject.dataset_offset,
            StoredObject.dataset_sha256,
        )
        .join(StudyKey, StudyKey.study_key_pk == StoredObject.study_key_pk)
        .where(StoredObject.stored_object_pk > after)
        .order_by(StoredObject.stored_object_pk)
        .limit(_AT_ONCE)
    )
    if condition is not None:
        query = query.where(condition)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "R", object_type="stored objects")
    rows: Sequence[Sequence[Any]] = work.session.execute(query).all()
    return [Checked(*row) for row in rows]


def note(offices: Offices, one: Checked, fault: str | None) -> None:
    """Writes down damage, or that there is none any more; makes a damaged rendition anew."""
    if fault is None:
        # Most objects never were damaged: nothing is written for them.
        with offices.database.transaction() as session:
            session.execute(
                delete(DamagedObject).where(DamagedObject.stored_object_pk == one.stored_object_pk)
            )
        return
    log.error("a stored object is damaged", stored_object_pk=one.stored_object_pk, role=one.role)
    with offices.work(Actor.system("store check")) as work:
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "E",
            object_type="stored_object",
            object_id=one.stored_object_pk,
            detail={"damaged": fault[:200]},
            outcome=8,
        )
        if one.role == StoredRole.RENDITION:
            _make_anew(work, one)
            return
        stored = work.session.get(StoredObject, one.stored_object_pk, with_for_update=True)
        if stored is None or stored.location != one.location:
            return  # it was replaced meanwhile
        work.session.execute(
            insert(DamagedObject)
            .values(stored_object_pk=one.stored_object_pk, found_at=work.now(), reason=fault[:200])
            .on_conflict_do_update(index_elements=["stored_object_pk"], set_={"reason": fault[:200]})
        )
        work.publish(ObjectDamaged(one.stored_object_pk))


def _make_anew(work: Work, one: Checked) -> None:
    study_pk = work.session.scalar(
        select(Instance.study_pk)
        .join(StoredObject, StoredObject.instance_pk == Instance.instance_pk)
        .where(StoredObject.stored_object_pk == one.stored_object_pk)
    )
    work.session.execute(delete(StoredObject).where(StoredObject.stored_object_pk == one.stored_object_pk))
    if study_pk is not None:
        defer(
            work,
            "archive.prepare_study",
            queueing_lock=f"archive.prepare_study:{study_pk}",
            queue=PREPARATION,
            study_pk=study_pk,
        )


# When somebody meets it ---------------------------------------------------------------------------------------------


def check_soon(archive: Archive, location: str) -> None:
    """Whoever reads an object has found damage: it is looked at in the background, mended from a copy or noted."""
    try:
        with archive.offices.work(Actor.system("store check")) as work:
            defer(
                work,
                "archive.check_object",
                queueing_lock=f"archive.check_object:{location}",
                queue=PREPARATION,
                location=location,
            )
            work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="stored_object")
    except (psycopg.Error, SQLAlchemyError) as error:
        log.warning("damage was met and not noted", error=type(error).__name__)


@task("archive.check_object", queue=PREPARATION)
def check_object(work: Work, location: str) -> None:
    """Reads one object again, which was found damaged by whoever read it."""
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="stored_object")
    archive = the_archive()
    with archive.offices.work(Actor.system("store check")) as short:
        found = _next(short, 0, StoredObject.location == location)
    for one in found:
        note(archive.offices, one, _checked(archive, one))


# On schedule ----------------------------------------------------------------------------------------------------


@task("archive.check_store", queue=PREPARATION, cron="* * * * *")
def check_store(work: Work) -> None:
    """Reads on a little each minute; a round begins when the last one is old enough."""
    archive = the_archive()
    with archive.offices.work(Actor.system("store check")) as short:
        check = _current(short)
        if check is None:
            return
        key, tally = check.store_check_pk, Tally(check.objects, check.bytes, check.damaged, check.through)
    ended = check_slice(archive, tally, seconds=limits.STORE_CHECK_SLICE_S)
    work.session.execute(
        update(StoreCheck)
        .where(StoreCheck.store_check_pk == key)
        .values(
            objects=tally.objects,
            bytes=tally.bytes,
            damaged=tally.damaged,
            through=tally.through,
            finished_at=work.now() if ended else None,
        )
    )
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="store_check", object_id=key)


def _current(work: Work) -> StoreCheck | None:
    """The round that is under way, a new one where it is time for it, else None."""
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="store_check")
    last = work.session.scalars(
        select(StoreCheck).order_by(StoreCheck.store_check_pk.desc()).limit(1)
    ).one_or_none()
    if last is not None and last.finished_at is None:
        return last
    again = None if last is None else last.started_at + timedelta(days=limits.STORE_CHECK_EVERY_DAYS)
    if again is not None and work.now() < again:
        return None
    check = StoreCheck(started_at=work.now(), objects=0, bytes=0, damaged=0, through=0)
    work.session.add(check)
    work.session.flush()
    return check


# For people -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DamageSeen:
    """A damaged object, and whose it is."""

    stored_object_pk: int
    role: str
    found_at: datetime
    reason: str
    study_pk: int | None
    sop_instance_uid: str | None
    study_description: str | None
    modality: str | None
    patient_name: str | None
    patient_id: str | None
    source_application_entity_title: str | None


@dataclass(frozen=True, slots=True)
class Integrity:
    """The round under way or the last one, when the last complete one ended, and all damage that stands."""

    check: StoreCheck | None
    completed_at: datetime | None
    damaged: list[DamageSeen]


def integrity(work: Work, *, limit: int = 200) -> Integrity:
    """How the store is, for the administrator."""
    work.require(Permission.CONFIG_READ)
    work.audit(AuditEventID.QUERY, "E", object_type="store_check")
    last = work.session.scalars(
        select(StoreCheck).order_by(StoreCheck.store_check_pk.desc()).limit(1)
    ).first()
    completed = work.session.scalar(select(func.max(StoreCheck.finished_at)))
    rows = work.session.execute(
        select(
            DamagedObject.stored_object_pk,
            StoredObject.role,
            DamagedObject.found_at,
            DamagedObject.reason,
            Study.study_pk,
            Instance.sop_instance_uid,
            Study.study_description,
            Series.modality,
            Study.patient_name,
            Study.patient_id,
            Series.source_application_entity_title,
        )
        .join(StoredObject, StoredObject.stored_object_pk == DamagedObject.stored_object_pk)
        .outerjoin(Instance, Instance.instance_pk == StoredObject.instance_pk)
        .outerjoin(Series, Series.series_pk == Instance.series_pk)
        .outerjoin(Study, Study.study_pk == Instance.study_pk)
        .order_by(DamagedObject.found_at.desc(), DamagedObject.stored_object_pk)
        .limit(limit)
    ).all()
    return Integrity(last, completed, [DamageSeen(*row) for row in rows])


def check_again(work: Work, stored_object_pk: int) -> bool:
    """Reads one object again now, e.g. after a disk was mended; True where it is whole."""
    work.require(Permission.CONFIG_WRITE)
    archive = the_archive()
    condition = StoredObject.stored_object_pk == stored_object_pk
    for one in _next(work, stored_object_pk - 1, condition):
        fault = _checked(archive, one)
        if fault is None:
            work.session.execute(
                delete(DamagedObject).where(DamagedObject.stored_object_pk == stored_object_pk)
            )
        return fault is None
    return True


def check_all(archive: Archive, told: Callable[[Tally], None]) -> Tally:
    """Reads the whole store at once, for the command line; `told` hears of the progress."""
    tally = Tally()
    while not check_slice(archive, tally, seconds=1.0):
        told(tally)
    told(tally)
    return tally


def objects_kept(session: Session) -> int:
    """How many objects a whole check reads."""
    return session.scalar(select(func.count()).select_from(StoredObject)) or 0
