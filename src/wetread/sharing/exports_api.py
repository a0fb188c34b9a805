"""HTTP: exporting and printing. Which objects are meant travels in bodies."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from wetread.kit import limits
from wetread.security.door import Gate, door, stream_door
from wetread.security.service import Permission, Work
from wetread.sharing import exports as service
from wetread.sharing.captures import Capture, Drawn, Place, inflated

router = APIRouter(prefix="/api/exports", tags=["exports"])
# A referrer's own right is a decision of the house (setting referrers_may_export), which the service asks.
_MAY = (Permission.STUDY_EXPORT, Permission.RESULT_READ)

_Uid = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9.]+$")]


class ScopeIn(BaseModel):
    """A study, or of it a series, or of that some instances."""

    model_config = ConfigDict(extra="forbid")
    study_instance_uid: _Uid
    series_instance_uid: _Uid | None = None
    sop_instance_uids: Annotated[list[_Uid], Field(max_length=limits.EXPORT_PICTURES_MAX)] = []

    def scope(self) -> service.Scope:
        """As the service takes it."""
        return service.Scope(
            self.study_instance_uid, self.series_instance_uid, tuple(dict.fromkeys(self.sop_instance_uids))
        )


_Scopes = Annotated[list[ScopeIn], Field(min_length=1, max_length=limits.EXPORT_STUDIES_MAX)]


class PicturesIn(BaseModel):
    """Pictures that the browser is about to make. `burned_in_accepted`: a person has seen that they name nobody."""

    model_config = ConfigDict(extra="forbid")
    form: Literal["png", "jpeg", "video", "print"]
    identified: bool
    scopes: _Scopes
    number_of_pictures: Annotated[int, Field(ge=1, le=limits.EXPORT_PICTURES_MAX)]
    burned_in_accepted: bool = False


class FileSetIn(BaseModel):
    """Objects for a file-set. `uncompressed`: in Explicit VR Little Endian, which every reader of media takes (PS3.11 D)."""

    model_config = ConfigDict(extra="forbid")
    identified: bool
    scopes: _Scopes
    uncompressed: bool = False
    burned_in_accepted: bool = False


_Side = Annotated[int, Field(ge=1, le=limits.EXPORT_PLANE_SIDE_MAX)]
_Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
_Vector = tuple[_Number, _Number, _Number]
_Spacing = Annotated[float, Field(gt=0, le=1000)]


class PlaceIn(BaseModel):
    """Where a plane lies: `position` the middle of its first pixel; `spacing` between rows, then between columns, mm."""

    model_config = ConfigDict(extra="forbid")
    position: _Vector
    orientation: tuple[_Vector, _Vector]
    spacing: tuple[_Spacing, _Spacing]


class CaptureIn(BaseModel):
    """What is drawn from images of one series: a plane with its place, or the body ("volume") without. `pixels`: 8 bits each,
    grey or red, green and blue, row by row, deflated (zlib), in Base64."""

    model_config = ConfigDict(extra="forbid")
    scope: ScopeIn
    identified: bool
    rows: _Side
    columns: _Side
    samples: Literal[1, 3]
    pixels: Annotated[Base64Bytes, Field(max_length=limits.REQUEST_BODY_BYTES_MAX)]
    place: PlaceIn | None
    drawn: Drawn
    thickness: Annotated[float, Field(gt=0, le=1000)] | None = None
    description: Annotated[str, Field(min_length=1, max_length=64)]
    burned_in_accepted: bool = False


class ExportRights(BaseModel):
    """What the caller may do."""

    may_export: bool


@router.get("/rights")
def export_rights(work: Work = door(Permission.SELF)) -> ExportRights:
    """Whether the caller may export and print what they see."""
    return ExportRights(may_export=service.may_export(work.actor))


@router.post("/pictures", status_code=201)
def record_pictures(body: PicturesIn, work: Work = door(*_MAY)) -> service.Recorded:
    """Records that pictures leave the house or are printed, before the browser makes them."""
    return service.record(
        work,
        [one.scope() for one in body.scopes],
        body.form,
        identified=body.identified,
        pictures=body.number_of_pictures,
        burned_in_accepted=body.burned_in_accepted,
    )


@router.post("/dicom/estimate")
def estimate_file_set(body: FileSetIn, work: Work = door(*_MAY)) -> service.Estimate:
    """How much a file-set would hold, and how much of it may show who the patient is."""
    return service.estimate(work, [one.scope() for one in body.scopes], identified=body.identified)


@router.post("/dicom", response_class=StreamingResponse)
def export_file_set(body: FileSetIn, gate: Gate = stream_door(*_MAY)) -> StreamingResponse:
    """The objects as a ZIP with DICOMDIR (PS3.10, PS3.12 V), with patient data or without."""
    wanted = service.FileSetWanted(body.identified, body.uncompressed, body.burned_in_accepted)
    with gate.offices.work(gate.actor) as work:
        pieces = service.open_file_set(work, [one.scope() for one in body.scopes], wanted)
    return StreamingResponse(
        pieces,
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="dicom.zip"', "Cache-Control": "no-store"},
    )


@router.post("/capture", response_class=Response, responses={200: {"content": {"application/dicom": {}}}})
def export_capture(body: CaptureIn, gate: Gate = stream_door(*_MAY)) -> Response:
    """A plane, which says where it lies, or the body as a Secondary Capture object, with patient data or without."""
    pixels = inflated(body.pixels, body.rows * body.columns * body.samples)
    at = body.place
    place = None if at is None else Place(at.position, at.orientation, at.spacing)
    capture = Capture(
        body.rows, body.columns, body.samples, pixels, place, body.drawn, body.thickness, body.description
    )
    with gate.offices.work(gate.actor) as work:
        content = service.export_capture(
            work,
            body.scope.scope(),
            capture,
            identified=body.identified,
            burned_in_accepted=body.burned_in_accepted,
        )
    return Response(
        content,
        media_type="application/dicom",
        headers={"Content-Disposition": 'attachment; filename="capture.dcm"', "Cache-Control": "no-store"},
    )
