"""DICOM against the running product over real sockets: DCMTK's tools and pynetdicom as the scanners and archives."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    BasicFilmSession,
    CTImageStorage,
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from tools.ports import free_port

from archive_fixtures import dataset_bytes, file_bytes, package_file
from wetread.app.build import House, build_house
from wetread.app.postgres import EmbeddedPostgres
from wetread.app.rooms import MODELS, load
from wetread.archive.service import save_remote_ae
from wetread.kit.config import load_settings
from wetread.orders import service as orders
from wetread.patients import service as patients
from wetread.scheduling import service as scheduling
from wetread.security.model import Site
from wetread.security.service import Actor, AuditEventID, Role, create_token, create_user

ZONE = ZoneInfo("America/New_York")
pytestmark = pytest.mark.timeout(240)


class Product:
    """`wetread serve` on a folder of this test, furnished through the services, used through its sockets alone."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.http, self.dicom, self.hl7 = free_port(), free_port(), free_port()
        environment = {
            **os.environ,
            "WETREAD_DATA": str(data),
            "WETREAD_HTTP_PORT": str(self.http),
            "WETREAD_DICOM_PORT": str(self.dicom),
            "WETREAD_HL7_PORT": str(self.hl7),
            "WETREAD_ISSUER_OF_PATIENT_ID": "CITY",
        }
        environment.pop("WETREAD_DATABASE_URL", None)
        self.log = (data / "output.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wetread", "serve"], env=environment, stdout=self.log, stderr=self.log
        )
        self.tokens: dict[str, str] = {}
        self.numbers = count(1)

    def wait(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, (self.data / "output.log").read_text()[-3000:]
            try:
                if found := condition():
                    return found
            except OSError:
                pass
            assert time.monotonic() < deadline, (self.data / "output.log").read_text()[-3000:]
            time.sleep(0.1)

    def furnish(self) -> None:
        """Accounts, a site with a scanner, the catalogue, and the application entities that are known."""
        load(MODELS)
        settings = replace(load_settings(data=self.data), database_url=EmbeddedPostgres(self.data).url)
        self.house: House = build_house(settings, part="test")
        patients.use_issuer("CITY")
        self.storescp = free_port()
        with self.house.offices.work(Actor.system("test")) as work:
            for role in (Role.ADMIN, Role.RADIOLOGIST, Role.TECHNOLOGIST):
                user = create_user(
                    work, username=f"flow.{role.value}", display_name=role.value, roles=[role],
                    password="correct horse battery staple", mfa_required=False,
                )  # fmt: skip
                _, self.tokens[role.value] = create_token(work, user.user_pk, "test", [], days=None)
            site = Site(code="NORTH", institution_name="Northside", time_zone="America/New_York")
            work.session.add(site)
            work.session.flush()
            self.site_pk = site.site_pk
            orders.add_procedure(work, orders.ProcedureInput("CTHEAD", "CT head", "CT"))
            scanner = scheduling.ResourceInput(
                site.site_pk, "CT one", "CT1", "CT1", "CT", clock(0), clock(23, 59), tuple(range(7))
            )
            self.scanner_pk = scheduling.add_resource(work, scanner).modality_resource_pk
            everything = ("verify", "store", "find", "move", "get", "worklist", "mpps", "commitment")
            for title, port, rights in (
                ("CT1", 11199, everything),
                ("DEST", self.storescp, ("store",)),
                ("DOWN", free_port(), ("store",)),
                ("READER", 11198, ("find",)),
            ):
                save_remote_ae(
                    work, ae_title=title, host="127.0.0.1", port=port, description=None, rights=rights
                )
            work.audit(AuditEventID.APPLICATION_ACTIVITY, "C")

    def booked(self, name: str, at: datetime | None = None, **fields: Any) -> Dataset:
        """A patient with an order on CT1; what the scanner must know of it."""
        number = next(self.numbers)
        at = at or datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=20 * number)
        with self.house.offices.work(Actor.system("test")) as work:
            patient = patients.register_patient(
                work,
                patients.PatientInput(
                    name, identifiers=[patients.IdentifierInput(f"F{number}", "CITY")],
                    patient_birth_date=date(1980, 3, 4), patient_sex="F", **fields,
                ),
            )  # fmt: skip
            request = orders.place_order(
                work,
                orders.OrderInput(
                    patient.patient_pk, self.site_pk, [orders.ProcedureChoice(code_value="CTHEAD")]
                ),
            )
            (requested,) = orders.procedures_of(work, request.imaging_service_request_pk)
            step = scheduling.schedule(
                work, requested.requested_procedure_pk, self.scanner_pk, at, overbook_reason="test"
            )
            known = Dataset()
            known.PatientName, known.PatientID, known.IssuerOfPatientID = name, f"F{number}", "CITY"
            known.PatientBirthDate, known.PatientSex = "19800304", "F"
            known.AccessionNumber = request.accession_number
            known.StudyInstanceUID = requested.study_instance_uid
            known.RequestedProcedureID = requested.requested_procedure_id
            known.ScheduledProcedureStepID = step.scheduled_procedure_step_id
            known.local, known.step_pk = at.astimezone(ZONE), step.scheduled_procedure_step_pk
        return known

    def ask(
        self, method: str, path: str, role: str = "radiologist", body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        given = {"Authorization": f"Bearer {self.tokens[role]}", "Accept": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        response = connection.getresponse()
        content = response.read()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(content) if "json" in kind and content else content

    def step(self, known: Dataset) -> dict[str, Any]:
        status, found = self.ask("GET", f"/api/steps/{known.step_pk}", "technologist")
        assert status == 200
        return dict(found)

    def stored(self, study_instance_uid: str) -> int:
        """The number of instances that the archive shows of a study."""
        status, found = self.ask(
            "GET", f"/dicom-web/studies?StudyInstanceUID={study_instance_uid}&includefield=00201208"
        )
        assert status in (200, 204), (status, found)
        return int(found[0]["00201208"]["Value"][0]) if status == 200 and found else 0

    def associate(self, *contexts: Any, calling: str = "CT1", called: str = "WETREAD", **how: Any) -> Any:
        entity = AE(calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
        for context in contexts:
            entity.add_requested_context(context, [ExplicitVRLittleEndian, "1.2.840.10008.1.2"])
        return entity.associate("127.0.0.1", self.dicom, ae_title=called, **how)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    issuer = patients.issuer_of_our_identifiers()
    with tempfile.TemporaryDirectory(prefix="wetread-flow-") as folder:
        Path(folder).chmod(0o755)
        made = Product(Path(folder))
        try:
            made.wait(lambda: _ready(made), 90)
            made.furnish()
            yield made
        finally:
            patients.use_issuer(issuer)  # what comes next in this process is another house's
            if hasattr(made, "house"):
                made.house.close()
            made.process.send_signal(signal.SIGTERM)
            code = made.process.wait(60)
            made.log.close()
        assert code == 0


def _ready(product: Product) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", product.http, timeout=5)
    connection.request("GET", "/readyz")
    return connection.getresponse().status == 200


def tool(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    assert shutil.which(command[0]), f"{command[0]} (Debian package dcmtk) is needed"
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=cwd
    )


def image(known: Dataset, **attributes: Any) -> pydicom.Dataset:
    """A CT slice as the scanner makes it from its worklist entry."""
    ds = pydicom.dcmread(package_file("CT_small.dcm"))
    ds.remove_private_tags()
    del ds[0xFFFC, 0xFFFC]
    ds.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
                    "AccessionNumber", "StudyInstanceUID"):  # fmt: skip
        setattr(ds, keyword, known.get(keyword))
    ds.StudyDate = f"{known.local:%Y%m%d}"
    ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def save(ds: pydicom.Dataset, folder: Path) -> Path:
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def find(product: Product, folder: Path, *keys: str, model: str = "-W", **how: str) -> list[Dataset]:
    """What DCMTK's findscu finds."""
    out = folder / uuid.uuid4().hex
    out.mkdir()
    command = ["findscu", model, "-aet", how.get("aet", "CT1"), "-aec", "WETREAD", "-X", "-od", str(out)]
    for key in keys:
        command += ["-k", key]
    done = tool(*command, "127.0.0.1", str(product.dicom), *([how["file"]] if "file" in how else []))
    assert done.returncode == 0, done.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(out.iterdir())]


# --- worklist -------------------------------------------------------------------------------------------------


def test_echo_from_the_known_and_no_one_else(product: Product) -> None:
    port = str(product.dicom)
    assert tool("echoscu", "-aet", "CT1", "-aec", "WETREAD", "127.0.0.1", port).returncode == 0
    wrong = tool("echoscu", "-aet", "STRANGER", "-aec", "WETREAD", "127.0.0.1", port)
    assert wrong.returncode != 0
    assert "Calling AE Title Not Recognized" in wrong.stderr
    wrong = tool("echoscu", "-aet", "CT1", "-aec", "OTHER", "127.0.0.1", port)
    assert wrong.returncode != 0
    assert "Called AE Title Not Recognized" in wrong.stderr


def test_findscu_takes_its_worklist_with_every_key_of_the_standard(product: Product, tmp_path: Path) -> None:
    known = product.booked(
        "Worklist^Wanda", allergies=[patients.AllergyInput("Iodine", severe=True), patients.AllergyInput("Latex")],
        patient_weight_kg=61.5, pregnancy_status="not_pregnant", medical_alerts="Pacemaker",
    )  # fmt: skip
    day = f"{known.local:%Y%m%d}"
    step = "ScheduledProcedureStepSequence[0]."
    inside = ("ScheduledProcedureStepStartTime", "ScheduledPerformingPhysicianName", "ScheduledProcedureStepDescription",
              "ScheduledProcedureStepID", "ScheduledStationName", "ScheduledProcedureStepLocation", "PreMedication",
              "RequestedContrastAgent", "ScheduledProcedureStepStatus")  # fmt: skip
    outside = ("RequestedProcedureID", "RequestedProcedureDescription", "StudyInstanceUID", "RequestedProcedurePriority",
               "PatientTransportArrangements", "AccessionNumber", "RequestingPhysician", "ReferringPhysicianName",
               "AdmissionID", "CurrentPatientLocation", "PatientName", "PatientBirthDate", "PatientSex", "PatientWeight",
               "ConfidentialityConstraintOnPatientDataDescription", "PatientState", "PregnancyStatus", "MedicalAlerts",
               "Allergies", "SpecialNeeds", "IssuerOfPatientID")  # fmt: skip
    (found,) = find(
        product, tmp_path, f"PatientID={known.PatientID}", *outside,
        "RequestedProcedureCodeSequence[0].CodeValue", "ReferencedStudySequence", "ReferencedPatientSequence",
        f"{step}ScheduledStationAETitle=CT1", f"{step}Modality=CT", f"{step}ScheduledProcedureStepStartDate={day}",
        *(step + key for key in inside),
    )  # fmt: skip
    for keyword in (*outside, "ReferencedStudySequence", "ReferencedPatientSequence"):
        assert keyword in found, keyword
    for keyword in (
        "StudyInstanceUID",
        "AccessionNumber",
        "RequestedProcedureID",
        "IssuerOfPatientID",
        "PatientName",
    ):
        assert found[keyword].value == known[keyword].value
    assert list(found.Allergies) == ["Iodine", "Latex"]
    assert (found.PregnancyStatus, float(found.PatientWeight), found.MedicalAlerts) == (1, 61.5, "Pacemaker")
    assert found.RequestedProcedureCodeSequence[0].CodeValue == "CTHEAD"
    (item,) = found.ScheduledProcedureStepSequence
    for keyword in (*inside, "ScheduledStationAETitle", "Modality", "ScheduledProcedureStepStartDate"):
        assert keyword in item, keyword
    assert item.ScheduledProcedureStepID == known.ScheduledProcedureStepID
    assert (item.ScheduledProcedureStepStartDate, item.ScheduledProcedureStepStartTime) == (
        day,
        f"{known.local:%H%M}00",
    )


def test_findscu_by_dates_times_wild_cards_and_scanner(product: Product, tmp_path: Path) -> None:
    at = datetime(2031, 5, 6, 13, 30, tzinfo=UTC)  # 09:30 in New York, far from the other tests
    product.booked("Zzyzx^Ann^Marie", at)
    product.booked("Zzyzx^Bob", at + timedelta(days=1))
    step = "ScheduledProcedureStepSequence[0]."

    def who(*keys: str) -> list[str]:
        return sorted(str(one.PatientName) for one in find(product, tmp_path, "PatientName=Zzyzx*", *keys))

    both, ann, bob = ["Zzyzx^Ann^Marie", "Zzyzx^Bob"], ["Zzyzx^Ann^Marie"], ["Zzyzx^Bob"]
    date_key, time_key = f"{step}ScheduledProcedureStepStartDate", f"{step}ScheduledProcedureStepStartTime"
    assert who() == both
    assert who(f"{date_key}=20310506") == ann
    assert who(f"{date_key}=20310507-") == bob
    assert who(f"{date_key}=-20310506") == ann
    assert who(f"{date_key}=20310501-20310531", f"{time_key}=0900-0945", f"{step}Modality=CT") == both
    assert who(f"{time_key}=1000-1100") == []
    assert who(f"{step}ScheduledStationAETitle=CT?") == both
    assert who(f"{step}ScheduledStationAETitle=MR1") == []
    for typed, names in (("ZZYZX^B?B", bob), ("zzyzx^ann*", ann), ("Zzyzx^A*", ann), ("Zzyzx", [])):
        found = find(product, tmp_path, f"PatientName={typed}")
        assert sorted(str(one.PatientName) for one in found) == names, typed


def test_names_in_other_scripts_are_asked_for_and_answered(product: Product, tmp_path: Path) -> None:
    product.booked("Überström^Åsa")
    product.booked("Yamamoto^Hanako=山本^花子=やまもと^はなこ")
    for charset, text, name in (
        ("ISO_IR 100", "Überström^Å*", "Überström^Åsa"),
        ("ISO_IR 192", "Überström*", "Überström^Åsa"),
        ("ISO_IR 192", "=山本*", "Yamamoto^Hanako=山本^花子=やまもと^はなこ"),
        (["", "ISO 2022 IR 87"], "=山本^花子", "Yamamoto^Hanako=山本^花子=やまもと^はなこ"),
    ):
        query = Dataset()
        query.SpecificCharacterSet, query.PatientName, query.PatientID = charset, text, ""
        association = product.associate(ModalityWorklistInformationFind)
        assert association.is_established
        answers = [
            (status.Status, item)
            for status, item in association.send_c_find(query, ModalityWorklistInformationFind)
        ]
        association.release()
        assert answers[-1][0] == 0x0000
        (item,) = [item for status, item in answers if status in (0xFF00, 0xFF01)]
        item.decode()
        assert str(item.PatientName) == name, (charset, text)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("ScheduledProcedureStepStartDate", "2026*"), ("ScheduledProcedureStepStartTime", "noon")],
)
def test_a_malformed_key_is_a_query_status_not_nothing_found(
    product: Product, keyword: str, value: str
) -> None:
    query = Dataset()
    query.PatientName = ""
    query.add_new(0x00400100, "SQ", [Dataset()])
    with pydicom.config.disable_value_validation():
        query.ScheduledProcedureStepSequence[0].add_new(
            pydicom.datadict.tag_for_keyword(keyword), "LO", value
        )
    association = product.associate(ModalityWorklistInformationFind)
    statuses = [
        status.Status for status, _ in association.send_c_find(query, ModalityWorklistInformationFind)
    ]
    association.release()
    assert statuses == [0xA900]


# --- the performed step, images, and what comes of them --------------------------------------------------------


def begun(known: Dataset) -> Dataset:
    ds = Dataset()
    item = Dataset()
    item.StudyInstanceUID, item.AccessionNumber = known.StudyInstanceUID, known.AccessionNumber
    item.RequestedProcedureID, item.ScheduledProcedureStepID = (
        known.RequestedProcedureID,
        known.ScheduledProcedureStepID,
    )
    item.ReferencedStudySequence, item.ScheduledProtocolCodeSequence = [], []
    item.RequestedProcedureDescription = item.ScheduledProcedureStepDescription = ""
    ds.ScheduledStepAttributesSequence = [item]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(ds, keyword, known.get(keyword))
    now = datetime.now(ZONE)
    ds.PerformedProcedureStepID, ds.PerformedStationAETitle, ds.Modality = "P1", "CT1", "CT"
    ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    ds.PerformedProcedureStepStatus, ds.PerformedSeriesSequence = "IN PROGRESS", []
    return ds


def ended(status: str) -> Dataset:
    ds = Dataset()
    now = datetime.now(ZONE)
    ds.PerformedProcedureStepStatus = status
    ds.PerformedProcedureStepEndDate, ds.PerformedProcedureStepEndTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    series = Dataset()
    series.ProtocolName, series.SeriesInstanceUID = "Head", generate_uid()
    ds.PerformedSeriesSequence = [series]
    return ds


def test_a_performed_step_by_the_statuses_of_the_standard(product: Product) -> None:
    known, sop = product.booked("Performed^Pia"), ModalityPerformedProcedureStep
    association = product.associate(sop)
    uid = generate_uid()
    assert association.send_n_create(begun(known), sop, uid)[0].Status == 0x0000
    assert product.step(known)["scheduled_procedure_step_status"] == "STARTED"
    assert association.send_n_create(begun(known), sop, uid)[0].Status == 0x0111
    assert association.send_n_set(ended("COMPLETED"), sop, generate_uid())[0].Status == 0x0112
    lacking = begun(known)
    del lacking.Modality
    assert association.send_n_create(lacking, sop, generate_uid())[0].Status == 0x0120
    finished = begun(known)
    finished.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_create(finished, sop, generate_uid())[0].Status == 0x0106
    assert association.send_n_set(ended("COMPLETED"), sop, uid)[0].Status == 0x0000
    assert association.send_n_set(ended("COMPLETED"), sop, uid)[0].Status == 0x0110
    association.release()
    seen = product.step(known)
    assert (seen["scheduled_procedure_step_status"], seen["requested_procedure_state"]) == (
        "COMPLETED",
        "COMPLETED",
    )


def test_storescu_sends_a_study_that_finds_its_order(product: Product, tmp_path: Path) -> None:
    known = product.booked("Stored^Stella")
    series = generate_uid()
    paths = [
        save(image(known, SeriesInstanceUID=series, InstanceNumber=number), tmp_path) for number in range(4)
    ]
    port = str(product.dicom)
    done = tool("storescu", "-aet", "CT1", "-aec", "WETREAD", "-R", "127.0.0.1", port, *map(str, paths))
    assert done.returncode == 0, done.stderr
    assert product.stored(known.StudyInstanceUID) == 4
    # The link, the count and the step's state come one after the other, by events.
    product.wait(
        lambda: (
            (one := product.step(known))["studies"]
            and (one["scheduled_procedure_step_status"], one["number_of_images"]) == ("STARTED", 4)
        )
    )
    # The same again is no second copy.
    done = tool("storescu", "-aet", "CT1", "-aec", "WETREAD", "-R", "127.0.0.1", port, *map(str, paths))
    assert done.returncode == 0, done.stderr
    assert product.stored(known.StudyInstanceUID) == 4

    # Found, moved and got again, byte for byte.
    (found,) = find(
        product, tmp_path, "QueryRetrieveLevel=STUDY", "PatientName=stored^st*", "StudyInstanceUID",
        "NumberOfStudyRelatedInstances", "ModalitiesInStudy", model="-S",
    )  # fmt: skip
    assert found.StudyInstanceUID == known.StudyInstanceUID
    assert (int(found.NumberOfStudyRelatedInstances), found.ModalitiesInStudy) == (4, "CT")
    (line,) = find(
        product, tmp_path, "QueryRetrieveLevel=SERIES", f"StudyInstanceUID={known.StudyInstanceUID}",
        "SeriesInstanceUID", "NumberOfSeriesRelatedInstances", model="-S",
    )  # fmt: skip
    assert (line.SeriesInstanceUID, int(line.NumberOfSeriesRelatedInstances)) == (series, 4)
    for keys, hits in (
        (("StudyDate=19000101-19001231",), 0),
        ((f"StudyDate={known.local:%Y%m%d}-", f"PatientID={known.PatientID}"), 1),
        ((f"AccessionNumber={known.AccessionNumber}",), 1),
        (("PatientName=Stored^?tella",), 1),
        (("PatientName=Stored",), 0),
    ):
        got = find(product, tmp_path, "QueryRetrieveLevel=STUDY", "StudyInstanceUID", *keys, model="-S")
        assert len(got) == hits, keys

    received = tmp_path / "moved"
    received.mkdir()
    receiver = subprocess.Popen(
        ["storescp", "-aet", "DEST", "-od", str(received), "+xa", str(product.storescp)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TCP_NODELAY": "1"},
    )  # fmt: skip
    try:
        product.wait(lambda: socket.create_connection(("127.0.0.1", product.storescp), 1).close() or True)
        move = ("movescu", "-S", "-aet", "CT1", "-aec", "WETREAD", "-k", "QueryRetrieveLevel=STUDY",
                "-k", f"StudyInstanceUID={known.StudyInstanceUID}", "127.0.0.1", port)  # fmt: skip
        done = tool(*move[:6], "-aem", "DEST", *move[6:])
        assert done.returncode == 0, done.stderr
    finally:
        receiver.terminate()
        receiver.wait(10)
    sent = {path.stem: dataset_bytes(pydicom.dcmread(path)) for path in paths}
    came = {ds.SOPInstanceUID: dataset_bytes(ds) for ds in map(pydicom.dcmread, received.iterdir())}
    assert came == sent
    unknown = tool(*move[:6], "-v", "-aem", "NOWHERE", *move[6:])
    assert "MoveDestinationUnknown" in unknown.stderr

    got_folder = tmp_path / "got"
    got_folder.mkdir()
    done = tool("getscu", "+B", "-S", "-aet", "CT1", "-aec", "WETREAD", "-od", str(got_folder), "-k", "QueryRetrieveLevel=STUDY",
                "-k", f"StudyInstanceUID={known.StudyInstanceUID}", "127.0.0.1", port)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {ds.SOPInstanceUID: dataset_bytes(ds) for ds in map(pydicom.dcmread, got_folder.iterdir())} == sent


def test_pynetdicom_stores_and_gets(product: Product) -> None:
    known = product.booked("Getter^Gerda")
    slices = [image(known, SeriesInstanceUID="1.2.3.4.5") for _ in range(2)]
    for ds, uid in zip(slices, ("a", "b"), strict=True):
        ds.SeriesInstanceUID = slices[0].SeriesInstanceUID if uid == "b" else generate_uid()
    association = product.associate(CTImageStorage)
    assert [association.send_c_store(ds).Status for ds in slices] == [0, 0]
    association.release()
    got: list[str] = []

    def take(event: Any) -> int:
        got.append(str(event.dataset.SOPInstanceUID))
        return 0x0000

    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", known.StudyInstanceUID
    association = product.associate(
        StudyRootQueryRetrieveInformationModelGet, CTImageStorage,
        ext_neg=[build_role(CTImageStorage, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, take)],
    )  # fmt: skip
    answers = [
        status for status, _ in association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet)
    ]
    association.release()
    assert (answers[-1].Status, answers[-1].NumberOfCompletedSuboperations) == (0x0000, 2)
    assert sorted(got) == sorted(ds.SOPInstanceUID for ds in slices)
    # Without the role nothing can be sent back, and that is said.
    association = product.associate(StudyRootQueryRetrieveInformationModelGet)
    answers = [
        status for status, _ in association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet)
    ]
    association.release()
    assert (answers[-1].Status, answers[-1].NumberOfFailedSuboperations) == (0xA702, 2)


def test_a_destination_that_is_down_is_said(product: Product) -> None:
    known = product.booked("Downer^Dora")
    association = product.associate(CTImageStorage)
    assert association.send_c_store(image(known)).Status == 0
    association.release()
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", known.StudyInstanceUID
    association = product.associate(StudyRootQueryRetrieveInformationModelMove)
    answers = [
        status
        for status, _ in association.send_c_move(query, "DOWN", StudyRootQueryRetrieveInformationModelMove)
    ]
    association.release()
    assert (answers[-1].Status, answers[-1].NumberOfFailedSuboperations) == (0xA702, 1)


# --- what is wrong --------------------------------------------------------------------------------------------


def test_what_is_not_served_is_not_accepted(product: Product) -> None:
    association = product.associate(BasicFilmSession, "1.2.826.0.1.3680043.9.9999", Verification)
    assert [context.abstract_syntax for context in association.accepted_contexts] == [Verification]
    assert {context.result for context in association.rejected_contexts} == {0x03}
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_rights_are_kept(product: Product) -> None:
    known = product.booked("Righteous^Rita")
    association = product.associate(
        CTImageStorage, StudyRootQueryRetrieveInformationModelFind, calling="READER"
    )
    assert association.send_c_store(image(known)).Status == 0x0124
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", known.StudyInstanceUID
    statuses = [
        s.Status for s, _ in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
    ]
    association.release()
    assert statuses == [0x0000]
    assert product.stored(known.StudyInstanceUID) == 0


def test_a_promise_not_heard_is_brought_by_the_worker(product: Product) -> None:
    known = product.booked("Promised^Petra")
    one = image(known)
    heard: list[tuple[int, str]] = []

    def on_report(event: evt.Event) -> tuple[int, None]:
        heard.append((event.event_type, event.event_information.TransactionUID))
        return 0x0000, None

    entity = AE("CT1")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    # CT1's own port, as it stands in the list of application entities.
    server = entity.start_server(
        ("127.0.0.1", 11199), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)]
    )
    try:
        association = product.associate(CTImageStorage, StorageCommitmentPushModel)
        assert association.send_c_store(one).Status == 0x0000
        wanted = Dataset()
        wanted.TransactionUID = generate_uid()
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        wanted.ReferencedSOPSequence = [item]
        # This side has no handler for reports: it answers one with a failure, as old modalities do.
        status, _ = association.send_n_action(wanted, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
        assert status.Status == 0x0000
        time.sleep(1)
        association.release()
        product.wait(lambda: heard, 60)
    finally:
        server.shutdown()
    assert heard == [(1, wanted.TransactionUID)]
    status, told = product.ask("GET", "/api/archive/storage-commitments", "admin")
    assert status == 200
    (mine,) = [row for row in told if row["transaction_uid"] == wanted.TransactionUID]
    assert (mine["objects"], mine["failed"]) == (1, 0)
    product.wait(
        lambda: product.ask("GET", "/api/archive/storage-commitments?waiting=true", "admin")[1] == []
    )


def message(context_id: int, command: bytes, data: bytes | None = None) -> bytes:
    """P-DATA-TF PDUs of one message, as small as a careless sender makes them."""

    def pdu(control: int, fragment: bytes) -> bytes:
        return (
            struct.pack(">BBIIBB", 4, 0, len(fragment) + 6, len(fragment) + 2, context_id, control) + fragment
        )

    return pdu(3, command) + (pdu(2, data) if data is not None else b"")


def command_set(field: int, sop_class: str, message_id: int, has_data: bool, **more: str) -> bytes:
    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, number, len(value)) + value

    def uid(text: str) -> bytes:
        return text.encode() + b"\x00" * (len(text) % 2)

    parts = [
        element(0x0002, uid(sop_class)), element(0x0100, struct.pack("<H", field)),
        element(0x0110, struct.pack("<H", message_id)), element(0x0700, struct.pack("<H", 0)),
        element(0x0800, struct.pack("<H", 1 if has_data else 0x0101)),
    ]  # fmt: skip
    if "instance" in more:
        parts.append(element(0x1000, uid(more["instance"])))
    body = b"".join(parts)
    return element(0x0000, struct.pack("<I", len(body))) + body


class Raw:
    """An association by hand: the request is pynetdicom's, the rest are bytes."""

    def __init__(self, product: Product, *classes: str) -> None:
        from pynetdicom.pdu import A_ASSOCIATE_RQ
        from pynetdicom.pdu_primitives import (
            A_ASSOCIATE,
            ImplementationClassUIDNotification,
            MaximumLengthNotification,
        )
        from pynetdicom.presentation import build_context

        primitive = A_ASSOCIATE()
        primitive.application_context_name = "1.2.840.10008.3.1.1.1"
        primitive.calling_ae_title, primitive.called_ae_title = "CT1", "WETREAD"
        length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
        length.maximum_length_received = 16384
        implementation.implementation_class_uid = "1.2.3"
        primitive.user_information = [length, implementation]
        contexts = [build_context(uid, ExplicitVRLittleEndian) for uid in classes]
        for number, context in enumerate(contexts):
            context.context_id = 2 * number + 1
        primitive.presentation_context_definition_list = contexts
        request = A_ASSOCIATE_RQ()
        request.from_primitive(primitive)
        self.socket = socket.create_connection(("127.0.0.1", product.dicom), timeout=20)
        self.socket.sendall(request.encode())
        kind, _ = self.receive()
        assert kind == 2

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """(type, body) of the next PDU; (0, b"") at the end."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, _, length = struct.unpack(">BBI", head)
        return kind, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionError:
                break
            if not piece:
                break
            data += piece
        return data

    def status(self) -> int:
        """The status of the next response."""
        kind, body = self.receive()
        assert kind == 4
        at = body.index(struct.pack("<HHI", 0, 0x0900, 2))
        return int(struct.unpack_from("<H", body, at + 8)[0])


def test_an_association_that_breaks_half_way_leaves_nothing_to_be_seen(product: Product) -> None:
    known = product.booked("Broken^Berta")
    whole, half = image(known), image(known)
    for ending in ("abort", "cut"):
        raw = Raw(product, CTImageStorage)
        data = dataset_bytes(whole if ending == "abort" else half)
        raw.send(message(1, command_set(1, CTImageStorage, 1, True, instance=whole.SOPInstanceUID)))
        piece = data[: len(data) // 2]
        raw.send(struct.pack(">BBIIBB", 4, 0, len(piece) + 6, len(piece) + 2, 1, 0) + piece)
        if ending == "abort":
            raw.send(bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        raw.socket.close()
    time.sleep(0.5)
    assert product.stored(known.StudyInstanceUID) == 0
    status, _ = product.ask("GET", f"/dicom-web/studies/{known.StudyInstanceUID}/metadata")
    assert status == 404
    _, waiting = product.ask("GET", "/api/archive/quarantine", "admin")
    assert whole.SOPInstanceUID not in json.dumps(waiting)
    # And the whole object may still come.
    association = product.associate(CTImageStorage)
    assert association.send_c_store(whole).Status == 0
    association.release()
    assert product.stored(known.StudyInstanceUID) == 1


@pytest.mark.parametrize("length", [256 * 1024 + 1, 0xFFFFFFFF])
def test_a_pdu_over_the_limit_is_aborted_before_it_is_read(product: Product, length: int) -> None:
    raw = Raw(product, Verification)
    raw.send(struct.pack(">BBI", 4, 0, length))
    assert raw.receive()[0] in (7, 0)
    raw.socket.close()
    assert tool("echoscu", "-aet", "CT1", "-aec", "WETREAD", "127.0.0.1", str(product.dicom)).returncode == 0


FIND, MOVE, GET, STORE = 0x0020, 0x0021, 0x0010, 0x0001


@pytest.mark.parametrize(
    ("field", "status"), [(FIND, 0x0211), (MOVE, 0x0211), (GET, 0x0211), (STORE, 0x0122), (0x0150, 0x0211), (0x0FF0, 0x0211)]
)  # fmt: skip
def test_an_operation_on_the_context_of_another_class_is_refused(
    product: Product, field: int, status: int
) -> None:
    raw = Raw(product, Verification)
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientName = "STUDY", "*"
    data = dataset_bytes(query)
    raw.send(message(1, command_set(field, Verification, 1, True, instance="1.2.3"), data))
    assert raw.status() == status
    # The association lives on.
    raw.send(message(1, command_set(0x0030, Verification, 2, False)))
    assert raw.status() == 0x0000
    raw.socket.close()


def test_other_content_under_a_known_uid_waits_in_quarantine(product: Product) -> None:
    known = product.booked("Twice^Thea")
    first = image(known)
    second = image(known, SOPInstanceUID=first.SOPInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID,
                   ImageComments="something else")  # fmt: skip
    association = product.associate(CTImageStorage)
    assert association.send_c_store(first).Status == 0
    answer = association.send_c_store(second).Status
    association.release()
    assert answer == 0x0111 or answer & 0xF000 == 0xB000 or answer & 0xF000 in (0xA000, 0xC000), hex(answer)
    assert product.stored(known.StudyInstanceUID) == 1
    status, waiting = product.ask("GET", "/api/archive/quarantine", "admin")
    assert status == 200
    assert first.SOPInstanceUID in json.dumps(waiting)
    status, kept = product.ask(
        "GET",
        f"/dicom-web/studies/{known.StudyInstanceUID}/series/{first.SeriesInstanceUID}/instances/{first.SOPInstanceUID}/metadata",
    )
    assert status == 200
    assert kept[0]["00204000"]["Value"] != ["something else"]


def stow(product: Product, *files: bytes, role: str = "technologist") -> tuple[int, Any]:
    boundary = uuid.uuid4().hex
    parts = b"".join(
        b"--" + boundary.encode() + b"\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n"
        for one in files
    )
    return product.ask(
        "POST", "/dicom-web/studies", role, parts + b"--" + boundary.encode() + b"--\r\n",
        Content_Type=f'multipart/related; type="application/dicom"; boundary={boundary}', Accept="application/dicom+json",
    )  # fmt: skip


def test_stow_by_hand_with_a_truncated_file_among_good_ones(product: Product) -> None:
    known = product.booked("Stow^Stina")
    good, cut = image(known), image(known)
    content = file_bytes(cut)
    status, answer = stow(product, file_bytes(good), content[: len(content) // 2])
    assert status == 202, answer
    assert answer["00081199"]["Value"][0]["00081155"]["Value"] == [good.SOPInstanceUID]
    (failed,) = answer["00081198"]["Value"]
    assert failed["00081197"]["Value"][0] > 0
    assert product.stored(known.StudyInstanceUID) == 1
    status, answer = stow(product, b"this is no DICOM file")
    assert status in (400, 409, 415), (status, answer)
    status, answer = stow(product, content)
    assert status == 200, answer
    assert product.stored(known.StudyInstanceUID) == 2
    status, _ = stow(product, content, role="radiologist")
    assert status in (200, 403)


def test_everything_that_came_is_in_the_audit_trail(product: Product) -> None:
    """The chain holds over all that this file did, and the associations that were refused are in it."""
    from sqlalchemy import select

    from wetread.security.model import AuditRecord

    with product.house.offices.work(Actor.system("test")) as work:
        rows = work.session.execute(
            select(AuditRecord.event_id, AuditRecord.user_id, AuditRecord.object_id, AuditRecord.actor_kind)
        ).all()
    assert any(user == "CT1" and kind == "ae" for _, user, _, kind in rows)
    assert any(
        event == AuditEventID.SECURITY_ALERT.value and thing == "STRANGER" for event, _, thing, _ in rows
    )
    assert any(event == AuditEventID.INSTANCES_TRANSFERRED.value for event, *_ in rows)
    done = subprocess.run(
        [sys.executable, "-m", "wetread", "audit", "verify", "--data", str(product.data)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
