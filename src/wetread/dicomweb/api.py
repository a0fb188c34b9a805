"""QIDO-RS, WADO-RS and STOW-RS under `/dicom-web` (PS3.18 10.4 to 10.6)."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from starlette.concurrency import run_in_threadpool

from wetread.archive.service import (
    Archive,
    Incoming,
    InstanceFiles,
    Level,
    RetrieveObject,
    StoredInstance,
    StoreResult,
    find,
    the_archive,
)
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.multipart import (
    PART_END,
    Malformed,
    MultipartParser,
    PartBegun,
    PartData,
    closing,
    part_header,
)
from wetread.dicomweb.responses import (
    BOUNDARY,
    Buffer,
    BuffersResponse,
    cut,
    in_large_pieces,
    multipart_parts,
    parse_ranges,
)
from wetread.kit import limits
from wetread.kit.errors import FieldError, Invalid, NotFound, WetreadError
from wetread.security.door import Gate, door, stream_door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/dicom-web", tags=["dicomweb"])

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_NO_STORE = {"Cache-Control": "no-store"}
_READ = (Permission.STUDY_READ, Permission.RESULT_READ)
_MULTIPART_BYTES = 'multipart/related; type="application/octet-stream"'


class NotAcceptable(WetreadError):
    """Nothing that the client takes can be made of this."""

    status = 406
    code = "not-acceptable"
    title = "Not available in this form"


class UnsupportedMediaType(WetreadError):
    """The body is of a kind that is not taken."""

    status = 415
    code = "unsupported-media-type"
    title = "This kind of content is not taken"


class RangeNotSatisfiable(WetreadError):
    """The range lies outside of the content."""

    status = 416
    code = "range"
    title = "The range lies outside of the content"


def archive_of(request: Request) -> Archive:
    """The archive of this process."""
    return getattr(request.app.state, "archive", None) or the_archive()


def _ranges(request: Request) -> list[accepting.MediaRange]:
    headers = request.headers.getlist("accept")
    named = request.query_params.getlist("accept")
    return accepting.parse_accept(named or headers)


def _json_type(request: Request) -> str:
    media_type = accepting.accepts_json(_ranges(request))
    if media_type is None:
        raise NotAcceptable("This is available as application/dicom+json.")
    return media_type


# QIDO-RS --------------------------------------------------------------------------------------------------------

_RESERVED = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"})
_COMMA_LISTS = frozenset({"ModalitiesInStudy", "Modality"})


def query_keys(parameters: list[tuple[str, str]]) -> dict[str, str]:
    """Matching keys from query parameters: keywords or tags, of sequences the last attribute (PS3.18 8.3.4.1).

    Raises Invalid for a name that no dictionary knows.
    """
    keys: dict[str, str] = {}
    for name, value in parameters:
        if name.lower() in _RESERVED:
            continue
        keyword = _keyword(name)
        is_list = dictionary_VR(tag_for_keyword(keyword) or 0) == "UI" or keyword in _COMMA_LISTS
        text = value.replace(",", "\\") if is_list else value
        keys[keyword] = f"{keys[keyword]}\\{text}" if keys.get(keyword) else text
    return keys


def _keyword(name: str) -> str:
    last = name.rsplit(".", 1)[-1]
    keyword = last
    if len(last) == 8:
        try:
            keyword = keyword_for_tag(int(last, 16)) or last
        except ValueError:
            keyword = last
    if tag_for_keyword(keyword) is None:
        raise Invalid("A query parameter is no DICOM attribute.", fields=[FieldError(name[:64], "not known")])
    return keyword


def _query(request: Request, work: Work, level: Level, **fixed: str) -> Response:
    media_type = _json_type(request)
    parameters = request.query_params.multi_items()
    keys = query_keys(parameters) | fixed
    most = limits.PAGE_ITEMS_MAX if level is Level.STUDY else limits.QIDO_OBJECTS_MAX
    limit = _whole(request, "limit", most)
    offset = _whole(request, "offset", 0)
    fields = [field for name, value in parameters if name == "includefield" for field in value.split(",")]
    found = find(
        work,
        level,
        keys,
        include=None if "all" in fields else fields,
        limit=min(limit, most) + 1,
        offset=offset,
        fuzzy_names=request.query_params.get("fuzzymatching", "").lower() == "true",
    )
    items = found.items[: min(limit, most)]
    base = str(request.base_url).rstrip("/") + router.prefix
    for item in items:
        item["00081190"] = {"vr": "UR", "Value": [_retrieve_url(base, item, level)]}
    headers = dict(_NO_STORE)
    warnings: list[str] = []
    if len(found.items) > len(items) and limit >= most:
        warnings.append('299 wetread "There are additional results that can be requested"')
    if found.unmatched:
        warnings.append(f'299 wetread "Not matched on: {", ".join(found.unmatched)}"')
    if warnings:
        headers["Warning"] = ", ".join(warnings)
    return Response(orjson.dumps(items), media_type=media_type, headers=headers)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdigit() or len(text) > 9:
        raise Invalid(f"{name} is a whole number.", fields=[FieldError(name, "is a whole number from 0")])
    return int(text)


def _retrieve_url(base: str, item: dict[str, Any], level: Level) -> str:
    url = f"{base}/studies/{item['0020000D']['Value'][0]}"
    if level is not Level.STUDY:
        url += f"/series/{item['0020000E']['Value'][0]}"
    if level is Level.IMAGE:
        url += f"/instances/{item['00080018']['Value'][0]}"
    return url


@router.get("/studies")
def search_studies(request: Request, work: Work = door(*_READ)) -> Response:
    """QIDO-RS: studies, newest first."""
    return _query(request, work, Level.STUDY)


@router.get("/series")
def search_series(request: Request, work: Work = door(*_READ)) -> Response:
    """QIDO-RS: series of all studies."""
    return _query(request, work, Level.SERIES)


@router.get("/instances")
def search_instances(request: Request, work: Work = door(*_READ)) -> Response:
    """QIDO-RS: instances of all studies."""
    return _query(request, work, Level.IMAGE)


@router.get(_STUDY + "/series")
def search_series_of_study(request: Request, study: str, work: Work = door(*_READ)) -> Response:
    """QIDO-RS: series of a study."""
    return _query(request, work, Level.SERIES, StudyInstanceUID=study)


@router.get(_STUDY + "/instances")
def search_instances_of_study(request: Request, study: str, work: Work = door(*_READ)) -> Response:
    """QIDO-RS: instances of a study."""
    return _query(request, work, Level.IMAGE, StudyInstanceUID=study)


@router.get(_SERIES + "/instances")
def search_instances_of_series(
    request: Request, study: str, series: str, work: Work = door(*_READ)
) -> Response:
    """QIDO-RS: instances of a series."""
    return _query(request, work, Level.IMAGE, StudyInstanceUID=study, SeriesInstanceUID=series)


# WADO-RS: metadata ----------------------------------------------------------------------------------------------


def _zipped_json(request: Request, zipped: bytes) -> Response:
    media_type = _json_type(request)
    headers = {**_NO_STORE, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(zipped, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(gzip.decompress(zipped), media_type=media_type, headers=headers)


@router.get(_STUDY + "/metadata")
def study_metadata(request: Request, study: str, gate: Gate = stream_door(*_READ)) -> Response:
    """WADO-RS: metadata of all instances of a study, as DICOM JSON."""
    media_type = _json_type(request)
    retrieval = archive_of(request).retrieval
    retrieval.admit(gate.actor, study)
    parts = [
        gzip.decompress(retrieval.build_series_metadata(study, series))[1:-1]
        for series in retrieval.series_of(study)
    ]
    return Response(b"[" + b",".join(filter(None, parts)) + b"]", media_type=media_type, headers=_NO_STORE)


@router.get(_SERIES + "/metadata")
def series_metadata(request: Request, study: str, series: str, gate: Gate = stream_door(*_READ)) -> Response:
    """WADO-RS: metadata of all instances of a series, ready-made."""
    return _zipped_json(request, archive_of(request).retrieval.series_metadata(gate.actor, study, series))


@router.get(_INSTANCE + "/metadata")
def instance_metadata(
    request: Request, study: str, series: str, instance: str, gate: Gate = stream_door(*_READ)
) -> Response:
    """WADO-RS: metadata of an instance."""
    media_type = _json_type(request)
    retrieval = archive_of(request).retrieval
    files = retrieval.files(gate.actor, study, series, instance)
    return Response(retrieval.instance_metadata(files.original), media_type=media_type, headers=_NO_STORE)


# WADO-RS: whole objects -----------------------------------------------------------------------------------------


def _objects(
    request: Request, gate: Gate, study: str, *, series: str | None = None, instance: str | None = None
) -> Response:
    archive = archive_of(request)
    archive.retrieval.admit(gate.actor, study)
    with archive.offices.database.transaction() as session:
        found = archive.retrieval.objects(
            session,
            study_instance_uids=[study],
            series_instance_uids=[series] if series else [],
            sop_instance_uids=[instance] if instance else [],
        )
    if not found:
        raise NotFound("There is no such object.")
    ranges = _ranges(request)
    syntaxes = frozenset(one.transfer_syntax_uid for one in found)
    if not accepting.accepts_dicom(ranges, syntaxes):
        raise NotAcceptable('This is available as application/dicom as it is stored: transfer-syntax="*".')
    single = len(found) == 1 and ranges[0].media_type == accepting.DICOM and not ranges[0].multipart
    if single:
        return StreamingResponse(
            in_large_pieces(found[0].retrieval.file(found[0].stored, found[0].corrections)),
            media_type=accepting.DICOM,
            headers=_NO_STORE,
        )
    return StreamingResponse(
        in_large_pieces(_multipart_objects(found)),
        media_type=f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
        headers=_NO_STORE,
    )


def _multipart_objects(found: list[RetrieveObject]) -> Iterator[Buffer]:
    for one in found:
        yield part_header(BOUNDARY, f"application/dicom; transfer-syntax={one.transfer_syntax_uid}")
        yield from one.retrieval.file(one.stored, one.corrections)
        yield PART_END
    yield closing(BOUNDARY)


@router.get(_STUDY, response_class=StreamingResponse)
def retrieve_study(request: Request, study: str, gate: Gate = stream_door(*_READ)) -> Response:
    """WADO-RS: all objects of a study."""
    return _objects(request, gate, study)


@router.get(_SERIES, response_class=StreamingResponse)
def retrieve_series(request: Request, study: str, series: str, gate: Gate = stream_door(*_READ)) -> Response:
    """WADO-RS: all objects of a series."""
    return _objects(request, gate, study, series=series)


@router.get(_INSTANCE, response_class=StreamingResponse)
def retrieve_instance(
    request: Request, study: str, series: str, instance: str, gate: Gate = stream_door(*_READ)
) -> Response:
    """WADO-RS: one object."""
    return _objects(request, gate, study, series=series, instance=instance)


# WADO-RS: frames and bulk data ----------------------------------------------------------------------------------


def _ranged(request: Request, buffers: list[Buffer], content_type: str) -> Response:
    headers = {**_NO_STORE, "Content-Type": content_type, "Accept-Ranges": "bytes"}
    wanted = request.headers.get("range")
    if wanted:
        size = sum(map(len, buffers))
        try:
            span = parse_ranges(wanted, size)
        except ValueError:
            raise RangeNotSatisfiable("The range lies outside of the content.") from None
        if span is not None:
            headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
            return BuffersResponse(cut(buffers, *span), status_code=206, headers=headers)
    return BuffersResponse(buffers, headers=headers)


def _frame_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) > limits.FRAMES_A_REQUEST_MAX or not all(
        part.isdigit() and len(part) < 9 for part in parts
    ):
        raise Invalid(
            "Frames are whole numbers from 1, parted by commas.", fields=[FieldError("frames", "not valid")]
        )
    return [int(part) for part in parts]


def _frames(request: Request, files: InstanceFiles, numbers: list[int]) -> Response:
    retrieval = archive_of(request).retrieval
    choice = accepting.choose_frame(
        _ranges(request),
        files.original.transfer_syntax_uid,
        has_rendition=files.rendition is not None,
        frames=len(numbers),
    )
    if choice is None:
        raise NotAcceptable(
            "Frames are available as they are stored, as image/jphc where a rendition exists, or as "
            "application/octet-stream."
        )
    stored: StoredInstance = files.original
    if choice.source == "rendition":
        assert files.rendition is not None
        stored = files.rendition
    read = retrieval.decoded_frame if choice.source == "decoded" else retrieval.frame
    contents: list[Buffer] = [read(stored, number) for number in numbers]
    if not choice.multipart:
        return _ranged(request, contents, choice.content_type)
    media_type = choice.content_type.split(";")[0]
    return _ranged(
        request,
        multipart_parts([(choice.content_type, content) for content in contents]),
        f'multipart/related; type="{media_type}"; boundary={BOUNDARY}',
    )


@router.get(_INSTANCE + "/frames/{frames}", response_class=Response)
def retrieve_frames(
    request: Request, study: str, series: str, instance: str, frames: str, gate: Gate = stream_door(*_READ)
) -> Response:
    """WADO-RS: frames, each by one range read."""
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    return _frames(request, files, _frame_numbers(frames))


@router.get(_INSTANCE + "/bulkdata/{reference}", response_class=Response)
def retrieve_bulk_data(
    request: Request, study: str, series: str, instance: str, reference: str, gate: Gate = stream_door(*_READ)
) -> Response:
    """WADO-RS: a long value that the metadata name by BulkDataURI."""
    retrieval = archive_of(request).retrieval
    files = retrieval.files(gate.actor, study, series, instance)
    if reference == "pixeldata":
        count = files.original.number_of_frames
        if count > limits.FRAMES_A_REQUEST_MAX:
            raise Invalid("This object has too many frames to be sent at once: ask for frames.")
        return _frames(request, files, list(range(1, count + 1)))
    offset, dash, length = reference.partition("-")
    if not dash or not (offset + length).isdigit():
        raise NotFound("There is no such bulk data.")
    content = retrieval.bytes_of(files.original, int(offset), int(length))
    for one in _ranges(request):
        if one.covers(accepting.OCTET_STREAM):
            if one.multipart or one.media_type == "*/*":
                return _ranged(
                    request,
                    multipart_parts([(accepting.OCTET_STREAM, content)]),
                    f"{_MULTIPART_BYTES}; boundary={BOUNDARY}",
                )
            return _ranged(request, [content], accepting.OCTET_STREAM)
    raise NotAcceptable("Bulk data are available as application/octet-stream.")


# WADO-RS: rendered ----------------------------------------------------------------------------------------------

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
        raise Invalid(
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
    media_type = accepting.choose_rendered(_ranges(request))
    if media_type is None:
        raise NotAcceptable("Rendered images are available as image/jpeg and image/png.")
    centre_width = _numbers(window, "window", 2)
    size = _numbers(viewport, "viewport", 2)
    if size is not None and not (
        size[0] >= 1 and size[1] >= 1 and size[0] * size[1] <= limits.RENDERED_PIXELS_MAX
    ):
        raise Invalid(
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
    return Response(content, media_type=media_type, headers=_NO_STORE)


def _standing_for(request: Request, gate: Gate, study: str, series: str | None) -> InstanceFiles:
    """The instance whose picture stands for a series or study: the middle one of the first series with pictures."""
    retrieval = archive_of(request).retrieval
    retrieval.admit(gate.actor, study)
    for one in [series] if series else retrieval.series_of(study):
        files = retrieval.middle(gate.actor, study, one)
        if files is not None:
            return files
    raise NotFound("There is no picture in it.")


@router.get(_INSTANCE + "/rendered", response_class=Response)
def rendered_instance(
    request: Request,
    study: str,
    series: str,
    instance: str,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*_READ),
) -> Response:
    """WADO-RS: an instance as JPEG or PNG; of several frames the middle one."""
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    frame = max((files.original.number_of_frames + 1) // 2, 1)
    return _rendered(request, files, frame, window=window, viewport=viewport, quality=quality)


@router.get(_INSTANCE + "/frames/{frame}/rendered", response_class=Response)
def rendered_frame(
    request: Request,
    study: str,
    series: str,
    instance: str,
    frame: int,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*_READ),
) -> Response:
    """WADO-RS: a frame as JPEG or PNG."""
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    return _rendered(request, files, frame, window=window, viewport=viewport, quality=quality)


@router.get(_STUDY + "/thumbnail", response_class=Response)
def study_thumbnail(
    request: Request, study: str, viewport: _Viewport = None, gate: Gate = stream_door(*_READ)
) -> Response:
    """WADO-RS: a small picture that stands for the study."""
    files = _standing_for(request, gate, study, None)
    return _thumbnail(request, files, viewport)


@router.get(_SERIES + "/thumbnail", response_class=Response)
def series_thumbnail(
    request: Request, study: str, series: str, viewport: _Viewport = None, gate: Gate = stream_door(*_READ)
) -> Response:
    """WADO-RS: a small picture that stands for the series."""
    return _thumbnail(request, _standing_for(request, gate, study, series), viewport)


@router.get(_INSTANCE + "/thumbnail", response_class=Response)
def instance_thumbnail(
    request: Request,
    study: str,
    series: str,
    instance: str,
    viewport: _Viewport = None,
    gate: Gate = stream_door(*_READ),
) -> Response:
    """WADO-RS: a small picture of the instance."""
    return _thumbnail(
        request, archive_of(request).retrieval.files(gate.actor, study, series, instance), viewport
    )


def _thumbnail(request: Request, files: InstanceFiles, viewport: str | None) -> Response:
    frame = max((files.original.number_of_frames + 1) // 2, 1)
    return _rendered(request, files, frame, window=None, viewport=viewport, quality=85, default=(160, 160))


@router.get(_SERIES + "/rendered", response_class=Response)
def rendered_series(
    request: Request,
    study: str,
    series: str,
    window: _Window = None,
    viewport: _Viewport = None,
    quality: _Quality = 90,
    gate: Gate = stream_door(*_READ),
) -> Response:
    """WADO-RS: the picture that stands for a series."""
    files = _standing_for(request, gate, study, series)
    frame = max((files.original.number_of_frames + 1) // 2, 1)
    return _rendered(request, files, frame, window=window, viewport=viewport, quality=quality)


# STOW-RS --------------------------------------------------------------------------------------------------------


class _Upload:
    """The objects of one STOW-RS request, taken in as they stream."""

    def __init__(self, archive: Archive, gate: Gate, study: str | None, boundary: str | None) -> None:
        self._transfer = archive.intake.transfer(
            gate.actor, received_from=gate.actor.username, network_address=gate.actor.network_address
        )
        self._parser = None if boundary is None else MultipartParser(boundary)
        self._study = study
        self._incoming: Incoming | None = None
        self._ignored = False
        self.results: list[StoreResult] = []
        if boundary is None:
            self._incoming = self._transfer.file()

    def feed(self, data: bytes) -> None:
        """Takes bytes of the body. Raises Malformed."""
        if self._parser is None:
            assert self._incoming is not None
            self._incoming.write(data)
            return
        for happening in self._parser.feed(data):
            if isinstance(happening, PartBegun):
                kind = happening.headers.get("content-type", accepting.DICOM).split(";")[0].strip().lower()
                if kind != accepting.DICOM:
                    raise UnsupportedMediaType("Parts have to be application/dicom.")
                if len(self.results) >= limits.STOW_OBJECTS_MAX:
                    raise Malformed(f"there are more than {limits.STOW_OBJECTS_MAX} parts")
                self._incoming = self._transfer.file()
            elif isinstance(happening, PartData):
                assert self._incoming is not None
                self._incoming.write(happening.data)
            else:
                self._end_object()

    def finish(self) -> None:
        """The body is complete. Raises Malformed."""
        if self._parser is None:
            self._end_object()
        else:
            self._parser.finish()

    def close(self) -> None:
        """Forgets an unfinished object and records the transfer."""
        if self._incoming is not None:
            self._incoming.abort()
        self._transfer.close()

    def _end_object(self) -> None:
        incoming, self._incoming = self._incoming, None
        assert incoming is not None
        self.results.append(incoming.commit(only_study=self._study))


@router.post("/studies")
async def store_objects(request: Request, gate: Gate = stream_door(Permission.STUDY_STORE)) -> Response:
    """STOW-RS: Part 10 objects, multipart or a single one."""
    return await _store(request, gate, None)


@router.post(_STUDY)
async def store_objects_of_study(
    request: Request, study: str, gate: Gate = stream_door(Permission.STUDY_STORE)
) -> Response:
    """STOW-RS: Part 10 objects of one study; others are refused."""
    return await _store(request, gate, study)


async def _store(request: Request, gate: Gate, study: str | None) -> Response:
    kind = accepting.parse_accept([request.headers.get("content-type", "")])[0]
    if kind.media_type not in (accepting.DICOM, "*/*") or (not kind.multipart and kind.media_type == "*/*"):
        raise UnsupportedMediaType('The body has to be multipart/related; type="application/dicom".')
    boundary = kind.parameters.get("boundary", "") if kind.multipart else None
    try:
        upload = await run_in_threadpool(_Upload, archive_of(request), gate, study, boundary)
    except Malformed as error:
        raise Invalid(f"The body is not multipart: {error}.") from None
    try:
        waiting = bytearray()
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= 1 << 20:  # fewer switches of threads
                await run_in_threadpool(upload.feed, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(upload.feed, bytes(waiting))
        await run_in_threadpool(upload.finish)
    except Malformed as error:
        # What was kept before stays and is told of; the rest is for the sender to send again.
        if not upload.results:
            raise Invalid(f"The body is not multipart: {error}.") from None
        return _stored(request, upload.results, study, incomplete=True)
    finally:
        await run_in_threadpool(upload.close)
    return _stored(request, upload.results, study, incomplete=False)


def _stored(request: Request, results: list[StoreResult], study: str | None, *, incomplete: bool) -> Response:
    """The Store Instances Response (PS3.18 10.5.3, Annex I)."""
    base = str(request.base_url).rstrip("/") + router.prefix
    kept: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    warned = False
    for result in results:
        item: dict[str, Any] = {
            "00081150": {"vr": "UI", "Value": [result.sop_class_uid]}
            if result.sop_class_uid
            else {"vr": "UI"},
            "00081155": {"vr": "UI", "Value": [result.sop_instance_uid]}
            if result.sop_instance_uid
            else {"vr": "UI"},
        }
        if result.status.kept:
            item["00081190"] = {
                "vr": "UR",
                "Value": [
                    f"{base}/studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
                    f"/instances/{result.sop_instance_uid}"
                ],
            }
            if result.status:
                warned = True
                item["00081196"] = {"vr": "US", "Value": [int(result.status)]}
            kept.append(item)
        else:
            item["00081197"] = {"vr": "US", "Value": [int(result.status)]}
            failed.append(item)
    answer: dict[str, Any] = {}
    if kept:
        uid = study or results[0].study_instance_uid
        answer["00081190"] = {"vr": "UR", "Value": [f"{base}/studies/{uid}"]}
        answer["00081199"] = {"vr": "SQ", "Value": kept}
    if failed:
        answer["00081198"] = {"vr": "SQ", "Value": failed}
    if not results or not kept:
        status = 409 if results else 400
    else:
        status = 202 if failed or warned or incomplete else 200
    return Response(
        orjson.dumps(answer), status_code=status, media_type=accepting.DICOM_JSON, headers=_NO_STORE
    )
