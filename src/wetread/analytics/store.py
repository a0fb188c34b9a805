"""SQL of the analytics room. Days and hours are those of each site's own clock; PostgreSQL does the arithmetic.

Everything rests on two relations: `bounds`, when the day begins and ends at each site, and `moments`, one row a
Requested Procedure with when it was ordered, booked, imaged, first signed and final. What a figure counts and what it
opens is the same condition on them, so that the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CTE,
    TIMESTAMP,
    ColumnElement,
    Date,
    Integer,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import Session

from wetread.analytics import rules
from wetread.archive.model import Quarantine, Study
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.model import Patient, PatientIdentifier
from wetread.reporting.model import Report, ReportProcedure, ReportVersion
from wetread.scheduling.model import Appointment, StudyLink
from wetread.security.model import Site
from wetread.worklist.rules import SERVICE_LEVEL

LINKED = StudyLink.state.in_(("matched", "resolved"))
RP, ISR = RequestedProcedure, ImagingServiceRequest


@dataclass(frozen=True, slots=True)
class Scope:
    """Which day, at which sites. From `begins_at` to `ends_at` it is that day at one of them at least: known before a
    query is planned, so that the indexes on moments serve it."""

    day: date
    site_pks: tuple[int, ...]
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a figure: only this modality, site, priority or hour of the day; None: all."""

    modality: str | None = None
    site_code: str | None = None
    priority: str | None = None
    hour: int | None = None


def sites(session: Session, site_pks: frozenset[int] | None) -> list[Site]:
    """The sites that may be seen, by code."""
    query = select(Site).order_by(Site.code)
    return list(session.scalars(query if site_pks is None else query.where(Site.site_pk.in_(site_pks))))


def scope_of(session: Session, day: date, site_pks: tuple[int, ...]) -> Scope:
    """The day at these sites with the instants between which it lies."""
    bounds = _bounds(day, site_pks)
    begins_at, ends_at = session.execute(
        select(func.min(bounds.c.begins_at), func.max(bounds.c.ends_at))
    ).one()
    never = datetime.min.replace(tzinfo=UTC)
    return Scope(day, site_pks, begins_at or never, ends_at or never)


def _bounds(of_day: date, site_pks: tuple[int, ...]) -> CTE:
    day = literal(of_day, Date)
    return (
        select(
            Site.site_pk,
            Site.code.label("site_code"),
            Site.time_zone,
            func.timezone(Site.time_zone, cast(day, TIMESTAMP)).label("begins_at"),
            func.timezone(Site.time_zone, cast(day + literal(1, Integer), TIMESTAMP)).label("ends_at"),
        )
        .where(Site.site_pk.in_(site_pks))
        .cte("bounds")
    )


def _within(moment: Any, bounds: Any) -> ColumnElement[bool]:
    return and_(moment >= bounds.c.begins_at, moment < bounds.c.ends_at)


def _in_span(scope: Scope, moment: Any) -> ColumnElement[bool]:
    return and_(moment >= scope.begins_at, moment < scope.ends_at)


def _touched(scope: Scope, bounds: CTE) -> CTE:
    """Requested Procedures to which something happened on the day; each part by an index on its moment."""

    def happened(moment: Any) -> ColumnElement[bool]:
        return and_(_in_span(scope, moment), _within(moment, bounds))

    of_site = ISR.site_pk == bounds.c.site_pk
    requested = select(RP.requested_procedure_pk).join(
        ISR, ISR.imaging_service_request_pk == RP.imaging_service_request_pk
    )
    return _chosen(
        union(
            requested.join(bounds, of_site).where(happened(ISR.ordered_at)),
            requested.join(bounds, of_site).where(happened(RP.state_changed_at)),
            requested.join(Appointment, Appointment.requested_procedure_pk == RP.requested_procedure_pk)
            .join(bounds, of_site)
            .where(happened(Appointment.booked_at)),
            requested.join(
                StudyLink, and_(StudyLink.requested_procedure_pk == RP.requested_procedure_pk, LINKED)
            )
            .join(Study, Study.study_pk == StudyLink.study_pk)
            .join(bounds, of_site)
            .where(happened(Study.created_at)),
            requested.join(
                ReportProcedure, ReportProcedure.requested_procedure_pk == RP.requested_procedure_pk
            )
            .join(ReportVersion, ReportVersion.report_pk == ReportProcedure.report_pk)
            .join(bounds, of_site)
            .where(happened(ReportVersion.signed_at)),
        )
    )


def _chosen(query: Any) -> CTE:
    """Keys of Requested Procedures, found before anything is looked up for each of them."""
    found: CTE = query.cte("chosen").prefix_with("MATERIALIZED", dialect="postgresql")
    return found


def _moments(bounds: CTE, chosen: CTE) -> CTE:
    """One row for each of the chosen Requested Procedures, with its moments."""
    booked = (
        select(func.min(Appointment.booked_at).label("scheduled_at"))
        .where(Appointment.requested_procedure_pk == RP.requested_procedure_pk)
        .lateral("booked")
    )
    images = (
        select(func.min(Study.created_at).label("acquired_at"))
        .join(StudyLink, and_(StudyLink.study_pk == Study.study_pk, LINKED))
        .where(StudyLink.requested_procedure_pk == RP.requested_procedure_pk)
        .lateral("images")
    )
    signed = (
        select(
            func.min(ReportVersion.signed_at).label("first_report_at"),
            func.min(ReportVersion.signed_at).filter(ReportVersion.kind == "final").label("final_at"),
        )
        .join(ReportProcedure, ReportProcedure.report_pk == ReportVersion.report_pk)
        .where(ReportProcedure.requested_procedure_pk == RP.requested_procedure_pk)
        .lateral("signed")
    )
    columns: list[Any] = [
        RP.requested_procedure_pk,
        ISR.imaging_service_request_pk,
        RP.state.label("procedure_state"),
        RP.state_reason,
        RP.state_changed_at,
        RP.requested_procedure_priority.label("priority"),
        RP.requested_procedure_description.label("description"),
        Procedure.modality,
        ISR.accession_number,
        ISR.patient_pk,
        ISR.ordered_at,
        booked.c.scheduled_at,
        images.c.acquired_at,
        signed.c.first_report_at,
        signed.c.final_at,
        bounds.c.site_code,
        bounds.c.time_zone,
        bounds.c.begins_at,
        bounds.c.ends_at,
    ]
    return (
        select(*columns)
        .select_from(chosen)
        .join(RP, RP.requested_procedure_pk == chosen.c.requested_procedure_pk)
        .join(ISR, ISR.imaging_service_request_pk == RP.imaging_service_request_pk)
        .join(Procedure, Procedure.procedure_pk == RP.procedure_pk)
        .join(bounds, bounds.c.site_pk == ISR.site_pk)
        .outerjoin(booked, true())
        .outerjoin(images, true())
        .outerjoin(signed, true())
        .cte("moments")
    )


def _day(scope: Scope) -> CTE:
    bounds = _bounds(scope.day, scope.site_pks)
    return _moments(bounds, _touched(scope, bounds))


def _waiting(scope: Scope) -> CTE:
    """Requested Procedures with images and nothing final: what there is to read, whatever day it came."""
    final = (
        select(ReportProcedure.requested_procedure_pk)
        .join(Report, Report.report_pk == ReportProcedure.report_pk)
        .where(
            ReportProcedure.requested_procedure_pk == RP.requested_procedure_pk,
            Report.state.in_(("final", "addended")),
        )
    )
    linked = select(StudyLink.study_link_pk).where(
        StudyLink.requested_procedure_pk == RP.requested_procedure_pk, LINKED
    )
    chosen = select(RP.requested_procedure_pk).where(RP.state != "CANCELED", linked.exists(), ~final.exists())
    return _moments(_bounds(scope.day, scope.site_pks), _chosen(chosen))


def _open(scope: Scope) -> CTE:
    chosen = select(RP.requested_procedure_pk).where(RP.state.in_(tuple(rules.OPEN.values())))
    return _moments(_bounds(scope.day, scope.site_pks), _chosen(chosen))


def _allowed(moments: CTE) -> ColumnElement[Any]:
    """The service level of a row's priority, as an interval."""
    return case(
        {name: literal(span) for name, span in SERVICE_LEVEL.items()},
        value=moments.c.priority,
        else_=literal(SERVICE_LEVEL["ROUTINE"]),
    )


def _span(moments: CTE, segment: rules.Segment) -> Any:
    """Seconds from a segment's beginning to its end."""
    return func.extract("epoch", moments.c[segment.ends] - moments.c[segment.begins])


def _condition(moments: CTE, figure: str, now: datetime) -> ColumnElement[bool]:
    """Which rows of `moments` a figure counts."""
    c = moments.c
    if figure in rules.VOLUMES:
        return _within(c[rules.VOLUMES[figure]], moments)
    if figure in rules.ENDED:
        return and_(c.procedure_state == rules.ENDED[figure], _within(c.state_changed_at, moments))
    if figure in rules.OPEN:
        return c.procedure_state == rules.OPEN[figure]
    if figure in rules.SEGMENT:
        segment = rules.SEGMENT[figure]
        return and_(_within(c[segment.ends], moments), c[segment.begins].is_not(None))
    if figure == "waiting":
        return c.first_report_at.is_(None)
    if figure == "waiting_overdue":
        return c.acquired_at + _allowed(moments) < now
    if figure == "waiting_preliminary":
        return c.first_report_at.is_not(None)
    measured = and_(_within(c.final_at, moments), c.acquired_at.is_not(None))
    if figure == "service_level_met":
        return and_(measured, c.final_at - c.acquired_at <= _allowed(moments))
    if figure == "service_level_missed":
        return and_(measured, c.final_at - c.acquired_at > _allowed(moments))
    raise ValueError(f"no figure of procedures: {figure}")


def _moment(moments: CTE, figure: str) -> Any:
    """When a figure's case happened: what its hour and its order are taken from."""
    c = moments.c
    if figure in rules.VOLUMES:
        found = c[rules.VOLUMES[figure]]
    elif figure in rules.SEGMENT:
        found = c[rules.SEGMENT[figure].ends]
    elif figure in rules.ENDED or figure in rules.OPEN:
        found = c.state_changed_at
    elif figure in rules.SERVICE_LEVEL:
        found = c.final_at
    else:
        found = c.acquired_at
    return found


# The page --------------------------------------------------------------------------------------------------------


def day_row(session: Session, scope: Scope, now: datetime) -> dict[Any, Any]:
    """All counts and percentiles of the day in one row: `<figure>`, and for segments `<name>__<group>__<measure>`."""
    moments = _day(scope)
    columns: list[Any] = [
        func.count().filter(_condition(moments, figure, now)).label(figure)
        for figure in (*rules.VOLUMES, *rules.ENDED)
    ]
    for segment in rules.SEGMENTS:
        span = _span(moments, segment)
        for group, narrower in (("all", true()), ("stat", moments.c.priority == "STAT")):
            reached = and_(_condition(moments, segment.name, now), narrower)
            # An end before its beginning (images before the order was typed) measures nothing.
            measured = and_(reached, span >= 0)
            columns += [
                func.count().filter(measured).label(f"{segment.name}__{group}__count"),
                func.count().filter(and_(reached, span < 0)).label(f"{segment.name}__{group}__left_out"),
                func.percentile_cont(0.5)
                .within_group(span)
                .filter(measured)
                .label(f"{segment.name}__{group}__median_s"),
                func.percentile_cont(0.9)
                .within_group(span)
                .filter(measured)
                .label(f"{segment.name}__{group}__p90_s"),
            ]
    return dict(session.execute(select(*columns).select_from(moments)).mappings().one())


def groups(session: Session, scope: Scope, now: datetime) -> list[dict[Any, Any]]:
    """(modality, site_code, priority, ordered, acquired, final): two of the first three are null in each row."""
    moments = _day(scope)
    c = moments.c
    counted = [
        func.count().filter(_condition(moments, figure, now)).label(figure)
        for figure in ("ordered", "acquired", "final")
    ]
    some = or_(*(_condition(moments, figure, now) for figure in ("ordered", "acquired", "final")))
    found = session.execute(
        select(c.modality, c.site_code, c.priority, *counted)
        .where(some)
        .group_by(func.grouping_sets(c.modality, c.site_code, c.priority))
        .order_by(c.modality, c.site_code, c.priority)
    )
    return [dict(row) for row in found.mappings()]


def hours(session: Session, scope: Scope, now: datetime) -> Sequence[Any]:
    """(figure, hour, count) of what was ordered, acquired and made final, by the site's clock."""
    moments = _day(scope)
    parts = []
    for figure in ("ordered", "acquired", "final"):
        hour = _hour(moments, figure)
        parts.append(
            select(literal(figure).label("figure"), hour.label("hour"), func.count().label("count"))
            .where(_condition(moments, figure, now))
            .group_by(hour)
        )
    return session.execute(union_all(*parts)).all()


def _hour(moments: CTE, figure: str) -> ColumnElement[int]:
    local = func.timezone(moments.c.time_zone, _moment(moments, figure))
    return cast(func.extract("hour", local), Integer)


def service_levels(session: Session, scope: Scope, now: datetime) -> Sequence[Any]:
    """(priority, met, missed) of the reports that became final on the day."""
    moments = _day(scope)
    counted = [
        func.count().filter(_condition(moments, figure, now)).label(figure) for figure in rules.SERVICE_LEVEL
    ]
    return session.execute(
        select(moments.c.priority, *counted)
        .where(or_(*(_condition(moments, figure, now) for figure in rules.SERVICE_LEVEL)))
        .group_by(moments.c.priority)
    ).all()


def appointments_row(session: Session, scope: Scope) -> Any:
    """How many appointments would have begun on the day, by what became of them."""
    bounds = _bounds(scope.day, scope.site_pks)
    return session.execute(
        select(
            *(
                func.count().filter(Appointment.state.in_(states)).label(figure)
                for figure, states in rules.APPOINTMENTS.items()
            )
        )
        .select_from(Appointment)
        .join(RP, RP.requested_procedure_pk == Appointment.requested_procedure_pk)
        .join(ISR, ISR.imaging_service_request_pk == RP.imaging_service_request_pk)
        .join(bounds, bounds.c.site_pk == ISR.site_pk)
        .where(_in_span(scope, Appointment.starts_at), _within(Appointment.starts_at, bounds))
    ).one()


def waiting_row(session: Session, scope: Scope, now: datetime) -> Any:
    """What there is to read now: counts, and since when the oldest waits."""
    moments = _waiting(scope)
    waiting = _condition(moments, "waiting", now)
    return session.execute(
        select(
            *(
                func.count().filter(_condition(moments, figure, now)).label(figure)
                for figure in rules.READING
            ),
            func.count().filter(waiting, moments.c.priority == "STAT").label("stat"),
            func.min(moments.c.acquired_at).filter(waiting).label("oldest_at"),
            func.min(moments.c.acquired_at)
            .filter(waiting, moments.c.priority == "STAT")
            .label("oldest_stat_at"),
        ).select_from(moments)
    ).one()


def open_row(session: Session, scope: Scope) -> Any:
    """Requested Procedures by open state, now."""
    return session.execute(
        select(
            *(func.count().filter(RP.state == state).label(figure) for figure, state in rules.OPEN.items())
        )
        .select_from(RP)
        .join(ISR, ISR.imaging_service_request_pk == RP.imaging_service_request_pk)
        .where(ISR.site_pk.in_(scope.site_pks), RP.state.in_(tuple(rules.OPEN.values())))
    ).one()


def unfiled_row(session: Session) -> Any:
    """Studies that hang on no order and objects in quarantine, of the whole house: no site is known of them."""
    unmatched = (
        select(func.count().label("unmatched"), func.min(Study.created_at).label("unmatched_oldest_at"))
        .join(StudyLink, StudyLink.study_pk == Study.study_pk)
        .where(StudyLink.state == "unmatched")
        .subquery()
    )
    held = (
        select(func.count().label("quarantined"), func.min(Quarantine.received_at).label("oldest_at"))
        .where(Quarantine.resolution.is_(None))
        .subquery()
    )
    return session.execute(
        select(
            unmatched.c.unmatched,
            unmatched.c.unmatched_oldest_at,
            held.c.quarantined,
            held.c.oldest_at.label("quarantined_oldest_at"),
        ).join_from(unmatched, held, true())
    ).one()


# The cases behind a figure ---------------------------------------------------------------------------------------


def cases(
    session: Session,
    scope: Scope,
    figure: str,
    group: Group,
    now: datetime,
    *,
    limit: int,
    after: tuple[Decimal, int] | None,
) -> Sequence[Any]:
    """Rows behind a figure, at most `limit`: the longest first where it measures, else the latest first."""
    if figure == "unmatched":
        query = _unmatched_cases()
    elif figure == "quarantined":
        query = _quarantined_cases()
    elif figure in rules.APPOINTMENTS:
        query = _appointment_cases(scope, figure)
    else:
        query = _procedure_cases(scope, figure, group, now)
    found = query.subquery()
    ordered = select(found)
    if figure not in ("unmatched", "quarantined"):
        for column, value in (
            (found.c.modality, group.modality),
            (found.c.site_code, group.site_code),
            (found.c.priority, group.priority),
        ):
            if value is not None:
                ordered = ordered.where(column == value)
    if after is not None:
        key, last = after
        ordered = ordered.where(
            or_(found.c.sort_key < key, and_(found.c.sort_key == key, found.c.case_pk < last))
        )
    return session.execute(
        ordered.order_by(found.c.sort_key.desc(), found.c.case_pk.desc()).limit(limit)
    ).all()


def _procedure_cases(scope: Scope, figure: str, group: Group, now: datetime) -> Select[Any]:
    moments = (
        _waiting(scope) if figure in rules.READING else _open(scope) if figure in rules.OPEN else _day(scope)
    )
    moment = _moment(moments, figure)
    segment = rules.SEGMENT.get(figure)
    if segment is None and figure in rules.SERVICE_LEVEL:
        segment = rules.SEGMENT["acquired_to_final"]
    span: Any = null() if segment is None else _span(moments, segment)
    c = moments.c
    query = (
        select(
            c.requested_procedure_pk.label("case_pk"),
            *(c[name] for name in _PROCEDURE_COLUMNS),
            c.procedure_state.label("state"),
            c.state_reason.label("note"),
            moment.label("moment"),
            span.label("span_s"),
            (func.extract("epoch", moment) if segment is None else span).label("sort_key"),
            *_PATIENT_COLUMNS,
        )
        .select_from(moments)
        .where(_condition(moments, figure, now))
    )
    if group.hour is not None:
        query = query.where(_hour(moments, figure) == group.hour)
    return _with_patient(query, c.patient_pk)


_PROCEDURE_COLUMNS = (
    "requested_procedure_pk", "imaging_service_request_pk", "accession_number", "description", "modality", "priority", "site_code", "ordered_at",
    "scheduled_at", "acquired_at", "first_report_at", "final_at",
)  # fmt: skip
_PATIENT_COLUMNS = (
    Patient.patient_name,
    PatientIdentifier.patient_id,
    PatientIdentifier.issuer_of_patient_id,
)


def _with_patient(query: Select[Any], patient_pk: ColumnElement[Any]) -> Select[Any]:
    return query.join(Patient, Patient.patient_pk == patient_pk).outerjoin(
        PatientIdentifier, and_(PatientIdentifier.patient_pk == patient_pk, PatientIdentifier.is_primary)
    )


def _appointment_cases(scope: Scope, figure: str) -> Select[Any]:
    bounds = _bounds(scope.day, scope.site_pks)
    chosen = (
        select(Appointment.requested_procedure_pk)
        .join(RP, RP.requested_procedure_pk == Appointment.requested_procedure_pk)
        .join(ISR, ISR.imaging_service_request_pk == RP.imaging_service_request_pk)
        .join(bounds, bounds.c.site_pk == ISR.site_pk)
        .where(
            _in_span(scope, Appointment.starts_at),
            _within(Appointment.starts_at, bounds),
            Appointment.state.in_(rules.APPOINTMENTS[figure]),
        )
        .distinct()
    )
    moments = _moments(bounds, _chosen(chosen))
    c = moments.c
    query = (
        select(
            Appointment.appointment_pk.label("case_pk"),
            *(c[name] for name in _PROCEDURE_COLUMNS),
            Appointment.state.label("state"),
            Appointment.cancel_reason.label("note"),
            Appointment.starts_at.label("moment"),
            null().label("span_s"),
            func.extract("epoch", Appointment.starts_at).label("sort_key"),
            *_PATIENT_COLUMNS,
        )
        .select_from(moments)
        .join(Appointment, Appointment.requested_procedure_pk == c.requested_procedure_pk)
        .where(_within(Appointment.starts_at, moments), Appointment.state.in_(rules.APPOINTMENTS[figure]))
    )
    return _with_patient(query, c.patient_pk)


def _unmatched_cases() -> Select[Any]:
    # Whose they are is not known, so no patient is named.
    return (
        select(
            Study.study_pk.label("case_pk"),
            null().label("requested_procedure_pk"),
            null().label("imaging_service_request_pk"),
            Study.accession_number,
            Study.study_description.label("description"),
            func.array_to_string(Study.modalities_in_study, " ").label("modality"),
            null().label("priority"),
            null().label("site_code"),
            *(null().label(name) for name in ("ordered_at", "scheduled_at")),
            Study.created_at.label("acquired_at"),
            *(null().label(name) for name in ("first_report_at", "final_at")),
            literal("unmatched").label("state"),
            null().label("note"),
            Study.created_at.label("moment"),
            null().label("span_s"),
            func.extract("epoch", Study.created_at).label("sort_key"),
            *(null().label(name) for name in ("patient_name", "patient_id", "issuer_of_patient_id")),
        )
        .join(StudyLink, StudyLink.study_pk == Study.study_pk)
        .where(StudyLink.state == "unmatched")
    )


def _quarantined_cases() -> Any:
    found: Any = select(
        Quarantine.quarantine_pk.label("case_pk"),
        null().label("requested_procedure_pk"),
        null().label("imaging_service_request_pk"),
        null().label("accession_number"),
        func.concat("Object from ", Quarantine.received_from).label("description"),
        *(null().label(name) for name in ("modality", "priority", "site_code", *rules.MOMENTS)),
        literal("quarantined").label("state"),
        Quarantine.reason.label("note"),
        Quarantine.received_at.label("moment"),
        null().label("span_s"),
        func.extract("epoch", Quarantine.received_at).label("sort_key"),
        *(null().label(name) for name in ("patient_name", "patient_id", "issuer_of_patient_id")),
    ).where(Quarantine.resolution.is_(None))
    return found
