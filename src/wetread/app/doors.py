"""The doors of DICOM: sockets that the supervisor opens, and all processes of the node take callers from.

The system wakes those who wait in turn, so that associations spread over the machine's cores; and while a process that died
is started again, its port refuses nobody.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

from wetread.dimse.server import listen_at
from wetread.kit.config import Settings


@dataclass(frozen=True, slots=True)
class Doors:
    """Sockets that listen, of plain DICOM and of TLS; None: the process opens its own. `first`: it is the process that does
    what is done once, HL7 among it."""

    plain: socket.socket | None = None
    secured: socket.socket | None = None
    first: bool = True

    @classmethod
    def opened(cls, settings: Settings) -> Doors:
        """All that the settings name. Raises OSError where a port is taken."""
        if "dicom" not in settings.roles:
            return cls()
        plain = listen_at(settings.host, settings.dicom_port) if settings.plain_peers else None
        secured = None
        if settings.dicom_tls_port is not None:
            secured = listen_at(settings.host, settings.dicom_tls_port)
        return cls(plain, secured)

    @classmethod
    def inherited(cls, plain: int | None, secured: int | None, *, first: bool) -> Doors:
        """Of the descriptors that a parent passed on."""
        return cls(
            None if plain is None else socket.socket(fileno=plain),
            None if secured is None else socket.socket(fileno=secured),
            first=first,
        )

    @property
    def descriptors(self) -> dict[str, int]:
        """What to pass on, by the name of the option that tells the child of it."""
        named = {"--plain-door": self.plain, "--secured-door": self.secured}
        return {name: door.fileno() for name, door in named.items() if door is not None}

    def close(self) -> None:
        """This process's hold on them; others that have them go on."""
        for door in (self.plain, self.secured):
            if door is not None:
                with contextlib.suppress(OSError):
                    door.close()
