"""HTTP shapes of the patients room."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wetread.patients import service
from wetread.patients.model import Coverage, Patient, PatientChange, Payer


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class IdentifierIn(_In):
    """An identifier with its issuer."""

    patient_id: str = Field(min_length=1, max_length=64)
    issuer_of_patient_id: str = Field(min_length=1, max_length=64)


class AllergyIn(_In):
    """A substance that the patient must not get."""

    substance: str = Field(min_length=1, max_length=64)
    reaction: str | None = Field(None, max_length=128)
    severe: bool = False


class AllergiesIn(_In):
    """The whole list of allergies. Empty: asked, and none are known. Null: not asked."""

    allergies: list[AllergyIn] | None = Field(max_length=50)

    def to_input(self) -> list[service.AllergyInput] | None:
        """As the service takes it."""
        return _allergies(self.allergies)


def _allergies(given: list[AllergyIn] | None) -> list[service.AllergyInput] | None:
    return None if given is None else [service.AllergyInput(**one.model_dump()) for one in given]


class CoverageIn(_In):
    """An insurance; priority 1 pays first."""

    payer_pk: int
    member_id: str = Field(min_length=1, max_length=80)
    priority: int = Field(1, ge=1, le=3)
    group_number: str | None = Field(None, max_length=50)
    plan_name: str | None = Field(None, max_length=60)
    relationship: Literal["self", "spouse", "child", "other"] = "self"
    subscriber_name: str | None = Field(None, max_length=324)
    subscriber_birth_date: date | None = None
    subscriber_sex: Literal["M", "F", "O"] | None = None

    def to_input(self) -> service.CoverageInput:
        """As the service takes it."""
        return service.CoverageInput(**self.model_dump())


class PatientFieldsIn(_In):
    """The fields of a patient that may be given or changed."""

    patient_birth_date: date | None = None
    patient_sex: Literal["M", "F", "O"] | None = None
    patient_address: str | None = Field(None, max_length=128)
    city: str | None = Field(None, max_length=64)
    state: str | None = Field(None, max_length=32)
    postal_code: str | None = Field(None, max_length=16)
    country: str | None = Field(None, max_length=2)
    patient_telephone_numbers: str | None = Field(None, max_length=64)
    email: str | None = Field(None, max_length=254)
    language: str | None = Field(None, max_length=16)
    deceased: bool = False
    patient_size_m: float | None = None
    patient_weight_kg: float | None = None
    pregnancy_status: Literal["not_pregnant", "possibly_pregnant", "pregnant", "unknown"] | None = None
    implants: str | None = Field(None, max_length=400)
    egfr_ml_min: int | None = None
    egfr_date: date | None = None
    medical_alerts: str | None = Field(None, max_length=400)
    special_needs: str | None = Field(None, max_length=64)
    confidentiality: str | None = Field(None, max_length=64)


class PatientIn(PatientFieldsIn):
    """A patient to register; `patient_name` is `Family^Given^Middle^Prefix^Suffix`, `=` between groups."""

    patient_name: str = Field(min_length=1, max_length=324)
    identifiers: list[IdentifierIn] = Field(default_factory=list, max_length=20)
    allergies: list[AllergyIn] | None = Field(
        None, max_length=50, description="Empty: asked, and none are known. Null: not asked."
    )
    coverages: list[CoverageIn] = Field(default_factory=list, max_length=3)

    def to_input(self) -> service.PatientInput:
        """As the service takes it."""
        values: dict[str, Any] = self.model_dump(exclude={"identifiers", "allergies", "coverages"})
        return service.PatientInput(
            **values,
            identifiers=[service.IdentifierInput(**one.model_dump()) for one in self.identifiers],
            allergies=_allergies(self.allergies),
            coverages=[one.to_input() for one in self.coverages],
        )


class PatientChangeIn(PatientFieldsIn):
    """The fields that are present are changed."""

    patient_name: str | None = Field(None, min_length=1, max_length=324)

    def changes(self) -> dict[str, Any]:
        """Only what was sent."""
        return self.model_dump(exclude_unset=True)


class UnknownPatientIn(_In):
    """An emergency registration."""

    patient_sex: Literal["M", "F", "O"] | None = None
    description: str | None = Field(None, max_length=400)


class FindIn(_In):
    """What a person typed: names in any script, an identifier, a birth date, a telephone number."""

    text: str = Field(max_length=200)
    limit: int = Field(25, ge=1, le=200)


class DuplicatesIn(_In):
    """What is typed so far of a new patient."""

    patient_name: str = Field("", max_length=324)
    patient_birth_date: date | None = None
    patient_sex: Literal["M", "F", "O"] | None = None
    patient_telephone_numbers: str | None = Field(None, max_length=64)

    def to_input(self) -> service.PatientInput:
        """As the service takes it."""
        return service.PatientInput(**self.model_dump())


class MergeIn(_In):
    """Which record vanishes into this one, and why."""

    merged_patient_pk: int
    reason: str = Field(min_length=1, max_length=200)


class PatientBarOut(_Out):
    """What the patient bar shows."""

    patient_pk: int
    patient_name: str
    patient_sex: str | None
    patient_birth_date: date | None
    age: str
    patient_id: str | None
    issuer_of_patient_id: str | None
    allergies: list[str] | None = Field(description="Empty: asked, and none are known. Null: not asked.")
    severe_allergy: bool
    pregnancy_status: str | None
    implants: str | None
    renal: str | None
    medical_alerts: str | None
    confidentiality: str | None
    deceased: bool
    unidentified: bool


class FoundPatientOut(_Out):
    """One line of a search."""

    bar: PatientBarOut
    patient_address: str | None
    city: str | None
    patient_telephone_numbers: str | None


class FoundPatientsOut(BaseModel):
    """A list of patients."""

    items: list[FoundPatientOut]
    next_cursor: str | None = None
    total: int


class CandidateOut(BaseModel):
    """A possible duplicate with its score (0–100) and the reasons."""

    found: FoundPatientOut
    score: int
    reasons: list[str]


class CandidatesOut(BaseModel):
    """Possible duplicates, likeliest first."""

    items: list[CandidateOut]
    next_cursor: str | None = None
    total: int

    @classmethod
    def of(cls, candidates: list[service.Candidate]) -> CandidatesOut:
        """From the service's own."""
        items = [
            CandidateOut(
                found=FoundPatientOut.model_validate(one.found),
                score=one.likeness.score,
                reasons=list(one.likeness.reasons),
            )
            for one in candidates
        ]
        return cls(items=items, total=len(items))


class IdentifierOut(_Out):
    """An identifier with its issuer."""

    patient_id: str
    issuer_of_patient_id: str
    is_primary: bool


class AllergyOut(_Out):
    """A substance that the patient must not get."""

    substance: str
    reaction: str | None
    severe: bool


class PayerOut(_Out):
    """An insurer."""

    payer_pk: int
    payer_id: str
    name: str
    claim_filing_indicator_code: str


class PayersOut(BaseModel):
    """All payers."""

    items: list[PayerOut]
    next_cursor: str | None = None
    total: int


class CoverageOut(BaseModel):
    """An insurance with its payer's name."""

    coverage_pk: int
    payer: PayerOut
    priority: int
    member_id: str
    group_number: str | None
    plan_name: str | None
    relationship: str
    subscriber_name: str | None
    subscriber_birth_date: date | None

    @classmethod
    def of(cls, coverage: Coverage, payer: Payer) -> CoverageOut:
        """From its row and payer."""
        return cls(
            payer=PayerOut.model_validate(payer),
            **{name: getattr(coverage, name) for name in cls.model_fields if name != "payer"},
        )


class PatientOut(_Out):
    """The record's own fields."""

    patient_pk: int
    patient_name: str
    patient_birth_date: date | None
    patient_sex: str | None
    patient_address: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None
    patient_telephone_numbers: str | None
    email: str | None
    language: str | None
    deceased: bool
    unidentified: bool
    patient_size_m: float | None
    patient_weight_kg: float | None
    pregnancy_status: str | None
    implants: str | None
    egfr_ml_min: int | None
    egfr_date: date | None
    medical_alerts: str | None
    special_needs: str | None
    confidentiality: str | None


class MergedOut(_Out):
    """A record that was merged into this one."""

    merged_patient_pk: int
    reason: str
    merged_at: datetime
    merged_by: str


class PatientRecordOut(BaseModel):
    """The whole record."""

    patient: PatientOut
    bar: PatientBarOut
    identifiers: list[IdentifierOut]
    allergies: list[AllergyOut]
    coverages: list[CoverageOut]
    merged: list[MergedOut]

    @classmethod
    def of(cls, record: service.PatientRecord) -> PatientRecordOut:
        """From the service's own."""
        return cls(
            patient=PatientOut.model_validate(record.patient),
            bar=PatientBarOut.model_validate(record.bar),
            identifiers=[IdentifierOut.model_validate(one) for one in record.identifiers],
            allergies=[AllergyOut.model_validate(one) for one in record.allergies],
            coverages=[CoverageOut.of(coverage, payer) for coverage, payer in record.coverages],
            merged=[MergedOut.model_validate(one) for one in record.merged],
        )


class RegisteredOut(BaseModel):
    """The patient that was registered."""

    patient: PatientOut
    bar: PatientBarOut


class ChangeOut(_Out):
    """One change: {field: [before, after]}."""

    changed_at: datetime
    changed_by: str
    changes: dict[str, list[Any]]


class ChangesOut(BaseModel):
    """The history of a record."""

    items: list[ChangeOut]
    next_cursor: str | None = None
    total: int

    @classmethod
    def of(cls, changes: list[PatientChange]) -> ChangesOut:
        """From the rows."""
        return cls(items=[ChangeOut.model_validate(one) for one in changes], total=len(changes))


class MergeOut(_Out):
    """A merge as it was recorded."""

    patient_merge_pk: int
    surviving_patient_pk: int
    merged_patient_pk: int


def registered(patient: Patient, bar: service.PatientBar) -> RegisteredOut:
    """The answer to a registration."""
    return RegisteredOut(patient=PatientOut.model_validate(patient), bar=PatientBarOut.model_validate(bar))
