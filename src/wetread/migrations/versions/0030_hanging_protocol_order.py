"""Which of several hanging protocols wins, and whether studies hang by one at all, as an administrator says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "hanging_protocol", sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "hanging_protocol",
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("hanging_protocol", "is_enabled")
    op.drop_column("hanging_protocol", "position")
