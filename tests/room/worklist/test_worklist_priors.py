"""Earlier studies: the most telling first."""

from __future__ import annotations

from datetime import date

import pytest

from case_fixtures import Ward
from wetread.kit.errors import NotFound
from wetread.reporting.service import open_report
from wetread.security.service import Actor
from wetread.worklist import rules, service


def priors(ward: Ward, actor: Actor, study_pk: int) -> list[service.PriorStudy]:
    with ward.offices.work(actor) as work:
        return service.priors(work, study_pk)


def test_the_same_region_then_the_same_kind_then_the_newest(ward: Ward) -> None:
    patient = ward.patient()
    current = ward.study(patient, modality="CT", part="HEAD", study_date=date(2026, 11, 25))
    old_ct_head = ward.study(patient, modality="CT", part="BRAIN", study_date=date(2020, 1, 1))
    new_ct_head = ward.study(patient, modality="CT", part="HEAD", study_date=date(2025, 1, 1))
    mr_head = ward.study(patient, modality="MR", part="HEAD", study_date=date(2026, 11, 1))
    us_head = ward.study(patient, modality="US", part="HEAD", study_date=date(2026, 11, 2))
    ct_chest = ward.study(patient, modality="CT", part="CHEST", study_date=date(2026, 11, 20))
    knee = ward.study(patient, modality="DX", part="KNEE", study_date=date(2026, 11, 24))
    undated = ward.study(patient, modality="DX", part=None, study_date=None)
    ward.study(ward.patient("Moss^Ada"), modality="CT", part="HEAD", study_date=date(2026, 11, 23))
    found = priors(ward, ward.person(), current)
    assert [one.study_pk for one in found] == [
        new_ct_head, old_ct_head, mr_head, us_head, ct_chest, knee, undated,
    ]  # fmt: skip
    assert [one.relevance for one in found] == [13, 13, 12, 10, 3, 0, 0]


def test_a_prior_brings_its_report(ward: Ward) -> None:
    case = ward.case()
    reader = ward.person()
    with ward.offices.work(reader) as work:
        report = open_report(work, [case.requested_procedure_pk])
    current = ward.study(report.patient.patient_pk)
    assert [(one.study_pk, one.report_pk) for one in priors(ward, reader, current)] == [
        (case.study_pk, report.report_pk)
    ]


def test_a_study_that_is_nobodys_yet_has_no_priors(ward: Ward) -> None:
    patient = ward.patient()
    ward.study(patient)
    unmatched = ward.study(None)
    ward.study(None)
    assert priors(ward, ward.person(), unmatched) == []
    with pytest.raises(NotFound):
        priors(ward, ward.person(), unmatched + 1000)


@pytest.mark.parametrize(
    ("study", "prior", "expected"),
    [
        (("CT", "HEAD"), ("CT", "SKULL"), 13),
        (("DX", "CHEST"), ("CR", "THORAX"), 13),
        (("DX", "CHEST"), ("CT", "LUNG"), 11),
        (("CT", "PELVIS"), ("US", "ABDOMEN"), 10),
        (("MG", "BREAST"), ("MR", "BREAST"), 12),
        (("NM", "HEART"), ("NM", "HEART"), 13),
        (("CT", None), ("CT", None), 3),
        (("CT", "head"), ("CT", "HEAD"), 13),
        ((None, None), (None, None), 0),
        (("CT", "HEAD"), ("DX", "KNEE"), 0),
    ],
)
def test_relevance(
    study: tuple[str | None, str | None], prior: tuple[str | None, str | None], expected: int
) -> None:
    assert rules.relevance(*study, *prior) == expected
