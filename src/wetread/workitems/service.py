"""Use cases of Workitems, for DIMSE and UPS-RS alike: make, read, change, claim, end, ask to cancel, watch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog
from sqlalchemy import or_, select

from wetread.archive.model import RemoteAE
from wetread.archive.service import relocated
from wetread.dicom.errors import DicomError
from wetread.dicom.jsonmodel import canonical
from wetread.dicom.sopclass import UPS_GLOBAL_SUBSCRIPTION
from wetread.dicom.uid import new_uid
from wetread.kit import limits
from wetread.kit.errors import Invalid, NotFound, TooLarge
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.query import values
from wetread.query.values import BadValue
from wetread.security.service import Actor, AuditEventID, Offices, Permission, Work
from wetread.workitems import changes, house, matching, rules, store
from wetread.workitems.changes import REPORT_JOB
from wetread.workitems.house import Described, Instances, Keeper, keep, use_keeper
from wetread.workitems.model import State, StepKind, Workitem, WorkitemEvent, WorkitemSubscription
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
    "REPORT_JOB", "WORDS", "Action", "Answer", "Described", "EventType", "Found", "Instances", "Keeper", "Made", "ReportFailed", "Reporter",
    "State", "StepKind", "Waiting", "WorkitemRefused", "act", "announce", "change_state", "create", "deliver", "find", "get", "is_uid",
    "is_waiting", "keep", "listed", "opened",
    "remove_finished", "request_cancel", "subscribe", "suspend", "unsubscribe", "update", "use_keeper", "use_reporter", "use_title",
    "waiting_for_channel", "was_sent",
]  # fmt: skip

log = structlog.get_logger()


def use_title(ae_title: str) -> None:
    """Names this system's AE title (called once by the composition root)."""
    changes.TITLE[:] = [ae_title]


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


def _requesting_ae(work: Work) -> str:
    return work.actor.username if work.actor.kind == "ae" else changes.TITLE[0]


def _one(work: Work, sop_instance_uid: str, *, lock: bool = False) -> Workitem:
    found = store.by_uid(work.session, sop_instance_uid, lock=lock) if is_uid(sop_instance_uid) else None
    if found is None or not _sees(work, found):
        raise WorkitemRefused(Answer.NO_SUCH_WORKITEM)
    return found


def _sees(work: Work, workitem: Workitem) -> bool:
    """Steps of the house are seen by who works at their site."""
    sites = work.actor.site_pks
    return sites is None or workitem.site_pk is None or workitem.site_pk in sites


def _seen(work: Work) -> list[Any]:
    sites = work.actor.site_pks
    return [] if sites is None else [or_(Workitem.site_pk.is_(None), Workitem.site_pk.in_(sites))]


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
    made = rules.create(uid, _clean(attributes), at=changes.present(work))
    store.hold_subscriptions(work.session, alone=False)
    if scope_of(uid) is not Scope.ONE or store.by_uid(work.session, uid) is not None:
        raise WorkitemRefused(Answer.DUPLICATE_SOP_INSTANCE)
    workitem = Workitem(
        sop_instance_uid=uid,
        attributes=made.attributes | rules.element("ProcedureStepState", State.SCHEDULED.value),
        requested_by=work.actor.username[:64],
    )
    changes.add(work, workitem)
    changes.record(work, workitem, "C", answer=f"{made.answer:04X}")
    return Made(uid, made.answer)


def get(work: Work, sop_instance_uid: str, tags: Sequence[str] = ()) -> tuple[JsonDict, Answer]:
    """The attributes, or those asked for, in the DICOM JSON Model; 0001 where one that was asked is unknown here. The
    Transaction UID is never told (PS3.4 CC.2.7). Raises WorkitemRefused C307."""
    work.require(Permission.WORKITEM_READ)
    workitem = _one(work, sop_instance_uid)
    changes.record(work, workitem, "R")
    (attributes,) = _served(work, [workitem], images=not tags or not _NAMING.isdisjoint(tags))
    if not tags:
        return attributes, Answer.SUCCESS
    chosen = {tag: attributes[tag] for tag in sorted(set(tags)) if tag in attributes}
    lacking = rules.unknown_tags(tags, attributes)
    return chosen, Answer.NOT_ALL_ATTRIBUTES if lacking else Answer.SUCCESS


_NAMING = frozenset({rules.INPUT, rules.PERFORMED_SEQUENCE})


def _served(work: Work, workitems: Sequence[Workitem], *, images: bool) -> list[JsonDict]:
    """Their attributes as they are told: what they name where it hangs now, and with `images` those of the house's steps."""
    if not images:
        return [one.attributes for one in workitems]
    return relocated(work.session, [house.with_instances(work, one) for one in workitems])


def update(
    work: Work, sop_instance_uid: str, attributes: Mapping[str, Any], transaction_uid: str | None = None
) -> Answer:
    """Changes attributes; of one that is being performed only with its Transaction UID. Raises WorkitemRefused, Invalid."""
    work.require(Permission.WORKITEM_WRITE)
    sent = _clean(attributes)
    said = text_of(sent, rules.TRANSACTION_UID)
    if transaction_uid:
        sent |= rules.element("TransactionUID", transaction_uid)
    workitem = _one(work, sop_instance_uid, lock=True)
    before = workitem.attributes
    rules.check_lock(workitem.state, workitem.transaction_uid, text_of(sent, rules.TRANSACTION_UID))
    if said:  # beside the one of the request: of two that differ one is wrong
        rules.check_lock(workitem.state, workitem.transaction_uid, said)
    sent = house.updatable(work, workitem, sent)
    after = rules.update(workitem.state, workitem.transaction_uid, before, sent, at=changes.present(work))
    house.went_on(work, workitem)
    changes.put(work, workitem, after)
    changes.record(work, workitem, "U", attributes=str(len(sent)))
    for event_type, information in rules.events_of_update(before, after, workitem.state):
        changes.tell(work, workitem, event_type, information)
    changes.changed(work, workitem)
    return Answer.SUCCESS


def change_state(work: Work, sop_instance_uid: str, wanted: str, transaction_uid: str) -> Answer:
    """Claims, completes or cancels: the performer's own moves. Raises WorkitemRefused."""
    work.require(Permission.WORKITEM_WRITE)
    workitem = _one(work, sop_instance_uid, lock=True)
    attributes = workitem.attributes
    if wanted == State.CANCELED and workitem.state is State.IN_PROGRESS:
        attributes = rules.with_cancellation(attributes, {}, at=changes.present(work), default_reason=False)
    moved = rules.change_state(workitem.state, workitem.transaction_uid, attributes, wanted, transaction_uid)
    if moved.state is None:
        changes.record(work, workitem, "U", answer=f"{moved.answer:04X}")
        return moved.answer
    house.moved(work, workitem, moved.state, attributes)
    if moved.state is State.IN_PROGRESS:
        workitem.transaction_uid = transaction_uid
        workitem.performed_by = work.actor.username[:64]
    changes.move(work, workitem, moved.state, attributes)
    changes.record(work, workitem, "U", state=moved.state.value)
    changes.changed(work, workitem)
    return moved.answer


def request_cancel(work: Work, sop_instance_uid: str, asked: Mapping[str, Any]) -> Answer:
    """Cancels what nobody performs yet; else asks who performs it, by an event. Raises WorkitemRefused."""
    work.require(Permission.WORKITEM_WRITE)
    why = rules.cancel_information(_clean(asked))
    workitem = _one(work, sop_instance_uid, lock=True)
    heard = store.subscriber_count(work.session, workitem.workitem_pk) > 0
    heard = house.hears(work, workitem) or heard
    what, answer = rules.request_cancel(workitem.state, heard=heard)
    if what is Cancelling.CANCELS:
        house.canceled(work, workitem, why)
        # Through IN PROGRESS, as the standard has it: this system takes it up to end it (PS3.4 CC.2.2.3).
        workitem.transaction_uid = new_uid()
        workitem.performed_by = work.actor.username[:64]
        changes.move(work, workitem, State.IN_PROGRESS, workitem.attributes)
        attributes = rules.with_cancellation(
            workitem.attributes, why, at=changes.present(work), default_reason=True
        )
        changes.move(work, workitem, State.CANCELED, attributes)
        changes.changed(work, workitem)
    elif what is Cancelling.ASKS:
        changes.tell(
            work, workitem, EventType.CANCEL_REQUESTED, rules.cancel_requested(why, _requesting_ae(work))
        )
    changes.record(work, workitem, "U", cancel=what.value)
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
            site_pks=work.actor.site_pks,
            at=work.now(),
        )
        # What ended is told to nobody any more.
        open_states = Workitem.procedure_step_state.in_([State.SCHEDULED, State.IN_PROGRESS])
        workitems = [
            one
            for one in store.narrowed(work.session, [open_states, *_seen(work)])
            if scope is Scope.GLOBAL or changes.matches(one.attributes, wanted)
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
    changes.wake(work, [(title, is_web)])
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
        changes.wake(work, told)
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
        items: list[Workitem] = []
        passed = 0
        cut = False
        for looked_at, one in enumerate(store.narrowed(work.session, [*conditions, *_seen(work)])):
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
            items.append(one)
    except BadValue as error:
        raise Invalid(f"A key {error}.") from None
    work.audit(
        AuditEventID.QUERY,
        "E",
        object_type="workitem",
        detail={"keys": ",".join(sorted(wanted))[:200], "matches": str(len(items))},
    )
    return Found(_served(work, items, images=not _NAMING.isdisjoint(wanted)), cut)


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


def listed(
    work: Work,
    states: Sequence[State],
    *,
    step_kind: StepKind | None = None,
    of_others: bool = False,
    cursor: str | None,
    limit: int,
) -> Listed:
    """Workitems, newest first; those of one kind of the house's own steps, or those `of_others` alone."""
    work.require(Permission.WORKITEM_READ)
    before = None
    if cursor is not None:
        (key,) = decode_cursor(cursor, 1)
        if not isinstance(key, int):
            raise Invalid("The page cursor is not one of ours.")
        before = key
    chosen = _seen(work)
    if of_others or step_kind is not None:
        chosen.append(Workitem.step_kind.is_not_distinct_from(step_kind and step_kind.value))
    rows, counts = store.newest(work.session, [one.value for one in states], before, limit + 1, chosen)
    following = encode_cursor(rows[limit - 1].workitem_pk) if len(rows) > limit else None
    work.audit(
        AuditEventID.QUERY, "E", object_type="workitem", detail={"matches": str(min(len(rows), limit))}
    )
    return Listed(Page(rows[:limit], following), counts)


def opened(work: Work, workitem_pk: int) -> tuple[Workitem, list[WorkitemSubscription]]:
    """A Workitem with who watches it. Raises NotFound."""
    work.require(Permission.WORKITEM_READ)
    workitem = work.session.get(Workitem, workitem_pk)
    if workitem is None or not _sees(work, workitem):
        raise NotFound("There is no such Workitem.")
    changes.record(work, workitem, "R")
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
