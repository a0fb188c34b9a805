"""Whose a study is, and which matter."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from wetread.priors.rules import (
    ATTEMPTS_MAX,
    Named,
    Person,
    Wanted,
    chosen,
    reasons_against,
    wait_after,
    worth,
)

JANE = Person("P1", "CITY", "Doe^Jane", date(1980, 3, 4), "F")


def named(**fields: Any) -> Named:
    values: dict[str, Any] = {
        "study_instance_uid": "1.2", "study_date": date(2024, 1, 5), "study_description": None, "accession_number": None,
        "modalities_in_study": ("CT",), "body_parts_examined": ("HEAD",), "sop_classes_in_study": (),
        "number_of_study_related_instances": 1, "patient_name": "Doe^Jane", "patient_id": "P1",
        "issuer_of_patient_id": None, "patient_birth_date": date(1980, 3, 4), "patient_sex": "F", **fields,
    }  # fmt: skip
    return Named(**values)


@pytest.mark.parametrize(
    ("fields", "against"),
    [
        ({}, []),
        ({"issuer_of_patient_id": "CITY"}, []),
        ({"patient_sex": None}, []),
        ({"patient_sex": "O"}, []),
        ({"patient_name": None}, []),
        ({"patient_name": "DOE^JANE^MARY"}, []),
        ({"patient_id": "p1"}, ["patient_id"]),
        ({"patient_id": None}, ["patient_id"]),
        ({"issuer_of_patient_id": "TOWN"}, ["issuer_of_patient_id"]),
        ({"patient_birth_date": None}, ["patient_birth_date"]),
        ({"patient_birth_date": date(1980, 4, 3)}, ["patient_birth_date"]),
        ({"patient_sex": "M"}, ["patient_sex"]),
        ({"patient_name": "Zimmer^Anton"}, ["patient_name"]),
        ({"patient_id": "P2", "patient_birth_date": date(1970, 1, 1)}, ["patient_id", "patient_birth_date"]),
    ],
)
def test_what_speaks_against(fields: dict[str, Any], against: list[str]) -> None:
    assert [one["field"] for one in reasons_against(JANE, named(**fields))] == against


def test_a_name_alone_proves_nothing() -> None:
    found = reasons_against(JANE, named(patient_id="Q7", patient_birth_date=None))
    assert {one["field"] for one in found} == {"patient_id", "patient_birth_date"}


def test_the_same_region_counts_first_then_the_kindred_modality() -> None:
    head = Wanted("CT", "HEAD")
    assert worth(head, named()) > worth(
        head, named(modalities_in_study=("MR",), body_parts_examined=("BRAIN",))
    )
    assert worth(head, named(body_parts_examined=("FOOT",))) == 0
    assert worth(head, named(body_parts_examined=(), study_description="CT SKULL")) == worth(head, named())
    assert worth(head, named(body_parts_examined=())) > 0  # of an unknown region, but of the same modality
    assert worth(head, named(modalities_in_study=("SR",))) == 0


def test_the_most_telling_and_then_the_newest_are_chosen() -> None:
    studies = [
        named(study_instance_uid="old", study_date=date(2001, 1, 1)),
        named(study_instance_uid="undated", study_date=None),
        named(study_instance_uid="foot", body_parts_examined=("FOOT",), study_date=date(2026, 1, 1)),
        named(study_instance_uid="mr", modalities_in_study=("MR",), study_date=date(2026, 1, 1)),
        named(study_instance_uid="a", study_date=date(2020, 1, 1)),
        named(study_instance_uid="b", study_date=date(2023, 1, 1)),
    ]
    found = chosen(Wanted("CT", "HEAD"), studies, most=3, oldest=date(2016, 1, 1))
    assert [one.study_instance_uid for one in found] == ["b", "a", "mr"]
    assert chosen(Wanted("CT", "HEAD"), studies, most=0, oldest=date(2016, 1, 1)) == []


def test_waiting_grows_and_ends() -> None:
    waits = [wait_after(attempt) for attempt in range(1, ATTEMPTS_MAX + 1)]
    assert waits[-1] is None
    known = [wait for wait in waits if wait is not None]
    assert known == sorted(known)
    assert len(known) == ATTEMPTS_MAX - 1
