"""The web process: every room's router, the errors' one shape, security headers, live events, the client's files."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import mimetypes
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import prometheus_client
import psycopg
import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import wetread
from wetread.app.rooms import ROUTERS, load
from wetread.archive.tiering import room_for_new
from wetread.kit import limits, tracing
from wetread.kit.db import Database
from wetread.kit.errors import FieldError, TooLarge, TooMany, Unavailable, WetreadError
from wetread.kit.events import CHANNEL
from wetread.security.door import Gate, stream_door
from wetread.security.service import FileMasterKey, Identity, Offices, Permission, Security

log = structlog.get_logger()

STATIC = Path(wetread.__file__).parent / "static"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), payment=()",
    # wasm-unsafe-eval: the image codecs are WebAssembly. Styles are set by the component library at run time.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
_REQUESTS = prometheus_client.Histogram(
    "wetread_http_request_seconds", "Duration of HTTP requests.", ["method", "route", "status"]
)


def create_app(security: Security, *, https: bool = False) -> FastAPI:
    """The ASGI application. Collaborators of edges are set on `app.state` by the caller."""
    app = FastAPI(
        title="Wetread",
        version="0.1.0",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.security = security
    app.state.live = Live(security.offices.database.url)
    for module in load(ROUTERS):
        app.include_router(module.router)  # type: ignore[attr-defined]
    _add_system_routes(app)
    _add_errors(app)
    app.add_middleware(Guard, https=https)
    _add_client(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    live: Live = app.state.live
    task = asyncio.create_task(live.listen())
    yield
    live.close()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class Live:
    """Fans out committed events to open browsers. One database connection a process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    async def listen(self) -> None:
        """Listens until cancelled, through database restarts."""
        missed = False
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    if missed:
                        self.close()  # browsers come again at once, and ask for everything anew
                    missed = True
                    async for note in connection.notifies():
                        self.tell(note.payload.encode())
            except psycopg.Error as error:
                log.warning("live events wait", error=type(error).__name__)
                await asyncio.sleep(1)

    def tell(self, payload: bytes) -> None:
        """One event for everybody. Who does not keep up is sent away rather than left with gaps."""
        for queue in self._queues:
            if queue.full():
                _end(queue)
            else:
                queue.put_nowait(payload)

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Queue[bytes | None]]:
        """A queue of what happens from now on, as JSON; None ends it."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(1000)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """Ends every open stream: the server stops, or events were missed."""
        for queue in self._queues:
            _end(queue)

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events; a comment every 15 s keeps proxies awake."""
        with self.listening() as queue:
            yield b"retry: 1000\n: open\n\n"
            while True:
                try:
                    payload = await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if payload is None:
                    return
                yield b"data: " + payload + b"\n\n"

    @property
    def count(self) -> int:
        """Open streams."""
        return len(self._queues)


def _end(queue: asyncio.Queue[bytes | None]) -> None:
    while queue.qsize():
        queue.get_nowait()
    queue.put_nowait(None)


def _add_system_routes(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    def readyz(request: Request) -> Response:
        checks: dict[str, bool] = {"database": request.app.state.security.offices.database.ping()}
        for name, check in getattr(request.app.state, "readiness", {}).items():
            checks[name] = bool(check())
        ready = all(checks.values())
        answer: dict[str, Any] = {"status": "ready" if ready else "not ready", "checks": checks}
        # A full store takes nothing new; what is kept is still to be read, so that nobody is sent away for it.
        archive = getattr(request.app.state, "archive", None)
        no_room = room_for_new(archive) if ready and archive is not None else None
        if no_room is not None:
            answer |= {"status": "ready to read only", "no_room": no_room}
        return JSONResponse(answer, status_code=200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    @app.get("/api/events", tags=["live"], response_class=StreamingResponse)
    async def events(request: Request, _gate: Gate = stream_door(Permission.SELF)) -> StreamingResponse:  # noqa: B008
        """Live events as server-sent events: kinds and keys, never patient data."""
        live: Live = request.app.state.live
        if live.count >= limits.LIVE_CONNECTIONS_MAX:
            raise Unavailable("Too many live connections. The page refreshes by itself meanwhile.")
        return StreamingResponse(
            live.stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )


def problem(error: WetreadError, request: Request) -> JSONResponse:
    """RFC 9457 with the fields at fault and a number that can be copied to support."""
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    headers.update(getattr(error, "headers", {}))  # what a protocol of its own adds, as warnings of UPS-RS
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.retry_after_s)
    return JSONResponse(
        {
            "type": f"about:wetread/{error.code}",
            "title": error.title,
            "status": error.status,
            "detail": error.detail,
            "errors": [{"field": item.field, "reason": item.reason} for item in error.fields],
            "request_id": getattr(request.state, "request_id", None),
        },
        status_code=error.status,
        headers=headers,
    )


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(WetreadError)
    async def ours(request: Request, error: WetreadError) -> JSONResponse:
        return problem(error, request)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = WetreadError("Some fields need attention.", fields=[_field(item) for item in error.errors()])
        found.status, found.code, found.title = 422, "invalid", "Some fields need attention"
        return problem(found, request)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> JSONResponse:
        found = WetreadError(str(error.detail))
        found.status, found.code, found.title = error.status_code, "http", str(error.detail)
        return problem(found, request)

    @app.exception_handler(OperationalError)
    async def database(request: Request, error: OperationalError) -> JSONResponse:
        log.warning("database does not answer", request_id=request.state.request_id)
        return problem(Unavailable("The database does not answer just now. Nothing was changed."), request)


def _field(item: dict[str, Any]) -> FieldError:
    where = [str(part) for part in item["loc"] if part not in ("body", "query", "path")]
    return FieldError(".".join(where) or "body", str(item["msg"]))


class Guard:
    """The outermost wall, as plain ASGI so that streams pass untouched: request numbers, body limits, security
    headers, timing, and nothing of an unexpected fault leaks out."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = dict(_HEADERS)
        if https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = tracing.method_of(scope["method"])
        with tracing.span(method) as span:
            route, status = await self._answer(scope, receive, send, method)
            span.update_name(f"{method} {route}")
            tracing.note(span, "http.request.method", method)
            tracing.note(span, "http.route", route)
            tracing.note(span, "http.response.status_code", status)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, method: str) -> tuple[str, int]:
        """Lets the application answer; returns the route's pattern and the status."""
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        is_api = scope["path"].startswith("/api")
        began, status = time.perf_counter(), 0

        async def guarded_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in self._headers if name not in given),
                    (b"x-request-id", request_id.encode()),
                ]
                if is_api and b"cache-control" not in given:
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        try:
            await self._app(scope, _limited(scope, receive), guarded_send)
        except TooLarge as error:
            if status == 0:
                await problem(error, Request(scope))(scope, receive, guarded_send)
        except ClientDisconnect:
            log.info("client left", request_id=request_id)  # half-way through its request: nobody to answer
        except Exception as error:  # noqa: BLE001 - the last wall
            log.error(  # noqa: TRY400 - a traceback could hold patient data
                "request failed", request_id=request_id, error=type(error).__name__, where=_where(error)
            )
            if status == 0:
                failed = WetreadError(
                    "Something failed on our side; nothing was half-done. Quote the request number."
                )
                await problem(failed, Request(scope))(scope, receive, guarded_send)
        finally:
            route = str(getattr(scope.get("route"), "path", "other"))
            _REQUESTS.labels(method, route, str(status)).observe(time.perf_counter() - began)
        return route, status


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Counts the body as it comes; a declared length is not believed. STOW-RS has limits of its own."""
    if scope["path"].startswith("/dicom-web"):
        return receive
    left = limits.REQUEST_BODY_BYTES_MAX

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge("The request is larger than 4 MiB.")
        return message

    return counted


def _where(error: BaseException) -> str:
    """File and line of a fault, without its message, which might hold patient data."""
    trace = error.__traceback__
    place = "?"
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/wetread/" in code.co_filename:
            place = f"{code.co_filename.rsplit('/wetread/', 1)[1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _add_client(app: FastAPI) -> None:
    """The built web client: hashed assets for ever, every other path the client's own page."""

    @app.get("/{path:path}", include_in_schema=False)
    async def client(request: Request, path: str) -> Response:
        if path.startswith(("api/", "dicom-web/", "fhir/")):
            raise HTTPException(404, "Not found")
        file = (STATIC / path).resolve()
        found = path and file.is_relative_to(STATIC.resolve()) and await run_in_threadpool(file.is_file)
        if not found:
            path, file = "", STATIC / "index.html"
            if not await run_in_threadpool(file.is_file):
                return Response("The web client is not built into this installation.", status_code=503)
        lasting = path.startswith("assets/")
        return await run_in_threadpool(
            _client_file, request, file, "public, max-age=31536000, immutable" if lasting else "no-cache"
        )


_PACKED = (("br", ".br"), ("gzip", ".gz"))


def _client_file(request: Request, file: Path, cache_control: str) -> Response:
    """A file of the client, packed where it was built so and the browser takes that; 304 where it has it."""
    headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    taken = _codings(request.headers.get("accept-encoding", ""))
    sent = file
    for coding, suffix in _PACKED:
        packed = file.with_name(file.name + suffix)
        if coding in taken and packed.is_file():
            sent, headers["Content-Encoding"] = packed, coding
            break
    if not cache_control.startswith("public"):
        # Not by its time and length: an upgrade may bring another page of the same length, made at the same time.
        headers["ETag"] = f'"{hashlib.sha256(sent.read_bytes()).hexdigest()[:32]}"'
    kind, _ = mimetypes.guess_type(file.name)
    answer = FileResponse(sent, headers=headers, media_type=kind, stat_result=sent.stat())
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if answer.headers["etag"] in known:
        headers.pop("Content-Encoding", None)
        headers["ETag"] = answer.headers["etag"]
        return Response(status_code=304, headers=headers)
    return answer


def _codings(accept_encoding: str) -> set[str]:
    """The codings that a browser takes (RFC 9110 12.5.3), of those that are named and not refused by q=0."""
    found = set()
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if not re.fullmatch(r"0(\.0*)?", weight):
            found.add(coding)
    return found


def describe() -> bytes:
    """The API's description, stable in its order; the web client's types are made from it."""
    offices = Offices(Database("postgresql://"))
    identity = Identity(offices, FileMasterKey(bytes(32)))
    app = create_app(Security(offices, identity))
    return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
