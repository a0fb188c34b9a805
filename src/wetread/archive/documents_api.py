"""HTTP by which a viewer keeps what was measured, marked and set on a study: as DICOM objects of that study."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from wetread.archive import documents, store
from wetread.archive.api import archive_of
from wetread.archive.service import Archive, study_detail
from wetread.archive.store import StoredInstance
from wetread.kit import limits
from wetread.kit.errors import FieldError, Invalid, Unavailable
from wetread.security.door import door
from wetread.security.service import Actor, AuditEventID, Permission, Work

router = APIRouter(prefix="/api/archive", tags=["archive"])

_Uid = Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]
_Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
# Series that a reader adds stand behind those of the scanner.
_SERIES_NUMBER = {"SR": 9001, "PR": 9002, "KO": 9003}


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ImageIn(Body):
    """A frame of an instance of the study."""

    sop_instance_uid: _Uid
    frame_number: int = Field(ge=1, le=1_000_000)


class ShapeIn(Body):
    """A drawn form in (column, row) of the picture's pixels; 0,0 is the upper left corner of the first."""

    graphic_type: Literal["POINT", "POLYLINE", "ELLIPSE"]
    points: list[tuple[_Number, _Number]] = Field(min_length=1, max_length=limits.MEASUREMENT_POINTS_MAX)


_Place = tuple[_Number, _Number, _Number]


class SpatialShapeIn(Body):
    """A drawn form in the patient, mm (PS3.3 C.18.9.1.2)."""

    graphic_type: Literal["POINT", "POLYLINE", "POLYGON", "ELLIPSE"]
    points: list[_Place] = Field(min_length=1, max_length=limits.MEASUREMENT_POINTS_MAX)

    @model_validator(mode="after")
    def _is_whole(self) -> SpatialShapeIn:
        if self.graphic_type == "ELLIPSE" and len(self.points) != 4:
            raise ValueError("an ellipse is told by the ends of its two axes")
        if self.graphic_type == "POLYGON" and (len(self.points) < 4 or self.points[0] != self.points[-1]):
            raise ValueError("a polygon has three corners at least and ends where it begins")
        return self


class SlabIn(Body):
    """How the thickness about a plane became one picture."""

    mode: Literal["mip", "minip", "average"]
    thickness: float = Field(gt=0, le=1000, description="mm")


class SpaceIn(Body):
    """Where something lies that was drawn on a plane of no picture: in the frame of reference of `image`, with the normal
    of the plane, the direction up the screen, and the slab that was shown."""

    frame_of_reference_uid: _Uid
    view_plane_normal: _Place
    view_up: _Place
    shapes: list[SpatialShapeIn] = Field(min_length=1, max_length=4)
    slab: SlabIn | None = None


class ValueIn(Body):
    """A measured number; `shape` is the form that it is of, −1 of all."""

    concept: Literal[
        "length",
        "long",
        "short",
        "angle",
        "area",
        "mean",
        "deviation",
        "minimum",
        "maximum",
        "value",
        "ratio",
    ]
    value: _Number
    unit: Literal["mm", "cm", "mm²", "cm²", "px", "°", "HU", "SUV", "BQML", ""] = ""
    shape: int = Field(0, ge=-1, le=3)


class MeasurementIn(Body):
    """Something drawn on a picture, by `shapes`, or on a plane through several, in `space`; `image` is the nearest then."""

    tracking_uid: _Uid
    tracking_identifier: str = Field(min_length=1, max_length=64)
    image: ImageIn
    shapes: list[ShapeIn] = Field(default_factory=list, max_length=4)
    space: SpaceIn | None = None
    values: list[ValueIn] = Field(default_factory=list, max_length=8)
    comment: str | None = Field(None, min_length=1, max_length=1024)

    @model_validator(mode="after")
    def _lies_somewhere(self) -> MeasurementIn:
        if bool(self.shapes) == (self.space is not None):
            raise ValueError("needs either shapes on its image or a space, and not both")
        return self


class PresentationIn(Body):
    """How pictures were seen: the part of them that filled the view, their window, how they were turned."""

    images: list[ImageIn] = Field(min_length=1, max_length=limits.PRESENTED_IMAGES_MAX)
    area: tuple[int, int, int, int]
    window: tuple[_Number, _Number] | None = None
    rotation: Literal[0, 90, 180, 270] = 0
    flipped: bool = False
    inverted: bool = False
    spacing: tuple[_Number, _Number] | None = None


class FindingsIn(Body):
    """What is to be kept. Presentations that turn or invert differently become objects of their own."""

    measurements: list[MeasurementIn] = Field(default_factory=list, max_length=limits.MEASUREMENTS_MAX)
    presentations: list[PresentationIn] = Field(default_factory=list, max_length=16)
    key_images: list[ImageIn] = Field(default_factory=list, max_length=limits.MEASUREMENTS_MAX)
    supersedes: list[_Uid] = Field(
        default_factory=list,
        max_length=64,
        description="Measurement reports of the study that this one takes the place of; with no measurements, all of"
        " theirs were removed.",
    )


class DocumentOut(BaseModel):
    """An object that was made and kept."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


class FindingsOut(BaseModel):
    """The objects, measurements first."""

    documents: list[DocumentOut]


@router.post("/studies/{study_pk}/findings", status_code=201)
def keep_findings(
    study_pk: int,
    body: FindingsIn,
    request: Request,
    work: Work = door(Permission.REPORT_WRITE),  # noqa: B008
) -> FindingsOut:
    """Keeps measurements (TID 1500 SR), presentation states (GSPS) and key images (KOS) as objects of the study."""
    archive = archive_of(request)
    study = study_detail(work, study_pk).study
    known = _known(work, study.study_instance_uid, body)
    _check_spaces(archive, body, known)
    origin = _origin(archive, work, next(iter(known.values())))
    made = _made(
        body,
        known,
        origin,
        _measured_before(archive, body, known),
        _values(archive, work, study.study_instance_uid, body, known),
    )
    _keep(archive, work, made)
    for _ in made:
        work.audit(
            AuditEventID.INSTANCES_TRANSFERRED,
            "C",
            patient_pk=study.patient_pk,
            study_instance_uid=study.study_instance_uid,
            object_type="study",
            object_id=study_pk,
        )
    return FindingsOut(
        documents=[
            DocumentOut(
                sop_class_uid=ds.SOPClassUID,
                sop_instance_uid=ds.SOPInstanceUID,
                series_instance_uid=ds.SeriesInstanceUID,
            )
            for ds in made
        ]
    )


def _known(work: Work, study_instance_uid: str, body: FindingsIn) -> dict[str, StoredInstance]:
    """The instances that are named, by UID. Raises Invalid where one is none of the study, or nothing is named."""
    wanted = [one.image for one in body.measurements] + body.key_images
    wanted += [image for one in body.presentations for image in one.images]
    if not wanted and not body.supersedes:
        raise Invalid("There is nothing to keep.")
    uids = sorted({one.sop_instance_uid for one in wanted} | set(body.supersedes))
    found = {
        one.sop_instance_uid: one
        for one in store.stored_instances(
            work.session, study_instance_uids=[study_instance_uid], sop_instance_uids=uids
        )
    }
    strange = [
        one
        for one in wanted
        if one.sop_instance_uid not in found
        or one.frame_number > max(found[one.sop_instance_uid].number_of_frames, 1)
    ]
    if strange:
        raise Invalid(
            "A picture that is named is none of this study.",
            fields=[FieldError("sop_instance_uid", strange[0].sop_instance_uid)],
        )
    for uid in body.supersedes:
        if uid not in found or found[uid].sop_class_uid not in documents.MEASUREMENT_REPORTS:
            raise Invalid(
                "What is to be superseded is no measurement report of this study.",
                fields=[FieldError("supersedes", uid)],
            )
    return found


def _check_spaces(archive: Archive, body: FindingsIn, known: dict[str, StoredInstance]) -> None:
    """Raises Invalid where something lies in another frame of reference than its picture: a place there is none here."""
    frames: dict[str, str] = {}
    for one in body.measurements:
        if one.space is None:
            continue
        stored = known[one.image.sop_instance_uid]
        if stored.series_instance_uid not in frames:
            [document] = orjson.loads(archive.retrieval.instance_metadata(stored))
            frames[stored.series_instance_uid] = next(iter(document.get("00200052", {}).get("Value", [""])))
        if one.space.frame_of_reference_uid != frames[stored.series_instance_uid]:
            raise Invalid(
                "A place is in another frame of reference than the picture beside it.",
                fields=[FieldError("frame_of_reference_uid", one.space.frame_of_reference_uid)],
            )


def _measured_before(
    archive: Archive, body: FindingsIn, known: dict[str, StoredInstance]
) -> dict[str, tuple[str, list[list[float]]]]:
    """Who measured what stands in the reports that are superseded: nobody's work becomes another's by being kept again."""
    found: dict[str, tuple[str, list[list[float]]]] = {}
    for uid in body.supersedes:
        [document] = orjson.loads(archive.retrieval.instance_metadata(known[uid]))
        found |= documents.measured_by(Dataset.from_json(document, lambda *_: b""))
    return found


def _values(
    archive: Archive, work: Work, study_instance_uid: str, body: FindingsIn, known: dict[str, StoredInstance]
) -> dict[tuple[str, int], Dataset | None]:
    """The Modality LUT module of each presented frame, by (SOP Instance UID, frame); None where it cannot be said."""
    wanted = {(one.sop_instance_uid, one.frame_number) for each in body.presentations for one in each.images}
    found: dict[tuple[str, int], Dataset | None] = {}
    for series in {known[uid].series_instance_uid for uid, _ in wanted}:
        pictures = {
            one["00080018"]["Value"][0]: one
            for one in orjson.loads(
                gzip.decompress(archive.retrieval.series_metadata(work.actor, study_instance_uid, series))
            )
        }
        for uid, frame in wanted:
            if known[uid].series_instance_uid == series:
                try:
                    found[uid, frame] = documents.modality_values(pictures[uid], frame)
                except (KeyError, ValueError):
                    found[uid, frame] = None
    return found


def _is_as_before(
    shapes: Sequence[documents.Shape | documents.SpatialShape], before: list[list[float]]
) -> bool:
    """Whether shapes lie where they did; Graphic Data are single floats. Of one shape several values may be inferred."""
    ours = [shape.data() for shape in shapes]
    return all(
        any(
            len(one) == len(other) and all(abs(a - b) < 0.01 for a, b in zip(one, other, strict=True))
            for other in before
        )
        for one in ours
    )


def _origin(archive: Archive, work: Work, stored: StoredInstance) -> documents.Origin:
    """Patient and study as they stand now, corrections laid over."""
    [document] = orjson.loads(archive.retrieval.instance_metadata(stored))
    whole = Dataset.from_json(
        {tag: element for tag, element in document.items() if tag in _TAGS}, lambda *_: b""
    )
    study = Dataset()
    for keyword in documents.OF_THE_STUDY:
        if keyword in whole:
            study[keyword] = whole[keyword]
    return documents.Origin(study, work.actor.display_name, work.now(), 0)


def _made(
    body: FindingsIn,
    known: dict[str, StoredInstance],
    origin: documents.Origin,
    before: dict[str, tuple[str, list[list[float]]]],
    values: dict[tuple[str, int], Dataset | None],
) -> list[Dataset]:
    def image(one: ImageIn) -> documents.Image:
        stored = known[one.sop_instance_uid]
        frame = one.frame_number if stored.number_of_frames > 1 else None
        return documents.Image(
            stored.sop_class_uid, stored.sop_instance_uid, stored.series_instance_uid, frame,
            stored.rows or 0, stored.columns or 0,
        )  # fmt: skip

    def numbered(modality: str) -> documents.Origin:
        return documents.Origin(origin.study, origin.author, origin.made_at, _SERIES_NUMBER[modality])

    def measurement(one: MeasurementIn) -> documents.Measurement:
        shapes = [documents.Shape(shape.graphic_type, shape.points) for shape in one.shapes]
        space = None
        if one.space is not None:
            space = documents.Space(
                one.space.frame_of_reference_uid,
                [documents.SpatialShape(shape.graphic_type, shape.points) for shape in one.space.shapes],
                one.space.view_plane_normal,
                one.space.view_up,
                (one.space.slab.mode, one.space.slab.thickness) if one.space.slab else None,
            )
        author, drawn_before = before.get(one.tracking_uid, ("", []))
        is_anothers = (
            author
            and author != origin.author
            and _is_as_before(space.shapes if space else shapes, drawn_before)
        )
        return documents.Measurement(
            one.tracking_uid,
            one.tracking_identifier,
            image(one.image),
            shapes,
            [documents.Value(value.concept, value.value, value.unit, value.shape) for value in one.values],
            one.comment,
            author if is_anothers else None,
            space,
        )

    def document(uid: str) -> documents.Image:
        stored = known[uid]
        return documents.Image(stored.sop_class_uid, stored.sop_instance_uid, stored.series_instance_uid)

    measurements = [measurement(one) for one in body.measurements]
    if any(
        value.shape >= len(one.space.shapes if one.space else one.shapes)
        for one in measurements
        for value in one.values
    ):
        raise Invalid(
            "A value is of a shape that is not there.", fields=[FieldError("shape", "no such shape")]
        )
    made: list[Dataset] = []
    if measurements or body.supersedes:
        made.append(
            documents.measurement_report(
                numbered("SR"), measurements, [document(uid) for uid in body.supersedes]
            )
        )
    alike: dict[tuple[object, ...], list[documents.Presentation]] = {}
    drawn = set[str]()
    for one in body.presentations:
        images = [image(each) for each in one.images]
        if any(known[each.sop_instance_uid].samples_per_pixel not in (None, 1) for each in images):
            continue  # a colour picture's presentation state needs a colour profile, which nobody has measured
        by_values: dict[str, list[documents.Image]] = {}
        modules: dict[str, Dataset | None] = {}
        for each in images:
            module = values[each.sop_instance_uid, each.frame_number or 1]
            name = "?" if module is None else module.to_json()
            by_values.setdefault(name, []).append(each)
            modules[name] = module
        for name, group in by_values.items():
            named = {(each.sop_instance_uid, each.frame_number or 1) for each in group}
            marks = [
                mark
                for mark in measurements
                if mark.space is None  # it lies on no picture
                and (mark.image.sop_instance_uid, mark.image.frame_number or 1) in named
                and mark.tracking_uid not in drawn
            ]
            drawn |= {mark.tracking_uid for mark in marks}
            module = modules[name]
            shown = documents.Presentation(
                group,
                one.area,
                module or Dataset(),
                one.window if module is not None else None,  # it would be one of other values
                one.rotation,
                one.flipped,
                one.inverted,
                one.spacing,
                marks,
            )
            # Turning, the values and the table of greys are those of a whole presentation state.
            alike.setdefault((name, one.rotation, one.flipped, one.inverted), []).append(shown)
    made += [
        documents.presentation_state(numbered("PR"), shown, f"READ_{number}")
        for number, shown in enumerate(alike.values(), 1)
    ]
    if body.key_images:
        made.append(documents.key_objects(numbered("KO"), [image(one) for one in body.key_images]))
    return made


def _keep(archive: Archive, work: Work, made: list[Dataset]) -> None:
    """Files the objects as any others. Raises Unavailable where the archive takes none."""
    with archive.intake.transfer(Actor.system("viewer"), received_from=work.actor.username) as transfer:
        for ds in made:
            incoming = transfer.file(keep_unfilable=False)
            incoming.write(memoryview(_file(ds)))
            result = incoming.commit()
            if result.outcome not in ("stored", "duplicate"):
                raise Unavailable(f"The archive did not take it: {result.detail}")


def _file(ds: Dataset) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


_TAGS = frozenset({"00080005", *(f"{documents.tag(keyword):08X}" for keyword in documents.OF_THE_STUDY)})
