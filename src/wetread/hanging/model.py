"""Kept hanging protocols."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc


class HangingProtocolLevel(StrEnum):
    """For whom it is (PS3.3 C.23.1, Hanging Protocol Level). Of a SITE without a `site_pk`: every site."""

    SINGLE_USER = "SINGLE_USER"
    SITE = "SITE"


class HangingProtocol(Base):
    """How studies that meet `hanging_protocol_definition` hang: `display_sets` are the stages, in their order."""

    __tablename__ = "hanging_protocol"
    __table_args__ = (
        CheckConstraint(
            "(hanging_protocol_level = 'SINGLE_USER' AND user_pk IS NOT NULL AND site_pk IS NULL)"
            " OR (hanging_protocol_level = 'SITE' AND user_pk IS NULL)",
            name="owner",
        ),
        # One name means one protocol to whoever owns it.
        Index(
            "uq_hanging_protocol_name",
            text("coalesce(user_pk, 0)"),
            text("coalesce(site_pk, 0)"),
            text("lower(name)"),
            unique=True,
        ),
        Index("ix_hanging_protocol_site_pk", "site_pk"),
    )

    hanging_protocol_pk: Mapped[Pk]
    hanging_protocol_level: Mapped[str] = mapped_column(String(16))
    user_pk: Mapped[int | None] = mapped_column(ForeignKey("user_account.user_pk"))
    site_pk: Mapped[int | None] = mapped_column(ForeignKey("site.site_pk"))
    name: Mapped[str] = mapped_column(String(64))
    hanging_protocol_definition: Mapped[dict[str, Any]] = mapped_column(JSONB)  # rules.Definition
    display_sets: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # rules.Stage, in order
    # Of several that fit a study equally well, the owner's first wins.
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # Off: kept, but no study hangs by it and no reader is offered it.
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_by: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"))
    created_at: Mapped[Utc]
    updated_at: Mapped[Utc]
