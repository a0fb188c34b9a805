"""An HL7 node that is killed at any instant. Arguments: `url`; prints its port."""

from __future__ import annotations

import sys
import threading

from wetread.app.rooms import MODELS, load
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.hl7.server import MllpServer
from wetread.kit.db import Database
from wetread.security.service import Offices


def main() -> None:
    """Serves until killed."""
    load(MODELS)
    server = MllpServer(
        "127.0.0.1", 0, Interface(Offices(Database(sys.argv[1])), InterfaceSettings("WETREAD")).handle
    )
    server.start()
    sys.stdout.write(f"{server.address[1]}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
