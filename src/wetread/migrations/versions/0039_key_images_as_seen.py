"""Key images are shown by the window that they were marked by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("key_image", sa.Column("window_center", sa.Float(), nullable=True))
    op.add_column("key_image", sa.Column("window_width", sa.Float(), nullable=True))
    op.add_column("key_image", sa.Column("voi_lut_function", sa.String(length=16), nullable=True))


def downgrade() -> None:
    op.drop_column("key_image", "voi_lut_function")
    op.drop_column("key_image", "window_width")
    op.drop_column("key_image", "window_center")
