"""Background: linking studies to orders, and orders that are cancelled."""

from __future__ import annotations

from typing import Any

from wetread.jobs.service import task
from wetread.scheduling import service
from wetread.security.service import Work


@task("scheduling.studies_arrived", together=True)
def studies_arrived(work: Work, events: list[dict[str, Any]]) -> None:
    """Links the studies of `study.updated`."""
    service.studies_arrived(work, events)


@task("scheduling.order_changed")
def order_changed(work: Work, event: dict[str, Any]) -> None:
    """Late orders find their waiting images; cancelled ones leave the worklist."""
    service.appointment_of_canceled_order(work, event)
    service.order_arrived(work, event)
    service.stat_order_arrived(work, event)


@task("scheduling.patient_merged")
def patient_merged(work: Work, event: dict[str, Any]) -> None:
    """Studies follow a merge and its undoing."""
    service.patient_merged(work, event)


@task("scheduling.patient_changed")
def patient_changed(work: Work, event: dict[str, Any]) -> None:
    """Studies follow a corrected name, birth date or sex."""
    service.patient_changed(work, event)


@task("scheduling.steps_as_workitems", together=True)
def steps_as_workitems(work: Work, events: list[dict[str, Any]]) -> None:
    """The Workitems of Scheduled Procedure Steps follow them, their orders and their patients."""
    service.keep_steps_of(work, events)


@task("scheduling.steps_missed", cron="41 3 * * *")
def steps_missed(work: Work) -> None:
    """Once a night: open steps that have no Workitem get one."""
    service.keep_missed_steps(work)
