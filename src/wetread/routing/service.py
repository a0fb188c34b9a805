"""Rules, the queue, and the sending itself; how to reach a peer is given by the composition root."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from wetread.archive.model import Instance, RemoteAE, Series, Study
from wetread.archive.service import RetrieveObject, instances_for_retrieve
from wetread.dicom.deidentify import Options, Pseudonyms
from wetread.jobs.service import FORWARDING, defer
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.failpoints import failpoint
from wetread.notices.service import add_notice
from wetread.routing import telling
from wetread.routing.events import ForwardingChanged, StudyNotified
from wetread.routing.model import Forwarding, ForwardingFailure, ForwardingState, PseudonymKey, RoutingRule
from wetread.routing.rules import (
    COMPRESSIONS,
    KEYWORDS,
    SOURCE,
    Condition,
    conditions_of,
    stored,
    wait_after,
)
from wetread.security.model import User
from wetread.security.service import Actor, AuditEventID, MasterKey, Offices, Permission, Role, Work

log = structlog.get_logger()

JOB = "routing.forward"
TELL = "routing.tell"
NOTIFY = "routing.notify"
COMPRESS = "archive.order_compression"
_LEASE = timedelta(minutes=2)  # renewed with each note of progress; then somebody else may go on
_NOTE_S = 3.0
_SLICE_S = 60.0  # one job sends so long, then lets others have the place
_STUDIES_TRIED = 100
_STUDIES_SHOWN = 20


class Unreachable(Exception):
    """No association, or it broke: the destination is tried again later. Words for a person, without patient data."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a destination said to one object: taken, or why not."""

    sop_instance_uid: str
    refused: str | None


@dataclass(frozen=True, slots=True)
class Disguise:
    """How objects are de-identified on their way out."""

    pseudonyms: Pseudonyms
    options: Options


class Sender(Protocol):
    """Sends objects to a peer. Given by the composition root: this room knows no network."""

    def __call__(
        self, peer: RemoteAE, objects: Sequence[RetrieveObject], disguise: Disguise | None
    ) -> Iterable[Offer]:
        """Yields what became of each object, by its UID here, in the order of sending. Raises Unreachable."""


_senders: list[Sender] = []
_keys: list[MasterKey] = []
_PSEUDONYM_KEY = b"pseudonym key"
_TELL_SECRET = b"routing tell secret"


def use_key(key: MasterKey) -> None:
    """Names the key that seals those of pseudonyms (called once by the composition root)."""
    _keys[:] = [key]


def use_sender(sender: Sender) -> None:
    """Names the sender of this process (called once by the composition root)."""
    _senders[:] = [sender]


# Rules ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule and the title of where it sends to, None for nowhere."""

    rule: RoutingRule
    ae_title: str | None


def rules(work: Work) -> list[Ruled]:
    """All rules in their order."""
    work.require(Permission.CONFIG_READ)
    rows = work.session.execute(
        select(RoutingRule, RemoteAE.ae_title)
        .outerjoin(RemoteAE, RemoteAE.remote_ae_pk == RoutingRule.remote_ae_pk)
        .order_by(RoutingRule.position, RoutingRule.routing_rule_pk)
    )
    return [Ruled(rule, title) for rule, title in rows]


def save_rule(
    work: Work,
    *,
    routing_rule_pk: int | None = None,
    name: str,
    is_enabled: bool,
    conditions: Sequence[Mapping[str, Any]],
    remote_ae_pk: int | None,
    wait_s: int,
    compress_to: str | None = None,
    deidentify: Mapping[str, Any] | None = None,
    tell_url: str | None = None,
    tell_secret: str | None = None,
    notice_roles: Sequence[str] = (),
    notice_user_pks: Sequence[int] = (),
    is_told_by_hl7: bool = False,
) -> Ruled:
    """Adds or changes a rule; it applies to what comes from now on. Without a `tell_secret` the known one stays, where
    the address is the same. Raises Invalid, NotFound, Conflict."""
    work.require(Permission.CONFIG_WRITE)
    checked = conditions_of(conditions)
    title = name.strip()
    faults: list[FieldError] = []
    if not 1 <= len(title) <= 64:
        faults.append(FieldError("name", "has 1 to 64 characters"))
    if not 0 <= wait_s <= 86400:
        faults.append(FieldError("wait_s", "lies between 0 and 86400 seconds"))
    if deidentify is not None:
        try:
            Options.of(deidentify)
        except ValueError as error:
            faults.append(FieldError("deidentify", str(error)))
    url, secret = (tell_url or "").strip() or None, tell_secret or None
    known = None if routing_rule_pk is None else work.session.get(RoutingRule, routing_rule_pk)
    keeps = known is not None and known.sealed_tell_secret is not None and known.tell_url == url
    faults += telling.faults_of(url, secret, has_secret=keeps)
    peer = None if remote_ae_pk is None else work.session.get(RemoteAE, remote_ae_pk)
    if remote_ae_pk is not None and peer is None:
        faults.append(FieldError("remote_ae_pk", "is no known application entity"))
    if compress_to is not None and compress_to not in COMPRESSIONS:
        faults.append(
            FieldError(
                "compress_to",
                "is no lossless syntax: a lossy form is another image and takes no received one's place",
            )
        )
    if remote_ae_pk is None:
        if not (compress_to or url or notice_roles or notice_user_pks or is_told_by_hl7):
            faults.append(FieldError("remote_ae_pk", "is needed, unless the rule does something else"))
        if deidentify is not None:
            faults.append(FieldError("deidentify", "is for what is sent: choose where to"))
    if unknown := sorted(set(notice_roles) - set(Role)):
        faults.append(FieldError("notice_roles", f"has no {', '.join(unknown)[:100]}"))
    people = set(
        work.session.scalars(select(User.user_pk).where(User.user_pk.in_(notice_user_pks), ~User.disabled))
    )
    if set(notice_user_pks) - people:
        faults.append(FieldError("notice_user_pks", "names somebody who has no account"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    namesake = work.session.scalar(
        select(RoutingRule.routing_rule_pk).where(func.lower(RoutingRule.name) == title.lower())
    )
    if namesake is not None and namesake != routing_rule_pk:
        raise Conflict("There is a rule of that name.", fields=[FieldError("name", "is taken")])
    rule = RoutingRule() if routing_rule_pk is None else known
    if rule is None:
        raise NotFound("There is no such rule.")
    if routing_rule_pk is None:
        rule.position = (work.session.scalar(select(func.max(RoutingRule.position))) or 0) + 1
    rule.tell_url = url
    if url is None:
        rule.sealed_tell_secret = None
    elif secret is not None:
        rule.sealed_tell_secret = _keys[0].seal(secret.encode(), _TELL_SECRET)
    rule.deidentify = None if deidentify is None else dict(deidentify)
    rule.name, rule.is_enabled, rule.wait_s = title, is_enabled, wait_s
    rule.conditions, rule.remote_ae_pk = stored(checked), remote_ae_pk
    rule.compress_to = compress_to
    rule.notice_roles, rule.notice_user_pks = sorted(set(notice_roles)), sorted(people)
    rule.is_told_by_hl7 = is_told_by_hl7
    rule.updated_at = work.now()
    work.session.add(rule)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if routing_rule_pk is None else "U",
        object_type="routing_rule",
        object_id=rule.routing_rule_pk,
        detail={
            "name": title,
            "to": "" if peer is None else peer.ae_title,
            "compress to": compress_to or "",
            "enabled": str(is_enabled),
            "deidentified": str(deidentify is not None),
        },
    )
    return Ruled(rule, None if peer is None else peer.ae_title)


def put_in_order(work: Work, routing_rule_pks: Sequence[int]) -> None:
    """Sets the order of all rules. Raises Invalid where it does not name each once."""
    work.require(Permission.CONFIG_WRITE)
    known = {
        rule.routing_rule_pk: rule for rule in work.session.scalars(select(RoutingRule).with_for_update())
    }
    if sorted(known) != sorted(routing_rule_pks):
        raise Invalid(
            "Rules were added or removed meanwhile.",
            fields=[FieldError("routing_rule_pks", "names each rule once")],
        )
    for position, key in enumerate(routing_rule_pks, 1):
        known[key].position = position
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="routing_rule", detail={"what": "order"})


def remove_rule(work: Work, routing_rule_pk: int) -> None:
    """Forgets a rule; what is on its way by it stays so. Raises NotFound."""
    work.require(Permission.CONFIG_WRITE)
    rule = work.session.get(RoutingRule, routing_rule_pk)
    if rule is None:
        raise NotFound("There is no such rule.")
    work.session.delete(rule)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="routing_rule",
        object_id=routing_rule_pk,
        detail={"name": rule.name},
    )


@dataclass(frozen=True, slots=True)
class Tried:
    """A study that a rule would take; no patient is named, who is not needed to judge a rule."""

    study_date: date | None
    study_description: str | None
    modalities: list[str]
    sources: list[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rule would have taken of the newest studies, newest first."""

    tried: int
    matching: int
    studies: list[Tried]


def try_conditions(work: Work, conditions: Sequence[Mapping[str, Any]]) -> Trial:
    """Holds conditions against the newest studies, before a rule is kept. Raises Invalid."""
    work.require(Permission.CONFIG_READ)
    checked = conditions_of(conditions)
    newest = work.session.scalars(select(Study).order_by(Study.study_pk.desc()).limit(_STUDIES_TRIED)).all()
    facts = _facts(work, [study.study_pk for study in newest])
    work.audit(AuditEventID.QUERY, "E", object_type="routing rule on trial")
    taken = [study for study in newest if _met(checked, facts[study.study_pk])]
    shown = [
        Tried(
            study.study_date,
            study.study_description,
            list(study.modalities_in_study),
            sorted(facts[study.study_pk][SOURCE]),
            study.created_at,
        )
        for study in taken[:_STUDIES_SHOWN]
    ]
    return Trial(len(newest), len(taken), shown)


def _met(conditions: Iterable[Condition], facts: Mapping[str, frozenset[str]]) -> bool:
    return all(condition.met_by(facts) for condition in conditions)


def _facts(work: Work, study_pks: Iterable[int]) -> dict[int, dict[str, frozenset[str]]]:
    """study_pk → keyword → values."""
    collected: dict[int, dict[str, set[str]]] = {}
    for (study_pk, _), of_series in _facts_by_series(work, study_pks).items():
        facts = collected.setdefault(study_pk, {keyword: set() for keyword in KEYWORDS})
        for keyword, values in of_series.items():
            facts[keyword] |= values
    return {
        key: {keyword: frozenset(values) for keyword, values in facts.items()}
        for key, facts in collected.items()
    }


def _facts_by_series(
    work: Work, study_pks: Iterable[int]
) -> dict[tuple[int, int], dict[str, frozenset[str]]]:
    """(study_pk, series_pk) → keyword → values; series_pk is 0 where a study has none."""
    keys = sorted(set(study_pks))
    levels = {"study": Study, "series": Series}
    columns = {
        keyword: getattr(levels[level], "".join(_snake(keyword))) for keyword, level in KEYWORDS.items()
    }
    rows = work.session.execute(
        select(
            Study.study_pk, Series.series_pk, *(column.label(keyword) for keyword, column in columns.items())
        )
        .outerjoin(Series, Series.study_pk == Study.study_pk)
        .where(Study.study_pk.in_(keys))
        .order_by(Study.study_pk, Series.series_pk)
    )
    return {
        (row["study_pk"], row["series_pk"] or 0): {
            keyword: frozenset([str(row[keyword])] if row[keyword] else []) for keyword in KEYWORDS
        }
        for row in rows.mappings()
    }


def _snake(keyword: str) -> Iterable[str]:
    before = ""
    for character in keyword:
        if character.isupper() and before and not before.isupper():
            yield "_"
        yield character.lower()
        before = character


# The queue ------------------------------------------------------------------------------------------------------


def studies_updated(work: Work, events: Sequence[Mapping[str, Any]]) -> None:
    """On `study.updated`: has studies sent wherever a rule says, once no more came for a while."""
    study_pks = sorted({int(event["keys"]["study_pk"]) for event in events})
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="routing", object_id=len(study_pks))
    enabled = work.session.scalars(
        select(RoutingRule)
        .where(RoutingRule.is_enabled)
        .order_by(RoutingRule.position, RoutingRule.routing_rule_pk)
    ).all()
    if not enabled:
        return
    titles: dict[int, str] = {
        row[0]: row[1]
        for row in work.session.execute(
            select(RemoteAE.remote_ae_pk, RemoteAE.ae_title).where(
                RemoteAE.remote_ae_pk.in_({rule.remote_ae_pk for rule in enabled if rule.remote_ae_pk})
            )
        )
    }
    _have_compressed(work, [rule for rule in enabled if rule.compress_to], study_pks)
    facts = _facts(work, study_pks)
    decided: set[tuple[int, int]] = set()
    for rule in enabled:
        conditions = conditions_of(rule.conditions)
        for study_pk in study_pks:
            of_study = facts.get(study_pk)
            if of_study is None or not _met(conditions, of_study):
                continue
            if rule.remote_ae_pk is None:
                if _tells(rule):
                    _notify_after(work, rule.routing_rule_pk, study_pk, rule.wait_s)
                continue
            if of_study[SOURCE] == {titles[rule.remote_ae_pk]}:
                continue  # it came from there: two archives must not send the same to and fro
            if (study_pk, rule.remote_ae_pk) in decided:
                continue  # an earlier rule says how it goes there
            decided.add((study_pk, rule.remote_ae_pk))
            _enqueue(
                work,
                study_pk,
                rule.remote_ae_pk,
                work.now() + timedelta(seconds=rule.wait_s),
                routing_rule_pk=rule.routing_rule_pk,
                requested_by=rule.name,
                deidentify=rule.deidentify,
            )


def _have_compressed(work: Work, compressing: Sequence[RoutingRule], study_pks: Sequence[int]) -> None:
    """Orders compression of the series that rules name; conditions are asked of each series by itself."""
    if not compressing:
        return
    decided: set[int] = set()
    facts = _facts_by_series(work, study_pks)
    for rule in compressing:
        conditions = conditions_of(rule.conditions)
        chosen: dict[int, list[int]] = {}
        for (study_pk, series_pk), of_series in facts.items():
            if series_pk not in decided and _met(conditions, of_series):
                decided.add(series_pk)  # an earlier rule says to what
                chosen.setdefault(study_pk, []).append(series_pk)
        for study_pk, series_pks in chosen.items():
            defer(
                work,
                COMPRESS,
                study_pk=study_pk,
                series_pks=series_pks,
                to=rule.compress_to,
                wait_s=rule.wait_s,
                requested_by=rule.name,
            )


def send(work: Work, study_instance_uids: Sequence[str], remote_ae_pk: int) -> list[int]:
    """Sends studies to a peer because a person says so; returns their forwarding_pk. Raises NotFound, Invalid."""
    work.require(Permission.QUEUE_WRITE)
    peer = work.session.get(RemoteAE, remote_ae_pk)
    if peer is None:
        raise Invalid(
            "There is no such application entity.", fields=[FieldError("remote_ae_pk", "is not known")]
        )
    found = work.session.execute(
        select(Study.study_instance_uid, Study.study_pk).where(
            Study.study_instance_uid.in_(study_instance_uids)
        )
    ).all()
    known = {row[0]: row[1] for row in found}
    if missing := set(study_instance_uids) - known.keys():
        raise NotFound(f"{len(missing)} of these studies are not here.")
    for uid in known:
        work.audit(
            AuditEventID.BEGIN_TRANSFER,
            "E",
            study_instance_uid=uid,
            object_type="forwarding",
            detail={"to": peer.ae_title},
        )
    # A destination that gets data without names by a rule gets no others by hand.
    disguised = work.session.scalar(
        select(RoutingRule.deidentify)
        .where(RoutingRule.remote_ae_pk == remote_ae_pk, RoutingRule.deidentify.is_not(None))
        .order_by(RoutingRule.is_enabled.desc(), RoutingRule.position)
        .limit(1)
    )
    return [
        _enqueue(
            work,
            study_pk,
            remote_ae_pk,
            work.now(),
            requested_by=work.actor.username[:64],
            deidentify=disguised,
            again=True,
        )
        for study_pk in known.values()
    ]


def _enqueue(
    work: Work,
    study_pk: int,
    remote_ae_pk: int,
    not_before: datetime,
    *,
    requested_by: str,
    routing_rule_pk: int | None = None,
    deidentify: dict[str, Any] | None = None,
    again: bool = False,
) -> int:
    """A study goes to a destination once, however many rules say so; more of it makes it go on. `again`: from the start."""
    now = work.now()
    values = {
        "state": ForwardingState.WAITING,
        "not_before": not_before,
        "updated_at": now,
        "attempts": 0,
        "last_error": None,
    }
    statement = insert(Forwarding).values(
        study_pk=study_pk,
        remote_ae_pk=remote_ae_pk,
        routing_rule_pk=routing_rule_pk,
        requested_by=requested_by,
        deidentify=deidentify,
        **values,
    )
    afresh: dict[str, Any] = {}
    if again:
        # Names that were taken off once stay off, even where the rule that said so is gone.
        afresh = {"through_instance_pk": 0, "sent_count": 0}
        afresh["deidentify"] = func.coalesce(statement.excluded.deidentify, Forwarding.deidentify)
    elif deidentify is not None:
        afresh = {"deidentify": deidentify}
    forwarding_pk: int | None = work.session.scalar(
        statement.on_conflict_do_update(
            index_elements=["study_pk", "remote_ae_pk"],
            set_={**values, **afresh},
            # What a person stopped stays so until a person says otherwise; what is being sent looks again at its end.
            where=None
            if again
            else Forwarding.state.in_(
                (ForwardingState.WAITING, ForwardingState.SENT, ForwardingState.FAILED)
            ),
        ).returning(Forwarding.forwarding_pk)
    )
    if forwarding_pk is None:
        return 0
    if again:
        work.session.execute(
            delete(ForwardingFailure).where(ForwardingFailure.forwarding_pk == forwarding_pk)
        )
    _wake(work, forwarding_pk, not_before)
    work.publish(ForwardingChanged(forwarding_pk, ForwardingState.WAITING))
    return forwarding_pk


def _wake(work: Work, forwarding_pk: int, at: datetime) -> None:
    defer(
        work,
        JOB,
        run_at=at,
        queueing_lock=f"{JOB}:{forwarding_pk}",
        queue=FORWARDING,
        forwarding_pk=forwarding_pk,
    )


@dataclass(frozen=True, slots=True)
class Sending:
    """A study on its way, as people see it."""

    forwarding: Forwarding
    ae_title: str
    study_instance_uid: str
    patient_name: str | None
    patient_id: str | None
    study_description: str | None
    modalities: list[str]
    refused: int
    first_refusal: str | None


def forwardings(
    work: Work, *, state: ForwardingState | None = None, before: int | None = None, limit: int = 100
) -> list[Sending]:
    """Newest first, those before the key `before`."""
    work.require(Permission.QUEUE_READ)
    refusals = (
        select(
            ForwardingFailure.forwarding_pk,
            func.count().label("count"),
            func.min(ForwardingFailure.reason).label("reason"),
        )
        .group_by(ForwardingFailure.forwarding_pk)
        .subquery()
    )
    query = (
        select(Forwarding, RemoteAE.ae_title, Study, func.coalesce(refusals.c.count, 0), refusals.c.reason)
        .join(RemoteAE, RemoteAE.remote_ae_pk == Forwarding.remote_ae_pk)
        .join(Study, Study.study_pk == Forwarding.study_pk)
        .outerjoin(refusals, refusals.c.forwarding_pk == Forwarding.forwarding_pk)
        .order_by(Forwarding.forwarding_pk.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(Forwarding.state == state)
    if before is not None:
        query = query.where(Forwarding.forwarding_pk < before)
    work.audit(AuditEventID.QUERY, "E", object_type="forwardings")
    return [
        Sending(
            forwarding,
            title,
            study.study_instance_uid,
            study.patient_name,
            study.patient_id,
            study.study_description,
            list(study.modalities_in_study),
            refused,
            reason,
        )
        for forwarding, title, study, refused, reason in work.session.execute(query)
    ]


def send_again(work: Work, forwarding_pk: int) -> None:
    """Tries what failed, was stopped or was refused in part again, at once. Raises NotFound, Conflict."""
    forwarding = _locked(work, forwarding_pk)
    if forwarding.state == ForwardingState.SENDING:
        raise Conflict("It is being sent now.")
    refused = work.session.scalars(
        select(ForwardingFailure.instance_pk).where(ForwardingFailure.forwarding_pk == forwarding_pk)
    ).all()
    if refused:
        # Objects are sent in the order of their keys: going back to the first refused sends some twice, which
        # a receiver takes for the same.
        forwarding.through_instance_pk = min(min(refused) - 1, forwarding.through_instance_pk)
        forwarding.sent_count = _count(work, forwarding.study_pk, upto=forwarding.through_instance_pk)
        work.session.execute(
            delete(ForwardingFailure).where(ForwardingFailure.forwarding_pk == forwarding_pk)
        )
    forwarding.attempts, forwarding.last_error = 0, None
    _move(work, forwarding, ForwardingState.WAITING, work.now())
    _wake(work, forwarding_pk, work.now())
    _note(work, forwarding, "again")


def cancel(work: Work, forwarding_pk: int) -> None:
    """Stops a study on its way; what has arrived stays there. Raises NotFound, Conflict where all was sent."""
    forwarding = _locked(work, forwarding_pk)
    if forwarding.state == ForwardingState.SENT:
        raise Conflict("Everything was sent already.")
    _move(work, forwarding, ForwardingState.CANCELED, work.now())
    _note(work, forwarding, "canceled")


def _locked(work: Work, forwarding_pk: int) -> Forwarding:
    work.require(Permission.QUEUE_WRITE)
    forwarding = work.session.get(Forwarding, forwarding_pk, with_for_update=True, populate_existing=True)
    if forwarding is None:
        raise NotFound("There is no such study on its way.")
    return forwarding


def _move(work: Work, forwarding: Forwarding, state: ForwardingState, not_before: datetime) -> None:
    forwarding.state, forwarding.not_before, forwarding.updated_at = state, not_before, work.now()
    forwarding.claimed_until = None
    work.publish(ForwardingChanged(forwarding.forwarding_pk, state))


def _note(work: Work, forwarding: Forwarding, what: str) -> None:
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="forwarding",
        object_id=forwarding.forwarding_pk,
        detail={"what": what},
    )


def _count(work: Work, study_pk: int, *, upto: int) -> int:
    return (
        work.session.scalar(
            select(func.count()).where(Instance.study_pk == study_pk, Instance.instance_pk <= upto)
        )
        or 0
    )


# Sending --------------------------------------------------------------------------------------------------------


def forward(offices: Offices, forwarding_pk: int, *, slice_s: float = _SLICE_S) -> None:
    """Sends what is left of one study, for about `slice_s` seconds. No transaction is open while the network is waited
    for; progress is kept as it is made, so that a killed process goes on where it was."""
    actor = Actor.system("routing")
    with offices.work(actor) as work:
        order = _claim(work, forwarding_pk)
    if order is None:
        return
    progress = _Progress(offices, actor, forwarding_pk, order.places)
    fault: str | None = None
    ended = time.monotonic() + slice_s
    try:
        for offer in _senders[0](order.peer, order.objects, order.disguise):
            failpoint("routing.sent")
            if not progress.took(offer):
                return  # a person stopped it
            if time.monotonic() > ended:
                break
    except Unreachable as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001 - e.g. an object that cannot be read: the rest of the queue must go on
        log.warning("forwarding failed", forwarding_pk=forwarding_pk, error=type(error).__name__)
        fault = f"failed ({type(error).__name__})"
    progress.keep()
    with offices.work(actor) as work:
        _settle(work, forwarding_pk, order, fault, progressed=progress.count > 0)


@dataclass(frozen=True, slots=True)
class _Order:
    peer: RemoteAE
    objects: Sequence[RetrieveObject]
    places: Mapping[str, int]  # SOP Instance UID → instance_pk
    study_instance_uid: str
    disguise: Disguise | None


def _disguise(work: Work, forwarding: Forwarding) -> Disguise | None:
    if forwarding.deidentify is None:
        return None
    insert_key = insert(PseudonymKey).values(
        remote_ae_pk=forwarding.remote_ae_pk,
        sealed_key=_keys[0].seal(secrets.token_bytes(32), _PSEUDONYM_KEY),
    )
    work.session.execute(insert_key.on_conflict_do_nothing())
    sealed = work.session.scalars(
        select(PseudonymKey.sealed_key).where(PseudonymKey.remote_ae_pk == forwarding.remote_ae_pk)
    ).one()
    return Disguise(
        Pseudonyms(_keys[0].unseal(bytes(sealed), _PSEUDONYM_KEY)), Options.of(forwarding.deidentify)
    )


def _claim(work: Work, forwarding_pk: int) -> _Order | None:
    """Takes the study for this process, unless it is not its time or another has it."""
    now = work.now()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="forwarding", object_id=forwarding_pk)
    forwarding = work.session.scalar(
        select(Forwarding).where(Forwarding.forwarding_pk == forwarding_pk).with_for_update()
    )
    if forwarding is None or forwarding.state not in (ForwardingState.WAITING, ForwardingState.SENDING):
        return None
    until = forwarding.claimed_until if forwarding.state == ForwardingState.SENDING else forwarding.not_before
    if until is not None and until > now:
        _wake(work, forwarding_pk, until)
        return None
    peer = work.session.get_one(RemoteAE, forwarding.remote_ae_pk)
    study = work.session.get(Study, forwarding.study_pk)
    if study is None:
        # In the trash, rejected or merged into another: what is hidden here is sent nowhere. Restored, it is told of again.
        _move(work, forwarding, ForwardingState.CANCELED, now)
        return None
    places = {
        row[0]: row[1]
        for row in work.session.execute(
            select(Instance.sop_instance_uid, Instance.instance_pk).where(
                Instance.study_pk == forwarding.study_pk,
                Instance.instance_pk > forwarding.through_instance_pk,
                _not_from(peer.ae_title),
            )
        )
    }
    objects = [
        one
        for one in instances_for_retrieve(
            work, study_instance_uids=[study.study_instance_uid], destination=peer.ae_title
        )
        if one.sop_instance_uid in places
    ]
    objects.sort(key=lambda one: places[one.sop_instance_uid])
    forwarding.waiting_count = len(objects)
    disguise = _disguise(work, forwarding)
    _move(work, forwarding, ForwardingState.SENDING, forwarding.not_before)
    forwarding.claimed_until = now + _LEASE
    work.session.flush()
    work.session.expunge(peer)
    return _Order(peer, objects, places, study.study_instance_uid, disguise)


def _not_from(ae_title: str) -> Any:
    series = aliased(Series)
    source = series.source_application_entity_title
    return (
        select(series.series_pk)
        .where(series.series_pk == Instance.series_pk, source.is_distinct_from(ae_title))
        .exists()
    )


class _Progress:
    """Keeps how far one sending is, now and then, in short transactions of its own."""

    def __init__(self, offices: Offices, actor: Actor, forwarding_pk: int, places: Mapping[str, int]) -> None:
        self._offices, self._actor, self._forwarding_pk, self._places = offices, actor, forwarding_pk, places
        self._kept_at = time.monotonic()
        self._through, self._sent = 0, 0
        self._refused: list[tuple[int, str]] = []
        self.count = 0

    def took(self, offer: Offer) -> bool:
        """Notes an object's fate; False where a person stopped the sending."""
        self._through = self._places[offer.sop_instance_uid]
        self.count += 1
        if offer.refused is None:
            self._sent += 1
        else:
            self._refused.append((self._through, offer.refused[:200]))
        return time.monotonic() - self._kept_at < _NOTE_S or self.keep()

    def keep(self) -> bool:
        """Writes it down; False where a person stopped the sending."""
        with self._offices.work(self._actor) as work:
            now = work.now()
            going = work.session.scalar(
                update(Forwarding)
                .where(
                    Forwarding.forwarding_pk == self._forwarding_pk,
                    Forwarding.state == ForwardingState.SENDING,
                )
                .values(
                    through_instance_pk=func.greatest(Forwarding.through_instance_pk, self._through),
                    sent_count=Forwarding.sent_count + self._sent,
                    waiting_count=Forwarding.waiting_count - self._sent - len(self._refused),
                    claimed_until=now + _LEASE,
                    updated_at=now,
                )
                .returning(Forwarding.forwarding_pk)
            )
            if self._refused:
                work.session.execute(
                    insert(ForwardingFailure)
                    .values(
                        [
                            {"forwarding_pk": self._forwarding_pk, "instance_pk": key, "reason": reason}
                            for key, reason in self._refused
                        ]
                    )
                    .on_conflict_do_nothing()
                )
            work.audit(
                AuditEventID.APPLICATION_ACTIVITY,
                "U",
                object_type="forwarding",
                object_id=self._forwarding_pk,
                detail={"sent": str(self._sent), "refused": str(len(self._refused))},
            )
            if going is not None:
                work.publish(ForwardingChanged(self._forwarding_pk, ForwardingState.SENDING))
        self._sent, self._refused, self._kept_at = 0, [], time.monotonic()
        return going is not None


def _settle(work: Work, forwarding_pk: int, order: _Order, fault: str | None, *, progressed: bool) -> None:
    """After a slice: done, or on again, or later again, or for a person."""
    forwarding = work.session.scalar(
        select(Forwarding)
        .where(Forwarding.forwarding_pk == forwarding_pk, Forwarding.state == ForwardingState.SENDING)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    _record_transfer(work, order, fault)
    if forwarding is None:
        return
    now = work.now()
    left = work.session.scalar(
        select(func.count()).where(
            Instance.study_pk == forwarding.study_pk,
            Instance.instance_pk > forwarding.through_instance_pk,
            _not_from(order.peer.ae_title),
        )
    )
    forwarding.waiting_count = left or 0
    if fault is not None:
        # A destination that took something is alive: its patience begins anew.
        forwarding.attempts = 1 if progressed else forwarding.attempts + 1
        forwarding.last_error = fault[:200]
        wait = wait_after(forwarding.attempts)
        state = ForwardingState.FAILED if wait is None else ForwardingState.WAITING
        _move(work, forwarding, state, now + (wait or timedelta()))
        if wait is not None:
            _wake(work, forwarding_pk, now + wait)
        return
    forwarding.attempts, forwarding.last_error = 0, None
    if left:
        _move(work, forwarding, ForwardingState.WAITING, now)
        _wake(work, forwarding_pk, now)
        return
    refused = work.session.scalar(
        select(func.count()).where(ForwardingFailure.forwarding_pk == forwarding_pk)
    )
    if refused:
        forwarding.last_error = f"{refused} objects were refused"
    _move(work, forwarding, ForwardingState.FAILED if refused else ForwardingState.SENT, now)
    if not refused and order.objects and forwarding.routing_rule_pk is not None:
        rule = work.session.get(RoutingRule, forwarding.routing_rule_pk)
        if rule is not None and rule.tell_url is not None:
            defer(work, TELL, queue=FORWARDING, forwarding_pk=forwarding_pk)
        study = work.session.get(Study, forwarding.study_pk)
        if rule is not None and study is not None:
            _notify(work, rule, study, order.peer.ae_title)


# Telling people and systems -----------------------------------------------------------------------------------------


def _tells(rule: RoutingRule) -> bool:
    return bool(rule.tell_url or rule.notice_roles or rule.notice_user_pks or rule.is_told_by_hl7)


def _notify_after(work: Work, routing_rule_pk: int, study_pk: int, wait_s: int) -> None:
    defer(
        work,
        NOTIFY,
        queueing_lock=f"{NOTIFY}:{routing_rule_pk}:{study_pk}",
        queue=FORWARDING,
        run_at=work.now() + timedelta(seconds=wait_s),
        routing_rule_pk=routing_rule_pk,
        study_pk=study_pk,
    )


def notify(work: Work, routing_rule_pk: int, study_pk: int) -> None:
    """Tells whom a rule without destination names of a study, once no more came for a while."""
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="routing_rule", object_id=routing_rule_pk)
    rule, study = work.session.get(RoutingRule, routing_rule_pk), work.session.get(Study, study_pk)
    if rule is None or not rule.is_enabled or study is None:
        return
    quiet_at = study.updated_at + timedelta(seconds=rule.wait_s)
    if quiet_at > work.now():
        _notify_after(work, routing_rule_pk, study_pk, max((quiet_at - work.now()).seconds, 1))
        return
    if rule.tell_url is not None:
        defer(work, TELL, queue=FORWARDING, routing_rule_pk=routing_rule_pk, study_pk=study_pk)
    _notify(work, rule, study, None)


def _notify(work: Work, rule: RoutingRule, study: Study, ae_title: str | None) -> None:
    # No name: a notice is on the screen of everybody of a role, and what it is about stands behind the link.
    what = study.study_description or "/".join(study.modalities_in_study)
    add_notice(
        work,
        about=f"rule:{rule.routing_rule_pk}:{study.study_pk}",
        title=f"{what or 'A study'} {'is here' if ae_title is None else f'has arrived at {ae_title}'}",
        body=f"Told by the rule “{rule.name}”.",
        link=f"/studies/{study.study_pk}",
        roles=rule.notice_roles,
        user_pks=rule.notice_user_pks,
    )
    if rule.is_told_by_hl7:
        work.publish(StudyNotified(study.study_pk, rule.routing_rule_pk))


def tell_of_study(work: Work, routing_rule_pk: int, study_pk: int) -> None:
    """Tells the system that a rule without destination names that a study is here. Raises telling.NotTold."""
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="routing_rule", object_id=routing_rule_pk)
    rule, study = work.session.get(RoutingRule, routing_rule_pk), work.session.get(Study, study_pk)
    if rule is None or rule.tell_url is None or rule.sealed_tell_secret is None or study is None:
        return
    secret = _keys[0].unseal(bytes(rule.sealed_tell_secret), _TELL_SECRET).decode()
    telling.post(
        work,
        rule,
        secret,
        {
            "event": "study.received",
            "rule": rule.name,
            "study_instance_uid": study.study_instance_uid,
            "instances": study.number_of_study_related_instances,
        },
    )


def tell(work: Work, forwarding_pk: int) -> None:
    """Tells the system that the rule names that the study has arrived. Raises telling.NotTold, to be tried again."""
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="forwarding", object_id=forwarding_pk)
    forwarding = work.session.get(Forwarding, forwarding_pk)
    if forwarding is None or forwarding.routing_rule_pk is None:
        return
    rule = work.session.get(RoutingRule, forwarding.routing_rule_pk)
    study = work.session.get(Study, forwarding.study_pk)
    if rule is None or rule.tell_url is None or rule.sealed_tell_secret is None or study is None:
        return
    peer = work.session.get_one(RemoteAE, forwarding.remote_ae_pk)
    secret = _keys[0].unseal(bytes(rule.sealed_tell_secret), _TELL_SECRET).decode()
    telling.tell(work, rule, forwarding, peer.ae_title, study.study_instance_uid, secret)


def _record_transfer(work: Work, order: _Order, fault: str | None) -> None:
    work.audit(
        AuditEventID.INSTANCES_TRANSFERRED,
        "R",
        study_instance_uid=order.study_instance_uid,
        object_type="study",
        detail={"to": order.peer.ae_title, "deidentified": str(order.disguise is not None)},
        outcome=0 if fault is None else 4,
    )
