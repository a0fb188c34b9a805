"""DELETE of studies, series and instances, where the hospital's policy allows it: into the trash, never at once for good.

PS3.18 has no such transaction in its Studies Service; clients of other archives send it all the same, in this form.
"""

from __future__ import annotations

from fastapi import APIRouter, Request

from wetread.archive.service import put_in_trash
from wetread.dicomweb.common import INSTANCE, PREFIX, SERIES, STUDY, DicomWebRoute
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

REASON = "deleted by DICOMweb"


def _reason(request: Request) -> str:
    return request.query_params.get("reason", "").strip()[:200] or REASON


@router.delete(STUDY, status_code=204)
def delete_study(request: Request, study: str, work: Work = door(Permission.STUDY_REMOVE)) -> None:
    """Puts a study in the trash. 403 where the policy does not allow it, 409 under legal hold."""
    put_in_trash(work, study, reason=_reason(request))


@router.delete(SERIES, status_code=204)
def delete_series(
    request: Request, study: str, series: str, work: Work = door(Permission.STUDY_REMOVE)
) -> None:
    """Puts a series in the trash."""
    put_in_trash(work, study, series, reason=_reason(request))


@router.delete(INSTANCE, status_code=204)
def delete_instance(
    request: Request, study: str, series: str, instance: str, work: Work = door(Permission.STUDY_REMOVE)
) -> None:
    """Puts an instance in the trash."""
    put_in_trash(work, study, series, instance, reason=_reason(request))
