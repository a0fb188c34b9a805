"""What a screen asks first of a study that somebody opens, in one answer."""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from wetread.archive.service import Level, middle_pictures, uid_of_study
from wetread.dicomweb.common import NO_STORE, PREFIX, READ, DicomWebRoute, archive_of
from wetread.dicomweb.retrieve import beginning_of
from wetread.dicomweb.search import documents_of
from wetread.kit import limits
from wetread.kit.errors import NotFound
from wetread.security.door import door
from wetread.security.service import Work

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

Document = dict[str, Any]

# Of so many series it is looked whether the first picture is theirs: localisers come before.
_TRIED = 4


def _values(document: Document, tag: str) -> list[Any]:
    return document.get(tag, {}).get("Value") or []


def _value(document: Document, tag: str) -> Any:
    return next(iter(_values(document, tag)), None)


def _in_reading_order(series: Document) -> tuple[float, str]:
    number = _value(series, "00200011")
    return math.inf if number is None else float(number), str(_value(series, "0020000E"))


def may_be_first(document: Document) -> bool:
    """Whether a picture is one of slices that are no localiser's: with the middle of such a viewer begins."""
    is_placed = len(_values(document, "00200037")) == 6 and len(_values(document, "00200032")) == 3
    return is_placed and "LOCALIZER" not in _values(document, "00080008")


def halvings_of(document: Document) -> int:
    """How many times the sides of a picture are halved where it is coarse; 0: it is small enough to come whole."""
    rows, columns = int(_value(document, "00280010") or 0), int(_value(document, "00280011") or 0)
    side = max(rows, columns)
    if side < 256 or rows * columns * int(_value(document, "00280100") or 0) < 8 * 64 * 1024:
        return 0
    return 1 if side < 512 else 2 if side <= 2048 else 3


@router.get("/openings/{study_pk}", response_class=Response)
def opening(request: Request, study_pk: int, work: Work = door(*READ)) -> Response:
    """The series of a study, as QIDO-RS tells them; of the first of them the metadata, as WADO-RS does; and, coarse, the
    picture that is likely to be seen first.

    No part of the standard: on a slow way four answers in a row are waited for longer than one.
    """
    study = uid_of_study(work, study_pk)
    series, _ = documents_of(request, work, Level.SERIES, StudyInstanceUID=study)
    retrieval = archive_of(request).retrieval
    metadata: dict[str, bytes] = {}
    left = limits.OPENING_METADATA_BYTES_MAX
    for one in sorted(series, key=_in_reading_order):
        uid = str(_value(one, "0020000E"))
        gzipped = retrieval.ready_series_metadata(work.actor, study, uid)
        # What has to be made, or is large, the reader asks for beside what is shown meanwhile.
        if gzipped is None or len(gzipped) > left:
            break
        left -= len(gzipped)
        metadata[uid] = gzip.decompress(gzipped)
    content = b'{"study_instance_uid":%s,"series":%s,"metadata":{%s},"beginning":%s}' % (
        orjson.dumps(study),
        orjson.dumps(series),
        b",".join(b"%s:%s" % (orjson.dumps(uid), array) for uid, array in metadata.items()),
        orjson.dumps(
            _beginning(request, work, study, list(metadata)[:_TRIED], middle_pictures(work, study_pk))
        ),
    )
    headers = {**NO_STORE, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        # A reader waits, and metadata repeat themselves: the fastest level makes it a twentieth.
        content, headers["Content-Encoding"] = gzip.compress(content, compresslevel=1), "gzip"
    return Response(content, media_type="application/json", headers=headers)


def _beginning(
    request: Request, work: Work, study: str, series: Iterable[str], middle: dict[str, str]
) -> Document | None:
    """The beginning of the picture that is likely to be seen first, as `/coarse` sends them; None: there is none.

    A wrong guess costs the bytes of a coarse picture: the viewer knows what it shows.
    """
    archive = archive_of(request)
    for uid in series:
        instance = middle.get(uid)
        if instance is None:
            continue  # nothing to look at
        try:
            files = archive.retrieval.files(work.actor, study, uid, instance)
            if files.original.number_of_frames != 1:
                return None  # which of its frames comes first only all that it says tells
            (document,) = orjson.loads(archive.retrieval.instance_metadata(files.original))
            if not may_be_first(document):
                continue
            halvings = halvings_of(document)
            one = beginning_of(archive, files, 1, halvings) if halvings else None
        except (NotFound, TypeError, ValueError):
            return None  # taken away meanwhile, or values that are none
        if one is None or one.etag is None:
            return None
        return {
            "location": f"{PREFIX}/studies/{study}/series/{uid}/instances/{instance}/frames/1",
            "content_type": one.content_type,
            "etag": one.etag,
            "total": one.total,
            "halvings": halvings,
            "content": base64.b64encode(one.content).decode("ascii"),
        }
    return None
