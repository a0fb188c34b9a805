"""Runs declared tasks, relays outbox events to their subscribers, wakes jobs that a killed worker left behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from opentelemetry.trace import SpanKind
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from sqlalchemy import select, text, update
from sqlalchemy.exc import SQLAlchemyError

from wetread.jobs.service import FORWARDING, PREPARATION, REGISTRY, Retry, Task, defer
from wetread.kit import limits, tracing
from wetread.kit.events import CHANNEL, OutboxEvent
from wetread.kit.failpoints import failpoint
from wetread.security.service import Actor, Offices, Work

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Unless:
    """A subscriber that leaves alone the events in which `key` is true."""

    key: str
    task: str


Subscriptions = Mapping[str, Sequence[str | Unless]]
"""Event kind → names of tasks, each run as `f(work, event={"kind": …, "keys": {…}})`, in a transaction of its own;
those declared `together` as `f(work, events=[…])`, all in one."""

_PAUSE_AN_EVENT_S, _PAUSE_S_MAX = 0.25, 0.4  # the first event is relayed at once, those of a stream together
_SLOW = {PREPARATION: 1, FORWARDING: 2}  # queues with places of their own
_DELIVER = "events.deliver"
_WAKE_S = 10.0
_EVENTS_A_JOB = 25  # few enough that several places share the work


@dataclass(frozen=True)
class _Backoff(BaseRetryStrategy):
    retry: Retry

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if job.attempts + 1 >= self.retry.max_attempts:
            return None
        wait = min(self.retry.base_s ** min(job.attempts + 1, 20), self.retry.wait_s_max)
        return RetryDecision(retry_in={"seconds": wait})


def run_now(offices: Offices, task: Task, args: dict[str, Any]) -> None:
    """One run of a task: one transaction of a system actor named after it."""
    if task.let_pass is not None:
        task.let_pass(offices, **args)
    with offices.work(Actor.system(task.name)) as work:
        if task.together:
            # What streams in keeps the disk busy enough; a crash that undoes this undoes the job's end too.
            offices.database.commit_soon(work.session)
        task.run(work, **args)
        failpoint("jobs.done")


def run_for_events(offices: Offices, task: Task, events: Sequence[dict[str, Any]]) -> None:
    """Runs a subscriber for the events. One that fails among others gets a job of its own, to be tried again."""
    if task.together:
        try:
            run_now(offices, task, {"events": events})
            return
        except Exception as error:
            if len(events) == 1:
                raise
            log.warning("job failed", task=task.name, error=type(error).__name__)
    for event in events:
        try:
            run_now(offices, task, {"events": [event]} if task.together else {"event": event})
        except Exception as error:
            if len(events) == 1:
                raise
            log.warning("job failed", task=task.name, error=type(error).__name__)
            with offices.work(Actor.system(task.name)) as work:
                defer(work, task.name, events=[event])


def deliver(offices: Offices, told: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Runs several subscribers for the events of each, one transaction after the other: taking a job and ending it costs
    more than most of them. One that fails gets a job of its own, to be tried again."""
    for name, events in told.items():
        try:
            with tracing.span(f"job {name}", SpanKind.CONSUMER) as span:
                tracing.note(span, "job.task", name)
                run_for_events(offices, REGISTRY.tasks[name], events)
        except Exception as error:  # noqa: BLE001 - whatever failed in one, the others are to hear it
            log.warning("job failed", task=name, error=type(error).__name__)
            with offices.work(Actor.system(name)) as work:
                defer(work, name, events=list(events))


def relay(work: Work, subscriptions: Subscriptions) -> int:
    """Turns waiting events into jobs of their subscribers, in order; returns how many events.

    A subscriber gets one job for all that waits: in a migration, thousands of studies arrive together. Those that take
    events together share it.
    """
    wanted: dict[str, list[dict[str, Any]]] = {}
    events = work.session.execute(
        select(OutboxEvent.outbox_event_pk, OutboxEvent.kind, OutboxEvent.keys)
        .where(OutboxEvent.relayed_at.is_(None))
        .order_by(OutboxEvent.outbox_event_pk)
        .limit(limits.EVENT_BATCH_MAX)
        .with_for_update(skip_locked=True)
    ).all()
    for event in events:
        for subscriber in subscriptions.get(event.kind, ()):
            if isinstance(subscriber, str):
                task = subscriber
            elif event.keys.get(subscriber.key):
                continue
            else:
                task = subscriber.task
            wanted.setdefault(task, []).append({"kind": event.kind, "keys": event.keys})
    shared: list[dict[str, list[dict[str, Any]]]] = []
    for task, waiting in wanted.items():
        declared = REGISTRY.tasks.get(task)
        for number, at in enumerate(range(0, len(waiting), _EVENTS_A_JOB)):
            events_of_job = waiting[at : at + _EVENTS_A_JOB]
            if declared is not None and declared.together and declared.queue not in _SLOW:
                if number == len(shared):
                    shared.append({})
                shared[number][task] = events_of_job
            else:
                defer(work, task, events=events_of_job)
    for told in shared:
        if len(told) == 1:
            ((task, events_of_job),) = told.items()
            defer(work, task, events=events_of_job)
        else:
            defer(work, _DELIVER, told=told)
    failpoint("jobs.deferred")
    if events:
        work.session.execute(
            update(OutboxEvent)
            .where(OutboxEvent.outbox_event_pk.in_([event.outbox_event_pk for event in events]))
            .values(relayed_at=work.now())
        )
    return len(events)


class Relay(threading.Thread):
    """Listens for events and relays them; also looks once a second, so that a missed notification costs little."""

    def __init__(self, offices: Offices, subscriptions: Subscriptions) -> None:
        super().__init__(name="event-relay", daemon=True)
        self._offices, self._subscriptions = offices, subscriptions
        self._ending = threading.Event()

    def stop(self) -> None:
        """Ends within about a second."""
        self._ending.set()

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._offices.database.url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    while not self._ending.is_set():
                        self._ending.wait(min(self._drain() * _PAUSE_AN_EVENT_S, _PAUSE_S_MAX))
                        for _ in connection.notifies(timeout=1.0, stop_after=1):
                            pass
            except Exception as error:  # noqa: BLE001 - the relay must outlive a database restart
                log.warning("event relay waits", error=type(error).__name__)
                self._ending.wait(1.0)

    def _drain(self) -> int:
        relayed = 0
        while True:
            with self._offices.work(Actor.system("event-relay")) as work:
                self._offices.database.commit_soon(work.session)  # undone by a crash, it is relayed anew
                batch = relay(work, self._subscriptions)
            relayed += batch
            if batch < limits.EVENT_BATCH_MAX:
                return relayed


class _OneWaits(JobManager):
    """A job that is to run again gives way where another of its queueing lock waits already: that one does the same. It
    could not wait beside it, and would count as running for good."""

    async def retry_job(self, job: Job, *args: Any, **more: Any) -> None:
        """See JobManager."""
        try:
            await super().retry_job(job, *args, **more)
        except UniqueViolation:
            await self.finish_job(job, Status.FAILED, delete_job=True)


def build_app(offices: Offices, database_url: str) -> App:
    """The queue with every declared task."""
    # A job whose taking or end is undone by a crash runs again, as after any crash.
    options = "-c synchronous_commit=off"
    app = App(
        connector=PsycopgConnector(conninfo=database_url, min_size=1, max_size=6, kwargs={"options": options})
    )
    app.job_manager = _OneWaits(app.connector)
    for declared in REGISTRY.tasks.values():
        _register(app, offices, declared)
    app.task(name=_DELIVER, retry=_Backoff(Retry()))(lambda told: deliver(offices, told))
    return app


def _forget_failures(offices: Offices, name: str) -> None:
    """Earlier failures of a scheduled task: the next run does what they did not, and a person has nothing to try again."""
    try:
        with offices.database.transaction() as session:
            session.execute(
                text("DELETE FROM procrastinate_jobs WHERE task_name = :name AND status = 'failed'"),
                {"name": name},
            )
    except SQLAlchemyError as error:
        log.warning("failures were not forgotten", task=name, error=type(error).__name__)


def _register(app: App, offices: Offices, declared: Task) -> None:
    may_have_failed = declared.cron is not None  # before this process, too

    def call(**args: Any) -> None:
        nonlocal may_have_failed
        args.pop("timestamp", None)
        try:
            with tracing.span(f"job {declared.name}", SpanKind.CONSUMER) as span:
                tracing.note(span, "job.task", declared.name)
                if "events" in args:
                    run_for_events(offices, declared, args["events"])
                else:
                    run_now(offices, declared, args)
        except Exception as error:
            log.warning("job failed", task=declared.name, error=type(error).__name__)
            if declared.cron:
                _forget_failures(offices, declared.name)
                may_have_failed = True
            raise
        if may_have_failed:
            _forget_failures(offices, declared.name)
            may_have_failed = False

    # A scheduled task runs again by its schedule; a retry beside it would only pile up, as its failures would: the last is
    # kept until a run ends well.
    strategy: Any = False if declared.cron else _Backoff(declared.retry)
    registered = app.task(name=declared.name, queue=declared.queue, retry=strategy)(call)
    if declared.cron:
        scheduled: Any = registered
        app.periodic(cron=declared.cron, periodic_id=declared.name, queueing_lock=declared.name)(scheduled)


async def run_worker(
    offices: Offices,
    database_url: str,
    subscriptions: Subscriptions,
    ending: asyncio.Event,
    *,
    concurrency: int = 4,
) -> None:
    """Works until `ending` is set; running jobs get to finish.

    What people wait for (orders, links, results) has `concurrency` places of its own, so that no row of large studies
    that are being prepared stands before an emergency.
    """
    app = build_app(offices, database_url)
    relay_thread = Relay(offices, subscriptions)
    async with app.open_async():
        relay_thread.start()
        waker = asyncio.create_task(_keep_waking(app, ending))
        prompt = sorted({declared.queue for declared in REGISTRY.tasks.values()} - _SLOW.keys())
        shares = [(prompt, concurrency), *(([queue], places) for queue, places in _SLOW.items())]
        workers = [
            asyncio.create_task(
                app.run_worker_async(
                    queues=queues,
                    concurrency=places,
                    install_signal_handlers=False,
                    delete_jobs="successful",
                    shutdown_graceful_timeout=20,
                    fetch_job_polling_interval=2.0,
                    # Each study that grows puts off its preparation: no reason to look each time.
                    listen_notify=PREPARATION not in queues,
                )
            )
            for queues, places in shares
        ]
        await asyncio.wait(
            {*workers, asyncio.create_task(ending.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        relay_thread.stop()
        for running in (*workers, waker):
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def wake_stalled(app: App) -> None:
    """Jobs of a worker that was killed start again: at once after a restart, later by its missing heartbeat."""
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


async def _keep_waking(app: App, ending: asyncio.Event) -> None:
    while not ending.is_set():
        try:
            await wake_stalled(app)
        except Exception as error:  # noqa: BLE001 - what could not be woken now is looked for again
            log.warning("stalled jobs not woken", error=type(error).__name__)
        await asyncio.sleep(_WAKE_S)
