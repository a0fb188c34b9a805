"""The door to the archive: taking in, finding, getting out, correcting, and what waits for a person.

`Archive` is made once per process by the composition root; edges and workers get it from there, background tasks
by `the_archive()`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal

import structlog
from pydicom.datadict import dictionary_VR
from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from wetread.archive import relations, store
from wetread.archive.disguise import deidentified
from wetread.archive.documents import OF_THE_STUDY
from wetread.archive.events import QuarantineResolved, StudyUpdated
from wetread.archive.head import HeadReader
from wetread.archive.ingest import Incoming, Intake, StoreResult, Transfer, recover
from wetread.archive.model import (
    Instance,
    Quarantine,
    QuarantineReason,
    RemoteAE,
    Resolution,
    Series,
    StoredObject,
    StoredRole,
    Study,
    StudyCorrection,
    StudyKey,
)
from wetread.archive.objects import LocalObjects, NoSpace, ObjectStore
from wetread.archive.peers import faults_of_networks, hash_passcode
from wetread.archive.pixels import CannotDecode, Decoder, Rendering
from wetread.archive.references import instance_references, relocated
from wetread.archive.relations import requests_of
from wetread.archive.retrieval import (
    BulkData,
    InstanceFiles,
    Retrieval,
    RetrieveObject,
    RoleVisibility,
    StudyVisibility,
)
from wetread.archive.rules import (
    CORRECTABLE,
    PEER_RIGHTS,
    Filing,
    InstanceRow,
    JsonDict,
    Level,
    Status,
    corrected,
    correction_trace,
    date_of,
    element_json,
    filing_of,
    person_name_json,
    snake,
    tag_of,
    time_of,
)
from wetread.archive.sealing import Damaged
from wetread.archive.store import StoredInstance
from wetread.archive.transcoding import data_set_in
from wetread.archive.vault import Vault
from wetread.kit import limits
from wetread.kit.db import Database
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.security.service import AuditEventID, MasterKey, Offices, Permission, Work

log = structlog.get_logger()

__all__ = [
    "OF_THE_STUDY", "PEER_RIGHTS", "Archive", "BulkData", "CannotDecode", "Damaged", "Decoder", "Incoming", "InstanceFiles", "Level", "LocalObjects", "NoSpace",
    "ObjectStore", "Rendering", "Retrieval", "RetrieveObject", "RoleVisibility", "Status", "StoreResult", "StoredInstance",
    "StudyVisibility", "Transfer", "Vault", "correct_study", "data_set_in", "deidentified", "document_of", "find", "instance_references",
    "instances_for_retrieve", "list_quarantine", "list_remote_aes", "middle_pictures", "put_in_trash", "relocated", "remote_ae", "remote_ae_of", "remove_remote_ae", "requests_of", "resolve_quarantine",
    "save_remote_ae", "sides_of_series", "storage_summary", "study_detail", "the_archive", "uid_of_study", "use_archive", "visible_studies",
]  # fmt: skip


class Archive:
    """The archive of one process: ingest, retrieval, and the collaborators they share."""

    def __init__(
        self,
        database: Database,
        offices: Offices,
        objects: ObjectStore,
        master_key: MasterKey,
        *,
        visibility: StudyVisibility | None = None,
        decoder: Decoder | None = None,
        redo_folder: Path | None = None,
    ) -> None:
        self.offices = offices
        self.objects = objects
        self.vault = Vault(database, objects, master_key)
        self.intake = Intake(database, offices, self.vault, redo_folder=redo_folder)
        self._own_decoder = decoder is None
        self.decoder = decoder or Decoder()
        self.retrieval = Retrieval(offices, self.vault, visibility=visibility, decoder=self.decoder)

    def recover(self) -> int:
        """To be called once at the start of a process that takes objects in; returns how many studies had lost news."""
        try:
            self.intake.file_left()
            self.intake.settler.settle_left()
        except NoSpace as error:
            # A full store, or one that is out of reach, keeps nobody from reading; what waits is moved hourly.
            log.warning("small objects wait for the store", error=str(error))
        return recover(self.offices)

    def close(self) -> None:
        """Tells what waits, ends workers, closes connections."""
        self.intake.close()
        if self._own_decoder:
            self.decoder.close()
        self.objects.close()


_archive: Archive | None = None


def use_archive(archive: Archive) -> None:
    """Names the archive of this process (called once by the composition root)."""
    global _archive  # noqa: PLW0603 - one per process, set at composition
    _archive = archive


def the_archive() -> Archive:
    """The archive of this process."""
    if _archive is None:
        raise RuntimeError("no archive in this process")
    return _archive


# Finding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Matches:
    """DICOM JSON documents, and the keywords that could not be matched on (PS3.4 C.4.1.1.4: a warning, no failure)."""

    items: list[JsonDict]
    unmatched: list[str]


def find(
    work: Work,
    level: Level,
    keys: Mapping[str, str],
    *,
    include: Sequence[str] | None = (),
    limit: int = limits.PAGE_ITEMS_MAX,
    offset: int = 0,
    fuzzy_names: bool = False,
    combined_date_times: bool = False,
    relational: bool = False,
    visible: ColumnElement[bool] | None = None,
) -> Matches:
    """Studies, series or instances that match `keys` (keyword → value as sent), newest studies first.

    Documents hold the attributes of the level and above; `include` adds what was received of the study: by tags, or
    None for all. With `relational`, keys below the level match by what the study or series contains. Raises Invalid
    for a value that cannot be matched.
    """
    work.require(Permission.STUDY_READ, Permission.RESULT_READ, Permission.LIVE_JOIN)
    if visible is None:
        visible = visible_studies(work)
    own: Mapping[str, str] = keys
    if relational:
        own, conditions = relations.below(level, keys, fuzzy_names=fuzzy_names)
        visible = and_(*conditions, *([] if visible is None else [visible])) if conditions else visible
    found = store.find(
        work.session,
        level,
        own,
        visible=visible,
        limit=limit,
        offset=offset,
        fuzzy_names=fuzzy_names,
        combined_date_times=combined_date_times,
        columns=None,
    )
    items = [document_of(row) for row in found.rows]
    if include is None or include:
        received = store.received_attributes(work.session, found.study_pks)
        if include is not None:
            received = {pk: {tag: one[tag] for tag in include if tag in one} for pk, one in received.items()}
        items = [received.get(pk, {}) | item for pk, item in zip(found.study_pks, items, strict=True)]
    work.audit(
        AuditEventID.QUERY,
        "E",
        study_instance_uid=keys.get("StudyInstanceUID", "")[:64] or None,
        object_type=level.value.lower(),
        detail={"keys": ",".join(sorted(keys))[:400], "matches": str(len(items))},
    )
    return Matches(items, found.unmatched)


_ABSENT_FROM_ANSWERS = frozenset({"NumberOfFrames"})


def document_of(row: Mapping[str, Any]) -> JsonDict:
    """A row of the index, values by keyword, as a DICOM JSON document."""
    document: JsonDict = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
    }
    for keyword, value in row.items():
        vr = dictionary_VR(tag_of(keyword))
        element: JsonDict = {"vr": vr.split(" or ")[0]}
        if keyword == "NumberOfFrames" and not value:
            continue
        if value is not None and value != []:
            element["Value"] = [_json(vr, one) for one in (value if isinstance(value, list) else [value])]
        elif keyword in _ABSENT_FROM_ANSWERS:
            continue
        document[f"{tag_of(keyword):08X}"] = element
    return dict(sorted(document.items()))


def _json(vr: str, value: Any) -> Any:
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    if isinstance(value, time):
        return value.strftime("%H%M%S.%f" if value.microsecond else "%H%M%S")
    return person_name_json(value) if vr == "PN" else value


def visible_studies(work: Work) -> ColumnElement[bool] | None:
    """The condition on Study of those that the actor may see; None for all."""
    if _archive is not None:
        return _archive.retrieval.visible(work)
    return RoleVisibility().condition(work)


def instances_for_retrieve(
    work: Work,
    *,
    study_instance_uids: Sequence[str] = (),
    series_instance_uids: Sequence[str] = (),
    sop_instance_uids: Sequence[str] = (),
    destination: str,
) -> list[RetrieveObject]:
    """What a C-MOVE, C-GET or export asks for, in order; recorded as about to be sent to `destination`."""
    work.require(Permission.STUDY_READ)
    found = the_archive().retrieval.objects(
        work.session,
        visible=visible_studies(work),
        study_instance_uids=study_instance_uids,
        series_instance_uids=series_instance_uids,
        sop_instance_uids=sop_instance_uids,
    )
    studies: list[str | None] = [*sorted({one.stored.study_instance_uid for one in found})]
    for study_instance_uid in studies or [None]:
        work.audit(
            AuditEventID.BEGIN_TRANSFER,
            "R",
            study_instance_uid=study_instance_uid,
            object_type="study",
            detail={
                "to": destination[:64],
                "instances": str(sum(one.stored.study_instance_uid == study_instance_uid for one in found)),
            },
        )
    return found


def put_in_trash(
    work: Work,
    study_instance_uid: str,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
    *,
    reason: str,
) -> None:
    """What a client of DICOMweb deletes. Raises Denied where the policy does not allow it, NotFound, Conflict under hold."""
    from wetread.archive import removal  # it stands on this module

    removal.remove_by_dicomweb(
        work, removal.Target(study_instance_uid, series_instance_uid, sop_instance_uid), reason=reason
    )


# Correcting -----------------------------------------------------------------------------------------------------


def correct_study(
    work: Work,
    study_pk: int,
    attributes: Mapping[str, str],
    *,
    reason: str,
    patient_pk: int | Literal["as before"] | None = "as before",
    coerced: bool = False,
) -> None:
    """Lays `attributes` (keyword → value as DICOM text; PN as `A=I=P`) over a study, for search and on the way out.

    The received objects stay as they are. `patient_pk` links the study to a person of the register, None to nobody.
    Raises NotFound, and Invalid for an attribute that is not open to correction or a value that is none.
    """
    work.require(Permission.RECONCILE)
    study = work.session.get(Study, study_pk, with_for_update=True)
    if study is None:
        raise NotFound("There is no such study.")
    changes: JsonDict = {}
    for keyword, text in attributes.items():
        if keyword not in CORRECTABLE:
            raise Invalid(
                f"{keyword} is not open to correction.", fields=[FieldError(keyword, "not correctable")]
            )
        value: Any = text.strip() or None
        if value is not None and keyword.endswith("Date"):
            value = date_of(text)
        elif value is not None and keyword.endswith("Time"):
            value = time_of(text)
        if value is None and text.strip():
            raise Invalid(
                f"{keyword} is not a value of its kind.", fields=[FieldError(keyword, "not understood")]
            )
        if getattr(study, snake(keyword)) != value:
            tag, element = element_json(keyword, text)
            changes[tag] = element
            setattr(study, snake(keyword), value)
    of_patient_pk = study.patient_pk
    if patient_pk != "as before":
        study.patient_pk = patient_pk
    if changes:
        earlier = work.session.scalars(
            select(StudyCorrection)
            .where(
                StudyCorrection.study_pk == study_pk,
                StudyCorrection.series_pk.is_(None),
                StudyCorrection.instance_pk.is_(None),
                StudyCorrection.from_study_pk.is_(None),
                StudyCorrection.undone_at.is_(None),
            )
            .order_by(StudyCorrection.study_correction_pk)
        ).all()
        present = corrected(
            study.received_attributes, [(one.attributes, correction_trace("", "", "")) for one in earlier]
        )
        work.session.add(
            StudyCorrection(
                study_pk=study_pk,
                attributes=changes,
                original={tag: present.get(tag, {"vr": element["vr"]}) for tag, element in changes.items()},
                reason_for_the_attribute_modification="COERCE" if coerced else "CORRECT",
                reason=reason[:200],
                corrected_at=work.now(),
                corrected_by=work.actor.username[:64],
            )
        )
    work.session.flush()
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "U",
        # Of a study that is nobody's now, whose it was: it left his record.
        patient_pk=study.patient_pk or of_patient_pk,
        study_instance_uid=study.study_instance_uid,
        object_type="study",
        object_id=study_pk,
        detail={"changed": ",".join(sorted(attributes)), "reason": reason[:200]},
    )
    work.publish(StudyUpdated(study_pk, study.study_instance_uid, first_image=False))
    if _archive is not None:
        _archive.retrieval.forget()


# Quarantine -----------------------------------------------------------------------------------------------------


def list_quarantine(
    work: Work, *, waiting: bool = True, limit: int = 100, cursor: str | None = None
) -> Page[Quarantine]:
    """Quarantined objects, newest first."""
    work.require(Permission.QUARANTINE_READ)
    query = select(Quarantine).order_by(Quarantine.quarantine_pk.desc())
    count = select(func.count()).select_from(Quarantine)
    condition = Quarantine.resolution.is_(None) if waiting else Quarantine.resolution.is_not(None)
    query, count = query.where(condition), count.where(condition)
    if cursor is not None:
        query = query.where(Quarantine.quarantine_pk < decode_cursor(cursor, 1)[0])
    limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
    rows = list(work.session.scalars(query.limit(limit + 1)))
    work.audit(AuditEventID.QUERY, "E", object_type="quarantine", detail={"matches": str(len(rows))})
    more = len(rows) > limit
    return Page(
        rows[:limit],
        encode_cursor(rows[limit - 1].quarantine_pk) if more else None,
        work.session.scalar(count),
    )


def resolve_quarantine(
    work: Work, archive: Archive, quarantine_pk: int, resolution: Resolution, *, reason: str
) -> Quarantine:
    """What a person decided: try again, take it as the right one, or discard it with a reason.

    Retrying is safe to repeat: an object that went in meanwhile is found to be the same. Raises NotFound, Conflict
    where it is decided already or cannot be done, Invalid without a reason for discarding.
    """
    work.require(Permission.QUARANTINE_WRITE)
    row = work.session.get(Quarantine, quarantine_pk, with_for_update=True)
    if row is None:
        raise NotFound("There is no such object in quarantine.")
    if row.resolution is not None:
        raise Conflict(f"This was decided already: {row.resolution}.")
    if not reason.strip():
        raise Invalid("Say why.", fields=[FieldError("reason", "is needed for the record")])
    if resolution is not Resolution.DISCARDED:
        stored = work.session.get(StoredObject, row.stored_object_pk or 0)
        if stored is None:
            raise Conflict("The object's bytes are not kept any more.")
        if resolution is Resolution.RETRIED:
            _retry(work, archive, row, stored)
        else:
            _accept(work, archive, row, stored)
    if resolution is not Resolution.ACCEPTED or row.reason != QuarantineReason.CONTENT_DIFFERS:
        # The file goes with the next round of the janitor, once no row names it.
        kept, row.stored_object_pk = row.stored_object_pk, None
        work.session.flush()
        if kept is not None:
            work.session.delete(work.session.get_one(StoredObject, kept))
    row.resolution = resolution.value
    row.resolution_reason = reason.strip()[:200]
    row.resolved_by = work.actor.username[:64]
    row.resolved_at = work.now()
    work.session.flush()
    work.audit(
        AuditEventID.STUDY_DELETED if resolution is Resolution.DISCARDED else AuditEventID.INSTANCES_ACCESSED,
        "D" if resolution is Resolution.DISCARDED else "U",
        study_instance_uid=(row.study_instance_uid or "")[:64] or None,
        object_type="quarantine",
        object_id=quarantine_pk,
        detail={"resolution": resolution.value, "reason": reason.strip()[:200]},
    )
    work.publish(QuarantineResolved(quarantine_pk, resolution.value))
    archive.retrieval.forget()
    return row


def _kept_bytes(work: Work, archive: Archive, stored: StoredObject) -> Iterator[memoryview]:
    key = work.session.get_one(StudyKey, stored.study_key_pk)
    with archive.vault.open(
        stored.location, stored.study_key_pk, key.sealed_key, stored.size_bytes
    ) as unsealer:
        yield from unsealer.iterate(0, stored.size_bytes)


def _retry(work: Work, archive: Archive, row: Quarantine, stored: StoredObject) -> None:
    with archive.intake.transfer(
        work.actor, received_from=row.received_from, network_address=row.network_address
    ) as transfer:
        incoming = transfer.file(keep_unfilable=False)
        for piece in _kept_bytes(work, archive, stored):
            incoming.write(piece)
        result = incoming.commit()
    if not result.status.kept or result.outcome == "quarantined":
        raise Conflict(f"It still cannot be filed: {result.detail}.")


def _accept(work: Work, archive: Archive, row: Quarantine, stored: StoredObject) -> None:
    if row.reason == QuarantineReason.REMOVED:
        _accept_removed(work, archive, row, stored)
        return
    if row.reason not in ACCEPTABLE:
        raise Conflict("This kind of fault cannot be accepted: the object has no place in the archive.")
    filing, new = _reread(work, archive, stored)
    if row.reason == QuarantineReason.PATIENT_DIFFERS:
        _accept_for_study(work, archive, row, stored, filing)
        return
    instance = work.session.scalars(
        select(Instance).where(Instance.sop_instance_uid == filing.sop_instance_uid).with_for_update()
    ).one_or_none()
    if instance is None:
        raise Conflict("The instance that it would replace is not here any more: retry it.")
    series = work.session.get_one(Series, instance.series_pk)
    if series.series_instance_uid != filing.series_instance_uid:
        raise Conflict("It belongs to another series than the instance that it would replace.")
    work.session.execute(
        update(StoredObject)
        .where(StoredObject.instance_pk == instance.instance_pk, StoredObject.role == StoredRole.ORIGINAL)
        .values(role=StoredRole.SUPERSEDED)
    )
    work.session.execute(
        update(StoredObject)
        .where(StoredObject.instance_pk == instance.instance_pk, StoredObject.role == StoredRole.RENDITION)
        .values(role=StoredRole.SUPERSEDED)
    )
    stored.role, stored.instance_pk = StoredRole.ORIGINAL, instance.instance_pk
    stored.transfer_syntax_uid = new.transfer_syntax_uid
    stored.pixel_data_offset, stored.frame_length = new.pixel_data_offset, new.frame_length
    stored.frame_table = new.frame_table
    for name in (
        "instance_number", "number_of_frames", "rows", "columns", "bits_allocated", "samples_per_pixel",
        "photometric_interpretation", "image_laterality", "frame_laterality", "content_date", "content_time",
    ):  # fmt: skip
        setattr(instance, name, getattr(new, name))
    series.updated_at = work.now()
    study = work.session.get_one(Study, instance.study_pk)
    row.stored_object_pk = None
    work.publish(StudyUpdated(study.study_pk, study.study_instance_uid, first_image=False))


ACCEPTABLE = (QuarantineReason.CONTENT_DIFFERS, QuarantineReason.PATIENT_DIFFERS, QuarantineReason.REMOVED)
"""The reasons for which a person may take a quarantined object as it is."""


def _accept_removed(work: Work, archive: Archive, row: Quarantine, stored: StoredObject) -> None:
    """Lets an object in again that was removed here."""
    with archive.intake.transfer(
        work.actor, received_from=row.received_from, network_address=row.network_address
    ) as transfer:
        incoming = transfer.file(keep_unfilable=False, returning=True)
        for piece in _kept_bytes(work, archive, stored):
            incoming.write(piece)
        result = incoming.commit()
    if not result.status.kept or result.outcome == "quarantined":
        raise Conflict(f"It cannot be filed: {result.detail}.")


def _accept_for_study(
    work: Work, archive: Archive, row: Quarantine, stored: StoredObject, filing: Filing
) -> None:
    """Files an object under its study though it names another patient: the study's patient is laid over it."""
    # Committed before the object is filed: it must not be seen for a moment under the patient whom it names.
    with archive.offices.work(work.actor) as before:
        study = before.session.scalars(
            select(Study).where(Study.study_instance_uid == filing.study_instance_uid)
        ).one_or_none()
        if study is None:
            raise Conflict("Its study is not here any more: retry it.")
        tags = dict(
            element_json(keyword, _dicom_text(getattr(study, snake(keyword))))
            for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
        )
        before.session.add(
            StudyCorrection(
                study_pk=study.study_pk,
                attributes=tags,
                original={},
                reason_for_the_attribute_modification="COERCE",
                reason="an object of another patient identifier was accepted into the study",
                corrected_at=before.now(),
                corrected_by=before.actor.username[:64],
            )
        )
        before.audit(
            AuditEventID.PATIENT_RECORD,
            "U",
            patient_pk=study.patient_pk,
            study_instance_uid=study.study_instance_uid,
            object_type="study",
            object_id=study.study_pk,
        )
    with archive.intake.transfer(
        work.actor, received_from=row.received_from, network_address=row.network_address
    ) as transfer:
        incoming = transfer.file(keep_unfilable=False, other_patient=True)
        for piece in _kept_bytes(work, archive, stored):
            incoming.write(piece)
        result = incoming.commit()
    if not result.status.kept or result.outcome == "quarantined":
        raise Conflict(f"It cannot be filed: {result.detail}.")


def _dicom_text(value: Any) -> str:
    return value.strftime("%Y%m%d") if isinstance(value, date) else str(value or "")


def _reread(work: Work, archive: Archive, stored: StoredObject) -> tuple[Filing, InstanceRow]:
    """Reads a kept object's header again, as if it arrived."""
    reader = HeadReader.of_file()
    pieces = _kept_bytes(work, archive, stored)
    for piece in pieces:
        if reader.feed(piece):
            break
    head = reader.head(at_end=True)
    if head is None:
        raise Conflict("Its header cannot be read.")
    follower = head.follower()
    if follower is not None:
        position = 0
        for piece in _kept_bytes(work, archive, stored):
            begin = max((head.pixel_data_offset or 0) - position, 0)
            if begin < len(piece):
                follower.feed(piece[begin:])
            position += len(piece)
    filing = filing_of(head.texts)
    row = head.instance_row(
        filing,
        location=stored.location,
        study_key_pk=stored.study_key_pk,
        size_bytes=stored.size_bytes,
        dataset_sha256=stored.dataset_sha256,
        follower=follower,
    )
    return filing, row


# Known application entities -------------------------------------------------------------------------------------


def list_remote_aes(work: Work) -> list[RemoteAE]:
    """All known peers, by title."""
    work.require(Permission.CONFIG_READ)
    return list(work.session.scalars(select(RemoteAE).order_by(RemoteAE.ae_title)))


def remote_ae(work: Work, ae_title: str) -> RemoteAE | None:
    """The peer of that title; for the DICOM node, which asks for every association and destination."""
    return work.session.scalars(select(RemoteAE).where(RemoteAE.ae_title == ae_title)).one_or_none()


def remote_ae_of(work: Work, remote_ae_pk: int) -> RemoteAE:
    """The peer of that key, about to be called by a person. Raises NotFound."""
    work.require(Permission.CONFIG_WRITE)
    peer = work.session.get(RemoteAE, remote_ae_pk)
    if peer is None:
        raise NotFound("There is no such application entity.")
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="remote_ae",
        object_id=remote_ae_pk,
        detail={"called": peer.ae_title},
    )
    return peer


def save_remote_ae(
    work: Work,
    *,
    remote_ae_pk: int | None = None,
    ae_title: str,
    host: str,
    port: int,
    description: str | None,
    rights: Sequence[str],
    is_encrypted: bool | None = None,
    calls_from: Sequence[str] | None = None,
    certificate_name: str | None = None,
    user_identity: str | None = None,
    passcode: str | None = None,
) -> RemoteAE:
    """Adds or changes a peer. How it proves itself stays as it is where None; an empty text takes it away.

    Raises Invalid, NotFound, Conflict for a title that is taken.
    """
    work.require(Permission.CONFIG_WRITE)
    faults: list[FieldError] = []
    title = ae_title.strip()
    if (
        not 1 <= len(title) <= 16
        or "\\" in title
        or not all(32 <= ord(character) < 127 for character in title)
    ):
        faults.append(FieldError("ae_title", "has 1 to 16 characters of ASCII without backslash"))
    if not host.strip() or any(character.isspace() or character in "/@?#" for character in host.strip()):
        faults.append(FieldError("host", "is a host name or an address"))
    if not 1 <= port <= 65535:
        faults.append(FieldError("port", "lies between 1 and 65535"))
    if unknown := set(rights) - set(PEER_RIGHTS):
        faults.append(FieldError("rights", f"there is no right {', '.join(sorted(unknown))}"))
    faults += faults_of_networks(calls_from or ())
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    taken = remote_ae(work, title)
    if taken is not None and taken.remote_ae_pk != remote_ae_pk:
        raise Conflict(f"The title {title} is taken.", fields=[FieldError("ae_title", "is taken")])
    if remote_ae_pk is None:
        peer = RemoteAE(
            ae_title=title, host=host.strip(), port=port, description=description, rights=sorted(rights)
        )
        work.session.add(peer)
    else:
        found = work.session.get(RemoteAE, remote_ae_pk)
        if found is None:
            raise NotFound("There is no such application entity.")
        peer = found
        peer.ae_title, peer.host, peer.port = title, host.strip(), port
        peer.description, peer.rights = description, sorted(rights)
    if is_encrypted is not None:
        peer.is_encrypted = is_encrypted
    if calls_from is not None:
        peer.calls_from = sorted(set(calls_from))
    if certificate_name is not None:
        peer.certificate_name = certificate_name.strip() or None
    if user_identity is not None:
        peer.user_identity = user_identity.strip() or None
    if passcode is not None:
        peer.passcode_hash = hash_passcode(passcode) if passcode else None
    if peer.user_identity is None:
        if passcode:
            raise Invalid(
                "A passcode needs a name.", fields=[FieldError("user_identity", "whose passcode it is")]
            )
        peer.passcode_hash = None
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if remote_ae_pk is None else "U",
        object_type="remote_ae",
        object_id=peer.remote_ae_pk,
        detail={"ae_title": title, "rights": ",".join(sorted(rights))},
    )
    return peer


def remove_remote_ae(work: Work, remote_ae_pk: int) -> None:
    """Forgets a peer. Raises NotFound, Conflict where something is still to be sent there."""
    work.require(Permission.CONFIG_WRITE)
    peer = work.session.get(RemoteAE, remote_ae_pk)
    if peer is None:
        raise NotFound("There is no such application entity.")
    try:
        with work.session.begin_nested():
            work.session.delete(peer)
    except IntegrityError:
        raise Conflict(f"{peer.ae_title} is still the destination of a rule, or asked for priors.") from None
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="remote_ae",
        object_id=remote_ae_pk,
        detail={"ae_title": peer.ae_title},
    )


# Numbers and details --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StorageSummary:
    """What is kept, in numbers; bytes are plain sizes by role, and of the file system that holds the store."""

    studies: int
    series: int
    instances: int
    bytes_by_role: dict[str, int]
    objects_by_role: dict[str, int]
    quarantine_waiting: int
    newest_instance_at: datetime | None
    file_system_used_bytes: int
    file_system_free_bytes: int


def storage_summary(work: Work, archive: Archive) -> StorageSummary:
    """Counts and sizes for the administrator's page; no patient data."""
    work.require(Permission.CONFIG_READ)
    session = work.session
    by_role = session.execute(
        select(StoredObject.role, func.count(), func.coalesce(func.sum(StoredObject.size_bytes), 0)).group_by(
            StoredObject.role
        )
    ).all()
    # Numbers are no patient data: asked below the ORM, which would note the tables as read and hide what was removed.
    counts = (
        session.connection()
        .execute(
            select(
                *(
                    select(func.count())
                    .select_from(thing)
                    .where(thing.removal_pk.is_(None))
                    .scalar_subquery()
                    for thing in (Study, Series, Instance)
                ),
                select(func.count())
                .select_from(Quarantine)
                .where(Quarantine.resolution.is_(None))
                .scalar_subquery(),
                select(func.max(Instance.created_at)).scalar_subquery(),
            )
        )
        .one()
    )
    used, free = archive.objects.space() or (0, 0)
    return StorageSummary(
        studies=counts[0],
        series=counts[1],
        instances=counts[2],
        bytes_by_role={role: int(size) for role, _, size in by_role},
        objects_by_role={role: count for role, count, _ in by_role},
        quarantine_waiting=counts[3],
        newest_instance_at=counts[4],
        file_system_used_bytes=used,
        file_system_free_bytes=free,
    )


@dataclass(frozen=True, slots=True)
class StudyDetail:
    """A study with its series in order; `middle` maps series_pk to the SOP Instance UID whose picture stands for it, `sides`
    to what its images say they show."""

    study: Study
    series: list[Series]
    middle: dict[int, str]
    sides: dict[int, set[str]]


def sides_of_series(session: Session, study_pks: Collection[int]) -> dict[int, set[str]]:
    """Which sides of the body each series shows, L and R, as its images say (Image Laterality, or the Frame Laterality of
    their frames), else as the series does (Laterality, PS3.3 C.7.3.1); series of none are left out."""
    said = func.coalesce(Instance.image_laterality, Instance.frame_laterality, Series.laterality)
    rows = session.execute(
        select(Instance.series_pk, said)
        .join(Series, Series.series_pk == Instance.series_pk)
        .where(Instance.study_pk.in_(study_pks), said.is_not(None))
        .distinct()
    )
    found: dict[int, set[str]] = {}
    for series_pk, words in rows:
        for side in words.split("\\"):
            if side in ("L", "R", "B"):
                found.setdefault(series_pk, set()).update("LR" if side == "B" else side)
    return found


def uid_of_study(work: Work, study_pk: int) -> str:
    """Study Instance UID of a study that the actor may see. Raises NotFound."""
    work.require(Permission.STUDY_READ, Permission.RESULT_READ)
    query = select(Study.study_instance_uid).where(Study.study_pk == study_pk, Study.removal_pk.is_(None))
    visible = visible_studies(work)
    # Below the ORM, which would note patient data as read.
    found = work.session.connection().execute(query if visible is None else query.where(visible)).scalar()
    if found is None:
        raise NotFound("There is no such study.")
    return str(found)


def middle_pictures(work: Work, study_pk: int) -> dict[str, str]:
    """Series Instance UID → SOP Instance UID of the picture in the middle, by its number, of each series of a study."""
    work.require(Permission.STUDY_READ, Permission.RESULT_READ)
    middle = store.middle_instances(work.session, study_pk)
    named = select(Series.series_pk, Series.series_instance_uid).where(Series.series_pk.in_(middle))
    return {uid: middle[pk] for pk, uid in work.session.connection().execute(named)}


def study_detail(work: Work, study_pk: int) -> StudyDetail:
    """One study for a screen. Raises NotFound, also for a study that the actor may not see."""
    work.require(Permission.STUDY_READ, Permission.RESULT_READ)
    query = select(Study).where(Study.study_pk == study_pk)
    visible = visible_studies(work)
    study = work.session.scalars(query if visible is None else query.where(visible)).one_or_none()
    if study is None:
        raise NotFound("There is no such study.")
    series = list(
        work.session.scalars(
            select(Series)
            .where(Series.study_pk == study_pk)
            .order_by(Series.series_number.asc().nulls_last(), Series.series_pk)
        )
    )
    work.audit(
        AuditEventID.INSTANCES_ACCESSED,
        "R",
        patient_pk=study.patient_pk,
        study_instance_uid=study.study_instance_uid,
        object_type="study",
        object_id=study_pk,
    )
    middle = store.middle_instances(work.session, study_pk)
    return StudyDetail(study, series, middle, sides_of_series(work.session, [study_pk]))
