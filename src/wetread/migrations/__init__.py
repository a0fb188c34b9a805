"""The schema's history (Alembic). `wetread serve` brings a database up to date before anything else starts."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from wetread.kit.db import Database

FOLDER = Path(__file__).parent


def config_of(database: Database) -> Config:
    """Alembic's configuration for this database."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["engine"] = database.engine
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Brings the schema to `revision`, in one transaction each step; concurrent starts wait for one another."""
    command.upgrade(config_of(database), revision)


def downgrade(database: Database, revision: str) -> None:
    """Takes steps back, for drills."""
    command.downgrade(config_of(database), revision)


def is_current(database: Database) -> bool:
    """Whether the schema is at the newest revision."""
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head
