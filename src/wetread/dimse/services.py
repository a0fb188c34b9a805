"""What the DICOM node needs of the house, as Protocols that `app.node` fulfils."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wetread.dicom.pdu import Rejection, UserIdentity

JsonDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for an association. `certificate_names`: what its verified client certificate names; None without TLS."""

    calling_ae_title: str
    called_ae_title: str
    network_address: str
    user_identity: UserIdentity | None = None
    certificate_names: tuple[str, ...] | None = None

    @property
    def encrypted(self) -> bool:
        """Whether it came by TLS."""
        return self.certificate_names is not None


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of an association, as it was admitted. `token` is whatever the house wants to find again."""

    calling_ae_title: str
    called_ae_title: str
    network_address: str
    rights: frozenset[str]
    token: Any = None
    identity_proved: bool = False  # its user identity was looked at and is right


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """The status of a C-STORE and a comment of at most 64 characters without patient data."""

    status: int
    error_comment: str = ""


class StoreSink(Protocol):
    """Takes one incoming data set, fragment by fragment; the fragments' memory is reused after `write` returns."""

    def write(self, fragment: memoryview) -> None: ...

    def commit(self) -> StoreOutcome:
        """Everything was received: durable before it returns a success."""

    def abort(self) -> None:
        """The association broke: forget it."""


class Transfer(Protocol):
    """The objects of one association."""

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> StoreSink: ...

    def answered(self) -> None:
        """The peer has the answer about the last object."""

    def close(self) -> None:
        """The association ended: what was transferred is recorded."""


class RetrieveItem(Protocol):
    """An object to be sent."""

    @property
    def sop_class_uid(self) -> str: ...

    @property
    def sop_instance_uid(self) -> str: ...

    @property
    def transfer_syntax_uid(self) -> str: ...

    def chunks(self) -> Iterable[bytes | memoryview]:
        """The data set (without preamble and meta), corrections laid over, piece by piece."""

    def chunks_in(self, transfer_syntax_uid: str) -> Iterable[bytes | memoryview]:
        """The same in a plain syntax, for who cannot take the original. Made before it returns; raises a kit error
        where it cannot be."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where C-MOVE sends to."""

    ae_title: str
    host: str
    port: int
    context: ssl.SSLContext | None = None  # TLS, where it is spoken to so


class RefusedOperation(Exception):
    """An operation refused in the protocol's own terms: a status (PS3.7 annex C), a comment, the attribute at fault."""

    def __init__(self, status: int, comment: str, *, offending_tags: Sequence[int] = ()) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment
        self.offending_tags = tuple(offending_tags)


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What was agreed by extended negotiation (PS3.4 C.5.1.1), and how many matches are told at most."""

    combined_date_times: bool
    fuzzy_names: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Found:
    """Matches of a query. `unsupported`: a key could not be matched on, so all that match the others are told
    (PS3.4 C.4.1.1.4, FF01). `cut`: there are more than the limit."""

    items: Sequence[JsonDict]
    unsupported: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a normalized operation: success, or a warning with its words."""

    status: int = 0
    comment: str = ""
    sop_instance_uid: str = ""
    attributes: JsonDict | None = None


class Commitment(Protocol):
    """A request for storage commitment that was taken (PS3.4 J.3), until its requester has heard the outcome."""

    def report(self) -> tuple[int, JsonDict]:
        """Event Type ID and data set of the N-EVENT-REPORT; looks at all objects and may take long."""

    def reported(self) -> None:
        """The requester answered the report with success."""

    def release(self) -> None:
        """This association cannot report it any more: the house finds another way."""


class NodeServices(Protocol):
    """The house behind the node. Methods raise RefusedOperation, or kit errors that the server maps to statuses."""

    def admit(self, caller: Caller) -> Peer | Rejection:
        """The rights of an association, or why there is none."""

    def not_authenticated(self, network_address: str, reason: str) -> None:
        """A call at the TLS door that came to nothing: no TLS, or no good certificate."""

    def transfer(self, peer: Peer) -> Transfer: ...

    def find(self, peer: Peer, level: str, identifier: JsonDict, options: FindOptions) -> Found:
        """Matches of a Study or Patient Root C-FIND in the DICOM JSON Model."""

    def retrieve(self, peer: Peer, level: str, identifier: JsonDict) -> Sequence[RetrieveItem]:
        """What a C-MOVE or C-GET asks for."""

    def retrieved(self, peer: Peer, items: Sequence[RetrieveItem], destination: str) -> None:
        """Those that arrived at `destination`, for the record."""

    def destination(self, ae_title: str) -> Destination | None: ...

    def worklist(self, peer: Peer, identifier: JsonDict) -> Iterator[JsonDict]:
        """Modality Worklist matches (PS3.4 K.6), every requested return key present."""

    def create_performed_step(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None: ...

    def set_performed_step(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None: ...

    def notify_availability(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> None:
        """Instance Availability Notification N-CREATE (PS3.4 R.3.2), kept before it is answered."""

    def request_commitment(self, peer: Peer, action: JsonDict) -> Commitment:
        """Storage commitment N-ACTION, kept before it is answered."""

    def create_workitem(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> Done:
        """Unified Procedure Step N-CREATE; without a UID one is made (PS3.4 CC.2.5)."""

    def get_workitem(self, peer: Peer, sop_instance_uid: str, tags: Sequence[str]) -> Done:
        """Unified Procedure Step N-GET of the attributes, without tags of all (PS3.4 CC.2.7)."""

    def set_workitem(self, peer: Peer, sop_instance_uid: str, attributes: JsonDict) -> Done:
        """Unified Procedure Step N-SET (PS3.4 CC.2.6)."""

    def act_on_workitem(
        self, peer: Peer, sop_instance_uid: str, action_type_id: int, information: JsonDict
    ) -> Done:
        """Unified Procedure Step N-ACTION (PS3.4 CC.2.1 to CC.2.3)."""

    def find_workitems(self, peer: Peer, identifier: JsonDict, limit: int) -> Found:
        """Unified Procedure Step C-FIND (PS3.4 CC.2.8)."""
