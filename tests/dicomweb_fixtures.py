"""DICOMweb over a real socket: the application behind it, and a client that hides nothing."""

from __future__ import annotations

import email
import http.client
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pydicom
import pytest
import uvicorn

from common import Api


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def parts(self) -> list[tuple[str, bytes]]:
        """(content type, content) of a multipart body, taken apart by the standard library."""
        message = email.message_from_bytes(
            b"Content-Type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + self.body
        )
        boundary = message.get_boundary()
        assert boundary is not None
        found = []
        for piece in self.body.split(b"--" + boundary.encode())[1:-1]:
            head, _, content = piece.partition(b"\r\n\r\n")
            assert content.endswith(b"\r\n")
            found.append((head.decode().strip().removeprefix("Content-Type: "), content[:-2]))
        return found


class Client:
    """Speaks to the server as one user."""

    def __init__(self, port: int, token: str | None) -> None:
        self._port, self._token = port, token

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._token:
            sent["Authorization"] = self._token
        connection.request(method, f"/dicom-web{path}", body=body, headers=sent)
        response = connection.getresponse()
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def stow(self, *files: bytes, study: str = "") -> Answer:
        body = b"".join(b"--xyz\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in files)
        kind = 'multipart/related; type="application/dicom"; boundary=xyz'
        return self.ask("POST", f"/studies{study}", body + b"--xyz--\r\n", Content_Type=kind)


@contextmanager
def served(web: Api, **how: Any) -> Iterator[int]:
    """The application behind a real socket; `how` goes to uvicorn."""
    config = uvicorn.Config(web.app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1, **how)  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def port(web: Api) -> Iterator[int]:
    """The application behind a real socket."""
    with served(web, lifespan="off") as found:
        yield found


@pytest.fixture
def live_port(web: Api) -> Iterator[int]:
    """The same, which tells open browsers what was committed."""
    with served(web) as found:
        yield found


@pytest.fixture
def reader(web: Api, port: int) -> Client:
    return Client(port, str(web.as_role("radiologist").headers["Authorization"]))


@pytest.fixture
def sender(web: Api, port: int) -> Client:
    return Client(port, str(web.as_role("technologist").headers["Authorization"]))


def path_of(ds: pydicom.Dataset) -> str:
    return f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))
