"""What is compressed says in its codestream the same precision and sign as its attributes (PS3.5 8.2.4)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from wetread.archive import pixelworker
from wetread.archive.pixels import Picture
from wetread.dicom.transfersyntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
)

SIZE = (67, 93)


def document(bits: int, *, signed: bool, allocated: int = 16) -> dict[str, Any]:
    """The pixel module of a grey picture in DICOM JSON."""
    numbers = {
        "00280002": 1, "00280010": SIZE[0], "00280011": SIZE[1], "00280100": allocated, "00280101": bits,
        "00280102": bits - 1, "00280103": int(signed),
    }  # fmt: skip
    return {tag: {"vr": "US", "Value": [value]} for tag, value in numbers.items()}


def coded(frame: np.ndarray[Any, Any], of: dict[str, Any], to: str | None) -> bytes:
    """The codestream of a frame: of a compressed original, or with None of the copy that is made for viewers."""
    header = Picture(of, frame.tobytes(), EXPLICIT_VR_LITTLE_ENDIAN, 1).header()
    return pixelworker.answer_to(
        {"do": "encode" if to else "encode_htj2k", "to": to, **header}, frame.tobytes()
    )


def told(codestream: bytes) -> tuple[int, bool]:
    """Bits and sign that the SIZ marker of a codestream of one component says (ISO 15444-1 A.5.1)."""
    assert codestream[:4] == b"\xff\x4f\xff\x51"
    assert int.from_bytes(codestream[40:42], "big") == 1
    return (codestream[42] & 0x7F) + 1, bool(codestream[42] & 0x80)


@pytest.mark.parametrize("to", [HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS, None])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 15, 16])
def test_the_precision_is_that_of_bits_stored(bits: int, signed: bool, to: str | None) -> None:
    least = -(1 << (bits - 1)) if signed else 0
    most = least + (1 << bits) - 1
    random = np.random.default_rng(bits)
    for values in (random.integers(least, most + 1, SIZE), random.choice([least, most], SIZE)):
        frame = values.astype("<i2" if signed else "<u2")
        stream = coded(frame, document(bits, signed=signed), to)
        assert told(stream) == (bits, signed)
        # OpenJPEG, which had no part in making HTJ2K.
        again = imagecodecs.jpeg2k_decode(stream)
        assert (again.dtype, again.tolist()) == (frame.dtype, frame.tolist())
        if to != JPEG_2000_LOSSLESS:
            assert np.array_equal(imagecodecs.htj2k_decode(stream), frame)


def test_values_that_need_more_bits_than_are_told_keep_all_of_theirs() -> None:
    """An overlay in the upper bits of pixels is part of what was received (PS3.3-2004 C.9.2)."""
    frame = np.arange(SIZE[0] * SIZE[1], dtype="<u2").reshape(SIZE) % 4096
    frame[3, 4] |= 0x8000
    for of in (document(12, signed=False), document(8, signed=False)):
        stream = coded(frame, of, HTJ2K_LOSSLESS_RPCL)
        assert told(stream) == (16, False)
        assert np.array_equal(imagecodecs.htj2k_decode(stream), frame)


def test_bytes_stored_in_words_stay_words() -> None:
    frame = (np.arange(SIZE[0] * SIZE[1], dtype="<u2") % 256).reshape(SIZE)
    stream = coded(frame, document(8, signed=False), HTJ2K_LOSSLESS_RPCL)
    again = imagecodecs.htj2k_decode(stream)
    assert (again.dtype, again.tolist()) == (frame.dtype, frame.tolist())


def told_by_jpeg_ls(stream: bytes) -> int:
    """The precision of the start of frame (ISO 14495-1 C.2.2)."""
    at = stream.index(b"\xff\xf7")
    return stream[at + 4]


def decoded_by_dcmtk(
    stream: bytes, bits: int, signed: bool, allocated: int, folder: Path
) -> np.ndarray[Any, Any]:
    """What another maker's program makes of it, by the attributes and the codestream alone."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEG_LS_LOSSLESS
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.Rows, ds.Columns = SIZE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = (
        allocated,
        bits,
        bits - 1,
        int(signed),
    )
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].VR = "OB"
    ds.save_as(folder / "compressed.dcm", enforce_file_format=True)
    subprocess.run(
        ["dcmdjpls", folder / "compressed.dcm", folder / "plain.dcm"], check=True, capture_output=True
    )
    return np.asarray(pydicom.dcmread(folder / "plain.dcm").pixel_array)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "allocated"), [(6, 8), (8, 8), (9, 16), (12, 16), (15, 16), (16, 16)])
def test_jpeg_ls_has_the_precision_of_bits_stored(
    bits: int, allocated: int, signed: bool, tmp_path: Path
) -> None:
    least = -(1 << (bits - 1)) if signed else 0
    most = least + (1 << bits) - 1
    random = np.random.default_rng(bits)
    for values in (random.integers(least, most + 1, SIZE), random.choice([least, most], SIZE)):
        frame = values.astype(f"<{'i' if signed else 'u'}{allocated // 8}")
        of = document(bits, signed=signed, allocated=allocated)
        stream = coded(frame, of, JPEG_LS_LOSSLESS)
        assert told_by_jpeg_ls(stream) == max(bits, 8)
        again = decoded_by_dcmtk(stream, bits, signed, allocated, tmp_path)
        assert (again.dtype, again.tolist()) == (frame.dtype, frame.tolist())
        header = Picture(of, stream, JPEG_LS_LOSSLESS, 1).header()
        assert pixelworker.answer_to({"do": "decode", "planes": False, **header}, stream) == frame.tobytes()


def test_jpeg_ls_keeps_words_where_the_bits_told_are_not_enough() -> None:
    frame = np.arange(SIZE[0] * SIZE[1], dtype="<u2").reshape(SIZE) % 4096
    for of in (document(11, signed=False), document(8, signed=False)):
        stream = coded(frame, of, JPEG_LS_LOSSLESS)
        assert told_by_jpeg_ls(stream) == 16
        assert np.array_equal(imagecodecs.jpegls_decode(stream), frame)
