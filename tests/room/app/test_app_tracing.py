"""Requests leave a span with the route's pattern, whatever stands in the address, and jobs one with the task's name."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan
from opentelemetry.trace.span import INVALID_SPAN_CONTEXT

from common import Api
from wetread.kit import tracing


class Recorded(NonRecordingSpan):
    def __init__(self, name: str) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.name, self.attributes = name, dict[str, Any]()

    def update_name(self, name: str) -> None:
        self.name = name

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    found: list[Recorded] = []

    class Tracer:
        def start_as_current_span(self, name: str, **_: Any) -> Recorded:
            found.append(Recorded(name))
            return found[-1]

    monkeypatch.setattr(tracing, "_tracer", Tracer())
    return found


def test_a_request_is_known_by_its_route_and_nothing_else(api: Api, spans: list[Recorded]) -> None:
    client = api.as_role("radiologist")
    assert client.get("/api/reading-list/studies/424242?text=Moss").status_code == 404
    assert client.get("/api/no/such/Moss").status_code == 404
    assert client.post("/api/patients/find", json={"text": "Moss"}).status_code in (200, 404, 405, 422)
    first = spans[0]
    assert first.name == "GET /api/reading-list/studies/{study_pk}"
    assert first.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/reading-list/studies/{study_pk}",
        "http.response.status_code": 404,
    }
    said = " ".join(f"{span.name} {span.attributes}" for span in spans)
    assert "Moss" not in said and "424242" not in said


def test_an_unexpected_fault_is_a_500_in_the_span_too(
    api: Api, spans: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Moss^Ada")

    monkeypatch.setattr("wetread.worklist.service.priors", fail)
    answer = api.as_role("radiologist").get("/api/reading-list/studies/1/priors")
    assert (answer.status_code, "Moss" in answer.text) == (500, False)
    assert spans[-1].attributes["http.response.status_code"] == 500
    assert "Moss" not in f"{spans[-1].name} {spans[-1].attributes}"
