"""Tables of the scheduling room."""

from __future__ import annotations

from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Time,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone, install_sql

PHI = {"info": {"phi": True}}


class ModalityResource(Base):
    """A scanner that can be booked: its AE title, and when it works, in wall time of its site."""

    __tablename__ = "modality_resource"

    modality_resource_pk: Mapped[Pk]
    site_pk: Mapped[int] = mapped_column(ForeignKey("site.site_pk"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    station_name: Mapped[str] = mapped_column(String(16))
    station_ae_title: Mapped[str] = mapped_column(String(16), unique=True)
    modality: Mapped[str] = mapped_column(String(16))
    opens: Mapped[time] = mapped_column(Time)
    closes: Mapped[time] = mapped_column(Time)
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))  # 0 is Monday
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))


class Appointment(Base):
    """A slot on a resource. PostgreSQL itself refuses one over another, unless the later was overbooked with a reason:
    an exclusion constraint between those that are not overbooked, a trigger where one comes after an overbooked one."""

    __tablename__ = "appointment"
    __table_args__ = (
        CheckConstraint(
            "state IN ('booked','arrived','checked-in','fulfilled','cancelled','noshow')", name="state"
        ),
        CheckConstraint("ends_at > starts_at", name="order"),
        Index("ix_appointment_day", "modality_resource_pk", "starts_at"),
        Index("ix_appointment_starts_at", "starts_at"),
        Index("ix_appointment_booked_at", "booked_at"),
        PHI,
    )

    appointment_pk: Mapped[Pk]
    modality_resource_pk: Mapped[int] = mapped_column(ForeignKey("modality_resource.modality_resource_pk"))
    requested_procedure_pk: Mapped[int] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk"), index=True
    )
    starts_at: Mapped[Utc]
    ends_at: Mapped[Utc]
    state: Mapped[str] = mapped_column(String(12))
    overbook_reason: Mapped[str | None] = mapped_column(String(200))
    cancel_reason: Mapped[str | None] = mapped_column(String(200))
    booked_at: Mapped[Utc]
    booked_by: Mapped[str] = mapped_column(String(64))
    # Of the form in which it was booked: what is sent twice is made once.
    idempotency_key: Mapped[UUID | None] = mapped_column(Uuid, unique=True)
    arrived_at: Mapped[UtcOrNone]


Appointment.__table__.append_constraint(  # type: ignore[attr-defined]
    ExcludeConstraint(
        (Appointment.__table__.c.modality_resource_pk, "="),
        (func.tstzrange(Appointment.__table__.c.starts_at, Appointment.__table__.c.ends_at), "&&"),
        name="appointment_no_double_booking",
        using="gist",
        where=text("state NOT IN ('cancelled','noshow') AND overbook_reason IS NULL"),
    )
)
# An exclusion constraint is symmetric, and this rule is not: who is overbooked may come over who is there, and nobody who
# is not may come over who was overbooked. So the later is looked at, one at a time on each scanner.
install_sql(
    "appointment_beside_overbooked",
    """
CREATE OR REPLACE FUNCTION appointment_beside_overbooked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IN ('cancelled', 'noshow') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        -- What takes no time that it did not have before is no booking.
        IF OLD.state NOT IN ('cancelled', 'noshow')
           AND OLD.modality_resource_pk = NEW.modality_resource_pk
           AND tstzrange(OLD.starts_at, OLD.ends_at) @> tstzrange(NEW.starts_at, NEW.ends_at)
           AND (NEW.overbook_reason IS NOT NULL OR OLD.overbook_reason IS NULL) THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM 1 FROM modality_resource WHERE modality_resource_pk = NEW.modality_resource_pk FOR NO KEY UPDATE;
    IF NEW.overbook_reason IS NULL AND EXISTS (
        SELECT 1 FROM appointment
        WHERE modality_resource_pk = NEW.modality_resource_pk
          AND appointment_pk <> NEW.appointment_pk
          AND state NOT IN ('cancelled', 'noshow')
          AND overbook_reason IS NOT NULL
          AND tstzrange(starts_at, ends_at) && tstzrange(NEW.starts_at, NEW.ends_at)
    ) THEN
        RAISE EXCEPTION 'appointment_no_double_booking: an overbooked appointment takes this time'
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'appointment_no_double_booking';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER appointment_beside_overbooked BEFORE INSERT OR UPDATE ON appointment
    FOR EACH ROW EXECUTE FUNCTION appointment_beside_overbooked();
""",
    """
DROP TRIGGER IF EXISTS appointment_beside_overbooked ON appointment;
DROP FUNCTION IF EXISTS appointment_beside_overbooked();
""",
)


class ScheduledProcedureStep(Base):
    """What a modality finds on its worklist (PS3.3 C.4.10)."""

    __tablename__ = "scheduled_procedure_step"
    __table_args__ = (
        CheckConstraint(
            "scheduled_procedure_step_status IN "
            "('SCHEDULED','ARRIVED','READY','STARTED','COMPLETED','DISCONTINUED','CANCELED')",
            name="status",
        ),
        Index(
            "ix_scheduled_procedure_step_worklist",
            "scheduled_station_ae_title",
            "starts_at",
            postgresql_where=text(
                "scheduled_procedure_step_status IN ('SCHEDULED','ARRIVED','READY','STARTED')"
            ),
        ),
        Index("ix_scheduled_procedure_step_starts_at", "starts_at"),
        Index("ix_scheduled_procedure_step_status_changed_at", "status_changed_at"),
        PHI,
    )

    scheduled_procedure_step_pk: Mapped[Pk]
    requested_procedure_pk: Mapped[int] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk"), index=True
    )
    appointment_pk: Mapped[int | None] = mapped_column(ForeignKey("appointment.appointment_pk"), index=True)
    modality_resource_pk: Mapped[int] = mapped_column(ForeignKey("modality_resource.modality_resource_pk"))
    scheduled_procedure_step_id: Mapped[str] = mapped_column(String(16), unique=True)
    scheduled_procedure_step_status: Mapped[str] = mapped_column(String(16))
    modality: Mapped[str] = mapped_column(String(16))
    scheduled_station_ae_title: Mapped[str] = mapped_column(String(16))
    scheduled_station_name: Mapped[str] = mapped_column(String(16))
    scheduled_procedure_step_description: Mapped[str] = mapped_column(String(64))
    scheduled_procedure_step_location: Mapped[str | None] = mapped_column(String(16))
    scheduled_performing_physician_name: Mapped[str | None] = mapped_column(String(324))
    starts_at: Mapped[Utc]
    status_changed_at: Mapped[Utc]
    discontinuation_reason: Mapped[str | None] = mapped_column(String(200))


class PerformedProcedureStep(Base):
    """What a modality reports of its work (PS3.3 C.4.13), with everything it sent."""

    __tablename__ = "performed_procedure_step"
    __table_args__ = (
        CheckConstraint(
            "performed_procedure_step_status IN ('IN PROGRESS','COMPLETED','DISCONTINUED')", name="status"
        ),
        PHI,
    )

    performed_procedure_step_pk: Mapped[Pk]
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    performed_procedure_step_id: Mapped[str] = mapped_column(String(16))
    performed_procedure_step_status: Mapped[str] = mapped_column(String(16))
    performed_station_ae_title: Mapped[str] = mapped_column(String(16))
    modality: Mapped[str] = mapped_column(String(16))
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    attributes: Mapped[dict[str, Any]] = mapped_column(
        JSONB
    )  # DICOM JSON of N-CREATE with each N-SET laid over
    started_at: Mapped[Utc]
    ended_at: Mapped[UtcOrNone]
    # Why it hung on no Scheduled Procedure Step when it came; null where it did.
    unscheduled_reason: Mapped[str | None] = mapped_column(String(200))
    # When and by whom it was hung on one nevertheless.
    linked_at: Mapped[UtcOrNone]
    linked_by: Mapped[str | None] = mapped_column(String(64))
    linked_because: Mapped[str | None] = mapped_column(String(200))
    received_at: Mapped[Utc]


class PerformedStepReference(Base):
    """Which Scheduled Procedure Steps a performed one fulfils (n to m)."""

    __tablename__ = "performed_step_reference"

    performed_procedure_step_pk: Mapped[int] = mapped_column(
        ForeignKey("performed_procedure_step.performed_procedure_step_pk"),
        primary_key=True,
        autoincrement=False,
    )
    scheduled_procedure_step_pk: Mapped[int] = mapped_column(
        ForeignKey("scheduled_procedure_step.scheduled_procedure_step_pk"),
        primary_key=True,
        autoincrement=False,
    )
    # Where the scheduled step stood when a person hung the performed one on it; null where nobody did.
    status_before: Mapped[str | None] = mapped_column(String(16))


class StudyLink(Base):
    """Whose a study is. `matched` by exact agreement (without an order: a patient's earlier study), `resolved` by a
    person, `unmatched`: waiting for one, with the reasons."""

    __tablename__ = "study_link"
    __table_args__ = (
        CheckConstraint("state IN ('matched','resolved','unmatched')", name="state"),
        UniqueConstraint("study_pk", "requested_procedure_pk"),
        Index("ix_study_link_requested_procedure", "requested_procedure_pk"),
        Index("ix_study_link_unmatched", "study_link_pk", postgresql_where=text("state = 'unmatched'")),
        Index(
            "ix_study_link_one_without_order",
            "study_pk",
            unique=True,
            postgresql_where=text("requested_procedure_pk IS NULL"),
        ),
        PHI,
    )

    study_link_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    requested_procedure_pk: Mapped[int | None] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk")
    )
    state: Mapped[str] = mapped_column(String(12))
    reasons: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default=text("'[]'"))
    candidate_procedure_pk: Mapped[int | None] = mapped_column(BigInteger)
    linked_at: Mapped[Utc]
    linked_by: Mapped[str] = mapped_column(String(64))
    # What a person said who hung the study on its order; `reasons` is then what spoke against it.
    linked_because: Mapped[str | None] = mapped_column(String(200))
