"""Who works at one site sees reports, priors and key images of that site, and changes none elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import select

from case_fixtures import PASSWORD, Case, Ward
from common import Api
from wetread.kit.errors import NotFound
from wetread.reporting import service
from wetread.reporting.model import KeyImage, Report
from wetread.security.service import Actor, Role
from wetread.worklist import service as worklist


@dataclass
class Patient:
    """One person examined here (RIV) and there (HIL), each with a signed report and a key image."""

    here: Case
    there: Case
    reports: dict[int, int]
    marks: dict[int, int]
    site_there: int


@pytest.fixture
def patient(ward: Ward) -> Patient:
    with ward.made() as work:
        site_there = ward.add_site(work, "HIL")
    here = ward.case()
    requested = ward.ordered("CTCHEST", patient_pk=here.patient_pk, site_pk=site_there)
    study_pk = ward.study(here.patient_pk, part="CHEST", uid=requested.study_instance_uid)
    ward.link(study_pk, requested.requested_procedure_pk)
    there = Case(requested.requested_procedure_pk, study_pk, here.patient_pk)
    made = Patient(here, there, {}, {}, site_there)
    reader = ward.person()
    for case in (here, there):
        with ward.offices.work(reader) as work:
            report = service.open_report(work, [case.requested_procedure_pk])
            made.marks[case.study_pk] = service.mark_key_image(
                work, case.study_pk, *ward.image(case.study_pk)
            ).key_image_pk
        with ward.offices.work(reader) as work:
            sections = {"findings": "None.", "impression": f"Nothing in {case.study_pk}."}
            service.sign(
                work, report.report_pk, "final", sections, report.draft_revision, acknowledged=["no-technique"],
                password=PASSWORD, totp=None,
            )  # fmt: skip
        made.reports[case.study_pk] = report.report_pk
    return made


def test_prior_reports_and_priors_are_those_of_the_own_sites(ward: Ward, patient: Patient) -> None:
    local, everywhere = ward.person("Dr. Local", site_pks=[patient.site_there]), ward.person("Dr. All")
    here, there = patient.here.study_pk, patient.there.study_pk

    def seen(actor: Actor) -> tuple[set[str], set[int]]:
        with ward.offices.work(actor) as work:
            reports = service.prior_reports(work, patient.here.patient_pk)
            priors = worklist.priors(work, there)
            return {one.impression for one in reports}, {one.study_pk for one in priors}

    assert seen(everywhere) == ({f"Nothing in {here}.", f"Nothing in {there}."}, {here})
    assert seen(local) == ({f"Nothing in {there}."}, set())
    with pytest.raises(NotFound), ward.offices.work(local) as work:
        worklist.priors(work, here)
    brought = ward.study(patient.here.patient_pk)  # of no order: whose site it is nobody knows
    assert seen(local)[1] == {brought}


def test_a_report_over_a_procedure_of_another_site_is_not_begun(ward: Ward, patient: Patient) -> None:
    local = ward.person("Dr. Local", site_pks=[patient.site_there])
    new_there = ward.ordered(patient_pk=patient.here.patient_pk, site_pk=patient.site_there)
    new_here = ward.ordered(patient_pk=patient.here.patient_pk)
    both = [new_there.requested_procedure_pk, new_here.requested_procedure_pk]
    with pytest.raises(NotFound), ward.offices.work(local) as work:
        service.open_report(work, both)
    with ward.offices.work(local) as work:
        assert len(service.open_report(work, both[:1]).procedures) == 1


def test_every_door_of_reporting_is_shut_for_another_site(ward: Ward, patient: Patient, api: Api) -> None:
    here, there = patient.here, patient.there
    series, image = ward.image(here.study_pk)
    report = f"/api/reports/{patient.reports[here.study_pk]}"
    sections = {"findings": "x", "impression": "x"}
    proof = {"password": PASSWORD}
    doors = [
        ("GET", report, None),
        ("GET", f"{report}/pdf", None),
        ("POST", "/api/reports", {"requested_procedure_pks": [here.requested_procedure_pk]}),
        ("PUT", f"{report}/draft", {"sections": sections, "draft_revision": 1}),
        ("PUT", f"{report}/template", {"template_key": "general", "draft_revision": 1}),
        ("POST", f"{report}/editor", {"reason": "shift ended"}),
        ("POST", f"{report}/check", {"sections": sections}),
        ("POST", f"{report}/signature", {"kind": "final", "sections": sections, "draft_revision": 1, **proof}),
        ("POST", f"{report}/addenda", {"text": "x", **proof}),
        ("GET", f"/api/studies/{here.study_pk}/key-images", None),
        ("POST", "/api/key-images",
         {"study_pk": here.study_pk, "series_instance_uid": series, "sop_instance_uid": image, "note": "changed"}),
        ("DELETE", f"/api/key-images/{patient.marks[here.study_pk]}", None),
        ("GET", f"/api/reading-list/studies/{here.study_pk}", None),
        ("GET", f"/api/reading-list/studies/{here.study_pk}/priors", None),
    ]  # fmt: skip
    local = api.as_role("radiologist", site_pks=[patient.site_there])
    answers = {
        (method, path): local.request(method, path, json=body).status_code for method, path, body in doors
    }
    assert answers == dict.fromkeys(answers, 404)
    with ward.made() as work:
        assert work.session.scalars(select(KeyImage.note).order_by(KeyImage.key_image_pk)).all() == [
            None,
            None,
        ]
        assert set(work.session.scalars(select(Report.state))) == {"final"}
    mine = api.as_role("radiologist", site_pks=[patient.site_there])
    shown = mine.get(f"/api/studies/{there.study_pk}/key-images")
    assert [one["key_image_pk"] for one in shown.json()] == [patient.marks[there.study_pk]]
    # Theirs to find, and it stands in a signed report.
    assert mine.delete(f"/api/key-images/{patient.marks[there.study_pk]}").status_code == 409
    assert api.as_role(Role.RADIOLOGIST).get(f"/api/studies/{here.study_pk}/key-images").json()
    assert api.as_role(Role.RADIOLOGIST).get("/api/studies/999999/key-images").status_code == 404
