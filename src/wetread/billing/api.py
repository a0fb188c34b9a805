"""HTTP: charges, claims, files of claims, fees and settings of billing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from wetread.billing import schemas, service
from wetread.billing.model import ChargeState, ClaimState
from wetread.billing.rules import ClaimMove, Need
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/billing", tags=["billing"])

Limit = Annotated[int, Query(ge=1, le=500)]
EDI = "application/EDI-X12"


@router.get("/queues")
def queues(work: Work = door(Permission.BILLING_READ)) -> schemas.QueuesOut:
    """How many claims wait where, and for how much money."""
    items = [schemas.QueueOut.model_validate(one) for one in service.queue_counts(work)]
    return schemas.QueuesOut(items=items, total=len(items))


@router.get("/claims")
def claims(
    state: Annotated[list[ClaimState] | None, Query()] = None,
    need: Need | None = None,
    claim_batch_pk: int | None = None,
    cursor: str | None = None,
    limit: Limit = 100,
    work: Work = door(Permission.BILLING_READ),
) -> schemas.ClaimPage:
    """Claims, oldest service first."""
    page = service.list_claims(
        work,
        states=state or (),
        need=need,
        claim_batch_pk=claim_batch_pk,
        cursor=cursor,
        limit=limit,
    )
    return schemas.ClaimPage(
        items=[schemas.ClaimRowOut.of(row) for row in page.items], next_cursor=page.next_cursor
    )


@router.post("/claims/find")
def find_claims(body: schemas.FindClaimsIn, work: Work = door(Permission.BILLING_READ)) -> schemas.ClaimPage:
    """Claims of one order, oldest service first."""
    page = service.list_claims(
        work, accession_number=body.accession_number, cursor=body.cursor, limit=body.limit
    )
    return schemas.ClaimPage(
        items=[schemas.ClaimRowOut.of(row) for row in page.items], next_cursor=page.next_cursor
    )


@router.get("/claims/{claim_pk}")
def claim(claim_pk: int, work: Work = door(Permission.BILLING_READ)) -> schemas.ClaimOut:
    """A whole claim with what it lacks."""
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.patch("/claims/{claim_pk}")
def change_claim(
    claim_pk: int, body: schemas.ClaimChange, work: Work = door(Permission.BILLING_WRITE)
) -> schemas.ClaimOut:
    """Alters place of service, authorisation, referrer or billing provider of an unsent claim."""
    service.change_claim(work, claim_pk, body.model_dump(exclude_unset=True))
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.put("/claims/{claim_pk}/coverage")
def set_coverage(
    claim_pk: int, body: schemas.CoverageIn, work: Work = door(Permission.BILLING_WRITE)
) -> schemas.ClaimOut:
    """Corrects the patient's coverage and puts it on the claim."""
    service.set_coverage(work, claim_pk, body.given())
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.post("/claims/{claim_pk}/recheck")
def recheck(claim_pk: int, work: Work = door(Permission.BILLING_WRITE)) -> schemas.ClaimOut:
    """Looks at an unsent claim again."""
    service.recheck(work, claim_pk)
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.post("/claims/{claim_pk}/void")
def void(
    claim_pk: int, body: schemas.ReasonIn, work: Work = door(Permission.BILLING_WRITE)
) -> schemas.ClaimOut:
    """Takes a claim off the books, with a reason; of what the payer has taken a void goes out first."""
    service.void_claim(work, claim_pk, body.reason)
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.post("/claims/{claim_pk}/keep")
def keep(claim_pk: int, work: Work = door(Permission.BILLING_WRITE)) -> schemas.ClaimOut:
    """Takes a void that is in no file yet back: the claim stands as it did before."""
    service.keep_claim(work, claim_pk)
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.post("/claims/{claim_pk}/correct")
def correct(claim_pk: int, work: Work = door(Permission.BILLING_WRITE)) -> schemas.ClaimOut:
    """Opens a rejected, denied or paid claim for correction."""
    service.correct_claim(work, claim_pk)
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.post("/claims/{claim_pk}/answer")
def answer(
    claim_pk: int, body: schemas.AnswerIn, work: Work = door(Permission.BILLING_WRITE)
) -> schemas.ClaimOut:
    """Records what the payer answered to a claim that was handed in."""
    service.record_answer(
        work,
        claim_pk,
        ClaimMove(body.answer),
        payer_claim_control_number=body.payer_claim_control_number,
        reason=body.reason,
    )
    return schemas.ClaimOut.of(service.get_claim(work, claim_pk))


@router.get("/claims/{claim_pk}/837", response_class=Response)
def preview(claim_pk: int, work: Work = door(Permission.BILLING_READ)) -> Response:
    """The claim as an 837P file of its own, marked as a test, for looking at."""
    return Response(service.preview(work, claim_pk), media_type=EDI)


@router.get("/charges")
def charges(
    state: Annotated[list[ChargeState] | None, Query()] = None,
    cursor: str | None = None,
    limit: Limit = 100,
    work: Work = door(Permission.BILLING_READ),
) -> schemas.ChargePage:
    """Charges, newest first."""
    page = service.list_charges(work, states=state or (), cursor=cursor, limit=limit)
    return schemas.ChargePage(
        items=[schemas.ChargeRowOut.row(*row) for row in page.items], next_cursor=page.next_cursor
    )


@router.patch("/charges/{charge_pk}")
def change_charge(
    charge_pk: int, body: schemas.ChargeChange, work: Work = door(Permission.BILLING_WRITE)
) -> schemas.ClaimOut:
    """Codes a charge; answers with its claim."""
    charge = service.change_charge(work, charge_pk, body.model_dump(exclude_unset=True))
    return schemas.ClaimOut.of(service.get_claim(work, charge.claim_pk))


@router.patch("/practitioners/{practitioner_pk}")
def change_practitioner(
    practitioner_pk: int, body: schemas.PractitionerChange, work: Work = door(Permission.BILLING_WRITE)
) -> schemas.PractitionerOut:
    """Corrects a physician's NPI, taxonomy code or telephone."""
    changed = service.change_practitioner(work, practitioner_pk, body.model_dump(exclude_unset=True))
    return schemas.PractitionerOut.model_validate(changed)


@router.get("/batches")
def batches(limit: Limit = 100, work: Work = door(Permission.BILLING_READ)) -> schemas.BatchPage:
    """Files of claims, newest first."""
    return schemas.BatchPage(
        items=[schemas.BatchOut.model_validate(one) for one in service.batches(work, limit=limit)]
    )


@router.post("/batches", status_code=201)
def make_batch(body: schemas.BatchIn, work: Work = door(Permission.BILLING_WRITE)) -> schemas.BatchMadeOut:
    """Puts ready claims into one 837P file."""
    return schemas.BatchMadeOut.of(service.make_batch(work, body.claim_pks))


@router.get("/batches/{claim_batch_pk}/file", response_class=Response)
def batch_file(claim_batch_pk: int, work: Work = door(Permission.BILLING_WRITE)) -> Response:
    """The file, exactly as it was made."""
    name, content = service.batch_file(work, claim_batch_pk)
    return Response(
        content, media_type=EDI, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.post("/batches/{claim_batch_pk}/sent")
def mark_sent(claim_batch_pk: int, work: Work = door(Permission.BILLING_WRITE)) -> schemas.BatchOut:
    """Records that the file was handed in."""
    return schemas.BatchOut.model_validate(service.mark_sent(work, claim_batch_pk))


@router.post("/batches/{claim_batch_pk}/undo")
def unmake_batch(claim_batch_pk: int, work: Work = door(Permission.BILLING_WRITE)) -> schemas.BatchOut:
    """Takes the claims out of a file that was not handed in."""
    return schemas.BatchOut.model_validate(service.unmake_batch(work, claim_batch_pk))


@router.get("/fees")
def fees(work: Work = door(Permission.BILLING_READ)) -> schemas.FeesOut:
    """The fee schedule."""
    items = [
        schemas.FeeOut(
            procedure_fee_pk=fee.procedure_fee_pk,
            procedure_code=fee.procedure_code,
            modifier=fee.modifier,
            payer_pk=fee.payer_pk,
            payer_name=payer_name,
            amount_minor=fee.amount_minor,
            currency=fee.currency,
        )
        for fee, payer_name in service.fees(work)
    ]
    return schemas.FeesOut(items=items, total=len(items))


@router.put("/fees", status_code=204)
def set_fee(body: schemas.FeeIn, work: Work = door(Permission.BILLING_WRITE)) -> None:
    """Sets the fee of a code; unsent claims are priced anew."""
    service.set_fee(work, body.procedure_code, body.modifier, body.amount_minor, body.payer_pk)


@router.delete("/fees/{procedure_fee_pk}", status_code=204)
def remove_fee(procedure_fee_pk: int, work: Work = door(Permission.BILLING_WRITE)) -> None:
    """Removes a fee."""
    service.remove_fee(work, procedure_fee_pk)


@router.get("/settings")
def settings(work: Work = door(Permission.BILLING_READ)) -> schemas.SettingsOut:
    """Who hands files in, who bills, and for which site."""
    submitter = service.submitter(work)
    return schemas.SettingsOut(
        submitter=schemas.SubmitterFields.model_validate(submitter) if submitter else None,
        providers=[schemas.ProviderOut.model_validate(one) for one in service.providers(work)],
        sites=[
            schemas.SiteBillingOut(
                site=schemas.SiteOut.model_validate(site),
                technical_billing_provider_pk=setting.technical_billing_provider_pk if setting else None,
                professional_billing_provider_pk=setting.professional_billing_provider_pk
                if setting
                else None,
            )
            for site, setting in service.site_billings(work)
        ],
    )


@router.put("/settings/submitter")
def save_submitter(
    body: schemas.SubmitterFields, work: Work = door(Permission.BILLING_WRITE, Permission.CONFIG_WRITE)
) -> schemas.SubmitterFields:
    """Sets up who hands files in, and to whom."""
    return schemas.SubmitterFields.model_validate(service.save_submitter(work, body.given()))


@router.post("/settings/providers", status_code=201)
def add_provider(
    body: schemas.ProviderIn, work: Work = door(Permission.BILLING_WRITE, Permission.CONFIG_WRITE)
) -> schemas.ProviderOut:
    """A new billing entity."""
    return schemas.ProviderOut.model_validate(service.save_provider(work, body.given()))


@router.put("/settings/providers/{billing_provider_pk}")
def change_provider(
    billing_provider_pk: int,
    body: schemas.ProviderIn,
    work: Work = door(Permission.BILLING_WRITE, Permission.CONFIG_WRITE),
) -> schemas.ProviderOut:
    """Alters a billing entity."""
    return schemas.ProviderOut.model_validate(service.save_provider(work, body.given(), billing_provider_pk))


@router.put("/settings/sites/{site_pk}", status_code=204)
def set_site_billing(
    site_pk: int,
    body: schemas.SiteBillingIn,
    work: Work = door(Permission.BILLING_WRITE, Permission.CONFIG_WRITE),
) -> None:
    """Says who bills for a site."""
    service.set_site_billing(
        work, site_pk, body.technical_billing_provider_pk, body.professional_billing_provider_pk
    )
