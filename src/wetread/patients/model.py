"""Tables of the patients room."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone, install_sql

PHI = {"info": {"phi": True}}


class PregnancyStatus(StrEnum):
    """(0010,21C0) as words; the attribute's numbers are in `rules.PREGNANCY_STATUS_VALUE`."""

    NOT_PREGNANT = "not_pregnant"
    POSSIBLY_PREGNANT = "possibly_pregnant"
    PREGNANT = "pregnant"
    UNKNOWN = "unknown"


class Relationship(StrEnum):
    """The patient's relationship to the subscriber (FHIR Coverage.relationship)."""

    SELF = "self"
    SPOUSE = "spouse"
    CHILD = "child"
    OTHER = "other"


class Patient(Base):
    """A person that is imaged. `patient_name` is a DICOM PN string with up to three `=` groups."""

    __tablename__ = "patient"
    __table_args__ = (
        CheckConstraint("patient_sex IN ('M','F','O')", name="sex"),
        CheckConstraint(
            "pregnancy_status IN ('not_pregnant','possibly_pregnant','pregnant','unknown')", name="pregnancy"
        ),
        CheckConstraint("merged_into_patient_pk <> patient_pk", name="not_merged_into_itself"),
        Index("ix_patient_search", text("search_words gin_trgm_ops"), postgresql_using="gin"),
        Index("ix_patient_telephone", text("telephone_digits gin_trgm_ops"), postgresql_using="gin"),
        Index("ix_patient_patient_birth_date", "patient_birth_date"),
        PHI,
    )

    patient_pk: Mapped[Pk]
    patient_name: Mapped[str] = mapped_column(String(324))
    # Words of every group, without accents, in lower case, with the usual transliterations; see rules.name_words.
    search_words: Mapped[str] = mapped_column(Text)
    patient_birth_date: Mapped[date | None] = mapped_column(Date)
    patient_sex: Mapped[str | None] = mapped_column(String(1))
    patient_address: Mapped[str | None] = mapped_column(String(128))
    city: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str | None] = mapped_column(String(32))
    postal_code: Mapped[str | None] = mapped_column(String(16))
    country: Mapped[str | None] = mapped_column(String(2))
    patient_telephone_numbers: Mapped[str | None] = mapped_column(String(64))
    telephone_digits: Mapped[str | None] = mapped_column(String(64))
    email: Mapped[str | None] = mapped_column(String(254))
    language: Mapped[str | None] = mapped_column(String(16))
    deceased: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    # An emergency registration whose person is not known yet.
    unidentified: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    patient_size_m: Mapped[float | None] = mapped_column(Numeric(4, 2, asdecimal=False))
    patient_weight_kg: Mapped[float | None] = mapped_column(Numeric(5, 1, asdecimal=False))
    pregnancy_status: Mapped[str | None] = mapped_column(String(20))
    implants: Mapped[str | None] = mapped_column(String(400))
    egfr_ml_min: Mapped[int | None] = mapped_column(Integer)
    egfr_date: Mapped[date | None] = mapped_column(Date)
    medical_alerts: Mapped[str | None] = mapped_column(String(400))
    special_needs: Mapped[str | None] = mapped_column(String(64))
    confidentiality: Mapped[str | None] = mapped_column(String(64))
    # When somebody asked for allergies: without it an empty list means that nobody knows, not that there are none.
    allergies_asked_at: Mapped[UtcOrNone]
    merged_into_patient_pk: Mapped[int | None] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    created_at: Mapped[Utc]
    updated_at: Mapped[Utc]


class PatientIdentifier(Base):
    """One identifier of a patient, unique with its issuer (HL7 CX, DICOM (0010,0020) with (0010,0021))."""

    __tablename__ = "patient_identifier"
    __table_args__ = (
        UniqueConstraint("issuer_of_patient_id", "patient_id"),
        Index(
            "ix_patient_identifier_one_primary",
            "patient_pk",
            unique=True,
            postgresql_where=text("is_primary"),
        ),
        Index("ix_patient_identifier_text", text("patient_id gin_trgm_ops"), postgresql_using="gin"),
        PHI,
    )

    patient_identifier_pk: Mapped[Pk]
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    patient_id: Mapped[str] = mapped_column(String(64))
    issuer_of_patient_id: Mapped[str] = mapped_column(String(64))
    is_primary: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class Allergy(Base):
    """A substance that the patient must not get, with what happened."""

    __tablename__ = "allergy"
    __table_args__ = (PHI,)

    allergy_pk: Mapped[Pk]
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    substance: Mapped[str] = mapped_column(String(64))
    reaction: Mapped[str | None] = mapped_column(String(128))
    severe: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class Payer(Base):
    """Who pays: an insurer as the claim names it (837P loop 2010BB)."""

    __tablename__ = "payer"

    payer_pk: Mapped[Pk]
    payer_id: Mapped[str] = mapped_column(String(80), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    claim_filing_indicator_code: Mapped[str] = mapped_column(String(2), server_default="CI")
    address_line: Mapped[str | None] = mapped_column(String(55))
    city: Mapped[str | None] = mapped_column(String(30))
    state: Mapped[str | None] = mapped_column(String(2))
    postal_code: Mapped[str | None] = mapped_column(String(15))
    phone: Mapped[str | None] = mapped_column(String(32))


class Coverage(Base):
    """An insurance of a patient: who pays first, second, third (FHIR Coverage, 837P loop 2000B)."""

    __tablename__ = "coverage"
    __table_args__ = (
        CheckConstraint("priority BETWEEN 1 AND 3", name="priority"),
        CheckConstraint("relationship IN ('self','spouse','child','other')", name="relationship"),
        Index(
            "ix_coverage_one_per_priority",
            "patient_pk",
            "priority",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        PHI,
    )

    coverage_pk: Mapped[Pk]
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"))
    payer_pk: Mapped[int] = mapped_column(ForeignKey("payer.payer_pk"))
    priority: Mapped[int] = mapped_column(Integer)
    member_id: Mapped[str] = mapped_column(String(80))
    group_number: Mapped[str | None] = mapped_column(String(50))
    plan_name: Mapped[str | None] = mapped_column(String(60))
    relationship: Mapped[str] = mapped_column(String(8))
    # The subscriber where that is another person than the patient.
    subscriber_name: Mapped[str | None] = mapped_column(String(324))
    subscriber_birth_date: Mapped[date | None] = mapped_column(Date)
    subscriber_sex: Mapped[str | None] = mapped_column(String(1))
    ended_at: Mapped[UtcOrNone]


class PatientChange(Base):
    """What was changed in a patient's record, by whom: `changes` is {field: [before, after]}."""

    __tablename__ = "patient_change"
    __table_args__ = (PHI,)

    patient_change_pk: Mapped[Pk]
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    changed_at: Mapped[Utc]
    changed_by: Mapped[str] = mapped_column(String(64))
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)


class PatientMerge(Base):
    """One record was found to be the same person as another. `moved` lists every row that was re-pointed."""

    __tablename__ = "patient_merge"
    __table_args__ = (PHI,)

    patient_merge_pk: Mapped[Pk]
    surviving_patient_pk: Mapped[int] = mapped_column(BigInteger, index=True)
    merged_patient_pk: Mapped[int] = mapped_column(BigInteger, index=True)
    reason: Mapped[str] = mapped_column(String(200))
    merged_at: Mapped[Utc]
    merged_by: Mapped[str] = mapped_column(String(64))
    # [[table, column, [primary key…]], …]
    moved: Mapped[list[Any]] = mapped_column(JSONB)
    unmerged_at: Mapped[UtcOrNone]
    unmerged_by: Mapped[str | None] = mapped_column(String(64))


install_sql(
    "patient_number",
    "CREATE SEQUENCE IF NOT EXISTS patient_number START 100001",
    "DROP SEQUENCE IF EXISTS patient_number;",
)
