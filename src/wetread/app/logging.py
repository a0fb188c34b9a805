"""Structured logs. They carry numbers and states, never patient data: services log keys only."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from wetread.kit.config import Settings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(settings: Settings, part: str) -> None:
    """Logs of this process go to standard error, one line an event."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _clean,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(part=part)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # These print statements, bodies or data set elements at their lower levels.
    for name in ("sqlalchemy", "psycopg", "pydicom", "procrastinate", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _clean(_logger: Any, _name: str, event: Any) -> Any:
    """AE titles and names come from outside: no control characters reach a log (ASVS 16.4.1)."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = value.encode("unicode_escape").decode()
    return event
