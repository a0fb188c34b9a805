"""C-FIND identifiers (PS3.4 C.4.1): from the keys of a query to answers that hold exactly what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import keyword_for_tag
from sqlalchemy import and_, case, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from wetread.archive import store
from wetread.archive.model import Study
from wetread.archive.relations import REQUEST_KEYWORDS, requests_of
from wetread.archive.rules import JsonDict, Level, person_name_text
from wetread.archive.service import document_of, find, visible_studies
from wetread.query import values
from wetread.security.service import AuditEventID, Permission, Work

_NOT_KEYS = frozenset({"SpecificCharacterSet", "QueryRetrieveLevel", "TimezoneOffsetFromUTC"})
_LEVEL, _CHARACTER_SET, _REQUEST = "00080052", "00080005", "00400275"
_PATIENT_KEYWORDS = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_PATIENT_COUNTS = (
    "NumberOfPatientRelatedStudies",
    "NumberOfPatientRelatedSeries",
    "NumberOfPatientRelatedInstances",
)


@dataclass(frozen=True, slots=True)
class Answers:
    """Matches in DICOM JSON. `unsupported`: a key took no part in matching. `cut`: there are more than the limit."""

    items: list[JsonDict]
    unsupported: bool
    cut: bool


def find_identifier(
    work: Work,
    level: str,
    identifier: JsonDict,
    *,
    limit: int,
    fuzzy_names: bool = False,
    combined_date_times: bool = False,
) -> Answers:
    """Answers to `identifier` in DICOM JSON, each with the very keys it holds (PS3.4 C.4.1.2.2).

    `level` is PATIENT or one of `Level`. Keys of higher levels match at every level, as relational queries want it
    (PS3.4 C.4.1.2.2.2). Raises Invalid for a value that cannot be matched.
    """
    keys, sequences = _keys_of(identifier)
    unmatched: list[str] = []
    if level == "PATIENT":
        items, unmatched = _patients(work, keys, limit + 1, fuzzy_names=fuzzy_names)
    else:
        if level != Level.STUDY:
            for keyword, value in _keys_of_item(sequences.pop(_REQUEST, {})).items():
                if keyword in REQUEST_KEYWORDS:
                    keys[keyword] = value
                elif not values.is_universal(value):
                    unmatched.append(keyword)
        found = find(
            work,
            Level(level),
            keys,
            include=None,
            limit=limit + 1,
            fuzzy_names=fuzzy_names,
            combined_date_times=combined_date_times,
        )
        items = found.items
        unmatched += found.unmatched
    cut = len(items) > limit
    items = items[:limit]
    # Of other sequences nothing is indexed that could be matched on.
    unmatched += [tag for tag, wanted in sequences.items() if _is_key(wanted)]
    requests = requests_of(work.session, items) if _REQUEST in identifier and level != Level.STUDY else {}
    answers: list[JsonDict] = []
    for item in items:
        answer: JsonDict = {_LEVEL: {"vr": "CS", "Value": [str(level)]}}
        for tag, element in identifier.items():
            if tag == _REQUEST and tag not in item:
                answer[tag] = requests.get(_text(item, "0020000E"), {"vr": "SQ"})
            elif tag not in (_CHARACTER_SET, _LEVEL):
                answer[tag] = item.get(tag, {"vr": element.get("vr", "UN")})
        answers.append(dict(sorted(answer.items())))
    return Answers(answers, bool(unmatched), cut)


def _keys_of(identifier: JsonDict) -> tuple[dict[str, str], dict[str, JsonDict]]:
    """Values by keyword as they were sent, and the items of sequences by tag."""
    keys: dict[str, str] = {}
    sequences: dict[str, JsonDict] = {}
    for tag, element in identifier.items():
        if element.get("vr") == "SQ":
            sequences[tag] = next(iter(element.get("Value") or []), {})
            continue
        keyword = keyword_for_tag(int(tag, 16))
        if keyword and keyword not in _NOT_KEYS:
            keys[keyword] = _sent(element)
    return keys, sequences


def _keys_of_item(item: JsonDict) -> dict[str, str]:
    return _keys_of(item)[0]


def _sent(element: Mapping[str, Any]) -> str:
    is_name = element.get("vr") == "PN"
    return "\\".join(
        person_name_text(value) if is_name else ("" if value is None else str(value))
        for value in element.get("Value") or []
    )


def _text(item: JsonDict, tag: str) -> str:
    return str((item.get(tag, {}).get("Value") or [""])[0])


def _is_key(item: JsonDict) -> bool:
    return any(
        _is_key(next(iter(element.get("Value") or []), {}))
        if element.get("vr") == "SQ"
        else not values.is_universal(_sent(element))
        for element in item.values()
    )


def _patients(
    work: Work, keys: Mapping[str, str], limit: int, *, fuzzy_names: bool
) -> tuple[list[JsonDict], list[str]]:
    """The PATIENT level: those whose studies match, each once, as the newest study names them (PS3.4 C.6.1.1.2).

    A patient is an identifier of an issuer; without an identifier, a name with a birth date.
    """
    work.require(Permission.STUDY_READ, Permission.RESULT_READ)
    wanted = {keyword: value for keyword, value in keys.items() if keyword not in _PATIENT_COUNTS}
    compiled = store.KEYS[Level.STUDY].conditions(wanted, fuzzy_names=fuzzy_names)
    unmatched = list(compiled.unmatched)
    unmatched += [one for one in _PATIENT_COUNTS if not values.is_universal(keys.get(one, ""))]
    visible = visible_studies(work)
    seen = [] if visible is None else [visible]
    # `=` on texts that are never null, so that the join can hash.
    identifier, issuer = func.coalesce(Study.patient_id, ""), func.coalesce(Study.issuer_of_patient_id, "")
    named = func.concat(Study.patient_name, "|", Study.patient_birth_date)
    group = (identifier, issuer, case((identifier == "", named), else_=literal("")))
    labelled = [column.label(f"group_{number}") for number, column in enumerate(group)]
    matched = select(*labelled).where(and_(true(), *compiled.conditions, *seen)).distinct().subquery()

    def newest(column: Any) -> Any:
        return func.array_agg(
            aggregate_order_by(column, store.LATEST.desc(), Study.study_pk.desc()), type_=ARRAY(column.type)
        )[1]

    rows = work.session.execute(
        select(
            *(newest(store.STUDY_COLUMNS[keyword]).label(keyword) for keyword in _PATIENT_KEYWORDS),
            func.count().label(_PATIENT_COUNTS[0]),
            func.sum(Study.number_of_study_related_series).label(_PATIENT_COUNTS[1]),
            func.sum(Study.number_of_study_related_instances).label(_PATIENT_COUNTS[2]),
        )
        .join(matched, and_(*(one == other for one, other in zip(group, matched.c, strict=True))))
        .where(true(), *seen)
        .group_by(*group)
        .order_by(func.max(Study.study_pk).desc())
        .limit(limit)
    ).mappings()
    items = [document_of(dict(row)) for row in rows]
    work.audit(
        AuditEventID.QUERY,
        "E",
        object_type="patient",
        detail={"keys": ",".join(sorted(keys))[:400], "matches": str(len(items))},
    )
    return items, unmatched
