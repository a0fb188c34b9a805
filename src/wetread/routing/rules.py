"""What a rule can ask of a study, and how a study on its way moves on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from wetread.dicom.transfersyntax import (
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)
from wetread.kit.errors import FieldError, Invalid

CONDITIONS_MAX = 20
VALUES_MAX = 100
ATTEMPTS_MAX = 12
_FIRST_WAIT_S, _WAIT_S_MAX = 15, 3600

SOURCE = "SourceApplicationEntityTitle"
KEYWORDS: Mapping[str, str] = {
    "Modality": "series",
    "BodyPartExamined": "series",
    "SeriesDescription": "series",
    "ProtocolName": "series",
    "StationName": "series",
    "InstitutionName": "series",
    "Manufacturer": "series",
    SOURCE: "series",
    "StudyDescription": "study",
    "ReferringPhysicianName": "study",
    "PatientID": "study",
    "IssuerOfPatientID": "study",
    "AccessionNumber": "study",
}
"""What conditions can look at, and at which level it stands; of a series' attribute any value in the study counts."""


COMPRESSIONS: Mapping[str, str] = {
    HTJ2K_LOSSLESS_RPCL: "High-Throughput JPEG 2000, lossless",
    JPEG_2000_LOSSLESS: "JPEG 2000, lossless",
    JPEG_LS_LOSSLESS: "JPEG-LS, lossless",
    RLE_LOSSLESS: "RLE, lossless",
}
"""What a rule can have pictures compressed to. None is lossy: that would be another image, not another form of it."""


class Operator(StrEnum):
    """How values are compared, without regard to capitals."""

    IS = "is"  # one of the values
    IS_NOT = "is_not"  # none of them
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    EXISTS = "exists"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Condition:
    """One demand on a study."""

    keyword: str
    operator: Operator
    values: tuple[str, ...] = ()

    def met_by(self, facts: Mapping[str, frozenset[str]]) -> bool:
        """Whether it holds for a study with these values by keyword."""
        found = {value.casefold() for value in facts.get(self.keyword, ())}
        wanted = [value.casefold() for value in self.values]
        match self.operator:
            case Operator.EXISTS:
                return bool(found)
            case Operator.ABSENT:
                return not found
            case Operator.IS:
                return not found.isdisjoint(wanted)
            case Operator.IS_NOT:
                return found.isdisjoint(wanted)
            case Operator.CONTAINS:
                return any(want in one for want in wanted for one in found)
            case Operator.STARTS_WITH:
                return any(one.startswith(want) for want in wanted for one in found)


def conditions_of(raw: Iterable[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Checked conditions. Raises Invalid naming `conditions.<place>.<field>`."""
    faults: list[FieldError] = []
    made: list[Condition] = []
    rows = list(raw)
    if len(rows) > CONDITIONS_MAX:
        faults.append(FieldError("conditions", f"has at most {CONDITIONS_MAX}"))
    for place, row in enumerate(rows[:CONDITIONS_MAX]):
        keyword, operator = str(row.get("keyword", "")), str(row.get("operator", ""))
        values = tuple(str(value).strip() for value in row.get("values", ()))
        where = f"conditions.{place}"
        if keyword not in KEYWORDS:
            faults.append(FieldError(f"{where}.keyword", "is not open to conditions"))
        if operator not in set(Operator):
            faults.append(FieldError(f"{where}.operator", "is none"))
            continue
        bare = operator in (Operator.EXISTS, Operator.ABSENT)
        if bare == bool(values):
            faults.append(FieldError(f"{where}.values", "takes none" if bare else "needs at least one"))
        if len(values) > VALUES_MAX or any(not 1 <= len(value) <= 64 for value in values):
            faults.append(
                FieldError(f"{where}.values", f"has at most {VALUES_MAX} values of 1 to 64 characters")
            )
        made.append(Condition(keyword, Operator(operator), values))
    if faults:
        raise Invalid("Some conditions need attention.", fields=faults)
    return tuple(made)


def stored(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    """The conditions as JSON."""
    return [{**asdict(one), "values": list(one.values)} for one in conditions]


def wait_after(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts that failed; None where a person must look."""
    if attempts >= ATTEMPTS_MAX:
        return None
    return timedelta(seconds=min(_FIRST_WAIT_S * 2 ** (attempts - 1), _WAIT_S_MAX))
