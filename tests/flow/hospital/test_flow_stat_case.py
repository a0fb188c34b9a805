"""The 3 AM case through the running product: HL7 order, worklist, MPPS, images, automatic link, reading list, report."""

from __future__ import annotations

from typing import Any

import pytest

from hospital_fixtures import Hospital
from wetread.app.demo.stat import play_stat_case


@pytest.mark.timeout(240)
def test_the_case_from_order_to_signed_report(hospital: Hospital) -> None:
    said: list[str] = []
    played = play_stat_case(
        "127.0.0.1", hospital.dicom, hospital.hl7, "WETREAD", pace=0, seed=7, say=said.append
    )
    assert played.images > 30

    def listed() -> Any:
        items = hospital.ask("GET", "/api/reading-list", "radiologist")[1]["items"]
        return next((one for one in items if one["accession_number"] == played.accession_number), None)

    item = hospital.wait(listed, 10)
    assert item["requested_procedure_priority"] == "STAT"
    assert item["patient"]["patient_id"] == played.patient_id
    assert item["study_instance_uid"] == played.study_instance_uid
    assert item["number_of_study_related_instances"] == played.images
    hospital.wait(lambda: listed()["procedure_state"] == "COMPLETED", 10)

    status, series = hospital.ask(
        "GET", f"/dicom-web/studies/{played.study_instance_uid}/series", "radiologist"
    )
    assert status == 200
    assert sum(one["00201209"]["Value"][0] for one in series) == played.images

    status, report = hospital.ask(
        "POST", "/api/reports", "radiologist", {"requested_procedure_pks": [item["requested_procedure_pk"]]}
    )
    assert status == 200, report
    sections = {**report["draft_sections"], "impression": "Acute right-sided intracerebral haemorrhage."}
    signing = {"kind": "final", "sections": sections, "draft_revision": report["draft_revision"]}
    wrong = {**signing, "password": "not the password at all"}
    assert (
        hospital.ask("POST", f"/api/reports/{report['report_pk']}/signature", "radiologist", wrong)[0] == 403
    )
    right = {**signing, "password": hospital.password("radiologist")}
    status, signed = hospital.ask(
        "POST", f"/api/reports/{report['report_pk']}/signature", "radiologist", right
    )
    assert status == 200, signed
    assert signed["state"] == "final"
    status, pdf = hospital.ask("GET", f"/api/reports/{report['report_pk']}/pdf", "radiologist")
    assert status == 200
    assert pdf.startswith(b"%PDF-")
    # Billing sees no report, and a referrer no reading list.
    assert hospital.ask("GET", f"/api/reports/{report['report_pk']}", "biller")[0] == 403
    assert hospital.ask("GET", "/api/reading-list", "referrer")[0] == 403
