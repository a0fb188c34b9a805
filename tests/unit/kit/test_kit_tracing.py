"""Spans say what was done and how it went, and never about whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan, Status, StatusCode
from opentelemetry.trace.span import INVALID_SPAN_CONTEXT

from wetread.kit import tracing


class Recorded(NonRecordingSpan):
    def __init__(self, name: str) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.name, self.attributes, self.status = name, dict[str, Any](), Status()

    def update_name(self, name: str) -> None:
        self.name = name

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.status = status

    def everything(self) -> str:
        return f"{self.name} {self.attributes} {self.status.description}"


class Recorder:
    """Stands where an SDK's tracer would."""

    def __init__(self) -> None:
        self.spans: list[Recorded] = []

    @contextmanager
    def start_as_current_span(self, name: str, *, record_exception: bool, **_: Any) -> Iterator[Recorded]:
        assert record_exception is False
        self.spans.append(Recorded(name))
        yield self.spans[-1]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(tracing, "_tracer", made)
    return made


def test_without_an_sdk_spans_go_nowhere() -> None:
    with tracing.span("C-ECHO") as span:
        tracing.note(span, "dicom.status", 0)
    assert not span.is_recording()


def test_a_fault_is_named_by_its_type_alone(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="Moss"), tracing.span("C-FIND"):
        raise ValueError("Moss^Ada is not a date")
    (span,) = recorder.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")


@pytest.mark.parametrize(
    ("method", "counted"), [("GET", "GET"), ("PATCH", "PATCH"), ("MOSS", "_OTHER"), ("get", "_OTHER")]
)
def test_invented_methods_are_counted_together(method: str, counted: str) -> None:
    assert tracing.method_of(method) == counted
