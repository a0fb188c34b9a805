"""What is laid over each object on the way out: which corrections hold for it, in their order, and where it belongs.

An object is followed from the study that it names: what is corrected of a study holds for what hangs on it at that
time, and a move carries it on to the next. So nothing is copied when something moves, what still arrives gets the same
corrections as what was there, and an act that was taken back has simply never been.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from wetread.archive.model import WITH_REMOVED, Series, StudyCorrection
from wetread.archive.rules import JsonDict, correction_trace
from wetread.archive.store import StoredInstance


@dataclass(frozen=True, slots=True)
class Layers:
    """Corrections as (attributes, item of Original Attributes Sequence), oldest first; `key` names them."""

    corrections: tuple[tuple[JsonDict, JsonDict], ...] = ()
    key: tuple[int, ...] = ()


NONE = Layers()


@dataclass(frozen=True, slots=True)
class Path:
    """How a series came to its place: the study where it hangs, and the rows that held on the way."""

    study_pk: int
    rows: list[StudyCorrection]


def follow(rows: Iterable[StudyCorrection], series_pk: int, named_study_pk: int) -> Path:
    """The way of a series whose objects name `named_study_pk`, through rows in their order."""
    place, held = named_study_pk, []
    for row in rows:
        if row.series_pk is not None:
            if row.series_pk != series_pk or row.instance_pk is not None:
                continue
        elif place != (row.study_pk if row.from_study_pk is None else row.from_study_pk):
            continue
        held.append(row)
        if row.from_study_pk is not None:
            place = row.study_pk
    return Path(place, held)


def rows_for(session: Session, study_pks: Iterable[int], series_pks: Sequence[int]) -> list[StudyCorrection]:
    """All rows that could hold for the series, whose objects name or hang on the studies; those taken back left out."""
    known: set[int] = set()
    wanted = set(study_pks)
    found: dict[int, StudyCorrection] = {}
    while wanted - known:
        known |= wanted
        rows = session.scalars(
            select(StudyCorrection)
            .where(
                StudyCorrection.undone_at.is_(None),
                or_(
                    StudyCorrection.series_pk.in_(series_pks),
                    StudyCorrection.series_pk.is_(None)
                    & or_(StudyCorrection.study_pk.in_(known), StudyCorrection.from_study_pk.in_(known)),
                ),
            )
            .execution_options(**WITH_REMOVED)
        )
        for row in rows:
            found[row.study_correction_pk] = row
            wanted.add(row.study_pk)
            if row.from_study_pk is not None:
                wanted.add(row.from_study_pk)
    return [found[key] for key in sorted(found)]


def layers_of(session: Session, stored: Sequence[StoredInstance]) -> dict[int, Layers]:
    """The layers of instances that have any, by instance_pk."""
    places = {one.series_pk: one.study_pk for one in stored}
    series_pks = list(places)
    named: dict[int, int] = {}
    for series_pk, received in session.execute(
        select(Series.series_pk, Series.received_study_pk)
        .where(Series.series_pk.in_(series_pks), Series.received_study_pk.is_not(None))
        .execution_options(**WITH_REMOVED)
    ):
        named[series_pk] = received or 0
    rows = rows_for(session, {*places.values(), *named.values()}, series_pks)
    if not rows:
        return {}
    of_series = {
        series_pk: follow(rows, series_pk, named.get(series_pk, study_pk)).rows
        for series_pk, study_pk in places.items()
    }
    of_instance: dict[int, list[StudyCorrection]] = {}
    for row in rows:
        if row.instance_pk is not None:
            of_instance.setdefault(row.instance_pk, []).append(row)
    made: dict[int, Layers] = {series_pk: _layers(held) for series_pk, held in of_series.items()}
    found: dict[int, Layers] = {}
    for one in stored:
        own = of_instance.get(one.instance_pk)
        layers = (
            made[one.series_pk]
            if own is None
            else _layers(sorted([*of_series[one.series_pk], *own], key=lambda row: row.study_correction_pk))
        )
        if layers.key:
            found[one.instance_pk] = layers
    return found


def _layers(rows: Sequence[StudyCorrection]) -> Layers:
    if not rows:
        return NONE
    return Layers(
        tuple((row.attributes, trace_of(row)) for row in rows),
        tuple(row.study_correction_pk for row in rows),
    )


def trace_of(row: StudyCorrection) -> JsonDict:
    """The item of Original Attributes Sequence for a row, still without what was replaced."""
    return correction_trace(
        row.corrected_at.strftime("%Y%m%d%H%M%S.%f+0000"),
        row.corrected_by,
        row.reason_for_the_attribute_modification,
    )
