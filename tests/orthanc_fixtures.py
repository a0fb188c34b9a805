"""A real Orthanc with DICOMweb, on an empty folder."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from tools.ports import free_port

from archive_fixtures import file_bytes

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class Orthanc:
    """Its doors."""

    dicom: int
    http: int
    ae_title: str = "ORTHANC"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, (response.status, content[:300])
        return json.loads(content) if content else None

    def put(self, *objects: pydicom.Dataset) -> None:
        """Stores objects by its REST interface."""
        for ds in objects:
            self.ask("POST", "/instances", file_bytes(ds))


@contextmanager
def running_orthanc(folder: Path, our_port: int) -> Iterator[Orthanc]:
    """It knows this system as WETREAD at a port of this machine. Skips where it is not installed."""
    program = shutil.which("Orthanc")
    if program is None or not PLUGIN.exists():
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    folder.mkdir()
    made = Orthanc(free_port(), free_port())
    settings = {
        "StorageDirectory": str(folder / "objects"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": made.http,
        "DicomPort": made.dicom,
        "DicomAet": made.ae_title,
        "DicomModalities": {
            "wetread": {
                "AET": "WETREAD", "Host": "127.0.0.1", "Port": our_port, "AllowEcho": True, "AllowFind": True,
                "AllowMove": True, "AllowGet": True, "AllowStore": True,
            }
        },
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, path], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            try:
                socket.create_connection(("127.0.0.1", made.http), 1).close()
                socket.create_connection(("127.0.0.1", made.dicom), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(30)
