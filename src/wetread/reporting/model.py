"""Tables of the reporting room."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wetread.kit.db import Base, Pk, Utc, UtcOrNone, install_sql

PHI = {"info": {"phi": True}}


class Report(Base):
    """A report on one or several Requested Procedures of a patient, with the draft that is being written.

    `draft_sections` is what the editor saved last (null: nothing is being written); `draft_revision` counts its savings,
    so that two windows cannot overwrite one another.
    """

    __tablename__ = "report"
    __table_args__ = (
        CheckConstraint("state IN ('draft','preliminary','final','addended')", name="state"),
        PHI,
    )

    report_pk: Mapped[Pk]
    patient_pk: Mapped[int] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    site_pk: Mapped[int] = mapped_column(ForeignKey("site.site_pk"))
    state: Mapped[str] = mapped_column(String(12))
    template_key: Mapped[str] = mapped_column(String(64))
    draft_sections: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    draft_revision: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    draft_saved_at: Mapped[UtcOrNone]
    editor_user_pk: Mapped[int | None] = mapped_column(ForeignKey("user_account.user_pk"))
    editor_since: Mapped[UtcOrNone]
    created_at: Mapped[Utc]


class ReportProcedure(Base):
    """Which Requested Procedures a report covers; each is covered by one report."""

    __tablename__ = "report_procedure"
    __table_args__ = (PHI,)

    requested_procedure_pk: Mapped[int] = mapped_column(
        ForeignKey("requested_procedure.requested_procedure_pk"), primary_key=True, autoincrement=False
    )
    report_pk: Mapped[int] = mapped_column(ForeignKey("report.report_pk"), index=True)


class ReportVersion(Base):
    """A signed version. Rows are never changed: the database refuses it."""

    __tablename__ = "report_version"
    __table_args__ = (
        UniqueConstraint("report_pk", "version_number"),
        Index("ix_report_version_signed_at", "signed_at"),
        CheckConstraint("kind IN ('preliminary','final','addendum')", name="kind"),
        PHI,
    )

    report_version_pk: Mapped[Pk]
    report_pk: Mapped[int] = mapped_column(ForeignKey("report.report_pk"))
    version_number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(12))
    sections: Mapped[dict[str, str]] = mapped_column(JSONB)
    signed_by_user_pk: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"))
    signed_by_name: Mapped[str] = mapped_column(String(128))
    signed_by_practitioner_pk: Mapped[int | None] = mapped_column(ForeignKey("practitioner.practitioner_pk"))
    signed_at: Mapped[Utc]
    content_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    acknowledged_warnings: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))


class KeyImage(Base):
    """An image that a radiologist marked as telling (IHE KIN); frames count from 1."""

    __tablename__ = "key_image"
    __table_args__ = (
        UniqueConstraint("sop_instance_uid", "frame_number"),
        Index("ix_key_image_study", "study_pk"),
        PHI,
    )

    key_image_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(BigInteger)
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    sop_instance_uid: Mapped[str] = mapped_column(String(64))
    frame_number: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    note: Mapped[str | None] = mapped_column(String(200))
    # By what it was seen when it was marked, in the values of its modality; null: as the image itself says.
    window_center: Mapped[float | None]
    window_width: Mapped[float | None]
    voi_lut_function: Mapped[str | None] = mapped_column(String(16))
    marked_by_user_pk: Mapped[int] = mapped_column(ForeignKey("user_account.user_pk"))
    marked_at: Mapped[Utc]


install_sql(
    "report_version_is_immutable",
    """
CREATE OR REPLACE FUNCTION report_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'signed report versions never change' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER report_version_guard BEFORE UPDATE OR DELETE ON report_version
    FOR EACH ROW EXECUTE FUNCTION report_version_is_immutable();
CREATE OR REPLACE TRIGGER report_version_guard_truncate BEFORE TRUNCATE ON report_version
    FOR EACH STATEMENT EXECUTE FUNCTION report_version_is_immutable();
""",
    """
DROP TRIGGER IF EXISTS report_version_guard ON report_version;
DROP TRIGGER IF EXISTS report_version_guard_truncate ON report_version;
DROP FUNCTION IF EXISTS report_version_is_immutable();
""",
)
