"""What the front desk asks before and after a booking: when could it be, and when is it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.kit.errors import Conflict, Denied, NotFound
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.orders.service import OrderInput, ProcedureChoice
from wetread.scheduling import service
from wetread.scheduling.model import ScheduledProcedureStep
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, AuditEventID, Offices, Role, Work

WEDNESDAY_7 = datetime(2026, 11, 25, 12, tzinfo=UTC)


def catalogue_pk(hospital: Any, code: str) -> int:
    return int(
        hospital.work.session.scalars(
            select(Procedure.procedure_pk).where(Procedure.code_value == code)
        ).one()
    )


def test_slots_before_an_order_are_the_slots_after_it(hospital: Any) -> None:
    pk = catalogue_pk(hospital, "CTHEAD")
    before = service.first_slots_of_procedure(hospital.work, pk, site_pk=hospital.east)
    (requested,) = hospital.order()
    assert before == service.first_slots(hospital.work, requested.requested_procedure_pk)
    assert {slot.modality_resource_pk for slot in before} == {hospital.ct1, hospital.ct2}
    elsewhere = service.first_slots_of_procedure(hospital.work, pk, site_pk=hospital.west, count=2)
    assert {slot.modality_resource_pk for slot in elsewhere} == {hospital.ct_west}
    assert elsewhere[0].ends_at - elsewhere[0].starts_at == timedelta(minutes=15)


def test_slots_of_nothing_known_are_refused(api: Any, hospital: Any) -> None:
    with pytest.raises(NotFound):
        service.first_slots_of_procedure(hospital.work, 10**9, site_pk=hospital.east)
    refused = api.as_role("front_desk").get("/api/schedule/slots", params={"procedure_pk": 1})
    assert refused.status_code == 422
    assert "site_pk" in refused.text


def test_a_patient_is_told_every_booking_and_only_their_own(hospital: Any) -> None:
    mine, other = hospital.patient(), hospital.patient("Roe^Richard")
    late, early = hospital.order(mine, "CTHEAD", "CTCHEST")
    (theirs,) = hospital.order(other)
    for requested, at in ((late, 60), (early, 0), (theirs, 120)):
        service.schedule(
            hospital.work, requested.requested_procedure_pk, hospital.ct1, WEDNESDAY_7 + timedelta(minutes=at)
        )
    found = service.bookings_of_patient(hospital.work, mine)
    assert [one.requested_procedure_pk for one in found] == [
        early.requested_procedure_pk,
        late.requested_procedure_pk,
    ]
    hospital.work.session.flush()
    looked = hospital.work.session.scalars(
        select(AuditRecord).where(AuditRecord.object_type == "bookings of patient")
    ).all()
    assert [one.patient_pk for one in looked] == [mine]


def test_the_catalogue_is_open_to_the_desk(api: Any, hospital: Any) -> None:
    desk = api.as_role("front_desk")
    found = desk.post("/api/procedures/find", json={"text": "ct he"}).json()["items"]
    assert [one["code_value"] for one in found] == ["CTHEAD"]
    assert api.as_role("referrer").get("/api/procedures").status_code == 403


def test_an_order_and_its_booking_are_made_together_or_not_at_all(api: Any, hospital: Any) -> None:
    desk = api.as_role("front_desk")
    head = hospital.order(hospital.patient("Roe^Ann"))[0].procedure_pk
    patient_pk = hospital.patient()
    hospital.work.session.flush()
    body = {
        "patient_pk": patient_pk, "site_pk": hospital.east, "procedures": [{"procedure_pk": head}],
        "reason_for_the_requested_procedure": "Headache", "modality_resource_pk": hospital.ct1,
        "starts_at": WEDNESDAY_7.isoformat(),
    }  # fmt: skip

    def orders_of(patient: int) -> list[str]:
        query = (
            select(RequestedProcedure.state)
            .join(ImagingServiceRequest)
            .where(ImagingServiceRequest.patient_pk == patient)
            .order_by(RequestedProcedure.requested_procedure_pk)
        )
        return list(hospital.work.session.scalars(query))

    made = desk.post("/api/schedule/orders", json=body)
    assert made.status_code == 201, made.text
    order, booking = made.json()["order"], made.json()["booking"]
    assert booking["starts_at"] == "2026-11-25T12:00:00Z"
    assert booking["accession_number"] == order["imaging_service_request"]["accession_number"]
    assert order["lines"][0]["requested_procedure"]["reason_for_the_requested_procedure"] == "Headache"
    assert (order["state"], orders_of(patient_pk)) == ("SCHEDULED", ["SCHEDULED"])

    other = hospital.patient("Poe^Eve")
    hospital.work.session.flush()
    taken = desk.post("/api/schedule/orders", json={**body, "patient_pk": other})
    assert (taken.status_code, [one["field"] for one in taken.json()["errors"]]) == (409, ["starts_at"])
    wrong = {**body, "patient_pk": other, "starts_at": (WEDNESDAY_7 + timedelta(hours=1)).isoformat()}
    for change, field in (
        ({"modality_resource_pk": hospital.mr}, "modality_resource_pk"),
        ({"procedures": [{"procedure_pk": head}, {"code_value": "CTCHEST"}]}, "procedures"),
        ({"starts_at": "2026-11-25T12:00:00"}, "starts_at"),
        ({"diagnosis_codes": ["nonsense"]}, "diagnosis_codes"),
    ):
        refused = desk.post("/api/schedule/orders", json={**wrong, **change})
        assert (refused.status_code, [one["field"] for one in refused.json()["errors"]]) == (422, [field])
    assert desk.post("/api/schedule/orders", json={**wrong, "modality_resource_pk": 10**9}).status_code == 404
    assert orders_of(other) == [], "no order is left that nobody booked"


def test_who_asks_again_because_the_answer_was_lost_gets_what_was_made(
    hospital: Any, work_as: Any, clock: FixedClock
) -> None:
    patient_pk, place = hospital.patient(), (hospital.ct1, WEDNESDAY_7)
    given = OrderInput(patient_pk, hospital.east, [ProcedureChoice(code_value="CTHEAD")])
    with work_as(Role.FRONT_DESK) as desk:
        first = service.order_and_book(desk, given, *place)
        assert service.order_and_book(desk, given, *place) is first
        now = service.order_and_book(desk, given, hospital.ct2, None)
        assert now.scheduled_procedure_step_status == "ARRIVED"
        assert service.order_and_book(desk, given, hospital.ct2, None) is now
        chest = replace(given, procedures=[ProcedureChoice(code_value="CTCHEST")])
        assert service.order_and_book(desk, chest, hospital.ct2, None) is not now
        with pytest.raises(Conflict), work_as(Role.FRONT_DESK, username="other") as other:
            service.order_and_book(other, given, *place)
        clock.advance(timedelta(minutes=6))
        with pytest.raises(Conflict):
            service.order_and_book(desk, given, *place)
        assert service.order_and_book(desk, given, hospital.ct2, None) is not now
    for role in (Role.MANAGER, Role.REFERRER, Role.TECHNOLOGIST):
        with work_as(role) as work, pytest.raises(Denied):
            service.order_and_book(work, given, hospital.ct2, None)


@pytest.mark.parametrize("desks", ["one desk, pressed twice", "two desks"])
def test_the_same_at_one_instant_is_made_once(
    desks: str, clean_database: Database, furnished: Callable[[Work], Any]
) -> None:
    offices = Offices(clean_database, FixedClock(datetime(2026, 11, 25, 3, tzinfo=UTC)))
    with offices.work(Actor.system("test")) as work:
        hospital = furnished(work)
        given = OrderInput(hospital.patient(), hospital.east, [ProcedureChoice(code_value="CTHEAD")])
        ct1 = hospital.ct1
    barrier = threading.Barrier(2)
    outcomes: list[int | str] = []

    def desk(number: int) -> None:
        name = "desk" if desks.startswith("one") else f"desk {number}"
        try:
            with offices.work(Actor.system(name)) as work:
                barrier.wait(10)
                step = service.order_and_book(work, given, ct1, None)
                work.audit(AuditEventID.PROCEDURE_RECORD, "R")
            outcomes.append(step.scheduled_procedure_step_pk)
        except Conflict as refused:
            outcomes.append(refused.detail)

    threads = [threading.Thread(target=desk, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with offices.work(Actor.system("test")) as work:
        (made,) = work.session.scalars(select(ScheduledProcedureStep.scheduled_procedure_step_pk))
        assert work.session.scalar(select(func.count()).select_from(ImagingServiceRequest)) == 1
        work.audit(AuditEventID.QUERY, "E")
    if desks.startswith("one"):
        assert outcomes == [made, made]
    else:
        (told,) = [one for one in outcomes if one != made]
        assert "booked the same for this patient a moment ago" in str(told)


def test_what_a_form_sends_again_is_made_once_however_late(
    api: Any, hospital: Any, clock: FixedClock
) -> None:
    desk = api.as_role("front_desk")
    patient_pk, other = hospital.patient(), hospital.patient("Roe^Ann")
    hospital.work.session.flush()
    body = {
        "patient_pk": patient_pk, "site_pk": hospital.east, "procedures": [{"code_value": "CTHEAD"}],
        "modality_resource_pk": hospital.ct1, "idempotency_key": "6c1d1f4e-0d55-4f4d-9a53-2a9d5b7f3f10",
    }  # fmt: skip
    first = desk.post("/api/schedule/orders", json=body)
    assert first.status_code == 201, first.text
    clock.advance(timedelta(hours=1))
    again = desk.post("/api/schedule/orders", json=body)
    assert again.json()["booking"]["appointment_pk"] == first.json()["booking"]["appointment_pk"]
    assert again.json()["booking"]["accession_number"] == first.json()["booking"]["accession_number"]
    # A form that another patient's booking came from is no proof that this one was made.
    refused = desk.post("/api/schedule/orders", json={**body, "patient_pk": other})
    assert (refused.status_code, "Open it again" in refused.json()["detail"]) == (409, True)
    with_new = {**body, "idempotency_key": "6c1d1f4e-0d55-4f4d-9a53-2a9d5b7f3f11"}
    anew = desk.post("/api/schedule/orders", json=with_new)
    assert anew.status_code == 201
    assert anew.json()["booking"]["appointment_pk"] != first.json()["booking"]["appointment_pk"]
