"""Use cases of the orders room: the only writer of orders and of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import String
from sqlalchemy.exc import IntegrityError

from wetread.dicom.uid import UID_CHARACTERS_MAX, new_uid
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, IllegalTransition, Invalid, NotFound
from wetread.orders import rules, store
from wetread.orders.events import OrderChanged
from wetread.orders.model import (
    ImagingServiceRequest,
    Procedure,
    RequestedProcedure,
    RequestedProcedureChange,
    RequestedProcedureState,
)
from wetread.orders.rules import LATERALITY_WORD, Move, described, order_state, priority_of
from wetread.patients.model import Coverage, Patient
from wetread.patients.service import PatientBar, issuer_of_our_identifiers, patient_bars
from wetread.security.model import Practitioner, Site
from wetread.security.service import AuditEventID, Permission, Work

__all__ = [
    "LATERALITY_WORD", "Diagnosis", "Move", "Order", "OrderChange", "OrderInput", "OrderLine", "ProcedureChoice",
    "ProcedureInput", "add_procedure", "cancel_order", "change_order", "change_procedure", "described", "diagnosis", "find_orders", "get_order",
    "move_requested_procedure", "order_by_accession", "order_by_placer_number", "order_state", "place_order",
    "priority_of", "procedure_by_code", "procedure_catalogue", "procedures_of", "referrers", "search_diagnoses",
    "sites",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProcedureInput:
    """A new entry of the catalogue."""

    code_value: str
    code_meaning: str
    modality: str
    duration_minutes: int = 15
    coding_scheme_designator: str = "99WETREAD"
    body_part_examined: str | None = None
    laterality_required: bool = False
    requested_contrast_agent: str | None = None
    pre_medication: str | None = None
    preparation: str | None = None
    template_key: str | None = None
    cpt_code: str | None = None
    professional_technical_split: bool = True
    active: bool = True


@dataclass(frozen=True, slots=True)
class ProcedureChoice:
    """A catalogue entry to be done, by key or by code, with the side where it has one."""

    procedure_pk: int | None = None
    code_value: str | None = None
    coding_scheme_designator: str | None = None
    laterality: str | None = None
    study_instance_uid: str | None = None
    requested_procedure_id: str | None = None


@dataclass(frozen=True, slots=True)
class OrderInput:
    """An order. Without an accession number one is given; `requested_procedure_priority` also takes URGENT."""

    patient_pk: int
    site_pk: int
    procedures: Sequence[ProcedureChoice]
    requested_procedure_priority: str = "ROUTINE"
    reason_for_the_requested_procedure: str | None = None
    diagnosis_codes: Sequence[str] = ()
    referring_practitioner_pk: int | None = None
    referring_physician_name: str | None = None
    requesting_service: str | None = None
    coverage_pk: int | None = None
    placer_order_number: str | None = None
    issuer_of_placer_order_number: str | None = None
    accession_number: str | None = None
    issuer_of_accession_number: str | None = None
    admission_id: str | None = None
    patient_transport_arrangements: str | None = None
    comments: str | None = None
    ordered_at: datetime | None = None
    idempotency_key: UUID | None = None


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What is said anew of an order; None leaves what stands. `more_comments` come after those that are there. A
    `referring_practitioner_pk` brings its name; a `referring_physician_name` alone is of nobody known, empty of nobody."""

    requested_procedure_priority: str | None = None
    reason_for_the_requested_procedure: str | None = None
    diagnosis_codes: Sequence[str] | None = None
    more_comments: str | None = None
    referring_practitioner_pk: int | None = None
    referring_physician_name: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """An ICD-10-CM code with its words."""

    code: str
    description: str
    billable: bool


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A Requested Procedure with what surrounds it."""

    requested_procedure: RequestedProcedure
    imaging_service_request: ImagingServiceRequest
    procedure: Procedure
    bar: PatientBar


@dataclass(frozen=True, slots=True)
class Order:
    """A whole order."""

    imaging_service_request: ImagingServiceRequest
    state: RequestedProcedureState
    lines: list[OrderLine]
    changes: list[RequestedProcedureChange]
    diagnoses: list[Diagnosis] = field(default_factory=list)


def procedure_catalogue(
    work: Work, typed: str | None = None, *, modality: str | None = None, active_only: bool = True
) -> list[Procedure]:
    """The catalogue, or the entries of which every typed word begins a word or the code."""
    work.require(Permission.ORDER_READ, Permission.CONFIG_READ)
    return store.catalogue(work.session, typed, modality, active_only=active_only)


def procedure_by_code(work: Work, code_value: str, scheme: str | None = None) -> Procedure | None:
    """An active catalogue entry by its code, or None."""
    work.require(Permission.ORDER_READ, Permission.CONFIG_READ)
    return store.procedure_by_code(work.session, code_value.strip(), (scheme or "").strip() or None)


def add_procedure(work: Work, given: ProcedureInput) -> Procedure:
    """A new catalogue entry. Raises Invalid, Conflict where the code exists."""
    work.require(Permission.CONFIG_WRITE)
    values = {f.name: getattr(given, f.name) for f in fields(given)}
    _check_procedure(values)
    procedure = Procedure(**values)
    try:
        with work.session.begin_nested():
            work.session.add(procedure)
            work.session.flush()
    except IntegrityError as error:
        raise Conflict(
            "The catalogue has this code already.", fields=[FieldError("code_value", "already in use")]
        ) from error
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY, "C", object_type="procedure", object_id=procedure.procedure_pk
    )
    return procedure


def change_procedure(work: Work, procedure_pk: int, changes: Mapping[str, Any]) -> Procedure:
    """Alters a catalogue entry; orders that were placed keep their own words. Raises NotFound, Invalid."""
    work.require(Permission.CONFIG_WRITE)
    procedure = work.session.get(Procedure, procedure_pk)
    if procedure is None:
        raise NotFound("No such procedure.")
    known = {f.name for f in fields(ProcedureInput)} - {"code_value", "coding_scheme_designator"}
    if wrong := sorted(set(changes) - known):
        raise Invalid(
            "Some fields cannot be changed.", fields=[FieldError(name, "is fixed") for name in wrong]
        )
    _check_procedure({**{name: getattr(procedure, name) for name in known}, **changes})
    for name, value in changes.items():
        setattr(procedure, name, value)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        object_type="procedure",
        object_id=procedure_pk,
        detail={"fields": ",".join(sorted(changes))},
    )
    return procedure


def place_order(work: Work, given: OrderInput) -> ImagingServiceRequest:
    """Places an order: one Requested Procedure per choice, each with a Study Instance UID.

    With the `idempotency_key` of a form, what is sent twice, or again because the answer was lost, is placed once. Raises
    Invalid naming the field; Conflict for an accession or placer number that is in use, for a key that placed something
    else, and where another person has just ordered the same.
    """
    work.require(Permission.ORDER_WRITE)
    priority = priority_of(given.requested_procedure_priority)
    errors: list[FieldError] = []
    if priority is None:
        errors.append(FieldError("requested_procedure_priority", "must be STAT, URGENT (HIGH) or ROUTINE"))
    # A merge waits for this order and moves it, or has ended and is seen: nothing is left with a record that is no more.
    patient = work.session.get(
        Patient,
        given.patient_pk,
        # Those of forms one at a time, so that two of the same at one instant see each other.
        with_for_update={"read": given.idempotency_key is None, "key_share": True},
        populate_existing=True,
    )
    if patient is None or patient.merged_into_patient_pk is not None:
        errors.append(FieldError("patient_pk", "no such patient"))
    site = work.session.get(Site, given.site_pk)
    if site is None or (work.actor.site_pks is not None and given.site_pk not in work.actor.site_pks):
        errors.append(FieldError("site_pk", "no such site"))
    if given.coverage_pk is not None:
        coverage = work.session.get(Coverage, given.coverage_pk)
        if coverage is None or coverage.patient_pk != given.patient_pk:
            errors.append(FieldError("coverage_pk", "is not a coverage of this patient"))
    referrer = None
    if given.referring_practitioner_pk is not None:
        referrer = work.session.get(Practitioner, given.referring_practitioner_pk)
        if referrer is None:
            errors.append(FieldError("referring_practitioner_pk", "no such practitioner"))
    errors += _text_faults(given)
    codes, wrong_codes = _checked_diagnoses(given.diagnosis_codes)
    errors += wrong_codes
    chosen, wrong_choices = _chosen(work, given.procedures)
    errors += wrong_choices
    if errors or site is None or priority is None:
        raise Invalid("The order is not complete or not right.", fields=errors)

    now = work.now()
    if given.idempotency_key is not None:
        before = _placed_before(
            work, given, [(one.procedure_pk, choice.laterality) for choice, one in chosen]
        )
        if before is not None:
            _audit_look(work, before)
            return before
    accession, issuer = given.accession_number, given.issuer_of_accession_number
    if accession is None:
        accession, issuer = _next_accession(work, site, now), issuer_of_our_identifiers()
    request = ImagingServiceRequest(
        patient_pk=given.patient_pk,
        site_pk=site.site_pk,
        accession_number=accession.strip(),
        issuer_of_accession_number=(issuer or issuer_of_our_identifiers()).strip(),
        placer_order_number=given.placer_order_number,
        issuer_of_placer_order_number=given.issuer_of_placer_order_number,
        referring_practitioner_pk=given.referring_practitioner_pk,
        referring_physician_name=given.referring_physician_name
        or (referrer.person_name if referrer else None),
        requesting_service=given.requesting_service,
        admission_id=given.admission_id,
        coverage_pk=given.coverage_pk,
        ordered_at=given.ordered_at or now,
        ordered_by=work.actor.username,
        imaging_service_request_comments=given.comments,
        idempotency_key=given.idempotency_key,
    )
    try:
        with work.session.begin_nested():
            work.session.add(request)
            work.session.flush()
    except IntegrityError as error:
        if "idempotency_key" in str(error.orig):
            raise Conflict("This form ordered something else before. Open it again.") from error
        name = "placer_order_number" if "placer" in str(error.orig) else "accession_number"
        raise Conflict(
            "Another order has this number already.", fields=[FieldError(name, "already in use")]
        ) from error
    for number, (choice, procedure) in enumerate(chosen, start=1):
        requested = RequestedProcedure(
            imaging_service_request_pk=request.imaging_service_request_pk,
            procedure_pk=procedure.procedure_pk,
            requested_procedure_id=choice.requested_procedure_id
            or _requested_procedure_id(accession, number),
            study_instance_uid=choice.study_instance_uid or new_uid(),
            requested_procedure_description=described(procedure.code_meaning, choice.laterality),
            requested_procedure_priority=priority.value,
            laterality=choice.laterality,
            reason_for_the_requested_procedure=given.reason_for_the_requested_procedure,
            patient_transport_arrangements=given.patient_transport_arrangements,
            diagnosis_codes=codes,
            state=RequestedProcedureState.REQUESTED.value,
            state_changed_at=now,
        )
        work.session.add(requested)
        work.session.flush()
        _note(work, requested, "order", None, None)
    work.audit(
        AuditEventID.ORDER_RECORD,
        "C",
        patient_pk=given.patient_pk,
        object_type="imaging_service_request",
        object_id=request.imaging_service_request_pk,
    )
    return request


def _placed_before(
    work: Work, given: OrderInput, wanted: Sequence[tuple[int, str | None]]
) -> ImagingServiceRequest | None:
    """What this form, or the same person a moment ago, ordered of the same for the same patient, and nobody has booked."""
    assert given.idempotency_key is not None

    def same(request: ImagingServiceRequest) -> bool:
        standing = store.procedures_of(work.session, request.imaging_service_request_pk)
        return sorted((one.procedure_pk, one.laterality or "") for one in standing) == sorted(
            (pk, side or "") for pk, side in wanted
        )

    own = store.order_by_key(work.session, given.idempotency_key)
    if own is not None:
        if own.patient_pk != given.patient_pk or own.ordered_by != work.actor.username or not same(own):
            raise Conflict("This form ordered something else before. Open it again.")
        return own
    since = work.now() - rules.ASKED_AGAIN
    for request in store.unbooked_orders(work.session, given.patient_pk, since):
        if not same(request):
            continue
        if request.ordered_by != work.actor.username:
            raise Conflict(
                f"{request.ordered_by} ordered the same for this patient a moment ago. It waits for a time."
            )
        return request
    return None


def _next_accession(work: Work, site: Site, now: datetime) -> str:
    """The next number that no order bears: others may have brought numbers that look like ours."""
    prefix = rules.accession_prefix(site.code, now.year)
    while True:
        made = rules.accession_number(prefix, store.next_accession_value(work.session, prefix))
        if store.order_by_accession(work.session, issuer_of_our_identifiers(), made) is None:
            return made


def change_order(
    work: Work,
    imaging_service_request_pk: int,
    change: OrderChange,
    *,
    requested_procedure_pks: Iterable[int] | None = None,
) -> ImagingServiceRequest:
    """Says an order's urgency, reason and diagnoses anew, of all its procedures or of those named, before images are taken.

    Raises NotFound, Invalid naming the field, IllegalTransition once a procedure has begun or is cancelled.
    """
    work.require(Permission.ORDER_WRITE)
    # Not against FOR KEY SHARE: billing holds a procedure while it puts the order's key into a claim.
    request = work.session.get(
        ImagingServiceRequest,
        imaging_service_request_pk,
        with_for_update={"key_share": True},
        populate_existing=True,
    )
    if request is None or not _visible(work, request.site_pk):
        raise NotFound("No such order.")
    work.audit(
        AuditEventID.ORDER_RECORD,
        "U",
        patient_pk=request.patient_pk,
        object_type="imaging_service_request",
        object_id=imaging_service_request_pk,
        detail={"what": "change"},
    )
    values, comments = _changed_values(request, change)
    referrer = _changed_referrer(work, request, change)
    wanted = None if requested_procedure_pks is None else set(requested_procedure_pks)
    meant = [
        one
        for one in store.procedures_of(work.session, imaging_service_request_pk, lock=True)
        if (wanted is None and one.state != RequestedProcedureState.CANCELED)
        or (wanted is not None and one.requested_procedure_pk in wanted)
    ]
    if not meant:
        raise IllegalTransition("The order", "cancelled", "change")
    for one in meant:
        if one.state not in rules.CHANGEABLE:
            raise IllegalTransition("The requested procedure", one.state.lower(), "change")
    another = referrer != (request.referring_practitioner_pk, request.referring_physician_name)
    request.referring_practitioner_pk, request.referring_physician_name = referrer
    for one in meant:
        differing = [name for name, value in values.items() if getattr(one, name) != value]
        for name in differing:
            setattr(one, name, values[name])
        if another:
            differing.append("referring_physician_name")
        if differing:
            _note(work, one, "change", one.state, ", ".join(differing))
    request.imaging_service_request_comments = comments
    work.session.flush()
    return request


def _changed_referrer(
    work: Work, request: ImagingServiceRequest, change: OrderChange
) -> tuple[int | None, str | None]:
    """Key and name of who refers from now on; results go to them."""
    if change.referring_practitioner_pk is not None:
        found = work.session.get(Practitioner, change.referring_practitioner_pk)
        if found is None:
            raise Invalid(
                "The change is not right.",
                fields=[FieldError("referring_practitioner_pk", "no such practitioner")],
            )
        return found.practitioner_pk, found.person_name
    if change.referring_physician_name is None:
        return request.referring_practitioner_pk, request.referring_physician_name
    name = change.referring_physician_name.strip()
    if faults := _text_fault("referring_physician_name", name):
        raise Invalid("The change is not right.", fields=faults)
    return None, name or None


def _changed_values(request: ImagingServiceRequest, change: OrderChange) -> tuple[dict[str, Any], str | None]:
    errors: list[FieldError] = []
    values: dict[str, Any] = {}
    if change.requested_procedure_priority is not None:
        priority = priority_of(change.requested_procedure_priority)
        if priority is None:
            errors.append(
                FieldError("requested_procedure_priority", "must be STAT, URGENT (HIGH) or ROUTINE")
            )
        else:
            values["requested_procedure_priority"] = priority.value
    if change.reason_for_the_requested_procedure is not None:
        reason = change.reason_for_the_requested_procedure.strip()
        errors += _text_fault("reason_for_the_requested_procedure", reason)
        values["reason_for_the_requested_procedure"] = reason or None
    if change.diagnosis_codes is not None:
        values["diagnosis_codes"], wrong = _checked_diagnoses(change.diagnosis_codes)
        errors += wrong
    comments = request.imaging_service_request_comments
    if change.more_comments and change.more_comments.strip() not in (comments or ""):
        comments = "\n".join(part for part in (comments, change.more_comments.strip()) if part)
        errors += _text_fault("comments", comments)
    if errors:
        raise Invalid("The change is not right.", fields=errors)
    return values, comments


def cancel_order(
    work: Work,
    imaging_service_request_pk: int,
    reason: str,
    *,
    requested_procedure_pks: Iterable[int] | None = None,
) -> ImagingServiceRequest:
    """Cancels what has not begun, of all procedures of the order or of those named. Raises IllegalTransition once a procedure is under way or done, NotFound, Invalid.

    The steps and appointments of the order follow by the event `order.changed`.
    """
    work.require(Permission.ORDER_WRITE)
    if not reason.strip():
        raise Invalid("A cancellation needs a reason.", fields=[FieldError("reason", "is empty")])
    request = work.session.get(ImagingServiceRequest, imaging_service_request_pk)
    if request is None or not _visible(work, request.site_pk):
        raise NotFound("No such order.")
    work.audit(
        AuditEventID.ORDER_RECORD,
        "U",
        patient_pk=request.patient_pk,
        object_type="imaging_service_request",
        object_id=imaging_service_request_pk,
        detail={"what": "cancel"},
    )
    wanted = None if requested_procedure_pks is None else set(requested_procedure_pks)
    living = [
        one
        for one in store.procedures_of(work.session, imaging_service_request_pk, lock=True)
        if one.state != RequestedProcedureState.CANCELED
        and (wanted is None or one.requested_procedure_pk in wanted)
    ]
    for one in living:
        rules.moved(one.state, Move.CANCEL)
    for one in living:
        _move(work, one, Move.CANCEL, reason)
    return request


def move_requested_procedure(
    work: Work, requested_procedure_pk: int, move: Move, reason: str | None = None
) -> RequestedProcedure:
    """Moves one Requested Procedure by its state machine; the calling use case writes the audit record.

    Raises NotFound, IllegalTransition.
    """
    work.require(
        Permission.ORDER_WRITE, Permission.SCHEDULE_WRITE, Permission.STEP_PERFORM, Permission.RECONCILE
    )
    requested = work.session.get(
        RequestedProcedure,
        requested_procedure_pk,
        with_for_update={"of": RequestedProcedure, "key_share": True},
        populate_existing=True,
    )
    if requested is None:
        raise NotFound("No such requested procedure.")
    _move(work, requested, move, reason)
    return requested


def get_order(work: Work, imaging_service_request_pk: int) -> Order:
    """A whole order. Raises NotFound."""
    work.require(Permission.ORDER_READ)
    request = work.session.get(ImagingServiceRequest, imaging_service_request_pk)
    if request is None or not _visible(work, request.site_pk):
        raise NotFound("No such order.")
    work.audit(
        AuditEventID.ORDER_RECORD,
        "R",
        patient_pk=request.patient_pk,
        object_type="imaging_service_request",
        object_id=imaging_service_request_pk,
    )
    lines = _lines(work, store.line_conditions(imaging_service_request_pk=imaging_service_request_pk))
    codes = dict.fromkeys(code for line in lines for code in line.requested_procedure.diagnosis_codes)
    return Order(
        request,
        order_state(line.requested_procedure.state for line in lines),
        lines,
        store.changes_of(work.session, [line.requested_procedure.requested_procedure_pk for line in lines]),
        [found for code in codes if (found := diagnosis(code)) is not None],
    )


def find_orders(
    work: Work,
    typed: str | None = None,
    *,
    states: Iterable[str] = (),
    patient_pk: int | None = None,
    limit: int = 100,
) -> list[OrderLine]:
    """Requested Procedures by accession number or patient's name, state and patient; most urgent first."""
    work.require(Permission.ORDER_READ)
    states = list(states)
    wrong = [state for state in states if state not in set(RequestedProcedureState)]
    if wrong:
        raise Invalid("Unknown state.", fields=[FieldError("state", "not a state of a requested procedure")])
    work.audit(AuditEventID.QUERY, "E", patient_pk=patient_pk, object_type="imaging_service_request")
    return _lines(
        work,
        store.line_conditions(
            typed=typed, states=states, patient_pk=patient_pk, site_pks=work.actor.site_pks
        ),
        limit=min(limit, limits.PAGE_ITEMS_MAX),
    )


def order_by_placer_number(
    work: Work, issuer_of_placer_order_number: str | None, placer_order_number: str
) -> ImagingServiceRequest | None:
    """The order that a placer knows by this number, or None."""
    work.require(Permission.ORDER_READ, Permission.ORDER_WRITE)
    found = store.order_by_placer_number(work.session, issuer_of_placer_order_number, placer_order_number)
    _audit_look(work, found)
    return found


def order_by_accession(
    work: Work, accession_number: str, issuer_of_accession_number: str | None = None
) -> ImagingServiceRequest | None:
    """The order with this accession number (of our own issuer unless named), or None."""
    work.require(Permission.ORDER_READ, Permission.ORDER_WRITE)
    issuer = issuer_of_accession_number or issuer_of_our_identifiers()
    found = store.order_by_accession(work.session, issuer, accession_number)
    _audit_look(work, found)
    return found


def procedures_of(work: Work, imaging_service_request_pk: int) -> list[RequestedProcedure]:
    """The Requested Procedures of an order; the calling use case writes the audit record."""
    work.require(Permission.ORDER_READ, Permission.ORDER_WRITE)
    return store.procedures_of(work.session, imaging_service_request_pk)


def referrers(work: Work, typed: str, *, limit: int = 20) -> list[Practitioner]:
    """Practitioners by words of the name or NPI."""
    work.require(Permission.ORDER_READ)
    return store.practitioners(work.session, typed[: limits.SEARCH_TEXT_CHARACTERS_MAX], limit=limit)


def sites(work: Work) -> list[Site]:
    """The sites that this actor works at."""
    work.require(Permission.ORDER_READ, Permission.SCHEDULE_READ)
    return [site for site in store.sites(work.session) if _visible(work, site.site_pk)]


_DIAGNOSES = Path(__file__).with_name("diagnoses.json")


@lru_cache(maxsize=1)
def _icd() -> dict[str, tuple[str, int]]:
    """Code without its dot → (description, 1: nothing is below it), of ICD-10-CM's categories and what is below them. The
    table is made when the package is built."""
    codes: dict[str, tuple[str, int]] = orjson.loads(_DIAGNOSES.read_bytes())["codes"]
    return codes


@lru_cache(maxsize=1)
def _diagnoses() -> list[tuple[str, str, str]]:
    """(code, description, searchable text) of every code that a claim can carry."""
    return [
        (_dotted(code), words, f" {_dotted(code)} {code} {words} ".lower())
        for code, (words, leaf) in _icd().items()
        if leaf
    ]


def _dotted(code: str) -> str:
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else code


def diagnosis(code: str) -> Diagnosis | None:
    """An ICD-10-CM code, with or without its dot, or None."""
    plain = code[:3] + code[4:] if len(code) > 4 and code[3] == "." else code
    found = _icd().get(plain)
    return Diagnosis(_dotted(plain), found[0], bool(found[1])) if found else None


def search_diagnoses(work: Work, typed: str, *, limit: int = 20) -> list[Diagnosis]:
    """Codes that a claim can carry, by code or by the beginnings of words, shortest description first."""
    work.require(Permission.ORDER_READ, Permission.BILLING_READ)
    words = [f" {word}" for word in typed.lower()[: limits.SEARCH_TEXT_CHARACTERS_MAX].split()]
    if not words:
        return []
    found = [entry for entry in _diagnoses() if all(word in entry[2] for word in words)]
    first = words[0].strip().replace(".", "")
    found.sort(
        key=lambda entry: (not entry[0].replace(".", "").lower().startswith(first), len(entry[1]), entry[0])
    )
    return [Diagnosis(code, description, True) for code, description, _ in found[:limit]]


def _move(work: Work, requested: RequestedProcedure, move: Move, reason: str | None) -> None:
    before = requested.state
    after = rules.moved(before, move)
    if after == before:
        return
    requested.state = after.value
    requested.state_reason = reason.strip()[:200] if reason else None
    requested.state_changed_at = work.now()
    _note(work, requested, move.value, before, reason)


def _note(
    work: Work, requested: RequestedProcedure, step: str, before: str | None, reason: str | None
) -> None:
    work.session.add(
        RequestedProcedureChange(
            requested_procedure_pk=requested.requested_procedure_pk,
            step=step,
            from_state=before,
            to_state=requested.state,
            changed_at=work.now(),
            changed_by=work.actor.username,
            reason=reason.strip()[:200] if reason else None,
        )
    )
    work.session.flush()
    work.publish(
        OrderChanged(requested.imaging_service_request_pk, requested.requested_procedure_pk, requested.state)
    )


def _lines(work: Work, where: Sequence[Any], limit: int = 100) -> list[OrderLine]:
    rows = store.lines(work.session, where, limit=limit)
    bars = patient_bars(work, {patient.patient_pk for *_, patient in rows})
    return [
        OrderLine(requested, request, procedure, bars[patient.patient_pk])
        for requested, request, procedure, patient in rows
    ]


def _visible(work: Work, site_pk: int) -> bool:
    return work.actor.site_pks is None or site_pk in work.actor.site_pks


def _audit_look(work: Work, found: ImagingServiceRequest | None) -> None:
    work.audit(
        AuditEventID.ORDER_RECORD,
        "R",
        patient_pk=found.patient_pk if found else None,
        object_type="imaging_service_request",
        object_id=found.imaging_service_request_pk if found else None,
    )


def _requested_procedure_id(accession_number: str, number: int) -> str:
    """Unique within the order; the accession number itself where there is room."""
    made = f"{accession_number}-{number}"
    return made if len(made) <= 16 else f"{number}"


_LENGTHS = {
    column.name: column.type.length
    for table in (RequestedProcedure.__table__, ImagingServiceRequest.__table__)
    for column in table.columns
    if isinstance(column.type, String) and column.type.length is not None
}


def _text_faults(given: OrderInput) -> list[FieldError]:
    errors = []
    for f in fields(OrderInput):
        value = getattr(given, f.name)
        if not isinstance(value, str) or f.name == "requested_procedure_priority":
            continue
        errors += _text_fault(f.name, value)
        if f.name in {"accession_number", "placer_order_number"} and (not value.strip() or "\\" in value):
            errors.append(FieldError(f.name, "must have characters, none of them a backslash"))
    return errors


def _text_fault(name: str, value: str) -> list[FieldError]:
    longest = _LENGTHS.get("imaging_service_request_comments" if name == "comments" else name)
    errors = []
    if longest is not None and len(value.strip()) > longest:
        errors.append(FieldError(name, f"at most {longest} characters"))
    if longest is not None and "\x00" in value:
        errors.append(FieldError(name, "a NUL character cannot be kept"))
    return errors


def _checked_diagnoses(codes: Sequence[str]) -> tuple[list[str], list[FieldError]]:
    errors: list[FieldError] = []
    kept: list[str] = []
    if len(codes) > rules.DIAGNOSES_MAX:
        errors.append(FieldError("diagnosis_codes", f"at most {rules.DIAGNOSES_MAX}"))
    for code in codes:
        found = diagnosis(code.strip().upper())
        if found is None:
            errors.append(FieldError("diagnosis_codes", f"{code.strip()[:10]} is not an ICD-10-CM code"))
        elif not found.billable:
            errors.append(
                FieldError("diagnosis_codes", f"{found.code} is not specific enough; choose a code below it")
            )
        elif found.code not in kept:
            kept.append(found.code)
    return kept, errors


# Leading zeros in a component are wrong, but given away by many and matched as they are.
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


def _chosen(
    work: Work, choices: Sequence[ProcedureChoice]
) -> tuple[list[tuple[ProcedureChoice, Procedure]], list[FieldError]]:
    errors: list[FieldError] = []
    chosen = []
    if not 0 < len(choices) <= rules.PROCEDURES_PER_ORDER_MAX:
        errors.append(FieldError("procedures", f"1 to {rules.PROCEDURES_PER_ORDER_MAX} procedures"))
    for choice in choices:
        if choice.procedure_pk is not None:
            procedure = work.session.get(Procedure, choice.procedure_pk)
        else:
            procedure = store.procedure_by_code(
                work.session, choice.code_value or "", choice.coding_scheme_designator
            )
        if procedure is None or not procedure.active:
            errors.append(FieldError("procedures", "the catalogue has no such procedure"))
            continue
        if choice.laterality not in (None, *LATERALITY_WORD):
            errors.append(FieldError("laterality", "must be L, R or B"))
        elif procedure.laterality_required and choice.laterality is None:
            errors.append(
                FieldError("laterality", f"{procedure.code_meaning} needs a side: LEFT, RIGHT or BILATERAL")
            )
        uid = choice.study_instance_uid
        if uid is not None and not (len(uid) <= UID_CHARACTERS_MAX and _UID.fullmatch(uid)):
            errors.append(FieldError("study_instance_uid", "is not a UID (PS3.5 9.1)"))
        if choice.requested_procedure_id is not None and not 0 < len(choice.requested_procedure_id) <= 16:
            errors.append(FieldError("requested_procedure_id", "1 to 16 characters"))
        chosen.append((choice, procedure))
    given = [choice.requested_procedure_id for choice in choices if choice.requested_procedure_id]
    if len(set(given)) < len(given):
        errors.append(FieldError("requested_procedure_id", "must differ within an order"))
    return chosen, errors


def _check_procedure(values: Mapping[str, Any]) -> None:
    errors = [
        FieldError(column.name, f"at most {column.type.length} characters")
        for column in Procedure.__table__.columns
        if isinstance(column.type, String)
        and column.type.length is not None
        and isinstance(values.get(column.name), str)
        and len(values[column.name]) > column.type.length
    ]
    for name in ("code_value", "code_meaning", "modality"):
        if name in values and not str(values[name] or "").strip():
            errors.append(FieldError(name, "is empty"))
    if not 5 <= values["duration_minutes"] <= 480:
        errors.append(FieldError("duration_minutes", "5 to 480 minutes"))
    if errors:
        raise Invalid("The catalogue entry is not right.", fields=errors)
