"""HTTP: Workitems for the screen. Programs speak UPS-RS, under `/dicom-web/workitems`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from wetread.security.door import door
from wetread.security.service import Permission, Work
from wetread.workitems import rules, service
from wetread.workitems.model import State, StepKind, Workitem

router = APIRouter(prefix="/api/workitems", tags=["workitems"])


class Whose(StrEnum):
    """Whose work: what systems ask of each other, or the house's own steps of a kind."""

    OTHERS = "others"
    ACQUISITION = "acquisition"
    READING = "reading"


class WorkitemOut(BaseModel):
    """A Workitem in a list."""

    workitem_pk: int
    sop_instance_uid: str
    procedure_step_state: State
    step_kind: StepKind | None
    scheduled_procedure_step_priority: str
    procedure_step_label: str
    worklist_label: str
    scheduled_procedure_step_start_date_time: datetime
    input_readiness_state: str
    procedure_step_progress: float | None
    patient_name: str | None
    patient_id: str | None
    scheduled_station: str | None
    requested_by: str
    performed_by: str | None
    updated_at: datetime


class WorkitemPage(BaseModel):
    """Newest first; `counts` of all by state."""

    items: list[WorkitemOut]
    next_cursor: str | None
    total: int | None = None
    counts: dict[str, int]


class SubscriptionOut(BaseModel):
    """Who hears of a Workitem."""

    receiving_ae_title: str
    has_deletion_lock: bool
    is_web: bool


class WorkitemDetail(WorkitemOut):
    """A Workitem with what its performer said of it."""

    created_at: datetime
    finished_at: datetime | None
    workitem_code: str | None
    comments: str | None
    progress_description: str | None
    reason_for_cancellation: str | None
    study_instance_uid: str | None
    subscriptions: list[SubscriptionOut]


class CancelIn(BaseModel):
    """Why it should be canceled."""

    reason_for_cancellation: str = Field(default="", max_length=200)


class CancelOut(BaseModel):
    """What the request came to: `is_canceled`, or its performer was asked."""

    is_canceled: bool


def _meaning(item: object) -> str | None:
    if not isinstance(item, dict):
        return None
    return rules.text_of(item, "00080104") or rules.text_of(item, "00080100") or None


def _fields(workitem: Workitem) -> dict[str, object]:
    attributes = workitem.attributes
    name = rules.first(attributes, rules.PATIENT_NAME)
    progress = rules.first(attributes, rules.PROGRESS) or {}
    percent = rules.text_of(progress, rules.tag_of("ProcedureStepProgress"))
    try:
        number = float(percent) if percent else None
    except ValueError:
        number = None
    return {
        "workitem_pk": workitem.workitem_pk,
        "sop_instance_uid": workitem.sop_instance_uid,
        "procedure_step_state": workitem.state,
        "step_kind": workitem.step_kind,
        "scheduled_procedure_step_priority": workitem.scheduled_procedure_step_priority,
        "procedure_step_label": workitem.procedure_step_label,
        "worklist_label": workitem.worklist_label,
        "scheduled_procedure_step_start_date_time": workitem.scheduled_procedure_step_start_date_time,
        "input_readiness_state": rules.text_of(attributes, rules.READINESS),
        "procedure_step_progress": number,
        "patient_name": name.get("Alphabetic") if isinstance(name, dict) else None,
        "patient_id": workitem.patient_id,
        "scheduled_station": _meaning(rules.first(attributes, rules.STATIONS)),
        "requested_by": workitem.requested_by,
        "performed_by": workitem.performed_by,
        "updated_at": workitem.updated_at,
    }


@router.get("")
def list_workitems(
    state: Annotated[list[State] | None, Query()] = None,
    whose: Whose | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    work: Work = door(Permission.WORKITEM_READ),
) -> WorkitemPage:
    """Workitems, newest first, of the given states or of all."""
    found = service.listed(
        work,
        state or (),
        step_kind=None if whose in (None, Whose.OTHERS) else StepKind(whose.value),
        of_others=whose is Whose.OTHERS,
        cursor=cursor,
        limit=limit,
    )
    return WorkitemPage(
        items=[WorkitemOut.model_validate(_fields(one)) for one in found.page.items],
        next_cursor=found.page.next_cursor,
        counts=found.counts,
    )


@router.get("/{workitem_pk}")
def workitem(workitem_pk: int, work: Work = door(Permission.WORKITEM_READ)) -> WorkitemDetail:
    """One Workitem, and who watches it."""
    found, watchers = service.opened(work, workitem_pk)
    attributes = found.attributes
    progress = rules.first(attributes, rules.PROGRESS) or {}
    request = rules.first(attributes, rules.tag_of("ReferencedRequestSequence")) or {}
    study = rules.tag_of("StudyInstanceUID")
    return WorkitemDetail.model_validate(
        {
            **_fields(found),
            "created_at": found.created_at,
            "finished_at": found.finished_at,
            "workitem_code": _meaning(rules.first(attributes, rules.tag_of("ScheduledWorkitemCodeSequence"))),
            "comments": rules.text_of(attributes, rules.tag_of("CommentsOnTheScheduledProcedureStep"))
            or None,
            "progress_description": rules.text_of(progress, rules.tag_of("ProcedureStepProgressDescription"))
            or None,
            "reason_for_cancellation": rules.text_of(progress, rules.REASON)
            or _meaning(rules.first(progress, rules.REASON_CODES)),
            "study_instance_uid": rules.text_of(attributes, study) or rules.text_of(request, study) or None,
            "subscriptions": [
                {
                    "receiving_ae_title": one.receiving_ae_title,
                    "has_deletion_lock": one.has_deletion_lock,
                    "is_web": one.is_web,
                }
                for one in watchers
            ],
        }
    )


@router.post("/{workitem_pk}/cancel-request")
def request_cancel(
    workitem_pk: int, body: CancelIn, work: Work = door(Permission.WORKITEM_WRITE)
) -> CancelOut:
    """Cancels what nobody performs yet; else asks who performs it."""
    found, _ = service.opened(work, workitem_pk)
    why = (
        rules.element("ReasonForCancellation", body.reason_for_cancellation)
        if body.reason_for_cancellation
        else {}
    )
    service.request_cancel(work, found.sop_instance_uid, why)
    return CancelOut(is_canceled=found.state is State.CANCELED)
