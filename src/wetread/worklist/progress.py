"""How far the reading is of what the tracking board shows: states and times, never a word of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from wetread.reporting.model import Report, ReportProcedure, ReportVersion
from wetread.security.service import AuditEventID, Permission, Work


@dataclass(frozen=True, slots=True)
class ReadingProgress:
    """The report of a Requested Procedure; procedures without one are left out."""

    requested_procedure_pk: int
    reading_state: str
    signed_at: datetime | None


def reading_progress(work: Work, requested_procedure_pks: Sequence[int]) -> list[ReadingProgress]:
    """The report's state of each procedure that has one."""
    work.require(Permission.SCHEDULE_READ)
    # Of each report by itself: grouped and joined, PostgreSQL would go through every signature of the house.
    signed_at = (
        select(func.max(ReportVersion.signed_at))
        .where(ReportVersion.report_pk == Report.report_pk)
        .scalar_subquery()
    )
    query = (
        select(ReportProcedure.requested_procedure_pk, Report.state, signed_at)
        .join(Report, Report.report_pk == ReportProcedure.report_pk)
        .where(ReportProcedure.requested_procedure_pk.in_(requested_procedure_pks))
    )
    if work.actor.site_pks is not None:
        query = query.where(Report.site_pk.in_(work.actor.site_pks))
    rows = work.session.execute(query).all()
    work.audit(AuditEventID.QUERY, "E", object_type="reading progress")
    return [
        ReadingProgress(pk, "final" if state == "addended" else state, signed_at)
        for pk, state, signed_at in rows
    ]
