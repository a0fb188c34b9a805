"""Finding a study for a person who wants to do something with it: by who, by accession number, or the newest."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select

from wetread.archive import store
from wetread.archive.hiding import holds_on
from wetread.archive.model import Study
from wetread.archive.rules import Level
from wetread.archive.service import visible_studies
from wetread.kit import limits
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.security.service import AuditEventID, Permission, Work


def find_studies(
    work: Work, typed: str, *, patient_pk: int | None = None, limit: int = 100, cursor: str | None = None
) -> Page[tuple[Study, bool]]:
    """Studies whose patient's name or ID, or accession number, begins with what was typed, the latest to arrive first;
    of a patient alone where `patient_pk` is given. With each, whether it is under legal hold."""
    work.require(Permission.STUDY_READ)
    words = typed.strip()[: limits.SEARCH_TEXT_CHARACTERS_MAX]
    conditions: list[ColumnElement[bool]] = []
    if words:
        # What is typed is no pattern.
        plain = words.translate({ord(character): " " for character in "*?\\="}).strip()
        ways = [
            Study.patient_id.istartswith(words, autoescape=True),
            Study.accession_number.istartswith(words, autoescape=True),
        ]
        if plain:
            named = store.KEYS[Level.STUDY].conditions({"PatientName": f"{plain}*"}, fuzzy_names=True)
            ways += named.conditions
        conditions.append(or_(*ways))
    if patient_pk is not None:
        conditions.append(Study.patient_pk == patient_pk)
    visible = visible_studies(work)
    if visible is not None:
        conditions.append(visible)
    if cursor is not None:
        conditions.append(Study.study_pk < decode_cursor(cursor, 1)[0])
    limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
    found = list(
        work.session.scalars(
            select(Study).where(*conditions).order_by(Study.study_pk.desc()).limit(limit + 1)
        )
    )
    rows, more = found[:limit], len(found) > limit
    held = holds_on(work.session, [one.study_pk for one in rows], work.now().date())
    work.audit(AuditEventID.QUERY, "E", object_type="study", detail={"matches": str(len(rows))})
    return Page(
        [(one, one.study_pk in held) for one in rows],
        encode_cursor(rows[-1].study_pk) if more else None,
        None,
    )
