"""What waits is told together, and one that fails keeps nobody back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, text

from wetread.jobs.service import REGISTRY, Task, task
from wetread.jobs.worker import Unless, build_app, deliver, relay, run_for_events, run_now, wake_stalled
from wetread.kit.db import Database
from wetread.kit.events import Event, OutboxEvent
from wetread.security.service import Actor, AuditEventID, Offices, Work


@dataclass(frozen=True, slots=True)
class Arrived(Event):
    kind: ClassVar[str] = "thing.arrived"

    number: int
    grown: bool = False


class Refused(Exception):
    pass


@pytest.fixture
def heard() -> Iterator[list[list[int]]]:
    """The numbers of each run that ended well; runs with a 13 fail."""
    runs: list[list[int]] = []

    def hear(work: Work, numbers: list[int]) -> None:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="test")
        if 13 in numbers:
            raise Refused
        runs.append(numbers)

    @task("test.one")
    def one(work: Work, event: dict[str, Any]) -> None:
        hear(work, [event["keys"]["number"]])

    @task("test.all", together=True)
    def all_of_them(work: Work, events: list[dict[str, Any]]) -> None:
        hear(work, [event["keys"]["number"] for event in events])

    @task("test.too", together=True)
    def they_too(work: Work, events: list[dict[str, Any]]) -> None:
        hear(work, [-event["keys"]["number"] for event in events])

    yield runs
    for name in ("test.one", "test.all", "test.too"):
        del REGISTRY.tasks[name]


def told(*numbers: int) -> list[dict[str, Any]]:
    return [{"kind": Arrived.kind, "keys": {"number": number}} for number in numbers]


def waiting(offices: Offices) -> list[tuple[str, list[int]]]:
    with offices.work(Actor.system("test")) as work:
        rows = work.session.execute(
            text("SELECT task_name, args FROM procrastinate_jobs WHERE task_name LIKE 'test.%' ORDER BY id")
        ).all()
    return [(name, [event["keys"]["number"] for event in args["events"]]) for name, args in rows]


def named(name: str) -> Task:
    return REGISTRY.tasks[name]


def test_a_subscriber_gets_one_job_for_all_that_waits(offices: Offices, heard: list[list[int]]) -> None:
    with offices.work(Actor.system("test")) as work:
        for number in range(3):
            work.publish(Arrived(number, grown=number == 1))
    with offices.work(Actor.system("relay")) as work:
        assert relay(work, {Arrived.kind: ("test.all", Unless("grown", "test.one"))}) == 3
        assert not work.session.scalars(select(OutboxEvent).where(OutboxEvent.relayed_at.is_(None))).all()
        assert relay(work, {}) == 0
    assert sorted(waiting(offices)) == [("test.all", [0, 1, 2]), ("test.one", [0, 2])]


def test_a_long_row_is_shared_by_several_jobs(offices: Offices, heard: list[list[int]]) -> None:
    with offices.work(Actor.system("test")) as work:
        for number in range(60):
            work.publish(Arrived(number))
    with offices.work(Actor.system("relay")) as work:
        relay(work, {Arrived.kind: ("test.all",)})
    jobs = [numbers for _, numbers in waiting(offices)]
    assert [number for numbers in jobs for number in numbers] == list(range(60))
    assert len(jobs) > 1


@pytest.mark.parametrize("name", ["test.one", "test.all"])
def test_who_fails_among_others_gets_a_job_of_his_own(
    offices: Offices, heard: list[list[int]], name: str
) -> None:
    run_for_events(offices, named(name), told(1, 13, 2))
    assert heard == [[1], [2]]
    assert waiting(offices) == [(name, [13])]


@pytest.mark.parametrize("name", ["test.one", "test.all"])
def test_who_fails_alone_fails_his_job(offices: Offices, heard: list[list[int]], name: str) -> None:
    with pytest.raises(Refused):
        run_for_events(offices, named(name), told(13))
    assert waiting(offices) == []


def test_those_who_take_events_together_share_a_job(offices: Offices, heard: list[list[int]]) -> None:
    with offices.work(Actor.system("test")) as work:
        for number in (1, 2):
            work.publish(Arrived(number))
    with offices.work(Actor.system("relay")) as work:
        relay(work, {Arrived.kind: ("test.all", "test.one", "test.too")})
        (args,) = work.session.scalars(
            text("SELECT args FROM procrastinate_jobs WHERE task_name = 'events.deliver'")
        ).all()
    assert waiting(offices) == [("test.one", [1, 2])]
    assert list(args["told"]) == ["test.all", "test.too"]
    deliver(offices, **args)
    assert heard == [[1, 2], [-1, -2]]


def test_one_who_fails_does_not_keep_the_news_from_the_others(
    offices: Offices, heard: list[list[int]]
) -> None:
    deliver(offices, {"test.all": told(13), "test.too": told(13)})
    assert heard == [[-13]]
    assert waiting(offices) == [("test.all", [13])]


def test_together_is_one_transaction(offices: Offices, heard: list[list[int]]) -> None:
    run_for_events(offices, named("test.all"), told(1, 2, 3))
    assert heard == [[1, 2, 3]]


def test_what_is_more_urgent_passes_before_the_transaction_begins(offices: Offices) -> None:
    order: list[str] = []

    def let_pass(_: Offices, number: int) -> None:
        order.append(f"waited for {number}")

    @task("test.patient", let_pass=let_pass)
    def patient(work: Work, number: int) -> None:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="test")
        order.append(f"ran {number}")

    try:
        run_now(offices, named("test.patient"), {"number": 5})
    finally:
        del REGISTRY.tasks["test.patient"]
    assert order == ["waited for 5", "ran 5"]


def queued(
    offices: Offices,
    *,
    status: str,
    name: str = "test.one",
    queueing_lock: str | None = None,
    lock: str | None = None,
) -> int:
    """A job's key. One that is `doing` is so for a worker that is no more."""
    with offices.work(Actor.system("test")) as work:
        return int(
            work.session.execute(
                text(
                    "INSERT INTO procrastinate_jobs (queue_name, task_name, status, queueing_lock, lock, attempts)"
                    " VALUES ('default', :name, CAST(:status AS procrastinate_job_status), :queueing_lock, :lock, 1)"
                    " RETURNING id"
                ),
                {"status": status, "name": name, "queueing_lock": queueing_lock, "lock": lock},
            ).scalar_one()
        )


def states(offices: Offices) -> dict[int, str]:
    with offices.work(Actor.system("test")) as work:
        rows = work.session.execute(text("SELECT id, status::text FROM procrastinate_jobs"))
        return {row[0]: row[1] for row in rows}


def test_what_a_killed_worker_left_starts_again_whatever_else_waits(clean_database: Database) -> None:
    offices = Offices(clean_database)
    scheduled = queued(offices, status="doing", queueing_lock="test.every_minute")
    again = queued(offices, status="todo", queueing_lock="test.every_minute")
    result = queued(offices, status="doing")

    async def wake() -> None:
        app = build_app(offices, offices.database.url)
        async with app.open_async():
            await wake_stalled(app)

    asyncio.run(wake())
    assert states(offices) == {again: "todo", result: "todo"}
    assert scheduled not in states(offices)


def test_a_failed_job_gives_way_to_one_that_waits_for_the_same(clean_database: Database) -> None:
    offices = Offices(clean_database)
    failed = queued(offices, status="doing", queueing_lock="report:CT1", lock="report:CT1")

    async def retry() -> None:
        app = build_app(offices, offices.database.url)
        async with app.open_async():
            (job,) = await app.job_manager.get_stalled_jobs()
            waiting = queued(offices, status="todo", queueing_lock="report:CT1", lock="report:CT1")
            await app.job_manager.retry_job(job)
            assert states(offices) == {waiting: "todo"}
            # Its lock is free.
            worker = await app.job_manager.register_worker()
            taken = await app.job_manager.fetch_job(queues=None, worker_id=worker)
            assert taken is not None
            assert taken.id == waiting

    asyncio.run(retry())
    assert failed not in states(offices)


def test_what_is_scheduled_leaves_one_failure_until_it_ends_well(clean_database: Database) -> None:
    offices = Offices(clean_database)
    fails = True

    @task("test.often", cron="* * * * *")
    def often(work: Work) -> None:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="test")
        if fails:
            raise Refused

    other = queued(offices, status="failed")  # no schedule does it again
    try:
        run = build_app(offices, offices.database.url).tasks["test.often"].func
        for _ in range(3):
            with pytest.raises(Refused):
                run(timestamp=0)
            last = queued(offices, status="failed", name="test.often")  # as the queue notes it now
        assert states(offices) == {other: "failed", last: "failed"}
        fails = False
        run(timestamp=60)
        assert states(offices) == {other: "failed"}
    finally:
        del REGISTRY.tasks["test.often"]
