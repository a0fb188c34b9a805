"""Signed report versions cannot be truncated away; failures to sign in count against a network address."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from wetread.kit.db import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.create_table(
        "sign_in_throttle",
        sa.Column("network_address", sa.String(64), nullable=False),
        sa.Column("clear_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("network_address", name=op.f("pk_sign_in_throttle")),
    )
    op.create_index(op.f("ix_sign_in_throttle_clear_at"), "sign_in_throttle", ["clear_at"])
    _run("0005_kept_versions.sql")


def downgrade() -> None:
    _run("0005_kept_versions.down.sql")
    op.drop_index(op.f("ix_sign_in_throttle_clear_at"), table_name="sign_in_throttle")
    op.drop_table("sign_in_throttle")
