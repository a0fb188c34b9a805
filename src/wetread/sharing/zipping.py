"""ZIP archives that are made while they are sent: nothing but the list of files is held."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, cast


class _Sink:
    """Where the archive is written: what has come since the last `taken`."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | memoryview, /) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Nothing waits elsewhere."""

    @property
    def size(self) -> int:
        return self._size

    def taken(self) -> bytes:
        pieces, self._pieces, self._size = self._pieces, [], 0
        return b"".join(pieces)


class ZipStream:
    """One archive. `file` and `end` give the bytes to be sent, in pieces of about a megabyte."""

    _PIECE_BYTES = 1 << 20

    def __init__(self, at: datetime) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(cast(Any, self._sink), "w", allowZip64=True)
        self._at = max(at, datetime(1980, 1, 1, tzinfo=at.tzinfo)).timetuple()[:6]

    def file(self, name: str, content: Iterable[bytes | memoryview], *, compress: bool) -> Iterator[bytes]:
        """Adds a file."""
        info = zipfile.ZipInfo(name, self._at)
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        info.external_attr = 0o644 << 16
        # The fastest level: CT halves by it, and a better one gains little and takes four times as long.
        info._compresslevel = 1  # type: ignore[attr-defined]  # noqa: SLF001 - `open` takes none
        with self._zip.open(info, "w", force_zip64=True) as out:
            for piece in content:
                out.write(piece)
                if self._sink.size >= self._PIECE_BYTES:
                    yield self._sink.taken()
        if self._sink.size >= self._PIECE_BYTES:
            yield self._sink.taken()

    def end(self) -> Iterator[bytes]:
        """The rest, with the list of files."""
        self._zip.close()
        yield self._sink.taken()
