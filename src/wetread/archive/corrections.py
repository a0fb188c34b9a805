"""Corrections by people: attributes edited, a study hung on another person, series moved, studies split and merged.

The bytes received stay as they are. An act writes rows that are laid over on the way out (`layers`), and moves the
rows of the index; taking it back marks its rows and derives the index again, so that what leaves is what left before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from pydicom.datadict import keyword_for_tag
from sqlalchemy import func, inspect, or_, select, update
from sqlalchemy.orm import Session, aliased

from wetread.archive import states, store
from wetread.archive.events import StudyUpdated
from wetread.archive.hiding import lock, settle
from wetread.archive.layers import NONE, follow, layers_of, rows_for
from wetread.archive.model import (
    WITH_REMOVED,
    Correction,
    Instance,
    Removal,
    Series,
    Study,
    StudyCorrection,
)
from wetread.archive.references import OF_ONE_STUDY, PRESENTATION_STATES, named_in, touch
from wetread.archive.rules import (
    CORRECTABLE,
    CORRECTABLE_OF_INSTANCE,
    CORRECTABLE_OF_SERIES,
    OF_PATIENT,
    JsonDict,
    Level,
    column_value,
    corrected,
    element_json,
    fault_of_value,
    person_name_text,
    snake,
    tag_of,
)
from wetread.archive.service import the_archive, visible_studies
from wetread.dicom.uid import new_uid
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, Invalid, NotFound
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.patients.model import Patient, PatientIdentifier
from wetread.security.service import AuditEventID, Permission, Work

_STUDY_UID, _SERIES_UID = "0020000D", "0020000E"
_OPEN = {
    Level.STUDY: CORRECTABLE,
    Level.SERIES: CORRECTABLE_OF_SERIES,
    Level.IMAGE: CORRECTABLE_OF_INSTANCE,
}
_OPTIONS = {"synchronize_session": False, **WITH_REMOVED}

OrderCheck = Callable[[Session, int], bool]
_hangs_on_order: OrderCheck | None = None


def use_order_check(check: OrderCheck) -> None:
    """Names how to find out whether a study hangs on an order, which only a higher room knows (composition root)."""
    global _hangs_on_order  # noqa: PLW0603 - one per process, set at composition
    _hangs_on_order = check


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants corrected.

    `edit` changes `attributes` (keyword → DICOM text) of the study, or of the series or instance that is named; `patient`
    hangs the study on a person of the register; `move` hangs series on another study; `split` makes a new study of
    series, described by `attributes`; `merge` hangs all of the study on another one. With `sop_instance_uids`, `move` and
    `split` take these images alone: they get a series of their own for each that they leave. Presentation states go with
    the images that they are about, where all of these go; where some do, each study has one for its own (`states`).
    """

    kind: str
    study_instance_uid: str
    series_instance_uids: tuple[str, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()
    sop_instance_uid: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    patient_pk: int | None = None
    target_study_instance_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One line of before and after; `scope` says of what, in words."""

    field: str
    scope: str
    before: str
    after: str


@dataclass(slots=True)
class _Plan:
    """What an act will write."""

    study: Study
    changes: list[Change]
    rows: list[StudyCorrection] = field(default_factory=list)
    target: Study | None = None
    series: list[Series] = field(default_factory=list)
    images: dict[int, list[Instance]] = field(default_factory=dict)
    """Those that leave their series, by its series_pk."""
    instance: Instance | None = None
    patient_pk: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def preview(work: Work, wish: Wish) -> list[Change]:
    """What would be changed. Raises NotFound, Invalid, Conflict as `correct` does."""
    work.require(Permission.RECONCILE)
    plan = _plan(work, wish)
    work.audit(
        AuditEventID.INSTANCES_ACCESSED,
        "R",
        patient_pk=plan.study.patient_pk,
        study_instance_uid=plan.study.study_instance_uid,
        object_type="correction",
        detail={"preview": wish.kind},
    )
    work.session.expire_all()
    return plan.changes


def correct(work: Work, wish: Wish, *, reason: str) -> Correction:
    """Does what is wished. Raises NotFound, Invalid for values, Conflict where it would change nothing or must not be."""
    work.require(Permission.RECONCILE)
    reason = reason.strip()[:200]
    if not reason:
        raise Invalid("Say why.", fields=[FieldError("reason", "is needed for the record")])
    session = work.session
    pks = [
        _study(work, uid).study_pk for uid in (wish.study_instance_uid, wish.target_study_instance_uid) if uid
    ]
    lock(session, sorted(pks))
    plan = _plan(work, wish)
    if not plan.changes:
        raise Conflict("It is like that already: nothing would change.")
    study = plan.study
    if wish.kind == "split":
        plan.target = _new_study(work, study)
    target = plan.target
    apart = _new_series(work, plan)
    act = Correction(
        kind=wish.kind,
        study_pk=study.study_pk,
        target_study_pk=None if target is None else target.study_pk,
        series_pks=sorted({*(one.series_pk for one in plan.series), *apart, *apart.values()}),
        changes=[
            {"field": one.field, "scope": one.scope, "before": one.before, "after": one.after}
            for one in plan.changes
        ],
        patient_pk_before=study.patient_pk if wish.kind == "patient" else None,
        patient_pk_after=plan.patient_pk,
        reason=reason,
        corrected_at=work.now(),
        corrected_by=work.actor.username[:64],
    )
    session.add(act)
    session.flush()
    for row in _rows_of(work, wish, plan, apart):
        row.correction_pk = act.correction_pk
        row.reason, row.corrected_at, row.corrected_by = reason, act.corrected_at, act.corrected_by
        session.add(row)
    if wish.kind == "patient":
        study.patient_pk = plan.patient_pk
    if wish.kind == "merge" and target is not None:
        study.merged_into_study_pk = target.study_pk
    session.flush()
    if wish.kind == "edit":
        _recolumn(session, plan.study.study_pk, plan.series, plan.instance, set(wish.attributes))
    if wish.kind == "patient":
        _recolumn(session, study.study_pk, [], None, set(OF_PATIENT))
    if target is not None:
        if wish.kind == "split" and wish.attributes:
            _recolumn(session, target.study_pk, [], None, set(wish.attributes))
        for series_pk, images in plan.images.items():
            _hang(session, [one.instance_pk for one in images], apart[series_pk], target.study_pk)
        _replace(work, {study.study_pk, target.study_pk})
    _tell(work, act, "C")
    return act


def undo(work: Work, correction_pk: int, *, reason: str) -> Correction:
    """Takes an act back. Raises NotFound, Conflict where it was taken back or a later act stands on it."""
    work.require(Permission.RECONCILE)
    session = work.session
    query = (
        select(Correction)
        .join(Study, Study.study_pk == Correction.study_pk)
        .where(Correction.correction_pk == correction_pk)
        .execution_options(**WITH_REMOVED)
    )
    visible = visible_studies(work)
    act = session.scalar(query if visible is None else query.where(visible))
    if act is None:
        raise NotFound("There is no such correction.")
    pks = [one for one in (act.study_pk, act.target_study_pk) if one is not None]
    lock(session, sorted(pks))
    session.refresh(act, with_for_update=True)
    if act.undone_at is not None:
        raise Conflict("It was taken back already.")
    _check_last(session, act)
    study = session.get_one(Study, act.study_pk, execution_options=WITH_REMOVED)
    act.undone_at, act.undone_by, act.undone_reason = (
        work.now(),
        work.actor.username[:64],
        reason.strip()[:200],
    )
    rows = list(
        session.scalars(select(StudyCorrection).where(StudyCorrection.correction_pk == correction_pk))
    )
    for row in rows:
        row.undone_at = act.undone_at
    if act.kind == "patient":
        study.patient_pk = act.patient_pk_before
    if act.kind == "merge":
        study.merged_into_study_pk = None
    session.flush()
    for row in rows:
        if row.from_study_pk is None:
            series = (
                [session.get_one(Series, row.series_pk, execution_options=WITH_REMOVED)]
                if row.series_pk
                else []
            )
            instance = (
                session.get_one(Instance, row.instance_pk, execution_options=WITH_REMOVED)
                if row.instance_pk
                else None
            )
            _recolumn(session, row.study_pk, series, instance, _keywords(row))
    if act.target_study_pk is not None:
        touched = _hang_back(work, [row for row in rows if row.from_series_pk is not None])
        _replace(work, {act.study_pk, act.target_study_pk, *touched})
    _tell(work, act, "U")
    return act


def list_corrections(
    work: Work, *, study_pk: int | None = None, limit: int = 100, cursor: str | None = None
) -> Page[tuple[Correction, Study, Study | None]]:
    """Corrections, newest first, with the study of each and the one that it led to; of one study or of all."""
    work.require(Permission.RECONCILE)
    target = aliased(Study)
    query = (
        select(Correction, Study, target)
        .join(Study, Study.study_pk == Correction.study_pk)
        .outerjoin(target, target.study_pk == Correction.target_study_pk)
    )
    visible = visible_studies(work)
    if visible is not None:
        query = query.where(visible)
    if study_pk is not None:
        query = query.where(or_(Correction.study_pk == study_pk, Correction.target_study_pk == study_pk))
    if cursor is not None:
        query = query.where(Correction.correction_pk < decode_cursor(cursor, 1)[0])
    limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
    rows = work.session.execute(
        query.order_by(Correction.correction_pk.desc()).limit(limit + 1).execution_options(**WITH_REMOVED)
    ).all()
    work.audit(AuditEventID.QUERY, "E", object_type="correction", detail={"matches": str(len(rows))})
    items: list[tuple[Correction, Study, Study | None]] = [(row[0], row[1], row[2]) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items, encode_cursor(items[-1][0].correction_pk) if more else None, None)


# Planning -------------------------------------------------------------------------------------------------------


def _plan(work: Work, wish: Wish) -> _Plan:
    study = _study(work, wish.study_instance_uid)
    series = _series(work.session, study.study_pk, wish.series_instance_uids)
    if wish.kind == "edit":
        return _plan_edit(work, wish, study, series)
    if wish.kind == "patient":
        return _plan_patient(work, wish, study)
    if wish.kind == "split":
        return _plan_split(work, wish, study, series)
    if wish.target_study_instance_uid is None:
        raise Invalid(
            "Name the other study.", fields=[FieldError("target_study_instance_uid", "is needed for this")]
        )
    target = _study(work, wish.target_study_instance_uid)
    if target.study_pk == study.study_pk:
        raise Conflict("That is the same study.")
    if wish.kind == "merge":
        series = list(
            work.session.scalars(
                select(Series).where(Series.study_pk == study.study_pk).execution_options(**WITH_REMOVED)
            )
        )
    images: dict[int, list[Instance]] = {}
    parted: list[Instance] = []
    if wish.kind != "merge":
        series, images = _chosen(work.session, study, series, wish)
        series, images, parted = _with_states(work.session, study, series, images)
    if wish.kind != "merge" and not series and not images:
        raise Invalid("Choose what moves.", fields=[FieldError("series_instance_uids", "name at least one")])
    words = _words_of(work.session, series, images)
    changes = [
        *_new_series_of(work.session, images),
        Change("StudyInstanceUID", words, study.study_instance_uid, target.study_instance_uid),
        *_parted(work.session, parted),
    ]
    for keyword in sorted(CORRECTABLE):
        before, after = getattr(study, snake(keyword)), getattr(target, snake(keyword))
        if before != after:
            changes.append(Change(keyword, words, _text(before), _text(after)))
    return _Plan(study, changes, target=target, series=series, images=images)


def _plan_edit(work: Work, wish: Wish, study: Study, series: list[Series]) -> _Plan:
    instance: Instance | None = None
    level = Level.SERIES if series else Level.STUDY
    if wish.sop_instance_uid is not None:
        level = Level.IMAGE
        instance = work.session.scalar(
            select(Instance).where(
                Instance.study_pk == study.study_pk, Instance.sop_instance_uid == wish.sop_instance_uid
            )
        )
        if instance is None:
            raise NotFound("There is no such instance.")
        series = [work.session.get_one(Series, instance.series_pk)]
    if not wish.attributes:
        raise Invalid("Say what is to be changed.", fields=[FieldError("attributes", "name at least one")])
    _check_values(wish.attributes, _OPEN[level], study)
    changes: list[Change] = []
    for one in series or (None,):
        document = _document(work.session, study, one, instance)
        scope = "study" if one is None else _words([one], instance)
        for keyword, text in sorted(wish.attributes.items()):
            before = _shown(document.get(f"{tag_of(keyword):08X}", {}))
            if before != text.strip():
                changes.append(Change(keyword, scope, before, text.strip()))
    return _Plan(study, changes, series=series, instance=instance, attributes=wish.attributes)


def _plan_patient(work: Work, wish: Wish, study: Study) -> _Plan:
    patient = work.session.get(Patient, wish.patient_pk or 0)
    if patient is None:
        raise NotFound("There is no such patient.")
    if patient.merged_into_patient_pk is not None:
        raise Conflict("That record was merged into another: choose the one that lives on.")
    if (
        patient.patient_pk != study.patient_pk
        and _hangs_on_order
        and _hangs_on_order(work.session, study.study_pk)
    ):
        raise Conflict(
            "The study hangs on an order of its present patient: take that link back first, in Reconciliation."
        )
    wanted = _registered(work.session, patient)
    changes = [
        Change(keyword, "study", _text(getattr(study, snake(keyword))), wanted[keyword])
        for keyword in OF_PATIENT
        if _text(getattr(study, snake(keyword))) != wanted[keyword]
    ]
    if not changes and patient.patient_pk != study.patient_pk:
        changes = [Change("Patient", "study", "not of the register", "of the register")]
    return _Plan(study, changes, patient_pk=patient.patient_pk, attributes=wanted)


def _plan_split(work: Work, wish: Wish, study: Study, series: list[Series]) -> _Plan:
    series, images = _chosen(work.session, study, series, wish)
    series, images, parted = _with_states(work.session, study, series, images)
    if not series and not images:
        raise Invalid("Choose what leaves.", fields=[FieldError("series_instance_uids", "name at least one")])
    left = work.session.scalar(
        select(func.count())
        .select_from(Series)
        .where(Series.study_pk == study.study_pk, Series.series_pk.not_in([one.series_pk for one in series]))
    )
    if not left:
        raise Conflict("Nothing would be left of the study: edit it instead.")
    _check_values(wish.attributes, CORRECTABLE - set(OF_PATIENT), study)
    words = _words_of(work.session, series, images)
    changes = [
        *_new_series_of(work.session, images),
        Change("StudyInstanceUID", words, study.study_instance_uid, "a new study"),
        *_parted(work.session, parted),
    ]
    for keyword, text in sorted(wish.attributes.items()):
        before = _text(getattr(study, snake(keyword)))
        if before != text.strip():
            changes.append(Change(keyword, words, before, text.strip()))
    return _Plan(study, changes, series=series, images=images, attributes=wish.attributes)


def _chosen(
    session: Session, study: Study, series: list[Series], wish: Wish
) -> tuple[list[Series], dict[int, list[Instance]]]:
    """The series that leave whole, and the images that leave theirs, by its series_pk: of a series all of whose images are
    chosen, the series itself. Raises NotFound, Invalid."""
    if not wish.sop_instance_uids:
        return series, {}
    uids = set(wish.sop_instance_uids)
    if len(uids) > limits.CORRECTED_IMAGES_MAX:
        raise Invalid("That is too much at once.", fields=[FieldError("sop_instance_uids", "too many")])
    found = list(
        session.scalars(
            select(Instance)
            .where(Instance.study_pk == study.study_pk, Instance.sop_instance_uid.in_(uids))
            .order_by(Instance.series_pk, Instance.instance_number.asc().nulls_last(), Instance.instance_pk)
        )
    )
    if len(found) != len(uids):
        raise NotFound("There is no such image in this study.")
    whole = {one.series_pk for one in series}
    images: dict[int, list[Instance]] = {}
    for one in found:
        if one.series_pk not in whole:
            images.setdefault(one.series_pk, []).append(one)
    for left in session.scalars(select(Series).where(Series.series_pk.in_(images))).all():
        if left.number_of_series_related_instances == len(images[left.series_pk]):
            del images[left.series_pk]
            series = [*series, left]
    return series, images


def _with_states(
    session: Session, study: Study, series: list[Series], images: dict[int, list[Instance]]
) -> tuple[list[Series], dict[int, list[Instance]], list[Instance]]:
    """What leaves, and the presentation states that are about nothing else: one has no way of naming another study than its
    own (PS3.3 C.11.11), and would be looked for in vain where its images are. One that is about others too stays, and the
    other study gets one for its part (`states`): these are told last."""
    whole = {one.series_pk for one in series}
    states = [
        one
        for one in session.scalars(
            select(Instance)
            .where(
                Instance.study_pk == study.study_pk,
                Instance.sop_class_uid.startswith(PRESENTATION_STATES),
                Instance.series_pk.not_in(whole),
            )
            .order_by(Instance.series_pk, Instance.instance_pk)
            .limit(limits.CORRECTED_IMAGES_MAX)
        )
        if one not in images.get(one.series_pk, ())
    ]
    if not states or not (series or images):
        return series, images, []
    leave = {one.sop_instance_uid for some in images.values() for one in some}
    leave |= set(session.scalars(select(Instance.sop_instance_uid).where(Instance.series_pk.in_(whole))))
    retrieval = the_archive().retrieval
    stored = {
        one.sop_instance_uid: one
        for one in store.stored_instances(
            session, sop_instance_uids=[state.sop_instance_uid for state in states]
        )
    }
    found = {series_pk: list(some) for series_pk, some in images.items()}
    parted: list[Instance] = []
    for state in states:
        kept = stored.get(state.sop_instance_uid)
        named = set() if kept is None else named_in(retrieval.instance_json(kept))
        if named and named <= leave:
            found.setdefault(state.series_pk, []).append(state)
        elif named & leave and state.sop_class_uid in OF_ONE_STUDY:
            parted.append(state)
    for one in session.scalars(select(Series).where(Series.series_pk.in_(found))).all():
        if one.number_of_series_related_instances == len(found[one.series_pk]):
            del found[one.series_pk]
            series = [*series, one]
    return series, found, parted


def _parted(session: Session, states_of_both: Sequence[Instance]) -> list[Change]:
    of_series: dict[int, list[Instance]] = {}
    for one in states_of_both:
        of_series.setdefault(one.series_pk, []).append(one)
    return [
        Change(
            "ReferencedSeriesSequence",
            _words_of(session, [], {series_pk: some}),
            "about images of both",
            "in each study about its own",
        )
        for series_pk, some in of_series.items()
    ]


def _new_series_of(session: Session, images: Mapping[int, Sequence[Instance]]) -> list[Change]:
    return [
        Change(
            "SeriesInstanceUID",
            _words_of(session, [], {series_pk: some}),
            session.get_one(Series, series_pk).series_instance_uid,
            "a new series",
        )
        for series_pk, some in images.items()
    ]


def _check_values(attributes: Mapping[str, str], known: frozenset[str], study: Study) -> None:
    faults: list[FieldError] = []
    for keyword, text in attributes.items():
        if keyword not in known:
            faults.append(FieldError(keyword, "is not open to correction here"))
        elif keyword in OF_PATIENT and study.patient_pk is not None:
            faults.append(
                FieldError(
                    keyword, "is the register's: correct it there, or hang the study on another person"
                )
            )
        elif (fault := fault_of_value(keyword, text)) is not None:
            faults.append(FieldError(keyword, fault))
    if faults:
        raise Invalid("Some fields need attention.", fields=faults)


# Writing --------------------------------------------------------------------------------------------------------


def _rows_of(work: Work, wish: Wish, plan: _Plan, apart: Mapping[int, int]) -> list[StudyCorrection]:
    study, target = plan.study, plan.target
    if target is None:
        attributes = dict(
            element_json(keyword, text)
            for keyword, text in plan.attributes.items()
            if any(change.field == keyword for change in plan.changes)
        )
        if not attributes:
            return []
        return [
            _row(
                study.study_pk,
                attributes,
                _document(work.session, study, one, plan.instance),
                series_pk=None if one is None else one.series_pk,
                instance_pk=None if plan.instance is None else plan.instance.instance_pk,
            )
            for one in (plan.series or (None,))
        ]
    attributes = {_STUDY_UID: {"vr": "UI", "Value": [target.study_instance_uid]}}
    if wish.kind != "split":
        attributes |= dict(
            element_json(keyword, _text(getattr(target, snake(keyword))))
            for keyword in CORRECTABLE
            if getattr(target, snake(keyword)) != getattr(study, snake(keyword))
        )
    document = _of_study(study)
    moves = [None] if wish.kind == "merge" else [one.series_pk for one in plan.series]
    rows = [
        _row(target.study_pk, attributes, document, series_pk=series_pk, from_study_pk=study.study_pk)
        for series_pk in moves
    ]
    for series_pk, images in plan.images.items():
        old, new = (
            _uid_element(work.session.get_one(Series, one).series_instance_uid)
            for one in (series_pk, apart[series_pk])
        )
        rows += [
            _row(
                target.study_pk, {**attributes, _SERIES_UID: new}, {**document, _SERIES_UID: old},
                series_pk=apart[series_pk], instance_pk=one.instance_pk, from_study_pk=study.study_pk,
                from_series_pk=series_pk,
            )
            for one in images
        ]  # fmt: skip
    if wish.kind == "split" and wish.attributes:
        edited = dict(element_json(keyword, text) for keyword, text in wish.attributes.items())
        rows.append(_row(target.study_pk, edited, document))
    return rows


def _row(study_pk: int, attributes: JsonDict, document: JsonDict, **scope: Any) -> StudyCorrection:
    return StudyCorrection(
        study_pk=study_pk,
        attributes=attributes,
        original={tag: document.get(tag, {"vr": element["vr"]}) for tag, element in attributes.items()},
        reason_for_the_attribute_modification="CORRECT",
        **scope,
    )


def _new_study(work: Work, study: Study) -> Study:
    """A study like the one that is split, under a UID of ours; it is told of when it has its series."""
    names = [
        "study_date", "study_time", "accession_number", "study_id", "study_description",
        "referring_physician_name", "patient_name", "patient_id", "issuer_of_patient_id", "patient_birth_date",
        "patient_sex", "received_attributes", "received_patient_id", "received_issuer_of_patient_id", "patient_pk",
    ]  # fmt: skip
    made = Study(study_instance_uid=new_uid(), **{name: getattr(study, name) for name in names})
    # What was corrected before stands in its received attributes too: it is the beginning of this study.
    made.received_attributes = _of_study(study)
    work.session.add(made)
    work.session.flush()
    return made


def _new_series(work: Work, plan: _Plan) -> dict[int, int]:
    """Series of ours, like those that images leave, in the study that they go to: series_pk of the old → of the new."""
    own = {
        "series_pk",
        "study_pk",
        "series_instance_uid",
        "number_of_series_related_instances",
        "received_study_pk",
    }
    names = [
        one.key
        for one in inspect(Series).column_attrs
        if one.key not in own | {"created_at", "updated_at", "removal_pk"}
    ]
    made: dict[int, int] = {}
    for series_pk in plan.images:
        assert plan.target is not None
        old = work.session.get_one(Series, series_pk)
        new = Series(
            study_pk=plan.target.study_pk,
            series_instance_uid=new_uid(),
            **{name: getattr(old, name) for name in names},
        )
        work.session.add(new)
        work.session.flush()
        made[series_pk] = new.series_pk
    return made


def _hang(session: Session, instance_pks: Sequence[int], series_pk: int, study_pk: int) -> None:
    session.execute(
        update(Instance)
        .where(Instance.instance_pk.in_(instance_pks))
        .values(series_pk=series_pk, study_pk=study_pk)
        .execution_options(**_OPTIONS)
    )


def _hang_back(work: Work, rows: Sequence[StudyCorrection]) -> set[int]:
    """Images into the series that they left, wherever that hangs now; returns the studies. The series made for them stays,
    empty, and is not to be seen."""
    session = work.session
    touched: set[int] = set()
    of_series: dict[int, list[int]] = {}
    for row in rows:
        of_series.setdefault(row.from_series_pk or 0, []).append(row.instance_pk or 0)
    for series_pk, instance_pks in of_series.items():
        study_pk = session.get_one(Series, series_pk, execution_options=WITH_REMOVED).study_pk
        _hang(session, instance_pks, series_pk, study_pk)
        touched.add(study_pk)
    for series_pk, study_pk in {(row.series_pk or 0, row.study_pk) for row in rows}:
        removal = Removal(
            level="SERIES", cause="emptied", study_pk=study_pk, series_pk=series_pk, reason="all of it was moved",
            instances=0, bytes=0, removed_at=work.now(), removed_by=work.actor.username[:64],
        )  # fmt: skip
        session.add(removal)
        session.flush()
        session.execute(
            update(Series)
            .where(Series.series_pk == series_pk)
            .values(removal_pk=removal.removal_pk)
            .execution_options(**_OPTIONS)
        )
    return touched


def _replace(work: Work, study_pks: set[int]) -> None:
    """Derives the places of all series that name or hang on the studies, and what is left of the studies."""
    session = work.session
    rows_of_series = session.execute(
        select(Series.series_pk, Series.study_pk, func.coalesce(Series.received_study_pk, Series.study_pk))
        .where(or_(Series.study_pk.in_(study_pks), Series.received_study_pk.in_(study_pks)))
        .execution_options(**WITH_REMOVED)
    ).all()
    rows = rows_for(
        session, {*study_pks, *(row[2] for row in rows_of_series)}, [row[0] for row in rows_of_series]
    )
    touched = set(study_pks)
    for series_pk, present, named in rows_of_series:
        place = follow(rows, series_pk, named).study_pk
        if place == present:
            continue
        touched |= {place, present}
        session.execute(
            update(Series)
            .where(Series.series_pk == series_pk)
            .values(
                study_pk=place,
                received_study_pk=None if named == place else named,
                updated_at=func.clock_timestamp(),
            )
            .execution_options(**_OPTIONS)
        )
        session.execute(
            update(Instance)
            .where(Instance.series_pk == series_pk)
            .values(study_pk=place)
            .execution_options(**_OPTIONS)
        )
    states.hide_needless(work, sorted(touched))
    states.part_later(work, touched)
    _mark_emptied(work, sorted(touched))
    settle(session, sorted(touched))
    touch(session, touched)


def _mark_emptied(work: Work, study_pks: Sequence[int]) -> None:
    """A study from which everything was moved is not to be seen; should something come to it, it is again."""
    session = work.session
    # A part of a presentation state that was hidden is nothing of the study's own.
    parts = select(Removal.removal_pk).where(Removal.cause == "emptied", Removal.level == "IMAGE")
    has = (
        select(Instance.study_pk)
        .where(
            Instance.study_pk.in_(study_pks),
            or_(Instance.removal_pk.is_(None), Instance.removal_pk.not_in(parts)),
        )
        .execution_options(**WITH_REMOVED)
    )
    full = set(session.scalars(has))
    for study_pk in study_pks:
        if study_pk in full:
            continue
        removal = Removal(
            level="STUDY", cause="emptied", study_pk=study_pk, reason="all of it was moved", instances=0, bytes=0,
            removed_at=work.now(), removed_by=work.actor.username[:64],
        )  # fmt: skip
        session.add(removal)
        session.flush()
        session.execute(
            update(Study)
            .where(Study.study_pk == study_pk)
            .values(removal_pk=removal.removal_pk)
            .execution_options(**_OPTIONS)
        )


def keep_sides_corrected(session: Session, instance_pks: Sequence[int]) -> None:
    """Has what a person said of the side of images stand in the index, after their headers were read again."""
    keyword = "ImageLaterality"
    corrected_pks = select(StudyCorrection.instance_pk).where(
        StudyCorrection.instance_pk.in_(instance_pks),
        StudyCorrection.undone_at.is_(None),
        StudyCorrection.attributes.has_key(f"{tag_of(keyword):08X}"),
    )
    images = session.scalars(
        select(Instance).where(Instance.instance_pk.in_(corrected_pks)).execution_options(**_OPTIONS)
    ).all()
    for one in images:
        _recolumn(session, one.study_pk, [], one, {keyword})


def _recolumn(
    session: Session, study_pk: int, series: Sequence[Series], instance: Instance | None, keywords: set[str]
) -> None:
    """Derives indexed columns from what was received and the rows that stand."""
    scopes: list[tuple[Any, Any]] = []
    if instance is not None:
        scopes = [(instance, StudyCorrection.instance_pk == instance.instance_pk)]
    elif series:
        scopes = [
            (one, (StudyCorrection.series_pk == one.series_pk) & StudyCorrection.instance_pk.is_(None))
            for one in series
        ]
    else:
        scopes = [
            (
                session.get_one(Study, study_pk, execution_options=WITH_REMOVED),
                (StudyCorrection.study_pk == study_pk) & StudyCorrection.series_pk.is_(None),
            )
        ]
    for thing, condition in scopes:
        rows = list(
            session.scalars(
                select(StudyCorrection)
                .where(condition, StudyCorrection.from_study_pk.is_(None))
                .order_by(StudyCorrection.study_correction_pk)
                .execution_options(**WITH_REMOVED)
            )
        )
        for keyword in keywords:
            tag = f"{tag_of(keyword):08X}"
            if not hasattr(thing, snake(keyword)):
                continue
            of_it = [row for row in rows if tag in row.attributes]
            if isinstance(thing, Study):
                element = thing.received_attributes.get(tag, {})
            else:
                element = of_it[0].original.get(tag, {}) if of_it else None
            for row in of_it:
                if row.undone_at is None:
                    element = row.attributes[tag]
            if element is not None:
                setattr(thing, snake(keyword), column_value(keyword, element))
        if not isinstance(thing, Study):
            of_series = thing.series_pk
            session.flush()
            session.execute(
                update(Series)
                .where(Series.series_pk == of_series)
                .values(updated_at=func.clock_timestamp())
                .execution_options(**_OPTIONS)
            )
        else:
            session.flush()
            session.execute(
                update(Series)
                .where(Series.study_pk == study_pk)
                .values(updated_at=func.clock_timestamp())
                .execution_options(**_OPTIONS)
            )
    session.expire_all()


def _check_last(session: Session, act: Correction) -> None:
    if act.kind in ("edit", "patient"):
        later = Correction.kind == act.kind
        if act.kind == "edit":
            return  # what was laid over it later stays, whatever lies below
        condition = Correction.study_pk == act.study_pk
    else:
        later = Correction.kind.in_(("move", "split", "merge"))
        # Of the series that images left, nothing was moved.
        left = set(
            session.scalars(
                select(StudyCorrection.from_series_pk)
                .where(
                    StudyCorrection.correction_pk == act.correction_pk,
                    StudyCorrection.from_series_pk.is_not(None),
                )
                .distinct()
            )
        )
        moved = [one for one in act.series_pks if one not in left]
        condition = Correction.series_pks.overlap(moved) | (
            Correction.study_pk.in_((act.study_pk, act.target_study_pk)) & (Correction.kind == "merge")
        )
    found = session.scalar(
        select(Correction.correction_pk)
        .where(later, condition, Correction.correction_pk > act.correction_pk, Correction.undone_at.is_(None))
        .limit(1)
    )
    if found is not None:
        raise Conflict("A later correction stands on this one: take that back first.")


def _tell(work: Work, act: Correction, action: str) -> None:
    session = work.session
    session.flush()
    pks = [one for one in (act.study_pk, act.target_study_pk) if one is not None]
    for study_pk, uid, patient_pk in session.execute(
        select(Study.study_pk, Study.study_instance_uid, Study.patient_pk)
        .where(Study.study_pk.in_(pks))
        .execution_options(**WITH_REMOVED)
    ).all():
        work.audit(
            AuditEventID.PATIENT_RECORD,
            action,
            patient_pk=patient_pk,
            study_instance_uid=uid,
            object_type="correction",
            object_id=act.correction_pk,
            detail={
                "kind": act.kind, "taken back": str(act.undone_at is not None),
                "changed": ",".join(sorted({one["field"] for one in act.changes}))[:400],
                "reason": (act.undone_reason if act.undone_at else act.reason) or "",
            },
        )  # fmt: skip
        work.publish(StudyUpdated(study_pk, uid, first_image=False))
    the_archive().retrieval.forget()


# Looking up -----------------------------------------------------------------------------------------------------


def _study(work: Work, study_instance_uid: str) -> Study:
    query = select(Study).where(Study.study_instance_uid == study_instance_uid)
    visible = visible_studies(work)
    found = work.session.scalar(query if visible is None else query.where(visible))
    if found is None:
        raise NotFound("There is no such study.")
    return found


def _series(session: Session, study_pk: int, uids: Sequence[str]) -> list[Series]:
    if len(uids) > limits.CORRECTED_SERIES_MAX:
        raise Invalid("That is too much at once.", fields=[FieldError("series_instance_uids", "too many")])
    found = list(
        session.scalars(
            select(Series)
            .where(Series.study_pk == study_pk, Series.series_instance_uid.in_(uids))
            .order_by(Series.series_number.asc().nulls_last(), Series.series_pk)
        )
    )
    if len(found) != len(set(uids)):
        raise NotFound("There is no such series.")
    return found


def _registered(session: Session, patient: Patient) -> dict[str, str]:
    """Who a patient of the register is, as DICOM attributes."""
    identifier = session.scalar(
        select(PatientIdentifier).where(
            PatientIdentifier.patient_pk == patient.patient_pk, PatientIdentifier.is_primary
        )
    )
    return {
        "PatientName": patient.patient_name,
        "PatientID": identifier.patient_id if identifier else "",
        "IssuerOfPatientID": identifier.issuer_of_patient_id if identifier else "",
        "PatientBirthDate": _text(patient.patient_birth_date),
        "PatientSex": patient.patient_sex or "",
    }


def _document(session: Session, study: Study, series: Series | None, instance: Instance | None) -> JsonDict:
    """What leaves now of the study, the series or the instance: of a study by its row, else by one of its objects."""
    if series is None:
        return _of_study(study)
    stored = store.stored_instances(
        session,
        series_instance_uids=[series.series_instance_uid],
        sop_instance_uids=[] if instance is None else [instance.sop_instance_uid],
        limit=1,
    )
    if not stored:
        return {}
    layers = layers_of(session, stored).get(stored[0].instance_pk, NONE)
    document = the_archive().retrieval.instance_json(stored[0])
    return corrected(document, layers.corrections) if layers.key else document


def _of_study(study: Study) -> JsonDict:
    present = dict(element_json(keyword, _text(getattr(study, snake(keyword)))) for keyword in CORRECTABLE)
    return {
        **study.received_attributes,
        **present,
        _STUDY_UID: {"vr": "UI", "Value": [study.study_instance_uid]},
    }


def _keywords(row: StudyCorrection) -> set[str]:
    return {keyword_for_tag(int(tag, 16)) for tag in row.attributes} - {"", "StudyInstanceUID"}


def _text(value: Any) -> str:
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    if isinstance(value, time):
        return value.strftime("%H%M%S.%f" if value.microsecond else "%H%M%S")
    return "" if value is None else str(value)


def _shown(element: Mapping[str, Any]) -> str:
    return "\\".join(
        person_name_text(value) if element.get("vr") == "PN" else str("" if value is None else value)
        for value in element.get("Value") or []
    )


def _words_of(session: Session, series: Sequence[Series], images: Mapping[int, Sequence[Instance]]) -> str:
    """What leaves, in words."""
    parts = [_words(series)] if series else []
    for series_pk, some in images.items():
        of = _words([session.get_one(Series, series_pk)])
        parts.append(
            _words([session.get_one(Series, series_pk)], some[0])
            if len(some) == 1
            else f"{len(some)} images of {of}"
        )
    return ", ".join(parts)


def _uid_element(uid: str) -> JsonDict:
    return {"vr": "UI", "Value": [uid]}


def _words(series: Sequence[Series], instance: Instance | None = None) -> str:
    if instance is not None:
        return f"image {instance.instance_number or instance.instance_pk} of {_words(series)}"
    if len(series) != 1:
        return f"{len(series)} series"
    one = series[0]
    number = "" if one.series_number is None else f" {one.series_number}"
    return f"series{number}" + (f" ({one.series_description})" if one.series_description else "")
