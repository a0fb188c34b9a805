"""Plays a case through the rooms' services at the times at which it happened: order, appointment, step, images, report.

The house's clock is a parameter, so the past is played as the present was: by the same state machines.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import pydicom
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from wetread.app.demo.casebook import CASES, MISTYPED, Case, Report
from wetread.app.demo.objects import Picture, Subject, Visit
from wetread.app.demo.people import BY_NUMBER, ISSUER, Account, referrer, register
from wetread.archive.model import Series, Study
from wetread.archive.service import Archive
from wetread.dicom.uid import new_uid
from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.kit.errors import WetreadError
from wetread.orders import service as orders
from wetread.orders.model import RequestedProcedure
from wetread.patients import service as patients
from wetread.reporting import service as reporting
from wetread.reporting.model import ReportProcedure
from wetread.scheduling import service as scheduling
from wetread.scheduling.model import ModalityResource, ScheduledProcedureStep
from wetread.scheduling.rules import StepMove
from wetread.security.model import AuditRecord, Site
from wetread.security.service import Actor, AuditEventID, Offices, Work
from wetread.sharing import service as results

P = ParamSpec("P")
T = TypeVar("T")
_ATTEMPTS_MAX = 6

PLACER = "DEMO"
"""Issuer of the placer order numbers by which an interrupted build finds its cases again."""

_MINUTES = {"CT": 6, "MR": 22, "DX": 4, "CR": 4, "US": 13, "MG": 9}
_LEAD_MAX = timedelta(days=13)


def _lead(case: Case) -> timedelta:
    """How long before the images the order was placed."""
    if case.priority == "STAT":
        return timedelta(minutes=12 + case.patient * 5 % 17)
    if case.priority == "HIGH":
        return timedelta(minutes=55 + case.patient * 23 % 170)
    return timedelta(days=2 + case.patient * 7 % 10, minutes=case.patient * 97 % 420)


@dataclass(frozen=True, slots=True)
class Crew:
    """Who acts: demo accounts where there are any, the system otherwise."""

    desk: Actor
    technologist: Actor
    radiologist: Account | None
    referrer: Actor | None = None


@dataclass(slots=True)
class Theatre:
    """What a play needs: the database at any time one wants, the archive, the crew, and when "now" is."""

    database: Database
    archive: Archive
    crew: Crew
    now: datetime

    @contextmanager
    def work(self, actor: Actor, at: datetime) -> Iterator[tuple[Work, FixedClock]]:
        """A unit of work in which it is `at`, until its clock is set on."""
        clock = FixedClock(at)
        with Offices(self.database, clock).work(actor) as work:
            yield work, clock


def begun_at(case: Case, now: datetime) -> datetime:
    """When the first image was, or will be, taken."""
    return (now - case.ago).replace(second=case.patient * 7 % 60, microsecond=0)


def placed(work: Work, case: Case) -> RequestedProcedure | None:
    """The case's Requested Procedure where it was played before."""
    request = orders.order_by_placer_number(work, PLACER, f"D-{case.key}")
    if request is None:
        return None
    return orders.procedures_of(work, request.imaging_service_request_pk)[0]


def patiently(attempt: Callable[P, T]) -> Callable[P, T]:
    """One transaction that is tried again where the server's own work on the same rows was in its way."""

    @wraps(attempt)
    def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        for number in range(_ATTEMPTS_MAX):
            try:
                return attempt(*args, **kwargs)
            except OperationalError:  # a lock timeout, a deadlock
                time.sleep(0.4 * 2**number)
        return attempt(*args, **kwargs)

    return tried


def play_order(theatre: Theatre, case: Case) -> None:
    """The case up to its last step; what was played before an interruption stays as it is."""
    begun = begun_at(case, theatre.now)
    step_pk = _order_and_book(theatre, case, begun)
    if step_pk is not None and case.ending in ("ready", "started", "completed", "discontinued"):
        _perform(theatre, case, step_pk, begun)


@patiently
def _order_and_book(theatre: Theatre, case: Case, begun: datetime) -> int | None:
    """The front desk's part; returns the key of the step, None where there is none."""
    ordered = begun - _lead(case)
    if case.ending == "requested":
        ordered = theatre.now - timedelta(minutes=11 + case.patient * 37 % 900)
    ordered = min(ordered, theatre.now - timedelta(minutes=9))
    with theatre.work(theatre.crew.desk, ordered) as (work, clock):
        known = placed(work, case)
        if known is not None:
            return _last_step(work, known)
        # Registered when they first came, whichever of their cases is played first.
        first = max((one.ago for one in CASES if one.patient == case.patient), default=case.ago)
        payers = {one.payer_id: one for one in patients.payers(work)}
        clock.set(min(theatre.now - first - _LEAD_MAX, ordered))
        patient = register(work, BY_NUMBER[case.patient], payers)
        clock.set(ordered)
        site = work.session.scalars(select(Site).where(Site.code == case.site)).one()
        with _as_system(work):
            physician = referrer(work, case.referrer)
        request = orders.place_order(
            work,
            orders.OrderInput(
                patient.patient_pk,
                site.site_pk,
                (orders.ProcedureChoice(code_value=case.procedure, laterality=case.laterality),),
                requested_procedure_priority=case.priority,
                reason_for_the_requested_procedure=case.reason,
                diagnosis_codes=(case.diagnosis,) if case.diagnosis else (),
                referring_practitioner_pk=physician.practitioner_pk,
                placer_order_number=f"D-{case.key}",
                issuer_of_placer_order_number=PLACER,
                requesting_service={"STAT": "Emergency department", "HIGH": "Walk-in clinic"}.get(
                    case.priority
                ),
                ordered_at=ordered,
            ),
        )
        requested = orders.procedures_of(work, request.imaging_service_request_pk)[0]
        if case.ending == "requested":
            return None
        clock.set(
            min(
                ordered
                + timedelta(
                    minutes=2 + case.patient % 4 if case.priority == "STAT" else 6 + case.patient * 13 % 75
                ),
                theatre.now,
            )
        )
        step_pk = _book(work, case, requested.requested_procedure_pk, begun)
        _desk_ends(work, clock, theatre, case, request.imaging_service_request_pk, step_pk, begun)
        return step_pk


def _last_step(work: Work, requested: RequestedProcedure) -> int | None:
    return work.session.scalars(
        select(ScheduledProcedureStep.scheduled_procedure_step_pk)
        .where(ScheduledProcedureStep.requested_procedure_pk == requested.requested_procedure_pk)
        .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk.desc())
    ).first()


@contextmanager
def _as_system(work: Work) -> Iterator[None]:
    """Setting up physicians is not the front desk's work."""
    own, work.actor = work.actor, Actor.system("demo")
    try:
        yield
    finally:
        work.actor = own


def _book(work: Work, case: Case, requested_procedure_pk: int, begun: datetime) -> int:
    wanted = begun.replace(second=0)
    wanted -= timedelta(minutes=wanted.minute % 5)
    slots = scheduling.first_slots(work, requested_procedure_pk, not_before=wanted)
    fits = slots and slots[0].starts_at - wanted <= timedelta(minutes=40 if case.ago < timedelta(0) else 4)
    if fits:
        chosen, at, reason = slots[0].modality_resource_pk, slots[0].starts_at, None
    else:
        resource = slots[0].modality_resource_pk if slots else _any_resource(work, requested_procedure_pk)
        chosen, at, reason = resource, wanted, "added to the list"
    step = scheduling.schedule(work, requested_procedure_pk, chosen, at, overbook_reason=reason)
    return step.scheduled_procedure_step_pk


def _any_resource(work: Work, requested_procedure_pk: int) -> int:
    requested = work.session.get_one(RequestedProcedure, requested_procedure_pk)
    line = orders.get_order(work, requested.imaging_service_request_pk).lines[0]
    site_pk = line.imaging_service_request.site_pk
    return scheduling.resources(work, site_pk=site_pk, modality=line.procedure.modality)[
        0
    ].modality_resource_pk


def _desk_ends(
    work: Work,
    clock: FixedClock,
    theatre: Theatre,
    case: Case,
    imaging_service_request_pk: int,
    step_pk: int,
    begun: datetime,
) -> None:
    """Arrival, or why nobody came."""
    step = work.session.get_one(ScheduledProcedureStep, step_pk)
    if case.ending == "no-show":
        assert step.appointment_pk is not None
        clock.set(begun + timedelta(minutes=35))
        scheduling.mark_no_show(work, step.appointment_pk)
    elif case.ending == "cancelled":
        clock.set(min(begun - timedelta(hours=5), theatre.now - timedelta(minutes=50)))
        orders.cancel_order(work, imaging_service_request_pk, "Cancelled by the referrer: imaged elsewhere")
    elif case.ending not in ("scheduled", "requested"):
        early = timedelta(minutes=3 if case.priority == "STAT" else 12)
        clock.set(max(min(begun - early, theatre.now - timedelta(minutes=2)), clock.now()))
        scheduling.act_on_step(work, step_pk, StepMove.ARRIVE)


@patiently
def _perform(theatre: Theatre, case: Case, step_pk: int, begun: datetime) -> None:
    """The technologist's part, reported by the modality (MPPS) as it would be."""
    start = min(begun, theatre.now - timedelta(minutes=1))
    with theatre.work(theatre.crew.technologist, start - timedelta(seconds=100)) as (work, clock):
        step = work.session.get_one(ScheduledProcedureStep, step_pk)
        if step.scheduled_procedure_step_status != "ARRIVED":
            work.audit(
                AuditEventID.PROCEDURE_RECORD, "R", object_type="scheduled_procedure_step", object_id=step_pk
            )
            return  # played before
        scheduling.act_on_step(work, step_pk, StepMove.PREPARE)
        if case.ending == "ready":
            return
        step = work.session.get_one(ScheduledProcedureStep, step_pk)
        requested = work.session.get_one(RequestedProcedure, step.requested_procedure_pk)
        line = orders.get_order(work, requested.imaging_service_request_pk).lines[0]
        zone = ZoneInfo(work.session.get_one(Site, line.imaging_service_request.site_pk).time_zone)
        clock.set(start)
        uid = new_uid()
        scheduling.create_performed_step(work, uid, _performed(step, requested, line, start.astimezone(zone)))
        if case.ending == "started":
            return
        end = start + timedelta(minutes=_MINUTES[step.modality])
        clock.set(end)
        local = end.astimezone(zone)
        changes: dict[str, Any] = {
            "00400252": _value("CS", "COMPLETED" if case.ending == "completed" else "DISCONTINUED"),
            "00400250": _value("DA", local.strftime("%Y%m%d")),
            "00400251": _value("TM", local.strftime("%H%M%S")),
        }
        if case.ending == "discontinued":
            reason = {"00080100": _value("SH", "110501"), "00080102": _value("SH", "DCM"),
                      "00080104": _value("LO", "Equipment failure")}  # fmt: skip
            changes["00400281"] = {"vr": "SQ", "Value": [reason]}
        scheduling.update_performed_step(work, uid, changes)


def _value(vr: str, value: str) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}


def _performed(
    step: ScheduledProcedureStep, requested: RequestedProcedure, line: orders.OrderLine, at: datetime
) -> dict[str, Any]:
    """The attributes of an N-CREATE as DICOM JSON."""
    scheduled = {
        "0020000D": _value("UI", requested.study_instance_uid),
        "00080050": _value("SH", line.imaging_service_request.accession_number),
        "00401001": _value("SH", requested.requested_procedure_id),
        "00321060": _value("LO", requested.requested_procedure_description),
        "00400009": _value("SH", step.scheduled_procedure_step_id),
        "00400007": _value("LO", step.scheduled_procedure_step_description),
    }
    return {
        "00400270": {"vr": "SQ", "Value": [scheduled]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": line.bar.patient_name.split("=")[0]}]},
        "00100020": _value("LO", line.bar.patient_id or ""),
        "00400253": _value("SH", step.scheduled_procedure_step_id[:16]),
        "00400241": _value("AE", step.scheduled_station_ae_title),
        "00400244": _value("DA", at.strftime("%Y%m%d")),
        "00400245": _value("TM", at.strftime("%H%M%S")),
        "00400252": _value("CS", "IN PROGRESS"),
        "00080060": _value("CS", step.modality),
    }


# --- images -------------------------------------------------------------------------------------------------


@patiently
def visit_of(theatre: Theatre, case: Case) -> tuple[Visit, bool]:
    """What the scanner knows from its worklist, and whether the images are here already."""
    with theatre.work(Actor.system("demo"), theatre.now) as (work, _):
        requested = placed(work, case)
        assert requested is not None
        order = orders.get_order(work, requested.imaging_service_request_pk)
        line = order.lines[0]
        known = work.session.scalar(
            select(Study.study_pk).where(
                Study.accession_number == line.imaging_service_request.accession_number
                if case is MISTYPED
                else Study.study_instance_uid == requested.study_instance_uid
            )
        )
        site = work.session.get_one(Site, line.imaging_service_request.site_pk)
        step = work.session.scalars(
            select(ScheduledProcedureStep)
            .where(ScheduledProcedureStep.requested_procedure_pk == requested.requested_procedure_pk)
            .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk.desc())
        ).first()
        assert step is not None
        resource = work.session.get_one(ModalityResource, step.modality_resource_pk)
        person = BY_NUMBER[case.patient]
        subject = Subject(
            person.patient_name, person.patient_id, ISSUER, person.patient_birth_date, person.patient_sex,
            line.imaging_service_request.accession_number, requested.study_instance_uid,
            requested.requested_procedure_description,
            line.imaging_service_request.referring_physician_name or "",
            step.scheduled_procedure_step_id, requested.requested_procedure_id,
            person.size_m, person.weight_kg,
        )  # fmt: skip
        taken_at = begun_at(case, theatre.now).astimezone(ZoneInfo(site.time_zone))
        return Visit(subject, taken_at, site.institution_name, resource.station_name), known is not None


def mistyped(visit: Visit) -> Visit:
    """The same visit as a technologist typed it in who did not take it from the worklist."""
    subject = replace(
        visit.subject,
        patient_id=visit.subject.patient_id[:-2] + visit.subject.patient_id[:-3:-1],
        study_instance_uid=new_uid(),
        scheduled_procedure_step_id="",
        requested_procedure_id="",
    )
    return replace(visit, subject=subject)


def send(theatre: Theatre, visit: Visit, pictures: Sequence[Picture]) -> int:
    """Images through the archive's own ingest; returns the study's key. It is linked as any other, at its own time."""
    with theatre.archive.intake.transfer(Actor.system("demo"), received_from=visit.station) as transfer:
        for _, content in pictures:
            incoming = transfer.file()
            incoming.write(content)
            result = incoming.commit()
            if not result.status.kept:
                raise WetreadError(f"an object of the demo was not kept: {result.detail}")
    return link(theatre, visit)


_PLACED = "demo"


@patiently
def link(theatre: Theatre, visit: Visit) -> int:
    """Says when the images came, once, and links them; returns the study's key. Played again later, they came no later."""
    arrived = min(visit.taken_at + timedelta(minutes=2), theatre.now)
    with theatre.work(Actor.system("demo"), arrived) as (work, _):
        study = work.session.scalars(
            select(Study).where(Study.study_instance_uid == visit.subject.study_instance_uid)
        ).one()
        if work.session.scalar(
            select(AuditRecord.audit_record_pk)
            .where(
                AuditRecord.object_type == _PLACED,
                AuditRecord.study_instance_uid == study.study_instance_uid,
            )
            .limit(1)
        ):
            work.audit(AuditEventID.QUERY, "E", study_instance_uid=study.study_instance_uid)
            return study.study_pk
        # Before its row is changed: whoever links a study takes the lock of its links first.
        scheduling.match_studies(work, [study.study_pk])
        # The age of a case on the reading list counts from its first image, and these came earlier than just now.
        for table in (Study, Series):
            work.session.execute(
                update(table).where(table.study_pk == study.study_pk).values(created_at=arrived)
            )
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", study_instance_uid=study.study_instance_uid,
                   object_type=_PLACED)  # fmt: skip
        return study.study_pk


def send_contradiction(theatre: Theatre, visit: Visit, original: Picture) -> None:
    """The first image again under its own UID, with other content: both are kept, the second in quarantine."""
    ds = pydicom.dcmread(io.BytesIO(original[1]))
    ds.SeriesDescription = f"{ds.SeriesDescription} (sent again)"
    ds.PixelData = bytes(len(ds.PixelData))
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    with theatre.archive.intake.transfer(Actor.system("demo"), received_from=visit.station) as transfer:
        incoming = transfer.file()
        incoming.write(buffer.getvalue())
        incoming.commit()


# --- reports ------------------------------------------------------------------------------------------------


@patiently
def write_report(theatre: Theatre, case: Case, study_pk: int, pictures: Sequence[Picture]) -> None:
    """Draft, signature, addendum and key image of the case, each at its time."""
    account, report = theatre.crew.radiologist, case.report
    if account is None or report is None:
        return
    taken = begun_at(case, theatre.now)
    done = taken + timedelta(minutes=_MINUTES_OF[case.procedure])
    signed_at = min(done + report.after, theatre.now - timedelta(minutes=1))
    with theatre.work(account.actor, signed_at - timedelta(minutes=6)) as (work, clock):
        requested = placed(work, case)
        assert requested is not None
        pk = requested.requested_procedure_pk
        if work.session.scalar(
            select(ReportProcedure.report_pk).where(ReportProcedure.requested_procedure_pk == pk)
        ):
            return
        view = reporting.open_report(work, [pk])
        sections = _sections(view, report)
        saved = reporting.save_draft(work, view.report_pk, sections, view.draft_revision)
        _mark(work, study_pk, pictures, report)
        if report.kind == "draft":
            return
        clock.set(signed_at)
        reporting.sign(
            work, view.report_pk, report.kind, sections, saved.draft_revision,
            acknowledged=(), password=account.password, totp=None,
        )  # fmt: skip
    _read_by_referrer(theatre, case, pk, signed_at)
    if report.addendum:
        with theatre.work(account.actor, signed_at) as (work, clock):
            clock.set(min(signed_at + timedelta(hours=3), theatre.now - timedelta(minutes=1)))
            reporting.addend(work, view.report_pk, report.addendum, password=account.password, totp=None)


def _read_by_referrer(theatre: Theatre, case: Case, requested_procedure_pk: int, signed_at: datetime) -> None:
    """The demo's referrer has seen what is older than a day; what came since, and addenda, are news to them."""
    seen_at = signed_at + timedelta(hours=5)
    reader = theatre.crew.referrer
    if reader is None or case.referrer != 0 or seen_at > theatre.now - timedelta(hours=20):
        return
    with theatre.work(reader, seen_at) as (work, _):
        results.acknowledge(work, requested_procedure_pk, 1)


def _sections(view: reporting.ReportView, report: Report) -> dict[str, str]:
    sections = dict(view.draft_sections or {})
    sections["findings"], sections["impression"] = report.findings, report.impression
    sections["comparison"] = report.comparison or sections.get("comparison") or "None."
    if report.technique:
        sections["technique"] = report.technique
    return sections


def _mark(work: Work, study_pk: int, pictures: Sequence[Picture], report: Report) -> None:
    if report.key is None:
        return
    series_number, instance_number, note = report.key
    for uid, content in pictures:
        ds = pydicom.dcmread(
            io.BytesIO(content),
            stop_before_pixels=True,
            specific_tags=["SeriesNumber", "InstanceNumber", "SeriesInstanceUID"],
        )
        if (int(ds.SeriesNumber), int(ds.InstanceNumber)) == (series_number, instance_number):
            reporting.mark_key_image(work, study_pk, str(ds.SeriesInstanceUID), uid, note=note)
            return


_MINUTES_OF = {
    "CTHEAD": 6, "CTCHEST": 6, "CTABDPEL": 6, "MRHEAD": 22, "XRCHEST": 4, "XRKNEE": 4, "XRHAND": 4, "USABD": 13,
    "MGSCREEN": 9,
}  # fmt: skip
