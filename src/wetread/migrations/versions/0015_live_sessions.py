"""Live sessions: who takes part, the shared document, and what is said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_session",
        sa.Column("live_session_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("started_by", sa.BigInteger(), nullable=False),
        sa.Column("lead_participant_pk", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["started_by"], ["user_account.user_pk"], name=op.f("fk_live_session_started_by")
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_live_session_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("live_session_pk", name=op.f("pk_live_session")),
    )
    op.create_index(
        "ix_live_session_open",
        "live_session",
        ["study_pk"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "live_session_participant",
        sa.Column("live_session_participant_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("live_session_pk", sa.BigInteger(), nullable=False),
        sa.Column("user_pk", sa.BigInteger(), nullable=True),
        sa.Column("display_name", sa.String(length=128), nullable=False),
        sa.Column("link_hash", sa.LargeBinary(), nullable=True),
        sa.Column("pass_hash", sa.LargeBinary(), nullable=True),
        sa.Column("may_change", sa.Boolean(), nullable=False),
        sa.Column("invited_by", sa.BigInteger(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(user_pk IS NULL) = (link_hash IS NOT NULL)", name=op.f("ck_live_session_participant_kind")
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["user_account.user_pk"], name=op.f("fk_live_session_participant_invited_by")
        ),
        sa.ForeignKeyConstraint(
            ["live_session_pk"],
            ["live_session.live_session_pk"],
            name=op.f("fk_live_session_participant_live_session_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_pk"], ["user_account.user_pk"], name=op.f("fk_live_session_participant_user_pk")
        ),
        sa.PrimaryKeyConstraint("live_session_participant_pk", name=op.f("pk_live_session_participant")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_live_session_participant_link_hash")),
        sa.UniqueConstraint("pass_hash", name=op.f("uq_live_session_participant_pass_hash")),
    )
    op.create_index("ix_live_session_participant_user", "live_session_participant", ["user_pk"], unique=False)
    op.create_index(
        "uq_live_session_participant_user",
        "live_session_participant",
        ["live_session_pk", "user_pk"],
        unique=True,
        postgresql_where=sa.text("user_pk IS NOT NULL"),
    )
    op.create_table(
        "live_session_state",
        sa.Column("live_session_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["live_session_pk"],
            ["live_session.live_session_pk"],
            name=op.f("fk_live_session_state_live_session_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("live_session_pk", name=op.f("pk_live_session_state")),
    )
    op.create_table(
        "live_session_study",
        sa.Column("live_session_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("study_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["live_session_pk"],
            ["live_session.live_session_pk"],
            name=op.f("fk_live_session_study_live_session_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.study_pk"], name=op.f("fk_live_session_study_study_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("live_session_pk", "study_pk", name=op.f("pk_live_session_study")),
    )
    op.create_index("ix_live_session_study_study", "live_session_study", ["study_pk"], unique=False)
    op.create_table(
        "live_session_message",
        sa.Column("live_session_message_pk", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("live_session_pk", sa.BigInteger(), nullable=False),
        sa.Column("live_session_participant_pk", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["live_session_participant_pk"],
            ["live_session_participant.live_session_participant_pk"],
            name=op.f("fk_live_session_message_live_session_participant_pk"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["live_session_pk"],
            ["live_session.live_session_pk"],
            name=op.f("fk_live_session_message_live_session_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("live_session_message_pk", name=op.f("pk_live_session_message")),
    )
    op.create_index(
        "ix_live_session_message_session", "live_session_message", ["live_session_pk"], unique=False
    )


def downgrade() -> None:
    op.drop_table("live_session_message")
    op.drop_table("live_session_study")
    op.drop_table("live_session_state")
    op.drop_table("live_session_participant")
    op.drop_table("live_session")
