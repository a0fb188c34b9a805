"""HTTP shapes of the orders room."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wetread.kit import limits
from wetread.orders import service
from wetread.orders.model import Procedure, RequestedProcedureState
from wetread.patients.schemas import PatientBarOut

Laterality = Literal["L", "R", "B"]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TypedIn(_In):
    """What was typed into a search field."""

    text: str = Field("", max_length=limits.SEARCH_TEXT_CHARACTERS_MAX)


class FindProceduresIn(TypedIn):
    """What to look for in the catalogue."""

    modality: str | None = Field(None, max_length=16)


class FindOrdersIn(TypedIn):
    """Which orders to look for."""

    state: list[RequestedProcedureState] = Field(
        default_factory=list, max_length=len(RequestedProcedureState)
    )
    patient_pk: int | None = None
    limit: int = Field(100, ge=1, le=limits.PAGE_ITEMS_MAX)


class ProcedureFieldsIn(_In):
    """What may be changed in a catalogue entry."""

    code_meaning: str = Field(min_length=1, max_length=64)
    modality: str = Field(min_length=1, max_length=16)
    duration_minutes: int = Field(15, ge=5, le=480)
    body_part_examined: str | None = Field(None, max_length=16)
    laterality_required: bool = False
    requested_contrast_agent: str | None = Field(None, max_length=64)
    pre_medication: str | None = Field(None, max_length=64)
    preparation: str | None = Field(None, max_length=400)
    template_key: str | None = Field(None, max_length=64)
    cpt_code: str | None = Field(None, max_length=5)
    professional_technical_split: bool = True
    active: bool = True


class ProcedureIn(ProcedureFieldsIn):
    """A new catalogue entry."""

    code_value: str = Field(min_length=1, max_length=16)
    coding_scheme_designator: str = Field("99WETREAD", min_length=1, max_length=16)


class ProcedureOut(_Out):
    """A catalogue entry."""

    procedure_pk: int
    code_value: str
    coding_scheme_designator: str
    code_meaning: str
    modality: str
    body_part_examined: str | None
    laterality_required: bool
    duration_minutes: int
    requested_contrast_agent: str | None
    pre_medication: str | None
    preparation: str | None
    template_key: str | None
    cpt_code: str | None
    professional_technical_split: bool
    active: bool


class ProceduresOut(BaseModel):
    """The catalogue."""

    items: list[ProcedureOut]
    next_cursor: str | None = None
    total: int

    @classmethod
    def of(cls, found: list[Procedure]) -> ProceduresOut:
        """From the service's own."""
        return cls(items=[ProcedureOut.model_validate(one) for one in found], total=len(found))


class ProcedureChoiceIn(_In):
    """A catalogue entry to be done, with the side where it has one."""

    procedure_pk: int | None = None
    code_value: str | None = Field(None, max_length=16)
    coding_scheme_designator: str | None = Field(None, max_length=16)
    laterality: Laterality | None = None


class OrderIn(_In):
    """An order to place."""

    patient_pk: int
    site_pk: int
    procedures: list[ProcedureChoiceIn] = Field(min_length=1, max_length=10)
    requested_procedure_priority: Literal["STAT", "URGENT", "HIGH", "ROUTINE"] = "ROUTINE"
    reason_for_the_requested_procedure: str | None = Field(None, max_length=400)
    diagnosis_codes: list[str] = Field(default_factory=list, max_length=12)
    referring_practitioner_pk: int | None = None
    referring_physician_name: str | None = Field(None, max_length=324)
    requesting_service: str | None = Field(None, max_length=64)
    coverage_pk: int | None = None
    placer_order_number: str | None = Field(None, max_length=64)
    issuer_of_placer_order_number: str | None = Field(None, max_length=64)
    admission_id: str | None = Field(None, max_length=64)
    patient_transport_arrangements: str | None = Field(None, max_length=64)
    comments: str | None = Field(None, max_length=2000)
    idempotency_key: UUID | None = Field(None, description="of the form: what is sent twice is made once")

    def to_input(self) -> service.OrderInput:
        """As the service takes it."""
        named = set(OrderIn.model_fields) - {"procedures"}  # a room above may take more beside them
        values: dict[str, Any] = self.model_dump(include=named)
        return service.OrderInput(
            procedures=[service.ProcedureChoice(**one.model_dump()) for one in self.procedures], **values
        )


class OrderChangeIn(_In):
    """What is said anew of an order; what is absent or null stands as it was. `more_comments` come after the others."""

    requested_procedure_priority: Literal["STAT", "URGENT", "HIGH", "ROUTINE"] | None = None
    reason_for_the_requested_procedure: str | None = Field(None, max_length=400)
    diagnosis_codes: list[str] | None = Field(None, max_length=12)
    more_comments: str | None = Field(None, max_length=2000)
    referring_practitioner_pk: int | None = None
    referring_physician_name: str | None = Field(None, max_length=324)

    def to_change(self) -> service.OrderChange:
        """As the service takes it."""
        return service.OrderChange(**self.model_dump())


class CancelIn(_In):
    """Why the order is cancelled."""

    reason: str = Field(min_length=1, max_length=200)


class RequestedProcedureOut(_Out):
    """A Requested Procedure."""

    requested_procedure_pk: int
    imaging_service_request_pk: int
    requested_procedure_id: str
    study_instance_uid: str
    requested_procedure_description: str
    requested_procedure_priority: str
    laterality: str | None
    reason_for_the_requested_procedure: str | None
    patient_transport_arrangements: str | None
    diagnosis_codes: list[str]
    state: str
    state_reason: str | None
    state_changed_at: datetime


class RequestOut(_Out):
    """The order's own fields."""

    imaging_service_request_pk: int
    patient_pk: int
    site_pk: int
    accession_number: str
    issuer_of_accession_number: str
    placer_order_number: str | None
    issuer_of_placer_order_number: str | None
    referring_practitioner_pk: int | None
    referring_physician_name: str | None
    requesting_service: str | None
    coverage_pk: int | None
    ordered_at: datetime
    ordered_by: str
    imaging_service_request_comments: str | None


class OrderLineOut(_Out):
    """A Requested Procedure with its order, catalogue entry and patient."""

    requested_procedure: RequestedProcedureOut
    imaging_service_request: RequestOut
    procedure: ProcedureOut
    bar: PatientBarOut


class OrderLinesOut(BaseModel):
    """A list of Requested Procedures."""

    items: list[OrderLineOut]
    next_cursor: str | None = None
    total: int

    @classmethod
    def of(cls, lines: list[service.OrderLine]) -> OrderLinesOut:
        """From the service's own."""
        return cls(items=[OrderLineOut.model_validate(one) for one in lines], total=len(lines))


class DiagnosisOut(_Out):
    """An ICD-10-CM code with its words."""

    code: str
    description: str
    billable: bool


class DiagnosesOut(BaseModel):
    """Found codes."""

    items: list[DiagnosisOut]
    next_cursor: str | None = None
    total: int


class ChangeOut(_Out):
    """One move of a Requested Procedure."""

    requested_procedure_pk: int
    step: str
    from_state: str | None
    to_state: str
    changed_at: datetime
    changed_by: str
    reason: str | None


class OrderOut(_Out):
    """A whole order with its derived state."""

    imaging_service_request: RequestOut
    state: str
    lines: list[OrderLineOut]
    changes: list[ChangeOut]
    diagnoses: list[DiagnosisOut]


class ReferrerOut(_Out):
    """A practitioner that can refer."""

    practitioner_pk: int
    person_name: str
    npi: str | None
    phone: str | None


class ReferrersOut(BaseModel):
    """Found practitioners."""

    items: list[ReferrerOut]
    next_cursor: str | None = None
    total: int


class SiteOut(_Out):
    """A site."""

    site_pk: int
    code: str
    institution_name: str
    time_zone: str


class SitesOut(BaseModel):
    """The sites that this actor works at."""

    items: list[SiteOut]
    next_cursor: str | None = None
    total: int
