"""What must be true before the system starts: it refuses to run in an unsafe set-up, and says why."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from wetread.kit.config import Settings
from wetread.kit.db import Database

_CLOCK_SKEW_S_MAX = 2.0
_POSTGRES_VERSION_MIN = 150000


class UnsafeSetup(RuntimeError):
    """The system must not start like this; each line of the message says what is wrong and what to do."""


def check_settings(settings: Settings) -> None:
    """Refuses what can be seen before anything starts. Raises UnsafeSetup."""
    wrong: list[str] = []
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        wrong.append("tls_certificate and tls_key belong together: set both or neither.")
    if not settings.is_loopback and not settings.tls_certificate and not settings.behind_tls_proxy:
        wrong.append(
            f"host is {settings.host}, which other machines can reach, without TLS: set tls_certificate and tls_key, "
            "or behind_tls_proxy = true where a proxy encrypts."
        )
    if not settings.is_loopback and settings.accept_any_loopback_ae:
        wrong.append("accept_any_loopback_ae is for demonstrations on 127.0.0.1 only.")
    if not settings.is_loopback and not settings.mfa_required:
        wrong.append("mfa_required = false is for demonstrations on 127.0.0.1 only.")
    if not 1 <= settings.session_idle_minutes <= 60:
        wrong.append("session_idle_minutes must be from 1 to 60 (45 CFR 164.312(a)(2)(iii)).")
    title = settings.ae_title
    if not 1 <= len(title) <= 16 or "\\" in title or not title.isascii() or not title.isprintable():
        wrong.append("ae_title must be 1 to 16 plain characters without a backslash (PS3.5 6.2).")
    if wrong:
        raise UnsafeSetup("\n".join(wrong))


def check_database(database: Database) -> None:
    """Refuses a database that could lose what was acknowledged, or that gives us too much power. Raises UnsafeSetup."""
    wrong: list[str] = []
    with database.transaction() as session:

        def setting(name: str) -> str:
            return str(session.scalar(text("SELECT current_setting(:name)"), {"name": name}))

        if int(setting("server_version_num")) < _POSTGRES_VERSION_MIN:
            wrong.append(f"PostgreSQL {setting('server_version')} is too old; 15 or newer is needed.")
        for name in ("fsync", "full_page_writes"):
            if setting(name) != "on":
                wrong.append(
                    f"PostgreSQL runs with {name} = {setting(name)}: a power cut could lose images. Set it on."
                )
        if setting("synchronous_commit") == "off":
            wrong.append("PostgreSQL runs with synchronous_commit = off: acknowledged images could be lost.")
        if session.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
            wrong.append("The database user is a superuser; use an ordinary owner of the database.")
        now = session.scalar(text("SELECT clock_timestamp()"))
        skew = abs((now - datetime.now(UTC)).total_seconds()) if now else 0.0
        if skew > _CLOCK_SKEW_S_MAX:
            wrong.append(f"This machine's clock and the database's differ by {skew:.1f} s; synchronise them.")
    if wrong:
        raise UnsafeSetup("\n".join(wrong))
