"""WADO-RS: rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4, 8.3.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from wetread.archive.service import Archive, BulkData, InstanceFiles, Rendering
from wetread.dicom.jsonmodel import JsonDict
from wetread.dicom.orientation import edges_of, side_of
from wetread.dicomweb import structured
from wetread.dicomweb.accept import RENDERED_MEDIA_TYPES, Offer
from wetread.dicomweb.common import (
    INSTANCE,
    NO_STORE,
    PREFIX,
    READ,
    SERIES,
    STUDY,
    VIEW,
    BadRequest,
    DicomWebRoute,
    archive_of,
    chosen,
    span_of,
    streamed_parts,
)
from wetread.dicomweb.guests import check_drawing, model_for, note_opened
from wetread.dicomweb.responses import in_large_pieces
from wetread.kit import limits
from wetread.kit.errors import FieldError, NotFound
from wetread.security.door import Gate, stream_door

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

_Window = Annotated[str | None, Query(max_length=100, description="centre,width[,function]")]
_Viewport = Annotated[str | None, Query(max_length=100, description="columns,rows")]
_Quality = Annotated[int, Query(ge=1, le=100)]
_FUNCTIONS = ("linear", "linear-exact", "sigmoid")
_THUMBNAIL = (160, 160)
# What `annotation` may name; `orientation` is our own: the side, the view and the letters of the edges.
_NO_ANNOTATIONS: dict[str, tuple[str, ...]] = {"patient": (), "technique": (), "orientation": ()}
_IMAGES = [Offer(media_type) for media_type in RENDERED_MEDIA_TYPES]
_IMAGE_PARTS = [Offer(media_type, True) for media_type in RENDERED_MEDIA_TYPES]


# What the parameters say ----------------------------------------------------------------------------------------


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1e9 < value < 1e9:
        raise BadRequest(
            f"{name} is not understood.", fields=[FieldError(name, "holds something that is no number")]
        )
    return value


def window_of(text: str | None) -> tuple[tuple[float, float] | None, str | None]:
    """(centre, width) and the function of `window=centre,width,function` (PS3.18 8.3.5.1.4). Raises BadRequest."""
    if not text:
        return None, None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 3):
        raise BadRequest(
            "window is not understood.", fields=[FieldError("window", "is centre,width,function")]
        )
    centre, width = _number(parts[0], "window"), _number(parts[1], "window")
    function = parts[2].lower().replace("_", "-") if len(parts) == 3 else None
    if function is not None and function not in _FUNCTIONS:
        raise BadRequest(
            "This window function is not known.",
            fields=[FieldError("window", f"is one of {', '.join(_FUNCTIONS)}")],
        )
    least = 1 if function in (None, "linear") else 0
    if width < least or width == 0:
        raise BadRequest(
            "The width of the window is too small.",
            fields=[FieldError("window", f"has a width from {least}")],
        )
    return (centre, width), function


def viewport_of(
    text: str | None,
) -> tuple[tuple[int, int] | None, tuple[float | None, float | None, float | None, float | None] | None]:
    """(columns, rows) and the source region of `viewport=vw,vh[,sx,sy,sw,sh]` (PS3.18 8.3.5.1.3); what is left empty
    is None. Raises BadRequest."""
    if not text:
        return None, None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 2 or len(parts) > 6 or not parts[0] or not parts[1]:
        raise BadRequest(
            "viewport is not understood.", fields=[FieldError("viewport", "is vw,vh[,sx,sy,sw,sh]")]
        )
    numbers = [_number(part, "viewport") if part else None for part in parts]
    columns, rows = numbers[0] or 0, numbers[1] or 0
    if not (columns >= 1 and rows >= 1 and columns * rows <= limits.RENDERED_PIXELS_MAX):
        raise BadRequest(
            "The viewport is out of bounds.", fields=[FieldError("viewport", "too small or too large")]
        )
    padded = [*numbers[2:], None, None, None, None][:4]
    region = None if all(one is None for one in padded) else (padded[0], padded[1], padded[2], padded[3])
    return (int(columns), int(rows)), region


def rendering_of(
    query: Mapping[str, str], files: InstanceFiles, media_type: str, annotations: dict[str, tuple[str, ...]]
) -> Rendering:
    """What the query parameters of a rendered resource ask for. `annotations`: the texts by what they tell of.

    Raises BadRequest for a value that is none.
    """
    window, function = window_of(query.get("window"))
    viewport, asked = viewport_of(query.get("viewport"))
    region = None
    if asked is not None:
        columns, rows = files.original.columns or 0, files.original.rows or 0
        left, top = asked[0] or 0.0, asked[1] or 0.0
        region = (
            left,
            top,
            asked[2] if asked[2] is not None else columns - left,
            asked[3] if asked[3] is not None else rows - top,
        )
        inside = left >= 0 and top >= 0 and left + abs(region[2]) <= columns and top + abs(region[3]) <= rows
        if not inside or not region[2] or not region[3]:
            raise BadRequest(
                "The region lies outside of the picture.",
                fields=[FieldError("viewport", f"the picture has {columns} columns and {rows} rows")],
            )
    return Rendering(
        media_type=media_type,
        window=window,
        function=function,
        viewport=viewport,
        region=region,
        enlarge=True,
        quality=_quality(query.get("quality", query.get("imageQuality"))),
        annotations=tuple(
            line for name in _listed(query, "annotation", annotations) for line in annotations[name]
        ),
        icc=(_listed(query, "iccprofile", {"no": (), "yes": (), "srgb": ()}) or ["no"])[0],
    )


def _quality(text: str | None) -> int:
    if text is None:
        return 90
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100):
        raise BadRequest(
            "quality is not understood.", fields=[FieldError("quality", "is a number from 1 to 100")]
        )
    return int(text)


def _listed(query: Mapping[str, str], name: str, known: Mapping[str, Any]) -> list[str]:
    words = [word.strip().lower() for word in query.get(name, "").split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise BadRequest(
                f"{name} is not understood.", fields=[FieldError(name, f"is of {', '.join(known)}")]
            )
    return words


def annotations_of(document: JsonDict, frame: int) -> dict[str, tuple[str, ...]]:
    """The lines that each `annotation` writes of a frame."""

    def text(tag: str) -> str:
        values = document.get(tag, {}).get("Value") or [""]
        value = values[0]
        return str(value.get("Alphabetic", "") if isinstance(value, dict) else value or "")

    def lines(*pairs: tuple[str, str]) -> tuple[str, ...]:
        return tuple(f"{label}{text(tag)}" for label, tag in pairs if text(tag))

    return {
        "patient": lines(("", "00100010"), ("ID ", "00100020"), ("Born ", "00100030"), ("Sex ", "00100040")),
        "technique": lines(
            ("", "00080060"), ("", "00081030"), ("", "0008103E"), ("Acquired ", "00080022"), ("kVp ", "00180060"),
            ("mA ", "00181151"), ("Slice mm ", "00180050"), ("TE ", "00180081"), ("TR ", "00180080"),
        ),
        "orientation": tuple(filter(None, (side_of(document, frame) or "", text("00185101")))),
    }  # fmt: skip


# Drawing --------------------------------------------------------------------------------------------------------


def _middle(files: InstanceFiles) -> int:
    return max((files.original.number_of_frames + 1) // 2, 1)


def draw(
    archive: Archive, files: InstanceFiles, frame: int, query: Mapping[str, str], media_type: str
) -> bytes:
    """A frame as the query parameters ask for it. Raises BadRequest, NotFound, CannotDecode."""
    if "annotation" not in query:
        return archive.retrieval.rendered(
            files.original, frame, rendering_of(query, files, media_type, _NO_ANNOTATIONS)
        )
    (document,) = orjson.loads(archive.retrieval.instance_metadata(files.original))  # corrections laid over
    rendering = rendering_of(query, files, media_type, annotations_of(document, frame))
    if "orientation" in _listed(query, "annotation", _NO_ANNOTATIONS):
        rendering = replace(rendering, edges=edges_of(document, frame))
    return archive.retrieval.rendered(files.original, frame, rendering)


def _frames_drawn(request: Request, files: InstanceFiles, frames: list[int] | None) -> Response:
    """One frame as an image, or where the client takes several parts, all of `frames`; None is those of the object."""
    archive, query = archive_of(request), dict(request.query_params)
    several = frames or list(range(1, files.original.number_of_frames + 1))
    offers = _IMAGE_PARTS if frames is not None and len(frames) > 1 else [*_IMAGES, *_IMAGE_PARTS]
    offer = chosen(request, "Rendered images are", offers)
    if not offer.multipart:
        one = frames[0] if frames else _middle(files)
        return Response(
            draw(archive, files, one, query, offer.media_type), media_type=offer.media_type, headers=NO_STORE
        )
    if len(several) > limits.FRAMES_A_REQUEST_MAX:
        raise BadRequest("This object has too many frames to be drawn at once: ask for frames.")
    first = draw(
        archive, files, several[0], query, offer.media_type
    )  # so that what is wrong is told before the body

    def parts() -> Iterator[tuple[str, list[bytes], None]]:
        yield offer.media_type, [first], None
        for number in several[1:]:
            yield offer.media_type, [draw(archive, files, number, query, offer.media_type)], None

    return streamed_parts(offer.media_type, parts())


def _instance(request: Request, gate: Gate, files: InstanceFiles) -> Response:
    """An instance in what its kind is looked at with: an image, a video, a document, a text (PS3.18 8.7.4)."""
    retrieval = archive_of(request).retrieval
    video = retrieval.video(files.original)
    is_picture = video is None and bool(files.original.number_of_frames)
    if is_picture:
        check_drawing(gate.actor, request.query_params.get("annotation"))
    model = None if is_picture or video else model_for(archive_of(request), gate.actor, files)
    note_opened(archive_of(request), gate.actor, files)
    if video is not None:
        return _whole(request, "The video is", video)
    if model is None:
        return _frames_drawn(request, files, None)
    document = retrieval.encapsulated_document(files.original)
    if document is not None and document.media_type:
        return _whole(request, "The document is", document)
    if not structured.is_report(model):
        raise NotFound("This object has nothing that could be drawn.")
    offer = chosen(request, "The report is", [Offer("text/html"), Offer("text/plain")])
    text = structured.as_html(model) if offer.media_type == "text/html" else structured.as_text(model)
    # The text is another system's: it may neither run nor load a thing.
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
    return Response(text, media_type=f"{offer.media_type}; charset=utf-8", headers={**NO_STORE, **policy})


def _whole(request: Request, what: str, data: BulkData) -> Response:
    assert data.media_type is not None
    offer = chosen(request, what, [Offer(data.media_type)])
    span = span_of(request, data.length)
    start, end = span or (0, data.length)
    headers = {**NO_STORE, "Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{data.length}"
    if not data.media_type.startswith("video/"):
        headers["Content-Security-Policy"] = "sandbox"
    return StreamingResponse(
        in_large_pieces(data.read(start, end)),
        status_code=200 if span is None else 206,
        media_type=offer.media_type,
        headers=headers,
    )


def _standing_for(request: Request, gate: Gate, study: str, series: str | None) -> InstanceFiles:
    """The instance whose picture stands for a series or study: the middle one of the first series with pictures."""
    retrieval = archive_of(request).retrieval
    retrieval.admit(gate.actor, study)
    for one in [series] if series else retrieval.series_of(study):
        files = retrieval.middle(gate.actor, study, one)
        if files is not None:
            return files
    raise NotFound("There is no picture in it.")


def _collection(request: Request, gate: Gate, study: str, series: str | None) -> Response:
    """Of a study or series: every picture, where the client takes several parts; else the one that stands for it."""
    archive, query = archive_of(request), dict(request.query_params)
    files = _standing_for(request, gate, study, series)
    offer = chosen(request, "Rendered images are", [*_IMAGES, *_IMAGE_PARTS])
    if not offer.multipart:
        content = draw(archive, files, _middle(files), query, offer.media_type)
        return Response(content, media_type=offer.media_type, headers=NO_STORE)
    rendering_of(query, files, offer.media_type, _NO_ANNOTATIONS)  # told before the body, if wrong
    pictures = [
        one
        for uid in ([series] if series else archive.retrieval.series_of(study))
        for one in archive.retrieval.pictures(gate.actor, study, uid)
    ]

    def parts() -> Iterator[tuple[str, list[bytes], None]]:
        for one in pictures:
            for number in range(1, one.original.number_of_frames + 1):
                yield offer.media_type, [draw(archive, one, number, query, offer.media_type)], None

    return streamed_parts(offer.media_type, parts())


def _numbers_of(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) > limits.FRAMES_A_REQUEST_MAX or not all(
        part.isascii() and part.isdigit() and len(part) < 9 for part in parts
    ):
        raise BadRequest(
            "Frames are whole numbers from 1, parted by commas.", fields=[FieldError("frames", "not valid")]
        )
    return [int(part) for part in parts]


# Doors ----------------------------------------------------------------------------------------------------------


@router.get(INSTANCE + "/rendered", response_class=Response)
def rendered_instance(
    request: Request,
    study: str,
    series: str,
    instance: str,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*VIEW),
) -> Response:
    """WADO-RS: an instance as JPEG or PNG, of several frames the middle one; or the document, film or text that it holds."""
    return _instance(request, gate, archive_of(request).retrieval.files(gate.actor, study, series, instance))


@router.get(INSTANCE + "/frames/{frame}/rendered", response_class=Response)
def rendered_frame(
    request: Request,
    study: str,
    series: str,
    instance: str,
    frame: str,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*VIEW),
) -> Response:
    """WADO-RS: a frame as JPEG or PNG; several, parted by commas, as parts."""
    check_drawing(gate.actor, request.query_params.get("annotation"))
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    return _frames_drawn(request, files, _numbers_of(frame))


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
    """WADO-RS: the picture that stands for a series, or all of them as parts."""
    return _collection(request, gate, study, series)


@router.get(STUDY + "/rendered", response_class=Response, include_in_schema=False)
def rendered_study(request: Request, study: str, gate: Gate = stream_door(*READ)) -> Response:
    """WADO-RS: the picture that stands for a study, or all of them as parts."""
    return _collection(request, gate, study, None)


@router.get(STUDY + "/thumbnail", response_class=Response)
def study_thumbnail(
    request: Request, study: str, viewport: _Viewport = None, gate: Gate = stream_door(*VIEW)
) -> Response:
    """WADO-RS: a small picture that stands for the study."""
    files = _standing_for(request, gate, study, None)
    return _thumbnail(request, files, viewport)


@router.get(SERIES + "/thumbnail", response_class=Response)
def series_thumbnail(
    request: Request, study: str, series: str, viewport: _Viewport = None, gate: Gate = stream_door(*VIEW)
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


@router.get(INSTANCE + "/frames/{frame}/thumbnail", response_class=Response, include_in_schema=False)
def frame_thumbnail(
    request: Request,
    study: str,
    series: str,
    instance: str,
    frame: str,
    viewport: _Viewport = None,
    gate: Gate = stream_door(*READ),
) -> Response:
    """WADO-RS: a small picture of a frame."""
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    return _thumbnail(request, files, viewport, _numbers_of(frame)[0])


def _thumbnail(
    request: Request, files: InstanceFiles, viewport: str | None, frame: int | None = None
) -> Response:
    """Never larger than the picture itself, and without anything written on it (PS3.18 10.4.1.1.4)."""
    offer = chosen(request, "Thumbnails are", _IMAGES)
    size, _ = viewport_of(viewport)
    content = archive_of(request).retrieval.rendered(
        files.original,
        frame or _middle(files),
        Rendering(media_type=offer.media_type, viewport=size or _THUMBNAIL, quality=85),
    )
    return Response(content, media_type=offer.media_type, headers=NO_STORE)
