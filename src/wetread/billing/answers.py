"""What payers answer, and the ways out that are left then."""

from __future__ import annotations

from wetread.billing import rules, store
from wetread.billing.charges import charge_again, charge_procedures, fell_away, lock_procedures_of
from wetread.billing.claims import off_the_books, payers_number, reopen
from wetread.billing.model import ChargeState, Claim, ClaimState
from wetread.billing.rules import ChargeMove, ClaimMove
from wetread.billing.scrubber import audit_claim, find_claim, move_claim, scrub
from wetread.kit.errors import Conflict, FieldError, Invalid
from wetread.security.service import Permission, Work


def correct_claim(work: Work, claim_pk: int) -> Claim:
    """Opens a claim for correction; it will go out again: a rejected one as it was, a denied or paid one to replace what
    the payer has; to void it, where nothing of it was done after all. Raises IllegalTransition."""
    work.require(Permission.BILLING_WRITE)
    lock_procedures_of(work, [claim_pk])
    claim = find_claim(work, claim_pk, lock=True)
    for line in store.lines(work.session, [claim_pk])[claim_pk]:
        line.void_reason = None if claim.state in (ClaimState.DENIED, ClaimState.PAID) else line.void_reason
    reopen(work, claim, ClaimMove.CORRECT, None)
    audit_claim(work, claim, "U", "correct")
    charge_again(work, [claim_pk])
    return claim


def keep_claim(work: Work, claim_pk: int) -> Claim:
    """Takes a person's wish to void a claim at the payer back, while it is in no file: it stands as it did before. Raises
    Conflict."""
    work.require(Permission.BILLING_WRITE)
    lock_procedures_of(work, [claim_pk])
    claim = find_claim(work, claim_pk, lock=True)
    if ClaimState(claim.state) not in rules.OPEN_CLAIMS or claim.withdrawn_state is None:
        raise Conflict("Only a void that a person asked for, and that is in no file, can be taken back.")
    stands = {ClaimState.PAID: ClaimMove.STAND_PAID, ClaimState.DENIED: ClaimMove.STAND_DENIED}.get(
        ClaimState(claim.withdrawn_state)
    )
    claim.frequency_code = claim.withdrawn_frequency_code or claim.frequency_code
    claim.claim_batch_pk = claim.withdrawn_batch_pk
    _not_withdrawn(claim)
    for line in store.lines(work.session, [claim_pk])[claim_pk]:
        line.void_reason = None
        if stands is not None and line.state not in (ChargeState.CLAIMED, ChargeState.VOID):
            line.state, line.state_changed_at = rules.charge_moved(line.state, ChargeMove.STAND), work.now()
    if stands is None:
        work.session.flush()
        claim.state_reason = None
        scrub(work, claim_pk)
    else:
        move_claim(work, claim, stands, None)
        claim.findings, claim.needs = [], []
        work.session.flush()
    audit_claim(work, claim, "U", "keep")
    charge_again(work, [claim_pk])
    return claim


def _not_withdrawn(claim: Claim) -> None:
    claim.withdrawn_state = claim.withdrawn_frequency_code = claim.withdrawn_batch_pk = None


def record_answer(
    work: Work,
    claim_pk: int,
    answer: ClaimMove,
    *,
    payer_claim_control_number: str | None = None,
    reason: str | None = None,
) -> Claim:
    """Records what the payer answered to a claim that was handed in (ACCEPT, REJECT, DENY or PAY), and the number that
    it gave it (2200D REF*1K of a 277, CLP07 of an 835). Raises Invalid, IllegalTransition."""
    work.require(Permission.BILLING_WRITE)
    if answer not in (ClaimMove.ACCEPT, ClaimMove.REJECT, ClaimMove.DENY, ClaimMove.PAY):
        raise Invalid("That is not an answer of a payer.", fields=[FieldError("answer", "not known")])
    lock_procedures_of(work, [claim_pk])
    claim = find_claim(work, claim_pk, lock=True)
    number = payers_number(payer_claim_control_number or "")
    voided = claim.frequency_code == rules.VOIDING and answer in (ClaimMove.ACCEPT, ClaimMove.PAY)
    move_claim(work, claim, ClaimMove.WITHDRAWN if voided else answer, (reason or "").strip()[:400] or None)
    _not_withdrawn(claim)
    claim.payer_claim_control_number = number or claim.payer_claim_control_number
    lines = store.lines(work.session, [claim_pk])[claim_pk]
    if voided:
        off_the_books(work, claim, lines)
    work.session.flush()
    audit_claim(work, claim, "U", f"answer: {answer.value}")
    if voided:
        # What was done once more since is billed anew; what a person took off the books is not.
        charge_procedures(work, {one.requested_procedure_pk for one in lines if fell_away(one)})
    elif answer is not ClaimMove.ACCEPT:
        charge_again(work, [claim_pk])
    return claim
