"""HTTP bodies of several buffers with known length, and ranges over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wetread.dicomweb.multipart import PART_END, closing, part_header

Buffer = bytes | bytearray | memoryview
# One fixed boundary, so that ranges over a body agree from request to request.
BOUNDARY = "wetread-7c1f4be2a90d4a6e8b35d1f0c6a7e942"


class BuffersResponse(Response):
    """Sends buffers one after the other without joining them."""

    def __init__(self, buffers: Sequence[Buffer], *, status_code: int = 200, headers: dict[str, str]) -> None:
        self.buffers = [memoryview(buffer) for buffer in buffers]
        self.status_code = status_code
        self.background = None
        self.body = b""
        self.init_headers({**headers, "Content-Length": str(sum(map(len, self.buffers)))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            for buffer in self.buffers:
                await send({"type": "http.response.body", "body": buffer, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def multipart_parts(parts: Sequence[tuple[str, Buffer]]) -> list[Buffer]:
    """The buffers of a multipart body; `parts` are (content type, content)."""
    buffers: list[Buffer] = []
    for content_type, content in parts:
        buffers += (part_header(BOUNDARY, content_type), content, PART_END)
    buffers.append(closing(BOUNDARY))
    return buffers


def cut(buffers: Sequence[Buffer], start: int, end: int) -> list[memoryview]:
    """The bytes `start … end` of the joined buffers."""
    out: list[memoryview] = []
    position = 0
    for buffer in buffers:
        view = memoryview(buffer)
        first, last = max(start - position, 0), min(end - position, len(view))
        if first < last:
            out.append(view[first:last])
        position += len(view)
    return out


def parse_ranges(header: str, size: int) -> tuple[int, int] | None:
    """(start, end) of a single-range `bytes=` request (RFC 9110 14.1.2); None where it is to be ignored.

    Raises ValueError where the range lies outside (416).
    """
    unit, equals, spec = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals or "," in spec:
        return None
    first, dash, last = spec.strip().partition("-")
    if not dash or not (first or last) or not (first + last).isdigit():
        return None
    if not first:
        start, end = max(size - int(last), 0), size
        if int(last) == 0:
            raise ValueError("an empty suffix")
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= size or start >= end:
        raise ValueError("outside of the content")
    return start, end


def in_large_pieces(pieces: Iterable[Buffer], piece_bytes: int = 1 << 20) -> Iterator[bytes]:
    """The same bytes in fewer pieces: each costs a switch of threads."""
    waiting: list[Buffer] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= piece_bytes:
            joined = b"".join(waiting)
            waiting, size = [], 0  # not kept beside it while it is sent, which may take a while
            del piece
            yield joined
    if waiting:
        yield b"".join(waiting)
