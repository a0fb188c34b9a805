"""Tells receivers what is here, by jobs that outlive receivers which are away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from wetread.archive.model import WITH_REMOVED, Instance, RemoteAE, Removal, Series, Study
from wetread.availability.model import AvailabilityAnnouncement, AvailabilityNotification
from wetread.availability.rules import (
    NEARLINE,
    OBJECTS_MAX,
    OFFLINE,
    ONLINE,
    UNAVAILABLE,
    Available,
    JsonDict,
    NotUnderstood,
    notification,
    read_notification,
)
from wetread.jobs.service import FORWARDING, defer
from wetread.scheduling.model import PerformedProcedureStep
from wetread.security.service import Actor, AuditEventID, Offices, Permission, Work

JOB = "availability.notify"
CHANGE_JOB = "availability.notify_change"
QUIET_S = 30  # without news of the study before it is told of
RIGHT = "availability"


class NotTold(Exception):
    """The receiver was not reached or refused; words for a person."""


class Notifier(Protocol):
    """N-CREATE of a notification. Given by the composition root: this room knows no network."""

    def __call__(self, peer: RemoteAE, attributes: JsonDict) -> None:
        """Raises NotTold."""


@dataclass(frozen=True, slots=True)
class Means:
    """How this process tells, and where it says that objects are to be had."""

    notifier: Notifier
    ae_title: str
    retrieve_uri: str | None = None


_means: list[Means] = []


def use_means(means: Means) -> None:
    """Names the means of this process (called once by the composition root)."""
    _means[:] = [means]


def studies_updated(work: Work, events: Iterable[Mapping[str, Any]]) -> None:
    """On `study.updated`: has every receiver told a little after the last news."""
    study_pks = sorted({int(event["keys"]["study_pk"]) for event in events})
    receivers = work.session.scalars(
        select(RemoteAE.remote_ae_pk).where(RemoteAE.rights.contains([RIGHT])).order_by(RemoteAE.remote_ae_pk)
    ).all()
    known = set(work.session.scalars(select(Study.study_pk).where(Study.study_pk.in_(study_pks))))
    not_before = work.now() + timedelta(seconds=QUIET_S)
    for remote_ae_pk in receivers:
        for study_pk in study_pks:
            if study_pk not in known:
                continue
            row = {"not_before": not_before, "updated_at": work.now()}
            pk = work.session.scalar(
                insert(AvailabilityNotification)
                .values(study_pk=study_pk, remote_ae_pk=remote_ae_pk, **row)
                .on_conflict_do_update(index_elements=["study_pk", "remote_ae_pk"], set_=row)
                .returning(AvailabilityNotification.availability_notification_pk)
            )
            assert pk is not None
            _wake(work, pk, not_before)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="availability_notification",
        detail={"studies": str(len(study_pks)), "receivers": str(len(receivers))},
    )


def _wake(work: Work, pk: int, at: Any) -> None:
    lock = f"{JOB}:{pk}"
    defer(
        work,
        JOB,
        run_at=at,
        queueing_lock=lock,
        lock=lock,
        queue=FORWARDING,
        availability_notification_pk=pk,
    )


@dataclass(frozen=True, slots=True)
class _Order:
    peer: RemoteAE
    study_pk: int
    study_instance_uid: str
    objects: list[Available]
    steps: list[str]
    availability: str = ONLINE


def notify(offices: Offices, availability_notification_pk: int) -> int:
    """Tells one receiver of one study what it does not know yet; returns of how many objects. Raises NotTold."""
    told = 0
    while (order := _order(offices, availability_notification_pk)) is not None:
        _send(offices, availability_notification_pk, order)
        told += len(order.objects)
    return told


def _send(offices: Offices, pk: int, order: _Order) -> None:
    try:
        if not _means:
            raise NotTold("this process cannot call application entities")
        means = _means[0]
        means.notifier(
            order.peer,
            notification(
                order.study_instance_uid,
                order.objects,
                retrieve_ae_title=means.ae_title,
                retrieve_uri=means.retrieve_uri,
                performed_steps=order.steps,
                availability=order.availability,
            ),
        )
    except NotTold as failed:
        _note(offices, pk, order, str(failed)[:200])
        raise
    _note(offices, pk, order, None)


def removed_or_restored(work: Work, events: Iterable[Mapping[str, Any]]) -> None:
    """On `study.removed` and `study.restored`: who was told of the study is told what became of it."""
    count = 0
    for event in events:
        study_pk, removal_pk = int(event["keys"]["study_pk"]), int(event["keys"]["removal_pk"])
        for pk in work.session.scalars(
            select(AvailabilityNotification.availability_notification_pk).where(
                AvailabilityNotification.study_pk == study_pk,
                AvailabilityNotification.through_instance_pk > 0,
            )
        ):
            count += 1
            defer(
                work,
                CHANGE_JOB,
                queueing_lock=f"{CHANGE_JOB}:{pk}:{removal_pk}:{event['kind']}",
                lock=f"{JOB}:{pk}",
                queue=FORWARDING,
                availability_notification_pk=pk,
                removal_pk=removal_pk,
            )
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="availability_notification",
        detail={"changes": str(count)},
    )


def notify_change(offices: Offices, availability_notification_pk: int, removal_pk: int) -> int:
    """Tells one receiver that what it was told of was removed, or is here again; of how many objects. Raises NotTold."""
    told, after = 0, 0
    while True:
        order = _changed(offices, availability_notification_pk, removal_pk, after)
        if order is None:
            return told
        _send(offices, availability_notification_pk, order)
        after = order.objects[-1].instance_pk
        told += len(order.objects)


def _changed(offices: Offices, pk: int, removal_pk: int, after: int) -> _Order | None:
    with offices.work(Actor.system("availability")) as work:
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY, "E", object_type="availability_notification", object_id=pk
        )
        told = work.session.get(AvailabilityNotification, pk)
        removal = work.session.get(Removal, removal_pk)
        if told is None or removal is None or removal.purged_at is not None:
            return None
        peer = work.session.get(RemoteAE, told.remote_ae_pk)
        study = work.session.get(Study, told.study_pk, execution_options=WITH_REMOVED)
        if peer is None or study is None or RIGHT not in peer.rights:
            return None
        query = (
            select(
                Series.series_instance_uid,
                Instance.sop_class_uid,
                Instance.sop_instance_uid,
                Instance.instance_pk,
            )
            .join(Series, Series.series_pk == Instance.series_pk)
            .where(
                Instance.study_pk == told.study_pk,
                Instance.instance_pk > after,
                Instance.instance_pk <= told.through_instance_pk,
            )
            .order_by(Instance.instance_pk)
            .limit(OBJECTS_MAX)
        )
        if removal.restored_at is None:
            query = query.where(Instance.removal_pk == removal_pk).execution_options(**WITH_REMOVED)
        objects = [Available(*row) for row in work.session.execute(query)]
        work.session.expunge(peer)
        if not objects:
            return None
        availability = UNAVAILABLE if removal.restored_at is None else ONLINE
        return _Order(peer, study.study_pk, study.study_instance_uid, objects, [], availability)


def _order(offices: Offices, pk: int) -> _Order | None:
    """What is to be told now; None where nothing is, or not yet (then a job is there for later)."""
    with offices.work(Actor.system("availability")) as work:
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY, "E", object_type="availability_notification", object_id=pk
        )
        waiting = work.session.get(AvailabilityNotification, pk, with_for_update=True)
        if waiting is None or waiting.not_before is None:
            return None
        if waiting.not_before > work.now():
            _wake(work, pk, waiting.not_before)
            return None
        peer = work.session.get(RemoteAE, waiting.remote_ae_pk)
        study = work.session.get(Study, waiting.study_pk)
        if peer is None or study is None or RIGHT not in peer.rights:
            waiting.not_before = None
            return None
        rows = work.session.execute(
            select(
                Series.series_instance_uid,
                Instance.sop_class_uid,
                Instance.sop_instance_uid,
                Instance.instance_pk,
            )
            .join(Series, Series.series_pk == Instance.series_pk)
            .where(Instance.study_pk == waiting.study_pk, Instance.instance_pk > waiting.through_instance_pk)
            .order_by(Instance.instance_pk)
            .limit(OBJECTS_MAX)
        ).all()
        objects = [Available(*row) for row in rows]
        if not objects:
            waiting.not_before = None
            return None
        steps = work.session.scalars(
            select(PerformedProcedureStep.sop_instance_uid)
            .where(PerformedProcedureStep.study_instance_uid == study.study_instance_uid)
            .order_by(PerformedProcedureStep.performed_procedure_step_pk)
        ).all()
        order = _Order(
            peer,
            study.study_pk,
            study.study_instance_uid,
            objects,
            list(steps),
        )
        work.session.flush()
        work.session.expunge(peer)
        return order


def _note(offices: Offices, pk: int, order: _Order, fault: str | None) -> None:
    with offices.work(Actor.system("availability")) as work:
        work.audit(
            AuditEventID.INSTANCES_TRANSFERRED,
            "R",
            study_instance_uid=order.study_instance_uid,
            object_type="availability_notification",
            object_id=pk,
            detail={"to": order.peer.ae_title, "objects": str(len(order.objects))},
            outcome=0 if fault is None else 4,
        )
        row = work.session.get(AvailabilityNotification, pk, with_for_update=True)
        if row is None:
            return
        row.updated_at = work.now()
        if fault is not None:
            row.attempt_count += 1
            row.last_error = fault
            return
        row.attempt_count, row.last_error, row.told_at = 0, None, work.now()
        if order.objects[-1].instance_pk > row.through_instance_pk:
            row.through_instance_pk = order.objects[-1].instance_pk
            row.told_count += len(order.objects)


# What others tell --------------------------------------------------------------------------------------------------


def announced(work: Work, sop_instance_uid: str, attributes: JsonDict, calling_ae_title: str) -> None:
    """Keeps a notification that another system sent. Raises NotUnderstood, also for one that is known already."""
    told = read_notification(attributes)
    if not sop_instance_uid or len(sop_instance_uid) > 64:
        raise NotUnderstood(0x0117, "the SOP Instance UID is none")
    kept = work.session.scalar(
        insert(AvailabilityAnnouncement)
        .values(
            sop_instance_uid=sop_instance_uid,
            calling_ae_title=calling_ae_title[:16],
            study_instance_uid=told.study_instance_uid,
            series_count=told.series,
            online_count=told.objects[ONLINE],
            nearline_count=told.objects[NEARLINE],
            offline_count=told.objects[OFFLINE],
            unavailable_count=told.objects[UNAVAILABLE],
            retrieve_ae_titles=list(told.retrieve_ae_titles),
            received_at=work.now(),
        )
        .on_conflict_do_nothing()
        .returning(AvailabilityAnnouncement.availability_announcement_pk)
    )
    if kept is None:
        raise NotUnderstood(0x0111, "this notification is known")
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C",
        study_instance_uid=told.study_instance_uid,
        object_type="availability_announcement",
        object_id=kept,
        detail={"from": calling_ae_title[:16]},
    )


@dataclass(frozen=True, slots=True)
class Announcement:
    """A notification of another system; `is_here`: the study is known here too."""

    row: AvailabilityAnnouncement
    is_here: bool


def announcements(work: Work, *, before: int | None = None, limit: int = 100) -> list[Announcement]:
    """What others told, newest first, those before the key `before`."""
    work.require(Permission.QUEUE_READ)
    query = (
        select(AvailabilityAnnouncement, Study.study_pk)
        .outerjoin(Study, Study.study_instance_uid == AvailabilityAnnouncement.study_instance_uid)
        .order_by(AvailabilityAnnouncement.availability_announcement_pk.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(AvailabilityAnnouncement.availability_announcement_pk < before)
    work.audit(AuditEventID.QUERY, "E", object_type="availability_announcement")
    return [Announcement(row, study_pk is not None) for row, study_pk in work.session.execute(query)]
