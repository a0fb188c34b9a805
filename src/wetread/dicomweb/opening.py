"""What a screen asks first of a study that somebody opens, in one answer."""

from __future__ import annotations

import gzip
import math
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from wetread.archive.service import Level, uid_of_study
from wetread.dicomweb.common import NO_STORE, PREFIX, READ, DicomWebRoute, archive_of
from wetread.dicomweb.search import documents_of
from wetread.kit import limits
from wetread.security.door import door
from wetread.security.service import Work

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])


def _first(document: dict[str, Any], tag: str) -> Any:
    return next(iter(document.get(tag, {}).get("Value") or ()), None)


def _in_reading_order(document: dict[str, Any]) -> tuple[float, str]:
    number = _first(document, "00200011")
    return math.inf if number is None else float(number), str(_first(document, "0020000E"))


@router.get("/openings/{study_pk}", response_class=Response)
def opening(request: Request, study_pk: int, work: Work = door(*READ)) -> Response:
    """The series of a study, as QIDO-RS tells them, and of the first of them the metadata, as WADO-RS does.

    No part of the standard: on a slow way three answers in a row are waited for longer than one.
    """
    study = uid_of_study(work, study_pk)
    series, _ = documents_of(request, work, Level.SERIES, StudyInstanceUID=study)
    retrieval = archive_of(request).retrieval
    metadata: list[bytes] = []
    left = limits.OPENING_METADATA_BYTES_MAX
    for one in sorted(series, key=_in_reading_order):
        uid = str(_first(one, "0020000E"))
        gzipped = retrieval.ready_series_metadata(work.actor, study, uid)
        # What has to be made, or is large, the reader asks for beside what is shown meanwhile.
        if gzipped is None or len(gzipped) > left:
            break
        left -= len(gzipped)
        metadata.append(b"%s:%s" % (orjson.dumps(uid), gzip.decompress(gzipped)))
    content = b'{"study_instance_uid":%s,"series":%s,"metadata":{%s}}' % (
        orjson.dumps(study),
        orjson.dumps(series),
        b",".join(metadata),
    )
    headers = {**NO_STORE, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        # A reader waits, and metadata repeat themselves: the fastest level makes it a twentieth.
        content, headers["Content-Encoding"] = gzip.compress(content, compresslevel=1), "gzip"
    return Response(content, media_type="application/json", headers=headers)
