"""Physicians as other rooms and systems know them: by National Provider Identifier."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from wetread.dicom.personname import PersonName
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.security.events import PractitionerChanged
from wetread.security.model import Practitioner, User
from wetread.security.rules import AuditEventID, Permission, valid_npi
from wetread.security.work import Work

_TAXONOMY = re.compile(r"[0-9]{3}[0-9A-Z]{6}X")
_CHANGEABLE = frozenset({"person_name", "npi", "taxonomy_code", "phone", "email"})


def known_practitioner(work: Work, npi: str, person_name: str, *, phone: str | None = None) -> Practitioner:
    """The physician with this NPI, made with this PN where new; the name of a known one stays."""
    work.require(Permission.ORDER_WRITE, Permission.CONFIG_WRITE)
    by_npi = select(Practitioner).where(Practitioner.npi == npi)
    found = work.session.scalar(by_npi)
    if found is not None:
        return found
    try:
        with work.session.begin_nested():
            return _add(work, Practitioner(npi=npi, person_name=person_name[:324], phone=phone))
    except IntegrityError:  # another made the same a moment ago
        return work.session.scalars(by_npi).one()


def add_practitioner(work: Work, given: Mapping[str, str | None]) -> Practitioner:
    """A new physician. Raises Invalid, Conflict for a taken NPI."""
    work.require(Permission.ORDER_WRITE, Permission.CONFIG_WRITE)
    values = {"person_name": "", **given}
    _check(work, values, None)
    return _add(work, Practitioner(**_cleaned(values)))


def change_practitioner(work: Work, practitioner_pk: int, changes: Mapping[str, str | None]) -> Practitioner:
    """Alters a physician. Raises NotFound, Invalid, Conflict for a taken NPI."""
    work.require(Permission.BILLING_WRITE, Permission.ORDER_WRITE, Permission.CONFIG_WRITE)
    found = work.session.get(Practitioner, practitioner_pk)
    if found is None:
        raise NotFound("No such practitioner.")
    if unknown := sorted(set(changes) - _CHANGEABLE):
        raise Invalid(
            "Some fields cannot be changed.", fields=[FieldError(name, "is fixed") for name in unknown]
        )
    _check(work, changes, practitioner_pk)
    for name, value in _cleaned(changes).items():
        setattr(found, name, value)
    work.session.flush()
    work.audit(
        AuditEventID.SECURITY_ALERT,
        "U",
        object_type="practitioner",
        object_id=practitioner_pk,
        detail={"fields": ",".join(sorted(changes))},
    )
    work.publish(PractitionerChanged(practitioner_pk))
    return found


def accounts_of(work: Work, practitioner_pks: Sequence[int]) -> dict[int, User]:
    """The account of each physician that has one; of several, the oldest that is not disabled."""
    rows = work.session.scalars(
        select(User)
        .where(User.practitioner_pk.in_(practitioner_pks))
        .order_by(User.disabled.desc(), User.user_pk.desc())
    )
    return {user.practitioner_pk: user for user in rows if user.practitioner_pk is not None}


def _add(work: Work, row: Practitioner) -> Practitioner:
    work.session.add(row)
    work.session.flush()
    work.audit(AuditEventID.SECURITY_ALERT, "C", object_type="practitioner", object_id=row.practitioner_pk)
    return row


def _check(work: Work, values: Mapping[str, str | None], practitioner_pk: int | None) -> None:
    faults = []
    if "person_name" in values:
        name = PersonName.parse(values["person_name"] or "")
        if not any(group.replace("^", "").strip() for group in (name.alphabetic, name.ideographic)):
            faults.append(FieldError("person_name", "a name is needed"))
    npi = (values.get("npi") or "").strip()
    if npi and not valid_npi(npi):
        faults.append(FieldError("npi", "ten digits; the check digit is wrong"))
    taxonomy = (values.get("taxonomy_code") or "").strip()
    if taxonomy and not _TAXONOMY.fullmatch(taxonomy):
        faults.append(FieldError("taxonomy_code", "ten letters and digits, such as 2085R0202X"))
    if faults:
        raise Invalid("The physician's particulars are not right.", fields=faults)
    if npi:
        holder = work.session.scalar(select(Practitioner).where(Practitioner.npi == npi))
        if holder is not None and holder.practitioner_pk != practitioner_pk:
            raise Conflict("Another physician has this NPI.", fields=[FieldError("npi", "already in use")])


def _cleaned(values: Mapping[str, str | None]) -> dict[str, str | None]:
    stripped = {name: (value or "").strip() or None for name, value in values.items()}
    if stripped.get("person_name"):
        stripped["person_name"] = str(PersonName.parse(stripped["person_name"] or ""))
    return stripped
