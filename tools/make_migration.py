"""Drafts a migration from the difference between the models and what the migrations make. Read it before committing it.

SQL that metadata cannot say (`install_sql`) is written beside it, where it is new, as `<revision>.sql`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import text

from wetread import migrations
from wetread.app.postgres import EmbeddedPostgres
from wetread.app.rooms import MODELS, load
from wetread.kit.db import EXTENSIONS_SQL, Database, installed_sql, run_script

message = sys.argv[1] if len(sys.argv) > 1 else "change"
load(MODELS)
with tempfile.TemporaryDirectory(prefix="wetread-migration-") as folder:
    Path(folder).chmod(0o755)
    server = EmbeddedPostgres(Path(folder))
    server.start()
    database = Database(server.url)
    try:
        migrations.upgrade(database)
        first = not any(migrations.FOLDER.glob("versions/*.py"))
        if first:
            with database.engine.begin() as connection:
                run_script(connection, EXTENSIONS_SQL)
        known = "\n".join(path.read_text() for path in sorted((migrations.FOLDER / "versions").glob("*.sql")))
        command.revision(migrations.config_of(database), message=message, autogenerate=True)
        made = max((migrations.FOLDER / "versions").glob("*.py"), key=lambda path: path.stat().st_mtime)
        news = [item for item in installed_sql() if item.sql.strip() not in known]
        body = "\n".join(f"-- {item.name}\n{item.sql.strip().rstrip(';')};\n" for item in news)
        drops = "\n".join(item.drop_sql.strip().rstrip(";") + ";" for item in reversed(news))
        made.with_suffix(".sql").write_text((EXTENSIONS_SQL if first else "") + body)
        made.with_suffix(".down.sql").write_text(drops + "\n")
        print(made)
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    finally:
        database.close()
        server.stop()
