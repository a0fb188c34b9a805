"""Background work of live sessions."""

from __future__ import annotations

from wetread.jobs.service import task
from wetread.security.service import Work
from wetread.together import service


@task("together.close_expired", cron="*/10 * * * *")
def close_expired(work: Work) -> None:
    """Ends sessions whose time is over. Nobody is let into one before that either."""
    service.close_expired(work)
