"""SQL of the sharing room: orders with what came of them, for those who sent the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wetread.archive.model import Study
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.model import Patient, PatientIdentifier
from wetread.patients.service import search_clause
from wetread.reporting.model import Report, ReportProcedure, ReportVersion
from wetread.scheduling.model import Appointment, StudyLink
from wetread.security.model import Site
from wetread.sharing.model import ResultSeen

LINKED = StudyLink.state.in_(("matched", "resolved"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the list to show; empty means all. `states` are of rules.RESULT_STATES."""

    states: Sequence[str] = ()
    unseen: bool = False
    text: str = ""


def own_studies(practitioner_pk: int, site_pks: frozenset[int] | None) -> Select[int]:
    """Keys of the studies that hang on an order of this referring practitioner."""
    query = (
        select(StudyLink.study_pk)
        .join(
            RequestedProcedure, RequestedProcedure.requested_procedure_pk == StudyLink.requested_procedure_pk
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .where(LINKED, ImagingServiceRequest.referring_practitioner_pk == practitioner_pk)
    )
    return query if site_pks is None else query.where(ImagingServiceRequest.site_pk.in_(site_pks))


class Results:
    """The list of one referring practitioner, as one user has read it."""

    def __init__(
        self, practitioner_pk: int, user_pk: int, site_pks: frozenset[int] | None, kinds: Sequence[str]
    ) -> None:
        # Laterals: only the rows of this page's orders are looked up, however large the house is.
        latest = (
            select(
                ReportVersion.version_number,
                ReportVersion.kind,
                ReportVersion.signed_at,
                ReportVersion.signed_by_name,
                # Of an addendum its own text: that is what is new.
                func.coalesce(
                    ReportVersion.sections["impression"].astext, ReportVersion.sections["addendum"].astext
                ).label("impression"),
            )
            .where(ReportVersion.report_pk == Report.report_pk, ReportVersion.kind.in_(kinds))
            .order_by(ReportVersion.version_number.desc())
            .limit(1)
            .lateral("latest")
        )
        images = (
            select(
                func.min(Study.created_at).label("first_image_at"),
                func.array_agg(Study.study_pk).label("study_pks"),
                func.sum(Study.number_of_study_related_instances).label("instances"),
            )
            .join(StudyLink, and_(StudyLink.study_pk == Study.study_pk, LINKED))
            .where(StudyLink.requested_procedure_pk == RequestedProcedure.requested_procedure_pk)
            .lateral("images")
        )
        booked = (
            select(func.max(Appointment.starts_at).label("starts_at"))
            .where(
                Appointment.requested_procedure_pk == RequestedProcedure.requested_procedure_pk,
                Appointment.state.not_in(("cancelled", "noshow")),
            )
            .lateral("booked")
        )
        self.state: ColumnElement[str] = case(
            (and_(latest.c.kind == "preliminary", Report.state == "preliminary"), literal("preliminary")),
            (and_(latest.c.kind.is_not(None), Report.state.in_(("final", "addended"))), Report.state),
            (RequestedProcedure.state == "CANCELED", literal("canceled")),
            (RequestedProcedure.state == "DISCONTINUED", literal("discontinued")),
            (images.c.first_image_at.is_not(None), literal("acquired")),
            (RequestedProcedure.state == "COMPLETED", literal("acquired")),
            else_=func.lower(RequestedProcedure.state),
        )
        self.unseen: ColumnElement[bool] = func.coalesce(latest.c.version_number, 0) > func.coalesce(
            ResultSeen.version_number, 0
        )
        # New ones first, STAT before the others among them; then by the last thing that happened.
        self.rank: ColumnElement[int] = case(
            (and_(self.unseen, RequestedProcedure.requested_procedure_priority == "STAT"), 0),
            (self.unseen, 1),
            else_=2,
        )
        self.latest_at: ColumnElement[datetime] = func.greatest(
            ImagingServiceRequest.ordered_at, latest.c.signed_at, images.c.first_image_at
        )
        query = (
            select(
                RequestedProcedure,
                ImagingServiceRequest,
                Procedure,
                Site.code.label("site_code"),
                Site.time_zone,
                Report.report_pk,
                ResultSeen,
                *latest.c,
                *images.c,
                booked.c.starts_at,
                self.state.label("result_state"),
                self.unseen.label("unseen"),
                self.rank.label("rank"),
                self.latest_at.label("latest_at"),
            )
            .select_from(RequestedProcedure)
            .join(
                ImagingServiceRequest,
                ImagingServiceRequest.imaging_service_request_pk
                == RequestedProcedure.imaging_service_request_pk,
            )
            .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
            .join(Site, Site.site_pk == ImagingServiceRequest.site_pk)
            .join(Patient, Patient.patient_pk == ImagingServiceRequest.patient_pk)
            .outerjoin(
                ReportProcedure,
                ReportProcedure.requested_procedure_pk == RequestedProcedure.requested_procedure_pk,
            )
            .outerjoin(Report, Report.report_pk == ReportProcedure.report_pk)
            .outerjoin(latest, true())
            .outerjoin(images, true())
            .outerjoin(booked, true())
            .outerjoin(
                ResultSeen, and_(ResultSeen.report_pk == Report.report_pk, ResultSeen.user_pk == user_pk)
            )
            .where(ImagingServiceRequest.referring_practitioner_pk == practitioner_pk)
        )
        if site_pks is not None:
            query = query.where(ImagingServiceRequest.site_pk.in_(site_pks))
        self._query: Select[Any] = query

    def _filtered(self, wanted: Wanted) -> Select[Any]:
        query = self._query
        if wanted.states:
            query = query.where(self.state.in_(wanted.states))
        if wanted.unseen:
            query = query.where(self.unseen)
        if text := wanted.text.strip():
            query = query.where(
                or_(
                    search_clause(Patient.search_words, text) if any(map(str.isalnum, text)) else false(),
                    Patient.patient_pk.in_(
                        select(PatientIdentifier.patient_pk).where(PatientIdentifier.patient_id == text)
                    ),
                    ImagingServiceRequest.accession_number.istartswith(text, autoescape=True),
                    RequestedProcedure.requested_procedure_description.icontains(text, autoescape=True),
                )
            )
        return query

    def page(
        self, session: Session, wanted: Wanted, limit: int, after: tuple[int, datetime, int] | None
    ) -> Sequence[Any]:
        """At most `limit` rows behind the given key."""
        key = RequestedProcedure.requested_procedure_pk
        query = self._filtered(wanted).order_by(self.rank, self.latest_at.desc(), key.desc()).limit(limit)
        if after is not None:
            rank, latest_at, last = after
            query = query.where(
                or_(
                    self.rank > rank,
                    and_(self.rank == rank, self.latest_at < latest_at),
                    and_(self.rank == rank, self.latest_at == latest_at, key < last),
                )
            )
        return session.execute(query).all()

    def counts(self, session: Session, wanted: Wanted) -> tuple[int, int]:
        """How many there are in all, and how many of them are new to this user."""
        rows = self._filtered(wanted).subquery()
        total, unseen = session.execute(select(func.count(), func.count().filter(rows.c.unseen))).one()
        return total, unseen

    def one(self, session: Session, requested_procedure_pk: int) -> Any | None:
        """The row of one Requested Procedure, where it is this practitioner's."""
        return session.execute(
            self._query.where(RequestedProcedure.requested_procedure_pk == requested_procedure_pk)
        ).first()

    def of_patient(self, session: Session, patient_pk: int) -> Sequence[Any]:
        """All rows of one patient."""
        return session.execute(
            self._query.where(ImagingServiceRequest.patient_pk == patient_pk).order_by(
                self.latest_at.desc(), RequestedProcedure.requested_procedure_pk.desc()
            )
        ).all()


def studies(session: Session, study_pks: Sequence[int]) -> list[Study]:
    """Studies by key, newest first."""
    return list(
        session.scalars(
            select(Study)
            .where(Study.study_pk.in_(study_pks))
            .order_by(Study.study_date.desc().nulls_last(), Study.study_pk.desc())
        )
    )


def note_seen(
    session: Session,
    user_pk: int,
    report_pk: int,
    version_number: int,
    now: datetime,
    *,
    acknowledged: bool,
) -> None:
    """Moves the mark forward; it never goes back."""
    values: dict[str, Any] = {
        "user_pk": user_pk,
        "report_pk": report_pk,
        "version_number": version_number,
        "seen_at": now,
    }
    if acknowledged:
        values |= {"acknowledged_version_number": version_number, "acknowledged_at": now}
    statement = insert(ResultSeen).values(**values)
    changed: dict[str, Any] = {
        "version_number": func.greatest(ResultSeen.version_number, statement.excluded.version_number),
        "seen_at": statement.excluded.seen_at,
    }
    if acknowledged:
        changed |= {
            "acknowledged_version_number": statement.excluded.acknowledged_version_number,
            "acknowledged_at": statement.excluded.acknowledged_at,
        }
    session.execute(statement.on_conflict_do_update(index_elements=["user_pk", "report_pk"], set_=changed))
