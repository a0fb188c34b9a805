"""The audit trail's chain: sealing in batches, and proving that nothing was changed, removed, added or reordered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from wetread.kit import limits
from wetread.security.model import AuditRecord

GENESIS = hashlib.sha256(b"wetread audit chain").digest()
_SEAL_LOCK = 7_117_001  # advisory lock: one sealer at a time in the whole house
_CONTENT = tuple(
    column.name for column in AuditRecord.__table__.columns if column.name not in ("seal_number", "seal_hash")
)


def seal_of(previous: bytes, record: AuditRecord, seal_number: int) -> bytes:
    """The chain's next hash over the record's whole content and its place."""
    content: dict[str, Any] = {name: getattr(record, name) for name in _CONTENT}
    content["event_date_time"] = record.event_date_time.astimezone(UTC).isoformat(timespec="microseconds")
    content["seal_number"] = seal_number
    return hashlib.sha256(previous + orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def seal(session: Session) -> int:
    """Seals waiting records in the order of their keys; returns how many. One batch a call."""
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _SEAL_LOCK}):
        return 0
    last = session.execute(
        select(AuditRecord.seal_number, AuditRecord.seal_hash)
        .where(AuditRecord.seal_number.is_not(None))
        .order_by(AuditRecord.seal_number.desc())
        .limit(1)
    ).one_or_none()
    number, previous = (last[0] or 0, last[1] or GENESIS) if last else (0, GENESIS)
    waiting = session.scalars(
        select(AuditRecord)
        .where(AuditRecord.seal_number.is_(None))
        .order_by(AuditRecord.audit_record_pk)
        .limit(limits.AUDIT_SEAL_BATCH_MAX)
    ).all()
    for record in waiting:
        number += 1
        previous = seal_of(previous, record, number)
        record.seal_number, record.seal_hash = number, previous
    session.flush()
    return len(waiting)


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first place where the chain does not hold."""

    seal_number: int
    audit_record_pk: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """`sealed` records checked, `waiting` not sealed yet, and the head to keep outside the database."""

    sealed: int
    waiting: int
    head: str
    fault: ChainFault | None


def verify(session: Session, noted_head: str | None = None) -> ChainVerdict:
    """Walks the whole chain. Only `noted_head`, a head that was kept outside, can tell that the end was cut off: it must
    still be in the chain."""
    previous, expected, fault = GENESIS, 0, None
    noted = noted_head in (None, GENESIS.hex())
    for record in _sealed(session):
        expected += 1
        if record.seal_number != expected:
            fault = ChainFault(expected, None, "a record is missing")
            break
        previous = seal_of(previous, record, expected)
        if previous != record.seal_hash:
            fault = ChainFault(expected, record.audit_record_pk, "content differs from its seal")
            break
        noted = noted or previous.hex() == noted_head
    if fault is None and not noted:
        fault = ChainFault(expected + 1, None, "the head that was noted is not in the chain")
    waiting = session.scalar(
        select(func.count()).select_from(AuditRecord).where(AuditRecord.seal_number.is_(None))
    )
    return ChainVerdict(expected, waiting or 0, previous.hex(), fault)


def _sealed(session: Session) -> Iterator[AuditRecord]:
    query = (
        select(AuditRecord)
        .where(AuditRecord.seal_number.is_not(None))
        .order_by(AuditRecord.seal_number)
        .execution_options(yield_per=1000)
    )
    for record in session.scalars(query):
        yield record
        session.expunge(record)
