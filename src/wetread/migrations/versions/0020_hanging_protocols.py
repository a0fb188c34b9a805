"""Hanging protocols that are kept for a person, a site or everybody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hanging_protocol",
        sa.Column("hanging_protocol_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("hanging_protocol_level", sa.String(length=16), nullable=False),
        sa.Column("user_pk", sa.BigInteger(), nullable=True),
        sa.Column("site_pk", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hanging_protocol_definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_sets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(hanging_protocol_level = 'SINGLE_USER' AND user_pk IS NOT NULL AND site_pk IS NULL)"
            " OR (hanging_protocol_level = 'SITE' AND user_pk IS NULL)",
            name=op.f("ck_hanging_protocol_owner"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user_account.user_pk"], name=op.f("fk_hanging_protocol_created_by")
        ),
        sa.ForeignKeyConstraint(["site_pk"], ["site.site_pk"], name=op.f("fk_hanging_protocol_site_pk")),
        sa.ForeignKeyConstraint(
            ["user_pk"], ["user_account.user_pk"], name=op.f("fk_hanging_protocol_user_pk")
        ),
        sa.PrimaryKeyConstraint("hanging_protocol_pk", name=op.f("pk_hanging_protocol")),
    )
    op.create_index("ix_hanging_protocol_site_pk", "hanging_protocol", ["site_pk"], unique=False)
    op.create_index(
        "uq_hanging_protocol_name",
        "hanging_protocol",
        [
            sa.literal_column("coalesce(user_pk, 0)"),
            sa.literal_column("coalesce(site_pk, 0)"),
            sa.literal_column("lower(name)"),
        ],
        unique=True,
    )


def downgrade() -> None:
    op.drop_table("hanging_protocol")
