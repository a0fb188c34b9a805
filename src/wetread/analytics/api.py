"""HTTP: the manager's page."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from wetread.analytics import service
from wetread.kit import limits
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/analytics", tags=["analytics"])


class CasePage(BaseModel):
    """A page of cases behind a figure."""

    items: list[service.Case]
    next_cursor: str | None


@router.get("/today")
def today(
    site_pk: int | None = None, day: date | None = None, work: Work = door(Permission.ANALYTICS_READ)
) -> service.Today:
    """Volumes, turnaround, appointments and what waits, of one day at one site or all; days go by the site's clock."""
    return service.today(work, site_pk=site_pk, day=day)


@router.get("/today/cases")
def cases(
    figure: Annotated[str, Query(max_length=40)],
    site_pk: int | None = None,
    day: date | None = None,
    modality: Annotated[str | None, Query(max_length=16)] = None,
    site_code: Annotated[str | None, Query(max_length=16)] = None,
    priority: Literal["STAT", "HIGH", "ROUTINE"] | None = None,
    hour: Annotated[int | None, Query(ge=0, le=23)] = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    work: Work = door(Permission.ANALYTICS_READ),
) -> CasePage:
    """The cases that a figure counts."""
    page = service.cases(
        work,
        figure,
        site_pk=site_pk,
        day=day,
        group=service.Group(modality, site_code, priority, hour),
        limit=limit,
        cursor=cursor,
    )
    return CasePage(items=page.items, next_cursor=page.next_cursor)
