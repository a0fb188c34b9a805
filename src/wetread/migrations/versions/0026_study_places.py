"""Where studies lie, by how long nobody looked at them, so that rules of tiers find what they move by index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "study_place",
        sa.Column("store", sa.String(length=24), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unseen_since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_study_place_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("store", "study_pk", name=op.f("pk_study_place")),
    )
    op.create_index(
        "ix_study_place_unseen", "study_place", ["store", "unseen_since", "study_pk"], unique=False
    )
    op.create_index("ix_study_place_study_pk", "study_place", ["study_pk"], unique=False)
    op.add_column(
        "store_tally", sa.Column("placed", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("store_tally", "placed")
    op.drop_table("study_place")
