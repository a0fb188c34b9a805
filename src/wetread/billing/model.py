"""Tables of the billing room."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone, install_sql

PHI = {"info": {"phi": True}}


class Component(StrEnum):
    """What part of a procedure a charge is for: all of it, the scanner and its people, or the reading."""

    GLOBAL = "global"
    TECHNICAL = "TC"
    PROFESSIONAL = "26"


class ChargeState(StrEnum):
    """Where a charge stands; the table of moves is in `rules`."""

    DRAFT = "draft"
    HELD = "held"
    READY = "ready"
    CLAIMED = "claimed"
    VOID = "void"


class ClaimState(StrEnum):
    """Where a claim stands; the table of moves is in `rules`."""

    DRAFT = "draft"
    HELD = "held"
    READY = "ready"
    BATCHED = "batched"
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DENIED = "denied"
    PAID = "paid"
    VOID = "void"


class BillingProvider(Base):
    """An entity that bills: the owner of the scanner, or the group that reads (837P loop 2010AA)."""

    __tablename__ = "billing_provider"

    billing_provider_pk: Mapped[Pk]
    name: Mapped[str] = mapped_column(String(60), unique=True)
    npi: Mapped[str | None] = mapped_column(String(10))
    tax_id: Mapped[str | None] = mapped_column(String(9))
    taxonomy_code: Mapped[str | None] = mapped_column(String(10))
    address_line: Mapped[str | None] = mapped_column(String(55))
    city: Mapped[str | None] = mapped_column(String(30))
    state: Mapped[str | None] = mapped_column(String(2))
    postal_code: Mapped[str | None] = mapped_column(String(10))
    phone: Mapped[str | None] = mapped_column(String(32))


class SiteBilling(Base):
    """Who bills for what is done at a site."""

    __tablename__ = "site_billing"

    site_pk: Mapped[int] = mapped_column(ForeignKey("site.site_pk"), primary_key=True)
    technical_billing_provider_pk: Mapped[int | None] = mapped_column(
        ForeignKey("billing_provider.billing_provider_pk")
    )
    professional_billing_provider_pk: Mapped[int | None] = mapped_column(
        ForeignKey("billing_provider.billing_provider_pk")
    )


class ClaimSubmitter(Base):
    """Who hands files in, and to which clearing house (ISA, GS, loops 1000A and 1000B). One row."""

    __tablename__ = "claim_submitter"
    __table_args__ = (
        CheckConstraint("claim_submitter_pk = 1", name="one_row"),
        CheckConstraint("usage_indicator IN ('T','P')", name="usage"),
    )

    claim_submitter_pk: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(60))
    sender_qualifier: Mapped[str] = mapped_column(String(2), server_default="ZZ")
    sender_id: Mapped[str] = mapped_column(String(15))
    contact_name: Mapped[str] = mapped_column(String(60))
    contact_phone: Mapped[str] = mapped_column(String(20))
    receiver_name: Mapped[str] = mapped_column(String(60))
    receiver_qualifier: Mapped[str] = mapped_column(String(2), server_default="ZZ")
    receiver_id: Mapped[str] = mapped_column(String(15))
    usage_indicator: Mapped[str] = mapped_column(String(1), server_default="T")
    filing_days: Mapped[int] = mapped_column(server_default=text("90"))


class ProcedureFee(Base):
    """What a procedure costs, for everybody or for one payer. `modifier` is empty, TC or 26; cents."""

    __tablename__ = "procedure_fee"
    __table_args__ = (
        CheckConstraint("modifier IN ('','TC','26')", name="modifier"),
        CheckConstraint("amount_minor > 0", name="amount"),
        Index(
            "ix_procedure_fee_one",
            "procedure_code",
            "modifier",
            "payer_pk",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    procedure_fee_pk: Mapped[Pk]
    procedure_code: Mapped[str] = mapped_column(String(5))
    modifier: Mapped[str] = mapped_column(String(2), server_default="")
    payer_pk: Mapped[int | None] = mapped_column(ForeignKey("payer.payer_pk"))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3), server_default="USD")


class ClaimBatch(Base):
    """One file of claims, as it was made. Its control number is used once for ever."""

    __tablename__ = "claim_batch"
    __table_args__ = (PHI,)

    claim_batch_pk: Mapped[Pk]
    interchange_control_number: Mapped[int] = mapped_column(BigInteger, unique=True)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    claim_count: Mapped[int]
    total_minor: Mapped[int] = mapped_column(BigInteger)
    usage_indicator: Mapped[str] = mapped_column(String(1))
    created_at: Mapped[Utc]
    created_by: Mapped[str] = mapped_column(String(64))
    sent_at: Mapped[UtcOrNone]
    sent_by: Mapped[str | None] = mapped_column(String(64))


class Claim(Base):
    """A professional claim to one payer for one order: the charges of one billing entity and one reader.

    `findings` is what the scrubber has against it, `needs` the places where a person can mend it.
    """

    __tablename__ = "claim"
    __table_args__ = (
        CheckConstraint("component IN ('global','TC','26')", name="component"),
        CheckConstraint(
            "state IN ('draft','held','ready','batched','sent','accepted','rejected','denied','paid','void')",
            name="state",
        ),
        CheckConstraint("frequency_code IN ('1','7','8')", name="frequency_code"),
        CheckConstraint(
            "(state IN ('draft','held','ready','void')) OR claim_batch_pk IS NOT NULL", name="batch"
        ),
        Index("ix_claim_state", "state", "claim_pk"),
        Index("ix_claim_needs", "needs", postgresql_using="gin"),
        PHI,
    )

    claim_pk: Mapped[Pk]
    imaging_service_request_pk: Mapped[int] = mapped_column(
        ForeignKey("imaging_service_request.imaging_service_request_pk"), index=True
    )
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    site_pk: Mapped[int] = mapped_column(ForeignKey("site.site_pk"))
    component: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(8))
    coverage_pk: Mapped[int | None] = mapped_column(ForeignKey("coverage.coverage_pk"))
    billing_provider_pk: Mapped[int | None] = mapped_column(
        ForeignKey("billing_provider.billing_provider_pk")
    )
    referring_practitioner_pk: Mapped[int | None] = mapped_column(ForeignKey("practitioner.practitioner_pk"))
    rendering_practitioner_pk: Mapped[int | None] = mapped_column(ForeignKey("practitioner.practitioner_pk"))
    place_of_service: Mapped[str] = mapped_column(String(2), server_default="")
    # CLM05-3 (NUBC): 1 original; 7 and 8 replace and void what the payer has taken, which it knows by its own number.
    frequency_code: Mapped[str] = mapped_column(String(1), server_default="1")
    # State, CLM05-3 and file of before it was to be voided, while that can be taken back.
    withdrawn_state: Mapped[str | None] = mapped_column(String(8))
    withdrawn_frequency_code: Mapped[str | None] = mapped_column(String(1))
    withdrawn_batch_pk: Mapped[int | None] = mapped_column(ForeignKey("claim_batch.claim_batch_pk"))
    payer_claim_control_number: Mapped[str | None] = mapped_column(String(50))
    prior_authorization: Mapped[str | None] = mapped_column(String(50))
    service_date: Mapped[date] = mapped_column(Date)
    total_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    currency: Mapped[str] = mapped_column(String(3), server_default="USD")
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    needs: Mapped[list[str]] = mapped_column(ARRAY(String(24)), server_default=text("'{}'"))
    claim_batch_pk: Mapped[int | None] = mapped_column(ForeignKey("claim_batch.claim_batch_pk"), index=True)
    created_at: Mapped[Utc]
    state_changed_at: Mapped[Utc]
    state_reason: Mapped[str | None] = mapped_column(String(400))

    @property
    def claim_number(self) -> str:
        """CLM01: ours, unique, and what the payer's answers are matched by."""
        return f"W{self.claim_pk:08d}"


class Charge(Base):
    """What is asked for one component of one performed procedure."""

    __tablename__ = "charge"
    __table_args__ = (
        CheckConstraint("component IN ('global','TC','26')", name="component"),
        CheckConstraint("state IN ('draft','held','ready','claimed','void')", name="state"),
        CheckConstraint("units BETWEEN 1 AND 99", name="units"),
        CheckConstraint("amount_minor >= 0", name="amount"),
        Index(
            "ix_charge_once",
            "requested_procedure_pk",
            "component",
            # A try that was discontinued and billed may stand beside the one that succeeded.
            text("(modifiers && ARRAY['53','73','74']::varchar[])"),
            unique=True,
            postgresql_where=text("state <> 'void'"),
        ),
        PHI,
    )

    charge_pk: Mapped[Pk]
    claim_pk: Mapped[int] = mapped_column(ForeignKey("claim.claim_pk"), index=True)
    requested_procedure_pk: Mapped[int] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk")
    )
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    component: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(8))
    procedure_code: Mapped[str] = mapped_column(String(5), server_default="")
    description: Mapped[str] = mapped_column(String(64))
    modifiers: Mapped[list[str]] = mapped_column(ARRAY(String(2)), server_default=text("'{}'"))
    side_required: Mapped[bool] = mapped_column(server_default=text("false"))
    units: Mapped[int] = mapped_column(server_default=text("1"))
    amount_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    amount_is_manual: Mapped[bool] = mapped_column(server_default=text("false"))
    service_date: Mapped[date] = mapped_column(Date)
    diagnosis_codes: Mapped[list[str]] = mapped_column(ARRAY(String(8)), server_default=text("'{}'"))
    rendering_practitioner_pk: Mapped[int | None] = mapped_column(ForeignKey("practitioner.practitioner_pk"))
    created_at: Mapped[Utc]
    state_changed_at: Mapped[Utc]
    void_reason: Mapped[str | None] = mapped_column(String(400))


install_sql(
    "interchange_control_number",
    "CREATE SEQUENCE IF NOT EXISTS interchange_control_number MINVALUE 1 MAXVALUE 999999999 CYCLE;",
    "DROP SEQUENCE IF EXISTS interchange_control_number;",
)
