"""The data set of an Instance Availability Notification (PS3.4 table R.3.2-1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

JsonDict = dict[str, Any]

ONLINE, UNAVAILABLE = "ONLINE", "UNAVAILABLE"  # Instance Availability (0008,0056)
OBJECTS_MAX = 5_000  # in one notification; a larger study is told of in several
_PERFORMED_STEP_CLASS = "1.2.840.10008.3.1.2.3.3"


@dataclass(frozen=True, slots=True)
class Available:
    """An object that can be had."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    instance_pk: int


def notification(
    study_instance_uid: str,
    objects: Sequence[Available],
    *,
    retrieve_ae_title: str,
    retrieve_uri: str | None,
    performed_steps: Iterable[str],
    availability: str = ONLINE,
) -> JsonDict:
    """The attributes of the N-CREATE in the DICOM JSON Model. `retrieve_uri`: of DICOMweb's studies, without a slash."""
    series: dict[str, list[JsonDict]] = {}
    for one in objects:
        item: JsonDict = {
            "00080054": {"vr": "AE", "Value": [retrieve_ae_title]},
            "00080056": {"vr": "CS", "Value": [availability]},
            "00081150": {"vr": "UI", "Value": [one.sop_class_uid]},
            "00081155": {"vr": "UI", "Value": [one.sop_instance_uid]},
        }
        if retrieve_uri is not None and availability == ONLINE:
            uri = (
                f"{retrieve_uri}/studies/{study_instance_uid}/series/{one.series_instance_uid}"
                f"/instances/{one.sop_instance_uid}"
            )
            item["0040E010"] = {"vr": "UR", "Value": [uri]}
        series.setdefault(one.series_instance_uid, []).append(item)
    steps = [
        {
            "00081150": {"vr": "UI", "Value": [_PERFORMED_STEP_CLASS]},
            "00081155": {"vr": "UI", "Value": [uid]},
            "00404019": {"vr": "SQ"},
        }
        for uid in performed_steps
    ]
    return {
        "00081111": {"vr": "SQ", "Value": steps} if steps else {"vr": "SQ"},
        "00081115": {
            "vr": "SQ",
            "Value": [
                {"00081199": {"vr": "SQ", "Value": items}, "0020000E": {"vr": "UI", "Value": [uid]}}
                for uid, items in series.items()
            ],
        },
        "0020000D": {"vr": "UI", "Value": [study_instance_uid]},
    }


NEARLINE, OFFLINE = "NEARLINE", "OFFLINE"
_STATES = (ONLINE, NEARLINE, OFFLINE, UNAVAILABLE)
_OBJECTS_HEARD_MAX = 100_000


class NotUnderstood(Exception):
    """A notification that cannot be kept, in the protocol's terms: a status (PS3.7 annex C) and the attributes at fault."""

    def __init__(self, dimse_status: int, detail: str, *tags: int) -> None:
        super().__init__(detail)
        self.dimse_status, self.detail, self.tags = dimse_status, detail, tags


@dataclass(frozen=True, slots=True)
class Announced:
    """What a notification says: how many objects of a study there are in each state of Instance Availability."""

    study_instance_uid: str
    series: int
    objects: dict[str, int]
    retrieve_ae_titles: tuple[str, ...]


def read_notification(attributes: JsonDict) -> Announced:
    """Reads the data set of an N-CREATE (PS3.4 table R.3.2-1). Raises NotUnderstood."""
    study = _text(attributes, "0020000D")
    if not study or len(study) > 64:
        raise NotUnderstood(0x0120, "Study Instance UID is missing", 0x0020000D)
    series = _items(attributes, "00081115")
    if not series:
        raise NotUnderstood(0x0120, "Referenced Series Sequence is missing", 0x00081115)
    objects = dict.fromkeys(_STATES, 0)
    titles: dict[str, None] = {}
    for one in series:
        if not _text(one, "0020000E"):
            raise NotUnderstood(0x0120, "Series Instance UID is missing", 0x0020000E)
        for each in _items(one, "00081199"):
            if not _text(each, "00081155"):
                raise NotUnderstood(0x0120, "Referenced SOP Instance UID is missing", 0x00081155)
            state = _text(each, "00080056")
            if state not in objects:
                raise NotUnderstood(0x0106, "Instance Availability is none of its terms", 0x00080056)
            objects[state] += 1
            titles.update(dict.fromkeys(_texts(each, "00080054")))
    if not 0 < sum(objects.values()) <= _OBJECTS_HEARD_MAX:
        raise NotUnderstood(0x0106, "it names no object, or too many", 0x00081199)
    return Announced(study, len(series), objects, tuple(title[:16] for title in titles)[:20])


def _items(attributes: JsonDict, tag: str) -> list[JsonDict]:
    values = attributes.get(tag, {}).get("Value") or []
    return [one for one in values if isinstance(one, dict)]


def _texts(attributes: JsonDict, tag: str) -> list[str]:
    values = attributes.get(tag, {}).get("Value") or []
    return [str(one).strip() for one in values if one]


def _text(attributes: JsonDict, tag: str) -> str:
    return next(iter(_texts(attributes, tag)), "")
