"""Unified Procedure Steps over DIMSE with pynetdicom as requester, performer and watcher (PS3.4 annex CC)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepQuery,
    UnifiedProcedureStepWatch,
)
from sqlalchemy import select

from wetread.app.peers import workitem_reporter_as
from wetread.archive.service import Archive
from wetread.dimse.server import Node
from wetread.kit.config import Settings
from wetread.workitems import service
from wetread.workitems.model import WorkitemEvent
from wetread.workitems.service import ReportFailed, use_reporter

GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
CLASSES = {
    "push": UnifiedProcedureStepPush,
    "watch": UnifiedProcedureStepWatch,
    "pull": UnifiedProcedureStepPull,
    "query": UnifiedProcedureStepQuery,
}


def code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99HOUSE", value.lower()
    return item


def asked(label: str = "Find nodules") -> Dataset:
    ds = Dataset()
    ds.ProcedureStepState = "SCHEDULED"
    ds.ScheduledProcedureStepPriority = "HIGH"
    ds.ProcedureStepLabel = label
    ds.WorklistLabel = "AI"
    ds.ScheduledProcedureStepStartDateTime = "20261125030000"
    ds.InputReadinessState = "READY"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID = "Müller^Jörg", "P1"
    ds.ScheduledStationNameCodeSequence = Sequence([code("AI1")])
    ds.ScheduledWorkitemCodeSequence = Sequence([code("CAD")])
    return ds


def performed() -> Dataset:
    item = Dataset()
    item.PerformedStationNameCodeSequence = Sequence([code("AI1")])
    item.PerformedProcedureStepStartDateTime = "20261125030000"
    item.PerformedProcedureStepEndDateTime = "20261125030500"
    item.PerformedWorkitemCodeSequence = Sequence([code("CAD")])
    item.OutputInformationSequence = Sequence([])
    ds = Dataset()
    ds.UnifiedProcedureStepPerformedProcedureSequence = Sequence([item])
    return ds


@dataclass
class User:
    """An application entity with one association."""

    association: Association

    def create(self, ds: Dataset, uid: str | None = None) -> tuple[int, str]:
        made = uid or generate_uid()
        status, _ = self.association.send_n_create(ds, UnifiedProcedureStepPush, made)
        return status.Status, made

    def act(self, kind: int, uid: str, by: str, **keywords: Any) -> int:
        ds = Dataset()
        for keyword, value in keywords.items():
            setattr(ds, keyword, value)
        status, _ = self.association.send_n_action(
            ds, kind, UnifiedProcedureStepPush, uid, meta_uid=CLASSES[by]
        )
        return status.Status

    def state(self, uid: str, state: str, transaction: str) -> int:
        return self.act(1, uid, "pull", ProcedureStepState=state, TransactionUID=transaction)

    def set(self, ds: Dataset, uid: str, transaction: str | None = None) -> int:
        if transaction:
            ds.TransactionUID = transaction
        status, _ = self.association.send_n_set(
            ds, UnifiedProcedureStepPush, uid, meta_uid=UnifiedProcedureStepPull
        )
        return status.Status

    def get(self, uid: str, *keywords: str) -> tuple[int, Dataset | None]:
        status, ds = self.association.send_n_get(
            [Tag(keyword) for keyword in keywords],
            UnifiedProcedureStepPush,
            uid,
            meta_uid=UnifiedProcedureStepWatch,
        )
        return status.Status, ds

    def find(self, by: str, **keys: Any) -> tuple[int, list[Dataset]]:
        ds = Dataset()
        for keyword, value in keys.items():
            setattr(ds, keyword, value)
        found, last = [], -1
        for status, match in self.association.send_c_find(ds, CLASSES[by]):
            last = status.Status
            if last in (0xFF00, 0xFF01):
                found.append(match)
        return last, found

    def subscribe(self, uid: str, title: str, lock: str = "FALSE", **keys: Any) -> int:
        return self.act(3, uid, "watch", ReceivingAE=title, DeletionLock=lock, **keys)


@contextmanager
def associated(node: Node, title: str = "AI1") -> Iterator[User]:
    ae = AE(ae_title=title)
    for uid in CLASSES.values():
        ae.add_requested_context(uid)
    association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD")
    assert association.is_established
    assert len(association.accepted_contexts) == len(CLASSES)
    yield User(association)
    association.release()


@pytest.fixture
def user(real_node: Node, add_peer: Any) -> Iterator[User]:
    add_peer("AI1")
    with associated(real_node) as user:
        yield user


@dataclass
class Watcher:
    """Hears events on a port of its own, as SCU of the Event SOP class."""

    heard: list[tuple[str, int, Dataset]] = field(default_factory=list)
    answer: int = 0x0000

    def on_event(self, event: evt.Event) -> tuple[int, None]:
        request = event.request
        assert request.AffectedSOPClassUID == UnifiedProcedureStepPush
        self.heard.append((str(request.AffectedSOPInstanceUID), event.event_type, event.event_information))
        return self.answer, None

    @contextmanager
    def listening(self) -> Iterator[int]:
        ae = AE(ae_title="WATCHER")
        ae.add_supported_context(UnifiedProcedureStepEvent, scu_role=False, scp_role=True)
        server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.on_event)]
        )
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def test_asked_for_found_claimed_performed_and_completed(user: User) -> None:
    status, uid = user.create(asked())
    assert status == 0x0000
    status, found = user.find(
        "pull", ProcedureStepState="SCHEDULED", SOPInstanceUID="", PatientName="müller*", SpecificCharacterSet="ISO_IR 192",
        ScheduledStationNameCodeSequence=Sequence([code("AI1")]), TransactionUID="",
    )  # fmt: skip
    assert status == 0x0000
    (match,) = found
    assert match.SOPInstanceUID == uid
    assert match.PatientName == "Müller^Jörg"
    assert not match.get("TransactionUID")
    assert "PatientID" not in match
    transaction = generate_uid()
    assert user.state(uid, "IN PROGRESS", transaction) == 0x0000
    assert user.find("pull", ProcedureStepState="SCHEDULED", SOPInstanceUID="")[1] == []
    assert user.state(uid, "COMPLETED", transaction) == 0xC304
    assert user.set(performed(), uid, transaction) == 0x0000
    assert user.state(uid, "COMPLETED", transaction) == 0x0000
    status, ds = user.get(uid)
    assert status == 0x0000
    assert ds is not None
    assert ds.ProcedureStepState == "COMPLETED"
    assert ds.PatientName == "Müller^Jörg"
    assert "TransactionUID" not in ds
    assert (
        ds.UnifiedProcedureStepPerformedProcedureSequence[0].PerformedWorkitemCodeSequence[0].CodeValue
        == "CAD"
    )


def test_statuses_of_the_standard(user: User) -> None:
    _, uid = user.create(asked())
    one, two = generate_uid(), generate_uid()
    assert user.create(asked(), uid)[0] == 0x0111
    wrong = asked()
    wrong.ProcedureStepState = "IN PROGRESS"
    assert user.create(wrong)[0] == 0xC309
    missing = asked()
    del missing.ProcedureStepLabel
    assert user.create(missing)[0] == 0x0120
    empty = asked()
    empty.InputReadinessState = ""
    assert user.create(empty)[0] == 0x0121
    more = asked()
    more.TransactionUID = one
    assert user.create(more)[0] == 0xB300
    assert user.state(uid, "COMPLETED", one) == 0xC310
    assert user.state(uid, "SCHEDULED", one) == 0xC303
    assert user.act(1, uid, "pull", ProcedureStepState="IN PROGRESS") == 0xC301
    assert user.state(uid, "IN PROGRESS", one) == 0x0000
    assert user.state(uid, "IN PROGRESS", two) == 0xC302
    assert user.set(performed(), uid) == 0xC301
    assert user.set(performed(), uid, two) == 0xC301
    assert user.act(2, uid, "push", ReasonForCancellation="late") == 0xC312
    assert user.set(performed(), uid, one) == 0x0000
    assert user.state(uid, "COMPLETED", two) == 0xC301
    assert user.state(uid, "COMPLETED", one) == 0x0000
    assert user.state(uid, "COMPLETED", one) == 0xB306
    assert user.state(uid, "CANCELED", one) == 0xC300
    assert user.set(performed(), uid, one) == 0xC300
    assert user.act(2, uid, "push", ReasonForCancellation="late") == 0xC311
    _, other = user.create(asked())
    assert user.act(2, other, "watch", ReasonForCancellation="no images") == 0x0000
    assert user.act(2, other, "watch", ReasonForCancellation="again") == 0xB304
    assert user.get(generate_uid())[0] == 0xC307
    assert user.get(uid, "ProcedureStepLabel", "MagneticFieldStrength")[0] == 0x0001
    assert user.subscribe(uid, "NOBODY") == 0xC308
    assert user.act(5, uid, "watch", ReceivingAE="AI1") == 0xC314
    assert user.act(9, uid, "watch", ReceivingAE="AI1") == 0x0123
    # Each class has operations of its own (PS3.4 table CC.1-1).
    assert user.act(3, uid, "pull", ReceivingAE="AI1", DeletionLock="FALSE") == 0x0123
    assert user.act(1, uid, "push", ProcedureStepState="IN PROGRESS", TransactionUID=one) == 0x0123


@pytest.mark.parametrize("by", ["pull", "watch", "query"])
def test_three_classes_search(user: User, by: str) -> None:
    for label in ("one", "two"):
        user.create(asked(label))
    status, found = user.find(by, ProcedureStepLabel="t*")
    assert status == 0x0000
    assert [match.ProcedureStepLabel for match in found] == ["two"]
    assert user.find(by, ScheduledProcedureStepStartDateTime="whenever")[0] == 0xA900


def test_who_lacks_the_right_is_refused(real_node: Node, add_peer: Any) -> None:
    add_peer("CT1", rights=("verify", "store"))
    with associated(real_node, "CT1") as user:
        assert user.create(asked())[0] == 0x0124
        assert user.find("query", ProcedureStepLabel="")[0] == 0x0124
        assert user.get("1.2.3")[0] == 0x0124


def test_two_who_want_the_same_work(real_node: Node, add_peer: Any) -> None:
    """Exactly one of eight gets it."""
    titles = [f"AI{number}" for number in range(8)]
    for title in titles:
        add_peer(title)
    with associated(real_node, "AI0") as user:
        _, uid = user.create(asked())
    answers: list[int] = []
    barrier = threading.Barrier(len(titles))

    def claim(title: str) -> None:
        with associated(real_node, title) as user:
            barrier.wait()
            answers.append(user.state(uid, "IN PROGRESS", generate_uid()))

    threads = [threading.Thread(target=claim, args=(title,)) for title in titles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0x0000] + [0xC302] * 7


@pytest.fixture
def watched(archive: Archive, add_peer: Any, tmp_path: Any) -> Iterator[Watcher]:
    watcher = Watcher()
    use_reporter(workitem_reporter_as(Settings(data=tmp_path)))
    with watcher.listening() as port:
        add_peer("WATCHER", port)
        yield watcher


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_subscribers_hear_events(user: User, watched: Watcher, archive: Archive) -> None:
    assert user.subscribe(GLOBAL, "WATCHER") == 0x0000
    _, uid = user.create(asked())
    transaction = generate_uid()
    user.state(uid, "IN PROGRESS", transaction)
    progress = Dataset()
    step = Dataset()
    step.ProcedureStepProgress = "40"
    step.ProcedureStepProgressDescription = "segmenting"
    progress.ProcedureStepProgressInformationSequence = Sequence([step])
    assert user.set(progress, uid, transaction) == 0x0000
    assert user.act(2, uid, "watch", ReasonForCancellation="wrong patient") == 0x0000
    assert service.deliver(archive.offices, "WATCHER") == 5
    wait_for(lambda: len(watched.heard) == 5)
    assert [kind for _, kind, _ in watched.heard] == [1, 5, 1, 3, 2]
    assert {instance for instance, _, _ in watched.heard} == {uid}
    state, assigned, _, reported, cancel = (information for _, _, information in watched.heard)
    assert (state.ProcedureStepState, state.InputReadinessState) == ("SCHEDULED", "READY")
    assert assigned.ScheduledStationNameCodeSequence[0].CodeValue == "AI1"
    assert reported.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 40
    assert (cancel.RequestingAE, cancel.ReasonForCancellation) == ("AI1", "wrong patient")
    assert service.deliver(archive.offices, "WATCHER") == 0


def test_a_filtered_subscription(user: User, watched: Watcher, archive: Archive) -> None:
    assert user.subscribe(FILTERED, "WATCHER") == 0x0115
    assert user.subscribe(FILTERED, "WATCHER", WorklistLabel="AI") == 0x0000
    other = asked()
    other.WorklistLabel = "READING"
    user.create(other)
    _, uid = user.create(asked())
    service.deliver(archive.offices, "WATCHER")
    assert {instance for instance, _, _ in watched.heard} == {uid}


def test_the_start_of_the_node_is_told(user: User, watched: Watcher, archive: Archive) -> None:
    user.subscribe(GLOBAL, "WATCHER")
    service.announce(archive.offices, "RESTARTED")
    service.deliver(archive.offices, "WATCHER")
    ((instance, kind, information),) = watched.heard
    assert (instance, kind) == (GLOBAL, 4)
    assert information.SCPStatus == "RESTARTED"
    assert information.SubscriptionListStatus == information.UnifiedProcedureStepListStatus == "WARM START"


def test_events_wait_for_who_is_away(user: User, add_peer: Any, archive: Archive, tmp_path: Any) -> None:
    use_reporter(workitem_reporter_as(Settings(data=tmp_path)))
    watcher = Watcher()
    with watcher.listening() as port:
        add_peer("WATCHER", port)
    user.subscribe(GLOBAL, "WATCHER")
    user.create(asked())
    with pytest.raises(ReportFailed):
        service.deliver(archive.offices, "WATCHER")
    with archive.offices.database.transaction() as session:
        rows = session.scalars(select(WorkitemEvent)).all()
        assert [row.delivered_at for row in rows] == [None, None]
        assert "WATCHER" in str(rows[0].last_error)


def test_what_a_subscriber_objects_to_is_noted_and_holds_up_nothing(
    user: User, watched: Watcher, archive: Archive
) -> None:
    watched.answer = 0x0110
    user.subscribe(GLOBAL, "WATCHER")
    user.create(asked())
    assert service.deliver(archive.offices, "WATCHER") == 2
    with archive.offices.database.transaction() as session:
        rows = session.scalars(select(WorkitemEvent)).all()
    assert all(row.delivered_at and "0110" in str(row.last_error) for row in rows)


def test_the_job_that_the_worker_runs(user: User, watched: Watcher, archive: Archive) -> None:
    from wetread.app.subscriptions import SUBSCRIPTIONS
    from wetread.jobs.service import REGISTRY
    from wetread.jobs.worker import run_now
    from wetread.workitems import jobs

    user.subscribe(GLOBAL, "WATCHER")
    user.create(asked())
    run_now(archive.offices, REGISTRY.tasks[service.REPORT_JOB], {"receiving_ae_title": "WATCHER"})
    assert [kind for _, kind, _ in watched.heard] == [1, 5]
    assert jobs.remove_finished is REGISTRY.tasks["workitems.remove_finished"].run
    assert "availability.studies_updated" in SUBSCRIPTIONS["study.updated"]


def test_people_search_from_a_terminal(user: User, real_node: Node) -> None:
    from typer.testing import CliRunner

    from wetread.cli.main import app

    user.create(asked("Find nodules"))
    user.create(asked("Segment the liver"))
    peer = f"WETREAD@127.0.0.1:{real_node.port}"
    done = CliRunner().invoke(
        app,
        ["find", peer, "--model", "workitems", "--calling", "AI1", "-k", "ProcedureStepLabel=Seg*", "--json"],
    )
    assert done.exit_code == 0, done.output
    assert "Segment the liver" in done.output
    assert "Find nodules" not in done.output
