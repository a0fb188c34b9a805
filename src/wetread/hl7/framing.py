"""MLLP framing without I/O (HL7 v2 Transport: Minimal Lower Layer Protocol): `0B` message `1C 0D`.

Tolerant in: junk before the start block, a missing last CR, line feeds between frames. Strict out.
"""

from __future__ import annotations

from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c\r"


class FrameTooLarge(ValueError):
    """A message over the limit; `head` holds its first bytes, so that the sender can still be answered."""

    def __init__(self, head: bytes, limit: int) -> None:
        super().__init__(f"The message is longer than {limit} bytes")
        self.head = head


def frame(message: bytes) -> bytes:
    """The message in its block."""
    return START + message + END


class Framer:
    """Turns received bytes into messages. Holds at most `limit` bytes of an unfinished one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._inside = False
        self._seen = 0
        self.junk_bytes = 0

    @property
    def pending(self) -> bool:
        """True while a message is begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[bytes]:
        """Complete messages in order. Raises FrameTooLarge; the connection is then of no more use."""
        self._buffer += data
        messages: list[bytes] = []
        while self._buffer:
            if not self._inside:
                start = self._buffer.find(START)
                skipped = len(self._buffer) if start < 0 else start
                self.junk_bytes += sum(1 for byte in self._buffer[:skipped] if byte not in b"\r\n\x00 ")
                del self._buffer[: skipped if start < 0 else start + 1]
                if start < 0:
                    break
                self._inside, self._seen = True, 0
            end = self._buffer.find(END[:1], self._seen)
            if end < 0:
                if len(self._buffer) > self._limit:
                    raise FrameTooLarge(bytes(self._buffer[:4096]), self._limit)
                self._seen = len(self._buffer)
                break
            if end > self._limit:
                raise FrameTooLarge(bytes(self._buffer[:4096]), self._limit)
            message = bytes(self._buffer[:end])
            # A sender that broke off and began anew leaves a start block before the second header.
            if (again := message.rfind(START + b"MSH")) >= 0:
                message = message[again + 1 :]
            messages.append(message)
            del self._buffer[: end + 1]
            self._inside = False
        return messages
