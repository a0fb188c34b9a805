"""The node process: DICOM and HL7 over the services of the house."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
import structlog

from wetread.app.build import House
from wetread.app.doors import Doors
from wetread.app.peers import context_of
from wetread.archive import commitment
from wetread.archive import service as archive_service
from wetread.archive.identifiers import find_identifier
from wetread.archive.peers import (
    ABORT_CHANNEL,
    Call,
    fault_of_call,
    fault_of_identity,
    publish_node,
    withdraw_node,
)
from wetread.archive.service import Archive, Level
from wetread.archive.transcoding import data_set_in
from wetread.availability import service as availability
from wetread.availability.rules import NotUnderstood
from wetread.dicom.pdu import (
    CALLED_AE_NOT_RECOGNIZED,
    CALLING_AE_NOT_RECOGNIZED,
    IDENTITY_NOT_ACCEPTED,
    Rejection,
)
from wetread.dimse.server import Node, Offer, OpenAssociation
from wetread.dimse.services import (
    Caller,
    Destination,
    Done,
    FindOptions,
    Found,
    JsonDict,
    Peer,
    RefusedOperation,
    RetrieveItem,
    StoreOutcome,
    StoreSink,
    Transfer,
)
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.hl7.server import MllpServer
from wetread.kit import limits
from wetread.kit.config import is_loopback
from wetread.kit.ending import Ending
from wetread.kit.errors import Unauthenticated
from wetread.kit.tls import TlsUnusable, server_context
from wetread.scheduling import service as scheduling
from wetread.security.service import Actor, AuditEventID, Permission, Work
from wetread.workitems import service as workitems
from wetread.workitems.matching import select
from wetread.workitems.service import Answer, WorkitemRefused

log = structlog.get_logger()

# What an application entity's rights allow in the house.
_PERMISSIONS: dict[str, frozenset[Permission]] = {
    "store": frozenset({Permission.STUDY_STORE}),
    "find": frozenset({Permission.STUDY_READ}),
    "move": frozenset({Permission.STUDY_READ}),
    "get": frozenset({Permission.STUDY_READ}),
    "worklist": frozenset({Permission.SCHEDULE_READ, Permission.PATIENT_READ, Permission.ORDER_READ}),
    "mpps": frozenset({Permission.STEP_PERFORM}),
    # Who asks whether objects are safe may learn that they are here.
    "commitment": frozenset({Permission.STUDY_STORE}),
    "workitems": frozenset({Permission.WORKITEM_READ, Permission.WORKITEM_WRITE}),
    "verify": frozenset(),
    "availability": frozenset(),  # it is told; it asks nothing
    "notify": frozenset(),  # it tells what it has, and learns nothing
}
_RIGHTS = frozenset(_PERMISSIONS)
ANY_ACCOUNT = "*"
"""As `user_identity` of an application entity: its users sign in with accounts of this system."""
_TELL_S = 2.0
_ENDED_S = 0.2
_STUDIES_A_PATIENT_MAX = 2000


class HouseServices:
    """Fulfils `dimse.services.NodeServices` with the archive and scheduling rooms."""

    def __init__(self, house: House, archive: Archive) -> None:
        self._house = house
        self._offices = house.offices
        self._archive = archive
        self._context = context_of(house.settings)

    def admit(self, caller: Caller) -> Peer | Rejection:
        """Known titles from their own places who prove what they must; in the demonstration any title from this machine."""
        settings = self._house.settings
        title, address = caller.calling_ae_title, caller.network_address
        identity = caller.user_identity
        call = Call(
            address,
            caller.certificate_names,
            None if identity is None else identity.primary.decode("utf-8", "replace"),
            None if identity is None or identity.kind != 2 else identity.secondary.decode("utf-8", "replace"),
        )
        with self._offices.work(Actor.system("dicom-node")) as work:
            known = archive_service.remote_ae(work, title)
            rights: frozenset[str] = frozenset()
            answer: Rejection | None = None
            reason: str | None = None
            account: Actor | None = None
            if caller.called_ae_title != settings.ae_title:
                answer, reason = CALLED_AE_NOT_RECOGNIZED, "called title"
            elif known is not None and (reason := fault_of_call(known, call)) is None:
                rights = frozenset(known.rights)
                if known.user_identity == ANY_ACCOUNT:
                    account, reason = self._account(call)
                    answer = IDENTITY_NOT_ACCEPTED if account is None else None
                elif reason := fault_of_identity(known, call):
                    answer = IDENTITY_NOT_ACCEPTED
            elif known is None and title and settings.accept_any_loopback_ae and is_loopback(address):
                rights = _RIGHTS
            else:
                answer, reason = CALLING_AE_NOT_RECOGNIZED, reason or "title"
            if answer is None:
                if account is not None:
                    # Neither the workstation nor its user may do here what the other may not.
                    rights = frozenset(
                        right for right in rights if _PERMISSIONS[right] <= account.permissions
                    )
                permissions = frozenset().union(*(_PERMISSIONS.get(right, frozenset()) for right in rights))
                if account is None:
                    actor = Actor.application_entity(title, address, permissions)
                else:
                    if "workitems" in rights:
                        # Who reads at that workstation claims readings in his own name, as on the reading list.
                        permissions |= account.permissions & {Permission.REPORT_WRITE}
                    actor = dataclasses.replace(account, permissions=permissions)
                proved = known is not None and known.user_identity is not None
                return Peer(title, caller.called_ae_title, address, rights, actor, proved)
            work.audit(
                AuditEventID.SECURITY_ALERT,
                "E",
                object_type="association",
                object_id=title,
                detail={
                    "called": caller.called_ae_title,
                    "from": address,
                    "reason": str(answer.reason),
                    "why": reason or "",
                },
                outcome=4,
            )
        return answer

    def _account(self, call: Call) -> tuple[Actor | None, str | None]:
        """The account of a user identity: its name, and as passcode one of its API tokens, which can be revoked and are
        never a person's password (PS3.7 D.3.3.7). Only where nobody can listen."""
        if call.certificate_names is None and not is_loopback(call.network_address):
            return None, "not encrypted"
        if call.user_name is None or call.passcode is None:
            return None, "user identity"
        try:
            actor = self._house.identity.actor_of_token(call.passcode.strip(), call.network_address)
        except Unauthenticated:
            return None, "passcode"
        if actor.username.casefold() != call.user_name.strip().casefold():
            return None, "user identity"
        return actor, None

    def not_authenticated(self, network_address: str, reason: str) -> None:
        """Recorded as PS3.15 A.5.3.11 has it (Security Alert, Node Authentication)."""
        with self._offices.work(Actor.system("dicom-node")) as work:
            work.audit(
                AuditEventID.SECURITY_ALERT,
                "E",
                object_type="association",
                detail={"type": "110126", "from": network_address, "why": reason[:200]},
                outcome=4,
            )

    def transfer(self, peer: Peer) -> Transfer:
        """The archive's transfer for one association."""
        return _Transfer(
            self._archive.intake.transfer(
                peer.token,
                received_from=peer.calling_ae_title,
                network_address=peer.network_address,
                answers_at_once=True,
            )
        )

    def find(self, peer: Peer, level: str, identifier: JsonDict, options: FindOptions) -> Found:
        """Study and Patient Root C-FIND."""
        with self._offices.work(peer.token) as work:
            found = find_identifier(
                work,
                level,
                identifier,
                limit=options.limit,
                fuzzy_names=options.fuzzy_names,
                combined_date_times=options.combined_date_times,
            )
        title = {"00080054": {"vr": "AE", "Value": [self._house.settings.ae_title]}}
        items = [dict(sorted({**match, **title}.items())) for match in found.items]
        return Found(items, found.unsupported, found.cut)

    def retrieve(self, peer: Peer, level: str, identifier: JsonDict) -> Sequence[RetrieveItem]:
        """Objects by the unique keys of the level (PS3.4 C.4.2.1.4)."""
        keys = {
            "STUDY": ("0020000D", "study_instance_uids"),
            "SERIES": ("0020000E", "series_instance_uids"),
            "IMAGE": ("00080018", "sop_instance_uids"),
        }
        if level == "PATIENT":
            uids = self._studies_of_patient(peer, identifier)
            chosen = {"study_instance_uids": uids}
        else:
            tag, argument = keys[level]
            uids = [str(value) for value in identifier.get(tag, {}).get("Value", []) if value]
            chosen = {argument: uids}
            if not uids:
                raise RefusedOperation(
                    0xA900, "the unique key of the level is missing", offending_tags=(int(tag, 16),)
                )
        with self._offices.work(peer.token) as work:
            found = archive_service.instances_for_retrieve(work, destination=peer.calling_ae_title, **chosen)
        return [_Item(one) for one in found]

    def _studies_of_patient(self, peer: Peer, identifier: JsonDict) -> list[str]:
        wanted = {
            "00100020": identifier.get("00100020", {"vr": "LO"}),
            "0020000D": {"vr": "UI"},
        }
        if not wanted["00100020"].get("Value"):
            raise RefusedOperation(0xA900, "Patient ID is missing", offending_tags=(0x00100020,))
        with self._offices.work(peer.token) as work:
            found = find_identifier(work, Level.STUDY, wanted, limit=_STUDIES_A_PATIENT_MAX)
        if found.cut:
            raise RefusedOperation(0xA701, "more studies of one patient than can be sent at once")
        return [str(match["0020000D"]["Value"][0]) for match in found.items]

    def retrieved(self, peer: Peer, items: Sequence[RetrieveItem], destination: str) -> None:
        """Records what arrived, per study (PS3.15 A.5.3.7)."""
        if not items:
            return
        counts: dict[str, int] = {}
        for item in items:
            uid = item.object.stored.study_instance_uid if isinstance(item, _Item) else ""
            counts[uid] = counts.get(uid, 0) + 1
        with self._offices.work(peer.token) as work:
            for uid, count in counts.items():
                work.audit(
                    AuditEventID.INSTANCES_TRANSFERRED,
                    "R",
                    study_instance_uid=uid or None,
                    object_type="study",
                    detail={"to": destination, "instances": str(count)},
                )

    def destination(self, ae_title: str) -> Destination | None:
        """A known peer; its address comes from the table, never from the request."""
        with self._offices.work(Actor.system("dicom-node")) as work:
            known = archive_service.remote_ae(work, ae_title)
            if known is None:
                return None
            try:
                context = self._context(known.is_encrypted)
            except TlsUnusable as error:
                raise RefusedOperation(0xA702, f"no TLS to the destination: {error}"[:64]) from None
            return Destination(known.ae_title, known.host, known.port, context)

    def worklist(self, peer: Peer, identifier: JsonDict) -> Iterator[JsonDict]:
        """Modality Worklist (PS3.4 K.6)."""
        with self._offices.work(peer.token) as work:
            found = scheduling.worklist_items(work, identifier)
        yield from found

    def create_performed_step(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None:
        """MPPS N-CREATE, kept before it is answered."""
        try:
            with self._offices.work(peer.token) as work:
                scheduling.create_performed_step(work, sop_instance_uid, attributes)
        except scheduling.PerformedStepRefused as refused:
            raise RefusedOperation(
                refused.dimse_status, refused.detail, offending_tags=refused.tags
            ) from None

    def set_performed_step(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None:
        """MPPS N-SET."""
        try:
            with self._offices.work(peer.token) as work:
                scheduling.update_performed_step(work, sop_instance_uid, attributes)
        except scheduling.PerformedStepRefused as refused:
            raise RefusedOperation(
                refused.dimse_status, refused.detail, offending_tags=refused.tags
            ) from None

    def notify_availability(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None:
        """Instance Availability Notification, kept before it is answered."""
        try:
            with self._offices.work(peer.token) as work:
                availability.announced(work, sop_instance_uid, attributes, peer.calling_ae_title)
        except NotUnderstood as fault:
            raise RefusedOperation(fault.dimse_status, fault.detail, offending_tags=fault.tags) from None

    def request_commitment(self, peer: Peer, action: JsonDict) -> _Commitment:
        """Storage commitment N-ACTION, kept before it is answered."""
        try:
            with self._offices.work(peer.token) as work:
                pk = commitment.request_commitment(
                    work,
                    action,
                    calling_ae_title=peer.calling_ae_title,
                    network_address=peer.network_address,
                )
        except commitment.CommitmentRefused as refused:
            raise RefusedOperation(
                refused.dimse_status, refused.detail, offending_tags=refused.tags
            ) from None
        return _Commitment(self._archive, pk)

    @contextlib.contextmanager
    def _workitems(self, peer: Peer) -> Iterator[Work]:
        try:
            with self._offices.work(peer.token) as work:
                yield work
        except WorkitemRefused as refused:
            raise RefusedOperation(refused.answer, refused.detail, offending_tags=refused.tags) from None

    @staticmethod
    def _done(answer: Answer, **more: Any) -> Done:
        return Done(int(answer), workitems.WORDS.get(answer, ""), **more)

    def create_workitem(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> Done:
        """Kept before it is answered."""
        with self._workitems(peer) as work:
            made = workitems.create(work, sop_instance_uid or None, attributes)
        return self._done(made.answer, sop_instance_uid=made.sop_instance_uid)

    def get_workitem(self, peer: Peer, sop_instance_uid: str, tags: Sequence[str]) -> Done:
        """All attributes, or those named."""
        with self._workitems(peer) as work:
            attributes, answer = workitems.get(work, sop_instance_uid, tags)
        return self._done(answer, attributes=attributes)

    def set_workitem(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> Done:
        """Changes attributes."""
        with self._workitems(peer) as work:
            answer = workitems.update(work, sop_instance_uid, attributes)
        return self._done(answer)

    def act_on_workitem(
        self, peer: Peer, sop_instance_uid: str, action_type_id: int, information: JsonDict
    ) -> Done:
        """Changes the state, asks to cancel, subscribes."""
        with self._workitems(peer) as work:
            answer = workitems.act(work, action_type_id, sop_instance_uid, information)
        return self._done(answer)

    def find_workitems(self, peer: Peer, identifier: JsonDict, limit: int) -> Found:
        """Matches with what was asked for."""
        with self._workitems(peer) as work:
            found = workitems.find(work, identifier, limit=min(limit, limits.WORKITEM_MATCHES_MAX))
        return Found([select(one, identifier) for one in found.items], cut=found.cut)


@dataclass(frozen=True, slots=True)
class _Item:
    """The archive's object as the DICOM node sends it."""

    object: archive_service.RetrieveObject

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID."""
        return self.object.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID."""
        return self.object.sop_instance_uid

    @property
    def transfer_syntax_uid(self) -> str:
        """The original's."""
        return self.object.transfer_syntax_uid

    def chunks(self) -> Iterable[bytes | memoryview]:
        """As it is stored, corrections laid over."""
        return self.object.chunks()

    def chunks_in(self, transfer_syntax_uid: str) -> Iterable[bytes | memoryview]:
        """Transcoded."""
        return [data_set_in(self.object, transfer_syntax_uid)]


@dataclass(frozen=True, slots=True)
class _Commitment:
    """A kept request for storage commitment as the DICOM node calls it."""

    archive: Archive
    storage_commitment_pk: int

    def report(self) -> tuple[int, JsonDict]:
        """Looks at the objects."""
        return commitment.commitment_report(self.archive, self.storage_commitment_pk)

    def reported(self) -> None:
        """The requester has heard."""
        commitment.commitment_reported(self.archive.offices, self.storage_commitment_pk)

    def release(self) -> None:
        """A job goes on."""
        commitment.release_commitment(self.archive.offices, self.storage_commitment_pk)


class _Transfer:
    """The archive's transfer as the DICOM node calls it."""

    def __init__(self, transfer: archive_service.Transfer) -> None:
        self._transfer = transfer

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> StoreSink:
        """One object."""
        return _Sink(
            self._transfer.object(
                sop_class_uid=sop_class_uid,
                sop_instance_uid=sop_instance_uid,
                transfer_syntax_uid=transfer_syntax_uid,
            )
        )

    def answered(self) -> None:
        """See archive_service.Transfer."""
        self._transfer.answered()

    def close(self) -> None:
        """Records the transfer."""
        self._transfer.close()


class _Sink:
    """The archive's incoming object as the DICOM node calls it."""

    def __init__(self, incoming: archive_service.Incoming) -> None:
        self._incoming = incoming
        self.write = incoming.write
        self.abort = incoming.abort

    def commit(self) -> StoreOutcome:
        """Durable before it says so."""
        result = self._incoming.commit()
        return StoreOutcome(int(result.status), "" if result.status == 0 else result.detail)


class _Teller(threading.Thread):
    """Tells the house every few seconds which associations this node serves; the web shows them, and has them aborted."""

    def __init__(self, house: House, node: Node) -> None:
        super().__init__(name="dicom-teller", daemon=True)
        self._house, self._node = house, node
        self._name = f"{socket.gethostname()}:{os.getpid()}"[:128]
        self._ending = threading.Event()
        self._before: dict[int, tuple[float, int]] = {}

    def run(self) -> None:
        """Between two tellings it hears what is to be aborted."""
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._house.database.url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {ABORT_CHANNEL}".encode())
                    while not self._ending.is_set():
                        self.tell()
                        for note in connection.notifies(timeout=_TELL_S, stop_after=1):
                            self._abort(note.payload)
            except psycopg.Error as error:
                log.warning("associations not told", error=type(error).__name__)
                self._ending.wait(_TELL_S)

    def _abort(self, payload: str) -> None:
        asked = orjson.loads(payload)
        if asked["node"] == self._name and self._node.abort(int(asked["number"])):
            log.info("association aborted by an administrator")
            self._ending.wait(_ENDED_S)  # so that what is told next lacks it

    def _rate(self, entry: OpenAssociation) -> int:
        """Bytes a second since the last telling."""
        now, total = time.monotonic(), entry.bytes_received + entry.bytes_sent
        before = self._before.get(entry.number)
        self._before[entry.number] = now, total
        return 0 if before is None else int((total - before[1]) / max(now - before[0], 0.001))

    def tell(self) -> None:
        """Once; what goes wrong is told with the next."""
        entries = self._node.open_associations()
        told = [
            {
                **dataclasses.asdict(entry),
                "opened_at": entry.opened_at.isoformat(),
                "bytes_per_s": self._rate(entry),
            }
            for entry in entries
        ]
        open_now = {entry.number for entry in entries}
        self._before = {number: at for number, at in self._before.items() if number in open_now}
        try:
            publish_node(self._house.offices, self._name, told)
        except Exception as error:  # noqa: BLE001 - a database that is away comes back
            log.warning("associations not told", error=type(error).__name__)

    def stop(self) -> None:
        """Tells no more."""
        self._ending.set()
        with contextlib.suppress(Exception):  # it is forgotten by itself otherwise
            withdraw_node(self._house.offices, self._name)


def run_node(house: House, archive: Archive, shared: Doors) -> None:
    """Serves until SIGTERM."""
    settings = house.settings
    ending = Ending()
    ending.on(signal.SIGTERM, signal.SIGINT)
    archive.recover()
    doors: list[Node | MllpServer] = []
    teller: _Teller | None = None
    context = None
    if settings.dicom_tls_port is not None or settings.hl7_tls_port is not None:
        context = server_context(settings.peer_tls, settings.peer_tls_client_certificate)
    if "dicom" in settings.roles:
        node = Node(
            HouseServices(house, archive),
            settings.host,
            shared.plain or (settings.dicom_port if settings.plain_peers else None),
            ae_title=settings.ae_title,
            tls_port=shared.secured or settings.dicom_tls_port,
            context=context,
            offer=Offer(frozenset(settings.extra_sop_classes), frozenset(settings.extra_transfer_syntaxes)),
        )
        node.start()
        if shared.first:
            workitems.announce(house.offices, "RESTARTED")
        doors.append(node)
        teller = _Teller(house, node)
        teller.start()
    if "hl7" in settings.roles and shared.first:
        inbound = Interface(house.offices, InterfaceSettings(settings.issuer_of_patient_id))
        if settings.plain_peers:
            doors.append(MllpServer(settings.host, settings.hl7_port, inbound.handle))
        if settings.hl7_tls_port is not None:
            doors.append(MllpServer(settings.host, settings.hl7_tls_port, inbound.handle, context=context))
        for door in doors:
            if isinstance(door, MllpServer):
                door.start()
    log.info(
        "node ready",
        dicom=settings.dicom_port if settings.plain_peers else None,
        dicom_tls=settings.dicom_tls_port,
        hl7=settings.hl7_port if settings.plain_peers else None,
        hl7_tls=settings.hl7_tls_port,
    )
    ending.wait()
    if teller is not None:
        teller.stop()
    for door in reversed(doors):
        if isinstance(door, MllpServer):
            door.stop()
        else:
            door.close()
    archive.close()
