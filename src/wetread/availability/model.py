"""What was told to whom."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone


class AvailabilityNotification(Base):
    """One study to one receiver. Objects up to `through_instance_pk` were told of."""

    __tablename__ = "availability_notification"
    __table_args__ = (
        UniqueConstraint("study_pk", "remote_ae_pk"),
        Index(
            "ix_availability_notification_waiting",
            "not_before",
            postgresql_where=text("not_before IS NOT NULL"),
        ),
        {"info": {"phi": True}},
    )

    availability_notification_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    remote_ae_pk: Mapped[int] = mapped_column(ForeignKey("remote_ae.remote_ae_pk", ondelete="CASCADE"))
    through_instance_pk: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    told_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    not_before: Mapped[UtcOrNone]  # nothing waits where it is null
    attempt_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(200))
    told_at: Mapped[UtcOrNone]
    updated_at: Mapped[Utc]


class AvailabilityAnnouncement(Base):
    """A notification that another system sent here: what of a study it has, and where that is to be had."""

    __tablename__ = "availability_announcement"
    __table_args__ = (
        Index("ix_availability_announcement_study_instance_uid", "study_instance_uid"),
        {"info": {"phi": True}},
    )

    availability_announcement_pk: Mapped[Pk]
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)  # of the notification
    calling_ae_title: Mapped[str] = mapped_column(String(16))
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    series_count: Mapped[int] = mapped_column(Integer)
    # Objects by Instance Availability (0008,0056).
    online_count: Mapped[int] = mapped_column(Integer)
    nearline_count: Mapped[int] = mapped_column(Integer)
    offline_count: Mapped[int] = mapped_column(Integer)
    unavailable_count: Mapped[int] = mapped_column(Integer)
    retrieve_ae_titles: Mapped[list[str]] = mapped_column(ARRAY(String(16)))
    received_at: Mapped[Utc]
