"""WADO-RS: metadata, whole objects, frames and bulk data (PS3.18 10.4)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from wetread.archive.service import (
    Archive,
    BulkData,
    InstanceFiles,
    RetrieveObject,
    StoredInstance,
    data_set_in,
)
from wetread.dicom.part10 import build_meta
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.accept import DICOM, DICOM_XML, EXPLICIT_LE, HTJ2K_RPCL, OCTET_STREAM, Offer
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
    ranged_parts,
    span_of,
    streamed_parts,
)
from wetread.dicomweb.guests import check_bulk, note_opened
from wetread.dicomweb.multipart import PART_END, closing, part_header
from wetread.dicomweb.nativexml import to_xml
from wetread.dicomweb.responses import BOUNDARY, Buffer, BuffersResponse, in_large_pieces
from wetread.kit import limits
from wetread.kit.errors import FieldError, NotFound
from wetread.security.door import Gate, stream_door
from wetread.together.service import withholds_patient, without_patient

_BUFFERED_BYTES = 32 * 1024 * 1024  # of frames in one answer; beyond, they are sent as they are read

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])


# Metadata -------------------------------------------------------------------------------------------------------


def _metadata(request: Request, gzipped_arrays: Iterable[bytes]) -> Response:
    """Metadata that are kept as gzipped JSON arrays, one a series, in the form that the client takes."""
    offer = chosen(request, "Metadata are", accepting.METADATA_OFFERS)
    arrays = list(gzipped_arrays)
    if offer.media_type == DICOM_XML:
        documents = (document for array in arrays for document in orjson.loads(gzip.decompress(array)))
        return streamed_parts(DICOM_XML, ((DICOM_XML, [to_xml(document)], None) for document in documents))
    headers = {**NO_STORE, "Vary": "Accept, Accept-Encoding"}
    if len(arrays) == 1 and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            arrays[0], media_type=offer.media_type, headers={**headers, "Content-Encoding": "gzip"}
        )
    inner = (gzip.decompress(array)[1:-1] for array in arrays)
    content = b"[" + b",".join(part for part in inner if part) + b"]"
    return Response(content, media_type=offer.media_type, headers=headers)


@router.get(STUDY + "/metadata", response_class=Response)
def study_metadata(request: Request, study: str, gate: Gate = stream_door(*READ)) -> Response:
    """WADO-RS: metadata of all instances of a study, as DICOM JSON or XML."""
    retrieval = archive_of(request).retrieval
    retrieval.admit(gate.actor, study)
    return _metadata(
        request, (retrieval.build_series_metadata(study, series) for series in retrieval.series_of(study))
    )


@router.get(SERIES + "/metadata", response_class=Response)
def series_metadata(request: Request, study: str, series: str, gate: Gate = stream_door(*VIEW)) -> Response:
    """WADO-RS: metadata of all instances of a series, ready-made."""
    gzipped = archive_of(request).retrieval.series_metadata(gate.actor, study, series)
    if withholds_patient(gate.actor):
        told = without_patient(gate.actor, orjson.loads(gzip.decompress(gzipped)))
        gzipped = gzip.compress(orjson.dumps(told), compresslevel=1)
    return _metadata(request, [gzipped])


@router.get(INSTANCE + "/metadata", response_class=Response)
def instance_metadata(
    request: Request, study: str, series: str, instance: str, gate: Gate = stream_door(*READ)
) -> Response:
    """WADO-RS: metadata of an instance."""
    offer = chosen(request, "Metadata are", accepting.METADATA_OFFERS)
    retrieval = archive_of(request).retrieval
    files = retrieval.files(gate.actor, study, series, instance)
    content = retrieval.instance_metadata(files.original)
    if offer.media_type == DICOM_XML:
        return streamed_parts(
            DICOM_XML, ((DICOM_XML, [to_xml(document)], None) for document in orjson.loads(content))
        )
    return Response(content, media_type=offer.media_type, headers=NO_STORE)


# Whole objects --------------------------------------------------------------------------------------------------


def _found(
    request: Request, gate: Gate, study: str, series: str | None, instance: str | None
) -> list[RetrieveObject]:
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
    return found


def _objects(
    request: Request, gate: Gate, study: str, *, series: str | None = None, instance: str | None = None
) -> Response:
    found = _found(request, gate, study, series, instance)
    offer = chosen(
        request,
        "These objects are",
        accepting.object_offers(
            frozenset(one.transfer_syntax_uid for one in found), objects=len(found), transcodable=True
        ),
    )
    transcoded = offer.source == "transcoded"
    # What cannot be made is told before the body begins.
    first = file_of(found[0], EXPLICIT_LE if transcoded else None)
    if not offer.multipart:
        return StreamingResponse(in_large_pieces(first[1]), media_type=first[0], headers=NO_STORE)

    def parts() -> Iterator[tuple[str, Iterable[Buffer], str | None]]:
        yield *first, None
        for one in found[1:]:
            yield *file_of(one, EXPLICIT_LE if transcoded else None), None

    return streamed_parts(DICOM, parts())


def file_of(one: RetrieveObject, transfer_syntax_uid: str | None) -> tuple[str, Iterable[Buffer]]:
    """(content type, Part 10 file) of an object, as stored, or put into Explicit VR Little Endian.

    Raises CannotDecode, TooLarge where it cannot be put.
    """
    stored = one.transfer_syntax_uid
    if transfer_syntax_uid is None or transfer_syntax_uid == stored:
        return f"{DICOM}; transfer-syntax={stored}", one.retrieval.file(one.stored, one.corrections)
    data_set = data_set_in(one, transfer_syntax_uid)
    meta = build_meta(one.sop_class_uid, one.sop_instance_uid, transfer_syntax_uid)
    return f"{DICOM}; transfer-syntax={transfer_syntax_uid}", (meta, data_set)


@router.get(STUDY, response_class=StreamingResponse)
def retrieve_study(request: Request, study: str, gate: Gate = stream_door(*READ)) -> Response:
    """WADO-RS: all objects of a study."""
    return _objects(request, gate, study)


@router.get(SERIES, response_class=StreamingResponse)
def retrieve_series(request: Request, study: str, series: str, gate: Gate = stream_door(*READ)) -> Response:
    """WADO-RS: all objects of a series."""
    return _objects(request, gate, study, series=series)


@router.get(INSTANCE, response_class=StreamingResponse)
def retrieve_instance(
    request: Request, study: str, series: str, instance: str, gate: Gate = stream_door(*READ)
) -> Response:
    """WADO-RS: one object."""
    return _objects(request, gate, study, series=series, instance=instance)


# Frames ---------------------------------------------------------------------------------------------------------


def _frame_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) > limits.FRAMES_A_REQUEST_MAX or not all(
        part.isascii() and part.isdigit() and len(part) < 9 for part in parts
    ):
        raise BadRequest(
            "Frames are whole numbers from 1, parted by commas.", fields=[FieldError("frames", "not valid")]
        )
    return [int(part) for part in parts]


def _frame_offers(request: Request, files: InstanceFiles, frames: int) -> list[Offer]:
    return accepting.frame_offers(
        archive_of(request).retrieval.frame_syntax(files.original),
        has_rendition=files.rendition is not None,
        frames=frames,
    )


def _read(request: Request, files: InstanceFiles, offer: Offer, number: int) -> bytes | memoryview:
    retrieval = archive_of(request).retrieval
    if offer.source == "decoded":
        return retrieval.decoded_frame(files.original, number, planes=True)
    return retrieval.frame(_source(files, offer), number)


def _source(files: InstanceFiles, offer: Offer) -> StoredInstance:
    """The object whose bytes an offer is of."""
    if offer.source == "rendition":
        assert files.rendition is not None
        return files.rendition
    return files.original


def _etag(files: InstanceFiles, offer: Offer, number: int) -> str | None:
    """Says which bytes a frame is sent as. A rendition can be made anew, and may be others then."""
    if offer.source == "decoded":
        return None
    stored = _source(files, offer)
    return f'"{stored.stored_object_pk}-{number}-{stored.dataset_sha256[:8].hex()}"'


def _frames(request: Request, files: InstanceFiles, numbers: list[int]) -> Response:
    offer = chosen(request, "Frames are", _frame_offers(request, files, len(numbers)))

    def read(number: int) -> Buffer:
        return _read(request, files, offer, number)

    first = read(numbers[0])
    if len(numbers) == 1:
        return ranged_parts(request, offer, [first], _etag(files, offer, numbers[0]))
    if len(first) * len(numbers) <= _BUFFERED_BYTES:
        return ranged_parts(request, offer, [first, *map(read, numbers[1:])])
    if not all(1 <= number <= files.original.number_of_frames for number in numbers):
        raise NotFound("There is no such frame.")
    # Too much to be held at once: sent while it is read, without ranges.
    contents = (first if place == 0 else read(number) for place, number in enumerate(numbers))
    return streamed_parts(offer.media_type, ((offer.content_type, [one], None) for one in contents))


@router.get(INSTANCE + "/frames/{frames}", response_class=Response)
def retrieve_frames(
    request: Request, study: str, series: str, instance: str, frames: str, gate: Gate = stream_door(*VIEW)
) -> Response:
    """WADO-RS: frames, each by one range read."""
    files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
    return _frames(request, files, _frame_numbers(frames))


# Coarse pictures ------------------------------------------------------------------------------------------------


def _named_frames(named: list[str]) -> list[tuple[str, int]]:
    found = [re.fullmatch(r"([0-9.]{1,64})/([0-9]{1,8})", one) for one in named]
    if not 1 <= len(found) <= limits.COARSE_FRAMES_A_REQUEST_MAX or not all(found):
        raise BadRequest(
            f"Name 1 to {limits.COARSE_FRAMES_A_REQUEST_MAX} frames as SOP Instance UID and number: `1.2.3/1`.",
            fields=[FieldError("frame", "not valid")],
        )
    return [(one[1], int(one[2])) for one in found if one]


_COARSE = Offer("image/jphc", True, HTJ2K_RPCL, source="rendition")


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first bytes of a frame's codestream, which are a coarse picture; and of how many bytes, by which ETag."""

    content: memoryview
    total: int
    etag: str | None
    content_type: str = _COARSE.content_type


def beginning_of(archive: Archive, files: InstanceFiles, number: int, halvings: int) -> Beginning | None:
    """What of a frame shows it coarse; None: there is no such beginning. Raises NotFound."""
    source = _COARSE if files.rendition else replace(_COARSE, source="original")
    stored = _source(files, source)
    if stored.transfer_syntax_uid != HTJ2K_RPCL:
        return None
    found = archive.retrieval.beginning(stored, number, halvings)
    return None if found is None else Beginning(*found, _etag(files, source, number))


@router.get(SERIES + "/coarse", response_class=Response)
def retrieve_coarse(
    request: Request,
    study: str,
    series: str,
    frame: Annotated[list[str], Query()],
    halvings: Annotated[int, Query(ge=1, le=32)] = 2,
    gate: Gate = stream_door(*VIEW),
) -> Response:
    """The beginning of several frames' HTJ2K codestreams: pictures of half the rows and columns, `halvings` times over.

    No part of the standard. Each part says by Content-Location of which frame it is, by Content-Range how much of it, and
    by ETag what a client must name (If-Range) that asks for the rest. Frames of which there is no such beginning are left
    out.
    """
    buffers: list[Buffer] = []
    offer = chosen(request, "Coarse pictures are", [_COARSE])
    for instance, number in _named_frames(frame):
        files = archive_of(request).retrieval.files(gate.actor, study, series, instance)
        found = beginning_of(archive_of(request), files, number, halvings)
        if found is None:
            continue
        buffers += (
            part_header(
                BOUNDARY,
                offer.content_type,
                location=f"{PREFIX}/studies/{study}/series/{series}/instances/{instance}/frames/{number}",
                content_range=f"bytes 0-{len(found.content) - 1}/{found.total}",
                etag=found.etag,
            ),
            found.content,
            PART_END,
        )
    buffers.append(closing(BOUNDARY))
    kind = f'multipart/related; type="{offer.media_type}"; boundary={BOUNDARY}'
    return BuffersResponse(buffers, headers={**NO_STORE, "Content-Type": kind})


# Bulk data ------------------------------------------------------------------------------------------------------


@router.get(INSTANCE + "/bulkdata/{reference}", response_class=Response)
def retrieve_bulk_data(
    request: Request, study: str, series: str, instance: str, reference: str, gate: Gate = stream_door(*VIEW)
) -> Response:
    """WADO-RS: a long value that the metadata name by BulkDataURI."""
    retrieval = archive_of(request).retrieval
    files = retrieval.files(gate.actor, study, series, instance)
    if reference != "pixeldata":
        check_bulk(archive_of(request), gate.actor, files, reference)
    note_opened(archive_of(request), gate.actor, files)
    if reference == "pixeldata":
        return _pixel_data(request, files)
    data = retrieval.bulk_data(files.original, reference)
    offers = [Offer(OCTET_STREAM, True), Offer(OCTET_STREAM)]
    if data.media_type:
        offers += [Offer(data.media_type, True), Offer(data.media_type)]
    return _bulk(request, chosen(request, "Bulk data are", offers), data)


def _pixel_data(request: Request, files: InstanceFiles) -> Response:
    retrieval = archive_of(request).retrieval
    video = retrieval.video(files.original)
    if video is not None:
        assert video.media_type is not None
        offer = Offer(
            video.media_type,
            True,
            files.original.transfer_syntax_uid,
            asked_as=OCTET_STREAM,
            source="original",
        )
        single = Offer(video.media_type, False, offer.transfer_syntax, asked_as=OCTET_STREAM)
        return _bulk(request, chosen(request, "The video is", [offer, single]), video)
    count = files.original.number_of_frames
    if count > limits.FRAMES_A_REQUEST_MAX:
        raise BadRequest("This object has too many frames to be sent at once: ask for frames.")
    if count == 0:
        raise NotFound("This object has no pixel data.")
    if count == 1 and "range" in request.headers:
        offer = chosen(request, "Pixel data are", _frame_offers(request, files, 1))
        if offer.source != "rendition":
            frame = _read(request, files, offer, 1)
            return _bulk(
                request, offer, BulkData(len(frame), None, lambda start, end: iter([frame[start:end]]))
            )
    return _frames(request, files, list(range(1, count + 1)))


def _bulk(request: Request, offer: Offer, data: BulkData) -> Response:
    """A value of any length: what is asked of it is read, and no more."""
    span = span_of(request, data.length)
    if offer.multipart and span is not None:
        # Clients mean the bytes of the value, not of the body around it; each part says which it has.
        content_range = f"bytes {span[0]}-{span[1] - 1}/{data.length}"
        return StreamingResponse(
            in_large_pieces(
                chain(
                    (part_header(BOUNDARY, offer.content_type, content_range=content_range),),
                    data.read(*span),
                    (PART_END, closing(BOUNDARY)),
                )
            ),
            status_code=206,
            media_type=f'multipart/related; type="{offer.media_type}"; boundary={BOUNDARY}',
            headers=NO_STORE,
        )
    if offer.multipart and data.length <= _BUFFERED_BYTES:
        return ranged_parts(request, offer, [b"".join(data.read(0, data.length))])
    if offer.multipart:
        return streamed_parts(offer.media_type, [(offer.content_type, data.read(0, data.length), None)])
    headers = {**NO_STORE, "Accept-Ranges": "bytes", "Content-Type": offer.content_type}
    start, end = span or (0, data.length)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{data.length}"
    return StreamingResponse(
        in_large_pieces(data.read(start, end)),
        status_code=200 if span is None else 206,
        headers={**headers, "Content-Length": str(end - start)},
    )


def _all_bulk(found: list[RetrieveObject]) -> Iterator[tuple[str, Iterable[Buffer], str | None]]:
    for one in found:
        for location, data in one.retrieval.all_bulk_data(one.stored):
            yield data.media_type or OCTET_STREAM, data.read(0, data.length), location


def _bulk_data_of(
    request: Request, gate: Gate, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    found = _found(request, gate, study, series, instance)
    chosen(request, "Bulk data are", [Offer(OCTET_STREAM, True)])
    return streamed_parts(OCTET_STREAM, _all_bulk(found))


@router.get(STUDY + "/bulkdata", response_class=StreamingResponse, include_in_schema=False)
def bulk_data_of_study(request: Request, study: str, gate: Gate = stream_door(*READ)) -> Response:
    """WADO-RS: every long value of a study, each by its BulkDataURI."""
    return _bulk_data_of(request, gate, study)


@router.get(SERIES + "/bulkdata", response_class=StreamingResponse, include_in_schema=False)
def bulk_data_of_series(
    request: Request, study: str, series: str, gate: Gate = stream_door(*READ)
) -> Response:
    """WADO-RS: every long value of a series."""
    return _bulk_data_of(request, gate, study, series)


@router.get(INSTANCE + "/bulkdata", response_class=StreamingResponse, include_in_schema=False)
def bulk_data_of_instance(
    request: Request, study: str, series: str, instance: str, gate: Gate = stream_door(*READ)
) -> Response:
    """WADO-RS: every long value of an instance."""
    return _bulk_data_of(request, gate, study, series, instance)


@router.get(INSTANCE + "/pixeldata", response_class=Response, include_in_schema=False)
def pixel_data_of_instance(
    request: Request, study: str, series: str, instance: str, gate: Gate = stream_door(*READ)
) -> Response:
    """WADO-RS: all frames of an instance, or its video (PS3.18 10.4.1.1.7)."""
    return _pixel_data(request, archive_of(request).retrieval.files(gate.actor, study, series, instance))
