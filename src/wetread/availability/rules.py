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
