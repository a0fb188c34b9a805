"""Protocol data units of the DICOM upper layer (PS3.8 section 9.3), without I/O.

Each parser takes the body of one PDU, after its six-byte head, and raises DicomError where it does not keep to the
standard. Lengths are checked before anything is built.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from wetread.dicom.errors import DicomError
from wetread.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

HEAD: Final = struct.Struct(">BxI")  # type, reserved, length (PS3.8 9.3.1)
PDV_HEAD: Final = struct.Struct(
    ">IBB"
)  # length, presentation context, message control header (PS3.8 9.3.5, E.2)
APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
ASSOCIATE_BYTES_MAX: Final = 1024 * 1024
CONTEXTS_MAX: Final = 128
MAX_LENGTH_MIN: Final = 4096


class PduType(IntEnum):
    """PS3.8 table 9-11 and following."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class ContextResult(IntEnum):
    """PS3.8 table 9-18."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int


CALLED_AE_NOT_RECOGNIZED: Final = Rejection(1, 1, 7)
CALLING_AE_NOT_RECOGNIZED: Final = Rejection(1, 1, 3)
APPLICATION_CONTEXT_NOT_SUPPORTED: Final = Rejection(1, 1, 2)
PROTOCOL_VERSION_NOT_SUPPORTED: Final = Rejection(1, 2, 2)
TEMPORARY_CONGESTION: Final = Rejection(2, 3, 1)
# PS3.7 D.3.3.7: there is no reason for "identity not accepted"; "no reason given" is what is sent.
IDENTITY_NOT_ACCEPTED: Final = Rejection(1, 1, 1)
LOCAL_LIMIT_EXCEEDED: Final = Rejection(2, 3, 2)


class AbortReason(IntEnum):
    """Reasons of an A-ABORT from the service provider, source 2 (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER_VALUE = 6


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context of a request; `context_id` is odd (PS3.8 9.3.2.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """The answer to a proposed context; `transfer_syntax` counts only on acceptance."""

    context_id: int
    result: ContextResult
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User identity negotiation (PS3.7 D.3.3.7). `kind` 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JWT."""

    kind: int
    primary: bytes
    secondary: bytes
    positive_response_requested: bool = False


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ. `max_length` 0 means that the requestor takes P-DATA of any length."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[ProposedContext, ...]
    max_length: int = 0
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)  # SOP class → (SCU, SCP)
    user_identity: UserIdentity | None = None
    protocol_version: int = 1
    application_context: str = APPLICATION_CONTEXT
    extended: Mapping[str, bytes] = field(
        default_factory=dict
    )  # SOP class → application information (PS3.7 D.3.3.5)
    asynchronous: tuple[int, int] | None = None  # operations invoked and performed at once (PS3.7 D.3.3.3)


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """An A-ASSOCIATE-AC."""

    contexts: tuple[AcceptedContext, ...]
    max_length: int
    roles: Mapping[str, tuple[bool, bool]]
    extended: Mapping[str, bytes] = field(default_factory=dict)
    asynchronous: tuple[int, int] | None = None
    identity_accepted: bool = False


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _title(ae_title: str) -> bytes:
    return ae_title.encode("ascii", "replace")[:16].ljust(16)


def _pdu(kind: PduType, body: bytes) -> bytes:
    return HEAD.pack(kind, len(body)) + body


def _user_information(
    max_length: int,
    class_uid: str,
    version: str,
    roles: Mapping[str, tuple[bool, bool]],
    extended: Mapping[str, bytes],
    asynchronous: tuple[int, int] | None,
    identity: bytes = b"",
) -> bytes:
    parts = [_item(0x51, struct.pack(">I", max_length)), _item(0x52, class_uid.encode())]
    if asynchronous is not None:
        parts.append(_item(0x53, struct.pack(">HH", *asynchronous)))
    for uid, (scu, scp) in roles.items():
        raw = uid.encode()
        parts.append(_item(0x54, struct.pack(">H", len(raw)) + raw + bytes((scu, scp))))
    parts.append(_item(0x55, version.encode()))
    for uid, information in extended.items():
        raw = uid.encode()
        parts.append(_item(0x56, struct.pack(">H", len(raw)) + raw + information))
    return _item(0x50, b"".join(parts) + identity)


def _identity_item(identity: UserIdentity) -> bytes:
    asked = int(identity.positive_response_requested)
    body = struct.pack(">BBH", identity.kind, asked, len(identity.primary)) + identity.primary
    return _item(0x58, body + struct.pack(">H", len(identity.secondary)) + identity.secondary)


def build_associate_request(request: AssociateRequest) -> bytes:
    """The whole PDU."""
    body = struct.pack(">HH", request.protocol_version, 0) + _title(request.called_ae_title)
    body += _title(request.calling_ae_title) + bytes(32) + _item(0x10, request.application_context.encode())
    for context in request.contexts:
        syntaxes = b"".join(_item(0x40, uid.encode()) for uid in context.transfer_syntaxes)
        head = bytes((context.context_id, 0, 0, 0))
        body += _item(0x20, head + _item(0x30, context.abstract_syntax.encode()) + syntaxes)
    body += _user_information(
        request.max_length,
        request.implementation_class_uid,
        request.implementation_version_name,
        request.roles,
        request.extended,
        request.asynchronous,
        b"" if request.user_identity is None else _identity_item(request.user_identity),
    )
    return _pdu(PduType.ASSOCIATE_RQ, body)


def build_associate_accept(
    request: AssociateRequest,
    contexts: Sequence[AcceptedContext],
    max_length: int,
    roles: Mapping[str, tuple[bool, bool]],
    extended: Mapping[str, bytes] | None = None,
    *,
    identity_proved: bool = False,
) -> bytes:
    """The answer to `request`; the titles are sent back as received (PS3.8 table 9-17).

    Whoever proposes to work asynchronously is answered one operation at a time. A user identity that was to be
    confirmed is confirmed only where it was proved: one that was not looked at gets no answer (PS3.7 D.3.3.7.2).
    """
    body = (
        struct.pack(">HH", 1, 0)
        + _title(request.called_ae_title)
        + _title(request.calling_ae_title)
        + bytes(32)
    )
    body += _item(0x10, APPLICATION_CONTEXT.encode())
    for context in contexts:
        head = bytes((context.context_id, 0, context.result, 0))
        body += _item(0x21, head + _item(0x40, context.transfer_syntax.encode()))
    identity = request.user_identity
    confirmed = identity_proved and identity is not None and identity.positive_response_requested
    body += _user_information(
        max_length,
        IMPLEMENTATION_CLASS_UID,
        IMPLEMENTATION_VERSION_NAME,
        roles,
        extended or {},
        None if request.asynchronous is None else (1, 1),
        _item(0x59, struct.pack(">H", 0)) if confirmed else b"",
    )
    return _pdu(PduType.ASSOCIATE_AC, body)


def build_associate_reject(rejection: Rejection) -> bytes:
    """The whole PDU."""
    return _pdu(PduType.ASSOCIATE_RJ, bytes((0, rejection.result, rejection.source, rejection.reason)))


def build_release_request() -> bytes:
    """The whole PDU."""
    return _pdu(PduType.RELEASE_RQ, bytes(4))


def build_release_response() -> bytes:
    """The whole PDU."""
    return _pdu(PduType.RELEASE_RP, bytes(4))


def build_abort(reason: AbortReason | None = None) -> bytes:
    """An abort by the service user, or by the provider where a reason is given."""
    return _pdu(PduType.ABORT, bytes((0, 0, 0 if reason is None else 2, reason or 0)))


def build_p_data(context_id: int, *, command: bool, last: bool, fragment: bytes | memoryview) -> bytes:
    """One P-DATA-TF with one PDV."""
    control = (1 if command else 0) | (2 if last else 0)
    length = len(fragment) + 2
    return HEAD.pack(PduType.P_DATA, length + 4) + PDV_HEAD.pack(length, context_id, control) + fragment


def _items(body: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    while position < len(body):
        if position + 4 > len(body):
            raise DicomError("an item is cut short", position)
        kind, length = struct.unpack_from(">BxH", body, position)
        position += 4
        if position + length > len(body):
            raise DicomError(f"item {kind:02X} is longer than what is left", position)
        yield kind, body[position : position + length]
        position += length


def _uid(raw: bytes) -> str:
    """A UID as some devices send it, padded with zeros or spaces."""
    text = raw.rstrip(b"\0 ").decode("ascii", "replace")
    if len(text) > 64 or not text.isprintable():
        raise DicomError("not a UID")
    return text


def _ae_title(raw: bytes) -> str:
    # Control characters and NULs that devices send do not belong to a title (PS3.5 6.2).
    return "".join(character for character in raw.decode("latin-1") if character.isprintable()).strip()


@dataclass(slots=True)
class _UserItems:
    max_length: int = 0
    class_uid: str = ""
    version: str = ""
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: dict[str, bytes] = field(default_factory=dict)
    asynchronous: tuple[int, int] | None = None
    identity: UserIdentity | None = None
    identity_accepted: bool = False


def _user_items(raw: bytes) -> _UserItems:
    found = _UserItems()
    for kind, value in _items(raw, 0):
        if kind == 0x51 and len(value) >= 4:
            found.max_length = struct.unpack_from(">I", value)[0]
        elif kind == 0x52:
            found.class_uid = _uid(value)
        elif kind == 0x53 and len(value) >= 4:
            found.asynchronous = struct.unpack_from(">HH", value)
        elif kind == 0x54:
            uid, rest = _of_class(value)
            if len(rest) < 2:
                raise DicomError("a role selection is malformed")
            found.roles[uid] = (rest[0] == 1, rest[1] == 1)
        elif kind == 0x55:
            found.version = value.decode("latin-1").strip(" \0")
        elif kind == 0x56:
            uid, found.extended[uid] = _of_class(value)
        elif kind == 0x58:
            found.identity = _identity(value)
        elif kind == 0x59:
            found.identity_accepted = True
    return found


def _of_class(value: bytes) -> tuple[str, bytes]:
    """The SOP class that a sub-item is of, and what it says."""
    length = struct.unpack_from(">H", value)[0] if len(value) >= 2 else -1
    if length < 0 or length + 2 > len(value):
        raise DicomError("a sub-item of the user information is malformed")
    return _uid(value[2 : 2 + length]), value[2 + length :]


def _identity(value: bytes) -> UserIdentity:
    try:
        kind, asked, length = struct.unpack_from(">BBH", value)
        (second,) = struct.unpack_from(">H", value, 4 + length)
    except struct.error:
        raise DicomError("the user identity is malformed") from None
    return UserIdentity(kind, value[4 : 4 + length], value[6 + length : 6 + length + second], asked == 1)


def parse_associate_request(body: bytes) -> AssociateRequest:
    """The body of an A-ASSOCIATE-RQ."""
    if len(body) < 68:
        raise DicomError("the association request is cut short")
    version = struct.unpack_from(">H", body)[0]
    application_context, contexts, user = "", [], b""
    for kind, value in _items(body, 68):
        if kind == 0x10:
            application_context = _uid(value)
        elif kind == 0x20:
            contexts.append(_proposed(value))
        elif kind == 0x50:
            user = value
    if len(contexts) > CONTEXTS_MAX:
        raise DicomError(f"more than {CONTEXTS_MAX} presentation contexts")
    items = _user_items(user)
    return AssociateRequest(
        _ae_title(body[4:20]),
        _ae_title(body[20:36]),
        tuple(contexts),
        items.max_length,
        items.class_uid,
        items.version,
        items.roles,
        items.identity,
        version,
        application_context,
        items.extended,
        items.asynchronous,
    )


def _proposed(value: bytes) -> ProposedContext:
    if len(value) < 4:
        raise DicomError("a presentation context is cut short")
    abstract, syntaxes = "", []
    for kind, raw in _items(value, 4):
        if kind == 0x30:
            abstract = _uid(raw)
        elif kind == 0x40:
            syntaxes.append(_uid(raw))
    return ProposedContext(value[0], abstract, tuple(syntaxes))


def parse_associate_accept(body: bytes) -> AssociateAccept:
    """The body of an A-ASSOCIATE-AC."""
    if len(body) < 68:
        raise DicomError("the association answer is cut short")
    contexts, user = [], b""
    for kind, value in _items(body, 68):
        if kind == 0x21:
            if len(value) < 4:
                raise DicomError("a presentation context is cut short")
            syntax = next((_uid(raw) for inner, raw in _items(value, 4) if inner == 0x40), "")
            result = ContextResult(value[2]) if value[2] <= 4 else ContextResult.NO_REASON
            contexts.append(AcceptedContext(value[0], result, syntax))
        elif kind == 0x50:
            user = value
    items = _user_items(user)
    return AssociateAccept(
        tuple(contexts),
        items.max_length,
        items.roles,
        items.extended,
        items.asynchronous,
        items.identity_accepted,
    )


def parse_associate_reject(body: bytes) -> Rejection:
    """The body of an A-ASSOCIATE-RJ."""
    if len(body) < 4:
        raise DicomError("the rejection is cut short")
    return Rejection(body[1], body[2], body[3])


def pdvs(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(context, message control header, fragment) of each presentation data value of a P-DATA-TF."""
    position, end = 0, len(body)
    while position < end:
        if end - position < 6:
            raise DicomError("a presentation data value is cut short", position)
        length, context_id, control = PDV_HEAD.unpack_from(body, position)
        stop = position + 4 + length
        if length < 2 or stop > end:
            raise DicomError("a presentation data value is longer than its PDU", position)
        yield context_id, control, body[position + 6 : stop]
        position = stop


def fragments(data: bytes | memoryview, max_length: int) -> Iterable[tuple[memoryview, bool]]:
    """Cuts a message so that each PDU fits `max_length` (0: unlimited), with whether it is the last."""
    view = memoryview(data)
    size = max(max_length, MAX_LENGTH_MIN) - 6 if max_length else 256 * 1024
    if not view:
        return [(view, True)]
    return ((view[at : at + size], at + size >= len(view)) for at in range(0, len(view), size))
