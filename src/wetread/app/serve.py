"""`wetread serve`: a small tree of processes (PostgreSQL, web, node, worker) under one supervisor.

Ingest has a process of its own, so that it never stalls a screen. A part that dies is started again with growing
pauses; when the supervisor is told to end, the parts finish what they do, then PostgreSQL shuts down.
"""

from __future__ import annotations

import ctypes
import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from wetread import migrations
from wetread.app.build import build_house
from wetread.app.checks import UnsafeSetup, check_database, check_ports, check_settings
from wetread.app.doors import Doors
from wetread.app.postgres import EmbeddedPostgres
from wetread.app.rooms import MODELS, load
from wetread.kit.config import PREFIX, Settings
from wetread.kit.ending import Ending
from wetread.kit.stores import dumped

log = structlog.get_logger()

_READY_S_MAX = 300.0  # a loaded machine is slow to start; what waits for readiness must not be left out
_END_S = 25.0
_MORE_AFTER_S_MAX = 20.0
_WORKER_NICENESS = 5
_RESTART_PAUSE_S_MAX = 30.0
_LOCK = ".lock"
_SERVED = "served.json"
_SAID = ("host", "http_port", "dicom_port", "hl7_port", "ae_title", "public_url", "tls_certificate")


@dataclasses.dataclass(slots=True)
class Process:
    """One of the tree, that runs, or waits to be started again."""

    name: str
    # From 1, among the processes of its name.
    number: int = 1
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    not_before: float = 0.0


def parts_of(settings: Settings) -> list[tuple[str, int]]:
    """The processes for the chosen roles, by name and number; DICOM and HL7 share the first of the node."""
    chosen = set(settings.roles)
    nodes = settings.node_processes if "dicom" in chosen else 1
    return [
        (name, number)
        for name, roles, count in (
            ("web", {"web"}, 1),
            ("node", {"dicom", "hl7"}, nodes),
            ("worker", {"worker"}, 1),
        )
        if chosen & roles
        for number in range(1, count + 1)
    ]


class Supervisor:
    """Starts, watches and ends the parts. `run` blocks until a signal."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._postgres: EmbeddedPostgres | None = None
        self.parts = [Process(name, number) for name, number in parts_of(settings)]
        self._doors = Doors()
        self._ending = Ending()
        self._lock: int | None = None
        self._companions: list[subprocess.Popen[bytes]] = []
        self._ready = False

    def prepare(self) -> Settings:
        """Checks, database, schema. Returns the settings with the database's address. Raises UnsafeSetup."""
        check_settings(self.settings)
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self.claim_data_folder()
        check_ports(self.settings)
        if self.settings.database_url is None:
            self._postgres = EmbeddedPostgres(self.settings.data)
            self._postgres.start()
            self.settings = dataclasses.replace(self.settings, database_url=self._postgres.url)
        load(MODELS)
        house = build_house(self.settings, part="supervisor")
        try:
            check_database(house.database)
            migrations.upgrade(house.database)
        finally:
            house.close()
        return self.settings

    def claim_data_folder(self) -> None:
        """One supervisor a data folder: two would fight over its PostgreSQL. Says there where it is reached (`as_served`).
        Raises UnsafeSetup."""
        self._lock = os.open(self.settings.data / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnsafeSetup(f"Another Wetread already runs on {self.settings.data}.") from None
        said = {name: getattr(self.settings, name) for name in _SAID}
        path = self.settings.data / _SERVED
        path.write_text(
            json.dumps({name: value if value is None else str(value) for name, value in said.items()})
        )
        path.chmod(0o600)

    def run(self, *, when_ready: Callable[[Settings], None] | None = None) -> int:
        """Runs until SIGTERM or SIGINT; returns the exit code."""
        self._ending.on(signal.SIGTERM, signal.SIGINT)
        try:
            self.open_doors()
            for part in self.parts:
                # More of a kind come a little later: what people and peers wait for first has the machine.
                if part.number == 1:
                    self.start(part)
                else:
                    part.not_before = time.monotonic() + _MORE_AFTER_S_MAX
            threading.Thread(target=self._announce, args=(when_ready,), daemon=True).start()
            while not self._ending.wait(0.2):
                self._watch()
        finally:
            self.end()
        return 0

    def accompany(self, command: list[str]) -> int:
        """Runs a command that needs the database, until it ends or the house does; returns its exit code."""
        if self._ending.is_set():
            return 0
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment_of(self.settings)},
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - the child execs at once
        )
        self._companions.append(process)
        return process.wait()

    def _announce(self, when_ready: Callable[[Settings], None] | None) -> None:
        if wait_until_ready(self.settings, _READY_S_MAX, self._ending):
            self._ready = True
            if when_ready is not None:
                when_ready(self.settings)

    def open_doors(self) -> None:
        """Opens the sockets that all processes of the node take callers from. Raises OSError."""
        self._doors = Doors.opened(self.settings)

    def start(self, part: Process) -> None:
        """Starts one of `parts`."""
        environment = {**os.environ, **environment_of(self.settings)}
        doors: dict[str, int] = {}
        told: list[str] = []
        if part.name == "node":
            doors = self._doors.descriptors
            told = [
                "--number",
                str(part.number),
                *(word for pair in doors.items() for word in map(str, pair)),
            ]
        # On one machine with the rest, background work steps aside a little for ingest and screens, also at the start.
        niceness = _WORKER_NICENESS if part.name == "worker" else 0
        part.process = subprocess.Popen(
            [sys.executable, "-m", "wetread", "part", part.name, *told],
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=tuple(doors.values()),
            preexec_fn=partial(_end_with_parent, niceness),  # noqa: PLW1509 - the child execs at once
        )
        part.started_at = time.monotonic()

    def _watch(self) -> None:
        if self._postgres is not None and not self._postgres.alive:
            log.error("PostgreSQL ended; starting it again")
            self._postgres.start()
        now = time.monotonic()
        for part in self.parts:
            if part.process is None:
                if now >= part.not_before or (self._ready and part.number > 1 and not part.failures):
                    self.start(part)
            elif part.process.poll() is not None:
                if now - part.started_at > 60:
                    part.failures = 0
                part.failures += 1
                pause = min(0.5 * 2**part.failures, _RESTART_PAUSE_S_MAX)
                log.error(
                    "a part ended; starting it again",
                    name=part.name,
                    number=part.number,
                    code=part.process.returncode,
                    in_s=pause,
                )
                part.process, part.not_before = None, now + pause

    def end(self) -> None:
        """Ends the parts, then PostgreSQL."""
        self._doors.close()  # who calls now is refused as soon as the parts close theirs
        running = [part.process for part in self.parts if part.process is not None] + self._companions
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _END_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._postgres is not None:
            self._postgres.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def as_served(settings: Settings) -> Settings:
    """The settings with the addresses of the server that runs on their data folder: it may have been given others on its
    command line. The same settings where none runs."""
    try:
        lock = os.open(settings.data / _LOCK, os.O_RDWR)
    except OSError:
        return settings
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            said = json.loads((settings.data / _SERVED).read_text())
        except (OSError, ValueError):  # it is only just starting
            return settings
        certificate = said["tls_certificate"]
        return dataclasses.replace(
            settings,
            host=said["host"],
            http_port=int(said["http_port"]),
            dicom_port=int(said["dicom_port"]),
            hl7_port=int(said["hl7_port"]),
            ae_title=said["ae_title"],
            public_url=said["public_url"],
            tls_certificate=Path(certificate) if certificate else None,
        )
    else:
        return settings
    finally:
        os.close(lock)


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as WETREAD_ variables for a child; secrets never stand on a command line."""
    environment: dict[str, str] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is None:
            continue
        if field.name == "stores":
            text = dumped(value)
        else:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
        environment[PREFIX + field.name.upper()] = text
    return environment


def wait_until_ready(settings: Settings, seconds: float, ending: Ending | None = None) -> bool:
    """Asks /readyz until it says so, or the time is over."""
    import http.client

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (ending and ending.is_set()):
        if settings.tls_certificate is not None:
            return True
        try:
            connection = http.client.HTTPConnection(settings.host, settings.http_port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


def _end_with_parent(niceness: int = 0) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    os.setpgid(0, 0)
    if niceness:
        os.nice(niceness)
