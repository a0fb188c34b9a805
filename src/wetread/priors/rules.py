"""Whose a study at another archive is, which are worth fetching unasked, and when to try again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from wetread.scheduling.rules import name_verdict
from wetread.worklist.rules import part, relevance

ATTEMPTS_MAX = 10
PREFETCH_MAX = 20
YEARS_MAX = 99
LEAD_HOURS_MAX = 24 * 30
_FIRST_WAIT_S, _WAIT_S_MAX = 15, 3600
_NOT_IMAGES = frozenset({"SR", "KO", "PR", "SEG", "DOC", "OT", "REG", "AU"})


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asked about: one identifier and its issuer, and what else is known."""

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str | None
    patient_birth_date: date | None
    patient_sex: str | None


@dataclass(frozen=True, slots=True)
class Named:
    """A study as an archive names it. Values are as it says; empty ones are None."""

    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    accession_number: str | None
    modalities_in_study: tuple[str, ...]
    body_parts_examined: tuple[str, ...]
    sop_classes_in_study: tuple[str, ...]
    number_of_study_related_instances: int | None
    patient_name: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None


def reasons_against(person: Person, named: Named) -> list[dict[str, str]]:
    """Field by field, why a study cannot be taken for the person's; empty: it is.

    Archives match as they please (without regard to capitals, by wild cards, or not at all): the answer itself must
    name the identifier, no other issuer, and the birth date. Sex and name must not contradict; alone they prove nothing.
    """
    found: list[dict[str, str]] = []

    def against(field: str, here: str | None, there: str | None) -> None:
        found.append({"field": field, "here": here or "", "there": there or ""})

    if named.patient_id != person.patient_id:
        against("patient_id", person.patient_id, named.patient_id)
    if named.issuer_of_patient_id not in (None, person.issuer_of_patient_id):
        against("issuer_of_patient_id", person.issuer_of_patient_id, named.issuer_of_patient_id)
    born, there = person.patient_birth_date, named.patient_birth_date
    if born is None or there is None or born != there:
        against("patient_birth_date", _iso(born), _iso(there))
    if {person.patient_sex, named.patient_sex} == {"M", "F"}:
        against("patient_sex", person.patient_sex, named.patient_sex)
    if name_verdict(person.patient_name, named.patient_name) == "differs":
        against("patient_name", person.patient_name, named.patient_name)
    return found


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def main_modality(modalities: Iterable[str]) -> str | None:
    """The first that makes images."""
    return next((one for one in modalities if one not in _NOT_IMAGES), None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is ordered, by which priors are judged."""

    modality: str | None
    body_part_examined: str | None


def worth(wanted: Wanted, named: Named) -> int:
    """How much a study tells about what is ordered; 0: nothing known speaks for it.

    Where the archive does not say the body part, its description may.
    """
    parts: Sequence[str | None] = named.body_parts_examined
    region = part(wanted.body_part_examined)
    if not parts:
        words = (named.study_description or "").upper().replace("_", " ").split()
        parts = [word for word in words if region is not None and part(word) == region] or [None]
    images = [one for one in named.modalities_in_study if one not in _NOT_IMAGES]
    best = max(
        (
            relevance(wanted.modality, wanted.body_part_examined, modality, one)
            for modality in images
            for one in parts
        ),
        default=0,
    )
    if region is not None and any(parts) and best < 10:
        return 0  # another region: the same modality says nothing
    return best


def chosen(wanted: Wanted, studies: Iterable[Named], *, most: int, oldest: date) -> list[Named]:
    """What is fetched unasked: the most telling first, of the same worth the newest; undated ones never."""
    ranked = [
        (worth(wanted, one), one.study_date, one)
        for one in studies
        if one.study_date is not None and one.study_date >= oldest
    ]
    ranked.sort(key=lambda each: (-each[0], -each[1].toordinal(), each[2].study_instance_uid))
    return [one for value, _, one in ranked if value > 0][:most]


def wait_after(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts that failed; None where a person must look."""
    if attempts >= ATTEMPTS_MAX:
        return None
    return timedelta(seconds=min(_FIRST_WAIT_S * 2 ** (attempts - 1), _WAIT_S_MAX))
