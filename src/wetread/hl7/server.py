"""MLLP server, plain or over TLS: a thread for each connection, and a wall around each message."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable

import structlog

from wetread.hl7.acknowledgment import acknowledge, reject
from wetread.hl7.framing import Framer, FrameTooLarge, frame
from wetread.kit import limits, tls
from wetread.kit.clock import SystemClock

log = structlog.get_logger()

Handle = Callable[[bytes, str | None], bytes]
"""Takes a message and the sender's address; returns the answer and never raises."""


class MllpServer:
    """Listens from `start` to `stop`. `port` 0 takes a free one; `address` says which. With `context`, by TLS only."""

    def __init__(
        self,
        host: str,
        port: int,
        handle: Handle,
        *,
        message_bytes_max: int = limits.HL7_MESSAGE_BYTES_MAX,
        connections_max: int = limits.HL7_CONNECTIONS_MAX,
        idle_s: float = limits.HL7_IDLE_S,
        message_s: float = limits.HL7_MESSAGE_S,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._context = context
        self._handle = handle
        self._message_bytes_max, self._idle_s, self._message_s = message_bytes_max, idle_s, message_s
        self._connections_max = connections_max
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=64)
        self._acceptor = threading.Thread(target=self._accept, name="mllp", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port listened on."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    @property
    def connections(self) -> int:
        """Connections open now."""
        with self._lock:
            return len(self._open)

    def start(self) -> None:
        """Begins to accept."""
        self._acceptor.start()

    def stop(self, patience_s: float = 10.0) -> None:
        """Accepts no more, lets messages that are being applied be answered, then closes."""
        self._ending.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            running = list(self._open.items())
        for connection, _ in running:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RD)  # SSLSocket's would drop the encryption
        for _, thread in running:
            thread.join(patience_s)
        if self._acceptor.is_alive():
            self._acceptor.join(patience_s)

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, peer = self._listener.accept()
            except OSError:
                if self._ending.wait(0.1):
                    return
                continue
            with self._lock:
                full = len(self._open) >= self._connections_max
                if not full:
                    thread = threading.Thread(
                        target=self._serve,
                        args=(connection, str(peer[0])),
                        name="mllp-connection",
                        daemon=True,
                    )
                    self._open[connection] = thread
            if full:
                log.warning("interface connection refused", reason="too many", limit=self._connections_max)
                connection.close()
            else:
                thread.start()

    def _serve(self, connection: socket.socket, address: str) -> None:
        spoken: socket.socket = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                spoken = self._secure(connection)
            spoken.settimeout(self._idle_s)
            self._converse(spoken, address)
        except ssl.SSLError as refused:
            log.info("interface connection refused", reason=tls.reason_of(refused))
        except (OSError, TimeoutError) as ended:
            log.info("interface connection ended", reason=type(ended).__name__)
        except Exception as fault:  # noqa: BLE001 - a connection must never end the server
            log.error("interface connection failed", error=type(fault).__name__)  # noqa: TRY400
        finally:
            with contextlib.suppress(OSError):
                spoken.close()
            with self._lock:
                self._open.pop(spoken, None)

    def _secure(self, connection: socket.socket) -> socket.socket:
        """The TLS handshake, in the connection's own thread and within a few seconds."""
        assert self._context is not None
        with self._lock:  # TLS takes the socket over: `stop` must know the one that is spoken on
            thread = self._open.pop(connection)
        try:
            secured: socket.socket = tls.accept(connection, self._context, limits.HL7_HANDSHAKE_S)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._open[secured] = thread
        return secured

    def _converse(self, connection: socket.socket, address: str) -> None:
        framer = Framer(self._message_bytes_max)
        until: float | None = None  # when a message that is begun has to be whole
        while not self._ending.is_set():
            if not framer.pending:
                until = None
            elif until is None:
                until = time.monotonic() + self._message_s
            left = self._idle_s if until is None else min(self._idle_s, until - time.monotonic())
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            data = connection.recv(65536)
            connection.settimeout(self._idle_s)
            if not data:
                return
            try:
                messages = framer.feed(data)
            except FrameTooLarge as large:
                fault = reject("207", "", f"The message is longer than {self._message_bytes_max} bytes")
                answer = acknowledge(large.head, SystemClock().now(), "too-large", fault=fault)
                connection.sendall(frame(answer.encode()))
                connection.shutdown(socket.SHUT_WR)
                return
            for message in messages:
                connection.sendall(frame(self._handle(message, address)))
