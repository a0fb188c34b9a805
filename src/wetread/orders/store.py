"""All SQL of the orders room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from wetread.orders.model import (
    AccessionSequence,
    ImagingServiceRequest,
    Procedure,
    RequestedProcedure,
    RequestedProcedureChange,
)
from wetread.patients.model import Patient
from wetread.patients.service import search_clause
from wetread.security.model import Practitioner, Site

OrderLine = tuple[RequestedProcedure, ImagingServiceRequest, Procedure, Patient]


def next_accession_value(session: Session, prefix: str) -> int:
    """The next number under a prefix. Concurrent orders of one site wait for each other here, briefly."""
    return session.execute(
        insert(AccessionSequence)
        .values(prefix=prefix, last_value=1)
        .on_conflict_do_update(
            index_elements=[AccessionSequence.prefix], set_={"last_value": AccessionSequence.last_value + 1}
        )
        .returning(AccessionSequence.last_value)
    ).scalar_one()


def catalogue(
    session: Session, typed: str | None, modality: str | None, *, active_only: bool
) -> list[Procedure]:
    """Catalogue entries whose words or code begin with each typed word."""
    where: list[ColumnElement[bool]] = []
    if active_only:
        where.append(Procedure.active.is_(True))
    if modality:
        where.append(Procedure.modality == modality)
    words = func.concat(
        " ",
        Procedure.modality,
        " ",
        Procedure.code_meaning,
        " ",
        Procedure.code_value,
        " ",
        Procedure.cpt_code,
    )
    for word in (typed or "").split():
        where.append(words.icontains(f" {word}", autoescape=True))
    return list(
        session.scalars(
            select(Procedure).where(*where).order_by(Procedure.modality, Procedure.code_meaning).limit(500)
        )
    )


def procedure_by_code(session: Session, code_value: str, scheme: str | None) -> Procedure | None:
    """An active catalogue entry by code; without a scheme the code must be unambiguous."""
    where = [Procedure.code_value == code_value, Procedure.active]
    if scheme:
        where.append(Procedure.coding_scheme_designator == scheme)
    found = list(session.scalars(select(Procedure).where(*where).limit(2)))
    return found[0] if len(found) == 1 else None


def order_by_placer_number(session: Session, issuer: str | None, number: str) -> ImagingServiceRequest | None:
    """The order that a placer calls by this number."""
    return session.scalar(
        select(ImagingServiceRequest).where(
            ImagingServiceRequest.placer_order_number == number,
            ImagingServiceRequest.issuer_of_placer_order_number.is_not_distinct_from(issuer),
        )
    )


def order_by_accession(session: Session, issuer: str, number: str) -> ImagingServiceRequest | None:
    """The order with this accession number of this issuer."""
    return session.scalar(
        select(ImagingServiceRequest).where(
            ImagingServiceRequest.accession_number == number,
            ImagingServiceRequest.issuer_of_accession_number == issuer,
        )
    )


def order_by_key(session: Session, idempotency_key: UUID) -> ImagingServiceRequest | None:
    """The order that was placed with this key of a form."""
    return session.scalar(
        select(ImagingServiceRequest).where(ImagingServiceRequest.idempotency_key == idempotency_key)
    )


def unbooked_orders(session: Session, patient_pk: int, since: datetime) -> list[ImagingServiceRequest]:
    """Orders of a patient that came since then and for which nobody has found a time, newest first."""
    taken = select(RequestedProcedure.requested_procedure_pk).where(
        RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        RequestedProcedure.state != "REQUESTED",
    )
    return list(
        session.scalars(
            select(ImagingServiceRequest)
            .where(
                ImagingServiceRequest.patient_pk == patient_pk,
                ImagingServiceRequest.ordered_at > since,
                ~taken.exists(),
            )
            .order_by(ImagingServiceRequest.imaging_service_request_pk.desc())
        )
    )


def procedures_of(
    session: Session, imaging_service_request_pk: int, *, lock: bool = False
) -> list[RequestedProcedure]:
    """The Requested Procedures of an order."""
    query = (
        select(RequestedProcedure)
        .where(RequestedProcedure.imaging_service_request_pk == imaging_service_request_pk)
        .order_by(RequestedProcedure.requested_procedure_pk)
    )
    if lock:
        # Against other changes, not against who puts its key into a row: images must be linked meanwhile.
        query = query.with_for_update(of=RequestedProcedure, key_share=True).execution_options(
            populate_existing=True
        )
    return list(session.scalars(query))


def lines(session: Session, where: Sequence[ColumnElement[bool]], *, limit: int) -> list[OrderLine]:
    """Requested Procedures with their order, catalogue entry and patient: most urgent, then oldest first."""
    rows = session.execute(
        select(RequestedProcedure, ImagingServiceRequest, Procedure, Patient)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .join(Patient, Patient.patient_pk == ImagingServiceRequest.patient_pk)
        .where(*where)
        .order_by(
            func.array_position(["STAT", "HIGH", "ROUTINE"], RequestedProcedure.requested_procedure_priority),
            ImagingServiceRequest.ordered_at,
            RequestedProcedure.requested_procedure_pk,
        )
        .limit(limit)
    )
    return [(requested, request, procedure, patient) for requested, request, procedure, patient in rows]


def line_conditions(
    *,
    typed: str | None = None,
    states: Iterable[str] = (),
    patient_pk: int | None = None,
    site_pks: Iterable[int] | None = None,
    imaging_service_request_pk: int | None = None,
) -> list[ColumnElement[bool]]:
    """Conditions for `lines`."""
    where: list[ColumnElement[bool]] = []
    if wanted := list(states):
        where.append(RequestedProcedure.state.in_(wanted))
    if patient_pk is not None:
        where.append(ImagingServiceRequest.patient_pk == patient_pk)
    if site_pks is not None:
        where.append(ImagingServiceRequest.site_pk.in_(list(site_pks)))
    if imaging_service_request_pk is not None:
        where.append(ImagingServiceRequest.imaging_service_request_pk == imaging_service_request_pk)
    if typed and typed.strip():
        where.append(
            or_(
                ImagingServiceRequest.accession_number.startswith(typed.strip().upper(), autoescape=True),
                search_clause(Patient.search_words, typed),
            )
        )
    return where


def changes_of(session: Session, requested_procedure_pks: Iterable[int]) -> list[RequestedProcedureChange]:
    """All moves of the given Requested Procedures, oldest first."""
    return list(
        session.scalars(
            select(RequestedProcedureChange)
            .where(RequestedProcedureChange.requested_procedure_pk.in_(list(requested_procedure_pks)))
            .order_by(RequestedProcedureChange.requested_procedure_change_pk)
        )
    )


def practitioners(session: Session, typed: str, *, limit: int) -> list[Practitioner]:
    """Practitioners whose name has words that begin as typed, or by NPI."""
    name = func.concat("^", func.immutable_unaccent(func.lower(Practitioner.person_name)))
    words = [
        or_(
            name.like(func.concat("%^", func.immutable_unaccent(word.lower()), "%")),
            name.like(func.concat("% ", func.immutable_unaccent(word.lower()), "%")),
            name.like(func.concat("%=", func.immutable_unaccent(word.lower()), "%")),
            Practitioner.npi.startswith(word, autoescape=True),
        )
        for word in typed.replace("^", " ").replace("%", "").replace("_", "").split()
    ]
    return list(
        session.scalars(
            select(Practitioner).where(and_(True, *words)).order_by(Practitioner.person_name).limit(limit)
        )
    )


def sites(session: Session) -> list[Site]:
    """All sites by name."""
    return list(session.scalars(select(Site).order_by(Site.institution_name)))
