"""The bytes of a small object come by the statement that files it: one statement less for each."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from wetread.kit.db import run_script

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    _run("0034_bytes_with_their_row.sql")


def downgrade() -> None:
    _run("0034_bytes_with_their_row.down.sql")
