"""Background work of the priors room."""

from __future__ import annotations

from typing import Any

from wetread.archive.service import the_archive
from wetread.jobs.service import FORWARDING, task
from wetread.priors import service
from wetread.security.service import AuditEventID, Work


@task("priors.order_changed")
def order_changed(work: Work, event: dict[str, Any]) -> None:
    """On `order.changed`: has other archives asked about the patient."""
    service.order_changed(work, event)


@task("priors.appointment_changed")
def appointment_changed(work: Work, event: dict[str, Any]) -> None:
    """On `appointment.changed`: fetching follows the appointment."""
    service.appointment_changed(work, event)


@task("priors.study_linked")
def study_linked(work: Work, event: dict[str, Any]) -> None:
    """On `study.linked`: images that came without an order are a reason to ask, too."""
    service.study_linked(work, event)


@task("priors.patient_merged")
def patient_merged(work: Work, event: dict[str, Any]) -> None:
    """On `patient.merged`: asks anew about who has all identifiers now."""
    service.patient_merged(work, event)


@task(service.LOOK, queue=FORWARDING)
def look(work: Work, prior_lookup_pk: int) -> None:
    """Asks one archive about one patient."""
    service.look(the_archive().offices, prior_lookup_pk)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="prior_lookup", object_id=prior_lookup_pk)


@task(service.FETCH, queue=FORWARDING)
def fetch(work: Work, remote_study_pk: int) -> None:
    """Fetches one study."""
    service.fetch(the_archive(), remote_study_pk)
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="remote_study", object_id=remote_study_pk)
