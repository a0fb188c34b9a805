"""DELETE by DICOMweb over a real socket: into the trash, by policy, never under a hold."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from archive_fixtures import MakeDicom, Store
from common import Api
from dicomweb_fixtures import Client
from wetread.archive import removal
from wetread.archive.model import LegalHold, Removal, Study
from wetread.archive.service import Archive
from wetread.security.service import Actor, AuditEventID

SYSTEM = Actor.system("test")


@pytest.fixture
def technologist(port: int, web: Api) -> Client:
    """Who may remove."""
    return Client(port, web.as_role("technologist").headers["authorization"])


def test_a_client_deletes_instance_series_and_study_into_the_trash(
    archive: Archive, store: Store, make_dicom: MakeDicom, technologist: Client
) -> None:
    slices = [make_dicom() for _ in range(3)]
    for ds in slices:
        ds.StudyInstanceUID = slices[0].StudyInstanceUID
    slices[1].SeriesInstanceUID = slices[0].SeriesInstanceUID
    store(*slices)
    first, _, third = slices
    study = f"/studies/{first.StudyInstanceUID}"

    def left() -> set[str]:
        found = technologist.ask("GET", f"{study}/instances", accept="application/dicom+json")
        return {one["00080018"]["Value"][0] for one in found.json()} if found.status == 200 else set()

    series = f"{study}/series/{first.SeriesInstanceUID}"
    deleted = technologist.ask("DELETE", f"{series}/instances/{first.SOPInstanceUID}")
    assert (deleted.status, deleted.body) == (204, b"")
    assert left() == {ds.SOPInstanceUID for ds in slices[1:]}
    assert technologist.ask("DELETE", f"{study}/series/{third.SeriesInstanceUID}").status == 204
    assert left() == {slices[1].SOPInstanceUID}
    assert technologist.ask("DELETE", study).status == 204
    assert left() == set()
    assert technologist.ask("GET", study, accept="*/*").status == 404
    gone = technologist.ask("DELETE", study)
    assert (gone.status, gone.headers["content-type"]) == (404, "application/problem+json")
    with archive.offices.database.transaction() as looked:
        assert list(looked.scalars(select(Removal.level).order_by(Removal.removal_pk))) == [
            "IMAGE", "SERIES", "STUDY",
        ]  # fmt: skip
        assert set(looked.scalars(select(Removal.reason))) == {"deleted by DICOMweb"}


def test_what_may_not_be_deleted_stays(
    archive: Archive, store: Store, make_dicom: MakeDicom, technologist: Client
) -> None:
    ds = make_dicom()
    store(ds)
    path = f"/studies/{ds.StudyInstanceUID}"
    with archive.offices.work(SYSTEM) as work:
        removal.save_policy(
            work, trash_days=30, on_return="quarantine", is_delete_by_dicomweb=False, on_rejection={}
        )
    refused = technologist.ask("DELETE", path)
    assert (refused.status, refused.headers["content-type"]) == (403, "application/problem+json")
    assert "policy" in refused.json()["detail"]
    with archive.offices.work(SYSTEM) as work:
        removal.save_policy(
            work, trash_days=30, on_return="quarantine", is_delete_by_dicomweb=True, on_rejection={}
        )
        study_pk = work.session.scalars(select(Study.study_pk)).one()
        work.session.add(
            LegalHold(study_pk=study_pk, reason="a claim", placed_at=work.now(), placed_by="law")
        )
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    held = technologist.ask("DELETE", path)
    assert (held.status, held.headers["content-type"]) == (409, "application/problem+json")
    assert "legal hold" in held.json()["detail"]
    assert technologist.ask("GET", path + "/metadata", accept="application/dicom+json").status == 200
