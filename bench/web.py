"""Times DICOMweb as a viewer uses it, over http.client: others wait for delayed acknowledgements."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import statistics
import threading
import time
import urllib.parse
from collections.abc import Callable

from bench.servers import Server

_JSON = {"Accept": "application/dicom+json"}
_FRAME = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}


class _Client:
    def __init__(self, server: Server) -> None:
        self._base, self._headers = urllib.parse.urlsplit(server.web), server.headers
        self._local = threading.local()

    def get(self, path: str, headers: dict[str, str]) -> bytes:
        """The body of a success. Raises SystemExit for anything else."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._base.hostname or "", self._base.port, timeout=60)
            self._local.connection = connection
        connection.request("GET", self._base.path + path, headers={**self._headers, **headers})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
        return body


def _median_ms(call: Callable[[], bytes], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took)


def measure(server: Server, study: str) -> dict[str, float]:
    """Figures by name; `_ms` is less-is-better, `_per_s` more-is-better."""
    client = _Client(server)
    listed = json.loads(client.get(f"/studies/{study}/series", _JSON))
    series = f"/studies/{study}/series/{listed[0]['0020000E']['Value'][0]}"
    instances = [one["00080018"]["Value"][0] for one in json.loads(client.get(f"{series}/metadata", _JSON))]

    def frame(uid: str) -> bytes:
        return client.get(f"{series}/instances/{uid}/frames/1", _FRAME)

    def first_image() -> bytes:
        client.get(f"/studies/{study}/series", _JSON)
        client.get(f"{series}/metadata", _JSON)
        return frame(instances[len(instances) // 2])

    turn = iter(instances * 3)
    figures = {
        "qido_studies_by_patient_ms": _median_ms(
            lambda: client.get("/studies?PatientID=BENCH00000", _JSON), 15
        ),
        "qido_series_ms": _median_ms(lambda: client.get(f"/studies/{study}/series", _JSON), 15),
        "series_metadata_ms": _median_ms(lambda: client.get(f"{series}/metadata", _JSON), 10),
        "frame_ms": _median_ms(lambda: frame(next(turn)), min(60, len(instances))),
        "first_image_ms": _median_ms(first_image, 10),
    }
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        begun = time.perf_counter()
        list(pool.map(frame, instances))
        figures["frames_over_6_connections_per_s"] = len(instances) / (time.perf_counter() - begun)
    return figures
