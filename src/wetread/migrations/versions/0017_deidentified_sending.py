"""Rules in order, and studies that are sent without what says who the patient is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "routing_rule", sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "routing_rule", sa.Column("deidentify", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.add_column(
        "forwarding", sa.Column("deidentify", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.create_table(
        "pseudonym_key",
        sa.Column("remote_ae_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["remote_ae_pk"],
            ["remote_ae.remote_ae_pk"],
            name=op.f("fk_pseudonym_key_remote_ae_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("remote_ae_pk", name=op.f("pk_pseudonym_key")),
    )
    # Until now rules had no order but that of their making.
    op.execute("UPDATE routing_rule SET position = routing_rule_pk")


def downgrade() -> None:
    op.drop_table("pseudonym_key")
    op.drop_column("forwarding", "deidentify")
    op.drop_column("routing_rule", "deidentify")
    op.drop_column("routing_rule", "position")
