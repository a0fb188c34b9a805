"""dcmjs-dimse, which JavaScript programs speak DIMSE by, as user and as provider of every service that it knows."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
import dcmjs
from fake_house import FakeHouse
from tls_fixtures import Authority

from archive_fixtures import MakeDicom, Store, dataset_bytes, package_file, rows
from wetread.app.build import House
from wetread.app.echo import echo_as
from wetread.app.forwarding import sender_as
from wetread.app.node import HouseServices
from wetread.app.peers import context_of, reporter_as
from wetread.archive.service import Archive, RetrieveObject
from wetread.dicom import sopclass
from wetread.dimse.client import open_plain
from wetread.dimse.server import Node
from wetread.kit.config import Settings
from wetread.kit.tls import server_context
from wetread.orders import service as orders
from wetread.patients import service as patients
from wetread.scheduling import service as scheduling
from wetread.security.model import Site
from wetread.security.service import Actor, AuditEventID

# Of as many syntaxes and kinds as its library reads.
FILES = [
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "JPEG2000.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_rle_2frame.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "examples_ybr_color.dcm",
    "examples_palette.dcm",
    "reportsi.dcm",
    "rtplan.dcm",
]
PLAIN = {ImplicitVRLittleEndian, ExplicitVRLittleEndian}
EVERYTHING = ("verify", "store", "find", "move", "get", "worklist", "mpps", "commitment", "workitems")
NAME = "Müller^Jörg"
SUCCESS, PENDING = 0x0000, 0xFF00


def statuses(answers: list[dict[str, Any]]) -> list[int]:
    return [answer["status"] for answer in answers]


def fresh(name: str) -> pydicom.Dataset:
    """A file of pydicom's package as a study of its own: several of them share UIDs."""
    made = pydicom.dcmread(package_file(name))
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = (generate_uid() for _ in range(3))
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def kept(archive: Archive, uid: str) -> RetrieveObject:
    archive.intake.settler.settle()
    with archive.offices.database.transaction() as session:
        (found,) = archive.retrieval.objects(session, sop_instance_uids=[uid])
    return found


def as_dataset(data: bytes, syntax: str) -> pydicom.Dataset:
    """A data set from its bytes alone."""
    return pydicom.dcmread(io.BytesIO(b"\0" * 128 + b"DICM" + _meta(syntax) + data))


def _meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    return b"\x02\x00\x00\x00UL\x04\x00" + len(element).to_bytes(4, "little") + element


def test_what_it_sends_is_kept_in_its_syntax_and_comes_back(
    real_node: Node, add_peer: Any, archive: Archive, tmp_path: Path
) -> None:
    add_peer("WS1", rights=EVERYTHING)
    sources = [fresh(name) for name in FILES]
    stores = []
    for source in sources:
        source.save_as(tmp_path / f"{source.SOPInstanceUID}.dcm", enforce_file_format=True)
        stores.append({"make": "store", "path": str(tmp_path / f"{source.SOPInstanceUID}.dcm")})
    done = dcmjs.ask(real_node.port, {"make": "echo"}, *stores)
    assert done["failure"] is None
    assert [statuses(answers) for answers in done["answers"]] == [[SUCCESS]] * (1 + len(FILES))
    for source in sources:
        own = source.file_meta.TransferSyntaxUID
        found = kept(archive, source.SOPInstanceUID)
        # Two plain syntaxes are proposed as one context, of which the first is taken: dcmjs writes that anew.
        assert found.transfer_syntax_uid == (ImplicitVRLittleEndian if own in PLAIN else own)
        got = as_dataset(b"".join(map(bytes, found.chunks())), found.transfer_syntax_uid)
        assert (got.PatientID, got.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
        if "PixelData" in source:
            assert np.array_equal(got.pixel_array, source.pixel_array), source.filename
    # All of it back over one association, each study in the syntax that we have it in.
    contexts = [
        {"sopClass": source.SOPClassUID, "syntaxes": [source.file_meta.TransferSyntaxUID]}
        for source in sources
    ]
    gets = [{"make": "get", "study": source.StudyInstanceUID} for source in sources]
    back = dcmjs.ask(real_node.port, *gets, contexts=contexts, folder=str(tmp_path))
    syntaxes = {one["uid"]: one["syntax"] for one in back["arrived"]}
    for source, answers in zip(sources, back["answers"], strict=True):
        own = source.file_meta.TransferSyntaxUID
        if source.Modality == "RTPLAN":  # not among the classes that it lets itself be sent
            assert (answers[-1]["status"], answers[-1]["counts"]) == (0xA702, [None, 0, 1, 0])
            continue
        assert (answers[-1]["status"], answers[-1]["counts"]) == (SUCCESS, [None, 1, 0, 0]), source.filename
        assert syntaxes[source.SOPInstanceUID] == (ImplicitVRLittleEndian if own in PLAIN else own)
        if "PixelData" in source:
            got = pydicom.dcmread(tmp_path / source.SOPInstanceUID)
            assert np.array_equal(got.pixel_array, source.pixel_array), source.filename


@pytest.fixture
def three(store: Store, make_dicom: MakeDicom, add_peer: Any) -> list[pydicom.Dataset]:
    """Two slices of one patient and one of another, whose name needs letters."""
    add_peer("WS1", rights=EVERYTHING)
    jane = make_dicom(PatientName="Doe^Jane", AccessionNumber="A1", StudyDate="20260110")
    second = make_dicom(
        StudyInstanceUID=jane.StudyInstanceUID, SeriesInstanceUID=jane.SeriesInstanceUID, InstanceNumber=2,
        PatientName="Doe^Jane", AccessionNumber="A1", StudyDate="20260110",
    )  # fmt: skip
    yamada = make_dicom(
        SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", PatientID="P2",
        AccessionNumber="A2", StudyDate="20260111",
    )  # fmt: skip
    muller = make_dicom(
        SpecificCharacterSet="ISO_IR 100",
        PatientName=NAME,
        PatientID="P3",
        AccessionNumber="A3",
        StudyDate="20260112",
    )
    store(jane, second, yamada, muller)
    return [jane, second, yamada, muller]


def test_it_asks_at_every_level_and_in_its_letters(real_node: Node, three: list[pydicom.Dataset]) -> None:
    jane, second, *_ = three
    study = jane.StudyInstanceUID
    latin = {"SpecificCharacterSet": "ISO_IR 100"}
    unicode = {"SpecificCharacterSet": "ISO_IR 192"}
    done = dcmjs.ask(
        real_node.port,
        {"make": "studies", "keys": {"StudyDate": "20260110-20260111", "AccessionNumber": "", "PatientName": ""}},
        {"make": "series", "keys": {"StudyInstanceUID": study, "SeriesInstanceUID": "", "Modality": ""}},
        {"make": "images", "keys": {
            "StudyInstanceUID": study, "SeriesInstanceUID": jane.SeriesInstanceUID, "SOPInstanceUID": "",
        }},
        {"make": "studies", "keys": {**latin, "PatientName": "M*"}},
        {"make": "studies", "keys": {**unicode, "PatientName": "山田*"}},
        {"make": "studies", "keys": {**unicode, "PatientName": NAME}},
        {"make": "studies", "keys": {"SpecificCharacterSet": "GB18030", "PatientName": "Yamada*"}},
        # dcmjs writes UTF-8 whatever it is told, and untold as here it names no character set.
        {"make": "studies", "keys": {"PatientName": "MÜLLER*"}},
        {"make": "studies", "keys": {"StudyDate": "soon"}},
    )  # fmt: skip
    assert done["failure"] is None
    dated, series, images, *named, wrong = done["answers"]
    assert statuses(dated) == [PENDING, PENDING, SUCCESS]
    assert {one["data"]["AccessionNumber"] for one in dated[:-1]} == {"A1", "A2"}
    assert [one["data"]["SeriesInstanceUID"] for one in series[:-1]] == [jane.SeriesInstanceUID]
    assert {one["data"]["SOPInstanceUID"] for one in images[:-1]} == {
        jane.SOPInstanceUID,
        second.SOPInstanceUID,
    }
    yamada = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    for answers, name in zip(
        named, [{"Alphabetic": NAME}, yamada, {"Alphabetic": NAME}, yamada, {"Alphabetic": NAME}], strict=True
    ):
        assert statuses(answers) == [PENDING, SUCCESS]
        assert answers[0]["data"]["PatientName"] == [name]
    assert statuses(wrong) == [0xA900]


def test_it_cancels(node: Node, house: FakeHouse) -> None:
    house.matches = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(20_000)]
    (answers,) = dcmjs.ask(node.port, {"make": "studies", "keys": {}, "cancelAfter": 1})["answers"]
    assert answers[-1]["status"] == 0xFE00
    assert len(answers) < 20_000


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
def node(house: FakeHouse) -> Iterator[Node]:
    made = Node(house, "127.0.0.1", 0)
    made.start()
    yield made
    made.close(grace_s=1)


def booked(archive: Archive) -> str:
    """A patient with an order on the scanner WS1; returns the accession number."""
    with archive.offices.work(Actor.system("test")) as work:
        site = Site(code="NORTH", institution_name="Northside", time_zone="America/New_York")
        work.session.add(site)
        work.session.flush()
        orders.add_procedure(work, orders.ProcedureInput("CTHEAD", "CT head", "CT"))
        scanner = scheduling.ResourceInput(
            site.site_pk, "CT one", "WS1", "WS1", "CT", clock(0), clock(23, 59), tuple(range(7))
        )
        resource = scheduling.add_resource(work, scanner)
        patient = patients.register_patient(
            work,
            patients.PatientInput(
                NAME, identifiers=[patients.IdentifierInput("P3", "HOSPITAL")],
                patient_birth_date=date(1980, 3, 4), patient_sex="M",
            ),
        )  # fmt: skip
        order = orders.place_order(
            work,
            orders.OrderInput(
                patient.patient_pk, site.site_pk, [orders.ProcedureChoice(code_value="CTHEAD")]
            ),
        )
        (requested,) = orders.procedures_of(work, order.imaging_service_request_pk)
        at = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
        scheduling.schedule(work, requested.requested_procedure_pk, resource.modality_resource_pk, at)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "C")
        return order.accession_number


def test_it_works_as_a_modality(real_node: Node, three: list[pydicom.Dataset], archive: Archive) -> None:
    """Worklist, performed step and storage commitment, as its users write them."""
    accession, jane = booked(archive), three[0]
    day = {
        "ScheduledStationAETitle": "WS1",
        "ScheduledProcedureStepStartDate": "20261126",
        "ScheduledProcedureStepID": "",
    }
    asked = {"make": "worklist", "keys": {"PatientName": "", "ScheduledProcedureStepSequence": [day]}}
    (answers,) = dcmjs.ask(real_node.port, asked)["answers"]
    assert statuses(answers) == [PENDING, SUCCESS]
    item = answers[0]["data"]
    assert (item["AccessionNumber"], item["PatientName"]) == (accession, [{"Alphabetic": NAME}])
    (step,) = item["ScheduledProcedureStepSequence"]
    scheduled = {
        "StudyInstanceUID": item["StudyInstanceUID"], "ReferencedStudySequence": [], "AccessionNumber": accession,
        "RequestedProcedureID": item["RequestedProcedureID"], "RequestedProcedureDescription": "",
        "ScheduledProcedureStepID": step["ScheduledProcedureStepID"], "ScheduledProcedureStepDescription": "",
        "ScheduledProtocolCodeSequence": [],
    }  # fmt: skip
    begun = {
        "SpecificCharacterSet": "ISO_IR 192", "PatientName": NAME, "PatientID": item["PatientID"],
        "PatientBirthDate": "19800304", "PatientSex": "M", "ReferencedPatientSequence": [],
        "ScheduledStepAttributesSequence": [scheduled], "PerformedProcedureStepID": "PPS1",
        "PerformedStationAETitle": "WS1", "PerformedStationName": "", "PerformedLocation": "",
        "PerformedProcedureStepStartDate": "20261126", "PerformedProcedureStepStartTime": "100000",
        "PerformedProcedureStepStatus": "IN PROGRESS", "PerformedProcedureStepDescription": "",
        "PerformedProcedureTypeDescription": "", "ProcedureCodeSequence": [], "PerformedProcedureStepEndDate": "",
        "PerformedProcedureStepEndTime": "", "Modality": "CT", "StudyID": "", "PerformedProtocolCodeSequence": [],
        "PerformedSeriesSequence": [],
    }  # fmt: skip
    reference = {"ReferencedSOPClassUID": jane.SOPClassUID, "ReferencedSOPInstanceUID": jane.SOPInstanceUID}
    series = {
        "PerformingPhysicianName": "", "ProtocolName": "HEAD", "OperatorsName": "", "SeriesDescription": "",
        "SeriesInstanceUID": jane.SeriesInstanceUID, "RetrieveAETitle": "", "ReferencedImageSequence": [reference],
        "ReferencedNonImageCompositeSOPInstanceSequence": [],
    }  # fmt: skip
    ended = {
        "PerformedProcedureStepStatus": "COMPLETED", "PerformedProcedureStepEndDate": "20261126",
        "PerformedProcedureStepEndTime": "101000", "PerformedSeriesSequence": [series],
    }  # fmt: skip
    transaction, uid = generate_uid(), generate_uid()
    step_class = sopclass.PERFORMED_PROCEDURE_STEP
    done = dcmjs.ask(
        real_node.port,
        {"make": "create", "sopClass": step_class, "uid": uid, "data": begun},
        {"make": "set", "sopClass": step_class, "uid": uid, "data": ended},
        {"make": "set", "sopClass": step_class, "uid": uid, "data": ended},
        {"make": "set", "sopClass": step_class, "uid": generate_uid(), "data": ended},
        {
            "make": "action", "type": 1, "sopClass": sopclass.STORAGE_COMMITMENT_PUSH,
            "uid": sopclass.STORAGE_COMMITMENT_PUSH_INSTANCE,
            "data": {"TransactionUID": transaction, "ReferencedSOPSequence": [reference]},
        },
        options={"associationLingerTimeout": 5000},
    )  # fmt: skip
    # Created, completed; what is final is changed no more (PS3.4 F.7.2.2.2), what is unknown is named as such.
    assert [statuses(answers) for answers in done["answers"]] == [[0], [0], [0x0110], [0x0112], [0]]
    (performed,) = rows(archive, "performed_procedure_step")
    assert performed["performed_procedure_step_status"] == "COMPLETED"
    (report,) = done["arrived"]
    assert (report["event"], report["data"]["TransactionUID"]) == (1, transaction)
    assert report["data"]["ReferencedSOPSequence"] == [reference]


def test_it_works_on_workitems(real_node: Node, three: list[pydicom.Dataset]) -> None:
    """The SOP class of the UPS is named in the message, the one of the service in the context (PS3.4 CC.3)."""
    uid, transaction = generate_uid(), generate_uid()
    code = {"CodeValue": "CAD", "CodingSchemeDesignator": "99HOUSE", "CodeMeaning": "cad"}
    asked = {
        "SpecificCharacterSet": "ISO_IR 192", "ProcedureStepState": "SCHEDULED", "ProcedureStepLabel": "Find nodules",
        "ScheduledProcedureStepPriority": "HIGH", "WorklistLabel": "AI", "InputReadinessState": "READY",
        "ScheduledProcedureStepStartDateTime": "20261125030000", "PatientName": NAME, "PatientID": "P3",
        "ScheduledWorkitemCodeSequence": [code],
    }  # fmt: skip
    one = {"sopClass": sopclass.UPS_PUSH, "uid": uid}
    pull = {**one, "meta": sopclass.UPS_PULL}
    begin = {"ProcedureStepState": "IN PROGRESS", "TransactionUID": transaction}
    done = dcmjs.ask(
        real_node.port,
        {"make": "create", **one, "data": asked},
        {"make": "create", **one, "data": asked},
        {
            "make": "attributes",
            **one,
            "meta": sopclass.UPS_WATCH,
            "names": ["ProcedureStepState", "PatientName"],
        },
        {"make": "action", **pull, "type": 1, "data": begin},
        {"make": "set", **pull, "data": {"TransactionUID": transaction, "ProcedureStepLabel": "Found"}},
        {"make": "attributes", **one, "names": ["ProcedureStepState", "ProcedureStepLabel"]},
    )
    created, again, read, started, changed, after = done["answers"]
    assert [statuses(answers) for answers in (created, again, started, changed)] == [[0], [0x0111], [0], [0]]
    assert read[0]["data"]["ProcedureStepState"] == "SCHEDULED"
    assert read[0]["data"]["PatientName"] == [{"Alphabetic": NAME}]
    assert after[0]["data"]["ProcedureStepState"] == "IN PROGRESS"
    assert after[0]["data"]["ProcedureStepLabel"] == "Found"


LOSSLESS = [
    "CT_small.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
]


def test_it_is_moved_to(
    real_node: Node, add_peer: Any, archive: Archive, store: Store, tmp_path: Path
) -> None:
    """Byte by byte what we have where it takes that syntax, else the same pixels in a plain one."""
    add_peer("WS1", rights=EVERYTHING)
    sources = {one.SOPInstanceUID: one for one in map(fresh, LOSSLESS)}
    store(*sources.values(), as_files=True)
    own = [source.file_meta.TransferSyntaxUID for source in sources.values()]
    rich, poor = tmp_path / "rich", tmp_path / "poor"
    rich.mkdir()
    poor.mkdir()
    with (
        dcmjs.listening(rich, *own, pdu=4096) as takes_all,
        dcmjs.listening(poor, ImplicitVRLittleEndian) as takes_plain,
    ):
        add_peer("RICH", takes_all.port)
        add_peer("POOR", takes_plain.port)
        moves = [
            {"make": "move", "study": source.StudyInstanceUID, "destination": destination}
            for destination in ("RICH", "POOR")
            for source in sources.values()
        ]
        nowhere = {
            "make": "move",
            "study": next(iter(sources.values())).StudyInstanceUID,
            "destination": "NOWHERE",
        }
        *moved, refused = dcmjs.ask(real_node.port, *moves, nowhere)["answers"]
        for answers in moved:
            assert (answers[-1]["status"], answers[-1]["counts"]) == (SUCCESS, [None, 1, 0, 0])
        assert statuses(refused) == [0xA801]
        heard = {takes_all.next("stored")["stored"] for _ in sources}
        assert heard == set(sources) == {takes_plain.next("stored")["stored"] for _ in sources}
    for uid, source in sources.items():
        found = kept(archive, uid)
        assert (rich / uid).read_bytes() == b"".join(map(bytes, found.chunks())), source.filename
        got = as_dataset((poor / uid).read_bytes(), ImplicitVRLittleEndian)
        assert np.array_equal(got.pixel_array, source.pixel_array), source.filename
        assert (got.PatientName, got.SOPInstanceUID) == (source.PatientName, uid)


def test_it_is_called_by_tls(
    real_house: House, archive: Archive, add_peer: Any, store: Store, make_dicom: MakeDicom, tmp_path: Path
) -> None:
    """Both ways, each with its certificate: all that this system asks of others, and a call of its own."""
    authority = Authority(tmp_path)
    ours, theirs = authority.issue("archive"), authority.issue("WS1")
    settings = Settings(
        data=tmp_path,
        peer_tls_certificate=ours.certificate,
        peer_tls_key=ours.key,
        peer_tls_authorities=ours.authorities,
    )
    one, inside = make_dicom(PatientName=NAME, SpecificCharacterSet="ISO_IR 192"), tmp_path / "received"
    inside.mkdir()
    store(one)
    reference = {
        "00081150": {"vr": "UI", "Value": [one.SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [one.SOPInstanceUID]},
    }
    report = {"00081195": {"vr": "UI", "Value": ["1.2.3"]}, "00081199": {"vr": "SQ", "Value": [reference]}}
    match = {
        "PatientName": NAME,
        "StudyInstanceUID": "1.2.3",
        "QueryRetrieveLevel": "STUDY",
        "SpecificCharacterSet": "ISO_IR 192",
    }
    told = {"options": dcmjs.secure(theirs), "matches": [match, match], "pdu": 4096}
    with dcmjs.listening(inside, ExplicitVRLittleEndian, ImplicitVRLittleEndian, **told) as provider:
        peer = add_peer("JS", provider.port, is_encrypted=True, rights=EVERYTHING)
        assert echo_as(settings)("JS", "127.0.0.1", provider.port, encrypted=True) is None
        assert echo_as(settings)("JS", "127.0.0.1", provider.port, encrypted=False) is not None
        found = kept(archive, one.SOPInstanceUID)
        assert [offer.refused for offer in sender_as(settings)(peer, [found])] == [None]
        said = provider.next("stored")
        assert said["data"]["PatientName"] == [{"Alphabetic": NAME}]
        assert (inside / one.SOPInstanceUID).read_bytes() == dataset_bytes(one)
        reporter_as(settings)(peer, 1, report)
        assert provider.next("event")["data"]["TransactionUID"] == "1.2.3"
        classes = [sopclass.STUDY_ROOT_FIND, sopclass.STUDY_ROOT_MOVE, sopclass.PERFORMED_PROCEDURE_STEP]
        with open_plain(
            "127.0.0.1", provider.port, "JS", "WETREAD", [*classes, sopclass.STORAGE_COMMITMENT_PUSH],
            tls=context_of(settings)(True),
        ) as association:  # fmt: skip
            answers = list(association.find({"QueryRetrieveLevel": "STUDY", "PatientName": "Mü*"}))
            assert [answer["00100010"]["Value"] for answer in answers] == [[{"Alphabetic": NAME}]] * 2
            assert provider.next("find")["find"]["PatientName"] == [{"Alphabetic": "Mü*"}]
            last = association.move({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}, "WS9")
            assert last.status == SUCCESS
            assert provider.next("move")["destination"] == "WS9"
            uid = association.create_performed_step({"PerformedProcedureStepStatus": "IN PROGRESS"})
            association.set_performed_step(uid, {"PerformedProcedureStepStatus": "COMPLETED"})
            assert provider.next("create")["uid"] == provider.next("set")["uid"] == uid
            transaction = association.request_commitment([(one.SOPClassUID, one.SOPInstanceUID)])
            event = association.await_event(30)
            assert event is not None
            assert (event[0], event[1]["00081195"]["Value"]) == (1, [transaction])
            assert provider.next("reported")["reported"] == SUCCESS
    add_peer("WS1", rights=EVERYTHING, user_identity="ward", passcode="seven wards 7", is_encrypted=True)
    node = Node(
        HouseServices(replace(real_house, settings=settings), archive), "127.0.0.1", None, tls_port=0,
        context=server_context(ours),
    )  # fmt: skip
    node.start()
    try:
        who = {
            "type": 2,
            "primaryField": "ward",
            "secondaryField": "seven wards 7",
            "positiveResponseRequested": True,
        }
        options = {**dcmjs.secure(theirs), "userIdentity": who}
        get = {"make": "get", "study": one.StudyInstanceUID}
        done = dcmjs.ask(node.tls_port, {"make": "echo"}, get, options=options)
        assert [answers[-1]["status"] for answers in done["answers"]] == [SUCCESS, SUCCESS]
        assert done["accepted"]["identity"] is True
        assert done["arrived"][0]["data"]["PatientName"] == [{"Alphabetic": NAME}]
        bad = dcmjs.ask(node.tls_port, {"make": "echo"}, options=dcmjs.secure(theirs))
        assert bad["failure"] == {"rejected": {"result": 1, "source": 1, "reason": 1}}
    finally:
        node.close(grace_s=1)
