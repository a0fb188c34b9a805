"""Short runs of the plans of `tools.faults`: nothing acknowledged is lost, changed or doubled, whatever dies and whenever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tools.faults.audit import FAILED_JOB, audit
from tools.faults.bucket import bucket_at, s3_server
from tools.faults.doors import k2_doors
from tools.faults.plans import Outcome, k1, n1, p1
from tools.faults.points import k2, play_at, read_notes
from tools.faults.senders import BY_WEB, CT, EXPLICIT, StoreSender
from tools.faults.stand import Stand, standing

from wetread.archive.tiers import split
from wetread.kit import failpoints

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with standing(lazy_log=True) as made:
        yield made


def judge(outcome: Outcome) -> None:
    print(outcome)
    assert outcome.verdict.faults == []
    assert (outcome.verdict.lost, outcome.verdict.changed, outcome.verdict.doubled) == (0, 0, 0)


def test_k1_parts_are_killed_at_any_instant(stand: Stand) -> None:
    outcome = k1(25, seed=11, stand=stand)
    judge(outcome)
    assert outcome.done.total() == 25
    assert outcome.verdict.acknowledged > 5 * 25
    assert outcome.verdict.orders > 0
    assert outcome.answers[BY_WEB] > 0


def test_p1_the_database_dies_while_objects_stream_in(stand: Stand) -> None:
    before = len(stand.ledger.acknowledged)
    outcome = p1(5, seed=2, stand=stand)
    judge(outcome)
    assert (
        outcome.done["kill -9 of all PostgreSQL"] + outcome.done["kill -9 of all PostgreSQL and the parts"]
        == 3
    )
    assert outcome.verdict.acknowledged > before + 5 * 20


def test_k2_each_step_is_the_last() -> None:
    outcome = k2(seed=5, actions=("exit",), every=14)
    judge(outcome)
    assert {name.split()[0] for name in outcome.done} == {
        "ingest", "removal", "moving", "commitment", "routing", "report",
    }  # fmt: skip


def test_k2_each_step_fails_while_somebody_sends(stand: Stand) -> None:
    # Errors of the disk, and writes that it takes in part; who sends hears of it, and the same process goes on.
    outcome = k2_doors(seed=3, names=("C-STORE", "STOW-RS"), actions=("EIO",), every=12, stand=stand)
    judge(outcome)
    assert outcome.done["C-STORE EIO"] >= 1
    faults: list[str] = []
    reached: Counter[str] = Counter()
    for run, plan in enumerate(("short@9", "torn@9"), 9100):
        assert play_at(stand, "ingest", plan, run, reached, faults)
    assert faults == []
    read_notes(stand)


def test_what_was_purged_does_not_come_back(stand: Stand) -> None:
    # Its file is noted as one that may lack its rows, and is still there when the process dies.
    faults: list[str] = []
    reached: Counter[str] = Counter()
    assert play_at(stand, "removal of one", "removal.before_delete=exit@1", 9001, reached, faults)
    assert faults == []
    assert reached == {"removal.before_delete": 1}
    read_notes(stand)


def test_n1_the_network_is_cut_at_each_boundary() -> None:
    with s3_server() as url:
        outcome = n1(10, seed=3, store=bucket_at(url))
    judge(outcome)
    for side in ("sender/node", "node/PostgreSQL", "node/store"):
        # What passes is not of the same length each time: not every place is reached.
        assert outcome.done[f"cuts of {side}"] >= 1, side


def _fill(stand: Stand, count: int) -> list[str]:
    """SOP Instance UIDs of objects that were acknowledged, and lie in the store."""
    sender = StoreSender(stand.ledger, 1, 1, stand.dicom)
    parts = stand.start("node")
    stand.wait_ready(parts, ["node"])
    uids = []
    with sender.association() as association:
        for _ in range(count):
            one = sender.next()
            stand.ledger.attempt(one)
            status = association.store(CT, one.instance, EXPLICIT, [one.data]).status
            assert stand.ledger.answered(one, status, twin=False)
            uids.append(one.instance)
    parts.end()
    return uids


def test_the_audit_sees_what_is_wrong(stand: Stand) -> None:
    # The last on this stand: it breaks it.
    gone, spoiled, unfiled, changed, *_ = _fill(stand, 6)
    ledger = stand.ledger
    with stand.opened() as (house, archive):
        sound = audit(archive, house.settings, ledger)
        assert sound.faults == []
        assert sound.acknowledged == len(ledger.acknowledged) >= 6
        with psycopg.connect(house.database.url) as connection:
            lying = dict(
                connection.execute(
                    "SELECT sop_instance_uid, location FROM stored_object JOIN instance USING (instance_pk)"
                ).fetchall()
            )
            connection.execute(
                "DELETE FROM stored_object USING instance i WHERE stored_object.instance_pk = i.instance_pk"
                " AND i.sop_instance_uid = %s",
                (unfiled,),
            )
            connection.execute("DELETE FROM instance WHERE sop_instance_uid = %s", (unfiled,))
            connection.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, args)"
                " VALUES ('preparation', 'archive.prepare_study', 'failed', 4, '{\"study_pk\": 7}')"
            )

        def path(uid: str) -> Path:
            store, key = split(lying[uid])
            return (house.settings.objects_path if store == "local" else stand.data / store) / key

        path(gone).unlink()
        content = bytearray(path(spoiled).read_bytes())
        content[len(content) // 2] ^= 1
        path(spoiled).write_bytes(content)
        ledger.attempted[changed] = "0" * 64
        ledger.orders.add("1")
        ledger.aside.add("1" * 64)
        said = f"{FAILED_JOB}archive.prepare_study: OSError: no room\n{FAILED_JOB}jobs.seal_audit: ValueError"
        wrong = audit(archive, house.settings, ledger, log=said)
    assert wrong.lost == 5  # a file, a spoiled file, a row, an order, a twin
    assert wrong.changed == 1
    words = " ".join(wrong.faults)
    for expected in (
        "cannot be read",
        "have no row",
        "is not what was sent",
        "miscount",
        "orders are lost",
        "twins",
        'archive.prepare_study after 4 attempts, e.g. with {"study_pk": 7}: archive.prepare_study: OSError: no room',
    ):
        assert expected in words, words


def test_a_failpoint_acts_at_the_call_it_was_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    try:
        failpoints.arm({"TEST_FAILPOINTS": "b=EIO@2, *=timeout@4", "TEST_FAILPOINTS_LOG": str(log)})
        for name in ("a", "b"):
            failpoints.failpoint(name)
        with pytest.raises(OSError, match="failpoint b"):
            failpoints.failpoint("b")
        with pytest.raises(TimeoutError):
            failpoints.failpoint("c")
        failpoints.failpoint("b")
        assert log.read_text().splitlines() == ["a -", "b -", "b EIO", "c timeout", "b -"]
        with pytest.raises(ValueError, match="no action"):
            failpoints.arm({"TEST_FAILPOINTS": "a=explode@1"})
    finally:
        failpoints.arm({})
    failpoints.failpoint("b")
