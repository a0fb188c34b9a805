"""Who was told of which studies (Instance Availability Notification)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "availability_notification",
        sa.Column("availability_notification_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("remote_ae_pk", sa.BigInteger(), nullable=False),
        sa.Column("through_instance_pk", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["remote_ae_pk"],
            ["remote_ae.remote_ae_pk"],
            name=op.f("fk_availability_notification_remote_ae_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"],
            ["study.study_pk"],
            name=op.f("fk_availability_notification_study_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("availability_notification_pk", name=op.f("pk_availability_notification")),
        sa.UniqueConstraint(
            "study_pk", "remote_ae_pk", name=op.f("uq_availability_notification_study_pk_remote_ae_pk")
        ),
    )
    op.create_index(
        "ix_availability_notification_waiting",
        "availability_notification",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("not_before IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("availability_notification")
