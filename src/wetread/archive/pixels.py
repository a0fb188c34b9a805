"""Decoding and rendering in killable worker processes: what comes from outside never meets a codec in a server process.

`Decoder` keeps a few workers (pixelworker.py), each with a memory limit; one that hangs or dies is replaced, and its
caller gets CannotDecode, never the whole program a crash.
"""

from __future__ import annotations

import base64
import os
import queue
import selectors
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wetread.archive.rules import JsonDict, tag_of
from wetread.kit import limits
from wetread.kit.errors import Invalid, Unavailable

_SHARED, _PER_FRAME = "52009229", "52009230"
_TRANSFORMATION, _FRAME_VOI = "00289145", "00289132"
_PALETTE = ("RedPaletteColorLookupTable", "GreenPaletteColorLookupTable", "BluePaletteColorLookupTable")


class CannotDecode(Invalid):
    """The picture is damaged, or of a kind that no codec here reads."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame to decode. `document` is the instance in DICOM JSON; `data` the frame as stored, or with `whole` all
    pixel data, of which frame `number` is wanted. `tables`: table data by name where they are not inline."""

    document: JsonDict
    data: bytes
    transfer_syntax_uid: str
    number: int
    whole: bool = False
    tables: Mapping[str, bytes] | None = None

    def header(self) -> JsonDict:
        """What a worker needs to know of the frame."""
        document = self.document
        header: JsonDict = {
            "transfer_syntax_uid": self.transfer_syntax_uid,
            "number": self.number,
            "whole": self.whole,
            "rows": _number(document, "Rows"),
            "columns": _number(document, "Columns"),
            "bits_allocated": _number(document, "BitsAllocated"),
            "bits_stored": _number(document, "BitsStored"),
            "high_bit": _number(document, "HighBit"),
            "pixel_representation": _number(document, "PixelRepresentation") or 0,
            "samples_per_pixel": _number(document, "SamplesPerPixel") or 1,
            "planar_configuration": _number(document, "PlanarConfiguration") or 0,
            "photometric_interpretation": _first(document, "PhotometricInterpretation") or "MONOCHROME2",
            "slope": self._functional(_TRANSFORMATION, "RescaleSlope"),
            "intercept": self._functional(_TRANSFORMATION, "RescaleIntercept"),
            "window_center": self._functional(_FRAME_VOI, "WindowCenter"),
            "window_width": self._functional(_FRAME_VOI, "WindowWidth"),
            "float_pixels": "7FE00008" in document,
            "words": document.get("7FE00010", {}).get("vr") == "OW",
        }
        if header["photometric_interpretation"] == "PALETTE COLOR":
            header["palette"] = [self._palette(name) for name in _PALETTE]
        return header

    def _functional(self, sequence: str, keyword: str) -> float | None:
        """An attribute of the frame: from its functional groups, the shared ones, or the top level (PS3.3 C.7.6.16)."""
        per_frame = self.document.get(_PER_FRAME, {}).get("Value", [])
        groups = per_frame[self.number - 1 : self.number] + self.document.get(_SHARED, {}).get("Value", [])
        for group in groups:
            for item in group.get(sequence, {}).get("Value", [])[:1]:
                value = _first(item, keyword)
                if value is not None:
                    return float(value)
        value = _first(self.document, keyword)
        return None if value is None else float(value)

    def _palette(self, name: str) -> JsonDict:
        descriptor = self.document.get(f"{tag_of(name + 'Descriptor'):08X}", {}).get("Value", [])
        inline = self.document.get(f"{tag_of(name + 'Data'):08X}", {}).get("InlineBinary")
        data = inline or base64.b64encode((self.tables or {}).get(name, b"")).decode()
        return {"descriptor": descriptor, "data": data}


def table_references(document: JsonDict) -> dict[str, str]:
    """Palette tables that are too long to be inline: name → reference for `Retrieval.bulk_data`."""
    found: dict[str, str] = {}
    for name in _PALETTE:
        uri = document.get(f"{tag_of(name + 'Data'):08X}", {}).get("BulkDataURI", "")
        if uri:
            found[name] = uri.rsplit("/", 1)[-1]
    return found


def _first(document: Mapping[str, Any], keyword: str) -> Any:
    values = document.get(f"{tag_of(keyword):08X}", {}).get("Value") or [None]
    return values[0]


def _number(document: Mapping[str, Any], keyword: str) -> int | None:
    value = _first(document, keyword)
    return int(value) if isinstance(value, (int, float)) else None


class Decoder:
    """A small pool of decoding processes. `workers` of them at most, started when first needed."""

    def __init__(self, workers: int = 2, *, time_limit_s: float = limits.DECODE_S) -> None:
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._time_limit_s = time_limit_s
        self._closed = False
        self._lock = threading.Lock()
        self._all: set[_Worker] = set()

    def decode(self, picture: Picture) -> bytes:
        """The frame as plain little-endian pixels. Raises CannotDecode."""
        return self._ask({"do": "decode", **picture.header()}, picture.data)

    def render(
        self,
        picture: Picture,
        *,
        media_type: str,
        window: tuple[float, float] | None,
        viewport: tuple[int, int] | None,
        quality: int,
    ) -> bytes:
        """The frame as JPEG or PNG; `window` is (centre, width), `viewport` the largest (columns, rows). Raises CannotDecode."""
        return self._ask(
            {
                "do": "render",
                "media_type": media_type,
                "window": window,
                "viewport": viewport,
                "quality": quality,
                **picture.header(),
            },
            picture.data,
        )

    def encode_htj2k(self, picture: Picture) -> bytes:
        """The frame's HTJ2K (lossless, RPCL) codestream, decoded again and found identical. Raises CannotDecode."""
        return self._ask({"do": "encode_htj2k", **picture.header()}, picture.data)

    def close(self) -> None:
        """Ends the workers."""
        self._closed = True
        with self._lock:
            for worker in self._all:
                worker.kill()
            self._all.clear()

    def _ask(self, header: JsonDict, data: bytes) -> bytes:
        try:
            worker = self._idle.get(timeout=self._time_limit_s)
        except queue.Empty:
            raise Unavailable("All decoders are busy.") from None
        try:
            if worker is None or not worker.alive:
                worker = _Worker()
                with self._lock:
                    self._all.add(worker)
            answer, content = worker.ask(header, data, self._time_limit_s)
        except (OSError, TimeoutError, EOFError):
            if worker is not None:
                worker.kill()
                with self._lock:
                    self._all.discard(worker)
                worker = None
            raise CannotDecode("This picture cannot be decoded: the decoder failed on it.") from None
        finally:
            self._idle.put(worker)
        if "error" in answer:
            raise CannotDecode(f"This picture cannot be decoded: {answer['error']}.")
        return content


class _Worker:
    def __init__(self) -> None:
        environment = {
            name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; "
             "from wetread.archive.pixelworker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
        )  # fmt: skip

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def ask(self, header: JsonDict, data: bytes, time_limit_s: float) -> tuple[JsonDict, bytes]:
        """One question and its answer. Raises OSError, EOFError, TimeoutError: then the worker is to be killed."""
        until = time.monotonic() + time_limit_s
        text = orjson.dumps(header)
        guard = threading.Timer(time_limit_s, self._process.kill)  # also ends a write that blocks
        guard.start()
        try:
            assert self._process.stdin is not None
            for part in (struct.pack("<IQ", len(text), len(data)), text, data):
                view = memoryview(part)
                while view:
                    view = view[self._process.stdin.write(view) or 0 :]
            head = self._read(12, until)
            length, size = struct.unpack("<IQ", head)
            return orjson.loads(self._read(length, until)), self._read(size, until)
        finally:
            guard.cancel()

    def _read(self, size: int, until: float) -> bytes:
        assert self._process.stdout is not None
        parts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while size:
                if not selector.select(max(until - time.monotonic(), 0)):
                    raise TimeoutError
                part = self._process.stdout.read(min(size, 1 << 20))
                if not part:
                    raise EOFError
                parts.append(part)
                size -= len(part)
        return b"".join(parts)
