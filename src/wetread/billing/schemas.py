"""HTTP shapes of the billing room. Amounts are cents."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wetread.billing import service
from wetread.billing.model import Charge, Claim
from wetread.billing.rules import OPEN_CLAIMS
from wetread.patients.schemas import PatientBarOut
from wetread.patients.service import CoverageInput
from wetread.security.model import Practitioner


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FindClaimsIn(_In):
    """Of which order claims are wanted. An accession number travels in a body, never in an address that gets logged."""

    accession_number: str = Field(min_length=1, max_length=16)
    cursor: str | None = None
    limit: int = Field(100, ge=1, le=500)


class FindingOut(BaseModel):
    """One thing that keeps a claim from being sent: where to mend it (`need`), which field, in words."""

    need: str
    field: str
    text: str
    charge_pk: int | None = None


class QueueOut(_Out):
    """A queue: claims in a state, or drafts with one need."""

    state: str
    need: str | None
    count: int
    total_minor: int
    oldest_service_date: date | None


class QueuesOut(BaseModel):
    """All queues."""

    items: list[QueueOut]
    next_cursor: str | None = None
    total: int


class ClaimRowOut(BaseModel):
    """A claim in a list."""

    claim_pk: int
    claim_number: str
    state: str
    component: str
    patient: PatientBarOut
    accession_number: str
    payer_name: str | None
    procedures: list[str]
    service_date: date
    file_by: date
    total_minor: int
    currency: str
    findings: list[FindingOut]
    needs: list[str]
    frequency_code: str = Field(description="CLM05-3: 1 original, 7 replacement, 8 void.")
    claim_batch_pk: int | None
    created_at: datetime
    state_changed_at: datetime

    @classmethod
    def of(cls, row: service.ClaimListRow) -> ClaimRowOut:
        """From the service's own."""
        claim = row.claim
        return cls(
            **_claim_fields(claim),
            patient=PatientBarOut.model_validate(row.bar),
            accession_number=row.accession_number,
            payer_name=row.payer_name,
            procedures=row.procedures,
            file_by=row.file_by,
        )


def _claim_fields(claim: Claim) -> dict[str, Any]:
    names = (
        "claim_pk", "claim_number", "state", "component", "service_date", "total_minor", "currency", "needs",
        "frequency_code", "claim_batch_pk", "created_at", "state_changed_at",
    )  # fmt: skip
    return {name: getattr(claim, name) for name in names} | {
        "findings": [FindingOut(**one) for one in claim.findings]
    }


class ClaimPage(BaseModel):
    """A page of claims."""

    items: list[ClaimRowOut]
    next_cursor: str | None
    total: int | None = None


class ChargeOut(_Out):
    """A charge."""

    charge_pk: int
    claim_pk: int
    requested_procedure_pk: int
    component: str
    state: str
    procedure_code: str
    description: str
    modifiers: list[str]
    side_required: bool
    units: int
    amount_minor: int
    amount_is_manual: bool
    service_date: date
    diagnosis_codes: list[str]


class ChargeRowOut(ChargeOut):
    """A charge in a list."""

    patient: PatientBarOut
    accession_number: str
    claim_state: str

    @classmethod
    def row(cls, charge: Charge, accession_number: str, claim_state: str, bar: Any) -> ChargeRowOut:
        """From the service's own."""
        return cls(
            **ChargeOut.model_validate(charge).model_dump(),
            patient=PatientBarOut.model_validate(bar),
            accession_number=accession_number,
            claim_state=claim_state,
        )


class ChargePage(BaseModel):
    """A page of charges."""

    items: list[ChargeRowOut]
    next_cursor: str | None
    total: int | None = None


class DiagnosisOut(BaseModel):
    """A diagnosis with its words."""

    code: str
    description: str


class LineOut(ChargeOut):
    """A charge as a line of its claim."""

    diagnosis_pointers: list[int]
    diagnoses: list[DiagnosisOut]


class PractitionerOut(_Out):
    """A physician."""

    practitioner_pk: int
    person_name: str
    npi: str | None
    taxonomy_code: str | None


class CoverageOut(_Out):
    """Who pays, under which number."""

    coverage_pk: int
    payer_pk: int
    payer_name: str
    payer_id: str
    priority: int
    member_id: str
    group_number: str | None
    plan_name: str | None
    relationship: str
    subscriber_name: str | None
    subscriber_birth_date: date | None
    subscriber_sex: str | None


class ProviderOut(_Out):
    """A billing entity."""

    billing_provider_pk: int
    name: str
    npi: str | None
    tax_id: str | None
    taxonomy_code: str | None
    address_line: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    phone: str | None


class SiteOut(_Out):
    """Where it was done."""

    site_pk: int
    code: str
    institution_name: str
    npi: str | None
    place_of_service: str
    bills_global: bool
    address_line: str | None
    city: str | None
    state: str | None
    postal_code: str | None


class AddressOut(BaseModel):
    """The patient's address."""

    patient_address: str | None
    city: str | None
    state: str | None
    postal_code: str | None


class ClaimOut(BaseModel):
    """A whole claim."""

    claim_pk: int
    claim_number: str
    state: str
    state_reason: str | None
    component: str
    patient: PatientBarOut
    patient_address: AddressOut
    accession_number: str
    imaging_service_request_pk: int
    service_date: date
    file_by: date
    total_minor: int
    currency: str
    place_of_service: str
    prior_authorization: str | None
    frequency_code: str = Field(description="CLM05-3: 1 original, 7 replacement, 8 void.")
    payer_claim_control_number: str | None
    may_be_kept: bool = Field(description="Whether its void, in no file yet, can be taken back.")
    findings: list[FindingOut]
    needs: list[str]
    claim_batch_pk: int | None
    created_at: datetime
    state_changed_at: datetime
    lines: list[LineOut]
    diagnosis_codes: list[str]
    coverage: CoverageOut | None
    billing_provider: ProviderOut | None
    referrer: PractitionerOut | None
    referring_physician_name: str | None
    reader: PractitionerOut | None
    site: SiteOut

    @classmethod
    def of(cls, view: service.ClaimView) -> ClaimOut:
        """From the service's own."""
        coverage = None
        if view.coverage is not None and view.payer is not None:
            names = (
                "coverage_pk", "payer_pk", "priority", "member_id", "group_number", "plan_name", "relationship",
                "subscriber_name", "subscriber_birth_date", "subscriber_sex",
            )  # fmt: skip
            coverage = CoverageOut(
                **{name: getattr(view.coverage, name) for name in names},
                payer_name=view.payer.name,
                payer_id=view.payer.payer_id,
            )
        address, city, state, postal_code = view.patient_address
        return cls(
            **_claim_fields(view.claim),
            state_reason=view.claim.state_reason,
            imaging_service_request_pk=view.claim.imaging_service_request_pk,
            place_of_service=view.claim.place_of_service,
            prior_authorization=view.claim.prior_authorization,
            payer_claim_control_number=view.claim.payer_claim_control_number,
            may_be_kept=view.claim.withdrawn_state is not None and view.claim.state in OPEN_CLAIMS,
            patient=PatientBarOut.model_validate(view.bar),
            patient_address=AddressOut(
                patient_address=address, city=city, state=state, postal_code=postal_code
            ),
            accession_number=view.accession_number,
            file_by=view.file_by,
            lines=[
                LineOut(
                    **ChargeOut.model_validate(line.charge).model_dump(),
                    diagnosis_pointers=list(line.diagnosis_pointers),
                    diagnoses=[DiagnosisOut(code=code, description=words) for code, words in line.diagnoses],
                )
                for line in view.lines
            ],
            diagnosis_codes=list(view.diagnosis_codes),
            coverage=coverage,
            billing_provider=ProviderOut.model_validate(view.billing_provider)
            if view.billing_provider
            else None,
            referrer=_practitioner(view.referrer),
            referring_physician_name=view.referring_physician_name,
            reader=_practitioner(view.reader),
            site=SiteOut.model_validate(view.site),
        )


def _practitioner(row: Practitioner | None) -> PractitionerOut | None:
    return PractitionerOut.model_validate(row) if row else None


class ClaimChange(_In):
    """What can be altered on an unsent claim; what is absent stays."""

    place_of_service: str | None = Field(None, pattern=r"^\d{2}$")
    prior_authorization: str | None = Field(None, max_length=50)
    referring_practitioner_pk: int | None = None
    billing_provider_pk: int | None = None
    payer_claim_control_number: str | None = Field(None, max_length=50)


class ChargeChange(_In):
    """How a charge is coded; what is absent stays."""

    procedure_code: str = Field("", max_length=5)
    modifiers: list[str] = Field(default_factory=list, max_length=4)
    diagnosis_codes: list[str] = Field(default_factory=list, max_length=12)
    units: int = 1
    amount_minor: int = 0


class CoverageIn(_In):
    """A coverage as the biller corrects it."""

    payer_pk: int
    member_id: str = Field(max_length=80)
    priority: int = Field(1, ge=1, le=3)
    group_number: str | None = Field(None, max_length=50)
    plan_name: str | None = Field(None, max_length=60)
    relationship: Literal["self", "spouse", "child", "other"] = "self"
    subscriber_name: str | None = Field(None, max_length=324)
    subscriber_birth_date: date | None = None
    subscriber_sex: Literal["M", "F", "O"] | None = None

    def given(self) -> CoverageInput:
        """For the service."""
        return CoverageInput(**self.model_dump())


class PractitionerChange(_In):
    """What the biller can correct of a physician; what is absent stays."""

    npi: str | None = Field(None, pattern=r"^\d{10}$")
    taxonomy_code: str | None = Field(None, max_length=10)
    phone: str | None = Field(None, max_length=32)


class AnswerIn(_In):
    """What the payer answered, the number that it gave the claim, and why."""

    answer: Literal["accept", "reject", "deny", "pay"]
    payer_claim_control_number: str | None = Field(None, max_length=50)
    reason: str | None = Field(None, max_length=400)


class ReasonIn(_In):
    """Why."""

    reason: str = Field(min_length=1, max_length=400)


class BatchIn(_In):
    """Which ready claims go into the file; all where absent."""

    claim_pks: list[int] | None = Field(None, max_length=5000)


class BatchOut(_Out):
    """A file."""

    claim_batch_pk: int
    interchange_control_number: int
    claim_count: int
    total_minor: int
    usage_indicator: str
    created_at: datetime
    created_by: str
    sent_at: datetime | None
    sent_by: str | None


class RefusedOut(BaseModel):
    """A claim that could not go into the file."""

    claim_pk: int
    claim_number: str
    reason: str


class BatchMadeOut(BaseModel):
    """The file that was made, and what could not go into it."""

    batch: BatchOut | None
    refused: list[RefusedOut]

    @classmethod
    def of(cls, result: service.BatchResult) -> BatchMadeOut:
        """From the service's own."""
        return cls(
            batch=BatchOut.model_validate(result.batch) if result.batch else None,
            refused=[
                RefusedOut(claim_pk=claim.claim_pk, claim_number=claim.claim_number, reason=reason)
                for claim, reason in result.refused
            ],
        )


class BatchPage(BaseModel):
    """Files."""

    items: list[BatchOut]
    next_cursor: str | None = None
    total: int | None = None


class ProviderIn(_In):
    """A billing entity."""

    name: str = Field(min_length=1, max_length=60)
    npi: str | None = Field(None, max_length=10)
    tax_id: str | None = Field(None, max_length=9)
    taxonomy_code: str | None = Field(None, max_length=10)
    address_line: str | None = Field(None, max_length=55)
    city: str | None = Field(None, max_length=30)
    state: str | None = Field(None, max_length=2)
    postal_code: str | None = Field(None, max_length=10)
    phone: str | None = Field(None, max_length=32)

    def given(self) -> service.ProviderInput:
        """For the service."""
        return service.ProviderInput(**self.model_dump())


class SiteBillingIn(_In):
    """Who bills for a site."""

    technical_billing_provider_pk: int | None
    professional_billing_provider_pk: int | None


class SiteBillingOut(BaseModel):
    """A site with who bills for it."""

    site: SiteOut
    technical_billing_provider_pk: int | None
    professional_billing_provider_pk: int | None


class SubmitterFields(BaseModel):
    """Who hands files in, and to whom."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    name: str = Field(max_length=60)
    sender_qualifier: str = Field("ZZ", max_length=2)
    sender_id: str = Field(max_length=15)
    contact_name: str = Field(max_length=60)
    contact_phone: str = Field(max_length=20)
    receiver_name: str = Field(max_length=60)
    receiver_qualifier: str = Field("ZZ", max_length=2)
    receiver_id: str = Field(max_length=15)
    usage_indicator: str = Field("T", max_length=1)
    filing_days: int = 90

    def given(self) -> service.SubmitterInput:
        """For the service."""
        return service.SubmitterInput(**self.model_dump())


class FeeIn(_In):
    """A fee for everybody, or for one payer."""

    procedure_code: str = Field(max_length=5)
    modifier: Literal["", "TC", "26"] = ""
    amount_minor: int
    payer_pk: int | None = None


class FeeOut(BaseModel):
    """A fee."""

    procedure_fee_pk: int
    procedure_code: str
    modifier: str
    payer_pk: int | None
    payer_name: str | None
    amount_minor: int
    currency: str


class FeesOut(BaseModel):
    """The fee schedule."""

    items: list[FeeOut]
    next_cursor: str | None = None
    total: int


class SettingsOut(BaseModel):
    """All settings of billing at once."""

    submitter: SubmitterFields | None
    providers: list[ProviderOut]
    sites: list[SiteBillingOut]
