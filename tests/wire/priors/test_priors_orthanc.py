"""Priors that lie in a real Orthanc: found by C-FIND and QIDO-RS, fetched by C-GET, C-MOVE and WADO-RS, never onto the
wrong patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pydicom
import pytest
from pydicom.uid import RLELossless, generate_uid
from sqlalchemy import select, update
from tools.ports import free_port

from archive_fixtures import package_file
from orthanc_fixtures import Orthanc, running_orthanc
from wetread.app.priors import PeerNetwork
from wetread.archive.model import Instance, StoredObject, Study
from wetread.archive.service import Archive
from wetread.dimse.server import Node
from wetread.kit.config import Settings
from wetread.patients.service import IdentifierInput, PatientInput, register_patient
from wetread.priors import service
from wetread.priors.model import Agreement, FetchState, PriorLookup, RemoteStudy, Retrieve
from wetread.scheduling import service as scheduling
from wetread.scheduling.model import StudyLink
from wetread.security.service import Actor, FileMasterKey

ADMIN = Actor.system("admin")
ISSUER = "CITY"
Store = Callable[..., Any]


@pytest.fixture(scope="module")
def our_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, our_port: int) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc") / "o", our_port) as made:
        yield made


@pytest.fixture(autouse=True)
def empty(orthanc: Orthanc) -> Iterator[None]:
    yield
    for uid in orthanc.ask("GET", "/patients"):
        orthanc.ask("DELETE", f"/patients/{uid}")


@pytest.fixture(autouse=True)
def network() -> None:
    service.use_network(PeerNetwork(Settings()), FileMasterKey(b"k" * 32))


@pytest.fixture
def jane(archive: Archive) -> int:
    """Jane Doe, P1 of CITY, born 1980-03-04."""
    with archive.offices.work(ADMIN) as work:
        given = PatientInput(
            "Doe^Jane",
            patient_birth_date=date(1980, 3, 4),
            patient_sex="F",
            identifiers=[IdentifierInput("P1", ISSUER)],
        )
        return register_patient(work, given).patient_pk


def of_jane(make_dicom: Any, **fields: Any) -> pydicom.Dataset:
    values = {
        "PatientID": "P1", "PatientName": "Doe^Jane", "PatientBirthDate": "19800304", "PatientSex": "F",
        "IssuerOfPatientID": None, "StudyDate": "20240105", "StudyDescription": "CT head", "BodyPartExamined": "HEAD",
        **fields,
    }  # fmt: skip
    return make_dicom(**values)


def known(archive: Archive, orthanc: Orthanc, add_peer: Any, way: Retrieve, **more: Any) -> int:
    """The Orthanc as an archive that is asked."""
    values: dict[str, Any] = {
        "name": "Old archive", "is_enabled": True, "retrieve": way, "remote_ae_pk": None, "base_url": None,
        "user_name": None, "password": None, "issuer_of_patient_id": ISSUER, "prefetch_max": 2, "years_max": 20,
        "lead_hours": 24,
    }  # fmt: skip
    if way is Retrieve.WADO_RS:
        values["base_url"] = orthanc.web
    else:
        values["remote_ae_pk"] = add_peer("ORTHANC", orthanc.dicom).remote_ae_pk
    with archive.offices.work(ADMIN) as work:
        made = service.save_archive(work, service.ArchiveInput(**{**values, **more}))
        return made.archive.remote_archive_pk


def present(archive: Archive, store: Store, make_dicom: Any) -> int:
    """Today's study of Jane, hung on her by the linking rules; returns its study_pk."""
    ds = of_jane(make_dicom, StudyDate="20261124", IssuerOfPatientID=ISSUER)
    store(ds)
    link(archive, ds.StudyInstanceUID)
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        study = work.session.scalars(
            select(Study).where(Study.study_instance_uid == ds.StudyInstanceUID)
        ).one()
        assert study.patient_pk is not None
        return study.study_pk


def link(archive: Archive, uid: str) -> None:
    """What the worker does on `study.updated`."""
    with archive.offices.work(ADMIN) as work:
        study_pk = work.session.scalar(select(Study.study_pk).where(Study.study_instance_uid == uid))
        scheduling.studies_arrived(work, [{"keys": {"study_pk": study_pk}}])


def look(archive: Archive, study_pk: int, *, prefetch: bool = False) -> service.Picture:
    with archive.offices.work(ADMIN) as work:
        assert service.ask(work, study_pk) == 1
        if prefetch:
            work.session.execute(update(PriorLookup).values(is_prefetch=True))
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        key = work.session.scalars(select(PriorLookup.prior_lookup_pk)).one()
    service.look(archive.offices, key)
    return seen(archive, study_pk)


def seen(archive: Archive, study_pk: int) -> service.Picture:
    with archive.offices.work(ADMIN) as work:
        return service.elsewhere(work, study_pk)


def fetch(archive: Archive, study_pk: int, remote_study_pk: int) -> RemoteStudy:
    with archive.offices.work(ADMIN) as work:
        service.fetch_for(work, study_pk, remote_study_pk)
    service.fetch(archive, remote_study_pk)
    archive.intake.announcer.flush()
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        return work.session.get_one(RemoteStudy, remote_study_pk)


@pytest.fixture
def node(real_node: Node, our_port: int, real_house: Any, archive: Archive) -> Iterator[Node]:
    """Our node at the port that the Orthanc knows, for C-MOVE."""
    from wetread.app.node import HouseServices

    made = Node(HouseServices(real_house, archive), "127.0.0.1", our_port)
    made.start()
    yield made
    made.close(grace_s=1)


WAYS = pytest.mark.parametrize("way", list(Retrieve))


@WAYS
def test_a_prior_is_found_fetched_whole_and_hung_on_its_patient(
    archive: Archive, orthanc: Orthanc, node: Node, add_peer: Any, make_dicom: Any, store: Store, jane: int,
    way: Retrieve,
) -> None:  # fmt: skip
    known(archive, orthanc, add_peer, way)
    prior = generate_uid()
    series = generate_uid()
    held = [
        of_jane(make_dicom, StudyInstanceUID=prior, SeriesInstanceUID=series, InstanceNumber=number)
        for number in range(1, 4)
    ]
    orthanc.put(*held)
    today = present(archive, store, make_dicom)
    picture = look(archive, today)
    (one,) = picture.studies
    assert (one.row.study_instance_uid, one.row.number_of_study_related_instances) == (prior, 3)
    assert (one.row.body_parts_examined, one.row.modalities_in_study) == (["HEAD"], ["CT"])
    assert (one.archive_name, one.study_pk, one.row.study_date) == ("Old archive", None, date(2024, 1, 5))
    assert one.worth == 13
    assert [(asked.state, asked.last_error) for asked in picture.asked] == [("answered", None)]
    row = fetch(archive, today, one.row.remote_study_pk)
    assert (row.fetch_state, row.last_error, row.received_count) == ("fetched", None, 3)
    link(archive, prior)
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        study = work.session.scalars(select(Study).where(Study.study_instance_uid == prior)).one()
        assert (study.patient_pk, study.issuer_of_patient_id) == (jane, ISSUER)
        assert (
            work.session.scalars(select(StudyLink.state).where(StudyLink.study_pk == study.study_pk)).one()
            == "matched"
        )
        uids = set(
            work.session.scalars(select(Instance.sop_instance_uid).where(Instance.study_pk == study.study_pk))
        )
    assert uids == {ds.SOPInstanceUID for ds in held}
    assert seen(archive, today).studies == []  # it is here now


@WAYS
def test_compressed_objects_come_as_they_are_kept(
    archive: Archive, orthanc: Orthanc, node: Node, add_peer: Any, make_dicom: Any, store: Store, jane: int,
    way: Retrieve,
) -> None:  # fmt: skip
    known(archive, orthanc, add_peer, way)
    ds = pydicom.dcmread(package_file("MR_small_RLE.dcm"))
    ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = "P1", "Doe^Jane", "19800304", "F"
    assert ds.file_meta.TransferSyntaxUID == RLELossless
    orthanc.put(ds)
    today = present(archive, store, make_dicom)
    (one,) = look(archive, today).studies
    row = fetch(archive, today, one.row.remote_study_pk)
    assert (row.fetch_state, row.received_count) == ("fetched", 1)
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        syntax = work.session.scalars(
            select(StoredObject.transfer_syntax_uid)
            .join(Instance, Instance.instance_pk == StoredObject.instance_pk)
            .where(Instance.sop_instance_uid == ds.SOPInstanceUID, StoredObject.role == "original")
        ).one()
    assert syntax == RLELossless


@pytest.mark.parametrize("way", [Retrieve.C_GET, Retrieve.WADO_RS])
@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"PatientBirthDate": "19800305"}, "patient_birth_date"),
        ({"PatientBirthDate": ""}, "patient_birth_date"),
        ({"PatientSex": "M"}, "patient_sex"),
        ({"PatientName": "Zimmer^Anton"}, "patient_name"),
        ({"IssuerOfPatientID": "ELSEWHERE"}, "issuer_of_patient_id"),
    ],
)
def test_what_contradicts_waits_for_a_person_and_is_not_fetched(
    archive: Archive, orthanc: Orthanc, add_peer: Any, make_dicom: Any, store: Store, jane: int, way: Retrieve,
    other: dict[str, str], field: str,
) -> None:  # fmt: skip
    known(archive, orthanc, add_peer, way)
    orthanc.put(of_jane(make_dicom, **other))
    today = present(archive, store, make_dicom)
    picture = look(archive, today, prefetch=True)
    assert (picture.studies, picture.differing) == ([], 1)
    with archive.offices.work(ADMIN) as work:
        (one,) = service.differing(work)
        assert [reason["field"] for reason in one.row.reasons] == [field]
        assert one.row.fetch_state == FetchState.ABSENT
        with pytest.raises(service.Conflict):
            service.fetch_for(work, today, one.row.remote_study_pk)


def test_an_archive_that_answers_with_another_patient_is_not_believed(
    archive: Archive, orthanc: Orthanc, add_peer: Any, make_dicom: Any, store: Store, jane: int
) -> None:
    """A wild card in an identifier finds other people's studies."""
    with archive.offices.work(ADMIN) as work:
        given = PatientInput(
            "Roe^Ann",
            patient_birth_date=date(1980, 3, 4),
            patient_sex="F",
            identifiers=[IdentifierInput("P?", ISSUER)],
        )
        register_patient(work, given)
    known(archive, orthanc, add_peer, Retrieve.C_GET)
    orthanc.put(of_jane(make_dicom))
    ds = of_jane(
        make_dicom, PatientID="P?", PatientName="Roe^Ann", StudyDate="20261124", IssuerOfPatientID=ISSUER
    )
    store(ds)
    link(archive, ds.StudyInstanceUID)
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        ann = work.session.scalars(select(Study).where(Study.study_instance_uid == ds.StudyInstanceUID)).one()
    picture = look(archive, ann.study_pk, prefetch=True)
    assert (picture.studies, picture.differing) == ([], 1)
    with archive.offices.work(ADMIN) as work:
        (one,) = service.differing(work)
    assert {reason["field"] for reason in one.row.reasons} == {"patient_id", "patient_name"}


def test_what_a_person_lets_come_still_waits_in_the_reconciliation_list(
    archive: Archive, orthanc: Orthanc, add_peer: Any, make_dicom: Any, store: Store, jane: int
) -> None:
    known(archive, orthanc, add_peer, Retrieve.WADO_RS)
    prior = of_jane(make_dicom, PatientBirthDate="19800305")
    orthanc.put(prior)
    today = present(archive, store, make_dicom)
    look(archive, today)
    with archive.offices.work(ADMIN) as work:
        (one,) = service.differing(work)
        service.decide(work, one.row.remote_study_pk, is_the_patients=True, reason="typing error there")
    (again,) = look(archive, today).studies  # the decision outlives a look-up
    assert again.row.agreement == Agreement.ACCEPTED
    row = fetch(archive, today, one.row.remote_study_pk)
    assert row.fetch_state == "fetched"
    link(archive, prior.StudyInstanceUID)
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        study = work.session.scalars(
            select(Study).where(Study.study_instance_uid == prior.StudyInstanceUID)
        ).one()
        assert study.patient_pk is None
        waiting = {one.study_instance_uid for one in scheduling.unmatched(work)}
    assert prior.StudyInstanceUID in waiting


def test_only_what_matters_is_fetched_unasked(
    archive: Archive, orthanc: Orthanc, add_peer: Any, make_dicom: Any, store: Store, jane: int
) -> None:
    known(archive, orthanc, add_peer, Retrieve.C_GET, prefetch_max=2, years_max=10)
    head = {year: of_jane(make_dicom, StudyDate=f"{year}0102") for year in (2012, 2019, 2023, 2025)}
    foot = of_jane(make_dicom, StudyDate="20260601", BodyPartExamined="FOOT", StudyDescription="CT foot")
    orthanc.put(*head.values(), foot)
    today = present(archive, store, make_dicom)
    picture = look(archive, today, prefetch=True)
    assert len(picture.studies) == 5
    chosen = {one.row.study_instance_uid for one in picture.studies if one.row.fetch_state == "waiting"}
    assert chosen == {head[2023].StudyInstanceUID, head[2025].StudyInstanceUID}


@WAYS
def test_an_archive_that_is_away_is_asked_again_and_then_a_person_looks(
    archive: Archive, orthanc: Orthanc, add_peer: Any, make_dicom: Any, store: Store, jane: int, way: Retrieve
) -> None:
    key = known(archive, orthanc, add_peer, way)
    today = present(archive, store, make_dicom)
    if way is Retrieve.WADO_RS:
        with archive.offices.work(ADMIN) as work:
            (one,) = service.archives(work)
            one.archive.base_url = f"http://127.0.0.1:{free_port()}/dicom-web"
            work.audited += 1
    else:
        with archive.offices.work(ADMIN) as work:
            (listed,) = service.archives(work)
        add_peer("ORTHANC", free_port(), remote_ae_pk=listed.archive.remote_ae_pk)
    picture = look(archive, today)
    (asked,) = picture.asked
    assert asked.state == "waiting"
    assert "does not answer" in (asked.last_error or "")
    for _ in range(service.rules.ATTEMPTS_MAX - 1):
        with archive.offices.work(ADMIN) as work:
            work.audited += 1
            work.session.execute(update(PriorLookup).values(not_before=work.now()))
            (lookup,) = work.session.scalars(select(PriorLookup.prior_lookup_pk))
        service.look(archive.offices, lookup)
    with archive.offices.work(ADMIN) as work:
        (row,) = service.lookups(work)
        assert (row.state, row.attempts) == ("failed", service.rules.ATTEMPTS_MAX)
        (listed,) = service.archives(work)
        assert "does not answer" in (listed.archive.last_error or "")
        assert "does not answer" in (service.check_archive(work, key) or "")


def test_whether_an_archive_answers(archive: Archive, orthanc: Orthanc, add_peer: Any) -> None:
    web = known(archive, orthanc, add_peer, Retrieve.WADO_RS)
    dimse = known(archive, orthanc, add_peer, Retrieve.C_GET, name="The same")
    with archive.offices.work(ADMIN) as work:
        assert [service.check_archive(work, key) for key in (web, dimse)] == [None, None]


def test_the_doors(
    web: Any, archive: Archive, orthanc: Orthanc, make_dicom: Any, store: Store, jane: int
) -> None:
    administrator, reader = web.as_role("admin"), web.as_role("radiologist")
    body = {"name": "Web", "retrieve": "WADO-RS", "base_url": orthanc.web, "issuer_of_patient_id": ISSUER,
            "user_name": "us", "password": "secret"}  # fmt: skip
    made = administrator.post("/api/priors/archives", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["has_password"] is True
    assert "secret" not in made.text
    key = made.json()["remote_archive_pk"]
    moved = administrator.put(
        f"/api/priors/archives/{key}", json={**body, "password": None, "base_url": "https://x.test"}
    )
    assert moved.json()["has_password"] is False  # it goes to no other place
    refused = administrator.put(f"/api/priors/archives/{key}", json={**body, "base_url": "http://x.test"})
    assert refused.json()["errors"][0]["field"] == "base_url"
    back = administrator.put(
        f"/api/priors/archives/{key}", json={**body, "user_name": None, "password": None}
    )
    assert back.status_code == 200
    assert administrator.post(f"/api/priors/archives/{key}/check").json() == {"fault": None}
    orthanc.put(of_jane(make_dicom))
    today = present(archive, store, make_dicom)
    assert reader.post(f"/api/priors/studies/{today}/ask").json() == {"archives": 1}
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        (lookup,) = work.session.scalars(select(PriorLookup.prior_lookup_pk))
    service.look(archive.offices, lookup)
    (one,) = reader.get(f"/api/priors/studies/{today}/elsewhere").json()["studies"]
    assert (one["fetch_state"], one["is_relevant"]) == ("absent", True)
    path = f"/api/priors/studies/{today}/elsewhere/{one['remote_study_pk']}"
    assert reader.post(f"{path}/fetch").status_code == 202
    (queued,) = administrator.get("/api/priors/fetches").json()["items"]
    assert (queued["state"], queued["requested_by"]) == ("waiting", reader.username)
    assert reader.post(f"{path}/cancel").status_code == 204
    assert administrator.post(f"/api/priors/fetches/{one['remote_study_pk']}/again").status_code == 204
    service.fetch(archive, one["remote_study_pk"])
    (arrived,) = administrator.get("/api/priors/fetches?state=fetched").json()["items"]
    assert (arrived["received"], arrived["archive_name"]) == (1, "Web")
    assert administrator.delete(f"/api/priors/archives/{key}").status_code == 204
