"""The house's own steps are Workitems too: of which step one tells, and at which site it is done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_STEP = (
    "step_kind IN ('acquisition','reading') AND step_pk IS NOT NULL AND site_pk IS NOT NULL"
    " OR num_nonnulls(step_kind, step_pk, site_pk) = 0"
)


def upgrade() -> None:
    op.add_column("workitem", sa.Column("step_kind", sa.String(length=12), nullable=True))
    op.add_column("workitem", sa.Column("step_pk", sa.BigInteger(), nullable=True))
    op.add_column("workitem", sa.Column("site_pk", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_workitem_step"), "workitem", _STEP)
    op.create_index(
        "ix_workitem_one_open",
        "workitem",
        ["step_kind", "step_pk"],
        unique=True,
        postgresql_where=sa.text("procedure_step_state IN ('SCHEDULED','IN PROGRESS')"),
    )
    op.create_index(
        "ix_workitem_step",
        "workitem",
        ["step_kind", "step_pk", "workitem_pk"],
        postgresql_where=sa.text("step_kind IS NOT NULL"),
    )
    op.create_foreign_key(op.f("fk_workitem_site_pk"), "workitem", "site", ["site_pk"], ["site_pk"])
    op.add_column(
        "workitem_global_subscription",
        sa.Column("site_pks", postgresql.ARRAY(sa.BigInteger()), nullable=True),
    )


def downgrade() -> None:
    op.drop_column("workitem_global_subscription", "site_pks")
    op.drop_constraint(op.f("fk_workitem_site_pk"), "workitem", type_="foreignkey")
    op.drop_index("ix_workitem_step", table_name="workitem")
    op.drop_index("ix_workitem_one_open", table_name="workitem")
    op.drop_constraint(op.f("ck_workitem_step"), "workitem", type_="check")
    op.drop_column("workitem", "site_pk")
    op.drop_column("workitem", "step_pk")
    op.drop_column("workitem", "step_kind")
