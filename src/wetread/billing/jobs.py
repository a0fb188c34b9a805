"""Background work of the billing room: charges follow procedures and reports, claims follow what they refer to."""

from __future__ import annotations

from typing import Any

from wetread.billing import service
from wetread.jobs.service import task
from wetread.security.service import Work


@task("billing.order_changed")
def order_changed(work: Work, event: dict[str, Any]) -> None:
    """On `order.changed`: charges come, or go, with the procedure's state."""
    service.procedure_changed(work, event["keys"]["requested_procedure_pk"])


@task("billing.report_final")
def report_final(work: Work, event: dict[str, Any]) -> None:
    """On `report.final`: the reading is charged."""
    service.report_final(work, event["keys"]["report_pk"])


@task("billing.patient_changed")
def patient_changed(work: Work, event: dict[str, Any]) -> None:
    """On `patient.changed` and `patient.merged`: unsent claims are looked at again."""
    keys = event["keys"]
    service.recheck_open(work, patient_pk=keys.get("patient_pk") or keys.get("surviving_patient_pk"))


@task("billing.practitioner_changed")
def practitioner_changed(work: Work, event: dict[str, Any]) -> None:
    """On `practitioner.changed`: unsent claims that name the physician are looked at again."""
    service.recheck_open(work, practitioner_pk=event["keys"]["practitioner_pk"])


@task("billing.recheck_open", cron="41 2 * * *")
def recheck_open(work: Work) -> None:
    """Every night: what changed without telling (a site's address, a day that came) shows in the queues."""
    service.recheck_open(work)
