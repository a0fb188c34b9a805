"""C-MOVE and C-GET from the real archive: transcoding for poor peers, counts, cancel, destinations that break."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    generate_uid,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelMove,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from tls_fixtures import Authority
from tools.ports import free_port

from archive_fixtures import MakeDicom, Store, package_file
from wetread.app.build import House
from wetread.app.echo import echo_as
from wetread.app.node import HouseServices
from wetread.archive.service import Archive
from wetread.dimse.server import Node

MOVE, GET = StudyRootQueryRetrieveInformationModelMove, StudyRootQueryRetrieveInformationModelGet


@contextmanager
def sink(
    syntaxes: list[str],
    *,
    classes: tuple[str, ...] = (CTImageStorage, SecondaryCaptureImageStorage),
    keep: Any = None,
) -> Iterator[tuple[int, list[Dataset]]]:
    """A destination that takes these classes in these syntaxes alone."""
    received: list[Dataset] = []

    def on_store(event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        received.append(dataset)
        return 0 if keep is None else keep(event, len(received))

    ae = AE(ae_title="SINK")
    for one in classes:
        ae.add_supported_context(one, syntaxes)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    try:
        yield server.server_address[1], received
    finally:
        server.shutdown()


def move(node: Node, keys: dict[str, Any], *, level: str = "STUDY", model: str = MOVE) -> list[Dataset]:
    """All responses, failed UIDs beside the last."""
    ae = AE(ae_title="WS1")
    ae.add_requested_context(model)
    association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD")
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    answers = []
    for status, identifier in association.send_c_move(query, "SINK", model):
        failed = identifier.FailedSOPInstanceUIDList if identifier else []
        status.failed = [failed] if isinstance(failed, str) else list(failed)
        answers.append(status)
    association.release()
    return answers


def counts(status: Dataset) -> tuple[int, int, int]:
    return (
        int(status.NumberOfCompletedSuboperations),
        int(status.NumberOfFailedSuboperations),
        int(status.NumberOfWarningSuboperations),
    )


def compress(one: pydicom.Dataset, syntax: str) -> None:
    """Lossless, in place."""
    if syntax == RLELossless:
        one.compress(syntax, generate_instance_uid=False)
        return
    stream = imagecodecs.jpeg2k_encode(one.pixel_array, level=0, codecformat="j2k", reversible=True)
    one.PixelData = encapsulate([stream])
    one["PixelData"].VR = "OB"
    one.file_meta.TransferSyntaxUID = syntax


def as_file(one: pydicom.Dataset) -> bytes:
    out = io.BytesIO()
    one.save_as(out, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.parametrize("taken", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("stored_in", [RLELossless, JPEG2000Lossless])
def test_who_cannot_take_the_compressed_original_gets_its_pixels_plain(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom, stored_in: str, taken: str
) -> None:
    add_peer("WS1")
    plain = make_dicom()
    one = pydicom.dcmread(io.BytesIO(as_file(plain)))
    compress(one, stored_in)
    store(as_file(one))
    with sink([taken]) as (port, received):
        add_peer("SINK", port)
        last = move(real_node, {"StudyInstanceUID": one.StudyInstanceUID})[-1]
    assert (last.Status, counts(last)) == (0x0000, (1, 0, 0))
    (got,) = received
    assert got.file_meta.TransferSyntaxUID == taken
    assert got.SOPInstanceUID == plain.SOPInstanceUID
    assert np.array_equal(got.pixel_array, plain.pixel_array)
    # All else is as it was.
    for dataset in (got, plain):
        del dataset.PixelData
    assert got.to_json_dict() == plain.to_json_dict()


def test_who_can_take_the_original_gets_it_untouched(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    one = make_dicom()
    compress(one, RLELossless)
    store(as_file(one))
    with sink([ImplicitVRLittleEndian, RLELossless]) as (port, received):
        add_peer("SINK", port)
        assert move(real_node, {"StudyInstanceUID": one.StudyInstanceUID})[-1].Status == 0
    (got,) = received
    assert got.file_meta.TransferSyntaxUID == RLELossless
    assert got.PixelData == one.PixelData


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_rle.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "examples_ybr_color.dcm",
        "MR_small_bigendian.dcm",
        "image_dfl.dcm",
    ],
)
def test_colour_big_endian_and_deflated_objects_look_the_same(
    real_node: Node, add_peer: Any, store: Store, name: str
) -> None:
    add_peer("WS1")
    path: Path = package_file(name)
    source = pydicom.dcmread(path)
    store(path.read_bytes())
    with sink([ImplicitVRLittleEndian], classes=(source.SOPClassUID,)) as (port, received):
        add_peer("SINK", port)
        last = move(real_node, {"StudyInstanceUID": source.StudyInstanceUID})[-1]
    assert last.Status == 0, name
    (got,) = received
    assert got.SamplesPerPixel == source.SamplesPerPixel
    difference = np.abs(got.pixel_array.astype(int) - source.pixel_array.astype(int))
    # Decoders of lossy JPEG may differ by a rounding of the colour transformation.
    assert difference.max() <= (2 if "jpeg" in name or "ybr" in name else 0)


def test_getting_transcodes_too(real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom) -> None:
    add_peer("WS1")
    plain = make_dicom()
    one = pydicom.dcmread(io.BytesIO(as_file(plain)))
    compress(one, RLELossless)
    store(as_file(one))
    received = []

    def on_store(event: evt.Event) -> int:
        received.append((event.context.transfer_syntax, event.dataset))
        return 0

    ae = AE(ae_title="WS1")
    ae.add_requested_context(GET)
    ae.add_requested_context(CTImageStorage, [ImplicitVRLittleEndian])
    association = ae.associate(
        "127.0.0.1", real_node.port, ae_title="WETREAD",
        ext_neg=[build_role(CTImageStorage, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )  # fmt: skip
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", one.StudyInstanceUID
    last = [status for status, _ in association.send_c_get(query, GET)][-1]
    association.release()
    assert (last.Status, counts(last)) == (0, (1, 0, 0))
    ((syntax, got),) = received
    assert syntax == ImplicitVRLittleEndian
    assert got.PixelData == plain.PixelData


def test_what_the_destination_takes_in_no_way_is_counted_and_named(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    good = make_dicom()
    other = make_dicom(StudyInstanceUID=good.StudyInstanceUID, SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    store(good, other)
    with sink([ExplicitVRLittleEndian]) as (port, received):
        add_peer("SINK", port)
        last = move(real_node, {"StudyInstanceUID": good.StudyInstanceUID})[-1]
        assert (last.Status, counts(last)) == (0xB000, (1, 1, 0))
        assert last.failed == [other.SOPInstanceUID]
        assert [one.SOPInstanceUID for one in received] == [good.SOPInstanceUID]
        only = move(real_node, {"SOPInstanceUID": other.SOPInstanceUID}, level="IMAGE")[-1]
        assert (only.Status, counts(only)) == (0xA702, (0, 1, 0))


def test_warnings_of_the_destination_are_warnings(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    one = make_dicom()
    store(one)
    with sink([ExplicitVRLittleEndian], keep=lambda event, number: 0xB007) as (port, _):
        add_peer("SINK", port)
        last = move(real_node, {"StudyInstanceUID": one.StudyInstanceUID})[-1]
    assert (last.Status, counts(last), last.failed) == (0xB000, (0, 0, 1), [])


def test_pending_counts_add_up_at_every_step(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    uid = generate_uid()
    store(*(make_dicom(StudyInstanceUID=uid) for _ in range(20)))
    with sink([ExplicitVRLittleEndian]) as (port, received):
        add_peer("SINK", port)
        answers = move(real_node, {"StudyInstanceUID": uid})
    *pending, last = answers
    assert len(pending) >= 2
    for one in pending:
        assert one.Status == 0xFF00
        assert int(one.NumberOfRemainingSuboperations) + sum(counts(one)) == 20
    assert "NumberOfRemainingSuboperations" not in last
    assert counts(last) == (20, 0, 0)
    assert len(received) == 20


def test_a_destination_that_breaks_off_is_called_again_and_misses_nothing(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wetread.dimse.server.MOVE_PAUSE_S", 0.05)
    add_peer("WS1")
    uid = generate_uid()
    store(*(make_dicom(StudyInstanceUID=uid) for _ in range(6)))

    def flaky(event: evt.Event, number: int) -> int:
        if number in (2, 5):
            event.assoc.abort()
        return 0

    with sink([ExplicitVRLittleEndian], keep=flaky) as (port, received):
        add_peer("SINK", port)
        last = move(real_node, {"StudyInstanceUID": uid})[-1]
    assert (last.Status, counts(last)) == (0x0000, (6, 0, 0))
    assert len({one.SOPInstanceUID for one in received}) == 6


def test_a_destination_that_is_away_fails_with_every_uid(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wetread.dimse.server.MOVE_PAUSE_S", 0.05)
    add_peer("WS1")
    uid = generate_uid()
    objects = [make_dicom(StudyInstanceUID=uid) for _ in range(3)]
    store(*objects)
    with sink([ExplicitVRLittleEndian]) as (port, _):
        pass
    add_peer("SINK", port)
    last = move(real_node, {"StudyInstanceUID": uid})[-1]
    assert (last.Status, counts(last)) == (0xA702, (0, 3, 0))
    assert sorted(last.failed) == sorted(one.SOPInstanceUID for one in objects)
    assert "does not answer" in last.ErrorComment


def test_a_move_is_cancelled_between_objects(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    uid = generate_uid()
    store(*(make_dicom(StudyInstanceUID=uid) for _ in range(12)))
    cancelled = threading.Event()

    def slow(event: evt.Event, number: int) -> int:
        cancelled.wait(20 if number == 2 else 0)
        return 0

    with sink([ExplicitVRLittleEndian], keep=slow) as (port, received):
        add_peer("SINK", port)
        ae = AE(ae_title="WS1")
        ae.add_requested_context(MOVE)
        association = ae.associate("127.0.0.1", real_node.port, ae_title="WETREAD")
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", uid
        answers = []
        for status, _ in association.send_c_move(query, "SINK", MOVE, msg_id=7):
            answers.append(status)
            if len(answers) == 1:
                association.send_c_cancel(7, query_model=MOVE)
                cancelled.set()
        association.release()
    last = answers[-1]
    assert last.Status == 0xFE00
    completed, failed, _ = counts(last)
    assert int(last.NumberOfRemainingSuboperations) == 12 - completed - failed > 0
    assert len(received) == completed


def test_patient_root_moves_all_of_a_patient(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom, archive: Archive
) -> None:
    add_peer("WS1")
    store(make_dicom(PatientID="P1"), make_dicom(PatientID="P1"), make_dicom(PatientID="P2"))
    with sink([ExplicitVRLittleEndian]) as (port, received):
        add_peer("SINK", port)
        model = PatientRootQueryRetrieveInformationModelMove
        last = move(real_node, {"PatientID": "P1"}, level="PATIENT", model=model)[-1]
    assert counts(last) == (2, 0, 0)
    assert [one.PatientID for one in received] == ["P1", "P1"]


def test_big_endian_is_judged_by_hand(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    """Words of two bytes turn, in pixels and elsewhere (PS3.5 7.3)."""
    add_peer("WS1")
    path = package_file("MR_small_bigendian.dcm")
    source = pydicom.dcmread(path)
    assert source.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    store(path.read_bytes())
    with sink([ExplicitVRLittleEndian], classes=(source.SOPClassUID,)) as (port, received):
        add_peer("SINK", port)
        assert move(real_node, {"StudyInstanceUID": source.StudyInstanceUID})[-1].Status == 0
    little = np.frombuffer(received[0].PixelData, "<i2")
    assert np.array_equal(little, np.frombuffer(source.PixelData, ">i2"))


def test_an_encrypted_destination_is_called_by_tls_alone(
    real_house: House, archive: Archive, add_peer: Any, store: Store, make_dicom: MakeDicom, tmp_path: Path
) -> None:
    """DCMTK's storescp as the destination, which wants our certificate."""
    authority = Authority(tmp_path)
    own, theirs = authority.issue("archive"), authority.issue("sink")
    settings = replace(
        real_house.settings,
        peer_tls_certificate=own.certificate,
        peer_tls_key=own.key,
        peer_tls_authorities=own.authorities,
    )
    node = Node(HouseServices(replace(real_house, settings=settings), archive), "127.0.0.1", 0)
    node.start()
    port = free_port()
    folder = tmp_path / "received"
    folder.mkdir()
    receiver = subprocess.Popen(
        ["storescp", "+tls", str(theirs.key), str(theirs.certificate), "+cf", str(theirs.authorities),
         "-aet", "SINK", "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TCP_NODELAY": "1"},
    )  # fmt: skip
    try:
        wait_for_port(port)
        add_peer("WS1")
        peer = add_peer("SINK", port, is_encrypted=True)
        one = make_dicom()
        store(one)
        last = move(node, {"StudyInstanceUID": one.StudyInstanceUID})[-1]
        assert (last.Status, counts(last)) == (0x0000, (1, 0, 0))
        (got,) = folder.iterdir()
        assert pydicom.dcmread(got).SOPInstanceUID == one.SOPInstanceUID
        assert echo_as(settings)("SINK", "127.0.0.1", port, encrypted=peer.is_encrypted) is None
        assert "SINK" in str(echo_as(settings)("SINK", "127.0.0.1", port, encrypted=False))
    finally:
        receiver.kill()
        receiver.wait()
        node.close(grace_s=1)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
