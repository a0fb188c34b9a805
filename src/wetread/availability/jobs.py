"""Background work of notifications."""

from __future__ import annotations

from typing import Any

from wetread.archive.service import the_archive
from wetread.availability import service
from wetread.jobs.service import FORWARDING, Retry, task
from wetread.security.service import AuditEventID, Work


@task("availability.studies_updated", together=True)
def studies_updated(work: Work, events: list[dict[str, Any]]) -> None:
    """Has receivers told of the studies of `study.updated`."""
    service.studies_updated(work, events)


@task("availability.removed_or_restored", together=True)
def removed_or_restored(work: Work, events: list[dict[str, Any]]) -> None:
    """Has receivers told what became of studies of `study.removed` and `study.restored`."""
    service.removed_or_restored(work, events)


@task(service.CHANGE_JOB, retry=Retry(max_attempts=20, base_s=3, wait_s_max=3600), queue=FORWARDING)
def notify_change(work: Work, availability_notification_pk: int, removal_pk: int) -> None:
    """Tells one receiver what became of a study. Raises NotTold, to be tried again."""
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="availability_notification",
        object_id=availability_notification_pk,
    )
    service.notify_change(the_archive().offices, availability_notification_pk, removal_pk)


@task(service.JOB, retry=Retry(max_attempts=20, base_s=3, wait_s_max=3600), queue=FORWARDING)
def notify(work: Work, availability_notification_pk: int) -> None:
    """Tells one receiver of one study. Raises NotTold, to be tried again."""
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="availability_notification",
        object_id=availability_notification_pk,
    )
    service.notify(the_archive().offices, availability_notification_pk)
