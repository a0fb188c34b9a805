"""Signing in: passwords, one-time codes, sessions, tokens, invitations."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import argon2
import pyotp
from sqlalchemy import func, select, update

from wetread.kit import limits
from wetread.kit.clock import Clock
from wetread.kit.errors import (
    Conflict,
    Denied,
    FieldError,
    Invalid,
    NotFound,
    TooMany,
    Unauthenticated,
    WetreadError,
)
from wetread.security import throttle
from wetread.security.keys import MasterKey
from wetread.security.model import ApiToken, Invitation, Practitioner, User, UserSession
from wetread.security.rules import AuditEventID, Permission, Role, permissions_of
from wetread.security.work import Actor, Offices, Work, effective_permissions

_HASHER = argon2.PasswordHasher()  # argon2id, RFC 9106 low-memory profile: 64 MiB, 3 passes
_TOTP_CONTEXT = b"totp"
_TOTP_PERIOD_S = 30
_REMEMBERED = timedelta(seconds=2)
# Refused whatever their length, since they are tried first. Compared without case, digits at the end and spaces.
_COMMON = (
    "password",
    "passwort",
    "wetread",
    "radiology",
    "qwertyuiop",
    "letmein",
    "hospital",
    "administrator",
)


@lru_cache(maxsize=1)
def _decoy_hash() -> str:
    # Verified when no such user exists, so that an answer takes as long either way.
    return _HASHER.hash(secrets.token_hex(16))


def hash_secret(secret: str) -> bytes:
    """What the database keeps of a high-entropy secret (sessions, tokens, invitations)."""
    return hashlib.sha256(secret.encode()).digest()


def check_new_password(password: str, username: str) -> str:
    """The password in NFKC, fit to be hashed; raises Invalid. Length over composition (ASVS 6.2)."""
    password = unicodedata.normalize("NFKC", password)
    reason = None
    if len(password) < limits.PASSWORD_CHARACTERS_MIN:
        reason = f"at least {limits.PASSWORD_CHARACTERS_MIN} characters; a few words make a good one"
    elif len(password) > limits.PASSWORD_CHARACTERS_MAX:
        reason = f"at most {limits.PASSWORD_CHARACTERS_MAX} characters"
    else:
        plain = password.casefold().replace(" ", "").rstrip("0123456789!.")
        if plain in {word * n for word in (*_COMMON, username.casefold()) for n in (1, 2, 3)}:
            reason = "too easy to guess"
        elif len(set(plain)) < 5:
            reason = "too few different characters"
    if reason:
        raise Invalid("The password cannot be used.", fields=[FieldError("password", reason)])
    return password


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session: the secret goes into the cookie and nowhere else."""

    secret: str
    actor: Actor
    must_enrol: bool


class WrongCode(Unauthenticated):
    """The password was right and the authenticator's code was not: a failure that counts, at the field `totp`."""


class Identity:
    """Signs people in and out. Every answer about a wrong name, password or code is the same."""

    def __init__(
        self,
        offices: Offices,
        master_key: MasterKey,
        *,
        idle_s: int = limits.SESSION_IDLE_S,
        mfa_required: bool = False,
    ) -> None:
        """`mfa_required`: of every account, also of those that were made without."""
        self.offices = offices
        self.master_key = master_key
        self.idle = timedelta(seconds=idle_s)
        self.mfa_required = mfa_required
        # A viewer asks for hundreds of frames a second; what ends a session reaches every door within two seconds.
        self._recent: dict[bytes, tuple[datetime, Actor]] = {}

    @property
    def clock(self) -> Clock:
        return self.offices.clock

    def sign_in(
        self, username: str, password: str, totp: str | None, *, address: str | None, user_agent: str | None
    ) -> SignedIn:
        """A new session. Raises Unauthenticated (`totp` named in fields where only the code is missing) or TooMany."""
        with self._counted(address):
            return self._sign_in(username, password, totp, address, user_agent)

    @contextmanager
    def _counted(self, address: str | None) -> Iterator[None]:
        """Counts what fails within against the network address. Raises TooMany where it failed too often."""
        if address is None:  # a Unix socket, whose other end is a program of this machine
            yield
            return
        key = throttle.throttle_key(address)
        with self.offices.database.transaction() as db:
            wait_s = throttle.take(db, key, self.clock.now())
        if wait_s:
            with self.offices.work(Actor.system("sign-in")) as work:
                work.audit(
                    AuditEventID.USER_AUTHENTICATION,
                    "E",
                    object_type="network address",
                    object_id=key,
                    detail={"type": "110122", "result": "too many from this address", "from": address},
                    outcome=4,
                )
            raise TooMany("Too many attempts from your network. Wait a little.", retry_after_s=wait_s)
        failed = True
        try:
            yield
            failed = False
        except WetreadError as error:
            # Where a field is named, what was secret was right: the code is still missing, the new password too weak.
            failed = isinstance(error, (Unauthenticated, TooMany, NotFound)) and (
                not error.fields or isinstance(error, WrongCode)
            )
            raise
        finally:
            if not failed:
                with self.offices.database.transaction() as db:
                    throttle.give_back(db, key)

    def _sign_in(
        self, username: str, password: str, totp: str | None, address: str | None, user_agent: str | None
    ) -> SignedIn:
        refused: Exception | None = None
        with self.offices.work(Actor.system("sign-in")) as work:
            name = username.strip().lower()
            user = work.session.scalar(
                select(User).where(User.username == name).with_for_update(key_share=True)
            )
            try:
                self._prove(work, name, user, password, totp)
            except (Unauthenticated, TooMany) as error:
                refused = error
                work.audit(
                    AuditEventID.USER_AUTHENTICATION,
                    "E",
                    object_type="user",
                    object_id=user.user_pk if user else None,
                    detail={"type": "110122", "result": "refused", "from": address or ""},
                    outcome=4,
                )
            else:
                assert user is not None
                secret = secrets.token_urlsafe(32)
                now = work.now()
                session = UserSession(
                    user_pk=user.user_pk,
                    secret_hash=hash_secret(secret),
                    created_at=now,
                    last_seen_at=now,
                    expires_at=now + timedelta(seconds=limits.SESSION_ABSOLUTE_S),
                    network_address=address,
                    user_agent=(user_agent or "")[:256] or None,
                )
                work.session.add(session)
                work.session.flush()
                actor = self._person(user, address, session.user_session_pk)
                work.audit(
                    AuditEventID.USER_AUTHENTICATION,
                    "E",
                    object_type="user",
                    object_id=user.user_pk,
                    detail={"type": "110122", "result": "signed in", "from": address or ""},
                )
                return SignedIn(secret, actor, self._must_enrol(user))
        raise refused

    def _prove(self, work: Work, name: str, user: User | None, password: str, totp: str | None) -> None:
        wrong = Unauthenticated("The name, the password or the code is not right.")
        now = work.now()
        failures = throttle.failures_of(work.session, name, now)
        if failures.locked_until is not None and failures.locked_until > now:
            wait = int((failures.locked_until - now).total_seconds()) + 1
            raise TooMany("Too many attempts. Wait, or ask an administrator.", retry_after_s=wait)
        known = user is not None and not user.disabled and user.password_hash is not None
        try:
            _HASHER.verify(
                user.password_hash if known and user else _decoy_hash(),  # type: ignore[arg-type]
                unicodedata.normalize("NFKC", password)[: limits.PASSWORD_CHARACTERS_MAX],
            )
            proved = known
        except argon2.exceptions.VerificationError:
            proved = False
        if proved and user is not None and user.totp_secret is not None:
            if not totp:
                raise Unauthenticated(
                    "Enter the code of your authenticator.", fields=[FieldError("totp", "required")]
                )
            if not self._check_totp(work, user, totp):
                # That the password was right is known since the code was asked for.
                proved = False
                wrong = self._why_not_totp(work, user, totp)
        if not proved:
            throttle.count_failure(failures, now)
            raise wrong
        throttle.forget_failures(work.session, name)

    def _check_totp(self, work: Work, user: User, code: str) -> bool:
        step = self._step_of_totp(work, user, code)
        if step is None or (user.totp_last_step is not None and step <= user.totp_last_step):
            return False
        user.totp_last_step = step
        return True

    def _step_of_totp(self, work: Work, user: User, code: str) -> int | None:
        """The period whose code this is: the present one or a neighbour. Used up or not."""
        assert user.totp_secret is not None
        secret = self.master_key.unseal(user.totp_secret, _TOTP_CONTEXT + str(user.user_pk).encode()).decode()
        totp = pyotp.TOTP(secret)
        step = int(work.now().timestamp()) // _TOTP_PERIOD_S
        given = code.strip().replace(" ", "").encode()  # as text only ASCII could be compared
        for candidate in (step, step - 1, step + 1):
            if secrets.compare_digest(totp.at(candidate * _TOTP_PERIOD_S).encode(), given):
                return candidate
        return None

    def _why_not_totp(self, work: Work, user: User, code: str) -> WrongCode:
        if self._step_of_totp(work, user, code) is None:
            return WrongCode(
                "The code of the authenticator does not match.", fields=[FieldError("totp", "does not match")]
            )
        # RFC 6238 5.2: a code is good once. Who signs in and signs within half a minute meets this.
        return WrongCode(
            "This code was used already. Wait until the authenticator shows the next one.",
            fields=[FieldError("totp", "was used already; wait for the next one")],
        )

    def actor_of_session(self, secret: str, address: str | None) -> Actor:
        """The actor of a cookie; moves the idle clock. Raises Unauthenticated."""
        return self._remember(secret, lambda: self._actor_of_session(secret, address))

    def _remember(self, secret: str, look_up: Callable[[], Actor]) -> Actor:
        now, key = self.clock.now(), hash_secret(secret)
        kept = self._recent.get(key)
        if kept is not None and timedelta() <= now - kept[0] < _REMEMBERED:
            return kept[1]
        actor = look_up()
        if len(self._recent) > 4096:
            self._recent.clear()
        self._recent[key] = (now, actor)
        return actor

    def _actor_of_session(self, secret: str, address: str | None) -> Actor:
        now = self.clock.now()
        with self.offices.database.transaction() as db:
            row = db.execute(
                select(UserSession, User)
                .join(User, User.user_pk == UserSession.user_pk)
                .where(UserSession.secret_hash == hash_secret(secret))
            ).one_or_none()
            if row is None:
                raise Unauthenticated("You are not signed in.")
            session, user = row
            if (
                session.ended_at is not None
                or user.disabled
                or session.expires_at <= now
                or session.last_seen_at + self.idle <= now
            ):
                raise Unauthenticated("Your session has ended. Your work is kept; sign in again.")
            if now - session.last_seen_at > timedelta(seconds=15):
                session.last_seen_at = now
            return self._person(user, address, session.user_session_pk)

    def _must_enrol(self, user: User) -> bool:
        return (self.mfa_required or user.mfa_required) and user.totp_secret is None

    def _person(self, user: User, address: str | None, session_pk: int) -> Actor:
        """Until a required authenticator is enrolled, only the own account is open."""
        actor = actor_of(user, kind="user", address=address, session_pk=session_pk)
        return replace(actor, permissions=frozenset({Permission.SELF})) if self._must_enrol(user) else actor

    def actor_of_token(self, token: str, address: str | None) -> Actor:
        """The actor of a bearer token. Raises Unauthenticated."""
        return self._remember(token, lambda: self._actor_of_token(token, address))

    def _actor_of_token(self, token: str, address: str | None) -> Actor:
        now = self.clock.now()
        with self.offices.database.transaction() as db:
            row = db.execute(
                select(ApiToken, User)
                .join(User, User.user_pk == ApiToken.user_pk)
                .where(ApiToken.secret_hash == hash_secret(token))
            ).one_or_none()
            if row is None:
                raise Unauthenticated("The token is not valid.")
            kept, user = row
            if kept.revoked_at is not None or user.disabled or (kept.expires_at and kept.expires_at <= now):
                raise Unauthenticated("The token is not valid.")
            if kept.last_used_at is None or now - kept.last_used_at > timedelta(minutes=1):
                kept.last_used_at = now
            return actor_of(user, kind="token", address=address, scopes=kept.scopes)

    def sign_out(self, actor: Actor) -> None:
        """Ends the actor's session."""
        self._recent.clear()
        with self.offices.work(actor) as work:
            work.session.execute(
                update(UserSession)
                .where(UserSession.user_session_pk == actor.session_pk)
                .values(ended_at=work.now())
            )
            work.audit(
                AuditEventID.USER_AUTHENTICATION, "E", detail={"type": "110123", "result": "signed out"}
            )

    def begin_totp(self, work: Work) -> tuple[str, str]:
        """A new authenticator secret for the actor, as (base32, otpauth URI); counts once confirmed by a code."""
        user = _own(work)
        if user.totp_secret is not None:
            raise Conflict("An authenticator is already enrolled. Ask an administrator to reset it.")
        secret = pyotp.random_base32()
        return secret, pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name="Wetread")

    def has_totp(self, work: Work) -> bool:
        """True where the actor has an authenticator."""
        return _own(work).totp_secret is not None

    def confirm_totp(self, work: Work, secret: str, code: str) -> None:
        """Enrols the authenticator that shows `code` for `secret`. Raises Invalid."""
        user = _own(work)
        if user.totp_secret is not None:
            raise Conflict("An authenticator is already enrolled.")
        if len(secret) < 32:
            raise Invalid("Start the enrolment again.", fields=[FieldError("secret", "not ours")])
        user.totp_secret = self.master_key.seal(secret.encode(), _TOTP_CONTEXT + str(user.user_pk).encode())
        user.totp_last_step = None
        if not self._check_totp(work, user, code):
            raise Invalid("The code does not match.", fields=[FieldError("totp", "does not match")])
        work.audit(
            AuditEventID.SECURITY_ALERT,
            "U",
            object_type="user",
            object_id=user.user_pk,
            detail={"change": "authenticator enrolled"},
        )

    def reauthenticate(self, work: Work, password: str, totp: str | None) -> None:
        """Proves again that the actor is there, e.g. for a signature. Raises Denied, after counting the failure."""
        # In a transaction of its own: a failure must count even though the caller's work rolls back.
        refused: Exception | None = None
        with self.offices.work(work.actor) as attempt:
            user = _own(attempt, lock=True)
            try:
                self._prove(attempt, user.username, user, password, totp)
            except (Unauthenticated, TooMany) as error:
                refused = error
            attempt.audit(
                AuditEventID.USER_AUTHENTICATION,
                "E",
                object_type="user",
                object_id=user.user_pk,
                detail={"type": "re-authentication", "result": "refused" if refused else "proved"},
                outcome=4 if refused else 0,
            )
        if isinstance(refused, Unauthenticated):
            fields = refused.fields or [FieldError("password", "not right")]
            raise Denied(
                refused.detail if refused.fields else "The password or the code is not right.", fields=fields
            )
        if refused is not None:
            raise refused

    def invite(self, work: Work, user_pk: int) -> str:
        """A one-time secret with which the user sets a password. Earlier invitations end."""
        work.require(Permission.USER_ADMIN)
        work.session.execute(
            update(Invitation)
            .where(Invitation.user_pk == user_pk, Invitation.used_at.is_(None))
            .values(used_at=work.now())
        )
        secret = secrets.token_urlsafe(32)
        work.session.add(
            Invitation(
                user_pk=user_pk,
                secret_hash=hash_secret(secret),
                expires_at=work.now() + timedelta(seconds=limits.INVITATION_S),
            )
        )
        work.session.flush()
        work.audit(AuditEventID.SECURITY_ALERT, "C", object_type="invitation", object_id=user_pk)
        return secret

    def accept_invitation(self, secret: str, password: str, *, address: str | None = None) -> str:
        """Sets the password of the invited user and returns the user name. Raises NotFound, Invalid, TooMany."""
        with self._counted(address):
            return self._accept_invitation(secret, password)

    def _accept_invitation(self, secret: str, password: str) -> str:
        with self.offices.work(Actor.system("sign-in")) as work:
            row = work.session.execute(
                select(Invitation, User)
                .join(User, User.user_pk == Invitation.user_pk)
                .where(Invitation.secret_hash == hash_secret(secret))
                .with_for_update()
            ).one_or_none()
            if row is None or row[0].used_at is not None or row[0].expires_at <= work.now():
                raise NotFound("This link has been used or has run out. Ask for a new one.")
            invitation, user = row
            set_password(user, password)
            throttle.forget_failures(work.session, user.username)
            invitation.used_at = work.now()
            end_sessions(work, user.user_pk)
            work.audit(
                AuditEventID.SECURITY_ALERT,
                "U",
                object_type="user",
                object_id=user.user_pk,
                detail={"change": "password set by invitation"},
            )
            return user.username


def actor_of(
    user: User,
    *,
    kind: str,
    address: str | None,
    session_pk: int | None = None,
    scopes: list[str] | None = None,
) -> Actor:
    """The actor that a user is, with all that the roles and scopes allow."""
    roles = frozenset(Role(role) for role in user.roles)
    permissions = effective_permissions(roles, scopes or [])
    return Actor(
        user.user_pk,
        user.username,
        user.display_name,
        roles,
        permissions,
        "user" if kind == "user" else "token",
        practitioner_pk=user.practitioner_pk,
        site_pks=None if user.site_pks is None else frozenset(user.site_pks),
        network_address=address,
        session_pk=session_pk,
    )


def set_password(user: User, password: str) -> None:
    """Checks and hashes; raises Invalid."""
    user.password_hash = _HASHER.hash(check_new_password(password, user.username))


def check_practitioner(work: Work, practitioner_pk: int | None, *, user_pk: int | None = None) -> None:
    """Whether an account (`user_pk`, if it is there already) can be this physician's, whose results it then sees.

    Raises Invalid for an unknown physician, Conflict where another open account is theirs.
    """
    if practitioner_pk is None:
        return
    # Locked, so that two administrators at once see each other.
    if (
        work.session.scalar(
            select(Practitioner.practitioner_pk)
            .where(Practitioner.practitioner_pk == practitioner_pk)
            .with_for_update(key_share=True)
        )
        is None
    ):
        raise Invalid("The physician is not known.", fields=[FieldError("practitioner_pk", "not known")])
    holder = work.session.scalar(
        select(User.username).where(
            User.practitioner_pk == practitioner_pk, ~User.disabled, User.user_pk != (user_pk or 0)
        )
    )
    if holder is not None:
        raise Conflict(
            f"This physician has an account already: {holder}.",
            fields=[FieldError("practitioner_pk", f"is {holder}; disable or unlink that account first")],
        )


def end_sessions(work: Work, user_pk: int) -> None:
    """Ends every session of the user, at once."""
    work.session.execute(
        update(UserSession)
        .where(UserSession.user_pk == user_pk, UserSession.ended_at.is_(None))
        .values(ended_at=work.now())
    )


def create_user(
    work: Work,
    *,
    username: str,
    display_name: str,
    roles: list[Role],
    practitioner_pk: int | None = None,
    site_pks: list[int] | None = None,
    password: str | None = None,
    mfa_required: bool = True,
) -> User:
    """A new account, without a password unless one is given (then an invitation sets it). Raises Conflict, Invalid."""
    work.require(Permission.USER_ADMIN)
    username = username.strip().lower()
    if not username or not username.replace(".", "").replace("-", "").replace("_", "").isalnum():
        raise Invalid(
            "The user name cannot be used.",
            fields=[FieldError("username", "letters, digits, point, dash and underscore")],
        )
    if not roles:
        raise Invalid("A user needs a role.", fields=[FieldError("roles", "at least one")])
    if work.session.scalar(select(func.count()).where(User.username == username)):
        raise Conflict("This user name is taken.", fields=[FieldError("username", "taken")])
    check_practitioner(work, practitioner_pk)
    user = User(
        username=username,
        display_name=display_name.strip(),
        roles=[role.value for role in roles],
        practitioner_pk=practitioner_pk,
        site_pks=site_pks,
        mfa_required=mfa_required,
        created_at=work.now(),
    )
    if password is not None:
        set_password(user, password)
    work.session.add(user)
    work.session.flush()
    work.audit(
        AuditEventID.SECURITY_ALERT,
        "C",
        object_type="user",
        object_id=user.user_pk,
        detail={"roles": ",".join(sorted(user.roles))},
    )
    return user


def create_token(
    work: Work, user_pk: int, label: str, scopes: list[str], *, days: int | None
) -> tuple[ApiToken, str]:
    """A bearer token of the user; the secret is shown once. Scopes are permissions the user holds; empty means all."""
    if work.actor.user_pk != user_pk:
        work.require(Permission.USER_ADMIN)
    user = work.session.get(User, user_pk)
    if user is None:
        raise NotFound("No such user.")
    held = permissions_of(frozenset(Role(role) for role in user.roles))
    unknown = [scope for scope in scopes if scope not in held]
    if unknown:
        raise Invalid(
            "A token cannot hold more than its user.", fields=[FieldError("scopes", ", ".join(unknown))]
        )
    secret = "wtr_" + secrets.token_urlsafe(32)
    token = ApiToken(
        user_pk=user_pk,
        label=label,
        secret_hash=hash_secret(secret),
        scopes=scopes,
        created_at=work.now(),
        expires_at=None if days is None else work.now() + timedelta(days=days),
    )
    work.session.add(token)
    work.session.flush()
    work.audit(
        AuditEventID.SECURITY_ALERT,
        "C",
        object_type="api_token",
        object_id=token.api_token_pk,
        detail={"user": user.username},
    )
    return token, secret


def _own(work: Work, *, lock: bool = False) -> User:
    query = select(User).where(User.user_pk == work.actor.user_pk)
    # Not against FOR KEY SHARE: the caller's own transaction may just have put this user's key into another row.
    user = work.session.scalar(query.with_for_update(key_share=True) if lock else query)
    if user is None:
        raise Denied("Only a person's own account can do this.")
    return user
