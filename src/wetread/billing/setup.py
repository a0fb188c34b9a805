"""Who bills for whom, who hands files in, and what things cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import select

from wetread.billing import store
from wetread.billing.model import (
    BillingProvider,
    Claim,
    ClaimSubmitter,
    Component,
    ProcedureFee,
    SiteBilling,
)
from wetread.billing.scrubber import find_claim, recheck_open
from wetread.billing.x12 import clean
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.patients.model import Payer
from wetread.security.model import Site
from wetread.security.service import AuditEventID, Permission, Work, valid_npi


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
        claim = find_claim(work, pk, lock=True)
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
