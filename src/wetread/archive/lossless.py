"""The compressed form of a native original, without loss: what was received can be given back, bit by bit.

What is not pixels is kept as it came, beside the compressed file in the same sealed object. The new object is proved
before it is used: read again from the store, decoded, and put together to the received data set, which must have the
hash that was taken when it came. Lossy forms are not made: such an image is another one (PS3.3 C.7.6.1.1.5, PS3.4
B.4.1.3), and would have to stand beside the received, not in its place.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import pydicom
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from wetread.archive.model import CompressedObject, StoredRole
from wetread.archive.overlay import elements
from wetread.archive.pixels import Picture
from wetread.archive.retrieval import Retrieval
from wetread.archive.rules import FrameTable, JsonDict
from wetread.archive.store import StoredInstance
from wetread.archive.vault import SealedWriter
from wetread.dicom import jsonmodel
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS_RPCL,
    IMPLICIT_VR_LITTLE_ENDIAN,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
    transfer_syntax,
)
from wetread.kit import limits

LOSSLESS = (HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS, RLE_LOSSLESS)
"""What originals are compressed to."""

_PHOTOMETRIC, _PLANAR, _SYNTAXES = 0x00280004, 0x00280006, "00083002"
_CHANGES = frozenset({"00280004", "00280006", _SYNTAXES, "7FE00010"})
_ITEM, _END_OF_SEQUENCE = struct.pack("<HH", 0xFFFE, 0xE000), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_PIXELS_BEGIN = struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF)


class StaysAsItCame(Exception):
    """An object that is not compressed. Words for a person, without patient data."""


@dataclass(frozen=True, slots=True)
class Made:
    """A compressed object that was proved, in the store but not yet in the index."""

    stored: StoredInstance
    received_head_bytes: int
    received_rest_bytes: int
    writer: SealedWriter


def compress(retrieval: Retrieval, stored: StoredInstance, to: str, rendition: StoredInstance | None) -> Made:
    """The compressed form of a native original, proved to give back what was received. Raises StaysAsItCame, CannotDecode,
    Damaged, NoSpace."""
    document = retrieval.instance_json(stored)
    head, rest = _around_pixels(retrieval, stored)
    planes = _planar(document)
    made_head, made_tail = _explicit(
        stored.transfer_syntax_uid, head, rest, (stored.frame_length or 0) * stored.number_of_frames
    )
    writer = retrieval.vault.create(stored.study_instance_uid)
    try:
        writer.write(head)
        writer.write(rest)
        writer.write(build_meta(stored.sop_class_uid, stored.sop_instance_uid, to))
        digest = hashlib.sha256()
        offset = writer.size_bytes

        def put(piece: bytes) -> None:
            digest.update(piece)
            writer.write(piece)

        frames: list[tuple[tuple[int, int], ...]] = []
        photometric = stored.photometric_interpretation
        for number in range(1, stored.number_of_frames + 1):
            codestream = _codestream(retrieval, stored, document, number, to, rendition)
            if number == 1:
                photometric = _photometric_of(photometric, to, codestream)
                put(_patched(made_head, _patch(stored, photometric)))
                pixels = writer.size_bytes + len(_PIXELS_BEGIN)
                # An empty Basic Offset Table: each frame is one fragment (PS3.5 A.4).
                put(_PIXELS_BEGIN + _ITEM + struct.pack("<I", 0))
            padded = codestream + b"\0" * (len(codestream) % 2)
            frames.append(((writer.size_bytes + 8, len(padded)),))
            put(_ITEM + struct.pack("<I", len(padded)) + padded)
        put(_END_OF_SEQUENCE + made_tail)
        if writer.size_bytes >= stored.size_bytes:
            raise StaysAsItCame("it would not become smaller")
        writer.finish()
        writer.commit()
        made = Made(
            replace(
                stored,
                role=StoredRole.ORIGINAL,
                location=writer.location,
                study_key_pk=writer.key.study_key_pk or 0,
                sealed_key=writer.key.sealed_key,
                size_bytes=writer.size_bytes,
                transfer_syntax_uid=to,
                dataset_offset=offset,
                pixel_data_offset=pixels,
                frame_length=None,
                frame_table=FrameTable(tuple(frames)).pack(),
                dataset_sha256=digest.digest(),
                photometric_interpretation=photometric,
            ),
            len(head),
            len(rest),
            writer,
        )
        _prove(retrieval, stored, document, made, planes=planes)
    except BaseException:
        writer.abort()
        raise
    return made


def received(
    retrieval: Retrieval, stored: StoredInstance, head_bytes: int, rest_bytes: int
) -> Iterator[memoryview | bytes]:
    """The data set of a compressed original as it was received, piece by piece. Raises Damaged, CannotDecode."""
    with retrieval.vault.open(
        stored.location, stored.study_key_pk, stored.sealed_key, stored.size_bytes
    ) as unsealer:
        head = bytes(unsealer.read(0, head_bytes))
        rest = bytes(unsealer.read(head_bytes, rest_bytes)) if rest_bytes else b""
    yield head
    document = retrieval.instance_json(stored)
    planes = _planar(_received_document(head, stored))
    if planes:
        document["00280006"] = {"vr": "US", "Value": [1]}
    for number in range(1, stored.number_of_frames + 1):
        frame = bytes(retrieval.frame(stored, number))
        yield retrieval.decoder.decode(
            Picture(document, frame, stored.transfer_syntax_uid, number), planes=planes
        )
    yield rest


def as_received(
    retrieval: Retrieval, one: StoredInstance, transfer_syntax_uid: str
) -> Iterable[memoryview | bytes] | None:
    """The data set of an object that was compressed here as it was received; None where it was not, or where it came in
    another transfer syntax."""
    with retrieval.offices.database.transaction() as session:
        kept = session.get(CompressedObject, one.stored_object_pk)
        if kept is None or kept.received_transfer_syntax_uid != transfer_syntax_uid:
            return None
        sizes = (kept.received_head_bytes, kept.received_rest_bytes)
    return received(retrieval, one, *sizes)


def _received_document(head: bytes, stored: StoredInstance) -> JsonDict:
    # Either little-endian syntax: the reader looks which it is.
    return jsonmodel.to_json(
        head, EXPLICIT_VR_LITTLE_ENDIAN, lambda _path, _offset, _length: None, size=len(head)
    )


def _planar(document: JsonDict) -> bool:
    samples = (document.get("00280002", {}).get("Value") or [1])[0]
    return bool(samples != 1 and (document.get("00280006", {}).get("Value") or [0])[0] == 1)


def _around_pixels(retrieval: Retrieval, stored: StoredInstance) -> tuple[bytes, bytes]:
    """The bytes of a data set before its native pixels, with their element's header, and after their last frame."""
    if (
        stored.pixel_data_offset is None
        or stored.frame_length is None
        or stored.bits_allocated not in (8, 16)
    ):
        raise StaysAsItCame("its kind of pixels is not compressed")
    begin, end = (
        stored.pixel_data_offset,
        stored.pixel_data_offset + stored.frame_length * stored.number_of_frames,
    )
    if begin - stored.dataset_offset + stored.size_bytes - end > limits.OBJECT_HEAD_BYTES_MAX:
        raise StaysAsItCame("its attributes are larger than the limit")
    if end > stored.size_bytes:
        raise StaysAsItCame("its pixel data are cut short")
    with retrieval.vault.open(
        stored.location, stored.study_key_pk, stored.sealed_key, stored.size_bytes
    ) as unsealer:
        head = bytes(unsealer.read(stored.dataset_offset, begin - stored.dataset_offset))
        rest = bytes(unsealer.read(end, stored.size_bytes - end)) if end < stored.size_bytes else b""
    return head, rest


def _explicit(syntax: str, head: bytes, rest: bytes, frame_bytes: int) -> tuple[bytes, bytes]:
    """What stands before and after the pixel data element, in Explicit VR Little Endian, as compressed forms are."""
    explicit = transfer_syntax(syntax).explicit
    width = 12 if explicit else 8
    element = head[-width:]
    if element[:4] != b"\xe0\x7f\x10\x00":
        raise StaysAsItCame("its pixels are not integers")
    before = head[:-width]
    # A byte that makes the length even is no part of an image; more than that is more than its attributes say.
    surplus = struct.unpack("<I", element[-4:])[0] - frame_bytes
    if surplus not in (0, 1) or surplus > len(rest):
        raise StaysAsItCame("its pixel data are longer or shorter than its frames")
    after = rest[surplus:]
    if explicit:
        return before, after
    return _explicit_of(before), _explicit_of(after)


def _explicit_of(implicit: bytes) -> bytes:
    if not implicit:
        return b""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that are not quite right go out as they came
            dataset = pydicom.dcmread(
                BytesIO(build_meta("", "", IMPLICIT_VR_LITTLE_ENDIAN) + implicit), force=True
            )
            out = DicomBytesIO()
            out.is_little_endian, out.is_implicit_VR = True, False
            write_dataset(out, dataset)
    except Exception as error:
        raise StaysAsItCame(
            f"its attributes cannot be written with their VR ({type(error).__name__})"
        ) from error
    return bytes(out.getvalue())


def _codestream(
    retrieval: Retrieval,
    stored: StoredInstance,
    document: JsonDict,
    number: int,
    to: str,
    rendition: StoredInstance | None,
) -> bytes:
    if rendition is not None and rendition.transfer_syntax_uid == to:
        return bytes(retrieval.frame(rendition, number))
    frame = bytes(retrieval.frame(stored, number))
    return retrieval.decoder.encode(Picture(document, frame, stored.transfer_syntax_uid, number), to)


def _photometric_of(received_one: str | None, to: str, codestream: bytes) -> str | None:
    """The Photometric Interpretation of the compressed form: RGB that went through the reversible component
    transformation is YBR_RCT (PS3.5 8.2.4)."""
    if received_one == "RGB" and to in (HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS):
        style = codestream.find(
            b"\xff\x52", 0, 4096
        )  # COD; its fifth byte after the length says it (ISO 15444-1 A.6.1)
        if style < 0:
            raise StaysAsItCame("its compressed form does not say how its colours were coded")
        return "YBR_RCT" if codestream[style + 8] else "RGB"
    return received_one


def _patch(stored: StoredInstance, photometric: str | None) -> dict[int, bytes]:
    patch: dict[int, bytes] = {}
    if stored.samples_per_pixel == 3:
        patch[_PLANAR] = struct.pack("<HH2sHH", 0x0028, 0x0006, b"US", 2, 0)
        value = (photometric or "").encode()
        value += b" " * (len(value) % 2)
        patch[_PHOTOMETRIC] = struct.pack("<HH2sH", 0x0028, 0x0004, b"CS", len(value)) + value
    return patch


def _patched(head: bytes, patch: dict[int, bytes]) -> bytes:
    """A head in Explicit VR Little Endian with elements in the place of those that are there."""
    if not patch:
        return head
    return b"".join(patch.get(tag, head[start:stop]) for tag, start, stop in elements(head, explicit=True))


def _prove(
    retrieval: Retrieval, stored: StoredInstance, document: JsonDict, made: Made, *, planes: bool
) -> None:
    """Reads the new object from the store. Raises StaysAsItCame where it does not give back what was received."""
    digest = hashlib.sha256()
    for piece in received(retrieval, made.stored, made.received_head_bytes, made.received_rest_bytes):
        digest.update(piece)
    if digest.digest() != bytes(stored.dataset_sha256):
        raise StaysAsItCame("its pixels hold more than its attributes say, which would be lost")
    told = retrieval.instance_json(made.stored)
    if _compared(document) != _compared(told):
        raise StaysAsItCame("its attributes would read otherwise")


def _compared(document: JsonDict) -> JsonDict:
    """The attributes that must be the same in both forms; where long values lie is not one of them."""

    def told(element: JsonDict) -> JsonDict:
        if "BulkDataURI" in element:
            return {"vr": element["vr"], "length": str(element["BulkDataURI"]).rsplit("-", 1)[-1]}
        if element.get("vr") == "SQ":
            return {**element, "Value": [_compared(item) for item in element.get("Value", [])]}
        return element

    return {tag: told(element) for tag, element in document.items() if tag not in _CHANGES}
