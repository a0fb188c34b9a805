"""What leaves the house by a person's hand: pictures, prints, and file-sets of DICOM objects. All of it is recorded before it
is given (PS3.15 A.5.3.4, Export)."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import structlog
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from sqlalchemy import select

from wetread.archive.model import Study
from wetread.archive.service import (
    Archive,
    CannotDecode,
    Damaged,
    RetrieveObject,
    data_set_in,
    deidentified,
    the_archive,
)
from wetread.dicom.deidentify import HeldBack, Options, Pseudonyms, check, deidentify
from wetread.dicom.dicomdir import Directory, header_of, header_of_json
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from wetread.dicom.uid import IMPLEMENTATION_VERSION_NAME
from wetread.kit import limits
from wetread.kit.errors import Conflict, Denied, FieldError, Invalid, NotFound, TooLarge, WetreadError
from wetread.security.service import Actor, AuditEventID, Work
from wetread.sharing import exports_rules as rules
from wetread.sharing.captures import Capture, as_dataset, is_square, secondary_capture
from wetread.sharing.exports_rules import ExportForm, ExportPolicy
from wetread.sharing.service import OwnPatients
from wetread.sharing.zipping import ZipStream

log = structlog.get_logger(__name__)
_policy = ExportPolicy()


def use_export_policy(policy: ExportPolicy) -> None:
    """Says who may take pictures away (called once by the composition root)."""
    global _policy  # noqa: PLW0603 - one per process, set at composition
    _policy = policy


def may_export(actor: Actor) -> bool:
    """Whether the actor may export and print what they see."""
    return actor.kind != "guest" and _policy.allows(actor.permissions)


def _require(work: Work) -> None:
    if not may_export(work.actor):
        raise Denied("Exporting and printing is not part of your rights.")


@dataclass(frozen=True, slots=True)
class Scope:
    """A study, or of it a series, or of that some instances."""

    study_instance_uid: str
    series_instance_uid: str | None = None
    sop_instance_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a file-set would hold. `burned_in`: pictures that may show who the patient is; `held_back`: objects that cannot
    be cleaned of it (reports, documents). Both count only where patient data are to be removed."""

    number_of_instances: int
    size_bytes: int
    burned_in: int
    held_back: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """The record of an export. `burned_in`: of its pictures, how many may show who the patient is."""

    recorded_at: datetime
    burned_in: int


@dataclass(frozen=True, slots=True)
class _Found:
    scope: Scope
    patient_pk: int | None
    study_pk: int
    objects: list[RetrieveObject]


def _find(work: Work, archive: Archive, scopes: Sequence[Scope]) -> list[_Found]:
    """The objects of the scopes that the actor may see by their own right: what is seen in another's live session is not
    taken away. Raises NotFound, Invalid, TooLarge."""
    condition = OwnPatients().condition(work)
    found: list[_Found] = []
    patients: set[Any] = set()
    for scope in scopes:
        query = select(Study.study_pk, Study.patient_pk, Study.issuer_of_patient_id, Study.patient_id).where(
            Study.study_instance_uid == scope.study_instance_uid, Study.removal_pk.is_(None)
        )
        row = work.session.execute(query if condition is None else query.where(condition)).first()
        if row is None:
            raise NotFound("There is no such study.")
        objects = archive.retrieval.objects(
            work.session,
            visible=condition,
            study_instance_uids=[scope.study_instance_uid],
            series_instance_uids=[scope.series_instance_uid] if scope.series_instance_uid else [],
            sop_instance_uids=list(scope.sop_instance_uids),
        )
        if not objects or (scope.sop_instance_uids and len(objects) < len(set(scope.sop_instance_uids))):
            raise NotFound("There is no such object.")
        found.append(_Found(scope, row.patient_pk, row.study_pk, objects))
        # Where the register knows nobody by it, the identifier is all there is.
        patients.add(row.patient_pk or (row.issuer_of_patient_id, row.patient_id))
    if len(patients) > 1:
        raise Invalid(
            "These studies are of different patients; each is given a file-set of their own.",
            fields=[FieldError("scopes", "different patients")],
        )
    if sum(len(one.objects) for one in found) > limits.EXPORT_OBJECTS_MAX:
        raise TooLarge("These are too many objects for one export.")
    return found


def _headers(archive: Archive, objects: Sequence[RetrieveObject]) -> dict[str, dict[str, Any]]:
    """Metadata with corrections, by SOP Instance UID; a series at a time, as they are kept ready-made."""
    series = dict.fromkeys((one.stored.study_instance_uid, one.stored.series_instance_uid) for one in objects)
    return {
        document["00080018"]["Value"][0]: document
        for key in series
        for document in orjson.loads(gzip.decompress(archive.retrieval.build_series_metadata(*key)))
    }


def _may_show_patient(documents: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """(pictures that may have writing, objects that cannot be cleaned)."""
    burned_in = held_back = 0
    for document in documents:
        told = Dataset()
        for tag, keyword in (
            ("00080016", "SOPClassUID"),
            ("00080060", "Modality"),
            ("00280301", "BurnedInAnnotation"),
        ):
            setattr(told, keyword, (document.get(tag, {}).get("Value") or [""])[0])
        try:
            check(told, Options(allow_burned_in=True))
        except HeldBack:
            held_back += 1
            continue
        try:
            check(told, Options())
        except HeldBack:
            burned_in += 1
    return burned_in, held_back


def _documents(archive: Archive, found: Sequence[_Found]) -> list[dict[str, Any]]:
    objects = [one for each in found for one in each.objects]
    headers = _headers(archive, objects)
    return [headers[one.sop_instance_uid] for one in objects if one.sop_instance_uid in headers]


def estimate(work: Work, scopes: Sequence[Scope], *, identified: bool) -> Estimate:
    """What a file-set of the scopes would hold. Raises NotFound, Invalid, TooLarge."""
    _require(work)
    archive = the_archive()
    found = _find(work, archive, scopes)
    for one in found:
        work.audit(
            AuditEventID.QUERY,
            "E",
            patient_pk=one.patient_pk,
            study_instance_uid=one.scope.study_instance_uid,
            object_type="study",
            object_id=one.study_pk,
        )
    burned_in, held_back = (0, 0) if identified else _may_show_patient(_documents(archive, found))
    objects = [one for each in found for one in each.objects]
    return Estimate(len(objects), sum(one.stored.size_bytes for one in objects), burned_in, held_back)


def record(
    work: Work,
    scopes: Sequence[Scope],
    form: ExportForm,
    *,
    identified: bool,
    pictures: int,
    burned_in_accepted: bool = False,
) -> Recorded:
    """Records that pictures of these instances leave the house: to be asked before they are made.

    Raises Conflict where the pictures may show who the patient is though they are to go without, and nobody has said that
    they were looked at.
    """
    _require(work)
    archive = the_archive()
    found = _find(work, archive, scopes)
    burned_in = 0
    if not identified:
        burned_in, documents = _may_show_patient(_documents(archive, found))
        if burned_in + documents and not burned_in_accepted:
            raise Conflict(
                f"{burned_in + documents} of these images may have writing in them that says who the patient is."
                " Look at them before they go out without patient data."
            )
    _audit(work, found, form, identified=identified, pictures=pictures, burned_in_accepted=burned_in > 0)
    return Recorded(work.now(), burned_in)


def _audit(
    work: Work,
    found: Sequence[_Found],
    form: ExportForm,
    *,
    identified: bool,
    pictures: int | None = None,
    burned_in_accepted: bool = False,
) -> None:
    for one in found:
        detail = {
            "form": form,
            "media": rules.MEDIA_TYPE.get(form, rules.DOWNLOADED),
            "identified": "yes" if identified else "no",
            "instances": str(len(one.objects)),
        }
        if pictures is not None:
            detail["pictures"] = str(pictures)
        if one.scope.series_instance_uid:
            detail["series_instance_uid"] = one.scope.series_instance_uid
        if burned_in_accepted:
            detail["burned_in_accepted"] = "yes"
        work.audit(
            AuditEventID.EXPORT,
            "R",
            patient_pk=one.patient_pk,
            study_instance_uid=one.scope.study_instance_uid,
            object_type="study",
            object_id=one.study_pk,
            detail=detail,
        )


@dataclass(frozen=True, slots=True)
class FileSetWanted:
    """How objects go out: with patient data or without; as they are stored, or uncompressed for whatever reads them."""

    identified: bool
    uncompressed: bool = False
    burned_in_accepted: bool = False


def open_file_set(work: Work, scopes: Sequence[Scope], wanted: FileSetWanted) -> Iterator[bytes]:
    """The pieces of a ZIP with DICOMDIR, made while they are taken; the record is in `work`, which has to be committed first.

    Raises NotFound, Invalid, TooLarge, and Conflict where without patient data nothing would be left.
    """
    _require(work)
    archive = the_archive()
    found = _find(work, archive, scopes)
    objects = [one for each in found for one in each.objects]
    if not wanted.identified:
        documents = _documents(archive, found)
        burned_in, held_back = _may_show_patient(documents)
        if held_back + (0 if wanted.burned_in_accepted else burned_in) == len(documents):
            raise Conflict("None of these objects can go out without patient data.")
    _audit(
        work,
        found,
        "dicom",
        identified=wanted.identified,
        burned_in_accepted=not wanted.identified and wanted.burned_in_accepted,
    )
    return _FileSet(archive, wanted, ZipStream(work.now())).pieces(objects)


def export_capture(
    work: Work, scope: Scope, capture: Capture, *, identified: bool, burned_in_accepted: bool = False
) -> bytes:
    """What was drawn from images of one series as an object of its own, a Part 10 file.

    Raises NotFound, Invalid, and Conflict where the images may show who the patient is though it is to go without.
    """
    if (capture.place is None) != (capture.drawn == "volume"):
        raise Invalid(
            "A plane lies somewhere, and a body is looked at from anywhere.",
            fields=[FieldError("place", "missing" if capture.place is None else "not of a volume")],
        )
    if capture.place is not None and not is_square(capture.place.orientation):
        raise Invalid(
            "Rows and columns do not stand square on each other.",
            fields=[FieldError("place.orientation", "not square")],
        )
    record(work, [scope], "dicom", identified=identified, pictures=1, burned_in_accepted=burned_in_accepted)
    archive = the_archive()
    [found] = _find(work, archive, [scope])
    headers = _headers(archive, found.objects[:1])
    first = as_dataset(headers[found.objects[0].sop_instance_uid])
    if capture.place is not None and not first.get("FrameOfReferenceUID"):
        raise Invalid(
            "These images say no frame of reference.", fields=[FieldError("scope", "no frame of reference")]
        )
    sources = [(one.sop_class_uid, one.sop_instance_uid) for one in found.objects]
    made = secondary_capture(capture, first, sources, work.now(), IMPLEMENTATION_VERSION_NAME)
    if not identified:
        # Nothing is written in its pixels; its sources were looked at above.
        deidentify(made, Pseudonyms(secrets.token_bytes(32)), Options(allow_burned_in=True))
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, made)
    return build_meta(made.SOPClassUID, made.SOPInstanceUID, EXPLICIT_VR_LITTLE_ENDIAN) + bytes(
        out.getvalue()
    )


class _FileSet:
    def __init__(self, archive: Archive, wanted: FileSetWanted, out: ZipStream) -> None:
        self._archive, self._wanted, self._out = archive, wanted, out
        # A key that nobody keeps: two exports of one patient cannot be joined.
        self._pseudonyms = Pseudonyms(secrets.token_bytes(32))
        self._options = Options(allow_burned_in=wanted.burned_in_accepted)
        self._directory = Directory("WETREAD")
        self._held_back = self._unreadable = self._unlisted = self._kept = 0

    def pieces(self, objects: Sequence[RetrieveObject]) -> Iterator[bytes]:
        by_series: dict[str, list[RetrieveObject]] = {}
        for one in objects:
            by_series.setdefault(one.stored.series_instance_uid, []).append(one)
        for number, members in enumerate(by_series.values(), 1):
            headers = _headers(self._archive, members[:1]) if self._wanted.identified else {}
            for at, one in enumerate(members, 1):
                yield from self._object(one, headers, rules.file_id(number, at))
        yield from self._out.file("DICOMDIR", [self._directory.encode()], compress=True)
        told = rules.readme(
            identified=self._wanted.identified,
            uncompressed=self._wanted.uncompressed,
            held_back=self._held_back,
            unreadable=self._unreadable,
            unlisted=self._unlisted,
            kept_as_they_are=self._kept,
        )
        yield from self._out.file("README.TXT", [told], compress=True)
        yield from self._out.end()

    def _object(
        self, one: RetrieveObject, headers: dict[str, dict[str, Any]], file_id: tuple[str, str, str]
    ) -> Iterator[bytes]:
        try:
            header, syntax, content = self._made(one, headers)
        except HeldBack:
            self._held_back += 1
            return
        except (WetreadError, Damaged) as error:
            # The others go out all the same, and README.TXT says that one is missing.
            log.warning("object not exported", instance_pk=one.stored.instance_pk, error=type(error).__name__)
            self._unreadable += 1
            return
        # What breaks from here on breaks off the whole answer: half an object is never given for one.
        yield from self._out.file(
            "/".join(file_id), content, compress=not transfer_syntax(syntax).encapsulated
        )
        if not self._directory.add(header, syntax, file_id):
            self._unlisted += 1

    def _made(
        self, one: RetrieveObject, headers: dict[str, dict[str, Any]]
    ) -> tuple[Dataset, str, Iterator[bytes | memoryview]]:
        """(what the directory says, transfer syntax, Part 10 file)."""
        kind = transfer_syntax(one.transfer_syntax_uid)
        syntax = one.transfer_syntax_uid
        if self._wanted.uncompressed or (not self._wanted.identified and (kind.big_endian or kind.deflated)):
            syntax = EXPLICIT_VR_LITTLE_ENDIAN
        if not self._wanted.identified:
            return self._cleaned(one, syntax)
        header = header_of_json(headers.get(one.sop_instance_uid, {}))
        if not header.get("SOPClassUID"):
            header.SOPClassUID, header.SOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
        if syntax != one.transfer_syntax_uid:
            try:
                content = data_set_in(one, syntax)
                meta = build_meta(one.sop_class_uid, one.sop_instance_uid, syntax)
                return header, syntax, iter([meta, content])
            except (CannotDecode, TooLarge):
                self._kept += 1
        return header, one.transfer_syntax_uid, one.retrieval.file(one.stored, one.corrections)

    def _cleaned(self, one: RetrieveObject, syntax: str) -> tuple[Dataset, str, Iterator[bytes | memoryview]]:
        try:
            dataset, content = deidentified(one, syntax, self._pseudonyms, self._options)
        except CannotDecode:
            if syntax == one.transfer_syntax_uid:
                raise
            syntax = one.transfer_syntax_uid
            dataset, content = deidentified(one, syntax, self._pseudonyms, self._options)
            self._kept += 1
        meta = build_meta(one.sop_class_uid, str(dataset.SOPInstanceUID), syntax)
        return header_of(dataset), syntax, iter([meta, content])
