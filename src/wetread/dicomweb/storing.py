"""STOW-RS: taking objects in (PS3.18 10.5)."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from wetread.archive.service import Archive, Incoming, StoreResult
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.common import (
    NO_STORE,
    STUDY,
    BadRequest,
    DicomWebRoute,
    UnsupportedMediaType,
    archive_of,
    base_url,
)
from wetread.dicomweb.multipart import Malformed, MultipartParser, PartBegun, PartData
from wetread.kit import limits
from wetread.security.door import Gate, stream_door
from wetread.security.service import Permission

router = APIRouter(route_class=DicomWebRoute)


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


@router.post(STUDY)
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
        raise BadRequest(f"The body is not multipart: {error}.") from None
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
            raise BadRequest(f"The body is not multipart: {error}.") from None
        return _stored(request, upload.results, study, incomplete=True)
    finally:
        await run_in_threadpool(upload.close)
    return _stored(request, upload.results, study, incomplete=False)


def _stored(request: Request, results: list[StoreResult], study: str | None, *, incomplete: bool) -> Response:
    """The Store Instances Response (PS3.18 10.5.3, Annex I)."""
    base = base_url(request)
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
        orjson.dumps(answer), status_code=status, media_type=accepting.DICOM_JSON, headers=NO_STORE
    )
