"""Use cases of the patients room: the only writer of patient records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, String, select
from sqlalchemy.exc import IntegrityError

from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.patients import rules, store
from wetread.patients.events import PatientChanged, PatientMerged
from wetread.patients.model import (
    Allergy,
    Coverage,
    Patient,
    PatientChange,
    PatientIdentifier,
    PatientMerge,
    Payer,
    PregnancyStatus,
    Relationship,
)
from wetread.patients.rules import Likeness, Persona, age_text, name_words
from wetread.security.service import AuditEventID, Permission, Work

__all__ = [
    "AllergyInput", "Candidate", "CoverageInput", "FoundPatient", "IdentifierInput", "PatientBar", "PatientInput",
    "PatientRecord", "PayerInput", "age_text", "change_patient", "duplicates_of", "find_patients", "get_patient",
    "history", "issuer_of_our_identifiers", "merge_patients", "name_words", "patient_bar", "patient_bars",
    "patient_by_identifier", "payer_by_identifier", "payers", "possible_duplicates", "register_patient",
    "register_unknown_patient", "replace_allergies", "replace_coverage", "search_clause", "unmerge_patients",
    "use_issuer",
]  # fmt: skip

search_clause = store.has_words
"""`search_clause(Patient.search_words, typed)`: the condition under which a joined patient is found by name."""

_issuer = "WETREAD"


def use_issuer(issuer_of_patient_id: str) -> None:
    """Names the issuer of identifiers that this system gives (called once by the composition root)."""
    global _issuer  # noqa: PLW0603 - one per process, set at composition
    _issuer = issuer_of_patient_id


def issuer_of_our_identifiers() -> str:
    """The issuer of identifiers that this system gives."""
    return _issuer


@dataclass(frozen=True, slots=True)
class IdentifierInput:
    """An identifier with its issuer."""

    patient_id: str
    issuer_of_patient_id: str


@dataclass(frozen=True, slots=True)
class AllergyInput:
    """A substance that the patient must not get."""

    substance: str
    reaction: str | None = None
    severe: bool = False


@dataclass(frozen=True, slots=True)
class CoverageInput:
    """An insurance; `priority` 1 pays first. A subscriber is named where that is another person."""

    payer_pk: int
    member_id: str
    priority: int = 1
    group_number: str | None = None
    plan_name: str | None = None
    relationship: str = Relationship.SELF
    subscriber_name: str | None = None
    subscriber_birth_date: date | None = None
    subscriber_sex: str | None = None


@dataclass(frozen=True, slots=True)
class PayerInput:
    """An insurer as claims name it."""

    payer_id: str
    name: str
    claim_filing_indicator_code: str = "CI"
    address_line: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class PatientInput:
    """What is known of a patient at registration. Without an identifier one of ours is given."""

    patient_name: str
    identifiers: Sequence[IdentifierInput] = ()
    patient_birth_date: date | None = None
    patient_sex: str | None = None
    patient_address: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    patient_telephone_numbers: str | None = None
    email: str | None = None
    language: str | None = None
    deceased: bool = False
    patient_size_m: float | None = None
    patient_weight_kg: float | None = None
    pregnancy_status: str | None = None
    implants: str | None = None
    egfr_ml_min: int | None = None
    egfr_date: date | None = None
    medical_alerts: str | None = None
    special_needs: str | None = None
    confidentiality: str | None = None
    # None: nobody asked; empty: asked, and none are known.
    allergies: Sequence[AllergyInput] | None = None
    coverages: Sequence[CoverageInput] = ()
    unidentified: bool = False


CHANGEABLE = frozenset(f.name for f in fields(PatientInput)) - {"identifiers", "allergies", "coverages"}
_IDENTITY = frozenset({"patient_name", "patient_birth_date", "patient_sex"})


@dataclass(frozen=True, slots=True)
class PatientBar:
    """What stands on every screen that has a patient in context, and never scrolls away."""

    patient_pk: int
    patient_name: str
    patient_sex: str | None
    patient_birth_date: date | None
    age: str
    patient_id: str | None
    issuer_of_patient_id: str | None
    # None: nobody asked; empty: asked, and none are known.
    allergies: list[str] | None
    severe_allergy: bool
    pregnancy_status: str | None
    implants: str | None
    renal: str | None
    medical_alerts: str | None
    confidentiality: str | None
    deceased: bool
    unidentified: bool


@dataclass(frozen=True, slots=True)
class FoundPatient:
    """One line of a search for patients."""

    bar: PatientBar
    patient_address: str | None
    city: str | None
    patient_telephone_numbers: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that may be the same person, with why."""

    found: FoundPatient
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """The whole record."""

    patient: Patient
    bar: PatientBar
    identifiers: list[PatientIdentifier]
    allergies: list[Allergy]
    coverages: list[tuple[Coverage, Payer]]
    merged: list[PatientMerge] = field(default_factory=list)


def register_patient(work: Work, given: PatientInput) -> Patient:
    """Makes a patient. Raises Invalid for wrong fields, Conflict where an identifier is taken."""
    work.require(Permission.PATIENT_WRITE)
    values = {name: getattr(given, name) for name in CHANGEABLE}
    _check(values, work.now().date())
    identifiers = list(
        dict.fromkeys(
            IdentifierInput(one.patient_id.strip(), one.issuer_of_patient_id.strip())
            for one in given.identifiers
        )
    )
    _check_identifiers(identifiers)
    if not identifiers:
        number = store.next_patient_number(work.session)
        identifiers = [IdentifierInput(f"{number}", _issuer)]
    for one in identifiers:
        holder = store.patient_by_identifier(work.session, one.issuer_of_patient_id, one.patient_id)
        if holder is not None:
            raise Conflict(
                "This identifier already belongs to a patient.",
                fields=[FieldError("patient_id", f"{one.issuer_of_patient_id} has already given it")],
            )
    now = work.now()
    patient = Patient(**_cleaned(values), created_at=now, updated_at=now)
    patient.search_words = name_words(patient.patient_name)
    patient.telephone_digits = rules.digits(patient.patient_telephone_numbers)
    work.session.add(patient)
    work.session.flush()
    for number, one in enumerate(identifiers):
        work.session.add(
            PatientIdentifier(
                patient_pk=patient.patient_pk,
                patient_id=one.patient_id,
                issuer_of_patient_id=one.issuer_of_patient_id,
                is_primary=number == 0,
            )
        )
    try:
        work.session.flush()
    except IntegrityError as error:
        raise Conflict(
            "This identifier was given to another patient a moment ago.",
            fields=[FieldError("patient_id", "already taken")],
        ) from error
    _set_allergies(work, patient, given.allergies)
    for coverage in given.coverages:
        _set_coverage(work, patient.patient_pk, coverage)
    work.session.flush()
    work.audit(AuditEventID.PATIENT_RECORD, "C", patient_pk=patient.patient_pk)
    work.publish(PatientChanged(patient.patient_pk))
    return patient


def register_unknown_patient(work: Work, patient_sex: str | None, description: str | None = None) -> Patient:
    """An emergency registration: a patient `Unknown, Male 3` with an identifier of ours, to be merged once known."""
    work.require(Permission.PATIENT_WRITE, Permission.STEP_PERFORM)
    stem = rules.unknown_name(patient_sex, 0)[:-1]
    number = store.next_unknown_number(work.session, stem, work.now().date())
    return register_patient(
        work,
        PatientInput(
            patient_name=rules.unknown_name(patient_sex, number),
            patient_sex=patient_sex,
            medical_alerts=description,
            unidentified=True,
        ),
    )


def change_patient(work: Work, patient_pk: int, changes: Mapping[str, Any]) -> Patient:
    """Alters the named fields, keeps what stood before. Raises NotFound, Invalid."""
    work.require(Permission.PATIENT_WRITE)
    patient = _living(work, patient_pk, lock=True)
    patient_pk = patient.patient_pk
    unknown = sorted(set(changes) - CHANGEABLE)
    if unknown:
        raise Invalid(
            "Some fields cannot be changed.", fields=[FieldError(name, "not known") for name in unknown]
        )
    _check(changes, work.now().date())
    differing = {
        name: [_plain(getattr(patient, name)), _plain(value)]
        for name, value in _cleaned(changes).items()
        if getattr(patient, name) != value
    }
    if "patient_name" in differing and "unidentified" not in changes and patient.unidentified:
        differing["unidentified"] = [True, False]
        patient.unidentified = False
    for name, value in _cleaned(changes).items():
        setattr(patient, name, value)
    patient.search_words = name_words(patient.patient_name)
    patient.telephone_digits = rules.digits(patient.patient_telephone_numbers)
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "U",
        patient_pk=patient_pk,
        detail={"fields": ",".join(sorted(differing))[:400]},
    )
    if differing:
        patient.updated_at = work.now()
        _note_change(work, patient_pk, differing)
        identity_changed = not differing.keys().isdisjoint(_IDENTITY)
        work.publish(PatientChanged(patient_pk, identity_changed))
    work.session.flush()
    return patient


def replace_allergies(work: Work, patient_pk: int, allergies: Sequence[AllergyInput] | None) -> None:
    """Sets the list of allergies; what stood before is kept in the history.

    An empty list says that somebody asked and none are known; None, that it is not known whether there are any.
    """
    work.require(Permission.PATIENT_WRITE, Permission.STEP_PERFORM)
    patient = _living(work, patient_pk, lock=True)
    patient_pk = patient.patient_pk
    before = _known_allergies(patient, store.allergies_of(work.session, [patient_pk])[patient_pk])
    _set_allergies(work, patient, allergies)
    after = _known_allergies(patient, store.allergies_of(work.session, [patient_pk])[patient_pk])
    work.audit(AuditEventID.PATIENT_RECORD, "U", patient_pk=patient_pk, detail={"fields": "allergies"})
    change = [None if one is None else sorted(a.substance for a in one) for one in (before, after)]
    _note_change(work, patient_pk, {"allergies": change})
    work.publish(PatientChanged(patient_pk))


def replace_coverage(work: Work, patient_pk: int, given: CoverageInput) -> Coverage:
    """Sets who pays at the given priority; the earlier coverage ends and is kept. Raises Invalid, NotFound."""
    work.require(Permission.PATIENT_WRITE, Permission.BILLING_WRITE)
    patient_pk = _living(work, patient_pk, lock=True).patient_pk
    before = {
        one.priority: f"{payer.name} {one.member_id}"
        for one, payer in store.coverages_of(work.session, patient_pk)
    }
    coverage = _set_coverage(work, patient_pk, given)
    work.session.flush()
    payer = work.session.get_one(Payer, coverage.payer_pk)
    _note_change(
        work,
        patient_pk,
        {f"coverage {given.priority}": [before.get(given.priority), f"{payer.name} {coverage.member_id}"]},
    )
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "U",
        patient_pk=patient_pk,
        detail={"fields": f"coverage {given.priority}"},
    )
    work.publish(PatientChanged(patient_pk))
    return coverage


def payers(work: Work) -> list[Payer]:
    """All payers by name."""
    work.require(Permission.PATIENT_READ, Permission.BILLING_READ)
    return list(work.session.scalars(select(Payer).order_by(Payer.name)))


def payer_by_identifier(work: Work, given: PayerInput) -> Payer:
    """The payer with this identifier, made if new."""
    work.require(Permission.PATIENT_WRITE, Permission.BILLING_WRITE)
    payer = work.session.scalar(select(Payer).where(Payer.payer_id == given.payer_id))
    if payer is not None:
        return payer
    payer = Payer(**{f.name: getattr(given, f.name) for f in fields(given)})
    try:
        with work.session.begin_nested():
            work.session.add(payer)
            work.session.flush()
    except IntegrityError:  # another made it a moment ago
        return work.session.scalars(select(Payer).where(Payer.payer_id == given.payer_id)).one()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "C", object_type="payer", object_id=payer.payer_pk)
    return payer


def find_patients(work: Work, typed: str, *, limit: int = 25) -> list[FoundPatient]:
    """Patients by words of a name in any script (each a prefix), identifier, birth date or telephone number."""
    work.require(Permission.PATIENT_READ)
    typed = typed.strip()[: limits.SEARCH_TEXT_CHARACTERS_MAX]
    work.audit(
        AuditEventID.QUERY, "E", object_type="patient", detail={"query": "name, identifier, date or number"}
    )
    if not typed:
        return []
    return _found(work, store.find(work.session, typed, limit=min(limit, limits.PAGE_ITEMS_MAX)))


def possible_duplicates(work: Work, given: PatientInput, *, limit: int = 8) -> list[Candidate]:
    """Records that may be the person about to be registered, likeliest first. Never merges anything."""
    work.require(Permission.PATIENT_READ)
    work.audit(AuditEventID.QUERY, "E", object_type="patient", detail={"query": "possible duplicates"})
    persona = Persona(
        given.patient_name,
        given.patient_birth_date,
        given.patient_sex,
        rules.digits(given.patient_telephone_numbers),
    )
    return _scored(work, persona, limit, leave_out=None)


def duplicates_of(work: Work, patient_pk: int, *, limit: int = 8) -> list[Candidate]:
    """Other records that may be the same person as a registered patient."""
    work.require(Permission.PATIENT_READ)
    patient = _living(work, patient_pk)
    work.audit(AuditEventID.QUERY, "E", object_type="patient", detail={"query": "possible duplicates"})
    persona = Persona(
        patient.patient_name, patient.patient_birth_date, patient.patient_sex, patient.telephone_digits
    )
    return _scored(work, persona, limit, leave_out=patient.patient_pk)


def patient_by_identifier(work: Work, issuer_of_patient_id: str, patient_id: str) -> Patient | None:
    """The patient that holds this identifier, or None."""
    work.require(Permission.PATIENT_READ)
    patient = store.patient_by_identifier(work.session, issuer_of_patient_id.strip(), patient_id.strip())
    work.audit(
        AuditEventID.PATIENT_RECORD,
        "R",
        patient_pk=None if patient is None else patient.patient_pk,
        object_type="patient",
    )
    return patient


def get_patient(work: Work, patient_pk: int) -> PatientRecord:
    """The whole record; of a merged record, the one it was merged into. Raises NotFound."""
    work.require(Permission.PATIENT_READ)
    patient = _living(work, patient_pk)
    pk = patient.patient_pk
    work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=pk)
    merged = work.session.scalars(
        select(PatientMerge).where(
            PatientMerge.surviving_patient_pk == pk, PatientMerge.unmerged_at.is_(None)
        )
    )
    return PatientRecord(
        patient,
        _bars(work, [patient])[pk],
        store.identifiers_of(work.session, [pk])[pk],
        store.allergies_of(work.session, [pk])[pk],
        store.coverages_of(work.session, pk),
        list(merged),
    )


def history(work: Work, patient_pk: int) -> list[PatientChange]:
    """What was changed in the record, newest first; of a merged record, in it and in the one it was merged into."""
    work.require(Permission.PATIENT_READ)
    living_pk = _living(work, patient_pk).patient_pk
    work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=patient_pk, detail={"what": "history"})
    return list(
        work.session.scalars(
            select(PatientChange)
            .where(PatientChange.patient_pk.in_({patient_pk, living_pk}))
            .order_by(PatientChange.patient_change_pk.desc())
            .limit(limits.PAGE_ITEMS_MAX)
        )
    )


def patient_bar(work: Work, patient_pk: int) -> PatientBar:
    """The patient bar. Raises NotFound."""
    work.require(Permission.PATIENT_READ)
    patient = _living(work, patient_pk)
    work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=patient.patient_pk)
    return _bars(work, [patient])[patient.patient_pk]


def patient_bars(work: Work, patient_pks: Iterable[int]) -> dict[int, PatientBar]:
    """Patient bars for a list; the calling use case writes the audit record."""
    wanted = set(patient_pks)
    patients = list(work.session.scalars(select(Patient).where(Patient.patient_pk.in_(wanted))))
    return _bars(work, patients)


def merge_patients(
    work: Work, surviving_patient_pk: int, merged_patient_pk: int, reason: str
) -> PatientMerge:
    """Makes everything of one record belong to the other, reversibly.

    Raises Invalid where both are the same (HL7 ERR 205), Conflict where either is merged already.
    """
    work.require(Permission.PATIENT_WRITE)
    if surviving_patient_pk == merged_patient_pk:
        raise Invalid(
            "A record cannot be merged into itself.",
            fields=[FieldError("merged_patient_pk", "the same record")],
        )
    if not reason.strip():
        raise Invalid("A merge needs a reason.", fields=[FieldError("reason", "is empty")])
    # Always locked in the same order, so that two opposite merges cannot wait for each other.
    records = {
        pk: store.patient_by_pk(work.session, pk, lock=True)
        for pk in sorted((surviving_patient_pk, merged_patient_pk))
    }
    survivor, loser = records[surviving_patient_pk], records[merged_patient_pk]
    if survivor is None or loser is None:
        raise NotFound("No such patient.")
    for record, name in ((survivor, "surviving_patient_pk"), (loser, "merged_patient_pk")):
        if record.merged_into_patient_pk is not None:
            raise Conflict(
                "One of the records is already merged into another.",
                fields=[FieldError(name, "is merged already")],
            )
    now = work.now()
    moved = store.move_rows(work.session, merged_patient_pk, surviving_patient_pk)
    loser.merged_into_patient_pk = surviving_patient_pk
    loser.updated_at = now
    merge = PatientMerge(
        surviving_patient_pk=surviving_patient_pk,
        merged_patient_pk=merged_patient_pk,
        reason=reason.strip()[:200],
        merged_at=now,
        merged_by=work.actor.username,
        moved=moved,
    )
    work.session.add(merge)
    work.session.flush()
    for pk in (surviving_patient_pk, merged_patient_pk):
        work.audit(
            AuditEventID.PATIENT_RECORD,
            "U",
            patient_pk=pk,
            object_type="merge",
            object_id=merge.patient_merge_pk,
            detail={"what": "merge", "into": str(surviving_patient_pk)},
        )
    work.publish(PatientMerged(surviving_patient_pk, merged_patient_pk, undone=False))
    return merge


def hold_patients(work: Work, named: Select[int]) -> set[int]:
    """Keeps the records whose keys a query names from being merged or separated until the end of the transaction, and
    waits where that is under way; returns the keys. What is then read of them and written with their key stays with them:
    a merge moves what it finds, and would not find what comes a moment later. Before other rows are locked."""
    held: set[int] = set()
    while wanted := set(work.session.scalars(named)) - held:
        store.hold(work.session, wanted)
        held |= wanted
    return held


def unmerge_patients(work: Work, merged_patient_pk: int) -> Patient:
    """Undoes a merge: every row that was moved and still stands where it was moved to goes back.

    Raises NotFound; Conflict where the survivor was merged on: that merge has to be undone first.
    """
    work.require(Permission.PATIENT_WRITE)
    merge = store.open_merge(work.session, merged_patient_pk)
    if merge is None:
        raise NotFound("This record is not merged.")
    records = {
        pk: store.patient_by_pk(work.session, pk, lock=True)
        for pk in sorted((merge.surviving_patient_pk, merged_patient_pk))
    }
    survivor, loser = records[merge.surviving_patient_pk], records[merged_patient_pk]
    if survivor is None or loser is None or loser.merged_into_patient_pk is None:
        raise NotFound("This record is not merged.")
    if survivor.merged_into_patient_pk is not None:
        # Its rows went on with that merge, and would stay there under a wrong name.
        raise Conflict("The record it was merged into was merged itself. Undo that merge first.")
    store.move_back(work.session, merge.moved, merge.surviving_patient_pk, merged_patient_pk)
    loser.merged_into_patient_pk = None
    loser.updated_at = work.now()
    merge.unmerged_at = work.now()
    merge.unmerged_by = work.actor.username
    work.session.flush()
    work.session.expire_all()
    identifiers = store.identifiers_of(work.session, [merged_patient_pk])[merged_patient_pk]
    if identifiers and not any(one.is_primary for one in identifiers):
        store.set_primary(work.session, merged_patient_pk, identifiers[0].patient_identifier_pk)
    for pk in (merge.surviving_patient_pk, merged_patient_pk):
        work.audit(
            AuditEventID.PATIENT_RECORD,
            "U",
            patient_pk=pk,
            object_type="merge",
            object_id=merge.patient_merge_pk,
            detail={"what": "unmerge"},
        )
    work.publish(PatientMerged(merge.surviving_patient_pk, merged_patient_pk, undone=True))
    return loser


def _living(work: Work, patient_pk: int, *, lock: bool = False) -> Patient:
    """The record, or the one it was merged into. Raises NotFound."""
    seen: set[int] = set()
    patient = store.patient_by_pk(work.session, patient_pk, lock=lock)
    while patient is not None and patient.merged_into_patient_pk is not None:
        if patient.patient_pk in seen:
            break
        seen.add(patient.patient_pk)
        patient = store.patient_by_pk(work.session, patient.merged_into_patient_pk, lock=lock)
    if patient is None:
        raise NotFound("No such patient.")
    return patient


def _scored(work: Work, persona: Persona, limit: int, leave_out: int | None) -> list[Candidate]:
    scored = []
    for patient in store.duplicate_candidates(work.session, persona):
        if patient.patient_pk == leave_out:
            continue
        other = Persona(
            patient.patient_name, patient.patient_birth_date, patient.patient_sex, patient.telephone_digits
        )
        alike = rules.likeness(persona, other)
        if alike.score >= rules.DUPLICATE_SCORE_MIN:
            scored.append((alike, patient))
    scored.sort(key=lambda pair: -pair[0].score)
    found = _found(work, [patient for _, patient in scored[:limit]])
    return [Candidate(one, alike) for one, (alike, _) in zip(found, scored, strict=False)]


def _found(work: Work, patients: list[Patient]) -> list[FoundPatient]:
    bars = _bars(work, patients)
    return [
        FoundPatient(bars[p.patient_pk], p.patient_address, p.city, p.patient_telephone_numbers)
        for p in patients
    ]


def _bars(work: Work, patients: list[Patient]) -> dict[int, PatientBar]:
    pks = [patient.patient_pk for patient in patients]
    if not pks:
        return {}
    identifiers = store.identifiers_of(work.session, pks)
    allergies = store.allergies_of(work.session, pks)
    return {
        patient.patient_pk: _bar(
            patient, identifiers[patient.patient_pk], allergies[patient.patient_pk], work.now()
        )
        for patient in patients
    }


def _bar(
    patient: Patient, identifiers: list[PatientIdentifier], allergies: list[Allergy], now: datetime
) -> PatientBar:
    first = identifiers[0] if identifiers else None
    known = _known_allergies(patient, allergies)
    renal = None
    if patient.egfr_ml_min is not None:
        renal = f"eGFR {patient.egfr_ml_min}"
        if patient.egfr_date is not None:
            renal += f" ({patient.egfr_date:%Y-%m-%d})"
    return PatientBar(
        patient_pk=patient.patient_pk,
        patient_name=patient.patient_name,
        patient_sex=patient.patient_sex,
        patient_birth_date=patient.patient_birth_date,
        age=age_text(patient.patient_birth_date, now.date(), deceased=patient.deceased),
        patient_id=first.patient_id if first else None,
        issuer_of_patient_id=first.issuer_of_patient_id if first else None,
        allergies=known if known is None else [_allergy_text(one) for one in known],
        severe_allergy=any(a.severe for a in allergies),
        pregnancy_status=patient.pregnancy_status,
        implants=patient.implants,
        renal=renal,
        medical_alerts=patient.medical_alerts,
        confidentiality=patient.confidentiality,
        deceased=patient.deceased,
        unidentified=patient.unidentified,
    )


def _allergy_text(allergy: Allergy) -> str:
    return f"{allergy.substance} ({allergy.reaction})" if allergy.reaction else allergy.substance


def _known_allergies(patient: Patient, allergies: list[Allergy]) -> list[Allergy] | None:
    """None where nobody asked. What came from a merged record counts, whoever was asked."""
    return allergies if allergies or patient.allergies_asked_at is not None else None


def _set_allergies(work: Work, patient: Patient, allergies: Sequence[AllergyInput] | None) -> None:
    patient_pk = patient.patient_pk
    patient.allergies_asked_at = None if allergies is None else work.now()
    allergies = allergies or ()
    errors = [
        FieldError("allergies", "a substance is needed, at most 64 characters")
        for one in allergies
        if not 0 < len(one.substance.strip()) <= 64
    ]
    if errors:
        raise Invalid("An allergy is not complete.", fields=errors)
    for row in store.allergies_of(work.session, [patient_pk])[patient_pk]:
        work.session.delete(row)
    for one in allergies:
        work.session.add(
            Allergy(
                patient_pk=patient_pk,
                substance=one.substance.strip(),
                reaction=one.reaction,
                severe=one.severe,
            )
        )
    work.session.flush()


def _set_coverage(work: Work, patient_pk: int, given: CoverageInput) -> Coverage:
    errors = []
    if given.priority not in (1, 2, 3):
        errors.append(FieldError("priority", "must be 1, 2 or 3"))
    if not given.member_id.strip():
        errors.append(FieldError("member_id", "is empty"))
    if given.relationship not in set(Relationship):
        errors.append(FieldError("relationship", f"must be one of {', '.join(Relationship)}"))
    elif given.relationship != Relationship.SELF and not given.subscriber_name:
        errors.append(FieldError("subscriber_name", "is needed where the patient is not the subscriber"))
    if work.session.get(Payer, given.payer_pk) is None:
        errors.append(FieldError("payer_pk", "no such payer"))
    if errors:
        raise Invalid("The coverage is not complete.", fields=errors)
    for earlier, _payer in store.coverages_of(work.session, patient_pk):
        if earlier.priority == given.priority:
            earlier.ended_at = work.now()
    work.session.flush()
    values = {f.name: getattr(given, f.name) for f in fields(given)}
    values["member_id"] = given.member_id.strip()
    coverage = Coverage(patient_pk=patient_pk, **values)
    work.session.add(coverage)
    return coverage


def _note_change(work: Work, patient_pk: int, changes: dict[str, Any]) -> None:
    work.session.add(
        PatientChange(
            patient_pk=patient_pk, changed_at=work.now(), changed_by=work.actor.username, changes=changes
        )
    )


def _cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = {}
    for name, value in values.items():
        kept = value.strip() if isinstance(value, str) else value
        cleaned[name] = None if kept == "" else kept
    return cleaned


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value


_TEXT_LENGTHS = {
    column.name: column.type.length
    for column in Patient.__table__.columns
    if isinstance(column.type, String) and column.type.length is not None
}


def _check(values: Mapping[str, Any], today: date) -> None:
    errors: list[FieldError] = []
    if "patient_name" in values:
        errors += rules.check_person_name(values["patient_name"] or "")
    sex = values.get("patient_sex")
    if sex not in (None, "", "M", "F", "O"):
        errors.append(FieldError("patient_sex", "must be M, F or O (PS3.3 C.7.1.1)"))
    if (status := values.get("pregnancy_status")) not in (None, "") and status not in set(PregnancyStatus):
        errors.append(FieldError("pregnancy_status", f"must be one of {', '.join(PregnancyStatus)}"))
    born = values.get("patient_birth_date")
    if isinstance(born, date) and not date(1850, 1, 1) <= born <= today + timedelta(days=1):
        errors.append(FieldError("patient_birth_date", "lies in the future or before 1850"))
    for name, low, high in (
        ("patient_size_m", 0.1, 3),
        ("patient_weight_kg", 0.1, 999),
        ("egfr_ml_min", 0, 250),
    ):
        number = values.get(name)
        if number is not None and not low <= number <= high:
            errors.append(FieldError(name, f"must lie between {low} and {high}"))
    for name, longest in _TEXT_LENGTHS.items():
        value = values.get(name)
        if isinstance(value, str) and len(value) > longest and name != "patient_name":
            errors.append(FieldError(name, f"at most {longest} characters"))
        if isinstance(value, str) and "\x00" in value:
            errors.append(FieldError(name, "a NUL character cannot be kept"))
    if errors:
        raise Invalid("The patient's data is not complete or not right.", fields=errors)


def _check_identifiers(identifiers: Sequence[IdentifierInput]) -> None:
    errors = []
    for one in identifiers:
        if not 0 < len(one.patient_id.strip()) <= 64:
            errors.append(FieldError("patient_id", "1 to 64 characters"))
        if not 0 < len(one.issuer_of_patient_id.strip()) <= 64:
            errors.append(
                FieldError("issuer_of_patient_id", "1 to 64 characters; an identifier needs its issuer")
            )
    if errors:
        raise Invalid("An identifier is not complete.", fields=errors)
