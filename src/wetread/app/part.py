"""One process of the tree: `wetread part web|node|worker`, started by the supervisor."""

from __future__ import annotations

import asyncio
import gc
import signal

import structlog
import uvicorn

from wetread.app.build import build_house
from wetread.app.doors import Doors
from wetread.app.echo import echo_as
from wetread.app.logging import configure
from wetread.app.pace import PacedProtocol
from wetread.app.rooms import MODELS, TASKS, load
from wetread.app.subscriptions import SUBSCRIPTIONS
from wetread.app.wiring import wire
from wetread.jobs.worker import run_worker
from wetread.kit import limits
from wetread.kit.config import Settings

log = structlog.get_logger()

_OWN_DOORS = Doors()


def run_part(settings: Settings, name: str, doors: Doors = _OWN_DOORS) -> None:
    """Runs one part until SIGTERM. `doors`: those of DICOM that a node shares with others."""
    configure(settings, name)
    if name == "node":
        _node(settings, doors)
    else:
        {"web": _web, "worker": _worker}[name](settings)


def _settle() -> None:
    """What was imported and built stays as long as the process: the garbage collector need not walk it again."""
    gc.collect()
    gc.freeze()


def _web(settings: Settings) -> None:
    from wetread.app.web import create_app

    load(MODELS)
    house = build_house(settings, part="web")
    archive = wire(house)
    app = create_app(house.security, https=settings.secure_cookies)
    app.state.archive = archive
    app.state.echo = echo_as(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.http_port,
        log_level="warning",
        access_log=False,
        server_header=False,
        http=PacedProtocol,
        limit_concurrency=limits.WEB_CONNECTIONS_MAX,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=8,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        forwarded_allow_ips="127.0.0.1" if settings.behind_tls_proxy else None,
        proxy_headers=settings.behind_tls_proxy,
    )
    _settle()
    try:
        uvicorn.Server(config).run()
    finally:
        archive.close()
        house.close()


def _node(settings: Settings, doors: Doors) -> None:
    from wetread.app.node import run_node

    load(MODELS)
    house = build_house(settings, part="node")
    archive = wire(house)
    _settle()
    try:
        run_node(house, archive, doors)
    finally:
        house.close()


def _worker(settings: Settings) -> None:
    load(MODELS)
    load(TASKS)
    house = build_house(settings, part="worker")
    archive = wire(house)

    _settle()

    async def work() -> None:
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        await run_worker(house.offices, house.database.url, SUBSCRIPTIONS, ending)

    try:
        asyncio.run(work())
    finally:
        archive.close()
        house.close()
