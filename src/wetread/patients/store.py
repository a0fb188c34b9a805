"""All SQL of the patients room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, cast

from sqlalchemy import Table, and_, false, func, or_, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from wetread.kit.db import Base
from wetread.patients import rules
from wetread.patients.model import (
    Allergy,
    Coverage,
    Patient,
    PatientChange,
    PatientIdentifier,
    PatientMerge,
    Payer,
)

CANDIDATES_MAX = 200
_NOT_MOVED = frozenset({"patient", "patient_merge", "patient_change", "audit_record"})


def next_patient_number(session: Session) -> int:
    """The next number for an identifier of our own."""
    return int(session.execute(text("SELECT nextval('patient_number')")).scalar_one())


def next_unknown_number(session: Session, stem: str, since: date) -> int:
    """1 + the highest number under `stem` (e.g. "Unknown^Male ") that was given since a day or is still borne.

    A number whose bearer was identified meanwhile is not given again that day: papers and images bear it. Callers are
    serialised.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('unknown patient'))"))
    borne = session.scalars(
        select(Patient.patient_name).where(
            Patient.patient_name.startswith(stem, autoescape=True),
            or_(Patient.unidentified, Patient.created_at >= since),
        )
    )
    before = PatientChange.changes["patient_name"][0].astext
    left = session.scalars(
        select(before)
        .join(Patient, Patient.patient_pk == PatientChange.patient_pk)
        .where(before.startswith(stem, autoescape=True), Patient.created_at >= since)
    )
    numbers = (name.removeprefix(stem) for name in (*borne, *left))
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)


def patient_by_pk(session: Session, patient_pk: int, *, lock: bool = False) -> Patient | None:
    """The record itself, merged or not."""
    return session.get(Patient, patient_pk, with_for_update=lock or None, populate_existing=lock)


def hold(session: Session, patient_pks: Iterable[int]) -> None:
    """Locks records against who merges them, by ascending key; not against who changes what they say."""
    session.execute(
        select(Patient.patient_pk)
        .where(Patient.patient_pk.in_(set(patient_pks)))
        .order_by(Patient.patient_pk)
        .with_for_update(read=True, key_share=True)
    ).all()


def patient_by_identifier(session: Session, issuer_of_patient_id: str, patient_id: str) -> Patient | None:
    """The present holder of an identifier."""
    return session.scalar(
        select(Patient)
        .join(PatientIdentifier, PatientIdentifier.patient_pk == Patient.patient_pk)
        .where(
            PatientIdentifier.issuer_of_patient_id == issuer_of_patient_id,
            PatientIdentifier.patient_id == patient_id,
        )
    )


def identifiers_of(session: Session, patient_pks: Iterable[int]) -> dict[int, list[PatientIdentifier]]:
    """Identifiers by patient, the primary one first."""
    found: dict[int, list[PatientIdentifier]] = {pk: [] for pk in patient_pks}
    rows = session.scalars(
        select(PatientIdentifier)
        .where(PatientIdentifier.patient_pk.in_(found))
        .order_by(PatientIdentifier.is_primary.desc(), PatientIdentifier.patient_identifier_pk)
    )
    for row in rows:
        found[row.patient_pk].append(row)
    return found


def allergies_of(session: Session, patient_pks: Iterable[int]) -> dict[int, list[Allergy]]:
    """Allergies by patient, severe ones first."""
    found: dict[int, list[Allergy]] = {pk: [] for pk in patient_pks}
    rows = session.scalars(
        select(Allergy)
        .where(Allergy.patient_pk.in_(found))
        .order_by(Allergy.severe.desc(), Allergy.substance)
    )
    for row in rows:
        found[row.patient_pk].append(row)
    return found


def coverages_of(session: Session, patient_pk: int) -> list[tuple[Coverage, Payer]]:
    """The running coverages in order of who pays first."""
    rows = session.execute(
        select(Coverage, Payer)
        .join(Payer, Payer.payer_pk == Coverage.payer_pk)
        .where(Coverage.patient_pk == patient_pk, Coverage.ended_at.is_(None))
        .order_by(Coverage.priority)
    )
    return [(coverage, payer) for coverage, payer in rows]


def has_words(column: InstrumentedAttribute[str], typed: str) -> ColumnElement[bool]:
    """True where every typed word begins a word of `column` (made by `rules.name_words`) in one of its spellings.

    False where nothing was typed but marks: what asks for nothing must not show everybody.
    """
    terms = rules.search_terms(typed)
    if not terms:
        return false()
    return and_(
        *(
            or_(*(column.like(f"% {rules.like_literal(form)}%", escape="\\") for form in forms))
            for forms in terms
        )
    )


def _has_identifier(typed: str) -> ColumnElement[bool]:
    return Patient.patient_pk.in_(
        select(PatientIdentifier.patient_pk).where(
            PatientIdentifier.patient_id.ilike(f"{rules.like_literal(typed)}%", escape="\\")
        )
    )


def find(session: Session, typed: str, *, limit: int) -> list[Patient]:
    """Living records for what a person typed: words of a name, an identifier, a birth date or a telephone number."""
    conditions: list[ColumnElement[bool]] = [Patient.merged_into_patient_pk.is_(None)]
    name: list[str] = []
    for word in typed.split():
        born = rules.birth_date_typed(word)
        number = rules.digits(word)
        if born is not None:
            # Eight digits may be a date and may be somebody's number.
            conditions.append(or_(Patient.patient_birth_date == born, _has_identifier(word)))
        elif number is not None:
            either = [_has_identifier(word), has_words(Patient.search_words, word)]
            if len(number) >= 4:
                either.append(Patient.telephone_digits.like(f"%{number}%"))
            conditions.append(or_(*either))
        else:
            name.append(word)
    if name:
        is_name = has_words(Patient.search_words, " ".join(name))
        if len(name) == 1 and rules.words_of(name[0]):
            is_name = or_(is_name, _has_identifier(name[0]))
        conditions.append(is_name)
    return list(
        session.scalars(
            select(Patient).where(*conditions).order_by(Patient.search_words, Patient.patient_pk).limit(limit)
        )
    )


def duplicate_candidates(session: Session, persona: rules.Persona) -> list[Patient]:
    """Records worth scoring: an alike name, or the same birth date or telephone number."""
    words = rules.name_words(persona.patient_name).strip()
    alike: list[ColumnElement[bool]] = []
    if words:
        alike.append(Patient.search_words.op("%>")(words))
        alike.append(has_words(Patient.search_words, persona.patient_name))
    if persona.patient_birth_date is not None:
        alike.append(Patient.patient_birth_date == persona.patient_birth_date)
    if persona.telephone_digits and len(persona.telephone_digits) >= 6:
        alike.append(Patient.telephone_digits == persona.telephone_digits)
    if not alike:
        return []
    # <-> alone would put the whole table in order; the similarity threshold is pg_trgm's.
    return list(
        session.scalars(
            select(Patient)
            .where(Patient.merged_into_patient_pk.is_(None), or_(*alike))
            .order_by(func.similarity(Patient.search_words, words).desc(), Patient.patient_pk)
            .limit(CANDIDATES_MAX)
        )
    )


def patient_columns() -> list[tuple[Table, str]]:
    """Every column of the house that points at a patient, except the room's own book-keeping."""
    found = []
    for table in Base.metadata.sorted_tables:
        if table.name in _NOT_MOVED:
            continue
        for column in table.columns:
            if any(key.target_fullname == "patient.patient_pk" for key in column.foreign_keys):
                found.append((table, column.name))
    return found


def move_rows(session: Session, from_pk: int, to_pk: int) -> list[list[Any]]:
    """Points every row of one patient at another; returns [[table, column, [[primary key…], …]], …].

    A running coverage whose place is taken stays behind: who pays first is not for a merge to decide.
    """
    moved: list[list[Any]] = []
    for table, name in patient_columns():
        column = table.c[name]
        values: dict[str, Any] = {name: to_pk}
        where = [column == from_pk]
        if table.name == "patient_identifier":
            values["is_primary"] = False
        elif table.name == "coverage":
            taken = select(Coverage.priority).where(Coverage.patient_pk == to_pk, Coverage.ended_at.is_(None))
            where.append(or_(table.c.ended_at.is_not(None), table.c.priority.not_in(taken)))
        keys = session.execute(
            update(table).where(*where).values(**values).returning(*table.primary_key.columns)
        ).all()
        if keys:
            moved.append([table.name, name, [list(key) for key in keys]])
    return moved


def move_back(session: Session, moved: Sequence[Sequence[Any]], from_pk: int, to_pk: int) -> int:
    """Undoes `move_rows` for the rows that still point at `from_pk`; returns how many."""
    count = 0
    for table_name, name, keys in moved:
        table = Base.metadata.tables[table_name]
        for key in keys:
            where = [column == part for column, part in zip(table.primary_key.columns, key, strict=True)]
            result = session.execute(
                update(table).where(*where, table.c[name] == from_pk).values(**{name: to_pk})
            )
            count += cast(Any, result).rowcount
    return count


def set_primary(session: Session, patient_pk: int, patient_identifier_pk: int) -> None:
    """Marks one identifier as the one that people use."""
    session.execute(
        update(PatientIdentifier).where(PatientIdentifier.patient_pk == patient_pk).values(is_primary=False)
    )
    session.execute(
        update(PatientIdentifier)
        .where(PatientIdentifier.patient_identifier_pk == patient_identifier_pk)
        .values(is_primary=True)
    )


def open_merge(session: Session, merged_patient_pk: int) -> PatientMerge | None:
    """The merge by which a record vanished, where it stands."""
    return session.scalar(
        select(PatientMerge).where(
            PatientMerge.merged_patient_pk == merged_patient_pk, PatientMerge.unmerged_at.is_(None)
        )
    )
