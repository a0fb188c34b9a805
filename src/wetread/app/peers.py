"""Calls to DICOM peers for rooms that know no network: the node's own client, its outcome in words."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence

from wetread.archive.commitment import Reporter, ReportFailed
from wetread.archive.model import RemoteAE
from wetread.archive.rules import JsonDict
from wetread.availability.service import Means, NotTold
from wetread.dicom.sopclass import (
    INSTANCE_AVAILABILITY,
    STORAGE_COMMITMENT_PUSH,
    STORAGE_COMMITMENT_PUSH_INSTANCE,
    UPS_EVENT,
    UPS_PUSH,
)
from wetread.dimse.client import AssociationFailed, OperationFailed, open_plain
from wetread.kit import limits
from wetread.kit.config import Settings
from wetread.kit.tls import TlsUnusable, client_context
from wetread.workitems.service import Reporter as WorkitemReporter
from wetread.workitems.service import ReportFailed as EventNotHeard
from wetread.workitems.service import Waiting

Context = Callable[[bool], ssl.SSLContext | None]


def context_of(settings: Settings) -> Context:
    """`context(encrypted)`: how a peer is called. Files are read at each call, so that a renewed certificate is used.
    Raises TlsUnusable."""

    def context(encrypted: bool) -> ssl.SSLContext | None:
        return client_context(settings.peer_tls) if encrypted else None

    return context


def reporter_as(settings: Settings) -> Reporter:
    """Reports storage commitments under the title of this system (PS3.4 J.3.3): it proposes itself as SCP alone."""
    context = context_of(settings)

    def report(peer: RemoteAE, event_type_id: int, event: JsonDict) -> None:
        try:
            with open_plain(
                peer.host,
                peer.port,
                peer.ae_title,
                settings.ae_title,
                [STORAGE_COMMITMENT_PUSH],
                timeout_s=limits.PEER_ANSWER_S,
                roles={STORAGE_COMMITMENT_PUSH: (False, True)},
                tls=context(peer.is_encrypted),
            ) as association:
                association.report_event(
                    STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE, event_type_id, event
                )
        except (AssociationFailed, OperationFailed, TlsUnusable) as failed:
            raise ReportFailed(str(failed)) from None

    return report


def means_of_notification(settings: Settings) -> Means:
    """Instance Availability Notifications (PS3.4 annex R) under the title of this system."""
    context = context_of(settings)

    def notify(peer: RemoteAE, attributes: JsonDict) -> None:
        try:
            with open_plain(
                peer.host,
                peer.port,
                peer.ae_title,
                settings.ae_title,
                [INSTANCE_AVAILABILITY],
                timeout_s=limits.PEER_ANSWER_S,
                tls=context(peer.is_encrypted),
            ) as association:
                association.create_instance(INSTANCE_AVAILABILITY, attributes)
        except (AssociationFailed, OperationFailed, TlsUnusable) as failed:
            raise NotTold(str(failed)) from None

    uri = f"{settings.public_url.rstrip('/')}/dicom-web" if settings.public_url else None
    return Means(notify, settings.ae_title, uri)


def workitem_reporter_as(settings: Settings) -> WorkitemReporter:
    """Reports events of Unified Procedure Steps (PS3.4 CC.2.4): this system proposes itself as SCP of their class."""
    context = context_of(settings)

    def report(peer: RemoteAE, events: Sequence[Waiting]) -> Iterator[tuple[int, str | None]]:
        try:
            with open_plain(
                peer.host,
                peer.port,
                peer.ae_title,
                settings.ae_title,
                [UPS_EVENT],
                timeout_s=limits.PEER_ANSWER_S,
                roles={UPS_EVENT: (False, True)},
                tls=context(peer.is_encrypted),
            ) as association:
                association.context_for(UPS_EVENT)
                for one in events:
                    objection = None
                    try:
                        association.report_event(
                            UPS_PUSH,
                            one.sop_instance_uid,
                            one.event_type_id,
                            one.information,
                            context_class=UPS_EVENT,
                        )
                    except OperationFailed as failed:
                        # It was heard. What the peer thinks of it is noted, and does not hold up what follows.
                        objection = str(failed)[:200]
                    yield one.workitem_event_pk, objection
        except (AssociationFailed, OperationFailed, TlsUnusable) as failed:
            raise EventNotHeard(str(failed)) from None

    return report
