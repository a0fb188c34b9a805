"""`python -m bench.index`: look-ups in a full index. Fills a Wetread of its own with generated rows, first to 500 studies and
then to a million, and prints the latencies of both; by Part 10 comes only one study, whose frames are fetched in between.

The rows are kept in `--folder`: a run that was stopped goes on, one that ended measures again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from bench import corpus, servers, store
from wetread.app.postgres import EmbeddedPostgres
from wetread.dicom.sopclass import STUDY_ROOT_FIND
from wetread.dimse.client import Association

_JSON = {"Accept": "application/dicom+json"}
_BATCH = 20_000
_SERIES, _IMAGES = 4, 5  # a study; 20 instances in the mean
_ROOT = "1.2.826.0.1.3680043.10.1"

# What is said of study number n, in SQL: two and a half studies a person; names of which a whole one is rare and the first
# four letters are shared by some hundreds.
_PERSON = "(n * 2 / 5)"
_MIXED = f"mod({_PERSON}::bigint * 2654435761, 4294967296)"
_SYLLABLES = (
    ("Ber", "Kos", "Mül", "Ok", "San", "Tak", "Vol", "Wen", "Far", "Gri", "Hol", "Ivan", "Jen", "Lin", "Nov", "Pet"),
    ("an", "el", "ik", "ov", "ar", "em", "is", "on", "ad", "et", "ir", "ul", "as", "en", "il", "or"),
    ("berg", "czyk", "dóttir", "escu", "feld", "gaard", "mann", "nen", "ova", "quist", "sen", "ström", "tari", "vić", "wood", "yama"),
)  # fmt: skip
_GIVEN = (
    "Ada",
    "Bo",
    "Carl",
    "Dina",
    "Emil",
    "Fay",
    "Gus",
    "Hana",
    "Ida",
    "Jon",
    "Kai",
    "Lea",
    "Max",
    "Nia",
    "Otto",
    "Pia",
)


def _pick(words: tuple[str, ...], shift: int) -> str:
    listed = ",".join(f"'{word}'" for word in words)
    return f"(ARRAY[{listed}])[1 + mod({_MIXED} >> {shift}, {len(words)})]"


_NAME = (
    " || ".join(_pick(words, 4 * at) for at, words in enumerate(_SYLLABLES, 4))
    + f" || '^' || {_pick(_GIVEN, 8)}"
)
_WHEN = "(now() - interval '1 day' - (%(all)s::int - n) * (interval '10 years' / %(all)s::int))"

_FILL = (
    f"""INSERT INTO study (study_instance_uid, study_date, study_time, accession_number, study_id, study_description,
    referring_physician_name, patient_name, patient_id, patient_birth_date, patient_sex, modalities_in_study,
    sop_classes_in_study, number_of_study_related_series, number_of_study_related_instances, received_attributes,
    received_patient_id, created_at, updated_at)
    SELECT '{_ROOT}.' || (1000000000 + n), {_WHEN}::date, {_WHEN}::time(0), 'ACC' || n, n, t.study_description,
    'Ref' || mod(n, 500) || '^Ann', {_NAME}, 'P' || {_PERSON}, date '1930-01-01' + mod({_MIXED}, 32000)::int,
    CASE mod(n, 2) WHEN 0 THEN 'F' ELSE 'M' END, ARRAY[(ARRAY['CT','MR','DX','US'])[1 + mod(n, 4)]], t.sop_classes_in_study,
    {_SERIES}, {_SERIES * _IMAGES}, t.received_attributes, 'P' || {_PERSON}, {_WHEN}, {_WHEN}
    FROM generate_series(%(first)s::int, %(last)s::int) n, (SELECT * FROM study WHERE study_pk = %(template)s) t""",
    f"""INSERT INTO series (study_pk, series_instance_uid, modality, series_number, series_description, series_date,
    number_of_series_related_instances, created_at, updated_at)
    SELECT study_pk, study_instance_uid || '.' || s, modalities_in_study[1], s, 'Series ' || s, study_date, {_IMAGES},
    created_at, created_at
    FROM study, generate_series(1, {_SERIES}) s WHERE study_pk > %(studies)s""",
    f"""INSERT INTO instance (series_pk, study_pk, sop_instance_uid, sop_class_uid, instance_number, number_of_frames, rows,
    columns, bits_allocated, samples_per_pixel, photometric_interpretation, created_at)
    SELECT series_pk, study_pk, series_instance_uid || '.' || i, '1.2.840.10008.5.1.4.1.1.2', i, 1, 512, 512, 16, 1,
    'MONOCHROME2', created_at
    FROM series, generate_series(1, {_IMAGES}) i WHERE series_pk > %(series)s""",
    """INSERT INTO stored_object (instance_pk, role, location, study_key_pk, size_bytes, dataset_sha256, transfer_syntax_uid,
    dataset_offset, pixel_data_offset, frame_length, created_at)
    SELECT i.instance_pk, 'original', left(md5(i.instance_pk::text), 2) || '/' || md5(i.instance_pk::text), t.study_key_pk, 524300, sha256(i.sop_instance_uid::bytea),
    t.transfer_syntax_uid, t.dataset_offset, t.pixel_data_offset, t.frame_length, i.created_at
    FROM instance i, (SELECT o.* FROM stored_object o JOIN instance USING (instance_pk)
    WHERE study_pk = %(template)s AND role = 'original' LIMIT 1) t
    WHERE i.instance_pk > %(instances)s""",
)  # fmt: skip
_TABLES = ["study", "series", "instance", "stored_object"]


def _put_aside(connection: psycopg.Connection[Any]) -> None:
    """Takes secondary indexes and references off while rows come in bulk; `_put_back` makes them again."""
    connection.execute("CREATE TABLE IF NOT EXISTS bench_aside (at serial, make text NOT NULL)")
    indexes = connection.execute(
        """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
        WHERE i.indrelid = ANY (%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)""",
        [_TABLES],
    ).fetchall()
    references = connection.execute(
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE contype = 'f' AND conrelid = ANY (%s::regclass[])""",
        [_TABLES],
    ).fetchall()
    for name, make in indexes:
        connection.execute("INSERT INTO bench_aside (make) VALUES (%s)", [make])
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    for table, name, make in references:
        whole = f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {make}'
        connection.execute("INSERT INTO bench_aside (make) VALUES (%s)", [whole])
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name))
        )


def _put_back(connection: psycopg.Connection[Any], progress: Progress) -> None:
    if connection.execute("SELECT to_regclass('bench_aside')").fetchone() == (None,):
        return
    rows = connection.execute("SELECT at, make FROM bench_aside ORDER BY at").fetchall()
    task = progress.add_task("indexes", total=len(rows))
    for at, make in rows:
        with connection.transaction():
            connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
            connection.execute(make)
            connection.execute("DELETE FROM bench_aside WHERE at = %s", [at])
        progress.advance(task)
    connection.execute("DROP TABLE bench_aside")


def _highest(connection: psycopg.Connection[Any]) -> dict[str, int]:
    row = connection.execute(
        "SELECT (SELECT max(study_pk) FROM study), (SELECT max(series_pk) FROM series), (SELECT max(instance_pk) FROM instance)"
    ).fetchone()
    assert row is not None
    return dict(zip(("studies", "series", "instances"), row, strict=True))


def fill(folder: Path, studies: int, whole: int, console: Console) -> None:
    """Brings the stopped server's index in `folder` to `studies` generated studies; their days are spread as if there were
    `whole`."""
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        with (
            psycopg.connect(server.url, autocommit=True, options="-c statement_timeout=0") as connection,
            Progress("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
                     console=console) as progress,
        ):  # fmt: skip
            found = connection.execute(
                "SELECT count(*) FILTER (WHERE study_instance_uid LIKE %s), min(study_pk) FROM study",
                [f"{_ROOT}.%"],
            ).fetchone()
            assert found is not None
            done, template = found
            if done < studies:
                if studies - done > _BATCH:
                    with connection.transaction():
                        _put_aside(connection)
                task = progress.add_task("studies", total=studies, completed=done)
                while done < studies:
                    last = min(done + _BATCH, studies)
                    with connection.transaction():
                        connection.execute("SET LOCAL synchronous_commit = off")
                        values = {
                            "first": done + 1,
                            "last": last,
                            "all": whole,
                            "template": template,
                            **_highest(connection),
                        }
                        for statement in _FILL:
                            connection.execute(statement.encode(), values)
                    done = last
                    progress.update(task, completed=done)
            _put_back(connection, progress)
            # A round that reads all objects again would find none of these.
            connection.execute(
                """INSERT INTO store_check (started_at, finished_at, objects, bytes, damaged, through)
                SELECT now(), now(), 0, 0, 0, max(stored_object_pk) FROM stored_object"""
            )
            console.print("VACUUM ANALYZE", style="dim")
            connection.execute("VACUUM ANALYZE")
            size = connection.execute(
                "SELECT pg_size_pretty(pg_database_size(current_database()))"
            ).fetchone()
            console.print(
                f"{done:,} studies, {done * _SERIES * _IMAGES:,} instances: {size[0] if size else ''}"
            )
    finally:
        server.stop()


def measure(server: servers.Server, studies: int, study: str, times: int) -> dict[str, list[float]]:
    """Milliseconds of each look-up, by its name. `study` was stored; the others are `studies` generated ones."""
    base = urllib.parse.urlsplit(server.web)
    connection = http.client.HTTPConnection(base.hostname or "", base.port or 80, timeout=120)
    chance = random.Random(studies)
    names: list[str] = []

    def get(path: str, headers: dict[str, str] = _JSON) -> bytes:
        connection.request("GET", base.path + path, headers={**server.headers, **headers})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
        return body

    def asked(path: str, at_least: int = 1) -> Any:
        found = json.loads(get(path) or b"[]")
        if len(found) < at_least:
            raise SystemExit(f"{path}: {len(found)} answers, expected {at_least}")
        return found

    def some() -> int:
        return chance.randint(1, studies)

    def uid() -> str:
        return f"{_ROOT}.{1000000000 + some()}"

    for _ in range(times):
        one = asked(f"/studies?StudyInstanceUID={uid()}")[0]
        names.append(one["00100010"]["Value"][0]["Alphabetic"])
    series = asked(f"/studies/{study}/series")[0]["0020000E"]["Value"][0]
    image = asked(f"/studies/{study}/series/{series}/instances")[0]["00080018"]["Value"][0]
    whole = f"/studies/{study}/series/{series}"
    frame = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
    quoted = urllib.parse.quote
    contexts = [(STUDY_ROOT_FIND, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])]
    with Association("127.0.0.1", server.dicom_port, server.ae_title, "BENCH", contexts) as association:

        def find(level: str, keys: dict[str, str], at_least: int = 1) -> None:
            wanted = {
                "QueryRetrieveLevel": level,
                "PatientName": "",
                "PatientID": "",
                "StudyDate": "",
                **keys,
            }
            if level != "STUDY":
                wanted = {"QueryRetrieveLevel": level, "Modality": "", **keys}
            found = list(association.find(wanted))
            if len(found) < at_least:
                raise SystemExit(f"C-FIND {keys}: {len(found)} answers")

        def find_by_beginning() -> None:
            name = chance.choice(names)
            find("STUDY", {"PatientName": name[: name.index("^") + 2] + "*"})

        def find_images() -> None:
            of = uid()
            find("IMAGE", {"StudyInstanceUID": of, "SeriesInstanceUID": f"{of}.2", "SOPInstanceUID": ""})

        def list_images() -> None:
            of = uid()
            asked(f"/studies/{of}/series/{of}.3/instances", _IMAGES)

        cases: dict[str, Callable[[], object]] = {
            "C-FIND by Study Instance UID": lambda: find("STUDY", {"StudyInstanceUID": uid()}),
            "C-FIND by Patient ID": lambda: find("STUDY", {"PatientID": f"P{some() * 2 // 5}"}),
            "C-FIND by Accession Number": lambda: find("STUDY", {"AccessionNumber": f"ACC{some()}"}),
            "C-FIND by Patient's Name": lambda: find("STUDY", {"PatientName": chance.choice(names)}),
            "C-FIND by name, surname and first letter": find_by_beginning,
            "C-FIND series of a study": lambda: find("SERIES", {"StudyInstanceUID": uid(), "SeriesInstanceUID": ""}),
            "C-FIND images of a series": find_images,
            "QIDO by Study Instance UID": lambda: asked(f"/studies?StudyInstanceUID={uid()}"),
            "QIDO by Patient ID": lambda: asked(f"/studies?PatientID=P{some() * 2 // 5}"),
            "QIDO by Accession Number": lambda: asked(f"/studies?AccessionNumber=ACC{some()}"),
            "QIDO by Patient's Name": lambda: asked(f"/studies?PatientName={quoted(chance.choice(names))}"),
            "QIDO by name, fuzzy": lambda: asked(
                f"/studies?PatientName={quoted(chance.choice(names).replace('^', ' '))}&fuzzymatching=true&limit=25"
            ),
            "QIDO newest 25": lambda: asked("/studies?limit=25", 25),
            "QIDO CT of a day, 25": lambda: get(
                f"/studies?ModalitiesInStudy=CT&StudyDate={chance.randint(2017, 2025)}{chance.randint(1, 12):02}"
                f"{chance.randint(1, 28):02}&limit=25"
            ),
            "QIDO 25 from the middle": lambda: asked(f"/studies?limit=25&offset={min(studies // 2, 100_000)}", 25),
            "QIDO series of a study": lambda: asked(f"/studies/{uid()}/series", _SERIES),
            "QIDO images of a series": list_images,
            "metadata of a series": lambda: get(f"{whole}/metadata"),
            "a frame of 0.5 MB": lambda: get(f"{whole}/instances/{image}/frames/1", frame),
        }  # fmt: skip
        figures: dict[str, list[float]] = {}
        for title, case in cases.items():
            case()  # a plan is made once
            for _ in range(times):
                begun = time.perf_counter()
                case()
                figures.setdefault(title, []).append((time.perf_counter() - begun) * 1e3)
    return figures


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(prog="bench.index", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the index is kept")
    parser.add_argument("--studies", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=60, help="how often each look-up is timed")
    parser.add_argument("--only-fill", action="store_true", help="measure another time")
    asked = parser.parse_args()
    console = Console()
    asked.folder.mkdir(parents=True, exist_ok=True)
    data, kept = asked.folder / "wetread", asked.folder / "figures.json"
    known: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    sizes = [500, asked.studies] if "500" not in known else [asked.studies]
    if "study" not in known:
        server = servers.wetread(data)
        try:
            files, _, known["study"] = corpus.write(asked.folder / "corpus", studies=1, slices=50, size=512)
            store.send(server, [files])
            time.sleep(4)
            server.settle()
        finally:
            server.stop()
        kept.write_text(json.dumps(known))
    for studies in sizes:
        fill(data, studies, asked.studies, console)
        if asked.only_fill and studies == asked.studies:
            return
        server = servers.wetread(data)
        try:
            time.sleep(4)
            server.settle(120)  # what runs by the hour goes over the new rows first
            known[str(studies)] = measure(server, studies, known["study"], asked.times)
        finally:
            server.stop()
        kept.write_text(json.dumps(known))
    few, many = known["500"], known[str(asked.studies)]
    table = Table("look-up, ms", "500: p50", "p95", f"{asked.studies:,}: p50", "p95", "p95 ratio")
    for title in few:
        table.add_row(
            title,
            *(
                f"{figure:.1f}"
                for one in (few, many)
                for figure in (statistics.median(one[title]), _p95(one[title]))
            ),
            f"{_p95(many[title]) / _p95(few[title]):.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
