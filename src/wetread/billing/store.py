"""Queries of the billing room."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, text
from sqlalchemy.orm import Session

from wetread.billing.model import (
    BillingProvider,
    Charge,
    ChargeState,
    Claim,
    ClaimBatch,
    ClaimState,
    ClaimSubmitter,
    Component,
    ProcedureFee,
    SiteBilling,
)
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.model import Coverage, Patient, Payer
from wetread.reporting.model import ReportProcedure, ReportVersion
from wetread.scheduling.model import PerformedProcedureStep, PerformedStepReference, ScheduledProcedureStep
from wetread.security.model import Practitioner, Site


@dataclass(frozen=True, slots=True)
class Performed:
    """A procedure with what its charge is made from."""

    requested: RequestedProcedure
    request: ImagingServiceRequest
    procedure: Procedure
    site: Site


def patient_of_procedure(requested_procedure_pk: int) -> Select[int]:
    """Asks for the key of the patient of a Requested Procedure."""
    return (
        select(ImagingServiceRequest.patient_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        )
        .where(RequestedProcedure.requested_procedure_pk == requested_procedure_pk)
    )


def performed(session: Session, requested_procedure_pk: int) -> Performed | None:
    """The Requested Procedure with its order, catalogue entry and site; locked against a second charging, but not against
    who puts its key into a row: images must be linked meanwhile."""
    row = session.execute(
        select(RequestedProcedure, ImagingServiceRequest, Procedure, Site)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .join(Site, Site.site_pk == ImagingServiceRequest.site_pk)
        .where(RequestedProcedure.requested_procedure_pk == requested_procedure_pk)
        .with_for_update(of=RequestedProcedure, key_share=True)
    ).first()
    return Performed(*row) if row else None


def begun_at(session: Session, requested_procedure_pk: int) -> datetime | None:
    """When the modality says that it began with the procedure; None where none told."""
    return session.scalar(
        select(func.min(PerformedProcedureStep.started_at))
        .join(
            PerformedStepReference,
            PerformedStepReference.performed_procedure_step_pk
            == PerformedProcedureStep.performed_procedure_step_pk,
        )
        .join(
            ScheduledProcedureStep,
            ScheduledProcedureStep.scheduled_procedure_step_pk
            == PerformedStepReference.scheduled_procedure_step_pk,
        )
        .where(ScheduledProcedureStep.requested_procedure_pk == requested_procedure_pk)
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """Whether the report of a procedure is final, and who signed it (None: a user that is no known physician)."""

    final: bool
    practitioner_pk: int | None


def reading(session: Session, requested_procedure_pk: int) -> Reading:
    """The final version of the procedure's report."""
    row = session.execute(
        select(ReportVersion.signed_by_practitioner_pk)
        .join(ReportProcedure, ReportProcedure.report_pk == ReportVersion.report_pk)
        .where(
            ReportProcedure.requested_procedure_pk == requested_procedure_pk, ReportVersion.kind == "final"
        )
        .order_by(ReportVersion.version_number)
        .limit(1)
    ).first()
    return Reading(row is not None, row[0] if row else None)


def procedures_of_report(session: Session, report_pk: int) -> list[int]:
    """The Requested Procedures that a report covers."""
    return list(
        session.scalars(
            select(ReportProcedure.requested_procedure_pk)
            .where(ReportProcedure.report_pk == report_pk)
            .order_by(ReportProcedure.requested_procedure_pk)
        )
    )


def procedures_of_claims(session: Session, claim_pks: Collection[int]) -> list[int]:
    """The procedures of the charges that stand on claims, by ascending key."""
    return list(
        session.scalars(
            select(Charge.requested_procedure_pk)
            .where(Charge.claim_pk.in_(claim_pks), Charge.state != ChargeState.VOID)
            .distinct()
            .order_by(Charge.requested_procedure_pk)
        )
    )


def lock_procedures(session: Session, requested_procedure_pks: Collection[int]) -> None:
    """As `performed` locks one."""
    session.execute(
        select(RequestedProcedure.requested_procedure_pk)
        .where(RequestedProcedure.requested_procedure_pk.in_(requested_procedure_pks))
        .order_by(RequestedProcedure.requested_procedure_pk)
        .with_for_update(key_share=True)
    ).all()


def charges_of_procedure(session: Session, requested_procedure_pk: int) -> list[Charge]:
    """The charges of a procedure that stand."""
    return list(
        session.scalars(
            select(Charge)
            .where(Charge.requested_procedure_pk == requested_procedure_pk, Charge.state != ChargeState.VOID)
            .order_by(Charge.charge_pk)
        )
    )


def lock_open_claims(session: Session, imaging_service_request_pk: int) -> None:
    """Locks the unsent claims of an order, always in the same order, whatever charges stand on them."""
    session.execute(
        select(Claim.claim_pk)
        .where(
            Claim.imaging_service_request_pk == imaging_service_request_pk,
            Claim.state.in_((ClaimState.DRAFT, ClaimState.HELD, ClaimState.READY)),
        )
        .order_by(Claim.claim_pk)
        .with_for_update()
    )


def open_claim(
    session: Session, request_pk: int, component: Component, reader_pk: int | None, service_date: date
) -> Claim | None:
    """An unsent claim that a charge of this order, component, reader and day can join."""
    query = select(Claim).where(
        Claim.imaging_service_request_pk == request_pk,
        Claim.component == component,
        Claim.service_date == service_date,
        Claim.state.in_((ClaimState.DRAFT, ClaimState.HELD, ClaimState.READY)),
        Claim.frequency_code != "8",  # a void says again what was claimed, and no more
    )
    if reader_pk is None:
        query = query.where(Claim.rendering_practitioner_pk.is_(None))
    else:
        query = query.where(
            or_(Claim.rendering_practitioner_pk.is_(None), Claim.rendering_practitioner_pk == reader_pk)
        )
    return session.scalar(query.order_by(Claim.claim_pk).limit(1).with_for_update())


def claim(session: Session, claim_pk: int, *, lock: bool = False) -> Claim | None:
    """The claim, locked for a change."""
    query = select(Claim).where(Claim.claim_pk == claim_pk)
    if lock:
        # It may have been read before, and changed by who held it until now.
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def lines(session: Session, claim_pks: Iterable[int]) -> dict[int, list[Charge]]:
    """The charges of each claim that stand, in order."""
    found: dict[int, list[Charge]] = {pk: [] for pk in claim_pks}
    for charge in session.scalars(
        select(Charge)
        .where(Charge.claim_pk.in_(found), Charge.state != ChargeState.VOID)
        .order_by(Charge.charge_pk)
    ):
        found[charge.claim_pk].append(charge)
    return found


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a claim refers to."""

    request: ImagingServiceRequest
    patient: Patient
    site: Site
    coverage: Coverage | None
    payer: Payer | None
    provider: BillingProvider | None
    referrer: Practitioner | None
    reader: Practitioner | None


def surroundings(session: Session, claim: Claim) -> Surroundings:
    """Everything that a claim refers to."""
    request = session.get_one(ImagingServiceRequest, claim.imaging_service_request_pk)
    coverage = session.get(Coverage, claim.coverage_pk) if claim.coverage_pk else None

    def practitioner(pk: int | None) -> Practitioner | None:
        return session.get(Practitioner, pk) if pk else None

    return Surroundings(
        request,
        session.get_one(Patient, claim.patient_pk),
        session.get_one(Site, claim.site_pk),
        coverage,
        session.get(Payer, coverage.payer_pk) if coverage else None,
        session.get(BillingProvider, claim.billing_provider_pk) if claim.billing_provider_pk else None,
        practitioner(claim.referring_practitioner_pk),
        practitioner(claim.rendering_practitioner_pk),
    )


def standing_coverage(session: Session, patient_pk: int) -> Coverage | None:
    """The patient's first coverage that has not ended."""
    return session.scalar(
        select(Coverage)
        .where(Coverage.patient_pk == patient_pk, Coverage.ended_at.is_(None))
        .order_by(Coverage.priority)
        .limit(1)
    )


def duplicate_of(session: Session, claim: Claim, charge: Charge) -> Claim | None:
    """Another claim that stands for the same procedure, component and day of the same patient."""
    return session.scalar(
        select(Claim)
        .join(Charge, Charge.claim_pk == Claim.claim_pk)
        .where(
            Charge.patient_pk == claim.patient_pk,
            Charge.charge_pk != charge.charge_pk,
            Charge.procedure_code == charge.procedure_code,
            Charge.procedure_code != "",
            Charge.modifiers == charge.modifiers,
            Charge.service_date == charge.service_date,
            Charge.state != ChargeState.VOID,
            Claim.state.not_in((ClaimState.VOID, ClaimState.REJECTED)),
            Charge.charge_pk < charge.charge_pk,
        )
        .limit(1)
    )


def fee(session: Session, procedure_code: str, modifier: str, payer_pk: int | None) -> ProcedureFee | None:
    """The payer's own fee, else everybody's."""
    return session.scalar(
        select(ProcedureFee)
        .where(
            ProcedureFee.procedure_code == procedure_code,
            ProcedureFee.modifier == modifier,
            or_(ProcedureFee.payer_pk.is_(None), ProcedureFee.payer_pk == payer_pk),
        )
        .order_by(ProcedureFee.payer_pk.is_(None))
        .limit(1)
    )


def open_claims_of(session: Session, *conditions: ColumnElement[bool]) -> list[int]:
    """Keys of unsent claims under the conditions."""
    return list(
        session.scalars(
            select(Claim.claim_pk)
            .where(Claim.state.in_((ClaimState.DRAFT, ClaimState.HELD, ClaimState.READY)), *conditions)
            .order_by(Claim.claim_pk)
        )
    )


def queue_counts(session: Session) -> list[tuple[str, str | None, int, int, date | None]]:
    """(state, need, claims, cents, oldest day of service); a claim counts under each of its needs."""
    need = func.unnest(Claim.needs).label("need")
    by_need = select(Claim.state, need, Claim.total_minor, Claim.service_date).where(
        Claim.state == ClaimState.DRAFT
    )
    inner = by_need.subquery()
    rows: list[Any] = list(
        session.execute(
            select(
                inner.c.state,
                inner.c.need,
                func.count(),
                func.sum(inner.c.total_minor),
                func.min(inner.c.service_date),
            ).group_by(inner.c.state, inner.c.need)
        )
    )
    rows += session.execute(
        select(
            Claim.state, text("NULL"), func.count(), func.sum(Claim.total_minor), func.min(Claim.service_date)
        )
        .where(Claim.state != ClaimState.VOID)
        .group_by(Claim.state)
    ).all()
    return [(row[0], row[1], int(row[2]), int(row[3] or 0), row[4]) for row in rows]


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim as a list shows it."""

    claim: Claim
    accession_number: str
    payer_name: str | None


def claims(
    session: Session,
    *,
    states: Sequence[str],
    need: str | None,
    claim_batch_pk: int | None,
    accession_number: str | None,
    after: tuple[date, int] | None,
    limit: int,
) -> list[ClaimRow]:
    """Claims, oldest service first."""
    query = (
        select(Claim, ImagingServiceRequest.accession_number, Payer.name)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == Claim.imaging_service_request_pk,
        )
        .outerjoin(Coverage, Coverage.coverage_pk == Claim.coverage_pk)
        .outerjoin(Payer, Payer.payer_pk == Coverage.payer_pk)
        .order_by(Claim.service_date, Claim.claim_pk)
        .limit(limit)
    )
    if states:
        query = query.where(Claim.state.in_(states))
    if need:
        query = query.where(Claim.needs.contains([need]))
    if claim_batch_pk:
        query = query.where(Claim.claim_batch_pk == claim_batch_pk)
    if accession_number:
        query = query.where(ImagingServiceRequest.accession_number == accession_number)
    if after:
        day, pk = after
        query = query.where(
            (Claim.service_date > day) | ((Claim.service_date == day) & (Claim.claim_pk > pk))
        )
    return [ClaimRow(*row) for row in session.execute(query)]


def charges(
    session: Session, *, states: Sequence[str], after: int | None, limit: int
) -> list[tuple[Charge, str, str]]:
    """(charge, accession number, claim's state), newest first."""
    query = (
        select(Charge, ImagingServiceRequest.accession_number, Claim.state)
        .join(Claim, Claim.claim_pk == Charge.claim_pk)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == Claim.imaging_service_request_pk,
        )
        .order_by(Charge.charge_pk.desc())
        .limit(limit)
    )
    if states:
        query = query.where(Charge.state.in_(states))
    if after:
        query = query.where(Charge.charge_pk < after)
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def ready_claims(session: Session, claim_pks: Sequence[int] | None, limit: int) -> list[Claim]:
    """Ready claims by billing provider, locked; those named, or all."""
    chosen = select(Claim.claim_pk).where(Claim.state == ClaimState.READY)
    if claim_pks is not None:
        chosen = chosen.where(Claim.claim_pk.in_(claim_pks))
    keys = session.scalars(chosen.order_by(Claim.billing_provider_pk, Claim.claim_pk).limit(limit)).all()
    # Locked by key, as everybody locks claims; what changed until then is ready no more.
    locked = session.scalars(
        select(Claim)
        .where(Claim.claim_pk.in_(keys), Claim.state == ClaimState.READY)
        .order_by(Claim.claim_pk)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return sorted(locked, key=lambda claim: (claim.billing_provider_pk or 0, claim.claim_pk))


def next_control_number(session: Session) -> int:
    """ISA13: nine digits, given once. A number whose file is rolled back is not used again."""
    return int(session.execute(text("SELECT nextval('interchange_control_number')")).scalar_one())


def submitter(session: Session) -> ClaimSubmitter | None:
    """The one row, if set up."""
    return session.get(ClaimSubmitter, 1)


def site_billing(session: Session, site_pk: int) -> SiteBilling | None:
    """Who bills for the site."""
    return session.get(SiteBilling, site_pk)


def batches(session: Session, limit: int) -> list[ClaimBatch]:
    """Files, newest first."""
    return list(session.scalars(select(ClaimBatch).order_by(ClaimBatch.claim_batch_pk.desc()).limit(limit)))


def batch(session: Session, claim_batch_pk: int, *, lock: bool = False) -> ClaimBatch | None:
    """A file."""
    query = select(ClaimBatch).where(ClaimBatch.claim_batch_pk == claim_batch_pk)
    return session.scalar(query.with_for_update() if lock else query)
