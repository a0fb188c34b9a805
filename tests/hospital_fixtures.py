"""A demo hospital that runs for a test, and its doors."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.ports import free_port


class Hospital:
    """A demo hospital of this test, and its doors."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.http, self.dicom, self.hl7 = free_port(), free_port(), free_port()
        environment = {
            **os.environ,
            "WETREAD_DATA": str(data),
            "WETREAD_HTTP_PORT": str(self.http),
            "WETREAD_DICOM_PORT": str(self.dicom),
            "WETREAD_HL7_PORT": str(self.hl7),
        }
        self.log = (data / "output.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wetread", "demo"], env=environment, stdout=self.log, stderr=self.log
        )

    def wait(self, condition: Any, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, (self.data / "output.log").read_text()[-3000:]
            try:
                if found := condition():
                    return found
            except OSError:
                pass
            assert time.monotonic() < deadline, (self.data / "output.log").read_text()[-3000:]
            time.sleep(0.2)

    def ask(self, method: str, path: str, role: str, body: Any = None) -> tuple[int, Any]:
        account = self.account(role)
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        headers = {"Authorization": f"Bearer {account['token']}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(content) if "json" in kind and content else content

    def account(self, role: str) -> dict[str, str]:
        accounts: list[dict[str, str]] = json.loads((self.data / "demo-credentials.json").read_text())
        return next(one for one in accounts if one["role"] == role)

    def password(self, role: str) -> str:
        return self.account(role)["password"]


@contextmanager
def running_hospital() -> Iterator[Hospital]:
    """The demo hospital on an empty folder, from when its first cases can be read until it has ended cleanly."""
    with tempfile.TemporaryDirectory(prefix="wetread-flow-") as folder:
        Path(folder).chmod(0o755)
        made = Hospital(Path(folder))
        try:
            made.wait(lambda: made.ask("GET", "/readyz", "admin")[0] == 200, 150)
            # The catalogue is there once the first patients are.
            made.wait(lambda: made.ask("GET", "/api/reading-list", "radiologist")[1].get("total"), 150)
            yield made
        finally:
            made.process.send_signal(signal.SIGTERM)
            assert made.process.wait(90) == 0
            made.log.close()
