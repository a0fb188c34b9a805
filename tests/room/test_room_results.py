"""Results for referrers: their own patients at every door, nobody else's at any."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from sqlalchemy import select

from archive_fixtures import as_dataset, as_file, decoder, make_dicom, store, web
from common import Api
from wetread.app.wiring import renderer_of
from wetread.archive.model import Study
from wetread.archive.service import Archive, Decoder, LocalObjects, StoreResult, use_archive
from wetread.kit.db import Database
from wetread.orders.service import (
    OrderInput,
    ProcedureChoice,
    ProcedureInput,
    add_procedure,
    cancel_order,
    place_order,
    procedures_of,
)
from wetread.patients.service import IdentifierInput, PatientInput, register_patient
from wetread.reporting import pictures, rules
from wetread.reporting.model import KeyImage, Report, ReportProcedure, ReportVersion
from wetread.scheduling.model import StudyLink
from wetread.scheduling.service import match_studies
from wetread.security.model import AuditRecord, Practitioner, Site, User
from wetread.security.service import Actor, AuditEventID, FileMasterKey, Offices, Permission, Role
from wetread.sharing.rules import ReleasePolicy, released, sees_only_own
from wetread.sharing.service import OwnPatients, use_release_policy

__all__ = ["as_dataset", "as_file", "decoder", "make_dicom", "store", "web"]

FINAL = {"findings": "Hyperdense focus, 14 mm.", "impression": "Acute haemorrhage."}
PRELIMINARY = {"findings": "Hyperdense focus.", "impression": "Probably haemorrhage."}


@pytest.fixture
def archive(clean_database: Database, tmp_path: Path, decoder: Decoder) -> Iterator[Archive]:
    """As the product wires it: a referrer sees only own patients, and reports are printed with their pictures."""
    made = Archive(
        clean_database,
        Offices(clean_database),
        LocalObjects(tmp_path / "objects", reserve_bytes=0),
        FileMasterKey(b"m" * 32),
        visibility=OwnPatients(),
        decoder=decoder,
    )
    use_archive(made)
    pictures.use_renderer(renderer_of(made))
    use_release_policy(ReleasePolicy())
    yield made
    pictures.use_renderer(lambda *_: None)
    use_release_policy(ReleasePolicy())
    made.close()


@dataclass
class Case:
    """One order with its images."""

    requested_procedure_pk: int
    accession_number: str
    study_pk: int
    dicom: pydicom.Dataset


class House:
    """Two referrers with a patient each; `sign` signs reports on an order."""

    def __init__(
        self,
        offices: Offices,
        make_dicom: Callable[..., pydicom.Dataset],
        store: Callable[..., list[StoreResult]],
    ) -> None:
        self.offices, self.make_dicom, self.store = offices, make_dicom, store
        self.reports: dict[int, int] = {}
        with offices.work(Actor.system("test")) as work:
            site = Site(code="RIV", institution_name="Riverside", time_zone="America/New_York")
            own = Practitioner(person_name="Berg^Tom", npi="1999999992")
            other = Practitioner(person_name="Lund^Eva", npi="1999999984")
            reader = User(
                username="reader",
                display_name="Dr. Inès Moreau",
                roles=["radiologist"],
                created_at=work.now(),
            )
            work.session.add_all([site, own, other, reader])
            work.session.flush()
            add_procedure(work, ProcedureInput("CTHEAD", "CT head", "CT"))
            self.site, self.own, self.other, self.reader = (
                site.site_pk, own.practitioner_pk, other.practitioner_pk, reader.user_pk,
            )  # fmt: skip
            work.audit(AuditEventID.APPLICATION_ACTIVITY, "C")

    def order(self, referrer: int, patient_id: str, name: str, priority: str = "ROUTINE") -> tuple[int, str]:
        with self.offices.work(Actor.system("test")) as work:
            patient = register_patient(
                work,
                PatientInput(
                    name,
                    [IdentifierInput(patient_id, "HOSPITAL")],
                    patient_birth_date=date(1970, 1, 1),
                    patient_sex="F",
                ),
            )
            request = place_order(
                work,
                OrderInput(
                    patient.patient_pk,
                    self.site,
                    [ProcedureChoice(code_value="CTHEAD")],
                    requested_procedure_priority=priority,
                    referring_practitioner_pk=referrer,
                ),
            )
            (requested,) = procedures_of(work, request.imaging_service_request_pk)
            return requested.requested_procedure_pk, request.accession_number

    def case(self, referrer: int, patient_id: str, name: str, priority: str = "ROUTINE") -> Case:
        requested_procedure_pk, accession = self.order(referrer, patient_id, name, priority)
        dicom = self.make_dicom(
            PatientID=patient_id, PatientName=name, AccessionNumber=accession, PatientBirthDate="19700101",
            PatientSex="F",
        )  # fmt: skip
        (result,) = self.store(dicom)
        assert result.status.kept
        with self.offices.work(Actor.system("test")) as work:
            study_pk = work.session.scalars(
                select(Study.study_pk).where(Study.study_instance_uid == dicom.StudyInstanceUID)
            ).one()
            match_studies(work, [study_pk])
            assert set(
                work.session.scalars(select(StudyLink.state).where(StudyLink.study_pk == study_pk))
            ) == {"matched"}
        return Case(requested_procedure_pk, accession, study_pk, dicom)

    def sign(self, case: Case, kind: str, sections: dict[str, str]) -> None:
        with self.offices.work(Actor.system("test")) as work:
            report = work.session.get(Report, self.reports.get(case.requested_procedure_pk, 0))
            number = 1
            if report is None:
                study = work.session.get_one(Study, case.study_pk)
                report = Report(
                    patient_pk=study.patient_pk, site_pk=self.site, state="draft", template_key="ct-head-stroke",
                    created_at=work.now(),
                )  # fmt: skip
                work.session.add(report)
                work.session.flush()
                self.reports[case.requested_procedure_pk] = report.report_pk
                work.session.add(
                    ReportProcedure(
                        requested_procedure_pk=case.requested_procedure_pk, report_pk=report.report_pk
                    )
                )
            else:
                number += len(
                    work.session.scalars(
                        select(ReportVersion).where(ReportVersion.report_pk == report.report_pk)
                    ).all()
                )
            report.state = {"addendum": "addended"}.get(kind, kind)
            work.session.add(
                ReportVersion(
                    report_pk=report.report_pk, version_number=number, kind=kind, sections=sections,
                    signed_by_user_pk=self.reader, signed_by_name="Dr. Inès Moreau", signed_at=work.now(),
                    content_sha256=rules.content_hash(sections),
                )
            )  # fmt: skip
            work.audit(AuditEventID.PROCEDURE_RECORD, "C")

    def mark(self, case: Case, note: str | None = None) -> None:
        with self.offices.work(Actor.system("test")) as work:
            work.session.add(
                KeyImage(
                    study_pk=case.study_pk, study_instance_uid=case.dicom.StudyInstanceUID,
                    series_instance_uid=case.dicom.SeriesInstanceUID,
                    sop_instance_uid=case.dicom.SOPInstanceUID, frame_number=1, note=note,
                    marked_by_user_pk=self.reader, marked_at=work.now(),
                )
            )  # fmt: skip
            work.audit(AuditEventID.PROCEDURE_RECORD, "C")


@pytest.fixture
def house(
    archive: Archive, make_dicom: Callable[..., pydicom.Dataset], store: Callable[..., list[StoreResult]]
) -> House:
    return House(archive.offices, make_dicom, store)


def doors_of(case: Case) -> list[str]:
    """Every address under which a study, or a part of it, can be asked for."""
    study = f"/dicom-web/studies/{case.dicom.StudyInstanceUID}"
    series = f"{study}/series/{case.dicom.SeriesInstanceUID}"
    instance = f"{series}/instances/{case.dicom.SOPInstanceUID}"
    return [
        f"/api/archive/studies/{case.study_pk}",
        f"/api/results/{case.requested_procedure_pk}",
        f"/api/results/{case.requested_procedure_pk}/pdf",
        f"/api/results/studies/{case.study_pk}",
        study, f"{study}/metadata", f"{study}/thumbnail",
        series, f"{series}/metadata", f"{series}/thumbnail", f"{series}/rendered",
        instance, f"{instance}/metadata", f"{instance}/thumbnail", f"{instance}/rendered",
        f"{instance}/frames/1", f"{instance}/frames/1/rendered",
    ]  # fmt: skip


def test_another_referrers_patient_is_not_found_at_any_door(web: Api, house: House) -> None:
    own = house.case(house.own, "P1", "Doe^Jane")
    other = house.case(house.other, "P2", "Roe^Rita")
    for case in (own, other):
        house.sign(case, "final", FINAL)
        house.mark(case)
    berg = web.as_role("referrer", practitioner_pk=house.own)
    headers = {"Accept": "*/*"}
    assert {path: berg.get(path, headers=headers).status_code for path in doors_of(own)} == dict.fromkeys(
        doors_of(own), 200
    )
    assert {path: berg.get(path, headers=headers).status_code for path in doors_of(other)} == dict.fromkeys(
        doors_of(other), 404
    )
    body = {"version_number": 1}
    for mark in ("seen", "acknowledgment"):
        path = f"/api/results/{other.requested_procedure_pk}/{mark}"
        assert berg.put(path, json=body).status_code == 404

    def found(client: Api, path: str) -> list[str]:
        answer = client.get(path, headers={"Accept": "application/dicom+json"})
        return [item["0020000D"]["Value"][0] for item in answer.json()] if answer.content else []

    mine, foreign = own.dicom.StudyInstanceUID, other.dicom.StudyInstanceUID
    for level in ("studies", "series", "instances"):
        assert found(berg, f"/dicom-web/{level}") == [mine]
        assert found(berg, f"/dicom-web/{level}?StudyInstanceUID={foreign}") == []
    for below in ("series", "instances"):
        assert found(berg, f"/dicom-web/studies/{foreign}/{below}") == []
    assert found(berg, "/dicom-web/studies?PatientID=P2") == []
    assert set(found(web.as_role("radiologist"), "/dicom-web/studies")) == {mine, foreign}


def test_images_of_another_site_are_not_found_at_any_door(web: Api, house: House) -> None:
    case = house.case(house.own, "P1", "Doe^Jane")
    (brought,) = house.store(house.make_dicom(PatientID="P9", AccessionNumber=""))
    assert brought.status.kept
    with house.offices.work(Actor.system("test")) as work:
        hill = Site(code="HIL", institution_name="Hill", time_zone="America/New_York")
        work.session.add(hill)
        work.session.flush()
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "C")
        elsewhere = hill.site_pk
    paths = [path for path in doors_of(case) if "/results/" not in path]
    for site_pk, status in ((elsewhere, 404), (house.site, 200)):
        local = web.as_role("radiologist", site_pks=[site_pk])
        answers = {path: local.get(path, headers={"Accept": "*/*"}).status_code for path in paths}
        assert answers == dict.fromkeys(paths, status)
        found = local.get("/dicom-web/studies", headers={"Accept": "application/dicom+json"}).json()
        uids = {item["0020000D"]["Value"][0] for item in found}
        assert (case.dicom.StudyInstanceUID in uids) is (status == 200)
        assert len(uids) == (2 if status == 200 else 1), "what hangs on no order is everybody's to find out"
    both = web.as_role("referrer", practitioner_pk=house.own, site_pks=[elsewhere])
    answers = {path: both.get(path, headers={"Accept": "*/*"}).status_code for path in doors_of(case)}
    assert set(answers.values()) == {404}


def test_who_refers_nobody_sees_nothing(web: Api, house: House) -> None:
    case = house.case(house.own, "P1", "Doe^Jane")
    stranger = web.as_role("referrer")
    answers = {path: stranger.get(path, headers={"Accept": "*/*"}).status_code for path in doors_of(case)}
    assert set(answers.values()) == {404}
    assert stranger.get("/api/results").json() == {
        "items": [],
        "next_cursor": None,
        "total": 0,
        "unseen": 0,
    }


def test_a_role_without_images_beside_the_referrers_widens_nothing(web: Api, house: House) -> None:
    other = house.case(house.other, "P2", "Roe^Rita")
    both = web.as_role("referrer", "manager", practitioner_pk=house.own)
    assert both.get(f"/api/archive/studies/{other.study_pk}").status_code == 404
    both.leave()  # a physician has one account
    reader = web.as_role("referrer", "radiologist", practitioner_pk=house.own)
    assert reader.get(f"/api/archive/studies/{other.study_pk}").status_code == 200


@pytest.mark.parametrize(
    ("roles", "narrow"),
    [
        ({Role.REFERRER}, True),
        ({Role.REFERRER, Role.BILLER}, True),
        ({Role.REFERRER, Role.ADMIN}, True),
        ({Role.REFERRER, Role.FRONT_DESK}, True),
        ({Role.REFERRER, Role.TECHNOLOGIST}, False),
        ({Role.RADIOLOGIST}, False),
        (set(), False),
    ],
)
def test_who_is_shown_only_their_own(roles: set[Role], narrow: bool) -> None:
    assert sees_only_own(roles) is narrow


def test_new_results_come_first_until_they_are_seen(web: Api, house: House) -> None:
    routine = house.case(house.own, "P1", "Doe^Jane")
    stat = house.case(house.own, "P2", "Roe^Rita", "STAT")
    waiting = house.case(house.own, "P3", "Poe^Ada", "STAT")
    house.order(house.own, "P4", "Noe^Zoë")
    house.sign(routine, "final", FINAL)
    house.sign(stat, "preliminary", PRELIMINARY)
    berg = web.as_role("referrer", practitioner_pk=house.own)

    def shown(query: str = "") -> list[tuple[str, str, bool]]:
        return [
            (item["patient"]["patient_id"], item["state"], item["unseen"])
            for item in berg.get(f"/api/results{query}").json()["items"]
        ]

    assert shown() == [
        ("P2", "preliminary", True), ("P1", "final", True), ("P4", "requested", False), ("P3", "acquired", False),
    ]  # fmt: skip
    first = berg.get("/api/results").json()
    assert (first["total"], first["unseen"]) == (4, 2)
    assert shown("?unseen=true") == [("P2", "preliminary", True), ("P1", "final", True)]
    assert shown("?state=acquired&state=requested") == [
        ("P4", "requested", False),
        ("P3", "acquired", False),
    ]
    assert berg.get("/api/results?state=nonsense").status_code == 422
    pages, cursor = [], ""
    for _ in range(4):
        page = berg.get(f"/api/results?limit=1{cursor}").json()
        pages += [item["patient"]["patient_id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert pages == ["P2", "P1", "P4", "P3"] and page["next_cursor"] is None

    seen = f"/api/results/{stat.requested_procedure_pk}/seen"
    assert berg.put(seen, json={"version_number": 2}).status_code == 422
    assert berg.put(seen, json={"version_number": 1}).status_code == 204
    assert shown("?unseen=true") == [("P1", "final", True)]
    house.sign(stat, "final", FINAL)
    assert shown("?unseen=true") == [("P2", "final", True), ("P1", "final", True)]
    assert waiting.accession_number in {
        item["accession_number"] for item in berg.get("/api/results").json()["items"]
    }
    # What one has read is new to who comes after.
    berg.leave()
    colleague = web.as_role("referrer", practitioner_pk=house.own)
    assert colleague.get("/api/results").json()["unseen"] == 2


def test_results_are_searched_by_what_is_known_of_the_patient(web: Api, house: House) -> None:
    house.order(house.own, "P1", "Müller^Jörg")
    _, accession = house.order(house.own, "P2", "Yamada^Tarou=山田^太郎=やまだ^たろう")
    house.order(house.other, "P3", "Müller^Anna")
    berg = web.as_role("referrer", practitioner_pk=house.own)
    for text, expected in (
        ("mull", ["P1"]), ("山田", ["P2"]), ("P2", ["P2"]), (accession, ["P2"]), ("ct", ["P2", "P1"]), ("--", []),
        ("Anna", []),
    ):  # fmt: skip
        answer = berg.post("/api/results/find", json={"text": text})
        assert [item["patient"]["patient_id"] for item in answer.json()["items"]] == expected, text


def test_the_text_that_stands_is_shown_and_says_what_it_replaces(web: Api, house: House) -> None:
    case = house.case(house.own, "P1", "Doe^Jane", "STAT")
    berg = web.as_role("referrer", practitioner_pk=house.own)
    path = f"/api/results/{case.requested_procedure_pk}"
    assert berg.get(path).json()["versions"] == []
    assert berg.get(f"{path}/pdf").status_code == 409
    house.sign(case, "preliminary", PRELIMINARY)
    early = berg.get(path).json()
    assert [(one["kind"], one["sections"]) for one in early["versions"]] == [("preliminary", PRELIMINARY)]
    assert early["result"]["state"] == "preliminary" and early["replaces"] is None
    assert "PRELIMINARY REPORT" in pdf_text(berg.get(f"{path}/pdf").content)
    berg.put(f"{path}/seen", json={"version_number": 1})
    house.sign(case, "final", FINAL)
    house.sign(case, "addendum", {"addendum": "Called to Dr. Berg."})
    late = berg.get(path).json()
    assert [one["kind"] for one in late["versions"]] == ["final", "addendum"]
    assert late["replaces"] == early["versions"][0]["signed_at"] and late["seen_version_number"] == 1
    assert late["result"]["state"] == "addended" and late["result"]["unseen"]
    assert late["result"]["impression"] == "Called to Dr. Berg."
    printed = pdf_text(berg.get(f"{path}/pdf").content)
    assert "Acute haemorrhage" in printed and "Called to Dr. Berg" in printed
    assert "Probably" not in printed and "PRELIMINARY" not in printed


def test_an_acknowledgment_is_for_the_newest_version(web: Api, house: House) -> None:
    case = house.case(house.own, "P1", "Doe^Jane", "STAT")
    house.sign(case, "preliminary", PRELIMINARY)
    berg = web.as_role("referrer", practitioner_pk=house.own)
    path = f"/api/results/{case.requested_procedure_pk}"
    assert berg.put(f"{path}/acknowledgment", json={"version_number": 1}).status_code == 204
    assert berg.get(path).json()["result"]["acknowledged"] is True
    house.sign(case, "final", FINAL)
    known = berg.get(path).json()["result"]
    assert known["acknowledged"] is False and known["acknowledged_at"]
    assert berg.put(f"{path}/acknowledgment", json={"version_number": 1}).status_code == 409
    assert berg.put(f"{path}/acknowledgment", json={"version_number": 2}).status_code == 204
    assert berg.put(f"{path}/seen", json={"version_number": 1}).status_code == 204
    assert berg.get(path).json()["seen_version_number"] == 2, "the mark never goes back"
    with house.offices.work(Actor.system("test")) as work:
        noted = work.session.scalars(
            select(AuditRecord)
            .where(AuditRecord.object_type == "result acknowledgment")
            .order_by(AuditRecord.audit_record_pk)
        ).all()
        assert [one.detail for one in noted] == [{"version": "1"}, {"version": "2"}]
        assert all(one.patient_pk for one in noted)


def test_a_house_may_keep_preliminary_reports_to_itself(web: Api, house: House) -> None:
    case = house.case(house.own, "P1", "Doe^Jane")
    house.sign(case, "preliminary", PRELIMINARY)
    use_release_policy(ReleasePolicy(preliminary=False))
    berg = web.as_role("referrer", practitioner_pk=house.own)
    path = f"/api/results/{case.requested_procedure_pk}"
    hidden = berg.get(path).json()
    assert hidden["versions"] == [] and hidden["result"]["state"] == "acquired"
    assert not hidden["result"]["unseen"] and "Probably" not in berg.get("/api/results").text
    assert berg.get(f"{path}/pdf").status_code == 409
    assert berg.put(f"{path}/seen", json={"version_number": 1}).status_code == 422
    house.sign(case, "final", FINAL)
    shown = berg.get(path).json()
    assert [one["kind"] for one in shown["versions"]] == ["final"] and shown["replaces"] is None
    assert shown["result"]["unseen"]


def test_a_cancelled_order_says_why(web: Api, house: House) -> None:
    pk, _ = house.order(house.own, "P1", "Doe^Jane")
    with house.offices.work(Actor.system("test")) as work:
        from wetread.orders.model import RequestedProcedure

        requested = work.session.get_one(RequestedProcedure, pk)
        cancel_order(work, requested.imaging_service_request_pk, "ordered twice")
    (item,) = web.as_role("referrer", practitioner_pk=house.own).get("/api/results").json()["items"]
    assert (item["state"], item["state_reason"]) == ("canceled", "ordered twice")


def test_the_viewer_gets_the_study_and_the_patients_others_of_the_same_referrer(
    web: Api, house: House
) -> None:
    case = house.case(house.own, "P1", "Doe^Jane")
    house.case(house.other, "P2", "Roe^Rita")
    berg = web.as_role("referrer", practitioner_pk=house.own)
    found = berg.get(f"/api/results/studies/{case.study_pk}").json()
    assert found["study"]["study_instance_uid"] == case.dicom.StudyInstanceUID
    assert found["study"]["modalities_in_study"] == ["CT"] and found["priors"] == []
    assert found["patient"]["patient_id"] == "P1"


def pdf_text(content: bytes) -> str:
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=content, capture_output=True, check=True)
    return done.stdout.decode()


def pdf_pictures(content: bytes, folder: Path) -> list[Image.Image]:
    """The pictures inside a PDF, taken out by poppler."""
    folder.mkdir()
    (folder / "report.pdf").write_bytes(content)
    subprocess.run(["pdfimages", "-png", "report.pdf", "picture"], cwd=folder, check=True)
    return [Image.open(io.BytesIO(path.read_bytes())) for path in sorted(folder.glob("picture*.png"))]


def test_the_report_is_printed_with_its_key_images(web: Api, house: House, tmp_path: Path) -> None:
    bare, case = house.case(house.own, "P1", "Doe^Jane"), house.case(house.own, "P2", "Roe^Max")
    house.mark(case, "Focus, 14 mm")
    for one in (bare, case):
        house.sign(one, "final", FINAL)
    berg = web.as_role("referrer", practitioner_pk=house.own)
    without = berg.get(f"/api/results/{bare.requested_procedure_pk}/pdf")
    assert pdf_pictures(without.content, tmp_path / "bare") == []
    path = f"/api/results/{case.requested_procedure_pk}"
    (image,) = berg.get(path).json()["key_images"]
    assert berg.get(image["rendered_url"]).headers["content-type"] == "image/jpeg"
    answer = berg.get(f"{path}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    (drawn,) = pdf_pictures(answer.content, tmp_path / "drawn")
    picture = drawn.convert("L")
    assert picture.size[0] == picture.size[1] >= 128
    low, high = picture.getextrema()
    assert high - low > 100, "a picture, not an empty frame"


def test_a_key_image_that_cannot_be_drawn_does_not_keep_the_report_back(
    archive: Archive, web: Api, house: House
) -> None:
    case = house.case(house.own, "P1", "Doe^Jane")
    house.mark(case)
    house.sign(case, "final", FINAL)
    with house.offices.work(Actor.system("test")) as work:
        image = work.session.scalars(select(KeyImage)).one()
        image.frame_number = 7
        work.audit(AuditEventID.PROCEDURE_RECORD, "U")
    berg = web.as_role("referrer", practitioner_pk=house.own)
    answer = berg.get(f"/api/results/{case.requested_procedure_pk}/pdf")
    assert answer.status_code == 200 and "Acute haemorrhage" in pdf_text(answer.content)


def test_a_look_at_a_result_is_in_the_audit_trail(web: Api, house: House) -> None:
    case = house.case(house.own, "P1", "Doe^Jane")
    house.sign(case, "final", FINAL)
    berg = web.as_role("referrer", practitioner_pk=house.own)
    berg.get(f"/api/results/{case.requested_procedure_pk}")
    berg.get(f"/api/results/{case.requested_procedure_pk}/pdf")
    with house.offices.work(Actor.system("test")) as work:
        rows = work.session.scalars(select(AuditRecord).where(AuditRecord.user_id == berg.username)).all()
        looked = {(row.event_id, row.object_type) for row in rows if row.patient_pk}
    assert (AuditEventID.PROCEDURE_RECORD.value, "result") in looked
    assert (AuditEventID.EXPORT.value, "report") in looked


@dataclass
class Signed:
    version_number: int
    kind: str


@pytest.mark.parametrize(
    ("kinds", "preliminary", "expected"),
    [
        ([], True, []),
        (["preliminary"], True, [1]),
        (["preliminary"], False, []),
        (["preliminary", "preliminary"], True, [2]),
        (["preliminary", "final"], True, [2]),
        (["final", "addendum", "addendum"], False, [1, 2, 3]),
    ],
)
def test_the_versions_that_stand(kinds: list[str], preliminary: bool, expected: list[int]) -> None:
    versions = [Signed(number, kind) for number, kind in enumerate(kinds, 1)]
    assert [
        one.version_number for one in released(versions, ReleasePolicy(preliminary=preliminary))
    ] == expected


def test_only_who_may_read_results_has_a_list(web: Api) -> None:
    for role, status in (("front_desk", 403), ("manager", 403), ("radiologist", 200)):
        assert web.as_role(role).get("/api/results").status_code == status
    assert Permission.RESULT_READ.value == "result.read"
