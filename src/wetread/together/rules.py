"""Who may change what in the shared document, and whether a message is what it says: pure tables and decisions.

The document has three parts, each a Y.Map of plain JSON values: `view` (what hangs in which pane, and how), `marks` (what is
drawn on the pictures), `session` (who leads). A message is an update in Yjs's encoding, version 1
(yjs/src/utils/encoding.js). Before it is applied it is read here, structure by structure: it must be of the connection's own
client, follow on without a gap, name nothing that is not there, and hold plain values only. So nothing waits inside the
document to take effect in somebody else's name later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

VIEW, MARKS, SESSION = "view", "marks", "session"
PARTS: Final = (VIEW, MARKS, SESSION)
Standing = Literal["lead", "follower", "guest"]
RIGHTS: Final[Mapping[Standing, frozenset[str]]] = {
    "lead": frozenset({VIEW, MARKS}),
    "follower": frozenset({MARKS}),
    "guest": frozenset(),
}
"""By standing, the parts that a participant may change; `session` is the server's alone."""

_KEY = re.compile(r"[A-Za-z0-9:._-]{1,80}\Z")
_DEPTH_MAX = 8


class Refused(ValueError):
    """A message is not allowed or not understood; the reason is for the person."""


def standing_of(*, leads: bool, may_change: bool) -> Standing:
    """What a participant is in the session."""
    return "lead" if leads else "follower" if may_change else "guest"


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a part with what it was and is; None where it was or is not there."""

    part: str
    key: str
    before: Any
    after: Any


def judge(standing: Standing, participant_pk: int, changes: list[Change]) -> None:
    """Raises Refused where the participant may not make one of the changes."""
    for change in changes:
        if change.part not in RIGHTS[standing]:
            raise Refused(
                "Only who leads changes what all see." if change.part == VIEW else "You may look, not draw."
            )
        if not _KEY.match(change.key):
            raise Refused("The key is not understood.")
        if change.part == MARKS:
            if change.after is not None and (
                not isinstance(change.after, dict)
                or change.after.get("by") != (change.before or {"by": participant_pk}).get("by")
            ):
                raise Refused("A mark keeps the name of who drew it.")
            if change.before is not None and change.before.get("by") != participant_pk and standing != "lead":
                raise Refused("This mark is somebody else's.")


class _Reader:
    """Reads lib0's encoding. Raises Refused past the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def byte(self) -> int:
        if self._at >= len(self._data):
            raise Refused("The message is cut off.")
        self._at += 1
        return self._data[self._at - 1]

    def take(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise Refused("The message is cut off.")
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 49:
                raise Refused("A number is too long.")

    def signed(self) -> None:
        if self.byte() & 0x80:
            while self.byte() & 0x80:
                pass

    def text(self) -> str:
        try:
            return self.take(self.number()).decode()
        except UnicodeDecodeError:
            raise Refused("A text is not UTF-8.") from None

    def skip_any(self, depth: int = 0) -> None:
        """A plain value."""
        if depth > _DEPTH_MAX:
            raise Refused("A value is too deep.")
        kind = self.byte()
        if kind in (127, 126, 121, 120):  # undefined, null, false, true
            return
        if kind == 125:
            self.signed()
        elif kind in (124, 123):
            self.take(4 if kind == 124 else 8)
        elif kind == 119:
            self.text()
        elif kind == 118:
            for _ in range(self.number()):
                self.text()
                self.skip_any(depth + 1)
        elif kind == 117:
            for _ in range(self.number()):
                self.skip_any(depth + 1)
        else:
            raise Refused("Only plain values are shared.")

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)


_DELETED, _STRING, _ANY = 1, 4, 8


def check_update(update: bytes, client_id: int, state: Mapping[int, int]) -> None:
    """Raises Refused unless the update is the next of client `client_id` to a document with the state vector `state`."""
    reader = _Reader(update)
    clock = state.get(client_id, 0)

    def known(client: int, at: int) -> None:
        if at >= (clock if client == client_id else state.get(client, 0)):
            raise Refused("It builds on what is not there.")

    clients = reader.number()
    if clients > 1:
        raise Refused("It is of several clients.")
    for _ in range(clients):
        structures = reader.number()
        if reader.number() != client_id:
            raise Refused("It is of another client.")
        if reader.number() != clock:
            raise Refused("Something before it is missing, or it came twice.")
        for _ in range(structures):
            clock += _skip_structure(reader, known)
    for _ in range(reader.number()):
        client = reader.number()
        for _ in range(reader.number()):
            at, length = reader.number(), reader.number()
            if length < 1:
                raise Refused("It removes nothing.")
            known(client, at + length - 1)
    if not reader.is_at_end:
        raise Refused("Something follows the message.")


def _skip_structure(reader: _Reader, known: Any) -> int:
    """One structure; returns how far it moves the client's clock."""
    info = reader.byte()
    content = info & 0x1F
    if content == 0:  # collected already
        return _length(reader)
    if content not in (_DELETED, _ANY):
        raise Refused("Only plain values are shared.")
    if info & 0x80:
        known(reader.number(), reader.number())
    if info & 0x40:
        known(reader.number(), reader.number())
    if not info & 0xC0:
        if reader.number() != 1 or reader.text() not in PARTS:
            raise Refused("There is no such part.")
        if not info & 0x20:
            raise Refused("It has no key.")
        reader.text()
    if content == _DELETED:
        return _length(reader)
    length = _length(reader)
    for _ in range(length):
        reader.skip_any()
    return length


def _length(reader: _Reader) -> int:
    length = reader.number()
    if not 1 <= length <= 1 << 31:
        raise Refused("A length is wrong.")
    return length


def state_vector(encoded: bytes) -> dict[int, int]:
    """A state vector as Yjs encodes it: client → clock."""
    reader = _Reader(encoded)
    vector = {}
    for _ in range(reader.number()):
        client = reader.number()
        vector[client] = reader.number()
    return vector


def awareness_of(message: bytes) -> tuple[int, int, str]:
    """(client, clock, JSON) of an awareness update of one client (y-protocols, awareness.js). Raises Refused."""
    reader = _Reader(message)
    if reader.number() != 1:
        raise Refused("It is of several clients.")
    found = reader.number(), reader.number(), reader.text()
    if not reader.is_at_end:
        raise Refused("Something follows the message.")
    return found


def encoded_number(value: int) -> bytes:
    """lib0's variable-length encoding of a number ≥ 0."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def awareness_update(client_id: int, clock: int, state: str) -> bytes:
    """An awareness update of one client; `state` is JSON."""
    encoded = state.encode()
    return b"".join(
        (
            b"\x01",
            encoded_number(client_id),
            encoded_number(clock),
            encoded_number(len(encoded)),
            encoded,
        )
    )
