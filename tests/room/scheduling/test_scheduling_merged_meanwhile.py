"""A merge, or its undoing, while others write what is of the patient: nothing is left with the wrong record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date

import psycopg
import pytest
from sqlalchemy import select

from case_fixtures import Ward
from wetread.archive.model import Study
from wetread.billing.model import Charge, Claim
from wetread.billing.service import procedure_changed
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.orders.service import Move, move_requested_procedure
from wetread.patients import service as patients
from wetread.patients.model import PatientIdentifier
from wetread.patients.store import patient_columns
from wetread.reporting.model import Report
from wetread.reporting.service import open_report
from wetread.scheduling import service
from wetread.security.service import Actor, Work


def waiting(ward: Ward, count: int) -> None:
    """Until so many transactions wait for locks of others."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(ward.offices.database.url, autocommit=True) as connection:
        for _ in range(400):
            row = connection.execute(query).fetchone()
            if row is not None and row[0] >= count:
                return
            time.sleep(0.05)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("undone", [False, True])
def test_what_is_written_while_records_are_merged_is_of_the_one_that_lives(
    committed_ward: Ward, undone: bool
) -> None:
    ward = committed_ward
    survivor, loser = ward.patient("Moss^Adah"), ward.patient("Moss^Ada")
    requested = [ward.ordered(patient_pk=loser).requested_procedure_pk for _ in range(4)]
    by_agreement, by_hand, reported, charged = requested
    with ward.made() as work:
        number = work.session.scalars(
            select(PatientIdentifier).where(PatientIdentifier.patient_pk == loser)
        ).one()
        move_requested_procedure(work, charged, Move.START)
        move_requested_procedure(work, charged, Move.COMPLETE)
        uid = work.session.get_one(RequestedProcedure, by_agreement).study_instance_uid
        says = {
            "patient_name": "Moss^Ada", "patient_birth_date": date(1960, 5, 4), "patient_id": number.patient_id,
            "issuer_of_patient_id": number.issuer_of_patient_id,
        }  # fmt: skip
        keys = [ward.study(None, uid=uid), ward.study(None), ward.study(None)]
    with ward.made() as work:
        for key in keys[:2]:
            study = work.session.get_one(Study, key)
            for name, value in says.items():
                setattr(study, name, value)
    if undone:
        with ward.made() as work:
            patients.merge_patients(work, survivor, loser, "the same woman")

    living, other = (loser, survivor) if undone else (survivor, loser)
    acts: list[Callable[[Work], object]] = [
        lambda work: service.match_studies(work, [keys[0]]),
        lambda work: service.match_studies(work, [keys[1]]),
        lambda work: service.reconcile(work, keys[2], by_hand, living, "seen"),
        lambda work: open_report(work, [reported]),
        lambda work: procedure_changed(work, charged),
    ]
    failed: list[BaseException] = []

    def act(one: Callable[[Work], object]) -> None:
        try:
            with ward.offices.work(Actor.system("test")) as work:
                one(work)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=act, args=(one,)) for one in acts]
    with ward.made() as work:
        if undone:
            patients.unmerge_patients(work, loser)
        else:
            patients.merge_patients(work, survivor, loser, "the same woman")
        for thread in threads:
            thread.start()
        waiting(ward, len(acts))
    for thread in threads:
        thread.join(30)
    assert failed == []

    with ward.made() as work:
        orders = set(work.session.scalars(select(ImagingServiceRequest.patient_pk)))
        assert orders == {living}
        made = {
            table: set(work.session.scalars(select(table.patient_pk)))
            for table in (Study, Report, Charge, Claim)
        }
        assert made == {table: {living} for table in made}
        left = [
            f"{table.name}.{name}"
            for table, name in patient_columns()
            if work.session.execute(select(table).where(table.c[name] == other)).first()
        ]
        # What the survivor had of its own stays with it.
        assert left == (["patient_identifier.patient_pk"] if undone else [])
