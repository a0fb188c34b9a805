"""HTTP of the orders room. What is typed travels in bodies, never in addresses that get logged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from wetread.kit import limits
from wetread.orders import schemas, service
from wetread.orders.model import RequestedProcedureState
from wetread.security.door import door
from wetread.security.service import Permission, Work

orders_router = APIRouter(prefix="/api/orders", tags=["orders"])
procedures_router = APIRouter(prefix="/api/procedures", tags=["orders"])


@procedures_router.get("")
def procedures(
    modality: Annotated[str | None, Query(max_length=16)] = None,
    everything: bool = False,
    work: Work = door(Permission.ORDER_READ, Permission.CONFIG_READ),
) -> schemas.ProceduresOut:
    """The catalogue; `everything` also shows inactive entries."""
    return schemas.ProceduresOut.of(
        service.procedure_catalogue(work, modality=modality, active_only=not everything)
    )


@procedures_router.post("/find")
def find_procedures(
    body: schemas.FindProceduresIn, work: Work = door(Permission.ORDER_READ, Permission.CONFIG_READ)
) -> schemas.ProceduresOut:
    """Entries of the catalogue that are in use, by the beginnings of words or of a code."""
    return schemas.ProceduresOut.of(
        service.procedure_catalogue(work, body.text, modality=body.modality, active_only=True)
    )


@procedures_router.post("", status_code=201)
def add_procedure(
    body: schemas.ProcedureIn, work: Work = door(Permission.CONFIG_WRITE)
) -> schemas.ProcedureOut:
    """Adds an entry to the catalogue."""
    return schemas.ProcedureOut.model_validate(
        service.add_procedure(work, service.ProcedureInput(**body.model_dump()))
    )


@procedures_router.put("/{procedure_pk}")
def change_procedure(
    procedure_pk: int, body: schemas.ProcedureFieldsIn, work: Work = door(Permission.CONFIG_WRITE)
) -> schemas.ProcedureOut:
    """Alters an entry; orders that were placed keep their own words."""
    return schemas.ProcedureOut.model_validate(
        service.change_procedure(work, procedure_pk, body.model_dump(exclude_unset=True))
    )


@orders_router.get("")
def orders(
    state: Annotated[list[RequestedProcedureState] | None, Query(max_length=6)] = None,
    patient_pk: int | None = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 100,
    work: Work = door(Permission.ORDER_READ),
) -> schemas.OrderLinesOut:
    """Requested Procedures, most urgent first."""
    return schemas.OrderLinesOut.of(
        service.find_orders(work, states=state or (), patient_pk=patient_pk, limit=limit)
    )


@orders_router.post("/find")
def find(body: schemas.FindOrdersIn, work: Work = door(Permission.ORDER_READ)) -> schemas.OrderLinesOut:
    """The same, by the beginning of an accession number or by the patient's name."""
    return schemas.OrderLinesOut.of(
        service.find_orders(work, body.text, states=body.state, patient_pk=body.patient_pk, limit=body.limit)
    )


@orders_router.post("", status_code=201)
def place(body: schemas.OrderIn, work: Work = door(Permission.ORDER_WRITE)) -> schemas.OrderOut:
    """Places an order."""
    request = service.place_order(work, body.to_input())
    return schemas.OrderOut.model_validate(service.get_order(work, request.imaging_service_request_pk))


@orders_router.post("/diagnoses/find")
def find_diagnoses(
    body: schemas.TypedIn, work: Work = door(Permission.ORDER_READ, Permission.BILLING_READ)
) -> schemas.DiagnosesOut:
    """ICD-10-CM codes by code or beginnings of words."""
    items = [schemas.DiagnosisOut.model_validate(one) for one in service.search_diagnoses(work, body.text)]
    return schemas.DiagnosesOut(items=items, total=len(items))


@orders_router.post("/referrers/find")
def find_referrers(body: schemas.TypedIn, work: Work = door(Permission.ORDER_READ)) -> schemas.ReferrersOut:
    """Practitioners by beginnings of the words of their names, or by NPI."""
    items = [schemas.ReferrerOut.model_validate(one) for one in service.referrers(work, body.text)]
    return schemas.ReferrersOut(items=items, total=len(items))


@orders_router.get("/sites")
def sites(work: Work = door(Permission.ORDER_READ, Permission.SCHEDULE_READ)) -> schemas.SitesOut:
    """The sites that this actor works at."""
    items = [schemas.SiteOut.model_validate(one) for one in service.sites(work)]
    return schemas.SitesOut(items=items, total=len(items))


@orders_router.get("/{imaging_service_request_pk}")
def get(imaging_service_request_pk: int, work: Work = door(Permission.ORDER_READ)) -> schemas.OrderOut:
    """A whole order."""
    return schemas.OrderOut.model_validate(service.get_order(work, imaging_service_request_pk))


@orders_router.patch("/{imaging_service_request_pk}")
def change(
    imaging_service_request_pk: int, body: schemas.OrderChangeIn, work: Work = door(Permission.ORDER_WRITE)
) -> schemas.OrderOut:
    """Says urgency, reason, diagnoses and who refers anew, of an order of which nothing has begun."""
    service.change_order(work, imaging_service_request_pk, body.to_change())
    return schemas.OrderOut.model_validate(service.get_order(work, imaging_service_request_pk))


@orders_router.post("/{imaging_service_request_pk}/cancel")
def cancel(
    imaging_service_request_pk: int, body: schemas.CancelIn, work: Work = door(Permission.ORDER_WRITE)
) -> schemas.OrderOut:
    """Cancels an order of which nothing has begun."""
    service.cancel_order(work, imaging_service_request_pk, body.reason)
    return schemas.OrderOut.model_validate(service.get_order(work, imaging_service_request_pk))


router = APIRouter()
router.include_router(orders_router)
router.include_router(procedures_router)
