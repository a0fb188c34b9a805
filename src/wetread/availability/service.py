"""Tells receivers what is here, by jobs that outlive receivers which are away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from wetread.archive.model import Instance, RemoteAE, Series, Study
from wetread.availability.model import AvailabilityNotification
from wetread.availability.rules import OBJECTS_MAX, Available, JsonDict, notification
from wetread.jobs.service import FORWARDING, defer
from wetread.scheduling.model import PerformedProcedureStep
from wetread.security.service import Actor, AuditEventID, Offices, Work

JOB = "availability.notify"
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
    more: bool


def notify(offices: Offices, availability_notification_pk: int) -> int:
    """Tells one receiver of one study what it does not know yet; returns of how many objects. Raises NotTold."""
    told = 0
    while (order := _order(offices, availability_notification_pk)) is not None:
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
                ),
            )
        except NotTold as failed:
            _note(offices, availability_notification_pk, order, str(failed)[:200])
            raise
        _note(offices, availability_notification_pk, order, None)
        told += len(order.objects)
    return told


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
            .limit(OBJECTS_MAX + 1)
        ).all()
        objects = [Available(*row) for row in rows[:OBJECTS_MAX]]
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
            len(rows) > OBJECTS_MAX,
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
        row.through_instance_pk = order.objects[-1].instance_pk
        row.told_count += len(order.objects)
