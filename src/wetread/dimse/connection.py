"""PDUs over a socket, plain or TLS: reading into one big buffer, writing whole, with time limits."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable

from wetread.dicom.errors import DicomError
from wetread.dicom.pdu import ASSOCIATE_BYTES_MAX, HEAD, PDV_HEAD, PduType, fragments

PDU_BYTES_MAX = 256 * 1024  # what we ask peers to send at most
_BUFFER_BYTES = 2 * PDU_BYTES_MAX + 4096


class Disconnected(Exception):
    """The peer closed the connection, or was silent for too long."""


class Connection:
    """One TCP connection. `receive` gives a view that is valid until the next call."""

    def __init__(self, sock: socket.socket, *, timeout_s: float) -> None:
        self._sock = sock
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout_s)
        self._buffer = bytearray(64 * 1024)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self.bytes_received = self.bytes_sent = 0
        self._until: float | None = None

    def set_timeout(self, seconds: float) -> None:
        """Silence of the peer longer than this is a disconnection."""
        self._until = None
        self._sock.settimeout(seconds)

    def set_deadline(self, seconds: float) -> None:
        """Whatever is read from now on must be here in that time, however it drips in, until `set_timeout`."""
        self._until = time.monotonic() + seconds

    def grow(self) -> None:
        """A bigger buffer, once a peer is admitted: silent strangers cost little."""
        if len(self._buffer) < _BUFFER_BYTES:
            buffer = bytearray(_BUFFER_BYTES)
            waiting = self._end - self._start
            buffer[:waiting] = self._view[self._start : self._end]
            self._view.release()
            self._buffer, self._view = buffer, memoryview(buffer)
            self._start, self._end = 0, waiting

    def receive(self) -> tuple[int, memoryview]:
        """The type and body of the next PDU. Raises Disconnected, or DicomError for a length over the limit, before
        its body is read."""
        self._fill(6)
        kind, length = HEAD.unpack_from(self._buffer, self._start)
        limit = ASSOCIATE_BYTES_MAX if kind in (PduType.ASSOCIATE_RQ, PduType.ASSOCIATE_AC) else PDU_BYTES_MAX
        if length > limit:
            raise DicomError(f"a PDU of {length} bytes, over the limit of {limit}")
        if not PduType.ASSOCIATE_RQ <= kind <= PduType.ABORT:
            raise DicomError(f"PDU type {kind:02X} is not known")
        self._start += 6
        self._fill(length)
        body = self._view[self._start : self._start + length]
        self._start += length
        return kind, body

    def _fill(self, needed: int) -> None:
        have = self._end - self._start
        if have >= needed:
            return
        if needed > len(self._buffer):
            buffer = bytearray(needed)
            buffer[:have] = self._view[self._start : self._end]
            self._buffer, self._view = buffer, memoryview(buffer)
            self._start, self._end = 0, have
        elif self._start + needed > len(self._buffer):
            self._view[:have] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, have
        elif have == 0:
            self._start = self._end = 0
        while self._end - self._start < needed:
            if self._until is not None:
                left = self._until - time.monotonic()
                if left <= 0:
                    raise Disconnected("too slow")
                self._sock.settimeout(left)
            try:
                count = self._sock.recv_into(self._view[self._end :])
            except (OSError, ValueError) as error:  # ValueError: TLS that another thread closed
                raise Disconnected(type(error).__name__) from None
            if count == 0:
                raise Disconnected("closed")
            self._end += count
            self.bytes_received += count

    def send(self, data: bytes | memoryview) -> None:
        """Sends all of it."""
        try:
            self._sock.sendall(data)
        except (OSError, ValueError) as error:
            raise Disconnected(type(error).__name__) from None
        self.bytes_sent += len(data)

    def send_message(
        self, context_id: int, command: bytes, data: Iterable[bytes | memoryview] | None, max_length: int
    ) -> None:
        """A DIMSE message: the command set, then the data set's pieces, in P-DATA-TF of at most `max_length`."""
        for fragment, last in fragments(command, max_length):
            self._send_fragment(context_id, 3 if last else 1, fragment)
        if data is None:
            return
        waiting: memoryview | None = None
        for piece in data:
            for fragment, _ in fragments(piece, max_length):
                if waiting is not None:
                    self._send_fragment(context_id, 0, waiting)
                waiting = fragment
        self._send_fragment(context_id, 2, waiting if waiting is not None else memoryview(b""))

    def _send_fragment(self, context_id: int, control: int, fragment: memoryview) -> None:
        length = len(fragment) + 2
        self.send(
            b"".join(
                (HEAD.pack(PduType.P_DATA, length + 4), PDV_HEAD.pack(length, context_id, control), fragment)
            )
        )

    def has_data(self, wait_s: float = 0.0) -> bool:
        """Whether something can be read, e.g. a cancel request, waiting for it at most `wait_s`. What came is taken into
        the buffer: under TLS, bytes on the socket alone need not be a PDU. A connection that ended counts as data."""
        if self._end > self._start:
            return True
        self._start = self._end = 0
        timeout = self._sock.gettimeout()
        try:
            self._sock.settimeout(wait_s)
            self._end = self._sock.recv_into(self._view)
            self.bytes_received += self._end
        except (BlockingIOError, InterruptedError, TimeoutError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError):
            return True
        finally:
            with contextlib.suppress(OSError):
                self._sock.settimeout(timeout)
        return True

    def stop_reading(self) -> None:
        """Whoever reads finds the connection ended; what is being sent is sent. Safe to call from another thread."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RD)

    def close(self) -> None:
        """Closes the connection; safe to call from another thread, and twice."""
        with contextlib.suppress(OSError):
            # Not SSLSocket.shutdown: it takes the encryption away under a thread that is still sending.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        self._sock.close()
