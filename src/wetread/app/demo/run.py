"""Builds the demo hospital through the house's own services. Begun again where it was interrupted."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rich.progress import Progress
from sqlalchemy import func, select

from wetread.app.build import House, build_house
from wetread.app.demo.images import Subject, head_ct
from wetread.app.demo.money import set_up_billing
from wetread.app.rooms import MODELS, load
from wetread.app.wiring import wire
from wetread.archive.service import Archive
from wetread.kit.config import Settings
from wetread.kit.errors import WetreadError
from wetread.orders import service as orders
from wetread.orders.model import RequestedProcedure
from wetread.patients import service as patients
from wetread.patients.model import Patient
from wetread.scheduling import service as scheduling
from wetread.scheduling.rules import StepMove
from wetread.security.model import Practitioner, Site
from wetread.security.service import Actor, AuditEventID, Work

ISSUER = "WETREAD"
CODE_CT_HEAD = "CTHEAD"
REFERRER_NPI = "1999999992"

_SITES = (
    # In the hospital its own bill covers the scanner, and the readers bill their part; the clinic bills globally.
    (
        "NORTH",
        "Northside Hospital",
        "America/New_York",
        "12 Harbor Street",
        "Portland",
        "ME",
        "041011234",
        "1999999828",
        "22",
    ),
    (
        "RIVER",
        "River Clinic",
        "America/New_York",
        "4 Mill Lane",
        "Bath",
        "ME",
        "045301234",
        "1999999836",
        "11",
    ),
)
_SCANNERS = (("CT", "CT1"), ("MR", "MR1"), ("DX", "XR1"), ("US", "US1"), ("MG", "MG1"))
_PROCEDURES = (
    (CODE_CT_HEAD, "CT head without contrast", "CT", 15, "HEAD", False, "ct-head-stroke", "70450"),
    ("CTCHEST", "CT chest without contrast", "CT", 15, "CHEST", False, "ct-chest", "71250"),
    ("MRHEAD", "MR head without contrast", "MR", 30, "HEAD", False, "mr-head", "70551"),
    ("XRCHEST", "Radiograph chest, two views", "DX", 10, "CHEST", False, "xr-chest", "71046"),
    ("XRKNEE", "Radiograph knee, three views", "DX", 10, "KNEE", True, "xr-extremity", "73562"),
    ("USABD", "Ultrasound abdomen", "US", 20, "ABDOMEN", False, "us-abdomen", "76700"),
    ("MGSCREEN", "Mammography screening, both sides", "MG", 20, "BREAST", False, "mg-screening", "77067"),
)
_NAMES = (
    "Okafor^Ada", "Müller^Jörg", "Lindqvist^Åsa", "Ivanova^Anna=Иванова^Анна", "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Hong^Gildong=洪^吉洞=홍^길동", "Haddad^Farid", "Novák^Hana", "Silva^Inês", "Keller^Jürgen", "Iyer^Meera", "Osei^Kofi",
    "Berg^Liv", "Moreau^Jean-Luc", "Tanaka^Jun=田中^純=たなか^じゅん", "Petrov^Ivan=Петров^Иван", "Nguyễn^Thị Mai",
    "O'Brien^Siobhán", "García López^María", "Van der Meer^Pieter", "Kowalczyk^Łucja", "Ødegård^Bjørn", "Şahin^Elif",
    "Dvořák^Tomáš", "Rossi^Chiara", "Schmidt^Heinz", "Abe^Yuki=阿部^由紀=あべ^ゆき", "Smirnova^Olga=Смирнова^Ольга",
    "Mbeki^Thandi", "Fernández^Diego", "Larsson^Nils", "Wang^Xiaodong=王^小東", "Cohen^David", "Papadopoulos^Eleni",
    "Costa^Rui", "Horváth^Zsófia", "Dubois^Claire", "Fischer^Karl", "Hansen^Mette", "Quispe^Rosa",
)  # fmt: skip
_REASONS = (
    ("Headache, sudden onset", "R51.9"),
    ("Chronic cough", "R05.3"),
    ("Follow-up", "Z09"),
    ("Right knee pain after a fall", "M25.561"),
    ("Abdominal pain", "R10.9"),
)  # fmt: skip


def build(settings: Settings) -> int:
    """Fills an empty house, with progress; does nothing where it is already full."""
    load(MODELS)
    house = build_house(settings, part="demo")
    archive = wire(house)
    try:
        with Progress(transient=True) as progress:
            bar = progress.add_task("Opening the demo hospital", total=len(_NAMES) + 3)
            _foundations(house)
            progress.advance(bar)
            for number in range(len(_NAMES)):
                _patient(house, number)
                progress.advance(bar)
            for number, finding in ((0, None), (1, "haemorrhage")):
                _images(house, archive, number, finding)
                progress.advance(bar)
    finally:
        archive.close()
        house.close()
    return 0


def _foundations(house: House) -> None:
    """Sites, scanners, catalogue, payers."""
    with house.offices.work(Actor.system("demo")) as work:
        if work.session.scalar(select(func.count()).select_from(Site)):
            return
        for code, name, zone, line, city, state, postal, npi, place in _SITES:
            site = Site(code=code, institution_name=name, time_zone=zone, address_line=line, city=city, state=state,
                        postal_code=postal, phone="2075550100", npi=npi, tax_id="123456789",
                        place_of_service=place, bills_global=place == "11")  # fmt: skip
            work.session.add(site)
            work.session.flush()
            for modality, scanner in _SCANNERS:
                title = f"{code[:5]}_{scanner}"
                scheduling.add_resource(
                    work,
                    scheduling.ResourceInput(site.site_pk, f"{scanner} {name.split()[0]}", title, title, modality,
                                             time(0), time(23, 55), (0, 1, 2, 3, 4, 5, 6)),
                )  # fmt: skip
        for code, meaning, modality, minutes, part, sided, template, cpt in _PROCEDURES:
            orders.add_procedure(
                work,
                orders.ProcedureInput(code, meaning, modality, minutes, body_part_examined=part,
                                      laterality_required=sided, template_key=template, cpt_code=cpt),
            )  # fmt: skip
        patients.payer_by_identifier(work, patients.PayerInput("60054", "Northern Mutual", "CI"))
        set_up_billing(work)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "C", object_type="demo")


def _patient(house: House, number: int) -> None:
    """One patient with one order; what happens to it depends on the number, so that every state is there."""
    patient_id = f"WD{number + 1:05d}"
    with house.offices.work(Actor.system("demo")) as work:
        if patients.patient_by_identifier(work, ISSUER, patient_id) is not None:
            return
        wanted = "14112" if number % 3 == 0 else "60054"
        payer = next(one for one in patients.payers(work) if one.payer_id == wanted)
        patient = patients.register_patient(
            work,
            patients.PatientInput(
                _NAMES[number],
                (patients.IdentifierInput(patient_id, ISSUER),),
                patient_birth_date=date(1938 + number * 2 % 70, 1 + number % 12, 1 + number % 28),
                patient_sex="FM"[number % 2],
                patient_address=f"{number + 1} Cedar Road",
                city="Portland",
                state="ME",
                postal_code="04101",
                country="US",
                allergies=(patients.AllergyInput("Iodinated contrast", "urticaria", True),)
                if number % 9 == 4
                else (),
                coverages=(patients.CoverageInput(payer.payer_pk, f"NM{number:07d}"),),
            ),
        )
        _order(work, number, patient)


def _order(work: Work, number: int, patient: Patient) -> None:
    sites = work.session.scalars(select(Site).order_by(Site.site_pk)).all()
    site = sites[number % 2] if number > 1 else sites[0]
    reason, code = _REASONS[number % len(_REASONS)]
    entry = _PROCEDURES[0 if number < 2 else number % len(_PROCEDURES)]
    referrer = work.session.scalar(select(Practitioner).where(Practitioner.npi == REFERRER_NPI))
    request = orders.place_order(
        work,
        orders.OrderInput(
            patient.patient_pk,
            site.site_pk,
            (orders.ProcedureChoice(code_value=entry[0], laterality="R" if entry[5] else None),),
            requested_procedure_priority=("STAT", "ROUTINE", "HIGH")[number % 3] if number > 1 else "HIGH",
            reason_for_the_requested_procedure=reason,
            diagnosis_codes=(code,),
            referring_practitioner_pk=referrer.practitioner_pk if referrer else None,
        ),
    )
    requested = orders.procedures_of(work, request.imaging_service_request_pk)[0]
    if number % 7 == 6:
        return  # stays requested
    if number == 12:
        orders.cancel_order(work, request.imaging_service_request_pk, "ordered twice")
        return
    _book(work, number, requested, site)


def _book(work: Work, number: int, requested: RequestedProcedure, site: Site) -> None:
    now = work.now().astimezone(UTC).replace(second=0, microsecond=0)
    slots = scheduling.first_slots(
        work, requested.requested_procedure_pk, not_before=now + timedelta(minutes=(number % 10) * 35)
    )
    if not slots:
        return
    step = scheduling.schedule(
        work, requested.requested_procedure_pk, slots[0].modality_resource_pk, slots[0].starts_at
    )
    if number in (9, 17):
        assert step.appointment_pk is not None
        scheduling.mark_no_show(work, step.appointment_pk)
    elif number % 5 == 3:
        scheduling.act_on_step(work, step.scheduled_procedure_step_pk, StepMove.ARRIVE)
    elif number % 5 == 2:
        for move in (StepMove.ARRIVE, StepMove.PREPARE, StepMove.START):
            scheduling.act_on_step(work, step.scheduled_procedure_step_pk, move)
    elif number % 11 == 10:
        for move in (StepMove.START, StepMove.COMPLETE):
            scheduling.act_on_step(work, step.scheduled_procedure_step_pk, move)


def _images(house: House, archive: Archive, number: int, finding: str | None) -> None:
    """A CT head through the archive's own ingest, linked as any other."""
    with house.offices.work(Actor.system("demo")) as work:
        patient = patients.patient_by_identifier(work, ISSUER, f"WD{number + 1:05d}")
        assert patient is not None
        line = orders.find_orders(work, patient_pk=patient.patient_pk)[0]
        done = line.requested_procedure.state != "SCHEDULED"
        site = work.session.get_one(Site, line.imaging_service_request.site_pk)
        subject = Subject(
            patient.patient_name, f"WD{number + 1:05d}", ISSUER, patient.patient_birth_date, patient.patient_sex,
            line.imaging_service_request.accession_number, line.requested_procedure.study_instance_uid,
            line.requested_procedure.requested_procedure_description, "Berg^Tom^^Dr.",
            requested_procedure_id=line.requested_procedure.requested_procedure_id,
        )  # fmt: skip
        taken_at: datetime = work.now().astimezone(ZoneInfo(site.time_zone))
    if done:
        return
    slices = head_ct(subject, taken_at, seed=number + 1, finding=finding, station="NORTH_CT1")  # type: ignore[arg-type]
    with archive.intake.transfer(Actor.system("demo"), received_from="NORTH_CT1") as transfer:
        for _, content in slices:
            incoming = transfer.file()
            incoming.write(content)
            result = incoming.commit()
            if not result.status.kept:
                raise WetreadError(f"an object of the demo was not kept: {result.detail}")
