"""Spans for whoever installs an OpenTelemetry SDK; without one they cost a few microseconds and go nowhere.

A span carries names and numbers that this program itself wrote down: a route's pattern, an operation, a task, a status.
Never an address, a name, an identifier or the words of an error, for what a span says leaves the house.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

_tracer = trace.get_tracer("wetread")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Attribute = Literal[
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "dicom.operation",
    "dicom.status",
    "job.task",
]


def span(name: str, kind: SpanKind = SpanKind.SERVER) -> AbstractContextManager[Span]:
    """A span around the block. An exception marks it by its type alone: messages can quote what a patient is called."""
    nobody = isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    if nobody and isinstance(_tracer, trace.ProxyTracer):
        return nullcontext(trace.INVALID_SPAN)
    return _recorded(name, kind)


@contextmanager
def _recorded(name: str, kind: SpanKind) -> Iterator[Span]:
    with _tracer.start_as_current_span(
        name, kind=kind, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def note(current: Span, attribute: Attribute, value: str | int) -> None:
    """Puts one of the few attributes there are onto a span."""
    current.set_attribute(attribute, value)


def method_of(method: str) -> str:
    """An HTTP method as it may be counted: what a client invents is `_OTHER`."""
    return method if method in _METHODS else "_OTHER"
