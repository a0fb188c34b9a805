"""Background work of Workitems."""

from __future__ import annotations

from wetread.archive.service import the_archive
from wetread.jobs.service import FORWARDING, Retry, task
from wetread.security.service import AuditEventID, Work
from wetread.workitems import service


@task(service.REPORT_JOB, retry=Retry(max_attempts=16, base_s=3, wait_s_max=900), queue=FORWARDING)
def report_events(work: Work, receiving_ae_title: str) -> None:
    """Tells a subscriber what it has still to hear. Raises ReportFailed, to be tried again."""
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY, "E", object_type="workitem_event", object_id=receiving_ae_title
    )
    service.deliver(the_archive().offices, receiving_ae_title)


@task("workitems.remove_finished", cron="23 4 * * *")
def remove_finished(work: Work) -> None:
    """Once a night: removes what ended long ago."""
    service.remove_finished(work)
