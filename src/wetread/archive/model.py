"""Tables of the archive: the index, stored objects, study keys, corrections, quarantine, remote entities.

Columns named after a DICOM keyword hold that attribute. On `study` they hold what is shown and searched, that is
with corrections laid over; `received_attributes` keeps what came first. The hot path of ingest is two SQL
functions, so that an instance costs one round trip.
"""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    Time,
    UniqueConstraint,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

from wetread.kit.db import Base, Pk, Utc, UtcOrNone, install_sql
from wetread.query.matching import name_groups_sql, name_match_sql
from wetread.security.service import AUDIT_ENTRY_COLUMNS

PHI = {"info": {"phi": True}}


class StoredRole(StrEnum):
    """What a stored object is to its instance."""

    ORIGINAL = "original"  # the bytes received; never changed
    RENDITION = "rendition"  # a derived HTJ2K copy for viewing, pixel-identical
    SUPERSEDED = "superseded"  # an earlier version that a person replaced
    QUARANTINED = "quarantined"


class QuarantineReason(StrEnum):
    """Why an object could not simply be filed."""

    UNREADABLE = "unreadable"  # no DICOM data set could be made out
    TRUNCATED = "truncated"  # an element's length goes past the end
    MISSING_UID = "missing-uid"
    BAD_UID = "bad-uid"
    UID_MISMATCH = (
        "uid-mismatch"  # the data set's UIDs are not those of the message or the file meta information
    )
    CONTENT_DIFFERS = "content-differs"  # a known SOP Instance UID with other content
    PATIENT_DIFFERS = "patient-differs"  # a known study with another patient
    SERIES_MOVED = "series-moved"  # a known Series Instance UID under another study
    REMOVED = "removed"  # it was put in the trash, rejected or destroyed here before


class Resolution(StrEnum):
    """What a person decided about a quarantined object."""

    RETRIED = "retried"
    ACCEPTED = "accepted"
    DISCARDED = "discarded"


class Study(Base):
    """A study with the patient it was received for (PS3.3 C.7.1.1, C.7.2.1)."""

    __tablename__ = "study"
    __table_args__ = (
        Index("ix_study_patient_name_match", text("patient_name_match gin_trgm_ops"), postgresql_using="gin"),
        *(
            Index(f"ix_study_patient_name_{group}", text(expression))
            for group, expression in zip(
                ("alphabetic", "ideographic", "phonetic"), name_groups_sql("patient_name_match"), strict=True
            )
        ),
        Index(
            "ix_study_referring_physician_name_match",
            text("referring_physician_name_match gin_trgm_ops"),
            postgresql_using="gin",
        ),
        Index("ix_study_patient_id", "patient_id"),
        Index("ix_study_accession_number", "accession_number"),
        Index("ix_study_created_at", "created_at"),
        Index("ix_study_removal_pk", "removal_pk", postgresql_where=text("removal_pk IS NOT NULL")),
        Index(
            "ix_study_merged_into_study_pk",
            "merged_into_study_pk",
            postgresql_where=text("merged_into_study_pk IS NOT NULL"),
        ),
        Index(
            "ix_study_latest", text("coalesce(study_date, '0001-01-01'::date) DESC"), text("study_pk DESC")
        ),
        PHI,
    )

    study_pk: Mapped[Pk]
    study_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    study_date: Mapped[date | None] = mapped_column(Date)
    study_time: Mapped[time | None] = mapped_column(Time)
    accession_number: Mapped[str | None] = mapped_column(String(64))
    study_id: Mapped[str | None] = mapped_column(String(64))
    study_description: Mapped[str | None] = mapped_column(String(256))
    referring_physician_name: Mapped[str | None] = mapped_column(String(324))
    patient_name: Mapped[str | None] = mapped_column(String(324))
    patient_id: Mapped[str | None] = mapped_column(String(64))
    issuer_of_patient_id: Mapped[str | None] = mapped_column(String(64))
    patient_birth_date: Mapped[date | None] = mapped_column(Date)
    patient_sex: Mapped[str | None] = mapped_column(String(16))
    modalities_in_study: Mapped[list[str]] = mapped_column(ARRAY(String(16)), server_default=text("'{}'"))
    sop_classes_in_study: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    number_of_study_related_series: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    number_of_study_related_instances: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # DICOM JSON of the study's and patient's attributes as the first instance brought them.
    received_attributes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    received_patient_id: Mapped[str | None] = mapped_column(String(64))
    received_issuer_of_patient_id: Mapped[str | None] = mapped_column(String(64))
    # The person in our own register; set by reconciliation, never by guess.
    patient_pk: Mapped[int | None] = mapped_column(ForeignKey("patient.patient_pk"), index=True)
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())
    updated_at: Mapped[Utc] = mapped_column(server_default=func.now())
    announced_at: Mapped[UtcOrNone]  # the last `study.updated`
    # The act that hid it: set while nothing below it is to be seen.
    removal_pk: Mapped[int | None] = mapped_column(BigInteger)
    # Merged into another: what still comes for it is filed there.
    merged_into_study_pk: Mapped[int | None] = mapped_column(ForeignKey("study.study_pk"))
    patient_name_match: Mapped[str | None] = mapped_column(
        Text, Computed(name_match_sql("patient_name"), persisted=True)
    )
    referring_physician_name_match: Mapped[str | None] = mapped_column(
        Text, Computed(name_match_sql("referring_physician_name"), persisted=True)
    )


class Series(Base):
    """A series (PS3.3 C.7.3.1)."""

    __tablename__ = "series"
    __table_args__ = (
        Index(
            "ix_series_received_study_pk",
            "received_study_pk",
            postgresql_where=text("received_study_pk IS NOT NULL"),
        ),
        Index("ix_series_removal_pk", "removal_pk", postgresql_where=text("removal_pk IS NOT NULL")),
        PHI,
    )

    series_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"), index=True)
    series_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    modality: Mapped[str | None] = mapped_column(String(16))
    series_number: Mapped[int | None] = mapped_column(Integer)
    series_description: Mapped[str | None] = mapped_column(String(256))
    series_date: Mapped[date | None] = mapped_column(Date)
    series_time: Mapped[time | None] = mapped_column(Time)
    body_part_examined: Mapped[str | None] = mapped_column(String(64))
    laterality: Mapped[str | None] = mapped_column(String(16))
    protocol_name: Mapped[str | None] = mapped_column(String(256))
    institution_name: Mapped[str | None] = mapped_column(String(256))
    station_name: Mapped[str | None] = mapped_column(String(64))
    manufacturer: Mapped[str | None] = mapped_column(String(256))
    manufacturer_model_name: Mapped[str | None] = mapped_column(String(256))
    performed_procedure_step_id: Mapped[str | None] = mapped_column(String(64))
    performed_procedure_step_start_date: Mapped[date | None] = mapped_column(Date)
    performed_procedure_step_start_time: Mapped[time | None] = mapped_column(Time)
    # From the first item of Request Attributes Sequence (0040,0275).
    scheduled_procedure_step_id: Mapped[str | None] = mapped_column(String(64))
    requested_procedure_id: Mapped[str | None] = mapped_column(String(64))
    number_of_series_related_instances: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    source_application_entity_title: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())
    updated_at: Mapped[Utc] = mapped_column(server_default=func.now())
    # The study that its objects name, where it was moved to another.
    received_study_pk: Mapped[int | None] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    removal_pk: Mapped[int | None] = mapped_column(BigInteger)


class Instance(Base):
    """A composite SOP instance."""

    __tablename__ = "instance"
    __table_args__ = (
        Index("ix_instance_removal_pk", "removal_pk", postgresql_where=text("removal_pk IS NOT NULL")),
        PHI,
    )

    instance_pk: Mapped[Pk]
    series_pk: Mapped[int] = mapped_column(ForeignKey("series.series_pk", ondelete="CASCADE"), index=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    instance_number: Mapped[int | None] = mapped_column(Integer)
    number_of_frames: Mapped[int] = mapped_column(Integer)  # 0: no pixel data
    rows: Mapped[int | None] = mapped_column(Integer)
    columns: Mapped[int | None] = mapped_column(Integer)
    bits_allocated: Mapped[int | None] = mapped_column(SmallInteger)
    samples_per_pixel: Mapped[int | None] = mapped_column(SmallInteger)
    photometric_interpretation: Mapped[str | None] = mapped_column(String(16))
    image_laterality: Mapped[str | None] = mapped_column(String(16))
    # Of an enhanced multi-frame object; where its frames say different ones, each once, with a backslash between.
    frame_laterality: Mapped[str | None] = mapped_column(String(16))
    content_date: Mapped[date | None] = mapped_column(Date)
    content_time: Mapped[time | None] = mapped_column(Time)
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())
    removal_pk: Mapped[int | None] = mapped_column(BigInteger)


class StudyKey(Base):
    """A data key, sealed with the master key. Destroying the row destroys every object written with it."""

    __tablename__ = "study_key"

    study_key_pk: Mapped[Pk]
    # Empty for the key of objects whose study could not be made out. A study that comes over several associations at
    # once may have several keys; one that is committed serves all that follows.
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())


class StoredObject(Base):
    """One object in the store: where it lies, how it is checked, and where its frames are.

    The plain bytes are a Part 10 file; the data set begins at `dataset_offset`. Native pixel data begins at
    `pixel_data_offset` with `frame_length` bytes a frame; for encapsulated pixel data `frame_table` holds the places
    of the frames' fragments (rules.FrameTable).
    """

    __tablename__ = "stored_object"
    __table_args__ = (
        CheckConstraint("role IN ('original','rendition','superseded','quarantined')", name="role"),
        Index(
            "ix_stored_object_one_original",
            "instance_pk",
            unique=True,
            postgresql_where=text("role = 'original'"),
        ),
        Index(
            "ix_stored_object_one_rendition",
            "instance_pk",
            unique=True,
            postgresql_where=text("role = 'rendition'"),
        ),
        # Those of every role: for who purges an image, and for the reference where its row goes.
        Index("ix_stored_object_instance_pk", "instance_pk"),
        Index("ix_stored_object_location", "location", unique=True),
    )

    stored_object_pk: Mapped[Pk]
    instance_pk: Mapped[int | None] = mapped_column(ForeignKey("instance.instance_pk", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(12))
    location: Mapped[str] = mapped_column(String(64))
    study_key_pk: Mapped[int] = mapped_column(ForeignKey("study_key.study_key_pk"))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    dataset_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    dataset_offset: Mapped[int] = mapped_column(Integer)
    pixel_data_offset: Mapped[int | None] = mapped_column(BigInteger)
    frame_length: Mapped[int | None] = mapped_column(BigInteger)
    frame_table: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())


class Compression(Base):
    """The native pictures of some series of a study that a rule has compressed without loss, in their place in the archive.

    waiting → working → done | waiting (tries again) | failed; a person stops it (canceled) or has what was received put
    back (restoring → restored), and begins it again.
    """

    __tablename__ = "compression"
    __table_args__ = (
        UniqueConstraint("study_pk", "transfer_syntax_uid"),
        CheckConstraint(
            "state IN ('waiting','working','done','failed','canceled','restoring','restored')", name="state"
        ),
        Index("ix_compression_open", "compression_pk", postgresql_where=text("state <> 'done'")),
        PHI,
    )

    compression_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    series_pks: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    requested_by: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    objects: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    bytes_before: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    bytes_after: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(200))
    not_before: Mapped[Utc]
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())
    updated_at: Mapped[Utc]


class CompressedObject(Base):
    """An original that was compressed here after it came, and what is needed to give back what came, bit by bit.

    The plain bytes begin with those of the received data set before its pixels (`received_head_bytes`) and after them
    (`received_rest_bytes`); then the compressed Part 10 file.
    """

    __tablename__ = "compressed_object"

    stored_object_pk: Mapped[int] = mapped_column(
        ForeignKey("stored_object.stored_object_pk", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    compression_pk: Mapped[int | None] = mapped_column(
        ForeignKey("compression.compression_pk", ondelete="SET NULL"), index=True
    )
    received_transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    received_dataset_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    received_size_bytes: Mapped[int] = mapped_column(BigInteger)
    received_head_bytes: Mapped[int] = mapped_column(Integer)
    received_rest_bytes: Mapped[int] = mapped_column(Integer)
    received_photometric_interpretation: Mapped[str | None] = mapped_column(String(16))
    proved_at: Mapped[Utc]


class UncompressedObject(Base):
    """An original that was to be compressed and stays as it came, and why."""

    __tablename__ = "uncompressed_object"

    stored_object_pk: Mapped[int] = mapped_column(
        ForeignKey("stored_object.stored_object_pk", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    compression_pk: Mapped[int] = mapped_column(
        ForeignKey("compression.compression_pk", ondelete="CASCADE"), primary_key=True
    )
    reason: Mapped[str] = mapped_column(String(200))


class PartingObject(Base):
    """A superseded object whose bytes go then: another form of the same object took its place, and who had begun to read
    it must be able to end."""

    __tablename__ = "parting_object"

    stored_object_pk: Mapped[int] = mapped_column(
        ForeignKey("stored_object.stored_object_pk", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    until: Mapped[Utc] = mapped_column(index=True)


class ObjectCopy(Base):
    """A second copy of a stored object in another store: the same sealed bytes."""

    __tablename__ = "object_copy"

    location: Mapped[str] = mapped_column(String(64), primary_key=True)
    stored_object_pk: Mapped[int] = mapped_column(
        ForeignKey("stored_object.stored_object_pk", ondelete="CASCADE"), index=True
    )
    verified_at: Mapped[Utc]


class StoreUsage(Base):
    """What lies in a store, by modality and by the institution that made it. `modality` and `institution_name` are empty
    where unknown."""

    __tablename__ = "store_usage"

    store: Mapped[str] = mapped_column(String(24), primary_key=True)
    modality: Mapped[str] = mapped_column(String(16), primary_key=True)
    institution_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    is_copy: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("false"))
    objects: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)


class StoreTally(Base):
    """How far stored objects were counted for `store_usage` (`through`) and copied to second stores (`copied`), how far
    the audit trail was read for `study_use` (`audited`), and studies were looked through for `study_place` (`placed`)."""

    __tablename__ = "store_tally"

    store_tally_pk: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    counted_from_start_at: Mapped[UtcOrNone]
    through: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    copied: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    audited: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    placed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class StoreMove(Base):
    """The emptying of one store into another. `through`: objects up to it were looked at in this round."""

    __tablename__ = "store_move"
    __table_args__ = (
        CheckConstraint("state IN ('running','paused','done','cancelled')", name="state"),
        Index(
            "ix_store_move_one_standing",
            "from_store",
            unique=True,
            postgresql_where=text("state IN ('running','paused')"),
        ),
    )

    store_move_pk: Mapped[Pk]
    from_store: Mapped[str] = mapped_column(String(24))
    to_store: Mapped[str] = mapped_column(String(24))
    state: Mapped[str] = mapped_column(String(10))
    bytes_per_second: Mapped[int | None] = mapped_column(BigInteger)  # None: as fast as it goes
    started_at: Mapped[Utc]
    started_by: Mapped[str] = mapped_column(String(64))
    finished_at: Mapped[UtcOrNone]
    through: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    objects_at_start: Mapped[int] = mapped_column(BigInteger)
    bytes_at_start: Mapped[int] = mapped_column(BigInteger)
    objects: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    failed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_fault: Mapped[str | None] = mapped_column(String(200))


class TierRule(Base):
    """Which studies leave a store for another when nobody needs them. The first that matches a study counts."""

    __tablename__ = "tier_rule"

    tier_rule_pk: Mapped[Pk]
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(80))
    is_enabled: Mapped[bool] = mapped_column(Boolean)
    from_store: Mapped[str] = mapped_column(String(24))
    to_store: Mapped[str] = mapped_column(String(24))
    # Any of them, all where empty.
    modalities: Mapped[list[str]] = mapped_column(ARRAY(String(16)), server_default=text("'{}'"))
    institution_names: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    days_unseen: Mapped[int] = mapped_column(Integer)
    # Only while the store stands above its high water mark, oldest first, until it is below the low one.
    is_only_when_full: Mapped[bool] = mapped_column(Boolean)


class StudyPlace(Base):
    """That something of a study lies in a store, and since when at least nobody looked at it: where rules of tiers look for
    what they move. It may lag; what it says is asked again of the objects themselves."""

    __tablename__ = "study_place"
    __table_args__ = (
        Index("ix_study_place_unseen", "store", "unseen_since", "study_pk"),
        Index("ix_study_place_study_pk", "study_pk"),
    )

    store: Mapped[str] = mapped_column(String(24), primary_key=True)
    study_pk: Mapped[int] = mapped_column(
        ForeignKey("study.study_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    unseen_since: Mapped[Utc]


class StudyUse(Base):
    """When a study was last looked at, or will be wanted (an appointment of its patient), so that it stays in a fast store."""

    __tablename__ = "study_use"

    study_pk: Mapped[int] = mapped_column(
        ForeignKey("study.study_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    used_at: Mapped[Utc]


class StoreCheck(Base):
    """One round of reading everything again, in the order of `stored_object_pk`; `through` is how far it is."""

    __tablename__ = "store_check"

    store_check_pk: Mapped[Pk]
    started_at: Mapped[Utc]
    finished_at: Mapped[UtcOrNone]
    objects: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    damaged: Mapped[int] = mapped_column(BigInteger)
    through: Mapped[int] = mapped_column(BigInteger)


class HeaderReading(Base):
    """Images that were filed before the index had a column for what their headers say of the side: those up to
    `last_instance_pk`, of which those `through` were read again. The row goes when all are."""

    __tablename__ = "header_reading"

    header_reading_pk: Mapped[Pk]
    through: Mapped[int] = mapped_column(BigInteger)
    last_instance_pk: Mapped[int] = mapped_column(BigInteger)


class DamagedObject(Base):
    """An object that was found cut, changed or gone, and has not been repaired."""

    __tablename__ = "damaged_object"

    stored_object_pk: Mapped[int] = mapped_column(
        ForeignKey("stored_object.stored_object_pk", ondelete="CASCADE"), primary_key=True
    )
    found_at: Mapped[Utc]
    reason: Mapped[str] = mapped_column(String(200))


class SeriesMetadata(Base):
    """A series' metadata as ready-made DICOM JSON (PS3.18 F), gzip. Good while series and correction are the same."""

    __tablename__ = "series_metadata"
    __table_args__ = (PHI,)

    series_pk: Mapped[int] = mapped_column(
        ForeignKey("series.series_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    series_updated_at: Mapped[Utc]
    last_study_correction_pk: Mapped[int] = mapped_column(BigInteger)
    gzipped_json: Mapped[bytes] = mapped_column(LargeBinary)


class Correction(Base):
    """What a person corrected in one act, so that it can be shown and taken back as one."""

    __tablename__ = "correction"
    __table_args__ = (
        CheckConstraint("kind IN ('edit','patient','move','split','merge')", name="kind"),
        Index("ix_correction_study_pk", "study_pk"),
        Index("ix_correction_target_study_pk", "target_study_pk"),
        PHI,
    )

    correction_pk: Mapped[Pk]
    kind: Mapped[str] = mapped_column(String(8))
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    target_study_pk: Mapped[int | None] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    series_pks: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    # [{"field": keyword or words, "scope": "...", "before": ..., "after": ...}], for people.
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    # Of the register, before and after, where the act hung the study on another person.
    patient_pk_before: Mapped[int | None] = mapped_column(BigInteger)
    patient_pk_after: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(200))
    corrected_at: Mapped[Utc]
    corrected_by: Mapped[str] = mapped_column(String(64))
    undone_at: Mapped[UtcOrNone]
    undone_by: Mapped[str | None] = mapped_column(String(64))
    undone_reason: Mapped[str | None] = mapped_column(String(200))


class StudyCorrection(Base):
    """Attributes laid over objects on the way out: of a study, or of one series or instance of it.

    Both maps are DICOM JSON; `original` is what was replaced. A row with `from_study_pk` is a move: it holds for the
    objects that name that study (all of them, or those of the series), which hang on `study_pk` since. With
    `from_series_pk` as well it is the move of one image, which hung in that series and hangs in `series_pk` since.
    """

    __tablename__ = "study_correction"
    __table_args__ = (
        Index(
            "ix_study_correction_from_study_pk",
            "from_study_pk",
            postgresql_where=text("from_study_pk IS NOT NULL"),
        ),
        Index("ix_study_correction_series_pk", "series_pk", postgresql_where=text("series_pk IS NOT NULL")),
        Index(
            "ix_study_correction_from_series_pk",
            "from_series_pk",
            postgresql_where=text("from_series_pk IS NOT NULL"),
        ),
        Index(
            "ix_study_correction_instance_pk", "instance_pk", postgresql_where=text("instance_pk IS NOT NULL")
        ),
        Index(
            "ix_study_correction_correction_pk",
            "correction_pk",
            postgresql_where=text("correction_pk IS NOT NULL"),
        ),
        PHI,
    )

    study_correction_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"), index=True)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    original: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason_for_the_attribute_modification: Mapped[str] = mapped_column(String(16))  # CORRECT or COERCE
    reason: Mapped[str] = mapped_column(String(200))
    corrected_at: Mapped[Utc]
    corrected_by: Mapped[str] = mapped_column(String(64))
    series_pk: Mapped[int | None] = mapped_column(ForeignKey("series.series_pk", ondelete="CASCADE"))
    instance_pk: Mapped[int | None] = mapped_column(ForeignKey("instance.instance_pk", ondelete="CASCADE"))
    from_study_pk: Mapped[int | None] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    from_series_pk: Mapped[int | None] = mapped_column(ForeignKey("series.series_pk", ondelete="CASCADE"))
    correction_pk: Mapped[int | None] = mapped_column(
        ForeignKey("correction.correction_pk", ondelete="CASCADE")
    )
    undone_at: Mapped[UtcOrNone]


class Removal(Base):
    """An act that hid a study, a series or instances, and what became of them. What it purged stays as a tombstone."""

    __tablename__ = "removal"
    __table_args__ = (
        CheckConstraint("level IN ('STUDY','SERIES','IMAGE')", name="level"),
        CheckConstraint("cause IN ('trash','retention','rejection','emptied')", name="cause"),
        Index(
            "ix_removal_due",
            "purge_at",
            postgresql_where=text("restored_at IS NULL AND purged_at IS NULL AND purge_at IS NOT NULL"),
        ),
        Index("ix_removal_study_pk", "study_pk"),
        PHI,
    )

    removal_pk: Mapped[Pk]
    level: Mapped[str] = mapped_column(String(6))
    cause: Mapped[str] = mapped_column(String(9))
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    series_pk: Mapped[int | None] = mapped_column(ForeignKey("series.series_pk", ondelete="CASCADE"))
    instance_pk: Mapped[int | None] = mapped_column(ForeignKey("instance.instance_pk", ondelete="CASCADE"))
    # The SOP Instance UID of the note that rejected it, and its code (PS3.16 CID 7011).
    rejection_note_uid: Mapped[str | None] = mapped_column(String(64))
    code_value: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(200))
    instances: Mapped[int] = mapped_column(Integer)
    bytes: Mapped[int] = mapped_column(BigInteger)
    removed_at: Mapped[Utc]
    removed_by: Mapped[str] = mapped_column(String(64))
    purge_at: Mapped[UtcOrNone]  # absent: hidden, never purged
    restored_at: Mapped[UtcOrNone]
    restored_by: Mapped[str | None] = mapped_column(String(64))
    restored_reason: Mapped[str | None] = mapped_column(String(200))
    purged_at: Mapped[UtcOrNone]


class LegalHold(Base):
    """While it stands, nothing of the study or of any study of the patient is put in the trash or purged."""

    __tablename__ = "legal_hold"
    __table_args__ = (
        CheckConstraint("(study_pk IS NULL) <> (patient_pk IS NULL)", name="one_thing"),
        Index("ix_legal_hold_study_pk", "study_pk"),
        Index("ix_legal_hold_patient_pk", "patient_pk"),
        PHI,
    )

    legal_hold_pk: Mapped[Pk]
    study_pk: Mapped[int | None] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    patient_pk: Mapped[int | None] = mapped_column(ForeignKey("patient.patient_pk"))
    reason: Mapped[str] = mapped_column(String(200))
    placed_at: Mapped[Utc]
    placed_by: Mapped[str] = mapped_column(String(64))
    until: Mapped[date | None] = mapped_column(Date)  # absent: until it is lifted
    lifted_at: Mapped[UtcOrNone]
    lifted_by: Mapped[str | None] = mapped_column(String(64))
    lifted_reason: Mapped[str | None] = mapped_column(String(200))


class RetentionRule(Base):
    """How long what matches is kept; after that a person is asked to put it in the trash."""

    __tablename__ = "retention_rule"

    retention_rule_pk: Mapped[Pk]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    position: Mapped[int] = mapped_column(Integer)
    is_enabled: Mapped[bool] = mapped_column(Boolean)
    # What a study must be; an absent condition is met by all.
    modalities: Mapped[list[str]] = mapped_column(ARRAY(String(16)), server_default=text("'{}'"))
    institution_name: Mapped[str | None] = mapped_column(String(64))
    study_description: Mapped[str | None] = mapped_column(String(64))
    patient_age_from: Mapped[int | None] = mapped_column(Integer)  # whole years on the day of the study
    patient_age_below: Mapped[int | None] = mapped_column(Integer)
    # The longer of the two: years from the day of the study, and the age that the patient must have reached.
    keep_years: Mapped[int] = mapped_column(Integer)
    keep_until_age: Mapped[int | None] = mapped_column(Integer)


class RetentionProposal(Base):
    """A study whose time is over by a rule, until a person decides."""

    __tablename__ = "retention_proposal"
    __table_args__ = (
        Index(
            "ix_retention_proposal_waiting",
            "study_pk",
            unique=True,
            postgresql_where=text("decided_at IS NULL"),
        ),
        PHI,
    )

    retention_proposal_pk: Mapped[Pk]
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.study_pk", ondelete="CASCADE"))
    rule_name: Mapped[str] = mapped_column(String(64))
    expired_on: Mapped[date] = mapped_column(Date)
    proposed_at: Mapped[Utc]
    decided_at: Mapped[UtcOrNone]
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[str | None] = mapped_column(String(8))  # trash or keep


class ArchivePolicy(Base):
    """What the archive does with what is removed; one row."""

    __tablename__ = "archive_policy"
    __table_args__ = (
        CheckConstraint("archive_policy_pk = 1", name="one"),
        CheckConstraint("on_return IN ('quarantine','refuse','accept')", name="on_return"),
    )

    archive_policy_pk: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trash_days: Mapped[int] = mapped_column(Integer)
    on_return: Mapped[str] = mapped_column(String(10))
    is_delete_by_dicomweb: Mapped[bool] = mapped_column(Boolean)
    # By code of rejection: "hide", "trash" or "show".
    on_rejection: Mapped[dict[str, str]] = mapped_column(JSONB)


class RejectionNote(Base):
    """A Key Object Selection that rejects instances (RAD-66), as it was read."""

    __tablename__ = "rejection_note"
    __table_args__ = (PHI,)

    instance_pk: Mapped[int] = mapped_column(
        ForeignKey("instance.instance_pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    code_value: Mapped[str | None] = mapped_column(String(16))  # absent: it rejects nothing
    referenced: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    read_at: Mapped[Utc]


class FreshObject(Base):
    """The sealed bytes of a small object that came just now. They are kept with its rows, by the same commit, and are
    written to the store a little later, many together; then the row goes."""

    __tablename__ = "fresh_object"

    location: Mapped[str] = mapped_column(String(200), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[Utc] = mapped_column(server_default=func.clock_timestamp())


class Quarantine(Base):
    """An object that was kept but not filed, until a person decides."""

    __tablename__ = "quarantine"
    __table_args__ = (
        Index("ix_quarantine_waiting", "quarantine_pk", postgresql_where=text("resolution IS NULL")),
        PHI,
    )

    quarantine_pk: Mapped[Pk]
    reason: Mapped[str] = mapped_column(String(24))
    detail: Mapped[str] = mapped_column(String(400))
    stored_object_pk: Mapped[int | None] = mapped_column(ForeignKey("stored_object.stored_object_pk"))
    sop_instance_uid: Mapped[str | None] = mapped_column(String(128))
    sop_class_uid: Mapped[str | None] = mapped_column(String(128))
    study_instance_uid: Mapped[str | None] = mapped_column(String(128))
    patient_name: Mapped[str | None] = mapped_column(String(324))
    patient_id: Mapped[str | None] = mapped_column(String(64))
    accession_number: Mapped[str | None] = mapped_column(String(64))
    received_from: Mapped[str] = mapped_column(String(64))  # calling AE title or user name
    network_address: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[Utc]
    resolution: Mapped[str | None] = mapped_column(String(12))
    resolution_reason: Mapped[str | None] = mapped_column(String(200))
    resolved_by: Mapped[str | None] = mapped_column(String(64))
    resolved_at: Mapped[UtcOrNone]


class RemoteAE(Base):
    """A DICOM peer that is known here: where it listens, from where it calls, how it proves itself, what it may do."""

    __tablename__ = "remote_ae"
    __table_args__ = (CheckConstraint("port BETWEEN 1 AND 65535", name="port"),)

    remote_ae_pk: Mapped[Pk]
    ae_title: Mapped[str] = mapped_column(String(16), unique=True)
    host: Mapped[str] = mapped_column(String(253))
    port: Mapped[int] = mapped_column(Integer)
    description: Mapped[str | None] = mapped_column(String(128))
    rights: Mapped[list[str]] = mapped_column(ARRAY(String(16)))  # rules.PEER_RIGHTS
    # Spoken to by TLS only, in both directions.
    is_encrypted: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    # Addresses and networks from which it may call; none: from its host.
    calls_from: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    # A name that its client certificate must hold; none: any certificate that is good.
    certificate_name: Mapped[str | None] = mapped_column(String(253))
    # User identity (PS3.7 D.3.3.7) that it must state; the passcode is kept as Argon2id.
    user_identity: Mapped[str | None] = mapped_column(String(64))
    passcode_hash: Mapped[str | None] = mapped_column(String(256))
    created_at: Mapped[Utc] = mapped_column(server_default=func.now())


class StorageCommitment(Base):
    """A request for storage commitment (PS3.4 J.3.2), kept until its requester has heard the outcome, and afterwards."""

    __tablename__ = "storage_commitment"
    __table_args__ = (
        Index("ix_storage_commitment_transaction", "calling_ae_title", "transaction_uid"),
        Index("ix_storage_commitment_due", "requested_at", postgresql_where=text("reported_at IS NULL")),
        PHI,
    )

    storage_commitment_pk: Mapped[Pk]
    transaction_uid: Mapped[str] = mapped_column(String(64))
    calling_ae_title: Mapped[str] = mapped_column(String(16))
    network_address: Mapped[str] = mapped_column(String(64))
    requested_at: Mapped[Utc]
    referenced: Mapped[list[list[str]]] = mapped_column(JSONB)  # [SOP class, SOP instance]
    # [SOP class, SOP instance, Failure Reason]; absent until it was looked.
    failed: Mapped[list[list[Any]] | None] = mapped_column(JSONB(none_as_null=True))
    # Who reports holds it until then: the association that asked, or a job.
    claimed_until: Mapped[UtcOrNone]
    reported_at: Mapped[UtcOrNone]
    attempt_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(200))


class DicomNode(Base):
    """A running DICOM node and its open associations, as it last told: nodes are processes of their own."""

    __tablename__ = "dicom_node"

    node: Mapped[str] = mapped_column(String(128), primary_key=True)
    seen_at: Mapped[Utc]
    associations: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


# What was removed is not there for anybody, until a use case says that it means removed things.
WITH_REMOVED = {"with_removed": True}
_HIDING = tuple(
    with_loader_criteria(thing, thing.removal_pk.is_(None), include_aliases=True)
    for thing in (Study, Series, Instance)
)


@event.listens_for(Session, "do_orm_execute")
def _hide_removed(state: ORMExecuteState) -> None:
    if (
        (state.is_select or state.is_update or state.is_delete)
        and not state.is_column_load
        and not state.execution_options.get("with_removed")
    ):
        state.statement = state.statement.options(*_HIDING)


install_sql(
    "archive_ingest",
    """
-- Keys that archive_grown will ask for, kept until the end of the transaction.
CREATE OR REPLACE FUNCTION archive_note(p_what text, p_key bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config(p_what, concat_ws(',', nullif(current_setting(p_what, true), ''), p_key), true);
END $$;
CREATE OR REPLACE FUNCTION archive_series(
    p_study jsonb, p_series jsonb, p_force boolean,
    OUT study_pk bigint, OUT series_pk bigint, OUT outcome text, OUT new_study boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s study; t study; r series; q series; named bigint;
BEGIN
    s := jsonb_populate_record(NULL::study, p_study);
    r := jsonb_populate_record(NULL::series, p_series);
    outcome := 'filed'; new_study := false;
    SELECT * INTO t FROM study WHERE study_instance_uid = s.study_instance_uid;
    IF NOT FOUND THEN
        INSERT INTO study (study_instance_uid, study_date, study_time, accession_number, study_id, study_description,
            referring_physician_name, patient_name, patient_id, issuer_of_patient_id, patient_birth_date, patient_sex,
            received_attributes, received_patient_id, received_issuer_of_patient_id)
        VALUES (s.study_instance_uid, s.study_date, s.study_time, s.accession_number, s.study_id, s.study_description,
            s.referring_physician_name, s.patient_name, s.patient_id, s.issuer_of_patient_id, s.patient_birth_date,
            s.patient_sex, s.received_attributes, s.patient_id, s.issuer_of_patient_id)
        ON CONFLICT (study_instance_uid) DO NOTHING
        RETURNING * INTO t;
        new_study := FOUND;
        IF NOT new_study THEN
            SELECT * INTO STRICT t FROM study WHERE study_instance_uid = s.study_instance_uid;
        END IF;
    END IF;
    study_pk := t.study_pk;
    -- An absent issuer says nothing; an identifier must be the received or the corrected one.
    IF NOT p_force AND NOT (
        (s.patient_id IS NOT DISTINCT FROM t.received_patient_id
            AND coalesce(s.issuer_of_patient_id = t.received_issuer_of_patient_id, true))
        OR (s.patient_id IS NOT DISTINCT FROM t.patient_id
            AND coalesce(s.issuer_of_patient_id = t.issuer_of_patient_id, true))
    ) THEN
        outcome := 'patient-differs';
        RETURN;
    END IF;
    SELECT * INTO q FROM series WHERE series_instance_uid = r.series_instance_uid;
    IF NOT FOUND THEN
        named := t.study_pk;
        WHILE t.merged_into_study_pk IS NOT NULL LOOP
            SELECT * INTO STRICT t FROM study WHERE study_pk = t.merged_into_study_pk;
        END LOOP;
        study_pk := t.study_pk;
        IF EXISTS (SELECT FROM removal m WHERE m.removal_pk = t.removal_pk AND m.level = 'STUDY'
                AND m.cause <> 'emptied') THEN
            outcome := 'removed';
            RETURN;
        END IF;
        INSERT INTO series (received_study_pk, study_pk, series_instance_uid, modality, series_number, series_description, series_date,
            series_time, body_part_examined, laterality, protocol_name, institution_name, station_name, manufacturer,
            manufacturer_model_name, performed_procedure_step_id, performed_procedure_step_start_date,
            performed_procedure_step_start_time, scheduled_procedure_step_id, requested_procedure_id,
            source_application_entity_title)
        VALUES (nullif(named, t.study_pk), t.study_pk, r.series_instance_uid, r.modality, r.series_number, r.series_description, r.series_date,
            r.series_time, r.body_part_examined, r.laterality, r.protocol_name, r.institution_name, r.station_name,
            r.manufacturer, r.manufacturer_model_name, r.performed_procedure_step_id,
            r.performed_procedure_step_start_date, r.performed_procedure_step_start_time,
            r.scheduled_procedure_step_id, r.requested_procedure_id, r.source_application_entity_title)
        ON CONFLICT (series_instance_uid) DO NOTHING
        RETURNING * INTO q;
        IF FOUND THEN
            PERFORM archive_note('wetread.opened', q.series_pk);
        ELSE
            SELECT * INTO STRICT q FROM series WHERE series_instance_uid = r.series_instance_uid;
        END IF;
    END IF;
    series_pk := q.series_pk;
    IF EXISTS (SELECT FROM removal m WHERE m.removal_pk = q.removal_pk AND m.level <> 'IMAGE') THEN
        outcome := 'removed';
    ELSIF q.study_pk <> t.study_pk THEN
        -- A series that a person moved takes what still comes for it with it.
        IF q.received_study_pk = t.study_pk THEN
            study_pk := q.study_pk;
        ELSE
            outcome := 'series-moved';
        END IF;
    END IF;
END $$;

-- `p_content`: its sealed bytes, where they are few. Study and series are told of it by archive_grown, or here, `p_early`,
-- while the disk is waited for, where nobody else has the study: others wait then until the commit, and this transaction
-- is to file nothing more.
CREATE OR REPLACE FUNCTION archive_object(
    p_study_pk bigint, p_series_pk bigint, p_sop_instance_uid text, p_sop_class_uid text, p_instance_number integer,
    p_number_of_frames integer, p_rows integer, p_columns integer, p_bits_allocated smallint,
    p_samples_per_pixel smallint, p_photometric_interpretation text, p_image_laterality text, p_frame_laterality text, p_content_date date,
    p_content_time time, p_location text, p_study_key_pk bigint, p_size_bytes bigint, p_dataset_sha256 bytea, p_transfer_syntax_uid text,
    p_dataset_offset integer, p_pixel_data_offset bigint, p_frame_length bigint, p_frame_table bytea,
    p_content bytea, p_early boolean,
    OUT outcome text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made bigint; known bytea; removed bigint;
BEGIN
    INSERT INTO instance (series_pk, study_pk, sop_instance_uid, sop_class_uid, instance_number, number_of_frames,
        rows, columns, bits_allocated, samples_per_pixel, photometric_interpretation, image_laterality, frame_laterality,
        content_date, content_time)
    VALUES (p_series_pk, p_study_pk, p_sop_instance_uid, p_sop_class_uid, p_instance_number, p_number_of_frames,
        p_rows, p_columns, p_bits_allocated, p_samples_per_pixel, p_photometric_interpretation, p_image_laterality,
        p_frame_laterality, p_content_date, p_content_time)
    ON CONFLICT (sop_instance_uid) DO NOTHING
    RETURNING instance_pk INTO made;
    IF NOT FOUND THEN
        -- What was compressed here is known by what it was when it came.
        SELECT coalesce(c.received_dataset_sha256, o.dataset_sha256), i.removal_pk
        INTO known, removed
        FROM instance i LEFT JOIN stored_object o ON o.instance_pk = i.instance_pk AND o.role = 'original'
            LEFT JOIN compressed_object c ON c.stored_object_pk = o.stored_object_pk
        WHERE i.sop_instance_uid = p_sop_instance_uid;
        outcome := CASE WHEN removed IS NOT NULL THEN 'removed'
            WHEN known = p_dataset_sha256 THEN 'duplicate' ELSE 'content-differs' END;
        RETURN;
    END IF;
    INSERT INTO stored_object (instance_pk, role, location, study_key_pk, size_bytes, dataset_sha256,
        transfer_syntax_uid, dataset_offset, pixel_data_offset, frame_length, frame_table)
    VALUES (made, 'original', p_location, p_study_key_pk, p_size_bytes, p_dataset_sha256,
        p_transfer_syntax_uid, p_dataset_offset, p_pixel_data_offset, p_frame_length, p_frame_table);
    IF p_content IS NOT NULL THEN
        INSERT INTO fresh_object (location, content) VALUES (p_location, p_content);
    END IF;
    outcome := 'stored';
    IF p_early THEN
        PERFORM FROM study WHERE study_pk = p_study_pk FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            PERFORM archive_grown_by_one(p_study_pk, p_series_pk, p_sop_class_uid);
            RETURN;
        END IF;
    END IF;
    PERFORM archive_note('wetread.filed', made);
END $$;

CREATE OR REPLACE FUNCTION archive_series_grown(p_series_pk bigint, p_study_pk bigint, p_instances bigint) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    place bigint; removed bigint;
BEGIN
    UPDATE series SET number_of_series_related_instances = number_of_series_related_instances + p_instances,
        updated_at = clock_timestamp()
    WHERE series_pk = p_series_pk
    RETURNING study_pk, removal_pk INTO place, removed;
    IF place <> p_study_pk OR removed IS NOT NULL
            AND EXISTS (SELECT FROM removal m WHERE m.removal_pk = removed AND m.level <> 'IMAGE') THEN
        -- Moved or removed while this came: its place is looked up again.
        RAISE foreign_key_violation USING MESSAGE = 'the series is not in this study any more';
    END IF;
    IF removed IS NOT NULL THEN
        UPDATE series SET removal_pk = NULL WHERE series_pk = p_series_pk;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION archive_grown_by_one(p_study_pk bigint, p_series_pk bigint, p_sop_class_uid text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE study SET number_of_study_related_instances = number_of_study_related_instances + 1,
        updated_at = clock_timestamp(), removal_pk = NULL,
        sop_classes_in_study = CASE WHEN p_sop_class_uid = ANY(sop_classes_in_study) THEN sop_classes_in_study
            ELSE sop_classes_in_study || p_sop_class_uid::varchar END
    WHERE study_pk = p_study_pk;
    PERFORM archive_series_grown(p_series_pk, p_study_pk, 1);
END $$;

-- Counts in study and series what archive_object, archive_series and archive_first noted. It is the last statement of a
-- transaction that files: nobody waits for the rows of a study but from there to the commit, and all take them in the order
-- of their keys, studies first, so that processes that file of the same studies do not lock each other out.
CREATE OR REPLACE FUNCTION archive_grown() RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    filed_keys text := nullif(current_setting('wetread.filed', true), '');
    opened_keys text := nullif(current_setting('wetread.opened', true), '');
    filed bigint[]; opened bigint[]; begun bigint[]; one record;
BEGIN
    IF filed_keys IS NULL AND opened_keys IS NULL THEN
        RETURN;
    END IF;
    filed := string_to_array(filed_keys, ',');
    opened := string_to_array(opened_keys, ',');
    begun := string_to_array(nullif(current_setting('wetread.begun', true), ''), ',');
    IF opened IS NULL AND begun IS NULL AND cardinality(filed) = 1 THEN  -- as usual
        PERFORM archive_grown_by_one(study_pk, series_pk, sop_class_uid) FROM instance WHERE instance_pk = filed[1];
        RETURN;
    END IF;
    FOR one IN
        SELECT n.study_pk, count(n.instance_pk) AS instances, count(n.series_pk) AS series,
            array_agg(DISTINCT n.sop_class_uid) FILTER (WHERE n.sop_class_uid IS NOT NULL) AS classes,
            array_agg(DISTINCT n.modality) FILTER (WHERE n.modality IS NOT NULL) AS modalities
        FROM (SELECT study_pk, instance_pk, NULL::bigint AS series_pk, sop_class_uid, NULL AS modality
                FROM instance WHERE instance_pk = ANY(filed)
            UNION ALL SELECT study_pk, NULL, series_pk, NULL, modality FROM series WHERE series_pk = ANY(opened)) n
        GROUP BY n.study_pk ORDER BY n.study_pk
    LOOP
        UPDATE study SET number_of_study_related_series = number_of_study_related_series + one.series,
            number_of_study_related_instances = number_of_study_related_instances + one.instances,
            modalities_in_study = CASE WHEN one.modalities IS NULL OR one.modalities <@ modalities_in_study
                THEN modalities_in_study
                ELSE modalities_in_study || ARRAY(SELECT m FROM unnest(one.modalities) m WHERE m <> ALL(modalities_in_study)) END,
            sop_classes_in_study = CASE WHEN one.classes IS NULL OR one.classes <@ sop_classes_in_study
                THEN sop_classes_in_study
                ELSE sop_classes_in_study || ARRAY(SELECT c FROM unnest(one.classes) c WHERE c <> ALL(sop_classes_in_study)) END,
            updated_at = CASE WHEN one.instances > 0 THEN clock_timestamp() ELSE updated_at END,
            removal_pk = CASE WHEN one.instances > 0 THEN NULL ELSE removal_pk END,
            -- The news of what begins are told in the same transaction.
            announced_at = CASE WHEN study_pk = ANY(begun) THEN clock_timestamp() ELSE announced_at END
        WHERE study_pk = one.study_pk;
    END LOOP;
    FOR one IN
        SELECT series_pk, min(study_pk) AS study_pk, count(*) AS instances FROM instance
        WHERE instance_pk = ANY(filed) GROUP BY series_pk ORDER BY series_pk
    LOOP
        PERFORM archive_series_grown(one.series_pk, one.study_pk, one.instances);
    END LOOP;
END $$;
""",
    "DROP FUNCTION IF EXISTS archive_grown; DROP FUNCTION IF EXISTS archive_series; DROP FUNCTION IF EXISTS archive_object;"
    " DROP FUNCTION IF EXISTS archive_grown_by_one; DROP FUNCTION IF EXISTS archive_series_grown; DROP FUNCTION IF EXISTS archive_note;",
)
install_sql(
    "archive_first",
    """
-- Sealed bytes do not get smaller.
ALTER TABLE fresh_object ALTER COLUMN content SET STORAGE EXTERNAL;
-- The first object of a study or series in a transfer, with all that belongs to it, in one round trip: its rows, its
-- bytes where they are few (`p_content`), the audit record `p_entry` about the study (`p_first`) or series, and the news
-- `p_keys`, in which the study's key and whether it is new are filled in here. `p_sealed_key`: the object was sealed with
-- a new key, which is kept together with it; `p_study_key_pk` is that of a known key.
CREATE OR REPLACE FUNCTION archive_first(
    p_first boolean, p_entry jsonb, p_kind text, p_keys jsonb, p_channel text, p_content bytea,
    p_study jsonb, p_series jsonb, p_force boolean, p_sealed_key bytea, p_sop_instance_uid text,
    p_sop_class_uid text, p_instance_number integer, p_number_of_frames integer, p_rows integer, p_columns integer,
    p_bits_allocated smallint, p_samples_per_pixel smallint, p_photometric_interpretation text,
    p_image_laterality text, p_frame_laterality text, p_content_date date, p_content_time time, p_location text, p_study_key_pk bigint, p_size_bytes bigint, p_dataset_sha256 bytea,
    p_transfer_syntax_uid text, p_dataset_offset integer, p_pixel_data_offset bigint, p_frame_length bigint,
    p_frame_table bytea,
    OUT study_pk bigint, OUT series_pk bigint, OUT study_key_pk bigint, OUT outcome text, OUT new_study boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    told jsonb;
BEGIN
    SELECT f.study_pk, f.series_pk, f.outcome, f.new_study INTO study_pk, series_pk, outcome, new_study
    FROM archive_series(p_study, p_series, p_force) f;
    study_key_pk := p_study_key_pk;
    IF outcome = 'filed' THEN
        IF p_sealed_key IS NOT NULL THEN
            INSERT INTO study_key (study_instance_uid, sealed_key)
            VALUES (p_study ->> 'study_instance_uid', p_sealed_key)
            RETURNING study_key.study_key_pk INTO study_key_pk;
        END IF;
        outcome := archive_object(study_pk, series_pk, p_sop_instance_uid, p_sop_class_uid,
            p_instance_number, p_number_of_frames, p_rows, p_columns, p_bits_allocated, p_samples_per_pixel,
            p_photometric_interpretation, p_image_laterality, p_frame_laterality, p_content_date, p_content_time,
            p_location, study_key_pk, p_size_bytes, p_dataset_sha256, p_transfer_syntax_uid, p_dataset_offset,
            p_pixel_data_offset, p_frame_length, p_frame_table, p_content, false);
    END IF;
    INSERT INTO audit_record (AUDIT_COLUMNS)
    SELECT AUDIT_COLUMNS FROM jsonb_populate_record(
        NULL::audit_record, p_entry || jsonb_build_object('object_id', CASE WHEN p_first THEN study_pk ELSE series_pk END));
    IF outcome <> 'stored' THEN
        RETURN;
    END IF;
    PERFORM archive_note('wetread.begun', study_pk);
    told := p_keys || jsonb_build_object('study_pk', study_pk, 'first_image', new_study);
    INSERT INTO outbox_event (kind, keys) VALUES (p_kind, told);
    PERFORM pg_notify(p_channel, jsonb_build_object('kind', p_kind, 'keys', told)::text);
END $$;
""".replace("AUDIT_COLUMNS", ", ".join(AUDIT_ENTRY_COLUMNS)),
    "DROP FUNCTION IF EXISTS archive_first;",
)
