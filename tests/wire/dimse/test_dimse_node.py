"""The DICOM node over real sockets, with DCMTK's tools, pynetdicom and hand-made bytes as peers."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    ModalityPerformedProcedureStep,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

sys.path.insert(0, str(Path(__file__).parent))
from fake_house import FakeHouse

from wetread.dicom import pdu
from wetread.dicom.part10 import read_meta
from wetread.dimse.client import Association, AssociationFailed, open_plain
from wetread.dimse.server import ASSOCIATIONS_MAX, Node, listen_at
from wetread.dimse.services import Destination

FILES = Path(pydicom.data.__file__).parent / "test_files"
SAMPLES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "SC_rgb_rle.dcm",
    "examples_ybr_color.dcm",
    "reportsi.dcm",
    "rtdose.dcm",
]


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
def node(house: FakeHouse) -> Iterator[Node]:
    node = Node(house, "127.0.0.1", 0)
    node.start()
    yield node
    node.close(grace_s=1)


def tool(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    assert shutil.which(command[0]), f"{command[0]} (Debian package dcmtk) is needed"
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=cwd
    )


def data_set_of(path: Path) -> bytes:
    raw = path.read_bytes()
    return raw[read_meta(raw).data_set_offset :]


class WithoutDescriptors(socket.socket):
    """A door at which nobody can be taken in for half a second."""

    asked = 0
    since = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        self.asked += 1
        self.since = self.since or time.monotonic()
        if time.monotonic() - self.since < 0.5:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_node_without_descriptors_waits_for_some(house: FakeHouse) -> None:
    door = WithoutDescriptors(fileno=listen_at("127.0.0.1", 0).detach())
    node = Node(house, "127.0.0.1", door)
    node.start()
    try:
        test_echoscu(node)
        # It asks some times a second, not all the time.
        assert 2 <= door.asked <= 10
    finally:
        node.close(grace_s=1)


def test_echoscu(node: Node) -> None:
    done = tool("echoscu", "-v", "-aec", "WETREAD", "127.0.0.1", str(node.port))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("aec", "aet"), [("OTHER", "ME"), ("WETREAD", "STRANGER")])
def test_wrong_titles_are_refused(node: Node, aec: str, aet: str) -> None:
    done = tool("echoscu", "-v", "-aet", aet, "-aec", aec, "127.0.0.1", str(node.port))
    assert done.returncode != 0
    expected = "Called AE Title Not Recognized" if aec == "OTHER" else "Calling AE Title Not Recognized"
    assert expected.lower() in (done.stdout + done.stderr).lower()


def test_who_cannot_be_looked_up_is_told_to_come_again(node: Node) -> None:
    done = tool("echoscu", "-v", "-aet", "NODATABASE", "-aec", "WETREAD", "127.0.0.1", str(node.port))
    assert done.returncode != 0
    said = (done.stdout + done.stderr).lower()
    assert "temporary congestion" in said
    assert "rejected transient" in said


def test_storescu_sends_and_every_byte_is_kept(node: Node, house: FakeHouse) -> None:
    paths = [FILES / name for name in SAMPLES]
    for path in paths:
        done = tool(
            "dcmsend", "-v", "--no-uid-checks", "-aec", "WETREAD", "127.0.0.1", str(node.port), str(path)
        )
        assert done.returncode == 0, (path, done.stdout, done.stderr)
    assert len(house.kept) == len(SAMPLES)
    for path in paths:
        source = pydicom.dcmread(path)
        kept = house.kept[source.SOPInstanceUID]
        assert kept.sop_class_uid == source.SOPClassUID
        got = pydicom.dcmread(pydicom.filebase.DicomBytesIO(_part10(kept)))
        source.pop(0xFFFCFFFC, None)  # trailing padding, which DCMTK does not send
        assert got.to_json_dict() == source.to_json_dict()


def _part10(kept) -> bytes:
    from wetread.dicom.part10 import build_meta

    return build_meta(kept.sop_class_uid, kept.sop_instance_uid, kept.transfer_syntax_uid) + kept.data


def test_our_client_stores_byte_for_byte(node: Node, house: FakeHouse) -> None:
    path = FILES / "CT_small.dcm"
    source = pydicom.dcmread(path)
    data = data_set_of(path)
    syntax = str(source.file_meta.TransferSyntaxUID)
    with Association("127.0.0.1", node.port, "WETREAD", "ME", [(CTImageStorage, (syntax,))]) as association:
        answer = association.store(CTImageStorage, source.SOPInstanceUID, syntax, [data[:1000], data[1000:]])
    assert answer.status == 0
    assert house.kept[source.SOPInstanceUID].data == data
    assert house.closed == 1


def test_findscu_gets_matches_in_any_script(node: Node, house: FakeHouse) -> None:
    house.matches = [
        {
            "00080052": {"vr": "CS", "Value": ["STUDY"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
            "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        }
    ] * 40
    done = tool("findscu", "-v", "-S", "-aec", "WETREAD", "127.0.0.1", str(node.port), "-k", "QueryRetrieveLevel=STUDY",
                "-k", "PatientName=Yam*", "-k", "StudyInstanceUID")  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert text.count("Yamada^Tarou=山田^太郎") == 40
    assert "ISO_IR 192" in text
    assert house.identifiers[0]["00100010"]["Value"] == [{"Alphabetic": "Yam*"}]


def test_a_level_that_the_model_lacks_is_named(node: Node) -> None:
    ae = AE(ae_title="ME")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD")
    query = Dataset()
    query.QueryRetrieveLevel = "PATIENT"
    statuses = [
        status for status, _ in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
    ]
    association.release()
    assert statuses[-1].Status == 0xA900
    assert "Level" in statuses[-1].ErrorComment
    assert statuses[-1].OffendingElement == 0x00080052


def test_findscu_can_cancel(node: Node, house: FakeHouse) -> None:
    house.matches = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{n}"]}} for n in range(5000)]
    done = tool("findscu", "-v", "-S", "--cancel", "3", "-aec", "WETREAD", "127.0.0.1", str(node.port),
                "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")  # fmt: skip
    assert "Cancel" in done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("Find Response") < 5000


def store_all(node: Node, names: list[str]) -> None:
    for name in names:
        assert (
            tool("dcmsend", "-aec", "WETREAD", "127.0.0.1", str(node.port), str(FILES / name)).returncode == 0
        )


def test_getscu_takes_everything_on_one_association(node: Node, house: FakeHouse, tmp_path: Path) -> None:
    store_all(node, ["CT_small.dcm", "MR_small.dcm"])
    done = tool("getscu", "-v", "-S", "-aec", "WETREAD", "-od", str(tmp_path), "127.0.0.1", str(node.port),
                "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    got = {pydicom.dcmread(path).SOPInstanceUID for path in tmp_path.iterdir()}
    assert got == set(house.kept)
    assert house.sent == [("GETSCU", 2)]


def test_movescu_sends_to_a_known_node_and_refuses_an_unknown_one(node: Node, house: FakeHouse) -> None:
    store_all(node, ["CT_small.dcm", "MR_small.dcm", "SC_rgb_rle.dcm"])
    received: list[str] = []
    ae = AE(ae_title="SINK")
    for sop_class in (CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage):
        ae.add_supported_context(sop_class, [str(item.transfer_syntax_uid) for item in house.kept.values()])

    def keep(event: evt.Event) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        return 0

    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    try:
        house.destinations["SINK"] = Destination("SINK", "127.0.0.1", server.server_address[1])
        command = ["movescu", "-v", "-S", "-aec", "WETREAD", "127.0.0.1", str(node.port),
                   "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2"]  # fmt: skip
        done = tool(*command[:3], "-aem", "SINK", *command[3:])
        assert done.returncode == 0, done.stderr
        assert sorted(received) == sorted(house.kept)
        unknown = tool(*command[:3], "-aem", "NOWHERE", *command[3:])
        assert unknown.returncode != 0
        assert "MoveDestinationUnknown" in unknown.stdout + unknown.stderr
    finally:
        server.shutdown()


def test_performed_steps_answer_with_the_standard_statuses(node: Node, house: FakeHouse) -> None:
    ae = AE(ae_title="CT1")
    ae.add_requested_context(ModalityPerformedProcedureStep)
    association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD")
    created = Dataset()
    created.PerformedProcedureStepStatus = "IN PROGRESS"
    created.PatientName = "Müller^Jörg"
    created.SpecificCharacterSet = "ISO_IR 100"
    uid = "1.2.3.4"
    klass = ModalityPerformedProcedureStep
    assert association.send_n_create(created, klass, uid)[0].Status == 0x0000
    assert association.send_n_create(created, klass, uid)[0].Status == 0x0111
    finished = Dataset()
    finished.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(finished, klass, "9.9")[0].Status == 0x0112
    assert association.send_n_set(finished, klass, uid)[0].Status == 0x0000
    assert association.send_n_set(finished, klass, uid)[0].Status == 0x0110
    association.release()
    assert house.steps[uid]["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]


def test_unknown_classes_and_syntaxes_get_their_result() -> None:
    request = pdu.AssociateRequest(
        "WETREAD",
        "ME",
        (
            pdu.ProposedContext(1, "1.2.3.4.5", ("1.2.840.10008.1.2",)),
            pdu.ProposedContext(3, str(CTImageStorage), ("1.2.3.9",)),
            pdu.ProposedContext(5, str(Verification), ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2")),
        ),
    )
    from wetread.dimse.server import negotiate

    assert [(answer.context_id, int(answer.result)) for answer in negotiate(request).contexts] == [
        (1, 3),
        (3, 4),
        (5, 0),
    ]


def connect(node: Node) -> socket.socket:
    return socket.create_connection(("127.0.0.1", node.port), timeout=10)


def receive(sock: socket.socket) -> tuple[int, bytes]:
    head = b""
    while len(head) < 6:
        more = sock.recv(6 - len(head))
        if not more:
            return 0, b""
        head += more
    kind, length = pdu.HEAD.unpack(head)
    body = b""
    while len(body) < length:
        body += sock.recv(length - len(body))
    return kind, body


def associate(node: Node) -> socket.socket:
    sock = connect(node)
    contexts = (pdu.ProposedContext(1, str(CTImageStorage), ("1.2.840.10008.1.2.1",)),)
    sock.sendall(pdu.build_associate_request(pdu.AssociateRequest("WETREAD", "RAW", contexts, 16384)))
    assert receive(sock)[0] == pdu.PduType.ASSOCIATE_AC
    return sock


def store_command() -> bytes:
    from wetread.dicom.message import build_command

    return build_command(
        {
            "affected_sop_class_uid": str(CTImageStorage),
            "command_field": 1,
            "message_id": 1,
            "priority": 0,
            "command_data_set_type": 1,
            "affected_sop_instance_uid": "1.2.3",
        }
    )


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">BxI", 1, 0xFFFFFFFF),
        struct.pack(">BxI", 1, 4) + b"abcd",
        struct.pack(">BxI", 0x47, 4) + b"abcd",
        struct.pack(">BxI", 4, 4) + b"abcd",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["huge length", "cut short", "unknown type", "data before association", "http"],
)
def test_strangers_with_nonsense_are_aborted(node: Node, raw: bytes) -> None:
    with connect(node) as sock:
        sock.sendall(raw)
        assert receive(sock)[0] in (0, pdu.PduType.ABORT)
    test_echoscu(node)


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">BxI", 4, 0x7FFFFFFF),
        pdu.build_p_data(9, command=True, last=True, fragment=b"xx"),
        pdu.build_p_data(1, command=False, last=True, fragment=b"data without a command"),
        pdu.build_p_data(1, command=True, last=True, fragment=b"not a command set"),
        struct.pack(">BxI", 4, 10) + struct.pack(">IBB", 500, 1, 3) + b"abcd",
        struct.pack(">BxI", 1, 68) + bytes(68),
    ],
    ids=[
        "length over the limit",
        "unknown context",
        "no command",
        "bad command",
        "PDV too long",
        "second request",
    ],
)
def test_malformed_pdus_abort_that_association_alone(node: Node, raw: bytes) -> None:
    with associate(node) as sock:
        sock.sendall(raw)
        assert receive(sock)[0] in (0, pdu.PduType.ABORT)
    test_echoscu(node)


def test_an_association_cut_half_way_keeps_nothing(node: Node, house: FakeHouse) -> None:
    for how in ("close", "abort", "release"):
        with associate(node) as sock:
            sock.sendall(pdu.build_p_data(1, command=True, last=True, fragment=store_command()))
            sock.sendall(pdu.build_p_data(1, command=False, last=False, fragment=b"half of an object"))
            if how == "abort":
                sock.sendall(pdu.build_abort())
            elif how == "release":
                sock.sendall(pdu.build_release_request())
                receive(sock)
    wait_for(lambda: house.aborted == 3)
    assert house.kept == {}


def wait_for(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_five_hundred_probes_leave_nothing_behind(node: Node) -> None:
    before = threading.active_count()
    for _ in range(500):
        connect(node).close()
    wait_for(lambda: threading.active_count() <= before + 2)
    assert node.open_associations() == []
    test_echoscu(node)


def test_silent_strangers_do_not_take_slots(node: Node) -> None:
    silent = [connect(node) for _ in range(60)]
    try:
        test_echoscu(node)
        assert len(node.open_associations()) == 0
    finally:
        for sock in silent:
            sock.close()


def test_more_associations_than_allowed_are_told_to_come_back(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wetread.dimse.server.ASSOCIATIONS_MAX", 2)
    assert ASSOCIATIONS_MAX > 2
    first, second = associate(node), associate(node)
    with pytest.raises(AssociationFailed, match=r"result 2, source 3, reason 2"):
        open_plain("127.0.0.1", node.port, "WETREAD", "ME", [str(Verification)])
    first.close()
    second.close()
    wait_for(lambda: not node.open_associations())
    with open_plain("127.0.0.1", node.port, "WETREAD", "ME", [str(Verification)]) as association:
        association.echo()


def test_titles_with_control_characters_are_cleaned(node: Node) -> None:
    with connect(node) as sock:
        request = bytearray(
            pdu.build_associate_request(
                pdu.AssociateRequest(
                    "WETREAD", "X", (pdu.ProposedContext(1, str(Verification), ("1.2.840.10008.1.2",)),)
                )
            )
        )
        request[26:42] = b"CT\x001\r\n\x1b[31m".ljust(16)
        sock.sendall(request)
        assert receive(sock)[0] == pdu.PduType.ASSOCIATE_AC
        assert [entry.calling_ae_title for entry in node.open_associations()] == ["CT1[31m"]
