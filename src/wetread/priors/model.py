"""Other archives, what was asked of them, and what they said that they have."""

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
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone

PHI = {"info": {"phi": True}}


class Retrieve(StrEnum):
    """How studies are fetched; it also says how the archive is asked (DIMSE or DICOMweb)."""

    C_GET = "C-GET"
    C_MOVE = "C-MOVE"
    WADO_RS = "WADO-RS"


class LookupState(StrEnum):
    """waiting → asking → answered | waiting (tries again) | failed."""

    WAITING = "waiting"
    ASKING = "asking"
    ANSWERED = "answered"
    FAILED = "failed"


class Agreement(StrEnum):
    """Whether a study at another archive is the patient's."""

    AGREES = "agrees"
    DIFFERS = "differs"  # waits for a person
    ACCEPTED = "accepted"  # a person said that it is
    DISMISSED = "dismissed"  # a person said that it is not


class FetchState(StrEnum):
    """absent → waiting → fetching → fetched | waiting (tries again) | failed; failed and canceled go on by a person."""

    ABSENT = "absent"
    WAITING = "waiting"
    FETCHING = "fetching"
    FETCHED = "fetched"
    FAILED = "failed"
    CANCELED = "canceled"


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN (" + ", ".join(f"'{one}'" for one in values) + ")"


class RemoteArchive(Base):
    """Another archive that is asked for priors: an application entity, or the base of its DICOMweb services."""

    __tablename__ = "remote_archive"
    __table_args__ = (
        CheckConstraint(_one_of("retrieve", Retrieve), name="retrieve"),
        CheckConstraint("(retrieve = 'WADO-RS') = (base_url IS NOT NULL)", name="base_url"),
        CheckConstraint("(retrieve = 'WADO-RS') = (remote_ae_pk IS NULL)", name="remote_ae"),
    )

    remote_archive_pk: Mapped[Pk]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    retrieve: Mapped[str] = mapped_column(String(8))
    remote_ae_pk: Mapped[int | None] = mapped_column(ForeignKey("remote_ae.remote_ae_pk"))
    base_url: Mapped[str | None] = mapped_column(String(400))
    user_name: Mapped[str | None] = mapped_column(String(64))
    sealed_password: Mapped[bytes | None] = mapped_column(LargeBinary)
    # By whose identifiers it knows patients: only these are asked for, and an answer may name no other.
    issuer_of_patient_id: Mapped[str] = mapped_column(String(64))
    prefetch_max: Mapped[int] = mapped_column(SmallInteger)  # studies fetched unasked for one order; 0: none
    years_max: Mapped[int] = mapped_column(SmallInteger)  # older ones are not fetched unasked
    lead_hours: Mapped[int] = mapped_column(SmallInteger)  # before the appointment
    last_answered_at: Mapped[UtcOrNone]
    last_error: Mapped[str | None] = mapped_column(String(200))
    last_error_at: Mapped[UtcOrNone]
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())


class PriorLookup(Base):
    """What one archive is to be asked about one patient. What is ordered decides which of the answers matter."""

    __tablename__ = "prior_lookup"
    __table_args__ = (
        UniqueConstraint(
            "patient_pk", "remote_archive_pk", "requested_procedure_pk", postgresql_nulls_not_distinct=True
        ),
        CheckConstraint(_one_of("state", LookupState), name="state"),
        PHI,
    )

    prior_lookup_pk: Mapped[Pk]
    # No foreign key: what was asked about a record stays with it when it is merged, and is asked anew.
    patient_pk: Mapped[int] = mapped_column(BigInteger)
    remote_archive_pk: Mapped[int] = mapped_column(
        ForeignKey("remote_archive.remote_archive_pk", ondelete="CASCADE"), index=True
    )
    # For an order; absent: for images without one, or because a person asks.
    requested_procedure_pk: Mapped[int | None] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk"), index=True
    )
    modality: Mapped[str | None] = mapped_column(String(16))
    body_part_examined: Mapped[str | None] = mapped_column(String(64))
    requested_by: Mapped[str] = mapped_column(String(64))
    is_prefetch: Mapped[bool] = mapped_column(Boolean)  # what matters is fetched unasked
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(200))
    found_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    is_cut: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))  # it has more than we take
    not_before: Mapped[Utc]
    claimed_until: Mapped[UtcOrNone]
    answered_at: Mapped[UtcOrNone]
    updated_at: Mapped[Utc]


class RemoteStudy(Base):
    """A study that an archive named when it was asked about a patient, and how far its fetching is."""

    __tablename__ = "remote_study"
    __table_args__ = (
        UniqueConstraint("remote_archive_pk", "patient_pk", "study_instance_uid"),
        CheckConstraint(_one_of("agreement", Agreement), name="agreement"),
        CheckConstraint(_one_of("fetch_state", FetchState), name="fetch_state"),
        Index("ix_remote_study_patient_pk", "patient_pk"),
        Index("ix_remote_study_study_instance_uid", "study_instance_uid"),
        Index("ix_remote_study_queue", "remote_study_pk", postgresql_where=text("fetch_state <> 'absent'")),
        PHI,
    )

    remote_study_pk: Mapped[Pk]
    remote_archive_pk: Mapped[int] = mapped_column(
        ForeignKey("remote_archive.remote_archive_pk", ondelete="CASCADE")
    )
    patient_pk: Mapped[int] = mapped_column(BigInteger)  # about whom it was asked; see PriorLookup
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    # As the archive says.
    study_date: Mapped[date | None] = mapped_column(Date)
    study_description: Mapped[str | None] = mapped_column(String(256))
    accession_number: Mapped[str | None] = mapped_column(String(64))
    modalities_in_study: Mapped[list[str]] = mapped_column(ARRAY(String(16)), server_default=text("'{}'"))
    body_parts_examined: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    sop_classes_in_study: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    number_of_study_related_instances: Mapped[int | None] = mapped_column(Integer)
    patient_name: Mapped[str | None] = mapped_column(String(324))
    patient_id: Mapped[str | None] = mapped_column(String(64))
    issuer_of_patient_id: Mapped[str | None] = mapped_column(String(64))
    patient_birth_date: Mapped[date | None] = mapped_column(Date)
    patient_sex: Mapped[str | None] = mapped_column(String(16))
    seen_at: Mapped[Utc]
    agreement: Mapped[str] = mapped_column(String(9))
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # what speaks against it
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_reason: Mapped[str | None] = mapped_column(String(200))
    fetch_state: Mapped[str] = mapped_column(String(8))
    requested_by: Mapped[str | None] = mapped_column(String(64))
    received_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failed_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(200))
    not_before: Mapped[UtcOrNone]
    claimed_until: Mapped[UtcOrNone]
    updated_at: Mapped[Utc]
