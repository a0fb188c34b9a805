"""Originals compressed in their place, by rule, without loss: the queue of it, and the way back.

An original changes its form only where the new one was proved to give back what was received (lossless.py). What was
received stays beside it for a day, for those who read it now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, and_, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from wetread.archive import store
from wetread.archive.events import CompressionChanged
from wetread.archive.integrity import Checked, fault_of
from wetread.archive.lossless import LOSSLESS, Made, StaysAsItCame, compress, received
from wetread.archive.model import (
    CompressedObject,
    Compression,
    DamagedObject,
    FreshObject,
    Instance,
    PartingObject,
    Series,
    SeriesMetadata,
    StoredObject,
    StoredRole,
    Study,
    StudyKey,
    UncompressedObject,
)
from wetread.archive.objects import NoSpace
from wetread.archive.pixels import CannotDecode
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive, the_archive
from wetread.archive.store import StoredInstance
from wetread.dicom.errors import DicomError
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from wetread.jobs.service import PREPARATION, defer, task
from wetread.kit import limits
from wetread.kit.errors import Conflict, NotFound, WetreadError
from wetread.security.service import Actor, AuditEventID, Permission, Work

log = structlog.get_logger()

_KEEPER = Actor.system("compression")
_JOB = "archive.compress_study"
_FIRST_WAIT_S, _WAIT_S_MAX = 15, 3600


def _swap(
    archive: Archive, stored: StoredInstance, made: Made, compression_pk: int, *, retire: int | None
) -> bool:
    """Puts the compressed form in the place of the original; False where that is another meanwhile."""
    new = made.stored
    with archive.offices.work(_KEEPER) as work:
        if not _still_there(work, stored):
            return False
        _part(work, [stored.stored_object_pk] + ([] if retire is None else [retire]))
        stored_object_pk = _file(work, new)
        work.session.add(
            CompressedObject(
                stored_object_pk=stored_object_pk,
                compression_pk=compression_pk,
                received_transfer_syntax_uid=stored.transfer_syntax_uid,
                received_dataset_sha256=bytes(stored.dataset_sha256),
                received_size_bytes=stored.size_bytes,
                received_head_bytes=made.received_head_bytes,
                received_rest_bytes=made.received_rest_bytes,
                received_photometric_interpretation=stored.photometric_interpretation,
                proved_at=work.now(),
            )
        )
        _told_anew(work, stored, new.photometric_interpretation)
        work.session.execute(
            update(Compression)
            .where(Compression.compression_pk == compression_pk)
            .values(
                objects=Compression.objects + 1,
                bytes_before=Compression.bytes_before + stored.size_bytes,
                bytes_after=Compression.bytes_after + new.size_bytes,
                updated_at=work.now(),
            )
        )
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "U",
            study_instance_uid=stored.study_instance_uid,
            object_type="stored_object",
            object_id=stored_object_pk,
            detail={
                "compressed from": stored.transfer_syntax_uid,
                "to": new.transfer_syntax_uid,
                "received_sha256": bytes(stored.dataset_sha256).hex(),
                "bytes": f"{stored.size_bytes} → {new.size_bytes}",
            },
        )
    return True


def _still_there(work: Work, stored: StoredInstance) -> bool:
    """Locks the original's row: nobody else gives it another form at the same time."""
    found = work.session.scalar(
        select(StoredObject)
        .where(
            StoredObject.stored_object_pk == stored.stored_object_pk,
            StoredObject.role == StoredRole.ORIGINAL,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found is not None


def _part(work: Work, stored_object_pks: Sequence[int]) -> None:
    """Takes objects out of use; their bytes go when those who read them now have ended."""
    work.session.execute(
        update(StoredObject)
        .where(StoredObject.stored_object_pk.in_(stored_object_pks))
        .values(role=StoredRole.SUPERSEDED)
    )
    until = work.now() + timedelta(seconds=limits.COMPRESSED_KEEP_RECEIVED_S)
    work.session.execute(
        insert(PartingObject)
        .values([{"stored_object_pk": key, "until": until} for key in stored_object_pks])
        .on_conflict_do_nothing()
    )


def _file(work: Work, new: StoredInstance) -> int:
    made = StoredObject(
        instance_pk=new.instance_pk,
        role=StoredRole.ORIGINAL,
        location=new.location,
        study_key_pk=new.study_key_pk,
        size_bytes=new.size_bytes,
        dataset_sha256=bytes(new.dataset_sha256),
        transfer_syntax_uid=new.transfer_syntax_uid,
        dataset_offset=new.dataset_offset,
        pixel_data_offset=new.pixel_data_offset,
        frame_length=new.frame_length,
        frame_table=new.frame_table,
    )
    work.session.add(made)
    work.session.flush()
    return made.stored_object_pk


def _told_anew(work: Work, stored: StoredInstance, photometric: str | None) -> None:
    """Metadata that were made ready say the other form."""
    work.session.execute(
        update(Instance)
        .where(Instance.instance_pk == stored.instance_pk)
        .values(photometric_interpretation=photometric)
        .execution_options(synchronize_session=False)
    )
    work.session.execute(
        update(Series)
        .where(Series.series_pk == stored.series_pk)
        .values(updated_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
    work.session.execute(delete(SeriesMetadata).where(SeriesMetadata.series_pk == stored.series_pk))


# Orders ---------------------------------------------------------------------------------------------------------


@task("archive.order_compression")
def order_compression(
    work: Work, study_pk: int, series_pks: list[int], to: str, wait_s: int, requested_by: str
) -> None:
    """Has native pictures of some series compressed, once nothing more came for a while. What a person stopped or had
    put back stays so."""
    now = work.now()
    not_before = now + timedelta(seconds=wait_s)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="compression", object_id=study_pk)
    if to not in LOSSLESS or work.session.get(Study, study_pk) is None:
        return
    statement = insert(Compression).values(
        study_pk=study_pk,
        transfer_syntax_uid=to,
        series_pks=sorted(series_pks),
        requested_by=requested_by[:64],
        state="waiting",
        not_before=not_before,
        updated_at=now,
    )
    compression_pk = work.session.scalar(
        statement.on_conflict_do_update(
            index_elements=["study_pk", "transfer_syntax_uid"],
            set_={
                "series_pks": text(
                    "ARRAY(SELECT DISTINCT unnest(compression.series_pks || excluded.series_pks) ORDER BY 1)"
                ),
                "state": "waiting",
                "not_before": not_before,
                "attempts": 0,
                "last_error": None,
                "updated_at": now,
            },
            where=Compression.state.in_(("waiting", "done", "failed")),
        ).returning(Compression.compression_pk)
    )
    if compression_pk is not None:
        work.publish(CompressionChanged(compression_pk, "waiting"))
        _wake(work, compression_pk, not_before)


def _wake(work: Work, compression_pk: int, at: datetime) -> None:
    defer(
        work,
        _JOB,
        queueing_lock=f"{_JOB}:{compression_pk}",
        queue=PREPARATION,
        run_at=at,
        compression_pk=compression_pk,
    )


@task(_JOB, queue=PREPARATION)
def compress_study(work: Work, compression_pk: int) -> None:
    """Compresses some of an order's objects, and lets other work take its turn."""
    again = run_slice(the_archive(), compression_pk)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="compression", object_id=compression_pk)
    if again is not None:
        _wake(work, compression_pk, again)


@task("archive.compress_studies", queue=PREPARATION, cron="*/5 * * * *")
def compress_studies(work: Work) -> None:
    """Takes up orders whose job was killed."""
    due = work.session.scalars(
        select(Compression.compression_pk)
        .where(
            Compression.state.in_(("waiting", "working", "restoring")), Compression.not_before <= work.now()
        )
        .order_by(Compression.compression_pk)
        .limit(limits.COMPRESSED_OBJECTS_A_JOB)
    ).all()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="compression", object_id=len(due))
    for compression_pk in due:
        _wake(work, compression_pk, work.now())


def run_slice(archive: Archive, compression_pk: int) -> datetime | None:
    """Compresses or puts back some objects of an order; when to go on, None at its end."""
    with archive.offices.work(_KEEPER) as work:
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY, "R", object_type="compression", object_id=compression_pk
        )
        order = work.session.scalar(
            select(Compression).where(Compression.compression_pk == compression_pk).with_for_update()
        )
        if order is None or order.state not in ("waiting", "working", "restoring"):
            return None
        if order.not_before > work.now():
            return order.not_before
        if work.session.get(Study, order.study_pk) is None:
            _move(work, order, "canceled")  # in the trash, or merged into another
            return None
        restoring = order.state == "restoring"
        if order.state == "waiting":
            _move(work, order, "working")
        to, series_pks = order.transfer_syntax_uid, list(order.series_pks)
        condition = _compressed_by(compression_pk) if restoring else _to_compress(series_pks)
        ones = store.stored_instances(
            work.session, condition=condition, limit=limits.COMPRESSED_OBJECTS_A_JOB
        )
        renditions = {
            one.instance_pk: one
            for one in store.stored_instances(
                work.session,
                condition=Instance.instance_pk.in_([one.instance_pk for one in ones]),
                roles=(StoredRole.RENDITION,),
            )
        } if ones else {}  # fmt: skip
    fault: str | None = None
    for one in ones:
        try:
            if restoring:
                _put_back(archive, one)
            else:
                _compress_one(archive, one, to, compression_pk, renditions.get(one.instance_pk))
        except (NoSpace, OSError) as error:
            fault = f"the store: {error.strerror if isinstance(error, OSError) and error.strerror else error}"
            break
        except Damaged:
            fault = "a stored object is damaged; the storage check shows it"
            break
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one object, the others go on
            log.warning("not compressed", stored_object_pk=one.stored_object_pk, error=type(error).__name__)
            if restoring:
                fault = f"an object could not be put back ({type(error).__name__})"
                break
            _leave(archive, compression_pk, one, f"failed ({type(error).__name__})")
    archive.retrieval.forget()
    return _settle(archive, compression_pk, fault, more=len(ones) == limits.COMPRESSED_OBJECTS_A_JOB)


def _to_compress(series_pks: Sequence[int]) -> ColumnElement[bool]:
    """Native originals with a picture, which wait for nothing and were not found unfit before."""
    pk = StoredObject.stored_object_pk
    return and_(
        Instance.series_pk.in_(series_pks),
        Instance.number_of_frames > 0,
        StoredObject.transfer_syntax_uid.in_((IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)),
        ~exists().where(UncompressedObject.stored_object_pk == pk),
        ~exists().where(DamagedObject.stored_object_pk == pk),
        ~exists().where(FreshObject.location == StoredObject.location),
    )


def _compressed_by(compression_pk: int) -> ColumnElement[bool]:
    return exists().where(
        CompressedObject.stored_object_pk == StoredObject.stored_object_pk,
        CompressedObject.compression_pk == compression_pk,
    )


def _compress_one(
    archive: Archive, one: StoredInstance, to: str, compression_pk: int, rendition: StoredInstance | None
) -> None:
    try:
        made = compress(archive.retrieval, one, to, rendition)
    except (StaysAsItCame, CannotDecode, DicomError, WetreadError) as reason:
        _leave(archive, compression_pk, one, str(reason))
        return
    # The same codestreams twice are one too many: viewers get those of the object itself.
    retire = (
        rendition.stored_object_pk if rendition is not None and rendition.transfer_syntax_uid == to else None
    )
    if not _swap(archive, one, made, compression_pk, retire=retire):
        made.writer.abort()


def _leave(archive: Archive, compression_pk: int, one: StoredInstance, reason: str) -> None:
    with archive.offices.work(_KEEPER) as work:
        work.session.execute(
            insert(UncompressedObject)
            .values(
                stored_object_pk=one.stored_object_pk,
                compression_pk=compression_pk,
                reason=reason.rstrip(".")[:200],
            )
            .on_conflict_do_nothing()
        )
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "E",
            study_instance_uid=one.study_instance_uid,
            object_type="uncompressed_object",
            object_id=one.stored_object_pk,
        )


def _settle(archive: Archive, compression_pk: int, fault: str | None, *, more: bool) -> datetime | None:
    with archive.offices.work(_KEEPER) as work:
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY, "E", object_type="compression", object_id=compression_pk
        )
        order = work.session.scalar(
            select(Compression)
            .where(Compression.compression_pk == compression_pk)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if order is None or order.state not in ("working", "restoring"):
            return None  # a person decided otherwise, or more came and it waits anew
        restoring = order.state == "restoring"
        now = work.now()
        if fault is not None:
            order.attempts, order.last_error = order.attempts + 1, fault[:200]
            if order.attempts >= limits.COMPRESSION_ATTEMPTS_MAX:
                _move(work, order, "failed")
                return None
            wait = min(_FIRST_WAIT_S * 2 ** (order.attempts - 1), _WAIT_S_MAX)
            order.not_before = now + timedelta(seconds=wait)
            _move(work, order, "restoring" if restoring else "waiting")
            return order.not_before
        order.attempts, order.last_error = 0, None
        if more:
            _move(work, order, order.state)
            return now
        _move(work, order, "restored" if restoring else "done")
        return None


def _move(work: Work, order: Compression, state: str) -> None:
    order.state, order.updated_at = state, work.now()
    work.publish(CompressionChanged(order.compression_pk, state))


# What was received, put back --------------------------------------------------------------------------------------


def _put_back(archive: Archive, one: StoredInstance) -> None:
    """Files what was received in the place of its compressed form. Raises Damaged where it is not the same any more."""
    with archive.offices.work(_KEEPER) as work:
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "R",
            study_instance_uid=one.study_instance_uid,
            object_type="stored_object",
            object_id=one.stored_object_pk,
        )
        kept = work.session.get(CompressedObject, one.stored_object_pk)
        if kept is None:
            return
        work.session.expunge(kept)
    writer = archive.vault.create(one.study_instance_uid)
    digest = hashlib.sha256()
    try:
        writer.write(build_meta(one.sop_class_uid, one.sop_instance_uid, kept.received_transfer_syntax_uid))
        offset = writer.size_bytes
        for piece in received(archive.retrieval, one, kept.received_head_bytes, kept.received_rest_bytes):
            digest.update(piece)
            writer.write(piece)
        if digest.digest() != bytes(kept.received_dataset_sha256):
            raise Damaged("is not what was received")
        writer.finish()
        writer.commit()
        size = writer.size_bytes
        pixel_bytes = size - offset - kept.received_head_bytes - kept.received_rest_bytes
        new = replace(
            one,
            location=writer.location,
            study_key_pk=writer.key.study_key_pk or 0,
            sealed_key=writer.key.sealed_key,
            size_bytes=size,
            dataset_offset=offset,
            pixel_data_offset=offset + kept.received_head_bytes,
            frame_length=pixel_bytes // one.number_of_frames,
            frame_table=None,
            transfer_syntax_uid=kept.received_transfer_syntax_uid,
            dataset_sha256=bytes(kept.received_dataset_sha256),
        )
        with archive.offices.work(_KEEPER) as work:
            there = _still_there(work, one)
            work.audit(
                AuditEventID.APPLICATION_ACTIVITY,
                "U",
                study_instance_uid=one.study_instance_uid,
                object_type="stored_object",
                object_id=one.stored_object_pk,
                detail={"put back": kept.received_transfer_syntax_uid},
            )
            if there:
                _part(work, [one.stored_object_pk])
                _file(work, new)
                work.session.execute(
                    update(Compression)
                    .where(Compression.compression_pk == kept.compression_pk)
                    .values(
                        objects=Compression.objects - 1,
                        bytes_before=Compression.bytes_before - kept.received_size_bytes,
                        bytes_after=Compression.bytes_after - one.size_bytes,
                    )
                )
                work.session.execute(
                    delete(CompressedObject).where(CompressedObject.stored_object_pk == one.stored_object_pk)
                )
                _told_anew(work, one, kept.received_photometric_interpretation)
    except BaseException:
        writer.abort()
        raise
    if not there:
        writer.abort()


@task("archive.part_objects", queue=PREPARATION, cron="19 * * * *")
def part_objects(work: Work) -> None:
    """Lets the bytes go that another form of the same object took the place of, where that is whole."""
    archive = the_archive()
    now = work.now()
    due = work.session.execute(
        select(StoredObject)
        .join(PartingObject, PartingObject.stored_object_pk == StoredObject.stored_object_pk)
        .where(PartingObject.until <= now)
        .order_by(StoredObject.stored_object_pk)
        .limit(limits.PARTING_OBJECTS_A_JOB)
    ).scalars().all()  # fmt: skip
    gone: list[str] = []
    for parting in due:
        fault = _fault_of_successor(work, archive, parting)
        if fault is not None:
            # The older form may be all that is left: it stays until the successor is mended.
            log.error("a compressed object is not whole", stored_object_pk=parting.stored_object_pk)
            continue
        gone.append(parting.location)
        work.session.delete(parting)
    work.session.flush()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "D", object_type="superseded objects", object_id=len(gone))
    if gone:
        defer(work, "archive.destroy_objects", queue=PREPARATION, locations=gone)
    if len(gone) == limits.PARTING_OBJECTS_A_JOB:
        defer(work, "archive.part_objects", queueing_lock="archive.part_objects:next", queue=PREPARATION)


def _fault_of_successor(work: Work, archive: Archive, parting: StoredObject) -> str | None:
    """What is wrong with the original that took its place; it was proved to hold the same when it did."""
    row = work.session.execute(
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
        .where(StoredObject.instance_pk == parting.instance_pk, StoredObject.role == StoredRole.ORIGINAL)
    ).first()
    return "it is gone" if row is None else fault_of(archive, Checked(*row))


# For people -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compressing:
    """An order as people see it. `left`: objects that stay as they came, `first_reason` why the first of them does."""

    compression: Compression
    study_instance_uid: str
    patient_name: str | None
    patient_id: str | None
    study_description: str | None
    modalities: list[str]
    waiting: int
    left: int
    first_reason: str | None


def list_compressions(
    work: Work, *, state: str | None = None, before: int | None = None, limit: int = 100
) -> list[Compressing]:
    """Orders, newest first."""
    work.require(Permission.QUEUE_READ)
    query = (
        select(Compression, Study)
        .join(Study, Study.study_pk == Compression.study_pk)
        .order_by(Compression.compression_pk.desc())
        .limit(min(limit, limits.PAGE_ITEMS_MAX))
    )
    if state is not None:
        query = query.where(Compression.state == state)
    if before is not None:
        query = query.where(Compression.compression_pk < before)
    rows = work.session.execute(query).all()
    keys = [order.compression_pk for order, _ in rows]
    left: dict[int, tuple[int, str]] = {
        row[0]: (row[1], row[2])
        for row in work.session.execute(
            select(
                UncompressedObject.compression_pk,
                func.count(),
                func.min(UncompressedObject.reason),
            )
            .where(UncompressedObject.compression_pk.in_(keys))
            .group_by(UncompressedObject.compression_pk)
        )
    }
    found = []
    for order, study in rows:
        open_one = order.state in ("waiting", "working")
        waiting = (
            work.session.scalar(
                select(func.count())
                .select_from(Instance)
                .join(StoredObject, StoredObject.instance_pk == Instance.instance_pk)
                .where(StoredObject.role == StoredRole.ORIGINAL, _to_compress(order.series_pks))
            )
            if open_one
            else 0
        )
        count, reason = left.get(order.compression_pk, (0, None))
        found.append(
            Compressing(
                order,
                study.study_instance_uid,
                study.patient_name,
                study.patient_id,
                study.study_description,
                list(study.modalities_in_study),
                waiting or 0,
                count,
                reason,
            )
        )
    work.audit(AuditEventID.QUERY, "E", object_type="compression", detail={"matches": str(len(found))})
    return found


def change_compression(work: Work, compression_pk: int, what: str) -> None:
    """`again`: begins anew, also with what stayed as it came; `cancel`: stops it, what is done stays done; `restore`: puts
    back what was received. Raises NotFound, Conflict."""
    work.require(Permission.QUEUE_WRITE)
    order = work.session.get(Compression, compression_pk, with_for_update=True)
    if order is None:
        raise NotFound("There is no such compression.")
    allowed = {
        "again": ("done", "failed", "canceled", "restored", "waiting"),
        "cancel": ("waiting", "working", "restoring"),
        "restore": ("done", "failed", "canceled"),
    }[what]
    if order.state not in allowed:
        raise Conflict(f"It is {order.state}.")
    order.attempts, order.last_error, order.not_before = 0, None, work.now()
    if what == "again":
        work.session.execute(
            delete(UncompressedObject).where(UncompressedObject.compression_pk == compression_pk)
        )
    _move(work, order, {"again": "waiting", "cancel": "canceled", "restore": "restoring"}[what])
    if what != "cancel":
        _wake(work, compression_pk, order.not_before)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="compression",
        object_id=compression_pk,
        detail={"what": what},
    )
