"""Where each frame of an object lies, so that later one range read serves it (PS3.5 A.4, PS3.3 C.7.6.3, C.7.6.6)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from wetread.dicom.errors import DicomError
from wetread.dicom.header import UNDEFINED, Header
from wetread.dicom.transfersyntax import transfer_syntax

FRAMES_MAX = 1_000_000
FRAGMENTS_MAX = 4_000_000

Ranges = list[tuple[int, int]]
"""(offset, length) pieces of one frame, counted from the start of the data set."""
Read = Callable[[int, int], bytes]
"""`read(offset, length)` of the data set; shorter at its end."""

_NUMBER_OF_FRAMES, _ROWS, _COLUMNS, _SAMPLES = 0x00280008, 0x00280010, 0x00280011, 0x00280002
_BITS_ALLOCATED, _PHOTOMETRIC = 0x00280100, 0x00280004
FRAME_TAGS = frozenset(
    {_NUMBER_OF_FRAMES, _ROWS, _COLUMNS, _SAMPLES, _BITS_ALLOCATED, _PHOTOMETRIC, 0x7FE00001, 0x7FE00002}
)


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Frames in order. `warning` where the object's own count did not hold."""

    frames: list[Ranges]
    warning: str | None = None


_FRAME_LATERALITY = (0x0020, 0x9072)
_SIDES = {f"{side}{pad}".encode(): side for side in "LRBU" for pad in " \0"}


def lateralities(data: bytes, syntax_uid: str, end: int | None) -> set[str]:
    """What Frame Laterality says anywhere in a data set before `end` (PS3.3 C.7.6.16.2.8): R, L, U, B.

    The functional groups of an enhanced object may have many thousand frames, and most objects have none: the element is
    looked for by its eight bytes, and counts where one of the terms follows, without building what is around it.
    """
    syntax = transfer_syntax(syntax_uid)
    order = ">" if syntax.big_endian else "<"
    element = struct.pack(f"{order}2H", *_FRAME_LATERALITY)
    element += struct.pack(f"{order}2sH", b"CS", 2) if syntax.explicit else struct.pack(f"{order}I", 2)
    found: set[str] = set()
    at = data.find(element, 0, end)
    while at >= 0 and len(found) < 4:
        side = _SIDES.get(data[at + 8 : at + 10])
        if side is not None:
            found.add(side)
        at = data.find(element, at + 10, end)
    return found


def number_of_frames(header: Header, *, single_frame_class: bool) -> int:
    """The declared count; absent, empty or nonsense counts as one, and single-frame classes always have one."""
    if single_frame_class:
        return 1
    text = header.text(_NUMBER_OF_FRAMES)
    try:
        count = int(text.split("\\")[0].split(".")[0] or 1)
    except ValueError:
        return 1
    return min(max(count, 1), FRAMES_MAX)


def frame_table(header: Header, read: Read, size: int, *, single_frame_class: bool) -> FrameTable:
    """The frames of an object of `size` bytes whose header was scanned. An object without pixel data has none."""
    if header.pixel_offset is None or header.pixel_length is None:
        return FrameTable([])
    count = number_of_frames(header, single_frame_class=single_frame_class)
    encapsulated = (
        header.pixel_length == UNDEFINED or transfer_syntax(header.transfer_syntax_uid).encapsulated
    )
    if encapsulated and header.pixel_length == UNDEFINED:
        return _encapsulated(header, read, size, count)
    return _native(header, size, count)


def native_frame_bits(header: Header) -> int:
    """Bits of one native frame; 0 where the header does not say."""
    rows, columns = header.number(_ROWS) or 0, header.number(_COLUMNS) or 0
    samples = header.number(_SAMPLES) or 1
    if header.pixel_tag in (0x7FE00008, 0x7FE00009):
        bits = 32 if header.pixel_tag == 0x7FE00008 else 64
    else:
        bits = header.number(_BITS_ALLOCATED) or 0
    total = rows * columns * samples * bits
    if header.text(_PHOTOMETRIC) in ("YBR_FULL_422", "YBR_PARTIAL_422") and samples == 3:
        total = total * 2 // 3  # two luminance samples share a pair of chrominance (PS3.3 C.7.6.3.1.2)
    return total


def _native(header: Header, size: int, count: int) -> FrameTable:
    assert header.pixel_offset is not None
    assert header.pixel_length is not None
    start = header.pixel_offset
    available = max(0, min(header.pixel_length, size - start))
    bits = native_frame_bits(header)
    if bits == 0:
        return FrameTable([[(start, available)]] if available else [], "the image's dimensions are missing")
    if bits % 8:  # one-bit frames follow each other without padding (PS3.5 8.1.1)
        frames = [[(start + bits * n // 8, (bits * (n + 1) + 7) // 8 - bits * n // 8)] for n in range(count)]
        kept = [frame for frame in frames if frame[0][0] + frame[0][1] <= start + available]
    else:
        length = bits // 8
        fits = min(count, available // length)
        kept = [[(start + length * n, length)] for n in range(fits)]
    warning = None if len(kept) == count else f"{count} frames declared, {len(kept)} present"
    return FrameTable(kept, warning)


def _encapsulated(header: Header, read: Read, size: int, count: int) -> FrameTable:
    assert header.pixel_offset is not None
    table_length, position = _item(read, header.pixel_offset, size)
    offsets_raw = read(position, min(table_length, 4 * FRAMES_MAX))
    offsets = list(struct.unpack(f"<{len(offsets_raw) // 4}I", offsets_raw[: len(offsets_raw) // 4 * 4]))
    position += table_length
    first = position
    fragments: Ranges = []
    while position + 8 <= size and len(fragments) < FRAGMENTS_MAX:
        head = read(position, 8)
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) != (0xFFFE, 0xE000):
            break  # the sequence delimiter; anything else ends the frames too
        length = min(length, size - position - 8)
        fragments.append((position + 8, length))
        position += 8 + length
    warning: str | None = None
    frames = _by_offsets(fragments, _extended(header) or offsets, first, count)
    if frames is None:
        full = [fragment for fragment in fragments if fragment[1] > 0]
        if count == 1:
            frames = [full] if full else []
        elif len(full) == count:
            frames = [[fragment] for fragment in full]
        else:
            frames = _by_start_of_stream(full, read)
            if len(frames) != count:
                warning = f"{count} frames declared, {len(frames)} present"
        if offsets:
            warning = warning or "the offset table is wrong"
    return FrameTable(frames, warning)


def _item(read: Read, position: int, size: int) -> tuple[int, int]:
    head = read(position, 8)
    if len(head) < 8 or head[:4] != b"\xfe\xff\x00\xe0":
        raise DicomError("the pixel data have no offset table item", position)
    length = struct.unpack_from("<I", head, 4)[0]
    if position + 8 + length > size:
        raise DicomError("the offset table is longer than what is left", position)
    return length, position + 8


def _extended(header: Header) -> list[int]:
    """The Extended Offset Table (7FE0,0001), 64-bit."""
    raw = header.values.get(0x7FE00001, b"")
    return list(struct.unpack(f"<{len(raw) // 8}Q", raw[: len(raw) // 8 * 8]))


def _by_offsets(fragments: Ranges, offsets: list[int], first: int, count: int) -> list[Ranges] | None:
    """Frames by the offset table, where it is true: every offset points to a fragment's item."""
    if len(offsets) != count or not offsets:
        return None
    index_of = {start - 8 - first: index for index, (start, _) in enumerate(fragments)}
    if any(offset not in index_of for offset in offsets) or offsets != sorted(set(offsets)):
        return None
    starts = [index_of[offset] for offset in offsets]
    return [fragments[a:b] for a, b in zip(starts, [*starts[1:], len(fragments)], strict=True)]


def _by_start_of_stream(fragments: Ranges, read: Read) -> list[Ranges]:
    """Frames by the marks with which compressed streams begin: JPEG and JPEG-LS SOI, JPEG 2000 SOC."""
    frames: list[Ranges] = []
    for fragment in fragments:
        if not frames or read(fragment[0], 3)[:3] in (b"\xff\xd8\xff", b"\xff\x4f\xff"):
            frames.append([fragment])
        else:
            frames[-1].append(fragment)
    return frames
