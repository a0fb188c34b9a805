"""The beginning of a codestream is the whole of a smaller picture, or it is not told where it ends."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from wetread.dicom.codestream import beginning, resolution_ends

BY_RESOLUTION = {"reversible": True, "tlm": True, "tilepart": 1}


def picture(rows: int, columns: int, samples: int = 1) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    grey = (800 * np.sin(x / 9) * np.cos(y / 7) + 3 * (x % 5)).astype("<i2")
    return grey if samples == 1 else np.stack([(grey + 128 * at).astype("u1") for at in range(samples)], -1)


@pytest.mark.parametrize(("rows", "columns", "samples"), [(512, 512, 1), (301, 777, 1), (240, 331, 3)])
def test_a_beginning_decodes_to_what_the_whole_gives_at_that_resolution(
    rows: int, columns: int, samples: int
) -> None:
    stream = imagecodecs.htj2k_encode(picture(rows, columns, samples), **BY_RESOLUTION)
    ends = resolution_ends(stream[:300])
    assert ends is not None
    assert stream[ends[-1] :] in (b"", b"\xff\xd9")
    before = 0
    for halvings in (5, 4, 3, 2, 1):
        length = beginning(stream[:300], halvings)
        assert length is not None
        assert before < length < len(stream)
        before = length
        small = imagecodecs.htj2k_decode(stream[:length], skipres=halvings)
        assert np.array_equal(small, imagecodecs.htj2k_decode(stream, skipres=halvings)), halvings
        assert small.shape[:2] == (-(-rows >> halvings), -(-columns >> halvings))
    # More than there are: the smallest.
    assert beginning(stream[:300], 9) == beginning(stream[:300], 5)


def test_what_does_not_tell_has_no_beginning() -> None:
    pixels = picture(256, 256)
    told = imagecodecs.htj2k_encode(pixels, **BY_RESOLUTION)
    for stream in (
        imagecodecs.htj2k_encode(pixels, reversible=True, tlm=True),  # one tile-part
        imagecodecs.htj2k_encode(pixels, reversible=True, tilepart=1),  # no lengths
        imagecodecs.htj2k_encode(pixels, tile=(128, 128), **BY_RESOLUTION),
        imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="J2K"),  # by layers
        told[:100], told[:2], b"", b"\xff\xd8\xff\xe0" + told, told[:2] + b"\xff\x55\x00\x00" + told[2:],
    ):  # fmt: skip
        assert beginning(stream, 2) is None
    # A length that is none, and one of another tile.
    at = told.index(b"\xff\x55")
    assert beginning(told[: at + 8] + b"\0\0\0\1" + told[at + 12 :], 2) is None
    assert beginning(told[: at + 6] + b"\0\1" + told[at + 8 :], 2) is None
