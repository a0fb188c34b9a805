"""What images say of the side they show, read again from the headers of those that were filed before the index kept it.

A migration notes up to which image (`header_reading`); the work goes on from where it was, some at a time, gives way to
objects that stream in, and is there no more once all are read. What a person has corrected meanwhile stands.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import func, select, update

from wetread.archive import store
from wetread.archive.corrections import keep_sides_corrected
from wetread.archive.head import Head, HeadReader, Unreadable
from wetread.archive.model import WITH_REMOVED, HeaderReading, Instance, StoredObject, StoredRole, StudyKey
from wetread.archive.objects import StoreUnavailable
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive, the_archive
from wetread.jobs.service import PREPARATION, Call, defer_all, task
from wetread.kit import limits
from wetread.security.service import AuditEventID, Work

log = structlog.get_logger()

JOB = "archive.read_headers"
_LOOKED_AT_A_TIME = 10_000  # that need not be read, before what was done is committed
_PIECE_BYTES = 1 << 16


@task(JOB, queue=PREPARATION, cron="29 * * * *")
def read_headers(work: Work) -> None:
    """Reads some headers again and notes the sides that they tell of; the rest is for the next run."""
    archive = the_archive()
    reading = work.session.scalars(
        select(HeaderReading)
        .order_by(HeaderReading.header_reading_pk)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if reading is None:
        return
    before = reading.through
    waits_s = _read_on(work, archive, reading)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="header_reading",
        object_id=reading.header_reading_pk,
        detail={"from": str(before), "through": str(reading.through)},
    )
    if reading.through >= reading.last_instance_pk:
        work.session.delete(reading)
        return
    run_at = work.now() + timedelta(seconds=waits_s)
    defer_all(work, JOB, [Call({}, queueing_lock=JOB)], run_at=run_at)


def _read_on(work: Work, archive: Archive, reading: HeaderReading) -> float:
    """How long to wait before the next."""
    last = min(reading.last_instance_pk, reading.through + _LOOKED_AT_A_TIME)
    rows = work.session.execute(
        select(Instance.instance_pk, StoredObject, StudyKey.sealed_key)
        .join(StoredObject, StoredObject.instance_pk == Instance.instance_pk)
        .join(StudyKey, StudyKey.study_key_pk == StoredObject.study_key_pk)
        .where(
            StoredObject.role == StoredRole.ORIGINAL,
            Instance.instance_pk > reading.through,
            Instance.instance_pk <= last,
            Instance.number_of_frames > 0,
            Instance.image_laterality.is_(None),
            Instance.frame_laterality.is_(None),
        )
        .order_by(Instance.instance_pk)
        .limit(limits.HEADERS_READ_A_JOB)
        .execution_options(**WITH_REMOVED)
    ).all()
    found: list[int] = []
    waits_s = limits.HEADERS_READ_PAUSE_S
    for instance_pk, stored, sealed_key in rows:
        if _is_streaming(archive):
            waits_s = limits.HEADERS_READ_AFTER_STREAM_S
            break
        try:
            head = _head(archive, stored, sealed_key)
        except StoreUnavailable as error:
            log.warning("headers are read later", error=str(error))
            waits_s = limits.STORE_MOVE_FAULT_S
            break
        except Damaged:
            head = None  # a person sees it in the storage check
        if head is not None and (head.image_laterality or head.frame_laterality):
            work.session.execute(
                update(Instance)
                .where(Instance.instance_pk == instance_pk)
                .values(
                    image_laterality=func.coalesce(Instance.image_laterality, head.image_laterality),
                    frame_laterality=head.frame_laterality,
                )
                .execution_options(**WITH_REMOVED, synchronize_session=False)
            )
        found.append(instance_pk)
        reading.through = instance_pk
    else:
        if len(rows) < limits.HEADERS_READ_A_JOB:
            reading.through = last
    keep_sides_corrected(work.session, found)
    return waits_s


def _is_streaming(archive: Archive) -> bool:
    with archive.offices.database.raw() as connection:
        return store.is_streaming(connection)


def _head(archive: Archive, stored: StoredObject, sealed_key: bytes) -> Head | None:
    reader = HeadReader.of_file()
    with archive.vault.open(stored.location, stored.study_key_pk, sealed_key, stored.size_bytes) as unsealer:
        for piece in unsealer.iterate(0, stored.size_bytes, piece_bytes=_PIECE_BYTES):
            if reader.feed(piece):
                break
    try:
        return reader.head(at_end=True)
    except Unreadable:
        return None
