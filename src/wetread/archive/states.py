"""Presentation states and key object selections about images that hang in two studies since some were moved.

A state cannot name another study than its own (PS3.3 C.11.11). On the way out it says what is about the images of its
own study (`references`); for the rest the other study gets a state like it, under UIDs of ours that follow from both, so
that it is made once, and what it was made of stands in its Original Attributes Sequence. Where the images come back it is
hidden again: the one that was received is about all of them. A key object selection names the study of each image, and
of images in several it is to lie in each of these, the same under another UID (PS3.3 C.17.6.2.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from wetread.archive import store
from wetread.archive.events import StudyUpdated
from wetread.archive.hiding import lock, settle
from wetread.archive.layers import NONE, layers_of
from wetread.archive.model import WITH_REMOVED, Instance, Removal, Study, StudyCorrection
from wetread.archive.references import (
    IDENTICAL,
    KEY_OBJECTS,
    OF_ONE_STUDY,
    named_in,
    places_of,
    touch,
)
from wetread.archive.rejection import note_of
from wetread.archive.rules import JsonDict, corrected, correction_trace
from wetread.archive.service import Archive, the_archive
from wetread.archive.store import StoredInstance
from wetread.dicom.jsonmodel import encode_json
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN
from wetread.dicom.uid import derived_uid
from wetread.jobs.service import PREPARATION, defer
from wetread.kit import limits
from wetread.kit.errors import Unavailable
from wetread.security.service import Actor, AuditEventID, Work

log = structlog.get_logger()

JOB = "archive.part_states"
_STUDY, _SERIES, _SOP, _CHARACTER_SET, _AVAILABLE_SYNTAX = (
    "0020000D",
    "0020000E",
    "00080018",
    "00080005",
    "00083002",
)
_KINDS = OF_ONE_STUDY | {KEY_OBJECTS}
_OPTIONS = {"synchronize_session": False, **WITH_REMOVED}


@dataclass(slots=True)
class _Plan:
    """What is to be there: (state, study that gets its part, UID of that), and the UIDs of parts that nobody needs."""

    make: list[tuple[StoredInstance, int, str]] = field(default_factory=list)
    needless: list[tuple[int, str]] = field(default_factory=list)


def _document(archive: Archive, session: Session, stored: StoredInstance) -> JsonDict:
    """The state with its corrections, and all the images that it was sent for."""
    layers = layers_of(session, [stored]).get(stored.instance_pk, NONE)
    return corrected(archive.retrieval.instance_json(stored, inline=True), layers.corrections)


def _plan(archive: Archive, session: Session, study_pks: Sequence[int]) -> _Plan:
    rows = session.execute(
        select(Study.study_pk, Study.study_instance_uid)
        .where(Study.study_pk.in_(study_pks))
        .execution_options(**WITH_REMOVED)
    )
    studies: dict[int, str] = {study_pk: uid for study_pk, uid in rows}  # noqa: C416 - rows are no tuples to the type checker
    states = store.stored_instances(
        session,
        study_instance_uids=sorted(studies.values()),
        condition=Instance.sop_class_uid.in_(_KINDS),
        limit=limits.CORRECTED_IMAGES_MAX,
    )
    plan = _Plan()
    if not states:
        return plan
    named: dict[int, set[str]] = {}
    same: dict[int, set[str]] = {}
    for one in states:
        document = _document(archive, session, one)
        alike = document.pop(IDENTICAL, {"vr": "SQ"})
        if one.sop_class_uid == KEY_OBJECTS and _rejects(document):
            continue  # what rejects is read once, whatever was moved since
        named[one.instance_pk] = named_in(document)
        same[one.instance_pk] = named_in({IDENTICAL: alike})
    states = [one for one in states if one.instance_pk in named]
    places = places_of(session, {uid for some in (*named.values(), *same.values()) for uid in some})
    by_study: dict[str, set[str]] = {}
    for one in states:
        by_study.setdefault(one.study_instance_uid, set()).add(one.sop_instance_uid)
    for one in states:
        about = {places[uid][0] for uid in named[one.instance_pk] if uid in places}
        has_own = {places[uid][0] for uid in same[one.instance_pk] if uid in places}
        for study_pk, study in studies.items():
            part = derived_uid(one.sop_instance_uid, study)
            if study == one.study_instance_uid or study not in about:
                plan.needless.append((study_pk, part))
            elif study in has_own:
                continue  # whoever sent it sent it there too
            elif one.sop_instance_uid not in {
                derived_uid(other, one.study_instance_uid) for other in by_study.get(study, ())
            }:
                plan.make.append((one, study_pk, part))
    return plan


def _rejects(document: JsonDict) -> bool:
    try:
        return note_of(document).code_value is not None
    except (ValueError, AttributeError, TypeError):
        return True  # what cannot be read is not sent on


def hide_needless(work: Work, study_pks: Sequence[int]) -> None:
    """Hides parts whose images are not in their study any more, or whose whole state is. In the transaction that moved."""
    needless = _plan(the_archive(), work.session, study_pks).needless
    for instance in _instances(work.session, [uid for _, uid in needless]):
        if instance.removal_pk is not None or (instance.study_pk, instance.sop_instance_uid) not in needless:
            continue
        removal = Removal(
            level="IMAGE", cause="emptied", study_pk=instance.study_pk, series_pk=instance.series_pk,
            instance_pk=instance.instance_pk, reason="its images are elsewhere", instances=1, bytes=0,
            removed_at=work.now(), removed_by=work.actor.username[:64],
        )  # fmt: skip
        work.session.add(removal)
        work.session.flush()
        _mark(work.session, instance.instance_pk, removal.removal_pk)


def _instances(session: Session, uids: Iterable[str]) -> list[Instance]:
    query = select(Instance).where(Instance.sop_instance_uid.in_(list(uids)))
    return list(session.scalars(query.execution_options(populate_existing=True, **WITH_REMOVED)))


def _mark(session: Session, instance_pk: int, removal_pk: int | None) -> None:
    session.execute(
        update(Instance)
        .where(Instance.instance_pk == instance_pk)
        .values(removal_pk=removal_pk)
        .execution_options(**_OPTIONS)
    )


def part_later(work: Work, study_pks: Iterable[int]) -> None:
    """Has states that are about images of several of these studies parted, soon."""
    pks = sorted(set(study_pks))
    name = f"{JOB}:{','.join(map(str, pks))}"
    defer(work, JOB, queueing_lock=name, lock=JOB, queue=PREPARATION, study_pks=pks)


def of_moves(session: Session, study_pks: Iterable[int]) -> list[list[int]]:
    """Of these studies those with presentation states, each with the studies that it had to do with by a move."""
    rows = session.execute(
        select(Study.study_pk, StudyCorrection.study_pk, StudyCorrection.from_study_pk)
        .join(
            StudyCorrection,
            or_(StudyCorrection.study_pk == Study.study_pk, StudyCorrection.from_study_pk == Study.study_pk),
        )
        .where(
            Study.study_pk.in_(list(study_pks)),
            Study.sop_classes_in_study.overlap(sorted(_KINDS)),
            StudyCorrection.from_study_pk.is_not(None),
            StudyCorrection.undone_at.is_(None),
        )
        .distinct()
        .execution_options(**WITH_REMOVED)
    ).all()
    found: dict[int, set[int]] = {}
    for study_pk, *others in rows:
        found.setdefault(study_pk, {study_pk}).update(one for one in others if one is not None)
    return [sorted(some) for some in found.values()]


def part(work: Work, study_pks: Sequence[int]) -> int:
    """Gives each of the studies its part of the states that are about its images and hang in another of them; returns how
    many were made, or shown again. Raises Unavailable where the archive takes none now: it is tried again."""
    archive = the_archive()
    plan = _plan(archive, work.session, study_pks)
    there = {
        one.sop_instance_uid: one for one in _instances(work.session, [part for _, _, part in plan.make])
    }
    hidden = set(
        work.session.scalars(
            select(Removal.removal_pk).where(
                Removal.removal_pk.in_([one.removal_pk for one in there.values() if one.removal_pk]),
                Removal.cause == "emptied",
            )
        )
    )
    made = 0
    for state, study_pk, uid in plan.make:
        known = there.get(uid)
        if known is None:
            _file(archive, work, state, study_pk, uid)
        elif known.removal_pk is not None and known.removal_pk in hidden:
            lock(work.session, [study_pk])
            _mark(work.session, known.instance_pk, None)
            removal = work.session.get_one(Removal, known.removal_pk)
            removal.restored_at, removal.restored_by = work.now(), work.actor.username[:64]
            settle(work.session, [study_pk])
        else:
            continue
        made += 1
        _tell(work, study_pk, state)
    if made:
        touch(work.session, set(study_pks))
    return made


def _file(archive: Archive, work: Work, state: StoredInstance, study_pk: int, uid: str) -> None:
    """Files the part of a state that is about the study's images, as any other object."""
    target = work.session.get_one(Study, study_pk, execution_options=WITH_REMOVED)
    study = target.study_instance_uid
    document = _document(archive, work.session, state)
    document.pop(_AVAILABLE_SYNTAX, None)
    moved = {
        _STUDY: _uid(study),
        _SERIES: _uid(derived_uid(state.series_instance_uid, study)),
        _SOP: _uid(uid),
    }
    # All that the state names stays named in the bytes: which of it is shown is said on the way out, as of any state.
    attributes = {**target.received_attributes, **moved}
    if state.sop_class_uid == KEY_OBJECTS:
        attributes[IDENTICAL] = _identical(document)
    trace = correction_trace(work.now().strftime("%Y%m%d%H%M%S.%f+0000"), work.actor.username, "CORRECT")
    whole = corrected(document, [(attributes, trace)])
    terms = [str(one or "") for one in whole.get(_CHARACTER_SET, {}).get("Value") or []]
    content = encode_json(whole, explicit=True, character_set=terms)
    with archive.intake.transfer(Actor.system("states"), received_from="WETREAD") as transfer:
        incoming = transfer.file(keep_unfilable=False)
        incoming.write(memoryview(build_meta(state.sop_class_uid, uid, EXPLICIT_VR_LITTLE_ENDIAN) + content))
        result = incoming.commit()
    if result.outcome not in ("stored", "duplicate"):
        log.warning("part of a document not kept", outcome=result.outcome)
        raise Unavailable("The archive did not take a part of a document.")


def _identical(document: JsonDict) -> JsonDict:
    named = {"00081150": _uid(KEY_OBJECTS), "00081155": document[_SOP]}
    series = {_SERIES: document[_SERIES], "00081199": {"vr": "SQ", "Value": [named]}}
    item = {_STUDY: document[_STUDY], "00081115": {"vr": "SQ", "Value": [series]}}
    return {"vr": "SQ", "Value": [*document.get(IDENTICAL, {}).get("Value", []), item]}


def _tell(work: Work, study_pk: int, state: StoredInstance) -> None:
    uid, patient_pk = work.session.execute(
        select(Study.study_instance_uid, Study.patient_pk)
        .where(Study.study_pk == study_pk)
        .execution_options(**WITH_REMOVED)
    ).one()
    work.audit(
        AuditEventID.INSTANCES_TRANSFERRED,
        "C",
        patient_pk=patient_pk,
        study_instance_uid=uid,
        object_type="parted document",
        object_id=state.instance_pk,
        detail={"of": state.study_instance_uid},
    )
    work.publish(StudyUpdated(study_pk, uid, first_image=False))
    the_archive().retrieval.forget()


def _uid(uid: str) -> JsonDict:
    return {"vr": "UI", "Value": [uid]}
