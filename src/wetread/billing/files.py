"""Claims put into 837P files, and what became of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import undefer

from wetread.billing import professional_claim as document
from wetread.billing import rules, store
from wetread.billing.charges import charge_again, lock_procedures_of
from wetread.billing.claims import release_charges
from wetread.billing.events import ClaimBatchChanged
from wetread.billing.model import (
    BillingProvider,
    Claim,
    ClaimBatch,
    ClaimSubmitter,
    Component,
)
from wetread.billing.rules import ChargeMove, ClaimMove, Need
from wetread.billing.scrubber import entity_facts, find_claim, move_claim, scrub
from wetread.billing.x12 import Envelope, X12Error, write_interchange
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.patients.model import Payer
from wetread.security.model import Practitioner, Site
from wetread.security.service import AuditEventID, Permission, Work


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
        if findings := scrub(work, claim.claim_pk):
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
            move_claim(work, claim, ClaimMove.SCRUB_FAIL, None)
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
        move_claim(work, claim, ClaimMove.BATCH, None)
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
    claim = find_claim(work, claim_pk)
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
    inside = list(work.session.scalars(select(Claim.claim_pk).where(Claim.claim_batch_pk == claim_batch_pk)))
    lock_procedures_of(work, inside)
    for claim in _move_all(work, claim_batch_pk, ClaimMove.UNBATCH):
        claim.claim_batch_pk = None
        work.session.flush()
        release_charges(work, claim)
    charge_again(work, inside)
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
        move_claim(work, claim, move, None)
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
        entity_facts(provider),
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
        # REF*F8 only beside 7 and 8 (005010X222A1 loop 2300): an original claim has no number of the payer yet.
        payer_claim_control_number=""
        if claim.frequency_code == rules.ORIGINAL
        else claim.payer_claim_control_number or "",
    )


def _address(party: Site | BillingProvider | Payer) -> document.Address:
    return document.Address(
        party.address_line or "", party.city or "", (party.state or "").upper(), party.postal_code or ""
    )


def _physician(person: Practitioner | None) -> document.Person | None:
    if person is None:
        return None
    return document.Person(person.person_name, person.npi or "", taxonomy_code=person.taxonomy_code or "")
