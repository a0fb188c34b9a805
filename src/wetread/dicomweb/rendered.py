"""WADO-RS: rendered images and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4, 8.3.5)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from wetread.archive.service import InstanceFiles
from wetread.dicomweb.accept import RENDERED_MEDIA_TYPES, Offer
from wetread.dicomweb.common import (
    INSTANCE,
    NO_STORE,
    PREFIX,
    READ,
    SERIES,
    STUDY,
    BadRequest,
    DicomWebRoute,
    archive_of,
    chosen,
)
from wetread.kit import limits
from wetread.kit.errors import FieldError, NotFound
from wetread.security.door import Gate, stream_door

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

_Window = Annotated[str | None, Query(max_length=100, description="centre,width[,function]")]
_Viewport = Annotated[str | None, Query(max_length=100, description="columns,rows")]
_Quality = Annotated[int, Query(ge=1, le=100)]


def _numbers(text: str | None, name: str, least: int) -> list[float] | None:
    if not text:
        return None
    try:
        values = [float(part) for part in text.split(",")[:2]]
    except ValueError:
        values = []
    if len(values) < least or not all(-1e9 < value < 1e9 for value in values):
        raise BadRequest(
            f"{name} is not understood.", fields=[FieldError(name, "two numbers parted by a comma")]
        )
    return values


def _rendered(
    request: Request,
    files: InstanceFiles,
    frame: int,
    *,
    window: str | None,
    viewport: str | None,
    quality: int,
    default: tuple[int, int] | None = None,
) -> Response:
    media_type = chosen(request, "Rendered images are", list(map(Offer, RENDERED_MEDIA_TYPES[:2]))).media_type
    centre_width = _numbers(window, "window", 2)
    size = _numbers(viewport, "viewport", 2)
    if size is not None and not (
        size[0] >= 1 and size[1] >= 1 and size[0] * size[1] <= limits.RENDERED_PIXELS_MAX
    ):
        raise BadRequest(
            "The viewport is out of bounds.", fields=[FieldError("viewport", "too small or too large")]
        )
    content = archive_of(request).retrieval.rendered(
        files.original,
        frame,
        media_type=media_type,
        window=None if centre_width is None else (centre_width[0], centre_width[1]),
        viewport=default if size is None else (int(size[0]), int(size[1])),
        quality=quality,
    )
    return Response(content, media_type=media_type, headers=NO_STORE)


def _standing_for(request: Request, gate: Gate, study: str, series: str | None) -> InstanceFiles:
    """The instance whose picture stands for a series or study: the middle one of the first series with pictures."""
    retrieval = archive_of(request).retrieval
    retrieval.admit(gate.actor, study)
    for one in [series] if series else retrieval.series_of(study):
        files = retrieval.middle(gate.actor, study, one)
        if files is not None:
            return files
    raise NotFound("There is no picture in it.")


@router.get(INSTANCE + "/rendered", response_class=Response)
def rendered_instance(
    request: Request,
    study: str,
    series: str,
    instance: str,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*READ),
) -> Response:
    """WADO-RS: an instance as JPEG or PNG; of several frames the middle one."""
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    frame = max((files.original.number_of_frames + 1) // 2, 1)
    return _rendered(request, files, frame, window=window, viewport=viewport, quality=quality)


@router.get(INSTANCE + "/frames/{frame}/rendered", response_class=Response)
def rendered_frame(
    request: Request,
    study: str,
    series: str,
    instance: str,
    frame: int,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*READ),
) -> Response:
    """WADO-RS: a frame as JPEG or PNG."""
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    return _rendered(request, files, frame, window=window, viewport=viewport, quality=quality)


@router.get(STUDY + "/thumbnail", response_class=Response)
def study_thumbnail(
    request: Request, study: str, viewport: _Viewport = None, gate: Gate = stream_door(*READ)
) -> Response:
    """WADO-RS: a small picture that stands for the study."""
    files = _standing_for(request, gate, study, None)
    return _thumbnail(request, files, viewport)


@router.get(SERIES + "/thumbnail", response_class=Response)
def series_thumbnail(
    request: Request, study: str, series: str, viewport: _Viewport = None, gate: Gate = stream_door(*READ)
) -> Response:
    """WADO-RS: a small picture that stands for the series."""
    return _thumbnail(request, _standing_for(request, gate, study, series), viewport)


@router.get(INSTANCE + "/thumbnail", response_class=Response)
def instance_thumbnail(
    request: Request,
    study: str,
    series: str,
    instance: str,
    viewport: _Viewport = None,
    gate: Gate = stream_door(*READ),
) -> Response:
    """WADO-RS: a small picture of the instance."""
    return _thumbnail(
        request, archive_of(request).retrieval.files(gate.actor, study, series, instance), viewport
    )


def _thumbnail(request: Request, files: InstanceFiles, viewport: str | None) -> Response:
    frame = max((files.original.number_of_frames + 1) // 2, 1)
    return _rendered(request, files, frame, window=None, viewport=viewport, quality=85, default=(160, 160))


@router.get(SERIES + "/rendered", response_class=Response)
def rendered_series(
    request: Request,
    study: str,
    series: str,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*READ),
) -> Response:
    """WADO-RS: the picture that stands for a series."""
    files = _standing_for(request, gate, study, series)
    frame = max((files.original.number_of_frames + 1) // 2, 1)
    return _rendered(request, files, frame, window=window, viewport=viewport, quality=quality)
