"""Study and series are counted by the last statement of a transaction that files, so that several processes may file of one.

What files objects has new names: a process of the version before is refused, and does not file without counting.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from wetread.kit.db import run_script

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    _run("0038_counted_last.sql")


def downgrade() -> None:
    _run("0038_counted_last.down.sql")
