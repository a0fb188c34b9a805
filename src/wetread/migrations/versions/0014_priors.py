"""Priors at other archives: who is asked, what was asked, what they have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remote_archive",
        sa.Column("remote_archive_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("retrieve", sa.String(length=8), nullable=False),
        sa.Column("remote_ae_pk", sa.BigInteger(), nullable=True),
        sa.Column("base_url", sa.String(length=400), nullable=True),
        sa.Column("user_name", sa.String(length=64), nullable=True),
        sa.Column("sealed_password", sa.LargeBinary(), nullable=True),
        sa.Column("issuer_of_patient_id", sa.String(length=64), nullable=False),
        sa.Column("prefetch_max", sa.SmallInteger(), nullable=False),
        sa.Column("years_max", sa.SmallInteger(), nullable=False),
        sa.Column("lead_hours", sa.SmallInteger(), nullable=False),
        sa.Column("last_answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(retrieve = 'WADO-RS') = (base_url IS NOT NULL)", name=op.f("ck_remote_archive_base_url")
        ),
        sa.CheckConstraint(
            "(retrieve = 'WADO-RS') = (remote_ae_pk IS NULL)", name=op.f("ck_remote_archive_remote_ae")
        ),
        sa.CheckConstraint(
            "retrieve IN ('C-GET', 'C-MOVE', 'WADO-RS')", name=op.f("ck_remote_archive_retrieve")
        ),
        sa.ForeignKeyConstraint(
            ["remote_ae_pk"], ["remote_ae.remote_ae_pk"], name=op.f("fk_remote_archive_remote_ae_pk")
        ),
        sa.PrimaryKeyConstraint("remote_archive_pk", name=op.f("pk_remote_archive")),
        sa.UniqueConstraint("name", name=op.f("uq_remote_archive_name")),
    )
    op.create_table(
        "remote_study",
        sa.Column("remote_study_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("remote_archive_pk", sa.BigInteger(), nullable=False),
        sa.Column("patient_pk", sa.BigInteger(), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.Column("study_description", sa.String(length=256), nullable=True),
        sa.Column("accession_number", sa.String(length=64), nullable=True),
        sa.Column(
            "modalities_in_study",
            postgresql.ARRAY(sa.String(length=16)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "body_parts_examined",
            postgresql.ARRAY(sa.String(length=64)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "sop_classes_in_study",
            postgresql.ARRAY(sa.String(length=64)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("number_of_study_related_instances", sa.Integer(), nullable=True),
        sa.Column("patient_name", sa.String(length=324), nullable=True),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("issuer_of_patient_id", sa.String(length=64), nullable=True),
        sa.Column("patient_birth_date", sa.Date(), nullable=True),
        sa.Column("patient_sex", sa.String(length=16), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agreement", sa.String(length=9), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_reason", sa.String(length=200), nullable=True),
        sa.Column("fetch_state", sa.String(length=8), nullable=False),
        sa.Column("requested_by", sa.String(length=64), nullable=True),
        sa.Column("received_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "agreement IN ('agrees', 'differs', 'accepted', 'dismissed')",
            name=op.f("ck_remote_study_agreement"),
        ),
        sa.CheckConstraint(
            "fetch_state IN ('absent', 'waiting', 'fetching', 'fetched', 'failed', 'canceled')",
            name=op.f("ck_remote_study_fetch_state"),
        ),
        sa.ForeignKeyConstraint(
            ["remote_archive_pk"],
            ["remote_archive.remote_archive_pk"],
            name=op.f("fk_remote_study_remote_archive_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("remote_study_pk", name=op.f("pk_remote_study")),
        sa.UniqueConstraint(
            "remote_archive_pk",
            "patient_pk",
            "study_instance_uid",
            name=op.f("uq_remote_study_remote_archive_pk_patient_pk_study_instance_uid"),
        ),
    )
    op.create_index("ix_remote_study_patient_pk", "remote_study", ["patient_pk"], unique=False)
    op.create_index(
        "ix_remote_study_queue",
        "remote_study",
        ["remote_study_pk"],
        unique=False,
        postgresql_where=sa.text("fetch_state <> 'absent'"),
    )
    op.create_index(
        "ix_remote_study_study_instance_uid", "remote_study", ["study_instance_uid"], unique=False
    )
    op.create_table(
        "prior_lookup",
        sa.Column("prior_lookup_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("patient_pk", sa.BigInteger(), nullable=False),
        sa.Column("remote_archive_pk", sa.BigInteger(), nullable=False),
        sa.Column("requested_procedure_pk", sa.BigInteger(), nullable=True),
        sa.Column("modality", sa.String(length=16), nullable=True),
        sa.Column("body_part_examined", sa.String(length=64), nullable=True),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("is_prefetch", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("found_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_cut", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'asking', 'answered', 'failed')", name=op.f("ck_prior_lookup_state")
        ),
        sa.ForeignKeyConstraint(
            ["remote_archive_pk"],
            ["remote_archive.remote_archive_pk"],
            name=op.f("fk_prior_lookup_remote_archive_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["requested_procedure_pk"],
            ["requested_procedure.requested_procedure_pk"],
            name=op.f("fk_prior_lookup_requested_procedure_pk"),
        ),
        sa.PrimaryKeyConstraint("prior_lookup_pk", name=op.f("pk_prior_lookup")),
        sa.UniqueConstraint(
            "patient_pk",
            "remote_archive_pk",
            "requested_procedure_pk",
            name=op.f("uq_prior_lookup_patient_pk_remote_archive_pk_requested_procedure_pk"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        op.f("ix_prior_lookup_remote_archive_pk"), "prior_lookup", ["remote_archive_pk"], unique=False
    )
    op.create_index(
        op.f("ix_prior_lookup_requested_procedure_pk"),
        "prior_lookup",
        ["requested_procedure_pk"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("prior_lookup")
    op.drop_table("remote_study")
    op.drop_table("remote_archive")
