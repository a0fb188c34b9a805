"""`wetread echo|find|move|send` as people type them, against the real archive and other peers."""

from __future__ import annotations

import json
import re
import sys
import threading
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import Result
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, StorageCommitmentPushModel, Verification
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from fake_house import FakeHouse
from tls_fixtures import Authority

from archive_fixtures import MakeDicom, Store, package_file
from wetread.archive.service import Archive
from wetread.cli import dicom as commands
from wetread.cli.main import app
from wetread.dimse.server import Node
from wetread.kit.tls import server_context


def wetread(*words: object, **environment: str) -> Result:
    own = {"WETREAD_AE_TITLE": "WS1", "COLUMNS": "220", "NO_COLOR": "1", **environment}
    commands.out.width = 220  # the console took its width when it was made
    return CliRunner().invoke(app, [str(word) for word in words], env=own, catch_exceptions=False)


def at(node: Node, title: str = "WETREAD") -> str:
    return f"{title}@127.0.0.1:{node.port}"


def test_echo_says_who_answers_and_why_not(real_node: Node, add_peer: Any) -> None:
    add_peer("WS1")
    assert wetread("echo", at(real_node)).output == "WETREAD answers.\n"
    wrong = wetread("echo", at(real_node, "OTHER"))
    assert wrong.exit_code == 1
    assert "OTHER refused: called AE title not recognized" in wrong.output
    assert "calling AE title not recognized" in wetread("echo", at(real_node), "--calling", "NOBODY").output
    add_peer("MUTE", rights=("store",))
    muted = wetread("echo", at(real_node), "--calling", "MUTE")
    assert (muted.exit_code, "0124" in muted.output) == (1, True)
    node_port = real_node.port
    real_node.close(grace_s=1)
    assert "does not answer" in wetread("echo", f"WETREAD@127.0.0.1:{node_port}").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("echo", "WETREAD"), "is not a peer"),
        (("echo", "A@h:99999"), "is not a peer"),
        (("echo", "A@127.0.0.1:1", "--calling", "SEVENTEEN_LETTERS"), "is no AE title"),
        (("find", "A@127.0.0.1:1", "-k", "PatientNaem=x"), "PatientNaem is not in the DICOM dictionary"),
        (("find", "A@127.0.0.1:1", "-k", "PatientName.PatientID=x"), "PatientName is no sequence"),
        (("find", "A@127.0.0.1:1", "-l", "patient"), "belongs to --model patient"),
        (("move", "A@127.0.0.1:1", "DEST"), "Say what"),
        (("send", "A@127.0.0.1:1", "/nowhere/x.dcm"), "There is no /nowhere/x.dcm"),
        (("echo", "A@127.0.0.1:1", "--tls"), "does not answer"),
    ],
)
def test_what_makes_no_sense_is_said(words: tuple[str, ...], said: str) -> None:
    done = wetread(*words)
    assert said in done.output
    assert done.exit_code == (1 if "answer" in said else 2)


def test_echo_by_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("archive")
    node = Node(FakeHouse(), "127.0.0.1", None, tls_port=0, context=server_context(files))
    node.start()
    try:
        target = f"WETREAD@127.0.0.1:{node.tls_port}"
        own = authority.issue("ws1")
        named = {
            "WETREAD_PEER_TLS_CERTIFICATE": str(own.certificate),
            "WETREAD_PEER_TLS_KEY": str(own.key),
            "WETREAD_PEER_TLS_AUTHORITIES": str(own.authorities),
        }
        assert wetread("echo", target, "--tls", **named).output == "WETREAD answers by TLS.\n"
        bare = wetread("echo", target, "--tls")
        assert (bare.exit_code, "certificate not accepted" in bare.output) == (1, True)
        assert wetread("echo", target).exit_code == 1
    finally:
        node.close(grace_s=1)


def test_find_shows_a_table_or_json(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    first, second = make_dicom(PatientName="Doe^Jane"), make_dicom(PatientName="Roe^Richard", PatientID="P2")
    store(first, second)
    done = wetread("find", at(real_node), "-k", "PatientName=DOE*")
    assert done.exit_code == 0
    assert "Doe^Jane" in done.output
    assert first.StudyInstanceUID in done.output
    assert "Roe" not in done.output
    assert "1 match." in done.output
    done = wetread("find", at(real_node), "--json", "-l", "series", "-k", "0010,0020=P2", "-k", "PatientName")
    (match,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert match["0020000E"]["Value"] == [second.SeriesInstanceUID]
    assert match["00100010"]["Value"] == [{"Alphabetic": "Roe^Richard"}]
    patients = wetread("find", at(real_node), "-m", "patient", "-l", "patient", "-k", "PatientID=P*")
    assert "2 matches." in patients.output
    assert "1 match." in wetread("find", at(real_node), "--fuzzy", "-k", "PatientName=jane doe").output
    cut = wetread("find", at(real_node), "--limit", "1")
    assert "1 match, cut at the limit." in cut.output
    bad = wetread("find", at(real_node), "-k", "StudyDate=soon")
    assert (bad.exit_code, "A900" in bad.output) == (1, True)


def test_what_a_peer_says_cannot_drive_the_terminal(tmp_path: Path) -> None:
    house = FakeHouse(matches=[{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A\x1b]0;owned\x07B"}]}}])
    node = Node(house, "127.0.0.1", 0)
    node.start()
    try:
        done = wetread("find", at(node))
        assert "owned" in done.output
        assert "\x1b]" not in done.output
    finally:
        node.close(grace_s=1)


def test_send_takes_folders_and_says_what_was_not_sent(
    real_node: Node, add_peer: Any, archive: Archive, tmp_path: Path, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    folder = tmp_path / "disc" / "images"
    folder.mkdir(parents=True)
    sent = []
    for name in ("CT_small.dcm", "SC_rgb_rle.dcm", "MR_small_implicit.dcm", "image_dfl.dcm"):
        path = package_file(name)
        (folder / name).write_bytes(path.read_bytes())
        sent.append(str(pydicom.dcmread(path).SOPInstanceUID))
    bare = make_dicom()
    bare.save_as(folder / "bare.dcm", implicit_vr=False, little_endian=True, enforce_file_format=True)
    (tmp_path / "disc" / "README.txt").write_text("This disc holds images.")
    (tmp_path / "disc" / "DICOMDIR").write_bytes(
        package_file("dicomdirtests/DICOMDIR").read_bytes()
    )  # of the disc alone
    done = wetread("send", at(real_node), tmp_path / "disc")
    assert done.exit_code == 1  # one file was none
    assert "README.txt: not sent" in done.output
    assert "5 sent, 1 not sent" in done.output
    with archive.offices.database.transaction() as session:
        kept = archive.retrieval.objects(session, sop_instance_uids=[*sent, bare.SOPInstanceUID])
        by_uid = {one.sop_instance_uid: b"".join(one.chunks()) for one in kept}
    assert len(by_uid) == 5
    raw = package_file("CT_small.dcm").read_bytes()
    assert raw.endswith(by_uid[sent[0]])
    clean = wetread("send", at(real_node), folder / "CT_small.dcm")
    assert (clean.exit_code, "1 sent" in clean.output) == (0, True)


def test_send_names_what_the_peer_does_not_take_and_outlives_a_break(
    tmp_path: Path, make_dicom: MakeDicom
) -> None:
    uids = []
    for number in range(4):
        one = make_dicom()
        uids.append(one.SOPInstanceUID)
        one.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    (tmp_path / "rle.dcm").write_bytes(package_file("SC_rgb_rle.dcm").read_bytes())
    received: list[str] = []

    def on_store(event: evt.Event) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        if len(received) == 2:
            event.assoc.abort()
        return 0xB000 if len(received) == 4 else 0

    ae = AE(ae_title="SINK")
    ae.add_supported_context(CTImageStorage, [ExplicitVRLittleEndian])
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    try:
        done = wetread("send", f"SINK@127.0.0.1:{server.server_address[1]}", tmp_path)
    finally:
        server.shutdown()
    assert set(received) == set(uids)
    assert done.exit_code == 1
    assert re.search(
        r"rle\.dcm: not sent, the peer takes no Secondary Capture .* in RLE Lossless", done.output
    )
    assert "4 sent, 1 with a warning, 1 not sent" in done.output


def test_move_shows_counts_and_failures(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    uid = generate_uid()
    other = make_dicom(StudyInstanceUID=uid, SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    store(*(make_dicom(StudyInstanceUID=uid) for _ in range(3)), other)
    received: list[str] = []

    def on_store(event: evt.Event) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        return 0

    ae = AE(ae_title="SINK")
    ae.add_supported_context(CTImageStorage, [ExplicitVRLittleEndian])
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    try:
        add_peer("SINK", server.server_address[1])
        done = wetread("move", at(real_node), "SINK", "-k", f"StudyInstanceUID={uid}")
        assert done.exit_code == 1
        assert "3 completed, 1 failed, 0 warning" in done.output
        assert f"failed {other.SOPInstanceUID}" in done.output
        assert "B000" in done.output
        whole = wetread("move", at(real_node), "SINK", "-l", "image", "-k", f"SOPInstanceUID={received[0]}")
        assert (whole.exit_code, "1 completed, 0 failed" in whole.output) == (0, True)
        nowhere = wetread("move", at(real_node), "NOWHERE", "-k", f"StudyInstanceUID={uid}")
        assert (nowhere.exit_code, "A801" in nowhere.output) == (1, True)
    finally:
        server.shutdown()


def test_send_can_ask_for_a_promise(
    real_node: Node, add_peer: Any, tmp_path: Path, make_dicom: MakeDicom
) -> None:
    add_peer("WS1")
    for number in range(3):
        make_dicom().save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    done = wetread("send", "--commit", at(real_node), tmp_path)
    assert done.exit_code == 0, done.output
    assert "3 of 3 committed" in done.output
    add_peer("NEVER", rights=("store",))
    refused = wetread("send", "--commit", at(real_node), tmp_path, "--calling", "NEVER")
    assert (refused.exit_code, "0124" in refused.output) == (1, True)


@pytest.mark.parametrize("reports", [True, False])
def test_what_another_archive_promises_is_told(tmp_path: Path, make_dicom: MakeDicom, reports: bool) -> None:
    """pynetdicom as the archive: it commits to one of two, on the association that asked, or it says nothing."""
    uids = []
    for number in range(2):
        one = make_dicom()
        uids.append(str(one.SOPInstanceUID))
        one.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    asked: list[Dataset] = []
    answered: list[int] = []

    def report(association: Any) -> None:
        event = Dataset()
        event.TransactionUID = asked[0].TransactionUID
        kept, lost = asked[0].ReferencedSOPSequence
        lost.FailureReason = 0x0112
        event.ReferencedSOPSequence, event.FailedSOPSequence = [kept], [lost]
        klass = StorageCommitmentPushModel
        status, _ = association.send_n_event_report(event, 2, klass, "1.2.840.10008.1.20.1.1")
        answered.append(status.Status)

    def on_action(event: evt.Event) -> tuple[int, None]:
        asked.append(event.action_information)
        if reports:
            threading.Timer(0.3, report, [event.assoc]).start()
        return 0, None

    ae = AE(ae_title="SINK")
    ae.add_supported_context(CTImageStorage, [ExplicitVRLittleEndian])
    ae.add_supported_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_C_STORE, lambda event: 0), (evt.EVT_N_ACTION, on_action)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        target = f"SINK@127.0.0.1:{server.server_address[1]}"
        done = wetread("send", "--commit", "--timeout", "10" if reports else "2", target, tmp_path)
    finally:
        server.shutdown()
    assert done.exit_code == 1
    assert sorted(item.ReferencedSOPInstanceUID for item in asked[0].ReferencedSOPSequence) == sorted(uids)
    if reports:
        assert "1 of 2 committed" in done.output
        assert (
            f"not committed {asked[0].ReferencedSOPSequence[1].ReferencedSOPInstanceUID}: reason 0112"
            in done.output
        )
        assert answered == [0x0000]
    else:
        assert "does not report on the association" in done.output
