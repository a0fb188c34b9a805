"""HTTP for the object stores: what lies where, moves from one to another, the rules of tiers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from wetread.archive import moving, tiering
from wetread.archive.service import the_archive
from wetread.archive.tiering import TierRuleFields
from wetread.kit import limits
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/archive", tags=["archive"])

Name = Annotated[str, Field(min_length=1, max_length=24)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class StoreOut(_Out):
    """A store as it stands. `free_bytes` and `percent` by its quota or file system, absent where nothing bounds it."""

    name: str
    kind: Literal["folder", "bucket"]
    where: str
    takes_new: bool
    is_closed: bool
    copy_to: str | None
    objects: int
    bytes: int
    copies: int
    copies_bytes: int
    quota_bytes: int | None
    free_bytes: int | None
    percent: float | None
    high_water_percent: int
    low_water_percent: int
    fault: str | None


class StoreUsageOut(_Out):
    """What lies in a store of one modality and institution; both may be empty."""

    store: str
    modality: str
    institution_name: str
    objects: int
    bytes: int


class StoresOut(BaseModel):
    """The stores in the order of tiers; `no_room` says why nothing new is taken, where that is so."""

    stores: list[StoreOut]
    usage: list[StoreUsageOut]
    no_room: str | None


class StoreMoveIn(_Body):
    """Which store is to be emptied into which; `bytes_per_second` absent: as fast as it goes."""

    from_store: Name
    to_store: Name
    bytes_per_second: int | None = Field(None, ge=limits.STORE_MOVE_BYTES_A_SECOND_MIN)


class StoreMoveOut(_Out):
    """A move, and how far it is."""

    store_move_pk: int
    from_store: str
    to_store: str
    state: Literal["running", "paused", "done", "cancelled"]
    bytes_per_second: int | None
    started_at: datetime
    started_by: str
    finished_at: datetime | None
    objects_at_start: int
    bytes_at_start: int
    objects: int
    bytes: int
    failed: int
    last_fault: str | None


class StoreMoveStateIn(_Body):
    """What is to become of a move."""

    state: Literal["running", "paused", "cancelled"]


class TierRuleIn(_Body):
    """A rule of tiers: which studies leave a store for another."""

    name: str = Field(min_length=1, max_length=80)
    position: int = Field(ge=0, le=10_000)
    is_enabled: bool
    from_store: Name
    to_store: Name
    modalities: list[Annotated[str, Field(max_length=16)]] = Field(max_length=50)
    institution_names: list[Annotated[str, Field(max_length=64)]] = Field(max_length=50)
    days_unseen: int = Field(ge=0, le=limits.TIER_DAYS_UNSEEN_MAX)
    is_only_when_full: bool

    def fields(self) -> TierRuleFields:
        """As the service takes them."""
        return TierRuleFields(**self.model_dump())


class TierRuleOut(_Out):
    """A rule of tiers."""

    tier_rule_pk: int
    name: str
    position: int
    is_enabled: bool
    from_store: str
    to_store: str
    modalities: list[str]
    institution_names: list[str]
    days_unseen: int
    is_only_when_full: bool


@router.get("/stores")
def stores(work: Work = door(Permission.CONFIG_READ)) -> StoresOut:
    """The object stores, what lies in each by modality and institution, and whether there is room for more."""
    found, used = tiering.stores_now(work), tiering.usage(work)
    return StoresOut(
        stores=[StoreOut.model_validate(one) for one in found],
        usage=[StoreUsageOut.model_validate(one) for one in used],
        no_room=tiering.room_for_new(the_archive()),
    )


@router.get("/store-moves")
def store_moves(work: Work = door(Permission.CONFIG_READ)) -> list[StoreMoveOut]:
    """Moves from store to store, newest first."""
    return [StoreMoveOut.model_validate(one) for one in moving.list_moves(work)]


@router.post("/store-moves", status_code=201)
def start_store_move(body: StoreMoveIn, work: Work = door(Permission.CONFIG_WRITE)) -> StoreMoveOut:
    """Begins to empty one store into another, while everything goes on."""
    move = moving.start_move(work, body.from_store, body.to_store, bytes_per_second=body.bytes_per_second)
    return StoreMoveOut.model_validate(move)


@router.post("/store-moves/{store_move_pk}/state")
def change_store_move(
    store_move_pk: int, body: StoreMoveStateIn, work: Work = door(Permission.CONFIG_WRITE)
) -> StoreMoveOut:
    """Pauses a move, goes on with it, or cancels it; what was moved stays moved."""
    return StoreMoveOut.model_validate(moving.change_move(work, store_move_pk, body.state))


@router.get("/tier-rules")
def tier_rules(work: Work = door(Permission.CONFIG_READ)) -> list[TierRuleOut]:
    """The rules of tiers in their order."""
    return [TierRuleOut.model_validate(one) for one in tiering.list_rules(work)]


@router.post("/tier-rules", status_code=201)
def add_tier_rule(body: TierRuleIn, work: Work = door(Permission.CONFIG_WRITE)) -> TierRuleOut:
    """Adds a rule."""
    return TierRuleOut.model_validate(tiering.save_rule(work, None, body.fields()))


@router.put("/tier-rules/{tier_rule_pk}")
def change_tier_rule(
    tier_rule_pk: int, body: TierRuleIn, work: Work = door(Permission.CONFIG_WRITE)
) -> TierRuleOut:
    """Changes a rule."""
    return TierRuleOut.model_validate(tiering.save_rule(work, tier_rule_pk, body.fields()))


@router.delete("/tier-rules/{tier_rule_pk}", status_code=204)
def remove_tier_rule(tier_rule_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Removes a rule; what it moved stays where it is."""
    tiering.remove_rule(work, tier_rule_pk)
