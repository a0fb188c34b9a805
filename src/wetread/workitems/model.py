"""Workitems, who watches them, and what watchers have still to hear."""

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
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone

PHI = {"info": {"phi": True}}


class State(StrEnum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    CANCELED = "CANCELED"
    COMPLETED = "COMPLETED"

    @property
    def is_final(self) -> bool:
        """Whether nothing may change any more."""
        return self in (State.CANCELED, State.COMPLETED)


class StepKind(StrEnum):
    """Which steps of the house's own work are Workitems too."""

    ACQUISITION = "acquisition"  # a Scheduled Procedure Step
    READING = "reading"  # a Requested Procedure whose images wait to be read


class Workitem(Base):
    """A Unified Procedure Step. `attributes` is the whole of it in the DICOM JSON Model but for its Transaction UID, which
    only its performer knows; the columns beside it repeat what is searched for most.

    `step_kind` and `step_pk` name the house's own step of which it tells, `site_pk` where that is done; others' Workitems
    have none of them. A step has one open Workitem at most; one that ended and began again has several, the last counts."""

    __tablename__ = "workitem"
    __table_args__ = (
        CheckConstraint(
            "procedure_step_state IN (" + ", ".join(f"'{state}'" for state in State) + ")", name="state"
        ),
        CheckConstraint(
            "procedure_step_state <> 'IN PROGRESS' OR transaction_uid IS NOT NULL", name="claimed"
        ),
        CheckConstraint(
            "step_kind IN ('acquisition','reading') AND step_pk IS NOT NULL AND site_pk IS NOT NULL"
            " OR num_nonnulls(step_kind, step_pk, site_pk) = 0",
            name="step",
        ),
        Index(
            "ix_workitem_one_open",
            "step_kind",
            "step_pk",
            unique=True,
            postgresql_where=text("procedure_step_state IN ('SCHEDULED','IN PROGRESS')"),
        ),
        Index(
            "ix_workitem_step",
            "step_kind",
            "step_pk",
            "workitem_pk",
            postgresql_where=text("step_kind IS NOT NULL"),
        ),
        Index("ix_workitem_list", "procedure_step_state", "workitem_pk"),
        Index("ix_workitem_patient", "patient_id"),
        Index("ix_workitem_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
        PHI,
    )

    workitem_pk: Mapped[Pk]
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    procedure_step_state: Mapped[str] = mapped_column(String(16))
    transaction_uid: Mapped[str | None] = mapped_column(String(64))
    scheduled_procedure_step_priority: Mapped[str] = mapped_column(String(16))
    worklist_label: Mapped[str] = mapped_column(String(64))
    procedure_step_label: Mapped[str] = mapped_column(String(64))
    patient_id: Mapped[str | None] = mapped_column(String(64))
    scheduled_procedure_step_start_date_time: Mapped[Utc]
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    step_kind: Mapped[str | None] = mapped_column(String(12))
    step_pk: Mapped[int | None] = mapped_column(BigInteger)
    site_pk: Mapped[int | None] = mapped_column(ForeignKey("site.site_pk"))
    requested_by: Mapped[str] = mapped_column(String(64))
    performed_by: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[Utc]
    updated_at: Mapped[Utc]
    finished_at: Mapped[UtcOrNone]

    @property
    def state(self) -> State:
        """Its state."""
        return State(self.procedure_step_state)


class WorkitemSubscription(Base):
    """Somebody hears of one Workitem. `is_web`: by an event channel, not by N-EVENT-REPORT."""

    __tablename__ = "workitem_subscription"
    __table_args__ = (
        UniqueConstraint("workitem_pk", "receiving_ae_title"),
        Index("ix_workitem_subscription_receiver", "receiving_ae_title"),
    )

    workitem_subscription_pk: Mapped[Pk]
    workitem_pk: Mapped[int] = mapped_column(ForeignKey("workitem.workitem_pk", ondelete="CASCADE"))
    receiving_ae_title: Mapped[str] = mapped_column(String(16))
    has_deletion_lock: Mapped[bool] = mapped_column(Boolean)
    is_web: Mapped[bool] = mapped_column(Boolean)


class WorkitemGlobalSubscription(Base):
    """Somebody is subscribed to each Workitem that will be made; with `keys` to those that match them, with `site_pks` to
    those of these sites and of none."""

    __tablename__ = "workitem_global_subscription"
    __table_args__ = (PHI,)

    receiving_ae_title: Mapped[str] = mapped_column(String(16), primary_key=True)
    keys: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    site_pks: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    has_deletion_lock: Mapped[bool] = mapped_column(Boolean)
    is_web: Mapped[bool] = mapped_column(Boolean)
    subscribed_at: Mapped[Utc]


class WorkitemEvent(Base):
    """An event that one subscriber has to hear; kept for a while after it was delivered."""

    __tablename__ = "workitem_event"
    __table_args__ = (
        Index(
            "ix_workitem_event_waiting",
            "receiving_ae_title",
            "workitem_event_pk",
            postgresql_where=text("delivered_at IS NULL"),
        ),
        Index("ix_workitem_event_happened", "happened_at"),
        PHI,
    )

    workitem_event_pk: Mapped[Pk]
    receiving_ae_title: Mapped[str] = mapped_column(String(16))
    is_web: Mapped[bool] = mapped_column(Boolean)
    sop_instance_uid: Mapped[str] = mapped_column(String(64))
    event_type_id: Mapped[int] = mapped_column(Integer)
    information: Mapped[dict[str, Any]] = mapped_column(JSONB)
    happened_at: Mapped[Utc]
    delivered_at: Mapped[UtcOrNone]
    last_error: Mapped[str | None] = mapped_column(String(200))
