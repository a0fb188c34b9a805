"""Rules that tell another system when a study has arrived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("routing_rule", sa.Column("tell_url", sa.String(length=400), nullable=True))
    op.add_column("routing_rule", sa.Column("sealed_tell_secret", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("routing_rule", "sealed_tell_secret")
    op.drop_column("routing_rule", "tell_url")
