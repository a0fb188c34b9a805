"""multipart/related (RFC 2387) as DICOMweb uses it: a push parser for uploads of any size, and part headers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_PART_HEADER_BYTES_MAX = 16 * 1024
_BOUNDARY_CHARACTERS_MAX = 70  # RFC 2046 5.1.1


class Malformed(ValueError):
    """The body is not multipart of the announced boundary."""


@dataclass(frozen=True, slots=True)
class PartBegun:
    """A part's header; names are in lower case."""

    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the current part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The current part is complete."""


Happening = PartBegun | PartData | PartEnded


class MultipartParser:
    """Feed it bytes as they come; it tells what they mean and holds back only what could be a delimiter."""

    def __init__(self, boundary: str) -> None:
        if not boundary or len(boundary) > _BOUNDARY_CHARACTERS_MAX:
            raise Malformed("the boundary has to have 1 to 70 characters")
        self._delimiter = b"\r\n--" + boundary.encode("latin-1", "strict")
        self._buffer = bytearray(
            b"\r\n"
        )  # so that the first delimiter, at the very start, is like all others
        self._state = "preamble"

    @property
    def ended(self) -> bool:
        """Whether the closing delimiter was seen."""
        return self._state == "epilogue"

    def feed(self, data: bytes) -> Iterator[Happening]:
        """What happened by `data`. Raises Malformed."""
        if self._state == "epilogue":
            return
        self._buffer += data
        yield from self._advance()

    def finish(self) -> None:
        """To be called at the end of the body. Raises Malformed where the closing delimiter is missing."""
        if not self.ended:
            raise Malformed("the body ends before its closing boundary")

    def _advance(self) -> Iterator[Happening]:
        buffer, delimiter = self._buffer, self._delimiter
        while True:
            if self._state in ("preamble", "body"):
                at = buffer.find(delimiter)
                if at < 0:
                    keep = len(delimiter) - 1
                    if len(buffer) > keep:
                        if self._state == "body":
                            yield PartData(bytes(memoryview(buffer)[: len(buffer) - keep]))
                        del buffer[: len(buffer) - keep]
                    return
                # What follows the delimiter decides: "--" closes, a line break begins a part, else it is content.
                end = at + len(delimiter)
                tail = bytes(buffer[end : end + 2])
                if len(tail) < 2:
                    if self._state == "body" and at:
                        yield PartData(bytes(memoryview(buffer)[:at]))
                        del buffer[:at]
                    return
                if tail != b"--":
                    line_end = buffer.find(b"\r\n", end)
                    if line_end < 0:
                        if len(buffer) - end > 256:
                            raise Malformed("there is no line break after a boundary")
                        return
                    if bytes(buffer[end:line_end]).strip(b" \t"):
                        raise Malformed("a boundary is followed by other characters")
                if self._state == "body":
                    if at:
                        yield PartData(bytes(memoryview(buffer)[:at]))
                    yield PartEnded()
                if tail == b"--":
                    self._state = "epilogue"
                    buffer.clear()
                    return
                # The line break stays, so that an empty header block ends like all others.
                del buffer[:line_end]
                self._state = "header"
            if self._state == "header":
                at = buffer.find(b"\r\n\r\n")
                if at < 0:
                    if len(buffer) > _PART_HEADER_BYTES_MAX:
                        raise Malformed("a part's header is longer than 16 KiB")
                    return
                if at > _PART_HEADER_BYTES_MAX:
                    raise Malformed("a part's header is longer than 16 KiB")
                headers = _headers(bytes(buffer[:at]))
                del buffer[: at + 4]
                self._state = "body"
                yield PartBegun(headers)


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


def part_header(
    boundary: str,
    content_type: str,
    *,
    location: str | None = None,
    content_range: str | None = None,
    etag: str | None = None,
) -> bytes:
    """The delimiter and header of one part, to be followed by its content and `PART_END`."""
    where = f"Content-Location: {location}\r\n" if location else ""
    part = f"Content-Range: {content_range}\r\n" if content_range else ""
    version = f"ETag: {etag}\r\n" if etag else ""
    return f"--{boundary}\r\nContent-Type: {content_type}\r\n{where}{part}{version}\r\n".encode("latin-1")


PART_END = b"\r\n"


def closing(boundary: str) -> bytes:
    """What ends the body."""
    return f"--{boundary}--\r\n".encode("latin-1")
