"""Pure decisions of billing: what is charged, the state machines, and what a claim lacks.

Validators of the 837P miss check digits, the nine-digit ZIP of the biller, pointers, totals, referrers and
duplicates; this scrubber does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from wetread.billing.model import ChargeState, ClaimState, Component
from wetread.billing.x12 import claim_name, clean
from wetread.kit.errors import IllegalTransition
from wetread.security.service import valid_npi

DIAGNOSES_MAX: Final = 12
POINTERS_MAX: Final = 4
LINES_MAX: Final = 50
FACILITY_PLACES: Final = frozenset(
    {"19", "21", "22", "23"}
)  # the facility bills its own part (CMS POS codes)
_PLACES_OF_SERVICE: Final = frozenset(
    [
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "12",
        "13",
        "14",
        "15",
        "16",
        "17",
        "18",
        "19",
        "20",
        "21",
        "22",
        "23",
        "24",
        "25",
        "26",
        "27",
        "31",
        "32",
        "33",
        "34",
        "41",
        "42",
        "49",
        "50",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "65",
        "71",
        "72",
        "81",
        "99",
    ]
)
_REPEATED: Final = frozenset({"76", "77", "59", "XE", "XS", "XP", "XU", "91"})
_SIDES: Final = frozenset({"LT", "RT", "50"})
_SURGERY_CENTRE: Final = "24"
DISCONTINUED: Final = frozenset({"53", "73", "74"})
_REDUCED: Final = "52"
_STATES: Final = frozenset(
    [
        "AL",
        "AK",
        "AZ",
        "AR",
        "CA",
        "CO",
        "CT",
        "DE",
        "DC",
        "FL",
        "GA",
        "HI",
        "ID",
        "IL",
        "IN",
        "IA",
        "KS",
        "KY",
        "LA",
        "ME",
        "MD",
        "MA",
        "MI",
        "MN",
        "MS",
        "MO",
        "MT",
        "NE",
        "NV",
        "NH",
        "NJ",
        "NM",
        "NY",
        "NC",
        "ND",
        "OH",
        "OK",
        "OR",
        "PA",
        "RI",
        "SC",
        "SD",
        "TN",
        "TX",
        "UT",
        "VT",
        "VA",
        "WA",
        "WV",
        "WI",
        "WY",
        "AS",
        "GU",
        "MP",
        "PR",
        "VI",
        "AA",
        "AE",
        "AP",
    ]
)


# --- states -------------------------------------------------------------------------------------------------


class ClaimMove(StrEnum):
    """What can happen to a claim."""

    SCRUB_CLEAN = "pass the checks"
    SCRUB_WAIT = "wait for the report"
    SCRUB_FAIL = "fail the checks"
    BATCH = "put into a file"
    UNBATCH = "take out of its file"
    SEND = "hand in"
    ACCEPT = "accept"
    REJECT = "reject"
    DENY = "deny"
    PAY = "pay"
    CORRECT = "correct"
    VOID = "void"
    WITHDRAW = "take back from the payer"
    WITHDRAWN = "be taken back"
    STAND_PAID = "stand as paid"
    STAND_DENIED = "stand as denied"


class ChargeMove(StrEnum):
    """What can happen to a charge."""

    SCRUB_CLEAN = "pass the checks"
    SCRUB_WAIT = "wait for the report"
    SCRUB_FAIL = "fail the checks"
    CLAIM = "claim"
    STAND = "stand as claimed"
    RELEASE = "release"
    VOID = "void"


C = ClaimState
_OPEN = (C.DRAFT, C.HELD, C.READY)
# (state, move) → state. What is not here is refused.
CLAIM_MOVES: Final[dict[tuple[ClaimState, ClaimMove], ClaimState]] = {
    **{(state, ClaimMove.SCRUB_CLEAN): C.READY for state in _OPEN},
    **{(state, ClaimMove.SCRUB_WAIT): C.HELD for state in _OPEN},
    **{(state, ClaimMove.SCRUB_FAIL): C.DRAFT for state in _OPEN},
    **{(state, ClaimMove.VOID): C.VOID for state in _OPEN},
    (C.READY, ClaimMove.BATCH): C.BATCHED,
    (C.BATCHED, ClaimMove.UNBATCH): C.READY,
    (C.BATCHED, ClaimMove.SEND): C.SENT,
    (C.SENT, ClaimMove.ACCEPT): C.ACCEPTED,
    (C.SENT, ClaimMove.REJECT): C.REJECTED,
    (C.SENT, ClaimMove.DENY): C.DENIED,
    (C.SENT, ClaimMove.PAY): C.PAID,
    (C.ACCEPTED, ClaimMove.REJECT): C.REJECTED,
    (C.ACCEPTED, ClaimMove.DENY): C.DENIED,
    (C.ACCEPTED, ClaimMove.PAY): C.PAID,
    (C.REJECTED, ClaimMove.CORRECT): C.DRAFT,
    (C.DENIED, ClaimMove.CORRECT): C.DRAFT,
    (C.PAID, ClaimMove.CORRECT): C.DRAFT,
    (C.DENIED, ClaimMove.WITHDRAW): C.DRAFT,
    (C.PAID, ClaimMove.WITHDRAW): C.DRAFT,
    **{(state, ClaimMove.WITHDRAW): C.DRAFT for state in _OPEN},
    **{(state, ClaimMove.WITHDRAWN): C.VOID for state in (C.SENT, C.ACCEPTED)},
    **{(state, ClaimMove.STAND_PAID): C.PAID for state in _OPEN},
    **{(state, ClaimMove.STAND_DENIED): C.DENIED for state in _OPEN},
    (C.DENIED, ClaimMove.PAY): C.PAID,
    (C.PAID, ClaimMove.DENY): C.DENIED,
}
OPEN_CLAIMS: Final = frozenset(_OPEN)
ORIGINAL: Final = "1"
REPLACEMENT: Final = "7"
VOIDING: Final = "8"


def frequency_after(state: str, frequency_code: str, move: ClaimMove) -> str:
    """Claim frequency code (CLM05-3) of what goes out after `move` from `state`.

    What was rejected was never taken into the payer's books, so there is nothing to replace or void: it goes out as it
    was. What was denied or paid was adjudicated and stands there until it is replaced or voided.
    """
    if move is ClaimMove.WITHDRAW:
        return VOIDING
    if move is ClaimMove.CORRECT and state in (C.DENIED, C.PAID):
        return REPLACEMENT
    return frequency_code


H = ChargeState
_LOOSE = (H.DRAFT, H.HELD, H.READY)
CHARGE_MOVES: Final[dict[tuple[ChargeState, ChargeMove], ChargeState]] = {
    **{(state, ChargeMove.SCRUB_CLEAN): H.READY for state in _LOOSE},
    **{(state, ChargeMove.SCRUB_WAIT): H.HELD for state in _LOOSE},
    **{(state, ChargeMove.SCRUB_FAIL): H.DRAFT for state in _LOOSE},
    **{(state, ChargeMove.VOID): H.VOID for state in _LOOSE},
    (H.READY, ChargeMove.CLAIM): H.CLAIMED,
    **{(state, ChargeMove.STAND): H.CLAIMED for state in _LOOSE},
    (H.CLAIMED, ChargeMove.RELEASE): H.DRAFT,
}


def claim_moved(state: str, move: ClaimMove) -> ClaimState:
    """The claim's state after `move`. Raises IllegalTransition."""
    try:
        return CLAIM_MOVES[ClaimState(state), move]
    except KeyError:
        raise IllegalTransition("The claim", state, move.value) from None


def charge_moved(state: str, move: ChargeMove) -> ChargeState:
    """The charge's state after `move`. Raises IllegalTransition."""
    try:
        return CHARGE_MOVES[ChargeState(state), move]
    except KeyError:
        raise IllegalTransition("The charge", state, move.value) from None


# --- charges ------------------------------------------------------------------------------------------------


def components(*, bills_global: bool, splittable: bool, place_of_service: str, read: bool) -> list[Component]:
    """What to charge for a completed procedure; `read` once its report is final.

    One entity for scanner and reader bills globally. Otherwise the technical component falls due with the images, the
    professional one with the report; in a facility the technical part is the facility's own bill. A procedure that
    has no two components is always charged whole.
    """
    if bills_global or not splittable:
        return [Component.GLOBAL]
    due = [] if place_of_service in FACILITY_PLACES else [Component.TECHNICAL]
    return [*due, Component.PROFESSIONAL] if read else due


def modifiers(component: str, laterality: str | None, discontinued: str | None = None) -> list[str]:
    """The component's modifier, that of a discontinued procedure, and the side's: L → LT, R → RT, B → 50."""
    first = [] if component == Component.GLOBAL else [component]
    if discontinued:
        first.append(discontinued)
    side = {"L": "LT", "R": "RT", "B": "50"}.get(laterality or "")
    return [*first, side] if side else first


def discontinued_modifier(component: str, place_of_service: str) -> str:
    """What says that a procedure was begun and not finished.

    An ambulatory surgery centre's own part takes 73, before anaesthesia; a person makes it 74 where it was given, or 52
    where none was planned (CMS Claims Processing Manual, chapter 14, section 40.4). Everything else is a physician's or
    supplier's service and takes 53 (CPT, appendix A).
    """
    own_part = component in (Component.TECHNICAL, Component.GLOBAL)
    return "73" if place_of_service == _SURGERY_CENTRE and own_part else "53"


def of_another_outcome(line_modifiers: Sequence[str], *, discontinued: bool) -> bool:
    """Whether a charge was made for a procedure that ended otherwise. 52 fits both: reduced, or given up without
    anaesthesia."""
    said = bool(DISCONTINUED & set(line_modifiers))
    return not said and _REDUCED not in line_modifiers if discontinued else said


def pointers(line_codes: Sequence[str], claim_codes: Sequence[str]) -> tuple[int, ...]:
    """SV107: where the line's diagnoses stand on the claim, from 1, at most four."""
    places = {code: number for number, code in enumerate(claim_codes, 1)}
    return tuple(places[code] for code in line_codes if code in places)[:POINTERS_MAX]


def claim_diagnoses(lines: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The claim's diagnoses: those of its lines, each once, in order, at most twelve."""
    return tuple(dict.fromkeys(code for codes in lines for code in codes))[:DIAGNOSES_MAX]


# --- what is missing ----------------------------------------------------------------------------------------


class Need(StrEnum):
    """Where a person can mend what a claim lacks."""

    REPORT = "report"
    COVERAGE = "coverage"
    PATIENT = "patient"
    DIAGNOSIS = "diagnosis"
    REFERRER = "referrer"
    READER = "reader"
    CODING = "coding"
    FEE = "fee"
    PLACE_OF_SERVICE = "place_of_service"
    BILLING_PROVIDER = "billing_provider"
    SITE = "site"
    DUPLICATE = "duplicate"
    SUBMITTER = "submitter"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps a claim from being sent: where to mend it, which field, in words. `charge_pk` for a line."""

    need: Need
    field: str
    text: str
    charge_pk: int | None = None


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """An address as it stands in our records."""

    line: str | None
    city: str | None
    state: str | None
    postal_code: str | None


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """A physician."""

    person_name: str
    npi: str | None
    taxonomy_code: str | None = None


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """A billing provider or a site."""

    name: str
    npi: str | None
    address: AddressFacts
    tax_id: str | None = None


@dataclass(frozen=True, slots=True)
class CoverageFacts:
    """Who pays, and under whose policy."""

    payer_name: str
    payer_id: str
    claim_filing_indicator_code: str
    member_id: str
    relationship: str
    subscriber_name: str | None
    subscriber_birth_date: date | None


@dataclass(frozen=True, slots=True)
class LineFacts:
    """A charge on the claim. `unknown_diagnoses`: codes that no claim can carry."""

    charge_pk: int
    procedure_code: str
    modifiers: tuple[str, ...]
    side_required: bool
    units: int
    amount_minor: int
    service_date: date
    diagnosis_codes: tuple[str, ...]
    unknown_diagnoses: tuple[str, ...] = ()
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """All that the scrubber looks at."""

    component: str
    place_of_service: str
    total_minor: int
    patient_name: str
    patient_birth_date: date | None
    patient_address: AddressFacts
    coverage: CoverageFacts | None
    referrer: PersonFacts | None
    reader: PersonFacts | None
    report_is_final: bool
    billing_provider: EntityFacts | None
    site: EntityFacts
    lines: tuple[LineFacts, ...]
    submitter_is_set: bool
    today: date


def scrub(facts: ClaimFacts) -> list[Finding]:
    """What keeps the claim from being sent; an empty list means ready."""
    found: list[Finding] = []
    if facts.component != Component.TECHNICAL and not facts.report_is_final:
        found.append(Finding(Need.REPORT, "report", "The report is not final yet"))
    elif facts.component != Component.TECHNICAL and facts.reader is None:
        found.append(Finding(Need.READER, "reader", "Who signed the report is not among the physicians"))
    found += _coverage(facts)
    found += _patient(facts)
    found += _physicians(facts)
    found += _entities(facts)
    if not facts.place_of_service:
        found.append(Finding(Need.PLACE_OF_SERVICE, "place_of_service", "The place of service is missing"))
    elif facts.place_of_service not in _PLACES_OF_SERVICE:
        found.append(
            Finding(
                Need.PLACE_OF_SERVICE,
                "place_of_service",
                f"There is no place of service {facts.place_of_service}",
            )
        )
    diagnoses = claim_diagnoses(line.diagnosis_codes for line in facts.lines)
    for line in facts.lines:
        found += _line(line, diagnoses, facts.today)
    if not 0 < len(facts.lines) <= LINES_MAX:
        found.append(
            Finding(
                Need.CODING, "lines", f"A claim carries 1 to {LINES_MAX} lines, this one {len(facts.lines)}"
            )
        )
    if facts.total_minor != sum(line.amount_minor for line in facts.lines):
        found.append(Finding(Need.CODING, "total_minor", "The total is not the sum of the lines"))
    if not facts.submitter_is_set:
        found.append(Finding(Need.SUBMITTER, "submitter", "Who hands claims in is not set up yet"))
    return found


def _coverage(facts: ClaimFacts) -> Iterable[Finding]:
    coverage = facts.coverage
    if coverage is None:
        yield Finding(Need.COVERAGE, "coverage", "No coverage is known")
        return
    if len(clean(coverage.member_id) or "") < 2:
        yield Finding(Need.COVERAGE, "member_id", "The member number is missing")
    if len(clean(coverage.payer_id) or "") < 2:
        yield Finding(Need.COVERAGE, "payer_id", f"{coverage.payer_name} has no payer number")
    if coverage.relationship != "self":
        if claim_name(coverage.subscriber_name or "") is None:
            yield Finding(
                Need.COVERAGE, "subscriber_name", "The subscriber's name is missing, or has no Latin spelling"
            )
        if coverage.subscriber_birth_date is None:
            yield Finding(Need.COVERAGE, "subscriber_birth_date", "The subscriber's birth date is missing")


def _patient(facts: ClaimFacts) -> Iterable[Finding]:
    if claim_name(facts.patient_name) is None:
        yield Finding(
            Need.PATIENT, "patient_name", "The name cannot be written in a claim; give its Latin spelling"
        )
    if facts.patient_birth_date is None:
        yield Finding(Need.PATIENT, "patient_birth_date", "The birth date is missing")
    for name, text in _address(facts.patient_address, nine=False):
        yield Finding(Need.PATIENT, f"patient_{name}", f"The patient's {text}")


def _physicians(facts: ClaimFacts) -> Iterable[Finding]:
    if facts.referrer is None:
        yield Finding(Need.REFERRER, "referrer", "The referring physician is missing")
    else:
        yield from _physician(facts.referrer, Need.REFERRER, "referring")
    if facts.reader is not None and facts.component != Component.TECHNICAL:
        yield from _physician(facts.reader, Need.READER, "reading")


def _physician(person: PersonFacts, need: Need, what: str) -> Iterable[Finding]:
    if not person.npi:
        yield Finding(need, "npi", f"The {what} physician's NPI is missing")
    elif not valid_npi(person.npi):
        yield Finding(need, "npi", f"The {what} physician's NPI {person.npi} has a wrong check digit")
    if claim_name(person.person_name) is None:
        yield Finding(need, "person_name", f"The {what} physician's name has no Latin spelling")


def _entities(facts: ClaimFacts) -> Iterable[Finding]:
    provider = facts.billing_provider
    if provider is None:
        yield Finding(Need.BILLING_PROVIDER, "billing_provider", "Nobody is set up to bill for this site")
    else:
        if not provider.npi or not valid_npi(provider.npi):
            yield Finding(Need.BILLING_PROVIDER, "npi", f"{provider.name}: the NPI is missing or wrong")
        if not re.fullmatch(r"\d{9}", re.sub(r"\D", "", provider.tax_id or "")):
            yield Finding(
                Need.BILLING_PROVIDER, "tax_id", f"{provider.name}: the tax number is missing or wrong"
            )
        for name, text in _address(provider.address, nine=True):
            yield Finding(Need.BILLING_PROVIDER, name, f"{provider.name}: the {text}")
    if service_facility_needed(facts.site, provider):
        if facts.site.npi and not valid_npi(facts.site.npi):
            yield Finding(Need.SITE, "npi", f"{facts.site.name}: the NPI has a wrong check digit")
        for name, text in _address(facts.site.address, nine=True):
            yield Finding(Need.SITE, name, f"{facts.site.name}: the {text}")


def service_facility_needed(site: EntityFacts, provider: EntityFacts | None) -> bool:
    """Loop 2310C: where it was done, when that is not the biller's own address."""
    return provider is None or provider.npi != site.npi or not site.npi


def _address(address: AddressFacts, *, nine: bool) -> Iterable[tuple[str, str]]:
    if not clean(address.line or ""):
        yield "address_line", "street is missing"
    if len(clean(address.city or "") or "") < 2:
        yield "city", "city is missing"
    if (address.state or "").upper() not in _STATES:
        yield "state", "state is missing or not a US postal code"
    digits = re.sub(r"\D", "", address.postal_code or "")
    if nine and len(digits) != 9:
        yield "postal_code", "ZIP code needs nine digits"
    elif not nine and len(digits) not in (5, 9):
        yield "postal_code", "ZIP code needs five or nine digits"


def _line(line: LineFacts, diagnoses: Sequence[str], today: date) -> Iterable[Finding]:
    pk = line.charge_pk
    if not line.procedure_code:
        yield Finding(Need.CODING, "procedure_code", "The procedure code is missing", pk)
    elif not re.fullmatch(r"\d{4}[0-9A-Z]|[A-V]\d{4}", line.procedure_code):
        yield Finding(Need.CODING, "procedure_code", f"{line.procedure_code} is not a CPT or HCPCS code", pk)
    wrong = [m for m in line.modifiers if not re.fullmatch("[0-9A-Z]{2}", m)]
    if wrong or len(line.modifiers) > 4 or len(set(line.modifiers)) != len(line.modifiers):
        yield Finding(Need.CODING, "modifiers", "Up to four different modifiers of two characters", pk)
    if {"TC", "26"} <= set(line.modifiers):
        yield Finding(Need.CODING, "modifiers", "TC and 26 exclude each other", pk)
    if line.side_required and not _SIDES & set(line.modifiers):
        yield Finding(Need.CODING, "modifiers", "The side is missing: LT, RT or 50", pk)
    if len(DISCONTINUED & set(line.modifiers)) > 1:
        yield Finding(Need.CODING, "modifiers", "53, 73 and 74 exclude each other", pk)
    if line.amount_minor <= 0 and DISCONTINUED & set(line.modifiers):
        yield Finding(
            Need.FEE,
            "amount_minor",
            "The procedure was discontinued: say what the part that was done costs, or void the claim",
            pk,
        )
    elif line.amount_minor <= 0:
        yield Finding(Need.FEE, "amount_minor", "There is no fee for this code", pk)
    if not line.diagnosis_codes:
        yield Finding(Need.DIAGNOSIS, "diagnosis_codes", "A diagnosis is missing", pk)
    elif not pointers(line.diagnosis_codes, diagnoses):
        yield Finding(
            Need.DIAGNOSIS, "diagnosis_codes", f"The claim has more than {DIAGNOSES_MAX} diagnoses", pk
        )
    for code in line.unknown_diagnoses:
        yield Finding(
            Need.DIAGNOSIS, "diagnosis_codes", f"{code} is not an ICD-10-CM code that a claim can carry", pk
        )
    if line.service_date > today:
        yield Finding(Need.CODING, "service_date", "The date of service lies in the future", pk)
    if line.duplicate_of and not _REPEATED & set(line.modifiers):
        yield Finding(
            Need.DUPLICATE,
            "modifiers",
            f"The same procedure on the same day is on claim {line.duplicate_of}; a repetition needs 76, 77 or 59",
            pk,
        )


def verdict(findings: Sequence[Finding]) -> ClaimMove:
    """Ready, waiting for a report alone, or in need of a person."""
    if not findings:
        return ClaimMove.SCRUB_CLEAN
    return ClaimMove.SCRUB_WAIT if all(f.need is Need.REPORT for f in findings) else ClaimMove.SCRUB_FAIL


def served_at(begun_at: datetime | None, completed_at: datetime) -> datetime:
    """The instant whose day is the date of service: of an examination over midnight, its beginning. A modality's clock
    that is more than a day off is not believed."""
    if begun_at is not None and timedelta(0) <= completed_at - begun_at <= timedelta(days=1):
        return begun_at
    return completed_at


def file_by(service_date: date, filing_days: int) -> date:
    """The day by which the claim is to be handed in."""
    return service_date + timedelta(days=filing_days)
