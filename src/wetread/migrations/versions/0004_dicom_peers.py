"""Storage commitment; how a DICOM peer proves itself; the nodes that run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "storage_commitment",
        sa.Column("storage_commitment_pk", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("transaction_uid", sa.String(64), nullable=False),
        sa.Column("calling_ae_title", sa.String(16), nullable=False),
        sa.Column("network_address", sa.String(64), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("referenced", postgresql.JSONB(), nullable=False),
        sa.Column("failed", postgresql.JSONB(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("storage_commitment_pk", name=op.f("pk_storage_commitment")),
    )
    op.create_index(
        "ix_storage_commitment_transaction", "storage_commitment", ["calling_ae_title", "transaction_uid"]
    )
    op.create_index(
        "ix_storage_commitment_due",
        "storage_commitment",
        ["requested_at"],
        postgresql_where=sa.text("reported_at IS NULL"),
    )
    op.create_table(
        "dicom_node",
        sa.Column("node", sa.String(128), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("associations", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_dicom_node")),
    )
    for column in (
        sa.Column("is_encrypted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "calls_from", postgresql.ARRAY(sa.String(64)), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("certificate_name", sa.String(253), nullable=True),
        sa.Column("user_identity", sa.String(64), nullable=True),
        sa.Column("passcode_hash", sa.String(256), nullable=True),
    ):
        op.add_column("remote_ae", column)
    # Verification was open to every known peer before it became a right.
    op.execute("UPDATE remote_ae SET rights = array_prepend('verify'::varchar, rights)")


def downgrade() -> None:
    op.execute("UPDATE remote_ae SET rights = array_remove(rights, 'verify'::varchar)")
    for name in ("passcode_hash", "user_identity", "certificate_name", "calls_from", "is_encrypted"):
        op.drop_column("remote_ae", name)
    op.drop_table("dicom_node")
    op.drop_index("ix_storage_commitment_due", table_name="storage_commitment")
    op.drop_index("ix_storage_commitment_transaction", table_name="storage_commitment")
    op.drop_table("storage_commitment")
