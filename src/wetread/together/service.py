"""Live sessions: begun on a study, joined by accounts and by guests with a link, led, and ended.

What happens second by second is in `room`; here is what lasts: who may be in, what they may see, what was said.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from wetread.archive.model import Study
from wetread.archive.service import the_archive, visible_studies
from wetread.kit import limits
from wetread.kit.errors import Conflict, Denied, FieldError, Invalid, NotFound, Unauthenticated
from wetread.patients.service import PatientBar, patient_bars
from wetread.security.model import User
from wetread.security.service import (
    ROLE_PERMISSIONS,
    Actor,
    AuditEventID,
    Offices,
    Permission,
    Role,
    Work,
    hash_secret,
)
from wetread.together.events import LiveSessionChanged, LiveSessionInvited
from wetread.together.model import (
    LiveSession,
    LiveSessionMessage,
    LiveSessionParticipant,
    LiveSessionState,
    LiveSessionStudy,
)

_names_patient = True


def use_policy(*, names_patient: bool) -> None:
    """Says whether guests are told who the patient is (called once by the composition root)."""
    global _names_patient  # noqa: PLW0603 - one per process, set at composition
    _names_patient = names_patient


_TOLD_OF_PATIENT = frozenset({"00100040", "00101010", "00101020", "00101030"})
# A report says whose it is in its content as well (PS3.16 TID 1007): the name, IDs and birth date of its subject.
_CONTENT, _CONCEPT, _CODE_VALUE = "0040A730", "0040A043", "00080100"
_DOCUMENT = "00420011"
_NAMES_SUBJECT = frozenset({"121022", "121028", "121029", "121030", "121031"})


def without_patient(actor: Actor, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """DICOM JSON documents as this actor may read them: for a guest who is not told who the patient is, of group 0010 no
    more than sex, age, size and weight, which pictures are judged and measured by; nor what a report says of its subject."""
    if not withholds_patient(actor):
        return documents
    return [_nameless(one) for one in documents]


def is_named_within(document: dict[str, Any]) -> bool:
    """Whether an object holds a document that has its patient's name written in it: all but models (PS3.3 A.45, A.85)."""
    media_type = str((document.get("00420012", {}).get("Value") or [""])[0]).strip().lower()
    return _DOCUMENT in document and not media_type.startswith("model/")


def _nameless(item: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    is_named = is_named_within(item)
    for tag, element in item.items():
        if tag[:4] == "0010" and tag not in _TOLD_OF_PATIENT:
            continue
        if tag == _DOCUMENT and is_named:
            # That there is one is told, and asking for it is answered.
            told[tag] = {"vr": "OB", "BulkDataURI": "withheld"}
            continue
        values = element.get("Value") if isinstance(element, dict) else None
        if values and element.get("vr") == "SQ":
            inner = [_nameless(one) for one in values if not (tag == _CONTENT and _names_subject(one))]
            told[tag] = {**element, "Value": inner}
        else:
            told[tag] = element
    return told


def _names_subject(content_item: dict[str, Any]) -> bool:
    codes = [
        value
        for concept in content_item.get(_CONCEPT, {}).get("Value") or []
        for value in concept.get(_CODE_VALUE, {}).get("Value") or []
    ]
    return not _NAMES_SUBJECT.isdisjoint(codes)


def withholds_patient(actor: Actor) -> bool:
    """Whether this actor is not told who the patient is."""
    return not _names_patient and actor.kind == "guest"


# Who sees what ---------------------------------------------------------------------------------------------------


class StudyVisibility(Protocol):
    """The archive's, for everybody who is no guest."""

    def condition(self, work: Work) -> ColumnElement[bool] | None:
        """A condition on Study; None: all of them."""
        ...


class SeenTogether:
    """The archive's StudyVisibility: a guest sees the studies of the session and no others; a referrer sees them beside
    their own while taking part."""

    def __init__(self, otherwise: StudyVisibility) -> None:
        self._otherwise = otherwise

    def condition(self, work: Work) -> ColumnElement[bool] | None:
        """A condition on Study; None: all of them."""
        actor = work.actor
        if actor.kind == "guest":
            return Study.study_pk.in_(
                _shared(work).where(
                    LiveSessionParticipant.live_session_participant_pk == actor.participant_pk
                )
            )
        own = self._otherwise.condition(work)
        # Who could do more to a study than look is not shown one for the sake of a session.
        if own is None or actor.user_pk is None or not actor.roles or not actor.roles <= {Role.REFERRER}:
            return own
        shared = _shared(work).where(
            LiveSessionParticipant.user_pk == actor.user_pk, LiveSessionParticipant.joined_at.is_not(None)
        )
        return or_(own, Study.study_pk.in_(shared))


def _stands(now: datetime) -> ColumnElement[bool]:
    """That a participant's invitation and its session hold."""
    return and_(
        LiveSessionParticipant.revoked_at.is_(None),
        LiveSessionParticipant.expires_at > now,
        LiveSession.ended_at.is_(None),
        LiveSession.expires_at > now,
    )


def _shared(work: Work) -> Any:
    return (
        select(LiveSessionStudy.study_pk)
        .join(LiveSession, LiveSession.live_session_pk == LiveSessionStudy.live_session_pk)
        .join(LiveSessionParticipant, LiveSessionParticipant.live_session_pk == LiveSession.live_session_pk)
        .where(_stands(work.now()))
    )


def actor_of_pass(offices: Offices, secret: str, address: str | None) -> Actor:
    """The guest whose browser holds the pass. Raises Unauthenticated as soon as it was revoked, expired, or it is over."""
    with offices.database.transaction() as db:
        found = db.execute(
            select(LiveSessionParticipant.live_session_participant_pk, LiveSessionParticipant.display_name)
            .join(LiveSession, LiveSession.live_session_pk == LiveSessionParticipant.live_session_pk)
            .where(
                LiveSessionParticipant.pass_hash == hash_secret(secret),
                _stands(offices.clock.now()),
            )
        ).one_or_none()
    if found is None:
        raise Unauthenticated("This invitation has ended.")
    participant_pk, name = found
    return Actor(
        None,
        f"guest:{participant_pk}",
        name,
        frozenset(),
        frozenset({Permission.LIVE_JOIN}),
        "guest",
        network_address=address,
        participant_pk=participant_pk,
    )


# What is told -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SharedStudy:
    """A study of the session, as the viewer opens it."""

    study_pk: int
    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    modalities_in_study: list[str]


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who takes part or may. `has_link`: a guest, who came or comes by a link."""

    participant_pk: int
    display_name: str
    user_pk: int | None
    is_guest: bool
    may_change: bool
    expires_at: datetime
    joined_at: datetime | None
    left_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """A live session as a participant sees it. `studies`: what it is about first, then priors, the newest first.
    `patient` is None for a guest where the site does not tell guests, and where the study is on no patient."""

    live_session_pk: int
    study_pk: int
    started_by_name: str
    started_at: datetime
    expires_at: datetime
    lead_participant_pk: int | None
    me: int
    is_host: bool
    patient: PatientBar | None
    studies: list[SharedStudy]
    participants: list[Participant]


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session that one is invited to."""

    live_session_pk: int
    study_pk: int
    started_by_name: str
    started_at: datetime
    is_mine: bool
    is_joined: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody wrote."""

    message_pk: int
    participant_pk: int
    text: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """Who was invited; for a guest the link's secret, shown this once."""

    participant: Participant
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can be invited."""

    user_pk: int
    display_name: str
    roles: list[str]


# Beginning, joining, leaving ----------------------------------------------------------------------------------------


def start(work: Work, study_pk: int, prior_study_pks: Sequence[int] = ()) -> SessionDetail:
    """Begins a session on a study that the actor sees, with priors of the same patient. Whoever begins it leads.

    One that the actor has running on the study goes on. Raises NotFound, Invalid for a prior of another patient.
    """
    work.require(Permission.LIVE_START)
    if work.actor.user_pk is None:
        raise Denied("Only a person begins a live session.")
    wanted = list(dict.fromkeys([study_pk, *prior_study_pks]))[: limits.TOGETHER_STUDIES_MAX]
    seen = visible_studies(work)
    query = select(Study).where(Study.study_pk.in_(wanted), Study.removal_pk.is_(None))
    studies = {
        one.study_pk: one for one in work.session.scalars(query if seen is None else query.where(seen))
    }
    if set(studies) != set(wanted):
        raise NotFound("There is no such study.")
    study = studies[study_pk]
    for one in studies.values():
        if one is not study and (one.patient_pk is None or one.patient_pk != study.patient_pk):
            raise Invalid(
                "A session shows one patient.",
                fields=[FieldError("prior_study_pks", f"{one.study_pk} is of another patient")],
            )
    now = work.now()
    running = work.session.scalar(
        select(LiveSession).where(
            LiveSession.study_pk == study_pk,
            LiveSession.started_by == work.actor.user_pk,
            LiveSession.ended_at.is_(None),
            LiveSession.expires_at > now,
        )
    )
    if running is not None:
        return join(work, running.live_session_pk)
    session = LiveSession(
        study_pk=study_pk,
        started_by=work.actor.user_pk,
        started_at=now,
        expires_at=now + timedelta(seconds=limits.TOGETHER_SESSION_S),
    )
    work.session.add(session)
    work.session.flush()
    work.session.add_all(
        LiveSessionStudy(live_session_pk=session.live_session_pk, study_pk=one) for one in wanted
    )
    lead = LiveSessionParticipant(
        live_session_pk=session.live_session_pk,
        user_pk=work.actor.user_pk,
        display_name=work.actor.display_name,
        may_change=True,
        invited_by=work.actor.user_pk,
        invited_at=now,
        expires_at=session.expires_at,
        joined_at=now,
    )
    work.session.add(lead)
    work.session.flush()
    session.lead_participant_pk = lead.live_session_participant_pk
    _audit(work, session, "C", "started", studies=studies.values())
    work.publish(LiveSessionChanged(session.live_session_pk))
    return _detail(work, session, lead)


def mine(work: Work) -> list[SessionLine]:
    """Running sessions that the actor is invited to, the newest first."""
    work.require(Permission.LIVE_JOIN)
    rows = work.session.execute(
        select(LiveSession, LiveSessionParticipant, User.display_name)
        .join(LiveSessionParticipant, LiveSessionParticipant.live_session_pk == LiveSession.live_session_pk)
        .join(User, User.user_pk == LiveSession.started_by)
        .where(_stands(work.now()), _is_actor(work.actor))
        .order_by(LiveSession.live_session_pk.desc())
        .limit(limits.PAGE_ITEMS_MAX)
    ).all()
    work.audit(AuditEventID.QUERY, "E", object_type="live sessions", detail={"shown": str(len(rows))})
    return [
        SessionLine(
            session.live_session_pk,
            session.study_pk,
            name,
            session.started_at,
            session.started_by == work.actor.user_pk,
            participant.joined_at is not None and participant.left_at is None,
        )
        for session, participant, name in rows
    ]


def _is_actor(actor: Actor) -> ColumnElement[bool]:
    if actor.kind == "guest":
        return LiveSessionParticipant.live_session_participant_pk == actor.participant_pk
    return LiveSessionParticipant.user_pk == actor.user_pk if actor.user_pk is not None else false()


def _own(work: Work, live_session_pk: int) -> tuple[LiveSession, LiveSessionParticipant]:
    """The session with what the actor is in it. Raises NotFound, also once revoked or over."""
    work.require(Permission.LIVE_JOIN)
    row = work.session.execute(
        select(LiveSession, LiveSessionParticipant)
        .join(LiveSessionParticipant, LiveSessionParticipant.live_session_pk == LiveSession.live_session_pk)
        .where(LiveSession.live_session_pk == live_session_pk, _stands(work.now()), _is_actor(work.actor))
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such live session.")
    return row[0], row[1]


def join(work: Work, live_session_pk: int) -> SessionDetail:
    """Takes part. Raises NotFound; Denied where the account may not see the images."""
    session, participant = _own(work, live_session_pk)
    participant.joined_at = participant.joined_at or work.now()
    participant.left_at = None
    work.session.flush()
    seen = visible_studies(work)
    query = select(Study.study_pk).where(Study.study_pk == session.study_pk)
    if work.session.scalar(query if seen is None else query.where(seen)) is None:
        raise Denied("This account may not see the images. Ask for a guest's link.")
    if session.lead_participant_pk is None and session.started_by == work.actor.user_pk:
        session.lead_participant_pk = participant.live_session_participant_pk
    _audit(work, session, "E", "joined", participant, studies=_studies(work, session))
    work.publish(LiveSessionChanged(live_session_pk))
    return _detail(work, session, participant)


def leave(work: Work, live_session_pk: int) -> None:
    """Takes part no more, until joining again; who led leads no more. Raises NotFound."""
    session, participant = _own(work, live_session_pk)
    participant.left_at = work.now()
    if session.lead_participant_pk == participant.live_session_participant_pk:
        session.lead_participant_pk = work.session.scalar(
            select(LiveSessionParticipant.live_session_participant_pk).where(
                LiveSessionParticipant.live_session_pk == live_session_pk,
                LiveSessionParticipant.user_pk == session.started_by,
                LiveSessionParticipant.left_at.is_(None),
            )
        )
    _audit(work, session, "E", "left", participant)
    work.publish(LiveSessionChanged(live_session_pk))


def end(work: Work, live_session_pk: int) -> None:
    """Ends it for all. Raises NotFound, Denied."""
    session, _ = _hosted(work, live_session_pk)
    session.ended_at = work.now()
    _audit(work, session, "U", "ended")
    work.publish(LiveSessionChanged(live_session_pk))


def _hosted(work: Work, live_session_pk: int) -> tuple[LiveSession, LiveSessionParticipant]:
    session, participant = _own(work, live_session_pk)
    if not _is_host(work.actor, session, participant):
        raise Denied("Only who began the session, or leads it with an account, may do this.")
    return session, participant


def _is_host(actor: Actor, session: LiveSession, participant: LiveSessionParticipant) -> bool:
    return actor.user_pk is not None and (
        session.started_by == actor.user_pk
        or session.lead_participant_pk == participant.live_session_participant_pk
    )


# Inviting and revoking -------------------------------------------------------------------------------------------


def directory(work: Work, words: str) -> list[Account]:
    """Accounts that can be invited, by parts of their names."""
    work.require(Permission.LIVE_START)
    able = [role.value for role in Role if Permission.LIVE_JOIN in ROLE_PERMISSIONS[role]]
    query = select(User).where(
        ~User.disabled, User.roles.overlap(able), User.user_pk != (work.actor.user_pk or 0)
    )
    for word in words.split():
        query = query.where(
            User.display_name.icontains(word, autoescape=True)
            | User.username.icontains(word, autoescape=True)
        )
    rows = work.session.scalars(query.order_by(User.display_name).limit(limits.TOGETHER_DIRECTORY_MAX))
    return [Account(one.user_pk, one.display_name, list(one.roles)) for one in rows]


def invite_account(work: Work, live_session_pk: int, user_pk: int) -> Invited:
    """Invites an account, which is told at once; one whose invitation was revoked may come again. Raises NotFound."""
    session, _ = _hosted(work, live_session_pk)
    user = work.session.get(User, user_pk)
    if user is None or user.disabled:
        raise NotFound("There is no such account.")
    if not any(Permission.LIVE_JOIN in ROLE_PERMISSIONS[Role(role)] for role in user.roles):
        raise Invalid(
            "This account cannot see images.", fields=[FieldError("user_pk", "its role sees no images")]
        )
    participant = work.session.scalar(
        select(LiveSessionParticipant).where(
            LiveSessionParticipant.live_session_pk == live_session_pk,
            LiveSessionParticipant.user_pk == user_pk,
        )
    )
    if participant is None:
        _check_room(work, live_session_pk)
        participant = _participant(work, session, user.display_name, session.expires_at)
        participant.user_pk, participant.may_change = user_pk, True
        work.session.add(participant)
    participant.revoked_at = None
    work.session.flush()
    _audit(work, session, "U", "invited", participant)
    work.publish(LiveSessionInvited(live_session_pk, user_pk))
    work.publish(LiveSessionChanged(live_session_pk))
    return Invited(_shown(participant))


def invite_guest(work: Work, live_session_pk: int, *, minutes: int, may_change: bool) -> Invited:
    """A link for one guest, good for one use and for so long. Its secret is told this once, and only its hash is kept."""
    session, _ = _hosted(work, live_session_pk)
    if not 1 <= minutes <= limits.TOGETHER_LINK_MINUTES_MAX:
        raise Invalid(
            "The link cannot last so long.",
            fields=[FieldError("minutes", f"1 to {limits.TOGETHER_LINK_MINUTES_MAX}")],
        )
    _check_room(work, live_session_pk)
    secret = secrets.token_urlsafe(32)
    expires = min(session.expires_at, work.now() + timedelta(minutes=minutes))
    participant = _participant(work, session, "Guest", expires)
    participant.link_hash, participant.may_change = hash_secret(secret), may_change
    work.session.add(participant)
    work.session.flush()
    _audit(work, session, "U", "link made", participant)
    work.publish(LiveSessionChanged(live_session_pk))
    return Invited(_shown(participant), secret)


def _participant(work: Work, session: LiveSession, name: str, expires_at: datetime) -> LiveSessionParticipant:
    return LiveSessionParticipant(
        live_session_pk=session.live_session_pk,
        display_name=name,
        may_change=False,
        invited_by=work.actor.user_pk,
        invited_at=work.now(),
        expires_at=expires_at,
    )


def _check_room(work: Work, live_session_pk: int) -> None:
    count = work.session.scalar(
        select(func.count())
        .select_from(LiveSessionParticipant)
        .where(
            LiveSessionParticipant.live_session_pk == live_session_pk,
            LiveSessionParticipant.revoked_at.is_(None),
        )
    )
    if (count or 0) >= limits.TOGETHER_PARTICIPANTS_MAX:
        raise Conflict("The session is full. Revoke an invitation first.")


def revoke(work: Work, live_session_pk: int, participant_pk: int) -> None:
    """Takes an invitation back: whoever came by it is out at once. Raises NotFound, Denied, Conflict for one's own."""
    session, own = _hosted(work, live_session_pk)
    participant = _other(work, live_session_pk, participant_pk)
    if participant.live_session_participant_pk == own.live_session_participant_pk:
        raise Conflict("You cannot revoke yourself. Leave, or end the session.")
    if participant.user_pk == session.started_by:
        raise Conflict("Who began the session cannot be put out of it.")
    participant.revoked_at = participant.revoked_at or work.now()
    if session.lead_participant_pk == participant_pk:
        session.lead_participant_pk = own.live_session_participant_pk
    _audit(work, session, "U", "revoked", participant)
    work.publish(LiveSessionChanged(live_session_pk))


def allow(work: Work, live_session_pk: int, participant_pk: int, *, may_change: bool) -> None:
    """Lets a guest draw and be given the lead, or look only. Raises NotFound, Denied, Conflict."""
    session, own = _hosted(work, live_session_pk)
    participant = _other(work, live_session_pk, participant_pk)
    if participant.user_pk is not None:
        raise Conflict("An account may always draw.")
    participant.may_change = may_change
    if not may_change and session.lead_participant_pk == participant_pk:
        session.lead_participant_pk = own.live_session_participant_pk
    _audit(work, session, "U", "may draw" if may_change else "may look", participant)
    work.publish(LiveSessionChanged(live_session_pk))


def _other(work: Work, live_session_pk: int, participant_pk: int) -> LiveSessionParticipant:
    participant = work.session.get(LiveSessionParticipant, participant_pk)
    if participant is None or participant.live_session_pk != live_session_pk:
        raise NotFound("Nobody of that number takes part.")
    return participant


# Guests -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """What a link's page tells before it is used."""

    invited_by_name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class GuestPass:
    """What a guest's browser keeps."""

    secret: str
    live_session_pk: int
    expires_at: datetime


def look_at_link(offices: Offices, secret: str) -> Link:
    """Who invites. Raises NotFound for a link that is used, run out, revoked or none."""
    with offices.work(Actor.system("together")) as work:
        session, participant = _linked(work, secret)
        name = work.session.scalar(select(User.display_name).where(User.user_pk == participant.invited_by))
        _audit(work, session, "R", "link looked at", participant)
        return Link(name or "", participant.expires_at)


def open_link(offices: Offices, secret: str, name: str, address: str | None) -> GuestPass:
    """Uses a link up: the guest of that name is let in. Raises NotFound, Invalid without a name."""
    name = " ".join(name.split())
    if not 2 <= len(name) <= 80 or not name.isprintable():
        raise Invalid("Say who you are.", fields=[FieldError("name", "your name, as others shall see it")])
    with offices.work(Actor.system("together")) as work:
        session, participant = _linked(work, secret, lock=True)
        own = secrets.token_urlsafe(32)
        participant.display_name = name
        participant.pass_hash = hash_secret(own)
        _audit(work, session, "E", "link opened", participant, address=address)
        work.publish(LiveSessionChanged(session.live_session_pk))
        return GuestPass(own, session.live_session_pk, participant.expires_at)


def _linked(work: Work, secret: str, *, lock: bool = False) -> tuple[LiveSession, LiveSessionParticipant]:
    query = (
        select(LiveSession, LiveSessionParticipant)
        .join(LiveSessionParticipant, LiveSessionParticipant.live_session_pk == LiveSession.live_session_pk)
        .where(
            LiveSessionParticipant.link_hash == hash_secret(secret),
            LiveSessionParticipant.pass_hash.is_(None),
            _stands(work.now()),
        )
    )
    row = work.session.execute(
        query.with_for_update(of=LiveSessionParticipant) if lock else query
    ).one_or_none()
    if row is None:
        work.audit(
            AuditEventID.SECURITY_ALERT,
            "E",
            object_type="live session",
            detail={"link": "refused"},
            outcome=4,
        )
        raise NotFound("This link has been used or has run out. Ask for a new one.")
    return row[0], row[1]


# What the running session asks for -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """The session as it stands: who may be in, who leads. `over`: nobody."""

    over: bool
    lead_participant_pk: int | None
    started_by: int | None
    participants: dict[int, Participant]


def standing(offices: Offices, live_session_pk: int) -> Standing:
    """How the session stands, for the process that keeps it running. It tells nobody of patients."""
    now = offices.clock.now()
    with offices.database.transaction() as db:
        session = db.get(LiveSession, live_session_pk)
        if session is None or session.ended_at is not None or session.expires_at <= now:
            return Standing(True, None, None, {})
        rows = db.scalars(
            select(LiveSessionParticipant).where(
                LiveSessionParticipant.live_session_pk == live_session_pk,
                LiveSessionParticipant.revoked_at.is_(None),
                LiveSessionParticipant.expires_at > now,
            )
        )
        participants = {one.live_session_participant_pk: _shown(one) for one in rows}
        return Standing(False, session.lead_participant_pk, session.started_by, participants)


def participant_of(work: Work, live_session_pk: int) -> int:
    """Who the actor is in a session that they have joined. Raises NotFound."""
    session, participant = _own(work, live_session_pk)
    if participant.joined_at is None:
        raise NotFound("Join the session first.")
    participant.left_at = None
    _audit(work, session, "R", "connected", participant, studies=_studies(work, session))
    return participant.live_session_participant_pk


def load_document(offices: Offices, live_session_pk: int) -> bytes | None:
    """The shared document as it was kept last."""
    with offices.database.transaction() as db:
        return db.scalar(
            select(LiveSessionState.document).where(LiveSessionState.live_session_pk == live_session_pk)
        )


def save_document(offices: Offices, live_session_pk: int, document: bytes) -> None:
    """Keeps the shared document. Who may change it was recorded when they joined; each stroke is not."""
    now = offices.clock.now()
    with offices.database.transaction() as db:
        offices.database.commit_soon(db)
        db.execute(
            insert(LiveSessionState)
            .from_select(
                ["live_session_pk", "document", "saved_at"],
                select(
                    LiveSession.live_session_pk,
                    literal(document, LiveSessionState.document.type),
                    literal(now, LiveSessionState.saved_at.type),
                ).where(LiveSession.live_session_pk == live_session_pk),
            )
            .on_conflict_do_update(
                index_elements=["live_session_pk"], set_={"document": document, "saved_at": now}
            )
        )


def hand_over(work: Work, live_session_pk: int, participant_pk: int) -> None:
    """Gives the lead to another, or takes it where the actor may. Raises Denied, NotFound, Conflict.

    Who leads may give it; who began the session may always take it, and who may draw takes it where nobody has it.
    """
    session, own = _own(work, live_session_pk)
    work.session.refresh(session, with_for_update=True)
    to = _other(work, live_session_pk, participant_pk)
    leads = session.lead_participant_pk == own.live_session_participant_pk
    takes = to is own and (session.started_by == work.actor.user_pk or session.lead_participant_pk is None)
    if not leads and not takes:
        raise Denied("Only who leads can hand the lead over.")
    if not to.may_change or to.revoked_at is not None or to.expires_at <= work.now():
        raise Conflict("This guest may look only. Allow drawing first.")
    session.lead_participant_pk = participant_pk
    _audit(work, session, "U", "lead", to)
    work.publish(LiveSessionChanged(live_session_pk))


def say(work: Work, live_session_pk: int, text: str) -> Message:
    """Keeps what the actor wrote to the others. Raises NotFound, Invalid, Conflict where there is too much of it."""
    session, participant = _own(work, live_session_pk)
    text = text.strip()
    if not 1 <= len(text) <= limits.TOGETHER_MESSAGE_CHARACTERS_MAX:
        raise Invalid(
            "The message is empty or too long.", fields=[FieldError("text", "1 to 2,000 characters")]
        )
    count = work.session.scalar(
        select(func.count())
        .select_from(LiveSessionMessage)
        .where(LiveSessionMessage.live_session_pk == live_session_pk)
    )
    if (count or 0) >= limits.TOGETHER_MESSAGES_MAX:
        raise Conflict("The session holds as many messages as it can.")
    row = LiveSessionMessage(
        live_session_pk=live_session_pk,
        live_session_participant_pk=participant.live_session_participant_pk,
        text=text,
        sent_at=work.now(),
    )
    work.session.add(row)
    work.session.flush()
    _audit(work, session, "C", "message", participant)
    return _message(row)


def messages(work: Work, live_session_pk: int) -> list[Message]:
    """What was said so far, the oldest first. Raises NotFound."""
    session, participant = _own(work, live_session_pk)
    rows = work.session.scalars(
        select(LiveSessionMessage)
        .where(LiveSessionMessage.live_session_pk == live_session_pk)
        .order_by(LiveSessionMessage.live_session_message_pk)
    ).all()
    _audit(work, session, "R", "messages read", participant)
    return [_message(row) for row in rows]


def forget_admissions() -> None:
    """Lets this process ask anew who may see what, so that what was revoked holds for the next picture."""
    the_archive().retrieval.forget()


# ----------------------------------------------------------------------------------------------------------------------


def _message(row: LiveSessionMessage) -> Message:
    return Message(row.live_session_message_pk, row.live_session_participant_pk, row.text, row.sent_at)


def _shown(one: LiveSessionParticipant) -> Participant:
    return Participant(
        one.live_session_participant_pk,
        one.display_name,
        one.user_pk,
        one.user_pk is None,
        one.may_change,
        one.expires_at,
        one.joined_at,
        one.left_at,
        one.revoked_at,
    )


def _studies(work: Work, session: LiveSession) -> list[Study]:
    rows = work.session.scalars(
        select(Study)
        .join(LiveSessionStudy, LiveSessionStudy.study_pk == Study.study_pk)
        .where(LiveSessionStudy.live_session_pk == session.live_session_pk, Study.removal_pk.is_(None))
        .order_by(Study.study_date.desc().nulls_last())
    )
    return sorted(rows, key=lambda one: one.study_pk != session.study_pk)


def _detail(work: Work, session: LiveSession, own: LiveSessionParticipant) -> SessionDetail:
    studies = _studies(work, session)
    patient_pk = next((one.patient_pk for one in studies if one.study_pk == session.study_pk), None)
    told = patient_pk is not None and (_names_patient or work.actor.kind != "guest")
    name = work.session.scalar(select(User.display_name).where(User.user_pk == session.started_by))
    rows = work.session.scalars(
        select(LiveSessionParticipant)
        .where(LiveSessionParticipant.live_session_pk == session.live_session_pk)
        .order_by(LiveSessionParticipant.live_session_participant_pk)
    )
    return SessionDetail(
        session.live_session_pk,
        session.study_pk,
        name or "",
        session.started_at,
        session.expires_at,
        session.lead_participant_pk,
        own.live_session_participant_pk,
        _is_host(work.actor, session, own),
        patient_bars(work, [patient_pk])[patient_pk] if told and patient_pk is not None else None,
        [
            SharedStudy(
                one.study_pk,
                one.study_instance_uid,
                one.study_date,
                one.study_description,
                list(one.modalities_in_study),
            )
            for one in studies
        ],
        [_shown(one) for one in rows],
    )


def _audit(
    work: Work,
    session: LiveSession,
    action: str,
    what: str,
    participant: LiveSessionParticipant | None = None,
    *,
    studies: Any = (),
    address: str | None = None,
) -> None:
    """A record of the session, and one for each study that somebody came to see."""
    detail = {"event": what}
    if participant is not None:
        detail["participant"] = str(participant.live_session_participant_pk)
        detail["name"] = participant.display_name
    if address:
        detail["from"] = address
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        action,
        object_type="live session",
        object_id=session.live_session_pk,
        detail=detail,
    )
    for one in studies:
        work.audit(
            AuditEventID.INSTANCES_ACCESSED,
            "R",
            patient_pk=one.patient_pk,
            study_instance_uid=one.study_instance_uid,
            object_type="live session",
            object_id=session.live_session_pk,
            detail=detail,
        )


def close_expired(work: Work) -> int:
    """Ends sessions whose time is over; returns how many."""
    ended = work.session.scalars(
        update(LiveSession)
        .where(LiveSession.ended_at.is_(None), LiveSession.expires_at <= work.now())
        .values(ended_at=LiveSession.expires_at)
        .returning(LiveSession.live_session_pk)
    ).all()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="live session",
        detail={"event": "ran out", "sessions": ",".join(map(str, ended))[:400]},
    )
    return len(ended)
