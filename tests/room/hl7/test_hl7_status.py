"""Images of an order are told of as an order status, once, to who wants it."""

from __future__ import annotations

from datetime import date

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from sqlalchemy import select

from wetread.archive.model import Study
from wetread.hl7.message import Message
from wetread.hl7.statuses import study_notified
from wetread.kit.errors import Invalid
from wetread.orders.service import (
    OrderInput,
    ProcedureChoice,
    ProcedureInput,
    add_procedure,
    place_order,
    procedures_of,
)
from wetread.patients.service import IdentifierInput, PatientInput, register_patient
from wetread.scheduling.model import StudyLink
from wetread.security.model import Practitioner, Site
from wetread.security.service import Work
from wetread.sharing import messages_service as queue
from wetread.sharing.messages import InterfaceMessage


def linked_study(work: Work) -> tuple[Study, str]:
    """A study that hangs on an order of the placer EPIC, and its accession number."""
    site = Site(code="RIV", institution_name="Riverside", time_zone="America/New_York")
    referrer = Practitioner(person_name="Berg^Tom", npi="1999999992")
    work.session.add_all([site, referrer])
    work.session.flush()
    add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT"))
    patient = register_patient(
        work,
        PatientInput(
            "Yamada^Tarou", [IdentifierInput("4711", "CITY")], patient_birth_date=date(1975, 5, 5), patient_sex="M"
        ),
    )  # fmt: skip
    request = place_order(
        work,
        OrderInput(
            patient.patient_pk, site.site_pk, [ProcedureChoice(code_value="CTHEAD")],
            requested_procedure_priority="STAT", reason_for_the_requested_procedure="Sudden headache",
            referring_practitioner_pk=referrer.practitioner_pk,
            placer_order_number="P7", issuer_of_placer_order_number="EPIC",
        ),
    )  # fmt: skip
    (requested,) = procedures_of(work, request.imaging_service_request_pk)
    study = Study(study_instance_uid=requested.study_instance_uid, received_attributes={})
    work.session.add(study)
    work.session.flush()
    work.session.add(
        StudyLink(
            study_pk=study.study_pk, requested_procedure_pk=requested.requested_procedure_pk, state="matched",
            reasons=[], linked_at=work.now(), linked_by="agreement",
        )
    )  # fmt: skip
    work.session.flush()
    return study, request.accession_number


def test_the_placer_is_told_once_that_images_are_here(work: Work) -> None:
    study, accession_number = linked_study(work)
    alone = Study(study_instance_uid="1.2.3", received_attributes={})
    work.session.add(alone)
    work.session.flush()
    for name, types in (("HIS", ("OMG^O19", "ORU^R01")), ("Reports", ("ORU^R01",))):
        queue.save_receiver(
            work,
            queue.ReceiverInput(name, "127.0.0.1", 9, receiving_application="EPIC", message_types=types),
        )
    for study_pk in (study.study_pk, study.study_pk, alone.study_pk):
        study_notified(work, {"keys": {"study_pk": study_pk, "routing_rule_pk": 1}})
    (row,) = work.session.scalars(select(InterfaceMessage)).all()
    message = Message.parse(row.content)
    assert (message.message_type, row.accession_number) == ("OMG^O19", accession_number)
    orc, obr, zds = message.first("ORC"), message.first("OBR"), message.first("ZDS")
    assert (orc.value(1), orc.components(2), orc.value(3), orc.value(5)) == (
        "SC", ["P7", "EPIC"], accession_number, "IP",
    )  # fmt: skip
    assert (obr.value(18), obr.value(25), obr.components(4)[:2]) == (
        accession_number, "I", ["CTHEAD", "CT head without contrast"],
    )  # fmt: skip
    assert zds.components(1) == [study.study_instance_uid, "WETREAD", "Application", "DICOM"]
    judged = parse_message(row.content.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert judged.validate()
    assert judged.omg_o19_order.orc.orc_1.to_er7() == "SC"


def test_only_what_is_sent_can_be_wanted(work: Work) -> None:
    with pytest.raises(Invalid):
        queue.save_receiver(work, queue.ReceiverInput("HIS", "127.0.0.1", 9, message_types=("ADT^A01",)))
