"""Service class provider: a thread an association, data sets streamed to the store as they come (PS3.8, PS3.7).

Threads and blocking reads into one big buffer were measured fastest in Python: the protocol costs little, and the
system calls release the interpreter. A stranger costs nothing that counts: an association slot is taken only after a
valid request, within a few seconds.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from wetread.dicom import message, sopclass
from wetread.dicom.errors import DicomError
from wetread.dicom.jsonmodel import character_set_of, encode_json, to_json
from wetread.dicom.message import (
    COMMAND_BYTES_MAX,
    Command,
    CommandSet,
    Status,
    build_command,
    number_of,
    text_of,
)
from wetread.dicom.pdu import (
    APPLICATION_CONTEXT,
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    LOCAL_LIMIT_EXCEEDED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    TEMPORARY_CONGESTION,
    AbortReason,
    AcceptedContext,
    AssociateRequest,
    ContextResult,
    PduType,
    Rejection,
    build_abort,
    build_associate_accept,
    build_associate_reject,
    build_release_response,
    parse_associate_request,
    pdvs,
)
from wetread.dicom.transfersyntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
    transfer_syntax,
)
from wetread.dicom.uid import new_uid
from wetread.dimse.client import Association as Outgoing
from wetread.dimse.client import AssociationFailed, sending_contexts
from wetread.dimse.connection import PDU_BYTES_MAX, Connection, Disconnected
from wetread.dimse.services import (
    Caller,
    Commitment,
    Destination,
    Done,
    FindOptions,
    Found,
    JsonDict,
    NodeServices,
    Peer,
    RefusedOperation,
    RetrieveItem,
    StoreOutcome,
    StoreSink,
    Transfer,
)
from wetread.kit import errors, tls, tracing
from wetread.kit.clock import SystemClock

log = structlog.get_logger()

REQUEST_S = 5.0
IDLE_S = 120.0
ABORT_S = 5.0
_AGAIN_S = 0.2
_LOOK_UP = (0, 500_000)  # seconds and microseconds until who waits for callers looks whether to end
ASSOCIATIONS_MAX = 200
STRANGERS_MAX = 400
MATCHES_MAX = 10_000  # of one query; more are told to be too many
IDENTIFIER_BYTES_MAX = 1024 * 1024
ACTION_BYTES_MAX = 8 * 1024 * 1024  # storage commitment of tens of thousands of objects
MOVE_ATTEMPTS_MAX = 3  # associations in vain, before a destination is given up
MOVE_PAUSE_S = 1.0
PENDING_EVERY, PENDING_S = 16, 2.0
PLAIN = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
# The operations of each service (PS3.4): an operation on the context of another class is none of that class.
CLASSES_OF: dict[Command, frozenset[str]] = {
    Command.C_FIND_RQ: sopclass.FIND_MODELS
    | {sopclass.MODALITY_WORKLIST, sopclass.UPS_PULL, sopclass.UPS_WATCH, sopclass.UPS_QUERY},
    Command.C_MOVE_RQ: sopclass.MOVE_MODELS,
    Command.C_GET_RQ: sopclass.GET_MODELS,
    Command.N_CREATE_RQ: frozenset(
        {sopclass.PERFORMED_PROCEDURE_STEP, sopclass.UPS_PUSH, sopclass.INSTANCE_AVAILABILITY}
    ),
    Command.N_GET_RQ: frozenset({sopclass.UPS_PUSH, sopclass.UPS_PULL, sopclass.UPS_WATCH}),
    Command.N_SET_RQ: frozenset({sopclass.PERFORMED_PROCEDURE_STEP, sopclass.UPS_PULL}),
    Command.N_ACTION_RQ: frozenset({sopclass.STORAGE_COMMITMENT_PUSH, *sopclass.UPS_CLASSES})
    - {sopclass.UPS_QUERY},
}
# Action Type IDs of each class of the Unified Procedure Step (PS3.4 table CC.1-1): 1 changes the state, 2 asks to
# cancel, 3 to 5 are about subscriptions.
UPS_ACTIONS: dict[str, frozenset[int]] = {
    sopclass.UPS_PUSH: frozenset({2}),
    sopclass.UPS_PULL: frozenset({1}),
    sopclass.UPS_WATCH: frozenset({2, 3, 4, 5}),
}
_QUERIES = frozenset({Command.C_FIND_RQ, Command.C_MOVE_RQ, Command.C_GET_RQ})
# Query/Retrieve and worklist have statuses of their own for what the general ones say (PS3.4 C.4.1.1.4, K.4.1.1.4).
_QUERY_STATUS: dict[int, Status] = {
    Status.INVALID_ATTRIBUTE_VALUE: Status.IDENTIFIER_DOES_NOT_MATCH,
    Status.NO_SUCH_SOP_INSTANCE: Status.UNABLE_TO_PROCESS,
    Status.PROCESSING_FAILURE: Status.UNABLE_TO_PROCESS,
}
SERVICES = (
    frozenset({sopclass.VERIFICATION, sopclass.MODALITY_WORKLIST, sopclass.PERFORMED_PROCEDURE_STEP})
    | {sopclass.STORAGE_COMMITMENT_PUSH, sopclass.INSTANCE_AVAILABILITY}
    | sopclass.FIND_MODELS
    | sopclass.MOVE_MODELS
    | sopclass.GET_MODELS
    | sopclass.UPS_CLASSES
)


@dataclass(slots=True)
class OpenAssociation:
    """An association as the administrator sees it."""

    number: int
    calling_ae_title: str
    network_address: str
    encrypted: bool = False
    opened_at: datetime = field(default_factory=SystemClock().now)
    received: int = 0
    sent: int = 0
    operation: str = ""
    service: str = ""  # the SOP class of the last operation, by name
    bytes_received: int = 0
    bytes_sent: int = 0
    is_aborted: bool = False


def status_of(error: Exception) -> tuple[int, str]:
    """The one table from our errors to DIMSE statuses (PS3.7 annex C)."""
    if isinstance(error, RefusedOperation):
        return error.status, error.comment
    table: tuple[tuple[type[Exception], Status], ...] = (
        (errors.NotFound, Status.NO_SUCH_SOP_INSTANCE),
        (errors.Denied, Status.NOT_AUTHORIZED),
        (errors.Unauthenticated, Status.NOT_AUTHORIZED),
        (errors.Conflict, Status.PROCESSING_FAILURE),
        (errors.Invalid, Status.INVALID_ATTRIBUTE_VALUE),
        (errors.TooLarge, Status.OUT_OF_RESOURCES),
        (errors.Unavailable, Status.OUT_OF_RESOURCES),
    )
    for kind, status in table:
        if isinstance(error, kind):
            return status, error.detail if isinstance(error, errors.WetreadError) else ""
    return Status.PROCESSING_FAILURE, ""


class Node:
    """The DICOM node: listens, admits, serves. `open_associations` shows who is connected.

    `port` is the plain door and `tls_port` the one of TLS by `context`; None keeps a door shut, 0 takes a free port. A
    socket that listens (`listen_at`) is a door that other processes stand at too: they are given callers in turn.
    """

    def __init__(
        self,
        services: NodeServices,
        host: str,
        port: int | socket.socket | None,
        *,
        ae_title: str = "WETREAD",
        tls_port: int | socket.socket | None = None,
        context: ssl.SSLContext | None = None,
        offer: Offer | None = None,
    ) -> None:
        self.services = services
        self.ae_title = ae_title
        self.offer = offer or Offer()
        self._listeners = {
            secure: door if isinstance(door, socket.socket) else listen_at(host, door)
            for secure, door in ((False, port), (True, tls_port if context is not None else None))
            if door is not None
        }
        self._own = [one for one in self._listeners.values() if one not in (port, tls_port)]
        # The system wakes those who wait in `accept` in turn, and so spreads callers; those who wait for a door that can be
        # read are all woken, and the same one tends to be the first. Others must go on when this process ends, so that the
        # door cannot be shut to end the waiting.
        for listener in self._listeners.values():
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", *_LOOK_UP))
        self._context = context
        self._accepting: list[threading.Thread] = []
        self._threads: set[threading.Thread] = set()
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._open: dict[int, OpenAssociation] = {}
        self._carriers: dict[int, Connection] = {}
        self._strangers = 0
        self._number = 0
        self._ending = threading.Event()

    @property
    def port(self) -> int:
        """The port of the plain door."""
        return int(self._listeners[False].getsockname()[1])

    @property
    def tls_port(self) -> int:
        """The port of the TLS door."""
        return int(self._listeners[True].getsockname()[1])

    def start(self) -> None:
        """Begins to accept."""
        for secure, listener in self._listeners.items():
            thread = threading.Thread(
                target=self._accept, args=(listener, secure), name="dicom-accept", daemon=True
            )
            self._accepting.append(thread)
            thread.start()

    def open_associations(self) -> list[OpenAssociation]:
        """Those open now."""
        with self._lock:
            for number, entry in self._open.items():
                carrier = self._carriers[number]
                entry.bytes_received, entry.bytes_sent = carrier.bytes_received, carrier.bytes_sent
            return list(self._open.values())

    def abort(self, number: int) -> bool:
        """Ends one association: by an A-ABORT as soon as it is between two messages, in a few seconds anyhow. False where
        there is none of that number."""
        with self._lock:
            entry, carrier = self._open.get(number), self._carriers.get(number)
        if entry is None or carrier is None:
            return False
        entry.is_aborted = True
        carrier.stop_reading()
        timer = threading.Timer(ABORT_S, carrier.close)
        timer.daemon = True
        timer.start()
        return True

    def close(self, *, grace_s: float = 10.0) -> None:
        """Stops accepting, lets running operations finish for `grace_s`, then cuts."""
        self._ending.set()
        for listener in self._own:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        for thread in self._accepting:
            thread.join(grace_s)
        for listener in self._listeners.values():
            listener.close()
        with self._lock:
            threads = list(self._threads)
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # it may have ended by itself meanwhile
                connection.set_timeout(min(grace_s, 2.0))
        for thread in threads:
            thread.join(grace_s / max(1, len(threads)))
        for connection in list(self._connections):
            connection.close()

    def _accept(self, listener: socket.socket, secure: bool) -> None:
        while not self._ending.is_set():
            try:
                sock, address = listener.accept()
            except (BlockingIOError, ConnectionError):  # nobody called for a while, or the caller left
                continue
            except OSError as error:  # no descriptor is left, for one: the caller is still there then
                if not self._ending.is_set():
                    log.warning("cannot take a caller", error=error.strerror)
                self._ending.wait(_AGAIN_S)
                continue
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
            with self._lock:
                crowded = self._strangers >= STRANGERS_MAX
                self._strangers += not crowded
            if crowded:
                sock.close()
                continue
            thread = threading.Thread(
                target=self._serve, args=(sock, str(address[0]), secure), name="dicom", daemon=True
            )
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def _serve(self, sock: socket.socket, address: str, secure: bool) -> None:
        stranger = True
        number = 0
        connection: Connection | None = None
        try:
            names: tuple[str, ...] | None = None
            if secure:
                assert self._context is not None
                # In the association's own thread and within its time: a silent caller holds up nobody else.
                secured = tls.accept(sock, self._context, REQUEST_S)
                sock, names = secured, tls.names_in_certificate(secured)
            connection = Connection(sock, timeout_s=REQUEST_S)
            connection.set_deadline(REQUEST_S)  # a caller that drips costs no more than a silent one
            self._connections.add(connection)
            request = self._request(connection)
            with self._lock:
                self._strangers -= 1
                stranger = False
            if request is None:
                return
            try:
                admitted = self._admit(request, address, names)
            except Exception as error:  # noqa: BLE001 - a database that is away is told as what it is: try again
                log.warning("association not decided", error=type(error).__name__)
                admitted = TEMPORARY_CONGESTION
            if isinstance(admitted, Rejection):
                connection.send(build_associate_reject(admitted))
                log.info("association refused", ae=request.calling_ae_title, reason=admitted.reason)
                return
            with self._lock:
                self._number += 1
                number = self._number
                entry = OpenAssociation(number, admitted.calling_ae_title, address, secure)
                self._open[number], self._carriers[number] = entry, connection
            connection.grow()
            connection.set_timeout(IDLE_S)
            _Served(self, connection, request, admitted, entry, self._ending).run()
        except Disconnected:
            if number and self._open[number].is_aborted:
                _try_send(connection, build_abort(AbortReason.NOT_SPECIFIED))
        except DicomError as error:
            log.info("malformed PDU", address=address, reason=error.reason)
            _try_send(connection, build_abort(AbortReason.INVALID_PDU_PARAMETER_VALUE))
        except Exception as error:  # noqa: BLE001 - one association's fault must not reach another
            if connection is None:
                self._not_authenticated(address, tls.reason_of(error))
            else:
                log.warning("association failed", error=type(error).__name__)
            _try_send(connection, build_abort(AbortReason.NOT_SPECIFIED))
        finally:
            if connection is None:
                sock.close()
            else:
                connection.close()
                self._connections.discard(connection)
            with self._lock:
                self._strangers -= stranger
                self._open.pop(number, None)
                self._carriers.pop(number, None)
                self._threads.discard(threading.current_thread())

    def _not_authenticated(self, address: str, reason: str) -> None:
        log.info("TLS refused", address=address, reason=reason)
        try:
            self.services.not_authenticated(address, reason)
        except Exception as error:  # noqa: BLE001 - the caller is refused all the same
            log.warning("refusal not recorded", error=type(error).__name__)

    @staticmethod
    def _request(connection: Connection) -> AssociateRequest | None:
        kind, body = connection.receive()
        if kind == PduType.ABORT:
            return None
        if kind != PduType.ASSOCIATE_RQ:
            connection.send(build_abort(AbortReason.UNEXPECTED_PDU))
            return None
        return parse_associate_request(bytes(body))

    def _admit(
        self, request: AssociateRequest, address: str, names: tuple[str, ...] | None
    ) -> Peer | Rejection:
        if not request.protocol_version & 1:
            return PROTOCOL_VERSION_NOT_SUPPORTED
        if request.application_context != APPLICATION_CONTEXT:
            return APPLICATION_CONTEXT_NOT_SUPPORTED
        with self._lock:
            if len(self._open) >= ASSOCIATIONS_MAX:
                return LOCAL_LIMIT_EXCEEDED
        return self.services.admit(
            Caller(request.calling_ae_title, request.called_ae_title, address, request.user_identity, names)
        )


def listen_at(host: str, port: int) -> socket.socket:
    """A socket that listens for associations. Raises OSError."""
    return socket.create_server((host, port), family=_family(host), backlog=256)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _try_send(connection: Connection | None, data: bytes) -> None:
    if connection is None:
        return
    with contextlib.suppress(Disconnected):
        connection.send(data)


@dataclass(frozen=True, slots=True)
class Offer:
    """What is stored beyond the standard, by configuration: SOP classes (`*`: any that the dictionary does not know as
    something else) and transfer syntaxes."""

    storage_classes: frozenset[str] = frozenset()
    transfer_syntaxes: frozenset[str] = frozenset()

    def stores(self, sop_class: str) -> bool:
        """Whether objects of the class are kept."""
        if sop_class in sopclass.STORAGE_CLASSES or sop_class in self.storage_classes:
            return True
        return "*" in self.storage_classes and bool(sop_class) and not sopclass.is_standard(sop_class)

    def knows(self, syntax: str) -> bool:
        """Whether objects in the syntax are kept."""
        return syntax in TRANSFER_SYNTAXES or syntax in self.transfer_syntaxes


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The answer to a request: a result for every context, the roles granted, what is agreed of each query class."""

    contexts: list[AcceptedContext]
    roles: dict[str, tuple[bool, bool]]
    extended: dict[str, bytes]


# Service class application information (PS3.4 C.5.1.1, C.5.2.1): relational queries, combined date-time matching and
# fuzzy names are done; timezone adjustment and enhanced multi-frame conversion are not.
FIND_OPTIONS, RETRIEVE_OPTIONS = b"\x01\x01\x01\x00\x00", b"\x01\x00"


def negotiate(request: AssociateRequest, offer: Offer | None = None) -> Negotiated:
    """Answers to what was proposed: the requestor's first transfer syntax that we know, roles, extended negotiation.

    Storage keeps every syntax as it is sent; other services speak the plain ones.
    """
    offer = offer or Offer()
    answers: list[AcceptedContext] = []
    accepted: set[str] = set()
    for context in request.contexts:
        result, chosen = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_VR_LITTLE_ENDIAN
        storage = offer.stores(context.abstract_syntax)
        if storage or context.abstract_syntax in SERVICES:
            usable = [
                syntax
                for syntax in context.transfer_syntaxes
                if (offer.knows(syntax) if storage else syntax in PLAIN)
            ]
            result = ContextResult.ACCEPTANCE if usable else ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
            chosen = usable[0] if usable else chosen
        if result == ContextResult.ACCEPTANCE:
            accepted.add(context.abstract_syntax)
        answers.append(AcceptedContext(context.context_id, result, chosen))
    # The requestor may be SCP of storage classes, for C-GET (PS3.7 D.3.3.4); of all others we are the SCP alone.
    roles = {
        uid: (scu, scp and offer.stores(uid)) for uid, (scu, scp) in request.roles.items() if uid in accepted
    }
    extended: dict[str, bytes] = {}
    for uid, asked in request.extended.items():
        if uid in accepted and uid in sopclass.FIND_MODELS | sopclass.MOVE_MODELS | sopclass.GET_MODELS:
            options = FIND_OPTIONS if uid in sopclass.FIND_MODELS else RETRIEVE_OPTIONS
            extended[uid] = bytes(
                one & done for one, done in zip(asked, options.ljust(len(asked), b"\0"), strict=False)
            )
    return Negotiated(answers, roles, extended)


@dataclass(slots=True)
class _Message:
    context_id: int
    command: CommandSet
    data: bytes | None


@dataclass(slots=True)
class _Counts:
    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)

    def note(self, status: int | None, uid: str) -> None:
        self.remaining -= 1
        if status == Status.SUCCESS:
            self.completed += 1
        elif status is not None and status & 0xF000 == 0xB000:
            self.warning += 1
        else:
            self.failed += 1
            self.failed_uids.append(uid)


@dataclass(slots=True)
class _Retrieve:
    """The course of one C-MOVE or C-GET."""

    counts: _Counts
    arrived: list[RetrieveItem] = field(default_factory=list)
    cancelled: bool = False
    fault: str = ""
    _told: int = 0
    _told_at: float = field(default_factory=time.monotonic)

    def note(self, item: RetrieveItem, status: int | None) -> None:
        """What became of one sub-operation; None: it could not be done."""
        self.counts.note(status, item.sop_instance_uid)
        if status is not None and (status == Status.SUCCESS or status & 0xF000 == 0xB000):
            self.arrived.append(item)

    def is_due(self) -> bool:
        """Whether the requester is to be told how far it is: at the first, then now and then, and when it is slow."""
        done = self.counts.completed + self.counts.failed + self.counts.warning
        if done == 1 or done - self._told >= PENDING_EVERY or time.monotonic() - self._told_at > PENDING_S:
            self._told, self._told_at = done, time.monotonic()
            return True
        return False


def _data_of(item: RetrieveItem, syntax: str) -> Iterable[bytes | memoryview] | None:
    """The data set in the syntax; None where it cannot be given in it."""
    if syntax == item.transfer_syntax_uid:
        return item.chunks()
    try:
        return item.chunks_in(syntax)
    except Exception as error:  # noqa: BLE001 - one object that cannot be transcoded is one failed sub-operation
        log.info("not transcoded", syntax=syntax, error=type(error).__name__)
        return None


class _Served:
    """One admitted association."""

    def __init__(
        self,
        node: Node,
        connection: Connection,
        request: AssociateRequest,
        peer: Peer,
        entry: OpenAssociation,
        ending: threading.Event,
    ) -> None:
        self._node, self._services, self._connection, self._peer = node, node.services, connection, peer
        self._entry, self._ending = entry, ending
        self._max_length = request.max_length
        agreed = negotiate(request, node.offer)
        contexts, self._roles, self._extended = agreed.contexts, agreed.roles, agreed.extended
        proposed = {context.context_id: context.abstract_syntax for context in request.contexts}
        self._contexts = {
            context.context_id: (proposed[context.context_id], context.transfer_syntax)
            for context in contexts
            if context.result == ContextResult.ACCEPTANCE
        }
        connection.send(
            build_associate_accept(
                request,
                contexts,
                PDU_BYTES_MAX,
                self._roles,
                self._extended,
                identity_proved=peer.identity_proved,
            )
        )
        self._transfer: Transfer | None = None
        self._sink: StoreSink | None = None
        self._command_bytes = bytearray()
        self._command: CommandSet | None = None
        self._data = bytearray()
        self._cancelled: set[int] = set()
        self._message_id = 0
        self._reports = _Reports()

    def run(self) -> None:
        """Serves until release, abort, silence or shutdown."""
        try:
            while True:
                self._report_commitments()
                kind, body = self._connection.receive()
                if kind == PduType.P_DATA:
                    for waiting in self._take(body):
                        self._dispatch(waiting)
                    if self._ending.is_set() and self._sink is None:
                        self._connection.send(build_abort())
                        return
                elif kind == PduType.RELEASE_RQ:
                    self._finish()
                    self._connection.send(build_release_response())
                    return
                elif kind == PduType.ABORT:
                    return
                else:
                    self._connection.send(build_abort(AbortReason.UNEXPECTED_PDU))
                    return
        finally:
            self._finish()

    def _report_commitments(self) -> None:
        """Sends outcomes of storage commitments as they are known, until the peer says something or none is left.

        The wait is for our own work, so the peer's silence does not count.
        """
        while self._reports.pending and self._command is None and not self._ending.is_set():
            if self._connection.has_data(0.1):
                return
            ready = self._reports.next()
            if ready is not None:
                self._send_report(*ready)

    def _send_report(self, context_id: int, ticket: Commitment, event_type_id: int, event: JsonDict) -> None:
        self._message_id = self._message_id % 0xFFFF + 1
        command = build_command(
            {
                "affected_sop_class_uid": sopclass.STORAGE_COMMITMENT_PUSH,
                "command_field": Command.N_EVENT_REPORT_RQ,
                "message_id": self._message_id,
                "command_data_set_type": 0x0001,
                "affected_sop_instance_uid": sopclass.STORAGE_COMMITMENT_PUSH_INSTANCE,
                "event_type_id": event_type_id,
            }
        )
        explicit = transfer_syntax(self._contexts[context_id][1]).explicit
        self._reports.unanswered[self._message_id] = ticket
        self._connection.send_message(
            context_id, command, [encode_json(event, explicit=explicit)], self._max_length
        )

    def _event_answered(self, command: CommandSet) -> None:
        ticket = self._reports.unanswered.pop(number_of(command, "message_id_being_responded_to"), None)
        if ticket is None:
            return
        status = number_of(command, "status")
        if status == Status.SUCCESS:
            ticket.reported()
        else:
            log.info("commitment report refused", ae=self._peer.calling_ae_title, status=f"{status:04X}")
            ticket.release()

    def _finish(self) -> None:
        self._reports.close()
        if self._sink is not None:
            self._sink.abort()
            self._sink = None
        if self._transfer is not None:
            transfer, self._transfer = self._transfer, None
            transfer.close()

    def _take(self, body: memoryview) -> list[_Message]:
        """Feeds one P-DATA-TF; stores stream to their sink at once, other complete messages are returned."""
        complete: list[_Message] = []
        for context_id, control, fragment in pdvs(body):
            if context_id not in self._contexts:
                raise DicomError(f"presentation context {context_id} was not accepted")
            if control & 1:
                self._take_command(context_id, control, fragment, complete)
            elif self._command is None:
                raise DicomError("a data set without a command")
            elif self._sink is not None:
                self._sink.write(fragment)
                if control & 2:
                    self._commit_store(context_id)
            else:
                self._data += fragment
                action = self._command["command_field"] == Command.N_ACTION_RQ
                if len(self._data) > (ACTION_BYTES_MAX if action else IDENTIFIER_BYTES_MAX):
                    raise DicomError("an identifier is too long")
                if control & 2:
                    complete.append(_Message(context_id, self._command, bytes(self._data)))
                    self._command = None
                    self._data.clear()
        return complete

    def _take_command(
        self, context_id: int, control: int, fragment: memoryview, complete: list[_Message]
    ) -> None:
        if self._command is not None:
            raise DicomError("a command inside a data set")
        self._command_bytes += fragment
        if len(self._command_bytes) > COMMAND_BYTES_MAX:
            raise DicomError("a command set is too long")
        if not control & 2:
            return
        command = message.parse_command(bytes(self._command_bytes))
        self._command_bytes.clear()
        has_data = number_of(command, "command_data_set_type") != message.NO_DATA_SET
        if not has_data:
            complete.append(_Message(context_id, command, None))
            return
        self._command = command
        if command["command_field"] == Command.C_STORE_RQ:
            self._open_store(context_id, command)

    def _open_store(self, context_id: int, command: CommandSet) -> None:
        sop_class, syntax = self._contexts[context_id]
        self._entry.operation, self._entry.service = "C-STORE", sopclass.name_of(sop_class)
        uid = text_of(command, "affected_sop_instance_uid")
        try:
            if "store" not in self._peer.rights:
                raise RefusedOperation(Status.NOT_AUTHORIZED, "this AE may not store here")
            if not self._node.offer.stores(sop_class):
                raise RefusedOperation(Status.SOP_CLASS_NOT_SUPPORTED, "not a storage SOP class")
            if text_of(command, "affected_sop_class_uid") != sop_class:
                raise RefusedOperation(
                    Status.SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of the presentation context"
                )
            if self._transfer is None:
                self._transfer = self._services.transfer(self._peer)
            self._sink = self._transfer.open(sop_class, uid, syntax)
        except Exception as error:  # noqa: BLE001 - the data set still comes and must be read past
            if not isinstance(error, (RefusedOperation, errors.WetreadError)):
                log.warning("store refused", error=type(error).__name__)
            self._sink = _Refused(*status_of(error))

    def _commit_store(self, context_id: int) -> None:
        assert self._sink is not None
        assert self._command is not None
        command, sink = self._command, self._sink
        self._command = self._sink = None
        try:
            with tracing.span("C-STORE") as span:
                outcome = sink.commit()
                tracing.note(span, "dicom.operation", "C-STORE")
                tracing.note(span, "dicom.status", outcome.status)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the object was not kept
            log.warning("store failed", error=type(error).__name__)
            status, comment = status_of(error)
            outcome = StoreOutcome(status, comment)
        self._entry.received += 1
        self._respond(
            context_id,
            command,
            outcome.status,
            comment=outcome.error_comment,
            more={"affected_sop_instance_uid": text_of(command, "affected_sop_instance_uid")},
        )
        if self._transfer is not None:
            self._transfer.answered()

    def _respond(
        self,
        context_id: int,
        command: CommandSet,
        status: int,
        *,
        comment: str = "",
        data: bytes | None = None,
        more: Mapping[str, str | int | bytes | None] | None = None,
    ) -> None:
        sop_class = text_of(command, "affected_sop_class_uid") or text_of(command, "requested_sop_class_uid")
        response = build_command(
            {
                "affected_sop_class_uid": sop_class,
                "command_field": number_of(command, "command_field") | 0x8000,
                "message_id_being_responded_to": number_of(command, "message_id"),
                "command_data_set_type": message.NO_DATA_SET if data is None else 0x0001,
                "status": status,
                "error_comment": comment or None,
                **(more or {}),
            }
        )
        self._connection.send_message(
            context_id, response, None if data is None else [data], self._max_length
        )

    def _dispatch(self, asked: _Message) -> None:
        kind = number_of(asked.command, "command_field")
        handlers = {
            Command.C_ECHO_RQ: self._echo,
            Command.C_FIND_RQ: self._find,
            Command.C_MOVE_RQ: self._move,
            Command.C_GET_RQ: self._get,
            Command.N_CREATE_RQ: self._create,
            Command.N_GET_RQ: self._get_attributes,
            Command.N_SET_RQ: self._set,
            Command.N_ACTION_RQ: self._action,
        }
        if kind == Command.N_EVENT_REPORT_RSP:
            self._event_answered(asked.command)
            return
        if kind == Command.C_CANCEL_RQ or kind & 0x8000:
            return  # too late, or an answer that nobody waits for
        known = next((command for command in handlers if command == kind), None)
        if known is None:
            self._respond(asked.context_id, asked.command, Status.UNRECOGNIZED_OPERATION)
            return
        handler = handlers[known]
        classes = CLASSES_OF.get(known)
        if classes is not None and self._contexts[asked.context_id][0] not in classes:
            self._respond(
                asked.context_id,
                asked.command,
                Status.UNRECOGNIZED_OPERATION,
                comment="not an operation of this SOP class",
            )
            return
        self._entry.operation = known.name.removesuffix("_RQ").replace("_", "-")
        self._entry.service = sopclass.name_of(self._contexts[asked.context_id][0])
        try:
            with tracing.span(self._entry.operation) as span:
                tracing.note(span, "dicom.operation", self._entry.operation)
                handler(asked)
        except (Disconnected, DicomError):
            raise
        except Exception as error:  # noqa: BLE001 - answered in the protocol's terms, the association lives on
            if not isinstance(error, (RefusedOperation, errors.WetreadError)):
                log.warning("operation failed", operation=self._entry.operation, error=type(error).__name__)
            status, comment = status_of(error)
            if known in _QUERIES:
                status = _QUERY_STATUS.get(status, status)
            tags = error.offending_tags if isinstance(error, RefusedOperation) else ()
            raw = b"".join(tag.to_bytes(4, "big")[1::-1] + tag.to_bytes(4, "big")[:1:-1] for tag in tags)
            self._respond(
                asked.context_id,
                asked.command,
                status,
                comment=comment,
                more={"offending_element": raw or None},
            )

    def _require(self, right: str) -> None:
        if right not in self._peer.rights:
            raise RefusedOperation(Status.NOT_AUTHORIZED, f"this AE may not {right} here")

    def _identifier(self, asked: _Message) -> JsonDict:
        if asked.data is None:
            raise RefusedOperation(Status.IDENTIFIER_DOES_NOT_MATCH, "the identifier is missing")
        return to_json(asked.data, self._contexts[asked.context_id][1], lambda *_: None)

    def _encoded(self, asked: _Message, model: JsonDict) -> bytes:
        return encode_json(model, explicit=transfer_syntax(self._contexts[asked.context_id][1]).explicit)

    def _echo(self, asked: _Message) -> None:
        self._require("verify")
        self._respond(asked.context_id, asked.command, Status.SUCCESS)

    def _find(self, asked: _Message) -> None:
        is_workitems = self._contexts[asked.context_id][0] in sopclass.UPS_CLASSES
        self._require("workitems" if is_workitems else "worklist" if self._is_worklist(asked) else "find")
        identifier = self._identifier(asked)
        matches: Iterable[JsonDict]
        found = Found(())
        if is_workitems:
            found = self._services.find_workitems(self._peer, identifier, MATCHES_MAX)
            matches = found.items
        elif self._is_worklist(asked):
            matches = self._services.worklist(self._peer, identifier)
        else:
            agreed = self._extended.get(self._contexts[asked.context_id][0], b"").ljust(5, b"\0")
            options = FindOptions(agreed[1] == 1, agreed[2] == 1, MATCHES_MAX)
            found = self._services.find(self._peer, self._level(asked, identifier), identifier, options)
            matches = found.items
        pending = Status.PENDING_WARNING if found.unsupported else Status.PENDING
        explicit = transfer_syntax(self._contexts[asked.context_id][1]).explicit
        # Who asks in a character set can read it: the answer keeps to it where it can (PS3.4 C.4.1.1.3.2).
        character_set = character_set_of(asked.data or b"", explicit=explicit)
        for number, match in enumerate(matches):
            if number % 16 == 15 and self._asked_to_cancel(asked):
                self._respond(asked.context_id, asked.command, Status.CANCEL)
                return
            data = encode_json(match, explicit=explicit, character_set=character_set)
            self._respond(asked.context_id, asked.command, pending, data=data)
        if found.cut:
            # Never silently: what was told is not all there is.
            self._respond(
                asked.context_id,
                asked.command,
                Status.OUT_OF_RESOURCES,
                comment=f"more than {len(found.items)} match: ask more narrowly",
            )
            return
        self._respond(asked.context_id, asked.command, Status.SUCCESS)

    def _is_worklist(self, asked: _Message) -> bool:
        return self._contexts[asked.context_id][0] == sopclass.MODALITY_WORKLIST

    def _level(self, asked: _Message, identifier: JsonDict) -> str:
        """Query/Retrieve Level (0008,0052), one that the model has (PS3.4 C.6)."""
        level = str((identifier.get("00080052", {}).get("Value") or [""])[0])
        patient_root = self._contexts[asked.context_id][0] in (
            sopclass.PATIENT_ROOT_FIND,
            sopclass.PATIENT_ROOT_MOVE,
            sopclass.PATIENT_ROOT_GET,
        )
        levels = ("PATIENT", "STUDY", "SERIES", "IMAGE") if patient_root else ("STUDY", "SERIES", "IMAGE")
        if level not in levels:
            raise RefusedOperation(
                Status.IDENTIFIER_DOES_NOT_MATCH,
                "Query/Retrieve Level must be " + ", ".join(levels),
                offending_tags=(0x00080052,),
            )
        return level

    def _asked_to_cancel(self, asked: _Message) -> bool:
        """Looks for a C-CANCEL-RQ of this operation, without waiting."""
        while self._connection.has_data():
            kind, body = self._connection.receive()
            if kind != PduType.P_DATA:
                raise Disconnected("aborted during an operation")
            for other in self._take(body):
                if number_of(other.command, "command_field") == Command.C_CANCEL_RQ:
                    self._cancelled.add(number_of(other.command, "message_id_being_responded_to"))
        return number_of(asked.command, "message_id") in self._cancelled

    def _items(self, asked: _Message) -> Sequence[RetrieveItem]:
        identifier = self._identifier(asked)
        return self._services.retrieve(self._peer, self._level(asked, identifier), identifier)

    def _move(self, asked: _Message) -> None:
        self._require("move")
        title = text_of(asked.command, "move_destination")
        destination = self._services.destination(title)
        if destination is None:
            raise RefusedOperation(Status.MOVE_DESTINATION_UNKNOWN, "the move destination is not known here")
        items = self._items(asked)
        task = _Retrieve(_Counts(len(items)))
        try:
            self._send_all(asked, destination, items, task)
        finally:
            self._services.retrieved(self._peer, task.arrived, destination.ae_title)
        if not task.cancelled:
            self._finish_retrieve(asked, task.counts, comment=task.fault)

    def _send_all(
        self, asked: _Message, destination: Destination, items: Sequence[RetrieveItem], task: _Retrieve
    ) -> None:
        """Every item over as few associations as can be. One that breaks is opened again, and what it did not take is
        sent again: the receiver knows an object that it has. Who fails without taking anything is given up."""
        for contexts, pairs in sending_contexts(
            (item.sop_class_uid, item.transfer_syntax_uid) for item in items
        ):
            waiting = [item for item in items if (item.sop_class_uid, item.transfer_syntax_uid) in pairs]
            in_vain = 0
            while waiting and not task.cancelled:
                before = len(waiting)
                try:
                    self._send_some(asked, destination, contexts, waiting, task)
                except AssociationFailed as error:
                    task.fault = str(error)[:64]
                    in_vain = in_vain + 1 if len(waiting) == before else 0
                    log.info("move destination failed", ae=destination.ae_title, in_vain=in_vain)
                    if in_vain >= MOVE_ATTEMPTS_MAX or self._ending.wait(MOVE_PAUSE_S):
                        for item in waiting:
                            task.note(item, None)
                        break
                    if self._report(asked, task):
                        return

    def _send_some(
        self,
        asked: _Message,
        destination: Destination,
        contexts: Sequence[tuple[str, Sequence[str]]],
        waiting: list[RetrieveItem],
        task: _Retrieve,
    ) -> None:
        originator = (self._peer.calling_ae_title, number_of(asked.command, "message_id"))
        with Outgoing(
            destination.host,
            destination.port,
            destination.ae_title,
            self._node.ae_title,
            contexts,
            tls=destination.context,
        ) as outgoing:
            while waiting:
                item = waiting[0]
                syntax = outgoing.syntax_for(item.sop_class_uid, item.transfer_syntax_uid)
                data = None if syntax is None else _data_of(item, syntax)
                status = None
                if syntax is not None and data is not None:
                    status = outgoing.store(
                        item.sop_class_uid, item.sop_instance_uid, syntax, data, originator=originator
                    ).status
                waiting.pop(0)
                task.note(item, status)
                self._entry.sent += 1
                if self._report(asked, task):
                    return

    def _report(self, asked: _Message, task: _Retrieve) -> bool:
        """A pending response with counts, now and then; True where the operation was cancelled (and answered)."""
        if self._asked_to_cancel(asked):
            task.cancelled = True
            self._respond(
                asked.context_id,
                asked.command,
                Status.CANCEL,
                data=self._failed_uids(asked, task.counts),
                more=self._numbers(task.counts, final=False),
            )
            return True
        if task.counts.remaining and task.is_due():
            self._respond(
                asked.context_id,
                asked.command,
                Status.PENDING,
                more=self._numbers(task.counts, final=False),
            )
        return False

    @staticmethod
    def _numbers(counts: _Counts, *, final: bool) -> dict[str, str | int | bytes | None]:
        return {
            "number_of_remaining_suboperations": None if final else counts.remaining,
            "number_of_completed_suboperations": counts.completed,
            "number_of_failed_suboperations": counts.failed,
            "number_of_warning_suboperations": counts.warning,
        }

    def _failed_uids(self, asked: _Message, counts: _Counts) -> bytes | None:
        if not counts.failed_uids:
            return None
        return self._encoded(asked, {"00080058": {"vr": "UI", "Value": counts.failed_uids}})

    def _finish_retrieve(self, asked: _Message, counts: _Counts, *, comment: str = "") -> None:
        """The last response (PS3.4 C.4.2.1.5): success, or warning or failure with the list of what failed."""
        status: int = Status.SUCCESS
        if counts.failed or counts.warning:
            status = Status.SUBOPERATIONS_COMPLETE_WITH_FAILURES
            if not counts.completed and not counts.warning:
                status = Status.UNABLE_TO_PERFORM_SUBOPERATIONS
        self._respond(
            asked.context_id,
            asked.command,
            status,
            comment=comment if counts.failed else "",
            data=self._failed_uids(asked, counts),
            more=self._numbers(counts, final=True),
        )

    def _get(self, asked: _Message) -> None:
        self._require("get")
        items = self._items(asked)
        task = _Retrieve(_Counts(len(items)))
        usable = {
            (sop_class, syntax): context_id
            for context_id, (sop_class, syntax) in self._contexts.items()
            if self._roles.get(sop_class, (True, False))[1]
        }
        try:
            for item in items:
                syntax = next(
                    (
                        one
                        for one in (item.transfer_syntax_uid, *PLAIN)
                        if (item.sop_class_uid, one) in usable
                    ),
                    None,
                )
                data = None if syntax is None else _data_of(item, syntax)
                status = None
                if syntax is not None and data is not None:
                    status = self._store_back(usable[item.sop_class_uid, syntax], item, data)
                task.note(item, status)
                if self._report(asked, task):
                    break
        finally:
            self._services.retrieved(self._peer, task.arrived, self._peer.calling_ae_title)
        if not task.cancelled:
            self._finish_retrieve(asked, task.counts)

    def _store_back(self, context_id: int, item: RetrieveItem, data: Iterable[bytes | memoryview]) -> int:
        """A C-STORE sub-operation on this association (PS3.4 C.4.3)."""
        self._message_id = self._message_id % 0xFFFF + 1
        command = build_command(
            {
                "affected_sop_class_uid": item.sop_class_uid,
                "command_field": Command.C_STORE_RQ,
                "message_id": self._message_id,
                "priority": 0,
                "command_data_set_type": 0x0001,
                "affected_sop_instance_uid": item.sop_instance_uid,
            }
        )
        self._connection.send_message(context_id, command, data, self._max_length)
        self._entry.sent += 1
        for answer in self._responses():
            if number_of(answer, "message_id_being_responded_to") == self._message_id:
                return number_of(answer, "status")
        raise Disconnected("released during a sub-operation")

    def _responses(self) -> Iterator[CommandSet]:
        while True:
            kind, body = self._connection.receive()
            if kind != PduType.P_DATA:
                raise Disconnected("aborted during a sub-operation")
            for other in self._take(body):
                if number_of(other.command, "command_field") == Command.C_CANCEL_RQ:
                    self._cancelled.add(number_of(other.command, "message_id_being_responded_to"))
                else:
                    yield other.command

    def _create(self, asked: _Message) -> None:
        if self._contexts[asked.context_id][0] == sopclass.UPS_PUSH:
            self._require("workitems")
            uid = text_of(asked.command, "affected_sop_instance_uid")
            self._done(asked, self._services.create_workitem(self._peer, uid, self._identifier(asked)))
            return
        uid = text_of(asked.command, "affected_sop_instance_uid") or new_uid()
        if self._contexts[asked.context_id][0] == sopclass.INSTANCE_AVAILABILITY:
            self._require("notify")
            self._services.notify_availability(self._peer, uid, self._identifier(asked))
            self._respond(
                asked.context_id, asked.command, Status.SUCCESS, more={"affected_sop_instance_uid": uid}
            )
            return
        self._require("mpps")
        self._services.create_performed_step(self._peer, uid, self._identifier(asked))
        self._respond(
            asked.context_id, asked.command, Status.SUCCESS, more={"affected_sop_instance_uid": uid}
        )

    def _set(self, asked: _Message) -> None:
        uid = text_of(asked.command, "requested_sop_instance_uid")
        if self._contexts[asked.context_id][0] == sopclass.UPS_PULL:
            self._require("workitems")
            self._done(asked, self._services.set_workitem(self._peer, uid, self._identifier(asked)))
            return
        self._require("mpps")
        self._services.set_performed_step(self._peer, uid, self._identifier(asked))
        self._respond(
            asked.context_id, asked.command, Status.SUCCESS, more={"affected_sop_instance_uid": uid}
        )

    def _get_attributes(self, asked: _Message) -> None:
        """N-GET, of Unified Procedure Steps alone."""
        self._require("workitems")
        raw = asked.command.get("attribute_identifier_list", b"")
        assert isinstance(raw, bytes)
        words = struct.unpack(f"<{len(raw) // 4 * 2}H", raw[: len(raw) // 4 * 4])
        tags = [f"{group:04X}{number:04X}" for group, number in zip(words[::2], words[1::2], strict=True)]
        uid = text_of(asked.command, "requested_sop_instance_uid")
        self._done(asked, self._services.get_workitem(self._peer, uid, tags))

    def _done(self, asked: _Message, done: Done) -> None:
        uid = done.sop_instance_uid or text_of(asked.command, "requested_sop_instance_uid")
        action_type_id = number_of(asked.command, "action_type_id")
        self._respond(
            asked.context_id,
            asked.command,
            done.status,
            comment=done.comment,
            data=self._encoded(asked, done.attributes) if done.attributes else None,
            more={"affected_sop_instance_uid": uid, "action_type_id": action_type_id or None},
        )

    def _act_on_workitem(self, asked: _Message) -> None:
        self._require("workitems")
        action_type_id = number_of(asked.command, "action_type_id")
        if action_type_id not in UPS_ACTIONS[self._contexts[asked.context_id][0]]:
            raise RefusedOperation(Status.NO_SUCH_ACTION, "not an action of this SOP class")
        uid = text_of(asked.command, "requested_sop_instance_uid")
        information = {} if asked.data is None else self._identifier(asked)
        self._done(asked, self._services.act_on_workitem(self._peer, uid, action_type_id, information))

    def _action(self, asked: _Message) -> None:
        """Storage commitment (PS3.4 J.3.2), and the actions of Unified Procedure Steps."""
        if self._contexts[asked.context_id][0] != sopclass.STORAGE_COMMITMENT_PUSH:
            self._act_on_workitem(asked)
            return
        self._require("commitment")
        uid = text_of(asked.command, "requested_sop_instance_uid")
        action_type_id = number_of(asked.command, "action_type_id")
        if uid != sopclass.STORAGE_COMMITMENT_PUSH_INSTANCE:
            raise RefusedOperation(Status.NO_SUCH_SOP_INSTANCE, "not the well-known SOP Instance")
        if action_type_id != 1:
            raise RefusedOperation(Status.NO_SUCH_ACTION, "only Request Storage Commitment is known")
        if asked.data is None:
            raise RefusedOperation(Status.INVALID_ARGUMENT_VALUE, "the action information is missing")
        ticket = self._services.request_commitment(self._peer, self._identifier(asked))
        try:
            self._respond(
                asked.context_id,
                asked.command,
                Status.SUCCESS,
                more={"affected_sop_instance_uid": uid, "action_type_id": action_type_id},
            )
        except Disconnected:
            ticket.release()
            raise
        self._reports.add(asked.context_id, ticket)


_Report = tuple[int, Commitment, int, JsonDict]


class _Reports:
    """Storage commitments of one association: being looked at in a thread of their own, or told and not yet answered."""

    def __init__(self) -> None:
        self.unanswered: dict[int, Commitment] = {}
        self._waiting: queue.SimpleQueue[tuple[int, Commitment] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Report | Commitment] = queue.SimpleQueue()
        self._open: list[Commitment] = []
        self._thread: threading.Thread | None = None

    @property
    def pending(self) -> bool:
        """Whether an outcome is still to come."""
        return bool(self._open)

    def add(self, context_id: int, ticket: Commitment) -> None:
        """Begins to look."""
        self._open.append(ticket)
        self._waiting.put((context_id, ticket))
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="dicom-commitment", daemon=True)
            self._thread.start()

    def next(self) -> _Report | None:
        """An outcome that can be told."""
        with contextlib.suppress(queue.Empty):
            done = self._done.get_nowait()
            if isinstance(done, tuple):
                self._open.remove(done[1])
                return done
            self._open.remove(done)
            self._give_back(done)
        return None

    def close(self) -> None:
        """The association ends: what was not heard is left to the house."""
        self._waiting.put(None)
        for ticket in (*self._open, *self.unanswered.values()):
            self._give_back(ticket)
        self._open.clear()
        self.unanswered.clear()

    @staticmethod
    def _give_back(ticket: Commitment) -> None:
        try:
            ticket.release()
        except Exception as error:  # noqa: BLE001 - the job that waits for its turn goes on with it
            log.warning("commitment not released", error=type(error).__name__)

    def _look(self) -> None:
        while (work := self._waiting.get()) is not None:
            context_id, ticket = work
            try:
                self._done.put((context_id, ticket, *ticket.report()))
            except Exception as error:  # noqa: BLE001 - tried again by the house
                log.warning("commitment not looked at", error=type(error).__name__)
                self._done.put(ticket)


class _Refused:
    """Swallows a data set that was refused before it came."""

    def __init__(self, status: int, comment: str) -> None:
        self._outcome = StoreOutcome(status, comment)

    def write(self, fragment: memoryview) -> None:
        """Drops it."""

    def commit(self) -> StoreOutcome:
        """The refusal."""
        return self._outcome

    def abort(self) -> None:
        """Nothing to undo."""
