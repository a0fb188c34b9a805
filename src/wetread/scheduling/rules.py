"""Decisions of the scheduling room: state tables as the standards lay them out, slots in wall time, agreement."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from rapidfuzz import fuzz

from wetread.kit.errors import FieldError, IllegalTransition, Invalid
from wetread.patients.rules import name_words


class StepStatus(StrEnum):
    """Scheduled Procedure Step Status (0040,0020); the last three are common usage beside the defined terms."""

    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    READY = "READY"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELED = "CANCELED"


class StepMove(StrEnum):
    """What can happen to a Scheduled Procedure Step."""

    ARRIVE = "arrive"
    PREPARE = "prepare"
    START = "start"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"
    CANCEL = "cancel"
    REVERT = "revert"
    TAKE_BACK = "take back"


_S, _M = StepStatus, StepMove
STEP_MOVES: dict[tuple[StepStatus, StepMove], StepStatus] = {
    (_S.SCHEDULED, _M.ARRIVE): _S.ARRIVED,
    (_S.SCHEDULED, _M.START): _S.STARTED,
    (_S.SCHEDULED, _M.CANCEL): _S.CANCELED,
    (_S.ARRIVED, _M.PREPARE): _S.READY,
    (_S.ARRIVED, _M.START): _S.STARTED,
    (_S.ARRIVED, _M.CANCEL): _S.CANCELED,
    (_S.ARRIVED, _M.REVERT): _S.SCHEDULED,
    (_S.READY, _M.START): _S.STARTED,
    (_S.READY, _M.CANCEL): _S.CANCELED,
    (_S.READY, _M.REVERT): _S.ARRIVED,
    (_S.STARTED, _M.START): _S.STARTED,  # a second performed step of the same scheduled one
    (_S.STARTED, _M.COMPLETE): _S.COMPLETED,
    (_S.STARTED, _M.DISCONTINUE): _S.DISCONTINUED,
    (_S.STARTED, _M.REVERT): _S.SCHEDULED,  # wrong worklist entry selected
    (_S.COMPLETED, _M.START): _S.COMPLETED,  # append case
    (_S.COMPLETED, _M.COMPLETE): _S.COMPLETED,
    # A person had hung another patient's work on it.
    (_S.STARTED, _M.TAKE_BACK): _S.SCHEDULED,
    (_S.COMPLETED, _M.TAKE_BACK): _S.SCHEDULED,
    (_S.DISCONTINUED, _M.TAKE_BACK): _S.SCHEDULED,
}
# What leads from SCHEDULED to a status.
STEP_PATHS: dict[StepStatus, tuple[StepMove, ...]] = {
    _S.SCHEDULED: (),
    _S.ARRIVED: (_M.ARRIVE,),
    _S.READY: (_M.ARRIVE, _M.PREPARE),
    _S.STARTED: (_M.START,),
    _S.COMPLETED: (_M.START, _M.COMPLETE),
    _S.DISCONTINUED: (_M.START, _M.DISCONTINUE),
}
OPEN_STEPS = (_S.SCHEDULED, _S.ARRIVED, _S.READY)
# Within this, the same booking by the same person is the same, asked again because the answer was lost.
ASKED_AGAIN = timedelta(minutes=5)
FINAL_STEPS = (_S.COMPLETED, _S.DISCONTINUED, _S.CANCELED)


def step_after(status: str, move: StepMove) -> StepStatus:
    """The status after `move`. Raises IllegalTransition."""
    try:
        return STEP_MOVES[StepStatus(status), move]
    except KeyError:
        raise IllegalTransition("The procedure step", status, move) from None


def status_without(before: str, others: Collection[str], *, images: bool) -> StepStatus:
    """Where a step stands without the work that a person had hung on it: as its `others` say (Performed Procedure Step
    Status of each), else as its images say, else as it stood `before`."""
    for said, stands in (
        ("IN PROGRESS", _S.STARTED),
        ("COMPLETED", _S.COMPLETED),
        ("DISCONTINUED", _S.DISCONTINUED),
    ):
        if said in others:
            return stands
    return _S.STARTED if images and before in OPEN_STEPS else StepStatus(before)


def contrast_doubt(agent: str | None, allergies: Sequence[str] | None, *, asked_now: bool) -> str | None:
    """Why contrast may not be given without a person's word, or None. `allergies` None: nobody ever asked; any that is
    recorded counts, as which substances react with which is for a person to judge."""
    if not agent:
        return None
    if allergies:
        return "allergies are recorded and contrast is ordered: say why it may be given"
    if allergies is None and not asked_now:
        return "contrast is ordered and nobody has asked about allergies: ask, or say why it cannot wait"
    return None


class AppointmentState(StrEnum):
    """FHIR Appointment.status, as far as it is used here."""

    BOOKED = "booked"
    ARRIVED = "arrived"
    CHECKED_IN = "checked-in"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"


class AppointmentMove(StrEnum):
    """What can happen to an appointment."""

    RESCHEDULE = "reschedule"
    ARRIVE = "arrive"
    CHECK_IN = "check in"
    FULFIL = "fulfil"
    CANCEL = "cancel"
    MISS = "mark as no-show"
    REINSTATE = "reinstate"


_A, _B = AppointmentState, AppointmentMove
APPOINTMENT_MOVES: dict[tuple[AppointmentState, AppointmentMove], AppointmentState] = {
    (_A.BOOKED, _B.RESCHEDULE): _A.BOOKED,
    (_A.BOOKED, _B.ARRIVE): _A.ARRIVED,
    (_A.BOOKED, _B.FULFIL): _A.FULFILLED,
    (_A.BOOKED, _B.CANCEL): _A.CANCELLED,
    (_A.BOOKED, _B.MISS): _A.NOSHOW,
    (_A.ARRIVED, _B.CHECK_IN): _A.CHECKED_IN,
    (_A.ARRIVED, _B.FULFIL): _A.FULFILLED,
    (_A.ARRIVED, _B.CANCEL): _A.CANCELLED,
    (_A.ARRIVED, _B.REINSTATE): _A.BOOKED,
    (_A.CHECKED_IN, _B.FULFIL): _A.FULFILLED,
    (_A.CHECKED_IN, _B.CANCEL): _A.CANCELLED,
    (_A.CHECKED_IN, _B.REINSTATE): _A.ARRIVED,
    (_A.NOSHOW, _B.REINSTATE): _A.BOOKED,  # no-shows must be reversible: they come late
    (_A.FULFILLED, _B.FULFIL): _A.FULFILLED,
    (_A.FULFILLED, _B.REINSTATE): _A.BOOKED,  # wrong worklist entry selected
}


def appointment_after(state: str, move: AppointmentMove) -> AppointmentState:
    """The state after `move`. Raises IllegalTransition."""
    try:
        return APPOINTMENT_MOVES[AppointmentState(state), move]
    except KeyError:
        raise IllegalTransition("The appointment", state, move) from None


def wall_to_utc(day: date, clock: time, zone_name: str, *, second: bool = False) -> datetime:
    """Wall time of a site as an instant. An hour that the clock skips is refused with the next one that exists; of an
    hour that happens twice the first is meant, unless `second`."""
    zone = ZoneInfo(zone_name)
    if _skipped(day, clock, zone):
        later = datetime.combine(day, clock, zone).astimezone(UTC).astimezone(zone)
        raise Invalid(
            "That time does not exist on that day: the clock is put forward.",
            fields=[FieldError("starts_at", f"the next time that exists is {later:%H:%M}")],
        )
    return datetime.combine(day, clock, zone).replace(fold=int(second)).astimezone(UTC)


def hours_of(day: date, opens: time, closes: time, zone_name: str) -> tuple[datetime, datetime]:
    """A day's opening hours as instants. A wall time that the clock skips (midnight in Cairo, once a year) counts by the
    offset before the gap and so lies after it; of a closing hour that happens twice the second is meant."""
    zone = ZoneInfo(zone_name)
    twice = not _skipped(day, closes, zone)
    begin = datetime.combine(day, opens, zone).astimezone(UTC)
    return begin, datetime.combine(day, closes, zone).replace(fold=int(twice)).astimezone(UTC)


def _skipped(day: date, clock: time, zone: ZoneInfo) -> bool:
    local = datetime.combine(day, clock, zone)
    return local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Slot:
    """A free slot on a resource."""

    modality_resource_pk: int
    starts_at: datetime
    ends_at: datetime


def free_slots(
    modality_resource_pk: int,
    day: date,
    opens: time,
    closes: time,
    zone_name: str,
    taken: Sequence[tuple[datetime, datetime]],
    minutes: int,
    not_before: datetime,
    *,
    grid_minutes: int = 5,
) -> list[Slot]:
    """Free slots of that length within the day's opening hours, on a grid, in the order of time."""
    begin, end = hours_of(day, opens, closes, zone_name)
    length, grid = timedelta(minutes=minutes), timedelta(minutes=grid_minutes)
    busy = sorted(taken)
    found: list[Slot] = []
    at = begin
    if not_before > at:
        steps = -(-(not_before - begin) // grid)
        at = begin + steps * grid
    while at + length <= end:
        clash = next((stop for start, stop in busy if start < at + length and stop > at), None)
        if clash is None:
            found.append(Slot(modality_resource_pk, at, at + length))
            at += max(length, grid)
        else:
            at = begin + -(-(clash - begin) // grid) * grid
    return found


@dataclass(frozen=True, slots=True)
class Demographics:
    """Who a study or an order says it is about."""

    patient_name: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    identifiers: frozenset[tuple[str, str]]  # (issuer, id)


def disagreements(order: Demographics, study: Demographics) -> list[dict[str, str]]:
    """Field by field, what speaks against the study being this patient's; empty: they agree.

    The identifier must be one of the patient's, with its issuer; name, birth date and sex must not contradict it.
    """
    found: list[dict[str, str]] = []
    if not study.identifiers & order.identifiers:
        found.append(_difference("patient_id", _ids(order.identifiers), _ids(study.identifiers)))
    if (
        order.patient_birth_date
        and study.patient_birth_date
        and order.patient_birth_date != study.patient_birth_date
    ):
        found.append(
            _difference(
                "patient_birth_date",
                order.patient_birth_date.isoformat(),
                study.patient_birth_date.isoformat(),
            )
        )
    sexes = {order.patient_sex, study.patient_sex}
    if sexes == {"M", "F"}:
        found.append(_difference("patient_sex", order.patient_sex or "", study.patient_sex or ""))
    if order.patient_name and study.patient_name and not names_agree(order.patient_name, study.patient_name):
        found.append(_difference("patient_name", order.patient_name, study.patient_name))
    return found


class Verdict(StrEnum):
    """How one field of a study and of an order stand to one another."""

    AGREES = "agrees"
    SIMILAR = "similar"
    DIFFERS = "differs"
    ABSENT = "absent"  # one of the two does not say


def name_verdict(order: str | None, study: str | None) -> Verdict:
    """Names: the same words in any group, words in common or spelt alike, or neither."""
    if not order or not study:
        return Verdict.ABSENT
    left, right = set(name_words(order).split()), set(name_words(study).split())
    if not left or not right:
        return Verdict.ABSENT
    if left <= right or right <= left:
        return Verdict.AGREES
    return Verdict.SIMILAR if names_agree(order, study) else Verdict.DIFFERS


_SIDES = {
    "L": ("left", "lt", "links", "linke", "linker", "linkes", "gauche", "izquierda", "izquierdo", "sinistra", "sinistro"),
    "R": ("right", "rt", "rechts", "rechte", "rechter", "rechtes", "droit", "droite", "derecha", "derecho", "destra", "destro"),
    "B": ("bilateral", "bilaterale", "both", "beidseits", "bds"),
}  # fmt: skip
_SIDE_OF = {word: side for side, words in _SIDES.items() for word in words}


def side_of(description: str | None) -> str:
    """The laterality (L, R, B) that a description spells out; empty where it names none. A lone letter says nothing: the
    L of "L spine" is no side."""
    sides = {_SIDE_OF[word] for word in re.findall(r"\w+", (description or "").lower()) if word in _SIDE_OF}
    return "B" if "B" in sides or len(sides) == 2 else "".join(sides)


def verdict(order: object, study: object) -> Verdict:
    """Values that are the same or are not."""
    if not order or not study:
        return Verdict.ABSENT
    return Verdict.AGREES if order == study else Verdict.DIFFERS


def names_agree(one: str, other: str) -> bool:
    """Whether two names may be one person's: any group's words overlap, spelling apart."""
    left, right = set(name_words(one).split()), set(name_words(other).split())
    if not left or not right or left & right:
        return True
    return max(fuzz.ratio(a, b) for a in left for b in right) >= 80


def _difference(field: str, order: str, study: str) -> dict[str, str]:
    return {"field": field, "order": order, "study": study}


def _ids(identifiers: Iterable[tuple[str, str]]) -> str:
    return ", ".join(
        f"{identifier} ({issuer})" if issuer else identifier for issuer, identifier in sorted(identifiers)
    )


# Scheduled Procedure Step Priority (0074,1200) of a Requested Procedure Priority: PS3.3 C.30.2 has HIGH for what is as
# urgent as STAT, LOW for routine.
WORKITEM_PRIORITY = {"STAT": "HIGH", "HIGH": "MEDIUM", "ROUTINE": "LOW"}
# Code meanings of the modalities that are booked (PS3.16 CID 29, scheme DCM).
STATION_CLASSES = {
    "BMD": "Bone Mineral Densitometry",
    "CR": "Computed Radiography",
    "CT": "Computed Tomography",
    "DX": "Digital Radiography",
    "ES": "Endoscopy",
    "IO": "Intra-oral Radiography",
    "IVUS": "Intravascular Ultrasound",
    "MG": "Mammography",
    "MR": "Magnetic Resonance",
    "NM": "Nuclear Medicine",
    "OP": "Ophthalmic Photography",
    "PT": "Positron emission tomography",
    "PX": "Panoramic X-Ray",
    "RF": "Radiofluoroscopy",
    "RG": "Radiographic imaging",
    "US": "Ultrasound",
    "XA": "X-Ray Angiography",
}

MPPS_REQUIRED = {
    # tag → (keyword, type 1: must hold a value). PS3.4 table F.7.2-1, N-CREATE.
    "00400270": "ScheduledStepAttributesSequence",
    "00400253": "PerformedProcedureStepID",
    "00400241": "PerformedStationAETitle",
    "00400244": "PerformedProcedureStepStartDate",
    "00400245": "PerformedProcedureStepStartTime",
    "00400252": "PerformedProcedureStepStatus",
    "00080060": "Modality",
}
WRONG_WORKLIST_ENTRY = "110514"  # DCM, CID 9300: "Incorrect worklist entry selected"
# Attributes that an N-SET may not change (PS3.4 table F.7.2-1).
MPPS_FIXED = frozenset(
    {"00400270", "00100010", "00100020", "00400253", "00400241", "00400244", "00400245", "00080060"}
)
