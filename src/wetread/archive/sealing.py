"""Encryption at rest that allows range reads: AES-256-GCM over chunks, after the STREAM construction.

A sealed object is a header and chunks:

    "WTRS" | version 1 | chunk size as a power of two (1 byte) | salt (32 bytes)
    chunk 0 | chunk 1 | …          each: ciphertext of `CHUNK_BYTES` (the last: 0 to CHUNK_BYTES) and a 16-byte tag

The key of one object is HKDF-SHA256(data key of the study, salt); a salt is drawn afresh for each object, so a key
seals one object only, and the nonce (11-byte chunk number, last byte 1 for the final chunk) cannot repeat under it.
The header is authenticated with every chunk. Reordering, cutting, extending or changing any bit fails the tag or
the length check, and nothing of the object is given out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_BITS = 16
CHUNK_BYTES = 1 << CHUNK_BITS
TAG_BYTES = 16
_SALT_BYTES = 32
_MAGIC = b"WTRS\x01"
HEADER_BYTES = len(_MAGIC) + 1 + _SALT_BYTES

ReadAt = Callable[[int, int], bytes]


class Damaged(Exception):
    """A stored object is not what was written: cut, changed, or sealed with another key."""


def new_data_key() -> bytes:
    """A fresh 256-bit key for one study."""
    return secrets.token_bytes(32)


def sealed_size(size_bytes: int) -> int:
    """Bytes in the store of an object with `size_bytes` plain bytes."""
    return HEADER_BYTES + size_bytes + _chunks(size_bytes) * TAG_BYTES


def plain_size(stored_bytes: int) -> int:
    """Plain bytes of a sealed object of `stored_bytes`, as `sealed_size` undone. Raises Damaged where none has that size."""
    sealed = stored_bytes - HEADER_BYTES
    size_bytes = sealed - max(-(-sealed // (CHUNK_BYTES + TAG_BYTES)), 1) * TAG_BYTES
    if size_bytes < 0 or sealed_size(size_bytes) != stored_bytes:
        raise Damaged(f"has {stored_bytes} bytes, as no whole object has")
    return size_bytes


class Sealer:
    """Turns a stream of plain bytes into sealed bytes. `update` and `finish` return what is ready to be written."""

    def __init__(self, data_key: bytes) -> None:
        self._header = _MAGIC + bytes([CHUNK_BITS]) + secrets.token_bytes(_SALT_BYTES)
        self._aead = AESGCM(_object_key(data_key, self._header))
        self._number = 0
        self._pending = bytearray()
        self._started = False
        self.size_bytes = 0

    def update(self, plain: bytes | bytearray | memoryview) -> list[bytes]:
        """Sealed parts, in order, to be written now; whole chunks but the last are sealed as they fill."""
        out: list[bytes] = []
        if not self._started:
            self._started = True
            out.append(self._header)
        self.size_bytes += len(plain)
        pending = self._pending
        # The final chunk is flagged, so one full chunk is always held back.
        if len(pending) + len(plain) <= CHUNK_BYTES:
            pending += plain
            return out
        view = memoryview(plain)
        at = 0
        if pending:
            at = CHUNK_BYTES - len(pending)
            pending += view[:at]
            out.append(self._seal(pending, final=False))
            self._pending = pending = bytearray()
        while len(view) - at > CHUNK_BYTES:
            out.append(self._seal(view[at : at + CHUNK_BYTES], final=False))
            at += CHUNK_BYTES
        pending += view[at:]
        return out

    def finish(self) -> list[bytes]:
        """The rest, with the final chunk."""
        out = self.update(b"")
        out.append(self._seal(self._pending, final=True))
        self._pending = bytearray()
        return out

    def _seal(self, chunk: bytes | bytearray | memoryview, *, final: bool) -> bytes:
        sealed = self._aead.encrypt(_nonce(self._number, final=final), chunk, self._header)
        self._number += 1
        return sealed


class Unsealer:
    """Gives out plain bytes of a sealed object by range. `size_bytes` is its plain size, as the index has it.

    `copies` are asked for once there is damage, and read on from, each as (read_at, stored_bytes).
    """

    def __init__(
        self,
        data_key: bytes,
        size_bytes: int,
        read_at: ReadAt,
        stored_bytes: int,
        copies: Iterable[tuple[ReadAt, int]] = (),
    ) -> None:
        self.size_bytes = size_bytes
        self._data_key = data_key
        self._last = _chunks(size_bytes) - 1
        self._copies = iter(copies)
        try:
            self._take(read_at, stored_bytes)
        except Damaged as damage:
            self._take_copy(damage)

    def read(self, start: int, length: int) -> memoryview:
        """Plain bytes `start … start+length`, cut at the end of the object. Raises Damaged."""
        end = min(start + length, self.size_bytes)
        if start >= end:
            return memoryview(b"")
        first = start >> CHUNK_BITS
        plain = self._chunks(first, (end - 1 >> CHUNK_BITS) + 1)
        offset = first << CHUNK_BITS
        return plain[start - offset : end - offset]

    def iterate(self, start: int, length: int, *, piece_bytes: int = 1 << 20) -> Iterator[memoryview]:
        """The same in pieces of about `piece_bytes`, so that memory stays bounded."""
        end = min(start + length, self.size_bytes)
        while start < end:
            until = min((start + piece_bytes) >> CHUNK_BITS << CHUNK_BITS, end)
            yield self.read(start, until - start)
            start = until

    def _take(self, read_at: ReadAt, stored_bytes: int) -> None:
        if stored_bytes != sealed_size(self.size_bytes):
            raise Damaged(f"has {stored_bytes} bytes in the store in place of {sealed_size(self.size_bytes)}")
        header = _read(read_at, 0, HEADER_BYTES)
        if header[: len(_MAGIC) + 1] != _MAGIC + bytes([CHUNK_BITS]):
            raise Damaged("does not begin as a sealed object")
        self._read_at, self._header = read_at, header
        self._aead = AESGCM(_object_key(self._data_key, header))

    def _take_copy(self, damage: Damaged) -> None:
        for read_at, stored_bytes in self._copies:
            with suppress(Damaged):
                self._take(read_at, stored_bytes)
                return
        raise damage

    def _chunks(self, first: int, until: int) -> memoryview:
        while True:
            try:
                return self._unsealed(first, until)
            except Damaged as damage:
                self._take_copy(damage)

    def _unsealed(self, first: int, until: int) -> memoryview:
        step = CHUNK_BYTES + TAG_BYTES
        sealed = memoryview(_read(self._read_at, HEADER_BYTES + first * step, (until - first) * step))
        count = until - first
        plain = memoryview(bytearray(max(len(sealed) - count * TAG_BYTES, 0)))
        number = first
        try:
            for number in range(first, until):
                at = (number - first) * step
                to = (number - first) * CHUNK_BYTES
                self._aead.decrypt_into(
                    _nonce(number, final=number == self._last),
                    sealed[at : at + step],
                    self._header,
                    plain[to : to + CHUNK_BYTES],
                )
        except (InvalidTag, ValueError):
            raise Damaged(f"chunk {number} is not what was written") from None
        return plain


def _read(read_at: ReadAt, start: int, length: int) -> bytes:
    try:
        return read_at(start, length)
    except OSError as error:
        raise Damaged(f"cannot be read ({error.strerror})") from error


def _chunks(size_bytes: int) -> int:
    return max(1, -(-size_bytes // CHUNK_BYTES))


def _nonce(number: int, *, final: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if final else b"\0")


def _object_key(data_key: bytes, header: bytes) -> bytes:
    # HKDF (RFC 5869) with one block of output: extract with the header's salt, expand with a fixed label.
    extracted = hmac.digest(header[-_SALT_BYTES:], data_key, hashlib.sha256)
    return hmac.digest(extracted, b"wetread object\x01", hashlib.sha256)
