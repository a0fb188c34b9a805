"""Where the resolutions of a JPEG 2000 codestream end, so that its beginning alone is a smaller picture. Pure.

In the order of resolutions (RPCL) with a tile-part for each, and their lengths told beforehand in the main header (TLM,
ISO 15444-1 A.7.1), the beginning of a codestream is the codestream of a smaller picture.
"""

from __future__ import annotations

import struct

MAIN_HEADER_BYTES_MAX = 1024
"""The main header of what is made here is shorter by far."""

_SOC, _COD, _TLM, _SOT, _SIZ = b"\xff\x4f", b"\xff\x52", b"\xff\x55", b"\xff\x90", b"\xff\x51"
_RPCL = 2
_DECOMPOSITIONS_MAX = 32  # ISO 15444-1 Table A.15


def resolution_ends(start: bytes) -> list[int] | None:
    """How many bytes each resolution takes with all before it, the smallest first; the last leaves out no more than EOC.

    `start` holds the main header. None where that cannot be told: another order, several tiles, tile-parts that are not
    one a resolution, lengths that are not told.
    """
    if start[:2] != _SOC:
        return None
    at, decompositions, lengths = 2, None, list[int]()
    while at + 4 <= len(start):
        marker, (size,) = start[at : at + 2], struct.unpack_from(">H", start, at + 2)
        if marker == _SOT:
            break
        body = start[at + 4 : at + 2 + size]
        if size < 2 or len(body) != size - 2:
            return None
        if marker == _SIZ and not _is_one_tile(body):
            return None
        if marker == _COD:
            if len(body) < 6 or body[1] != _RPCL or body[5] > _DECOMPOSITIONS_MAX:
                return None
            decompositions = body[5]
        if marker == _TLM:
            told = _tile_part_lengths(body)
            if told is None:
                return None
            lengths += told
        at += 2 + size
    else:
        return None
    if decompositions is None or len(lengths) != decompositions + 1:
        return None
    ends = []
    for length in lengths:
        at += length
        ends.append(at)
    return ends


def beginning(start: bytes, halvings: int) -> int | None:
    """How many bytes of the codestream are a picture of half the rows and columns `halvings` times over.

    None where the whole codestream is needed, or what is needed cannot be told.
    """
    ends = resolution_ends(start)
    if ends is None or halvings < 1:
        return None
    return ends[max(len(ends) - 1 - halvings, 0)] if len(ends) > 1 else None


def _is_one_tile(siz: bytes) -> bool:
    """ISO 15444-1 A.5.1: the tiles are as large as the picture, and begin where it does."""
    if len(siz) < 36:
        return False
    x_size, y_size, _, _, tile_x, tile_y, tile_x_offset, tile_y_offset = struct.unpack_from(">8I", siz, 2)
    return bool(tile_x_offset + tile_x >= x_size and tile_y_offset + tile_y >= y_size)


def _tile_part_lengths(tlm: bytes) -> list[int] | None:
    """Lengths in order; None where they are of tiles other than the first, or nonsense."""
    if len(tlm) < 2:
        return None
    index_bytes, length_bytes = (tlm[1] >> 4) & 3, 4 if tlm[1] & 0x40 else 2
    step = index_bytes + length_bytes
    entries = tlm[2:]
    if index_bytes == 3 or len(entries) % step:
        return None
    lengths = []
    for at in range(0, len(entries), step):
        if any(entries[at : at + index_bytes]):
            return None
        length = int.from_bytes(entries[at + index_bytes : at + step], "big")
        if length < 14:  # of its own header (SOT, SOD)
            return None
        lengths.append(length)
    return lengths
