"""PostgreSQL: the declarative base, column types, transactions, and DDL that metadata cannot say."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit
from weakref import WeakKeyDictionary

import orjson
import psycopg
from psycopg_pool import ConnectionPool
from sqlalchemy import BigInteger, DateTime, Engine, Identity, MetaData, create_engine, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every table. Tables with patient data say so: `__table_args__ = (..., {"info": {"phi": True}})`."""

    metadata = MetaData(naming_convention=NAMING)


Pk = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
"""Our own key: bigint identity."""
Utc = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""An aware instant."""
UtcOrNone = Annotated[datetime | None, mapped_column(DateTime(timezone=True))]
"""An aware instant that may be absent."""


@dataclass(frozen=True, slots=True)
class InstalledSql:
    """DDL that metadata cannot say, with its undoing; created after the tables, in order of registration."""

    name: str
    sql: str
    drop_sql: str


_installed: dict[str, InstalledSql] = {}


def install_sql(name: str, sql: str, drop_sql: str = "") -> None:
    """Registers triggers, functions or special indexes of a room (called in its model.py). `sql` may hold many statements."""
    if name in _installed and _installed[name].sql != sql:
        raise ValueError(f"SQL named {name} is registered twice")
    _installed[name] = InstalledSql(name, sql, drop_sql)


def installed_sql() -> tuple[InstalledSql, ...]:
    """All registered DDL, in order."""
    return tuple(_installed.values())


# unaccent() is only STABLE, because its dictionary could be altered; ours never is, and indexes need IMMUTABLE.
EXTENSIONS_SQL = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;
CREATE OR REPLACE FUNCTION immutable_unaccent(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    AS $$ SELECT public.unaccent('public.unaccent'::regdictionary, value) $$;
"""


def create_schema(connection: Connection) -> None:
    """Extensions, tables and registered DDL on an empty database (tests; the product migrates)."""
    run_script(connection, EXTENSIONS_SQL)
    Base.metadata.create_all(connection)
    for item in installed_sql():
        run_script(connection, item.sql)


def run_script(connection: Connection, sql: str) -> None:
    """Runs several statements at once, without parameters."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor:
        cursor.execute(sql.encode())


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


class Database:
    """One PostgreSQL database: an engine for sessions and a small pool of plain connections for hot paths.

    `url` is a libpq URL (`postgresql://…`). Statement and lock time-outs are set for every connection, so that
    nothing waits for ever.
    """

    def __init__(self, url: str, *, pool_size: int = 16, application_name: str = "wetread") -> None:
        self.url = with_limits(url)
        self.engine: Engine = create_engine(
            sqlalchemy_url(self.url),
            pool_size=pool_size,
            max_overflow=8,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            connect_args={
                "application_name": application_name,
                "options": "-c lock_timeout=10s -c statement_timeout=60s -c timezone=UTC",
            },
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._pool_size = pool_size
        self._raw: ConnectionPool[psycopg.Connection[tuple[Any, ...]]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose transaction commits at the end of the block, or rolls back on an exception."""
        with self._sessions() as session, session.begin():
            yield session

    @staticmethod
    def commit_soon(session: Session) -> None:
        """This transaction's commit does not wait for the disk: a crash just after it may undo it. Only for work that is
        asked for anew then, as by a job whose own end is committed later."""
        session.execute(_COMMIT_SOON)

    @contextmanager
    def raw(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A pooled psycopg connection for hot paths; commits at the end of the block."""
        if self._raw is None:
            self._raw = ConnectionPool(
                self.url,
                min_size=1,
                max_size=self._pool_size,
                kwargs={"application_name": "wetread-raw", "options": "-c lock_timeout=10s -c timezone=UTC"},
                open=True,
                check=_check_after_rest,
                reset=_note_use,
            )
        with self._raw.connection() as connection:
            yield connection

    def ping(self) -> bool:
        """True where the database answers."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except Exception:  # noqa: BLE001 - any failure means: not answering
            return False
        return True

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()
        if self._raw is not None:
            self._raw.close()


_COMMIT_SOON = text("SET LOCAL synchronous_commit = off")
_RESTED_S = 1.0
_used_at: WeakKeyDictionary[psycopg.Connection[Any], float] = WeakKeyDictionary()


def _note_use(connection: psycopg.Connection[Any]) -> None:
    _used_at[connection] = time.monotonic()


def _check_after_rest(connection: psycopg.Connection[Any]) -> None:
    if time.monotonic() - _used_at.get(connection, -math.inf) >= _RESTED_S:
        ConnectionPool.check_connection(connection)


# A machine that vanishes closes no connection: whoever waits for it would wait for hours.
_LINE_LIMITS = {
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def with_limits(url: str) -> str:
    """The libpq URL with limits on how long a silent network is believed to be alive, where it names none itself."""
    known = parse_qs(urlsplit(url).query)
    limits = urlencode({name: value for name, value in _LINE_LIMITS.items() if name not in known})
    return f"{url}{'&' if '?' in url else '?'}{limits}" if limits else url


def sqlalchemy_url(url: str) -> str:
    """The same libpq URL with SQLAlchemy's driver name."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


@event.listens_for(Engine, "connect")
def _prepare_early(connection: Any, _record: Any) -> None:
    """Statements are prepared at the second use, since every list and look-up recurs."""
    connection.prepare_threshold = 2


@event.listens_for(Engine, "checkin")
def _note_rest(_connection: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


@event.listens_for(Engine, "checkout")
def _ask_after_rest(connection: psycopg.Connection[Any], record: Any, _proxy: Any) -> None:
    """A connection that rested may have lost its server; one that was just used is not asked, which would cost a round
    trip a transaction."""
    if time.monotonic() - record.info.get("rests_since", -math.inf) < _RESTED_S:
        return
    try:
        connection.execute(b"SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error
