"""The audit chain finds every kind of tampering, and the database refuses most of it."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from common import Api
from wetread.kit.db import Database
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, AuditEventID, AuditMissing, Offices, Permission, seal, verify


def write(offices: Offices, count: int) -> None:
    with offices.work(Actor.system("test")) as work:
        for number in range(count):
            work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=number, detail={"why": "ä 漢"})


def test_a_sealed_chain_verifies_and_counts_what_waits(offices: Offices) -> None:
    write(offices, 5)
    with offices.database.transaction() as session:
        assert seal(session) == 5
    write(offices, 2)
    with offices.database.transaction() as session:
        verdict = verify(session)
        assert (verdict.sealed, verdict.waiting, verdict.fault) == (5, 2, None)
        seal(session)
        assert verify(session).head != verdict.head


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        ("UPDATE audit_record SET user_id = 'other' WHERE seal_number = 3", "content differs from its seal"),
        ("DELETE FROM audit_record WHERE seal_number = 3", "a record is missing"),
        (
            "UPDATE audit_record SET seal_number = CASE seal_number WHEN 3 THEN -4 ELSE -3 END WHERE seal_number IN (3, 4);"
            "UPDATE audit_record SET seal_number = -seal_number WHERE seal_number < 0",
            "content differs from its seal",
        ),
    ],
    ids=["changed", "removed", "reordered"],
)
def test_the_verifier_names_the_tampered_record(clean_database: Database, tamper: str, reason: str) -> None:
    offices = Offices(clean_database)
    write(offices, 6)
    with clean_database.transaction() as session:
        seal(session)
    with psycopg.connect(clean_database.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE audit_record DISABLE TRIGGER USER")
        connection.execute(tamper.encode())
        connection.execute("ALTER TABLE audit_record ENABLE TRIGGER USER")
    with clean_database.transaction() as session:
        fault = verify(session).fault
    assert fault is not None
    assert (fault.seal_number, fault.reason) == (3, reason)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_record SET user_id = 'other'",
        "DELETE FROM audit_record",
        "TRUNCATE audit_record",
        "UPDATE audit_record SET seal_number = 99, user_id = 'x'",
    ],
)
def test_the_database_refuses_changes(offices: Offices, statement: str) -> None:
    write(offices, 1)
    with pytest.raises(DBAPIError, match="append-only"), offices.database.transaction() as session:
        session.execute(text(statement))


def test_a_write_without_its_audit_record_does_not_commit(offices: Offices) -> None:
    from wetread.security.model import Site

    with pytest.raises(AuditMissing, match="site"), offices.work(Actor.system("test")) as work:
        work.session.add(Site(code="A", institution_name="A", time_zone="UTC"))
    with offices.database.transaction() as session:
        assert session.scalar(select(Site).where(Site.code == "A")) is None


def test_actors_without_the_permission_are_denied(work_as) -> None:
    from wetread.kit.errors import Denied

    with work_as("biller") as work:
        with pytest.raises(Denied):
            work.require(Permission.REPORT_READ)
        work.require(Permission.REPORT_READ, Permission.BILLING_READ)


def test_reading_records_needs_no_record_of_its_own_chain(offices: Offices) -> None:
    write(offices, 1)
    with offices.work(Actor.system("test")) as work:
        assert work.session.scalars(select(AuditRecord)).first() is not None


def test_the_trail_is_searched_by_user_patient_and_kind(api: Api) -> None:
    with api.offices.work(Actor.system("hl7")) as work:
        for patient_pk in (7, 8):
            work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=patient_pk)
        work.audit(AuditEventID.ORDER_RECORD, "R", patient_pk=7)
    admin = api.as_role("admin")

    def found(**body: object) -> list[tuple[str, int | None]]:
        answer = admin.post("/api/audit/find", json=body)
        assert answer.status_code == 200, answer.text
        return [(one["event_id"], one["patient_pk"]) for one in answer.json()["items"]]

    patients, orders = AuditEventID.PATIENT_RECORD.value, AuditEventID.ORDER_RECORD.value
    assert found(user_id="hl7") == [(orders, 7), (patients, 8), (patients, 7)]
    assert found(patient_pk=7) == [(orders, 7), (patients, 7)]
    assert found(patient_pk=7, event_id=patients) == [(patients, 7)]
    assert found(user_id="nobody") == []
    first = admin.post("/api/audit/find", json={"user_id": "hl7", "limit": 2}).json()
    assert len(first["items"]) == 2
    assert found(user_id="hl7", before=int(first["next_cursor"])) == [(patients, 7)]
    assert found(event_id=AuditEventID.AUDIT_LOG_USED.value), "each look is itself recorded"
    assert api.as_role("radiologist").post("/api/audit/find", json={}).status_code == 403
