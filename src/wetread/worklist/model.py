"""Tables of the worklist room."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone


class ReadingClaim(Base):
    """A radiologist reads this Requested Procedure; nobody else begins it meanwhile. Ends by itself after a while."""

    __tablename__ = "reading_claim"
    __table_args__ = (
        Index(
            "ix_reading_claim_one_open",
            "requested_procedure_pk",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
    )

    reading_claim_pk: Mapped[Pk]
    requested_procedure_pk: Mapped[int] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk")
    )
    user_pk: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"))
    claimed_at: Mapped[Utc]
    expires_at: Mapped[Utc]
    released_at: Mapped[UtcOrNone]
    release_reason: Mapped[str | None] = mapped_column(String(200))
