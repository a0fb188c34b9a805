"""C-STORE to other archives for the routing room: the node's own client, what a peer says in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wetread.app.peers import context_of
from wetread.archive.model import RemoteAE
from wetread.archive.service import RetrieveObject
from wetread.dimse.client import Association, AssociationFailed, OperationFailed, storage_contexts
from wetread.kit import limits
from wetread.kit.config import Settings
from wetread.kit.tls import TlsUnusable
from wetread.routing.service import Offer, Sender, Unreachable

_CONTEXTS_MAX = 128  # PS3.8 9.3.2.2: odd numbers to 255


def sender_as(settings: Settings) -> Sender:
    """A Sender that calls under the title of this system."""
    context = context_of(settings)

    def send(peer: RemoteAE, objects: Sequence[RetrieveObject]) -> Iterable[Offer]:
        for part in _by_association(objects):
            (contexts,) = storage_contexts((one.sop_class_uid, one.transfer_syntax_uid) for one in part)
            try:
                with Association(
                    peer.host,
                    peer.port,
                    peer.ae_title,
                    settings.ae_title,
                    contexts,
                    timeout_s=limits.PEER_ANSWER_S,
                    tls=context(peer.is_encrypted),
                ) as association:
                    for one in part:
                        yield Offer(one.sop_instance_uid, _refusal(association, one))
            except (AssociationFailed, TlsUnusable) as failed:
                raise Unreachable(str(failed)) from None

    return send


def _refusal(association: Association, one: RetrieveObject) -> str | None:
    try:
        answer = association.store(
            one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.chunks()
        )
    except OperationFailed:
        return f"takes no {one.transfer_syntax_uid} of SOP class {one.sop_class_uid}"
    if answer.status == 0 or answer.status & 0xF000 == 0xB000:
        return None
    return f"status {answer.status:04X}"


def _by_association(objects: Sequence[RetrieveObject]) -> Iterator[Sequence[RetrieveObject]]:
    """Cut, in order, where an association could propose no more kinds."""
    begun, kinds = 0, set[tuple[str, str]]()
    for at, one in enumerate(objects):
        kind = (one.sop_class_uid, one.transfer_syntax_uid)
        if kind not in kinds and len(kinds) == _CONTEXTS_MAX:
            yield objects[begun:at]
            begun, kinds = at, set()
        kinds.add(kind)
    if begun < len(objects):
        yield objects[begun:]
