"""What the front desk asks before and after a booking: when could it be, and when is it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from wetread.kit.errors import NotFound
from wetread.orders.model import Procedure
from wetread.scheduling import service
from wetread.security.model import AuditRecord

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
