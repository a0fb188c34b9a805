"""Use cases of the billing room: charges out of procedures and reports, claims mended and put into files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import undefer

from wetread.billing import professional_claim as document
from wetread.billing import rules, store
from wetread.billing.events import ClaimBatchChanged, ClaimChanged
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
from wetread.billing.rules import ChargeMove, ClaimMove, Finding, Need
from wetread.billing.x12 import Envelope, X12Error, clean, write_interchange
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.orders import service as orders
from wetread.patients import service as patients
from wetread.patients.model import Coverage, Payer
from wetread.patients.service import CoverageInput, PatientBar
from wetread.security.model import Practitioner, Site
from wetread.security.service import AuditEventID, Permission, Work, valid_npi
from wetread.security.service import change_practitioner as _change_practitioner

__all__ = [
    "BatchResult",
    "ClaimLine",
    "ClaimListRow",
    "ClaimView",
    "ProviderInput",
    "QueueCount",
    "SubmitterInput",
    "batch_file",
    "batches",
    "change_charge",
    "change_claim",
    "change_practitioner",
    "correct_claim",
    "fees",
    "get_claim",
    "list_charges",
    "list_claims",
    "make_batch",
    "mark_sent",
    "preview",
    "procedure_changed",
    "providers",
    "queue_counts",
    "recheck",
    "recheck_open",
    "remove_fee",
    "report_final",
    "save_provider",
    "save_submitter",
    "set_coverage",
    "set_fee",
    "set_site_billing",
    "site_billings",
    "submitter",
    "unmake_batch",
    "void_claim",
]  # fmt: skip


# --- charges out of what was done ---------------------------------------------------------------------------


def procedure_changed(work: Work, requested_procedure_pk: int) -> list[Charge]:
    """Brings the charges of a procedure in line with its state and its report. Idempotent.

    Completed: the components that are due are charged, each once; the reading once the report is final. No longer
    completed: what is not yet in a file is voided.
    """
    work.require(Permission.BILLING_WRITE)
    done = store.performed(work.session, requested_procedure_pk)
    if done is None:
        return []
    standing = store.charges_of_procedure(work.session, requested_procedure_pk)
    work.audit(
        AuditEventID.ORDER_RECORD,
        "U",
        patient_pk=done.request.patient_pk,
        object_type="charge",
        object_id=requested_procedure_pk,
        detail={"what": "charges", "state": done.requested.state},
    )
    if done.requested.state != "COMPLETED":
        if done.requested.state in {"SCHEDULED", "REQUESTED", "CANCELED", "DISCONTINUED"}:
            _void_charges(work, standing, "The procedure is not completed")
        return []
    reading = store.reading(work.session, requested_procedure_pk)
    due = rules.components(
        bills_global=done.site.bills_global,
        splittable=done.procedure.professional_technical_split,
        place_of_service=done.site.place_of_service,
        read=reading.final,
    )
    have = {charge.component: charge for charge in standing}
    made = [
        _charge(work, done, component, reading.practitioner_pk) for component in due if component not in have
    ]
    for charge in standing:
        if (
            reading.practitioner_pk
            and charge.component != Component.TECHNICAL
            and charge.rendering_practitioner_pk is None
        ):
            _read_by(work, charge, reading.practitioner_pk)
    for claim_pk in dict.fromkeys(charge.claim_pk for charge in (*standing, *made)):
        _scrub(work, claim_pk)
    return made


def report_final(work: Work, report_pk: int) -> None:
    """A report became final: the reading of its procedures is charged, with who read them."""
    work.require(Permission.BILLING_WRITE)
    for requested_procedure_pk in store.procedures_of_report(work.session, report_pk):
        procedure_changed(work, requested_procedure_pk)
    work.audit(AuditEventID.ORDER_RECORD, "R", object_type="report", object_id=report_pk)


def _charge(work: Work, done: store.Performed, component: Component, reader_pk: int | None) -> Charge:
    day = done.requested.state_changed_at.astimezone(ZoneInfo(done.site.time_zone)).date()
    reader = None if component is Component.TECHNICAL else reader_pk
    claim = store.open_claim(work.session, done.request.imaging_service_request_pk, component, reader, day)
    if claim is None:
        claim = _new_claim(work, done, component, day)
    if reader and claim.rendering_practitioner_pk is None:
        claim.rendering_practitioner_pk = reader
    charge = Charge(
        claim_pk=claim.claim_pk,
        requested_procedure_pk=done.requested.requested_procedure_pk,
        patient_pk=done.request.patient_pk,
        component=component.value,
        state=ChargeState.DRAFT,
        procedure_code=done.procedure.cpt_code or "",
        description=done.requested.requested_procedure_description,
        modifiers=rules.modifiers(component, done.requested.laterality),
        side_required=done.procedure.laterality_required,
        service_date=day,
        diagnosis_codes=list(done.requested.diagnosis_codes),
        rendering_practitioner_pk=reader,
        created_at=work.now(),
        state_changed_at=work.now(),
    )
    work.session.add(charge)
    work.session.flush()
    return charge


def _new_claim(work: Work, done: store.Performed, component: Component, day: date) -> Claim:
    setting = store.site_billing(work.session, done.site.site_pk)
    provider_pk = None
    if setting is not None:
        provider_pk = (
            setting.professional_billing_provider_pk
            if component is Component.PROFESSIONAL
            else setting.technical_billing_provider_pk
        )
    coverage_pk = done.request.coverage_pk
    if coverage_pk is None:
        standing = store.standing_coverage(work.session, done.request.patient_pk)
        coverage_pk = standing.coverage_pk if standing else None
    claim = Claim(
        imaging_service_request_pk=done.request.imaging_service_request_pk,
        patient_pk=done.request.patient_pk,
        site_pk=done.site.site_pk,
        component=component.value,
        state=ClaimState.DRAFT,
        coverage_pk=coverage_pk,
        billing_provider_pk=provider_pk,
        referring_practitioner_pk=done.request.referring_practitioner_pk,
        place_of_service=done.site.place_of_service,
        service_date=day,
        created_at=work.now(),
        state_changed_at=work.now(),
    )
    work.session.add(claim)
    work.session.flush()
    return claim


def _read_by(work: Work, charge: Charge, reader_pk: int) -> None:
    """Names the reader; a charge whose claim has another reader moves to a claim of its own."""
    claim = store.claim(work.session, charge.claim_pk, lock=True)
    assert claim is not None
    if ClaimState(claim.state) not in rules.OPEN_CLAIMS:
        return
    charge.rendering_practitioner_pk = reader_pk
    if claim.rendering_practitioner_pk in (None, reader_pk):
        claim.rendering_practitioner_pk = reader_pk
        return
    done = store.performed(work.session, charge.requested_procedure_pk)
    assert done is not None
    other = store.open_claim(
        work.session,
        claim.imaging_service_request_pk,
        Component(charge.component),
        reader_pk,
        charge.service_date,
    ) or _new_claim(work, done, Component(charge.component), charge.service_date)
    other.rendering_practitioner_pk = reader_pk
    charge.claim_pk = other.claim_pk
    work.session.flush()
    _scrub(work, claim.claim_pk)


def _void_charges(work: Work, charges: Sequence[Charge], reason: str) -> None:
    for charge in charges:
        if (ChargeState(charge.state), ChargeMove.VOID) in rules.CHARGE_MOVES:
            charge.state = rules.charge_moved(charge.state, ChargeMove.VOID)
            charge.void_reason, charge.state_changed_at = reason, work.now()
            work.session.flush()
            _scrub(work, charge.claim_pk)


# --- the scrubber -------------------------------------------------------------------------------------------


def _scrub(work: Work, claim_pk: int) -> list[Finding]:
    """Prices, adds up and checks an unsent claim, and moves it and its charges accordingly."""
    claim = store.claim(work.session, claim_pk, lock=True)
    if claim is None or ClaimState(claim.state) not in rules.OPEN_CLAIMS:
        return []
    lines = store.lines(work.session, [claim_pk])[claim_pk]
    if not lines:
        _move(work, claim, ClaimMove.VOID, "No charge is left on it")
        claim.findings, claim.needs, claim.total_minor = [], [], 0
        return []
    around = store.surroundings(work.session, claim)
    if around.coverage is None or around.coverage.ended_at is not None:
        standing = store.standing_coverage(work.session, claim.patient_pk)
        if standing is not None:
            claim.coverage_pk = standing.coverage_pk
            around = store.surroundings(work.session, claim)
    for line in lines:
        _price(work, line, around.payer)
    claim.total_minor = sum(line.amount_minor for line in lines)
    work.session.flush()
    findings = rules.scrub(_facts(work, claim, lines, around))
    claim.findings = [
        {"need": f.need.value, "field": f.field, "text": f.text, "charge_pk": f.charge_pk} for f in findings
    ]
    claim.needs = list(dict.fromkeys(f.need.value for f in findings))
    verdict = rules.verdict(findings)
    _move(work, claim, verdict, None)
    for line in lines:
        after = rules.charge_moved(line.state, ChargeMove[verdict.name])
        if after != line.state:
            line.state, line.state_changed_at = after, work.now()
    work.session.flush()
    return findings


def _price(work: Work, line: Charge, payer: Payer | None) -> None:
    if line.amount_is_manual or not line.procedure_code:
        return
    modifier = "" if line.component == Component.GLOBAL else line.component
    found = store.fee(work.session, line.procedure_code, modifier, payer.payer_pk if payer else None)
    bilateral = 2 if "50" in line.modifiers else 1
    line.amount_minor = found.amount_minor * line.units * bilateral if found else 0


def _facts(work: Work, claim: Claim, lines: list[Charge], around: store.Surroundings) -> rules.ClaimFacts:
    coverage, payer, patient, site = around.coverage, around.payer, around.patient, around.site
    covered = None
    if coverage is not None and payer is not None:
        covered = rules.CoverageFacts(
            payer.name,
            payer.payer_id,
            payer.claim_filing_indicator_code,
            coverage.member_id,
            coverage.relationship,
            coverage.subscriber_name,
            coverage.subscriber_birth_date,
        )
    return rules.ClaimFacts(
        component=claim.component,
        place_of_service=claim.place_of_service,
        total_minor=claim.total_minor,
        patient_name=patient.patient_name,
        patient_birth_date=patient.patient_birth_date,
        patient_address=rules.AddressFacts(
            patient.patient_address, patient.city, patient.state, patient.postal_code
        ),
        coverage=covered,
        referrer=_person_facts(around.referrer, around.request.referring_physician_name),
        reader=_person_facts(around.reader, None),
        report_is_final=all(store.reading(work.session, line.requested_procedure_pk).final for line in lines),
        billing_provider=_entity_facts(around.provider),
        site=rules.EntityFacts(
            site.institution_name,
            site.npi,
            rules.AddressFacts(site.address_line, site.city, site.state, site.postal_code),
        ),
        lines=tuple(_line_facts(work, claim, line) for line in lines),
        submitter_is_set=store.submitter(work.session) is not None,
        today=work.now().astimezone(ZoneInfo(site.time_zone)).date(),
    )


def _person_facts(person: Practitioner | None, name: str | None) -> rules.PersonFacts | None:
    if person is None:
        return rules.PersonFacts(name, None) if name else None
    return rules.PersonFacts(person.person_name, person.npi, person.taxonomy_code)


def _entity_facts(provider: BillingProvider | None) -> rules.EntityFacts | None:
    if provider is None:
        return None
    address = rules.AddressFacts(provider.address_line, provider.city, provider.state, provider.postal_code)
    return rules.EntityFacts(provider.name, provider.npi, address, provider.tax_id)


def _line_facts(work: Work, claim: Claim, line: Charge) -> rules.LineFacts:
    twin = store.duplicate_of(work.session, claim, line)
    known = {code: orders.diagnosis(code) for code in line.diagnosis_codes}
    return rules.LineFacts(
        line.charge_pk,
        line.procedure_code,
        tuple(line.modifiers),
        line.side_required,
        line.units,
        line.amount_minor,
        line.service_date,
        tuple(line.diagnosis_codes),
        tuple(code for code, found in known.items() if found is None or not found.billable),
        twin.claim_number if twin else None,
    )


def _move(work: Work, claim: Claim, move: ClaimMove, reason: str | None) -> None:
    before = claim.state
    claim.state = rules.claim_moved(before, move)
    if claim.state != before:
        claim.state_changed_at = work.now()
    if claim.state != before or reason:
        claim.state_reason = reason
    work.publish(ClaimChanged(claim.claim_pk, claim.state))


def recheck(work: Work, claim_pk: int) -> Claim:
    """Looks at an unsent claim again. Raises NotFound."""
    work.require(Permission.BILLING_WRITE)
    claim = _claim(work, claim_pk)
    _scrub(work, claim_pk)
    _audit(work, claim, "U", "recheck")
    return claim


def recheck_open(
    work: Work,
    *,
    patient_pk: int | None = None,
    imaging_service_request_pk: int | None = None,
    site_pk: int | None = None,
    practitioner_pk: int | None = None,
    billing_provider_pk: int | None = None,
) -> int:
    """Looks again at the unsent claims that what changed may concern (all, without a key); returns how many."""
    work.require(Permission.BILLING_WRITE)
    conditions = []
    if patient_pk is not None:
        conditions.append(Claim.patient_pk == patient_pk)
    if imaging_service_request_pk is not None:
        conditions.append(Claim.imaging_service_request_pk == imaging_service_request_pk)
    if site_pk is not None:
        conditions.append(Claim.site_pk == site_pk)
    if practitioner_pk is not None:
        conditions.append(
            (Claim.referring_practitioner_pk == practitioner_pk)
            | (Claim.rendering_practitioner_pk == practitioner_pk)
        )
    if billing_provider_pk is not None:
        conditions.append(Claim.billing_provider_pk == billing_provider_pk)
    concerned = store.open_claims_of(work.session, *conditions)
    for claim_pk in concerned:
        _scrub(work, claim_pk)
    work.audit(
        AuditEventID.ORDER_RECORD, "U", patient_pk=patient_pk, object_type="claim", detail={"what": "recheck"}
    )
    return len(concerned)


# --- looking ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueCount:
    """A queue of the biller: claims in a state, or drafts with one need; `total_minor` cents."""

    state: str
    need: str | None
    count: int
    total_minor: int
    oldest_service_date: date | None


def queue_counts(work: Work) -> list[QueueCount]:
    """How many claims wait where, and for how much money."""
    work.require(Permission.BILLING_READ)
    work.audit(AuditEventID.QUERY, "E", object_type="claim", detail={"query": "queues"})
    return [QueueCount(*row) for row in store.queue_counts(work.session)]


@dataclass(frozen=True, slots=True)
class ClaimListRow:
    """A claim in a list."""

    claim: Claim
    bar: PatientBar
    accession_number: str
    payer_name: str | None
    procedures: list[str]
    file_by: date


def list_claims(
    work: Work,
    *,
    states: Sequence[str] = (),
    need: str | None = None,
    claim_batch_pk: int | None = None,
    accession_number: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[ClaimListRow]:
    """Claims, oldest service first, as that is what expires first."""
    work.require(Permission.BILLING_READ)
    after = None
    if cursor:
        day, pk = decode_cursor(cursor, 2)
        try:
            after = (date.fromisoformat(str(day)), int(str(pk)))
        except ValueError:
            raise Invalid(
                "The page cursor is not one of ours.", fields=[FieldError("cursor", "not valid")]
            ) from None
    limit = min(limit, limits.PAGE_ITEMS_MAX)
    rows = store.claims(
        work.session,
        states=states,
        need=need,
        claim_batch_pk=claim_batch_pk,
        accession_number=accession_number,
        after=after,
        limit=limit + 1,
    )
    work.audit(AuditEventID.QUERY, "E", object_type="claim")
    shown = rows[:limit]
    bars = patients.patient_bars(work, {row.claim.patient_pk for row in shown})
    lines = store.lines(work.session, [row.claim.claim_pk for row in shown])
    filing_days = _filing_days(work)
    items = [
        ClaimListRow(
            row.claim,
            bars[row.claim.patient_pk],
            row.accession_number,
            row.payer_name,
            [line.description for line in lines[row.claim.claim_pk]],
            rules.file_by(row.claim.service_date, filing_days),
        )
        for row in shown
    ]
    last = shown[-1].claim if len(rows) > limit else None
    return Page(items, encode_cursor(last.service_date.isoformat(), last.claim_pk) if last else None)


def _filing_days(work: Work) -> int:
    found = store.submitter(work.session)
    return found.filing_days if found else 90


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A charge with its pointers and the words of its diagnoses."""

    charge: Charge
    diagnosis_pointers: tuple[int, ...]
    diagnoses: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A whole claim with everything beside it that can be mended."""

    claim: Claim
    bar: PatientBar
    accession_number: str
    lines: list[ClaimLine]
    diagnosis_codes: tuple[str, ...]
    coverage: Coverage | None
    payer: Payer | None
    billing_provider: BillingProvider | None
    referrer: Practitioner | None
    referring_physician_name: str | None
    reader: Practitioner | None
    site: Site
    patient_address: tuple[str | None, str | None, str | None, str | None]
    file_by: date


def get_claim(work: Work, claim_pk: int) -> ClaimView:
    """A whole claim. Raises NotFound."""
    work.require(Permission.BILLING_READ)
    claim = _claim(work, claim_pk)
    _audit(work, claim, "R", "claim")
    around = store.surroundings(work.session, claim)
    lines = store.lines(work.session, [claim_pk])[claim_pk]
    codes = rules.claim_diagnoses(line.diagnosis_codes for line in lines)
    patient = around.patient
    return ClaimView(
        claim,
        patients.patient_bars(work, [claim.patient_pk])[claim.patient_pk],
        around.request.accession_number,
        [
            ClaimLine(
                line,
                rules.pointers(line.diagnosis_codes, codes),
                [(code, _words(code)) for code in line.diagnosis_codes],
            )
            for line in lines
        ],
        codes,
        around.coverage,
        around.payer,
        around.provider,
        around.referrer,
        around.request.referring_physician_name,
        around.reader,
        around.site,
        (patient.patient_address, patient.city, patient.state, patient.postal_code),
        rules.file_by(claim.service_date, _filing_days(work)),
    )


def _words(code: str) -> str:
    found = orders.diagnosis(code)
    return found.description if found else "not an ICD-10-CM code"


def list_charges(
    work: Work, *, states: Sequence[str] = (), cursor: str | None = None, limit: int = 100
) -> Page[tuple[Charge, str, str, PatientBar]]:
    """(charge, accession number, claim's state, patient), newest first."""
    work.require(Permission.BILLING_READ)
    limit = min(limit, limits.PAGE_ITEMS_MAX)
    after = int(str(decode_cursor(cursor, 1)[0])) if cursor else None
    rows = store.charges(work.session, states=states, after=after, limit=limit + 1)
    work.audit(AuditEventID.QUERY, "E", object_type="charge")
    bars = patients.patient_bars(work, {charge.patient_pk for charge, _, _ in rows[:limit]})
    items = [(charge, accession, state, bars[charge.patient_pk]) for charge, accession, state in rows[:limit]]
    return Page(items, encode_cursor(items[-1][0].charge_pk) if len(rows) > limit else None)


# --- mending ------------------------------------------------------------------------------------------------


def change_claim(work: Work, claim_pk: int, changes: Mapping[str, Any]) -> Claim:
    """Alters place of service, authorisation, referrer, or billing provider of an unsent claim. Raises Invalid, Conflict."""
    claim = _unsent(work, claim_pk)
    allowed = {"place_of_service", "prior_authorization", "referring_practitioner_pk", "billing_provider_pk"}
    if unknown := sorted(set(changes) - allowed):
        raise Invalid(
            "Some fields cannot be changed.", fields=[FieldError(name, "is fixed") for name in unknown]
        )
    for name, table in (
        ("referring_practitioner_pk", Practitioner),
        ("billing_provider_pk", BillingProvider),
    ):
        if changes.get(name) is not None and work.session.get(table, changes[name]) is None:
            raise Invalid("The claim cannot be changed so.", fields=[FieldError(name, "is not known")])
    for name, value in changes.items():
        setattr(claim, name, value)
    work.session.flush()
    _scrub(work, claim_pk)
    _audit(work, claim, "U", ",".join(sorted(changes)))
    return claim


def change_charge(work: Work, charge_pk: int, changes: Mapping[str, Any]) -> Charge:
    """Codes a charge: procedure code, modifiers, diagnoses, units, amount. Raises Invalid, NotFound, Conflict."""
    work.require(Permission.BILLING_WRITE)
    charge = work.session.get(Charge, charge_pk)
    if charge is None or charge.state == ChargeState.VOID:
        raise NotFound("No such charge.")
    claim = _unsent(work, charge.claim_pk)
    errors = [
        FieldError(name, "is fixed")
        for name in changes
        if name not in {"procedure_code", "modifiers", "diagnosis_codes", "units", "amount_minor"}
    ]
    codes = []
    for code in changes.get("diagnosis_codes", ()):
        found = orders.diagnosis(code.strip().upper())
        if found is None or not found.billable:
            errors.append(
                FieldError("diagnosis_codes", f"{code} is not an ICD-10-CM code that a claim can carry")
            )
        else:
            codes.append(found.code)
    if len(codes) > rules.DIAGNOSES_MAX:
        errors.append(FieldError("diagnosis_codes", f"at most {rules.DIAGNOSES_MAX}"))
    if not 1 <= changes.get("units", 1) <= 99:
        errors.append(FieldError("units", "1 to 99"))
    if not 0 <= changes.get("amount_minor", 0) <= 99_999_999:
        errors.append(FieldError("amount_minor", "must not be negative or beyond 999,999.99"))
    if len(changes.get("procedure_code", "")) > 5 or any(len(m) > 2 for m in changes.get("modifiers", ())):
        errors.append(FieldError("procedure_code", "five characters, modifiers two"))
    if errors:
        raise Invalid("The charge cannot be changed so.", fields=errors)
    if "diagnosis_codes" in changes:
        charge.diagnosis_codes = list(dict.fromkeys(codes))
    if "procedure_code" in changes:
        charge.procedure_code = changes["procedure_code"].strip().upper()
    if "modifiers" in changes:
        charge.modifiers = [m.strip().upper() for m in changes["modifiers"] if m.strip()]
    if "units" in changes:
        charge.units = changes["units"]
    if "amount_minor" in changes:
        charge.amount_minor, charge.amount_is_manual = changes["amount_minor"], True
    work.session.flush()
    _scrub(work, charge.claim_pk)
    _audit(work, claim, "U", ",".join(sorted(changes)))
    return charge


def set_coverage(work: Work, claim_pk: int, given: CoverageInput) -> Claim:
    """Corrects the patient's coverage and puts it on the claim; other unsent claims of the patient follow."""
    claim = _unsent(work, claim_pk)
    coverage = patients.replace_coverage(work, claim.patient_pk, given)
    claim.coverage_pk = coverage.coverage_pk
    work.session.flush()
    _audit(work, claim, "U", "coverage")
    recheck_open(work, patient_pk=claim.patient_pk)
    return claim


def change_practitioner(work: Work, practitioner_pk: int, changes: Mapping[str, str | None]) -> Practitioner:
    """Corrects a physician's NPI, taxonomy code or telephone; unsent claims that name them are looked at again."""
    work.require(Permission.BILLING_WRITE)
    npi = changes.get("npi")
    if npi and not valid_npi(npi):
        raise Invalid("This is no NPI.", fields=[FieldError("npi", "ten digits; the check digit is wrong")])
    changed = _change_practitioner(work, practitioner_pk, changes)
    recheck_open(work, practitioner_pk=practitioner_pk)
    return changed


def void_claim(work: Work, claim_pk: int, reason: str) -> Claim:
    """Takes an unsent claim and its charges off the books, with a reason. Raises Invalid, IllegalTransition."""
    work.require(Permission.BILLING_WRITE)
    if not reason.strip():
        raise Invalid("Voiding needs a reason.", fields=[FieldError("reason", "is empty")])
    claim = _claim(work, claim_pk, lock=True)
    _move(work, claim, ClaimMove.VOID, reason.strip()[:400])
    for line in store.lines(work.session, [claim_pk])[claim_pk]:
        line.state = rules.charge_moved(line.state, ChargeMove.VOID)
        line.void_reason, line.state_changed_at = reason.strip()[:400], work.now()
    claim.findings, claim.needs = [], []
    work.session.flush()
    _audit(work, claim, "U", "void")
    return claim


def correct_claim(work: Work, claim_pk: int) -> Claim:
    """Opens a rejected or denied claim for correction; it will go out again. Raises IllegalTransition."""
    work.require(Permission.BILLING_WRITE)
    claim = _claim(work, claim_pk, lock=True)
    _move(work, claim, ClaimMove.CORRECT, None)
    _release(work, claim)
    _audit(work, claim, "U", "correct")
    return claim


def _release(work: Work, claim: Claim) -> None:
    for line in store.lines(work.session, [claim.claim_pk])[claim.claim_pk]:
        line.state, line.state_changed_at = rules.charge_moved(line.state, ChargeMove.RELEASE), work.now()
    work.session.flush()
    _scrub(work, claim.claim_pk)


def _claim(work: Work, claim_pk: int, *, lock: bool = False) -> Claim:
    claim = store.claim(work.session, claim_pk, lock=lock)
    if claim is None:
        raise NotFound("No such claim.")
    return claim


def _unsent(work: Work, claim_pk: int) -> Claim:
    work.require(Permission.BILLING_WRITE)
    claim = _claim(work, claim_pk, lock=True)
    if ClaimState(claim.state) not in rules.OPEN_CLAIMS:
        raise Conflict(f"The claim is {claim.state}; what was put into a file is no longer changed.")
    return claim


def _audit(work: Work, claim: Claim, action: str, what: str) -> None:
    work.audit(
        AuditEventID.ORDER_RECORD,
        action,
        patient_pk=claim.patient_pk,
        object_type="claim",
        object_id=claim.claim_pk,
        detail={"what": what[:200]},
    )


# --- files --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A file that was made, and claims that could not go into it, with why."""

    batch: ClaimBatch | None
    refused: list[tuple[Claim, str]]


def make_batch(work: Work, claim_pks: Sequence[int] | None = None) -> BatchResult:
    """Puts ready claims (those named, or all) into one 837P file with a control number of its own.

    Each is checked once more; one that fails goes back to its queue and the others go on. Raises Conflict where none
    is ready.
    """
    work.require(Permission.BILLING_WRITE)
    setting = store.submitter(work.session)
    if setting is None:
        raise Conflict("Who hands claims in is not set up yet.")
    claims = store.ready_claims(work.session, claim_pks, limits.CLAIMS_PER_FILE_MAX)
    refused: list[tuple[Claim, str]] = []
    good: list[tuple[Claim, document.ProfessionalClaim]] = []
    for claim in claims:
        if findings := _scrub(work, claim.claim_pk):
            refused.append((claim, findings[0].text))
            continue
        try:
            written = _document(work, claim)
            document.transaction(_submitter(setting), [written], "0", work.now())
        except X12Error as error:
            claim.findings = [
                {"need": Need.CODING.value, "field": "837", "text": str(error), "charge_pk": None}
            ]
            claim.needs = [Need.CODING.value]
            _move(work, claim, ClaimMove.SCRUB_FAIL, None)
            refused.append((claim, str(error)))
            continue
        good.append((claim, written))
    if not good:
        work.audit(AuditEventID.ORDER_RECORD, "U", object_type="claim", detail={"what": "no claim ready"})
        if refused:
            return BatchResult(None, refused)
        raise Conflict("No claim is ready.")
    number = store.next_control_number(work.session)
    content = _interchange(work, setting, [written for _, written in good], number)
    batch = ClaimBatch(
        interchange_control_number=number,
        content=content.encode("ascii"),
        claim_count=len(good),
        total_minor=sum(claim.total_minor for claim, _ in good),
        usage_indicator=setting.usage_indicator,
        created_at=work.now(),
        created_by=work.actor.username[:64],
    )
    work.session.add(batch)
    work.session.flush()
    for claim, _ in good:
        claim.claim_batch_pk = batch.claim_batch_pk
        _move(work, claim, ClaimMove.BATCH, None)
        for line in store.lines(work.session, [claim.claim_pk])[claim.claim_pk]:
            line.state, line.state_changed_at = rules.charge_moved(line.state, ChargeMove.CLAIM), work.now()
    work.session.flush()
    work.audit(
        AuditEventID.ORDER_RECORD,
        "C",
        object_type="claim_batch",
        object_id=batch.claim_batch_pk,
        detail={"claims": str(len(good))},
    )
    work.publish(ClaimBatchChanged(batch.claim_batch_pk))
    return BatchResult(batch, refused)


def preview(work: Work, claim_pk: int) -> str:
    """The claim as an 837P file of its own, marked as a test, for looking at. Raises Invalid with what it lacks."""
    work.require(Permission.BILLING_READ)
    claim = _claim(work, claim_pk)
    setting = store.submitter(work.session)
    if setting is None:
        raise Conflict("Who hands claims in is not set up yet.")
    work.audit(AuditEventID.EXPORT, "R", patient_pk=claim.patient_pk, object_type="claim", object_id=claim_pk)
    if claim.findings:
        raise Invalid(
            "The claim cannot be written yet.",
            fields=[FieldError(one["field"], one["text"]) for one in claim.findings],
        )
    try:
        return _interchange(work, setting, [_document(work, claim)], 1, usage_indicator="T")
    except X12Error as error:
        raise Invalid("The claim cannot be written.", fields=[FieldError("837", str(error))]) from error


def batches(work: Work, *, limit: int = 100) -> list[ClaimBatch]:
    """Files, newest first."""
    work.require(Permission.BILLING_READ)
    work.audit(AuditEventID.QUERY, "E", object_type="claim_batch")
    return store.batches(work.session, min(limit, limits.PAGE_ITEMS_MAX))


def batch_file(work: Work, claim_batch_pk: int) -> tuple[str, bytes]:
    """(file name, content) of a file, exactly as it was made. The export is audited. Raises NotFound."""
    work.require(Permission.BILLING_WRITE)
    batch = work.session.scalar(
        select(ClaimBatch)
        .where(ClaimBatch.claim_batch_pk == claim_batch_pk)
        .options(undefer(ClaimBatch.content))
    )
    if batch is None:
        raise NotFound("No such file.")
    work.audit(AuditEventID.EXPORT, "R", object_type="claim_batch", object_id=claim_batch_pk)
    return f"837P-{batch.interchange_control_number:09}.edi", batch.content


def mark_sent(work: Work, claim_batch_pk: int) -> ClaimBatch:
    """Records that the file was handed in to the clearing house. Raises IllegalTransition."""
    batch = _batch(work, claim_batch_pk)
    if batch.sent_at is not None:
        raise Conflict("This file was handed in already.")
    batch.sent_at, batch.sent_by = work.now(), work.actor.username[:64]
    _move_all(work, claim_batch_pk, ClaimMove.SEND)
    work.audit(AuditEventID.EXPORT, "E", object_type="claim_batch", object_id=claim_batch_pk)
    work.publish(ClaimBatchChanged(claim_batch_pk))
    return batch


def unmake_batch(work: Work, claim_batch_pk: int) -> ClaimBatch:
    """Takes the claims out of a file that was not handed in; the file is kept, its number is not used again."""
    batch = _batch(work, claim_batch_pk)
    if batch.sent_at is not None:
        raise Conflict("This file was handed in; its claims can no longer be taken out.")
    for claim in _move_all(work, claim_batch_pk, ClaimMove.UNBATCH):
        claim.claim_batch_pk = None
        work.session.flush()
        _release(work, claim)
    work.audit(AuditEventID.ORDER_RECORD, "U", object_type="claim_batch", object_id=claim_batch_pk)
    work.publish(ClaimBatchChanged(claim_batch_pk))
    return batch


def _batch(work: Work, claim_batch_pk: int) -> ClaimBatch:
    work.require(Permission.BILLING_WRITE)
    batch = store.batch(work.session, claim_batch_pk, lock=True)
    if batch is None:
        raise NotFound("No such file.")
    return batch


def _move_all(work: Work, claim_batch_pk: int, move: ClaimMove) -> list[Claim]:
    claims = list(
        work.session.scalars(select(Claim).where(Claim.claim_batch_pk == claim_batch_pk).with_for_update())
    )
    for claim in claims:
        _move(work, claim, move, None)
    work.session.flush()
    return claims


def _interchange(
    work: Work,
    setting: ClaimSubmitter,
    claims: Sequence[document.ProfessionalClaim],
    number: int,
    usage_indicator: str | None = None,
) -> str:
    envelope = Envelope(
        setting.sender_qualifier,
        setting.sender_id,
        setting.receiver_qualifier,
        setting.receiver_id,
        usage_indicator or setting.usage_indicator,
        number,
        work.now(),
    )
    tree = document.transaction(_submitter(setting), claims, str(number), work.now())
    return write_interchange(document.GUIDE, envelope, [tree])


def _submitter(setting: ClaimSubmitter) -> document.Submitter:
    return document.Submitter(
        setting.name,
        setting.sender_id,
        setting.contact_name,
        setting.contact_phone,
        setting.receiver_name,
        setting.receiver_id,
    )


def _document(work: Work, claim: Claim) -> document.ProfessionalClaim:
    around = store.surroundings(work.session, claim)
    coverage, payer, provider, patient, site = (
        around.coverage, around.payer, around.provider, around.patient, around.site
    )  # fmt: skip
    if coverage is None or payer is None or provider is None:
        raise X12Error("coverage or billing provider is missing")
    lines = store.lines(work.session, [claim.claim_pk])[claim.claim_pk]
    codes = rules.claim_diagnoses(line.diagnosis_codes for line in lines)
    home = document.Address(
        patient.patient_address or "",
        patient.city or "",
        (patient.state or "").upper(),
        patient.postal_code or "",
    )
    own = coverage.relationship == "self"
    subscriber_name = patient.patient_name if own else coverage.subscriber_name or ""
    facility = None
    if rules.service_facility_needed(
        rules.EntityFacts(site.institution_name, site.npi, rules.AddressFacts(None, None, None, None)),
        _entity_facts(provider),
    ):
        facility = document.Organization(site.institution_name, site.npi or "", _address(site))
    reader = None if claim.component == Component.TECHNICAL else around.reader
    return document.ProfessionalClaim(
        claim_number=claim.claim_number,
        total_minor=claim.total_minor,
        place_of_service=claim.place_of_service,
        frequency_code=claim.frequency_code,
        billing_provider=document.Organization(
            provider.name,
            provider.npi or "",
            _address(provider),
            provider.tax_id or "",
            provider.taxonomy_code or "",
        ),
        payer=document.Organization(
            payer.name,
            payer.payer_id,
            _address(payer) if payer.address_line and payer.city and payer.state else None,
        ),
        claim_filing_indicator_code=payer.claim_filing_indicator_code,
        payer_responsibility={1: "P", 2: "S", 3: "T"}[coverage.priority],
        group_number=coverage.group_number or "",
        plan_name=coverage.plan_name or "",
        relationship=coverage.relationship,
        subscriber=document.Person(
            subscriber_name,
            coverage.member_id,
            home,
            patient.patient_birth_date if own else coverage.subscriber_birth_date,
            patient.patient_sex if own else coverage.subscriber_sex,
        ),
        patient=document.Person(
            patient.patient_name, "", home, patient.patient_birth_date, patient.patient_sex
        ),
        diagnoses=codes,
        lines=tuple(
            document.ServiceLine(
                line.procedure_code,
                tuple(line.modifiers),
                line.amount_minor,
                line.units,
                line.service_date,
                rules.pointers(line.diagnosis_codes, codes),
                f"{claim.claim_number}L{number}",
            )
            for number, line in enumerate(lines, 1)
        ),
        referring=_physician(around.referrer),
        rendering=_physician(reader),
        service_facility=facility,
        prior_authorization=claim.prior_authorization or "",
    )


def _address(party: Site | BillingProvider | Payer) -> document.Address:
    return document.Address(
        party.address_line or "", party.city or "", (party.state or "").upper(), party.postal_code or ""
    )


def _physician(person: Practitioner | None) -> document.Person | None:
    if person is None:
        return None
    return document.Person(person.person_name, person.npi or "", taxonomy_code=person.taxonomy_code or "")


# --- settings -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProviderInput:
    """A billing entity."""

    name: str
    npi: str | None = None
    tax_id: str | None = None
    taxonomy_code: str | None = None
    address_line: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class SubmitterInput:
    """Who hands files in, and to whom."""

    name: str
    sender_id: str
    contact_name: str
    contact_phone: str
    receiver_name: str
    receiver_id: str
    sender_qualifier: str = "ZZ"
    receiver_qualifier: str = "ZZ"
    usage_indicator: str = "T"
    filing_days: int = 90


def providers(work: Work) -> list[BillingProvider]:
    """Billing entities by name."""
    work.require(Permission.BILLING_READ)
    return list(work.session.scalars(select(BillingProvider).order_by(BillingProvider.name)))


def save_provider(
    work: Work, given: ProviderInput, billing_provider_pk: int | None = None
) -> BillingProvider:
    """Makes or alters a billing entity; its unsent claims are looked at again. Raises Invalid, NotFound, Conflict."""
    work.require(Permission.BILLING_WRITE, Permission.CONFIG_WRITE)
    errors = []
    if not given.name.strip():
        errors.append(FieldError("name", "is empty"))
    if given.npi and not valid_npi(given.npi):
        errors.append(FieldError("npi", "ten digits; the check digit is wrong"))
    if errors:
        raise Invalid("The billing provider is not right.", fields=errors)
    taken = work.session.scalar(select(BillingProvider).where(BillingProvider.name == given.name.strip()))
    if taken is not None and taken.billing_provider_pk != billing_provider_pk:
        raise Conflict(
            "A billing provider of this name exists.", fields=[FieldError("name", "already taken")]
        )
    provider = (
        BillingProvider()
        if billing_provider_pk is None
        else work.session.get(BillingProvider, billing_provider_pk)
    )
    if provider is None:
        raise NotFound("No such billing provider.")
    for f in fields(given):
        value = getattr(given, f.name)
        setattr(provider, f.name, value.strip() or None if isinstance(value, str) else value)
    work.session.add(provider)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if billing_provider_pk is None else "U",
        object_type="billing_provider",
        object_id=provider.billing_provider_pk,
    )
    _recheck_as_system(work, billing_provider_pk=provider.billing_provider_pk)
    return provider


def _recheck_as_system(work: Work, **keys: int) -> None:
    """After a change of settings; an administrator who made it need not be a biller."""
    if work.actor.may(Permission.BILLING_WRITE):
        recheck_open(work, **keys)


def site_billings(work: Work) -> list[tuple[Site, SiteBilling | None]]:
    """Every site with who bills for it."""
    work.require(Permission.BILLING_READ)
    return [
        (row[0], row[1])
        for row in work.session.execute(
            select(Site, SiteBilling)
            .outerjoin(SiteBilling, SiteBilling.site_pk == Site.site_pk)
            .order_by(Site.code)
        )
    ]


def set_site_billing(
    work: Work,
    site_pk: int,
    technical_billing_provider_pk: int | None,
    professional_billing_provider_pk: int | None,
) -> SiteBilling:
    """Says who bills for a site; unsent claims that have nobody get them. Raises NotFound, Invalid."""
    work.require(Permission.BILLING_WRITE, Permission.CONFIG_WRITE)
    if work.session.get(Site, site_pk) is None:
        raise NotFound("No such site.")
    for name, pk in (
        ("technical_billing_provider_pk", technical_billing_provider_pk),
        ("professional_billing_provider_pk", professional_billing_provider_pk),
    ):
        if pk is not None and work.session.get(BillingProvider, pk) is None:
            raise Invalid("No such billing provider.", fields=[FieldError(name, "is not known")])
    setting = store.site_billing(work.session, site_pk) or SiteBilling(site_pk=site_pk)
    setting.technical_billing_provider_pk = technical_billing_provider_pk
    setting.professional_billing_provider_pk = professional_billing_provider_pk
    work.session.add(setting)
    work.session.flush()
    for pk in store.open_claims_of(
        work.session, Claim.site_pk == site_pk, Claim.billing_provider_pk.is_(None)
    ):
        claim = _claim(work, pk, lock=True)
        professional = claim.component == Component.PROFESSIONAL
        claim.billing_provider_pk = (
            professional_billing_provider_pk if professional else technical_billing_provider_pk
        )
    work.session.flush()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="site_billing", object_id=site_pk)
    _recheck_as_system(work, site_pk=site_pk)
    return setting


def submitter(work: Work) -> ClaimSubmitter | None:
    """Who hands files in; None until set up."""
    work.require(Permission.BILLING_READ)
    return store.submitter(work.session)


def save_submitter(work: Work, given: SubmitterInput) -> ClaimSubmitter:
    """Sets up who hands files in, and to whom. Raises Invalid."""
    work.require(Permission.BILLING_WRITE, Permission.CONFIG_WRITE)
    values = {f.name: getattr(given, f.name) for f in fields(given)}
    errors = [
        FieldError(name, "is empty or holds characters that X12 has not")
        for name in ("name", "sender_id", "contact_name", "receiver_name", "receiver_id")
        if not (clean(values[name]) or "").strip() or set(values[name]) & set("*~:^")
    ]
    checks: list[tuple[str, Callable[[Any], bool], str]] = [
        ("sender_id", lambda v: 2 <= len(v) <= 15, "2 to 15 characters"),
        ("receiver_id", lambda v: 2 <= len(v) <= 15, "2 to 15 characters"),
        ("contact_phone", lambda v: sum(c.isdecimal() for c in v) == 10, "ten digits"),
        ("usage_indicator", lambda v: v in {"T", "P"}, "T (test) or P (production)"),
        ("sender_qualifier", lambda v: len(v) == 2, "two characters, e.g. ZZ"),
        ("receiver_qualifier", lambda v: len(v) == 2, "two characters, e.g. ZZ"),
        ("filing_days", lambda v: 1 <= v <= 3650, "1 to 3650 days"),
    ]
    errors += [FieldError(name, reason) for name, fits, reason in checks if not fits(values[name])]
    if errors:
        raise Invalid("The submitter is not right.", fields=errors)
    setting = store.submitter(work.session) or ClaimSubmitter(claim_submitter_pk=1)
    for name, value in values.items():
        setattr(setting, name, value.strip() if isinstance(value, str) else value)
    work.session.add(setting)
    work.session.flush()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="claim_submitter", object_id=1)
    _recheck_as_system(work)
    return setting


def fees(work: Work) -> list[tuple[ProcedureFee, str | None]]:
    """The fee schedule with payers' names, by code."""
    work.require(Permission.BILLING_READ)
    return [
        (row[0], row[1])
        for row in work.session.execute(
            select(ProcedureFee, Payer.name)
            .outerjoin(Payer, Payer.payer_pk == ProcedureFee.payer_pk)
            .order_by(ProcedureFee.procedure_code, ProcedureFee.modifier, Payer.name)
        )
    ]


def set_fee(
    work: Work, procedure_code: str, modifier: str, amount_minor: int, payer_pk: int | None = None
) -> ProcedureFee:
    """Sets the fee of a code for everybody, or for one payer; unsent claims are priced anew. Raises Invalid."""
    work.require(Permission.BILLING_WRITE)
    errors = []
    code = procedure_code.strip().upper()
    if len(code) != 5 or not code.isalnum():
        errors.append(FieldError("procedure_code", "five characters"))
    if modifier not in {"", "TC", "26"}:
        errors.append(FieldError("modifier", "empty, TC or 26"))
    if not 0 < amount_minor <= 99_999_999:
        errors.append(FieldError("amount_minor", "above 0, at most 999,999.99"))
    if payer_pk is not None and work.session.get(Payer, payer_pk) is None:
        errors.append(FieldError("payer_pk", "no such payer"))
    if errors:
        raise Invalid("The fee is not right.", fields=errors)
    same_payer = ProcedureFee.payer_pk.is_(None) if payer_pk is None else ProcedureFee.payer_pk == payer_pk
    found = work.session.scalar(
        select(ProcedureFee).where(
            ProcedureFee.procedure_code == code, ProcedureFee.modifier == modifier, same_payer
        )
    ) or ProcedureFee(procedure_code=code, modifier=modifier, payer_pk=payer_pk)
    found.amount_minor = amount_minor
    work.session.add(found)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY, "U", object_type="procedure_fee", object_id=found.procedure_fee_pk
    )
    recheck_open(work)
    return found


def remove_fee(work: Work, procedure_fee_pk: int) -> None:
    """Removes a fee; unsent claims are priced anew. Raises NotFound."""
    work.require(Permission.BILLING_WRITE)
    found = work.session.get(ProcedureFee, procedure_fee_pk)
    if found is None:
        raise NotFound("No such fee.")
    work.session.delete(found)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY, "D", object_type="procedure_fee", object_id=procedure_fee_pk
    )
    recheck_open(work)
