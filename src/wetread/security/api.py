"""HTTP: session, account, users, tokens, sites, practitioners, audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import qrcode
import qrcode.image.svg
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update

from wetread.kit import limits
from wetread.kit.errors import FieldError, Invalid, NotFound
from wetread.security.door import COOKIE, SECURE_COOKIE, Gate, door, security_of, stream_door
from wetread.security.model import ApiToken, AuditRecord, Practitioner, Site, User, UserSession
from wetread.security.service import (
    Actor,
    AuditEventID,
    Permission,
    Role,
    Work,
    accounts_of,
    add_practitioner,
    change_practitioner,
    check_practitioner,
    create_token,
    create_user,
    end_sessions,
)

router = APIRouter(prefix="/api", tags=["security"])


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused (mass assignment)."""

    model_config = ConfigDict(extra="forbid")


class ActorOut(BaseModel):
    user_pk: int | None
    username: str
    display_name: str
    roles: list[Role]
    permissions: list[Permission]
    practitioner_pk: int | None
    must_enrol_totp: bool
    idle_s: int


class SignInIn(Body):
    username: str = Field(max_length=64)
    password: str = Field(max_length=1024)
    totp: str | None = Field(None, max_length=10)


def _actor_out(request: Request, actor: Actor, *, must_enrol: bool) -> ActorOut:
    return ActorOut(
        user_pk=actor.user_pk,
        username=actor.username,
        display_name=actor.display_name,
        roles=sorted(actor.roles),
        permissions=sorted(actor.permissions),
        practitioner_pk=actor.practitioner_pk,
        must_enrol_totp=must_enrol,
        idle_s=int(security_of(request).identity.idle.total_seconds()),
    )


@router.post("/session")
def sign_in(body: SignInIn, request: Request, response: Response) -> ActorOut:
    """Signs in and sets the session cookie. 401 names `totp` where only the code is missing; 429 says when to try again."""
    security = security_of(request)
    signed_in = security.identity.sign_in(
        body.username,
        body.password,
        body.totp,
        address=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
    )
    response.set_cookie(
        SECURE_COOKIE if security.secure_cookies else COOKIE,
        signed_in.secret,
        httponly=True,
        secure=security.secure_cookies,
        samesite="strict",
        path="/",
        max_age=limits.SESSION_ABSOLUTE_S,
    )
    return _actor_out(request, signed_in.actor, must_enrol=signed_in.must_enrol)


@router.get("/session")
def who_am_i(request: Request, gate: Gate = stream_door(Permission.SELF)) -> ActorOut:
    """The signed-in actor. Also keeps the session awake."""
    must_enrol = gate.actor.permissions == frozenset({Permission.SELF}) and bool(gate.actor.roles)
    return _actor_out(request, gate.actor, must_enrol=must_enrol)


@router.delete("/session", status_code=204)
def sign_out(request: Request, response: Response, gate: Gate = stream_door(Permission.SELF)) -> None:
    """Ends the session and clears what the browser kept."""
    security = security_of(request)
    security.identity.sign_out(gate.actor)
    response.delete_cookie(SECURE_COOKIE if security.secure_cookies else COOKIE, path="/")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


class TotpOut(BaseModel):
    secret: str
    uri: str
    qr_svg: str


class TotpIn(Body):
    secret: str = Field(max_length=64)
    totp: str = Field(max_length=10)


class TotpStateOut(BaseModel):
    enrolled: bool


@router.get("/account/totp")
def totp(request: Request, work: Work = door(Permission.SELF)) -> TotpStateOut:
    """Whether the actor has an authenticator."""
    return TotpStateOut(enrolled=security_of(request).identity.has_totp(work))


@router.post("/account/totp")
def begin_totp(request: Request, work: Work = door(Permission.SELF)) -> TotpOut:
    """A new authenticator secret with its QR code; it counts once confirmed."""
    secret, uri = security_of(request).identity.begin_totp(work)
    work.audit(AuditEventID.SECURITY_ALERT, "E", object_type="user", object_id=work.actor.user_pk)
    image = qrcode.make(uri, image_factory=qrcode.image.svg.SvgPathImage, box_size=12)
    return TotpOut(secret=secret, uri=uri, qr_svg=image.to_string(encoding="unicode"))


@router.put("/account/totp", status_code=204)
def confirm_totp(body: TotpIn, request: Request, work: Work = door(Permission.SELF)) -> None:
    """Enrols the authenticator."""
    security_of(request).identity.confirm_totp(work, body.secret, body.totp)


Chosen = Annotated[str, Field(max_length=120)]


class Hands(Body):
    """What a person's keys and mouse buttons do, where that is not the usual: by the client's own names."""

    keys: dict[Chosen, Chosen] = Field(default_factory=dict, max_length=limits.OWN_KEYS_MAX)
    mouse: dict[Literal["right", "middle"], Literal["scroll", "window", "zoom", "pan"]] = Field(
        default_factory=dict
    )


@router.get("/account/hands")
def my_hands(work: Work = door(Permission.SELF)) -> Hands:
    """The same at every workstation."""
    kept = work.session.scalar(select(User.hands).where(User.user_pk == work.actor.user_pk))
    return Hands.model_validate(kept or {})


@router.put("/account/hands", status_code=204)
def keep_my_hands(body: Hands, work: Work = door(Permission.SELF)) -> None:
    """In place of what was kept before."""
    work.session.execute(
        update(User).where(User.user_pk == work.actor.user_pk).values(hands=body.model_dump(mode="json"))
    )
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="hands",
        object_id=work.actor.user_pk,
        detail={"keys": str(len(body.keys)), "mouse": str(len(body.mouse))},
    )


class SessionOut(BaseModel):
    user_session_pk: int
    created_at: datetime
    last_seen_at: datetime
    network_address: str | None
    user_agent: str | None
    current: bool


@router.get("/account/sessions")
def my_sessions(work: Work = door(Permission.SELF)) -> list[SessionOut]:
    """Where one is signed in."""
    rows = work.session.scalars(
        select(UserSession)
        .where(
            UserSession.user_pk == work.actor.user_pk,
            UserSession.ended_at.is_(None),
            UserSession.expires_at > work.now(),
        )
        .order_by(UserSession.last_seen_at.desc())
    )
    return [
        SessionOut(
            user_session_pk=row.user_session_pk,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            network_address=row.network_address,
            user_agent=row.user_agent,
            current=row.user_session_pk == work.actor.session_pk,
        )
        for row in rows
    ]


@router.delete("/account/sessions/{user_session_pk}", status_code=204)
def end_my_session(user_session_pk: int, work: Work = door(Permission.SELF)) -> None:
    """Signs out elsewhere."""
    ended = work.session.execute(
        update(UserSession)
        .where(UserSession.user_session_pk == user_session_pk, UserSession.user_pk == work.actor.user_pk)
        .values(ended_at=work.now())
        .returning(UserSession.user_session_pk)
    ).first()
    if ended is None:
        raise NotFound("No such session.")
    work.audit(AuditEventID.USER_AUTHENTICATION, "E", object_type="session", object_id=user_session_pk)


class InvitationIn(Body):
    secret: str = Field(max_length=128)
    password: str = Field(max_length=1024)


class InvitationAccepted(BaseModel):
    username: str


@router.post("/invitation")
def accept_invitation(body: InvitationIn, request: Request) -> InvitationAccepted:
    """Sets one's password with a one-time link."""
    return InvitationAccepted(
        username=security_of(request).identity.accept_invitation(
            body.secret, body.password, address=request.client.host if request.client else None
        )
    )


class UserIn(Body):
    username: str = Field(max_length=64)
    display_name: str = Field(min_length=1, max_length=128)
    roles: list[Role]
    practitioner_pk: int | None = None
    site_pks: list[int] | None = None


class UserPatch(Body):
    display_name: str | None = Field(None, min_length=1, max_length=128)
    roles: list[Role] | None = None
    practitioner_pk: int | None = None
    disabled: bool | None = None
    reset_totp: bool = False


class UserOut(BaseModel):
    user_pk: int
    username: str
    display_name: str
    roles: list[Role]
    practitioner_pk: int | None
    site_pks: list[int] | None
    has_password: bool
    has_totp: bool
    mfa_required: bool
    disabled: bool
    created_at: datetime


class UserPage(BaseModel):
    items: list[UserOut]
    next_cursor: str | None = None
    total: int


class InvitedOut(BaseModel):
    user: UserOut
    invitation_path: str


def _user_out(user: User) -> UserOut:
    return UserOut(
        user_pk=user.user_pk,
        username=user.username,
        display_name=user.display_name,
        roles=[Role(role) for role in user.roles],
        practitioner_pk=user.practitioner_pk,
        site_pks=user.site_pks,
        has_password=user.password_hash is not None,
        has_totp=user.totp_secret is not None,
        mfa_required=user.mfa_required,
        disabled=user.disabled,
        created_at=user.created_at,
    )


@router.get("/users")
def users(work: Work = door(Permission.USER_ADMIN)) -> UserPage:
    """Every account."""
    rows = work.session.scalars(select(User).order_by(User.username)).all()
    return UserPage(items=[_user_out(user) for user in rows], total=len(rows))


@router.post("/users", status_code=201)
def add_user(body: UserIn, request: Request, work: Work = door(Permission.USER_ADMIN)) -> InvitedOut:
    """A new account with its one-time link."""
    user = create_user(
        work,
        username=body.username,
        display_name=body.display_name,
        roles=body.roles,
        practitioner_pk=body.practitioner_pk,
        site_pks=body.site_pks,
    )
    secret = security_of(request).identity.invite(work, user.user_pk)
    return InvitedOut(user=_user_out(user), invitation_path=f"/welcome#{secret}")


@router.post("/users/{user_pk}/invitation", status_code=201)
def invite_again(user_pk: int, request: Request, work: Work = door(Permission.USER_ADMIN)) -> InvitedOut:
    """A new one-time link; earlier ones end."""
    user = _user(work, user_pk)
    return InvitedOut(
        user=_user_out(user),
        invitation_path=f"/welcome#{security_of(request).identity.invite(work, user_pk)}",
    )


@router.patch("/users/{user_pk}")
def change_user(user_pk: int, body: UserPatch, work: Work = door(Permission.USER_ADMIN)) -> UserOut:
    """Changes an account; its sessions end at once where rights or factors change."""
    user = _user(work, user_pk)
    if user_pk == work.actor.user_pk and (body.disabled or (body.roles and Role.ADMIN not in body.roles)):
        raise Invalid(
            "You would lock yourself out.", fields=[FieldError("roles", "keep administrator for yourself")]
        )
    if body.display_name is not None:
        user.display_name = body.display_name
    if body.roles is not None:
        if not body.roles:
            raise Invalid("A user needs a role.", fields=[FieldError("roles", "at least one")])
        user.roles = [role.value for role in body.roles]
    if "practitioner_pk" in body.model_fields_set:
        user.practitioner_pk = body.practitioner_pk
    if body.disabled is not None:
        user.disabled = body.disabled
    if not user.disabled and ("practitioner_pk" in body.model_fields_set or body.disabled is not None):
        with work.session.no_autoflush:
            check_practitioner(work, user.practitioner_pk, user_pk=user_pk)
    if body.reset_totp:
        user.totp_secret = None
    if body.disabled or body.reset_totp or body.roles is not None:
        end_sessions(work, user_pk)
    work.audit(
        AuditEventID.SECURITY_ALERT,
        "U",
        object_type="user",
        object_id=user_pk,
        detail={"fields": ",".join(sorted(body.model_fields_set))},
    )
    return _user_out(user)


def _user(work: Work, user_pk: int) -> User:
    user = work.session.get(User, user_pk)
    if user is None:
        raise NotFound("No such user.")
    return user


class TokenIn(Body):
    label: str = Field(min_length=1, max_length=64)
    scopes: list[Permission] = []
    days: int | None = Field(90, ge=1, le=366)


class TokenOut(BaseModel):
    api_token_pk: int
    user_pk: int
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    token: str | None = None


def _token_out(token: ApiToken, secret: str | None = None) -> TokenOut:
    return TokenOut(
        api_token_pk=token.api_token_pk,
        user_pk=token.user_pk,
        label=token.label,
        scopes=token.scopes,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        last_used_at=token.last_used_at,
        token=secret,
    )


@router.get("/users/{user_pk}/tokens")
def tokens(user_pk: int, work: Work = door(Permission.USER_ADMIN)) -> list[TokenOut]:
    """Tokens of a user, newest first."""
    rows = work.session.scalars(
        select(ApiToken).where(ApiToken.user_pk == user_pk).order_by(ApiToken.api_token_pk.desc())
    )
    return [_token_out(token) for token in rows]


@router.post("/users/{user_pk}/tokens", status_code=201)
def add_token(user_pk: int, body: TokenIn, work: Work = door(Permission.USER_ADMIN)) -> TokenOut:
    """A new token; `token` is shown this once."""
    token, secret = create_token(
        work, user_pk, body.label, [scope.value for scope in body.scopes], days=body.days
    )
    return _token_out(token, secret)


@router.delete("/tokens/{api_token_pk}", status_code=204)
def revoke_token(api_token_pk: int, work: Work = door(Permission.USER_ADMIN)) -> None:
    """Ends a token."""
    token = work.session.get(ApiToken, api_token_pk)
    if token is None:
        raise NotFound("No such token.")
    token.revoked_at = token.revoked_at or work.now()
    work.audit(AuditEventID.SECURITY_ALERT, "D", object_type="api_token", object_id=api_token_pk)


class SiteFields(Body):
    code: str = Field(min_length=1, max_length=16)
    institution_name: str = Field(min_length=1, max_length=64)
    time_zone: str = Field(max_length=64)
    address_line: str | None = Field(None, max_length=55)
    city: str | None = Field(None, max_length=30)
    state: str | None = Field(None, max_length=2)
    postal_code: str | None = Field(None, max_length=15)
    phone: str | None = Field(None, max_length=32)
    npi: str | None = Field(None, max_length=10)
    tax_id: str | None = Field(None, max_length=9)
    place_of_service: str = Field("11", min_length=2, max_length=2)
    bills_global: bool = True


class SiteOut(SiteFields):
    model_config = ConfigDict(from_attributes=True)

    site_pk: int


@router.get("/sites")
def sites(work: Work = door(Permission.SELF)) -> list[SiteOut]:
    """Every site."""
    return [SiteOut.model_validate(site) for site in work.session.scalars(select(Site).order_by(Site.code))]


@router.post("/sites", status_code=201)
def add_site(body: SiteFields, work: Work = door(Permission.CONFIG_WRITE)) -> SiteOut:
    """A new site."""
    _check_time_zone(body.time_zone)
    site = Site(**body.model_dump())
    work.session.add(site)
    work.session.flush()
    work.audit(AuditEventID.SECURITY_ALERT, "C", object_type="site", object_id=site.site_pk)
    return SiteOut.model_validate(site)


@router.put("/sites/{site_pk}")
def change_site(site_pk: int, body: SiteFields, work: Work = door(Permission.CONFIG_WRITE)) -> SiteOut:
    """Changes a site's particulars."""
    _check_time_zone(body.time_zone)
    site = work.session.get(Site, site_pk)
    if site is None:
        raise NotFound("No such site.")
    for name, value in body.model_dump().items():
        setattr(site, name, value)
    work.audit(AuditEventID.SECURITY_ALERT, "U", object_type="site", object_id=site_pk)
    return SiteOut.model_validate(site)


def _check_time_zone(name: str) -> None:
    from zoneinfo import available_timezones

    if name not in available_timezones():
        raise Invalid(
            "The time zone is not known.",
            fields=[FieldError("time_zone", "an IANA name, e.g. Europe/Berlin")],
        )


class PractitionerIn(Body):
    person_name: str = Field(min_length=1, max_length=324)
    npi: str | None = Field(None, max_length=10)
    taxonomy_code: str | None = Field(None, max_length=10)
    phone: str | None = Field(None, max_length=32)
    email: str | None = Field(None, max_length=254)


class PractitionerPatch(Body):
    person_name: str | None = Field(None, min_length=1, max_length=324)
    npi: str | None = Field(None, max_length=10)
    taxonomy_code: str | None = Field(None, max_length=10)
    phone: str | None = Field(None, max_length=32)
    email: str | None = Field(None, max_length=254)


class PractitionerOut(BaseModel):
    """A physician; `user_pk` and `user_display_name` of the account with which they sign in, where there is one."""

    practitioner_pk: int
    person_name: str
    npi: str | None
    taxonomy_code: str | None
    phone: str | None
    email: str | None
    user_pk: int | None
    user_display_name: str | None


def _practitioners_out(work: Work, rows: Sequence[Practitioner]) -> list[PractitionerOut]:
    accounts = accounts_of(work, [row.practitioner_pk for row in rows])
    return [
        PractitionerOut(
            practitioner_pk=row.practitioner_pk,
            person_name=row.person_name,
            npi=row.npi,
            taxonomy_code=row.taxonomy_code,
            phone=row.phone,
            email=row.email,
            user_pk=account.user_pk if account else None,
            user_display_name=account.display_name if account else None,
        )
        for row in rows
        for account in [accounts.get(row.practitioner_pk)]
    ]


class FindPractitionersIn(Body):
    text: str = Field("", max_length=limits.SEARCH_TEXT_CHARACTERS_MAX)
    limit: int = Field(50, ge=1, le=limits.PAGE_ITEMS_MAX)


@router.get("/practitioners")
def practitioners(
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 50,
    work: Work = door(Permission.SELF),
) -> list[PractitionerOut]:
    """Physicians by name."""
    return _found_practitioners(work, "", limit)


@router.post("/practitioners/find")
def find_practitioners(
    body: FindPractitionersIn, work: Work = door(Permission.SELF)
) -> list[PractitionerOut]:
    """Physicians by parts of the name or by NPI."""
    return _found_practitioners(work, body.text, body.limit)


def _found_practitioners(work: Work, text: str, limit: int) -> list[PractitionerOut]:
    query = select(Practitioner).order_by(Practitioner.person_name, Practitioner.practitioner_pk).limit(limit)
    for word in text.split():
        query = query.where(
            Practitioner.person_name.icontains(word, autoescape=True) | (Practitioner.npi == word)
        )
    return _practitioners_out(work, work.session.scalars(query).all())


@router.post("/practitioners", status_code=201)
def new_practitioner(
    body: PractitionerIn, work: Work = door(Permission.ORDER_WRITE, Permission.CONFIG_WRITE)
) -> PractitionerOut:
    """A new physician."""
    return _practitioners_out(work, [add_practitioner(work, body.model_dump())])[0]


@router.patch("/practitioners/{practitioner_pk}")
def correct_practitioner(
    practitioner_pk: int,
    body: PractitionerPatch,
    work: Work = door(Permission.ORDER_WRITE, Permission.CONFIG_WRITE),
) -> PractitionerOut:
    """Corrects a physician; unsent claims that name them are looked at again."""
    changed = change_practitioner(work, practitioner_pk, body.model_dump(exclude_unset=True))
    return _practitioners_out(work, [changed])[0]


class AuditOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    audit_record_pk: int
    event_date_time: datetime
    event_id: str
    event_action_code: str
    event_outcome_indicator: int
    actor_kind: str
    user_id: str
    network_access_point_id: str | None
    patient_pk: int | None
    study_instance_uid: str | None
    object_type: str | None
    object_id: str | None
    detail: dict[str, str] | None
    seal_number: int | None


class AuditPage(BaseModel):
    items: list[AuditOut]
    next_cursor: str | None
    total: int | None = None


class FindAuditIn(Body):
    user_id: str | None = Field(None, max_length=64)
    patient_pk: int | None = None
    event_id: str | None = Field(None, max_length=16)
    before: int | None = None
    limit: int = Field(100, ge=1, le=limits.PAGE_ITEMS_MAX)


@router.get("/audit")
def audit_trail(
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 100,
    work: Work = door(Permission.AUDIT_READ),
) -> AuditPage:
    """The trail, newest first; looking at it is itself recorded."""
    return _trail(work, FindAuditIn(before=before, limit=limit))


@router.post("/audit/find")
def find_audit(body: FindAuditIn, work: Work = door(Permission.AUDIT_READ)) -> AuditPage:
    """The same, of one user, patient or kind of event."""
    return _trail(work, body)


def _trail(work: Work, wanted: FindAuditIn) -> AuditPage:
    query = select(AuditRecord).order_by(AuditRecord.audit_record_pk.desc()).limit(wanted.limit + 1)
    if wanted.before is not None:
        query = query.where(AuditRecord.audit_record_pk < wanted.before)
    if wanted.user_id:
        query = query.where(AuditRecord.user_id == wanted.user_id)
    if wanted.patient_pk is not None:
        query = query.where(AuditRecord.patient_pk == wanted.patient_pk)
    if wanted.event_id:
        query = query.where(AuditRecord.event_id == wanted.event_id)
    rows = work.session.scalars(query).all()
    work.audit(AuditEventID.AUDIT_LOG_USED, "R")
    more = str(rows[wanted.limit - 1].audit_record_pk) if len(rows) > wanted.limit else None
    return AuditPage(items=[AuditOut.model_validate(row) for row in rows[: wanted.limit]], next_cursor=more)
