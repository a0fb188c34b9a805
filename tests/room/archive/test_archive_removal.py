"""The trash: what is removed vanishes everywhere, comes back as it was, and is destroyed for good when its time is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import func, select, text, update

from archive_fixtures import MakeDicom, Store, file_bytes, rows, study_of
from common import Api
from wetread.archive import removal as removing
from wetread.archive.hiding import holds_on
from wetread.archive.identifiers import find_identifier
from wetread.archive.model import (
    WITH_REMOVED,
    ArchivePolicy,
    Instance,
    LegalHold,
    Quarantine,
    Removal,
    Resolution,
    Series,
    StoredObject,
    Study,
    StudyKey,
)
from wetread.archive.removal import Target
from wetread.archive.retention import place_hold
from wetread.archive.service import (
    Archive,
    Level,
    find,
    instances_for_retrieve,
    resolve_quarantine,
    storage_summary,
)
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.patients.model import Patient
from wetread.security.service import Actor, AuditEventID, Role, permissions_of

TECHNOLOGIST = Actor(
    1, "tess", "Tess", frozenset({Role.TECHNOLOGIST}), permissions_of(frozenset({Role.TECHNOLOGIST})), "user"
)
SYSTEM = Actor.system("test")


def take(archive: Archive, target: Target, actor: Actor = TECHNOLOGIST) -> int:
    with archive.offices.work(actor) as work:
        return removing.remove(work, target, reason="wrong patient").removal_pk


def seen(archive: Archive, ds: pydicom.Dataset) -> dict[str, int]:
    """How many things of its study each way out gives."""
    uid = ds.StudyInstanceUID
    with archive.offices.work(SYSTEM) as work:
        return {
            "studies": len(find(work, Level.STUDY, {"StudyInstanceUID": uid}).items),
            "series": len(find(work, Level.SERIES, {"StudyInstanceUID": uid}).items),
            "instances": len(find(work, Level.IMAGE, {"StudyInstanceUID": uid}).items),
            "moved": len(instances_for_retrieve(work, study_instance_uids=[uid], destination="X")),
            "patients": len(
                find_identifier(
                    work, "PATIENT",
                    {"00100020": {"vr": "LO", "Value": [ds.PatientID]}, "00201200": {"vr": "IS"}}, limit=10,
                ).items
            ),
        }  # fmt: skip


def test_a_trashed_study_vanishes_everywhere_and_comes_back_as_it_was(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    slices = study_of(make_dicom, 3, 2)
    other = study_of(make_dicom, 1, PatientID="P2")
    store(*slices, *other)
    before = {table: rows(archive, table) for table in ("study", "series", "instance", "stored_object")}
    ds = slices[0]
    client = web.as_role("technologist")
    base = f"/dicom-web/studies/{ds.StudyInstanceUID}"
    paths = [
        f"{base}/metadata",
        f"{base}/series/{ds.SeriesInstanceUID}/metadata",
        f"{base}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/frames/1",
        f"{base}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/rendered",
        base,
    ]
    assert [client.get(path).status_code for path in paths] == [200] * len(paths)

    taken = client.post(
        "/api/archive/removals", json={"study_instance_uid": ds.StudyInstanceUID, "reason": "wrong patient"}
    )
    assert taken.status_code == 201, taken.text
    assert (taken.json()["level"], taken.json()["instances"]) == ("STUDY", 5)
    assert [client.get(path).status_code for path in paths] == [404] * len(paths)
    assert client.get("/dicom-web/studies", params={"StudyInstanceUID": ds.StudyInstanceUID}).status_code in (
        200,
        204,
    )
    assert seen(archive, ds) == {"studies": 0, "series": 0, "instances": 0, "moved": 0, "patients": 0}
    assert seen(archive, other[0])["instances"] == 1
    with archive.offices.work(SYSTEM) as work:
        assert storage_summary(work, archive).studies == 1

    page = client.get("/api/archive/removals").json()
    assert [one["patient_name"] for one in page["items"]] == ["Doe^Jane"]
    assert page["items"][0]["modalities"] == ["CT", "PT"]
    pk = taken.json()["removal_pk"]
    assert (
        client.post(f"/api/archive/removals/{pk}/restore", json={"reason": "it was right"}).status_code == 200
    )
    assert {table: rows(archive, table) for table in before} == before
    assert [client.get(path).status_code for path in paths] == [200] * len(paths)
    assert client.post(f"/api/archive/removals/{pk}/restore", json={"reason": "again"}).status_code == 409


def test_the_parts_of_a_study_are_removed_and_counted_by_themselves(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 3, 1)
    store(*slices)
    before = {table: rows(archive, table) for table in ("study", "series", "instance")}
    first, pet = slices[0], slices[3]
    image = take(archive, Target(first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID))
    assert seen(archive, first) | {"patients": 1} == {
        "studies": 1, "series": 2, "instances": 3, "moved": 3, "patients": 1,
    }  # fmt: skip
    series = take(archive, Target(pet.StudyInstanceUID, pet.SeriesInstanceUID))
    with archive.offices.database.transaction() as session:
        study = session.scalars(select(Study)).one()
        assert study.modalities_in_study == ["CT"]
        assert (study.number_of_study_related_series, study.number_of_study_related_instances) == (1, 2)
    study_pk = take(archive, Target(first.StudyInstanceUID))
    assert seen(archive, first)["studies"] == 0
    for removal_pk, left in ((study_pk, 2), (image, 3), (series, 4)):
        with archive.offices.work(TECHNOLOGIST) as work:
            removing.restore(work, removal_pk, reason="taken back")
        assert seen(archive, first)["instances"] == left
    assert {table: rows(archive, table) for table in before} == before


def test_metadata_of_a_series_follow_what_is_removed_of_it(
    store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    slices = study_of(make_dicom, 2)
    store(*slices)
    client = web.as_role("technologist")
    path = f"/dicom-web/studies/{slices[0].StudyInstanceUID}/series/{slices[0].SeriesInstanceUID}/metadata"
    assert len(client.get(path).json()) == 2
    client.post(
        "/api/archive/removals",
        json={
            "study_instance_uid": slices[0].StudyInstanceUID,
            "series_instance_uid": slices[0].SeriesInstanceUID,
            "sop_instance_uid": slices[0].SOPInstanceUID,
            "reason": "blurred",
        },
    ).raise_for_status()
    assert [one["00080018"]["Value"] for one in client.get(path).json()] == [[slices[1].SOPInstanceUID]]


def test_who_may_not_does_not_and_a_reason_is_needed(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 1)
    store(*slices)
    target = Target(slices[0].StudyInstanceUID)
    biller = Actor(
        2, "bill", "Bill", frozenset({Role.BILLER}), permissions_of(frozenset({Role.BILLER})), "user"
    )
    with pytest.raises(Denied):
        take(archive, target, biller)
    with pytest.raises(NotFound):
        take(archive, Target("1.2.3"))
    with pytest.raises(NotFound):
        take(archive, Target(slices[0].StudyInstanceUID, "1.2.3"))
    with pytest.raises(Invalid), archive.offices.work(TECHNOLOGIST) as work:
        removing.remove(work, target, reason="  ")
    take(archive, target)
    with pytest.raises(NotFound):
        take(archive, target)


def test_removing_and_restoring_stand_in_the_audit_trail(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 1)
    store(*slices)
    pk = take(archive, Target(slices[0].StudyInstanceUID))
    with archive.offices.work(TECHNOLOGIST) as work:
        removing.restore(work, pk, reason="it was right")
    with archive.offices.database.transaction() as session:
        told = session.execute(
            text(
                "SELECT event_id, event_action_code, user_id, detail FROM audit_record"
                " WHERE object_type = 'removal' AND study_instance_uid = :uid ORDER BY 1 DESC"
            ),
            {"uid": slices[0].StudyInstanceUID},
        ).all()
    assert {(row[0], row[1], row[2]) for row in told} == {
        (AuditEventID.STUDY_DELETED.value, "D", "tess"),
        (AuditEventID.INSTANCES_ACCESSED.value, "U", "tess"),
    }
    assert any("wrong patient" in str(row[3]) for row in told)


def test_nothing_under_legal_hold_is_removed_or_purged(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 2)
    store(*slices)
    target = Target(slices[0].StudyInstanceUID)
    pk = take(archive, target)
    with archive.offices.work(SYSTEM) as work:
        study_pk = work.session.scalar(select(Study.study_pk).execution_options(**WITH_REMOVED))
        hold = LegalHold(study_pk=study_pk, reason="a claim", placed_at=work.now(), placed_by="law")
        work.session.add(hold)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
        work.session.flush()
        hold_pk = hold.legal_hold_pk
    with archive.offices.work(SYSTEM) as work:
        work.session.get_one(Removal, pk).purge_at = work.now() - timedelta(days=1)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    with archive.offices.work(SYSTEM) as work:
        removing.purge_trash(work)
        assert work.session.get_one(Removal, pk).purged_at is None
        with pytest.raises(Conflict):
            removing.purge_now(work, pk)
        removing.restore(work, pk, reason="back")
    with pytest.raises(Conflict, match="legal hold"):
        take(archive, target)
    with archive.offices.work(SYSTEM) as work:
        work.session.get_one(LegalHold, hold_pk).until = work.now().date() - timedelta(days=1)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    with archive.offices.database.transaction() as session:
        assert holds_on(session, [study_pk or 0], archive.offices.clock.now().date()) == {}
    take(archive, target)


@pytest.mark.parametrize("of_patient", [False, True])
def test_a_hold_that_is_just_being_placed_is_waited_for(
    archive: Archive, store: Store, make_dicom: MakeDicom, of_patient: bool
) -> None:
    slices = study_of(make_dicom, 1)
    store(*slices)
    pk = take(archive, Target(slices[0].StudyInstanceUID))
    with archive.offices.work(SYSTEM) as work:
        work.session.get_one(Removal, pk).purge_at = work.now() - timedelta(days=1)
        patient = Patient(
            patient_name="Doe^Jane",
            patient_sex="F",
            search_words="doe",
            created_at=work.now(),
            updated_at=work.now(),
        )
        work.session.add(patient)
        work.session.flush()
        patient_pk = patient.patient_pk
        work.session.execute(update(Study).values(patient_pk=patient_pk).execution_options(**WITH_REMOVED))
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    purged = threading.Thread(target=lambda: purge_due(archive))
    with archive.offices.work(SYSTEM) as work:
        place_hold(
            work,
            study_instance_uid=None if of_patient else slices[0].StudyInstanceUID,
            patient_pk=patient_pk if of_patient else None,
            reason="a claim",
        )
        purged.start()
        purged.join(1.0)
        assert purged.is_alive()
    purged.join(20)
    with archive.offices.database.transaction() as session:
        assert session.get_one(Removal, pk).purged_at is None


def purge_due(archive: Archive) -> None:
    with archive.offices.work(SYSTEM) as work:
        removing.purge_trash(work)


def purge_everything(archive: Archive) -> None:
    with archive.offices.work(SYSTEM) as work:
        for removal in work.session.scalars(select(Removal).where(Removal.restored_at.is_(None))):
            removal.purge_at = work.now() - timedelta(seconds=1)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    with archive.offices.work(SYSTEM) as work:
        removing.purge_trash(work)
    with archive.offices.work(SYSTEM) as work:
        for locations in work.session.scalars(
            text(
                "SELECT args -> 'locations' FROM procrastinate_jobs WHERE task_name = 'archive.destroy_objects'"
            )
        ):
            removing.destroy_objects(work, locations)


def test_purging_destroys_objects_and_key_and_leaves_a_tombstone(
    archive: Archive, store: Store, make_dicom: MakeDicom, tmp_path: Path
) -> None:
    slices, other = study_of(make_dicom, 2), study_of(make_dicom, 1)
    store(*slices, *other)
    pk = take(archive, Target(slices[0].StudyInstanceUID))
    with archive.offices.database.transaction() as session:
        files = {
            location: archive.objects.open(location)
            for location in session.scalars(
                select(StoredObject.location)
                .join(Instance, Instance.instance_pk == StoredObject.instance_pk)
                .where(Instance.removal_pk == pk)
                .execution_options(**WITH_REMOVED)
            )
        }
    assert len(files) == 2
    with archive.offices.work(SYSTEM) as work:
        removing.purge_trash(work)  # its days are not over
    assert rows(archive, "removal")[0]["purged_at"] is None
    purge_everything(archive)
    with archive.offices.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(StoredObject)) == 1
        assert session.scalars(select(StudyKey.study_instance_uid)).all() == [other[0].StudyInstanceUID]
        assert session.scalar(select(func.count()).select_from(Instance)) == 1
        kept = session.scalars(
            select(Instance.sop_instance_uid)
            .where(Instance.removal_pk == pk)
            .execution_options(**WITH_REMOVED)
        ).all()
        assert set(kept) == {ds.SOPInstanceUID for ds in slices}
    for location in files:
        with pytest.raises(Exception, match=r".*"):
            archive.objects.open(location)
    with pytest.raises(Conflict), archive.offices.work(TECHNOLOGIST) as work:
        removing.restore(work, pk, reason="too late")
    assert seen(archive, other[0])["moved"] == 1


def set_policy(archive: Archive, on_return: str) -> None:
    with archive.offices.work(SYSTEM) as work:
        removing.save_policy(
            work, trash_days=30, on_return=on_return, is_delete_by_dicomweb=True, on_rejection={}
        )


@pytest.mark.parametrize("purged", [False, True])
@pytest.mark.parametrize("new", [False, True])
def test_what_comes_again_waits_for_a_person_by_default(
    archive: Archive, store: Store, make_dicom: MakeDicom, purged: bool, new: bool
) -> None:
    slices = study_of(make_dicom, 2)
    store(*slices)
    take(archive, Target(slices[0].StudyInstanceUID))
    if purged:
        purge_everything(archive)
    again = make_dicom(
        StudyInstanceUID=slices[0].StudyInstanceUID, SeriesInstanceUID=slices[0].SeriesInstanceUID
    )
    ds = again if new else slices[0]
    (result,) = store(ds)
    if result.outcome == "refused":  # its key was destroyed while this process knew it
        (result,) = store(ds)
    assert (result.outcome, hex(result.status)) == ("quarantined", "0xb000")
    assert seen(archive, ds)["studies"] == 0
    with archive.offices.database.transaction() as session:
        waiting = session.scalars(select(Quarantine)).one()
        assert waiting.reason == "removed"
        pk = waiting.quarantine_pk
    with pytest.raises(Conflict), archive.offices.work(SYSTEM) as work:
        resolve_quarantine(work, archive, pk, Resolution.RETRIED, reason="try")
    with archive.offices.work(SYSTEM) as work:
        resolve_quarantine(work, archive, pk, Resolution.ACCEPTED, reason="it is right after all")
    assert seen(archive, ds) == {"studies": 1, "series": 1, "instances": 1, "moved": 1, "patients": 1}
    with archive.offices.work(SYSTEM) as work:
        (one,) = instances_for_retrieve(work, sop_instance_uids=[ds.SOPInstanceUID], destination="X")
        assert b"".join(one.chunks())[-2000:] == file_bytes(ds)[-2000:]


@pytest.mark.parametrize("purged", [False, True])
def test_what_comes_again_is_refused_or_taken_where_the_policy_says_so(
    archive: Archive, store: Store, make_dicom: MakeDicom, purged: bool
) -> None:
    slices = study_of(make_dicom, 2)
    store(*slices)
    take(archive, Target(slices[0].StudyInstanceUID))
    if purged:
        purge_everything(archive)
        archive.vault.forget_keys()
    set_policy(archive, "refuse")
    (result,) = store(slices[0])
    assert (result.outcome, hex(result.status)) == ("refused", "0x124")
    with archive.offices.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Quarantine)) == 0
    set_policy(archive, "accept")
    (result,) = store(slices[0])
    assert result.outcome == ("stored" if purged else "duplicate")
    assert seen(archive, slices[0])["moved"] == 1


def test_a_new_image_of_a_series_that_lost_one_is_filed(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 1)
    store(*slices)
    ds = slices[0]
    take(archive, Target(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID))
    assert seen(archive, ds)["studies"] == 0
    (result,) = store(
        make_dicom(StudyInstanceUID=ds.StudyInstanceUID, SeriesInstanceUID=ds.SeriesInstanceUID)
    )
    assert result.outcome == "stored"
    assert seen(archive, ds)["instances"] == 1


def test_a_study_removed_while_it_arrives_takes_no_image_to_the_trash_unseen(
    archive: Archive, make_dicom: MakeDicom, as_file: Callable[[pydicom.Dataset], bytes]
) -> None:
    slices = study_of(make_dicom, 4)
    with archive.intake.transfer(SYSTEM, received_from="CT1") as transfer:

        def send(ds: pydicom.Dataset) -> str:
            incoming = transfer.file()
            incoming.write(as_file(ds))
            return incoming.commit().outcome

        assert [send(ds) for ds in slices[:2]] == ["stored", "stored"]
        gone = threading.Thread(target=take, args=(archive, Target(slices[0].StudyInstanceUID)))
        gone.start()
        gone.join()
        assert [send(ds) for ds in slices[2:]] == ["quarantined", "quarantined"]
    with archive.offices.database.transaction() as session:
        marks = session.execute(
            select(Instance.removal_pk, Series.removal_pk)
            .join(Series, Series.series_pk == Instance.series_pk)
            .execution_options(**WITH_REMOVED)
        ).all()
    assert len(marks) == 2
    assert all(mark is not None for row in marks for mark in row)


def test_the_policy_is_kept_and_checked(archive: Archive) -> None:
    set_policy(archive, "refuse")
    with archive.offices.work(SYSTEM) as work:
        assert removing.policy(work).on_return == "refuse"
        assert work.session.scalar(select(func.count()).select_from(ArchivePolicy)) == 1
        for wrong in (
            {"trash_days": 0}, {"on_return": "swallow"}, {"on_rejection": {"113001": "eat"}},
            {"on_rejection": {"1": "hide"}},
        ):  # fmt: skip
            given: dict[str, Any] = {
                "trash_days": 30, "on_return": "refuse", "is_delete_by_dicomweb": True, "on_rejection": {},
            } | wrong  # fmt: skip
            with pytest.raises(Invalid):
                removing.save_policy(work, **given)
    with pytest.raises(Denied), archive.offices.work(TECHNOLOGIST) as work:
        removing.save_policy(
            work, trash_days=1, on_return="accept", is_delete_by_dicomweb=True, on_rejection={}
        )


def test_an_administrator_destroys_at_once_and_nobody_else(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    slices = study_of(make_dicom, 1)
    store(*slices)
    pk = take(archive, Target(slices[0].StudyInstanceUID))
    path = f"/api/archive/removals/{pk}/purge"
    assert web.as_role("technologist").post(path).status_code == 403
    admin = web.as_role("admin")
    purged = admin.post(path)
    assert purged.status_code == 200, purged.text
    assert purged.json()["purged_at"] is not None
    assert admin.post(path).status_code == 409
    (row,) = admin.get("/api/archive/removals", params={"state": "purged"}).json()["items"]
    assert (row["removal_pk"], row["level"], row["reason"]) == (pk, "STUDY", "wrong patient")
    assert rows(archive, "study_key") == []


def test_the_policy_by_http(web: Api) -> None:
    admin = web.as_role("admin")
    policy = admin.get("/api/archive/removal-policy").json()
    assert (policy["trash_days"], policy["on_return"]) == (30, "quarantine")
    changed = admin.put("/api/archive/removal-policy", json={**policy, "trash_days": 7})
    assert changed.status_code == 200, changed.text
    assert web.as_role("technologist").get("/api/archive/removal-policy").json()["trash_days"] == 7
    wrong = admin.put("/api/archive/removal-policy", json={**policy, "trash_days": 0})
    assert [one["field"] for one in wrong.json()["errors"]] == ["trash_days"]
