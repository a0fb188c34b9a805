"""DIMSE command sets (PS3.7 section 9 and annex E), without I/O: always Implicit VR Little Endian."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Final

from wetread.dicom.errors import DicomError

COMMAND_BYTES_MAX: Final = 64 * 1024
NO_DATA_SET: Final = 0x0101


class Command(IntEnum):
    """Command Field (0000,0100), PS3.7 table E.1-1; a response has the high bit set."""

    C_STORE_RQ = 0x0001
    C_GET_RQ = 0x0010
    C_FIND_RQ = 0x0020
    C_MOVE_RQ = 0x0021
    C_ECHO_RQ = 0x0030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_SET_RQ = 0x0120
    N_ACTION_RQ = 0x0130
    N_CREATE_RQ = 0x0140
    N_DELETE_RQ = 0x0150
    C_CANCEL_RQ = 0x0FFF
    C_STORE_RSP = 0x8001
    C_GET_RSP = 0x8010
    C_FIND_RSP = 0x8020
    C_MOVE_RSP = 0x8021
    C_ECHO_RSP = 0x8030


class Status(IntEnum):
    """Statuses that the node answers with (PS3.7 annex C; PS3.4 B.2.3, C.4, F.7)."""

    SUCCESS = 0x0000
    CANCEL = 0xFE00
    PENDING = 0xFF00
    PENDING_WARNING = 0xFF01
    ATTRIBUTE_LIST_ERROR = 0x0107
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    INVALID_ATTRIBUTE_VALUE = 0x0106
    INVALID_ARGUMENT_VALUE = 0x0115
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    UNABLE_TO_CALCULATE_MATCHES = 0xA701
    UNABLE_TO_PERFORM_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    IDENTIFIER_DOES_NOT_MATCH = 0xA900
    SUBOPERATIONS_COMPLETE_WITH_FAILURES = 0xB000
    UNABLE_TO_PROCESS = 0xC000


# Element of group 0000 → (name, kind). U: UI, H: US, A: AE, T: text, B: tags or bytes as they are.
_ELEMENTS: Final[dict[int, tuple[str, str]]] = {
    0x0002: ("affected_sop_class_uid", "U"),
    0x0003: ("requested_sop_class_uid", "U"),
    0x0100: ("command_field", "H"),
    0x0110: ("message_id", "H"),
    0x0120: ("message_id_being_responded_to", "H"),
    0x0600: ("move_destination", "A"),
    0x0700: ("priority", "H"),
    0x0800: ("command_data_set_type", "H"),
    0x0900: ("status", "H"),
    0x0901: ("offending_element", "B"),
    0x0902: ("error_comment", "T"),
    0x0903: ("error_id", "H"),
    0x1000: ("affected_sop_instance_uid", "U"),
    0x1001: ("requested_sop_instance_uid", "U"),
    0x1002: ("event_type_id", "H"),
    0x1005: ("attribute_identifier_list", "B"),
    0x1008: ("action_type_id", "H"),
    0x1020: ("number_of_remaining_suboperations", "H"),
    0x1021: ("number_of_completed_suboperations", "H"),
    0x1022: ("number_of_failed_suboperations", "H"),
    0x1023: ("number_of_warning_suboperations", "H"),
    0x1030: ("move_originator_application_entity_title", "A"),
    0x1031: ("move_originator_message_id", "H"),
}
_NUMBER_OF: Final = {name: number for number, (name, _) in _ELEMENTS.items()}

CommandSet = dict[str, str | int | bytes]
"""Command elements by their names in snake case."""


def parse_command(data: bytes) -> CommandSet:
    """A whole command set. Raises DicomError; unknown elements are passed over (PS3.7 E.1 note)."""
    result: CommandSet = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < 8:
            raise DicomError("the command set is cut short", position)
        group, element, length = struct.unpack_from("<HHI", data, position)
        position += 8
        if group != 0 or position + length > end:
            raise DicomError("the command set is malformed", position - 8)
        known = _ELEMENTS.get(element)
        if known is not None:
            name, kind = known
            raw = data[position : position + length]
            if kind == "H":
                if length < 2:
                    raise DicomError(f"{name} is cut short", position)
                result[name] = struct.unpack_from("<H", raw)[0]
            elif kind == "B":
                result[name] = raw
            else:
                result[name] = raw.decode("latin-1").strip(" \0")
        position += length
    for needed in ("command_field", "command_data_set_type"):
        if needed not in result:
            raise DicomError(f"the command set lacks {needed}")
    return result


def build_command(values: Mapping[str, str | int | bytes | None]) -> bytes:
    """The command set with its group length; None leaves an element out."""
    present = sorted((_NUMBER_OF[name], value) for name, value in values.items() if value is not None)
    body = b"".join([_element(number, value) for number, value in present])
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


@lru_cache(512)  # most of an answer is what the last one said
def _element(number: int, value: str | int | bytes | None) -> bytes:
    name, kind = _ELEMENTS[number]
    if kind == "H":
        assert isinstance(value, int)
        raw = struct.pack("<H", value)
    elif isinstance(value, bytes):
        raw = value
    else:
        raw = str(value).encode("ascii", "replace")
        if name == "error_comment":
            raw = raw[:64]  # LO (PS3.7 table C-1)
        if len(raw) % 2:
            raw += b"\0" if kind == "U" else b" "
    return struct.pack("<HHI", 0, number, len(raw)) + raw


def text_of(command: CommandSet, name: str) -> str:
    """A text element, empty where absent."""
    value = command.get(name, "")
    return value if isinstance(value, str) else ""


def number_of(command: CommandSet, name: str) -> int:
    """A numeric element, 0 where absent."""
    value = command.get(name, 0)
    return value if isinstance(value, int) else 0
