"""What an actor who works at some sites only may see of studies."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, or_, select

from wetread.archive.model import Study
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.scheduling.model import StudyLink

LINKED = StudyLink.state.in_(("matched", "resolved"))


def seen_at_sites(site_pks: frozenset[int] | None) -> ColumnElement[bool] | None:
    """A condition on Study: of an order of these sites, or of none at all, which somebody has yet to find out.

    None: all of them.
    """
    if site_pks is None:
        return None
    of_an_order = exists().where(StudyLink.study_pk == Study.study_pk, LINKED).correlate(Study)
    of_these_sites = (
        select(StudyLink.study_pk)
        .join(
            RequestedProcedure, RequestedProcedure.requested_procedure_pk == StudyLink.requested_procedure_pk
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .where(StudyLink.study_pk == Study.study_pk, LINKED, ImagingServiceRequest.site_pk.in_(site_pks))
        .correlate(Study)
        .exists()
    )
    return or_(of_these_sites, ~of_an_order)
