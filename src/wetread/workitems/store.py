"""The SQL of Workitems."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import cast, delete, exists, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from wetread.archive.model import RemoteAE
from wetread.workitems.model import (
    State,
    StepKind,
    Workitem,
    WorkitemEvent,
    WorkitemGlobalSubscription,
    WorkitemSubscription,
)
from wetread.workitems.rules import EventType, JsonDict

_AT_ONCE = 500


def hold_subscriptions(session: Session, *, alone: bool) -> None:
    """Until the transaction ends, who subscribes to all waits for who makes a Workitem and the other way round, so that
    neither misses the other. Makers do not wait for each other."""
    function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    session.execute(text(f"SELECT {function}(hashtextextended('workitem subscriptions', 34))"))


def hold_step(session: Session, kind: StepKind, step_pk: int) -> None:
    """Until the transaction ends, nobody else makes the Workitem of this step follow it."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:step, 35))"), {"step": f"{kind} {step_pk}"}
    )


def of_step(session: Session, kind: StepKind, step_pk: int) -> list[Workitem]:
    """The Workitems of a step of the house, the present one last; held for change."""
    return list(
        session.scalars(
            select(Workitem)
            .where(Workitem.step_kind == kind.value, Workitem.step_pk == step_pk)
            .order_by(Workitem.workitem_pk)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def by_uid(session: Session, sop_instance_uid: str, *, lock: bool = False) -> Workitem | None:
    """The Workitem of a UID, held for change where `lock`."""
    query = select(Workitem).where(Workitem.sop_instance_uid == sop_instance_uid)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def narrowed(session: Session, conditions: Sequence[Any]) -> Iterator[Workitem]:
    """Workitems that meet the conditions, in the order in which they were made."""
    after = 0
    while True:
        rows = session.scalars(
            select(Workitem)
            .where(Workitem.workitem_pk > after, *conditions)
            .order_by(Workitem.workitem_pk)
            .limit(_AT_ONCE)
        ).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].workitem_pk


def newest(
    session: Session, states: Sequence[str], before: int | None, limit: int, seen: Sequence[Any] = ()
) -> tuple[list[Workitem], dict[str, int]]:
    """A page of Workitems, newest first, and how many there are by state."""
    query = select(Workitem).where(*seen).order_by(Workitem.workitem_pk.desc()).limit(limit)
    if states:
        query = query.where(Workitem.procedure_step_state.in_(states))
    if before is not None:
        query = query.where(Workitem.workitem_pk < before)
    counts = session.execute(
        select(Workitem.procedure_step_state, func.count())
        .where(*seen)
        .group_by(Workitem.procedure_step_state)
    ).all()
    return list(session.scalars(query)), {str(state): int(count) for state, count in counts}


def is_known_peer(session: Session, ae_title: str) -> bool:
    """Whether an application entity can be called."""
    return session.scalar(select(exists().where(RemoteAE.ae_title == ae_title))) or False


def subscribe(
    session: Session, workitem_pks: Sequence[int], ae_title: str, *, lock: bool, is_web: bool
) -> list[int]:
    """Subscribes to each; returns those to which it was not subscribed before."""
    fresh: list[int] = []
    for at in range(0, len(workitem_pks), _AT_ONCE):
        rows = [
            {
                "workitem_pk": pk,
                "receiving_ae_title": ae_title,
                "has_deletion_lock": lock,
                "is_web": is_web,
            }
            for pk in workitem_pks[at : at + _AT_ONCE]
        ]
        statement = upsert(WorkitemSubscription).values(rows)
        result = session.execute(
            statement.on_conflict_do_update(
                index_elements=["workitem_pk", "receiving_ae_title"],
                set_={"has_deletion_lock": lock, "is_web": is_web},
            ).returning(WorkitemSubscription.workitem_pk, text("xmax = 0"))
        )
        fresh += [pk for pk, inserted in result if inserted]
    return fresh


def unsubscribe(session: Session, ae_title: str, workitem_pk: int | None) -> int:
    """Ends the subscription to one Workitem, or to every one; returns how many."""
    statement = delete(WorkitemSubscription).where(WorkitemSubscription.receiving_ae_title == ae_title)
    if workitem_pk is not None:
        statement = statement.where(WorkitemSubscription.workitem_pk == workitem_pk)
    gone = session.execute(statement.returning(WorkitemSubscription.workitem_pk)).all()
    return len(gone)


def set_global(
    session: Session,
    ae_title: str,
    *,
    keys: JsonDict | None,
    site_pks: Collection[int] | None,
    lock: bool,
    is_web: bool,
    at: datetime,
) -> None:
    """Subscribes to all that will be made, or to what matches; an earlier one of the same receiver ends."""
    row = {
        "keys": keys,
        "site_pks": None if site_pks is None else sorted(site_pks),
        "has_deletion_lock": lock,
        "is_web": is_web,
        "subscribed_at": at,
    }
    session.execute(
        upsert(WorkitemGlobalSubscription)
        .values(receiving_ae_title=ae_title, **row)
        .on_conflict_do_update(index_elements=["receiving_ae_title"], set_=row)
    )


def end_global(session: Session, ae_title: str) -> None:
    """Ends it."""
    session.execute(
        delete(WorkitemGlobalSubscription).where(WorkitemGlobalSubscription.receiving_ae_title == ae_title)
    )


def global_subscriptions(session: Session) -> list[WorkitemGlobalSubscription]:
    """All of them."""
    return list(
        session.scalars(
            select(WorkitemGlobalSubscription).order_by(WorkitemGlobalSubscription.receiving_ae_title)
        )
    )


def subscriptions(session: Session, workitem_pk: int) -> list[WorkitemSubscription]:
    """Who hears of a Workitem."""
    return list(
        session.scalars(
            select(WorkitemSubscription)
            .where(WorkitemSubscription.workitem_pk == workitem_pk)
            .order_by(WorkitemSubscription.receiving_ae_title)
        )
    )


def subscriber_count(session: Session, workitem_pk: int) -> int:
    """How many hear of it."""
    return (
        session.scalar(
            select(func.count()).select_from(
                select(WorkitemSubscription.workitem_pk)
                .where(WorkitemSubscription.workitem_pk == workitem_pk)
                .subquery()
            )
        )
        or 0
    )


def tell(
    session: Session,
    workitem: Workitem,
    event_type: EventType,
    information: JsonDict,
    at: datetime,
    *,
    only: str | None = None,
) -> list[tuple[str, bool]]:
    """Keeps an event for every subscriber (or for `only` one); returns their (title, is_web)."""
    chosen = select(
        WorkitemSubscription.receiving_ae_title,
        WorkitemSubscription.is_web,
        literal(workitem.sop_instance_uid),
        literal(int(event_type)),
        cast(literal(information, JSONB), JSONB),
        literal(at),
    ).where(WorkitemSubscription.workitem_pk == workitem.workitem_pk)
    if only is not None:
        chosen = chosen.where(WorkitemSubscription.receiving_ae_title == only)
    columns = (
        "receiving_ae_title", "is_web", "sop_instance_uid", "event_type_id", "information", "happened_at",
    )  # fmt: skip
    told = session.execute(
        insert(WorkitemEvent)
        .from_select(columns, chosen)
        .returning(WorkitemEvent.receiving_ae_title, WorkitemEvent.is_web)
    )
    return [(str(title), bool(is_web)) for title, is_web in told]


def tell_globally(
    session: Session, sop_instance_uid: str, information: JsonDict, at: datetime
) -> list[tuple[str, bool]]:
    """Keeps an SCP Status Change for everybody with a global subscription."""
    rows = [
        {
            "receiving_ae_title": one.receiving_ae_title,
            "is_web": one.is_web,
            "sop_instance_uid": sop_instance_uid,
            "event_type_id": int(EventType.SCP_STATUS_CHANGE),
            "information": information,
            "happened_at": at,
        }
        for one in global_subscriptions(session)
    ]
    if rows:
        session.execute(insert(WorkitemEvent).values(rows))
    return [(str(row["receiving_ae_title"]), bool(row["is_web"])) for row in rows]


def waiting_events(session: Session, ae_title: str, *, is_web: bool, limit: int) -> list[WorkitemEvent]:
    """What a subscriber has still to hear, in the order in which it happened."""
    return list(
        session.scalars(
            select(WorkitemEvent)
            .where(
                WorkitemEvent.receiving_ae_title == ae_title,
                WorkitemEvent.delivered_at.is_(None),
                WorkitemEvent.is_web == is_web,
            )
            .order_by(WorkitemEvent.workitem_event_pk)
            .limit(limit)
        )
    )


def is_waiting(session: Session, ae_title: str) -> bool:
    """Whether an event channel has something to bring: asked so often that nothing of it is read."""
    return bool(
        session.scalar(
            text(
                "SELECT EXISTS (SELECT 1 FROM workitem_event WHERE receiving_ae_title = :title"
                " AND delivered_at IS NULL AND is_web)"
            ),
            {"title": ae_title},
        )
    )


def mark_events(session: Session, pks: Sequence[int], values: Mapping[str, Any]) -> None:
    """Notes what became of events."""
    if pks:
        session.execute(
            update(WorkitemEvent).where(WorkitemEvent.workitem_event_pk.in_(pks)).values(**values)
        )


def remove_old(session: Session, now: datetime, *, workitem_days: int, event_days: int) -> tuple[int, int]:
    """Removes what ended long ago and is not locked, and events that nobody came for; returns how many of each."""
    locked = exists().where(
        WorkitemSubscription.workitem_pk == Workitem.workitem_pk, WorkitemSubscription.has_deletion_lock
    )
    workitems = session.execute(
        delete(Workitem)
        .where(
            Workitem.procedure_step_state.in_([State.CANCELED, State.COMPLETED]),
            Workitem.finished_at < now - timedelta(days=workitem_days),
            ~locked,
        )
        .returning(Workitem.workitem_pk)
    ).all()
    events = session.execute(
        delete(WorkitemEvent)
        .where(WorkitemEvent.happened_at < now - timedelta(days=event_days))
        .returning(WorkitemEvent.workitem_event_pk)
    ).all()
    return len(workitems), len(events)
