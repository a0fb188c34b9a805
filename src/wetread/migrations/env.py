"""Alembic's entry: runs the revisions on the engine that `wetread.migrations` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine, text

from wetread.kit.db import Base

_MIGRATION_LOCK = 7_117_002

engine: Engine = context.config.attributes["engine"]
with engine.connect() as connection:
    # Several processes may start at once; one migrates, the others find the work done.
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
    connection.execute(text("SET statement_timeout = 0"))
    connection.commit()
    try:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            # The queue's tables come with its own SQL; a draft must not propose to drop them.
            include_name=lambda name, kind, _: (
                not (kind == "table" and (name or "").startswith("procrastinate_"))
            ),
        )
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
