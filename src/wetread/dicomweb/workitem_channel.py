"""The event channel of UPS-RS (PS3.18 11.13): events of Workitems to a subscriber over a web socket.

What happens while no channel is open waits, and is brought when one is. An event is marked as told once it was sent, so
one that breaks off may bring an event again, and never loses one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from wetread.dicom.sopclass import UPS_PUSH
from wetread.dicomweb.common import PREFIX
from wetread.kit import limits
from wetread.kit.errors import Denied, Unauthenticated, Unavailable, WetreadError
from wetread.security.door import Door, security_of
from wetread.security.service import Actor, Offices, Permission
from wetread.workitems import service
from wetread.workitems.events import WorkitemReported
from wetread.workitems.service import Waiting

log = structlog.get_logger()

router = APIRouter(prefix=PREFIX)

_LOOK_S = 2.0  # news comes at once; this is for news that was missed
_PROVE_AGAIN_S = 60.0
_REPLACED, _SIGNED_OUT = 4000, 4401
_READ = Door((Permission.WORKITEM_READ,), stream=True)
_open: dict[str, Channel] = {}


def _admit(request: Request) -> Actor:
    """Raises Unauthenticated, Denied. A page of another site can open web sockets with the cookies of ours: it is known
    by its origin."""
    actor = _READ.admit(request)
    if not request.headers.get("authorization"):
        origin = urlsplit(request.headers.get("origin", "")).netloc
        if origin != request.headers.get("host"):
            raise Denied("The request does not come from this system's own pages.")
    return actor


@router.websocket("/subscribers/{subscriber}")
async def event_channel(socket: WebSocket, subscriber: str) -> None:
    """UPS-RS: opens the channel by which a subscriber hears events."""
    request = Request({**socket.scope, "type": "http", "method": "GET"})
    try:
        if len(_open) >= limits.EVENT_CHANNELS_MAX:
            raise Unavailable("Too many event channels.")
        actor = await run_in_threadpool(_admit, request)
    except WetreadError as refused:
        problem = {"title": refused.title, "status": refused.status, "detail": refused.detail}
        await socket.send_denial_response(
            JSONResponse(problem, refused.status, media_type="application/problem+json")
        )
        return
    await socket.accept()
    before = _open.get(subscriber)
    channel = _open[subscriber] = Channel(socket, request, subscriber, actor)
    if before is not None:
        before.end(_REPLACED)
    try:
        await channel.run()
    finally:
        if _open.get(subscriber) is channel:
            del _open[subscriber]


class Channel:
    """One open channel."""

    def __init__(self, socket: WebSocket, request: Request, subscriber: str, actor: Actor) -> None:
        self._socket, self._request, self._subscriber, self._actor = socket, request, subscriber, actor
        self._offices: Offices = security_of(request).offices
        self._news = asyncio.Event()
        self._code: int | None = None
        self._message_id = 0
        self._proved_at = time.monotonic()

    def end(self, code: int) -> None:
        """Ends it with that code of RFC 6455."""
        self._code = code
        self._news.set()

    async def run(self) -> None:
        """Brings events until the other side or `end` ends it."""
        live: Any = getattr(self._request.app.state, "live", None)
        tasks = [asyncio.create_task(self._until_closed())]
        if live is not None:
            tasks.append(asyncio.create_task(self._hear(live)))
        try:
            while self._code is None:
                self._news.clear()
                await self._prove()
                if self._code is None and await run_in_threadpool(self._is_waiting):
                    await self._bring()
                if self._code is None:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), _LOOK_S)
        except WebSocketDisconnect:
            pass
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            if self._socket.client_state is WebSocketState.CONNECTED:
                with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                    await self._socket.close(self._code or 1001)

    async def _until_closed(self) -> None:
        """What a client says is not listened to."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self.end(1000)
                return

    async def _hear(self, live: Any) -> None:
        with live.listening() as queue:
            while (payload := await queue.get()) is not None:
                heard = orjson.loads(payload)
                if heard.get("kind") != WorkitemReported.kind:
                    continue
                if heard["keys"].get("receiving_ae_title") == self._subscriber:
                    self._news.set()
            self.end(1001)

    async def _prove(self) -> None:
        """A token that was revoked, or a session that ended, opens nothing any more."""
        if time.monotonic() - self._proved_at < _PROVE_AGAIN_S:
            return
        if not self._request.headers.get("authorization"):
            # To look at a session would keep it alive: it has to be proved by opening the channel again.
            if time.monotonic() - self._proved_at > limits.SESSION_IDLE_S:
                self.end(_SIGNED_OUT)
            return
        self._proved_at = time.monotonic()
        try:
            self._actor = await run_in_threadpool(_admit, self._request)
        except (Unauthenticated, Denied):
            self.end(_SIGNED_OUT)

    def _is_waiting(self) -> bool:
        with self._offices.work(self._actor) as work:
            return service.is_waiting(work, self._subscriber)

    def _take(self) -> list[Waiting]:
        with self._offices.work(self._actor) as work:
            return service.waiting_for_channel(work, self._subscriber)

    def _told(self, pks: list[int]) -> None:
        with self._offices.work(self._actor) as work:
            service.was_sent(work, pks)

    async def _bring(self) -> None:
        while waiting := await run_in_threadpool(self._take):
            for one in waiting:
                self._message_id = self._message_id % 0xFFFF + 1
                await self._socket.send_text(orjson.dumps(message_of(one, self._message_id)).decode())
            await run_in_threadpool(self._told, [one.workitem_event_pk for one in waiting])


def message_of(event: Waiting, message_id: int) -> dict[str, Any]:
    """An event as the channel brings it: what an N-EVENT-REPORT would say, in the DICOM JSON Model (PS3.18 11.13)."""
    return {
        "00000002": {"vr": "UI", "Value": [UPS_PUSH]},
        "00000110": {"vr": "US", "Value": [message_id]},
        "00001000": {"vr": "UI", "Value": [event.sop_instance_uid]},
        "00001002": {"vr": "US", "Value": [event.event_type_id]},
        **event.information,
    }
