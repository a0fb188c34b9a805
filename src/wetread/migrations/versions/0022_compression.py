"""Originals compressed in their place by rule, and rules that do so without sending."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from wetread.kit.db import run_script

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_STATES = "'waiting','working','done','failed','canceled','restoring','restored'"


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.create_table(
        "compression",
        sa.Column("compression_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("series_pks", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("objects", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_before", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_after", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_compression_state")),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_compression_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("compression_pk", name=op.f("pk_compression")),
        sa.UniqueConstraint(
            "study_pk", "transfer_syntax_uid", name=op.f("uq_compression_study_pk_transfer_syntax_uid")
        ),
    )
    op.create_index(
        "ix_compression_open", "compression", ["compression_pk"], postgresql_where=sa.text("state <> 'done'")
    )
    op.create_table(
        "compressed_object",
        sa.Column("stored_object_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("compression_pk", sa.BigInteger(), nullable=True),
        sa.Column("received_transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("received_dataset_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("received_size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_head_bytes", sa.Integer(), nullable=False),
        sa.Column("received_rest_bytes", sa.Integer(), nullable=False),
        sa.Column("received_photometric_interpretation", sa.String(length=16), nullable=True),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["compression_pk"],
            ["compression.compression_pk"],
            name=op.f("fk_compressed_object_compression_pk"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["stored_object_pk"],
            ["stored_object.stored_object_pk"],
            name=op.f("fk_compressed_object_stored_object_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("stored_object_pk", name=op.f("pk_compressed_object")),
    )
    op.create_index(
        op.f("ix_compressed_object_compression_pk"), "compressed_object", ["compression_pk"], unique=False
    )
    op.create_table(
        "uncompressed_object",
        sa.Column("stored_object_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("compression_pk", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["compression_pk"],
            ["compression.compression_pk"],
            name=op.f("fk_uncompressed_object_compression_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["stored_object_pk"],
            ["stored_object.stored_object_pk"],
            name=op.f("fk_uncompressed_object_stored_object_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("stored_object_pk", "compression_pk", name=op.f("pk_uncompressed_object")),
    )
    op.create_table(
        "parting_object",
        sa.Column("stored_object_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["stored_object_pk"],
            ["stored_object.stored_object_pk"],
            name=op.f("fk_parting_object_stored_object_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("stored_object_pk", name=op.f("pk_parting_object")),
    )
    op.create_index(op.f("ix_parting_object_until"), "parting_object", ["until"], unique=False)
    op.alter_column("routing_rule", "remote_ae_pk", nullable=True)
    op.add_column("routing_rule", sa.Column("compress_to", sa.String(length=64), nullable=True))
    _run("0022_compression.sql")


def downgrade() -> None:
    # What stands only in its compressed form could not be known or given back any more.
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM compressed_object) THEN"
        " RAISE 'objects are compressed: have them put back as they were received first'; END IF; END $$"
    )
    _run("0022_compression.down.sql")
    op.drop_column("routing_rule", "compress_to")
    op.execute("DELETE FROM routing_rule WHERE remote_ae_pk IS NULL")
    op.alter_column("routing_rule", "remote_ae_pk", nullable=False)
    op.drop_table("parting_object")
    op.drop_table("uncompressed_object")
    op.drop_table("compressed_object")
    op.drop_table("compression")
