"""C-GET as service class user (PS3.4 C.4.3): the peer stores into the association that asked it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wetread.dicom import message, sopclass
from wetread.dicom.errors import DicomError
from wetread.dicom.jsonmodel import encode
from wetread.dicom.message import (
    Command,
    CommandSet,
    Status,
    build_command,
    number_of,
    parse_command,
    text_of,
)
from wetread.dicom.pdu import PduType, pdvs
from wetread.dicom.transfersyntax import transfer_syntax
from wetread.dimse.client import Association, AssociationFailed, OperationFailed
from wetread.dimse.connection import Disconnected

_GET = sopclass.STUDY_ROOT_GET
_CONTEXTS_MAX = 128  # PS3.8 9.3.2.2
_PLAIN = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
# Each in a context of its own, so that the peer need not choose: what it holds comes as it is.
_COMPRESSED = (
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.1.99",
)
_COMMON = tuple(
    f"1.2.840.10008.5.1.4.1.1.{part}"
    for part in (
        "2", "2.1", "4", "4.1", "1", "1.1", "1.2", "6.1", "3.1", "7", "128", "130", "20", "12.1", "12.2", "1.3", "1.4",
        "13.1.3", "88.11", "88.22", "88.33", "88.34", "88.59", "88.67", "11.1", "11.2", "104.1", "66.4", "66.1",
        "66", "481.1", "481.2", "481.3", "481.5", "7.2", "7.4", "2.2", "4.3", "77.1.1", "77.1.4", "9.1.1", "104.2",
        "30", "77.1.5.1", "77.1.5.2", "77.1.5.4", "77.1.6", "6.2", "5", "6", "3", "13.1.1", "13.1.2", "88.50", "88.65",
    )
)  # fmt: skip


class Sink(Protocol):
    """Takes one object as it comes."""

    def write(self, fragment: bytes | bytearray | memoryview) -> None: ...

    def commit(self) -> int:
        """Keeps it; returns the status of the C-STORE response (PS3.4 table B.2-1)."""

    def abort(self) -> None: ...


class Takes(Protocol):
    """Makes a sink for each object."""

    def __call__(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> Sink: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Sub-operations so far, as the peer counts them (PS3.7 9.1.3.1)."""

    completed: int
    failed: int
    warning: int
    remaining: int
    status: int = Status.PENDING
    comment: str = ""


def getting_contexts(
    sop_classes: Sequence[str],
) -> tuple[list[tuple[str, Sequence[str]]], dict[str, tuple[bool, bool]]]:
    """Contexts and roles for C-GET of objects of these classes (empty: not known, then the common ones)."""
    known = [uid for uid in dict.fromkeys(sop_classes) if uid in sopclass.STORAGE_CLASSES][:60]
    classes = list(dict.fromkeys([*known, *_COMMON]))
    contexts: list[tuple[str, Sequence[str]]] = [(_GET, _PLAIN)]
    room = _CONTEXTS_MAX - 1 - min(len(classes), _CONTEXTS_MAX - 1)
    contexts += [(uid, _PLAIN) for uid in classes[: _CONTEXTS_MAX - 1]]
    first = known or list(_COMMON[:9])
    pairs = [(uid, (syntax,)) for syntax in _COMPRESSED for uid in first]
    contexts += pairs[:room]
    # We are SCU of C-GET and, in the same association, SCP of storage (PS3.7 D.3.3.4).
    return contexts, dict.fromkeys(classes, (False, True))


class GettingAssociation(Association):
    """An association in which the peer may store."""

    def __enter__(self) -> GettingAssociation:
        return self

    def getting(self, identifier: Mapping[str, Any], takes: Takes) -> Iterator[Counts]:
        """C-GET; yields after each object and each answer of the peer. The last has its final status, a warning where
        some objects did not come. Raises OperationFailed where nothing could be done, AssociationFailed."""
        context_id, syntax = self.context_for(_GET)
        self._message_id = self._message_id % 0xFFFF + 1
        mine = self._message_id
        command = build_command(
            {
                "affected_sop_class_uid": _GET,
                "command_field": Command.C_GET_RQ,
                "priority": 0,
                "message_id": mine,
                "command_data_set_type": 0x0001,
            }
        )
        kept = refused = 0
        try:
            data = encode(identifier, explicit=transfer_syntax(syntax).explicit)
            self._connection.send_message(context_id, command, [data], self._max_length)
            for answer, status in self._stored(takes):
                if status is not None:
                    kept, refused = (kept, refused + 1) if _is_failure(status) else (kept + 1, refused)
                    yield Counts(kept, refused, 0, 0)
                    continue
                counts = Counts(
                    number_of(answer, "number_of_completed_suboperations"),
                    number_of(answer, "number_of_failed_suboperations"),
                    number_of(answer, "number_of_warning_suboperations"),
                    number_of(answer, "number_of_remaining_suboperations"),
                    number_of(answer, "status"),
                    text_of(answer, "error_comment"),
                )
                if counts.status in (Status.PENDING, Status.PENDING_WARNING):
                    continue
                if _is_failure(counts.status) and not kept:
                    raise OperationFailed("C-GET", counts.status, counts.comment)
                yield counts
                return
        except (Disconnected, DicomError) as error:
            raise AssociationFailed(f"the peer broke off: {error}") from None

    def _stored(self, takes: Takes) -> Iterator[tuple[CommandSet, int | None]]:
        """Each C-GET response with None, each C-STORE request with the status that it was answered with."""
        raw, answer, sink = bytearray(), None, None
        try:
            while True:
                kind, body = self._connection.receive()
                if kind != PduType.P_DATA:
                    raise AssociationFailed(
                        "the peer aborted" if kind == PduType.ABORT else "the peer released too early"
                    )
                for context_id, control, fragment in pdvs(body):
                    if control & 1:
                        raw.extend(fragment)
                        if not control & 2:
                            continue
                        answer = parse_command(bytes(raw))
                        raw.clear()
                        if number_of(answer, "command_field") == Command.C_STORE_RQ:
                            sink = takes(
                                text_of(answer, "affected_sop_class_uid"),
                                text_of(answer, "affected_sop_instance_uid"),
                                self._syntax_of.get(context_id, ""),
                            )
                        elif number_of(answer, "command_data_set_type") == message.NO_DATA_SET:
                            yield answer, None
                        continue
                    if sink is not None:
                        sink.write(fragment)
                    if not control & 2 or answer is None:
                        continue
                    if sink is None:
                        yield answer, None  # its data set lists what failed, which the counts tell too
                        continue
                    status = sink.commit()
                    sink = None
                    self._respond(context_id, answer, status)
                    yield answer, status
        finally:
            if sink is not None:
                sink.abort()

    def _respond(self, context_id: int, request: CommandSet, status: int) -> None:
        response = build_command(
            {
                "affected_sop_class_uid": text_of(request, "affected_sop_class_uid"),
                "command_field": Command.C_STORE_RSP,
                "message_id_being_responded_to": number_of(request, "message_id"),
                "command_data_set_type": message.NO_DATA_SET,
                "status": status,
                "affected_sop_instance_uid": text_of(request, "affected_sop_instance_uid"),
            }
        )
        self._connection.send_message(context_id, response, None, self._max_length)


def _is_failure(status: int) -> bool:
    return status != 0 and status & 0xF000 != 0xB000
