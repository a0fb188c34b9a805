"""A live session while it runs: the shared document in this process, who is connected, and the judging of what they send.

Frames: binary ones are y-protocols' (a type, 0 sync or 1 awareness, and its content), texts are JSON with a `type`. What one
may not change is refused and told, and its sender's document is begun anew, since it holds what nobody else has.

One process keeps a session; several web processes need their proxy to send a session's sockets to the same one.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from dataclasses import asdict
from typing import Any

import orjson
import structlog
from pycrdt import Doc, Map
from starlette.concurrency import run_in_threadpool

from wetread.kit import limits
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.security.service import Actor, Offices
from wetread.together import rules, service
from wetread.together.rules import Change, Refused

log = structlog.get_logger()

SYNC, AWARENESS = 0, 1
STEP_2, UPDATE = 1, 2
REVOKED, OVER, TOO_MUCH, REPLACED = 4403, 4410, 4429, 4000
_SERVER = 1  # the client number under which the server itself writes
_LATELY = 100  # messages that come while somebody enters are fewer


class Shared:
    """The document, with a twin on which each message is tried before it counts."""

    def __init__(self, document: bytes | None) -> None:
        self.doc, self._parts = _document(document)
        self._begin_twin()

    def _begin_twin(self) -> None:
        self._changes: list[Change] = []
        self._twin, parts = _document(self.doc.get_update())
        self._subscriptions = []
        for name, part in parts.items():
            self._subscriptions.append((part, part.observe(self._noting(name))))

    def _noting(self, part: str) -> Any:
        def note(event: Any) -> None:
            for key, change in event.keys.items():
                self._changes.append(Change(part, key, change.get("oldValue"), change.get("newValue")))

        return note

    def state(self) -> dict[int, int]:
        """Client → clock."""
        return rules.state_vector(self.doc.get_state())

    def change(self, update: bytes, client_id: int, standing: rules.Standing, participant_pk: int) -> None:
        """Applies an update of a participant. Raises Refused, and then nothing is changed."""
        if not rules.RIGHTS[standing]:
            raise Refused("You may look, not draw.")
        rules.check_update(update, client_id, self.state())
        self._changes = []
        try:
            self._twin.apply_update(update)
            changes = self._changes
            rules.judge(standing, participant_pk, changes)
            self._check_sizes(changes)
        except (Refused, ValueError, RuntimeError) as error:
            self._begin_twin()
            raise error if isinstance(error, Refused) else Refused("The message is not understood.") from None
        self.doc.apply_update(update)

    def _check_sizes(self, changes: list[Change]) -> None:
        for change in changes:
            if change.after is None:
                continue
            if len(orjson.dumps(change.after)) > limits.TOGETHER_VALUE_BYTES_MAX:
                raise Refused("This is too large to be shared.")
            if change.before is None and len(self._parts[change.part]) >= limits.TOGETHER_KEYS_MAX:
                raise Refused("The session holds as much as it can.")
        if changes and len(self.doc.get_update()) > limits.TOGETHER_DOCUMENT_BYTES_MAX:
            raise Refused("The session holds as much as it can.")

    def put(self, part: str, key: str, value: Any) -> bytes:
        """Writes as the server; returns the update."""
        before = self.doc.get_state()
        self._parts[part][key] = value
        update = self.doc.get_update(before)
        self._twin.apply_update(update)
        return update

    def get(self, part: str, key: str) -> Any:
        """A value, or None."""
        return self._parts[part].get(key)


def _document(update: bytes | None) -> tuple[Doc[Any], dict[str, Map[Any]]]:
    doc: Doc[Any] = Doc(client_id=_SERVER)
    parts = {name: doc.get(name, type=Map) for name in rules.PARTS}
    if update:
        doc.apply_update(update)
    return doc, parts


class Bucket:
    """So much a second on average, and so much at once."""

    def __init__(self, per_second: float, most: float) -> None:
        self._per_second, self._most = per_second, most
        self._left, self._at = most, time.monotonic()

    def take(self, amount: float) -> bool:
        """Whether there was room for it."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True


class Member:
    """One connection of a participant."""

    def __init__(self, participant_pk: int, actor: Actor) -> None:
        self.participant_pk, self.actor = participant_pk, actor
        self.client_id = 0
        self.awareness: tuple[int, bytes] | None = None
        self.outgoing: deque[bytes | str] = deque()
        self.news = asyncio.Event()
        self.code: int | None = None
        self.frames = Bucket(limits.TOGETHER_FRAMES_A_SECOND, limits.TOGETHER_FRAMES_AT_ONCE)
        self.bytes = Bucket(limits.TOGETHER_BYTES_A_SECOND, 4 * limits.TOGETHER_BYTES_A_SECOND)
        self.words = Bucket(0.5, 8)

    def send(self, frame: bytes | str) -> None:
        """Puts a frame on the line; one that does not keep up is ended, and begins anew with the state of then."""
        if len(self.outgoing) >= limits.TOGETHER_WAITING_MAX:
            self.end(TOO_MUCH)
            return
        self.outgoing.append(frame)
        self.news.set()

    def tell(self, kind: str, **fields: Any) -> None:
        """Sends a text."""
        self.send(orjson.dumps({"type": kind, **fields}).decode())

    def end(self, code: int) -> None:
        """Ends the connection."""
        self.code = self.code or code
        self.news.set()


class Room:
    """A running session."""

    def __init__(self, live_session_pk: int, offices: Offices) -> None:
        self.live_session_pk, self._offices = live_session_pk, offices
        self.members: list[Member] = []
        self.stands = service.Standing(False, None, None, {})
        self._shared: Shared | None = None
        self._opening = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._unsaved = False
        # Told since; who enters meanwhile has read the messages before that.
        self._lately: deque[service.Message] = deque(maxlen=_LATELY)
        self._task: asyncio.Task[None] | None = None

    @property
    def shared(self) -> Shared:
        """The document; there once somebody is in."""
        assert self._shared is not None
        return self._shared

    async def enter(self, member: Member) -> None:
        """Lets a connection in and tells it all there is. Raises NotFound where it may not be in."""
        async with self._opening:
            if self._shared is None:
                kept = await run_in_threadpool(service.load_document, self._offices, self.live_session_pk)
                self._shared = Shared(kept)
        messages = await run_in_threadpool(self._messages, member.actor)
        self.members.append(member)
        await self.look()
        if member.code is not None:
            raise NotFound("There is no such live session.")
        if self._task is None:
            self._task = asyncio.create_task(self._keep())
        self._welcome(member, messages)
        self._tell_people()

    def _messages(self, actor: Actor) -> list[service.Message]:
        with self._offices.work(actor) as work:
            return service.messages(work, self.live_session_pk)

    def _welcome(self, member: Member, messages: list[service.Message] | None = None) -> None:
        """Begins the member's document anew under a number that nobody had before."""
        self._drop_awareness(member)
        taken = {_SERVER, *self.shared.state(), *(one.client_id for one in self.members)}
        while (client_id := secrets.randbelow(2**31 - 2) + 2) in taken:
            pass
        member.client_id = client_id
        said: dict[str, Any] = {}
        if messages is not None:
            all_of_them = {one.message_pk: one for one in (*messages, *self._lately)}
            said["messages"] = [asdict(all_of_them[pk]) for pk in sorted(all_of_them)]
        member.tell("welcome", client_id=client_id, me=member.participant_pk, **self._people(), **said)
        update = self.shared.doc.get_update()
        member.send(bytes((SYNC, STEP_2)) + rules.encoded_number(len(update)) + update)
        for other in self.members:
            if other.awareness is not None and other is not member:
                member.send(other.awareness[1])

    def _people(self) -> dict[str, Any]:
        here = {one.participant_pk for one in self.members if one.code is None}
        return {
            "lead": self.stands.lead_participant_pk,
            "started_by": self.stands.started_by,
            "people": [
                {
                    "participant_pk": one.participant_pk,
                    "display_name": one.display_name,
                    "user_pk": one.user_pk,
                    "is_guest": one.is_guest,
                    "may_change": one.may_change,
                    "expires_at": one.expires_at,
                    "is_here": one.participant_pk in here,
                }
                for one in self.stands.participants.values()
            ],
        }

    def _tell_people(self) -> None:
        for member in self.members:
            member.tell("people", **self._people())

    async def leave(self, member: Member) -> None:
        """A connection is gone."""
        if member in self.members:
            self.members.remove(member)
        self._drop_awareness(member)
        if self._shared is not None and self.stands.participants:
            self._tell_people()
        if not self.members:
            await self.save()
            if not self.members and self._task is not None:
                self._task.cancel()
                self._task = None

    def _drop_awareness(self, member: Member) -> None:
        if member.awareness is None:
            return
        clock, _ = member.awareness
        member.awareness = None
        gone = rules.awareness_update(member.client_id, clock + 1, "null")
        self._spread(bytes((AWARENESS,)) + rules.encoded_number(len(gone)) + gone)

    def _spread(self, frame: bytes | str, but: Member | None = None) -> None:
        for one in self.members:
            if one is not but and one.client_id:
                one.send(frame)

    async def look(self) -> None:
        """Asks who may be in; who may not is out."""
        async with self._looking:
            now = await run_in_threadpool(service.standing, self._offices, self.live_session_pk)
            before, self.stands = self.stands, now
            for member in self.members:
                if now.over:
                    member.end(OVER)
                elif member.participant_pk not in now.participants:
                    member.end(REVOKED)
            if now.over or self._shared is None:
                return
            if self.shared.get(rules.SESSION, "lead") != now.lead_participant_pk:
                update = self.shared.put(rules.SESSION, "lead", now.lead_participant_pk)
                self._unsaved = True
                self._spread(bytes((SYNC, UPDATE)) + rules.encoded_number(len(update)) + update)
            if before != now:
                self._tell_people()

    async def _keep(self) -> None:
        """Saves what was changed, and looks after those who are in."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(limits.TOGETHER_SAVE_S)
            try:
                await self.save()
                if time.monotonic() - looked >= limits.TOGETHER_LOOK_S:
                    looked = time.monotonic()
                    await self.look()
            except Exception as error:  # noqa: BLE001 - tried again at the next turn
                log.warning("live session waits", error=type(error).__name__)

    async def save(self) -> None:
        """Keeps the document where it changed."""
        if self._unsaved and self._shared is not None:
            self._unsaved = False
            document = self.shared.doc.get_update()
            try:
                await run_in_threadpool(service.save_document, self._offices, self.live_session_pk, document)
            except Exception:
                self._unsaved = True
                raise

    # What comes in

    async def hear(self, member: Member, frame: bytes | str) -> None:
        """Judges one frame. What is refused is told."""
        if len(frame) > limits.TOGETHER_FRAME_BYTES_MAX or not (
            member.frames.take(1) and member.bytes.take(len(frame))
        ):
            member.end(TOO_MUCH)
            return
        person = self.stands.participants.get(member.participant_pk)
        if person is None:
            member.end(REVOKED)
            return
        try:
            if isinstance(frame, str):
                await self._hear_text(member, frame)
            else:
                self._hear_frame(member, person, frame)
        except Refused as refused:
            log.info("live session refused", participant=member.participant_pk, reason=str(refused))
            member.tell("refused", reason=str(refused), of=_kind_of(frame))
            if isinstance(frame, bytes) and frame[:1] == bytes((SYNC,)):
                self._welcome(member)
        except (Denied, Conflict, Invalid, NotFound) as refused:
            member.tell("refused", reason=refused.detail, of=_kind_of(frame))

    def _hear_frame(self, member: Member, person: service.Participant, frame: bytes) -> None:
        kind = frame[0] if frame else None
        if kind == AWARENESS:
            content = _content(frame[1:])
            client_id, clock, state = rules.awareness_of(content)
            self._check_awareness(member, client_id, state)
            member.awareness = None if state == "null" else (clock, frame)
            self._spread(frame, but=member)
            return
        if kind != SYNC or len(frame) < 2 or frame[1] != UPDATE:
            raise Refused("The message is of no known kind.")
        standing = rules.standing_of(
            leads=self.stands.lead_participant_pk == member.participant_pk, may_change=person.may_change
        )
        self.shared.change(_content(frame[2:]), member.client_id, standing, member.participant_pk)
        self._unsaved = True
        self._spread(frame, but=member)

    @staticmethod
    def _check_awareness(member: Member, client_id: int, state: str) -> None:
        if client_id != member.client_id or len(state) > limits.TOGETHER_AWARENESS_BYTES_MAX:
            raise Refused("Only one's own pointer is told.")
        try:
            value = orjson.loads(state)
        except orjson.JSONDecodeError:
            raise Refused("The pointer is not understood.") from None
        if value is not None and (
            not isinstance(value, dict) or value.get("participant") != member.participant_pk
        ):
            raise Refused("Only one's own pointer is told.")

    async def _hear_text(self, member: Member, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Refused("The message is not understood.") from None
        if not isinstance(message, dict):
            raise Refused("The message is not understood.")
        kind = message.get("type")
        if kind == "say":
            if not member.words.take(1):
                raise Refused("Too many messages at once.")
            said = await run_in_threadpool(self._say, member.actor, str(message.get("text", "")))
            self._lately.append(said)
            self._spread(orjson.dumps({"type": "said", "message": asdict(said)}).decode())
        elif kind == "lead":
            to = message.get("to")
            if not isinstance(to, int):
                raise Refused("The message is not understood.")
            await run_in_threadpool(self._hand_over, member.actor, to)
            await self.look()
        elif kind == "ask":
            if not member.words.take(1):
                raise Refused("Asked already.")
            for one in self.members:
                if one.participant_pk == self.stands.lead_participant_pk:
                    one.tell("asked", participant_pk=member.participant_pk)
        elif kind == "signal":
            self._signal(member, message)
        else:
            raise Refused("The message is of no known kind.")

    def _signal(self, member: Member, message: dict[str, Any]) -> None:
        """What two browsers say to each other to begin speaking (WebRTC); it is passed on unread."""
        to, data = message.get("to"), message.get("data")
        if len(orjson.dumps(data)) > limits.TOGETHER_SIGNAL_BYTES_MAX:
            raise Refused("This is too large.")
        for one in self.members:
            if one.client_id and one.client_id == to and one is not member:
                one.tell(
                    "signal", client_id=member.client_id, participant_pk=member.participant_pk, data=data
                )

    def _say(self, actor: Actor, text: str) -> service.Message:
        with self._offices.work(actor) as work:
            return service.say(work, self.live_session_pk, text)

    def _hand_over(self, actor: Actor, to: int) -> None:
        with self._offices.work(actor) as work:
            service.hand_over(work, self.live_session_pk, to)


def _kind_of(frame: bytes | str) -> str | None:
    """What a text that was refused was to be; None for a change, or what is not understood."""
    if isinstance(frame, bytes):
        return None
    with contextlib.suppress(orjson.JSONDecodeError):
        message = orjson.loads(frame)
        if isinstance(message, dict) and isinstance(message.get("type"), str):
            return str(message["type"])
    return None


def _content(data: bytes) -> bytes:
    """A byte array of lib0: its length, then itself. Raises Refused."""
    length = shift = at = 0
    while True:
        if at >= len(data) or shift > 28:
            raise Refused("The message is cut off.")
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    if len(data) - at != length:
        raise Refused("The message is cut off.")
    return data[at:]


_rooms: dict[int, Room] = {}
_leaving: set[asyncio.Task[None]] = set()
_loop: asyncio.AbstractEventLoop | None = None


@contextlib.asynccontextmanager
async def entered(live_session_pk: int, offices: Offices, member: Member) -> Any:
    """The room of the session with the member in it. Raises what `Room.enter` does."""
    global _loop  # noqa: PLW0603 - one event loop a process
    _loop = asyncio.get_running_loop()
    room = _rooms.get(live_session_pk)
    if room is None:
        room = _rooms[live_session_pk] = Room(live_session_pk, offices)
    try:
        await room.enter(member)
        yield room
    finally:
        # Whoever is cancelled half-way must not leave the room behind, or its last strokes unsaved.
        leaving = asyncio.create_task(_left(room, member))
        _leaving.add(leaving)
        leaving.add_done_callback(_leaving.discard)
        await asyncio.shield(leaving)


async def _left(room: Room, member: Member) -> None:
    try:
        await room.leave(member)
    except Exception as error:  # noqa: BLE001 - the line is gone already
        log.warning("live session not saved", error=type(error).__name__)
    if not room.members and _rooms.get(room.live_session_pk) is room:
        del _rooms[room.live_session_pk]


def connections() -> int:
    """How many connections this process holds."""
    return sum(len(room.members) for room in _rooms.values())


def changed(live_session_pk: int) -> None:
    """Something was committed about the session: from any thread, its room looks again now."""
    room = _rooms.get(live_session_pk)
    if room is not None and _loop is not None and not _loop.is_closed():
        asyncio.run_coroutine_threadsafe(room.look(), _loop)
