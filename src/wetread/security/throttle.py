"""How often one network address may fail to sign in, kept in the database: no process knows more than another.

A leaky bucket in one timestamp: each failure moves `clear_at`, the time at which nothing counts any more, ahead by the
time it takes to forget one; an address whose `clear_at` lies too far ahead waits. There is no lock to wait out: a whole
hospital may sit behind one address, and nobody outside shall be able to shut it out for longer than one failure counts.
"""

from __future__ import annotations

import ipaddress
import math
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wetread.kit import limits
from wetread.security.model import SignInThrottle

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
