"""HTTP: hanging protocols."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from wetread.hanging import service
from wetread.hanging.model import HangingProtocolLevel
from wetread.hanging.rules import NAME_CHARACTERS_MAX, STAGES_MAX, Definition, Stage
from wetread.kit.limits import HANGING_PROTOCOLS_MAX
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/hanging-protocols", tags=["hanging protocols"])


class HangingProtocolIn(BaseModel):
    """A protocol as a person makes it. Level SITE without `site_pk`: for everybody."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAX)
    hanging_protocol_level: HangingProtocolLevel = HangingProtocolLevel.SINGLE_USER
    site_pk: int | None = None
    hanging_protocol_definition: Definition
    display_sets: list[Stage] = Field(min_length=1, max_length=STAGES_MAX)


class HangingProtocolChangeIn(HangingProtocolIn):
    """A change to the version that it was made from."""

    version: int


class HangingProtocolOut(BaseModel):
    """A protocol, whose it is, and whether the asker may change it."""

    hanging_protocol_pk: int
    name: str
    hanging_protocol_level: HangingProtocolLevel
    site_pk: int | None
    site_code: str | None
    hanging_protocol_definition: Definition
    display_sets: list[Stage]
    position: int
    is_enabled: bool
    version: int
    made_by: str
    may_change: bool
    updated_at: datetime


def _out(kept: service.Kept) -> HangingProtocolOut:
    one = kept.protocol
    return HangingProtocolOut(
        hanging_protocol_pk=one.hanging_protocol_pk,
        name=one.name,
        hanging_protocol_level=HangingProtocolLevel(one.hanging_protocol_level),
        site_pk=one.site_pk,
        site_code=kept.site_code,
        hanging_protocol_definition=Definition.model_validate(one.hanging_protocol_definition),
        display_sets=[Stage.model_validate(stage) for stage in one.display_sets],
        position=one.position,
        is_enabled=one.is_enabled,
        version=one.version,
        made_by=kept.made_by,
        may_change=kept.may_change,
        updated_at=one.updated_at,
    )


def _keep(
    work: Work, body: HangingProtocolIn, hanging_protocol_pk: int | None = None, version: int | None = None
) -> HangingProtocolOut:
    kept = service.keep_protocol(
        work,
        hanging_protocol_pk=hanging_protocol_pk,
        version=version,
        owner=service.Owner(body.hanging_protocol_level, body.site_pk),
        name=body.name,
        definition=body.hanging_protocol_definition,
        stages=body.display_sets,
    )
    return _out(kept)


@router.get("")
def list_hanging_protocols(
    work: Work = door(Permission.STUDY_READ, Permission.CONFIG_READ),
) -> list[HangingProtocolOut]:
    """All that apply to the asker: their own, their sites', everybody's."""
    return [_out(kept) for kept in service.protocols(work)]


@router.post("", status_code=201)
def add_hanging_protocol(
    body: HangingProtocolIn, work: Work = door(Permission.STUDY_READ, Permission.CONFIG_WRITE)
) -> HangingProtocolOut:
    """Keeps a protocol; for a site it needs the right to share, for everybody an administrator."""
    return _keep(work, body)


class CopyIn(BaseModel):
    """For which site a copy is; without `site_pk` for everybody."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAX)
    site_pk: int | None = None


class SwitchIn(BaseModel):
    """Whether studies hang by it."""

    model_config = ConfigDict(extra="forbid")

    is_enabled: bool


class OrderIn(BaseModel):
    """All protocols of a site, or without `site_pk` of everybody, the first first."""

    model_config = ConfigDict(extra="forbid")

    site_pk: int | None = None
    hanging_protocol_pks: list[int] = Field(max_length=HANGING_PROTOCOLS_MAX)


@router.get("/all")
def list_all_hanging_protocols(
    work: Work = door(Permission.CONFIG_READ),
) -> list[HangingProtocolOut]:
    """Every protocol that is kept, also those that are off and users' own, for who administers them."""
    return [_out(kept) for kept in service.all_protocols(work)]


@router.put("/order", status_code=204)
def order_hanging_protocols(body: OrderIn, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Which of several that fit a study equally well wins; 422 where they are not those that are kept."""
    service.order_protocols(work, body.site_pk, body.hanging_protocol_pks)


@router.post("/{hanging_protocol_pk}/copy", status_code=201)
def copy_hanging_protocol(
    hanging_protocol_pk: int, body: CopyIn, work: Work = door(Permission.CONFIG_WRITE)
) -> HangingProtocolOut:
    """Keeps a copy, also of a user's own, for a site or for everybody."""
    return _out(service.copy_protocol(work, hanging_protocol_pk, name=body.name, site_pk=body.site_pk))


@router.put("/{hanging_protocol_pk}/enabled")
def switch_hanging_protocol(
    hanging_protocol_pk: int, body: SwitchIn, work: Work = door(Permission.CONFIG_WRITE)
) -> HangingProtocolOut:
    """Switches a shared protocol on or off."""
    return _out(service.switch_protocol(work, hanging_protocol_pk, is_enabled=body.is_enabled))


@router.put("/{hanging_protocol_pk}")
def change_hanging_protocol(
    hanging_protocol_pk: int,
    body: HangingProtocolChangeIn,
    work: Work = door(Permission.STUDY_READ, Permission.CONFIG_WRITE),
) -> HangingProtocolOut:
    """Changes a protocol, or whose it is; 409 where somebody changed it meanwhile."""
    return _keep(work, body, hanging_protocol_pk, body.version)


@router.delete("/{hanging_protocol_pk}", status_code=204)
def remove_hanging_protocol(
    hanging_protocol_pk: int, work: Work = door(Permission.STUDY_READ, Permission.CONFIG_WRITE)
) -> None:
    """Forgets a protocol."""
    service.remove_protocol(work, hanging_protocol_pk)
