"""Killed at any instant: every acknowledged object is there, identical, indexed once, and nothing half-done is seen."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from wetread.archive.ingest import recover
from wetread.archive.jobs import remove_orphans
from wetread.archive.model import Study
from wetread.archive.retrieval import Retrieval
from wetread.archive.service import Archive, Level, LocalObjects, find, use_archive
from wetread.kit.db import Database
from wetread.security.service import Actor, FileMasterKey, Offices, seal, verify

KILLS = 20
ROOT = Path(__file__).parents[2]


def _files(folder: Path) -> set[str]:
    return {
        f"{path.parent.name}/{path.name}"
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size
    }


@pytest.mark.fault
def test_kill_9_during_ingest(clean_database: Database, tmp_path: Path) -> None:
    folder, notes = tmp_path / "objects", tmp_path / "acknowledged"
    sender = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "tests/fault/archive_sender.py"),
            clean_database.url,
            str(folder),
            str(notes),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"},
    )
    assert sender.stdin is not None
    assert sender.stdout is not None
    chance = random.Random(11)
    try:
        for seed in range(KILLS):
            before = notes.stat().st_size if notes.exists() else 0
            sender.stdin.write(f"{seed + 1}\n")
            sender.stdin.flush()
            child = int(sender.stdout.readline())
            until = time.monotonic() + 20
            while (notes.stat().st_size if notes.exists() else 0) == before and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 0.4))
            os.kill(child, signal.SIGKILL)
        time.sleep(0.3)  # the server ends the sessions of the killed
    finally:
        sender.kill()
        sender.wait()
        sender.stdin.close()
        sender.stdout.close()

    acknowledged = [line.split() for line in notes.read_text().splitlines()]
    assert len(acknowledged) > 5 * KILLS
    archive = Archive(
        clean_database,
        Offices(clean_database),
        LocalObjects(folder, reserve_bytes=0),
        FileMasterKey(b"m" * 32),
    )
    use_archive(archive)
    try:
        _audit(archive, acknowledged, folder)
    finally:
        archive.close()


def _audit(archive: Archive, acknowledged: list[list[str]], folder: Path) -> None:
    database = archive.offices.database
    retrieval: Retrieval = archive.retrieval
    digests = {uid: digest for _, uid, digest in acknowledged}
    studies = sorted({study for study, _, _ in acknowledged})
    with database.transaction() as session:
        # Every study there is: a kill between commit and answer leaves a complete object that nobody was told of, and
        # it may be the first of its study.
        everything = sorted(session.scalars(select(Study.study_instance_uid)))
        objects = retrieval.objects(session, study_instance_uids=everything)
    # I1, I2: each acknowledged object has one row, and comes out bit-identical.
    found = [one.sop_instance_uid for one in objects]
    assert len(found) == len(set(found))
    assert set(digests) <= set(found)
    for one in objects:
        digest = hashlib.sha256(b"".join(one.chunks())).hexdigest()
        assert digest == one.stored.dataset_sha256.hex()
        assert digests.get(one.sop_instance_uid, digest) == digest
    archive.intake.settler.settle_left()
    # I3: no row without its object (all were opened). I4: only the objects in flight are orphans, then none.
    known = {one.stored.location for one in objects}
    assert known <= _files(folder)
    assert len(_files(folder) - known) <= 20 * 3 * 2
    with archive.offices.work(Actor.system("janitor")) as work:
        remove_orphans(work, older_than_s=-1)
    assert _files(folder) == known
    # I5, I9: the counts are those of complete objects, by query too.
    with psycopg.connect(database.url) as connection:
        wrong = connection.execute(
            "SELECT count(*) FROM study s WHERE number_of_study_related_instances <>"
            " (SELECT count(*) FROM instance i WHERE i.study_pk = s.study_pk) OR number_of_study_related_series <>"
            " (SELECT count(*) FROM series e WHERE e.study_pk = s.study_pk)"
        ).fetchone()
        assert wrong == (0,)
        # I6: a record of the transfer for each study of an acknowledged object; the chain holds.
        recorded = {
            row[0] for row in connection.execute("SELECT DISTINCT study_instance_uid FROM audit_record")
        }
    assert set(studies) <= recorded
    with archive.offices.work(Actor.system("archive")) as work:
        total = sum(item["00201208"]["Value"][0] for item in find(work, Level.STUDY, {}).items)
        assert total == len(objects)
        while seal(work.session):
            pass
    with database.transaction() as session:
        assert verify(session).fault is None
    # I10: news that was lost in a kill is told at the next start, once.
    recover(archive.offices)
    assert recover(archive.offices) == 0
