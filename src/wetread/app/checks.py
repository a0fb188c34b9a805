"""What must be true before the system starts: it refuses to run in an unsafe set-up, and says why."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from wetread.kit.config import PREFIX, Settings, is_loopback
from wetread.kit.db import Database
from wetread.kit.tls import TlsUnusable, server_context

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
    public = urlsplit(settings.base_url)
    if public.scheme != "https" and (settings.behind_tls_proxy or not is_loopback(public.hostname or "")):
        wrong.append(
            f"People would reach us at {settings.base_url}, so that browsers would send the session's cookie unencrypted: "
            "set public_url = https://…"
        )
    if not settings.is_loopback and (settings.data / "demo-credentials.json").exists():
        wrong.append(
            f"{settings.data} holds the demonstration's accounts, whose passwords lie in a file: "
            "take another folder for a system that other machines can reach."
        )
    if not settings.is_loopback and settings.accept_any_loopback_ae:
        wrong.append("accept_any_loopback_ae is for demonstrations on 127.0.0.1 only.")
    if not settings.is_loopback and not settings.mfa_required:
        wrong.append("mfa_required = false is for demonstrations on 127.0.0.1 only.")
    if not 1 <= settings.session_idle_minutes <= 60:
        wrong.append("session_idle_minutes must be from 1 to 60 (45 CFR 164.312(a)(2)(iii)).")
    wrong += _faults_of_peer_tls(settings)
    title = settings.ae_title
    if not 1 <= len(title) <= 16 or "\\" in title or not title.isascii() or not title.isprintable():
        wrong.append("ae_title must be 1 to 16 plain characters without a backslash (PS3.5 6.2).")
    if wrong:
        raise UnsafeSetup("\n".join(wrong))


def check_ports(settings: Settings) -> None:
    """Refuses a port that another program listens on: people and scanners would reach that program. Raises UnsafeSetup."""
    of_role = {
        "web": ("http_port",),
        "dicom": ("dicom_port", "dicom_tls_port"),
        "hl7": ("hl7_port", "hl7_tls_port"),
    }
    wrong = []
    for name in (name for role in settings.roles for name in of_role.get(role, ())):
        port = getattr(settings, name)
        if not port:
            continue
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # what has just ended is in nobody's way
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                why = (
                    "another program listens there"
                    if error.errno == errno.EADDRINUSE
                    else f"the system refuses it ({error.strerror})"
                )
                wrong.append(
                    f"{name} {port} on {settings.host}: {why}. Set {PREFIX}{name.upper()} to another port, "
                    "or end that program."
                )
    if wrong:
        raise UnsafeSetup("\n".join(wrong))


def _faults_of_peer_tls(settings: Settings) -> list[str]:
    """What is wrong with TLS for DICOM and HL7 peers, found before a scanner finds it."""
    wrong: list[str] = []
    if bool(settings.peer_tls_certificate) != bool(settings.peer_tls_key):
        wrong.append("peer_tls_certificate and peer_tls_key belong together: set both or neither.")
    names = ("http_port", "dicom_port", "hl7_port", "dicom_tls_port", "hl7_tls_port")
    for one, other in combinations(names, 2):
        port = getattr(settings, one)
        if port and port == getattr(settings, other) and "tls" in other:
            wrong.append(f"{one} and {other} are both {port}: TLS needs a port of its own (PS3.15 B.12).")
    secured = settings.dicom_tls_port is not None or settings.hl7_tls_port is not None
    if not settings.plain_peers and not secured:
        wrong.append("plain_peers = false leaves DICOM and HL7 no door: set dicom_tls_port or hl7_tls_port.")
    if wrong or not secured:
        return wrong
    if settings.peer_tls.certificate is None:
        return [
            "dicom_tls_port and hl7_tls_port need peer_tls_certificate and peer_tls_key (or tls_certificate and tls_key)."
        ]
    if settings.peer_tls_client_certificate != "none" and settings.peer_tls_authorities is None:
        return [
            f"peer_tls_client_certificate = {settings.peer_tls_client_certificate} needs peer_tls_authorities, the PEM file of "
            "those who sign the peers' certificates; say none where peers show none."
        ]
    try:
        server_context(settings.peer_tls, settings.peer_tls_client_certificate)
    except TlsUnusable as error:
        return [f"TLS for DICOM and HL7 peers: {error}."]
    return []


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What a database says of itself. `server_address` None: a Unix socket; `skew_s` against this machine's clock."""

    server_version: str
    server_version_num: int
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    superuser: bool
    server_address: str | None
    encrypted: bool
    skew_s: float


def check_database(database: Database) -> None:
    """Refuses a database that could lose what was acknowledged, or that gives us too much power. Raises UnsafeSetup."""
    if wrong := faults_of(_facts_of(database)):
        raise UnsafeSetup("\n".join(wrong))


def faults_of(facts: DatabaseFacts) -> list[str]:
    """What is wrong, and what to do."""
    wrong: list[str] = []
    if facts.server_version_num < _POSTGRES_VERSION_MIN:
        wrong.append(f"PostgreSQL {facts.server_version} is too old; 15 or newer is needed.")
    for name in ("fsync", "full_page_writes"):
        if (value := getattr(facts, name)) != "on":
            wrong.append(f"PostgreSQL runs with {name} = {value}: a power cut could lose images. Set it on.")
    if facts.synchronous_commit == "off":
        wrong.append("PostgreSQL runs with synchronous_commit = off: acknowledged images could be lost.")
    if facts.superuser:
        wrong.append("The database user is a superuser; use an ordinary owner of the database.")
    if facts.server_address is not None and not is_loopback(facts.server_address) and not facts.encrypted:
        wrong.append(
            "Patient data would cross the network to PostgreSQL unencrypted: add sslmode=verify-full (or require) to "
            "database_url."
        )
    if facts.skew_s > _CLOCK_SKEW_S_MAX:
        wrong.append(
            f"This machine's clock and the database's differ by {facts.skew_s:.1f} s; synchronise them."
        )
    return wrong


def _facts_of(database: Database) -> DatabaseFacts:
    with database.transaction() as session:
        facts: dict[str, Any] = dict(
            session.execute(
                text(
                    "SELECT current_setting('server_version') AS server_version,"
                    " current_setting('server_version_num')::int AS server_version_num,"
                    " current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,"
                    " current_setting('synchronous_commit') AS synchronous_commit,"
                    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,"
                    " host(inet_server_addr()) AS server_address,"
                    " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted,"
                    " clock_timestamp() AS told_at"
                )
            )
            .mappings()
            .one()
        )
        now = datetime.now(UTC)
    skew = facts.pop("told_at") - now
    return DatabaseFacts(**facts, skew_s=abs(skew.total_seconds()))
