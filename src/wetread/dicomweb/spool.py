"""Bulk data of one upload until its objects can be put together: on disk, so that memory stays small, and encrypted
with a key that only this process ever holds, so that nothing readable is left if it dies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from types import TracebackType

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from wetread.kit import limits

_IN_MEMORY_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_BLOCK_BYTES = 16


class SpoolFull(Exception):
    """More bulk data than one upload may have."""


class Spool:
    """Append, then read any range. Not for several threads at once."""

    def __init__(self, bytes_max: int = limits.OBJECT_BYTES_MAX) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`
        self._bytes_max = bytes_max
        self._key = os.urandom(32)
        self._writing = self._cipher(0)
        self.size = 0

    def write(self, data: bytes) -> None:
        """Appends. Raises SpoolFull, OSError."""
        self.size += len(data)
        if self.size > self._bytes_max:
            raise SpoolFull
        self._file.write(self._writing.update(data))

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """A range, in pieces."""
        skipped = offset % _BLOCK_BYTES
        cipher = self._cipher(offset // _BLOCK_BYTES)
        self._file.seek(offset - skipped)
        cipher.update(self._file.read(skipped))
        while length:
            piece = self._file.read(min(length, _PIECE_BYTES))
            if not piece:
                return
            length -= len(piece)
            yield cipher.update(piece)

    def close(self) -> None:
        """Forgets everything."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cipher(self, block: int) -> CipherContext:
        # A fresh key for every spool: the counter alone may begin at zero.
        return Cipher(algorithms.AES(self._key), modes.CTR(block.to_bytes(16, "big"))).encryptor()
