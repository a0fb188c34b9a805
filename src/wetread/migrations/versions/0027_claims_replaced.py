"""The payer's own number of a claim, which a replacement and a void have to name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("claim", sa.Column("payer_claim_control_number", sa.String(length=50), nullable=True))
    op.create_check_constraint(op.f("ck_claim_frequency_code"), "claim", "frequency_code IN ('1','7','8')")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_claim_frequency_code"), "claim", type_="check")
    op.drop_column("claim", "payer_claim_control_number")
