"""HTTP: the interface queue as people see it, and the receivers of results."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from wetread.hl7.fields import readable
from wetread.hl7.message import Message, NotHl7
from wetread.security.door import door
from wetread.security.service import Permission, Work
from wetread.sharing import messages_service as queue
from wetread.sharing.messages import InterfaceMessage, MessageState

router = APIRouter(prefix="/api/interfaces", tags=["interfaces"])


class MessageOut(BaseModel):
    """A message in the list, without its content."""

    model_config = ConfigDict(from_attributes=True)

    interface_message_pk: int
    direction: Literal["in", "out"]
    state: MessageState
    message_type: str
    message_control_id: str
    sending_application: str
    sending_facility: str
    receiver_name: str | None = None
    interface_receiver_pk: int | None
    network_address: str | None
    accession_number: str | None
    acknowledgment_code: str | None
    error_code: str | None
    error_location: str | None
    error_text: str | None
    duplicate_of_interface_message_pk: int | None
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    handled_by: str | None
    handling_reason: str | None

    @classmethod
    def of(cls, message: InterfaceMessage, receiver_name: str | None) -> MessageOut:
        """From the row and its receiver's name."""
        return cls.model_validate(message).model_copy(update={"receiver_name": receiver_name})


class MessagePage(BaseModel):
    """A page of messages."""

    items: list[MessageOut]
    next_cursor: str | None
    total: int | None = None


class FieldOut(BaseModel):
    """A filled field."""

    number: int
    name: str
    value: str


class SegmentOut(BaseModel):
    """A segment with its filled fields."""

    name: str
    fields: list[FieldOut]


class MessageContentOut(BaseModel):
    """A message with its content, as text and with fields named; and the answer it got."""

    message: MessageOut
    raw: str
    encoding: str
    doubts: list[str]
    segments: list[SegmentOut]
    acknowledgment: list[SegmentOut]


class CountsOut(BaseModel):
    """How many messages stand in each state, by direction."""

    inbound: dict[str, int]
    outbound: dict[str, int]


class ReasonIn(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=400)


class ReceiverIn(BaseModel):
    """A receiver as an administrator sets it up."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=64)
    host: str = Field(max_length=253)
    port: int
    message_types: list[str] = Field(default=["ORU^R01"], max_length=10)
    receiving_application: str = Field("", max_length=180)
    receiving_facility: str = Field("", max_length=180)
    enabled: bool = True
    is_encrypted: bool = False
    certificate_name: str | None = Field(None, max_length=253)

    def given(self) -> queue.ReceiverInput:
        """For the service."""
        return queue.ReceiverInput(**self.model_dump())


class ReceiverOut(BaseModel):
    """A receiver and how it does."""

    model_config = ConfigDict(from_attributes=True)

    interface_receiver_pk: int
    name: str
    host: str
    port: int
    message_types: list[str]
    receiving_application: str
    receiving_facility: str
    enabled: bool
    is_encrypted: bool
    certificate_name: str | None
    last_delivered_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None


class ReceiverPage(BaseModel):
    """All receivers."""

    items: list[ReceiverOut]
    next_cursor: str | None = None
    total: int


class FindIn(BaseModel):
    """Of which order messages are wanted. An accession number travels in a body, never in an address that gets logged."""

    model_config = ConfigDict(extra="forbid")

    accession_number: str = Field(min_length=1, max_length=16)
    cursor: str | None = None
    limit: int = Field(100, ge=1, le=500)


@router.get("/messages")
def messages(
    direction: Literal["in", "out"] | None = None,
    state: Annotated[list[MessageState] | None, Query()] = None,
    interface_receiver_pk: int | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    work: Work = door(Permission.QUEUE_READ),
) -> MessagePage:
    """Messages in and out, newest first."""
    page = queue.list_messages(
        work,
        direction=direction,
        states=state or (),
        interface_receiver_pk=interface_receiver_pk,
        cursor=cursor,
        limit=limit,
    )
    return MessagePage(items=[MessageOut.of(*row) for row in page.items], next_cursor=page.next_cursor)


@router.post("/messages/find")
def find_messages(body: FindIn, work: Work = door(Permission.QUEUE_READ)) -> MessagePage:
    """Messages in and out of one order, newest first."""
    page = queue.list_messages(
        work, accession_number=body.accession_number, cursor=body.cursor, limit=body.limit
    )
    return MessagePage(items=[MessageOut.of(*row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/messages/counts")
def message_counts(work: Work = door(Permission.QUEUE_READ)) -> CountsOut:
    """How many messages stand in each state."""
    found = queue.counts(work)
    return CountsOut(inbound=found["in"], outbound=found["out"])


@router.get("/messages/{interface_message_pk}")
def message(interface_message_pk: int, work: Work = door(Permission.QUEUE_READ)) -> MessageContentOut:
    """A message with its content. The look is audited as a look at the patient's data."""
    found, receiver = queue.get_message(work, interface_message_pk)
    parsed = _parsed(found.content)
    answer = _parsed(found.acknowledgment) if found.acknowledgment else None
    return MessageContentOut(
        message=MessageOut.of(found, receiver.name if receiver else None),
        raw=found.content.decode(parsed.encoding if parsed else "latin-1", "replace"),
        encoding=parsed.encoding if parsed else "latin-1",
        doubts=parsed.doubts if parsed else ["The bytes are no HL7 message"],
        segments=_segments(parsed),
        acknowledgment=_segments(answer),
    )


@router.get("/messages/{interface_message_pk}/raw", response_class=Response)
def raw_message(interface_message_pk: int, work: Work = door(Permission.QUEUE_READ)) -> Response:
    """The bytes of a message, exactly as they came or went."""
    found, _ = queue.get_message(work, interface_message_pk)
    name = f"message-{interface_message_pk}.hl7"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(found.content, media_type="application/octet-stream", headers=headers)


def _parsed(content: bytes) -> Message | None:
    try:
        return Message.parse(content)
    except NotHl7:
        return None


def _segments(parsed: Message | None) -> list[SegmentOut]:
    return [
        SegmentOut(
            name=name, fields=[FieldOut(number=n, name=words, value=value) for n, words, value in fields]
        )
        for name, fields in (readable(parsed) if parsed else ())
    ]


@router.post("/messages/{interface_message_pk}/reprocess")
def reprocess(
    interface_message_pk: int, body: ReasonIn, work: Work = door(Permission.QUEUE_WRITE)
) -> MessageOut:
    """Has a received message that failed applied again, after a correction."""
    return _answer(work, queue.reprocess(work, interface_message_pk, body.reason))


@router.post("/messages/{interface_message_pk}/resend")
def resend(
    interface_message_pk: int, body: ReasonIn, work: Work = door(Permission.QUEUE_WRITE)
) -> MessageOut:
    """Puts an outgoing message back into its queue."""
    return _answer(work, queue.resend(work, interface_message_pk, body.reason))


@router.post("/messages/{interface_message_pk}/skip")
def skip(interface_message_pk: int, body: ReasonIn, work: Work = door(Permission.QUEUE_WRITE)) -> MessageOut:
    """Takes a message out of its queue, with a reason; it is kept."""
    return _answer(work, queue.skip(work, interface_message_pk, body.reason))


def _answer(work: Work, changed: InterfaceMessage) -> MessageOut:
    names = {one.interface_receiver_pk: one.name for one in queue.receivers(work)}
    return MessageOut.of(changed, names.get(changed.interface_receiver_pk or 0))


@router.get("/receivers")
def receivers(work: Work = door(Permission.QUEUE_READ)) -> ReceiverPage:
    """All receivers and how they do."""
    items = [ReceiverOut.model_validate(one) for one in queue.receivers(work)]
    return ReceiverPage(items=items, total=len(items))


@router.post("/receivers", status_code=201)
def add_receiver(body: ReceiverIn, work: Work = door(Permission.CONFIG_WRITE)) -> ReceiverOut:
    """A new receiver."""
    return ReceiverOut.model_validate(queue.save_receiver(work, body.given()))


@router.put("/receivers/{interface_receiver_pk}")
def change_receiver(
    interface_receiver_pk: int, body: ReceiverIn, work: Work = door(Permission.CONFIG_WRITE)
) -> ReceiverOut:
    """Alters a receiver; what waits for it is tried at once."""
    return ReceiverOut.model_validate(queue.save_receiver(work, body.given(), interface_receiver_pk))


@router.delete("/receivers/{interface_receiver_pk}", status_code=204)
def remove_receiver(interface_receiver_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Removes a receiver that never had a message."""
    queue.remove_receiver(work, interface_receiver_pk)
