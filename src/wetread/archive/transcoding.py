"""Objects in another transfer syntax than theirs, for peers that cannot take the original: plain little endian.

The stored bytes stay as they are; what goes out is made for that one transfer. Nothing is made lossy that was not.
"""

from __future__ import annotations

import warnings
from array import array
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from wetread.archive.lossless import as_received
from wetread.archive.overlay import overlay
from wetread.archive.pixels import CannotDecode
from wetread.archive.retrieval import RetrieveObject
from wetread.archive.store import StoredInstance
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from wetread.kit import limits
from wetread.kit.errors import TooLarge

PLAIN = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_WORDS = {"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"}
_JPEG = "1.2.840.10008.1.2.4."
# Their decoders give RGB whatever the codestream holds (PS3.5 8.2.1, 8.2.4); all others give the samples as they are.
_TO_RGB = frozenset(
    _JPEG + number
    for number in ("50", "51", "90", "91", "92", "93", "110", "111", "112", "201", "202", "203")
)
# Of these, YBR_FULL stays as it is.
_JPEG_YBR = frozenset({_JPEG + "50", _JPEG + "51"})


def data_set_in(item: RetrieveObject, transfer_syntax_uid: str) -> bytes:
    """The data set of `item`, corrections laid over, in one of the two plain syntaxes.

    Raises CannotDecode where its pixels are of a kind that is not decoded here (video), TooLarge beyond the limit.
    """
    if transfer_syntax_uid not in PLAIN:
        raise CannotDecode("Objects are sent as they are, or in a plain transfer syntax.")
    stored = item.stored
    _check_size(stored)
    # What was only compressed here goes out as it came, not as a likeness of it.
    came = as_received(item.retrieval, stored, transfer_syntax_uid)
    if came is not None:
        head, *rest = came
        if item.corrections:
            head = overlay(bytes(head), transfer_syntax_uid, item.corrections)
        return b"".join((head, *rest))
    source = transfer_syntax(item.transfer_syntax_uid)
    picture = stored.number_of_frames > 0 and (source.encapsulated or source.big_endian)
    meta = build_meta(stored.sop_class_uid, stored.sop_instance_uid, item.transfer_syntax_uid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are not quite right go out as they came
        dataset = pydicom.dcmread(
            BytesIO(b"".join((meta, *item.chunks()))), force=True, stop_before_pixels=picture
        )
        if source.big_endian:
            _turn_words(dataset)
        if picture:
            _put_pixels(dataset, item)
        out = DicomBytesIO()
        out.is_little_endian, out.is_implicit_VR = True, transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
        write_dataset(out, dataset)
    return bytes(out.getvalue())


def _check_size(stored: StoredInstance) -> None:
    pixels = (stored.rows or 0) * (stored.columns or 0) * (stored.samples_per_pixel or 1)
    decoded = pixels * stored.number_of_frames * max((stored.bits_allocated or 8) // 8, 1)
    if max(decoded, stored.size_bytes) > limits.TRANSCODE_BYTES_MAX:
        raise TooLarge("This object is too large to be put into another transfer syntax.")


def _put_pixels(dataset: Dataset, item: RetrieveObject) -> None:
    stored = item.stored
    if any(element.value for element in _overlays(dataset)):
        # Overlays in unused bits of the pixels (retired) would be lost with them.
        raise CannotDecode("It has overlays inside of its pixels.")
    bits = int(dataset.get("BitsAllocated") or 0)
    frames = [
        bytes(item.retrieval.decoded_frame(stored, number))
        for number in range(1, stored.number_of_frames + 1)
    ]
    if bits == 1 and len(frames) > 1 and (int(dataset.Rows) * int(dataset.Columns)) % 8:
        raise CannotDecode("Its frames of single bits do not end on bytes.")
    pixels = b"".join(frames)
    for tag in _OFFSET_TABLES:
        dataset.pop(tag, None)
    if int(dataset.get("SamplesPerPixel") or 1) == 3:
        dataset.PlanarConfiguration = 0
        kept = (
            item.transfer_syntax_uid in _JPEG_YBR and dataset.get("PhotometricInterpretation") == "YBR_FULL"
        )
        if item.transfer_syntax_uid in _TO_RGB and not kept:
            dataset.PhotometricInterpretation = "RGB"
        elif str(dataset.get("PhotometricInterpretation")) in ("YBR_FULL_422", "YBR_PARTIAL_422"):
            dataset.PhotometricInterpretation = str(dataset.PhotometricInterpretation).removesuffix("_422")
    vr = "OW" if bits > 8 else "OB"
    dataset.add_new(0x7FE00010, vr, pixels + b"\0" * (len(pixels) % 2))


def _overlays(dataset: Dataset) -> list[pydicom.DataElement]:
    """Overlay Bit Position of the planes that have no data of their own."""
    groups = range(0x6000, 0x6100, 2)
    return [
        dataset[group, 0x0102]
        for group in groups
        if (group, 0x0102) in dataset and (group, 0x3000) not in dataset
    ]


def _turn_words(dataset: Dataset) -> None:
    """Binary words of a big-endian data set, which are kept as they lie, into little endian."""
    for element in dataset.iterall():
        code = _WORDS.get(element.VR)
        if code is not None and isinstance(element.value, bytes):
            words = array(code)
            size = words.itemsize
            words.frombytes(element.value[: len(element.value) // size * size])
            words.byteswap()
            element.value = words.tobytes()
