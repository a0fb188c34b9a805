"""Rows that another process was in the way of are sent again; what is wrong with them is told at once."""

from __future__ import annotations

from typing import ClassVar

import psycopg
import pytest

from wetread.archive import store
from wetread.archive.ingest import CommitGroup


class Pipeline:
    """Fails as often as it is told, with what it is told, before it commits."""

    failures: ClassVar[list[psycopg.Error]] = []
    usable = True

    def __init__(self, url: str) -> None:
        self.sent: list[str] = []

    def put(self, row: str) -> None:
        self.sent.append(row)

    def commit(self) -> list[tuple[bytes]]:
        sent, self.sent = self.sent, []
        if self.failures:
            raise self.failures.pop(0)
        return [(row.encode(),) for row in sent]


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> CommitGroup:
    monkeypatch.setattr(store, "IngestPipeline", Pipeline)
    return CommitGroup("postgresql://nowhere")


def add(group: CommitGroup, durable: list[str]) -> object:
    def send(pipeline: store.IngestPipeline, alone: bool) -> None:
        assert isinstance(pipeline, Pipeline)
        pipeline.put("one")

    return group.add(send, lambda: durable.append("one"))


def test_a_deadlock_is_tried_again_and_the_bytes_are_made_durable_once(group: CommitGroup) -> None:
    Pipeline.failures[:] = [psycopg.errors.DeadlockDetected() for _ in range(3)]
    durable: list[str] = []
    assert add(group, durable) == (b"one",)
    assert durable == ["one"]
    assert Pipeline.failures == []


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ([psycopg.errors.ForeignKeyViolation()], psycopg.errors.ForeignKeyViolation),
        ([psycopg.errors.DeadlockDetected() for _ in range(9)], psycopg.errors.DeadlockDetected),
    ],
)
def test_what_stays_wrong_is_told(
    group: CommitGroup, failures: list[psycopg.Error], kind: type[psycopg.Error]
) -> None:
    Pipeline.failures[:] = failures
    with pytest.raises(kind):
        add(group, [])
    Pipeline.failures.clear()
    assert add(group, []) == (b"one",)
