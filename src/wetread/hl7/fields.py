"""What the fields of the segments are called that pass through here, for people who look at a message."""

from __future__ import annotations

from typing import Final

from wetread.hl7.message import Message, Segment

_NAMES: Final = {
    "MSH": "1 Field separator|2 Encoding characters|3 Sending application|4 Sending facility|5 Receiving application"
    "|6 Receiving facility|7 Time of message|9 Message type|10 Control number|11 Processing|12 Version|18 Character set",
    "EVN": "1 Event|2 Recorded|6 Occurred",
    "PID": "1 Number|2 External identifier|3 Patient identifiers|5 Name|7 Birth date|8 Sex|11 Address|13 Telephone"
    "|15 Language|18 Account|19 Social security number|30 Deceased",
    "MRG": "1 Identifier to merge|7 Name to merge",
    "PV1": "1 Number|2 Class|3 Location|7 Attending physician|8 Referring physician|19 Visit|44 Admitted",
    "IN1": "1 Number|2 Plan|3 Payer number|4 Payer|5 Payer's address|8 Group number|15 Plan type|16 Insured"
    "|17 Relationship|18 Insured's birth date|36 Policy number|43 Insured's sex|49 Insured's number",
    "ORC": "1 Order control|2 Placer order number|3 Filler order number|4 Group number|5 Order status|7 Timing and priority"
    "|9 Time of order|12 Ordering physician|14 Call-back number|16 Reason|17 Ordering organisation",
    "OBR": "1 Number|2 Placer order number|3 Filler order number|4 Procedure|5 Priority|7 Observed|12 Danger|13 Clinical"
    " information|15 Body site|16 Ordering physician|18 Accession number|19 Requested procedure|20 Scheduled step|22 Result"
    " changed|24 Section|25 Result status|27 Timing and priority|30 Transport|31 Reason|32 Interpreted by|44 Procedure code"
    "|45 Modifiers",
    "TQ1": "1 Number|7 Start|9 Priority",
    "IPC": "1 Accession number|2 Requested procedure|3 Study Instance UID|4 Scheduled step|5 Modality|6 Protocol"
    "|7 Station name|8 Location|9 Station AE title",
    "DG1": "1 Number|3 Diagnosis|4 Description|6 Kind",
    "NTE": "1 Number|3 Comment",
    "OBX": "1 Number|2 Value type|3 Observation|5 Value|6 Unit|8 Abnormal|11 Status|14 Observed|16 Observer",
    "ZDS": "1 Study Instance UID",
    "MSA": "1 Answer|2 Control number|3 Text",
    "ERR": "1 Place and code|2 Place|3 Code|4 Severity|7 Detail|8 Text for people",
}
_BY_SEGMENT: Final[dict[str, dict[int, str]]] = {
    name: {int(number): words for number, _, words in (part.partition(" ") for part in text.split("|"))}
    for name, text in _NAMES.items()
}
_VALUE_CHARACTERS_MAX: Final = 4000


def field_name(segment_name: str, number: int) -> str:
    """The field's name; empty where it has none here."""
    return _BY_SEGMENT.get(segment_name, {}).get(number, "")


def readable(message: Message) -> list[tuple[str, list[tuple[int, str, str]]]]:
    """Each segment with its filled fields: (number, name, text with escapes resolved). Long values are cut with a note."""
    return [(item.name, list(_fields(item))) for item in message.segments]


def _fields(item: Segment) -> list[tuple[int, str, str]]:
    found = []
    for number in range(1, len(item.fields)):
        raw = item.raw(number)
        if not raw:
            continue
        value = raw if item.name == "MSH" and number < 3 else item.text(number) or raw
        if len(value) > _VALUE_CHARACTERS_MAX:
            value = f"{value[:200]}… ({len(value):,} characters)"
        found.append((number, field_name(item.name, number), value))
    return found
