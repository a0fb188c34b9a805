"""Results out: a signed report becomes ORU^R01 for every receiver that wants it (HL7 v2.5.1 7.3.1, IHE RAD-28, RAD-128).

One message for each procedure of the report, with the whole current text section by section and the PDF: whoever
receives it replaces what he had. The status is OBR-25: P preliminary, F final, C with an addendum.
"""

from __future__ import annotations

import base64
import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from wetread.hl7.message import Encoded, FieldValue, Message, Repetition, Segment, escape_lines, segment
from wetread.jobs.service import task
from wetread.orders import service as orders
from wetread.orders.service import OrderLine
from wetread.patients.service import PatientBar, issuer_of_our_identifiers
from wetread.reporting import service as reporting
from wetread.reporting.service import ReportView, SignedVersion
from wetread.security.service import AuditEventID, Work
from wetread.sharing import messages_service as queue

MESSAGE_TYPE: Final = "ORU^R01"

# What each section is called in LOINC.
_SECTIONS: Final = {
    "indication": ("18785-6", "Radiology reason for study"),
    "technique": ("55111-9", "Current imaging procedure descriptions"),
    "comparison": ("18834-2", "Radiology comparison study"),
    "findings": ("18782-3", "Radiology study observation"),
    "impression": ("19005-8", "Radiology imaging study impression"),
    "addendum": ("55107-7", "Addendum"),
}
_STATUS: Final = {"preliminary": "P", "final": "F", "addendum": "C"}  # HL7 tables 0123 and 0085
PRIORITY: Final = {"STAT": "S", "HIGH": "A", "ROUTINE": "R"}  # HL7 table 0485


@task("hl7.report_signed")
def report_signed(work: Work, event: dict[str, Any]) -> None:
    """On `report.preliminary`, `report.final` and `report.addended`: queues the result for its receivers, once each."""
    receivers = queue.receivers_of(work, MESSAGE_TYPE)
    if not receivers:
        return
    keys = event["keys"]
    view = reporting.signed_report(work, keys["report_pk"])
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=view.patient.patient_pk,
        object_type="report",
        object_id=view.report_pk,
    )
    version = next(one for one in view.versions if one.version_number == keys["version_number"])
    if version is not view.versions[-1]:
        return  # a newer version has been signed, and tells this one too
    pdf = reporting.document(work, view)
    for line in _lines(work, view):
        for receiver in receivers:
            control_id = secrets.token_hex(10)
            destination = (receiver.receiving_application, receiver.receiving_facility)
            message = build_result(view, line, pdf, destination, control_id, work.now())
            queue.enqueue(
                work,
                receiver,
                content=message.encode(),
                message_type=MESSAGE_TYPE,
                message_control_id=control_id,
                source_key=(
                    f"report:{view.report_pk}:{version.version_number}"
                    f":{line.requested_procedure.requested_procedure_pk}"
                ),
                patient_pk=view.patient.patient_pk,
                accession_number=line.imaging_service_request.accession_number,
            )


def _lines(work: Work, view: ReportView) -> Iterator[OrderLine]:
    wanted = {one.requested_procedure_pk for one in view.procedures}
    for accession_number in dict.fromkeys(one.accession_number for one in view.procedures):
        for line in orders.find_orders(work, accession_number, patient_pk=view.patient.patient_pk):
            if line.requested_procedure.requested_procedure_pk in wanted:
                wanted.remove(line.requested_procedure.requested_procedure_pk)
                yield line


def build_result(
    view: ReportView,
    line: OrderLine,
    pdf: bytes,
    destination: tuple[str, str],
    control_id: str,
    now: datetime,
) -> Message:
    """The message for one procedure of a signed report; `destination` is MSH-5 and MSH-6."""
    version = view.versions[-1]
    study = next(
        one.study_instance_uid
        for one in view.procedures
        if one.requested_procedure_pk == line.requested_procedure.requested_procedure_pk
    )
    msh = segment(
        "MSH",
        "WETREAD",
        view.institution_name,
        destination[0],
        destination[1],
        stamp(now),
        None,
        ("ORU", "R01", "ORU_R01"),
        control_id,
        "P",
        "2.5.1",
        *([None] * 5),
        "UNICODE UTF-8",
    )
    numbers = order_numbers(line)
    orc = segment("ORC", "RE", *numbers)
    observations = _observations(view, version, study, pdf)
    return Message.build(
        [msh, patient_segment(view.patient), orc, _request(line, version, numbers), *observations]
    )


def stamp(moment: datetime) -> str:
    """A time as HL7 writes it, in UTC with its offset."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def order_numbers(line: OrderLine) -> tuple[FieldValue, FieldValue]:
    """ORC-2 and ORC-3: the placer's number, and ours, which is the accession number."""
    request = line.imaging_service_request
    placer = (request.placer_order_number, request.issuer_of_placer_order_number)
    return placer if request.placer_order_number else None, (
        request.accession_number,
        request.issuer_of_accession_number,
    )


def patient_segment(bar: PatientBar) -> Segment:
    """PID."""
    names: list[Repetition] = []
    for code, group in zip("AIP", bar.patient_name.split("="), strict=False):
        if not group.strip("^ "):
            continue
        family, given, middle, prefix, suffix = [*group.split("^"), *[""] * 5][:5]
        names.append((family, given, middle, suffix, prefix, None, "L", code))
    return segment(
        "PID",
        1,
        None,
        (bar.patient_id, None, None, bar.issuer_of_patient_id or issuer_of_our_identifiers(), "MR"),
        None,
        names,
        None,
        bar.patient_birth_date.strftime("%Y%m%d") if bar.patient_birth_date else None,
        bar.patient_sex or "U",
    )


def _request(line: OrderLine, version: SignedVersion, numbers: tuple[FieldValue, FieldValue]) -> Segment:
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
        7: stamp(requested.state_changed_at),
        16: physician(None, request.referring_physician_name),
        18: request.accession_number,
        19: requested.requested_procedure_id,
        22: stamp(version.signed_at),
        24: SECTION_ID.get(procedure.modality, "RAD"),
        25: _STATUS[version.kind],
        27: (None, None, None, None, None, PRIORITY[requested.requested_procedure_priority]),
        31: (None, requested.reason_for_the_requested_procedure),
        32: (_name_with_degree(version),),
    }
    return segment("OBR", *(fields.get(number) for number in range(1, 33)))


SECTION_ID: Final = {"CT": "CT", "NM": "NMR", "PT": "NMR", "US": "RUS", "XA": "VUS"}  # HL7 table 0074


def physician(npi: str | None, person_name: str | None) -> tuple[str | None, ...] | None:
    """XCN from a PN."""
    if not person_name:
        return None
    family, given, middle, prefix, suffix = [*person_name.split("=")[0].split("^"), *[""] * 5][:5]
    return npi, family, given, middle, suffix, prefix, None, None, "NPI" if npi else None


def _name_with_degree(version: SignedVersion) -> tuple[str | None, ...]:
    """OBR-32.1 (CNN): who signed."""
    name = version.signed_by_person_name
    if not name:
        return None, version.signed_by_name
    family, given, middle, prefix, suffix = [*name.split("=")[0].split("^"), *[""] * 5][:5]
    return version.signed_by_npi, family, given, middle, suffix, prefix


def _observations(view: ReportView, version: SignedVersion, study: str, pdf: bytes) -> Iterator[Segment]:
    status = _STATUS[version.kind]
    observer = physician(version.signed_by_npi, version.signed_by_person_name)
    values: list[tuple[str, tuple[str, ...], FieldValue]] = [("ST", ("113014", "DICOM Study", "DCM"), study)]
    for name, text in _texts(view):
        code, meaning = _SECTIONS.get(name, (name, name.capitalize()))
        scheme = "LN" if name in _SECTIONS else "L"
        values.append(("FT", (code, meaning, scheme), Encoded(escape_lines(text))))
    document = Encoded(f"^application^PDF^Base64^{base64.b64encode(pdf).decode('ascii')}")
    values.append(("ED", ("18748-4", "Diagnostic imaging study", "LN"), document))
    seen: Counter[str] = Counter()
    several = Counter(name_code[0] for _, name_code, _ in values)
    for number, (kind, name_code, value) in enumerate(values, 1):
        seen[name_code[0]] += 1
        yield segment(
            "OBX",
            number,
            kind,
            name_code,
            # Told apart where several have one name, as two addenda (HL7 v2.5.1 7.4.2.4).
            str(seen[name_code[0]]) if several[name_code[0]] > 1 else None,
            value,
            *([None] * 5),
            status,
            None,
            None,
            stamp(version.signed_at),
            None,
            observer,
        )


def _texts(view: ReportView) -> Iterator[tuple[str, str]]:
    """(section, text) of what stands now: the newest signed whole text, then every addendum to it."""
    whole = [one for one in view.versions if one.kind != "addendum"][-1]
    order = [*_SECTIONS, *(name for name in whole.sections if name not in _SECTIONS)]
    yield from ((name, text) for name in order if (text := whole.sections.get(name, "").strip()))
    for addendum in view.versions:
        if addendum.kind == "addendum":
            yield from (("addendum", text.strip()) for text in addendum.sections.values() if text.strip())
