"""QIDO-RS: searching studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from wetread.archive.service import Level, find, requests_of
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.accept import DICOM_XML
from wetread.dicomweb.common import (
    NO_STORE,
    PREFIX,
    READ,
    SERIES,
    STUDY,
    VIEW,
    BadRequest,
    DicomWebRoute,
    archive_of,
    base_url,
    chosen,
    streamed_parts,
)
from wetread.dicomweb.nativexml import to_xml
from wetread.kit import limits
from wetread.kit.errors import Denied, FieldError
from wetread.security.door import door
from wetread.security.service import Work
from wetread.together.service import withholds_patient, without_patient

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

_RESERVED = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"})
_COMMA_LISTS = frozenset({"ModalitiesInStudy", "Modality"})
_REQUESTS = "RequestAttributesSequence"
_REQUESTS_TAG = "00400275"
_PIXELS = frozenset({"7FE00008", "7FE00009", "7FE00010"})
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{8}\Z")
# What "all" means of a series: the modules of that level (PS3.3 A.1.4, PS3.18 10.6.3.3.2); the rest is its instances'.
_SERIES_KEYWORDS = (
    "SeriesDate", "SeriesTime", "Modality", "SeriesDescription", "SeriesDescriptionCodeSequence", "SeriesNumber", "Laterality",
    "PerformingPhysicianName", "OperatorsName", "ProtocolName", "ReferencedPerformedProcedureStepSequence",
    "BodyPartExamined", "PatientPosition", "RequestAttributesSequence", "PerformedProcedureStepID",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "PerformedProcedureStepDescription",
    "FrameOfReferenceUID", "PositionReferenceIndicator", "SynchronizationFrameOfReferenceUID", "Manufacturer",
    "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "ManufacturerModelName",
    "DeviceSerialNumber", "SoftwareVersions", "TreatmentSessionUID", "ClinicalTrialSeriesID", "AnatomicRegionSequence",
)  # fmt: skip
_SERIES_TAGS = frozenset(
    f"{int(tag):08X}" for tag in map(tag_for_keyword, _SERIES_KEYWORDS) if tag is not None
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks. `keys`: keyword → value as C-FIND writes it; `tags`: further attributes to answer with, None
    for all; `unmatched`: keys that are attributes, but are not matched on."""

    keys: dict[str, str]
    tags: frozenset[str] | None
    unmatched: tuple[str, ...]


def wanted_of(parameters: Sequence[tuple[str, str]]) -> Wanted:
    """The search that query parameters name: by keywords or tags, of sequences by a path of them (PS3.18 8.3.4).

    Raises BadRequest for a name that no dictionary knows.
    """
    keys: dict[str, str] = {}
    tags: set[str] = set()
    unmatched: list[str] = []
    everything = False
    for name, value in parameters:
        if name.lower() == "includefield":
            for attribute in filter(None, (one.strip() for one in value.split(","))):
                everything = everything or attribute.lower() == "all"
                if attribute.lower() != "all":
                    tags.add(_path(attribute, "includefield")[0][0])
        elif name.lower() not in _RESERVED:
            path = _path(name, name)
            tags.add(path[0][0])  # what is searched for is answered with (PS3.18 10.6.3.3)
            keyword = path[-1][1]
            if keyword is None or (len(path) > 1 and (len(path) > 2 or path[0][1] != _REQUESTS)):
                if value.strip("* "):
                    unmatched.append(name[:64])
                continue
            is_list = dictionary_VR(tag_for_keyword(keyword) or 0) == "UI" or keyword in _COMMA_LISTS
            text = value.replace(",", "\\") if is_list else value
            keys[keyword] = f"{keys[keyword]}\\{text}" if keys.get(keyword) else text
    return Wanted(keys, None if everything else frozenset(tags), tuple(unmatched))


def _path(text: str, parameter: str) -> list[tuple[str, str | None]]:
    """(tag, keyword) of each step of `{attributeID}.{attributeID}`; the keyword is None of private attributes."""
    steps: list[tuple[str, str | None]] = []
    for part in text.split("."):
        if _HEXADECIMAL.match(part):
            number = int(part, 16)
            keyword = keyword_for_tag(number) or None
            if keyword is None and not number >> 16 & 1:
                raise _unknown(text, parameter)
            steps.append((f"{number:08X}", keyword))
        else:
            tag = tag_for_keyword(part)
            if tag is None:
                raise _unknown(text, parameter)
            steps.append((f"{int(tag):08X}", part))
    return steps


def _unknown(text: str, parameter: str) -> BadRequest:
    return BadRequest(
        f"{text[:64]} is no DICOM attribute.",
        fields=[FieldError(parameter[:64], f"{text[:64]} is neither a keyword nor a tag of the dictionary")],
    )


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false"):
        raise BadRequest(f"{name} is not understood.", fields=[FieldError(name, "is true or false")])
    return text == "true"


def _query(request: Request, work: Work, level: Level, **fixed: str) -> Response:
    offer = chosen(request, "Search results are", accepting.METADATA_OFFERS)
    documents, warnings = documents_of(request, work, level, **fixed)
    headers = dict(NO_STORE)
    if warnings:
        headers["Warning"] = ", ".join(f'299 wetread "{warning}"' for warning in warnings)
    if offer.media_type == DICOM_XML:
        answer: Response = streamed_parts(DICOM_XML, ((DICOM_XML, [to_xml(one)], None) for one in documents))
        answer.headers.update(headers)
        return answer
    return Response(orjson.dumps(documents), media_type=offer.media_type, headers=headers)


def documents_of(
    request: Request, work: Work, level: Level, **fixed: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """What a request searches for, as DICOM JSON documents, and warnings of what they leave out. Raises BadRequest, Denied."""
    wanted = wanted_of(request.query_params.multi_items())
    if wanted.keys and withholds_patient(work.actor):
        raise Denied("A guest looks at the session, and does not search.")
    most = limits.PAGE_ITEMS_MAX if level is Level.STUDY else limits.QIDO_OBJECTS_MAX
    limit = _whole(request, "limit", most)
    found = find(
        work,
        level,
        wanted.keys | fixed,
        include=None if wanted.tags is None else sorted(wanted.tags),
        limit=min(limit, most) + 1,
        offset=_whole(request, "offset", 0),
        fuzzy_names=_flag(request, "fuzzymatching"),
        relational=True,
    )
    items = found.items[: min(limit, most)]
    warnings: list[str] = []
    if len(found.items) > len(items) and limit >= most:
        warnings.append(
            "The number of results exceeded the maximum supported by the server. Additional results can be requested."
        )
    unmatched = [*found.unmatched, *wanted.unmatched]
    if unmatched:
        warnings.append(f"Not matched on: {', '.join(unmatched)}")
    if level is not Level.STUDY and not _complete(request, work, level, items, wanted.tags):
        warnings.append("Attributes beyond the index are left out of some results; narrow the search.")
    base = base_url(request)
    for item in items:
        item["00081190"] = {"vr": "UR", "Value": [_retrieve_url(base, item, level)]}
    return without_patient(work.actor, [dict(sorted(item.items())) for item in items]), warnings


def _complete(
    request: Request, work: Work, level: Level, items: list[dict[str, Any]], tags: frozenset[str] | None
) -> bool:
    """Adds what the index does not hold, from the metadata of the series; False where that would be too many."""
    if level is Level.SERIES:
        requests = requests_of(work.session, items)
        for item in items:
            if item["0020000E"]["Value"][0] in requests:
                item[_REQUESTS_TAG] = requests[item["0020000E"]["Value"][0]]
    if tags is not None and not any(tag not in item for tag in tags for item in items):
        return True
    retrieval = archive_of(request).retrieval
    documents: dict[str, dict[str, dict[str, Any]]] = {}
    for item in items:
        study, series = item["0020000D"]["Value"][0], item["0020000E"]["Value"][0]
        if series not in documents:
            if len(documents) >= limits.QIDO_INCLUDE_SERIES_MAX:
                return False
            read = orjson.loads(gzip.decompress(retrieval.build_series_metadata(study, series)))
            documents[series] = {one.get("00080018", {}).get("Value", [""])[0]: one for one in read}
        of_series = documents[series]
        if level is Level.IMAGE:
            document = of_series.get(item["00080018"]["Value"][0], {})
            chosen_tags = document.keys() - _PIXELS if tags is None else tags
        else:
            document = next(iter(of_series.values()), {})
            chosen_tags = _SERIES_TAGS if tags is None else tags
        for tag in chosen_tags:
            if tag in document and "Value" not in item.get(tag, {}):
                item[tag] = document[tag]
    return True


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
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
def search_series_of_study(request: Request, study: str, work: Work = door(*VIEW)) -> Response:
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
