"""What people are told, and who has read it."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc


class Notice(Base):
    """Something that one person, or everybody of a role, is told once. It names no patient: what it is about stands
    behind `link`, whose own door says who may see it."""

    __tablename__ = "notice"
    __table_args__ = (
        # The same thing is told to the same people once.
        UniqueConstraint("about", "role", "user_pk", postgresql_nulls_not_distinct=True),
        Index("ix_notice_role", "role", "notice_pk"),
        Index("ix_notice_user_pk", "user_pk", "notice_pk"),
        Index("ix_notice_created_at", "created_at"),
    )

    notice_pk: Mapped[Pk]
    role: Mapped[str | None] = mapped_column(String(32))
    user_pk: Mapped[int | None] = mapped_column(ForeignKey("user_account.user_pk"))
    about: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(String(400))
    link: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())


class NoticeReading(Base):
    """That a person has read a notice."""

    __tablename__ = "notice_reading"

    notice_pk: Mapped[int] = mapped_column(
        ForeignKey("notice.notice_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    user_pk: Mapped[int] = mapped_column(
        ForeignKey("user_account.user_pk"), primary_key=True, autoincrement=False
    )
    read_at: Mapped[Utc]
