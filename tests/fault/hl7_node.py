"""Forks HL7 nodes that are killed at any instant. Arguments: `url`; each says its port."""

from __future__ import annotations

import sys
import threading

from forking import fork_when_told, say
from wetread.app.rooms import MODELS, load
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.hl7.server import MllpServer
from wetread.kit.db import Database
from wetread.security.service import Offices


def serve() -> None:
    """Serves until killed."""
    server = MllpServer(
        "127.0.0.1", 0, Interface(Offices(Database(sys.argv[1])), InterfaceSettings("WETREAD")).handle
    )
    server.start()
    say(str(server.address[1]))
    threading.Event().wait()


if __name__ == "__main__":
    load(MODELS)
    fork_when_told(serve)
