"""What every change of a Workitem does, whoever makes it: the columns, the audit record, the events to subscribers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from wetread.jobs.service import FORWARDING, defer
from wetread.query.values import BadValue
from wetread.security.service import AuditEventID, Work
from wetread.workitems import matching, rules, store
from wetread.workitems.events import WorkitemChanged, WorkitemReported
from wetread.workitems.model import State, Workitem
from wetread.workitems.rules import Answer, EventType, JsonDict, WorkitemRefused, text_of

REPORT_JOB = "workitems.report_events"
TITLE = ["WETREAD"]
"""This system's AE title."""


def present(work: Work) -> str:
    """The present as DT."""
    return work.now().strftime("%Y%m%d%H%M%S.%f+0000")


def project(workitem: Workitem) -> None:
    """Fills the columns that repeat what is searched for. Raises WorkitemRefused for a start that is no date and time."""
    attributes = workitem.attributes
    workitem.scheduled_procedure_step_priority = text_of(attributes, rules.PRIORITY)[:16]
    workitem.worklist_label = text_of(attributes, rules.WORKLIST_LABEL)[:64]
    workitem.procedure_step_label = text_of(attributes, rules.LABEL)[:64]
    workitem.patient_id = text_of(attributes, rules.PATIENT_ID)[:64] or None
    try:
        start, _ = matching.date_time_range(text_of(attributes, rules.START))
    except BadValue:
        start = None
    if start is None:
        raise WorkitemRefused(
            Answer.INVALID_ATTRIBUTE_VALUE,
            "ScheduledProcedureStepStartDateTime is no date and time"[:64],
            [int(rules.START, 16)],
        )
    workitem.scheduled_procedure_step_start_date_time = start


def put(work: Work, workitem: Workitem, attributes: JsonDict) -> None:
    """Keeps new attributes."""
    workitem.attributes = attributes
    workitem.updated_at = work.now()
    project(workitem)
    work.session.flush()


def record(work: Work, workitem: Workitem, action: str, **detail: str) -> None:
    """The audit record of what was done with one."""
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        action,
        object_type="workitem",
        object_id=workitem.workitem_pk,
        detail=detail or None,
    )


def changed(work: Work, workitem: Workitem) -> None:
    """Tells the house."""
    work.publish(WorkitemChanged(workitem.workitem_pk, workitem.procedure_step_state))


def add(work: Work, workitem: Workitem) -> None:
    """Keeps a new one, which is SCHEDULED; whoever watches all of its kind watches it. Raises WorkitemRefused 0111."""
    workitem.procedure_step_state = State.SCHEDULED.value
    workitem.created_at = workitem.updated_at = work.now()
    project(workitem)
    try:
        with work.session.begin_nested():
            work.session.add(workitem)
            work.session.flush()
    except IntegrityError:
        raise WorkitemRefused(Answer.DUPLICATE_SOP_INSTANCE) from None
    for one in store.global_subscriptions(work.session):
        if one.keys is not None and not matches(workitem.attributes, one.keys):
            continue
        if one.site_pks is not None and workitem.site_pk is not None and workitem.site_pk not in one.site_pks:
            continue
        store.subscribe(
            work.session,
            [workitem.workitem_pk],
            one.receiving_ae_title,
            lock=one.has_deletion_lock,
            is_web=one.is_web,
        )
    tell(work, workitem, EventType.STATE_REPORT, rules.state_report(workitem.attributes, State.SCHEDULED))
    if rules.assigned(workitem.attributes):
        tell(work, workitem, EventType.ASSIGNED, rules.assigned(workitem.attributes))
    changed(work, workitem)


def watched_as(work: Work, workitem: Workitem, replaced: Workitem) -> None:
    """Who watched what a Workitem replaces watches it too, and hears how it stands (PS3.17 GGG.2)."""
    report = rules.state_report(workitem.attributes, workitem.state)
    for one in store.subscriptions(work.session, replaced.workitem_pk):
        title, is_web = one.receiving_ae_title, one.is_web
        pks = [workitem.workitem_pk]
        if store.subscribe(work.session, pks, title, lock=one.has_deletion_lock, is_web=is_web):
            wake(
                work,
                store.tell(work.session, workitem, EventType.STATE_REPORT, report, work.now(), only=title),
            )


def matches(attributes: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    """Whether a Workitem has what the keys of a filter ask for."""
    try:
        return matching.matches(attributes, keys)
    except BadValue:  # it was looked at when it came
        return False


def move(work: Work, workitem: Workitem, state: State, attributes: Mapping[str, Any]) -> None:
    """Brings it into another state, with these attributes, and tells who watches."""
    workitem.procedure_step_state = state.value
    if state.is_final:
        workitem.finished_at = work.now()
    put(
        work,
        workitem,
        dict(sorted({**attributes, **rules.element("ProcedureStepState", state.value)}.items())),
    )
    tell(work, workitem, EventType.STATE_REPORT, rules.state_report(workitem.attributes, state))


def tell(work: Work, workitem: Workitem, event_type: EventType, information: JsonDict) -> None:
    """An event for every subscriber of one Workitem."""
    wake(work, store.tell(work.session, workitem, event_type, information, work.now()))


def wake(work: Work, receivers: Iterable[tuple[str, bool]]) -> None:
    """Something waits for these (AE title, by event channel)."""
    for title, is_web in dict.fromkeys(receivers):
        if is_web:
            work.publish(WorkitemReported(title))
        else:
            lock = f"{REPORT_JOB}:{title}"
            defer(work, REPORT_JOB, queueing_lock=lock, lock=lock, queue=FORWARDING, receiving_ae_title=title)
