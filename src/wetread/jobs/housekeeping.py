"""The house's own chores: sealing the audit chain, clearing relayed events."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from wetread.jobs.service import task
from wetread.kit import limits
from wetread.kit.events import OutboxEvent
from wetread.security.service import AuditEventID, Work, seal


@task("jobs.seal_audit", cron="*/5 * * * * *")
def seal_audit(work: Work) -> None:
    """Seals what waits, batch by batch."""
    while seal(work.session) == limits.AUDIT_SEAL_BATCH_MAX:
        pass


@task("jobs.clear_events", cron="17 3 * * *")
def clear_events(work: Work) -> None:
    """Relayed events are kept a week, for looking back."""
    work.session.execute(delete(OutboxEvent).where(OutboxEvent.relayed_at < work.now() - timedelta(days=7)))
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "D", object_type="outbox_event")
