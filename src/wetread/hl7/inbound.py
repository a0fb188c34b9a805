"""Messages in: kept, applied by the services, answered.

ORM^O01 and OMI^O23 place and cancel orders (HL7 v2.3.1 4.2, v2.5.1 4.4; IHE RAD-2, RAD-3), ADT registers, changes and
merges patients (RAD-1, RAD-12). A message is kept and applied in one transaction; what cannot be applied is kept
all the same, answered with its reason, and waits for a person.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from wetread.hl7.acknowledgment import Fault, acknowledge, error, reject
from wetread.hl7.message import Message, NotHl7, Segment, TooManyParts, segment
from wetread.kit import limits
from wetread.kit.errors import (
    Conflict,
    FieldError,
    IllegalTransition,
    Invalid,
    NotFound,
    Unavailable,
    WetreadError,
)
from wetread.orders import service as orders
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.patients import service as patients
from wetread.patients.model import Patient
from wetread.scheduling import service as scheduling
from wetread.security.model import Site
from wetread.security.service import Actor, Offices, Work, known_practitioner, valid_npi
from wetread.sharing import messages_service as queue
from wetread.sharing.messages import MessageState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class InterfaceSettings:
    """What a site decides: the issuer of patient identifiers that come without one, the site of orders that name none."""

    default_issuer_of_patient_id: str
    default_site_code: str | None = None


@dataclass(slots=True)
class Applied:
    """What a message did: whom and what it was about, and the ORC segments of the answer."""

    patient_pk: int | None = None
    accession_number: str | None = None
    orders: list[Segment] = field(default_factory=list)


class Interface:
    """Takes messages off the wire. One per process; safe for many threads."""

    def __init__(self, offices: Offices, settings: InterfaceSettings) -> None:
        self._offices, self._settings = offices, settings

    def handle(self, raw: bytes, network_address: str | None = None) -> bytes:
        """Keeps and applies one message (without its frame); returns the answer. Never raises."""
        actor = replace(Actor.system("hl7"), network_address=network_address)
        try:
            with self._offices.work(actor) as work:
                return self._in_one_transaction(work, raw, network_address)
        except Exception as fault:  # noqa: BLE001 - one message must never end the interface
            log.error("interface message failed", error=type(fault).__name__)  # noqa: TRY400 - no patient data in logs
            return self._keep_after_failure(actor, raw, network_address, fault)

    def _in_one_transaction(self, work: Work, raw: bytes, network_address: str | None) -> bytes:
        receipt = queue.receive(work, _inbound(raw, network_address))
        if (
            receipt.repeated
            and receipt.message.state != MessageState.FAILED
            and receipt.message.acknowledgment
        ):
            return receipt.message.acknowledgment
        contradiction = None
        if receipt.contradicts:
            contradiction = error("205", "MSH^1^10", "This control number came before with other content")
        outcome = _outcome(work, raw, self._settings, contradiction)
        queue.finish_inbound(work, receipt.message, outcome)
        return outcome.acknowledgment

    def _keep_after_failure(
        self, actor: Actor, raw: bytes, network_address: str | None, fault: Exception
    ) -> bytes:
        told = error("207", "", "The message could not be processed; it was kept and can be processed again")
        ack = acknowledge(raw, self._offices.clock.now(), _control_id(), fault=told).encode()
        try:
            with self._offices.work(actor) as work:
                receipt = queue.receive(work, _inbound(raw, network_address))
                if receipt.repeated and receipt.message.state != MessageState.FAILED:
                    return receipt.message.acknowledgment or ack
                outcome = queue.Outcome(
                    MessageState.FAILED, ack, "AE", "207", None, f"{type(fault).__name__} while processing"
                )
                queue.finish_inbound(work, receipt.message, outcome)
        except Exception as second:  # noqa: BLE001 - the database is away: nothing was kept, so nothing is accepted
            log.error("interface message was not kept", error=type(second).__name__)  # noqa: TRY400
            lost = error("207", "", "The message was not kept; send it again later")
            return acknowledge(raw, self._offices.clock.now(), _control_id(), fault=lost).encode()
        return ack


def reprocess(work: Work, interface_message_pk: int, settings: InterfaceSettings) -> None:
    """Applies a kept message again. What becomes of it is recorded, not answered: the sender has its answer."""
    kept, _ = queue.get_message(work, interface_message_pk)
    if kept.state == MessageState.RECEIVED:
        queue.finish_inbound(work, kept, _outcome(work, kept.content, settings))


def _outcome(
    work: Work, raw: bytes, settings: InterfaceSettings, known_fault: Fault | None = None
) -> queue.Outcome:
    message: Message | bytes = raw
    fault, applied = known_fault, Applied()
    try:
        message = _readable(raw)
        if fault is None:
            with queue.attempt(work):
                applied = _apply(work, message, settings)
    except Fault as found:
        fault, applied = found, Applied(orders=list(found.orders))
    except WetreadError as found:
        fault, applied = _fault_of(found), Applied()
    ack = acknowledge(message, work.now(), _control_id(), fault=fault, orders=applied.orders).encode()
    if fault is None:
        return queue.Outcome(
            MessageState.APPLIED,
            ack,
            "AA",
            error_text="; ".join(message.doubts) or None if isinstance(message, Message) else None,
            patient_pk=applied.patient_pk,
            accession_number=applied.accession_number,
        )
    state = MessageState.REJECTED if fault.acknowledgment_code == "AR" else MessageState.FAILED
    return queue.Outcome(
        state, ack, fault.acknowledgment_code, fault.error_code, fault.location, fault.text[:400]
    )


def _apply(work: Work, message: Message, settings: InterfaceSettings) -> Applied:
    handler = _HANDLERS.get(message.message_type)
    if handler is None:
        known = {kind.partition("^")[0] for kind in _HANDLERS}
        code = "201" if message.header.value(9, 1, 1) in known else "200"
        raise reject(code, "MSH^1^9", f"{message.message_type or 'An empty type'} is not taken here")
    return handler(work, message, settings)


def _readable(raw: bytes) -> Message:
    try:
        message = Message.parse(raw)
    except TooManyParts as wrong:
        raise reject("207", "", str(wrong)) from wrong
    except NotHl7 as wrong:
        raise reject("100", "MSH^1", str(wrong)) from wrong
    if len(list(message.all("MSH"))) > 1:
        raise reject("100", "MSH^2", "One frame must hold one message")
    if not message.message_type:
        raise reject("101", "MSH^1^9", "The message type is missing")
    if not message.control_id:
        raise reject("101", "MSH^1^10", "The control number is missing")
    return message


def _inbound(raw: bytes, network_address: str | None) -> queue.Inbound:
    try:
        message = Message.parse(raw)
    except NotHl7:
        return queue.Inbound(raw, "", "", "", "", network_address)
    header = message.header
    return queue.Inbound(
        raw, message.message_type, message.control_id, header.raw(3), header.raw(4), network_address
    )


def _control_id() -> str:
    return secrets.token_hex(8)


# Where the services' fields stand in a message.
_PLACES: Final = {
    "patient_name": "PID^1^5",
    "patient_id": "PID^1^3",
    "issuer_of_patient_id": "PID^1^3^1^4",
    "patient_birth_date": "PID^1^7",
    "patient_sex": "PID^1^8",
    "patient_address": "PID^1^11",
    "city": "PID^1^11^1^3",
    "state": "PID^1^11^1^4",
    "postal_code": "PID^1^11^1^5",
    "country": "PID^1^11^1^6",
    "patient_telephone_numbers": "PID^1^13",
    "requested_procedure_priority": "ORC^1^7^1^6",
    "procedures": "OBR^1^4",
    "laterality": "OBR^1^15",
    "accession_number": "OBR^1^18",
    "placer_order_number": "ORC^1^2",
    "study_instance_uid": "ZDS^1^1",
    "reason_for_the_requested_procedure": "OBR^1^31",
    "diagnosis_codes": "DG1^1^3",
    "comments": "NTE^1^3",
    "admission_id": "PV1^1^19",
    "member_id": "IN1^1^36",
    "payer_pk": "IN1^1^3",
    "subscriber_name": "IN1^1^16",
    "relationship": "IN1^1^17",
}


def _fault_of(found: WetreadError) -> Fault:
    """A service's refusal in HL7's terms."""
    first = found.fields[0] if found.fields else FieldError("", "")
    place = _PLACES.get(first.field, "")
    text = f"{found.detail} {first.field}: {first.reason}" if found.fields else found.detail
    if isinstance(found, Unavailable):
        return error("207", place, text)
    if isinstance(found, IllegalTransition):
        return reject("207", place or "ORC^1^1", text)
    if isinstance(found, Conflict):
        return reject("205", place, text)
    if isinstance(found, NotFound):
        return error("204", place, text)
    return error("103" if isinstance(found, Invalid) else "207", place, text)


# --- patients -----------------------------------------------------------------------------------------------

_NOT_AN_IDENTITY: Final = frozenset({"SS", "DL", "MC", "MA", "NI", "PPN", "AN", "VN"})  # HL7 table 0203


def _identifiers(pid: Segment, number: int, default_issuer: str) -> list[patients.IdentifierInput]:
    found = []
    for repetition in range(1, len(pid.repetitions(number)) + 1):
        patient_id = pid.value(number, repetition, 1)
        if not patient_id or pid.value(number, repetition, 5).upper() in _NOT_AN_IDENTITY:
            continue
        issuer = pid.value(number, repetition, 4) or pid.value(number, repetition, 4, 2) or default_issuer
        found.append(patients.IdentifierInput(patient_id, issuer))
        if len(found) > limits.HL7_IDENTIFIERS_MAX:
            words = f"A patient has at most {limits.HL7_IDENTIFIERS_MAX} identifiers"
            raise reject("207", f"{pid.name}^1^{number}", words)
    return list(dict.fromkeys(found))


def _identity(message: Message, settings: InterfaceSettings) -> list[patients.IdentifierInput]:
    pid = message.first("PID")
    if not message.has("PID"):
        raise reject("100", "PID^1", "The patient segment is missing")
    found = _identifiers(pid, 3, settings.default_issuer_of_patient_id) or _identifiers(
        pid, 2, settings.default_issuer_of_patient_id
    )
    if not found:
        raise reject("101", "PID^1^3", "The patient identifier is missing")
    return found


def person_name(source: Segment, number: int, first_component: int = 1) -> str:
    """A DICOM PN from XPN or XCN: family^given^middle^suffix^prefix becomes family^given^middle^prefix^suffix.

    Repetitions with the representation codes I and P become the ideographic and phonetic groups.
    """
    groups = {"A": "", "I": "", "P": ""}
    for repetition in range(1, len(source.repetitions(number)) + 1):
        parts = [source.value(number, repetition, first_component + index) for index in range(5)]
        family, given, middle, suffix, prefix = (re.sub(r"[\^=\\]", " ", part).strip() for part in parts)
        code = source.value(number, repetition, first_component + 7).upper()
        kind = code if code in groups else "A"
        groups[kind] = groups[kind] or "^".join((family, given, middle, prefix, suffix)).rstrip("^")
    if not groups["A"] and (groups["I"] or groups["P"]):
        return f"={groups['I']}={groups['P']}".rstrip("=")
    return "=".join(groups.values()).rstrip("=")


def _day(text: str, place: str) -> date | None:
    """A whole date; a year or month alone says too little to identify by, and is left out."""
    digits = re.match(r"\d*", text)
    found = digits.group() if digits else ""
    if not text or len(found) < 8:
        if text and not re.fullmatch(r"\d{4}(?:\d{2})?", text):
            raise error("102", place, "The date is not YYYYMMDD")
        return None
    try:
        return date(int(found[:4]), int(found[4:6]), int(found[6:8]))
    except ValueError:
        raise error("102", place, "The date does not exist") from None


def moment(text: str, zone: str) -> datetime | None:
    """An HL7 time stamp as aware UTC; without an offset, wall time of the site. None where it is no time."""
    match = re.fullmatch(r"(\d{8}(?:\d{2}){0,3})(?:\.\d+)?([+-]\d{4})?", text.strip())
    if not match:
        return None
    digits, offset = match.groups()
    try:
        naive = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007
        if offset:
            delta = timedelta(hours=int(offset[:3]), minutes=int(offset[0] + offset[3:]))
            return naive.replace(tzinfo=timezone(delta)).astimezone(UTC)
    except ValueError:
        return None
    local = naive.replace(tzinfo=ZoneInfo(zone))
    at = local.astimezone(UTC)
    # An hour that the clock skips never was.
    return at if at.astimezone(local.tzinfo).replace(tzinfo=None) == naive else None


_SEX: Final = {"M": "M", "F": "F", "O": "O", "A": "O", "N": "O"}  # HL7 table 0001; U and others say nothing


def _demographics(message: Message) -> dict[str, Any]:
    """Fields that the message gives; an explicit null is None, what is not given is absent."""
    pid = message.first("PID")
    country = pid.value(11, 1, 6).upper()
    telephone = pid.value(13, 1, 1) or "".join(pid.value(13, 1, n) for n in (6, 7)) or pid.value(13, 1, 12)
    other = pid.value(11, 1, 2)
    street = pid.value(11, 1, 1) + (f", {other}" if other else "")
    given: dict[str, Any] = {
        "patient_name": person_name(pid, 5),
        "patient_birth_date": _day(pid.value(7), "PID^1^7"),
        "patient_sex": _SEX.get(pid.value(8).upper()),
        "patient_address": street[:128],
        "city": pid.value(11, 1, 3)[:64],
        "state": pid.value(11, 1, 4)[:32],
        "postal_code": pid.value(11, 1, 5)[:16],
        "country": {"USA": "US", "DEU": "DE", "GBR": "GB", "FRA": "FR"}.get(
            country, country if len(country) == 2 else ""
        ),
        "patient_telephone_numbers": telephone[:64],
        "language": pid.value(15)[:16],
        "deceased": pid.value(30).upper() == "Y" or None,
    }
    found = {name: value for name, value in given.items() if value}
    nulls = {
        7: "patient_birth_date",
        8: "patient_sex",
        11: "patient_address",
        13: "patient_telephone_numbers",
    }
    return found | {name: None for number, name in nulls.items() if pid.is_null(number)}


def _known_patient(work: Work, identifiers: Sequence[patients.IdentifierInput]) -> Patient | None:
    """The patient that the identifiers name. More than one record is a question for people, never a guess."""
    found: dict[int, Patient] = {}
    for one in identifiers:
        patient = patients.patient_by_identifier(work, one.issuer_of_patient_id, one.patient_id)
        if patient is not None:
            found[patient.patient_pk] = patient
    if len(found) > 1:
        raise error("204", "PID^1^3", "The identifiers belong to different patients here")
    return next(iter(found.values()), None)


def _same_person(patient: Patient, demographics: dict[str, Any]) -> None:
    """Refuses a known identifier with another name and another birth date: somebody else's number was used."""
    name, born = demographics.get("patient_name"), demographics.get("patient_birth_date")
    if patient.unidentified or not name or born is None or patient.patient_birth_date is None:
        return
    family = [word.split("^")[0].casefold() for word in (name, patient.patient_name)]
    if born != patient.patient_birth_date and family[0] != family[1]:
        raise error(
            "204", "PID^1^3", "Another person, of another name and birth date, has this identifier here"
        )


def _patient_for_order(work: Work, message: Message, settings: InterfaceSettings) -> Patient:
    identifiers = _identity(message, settings)
    demographics = _demographics(message)
    patient = _known_patient(work, identifiers)
    if patient is None:
        patient, made = _registered(work, identifiers, demographics)
        if made:
            return patient
    _same_person(patient, demographics)
    return patient


def _registered(
    work: Work, identifiers: Sequence[patients.IdentifierInput], demographics: dict[str, Any]
) -> tuple[Patient, bool]:
    """(patient, whether made here): who is not known yet. Another message or the desk may have been quicker."""
    if not demographics.get("patient_name"):
        raise error("101", "PID^1^5", "The patient is new here and needs a name")
    values = {name: value for name, value in demographics.items() if value is not None}
    given = patients.PatientInput(identifiers=tuple(identifiers), **values)
    try:
        with queue.attempt(work):
            return patients.register_patient(work, given), True
    except Conflict:
        patient = _known_patient(work, identifiers)
        if patient is None:
            raise
        return patient, False


def _patient_update(work: Work, message: Message, settings: InterfaceSettings) -> Applied:
    identifiers, demographics = _identity(message, settings), _demographics(message)
    patient, made = _known_patient(work, identifiers), False
    if patient is None:
        patient, made = _registered(work, identifiers, demographics)
    if not made:
        patients.change_patient(work, patient.patient_pk, demographics)
    _coverages(work, message, patient)
    return Applied(patient.patient_pk)


def _patient_merge(work: Work, message: Message, settings: InterfaceSettings) -> Applied:
    """ADT^A40: MRG-1 is the record that ends, PID-3 the one that stays. Repeating it changes nothing."""
    staying = _identity(message, settings)
    ending = _identifiers(message.first("MRG"), 1, settings.default_issuer_of_patient_id)
    if not ending:
        raise reject("101", "MRG^1^1", "The identifier of the record to merge is missing")
    if set(ending) & set(staying):
        raise reject("205", "MRG^1^1", "A record cannot be merged into itself")
    survivor = _known_patient(work, staying) or _registered(work, staying, _demographics(message))[0]
    loser = _known_patient(work, ending)
    if loser is None or loser.patient_pk == survivor.patient_pk:
        return Applied(survivor.patient_pk)
    patients.merge_patients(
        work, survivor.patient_pk, loser.patient_pk, f"ADT^A40 of {message.header.value(3)}"
    )
    return Applied(survivor.patient_pk)


_RELATIONSHIP: Final = {
    "SEL": "self",
    "01": "self",
    "18": "self",
    "SPO": "spouse",
    "02": "spouse",
    "CHD": "child",
    "03": "child",
    "19": "child",
}
_FILING_CODES: Final = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "16",
        "17",
        "AM",
        "BL",
        "CH",
        "CI",
        "DS",
        "FI",
        "HM",
        "LM",
        "MA",
        "MB",
        "MC",
        "OF",
        "TV",
        "VA",
        "WC",
        "ZZ",
    ]
)


def _coverages(work: Work, message: Message, patient: Patient) -> None:
    known = {
        coverage.priority: (payer.payer_id, coverage.member_id)
        for coverage, payer in patients.get_patient(work, patient.patient_pk).coverages
    }
    for number, in1 in enumerate(message.all("IN1"), 1):
        payer_id, name = in1.value(3) or in1.value(2), in1.value(4) or in1.value(2, 1, 2)
        member = in1.value(36) or in1.value(49)
        if number > 3 or not payer_id or not member or known.get(number) == (payer_id, member):
            continue
        filing = in1.value(15).upper()
        payer = patients.payer_by_identifier(
            work,
            patients.PayerInput(
                payer_id[:80],
                (name or payer_id)[:60],
                filing if filing in _FILING_CODES else "CI",
                address_line=in1.value(5, 1, 1)[:55] or None,
                city=in1.value(5, 1, 3)[:30] or None,
                state=in1.value(5, 1, 4)[:2] or None,
                postal_code=in1.value(5, 1, 5)[:15] or None,
            ),
        )
        relationship = _RELATIONSHIP.get(in1.value(17).upper(), "other") if in1.value(17) else "self"
        own = relationship == "self"
        patients.replace_coverage(
            work,
            patient.patient_pk,
            patients.CoverageInput(
                payer.payer_pk,
                member[:80],
                number,
                group_number=in1.value(8)[:50] or None,
                plan_name=in1.value(2, 1, 2)[:60] or None,
                relationship=relationship,
                subscriber_name=None if own else person_name(in1, 16),
                subscriber_birth_date=None if own else _day(in1.value(18), f"IN1^{number}^18"),
                subscriber_sex=None if own else _SEX.get(in1.value(43).upper()),
            ),
        )


# --- orders -------------------------------------------------------------------------------------------------

_PRIORITY: Final = {
    **dict.fromkeys(("S", "STAT"), "STAT"),
    **dict.fromkeys(("A", "ASAP", "P", "C", "T", "UR", "U", "URGENT", "HIGH"), "HIGH"),
    **dict.fromkeys(("R", "ROUTINE", "RT", "N", ""), "ROUTINE"),
}  # HL7 tables 0027 and 0485, and what people write
_SIDE: Final = {
    **dict.fromkeys(("L", "LT", "LEFT"), "L"),
    **dict.fromkeys(("R", "RT", "RIGHT"), "R"),
    **dict.fromkeys(("B", "BI", "BIL", "BILATERAL", "50"), "B"),
}
_ICD_NAMES: Final = frozenset({"", "I10", "I10C", "ICD10", "ICD-10", "ICD-10-CM", "ICD10CM", "10"})


def _order(work: Work, message: Message, settings: InterfaceSettings) -> Applied:
    """ORM^O01 and OMI^O23: every ORC with its OBR, all or none."""
    groups = message.groups("ORC")
    if not groups:
        raise reject("100", "ORC^1", "The order segment is missing")
    for name, most in (("ORC", limits.HL7_ORDERS_MAX), ("DG1", limits.HL7_DIAGNOSES_MAX)):
        if sum(1 for _ in message.all(name)) > most:
            raise reject("207", f"{name}^{most + 1}", f"A message has at most {most} segments {name}")
    applied = Applied()
    number = 0
    while number < len(groups):
        group = [groups[number]]
        placer = groups[number].first("ORC").value(2)
        while placer and number + len(group) < len(groups):
            following = groups[number + len(group)].first("ORC")
            if following.value(2) != placer or following.value(1) != "NW":
                break
            group.append(groups[number + len(group)])
        _order_group(work, message, group, number + 1, settings, applied)
        number += len(group)
    return applied


def _order_group(
    work: Work,
    message: Message,
    group: list[Message],
    sequence: int,
    settings: InterfaceSettings,
    applied: Applied,
) -> None:
    orc = group[0].first("ORC")
    control = orc.value(1).upper()
    placer = orc.value(2) or group[0].first("OBR").value(2)
    issuer = orc.value(2, 1, 2) or message.header.value(3) or None
    if not placer and control == "NW":
        raise reject("101", f"ORC^{sequence}^2", "The placer order number is missing")
    known = _known_order(work, orc, placer, issuer)
    if known is not None:
        _check_patient(work, message, known, settings)
    if control == "NW":
        request = _placed(work, message, group, sequence, (placer, issuer), known, settings)
        answer = "OK"
    elif control in {"CA", "DC"}:
        request = _cancelled(work, group[0], known, sequence, control)
        answer = "CR" if control == "CA" else "DR"
    elif control == "XO":
        request = _changed(work, group[0], known, sequence)
        answer = "XR"
    elif control == "RO":
        raise _refused(
            orc, known, sequence, "UX", "Orders are not replaced by message: cancel it and send a new one"
        )
    else:
        raise reject("103", f"ORC^{sequence}^1", f"The order control code '{control[:4]}' is not taken here")
    applied.patient_pk = request.patient_pk
    applied.accession_number = request.accession_number
    applied.orders.append(segment("ORC", answer, (placer, issuer), request.accession_number))


def _known_order(work: Work, orc: Segment, placer: str, issuer: str | None) -> ImagingServiceRequest | None:
    if placer:
        found = orders.order_by_placer_number(work, issuer, placer)
        if found is not None:
            return found
    filler = orc.value(3)
    if orc.value(1).upper() == "NW" or not 0 < len(filler) <= 16:
        return None
    return orders.order_by_accession(work, filler)


def _check_patient(
    work: Work, message: Message, known: ImagingServiceRequest, settings: InterfaceSettings
) -> None:
    patient = _known_patient(work, _identity(message, settings))
    if patient is None or patient.patient_pk != known.patient_pk:
        raise reject("204", "PID^1^3", "This order belongs to another patient")


@dataclass(frozen=True, slots=True)
class _Said:
    """What a new order says, in our terms."""

    choices: list[orders.ProcedureChoice]
    priority: str | None
    reason: str | None
    codes: list[str]
    comments: str | None
    accession_number: str | None


def _said(work: Work, message: Message, group: list[Message], sequence: int) -> _Said:
    choices = [_choice(work, part, sequence + index) for index, part in enumerate(group)]
    given = [choice.requested_procedure_id for choice in choices if choice.requested_procedure_id]
    if len(set(given)) < len(given):  # OBR-19 is often one number for the whole order
        choices = [replace(choice, requested_procedure_id=None) for choice in choices]
    part, obr = group[0], group[0].first("OBR")
    codes, kept_words = _diagnoses(message, obr)
    reason = _reason(obr, codes)
    comments = [obr.text(13) if obr.text(13) != reason else "", *kept_words]
    comments += [nte.text(3) for nte in part.all("NTE")]
    return _Said(
        choices,
        _stated_priority(part, sequence),
        reason[:400] or None,
        codes,
        "\n".join(text for text in comments if text.strip())[:2000] or None,
        part.first("IPC").value(1) or obr.value(18) or None,
    )


def _placed(
    work: Work,
    message: Message,
    group: list[Message],
    sequence: int,
    numbers: tuple[str, str | None],
    known: ImagingServiceRequest | None,
    settings: InterfaceSettings,
) -> ImagingServiceRequest:
    said = _said(work, message, group, sequence)
    orc = group[0].first("ORC")
    if known is not None:
        return _placed_before(work, orc, known, said, sequence)
    patient = _patient_for_order(work, message, settings)
    _coverages(work, message, patient)
    coverages = patients.get_patient(work, patient.patient_pk).coverages
    site = _site(work, message, settings)
    obr = group[0].first("OBR")
    referrer = _referrer(work, message, group[0])
    # A time that is still to come is a wish for who books; senders also put there when it was ordered.
    at = moment(_wanted_at(group[0]), site.time_zone)
    wish = _wish(at, site.time_zone) if at is not None and at > work.now() else None
    try:
        return orders.place_order(
            work,
            orders.OrderInput(
                patient_pk=patient.patient_pk,
                site_pk=site.site_pk,
                procedures=said.choices,
                requested_procedure_priority=said.priority or "ROUTINE",
                reason_for_the_requested_procedure=said.reason,
                diagnosis_codes=said.codes,
                referring_practitioner_pk=referrer[0],
                referring_physician_name=referrer[1],
                requesting_service=orc.value(17, 1, 2)[:64] or orc.value(17)[:64] or None,
                coverage_pk=coverages[0][0].coverage_pk if coverages else None,
                placer_order_number=numbers[0],
                issuer_of_placer_order_number=numbers[1],
                accession_number=said.accession_number,
                admission_id=message.first("PV1").value(19)[:64] or None,
                patient_transport_arrangements=(obr.value(30, 1, 2) or obr.value(30))[:64] or None,
                comments="\n".join(text for text in (said.comments, wish) if text)[:2000] or None,
                ordered_at=moment(orc.value(9), site.time_zone),
            ),
        )
    except Conflict:
        known = _known_order(work, orc, *numbers)
        if known is None:
            raise
        # The same order came under another control number at the same instant.
        _check_patient(work, message, known, settings)
        return _placed_before(work, orc, known, said, sequence)


def _placed_before(
    work: Work, orc: Segment, known: ImagingServiceRequest, said: _Said, sequence: int
) -> ImagingServiceRequest:
    """An order number that came before: the same order again is answered as the first time. What says otherwise is
    refused whole: taken for the same, a new side or urgency would be lost under an AA."""
    standing = [
        one for one in orders.procedures_of(work, known.imaging_service_request_pk) if one.state != "CANCELED"
    ]
    if not standing:
        words = "The order of this number was cancelled; a new order needs a number of its own"
        raise _refused(orc, known, sequence, "UA", words, fault=("205", 2))
    if differing := _differing(said, known, standing):
        # What differs comes first: of MSA-3 many show 80 characters.
        words = f"The order of this number has another {', '.join(differing)}; a change is sent as XO"
        raise _refused(orc, known, sequence, "UA", words, fault=("205", 2))
    return known


def _differing(
    said: _Said, known: ImagingServiceRequest, standing: Sequence[RequestedProcedure]
) -> list[str]:
    """What a repeated order says otherwise than the one that stands; what it does not say differs from nothing."""
    same = Counter(one.procedure_pk for one in said.choices) == Counter(one.procedure_pk for one in standing)
    sides = Counter((one.procedure_pk, one.laterality) for one in said.choices)
    uids = {one.study_instance_uid for one in said.choices if one.study_instance_uid}
    checks = {
        "procedure": not same,
        "side": same and sides != Counter((one.procedure_pk, one.laterality) for one in standing),
        "urgency": said.priority
        and any(one.requested_procedure_priority != said.priority for one in standing),
        "reason": said.reason
        and any(one.reason_for_the_requested_procedure != said.reason for one in standing),
        "diagnoses": said.codes and any(one.diagnosis_codes != said.codes for one in standing),
        "comments": said.comments and said.comments not in (known.imaging_service_request_comments or ""),
        "accession number": said.accession_number not in (None, known.accession_number),
        "Study Instance UID": not uids <= {one.study_instance_uid for one in standing},
    }
    return [name for name, differs in checks.items() if differs]


def _choice(work: Work, part: Message, sequence: int) -> orders.ProcedureChoice:
    obr, ipc = part.first("OBR"), part.first("IPC")
    if not part.has("OBR"):
        raise reject("100", f"OBR^{sequence}", "The segment with the procedure is missing")
    codes = [(obr.value(4, 1, at), obr.value(4, 1, at + 2)) for at in (1, 4)]
    for code, scheme in codes:
        procedure = None
        if code:
            procedure = orders.procedure_by_code(work, code, scheme) or orders.procedure_by_code(work, code)
        if procedure is not None:
            sides = [obr.value(15, 1, 5), obr.value(15, 1, 6), obr.value(15, 1, 4)]
            sides += [obr.value(45, n) for n in (1, 2, 3, 4)] + [obr.value(44, 1, 4)]
            side = next((_SIDE[word.upper()] for word in sides if word.upper() in _SIDE), None)
            return orders.ProcedureChoice(
                procedure_pk=procedure.procedure_pk,
                laterality=side,
                study_instance_uid=part.first("ZDS").value(1) or ipc.value(3) or None,
                requested_procedure_id=(ipc.value(2) or obr.value(19))[:16] or None,
            )
    if not any(code for code, _ in codes):
        raise reject("101", f"OBR^{sequence}^4", "The procedure code is missing")
    raise error(
        "103", f"OBR^{sequence}^4", f"The catalogue has no procedure with the code '{codes[0][0][:20]}'"
    )


def _stated_priority(part: Message, sequence: int) -> str | None:
    orc, obr, tq1 = part.first("ORC"), part.first("OBR"), part.first("TQ1")
    for word, place in (
        (orc.value(7, 1, 6), f"ORC^{sequence}^7^1^6"),
        (tq1.value(9), f"TQ1^{sequence}^9"),
        (obr.value(27, 1, 6), f"OBR^{sequence}^27^1^6"),
        (obr.value(5), f"OBR^{sequence}^5"),
    ):
        if word:
            # Never guessed: taking an urgent order for a routine one would harm.
            if word.upper() not in _PRIORITY:
                raise error("103", place, f"The priority '{word[:20]}' is not known (S, A, R, T, P, C)")
            return _PRIORITY[word.upper()]
    return None


def _reason(obr: Segment, codes: Sequence[str]) -> str:
    reason = obr.value(31, 1, 2) or obr.value(31) or obr.text(13)
    found = orders.diagnosis(reason) if reason in codes else None
    return found.description if found else reason


def _diagnoses(message: Message, obr: Segment) -> tuple[list[str], list[str]]:
    """(ICD-10-CM codes that a claim can carry, words for what cannot be one). An order never fails over a code."""
    sent = [
        (dg1.value(3), dg1.value(3, 1, 3), dg1.value(3, 1, 2) or dg1.text(4)) for dg1 in message.all("DG1")
    ]
    if obr.value(31, 1, 3).upper() in _ICD_NAMES - {""}:
        sent.append((obr.value(31), obr.value(31, 1, 3), ""))
    codes: list[str] = []
    words: list[str] = []
    for code, scheme, text in sent:
        found = orders.diagnosis(code.upper()) if scheme.upper() in _ICD_NAMES and code else None
        if found is not None and found.billable and len(codes) < 12:
            codes.append(found.code)
        elif code or text:
            words.append(f"Diagnosis as sent: {code} {text}".strip())
    return list(dict.fromkeys(codes)), words


def _referrer(work: Work, message: Message, part: Message) -> tuple[int | None, str | None]:
    """(practitioner, name): who asked, from ORC-12, OBR-16 or PV1-8; known or made by NPI."""
    name = None
    for source, number in ((part.first("ORC"), 12), (part.first("OBR"), 16), (message.first("PV1"), 8)):
        written = person_name(source, number, first_component=2)
        npi, kind = source.value(number), source.value(number, 1, 13).upper()
        authority = source.value(number, 1, 9).upper()
        if written and valid_npi(npi) and kind in {"", "NPI"} and authority in {"", "NPI", "CMS"}:
            phone = part.first("ORC").value(14)[:32] or None
            practitioner = known_practitioner(work, npi, written, phone=phone)
            return practitioner.practitioner_pk, practitioner.person_name
        name = name or written or None
    return None, name


def _site(work: Work, message: Message, settings: InterfaceSettings) -> Site:
    known = orders.sites(work)
    if not known:
        raise error("207", "", "No site is set up yet")
    named = [message.header.value(6), message.first("PV1").value(3, 1, 4), message.first("ORC").value(17)]
    for name in [*named, settings.default_site_code or ""]:
        for site in known:
            if name and name.casefold() in {site.code.casefold(), site.institution_name.casefold()}:
                return site
    return known[0]


def _changed(
    work: Work, part: Message, known: ImagingServiceRequest | None, sequence: int
) -> ImagingServiceRequest:
    """XO: urgency, reason, diagnoses and time of what has not begun. What cannot be done is refused whole, with UX:
    AR where no wording of the change could be followed any more, AE where the sender may word it otherwise."""
    if known is None:
        raise error("204", f"ORC^{sequence}^2", "There is no order of this number to change")
    orc, obr = part.first("ORC"), part.first("OBR")
    pk = known.imaging_service_request_pk
    meant = orders.procedures_of(work, pk)
    if part.has("OBR") and (obr.value(4) or obr.value(4, 1, 4)):
        choice = _choice(work, part, sequence)
        meant = [one for one in meant if one.procedure_pk == choice.procedure_pk]
        words = "Another procedure or side is another order: cancel this one and send a new one"
        if not meant or (choice.laterality and any(one.laterality != choice.laterality for one in meant)):
            raise _refused(orc, known, sequence, "UX", words, code="AE")
    codes, kept_words = _diagnoses(part, obr)
    reason = _reason(obr, codes)
    lines = [*kept_words, *(nte.text(3) for nte in part.all("NTE"))]
    try:
        request = orders.change_order(
            work,
            pk,
            orders.OrderChange(
                requested_procedure_priority=_stated_priority(part, sequence),
                reason_for_the_requested_procedure=reason[:400] or None,
                diagnosis_codes=codes or None,
                more_comments="\n".join(line for line in lines if line.strip()) or None,
            ),
            requested_procedure_pks=[
                one.requested_procedure_pk for one in meant if one.state != "CANCELED" or len(meant) == 1
            ],
        )
    except IllegalTransition as refusal:
        words = "The procedure has begun or ended and cannot be changed by the placer"
        raise _refused(orc, known, sequence, "UX", words) from refusal
    start = orc.value(7, 1, 4) or part.first("TQ1").value(7)
    try:
        if start:
            _moved(work, known, meant, start, sequence)
    except Conflict as refusal:  # another time may be free; all else can be changed without one
        raise _refused(orc, known, sequence, "UX", refusal.detail, code="AE") from refusal
    return request


def _moved(
    work: Work,
    known: ImagingServiceRequest,
    meant: Sequence[RequestedProcedure],
    start: str,
    sequence: int,
) -> None:
    """Another time: what is booked moves there; for the desk that still has to book it stands in the comments."""
    zone = next(site.time_zone for site in orders.sites(work) if site.site_pk == known.site_pk)
    at = moment(start, zone)
    if at is None:
        raise error("102", f"ORC^{sequence}^7^1^4", "The time is not one")
    if at <= work.now():
        return  # senders repeat when it was ordered
    moved = [scheduling.move_open_appointment(work, one.requested_procedure_pk, at) for one in meant]
    if not all(moved):
        change = orders.OrderChange(more_comments=_wish(at, zone))
        orders.change_order(work, known.imaging_service_request_pk, change)


def _wanted_at(part: Message) -> str:
    """When it is to be done: ORC-7.4, TQ1-7, OBR-27.4 or OBR-36."""
    obr = part.first("OBR")
    wanted = part.first("ORC").value(7, 1, 4) or part.first("TQ1").value(7)
    return wanted or obr.value(27, 1, 4) or obr.value(36)


def _wish(at: datetime, zone: str) -> str:
    return f"Requested for {at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _cancelled(
    work: Work, part: Message, known: ImagingServiceRequest | None, sequence: int, control: str
) -> ImagingServiceRequest:
    if known is None:
        raise error("204", f"ORC^{sequence}^2", "There is no order of this number to cancel")
    orc, obr = part.first("ORC"), part.first("OBR")
    answer = "UC" if control == "CA" else "UD"
    reason = orc.value(16, 1, 2) or orc.value(16) or part.first("NTE").text(3) or "Cancelled by the placer"
    pk = known.imaging_service_request_pk
    named = None
    standing = orders.procedures_of(work, pk)
    if len(standing) > 1 and part.has("OBR") and (obr.value(4) or obr.value(4, 1, 4)):
        # One number may stand for several procedures: only what is named is cancelled.
        choice = _choice(work, part, sequence)
        named = {
            one.requested_procedure_pk
            for one in standing
            if one.procedure_pk == choice.procedure_pk and choice.laterality in (None, one.laterality)
        }
        if not named:
            words = "The order of this number has no such procedure"
            raise _refused(orc, known, sequence, answer, words, code="AE")
    try:
        return orders.cancel_order(work, pk, reason[:200], requested_procedure_pks=named)
    except IllegalTransition as refusal:
        words = "The procedure has begun and cannot be cancelled by the placer"
        raise _refused(orc, known, sequence, answer, words) from refusal


def _refused(
    orc: Segment,
    known: ImagingServiceRequest | None,
    sequence: int,
    answer: str,
    words: str,
    *,
    code: str = "AR",
    fault: tuple[str, int] = ("207", 1),
) -> Fault:
    """A fault with the order control code (HL7 table 0119) that says the request stays undone; `fault` is its code of
    table 0357 and the field of ORC."""
    number = orc.value(2), orc.value(2, 1, 2)
    refused = segment("ORC", answer, number, known.accession_number if known else None)
    return Fault(code, fault[0], f"ORC^{sequence}^{fault[1]}", words, orders=[refused])


_Handler = Callable[[Work, Message, InterfaceSettings], Applied]
_HANDLERS: Final[dict[str, _Handler]] = {
    "ORM^O01": _order,
    "OMI^O23": _order,
    **{f"ADT^{event}": _patient_update for event in ("A01", "A04", "A05", "A08", "A28", "A31")},
    "ADT^A40": _patient_merge,
}
