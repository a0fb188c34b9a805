"""The socket of a live session: one connection of one participant."""

from __future__ import annotations

import asyncio
import contextlib
import time
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from wetread.kit import limits
from wetread.kit.errors import Denied, Unauthenticated, Unavailable, WetreadError
from wetread.security.door import Door, security_of
from wetread.security.service import Actor, Permission
from wetread.together import room, service
from wetread.together.room import Member, Room

log = structlog.get_logger()

router = APIRouter()

_PROVE_AGAIN_S = 30.0
_SIGNED_OUT = 4401
_JOIN = Door((Permission.LIVE_JOIN,), stream=True)


def _admit(request: Request) -> Actor:
    """Raises Unauthenticated, Denied. A page of another site can open web sockets with the cookies of ours: it is known
    by its origin."""
    actor = _JOIN.admit(request)
    if not request.headers.get("authorization"):
        origin = urlsplit(request.headers.get("origin", "")).netloc
        if origin != request.headers.get("host"):
            raise Denied("The request does not come from this system's own pages.")
    return actor


def _take_part(request: Request, live_session_pk: int) -> Member:
    actor = _admit(request)
    with security_of(request).offices.work(actor) as work:
        return Member(service.participant_of(work, live_session_pk), actor)


@router.websocket("/sessions/{live_session_pk}/socket")
async def session_socket(socket: WebSocket, live_session_pk: int) -> None:
    """Takes part in a live session that was joined."""
    request = Request({**socket.scope, "type": "http", "method": "GET"})
    try:
        if room.connections() >= limits.TOGETHER_CONNECTIONS_MAX:
            raise Unavailable("Too many live sessions.")
        member = await run_in_threadpool(_take_part, request, live_session_pk)
    except WetreadError as refused:
        problem = {"title": refused.title, "status": refused.status, "detail": refused.detail}
        await socket.send_denial_response(
            JSONResponse(problem, refused.status, media_type="application/problem+json")
        )
        return
    await socket.accept()
    tasks: list[asyncio.Task[None]] = []
    try:
        async with room.entered(live_session_pk, security_of(request).offices, member) as here:
            tasks = [
                asyncio.create_task(_send(socket, member)),
                asyncio.create_task(_prove(request, member)),
                asyncio.create_task(_receive(socket, here, member)),
            ]
            # What ends first ends all: the line broke, or the participant may not be in any more.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except WetreadError:
        member.end(room.REVOKED)
    finally:
        for one in tasks:
            one.cancel()
        for one in tasks:
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await one
        if socket.client_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(member.code or 1011)


async def _send(socket: WebSocket, member: Member) -> None:
    while True:
        while member.outgoing and member.code is None:
            frame = member.outgoing.popleft()
            if isinstance(frame, str):
                await socket.send_text(frame)
            else:
                await socket.send_bytes(frame)
        if member.code is not None:
            return
        member.news.clear()
        await member.news.wait()


async def _receive(socket: WebSocket, here: Room, member: Member) -> None:
    while member.code is None:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            member.end(1000)
            return
        frame = message.get("bytes")
        await here.hear(member, frame if frame is not None else message.get("text") or "")


async def _prove(request: Request, member: Member) -> None:
    """A token that was revoked, or a session that ended, keeps nobody in."""
    since = time.monotonic()
    while member.code is None:
        await asyncio.sleep(_PROVE_AGAIN_S)
        if not request.headers.get("authorization") and member.actor.kind == "user":
            # To look at a person's session would keep it alive: it is proved by connecting again.
            if time.monotonic() - since > limits.SESSION_IDLE_S:
                member.end(_SIGNED_OUT)
            continue
        try:
            await run_in_threadpool(_admit, request)
        except (Unauthenticated, Denied):
            member.end(_SIGNED_OUT)
