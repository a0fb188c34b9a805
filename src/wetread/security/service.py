"""The door to the security room for services: the unit of work, actors, permissions, audit vocabulary.

`Security` gathers what is made once per process; `app` builds it and hands it on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wetread.kit.errors import Unauthenticated
from wetread.security.audit import ChainFault, ChainVerdict, seal, verify
from wetread.security.identity import (
    Identity,
    check_practitioner,
    create_token,
    create_user,
    end_sessions,
    hash_secret,
    set_password,
)
from wetread.security.keys import FileMasterKey, KeyUnsafe, MasterKey
from wetread.security.practitioners import (
    accounts_of,
    add_practitioner,
    change_practitioner,
    known_practitioner,
)
from wetread.security.rules import ROLE_PERMISSIONS, AuditEventID, Permission, Role, permissions_of, valid_npi
from wetread.security.work import AUDIT_ENTRY_COLUMNS, Actor, AuditMissing, Offices, Work, audit_entry

__all__ = [
    "AUDIT_ENTRY_COLUMNS",
    "ROLE_PERMISSIONS",
    "Actor",
    "AuditEventID",
    "AuditMissing",
    "ChainFault",
    "ChainVerdict",
    "FileMasterKey",
    "Identity",
    "KeyUnsafe",
    "MasterKey",
    "Offices",
    "Permission",
    "Role",
    "Security",
    "Work",
    "accounts_of",
    "actor_of_guest",
    "add_practitioner",
    "audit_entry",
    "change_practitioner",
    "check_practitioner",
    "create_token",
    "create_user",
    "end_sessions",
    "hash_secret",
    "known_practitioner",
    "permissions_of",
    "reauthenticate",
    "seal",
    "set_password",
    "use_guests",
    "use_identity",
    "valid_npi",
    "verify",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Security:
    """What a process needs to open doors: units of work and identities."""

    offices: Offices
    identity: Identity
    secure_cookies: bool = False


_identity: Identity | None = None
Guests = Callable[[Offices, str, str | None], Actor]
_guests: Guests | None = None


def use_identity(identity: Identity) -> None:
    """Names the identity service of this process (called once by the composition root)."""
    global _identity  # noqa: PLW0603 - one per process, set at composition
    _identity = identity


def reauthenticate(work: Work, password: str, totp: str | None) -> None:
    """Proves again that the actor is there, e.g. for a signature. Raises Denied or TooMany."""
    if _identity is None:
        raise RuntimeError("no identity service in this process")
    _identity.reauthenticate(work, password, totp)


def use_guests(guests: Guests) -> None:
    """Names what knows a guest by the secret of their browser (called once by the composition root)."""
    global _guests  # noqa: PLW0603 - one per process, set at composition
    _guests = guests


def actor_of_guest(offices: Offices, secret: str, address: str | None) -> Actor:
    """The guest whose browser holds the secret. Raises Unauthenticated."""
    if _guests is None:
        raise Unauthenticated("You are not signed in.")
    return _guests(offices, secret, address)
