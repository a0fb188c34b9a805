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
def tell(
    work: Work,
    forwarding_pk: int | None = None,
    routing_rule_pk: int | None = None,
    study_pk: int | None = None,
) -> None:
    """Tells another system that a study has arrived there, or is here. What fails for good stands among the failed jobs."""
    if forwarding_pk is not None:
        service.tell(work, forwarding_pk)
    elif routing_rule_pk is not None and study_pk is not None:
        service.tell_of_study(work, routing_rule_pk, study_pk)


@task(service.NOTIFY, queue=FORWARDING)
def notify(work: Work, routing_rule_pk: int, study_pk: int) -> None:
    """Tells people and systems of a study, as a rule says."""
    service.notify(work, routing_rule_pk, study_pk)
