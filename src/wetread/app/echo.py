"""C-ECHO for the archive's table of application entities: the node's own client, its outcome in words."""

from __future__ import annotations

from wetread.app.peers import context_of
from wetread.archive.api import Echo
from wetread.dicom.sopclass import VERIFICATION
from wetread.dimse.client import AssociationFailed, OperationFailed, open_plain
from wetread.kit import limits
from wetread.kit.config import Settings
from wetread.kit.tls import TlsUnusable


def echo_as(settings: Settings) -> Echo:
    """An Echo that calls under the title of this system."""
    context = context_of(settings)

    def echo(ae_title: str, host: str, port: int, *, encrypted: bool = False) -> str | None:
        try:
            with open_plain(
                host,
                port,
                ae_title,
                settings.ae_title,
                [VERIFICATION],
                timeout_s=limits.ECHO_S,
                tls=context(encrypted),
            ) as association:
                association.echo()
        except (AssociationFailed, OperationFailed, TlsUnusable) as failed:
            return str(failed)
        return None

    return echo
