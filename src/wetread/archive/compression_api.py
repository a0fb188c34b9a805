"""HTTP: pictures that rules have compressed in their place."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from wetread.archive import compression
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/archive", tags=["archive"])

State = Literal["waiting", "working", "done", "failed", "canceled", "restoring", "restored"]


class CompressionOut(BaseModel):
    """The compression of one study by a rule. `left`: objects that stay as they came, `first_reason` why one of them does."""

    compression_pk: int
    state: State
    transfer_syntax_uid: str
    study_instance_uid: str
    patient_name: str | None
    patient_id: str | None
    study_description: str | None
    modalities: list[str]
    requested_by: str
    objects: int
    bytes_before: int
    bytes_after: int
    waiting: int
    left: int
    first_reason: str | None
    attempts: int
    last_error: str | None
    not_before: datetime
    updated_at: datetime


class CompressionPage(BaseModel):
    """Newest first; `next_before` asks for the next page."""

    items: list[CompressionOut]
    next_before: int | None


def _out(one: compression.Compressing) -> CompressionOut:
    order = one.compression
    return CompressionOut(
        compression_pk=order.compression_pk,
        state=order.state,
        transfer_syntax_uid=order.transfer_syntax_uid,
        study_instance_uid=one.study_instance_uid,
        patient_name=one.patient_name,
        patient_id=one.patient_id,
        study_description=one.study_description,
        modalities=one.modalities,
        requested_by=order.requested_by,
        objects=order.objects,
        bytes_before=order.bytes_before,
        bytes_after=order.bytes_after,
        waiting=one.waiting,
        left=one.left,
        first_reason=one.first_reason,
        attempts=order.attempts,
        last_error=order.last_error,
        not_before=order.not_before,
        updated_at=order.updated_at,
    )


@router.get("/compressions")
def list_compressions(
    state: State | None = None,
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    work: Work = door(Permission.QUEUE_READ),
) -> CompressionPage:
    """Studies whose pictures a rule has compressed in the archive, newest first."""
    items = [
        _out(one) for one in compression.list_compressions(work, state=state, before=before, limit=limit)
    ]
    return CompressionPage(items=items, next_before=items[-1].compression_pk if len(items) == limit else None)


@router.post("/compressions/{compression_pk}/again", status_code=204)
def compress_again(compression_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Begins anew, also with what stayed as it came."""
    compression.change_compression(work, compression_pk, "again")


@router.post("/compressions/{compression_pk}/cancel", status_code=204)
def cancel_compression(compression_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Stops it; what is compressed stays so."""
    compression.change_compression(work, compression_pk, "cancel")


@router.post("/compressions/{compression_pk}/restore", status_code=204)
def restore_received(compression_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Puts back what was received, bit by bit, in the place of its compressed form."""
    compression.change_compression(work, compression_pk, "restore")
