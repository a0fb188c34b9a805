"""Use cases of Workitems, for DIMSE and UPS-RS alike: make, read, change, claim, end, ask to cancel, watch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from wetread.archive.model import RemoteAE
from wetread.dicom.errors import DicomError
from wetread.dicom.jsonmodel import canonical
from wetread.dicom.sopclass import UPS_GLOBAL_SUBSCRIPTION
from wetread.dicom.uid import new_uid
from wetread.jobs.service import FORWARDING, defer
from wetread.kit import limits
from wetread.kit.errors import Invalid, NotFound, TooLarge
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.query import values
from wetread.query.values import BadValue
from wetread.security.service import Actor, AuditEventID, Offices, Permission, Work
from wetread.workitems import matching, rules, store
from wetread.workitems.events import WorkitemChanged, WorkitemReported
from wetread.workitems.model import State, Workitem, WorkitemEvent, WorkitemSubscription
from wetread.workitems.rules import (
    WORDS,
    Action,
    Answer,
    Cancelling,
    EventType,
    JsonDict,
    Scope,
    WorkitemRefused,
    is_uid,
    scope_of,
    text_of,
)

__all__ = [
    "REPORT_JOB", "WORDS", "Action", "Answer", "EventType", "Found", "Made", "ReportFailed", "Reporter", "State", "Waiting",
    "WorkitemRefused", "act", "announce", "change_state", "create", "deliver", "find", "get", "is_uid", "is_waiting", "listed", "opened",
    "remove_finished", "request_cancel", "subscribe", "suspend", "unsubscribe", "update", "use_reporter", "use_title",
    "waiting_for_channel", "was_sent",
]  # fmt: skip

log = structlog.get_logger()

REPORT_JOB = "workitems.report_events"
_TITLE = ["WETREAD"]


def use_title(ae_title: str) -> None:
    """Names this system's AE title (called once by the composition root)."""
    _TITLE[:] = [ae_title]


@dataclass(frozen=True, slots=True)
class Made:
    """A new Workitem. `answer` is B300 where something was not kept as it was sent."""

    sop_instance_uid: str
    answer: Answer


def _clean(attributes: Mapping[str, Any]) -> JsonDict:
    """What was sent, in our own writing. Raises Invalid, TooLarge."""
    try:
        model = canonical(dict(attributes))
    except DicomError as error:
        raise Invalid(f"The data set cannot be read: {error.reason}.") from None
    if len(orjson.dumps(model)) > limits.WORKITEM_BYTES_MAX:
        raise TooLarge(f"A Workitem has at most {limits.WORKITEM_BYTES_MAX} bytes.")
    return model


def _now(work: Work) -> str:
    return work.now().strftime("%Y%m%d%H%M%S.%f+0000")


def _requesting_ae(work: Work) -> str:
    return work.actor.username if work.actor.kind == "ae" else _TITLE[0]


def _one(work: Work, sop_instance_uid: str, *, lock: bool = False) -> Workitem:
    found = store.by_uid(work.session, sop_instance_uid, lock=lock) if is_uid(sop_instance_uid) else None
    if found is None:
        raise WorkitemRefused(Answer.NO_SUCH_WORKITEM)
    return found


def _project(workitem: Workitem) -> None:
    """The columns that repeat what is searched for."""
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


def _put(work: Work, workitem: Workitem, attributes: JsonDict) -> None:
    workitem.attributes = attributes
    workitem.updated_at = work.now()
    _project(workitem)
    work.session.flush()


def _record(work: Work, workitem: Workitem, action: str, **detail: str) -> None:
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        action,
        object_type="workitem",
        object_id=workitem.workitem_pk,
        detail=detail or None,
    )


def _changed(work: Work, workitem: Workitem) -> None:
    work.publish(WorkitemChanged(workitem.workitem_pk, workitem.procedure_step_state))


def create(work: Work, sop_instance_uid: str | None, attributes: Mapping[str, Any]) -> Made:
    """Makes a Workitem under the UID, or under a new one; whoever watches all of its kind watches it.

    Raises WorkitemRefused, Invalid, TooLarge.
    """
    work.require(Permission.WORKITEM_WRITE)
    uid = sop_instance_uid or text_of(attributes, rules.SOP_INSTANCE) or new_uid()
    if not is_uid(uid):
        raise WorkitemRefused(
            Answer.INVALID_ATTRIBUTE_VALUE, "the SOP Instance UID is none", [int(rules.SOP_INSTANCE, 16)]
        )
    made = rules.create(uid, _clean(attributes), at=_now(work))
    store.hold_subscriptions(work.session, alone=False)
    if scope_of(uid) is not Scope.ONE or store.by_uid(work.session, uid) is not None:
        raise WorkitemRefused(Answer.DUPLICATE_SOP_INSTANCE)
    now = work.now()
    with_state = made.attributes | rules.element("ProcedureStepState", State.SCHEDULED.value)
    workitem = Workitem(
        sop_instance_uid=uid,
        procedure_step_state=State.SCHEDULED.value,
        attributes=with_state,
        requested_by=work.actor.username[:64],
        created_at=now,
        updated_at=now,
    )
    _project(workitem)
    try:
        with work.session.begin_nested():
            work.session.add(workitem)
            work.session.flush()
    except IntegrityError:
        raise WorkitemRefused(Answer.DUPLICATE_SOP_INSTANCE) from None
    _record(work, workitem, "C", answer=f"{made.answer:04X}")
    for one in store.global_subscriptions(work.session):
        if one.keys is None or _matches(workitem.attributes, one.keys):
            store.subscribe(
                work.session,
                [workitem.workitem_pk],
                one.receiving_ae_title,
                lock=one.has_deletion_lock,
                is_web=one.is_web,
            )
    _tell(work, workitem, EventType.STATE_REPORT, rules.state_report(with_state, State.SCHEDULED))
    if rules.assigned(with_state):
        _tell(work, workitem, EventType.ASSIGNED, rules.assigned(with_state))
    _changed(work, workitem)
    return Made(uid, made.answer)


def _matches(attributes: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    try:
        return matching.matches(attributes, keys)
    except BadValue:  # it was looked at when it came
        return False


def get(work: Work, sop_instance_uid: str, tags: Sequence[str] = ()) -> tuple[JsonDict, Answer]:
    """The attributes, or those asked for, in the DICOM JSON Model; 0001 where one that was asked is unknown here. The
    Transaction UID is never told (PS3.4 CC.2.7). Raises WorkitemRefused C307."""
    work.require(Permission.WORKITEM_READ)
    workitem = _one(work, sop_instance_uid)
    _record(work, workitem, "R")
    if not tags:
        return workitem.attributes, Answer.SUCCESS
    chosen = {tag: workitem.attributes[tag] for tag in sorted(set(tags)) if tag in workitem.attributes}
    lacking = rules.unknown_tags(tags, workitem.attributes)
    return chosen, Answer.NOT_ALL_ATTRIBUTES if lacking else Answer.SUCCESS


def update(
    work: Work, sop_instance_uid: str, attributes: Mapping[str, Any], transaction_uid: str | None = None
) -> Answer:
    """Changes attributes; of one that is being performed only with its Transaction UID. Raises WorkitemRefused, Invalid."""
    work.require(Permission.WORKITEM_WRITE)
    sent = _clean(attributes)
    if transaction_uid:
        sent |= rules.element("TransactionUID", transaction_uid)
    workitem = _one(work, sop_instance_uid, lock=True)
    before = workitem.attributes
    after = rules.update(workitem.state, workitem.transaction_uid, before, sent, at=_now(work))
    _put(work, workitem, after)
    _record(work, workitem, "U", attributes=str(len(sent)))
    for event_type, information in rules.events_of_update(before, after, workitem.state):
        _tell(work, workitem, event_type, information)
    _changed(work, workitem)
    return Answer.SUCCESS


def change_state(work: Work, sop_instance_uid: str, wanted: str, transaction_uid: str) -> Answer:
    """Claims, completes or cancels: the performer's own moves. Raises WorkitemRefused."""
    work.require(Permission.WORKITEM_WRITE)
    workitem = _one(work, sop_instance_uid, lock=True)
    attributes = workitem.attributes
    if wanted == State.CANCELED and workitem.state is State.IN_PROGRESS:
        attributes = rules.with_cancellation(attributes, {}, at=_now(work), default_reason=False)
    moved = rules.change_state(workitem.state, workitem.transaction_uid, attributes, wanted, transaction_uid)
    if moved.state is None:
        _record(work, workitem, "U", answer=f"{moved.answer:04X}")
        return moved.answer
    if moved.state is State.IN_PROGRESS:
        workitem.transaction_uid = transaction_uid
        workitem.performed_by = work.actor.username[:64]
    _move(work, workitem, moved.state, attributes)
    _record(work, workitem, "U", state=moved.state.value)
    _changed(work, workitem)
    return moved.answer


def _move(work: Work, workitem: Workitem, state: State, attributes: Mapping[str, Any]) -> None:
    workitem.procedure_step_state = state.value
    if state.is_final:
        workitem.finished_at = work.now()
    _put(
        work,
        workitem,
        dict(sorted({**attributes, **rules.element("ProcedureStepState", state.value)}.items())),
    )
    _tell(work, workitem, EventType.STATE_REPORT, rules.state_report(workitem.attributes, state))


def request_cancel(work: Work, sop_instance_uid: str, asked: Mapping[str, Any]) -> Answer:
    """Cancels what nobody performs yet; else asks who performs it, by an event. Raises WorkitemRefused."""
    work.require(Permission.WORKITEM_WRITE)
    why = _clean(asked)
    workitem = _one(work, sop_instance_uid, lock=True)
    heard = store.subscriber_count(work.session, workitem.workitem_pk) > 0
    what, answer = rules.request_cancel(workitem.state, heard=heard)
    if what is Cancelling.CANCELS:
        # Through IN PROGRESS, as the standard has it: this system takes it up to end it (PS3.4 CC.2.2.3).
        workitem.transaction_uid = new_uid()
        workitem.performed_by = work.actor.username[:64]
        _move(work, workitem, State.IN_PROGRESS, workitem.attributes)
        attributes = rules.with_cancellation(workitem.attributes, why, at=_now(work), default_reason=True)
        _move(work, workitem, State.CANCELED, attributes)
        _changed(work, workitem)
    elif what is Cancelling.ASKS:
        _tell(work, workitem, EventType.CANCEL_REQUESTED, rules.cancel_requested(why, _requesting_ae(work)))
    _record(work, workitem, "U", cancel=what.value)
    return answer


# Watching


def subscribe(
    work: Work,
    sop_instance_uid: str,
    receiving_ae_title: str,
    *,
    deletion_lock: bool,
    keys: Mapping[str, Any] | None = None,
    is_web: bool,
) -> Answer:
    """Subscribes to one Workitem, to all, or to all that match `keys`; the present state of each is told at once.

    Raises WorkitemRefused: C307, C308 for a receiver that cannot be called, 0115.
    """
    work.require(Permission.WORKITEM_READ)
    scope, title = scope_of(sop_instance_uid), receiving_ae_title.strip()
    wanted = _filter(keys or {}) if scope is Scope.FILTERED else {}
    rules.check_subscription(Action.SUBSCRIBE, scope, title, wanted)
    if not is_web and not store.is_known_peer(work.session, title):
        raise WorkitemRefused(Answer.UNKNOWN_RECEIVER, tags=[int(rules.RECEIVING_AE, 16)])
    workitems: list[Workitem]
    if scope is Scope.ONE:
        workitems = [_one(work, sop_instance_uid, lock=True)]
        if store.subscriber_count(work.session, workitems[0].workitem_pk) >= limits.WORKITEM_SUBSCRIBERS_MAX:
            raise WorkitemRefused(Answer.RESOURCE_LIMITATION, "too many subscribers")
    else:
        store.hold_subscriptions(work.session, alone=True)
        others = [one for one in store.global_subscriptions(work.session) if one.receiving_ae_title != title]
        if len(others) >= limits.WORKITEM_SUBSCRIBERS_MAX:
            raise WorkitemRefused(Answer.RESOURCE_LIMITATION, "too many subscribers")
        store.set_global(
            work.session,
            title,
            keys=wanted if scope is Scope.FILTERED else None,
            lock=deletion_lock,
            is_web=is_web,
            at=work.now(),
        )
        # What ended is told to nobody any more.
        open_states = Workitem.procedure_step_state.in_([State.SCHEDULED, State.IN_PROGRESS])
        workitems = [
            one
            for one in store.narrowed(work.session, [open_states])
            if scope is Scope.GLOBAL or _matches(one.attributes, wanted)
        ]
    fresh = set(
        store.subscribe(
            work.session,
            [one.workitem_pk for one in workitems],
            title,
            lock=deletion_lock,
            is_web=is_web,
        )
    )
    for one in workitems:
        if one.workitem_pk in fresh or scope is Scope.ONE:
            report = rules.state_report(one.attributes, one.state)
            store.tell(work.session, one, EventType.STATE_REPORT, report, work.now(), only=title)
    _wake(work, [(title, is_web)])
    _record_subscription(work, "C", sop_instance_uid, title, scope)
    return Answer.SUCCESS


def unsubscribe(work: Work, sop_instance_uid: str, receiving_ae_title: str) -> Answer:
    """Ends a subscription to one Workitem; that to all, or to all that match, ends with every one of the receiver's."""
    work.require(Permission.WORKITEM_READ)
    scope, title = scope_of(sop_instance_uid), receiving_ae_title.strip()
    rules.check_subscription(Action.UNSUBSCRIBE, scope, title, {})
    if scope is Scope.ONE:
        store.unsubscribe(work.session, title, _one(work, sop_instance_uid).workitem_pk)
    else:
        store.hold_subscriptions(work.session, alone=True)
        store.end_global(work.session, title)
        store.unsubscribe(work.session, title, None)
    _record_subscription(work, "D", sop_instance_uid, title, scope)
    return Answer.SUCCESS


def suspend(work: Work, sop_instance_uid: str, receiving_ae_title: str) -> Answer:
    """The receiver is subscribed to nothing new any more, and keeps what it has. Raises WorkitemRefused C314 for one
    Workitem."""
    work.require(Permission.WORKITEM_READ)
    scope, title = scope_of(sop_instance_uid), receiving_ae_title.strip()
    rules.check_subscription(Action.SUSPEND, scope, title, {})
    store.hold_subscriptions(work.session, alone=True)
    store.end_global(work.session, title)
    _record_subscription(work, "U", sop_instance_uid, title, scope)
    return Answer.SUCCESS


def _record_subscription(work: Work, action: str, uid: str, title: str, scope: Scope) -> None:
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        action,
        object_type="workitem_subscription",
        object_id=uid,
        detail={"receiver": title, "scope": scope.value},
    )


def _filter(keys: Mapping[str, Any]) -> JsonDict:
    """The matching keys of a filter. Raises WorkitemRefused 0115 for values that match nothing of their kind."""
    clean = _clean(keys)
    try:
        matching.check(clean)
    except BadValue as error:
        raise WorkitemRefused(Answer.INVALID_ARGUMENT_VALUE, f"a matching key {error}"[:64]) from None
    actions = {rules.RECEIVING_AE, rules.DELETION_LOCK, "00080005"}
    return {tag: key for tag, key in clean.items() if tag not in actions and not matching.is_universal(key)}


def act(work: Work, action_type_id: int, sop_instance_uid: str, information: Mapping[str, Any]) -> Answer:
    """An N-ACTION (PS3.4 CC.2.1 to CC.2.3). Raises WorkitemRefused; 0123 for an action that there is not."""
    if action_type_id not in set(Action):
        raise WorkitemRefused(Answer.NO_SUCH_ACTION, "no such action")
    action = Action(action_type_id)
    if action is Action.CHANGE_STATE:
        return change_state(
            work,
            sop_instance_uid,
            text_of(information, rules.STATE),
            text_of(information, rules.TRANSACTION_UID),
        )
    if action is Action.REQUEST_CANCEL:
        return request_cancel(work, sop_instance_uid, information)
    title = text_of(information, rules.RECEIVING_AE)
    if action is Action.UNSUBSCRIBE:
        return unsubscribe(work, sop_instance_uid, title)
    if action is Action.SUSPEND:
        return suspend(work, sop_instance_uid, title)
    lock = text_of(information, rules.DELETION_LOCK)
    if lock not in ("TRUE", "FALSE"):
        raise WorkitemRefused(
            Answer.INVALID_ARGUMENT_VALUE, "Deletion Lock is TRUE or FALSE", [int(rules.DELETION_LOCK, 16)]
        )
    return subscribe(
        work, sop_instance_uid, title, deletion_lock=lock == "TRUE", keys=information, is_web=False
    )


def _tell(work: Work, workitem: Workitem, event_type: EventType, information: JsonDict) -> None:
    _wake(work, store.tell(work.session, workitem, event_type, information, work.now()))


def _wake(work: Work, receivers: Iterable[tuple[str, bool]]) -> None:
    for title, is_web in dict.fromkeys(receivers):
        if is_web:
            work.publish(WorkitemReported(title))
        else:
            lock = f"{REPORT_JOB}:{title}"
            defer(work, REPORT_JOB, queueing_lock=lock, lock=lock, queue=FORWARDING, receiving_ae_title=title)


# Events on their way


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that a subscriber has still to hear."""

    workitem_event_pk: int
    sop_instance_uid: str
    event_type_id: int
    information: JsonDict


class ReportFailed(Exception):
    """The subscriber did not hear; words for a person."""


class Reporter(Protocol):
    """N-EVENT-REPORTs over one association of our own. Given by the composition root: this room knows no network."""

    def __call__(self, peer: RemoteAE, events: Sequence[Waiting]) -> Iterator[tuple[int, str | None]]:
        """Yields the key of each that was answered, with what the subscriber objected. Raises ReportFailed."""


_reporters: list[Reporter] = []


def use_reporter(reporter: Reporter) -> None:
    """Names the reporter of this process (called once by the composition root)."""
    _reporters[:] = [reporter]


def _waiting(rows: Iterable[WorkitemEvent]) -> list[Waiting]:
    return [
        Waiting(row.workitem_event_pk, row.sop_instance_uid, row.event_type_id, row.information)
        for row in rows
    ]


def deliver(offices: Offices, receiving_ae_title: str) -> int:
    """Tells a subscriber what it has still to hear, in order, each in a transaction of its own; returns how many.

    Raises ReportFailed where it cannot be reached: what it heard is not told again.
    """
    actor = Actor.system("workitem-events")
    told = 0
    while True:
        with offices.work(actor) as work:
            waiting = _waiting(
                store.waiting_events(
                    work.session, receiving_ae_title, is_web=False, limit=limits.WORKITEM_EVENT_BATCH_MAX
                )
            )
            peer = work.session.scalar(select(RemoteAE).where(RemoteAE.ae_title == receiving_ae_title))
            if peer is not None:
                work.session.expunge(peer)
            _record_delivery(work, receiving_ae_title, len(waiting))
        if not waiting:
            return told
        left = [one.workitem_event_pk for one in waiting]
        try:
            if peer is None:
                raise ReportFailed("its title is not among the known application entities")
            if not _reporters:
                raise ReportFailed("this process cannot call application entities")
            for pk, objection in _reporters[0](peer, waiting):
                left.remove(pk)
                told += 1
                _mark(offices, actor, [pk], delivered_at=offices.clock.now(), last_error=objection)
            if left:
                raise ReportFailed("it broke off")
        except ReportFailed as failed:
            _mark(offices, actor, left, last_error=str(failed)[:200])
            raise


def _record_delivery(work: Work, title: str, count: int) -> None:
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="workitem_event",
        object_id=title,
        detail={"events": str(count)},
    )


def _mark(offices: Offices, actor: Actor, pks: Sequence[int], **noted: Any) -> None:
    with offices.work(actor) as work:
        store.mark_events(work.session, pks, noted)
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "U",
            object_type="workitem_event",
            object_id=pks[0] if pks else None,
        )


def waiting_for_channel(work: Work, receiving_ae_title: str) -> list[Waiting]:
    """What an event channel has still to bring."""
    work.require(Permission.WORKITEM_READ)
    rows = store.waiting_events(
        work.session, receiving_ae_title, is_web=True, limit=limits.WORKITEM_EVENT_BATCH_MAX
    )
    _record_delivery(work, receiving_ae_title, len(rows))
    return _waiting(rows)


def is_waiting(work: Work, receiving_ae_title: str) -> bool:
    """Whether an event channel has something to bring."""
    work.require(Permission.WORKITEM_READ)
    return store.is_waiting(work.session, receiving_ae_title)


def was_sent(work: Work, pks: Sequence[int]) -> None:
    """An event channel has brought them."""
    work.require(Permission.WORKITEM_READ)
    store.mark_events(work.session, pks, {"delivered_at": work.now()})
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="workitem_event", object_id=len(pks))


def announce(offices: Offices, status: str) -> None:
    """Tells everybody with a global subscription that this system has started or ends: `RESTARTED`, `GOING DOWN`
    (PS3.4 CC.2.4.3). Nothing is lost by it: both lists are as they were."""
    information = dict(
        sorted(
            (
                rules.element("SCPStatus", status)
                | rules.element("SubscriptionListStatus", "WARM START")
                | rules.element("UnifiedProcedureStepListStatus", "WARM START")
            ).items()
        )
    )
    with offices.work(Actor.system("dicom-node")) as work:
        told = store.tell_globally(work.session, UPS_GLOBAL_SUBSCRIPTION, information, work.now())
        _wake(work, told)
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY, "E", object_type="workitem_event", detail={"status": status}
        )


# Searching


@dataclass(frozen=True, slots=True)
class Found:
    """Matches with all their attributes. `cut`: there are more."""

    items: list[JsonDict]
    cut: bool = False


def find(work: Work, keys: Mapping[str, Any], *, limit: int, offset: int = 0) -> Found:
    """Workitems that match the keys, a data set in the DICOM JSON Model; oldest first. Raises Invalid for a key that is
    none."""
    work.require(Permission.WORKITEM_READ)
    wanted = _clean(keys)
    try:
        matching.check(wanted)
        conditions = _conditions(wanted)
        items: list[JsonDict] = []
        passed = 0
        cut = False
        for looked_at, one in enumerate(store.narrowed(work.session, conditions)):
            if looked_at >= limits.WORKITEM_SCANNED_MAX:
                cut = True
                break
            if not matching.matches(one.attributes, wanted):
                continue
            passed += 1
            if passed <= offset:
                continue
            if len(items) >= limit:
                cut = True
                break
            items.append(one.attributes)
    except BadValue as error:
        raise Invalid(f"A key {error}.") from None
    work.audit(
        AuditEventID.QUERY,
        "E",
        object_type="workitem",
        detail={"keys": ",".join(sorted(wanted))[:200], "matches": str(len(items))},
    )
    return Found(items, cut)


def _conditions(keys: Mapping[str, Any]) -> list[Any]:
    """What the database can narrow down by."""
    columns = {
        rules.STATE: Workitem.procedure_step_state,
        rules.SOP_INSTANCE: Workitem.sop_instance_uid,
        rules.PATIENT_ID: Workitem.patient_id,
    }
    conditions: list[Any] = []
    for tag, column in columns.items():
        wanted = [
            part
            for one in matching.texts(keys.get(tag, {}))
            for part in (one.split("\\") if tag == rules.SOP_INSTANCE else [one])
        ]
        if wanted and not any(values.has_wildcard(one) for one in wanted):
            conditions.append(column.in_(wanted))
    start = text_of(keys, rules.START)
    if start and not values.is_universal(start):
        earliest, latest = matching.date_time_range(start)
        begins = Workitem.scheduled_procedure_step_start_date_time
        if earliest is not None:
            conditions.append(begins >= earliest)
        if latest is not None:
            conditions.append(begins <= latest)
    return conditions


# For the screen


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of Workitems and how many there are by state."""

    page: Page[Workitem]
    counts: dict[str, int]


def listed(work: Work, states: Sequence[State], *, cursor: str | None, limit: int) -> Listed:
    """Workitems, newest first."""
    work.require(Permission.WORKITEM_READ)
    before = None
    if cursor is not None:
        (key,) = decode_cursor(cursor, 1)
        if not isinstance(key, int):
            raise Invalid("The page cursor is not one of ours.")
        before = key
    rows, counts = store.newest(work.session, [one.value for one in states], before, limit + 1)
    following = encode_cursor(rows[limit - 1].workitem_pk) if len(rows) > limit else None
    work.audit(
        AuditEventID.QUERY, "E", object_type="workitem", detail={"matches": str(min(len(rows), limit))}
    )
    return Listed(Page(rows[:limit], following), counts)


def opened(work: Work, workitem_pk: int) -> tuple[Workitem, list[WorkitemSubscription]]:
    """A Workitem with who watches it. Raises NotFound."""
    work.require(Permission.WORKITEM_READ)
    workitem = work.session.get(Workitem, workitem_pk)
    if workitem is None:
        raise NotFound("There is no such Workitem.")
    _record(work, workitem, "R")
    return workitem, store.subscriptions(work.session, workitem_pk)


def remove_finished(work: Work) -> int:
    """Removes Workitems that ended long ago and are not locked by a subscriber, and events for nobody; how many."""
    workitems, events = store.remove_old(
        work.session,
        work.now(),
        workitem_days=limits.WORKITEM_KEPT_DAYS,
        event_days=limits.WORKITEM_EVENT_KEPT_DAYS,
    )
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="workitem",
        object_id=workitems,
        detail={"events": str(events)},
    )
    return workitems
