"""Billing over HTTP, as the biller's screens use it."""

from datetime import date

import pytest
from sqlalchemy import select

from common import Api
from wetread.billing.model import Charge, Claim
from wetread.billing.service import procedure_changed
from wetread.orders.service import (
    Move,
    OrderInput,
    ProcedureChoice,
    ProcedureInput,
    add_procedure,
    move_requested_procedure,
    place_order,
    procedures_of,
)
from wetread.patients.service import PatientInput, PayerInput, payer_by_identifier, register_patient
from wetread.security.model import Practitioner, Site
from wetread.security.service import Actor, Offices

OAK = {"address_line": "3 Oak St", "city": "Boston", "state": "MA", "postal_code": "021151234"}


@pytest.fixture
def done(offices: Offices) -> dict[str, int]:
    """A completed procedure of a patient of whom the biller knows little."""
    with offices.work(Actor.system("test")) as work:
        site = Site(code="RIV", institution_name="Riverside", time_zone="UTC", bills_global=False, **OAK)
        referrer = Practitioner(person_name="Smith^Ann")
        work.session.add_all([site, referrer])
        work.session.flush()
        add_procedure(work, ProcedureInput("CTHEAD", "CT head", "CT"))
        payer = payer_by_identifier(work, PayerInput("BWH01", "Bluewater Health"))
        patient = register_patient(
            work,
            PatientInput(
                "Doe^Jane", patient_birth_date=date(1960, 1, 1), patient_sex="F", patient_address="1 Main", city="Boston",
                state="MA", postal_code="02115",
            ),
        )  # fmt: skip
        request = place_order(
            work,
            OrderInput(
                patient.patient_pk, site.site_pk, [ProcedureChoice(code_value="CTHEAD")],
                referring_practitioner_pk=referrer.practitioner_pk,
            ),
        )  # fmt: skip
        (requested,) = procedures_of(work, request.imaging_service_request_pk)
        move_requested_procedure(work, requested.requested_procedure_pk, Move.START)
        move_requested_procedure(work, requested.requested_procedure_pk, Move.COMPLETE)
        procedure_changed(work, requested.requested_procedure_pk)
        return {
            "site": site.site_pk,
            "referrer": referrer.practitioner_pk,
            "payer": payer.payer_pk,
            "claim": work.session.scalars(select(Claim.claim_pk)).one(),
            "charge": work.session.scalars(select(Charge.charge_pk)).one(),
        }


def test_a_claim_is_mended_step_by_step_until_it_goes_into_a_file(api: Api, done: dict[str, int]) -> None:
    biller, claim = api.as_role("biller"), f"/api/billing/claims/{done['claim']}"
    needs = {q["need"] for q in biller.get("/api/billing/queues").json()["items"] if q["need"]}
    expected = {"coverage", "referrer", "coding", "diagnosis", "fee", "billing_provider", "submitter"}
    assert needs == expected
    for need in expected:
        (row,) = biller.get(f"/api/billing/claims?need={need}&state=draft").json()["items"]
        assert row["patient"]["patient_name"] == "Doe^Jane" and row["procedures"] == ["CT head"]
    assert biller.get(f"{claim}/837").status_code == 409
    number = row["accession_number"]
    for text, claims in ((number, [done["claim"]]), (number[:-1], [])):
        found = biller.post("/api/billing/claims/find", json={"accession_number": text}).json()["items"]
        assert [one["claim_pk"] for one in found] == claims

    submitter = {
        "name": "Riverside", "sender_id": "WETREAD", "contact_name": "Office", "contact_phone": "5551234567",
        "receiver_name": "House", "receiver_id": "HOUSE",
    }  # fmt: skip
    assert biller.put("/api/billing/settings/submitter", json=submitter).status_code == 200
    assert biller.get(f"{claim}/837").status_code == 422
    provider = {"name": "Riverside Imaging", "npi": "1588667638", "tax_id": "123456789", **OAK}
    made = biller.post("/api/billing/settings/providers", json=provider).json()
    sites = {
        "technical_billing_provider_pk": made["billing_provider_pk"],
        "professional_billing_provider_pk": None,
    }
    assert biller.put(f"/api/billing/settings/sites/{done['site']}", json=sites).status_code == 204
    settings = biller.get("/api/billing/settings").json()
    assert (
        settings["submitter"]["sender_id"] == "WETREAD"
        and settings["sites"][0]["technical_billing_provider_pk"]
    )

    coverage = {"payer_pk": done["payer"], "member_id": "BW1"}
    assert (
        biller.put(f"{claim}/coverage", json=coverage).json()["coverage"]["payer_name"] == "Bluewater Health"
    )
    wrong = biller.patch(f"/api/billing/practitioners/{done['referrer']}", json={"npi": "1234567890"})
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"] == "npi"
    assert (
        biller.patch(f"/api/billing/practitioners/{done['referrer']}", json={"npi": "1679576722"}).status_code
        == 200
    )
    coded = biller.patch(
        f"/api/billing/charges/{done['charge']}",
        json={"procedure_code": "70450", "diagnosis_codes": ["R51.9"]},
    ).json()
    assert coded["needs"] == ["fee"] and coded["lines"][0]["diagnoses"][0]["description"].startswith(
        "Headache"
    )
    fee = {"procedure_code": "70450", "modifier": "TC", "amount_minor": 45000}
    assert biller.put("/api/billing/fees", json=fee).status_code == 204
    whole = biller.get(claim).json()
    assert (whole["state"], whole["total_minor"], whole["findings"]) == ("ready", 45000, [])
    assert biller.get(f"{claim}/837").text.startswith("ISA*")

    batch = biller.post("/api/billing/batches", json={}).json()
    pk = batch["batch"]["claim_batch_pk"]
    file = biller.get(f"/api/billing/batches/{pk}/file")
    assert file.headers["content-disposition"].startswith('attachment; filename="837P-')
    assert file.text.count("CLM*") == 1
    assert biller.post(f"/api/billing/batches/{pk}/undo").status_code == 200
    assert biller.post("/api/billing/batches", json={"claim_pks": [done["claim"]]}).status_code == 201
    again = biller.get("/api/billing/batches").json()["items"]
    assert biller.post(f"/api/billing/batches/{again[0]['claim_batch_pk']}/sent").json()["sent_by"]
    assert biller.get(claim).json()["state"] == "sent"
    assert biller.post(f"{claim}/void", json={"reason": "x"}).status_code == 409


def test_smaller_calls(api: Api, done: dict[str, int]) -> None:
    biller, claim = api.as_role("biller"), f"/api/billing/claims/{done['claim']}"
    assert (
        biller.patch(claim, json={"place_of_service": "22", "prior_authorization": "A1"}).json()[
            "place_of_service"
        ]
        == "22"
    )
    assert biller.patch(claim, json={"place_of_service": "xx"}).status_code == 422
    assert biller.post(f"{claim}/recheck").status_code == 200
    assert biller.get("/api/billing/charges?state=draft").json()["items"][0]["procedure_code"] == ""
    assert biller.get("/api/billing/claims/999999").status_code == 404
    assert biller.post(f"{claim}/correct").status_code == 409
    biller.put("/api/billing/fees", json={"procedure_code": "70450", "amount_minor": 100})
    (fee,) = biller.get("/api/billing/fees").json()["items"]
    assert biller.delete(f"/api/billing/fees/{fee['procedure_fee_pk']}").status_code == 204
    assert biller.delete(f"/api/billing/fees/{fee['procedure_fee_pk']}").status_code == 404
    assert biller.post(f"{claim}/void", json={"reason": "Training case"}).json()["state"] == "void"
    assert biller.get("/api/billing/claims?cursor=rubbish").status_code == 422
    assert api.as_role("radiologist").get(claim).status_code == 403
    assert api.as_role("manager").get(claim).status_code == 200
