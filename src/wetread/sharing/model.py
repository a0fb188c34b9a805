"""Tables of the sharing room, beside the interface queue's."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Utc, UtcOrNone


class ResultSeen(Base):
    """How far a person has read a report: the last version looked at, and the last one acknowledged."""

    __tablename__ = "result_seen"

    user_pk: Mapped[int] = mapped_column(
        ForeignKey("user_account.user_pk"), primary_key=True, autoincrement=False
    )
    report_pk: Mapped[int] = mapped_column(
        ForeignKey("report.report_pk"), primary_key=True, autoincrement=False
    )
    version_number: Mapped[int] = mapped_column(Integer)
    seen_at: Mapped[Utc]
    acknowledged_version_number: Mapped[int | None] = mapped_column(Integer)
    acknowledged_at: Mapped[UtcOrNone]
