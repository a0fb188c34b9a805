"""Studies go where rules say, once, whole, and as long as it takes; what does not arrive waits for a person."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import select, text, update
from tools.ports import free_port

from archive_fixtures import package_file
from wetread.app.forwarding import sender_as
from wetread.archive import removal
from wetread.archive.model import Instance, RemoteAE, Study
from wetread.archive.service import Archive, RetrieveObject, save_remote_ae
from wetread.kit.config import Settings
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.routing import service
from wetread.routing.model import Forwarding, ForwardingState
from wetread.routing.rules import ATTEMPTS_MAX
from wetread.routing.service import Offer, Unreachable
from wetread.security.service import Actor, FileMasterKey

ADMIN = Actor.system("admin")
Store = Callable[..., Any]


@dataclass
class Peer:
    """Stands for the network: takes, refuses, or is away."""

    away: bool = False
    breaks_after: int | None = None
    refuses: set[str] = field(default_factory=set)
    got: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def __call__(
        self, peer: RemoteAE, objects: Sequence[RetrieveObject], disguise: service.Disguise | None
    ) -> Iterable[Offer]:
        if self.away:
            raise Unreachable(f"{peer.ae_title} does not answer")
        for number, one in enumerate(objects):
            if number == self.breaks_after:
                raise Unreachable("the peer broke off")
            self.meanwhile()
            refused = one.sop_instance_uid in self.refuses
            if not refused:
                self.got.append(one.sop_instance_uid)
            yield Offer(one.sop_instance_uid, "status A700" if refused else None)


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    service.use_sender(one)
    yield one
    service.use_sender(sender_as(Settings()))


@pytest.fixture
def vna(archive: Archive) -> int:
    with archive.offices.work(ADMIN) as work:
        made = save_remote_ae(
            work, ae_title="VNA", host="127.0.0.1", port=11112, description=None, rights=["verify"]
        )
        return made.remote_ae_pk


def rule(archive: Archive, vna: int, *conditions: dict[str, Any], **more: Any) -> int:
    with archive.offices.work(ADMIN) as work:
        values = {"name": "to the VNA", "is_enabled": True, "wait_s": 0, **more}
        made = service.save_rule(work, conditions=conditions, remote_ae_pk=vna, **values)
        return made.rule.routing_rule_pk


def told(archive: Archive, study_instance_uid: str) -> None:
    """What the worker does on `study.updated`."""
    with archive.offices.work(ADMIN) as work:
        study_pk = work.session.scalars(
            select(Study.study_pk).where(Study.study_instance_uid == study_instance_uid)
        ).one()
        service.studies_updated(work, [{"keys": {"study_pk": study_pk}}])


def queue(archive: Archive) -> list[service.Sending]:
    with archive.offices.work(ADMIN) as work:
        return service.forwardings(work)


def run(archive: Archive, *, now: bool = True, **more: Any) -> None:
    """Runs what waits, as its job would at its time."""
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        if now:
            work.session.execute(update(Forwarding).values(not_before=work.now() - timedelta(seconds=1)))
        keys = work.session.scalars(select(Forwarding.forwarding_pk)).all()
    for key in keys:
        service.forward(archive.offices, key, **more)


def jobs(archive: Archive) -> list[Any]:
    with archive.offices.database.transaction() as session:
        return list(
            session.execute(
                text(
                    "SELECT queue_name, scheduled_at FROM procrastinate_jobs WHERE task_name = 'routing.forward'"
                )
            )
        )


def test_a_study_that_matches_is_sent_whole_and_once(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna, {"keyword": "Modality", "operator": "is", "values": ["CT"]})
    study = [make_dicom(StudyInstanceUID="1.2.3", InstanceNumber=number) for number in range(1, 6)]
    store(*study)
    store(make_dicom(Modality="MR", StudyInstanceUID="1.2.4"))
    told(archive, "1.2.3")
    told(archive, "1.2.4")
    told(archive, "1.2.3")
    assert [name for name, _ in jobs(archive)] == ["forwarding"]
    run(archive)
    assert peer.got == [ds.SOPInstanceUID for ds in study]
    (one,) = queue(archive)
    assert (one.forwarding.state, one.forwarding.sent_count, one.forwarding.waiting_count) == ("sent", 5, 0)
    assert (one.ae_title, one.forwarding.requested_by) == ("VNA", "to the VNA")
    run(archive)
    assert len(peer.got) == 5


def test_what_lies_in_the_trash_is_sent_nowhere_until_it_is_restored(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna, {"keyword": "Modality", "operator": "is", "values": ["CT"]})
    ds = make_dicom(StudyInstanceUID="1.2.3")
    store(ds)
    told(archive, "1.2.3")
    with archive.offices.work(ADMIN) as work:
        taken = removal.remove(work, removal.Target("1.2.3"), reason="wrong patient").removal_pk
    run(archive)
    assert peer.got == []
    with archive.offices.work(ADMIN) as work:
        assert work.session.scalars(select(Forwarding.state)).one() == "canceled"
        work.audited += 1
        removal.restore(work, taken, reason="it was right")
    told(archive, "1.2.3")
    (one,) = queue(archive)
    with archive.offices.work(ADMIN) as work:
        service.send_again(work, one.forwarding.forwarding_pk)
    run(archive)
    assert peer.got == [ds.SOPInstanceUID]


def test_what_comes_later_goes_on_its_own(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    first, second = (make_dicom(StudyInstanceUID="1.2.3") for _ in range(2))
    store(first)
    told(archive, "1.2.3")
    run(archive)
    store(second)
    told(archive, "1.2.3")
    run(archive)
    assert peer.got == [first.SOPInstanceUID, second.SOPInstanceUID]
    (one,) = queue(archive)
    assert (one.forwarding.state, one.forwarding.sent_count) == ("sent", 2)


def test_a_study_waits_until_no_more_came(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna, wait_s=600)
    store(make_dicom(StudyInstanceUID="1.2.3"))
    told(archive, "1.2.3")
    run(archive, now=False)
    assert peer.got == []
    (one,) = queue(archive)
    assert one.forwarding.state == "waiting"
    before = one.forwarding.not_before
    told(archive, "1.2.3")
    assert queue(archive)[0].forwarding.not_before > before


def test_nothing_goes_back_to_where_it_came_from(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    store(make_dicom(StudyInstanceUID="1.2.3"), sender="VNA")
    told(archive, "1.2.3")
    assert queue(archive) == []
    ours = make_dicom(StudyInstanceUID="1.2.3")
    store(ours, sender="CT1")
    told(archive, "1.2.3")
    run(archive)
    assert peer.got == [ours.SOPInstanceUID]


def test_a_destination_that_is_away_is_tried_again_and_then_a_person_looks(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    ds = make_dicom(StudyInstanceUID="1.2.3")
    store(ds)
    told(archive, "1.2.3")
    peer.away = True
    run(archive)
    (one,) = queue(archive)
    assert (one.forwarding.state, one.forwarding.attempts) == ("waiting", 1)
    assert one.forwarding.last_error == "VNA does not answer"
    for _ in range(ATTEMPTS_MAX - 1):
        run(archive)
    (one,) = queue(archive)
    assert (one.forwarding.state, one.forwarding.attempts) == ("failed", ATTEMPTS_MAX)
    run(archive)
    assert queue(archive)[0].forwarding.attempts == ATTEMPTS_MAX
    peer.away = False
    with archive.offices.work(ADMIN) as work:
        service.send_again(work, one.forwarding.forwarding_pk)
    run(archive)
    assert (queue(archive)[0].forwarding.state, peer.got) == ("sent", [ds.SOPInstanceUID])


def test_a_broken_association_goes_on_where_it_was(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    study = [make_dicom(StudyInstanceUID="1.2.3") for _ in range(5)]
    store(*study)
    told(archive, "1.2.3")
    peer.breaks_after = 2
    run(archive)
    assert queue(archive)[0].forwarding.sent_count == 2
    run(archive)
    peer.breaks_after = None
    run(archive)
    assert peer.got == [ds.SOPInstanceUID for ds in study]
    assert queue(archive)[0].forwarding.state == "sent"


def test_what_was_refused_is_named_and_sent_again_when_a_person_says_so(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    study = [make_dicom(StudyInstanceUID="1.2.3") for _ in range(4)]
    store(*study)
    told(archive, "1.2.3")
    peer.refuses = {study[2].SOPInstanceUID}
    run(archive)
    (one,) = queue(archive)
    assert (one.forwarding.state, one.forwarding.sent_count, one.refused) == ("failed", 3, 1)
    assert one.first_refusal == "status A700"
    peer.refuses = set()
    with archive.offices.work(ADMIN) as work:
        service.send_again(work, one.forwarding.forwarding_pk)
    run(archive)
    (one,) = queue(archive)
    assert (one.forwarding.state, one.forwarding.sent_count, one.refused) == ("sent", 4, 0)
    assert set(peer.got) == {ds.SOPInstanceUID for ds in study}


def test_a_person_stops_what_is_being_sent(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(archive, vna)
    store(*(make_dicom(StudyInstanceUID="1.2.3") for _ in range(5)))
    told(archive, "1.2.3")
    monkeypatch.setattr(service, "_NOTE_S", 0.0)

    def stop() -> None:
        if len(peer.got) == 2:
            with archive.offices.work(ADMIN) as work:
                service.cancel(work, queue(archive)[0].forwarding.forwarding_pk)

    peer.meanwhile = stop
    run(archive)
    assert len(peer.got) == 3
    assert queue(archive)[0].forwarding.state == "canceled"
    told(archive, "1.2.3")
    run(archive)
    assert len(peer.got) == 3  # no rule overrules a person


def test_a_sending_that_was_killed_goes_on_after_its_lease(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    ds = make_dicom(StudyInstanceUID="1.2.3")
    store(ds)
    told(archive, "1.2.3")
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        work.session.execute(
            update(Forwarding).values(
                state=ForwardingState.SENDING, claimed_until=work.now() + timedelta(minutes=1)
            )
        )
    run(archive)
    assert peer.got == []
    with archive.offices.work(ADMIN) as work:
        work.audited += 1
        work.session.execute(update(Forwarding).values(claimed_until=work.now() - timedelta(seconds=1)))
    run(archive)
    assert peer.got == [ds.SOPInstanceUID]


def test_a_long_study_is_sent_slice_by_slice(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    study = [make_dicom(StudyInstanceUID="1.2.3") for _ in range(3)]
    store(*study)
    told(archive, "1.2.3")
    for _ in study:
        assert queue(archive)[0].forwarding.state == "waiting"
        run(archive, slice_s=-1.0)
    assert queue(archive)[0].forwarding.state == "sent"
    assert peer.got == [ds.SOPInstanceUID for ds in study]


def test_a_person_sends_a_study(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    ds = make_dicom(StudyInstanceUID="1.2.3")
    store(ds)
    for _ in range(2):  # again means from the start
        with archive.offices.work(ADMIN) as work:
            service.send(work, ["1.2.3"], vna)
        run(archive)
    assert peer.got == [ds.SOPInstanceUID] * 2
    with pytest.raises(NotFound), archive.offices.work(ADMIN) as work:
        service.send(work, ["1.2.99"], vna)
    with pytest.raises(Invalid), archive.offices.work(ADMIN) as work:
        service.send(work, ["1.2.3"], vna + 1000)


def test_rules_are_tried_kept_and_forgotten(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    store(make_dicom(BodyPartExamined="HEAD"), make_dicom(BodyPartExamined="CHEST"))
    head = {"keyword": "BodyPartExamined", "operator": "is", "values": ["Head"]}
    with archive.offices.work(ADMIN) as work:
        trial = service.try_conditions(work, [head])
    assert (trial.tried, trial.matching) == (2, 1)
    key = rule(archive, vna, head)
    with pytest.raises(Conflict), archive.offices.work(ADMIN) as work:
        service.save_rule(work, name="To The VNA", is_enabled=True, conditions=[], remote_ae_pk=vna, wait_s=0)
    with archive.offices.work(ADMIN) as work:
        assert [(one.rule.name, one.ae_title) for one in service.rules(work)] == [("to the VNA", "VNA")]
        service.remove_rule(work, key)
        assert service.rules(work) == []


def test_a_peer_that_a_rule_names_stays(web: Any, archive: Archive, vna: int) -> None:
    rule(archive, vna)
    administrator = web.as_role("admin")
    refused = administrator.delete(f"/api/archive/application-entities/{vna}")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "VNA is still the destination of a rule, or asked for priors.",
    )


def test_the_doors_of_the_queue(
    web: Any, archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    administrator = web.as_role("admin")
    made = administrator.post(
        "/api/routing/rules",
        json={
            "name": "CT to VNA", "remote_ae_pk": vna, "wait_s": 0,
            "conditions": [{"keyword": "Modality", "operator": "is", "values": ["CT"]}],
        },
    )  # fmt: skip
    assert (made.status_code, made.json()["ae_title"]) == (201, "VNA")
    store(make_dicom(StudyInstanceUID="1.2.3"))
    told(archive, "1.2.3")
    peer.away = True
    run(archive)
    (one,) = administrator.get("/api/routing/forwardings").json()["items"]
    assert (one["state"], one["waiting"], one["last_error"]) == ("waiting", 1, "VNA does not answer")
    assert administrator.post(f"/api/routing/forwardings/{one['forwarding_pk']}/cancel").status_code == 204
    peer.away = False
    assert administrator.post(f"/api/routing/forwardings/{one['forwarding_pk']}/again").status_code == 204
    run(archive)
    assert administrator.get("/api/routing/forwardings?state=sent").json()["items"][0]["sent"] == 1
    refused = administrator.post(f"/api/routing/forwardings/{one['forwarding_pk']}/cancel")
    assert refused.status_code == 409
    wrong = administrator.post(
        "/api/routing/rules/trial",
        json={"conditions": [{"keyword": "PatientName", "operator": "is", "values": ["x"]}]},
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "conditions.0.keyword")


@contextmanager
def storescp(archive: Archive, folder: Path, *options: str) -> Iterator[int]:
    """DCMTK's receiver, which takes uncompressed objects only unless told; gives its remote_ae_pk."""
    service.use_sender(sender_as(Settings()))
    port = free_port()
    folder.mkdir()
    receiver = subprocess.Popen(
        ["storescp", *options, "-aet", "VNA", "-od", str(folder), str(port)], stderr=subprocess.DEVNULL
    )
    try:
        with archive.offices.work(ADMIN) as work:
            made = save_remote_ae(
                work, ae_title="VNA", host="127.0.0.1", port=port, description=None, rights=["verify"]
            )
            key = made.remote_ae_pk
        yield key
    finally:
        receiver.terminate()
        receiver.wait(10)


def send_and_wait(archive: Archive, study_instance_uid: str, vna: int) -> service.Sending:
    with archive.offices.work(ADMIN) as work:
        service.send(work, [study_instance_uid], vna)
    for _ in range(50):
        run(archive)
        one = queue(archive)[0]
        if one.forwarding.state != "waiting":
            return one
        time.sleep(0.1)  # it may not listen yet
    raise AssertionError(queue(archive)[0].forwarding.last_error)


def test_storescp_gets_what_we_hold(archive: Archive, make_dicom: Any, store: Store, tmp_path: Path) -> None:
    study = [make_dicom(StudyInstanceUID="1.2.3") for _ in range(3)]
    store(*study)
    with storescp(archive, tmp_path / "received") as vna:
        one = send_and_wait(archive, "1.2.3", vna)
    assert (one.forwarding.state, one.forwarding.sent_count) == ("sent", 3)
    received = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, (tmp_path / "received").iterdir())}
    for ds in study:
        assert received[ds.SOPInstanceUID].PixelData == ds.PixelData
        assert received[ds.SOPInstanceUID].PatientName == ds.PatientName


def test_who_takes_no_compressed_pixels_gets_plain_ones(
    archive: Archive, store: Store, tmp_path: Path
) -> None:
    compressed = package_file("MR_small_RLE.dcm")
    store(compressed.read_bytes())
    study = str(pydicom.dcmread(compressed).StudyInstanceUID)
    with storescp(archive, tmp_path / "received") as vna:
        one = send_and_wait(archive, study, vna)
    assert (one.forwarding.state, one.first_refusal) == ("sent", None)
    (received,) = (pydicom.dcmread(path) for path in (tmp_path / "received").iterdir())
    assert received.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert received.PixelData == pydicom.dcmread(package_file("MR_small.dcm")).PixelData


def test_the_archive_counts_what_a_destination_lacks(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    rule(archive, vna)
    store(make_dicom(StudyInstanceUID="1.2.3"))
    told(archive, "1.2.3")
    late = make_dicom(StudyInstanceUID="1.2.3")
    peer.meanwhile = lambda: store(late) if late.SOPInstanceUID not in known(archive) else None
    run(archive)
    assert queue(archive)[0].forwarding.state == "waiting"  # more came while it was sent
    run(archive)
    assert peer.got[-1] == late.SOPInstanceUID
    assert queue(archive)[0].forwarding.state == "sent"


def known(archive: Archive) -> set[str]:
    with archive.offices.database.transaction() as session:
        return set(session.scalars(select(Instance.sop_instance_uid)))


def test_who_may_not_write_the_queue_sends_nothing(archive: Archive, work_as: Any) -> None:
    with pytest.raises(Denied), work_as("radiologist") as work:
        service.cancel(work, 1)


def test_who_gets_no_names_gets_none_by_rule_or_hand(
    archive: Archive, make_dicom: Any, store: Store, tmp_path: Path
) -> None:
    service.use_key(FileMasterKey(b"k" * 32))
    first = make_dicom(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1")
    second = make_dicom(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1")
    shown = make_dicom(StudyInstanceUID="1.2.3", BurnedInAnnotation="YES")
    store(first, second, shown)
    with storescp(archive, tmp_path / "received") as vna:
        rule(archive, vna, deidentify={"move_dates": True}, is_enabled=False)
        one = send_and_wait(archive, "1.2.3", vna)
        again = send_and_wait(archive, "1.2.3", vna)
    assert (one.forwarding.state, one.forwarding.sent_count, one.refused) == ("failed", 2, 1)
    assert one.first_refusal == "held back: it says that its pixels show annotation (Burned In Annotation)"
    assert again.forwarding.deidentify == {"move_dates": True}
    received = [pydicom.dcmread(path) for path in (tmp_path / "received").iterdir()]
    assert len(received) == 2  # sent twice, they have the same names
    for ds in received:
        assert ds.PatientIdentityRemoved == "YES"
        assert ds.PixelData == first.PixelData
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert not {first.SOPInstanceUID, second.SOPInstanceUID} & {ds.SOPInstanceUID}
    assert len({ds.PatientID for ds in received}) == len({ds.StudyInstanceUID for ds in received}) == 1
    raw = b"".join(path.read_bytes() for path in (tmp_path / "received").iterdir())
    assert not any(
        secret in raw for secret in (b"Doe", b"HOSPITAL", b"1.2.3.1", first.SOPInstanceUID.encode())
    )


def test_compressed_pixels_go_out_without_names_too(archive: Archive, store: Store, tmp_path: Path) -> None:
    service.use_key(FileMasterKey(b"k" * 32))
    compressed = package_file("MR_small_RLE.dcm")
    store(compressed.read_bytes())
    study = str(pydicom.dcmread(compressed).StudyInstanceUID)
    with storescp(archive, tmp_path / "received", "+xr") as vna:
        rule(archive, vna, deidentify={}, is_enabled=False)
        one = send_and_wait(archive, study, vna)
    assert (one.forwarding.state, one.first_refusal) == ("sent", None)
    (received,) = (pydicom.dcmread(path) for path in (tmp_path / "received").iterdir())
    assert received.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    assert received.PixelData == pydicom.dcmread(compressed).PixelData
    assert received.PatientIdentityRemoved == "YES"


def test_who_takes_implicit_little_endian_alone_gets_it(
    archive: Archive, store: Store, tmp_path: Path
) -> None:
    compressed = package_file("MR_small_RLE.dcm")
    store(compressed.read_bytes())
    study = str(pydicom.dcmread(compressed).StudyInstanceUID)
    with storescp(archive, tmp_path / "received", "+xi") as vna:
        one = send_and_wait(archive, study, vna)
    assert (one.forwarding.state, one.first_refusal) == ("sent", None)
    (received,) = (pydicom.dcmread(path) for path in (tmp_path / "received").iterdir())
    assert received.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    assert received.PixelData == pydicom.dcmread(package_file("MR_small.dcm")).PixelData


def test_the_first_rule_says_how_a_study_goes(
    archive: Archive, make_dicom: Any, store: Store, peer: Peer, vna: int
) -> None:
    service.use_key(FileMasterKey(b"k" * 32))
    plain = rule(archive, vna)
    disguised = rule(archive, vna, name="research", deidentify={})
    store(make_dicom(StudyInstanceUID="1.2.3"), make_dicom(StudyInstanceUID="1.2.4"))
    told(archive, "1.2.3")
    with archive.offices.work(ADMIN) as work:
        service.put_in_order(work, [disguised, plain])
    told(archive, "1.2.4")
    newest, oldest = queue(archive)
    assert (oldest.forwarding.deidentify, newest.forwarding.deidentify) == (None, {})
    with pytest.raises(Invalid), archive.offices.work(ADMIN) as work:
        service.put_in_order(work, [disguised])
    with pytest.raises(Invalid), archive.offices.work(ADMIN) as work:
        service.save_rule(
            work, name="x", is_enabled=True, conditions=[], remote_ae_pk=vna, wait_s=0,
            deidentify={"move_dates": True, "retain_full_dates": True},
        )  # fmt: skip


def test_what_a_rule_would_take_is_shown_without_a_patient(
    web: Any, archive: Archive, make_dicom: Any, store: Store
) -> None:
    store(make_dicom(StudyDescription="CT head"), sender="CT7")
    trial = web.as_role("admin").post("/api/routing/rules/trial", json={"conditions": []})
    (one,) = trial.json()["studies"]
    assert (one["study_description"], one["modalities"], one["sources"]) == ("CT head", ["CT"], ["CT7"])
    assert "Doe" not in trial.text
