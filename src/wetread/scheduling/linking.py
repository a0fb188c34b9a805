"""Which study hangs on which order: exact agreement links by itself, everything else waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select, text, tuple_, union
from sqlalchemy.orm import Session

from wetread.archive.model import Study
from wetread.archive.service import correct_study
from wetread.dicom.personname import PersonName
from wetread.kit.errors import Conflict, FieldError, IllegalTransition, Invalid, NotFound
from wetread.kit.events import Event
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.orders.rules import Move
from wetread.orders.service import OrderLine, find_orders, move_requested_procedure
from wetread.patients.model import Patient, PatientChange, PatientIdentifier, PatientMerge
from wetread.patients.service import hold_patients, issuer_of_our_identifiers
from wetread.scheduling import rules
from wetread.scheduling.candidates import differences, said_by_images
from wetread.scheduling.events import StudyLinked, StudyUnmatched
from wetread.scheduling.model import PerformedStepReference, ScheduledProcedureStep, StudyLink
from wetread.scheduling.rules import Demographics
from wetread.scheduling.steps import lock_steps, move_appointment, move_step
from wetread.security.service import AuditEventID, Permission, Work

_TAKEN_BACK = "link"
HISTORIC = timedelta(days=2)  # an earlier study of a known patient needs no order here

Foreign = Callable[[Session, Collection[str]], set[str]]
"""Of these Study Instance UIDs, those of studies that were fetched from another archive."""
_foreign: list[Foreign] = []


def use_foreign(foreign: Foreign) -> None:
    """Names who knows what was fetched from elsewhere (called once by the composition root)."""
    _foreign[:] = [foreign]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A study that waits, with what speaks against each candidate."""

    study_pk: int
    study_instance_uid: str
    patient_name: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    accession_number: str | None
    study_description: str | None
    study_date: date | None
    modalities_in_study: list[str]
    number_of_study_related_instances: int
    reasons: list[dict[str, str]]
    candidate_procedure_pk: int | None
    arrived_at: datetime


def studies_arrived(work: Work, events: Sequence[dict[str, Any]]) -> None:
    """On `study.updated`: links the studies that are not linked yet. Idempotent."""
    study_pks = {int(event["keys"]["study_pk"]) for event in events}
    linked = work.session.scalars(
        select(StudyLink.study_pk).where(
            StudyLink.study_pk.in_(study_pks), StudyLink.state.in_(("matched", "resolved"))
        )
    ).all()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="study links", object_id=len(study_pks))
    match_studies(work, study_pks.difference(linked))


def order_arrived(work: Work, event: dict[str, Any]) -> None:
    """On `order.changed`: images may have come before their order."""
    requested = work.session.get(RequestedProcedure, int(event["keys"]["requested_procedure_pk"]))
    work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="requested_procedure")
    if requested is None or requested.state == "CANCELED":
        return
    waiting = work.session.scalars(
        select(StudyLink.study_pk)
        .join(Study, Study.study_pk == StudyLink.study_pk)
        .where(
            StudyLink.state == "unmatched",
            (Study.study_instance_uid == requested.study_instance_uid)
            | (Study.accession_number == requested.accession_number),
        )
    ).all()
    match_studies(work, waiting)


Candidate = tuple[RequestedProcedure, ImagingServiceRequest, Procedure]


def match_studies(work: Work, study_pks: Iterable[int]) -> None:
    """Links by study UID, else by accession number, where the patient agrees; else puts it on the list with reasons.

    What all of them need is asked for together: a migration brings thousands.
    """
    keys = sorted(set(study_pks))
    if not keys:
        return
    studies = _alone_with(work, keys)
    links: dict[int, list[StudyLink]] = {study.study_pk: [] for study in studies}
    for link in work.session.scalars(select(StudyLink).where(StudyLink.study_pk.in_(links))):
        links[link.study_pk].append(link)
    uids = {study.study_instance_uid for study in studies}
    foreign = {uid for one in _foreign for uid in one(work.session, uids)}
    _hold_patients_of(work, studies)
    candidates = _candidates(work, studies, foreign)
    known = _known_patients(work, [study for study in studies if not candidates[study.study_pk]])
    work.audit_studies(
        AuditEventID.PROCEDURE_RECORD,
        "E",
        {study.study_pk: study.study_instance_uid for study in studies},
        object_type="study link",
    )
    news: list[Event] = []
    for study in studies:
        key = study.study_pk
        if any(link.state in ("matched", "resolved") for link in links[key]):
            continue
        if any(reason["field"] == _TAKEN_BACK for link in links[key] for reason in link.reasons):
            continue  # a person said that it belongs elsewhere; agreement of what it says cannot outweigh that
        is_foreign = study.study_instance_uid in foreign
        _match(work, study, links[key], candidates[key], known.get(key), news.append, is_foreign=is_foreign)
    work.publish_all(news)


def _match(
    work: Work,
    study: Study,
    links: list[StudyLink],
    candidates: Sequence[Candidate],
    known_patient_pk: int | None,
    tell: Callable[[Event], None],
    *,
    is_foreign: bool,
) -> None:
    of_study = _of_study(study)
    reasons: list[dict[str, str]] = []
    agreeing: list[tuple[RequestedProcedure, ImagingServiceRequest]] = []
    for requested, request, _ in candidates:
        against = _against(work, request.patient_pk, of_study)
        if requested.state == "CANCELED":
            against.append({"field": "order", "order": "CANCELED", "study": "images arrived"})
        if against:
            reasons.extend(against)
        else:
            agreeing.append((requested, request))
    group = len(agreeing) > 1 and all(
        requested.study_instance_uid == study.study_instance_uid for requested, _ in agreeing
    )
    if group and len({request.patient_pk for _, request in agreeing}) == 1:
        # Several orders whose images were taken in one go under one study (PS3.17 J.4).
        for requested, request in agreeing:
            _link(work, study, requested, request.patient_pk, "matched", "agreement", tell)
        return
    if len(agreeing) > 1:
        fitting = [
            (requested, request)
            for requested, request in agreeing
            if any(
                one.requested_procedure_pk == requested.requested_procedure_pk
                and procedure.modality in study.modalities_in_study
                for one, _, procedure in candidates
            )
        ]
        agreeing = fitting if len(fitting) == 1 else agreeing
    if len(agreeing) == 1:
        requested, request = agreeing[0]
        _link(work, study, requested, request.patient_pk, "matched", "agreement", tell)
        return
    if len(agreeing) > 1:
        reasons.append(
            {"field": "accession_number", "order": f"{len(agreeing)} procedures", "study": "one study"}
        )
    if not candidates:
        if known_patient_pk is not None and study.patient_pk is None:
            correct_study(
                work, study.study_pk, {}, reason="patient known", patient_pk=known_patient_pk, coerced=True
            )
        historic = study.study_date is not None and _is_historic(work, study.study_date)
        if known_patient_pk is not None and (is_foreign or historic):
            # It was ordered elsewhere, or long ago: it hangs on its patient, and on no order here.
            _note(work, links, study, None, "matched", [], "agreement", tell)
            return
        reasons.append(
            {"field": "accession_number", "order": "no such order", "study": study.accession_number or ""}
        )
    _note(
        work,
        links,
        study,
        None,
        "unmatched",
        reasons,
        "agreement",
        tell,
        candidate=candidates[0][0].requested_procedure_pk if candidates else None,
    )


def orders_of_study(work: Work, study_pk: int) -> tuple[str, list[OrderLine]]:
    """(Study Instance UID, what was ordered) of a study; none where it hangs on no order. Raises NotFound."""
    study = work.session.get(Study, study_pk)
    if study is None:
        raise NotFound("There is no such study.")
    wanted = set(
        work.session.scalars(
            select(StudyLink.requested_procedure_pk).where(
                StudyLink.study_pk == study_pk,
                StudyLink.state.in_(("matched", "resolved")),
                StudyLink.requested_procedure_pk.is_not(None),
            )
        )
    )
    numbers = work.session.scalars(
        select(ImagingServiceRequest.accession_number)
        .join(
            RequestedProcedure,
            RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        )
        .where(RequestedProcedure.requested_procedure_pk.in_(wanted))
        .order_by(ImagingServiceRequest.imaging_service_request_pk)
    ).all()
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=study.patient_pk,
        study_instance_uid=study.study_instance_uid,
        object_type="orders of study",
        object_id=study_pk,
    )
    lines = [line for number in dict.fromkeys(numbers) for line in find_orders(work, number)]
    return study.study_instance_uid, [
        line for line in lines if line.requested_procedure.requested_procedure_pk in wanted
    ]


def _alone_with(work: Work, study_pks: Sequence[int]) -> Sequence[Study]:
    """The studies, whose links nobody else changes until the end of the transaction. Their rows are not locked: ingest
    writes to them with each image, and would wait."""
    work.session.execute(_LOCK_LINKS, {"study_pks": list(study_pks)})
    return work.session.scalars(
        select(Study)
        .where(Study.study_pk.in_(study_pks))
        .order_by(Study.study_pk)
        .execution_options(populate_existing=True)
    ).all()


def _alone_with_one(work: Work, study_pk: int) -> Study | None:
    return next(iter(_alone_with(work, [study_pk])), None)


_LOCK_LINKS = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('study_link', study_pk))"
    " FROM unnest(CAST(:study_pks AS bigint[])) WITH ORDINALITY AS one(study_pk, place) ORDER BY place"
)


def _is_historic(work: Work, study_date: date) -> bool:
    return study_date < (work.now() - HISTORIC).date()


def _hold_patients_of(work: Work, studies: Sequence[Study]) -> None:
    """Nobody merges those whom the studies may turn out to be of, while that is found out."""
    of_orders = (
        select(ImagingServiceRequest.patient_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        )
        .where(_named_by(studies))
    )
    wanted = {identifier for study in studies for identifier in _of_study(study).identifiers}
    of_identifiers = select(PatientIdentifier.patient_pk).where(
        tuple_(PatientIdentifier.issuer_of_patient_id, PatientIdentifier.patient_id).in_(wanted)
    )
    named = union(of_orders, of_identifiers) if wanted else of_orders
    hold_patients(work, select(named.subquery().c.patient_pk))


def _named_by(studies: Sequence[Study]) -> ColumnElement[bool]:
    return RequestedProcedure.study_instance_uid.in_(
        {study.study_instance_uid for study in studies}
    ) | ImagingServiceRequest.accession_number.in_(
        {study.accession_number for study in studies if study.accession_number}
    )


def _candidates(work: Work, studies: Sequence[Study], foreign: Collection[str]) -> dict[int, list[Candidate]]:
    """By study_pk: the procedures of its study UID, else those of its accession number; another archive's accession
    numbers are not ours."""
    base = (
        select(RequestedProcedure, ImagingServiceRequest, Procedure)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
    )
    by_uid: dict[str, list[Candidate]] = {}
    by_accession: dict[str, list[Candidate]] = {}
    for requested, request, procedure in work.session.execute(
        base.where(_named_by(studies))
        .order_by(RequestedProcedure.requested_procedure_pk)
        # All at once and by their keys: the studies come in another order.
        .with_for_update(of=RequestedProcedure, key_share=True)
        .execution_options(populate_existing=True)
    ):
        candidate = (requested, request, procedure)
        by_uid.setdefault(requested.study_instance_uid, []).append(candidate)
        by_accession.setdefault(request.accession_number, []).append(candidate)
    return {
        study.study_pk: by_uid.get(study.study_instance_uid)
        or by_accession.get(
            (study.accession_number or "") if study.study_instance_uid not in foreign else "", []
        )
        for study in studies
    }


def _of_study(study: Study) -> Demographics:
    identifiers: frozenset[tuple[str, str]] = frozenset()
    if study.patient_id:
        # Modalities rarely send an issuer; without one it is ours (IHE RAD TF-2 4.5).
        identifiers = frozenset(
            {(study.issuer_of_patient_id or issuer_of_our_identifiers(), study.patient_id)}
        )
    return Demographics(study.patient_name, study.patient_birth_date, study.patient_sex, identifiers)


def _against(work: Work, patient_pk: int, of_study: Demographics) -> list[dict[str, str]]:
    """What speaks against the study being this patient's, as he is known or, where images still come under what he was
    called before he was identified or merged, as he was."""
    living, *before = (
        rules.disagreements(known, of_study)
        for known in personas(work, work.session.get_one(Patient, patient_pk))
    )
    return [] if any(not against for against in before) else living


def personas(work: Work, patient: Patient) -> Iterator[Demographics]:
    """A patient as he is known, then as he was before he was merged or identified: what scanners read may be older."""
    own = work.session.execute(
        select(PatientIdentifier.issuer_of_patient_id, PatientIdentifier.patient_id).where(
            PatientIdentifier.patient_pk == patient.patient_pk
        )
    ).all()
    identifiers = frozenset((issuer, identifier) for issuer, identifier in own)
    merged = work.session.scalars(
        select(Patient)
        .where(Patient.merged_into_patient_pk == patient.patient_pk)
        .order_by(Patient.patient_pk)
    ).all()
    for one in (patient, *merged):
        yield Demographics(one.patient_name, one.patient_birth_date, one.patient_sex, identifiers)
    identified = work.session.scalars(
        select(PatientChange.changes).where(
            PatientChange.patient_pk == patient.patient_pk,
            PatientChange.changes.has_key("unidentified"),
            PatientChange.changes.has_key("patient_name"),
        )
    )
    for changes in identified:
        born = patient.patient_birth_date
        yield Demographics(str(changes["patient_name"][0]), born, patient.patient_sex, identifiers)


def _known_patients(work: Work, studies: Sequence[Study]) -> dict[int, int]:
    """study_pk → the registered patient of its identifier, where nothing speaks against him."""
    named = {study.study_pk: _of_study(study) for study in studies}
    wanted = {identifier for of_study in named.values() for identifier in of_study.identifiers}
    if not wanted:
        return {}
    found = {
        (issuer, patient_id): patient_pk
        for issuer, patient_id, patient_pk in work.session.execute(
            select(
                PatientIdentifier.issuer_of_patient_id,
                PatientIdentifier.patient_id,
                PatientIdentifier.patient_pk,
            ).where(tuple_(PatientIdentifier.issuer_of_patient_id, PatientIdentifier.patient_id).in_(wanted))
        )
    }
    known: dict[int, int] = {}
    for study_pk, of_study in named.items():
        for identifier in of_study.identifiers:
            patient_pk = found.get(identifier)
            if patient_pk is not None and not _against(work, patient_pk, of_study):
                known[study_pk] = patient_pk
    return known


def _link(
    work: Work,
    study: Study,
    requested: RequestedProcedure,
    patient_pk: int,
    state: str,
    by: str,
    tell: Callable[[Event], None],
) -> StudyLink:
    links = list(work.session.scalars(select(StudyLink).where(StudyLink.study_pk == study.study_pk)))
    if study.patient_pk != patient_pk:
        correct_study(
            work, study.study_pk, {}, reason="linked to its order", patient_pk=patient_pk, coerced=True
        )
    link = _note(work, links, study, requested.requested_procedure_pk, state, [], by, tell)
    steps = _steps(work, requested.requested_procedure_pk)
    # Modalities without MPPS: images say that the step has begun.
    for step in steps:
        if step.scheduled_procedure_step_status in rules.OPEN_STEPS:
            move_step(work, step, rules.StepMove.START)
    if not steps:
        with suppress(IllegalTransition):
            move_requested_procedure(work, requested.requested_procedure_pk, Move.START)
    return link


def _note(
    work: Work,
    links: list[StudyLink],
    study: Study,
    requested_procedure_pk: int | None,
    state: str,
    reasons: list[dict[str, str]],
    by: str,
    tell: Callable[[Event], None],
    *,
    candidate: int | None = None,
) -> StudyLink:
    link = next((one for one in links if one.requested_procedure_pk is None), None)
    if link is None:
        link = StudyLink(study_pk=study.study_pk, reasons=[], state=state, linked_at=work.now(), linked_by=by)
        work.session.add(link)
    changed = (link.state, link.requested_procedure_pk, link.reasons) != (
        state,
        requested_procedure_pk,
        reasons,
    )
    link.requested_procedure_pk = requested_procedure_pk
    link.state = state
    link.reasons = reasons
    link.candidate_procedure_pk = candidate
    link.linked_at = work.now()
    link.linked_by, link.linked_because = by[:64], None
    if state == "unmatched":
        if changed or len(links) == 0:
            tell(StudyUnmatched(study.study_pk))
    else:
        tell(StudyLinked(study.study_pk, requested_procedure_pk, state))
    return link


def unmatched(work: Work, *, limit: int = 200) -> list[Unmatched]:
    """Studies that wait for a person, newest first."""
    work.require(Permission.RECONCILE)
    rows = work.session.execute(
        select(StudyLink, Study)
        .join(Study, Study.study_pk == StudyLink.study_pk)
        .where(StudyLink.state == "unmatched")
        .order_by(StudyLink.study_link_pk.desc())
        .limit(limit)
    ).all()
    work.audit(AuditEventID.QUERY, "E", object_type="reconciliation")
    return [
        Unmatched(
            study.study_pk,
            study.study_instance_uid,
            study.patient_name,
            study.patient_id,
            study.issuer_of_patient_id,
            study.patient_birth_date,
            study.patient_sex,
            study.accession_number,
            study.study_description,
            study.study_date,
            list(study.modalities_in_study),
            study.number_of_study_related_instances,
            link.reasons,
            link.candidate_procedure_pk,
            study.created_at,
        )
        for link, study in rows
    ]


def reconcile(
    work: Work, study_pk: int, requested_procedure_pk: int, patient_pk: int, reason: str
) -> StudyLink:
    """A person says which order a study belongs to; `patient_pk` is whom they saw as the order's patient. The order's
    demographics are laid over the study; the objects as received stay, and `undo_reconciliation` takes it back. Raises
    NotFound, Conflict, Invalid."""
    work.require(Permission.RECONCILE)
    if not reason.strip():
        raise Invalid("Say why.", fields=[FieldError("reason", "required")])
    hold_patients(
        work,
        select(ImagingServiceRequest.patient_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        )
        .where(RequestedProcedure.requested_procedure_pk == requested_procedure_pk),
    )
    study = _alone_with_one(work, study_pk)
    requested = work.session.get(RequestedProcedure, requested_procedure_pk)
    if study is None or requested is None:
        raise NotFound("There is no such study or order.")
    request = work.session.get_one(
        ImagingServiceRequest, requested.imaging_service_request_pk, populate_existing=True
    )
    if work.actor.site_pks is not None and request.site_pk not in work.actor.site_pks:
        raise NotFound("There is no such study or order.")
    if request.patient_pk != patient_pk:
        raise Conflict("This order is another patient's by now. Look at it again.")
    links = list(work.session.scalars(select(StudyLink).where(StudyLink.study_pk == study_pk)))
    if any(link.state in ("matched", "resolved") and link.requested_procedure_pk for link in links):
        raise Conflict("This study already hangs on an order. Undo that first.")
    if requested.state == "CANCELED":
        raise Conflict("This order was cancelled. Place a new one for what was done.")
    patient = work.session.get_one(Patient, request.patient_pk)
    against = [
        {"field": one.field, "order": one.order[:200], "study": one.study[:200]}
        for one in differences(work, said_by_images(work, study), [requested_procedure_pk])
    ]
    corrections = {**_as_registered(work, patient), "AccessionNumber": request.accession_number}
    correct_study(work, study_pk, corrections, reason=reason, patient_pk=patient.patient_pk)
    link = _link(work, study, requested, patient.patient_pk, "resolved", work.actor.username, work.publish)
    link.reasons, link.linked_because = against, reason.strip()[:200]
    return link


def _as_registered(work: Work, patient: Patient) -> dict[str, str]:
    """Who a patient is, as DICOM attributes."""
    identifier = work.session.scalar(
        select(PatientIdentifier).where(
            PatientIdentifier.patient_pk == patient.patient_pk, PatientIdentifier.is_primary
        )
    )
    born = patient.patient_birth_date
    found = {
        "PatientName": patient.patient_name,
        "PatientBirthDate": born.strftime("%Y%m%d") if born else "",
        "PatientSex": patient.patient_sex or "",
    }
    if identifier is not None:
        found |= {
            "PatientID": identifier.patient_id,
            "IssuerOfPatientID": identifier.issuer_of_patient_id,
        }
    return found


def patient_merged(work: Work, event: dict[str, Any]) -> None:
    """On `patient.merged`: the studies that moved show whose they are now (IHE PIR). Idempotent."""
    keys = event["keys"]
    merge = work.session.scalar(
        select(PatientMerge)
        .where(
            PatientMerge.surviving_patient_pk == int(keys["surviving_patient_pk"]),
            PatientMerge.merged_patient_pk == int(keys["merged_patient_pk"]),
        )
        .order_by(PatientMerge.patient_merge_pk.desc())
        .limit(1)
    )
    work.audit(AuditEventID.PATIENT_RECORD, "R", object_type="studies of merged patients")
    moved = merge.moved if merge is not None else []
    pks = [key[0] for table, _, rows in moved if table == Study.__tablename__ for key in rows]
    _show_as_registered(work, pks, "patients merged" if not keys["undone"] else "merge taken back")


def patient_changed(work: Work, event: dict[str, Any]) -> None:
    """On `patient.changed`: where name, birth date or sex were corrected, the studies show it too. Idempotent.

    The event says so itself: by now other changes may have followed, of what studies do not show.
    """
    patient_pk = int(event["keys"]["patient_pk"])
    work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=patient_pk, object_type="studies of patient")
    if event["keys"].get("identity_changed", True):
        pks = work.session.scalars(select(Study.study_pk).where(Study.patient_pk == patient_pk))
        _show_as_registered(work, list(pks), "the patient's record was corrected")


def _show_as_registered(work: Work, study_pks: Sequence[int], reason: str) -> None:
    for study_pk in sorted(study_pks):
        study = _alone_with_one(work, study_pk)
        if study is None or study.patient_pk is None:
            continue
        patient = work.session.get_one(Patient, study.patient_pk)
        # What the register does not know is not taken from the study.
        known = {name: value for name, value in _as_registered(work, patient).items() if value}
        correct_study(work, study_pk, known, reason=reason, patient_pk=patient.patient_pk, coerced=True)


def undo_reconciliation(work: Work, study_pk: int, reason: str) -> None:
    """Takes a link back: the study shows again what it brought, and waits; the order that it was taken for stands on the
    worklist again, where nothing else says that its work has begun. What a person had hung there is again whose it says
    that it is, if that is somebody of the register; what hung there because it said so is nobody's. Raises NotFound."""
    work.require(Permission.RECONCILE)
    study = _alone_with_one(work, study_pk)
    links = work.session.scalars(
        select(StudyLink)
        .where(StudyLink.study_pk == study_pk, StudyLink.state.in_(("matched", "resolved")))
        .order_by(StudyLink.study_link_pk)
    ).all()
    if study is None or not links:
        raise NotFound("This study hangs on no order.")
    left = [link.requested_procedure_pk for link in links if link.requested_procedure_pk is not None]
    received = study.received_attributes
    back = {
        "PatientName": _first_name(received.get("00100010")),
        "PatientID": _first(received.get("00100020")),
        "IssuerOfPatientID": _first(received.get("00100021")),
        "PatientBirthDate": _first(received.get("00100030")),
        "PatientSex": _first(received.get("00100040")),
        "AccessionNumber": _first(received.get("00080050")),
    }
    correct_study(work, study_pk, back, reason=reason, patient_pk=None)
    if all(link.state == "resolved" for link in links):
        _hold_patients_of(work, [study])
        known = _known_patients(work, [study]).get(study_pk)
        if known is not None:
            correct_study(work, study_pk, {}, reason="patient known", patient_pk=known, coerced=True)
    work.session.execute(delete(StudyLink).where(StudyLink.study_pk == study_pk))
    work.session.flush()
    _note(
        work,
        [],
        study,
        None,
        "unmatched",
        [{"field": _TAKEN_BACK, "order": "taken back", "study": reason[:100]}],
        work.actor.username,
        work.publish,
        candidate=left[0] if left else None,
    )
    for requested_procedure_pk in sorted(left):
        _not_begun(work, requested_procedure_pk, reason)


def _not_begun(work: Work, requested_procedure_pk: int, reason: str) -> None:
    """Puts an order back that only the images of another had begun."""
    others = work.session.scalar(
        select(StudyLink.study_link_pk)
        .where(StudyLink.requested_procedure_pk == requested_procedure_pk, StudyLink.state != "unmatched")
        .limit(1)
    )
    steps = _steps(work, requested_procedure_pk)
    performed = work.session.scalar(
        select(PerformedStepReference.performed_procedure_step_pk)
        .where(
            PerformedStepReference.scheduled_procedure_step_pk.in_(
                [step.scheduled_procedure_step_pk for step in steps]
            )
        )
        .limit(1)
    )
    if others is not None or performed is not None:
        return
    for step in steps:
        if step.scheduled_procedure_step_status == rules.StepStatus.STARTED:
            move_step(work, step, rules.StepMove.REVERT, reason)
            move_appointment(work, step.appointment_pk, rules.AppointmentMove.REINSTATE)
    if not steps:
        with suppress(IllegalTransition):
            move_requested_procedure(work, requested_procedure_pk, Move.REVERT, reason)
            move_requested_procedure(work, requested_procedure_pk, Move.UNSCHEDULE, reason)


def _steps(work: Work, requested_procedure_pk: int) -> Sequence[ScheduledProcedureStep]:
    return lock_steps(work, ScheduledProcedureStep.requested_procedure_pk == requested_procedure_pk)


def _first(element: dict[str, Any] | None) -> str:
    values = (element or {}).get("Value") or [""]
    return str(values[0] or "")


def _first_name(element: dict[str, Any] | None) -> str:
    values = (element or {}).get("Value") or [""]
    return str(PersonName.from_json(values[0]))
