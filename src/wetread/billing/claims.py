"""Claims: looking at them, mending them, taking them off the books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from wetread.billing import rules, store
from wetread.billing.model import (
    BillingProvider,
    Charge,
    ChargeState,
    Claim,
    ClaimState,
)
from wetread.billing.rules import ChargeMove, ClaimMove
from wetread.billing.scrubber import audit_claim, find_claim, move_claim, recheck_open, scrub, unsent_claim
from wetread.billing.x12 import clean
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.orders import service as orders
from wetread.patients import service as patients
from wetread.patients.model import Coverage, Payer
from wetread.patients.service import CoverageInput, PatientBar
from wetread.security.model import Practitioner, Site
from wetread.security.service import AuditEventID, Permission, Work
from wetread.security.service import change_practitioner as _change_practitioner


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
    claim = find_claim(work, claim_pk)
    audit_claim(work, claim, "R", "claim")
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


def change_claim(work: Work, claim_pk: int, changes: Mapping[str, Any]) -> Claim:
    """Alters place of service, authorisation, referrer, or billing provider of an unsent claim. Raises Invalid, Conflict."""
    claim = unsent_claim(work, claim_pk)
    allowed = {
        "place_of_service",
        "prior_authorization",
        "referring_practitioner_pk",
        "billing_provider_pk",
        "payer_claim_control_number",
    }
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
    if changes.get("payer_claim_control_number"):
        changes = {
            **changes,
            "payer_claim_control_number": payers_number(changes["payer_claim_control_number"]),
        }
    for name, value in changes.items():
        setattr(claim, name, value)
    work.session.flush()
    scrub(work, claim_pk)
    audit_claim(work, claim, "U", ",".join(sorted(changes)))
    return claim


def set_coverage(work: Work, claim_pk: int, given: CoverageInput) -> Claim:
    """Corrects the patient's coverage and puts it on the claim; other unsent claims of the patient follow."""
    claim = unsent_claim(work, claim_pk)
    coverage = patients.replace_coverage(work, claim.patient_pk, given)
    claim.coverage_pk = coverage.coverage_pk
    work.session.flush()
    audit_claim(work, claim, "U", "coverage")
    recheck_open(work, patient_pk=claim.patient_pk)
    return claim


def change_practitioner(work: Work, practitioner_pk: int, changes: Mapping[str, str | None]) -> Practitioner:
    """Corrects a physician's NPI, taxonomy code or telephone; unsent claims that name them are looked at again."""
    work.require(Permission.BILLING_WRITE)
    changed = _change_practitioner(work, practitioner_pk, changes)
    recheck_open(work, practitioner_pk=practitioner_pk)
    return changed


def void_claim(work: Work, claim_pk: int, reason: str) -> Claim:
    """Takes an unsent claim and its charges off the books, with a reason. What the payer has taken stands in its books
    too: a void of it goes out, and the claim is off ours once the payer says so. Raises Invalid, Conflict,
    IllegalTransition."""
    work.require(Permission.BILLING_WRITE)
    if not reason.strip():
        raise Invalid("Voiding needs a reason.", fields=[FieldError("reason", "is empty")])
    claim = find_claim(work, claim_pk, lock=True)
    lines = store.lines(work.session, [claim_pk])[claim_pk]
    is_open = ClaimState(claim.state) in rules.OPEN_CLAIMS
    if is_open and claim.frequency_code == rules.VOIDING:
        raise Conflict("The void of this claim waits for its file already.")
    if claim.state in (ClaimState.DENIED, ClaimState.PAID) or (
        is_open and claim.frequency_code == rules.REPLACEMENT
    ):
        for line in lines:
            line.void_reason = reason.strip()[:400]
        claim.withdrawn_state, claim.withdrawn_frequency_code = claim.state, claim.frequency_code
        claim.withdrawn_batch_pk = claim.claim_batch_pk
        reopen(work, claim, ClaimMove.WITHDRAW, reason.strip()[:400])
        audit_claim(work, claim, "U", "void at the payer")
        return claim
    move_claim(work, claim, ClaimMove.VOID, reason.strip()[:400])
    for line in lines:
        line.void_reason = reason.strip()[:400]
    off_the_books(work, claim, lines)
    audit_claim(work, claim, "U", "void")
    return claim


def off_the_books(work: Work, claim: Claim, lines: Sequence[Charge]) -> None:
    """Voids the charges of a claim that is void."""
    for line in lines:
        if line.state == ChargeState.CLAIMED:
            line.state = rules.charge_moved(line.state, ChargeMove.RELEASE)
        line.state, line.state_changed_at = rules.charge_moved(line.state, ChargeMove.VOID), work.now()
    claim.findings, claim.needs = [], []
    work.session.flush()


def reopen(work: Work, claim: Claim, move: ClaimMove, reason: str | None) -> None:
    """Opens a locked claim for another way out: CORRECT or WITHDRAW. Raises IllegalTransition."""
    frequency_code = rules.frequency_after(claim.state, claim.frequency_code, move)
    move_claim(work, claim, move, reason)
    claim.frequency_code = frequency_code
    release_charges(work, claim)


def payers_number(text: str) -> str | None:
    """A payer's number of a claim as a claim can carry it. Raises Invalid."""
    number = text.strip()
    if clean(number, 50) != number:
        raise Invalid(
            "The payer's number cannot be written in a claim.",
            fields=[FieldError("payer_claim_control_number", "at most 50 characters of X12's set")],
        )
    return number or None


def release_charges(work: Work, claim: Claim) -> None:
    """Makes the charges of a claim changeable again, and looks at it."""
    for line in store.lines(work.session, [claim.claim_pk])[claim.claim_pk]:
        if line.state != ChargeState.CLAIMED:
            continue
        line.state, line.state_changed_at = rules.charge_moved(line.state, ChargeMove.RELEASE), work.now()
    work.session.flush()
    scrub(work, claim.claim_pk)
