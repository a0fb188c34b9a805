"""Use cases of the interface queue. Edges bring content and outcomes; people look, try again, or skip with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import undefer

from wetread.jobs.service import defer
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.security.service import AuditEventID, Permission, Work
from wetread.sharing import messages_rules as rules
from wetread.sharing.messages import Direction, InterfaceMessage, InterfaceReceiver, MessageState
from wetread.sharing.messages_events import InterfaceMessageChanged, InterfaceReceiverChanged
from wetread.sharing.messages_rules import Move

__all__ = [
    "Inbound", "Outcome", "Receipt", "ReceiverInput", "attempt", "counts", "deliver_head", "enqueue", "finish_inbound",
    "get_message", "list_messages", "receive", "receivers", "receivers_of", "record_delivery", "remove_receiver",
    "reprocess", "resend", "save_receiver", "skip", "wake",
]  # fmt: skip

DELIVER_TASK = "hl7.deliver"
PROCESS_TASK = "hl7.process"


# --- in -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as it came."""

    content: bytes
    message_type: str
    message_control_id: str
    sending_application: str
    sending_facility: str
    network_address: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The kept message. `repeated`: the same content came before; `contradicts`: its number came with other content."""

    message: InterfaceMessage
    repeated: bool = False
    contradicts: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a received message. `text` may name fields, never their patient data."""

    state: MessageState
    acknowledgment: bytes
    acknowledgment_code: str
    error_code: str | None = None
    error_location: str | None = None
    error_text: str | None = None
    patient_pk: int | None = None
    accession_number: str | None = None


def receive(work: Work, given: Inbound) -> Receipt:
    """Keeps a message. The same number from the same sender is kept once; with other content, beside the first."""
    work.require(Permission.QUEUE_WRITE)
    digest = hashlib.sha256(given.content).digest()
    first = None
    if given.message_control_id:
        key = "\x1f".join((given.sending_application, given.sending_facility, given.message_control_id))
        work.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 2575))"), {"key": key})
        first = work.session.scalar(
            select(InterfaceMessage)
            .where(
                # Said as the unique index says it, so that it is found there whatever has come before.
                text(
                    "direction = 'in' AND duplicate_of_interface_message_pk IS NULL AND message_control_id <> ''"
                ),
                InterfaceMessage.sending_application == given.sending_application[:227],
                InterfaceMessage.sending_facility == given.sending_facility[:227],
                InterfaceMessage.message_control_id == given.message_control_id[:199],
            )
            .options(undefer(InterfaceMessage.acknowledgment))
            .with_for_update()
        )
        same = first
        if first is not None and first.content_sha256 != digest:
            same = work.session.scalar(
                select(InterfaceMessage)
                .where(
                    InterfaceMessage.duplicate_of_interface_message_pk == first.interface_message_pk,
                    InterfaceMessage.content_sha256 == digest,
                )
                .order_by(InterfaceMessage.interface_message_pk)
                .limit(1)
                .options(undefer(InterfaceMessage.acknowledgment))
                .with_for_update()
            )
        if same is not None:
            work.audit(
                AuditEventID.IMPORT,
                "R",
                object_type="interface_message",
                object_id=same.interface_message_pk,
                detail={"message_type": same.message_type, "what": "repetition"},
            )
            return Receipt(same, repeated=True, contradicts=same is not first)
    message = InterfaceMessage(
        direction=Direction.IN,
        state=MessageState.RECEIVED,
        message_type=given.message_type[:16],
        message_control_id=given.message_control_id[:199],
        sending_application=given.sending_application[:227],
        sending_facility=given.sending_facility[:227],
        network_address=given.network_address,
        content=given.content,
        content_sha256=digest,
        duplicate_of_interface_message_pk=first.interface_message_pk if first else None,
        created_at=work.now(),
    )
    work.session.add(message)
    work.session.flush()
    return Receipt(message, contradicts=first is not None)


@contextmanager
def attempt(work: Work) -> Iterator[None]:
    """A part of the transaction that is undone alone when it raises, so that the failure itself can be kept."""
    with work.session.begin_nested():
        yield


def finish_inbound(work: Work, message: InterfaceMessage, outcome: Outcome) -> None:
    """Records what became of a received message, in the transaction that applied it."""
    work.require(Permission.QUEUE_WRITE)
    move = {
        MessageState.APPLIED: Move.APPLY,
        MessageState.FAILED: Move.FAIL,
        MessageState.REJECTED: Move.REJECT,
    }
    if message.state != MessageState.RECEIVED:  # a repetition of one that failed, tried again
        message.state = rules.moved(message.direction, message.state, Move.REPROCESS)
    message.state = rules.moved(message.direction, message.state, move[outcome.state])
    message.attempts += 1
    message.acknowledgment = outcome.acknowledgment
    message.acknowledgment_code = outcome.acknowledgment_code
    message.error_code, message.error_location = outcome.error_code, outcome.error_location
    message.error_text = outcome.error_text
    message.patient_pk = outcome.patient_pk
    message.accession_number = outcome.accession_number
    message.finished_at = work.now()
    work.session.flush()
    work.audit(
        AuditEventID.IMPORT,
        "C",
        patient_pk=outcome.patient_pk,
        object_type="interface_message",
        object_id=message.interface_message_pk,
        detail={"message_type": message.message_type, "state": outcome.state.value},
        outcome=0 if outcome.state == MessageState.APPLIED else 4,
    )
    _tell(work, message)


# --- out ----------------------------------------------------------------------------------------------------


def receivers_of(work: Work, message_type: str) -> list[InterfaceReceiver]:
    """The enabled receivers of a message type."""
    return [one for one in receivers(work) if one.enabled and message_type in one.message_types]


def enqueue(
    work: Work,
    receiver: InterfaceReceiver,
    *,
    content: bytes,
    message_type: str,
    message_control_id: str,
    source_key: str,
    patient_pk: int | None,
    accession_number: str | None,
) -> InterfaceMessage | None:
    """Puts a message into the receiver's queue, in this transaction; None where it was told `source_key` already."""
    work.require(Permission.QUEUE_WRITE)
    told = work.session.scalar(
        select(InterfaceMessage.interface_message_pk).where(
            InterfaceMessage.interface_receiver_pk == receiver.interface_receiver_pk,
            InterfaceMessage.source_key == source_key,
        )
    )
    if told is not None:
        return None
    message = InterfaceMessage(
        direction=Direction.OUT,
        state=MessageState.QUEUED,
        message_type=message_type,
        message_control_id=message_control_id,
        interface_receiver_pk=receiver.interface_receiver_pk,
        content=content,
        content_sha256=hashlib.sha256(content).digest(),
        patient_pk=patient_pk,
        accession_number=accession_number,
        source_key=source_key,
        created_at=work.now(),
        next_attempt_at=work.now(),
    )
    work.session.add(message)
    work.session.flush()
    work.audit(
        AuditEventID.EXPORT,
        "C",
        patient_pk=patient_pk,
        object_type="interface_message",
        object_id=message.interface_message_pk,
        detail={"receiver": receiver.name, "message_type": message_type},
    )
    _tell(work, message)
    wake(work, receiver.interface_receiver_pk)
    return message


def wake(work: Work, interface_receiver_pk: int, run_at: datetime | None = None) -> None:
    """Has the receiver's queue looked at, now or then. Deliveries of one receiver never run side by side."""
    defer(
        work,
        DELIVER_TASK,
        run_at=run_at,
        lock=f"interface-receiver-{interface_receiver_pk}",
        interface_receiver_pk=interface_receiver_pk,
    )


def waiting_receivers(work: Work) -> list[int]:
    """Receivers with a message whose time has come (for the look-after, should a wake-up be lost)."""
    rows = work.session.execute(
        text(
            "SELECT DISTINCT m.interface_receiver_pk FROM interface_message m JOIN interface_receiver r"
            " USING (interface_receiver_pk) WHERE m.state = 'queued' AND r.enabled AND m.next_attempt_at <= :late"
        ),
        {"late": work.now()},
    )
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Head:
    """The message that is next for a receiver."""

    message: InterfaceMessage
    receiver: InterfaceReceiver


def deliver_head(work: Work, interface_receiver_pk: int) -> Head | None:
    """The oldest queued message of the receiver, locked, where its time has come; None where there is nothing to do."""
    work.require(Permission.QUEUE_WRITE)
    receiver = work.session.get(InterfaceReceiver, interface_receiver_pk)
    if receiver is None or not receiver.enabled:
        return None
    head = work.session.execute(
        text(
            "SELECT interface_message_pk, coalesce(next_attempt_at <= :now, true) FROM interface_message"
            " WHERE interface_receiver_pk = :receiver AND state = 'queued'"
            " ORDER BY interface_message_pk LIMIT 1 FOR UPDATE"
        ),
        {"receiver": interface_receiver_pk, "now": work.now()},
    ).first()
    if head is None or not head[1]:
        return None
    return Head(_message(work, head[0]), receiver)


def record_delivery(
    work: Work,
    head: Head,
    *,
    acknowledgment: bytes | None,
    acknowledgment_code: str | None,
    error_text: str | None,
) -> None:
    """Records one attempt. No answer at all is tried again without end; AE so often as limits say; AR never."""
    work.require(Permission.QUEUE_WRITE)
    message, receiver, now = head.message, head.receiver, work.now()
    message.attempts += 1
    message.acknowledgment, message.acknowledgment_code = acknowledgment, acknowledgment_code
    message.error_text = error_text
    if acknowledgment_code in {"AA", "CA"}:
        move = Move.DELIVER
        receiver.last_delivered_at, receiver.last_error = now, None
    else:
        answered = acknowledgment_code is not None
        message.refusals += answered
        refused = acknowledgment_code in {"AR", "CR"} or message.refusals >= limits.INTERFACE_ATTEMPTS_MAX
        move = Move.GIVE_UP if answered and refused else Move.RETRY
        receiver.last_error, receiver.last_error_at = (error_text or "")[:400], now
    message.state = rules.moved(message.direction, message.state, move)
    message.finished_at = None if move is Move.RETRY else now
    message.next_attempt_at = now + rules.wait(message.attempts) if move is Move.RETRY else None
    work.session.flush()
    work.audit(
        AuditEventID.EXPORT,
        "E",
        patient_pk=message.patient_pk,
        object_type="interface_message",
        object_id=message.interface_message_pk,
        detail={"receiver": receiver.name, "state": message.state, "answer": acknowledgment_code or "none"},
        outcome=0 if move is Move.DELIVER else 4,
    )
    _tell(work, message)
    if move is not Move.DELIVER:
        work.publish(InterfaceReceiverChanged(receiver.interface_receiver_pk))
    wake(work, receiver.interface_receiver_pk, run_at=message.next_attempt_at)


# --- people -------------------------------------------------------------------------------------------------


def list_messages(
    work: Work,
    *,
    direction: str | None = None,
    states: Sequence[str] = (),
    accession_number: str | None = None,
    interface_receiver_pk: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[tuple[InterfaceMessage, str | None]]:
    """Messages with their receiver's name, newest first, without their content."""
    work.require(Permission.QUEUE_READ)
    query = (
        select(InterfaceMessage, InterfaceReceiver.name)
        .outerjoin(
            InterfaceReceiver,
            InterfaceReceiver.interface_receiver_pk == InterfaceMessage.interface_receiver_pk,
        )
        .order_by(InterfaceMessage.interface_message_pk.desc())
    )
    if direction:
        query = query.where(InterfaceMessage.direction == direction)
    if states:
        query = query.where(InterfaceMessage.state.in_(states))
    if accession_number:
        query = query.where(InterfaceMessage.accession_number == accession_number)
    if interface_receiver_pk:
        query = query.where(InterfaceMessage.interface_receiver_pk == interface_receiver_pk)
    if cursor:
        query = query.where(InterfaceMessage.interface_message_pk < decode_cursor(cursor, 1)[0])
    limit = min(limit, limits.PAGE_ITEMS_MAX)
    rows: list[tuple[InterfaceMessage, str | None]] = [
        (row[0], row[1]) for row in work.session.execute(query.limit(limit + 1))
    ]
    work.audit(AuditEventID.QUERY, "E", object_type="interface_message")
    more = rows[limit:]
    rows = rows[:limit]
    return Page(rows, encode_cursor(rows[-1][0].interface_message_pk) if more else None)


def counts(work: Work) -> dict[str, dict[str, int]]:
    """How many messages stand in each state, by direction."""
    work.require(Permission.QUEUE_READ)
    work.audit(AuditEventID.QUERY, "E", object_type="interface_message", detail={"query": "counts"})
    found: dict[str, dict[str, int]] = {"in": {}, "out": {}}
    rows = work.session.execute(
        select(InterfaceMessage.direction, InterfaceMessage.state, func.count()).group_by(
            InterfaceMessage.direction, InterfaceMessage.state
        )
    )
    for direction, state, number in rows:
        found[direction][state] = number
    return found


def get_message(work: Work, interface_message_pk: int) -> tuple[InterfaceMessage, InterfaceReceiver | None]:
    """A message with its content, which is patient data: the look is audited. Raises NotFound."""
    work.require(Permission.QUEUE_READ)
    message = _message(work, interface_message_pk)
    receiver = message.interface_receiver_pk and work.session.get(
        InterfaceReceiver, message.interface_receiver_pk
    )
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "R",
        patient_pk=message.patient_pk,
        object_type="interface_message",
        object_id=interface_message_pk,
    )
    return message, receiver or None


def reprocess(work: Work, interface_message_pk: int, reason: str | None = None) -> InterfaceMessage:
    """Has a received message that failed applied again, e.g. after a correction here. Raises IllegalTransition."""
    message = _handle(work, interface_message_pk, Move.REPROCESS, Direction.IN, reason)
    message.error_text = message.error_code = message.error_location = None
    message.finished_at = None
    defer(
        work,
        PROCESS_TASK,
        queueing_lock=f"interface-message-{interface_message_pk}",
        interface_message_pk=interface_message_pk,
    )
    return message


def resend(work: Work, interface_message_pk: int, reason: str | None = None) -> InterfaceMessage:
    """Puts an outgoing message back into its queue, byte for byte. Raises IllegalTransition."""
    message = _handle(work, interface_message_pk, Move.RESEND, Direction.OUT, reason)
    message.attempts = message.refusals = 0
    message.next_attempt_at, message.finished_at = work.now(), None
    message.error_text = message.acknowledgment_code = message.acknowledgment = None
    assert message.interface_receiver_pk is not None
    wake(work, message.interface_receiver_pk)
    return message


def skip(work: Work, interface_message_pk: int, reason: str) -> InterfaceMessage:
    """Takes a message out of its queue, with a reason. It is kept, and can be taken back. Raises Invalid."""
    if not reason.strip():
        raise Invalid("Skipping needs a reason.", fields=[FieldError("reason", "is empty")])
    message = _handle(work, interface_message_pk, Move.SKIP, None, reason)
    message.finished_at = work.now()
    if message.interface_receiver_pk is not None:
        wake(work, message.interface_receiver_pk)
    return message


def _handle(
    work: Work, interface_message_pk: int, move: Move, direction: Direction | None, reason: str | None
) -> InterfaceMessage:
    work.require(Permission.QUEUE_WRITE)
    message = _message(work, interface_message_pk, lock=True)
    if direction is not None and message.direction != direction:
        raise Conflict("This message goes the other way.")
    before = message.state
    message.state = rules.moved(message.direction, before, move)
    message.handled_by = work.actor.username[:64]
    message.handling_reason = reason.strip()[:400] if reason and reason.strip() else None
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        patient_pk=message.patient_pk,
        object_type="interface_message",
        object_id=interface_message_pk,
        detail={"action": move.value, "from": before, "to": message.state},
    )
    _tell(work, message)
    return message


def _message(work: Work, interface_message_pk: int, *, lock: bool = False) -> InterfaceMessage:
    query = (
        select(InterfaceMessage)
        .where(InterfaceMessage.interface_message_pk == interface_message_pk)
        .options(undefer(InterfaceMessage.content), undefer(InterfaceMessage.acknowledgment))
    )
    message = work.session.scalar(query.with_for_update() if lock else query)
    if message is None:
        raise NotFound("No such message.")
    return message


def _tell(work: Work, message: InterfaceMessage) -> None:
    work.publish(InterfaceMessageChanged(message.interface_message_pk, message.direction, message.state))


# --- receivers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReceiverInput:
    """A receiver as an administrator sets it up."""

    name: str
    host: str
    port: int
    message_types: Sequence[str] = ("ORU^R01",)
    receiving_application: str = ""
    receiving_facility: str = ""
    enabled: bool = True
    is_encrypted: bool = False
    certificate_name: str | None = None


def receivers(work: Work) -> list[InterfaceReceiver]:
    """All receivers by name."""
    work.require(Permission.QUEUE_READ)
    return list(work.session.scalars(select(InterfaceReceiver).order_by(InterfaceReceiver.name)))


def save_receiver(
    work: Work, given: ReceiverInput, interface_receiver_pk: int | None = None
) -> InterfaceReceiver:
    """Sets up a receiver, or alters one. Raises Invalid, Conflict, NotFound."""
    work.require(Permission.CONFIG_WRITE)
    errors = []
    if not given.name.strip():
        errors.append(FieldError("name", "is empty"))
    if not given.host.strip() or any(
        c.isspace() or c in "/:@" for c in given.host.strip().strip("[]").replace(":", "")
    ):
        errors.append(FieldError("host", "a host name or address is needed"))
    if not 1 <= given.port <= 65535:
        errors.append(FieldError("port", "1 to 65535"))
    name = (given.certificate_name or "").strip() or None
    if name and any(c.isspace() or c in "/:@*" for c in name):
        errors.append(FieldError("certificate_name", "a name as it stands in a certificate is needed"))
    if unknown := sorted(set(given.message_types) - set(OUTGOING_TYPES)):
        errors.append(FieldError("message_types", f"not sent by this system: {', '.join(unknown)}"))
    if errors:
        raise Invalid("The receiver cannot be set up so.", fields=errors)
    other = work.session.scalar(select(InterfaceReceiver).where(InterfaceReceiver.name == given.name.strip()))
    if other is not None and other.interface_receiver_pk != interface_receiver_pk:
        raise Conflict("A receiver of this name exists.", fields=[FieldError("name", "already taken")])
    values: dict[str, Any] = {
        "name": given.name.strip(),
        "host": given.host.strip(),
        "port": given.port,
        "message_types": sorted(set(given.message_types)),
        "receiving_application": given.receiving_application.strip(),
        "receiving_facility": given.receiving_facility.strip(),
        "enabled": given.enabled,
        "is_encrypted": given.is_encrypted,
        "certificate_name": name if given.is_encrypted else None,
    }
    if interface_receiver_pk is None:
        receiver = InterfaceReceiver(**values)
        work.session.add(receiver)
    else:
        found = work.session.get(InterfaceReceiver, interface_receiver_pk)
        if found is None:
            raise NotFound("No such receiver.")
        receiver = found
        for name, value in values.items():
            setattr(receiver, name, value)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if interface_receiver_pk is None else "U",
        object_type="interface_receiver",
        object_id=receiver.interface_receiver_pk,
    )
    work.publish(InterfaceReceiverChanged(receiver.interface_receiver_pk))
    if receiver.enabled:
        # What waits for it is tried at once: the address may be right now.
        work.session.execute(
            update(InterfaceMessage)
            .where(
                InterfaceMessage.interface_receiver_pk == receiver.interface_receiver_pk,
                InterfaceMessage.state == MessageState.QUEUED,
            )
            .values(next_attempt_at=work.now())
        )
        wake(work, receiver.interface_receiver_pk)
    return receiver


def remove_receiver(work: Work, interface_receiver_pk: int) -> None:
    """Removes a receiver that never had a message. Raises Conflict where it had: it can only be disabled."""
    work.require(Permission.CONFIG_WRITE)
    receiver = work.session.get(InterfaceReceiver, interface_receiver_pk)
    if receiver is None:
        raise NotFound("No such receiver.")
    used = work.session.scalar(
        select(InterfaceMessage.interface_message_pk)
        .where(InterfaceMessage.interface_receiver_pk == interface_receiver_pk)
        .limit(1)
    )
    if used is not None:
        raise Conflict("Messages were made for this receiver, so it is kept. It can be disabled.")
    work.session.delete(receiver)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="interface_receiver",
        object_id=interface_receiver_pk,
    )
    work.publish(InterfaceReceiverChanged(interface_receiver_pk))


OUTGOING_TYPES = ("ORU^R01", "OMG^O19")
"""Message types that this system sends."""
