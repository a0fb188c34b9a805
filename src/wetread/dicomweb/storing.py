"""STOW-RS: taking objects in (PS3.18 10.5)."""

from __future__ import annotations

from typing import Any, Protocol

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from wetread.archive.service import Archive, Incoming, Status, StoreResult, Transfer
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.common import (
    NO_STORE,
    PREFIX,
    STUDY,
    BadRequest,
    DicomWebRoute,
    UnsupportedMediaType,
    archive_of,
    base_url,
    chosen,
)
from wetread.dicomweb.composing import Bulk, CannotCompose, Located, compose
from wetread.dicomweb.multipart import Malformed, MultipartParser, PartBegun, PartData
from wetread.dicomweb.nativexml import NotNative, from_xml, to_xml
from wetread.dicomweb.spool import Spool, SpoolFull
from wetread.kit import limits
from wetread.security.door import Gate, stream_door
from wetread.security.service import Permission

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])


class _Upload(Protocol):
    """One STOW-RS request, taken in as it streams."""

    results: list[StoreResult]

    def feed(self, data: bytes) -> None:
        """Takes bytes of the body. Raises Malformed."""

    def finish(self) -> None:
        """The body is complete. Raises Malformed."""

    def close(self) -> None:
        """Forgets what is unfinished and records the transfer."""


class _Files:
    """Part 10 objects, multipart or a single one, each filed as soon as it is complete."""

    def __init__(self, transfer: Transfer, study: str | None, boundary: str | None) -> None:
        self._transfer = transfer
        self._parser = None if boundary is None else MultipartParser(boundary)
        self._study = study
        self._incoming: Incoming | None = None
        self.results: list[StoreResult] = []
        if boundary is None:
            self._incoming = transfer.file()

    def feed(self, data: bytes) -> None:
        """See _Upload."""
        if self._parser is None:
            assert self._incoming is not None
            self._incoming.write(data)
            return
        for happening in self._parser.feed(data):
            if isinstance(happening, PartBegun):
                kind = _kind(happening, accepting.DICOM)
                # Some senders call it bytes.
                if kind.media_type not in (accepting.DICOM, accepting.OCTET_STREAM):
                    if self.results:
                        raise Malformed("a part is not application/dicom")
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
        """See _Upload."""
        if self._parser is None:
            self._end_object()
        else:
            self._parser.finish()

    def close(self) -> None:
        """See _Upload."""
        if self._incoming is not None:
            self._incoming.abort()
        self._transfer.close()

    def _end_object(self) -> None:
        incoming, self._incoming = self._incoming, None
        assert incoming is not None
        self.results.append(incoming.commit(only_study=self._study))


class _Composed:
    """Metadata in JSON or XML, then bulk data (PS3.18 10.5.1.2). Objects are put together when the body is complete."""

    def __init__(self, transfer: Transfer, study: str | None, boundary: str | None, media_type: str) -> None:
        self._transfer = transfer
        self._study = study
        self._parser = None if boundary is None else MultipartParser(boundary)
        self._media_type = media_type
        self._metadata: list[bytearray] = [bytearray()] if boundary is None else []
        self._spool = Spool()
        self._parts = Located()
        self._count = 0
        self._part: tuple[str, accepting.MediaRange, int] | None = None
        self._metadata_bytes = 0
        self.results: list[StoreResult] = []

    def feed(self, data: bytes) -> None:
        """See _Upload."""
        if self._parser is None:
            self._take(data)
            return
        for happening in self._parser.feed(data):
            if isinstance(happening, PartBegun):
                self._begin(happening)
            elif isinstance(happening, PartData):
                self._take(happening.data)
            else:
                self._end_part()

    def _begin(self, part: PartBegun) -> None:
        location = part.headers.get("content-location", "").strip()
        kind = _kind(part, self._media_type if not location else accepting.OCTET_STREAM)
        if kind.media_type in _METADATA_TYPES and not location:
            self._metadata.append(bytearray())
            return
        if not location:
            raise Malformed("a part of bulk data has no Content-Location")
        self._count += 1
        if self._count > limits.STOW_OBJECTS_MAX:
            raise Malformed(f"there are more than {limits.STOW_OBJECTS_MAX} parts")
        self._part = location, kind, self._spool.size

    def _take(self, data: bytes) -> None:
        if self._part is not None:
            try:
                self._spool.write(data)
            except SpoolFull:
                raise Malformed("the bulk data are larger than the limit of this archive") from None
            return
        self._metadata_bytes += len(data)
        if self._metadata_bytes > limits.OBJECT_JSON_BYTES_MAX:
            raise Malformed("the metadata are larger than the limit of this archive")
        self._metadata[-1] += data

    def _end_part(self) -> None:
        if self._part is None:
            return
        (location, kind, start), self._part = self._part, None
        length = self._spool.size - start
        bulk = Bulk(kind.media_type, kind.transfer_syntax, length, lambda: self._spool.read(start, length))
        self._parts.add(location, bulk)

    def finish(self) -> None:
        """See _Upload."""
        if self._parser is not None:
            self._parser.finish()
        for document in self._documents():
            self.results.append(self._store(document))

    def _documents(self) -> list[dict[str, Any]]:
        found: list[Any] = []
        for text in self._metadata:
            if self._media_type == accepting.DICOM_XML:
                try:
                    found.append(from_xml(bytes(text)))
                except NotNative as error:
                    raise Malformed(f"the metadata are no Native DICOM Model: {error}") from None
            else:
                try:
                    content = orjson.loads(text)
                except orjson.JSONDecodeError:
                    raise Malformed("the metadata are not JSON") from None
                found += content if isinstance(content, list) else [content]
        if not all(isinstance(one, dict) for one in found):
            raise Malformed("the metadata are no array of objects of the DICOM JSON Model")
        if len(found) > limits.STOW_OBJECTS_MAX:
            raise Malformed(f"there are more than {limits.STOW_OBJECTS_MAX} objects")
        return found

    def _store(self, document: dict[str, Any]) -> StoreResult:
        incoming: Incoming | None = None
        try:
            for piece in compose(document, self._parts):
                incoming = incoming or self._transfer.file()
                incoming.write(piece)
        except CannotCompose as error:
            if incoming is not None:
                incoming.abort()
            return StoreResult(
                Status.CANNOT_UNDERSTAND,
                "refused",
                str(error),
                _uid(document, "00080016"),
                _uid(document, "00080018"),
            )
        assert incoming is not None
        return incoming.commit(only_study=self._study)

    def close(self) -> None:
        """See _Upload."""
        self._spool.close()
        self._transfer.close()


_METADATA_TYPES = (accepting.DICOM_JSON, accepting.JSON, accepting.DICOM_XML)


def _kind(part: PartBegun, default: str) -> accepting.MediaRange:
    return accepting.parse_accept([part.headers.get("content-type", default)])[0]


def _uid(document: dict[str, Any], tag: str) -> str:
    element = document.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0])[:64] if isinstance(values, list) and values else ""


@router.post("/studies")
async def store_objects(request: Request, gate: Gate = stream_door(Permission.STUDY_STORE)) -> Response:
    """STOW-RS: Part 10 objects, or metadata in JSON or XML with bulk data."""
    return await _store(request, gate, None)


@router.post(STUDY)
async def store_objects_of_study(
    request: Request, study: str, gate: Gate = stream_door(Permission.STUDY_STORE)
) -> Response:
    """STOW-RS: objects of one study; others are refused."""
    return await _store(request, gate, study)


def _upload(archive: Archive, gate: Gate, study: str | None, kind: accepting.MediaRange) -> _Upload:
    """What takes a body of that Content-Type. Raises UnsupportedMediaType, Malformed."""
    boundary = kind.parameters.get("boundary", "") if kind.multipart else None
    transfer = archive.intake.transfer(
        gate.actor, received_from=gate.actor.username, network_address=gate.actor.network_address
    )
    if kind.media_type in _METADATA_TYPES:
        return _Composed(transfer, study, boundary, kind.media_type)
    # Without `type`, multipart bodies are Part 10 objects, as most senders mean it.
    if kind.media_type == accepting.DICOM or (kind.multipart and kind.media_type == "*/*"):
        return _Files(transfer, study, boundary)
    raise UnsupportedMediaType(
        "The body has to be multipart/related, or a single part, of application/dicom, application/dicom+json or "
        "application/dicom+xml."
    )


async def _store(request: Request, gate: Gate, study: str | None) -> Response:
    kind = accepting.parse_accept([request.headers.get("content-type", "")])[0]
    form = chosen(request, "The answer is", accepting.STORED_OFFERS)  # before anything is kept
    try:
        upload = await run_in_threadpool(_upload, archive_of(request), gate, study, kind)
    except Malformed as error:
        raise BadRequest(f"The body is not multipart: {error}.") from None
    incomplete: str | None = None
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
            raise BadRequest(f"The body is not understood: {error}.") from None
        incomplete = str(error)
    finally:
        await run_in_threadpool(upload.close)
    return _stored(request, upload.results, study, form, incomplete=incomplete)


def _stored(
    request: Request,
    results: list[StoreResult],
    study: str | None,
    form: accepting.Offer,
    *,
    incomplete: str | None,
) -> Response:
    """The Store Instances Response (PS3.18 10.5.3, Annex I)."""
    base = base_url(request)
    kept: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for result in results:
        item: dict[str, Any] = {
            "00081150": _element("UI", result.sop_class_uid),
            "00081155": _element("UI", result.sop_instance_uid),
        }
        reason = _element("US", int(result.status))
        if result.status.kept:
            item["00081190"] = _element(
                "UR",
                f"{base}/studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
                f"/instances/{result.sop_instance_uid}",
            )
            kept.append(item | ({"00081196": reason} if result.status else {}))
        elif result.sop_instance_uid:
            failed.append(item | {"00081197": reason})
        else:
            others.append({"00081197": reason})  # PS3.18 I.2.4: there is nothing to name it by
    answer: dict[str, Any] = {}
    studies = {study} if study else {result.study_instance_uid for result in results if result.status.kept}
    if kept and len(studies) == 1:
        answer["00081190"] = _element("UR", f"{base}/studies/{studies.pop()}")
    for tag, items in (("00081198", failed), ("00081199", kept), ("0008119A", others)):
        if items:
            answer[tag] = {"vr": "SQ", "Value": items}
    if not kept:
        busy = bool(results) and all(result.status is Status.OUT_OF_RESOURCES for result in results)
        status = 503 if busy else 409 if results else 400
    else:
        warned = any("00081196" in item for item in kept)
        status = 202 if failed or others or warned or incomplete else 200
    headers = dict(NO_STORE)
    if incomplete:
        headers["Warning"] = f'299 wetread "The rest of the body is not understood: {incomplete}"'
    content = to_xml(answer) if form.media_type == accepting.DICOM_XML else orjson.dumps(answer)
    return Response(content, status_code=status, media_type=form.media_type, headers=headers)


def _element(vr: str, value: str | int) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value != "" else {"vr": vr}
