"""Storage commitment (PS3.4 Annex J) with pynetdicom as the modality that asks, on the real archive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import CTImageStorage, StorageCommitmentPushModel
from sqlalchemy import select, text

from archive_fixtures import MakeDicom, Store
from wetread.app.peers import reporter_as
from wetread.archive.commitment import ReportFailed, report_commitment, use_reporter
from wetread.archive.model import StorageCommitment, StoredObject
from wetread.archive.service import Archive
from wetread.dimse.server import Node
from wetread.kit.config import Settings
from wetread.security.service import Actor

WELL_KNOWN = "1.2.840.10008.1.20.1.1"


@dataclass
class Modality:
    """Asks, and listens for the outcome."""

    title: str = "CT1"
    answer: int = 0x0000
    heard: list[tuple[int, Dataset]] = field(default_factory=list)

    def on_report(self, event: evt.Event) -> tuple[int, None]:
        self.heard.append((event.event_type, event.event_information))
        return self.answer, None

    @contextmanager
    def associated(self, node: Node) -> Iterator[Association]:
        ae = AE(ae_title=self.title)
        ae.add_requested_context(StorageCommitmentPushModel)
        ae.add_requested_context(CTImageStorage)
        association = ae.associate(
            "127.0.0.1",
            node.port,
            ae_title="WETREAD",
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.on_report)],
        )
        assert association.is_established
        yield association
        association.release()

    @contextmanager
    def listening(self) -> Iterator[int]:
        """The modality's own port, where it takes reports as SCU of the class (the SCP calls it)."""
        ae = AE(ae_title=self.title)
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.on_report)]
        )
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()

    def ask(
        self,
        association: Association,
        objects: list[Dataset | tuple[str, str]],
        transaction: str | None = None,
    ) -> tuple[int, str]:
        request = Dataset()
        request.TransactionUID = transaction or generate_uid()
        items = []
        for one in objects:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
                one if isinstance(one, tuple) else (one.SOPClassUID, one.SOPInstanceUID)
            )
            items.append(item)
        request.ReferencedSOPSequence = Sequence(items)
        status, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, WELL_KNOWN)
        return status.Status, request.TransactionUID


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def requests(archive: Archive) -> list[StorageCommitment]:
    with archive.offices.database.transaction() as session:
        return list(
            session.scalars(select(StorageCommitment).order_by(StorageCommitment.storage_commitment_pk))
        )


def uids(sequence: Any) -> list[str]:
    return sorted(item.ReferencedSOPInstanceUID for item in sequence)


def path_of(archive: Archive, sop_instance_uid: str) -> Path:
    name = _location(archive, sop_instance_uid).rsplit("/", 1)[-1]
    root: Path = archive.objects.root
    (found,) = [path for path in root.rglob("*") if path.name == name]
    return found


def run_job(archive: Archive, pk: int) -> None:
    with archive.offices.work(Actor.system("archive.report_commitment")) as work:
        report_commitment(work, storage_commitment_pk=pk)


def test_what_is_here_is_committed_over_the_same_association(
    real_node: Node, add_peer: Any, archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("CT1")
    objects = [make_dicom() for _ in range(3)]
    store(*objects)
    modality = Modality()
    with modality.associated(real_node) as association:
        status, transaction = modality.ask(association, objects)
        assert status == 0x0000
        ((event_type, event),) = wait_for(lambda: modality.heard)
        assert event_type == 1
        assert event.TransactionUID == transaction
        assert uids(event.ReferencedSOPSequence) == sorted(one.SOPInstanceUID for one in objects)
        assert "FailedSOPSequence" not in event
        (request,) = wait_for(lambda: [one for one in requests(archive) if one.reported_at])
        assert request.calling_ae_title == "CT1"
        # The association is as good as before.
        assert modality.ask(association, objects)[0] == 0x0000
        wait_for(lambda: len(modality.heard) == 2)


def test_what_is_missing_changed_or_of_another_class_is_not(
    real_node: Node, add_peer: Any, archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("CT1")
    good, changed, removed, swapped, other = [make_dicom() for _ in range(5)]
    other.StudyInstanceUID = swapped.StudyInstanceUID
    store(good, changed, removed, swapped, other)
    path = path_of(archive, changed.SOPInstanceUID)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)
    path_of(archive, removed.SOPInstanceUID).unlink()
    with archive.offices.database.transaction() as session:
        # The same study's key opens the other object: only its hash tells that these are not the bytes received.
        session.execute(
            text("UPDATE stored_object SET dataset_sha256 = '\\x00' WHERE location = :location"),
            {"location": _location(archive, swapped.SOPInstanceUID)},
        )
    absent = (CTImageStorage, generate_uid())
    wrong_class = ("1.2.840.10008.5.1.4.1.1.4", other.SOPInstanceUID)
    modality = Modality()
    with modality.associated(real_node) as association:
        assert modality.ask(association, [good, changed, removed, swapped, absent, wrong_class])[0] == 0
        ((event_type, event),) = wait_for(lambda: modality.heard)
    assert event_type == 2
    assert uids(event.ReferencedSOPSequence) == [good.SOPInstanceUID]
    assert {item.ReferencedSOPInstanceUID: item.FailureReason for item in event.FailedSOPSequence} == {
        changed.SOPInstanceUID: 0x0110,
        removed.SOPInstanceUID: 0x0110,
        swapped.SOPInstanceUID: 0x0110,
        absent[1]: 0x0112,
        other.SOPInstanceUID: 0x0119,
    }


def _location(archive: Archive, uid: str) -> str:
    with archive.offices.database.transaction() as session:
        return str(
            session.execute(
                text(
                    "SELECT location FROM stored_object JOIN instance USING (instance_pk)"
                    " WHERE sop_instance_uid = :uid"
                ),
                {"uid": uid},
            ).scalar_one()
        )


def test_a_transaction_uid_in_use_for_other_objects_is_refused_object_by_object(
    real_node: Node, add_peer: Any, store: Store, make_dicom: MakeDicom
) -> None:
    add_peer("CT1")
    first, second = make_dicom(), make_dicom()
    store(first, second)
    modality = Modality()
    with modality.associated(real_node) as association:
        _, transaction = modality.ask(association, [first])
        wait_for(lambda: len(modality.heard) == 1)
        assert modality.ask(association, [second], transaction)[0] == 0x0000
        wait_for(lambda: len(modality.heard) == 2)
        # The same request come again is answered as the first was.
        assert modality.ask(association, [first], transaction)[0] == 0x0000
        wait_for(lambda: len(modality.heard) == 3)
    (kind1, _), (kind2, refused), (kind3, again) = modality.heard
    assert (kind1, kind2, kind3) == (1, 2, 1)
    assert [item.FailureReason for item in refused.FailedSOPSequence] == [0x0131]
    assert uids(again.ReferencedSOPSequence) == [first.SOPInstanceUID]


def test_requests_that_are_none_get_their_status(real_node: Node, add_peer: Any, archive: Archive) -> None:
    add_peer("CT1")
    add_peer("WS1", rights=("store", "find"))
    modality = Modality()
    with modality.associated(real_node) as association:
        assert modality.ask(association, [])[0] == 0x0115
        assert modality.ask(association, [("1.2.840.10008.5.1.4.1.1.2", "")])[0] == 0x0115
        empty = Dataset()
        empty.TransactionUID = generate_uid()
        empty.ReferencedSOPSequence = Sequence([])
        klass = StorageCommitmentPushModel
        assert association.send_n_action(empty, 2, klass, WELL_KNOWN)[0].Status == 0x0123
        assert association.send_n_action(empty, 1, klass, "1.2.3")[0].Status == 0x0112
    with Modality("WS1").associated(real_node) as association:
        assert modality.ask(association, [("1.2.840.10008.5.1.4.1.1.2", "1.2.3")])[0] == 0x0124
    assert requests(archive) == []


def test_who_releases_at_once_is_called_at_its_address(
    real_node: Node, add_peer: Any, archive: Archive, store: Store, make_dicom: MakeDicom, tmp_path: Path
) -> None:
    use_reporter(reporter_as(Settings(data=tmp_path)))
    looking = threading.Event()
    original = archive.retrieval.dataset

    def slow(*arguments: Any) -> Any:
        looking.wait(30)
        return original(*arguments)

    archive.retrieval.dataset = slow
    modality = Modality()
    with modality.listening() as port:
        add_peer("CT1", port)
        one = make_dicom()
        store(one)
        with modality.associated(real_node) as association:
            assert modality.ask(association, [one])[0] == 0x0000
        wait_for(lambda: not real_node.open_associations())
        looking.set()
        # Released by the association, held again at most while it still looks; then the job has its turn.
        (request,) = wait_for(lambda: [one for one in requests(archive) if one.failed is not None])
        with archive.offices.database.transaction() as session:
            session.execute(text("UPDATE storage_commitment SET claimed_until = NULL"))
            waiting = session.execute(
                text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'archive.report_commitment'")
            ).scalar_one()
        assert waiting >= 1
        assert modality.heard == []
        run_job(archive, request.storage_commitment_pk)
        assert [kind for kind, _ in modality.heard] == [1]
        assert requests(archive)[0].reported_at is not None
        run_job(archive, request.storage_commitment_pk)  # a second job of the same request has nothing to say
        assert len(modality.heard) == 1


def test_a_modality_that_is_away_or_refuses_is_called_again(
    real_node: Node, add_peer: Any, archive: Archive, store: Store, make_dicom: MakeDicom, tmp_path: Path
) -> None:
    use_reporter(reporter_as(Settings(data=tmp_path)))
    one = make_dicom()
    store(one)
    modality = Modality(answer=0x0110)
    with modality.listening() as port:
        peer = add_peer("CT1", port)
        with modality.associated(real_node) as association:
            assert modality.ask(association, [one])[0] == 0x0000
            wait_for(lambda: len(modality.heard) == 1)
            # It answered with a failure: not heard.
            wait_for(lambda: requests(archive)[0].claimed_until is None)
        pk = requests(archive)[0].storage_commitment_pk
        with pytest.raises(ReportFailed, match="0110"):
            run_job(archive, pk)
        modality.answer = 0x0000
    with pytest.raises(ReportFailed, match="does not answer"):
        run_job(archive, pk)
    request = requests(archive)[0]
    assert (request.attempt_count, request.reported_at) == (2, None)
    assert "does not answer" in str(request.last_error)
    with modality.listening() as port, archive.offices.database.transaction() as session:
        session.execute(
            text("UPDATE remote_ae SET port = :port WHERE remote_ae_pk = :pk"),
            {"port": port, "pk": peer.remote_ae_pk},
        )
        session.commit()
        run_job(archive, pk)
    assert requests(archive)[0].reported_at is not None


def test_stored_and_committed_on_one_association(
    real_node: Node, add_peer: Any, archive: Archive, make_dicom: MakeDicom
) -> None:
    add_peer("CT1")
    modality = Modality()
    objects = [make_dicom() for _ in range(4)]
    with modality.associated(real_node) as association:
        for one in objects[:2]:
            assert association.send_c_store(one).Status == 0
        assert modality.ask(association, objects[:2])[0] == 0
        for one in objects[2:]:  # it goes on sending while we look
            assert association.send_c_store(one).Status == 0
        assert modality.ask(association, objects[2:])[0] == 0
        wait_for(lambda: len(modality.heard) == 2)
    assert [kind for kind, _ in modality.heard] == [1, 1]
    with archive.offices.database.transaction() as session:
        assert len(list(session.scalars(select(StoredObject)))) == 4


def test_role_selection_names_us_as_provider_alone(real_node: Node, add_peer: Any) -> None:
    add_peer("CT1")
    ae = AE(ae_title="CT1")
    ae.add_requested_context(StorageCommitmentPushModel)
    role = build_role(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    association = ae.associate("127.0.0.1", real_node.port, ae_title="WETREAD", ext_neg=[role])
    (context,) = association.accepted_contexts
    assert (context.as_scu, context.as_scp) == (True, False)
    association.release()
