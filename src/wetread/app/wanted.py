"""Which studies somebody needs soon, over all rooms: they stay in a fast store, or are brought back to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select
from sqlalchemy.orm import Session

from wetread.archive.model import Study
from wetread.jobs.service import PREPARATION, defer, task
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.reporting.model import Report, ReportProcedure
from wetread.scheduling.model import Appointment, StudyLink
from wetread.security.service import AuditEventID, Work

_PRIORS_MAX = 30
_KEPT_AFTER = timedelta(days=7)
_OVER = ("cancelled", "noshow")


def needed(_session: Session, now: datetime) -> ColumnElement[bool]:
    """The condition on Study: not read yet, waiting for whose it is, or its patient has an open order or an appointment to
    come."""
    reported = exists().where(
        ReportProcedure.requested_procedure_pk == StudyLink.requested_procedure_pk,
        Report.report_pk == ReportProcedure.report_pk,
        Report.state.in_(("final", "addended")),
    )
    unread = exists().where(
        StudyLink.study_pk == Study.study_pk,
        or_(
            StudyLink.state == "unmatched",
            and_(StudyLink.requested_procedure_pk.is_not(None), not_(reported)),
        ),
    )
    of_patient = and_(
        ImagingServiceRequest.patient_pk == Study.patient_pk,
        RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
    )
    ordered = exists().where(
        of_patient, RequestedProcedure.state.in_(("REQUESTED", "SCHEDULED", "IN PROGRESS"))
    )
    booked = exists().where(
        of_patient,
        Appointment.requested_procedure_pk == RequestedProcedure.requested_procedure_pk,
        Appointment.starts_at > now - timedelta(days=1),
        Appointment.state.not_in(_OVER),
    )
    return or_(unread, ordered, booked)


@task("wanted.appointment_changed")
def appointment_changed(work: Work, event: dict[str, Any]) -> None:
    """On `appointment.changed`: the patient's earlier studies are brought back for it."""
    work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="appointment")
    appointment = work.session.get(Appointment, int(event["keys"]["appointment_pk"]))
    if appointment is not None and appointment.state not in _OVER:
        _recall(work, appointment.requested_procedure_pk, appointment.starts_at)


@task("wanted.order_changed")
def order_changed(work: Work, event: dict[str, Any]) -> None:
    """On `order.changed`: the same for what is done without an appointment."""
    work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="requested_procedure")
    if event["keys"]["state"] in ("REQUESTED", "SCHEDULED", "IN PROGRESS"):
        _recall(work, int(event["keys"]["requested_procedure_pk"]), work.now())


def _recall(work: Work, requested_procedure_pk: int, at: datetime) -> None:
    patient_pk = work.session.scalar(
        select(ImagingServiceRequest.patient_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        )
        .where(RequestedProcedure.requested_procedure_pk == requested_procedure_pk)
    )
    if patient_pk is None:
        return
    studies = list(
        work.session.scalars(
            select(Study.study_pk)
            .where(Study.patient_pk == patient_pk)
            .order_by(Study.study_date.desc().nulls_last(), Study.study_pk.desc())
            .limit(_PRIORS_MAX)
        )
    )
    if studies:
        defer(
            work,
            "archive.recall_studies",
            queueing_lock=f"archive.recall_studies:{patient_pk}",
            queue=PREPARATION,
            study_pks=studies,
            until=(max(at, work.now()) + _KEPT_AFTER).isoformat(),
        )
