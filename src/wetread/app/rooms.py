"""The rooms of the house, for what needs them all: the schema, the HTTP routers, the background tasks."""

from __future__ import annotations

import importlib
import importlib.util

MODELS = (
    "wetread.kit.events",
    "wetread.security.model",
    "wetread.jobs.service",
    "wetread.notices.model",
    "wetread.patients.model",
    "wetread.orders.model",
    "wetread.archive.model",
    "wetread.routing.model",
    "wetread.availability.model",
    "wetread.workitems.model",
    "wetread.scheduling.model",
    "wetread.reporting.model",
    "wetread.worklist.model",
    "wetread.billing.model",
    "wetread.priors.model",
    "wetread.hanging.model",
    "wetread.sharing.model",
    "wetread.together.model",
    "wetread.sharing.messages",
)
ROUTERS = (
    "wetread.dicomweb.api",  # first: routes are tried in their order, and images are asked for most
    "wetread.security.api",
    "wetread.jobs.api",
    "wetread.notices.api",
    "wetread.patients.api",
    "wetread.orders.api",
    "wetread.archive.api",
    "wetread.archive.documents_api",
    "wetread.routing.api",
    "wetread.availability.api",
    "wetread.workitems.api",
    "wetread.scheduling.api",
    "wetread.reporting.api",
    "wetread.worklist.api",
    "wetread.billing.api",
    "wetread.priors.api",
    "wetread.hanging.api",
    "wetread.sharing.api",
    "wetread.sharing.exports_api",
    "wetread.together.api",
    "wetread.analytics.api",
    "wetread.hl7.api",
)
TASKS = (
    "wetread.jobs.housekeeping",
    "wetread.notices.jobs",
    "wetread.archive.jobs",
    "wetread.archive.commitment",
    "wetread.archive.compression",
    "wetread.archive.integrity",
    "wetread.archive.sides",
    "wetread.archive.moving",
    "wetread.archive.tiering",
    "wetread.archive.removal",
    "wetread.archive.retention",
    "wetread.archive.rejection",
    "wetread.routing.jobs",
    "wetread.availability.jobs",
    "wetread.workitems.jobs",
    "wetread.scheduling.jobs",
    "wetread.reporting.jobs",
    "wetread.worklist.jobs",
    "wetread.billing.jobs",
    "wetread.priors.jobs",
    "wetread.sharing.jobs",
    "wetread.together.jobs",
    "wetread.hl7.jobs",
    "wetread.hl7.results",
    "wetread.hl7.statuses",
    "wetread.app.wanted",
)


def load(names: tuple[str, ...]) -> list[object]:
    """Imports the modules that exist, in order."""
    return [importlib.import_module(name) for name in names if _exists(name)]


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
