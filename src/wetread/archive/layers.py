"""What is laid over each object on the way out: which corrections hold for it, in their order, and where it belongs.

An object is followed from the study that it names: what is corrected of a study holds for what hangs on it at that
time, and a move carries it on to the next. So nothing is copied when something moves, what still arrives gets the same
corrections as what was there, and an act that was taken back has simply never been.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
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
    """How a series, or one image, came to its place: the study where it hangs, and the rows that held on the way."""

    study_pk: int
    rows: list[StudyCorrection]


def follow(
    rows: Iterable[StudyCorrection], series_pk: int, named_study_pk: int, instance_pk: int | None = None
) -> Path:
    """The way of a series whose objects name `named_study_pk`, through rows in their order; or of one image that names it,
    which may have been split off."""
    place, held = named_study_pk, []
    for row in rows:
        if row.instance_pk is not None:
            if row.instance_pk != instance_pk:
                continue
            if row.from_series_pk is not None:
                series_pk = row.series_pk or 0
        elif row.series_pk is not None:
            if row.series_pk != series_pk:
                continue
        elif place != (row.study_pk if row.from_study_pk is None else row.from_study_pk):
            continue
        held.append(row)
        if row.from_study_pk is not None:
            place = row.study_pk
    return Path(place, held)


def rows_for(
    session: Session, study_pks: Iterable[int], series_pks: Iterable[int], instance_pks: Sequence[int] = ()
) -> list[StudyCorrection]:
    """All rows that could hold for the series, whose objects name or hang on the studies, and for these images of them; those
    taken back left out."""
    studies, series = set(study_pks), set(series_pks)
    known: tuple[int, int] = (0, 0)
    found: dict[int, StudyCorrection] = {}
    while known != (len(studies), len(series)):
        known = (len(studies), len(series))
        rows = session.scalars(
            select(StudyCorrection)
            .where(
                StudyCorrection.undone_at.is_(None),
                or_(
                    StudyCorrection.instance_pk.in_(instance_pks),
                    StudyCorrection.instance_pk.is_(None) & StudyCorrection.series_pk.in_(list(series)),
                    StudyCorrection.series_pk.is_(None)
                    & or_(
                        StudyCorrection.study_pk.in_(list(studies)),
                        StudyCorrection.from_study_pk.in_(list(studies)),
                    ),
                ),
            )
            .execution_options(**WITH_REMOVED)
        )
        for row in rows:
            found[row.study_correction_pk] = row
            studies.add(row.study_pk)
            if row.from_study_pk is not None:
                studies.add(row.from_study_pk)
            if row.from_series_pk is not None:
                series.add(row.from_series_pk)
    return [found[key] for key in sorted(found)]


def named_studies(session: Session, series_pks: Iterable[int]) -> dict[int, int]:
    """The studies that the objects of series name, by series_pk."""
    rows = session.execute(
        select(Series.series_pk, func.coalesce(Series.received_study_pk, Series.study_pk))
        .where(Series.series_pk.in_(list(series_pks)))
        .execution_options(**WITH_REMOVED)
    )
    return {series_pk: study_pk for series_pk, study_pk in rows}  # noqa: C416 - rows are no tuples to the type checker


def layers_of(session: Session, stored: Sequence[StoredInstance]) -> dict[int, Layers]:
    """The layers of instances that have any, by instance_pk."""
    places = {one.series_pk: one.study_pk for one in stored}
    named = {**places, **named_studies(session, places)}
    rows = rows_for(session, {*places.values(), *named.values()}, places, [one.instance_pk for one in stored])
    if not rows:
        return {}
    of_all = [row for row in rows if row.instance_pk is None]
    of_instance: dict[int, list[StudyCorrection]] = {}
    for row in rows:
        if row.instance_pk is not None:
            of_instance.setdefault(row.instance_pk, []).append(row)
    begun = {row.from_series_pk for row in rows if row.from_series_pk is not None} - named.keys()
    if begun:
        named |= named_studies(session, begun)
    made = {series_pk: _layers(follow(of_all, series_pk, named[series_pk]).rows) for series_pk in places}
    found: dict[int, Layers] = {}
    for one in stored:
        own = of_instance.get(one.instance_pk)
        if own is None:
            layers = made[one.series_pk]
        else:
            # Where it was split off, its way begins in the series that it names.
            series_pk = next(
                (row.from_series_pk for row in own if row.from_series_pk is not None), one.series_pk
            )
            way = sorted([*of_all, *own], key=lambda row: row.study_correction_pk)
            layers = _layers(follow(way, series_pk, named[series_pk], one.instance_pk).rows)
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
