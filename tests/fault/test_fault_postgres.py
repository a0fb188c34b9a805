"""The embedded PostgreSQL comes back after a kill, also where something of the old one stands in its way, or it recovers long."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from wetread.app import postgres
from wetread.app.postgres import EmbeddedPostgres, PostgresFailed


def _backend(server: EmbeddedPostgres) -> tuple[psycopg.Connection[tuple[object, ...]], int]:
    connection = psycopg.connect(server.url, autocommit=True)
    return connection, connection.info.backend_pid


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the server's own user can reach."""
    with tempfile.TemporaryDirectory(prefix="wetread-postgres-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.fault
def test_it_starts_again_after_a_kill(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    held = 0
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (number int)")
            connection.execute("INSERT INTO kept VALUES (1)")
        # A backend that is busy does not see at once that its postmaster is gone, and holds the shared memory.
        _, held = _backend(server)
        os.kill(held, signal.SIGSTOP)
        postmaster = int((server.cluster / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        while server.alive:
            time.sleep(0.01)
        going = threading.Timer(1.5, os.kill, (held, signal.SIGKILL))
        going.start()
        server.start()
        going.join()
        held = 0
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]

        # Recovery takes as long as it takes: the time limit is for a server that says nothing.
        monkeypatch.setattr(postgres, "_START_S", 0.5)
        until, says = time.monotonic() + 2.0, server._says
        monkeypatch.setattr(
            server, "_says", lambda: postgres.RECOVERING if time.monotonic() < until else says()
        )
        server.stop()
        server.start()
        assert time.monotonic() >= until
        assert server.answers()

        # What is wrong for good is said at once, with the server's own words.
        server.stop()
        (server.cluster / "postgresql.conf").write_text("no_such_setting = 1\n")
        monkeypatch.setattr(postgres, "_START_S", 10_000.0)
        with pytest.raises(PostgresFailed, match="no_such_setting"):
            server.start()
    finally:
        if held:
            os.kill(held, signal.SIGKILL)
        server.stop()
