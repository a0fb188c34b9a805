"""Rounds of reading everything again, and the damage that they found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "store_check",
        sa.Column("store_check_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("damaged", sa.BigInteger(), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store_check_pk", name=op.f("pk_store_check")),
    )
    op.create_table(
        "damaged_object",
        sa.Column("stored_object_pk", sa.BigInteger(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["stored_object_pk"],
            ["stored_object.stored_object_pk"],
            name=op.f("fk_damaged_object_stored_object_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("stored_object_pk", name=op.f("pk_damaged_object")),
    )


def downgrade() -> None:
    op.drop_table("damaged_object")
    op.drop_table("store_check")
