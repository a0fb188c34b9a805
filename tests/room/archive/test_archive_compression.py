"""Originals compressed by rule: what was received can be given back bit by bit, and is known when it comes again."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from archive_corrections import do
from archive_fixtures import dataset_bytes
from wetread.archive import compression, store
from wetread.archive.compression import LOSSLESS
from wetread.archive.integrity import check_all
from wetread.archive.model import (
    Compression,
    Study,
    UncompressedObject,
)
from wetread.archive.service import Archive
from wetread.archive.store import StoredInstance
from wetread.archive.transcoding import data_set_in
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)
from wetread.security.service import Actor, AuditEventID

SYSTEM = Actor.system("test")
Make = Callable[..., pydicom.Dataset]
Send = Callable[..., list[Any]]


def originals(archive: Archive) -> list[StoredInstance]:
    with archive.offices.work(SYSTEM) as work:
        work.audit(AuditEventID.QUERY, "E")
        return store.stored_instances(work.session, condition=Study.study_pk > 0)


def order(archive: Archive, to: str = HTJ2K_LOSSLESS_RPCL) -> int:
    """Orders the compression of everything, and carries it out."""
    ones = originals(archive)
    with archive.offices.work(SYSTEM) as work:
        compression.order_compression(
            work,
            study_pk=ones[0].study_pk,
            series_pks=sorted({one.series_pk for one in ones}),
            to=to,
            wait_s=0,
            requested_by="a rule",
        )
        key = work.session.scalars(select(Compression.compression_pk)).one()
    run(archive, key)
    return key


def run(archive: Archive, key: int) -> None:
    while compression.run_slice(archive, key) is not None:
        pass


def state(archive: Archive) -> Compression:
    with archive.offices.work(SYSTEM) as work:
        work.audit(AuditEventID.QUERY, "E")
        found = work.session.scalars(select(Compression)).one()
        work.session.expunge(found)
        return found


def reasons(archive: Archive) -> list[str]:
    with archive.offices.work(SYSTEM) as work:
        return list(work.session.scalars(select(UncompressedObject.reason)))


def data_set(archive: Archive, one: StoredInstance) -> bytes:
    return b"".join(archive.retrieval.dataset(one))


def pictures(make: Make) -> dict[str, pydicom.Dataset]:
    """One of each kind: signed 16 bits with a trailer, 12 of 16 bits in several frames, colour in planes, a palette."""
    series = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    signed = make(**series)
    signed.add_new(0xFFFCFFFC, "OB", bytes(26))
    frames = make(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3",
        NumberOfFrames=3,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        **series,
    )
    values = np.random.default_rng(1).integers(0, 4096, (3, 128, 128), dtype=np.uint16)
    frames.PixelData = np.sort(values, axis=2).tobytes()
    colour = make(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=1, **series)
    colour.BitsAllocated, colour.BitsStored, colour.HighBit, colour.PixelRepresentation = 8, 8, 7, 0
    ramp = np.add.outer(np.arange(127), np.arange(127)).astype(np.uint8)
    colour.Rows = colour.Columns = 127  # an odd number of bytes: padded
    colour.PixelData = np.stack([ramp, ramp // 2, ramp // 3]).tobytes() + b"\0"
    return {"signed": signed, "frames": frames, "colour": colour}


@pytest.mark.parametrize("to", LOSSLESS)
def test_what_was_received_comes_back_bit_by_bit(
    archive: Archive, make_dicom: Make, store: Send, to: str, tmp_path: Path
) -> None:
    sent = pictures(make_dicom)
    store(*sent.values())
    before = {one.sop_instance_uid: one for one in originals(archive)}
    key = order(archive, to)

    done = state(archive)
    assert (done.state, done.objects, reasons(archive)) == ("done", 3, [])
    assert 0 < done.bytes_after < done.bytes_before == sum(one.size_bytes for one in before.values())
    for name, ds in sent.items():
        now = next(one for one in originals(archive) if one.sop_instance_uid == ds.SOPInstanceUID)
        file = tmp_path / f"{name}.dcm"
        file.write_bytes(build_meta(now.sop_class_uid, now.sop_instance_uid, to) + data_set(archive, now))
        read = pydicom.dcmread(file)
        assert read.file_meta.TransferSyntaxUID == now.transfer_syntax_uid == to
        assert (read.PatientName == ds.PatientName and (0xFFFC, 0xFFFC) in read) or name != "signed"
        judged(file, to, ds, tmp_path)
        assert hashlib.sha256(data_set(archive, now)).digest() == now.dataset_sha256
        # A peer that takes what was received gets that, not a likeness of it.
        (item,) = objects(archive, now)
        assert data_set_in(item, EXPLICIT_VR_LITTLE_ENDIAN) == dataset_bytes(ds)
        for number in range(1, now.number_of_frames + 1):
            old = before[now.sop_instance_uid]
            planes = name == "colour"
            frame = bytes(archive.retrieval.decoded_frame(now, number))
            was = bytes(archive.retrieval.frame(old, number))
            if planes:
                was = np.frombuffer(was, np.uint8).reshape(3, 127, 127).transpose(1, 2, 0).tobytes()
            assert frame == was
    assert {one.outcome for one in store(*sent.values())} == {"duplicate"}

    with archive.offices.work(SYSTEM) as work:
        compression.change_compression(work, key, "restore")
    run(archive, key)
    assert (state(archive).state, state(archive).objects, state(archive).bytes_after) == ("restored", 0, 0)
    for now in originals(archive):
        old = before[now.sop_instance_uid]
        assert data_set(archive, now) == data_set(archive, old)
        assert (now.transfer_syntax_uid, now.frame_length) == (old.transfer_syntax_uid, old.frame_length)
        assert now.photometric_interpretation == old.photometric_interpretation


def test_what_was_compressed_and_corrected_goes_out_as_it_came_but_for_that(
    archive: Archive, make_dicom: Make, store: Send
) -> None:
    sent = pictures(make_dicom)
    store(*sent.values())
    study = sent["signed"].StudyInstanceUID
    do(archive, kind="edit", study_instance_uid=study, attributes={"StudyDescription": "Knie, links: über"})
    before = {
        one.stored.sop_instance_uid: b"".join(one.chunks())
        for now in originals(archive)
        for one in objects(archive, now)
    }
    order(archive, LOSSLESS[0])
    for now in originals(archive):
        (item,) = objects(archive, now)
        assert item.transfer_syntax_uid == LOSSLESS[0]
        assert item.corrections
        # Trailing padding and planes of colours too, which decoding and writing anew would change.
        assert data_set_in(item, EXPLICIT_VR_LITTLE_ENDIAN) == before[now.sop_instance_uid]


def objects(archive: Archive, one: StoredInstance) -> list[Any]:
    with archive.offices.database.transaction() as session:
        return archive.retrieval.objects(session, sop_instance_uids=[one.sop_instance_uid])


def judged(file: Path, to: str, ds: pydicom.Dataset, folder: Path) -> None:
    """DCMTK decodes it to the same pixels, where it knows the syntax."""
    tool = {JPEG_LS_LOSSLESS: "dcmdjpls", RLE_LOSSLESS: "dcmdrle"}.get(to)
    if tool is None:
        return
    plain = folder / "plain.dcm"
    subprocess.run([tool, "+te", str(file), str(plain)], check=True, capture_output=True)
    again = pydicom.dcmread(plain)
    was = np.frombuffer(ds.PixelData, np.uint8)
    got = np.frombuffer(again.PixelData, np.uint8)
    if ds.get("PlanarConfiguration") == 1 and again.PlanarConfiguration == 0:
        was = was[: 3 * 127 * 127].reshape(3, 127, 127).transpose(1, 2, 0).reshape(-1)
        got = got[: was.size]
    assert np.array_equal(was, got)


def test_a_damaged_compressed_original_is_mended_by_what_comes_again(
    archive: Archive, make_dicom: Make, store: Send
) -> None:
    sent = pictures(make_dicom)["colour"]
    store(sent)
    (before,) = originals(archive)
    order(archive)
    (compressed,) = originals(archive)
    assert compressed.photometric_interpretation == "YBR_RCT"
    path = archive.objects.root / compressed.location
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert check_all(archive, lambda _: None).damaged == 1
    (result,) = store(sent)
    assert (result.outcome, result.detail) == ("stored", "put in the place of a damaged copy")
    (now,) = originals(archive)
    assert data_set(archive, now) == dataset_bytes(sent)
    assert now.transfer_syntax_uid == before.transfer_syntax_uid
    assert now.photometric_interpretation == before.photometric_interpretation
    assert now.dataset_sha256 == before.dataset_sha256
    assert check_all(archive, lambda _: None).damaged == 0
    assert {one.outcome for one in store(sent)} == {"duplicate"}
