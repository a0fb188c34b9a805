"""How often one network address, and one user name, may fail to sign in, kept in the database: no process knows more than
another.

Of an address: a leaky bucket in one timestamp: each failure moves `clear_at`, the time at which nothing counts any more, ahead by the
time it takes to forget one; an address whose `clear_at` lies too far ahead waits. There is no lock to wait out: a whole
hospital may sit behind one address, and nobody outside shall be able to shut it out for longer than one failure counts.

Of a name: growing pauses, then a lock, for names that nobody has as for others.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wetread.kit import limits
from wetread.security.model import SignInFailures, SignInThrottle

_PURGED_AT_ONCE = 50


def throttle_key(address: str) -> str:
    """Under what an address is counted: IPv6 by its /64, of which one host has all (RFC 4291 2.5.4), others whole."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def take(session: Session, key: str, now: datetime) -> int:
    """Counts an attempt as failed until `give_back` says otherwise, so that many at once cannot slip through.

    Returns 0, or how many seconds to wait where the address has used up its failures; nothing is counted then.
    """
    one = timedelta(seconds=limits.LOGIN_ADDRESS_FORGET_S)
    full = one * (limits.LOGIN_ADDRESS_FAILURES_MAX - 1)
    _forget_old(session, now)
    taken = session.execute(
        insert(SignInThrottle)
        .values(network_address=key, clear_at=now + one)
        .on_conflict_do_update(
            index_elements=["network_address"],
            set_={"clear_at": func.greatest(SignInThrottle.clear_at, now) + one},
            where=SignInThrottle.clear_at <= now + full,
        )
        .returning(SignInThrottle.clear_at)
    ).first()
    if taken is not None:
        return 0
    clear_at = session.scalar(select(SignInThrottle.clear_at).where(SignInThrottle.network_address == key))
    return 1 if clear_at is None else max(1, math.ceil((clear_at - full - now).total_seconds()))


def give_back(session: Session, key: str) -> None:
    """The attempt was no failure after all."""
    session.execute(
        update(SignInThrottle)
        .where(SignInThrottle.network_address == key)
        .values(clear_at=SignInThrottle.clear_at - timedelta(seconds=limits.LOGIN_ADDRESS_FORGET_S))
    )


def _forget_old(session: Session, now: datetime) -> None:
    """Addresses of which nothing counts any more; what another transaction holds is left to the next."""
    old = (
        select(SignInThrottle.network_address)
        .where(SignInThrottle.clear_at < now)
        .limit(_PURGED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    session.execute(delete(SignInThrottle).where(SignInThrottle.network_address.in_(old)))


def failures_of(session: Session, name: str, now: datetime) -> SignInFailures:
    """What counts against a user name, locked until the transaction ends, so that guesses come one after the other."""
    before = now - timedelta(seconds=limits.LOGIN_NAME_FORGET_S)
    old = (
        select(SignInFailures.name_hash)
        .where(SignInFailures.tried_at < before)
        .limit(_PURGED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    session.execute(delete(SignInFailures).where(SignInFailures.name_hash.in_(old)))
    return session.scalars(
        insert(SignInFailures)
        .values(name_hash=_hash_of(name), tried_at=now)
        .on_conflict_do_update(
            index_elements=["name_hash"], set_={"tried_at": func.greatest(SignInFailures.tried_at, now)}
        )
        .returning(SignInFailures),
        execution_options={"populate_existing": True},
    ).one()


def count_failure(failures: SignInFailures, now: datetime) -> None:
    """One more: after some, each doubles the pause; after more, the name is locked for a while."""
    failures.failures += 1
    failures.tried_at = now
    over = failures.failures - limits.LOGIN_FAILURES_BEFORE_DELAY
    if failures.failures >= limits.LOGIN_FAILURES_BEFORE_LOCK:
        failures.locked_until = now + timedelta(seconds=limits.LOGIN_LOCK_S)
        failures.failures = 0
    elif over >= 0:
        failures.locked_until = now + timedelta(seconds=2**over)


def forget_failures(session: Session, name: str) -> None:
    """It was its owner, or they have a new password."""
    session.execute(delete(SignInFailures).where(SignInFailures.name_hash == _hash_of(name)))


def _hash_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
