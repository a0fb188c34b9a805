"""Keeping hanging protocols; who may see and change which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select

from wetread.hanging.model import HangingProtocol, HangingProtocolLevel
from wetread.hanging.rules import NAME_CHARACTERS_MAX, STAGES_MAX, Definition, Stage
from wetread.kit import limits
from wetread.kit.errors import Conflict, Denied, FieldError, Invalid, NotFound
from wetread.security.model import Site, User
from wetread.security.service import AuditEventID, Permission, Work


@dataclass(frozen=True, slots=True)
class Kept:
    """A protocol as it is kept, and what this actor may do to it. `made_by`: who it comes from, in words."""

    protocol: HangingProtocol
    site_code: str | None
    made_by: str
    may_change: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """For whom a protocol is: oneself, a site, or, where `site_pk` is None at level SITE, everybody."""

    level: HangingProtocolLevel
    site_pk: int | None = None


def protocols(work: Work) -> list[Kept]:
    """All that apply to the actor and are not switched off: their own, those of their sites, everybody's; an administrator
    sees every shared one.

    Own ones first, then sites', then everybody's, each by name.
    """
    work.require(Permission.STUDY_READ, Permission.CONFIG_READ)
    shared = (
        HangingProtocol.hanging_protocol_level == HangingProtocolLevel.SITE
    ) & HangingProtocol.is_enabled.is_(True)
    sites = work.actor.site_pks
    if sites is not None and not work.actor.may(Permission.CONFIG_READ):
        shared = shared & or_(HangingProtocol.site_pk.is_(None), HangingProtocol.site_pk.in_(sites))
    rows = work.session.execute(
        select(HangingProtocol, Site.code, User.display_name)
        .outerjoin(Site, Site.site_pk == HangingProtocol.site_pk)
        .join(User, User.user_pk == HangingProtocol.created_by)
        .where(or_(HangingProtocol.user_pk == work.actor.user_pk, shared))
        .order_by(
            HangingProtocol.user_pk.is_(None),
            HangingProtocol.site_pk.is_(None),
            func.lower(HangingProtocol.name),
            HangingProtocol.hanging_protocol_pk,
        )
    )
    return [Kept(one, code, name, _may_change(work, one)) for one, code, name in rows]


def all_protocols(work: Work) -> list[Kept]:
    """Every protocol that is kept, also those that are off and those of single users, for who administers them: shared
    ones by owner and their order, then users' by maker and name."""
    work.require(Permission.CONFIG_READ)
    rows = work.session.execute(
        select(HangingProtocol, Site.code, User.display_name)
        .outerjoin(Site, Site.site_pk == HangingProtocol.site_pk)
        .join(User, User.user_pk == func.coalesce(HangingProtocol.user_pk, HangingProtocol.created_by))
        .order_by(
            HangingProtocol.user_pk.is_not(None),
            Site.code.nulls_last(),
            HangingProtocol.position,
            User.display_name,
            func.lower(HangingProtocol.name),
            HangingProtocol.hanging_protocol_pk,
        )
    )
    return [Kept(one, code, name, _may_change(work, one)) for one, code, name in rows]


def copy_protocol(work: Work, hanging_protocol_pk: int, *, name: str, site_pk: int | None) -> Kept:
    """Keeps a copy of any protocol, also of a user's own, for a site or, without `site_pk`, for everybody; the one that it
    is made of stays. Raises NotFound, Denied, Invalid, Conflict for a taken name."""
    work.require(Permission.CONFIG_WRITE)
    of = work.session.get(HangingProtocol, hanging_protocol_pk)
    if of is None:
        raise NotFound("There is no such hanging protocol.")
    return keep_protocol(
        work,
        owner=Owner(HangingProtocolLevel.SITE, site_pk),
        name=name,
        definition=Definition.model_validate(of.hanging_protocol_definition),
        stages=[Stage.model_validate(stage) for stage in of.display_sets],
    )


def switch_protocol(work: Work, hanging_protocol_pk: int, *, is_enabled: bool) -> Kept:
    """Switches a shared protocol on or off. Raises NotFound, Denied; Invalid for a user's own, which is theirs alone."""
    work.require(Permission.CONFIG_WRITE)
    kept = work.session.get(HangingProtocol, hanging_protocol_pk, with_for_update=True)
    if kept is None:
        raise NotFound("There is no such hanging protocol.")
    if kept.hanging_protocol_level == HangingProtocolLevel.SINGLE_USER:
        raise Invalid("A user's own protocol is theirs alone; copy it to a site instead.")
    kept.is_enabled = is_enabled
    kept.updated_at = work.now()
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="hanging_protocol",
        object_id=hanging_protocol_pk,
        detail={**_told(kept), "enabled": "yes" if is_enabled else "no"},
    )
    return _as_kept(work, kept)


def order_protocols(work: Work, site_pk: int | None, hanging_protocol_pks: Sequence[int]) -> None:
    """Puts all protocols of a site or, without one, of everybody into this order. Raises Denied; Invalid where they are
    others than those that are kept, for somebody added or removed one meanwhile."""
    work.require(Permission.CONFIG_WRITE)
    kept = {
        one.hanging_protocol_pk: one
        for one in work.session.scalars(
            select(HangingProtocol)
            .where(
                HangingProtocol.hanging_protocol_level == HangingProtocolLevel.SITE,
                HangingProtocol.site_pk.is_not_distinct_from(site_pk),
            )
            .with_for_update()
        )
    }
    if sorted(hanging_protocol_pks) != sorted(kept):
        raise Invalid(
            "These are not the protocols that are kept; look at the list again.",
            fields=[FieldError("hanging_protocol_pks", "must name each once")],
        )
    for position, hanging_protocol_pk in enumerate(hanging_protocol_pks, 1):
        kept[hanging_protocol_pk].position = position
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="hanging_protocol_order",
        object_id=site_pk,
        detail={"site": "" if site_pk is None else str(site_pk), "protocols": str(len(kept))},
    )


def keep_protocol(
    work: Work,
    *,
    hanging_protocol_pk: int | None = None,
    version: int | None = None,
    owner: Owner,
    name: str,
    definition: Definition,
    stages: Sequence[Stage],
) -> Kept:
    """Keeps a new protocol, or another version of one; a change names the `version` that it was made from.

    Raises Invalid, Denied where the actor may not share with that owner, NotFound for what they may not see, Conflict for a
    taken name or where somebody changed it meanwhile.
    """
    work.require(Permission.STUDY_READ, Permission.CONFIG_WRITE)
    user_pk = work.actor.user_pk
    if user_pk is None:
        raise Denied("Hanging protocols are kept by people with an account.")
    title = " ".join(name.split())
    faults: list[FieldError] = []
    if not 1 <= len(title) <= NAME_CHARACTERS_MAX:
        faults.append(FieldError("name", f"has 1 to {NAME_CHARACTERS_MAX} characters"))
    if not 1 <= len(stages) <= STAGES_MAX:
        faults.append(FieldError("display_sets", f"has 1 to {STAGES_MAX} stages"))
    if owner.level == HangingProtocolLevel.SINGLE_USER and owner.site_pk is not None:
        faults.append(FieldError("site_pk", "is none of a protocol for one person"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    _require_owner(work, owner)
    if hanging_protocol_pk is None:
        kept = HangingProtocol(created_by=user_pk, created_at=work.now(), version=1, is_enabled=True)
    else:
        kept = _changeable(work, hanging_protocol_pk)
        if version != kept.version:
            raise Conflict(
                "Somebody changed this protocol meanwhile. Your changes are not kept; look at theirs first."
            )
        kept.version += 1
    before = (kept.hanging_protocol_level, kept.user_pk, kept.site_pk)
    kept.hanging_protocol_level = owner.level.value
    kept.user_pk = user_pk if owner.level == HangingProtocolLevel.SINGLE_USER else None
    kept.site_pk = owner.site_pk
    if before != (kept.hanging_protocol_level, kept.user_pk, kept.site_pk):
        # A user's own are for that user to keep in mind: the last that was changed wins.
        shared = owner.level == HangingProtocolLevel.SITE
        kept.position = _last_position(work, kept) + 1 if shared else 0
        kept.is_enabled = True
    _check_room(work, kept, title)
    kept.name = title
    kept.hanging_protocol_definition = definition.model_dump(mode="json", exclude_defaults=True)
    kept.display_sets = [stage.model_dump(mode="json") for stage in stages]
    kept.updated_at = work.now()
    work.session.add(kept)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if hanging_protocol_pk is None else "U",
        object_type="hanging_protocol",
        object_id=kept.hanging_protocol_pk,
        detail=_told(kept),
    )
    return _as_kept(work, kept)


def _as_kept(work: Work, kept: HangingProtocol) -> Kept:
    code = None if kept.site_pk is None else work.session.get_one(Site, kept.site_pk).code
    return Kept(kept, code, work.session.get_one(User, kept.created_by).display_name, may_change=True)


def _last_position(work: Work, kept: HangingProtocol) -> int:
    with work.session.no_autoflush:
        return (
            work.session.scalar(
                select(func.max(HangingProtocol.position)).where(
                    HangingProtocol.user_pk.is_not_distinct_from(kept.user_pk),
                    HangingProtocol.site_pk.is_not_distinct_from(kept.site_pk),
                )
            )
            or 0
        )


def remove_protocol(work: Work, hanging_protocol_pk: int) -> None:
    """Forgets a protocol; studies that it would have hung hang by the next that fits. Raises NotFound, Denied."""
    work.require(Permission.STUDY_READ, Permission.CONFIG_WRITE)
    kept = _changeable(work, hanging_protocol_pk)
    work.session.delete(kept)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="hanging_protocol",
        object_id=hanging_protocol_pk,
        detail=_told(kept),
    )


def _told(kept: HangingProtocol) -> dict[str, str]:
    return {
        "name": kept.name,
        "level": kept.hanging_protocol_level,
        "site": "" if kept.site_pk is None else str(kept.site_pk),
        "stages": str(len(kept.display_sets)),
        "version": str(kept.version),
    }


def _sees(work: Work, kept: HangingProtocol) -> bool:
    if kept.hanging_protocol_level == HangingProtocolLevel.SINGLE_USER:
        return kept.user_pk == work.actor.user_pk
    sites = work.actor.site_pks
    return (
        kept.site_pk is None
        or sites is None
        or kept.site_pk in sites
        or work.actor.may(Permission.CONFIG_READ)
    )


def _may_change(work: Work, kept: HangingProtocol) -> bool:
    if kept.hanging_protocol_level == HangingProtocolLevel.SINGLE_USER:
        return kept.user_pk == work.actor.user_pk
    if kept.site_pk is None:
        return work.actor.may(Permission.CONFIG_WRITE)
    return work.actor.may(Permission.CONFIG_WRITE) or work.actor.may(Permission.HANGING_SHARE)


def _changeable(work: Work, hanging_protocol_pk: int) -> HangingProtocol:
    kept = work.session.get(HangingProtocol, hanging_protocol_pk, with_for_update=True)
    if kept is None or not _sees(work, kept):
        raise NotFound("There is no such hanging protocol.")
    if not _may_change(work, kept):
        raise Denied("You may use this protocol, not change it. Keep a copy of your own instead.")
    return kept


def _require_owner(work: Work, owner: Owner) -> None:
    if owner.level == HangingProtocolLevel.SINGLE_USER:
        return
    if owner.site_pk is None:
        work.require(Permission.CONFIG_WRITE)
        return
    work.require(Permission.HANGING_SHARE, Permission.CONFIG_WRITE)
    sites = work.actor.site_pks
    hidden = sites is not None and owner.site_pk not in sites and not work.actor.may(Permission.CONFIG_WRITE)
    if hidden or work.session.get(Site, owner.site_pk) is None:
        raise Invalid("Some fields need attention.", fields=[FieldError("site_pk", "is no site of yours")])


def _check_room(work: Work, kept: HangingProtocol, title: str) -> None:
    """The name is free among the owner's, and there are not too many of them."""
    with work.session.no_autoflush:
        others: list[Any] = [
            HangingProtocol.user_pk.is_not_distinct_from(kept.user_pk),
            HangingProtocol.site_pk.is_not_distinct_from(kept.site_pk),
        ]
        if kept.hanging_protocol_pk is not None:
            others.append(HangingProtocol.hanging_protocol_pk != kept.hanging_protocol_pk)
        names = work.session.scalars(select(func.lower(HangingProtocol.name)).where(*others)).all()
    if title.lower() in names:
        raise Conflict("There is a protocol of that name.", fields=[FieldError("name", "is taken")])
    if len(names) >= limits.HANGING_PROTOCOLS_MAX:
        raise Conflict(
            f"There are {limits.HANGING_PROTOCOLS_MAX} protocols already; remove one that nobody uses."
        )
