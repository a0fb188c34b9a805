"""Who has a case: one at a time, for a while, and never silently taken away."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from wetread.kit.errors import Conflict, Denied, FieldError, Invalid, NotFound
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.security.model import User
from wetread.security.service import AuditEventID, Permission, Work
from wetread.worklist import rules
from wetread.worklist.events import ReadingChanged
from wetread.worklist.model import ReadingClaim


def claim(work: Work, requested_procedure_pk: int, *, take_over_reason: str | None = None) -> datetime:
    """Takes a case for reading; returns until when. Raises Conflict where somebody has it, unless it is taken over
    with a reason. Taking one's own again prolongs it."""
    work.require(Permission.REPORT_WRITE)
    if work.actor.user_pk is None:
        raise Denied("Only a person reads.")
    if take_over_reason is not None and not take_over_reason.strip():
        raise Invalid("Taking over needs a reason.", fields=[FieldError("take_over_reason", "is empty")])
    patient_pk = _lock(work, requested_procedure_pk)
    now = work.now()
    held = work.session.scalar(
        select(ReadingClaim).where(
            ReadingClaim.requested_procedure_pk == requested_procedure_pk, ReadingClaim.released_at.is_(None)
        )
    )
    if held is not None and held.user_pk == work.actor.user_pk and held.expires_at > now:
        held.expires_at = now + rules.CLAIM
    else:
        if held is not None:
            if held.expires_at > now and take_over_reason is None:
                holder = work.session.get(User, held.user_pk)
                raise Conflict(f"{holder.display_name if holder else 'Somebody'} is reading this.")
            held.released_at = now
            held.release_reason = take_over_reason or "ran out"
            work.session.flush()
        work.session.add(
            ReadingClaim(
                requested_procedure_pk=requested_procedure_pk,
                user_pk=work.actor.user_pk,
                claimed_at=now,
                expires_at=now + rules.CLAIM,
            )
        )
        work.session.flush()
        work.publish(ReadingChanged(requested_procedure_pk))
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "U",
        patient_pk=patient_pk,
        object_type="reading claim",
        object_id=requested_procedure_pk,
        detail={"taken over": take_over_reason} if take_over_reason else None,
    )
    return now + rules.CLAIM


def _lock(work: Work, requested_procedure_pk: int) -> int:
    """Lets nobody else claim the procedure meanwhile; returns its patient. Raises NotFound, also for what one may not
    see."""
    found = work.session.execute(
        select(ImagingServiceRequest.patient_pk, ImagingServiceRequest.site_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        )
        .where(RequestedProcedure.requested_procedure_pk == requested_procedure_pk)
        .with_for_update(of=RequestedProcedure, key_share=True)
    ).one_or_none()
    sites = work.actor.site_pks
    if found is None or (sites is not None and found[1] not in sites):
        raise NotFound("There is no such requested procedure.")
    return int(found[0])


def release(work: Work, requested_procedure_pk: int) -> None:
    """Gives one's own case back; nothing happens where one does not hold it."""
    work.require(Permission.REPORT_WRITE)
    work.session.execute(
        update(ReadingClaim)
        .where(
            ReadingClaim.requested_procedure_pk == requested_procedure_pk,
            ReadingClaim.user_pk == work.actor.user_pk,
            ReadingClaim.released_at.is_(None),
        )
        .values(released_at=work.now(), release_reason="given back")
    )
    work.publish(ReadingChanged(requested_procedure_pk))
    work.audit(
        AuditEventID.PROCEDURE_RECORD, "U", object_type="reading claim", object_id=requested_procedure_pk
    )
