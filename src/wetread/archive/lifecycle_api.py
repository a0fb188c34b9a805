"""HTTP for the life of studies: the trash and its policy, corrections, legal holds, retention, rejection."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wetread.archive import removal as removing
from wetread.archive.removal import RemovalRow, Target
from wetread.kit import limits
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter()

Uid = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


# The trash


class RemovalIn(Body):
    """What goes into the trash: a study, a series of it, or one instance of that; and why."""

    study_instance_uid: Uid
    series_instance_uid: Uid | None = None
    sop_instance_uid: Uid | None = None
    reason: Reason


class ReasonIn(Body):
    """Why."""

    reason: Reason


class RemovalOut(BaseModel):
    """Something that was removed, of which patient, and what becomes of it."""

    model_config = ConfigDict(from_attributes=True)

    removal_pk: int
    level: Literal["STUDY", "SERIES", "IMAGE"]
    cause: Literal["trash", "retention", "rejection", "emptied"]
    study_pk: int
    code_value: str | None
    reason: str
    instances: int
    bytes: int
    removed_at: datetime
    removed_by: str
    purge_at: datetime | None
    restored_at: datetime | None
    restored_by: str | None
    restored_reason: str | None
    purged_at: datetime | None


class RemovalRowOut(RemovalOut):
    """A removal in a list."""

    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    accession_number: str | None
    modalities: list[str]
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    series_description: str | None
    series_number: int | None
    instance_number: int | None
    is_held: bool


class RemovalPage(BaseModel):
    """A page of removals."""

    items: list[RemovalRowOut]
    next_cursor: str | None
    total: int | None


def _row(one: RemovalRow) -> RemovalRowOut:
    own = {name: getattr(one.removal, name) for name in RemovalOut.model_fields}
    names = [name for name in RemovalRowOut.model_fields if name not in own]
    return RemovalRowOut(**own, **{name: getattr(one, name) for name in names})


@router.get("/removals")
def removals(
    state: Literal["trash", "hidden", "restored", "purged"] = "trash",
    study_pk: int | None = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 200,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    work: Work = door(Permission.STUDY_REMOVE),
) -> RemovalPage:
    """What was removed, newest first: in the trash, hidden without an end, restored, or purged."""
    page = removing.list_removals(work, state=state, study_pk=study_pk, limit=limit, cursor=cursor)
    return RemovalPage(
        items=[_row(one) for one in page.items], next_cursor=page.next_cursor, total=page.total
    )


@router.post("/removals", status_code=201)
def remove(body: RemovalIn, work: Work = door(Permission.STUDY_REMOVE)) -> RemovalOut:
    """Puts a study, series or instance in the trash: it vanishes at once, and is destroyed after the days of the policy."""
    target = Target(body.study_instance_uid, body.series_instance_uid, body.sop_instance_uid)
    return RemovalOut.model_validate(removing.remove(work, target, reason=body.reason))


@router.post("/removals/{removal_pk}/restore")
def restore(removal_pk: int, body: ReasonIn, work: Work = door(Permission.STUDY_REMOVE)) -> RemovalOut:
    """Shows again what was removed, exactly as it was."""
    return RemovalOut.model_validate(removing.restore(work, removal_pk, reason=body.reason))


@router.post("/removals/{removal_pk}/purge")
def purge(removal_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> RemovalOut:
    """Destroys what lies in the trash before its days are over: objects and data key are gone for good."""
    return RemovalOut.model_validate(removing.purge_now(work, removal_pk))


class PolicyIn(Body):
    """What is done with what is removed."""

    trash_days: int
    on_return: Literal["quarantine", "refuse", "accept"]
    is_delete_by_dicomweb: bool
    on_rejection: dict[str, Literal["hide", "trash", "show"]] = Field(max_length=8)


class PolicyOut(BaseModel):
    """What is done with what is removed; `on_rejection` by the code of a rejection note's title (CID 7011)."""

    model_config = ConfigDict(from_attributes=True)

    trash_days: int
    on_return: str
    is_delete_by_dicomweb: bool
    on_rejection: dict[str, str]


@router.get("/removal-policy")
def removal_policy(work: Work = door(Permission.STUDY_REMOVE, Permission.CONFIG_READ)) -> PolicyOut:
    """How long the trash keeps, and what is done with what comes again."""
    return PolicyOut.model_validate(removing.policy(work))


@router.put("/removal-policy")
def change_removal_policy(body: PolicyIn, work: Work = door(Permission.CONFIG_WRITE)) -> PolicyOut:
    """Changes the policy; what lies in the trash already keeps its day."""
    return PolicyOut.model_validate(removing.save_policy(work, **body.model_dump()))
