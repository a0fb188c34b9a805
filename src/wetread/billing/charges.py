"""Charges out of what was done and read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from wetread.billing import rules, store
from wetread.billing.claims import reopen
from wetread.billing.model import (
    Charge,
    ChargeState,
    Claim,
    ClaimState,
    Component,
)
from wetread.billing.rules import ChargeMove, ClaimMove
from wetread.billing.scrubber import audit_claim, scrub, unsent_claim
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.failpoints import failpoint
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.orders import service as orders
from wetread.patients import service as patients
from wetread.patients.service import PatientBar
from wetread.security.service import AuditEventID, Permission, Work

_NOT_DONE = "The procedure is not completed"
_DISCONTINUED = "The procedure was discontinued"
_COMPLETED = "The procedure was completed"
_FELL_AWAY = frozenset({_NOT_DONE, _DISCONTINUED, _COMPLETED})
_ELSEWHERE = frozenset({ClaimState.BATCHED, ClaimState.SENT, ClaimState.ACCEPTED, ClaimState.VOID})


def procedure_changed(work: Work, requested_procedure_pk: int) -> list[Charge]:
    """Brings the charges of a procedure in line with its state and its report. Idempotent.

    Completed: the components that are due are charged, each once; the reading once the report is final. Begun and
    discontinued: the same, with the modifier that says so and without a price, so that a person decides. Neither, or no
    longer: what is not yet in a file is voided, and what a payer has answered is replaced or voided there.
    """
    work.require(Permission.BILLING_WRITE)
    patients.hold_patients(work, store.patient_of_procedure(requested_procedure_pk))
    done = store.performed(work.session, requested_procedure_pk)
    if done is None:
        return []
    store.lock_open_claims(work.session, done.request.imaging_service_request_pk)
    standing = store.charges_of_procedure(work.session, requested_procedure_pk)
    work.audit(
        AuditEventID.ORDER_RECORD,
        "U",
        patient_pk=done.request.patient_pk,
        object_type="charge",
        object_id=requested_procedure_pk,
        detail={"what": "charges", "state": done.requested.state},
    )
    if done.requested.state not in {"COMPLETED", "DISCONTINUED"}:
        # What has charges and is under way was completed, and that was taken back.
        _void_charges(work, standing, _NOT_DONE)
        return []
    discontinued = done.requested.state == "DISCONTINUED"
    other_outcome = [
        one for one in standing if rules.of_another_outcome(one.modifiers, discontinued=discontinued)
    ]
    if other_outcome:
        _void_charges(
            work,
            other_outcome,
            _DISCONTINUED if discontinued else _COMPLETED,
        )
        standing = [one for one in standing if one not in other_outcome]
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
        scrub(work, claim_pk)
    return made


def report_final(work: Work, report_pk: int) -> None:
    """A report became final: the reading of its procedures is charged, with who read them."""
    work.require(Permission.BILLING_WRITE)
    for requested_procedure_pk in store.procedures_of_report(work.session, report_pk):
        procedure_changed(work, requested_procedure_pk)
    work.audit(AuditEventID.ORDER_RECORD, "R", object_type="report", object_id=report_pk)


def _charge(work: Work, done: store.Performed, component: Component, reader_pk: int | None) -> Charge:
    place = done.site.place_of_service
    discontinued = None
    if done.requested.state == "DISCONTINUED":
        discontinued = rules.discontinued_modifier(component, place)
    begun_at = store.begun_at(work.session, done.requested.requested_procedure_pk)
    served_at = rules.served_at(begun_at, done.requested.state_changed_at)
    day = served_at.astimezone(ZoneInfo(done.site.time_zone)).date()
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
        modifiers=rules.modifiers(component, done.requested.laterality, discontinued),
        side_required=done.procedure.laterality_required,
        service_date=day,
        diagnosis_codes=list(done.requested.diagnosis_codes),
        rendering_practitioner_pk=reader,
        created_at=work.now(),
        state_changed_at=work.now(),
    )
    work.session.add(charge)
    work.session.flush()
    failpoint("billing.charged")
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
    scrub(work, claim.claim_pk)


def fell_away(charge: Charge) -> bool:
    """Whether a charge was voided because of what became of its procedure, and not by a person."""
    return charge.void_reason in _FELL_AWAY


def charge_procedures(work: Work, requested_procedure_pks: Iterable[int]) -> None:
    """`procedure_changed` for several, by ascending key."""
    for requested_procedure_pk in sorted(requested_procedure_pks):
        procedure_changed(work, requested_procedure_pk)


def charge_again(work: Work, claim_pks: Collection[int]) -> None:
    """Brings claims that come back, from their file or from the payer, in line with what became of their procedures
    while nothing could be done about them."""
    charge_procedures(work, store.procedures_of_claims(work.session, claim_pks))


def lock_procedures_of(work: Work, claim_pks: Collection[int]) -> None:
    """Who holds claims and may come to charge their procedures locks those first, as everybody does."""
    store.lock_procedures(work.session, store.procedures_of_claims(work.session, claim_pks))


def _void_charges(work: Work, charges: Sequence[Charge], reason: str) -> None:
    for claim_pk in sorted({charge.claim_pk for charge in charges}):
        _fall_away(work, claim_pk, {charge.charge_pk for charge in charges}, reason)


def _fall_away(work: Work, claim_pk: int, charge_pks: Collection[int], reason: str) -> None:
    """Takes charges off a claim. What the payer has in its books leaves them by a replacement, or by a void where nothing
    is left; what is with the payer, or in a file, waits until it comes back."""
    claim = store.claim(work.session, claim_pk, lock=True)
    assert claim is not None
    lines = store.lines(work.session, [claim_pk])[claim_pk]
    for line in lines:
        work.session.refresh(line)  # as it is now that nobody else can change it
    falling = [line for line in lines if line.charge_pk in charge_pks and line.state != ChargeState.VOID]
    state = ClaimState(claim.state)
    if not falling or state in _ELSEWHERE:
        return
    if claim.frequency_code == rules.VOIDING:
        return  # it is on its way out of the payer's books with all its lines
    if state is ClaimState.REJECTED:
        reopen(work, claim, ClaimMove.CORRECT, None)
    at_payer = state in (ClaimState.DENIED, ClaimState.PAID) or claim.frequency_code == rules.REPLACEMENT
    if at_payer and len(falling) == len(lines):
        # A void says again what was claimed: the lines stay on it until the payer has taken it back.
        for line in falling:
            line.void_reason = reason
        reopen(work, claim, ClaimMove.WITHDRAW, reason)
        audit_claim(work, claim, "U", "void at the payer")
        return
    if at_payer and state not in rules.OPEN_CLAIMS:
        reopen(work, claim, ClaimMove.CORRECT, reason)
        audit_claim(work, claim, "U", "replace at the payer")
    for line in falling:
        line.state = rules.charge_moved(line.state, ChargeMove.VOID)
        line.void_reason, line.state_changed_at = reason, work.now()
    work.session.flush()
    scrub(work, claim_pk)


def change_charge(work: Work, charge_pk: int, changes: Mapping[str, Any]) -> Charge:
    """Codes a charge: procedure code, modifiers, diagnoses, units, amount. Raises Invalid, NotFound, Conflict."""
    work.require(Permission.BILLING_WRITE)
    charge = work.session.get(Charge, charge_pk)
    if charge is None or charge.state == ChargeState.VOID:
        raise NotFound("No such charge.")
    claim = unsent_claim(work, charge.claim_pk)
    work.session.refresh(charge)  # as it is now that nobody else can change it
    if charge.state == ChargeState.VOID or charge.claim_pk != claim.claim_pk:
        raise Conflict("The charge was changed a moment ago. Look at it again.")
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
    scrub(work, charge.claim_pk)
    audit_claim(work, claim, "U", ",".join(sorted(changes)))
    return charge


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
