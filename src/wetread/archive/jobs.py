"""Background work of the archive: ready-made metadata, HTJ2K renditions, removal of orphans."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog

from wetread.archive import states, store
from wetread.archive.model import Study
from wetread.archive.moving import alone
from wetread.archive.objects import NoSpace
from wetread.archive.renditions import make_rendition
from wetread.archive.sealing import Damaged
from wetread.archive.service import the_archive
from wetread.jobs.service import PREPARATION, Call, Retry, defer_all, task
from wetread.kit import limits
from wetread.kit.errors import WetreadError
from wetread.security.service import AuditEventID, Offices, Work

log = structlog.get_logger()

_RENDITIONS_A_JOB = 64
_LEFT_BEHIND_S = 600.0  # small objects of a process that was killed and did not come back
_LOOK_AGAIN_S = 0.5
_ORPHAN_AGE_S = 2 * 3600.0


@task("archive.studies_updated", together=True)
def studies_updated(work: Work, events: list[dict[str, Any]]) -> None:
    """On `study.updated`: has the studies made ready for viewing a little after their last news, once for many of them."""
    studies = {int(event["keys"]["study_pk"]) for event in events}
    run_at = work.now() + timedelta(seconds=limits.PREPARE_STUDY_AFTER_S)
    _prepare(work, sorted(studies), run_at)
    for study_pks in states.of_moves(work.session, studies):
        states.part_later(work, study_pks)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="prepare_study", object_id=len(studies))


@task(states.JOB, queue=PREPARATION, retry=Retry(max_attempts=8))
def part_states(work: Work, study_pks: list[int]) -> None:
    """Gives studies their parts of presentation states that are about images of several of them."""
    made = states.part(work, study_pks)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="parted states", object_id=made)


def _prepare(work: Work, study_pks: Sequence[int], run_at: datetime) -> None:
    calls = [
        Call({"study_pk": study_pk}, queueing_lock=f"archive.prepare_study:{study_pk}")
        for study_pk in study_pks
    ]
    defer_all(work, "archive.prepare_study", calls, run_at=run_at)


def _let_ingest_pass(offices: Offices, study_pk: int) -> None:
    # Senders wait for each answer, and nobody for this. A study that is being looked at is served as it was received.
    while _is_ingest_before(offices, study_pk):
        time.sleep(_LOOK_AGAIN_S)


def _is_ingest_before(offices: Offices, study_pk: int) -> bool:
    with offices.database.raw() as connection:
        return store.is_ingest_before(connection, study_pk, limits.PREPARE_STUDY_AT_LATEST_S)


@task(
    "archive.prepare_study",
    retry=Retry(max_attempts=4),
    queue=PREPARATION,
    let_pass=_let_ingest_pass,
)
def prepare_study(work: Work, study_pk: int) -> None:
    """Makes the metadata of changed series and the renditions that are missing, some at a time. It gives way
    to objects that stream in: the rest is for the next run then, which waits for them to pass."""
    archive = the_archive()
    study = work.session.get(Study, study_pk)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="prepare_study", object_id=study_pk)
    if study is None:
        return
    for series_instance_uid in store.series_uids(work.session, study.study_instance_uid):
        archive.retrieval.build_series_metadata(study.study_instance_uid, series_instance_uid)
    waiting = store.without_rendition(work.session, study_pk, _RENDITIONS_A_JOB)
    made = 0
    for stored in waiting:
        if _is_ingest_before(archive.offices, study_pk):
            _prepare(work, [study_pk], work.now())
            return
        try:
            made += make_rendition(archive, stored)
        except (WetreadError, Damaged, NoSpace) as error:
            # The picture is served as it was received; a person sees damage in the storage check.
            log.warning("no rendition", stored_object_pk=stored.stored_object_pk, error=type(error).__name__)
    if made and len(waiting) == _RENDITIONS_A_JOB:
        _prepare(work, [study_pk], work.now())


@task("archive.remove_orphans", queue=PREPARATION, cron="41 * * * *")
def remove_orphans_hourly(work: Work) -> None:
    """Removes what was written but never filed, e.g. because a process was killed in between."""
    try:
        the_archive().intake.file_left()
        the_archive().intake.settler.settle_left(older_than_s=_LEFT_BEHIND_S)
    except NoSpace as error:
        # Sweeping may make the room that they want.
        log.warning("small objects wait for the store", error=str(error))
    removed = remove_orphans(work, older_than_s=_ORPHAN_AGE_S)
    if removed:
        log.info("orphan objects removed", count=removed)


def remove_orphans(work: Work, *, older_than_s: float) -> int:
    """Removes objects that no row names and nobody can be writing any more; returns how many."""
    archive = the_archive()
    removed = 0
    listing = archive.objects.listing(older_than_s)
    while locations := list(islice(listing, 500)):
        # A mover may be about to use what looks like nobody's: not beside it.
        with alone(archive.offices.database) as got:
            if not got:
                break
            known = store.known_locations(work.session, locations)
            for location in locations:
                if location not in known:
                    archive.objects.delete_here(location)
                    removed += 1
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "D", object_type="orphan_objects", object_id=removed)
    return removed
