"""The commands of those who run the system, as processes of their own on a real database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from sqlalchemy import select
from tools.ports import free_port
from typer.testing import CliRunner

from archive_fixtures import as_dataset, make_dicom
from wetread.app.build import build_house
from wetread.app.serve import Supervisor, as_served
from wetread.app.wiring import wire
from wetread.cli.main import app
from wetread.kit.config import load_settings
from wetread.kit.db import Database
from wetread.security.model import User
from wetread.security.service import Actor, AuditEventID, Offices, seal

__all__ = ["as_dataset", "make_dicom"]


class Console:
    """Runs `wetread` against this test's database: called, within this process; `alone`, as one of its own."""

    def __init__(self, database: Database, data: Path) -> None:
        self.database, self.data = database, data
        self.environment = {"WETREAD_DATA": str(data), "WETREAD_DATABASE_URL": database.url, "COLUMNS": "200"}

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, words, env=self.environment, catch_exceptions=False)

    def alone(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        # Without the variables of whoever runs the tests.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
        return subprocess.run(
            [sys.executable, "-m", "wetread", *words],
            env={**clean, **self.environment, **environment},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


@pytest.fixture
def console(clean_database: Database, tmp_path: Path) -> Console:
    return Console(clean_database, tmp_path)


def test_a_link_names_the_ports_that_the_server_was_given(console: Console) -> None:
    """On its command line, that is, which nobody else knows of; without a server, those of the settings."""
    add = ("user", "add", "--role", "biller")
    assert console(*add, "one", "One").stdout.startswith("http://127.0.0.1:8080/welcome#")
    settings = load_settings(
        {"WETREAD_DATA": str(console.data)},
        database_url=console.database.url,
        http_port=18099,
        dicom_port=18098,
    )
    supervisor = Supervisor(settings)
    supervisor.claim_data_folder()
    try:
        assert console(*add, "two", "Two").stdout.startswith("http://127.0.0.1:18099/welcome#")
        assert console("user", "invite", "two").stdout.startswith("http://127.0.0.1:18099/welcome#")
        assert as_served(load_settings({"WETREAD_DATA": str(console.data)})).dicom_port == 18098
        assert (console.data / "served.json").stat().st_mode & 0o777 == 0o600
    finally:
        supervisor.end()
    assert console("user", "invite", "two").stdout.startswith("http://127.0.0.1:8080/welcome#")


def sealed(database: Database, count: int) -> list[int]:
    """Writes and seals records; their keys in order."""
    offices = Offices(database)
    with offices.work(Actor.system("test")) as work:
        for number in range(count):
            work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=number, detail={"why": "ä 漢"})
    with database.transaction() as session:
        seal(session)
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("SELECT audit_record_pk FROM audit_record ORDER BY seal_number").fetchall()
    return [row[0] for row in rows]


def tamper(database: Database, statement: str) -> None:
    """What somebody with the owner's password could do."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE audit_record DISABLE TRIGGER USER")
        connection.execute(statement.encode())
        connection.execute("ALTER TABLE audit_record ENABLE TRIGGER USER")


def head_of(console: Console) -> str:
    done = console("audit", "verify")
    assert done.exit_code == 0, done.stderr
    return done.stdout.split("Head ")[1].split()[0]


def test_a_trail_as_a_shell_sees_it(console: Console) -> None:
    keys = sealed(console.database, 6)
    done = console.alone("audit", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 sealed records hold together; 0 wait for their seal." in done.stdout
    tamper(console.database, "UPDATE audit_record SET user_id = 'other' WHERE seal_number IN (2, 4)")
    done = console.alone("audit", "verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"breaks at seal 2, record {keys[1]}" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        "user_id = 'somebody else'",
        "event_date_time = event_date_time + interval '1 microsecond'",
        'detail = \'{"why": "other"}\'',
        "patient_pk = NULL",
        "event_outcome_indicator = 4",
        "seal_hash = sha256('x')",
    ],
)
def test_a_changed_record_is_named_and_the_command_fails(console: Console, change: str) -> None:
    keys = sealed(console.database, 6)
    tamper(console.database, f"UPDATE audit_record SET {change} WHERE seal_number IN (3, 5)")
    done = console("audit", "verify")
    assert done.exit_code == 1
    assert f"breaks at seal 3, record {keys[2]}: content differs from its seal" in done.stderr
    assert "hold together" not in done.stdout


def test_a_removed_and_an_inserted_record_break_it(console: Console) -> None:
    sealed(console.database, 6)
    tamper(console.database, "DELETE FROM audit_record WHERE seal_number = 4")
    done = console("audit", "verify")
    assert (done.exit_code, "breaks at seal 4: a record is missing" in done.stderr) == (1, True)
    tamper(
        console.database,
        "INSERT INTO audit_record (event_date_time, event_id, event_action_code, actor_kind, user_id, seal_number, seal_hash)"
        " VALUES (now(), '110110', 'R', 'user', 'forged', 4, sha256('y'))",
    )
    done = console("audit", "verify")
    assert (done.exit_code, "breaks at seal 4, record " in done.stderr) == (1, True)


def test_a_trail_cut_off_at_its_end_is_found_by_a_head_that_was_noted(console: Console) -> None:
    sealed(console.database, 4)
    early = head_of(console)
    sealed(console.database, 2)
    late = head_of(console)
    assert console("audit", "verify", "--head", early).exit_code == 0
    assert console("audit", "verify", "--head", late.upper()).exit_code == 0
    tamper(console.database, "DELETE FROM audit_record WHERE seal_number > 4")
    assert console("audit", "verify").exit_code == 0, "from within, a shorter trail looks whole"
    assert console("audit", "verify", "--head", early).exit_code == 0
    done = console("audit", "verify", "--head", late)
    assert (done.exit_code, "head that was noted is not in the chain" in done.stderr) == (1, True)


def test_accounts_and_tokens(console: Console) -> None:
    added = console("user", "add", "ada", "Ada Moss", "--role", "radiologist", "--role", "manager")
    assert added.exit_code == 0, added.stderr
    assert added.stdout.startswith("http://127.0.0.1:8080/welcome#")
    again = console.alone("user", "add", "ada", "Ada Moss", "--role", "radiologist")
    assert (again.returncode, "taken" in again.stderr, "Traceback" in again.stderr) == (2, True, False)
    listed = console("user", "list").stdout
    assert all(word in listed for word in ("ada", "Ada", "radiologist", "manager", "invited"))
    token = console("token", "add", "ada", "scripts", "--scope", "report.read")
    assert token.stdout.startswith("wtr_")
    too_much = console.alone("token", "add", "ada", "scripts", "--scope", "user.admin")
    assert (too_much.returncode, "cannot hold more" in too_much.stderr) == (2, True)
    assert console("token", "revoke", "999999").exit_code == 2
    assert console("user", "disable", "nobody").exit_code == 2
    assert console("user", "disable", "ada").exit_code == 0
    with console.database.transaction() as session:
        assert session.scalars(select(User)).one().disabled
    assert console("audit", "verify").exit_code == 0


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (
            {"WETREAD_HTP_PORT": "80"},
            "unknown setting WETREAD_HTP_PORT in environment; did you mean WETREAD_HTTP_PORT?",
        ),
        ({"WETREAD_HOST": "0.0.0.0"}, "without TLS"),
        ({"WETREAD_SESSION_IDLE_MINUTES": "0"}, "session_idle_minutes must be from 1 to 60"),
    ],
)
def test_serve_refuses_in_words_and_with_a_code(
    console: Console, environment: dict[str, str], words: str
) -> None:
    done = console.alone("serve", **environment)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["HTTP_PORT", "DICOM_PORT", "HL7_PORT"])
def test_serve_refuses_a_port_of_another_program(console: Console, name: str) -> None:
    """Else its own readiness would be that other program's, and people would be sent there."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = dict(
        zip(("HTTP_PORT", "DICOM_PORT", "HL7_PORT"), (one.getsockname()[1] for one in free), strict=True)
    )
    for one in free:
        one.close()
    with socket.create_server(("127.0.0.1", ports[name])):
        done = console.alone("serve", **{f"WETREAD_{key}": str(port) for key, port in ports.items()})
    assert done.returncode == 2
    assert f"{name.lower()} {ports[name]} on 127.0.0.1: another program listens there." in done.stderr
    assert f"Set WETREAD_{name} to another port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_serve_refuses_a_master_key_that_others_can_read(console: Console) -> None:
    key = console.data / "keys" / "master.key"
    key.parent.mkdir()
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    # Of no port that somebody else may have here.
    done = console.alone(
        "serve", **{f"WETREAD_{name}_PORT": str(free_port()) for name in ("HTTP", "DICOM", "HL7")}
    )
    assert done.returncode == 2
    assert "mode 0644: others could read it. Set it to 0600." in done.stderr


def test_a_command_needs_a_running_system(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
    done = subprocess.run(
        [sys.executable, "-m", "wetread", "audit", "verify", "--data", str(tmp_path)],
        env=clean, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, "No Wetread runs" in done.stderr) == (2, True)


def test_the_store_is_read_again_and_damage_fails_the_command(
    console: Console, make_dicom: Any, as_dataset: Any
) -> None:
    settings = load_settings(console.environment)
    house = build_house(settings, part="test")
    archive = wire(house)
    ds = make_dicom()
    with archive.intake.transfer(Actor.system("test"), received_from="CT1") as transfer:
        incoming = transfer.object(
            sop_class_uid=ds.SOPClassUID,
            sop_instance_uid=ds.SOPInstanceUID,
            transfer_syntax_uid="1.2.840.10008.1.2.1",
        )
        incoming.write(as_dataset(ds))
        assert incoming.commit().outcome == "stored"
    archive.close()
    house.close()
    done = console.alone("store", "check")
    assert (done.returncode, done.stdout.strip()) == (0, "1 objects read again, 0 damaged.")
    (kept,) = (path for path in settings.objects_path.rglob("*") if path.is_file() and path.stat().st_size)
    kept.write_bytes(kept.read_bytes()[:-1])
    done = console.alone("store", "check")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 objects read again, 1 damaged.")
    assert "bytes in the store in place of" in done.stderr
