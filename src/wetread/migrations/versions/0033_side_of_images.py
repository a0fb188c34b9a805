"""The side that an image says it shows (Image Laterality), beside the one that its series says."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from wetread.kit.db import run_script

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.add_column("instance", sa.Column("image_laterality", sa.String(length=16), nullable=True))
    _run("0033_side_of_images.sql")


def downgrade() -> None:
    for name in ("archive_begin", "archive_first", "archive_instance"):
        op.execute(f"DROP FUNCTION {name}")
    for name in ("0022_compression.sql", "0002_archive_first.sql", "0012_fresh_objects.sql"):
        _run(name)
    op.drop_column("instance", "image_laterality")
