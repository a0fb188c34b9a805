"""Instance Availability Notification as SCP: others tell what they have, by pynetdicom."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from pynetdicom import AE

from wetread.archive.service import Archive
from wetread.availability import service
from wetread.dimse.server import Node
from wetread.security.service import Actor

CLASS = "1.2.840.10008.5.1.4.33"
ADMIN = Actor.system("admin")


def notice(study: str, *states: str) -> Dataset:
    objects = []
    for state in states:
        one = Dataset()
        one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        one.InstanceAvailability, one.RetrieveAETitle = state, "VNA"
        objects.append(one)
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = generate_uid(), Sequence(objects)
    ds = Dataset()
    ds.StudyInstanceUID, ds.ReferencedSeriesSequence = study, Sequence([series])
    ds.ReferencedPerformedProcedureStepSequence = Sequence([])
    return ds


def tell(node: Node, *sent: tuple[Dataset, str]) -> list[int]:
    ae = AE("VNA")
    ae.add_requested_context(CLASS)
    association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD")
    assert association.is_established
    statuses = [association.send_n_create(ds, CLASS, uid)[0].Status for ds, uid in sent]
    association.release()
    return statuses


def test_what_others_have_is_kept_and_shown(
    real_node: Node, archive: Archive, add_peer: Any, make_dicom: Any, store: Any
) -> None:
    add_peer("VNA", rights=["notify"])
    store(make_dicom(StudyInstanceUID="1.2.3"))
    first, second = generate_uid(), generate_uid()
    here, gone = notice("1.2.3", "ONLINE", "ONLINE", "NEARLINE"), notice("1.2.4", "UNAVAILABLE")
    assert tell(real_node, (here, first), (gone, second), (here, first)) == [0x0000, 0x0000, 0x0111]
    with archive.offices.work(ADMIN) as work:
        newest, oldest = service.announcements(work)
    assert (oldest.row.study_instance_uid, oldest.is_here, oldest.row.calling_ae_title) == (
        "1.2.3",
        True,
        "VNA",
    )
    assert (oldest.row.online_count, oldest.row.nearline_count, oldest.row.series_count) == (2, 1, 1)
    assert (newest.row.unavailable_count, newest.is_here) == (1, False)
    assert newest.row.retrieve_ae_titles == ["VNA"]


def test_what_is_wrong_is_refused_in_the_terms_of_the_protocol(
    real_node: Node, archive: Archive, add_peer: Any
) -> None:
    add_peer("VNA", rights=["notify"])
    nameless = notice("1.2.3", "ONLINE")
    del nameless.StudyInstanceUID
    empty = notice("1.2.3", "ONLINE")
    empty.ReferencedSeriesSequence = Sequence([])
    sent = [
        (nameless, generate_uid()),
        (empty, generate_uid()),
        (notice("1.2.3", "SOMEWHERE"), generate_uid()),
    ]
    assert tell(real_node, *sent) == [0x0120, 0x0120, 0x0106]
    with archive.offices.work(ADMIN) as work:
        assert service.announcements(work) == []


def test_who_has_not_the_right_tells_nothing(real_node: Node, add_peer: Any) -> None:
    add_peer("VNA", rights=["verify"])
    assert tell(real_node, (notice("1.2.3", "ONLINE"), generate_uid())) == [0x0124]
