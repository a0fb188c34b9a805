"""Legal holds, and how long studies are kept: rules propose what is over, a person decides, the trash takes it.

The first rule that matches a study says how long it is kept; a study that no rule matches is kept for ever. Years count
from the day of the study; a rule may keep longer, until the patient has an age (minors). Nothing under legal hold, and
nothing whose day or (where a rule asks for it) patient's birth date is not known, is ever proposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wetread.archive.hiding import lock, policy_of
from wetread.archive.model import (
    WITH_REMOVED,
    LegalHold,
    RetentionProposal,
    RetentionRule,
    Series,
    Study,
)
from wetread.archive.removal import take_away
from wetread.archive.rules import Level
from wetread.archive.service import visible_studies
from wetread.archive.store import LATEST
from wetread.jobs.service import PREPARATION, defer, task
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.patients.model import Patient
from wetread.security.service import AuditEventID, Permission, Work

# Legal holds ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold as people see it: on a study or on a patient, with whom it is about."""

    hold: LegalHold
    patient_name: str | None
    patient_id: str | None
    study_description: str | None
    study_date: date | None
    stands: bool


def place_hold(
    work: Work,
    *,
    study_instance_uid: str | None = None,
    patient_pk: int | None = None,
    reason: str,
    until: date | None = None,
) -> LegalHold:
    """Puts a study, or all studies of a patient, under legal hold. Raises NotFound, Invalid, Conflict where one stands."""
    work.require(Permission.HOLD)
    reason = reason.strip()[:200]
    faults = []
    if not reason:
        faults.append(FieldError("reason", "is needed for the record"))
    if until is not None and until < work.now().date():
        faults.append(FieldError("until", "lies in the future"))
    if (study_instance_uid is None) == (patient_pk is None):
        faults.append(FieldError("study_instance_uid", "name a study or a patient"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    study: Study | None = None
    if study_instance_uid is not None:
        query = select(Study).where(Study.study_instance_uid == study_instance_uid)
        visible = visible_studies(work)
        # What lies in the trash can be held: it is not purged then.
        study = work.session.scalar(
            (query if visible is None else query.where(visible)).execution_options(**WITH_REMOVED)
        )
        if study is None:
            raise NotFound("There is no such study.")
        thing = LegalHold.study_pk == study.study_pk
    else:
        if work.session.get(Patient, patient_pk or 0) is None:
            raise NotFound("There is no such patient.")
        thing = LegalHold.patient_pk == patient_pk
    # Purging looks for holds under the same lock.
    lock(work.session, [study.study_pk] if study is not None else _studies_of(work, patient_pk))
    if work.session.scalar(select(LegalHold.legal_hold_pk).where(thing, _stands(work)).limit(1)):
        raise Conflict("It is under legal hold already.")
    hold = LegalHold(
        study_pk=None if study is None else study.study_pk,
        patient_pk=patient_pk,
        reason=reason,
        placed_at=work.now(),
        placed_by=work.actor.username[:64],
        until=until,
    )
    work.session.add(hold)
    work.session.flush()
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "C",
        patient_pk=patient_pk if study is None else study.patient_pk,
        study_instance_uid=None if study is None else study.study_instance_uid,
        object_type="legal_hold",
        object_id=hold.legal_hold_pk,
        detail={"reason": reason, "until": "" if until is None else until.isoformat()},
    )
    return hold


def lift_hold(work: Work, legal_hold_pk: int, *, reason: str) -> LegalHold:
    """Ends a hold. Raises NotFound, Invalid without a reason, Conflict where it was lifted."""
    work.require(Permission.HOLD)
    if not reason.strip():
        raise Invalid("Say why.", fields=[FieldError("reason", "is needed for the record")])
    hold = work.session.get(LegalHold, legal_hold_pk, with_for_update=True)
    if hold is None:
        raise NotFound("There is no such hold.")
    if hold.lifted_at is not None:
        raise Conflict("It was lifted already.")
    hold.lifted_at, hold.lifted_by = work.now(), work.actor.username[:64]
    hold.lifted_reason = reason.strip()[:200]
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "U",
        patient_pk=hold.patient_pk,
        object_type="legal_hold",
        object_id=legal_hold_pk,
        detail={"lifted": hold.lifted_reason},
    )
    return hold


def list_holds(
    work: Work, *, standing: bool = True, study_pk: int | None = None, limit: int = 200
) -> list[HoldRow]:
    """Holds, newest first: those that stand, or those that are over; of one study also those of its patient."""
    work.require(Permission.HOLD, Permission.STUDY_REMOVE)
    query = (
        select(LegalHold, Study, Patient)
        .outerjoin(Study, Study.study_pk == LegalHold.study_pk)
        .outerjoin(Patient, Patient.patient_pk == LegalHold.patient_pk)
        .where(_stands(work) if standing else ~_stands(work))
    )
    visible = visible_studies(work)
    if visible is not None:
        query = query.where(or_(LegalHold.study_pk.is_(None), visible))
    if study_pk is not None:
        own = select(Study.patient_pk).where(Study.study_pk == study_pk).execution_options(**WITH_REMOVED)
        found = work.session.execute(own).one_or_none()
        if found is None:
            raise NotFound("There is no such study.")
        own_or_patient = LegalHold.study_pk == study_pk
        if found[0] is not None:
            own_or_patient = or_(own_or_patient, LegalHold.patient_pk == found[0])
        query = query.where(own_or_patient)
    rows = work.session.execute(
        query.order_by(LegalHold.legal_hold_pk.desc())
        .limit(min(limit, limits.PAGE_ITEMS_MAX))
        .execution_options(**WITH_REMOVED)
    ).all()
    work.audit(AuditEventID.QUERY, "E", object_type="legal_hold", detail={"matches": str(len(rows))})
    return [
        HoldRow(
            hold,
            study.patient_name if study else patient.patient_name if patient else None,
            study.patient_id if study else None,
            study.study_description if study else None,
            study.study_date if study else None,
            standing,
        )
        for hold, study, patient in rows
    ]


def _studies_of(work: Work, patient_pk: int | None) -> list[int]:
    found = select(Study.study_pk).where(Study.patient_pk == patient_pk).order_by(Study.study_pk)
    return list(work.session.scalars(found.execution_options(**WITH_REMOVED)))


def _stands(work: Work) -> ColumnElement[bool]:
    return and_(LegalHold.lifted_at.is_(None), func.coalesce(LegalHold.until >= work.now().date(), True))


# Rules ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleFields:
    """A rule as a person writes it; an absent condition is met by all studies."""

    name: str
    position: int
    is_enabled: bool
    keep_years: int
    keep_until_age: int | None = None
    modalities: tuple[str, ...] = ()
    institution_name: str | None = None
    study_description: str | None = None
    patient_age_from: int | None = None
    patient_age_below: int | None = None


def rules(work: Work) -> list[RetentionRule]:
    """The rules in the order in which they are tried."""
    work.require(Permission.CONFIG_READ)
    return list(
        work.session.scalars(
            select(RetentionRule).order_by(RetentionRule.position, RetentionRule.retention_rule_pk)
        )
    )


def save_rule(work: Work, given: RuleFields, *, retention_rule_pk: int | None = None) -> RetentionRule:
    """Adds or changes a rule. Raises Invalid, NotFound, Conflict for a name that is taken."""
    work.require(Permission.CONFIG_WRITE)
    rule = checked(given)
    taken = work.session.scalar(select(RetentionRule).where(RetentionRule.name == rule.name))
    if taken is not None and taken.retention_rule_pk != retention_rule_pk:
        raise Conflict("The name is taken.", fields=[FieldError("name", "is taken")])
    if retention_rule_pk is None:
        if (
            work.session.scalar(select(func.count()).select_from(RetentionRule)) or 0
        ) >= limits.RETENTION_RULES_MAX:
            raise Conflict(f"There are {limits.RETENTION_RULES_MAX} rules already.")
        kept = rule
        work.session.add(kept)
    else:
        found = work.session.get(RetentionRule, retention_rule_pk)
        if found is None:
            raise NotFound("There is no such rule.")
        kept = found
        for name in RuleFields.__slots__:
            setattr(kept, name, getattr(rule, name))
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if retention_rule_pk is None else "U",
        object_type="retention_rule",
        object_id=kept.retention_rule_pk,
        detail={"name": kept.name, "keep_years": str(kept.keep_years), "enabled": str(kept.is_enabled)},
    )
    return kept


def remove_rule(work: Work, retention_rule_pk: int) -> None:
    """Forgets a rule; what it proposed and nobody decided is taken back. Raises NotFound."""
    work.require(Permission.CONFIG_WRITE)
    rule = work.session.get(RetentionRule, retention_rule_pk)
    if rule is None:
        raise NotFound("There is no such rule.")
    work.session.execute(
        text("DELETE FROM retention_proposal WHERE rule_name = :name AND decided_at IS NULL"),
        {"name": rule.name},
    )
    work.session.delete(rule)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="retention_rule",
        object_id=retention_rule_pk,
        detail={"name": rule.name},
    )


def checked(given: RuleFields) -> RetentionRule:
    """The rule that the fields make, not yet kept. Raises Invalid."""
    faults: list[FieldError] = []
    if not 1 <= len(given.name.strip()) <= 64:
        faults.append(FieldError("name", "has 1 to 64 characters"))
    if not 1 <= given.keep_years <= 200:
        faults.append(FieldError("keep_years", "lies between 1 and 200"))
    for field, value in (
        ("keep_until_age", given.keep_until_age),
        ("patient_age_from", given.patient_age_from),
        ("patient_age_below", given.patient_age_below),
    ):
        if value is not None and not 0 <= value <= 150:
            faults.append(FieldError(field, "lies between 0 and 150"))
    if (
        given.patient_age_from is not None
        and given.patient_age_below is not None
        and given.patient_age_from >= given.patient_age_below
    ):
        faults.append(FieldError("patient_age_below", "lies above the other age"))
    modalities = tuple(sorted({one.strip().upper() for one in given.modalities if one.strip()}))
    if any(len(one) > 16 or not one.isalnum() for one in modalities):
        faults.append(FieldError("modalities", "are DICOM's words, e.g. CT"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    return RetentionRule(
        name=given.name.strip(),
        position=given.position,
        is_enabled=given.is_enabled,
        modalities=list(modalities),
        institution_name=(given.institution_name or "").strip()[:64] or None,
        study_description=(given.study_description or "").strip()[:64] or None,
        patient_age_from=given.patient_age_from,
        patient_age_below=given.patient_age_below,
        keep_years=given.keep_years,
        keep_until_age=given.keep_until_age,
    )


_AGE = func.date_part("year", func.age(Study.study_date, Study.patient_birth_date))


def _matches(rule: RetentionRule) -> ColumnElement[bool]:
    """The condition on Study of those that a rule is for; false where it is not known."""
    met: list[ColumnElement[bool]] = [Study.study_date.is_not(None)]
    if rule.modalities:
        met.append(Study.modalities_in_study.overlap(rule.modalities))
    if rule.institution_name:
        met.append(
            exists().where(
                Series.study_pk == Study.study_pk,
                Series.institution_name.icontains(rule.institution_name, autoescape=True),
            )
        )
    if rule.study_description:
        met.append(Study.study_description.icontains(rule.study_description, autoescape=True))
    if rule.patient_age_from is not None:
        met.append(rule.patient_age_from <= _AGE)
    if rule.patient_age_below is not None:
        met.append(rule.patient_age_below > _AGE)
    if rule.keep_until_age is not None:
        met.append(Study.patient_birth_date.is_not(None))
    return func.coalesce(and_(*met), False)


def _expiry(rule: RetentionRule) -> ColumnElement[date]:
    """The first day on which a study is over by a rule."""
    kept: ColumnElement[Any] = Study.study_date + func.make_interval(rule.keep_years)
    if rule.keep_until_age is not None:
        kept = func.greatest(kept, Study.patient_birth_date + func.make_interval(rule.keep_until_age))
    return func.date(kept)


@dataclass(frozen=True, slots=True)
class Expired:
    """A study that is over by a rule."""

    study_pk: int
    study_instance_uid: str
    study_date: date
    study_description: str | None
    modalities_in_study: list[str]
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    expired_on: date
    instances: int


@dataclass(frozen=True, slots=True)
class Taking:
    """What a rule would take now: how many studies it is for, how many of them are over, and the first of these."""

    matching: int
    expired: int
    held: int
    unknown: int  # without a study date, or a birth date where the rule needs it: kept
    studies: list[Expired]


def preview_rule(work: Work, given: RuleFields, *, retention_rule_pk: int | None = None) -> Taking:
    """What a rule would take if it stood at its position now. Raises Invalid."""
    work.require(Permission.CONFIG_READ)
    rule = checked(given)
    before = [
        one
        for one in work.session.scalars(
            select(RetentionRule).where(RetentionRule.is_enabled).order_by(RetentionRule.position)
        )
        if one.retention_rule_pk != retention_rule_pk and one.position < rule.position
    ]
    mine = and_(_matches(rule), *(~_matches(one) for one in before))
    today = work.now().date()
    over = and_(mine, _expiry(rule) <= today)
    session = work.session
    matching = session.scalar(select(func.count()).select_from(Study).where(mine)) or 0
    held = session.scalar(select(func.count()).select_from(Study).where(over, _held(work))) or 0
    unknown = session.scalar(
        select(func.count()).select_from(Study).where(
            or_(
                Study.study_date.is_(None),
                Study.patient_birth_date.is_(None)
                if rule.keep_until_age is not None
                or rule.patient_age_from is not None
                or rule.patient_age_below is not None
                else text("false"),
            ),
            Study.modalities_in_study.overlap(rule.modalities) if rule.modalities else text("true"),
        )
    ) or 0  # fmt: skip
    expired = session.scalar(select(func.count()).select_from(Study).where(over, ~_held(work))) or 0
    studies = _expired(session, rule, and_(over, ~_held(work)), limits.RETENTION_PREVIEW_ROWS)
    work.audit(
        AuditEventID.QUERY, "E", object_type="retention preview", detail={"matches": str(len(studies))}
    )
    return Taking(matching, expired, held, unknown, studies)


def _expired(
    session: Session, rule: RetentionRule, condition: ColumnElement[bool], limit: int
) -> list[Expired]:
    rows = session.execute(
        select(
            Study.study_pk,
            Study.study_instance_uid,
            Study.study_date,
            Study.study_description,
            Study.modalities_in_study,
            Study.patient_name,
            Study.patient_id,
            Study.patient_birth_date,
            _expiry(rule),
            Study.number_of_study_related_instances,
        )
        .where(condition)
        .order_by(Study.study_date, Study.study_pk)
        .limit(limit)
    ).all()
    made: Sequence[Sequence[Any]] = rows
    return [Expired(*row) for row in made]


def _held(work: Work) -> ColumnElement[bool]:
    return exists().where(
        or_(LegalHold.study_pk == Study.study_pk, LegalHold.patient_pk == Study.patient_pk), _stands(work)
    )


# Proposals ------------------------------------------------------------------------------------------------------


@task("archive.propose_retention", queue=PREPARATION, cron="23 2 * * *")
def propose_retention(work: Work, after: int = 0, after_date: str = "0001-01-01") -> None:
    """Looks through the studies that any rule could be over for, in slices by date and key, and proposes those that are over by the first rule that matches.

    A slice is a transaction, and names the next one in it: killed anywhere, it goes on where it was.
    """
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="retention", object_id=after)
    kept = list(
        work.session.scalars(
            select(RetentionRule)
            .where(RetentionRule.is_enabled)
            .order_by(RetentionRule.position, RetentionRule.retention_rule_pk)
        )
    )
    if not kept:
        return
    today = work.now().date()
    # Of what is younger than the shortest time, nothing is over; what has no date is never (ix_study_latest).
    eldest = today - timedelta(days=365 * min(rule.keep_years for rule in kept))
    slice_of = (
        select(LATEST, Study.study_pk)
        .where(
            tuple_(LATEST, Study.study_pk) > tuple_(date.fromisoformat(after_date), after),
            date.min < LATEST,
            eldest >= LATEST,
        )
        .order_by(LATEST, Study.study_pk)
        .limit(limits.RETENTION_STUDIES_A_JOB)
    )
    places = work.session.execute(slice_of).all()
    pks = [row[1] for row in places]
    if not pks:
        return
    number = case(*((_matches(rule), place) for place, rule in enumerate(kept)), else_=-1)
    over = case(*((_matches(rule), _expiry(rule)) for rule in kept))
    waiting = exists().where(
        RetentionProposal.study_pk == Study.study_pk, RetentionProposal.decided_at.is_(None)
    )
    # Who decided to keep a study is not asked again for a year.
    decided = exists().where(
        RetentionProposal.study_pk == Study.study_pk,
        RetentionProposal.decided_at > work.now() - timedelta(days=365),
    )
    rows = work.session.execute(
        select(Study.study_pk, number, over).where(
            Study.study_pk.in_(pks), over <= today, ~_held(work), ~waiting, ~decided
        )
    ).all()
    for study_pk, place, expired_on in rows:
        work.session.execute(
            insert(RetentionProposal)
            .values(
                study_pk=study_pk,
                rule_name=kept[place].name,
                expired_on=expired_on,
                proposed_at=work.now(),
            )
            .on_conflict_do_nothing()
        )
    if len(pks) == limits.RETENTION_STUDIES_A_JOB:
        defer(
            work,
            "archive.propose_retention",
            queueing_lock="archive.propose_retention:next",
            after=pks[-1],
            after_date=places[-1][0].isoformat(),
        )


def propose_now(work: Work) -> None:
    """Has the rules looked through at once, beside the nightly round."""
    work.require(Permission.CONFIG_WRITE)
    defer(work, "archive.propose_retention", queue=PREPARATION, queueing_lock="archive.propose_retention:now")
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="retention")


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A proposal with its study."""

    proposal: RetentionProposal
    study: Study
    is_held: bool


def list_proposals(work: Work, *, limit: int = 200, cursor: str | None = None) -> Page[ProposalRow]:
    """Studies that are over and wait for a person, in the order in which they were proposed."""
    work.require(Permission.STUDY_REMOVE)
    conditions: list[ColumnElement[bool]] = [RetentionProposal.decided_at.is_(None)]
    visible = visible_studies(work)
    if visible is not None:
        conditions.append(visible)
    query = (
        select(RetentionProposal, Study, _held(work))
        .join(Study, Study.study_pk == RetentionProposal.study_pk)
        .where(*conditions)
    )
    total = work.session.scalar(
        select(func.count())
        .select_from(RetentionProposal)
        .join(Study, Study.study_pk == RetentionProposal.study_pk)
        .where(*conditions)
    )
    if cursor is not None:
        query = query.where(RetentionProposal.retention_proposal_pk > decode_cursor(cursor, 1)[0])
    limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
    rows = work.session.execute(
        query.order_by(RetentionProposal.retention_proposal_pk).limit(limit + 1)
    ).all()
    work.audit(AuditEventID.QUERY, "E", object_type="retention_proposal", detail={"matches": str(len(rows))})
    items = [ProposalRow(*row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items, encode_cursor(items[-1].proposal.retention_proposal_pk) if more else None, total)


def decide(work: Work, retention_proposal_pks: Sequence[int], decision: str) -> int:
    """Puts proposed studies in the trash, or keeps them; how many. Raises Invalid, Conflict where one is under hold."""
    work.require(Permission.STUDY_REMOVE)
    if decision not in ("trash", "keep"):
        raise Invalid("Say what.", fields=[FieldError("decision", "is trash or keep")])
    visible = visible_studies(work)
    query = (
        select(RetentionProposal)
        .join(Study, Study.study_pk == RetentionProposal.study_pk)
        .where(
            RetentionProposal.retention_proposal_pk.in_(retention_proposal_pks),
            RetentionProposal.decided_at.is_(None),
        )
        .order_by(RetentionProposal.study_pk)
        .with_for_update(of=RetentionProposal)
    )
    found = list(work.session.scalars(query if visible is None else query.where(visible)))
    days = policy_of(work.session).trash_days
    for proposal in found:
        proposal.decided_at, proposal.decided_by = work.now(), work.actor.username[:64]
        proposal.decision = decision
        work.session.flush()
        if decision == "trash":
            take_away(
                work,
                proposal.study_pk,
                level=Level.STUDY,
                cause="retention",
                reason=f"over since {proposal.expired_on.isoformat()} by the rule “{proposal.rule_name}”",
                days=days,
                code_value="113039",
            )
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="retention_proposal",
        detail={"decision": decision, "studies": str(len(found))},
    )
    return len(found)
