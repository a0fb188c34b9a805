"""Physicians as other rooms and systems know them: by National Provider Identifier."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.security.model import Practitioner
from wetread.security.rules import AuditEventID, Permission
from wetread.security.work import Work

_CHANGEABLE = frozenset({"npi", "taxonomy_code", "phone"})


def known_practitioner(work: Work, npi: str, person_name: str, *, phone: str | None = None) -> Practitioner:
    """The physician with this NPI, made with this PN where new; the name of a known one stays."""
    work.require(Permission.ORDER_WRITE, Permission.CONFIG_WRITE)
    found = work.session.scalar(select(Practitioner).where(Practitioner.npi == npi))
    if found is None:
        found = Practitioner(npi=npi, person_name=person_name[:324], phone=phone)
        work.session.add(found)
        work.session.flush()
        work.audit(
            AuditEventID.SECURITY_ALERT, "C", object_type="practitioner", object_id=found.practitioner_pk
        )
    return found


def change_practitioner(work: Work, practitioner_pk: int, changes: Mapping[str, str | None]) -> Practitioner:
    """Alters NPI, taxonomy code or telephone of a physician. Raises NotFound, Invalid, Conflict for a taken NPI."""
    work.require(Permission.BILLING_WRITE, Permission.CONFIG_WRITE)
    found = work.session.get(Practitioner, practitioner_pk)
    if found is None:
        raise NotFound("No such practitioner.")
    if unknown := sorted(set(changes) - _CHANGEABLE):
        raise Invalid(
            "Some fields cannot be changed.", fields=[FieldError(name, "is fixed") for name in unknown]
        )
    npi = changes.get("npi")
    if npi:
        holder = work.session.scalar(select(Practitioner).where(Practitioner.npi == npi))
        if holder is not None and holder.practitioner_pk != practitioner_pk:
            raise Conflict("Another physician has this NPI.", fields=[FieldError("npi", "already in use")])
    for name, value in changes.items():
        setattr(found, name, value)
    work.session.flush()
    work.audit(
        AuditEventID.SECURITY_ALERT,
        "U",
        object_type="practitioner",
        object_id=practitioner_pk,
        detail={"fields": ",".join(sorted(changes))},
    )
    return found
