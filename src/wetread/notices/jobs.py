"""Background work of notices."""

from __future__ import annotations

from wetread.jobs.service import task
from wetread.notices import service
from wetread.security.service import Work


@task("notices.forget_old", cron="41 3 * * *")
def forget_old(work: Work) -> None:
    """Old notices tell nobody anything."""
    service.forget_old(work)
