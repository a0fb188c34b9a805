"""Whole names and their beginnings are found by an index of each component group, not by the letters they share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_GROUPS = {"alphabetic": 2, "ideographic": 3, "phonetic": 4}


def upgrade() -> None:
    for group, number in _GROUPS.items():
        expression = f"(split_part(patient_name_match, '=', {number}) COLLATE \"C\")"
        op.create_index(f"ix_study_patient_name_{group}", "study", [sa.text(expression)])


def downgrade() -> None:
    for group in _GROUPS:
        op.drop_index(f"ix_study_patient_name_{group}", table_name="study")
