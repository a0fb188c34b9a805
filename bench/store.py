"""Times C-STORE: our own sender, so that the server is the limit, or DCMTK's storescu, which is what people have."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.servers import QUICK, Server


def send(server: Server, parts: list[list[Path]]) -> float:
    """Seconds until the last object is acknowledged, each part over an association of its own, all at once.

    Raises SystemExit on a refusal.
    """
    senders = [
        subprocess.Popen(
            [
                sys.executable,
                *("-m", "bench.sender", "127.0.0.1", str(server.dicom_port), server.ae_title),
                *map(str, part),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        for part in parts
    ]
    took: list[float] = []
    for sender in senders:
        assert sender.stdout is not None
        if sender.stdout.readline().strip() != "ready":
            raise SystemExit(f"{server.name} refused the association.")
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    for sender in senders:
        out, _ = sender.communicate()
        if sender.returncode:
            raise SystemExit(f"{server.name} refused an object.")
        took.append(float(out))
    return max(took)


def storescu(server: Server, parts: list[list[Path]]) -> float:
    """The same with DCMTK's sender, which reads its files while it sends."""
    begun = time.perf_counter()
    senders = [
        subprocess.Popen(
            [
                *("storescu", "-aec", server.ae_title, "-pdu", "131072", "127.0.0.1", str(server.dicom_port)),
                *map(str, part),
            ],
            env={**os.environ, **QUICK},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for part in parts
    ]
    said = [sender.communicate()[1] for sender in senders]
    took = time.perf_counter() - begun
    if any(sender.returncode for sender in senders):
        raise SystemExit(f"{server.name} refused: {said[0][-400:]!r}")
    return took
