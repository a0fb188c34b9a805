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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from wetread.archive.rules import JsonDict, tag_of
from wetread.dicom.orientation import Edges
from wetread.kit import limits
from wetread.kit.errors import Invalid, Unavailable

_SHARED, _PER_FRAME = "52009229", "52009230"
_TRANSFORMATION, _FRAME_VOI, _MEASURES = "00289145", "00289132", "00289110"
_PALETTE = ("RedPaletteColorLookupTable", "GreenPaletteColorLookupTable", "BluePaletteColorLookupTable")
_LUT_DESCRIPTOR, _LUT_DATA = "00283002", "00283006"
_ICC_PROFILE = "00282000"
_ITEMS_WITH_TABLES = {"modality": "00283000", "voi": "00283010"}
_OVERLAY_GROUPS = tuple(f"{group:04X}" for group in range(0x6000, 0x6020, 2))


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
            # Bytes of a floating-point value (PS3.3 C.7.6.24, C.7.6.25); 0: they are whole numbers.
            "float_bytes": 4 if "7FE00008" in document else 8 if "7FE00009" in document else 0,
            "padding": self._padding(),
            "words": document.get("7FE00010", {}).get("vr") == "OW",
            "voi_function": self._functional(_FRAME_VOI, "VOILUTFunction", number=False),
            "inverse": self._inverse(),
            "aspect": self._aspect(),
            "modality_lut": self._lut("modality"),
            "voi_lut": self._lut("voi"),
            "overlays": list(self._overlays()),
        }
        profile = self._table("icc", _icc_element(document))
        if profile:
            header["profile"] = profile
        if header["photometric_interpretation"] == "PALETTE COLOR":
            header["palette"] = [self._palette(name) for name in _PALETTE]
        return header

    def _inverse(self) -> bool:
        """Whether the least value is white. An image's Presentation LUT Shape says again what its Photometric Interpretation
        says (PS3.3 C.8.11.3.1.2), and nothing is turned round twice; where they differ, the shape is what the scanner's own
        screen went by."""
        shape = _first(self.document, "PresentationLUTShape")
        if shape in ("INVERSE", "IDENTITY"):
            return bool(shape == "INVERSE")
        return bool(_first(self.document, "PhotometricInterpretation") == "MONOCHROME1")

    def _padding(self) -> list[float] | None:
        """The stored values, from and to, that are none of the picture's (PS3.3 C.7.5.1.1.2); None: all are."""
        document = self.document
        first = _first(document, "PixelPaddingValue")
        if not isinstance(first, (int, float)):
            return None
        last = _first(document, "PixelPaddingRangeLimit")
        signed = _number(document, "PixelRepresentation") == 1

        def meant(value: float) -> float:
            """It is US or SS as the pixels are, which writers get wrong."""
            if signed and 0x7FFF < value <= 0xFFFF:
                return value - 0x10000
            return value + 0x10000 if not signed and value < 0 else value

        return sorted((meant(first), meant(last if isinstance(last, (int, float)) else first)))

    def _functional(self, sequence: str, keyword: str, *, number: bool = True) -> Any:
        """An attribute of the frame: from its functional groups, the shared ones, or the top level (PS3.3 C.7.6.16)."""
        for item in (*self._groups(sequence), self.document):
            value = _first(item, keyword)
            if value is None or not number:
                if value is not None:
                    return str(value)
                continue
            if isinstance(value, (int, float)):
                return float(value)
        return None

    def _groups(self, sequence: str) -> Iterator[JsonDict]:
        """The first item of a macro, of the frame's own functional groups before the shared ones."""
        per_frame = self.document.get(_PER_FRAME, {}).get("Value", [])
        groups = per_frame[self.number - 1 : self.number] + self.document.get(_SHARED, {}).get("Value", [])
        for group in groups:
            yield from group.get(sequence, {}).get("Value", [])[:1]

    def _aspect(self) -> float:
        """How much higher than wide a pixel is shown; 1 where nothing sensible is said (PS3.3 10.7.1.3, C.7.6.3.1.7)."""
        pairs = [item.get("00280030", {}).get("Value") for item in (*self._groups(_MEASURES), self.document)]
        pairs += [self.document.get(tag, {}).get("Value") for tag in ("00181164", "00182010", "00280034")]
        for pair in pairs:
            if pair and len(pair) == 2 and all(isinstance(one, (int, float)) and one > 0 for one in pair):
                ratio = float(pair[0]) / float(pair[1])
                return ratio if 0.1 <= ratio <= 10 and abs(ratio - 1) > 0.01 else 1.0
        return 1.0

    def _palette(self, name: str) -> JsonDict:
        document = self.document
        data = self._table(name, document.get(f"{tag_of(name + 'Data'):08X}", {}))
        return {"descriptor": _values(document, f"{tag_of(name + 'Descriptor'):08X}"), "data": data}

    def _lut(self, name: str) -> JsonDict | None:
        """A table that stands for rescaling or windowing (PS3.3 C.11.1, C.11.2)."""
        items = self.document.get(_ITEMS_WITH_TABLES[name], {}).get("Value", [])
        if not items or len(_values(items[0], _LUT_DESCRIPTOR)) != 3:
            return None
        entries = items[0].get(_LUT_DATA, {})
        if "Value" in entries:
            numbers = [int(one) & 0xFFFF for one in entries["Value"] if one is not None]
            data = base64.b64encode(struct.pack(f"<{len(numbers)}H", *numbers)).decode()
        else:
            data = self._table(name, entries)
        return {"descriptor": _values(items[0], _LUT_DESCRIPTOR), "data": data} if data else None

    def _overlays(self) -> Iterator[JsonDict]:
        """Graphics laid over the image (PS3.3 C.9.2): planes of their own, or bits of the pixels."""
        document = self.document
        for group in _OVERLAY_GROUPS:
            rows, columns = _values(document, group + "0010"), _values(document, group + "0011")
            if not rows or not columns or (_values(document, group + "0040") or ["G"])[0] != "G":
                continue
            data = self._table(group, document.get(group + "3000", {}))
            frames = int((_values(document, group + "0015") or [1])[0] or 1)
            first = int((_values(document, group + "0051") or [1])[0] or 1)
            if data and not first <= self.number < first + frames:
                continue
            yield {
                "rows": int(rows[0]),
                "columns": int(columns[0]),
                "origin": [int(one) for one in _values(document, group + "0050")[:2]] or [1, 1],
                "data": data,
                "frame": self.number - first,
                "bit": int((_values(document, group + "0102") or [0])[0] or 0),
            }

    def _table(self, name: str, element: Mapping[str, Any]) -> str:
        """The base64 of a binary value, inline or given beside the document."""
        inline = element.get("InlineBinary")
        return str(inline) if inline else base64.b64encode((self.tables or {}).get(name, b"")).decode()


def _icc_element(document: Mapping[str, Any]) -> Mapping[str, Any]:
    if _ICC_PROFILE in document:
        return dict(document[_ICC_PROFILE])
    paths = document.get("00480105", {}).get("Value", [])
    return dict(paths[0].get(_ICC_PROFILE, {})) if paths else {}


def table_references(document: JsonDict) -> dict[str, str]:
    """Tables that a picture needs and that are too long to be inline: name → reference for `Retrieval.bulk_data`."""
    elements = {name: document.get(f"{tag_of(name + 'Data'):08X}", {}) for name in _PALETTE}
    for name, sequence in _ITEMS_WITH_TABLES.items():
        items = document.get(sequence, {}).get("Value", [])
        elements[name] = items[0].get(_LUT_DATA, {}) if items else {}
    elements["icc"] = dict(_icc_element(document))
    elements |= {group: document.get(group + "3000", {}) for group in _OVERLAY_GROUPS}
    return {
        name: str(element["BulkDataURI"]).rsplit("/", 1)[-1]
        for name, element in elements.items()
        if "BulkDataURI" in element
    }


def syntax_of_stream(start: bytes) -> str | None:
    """The transfer syntax of a compressed frame, by its first bytes, for objects that announce another; None where it
    cannot be told."""
    if start[:4] == b"\xff\x4f\xff\x51":
        return "1.2.840.10008.1.2.4.91"
    position = 2
    while start[:2] == b"\xff\xd8" and position + 4 <= len(start) and start[position] == 0xFF:
        number = {0xC0: "50", 0xC1: "51", 0xC3: "57", 0xF7: "81"}.get(start[position + 1])
        if number is not None:
            return f"1.2.840.10008.1.2.4.{number}"
        position += 2 + int(struct.unpack_from(">H", start, position + 2)[0])
    return None


def _values(document: Mapping[str, Any], tag: str) -> list[Any]:
    return list(document.get(tag, {}).get("Value") or [])


def _first(document: Mapping[str, Any], keyword: str) -> Any:
    values = document.get(f"{tag_of(keyword):08X}", {}).get("Value") or [None]
    return values[0]


def _number(document: Mapping[str, Any], keyword: str) -> int | None:
    value = _first(document, keyword)
    return int(value) if isinstance(value, (int, float)) else None


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a frame is drawn. `window` is (centre, width) in the units of the modality transformation; `viewport` the
    (columns, rows) to fit into, `region` the (left, top, width, height) of the source that is shown, a negative size
    turned over; `edges` the letters to write at the edges of the whole; `enlarge` to fill the viewport; `icc`: "no", "yes" (the image's own profile) or "srgb"."""

    media_type: str = "image/jpeg"
    window: tuple[float, float] | None = None
    function: str | None = None  # "linear" | "linear-exact" | "sigmoid"; None: as the image says
    viewport: tuple[int, int] | None = None
    region: tuple[float, float, float, float] | None = None
    enlarge: bool = False
    quality: int = 90
    annotations: tuple[str, ...] = ()
    edges: Edges | None = None
    icc: str = "no"


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

    def decode(self, picture: Picture, *, planes: bool = False) -> bytes:
        """The frame as plain little-endian pixels, samples side by side; with `planes`, where the document says that
        they lie in planes, so. Raises CannotDecode."""
        return self._ask({"do": "decode", "planes": planes, **picture.header()}, picture.data)

    def render(self, picture: Picture, rendering: Rendering) -> bytes:
        """The frame as it is to be looked at. Raises CannotDecode."""
        return self._ask({"do": "render", **asdict(rendering), **picture.header()}, picture.data)

    def encode_htj2k(self, picture: Picture) -> bytes:
        """The frame's HTJ2K (lossless, RPCL) codestream, decoded again and found identical. Raises CannotDecode."""
        return self._ask({"do": "encode_htj2k", **picture.header()}, picture.data)

    def encode(self, picture: Picture, transfer_syntax_uid: str) -> bytes:
        """A plain frame without loss in a compressed syntax; its caller proves that it is the same. Raises CannotDecode."""
        return self._ask({"do": "encode", "to": transfer_syntax_uid, **picture.header()}, picture.data)

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
