"""Telling people inside the product, and what of it they have read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from wetread.kit import limits
from wetread.kit.errors import NotFound
from wetread.notices.events import NoticeChanged
from wetread.notices.model import Notice, NoticeReading
from wetread.security.model import User
from wetread.security.service import AuditEventID, Permission, Work


def add_notice(
    work: Work,
    *,
    about: str,
    title: str,
    body: str,
    link: str | None = None,
    roles: Sequence[str] = (),
    user_pks: Sequence[int] = (),
) -> list[int]:
    """Tells roles and persons; who was told of the same (`about`) before is not told again. Returns the new notice_pk.

    Title and body name no patient. `link` is a place inside the client.
    """
    told: list[dict[str, Any]] = [{"role": role, "user_pk": None} for role in dict.fromkeys(roles)]
    told += [{"role": None, "user_pk": user_pk} for user_pk in dict.fromkeys(user_pks)]
    if not told:
        return []
    shared: dict[str, Any] = {
        "about": about[:64],
        "title": title[:120],
        "body": body[:400],
        "link": link,
        "created_at": work.now(),
    }
    made = list(
        work.session.scalars(
            insert(Notice)
            .values([shared | one for one in told])
            .on_conflict_do_nothing()
            .returning(Notice.notice_pk)
        )
    )
    for notice_pk in made:
        work.publish(NoticeChanged(notice_pk))
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "C", object_type="notice", detail={"told": str(len(made))})
    return made


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice as one person sees it."""

    notice_pk: int
    title: str
    body: str
    link: str | None
    created_at: datetime
    is_read: bool


@dataclass(frozen=True, slots=True)
class Notices:
    """Newest first, and how many there are that this person has not read (counted to a limit)."""

    items: list[NoticeRow]
    unread: int


def notices(work: Work, *, before: int | None = None, limit: int = 50) -> Notices:
    """What the actor was told."""
    work.require(Permission.SELF)
    mine = _mine(work)
    if mine is None:
        return Notices([], 0)
    query = (
        select(Notice, _read(work))
        .where(mine)
        .order_by(Notice.notice_pk.desc())
        .limit(min(limit, limits.PAGE_ITEMS_MAX))
    )
    if before is not None:
        query = query.where(Notice.notice_pk < before)
    rows = [
        NoticeRow(one.notice_pk, one.title, one.body, one.link, one.created_at, is_read)
        for one, is_read in work.session.execute(query)
    ]
    some: Select[Any] = select(Notice.notice_pk).where(mine, ~_read(work)).limit(limits.NOTICES_COUNTED_MAX)
    unread = work.session.scalar(select(func.count()).select_from(some.subquery())) or 0
    return Notices(rows, unread)


def mark_read(work: Work, notice_pk: int | None = None) -> None:
    """Marks a notice, or all of the actor's, as read by the actor. Raises NotFound for one that was not told to them."""
    work.require(Permission.SELF)
    mine = _mine(work)
    if mine is None or work.actor.user_pk is None:
        raise NotFound("There is no such notice.")
    chosen = select(Notice.notice_pk).where(mine, ~_read(work))
    if notice_pk is not None:
        known = work.session.scalar(select(Notice.notice_pk).where(mine, Notice.notice_pk == notice_pk))
        if known is None:
            raise NotFound("There is no such notice.")
        chosen = chosen.where(Notice.notice_pk == notice_pk)
    done = work.session.scalars(
        insert(NoticeReading)
        .from_select(
            ["notice_pk", "user_pk", "read_at"],
            chosen.add_columns(literal(work.actor.user_pk), literal(work.now())),
        )
        .on_conflict_do_nothing()
        .returning(NoticeReading.notice_pk)
    ).all()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="notice", detail={"read": str(len(done))})
    if done:
        work.publish(NoticeChanged(max(done)))


def forget_old(work: Work) -> int:
    """Removes notices of long ago, read or not; how many."""
    gone = work.session.execute(
        delete(Notice)
        .where(Notice.created_at < work.now() - timedelta(days=limits.NOTICES_KEPT_DAYS))
        .returning(Notice.notice_pk)
    ).all()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "D", object_type="notice", object_id=len(gone))
    return len(gone)


def _mine(work: Work) -> ColumnElement[bool] | None:
    """What was told to the actor, or to a role of theirs since they have the account; None for who is no user."""
    user_pk = work.actor.user_pk
    if user_pk is None:
        return None
    since = select(User.created_at).where(User.user_pk == user_pk).scalar_subquery()
    return or_(
        Notice.user_pk == user_pk,
        and_(Notice.role.in_(sorted(work.actor.roles)), Notice.created_at >= since),
    )


def _read(work: Work) -> ColumnElement[bool]:
    return exists().where(
        NoticeReading.notice_pk == Notice.notice_pk, NoticeReading.user_pk == work.actor.user_pk
    )
