"""Objects without what says who the patient is, for peers and for media. The stored bytes stay as they are."""

from __future__ import annotations

import warnings
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from wetread.archive.retrieval import RetrieveObject
from wetread.archive.transcoding import data_set_in
from wetread.dicom.deidentify import Options, Pseudonyms, deidentify
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from wetread.kit import limits
from wetread.kit.errors import TooLarge


def deidentified(
    item: RetrieveObject, transfer_syntax_uid: str, pseudonyms: Pseudonyms, options: Options
) -> tuple[Dataset, bytes]:
    """The object without what says who the patient is, corrections laid over first: as a data set, whose SOP Instance UID
    is its pseudonym, and its bytes in that syntax: its own, or one of the plain ones.

    Raises HeldBack where it cannot be cleaned, CannotDecode, TooLarge.
    """
    if item.stored.size_bytes > limits.TRANSCODE_BYTES_MAX:
        raise TooLarge("This object is too large to be de-identified.")
    kind = transfer_syntax(item.transfer_syntax_uid)
    as_it_is = transfer_syntax_uid == item.transfer_syntax_uid and not kind.big_endian and not kind.deflated
    read_as = transfer_syntax_uid if as_it_is else EXPLICIT_VR_LITTLE_ENDIAN
    chunks = item.chunks() if as_it_is else [data_set_in(item, read_as)]
    meta = build_meta(item.sop_class_uid, item.sop_instance_uid, read_as)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are not quite right go out as they came
        dataset = pydicom.dcmread(BytesIO(b"".join((meta, *chunks))), force=True)
        deidentify(dataset, pseudonyms, options)
        out = DicomBytesIO()
        out.is_little_endian = True
        out.is_implicit_VR = not transfer_syntax(transfer_syntax_uid).explicit
        write_dataset(out, dataset)
    return dataset, bytes(out.getvalue())
