"""HTTP: what other systems told that they have."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from wetread.availability import service
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/availability", tags=["availability"])


class AnnouncementOut(BaseModel):
    """A notification of another system: of how many objects of a study it says what."""

    availability_announcement_pk: int
    calling_ae_title: str
    study_instance_uid: str
    is_here: bool
    series: int
    online: int
    nearline: int
    offline: int
    unavailable: int
    retrieve_ae_titles: list[str]
    received_at: datetime


class AnnouncementPage(BaseModel):
    """Newest first; `next_before` asks for the next page."""

    items: list[AnnouncementOut]
    next_before: int | None


@router.get("/announcements")
def list_announcements(
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    work: Work = door(Permission.QUEUE_READ),
) -> AnnouncementPage:
    """What other systems told by Instance Availability Notification, newest first."""
    items = [
        AnnouncementOut(
            availability_announcement_pk=one.row.availability_announcement_pk,
            calling_ae_title=one.row.calling_ae_title,
            study_instance_uid=one.row.study_instance_uid,
            is_here=one.is_here,
            series=one.row.series_count,
            online=one.row.online_count,
            nearline=one.row.nearline_count,
            offline=one.row.offline_count,
            unavailable=one.row.unavailable_count,
            retrieve_ae_titles=list(one.row.retrieve_ae_titles),
            received_at=one.row.received_at,
        )
        for one in service.announcements(work, before=before, limit=limit)
    ]
    last = items[-1].availability_announcement_pk if len(items) == limit else None
    return AnnouncementPage(items=items, next_before=last)
