"""Answers to HL7 v2 messages (HL7 v2.5.1 chapter 2.9, tables 0008 and 0357), and reading the answers of others.

AA: done and kept. AE: kept, could not be done as things stand; sending again, or a person here, may help.
AR: refused for good. MSA-2 is always the MSH-10 that came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from wetread.hl7.message import Delimiters, Message, NotHl7, Segment, segment

ERROR_CODES: Final = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
"""HL7 table 0357."""


class Fault(Exception):
    """Why a message is not accepted. `location` is `SEG^sequence^field[^repetition[^component]]`; `text` is for a person."""

    def __init__(
        self,
        acknowledgment_code: str,
        error_code: str,
        location: str,
        text: str,
        orders: Sequence[Segment] = (),
    ) -> None:
        super().__init__(text)
        self.acknowledgment_code, self.error_code = acknowledgment_code, error_code
        self.location, self.text, self.orders = location, text, tuple(orders)


def error(error_code: str, location: str, text: str) -> Fault:
    """AE: may succeed later, after a correction on either side."""
    return Fault("AE", error_code, location, text)


def reject(error_code: str, location: str, text: str, orders: Sequence[Segment] = ()) -> Fault:
    """AR: will not succeed however often it is sent. `orders` are ORC segments of the answer."""
    return Fault("AR", error_code, location, text, orders)


def acknowledge(
    message: Message | bytes,
    now: datetime,
    control_id: str,
    *,
    fault: Fault | None = None,
    orders: Sequence[Segment] = (),
) -> Message:
    """The answer to a message, or to bytes that are none.

    `orders` are ORC segments of an order response: the answer to ORM^O01 is then ORR^O02, to OMI^O23 ORI^O24.
    `now` is aware UTC; `control_id` becomes our MSH-10.
    """
    header = _header_of(message) if isinstance(message, bytes) else message.header
    version = _version(header.value(12))
    trigger = header.value(9, 1, 2)
    response = {"ORM^O01": ("ORR", "O02"), "OMI^O23": ("ORI", "O24")}.get(
        f"{header.value(9)}^{trigger}" if orders else "", ("ACK", trigger)
    )
    structured = version >= "2.3.1"
    reply_type = (*response, ("ACK" if response[0] == "ACK" else "_".join(response)) if structured else None)
    code = fault.acknowledgment_code if fault else "AA"
    msh = segment(
        "MSH",
        _namespace(header, 5),
        _namespace(header, 6),
        _namespace(header, 3),
        _namespace(header, 4),
        now.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000"),
        None,
        reply_type,
        control_id,
        header.value(11) or "P",
        version,
        *([None] * 5),
        "UNICODE UTF-8",
    )
    segments = [msh, segment("MSA", code, header.value(10), fault.text[:80] if fault else None)]
    if fault:
        segments.append(_error_segment(fault, version))
    return Message.build([*segments, *orders])


def _error_segment(fault: Fault, version: str) -> Segment:
    meaning = ERROR_CODES.get(fault.error_code, "")
    parts = fault.location.split("^")
    if version < "2.5":
        place = (*parts[:3], *([None] * (3 - len(parts[:3]))))
        return segment("ERR", (*place, (fault.error_code, meaning, "HL70357", None, fault.text)))
    return segment(
        "ERR",
        None,
        tuple(parts) if fault.location else None,
        (fault.error_code, meaning, "HL70357"),
        "E",
        None,
        None,
        None,
        fault.text,
    )


def _namespace(header: Segment, number: int) -> tuple[str, ...]:
    return tuple(header.components(number))


def _version(declared: str) -> str:
    return declared if re.fullmatch(r"2\.[1-9](?:\.\d)?", declared) else "2.5.1"


def _header_of(raw: bytes) -> Segment:
    """What can be made out of a broken header, so that MSA-2 is right wherever MSH-10 can be read at all."""
    try:
        return Message.parse(raw).header
    except NotHl7:
        text = raw[:4096].decode("latin-1").replace("\x00", "")
        found = re.search(r"MSH([^A-Za-z0-9\s])([^\r\n]*)", text)
        if not found:
            return Segment("MSH", ["MSH", "|", "^~\\&"])
        return Segment("MSH", ["MSH", found[1], *found[2].split(found[1])], Delimiters())


@dataclass(frozen=True, slots=True)
class Ack:
    """A received answer. `code` is MSA-1 (AA, AE, AR; CA, CE, CR in enhanced mode); `text` the reasons given."""

    code: str
    control_id: str
    text: str
    message: Message

    @property
    def accepted(self) -> bool:
        """AA or CA."""
        return self.code in {"AA", "CA"}

    @property
    def rejected(self) -> bool:
        """AR or CR: not to be sent again as it is."""
        return self.code in {"AR", "CR"}


def read_acknowledgment(raw: bytes) -> Ack | None:
    """The answer in `raw`; None where it is none (no MSA, unknown code): such bytes confirm nothing."""
    try:
        message = Message.parse(raw)
    except NotHl7:
        return None
    msa = message.first("MSA")
    code = msa.value(1).upper()
    if code not in {"AA", "AE", "AR", "CA", "CE", "CR"}:
        return None
    reasons = [msa.text(3)]
    for err in message.all("ERR"):
        place = "-".join(part for part in (err.value(2, 1, 1), err.value(2, 1, 3)) if part)
        words = err.text(8) or err.value(3, 1, 2) or err.value(1, 1, 4, 2)
        reasons.append(f"{place}: {words}" if place else words)
    return Ack(code, msa.value(2), "; ".join(dict.fromkeys(r for r in reasons if r)), message)
