"""Builds the demo hospital through the house's own services. Begun again where it was interrupted."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from rich.progress import Progress
from sqlalchemy import func, select

from wetread.app.build import House, build_house
from wetread.app.demo import play
from wetread.app.demo.acquire import Recipe, make
from wetread.app.demo.casebook import CASES, MISTYPED, STAT_PATIENT, Case
from wetread.app.demo.money import set_up_billing, settle
from wetread.app.demo.objects import Picture, Visit
from wetread.app.demo.people import ISSUER, REFERRER_NPI, account_of
from wetread.app.rooms import MODELS, load
from wetread.app.wiring import wire
from wetread.archive.service import Archive
from wetread.kit.config import Settings
from wetread.orders import service as orders
from wetread.patients import service as patients
from wetread.scheduling import service as scheduling
from wetread.security.model import Site
from wetread.security.rules import Role
from wetread.security.service import Actor, AuditEventID

__all__ = [
    "CODE_CT_HEAD",
    "ISSUER",
    "REFERRER_NPI",
    "build",
    "foundations",
    "in_order_of_need",
    "show",
    "theatre_of",
]

CODE_CT_HEAD = "CTHEAD"

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
# The hospital has a detector room, the clinic still reads plates.
SCANNERS = {
    "NORTH": (("CT", "CT1"), ("MR", "MR1"), ("DX", "XR1"), ("US", "US1"), ("MG", "MG1")),
    "RIVER": (("CT", "CT1"), ("MR", "MR1"), ("CR", "XR1"), ("US", "US1"), ("MG", "MG1")),
}
PROCEDURES = (
    (CODE_CT_HEAD, "CT head without contrast", "CT", 15, "HEAD", False, "ct-head-stroke", "70450"),
    ("CTCHEST", "CT chest without contrast", "CT", 15, "CHEST", False, "ct-chest", "71250"),
    ("CTABDPEL", "CT abdomen and pelvis without contrast", "CT", 15, "ABDOMEN", False, "ct-abdomen", "74176"),
    ("MRHEAD", "MR head without contrast", "MR", 30, "HEAD", False, "mr-head", "70551"),
    ("XRCHEST", "Radiograph chest, two views", "DX", 10, "CHEST", False, "xr-chest", "71046"),
    ("XRKNEE", "Radiograph knee, two views", "DX", 10, "KNEE", True, "xr-extremity", "73560"),
    ("XRHAND", "Radiograph hand, two views", "CR", 10, "HAND", True, "xr-extremity", "73120"),
    ("USABD", "Ultrasound abdomen", "US", 20, "ABDOMEN", False, "us-abdomen", "76700"),
    ("MGSCREEN", "Mammography screening, both sides", "MG", 20, "BREAST", False, "mg-screening", "77067"),
)


def build(settings: Settings) -> int:
    """Fills an empty house that has its foundations, with progress; does nothing where it is already full."""
    load(MODELS)
    house = build_house(settings, part="demo")
    archive = wire(house)
    everything = in_order_of_need((*CASES, MISTYPED))
    try:
        with Progress(transient=True) as progress, Makers() as makers:
            bar = progress.add_task("Opening the demo hospital", total=2 * len(everything))
            theatre = theatre_of(house, archive)
            waiting: dict[str, tuple[Case, Visit]] = {}
            for case in everything:
                play.play_order(theatre, case)
                if case.recipe is None:
                    progress.advance(bar)
                else:
                    visit, known = play.visit_of(theatre, case)
                    visit = play.mistyped(visit) if case is MISTYPED else visit
                    if known and case is not MISTYPED:  # sent before an interruption
                        play.write_report(theatre, case, play.link(theatre, visit), ())
                    if known:
                        progress.advance(bar)
                    else:
                        waiting[case.key] = (case, visit)
                        makers.begin(case.key, case.recipe, visit)
                for _ in show(theatre, makers, waiting, patient=False):
                    progress.advance(bar)
                progress.advance(bar)
            for _ in show(theatre, makers, waiting, patient=True):
                progress.advance(bar)
            # Charges follow from the events of what was played; the worker hears them meanwhile.
            settle(house.offices, theatre.now, patience_s=60)
    finally:
        archive.close()
        house.close()
    return 0


def theatre_of(house: House, archive: Archive) -> play.Theatre:
    """The stage, with the demo accounts as its crew where there are any."""
    credentials = house.settings.data / "demo-credentials.json"
    with house.offices.work(Actor.system("demo")) as work:
        desk = account_of(work, credentials, Role.FRONT_DESK)
        technologist = account_of(work, credentials, Role.TECHNOLOGIST)
        radiologist = account_of(work, credentials, Role.RADIOLOGIST)
        referrer = account_of(work, credentials, Role.REFERRER)
    nobody = Actor.system("demo")
    crew = play.Crew(
        desk.actor if desk else nobody,
        technologist.actor if technologist else nobody,
        radiologist,
        referrer.actor if referrer else None,
    )
    return play.Theatre(house.database, archive, crew, datetime.now(UTC))


def in_order_of_need(cases: Sequence[Case]) -> list[Case]:
    """What waits to be read first, then the day's schedule, then what is compared with, then the rest."""
    unread = {case.patient for case in cases if case.recipe and not case.report} | {STAT_PATIENT}

    def rank(case: Case) -> int:
        if case.recipe is None:
            return 1
        if case.report is None:
            return 0
        if case.ago > timedelta(days=30) and case.patient in unread:
            return 2
        return 3 if case.report.kind != "final" else 4

    return sorted(cases, key=lambda case: (rank(case), case.recipe is None or case.recipe.kind not in _QUICK))


def show(
    theatre: play.Theatre, makers: Makers, waiting: dict[str, tuple[Case, Visit]], *, patient: bool
) -> Iterator[Case]:
    """Sends the images that are ready (`patient`: all that are asked for), and writes what was said about them."""
    while waiting:
        found = makers.next(wait=patient)
        if found is None:
            return
        key, pictures = found
        case, visit = waiting.pop(key)
        study_pk = play.send(theatre, visit, pictures)
        play.write_report(theatre, case, study_pk, pictures)
        if key == CONTRADICTED:
            play.send_contradiction(theatre, visit, pictures[0])
        yield case


_QUICK = frozenset({"xr-hand", "xr-knee"})
"""Kinds that are made within a second: they come first, so that the lists fill at once."""


class Makers:
    """Two processes that make images: one knows heads, the other trunks, and each keeps the volumes that it made."""

    _HEADS = frozenset({"ct-head", "mr-head", "mg-screening"})

    def __enter__(self) -> Makers:
        # The threads of NumPy's linear algebra would only take the cores from the server.
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        context = multiprocessing.get_context("spawn")
        self._pools = [context.Pool(1, initializer=os.nice, initargs=(2,)) for _ in range(2)]
        self._made: queue.Queue[tuple[str, list[Picture] | BaseException]] = queue.Queue()
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            pool.terminate()
            pool.join()

    def begin(self, key: str, recipe: Recipe, visit: Visit) -> None:
        """Has a study made, after what was asked for before."""
        pool = self._pools[0 if recipe.kind in self._HEADS else 1]
        pool.apply_async(
            make,
            (recipe, visit),
            callback=lambda pictures: self._made.put((key, pictures)),
            error_callback=lambda error: self._made.put((key, error)),
        )

    def next(self, *, wait: bool) -> tuple[str, list[Picture]] | None:
        """A study that is ready; None where there is none and one need not `wait`. Raises what its maker raised."""
        try:
            key, made = self._made.get(wait, MAKING_S_MAX)
        except queue.Empty:
            if wait:
                raise
            return None
        if isinstance(made, BaseException):
            raise made
        return key, made


MAKING_S_MAX = 600
CONTRADICTED = "u-hand"
"""The case of which one object comes twice with different content."""


def foundations(house: House) -> None:
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
            for modality, scanner in SCANNERS[code]:
                title = f"{code[:5]}_{scanner}"
                scheduling.add_resource(
                    work,
                    scheduling.ResourceInput(site.site_pk, f"{scanner} {name.split()[0]}", title, title, modality,
                                             time(0), time(23, 55), (0, 1, 2, 3, 4, 5, 6)),
                )  # fmt: skip
        for code, meaning, modality, minutes, part, sided, template, cpt in PROCEDURES:
            orders.add_procedure(
                work,
                orders.ProcedureInput(code, meaning, modality, minutes, body_part_examined=part,
                                      laterality_required=sided, template_key=template, cpt_code=cpt),
            )  # fmt: skip
        patients.payer_by_identifier(work, patients.PayerInput("60054", "Northern Mutual", "CI"))
        set_up_billing(work)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "C", object_type="demo")
