"""Every file of pydicom's package goes in by STOW-RS, comes back bit by bit, and shows the pixels that pydicom decodes."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import pixel_array
from pydicom.uid import generate_uid

from archive_fixtures import PACKAGE_FILES
from dicomweb_fixtures import Client, path_of, read
from wetread.dicom.part10 import read_meta

PLAIN = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
# What is no whole object waits in quarantine, and its sender is told that it was not understood.
CUT = {"MR_truncated.dcm", "rtplan_truncated.dcm"}
# Fragments of data sets, made to try parsers: they have none of the UIDs by which an object is filed.
NAMELESS = {
    "UN_sequence.dcm", "priv_SQ.dcm", "nested_priv_SQ.dcm", "meta_missing_tsyntax.dcm", "no_meta.dcm", "no_meta_group_length.dcm",
    "empty_charset_LEI.dcm",
}  # fmt: skip
# The codestream itself is broken (it was made to try parsers of fragments).
NO_IMAGE = {"JPEG2000-embedded-sequence-delimiter.dcm"}


def unlike_others(data: bytes, number: int) -> bytes:
    """The file with UIDs of its own, of the same length: several files of the package are one object in variants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        if "SOPClassUID" in ds and "PixelData" in ds and "StudyInstanceUID" not in ds:
            # Pictures without a study, of which only the pixels were meant.
            ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
            out = io.BytesIO()
            ds.save_as(out, enforce_file_format=True)
            data = out.getvalue()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        uid = str(ds.get(keyword) or "")
        if len(uid) > 10:
            data = data.replace(uid.encode(), f"{uid[:-4]}{number:04d}".encode())
    return data


def files() -> list[Path]:
    found = sorted(PACKAGE_FILES.glob("*.dcm"))
    assert len(found) > 70
    return found


@pytest.fixture
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_every_file_is_kept_as_it_is_and_shown_as_it_is(sender: Client, reader: Client, quiet: None) -> None:
    faults: list[str] = []
    compared: set[str] = set()
    for number, path in enumerate(files(), 1000):
        name, data = path.name, unlike_others(path.read_bytes(), number)
        answer = sender.stow(data)
        if name in CUT | NAMELESS:
            failed = answer.json().get("00081198") or answer.json().get("0008119A")
            if answer.status != 409 or not failed:
                faults.append(f"{name}: {answer.status} {answer.body!r}")
            continue
        if answer.status != 200:
            faults.append(f"{name}: {answer.status} {answer.body!r}")
            continue
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        back = reader.get(path_of(ds), Accept="application/dicom; transfer-syntax=*").body
        sent, kept = data[read_meta(data).data_set_offset :], back[read_meta(back).data_set_offset :]
        if sent != kept:
            faults.append(f"{name}: other bytes came back")
        metadata = reader.get(path_of(ds) + "/metadata")
        if metadata.status != 200 or metadata.json()[0]["00080018"]["Value"] != [ds.SOPInstanceUID]:
            faults.append(f"{name}: no metadata")
        if "PixelData" in ds:
            faults += _frames(reader, name, ds, compared)
        else:
            faults += _long_values(reader, name, ds, metadata.json()[0])
    assert not faults, "\n".join(faults)
    assert len(compared) > 50


def _frames(reader: Client, name: str, ds: pydicom.Dataset, compared: set[str]) -> list[str]:
    faults: list[str] = []
    path = path_of(ds)
    try:
        count = int(ds.get("NumberOfFrames") or 1)
    except ValueError:
        count = 1  # one file says `1A`
    if name in NO_IMAGE:
        refused = reader.get(path + "/rendered", Accept="image/png")
        return [] if refused.status == 422 else [f"{name}: {refused.status} for an image that is none"]
    try:
        judge = {number: pixel_array(ds, index=number - 1, raw=False) for number in {1, count}}
    except Exception:
        judge = {}
    for number in {1, count}:
        plain = reader.get(f"{path}/frames/{number}", Accept=PLAIN)
        drawn = reader.get(f"{path}/frames/{number}/rendered", Accept="image/png")
        if (plain.status, drawn.status) != (200, 200):
            faults.append(
                f"{name}: frame {number}: {plain.status} {drawn.status} {plain.body[:200]!r} {drawn.body[:200]!r}"
            )
            continue
        if number not in judge:
            continue
        expected = judge[number]
        native = ds.file_meta.get("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)
        if ds.PhotometricInterpretation.startswith("YBR") and not native.is_encapsulated:
            expected = None  # plain YBR goes out as it is; the drawing is compared
        elif ds.PhotometricInterpretation == "YBR_FULL":
            # Plain frames are what the metadata say: Y, Cb and Cr, as the stream holds them.
            found = np.frombuffer(plain.body[: expected.nbytes], np.uint8).reshape(expected.shape)
            rgb = np.asarray(Image.fromarray(found, "YCbCr").convert("RGB")).astype(int)
            if np.abs(rgb - expected).max() > 2:
                faults.append(f"{name}: frame {number} has other pixels")
        elif ds.BitsAllocated == 1:
            found = np.unpackbits(np.frombuffer(plain.body, np.uint8), bitorder="little")[: expected.size]
            same = np.array_equal(found.reshape(expected.shape), expected)
            faults += [] if same else [f"{name}: frame {number} has other bits"]
        else:
            found = np.frombuffer(plain.body[: expected.nbytes], expected.dtype.newbyteorder("<"))
            if ds.get("PlanarConfiguration") and expected.ndim == 3:
                found = found.reshape(3, ds.Rows, ds.Columns).transpose(1, 2, 0)
            if not np.array_equal(found.reshape(expected.shape), expected):
                faults.append(f"{name}: frame {number} has other pixels")
        with Image.open(io.BytesIO(drawn.body)) as image:
            low, high = image.convert("L").getextrema()
            size, shown = image.size, np.asarray(image).astype(int)
        if expected is not None and expected.ndim == 3 and size == (ds.Columns, ds.Rows):
            shift = max(int(ds.BitsStored) - 8, 0)
            if np.abs(shown - (expected >> shift).astype(int)).max() > 1:
                faults.append(f"{name}: frame {number} is drawn in other colours")
        if expected is not None and expected.min() != expected.max() and low == high:
            faults.append(f"{name}: frame {number} is drawn as nothing")
        compared.add(name)
    return faults


def _long_values(reader: Client, name: str, ds: pydicom.Dataset, document: dict[str, Any]) -> list[str]:
    """Waveforms and other binary values by their BulkDataURIs, each as pydicom reads it."""
    faults: list[str] = []

    def walk(model: dict[str, Any], dataset: pydicom.Dataset) -> None:
        for tag, element in model.items():
            if "BulkDataURI" in element:
                uri = element["BulkDataURI"].removeprefix("/dicom-web")
                value = dataset[int(tag, 16)].value
                if reader.get(uri, Accept="application/octet-stream").body != bytes(value):
                    faults.append(f"{name}: {tag} is another value")
            elif element["vr"] == "SQ" and int(tag, 16) in dataset and dataset[int(tag, 16)].VR == "SQ":
                for item, other in zip(element.get("Value", []), dataset[int(tag, 16)].value, strict=True):
                    walk(item, other)

    walk(document, ds)
    return faults


def test_plain_copies_of_compressed_objects_are_the_same_pictures(
    sender: Client, reader: Client, quiet: None
) -> None:
    for number, name in enumerate(
        ("MR_small_RLE.dcm", "JPEG2000.dcm", "SC_rgb_rle_16bit_2frame.dcm", "MR_small_bigendian.dcm", "SC_rgb_jpeg_dcmtk.dcm",
         "MR_small_jpeg_ls_lossless.dcm", "image_dfl.dcm"), 2000
    ):  # fmt: skip
        data = unlike_others((PACKAGE_FILES / name).read_bytes(), number)
        assert sender.stow(data).status == 200
        ds = read(data)
        kind = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
        answer = reader.get(path_of(ds), Accept=kind)
        assert (answer.status, answer.headers["content-type"]) == (200, kind), name
        copy = read(answer.body)
        assert copy.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert np.array_equal(copy.pixel_array, ds.pixel_array), name
        assert re.search(
            rb"1\.2\.840\.10008\.1\.2\.1",
            reader.get(path_of(ds), Accept=f"multipart/related; type={kind}").body[:300],
        )
