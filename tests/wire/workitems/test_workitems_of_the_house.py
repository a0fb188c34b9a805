"""The house's own steps over DIMSE and UPS-RS: a station of another house takes them, and the house has them done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import (
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepWatch,
)
from sqlalchemy import select

from case_fixtures import Case, Ward
from dicomweb_fixtures import Client
from wetread.app.peers import workitem_reporter_as
from wetread.archive.service import Archive
from wetread.dimse.server import Node
from wetread.kit.config import Settings
from wetread.scheduling import service as scheduling
from wetread.scheduling.events import StudyLinked
from wetread.scheduling.model import ScheduledProcedureStep
from wetread.security.service import Identity, create_token
from wetread.workitems import service
from wetread.workitems.service import use_reporter
from wetread.worklist.model import ReadingClaim
from workitem_fixtures import follow, keep_house

GLOBAL = "1.2.840.10008.5.1.4.34.5"


@pytest.fixture
def ward(archive: Archive, real_house: Any) -> Ward:
    keep_house()
    identity: Identity = real_house.identity
    return Ward(archive.offices, identity)


def scheduled(ward: Ward) -> int:
    """The key of a step on CT1."""
    with ward.made() as work:
        given = scheduling.ResourceInput(
            ward.site_pk, "CT 1", "CT1", "CT1", "CT", time(0), time(23), tuple(range(7))
        )
        scanner = scheduling.add_resource(work, given).modality_resource_pk
    requested = ward.ordered(priority="STAT")
    with ward.made() as work:
        step = scheduling.schedule(
            work, requested.requested_procedure_pk, scanner, datetime(2026, 11, 25, 12, tzinfo=UTC)
        )
        step_pk = step.scheduled_procedure_step_pk
    settled(ward)
    return step_pk


def settled(ward: Ward) -> None:
    with ward.made() as work:
        follow(work)


@contextmanager
def associated(node: Node, title: str, *offered: UserIdentityNegotiation) -> Iterator[Association]:
    ae = AE(ae_title=title)
    for uid in (UnifiedProcedureStepPull, UnifiedProcedureStepWatch):
        ae.add_requested_context(uid)
    association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD", ext_neg=list(offered))
    assert association.is_established
    yield association
    association.release()


def act(association: Association, kind: int, uid: str, by: str, **values: Any) -> int:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    status, _ = association.send_n_action(ds, kind, UnifiedProcedureStepPush, uid, meta_uid=by)
    return int(status.Status)


def found(association: Association, **keys: Any) -> list[Dataset]:
    ds = Dataset()
    for keyword, value in {"ProcedureStepState": "SCHEDULED", "SOPInstanceUID": "", **keys}.items():
        setattr(ds, keyword, value)
    return [
        match for status, match in association.send_c_find(ds, UnifiedProcedureStepPull) if status.Status == 0xFF00
    ]  # fmt: skip


def code(value: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99WETREAD", value
    return Sequence([item])


def test_a_station_takes_what_is_scheduled_for_it(
    real_node: Node, ward: Ward, add_peer: Any, archive: Archive, reader: Client, tmp_path: Any
) -> None:
    heard: list[tuple[int, str]] = []

    def on_event(event: evt.Event) -> tuple[int, None]:
        heard.append((event.event_type, event.event_information.get("ProcedureStepState", "")))
        return 0x0000, None

    watcher = AE(ae_title="CT1")
    watcher.add_supported_context(UnifiedProcedureStepEvent, scu_role=False, scp_role=True)
    listening = watcher.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)]
    )
    try:
        add_peer("CT1", listening.server_address[1])
        use_reporter(workitem_reporter_as(Settings(data=tmp_path)))
        with associated(real_node, "CT1") as station:
            watch = UnifiedProcedureStepWatch
            assert act(station, 3, GLOBAL, watch, ReceivingAE="CT1", DeletionLock="FALSE") == 0x0000
            step_pk = scheduled(ward)
            (match,) = found(
                station, ScheduledStationNameCodeSequence=code("CT1"), PatientName="", PatientID="", ReferencedRequestSequence=Sequence([Dataset()]),
                ScheduledProcedureStepPriority="",
            )  # fmt: skip
            assert (match.PatientName, match.ScheduledProcedureStepPriority) == ("Moss^Ada", "HIGH")
            assert match.PatientID
            assert match.ReferencedRequestSequence[0].AccessionNumber
            uid, transaction = match.SOPInstanceUID, generate_uid()
            pull = UnifiedProcedureStepPull

            def goes(state: str, own: str) -> int:
                return act(station, 1, uid, pull, ProcedureStepState=state, TransactionUID=own)

            assert goes("IN PROGRESS", transaction) == 0x0000
            assert goes("IN PROGRESS", generate_uid()) == 0xC302
            settled(ward)
            performed = Dataset()
            item = Dataset()
            item.PerformedStationNameCodeSequence = code("CT1")
            item.PerformedProcedureStepStartDateTime = "20261125120000"
            item.PerformedProcedureStepEndDateTime = "20261125121000"
            item.PerformedWorkitemCodeSequence = code("CTHEAD")
            item.OutputInformationSequence = Sequence([])
            performed.UnifiedProcedureStepPerformedProcedureSequence = Sequence([item])
            performed.TransactionUID = transaction
            status, _ = station.send_n_set(performed, UnifiedProcedureStepPush, uid, meta_uid=pull)
            assert status.Status == 0x0000
            assert goes("COMPLETED", generate_uid()) == 0xC301
            assert goes("COMPLETED", transaction) == 0x0000
        settled(ward)
        with ward.made() as work:
            step = work.session.get_one(ScheduledProcedureStep, step_pk)
            assert step.scheduled_procedure_step_status == "COMPLETED"
        service.deliver(archive.offices, "CT1")
        assert heard == [(1, "SCHEDULED"), (5, ""), (1, "IN PROGRESS"), (1, "COMPLETED")]
        (told,) = reader.get(f"/workitems/{uid}").json()
        assert told["00741000"]["Value"] == ["COMPLETED"]
    finally:
        listening.shutdown()


def test_a_reader_claims_in_his_own_name(real_node: Node, ward: Ward, add_peer: Any) -> None:
    add_peer("READER1", user_identity="*", rights=("verify", "find", "move", "workitems"))
    add_peer("ROBOT1")
    case: Case = ward.case()
    person = ward.person()
    assert person.user_pk is not None
    with ward.made() as work:
        work.publish(StudyLinked(case.study_pk, case.requested_procedure_pk, "matched"))
        _, token = create_token(work, person.user_pk, "reader", [], days=None)
    settled(ward)
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field, identity.secondary_field = person.username.encode(), token.encode()
    claim = {"ProcedureStepState": "IN PROGRESS", "TransactionUID": generate_uid()}
    with associated(real_node, "ROBOT1") as robot:
        (match,) = found(robot, WorklistLabel="READING")
        assert act(robot, 1, match.SOPInstanceUID, UnifiedProcedureStepPull, **claim) == 0x0124
    with associated(real_node, "READER1", identity) as station:
        (match,) = found(station, WorklistLabel="READING", InputInformationSequence=Sequence([]))
        assert match.InputInformationSequence[0].SeriesInstanceUID == ward.image(case.study_pk)[0]
        assert act(station, 1, match.SOPInstanceUID, UnifiedProcedureStepPull, **claim) == 0x0000
    with ward.made() as work:
        assert work.session.scalars(select(ReadingClaim.user_pk)).all() == [person.user_pk]
