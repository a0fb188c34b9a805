"""HTTP: rules of sending on, and studies on their way."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wetread.routing import service
from wetread.routing.model import ForwardingState
from wetread.routing.rules import CONDITIONS_MAX, VALUES_MAX, Operator
from wetread.security.door import door
from wetread.security.service import Permission, Role, Work

router = APIRouter(prefix="/api/routing", tags=["routing"])


class ConditionIO(BaseModel):
    """One demand on a study: any value that it has of the attribute counts, without regard to capitals."""

    model_config = ConfigDict(extra="forbid")

    keyword: str = Field(max_length=64)
    operator: Operator
    values: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=VALUES_MAX)


class ConditionsIn(BaseModel):
    """Demands that must all be met."""

    model_config = ConfigDict(extra="forbid")

    conditions: list[ConditionIO] = Field(max_length=CONDITIONS_MAX)


class DeidentifyIO(BaseModel):
    """Options of the de-identification (PS3.15 E.3). `allow_burned_in`: also objects whose pixels may show a name."""

    model_config = ConfigDict(extra="forbid")

    retain_full_dates: bool = False
    move_dates: bool = False
    retain_patient_characteristics: bool = False
    retain_device_identity: bool = False
    retain_uids: bool = False
    retain_institution_identity: bool = False
    allow_burned_in: bool = False


class RuleIn(ConditionsIn):
    """A rule as an administrator writes it. `wait_s`: seconds without news of the study before something is done with it;
    `remote_ae_pk`: where it is sent, if anywhere; `compress_to`: the lossless transfer syntax that native pictures of
    matching series are compressed to, in their place in the archive; `deidentify`: objects go out without what says who the patient is; `notice_roles` and `notice_user_pks`: who is told
    inside the product; `is_told_by_hl7`: whether the orders' receivers are told by OMG^O19 that images are here."""

    name: str = Field(max_length=64)
    is_enabled: bool = True
    remote_ae_pk: int | None = None
    compress_to: str | None = Field(default=None, max_length=64)
    wait_s: int = 60
    deidentify: DeidentifyIO | None = None
    tell_url: str | None = Field(default=None, max_length=400)
    notice_roles: list[Role] = Field(default=[], max_length=20)
    notice_user_pks: list[int] = Field(default=[], max_length=100)
    is_told_by_hl7: bool = False


class RuleChangeIn(RuleIn):
    """A rule with the secret that signs what `tell_url` is told; without one the known secret stays."""

    tell_secret: str | None = Field(default=None, max_length=200)


class RuleOut(RuleIn):
    """A rule with the title of its destination."""

    routing_rule_pk: int
    ae_title: str | None
    position: int


class TriedOut(BaseModel):
    """A study that the conditions take."""

    model_config = ConfigDict(from_attributes=True)

    study_date: date | None
    study_description: str | None
    modalities: list[str]
    sources: list[str]
    created_at: datetime


class TrialOut(BaseModel):
    """How many of the newest studies meet the conditions, and which."""

    model_config = ConfigDict(from_attributes=True)

    tried: int
    matching: int
    studies: list[TriedOut]


class OrderIn(BaseModel):
    """All rules in their new order."""

    model_config = ConfigDict(extra="forbid")

    routing_rule_pks: list[int] = Field(max_length=1000)


def _rule(ruled: service.Ruled) -> RuleOut:
    rule = ruled.rule
    return RuleOut(
        routing_rule_pk=rule.routing_rule_pk,
        name=rule.name,
        is_enabled=rule.is_enabled,
        conditions=[ConditionIO.model_validate(one) for one in rule.conditions],
        remote_ae_pk=rule.remote_ae_pk,
        compress_to=rule.compress_to,
        ae_title=ruled.ae_title,
        position=rule.position,
        tell_url=rule.tell_url,
        notice_roles=[Role(one) for one in rule.notice_roles],
        notice_user_pks=list(rule.notice_user_pks),
        is_told_by_hl7=rule.is_told_by_hl7,
        wait_s=rule.wait_s,
        deidentify=None if rule.deidentify is None else DeidentifyIO.model_validate(rule.deidentify),
    )


@router.get("/rules")
def list_rules(work: Work = door(Permission.CONFIG_READ)) -> list[RuleOut]:
    """All rules in their order."""
    return [_rule(one) for one in service.rules(work)]


@router.post("/rules", status_code=201)
def add_rule(body: RuleChangeIn, work: Work = door(Permission.CONFIG_WRITE)) -> RuleOut:
    """Adds a rule; it applies to what comes from now on."""
    return _rule(service.save_rule(work, **body.model_dump()))


@router.put("/rules/order", status_code=204)
def put_in_order(body: OrderIn, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Puts the rules in order: of several that name one destination, the first says how a study goes there."""
    service.put_in_order(work, body.routing_rule_pks)


@router.put("/rules/{routing_rule_pk}")
def change_rule(
    routing_rule_pk: int, body: RuleChangeIn, work: Work = door(Permission.CONFIG_WRITE)
) -> RuleOut:
    """Changes a rule."""
    return _rule(service.save_rule(work, routing_rule_pk=routing_rule_pk, **body.model_dump()))


@router.delete("/rules/{routing_rule_pk}", status_code=204)
def remove_rule(routing_rule_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Forgets a rule; what is on its way by it stays so."""
    service.remove_rule(work, routing_rule_pk)


@router.post("/rules/trial")
def try_rule(body: ConditionsIn, work: Work = door(Permission.CONFIG_READ)) -> TrialOut:
    """Holds conditions against the newest studies, before a rule is kept."""
    return TrialOut.model_validate(
        service.try_conditions(work, [one.model_dump() for one in body.conditions])
    )


class ForwardingOut(BaseModel):
    """A study on its way to another archive."""

    forwarding_pk: int
    state: ForwardingState
    ae_title: str
    study_instance_uid: str
    patient_name: str | None
    patient_id: str | None
    study_description: str | None
    modalities: list[str]
    requested_by: str
    is_deidentified: bool
    sent: int
    waiting: int
    refused: int
    first_refusal: str | None
    attempts: int
    last_error: str | None
    not_before: datetime
    updated_at: datetime


class ForwardingPage(BaseModel):
    """Newest first; `next_before` asks for the next page."""

    items: list[ForwardingOut]
    next_before: int | None


class SendIn(BaseModel):
    """Studies that a person sends to a peer."""

    model_config = ConfigDict(extra="forbid")

    study_instance_uids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=200)
    remote_ae_pk: int


class SentOut(BaseModel):
    """What was put on its way."""

    forwarding_pks: list[int]


@router.get("/forwardings")
def list_forwardings(
    state: ForwardingState | None = None,
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    work: Work = door(Permission.QUEUE_READ),
) -> ForwardingPage:
    """Studies on their way and those that arrived, newest first."""
    found = service.forwardings(work, state=state, before=before, limit=limit)
    items = [
        ForwardingOut(
            forwarding_pk=one.forwarding.forwarding_pk,
            state=ForwardingState(one.forwarding.state),
            ae_title=one.ae_title,
            study_instance_uid=one.study_instance_uid,
            patient_name=one.patient_name,
            patient_id=one.patient_id,
            study_description=one.study_description,
            modalities=one.modalities,
            requested_by=one.forwarding.requested_by,
            is_deidentified=one.forwarding.deidentify is not None,
            sent=one.forwarding.sent_count,
            waiting=one.forwarding.waiting_count,
            refused=one.refused,
            first_refusal=one.first_refusal,
            attempts=one.forwarding.attempts,
            last_error=one.forwarding.last_error,
            not_before=one.forwarding.not_before,
            updated_at=one.forwarding.updated_at,
        )
        for one in found
    ]
    return ForwardingPage(items=items, next_before=items[-1].forwarding_pk if len(items) == limit else None)


@router.post("/forwardings", status_code=202)
def send_studies(body: SendIn, work: Work = door(Permission.QUEUE_WRITE)) -> SentOut:
    """Sends studies to a peer because a person says so; a study that went there before is sent again."""
    return SentOut(forwarding_pks=service.send(work, body.study_instance_uids, body.remote_ae_pk))


@router.post("/forwardings/{forwarding_pk}/again", status_code=204)
def send_again(forwarding_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Tries what failed, was stopped or was refused in part again, at once."""
    service.send_again(work, forwarding_pk)


@router.post("/forwardings/{forwarding_pk}/cancel", status_code=204)
def cancel_sending(forwarding_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Stops a study on its way; what has arrived stays there."""
    service.cancel(work, forwarding_pk)
