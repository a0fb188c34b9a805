"""Instance Availability Notifications (PS3.4 annex R), heard by pynetdicom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification
from sqlalchemy import select, text

import steady_pynetdicom
from archive_fixtures import MakeDicom, Store, archive, decoder, make_dicom, store
from node_fixtures import add_peer
from wetread.app.peers import means_of_notification
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.availability import rules, service
from wetread.availability.model import AvailabilityNotification
from wetread.availability.service import NotTold, use_means
from wetread.kit.clock import FixedClock
from wetread.kit.config import Settings
from wetread.security.service import Actor

__all__ = ["add_peer", "archive", "decoder", "make_dicom", "steady_pynetdicom", "store"]


@dataclass
class Receiver:
    answer: int = 0x0000
    heard: list[Dataset] = field(default_factory=list)

    def on_create(self, event: evt.Event) -> tuple[int, Dataset]:
        self.heard.append(event.attribute_list)
        return self.answer, Dataset()

    @contextmanager
    def listening(self) -> Iterator[int]:
        ae = AE(ae_title="RIS")
        ae.add_supported_context(InstanceAvailabilityNotification)
        server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, self.on_create)]
        )
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


@pytest.fixture
def clock(archive: Archive) -> FixedClock:
    clock = FixedClock(archive.offices.clock.now())
    archive.offices.clock = clock
    return clock


@pytest.fixture
def receiver(archive: Archive, add_peer: Any, tmp_path: Any) -> Iterator[Receiver]:
    settings = Settings(data=tmp_path, public_url="https://pacs.example/")
    use_means(means_of_notification(settings))
    made = Receiver()
    with made.listening() as port:
        add_peer("RIS", port, rights=("verify", "availability"))
        add_peer("OTHER", port, rights=("verify",))
        yield made


def told_of(ds: Dataset) -> list[str]:
    return sorted(
        item.ReferencedSOPInstanceUID
        for series in ds.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    )


def updated(archive: Archive) -> list[int]:
    """What the relay does with `study.updated`; the keys of what is to be told."""
    with archive.offices.database.transaction() as session:
        pks = session.scalars(select(Study.study_pk)).all()
    with archive.offices.work(Actor.system("test")) as work:
        service.studies_updated(work, [{"keys": {"study_pk": pk}} for pk in pks])
    with archive.offices.database.transaction() as session:
        return list(session.scalars(select(AvailabilityNotification.availability_notification_pk)))


def row(archive: Archive) -> AvailabilityNotification:
    with archive.offices.database.transaction() as session:
        return session.scalars(select(AvailabilityNotification)).one()


def test_a_quiet_study_is_told_of_and_what_comes_later_too(
    archive: Archive, store: Store, make_dicom: MakeDicom, receiver: Receiver, clock: FixedClock
) -> None:
    first, second = make_dicom(), make_dicom()
    second.StudyInstanceUID = first.StudyInstanceUID
    store(first, second)
    (pk,) = updated(archive)
    assert service.notify(archive.offices, pk) == 0  # more may come
    clock.advance(timedelta(seconds=service.QUIET_S))
    assert service.notify(archive.offices, pk) == 2
    (ds,) = receiver.heard
    assert ds.StudyInstanceUID == first.StudyInstanceUID
    assert len(ds.ReferencedSeriesSequence) == 2
    assert told_of(ds) == sorted([first.SOPInstanceUID, second.SOPInstanceUID])
    assert len(ds.ReferencedPerformedProcedureStepSequence) == 0
    (item,) = ds.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert (item.InstanceAvailability, item.RetrieveAETitle) == ("ONLINE", "WETREAD")
    assert item.ReferencedSOPClassUID == first.SOPClassUID
    assert item.RetrieveURI.startswith(
        f"https://pacs.example/dicom-web/studies/{first.StudyInstanceUID}/series/"
    )
    assert service.notify(archive.offices, pk) == 0
    third = make_dicom(StudyInstanceUID=first.StudyInstanceUID)
    store(third)
    assert updated(archive) == [pk]
    clock.advance(timedelta(seconds=service.QUIET_S))
    assert service.notify(archive.offices, pk) == 1
    assert told_of(receiver.heard[-1]) == [third.SOPInstanceUID]
    assert row(archive).told_count == 3


def test_news_puts_it_off(
    archive: Archive, store: Store, make_dicom: MakeDicom, receiver: Receiver, clock: FixedClock
) -> None:
    store(make_dicom())
    (pk,) = updated(archive)
    clock.advance(timedelta(seconds=service.QUIET_S - 1))
    updated(archive)
    clock.advance(timedelta(seconds=1))
    assert service.notify(archive.offices, pk) == 0
    with archive.offices.database.transaction() as session:
        jobs = session.execute(
            text("SELECT queue_name FROM procrastinate_jobs WHERE task_name = 'availability.notify'")
        ).all()
    assert [job.queue_name for job in jobs] == ["forwarding"]


@pytest.mark.parametrize("reached", [True, False])
def test_who_does_not_take_it_is_told_again(
    archive: Archive,
    store: Store,
    make_dicom: MakeDicom,
    receiver: Receiver,
    clock: FixedClock,
    add_peer: Any,
    reached: bool,
) -> None:
    receiver.answer = 0x0110
    if not reached:
        from sqlalchemy import update

        from wetread.archive.model import RemoteAE

        with archive.offices.database.transaction() as session:
            session.execute(update(RemoteAE).values(port=1))
    store(make_dicom())
    (pk,) = updated(archive)
    clock.advance(timedelta(seconds=service.QUIET_S))
    with pytest.raises(NotTold):
        service.notify(archive.offices, pk)
    failed = row(archive)
    assert failed.attempt_count == 1
    assert ("0110" in str(failed.last_error)) is reached
    if reached:
        receiver.answer = 0x0000
        assert service.notify(archive.offices, pk) == 1
        assert (row(archive).attempt_count, row(archive).last_error) == (0, None)


def test_a_large_study_is_told_of_in_parts(
    archive: Archive,
    store: Store,
    make_dicom: MakeDicom,
    receiver: Receiver,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "OBJECTS_MAX", 2)
    one = make_dicom()
    store(one, *(make_dicom(StudyInstanceUID=one.StudyInstanceUID) for _ in range(4)))
    (pk,) = updated(archive)
    clock.advance(timedelta(seconds=service.QUIET_S))
    assert service.notify(archive.offices, pk) == 5
    assert [len(told_of(ds)) for ds in receiver.heard] == [2, 2, 1]
    assert len({uid for ds in receiver.heard for uid in told_of(ds)}) == 5


def test_performed_steps_are_named() -> None:
    told = rules.notification("1.2", [], retrieve_ae_title="A", retrieve_uri=None, performed_steps=["1.3"])
    (item,) = told["00081111"]["Value"]
    assert item["00081155"]["Value"] == ["1.3"]
    assert list(told) == sorted(told)


def test_who_was_told_hears_what_became_of_it(
    archive: Archive, store: Store, make_dicom: MakeDicom, receiver: Receiver, clock: FixedClock
) -> None:
    from wetread.archive.removal import Target, remove, restore

    first, second = make_dicom(), make_dicom()
    second.StudyInstanceUID = first.StudyInstanceUID
    store(first, second)
    (pk,) = updated(archive)
    clock.advance(timedelta(seconds=service.QUIET_S))
    service.notify(archive.offices, pk)
    with archive.offices.work(Actor.system("test")) as work:
        removal = remove(work, Target(first.StudyInstanceUID, first.SeriesInstanceUID), reason="sent twice")
        keys = {"study_pk": removal.study_pk, "removal_pk": removal.removal_pk}
    with archive.offices.work(Actor.system("test")) as work:
        service.removed_or_restored(work, [{"kind": "study.removed", "keys": keys}])
        jobs = work.session.execute(
            text("SELECT args FROM procrastinate_jobs WHERE task_name = 'availability.notify_change'")
        ).all()
    assert [job.args for job in jobs] == [
        {"availability_notification_pk": pk, "removal_pk": keys["removal_pk"]}
    ]
    assert service.notify_change(archive.offices, pk, keys["removal_pk"]) == 1
    (item,) = receiver.heard[-1].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert (item.ReferencedSOPInstanceUID, item.InstanceAvailability) == (first.SOPInstanceUID, "UNAVAILABLE")
    assert "RetrieveURI" not in item
    with archive.offices.work(Actor.system("test")) as work:
        restore(work, keys["removal_pk"], reason="it was right")
    assert service.notify_change(archive.offices, pk, keys["removal_pk"]) == 2
    assert told_of(receiver.heard[-1]) == sorted([first.SOPInstanceUID, second.SOPInstanceUID])
    online = receiver.heard[-1].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert online.InstanceAvailability == "ONLINE"
    # A whole study, of which nothing is to be seen any more.
    with archive.offices.work(Actor.system("test")) as work:
        removal = remove(work, Target(first.StudyInstanceUID), reason="of another patient")
        removal_pk = removal.removal_pk
    assert service.notify_change(archive.offices, pk, removal_pk) == 2
    assert row(archive).told_count == 2


def test_who_knows_nothing_of_a_study_hears_nothing_of_its_end(
    archive: Archive, store: Store, make_dicom: MakeDicom, receiver: Receiver, clock: FixedClock
) -> None:
    from wetread.archive.removal import Target, remove

    ds = make_dicom()
    store(ds)
    (pk,) = updated(archive)
    with archive.offices.work(Actor.system("test")) as work:
        removal = remove(work, Target(ds.StudyInstanceUID), reason="sent by mistake")
        keys = {"study_pk": removal.study_pk, "removal_pk": removal.removal_pk}
    with archive.offices.work(Actor.system("test")) as work:
        service.removed_or_restored(work, [{"kind": "study.removed", "keys": keys}])
        count = work.session.execute(
            text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'availability.notify_change'")
        ).scalar()
    assert count == 0
    clock.advance(timedelta(seconds=service.QUIET_S))
    assert service.notify(archive.offices, pk) == 0
    assert receiver.heard == []
