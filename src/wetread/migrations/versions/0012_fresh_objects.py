"""Small objects beside their rows until they are in the store; the first of a study with all that belongs to it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from wetread.kit.db import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.create_table(
        "fresh_object",
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_fresh_object")),
    )
    _run("0012_fresh_objects.sql")


def downgrade() -> None:
    # What waits in the table would be lost with it.
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM fresh_object) THEN"
        " RAISE 'objects wait to be written to the store: start the server once, and stop it'; END IF; END $$"
    )
    _run("0012_fresh_objects.down.sql")
    op.drop_table("fresh_object")
