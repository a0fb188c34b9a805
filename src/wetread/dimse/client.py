"""Service class user: echo, store, find, move, get, and performed procedure steps, for sub-operations and tools."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from wetread.dicom import message, sopclass
from wetread.dicom.errors import DicomError
from wetread.dicom.jsonmodel import encode, encode_json, to_json
from wetread.dicom.message import Command, CommandSet, Status, build_command, number_of, parse_command
from wetread.dicom.pdu import (
    AssociateRequest,
    ContextResult,
    PduType,
    ProposedContext,
    UserIdentity,
    build_abort,
    build_associate_request,
    build_release_request,
    parse_associate_accept,
    parse_associate_reject,
    pdvs,
)
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from wetread.dicom.uid import new_uid
from wetread.dimse.connection import PDU_BYTES_MAX, Connection, Disconnected
from wetread.kit.tls import reason_of

JsonDict = dict[str, Any]

VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
PERFORMED_PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
STORAGE_COMMITMENT_PUSH = "1.2.840.10008.1.20.1"
_PLAIN = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


class AssociationFailed(Exception):
    """No association: refused, aborted, or no answer."""


# PS3.8 table 9-21: (source, reason) in words.
_REFUSALS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
_CONTEXT_RESULTS = {
    ContextResult.USER_REJECTION: "refused",
    ContextResult.NO_REASON: "refused without a reason",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "not supported",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "supported in other transfer syntaxes only",
}


class OperationFailed(Exception):
    """The peer answered with a failure; `status` and its comment."""

    def __init__(self, operation: str, status: int, comment: str = "") -> None:
        words = f"{operation} failed with status {status:04X}"
        super().__init__(f"{words}: {comment}" if comment else words)
        self.status = status
        self.comment = comment


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, its comment, and the data set's JSON model where there is one."""

    status: int
    comment: str
    data: JsonDict | None
    command: CommandSet
    context_id: int = 0


def _connect(host: str, port: int, title: str, timeout_s: float, tls: ssl.SSLContext | None) -> socket.socket:
    try:
        sock = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as error:
        raise AssociationFailed(
            f"{title} at {host}:{port} does not answer ({type(error).__name__})"
        ) from None
    if tls is None:
        return sock
    try:
        return tls.wrap_socket(sock, server_hostname=host)
    except (OSError, ValueError) as error:
        sock.close()
        raise AssociationFailed(f"no TLS with {title} at {host}:{port}: {reason_of(error)}") from None


class Association:
    """An association that we requested. Use as a context manager; it is released at the end, aborted on an error."""

    def __init__(
        self,
        host: str,
        port: int,
        called_ae_title: str,
        calling_ae_title: str,
        contexts: Sequence[tuple[str, Sequence[str]]],
        *,
        timeout_s: float = 30.0,
        roles: Mapping[str, tuple[bool, bool]] | None = None,
        tls: ssl.SSLContext | None = None,
        user_identity: UserIdentity | None = None,
        extended: Mapping[str, bytes] | None = None,
    ) -> None:
        """`contexts` are (SOP class, transfer syntaxes); with `tls` the peer is spoken to by TLS. Raises
        AssociationFailed."""
        sock = _connect(host, port, called_ae_title, min(timeout_s, 10.0), tls)
        self._connection = Connection(sock, timeout_s=timeout_s)
        self._message_id = 0
        proposed = tuple(
            ProposedContext(2 * index + 1, sop_class, tuple(syntaxes))
            for index, (sop_class, syntaxes) in enumerate(contexts)
        )
        request = AssociateRequest(
            called_ae_title,
            calling_ae_title,
            proposed,
            max_length=PDU_BYTES_MAX,
            roles=roles or {},
            user_identity=user_identity,
            extended=extended or {},
        )
        try:
            self._connection.send(build_associate_request(request))
            kind, body = self._connection.receive()
            if kind == PduType.ASSOCIATE_RJ:
                why = parse_associate_reject(bytes(body))
                words = _REFUSALS.get((why.source, why.reason), "a reason unknown to the standard")
                raise AssociationFailed(
                    f"{called_ae_title} refused: {words} "
                    f"(result {why.result}, source {why.source}, reason {why.reason})"
                )
            if kind != PduType.ASSOCIATE_AC:
                raise AssociationFailed(f"{called_ae_title} aborted the negotiation")
            accept = parse_associate_accept(bytes(body))
        except (Disconnected, DicomError) as error:
            self._connection.close()
            raise AssociationFailed(f"{called_ae_title} broke the negotiation off: {error}") from None
        except AssociationFailed:
            self._connection.close()
            raise
        self._connection.grow()
        self._max_length = accept.max_length
        by_id = {context.context_id: context for context in proposed}
        self.accepted: dict[str, list[tuple[int, str]]] = {}
        self.refused: dict[str, str] = {}
        """SOP class → why none of its contexts was accepted, in words."""
        self._syntax_of: dict[int, str] = {}
        for answer in accept.contexts:
            offered = by_id.get(answer.context_id)
            if offered is not None and answer.result == ContextResult.ACCEPTANCE:
                self.accepted.setdefault(offered.abstract_syntax, []).append(
                    (answer.context_id, answer.transfer_syntax)
                )
                self._syntax_of[answer.context_id] = answer.transfer_syntax
            elif offered is not None:
                self.refused[offered.abstract_syntax] = _CONTEXT_RESULTS[answer.result]
        for sop_class in self.accepted:
            self.refused.pop(sop_class, None)

    def __enter__(self) -> Association:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def release(self) -> None:
        """Ends the association in order."""
        try:
            self._connection.send(build_release_request())
            self._connection.set_timeout(5.0)
            self._connection.receive()
        except (Disconnected, DicomError):
            pass
        finally:
            self._connection.close()

    def abort(self) -> None:
        """Ends the association at once."""
        try:
            self._connection.send(build_abort())
        except Disconnected:
            pass
        finally:
            self._connection.close()

    def syntax_for(self, sop_class: str, original: str) -> str | None:
        """The syntax to send an object in: its own, else a plain one; None where the peer takes none of them."""
        accepted = [syntax for _, syntax in self.accepted.get(sop_class, [])]
        return next((syntax for syntax in (original, *_PLAIN) if syntax in accepted), None)

    def context_for(self, sop_class: str, syntax: str | None = None) -> tuple[int, str]:
        """An accepted context of the class, of that very syntax where one is named. Raises OperationFailed."""
        for context_id, accepted in self.accepted.get(sop_class, []):
            if syntax is None or accepted == syntax:
                return context_id, accepted
        why = self.refused.get(sop_class, "no accepted presentation context")
        raise OperationFailed(
            "negotiation", Status.SOP_CLASS_NOT_SUPPORTED, f"{sopclass.name_of(sop_class)}: {why}"
        )

    def echo(self) -> None:
        """C-ECHO. Raises OperationFailed."""
        context_id, _ = self.context_for(VERIFICATION)
        answer = self._ask(
            context_id, {"affected_sop_class_uid": VERIFICATION, "command_field": Command.C_ECHO_RQ}, None
        )
        self._expect("C-ECHO", answer)

    def store(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        data: Iterable[bytes | memoryview],
        *,
        originator: tuple[str, int] | None = None,
    ) -> Answer:
        """C-STORE of a data set in exactly that syntax; the answer holds success, warning or failure."""
        context_id, _ = self.context_for(sop_class_uid, transfer_syntax_uid)
        values: dict[str, str | int | bytes | None] = {
            "affected_sop_class_uid": sop_class_uid,
            "command_field": Command.C_STORE_RQ,
            "affected_sop_instance_uid": sop_instance_uid,
            "priority": 0,
        }
        if originator is not None:
            values["move_originator_application_entity_title"] = originator[0]
            values["move_originator_message_id"] = originator[1]
        return self._ask(context_id, values, data)

    def find(self, identifier: Mapping[str, Any], sop_class_uid: str = STUDY_ROOT_FIND) -> Iterator[JsonDict]:
        """C-FIND; `identifier` by keyword. Yields matches in the JSON model. Raises OperationFailed."""
        context_id, syntax = self.context_for(sop_class_uid)
        data = encode(identifier, explicit=transfer_syntax(syntax).explicit)
        values: dict[str, str | int | bytes | None] = {
            "affected_sop_class_uid": sop_class_uid,
            "command_field": Command.C_FIND_RQ,
            "priority": 0,
        }
        for answer in self._answers(context_id, values, [data]):
            if answer.status in (Status.PENDING, Status.PENDING_WARNING):
                yield answer.data or {}
            elif answer.status != Status.CANCEL:
                self._expect("C-FIND", answer)

    def cancel(self) -> None:
        """C-CANCEL of the operation that answers now; its last answer then says so."""
        context_id = next(iter(self._syntax_of))
        command = build_command(
            {
                "command_field": Command.C_CANCEL_RQ,
                "message_id_being_responded_to": self._message_id,
                "command_data_set_type": message.NO_DATA_SET,
            }
        )
        try:
            self._connection.send_message(context_id, command, None, self._max_length)
        except Disconnected as error:
            raise AssociationFailed(f"the peer broke off: {error}") from None

    def move(self, identifier: Mapping[str, Any], destination: str) -> Answer:
        """C-MOVE to another node; the last answer has the counts of sub-operations."""
        last: Answer | None = None
        for answer in self.moving(identifier, destination):
            last = answer
        assert last is not None
        return last

    def moving(
        self, identifier: Mapping[str, Any], destination: str, sop_class_uid: str = STUDY_ROOT_MOVE
    ) -> Iterator[Answer]:
        """C-MOVE, every answer as it comes."""
        context_id, syntax = self.context_for(sop_class_uid)
        data = encode(identifier, explicit=transfer_syntax(syntax).explicit)
        values: dict[str, str | int | bytes | None] = {
            "affected_sop_class_uid": sop_class_uid,
            "command_field": Command.C_MOVE_RQ,
            "move_destination": destination,
            "priority": 0,
        }
        yield from self._answers(context_id, values, [data])

    def create_performed_step(
        self, attributes: Mapping[str, Any], sop_instance_uid: str | None = None
    ) -> str:
        """N-CREATE of a Modality Performed Procedure Step; returns its UID. Raises OperationFailed."""
        uid = sop_instance_uid or new_uid()
        context_id, syntax = self.context_for(PERFORMED_PROCEDURE_STEP)
        answer = self._ask(
            context_id,
            {
                "affected_sop_class_uid": PERFORMED_PROCEDURE_STEP,
                "command_field": Command.N_CREATE_RQ,
                "affected_sop_instance_uid": uid,
            },
            [encode(attributes, explicit=transfer_syntax(syntax).explicit)],
        )
        self._expect("N-CREATE", answer)
        return uid

    def set_performed_step(self, sop_instance_uid: str, attributes: Mapping[str, Any]) -> None:
        """N-SET of a Modality Performed Procedure Step. Raises OperationFailed."""
        context_id, syntax = self.context_for(PERFORMED_PROCEDURE_STEP)
        answer = self._ask(
            context_id,
            {
                "requested_sop_class_uid": PERFORMED_PROCEDURE_STEP,
                "command_field": Command.N_SET_RQ,
                "requested_sop_instance_uid": sop_instance_uid,
            },
            [encode(attributes, explicit=transfer_syntax(syntax).explicit)],
        )
        self._expect("N-SET", answer)

    def create_instance(
        self, sop_class_uid: str, attributes: JsonDict, sop_instance_uid: str | None = None
    ) -> str:
        """N-CREATE of an instance of a normalized class, a data set in the JSON model; returns its UID. Raises
        OperationFailed."""
        uid = sop_instance_uid or new_uid()
        context_id, syntax = self.context_for(sop_class_uid)
        answer = self._ask(
            context_id,
            {
                "affected_sop_class_uid": sop_class_uid,
                "command_field": Command.N_CREATE_RQ,
                "affected_sop_instance_uid": uid,
            },
            [encode_json(attributes, explicit=transfer_syntax(syntax).explicit)],
        )
        self._expect("N-CREATE", answer)
        return uid

    def request_commitment(
        self, objects: Sequence[tuple[str, str]], transaction_uid: str | None = None
    ) -> str:
        """N-ACTION of storage commitment for (SOP class, SOP instance) pairs; returns the Transaction UID. The outcome
        comes as an event, see `await_event`. Raises OperationFailed."""
        transaction = transaction_uid or new_uid()
        context_id, syntax = self.context_for(STORAGE_COMMITMENT_PUSH)
        referenced = [
            {"ReferencedSOPClassUID": sop_class, "ReferencedSOPInstanceUID": uid}
            for sop_class, uid in objects
        ]
        answer = self._ask(
            context_id,
            {
                "requested_sop_class_uid": STORAGE_COMMITMENT_PUSH,
                "command_field": Command.N_ACTION_RQ,
                "requested_sop_instance_uid": sopclass.STORAGE_COMMITMENT_PUSH_INSTANCE,
                "action_type_id": 1,
            },
            [
                encode(
                    {"TransactionUID": transaction, "ReferencedSOPSequence": referenced},
                    explicit=transfer_syntax(syntax).explicit,
                )
            ],
        )
        self._expect("N-ACTION", answer)
        return transaction

    def await_event(self, wait_s: float) -> tuple[int, JsonDict] | None:
        """The next N-EVENT-REPORT that the peer sends here, answered with success: its Event Type ID and data set.
        None where none came in time. Raises AssociationFailed."""
        until = time.monotonic() + wait_s
        try:
            while (left := until - time.monotonic()) > 0:
                if not self._connection.has_data(min(left, 1.0)):
                    continue
                answer = self._receive()
                if number_of(answer.command, "command_field") != Command.N_EVENT_REPORT_RQ:
                    continue
                response = build_command(
                    {
                        "affected_sop_class_uid": message.text_of(answer.command, "affected_sop_class_uid"),
                        "affected_sop_instance_uid": message.text_of(
                            answer.command, "affected_sop_instance_uid"
                        ),
                        "command_field": Command.N_EVENT_REPORT_RSP,
                        "message_id_being_responded_to": number_of(answer.command, "message_id"),
                        "command_data_set_type": message.NO_DATA_SET,
                        "status": Status.SUCCESS,
                        "event_type_id": number_of(answer.command, "event_type_id"),
                    }
                )
                self._connection.send_message(answer.context_id, response, None, self._max_length)
                return number_of(answer.command, "event_type_id"), answer.data or {}
        except (Disconnected, DicomError) as error:
            raise AssociationFailed(f"the peer broke off: {error}") from None
        return None

    def report_event(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        event_type_id: int,
        event: JsonDict,
        *,
        context_class: str | None = None,
    ) -> None:
        """N-EVENT-REPORT of a data set in the JSON model, as SCP of the class. Raises OperationFailed.

        `context_class`: where events travel by the context of another class than their own (PS3.4 CC.3.1.3).
        """
        context_id, syntax = self.context_for(context_class or sop_class_uid)
        answer = self._ask(
            context_id,
            {
                "affected_sop_class_uid": sop_class_uid,
                "command_field": Command.N_EVENT_REPORT_RQ,
                "affected_sop_instance_uid": sop_instance_uid,
                "event_type_id": event_type_id,
            },
            [encode_json(event, explicit=transfer_syntax(syntax).explicit)],
        )
        self._expect("N-EVENT-REPORT", answer)

    @staticmethod
    def _expect(operation: str, answer: Answer) -> None:
        # B-, and 0x0001, 0x0107, 0x0116 statuses are warnings (PS3.7 annex C).
        if answer.status & 0xF000 != 0xB000 and answer.status not in (0x0000, 0x0001, 0x0107, 0x0116):
            raise OperationFailed(operation, answer.status, answer.comment)

    def _ask(
        self,
        context_id: int,
        values: Mapping[str, str | int | bytes | None],
        data: Iterable[bytes | memoryview] | None,
    ) -> Answer:
        return next(self._answers(context_id, values, data))

    def _answers(
        self,
        context_id: int,
        values: Mapping[str, str | int | bytes | None],
        data: Iterable[bytes | memoryview] | None,
    ) -> Iterator[Answer]:
        self._message_id = self._message_id % 0xFFFF + 1
        command = build_command(
            {
                **values,
                "message_id": self._message_id,
                "command_data_set_type": message.NO_DATA_SET if data is None else 0x0001,
            }
        )
        try:
            self._connection.send_message(context_id, command, data, self._max_length)
            while True:
                answer = self._receive()
                yield answer
                if answer.status not in (Status.PENDING, Status.PENDING_WARNING):
                    return
        except (Disconnected, DicomError) as error:
            raise AssociationFailed(f"the peer broke off: {error}") from None

    def _receive(self) -> Answer:
        raw_command, raw_data, command = bytearray(), bytearray(), None
        while True:
            kind, body = self._connection.receive()
            if kind != PduType.P_DATA:
                raise AssociationFailed(
                    "the peer aborted" if kind == PduType.ABORT else "the peer released too early"
                )
            for context_id, control, fragment in pdvs(body):
                (raw_command if control & 1 else raw_data).extend(fragment)
                if not control & 2:
                    continue
                if control & 1:
                    command = parse_command(bytes(raw_command))
                    if number_of(command, "command_data_set_type") == message.NO_DATA_SET:
                        return self._answer(command, None, context_id)
                elif command is not None:
                    return self._answer(command, bytes(raw_data), context_id)

    def _answer(self, command: CommandSet, data: bytes | None, context_id: int) -> Answer:
        model = None
        if data is not None:
            model = to_json(data, self._syntax_of.get(context_id, EXPLICIT_VR_LITTLE_ENDIAN), lambda *_: None)
        comment = message.text_of(command, "error_comment")
        return Answer(number_of(command, "status"), comment, model, command, context_id)


def open_plain(
    host: str,
    port: int,
    called: str,
    calling: str,
    sop_classes: Sequence[str],
    *,
    timeout_s: float = 30.0,
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    tls: ssl.SSLContext | None = None,
    extended: Mapping[str, bytes] | None = None,
) -> Association:
    """An association for services whose data sets are small and uncompressed."""
    contexts = [(uid, _PLAIN) for uid in sop_classes]
    return Association(
        host, port, called, calling, contexts, timeout_s=timeout_s, roles=roles, tls=tls, extended=extended
    )


def sending_contexts(
    objects: Iterable[tuple[str, str]],
) -> list[tuple[list[tuple[str, Sequence[str]]], set[tuple[str, str]]]]:
    """Contexts to send objects of these (SOP class, transfer syntax): the original syntax of each alone, so that the
    peer takes it if it can, and the plain ones for what must be transcoded. In groups of at most 128 (PS3.8 9.3.2.2),
    each with the pairs that it serves."""
    groups: list[tuple[list[tuple[str, Sequence[str]]], set[tuple[str, str]]]] = []
    by_class: dict[str, list[str]] = {}
    for uid, syntax in dict.fromkeys(objects):
        by_class.setdefault(uid, []).append(syntax)
    for uid, syntaxes in by_class.items():
        for at in range(0, len(syntaxes), 100):
            some = syntaxes[at : at + 100]
            contexts: list[tuple[str, Sequence[str]]] = [(uid, (syntax,)) for syntax in some]
            contexts += [(uid, (syntax,)) for syntax in _PLAIN if syntax not in some]
            if not groups or len(groups[-1][0]) + len(contexts) > 128:
                groups.append(([], set()))
            groups[-1][0].extend(contexts)
            groups[-1][1].update((uid, syntax) for syntax in some)
    return groups


def storage_contexts(objects: Iterable[tuple[str, str]]) -> list[list[tuple[str, Sequence[str]]]]:
    """Contexts for (SOP class, transfer syntax) pairs: one a pair, in groups of at most 128 (PS3.8 9.3.2.2)."""
    pairs = list(dict.fromkeys(objects))
    return [
        [(uid, (syntax,)) for uid, syntax in pairs[at : at + 128]] for at in range(0, len(pairs), 128)
    ] or [[]]
