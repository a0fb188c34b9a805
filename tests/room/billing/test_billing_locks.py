"""What billing holds while it works, and what others need of it meanwhile: nobody waits for a charge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import select

from case_fixtures import Case, Ward
from wetread.billing import service
from wetread.billing.model import Charge, Claim
from wetread.orders import service as orders
from wetread.security.service import Actor

TABLES = {
    "requested_procedure": "requested_procedure_pk",
    "imaging_service_request": "imaging_service_request_pk",
}


@contextmanager
def beside(ward: Ward) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Another connection, which never waits."""
    with psycopg.connect(ward.offices.database.url, autocommit=True) as connection:
        yield connection


def obtainable(ward: Ward, table: str, pk: int, strength: str) -> bool:
    """Whether somebody else could lock the row like this now."""
    with beside(ward) as connection:
        query = f"SELECT FROM {table} WHERE {TABLES[table]} = %s FOR {strength} NOWAIT"
        try:
            connection.execute(query.encode(), [pk])
        except psycopg.errors.LockNotAvailable:
            return False
    return True


def done(ward: Ward) -> tuple[Case, int]:
    """A completed procedure and its order."""
    case = ward.case()
    with ward.made() as work:
        requested = orders.move_requested_procedure(work, case.requested_procedure_pk, orders.Move.COMPLETE)
        return case, requested.imaging_service_request_pk


def test_images_are_linked_while_a_procedure_is_being_charged(committed_ward: Ward) -> None:
    ward = committed_ward
    case, order = done(ward)
    with ward.offices.work(Actor.system("billing")) as work:
        service.procedure_changed(work, case.requested_procedure_pk)
        pk = case.requested_procedure_pk
        # A foreign key asks for FOR KEY SHARE of what it points to: a study link, an appointment, a report.
        assert obtainable(ward, "requested_procedure", pk, "KEY SHARE")
        assert obtainable(ward, "imaging_service_request", order, "KEY SHARE")
        assert not obtainable(ward, "requested_procedure", pk, "NO KEY UPDATE"), "but no second charging"
    with ward.made() as work:
        assert work.session.scalars(select(Charge.charge_pk)).all()


def test_a_claim_is_made_while_its_order_is_being_changed(committed_ward: Ward) -> None:
    """Billing holds the procedure and needs the order's key; who changes an order holds it and needs the procedure."""
    ward = committed_ward
    requested = ward.ordered()
    order = requested.imaging_service_request_pk
    with ward.offices.work(Actor.system("desk")) as work:
        orders.change_order(work, order, orders.OrderChange("STAT"))
        assert obtainable(ward, "imaging_service_request", order, "KEY SHARE")
        assert obtainable(ward, "requested_procedure", requested.requested_procedure_pk, "KEY SHARE")
        assert not obtainable(ward, "imaging_service_request", order, "NO KEY UPDATE")
        assert not obtainable(ward, "requested_procedure", requested.requested_procedure_pk, "NO KEY UPDATE")
    with ward.offices.work(Actor.system("desk")) as work:
        orders.cancel_order(work, order, "not needed")
        assert obtainable(ward, "requested_procedure", requested.requested_procedure_pk, "KEY SHARE")


def test_a_claim_that_was_taken_meanwhile_is_seen_as_it_is_now(committed_ward: Ward) -> None:
    """Read before it is locked, as who looks again at one does; another has ended it in between."""
    ward = committed_ward
    case, _ = done(ward)
    with ward.offices.work(Actor.system("billing")) as work:
        service.procedure_changed(work, case.requested_procedure_pk)
    with ward.made() as work:
        read_before = work.session.scalars(select(Claim)).one()
        assert read_before.findings
        with beside(ward) as connection:
            connection.execute("UPDATE claim SET state = 'void', findings = '[]'")
        service.recheck(work, read_before.claim_pk)
        assert (read_before.state, read_before.findings) == ("void", [])
