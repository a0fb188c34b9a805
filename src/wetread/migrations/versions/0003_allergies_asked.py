"""Whether a patient was asked for allergies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("patient", sa.Column("allergies_asked_at", sa.DateTime(timezone=True), nullable=True))
    # Whoever has an allergy on record was asked; of all others nobody knows.
    op.execute(
        "UPDATE patient SET allergies_asked_at = updated_at "
        "WHERE EXISTS (SELECT FROM allergy WHERE allergy.patient_pk = patient.patient_pk)"
    )


def downgrade() -> None:
    op.drop_column("patient", "allergies_asked_at")
