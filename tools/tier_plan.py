"""How a rule of tiers and the retention round find their studies in a large index: rows generated in a scratch database,
plans and times before and after the index that they use. `python tools/tier_plan.py [studies]`, at most a million."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Connection, text

from wetread.app.postgres import EmbeddedPostgres
from wetread.app.rooms import MODELS, load
from wetread.kit.db import Database, create_schema

STUDIES = min(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, 1_000_000)

# Ten years of studies, one object each; what is older than a year lies in the second store. A fiftieth was looked at later.
ROWS = (
    "INSERT INTO study_key (study_instance_uid, sealed_key) VALUES ('', '\\x00')",
    """INSERT INTO study (study_instance_uid, study_date, received_attributes, modalities_in_study, created_at, updated_at)
    SELECT '1.2.' || n, (now() - (:n - n) * interval '10 years' / :n)::date, '{}', ARRAY[CASE n % 3 WHEN 0 THEN 'CT' WHEN 1
    THEN 'MR' ELSE 'DX' END], now() - (:n - n) * interval '10 years' / :n, now() - (:n - n) * interval '10 years' / :n
    FROM generate_series(1, :n) n""",
    "INSERT INTO series (study_pk, series_instance_uid) SELECT study_pk, study_instance_uid || '.1' FROM study",
    """INSERT INTO instance (series_pk, study_pk, sop_instance_uid, sop_class_uid, number_of_frames)
    SELECT series_pk, study_pk, series_instance_uid || '.1', '1.2.840.10008.5.1.4.1.1.2', 1 FROM series""",
    """INSERT INTO stored_object (instance_pk, role, location, study_key_pk, size_bytes, dataset_sha256,
    transfer_syntax_uid, dataset_offset)
    SELECT i.instance_pk, 'original', CASE WHEN s.created_at < now() - interval '1 year' THEN 'cold:' ELSE '' END
    || 'aa/' || i.instance_pk, 1, 500000, '\\x00', '1.2.840.10008.1.2.1', 0
    FROM instance i JOIN study s USING (study_pk)""",
    "INSERT INTO study_use SELECT study_pk, now() FROM study WHERE study_pk % 50 = 0",
)
PLACES = """INSERT INTO study_place (store, study_pk, unseen_since)
    SELECT CASE WHEN strpos(o.location, ':') > 0 THEN split_part(o.location, ':', 1) ELSE 'local' END, s.study_pk,
    greatest(s.updated_at, s.created_at, coalesce(u.used_at, s.created_at))
    FROM study s JOIN instance i USING (study_pk) JOIN stored_object o USING (instance_pk) LEFT JOIN study_use u USING (study_pk)"""
UNSEEN = "greatest(s.updated_at, coalesce(u.used_at, s.created_at), s.created_at)"
HERE = """EXISTS (SELECT FROM instance i JOIN stored_object o USING (instance_pk)
    WHERE i.study_pk = s.study_pk AND o.location NOT LIKE '%:%')"""
BEFORE = f"""SELECT s.study_pk FROM study s LEFT JOIN study_use u USING (study_pk)
    WHERE {UNSEEN} < now() - interval '300 days' AND {HERE} AND s.modalities_in_study && ARRAY['CT'::varchar]
    ORDER BY {UNSEEN}, s.study_pk LIMIT 50"""
AFTER = f"""SELECT s.study_pk FROM study_place p JOIN study s USING (study_pk) LEFT JOIN study_use u USING (study_pk)
    WHERE p.store = 'local' AND p.unseen_since < now() - interval '300 days' AND {UNSEEN} < now() - interval '300 days'
    AND {HERE} AND s.modalities_in_study && ARRAY['CT'::varchar] ORDER BY p.unseen_since, s.study_pk LIMIT 50"""
LATEST = "coalesce(study_date, '0001-01-01'::date)"
OVER_BEFORE = "SELECT study_pk FROM study WHERE study_pk > 0 ORDER BY study_pk"
OVER_AFTER = f"""SELECT study_pk FROM study WHERE {LATEST} > '0001-01-01' AND {LATEST} <= current_date - 3285
    ORDER BY {LATEST}, study_pk"""


def plan(connection: Connection, name: str, query: str) -> None:
    """Prints time, blocks and the plan of the second run."""
    connection.execute(text(query)).all()
    lines = [row[0] for row in connection.execute(text("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) " + query))]
    print(f"\n== {name}")
    print("\n".join(lines))


def main() -> None:
    """Makes the rows and prints both."""
    load(MODELS)
    with tempfile.TemporaryDirectory(prefix="wetread-tiers-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder))
        server.start()
        database = Database(server.url)
        try:
            with database.engine.begin() as connection:
                create_schema(connection)
            with database.engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                for name in ("ix_study_patient_name_match", "ix_study_referring_physician_name_match"):
                    connection.execute(text(f"DROP INDEX {name}"))  # nothing here asks for names
                began = time.monotonic()
                for statement in (*ROWS, PLACES):
                    connection.execute(text(statement), {"n": STUDIES} if ":n" in statement else {})
                print(f"{STUDIES} studies made in {time.monotonic() - began:.0f} s")
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
                plan(connection, "a tier rule, as it was", BEFORE)
                plan(connection, "a tier rule, by where studies lie", AFTER)
                plan(connection, "a retention round, as it was", OVER_BEFORE)
                plan(connection, "a retention round of nine years, by date", OVER_AFTER)
        finally:
            database.engine.dispose()
            server.stop()


if __name__ == "__main__":
    main()
