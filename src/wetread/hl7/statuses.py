"""Order status out: images of an order are here, as OMG^O19 with ORC-1 `SC` (HL7 v2.5.1 4.4.4; IHE RAD-3, order status
update) for every receiver that wants it. ZDS names the study (IHE RAD-4), so that it can be opened.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

from wetread.hl7.message import FieldValue, Message, Segment, segment
from wetread.hl7.results import PRIORITY, SECTION_ID, order_numbers, patient_segment, physician, stamp
from wetread.jobs.service import task
from wetread.orders.service import OrderLine
from wetread.scheduling.service import orders_of_study
from wetread.security.service import AuditEventID, Work
from wetread.sharing import messages_service as queue

MESSAGE_TYPE: Final = "OMG^O19"


@task("hl7.study_notified")
def study_notified(work: Work, event: dict[str, Any]) -> None:
    """On `study.notified`: queues a status of each of the study's orders for its receivers, once each. A study without an
    order has no status to tell."""
    receivers = queue.receivers_of(work, MESSAGE_TYPE)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="order status")
    if not receivers:
        return
    study_pk = int(event["keys"]["study_pk"])
    study_instance_uid, lines = orders_of_study(work, study_pk)
    for line in lines:
        for receiver in receivers:
            control_id = secrets.token_hex(10)
            destination = (receiver.receiving_application, receiver.receiving_facility)
            message = build_status(line, study_instance_uid, destination, control_id, work.now())
            queue.enqueue(
                work,
                receiver,
                content=message.encode(),
                message_type=MESSAGE_TYPE,
                message_control_id=control_id,
                source_key=f"images:{study_pk}:{line.requested_procedure.requested_procedure_pk}",
                patient_pk=line.bar.patient_pk,
                accession_number=line.imaging_service_request.accession_number,
            )


def build_status(
    line: OrderLine, study_instance_uid: str, destination: tuple[str, str], control_id: str, now: datetime
) -> Message:
    """The message for one procedure whose images are here; `destination` is MSH-5 and MSH-6."""
    msh = segment(
        "MSH",
        "WETREAD",
        line.imaging_service_request.issuer_of_accession_number,
        destination[0],
        destination[1],
        stamp(now),
        None,
        ("OMG", "O19", "OMG_O19"),
        control_id,
        "P",
        "2.5.1",
        *([None] * 5),
        "UNICODE UTF-8",
    )
    numbers = order_numbers(line)
    # In process: there are images and no report (HL7 table 0038); the report's own message says that it is complete.
    orc = segment("ORC", "SC", *numbers, None, "IP", None, None, None, stamp(now))
    zds = segment("ZDS", (study_instance_uid, "WETREAD", "Application", "DICOM"))
    return Message.build([msh, patient_segment(line.bar), orc, _request(line, numbers), zds])


def _request(line: OrderLine, numbers: tuple[FieldValue, FieldValue]) -> Segment:
    requested, request, procedure = line.requested_procedure, line.imaging_service_request, line.procedure
    fields: dict[int, FieldValue] = {
        1: 1,
        2: numbers[0],
        3: numbers[1],
        4: (
            procedure.code_value,
            requested.requested_procedure_description,
            procedure.coding_scheme_designator,
        ),
        16: physician(None, request.referring_physician_name),
        18: request.accession_number,
        19: requested.requested_procedure_id,
        24: SECTION_ID.get(procedure.modality, "RAD"),
        25: "I",  # no results yet (HL7 table 0123)
        27: (None, None, None, None, None, PRIORITY[requested.requested_procedure_priority]),
        31: (None, requested.reason_for_the_requested_procedure),
    }
    return segment("OBR", *(fields.get(number) for number in range(1, 32)))
