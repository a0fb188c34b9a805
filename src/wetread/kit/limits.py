"""A limit on everything, named, in one place. Units last in the name."""

from __future__ import annotations

from typing import Final

# HTTP
REQUEST_BODY_BYTES_MAX: Final = 4 * 1024 * 1024  # JSON bodies; STOW-RS streams have their own limit
PAGE_ITEMS_MAX: Final = 500
SEARCH_TEXT_CHARACTERS_MAX: Final = 200
LIVE_CONNECTIONS_MAX: Final = 500

# Identity
PASSWORD_CHARACTERS_MIN: Final = 15
PASSWORD_CHARACTERS_MAX: Final = 256
LOGIN_FAILURES_BEFORE_DELAY: Final = 5
LOGIN_FAILURES_BEFORE_LOCK: Final = 10
LOGIN_LOCK_S: Final = 15 * 60
SESSION_IDLE_S: Final = 15 * 60
SESSION_ABSOLUTE_S: Final = 12 * 3600
INVITATION_S: Final = 72 * 3600

# Jobs
JOB_ATTEMPTS_MAX: Final = 10
EVENT_BATCH_MAX: Final = 200
AUDIT_SEAL_BATCH_MAX: Final = 2000
