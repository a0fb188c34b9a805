"""Times C-STORE with DCMTK's storescu as the sender."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from bench.servers import QUICK, Server


def send(server: Server, files: list[Path], associations: int) -> float:
    """Seconds until the last of `files` is acknowledged, over `associations` at once. Raises SystemExit on a refusal."""
    commands = [
        [
            "storescu",
            "-aec",
            server.ae_title,
            "-pdu",
            "131072",
            "127.0.0.1",
            str(server.dicom_port),
            *map(str, part),
        ]
        for part in (files[at::associations] for at in range(associations))
    ]
    begun = time.perf_counter()
    senders = [
        subprocess.Popen(
            command, env={**os.environ, **QUICK}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for command in commands
    ]
    said = [sender.communicate()[1] for sender in senders]
    took = time.perf_counter() - begun
    if any(sender.returncode for sender in senders):
        raise SystemExit(f"{server.name} refused: {said[0][-400:]!r}")
    return took
