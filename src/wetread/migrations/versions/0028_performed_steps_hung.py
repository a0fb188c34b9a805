"""Who hung a modality's work on an order by hand, and where its steps stood before: so that it can be taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "performed_procedure_step", sa.Column("linked_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("performed_procedure_step", sa.Column("linked_by", sa.String(length=64), nullable=True))
    op.add_column("performed_step_reference", sa.Column("status_before", sa.String(length=16), nullable=True))


def downgrade() -> None:
    op.drop_column("performed_step_reference", "status_before")
    op.drop_column("performed_procedure_step", "linked_by")
    op.drop_column("performed_procedure_step", "linked_at")
