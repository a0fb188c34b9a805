"""Killed at any instant: every order that was answered AA is there once, and a sender that repeats makes no second."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from forking import Mortal
from wetread.hl7.client import NoAcknowledgment, send
from wetread.kit.db import Database
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.orders.service import ProcedureInput, add_procedure
from wetread.patients.model import PatientIdentifier
from wetread.security.model import Site
from wetread.security.service import Actor, AuditEventID, Offices
from wetread.sharing.messages import InterfaceMessage

ROOT = Path(__file__).parents[2]
KILLS = 6
SENDERS = 3
ORDER = (
    "MSH|^~\\&|HIS|CITY|WETREAD|RIV|20261125||ORM^O01|{n}|P|2.3.1||||||UNICODE UTF-8\r"
    "PID|1||{n}^^^CITY^MR||Doe^Jane||19800101|F\rORC|NW|P{n}^HIS||||1|^^^^^S\rOBR|1|P{n}||CTHEAD^CT head^99WETREAD\r"
)


class Sender(threading.Thread):
    """Sends order after order; one without an answer is repeated, as interface engines do."""

    def __init__(self, first: int, port: list[int], ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.number, self._port, self._ending = first, port, ending
        self.accepted: list[str] = []
        self.repeated = 0

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                ack = send(
                    "127.0.0.1",
                    self._port[0],
                    ORDER.replace("{n}", str(self.number)),
                    timeout_s=30,
                    connect_s=1,
                )
            except NoAcknowledgment:
                self.repeated += 1
                time.sleep(0.02)
                continue
            assert ack.code == "AA", ack.text
            self.accepted.append(str(self.number))
            self.number += SENDERS


@pytest.mark.fault
def test_kill_9_while_orders_come(clean_database: Database) -> None:
    offices = Offices(clean_database)
    with offices.work(Actor.system("test")) as work:
        work.session.add(Site(code="RIV", institution_name="Riverside", time_zone="America/New_York"))
        work.session.flush()
        add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT"))
    chance, ending = random.Random(5), threading.Event()
    with Mortal(str(ROOT / "tests/fault/hl7_node.py"), clean_database.url) as node:
        port = [int(node.begin())]
        senders = [Sender(1000 + index, port, ending) for index in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            for number in range(KILLS + 1):
                before = sum(len(s.accepted) for s in senders)
                until = time.monotonic() + 20
                while sum(len(s.accepted) for s in senders) < before + SENDERS and time.monotonic() < until:
                    time.sleep(0.005)
                if number < KILLS:
                    time.sleep(chance.uniform(0.0, 0.3))
                    node.kill()
                    port[0] = int(node.begin())
        finally:
            ending.set()
            for sender in senders:
                sender.join(20)
    accepted = {number for sender in senders for number in sender.accepted}
    assert len(accepted) >= KILLS * SENDERS and sum(sender.repeated for sender in senders) > 0
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        orders = list(work.session.scalars(select(ImagingServiceRequest.placer_order_number)))
        messages = work.session.execute(
            select(InterfaceMessage.message_control_id, InterfaceMessage.state)
        ).all()
        patients = list(work.session.scalars(select(PatientIdentifier.patient_id)))
        requested = list(work.session.scalars(select(RequestedProcedure.imaging_service_request_pk)))
    assert len(orders) == len(set(orders)) == len(set(requested)) == len(requested)
    assert {f"P{number}" for number in accepted} <= set(orders)
    assert {state for _, state in messages} == {"applied"}
    assert {control for control, _ in messages} == {number.removeprefix("P") for number in orders if number}
    assert sorted(patients) == sorted(control for control, _ in messages)
