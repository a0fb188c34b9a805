"""Tables of the interface queue: every message received, every message to deliver, and to whom."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone

PHI = {"info": {"phi": True}}


class Direction(StrEnum):
    """Which way a message goes."""

    IN = "in"
    OUT = "out"


class MessageState(StrEnum):
    """Where a message stands; the table of moves is in `messages_rules`."""

    RECEIVED = "received"
    APPLIED = "applied"
    FAILED = "failed"
    REJECTED = "rejected"
    QUEUED = "queued"
    DELIVERED = "delivered"
    DEAD = "dead"
    SKIPPED = "skipped"


class InterfaceReceiver(Base):
    """A system that messages go to. One message is in flight per receiver, in the order they were made."""

    __tablename__ = "interface_receiver"
    __table_args__ = (CheckConstraint("port BETWEEN 1 AND 65535", name="port"),)

    interface_receiver_pk: Mapped[Pk]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    host: Mapped[str] = mapped_column(String(253))
    port: Mapped[int]
    message_types: Mapped[list[str]] = mapped_column(ARRAY(String(16)))
    receiving_application: Mapped[str] = mapped_column(String(180), server_default="")
    receiving_facility: Mapped[str] = mapped_column(String(180), server_default="")
    enabled: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    # Sent by TLS only, to who shows a good certificate with this name (none: with the host's).
    is_encrypted: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    certificate_name: Mapped[str | None] = mapped_column(String(253))
    last_delivered_at: Mapped[UtcOrNone]
    last_error: Mapped[str | None] = mapped_column(String(400))
    last_error_at: Mapped[UtcOrNone]


class InterfaceMessage(Base):
    """One message, byte for byte, with what became of it."""

    __tablename__ = "interface_message"
    __table_args__ = (
        CheckConstraint("direction IN ('in','out')", name="direction"),
        CheckConstraint(
            "state IN ('received','applied','failed','rejected','queued','delivered','dead','skipped')",
            name="state",
        ),
        CheckConstraint("(direction = 'out') = (interface_receiver_pk IS NOT NULL)", name="receiver"),
        # A control number is applied once for a sender; a repetition with other content is kept beside it.
        Index(
            "ix_interface_message_once",
            "sending_application",
            "sending_facility",
            "message_control_id",
            unique=True,
            postgresql_where=text(
                "direction = 'in' AND duplicate_of_interface_message_pk IS NULL AND message_control_id <> ''"
            ),
        ),
        Index(
            "ix_interface_message_source",
            "interface_receiver_pk",
            "source_key",
            unique=True,
            postgresql_where=text("source_key IS NOT NULL"),
        ),
        Index(
            "ix_interface_message_queue",
            "interface_receiver_pk",
            "interface_message_pk",
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_interface_message_duplicate",
            "duplicate_of_interface_message_pk",
            postgresql_where=text("duplicate_of_interface_message_pk IS NOT NULL"),
        ),
        Index("ix_interface_message_list", "direction", "state", "interface_message_pk"),
        PHI,
    )

    interface_message_pk: Mapped[Pk]
    direction: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(12))
    message_type: Mapped[str] = mapped_column(String(16))
    message_control_id: Mapped[str] = mapped_column(String(199))
    sending_application: Mapped[str] = mapped_column(String(227), server_default="")
    sending_facility: Mapped[str] = mapped_column(String(227), server_default="")
    interface_receiver_pk: Mapped[int | None] = mapped_column(
        ForeignKey("interface_receiver.interface_receiver_pk")
    )
    network_address: Mapped[str | None] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    content_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    acknowledgment: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    acknowledgment_code: Mapped[str | None] = mapped_column(String(2))
    error_code: Mapped[str | None] = mapped_column(String(8))
    error_location: Mapped[str | None] = mapped_column(String(64))
    error_text: Mapped[str | None] = mapped_column(Text)
    patient_pk: Mapped[int | None] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    accession_number: Mapped[str | None] = mapped_column(String(16))
    # What an outgoing message tells, e.g. `report:12:3:F`: told once to each receiver.
    source_key: Mapped[str | None] = mapped_column(String(96))
    duplicate_of_interface_message_pk: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    # How many of them were answered, and not taken: only these count towards giving up.
    refusals: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[UtcOrNone]
    created_at: Mapped[Utc]
    finished_at: Mapped[UtcOrNone]
    handled_by: Mapped[str | None] = mapped_column(String(64))
    handling_reason: Mapped[str | None] = mapped_column(String(400))
