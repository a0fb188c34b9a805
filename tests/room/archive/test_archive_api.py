"""The administrator's view of the archive by HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from archive_fixtures import Store
from common import Api
from wetread.archive.commitment import request_commitment
from wetread.archive.model import Study
from wetread.archive.peers import publish_node, withdraw_node
from wetread.archive.service import Archive
from wetread.security.service import Actor


def test_quarantine_is_seen_and_decided(web: Api, make_dicom: Any, store: Store) -> None:
    first = make_dicom()
    store(first, make_dicom(StudyInstanceUID=first.StudyInstanceUID, PatientID="P2", PatientName="Roe^R"))
    admin = web.as_role("admin")
    page = admin.get("/api/archive/quarantine").json()
    (item,) = page["items"]
    assert (item["reason"], item["patient_name"], item["can_accept"]) == ("patient-differs", "Roe^R", True)
    assert page["total"] == 1
    path = f"/api/archive/quarantine/{item['quarantine_pk']}/resolution"
    assert admin.post(path, json={"resolution": "retried", "reason": "x"}).status_code == 409
    assert admin.post(path, json={"resolution": "discarded", "reason": ""}).status_code == 422
    decided = admin.post(path, json={"resolution": "discarded", "reason": "sent again by the modality"})
    assert (decided.status_code, decided.json()["resolution"]) == (200, "discarded")
    assert admin.get("/api/archive/quarantine").json()["items"] == []
    assert len(admin.get("/api/archive/quarantine", params={"waiting": "false"}).json()["items"]) == 1
    assert web.as_role("technologist").get("/api/archive/quarantine").status_code == 403


def test_application_entities_are_kept_and_called(web: Api) -> None:
    admin = web.as_role("admin")
    body = {
        "ae_title": " CT1 ",
        "host": "10.0.0.7",
        "port": 104,
        "description": "scanner",
        "rights": ["store", "mpps"],
    }
    made = admin.post("/api/archive/application-entities", json=body)
    assert made.status_code == 201
    pk = made.json()["remote_ae_pk"]
    proof = {"is_encrypted": False, "calls_from": [], "certificate_name": None, "user_identity": None}
    assert made.json() == {
        **body,
        **proof,
        "has_passcode": False,
        "ae_title": "CT1",
        "rights": ["mpps", "store"],
        "remote_ae_pk": pk,
    }
    assert admin.post("/api/archive/application-entities", json=body).status_code == 409
    for change in ({"ae_title": "A" * 17}, {"port": 0}, {"host": "a b"}, {"rights": ["everything"]}):
        answer = admin.put(f"/api/archive/application-entities/{pk}", json={**body, **change})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == next(iter(change))
    web.app.state.echo = lambda title, host, port, *, encrypted: (
        None if (title, host, port) == ("CT1", "10.0.0.7", 104) else "?"
    )
    assert admin.post(f"/api/archive/application-entities/{pk}/echo").json() == {
        "answered": True,
        "detail": None,
    }
    assert admin.put(f"/api/archive/application-entities/{pk}", json={**body, "port": 105}).status_code == 200
    assert admin.post(f"/api/archive/application-entities/{pk}/echo").json()["detail"] == "?"
    assert admin.delete(f"/api/archive/application-entities/{pk}").status_code == 204
    assert admin.get("/api/archive/application-entities").json() == []
    assert admin.delete(f"/api/archive/application-entities/{pk}").status_code == 404


def test_how_an_application_entity_proves_itself_is_kept_and_never_shown(web: Api) -> None:
    admin = web.as_role("admin")
    body = {"ae_title": "CT1", "host": "10.0.0.7", "port": 104, "rights": ["store"]}
    proof = {
        "is_encrypted": True,
        "calls_from": ["10.0.0.0/24", "fd00::7"],
        "certificate_name": "ct1.hospital.example",
        "user_identity": "ct",
    }
    made = admin.post("/api/archive/application-entities", json={**body, **proof, "passcode": "seven wards"})
    assert made.status_code == 201, made.text
    assert {**made.json()}.items() >= {**proof, "has_passcode": True}.items()
    assert "seven wards" not in made.text
    path = f"/api/archive/application-entities/{made.json()['remote_ae_pk']}"
    # Who does not speak of it changes nothing of it.
    assert admin.put(path, json=body).json().items() >= {**proof, "has_passcode": True}.items()
    wrong = admin.put(path, json={**body, "calls_from": ["10.0.0.0/33"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "calls_from")
    gone = admin.put(path, json={**body, "user_identity": "", "certificate_name": "", "is_encrypted": False})
    assert gone.json()["has_passcode"] is False
    lonely = admin.put(path, json={**body, "passcode": "of nobody"})
    assert (lonely.status_code, lonely.json()["errors"][0]["field"]) == (422, "user_identity")


def test_associations_and_commitments_are_shown_to_those_who_look_after_them(
    web: Api, archive: Archive
) -> None:
    told = {
        "number": 3,
        "calling_ae_title": "CT1",
        "network_address": "10.0.0.7",
        "encrypted": True,
        "opened_at": "2026-11-25T03:00:00+00:00",
        "operation": "C-STORE",
        "received": 12,
        "sent": 0,
    }
    publish_node(archive.offices, "pacs:1", [told])
    publish_node(archive.offices, "pacs:2", [])
    admin = web.as_role("admin")
    (shown,) = admin.get("/api/archive/associations").json()
    assert (shown["node"], shown["calling_ae_title"], shown["received"]) == ("pacs:1", "CT1", 12)
    withdraw_node(archive.offices, "pacs:1")
    assert admin.get("/api/archive/associations").json() == []
    with archive.offices.work(Actor.system("test")) as work:
        action = {
            "00081195": {"vr": "UI", "Value": ["1.2.3"]},
            "00081199": {
                "vr": "SQ",
                "Value": [
                    {
                        "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
                        "00081155": {"vr": "UI", "Value": ["1.2.3.4"]},
                    }
                ],
            },
        }
        request_commitment(work, action, calling_ae_title="CT1", network_address="10.0.0.7")
    (waiting,) = admin.get("/api/archive/storage-commitments", params={"waiting": "true"}).json()
    assert (waiting["transaction_uid"], waiting["objects"], waiting["failed"]) == ("1.2.3", 1, None)


def test_numbers_and_a_study(web: Api, archive: Archive, make_dicom: Any, store: Store) -> None:
    ds = make_dicom(SeriesNumber=4)
    store(ds, make_dicom(StudyInstanceUID=ds.StudyInstanceUID, SeriesNumber=2))
    numbers = web.as_role("admin").get("/api/archive/storage").json()
    assert (numbers["studies"], numbers["series"], numbers["instances"]) == (1, 2, 2)
    assert numbers["original_bytes"] > 2 * 128 * 128 * 2
    assert numbers["file_system_free_bytes"] > 0
    with archive.offices.database.transaction() as session:
        study_pk = session.scalar(select(Study.study_pk))
    reader = web.as_role("radiologist")
    study = reader.get(f"/api/archive/studies/{study_pk}").json()
    assert (study["patient_name"], study["number_of_study_related_instances"]) == ("Doe^Jane", 2)
    assert [series["series_number"] for series in study["series"]] == [2, 4]
    thumbnail = reader.get(study["series"][0]["thumbnail_url"])
    assert (thumbnail.status_code, thumbnail.headers["content-type"]) == (200, "image/jpeg")
    assert reader.get("/api/archive/studies/999999").status_code == 404
    # A referrer sees nothing until a higher room says what is his.
    assert web.as_role("referrer").get(f"/api/archive/studies/{study_pk}").status_code == 404
    assert web.as_role("referrer").get(study["series"][0]["thumbnail_url"]).status_code == 404


@pytest.mark.parametrize("images", [1, 2, 3, 4])
def test_a_series_of_any_length_has_its_picture(
    web: Api, archive: Archive, make_dicom: Any, store: Store, images: int
) -> None:
    first = make_dicom(InstanceNumber=1)
    same = {"StudyInstanceUID": first.StudyInstanceUID, "SeriesInstanceUID": first.SeriesInstanceUID}
    store(first, *(make_dicom(InstanceNumber=number, **same) for number in range(2, images + 1)))
    with archive.offices.database.transaction() as session:
        study_pk = session.scalar(select(Study.study_pk))
    reader = web.as_role("radiologist")
    (series,) = reader.get(f"/api/archive/studies/{study_pk}").json()["series"]
    assert reader.get(series["thumbnail_url"]).status_code == 200
