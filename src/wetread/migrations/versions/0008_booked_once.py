"""Nobody over an overbooked appointment, nothing booked twice, one account a physician, failures of names that nobody has."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from wetread.kit.db import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Accounts that were linked to one physician: the oldest open one keeps the link. The others see that physician's results no
# more until an administrator decides, and the trail says so.
_ONE_ACCOUNT_A_PHYSICIAN = """
WITH ranked AS (
    SELECT user_pk, row_number() OVER (PARTITION BY practitioner_pk ORDER BY user_pk) AS rank
    FROM user_account WHERE practitioner_pk IS NOT NULL AND NOT disabled
), unlinked AS (
    UPDATE user_account SET practitioner_pk = NULL
    WHERE user_pk IN (SELECT user_pk FROM ranked WHERE rank > 1)
    RETURNING user_pk
)
INSERT INTO audit_record
    (event_date_time, event_id, event_action_code, actor_kind, user_id, object_type, object_id, detail)
SELECT now(), '110113', 'U', 'system', 'migration', 'user', user_pk::text,
       '{"change": "unlinked from a physician whose account is another"}'
FROM unlinked
"""


def _run(name: str) -> None:
    run_script(op.get_bind(), (Path(__file__).parent / name).read_text())


def upgrade() -> None:
    op.add_column("appointment", sa.Column("idempotency_key", sa.Uuid(), nullable=True))
    op.create_unique_constraint(op.f("uq_appointment_idempotency_key"), "appointment", ["idempotency_key"])
    _run("0008_booked_once.sql")
    op.execute(_ONE_ACCOUNT_A_PHYSICIAN)
    op.create_index(
        "uq_user_account_practitioner_pk",
        "user_account",
        ["practitioner_pk"],
        unique=True,
        postgresql_where=sa.text("NOT disabled"),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("name_hash", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name_hash", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_tried_at"), "sign_in_failures", ["tried_at"])
    op.execute(
        "INSERT INTO sign_in_failures (name_hash, failures, locked_until, tried_at)"
        " SELECT sha256(convert_to(username, 'UTF8')), failed_logins, locked_until, now() FROM user_account"
        " WHERE failed_logins > 0 OR locked_until > now()"
    )
    op.drop_column("user_account", "locked_until")
    op.drop_column("user_account", "failed_logins")


def downgrade() -> None:
    op.add_column(
        "user_account", sa.Column("failed_logins", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("user_account", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE user_account SET failed_logins = failures, locked_until = f.locked_until"
        " FROM sign_in_failures f WHERE f.name_hash = sha256(convert_to(username, 'UTF8'))"
    )
    op.drop_index(op.f("ix_sign_in_failures_tried_at"), table_name="sign_in_failures")
    op.drop_table("sign_in_failures")
    op.drop_index("uq_user_account_practitioner_pk", table_name="user_account")
    _run("0008_booked_once.down.sql")
    op.drop_constraint(op.f("uq_appointment_idempotency_key"), "appointment", type_="unique")
    op.drop_column("appointment", "idempotency_key")
