"""QIDO-RS: searching studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from wetread.archive.service import Level, find
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.accept import DICOM_XML
from wetread.dicomweb.common import (
    NO_STORE,
    PREFIX,
    READ,
    SERIES,
    STUDY,
    BadRequest,
    DicomWebRoute,
    base_url,
    chosen,
    streamed_parts,
)
from wetread.dicomweb.nativexml import to_xml
from wetread.kit import limits
from wetread.kit.errors import FieldError
from wetread.security.door import door
from wetread.security.service import Work

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

_RESERVED = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"})
_COMMA_LISTS = frozenset({"ModalitiesInStudy", "Modality"})


def query_keys(parameters: list[tuple[str, str]]) -> dict[str, str]:
    """Matching keys from query parameters: keywords or tags, of sequences the last attribute (PS3.18 8.3.4.1).

    Raises BadRequest for a name that no dictionary knows.
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
        raise BadRequest(
            "A query parameter is no DICOM attribute.", fields=[FieldError(name[:64], "not known")]
        )
    return keyword


def _query(request: Request, work: Work, level: Level, **fixed: str) -> Response:
    offer = chosen(request, "Search results are", accepting.METADATA_OFFERS)
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
    base = base_url(request)
    for item in items:
        item["00081190"] = {"vr": "UR", "Value": [_retrieve_url(base, item, level)]}
    headers = dict(NO_STORE)
    warnings: list[str] = []
    if len(found.items) > len(items) and limit >= most:
        warnings.append('299 wetread "There are additional results that can be requested"')
    if found.unmatched:
        warnings.append(f'299 wetread "Not matched on: {", ".join(found.unmatched)}"')
    if warnings:
        headers["Warning"] = ", ".join(warnings)
    if offer.media_type == DICOM_XML:
        answer: Response = streamed_parts(DICOM_XML, ((DICOM_XML, [to_xml(item)], None) for item in items))
        answer.headers.update(headers)
        return answer
    return Response(orjson.dumps(items), media_type=offer.media_type, headers=headers)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdigit() or len(text) > 9:
        raise BadRequest(f"{name} is a whole number.", fields=[FieldError(name, "is a whole number from 0")])
    return int(text)


def _retrieve_url(base: str, item: dict[str, Any], level: Level) -> str:
    url = f"{base}/studies/{item['0020000D']['Value'][0]}"
    if level is not Level.STUDY:
        url += f"/series/{item['0020000E']['Value'][0]}"
    if level is Level.IMAGE:
        url += f"/instances/{item['00080018']['Value'][0]}"
    return url


@router.get("/studies")
def search_studies(request: Request, work: Work = door(*READ)) -> Response:
    """QIDO-RS: studies, newest first."""
    return _query(request, work, Level.STUDY)


@router.get("/series")
def search_series(request: Request, work: Work = door(*READ)) -> Response:
    """QIDO-RS: series of all studies."""
    return _query(request, work, Level.SERIES)


@router.get("/instances")
def search_instances(request: Request, work: Work = door(*READ)) -> Response:
    """QIDO-RS: instances of all studies."""
    return _query(request, work, Level.IMAGE)


@router.get(STUDY + "/series")
def search_series_of_study(request: Request, study: str, work: Work = door(*READ)) -> Response:
    """QIDO-RS: series of a study."""
    return _query(request, work, Level.SERIES, StudyInstanceUID=study)


@router.get(STUDY + "/instances")
def search_instances_of_study(request: Request, study: str, work: Work = door(*READ)) -> Response:
    """QIDO-RS: instances of a study."""
    return _query(request, work, Level.IMAGE, StudyInstanceUID=study)


@router.get(SERIES + "/instances")
def search_instances_of_series(
    request: Request, study: str, series: str, work: Work = door(*READ)
) -> Response:
    """QIDO-RS: instances of a series."""
    return _query(request, work, Level.IMAGE, StudyInstanceUID=study, SeriesInstanceUID=series)
