"""The trash: what a person removes vanishes at once, can be had back, and is destroyed when its time is over.

Removing marks instances; nothing is moved or changed, so that restoring is exact. Purging deletes the rows of the
stored objects and the data keys that seal nothing else, in one transaction: from then on the bytes cannot be read by
anybody, and a job removes them. The rows of study, series and instances stay as a tombstone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from wetread.archive import store
from wetread.archive.events import StudyRemoved, StudyRestored, StudyUpdated
from wetread.archive.hiding import holds_on, lock, policy_of, settle
from wetread.archive.model import (
    WITH_REMOVED,
    ArchivePolicy,
    FreshObject,
    Instance,
    LegalHold,
    Removal,
    Series,
    SeriesMetadata,
    StoredObject,
    Study,
    StudyKey,
)
from wetread.archive.rules import ON_REJECTION, Level
from wetread.archive.service import the_archive, visible_studies
from wetread.jobs.service import PREPARATION, defer, task
from wetread.kit import limits
from wetread.kit.errors import Conflict, Denied, FieldError, Invalid, NotFound
from wetread.kit.failpoints import failpoint
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.security.service import AuditEventID, Permission, Work

log = structlog.get_logger()

_OPTIONS = {"synchronize_session": False, **WITH_REMOVED}


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be removed, by UIDs: a study, a series of it, or an instance of that."""

    study_instance_uid: str
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None

    @property
    def level(self) -> Level:
        """The level of the lowest UID."""
        if self.sop_instance_uid is not None:
            return Level.IMAGE
        return Level.STUDY if self.series_instance_uid is None else Level.SERIES


def remove(work: Work, target: Target, *, reason: str) -> Removal:
    """Puts a study, series or instance in the trash. Raises NotFound, Invalid without a reason, Conflict under a hold."""
    work.require(Permission.STUDY_REMOVE)
    reason = reason.strip()[:200]
    if not reason:
        raise Invalid("Say why.", fields=[FieldError("reason", "is needed for the record")])
    study_pk = _study_pk(work, target.study_instance_uid)
    series_pk, instance_pk = _below(work.session, study_pk, target)
    days = policy_of(work.session).trash_days
    return take_away(
        work,
        study_pk,
        level=target.level,
        series_pk=series_pk,
        instance_pk=instance_pk,
        cause="trash",
        reason=reason,
        days=days,
    )


def remove_by_dicomweb(work: Work, target: Target, *, reason: str) -> None:
    """`remove` for a client that deletes, where the policy lets it. Raises Denied, NotFound, Conflict."""
    work.require(Permission.STUDY_REMOVE)
    if not policy_of(work.session).is_delete_by_dicomweb:
        raise Denied("The policy of this archive does not let clients delete.")
    remove(work, target, reason=reason)


def take_away(
    work: Work,
    study_pk: int,
    *,
    level: Level,
    cause: str,
    reason: str,
    days: int | None,
    series_pk: int | None = None,
    instance_pk: int | None = None,
    sop_instance_uids: Sequence[str] | None = None,
    code_value: str | None = None,
    rejection_note_uid: str | None = None,
) -> Removal:
    """Hides instances of a study, for `days` or without an end, for a use case that checked who may. Raises NotFound, Conflict under a hold."""
    found = lock(work.session, [study_pk])
    hold = holds_on(work.session, [study_pk], work.now().date()).get(study_pk)
    if not found:
        raise NotFound("There is no such study.")
    if hold is not None:
        raise Conflict("It is under legal hold: nothing of it may be removed before the hold is lifted.")
    study = found[0]
    chosen: list[ColumnElement[bool]] = [Instance.study_pk == study_pk, Instance.removal_pk.is_(None)]
    if series_pk is not None:
        chosen.append(Instance.series_pk == series_pk)
    if instance_pk is not None:
        chosen.append(Instance.instance_pk == instance_pk)
    if sop_instance_uids is not None:
        chosen.append(Instance.sop_instance_uid.in_(sop_instance_uids))
    instances, size = work.session.execute(
        select(
            func.count(Instance.instance_pk.distinct()), func.coalesce(func.sum(StoredObject.size_bytes), 0)
        )
        .outerjoin(StoredObject, StoredObject.instance_pk == Instance.instance_pk)
        .where(*chosen)
    ).one()
    if not instances:
        raise NotFound("There is nothing of it to be removed.")
    now = work.now()
    removal = Removal(
        level=level.value,
        cause=cause,
        study_pk=study_pk,
        series_pk=series_pk,
        instance_pk=instance_pk,
        rejection_note_uid=rejection_note_uid,
        code_value=code_value,
        reason=reason[:200],
        instances=instances,
        bytes=int(size),
        removed_at=now,
        removed_by=work.actor.username[:64],
        purge_at=None if days is None else now + timedelta(days=days),
    )
    work.session.add(removal)
    work.session.flush()
    work.session.execute(
        update(Instance).where(*chosen).values(removal_pk=removal.removal_pk).execution_options(**_OPTIONS)
    )
    study_instance_uid, patient_pk = study.study_instance_uid, study.patient_pk
    settle(work.session, [study_pk])
    work.session.refresh(removal)
    failpoint("removal.hidden")
    work.audit(
        AuditEventID.STUDY_DELETED,
        "D",
        patient_pk=patient_pk,
        study_instance_uid=study_instance_uid,
        object_type="removal",
        object_id=removal.removal_pk,
        detail={
            "level": level.value, "cause": cause, "instances": str(instances), "reason": removal.reason,
        },
    )  # fmt: skip
    work.publish(StudyRemoved(study_pk, removal.removal_pk))
    work.publish(StudyUpdated(study_pk, study_instance_uid, first_image=False))
    the_archive().retrieval.forget()
    return removal


def restore(work: Work, removal_pk: int, *, reason: str) -> Removal:
    """Shows again what a removal took, all of it. Raises NotFound, Conflict where it was restored or purged."""
    work.require(Permission.STUDY_REMOVE)
    removal = _removal(work, removal_pk)
    return give_back(work, removal, reason=reason)


def give_back(work: Work, removal: Removal, *, reason: str) -> Removal:
    """Undoes a removal, for a use case that checked who may. Raises Conflict."""
    if removal.restored_at is not None:
        raise Conflict("It was restored already.")
    if removal.purged_at is not None:
        raise Conflict("It was purged: its images are destroyed.")
    lock(work.session, [removal.study_pk])
    # Purging may have been quicker.
    work.session.refresh(removal, with_for_update=True)
    if removal.purged_at is not None or removal.restored_at is not None:
        raise Conflict("Somebody else was quicker: look again.")
    removal.restored_at, removal.restored_by = work.now(), work.actor.username[:64]
    removal.restored_reason = reason.strip()[:200]
    study_pks = set(
        work.session.scalars(
            select(Instance.study_pk)
            .where(Instance.removal_pk == removal.removal_pk)
            .distinct()
            .execution_options(**WITH_REMOVED)
        )
    ) | {removal.study_pk}
    work.session.execute(
        update(Instance)
        .where(Instance.removal_pk == removal.removal_pk)
        .values(removal_pk=None)
        .execution_options(**_OPTIONS)
    )
    settle(work.session, sorted(study_pks))
    uid, patient_pk = work.session.execute(
        select(Study.study_instance_uid, Study.patient_pk)
        .where(Study.study_pk == removal.study_pk)
        .execution_options(**WITH_REMOVED)
    ).one()
    work.audit(
        AuditEventID.INSTANCES_ACCESSED,
        "U",
        patient_pk=patient_pk,
        study_instance_uid=uid,
        object_type="removal",
        object_id=removal.removal_pk,
        detail={"restored": removal.level, "reason": removal.restored_reason or ""},
    )
    work.publish(StudyRestored(removal.study_pk, removal.removal_pk))
    for study_pk, study_instance_uid in work.session.execute(
        select(Study.study_pk, Study.study_instance_uid).where(Study.study_pk.in_(study_pks))
    ).all():
        work.publish(StudyUpdated(study_pk, study_instance_uid, first_image=False))
    the_archive().retrieval.forget()
    return removal


@dataclass(frozen=True, slots=True)
class RemovalRow:
    """A removal as people see it: of which study and patient, and what of it."""

    removal: Removal
    study_instance_uid: str
    study_date: Any
    study_description: str | None
    accession_number: str | None
    modalities: list[str]
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: Any
    patient_sex: str | None
    series_description: str | None
    series_number: int | None
    instance_number: int | None
    is_held: bool


STATES = ("trash", "hidden", "restored", "purged")


def list_removals(
    work: Work,
    *,
    state: str = "trash",
    study_pk: int | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[RemovalRow]:
    """What was removed, newest first: in the trash, hidden without an end, restored, or purged."""
    work.require(Permission.STUDY_REMOVE)
    conditions: list[ColumnElement[bool]] = [Removal.cause != "emptied"]
    standing = and_(Removal.restored_at.is_(None), Removal.purged_at.is_(None))
    conditions.append(
        {
            "trash": and_(standing, Removal.purge_at.is_not(None)),
            "hidden": and_(standing, Removal.purge_at.is_(None)),
            "restored": Removal.restored_at.is_not(None),
            "purged": Removal.purged_at.is_not(None),
        }[state]
    )
    visible = visible_studies(work)
    if visible is not None:
        conditions.append(visible)
    if study_pk is not None:
        conditions.append(Removal.study_pk == study_pk)
    source = (
        select(Removal, Study, Series, Instance.instance_number)
        .join(Study, Study.study_pk == Removal.study_pk)
        .outerjoin(Series, Series.series_pk == Removal.series_pk)
        .outerjoin(Instance, Instance.instance_pk == Removal.instance_pk)
        .where(*conditions)
    )
    total = work.session.scalar(
        select(func.count())
        .select_from(Removal)
        .join(Study, Study.study_pk == Removal.study_pk)
        .where(*conditions)
        .execution_options(**WITH_REMOVED)
    )
    if cursor is not None:
        source = source.where(Removal.removal_pk < decode_cursor(cursor, 1)[0])
    limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
    rows = work.session.execute(
        source.order_by(Removal.removal_pk.desc()).limit(limit + 1).execution_options(**WITH_REMOVED)
    ).all()
    more, rows = len(rows) > limit, rows[:limit]
    held = holds_on(work.session, [row[1].study_pk for row in rows], work.now().date())
    modalities = _modalities(work.session, [row[0].removal_pk for row in rows])
    work.audit(AuditEventID.QUERY, "E", object_type="removal", detail={"matches": str(len(rows))})
    items = [
        RemovalRow(
            removal,
            study.study_instance_uid,
            study.study_date,
            study.study_description,
            study.accession_number,
            modalities.get(removal.removal_pk) or list(study.modalities_in_study),
            study.patient_name,
            study.patient_id,
            study.patient_birth_date,
            study.patient_sex,
            series.series_description if series else None,
            series.series_number if series else None,
            instance_number,
            study.study_pk in held,
        )
        for removal, study, series, instance_number in rows
    ]
    return Page(items, encode_cursor(rows[-1][0].removal_pk) if more else None, total)


def _modalities(session: Session, removal_pks: Sequence[int]) -> dict[int, list[str]]:
    """By removal, the modalities of what it took and still has."""
    found: dict[int, list[str]] = {}
    for removal_pk, modality in session.execute(
        select(Instance.removal_pk, Series.modality)
        .join(Series, Series.series_pk == Instance.series_pk)
        .where(Instance.removal_pk.in_(removal_pks), Series.modality.is_not(None))
        .distinct()
        .order_by(Series.modality)
        .execution_options(**WITH_REMOVED)
    ):
        found.setdefault(removal_pk or 0, []).append(modality or "")
    return found


# Purging --------------------------------------------------------------------------------------------------------


@task("archive.purge_trash", cron="11 * * * *")
def purge_trash(work: Work) -> None:
    """Destroys what lay in the trash for its days, some removals a job, unless a hold came meanwhile."""
    due = list(
        work.session.scalars(
            select(Removal)
            .join(Study, Study.study_pk == Removal.study_pk)
            .where(
                Removal.purge_at <= work.now(), Removal.restored_at.is_(None), Removal.purged_at.is_(None),
                ~_held(work),
            )
            .order_by(Removal.purge_at, Removal.removal_pk)
            .limit(limits.PURGE_REMOVALS_A_JOB)
            .execution_options(**WITH_REMOVED)
        )
    )  # fmt: skip
    for removal in due:
        _purge(work, removal)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="purge_trash", object_id=len(due))
    if len(due) == limits.PURGE_REMOVALS_A_JOB:
        defer(work, "archive.purge_trash", queueing_lock="archive.purge_trash:next")


def purge_now(work: Work, removal_pk: int) -> Removal:
    """Destroys what a removal took before its days are over. Raises NotFound, Conflict."""
    work.require(Permission.CONFIG_WRITE)
    removal = _removal(work, removal_pk)
    if removal.restored_at is not None or removal.purged_at is not None:
        raise Conflict("It is not in the trash any more.")
    if holds_on(work.session, [removal.study_pk], work.now().date()):
        raise Conflict("It is under legal hold: nothing of it may be destroyed before the hold is lifted.")
    _purge(work, removal)
    return removal


def _held(work: Work) -> ColumnElement[bool]:
    return exists().where(
        or_(LegalHold.study_pk == Study.study_pk, LegalHold.patient_pk == Study.patient_pk),
        LegalHold.lifted_at.is_(None),
        func.coalesce(LegalHold.until >= work.now().date(), True),
    )


def _purge(work: Work, removal: Removal) -> None:
    session = work.session
    lock(session, [removal.study_pk])
    session.refresh(removal, with_for_update=True)
    if removal.restored_at is not None or removal.purged_at is not None:
        return
    if holds_on(session, [removal.study_pk], work.now().date()):
        return  # a hold was quicker: it is placed under the same lock
    of_it = (
        select(Instance.instance_pk)
        .where(Instance.removal_pk == removal.removal_pk)
        .execution_options(**WITH_REMOVED)
    )
    instance_pks = list(session.scalars(of_it))
    rows = session.execute(
        delete(StoredObject)
        .where(StoredObject.instance_pk.in_(instance_pks))
        .returning(StoredObject.location, StoredObject.study_key_pk)
        .execution_options(**_OPTIONS)
    ).all()
    locations, key_pks = [row[0] for row in rows], {row[1] for row in rows}
    session.execute(
        delete(StudyKey)
        .where(
            StudyKey.study_key_pk.in_(key_pks),
            ~exists().where(StoredObject.study_key_pk == StudyKey.study_key_pk),
        )
        .execution_options(**_OPTIONS)
    )
    session.execute(
        delete(SeriesMetadata)
        .where(
            SeriesMetadata.series_pk.in_(
                select(Series.series_pk).where(
                    Series.study_pk == removal.study_pk, Series.removal_pk.is_not(None)
                )
            )
        )
        .execution_options(**_OPTIONS)
    )
    removal.purged_at = work.now()
    session.execute(delete(FreshObject).where(FreshObject.location.in_(locations)))
    session.flush()
    failpoint("removal.purged")
    study_instance_uid, patient_pk = session.execute(
        select(Study.study_instance_uid, Study.patient_pk)
        .where(Study.study_pk == removal.study_pk)
        .execution_options(**WITH_REMOVED)
    ).one()
    for at in range(0, len(locations), limits.DESTROY_OBJECTS_A_JOB):
        defer(work, "archive.destroy_objects", locations=locations[at : at + limits.DESTROY_OBJECTS_A_JOB])
    work.audit(
        AuditEventID.STUDY_DELETED,
        "D",
        patient_pk=patient_pk,
        study_instance_uid=study_instance_uid,
        object_type="removal",
        object_id=removal.removal_pk,
        detail={"purged": removal.level, "instances": str(len(instance_pks)), "objects": str(len(locations))},
    )
    work.publish(StudyRemoved(removal.study_pk, removal.removal_pk))
    the_archive().vault.forget_keys()
    the_archive().retrieval.forget()


@task("archive.destroy_objects", queue=PREPARATION)
def destroy_objects(work: Work, locations: list[str]) -> None:
    """Removes the files of what was purged; what no row names any more, and nothing else."""
    archive = the_archive()
    archive.vault.forget_keys()
    known = store.known_locations(work.session, locations)
    for location in locations:
        if location not in known:
            failpoint("removal.before_delete")
            archive.objects.delete(location)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="purged objects",
        object_id=len(locations) - len(known),
    )


# The policy ---------------------------------------------------------------------------------------------------


def policy(work: Work) -> ArchivePolicy:
    """What is done with what is removed."""
    work.require(Permission.STUDY_REMOVE, Permission.CONFIG_READ)
    return policy_of(work.session)


def save_policy(
    work: Work, *, trash_days: int, on_return: str, is_delete_by_dicomweb: bool, on_rejection: dict[str, str]
) -> ArchivePolicy:
    """Changes the policy; what lies in the trash keeps its day. Raises Invalid."""
    work.require(Permission.CONFIG_WRITE)
    faults = []
    if not 1 <= trash_days <= limits.TRASH_DAYS_MAX:
        faults.append(FieldError("trash_days", f"lies between 1 and {limits.TRASH_DAYS_MAX}"))
    if on_return not in ("quarantine", "refuse", "accept"):
        faults.append(FieldError("on_return", "is quarantine, refuse or accept"))
    if set(on_rejection) - set(ON_REJECTION) or set(on_rejection.values()) - {"hide", "trash", "show"}:
        faults.append(FieldError("on_rejection", "says hide, trash or show for a code of rejection"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    found = work.session.get(ArchivePolicy, 1) or ArchivePolicy(archive_policy_pk=1)
    found.trash_days, found.on_return = trash_days, on_return
    found.is_delete_by_dicomweb, found.on_rejection = is_delete_by_dicomweb, {**ON_REJECTION, **on_rejection}
    work.session.add(found)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="archive_policy",
        detail={
            "trash_days": str(trash_days), "on_return": on_return, "dicomweb": str(is_delete_by_dicomweb),
        },
    )  # fmt: skip
    return found


# Looking up -----------------------------------------------------------------------------------------------------


def _study_pk(work: Work, study_instance_uid: str) -> int:
    query = select(Study.study_pk).where(Study.study_instance_uid == study_instance_uid)
    visible = visible_studies(work)
    found = work.session.scalar(query if visible is None else query.where(visible))
    if found is None:
        raise NotFound("There is no such study.")
    return found


def _below(session: Session, study_pk: int, target: Target) -> tuple[int | None, int | None]:
    """(series_pk, instance_pk) of the target. Raises NotFound."""
    if target.series_instance_uid is None:
        return None, None
    series_pk = session.scalar(
        select(Series.series_pk).where(
            Series.study_pk == study_pk, Series.series_instance_uid == target.series_instance_uid
        )
    )
    if series_pk is None:
        raise NotFound("There is no such series.")
    if target.sop_instance_uid is None:
        return series_pk, None
    instance_pk = session.scalar(
        select(Instance.instance_pk).where(
            Instance.series_pk == series_pk, Instance.sop_instance_uid == target.sop_instance_uid
        )
    )
    if instance_pk is None:
        raise NotFound("There is no such instance.")
    return series_pk, instance_pk


def _removal(work: Work, removal_pk: int) -> Removal:
    query = (
        select(Removal)
        .join(Study, Study.study_pk == Removal.study_pk)
        .where(Removal.removal_pk == removal_pk, Removal.cause != "emptied")
        .execution_options(**WITH_REMOVED)
    )
    visible = visible_studies(work)
    found = work.session.scalar(query if visible is None else query.where(visible))
    if found is None:
        raise NotFound("There is no such removal.")
    return found
