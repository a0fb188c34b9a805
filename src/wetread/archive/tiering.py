"""What lies in which store, and the rules that move studies between them: what nobody needs goes to the next tier, and
comes back when it is wanted. What is needed (scheduled, not yet read) is told by who knows it (`use_needed`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import structlog
from sqlalchemy import ColumnElement, exists, func, select, text, true
from sqlalchemy.orm import Session

from wetread.archive import store
from wetread.archive.integrity import Checked, place
from wetread.archive.model import (
    Instance,
    ObjectCopy,
    Series,
    StoredObject,
    StoreMove,
    StoreUsage,
    Study,
    StudyPlace,
    StudyUse,
    TierRule,
)
from wetread.archive.moving import Pace, alone, move_objects, objects_of_studies
from wetread.archive.objects import LocalObjects, Missing, NoSpace, StoreUnavailable
from wetread.archive.s3 import S3Objects
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive, the_archive
from wetread.archive.tiers import Member, Stores, named, split
from wetread.jobs.service import PREPARATION, defer, task
from wetread.kit import limits
from wetread.kit.errors import FieldError, Invalid, NotFound
from wetread.security.service import Actor, AuditEventID, Permission, Work

log = structlog.get_logger()

_KEEPER = Actor.system("store tiers")
_COPIED_AT_ONCE = 200
_AUDIT_AT_ONCE = 5000

_STORE_OF = "CASE WHEN strpos(o.location, ':') > 0 THEN split_part(o.location, ':', 1) ELSE 'local' END"
Needed = Callable[[Session, datetime], ColumnElement[bool]]
"""The condition on Study of those that somebody needs soon: not to be moved to a slower store."""
_needed: Needed | None = None


def use_needed(needed: Needed) -> None:
    """Names who knows which studies are needed (called once by the composition root)."""
    global _needed  # noqa: PLW0603 - one per process, set at composition
    _needed = needed


# What lies where ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreNow:
    """A store as it stands. `objects` and `bytes` as the index last counted them, `copies` apart; `free_bytes` by quota or
    file system, None where nothing bounds it; `percent` of what bounds it; `fault` where it does not do as it should."""

    name: str
    kind: str
    where: str
    takes_new: bool
    is_closed: bool
    copy_to: str | None
    objects: int
    bytes: int
    copies: int
    copies_bytes: int
    quota_bytes: int | None
    free_bytes: int | None
    percent: float | None
    high_water_percent: int
    low_water_percent: int
    fault: str | None


def stores_now(work: Work, *, thorough: bool = False) -> list[StoreNow]:
    """The stores in the order of tiers. `thorough` writes, reads and removes an object in each bucket."""
    work.require(Permission.CONFIG_READ)
    work.audit(AuditEventID.QUERY, "E", object_type="stores")
    objects = the_archive().objects
    if not isinstance(objects, Stores):
        return []
    _, closed = _raw_state(work.session)
    counted: dict[tuple[str, bool], tuple[int, int]] = {
        (row[0], row[1]): (int(row[2]), int(row[3]))
        for row in work.session.execute(
            select(
                StoreUsage.store,
                StoreUsage.is_copy,
                func.sum(StoreUsage.objects),
                func.sum(StoreUsage.bytes),
            ).group_by(StoreUsage.store, StoreUsage.is_copy)
        )
    }
    found = []
    for member in objects.members.values():
        settings = member.settings
        own, copies = counted.get((member.name, False), (0, 0)), counted.get((member.name, True), (0, 0))
        fault, space = _fault_of(member, thorough)
        free, percent = _room(member, space, own[1] + copies[1])
        found.append(
            StoreNow(
                name=member.name,
                kind="bucket" if settings.bucket else "folder",
                where=f"{settings.bucket}/{settings.prefix}".rstrip("/")
                if settings.bucket
                else str(settings.folder),
                takes_new=settings.takes_new and member.name not in closed,
                is_closed=member.name in closed,
                copy_to=settings.copy_to,
                objects=own[0],
                bytes=own[1],
                copies=copies[0],
                copies_bytes=copies[1],
                quota_bytes=settings.quota_bytes,
                free_bytes=free,
                percent=percent,
                high_water_percent=settings.high_water_percent,
                low_water_percent=settings.low_water_percent,
                fault=fault,
            )
        )
    return found


def _raw_state(session: Session) -> tuple[dict[str, int], list[str]]:
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return store.stores_state(driver)


def _fault_of(member: Member, thorough: bool) -> tuple[str | None, tuple[int, int] | None]:
    try:
        if isinstance(member.objects, S3Objects):
            if thorough:
                member.objects.check()
            else:
                member.objects.size(member.objects.new_location())
            return None, None
        space = member.objects.space()
    except (StoreUnavailable, Missing) as error:
        return str(error), None
    except OSError as error:
        return f"store {member.name} cannot be reached ({error.strerror})", None
    if space is not None and space[1] <= member.settings.reserve_bytes:
        return "no room: only the reserve is free", space
    return None, space


def _room(member: Member, space: tuple[int, int] | None, used: int) -> tuple[int | None, float | None]:
    """(bytes free, percent used) by the quota, else by the file system; what is tighter."""
    bounds: list[tuple[int, float]] = []
    quota = member.settings.quota_bytes
    if quota is not None:
        bounds.append((max(quota - used, 0), 100 * used / quota if quota else 100.0))
    if space is not None:
        bounds.append((max(space[1] - member.settings.reserve_bytes, 0), 100 * space[0] / max(sum(space), 1)))
    if not bounds:
        return None, None
    return min(one[0] for one in bounds), max(one[1] for one in bounds)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What lies in a store of one modality and institution; both may be empty."""

    store: str
    modality: str
    institution_name: str
    objects: int
    bytes: int


def usage(work: Work) -> list[UsageRow]:
    """What lies where, the most first; without copies."""
    work.require(Permission.CONFIG_READ)
    work.audit(AuditEventID.QUERY, "E", object_type="store_usage")
    rows = work.session.scalars(
        select(StoreUsage).where(~StoreUsage.is_copy).order_by(StoreUsage.bytes.desc()).limit(2000)
    )
    return [UsageRow(one.store, one.modality, one.institution_name, one.objects, one.bytes) for one in rows]


@task("archive.count_usage", queue=PREPARATION, cron="*/5 * * * *")
def count_usage(work: Work) -> None:
    """Counts what came; at night everything, which notices what was removed. Takes up again a move that was done too early."""
    last = work.session.scalar(text("SELECT counted_from_start_at FROM store_tally"))
    at_night = work.now().hour == 2
    stale = last is None or work.now() - last > timedelta(hours=30)
    from_start = stale or (at_night and work.now() - last > timedelta(hours=12))
    store.count_usage(work.session, from_start=from_start)
    if from_start:
        _place_anew(work)
    for move in work.session.scalars(select(StoreMove).where(StoreMove.state == "done")):
        later = select(StoreMove.store_move_pk).where(
            StoreMove.store_move_pk > move.store_move_pk, StoreMove.to_store == move.from_store
        )
        left = work.session.scalar(
            select(func.sum(StoreUsage.objects)).where(
                StoreUsage.store == move.from_store, ~StoreUsage.is_copy
            )
        )
        if (left or 0) > move.failed and not work.session.scalar(select(exists(later))):
            # Something was written there by a process that had not heard of the move.
            move.state, move.finished_at, move.through = "running", None, 0
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="store_usage")


# Rules ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TierRuleFields:
    """What a person writes of a rule; see TierRule."""

    name: str
    position: int
    is_enabled: bool
    from_store: str
    to_store: str
    modalities: Sequence[str]
    institution_names: Sequence[str]
    days_unseen: int
    is_only_when_full: bool


def list_rules(work: Work) -> list[TierRule]:
    """The rules in their order."""
    work.require(Permission.CONFIG_READ)
    return list(work.session.scalars(select(TierRule).order_by(TierRule.position, TierRule.tier_rule_pk)))


def save_rule(work: Work, tier_rule_pk: int | None, fields: TierRuleFields) -> TierRule:
    """Adds a rule, or changes one. Raises Invalid, NotFound."""
    work.require(Permission.CONFIG_WRITE)
    names = _names()
    faults = [
        FieldError(which, f"is none of {', '.join(names)}")
        for which, value in (("from_store", fields.from_store), ("to_store", fields.to_store))
        if value not in names
    ]
    if fields.from_store == fields.to_store:
        faults.append(FieldError("to_store", "is the same store"))
    if not fields.name.strip():
        faults.append(FieldError("name", "is needed"))
    if not 0 <= fields.days_unseen <= limits.TIER_DAYS_UNSEEN_MAX:
        faults.append(FieldError("days_unseen", f"lies between 0 and {limits.TIER_DAYS_UNSEEN_MAX}"))
    count = work.session.scalar(select(func.count()).select_from(TierRule)) or 0
    if tier_rule_pk is None and count >= limits.TIER_RULES_MAX:
        faults.append(FieldError("name", f"there are {count} rules already, the most that can be"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    rule = TierRule() if tier_rule_pk is None else work.session.get(TierRule, tier_rule_pk)
    if rule is None:
        raise NotFound("There is no such rule.")
    rule.name, rule.position, rule.is_enabled = fields.name.strip()[:80], fields.position, fields.is_enabled
    rule.from_store, rule.to_store = fields.from_store, fields.to_store
    rule.modalities = [one.strip().upper()[:16] for one in fields.modalities if one.strip()]
    rule.institution_names = [one.strip()[:64] for one in fields.institution_names if one.strip()]
    rule.days_unseen, rule.is_only_when_full = fields.days_unseen, fields.is_only_when_full
    work.session.add(rule)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if tier_rule_pk is None else "U",
        object_type="tier_rule",
        object_id=rule.tier_rule_pk,
        detail={"from": rule.from_store, "to": rule.to_store, "days": str(rule.days_unseen)},
    )
    return rule


def remove_rule(work: Work, tier_rule_pk: int) -> None:
    """Removes a rule; what it moved stays where it is. Raises NotFound."""
    work.require(Permission.CONFIG_WRITE)
    rule = work.session.get(TierRule, tier_rule_pk)
    if rule is None:
        raise NotFound("There is no such rule.")
    work.session.delete(rule)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "D", object_type="tier_rule", object_id=tier_rule_pk)


def _names() -> list[str]:
    objects = the_archive().objects
    return list(objects.members) if isinstance(objects, Stores) else []


def due_studies(work: Work, rule: TierRule, limit: int) -> list[int]:
    """Studies that the rule moves now, those longest unseen first; none that is needed, or that came within a day."""
    last = func.greatest(
        Study.updated_at, func.coalesce(StudyUse.used_at, Study.created_at), Study.created_at
    )
    before = work.now() - timedelta(days=max(rule.days_unseen, 1))
    place_of = (
        StoredObject.location.like(f"{rule.from_store}:%")
        if rule.from_store != "local"
        else ~StoredObject.location.like("%:%")
    )
    query = (
        select(Study.study_pk)
        .join(StudyPlace, StudyPlace.study_pk == Study.study_pk)
        .outerjoin(StudyUse, StudyUse.study_pk == Study.study_pk)
        .where(
            # By index, the longest unseen first; the rest says whether that is still so.
            StudyPlace.store == rule.from_store,
            StudyPlace.unseen_since < before,
            last < before,
            exists().where(
                StoredObject.instance_pk == Instance.instance_pk,
                Instance.study_pk == Study.study_pk,
                place_of,
            ),
        )
        .order_by(StudyPlace.unseen_since, Study.study_pk)
        .limit(limit)
    )
    if rule.modalities:
        query = query.where(Study.modalities_in_study.overlap(rule.modalities))
    if rule.institution_names:
        query = query.where(
            exists().where(
                Series.study_pk == Study.study_pk, Series.institution_name.in_(rule.institution_names)
            )
        )
    query = query.where(~_needed(work.session, work.now()) if _needed is not None else true())
    return list(work.session.scalars(query))


_SETTLED = "created_at < CAST(:now AS timestamptz) - interval '1 day'"  # no rule is for younger ones


def note_places(work: Work, *, limit: int = limits.TIER_STUDIES_PLACED_AT_ONCE) -> bool:
    """Notes where the next studies lie, by key; whether there are more."""
    session = work.session
    now = {"now": work.now()}
    session.execute(text("INSERT INTO store_tally (store_tally_pk) VALUES (1) ON CONFLICT DO NOTHING"))
    placed = session.scalar(text("SELECT placed FROM store_tally WHERE store_tally_pk = 1 FOR UPDATE"))
    through = session.scalar(
        text(f"SELECT max(study_pk) FROM (SELECT study_pk FROM study WHERE study_pk > :placed AND {_SETTLED}"
             " ORDER BY study_pk LIMIT :limit) next"),
        {"placed": placed, "limit": limit} | now,
    )  # fmt: skip
    if through is None:
        return False
    session.execute(
        text(
            "INSERT INTO study_place (store, study_pk, unseen_since)"
            f" SELECT DISTINCT {_STORE_OF}, s.study_pk,"
            " greatest(s.updated_at, s.created_at, coalesce(u.used_at, s.created_at))"
            " FROM study s JOIN instance i ON i.study_pk = s.study_pk"
            " JOIN stored_object o ON o.instance_pk = i.instance_pk"
            " LEFT JOIN study_use u ON u.study_pk = s.study_pk"
            " WHERE s.study_pk > :placed AND s.study_pk <= :through"
            " ON CONFLICT (store, study_pk) DO UPDATE"
            " SET unseen_since = greatest(study_place.unseen_since, excluded.unseen_since)"
        ),
        {"placed": placed, "through": through},
    )
    session.execute(text("UPDATE store_tally SET placed = :through"), {"through": through})
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="study_place")
    return True


def _place_anew(work: Work) -> None:
    """Nightly: forgets places where nothing lies any more, and has all studies looked through again."""
    work.session.execute(
        text(
            "DELETE FROM study_place p WHERE NOT EXISTS (SELECT FROM instance i JOIN stored_object o"
            f" ON o.instance_pk = i.instance_pk WHERE i.study_pk = p.study_pk AND {_STORE_OF} = p.store)"
        )
    )
    work.session.execute(text("UPDATE store_tally SET placed = 0"))


def _moved(archive: Archive, study_pk: int, from_store: str | None, to_store: str) -> None:
    with archive.offices.work(_KEEPER) as work:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="study_place", object_id=study_pk)
        work.session.execute(
            text(
                "WITH gone AS (DELETE FROM study_place WHERE study_pk = :study AND store <> :to"
                " AND (CAST(:from AS text) IS NULL OR store = :from) RETURNING unseen_since)"
                " INSERT INTO study_place (store, study_pk, unseen_since)"
                " SELECT :to, :study, max(unseen_since) FROM gone HAVING count(*) > 0"
                " ON CONFLICT (store, study_pk) DO UPDATE"
                " SET unseen_since = greatest(study_place.unseen_since, excluded.unseen_since)"
            ),
            {"study": study_pk, "from": from_store, "to": to_store},
        )


def is_above(archive: Archive, name: str, mark: str) -> bool:
    """Whether a store is used above its mark ("high" or "low"); one without bounds never is."""
    objects = archive.objects
    if not isinstance(objects, Stores):
        return False
    member = objects.member(name)
    space = member.objects.space() if isinstance(member.objects, LocalObjects) else None
    _, percent = _room(member, space, objects.used_bytes(name))
    water = member.settings.high_water_percent if mark == "high" else member.settings.low_water_percent
    return percent is not None and percent >= water


@task("archive.move_tiers", queue=PREPARATION, cron="7-59/15 * * * *")
def move_tiers(work: Work) -> None:
    """Goes by the rules, some studies a job."""
    moved = apply_rules(the_archive())
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="move_tiers", object_id=moved)
    if moved:
        defer(work, "archive.move_tiers", queueing_lock="archive.move_tiers:next", queue=PREPARATION)


def apply_rules(archive: Archive) -> int:
    """Moves what the rules say, at most some studies; returns how many objects. Rules whose store is between the water
    marks go on only while it was above the high one when they began."""
    if not isinstance(archive.objects, Stores):
        return 0
    with archive.offices.work(_KEEPER) as work:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "R", object_type="tier_rule")
        rules = [
            one
            for one in list_rules_of(work)
            if {one.from_store, one.to_store} <= set(archive.objects.members)
        ]
        for rule in rules:
            work.session.expunge(rule)
    while rules and _note_more(archive):
        pass
    total = 0
    for rule in rules:
        if rule.is_only_when_full and not is_above(archive, rule.from_store, "high"):
            continue
        with archive.offices.work(_KEEPER) as work:
            work.audit(AuditEventID.APPLICATION_ACTIVITY, "R", object_type="studies for a tier")
            studies = due_studies(work, rule, limits.TIER_STUDIES_A_JOB)
        for study_pk in studies:
            if rule.is_only_when_full and not is_above(archive, rule.from_store, "low"):
                break
            moved, fault = move_study(archive, study_pk, rule.from_store, rule.to_store)
            total += moved
            if fault is not None:
                log.warning("a tier rule waits", rule=rule.tier_rule_pk, fault=fault)
                return total
            archive.objects.look_again()
    return total


def _note_more(archive: Archive) -> bool:
    with archive.offices.work(_KEEPER) as work:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "R", object_type="studies without a place")
        return note_places(work)


def list_rules_of(work: Work) -> list[TierRule]:
    """The rules that are enabled, in their order."""
    return list(
        work.session.scalars(
            select(TierRule).where(TierRule.is_enabled).order_by(TierRule.position, TierRule.tier_rule_pk)
        )
    )


def move_study(
    archive: Archive, study_pk: int, from_store: str | None, to_store: str
) -> tuple[int, str | None]:
    """Moves what is kept of a study; (objects, why it could not go on)."""
    with archive.offices.work(_KEEPER) as work:
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "R", object_type="study", object_id=study_pk)
        ones = [
            one
            for one in objects_of_studies(work, [study_pk], from_store)
            if split(one.location)[0] != to_store
        ]
    total = 0
    by_store: dict[str, list[Checked]] = {}
    for one in ones:
        by_store.setdefault(split(one.location)[0], []).append(one)
    for some in by_store.values():
        for at in range(0, len(some), 64):
            with alone(archive.offices.database) as got:
                if not got:
                    return total, "others move objects now"
                outcome = move_objects(archive, some[at : at + 64], to_store, pace=Pace(None))
            total += outcome.objects
            if outcome.fault is not None:
                return total, outcome.fault
    _moved(archive, study_pk, from_store, to_store)
    return total, None


# Wanted again ---------------------------------------------------------------------------------------------------


@task("archive.recall_studies", queue=PREPARATION)
def recall_studies(work: Work, study_pks: list[int], until: str) -> None:
    """Brings studies back to the first store that takes new objects, and keeps them there: they will be wanted `until`."""
    archive = the_archive()
    keep_until = datetime.fromisoformat(until)
    want(work.session, study_pks, keep_until)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="recall_studies", object_id=len(study_pks))
    if not isinstance(archive.objects, Stores):
        return
    first = next((one.name for one in archive.objects.open_members()), None)
    if first is None or is_above(archive, first, "high"):
        return  # they are read from where they are
    for study_pk in study_pks:
        moved, fault = move_study(archive, study_pk, None, first)
        if fault is not None:
            log.warning("a study was not brought back", study_pk=study_pk, fault=fault, moved=moved)
            return


def want(session: Session, study_pks: Sequence[int], until: datetime) -> None:
    """Counts studies as looked at then."""
    session.execute(
        text(
            "INSERT INTO study_use (study_pk, used_at) SELECT study_pk, :until FROM study WHERE study_pk = ANY(:pks)"
            " ON CONFLICT (study_pk) DO UPDATE SET used_at = greatest(study_use.used_at, excluded.used_at)"
        ),
        {"until": until, "pks": list(study_pks)},
    )


@task("archive.note_views", queue=PREPARATION, cron="3-59/10 * * * *")
def note_views(work: Work) -> None:
    """Learns from the audit trail which studies people looked at."""
    work.session.execute(text("INSERT INTO store_tally (store_tally_pk) VALUES (1) ON CONFLICT DO NOTHING"))
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="study_use")
    newest = work.session.scalar(
        text(
            "SELECT least(max(audit_record_pk), (SELECT audited FROM store_tally) + :most) FROM audit_record"
        ),
        {"most": _AUDIT_AT_ONCE * 20},
    )
    work.session.execute(
        text(
            "INSERT INTO study_use (study_pk, used_at)"
            " SELECT s.study_pk, max(a.event_date_time) FROM audit_record a"
            " JOIN study s ON s.study_instance_uid = a.study_instance_uid"
            " WHERE a.audit_record_pk > (SELECT audited FROM store_tally) AND a.audit_record_pk <= :newest"
            " AND a.actor_kind = 'user' AND a.event_action_code = 'R'"
            " GROUP BY 1"
            " ON CONFLICT (study_pk) DO UPDATE SET used_at = greatest(study_use.used_at, excluded.used_at)"
        ),
        {"newest": newest or 0},
    )
    work.session.execute(
        text("UPDATE store_tally SET audited = greatest(audited, :newest)"), {"newest": newest or 0}
    )


# Copies ---------------------------------------------------------------------------------------------------------


@task("archive.copy_objects", queue=PREPARATION, cron="* * * * *")
def copy_objects(work: Work) -> None:
    """Gives objects their second copy where the settings want one."""
    made, more = make_copies(the_archive())
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="object_copy", object_id=made)
    if more:
        defer(work, "archive.copy_objects", queueing_lock="archive.copy_objects:next", queue=PREPARATION)


def make_copies(archive: Archive) -> tuple[int, bool]:
    """Copies some objects that have none; (how many, whether more wait)."""
    objects = archive.objects
    if not isinstance(objects, Stores):
        return 0, False
    wanted = {one.name: one.settings.copy_to for one in objects.members.values() if one.settings.copy_to}
    made, more, through, left = 0, False, 0, 0
    for name, target in wanted.items():
        assert target is not None
        with archive.offices.work(_KEEPER) as work:
            work.audit(AuditEventID.APPLICATION_ACTIVITY, "R", object_type="objects without a copy")
            through = through or store.copied_through(work.session)
            waiting = [
                Checked(*row) for row in store.without_copy(work.session, name, target, _COPIED_AT_ONCE)
            ]
        more = more or len(waiting) == _COPIED_AT_ONCE
        for one in waiting:
            location = named(target, split(one.location)[1])
            with alone(archive.offices.database) as got:
                if not got:
                    return made, True
                try:
                    place(archive, one, location)
                except (Missing, Damaged):
                    left += 1
                    continue  # it waits beside its row, or the check finds it
                except NoSpace as error:
                    log.warning("copies wait", store=target, fault=str(error))
                    return made, False
                with archive.offices.work(_KEEPER) as work:
                    work.audit(
                        AuditEventID.APPLICATION_ACTIVITY,
                        "C",
                        object_type="object_copy",
                        object_id=one.stored_object_pk,
                    )
                    # Purged meanwhile, it has no row: the copy is nobody's then, and goes.
                    kept = work.session.scalar(
                        select(StoredObject.stored_object_pk)
                        .where(StoredObject.stored_object_pk == one.stored_object_pk)
                        .with_for_update(key_share=True)
                    )
                    if kept is not None:
                        work.session.merge(
                            ObjectCopy(
                                location=location,
                                stored_object_pk=one.stored_object_pk,
                                verified_at=work.now(),
                            )
                        )
                if kept is None:
                    objects.delete_here(location)
                else:
                    made += 1
    if wanted and not more and not left:
        with archive.offices.work(_KEEPER) as work:
            work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="object_copy")
            store.all_copied(work.session, through)
    return made, more


def room_for_new(archive: Archive) -> str | None:
    """None where a store takes new objects, else why none does."""
    objects = archive.objects
    if isinstance(objects, Stores):
        return objects.takes_new()
    try:
        objects.new_location()
    except NoSpace as error:
        return str(error)
    return None
