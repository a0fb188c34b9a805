"""The trash, corrections that move things, legal holds, retention, rejection notes: the life of what was received."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from wetread.kit.db import run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.create_table(
        "archive_policy",
        sa.Column("archive_policy_pk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trash_days", sa.Integer(), nullable=False),
        sa.Column("on_return", sa.String(length=10), nullable=False),
        sa.Column("is_delete_by_dicomweb", sa.Boolean(), nullable=False),
        sa.Column("on_rejection", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "on_return IN ('quarantine','refuse','accept')", name=op.f("ck_archive_policy_on_return")
        ),
        sa.CheckConstraint("archive_policy_pk = 1", name=op.f("ck_archive_policy_one")),
        sa.PrimaryKeyConstraint("archive_policy_pk", name=op.f("pk_archive_policy")),
    )
    op.create_table(
        "retention_rule",
        sa.Column("retention_rule_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column(
            "modalities",
            postgresql.ARRAY(sa.String(length=16)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("institution_name", sa.String(length=64), nullable=True),
        sa.Column("study_description", sa.String(length=64), nullable=True),
        sa.Column("patient_age_from", sa.Integer(), nullable=True),
        sa.Column("patient_age_below", sa.Integer(), nullable=True),
        sa.Column("keep_years", sa.Integer(), nullable=False),
        sa.Column("keep_until_age", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("retention_rule_pk", name=op.f("pk_retention_rule")),
        sa.UniqueConstraint("name", name=op.f("uq_retention_rule_name")),
    )
    op.create_table(
        "correction",
        sa.Column("correction_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("target_study_pk", sa.BigInteger(), nullable=True),
        sa.Column(
            "series_pks", postgresql.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("patient_pk_before", sa.BigInteger(), nullable=True),
        sa.Column("patient_pk_after", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("corrected_by", sa.String(length=64), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.String(length=64), nullable=True),
        sa.Column("undone_reason", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "kind IN ('edit','patient','move','split','merge')", name=op.f("ck_correction_kind")
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_correction_study_pk"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_study_pk"],
            ["study.study_pk"],
            name=op.f("fk_correction_target_study_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("correction_pk", name=op.f("pk_correction")),
    )
    op.create_index("ix_correction_study_pk", "correction", ["study_pk"], unique=False)
    op.create_index("ix_correction_target_study_pk", "correction", ["target_study_pk"], unique=False)
    op.create_table(
        "legal_hold",
        sa.Column("legal_hold_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=True),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_by", sa.String(length=64), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.String(length=64), nullable=True),
        sa.Column("lifted_reason", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(study_pk IS NULL) <> (patient_pk IS NULL)", name=op.f("ck_legal_hold_one_thing")
        ),
        sa.ForeignKeyConstraint(
            ["patient_pk"], ["patient.patient_pk"], name=op.f("fk_legal_hold_patient_pk")
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_legal_hold_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("legal_hold_pk", name=op.f("pk_legal_hold")),
    )
    op.create_index("ix_legal_hold_patient_pk", "legal_hold", ["patient_pk"], unique=False)
    op.create_index("ix_legal_hold_study_pk", "legal_hold", ["study_pk"], unique=False)
    op.create_table(
        "retention_proposal",
        sa.Column("retention_proposal_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("rule_name", sa.String(length=64), nullable=False),
        sa.Column("expired_on", sa.Date(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decision", sa.String(length=8), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_retention_proposal_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("retention_proposal_pk", name=op.f("pk_retention_proposal")),
    )
    op.create_index(
        "ix_retention_proposal_waiting",
        "retention_proposal",
        ["study_pk"],
        unique=True,
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.create_table(
        "rejection_note",
        sa.Column("instance_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code_value", sa.String(length=16), nullable=True),
        sa.Column(
            "referenced",
            postgresql.ARRAY(sa.String(length=64)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_pk"],
            ["instance.instance_pk"],
            name=op.f("fk_rejection_note_instance_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("instance_pk", name=op.f("pk_rejection_note")),
    )
    op.create_table(
        "removal",
        sa.Column("removal_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("level", sa.String(length=6), nullable=False),
        sa.Column("cause", sa.String(length=9), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("series_pk", sa.BigInteger(), nullable=True),
        sa.Column("instance_pk", sa.BigInteger(), nullable=True),
        sa.Column("rejection_note_uid", sa.String(length=64), nullable=True),
        sa.Column("code_value", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_by", sa.String(length=64), nullable=False),
        sa.Column("purge_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restored_by", sa.String(length=64), nullable=True),
        sa.Column("restored_reason", sa.String(length=200), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cause IN ('trash','retention','rejection','emptied')", name=op.f("ck_removal_cause")
        ),
        sa.CheckConstraint("level IN ('STUDY','SERIES','IMAGE')", name=op.f("ck_removal_level")),
        sa.ForeignKeyConstraint(
            ["instance_pk"], ["instance.instance_pk"], name=op.f("fk_removal_instance_pk"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["series_pk"], ["series.series_pk"], name=op.f("fk_removal_series_pk"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_removal_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("removal_pk", name=op.f("pk_removal")),
    )
    op.create_index(
        "ix_removal_due",
        "removal",
        ["purge_at"],
        unique=False,
        postgresql_where=sa.text("restored_at IS NULL AND purged_at IS NULL AND purge_at IS NOT NULL"),
    )
    op.create_index("ix_removal_study_pk", "removal", ["study_pk"], unique=False)
    op.add_column("instance", sa.Column("removal_pk", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_instance_removal_pk",
        "instance",
        ["removal_pk"],
        unique=False,
        postgresql_where=sa.text("removal_pk IS NOT NULL"),
    )
    op.add_column("series", sa.Column("received_study_pk", sa.BigInteger(), nullable=True))
    op.add_column("series", sa.Column("removal_pk", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_series_received_study_pk",
        "series",
        ["received_study_pk"],
        unique=False,
        postgresql_where=sa.text("received_study_pk IS NOT NULL"),
    )
    op.create_index(
        "ix_series_removal_pk",
        "series",
        ["removal_pk"],
        unique=False,
        postgresql_where=sa.text("removal_pk IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_series_received_study_pk"),
        "series",
        "study",
        ["received_study_pk"],
        ["study_pk"],
        ondelete="CASCADE",
    )
    op.add_column("study", sa.Column("removal_pk", sa.BigInteger(), nullable=True))
    op.add_column("study", sa.Column("merged_into_study_pk", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_study_merged_into_study_pk",
        "study",
        ["merged_into_study_pk"],
        unique=False,
        postgresql_where=sa.text("merged_into_study_pk IS NOT NULL"),
    )
    op.create_index(
        "ix_study_removal_pk",
        "study",
        ["removal_pk"],
        unique=False,
        postgresql_where=sa.text("removal_pk IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_study_merged_into_study_pk"), "study", "study", ["merged_into_study_pk"], ["study_pk"]
    )
    op.add_column("study_correction", sa.Column("series_pk", sa.BigInteger(), nullable=True))
    op.add_column("study_correction", sa.Column("instance_pk", sa.BigInteger(), nullable=True))
    op.add_column("study_correction", sa.Column("from_study_pk", sa.BigInteger(), nullable=True))
    op.add_column("study_correction", sa.Column("correction_pk", sa.BigInteger(), nullable=True))
    op.add_column("study_correction", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_study_correction_correction_pk",
        "study_correction",
        ["correction_pk"],
        unique=False,
        postgresql_where=sa.text("correction_pk IS NOT NULL"),
    )
    op.create_index(
        "ix_study_correction_from_study_pk",
        "study_correction",
        ["from_study_pk"],
        unique=False,
        postgresql_where=sa.text("from_study_pk IS NOT NULL"),
    )
    op.create_index(
        "ix_study_correction_series_pk",
        "study_correction",
        ["series_pk"],
        unique=False,
        postgresql_where=sa.text("series_pk IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_study_correction_instance_pk"),
        "study_correction",
        "instance",
        ["instance_pk"],
        ["instance_pk"],
        ondelete="CASCADE",
    )
    op.create_foreign_key(
        op.f("fk_study_correction_from_study_pk"),
        "study_correction",
        "study",
        ["from_study_pk"],
        ["study_pk"],
        ondelete="CASCADE",
    )
    op.create_foreign_key(
        op.f("fk_study_correction_series_pk"),
        "study_correction",
        "series",
        ["series_pk"],
        ["series_pk"],
        ondelete="CASCADE",
    )
    op.create_foreign_key(
        op.f("fk_study_correction_correction_pk"),
        "study_correction",
        "correction",
        ["correction_pk"],
        ["correction_pk"],
        ondelete="CASCADE",
    )
    _run("0009_life_of_studies.sql")


def downgrade() -> None:
    _run("0009_life_of_studies.down.sql")
    op.drop_constraint(op.f("fk_study_correction_correction_pk"), "study_correction", type_="foreignkey")
    op.drop_constraint(op.f("fk_study_correction_series_pk"), "study_correction", type_="foreignkey")
    op.drop_constraint(op.f("fk_study_correction_from_study_pk"), "study_correction", type_="foreignkey")
    op.drop_constraint(op.f("fk_study_correction_instance_pk"), "study_correction", type_="foreignkey")
    op.drop_index("ix_study_correction_series_pk", table_name="study_correction")
    op.drop_index("ix_study_correction_from_study_pk", table_name="study_correction")
    op.drop_index("ix_study_correction_correction_pk", table_name="study_correction")
    op.drop_column("study_correction", "undone_at")
    op.drop_column("study_correction", "correction_pk")
    op.drop_column("study_correction", "from_study_pk")
    op.drop_column("study_correction", "instance_pk")
    op.drop_column("study_correction", "series_pk")
    op.drop_constraint(op.f("fk_study_merged_into_study_pk"), "study", type_="foreignkey")
    op.drop_index("ix_study_removal_pk", table_name="study")
    op.drop_index("ix_study_merged_into_study_pk", table_name="study")
    op.drop_column("study", "merged_into_study_pk")
    op.drop_column("study", "removal_pk")
    op.drop_constraint(op.f("fk_series_received_study_pk"), "series", type_="foreignkey")
    op.drop_index("ix_series_removal_pk", table_name="series")
    op.drop_index("ix_series_received_study_pk", table_name="series")
    op.drop_column("series", "removal_pk")
    op.drop_column("series", "received_study_pk")
    op.drop_index("ix_instance_removal_pk", table_name="instance")
    op.drop_column("instance", "removal_pk")
    op.drop_index("ix_removal_study_pk", table_name="removal")
    op.drop_index("ix_removal_due", table_name="removal")
    op.drop_table("removal")
    op.drop_table("rejection_note")
    op.drop_index("ix_retention_proposal_waiting", table_name="retention_proposal")
    op.drop_table("retention_proposal")
    op.drop_index("ix_legal_hold_study_pk", table_name="legal_hold")
    op.drop_index("ix_legal_hold_patient_pk", table_name="legal_hold")
    op.drop_table("legal_hold")
    op.drop_index("ix_correction_target_study_pk", table_name="correction")
    op.drop_index("ix_correction_study_pk", table_name="correction")
    op.drop_table("correction")
    op.drop_table("retention_rule")
    op.drop_table("archive_policy")
