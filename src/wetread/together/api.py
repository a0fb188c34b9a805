"""HTTP: beginning, joining and ending live sessions, inviting and revoking; the socket is in `channel`."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from wetread.kit import limits
from wetread.kit.errors import Denied
from wetread.security.door import (
    CSRF_HEADER,
    GUEST_COOKIE,
    SECURE_GUEST_COOKIE,
    Gate,
    door,
    security_of,
    stream_door,
)
from wetread.security.service import Permission, Work
from wetread.together import channel, room, service
from wetread.together.service import Account, Invited, Link, Message, SessionDetail, SessionLine

router = APIRouter(prefix="/api/together", tags=["together"])
router.include_router(channel.router)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartIn(Body):
    """The study, and priors of the same patient that may be shown beside it."""

    study_pk: int
    prior_study_pks: list[int] = Field([], max_length=limits.TOGETHER_STUDIES_MAX)


@router.post("/sessions", status_code=201)
def start_session(body: StartIn, work: Work = door(Permission.LIVE_START)) -> SessionDetail:
    """Begins a live session on a study, or goes on with one's own that runs."""
    return service.start(work, body.study_pk, body.prior_study_pks)


@router.get("/sessions")
def my_sessions(work: Work = door(Permission.LIVE_JOIN)) -> list[SessionLine]:
    """Running sessions that one is invited to, newest first."""
    return service.mine(work)


@router.post("/sessions/{live_session_pk}/join")
def join_session(live_session_pk: int, work: Work = door(Permission.LIVE_JOIN)) -> SessionDetail:
    """Takes part: what the session shows, of whom, and who is in it."""
    return service.join(work, live_session_pk)


@router.get("/sessions/{live_session_pk}/messages")
def session_messages(live_session_pk: int, work: Work = door(Permission.LIVE_JOIN)) -> list[Message]:
    """What was written in the session."""
    return service.messages(work, live_session_pk)


# These tell the running session after their commit, so that nobody is let in again in between.


@router.post("/sessions/{live_session_pk}/leave", status_code=204)
def leave_session(live_session_pk: int, gate: Gate = stream_door(Permission.LIVE_JOIN)) -> None:
    """Takes part no more, until joining again."""
    with gate.offices.work(gate.actor) as work:
        service.leave(work, live_session_pk)
    room.changed(live_session_pk)


@router.post("/sessions/{live_session_pk}/end", status_code=204)
def end_session(live_session_pk: int, gate: Gate = stream_door(Permission.LIVE_JOIN)) -> None:
    """Ends the session for all."""
    with gate.offices.work(gate.actor) as work:
        service.end(work, live_session_pk)
    service.forget_admissions()
    room.changed(live_session_pk)


class DirectoryIn(Body):
    text: str = Field("", max_length=limits.SEARCH_TEXT_CHARACTERS_MAX)


@router.post("/directory/find")
def find_in_directory(body: DirectoryIn, work: Work = door(Permission.LIVE_START)) -> list[Account]:
    """Accounts that can be invited, by parts of their names."""
    return service.directory(work, body.text)


class InviteIn(Body):
    user_pk: int


@router.post("/sessions/{live_session_pk}/invitations", status_code=201)
def invite_to_session(
    live_session_pk: int, body: InviteIn, gate: Gate = stream_door(Permission.LIVE_JOIN)
) -> Invited:
    """Invites an account, whose browsers show it at once."""
    with gate.offices.work(gate.actor) as work:
        invited = service.invite_account(work, live_session_pk, body.user_pk)
    room.changed(live_session_pk)
    return invited


class LinkIn(Body):
    minutes: int = Field(60, ge=1, le=limits.TOGETHER_LINK_MINUTES_MAX)
    may_change: bool = Field(False, description="Whether the guest may draw and be given the lead.")


@router.post("/sessions/{live_session_pk}/links", status_code=201)
def make_link(live_session_pk: int, body: LinkIn, gate: Gate = stream_door(Permission.LIVE_JOIN)) -> Invited:
    """A link for one guest. Its secret is told this once; it belongs behind the # of the address."""
    with gate.offices.work(gate.actor) as work:
        invited = service.invite_guest(
            work, live_session_pk, minutes=body.minutes, may_change=body.may_change
        )
    room.changed(live_session_pk)
    return invited


@router.post("/sessions/{live_session_pk}/participants/{participant_pk}/revoke", status_code=204)
def revoke_invitation(
    live_session_pk: int, participant_pk: int, gate: Gate = stream_door(Permission.LIVE_JOIN)
) -> None:
    """Takes an invitation back: whoever came by it is out at once."""
    with gate.offices.work(gate.actor) as work:
        service.revoke(work, live_session_pk, participant_pk)
    service.forget_admissions()
    room.changed(live_session_pk)


class AllowIn(Body):
    may_change: bool


@router.post("/sessions/{live_session_pk}/participants/{participant_pk}/allow", status_code=204)
def allow_guest(
    live_session_pk: int, participant_pk: int, body: AllowIn, gate: Gate = stream_door(Permission.LIVE_JOIN)
) -> None:
    """Lets a guest draw and be given the lead, or look only."""
    with gate.offices.work(gate.actor) as work:
        service.allow(work, live_session_pk, participant_pk, may_change=body.may_change)
    room.changed(live_session_pk)


# Guests: these prove who one is, and are open to all as signing in is.


class LookIn(Body):
    secret: str = Field(min_length=1, max_length=128)


class OpenIn(LookIn):
    name: str = Field(max_length=128)


class GuestOut(BaseModel):
    """Where the guest is let in."""

    live_session_pk: int
    expires_at: datetime


@router.post("/guest/link")
def look_at_link(body: LookIn, request: Request) -> Link:
    """Who invites by a link, before it is used."""
    return service.look_at_link(security_of(request).offices, body.secret)


@router.post("/guest")
def open_link(body: OpenIn, request: Request, response: Response) -> GuestOut:
    """Uses a link: whoever comes by it says their name and is let in, with this browser alone."""
    if CSRF_HEADER not in request.headers:
        raise Denied("The request does not come from this system's own pages.")
    security = security_of(request)
    address = request.client.host if request.client else None
    made = service.open_link(security.offices, body.secret, body.name, address)
    response.set_cookie(
        SECURE_GUEST_COOKIE if security.secure_cookies else GUEST_COOKIE,
        made.secret,
        max_age=max(1, int((made.expires_at - security.offices.clock.now()).total_seconds())),
        httponly=True,
        secure=security.secure_cookies,
        samesite="strict",
        path="/",
    )
    room.changed(made.live_session_pk)
    return GuestOut(live_session_pk=made.live_session_pk, expires_at=made.expires_at)
