"""What other systems told that they have (Instance Availability Notification)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "availability_announcement",
        sa.Column("availability_announcement_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("calling_ae_title", sa.String(length=16), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_count", sa.Integer(), nullable=False),
        sa.Column("online_count", sa.Integer(), nullable=False),
        sa.Column("nearline_count", sa.Integer(), nullable=False),
        sa.Column("offline_count", sa.Integer(), nullable=False),
        sa.Column("unavailable_count", sa.Integer(), nullable=False),
        sa.Column("retrieve_ae_titles", postgresql.ARRAY(sa.String(length=16)), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("availability_announcement_pk", name=op.f("pk_availability_announcement")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_availability_announcement_sop_instance_uid")),
    )
    op.create_index(
        "ix_availability_announcement_study_instance_uid",
        "availability_announcement",
        ["study_instance_uid"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("availability_announcement")
