"""Rules, and studies on their way."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone


class ForwardingState(StrEnum):
    """waiting → sending → sent | waiting (tries again) | failed; failed and canceled go back to waiting by a person."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELED = "canceled"


class RoutingRule(Base):
    """What is done with studies that meet all conditions: they are sent on, compressed here, people and systems are told
    of them. Rules do not exclude
    each other: a study goes wherever one says. Of several that name the same destination the first, by `position`, says
    how it goes there; of several that compress the same series, the first says to what."""

    __tablename__ = "routing_rule"
    __table_args__ = (CheckConstraint("wait_s BETWEEN 0 AND 86400", name="wait"),)

    routing_rule_pk: Mapped[Pk]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    conditions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # rules.Condition
    remote_ae_pk: Mapped[int | None] = mapped_column(
        ForeignKey("remote_ae.remote_ae_pk")
    )  # absent: sent nowhere
    # The lossless transfer syntax that native pictures of matching series are compressed to, in their place here.
    compress_to: Mapped[str | None] = mapped_column(String(64))
    wait_s: Mapped[int] = mapped_column(Integer)  # without news of the study before it is sent
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # Options of the de-identification under which objects go out (dicom.deidentify.Options); absent: as they are.
    deidentify: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # Who is told when a study has arrived there, or where it is sent nowhere, is all here, and the secret that signs it (routing.telling).
    tell_url: Mapped[str | None] = mapped_column(String(400))
    sealed_tell_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    # Who is told inside the product, and whether the orders' receivers are told by HL7 that images are here.
    notice_roles: Mapped[list[str]] = mapped_column(ARRAY(String(32)), server_default=text("'{}'"))
    notice_user_pks: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    is_told_by_hl7: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())
    updated_at: Mapped[UtcOrNone]


class Forwarding(Base):
    """One study on its way to one destination. Objects up to `through_instance_pk` were offered to it; those that it
    did not take are in forwarding_failure."""

    __tablename__ = "forwarding"
    __table_args__ = (
        UniqueConstraint("study_pk", "remote_ae_pk"),
        CheckConstraint(
            "state IN (" + ", ".join(f"'{state}'" for state in ForwardingState) + ")", name="state"
        ),
        Index("ix_forwarding_open", "forwarding_pk", postgresql_where=text("state <> 'sent'")),
        {"info": {"phi": True}},
    )

    forwarding_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    remote_ae_pk: Mapped[int] = mapped_column(ForeignKey("remote_ae.remote_ae_pk", ondelete="CASCADE"))
    routing_rule_pk: Mapped[int | None] = mapped_column(
        ForeignKey("routing_rule.routing_rule_pk", ondelete="SET NULL")
    )
    requested_by: Mapped[str] = mapped_column(String(64))
    deidentify: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))  # as the rule had it
    state: Mapped[str] = mapped_column(String(16))
    through_instance_pk: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    sent_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    waiting_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(200))
    not_before: Mapped[Utc]
    claimed_until: Mapped[UtcOrNone]
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())
    updated_at: Mapped[Utc]


class PseudonymKey(Base):
    """The secret by which pseudonyms for one destination are made, sealed with the master key. It outlives the rules: the
    same person and object always have the same pseudonym there, and another elsewhere."""

    __tablename__ = "pseudonym_key"

    remote_ae_pk: Mapped[int] = mapped_column(
        ForeignKey("remote_ae.remote_ae_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())


class ForwardingFailure(Base):
    """An object that the destination refused."""

    __tablename__ = "forwarding_failure"

    forwarding_pk: Mapped[int] = mapped_column(
        ForeignKey("forwarding.forwarding_pk", ondelete="CASCADE"), primary_key=True
    )
    instance_pk: Mapped[int] = mapped_column(
        ForeignKey("instance.instance_pk", ondelete="CASCADE"), primary_key=True
    )
    reason: Mapped[str] = mapped_column(String(200))
