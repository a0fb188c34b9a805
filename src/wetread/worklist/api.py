"""HTTP: the reading list. What is typed travels in bodies, never in addresses that get logged."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wetread.kit import limits
from wetread.kit.paging import Page
from wetread.security.door import door
from wetread.security.service import Permission, Work
from wetread.worklist import service
from wetread.worklist.progress import ReadingProgress, reading_progress

router = APIRouter(prefix="/api/reading-list", tags=["reading list"])


class ReadingPage(BaseModel):
    items: list[service.ReadingItem]
    next_cursor: str | None
    total: int | None


class UnmatchedPage(BaseModel):
    items: list[service.UnmatchedStudy]
    next_cursor: str | None = None
    total: int


class ClaimIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    take_over_reason: str | None = Field(None, min_length=1, max_length=200)


class ClaimOut(BaseModel):
    claimed_until: datetime


class NextOut(BaseModel):
    item: service.ReadingItem | None


State = Literal["unread", "draft", "preliminary", "final"]
Priority = Literal["STAT", "HIGH", "ROUTINE"]
_OPEN: tuple[State, ...] = ("unread", "draft", "preliminary")


class FindIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field("", max_length=limits.SEARCH_TEXT_CHARACTERS_MAX)
    state: list[State] = Field(default_factory=lambda: list(_OPEN), max_length=4)
    modality: list[str] = Field(default_factory=list, max_length=20)
    site_pk: int | None = None
    body_part_examined: str | None = Field(None, max_length=16)
    priority: Priority | None = None
    mine: bool = False
    cursor: str | None = Field(None, max_length=400)
    limit: int = Field(100, ge=1, le=limits.PAGE_ITEMS_MAX)


class ProgressIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    requested_procedure_pks: list[int] = Field(max_length=limits.PAGE_ITEMS_MAX)


@router.get("")
def reading_list(
    state: Annotated[list[State], Query(max_length=4)] = list(_OPEN),  # noqa: B006 - FastAPI copies it
    modality: Annotated[list[str] | None, Query(max_length=20)] = None,
    site_pk: int | None = None,
    body_part_examined: Annotated[str | None, Query(max_length=16)] = None,
    priority: Priority | None = None,
    mine: bool = False,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 100,
    work: Work = door(Permission.READING_LIST),
) -> ReadingPage:
    """The list: STAT first, then urgent, then by age."""
    wanted = service.ReadingFilter(state, modality or (), site_pk, body_part_examined, priority, mine)
    return _page(service.reading_list(work, wanted, cursor=cursor, limit=limit))


@router.post("/find")
def find(body: FindIn, work: Work = door(Permission.READING_LIST)) -> ReadingPage:
    """The same, searched by patient's name or identifier, accession number or procedure."""
    wanted = service.ReadingFilter(
        body.state, body.modality, body.site_pk, body.body_part_examined, body.priority, body.mine, body.text
    )
    return _page(service.reading_list(work, wanted, cursor=body.cursor, limit=body.limit))


def _page(page: Page[service.ReadingItem]) -> ReadingPage:
    return ReadingPage(items=page.items, next_cursor=page.next_cursor, total=page.total)


@router.get("/unmatched")
def unmatched(work: Work = door(Permission.READING_LIST, Permission.RECONCILE)) -> UnmatchedPage:
    """Studies that hang on no order yet."""
    items = service.unmatched_studies(work)
    return UnmatchedPage(items=items, total=len(items))


@router.get("/next")
def next_case(
    modality: Annotated[list[str] | None, Query(max_length=20)] = None,
    work: Work = door(Permission.READING_LIST),
) -> NextOut:
    """The first case that nobody else holds."""
    return NextOut(item=service.next_case(work, service.ReadingFilter(("unread",), modality or ())))


@router.post("/progress")
def progress(body: ProgressIn, work: Work = door(Permission.SCHEDULE_READ)) -> list[ReadingProgress]:
    """How far the reading of some procedures is; those without a report are left out."""
    return reading_progress(work, body.requested_procedure_pks)


@router.get("/studies/{study_pk}")
def reading_item(study_pk: int, work: Work = door(Permission.READING_LIST)) -> service.ReadingItem:
    """One case by its study."""
    return service.reading_item(work, study_pk)


@router.get("/studies/{study_pk}/priors")
def priors(study_pk: int, work: Work = door(Permission.READING_LIST)) -> list[service.PriorStudy]:
    """Earlier studies of the patient, the most telling first."""
    return service.priors(work, study_pk)


@router.post("/{requested_procedure_pk}/claim")
def claim(requested_procedure_pk: int, body: ClaimIn, work: Work = door(Permission.REPORT_WRITE)) -> ClaimOut:
    """Takes a case; 409 says who has it."""
    until = service.claim(work, requested_procedure_pk, take_over_reason=body.take_over_reason)
    return ClaimOut(claimed_until=until)


@router.delete("/{requested_procedure_pk}/claim", status_code=204)
def release(requested_procedure_pk: int, work: Work = door(Permission.REPORT_WRITE)) -> None:
    """Gives a case back."""
    service.release(work, requested_procedure_pk)
