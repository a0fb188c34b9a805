"""The start-up checks against a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from wetread.app import checks
from wetread.app.checks import UnsafeSetup, check_database
from wetread.kit.db import Database

embedded = pytest.mark.skipif(
    "WETREAD_TEST_DATABASE_URL" in os.environ, reason="alters the server, which is not ours to alter"
)


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str]) -> str:
    return make_database("wetread_checks")


@contextmanager
def altered(url: str, name: str) -> Iterator[None]:
    """The server with a setting off, as its superuser can do."""
    as_superuser = url.replace("wetread@", "postgres@", 1)
    with psycopg.connect(as_superuser, autocommit=True) as connection:
        try:
            connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
            connection.execute("SELECT pg_reload_conf(), pg_sleep(0.3)")
            yield
        finally:
            connection.execute(f"ALTER SYSTEM RESET {name}".encode())
            connection.execute("SELECT pg_reload_conf(), pg_sleep(0.3)")


def check(url: str) -> None:
    database = Database(url)
    try:
        check_database(database)
    finally:
        database.close()


@embedded
def test_the_embedded_server_is_safe(url: str) -> None:
    check(url)


@embedded
@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_could_lose_what_was_acknowledged_is_refused(url: str, name: str) -> None:
    with altered(url, name), pytest.raises(UnsafeSetup, match=f"{name} = off") as refused:
        check(url)
    assert len(str(refused.value).splitlines()) == 1
    check(url)


@embedded
def test_a_superuser_is_refused(url: str) -> None:
    with pytest.raises(UnsafeSetup, match="superuser"):
        check(url.replace("wetread@", "postgres@", 1))


@embedded
@pytest.mark.parametrize("away", [timedelta(seconds=-3), timedelta(seconds=3)])
def test_a_clock_of_its_own_is_refused(url: str, monkeypatch: pytest.MonkeyPatch, away: timedelta) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + away

    monkeypatch.setattr(checks, "datetime", Wrong)
    with pytest.raises(UnsafeSetup, match=r"differ by [23]\.\d s"):
        check(url)
