"""Rules of sending on, and studies on their way to other archives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "routing_rule",
        sa.Column("routing_rule_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("remote_ae_pk", sa.BigInteger(), nullable=False),
        sa.Column("wait_s", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("wait_s BETWEEN 0 AND 86400", name=op.f("ck_routing_rule_wait")),
        sa.ForeignKeyConstraint(
            ["remote_ae_pk"], ["remote_ae.remote_ae_pk"], name=op.f("fk_routing_rule_remote_ae_pk")
        ),
        sa.PrimaryKeyConstraint("routing_rule_pk", name=op.f("pk_routing_rule")),
        sa.UniqueConstraint("name", name=op.f("uq_routing_rule_name")),
    )
    op.create_table(
        "forwarding",
        sa.Column("forwarding_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("remote_ae_pk", sa.BigInteger(), nullable=False),
        sa.Column("routing_rule_pk", sa.BigInteger(), nullable=True),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("through_instance_pk", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'failed', 'canceled')", name=op.f("ck_forwarding_state")
        ),
        sa.ForeignKeyConstraint(
            ["remote_ae_pk"],
            ["remote_ae.remote_ae_pk"],
            name=op.f("fk_forwarding_remote_ae_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["routing_rule_pk"],
            ["routing_rule.routing_rule_pk"],
            name=op.f("fk_forwarding_routing_rule_pk"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_forwarding_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("forwarding_pk", name=op.f("pk_forwarding")),
        sa.UniqueConstraint("study_pk", "remote_ae_pk", name=op.f("uq_forwarding_study_pk_remote_ae_pk")),
    )
    op.create_index(
        "ix_forwarding_open",
        "forwarding",
        ["forwarding_pk"],
        unique=False,
        postgresql_where=sa.text("state <> 'sent'"),
    )
    op.create_table(
        "forwarding_failure",
        sa.Column("forwarding_pk", sa.BigInteger(), nullable=False),
        sa.Column("instance_pk", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["forwarding_pk"],
            ["forwarding.forwarding_pk"],
            name=op.f("fk_forwarding_failure_forwarding_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["instance_pk"],
            ["instance.instance_pk"],
            name=op.f("fk_forwarding_failure_instance_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("forwarding_pk", "instance_pk", name=op.f("pk_forwarding_failure")),
    )


def downgrade() -> None:
    op.drop_table("forwarding_failure")
    op.drop_index("ix_forwarding_open", table_name="forwarding", postgresql_where=sa.text("state <> 'sent'"))
    op.drop_table("forwarding")
    op.drop_table("routing_rule")
