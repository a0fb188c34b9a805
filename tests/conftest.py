"""Real parts for tests: an embedded PostgreSQL (or WETREAD_TEST_DATABASE_URL), units of work, the HTTP application."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import APIRouter
from sqlalchemy.orm import Session

from browser_fixtures import browser
from common import NOW, Api
from turns import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from wetread.app.postgres import EmbeddedPostgres
from wetread.app.rooms import MODELS, load
from wetread.kit.clock import FixedClock
from wetread.kit.db import Base, Database, create_schema
from wetread.security.keys import FileMasterKey
from wetread.security.service import (
    Actor,
    Identity,
    Offices,
    Permission,
    Role,
    Security,
    Work,
    permissions_of,
    use_identity,
)
from wetread.security.work import AuditMissing

# How fast the machine is says nothing about what is being tested.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def make_database() -> Iterator[Callable[[str], str]]:
    """Makes empty databases for this test process, by name; returns their URLs."""
    given = os.environ.get("WETREAD_TEST_DATABASE_URL")
    if given:
        made: list[str] = []

        def create(name: str) -> str:
            own = f"{name}_{os.getpid()}"
            with psycopg.connect(given, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {own}".encode())
            made.append(own)
            base, _, query = given.partition("?")
            return base.rsplit("/", 1)[0] + f"/{own}" + (f"?{query}" if query else "")

        yield create
        with psycopg.connect(given, autocommit=True) as connection:
            for own in made:
                connection.execute(f"DROP DATABASE {own} WITH (FORCE)".encode())
        return
    with tempfile.TemporaryDirectory(prefix="wetread-test-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder))
        server.start()
        try:
            yield server.create_database
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres_url(make_database: Callable[[str], str]) -> str:
    """An empty database of its own for this test process."""
    return make_database("wetread_test")


@pytest.fixture(scope="session")
def database(postgres_url: str) -> Iterator[Database]:
    """The database with the house's whole schema."""
    load(MODELS)
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        create_schema(connection)
    yield database
    database.close()


class _JoinedDatabase(Database):
    """Transactions become savepoints of one outer transaction, which the test rolls back."""

    def __init__(self, database: Database, connection: Any) -> None:
        self.url, self.engine = database.url, database.engine
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        session = Session(self._connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        with session, session.begin():
            yield session

    @contextmanager
    def raw(self) -> Iterator[Any]:
        yield self._connection.connection.driver_connection

    def close(self) -> None:
        """The real database stays open for the next test."""


@pytest.fixture
def clock() -> FixedClock:
    """3 AM on the day of the case."""
    return FixedClock(NOW)


@pytest.fixture
def offices(database: Database, clock: FixedClock) -> Iterator[Offices]:
    """Units of work in one outer transaction that is rolled back after the test."""
    with database.engine.connect() as connection:
        outer = connection.begin()
        yield Offices(_JoinedDatabase(database, connection), clock)
        outer.rollback()


@pytest.fixture
def identity(offices: Offices) -> Identity:
    """Signing in, with a master key of this test."""
    identity = Identity(offices, FileMasterKey(b"k" * 32))
    use_identity(identity)
    return identity


@pytest.fixture
def work(offices: Offices, identity: Identity) -> Iterator[Work]:
    """A unit of work with every permission."""
    with offices.work(Actor.system("test")) as work:
        yield work
        work.audited = work.audited or 1


def actor_as(role: str, **fields: Any) -> Actor:
    """An actor of one role, without an account."""
    one = frozenset({Role(role)})
    values = {"user_pk": None, "username": role, "display_name": role, **fields}
    return Actor(roles=one, permissions=permissions_of(one), kind="user", **values)


@pytest.fixture
def work_as(offices: Offices, identity: Identity) -> Any:
    """`with work_as("front_desk") as work:` a unit of work of that role; audit is enforced as in the product."""

    @contextmanager
    def opened(role: str, **fields: Any) -> Iterator[Work]:
        with offices.work(actor_as(role, **fields)) as work:
            yield work

    return opened


@pytest.fixture(scope="session")
def make_api() -> Iterator[Callable[[Security], Api]]:
    """Makes clients of the HTTP application, each of an application of its own with its own state, not signed in.

    Laying out some hundred endpoints takes a third of a second of work: they share the routes, and one event loop.
    """
    from wetread.app.web import create_app

    routers: list[APIRouter] = []
    with start_blocking_portal() as portal:

        def make(security: Security) -> Api:
            app = create_app(security)
            app.router = routers[0] if routers else app.router
            routers[:] = [app.router]
            client = Api(app, raise_server_exceptions=True)
            client.portal, client.offices = portal, security.offices
            return client

        yield make


@pytest.fixture
def api(make_api: Callable[[Security], Api], offices: Offices, identity: Identity) -> Api:
    """The HTTP application on the rolled-back transaction, not signed in."""
    return make_api(Security(offices, identity))


@pytest.fixture
def clean_database(database: Database) -> Iterator[Database]:
    """For tests that really commit: every table is emptied afterwards."""
    yield database
    with psycopg.connect(database.url, autocommit=True) as connection:
        # A test that failed half-way may have left a transaction open, which would hold the tables.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
        )
        # Truncating makes new files of every table and index, each synced; deleting a few rows is far quicker. Most tables
        # are empty: to ask which are not is one question.
        tables = [f'"{table.name}"' for table in reversed(Base.metadata.sorted_tables)] + [
            "procrastinate_jobs"
        ]
        asked = " UNION ALL ".join(
            f"SELECT {place} WHERE EXISTS (SELECT FROM {name})" for place, name in enumerate(tables)
        )
        full = [tables[place] for (place,) in sorted(connection.execute(asked.encode()).fetchall())]
        guarded = [name for name in full if name in ('"audit_record"', '"report_version"')]
        statements = [f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in guarded]
        statements += [f"DELETE FROM {name}" for name in full]
        statements += [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in guarded]
        connection.execute("; ".join(statements).encode())


__all__ = [
    "AuditMissing", "Permission", "actor_as", "browser", "pytest_collection_modifyitems", "pytest_xdist_make_scheduler",
]  # fmt: skip
