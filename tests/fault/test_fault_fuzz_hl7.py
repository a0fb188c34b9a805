"""Changed HL7 messages on a real database: each is answered in HL7's terms, and kept; none is a fault of ours."""

from __future__ import annotations

import os
import random

import pytest
from sqlalchemy import func, select
from tools.fuzz import Mutator
from tools.fuzz_texts import HL7_CANCEL, HL7_MERGE, HL7_ORDER, HL7_WORDS

from wetread.hl7 import inbound
from wetread.hl7.acknowledgment import read_acknowledgment
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.orders.service import ProcedureInput, add_procedure
from wetread.security.model import Site
from wetread.security.service import Actor, AuditEventID, Offices
from wetread.sharing.messages import InterfaceMessage

INPUTS = int(os.environ.get("WETREAD_FUZZ_HL7", "250"))
SEED = int(os.environ.get("WETREAD_FUZZ_SEED", "20261126"))


def test_each_message_is_kept_and_answered(offices: Offices, monkeypatch: pytest.MonkeyPatch) -> None:
    with offices.work(Actor.system("test")) as work:
        work.session.add(Site(code="RIV", institution_name="Riverside", time_zone="America/New_York"))
        work.session.flush()
        add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT", cpt_code="70450"))
    faults: list[str] = []

    class Told:
        def error(self, event: str, error: str) -> None:
            faults.append(f"{event}: {error}")

    monkeypatch.setattr(inbound, "log", Told())
    interface = Interface(offices, InterfaceSettings("WETREAD"))
    update = HL7_MERGE.replace("A40^ADT_A39", "A08").replace("MRG|4712^^^CITY\r", "")
    change = HL7_CANCEL.replace("ORC|CA", "ORC|XO")
    seeds = [one.encode() for one in (HL7_ORDER, HL7_ORDER, HL7_MERGE, update, HL7_CANCEL, change)]
    mutator = Mutator(random.Random(SEED), seeds, [one for one in HL7_WORDS if len(one) < 64])
    answers: set[str] = set()
    for number in range(INPUTS):
        raw = mutator.next().replace(b"|M1|", b"|N%d|" % number).replace(b"P-1^", b"P-%d^" % (number // 3))
        faults.clear()
        ack = read_acknowledgment(interface.handle(raw, "127.0.0.1"))
        assert faults == [], (raw, faults)
        assert ack is not None, raw
        assert ack.code == "AA" or ack.message.has("ERR"), raw
        answers.add(ack.code)
        with offices.work(Actor.system("test")) as work:
            work.audit(AuditEventID.QUERY, "E")
            kept = work.session.scalar(
                select(func.count()).where(InterfaceMessage.content_sha256 == func.sha256(raw))
            )
        assert kept, raw
    assert answers == {"AA", "AE", "AR"}
