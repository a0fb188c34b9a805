"""Background work of routing."""

from __future__ import annotations

from typing import Any

from wetread.archive.service import the_archive
from wetread.jobs.service import FORWARDING, Retry, task
from wetread.routing import service
from wetread.security.service import AuditEventID, Work


@task("routing.studies_updated", together=True)
def studies_updated(work: Work, events: list[dict[str, Any]]) -> None:
    """Has studies of `study.updated` sent wherever a rule says."""
    service.studies_updated(work, events)


@task(service.JOB, queue=FORWARDING)
def forward(work: Work, forwarding_pk: int) -> None:
    """Sends a study, or a part of it."""
    service.forward(the_archive().offices, forwarding_pk)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="forwarding", object_id=forwarding_pk)


@task(service.TELL, retry=Retry(max_attempts=12, base_s=3, wait_s_max=3600), queue=FORWARDING)
def tell(work: Work, forwarding_pk: int) -> None:
    """Tells another system that a study has arrived. What fails for good stands among the failed jobs."""
    service.tell(work, forwarding_pk)
