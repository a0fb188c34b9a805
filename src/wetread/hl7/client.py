"""MLLP client: sends one message and waits for its own answer."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from wetread.hl7.acknowledgment import Ack, read_acknowledgment
from wetread.hl7.framing import Framer, frame
from wetread.hl7.message import Message
from wetread.kit import limits
from wetread.kit.tls import TlsUnusable, reason_of


class NoAcknowledgment(ConnectionError):
    """The message may or may not have arrived: not reached, cut off, or no answer in time. Send it again."""


_contexts: list[Callable[[bool], ssl.SSLContext | None]] = []


def use_context(context: Callable[[bool], ssl.SSLContext | None]) -> None:
    """Names where this process gets TLS contexts for calling (called once by the composition root)."""
    _contexts[:] = [context]


def encrypted() -> ssl.SSLContext:
    """The context to call receivers by TLS. Raises NoAcknowledgment where certificate or authorities are of no use."""
    try:
        context = _contexts[0](True) if _contexts else None
    except TlsUnusable as failed:
        raise NoAcknowledgment(f"Not sent: no TLS from here, {failed}") from None
    if context is None:
        raise NoAcknowledgment("Not sent: no TLS is set up here")
    return context


def send(
    host: str,
    port: int,
    message: bytes | str | Message,
    *,
    timeout_s: float = limits.HL7_ACKNOWLEDGMENT_S,
    connect_s: float = limits.HL7_CONNECT_S,
    context: ssl.SSLContext | None = None,
    certificate_name: str | None = None,
) -> Ack:
    """Sends over a connection of its own; returns the answer whose MSA-2 is our MSH-10.

    With a `context` by TLS only: the receiver's certificate must be good, and name `certificate_name`, or the host.

    Other answers (late ones of earlier messages, garbage) are passed over. Raises NoAcknowledgment; the connection
    is then dropped, so that a late answer can never be taken for the next one's.
    """
    raw = message.encode() if isinstance(message, (Message, str)) else message
    control_id = Message.parse(raw).control_id
    deadline = time.monotonic() + timeout_s
    framer = Framer(limits.HL7_MESSAGE_BYTES_MAX)
    try:
        with _connected(host, port, connect_s, context, certificate_name or host) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(frame(raw))
            while (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                data = connection.recv(65536)
                if not data:
                    raise NoAcknowledgment("The receiver closed the connection without an answer")
                for answer in framer.feed(data):
                    ack = read_acknowledgment(answer)
                    if ack is not None and ack.control_id == control_id:
                        return ack
    except TimeoutError:
        raise NoAcknowledgment(f"No answer within {timeout_s:g} s") from None
    except NoAcknowledgment:
        raise
    except (OSError, ValueError) as failed:
        reason = getattr(failed, "strerror", None) or str(failed)
        raise NoAcknowledgment(f"Not delivered: {reason}") from failed
    raise NoAcknowledgment(f"No answer to this message within {timeout_s:g} s")


def _connected(
    host: str, port: int, connect_s: float, context: ssl.SSLContext | None, name: str
) -> socket.socket:
    connection = socket.create_connection((host, port), connect_s)
    if context is None:
        return connection
    try:
        # Nothing of the message leaves before the receiver has proved who it is.
        return context.wrap_socket(connection, server_hostname=name)
    except (OSError, ValueError) as failed:
        connection.close()
        raise NoAcknowledgment(f"Not sent: no TLS with {host}:{port}, {reason_of(failed)}") from None
