"""Unified Procedure Steps, who watches them, and what watchers have still to hear."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workitem",
        sa.Column("workitem_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("procedure_step_state", sa.String(length=16), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=True),
        sa.Column("scheduled_procedure_step_priority", sa.String(length=16), nullable=False),
        sa.Column("worklist_label", sa.String(length=64), nullable=False),
        sa.Column("procedure_step_label", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("scheduled_procedure_step_start_date_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("performed_by", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "procedure_step_state <> 'IN PROGRESS' OR transaction_uid IS NOT NULL",
            name=op.f("ck_workitem_claimed"),
        ),
        sa.CheckConstraint(
            "procedure_step_state IN ('SCHEDULED', 'IN PROGRESS', 'CANCELED', 'COMPLETED')",
            name=op.f("ck_workitem_state"),
        ),
        sa.PrimaryKeyConstraint("workitem_pk", name=op.f("pk_workitem")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_workitem_sop_instance_uid")),
    )
    op.create_index(
        "ix_workitem_finished",
        "workitem",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index("ix_workitem_list", "workitem", ["procedure_step_state", "workitem_pk"], unique=False)
    op.create_index("ix_workitem_patient", "workitem", ["patient_id"], unique=False)
    op.create_table(
        "workitem_subscription",
        sa.Column("workitem_subscription_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workitem_pk", sa.BigInteger(), nullable=False),
        sa.Column("receiving_ae_title", sa.String(length=16), nullable=False),
        sa.Column("has_deletion_lock", sa.Boolean(), nullable=False),
        sa.Column("is_web", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workitem_pk"],
            ["workitem.workitem_pk"],
            name=op.f("fk_workitem_subscription_workitem_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workitem_subscription_pk", name=op.f("pk_workitem_subscription")),
        sa.UniqueConstraint(
            "workitem_pk",
            "receiving_ae_title",
            name=op.f("uq_workitem_subscription_workitem_pk_receiving_ae_title"),
        ),
    )
    op.create_index(
        "ix_workitem_subscription_receiver", "workitem_subscription", ["receiving_ae_title"], unique=False
    )
    op.create_table(
        "workitem_global_subscription",
        sa.Column("receiving_ae_title", sa.String(length=16), nullable=False),
        sa.Column("keys", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("has_deletion_lock", sa.Boolean(), nullable=False),
        sa.Column("is_web", sa.Boolean(), nullable=False),
        sa.Column("subscribed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("receiving_ae_title", name=op.f("pk_workitem_global_subscription")),
    )
    op.create_table(
        "workitem_event",
        sa.Column("workitem_event_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("receiving_ae_title", sa.String(length=16), nullable=False),
        sa.Column("is_web", sa.Boolean(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("event_type_id", sa.Integer(), nullable=False),
        sa.Column("information", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("workitem_event_pk", name=op.f("pk_workitem_event")),
    )
    op.create_index("ix_workitem_event_happened", "workitem_event", ["happened_at"], unique=False)
    op.create_index(
        "ix_workitem_event_waiting",
        "workitem_event",
        ["receiving_ae_title", "workitem_event_pk"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("workitem_event")
    op.drop_table("workitem_global_subscription")
    op.drop_table("workitem_subscription")
    op.drop_table("workitem")
