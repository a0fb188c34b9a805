"""Storage commitment (PS3.4 Annex J): a promise is given only for bytes that were read and found to be those received.

A request is kept before it is answered. Who asked hears the outcome over the same association while that is open; else
a job calls it at its known address, again and again. Whoever reports holds the request meanwhile (`claim`), so that
nobody hears it twice at once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import func, select, text, update

from wetread.archive import store
from wetread.archive.model import RemoteAE, StorageCommitment
from wetread.archive.rules import JsonDict, is_uid
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive, the_archive
from wetread.archive.store import StoredInstance
from wetread.jobs.service import Retry, defer, task
from wetread.kit import limits
from wetread.kit.failpoints import failpoint
from wetread.security.service import Actor, AuditEventID, Offices, Permission, Work

log = structlog.get_logger()

_TRANSACTION_UID, _REFERENCED, _FAILED = "00081195", "00081199", "00081198"
_SOP_CLASS, _SOP_INSTANCE, _FAILURE_REASON = "00081150", "00081155", "00081197"
_AT_ONCE = 200  # objects looked up together


class FailureReason:
    """Failure Reason (0008,1197) of storage commitment (PS3.3 C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION_UID = 0x0131


class CommitmentRefused(Exception):
    """An N-ACTION that cannot be taken: its status (PS3.7 10.1.4.1.10), words without patient data, the tags at fault."""

    def __init__(self, dimse_status: int, detail: str, tags: Sequence[int] = ()) -> None:
        super().__init__(detail)
        self.dimse_status, self.detail, self.tags = dimse_status, detail, tuple(tags)


class ReportFailed(Exception):
    """The requester did not hear the report; words for a person."""


class Reporter(Protocol):
    """N-EVENT-REPORT over an association of our own. Given by the composition root: this room knows no network."""

    def __call__(self, peer: RemoteAE, event_type_id: int, event: JsonDict) -> None:
        """Raises ReportFailed."""


_reporters: list[Reporter] = []


def use_reporter(reporter: Reporter) -> None:
    """Names the reporter of this process (called once by the composition root)."""
    _reporters[:] = [reporter]


def request_commitment(work: Work, action: JsonDict, *, calling_ae_title: str, network_address: str) -> int:
    """Takes the data set of an N-ACTION, in DICOM JSON; returns the key of the request, held by its association.

    The same request come again, e.g. because its answer was lost, is looked at and reported afresh; other objects under
    a Transaction UID that is in use are all refused with Failure Reason 0131 (PS3.4 J.3.3). Raises CommitmentRefused.
    """
    work.require(Permission.STUDY_STORE)
    transaction_uid = str(_first(action, _TRANSACTION_UID) or "")
    if not is_uid(transaction_uid):
        raise CommitmentRefused(0x0115, "the Transaction UID is missing or none", (0x00081195,))
    items = action.get(_REFERENCED, {}).get("Value") or []
    if not items:
        raise CommitmentRefused(0x0115, "no object is referenced", (0x00081199,))
    if len(items) > limits.COMMITMENT_OBJECTS_MAX:
        raise CommitmentRefused(0x0213, f"more than {limits.COMMITMENT_OBJECTS_MAX} objects at once")
    referenced: list[list[str]] = []
    for item in items:
        pair = [str(_first(item, _SOP_CLASS) or ""), str(_first(item, _SOP_INSTANCE) or "")]
        if not all(map(is_uid, pair)):
            raise CommitmentRefused(0x0115, "an object is referenced without its UIDs", (0x00081199,))
        referenced.append(pair)
    lock = f"{calling_ae_title} {transaction_uid}"
    work.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 20))"), {"lock": lock})
    earlier = work.session.scalars(
        select(StorageCommitment)
        .where(
            StorageCommitment.calling_ae_title == calling_ae_title,
            StorageCommitment.transaction_uid == transaction_uid,
        )
        .order_by(StorageCommitment.storage_commitment_pk)
        .limit(1)
    ).first()
    held_until = work.now() + timedelta(seconds=limits.COMMITMENT_CLAIM_S)
    if earlier is not None and sorted(earlier.referenced) == sorted(referenced):
        request = earlier
        request.failed = request.reported_at = request.last_error = None
        request.network_address, request.claimed_until, request.attempt_count = network_address, held_until, 0
    else:
        failed = None
        if earlier is not None:
            failed = [[*pair, FailureReason.DUPLICATE_TRANSACTION_UID] for pair in referenced]
        request = StorageCommitment(
            transaction_uid=transaction_uid,
            calling_ae_title=calling_ae_title,
            network_address=network_address,
            requested_at=work.now(),
            referenced=referenced,
            failed=failed,
            claimed_until=held_until,
        )
        work.session.add(request)
    work.session.flush()
    _wake(work, request.storage_commitment_pk, held_until)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C",
        object_type="storage_commitment",
        object_id=request.storage_commitment_pk,
        detail={"from": network_address[:64], "objects": str(len(referenced))},
    )
    return request.storage_commitment_pk


def commitment_report(archive: Archive, storage_commitment_pk: int) -> tuple[int, JsonDict]:
    """Looks at every object; returns Event Type ID and data set of the N-EVENT-REPORT (PS3.4 J.3.3.1), which it keeps.

    May take long, for all bytes are read; the request is held the while.
    """
    with _step(archive.offices, storage_commitment_pk, "read") as work:
        request = work.session.get_one(StorageCommitment, storage_commitment_pk)
        transaction_uid, referenced, failed = request.transaction_uid, request.referenced, request.failed
    if failed is None:
        failed = []
        for at in range(0, len(referenced), _AT_ONCE):
            failed += _failures(archive, storage_commitment_pk, referenced[at : at + _AT_ONCE])
        with _step(archive.offices, storage_commitment_pk, "decide") as work:
            _update(work, storage_commitment_pk, failed=failed)
    missing = {(sop_class, uid) for sop_class, uid, _ in failed}
    event: JsonDict = {_TRANSACTION_UID: {"vr": "UI", "Value": [transaction_uid]}}
    if kept := [pair for pair in referenced if (pair[0], pair[1]) not in missing]:
        event[_REFERENCED] = {"vr": "SQ", "Value": [_reference(*pair) for pair in kept]}
    if failed:
        event[_FAILED] = {
            "vr": "SQ",
            "Value": [
                {_FAILURE_REASON: {"vr": "US", "Value": [reason]}} | _reference(sop_class, uid)
                for sop_class, uid, reason in failed
            ],
        }
    return (2 if failed else 1), dict(sorted(event.items()))


def commitment_reported(offices: Offices, storage_commitment_pk: int) -> None:
    """The requester has answered the report with success."""
    with _step(offices, storage_commitment_pk, "reported") as work:
        _update(work, storage_commitment_pk, reported_at=work.now(), claimed_until=None, last_error=None)


def release_commitment(offices: Offices, storage_commitment_pk: int) -> None:
    """The association ended before the outcome was heard: a job goes on with it at once."""
    with _step(offices, storage_commitment_pk, "leave to a job") as work:
        held = work.session.scalar(
            update(StorageCommitment)
            .where(
                StorageCommitment.storage_commitment_pk == storage_commitment_pk,
                StorageCommitment.reported_at.is_(None),
            )
            .values(claimed_until=None)
            .returning(StorageCommitment.storage_commitment_pk)
        )
        if held is not None:
            _wake(work, storage_commitment_pk, None)


@task("archive.report_commitment", retry=Retry(max_attempts=20, base_s=3, wait_s_max=3600))
def report_commitment(work: Work, storage_commitment_pk: int) -> None:
    """Tells who asked for a commitment what became of it, over an association of our own. Raises ReportFailed, to be tried
    again."""
    archive = the_archive()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="storage_commitment",
        object_id=storage_commitment_pk,
    )
    with _step(archive.offices, storage_commitment_pk, "call") as first:
        request = first.session.get(StorageCommitment, storage_commitment_pk, with_for_update=True)
        if request is None or request.reported_at is not None:
            return
        if request.claimed_until is not None and request.claimed_until > first.now():
            _wake(first, storage_commitment_pk, request.claimed_until)
            return
        request.claimed_until = first.now() + timedelta(seconds=limits.COMMITMENT_CLAIM_S)
        peer = first.session.scalar(select(RemoteAE).where(RemoteAE.ae_title == request.calling_ae_title))
        if peer is not None:
            first.session.expunge(peer)
    try:
        if peer is None:
            raise ReportFailed("its title is not among the known application entities")
        if not _reporters:
            raise ReportFailed("this process cannot call application entities")
        event_type_id, event = commitment_report(archive, storage_commitment_pk)
        failpoint("commitment.before_report")
        _reporters[0](peer, event_type_id, event)
        failpoint("commitment.heard")
    except ReportFailed as failed:
        with _step(archive.offices, storage_commitment_pk, "not heard") as after:
            _update(
                after,
                storage_commitment_pk,
                claimed_until=None,
                attempt_count=StorageCommitment.attempt_count + 1,
                last_error=str(failed)[:200],
            )
        raise
    commitment_reported(archive.offices, storage_commitment_pk)


@dataclass(frozen=True, slots=True)
class CommitmentSummary:
    """A request as people see it: counts, no UIDs of objects. `failed` is None until it was looked."""

    storage_commitment_pk: int
    transaction_uid: str
    calling_ae_title: str
    requested_at: datetime
    objects: int
    failed: int | None
    reported_at: datetime | None
    attempt_count: int
    last_error: str | None


def list_commitments(
    work: Work, *, waiting: bool, limit: int = limits.PAGE_ITEMS_MAX
) -> list[CommitmentSummary]:
    """The newest requests; with `waiting` those whose outcome was not yet heard."""
    work.require(Permission.QUEUE_READ)
    query = select(
        StorageCommitment.storage_commitment_pk,
        StorageCommitment.transaction_uid,
        StorageCommitment.calling_ae_title,
        StorageCommitment.requested_at,
        func.jsonb_array_length(StorageCommitment.referenced),
        func.jsonb_array_length(StorageCommitment.failed),
        StorageCommitment.reported_at,
        StorageCommitment.attempt_count,
        StorageCommitment.last_error,
    ).order_by(StorageCommitment.storage_commitment_pk.desc())
    if waiting:
        query = query.where(StorageCommitment.reported_at.is_(None))
    rows = work.session.execute(query.limit(min(limit, limits.PAGE_ITEMS_MAX))).all()
    work.audit(AuditEventID.QUERY, "E", object_type="storage_commitment", detail={"matches": str(len(rows))})
    return [CommitmentSummary(*row) for row in rows]


def _failures(
    archive: Archive, storage_commitment_pk: int, referenced: Sequence[list[str]]
) -> list[list[Any]]:
    """[class, instance, reason] of those that cannot be promised; holds the request while it reads."""
    with _step(archive.offices, storage_commitment_pk, "look up") as work:
        _hold(work, storage_commitment_pk)
        found = {
            one.sop_instance_uid: one
            for one in store.stored_instances(work.session, sop_instance_uids=[uid for _, uid in referenced])
        }
    failed: list[list[Any]] = []
    held_at = time.monotonic()
    for sop_class, uid in referenced:
        stored = found.get(uid)
        if stored is None:
            failed.append([sop_class, uid, FailureReason.NO_SUCH_OBJECT_INSTANCE])
        elif stored.sop_class_uid != sop_class:
            failed.append([sop_class, uid, FailureReason.CLASS_INSTANCE_CONFLICT])
        elif not _is_whole(archive, stored):
            failed.append([sop_class, uid, FailureReason.PROCESSING_FAILURE])
        if time.monotonic() - held_at > limits.COMMITMENT_CLAIM_S / 4:
            held_at = time.monotonic()
            with _step(archive.offices, storage_commitment_pk, "look on") as work:
                _hold(work, storage_commitment_pk)
    return failed


def _is_whole(archive: Archive, stored: StoredInstance) -> bool:
    """Reads the object: each chunk is authenticated, and the whole is what was received."""
    digest = hashlib.sha256()
    try:
        for piece in archive.retrieval.dataset(stored):
            digest.update(piece)
    except (Damaged, OSError) as error:
        log.error(  # noqa: TRY400 - a person must look; what was stored has no place in a log
            "a stored object cannot be promised",
            stored_object_pk=stored.stored_object_pk,
            error=type(error).__name__,
        )
        return False
    if digest.digest() != bytes(stored.dataset_sha256):
        log.error("a stored object is not what was received", stored_object_pk=stored.stored_object_pk)
        return False
    return True


def _hold(work: Work, storage_commitment_pk: int) -> None:
    until = work.now() + timedelta(seconds=limits.COMMITMENT_CLAIM_S)
    work.session.execute(
        update(StorageCommitment)
        .where(
            StorageCommitment.storage_commitment_pk == storage_commitment_pk,
            StorageCommitment.reported_at.is_(None),
        )
        .values(claimed_until=until)
    )


def _update(work: Work, storage_commitment_pk: int, **values: Any) -> None:
    work.session.execute(
        update(StorageCommitment)
        .where(StorageCommitment.storage_commitment_pk == storage_commitment_pk)
        .values(**values)
    )


@contextmanager
def _step(offices: Offices, storage_commitment_pk: int, doing: str) -> Iterator[Work]:
    """A transaction of its own within a request, which is long in the whole; recorded as what it does."""
    with offices.work(Actor.system("storage-commitment")) as work:
        yield work
        work.audit(
            AuditEventID.APPLICATION_ACTIVITY,
            "U",
            object_type="storage_commitment",
            object_id=storage_commitment_pk,
            detail={"step": doing},
        )


def _wake(work: Work, storage_commitment_pk: int, run_at: datetime | None) -> None:
    defer(
        work,
        "archive.report_commitment",
        run_at=run_at,
        queue="default",
        storage_commitment_pk=storage_commitment_pk,
    )


def _first(item: JsonDict, tag: str) -> Any:
    return (item.get(tag, {}).get("Value") or [None])[0]


def _reference(sop_class: str, uid: str) -> JsonDict:
    return {
        _SOP_CLASS: {"vr": "UI", "Value": [sop_class]},
        _SOP_INSTANCE: {"vr": "UI", "Value": [uid]},
    }
