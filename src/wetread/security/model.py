"""Tables of the security room: sites, practitioners, users, sessions, tokens and the audit trail."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone, install_sql


class Site(Base):
    """A hospital or imaging centre: letterhead, time zone, and what a claim says of the facility."""

    __tablename__ = "site"

    site_pk: Mapped[Pk]
    code: Mapped[str] = mapped_column(String(16), unique=True)
    institution_name: Mapped[str] = mapped_column(String(64))
    time_zone: Mapped[str] = mapped_column(String(64))
    address_line: Mapped[str | None] = mapped_column(String(55))
    city: Mapped[str | None] = mapped_column(String(30))
    state: Mapped[str | None] = mapped_column(String(2))
    postal_code: Mapped[str | None] = mapped_column(String(15))
    phone: Mapped[str | None] = mapped_column(String(32))
    npi: Mapped[str | None] = mapped_column(String(10))
    tax_id: Mapped[str | None] = mapped_column(String(9))
    place_of_service: Mapped[str] = mapped_column(String(2), server_default="11")
    # One entity owns the scanner and employs the reader: claims go out global instead of TC and 26.
    bills_global: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))


class Practitioner(Base):
    """A physician or other clinician, with or without an account."""

    __tablename__ = "practitioner"

    practitioner_pk: Mapped[Pk]
    person_name: Mapped[str] = mapped_column(String(324))
    npi: Mapped[str | None] = mapped_column(String(10), unique=True)
    taxonomy_code: Mapped[str | None] = mapped_column(String(10))
    phone: Mapped[str | None] = mapped_column(String(32))
    email: Mapped[str | None] = mapped_column(String(254))


class User(Base):
    """An account of one person. Accounts are never shared and never deleted, only disabled."""

    __tablename__ = "user_account"
    __table_args__ = (
        # Results go to whom the account says the physician is: one at a time can say so.
        Index(
            "uq_user_account_practitioner_pk",
            "practitioner_pk",
            unique=True,
            postgresql_where=text("NOT disabled"),
        ),
    )

    user_pk: Mapped[Pk]
    username: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(128))
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    practitioner_pk: Mapped[int | None] = mapped_column(ForeignKey("practitioner.practitioner_pk"))
    site_pks: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    password_hash: Mapped[str | None] = mapped_column(String(256))
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed with the master key
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)  # a code is good once (RFC 6238 5.2)
    mfa_required: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    disabled: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[Utc]
    # Keys and mouse buttons of their choice, as the client has them; null: the usual ones.
    hands: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class Invitation(Base):
    """A one-time link with which a person sets their own password. Only the hash of the secret is kept."""

    __tablename__ = "invitation"

    invitation_pk: Mapped[Pk]
    user_pk: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[Utc]
    used_at: Mapped[UtcOrNone]


class UserSession(Base):
    """A signed-in browser. The cookie holds the secret, the table its hash."""

    __tablename__ = "user_session"

    user_session_pk: Mapped[Pk]
    user_pk: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Utc]
    last_seen_at: Mapped[Utc]
    expires_at: Mapped[Utc]
    ended_at: Mapped[UtcOrNone]
    network_address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(256))


class SignInThrottle(Base):
    """How many failures to sign in count against a network address: none any more at `clear_at`."""

    __tablename__ = "sign_in_throttle"

    network_address: Mapped[str] = mapped_column(String(64), primary_key=True)
    clear_at: Mapped[Utc] = mapped_column(index=True)


class SignInFailures(Base):
    """How often a user name failed to sign in, known or not, so that nobody learns from the answer which are known.

    Only a hash of the name is kept: people type their password into the wrong field.
    """

    __tablename__ = "sign_in_failures"

    name_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    locked_until: Mapped[UtcOrNone]
    tried_at: Mapped[Utc] = mapped_column(index=True)


class ApiToken(Base):
    """A bearer token for programs, with the permissions of its user cut to its scopes (empty: all of the role's)."""

    __tablename__ = "api_token"

    api_token_pk: Mapped[Pk]
    user_pk: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"), index=True)
    label: Mapped[str] = mapped_column(String(64))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    created_at: Mapped[Utc]
    expires_at: Mapped[UtcOrNone]
    revoked_at: Mapped[UtcOrNone]
    last_used_at: Mapped[UtcOrNone]


class AuditRecord(Base):
    """One audit event. Rows are only ever inserted; sealing fills `seal_number` and `seal_hash` once.

    `seal_hash` = SHA-256(previous seal_hash || canonical content), so that a changed, removed, inserted or
    reordered row is found by walking the chain.
    """

    __tablename__ = "audit_record"
    __table_args__ = (
        Index("ix_audit_record_unsealed", "audit_record_pk", postgresql_where=text("seal_number IS NULL")),
        Index("ix_audit_record_patient", "patient_pk", "audit_record_pk"),
        CheckConstraint("event_action_code IN ('C','R','U','D','E')", name="action"),
        CheckConstraint("event_outcome_indicator IN (0,4,8,12)", name="outcome"),
    )

    audit_record_pk: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    event_date_time: Mapped[Utc]
    event_id: Mapped[str] = mapped_column(String(16))
    event_action_code: Mapped[str] = mapped_column(String(1))
    event_outcome_indicator: Mapped[int] = mapped_column(server_default=text("0"))
    actor_kind: Mapped[str] = mapped_column(String(8))
    user_pk: Mapped[int | None] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(String(64))
    network_access_point_id: Mapped[str | None] = mapped_column(String(64))
    patient_pk: Mapped[int | None] = mapped_column(BigInteger)
    study_instance_uid: Mapped[str | None] = mapped_column(String(64))
    object_type: Mapped[str | None] = mapped_column(String(48))
    object_id: Mapped[str | None] = mapped_column(String(128))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    seal_number: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    seal_hash: Mapped[bytes | None] = mapped_column(LargeBinary)


install_sql(
    "audit_record_is_append_only",
    """
CREATE OR REPLACE FUNCTION audit_record_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.seal_number IS NULL AND NEW.seal_number IS NOT NULL
       AND to_jsonb(OLD) - 'seal_number' - 'seal_hash' = to_jsonb(NEW) - 'seal_number' - 'seal_hash' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit records are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER audit_record_guard BEFORE UPDATE OR DELETE ON audit_record
    FOR EACH ROW EXECUTE FUNCTION audit_record_is_append_only();
CREATE OR REPLACE TRIGGER audit_record_guard_truncate BEFORE TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION audit_record_is_append_only();
""",
    """
DROP TRIGGER IF EXISTS audit_record_guard ON audit_record;
DROP TRIGGER IF EXISTS audit_record_guard_truncate ON audit_record;
DROP FUNCTION IF EXISTS audit_record_is_append_only();
""",
)
