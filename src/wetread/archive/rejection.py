"""Notes that reject images (IHE IOCM, RAD-66): Key Object Selections whose title says why what they name is not to be shown.

A note that arrives hides what it names by the rule for its code (PS3.16 CID 7011), also what arrives after it,
until a person lifts the rejection. Rejecting here makes such a note, which goes to other archives as any object of the
study does.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pydicom
import structlog
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from sqlalchemy import exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from wetread.archive import store
from wetread.archive.hiding import policy_of
from wetread.archive.layers import NONE, layers_of
from wetread.archive.model import (
    Instance,
    RejectionNote,
    Removal,
    Series,
    Study,
    StudyCorrection,
)
from wetread.archive.removal import take_away
from wetread.archive.rules import ON_REJECTION, REJECTION_TITLES, JsonDict, Level, corrected
from wetread.archive.service import the_archive, visible_studies
from wetread.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, new_uid
from wetread.jobs.service import task
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound, WetreadError
from wetread.security.service import AuditEventID, Permission, Work

log = structlog.get_logger()

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"


# Reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Note:
    """What a Key Object Selection says: its title's code, and the SOP Instance UIDs that it names."""

    code_value: str | None
    referenced: tuple[str, ...]


def note_of(document: JsonDict) -> Note:
    """A rejection note read from DICOM JSON; `code_value` is None where its title rejects nothing."""
    title = _first(document.get("0040A043"))
    code = str(_value(title, "00080100") or "").strip()
    scheme = str(_value(title, "00080102") or "").strip()
    if scheme != "DCM" or code not in REJECTION_TITLES:
        return Note(None, ())
    found: dict[str, None] = {}
    # The evidence lists all that is rejected, by study and series (PS3.3 C.17.6.2.1); the content tree says it again.
    for study in _items(document.get("0040A375")):
        for series in _items(study.get("00081115")):
            for instance in _items(series.get("00081199")):
                uid = str(_value(instance, "00081155") or "").strip()
                if uid:
                    found[uid] = None
    return Note(code, tuple(found)[: limits.REJECTED_INSTANCES_MAX])


def _items(element: Any) -> list[JsonDict]:
    values = element.get("Value") if isinstance(element, dict) else None
    return [one for one in values or [] if isinstance(one, dict)]


def _first(element: Any) -> JsonDict:
    return next(iter(_items(element)), {})


def _value(item: JsonDict, tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]


@task("archive.rejection_notes", together=True)
def rejection_notes(work: Work, events: list[dict[str, Any]]) -> None:
    """On `study.updated`: reads notes that came, and hides what they and earlier ones name. Idempotent."""
    study_pks = sorted({int(event["keys"]["study_pk"]) for event in events})
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="rejection_note", object_id=len(study_pks))
    with_notes = select(Study.study_pk).where(
        Study.study_pk.in_(study_pks), literal(KEY_OBJECT_SELECTION) == func.any(Study.sop_classes_in_study)
    )
    for study_pk in work.session.scalars(with_notes.order_by(Study.study_pk)).all():
        apply_notes(work, study_pk)


def apply_notes(work: Work, study_pk: int) -> int:
    """Reads the new notes of a study and does what all its notes say; returns how many instances were hidden."""
    session = work.session
    known = exists().where(RejectionNote.instance_pk == Instance.instance_pk)
    new = list(
        session.scalars(
            select(Instance.sop_instance_uid)
            .where(Instance.study_pk == study_pk, Instance.sop_class_uid == KEY_OBJECT_SELECTION, ~known)
            .order_by(Instance.instance_pk)
        )
    )
    for stored in store.stored_instances(session, sop_instance_uids=new) if new else []:
        try:
            note = note_of(the_archive().retrieval.instance_json(stored))
        except (WetreadError, ValueError) as error:
            log.warning("a key object selection cannot be read", error=type(error).__name__)
            note = Note(None, ())
        session.execute(
            insert(RejectionNote)
            .values(
                instance_pk=stored.instance_pk,
                code_value=note.code_value,
                referenced=list(note.referenced),
                read_at=work.now(),
            )
            .on_conflict_do_nothing()
        )
    notes = session.execute(
        select(RejectionNote, Instance.sop_instance_uid)
        .join(Instance, Instance.instance_pk == RejectionNote.instance_pk)
        .where(Instance.study_pk == study_pk, RejectionNote.code_value.is_not(None))
        .order_by(RejectionNote.instance_pk)
    ).all()
    return sum(_apply(work, study_pk, note, uid) for note, uid in notes)


def _apply(work: Work, study_pk: int, note: RejectionNote, note_uid: str) -> int:
    code = note.code_value or ""
    policy = policy_of(work.session)
    rule = policy.on_rejection.get(code, ON_REJECTION.get(code, "hide"))
    if rule == "show":
        return 0
    lifted = work.session.scalar(
        select(Removal.removal_pk)
        .where(Removal.rejection_note_uid == note_uid, Removal.restored_at.is_not(None))
        .limit(1)
    )
    if lifted is not None:
        return 0
    # What was moved from here is named by it still.
    moved = select(Series.series_pk).where(Series.received_study_pk == study_pk)
    split_off = select(StudyCorrection.instance_pk).where(
        StudyCorrection.from_study_pk == study_pk,
        StudyCorrection.from_series_pk.is_not(None),
        StudyCorrection.undone_at.is_(None),
    )
    named: dict[int, list[str]] = {}
    for place, uid in work.session.execute(
        select(Instance.study_pk, Instance.sop_instance_uid)
        .where(
            or_(
                Instance.study_pk == study_pk,
                Instance.series_pk.in_(moved),
                Instance.instance_pk.in_(split_off),
            ),
            Instance.sop_instance_uid.in_(note.referenced),
            # Notes do not hide notes: they are how a rejection is known.
            Instance.sop_class_uid != KEY_OBJECT_SELECTION,
        )
        .order_by(Instance.study_pk)
    ):
        named.setdefault(place, []).append(uid)
    hidden = 0
    for place, uids in named.items():
        # Under legal hold the note is kept, and does its work when the hold is lifted and the study changes.
        with suppress(Conflict):
            hidden += take_away(
                work,
                place,
                level=Level.IMAGE,
                cause="rejection",
                reason=REJECTION_TITLES[code],
                days=policy.trash_days if rule == "trash" else None,
                sop_instance_uids=uids,
                code_value=code,
                rejection_note_uid=note_uid,
            ).instances
    return hidden


# Making ---------------------------------------------------------------------------------------------------------


def reject(
    work: Work,
    *,
    study_instance_uid: str,
    series_instance_uids: Sequence[str] = (),
    sop_instance_uids: Sequence[str] = (),
    code_value: str,
    reason: str,
) -> str:
    """Rejects images of a study: makes a note, files it in the study, and hides what it names. Returns the note's UID.

    Raises NotFound, Invalid, Conflict under hold or where nothing is left to be rejected.
    """
    work.require(Permission.STUDY_REMOVE)
    if code_value not in REJECTION_TITLES:
        raise Invalid("Say why.", fields=[FieldError("code_value", "is a code of CID 7011")])
    query = select(Study).where(Study.study_instance_uid == study_instance_uid)
    visible = visible_studies(work)
    study = work.session.scalar(query if visible is None else query.where(visible))
    if study is None:
        raise NotFound("There is no such study.")
    stored = [
        one
        for one in store.stored_instances(
            work.session,
            study_instance_uids=[study_instance_uid],
            series_instance_uids=series_instance_uids,
            sop_instance_uids=sop_instance_uids,
        )
        if one.sop_class_uid != KEY_OBJECT_SELECTION
    ]
    if not stored:
        raise NotFound("There is nothing of it to be rejected.")
    layers = layers_of(work.session, stored[:1]).get(stored[0].instance_pk, NONE)
    head = corrected(the_archive().retrieval.instance_json(stored[0]), layers.corrections)
    study_pk = study.study_pk
    note = _note(head, stored, code_value, reason.strip(), work)
    # Filed by its own transaction, as everything that arrives is; what it names is hidden by this one.
    with the_archive().intake.transfer(
        _storer(work), received_from=work.actor.username[:64], network_address=work.actor.network_address
    ) as transfer:
        incoming = transfer.file(keep_unfilable=False, other_patient=True)
        incoming.write(_file(note))
        result = incoming.commit()
    if not result.status.kept:
        raise Conflict(f"The note could not be filed: {result.detail}.")
    if not apply_notes(work, study_pk):
        raise Conflict(
            "The note is filed, but hides nothing: the rule for this code says so, or a legal hold forbids it."
        )
    return str(note.SOPInstanceUID)


def _storer(work: Work) -> Any:
    return replace(work.actor, permissions=work.actor.permissions | {Permission.STUDY_STORE})


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _note(
    head: JsonDict, stored: Sequence[store.StoredInstance], code_value: str, reason: str, work: Work
) -> Dataset:
    """The Key Object Selection (PS3.3 A.35.4, PS3.16 TID 2010) that rejects `stored`; `head` is one of them, as it leaves."""
    keep = (
        "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
        "AccessionNumber", "ReferringPhysicianName", "StudyID", "StudyInstanceUID", "StudyDescription",
    )  # fmt: skip
    wanted = {f"{pydicom.datadict.tag_for_keyword(keyword):08X}" for keyword in keep}
    note = Dataset.from_json({tag: element for tag, element in head.items() if tag in wanted})
    for keyword in keep:
        if keyword not in note and keyword not in ("StudyDescription", "IssuerOfPatientID"):
            setattr(note, keyword, "")
    now = work.now()
    note.SpecificCharacterSet = "ISO_IR 192"
    note.SOPClassUID, note.SOPInstanceUID = KEY_OBJECT_SELECTION, new_uid()
    note.SeriesInstanceUID = new_uid()
    note.Modality, note.SeriesNumber, note.InstanceNumber = "KO", 9999, 1
    note.SeriesDescription = REJECTION_TITLES[code_value]
    note.ReferencedPerformedProcedureStepSequence = []
    note.Manufacturer, note.ManufacturerModelName = "Wetread", IMPLEMENTATION_VERSION_NAME
    note.TimezoneOffsetFromUTC = "+0000"
    note.ContentDate, note.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    note.ValueType, note.ContinuityOfContent = "CONTAINER", "SEPARATE"
    note.ConceptNameCodeSequence = [_code(code_value, "DCM", REJECTION_TITLES[code_value])]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    note.ContentTemplateSequence = [template]
    by_series: dict[str, list[store.StoredInstance]] = {}
    for one in stored:
        by_series.setdefault(one.series_instance_uid, []).append(one)
    evidence = Dataset()
    evidence.StudyInstanceUID = stored[0].study_instance_uid
    evidence.ReferencedSeriesSequence = []
    content: list[Dataset] = []
    if reason:
        described = Dataset()
        described.RelationshipType, described.ValueType = "CONTAINS", "TEXT"
        described.ConceptNameCodeSequence = [_code("113012", "DCM", "Key Object Description")]
        described.TextValue = reason[:1024]
        content.append(described)
    for series_instance_uid, of_series in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID = series_instance_uid
        series.ReferencedSOPSequence = [_reference(one) for one in of_series]
        evidence.ReferencedSeriesSequence.append(series)
        for one in of_series:
            named = Dataset()
            named.RelationshipType = "CONTAINS"
            named.ValueType = "IMAGE" if one.number_of_frames else "COMPOSITE"
            named.ReferencedSOPSequence = [_reference(one)]
            content.append(named)
    note.CurrentRequestedProcedureEvidenceSequence = [evidence]
    note.ContentSequence = content
    return note


def _reference(one: store.StoredInstance) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
    return item


def _file(note: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = note.SOPClassUID, note.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    note.file_meta = meta
    out = io.BytesIO()
    pydicom.dcmwrite(out, note, enforce_file_format=True)
    return out.getvalue()
