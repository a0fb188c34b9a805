"""Tables of the orders room."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, column_property, mapped_column

from wetread.kit.db import Base, Pk, Utc

PHI = {"info": {"phi": True}}


class Priority(StrEnum):
    """Requested Procedure Priority (0040,1003). HIGH is what people call urgent."""

    STAT = "STAT"
    HIGH = "HIGH"
    ROUTINE = "ROUTINE"


class RequestedProcedureState(StrEnum):
    """Where a Requested Procedure stands; the table of moves is in `rules`."""

    REQUESTED = "REQUESTED"
    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELED = "CANCELED"


class Procedure(Base):
    """An entry of the catalogue: something that can be ordered. `cpt_code` is filled in by the site."""

    __tablename__ = "procedure"
    __table_args__ = (
        UniqueConstraint("coding_scheme_designator", "code_value"),
        CheckConstraint("duration_minutes BETWEEN 5 AND 480", name="duration"),
    )

    procedure_pk: Mapped[Pk]
    code_value: Mapped[str] = mapped_column(String(16))
    coding_scheme_designator: Mapped[str] = mapped_column(String(16))
    code_meaning: Mapped[str] = mapped_column(String(64))
    modality: Mapped[str] = mapped_column(String(16))
    body_part_examined: Mapped[str | None] = mapped_column(String(16))
    laterality_required: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    duration_minutes: Mapped[int] = mapped_column(Integer)
    requested_contrast_agent: Mapped[str | None] = mapped_column(String(64))
    pre_medication: Mapped[str | None] = mapped_column(String(64))
    preparation: Mapped[str | None] = mapped_column(String(400))
    template_key: Mapped[str | None] = mapped_column(String(64))
    cpt_code: Mapped[str | None] = mapped_column(String(5))
    professional_technical_split: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))


class AccessionSequence(Base):
    """The last number given under one prefix (site and year)."""

    __tablename__ = "accession_sequence"

    prefix: Mapped[str] = mapped_column(String(8), primary_key=True)
    last_value: Mapped[int] = mapped_column(Integer)


class ImagingServiceRequest(Base):
    """An order for imaging, with its accession number (PS3.3 C.4.12)."""

    __tablename__ = "imaging_service_request"
    __table_args__ = (
        UniqueConstraint("issuer_of_accession_number", "accession_number"),
        Index(
            "ix_imaging_service_request_placer",
            "issuer_of_placer_order_number",
            "placer_order_number",
            unique=True,
            postgresql_where=text("placer_order_number IS NOT NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_imaging_service_request_accession", text("accession_number text_pattern_ops")),
        Index("ix_imaging_service_request_referrer", "referring_practitioner_pk", "ordered_at"),
        Index("ix_imaging_service_request_ordered_at", "ordered_at"),
        PHI,
    )

    imaging_service_request_pk: Mapped[Pk]
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    site_pk: Mapped[int] = mapped_column(ForeignKey("site.site_pk"))
    accession_number: Mapped[str] = mapped_column(String(16))
    issuer_of_accession_number: Mapped[str] = mapped_column(String(64))
    placer_order_number: Mapped[str | None] = mapped_column(String(64))
    issuer_of_placer_order_number: Mapped[str | None] = mapped_column(String(64))
    referring_practitioner_pk: Mapped[int | None] = mapped_column(ForeignKey("practitioner.practitioner_pk"))
    referring_physician_name: Mapped[str | None] = mapped_column(String(324))
    requesting_service: Mapped[str | None] = mapped_column(String(64))
    admission_id: Mapped[str | None] = mapped_column(String(64))
    coverage_pk: Mapped[int | None] = mapped_column(ForeignKey("coverage.coverage_pk"))
    ordered_at: Mapped[Utc]
    ordered_by: Mapped[str] = mapped_column(String(64))
    imaging_service_request_comments: Mapped[str | None] = mapped_column(String(2000))
    # Of the form that placed it: what is sent twice is placed once.
    idempotency_key: Mapped[UUID | None] = mapped_column(Uuid, unique=True)


class RequestedProcedure(Base):
    """One procedure of an order, which becomes one study and one report (PS3.3 C.4.11)."""

    __tablename__ = "requested_procedure"
    __table_args__ = (
        CheckConstraint("requested_procedure_priority IN ('STAT','HIGH','ROUTINE')", name="priority"),
        CheckConstraint("laterality IN ('L','R','B')", name="laterality"),
        CheckConstraint(
            "state IN ('REQUESTED','SCHEDULED','IN PROGRESS','COMPLETED','DISCONTINUED','CANCELED')",
            name="state",
        ),
        UniqueConstraint("imaging_service_request_pk", "requested_procedure_id"),
        # Not unique: a group case has several Requested Procedures under one study (PS3.17 J.4).
        Index("ix_requested_procedure_study_instance_uid", "study_instance_uid"),
        Index("ix_requested_procedure_open", "state", "requested_procedure_pk"),
        Index("ix_requested_procedure_state_changed_at", "state_changed_at"),
        PHI,
    )

    requested_procedure_pk: Mapped[Pk]
    imaging_service_request_pk: Mapped[int] = mapped_column(
        ForeignKey("imaging_service_request.imaging_service_request_pk"), index=True
    )
    procedure_pk: Mapped[int] = mapped_column(ForeignKey("procedure.procedure_pk"))
    requested_procedure_id: Mapped[str] = mapped_column(String(16))
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    requested_procedure_description: Mapped[str] = mapped_column(String(64))
    requested_procedure_priority: Mapped[str] = mapped_column(String(8))
    laterality: Mapped[str | None] = mapped_column(String(1))
    reason_for_the_requested_procedure: Mapped[str | None] = mapped_column(String(400))
    requested_procedure_comments: Mapped[str | None] = mapped_column(String(2000))
    patient_transport_arrangements: Mapped[str | None] = mapped_column(String(64))
    # ICD-10-CM codes in order of importance; the first is the principal diagnosis.
    diagnosis_codes: Mapped[list[str]] = mapped_column(ARRAY(String(8)), server_default=text("'{}'"))
    state: Mapped[str] = mapped_column(String(16))
    state_reason: Mapped[str | None] = mapped_column(String(200))
    state_changed_at: Mapped[Utc]

    accession_number: Mapped[str] = column_property(
        select(ImagingServiceRequest.accession_number)
        .where(ImagingServiceRequest.imaging_service_request_pk == imaging_service_request_pk)
        .correlate_except(ImagingServiceRequest)
        .scalar_subquery()
    )


class RequestedProcedureChange(Base):
    """One move of a Requested Procedure: when, by whom, why."""

    __tablename__ = "requested_procedure_change"
    __table_args__ = (PHI,)

    requested_procedure_change_pk: Mapped[Pk]
    requested_procedure_pk: Mapped[int] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk"), index=True
    )
    step: Mapped[str] = mapped_column(String(16))
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[Utc]
    changed_by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(200))
