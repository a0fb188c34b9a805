"""C-STORE to other archives for the routing room: the node's own client, what a peer says in words."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from wetread.app.peers import context_of
from wetread.archive.model import RemoteAE
from wetread.archive.service import Damaged, RetrieveObject, data_set_in, deidentified
from wetread.dicom.deidentify import HeldBack
from wetread.dimse.client import Association, AssociationFailed, sending_contexts
from wetread.kit import limits
from wetread.kit.config import Settings
from wetread.kit.errors import WetreadError
from wetread.kit.tls import TlsUnusable, client_context
from wetread.routing.service import Disguise, Offer, Sender, Unreachable
from wetread.routing.telling import NotTold, Post

_KINDS_MAX = (
    40  # each is proposed in its own and in two plain transfer syntaxes, of 128 contexts (PS3.8 9.3.2.2)
)


def sender_as(settings: Settings) -> Sender:
    """A Sender that calls under the title of this system."""
    context = context_of(settings)

    def send(
        peer: RemoteAE, objects: Sequence[RetrieveObject], disguise: Disguise | None = None
    ) -> Iterable[Offer]:
        for part in _by_association(objects):
            ((contexts, _),) = sending_contexts((one.sop_class_uid, one.transfer_syntax_uid) for one in part)
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
                        yield Offer(one.sop_instance_uid, _refusal(association, one, disguise))
            except (AssociationFailed, TlsUnusable) as failed:
                raise Unreachable(str(failed)) from None

    return send


def post_as(settings: Settings) -> Post:
    """A Post that checks certificates by the authorities for peers, and follows nowhere."""

    def post(url: str, body: bytes, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        host, path = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection: http.client.HTTPConnection
        try:
            if parts.scheme == "https":
                context = client_context(settings.peer_tls)
                connection = http.client.HTTPSConnection(
                    host, parts.port, timeout=limits.ECHO_S, context=context
                )
            else:
                connection = http.client.HTTPConnection(host, parts.port, timeout=limits.ECHO_S)
            try:
                connection.request("POST", path, body, headers)
                status = connection.getresponse().status
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, TlsUnusable) as error:
            raise NotTold(f"{host} does not answer ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise NotTold(f"{host} answers {status}")

    return post


def _refusal(association: Association, one: RetrieveObject, disguise: Disguise | None) -> str | None:
    syntax = association.syntax_for(one.sop_class_uid, one.transfer_syntax_uid)
    if syntax is None:
        return f"takes no SOP class {one.sop_class_uid}"
    uid = one.sop_instance_uid
    data: Iterable[bytes | memoryview]
    try:
        if disguise is not None:
            changed, encoded = deidentified(one, syntax, disguise.pseudonyms, disguise.options)
            uid, data = str(changed.SOPInstanceUID), [encoded]
        else:
            data = one.chunks() if syntax == one.transfer_syntax_uid else [data_set_in(one, syntax)]
    except HeldBack as held:
        return str(held)
    except (WetreadError, Damaged) as error:
        return f"takes no {one.transfer_syntax_uid}, and it cannot be put otherwise ({type(error).__name__})"
    answer = association.store(one.sop_class_uid, uid, syntax, data)
    if answer.status == 0 or answer.status & 0xF000 == 0xB000:
        return None
    return f"status {answer.status:04X}"


def _by_association(objects: Sequence[RetrieveObject]) -> Iterator[Sequence[RetrieveObject]]:
    """Cut, in order, where an association could propose no more kinds."""
    begun, kinds = 0, set[tuple[str, str]]()
    for at, one in enumerate(objects):
        kind = (one.sop_class_uid, one.transfer_syntax_uid)
        if kind not in kinds and len(kinds) == _KINDS_MAX:
            yield objects[begun:at]
            begun, kinds = at, set()
        kinds.add(kind)
    if begun < len(objects):
        yield objects[begun:]
