"""The side that frames of enhanced objects say they show, and reading again what older objects say of their side.

Also: what files the first object of a series has its bytes kept by what files each, in place of doing so itself.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from wetread.kit.db import run_script

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.add_column("instance", sa.Column("frame_laterality", sa.String(length=16), nullable=True))
    op.create_table(
        "header_reading",
        sa.Column("header_reading_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("last_instance_pk", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("header_reading_pk", name="pk_header_reading"),
    )
    op.execute(
        "INSERT INTO header_reading (through, last_instance_pk)"
        " SELECT 0, max(instance_pk) FROM instance HAVING max(instance_pk) IS NOT NULL"
    )
    _run("0035_side_of_frames.sql")


def downgrade() -> None:
    _run("0035_side_of_frames.down.sql")
    op.drop_table("header_reading")
    op.drop_column("instance", "frame_laterality")
