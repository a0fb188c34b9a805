"""Receivers of HL7 messages that are sent to by TLS."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "interface_receiver",
        sa.Column("is_encrypted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("interface_receiver", sa.Column("certificate_name", sa.String(length=253), nullable=True))


def downgrade() -> None:
    op.drop_column("interface_receiver", "certificate_name")
    op.drop_column("interface_receiver", "is_encrypted")
