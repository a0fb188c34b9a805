"""Background: cases of the reading list as Workitems."""

from __future__ import annotations

from typing import Any

from wetread.jobs.service import task
from wetread.security.service import Work
from wetread.worklist import service


@task("worklist.readings_as_workitems", together=True)
def readings_as_workitems(work: Work, events: list[dict[str, Any]]) -> None:
    """The Workitems of cases follow claims, reports, orders, studies and patients."""
    service.keep_readings_of(work, events)


@task("worklist.claims_ran_out", cron="*/5 * * * *")
def claims_ran_out(work: Work) -> None:
    """Every five minutes: whose claim ran out does not read any more."""
    service.keep_what_ran_out(work)


@task("worklist.readings_missed", cron="47 3 * * *")
def readings_missed(work: Work) -> None:
    """Once a night: unread cases that have no Workitem get one."""
    service.keep_missed_readings(work)
