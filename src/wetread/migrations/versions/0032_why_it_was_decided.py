"""Why a person hung images or work on an order; and as what a claim stood before it was to be voided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study_link", sa.Column("linked_because", sa.String(length=200), nullable=True))
    op.add_column(
        "performed_procedure_step", sa.Column("linked_because", sa.String(length=200), nullable=True)
    )
    op.add_column("claim", sa.Column("withdrawn_state", sa.String(length=8), nullable=True))
    op.add_column("claim", sa.Column("withdrawn_frequency_code", sa.String(length=1), nullable=True))
    op.add_column("claim", sa.Column("withdrawn_batch_pk", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_claim_withdrawn_batch_pk"),
        "claim",
        "claim_batch",
        ["withdrawn_batch_pk"],
        ["claim_batch_pk"],
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_claim_withdrawn_batch_pk"), "claim", type_="foreignkey")
    op.drop_column("claim", "withdrawn_batch_pk")
    op.drop_column("claim", "withdrawn_frequency_code")
    op.drop_column("claim", "withdrawn_state")
    op.drop_column("performed_procedure_step", "linked_because")
    op.drop_column("study_link", "linked_because")
