"""Marks of objects whose rows are committed while their file is still being synced."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("fresh_object", "content", nullable=True)


def downgrade() -> None:
    # Without its bytes a mark says nothing to the program of before; the file was synced, or a start would take it back.
    op.execute("DELETE FROM fresh_object WHERE content IS NULL")
    op.alter_column("fresh_object", "content", nullable=False)
