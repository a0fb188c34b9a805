"""`wetread store`: the stores, and moving one, from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from archive_stores import SYSTEM, MakeArchive, feed, files, folders, make_archive, read_all
from wetread.archive.moving import list_moves, move_slice
from wetread.cli.main import app
from wetread.kit import limits
from wetread.kit.db import Database

__all__ = ["make_archive"]


def test_a_store_is_listed_and_moved(
    make_archive: MakeArchive,
    make_dicom: Any,
    tmp_path: Path,
    clean_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores = folders(tmp_path)
    archive = make_archive(stores)
    environment = {
        "WETREAD_DATA": str(tmp_path / "data"), "WETREAD_DATABASE_URL": clean_database.url, "COLUMNS": "200",
        "WETREAD_STORES": json.dumps(stores),
    }  # fmt: skip
    master_key = tmp_path / "data" / "keys" / "master.key"
    master_key.parent.mkdir(parents=True)
    master_key.write_bytes(b"m" * 32)
    master_key.chmod(0o600)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ("store", *words), env=environment, catch_exceptions=False)

    kept = feed(archive, make_dicom, 3, size=200)
    listed = run("list", "--check")
    assert listed.exit_code == 0
    assert "slow" in listed.stdout
    assert run("move", "local", "nowhere").exit_code == 2
    begun = run("move", "local", "slow", "--no-watch")
    assert begun.exit_code == 0
    told = re.search(r"^Move (\d+): local to slow\.$", begun.stdout, re.MULTILINE)
    assert told
    number = told[1]
    assert "local to slow  running  0 %" in run("moves").stdout
    assert "paused" in run("pause", number).stdout
    assert move_slice(archive, int(number), seconds=5) is None
    assert "running" in run("resume", number).stdout
    # Asked for again, it is the same move.
    assert f"Move {number}:" in run("move", "local", "slow", "--no-watch").stdout
    monkeypatch.setattr(limits, "STORE_MOVE_CLOSED_S", -1.0)
    while move_slice(archive, int(number), seconds=5) is not None:
        pass
    assert "done  100 %" in run("moves").stdout
    assert run("cancel", number).exit_code == 2
    with archive.offices.work(SYSTEM) as work:
        assert [(one.state, one.objects) for one in list_moves(work)] == [("done", 3)]
    assert files(tmp_path / "local") == set()
    assert read_all(archive, list(kept)) == kept
