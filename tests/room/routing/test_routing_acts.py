"""What rules do beside sending: pictures are compressed in their place, people and systems are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from common import Api
from wetread.archive import compression
from wetread.archive.model import StoredObject, Study
from wetread.archive.service import Archive
from wetread.dicom.transfersyntax import HTJ2K_LOSSLESS_RPCL, JPEG_LS_LOSSLESS
from wetread.jobs.service import REGISTRY
from wetread.kit.errors import Invalid
from wetread.kit.events import OutboxEvent
from wetread.notices.service import forget_old
from wetread.routing import jobs, service, telling
from wetread.security.service import Actor, AuditEventID, FileMasterKey

ADMIN = Actor.system("admin")
assert jobs.notify and compression.compress_study  # their tasks are run by name
Store = Callable[..., Any]


def rule(archive: Archive, *conditions: dict[str, Any], **more: Any) -> int:
    with archive.offices.work(ADMIN) as work:
        values: dict[str, Any] = {
            "name": f"rule {len(more)}", "is_enabled": True, "wait_s": 0, "remote_ae_pk": None, **more,
        }  # fmt: skip
        return service.save_rule(work, conditions=conditions, **values).rule.routing_rule_pk


def told(archive: Archive, study_instance_uid: str) -> int:
    with archive.offices.work(ADMIN) as work:
        study_pk = work.session.scalars(
            select(Study.study_pk).where(Study.study_instance_uid == study_instance_uid)
        ).one()
        service.studies_updated(work, [{"keys": {"study_pk": study_pk}}])
        return study_pk


def run_jobs(archive: Archive, name: str) -> int:
    """Runs the waiting jobs of a task, as the worker does; how many."""
    with archive.offices.database.transaction() as session:
        rows = session.execute(
            text("DELETE FROM procrastinate_jobs WHERE task_name = :name RETURNING args"), {"name": name}
        ).all()
    for (args,) in rows:
        with archive.offices.work(Actor.system("worker")) as work:
            REGISTRY.tasks[name].run(work, **args)
    return len(rows)


def syntaxes(archive: Archive) -> dict[str, str]:
    """Series Instance UID → the transfer syntax of its original."""
    with archive.offices.work(ADMIN) as work:
        work.audit(AuditEventID.QUERY, "E")
        rows = work.session.execute(
            text(
                "SELECT e.series_instance_uid, o.transfer_syntax_uid FROM stored_object o"
                " JOIN instance i USING (instance_pk) JOIN series e USING (series_pk) WHERE o.role = 'original'"
            )
        )
        return {row[0]: row[1] for row in rows}


def test_a_rule_compresses_the_series_that_match_and_no_others(
    archive: Archive, make_dicom: Any, store: Store, web: Api
) -> None:
    thin = {"keyword": "SeriesDescription", "operator": "contains", "values": ["thin"]}
    ct = {"keyword": "Modality", "operator": "is", "values": ["CT"]}
    rule(archive, thin, ct, compress_to=HTJ2K_LOSSLESS_RPCL, name="thin slices")
    rule(archive, ct, compress_to=JPEG_LS_LOSSLESS, name="later", is_enabled=False)
    store(
        make_dicom(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", SeriesDescription="Thin 0.6"),
        make_dicom(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.2", SeriesDescription="Thick 5"),
    )
    told(archive, "1.2.3")
    assert run_jobs(archive, service.COMPRESS) == 1
    assert run_jobs(archive, "archive.compress_study") == 1
    assert syntaxes(archive) == {"1.2.3.1": HTJ2K_LOSSLESS_RPCL, "1.2.3.2": "1.2.840.10008.1.2.1"}

    admin = web.as_role("admin")
    (one,) = admin.get("/api/archive/compressions").json()["items"]
    assert (one["state"], one["objects"], one["requested_by"], one["left"]) == ("done", 1, "thin slices", 0)
    assert 0 < one["bytes_after"] < one["bytes_before"]
    # What was received is deleted a day later, and only where its compressed form is whole.
    assert roles(archive) == ["original", "original", "superseded"]
    run_part(archive)
    assert roles(archive) == ["original", "original", "superseded"]
    with archive.offices.database.transaction() as session:
        session.execute(text("UPDATE parting_object SET until = now() - interval '1 s'"))
        received = session.scalars(
            select(StoredObject.location).where(StoredObject.role == "superseded")
        ).one()
    run_part(archive)
    assert roles(archive) == ["original", "original"]
    assert run_jobs(archive, "archive.destroy_objects") == 1
    assert received not in set(archive.objects.listing(0))

    # It can still be given back, by whoever may work the queue.
    key = one["compression_pk"]
    assert web.as_role("radiologist").post(f"/api/archive/compressions/{key}/restore").status_code == 403
    assert admin.post(f"/api/archive/compressions/{key}/restore").status_code == 204
    run_jobs(archive, "archive.compress_study")
    assert set(syntaxes(archive).values()) == {"1.2.840.10008.1.2.1"}
    # What a person had put back is not compressed again because more came.
    told(archive, "1.2.3")
    run_jobs(archive, service.COMPRESS)
    assert run_jobs(archive, "archive.compress_study") == 0
    assert admin.post(f"/api/archive/compressions/{key}/restore").status_code == 409


def roles(archive: Archive) -> list[str]:
    with archive.offices.database.transaction() as session:
        return sorted(session.scalars(select(StoredObject.role)))


def run_part(archive: Archive) -> None:
    with archive.offices.work(Actor.system("worker")) as work:
        compression.part_objects(work)


def test_the_received_bytes_stay_where_their_compressed_form_is_damaged(
    archive: Archive, make_dicom: Any, store: Store
) -> None:
    rule(archive, compress_to=HTJ2K_LOSSLESS_RPCL)
    store(make_dicom(StudyInstanceUID="1.2.3"))
    told(archive, "1.2.3")
    run_jobs(archive, service.COMPRESS)
    run_jobs(archive, "archive.compress_study")
    with archive.offices.database.transaction() as session:
        session.execute(text("UPDATE parting_object SET until = now() - interval '1 s'"))
        location = session.scalars(select(StoredObject.location).where(StoredObject.role == "original")).one()
    archive.objects.delete(location)
    run_part(archive)
    assert roles(archive) == ["original", "superseded"]


def test_what_cannot_be_proved_stays_as_it_came_and_says_why(
    archive: Archive, make_dicom: Any, store: Store, web: Api
) -> None:
    rule(archive, compress_to=HTJ2K_LOSSLESS_RPCL)
    overlaid = make_dicom(StudyInstanceUID="1.2.3", BitsStored=12, HighBit=11, PixelRepresentation=0)
    words = bytearray(overlaid.PixelData)
    words[1] |= 0x80  # a bit beyond BitsStored, as old overlays are
    overlaid.PixelData = bytes(words)
    store(overlaid)
    told(archive, "1.2.3")
    run_jobs(archive, service.COMPRESS)
    run_jobs(archive, "archive.compress_study")
    assert set(syntaxes(archive).values()) == {"1.2.840.10008.1.2.1"}
    (one,) = web.as_role("admin").get("/api/archive/compressions").json()["items"]
    assert (one["state"], one["objects"], one["left"]) == ("done", 0, 1)
    assert "would be lost" in one["first_reason"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"compress_to": "1.2.840.10008.1.2.4.50"}, "compress_to"),  # lossy
        ({"compress_to": "1.2.840.10008.1.2.4.91"}, "compress_to"),
        ({}, "remote_ae_pk"),  # does nothing
        ({"notice_roles": ["radiologist"], "deidentify": {}}, "deidentify"),
        ({"notice_roles": ["nobody"]}, "notice_roles"),
        ({"notice_user_pks": [987654321]}, "notice_user_pks"),
    ],
)
def test_rules_that_cannot_be(archive: Archive, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        rule(archive, **fields)
    assert field in {fault.field for fault in caught.value.fields}


@pytest.fixture
def posted() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    heard: list[tuple[str, dict[str, Any]]] = []
    service.use_key(FileMasterKey(b"k" * 32))
    telling.use_post(lambda url, body, _headers: heard.append((url, json.loads(body))))
    yield heard
    telling._posts.clear()


def test_people_and_systems_are_told_once_it_is_quiet(
    archive: Archive, make_dicom: Any, store: Store, web: Api, posted: list[tuple[str, dict[str, Any]]]
) -> None:
    reader, other = web.as_role("radiologist"), web.as_role("radiologist")
    desk, biller = web.as_role("front_desk"), web.as_role("biller")
    rule(
        archive, wait_s=60, name="MR is here", notice_roles=["radiologist"], notice_user_pks=[desk.user_pk],
        is_told_by_hl7=True, tell_url="https://other.example/here", tell_secret="a secret of two houses",
    )  # fmt: skip
    store(make_dicom(StudyInstanceUID="1.2.3", StudyDescription="Head", Modality="MR"))
    study_pk = told(archive, "1.2.3")
    told(archive, "1.2.3")
    assert run_jobs(archive, service.NOTIFY) == 1
    assert reader.get("/api/notices").json() == {"items": [], "unread": 0}  # more may come
    with archive.offices.database.transaction() as session:
        session.execute(update(Study).values(updated_at=Study.updated_at - timedelta(seconds=61)))
    assert run_jobs(archive, service.NOTIFY) == 1
    assert run_jobs(archive, service.TELL) == 1
    assert posted == [
        (
            "https://other.example/here",
            {"event": "study.received", "rule": "MR is here", "study_instance_uid": "1.2.3", "instances": 1},
        )
    ]
    with archive.offices.database.transaction() as session:
        events = session.scalars(select(OutboxEvent.keys).where(OutboxEvent.kind == "study.notified")).all()
    assert [one["study_pk"] for one in events] == [study_pk]

    for who in (reader, other, desk):
        told_now = who.get("/api/notices").json()
        assert told_now["unread"] == 1
        (one,) = told_now["items"]
        assert (one["title"], one["link"], one["is_read"]) == (
            "Head is here",
            f"/studies/{study_pk}",
            False,
        )
        assert "Doe" not in json.dumps(told_now)
    assert biller.get("/api/notices").json() == {"items": [], "unread": 0}
    # Who joins later is not told of what was before.
    assert web.as_role("radiologist").get("/api/notices").json()["unread"] == 0

    key = reader.get("/api/notices").json()["items"][0]["notice_pk"]
    assert biller.post(f"/api/notices/{key}/read").status_code == 404
    assert reader.post(f"/api/notices/{key}/read").status_code == 204
    assert reader.get("/api/notices").json()["unread"] == 0
    assert reader.get("/api/notices").json()["items"][0]["is_read"]
    assert other.get("/api/notices").json()["unread"] == 1
    assert desk.post("/api/notices/read").status_code == 204
    assert desk.get("/api/notices").json()["unread"] == 0

    # The same is told to the same people once.
    told(archive, "1.2.3")
    run_jobs(archive, service.NOTIFY)
    assert len(other.get("/api/notices").json()["items"]) == 1
    with archive.offices.database.transaction() as session:
        session.execute(text("UPDATE notice SET created_at = created_at - interval '91 days'"))
    with archive.offices.work(ADMIN) as work:
        assert forget_old(work) == 2
