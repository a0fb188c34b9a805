"""Use cases of the worklist room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, true, tuple_

from wetread.archive.model import Series, Study
from wetread.kit import limits
from wetread.kit.errors import FieldError, Invalid, NotFound
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.model import Patient, PatientIdentifier
from wetread.patients.service import PatientBar, name_words, patient_bars, search_clause
from wetread.reporting.model import Report, ReportProcedure
from wetread.reporting.service import seen_at_sites
from wetread.scheduling.model import StudyLink
from wetread.security.model import Practitioner, Site, User
from wetread.security.service import AuditEventID, Permission, Work
from wetread.worklist import rules
from wetread.worklist.claims import claim, release
from wetread.worklist.model import ReadingClaim
from wetread.worklist.reading_steps import (
    ReadingKeeper,
    keep_missed_readings,
    keep_readings_of,
    keep_what_ran_out,
)

__all__ = [
    "PriorStudy", "ReadingFilter", "ReadingItem", "ReadingKeeper", "UnmatchedStudy", "claim", "keep_missed_readings", "keep_readings_of",
    "keep_what_ran_out", "next_case", "priors", "reading_item", "reading_list", "release", "unmatched_studies",
]  # fmt: skip

_RANK = case(rules.PRIORITY_RANK, value=RequestedProcedure.requested_procedure_priority, else_=9)
# The procedure breaks ties: studies that came in one transaction have one time, and a group case shares its study.
_ORDER = (_RANK, Study.created_at, RequestedProcedure.requested_procedure_pk, Study.study_pk)
_WORDS_MAX = 6  # of what was typed into the search field
_LINKED = StudyLink.state.in_(("matched", "resolved"))


@dataclass(frozen=True, slots=True)
class ReadingFilter:
    """What of the list to show; empty means all. `states` are of rules.READING_STATES."""

    states: Sequence[str] = ("unread", "draft", "preliminary")
    modalities: Sequence[str] = ()
    site_pk: int | None = None
    body_part_examined: str | None = None
    priority: str | None = None
    mine: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class ReadingItem:
    """A case on the list. `first_image_at` starts its clock; `due_at` is by the service level of its priority."""

    requested_procedure_pk: int
    study_pk: int
    study_instance_uid: str
    patient: PatientBar
    accession_number: str
    requested_procedure_description: str
    modality: str
    body_part_examined: str | None
    laterality: str | None
    requested_procedure_priority: str
    reason_for_the_requested_procedure: str | None
    diagnosis_codes: list[str]
    referring_physician_name: str | None
    site_code: str
    ordered_at: datetime
    first_image_at: datetime
    due_at: datetime
    study_date: date | None
    number_of_study_related_instances: int
    number_of_study_related_series: int
    procedure_state: str
    reading_state: str
    report_pk: int | None
    claimed_by_user_pk: int | None
    claimed_by: str | None
    claimed_until: datetime | None
    other_procedure_pks: list[int]


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """An earlier study of the same patient, with how much it tells."""

    study_pk: int
    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    modalities_in_study: list[str]
    body_part_examined: str | None
    number_of_study_related_instances: int
    relevance: int
    report_pk: int | None


@dataclass(frozen=True, slots=True)
class UnmatchedStudy:
    """Images that hang on no order yet: shown apart, under what they themselves say."""

    study_pk: int
    study_instance_uid: str
    received_patient_name: str | None
    received_patient_id: str | None
    study_description: str | None
    modalities_in_study: list[str]
    first_image_at: datetime
    number_of_study_related_instances: int


def _cases(work: Work) -> Any:
    """One row a Requested Procedure and study of it, joined to all that the list shows."""
    return (
        select(
            RequestedProcedure,
            ImagingServiceRequest,
            Procedure,
            Study,
            Report,
            ReadingClaim,
            User.display_name,
            Site.code,
            func.coalesce(Practitioner.person_name, ImagingServiceRequest.referring_physician_name),
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .join(Patient, Patient.patient_pk == ImagingServiceRequest.patient_pk)
        .join(Site, Site.site_pk == ImagingServiceRequest.site_pk)
        .join(
            StudyLink,
            and_(StudyLink.requested_procedure_pk == RequestedProcedure.requested_procedure_pk, _LINKED),
        )
        .join(Study, Study.study_pk == StudyLink.study_pk)
        .outerjoin(
            ReportProcedure,
            ReportProcedure.requested_procedure_pk == RequestedProcedure.requested_procedure_pk,
        )
        .outerjoin(Report, Report.report_pk == ReportProcedure.report_pk)
        .outerjoin(
            ReadingClaim,
            and_(
                ReadingClaim.requested_procedure_pk == RequestedProcedure.requested_procedure_pk,
                ReadingClaim.released_at.is_(None),
                ReadingClaim.expires_at > work.now(),
            ),
        )
        .outerjoin(User, User.user_pk == ReadingClaim.user_pk)
        .outerjoin(
            Practitioner, Practitioner.practitioner_pk == ImagingServiceRequest.referring_practitioner_pk
        )
        .where(RequestedProcedure.state != "CANCELED")
    )


def reading_list(
    work: Work, wanted: ReadingFilter, *, cursor: str | None = None, limit: int = 100
) -> Page[ReadingItem]:
    """The list: STAT first, then urgent, then by the age of the images. Keyset pages."""
    work.require(Permission.READING_LIST)
    limit = min(limit, limits.PAGE_ITEMS_MAX)
    query = _filtered(work, _cases(work), wanted).order_by(*_ORDER)
    if cursor:
        query = query.where(tuple_(*_ORDER) > tuple_(*map(literal, _place(cursor))))
    rows = work.session.execute(query.limit(limit + 1)).all()
    items = _items(work, rows[:limit])
    total = None
    if cursor is None:
        counted = _filtered(work, _cases(work), wanted).with_only_columns(
            func.count(), maintain_column_froms=True
        )
        total = work.session.scalar(counted.order_by(None))
    more = None
    if len(rows) > limit:
        last_row = rows[limit - 1]
        more = encode_cursor(
            rules.PRIORITY_RANK.get(last_row[0].requested_procedure_priority, 9),
            last_row[3].created_at.isoformat(),
            last_row[0].requested_procedure_pk,
            last_row[3].study_pk,
        )
    work.audit(AuditEventID.QUERY, "E", object_type="reading list", detail={"shown": str(len(items))})
    return Page(items, more, total)


def _place(cursor: str) -> tuple[int, datetime, int, int]:
    """Where the page before ended, as in `_ORDER`. Raises Invalid."""
    rank, since, procedure_pk, study_pk = decode_cursor(cursor, 4)
    try:
        return int(str(rank)), datetime.fromisoformat(str(since)), int(str(procedure_pk)), int(str(study_pk))
    except ValueError:
        raise Invalid(
            "The page cursor is not one of ours.", fields=[FieldError("cursor", "not valid")]
        ) from None


def _filtered(work: Work, query: Any, wanted: ReadingFilter) -> Any:
    states = set(wanted.states)
    if unknown := sorted(states - set(rules.READING_STATES)):
        # Taken for no filter, a misspelt state would show everything.
        raise Invalid(
            "The list knows no such state.",
            fields=[
                FieldError("state", f"{one} is none of {', '.join(rules.READING_STATES)}") for one in unknown
            ],
        )
    conditions = []
    if "unread" in states:
        conditions.append(Report.report_pk.is_(None))
    named = [state for state in ("draft", "preliminary") if state in states]
    if named:
        conditions.append(Report.state.in_(named))
    if "final" in states:
        conditions.append(Report.state.in_(("final", "addended")))
    if conditions:
        query = query.where(or_(*conditions))
    if wanted.modalities:
        query = query.where(Procedure.modality.in_(wanted.modalities))
    if wanted.site_pk is not None:
        query = query.where(ImagingServiceRequest.site_pk == wanted.site_pk)
    if work.actor.site_pks is not None:
        query = query.where(ImagingServiceRequest.site_pk.in_(work.actor.site_pks))
    if wanted.body_part_examined:
        query = query.where(Procedure.body_part_examined == wanted.body_part_examined)
    if wanted.priority:
        query = query.where(RequestedProcedure.requested_procedure_priority == wanted.priority)
    if wanted.mine:
        query = query.where(ReadingClaim.user_pk == work.actor.user_pk)
    for word in wanted.text.split()[:_WORDS_MAX]:
        query = query.where(_found_by(word))
    return query


def _found_by(word: str) -> ColumnElement[bool]:
    """By the register's name and identifiers, which are those shown, not by what the scanner sent."""
    identifier = select(PatientIdentifier.patient_pk).where(
        PatientIdentifier.patient_pk == ImagingServiceRequest.patient_pk,
        PatientIdentifier.patient_id.istartswith(word, autoescape=True),
    )
    ways = [
        identifier.exists(),
        ImagingServiceRequest.accession_number.istartswith(word, autoescape=True),
        RequestedProcedure.requested_procedure_description.icontains(word, autoescape=True),
    ]
    if name_words(word).strip():
        ways.append(search_clause(Patient.search_words, word))
    return or_(*ways)


def _items(work: Work, rows: Sequence[Any]) -> list[ReadingItem]:
    bars = patient_bars(work, {row[1].patient_pk for row in rows})
    by_study: dict[int, list[int]] = {}
    for row in rows:
        by_study.setdefault(row[3].study_pk, []).append(row[0].requested_procedure_pk)
    return [_item(row, bars, by_study) for row in rows]


def _item(row: Any, bars: dict[int, PatientBar], by_study: dict[int, list[int]]) -> ReadingItem:
    requested, request, procedure, study, report, claim, claimed_by, site_code, referrer = row
    state = "unread" if report is None else "final" if report.state == "addended" else report.state
    return ReadingItem(
        requested.requested_procedure_pk,
        study.study_pk,
        study.study_instance_uid,
        bars[request.patient_pk],
        request.accession_number,
        requested.requested_procedure_description,
        procedure.modality,
        procedure.body_part_examined,
        requested.laterality,
        requested.requested_procedure_priority,
        requested.reason_for_the_requested_procedure,
        list(requested.diagnosis_codes),
        referrer,
        site_code,
        request.ordered_at,
        study.created_at,
        rules.due(requested.requested_procedure_priority, study.created_at),
        study.study_date,
        study.number_of_study_related_instances,
        study.number_of_study_related_series,
        requested.state,
        state,
        None if report is None else report.report_pk,
        None if claim is None else claim.user_pk,
        claimed_by,
        None if claim is None else claim.expires_at,
        [pk for pk in by_study[study.study_pk] if pk != requested.requested_procedure_pk],
    )


def reading_item(work: Work, study_pk: int) -> ReadingItem:
    """One case by its study. Raises NotFound."""
    work.require(Permission.READING_LIST, Permission.STUDY_READ)
    # Of a group case always the same one stands first.
    rows = work.session.execute(
        _cases(work).where(Study.study_pk == study_pk).order_by(RequestedProcedure.requested_procedure_pk)
    ).all()
    visible = [row for row in rows if work.actor.site_pks is None or row[1].site_pk in work.actor.site_pks]
    if not visible:
        raise NotFound("There is no such case.")
    items = _items(work, visible)
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=items[0].patient.patient_pk,
        study_instance_uid=items[0].study_instance_uid,
        object_type="reading item",
    )
    return items[0]


def unmatched_studies(work: Work, *, limit: int = 100) -> list[UnmatchedStudy]:
    """Studies that wait for a person to say whose they are."""
    work.require(Permission.READING_LIST, Permission.RECONCILE)
    rows = work.session.scalars(
        select(Study)
        .join(StudyLink, StudyLink.study_pk == Study.study_pk)
        .where(StudyLink.state == "unmatched")
        .order_by(Study.created_at.desc())
        .limit(min(limit, limits.PAGE_ITEMS_MAX))
    ).all()
    work.audit(AuditEventID.QUERY, "E", object_type="unmatched studies")
    return [
        UnmatchedStudy(
            study.study_pk,
            study.study_instance_uid,
            study.patient_name,
            study.patient_id,
            study.study_description,
            list(study.modalities_in_study),
            study.created_at,
            study.number_of_study_related_instances,
        )
        for study in rows
    ]


def priors(work: Work, study_pk: int) -> list[PriorStudy]:
    """Other studies of the same patient at the actor's sites, the most telling first, then the newest."""
    work.require(Permission.STUDY_READ)
    seen = seen_at_sites(work.actor.site_pks)
    seen = true() if seen is None else seen
    study = work.session.scalar(select(Study).where(Study.study_pk == study_pk, seen))
    if study is None:
        raise NotFound("There is no such study.")
    if study.patient_pk is None:
        work.audit(AuditEventID.QUERY, "E", object_type="priors", object_id=study_pk)
        return []
    # Of each study by itself: grouped and joined, PostgreSQL would go through the series of the whole house.
    part_of = (
        select(func.min(Series.body_part_examined)).where(Series.study_pk == Study.study_pk).scalar_subquery()
    )
    rows = work.session.execute(
        select(Study, part_of, ReportProcedure.report_pk)
        .outerjoin(StudyLink, and_(StudyLink.study_pk == Study.study_pk, _LINKED))
        .outerjoin(
            ReportProcedure, ReportProcedure.requested_procedure_pk == StudyLink.requested_procedure_pk
        )
        .where(Study.patient_pk == study.patient_pk, seen)
    ).all()
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "R",
        patient_pk=study.patient_pk,
        study_instance_uid=study.study_instance_uid,
        object_type="priors",
    )
    modality = _main_modality(study.modalities_in_study)
    body_part = next((part for other, part, _ in rows if other.study_pk == study_pk), None)
    found = {
        other.study_pk: PriorStudy(
            other.study_pk,
            other.study_instance_uid,
            other.study_date,
            other.study_description,
            list(other.modalities_in_study),
            part,
            other.number_of_study_related_instances,
            rules.relevance(modality, body_part, _main_modality(other.modalities_in_study), part),
            report_pk,
        )
        for other, part, report_pk in rows
        if other.study_pk != study_pk
    }
    return sorted(found.values(), key=lambda one: (-one.relevance, -(one.study_date or date.min).toordinal()))


def _main_modality(modalities: Sequence[str]) -> str | None:
    return next((one for one in modalities if one not in ("SR", "KO", "PR", "SEG", "DOC", "OT")), None)


def next_case(work: Work, wanted: ReadingFilter) -> ReadingItem | None:
    """The first case of the list that nobody else holds."""
    work.require(Permission.READING_LIST)
    query = (
        _filtered(work, _cases(work), wanted)
        .where(or_(ReadingClaim.user_pk.is_(None), ReadingClaim.user_pk == work.actor.user_pk))
        .order_by(*_ORDER)
        .limit(1)
    )
    rows = work.session.execute(query).all()
    items = _items(work, rows)
    work.audit(AuditEventID.QUERY, "E", object_type="next case")
    return items[0] if items else None
