"""How long the web waits for who reads or sends slowly, or not at all.

What the other side does not take lies in memory: of an answer that streams one piece, never the whole. Who waits falls
behind by the time that passes, and catches up by what moves, at a rate that every line has; who is too far behind is
cut off, and so is the last of too many who lag. A slow line that goes on moving is left alone. Counted is only the time
in which this side waits: what an answer takes to be made is nobody's fault.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wetread.kit import limits

log = structlog.get_logger()


@dataclass(slots=True)
class Pace:
    """What is demanded of a line. `tick_s` is how often it is looked at."""

    stall_s: float = limits.WEB_STALL_S
    bytes_a_second: float = limits.WEB_BYTES_A_SECOND_MIN
    headers_s: float = limits.WEB_HEADERS_S
    laggards_max: int = limits.WEB_LAGGARDS_MAX
    tick_s: float = 5.0
    laggards: set[PacedProtocol] = field(default_factory=set)
    cut: int = 0


@dataclass(slots=True)
class Debt:
    """The seconds by which one direction of a line is behind."""

    pace: Pace
    behind_s: float = 0.0

    def add(self, waited_s: float, moved_bytes: int) -> None:
        """So long was waited, while so much moved."""
        self.behind_s = max(0.0, self.behind_s + waited_s - moved_bytes / self.pace.bytes_a_second)


class PacedProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with an end to patience."""

    pace = Pace()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._out, self._in = Debt(self.pace), Debt(self.pace)
        self._at = 0.0
        self._buffered = self._received = 0
        self._headers_since: float | None = None
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins to look."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._at = self.loop.time()
        self._headers_since = self._at
        self._watch = self.loop.call_later(self.pace.tick_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Looks no more."""
        if self._watch is not None:
            self._watch.cancel()
        self.pace.laggards.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what came."""
        self._received += len(data)
        idle = self._is_idle()
        super().data_received(data)
        if not self._is_idle():
            self._headers_since = None
        elif idle and self._headers_since is None:
            self._headers_since = self.loop.time()

    def pause_writing(self) -> None:
        """From now on the other side is waited for."""
        self._account()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has taken enough."""
        self._account()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        """Another protocol speaks from here on, which pings."""
        if self._watch is not None:
            self._watch.cancel()
        super().handle_websocket_upgrade()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _account(self) -> None:
        now = self.loop.time()
        passed, self._at = now - self._at, now
        waits = self.flow.write_paused or (self._is_idle() and self._buffered > 0)
        size = self.transport.get_write_buffer_size()
        moved, self._buffered = max(self._buffered - size, 0), size
        if waits:
            self._out.add(passed, moved)
        elif not size:
            self._out.behind_s = 0.0
        received, self._received = self._received, 0
        if not self._is_idle() and self.cycle.more_body and not self.flow.read_paused:
            self._in.add(passed, received)
        else:
            self._in.behind_s = 0.0

    def _look(self) -> None:
        self._account()
        self._watch = self.loop.call_later(self.pace.tick_s, self._look)
        if self.behind_s > self.pace.stall_s:
            self.cut("too slow")
        elif self._headers_since is not None and self._at - self._headers_since > self.pace.headers_s:
            self.cut("no request")
        elif self.behind_s > self.pace.stall_s / 4:
            self.pace.laggards.add(self)
            if len(self.pace.laggards) > self.pace.laggards_max:
                max(self.pace.laggards, key=lambda one: one.behind_s).cut("too many slow ones")
        else:
            self.pace.laggards.discard(self)

    @property
    def behind_s(self) -> float:
        """By how much the line is behind, in the direction that is worse."""
        return max(self._out.behind_s, self._in.behind_s)

    def cut(self, reason: str) -> None:
        """Ends the connection; what it was still to get goes with it, where an orderly end would wait for it."""
        log.info("web connection cut", reason=reason)
        self.pace.cut += 1
        self.pace.laggards.discard(self)
        self.transport.abort()


def paced(pace: Pace) -> type[PacedProtocol]:
    """The protocol with another pace."""
    return type("PacedProtocol", (PacedProtocol,), {"pace": pace})
