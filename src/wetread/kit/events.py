"""Facts that a room tells the rest of the house: an outbox row in the same transaction, and a NOTIFY at its commit.

The outbox is relayed to subscribers by the jobs room; the NOTIFY feeds live screens. An event carries keys and
states, never patient data: it is pushed to browsers, which then ask for what they may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar

import orjson
from sqlalchemy import BigInteger, DateTime, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from wetread.kit.db import Base

CHANNEL = "wetread_event"


class OutboxEvent(Base):
    """A published event; `relayed_at` is set once every subscriber has its job."""

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_waiting", "outbox_event_pk", postgresql_where=text("relayed_at IS NULL")),
    )

    outbox_event_pk: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    keys: Mapped[dict[str, Any]] = mapped_column(JSONB)
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    relayed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class Event:
    """Subclass per fact; `kind` is `<noun>.<what happened>`, the fields plain JSON values."""

    kind: ClassVar[str]

    def keys(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


def publish(session: Session, event: Event) -> None:
    """Writes the outbox row and notifies listeners when the transaction commits."""
    session.connection().execute(_PUBLISH, _parameters(event))


def publish_all(session: Session, events: Sequence[Event]) -> None:
    """The same for several, together."""
    if events:
        session.connection().execute(_PUBLISH, [_parameters(event) for event in events])


def _parameters(event: Event) -> dict[str, str]:
    keys = event.keys()
    payload = orjson.dumps({"kind": event.kind, "keys": keys}).decode()
    return {"kind": event.kind, "keys": orjson.dumps(keys).decode(), "channel": CHANNEL, "payload": payload}


_PUBLISH = text("""
WITH written AS (INSERT INTO outbox_event (kind, keys) VALUES (:kind, CAST(:keys AS jsonb)))
SELECT pg_notify(:channel, :payload)
""")
