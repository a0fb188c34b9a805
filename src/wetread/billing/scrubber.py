"""The scrubber: prices and checks unsent claims, and moves them to the queue where a person can mend them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from wetread.billing import rules, store
from wetread.billing.events import ClaimChanged
from wetread.billing.model import (
    BillingProvider,
    Charge,
    Claim,
    ClaimState,
    Component,
)
from wetread.billing.rules import ChargeMove, ClaimMove, Finding
from wetread.kit.errors import Conflict, NotFound
from wetread.orders import service as orders
from wetread.patients.model import Payer
from wetread.security.model import Practitioner
from wetread.security.service import AuditEventID, Permission, Work


def scrub(work: Work, claim_pk: int) -> list[Finding]:
    """Prices, adds up and checks an unsent claim, and moves it and its charges accordingly."""
    claim = store.claim(work.session, claim_pk, lock=True)
    if claim is None or ClaimState(claim.state) not in rules.OPEN_CLAIMS:
        return []
    lines = store.lines(work.session, [claim_pk])[claim_pk]
    if not lines:
        move_claim(work, claim, ClaimMove.VOID, "No charge is left on it")
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
    # Why it is taken back from the payer is for whoever hands it in.
    why = claim.state_reason if claim.frequency_code == rules.VOIDING else None
    move_claim(work, claim, verdict, why)
    for line in lines:
        after = rules.charge_moved(line.state, ChargeMove[verdict.name])
        if after != line.state:
            line.state, line.state_changed_at = after, work.now()
    work.session.flush()
    return findings


def _price(work: Work, line: Charge, payer: Payer | None) -> None:
    if line.amount_is_manual or not line.procedure_code:
        return
    if rules.DISCONTINUED & set(line.modifiers):
        line.amount_minor = 0  # the schedule knows whole procedures; a person says how much of it was done
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
        billing_provider=entity_facts(around.provider),
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


def entity_facts(provider: BillingProvider | None) -> rules.EntityFacts | None:
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


def move_claim(work: Work, claim: Claim, move: ClaimMove, reason: str | None) -> None:
    before = claim.state
    claim.state = rules.claim_moved(before, move)
    if claim.state != before:
        claim.state_changed_at = work.now()
    if claim.state != before or reason:
        claim.state_reason = reason
    work.publish(ClaimChanged(claim.claim_pk, claim.state))


def find_claim(work: Work, claim_pk: int, *, lock: bool = False) -> Claim:
    claim = store.claim(work.session, claim_pk, lock=lock)
    if claim is None:
        raise NotFound("No such claim.")
    return claim


def unsent_claim(work: Work, claim_pk: int) -> Claim:
    work.require(Permission.BILLING_WRITE)
    claim = find_claim(work, claim_pk, lock=True)
    if ClaimState(claim.state) not in rules.OPEN_CLAIMS:
        raise Conflict(f"The claim is {claim.state}; what was put into a file is no longer changed.")
    if claim.frequency_code == rules.VOIDING and not claim.findings:
        raise Conflict("A void says again what was claimed; it is not changed.")
    return claim


def audit_claim(work: Work, claim: Claim, action: str, what: str) -> None:
    work.audit(
        AuditEventID.ORDER_RECORD,
        action,
        patient_pk=claim.patient_pk,
        object_type="claim",
        object_id=claim.claim_pk,
        detail={"what": what[:200]},
    )


def recheck(work: Work, claim_pk: int) -> Claim:
    """Looks at an unsent claim again. Raises NotFound."""
    work.require(Permission.BILLING_WRITE)
    claim = find_claim(work, claim_pk)
    scrub(work, claim_pk)
    audit_claim(work, claim, "U", "recheck")
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
        scrub(work, claim_pk)
    work.audit(
        AuditEventID.ORDER_RECORD, "U", patient_pk=patient_pk, object_type="claim", detail={"what": "recheck"}
    )
    return len(concerned)
