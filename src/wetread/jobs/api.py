"""HTTP: background jobs, for the administrator."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from wetread.jobs.service import jobs, retry_job
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class JobOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    job_id: int
    task_name: str
    status: str
    attempts: int
    scheduled_at: datetime | None


class JobPage(BaseModel):
    items: list[JobOut]
    next_cursor: str | None = None
    total: int | None = None


@router.get("")
def list_jobs(
    status: Literal["todo", "doing", "failed"] | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    work: Work = door(Permission.QUEUE_READ),
) -> JobPage:
    """The newest background jobs."""
    return JobPage(items=[JobOut.model_validate(row) for row in jobs(work, status=status, limit=limit)])


@router.post("/{job_id}/retry", status_code=204)
def retry(job_id: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Tries a failed job again."""
    retry_job(work, job_id)
