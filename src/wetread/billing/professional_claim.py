"""Professional claims: the 837P of 005010X222A1 as tables, and the claim document that is written with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from wetread.billing.x12 import (
    ElementUse,
    Guide,
    Loop,
    LoopUse,
    Segment,
    SegmentUse,
    X12Error,
    claim_name,
    clean,
    composite,
    money,
    seg,
)

VERSION: Final = "005010X222A1"


def _use(name: str, *codes: str, at: int = 1, required: bool = False, repeat: int = 1) -> SegmentUse:
    return SegmentUse(name, frozenset(codes), at, required, repeat)


def _party(
    loop_id: str, *codes: str, required: bool = False, repeat: int = 1, more: Sequence[SegmentUse] = ()
) -> LoopUse:
    """A name loop: NM1, address, and what else the guide allows there."""
    return LoopUse(
        loop_id,
        (_use("NM1", *codes, required=True), _use("N3"), _use("N4"), *more, _use("REF", repeat=20)),
        required,
        repeat,
    )


_SERVICE_LINE = LoopUse(
    "2400",
    (
        _use("LX", required=True),
        _use("SV1", required=True),
        _use("DTP", "472", required=True),
        _use("DTP", "471", "607", "463", "461", "304", "738", "739", "011", "455", "454"),
        _use("REF", "9B"),
        _use("REF", "9D"),
        _use("REF", "G1", repeat=5),
        _use("REF", "6R"),
        _use("REF", "EW"),
        _use("REF", "9F", repeat=5),
        _use("NTE", "ADD", "DCP"),
        _party("2420A", "82", more=[_use("PRV", "PE")]),
        _party("2420C", "77"),
        _party("2420D", "DQ"),
        _party("2420E", "DK", more=[_use("PER")]),
        _party("2420F", "DN", "P3", repeat=2),
    ),
    required=True,
    repeat=50,
)

_CLAIM = LoopUse(
    "2300",
    (
        _use("CLM", required=True),
        _use("DTP", "431", "454", "304", "453", "439", "484", "455", "471", "314", "360", "361", "297", "296", "435", "096", "090", "091", "444", "050", repeat=20),
        _use("PWK", repeat=10),
        _use("AMT", "F5"),
        _use("REF", "4N", "F5", "EW", "9F", "G1", "F8", "X4", "9A", "9C", "LX", "D9", "EA", "P4", "1J", repeat=14),
        _use("NTE", "ADD", "CER", "DCP", "DGN", "TPO"),
        _use("HI", "ABK", required=True),
        _party("2310A", "DN", "P3", repeat=2),
        _party("2310B", "82", more=[_use("PRV", "PE")]),
        _party("2310C", "77", more=[_use("PER")]),
        _party("2310D", "DQ"),
        _SERVICE_LINE,
    ),
    repeat=100,
)  # fmt: skip

_PATIENT = LoopUse(
    "2000C",
    (
        _use("HL", "23", at=3, required=True),
        _use("PAT", required=True),
        LoopUse(
            "2010CA",
            (
                _use("NM1", "QC", required=True),
                _use("N3", required=True),
                _use("N4", required=True),
                _use("DMG", required=True),
            ),
            required=True,
        ),
        _CLAIM,
    ),
    repeat=0,
)

_SUBSCRIBER = LoopUse(
    "2000B",
    (
        _use("HL", "22", at=3, required=True),
        _use("SBR", required=True),
        LoopUse(
            "2010BA",
            (
                _use("NM1", "IL", required=True),
                _use("N3"),
                _use("N4"),
                _use("DMG"),
                _use("REF", "SY"),
                _use("REF", "Y4"),
            ),
            required=True,
        ),
        LoopUse(
            "2010BB",
            (
                _use("NM1", "PR", required=True),
                _use("N3"),
                _use("N4"),
                _use("REF", "2U", "EI", "FY", "NF", repeat=3),
            ),
            required=True,
        ),
        _CLAIM,
        _PATIENT,
    ),
    required=True,
    repeat=0,
)

_ROOT = LoopUse(
    "837P",
    (
        _use("BHT", required=True),
        LoopUse(
            "1000A",
            (_use("NM1", "41", required=True), _use("PER", "IC", required=True, repeat=2)),
            required=True,
        ),
        LoopUse("1000B", (_use("NM1", "40", required=True),), required=True),
        LoopUse(
            "2000A",
            (
                _use("HL", "20", at=3, required=True),
                _use("PRV", "BI"),
                LoopUse(
                    "2010AA",
                    (
                        _use("NM1", "85", required=True),
                        _use("N3", required=True),
                        _use("N4", required=True),
                        _use("REF", "EI", "SY", required=True),
                        _use("PER", "IC", repeat=2),
                    ),
                    required=True,
                ),
                LoopUse(
                    "2010AB",
                    (_use("NM1", "87", required=True), _use("N3", required=True), _use("N4", required=True)),
                ),
                _SUBSCRIBER,
            ),
            required=True,
            repeat=0,
        ),
    ),
    required=True,
)


def _elements(text: str) -> tuple[ElementUse, ...]:
    """`AN1-60!` per element: kind, shortest, longest, `!` where needed."""
    found = []
    for part in text.split():
        kind = part.rstrip("0123456789-!")
        shortest, _, longest = part.removeprefix(kind).rstrip("!").partition("-")
        found.append(ElementUse(kind, int(shortest), int(longest or shortest), part.endswith("!")))
    return tuple(found)


_NAME = "ID2-3! ID1! AN1-60 AN1-35 AN1-25 AN1-10 AN1-10 ID1-2 AN2-80"

GUIDE: Final = Guide(
    VERSION,
    "HC",
    "837",
    _ROOT,
    {
        name: _elements(text)
        for name, text in {
            "BHT": "ID4! ID2! AN1-50! DT8! TM4-8! ID2!",
            "NM1": _NAME,
            "PER": "ID2! AN1-60 ID2 AN1-256 ID2 AN1-256 ID2 AN1-256",
            "HL": "AN1-12! AN1-12 ID1-2! ID1!",
            "PRV": "ID1-3! ID2-3! AN1-50!",
            "N3": "AN1-55! AN1-55",
            "N4": "AN2-30! ID2 ID3-15 ID2-3",
            "REF": "ID2-3! AN1-50!",
            "SBR": "ID1! ID2 AN1-50 AN1-60 ID1-3 ID1 ID1 ID2 ID1-2",
            "PAT": "ID2",
            "DMG": "ID2-3! AN1-35! ID1!",
            "CLM": "AN1-38! R1-10! ID1-2 ID1-2 AN1-20! ID1! ID1! ID1! ID1! ID1 AN1-20",
            "DTP": "ID3! ID2-3! AN1-35!",
            "PWK": "ID2! ID1-2! N1-2 ID2-3 ID1-2 AN2-80",
            "AMT": "ID1-3! R1-10!",
            "NTE": "ID3! AN1-80!",
            "HI": "AN4-35! " + "AN4-35 " * 11,
            "LX": "N1-6!",
            "SV1": "AN4-90! R1-10! ID2! R1-15! ID1-2 ID1-2 AN1-12! R1-18 ID1 ID1 ID1 ID1 ID1",
        }.items()
    },
)


# --- the claim as a document --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address as N3 and N4 take it; `postal_code` five or nine digits."""

    line: str
    city: str
    state: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Organization:
    """A billing entity, site or payer. `identifier` is an NPI, for a payer its payer id."""

    name: str
    identifier: str
    address: Address | None = None
    tax_id: str = ""
    taxonomy_code: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A physician, subscriber or patient; `person_name` is a DICOM PN. `identifier`: NPI or member id."""

    person_name: str
    identifier: str = ""
    address: Address | None = None
    birth_date: date | None = None
    sex: str | None = None
    taxonomy_code: str = ""


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """A charge on the claim. `diagnosis_pointers` count from 1 into the claim's diagnoses; `charge_minor` is cents."""

    procedure_code: str
    modifiers: tuple[str, ...]
    charge_minor: int
    units: int
    service_date: date
    diagnosis_pointers: tuple[int, ...]
    line_control_number: str = ""


@dataclass(frozen=True, slots=True)
class ProfessionalClaim:
    """All that one CLM needs. `payer_responsibility` P S T; `relationship` self, spouse, child or other."""

    claim_number: str
    total_minor: int
    place_of_service: str
    frequency_code: str
    billing_provider: Organization
    payer: Organization
    claim_filing_indicator_code: str
    payer_responsibility: str
    group_number: str
    plan_name: str
    relationship: str
    subscriber: Person
    patient: Person
    diagnoses: tuple[str, ...]
    lines: tuple[ServiceLine, ...]
    referring: Person | None = None
    rendering: Person | None = None
    service_facility: Organization | None = None
    prior_authorization: str = ""
    mammography_certification: str = ""
    payer_claim_control_number: str = ""


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who hands the file in (1000A) and to whom (1000B)."""

    name: str
    identifier: str
    contact_name: str
    contact_phone: str
    receiver_name: str
    receiver_identifier: str


@dataclass(slots=True)
class _Counter:
    value: int = 0

    def next(self) -> int:
        self.value += 1
        return self.value


def transaction(
    submitter: Submitter, claims: Sequence[ProfessionalClaim], reference: str, at: datetime
) -> Loop:
    """The content of one ST…SE for these claims. Raises X12Error where a value cannot be written.

    One 2000A per billing provider, one 2000B per claim's subscriber.
    """
    if not claims:
        raise X12Error("a transaction set needs at least one claim")
    root = Loop("837P").add(
        seg("BHT", "0019", "00", reference, at.strftime("%Y%m%d"), at.strftime("%H%M"), "CH")
    )
    root.open(
        "1000A",
        seg(
            "NM1",
            "41",
            "2",
            _text(submitter.name, 60, "submitter name"),
            *[None] * 4,
            "46",
            submitter.identifier,
        ),
        seg(
            "PER",
            "IC",
            _text(submitter.contact_name, 60, "submitter contact"),
            "TE",
            _digits(submitter.contact_phone),
        ),
    )
    root.open(
        "1000B",
        seg("NM1", "40", "2", _text(submitter.receiver_name, 60, "receiver name"), *[None] * 4, "46", submitter.receiver_identifier),
    )  # fmt: skip
    counter = _Counter()
    for provider in dict.fromkeys(claim.billing_provider for claim in claims):
        number = counter.next()
        billing = root.open("2000A", seg("HL", number, None, "20", "1"))
        if provider.taxonomy_code:
            billing.add(seg("PRV", "BI", "PXC", provider.taxonomy_code))
        inner = billing.open("2010AA", _organization("85", provider), *_address(provider.address))
        inner.add(seg("REF", "EI", _digits(provider.tax_id)))
        for claim in claims:
            if claim.billing_provider == provider:
                _subscriber(billing, number, counter, claim)
    return root


def _subscriber(billing: Loop, parent: int, counter: _Counter, claim: ProfessionalClaim) -> None:
    number = counter.next()
    own = claim.relationship == "self"
    loop = billing.open("2000B", seg("HL", number, parent, "22", "0" if own else "1"))
    loop.add(
        seg(
            "SBR",
            claim.payer_responsibility,
            "18" if own else None,
            clean(claim.group_number, 50),
            None if claim.group_number else clean(claim.plan_name, 60),
            *[None] * 4,
            claim.claim_filing_indicator_code,
        )
    )
    insured = loop.open("2010BA", _person("IL", claim.subscriber, "MI"))
    if own:
        insured.add(*_address(claim.patient.address), _demographics(claim.patient))
    elif claim.subscriber.birth_date:
        if claim.subscriber.address:
            insured.add(*_address(claim.subscriber.address))
        insured.add(_demographics(claim.subscriber))
    payer = loop.open("2010BB", _organization("PR", claim.payer))
    if claim.payer.address:
        payer.add(*_address(claim.payer.address))
    if own:
        _claim(loop, claim)
        return
    patient = loop.open("2000C", seg("HL", counter.next(), number, "23", "0"))
    patient.add(seg("PAT", {"spouse": "01", "child": "19"}.get(claim.relationship, "G8")))
    patient.open(
        "2010CA",
        _person("QC", claim.patient, None),
        *_address(claim.patient.address),
        _demographics(claim.patient),
    )
    _claim(patient, claim)


def _claim(parent: Loop, claim: ProfessionalClaim) -> None:
    loop = parent.open(
        "2300",
        seg(
            "CLM",
            claim.claim_number,
            money(claim.total_minor),
            None,
            None,
            composite(claim.place_of_service, "B", claim.frequency_code),
            *("Y", "A", "Y", "Y"),
        ),
    )
    for qualifier, value in (
        ("EW", claim.mammography_certification),
        ("G1", claim.prior_authorization),
        ("F8", claim.payer_claim_control_number),
    ):
        if value:
            loop.add(seg("REF", qualifier, clean(value, 50)))
    loop.add(
        seg(
            "HI",
            *(
                composite("ABF" if i else "ABK", code.replace(".", ""))
                for i, code in enumerate(claim.diagnoses)
            ),
        )
    )
    if claim.referring:
        loop.open("2310A", _person("DN", claim.referring, "XX"))
    if claim.rendering:
        rendering = loop.open("2310B", _person("82", claim.rendering, "XX"))
        if claim.rendering.taxonomy_code:
            rendering.add(seg("PRV", "PE", "PXC", claim.rendering.taxonomy_code))
    if claim.service_facility:
        loop.open(
            "2310C", _organization("77", claim.service_facility), *_address(claim.service_facility.address)
        )
    for number, line in enumerate(claim.lines, 1):
        service = loop.open("2400", seg("LX", number))
        service.add(
            seg(
                "SV1",
                composite("HC", line.procedure_code, *line.modifiers),
                money(line.charge_minor),
                "UN",
                line.units,
                None,
                None,
                composite(*line.diagnosis_pointers),
            ),
            seg("DTP", "472", "D8", line.service_date.strftime("%Y%m%d")),
        )
        if line.line_control_number:
            service.add(seg("REF", "6R", line.line_control_number))


def _text(value: str, longest: int, what: str) -> str:
    written = clean(value, longest)
    if not written:
        raise X12Error(f"the {what} cannot be written in X12's characters")
    return written


def _digits(value: str) -> str:
    return "".join(c for c in value if c.isdecimal())


def _organization(code: str, party: Organization) -> Segment:
    qualifier = ("PI" if code == "PR" else "XX") if party.identifier else None
    return seg(
        "NM1",
        code,
        "2",
        _text(party.name, 60, "name of an organisation"),
        *[None] * 4,
        qualifier,
        party.identifier or None,
    )


def _person(code: str, person: Person, qualifier: str | None) -> Segment:
    name = claim_name(person.person_name)
    if name is None:
        raise X12Error(f"NM1*{code}: the name has no Latin spelling")
    return seg(
        "NM1",
        code,
        "1",
        name.last,
        name.first,
        name.middle,
        None,
        name.suffix,
        qualifier if person.identifier else None,
        clean(person.identifier, 80) if qualifier else None,
    )


def _address(address: Address | None) -> tuple[Segment, ...]:
    if address is None:
        raise X12Error("an address is missing")
    return (
        seg("N3", _text(address.line, 55, "address")),
        seg("N4", _text(address.city, 30, "city"), address.state, _digits(address.postal_code)),
    )


def _demographics(person: Person) -> Segment:
    if person.birth_date is None:
        raise X12Error("a birth date is missing")
    return seg(
        "DMG", "D8", person.birth_date.strftime("%Y%m%d"), person.sex if person.sex in {"M", "F"} else "U"
    )
