"""What a run stands on: a PostgreSQL of its own, a data folder, and parts of the house that can be killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tools.faults.senders import Ledger
from tools.ports import free_port
from wetread.app.build import House, build_house
from wetread.app.postgres import EmbeddedPostgres, PostgresFailed
from wetread.app.rooms import MODELS, TASKS, load
from wetread.app.wiring import wire
from wetread.archive.service import Archive
from wetread.kit.config import Settings, load_settings
from wetread.kit.db import Database, create_schema
from wetread.orders.service import ProcedureInput, add_procedure
from wetread.security.model import Site
from wetread.security.service import Actor, FileMasterKey, Offices, Role, create_token, create_user

ROOT = Path(__file__).parents[2]
# Only that a run ends at all: on a busy machine all of it takes its time, and nothing is judged by it.
READY_S = 180.0
_GONE_S = 180.0  # a job that runs gets to finish
_SCENE_S = 300.0


class Stuck(Exception):
    """Something did not come back in good time."""


def await_that(condition: object, seconds: float, what: str) -> None:
    """Asks until it is so. Raises Stuck."""
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Stuck(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass(slots=True)
class Parts:
    """Running parts of the house. Nobody waits for them, so that the number of one that ended is soon another process's: in a
    long run there are more of them than numbers. They are held by what stays theirs."""

    pids: list[int]
    _held: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):  # it ended at once
                self._held.append(os.pidfd_open(pid))

    @property
    def running(self) -> int:
        """How many still run."""
        for handle in list(self._held):
            look = select.poll()
            look.register(handle, select.POLLIN)
            if look.poll(0):
                self._held.remove(handle)
                os.close(handle)
        return len(self._held)

    @property
    def are_whole(self) -> bool:
        """Whether all still run."""
        return self.running == len(self.pids)

    def signal(self, number: int) -> None:
        """To all that still run."""
        for handle in self._held:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)

    def kill(self) -> None:
        """All at once, with SIGKILL; returns when they are gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def end(self) -> None:
        """In order; what does not end is killed."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(Stuck):
            self.wait()
            return
        self.kill()

    def wait(self) -> None:
        """Until all are gone. Raises Stuck."""
        await_that(lambda: not self.running, _GONE_S, "a part ends")


class Stand:
    """One installation with its own database; see `standing`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.postgres = EmbeddedPostgres(data)
        self.http, self.dicom, self.hl7 = free_port(), free_port(), free_port()
        self.token = ""
        self.ledger = Ledger()
        self.more: dict[str, str] = {}
        """Further variables of every part."""
        self._starter: subprocess.Popen[str] | None = None
        self._parts: list[Parts] = []

    # The database -------------------------------------------------------------------------------------------

    def prepare(self, *, lazy_log: bool = False) -> None:
        """Database, schema, and what orders and uploads need. `lazy_log`: PostgreSQL writes its log out as late as it may, so
        that a kill takes along as much as it ever could of what was committed without waiting for the disk."""
        self.postgres.start()
        if lazy_log:
            admin = self.postgres.url.replace("wetread@/wetread", "postgres@/postgres")
            with psycopg.connect(admin, autocommit=True) as connection:
                for setting in ("wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'"):
                    connection.execute(f"ALTER SYSTEM SET {setting}".encode())
                connection.execute("SELECT pg_reload_conf()")
        load(MODELS)
        load(TASKS)
        FileMasterKey.open(self.settings.master_key_path)
        database = Database(self.postgres.url)
        with database.engine.begin() as connection:
            create_schema(connection)
        with Offices(database).work(Actor.system("stand")) as work:
            work.session.add(Site(code="RIV", institution_name="Riverside", time_zone="America/New_York"))
            work.session.flush()
            add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT"))
            user = create_user(
                work,
                username="modality",
                display_name="Modality",
                roles=[Role("technologist")],
                password="correct horse battery staple",
                mfa_required=False,
            )
            _, self.token = create_token(work, user.user_pk, "stand", [], days=None)
        database.close()

    def postgres_pids(self) -> list[int]:
        """The postmaster, then its backends."""
        try:
            postmaster = int((self.postgres.cluster / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return []
        try:
            command = Path(f"/proc/{postmaster}/cmdline").read_bytes()
        except OSError:
            return []
        # The file outlives a server that was killed, and its number may be another process's by now.
        if not is_alive(postmaster) or os.fsencode(self.postgres.cluster) not in command:
            return []
        children = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                    if int(fields[1]) == postmaster:
                        children.append(int(folder.name))
        return [postmaster, *children]

    def kill_postgres(self, *, backends: bool = True) -> None:
        """kill -9 of the postmaster, and of all its backends, or of it alone."""
        pids = self.postgres_pids()
        for pid in pids if backends else pids[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if backends:
            await_that(lambda: not any(map(is_alive, pids[1:])), _GONE_S, "PostgreSQL ends")

    def start_postgres(self) -> None:
        """Again, as the supervisor does it. Raises PostgresFailed."""
        self.postgres.start()

    # Parts --------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """As the parts get them."""
        return load_settings(self.environment())

    def environment(self, **more: str) -> dict[str, str]:
        """WETREAD_ variables of the parts."""
        return {
            "WETREAD_DATA": str(self.data),
            "WETREAD_DATABASE_URL": self.postgres.url,
            "WETREAD_HTTP_PORT": str(self.http),
            "WETREAD_DICOM_PORT": str(self.dicom),
            "WETREAD_HL7_PORT": str(self.hl7),
            "WETREAD_ACCEPT_ANY_LOOPBACK_AE": "true",
            "WETREAD_LOG_LEVEL": "warning",
            **self.more,
            **more,
        }

    def start(self, *names: str, **more: str) -> Parts:
        """Starts parts (`node`, `web`, `worker`; nodes named twice share their doors); they may not be ready yet."""
        parts = Parts(self._ask({"parts": names, "environment": self.environment(**more)}))
        self._parts = [one for one in self._parts if one.running] + [parts]
        return parts

    def start_ready(self, *names: str) -> Parts:
        """Starts parts, and waits until they answer. One that ends at its start, as for want of the database, is started
        again, as the supervisor does it. Raises Stuck."""
        until = time.monotonic() + READY_S
        while True:
            parts = self.start(*names)
            try:
                self.wait_ready(parts, names)
            except Stuck:
                parts.kill()
                if time.monotonic() > until:
                    raise
            else:
                return parts

    def play(self, **asked: Any) -> None:
        """Has a child play a scene; returns when it ended or died."""
        parts = Parts(self._ask({"play": asked, "environment": self.environment()}))
        await_that(lambda: not parts.running, _SCENE_S, f"a scene ends ({asked})")

    def _ask(self, asked: dict[str, Any]) -> list[int]:
        if self._starter is None:
            clean = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
            self._starter = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tools.faults.starter",
                    str(self.data / "parts.log"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=clean,
            )
        assert self._starter.stdin is not None
        assert self._starter.stdout is not None
        self._starter.stdin.write(json.dumps(asked) + "\n")
        self._starter.stdin.flush()
        return [int(pid) for pid in json.loads(self._starter.stdout.readline())]

    def wait_ready(self, parts: Parts, names: Sequence[str]) -> None:
        """Until the parts answer at their doors. Raises Stuck."""

        def answers() -> bool:
            if not parts.are_whole:
                raise Stuck(f"a part ended: {self.log_end()}")
            ports = [port for name, port in (("node", self.dicom), ("node", self.hl7)) if name in names]
            for port in ports:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                except OSError:
                    return False
            if "web" in names:
                connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=2)
                try:
                    connection.request("GET", "/readyz")
                    return connection.getresponse().status == 200
                except (OSError, http.client.HTTPException):
                    return False
                finally:
                    connection.close()
            return True

        await_that(answers, READY_S, "the house is ready")

    def log_text(self) -> str:
        """All that the parts said."""
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "parts.log").read_text(errors="replace")
        return ""

    def log_end(self) -> str:
        """What they said last."""
        return "\n".join(self.log_text().splitlines()[-12:])

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[House, Archive]]:
        """The same installation in this process, to look at what is there."""
        house = build_house(self.settings, part="audit")
        archive = wire(house)
        try:
            yield house, archive
        finally:
            archive.close()
            house.close()

    def close(self) -> None:
        """Ends everything that was started."""
        for parts in self._parts:
            parts.kill()
        if self._starter is not None:
            assert self._starter.stdin is not None
            assert self._starter.stdout is not None
            self._starter.stdin.close()
            self._starter.stdout.close()
            self._starter.kill()
            self._starter.wait()
        for pid in self.postgres_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)  # one that was stopped could not end
        self.postgres.stop()


@contextlib.contextmanager
def standing(*, lazy_log: bool = False) -> Iterator[Stand]:
    """A stand in a folder of its own, which goes at the end. For `lazy_log` see Stand.prepare."""
    folder = Path(tempfile.mkdtemp(prefix="wetread-faults-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user where this is root
    stand = Stand(folder)
    try:
        stand.prepare(lazy_log=lazy_log)
        yield stand
    finally:
        try:
            stand.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def on(stand: Stand | None, *, lazy_log: bool = False) -> Iterator[Stand]:
    """The stand that is there, or one of its own."""
    if stand is not None:
        yield stand
    else:
        with standing(lazy_log=lazy_log) as made:
            yield made


__all__ = [
    "Parts",
    "PostgresFailed",
    "Stand",
    "Stuck",
    "await_that",
    "is_alive",
    "on",
    "standing",
]
