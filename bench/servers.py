"""Starts the servers that are measured, each on an empty folder, and stops them again by their process id."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.ports import free_port

# Debian's DCMTK leaves Nagle's algorithm on, which costs 40 ms an object and would flatter everyone else.
QUICK = {"TCP_NODELAY": "1"}


@dataclass
class Server:
    """A DICOM node with DICOMweb that runs now."""

    name: str
    ae_title: str
    dicom_port: int
    web: str  # the base of DICOMweb
    headers: dict[str, str]
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Ends it and waits; what does not end within 20 s is killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def settle(self, seconds: float = 40) -> None:
        """Waits until what was left to do in the background is done: under a tenth of a core for a second."""
        end = time.monotonic() + seconds
        quiet = 0
        while quiet < 2 and time.monotonic() < end:
            before, _ = self.cpu_and_memory()
            time.sleep(1)
            after, _ = self.cpu_and_memory()
            quiet = quiet + 1 if after - before < 0.1 else 0

    def cpu_and_memory(self) -> tuple[float, float]:
        """CPU seconds used so far and the memory now (MB, proportional), of the whole process tree."""
        import psutil

        cpu = memory = 0.0
        root = psutil.Process(self.process.pid)
        for process in [root, *root.children(recursive=True)]:
            try:
                times = process.cpu_times()
                cpu += times.user + times.system
                memory += process.memory_full_info().pss / 1e6
            except psutil.Error:
                continue
        return cpu, memory


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"A server ended at once with {process.returncode}.")
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    process.terminate()
    process.wait(30)
    raise SystemExit(f"Nothing answered on port {port} within {seconds:.0f} s.")


def wetread(folder: Path) -> Server:
    """Wetread on embedded PostgreSQL, with its defaults: sealed objects, fsync, hash, audit."""
    command = Path(sys.executable).parent / "wetread"
    http, dicom, hl7 = free_port(), free_port(), free_port()
    environment = {
        **os.environ,
        **QUICK,
        "WETREAD_DATA": str(folder),
        "WETREAD_HTTP_PORT": str(http),
        "WETREAD_DICOM_PORT": str(dicom),
        "WETREAD_HL7_PORT": str(hl7),
        "WETREAD_ACCEPT_ANY_LOOPBACK_AE": "true",
    }
    log = (folder.parent / "wetread.log").open("wb")
    process = subprocess.Popen([command, "serve"], env=environment, stdout=log, stderr=log)
    _wait_for(http, process)
    _wait_for(dicom, process)

    def cli(*words: str) -> str:
        return subprocess.run(
            [command, *words], env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    kept = folder.parent / "token"  # of a folder that is started again
    if not kept.exists():
        cli("user", "add", "bench", "Bench", "--role", "radiologist")
        kept.touch(0o600)
        kept.write_text(cli("token", "add", "bench", "bench"))
    token = kept.read_text()
    headers = {"Authorization": f"Bearer {token}"}
    return Server("wetread", "WETREAD", dicom, f"http://127.0.0.1:{http}/dicom-web", headers, process)


def orthanc(folder: Path) -> Server | None:
    """Orthanc with SQLite and its default durability; None where Debian's packages are not installed."""
    program = shutil.which("Orthanc") or shutil.which("orthanc")
    plugin = next(Path("/usr").glob("**/libOrthancDicomWeb.so*"), None)
    if program is None or plugin is None:
        return None
    folder.mkdir(parents=True)
    http, dicom = free_port(), free_port()
    settings = {
        "Name": "bench",
        "StorageDirectory": str(folder / "objects"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {},
        "MaximumPduLength": 131072,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(plugin)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    log = (folder.parent / "orthanc.log").open("wb")
    process = subprocess.Popen([program, path], env={**os.environ, **QUICK}, stdout=log, stderr=log)
    _wait_for(dicom, process)
    return Server("orthanc", "ORTHANC", dicom, f"http://127.0.0.1:{http}/dicom-web", {}, process)
