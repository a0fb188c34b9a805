"""Indexes for what is asked all day: the day board, the tracking board, and the messages that came under a known number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_scheduled_procedure_step_starts_at", "scheduled_procedure_step", ["starts_at"], unique=False
    )
    op.create_index(
        "ix_scheduled_procedure_step_status_changed_at",
        "scheduled_procedure_step",
        ["status_changed_at"],
        unique=False,
    )
    op.create_index(
        "ix_interface_message_duplicate",
        "interface_message",
        ["duplicate_of_interface_message_pk"],
        unique=False,
        postgresql_where=sa.text("duplicate_of_interface_message_pk IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_interface_message_duplicate", table_name="interface_message")
    op.drop_index("ix_scheduled_procedure_step_status_changed_at", table_name="scheduled_procedure_step")
    op.drop_index("ix_scheduled_procedure_step_starts_at", table_name="scheduled_procedure_step")
