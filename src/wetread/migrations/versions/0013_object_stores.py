"""Several object stores: copies, what lies where, moves from one to another, rules of tiers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "store_move",
        sa.Column("store_move_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("from_store", sa.String(length=24), nullable=False),
        sa.Column("to_store", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("bytes_per_second", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.String(length=64), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("through", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("objects_at_start", sa.BigInteger(), nullable=False),
        sa.Column("bytes_at_start", sa.BigInteger(), nullable=False),
        sa.Column("objects", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_fault", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "state IN ('running','paused','done','cancelled')", name=op.f("ck_store_move_state")
        ),
        sa.PrimaryKeyConstraint("store_move_pk", name=op.f("pk_store_move")),
    )
    op.create_index(
        "ix_store_move_one_standing",
        "store_move",
        ["from_store"],
        unique=True,
        postgresql_where=sa.text("state IN ('running','paused')"),
    )
    op.create_table(
        "store_tally",
        sa.Column("store_tally_pk", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("counted_from_start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("through", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("copied", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("audited", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("store_tally_pk", name=op.f("pk_store_tally")),
    )
    op.create_table(
        "store_usage",
        sa.Column("store", sa.String(length=24), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("institution_name", sa.String(length=64), nullable=False),
        sa.Column("is_copy", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "store", "modality", "institution_name", "is_copy", name=op.f("pk_store_usage")
        ),
    )
    op.create_table(
        "tier_rule",
        sa.Column("tier_rule_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("from_store", sa.String(length=24), nullable=False),
        sa.Column("to_store", sa.String(length=24), nullable=False),
        sa.Column(
            "modalities",
            postgresql.ARRAY(sa.String(length=16)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "institution_names",
            postgresql.ARRAY(sa.String(length=64)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("days_unseen", sa.Integer(), nullable=False),
        sa.Column("is_only_when_full", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tier_rule_pk", name=op.f("pk_tier_rule")),
    )
    op.create_table(
        "study_use",
        sa.Column("study_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_study_use_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_pk", name=op.f("pk_study_use")),
    )
    op.create_table(
        "object_copy",
        sa.Column("location", sa.String(length=64), nullable=False),
        sa.Column("stored_object_pk", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["stored_object_pk"],
            ["stored_object.stored_object_pk"],
            name=op.f("fk_object_copy_stored_object_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_object_copy")),
    )
    op.create_index(
        op.f("ix_object_copy_stored_object_pk"), "object_copy", ["stored_object_pk"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_object_copy_stored_object_pk"), table_name="object_copy")
    op.drop_table("object_copy")
    op.drop_table("study_use")
    op.drop_table("tier_rule")
    op.drop_table("store_usage")
    op.drop_table("store_tally")
    op.drop_index(
        "ix_store_move_one_standing",
        table_name="store_move",
        postgresql_where=sa.text("state IN ('running','paused')"),
    )
    op.drop_table("store_move")
