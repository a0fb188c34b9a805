"""Notices for people, and rules that tell people and the orders' systems."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("notice_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=True),
        sa.Column("user_pk", sa.BigInteger(), nullable=True),
        sa.Column("about", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("body", sa.String(length=400), nullable=False),
        sa.Column("link", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_pk"], ["user_account.user_pk"], name=op.f("fk_notice_user_pk")),
        sa.PrimaryKeyConstraint("notice_pk", name=op.f("pk_notice")),
        sa.UniqueConstraint(
            "about",
            "role",
            "user_pk",
            name=op.f("uq_notice_about_role_user_pk"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_notice_created_at", "notice", ["created_at"], unique=False)
    op.create_index("ix_notice_role", "notice", ["role", "notice_pk"], unique=False)
    op.create_index("ix_notice_user_pk", "notice", ["user_pk", "notice_pk"], unique=False)
    op.create_table(
        "notice_reading",
        sa.Column("notice_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_pk"], ["notice.notice_pk"], name=op.f("fk_notice_reading_notice_pk"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_pk"], ["user_account.user_pk"], name=op.f("fk_notice_reading_user_pk")
        ),
        sa.PrimaryKeyConstraint("notice_pk", "user_pk", name=op.f("pk_notice_reading")),
    )
    op.add_column(
        "routing_rule",
        sa.Column(
            "notice_roles",
            postgresql.ARRAY(sa.String(length=32)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "routing_rule",
        sa.Column(
            "notice_user_pks",
            postgresql.ARRAY(sa.BigInteger()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "routing_rule",
        sa.Column("is_told_by_hl7", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("routing_rule", "is_told_by_hl7")
    op.drop_column("routing_rule", "notice_user_pks")
    op.drop_column("routing_rule", "notice_roles")
    op.drop_table("notice_reading")
    op.drop_table("notice")
