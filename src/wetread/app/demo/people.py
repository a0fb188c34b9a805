"""The people of the demo hospital: patients in several scripts, physicians, and who the demo accounts are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import select

from wetread.patients import service as patients
from wetread.patients.model import Patient, Payer
from wetread.security.model import Practitioner, User
from wetread.security.practitioners import known_practitioner
from wetread.security.rules import Role, permissions_of
from wetread.security.service import Actor, Work, valid_npi

ISSUER = "WETREAD"
REFERRER_NPI = "1999999992"
"""NPI of the physician behind the demo's `referrer` account (app.accounts)."""


@dataclass(frozen=True, slots=True)
class Person:
    """A patient: number (their Patient ID is WD and the number), PN in up to three groups, sex, birth date."""

    number: int
    patient_name: str
    patient_sex: str
    patient_birth_date: date
    city: str = "Portland"
    size_m: float | None = None
    weight_kg: float | None = None
    allergy: tuple[str, str, bool] | None = None
    implants: str | None = None
    egfr: int | None = None
    alerts: str | None = None
    language: str | None = None
    insured: bool = True
    address: bool = True

    @property
    def patient_id(self) -> str:
        """Our identifier."""
        return f"WD{self.number:05d}"


PEOPLE: tuple[Person, ...] = (
    Person(1, "Castellanos^Ruth", "F", date(1951, 3, 14), size_m=1.63, weight_kg=68, alerts="Takes apixaban"),
    Person(2, "Kowalczyk^Łucja", "F", date(1948, 11, 2), size_m=1.58, weight_kg=61, alerts="Takes warfarin"),
    Person(3, "Petrov^Ivan=Петров^Иван", "M", date(1957, 6, 21), size_m=1.79, weight_kg=84, egfr=58),
    Person(4, "Tanaka^Jun=田中^純=たなか^じゅん", "M", date(1972, 1, 30), size_m=1.71, weight_kg=70),
    Person(5, "Lindqvist^Åsa", "F", date(1984, 9, 9), "Bath", size_m=1.70, weight_kg=64),
    Person(6, "Schmidt^Heinz", "M", date(1949, 5, 17), size_m=1.76, weight_kg=93, implants="Pacemaker 2019, MR conditional"),
    Person(7, "García López^María", "F", date(1966, 12, 4), "Bath", size_m=1.60, weight_kg=66),
    Person(8, "Silva^Inês", "F", date(1979, 4, 25), size_m=1.65, weight_kg=72),
    Person(9, "Cohen^David", "M", date(1996, 8, 11), "Bath"),
    Person(10, "Rossi^Chiara", "F", date(1988, 2, 19), size_m=1.68, weight_kg=59, allergy=("Iodinated contrast", "urticaria", True)),
    Person(11, "Wolfeschlegelsteinhausenbergerdorff^Hubert Blaine^^Dr.^Sr.", "M", date(1944, 10, 7), size_m=1.82, weight_kg=88),
    Person(12, "Papadopoulos^Eleni=Παπαδοπούλου^Ελένη", "F", date(1943, 7, 28), "Bath", alerts="Atrial fibrillation"),
    Person(13, "Wang^Xiaodong=王^小東", "M", date(1969, 3, 3), size_m=1.74, weight_kg=77),
    Person(14, "Haddad^Farid=حداد^فريد", "M", date(1962, 9, 15), "Bath", language="Arabic", size_m=1.73, weight_kg=97),
    Person(15, "Horváth^Zsófia", "F", date(1955, 1, 12), size_m=1.62, weight_kg=55),
    Person(16, "Ivanova^Anna=Иванова^Анна", "F", date(1976, 5, 6), size_m=1.67, weight_kg=63),
    Person(17, "Osei^Kofi", "M", date(2001, 7, 23), size_m=1.85, weight_kg=80),
    Person(18, "Moreau^Jean-Luc", "M", date(1959, 12, 29), size_m=1.77, weight_kg=82),
    Person(19, "Novák^Hana", "F", date(1953, 8, 8), size_m=1.64, weight_kg=70, egfr=44),
    Person(20, "Dvořák^Tomáš", "M", date(1981, 10, 31), "Bath", size_m=1.80, weight_kg=85),
    Person(21, "Fernández^Lucía", "F", date(1971, 6, 16), "Bath", size_m=1.61, weight_kg=60),
    Person(22, "Hansen^Mette", "F", date(1993, 3, 27), "Bath", size_m=1.74, weight_kg=69),
    Person(23, "Keller^Jürgen", "M", date(1950, 2, 2), size_m=1.75, weight_kg=79, alerts="COPD"),
    Person(24, "Yamada^Tarou=山田^太郎=やまだ^たろう", "M", date(1961, 4, 30), size_m=1.69, weight_kg=68),
    Person(25, "O'Brien^Siobhán", "F", date(1990, 11, 20), size_m=1.66, weight_kg=62),
    Person(26, "Larsson^Nils", "M", date(1947, 1, 5), "Bath", size_m=1.78, weight_kg=86),
    Person(27, "Hong^Gildong=洪^吉洞=홍^길동", "M", date(1985, 5, 5), size_m=1.72, weight_kg=74),
    Person(28, "Mbeki^Thandi", "F", date(1968, 9, 1), size_m=1.63, weight_kg=71),
    Person(29, "Müller^Jörg", "M", date(1954, 7, 7)),
    Person(30, "Iyer^Meera", "F", date(1983, 12, 12), alerts="Claustrophobia"),
    Person(31, "Berg^Liv", "F", date(1999, 2, 14), "Bath"),
    Person(32, "Nguyễn^Thị Mai", "F", date(1987, 6, 3), insured=False),
    Person(33, "Van der Meer^Pieter", "M", date(1960, 3, 19)),
    Person(34, "Ødegård^Bjørn", "M", date(1946, 8, 30), "Bath"),
    Person(35, "Şahin^Elif", "F", date(1992, 4, 9), "Bath"),
    Person(36, "Abe^Yuki=阿部^由紀=あべ^ゆき", "F", date(1978, 1, 24)),
    Person(37, "Smirnova^Olga=Смирнова^Ольга", "F", date(1965, 10, 10), "Bath"),
    Person(38, "Costa^Rui", "M", date(1973, 11, 11), address=False),
    Person(39, "Dubois^Claire", "F", date(1980, 9, 26), "Bath"),
    Person(40, "Fischer^Karl", "M", date(1941, 5, 29), alerts="Fall risk"),
    Person(41, "Quispe^Rosa", "F", date(1995, 7, 2), allergy=("Latex", "contact dermatitis", False)),
    Person(42, "Okafor^Chidi", "M", date(2014, 3, 8), size_m=1.38, weight_kg=33),
    Person(43, "Al-Masri^Layla=المصري^ليلى", "F", date(1974, 2, 27), "Bath", language="Arabic"),
    Person(44, "Weiß^Emil", "M", date(1938, 12, 1)),
)  # fmt: skip
BY_NUMBER = {one.number: one for one in PEOPLE}

_REFERRERS = (
    ("Berg^Tom^^Dr.", REFERRER_NPI),
    ("Achterberg^Willemijn^^Dr.", "199999001"),
    ("Sandoval^Mateo^^Dr.", "199999002"),
    ("Kimura^Hana^^Dr.", "199999003"),
)


def with_check_digit(nine: str) -> str:
    """A National Provider Identifier out of its first nine digits."""
    return next(f"{nine}{digit}" for digit in range(10) if valid_npi(f"{nine}{digit}"))


def demo_referrer(work: Work) -> Practitioner:
    """The physician behind the `referrer` account: orders that name them are what that account sees as results."""
    return known_practitioner(work, REFERRER_NPI, "Berg^Tom^^Dr.")


def referrer(work: Work, number: int) -> Practitioner:
    """A referring physician; number 0 is the demo's own."""
    if number == 0:
        return demo_referrer(work)
    name, nine = _REFERRERS[number % len(_REFERRERS)]
    return known_practitioner(work, nine if len(nine) == 10 else with_check_digit(nine), name)


@dataclass(frozen=True, slots=True)
class Account:
    """A demo account as an actor, with the password that signatures ask for."""

    actor: Actor
    password: str


def account_of(work: Work, credentials: Path, role: Role) -> Account | None:
    """The demo account of a role; None where there are no demo accounts."""
    if not credentials.is_file():
        return None
    for entry in json.loads(credentials.read_text()):
        if entry["role"] != role.value:
            continue
        user = work.session.scalar(select(User).where(User.username == entry["username"]))
        if user is None:
            return None
        roles = frozenset(Role(one) for one in user.roles)
        actor = Actor(
            user.user_pk,
            user.username,
            user.display_name,
            roles,
            permissions_of(roles),
            "user",
            practitioner_pk=user.practitioner_pk,
        )
        return Account(actor, entry["password"])
    return None


def register(work: Work, person: Person, payers: dict[str, Payer]) -> Patient:
    """Registers a patient where new."""
    known = patients.patient_by_identifier(work, ISSUER, person.patient_id)
    if known is not None:
        return known
    old = (work.now().date() - person.patient_birth_date).days > 65 * 365.25
    payer = payers["14112" if old else "60054"]
    bath = person.city == "Bath"
    streets = ("Cedar Road", "Chestnut Street", "Spruce Lane", "High Street", "Munjoy Hill", "Pearl Street")
    return patients.register_patient(
        work,
        patients.PatientInput(
            person.patient_name,
            (patients.IdentifierInput(person.patient_id, ISSUER),),
            patient_birth_date=person.patient_birth_date,
            patient_sex=person.patient_sex,
            patient_address=f"{person.number * 7 % 90 + 3} {streets[person.number % len(streets)]}"
            if person.address
            else None,
            city=person.city if person.address else None,
            state="ME" if person.address else None,
            postal_code=("04530" if bath else "04101") if person.address else None,
            country="US",
            patient_telephone_numbers=f"207555{person.number * 137 % 10000:04d}",
            language=person.language,
            patient_size_m=person.size_m,
            patient_weight_kg=person.weight_kg,
            implants=person.implants,
            egfr_ml_min=person.egfr,
            egfr_date=work.now().date() if person.egfr else None,
            medical_alerts=person.alerts,
            allergies=(patients.AllergyInput(*person.allergy),) if person.allergy else (),
            coverages=(
                patients.CoverageInput(payer.payer_pk, f"{'1EG4TE5' if old else 'NM'}{person.number:04d}"),
            )
            if person.insured
            else (),
        ),
    )
