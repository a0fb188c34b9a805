"""Orders that a waiting study or a modality's report may belong to, compared field by field, and the decisions that people
made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from wetread.archive.model import Study
from wetread.archive.service import sides_of_series
from wetread.kit.errors import NotFound
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.model import Patient, PatientIdentifier
from wetread.patients.service import PatientBar, name_words, patient_bars, search_clause
from wetread.scheduling import rules
from wetread.scheduling.model import ScheduledProcedureStep, StudyLink
from wetread.scheduling.rules import Verdict
from wetread.security.model import Site
from wetread.security.service import AuditEventID, Permission, Work

CANDIDATES_MAX = 12
_LOOKED_AT_MAX = 200
_NAME_WORDS_MAX = 6
_AROUND = timedelta(days=1)  # between the images' coming and a step that nothing else points at
_WEIGHT = {
    "study_instance_uid": 8,
    "accession_number": 6,
    "patient_id": 6,
    "patient_birth_date": 3,
    "patient_name": 3,
    "modality": 2,
    "study_date": 2,
    "patient_sex": 1,
    "laterality": 2,
    "requested_procedure_description": 0,  # modalities word it as they like
}
_WORTH = {Verdict.AGREES: 1.0, Verdict.SIMILAR: 0.5, Verdict.ABSENT: 0.0, Verdict.DIFFERS: -1.0}


@dataclass(frozen=True, slots=True)
class Compared:
    """One field as the order and as the images say it."""

    field: str
    order: str
    study: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CandidateOrder:
    """An order that a study or a modality's report may belong to; `studies` counts what hangs on it already, `obstacle` is
    why it cannot hang there."""

    requested_procedure_pk: int
    imaging_service_request_pk: int
    accession_number: str
    requested_procedure_description: str
    requested_procedure_priority: str
    state: str
    laterality: str | None
    modality: str
    site_code: str
    ordered_at: datetime
    starts_at: datetime | None
    patient: PatientBar
    studies: int
    compared: list[Compared]
    score: float
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What images, or a modality's report of its work, say of themselves; to be held against orders."""

    patient_name: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    accession_number: str | None
    modalities: list[str]
    study_date: date | None
    description: str | None
    study_instance_uid: str
    came_at: datetime
    side: str  # L, R or B; empty where it names none


@dataclass(frozen=True, slots=True)
class Resolved:
    """A study that a person hung on an order; `reasons` is what differed then: a field as the order and as the study says
    it."""

    study_pk: int
    study_instance_uid: str
    study_description: str | None
    modalities_in_study: list[str]
    number_of_study_related_instances: int
    requested_procedure_pk: int
    requested_procedure_description: str
    accession_number: str
    patient: PatientBar
    linked_at: datetime
    linked_by: str
    linked_because: str | None
    reasons: list[dict[str, str]]


def candidate_orders(work: Work, study_pk: int, typed: str = "") -> list[CandidateOrder]:
    """Orders for a waiting study, the likeliest first; `typed`: only those of that accession number, patient's name or
    identifier. Raises NotFound."""
    work.require(Permission.RECONCILE)
    study = work.session.get(Study, study_pk)
    link = work.session.scalar(
        select(StudyLink).where(StudyLink.study_pk == study_pk, StudyLink.state == "unmatched")
    )
    if study is None or link is None:
        raise NotFound("This study does not wait for an order.")
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        study_instance_uid=study.study_instance_uid,
        object_type="candidate orders",
        object_id=study_pk,
    )
    return likely_orders(work, said_by_images(work, study), typed, link.candidate_procedure_pk)


def likely_orders(
    work: Work, said: Said, typed: str = "", candidate_procedure_pk: int | None = None
) -> list[CandidateOrder]:
    """The orders that fit what was said, the likeliest first; `typed`: only those of that accession number, patient's name
    or identifier. The caller writes the audit record."""
    # What names the order exactly is looked for by itself, so that many alike names cannot crowd it out.
    asked = [_typed(typed)] if typed.strip() else [_exact(said, candidate_procedure_pk), _alike(said)]
    rows = {row[0].requested_procedure_pk: row for where in asked for row in _orders(work, where)}
    return weighed(work, said, list(rows.values()))


def differences(work: Work, said: Said, requested_procedure_pks: Iterable[int]) -> list[Compared]:
    """The fields in which any of these orders differs from what was said."""
    rows = _orders(work, [RequestedProcedure.requested_procedure_pk.in_(set(requested_procedure_pks))])
    return [
        one
        for candidate in weighed(work, said, rows)
        for one in candidate.compared
        if one.verdict is Verdict.DIFFERS
    ]


def said_by_images(work: Work, study: Study) -> Said:
    shown = set[str]().union(*sides_of_series(work.session, [study.study_pk]).values())
    side = "B" if len(shown) == 2 else "".join(shown) or rules.side_of(study.study_description)
    return Said(
        study.patient_name,
        study.patient_id,
        study.issuer_of_patient_id,
        study.patient_birth_date,
        study.patient_sex,
        study.accession_number,
        [one for one in study.modalities_in_study if one not in ("SR", "KO", "PR", "SEG", "DOC")],
        study.study_date,
        study.study_description,
        study.study_instance_uid,
        study.created_at,
        side,
    )


def _orders(work: Work, where: list[ColumnElement[bool]]) -> list[Any]:
    query = (
        select(RequestedProcedure, ImagingServiceRequest, Procedure, Patient, Site.code)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .join(Patient, Patient.patient_pk == ImagingServiceRequest.patient_pk)
        .join(Site, Site.site_pk == ImagingServiceRequest.site_pk)
        .where(RequestedProcedure.state != "CANCELED", or_(*where))
        .order_by(RequestedProcedure.requested_procedure_pk.desc())
        .limit(_LOOKED_AT_MAX)
    )
    if work.actor.site_pks is not None:
        query = query.where(ImagingServiceRequest.site_pk.in_(work.actor.site_pks))
    return list(work.session.execute(query).all())


def weighed(work: Work, said: Said, rows: list[Any]) -> list[CandidateOrder]:
    pks = [row[0].requested_procedure_pk for row in rows]
    bars = patient_bars(work, {row[3].patient_pk for row in rows})
    identifiers = _identifiers(work, bars)
    starts = _starts(work, pks)
    linked = list(
        work.session.scalars(
            select(StudyLink.requested_procedure_pk).where(
                StudyLink.requested_procedure_pk.in_(pks), StudyLink.state != "unmatched"
            )
        )
    )
    found = []
    for requested, request, procedure, patient, site_code in rows:
        pk = requested.requested_procedure_pk
        compared = _compared(
            said, requested, request, procedure, patient, identifiers[patient.patient_pk], starts.get(pk)
        )
        found.append(
            CandidateOrder(
                pk,
                request.imaging_service_request_pk,
                request.accession_number,
                requested.requested_procedure_description,
                requested.requested_procedure_priority,
                requested.state,
                requested.laterality,
                procedure.modality,
                site_code,
                request.ordered_at,
                starts.get(pk),
                bars[patient.patient_pk],
                linked.count(pk),
                compared,
                sum(_WEIGHT[one.field] * _WORTH[one.verdict] for one in compared),
            )
        )
    return sorted(found, key=lambda one: -one.score)[:CANDIDATES_MAX]


def _typed(typed: str) -> list[ColumnElement[bool]]:
    text = typed.strip()
    return [
        ImagingServiceRequest.accession_number.istartswith(text, autoescape=True),
        ImagingServiceRequest.patient_pk.in_(
            select(PatientIdentifier.patient_pk).where(PatientIdentifier.patient_id == text)
        ),
        search_clause(Patient.search_words, text),
    ]


def _exact(said: Said, candidate_procedure_pk: int | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [
        RequestedProcedure.study_instance_uid == said.study_instance_uid,
        RequestedProcedure.requested_procedure_pk == candidate_procedure_pk,
    ]
    if said.accession_number:
        where.append(ImagingServiceRequest.accession_number == said.accession_number)
    if said.patient_id:
        where.append(
            ImagingServiceRequest.patient_pk.in_(
                select(PatientIdentifier.patient_pk).where(PatientIdentifier.patient_id == said.patient_id)
            )
        )
    return where


def _alike(said: Said) -> list[ColumnElement[bool]]:
    """A mistyped identifier leaves the name, or only the time and the kind of scanner."""
    words = [word for word in name_words(said.patient_name or "").split() if len(word) > 2]
    where = [search_clause(Patient.search_words, word) for word in words[:_NAME_WORDS_MAX]]
    around = select(ScheduledProcedureStep.requested_procedure_pk).where(
        ScheduledProcedureStep.modality.in_(said.modalities),
        ScheduledProcedureStep.starts_at.between(said.came_at - _AROUND, said.came_at + _AROUND),
        ScheduledProcedureStep.scheduled_procedure_step_status.not_in(("CANCELED", "DISCONTINUED")),
    )
    return [*where, RequestedProcedure.requested_procedure_pk.in_(around)]


def _identifiers(work: Work, patient_pks: Iterable[int]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {pk: [] for pk in patient_pks}
    rows = work.session.execute(
        select(
            PatientIdentifier.patient_pk, PatientIdentifier.issuer_of_patient_id, PatientIdentifier.patient_id
        )
        .where(PatientIdentifier.patient_pk.in_(found))
        .order_by(PatientIdentifier.is_primary.desc())
    ).all()
    for patient_pk, issuer, identifier in rows:
        found[patient_pk].append((issuer, identifier))
    return found


def _starts(work: Work, requested_procedure_pks: Iterable[int]) -> dict[int, datetime]:
    rows = work.session.execute(
        select(ScheduledProcedureStep.requested_procedure_pk, ScheduledProcedureStep.starts_at)
        .where(ScheduledProcedureStep.requested_procedure_pk.in_(list(requested_procedure_pks)))
        .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk)
    ).all()
    return {row[0]: row[1] for row in rows}


def _compared(
    said: Said,
    requested: RequestedProcedure,
    request: ImagingServiceRequest,
    procedure: Procedure,
    patient: Patient,
    identifiers: list[tuple[str, str]],
    starts_at: datetime | None,
) -> list[Compared]:
    same = next(
        (
            (issuer, identifier)
            for issuer, identifier in identifiers
            if identifier == said.patient_id and said.issuer_of_patient_id in (None, "", issuer)
        ),
        None,
    )
    shown = same or (identifiers[0] if identifiers else ("", ""))
    birth = patient.patient_birth_date
    ordered_sex, sex = patient.patient_sex or "", said.patient_sex or ""
    # Scheduled in wall time of a site, and scanned perhaps past midnight: a day apart is alike.
    apart = abs((starts_at.date() - said.study_date).days) if starts_at and said.study_date else None
    return [
        Compared(
            "patient_name",
            patient.patient_name,
            said.patient_name or "",
            rules.name_verdict(patient.patient_name, said.patient_name),
        ),
        Compared(
            "patient_id",
            _with_issuer(shown[1], shown[0]),
            _with_issuer(said.patient_id, said.issuer_of_patient_id),
            _identifier_verdict(bool(same), shown[1], said.patient_id),
        ),
        Compared(
            "patient_birth_date",
            birth.isoformat() if birth else "",
            said.patient_birth_date.isoformat() if said.patient_birth_date else "",
            rules.verdict(birth, said.patient_birth_date),
        ),
        Compared("patient_sex", ordered_sex, sex, rules.verdict(ordered_sex, sex)),
        Compared(
            "accession_number",
            request.accession_number,
            said.accession_number or "",
            rules.verdict(request.accession_number, said.accession_number),
        ),
        Compared(
            "modality",
            procedure.modality,
            ", ".join(said.modalities),
            Verdict.AGREES
            if procedure.modality in said.modalities
            else Verdict.DIFFERS
            if said.modalities
            else Verdict.ABSENT,
        ),
        Compared(
            "study_date",
            starts_at.date().isoformat() if starts_at else "",
            said.study_date.isoformat() if said.study_date else "",
            Verdict.ABSENT
            if apart is None
            else Verdict.AGREES
            if apart == 0
            else Verdict.SIMILAR
            if apart == 1
            else Verdict.DIFFERS,
        ),
        Compared(
            "study_instance_uid",
            requested.study_instance_uid,
            said.study_instance_uid,
            # A scanner that read no worklist makes its own: that speaks against nothing.
            Verdict.AGREES if requested.study_instance_uid == said.study_instance_uid else Verdict.ABSENT,
        ),
        Compared(
            "requested_procedure_description",
            requested.requested_procedure_description,
            said.description or "",
            # Other words are no other examination; the same words are surely the same.
            Verdict.AGREES
            if name_words(requested.requested_procedure_description) == name_words(said.description or "")
            else Verdict.ABSENT,
        ),
        Compared(
            "laterality",
            requested.laterality or "",
            said.side,
            rules.verdict(requested.laterality, said.side),
        ),
    ]


def _identifier_verdict(same: bool, order: str, study: str | None) -> Verdict:
    if same:
        return Verdict.AGREES
    return Verdict.DIFFERS if order and study else Verdict.ABSENT


def _with_issuer(identifier: str | None, issuer: str | None) -> str:
    return f"{identifier} ({issuer})" if identifier and issuer else identifier or ""


def resolved(work: Work, *, limit: int = 50) -> list[Resolved]:
    """What people decided, newest first."""
    work.require(Permission.RECONCILE)
    query = (
        select(StudyLink, Study, RequestedProcedure, ImagingServiceRequest)
        .join(Study, Study.study_pk == StudyLink.study_pk)
        .join(
            RequestedProcedure, RequestedProcedure.requested_procedure_pk == StudyLink.requested_procedure_pk
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .where(StudyLink.state == "resolved")
        .order_by(StudyLink.linked_at.desc())
        .limit(limit)
    )
    if work.actor.site_pks is not None:
        query = query.where(ImagingServiceRequest.site_pk.in_(work.actor.site_pks))
    rows = work.session.execute(query).all()
    bars = patient_bars(work, {row[3].patient_pk for row in rows})
    work.audit(AuditEventID.QUERY, "E", object_type="reconciled studies")
    return [
        Resolved(
            study.study_pk,
            study.study_instance_uid,
            study.study_description,
            list(study.modalities_in_study),
            study.number_of_study_related_instances,
            requested.requested_procedure_pk,
            requested.requested_procedure_description,
            request.accession_number,
            bars[request.patient_pk],
            link.linked_at,
            link.linked_by,
            link.linked_because,
            link.reasons,
        )
        for link, study, requested, request in rows
    ]
