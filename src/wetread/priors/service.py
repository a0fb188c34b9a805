"""Asking other archives for priors, and fetching them; how they are reached is given by the composition root."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from sqlalchemy import delete, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from wetread.archive.events import StudyUpdated
from wetread.archive.model import RemoteAE, Series, Study
from wetread.archive.service import Archive, correct_study
from wetread.jobs.service import FORWARDING, defer
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.model import Patient, PatientIdentifier
from wetread.priors import rules
from wetread.priors.events import PriorsChanged
from wetread.priors.model import (
    Agreement,
    FetchState,
    LookupState,
    PriorLookup,
    RemoteArchive,
    RemoteStudy,
    Retrieve,
)
from wetread.priors.rules import Named, Person, Wanted, reasons_against, wait_after
from wetread.reporting.service import seen_at_sites
from wetread.scheduling.model import Appointment
from wetread.security.service import Actor, AuditEventID, MasterKey, Offices, Permission, Work

log = structlog.get_logger()

LOOK, FETCH = "priors.look", "priors.fetch"
_LEASE = timedelta(minutes=2)
_NOTE_S = 1.5
_RECENT = timedelta(days=7)  # older images without an order are history themselves
_OPEN_APPOINTMENTS = ("booked", "arrived", "checked-in")
_PASSWORD = b"remote archive"


class Unreachable(Exception):
    """The archive does not answer, refuses, or broke off. Words for a person, without patient data."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an archive is reached: either an application entity, or the base of DICOMweb with who signs in."""

    name: str
    retrieve: Retrieve
    ae_title: str = ""
    host: str = ""
    port: int = 0
    is_encrypted: bool = False
    base_url: str = ""
    user_name: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What came since the last step: objects kept here, and objects that were not, with why."""

    received: int = 0
    failed: int = 0
    fault: str | None = None


class Network(Protocol):
    """Speaks with archives. Given by the composition root: this room knows no network."""

    def look(self, access: Access, person: Person) -> tuple[list[Named], bool]:
        """The studies it names for an identifier, and whether there are more than were taken. Raises Unreachable."""

    def fetch(self, access: Access, archive: Archive, study: Named) -> Iterator[Step]:
        """Brings a study into `archive`. Raises Unreachable."""

    def check(self, access: Access) -> None:
        """Whether it answers. Raises Unreachable."""


_networks: list[Network] = []
_keys: list[MasterKey] = []


def use_network(network: Network, key: MasterKey) -> None:
    """Names the network of this process, and the key that seals passwords (called once by the composition root)."""
    _networks[:] = [network]
    _keys[:] = [key]


# Archives -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """An archive and the title of its application entity, where it is one."""

    archive: RemoteArchive
    ae_title: str | None


def archives(work: Work) -> list[Listed]:
    """All archives by name."""
    work.require(Permission.CONFIG_READ)
    rows = work.session.execute(
        select(RemoteArchive, RemoteAE.ae_title)
        .outerjoin(RemoteAE, RemoteAE.remote_ae_pk == RemoteArchive.remote_ae_pk)
        .order_by(func.lower(RemoteArchive.name))
    )
    return [Listed(one, title) for one, title in rows]


@dataclass(frozen=True, slots=True)
class ArchiveInput:
    """An archive as an administrator describes it. `password` None keeps what is known."""

    name: str
    is_enabled: bool
    retrieve: Retrieve
    remote_ae_pk: int | None
    base_url: str | None
    user_name: str | None
    password: str | None
    issuer_of_patient_id: str
    prefetch_max: int
    years_max: int
    lead_hours: int


def save_archive(work: Work, given: ArchiveInput, *, remote_archive_pk: int | None = None) -> Listed:
    """Adds or changes an archive. Raises Invalid, NotFound, Conflict."""
    work.require(Permission.CONFIG_WRITE)
    given = replace(
        given,
        name=given.name.strip(),
        issuer_of_patient_id=given.issuer_of_patient_id.strip(),
        base_url=(given.base_url or "").strip().rstrip("/") or None,
        user_name=(given.user_name or "").strip() or None,
    )
    is_web = given.retrieve is Retrieve.WADO_RS
    faults = _faults_of(given)
    peer = None if is_web or given.remote_ae_pk is None else work.session.get(RemoteAE, given.remote_ae_pk)
    if not is_web and peer is None:
        faults.append(FieldError("remote_ae_pk", "is no known application entity"))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)
    namesake = work.session.scalar(
        select(RemoteArchive.remote_archive_pk).where(func.lower(RemoteArchive.name) == given.name.lower())
    )
    if namesake is not None and namesake != remote_archive_pk:
        raise Conflict("There is an archive of that name.", fields=[FieldError("name", "is taken")])
    row = RemoteArchive() if remote_archive_pk is None else work.session.get(RemoteArchive, remote_archive_pk)
    if row is None:
        raise NotFound("There is no such archive.")
    if (row.base_url, row.user_name) != (given.base_url, given.user_name):
        row.sealed_password = None  # a password is sent to no other place, and as no other user
    row.name, row.is_enabled, row.retrieve = given.name, given.is_enabled, given.retrieve
    row.remote_ae_pk = None if is_web else given.remote_ae_pk
    row.base_url = given.base_url if is_web else None
    row.user_name = given.user_name if is_web else None
    if given.password and is_web:
        row.sealed_password = _keys[0].seal(given.password.encode(), _PASSWORD)
    elif not is_web or not given.user_name:
        row.sealed_password = None
    row.issuer_of_patient_id = given.issuer_of_patient_id
    row.prefetch_max, row.years_max, row.lead_hours = given.prefetch_max, given.years_max, given.lead_hours
    work.session.add(row)
    work.session.flush()
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "C" if remote_archive_pk is None else "U",
        object_type="remote_archive",
        object_id=row.remote_archive_pk,
        detail={"name": row.name, "retrieve": row.retrieve, "enabled": str(row.is_enabled)},
    )
    return Listed(row, peer.ae_title if peer is not None else None)


def _faults_of(given: ArchiveInput) -> list[FieldError]:
    faults: list[FieldError] = []
    if not 1 <= len(given.name) <= 64:
        faults.append(FieldError("name", "has 1 to 64 characters"))
    if not 1 <= len(given.issuer_of_patient_id) <= 64:
        faults.append(FieldError("issuer_of_patient_id", "has 1 to 64 characters"))
    for field, value, most in (
        ("prefetch_max", given.prefetch_max, rules.PREFETCH_MAX),
        ("years_max", given.years_max, rules.YEARS_MAX),
        ("lead_hours", given.lead_hours, rules.LEAD_HOURS_MAX),
    ):
        if not 0 <= value <= most:
            faults.append(FieldError(field, f"lies between 0 and {most}"))
    if given.retrieve is Retrieve.WADO_RS:
        faults += _faults_of_url(given.base_url or "", with_password=bool(given.user_name))
        if len(given.user_name or "") > 64 or ":" in (given.user_name or ""):
            faults.append(FieldError("user_name", "has at most 64 characters, none of them a colon"))
    return faults


def _faults_of_url(url: str, *, with_password: bool) -> list[FieldError]:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return [FieldError("base_url", "is no address")]
    if parts.scheme not in ("http", "https") or not named or len(url) > 400:
        return [FieldError("base_url", "is an address that begins with https:// or http://")]
    if parts.username or parts.query or parts.fragment or any(not 33 <= ord(one) < 127 for one in url):
        return [FieldError("base_url", "holds neither user, query nor fragment")]
    if with_password and parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        return [FieldError("base_url", "must be https://, or the password could be read on its way")]
    return []


def remove_archive(work: Work, remote_archive_pk: int) -> None:
    """Forgets an archive and what it said; what was fetched from it stays. Raises NotFound."""
    work.require(Permission.CONFIG_WRITE)
    row = work.session.get(RemoteArchive, remote_archive_pk)
    if row is None:
        raise NotFound("There is no such archive.")
    work.session.delete(row)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "D",
        object_type="remote_archive",
        object_id=remote_archive_pk,
        detail={"name": row.name},
    )


def check_archive(work: Work, remote_archive_pk: int) -> str | None:
    """Asks an archive whether it answers; None where it does, else why not. Raises NotFound."""
    work.require(Permission.CONFIG_WRITE)
    row = work.session.get(RemoteArchive, remote_archive_pk)
    if row is None:
        raise NotFound("There is no such archive.")
    fault: str | None = None
    try:
        _networks[0].check(_access(work, row))
    except Unreachable as error:
        fault = str(error)
    _told(work, row, fault)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="remote_archive",
        object_id=remote_archive_pk,
        detail={"act": "check"},
        outcome=0 if fault is None else 4,
    )
    return fault


def _access(work: Work, row: RemoteArchive) -> Access:
    if row.base_url is not None:
        sealed = row.sealed_password
        password = _keys[0].unseal(bytes(sealed), _PASSWORD).decode() if sealed else None
        return Access(
            row.name,
            Retrieve(row.retrieve),
            base_url=row.base_url,
            user_name=row.user_name,
            password=password,
        )
    peer = work.session.get_one(RemoteAE, row.remote_ae_pk)
    return Access(row.name, Retrieve(row.retrieve), peer.ae_title, peer.host, peer.port, peer.is_encrypted)


def _told(work: Work, row: RemoteArchive, fault: str | None) -> None:
    if fault is None:
        row.last_answered_at, row.last_error = work.now(), None
    else:
        row.last_error, row.last_error_at = fault[:200], work.now()


# When archives are asked ----------------------------------------------------------------------------------------


def order_changed(work: Work, event: dict[str, Any]) -> None:
    """On `order.changed`: asks about the patient at once; what is relevant is fetched before the appointment."""
    requested = work.session.get(RequestedProcedure, int(event["keys"]["requested_procedure_pk"]))
    work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="requested_procedure")
    if requested is not None:
        _of_order(work, requested)


def appointment_changed(work: Work, event: dict[str, Any]) -> None:
    """On `appointment.changed`: fetching follows the appointment."""
    appointment = work.session.get(Appointment, int(event["keys"]["appointment_pk"]))
    work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="appointment")
    if appointment is not None:
        requested = work.session.get(RequestedProcedure, appointment.requested_procedure_pk)
        if requested is not None:
            _of_order(work, requested)


def _of_order(work: Work, requested: RequestedProcedure) -> None:
    requested_procedure_pk = requested.requested_procedure_pk
    if requested.state in ("CANCELED", "DISCONTINUED"):
        work.session.execute(
            delete(PriorLookup).where(
                PriorLookup.requested_procedure_pk == requested_procedure_pk,
                PriorLookup.state == LookupState.WAITING,
            )
        )
        return
    if requested.state == "COMPLETED":
        return
    request = work.session.get_one(ImagingServiceRequest, requested.imaging_service_request_pk)
    procedure = work.session.get_one(Procedure, requested.procedure_pk)
    starts_at = work.session.scalar(
        select(func.min(Appointment.starts_at)).where(
            Appointment.requested_procedure_pk == requested_procedure_pk,
            Appointment.state.in_(_OPEN_APPOINTMENTS),
        )
    )
    wanted = Wanted(procedure.modality, procedure.body_part_examined)
    urgent = requested.state == "IN PROGRESS" or requested.requested_procedure_priority == "STAT"
    for row in _enabled(work):
        at = work.now()
        if starts_at is not None and not urgent:
            at = max(at, starts_at - timedelta(hours=row.lead_hours))
        _plan(
            work,
            row,
            request.patient_pk,
            wanted,
            at=at,
            requested_by="order",
            is_prefetch=urgent or starts_at is not None,
            requested_procedure_pk=requested_procedure_pk,
        )


def study_linked(work: Work, event: dict[str, Any]) -> None:
    """On `study.linked`: images of a known patient that came without an order."""
    keys = event["keys"]
    work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="study")
    if keys.get("requested_procedure_pk") is not None:
        return
    study = work.session.get(Study, int(keys["study_pk"]))
    if study is None or study.patient_pk is None:
        return
    if study.study_date is not None and study.study_date < (work.now() - _RECENT).date():
        return
    fetched = work.session.scalar(
        select(RemoteStudy.remote_study_pk)
        .where(
            RemoteStudy.study_instance_uid == study.study_instance_uid,
            RemoteStudy.fetch_state != FetchState.ABSENT,
        )
        .limit(1)
    )
    if fetched is not None:
        return  # a prior itself
    for row in _enabled(work):
        _plan(
            work,
            row,
            study.patient_pk,
            _wanted_of(work, study),
            at=work.now(),
            requested_by="images",
            is_prefetch=True,
        )


def patient_merged(work: Work, event: dict[str, Any]) -> None:
    """On `patient.merged`: who now has all identifiers is asked about anew."""
    keys = event["keys"]
    pks = {int(keys["surviving_patient_pk"])}
    if keys["undone"]:
        pks.add(int(keys["merged_patient_pk"]))
    asked = work.session.scalars(
        select(PriorLookup.patient_pk)
        .where(
            PriorLookup.patient_pk.in_((int(keys["surviving_patient_pk"]), int(keys["merged_patient_pk"])))
        )
        .limit(1)
    ).all()
    work.audit(AuditEventID.PATIENT_RECORD, "R", object_type="priors of merged patients")
    for row in _enabled(work) if asked else ():
        for patient_pk in sorted(pks):
            _plan(
                work,
                row,
                patient_pk,
                Wanted(None, None),
                at=work.now(),
                requested_by="merge",
                is_prefetch=False,
            )


def _enabled(work: Work) -> Sequence[RemoteArchive]:
    return work.session.scalars(
        select(RemoteArchive).where(RemoteArchive.is_enabled).order_by(RemoteArchive.remote_archive_pk)
    ).all()


def _wanted_of(work: Work, study: Study) -> Wanted:
    body_part = work.session.scalar(
        select(func.min(Series.body_part_examined)).where(Series.study_pk == study.study_pk)
    )
    return Wanted(rules.main_modality(study.modalities_in_study), body_part)


def _plan(
    work: Work,
    row: RemoteArchive,
    patient_pk: int,
    wanted: Wanted,
    *,
    at: datetime,
    requested_by: str,
    is_prefetch: bool,
    requested_procedure_pk: int | None = None,
) -> None:
    now = work.now()
    values = {
        "modality": wanted.modality,
        "body_part_examined": wanted.body_part_examined,
        "requested_by": requested_by[:64],
        "state": LookupState.WAITING,
        "attempts": 0,
        "last_error": None,
        "is_prefetch": is_prefetch,
        "not_before": at,
        "claimed_until": None,
        "updated_at": now,
    }
    key = work.session.scalar(
        insert(PriorLookup)
        .values(
            patient_pk=patient_pk,
            remote_archive_pk=row.remote_archive_pk,
            requested_procedure_pk=requested_procedure_pk,
            **values,
        )
        .on_conflict_do_update(
            index_elements=["patient_pk", "remote_archive_pk", "requested_procedure_pk"], set_=values
        )
        .returning(PriorLookup.prior_lookup_pk)
    )
    _wake_look(work, int(key or 0), at)
    work.publish(PriorsChanged(patient_pk))


def _wake_look(work: Work, prior_lookup_pk: int, at: datetime) -> None:
    # Without a lock of the queue: of two jobs for one look-up the later finds that it is done, or not yet due.
    defer(work, LOOK, run_at=at, queue=FORWARDING, prior_lookup_pk=prior_lookup_pk)


# Asking ---------------------------------------------------------------------------------------------------------


def look(offices: Offices, prior_lookup_pk: int) -> None:
    """Asks one archive about one patient. No transaction is open while the network is waited for."""
    actor = Actor.system("priors")
    with offices.work(actor) as work:
        asked = _claim_look(work, prior_lookup_pk)
    if asked is None:
        return
    access, people = asked
    found: list[tuple[Person, Named]] = []
    fault: str | None = None
    is_cut = False
    try:
        for person in people:
            named, more = _networks[0].look(access, person)
            found += [(person, one) for one in named]
            is_cut = is_cut or more
    except Unreachable as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001 - e.g. an answer that cannot be read: other look-ups must go on
        log.warning("look-up of priors failed", prior_lookup_pk=prior_lookup_pk, error=type(error).__name__)
        fault = f"its answer could not be read ({type(error).__name__})"
    with offices.work(actor) as work:
        _settle_look(work, prior_lookup_pk, found, is_cut=is_cut, fault=fault)


def _claim_look(work: Work, prior_lookup_pk: int) -> tuple[Access, list[Person]] | None:
    now = work.now()
    row = work.session.scalar(
        select(PriorLookup).where(PriorLookup.prior_lookup_pk == prior_lookup_pk).with_for_update()
    )
    work.audit(
        AuditEventID.QUERY,
        "E",
        patient_pk=None if row is None else row.patient_pk,
        object_type="prior_lookup",
        object_id=prior_lookup_pk,
    )
    if row is None or row.state not in (LookupState.WAITING, LookupState.ASKING):
        return None
    if row.state == LookupState.ASKING:
        if row.claimed_until is not None and row.claimed_until > now:
            _wake_look(work, prior_lookup_pk, row.claimed_until)
            return None
    elif row.not_before > now:
        _wake_look(work, prior_lookup_pk, row.not_before)
        return None
    archive = work.session.get_one(RemoteArchive, row.remote_archive_pk)
    if not archive.is_enabled:
        row.state, row.last_error = LookupState.FAILED, "the archive is not asked any more"
        return None
    patient = work.session.get_one(Patient, row.patient_pk)
    if patient.merged_into_patient_pk is not None:
        # Both orders' look-ups ask about the living record.
        patient = work.session.get_one(Patient, patient.merged_into_patient_pk)
    identifiers = work.session.scalars(
        select(PatientIdentifier.patient_id)
        .where(
            PatientIdentifier.patient_pk == patient.patient_pk,
            PatientIdentifier.issuer_of_patient_id == archive.issuer_of_patient_id,
        )
        .order_by(PatientIdentifier.patient_identifier_pk)
    )
    people = [
        Person(
            patient_id,
            archive.issuer_of_patient_id,
            patient.patient_name,
            patient.patient_birth_date,
            patient.patient_sex,
        )
        for patient_id in identifiers
    ]
    row.state, row.claimed_until, row.updated_at = LookupState.ASKING, now + _LEASE, now
    work.publish(PriorsChanged(row.patient_pk))
    return _access(work, archive), people


def _settle_look(
    work: Work,
    prior_lookup_pk: int,
    found: Sequence[tuple[Person, Named]],
    *,
    is_cut: bool,
    fault: str | None,
) -> None:
    now = work.now()
    row = work.session.get(PriorLookup, prior_lookup_pk, with_for_update=True, populate_existing=True)
    if row is None:
        return
    archive = work.session.get(RemoteArchive, row.remote_archive_pk)
    work.audit(
        AuditEventID.QUERY,
        "E",
        patient_pk=row.patient_pk,
        object_type="prior_lookup",
        object_id=prior_lookup_pk,
        detail={"archive": "" if archive is None else archive.name, "matches": str(len(found))},
        outcome=0 if fault is None else 4,
    )
    if archive is None:
        return
    _told(work, archive, fault)
    asking = row.state == LookupState.ASKING  # else it was asked for anew meanwhile
    row.updated_at = now
    if fault is not None:
        if asking:
            row.attempts += 1
            row.last_error = fault[:200]
            row.claimed_until = None
            wait = wait_after(row.attempts)
            row.state = LookupState.FAILED if wait is None else LookupState.WAITING
            if wait is not None:
                row.not_before = now + wait
                _wake_look(work, prior_lookup_pk, row.not_before)
        work.publish(PriorsChanged(row.patient_pk))
        return
    if asking:
        row.state, row.attempts, row.last_error, row.claimed_until = LookupState.ANSWERED, 0, None, None
        row.answered_at, row.found_count, row.is_cut = now, len(found), is_cut
    _keep_answers(work, archive, row.patient_pk, found, is_cut=is_cut)
    if row.is_prefetch:
        _prefetch(work, archive, row)
    work.publish(PriorsChanged(row.patient_pk))


def _keep_answers(
    work: Work,
    archive: RemoteArchive,
    patient_pk: int,
    found: Sequence[tuple[Person, Named]],
    *,
    is_cut: bool,
) -> None:
    now = work.now()
    known = {
        one.study_instance_uid: one
        for one in work.session.scalars(
            select(RemoteStudy)
            .where(
                RemoteStudy.remote_archive_pk == archive.remote_archive_pk,
                RemoteStudy.patient_pk == patient_pk,
            )
            .with_for_update()
        )
    }
    for person, named in found:
        row = known.get(named.study_instance_uid)
        if row is None:
            row = RemoteStudy(
                remote_archive_pk=archive.remote_archive_pk,
                patient_pk=patient_pk,
                study_instance_uid=named.study_instance_uid,
                fetch_state=FetchState.ABSENT,
                agreement="",
                received_count=0,
                failed_count=0,
                attempts=0,
            )
            known[named.study_instance_uid] = row
            work.session.add(row)
        against = reasons_against(person, named)
        for field in _TOLD:
            value = getattr(named, field)
            setattr(row, field, list(value) if isinstance(value, tuple) else value)
        # What a person decided stands while what speaks against it is the same.
        if row.agreement not in (Agreement.ACCEPTED, Agreement.DISMISSED) or row.reasons != against:
            row.agreement = Agreement.DIFFERS if against else Agreement.AGREES
            row.decided_by = row.decided_reason = None
        row.reasons = against
        row.seen_at = row.updated_at = now
    if not is_cut:
        named_now = {named.study_instance_uid for _, named in found}
        for uid, row in known.items():
            if (
                uid not in named_now
                and row.fetch_state == FetchState.ABSENT
                and row.agreement
                in (
                    Agreement.AGREES,
                    Agreement.DIFFERS,
                )
            ):
                work.session.delete(row)  # it is not there any more
    work.session.flush()


_TOLD = (
    "study_date", "study_description", "accession_number", "modalities_in_study", "body_parts_examined",
    "sop_classes_in_study", "number_of_study_related_instances", "patient_name", "patient_id",
    "issuer_of_patient_id", "patient_birth_date", "patient_sex",
)  # fmt: skip


def _named(row: RemoteStudy) -> Named:
    told: dict[str, Any] = {field: getattr(row, field) for field in _TOLD}
    lists = {field: tuple(value) for field, value in told.items() if isinstance(value, list)}
    return Named(study_instance_uid=row.study_instance_uid, **(told | lists))


def _prefetch(work: Work, archive: RemoteArchive, lookup: PriorLookup) -> None:
    if not archive.prefetch_max:
        return
    rows = {
        row.study_instance_uid: row
        for row in work.session.scalars(
            select(RemoteStudy).where(
                RemoteStudy.remote_archive_pk == archive.remote_archive_pk,
                RemoteStudy.patient_pk == lookup.patient_pk,
                RemoteStudy.agreement.in_((Agreement.AGREES, Agreement.ACCEPTED)),
            )
        )
    }
    today = work.now().date()
    oldest = date(max(1, today.year - archive.years_max), today.month, min(today.day, 28))
    wanted = Wanted(lookup.modality, lookup.body_part_examined)
    # Chosen among all and then cut to what is not here: else each look-up would fetch the next ones.
    best = rules.chosen(wanted, map(_named, rows.values()), most=archive.prefetch_max, oldest=oldest)
    here = _counts_here(work, rows)
    for named in best:
        row = rows[named.study_instance_uid]
        if row.fetch_state == FetchState.ABSENT and not _is_whole(row, here):
            _begin_fetch(work, row, "prefetch")


def _counts_here(work: Work, uids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Study Instance UID → (study_pk, objects here)."""
    return {
        uid: (study_pk, count)
        for uid, study_pk, count in work.session.execute(
            select(Study.study_instance_uid, Study.study_pk, Study.number_of_study_related_instances).where(
                Study.study_instance_uid.in_(list(uids))
            )
        )
    }


def _is_whole(row: RemoteStudy, here: dict[str, tuple[int, int]]) -> bool:
    found = here.get(row.study_instance_uid)
    return found is not None and found[1] >= (row.number_of_study_related_instances or 1)


# What people see and ask ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A study of the patient at another archive. `study_pk`: where all or some of it is here."""

    row: RemoteStudy
    archive_name: str
    study_pk: int | None
    worth: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether one archive has answered about the patient."""

    archive_name: str
    state: LookupState
    last_error: str | None
    answered_at: datetime | None
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a patient's studies at other archives."""

    studies: list[Elsewhere]
    asked: list[Asked]
    differing: int
    archives: int


def elsewhere(work: Work, study_pk: int) -> Picture:
    """Studies of the same patient that lie at other archives and not (wholly) here, the most telling first. What does
    not agree is only counted. Raises NotFound."""
    study = _seen(work, study_pk)
    if study.patient_pk is None:
        return Picture([], [], 0, 0)
    rows = work.session.execute(
        select(RemoteStudy, RemoteArchive.name)
        .join(RemoteArchive, RemoteArchive.remote_archive_pk == RemoteStudy.remote_archive_pk)
        .where(
            RemoteStudy.patient_pk == study.patient_pk,
            RemoteStudy.study_instance_uid != study.study_instance_uid,
            RemoteArchive.is_enabled,
        )
    ).all()
    here = _counts_here(work, {row.study_instance_uid for row, _ in rows})
    wanted = _wanted_of(work, study)
    shown = [
        Elsewhere(row, name, here.get(row.study_instance_uid, (None, 0))[0], rules.worth(wanted, _named(row)))
        for row, name in rows
        if row.agreement in (Agreement.AGREES, Agreement.ACCEPTED)
        and (
            row.fetch_state not in (FetchState.ABSENT, FetchState.FETCHED, FetchState.CANCELED)
            or not _is_whole(row, here)
        )
    ]
    shown.sort(key=lambda one: (-one.worth, -(one.row.study_date or date.min).toordinal()))
    lookups = work.session.execute(
        select(PriorLookup, RemoteArchive.name)
        .join(RemoteArchive, RemoteArchive.remote_archive_pk == PriorLookup.remote_archive_pk)
        .where(PriorLookup.patient_pk == study.patient_pk, RemoteArchive.is_enabled)
        .order_by(func.lower(RemoteArchive.name), PriorLookup.updated_at.desc())
    )
    asked: dict[str, Asked] = {}
    for row, name in lookups:
        asked.setdefault(
            name, Asked(name, LookupState(row.state), row.last_error, row.answered_at, row.is_cut)
        )
    differing = sum(row.agreement == Agreement.DIFFERS for row, _ in rows)
    return Picture(shown, list(asked.values()), differing, len(_enabled(work)))


def _seen(work: Work, study_pk: int) -> Study:
    work.require(Permission.STUDY_READ)
    seen = seen_at_sites(work.actor.site_pks)
    study = work.session.scalar(
        select(Study).where(Study.study_pk == study_pk, true() if seen is None else seen)
    )
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "R",
        patient_pk=None if study is None else study.patient_pk,
        study_instance_uid=None if study is None else study.study_instance_uid,
        object_type="priors elsewhere",
    )
    if study is None:
        raise NotFound("There is no such study.")
    return study


def ask(work: Work, study_pk: int) -> int:
    """A person has all archives asked about the patient of a study, now; returns how many. Raises NotFound, Conflict."""
    study = _seen(work, study_pk)
    if study.patient_pk is None:
        raise Conflict("Whose images these are is not known yet: link them to an order first.")
    rows = _enabled(work)
    for row in rows:
        _plan(
            work,
            row,
            study.patient_pk,
            _wanted_of(work, study),
            at=work.now(),
            requested_by=work.actor.username,
            is_prefetch=False,
        )
    return len(rows)


def fetch_for(work: Work, study_pk: int, remote_study_pk: int) -> None:
    """A person who reads a study has a prior fetched, at once. Raises NotFound, Conflict."""
    row = _of_patient(work, study_pk, remote_study_pk)
    if row.agreement not in (Agreement.AGREES, Agreement.ACCEPTED):
        raise Conflict("Whether this study is the patient's has to be decided first.")
    if row.fetch_state == FetchState.FETCHING:
        raise Conflict("It is being fetched now.")
    _begin_fetch(work, row, work.actor.username)


def stop_for(work: Work, study_pk: int, remote_study_pk: int) -> None:
    """A person who reads a study stops the fetching of a prior; what came stays. Raises NotFound, Conflict."""
    _stop(work, _of_patient(work, study_pk, remote_study_pk))


def _of_patient(work: Work, study_pk: int, remote_study_pk: int) -> RemoteStudy:
    study = _seen(work, study_pk)
    row = work.session.get(RemoteStudy, remote_study_pk, with_for_update=True, populate_existing=True)
    if row is None or row.patient_pk != study.patient_pk:
        raise NotFound("There is no such study.")
    return row


def _begin_fetch(work: Work, row: RemoteStudy, requested_by: str) -> None:
    now = work.now()
    row.requested_by, row.attempts, row.last_error = requested_by[:64], 0, None
    row.received_count = row.failed_count = 0
    _move(work, row, FetchState.WAITING, now)
    _wake_fetch(work, row.remote_study_pk, now)
    work.audit(
        AuditEventID.BEGIN_TRANSFER,
        "E",
        patient_pk=row.patient_pk,
        study_instance_uid=row.study_instance_uid,
        object_type="remote_study",
        object_id=row.remote_study_pk,
        detail={"by": requested_by[:64]},
    )


def _stop(work: Work, row: RemoteStudy) -> None:
    if row.fetch_state in (FetchState.ABSENT, FetchState.FETCHED):
        raise Conflict("It is not on its way.")
    _move(work, row, FetchState.CANCELED, work.now())
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        patient_pk=row.patient_pk,
        object_type="remote_study",
        object_id=row.remote_study_pk,
        detail={"what": "canceled"},
    )


def _move(work: Work, row: RemoteStudy, state: FetchState, not_before: datetime) -> None:
    row.fetch_state, row.not_before, row.updated_at, row.claimed_until = state, not_before, work.now(), None
    work.publish(PriorsChanged(row.patient_pk))


def _wake_fetch(work: Work, remote_study_pk: int, at: datetime) -> None:
    defer(work, FETCH, run_at=at, queue=FORWARDING, remote_study_pk=remote_study_pk)


@dataclass(frozen=True, slots=True)
class Fetching:
    """A study on its way here, as the queue shows it."""

    row: RemoteStudy
    archive_name: str


def fetches(
    work: Work, *, state: FetchState | None = None, before: int | None = None, limit: int = 100
) -> list[Fetching]:
    """Newest first, those before the key `before`."""
    work.require(Permission.QUEUE_READ)
    query = (
        select(RemoteStudy, RemoteArchive.name)
        .join(RemoteArchive, RemoteArchive.remote_archive_pk == RemoteStudy.remote_archive_pk)
        .where(RemoteStudy.fetch_state != FetchState.ABSENT)
        .order_by(RemoteStudy.remote_study_pk.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(RemoteStudy.fetch_state == state)
    if before is not None:
        query = query.where(RemoteStudy.remote_study_pk < before)
    work.audit(AuditEventID.QUERY, "E", object_type="fetches of priors")
    return [Fetching(row, name) for row, name in work.session.execute(query)]


def fetch_again(work: Work, remote_study_pk: int) -> None:
    """Tries what failed or was stopped again, at once. Raises NotFound, Conflict."""
    row = _queued(work, remote_study_pk)
    if row.fetch_state == FetchState.FETCHING:
        raise Conflict("It is being fetched now.")
    if row.agreement not in (Agreement.AGREES, Agreement.ACCEPTED):
        raise Conflict("Whether this study is the patient's has to be decided first.")
    _begin_fetch(work, row, work.actor.username)


def stop(work: Work, remote_study_pk: int) -> None:
    """Stops a study on its way; what came stays. Raises NotFound, Conflict."""
    _stop(work, _queued(work, remote_study_pk))


def _queued(work: Work, remote_study_pk: int) -> RemoteStudy:
    work.require(Permission.QUEUE_WRITE)
    row = work.session.get(RemoteStudy, remote_study_pk, with_for_update=True, populate_existing=True)
    if row is None or row.fetch_state == FetchState.ABSENT:
        raise NotFound("There is no such study on its way.")
    return row


@dataclass(frozen=True, slots=True)
class Lookup:
    """A look-up as the queue shows it: no patient, who is not needed to mend it."""

    prior_lookup_pk: int
    archive_name: str
    state: LookupState
    attempts: int
    last_error: str | None
    requested_by: str
    not_before: datetime
    updated_at: datetime


def lookups(work: Work, *, limit: int = 200) -> list[Lookup]:
    """Look-ups that are not answered, newest first: those that failed, and those that wait for their time."""
    work.require(Permission.QUEUE_READ)
    rows = work.session.execute(
        select(PriorLookup, RemoteArchive.name)
        .join(RemoteArchive, RemoteArchive.remote_archive_pk == PriorLookup.remote_archive_pk)
        .where(PriorLookup.state != LookupState.ANSWERED)
        .order_by((PriorLookup.state == LookupState.FAILED).desc(), PriorLookup.prior_lookup_pk.desc())
        .limit(limit)
    )
    work.audit(AuditEventID.QUERY, "E", object_type="look-ups of priors")
    return [
        Lookup(
            row.prior_lookup_pk,
            name,
            LookupState(row.state),
            row.attempts,
            row.last_error,
            row.requested_by,
            row.not_before,
            row.updated_at,
        )
        for row, name in rows
    ]


def look_again(work: Work, prior_lookup_pk: int) -> None:
    """Asks again, at once. Raises NotFound."""
    work.require(Permission.QUEUE_WRITE)
    row = work.session.get(PriorLookup, prior_lookup_pk, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("There is no such look-up.")
    row.state, row.attempts, row.last_error, row.claimed_until = LookupState.WAITING, 0, None, None
    row.not_before = row.updated_at = work.now()
    _wake_look(work, prior_lookup_pk, row.not_before)
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "U",
        patient_pk=row.patient_pk,
        object_type="prior_lookup",
        object_id=prior_lookup_pk,
        detail={"what": "again"},
    )


@dataclass(frozen=True, slots=True)
class Differing:
    """A study that an archive named for a patient, and that contradicts what is known of him."""

    row: RemoteStudy
    archive_name: str
    of_patient_name: str | None
    of_patient_id: str | None


def differing(work: Work, *, limit: int = 200) -> list[Differing]:
    """What waits for a person to say whose it is, newest first."""
    work.require(Permission.RECONCILE)
    rows = work.session.execute(
        select(RemoteStudy, RemoteArchive.name, Patient.patient_name, PatientIdentifier.patient_id)
        .join(RemoteArchive, RemoteArchive.remote_archive_pk == RemoteStudy.remote_archive_pk)
        .join(Patient, Patient.patient_pk == RemoteStudy.patient_pk)
        .outerjoin(
            PatientIdentifier,
            (PatientIdentifier.patient_pk == Patient.patient_pk) & PatientIdentifier.is_primary,
        )
        .where(RemoteStudy.agreement == Agreement.DIFFERS)
        .order_by(RemoteStudy.remote_study_pk.desc())
        .limit(limit)
    )
    work.audit(AuditEventID.QUERY, "E", object_type="differing priors")
    return [Differing(row, archive, name, identifier) for row, archive, name, identifier in rows]


def decide(work: Work, remote_study_pk: int, *, is_the_patients: bool, reason: str) -> None:
    """A person says whether a study is the patient's. Even so nothing is put onto the patient: fetched, it is linked
    where it agrees, or waits for its reconciliation. Raises NotFound, Invalid."""
    work.require(Permission.RECONCILE)
    if not 1 <= len(reason.strip()) <= 200:
        raise Invalid("Say why.", fields=[FieldError("reason", "has 1 to 200 characters")])
    row = work.session.get(RemoteStudy, remote_study_pk, with_for_update=True, populate_existing=True)
    if row is None or row.agreement == Agreement.AGREES:
        raise NotFound("There is no such study that waits for a decision.")
    row.agreement = Agreement.ACCEPTED if is_the_patients else Agreement.DISMISSED
    row.decided_by, row.decided_reason = work.actor.username[:64], reason.strip()
    row.updated_at = work.now()
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "U",
        patient_pk=row.patient_pk,
        study_instance_uid=row.study_instance_uid,
        object_type="remote_study",
        object_id=remote_study_pk,
        detail={"decided": row.agreement, "reason": reason.strip()[:200]},
    )
    work.publish(PriorsChanged(row.patient_pk))


# Fetching -------------------------------------------------------------------------------------------------------


def fetch(archive: Archive, remote_study_pk: int) -> None:
    """Fetches one study, with no transaction open while the network is waited for; progress is kept as it is made."""
    actor, offices = Actor.system("priors"), archive.offices
    with offices.work(actor) as work:
        claimed = _claim_fetch(work, remote_study_pk)
    if claimed is None:
        return
    access, named = claimed
    progress = _Progress(offices, actor, remote_study_pk)
    fault: str | None = None
    steps = _networks[0].fetch(access, archive, named)
    try:
        for step in steps:
            if not progress.note(step):
                break
    except Unreachable as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001 - e.g. a body that is none: the rest of the queue must go on
        log.warning("fetching of a prior failed", remote_study_pk=remote_study_pk, error=type(error).__name__)
        fault = f"what it sent could not be read ({type(error).__name__})"
    finally:
        close = getattr(steps, "close", None)
        if close is not None:
            close()
    progress.keep()
    with offices.work(actor) as work:
        _settle_fetch(work, remote_study_pk, access, fault or progress.fault, broken=fault is not None)


def _claim_fetch(work: Work, remote_study_pk: int) -> tuple[Access, Named] | None:
    now = work.now()
    row = work.session.scalar(
        select(RemoteStudy).where(RemoteStudy.remote_study_pk == remote_study_pk).with_for_update()
    )
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="remote_study", object_id=remote_study_pk)
    if row is None or row.fetch_state not in (FetchState.WAITING, FetchState.FETCHING):
        return None
    until = row.claimed_until if row.fetch_state == FetchState.FETCHING else row.not_before
    if until is not None and until > now:
        _wake_fetch(work, remote_study_pk, until)
        return None
    archive = work.session.get_one(RemoteArchive, row.remote_archive_pk)
    if row.agreement not in (Agreement.AGREES, Agreement.ACCEPTED) or not archive.is_enabled:
        row.last_error = "the archive is not asked any more" if not archive.is_enabled else "it differs"
        _move(work, row, FetchState.FAILED, now)
        return None
    row.received_count = row.failed_count = 0
    _move(work, row, FetchState.FETCHING, now)
    row.claimed_until = now + _LEASE
    return _access(work, archive), _named(row)


class _Progress:
    """Keeps how far one fetching is, now and then, in short transactions of its own."""

    def __init__(self, offices: Offices, actor: Actor, remote_study_pk: int) -> None:
        self._offices, self._actor, self._pk = offices, actor, remote_study_pk
        self._kept_at = time.monotonic()
        self._received = self._failed = 0
        self.fault: str | None = None

    def note(self, step: Step) -> bool:
        """False where a person stopped the fetching."""
        self._received += step.received
        self._failed += step.failed
        self.fault = self.fault or step.fault
        return time.monotonic() - self._kept_at < _NOTE_S or self.keep()

    def keep(self) -> bool:
        """Writes it down; False where a person stopped the fetching."""
        with self._offices.work(self._actor) as work:
            now = work.now()
            patient_pk = work.session.scalar(
                update(RemoteStudy)
                .where(
                    RemoteStudy.remote_study_pk == self._pk, RemoteStudy.fetch_state == FetchState.FETCHING
                )
                .values(
                    received_count=RemoteStudy.received_count + self._received,
                    failed_count=RemoteStudy.failed_count + self._failed,
                    claimed_until=now + _LEASE,
                    updated_at=now,
                )
                .returning(RemoteStudy.patient_pk)
            )
            work.audit(
                AuditEventID.APPLICATION_ACTIVITY,
                "U",
                object_type="remote_study",
                object_id=self._pk,
                detail={"received": str(self._received), "failed": str(self._failed)},
            )
            if patient_pk is not None:
                work.publish(PriorsChanged(patient_pk))
        self._received = self._failed = 0
        self._kept_at = time.monotonic()
        return patient_pk is not None


def _settle_fetch(
    work: Work, remote_study_pk: int, access: Access, fault: str | None, *, broken: bool
) -> None:
    row = work.session.get(RemoteStudy, remote_study_pk, with_for_update=True, populate_existing=True)
    work.audit(
        AuditEventID.INSTANCES_TRANSFERRED,
        "C",
        patient_pk=None if row is None else row.patient_pk,
        study_instance_uid=None if row is None else row.study_instance_uid,
        object_type="remote_study",
        object_id=remote_study_pk,
        detail={"from": access.name},
        outcome=0 if fault is None else 4,
    )
    if row is None:
        return
    _own(work, row)
    if row.fetch_state != FetchState.FETCHING:
        return
    now = work.now()
    here = _counts_here(work, [row.study_instance_uid])
    if fault is None and not here:
        fault = "it sent no object of this study"
    if fault is None:
        row.attempts, row.last_error = 0, None
        _move(work, row, FetchState.FETCHED, now)
        return
    # An archive that sent something is alive: its patience begins anew. What it will not send, or could not be kept
    # here, comes no better by asking again: that is for a person.
    row.attempts = 1 if broken and row.received_count else row.attempts + 1
    row.last_error = fault[:200]
    wait = wait_after(row.attempts) if broken else None
    _move(work, row, FetchState.FAILED if wait is None else FetchState.WAITING, now + (wait or timedelta()))
    if wait is not None:
        _wake_fetch(work, remote_study_pk, now + wait)


def _own(work: Work, row: RemoteStudy) -> None:
    """What came names its patient by the archive's identifiers; where it does not say so, it is said here. Then it is
    linked by the rules that hold for all studies, or waits in the reconciliation list."""
    study = work.session.scalar(select(Study).where(Study.study_instance_uid == row.study_instance_uid))
    archive = work.session.get(RemoteArchive, row.remote_archive_pk)
    if study is None or archive is None or study.patient_pk is not None:
        return
    known = work.session.scalar(
        select(PatientIdentifier.patient_pk).where(
            PatientIdentifier.issuer_of_patient_id == archive.issuer_of_patient_id,
            PatientIdentifier.patient_id == (study.patient_id or ""),
        )
    )
    if study.issuer_of_patient_id is None and known is not None:
        correct_study(
            work,
            study.study_pk,
            {"IssuerOfPatientID": archive.issuer_of_patient_id},
            reason="the issuer of the archive that it came from",
            coerced=True,
        )
    work.publish(StudyUpdated(study.study_pk, study.study_instance_uid, first_image=False))
