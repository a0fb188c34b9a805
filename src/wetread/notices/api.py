"""HTTP: what a person was told inside the product."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from wetread.notices import service
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/notices", tags=["notices"])


class NoticeOut(BaseModel):
    """A notice. `link` is a place inside the client; it names no patient."""

    model_config = ConfigDict(from_attributes=True)

    notice_pk: int
    title: str
    body: str
    link: str | None
    created_at: datetime
    is_read: bool


class NoticesOut(BaseModel):
    """Newest first; `unread` counts all of them, to a limit."""

    model_config = ConfigDict(from_attributes=True)

    items: list[NoticeOut]
    unread: int


@router.get("")
def list_notices(
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    work: Work = door(Permission.SELF),
) -> NoticesOut:
    """What the caller, or a role of theirs, was told."""
    return NoticesOut.model_validate(service.notices(work, before=before, limit=limit))


@router.post("/read", status_code=204)
def read_all(work: Work = door(Permission.SELF)) -> None:
    """Marks all of the caller's notices as read, for the caller alone."""
    service.mark_read(work)


@router.post("/{notice_pk}/read", status_code=204)
def read_one(notice_pk: int, work: Work = door(Permission.SELF)) -> None:
    """Marks a notice as read by the caller."""
    service.mark_read(work, notice_pk)
