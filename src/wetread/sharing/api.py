"""HTTP: results for referrers. What identifies a patient travels in bodies, never in addresses that get logged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from wetread.kit import limits
from wetread.security.door import door
from wetread.security.service import Permission, Work
from wetread.sharing import rules, schemas, service

router = APIRouter(prefix="/api/results", tags=["results"])


@router.get("")
def results(
    state: Annotated[list[rules.ResultState] | None, Query(max_length=20)] = None,
    unseen: bool = False,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    work: Work = door(Permission.RESULT_READ),
) -> service.ResultPage:
    """Orders that name the caller as referring practitioner, with what came of them: new ones first."""
    wanted = service.Wanted(tuple(state or ()), unseen)
    return service.results(work, wanted, cursor=cursor, limit=limit)


@router.post("/find")
def find(body: schemas.FindIn, work: Work = door(Permission.RESULT_READ)) -> service.ResultPage:
    """The same, searched by patient's name or identifier, accession number or procedure."""
    wanted = service.Wanted(tuple(body.state), body.unseen, body.text)
    return service.results(work, wanted, cursor=body.cursor, limit=body.limit)


@router.get("/studies/{study_pk}")
def result_images(study_pk: int, work: Work = door(Permission.RESULT_READ)) -> service.ResultImages:
    """A study of one of the caller's orders, for the viewer, with the patient's others."""
    return service.result_images(work, study_pk)


@router.get("/{requested_procedure_pk}")
def result(requested_procedure_pk: int, work: Work = door(Permission.RESULT_READ)) -> service.ResultDetail:
    """One result: the report's text that stands, studies and key images."""
    return service.get_result(work, requested_procedure_pk)


@router.put("/{requested_procedure_pk}/seen", status_code=204)
def mark_seen(
    requested_procedure_pk: int, body: schemas.VersionIn, work: Work = door(Permission.RESULT_READ)
) -> None:
    """Notes that the caller has read up to this version."""
    service.mark_seen(work, requested_procedure_pk, body.version_number)


@router.put("/{requested_procedure_pk}/acknowledgment", status_code=204)
def acknowledge(
    requested_procedure_pk: int, body: schemas.VersionIn, work: Work = door(Permission.RESULT_READ)
) -> None:
    """Notes that the caller has taken note of this version; 409 where a newer one is there."""
    service.acknowledge(work, requested_procedure_pk, body.version_number)


@router.get("/{requested_procedure_pk}/pdf", response_class=Response)
def result_pdf(requested_procedure_pk: int, work: Work = door(Permission.RESULT_READ)) -> Response:
    """The released report as PDF with its key images."""
    report_pk, content = service.result_document(work, requested_procedure_pk)
    return Response(
        content,
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'inline; filename="report-{report_pk}.pdf"',
            "Cache-Control": "no-store",
        },
    )
