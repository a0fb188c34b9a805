"""The key of the form that placed an order: what is sent twice is placed once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("imaging_service_request", sa.Column("idempotency_key", sa.Uuid(), nullable=True))
    op.create_unique_constraint(
        op.f("uq_imaging_service_request_idempotency_key"), "imaging_service_request", ["idempotency_key"]
    )


def downgrade() -> None:
    op.drop_constraint(
        op.f("uq_imaging_service_request_idempotency_key"), "imaging_service_request", type_="unique"
    )
    op.drop_column("imaging_service_request", "idempotency_key")
