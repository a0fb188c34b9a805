"""The series that an image hung in before a person split it off, so that its way can be followed and taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study_correction", sa.Column("from_series_pk", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_study_correction_from_series_pk"),
        "study_correction",
        "series",
        ["from_series_pk"],
        ["series_pk"],
        ondelete="CASCADE",
    )
    op.create_index(
        "ix_study_correction_from_series_pk",
        "study_correction",
        ["from_series_pk"],
        postgresql_where=sa.text("from_series_pk IS NOT NULL"),
    )
    op.create_index(
        "ix_study_correction_instance_pk",
        "study_correction",
        ["instance_pk"],
        postgresql_where=sa.text("instance_pk IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_study_correction_instance_pk", table_name="study_correction")
    op.drop_index("ix_study_correction_from_series_pk", table_name="study_correction")
    op.drop_constraint(op.f("fk_study_correction_from_series_pk"), "study_correction", type_="foreignkey")
    op.drop_column("study_correction", "from_series_pk")
