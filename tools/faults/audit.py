"""The one audit after every plan: what was acknowledged is there, bit-identical and once; nothing else is half there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import select

from tools.faults.senders import Ledger
from wetread.archive.ingest import recover
from wetread.archive.jobs import remove_orphans
from wetread.archive.model import Instance, Quarantine, StoredObject, StudyKey
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive, Level, find
from wetread.kit.config import Settings
from wetread.security.service import Actor, seal, verify

_AT_ONCE = 500


@dataclass
class Verdict:
    """What the audit saw. `lost`, `changed` and `doubled` are of what was acknowledged; `faults` is everything, in words."""

    acknowledged: int = 0
    aside: int = 0
    orders: int = 0
    objects: int = 0
    orphans: int = 0
    lost: int = 0
    changed: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.acknowledged:,} objects, {self.aside} twins and {self.orders} orders acknowledged; {self.objects:,} filed, "
            f"{self.orphans} orphans swept; {self.lost} lost, {self.changed} changed, {self.doubled} doubled; "
            f"{len(self.faults)} faults"
        )


def audit(archive: Archive, settings: Settings, ledger: Ledger, *, log: str = "") -> Verdict:
    """Looks at an installation none of whose parts runs; leaves it settled, swept and sealed. `log`: what its parts said,
    for why a job failed."""
    verdict = Verdict(len(ledger.acknowledged), len(ledger.aside), len(ledger.orders))
    archive.recover()
    _objects(archive, ledger, verdict)
    _quarantine(archive, ledger, verdict)
    _files(archive, settings, verdict)
    with psycopg.connect(archive.offices.database.url) as connection:
        _counts(connection, verdict)
        _orders(connection, ledger, verdict)
        _audit_trail(connection, ledger, verdict)
        _jobs(connection, log, verdict)
    _chain(archive, verdict)
    # News that was lost in a kill is told at a start, once (I10).
    recover(archive.offices)
    if again := recover(archive.offices):
        verdict.faults.append(f"{again} studies are told of again at each start")
    return verdict


def stored_originals(archive: Archive) -> Iterator[tuple[str, StoredObject, bytes]]:
    """(SOP Instance UID, original, its sealed key) of every instance, some at a time."""
    after = 0
    while True:
        with archive.offices.database.transaction() as session:
            rows = session.execute(
                select(Instance.sop_instance_uid, StoredObject, StudyKey.sealed_key)
                .join(StoredObject, StoredObject.instance_pk == Instance.instance_pk)
                .join(StudyKey, StudyKey.study_key_pk == StoredObject.study_key_pk)
                .where(StoredObject.role == "original", StoredObject.stored_object_pk > after)
                .order_by(StoredObject.stored_object_pk)
                .limit(_AT_ONCE)
            ).all()
        if not rows:
            return
        after = rows[-1][1].stored_object_pk
        for uid, stored, sealed_key in rows:  # noqa: UP028 - rows are no tuples to the type checker
            yield uid, stored, sealed_key


def digest_of(archive: Archive, stored: StoredObject, sealed_key: bytes) -> str:
    """SHA-256 of the data set as it comes out. Raises Damaged."""
    digest = hashlib.sha256()
    with archive.vault.open(stored.location, stored.study_key_pk, sealed_key, stored.size_bytes) as content:
        for piece in content.iterate(stored.dataset_offset, stored.size_bytes - stored.dataset_offset):
            digest.update(piece)
    return digest.hexdigest()


def _objects(archive: Archive, ledger: Ledger, verdict: Verdict) -> None:
    """I1, I2, I3, I9."""
    found: dict[str, str] = {}
    for uid, stored, sealed_key in stored_originals(archive):
        if uid in found:
            verdict.doubled += 1
            verdict.faults.append(f"{uid} is there twice")
        try:
            found[uid] = digest_of(archive, stored, sealed_key)
        except Damaged as damage:
            found[uid] = ""
            verdict.faults.append(f"{uid} cannot be read: {damage}")
            if uid in ledger.acknowledged:
                verdict.lost += 1
            continue
        if found[uid] != stored.dataset_sha256.hex():
            verdict.faults.append(f"{uid} is not what its row says")
        if ledger.attempted.get(uid) != found[uid]:
            verdict.changed += 1
            verdict.faults.append(f"{uid} is not what was sent")
    verdict.objects = len(found)
    if lost := ledger.acknowledged.keys() - found.keys():
        verdict.lost += len(lost)
        verdict.faults.append(f"{len(lost)} acknowledged objects have no row, e.g. {min(lost)}")
    with archive.offices.work(Actor.system("audit")) as work:
        seen: set[str] = set()
        for study in sorted(set(ledger.acknowledged.values())):
            seen |= {
                one["00080018"]["Value"][0]
                for one in find(work, Level.IMAGE, {"StudyInstanceUID": study}).items
            }
    if unseen := ledger.acknowledged.keys() - seen:
        verdict.faults.append(f"{len(unseen)} acknowledged objects are not found by a query")


def _quarantine(archive: Archive, ledger: Ledger, verdict: Verdict) -> None:
    """Every twin that was answered as kept lies in quarantine, whole."""
    with archive.offices.database.transaction() as session:
        rows = session.execute(
            select(StoredObject, StudyKey.sealed_key)
            .join(Quarantine, Quarantine.stored_object_pk == StoredObject.stored_object_pk)
            .join(StudyKey, StudyKey.study_key_pk == StoredObject.study_key_pk)
        ).all()
    kept: set[str] = set()
    for stored, sealed_key in rows:
        try:
            kept.add(digest := digest_of(archive, stored, sealed_key))
        except Damaged as damage:
            verdict.faults.append(f"an object in quarantine cannot be read: {damage}")
            continue
        if digest not in ledger.twins:
            verdict.faults.append("an object lies in quarantine that should not")
    if lost := ledger.aside - kept:
        verdict.lost += len(lost)
        verdict.faults.append(f"{len(lost)} twins that were acknowledged are not in quarantine")


def _files(archive: Archive, settings: Settings, verdict: Verdict) -> None:
    """I3, I4: files and rows are one to one, once what nobody filed is swept."""

    def lying() -> set[str]:
        # Files that are made ahead are empty.
        found = set(archive.objects.listing(-5))
        return {one for one in found if ":" in one or (settings.objects_path / one).stat().st_size}

    with archive.offices.database.transaction() as session:
        known = set(session.scalars(select(StoredObject.location)))
    verdict.orphans = len(lying() - known)
    with archive.offices.work(Actor.system("janitor")) as work:
        remove_orphans(work, older_than_s=-5)
    after = lying()
    if after - known:
        verdict.faults.append(f"{len(after - known)} orphans outlive the janitor")
    if known - after:
        verdict.faults.append(f"{len(known - after)} rows have no file")


def _one(connection: psycopg.Connection[Any], sql: str) -> Any:
    row = connection.execute(sql.encode()).fetchone()
    return None if row is None else row[0]


def _counts(connection: psycopg.Connection[Any], verdict: Verdict) -> None:
    """I5, and that nothing is there twice."""
    for sql, words in (
        (
            "SELECT count(*) FROM study s WHERE number_of_study_related_instances <>"
            " (SELECT count(*) FROM instance i WHERE i.study_pk = s.study_pk AND i.removal_pk IS NULL) OR number_of_study_related_series <>"
            " (SELECT count(*) FROM series e WHERE e.study_pk = s.study_pk AND e.removal_pk IS NULL)",
            "studies miscount",
        ),
        (
            "SELECT count(*) FROM series s WHERE number_of_series_related_instances <>"
            " (SELECT count(*) FROM instance i WHERE i.series_pk = s.series_pk AND i.removal_pk IS NULL)",
            "series miscount",
        ),
        (
            "SELECT count(*) FROM instance i WHERE NOT EXISTS (SELECT FROM stored_object o"
            " WHERE o.instance_pk = i.instance_pk AND o.role = 'original') AND i.removal_pk IS NULL",
            "instances have no original",
        ),
        (
            "SELECT count(*) FROM stored_object o WHERE o.role = 'quarantined' AND NOT EXISTS"
            " (SELECT FROM quarantine q WHERE q.stored_object_pk = o.stored_object_pk)",
            "objects in quarantine have no entry",
        ),
        (
            "SELECT count(*) FROM fresh_object f WHERE NOT EXISTS"
            " (SELECT FROM stored_object o WHERE o.location = f.location)",
            "fresh objects have no row",
        ),
    ):
        if wrong := _one(connection, sql):
            verdict.faults.append(f"{wrong} {words}")
    for table, column in (
        ("study", "study_instance_uid"),
        ("series", "series_instance_uid"),
        ("instance", "sop_instance_uid"),
    ):
        twice = _one(connection, f"SELECT count(*) - count(DISTINCT {column}) FROM {table}")
        if twice:
            verdict.doubled += twice
            verdict.faults.append(f"{twice} rows of {table} are doubled")


def _orders(connection: psycopg.Connection[Any], ledger: Ledger, verdict: Verdict) -> None:
    """I7: each order answered AA is there, once, and applied."""
    placed = [
        row[0]
        for row in connection.execute(
            "SELECT placer_order_number FROM imaging_service_request WHERE placer_order_number IS NOT NULL"
        )
    ]
    messages = connection.execute("SELECT message_control_id, state FROM interface_message").fetchall()
    if twice := len(placed) - len(set(placed)):
        verdict.doubled += twice
        verdict.faults.append(f"{twice} orders are doubled")
    if lost := {f"P{number}" for number in ledger.orders} - set(placed):
        verdict.lost += len(lost)
        verdict.faults.append(f"{len(lost)} acknowledged orders are lost")
    if len(messages) != len({control for control, _ in messages}):
        verdict.faults.append("a message is kept twice")
    # One that failed for want of the database was answered AE, and waits for its sender or for a person.
    if states := {state for control, state in messages if control in ledger.orders} - {"applied"}:
        verdict.faults.append(f"messages that were answered AA are {', '.join(sorted(states))}")


def _audit_trail(connection: psycopg.Connection[Any], ledger: Ledger, verdict: Verdict) -> None:
    """I6: a record of the transfer of each acknowledged study."""
    recorded = {row[0] for row in connection.execute("SELECT DISTINCT study_instance_uid FROM audit_record")}
    if silent := set(ledger.acknowledged.values()) - recorded:
        verdict.faults.append(f"{len(silent)} studies came without an audit record")


FAILED_JOB = "a job failed: "
"""How a line of the parts begins that says why one failed (see `starter`)."""


def _jobs(connection: psycopg.Connection[Any], log: str, verdict: Verdict) -> None:
    """I10: no job failed for good, and none is held by a worker that is gone."""
    for status, name, count, attempts, example in connection.execute(
        "SELECT status::text, task_name, count(*), max(attempts), min(args::text) FROM procrastinate_jobs"
        " WHERE status IN ('failed', 'doing', 'aborted') GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall():
        begins = FAILED_JOB if name == "events.deliver" else f"{FAILED_JOB}{name}: "
        said = [line.removeprefix(FAILED_JOB) for line in log.splitlines() if line.startswith(begins)]
        why = "; ".join(dict.fromkeys(said[-3:])) or "the parts did not say why"
        verdict.faults.append(
            f"{count} jobs are {status}: {name} after {attempts} attempts, e.g. with {example[:200]}: {why}"
        )


def _chain(archive: Archive, verdict: Verdict) -> None:
    """I6: the chain holds."""
    with archive.offices.work(Actor.system("archive")) as work:
        while seal(work.session):
            pass
    with archive.offices.database.transaction() as session:
        fault = verify(session).fault
    if fault is not None:
        verdict.faults.append(f"the audit chain breaks at {fault.seal_number}: {fault.reason}")
