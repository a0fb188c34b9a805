"""The door to background work: declare tasks, enqueue them, look at them, try them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from wetread.kit import limits
from wetread.kit.db import install_sql
from wetread.kit.errors import NotFound
from wetread.security.service import AuditEventID, Permission, Work

Run = Callable[..., None]

PREPARATION = "preparation"
"""The queue of work that takes long and that nobody waits for: it runs beside the rest, one job at a time."""

FORWARDING = "forwarding"
"""The queue of sending to other archives, which may answer slowly: it has places of its own."""

_DROP = r"""
DROP TABLE IF EXISTS procrastinate_periodic_defers, procrastinate_events, procrastinate_jobs, procrastinate_workers CASCADE;
DO $$
DECLARE
    it record;
BEGIN
    FOR it IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE proname LIKE 'procrastinate\_%' AND pronamespace = 'public'::regnamespace
    LOOP
        EXECUTE 'DROP FUNCTION ' || it.name || ' CASCADE';
    END LOOP;
END $$;
DROP TYPE IF EXISTS procrastinate_job_status, procrastinate_job_event_type, procrastinate_job_to_defer_v1;
"""
install_sql("procrastinate", SchemaManager.get_schema(), _DROP)


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts and the exponential wait between them: `base_s ** attempt`, at most `wait_s_max`."""

    max_attempts: int = limits.JOB_ATTEMPTS_MAX
    base_s: int = 2
    wait_s_max: int = 900


@dataclass(frozen=True, slots=True)
class Task:
    """A declared task. `cron` (with seconds first of six, or minutes of five) runs it on a schedule; `let_pass`, given the
    arguments of a run, waits before its transaction begins."""

    name: str
    run: Run
    retry: Retry
    queue: str = "default"
    cron: str | None = None
    together: bool = False
    let_pass: Callable[..., None] | None = None


@dataclass(slots=True)
class Registry:
    """The tasks of this process, by name."""

    tasks: dict[str, Task] = field(default_factory=dict)


REGISTRY = Registry()


def task(
    name: str,
    *,
    retry: Retry | None = None,
    queue: str = "default",
    cron: str | None = None,
    together: bool = False,
    let_pass: Callable[..., None] | None = None,
) -> Callable[[Run], Run]:
    """Declares `f(work, **plain_json)` as the task `<room>.<name>`; one run is one transaction. A subscriber that takes
    events `together` is called as `f(work, events=[…])`, and its commit does not wait for the disk. What need not be done
    at once has what is more urgent go before it: `let_pass(offices, **plain_json)` returns when it has, in good time."""

    def declare(run: Run) -> Run:
        if name in REGISTRY.tasks:
            raise ValueError(f"task {name} is declared twice")
        REGISTRY.tasks[name] = Task(name, run, retry or Retry(), queue, cron, together, let_pass)
        return run

    return declare


_ENQUEUE = text(
    """
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
VALUES (:queue, :task, 0, :lock, :queueing_lock, CAST(:args AS jsonb), :run_at)
ON CONFLICT DO NOTHING
"""
)


def defer(
    work: Work,
    name: str,
    *,
    run_at: datetime | None = None,
    queueing_lock: str | None = None,
    lock: str | None = None,
    queue: str | None = None,
    **args: Any,
) -> None:
    """Enqueues the task in this transaction. `queue` is needed where the process does not know the task, as an edge
    that runs none. With a `queueing_lock`, at most one such job waits; with a `lock`, jobs
    of the same lock run one after the other, in order."""
    defer_all(work, name, [Call(args, queueing_lock=queueing_lock, lock=lock)], run_at=run_at, queue=queue)


@dataclass(frozen=True, slots=True)
class Call:
    """One job to be enqueued: the arguments of its task, and its locks (see `defer`)."""

    args: Mapping[str, Any]
    queueing_lock: str | None = None
    lock: str | None = None


def defer_all(
    work: Work,
    name: str,
    calls: Sequence[Call],
    *,
    run_at: datetime | None = None,
    queue: str | None = None,
) -> None:
    """Enqueues several jobs of one task together; see `defer`."""
    if not calls:
        return
    declared = REGISTRY.tasks.get(name)
    work.session.connection().execute(
        _ENQUEUE,
        [
            {
                "queue": queue or (declared.queue if declared else "default"),
                "task": name,
                "lock": call.lock,
                "queueing_lock": call.queueing_lock,
                "args": orjson.dumps(call.args).decode(),
                "run_at": run_at,
            }
            for call in calls
        ],
    )


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as people see it."""

    job_id: int
    task_name: str
    status: str
    attempts: int
    scheduled_at: datetime | None


def jobs(work: Work, *, status: str | None = None, limit: int = 100) -> list[JobRow]:
    """The newest jobs, e.g. those that failed for good."""
    work.require(Permission.QUEUE_READ)
    rows = work.session.execute(
        text(
            "SELECT id, task_name, status::text, attempts, scheduled_at FROM procrastinate_jobs"
            " WHERE CAST(:status AS text) IS NULL OR status::text = :status ORDER BY id DESC LIMIT :limit"
        ),
        {"status": status, "limit": min(limit, limits.PAGE_ITEMS_MAX)},
    )
    return [JobRow(*row) for row in rows]


def retry_job(work: Work, job_id: int) -> None:
    """Puts a failed job back into its queue. Raises NotFound where there is no failed job of that number."""
    work.require(Permission.QUEUE_WRITE)
    done = work.session.execute(
        text(
            "UPDATE procrastinate_jobs SET status = 'todo', scheduled_at = NULL WHERE id = :id AND status = 'failed' RETURNING id"
        ),
        {"id": job_id},
    ).first()
    if done is None:
        raise NotFound("There is no failed job of that number.")
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="job", object_id=job_id)
