"""Several keys of a study; its first object in one round trip."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from wetread.kit.db import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.drop_constraint(op.f("uq_study_key_study_instance_uid"), "study_key", type_="unique")
    op.create_index(op.f("ix_study_key_study_instance_uid"), "study_key", ["study_instance_uid"])
    _run("0002_archive_first.sql")


def downgrade() -> None:
    _run("0002_archive_first.down.sql")
    op.drop_index(op.f("ix_study_key_study_instance_uid"), table_name="study_key")
    op.create_unique_constraint(op.f("uq_study_key_study_instance_uid"), "study_key", ["study_instance_uid"])
