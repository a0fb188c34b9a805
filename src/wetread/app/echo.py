"""C-ECHO for the archive's table of application entities: the node's own client, its outcome in words."""

from __future__ import annotations

from wetread.archive.api import Echo
from wetread.dicom.sopclass import VERIFICATION
from wetread.dimse.client import AssociationFailed, OperationFailed, open_plain
from wetread.kit import limits


def echo_as(calling_ae_title: str) -> Echo:
    """An Echo that calls under the title of this system."""

    def echo(ae_title: str, host: str, port: int) -> str | None:
        try:
            with open_plain(
                host, port, ae_title, calling_ae_title, [VERIFICATION], timeout_s=limits.ECHO_S
            ) as association:
                association.echo()
        except (AssociationFailed, OperationFailed) as failed:
            return str(failed)
        return None

    return echo
