"""The schema is what the migrations make, and its columns speak the standard's language."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.datadict import keyword_dict

from wetread import migrations
from wetread.app.postgres import binaries
from wetread.app.rooms import MODELS, load
from wetread.kit.db import Base, Database

ROOT = Path(__file__).resolve().parents[2]
DICOM_ROOMS = ("patient", "imaging_service_request", "requested_procedure", "study", "series", "instance",
               "scheduled_procedure_step", "performed_procedure_step")  # fmt: skip
# Ours by nature, in every table.
OWN = re.compile(r"(_pk|_at|_pks|_hash|_count)$|^(is|has)_")


def snake(keyword: str) -> str:
    """`PatientID` → `patient_id`, `SOPInstanceUID` → `sop_instance_uid`."""
    return (
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword)
        .lower()
        .replace("uids", "uids")
    )


KEYWORDS = {snake(keyword) for keyword in keyword_dict}


def dump(url: str) -> str:
    """The schema as pg_dump tells it, without what differs by chance."""
    done = subprocess.run(
        [binaries() / "pg_dump", "--schema-only", "--no-owner", "--no-privileges", "--exclude-table=alembic_version",
         "-d", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\", "SET "))]
    # Statements in an order of their own: objects are made in another sequence.
    statements = re.split(r";\n", "\n".join(lines))
    return "\n;\n".join(sorted(_sorted_columns(statement.strip()) for statement in statements))


def _sorted_columns(statement: str) -> str:
    if not statement.startswith("CREATE TABLE"):
        return statement
    head, *columns = statement.split("\n")
    return "\n".join([head, *sorted(line.strip().rstrip(",") for line in columns)])


@pytest.fixture
def empty_url(make_database: Callable[[str], str]) -> str:
    """An empty database beside the test's own."""
    return make_database("wetread_migrated")


def test_migrations_make_the_schema_of_the_models(database: Database, empty_url: str) -> None:
    migrated = Database(empty_url)
    try:
        migrations.upgrade(migrated)
        assert migrations.is_current(migrated)
        assert dump(empty_url) == dump(database.url)
        migrations.downgrade(migrated, "base")
        assert "CREATE TABLE" not in dump(empty_url)
        migrations.upgrade(migrated)
        assert dump(empty_url) == dump(database.url)
    finally:
        migrated.close()


def test_columns_of_dicom_things_are_dictionary_keywords_or_in_the_glossary() -> None:
    load(MODELS)
    glossary = set(re.findall(r"`(\w+)`", (ROOT / "GLOSSARY.md").read_text()))
    strangers = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        if table.name in DICOM_ROOMS
        for column in table.columns
        if column.name not in KEYWORDS and column.name not in glossary and not OWN.search(column.name)
    ]
    assert strangers == []


def test_tables_with_patient_data_say_so() -> None:
    load(MODELS)
    telling = {"patient_name", "patient_id", "patient_birth_date", "person_name", "member_id", "patient_pk"}
    silent = [
        table.name
        for table in Base.metadata.sorted_tables
        if {column.name for column in table.columns} & telling
        and not table.info.get("phi")
        and table.name not in {"practitioner", "audit_record"}
    ]
    assert silent == []


def test_no_foreign_key_points_to_a_higher_room() -> None:
    load(MODELS)
    order = ["kit", "security", "jobs", "notices", "patients", "orders", "archive", "workitems", "scheduling", "reporting", "worklist",
             "billing", "sharing", "routing", "availability", "together", "priors", "hanging"]  # fmt: skip
    room_of = {
        mapper.local_table.name: mapper.class_.__module__.split(".")[1] for mapper in Base.registry.mappers
    }
    rank = {room: number for number, room in enumerate(order)}
    rank["archive"] = rank["orders"]
    upward = [
        f"{table.name} -> {key.column.table.name}"
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if rank[room_of[key.column.table.name]] > rank[room_of[table.name]]
    ]
    assert upward == []
