"""Live sessions, who takes part, the shared document, and what was said."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone

PHI = {"info": {"phi": True}}


class LiveSession(Base):
    """Several people look at one study, led by one of them, until somebody ends it."""

    __tablename__ = "live_session"
    __table_args__ = (
        Index("ix_live_session_open", "study_pk", postgresql_where=text("ended_at IS NULL")),
        PHI,
    )

    live_session_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    started_by: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"))
    # Who leads; not a foreign key, since a participant belongs to a session first.
    lead_participant_pk: Mapped[int | None] = mapped_column(BigInteger)
    started_at: Mapped[Utc]
    expires_at: Mapped[Utc]
    ended_at: Mapped[UtcOrNone]


class LiveSessionStudy(Base):
    """A study that may be shown in the session: the one it is about, and priors of the same patient."""

    __tablename__ = "live_session_study"
    __table_args__ = (Index("ix_live_session_study_study", "study_pk"), PHI)

    live_session_pk: Mapped[int] = mapped_column(
        ForeignKey("live_session.live_session_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    study_pk: Mapped[int] = mapped_column(
        ForeignKey("study.study_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class LiveSessionParticipant(Base):
    """Somebody who was invited: an account, or a guest by a link.

    Of the link's secret and of the pass that its one use gives, only hashes are kept. `may_change`: a guest who may draw
    and be given the lead; an account always may.
    """

    __tablename__ = "live_session_participant"
    __table_args__ = (
        CheckConstraint("(user_pk IS NULL) = (link_hash IS NOT NULL)", name="kind"),
        Index(
            "uq_live_session_participant_user",
            "live_session_pk",
            "user_pk",
            unique=True,
            postgresql_where=text("user_pk IS NOT NULL"),
        ),
        Index("ix_live_session_participant_user", "user_pk"),
    )

    live_session_participant_pk: Mapped[Pk]
    live_session_pk: Mapped[int] = mapped_column(
        ForeignKey("live_session.live_session_pk", ondelete="CASCADE")
    )
    user_pk: Mapped[int | None] = mapped_column(ForeignKey("user_account.user_pk"))
    display_name: Mapped[str] = mapped_column(String(128))
    link_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    pass_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    may_change: Mapped[bool] = mapped_column(Boolean)
    invited_by: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"))
    invited_at: Mapped[Utc]
    expires_at: Mapped[Utc]
    joined_at: Mapped[UtcOrNone]
    left_at: Mapped[UtcOrNone]
    revoked_at: Mapped[UtcOrNone]


class LiveSessionState(Base):
    """The shared document as Yjs encodes it, so that a session goes on after the server was restarted."""

    __tablename__ = "live_session_state"
    __table_args__ = (PHI,)

    live_session_pk: Mapped[int] = mapped_column(
        ForeignKey("live_session.live_session_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    document: Mapped[bytes] = mapped_column(LargeBinary)
    saved_at: Mapped[Utc]


class LiveSessionMessage(Base):
    """What somebody wrote to the others."""

    __tablename__ = "live_session_message"
    __table_args__ = (Index("ix_live_session_message_session", "live_session_pk"), PHI)

    live_session_message_pk: Mapped[Pk]
    live_session_pk: Mapped[int] = mapped_column(
        ForeignKey("live_session.live_session_pk", ondelete="CASCADE")
    )
    live_session_participant_pk: Mapped[int] = mapped_column(
        ForeignKey("live_session_participant.live_session_participant_pk", ondelete="CASCADE")
    )
    text: Mapped[str] = mapped_column(String(2000))
    sent_at: Mapped[Utc]
