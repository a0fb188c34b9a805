"""Who is let in, with what rights, and what is agreed at the beginning of an association (PS3.7 D.3.3)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1]))
from tls_fixtures import Authority

from archive_fixtures import MakeDicom
from wetread.app.build import House
from wetread.app.node import HouseServices, _Teller
from wetread.archive.peers import running_nodes
from wetread.archive.service import Archive
from wetread.dimse.client import AssociationFailed, open_plain
from wetread.dimse.server import Node, Offer
from wetread.kit.tls import TlsFiles, client_context, server_context
from wetread.security.model import AuditRecord
from wetread.security.service import Actor

ECHO = ("1.2.840.10008.1.1",)


def denied(archive: Archive) -> list[str]:
    """Why callers were refused, by the audit trail."""
    with archive.offices.database.transaction() as session:
        rows = session.scalars(
            select(AuditRecord)
            .where(AuditRecord.object_type == "association", AuditRecord.event_outcome_indicator == 4)
            .order_by(AuditRecord.audit_record_pk)
        )
        return [str((row.detail or {}).get("why")) for row in rows]


def wait_for(condition: Any, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def echo(port: int, title: str = "CT1", called: str = "WETREAD", **options: Any) -> None:
    with open_plain("127.0.0.1", port, called, title, ECHO, **options) as association:
        association.echo()


def test_each_wrong_call_is_refused_and_recorded_with_its_reason(
    real_node: Node, add_peer: Any, archive: Archive
) -> None:
    add_peer("CT1")
    add_peer("FAR", host="192.0.2.7")
    add_peer("NET", host="192.0.2.7", calls_from=["10.0.0.0/8"])
    add_peer("SECRET", is_encrypted=True)
    echo(real_node.port)
    for title, called, reason in (
        ("CT1", "OTHER", "reason 7"),
        ("UNKNOWN", "WETREAD", "reason 3"),
        ("FAR", "WETREAD", "reason 3"),
        ("NET", "WETREAD", "reason 3"),
        ("SECRET", "WETREAD", "reason 3"),
    ):
        with pytest.raises(AssociationFailed, match=reason):
            echo(real_node.port, title, called)
    assert denied(archive) == ["called title", "title", "address", "address", "not encrypted"]


def test_networks_and_host_names_are_understood(real_node: Node, add_peer: Any) -> None:
    add_peer("NET", host="192.0.2.7", calls_from=["10.0.0.0/8", "127.0.0.0/8"])
    add_peer("NAMED", host="localhost")
    echo(real_node.port, "NET")
    echo(real_node.port, "NAMED")


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure_node(real_house: House, archive: Archive, authority: Authority) -> Iterator[Node]:
    context = server_context(authority.issue("archive"), "optional")
    node = Node(HouseServices(real_house, archive), "127.0.0.1", 0, tls_port=0, context=context)
    node.start()
    yield node
    node.close(grace_s=1)


def test_a_certificate_is_bound_to_its_title(
    secure_node: Node, add_peer: Any, archive: Archive, authority: Authority, tmp_path: Path
) -> None:
    add_peer("CT1", is_encrypted=True, certificate_name="ct1.hospital.example")
    echo(secure_node.tls_port, tls=client_context(authority.issue("CT1.hospital.example")))
    for shown in (authority.issue("mr1.hospital.example"), None):
        context = client_context(shown or TlsFiles(None, None, authority.path))
        with pytest.raises(AssociationFailed, match="reason 3"):
            echo(secure_node.tls_port, tls=context)
    assert denied(archive) == ["certificate", "certificate"]
    with pytest.raises(AssociationFailed, match=r"no TLS|broke"):
        echo(
            secure_node.tls_port, tls=client_context(TlsFiles(None, None, Authority(tmp_path, "Other").path))
        )
    with pytest.raises(AssociationFailed):
        echo(secure_node.tls_port)
    # Our client hangs up on a server of an unknown authority; plain talk is no TLS: both stand in the trail.
    wait_for(lambda: len(denied(archive)) == 4)
    assert "wrong version number" in denied(archive)


def identity(kind: int, name: str, passcode: str = "", *, respond: bool = False) -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type = kind
    item.primary_field = name.encode()
    if kind == 2:
        item.secondary_field = passcode.encode()
    item.positive_response_requested = respond
    return item


def test_a_passcode_is_asked_of_those_who_have_one(real_node: Node, add_peer: Any, archive: Archive) -> None:
    peer = add_peer("WS1", user_identity="ward", passcode="seven wards 7")
    assert peer.passcode_hash.startswith("$argon2id$")
    ae = AE(ae_title="WS1")
    ae.add_requested_context(Verification)
    for offered in (
        None,
        identity(1, "ward"),
        identity(2, "ward", "wrong"),
        identity(2, "other", "seven wards 7"),
    ):
        association = ae.associate(
            "127.0.0.1", real_node.port, ae_title="WETREAD", ext_neg=[offered] if offered else []
        )
        assert association.is_rejected
        answer = association.acceptor.primitive
        assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 1)
    right = identity(2, "ward", "seven wards 7", respond=True)
    association = ae.associate("127.0.0.1", real_node.port, ae_title="WETREAD", ext_neg=[right])
    assert association.is_established
    assert association.acceptor.user_identity is not None  # confirmed, as was asked (PS3.7 D.3.3.7.2)
    assert association.send_c_echo().Status == 0
    association.release()
    assert denied(archive) == ["user identity", "passcode", "passcode", "user identity"]


def test_users_of_a_workstation_sign_in_with_accounts(
    real_node: Node, add_peer: Any, archive: Archive, make_dicom: MakeDicom
) -> None:
    from sqlalchemy import text, update

    from wetread.security.model import ApiToken
    from wetread.security.service import Role, create_token, create_user

    add_peer("WS1", user_identity="*", rights=("verify", "store", "find", "worklist"))
    tokens = {}
    with archive.offices.work(Actor.system("test")) as work:
        for name, role in (("ray", "radiologist"), ("tess", "technologist")):
            user = create_user(
                work,
                username=name,
                display_name=name,
                roles=[Role(role)],
                password="correct horse battery staple",
                mfa_required=False,
            )
            _, tokens[name] = create_token(work, user.user_pk, "workstation", [], days=None)
    ae = AE(ae_title="WS1")
    ae.add_requested_context(Verification)
    ae.add_requested_context(CTImageStorage)

    def call(*offered: UserIdentityNegotiation) -> Association:
        return ae.associate("127.0.0.1", real_node.port, ae_title="WETREAD", ext_neg=list(offered))

    for offered in (
        [],
        [identity(1, "ray")],
        [identity(2, "ray", "correct horse battery staple")],
        [identity(2, "ray", tokens["tess"])],
    ):
        assert call(*offered).is_rejected
    assert denied(archive) == ["user identity", "user identity", "passcode", "user identity"]
    technologist = call(identity(2, "Tess", tokens["tess"], respond=True))
    assert technologist.acceptor.user_identity is not None
    assert technologist.send_c_store(make_dicom()).Status == 0
    technologist.release()
    radiologist = call(identity(2, "ray", tokens["ray"]))
    assert radiologist.send_c_echo().Status == 0
    assert radiologist.send_c_store(make_dicom()).Status == 0x0124  # who reads does not send
    radiologist.release()
    wait_for(lambda: not real_node.open_associations())
    with archive.offices.database.transaction() as session:
        users = session.execute(
            text("SELECT DISTINCT user_id FROM audit_record WHERE user_pk IS NOT NULL")
        ).all()
        assert [row.user_id for row in users] == ["tess"]  # what was stored stands under the person's name
        session.execute(update(ApiToken).values(revoked_at=archive.offices.clock.now()))
    real_node.services._house.identity._recent.clear()
    assert call(identity(2, "ray", tokens["ray"])).is_rejected


def test_rights_are_kept_service_by_service(real_node: Node, add_peer: Any, make_dicom: MakeDicom) -> None:
    add_peer("ONLY", rights=("store",))
    ae = AE(ae_title="ONLY")
    for context in (Verification, CTImageStorage, StudyRootQueryRetrieveInformationModelFind):
        ae.add_requested_context(context)
    association = ae.associate("127.0.0.1", real_node.port, ae_title="WETREAD")
    assert association.send_c_store(make_dicom()).Status == 0
    assert association.send_c_echo().Status == 0x0124
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    ((status, _),) = association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
    assert status.Status == 0x0124
    association.release()


def test_what_is_proposed_is_answered_as_what_is_done(real_node: Node, add_peer: Any) -> None:
    add_peer("CT1")
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 5, 5
    extended = []
    for uid in (PatientRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelFind):
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = uid, b"\x01\x01\x01\x01\x01"
        extended.append(item)
    extended[1].service_class_application_information = b"\x01\x00\x01"
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CTImageStorage, True, True
    ae = AE(ae_title="CT1")
    for context in (
        CTImageStorage,
        PatientRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelFind,
    ):
        ae.add_requested_context(context)
    association = ae.associate(
        "127.0.0.1", real_node.port, ae_title="WETREAD", ext_neg=[window, *extended, role]
    )
    assert association.is_established
    assert association.acceptor.asynchronous_operations == (1, 1)
    assert association.acceptor.sop_class_extended == {
        PatientRootQueryRetrieveInformationModelFind: b"\x01\x01\x01\x00\x00",
        StudyRootQueryRetrieveInformationModelFind: b"\x01\x00\x01",
    }
    store = next(one for one in association.accepted_contexts if one.abstract_syntax == CTImageStorage)
    assert (store.as_scu, store.as_scp) == (True, True)
    association.release()


PRIVATE, PRIVATE_SYNTAX = "1.3.12.2.1107.5.9.1", "1.2.840.113619.5.2"


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        (Offer(), set()),
        (Offer(frozenset({PRIVATE})), {PRIVATE}),
        (Offer(frozenset({"*"})), {PRIVATE, "1.2.3.4"}),
        (Offer(frozenset({"*"}), frozenset({PRIVATE_SYNTAX})), {PRIVATE, "1.2.3.4", "1.2.3.5"}),
    ],
)
def test_private_classes_and_syntaxes_are_stored_where_configured(
    real_house: House, archive: Archive, add_peer: Any, offer: Offer, accepted: set[str]
) -> None:
    add_peer("CT1")
    node = Node(HouseServices(real_house, archive), "127.0.0.1", 0, offer=offer)
    node.start()
    try:
        ae = AE(ae_title="CT1")
        ae.requested_contexts = [
            build_context(PRIVATE),
            build_context("1.2.3.4"),
            build_context("1.2.3.5", [PRIVATE_SYNTAX]),
            # Standard, but nothing that is stored: never by a star.
            build_context("1.2.840.10008.5.1.1.1"),
            build_context(Verification),
        ]
        association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD")
        got = {context.abstract_syntax for context in association.accepted_contexts}
        assert got == accepted | {Verification}
        association.release()
    finally:
        node.close(grace_s=1)


def test_a_private_object_is_kept_and_sent_back(
    real_house: House, archive: Archive, add_peer: Any, make_dicom: MakeDicom
) -> None:
    add_peer("CT1")
    node = Node(HouseServices(real_house, archive), "127.0.0.1", 0, offer=Offer(frozenset({PRIVATE})))
    node.start()
    try:
        one = make_dicom(SOPClassUID=PRIVATE)
        one.file_meta.MediaStorageSOPClassUID = PRIVATE
        ae = AE(ae_title="CT1")
        ae.requested_contexts = [build_context(PRIVATE, ["1.2.840.10008.1.2.1"])]
        association = ae.associate("127.0.0.1", node.port, ae_title="WETREAD")
        assert association.send_c_store(one).Status == 0
        association.release()
        with archive.offices.database.transaction() as session:
            (kept,) = archive.retrieval.objects(session, sop_instance_uids=[one.SOPInstanceUID])
        assert kept.sop_class_uid == PRIVATE
    finally:
        node.close(grace_s=1)


def test_open_associations_are_told_to_the_other_processes(
    real_house: House, real_node: Node, add_peer: Any, archive: Archive
) -> None:
    add_peer("CT1")
    teller = _Teller(real_house, real_node)
    with open_plain("127.0.0.1", real_node.port, "WETREAD", "CT1", ECHO) as association:
        association.echo()
        teller.tell()
        with archive.offices.work(Actor.system("test")) as work:
            (running,) = running_nodes(work)
        ((told),) = running.associations
        assert (told["calling_ae_title"], told["operation"], told["encrypted"]) == ("CT1", "C-ECHO", False)
    teller.stop()
    with archive.offices.work(Actor.system("test")) as work:
        assert running_nodes(work) == []
