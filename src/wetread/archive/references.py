"""References by Study and Series Instance UID inside of objects, as they have to read after what they name was moved.

Presentation states, reports, key object selections, segmentations, structure sets and their like name images together with
the series and study that these hang in (PS3.3 Table 10-11, 10-4, C.12.1.1.9; C.8.8.5). An image keeps its SOP Instance UID
wherever it is moved to, so that what names it by that alone still finds it; the UIDs around it are laid over on the way out
by where it hangs at that moment. So nothing has to be written when something moves, objects that come later get it too,
and a move that was taken back has never been. A presentation state names no study but its own: of images of two it says
what is about those of its own, and the other study gets one for the rest (`states`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, exists, func, or_, select, update
from sqlalchemy.orm import Session

from wetread.archive.layers import NONE, Layers, trace_of
from wetread.archive.model import WITH_REMOVED, Instance, Series, Study, StudyCorrection
from wetread.archive.rules import JsonDict, absent, corrected, dumps
from wetread.archive.store import StoredInstance
from wetread.dicom.uid import derived_uid
from wetread.kit import limits

# Presentation states, SR and key objects, segmentations, registrations, fiducials and surfaces, value maps, RT objects,
# parametric maps, encapsulated documents (PS3.4 B.5).
_ROOT = "1.2.840.10008.5.1.4.1.1."
_KINDS = tuple(_ROOT + kind for kind in ("11.", "88.", "66", "67", "68.", "481.", "30", "104."))
_SOP_CLASS, _SOP, _SERIES, _STUDY = "00081150", "00081155", "0020000E", "0020000D"
_SOP_OF = "00080018"
PRESENTATION_STATES = _ROOT + "11."
# Those that name no study but their own (PS3.3 C.11.11); what blends pictures names the study of each.
OF_ONE_STUDY = frozenset(_ROOT + kind for kind in ("11.1", "11.2", "11.3", "11.5", "11.12"))
_IMAGES = "00081140"
KEY_OBJECTS = _ROOT + "88.59"
IDENTICAL = "0040A525"
_SERIES_LIST, _RT_SERIES_LIST = "00081115", "30060014"
_OF_SERIES = ("00081199", "00081140", "0008114A", "30060016")
"""Sequences of references in an item of a list of series."""
_ELSEWHERE = "00081200"
# Lists of studies: where an item says which one it is, and its list of series.
_STUDY_LISTS = {
    "0040A375": (_STUDY, _SERIES_LIST),
    "0040A385": (_STUDY, _SERIES_LIST),
    "0040A525": (_STUDY, _SERIES_LIST),
    _ELSEWHERE: (_STUDY, _SERIES_LIST),
    "30060012": (_SOP, _RT_SERIES_LIST),
}

Places = Mapping[str, tuple[str, str]]
"""SOP Instance UID → (Study Instance UID, Series Instance UID) where it hangs."""


def refers(sop_class_uid: str) -> bool:
    """Whether objects of this class name others with their series."""
    return sop_class_uid.startswith(_KINDS)


# The rule --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reference:
    """One reference with what stands around it; `items` are empty where a series is named alone."""

    study: str
    series: str
    study_item: JsonDict
    series_item: JsonDict
    tag: str
    item: JsonDict | None


def named_in(document: JsonDict) -> set[str]:
    """The SOP Instance UIDs that stand in lists of series."""
    found: set[str] = set()
    for tag, element in document.items():
        if element.get("vr") != "SQ":
            continue
        for item in element.get("Value") or []:
            if tag in (_SERIES_LIST, _RT_SERIES_LIST):
                found |= {
                    _value(one, _SOP) for of in _OF_SERIES for one in item.get(of, {}).get("Value") or []
                }
            found |= named_in(item)
    return found - {""}


def agreeing(document: JsonDict, places: Places, sop_class_uid: str) -> JsonDict:
    """The top-level elements of `document` that have to read otherwise; none where all agrees."""
    own = _value(document, _STUDY)
    changed: JsonDict = {}
    for tag, element in document.items():
        new = _element(tag, element, own, places)
        if new is not element:
            changed[tag] = new
    if sop_class_uid in OF_ONE_STUDY:
        named = named_in(document)
        elsewhere = {uid for uid in named if uid in places and places[uid][0] != own}
        if elsewhere != named:
            changed |= without({**document, **changed}, elsewhere)
    elif not sop_class_uid.startswith(PRESENTATION_STATES):
        _part_own_from_others({**document, **changed}, own, places, changed)
    return {tag: element for tag, element in changed.items() if not _has_bulk(element)}


def without(document: JsonDict, uids: set[str]) -> JsonDict:
    """The top-level elements that read otherwise without these images; what was about them alone is not there any more."""
    changed: JsonDict = {}
    for tag, element in document.items():
        if uids and element.get("vr") == "SQ" and element.get("Value"):
            kept = _without(element, uids)
            if kept is not element:
                changed[tag] = kept if kept["Value"] else absent("SQ")
    return changed


def _without(element: JsonDict, uids: set[str]) -> JsonDict:
    items: list[JsonDict] = []
    for item in element["Value"]:
        new = item
        about = item.get(_IMAGES, {}).get("Value") or []
        for tag, inner in item.items():
            if inner.get("vr") != "SQ" or not inner.get("Value"):
                continue
            kept = (
                {**inner, "Value": [one for one in about if _value(one, _SOP) not in uids]}
                if tag == _IMAGES
                else _without(inner, uids)
            )
            if kept["Value"] != inner["Value"]:
                new = {**new, tag: kept}
        # What says of itself which images it is about is about nothing without any.
        if not about or new[_IMAGES]["Value"]:
            items.append(new)
    same = len(items) == len(element["Value"]) and all(
        new is old for new, old in zip(items, element["Value"], strict=True)
    )
    return element if same else {**element, "Value": items}


def _element(tag: str, element: JsonDict, study: str, places: Places) -> JsonDict:
    if element.get("vr") != "SQ" or not element.get("Value"):
        return element
    items: list[JsonDict] = element["Value"]
    if tag in _STUDY_LISTS:
        uid_tag, list_tag = _STUDY_LISTS[tag]
        references = list(_of_studies(items, uid_tag, list_tag))
        if not any(_moved(one, places) for one in references):
            return element
        return {**element, "Value": _studies(references, places, uid_tag, list_tag)}
    if tag in (_SERIES_LIST, _RT_SERIES_LIST):
        references = list(_of_series_list(items, study, {}))
        if not any(_place(one, places)[1] != one.series for one in references):
            return element
        return {**element, "Value": _series_items(references, places)}
    new_items = [_item(one, study, places) for one in items]
    if all(new is old for new, old in zip(new_items, items, strict=True)):
        return element
    return {**element, "Value": new_items}


def _item(item: JsonDict, study: str, places: Places) -> JsonDict:
    """An item of another sequence; where it names its study beside a list of series (e.g. Blending Sequence), that too."""
    named = _value(item, _STUDY)
    new = {tag: _element(tag, element, named or study, places) for tag, element in item.items()}
    if named and _SERIES_LIST in item:
        studies = {places[uid][0] for uid in named_in({_SERIES_LIST: item[_SERIES_LIST]}) if uid in places}
        if len(studies) == 1 and studies != {named}:
            new[_STUDY] = _uid(studies.pop())
    return new if any(new[tag] is not item[tag] for tag in item) else item


def _part_own_from_others(document: JsonDict, own: str, places: Places, changed: JsonDict) -> None:
    """Referenced Series Sequence is for the object's own study, Studies Containing Other Referenced Instances Sequence for the
    others (PS3.3 C.12.2)."""
    here = list(_of_series_list(document.get(_SERIES_LIST, {}).get("Value") or [], own, {}))
    there = list(_of_studies(document.get(_ELSEWHERE, {}).get("Value") or [], _STUDY, _SERIES_LIST))
    leave = [one for one in here if _place(one, places)[0] != own]
    come = [one for one in there if _place(one, places)[0] == own]
    if not leave and not come:
        return
    own_ones = [one for one in here if one not in leave] + come
    others = [one for one in there if one not in come] + leave
    for tag, value in (
        (_SERIES_LIST, _series_items(own_ones, places)),
        (_ELSEWHERE, _studies(others, places, _STUDY, _SERIES_LIST)),
    ):
        if value or tag in document:
            changed[tag] = {"vr": "SQ", "Value": value} if value else {"vr": "SQ"}


def _of_studies(items: Sequence[JsonDict], uid_tag: str, list_tag: str) -> Iterator[_Reference]:
    for item in items:
        study = _value(item, uid_tag)
        around = {tag: element for tag, element in item.items() if tag != list_tag}
        inner = item.get(list_tag, {}).get("Value") or []
        if not inner:
            yield _Reference(study, "", around, {}, "", None)
        yield from _of_series_list(inner, study, around)


def _of_series_list(items: Sequence[JsonDict], study: str, study_item: JsonDict) -> Iterator[_Reference]:
    for item in items:
        series = _value(item, _SERIES)
        around = {tag: element for tag, element in item.items() if tag not in _OF_SERIES}
        named = [(tag, one) for tag in _OF_SERIES for one in item.get(tag, {}).get("Value") or []]
        if not named:
            yield _Reference(study, series, study_item, around, "", None)
        for tag, one in named:
            yield _Reference(study, series, study_item, around, tag, one)


def _place(one: _Reference, places: Places) -> tuple[str, str]:
    """Where what is named hangs; of what is not known here, what was said."""
    return places.get(_value(one.item or {}, _SOP), (one.study, one.series))


def _moved(one: _Reference, places: Places) -> bool:
    return _place(one, places) != (one.study, one.series)


def _studies(references: Sequence[_Reference], places: Places, uid_tag: str, list_tag: str) -> list[JsonDict]:
    made: list[JsonDict] = []
    for study, of_study in _grouped(references, lambda one: _place(one, places)[0]).items():
        series = _series_items([one for one in of_study if one.series or one.item], places)
        item = {**of_study[0].study_item, uid_tag: _uid(study)}
        made.append(
            dict(sorted((item | ({list_tag: {"vr": "SQ", "Value": series}} if series else {})).items()))
        )
    return made


def _series_items(references: Sequence[_Reference], places: Places) -> list[JsonDict]:
    made: list[JsonDict] = []
    for series, of_series in _grouped(references, lambda one: _place(one, places)[1]).items():
        item = {**of_series[0].series_item, _SERIES: _uid(series)}
        for tag, named in _grouped(
            [one for one in of_series if one.item is not None], lambda one: one.tag
        ).items():
            item[tag] = {"vr": "SQ", "Value": [one.item for one in named]}
        made.append(dict(sorted(item.items())))
    return made


def _grouped(
    references: Sequence[_Reference], key: Callable[[_Reference], str]
) -> dict[str, list[_Reference]]:
    found: dict[str, list[_Reference]] = {}
    for one in references:
        found.setdefault(key(one), []).append(one)
    return found


def _value(item: JsonDict, tag: str) -> str:
    return str((item.get(tag, {}).get("Value") or [""])[0])


def _uid(uid: str) -> JsonDict:
    return {"vr": "UI", "Value": [uid]}


def _has_bulk(element: JsonDict) -> bool:
    # A long value that stands elsewhere cannot be written here.
    return "BulkDataURI" in element or any(
        _has_bulk(inner) for item in element.get("Value") or [] if isinstance(item, dict)
        for inner in item.values() if isinstance(inner, dict)
    )  # fmt: skip


# What an object says of its own study -----------------------------------------------------------------------------

_STUDY_REFERENCES, _REQUESTS, _ACCESSION = "00081110", frozenset({"00400275", "0040A370"}), "00080050"


def of_own_study(received: JsonDict, document: JsonDict) -> JsonDict:
    """The top-level elements of a moved object that name the study and the order that it came with as its own: Referenced
    Study Sequence, and what was asked for (Request Attributes Sequence, Referenced Request Sequence). An order of another
    patient would be the worst of it."""
    was, now = _value(received, _STUDY), _value(document, _STUDY)
    if not was or was == now:
        return {}
    numbers = (_value(received, _ACCESSION), document.get(_ACCESSION, {"vr": "SH"}))
    changed: JsonDict = {}
    for tag in (_STUDY_REFERENCES, *sorted(_REQUESTS)):
        element = document.get(tag, {})
        items = element.get("Value") or []
        new = [
            _renamed(one, was, now) if tag == _STUDY_REFERENCES else _asked_for(one, was, now, numbers)
            for one in items
        ]
        if new != items:
            changed[tag] = {**element, "Value": new}
    return {tag: element for tag, element in changed.items() if not _has_bulk(element)}


def _renamed(item: JsonDict, was: str, now: str) -> JsonDict:
    return {**item, _SOP: _uid(now)} if _value(item, _SOP) == was else item


def _asked_for(item: JsonDict, was: str, now: str, numbers: tuple[str, JsonDict]) -> JsonDict:
    new = dict(item)
    if _value(item, _STUDY) == was:
        new[_STUDY] = _uid(now)
    if numbers[0] and _value(item, _ACCESSION) == numbers[0]:
        new[_ACCESSION] = numbers[1]
    if inner := item.get(_STUDY_REFERENCES, {}).get("Value"):
        new[_STUDY_REFERENCES] = {"vr": "SQ", "Value": [_renamed(one, was, now) for one in inner]}
    return new


# Work items and orders: items that name one series of one study each (PS3.3 table 10-3b) ----------------------------


_ACCESSED = frozenset({"00404021", "00404033"})
"""Input and Output Information Sequence."""
_SOPS = "00081199"


def accessed_in(document: JsonDict) -> set[str]:
    """The SOP Instance UIDs that a work item names as what it uses or made."""
    found: set[str] = set()
    for tag, element in document.items():
        if element.get("vr") != "SQ":
            continue
        for item in element.get("Value") or []:
            if tag in _ACCESSED:
                found |= {_value(one, _SOP) for one in item.get(_SOPS, {}).get("Value") or []}
            else:
                found |= accessed_in(item)
    return found - {""}


def with_access(document: JsonDict, places: Places) -> JsonDict:
    """The work item with what it names under the study and series where that hangs."""
    changed: JsonDict = {}
    for tag, element in document.items():
        items = element.get("Value") or []
        if element.get("vr") != "SQ" or not items:
            continue
        new = (
            [one for item in items for one in _by_place(item, places)]
            if tag in _ACCESSED
            else [with_access(item, places) for item in items]
        )
        if new != items:
            changed[tag] = {**element, "Value": new}
    return {**document, **changed} if changed else document


def _by_place(item: JsonDict, places: Places) -> Iterator[JsonDict]:
    """One item a series: an item that was split is several, which differ in what they name alone."""
    said = (_value(item, _STUDY), _value(item, _SERIES))
    grouped: dict[tuple[str, str], list[JsonDict]] = {}
    for one in item.get(_SOPS, {}).get("Value") or []:
        grouped.setdefault(places.get(_value(one, _SOP), said), []).append(one)
    if not grouped or set(grouped) == {said}:
        yield item
        return
    for (study, series), named in grouped.items():
        new = {**item, _STUDY: _uid(study), _SERIES: _uid(series), _SOPS: {"vr": "SQ", "Value": named}}
        yield dict(sorted(new.items()))


# The index -------------------------------------------------------------------------------------------------------


def with_references(
    session: Session,
    stored: Sequence[StoredInstance],
    layers: Mapping[int, Layers],
    read: Callable[[StoredInstance], JsonDict],
) -> dict[int, Layers]:
    """`layers` and, over them, what makes the references of objects agree with where the named ones hang. `read` gives an
    object as it was received; it is called for objects of some kinds alone, and where something was moved."""
    found = dict(layers)
    asking = [
        one for one in stored if refers(one.sop_class_uid) or _is_moved(layers.get(one.instance_pk, NONE))
    ]
    if not asking:
        return found
    moves = _moves(session, {one.study_pk for one in asking})
    if not moves:
        return found
    trace = trace_of(moves[-1])
    received = {one.instance_pk: read(one) for one in asking}
    documents = {
        pk: corrected(document, found.get(pk, NONE).corrections) for pk, document in received.items()
    }
    naming = [one for one in asking if refers(one.sop_class_uid)]
    named = {uid for one in naming for uid in named_in(documents[one.instance_pk])}
    places = places_of(session, named)
    for one in asking:
        document = documents[one.instance_pk]
        attributes = of_own_study(received[one.instance_pk], document)
        if refers(one.sop_class_uid):
            attributes |= agreeing({**document, **attributes}, places, one.sop_class_uid)
        if one.sop_class_uid == KEY_OBJECTS:
            attributes |= _with_identical(session, document, places)
        if attributes:
            below = found.get(one.instance_pk, NONE)
            key = -1 - zlib.crc32(dumps([attributes, trace]))
            found[one.instance_pk] = Layers((*below.corrections, (attributes, trace)), (*below.key, key))
    return found


def _with_identical(session: Session, document: JsonDict, places: Places) -> JsonDict:
    """Identical Documents Sequence of a key object selection of images in several studies (PS3.3 C.17.6.2.1): where the
    same is in the others, as `states` puts it there, and as it said itself."""
    own, study = _value(document, _SOP_OF), _value(document, _STUDY)
    said = named_in({IDENTICAL: document.get(IDENTICAL, {"vr": "SQ"})})
    studies = {places[uid][0] for uid in named_in(document) if uid in places} | {study}
    made = {derived_uid(of, other) for of in said | {own} for other in studies} - {own}
    found = places_of(session, said | made)
    if not found.keys() - said:
        return {}
    references = [
        _Reference(
            *found[uid], {}, {}, "00081199", {_SOP_CLASS: _uid(KEY_OBJECTS), _SOP: _uid(uid)}
        )
        for uid in sorted(found)
    ]  # fmt: skip
    return {IDENTICAL: {"vr": "SQ", "Value": _studies(references, found, _STUDY, _SERIES_LIST)}}


def _is_moved(layers: Layers) -> bool:
    return any(_STUDY in attributes for attributes, _ in layers.corrections)


def relocated(session: Session, documents: Sequence[JsonDict]) -> list[JsonDict]:
    """Work items with what they name where it hangs now. The index is asked where anything was ever moved."""
    named = {uid for one in documents for uid in accessed_in(one)}
    if not named:
        return list(documents)
    moved = exists().where(StudyCorrection.undone_at.is_(None), StudyCorrection.from_study_pk.is_not(None))
    if not session.scalar(select(moved)):
        return list(documents)
    places = places_of(session, named)
    return [with_access(one, places) for one in documents]


def instance_references(session: Session, study_pks: Sequence[int]) -> list[JsonDict]:
    """The images of studies as they hang now, an item a series (PS3.3 table 10-3b). Beyond a limit the last ones are left
    out: whole studies are asked for by their own UID."""
    rows = session.execute(
        select(
            Study.study_instance_uid,
            Series.series_instance_uid,
            Instance.sop_class_uid,
            Instance.sop_instance_uid,
        )
        .join(Series, Series.series_pk == Instance.series_pk)
        .join(Study, Study.study_pk == Instance.study_pk)
        .where(Instance.study_pk.in_(study_pks))
        .order_by(Study.study_pk, Series.series_pk, Instance.instance_number, Instance.instance_pk)
        .limit(limits.WORKITEM_INSTANCES_MAX)
    )
    grouped: dict[tuple[str, str], list[JsonDict]] = {}
    for study, series, sop_class, sop_instance in rows:
        named = {_SOP_CLASS: _uid(sop_class), _SOP: _uid(sop_instance)}
        grouped.setdefault((study, series), []).append(named)
    return [
        {
            _SOPS: {"vr": "SQ", "Value": named},
            _STUDY: _uid(study),
            _SERIES: _uid(series),
            "0040E020": {"vr": "CS", "Value": ["DICOM"]},
        }
        for (study, series), named in grouped.items()
    ]


def _related(study_pks: set[int]) -> Select[int]:
    """Studies whose objects could name each other: these, and others of the same person."""
    mine = select(Study.patient_pk).where(Study.study_pk.in_(study_pks), Study.patient_pk.is_not(None))
    return select(Study.study_pk).where(or_(Study.study_pk.in_(study_pks), Study.patient_pk.in_(mine)))


def _moves(session: Session, study_pks: set[int]) -> list[StudyCorrection]:
    related = _related(study_pks)
    return list(
        session.scalars(
            select(StudyCorrection)
            .where(
                StudyCorrection.undone_at.is_(None),
                StudyCorrection.from_study_pk.is_not(None),
                or_(StudyCorrection.study_pk.in_(related), StudyCorrection.from_study_pk.in_(related)),
            )
            .order_by(StudyCorrection.study_correction_pk.desc())
            .limit(1)
            .execution_options(**WITH_REMOVED)
        )
    )


def places_of(session: Session, uids: set[str]) -> dict[str, tuple[str, str]]:
    """Where images hang that can be seen: SOP Instance UID → (Study Instance UID, Series Instance UID)."""
    found: dict[str, tuple[str, str]] = {}
    wanted = sorted(uids)
    for start in range(0, len(wanted), 5000):
        rows = session.execute(
            select(Instance.sop_instance_uid, Study.study_instance_uid, Series.series_instance_uid)
            .join(Series, Series.series_pk == Instance.series_pk)
            .join(Study, Study.study_pk == Instance.study_pk)
            .where(Instance.sop_instance_uid.in_(wanted[start : start + 5000]))
        )
        found.update((uid, (study, series)) for uid, study, series in rows)
    return found


def touch(session: Session, study_pks: set[int]) -> None:
    """What was made ready of series that could name what was moved is made anew when it is asked for."""
    related = _related(study_pks)
    naming = select(Instance.series_pk).where(
        Instance.study_pk.in_(related), or_(*(Instance.sop_class_uid.startswith(kind) for kind in _KINDS))
    )
    session.execute(
        update(Series)
        .where(Series.series_pk.in_(naming))
        .values(updated_at=func.clock_timestamp())
        .execution_options(synchronize_session=False, **WITH_REMOVED)
    )
