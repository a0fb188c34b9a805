"""WADO-URI: one object by its UIDs as query parameters (PS3.18 9), for what is older than the studies service."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from wetread.archive.service import Archive, InstanceFiles
from wetread.dicomweb import accept as accepting
from wetread.dicomweb import structured
from wetread.dicomweb.accept import DICOM, EXPLICIT_LE, RENDERED_MEDIA_TYPES, MediaRange, Offer
from wetread.dicomweb.common import (
    NO_STORE,
    PREFIX,
    READ,
    BadRequest,
    DicomWebRoute,
    NotAcceptable,
    archive_of,
)
from wetread.dicomweb.rendered import draw
from wetread.dicomweb.responses import in_large_pieces
from wetread.dicomweb.retrieve import file_of
from wetread.kit.errors import FieldError, NotFound
from wetread.security.door import Gate, stream_door

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

PARAMETERS = frozenset(
    {
        "requestType", "studyUID", "seriesUID", "objectUID", "contentType", "charset", "accept", "anonymize", "annotation",
        "rows", "columns", "region", "windowCenter", "windowWidth", "frameNumber", "imageQuality", "presentationUID",
        "presentationSeriesUID", "transferSyntax", "iccprofile",
    }
)  # fmt: skip
_ONLY_RENDERED = (
    "annotation",
    "rows",
    "columns",
    "region",
    "windowCenter",
    "windowWidth",
    "imageQuality",
    "iccprofile",
)


@router.get("/wado", response_class=Response, include_in_schema=False)
def retrieve_by_parameters(request: Request, gate: Gate = stream_door(*READ)) -> Response:
    """WADO-URI: an object as DICOM, as an image, or as a text."""
    query = dict(request.query_params)
    _checked(query)
    archive = archive_of(request)
    files = archive.retrieval.files(gate.actor, query["studyUID"], query["seriesUID"], query["objectUID"])
    offers = _offers(archive, files)
    offer = accepting.choose(_wanted(request), offers)
    if offer is None:
        raise NotAcceptable("This object is", offers)
    if offer.media_type == DICOM:
        return _object(archive, files, query)
    if offer.media_type.startswith("text/") or offer.source == "document":
        return _text(archive, files, offer)
    if query.get("transferSyntax"):
        raise BadRequest(
            "An image has no transfer syntax.",
            fields=[FieldError("transferSyntax", "goes with contentType=application/dicom alone")],
        )
    content = draw(archive, files, _frame_number(query, files), _drawing(query, files), offer.media_type)
    return Response(content, media_type=offer.media_type, headers=NO_STORE)


def _checked(query: Mapping[str, str]) -> None:
    """Raises BadRequest for what PS3.18 9.1.2 does not let pass."""
    faults = [
        FieldError(name, "is needed")
        for name in ("requestType", "studyUID", "seriesUID", "objectUID")
        if not query.get(name)
    ]
    if query.get("requestType") not in (None, "", "WADO"):
        faults.append(FieldError("requestType", "is WADO"))
    for name in ("presentationUID", "presentationSeriesUID"):
        if query.get(name):
            faults.append(FieldError(name, "presentation states are not applied here"))
    if query.get("anonymize"):
        faults.append(FieldError("anonymize", "objects are not de-identified here"))
    if faults:
        raise BadRequest("The request is not understood.", fields=faults)


def _wanted(request: Request) -> list[MediaRange]:
    """contentType before accept (PS3.18 9.1.2.2.1); without either, JPEG where the object has a picture."""
    named = request.query_params.getlist("contentType")
    if named:
        return accepting.parse_query_accept(named)
    named = request.query_params.getlist("accept")
    return (
        accepting.parse_query_accept(named)
        if named
        else accepting.parse_accept(request.headers.getlist("accept"))
    )


def _offers(archive: Archive, files: InstanceFiles) -> list[Offer]:
    """The forms of the object, its default first (PS3.18 Table 9.1.2-1)."""
    retrieval, original = archive.retrieval, files.original
    whole = Offer(DICOM)
    if retrieval.video(original) is not None:
        return [whole]
    if original.number_of_frames:
        images = list(map(Offer, RENDERED_MEDIA_TYPES))
        return [*images, whole] if original.number_of_frames == 1 else [whole, *images]
    document = retrieval.encapsulated_document(original)
    if document is not None and document.media_type:
        return [whole, Offer(document.media_type, source="document")]
    (model,) = orjson.loads(retrieval.instance_metadata(original))
    if structured.is_report(model):
        return [Offer("text/html"), Offer("text/plain"), whole]
    return [whole]


def _object(archive: Archive, files: InstanceFiles, query: Mapping[str, str]) -> Response:
    wrong = [name for name in _ONLY_RENDERED if query.get(name)]
    if wrong:
        raise BadRequest(
            "These parameters go with images.",
            fields=[FieldError(name, "is of rendered images") for name in wrong],
        )
    if query.get("frameNumber"):
        raise BadRequest(
            "A DICOM object has all of its frames.",
            fields=[FieldError("frameNumber", "is of rendered images")],
        )
    with archive.offices.database.transaction() as session:
        (found,) = archive.retrieval.objects(session, sop_instance_uids=[files.original.sop_instance_uid])
    syntax = query.get("transferSyntax") or "*"
    stored = found.transfer_syntax_uid
    if syntax not in ("*", stored, EXPLICIT_LE):
        available = accepting.object_offers(frozenset({stored}), objects=1, transcodable=True)
        raise NotAcceptable("This object is", [one for one in available if not one.multipart])
    media_type, content = file_of(found, None if syntax == "*" else syntax)
    return StreamingResponse(in_large_pieces(content), media_type=media_type, headers=NO_STORE)


def _text(archive: Archive, files: InstanceFiles, offer: Offer) -> Response:
    headers = {
        **NO_STORE,
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    if offer.source == "document":
        document = archive.retrieval.encapsulated_document(files.original)
        assert document is not None
        return StreamingResponse(
            in_large_pieces(document.read(0, document.length)), media_type=offer.media_type, headers=headers
        )
    (model,) = orjson.loads(archive.retrieval.instance_metadata(files.original))
    text = structured.as_html(model) if offer.media_type == "text/html" else structured.as_text(model)
    return Response(text, media_type=f"{offer.media_type}; charset=utf-8", headers=headers)


def _frame_number(query: Mapping[str, str], files: InstanceFiles) -> int:
    text = query.get("frameNumber", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0):
        raise BadRequest(
            "frameNumber is not understood.", fields=[FieldError("frameNumber", "is a number from 1")]
        )
    if int(text) > files.original.number_of_frames:
        raise NotFound("There is no such frame.")
    return int(text)


def _drawing(query: Mapping[str, str], files: InstanceFiles) -> dict[str, str]:
    """The parameters in the words of the studies service."""
    out = {name: query[name] for name in ("annotation", "imageQuality", "iccprofile") if query.get(name)}
    centre, width = query.get("windowCenter"), query.get("windowWidth")
    if bool(centre) != bool(width):
        missing = "windowWidth" if centre else "windowCenter"
        raise BadRequest(
            "A window has a centre and a width.", fields=[FieldError(missing, "is needed with the other")]
        )
    if centre and width:
        out["window"] = f"{centre},{width}"
    columns, rows = files.original.columns or 1, files.original.rows or 1
    region = ""
    if query.get("region"):
        try:
            left, top, right, bottom = (float(part) for part in query["region"].split(","))
        except ValueError:
            left, top, right, bottom = 1, 1, 0, 0
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise BadRequest(
                "region is not understood.",
                fields=[FieldError("region", "is left,top,right,bottom, each from 0.0 to 1.0")],
            )
        region = f",{left * columns},{top * rows},{(right - left) * columns},{(bottom - top) * rows}"
    if query.get("rows") or query.get("columns") or region:
        # Of one alone the other follows from the shape (PS3.18 9.1.2.2.3).
        largest = "8192"
        one_sided = not (query.get("rows") and query.get("columns")) and (
            query.get("rows") or query.get("columns")
        )
        default = (largest, largest) if one_sided else (str(columns), str(rows))
        out["viewport"] = f"{query.get('columns') or default[0]},{query.get('rows') or default[1]}{region}"
    return out
