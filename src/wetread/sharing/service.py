"""Results for those who sent the patient: their own orders, what came of them, and how far they have read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, false

from wetread.archive.model import Study
from wetread.kit import limits
from wetread.kit.errors import Conflict, Denied, FieldError, Invalid, NotFound
from wetread.kit.paging import decode_cursor, encode_cursor
from wetread.patients.service import PatientBar, patient_bars
from wetread.reporting.service import (
    MarkedImage,
    ReportView,
    SignedVersion,
    document,
    seen_at_sites,
    signed_report,
)
from wetread.security.service import AuditEventID, Permission, Work
from wetread.sharing import rules, store
from wetread.sharing.events import ResultSeenByReferrer
from wetread.sharing.rules import ReleasePolicy
from wetread.sharing.store import Results, Wanted

__all__ = [
    "KeyPicture", "OwnPatients", "ReleasePolicy", "Result", "ResultDetail", "ResultImages", "ResultPage", "ResultStudy",
    "Wanted", "acknowledge", "get_result", "mark_seen", "result_document", "result_images", "results",
    "use_release_policy",
]  # fmt: skip

_policy = ReleasePolicy()


def use_release_policy(policy: ReleasePolicy) -> None:
    """Says what leaves the house (called once by the composition root)."""
    global _policy  # noqa: PLW0603 - one per process, set at composition
    _policy = policy


class OwnPatients:
    """The archive's StudyVisibility: who is a referrer and no more sees the studies of their own orders, who works at
    some sites only those of these sites."""

    def condition(self, work: Work) -> ColumnElement[bool] | None:
        """A condition on Study; None: all of them."""
        actor = work.actor
        if not rules.sees_only_own(actor.roles):
            return seen_at_sites(actor.site_pks)
        if actor.practitioner_pk is None:
            return false()
        return Study.study_pk.in_(store.own_studies(actor.practitioner_pk, actor.site_pks))


@dataclass(frozen=True, slots=True)
class Result:
    """An ordered procedure with what came of it so far. `unseen`: a version is there that this person has not read."""

    requested_procedure_pk: int
    patient: PatientBar
    accession_number: str
    requested_procedure_description: str
    modality: str
    laterality: str | None
    requested_procedure_priority: str
    reason_for_the_requested_procedure: str | None
    site_code: str
    time_zone: str
    ordered_at: datetime
    starts_at: datetime | None
    first_image_at: datetime | None
    number_of_instances: int
    state: str
    state_reason: str | None
    latest_at: datetime
    unseen: bool
    version_number: int | None
    signed_at: datetime | None
    signed_by_name: str | None
    impression: str
    seen_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A page of results; `total` and `unseen` count all that match, on the first page only."""

    items: list[Result]
    next_cursor: str | None
    total: int | None
    unseen: int | None


@dataclass(frozen=True, slots=True)
class ResultStudy:
    """A study of the result, as the viewer opens it."""

    study_pk: int
    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    modalities_in_study: list[str]
    number_of_study_related_instances: int
    thumbnail_url: str


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """A key image with where its picture is."""

    key_image_pk: int
    study_pk: int
    series_instance_uid: str
    sop_instance_uid: str
    frame_number: int
    note: str | None
    rendered_url: str


@dataclass(frozen=True, slots=True)
class ResultDetail:
    """A result whole. `versions` are those that stand; `replaces` says when the preliminary text was signed that they
    replaced; `seen_version_number` is what this person had read before."""

    result: Result
    institution_name: str
    report_pk: int | None
    procedures: list[str]
    versions: list[SignedVersion]
    replaces: datetime | None
    seen_version_number: int | None
    studies: list[ResultStudy]
    key_images: list[KeyPicture]


@dataclass(frozen=True, slots=True)
class ResultImages:
    """What the viewer needs: the study, and the patient's other studies that this person ordered, newest first."""

    patient: PatientBar
    requested_procedure_pk: int
    study: ResultStudy
    priors: list[ResultStudy]


def _results(work: Work) -> Results | None:
    """The actor's own list; None for who refers nobody."""
    work.require(Permission.RESULT_READ)
    actor = work.actor
    if actor.practitioner_pk is None or actor.user_pk is None:
        return None
    return Results(actor.practitioner_pk, actor.user_pk, actor.site_pks, _policy.kinds)


def results(work: Work, wanted: Wanted, *, cursor: str | None = None, limit: int = 100) -> ResultPage:
    """Orders of the acting practitioner with what came of them: new ones first, then by the last thing that happened."""
    own = _results(work)
    if unknown := set(wanted.states) - set(rules.RESULT_STATES):
        raise Invalid(
            "There is no such state.", fields=[FieldError("state", f"{', '.join(sorted(unknown))} is none")]
        )
    after = None if cursor is None else _key(cursor)
    limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
    rows = [] if own is None else own.page(work.session, wanted, limit + 1, after)
    shown = rows[:limit]
    total = unseen = None
    if cursor is None:
        total, unseen = (0, 0) if own is None else own.counts(work.session, wanted)
    items = _items(work, shown)
    work.audit(AuditEventID.QUERY, "E", object_type="results", detail={"shown": str(len(items))})
    following = None
    if len(rows) > limit:
        last = shown[-1]
        following = encode_cursor(
            last.rank, last.latest_at.isoformat(), last.RequestedProcedure.requested_procedure_pk
        )
    return ResultPage(items, following, total, unseen)


def _key(cursor: str) -> tuple[int, datetime, int]:
    rank, moment, last = decode_cursor(cursor, 3)
    try:
        return int(rank or 0), datetime.fromisoformat(str(moment)), int(last or 0)
    except ValueError:
        raise Invalid(
            "The page cursor is not one of ours.", fields=[FieldError("cursor", "not valid")]
        ) from None


def get_result(work: Work, requested_procedure_pk: int) -> ResultDetail:
    """One result with the text that stands, its studies and key images. Raises NotFound, also for another's order."""
    row = _row(work, requested_procedure_pk)
    (item,) = _items(work, [row])
    view, versions = _report(work, row)
    preliminary = [one for one in view.versions if one.kind == "preliminary"] if view else []
    replaced = preliminary and versions and versions[0].kind == "final" and _policy.preliminary
    found = [_study(one) for one in store.studies(work.session, row.study_pks or [])]
    shown = {one.study_pk: one for one in found}
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=item.patient.patient_pk,
        study_instance_uid=found[0].study_instance_uid if found else None,
        object_type="result",
        object_id=requested_procedure_pk,
        detail={"version": str(item.version_number)} if item.version_number else None,
    )
    return ResultDetail(
        item,
        view.institution_name if view else "",
        view.report_pk if view else None,
        [one.requested_procedure_description for one in view.procedures]
        if view
        else [item.requested_procedure_description],
        versions,
        preliminary[-1].signed_at if replaced else None,
        row.ResultSeen.version_number if row.ResultSeen else None,
        found,
        [_picture(one) for one in view.key_images if one.study_pk in shown] if view and versions else [],
    )


def mark_seen(work: Work, requested_procedure_pk: int, version_number: int) -> None:
    """The person has read up to this version."""
    _note(work, requested_procedure_pk, version_number, acknowledged=False)


def acknowledge(work: Work, requested_procedure_pk: int, version_number: int) -> None:
    """The person confirms having taken note of this version. Raises Conflict where a newer one is there: read it first."""
    _note(work, requested_procedure_pk, version_number, acknowledged=True)


def _note(work: Work, requested_procedure_pk: int, version_number: int, *, acknowledged: bool) -> None:
    row = _row(work, requested_procedure_pk)
    if row.version_number is None or not 1 <= version_number <= row.version_number:
        raise Invalid(
            "There is no such version of the report.", fields=[FieldError("version_number", "not there")]
        )
    if acknowledged and version_number != row.version_number:
        raise Conflict("A newer version of this report is there. Read it before you acknowledge.")
    user_pk = work.actor.user_pk
    if user_pk is None:
        raise Denied("Only a person reads a result.")
    store.note_seen(
        work.session, user_pk, row.report_pk, version_number, work.now(), acknowledged=acknowledged
    )
    work.publish(ResultSeenByReferrer(row.report_pk, user_pk, version_number, acknowledged))
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "U" if acknowledged else "R",
        patient_pk=row.ImagingServiceRequest.patient_pk,
        object_type="result acknowledgment" if acknowledged else "result seen",
        object_id=row.report_pk,
        detail={"version": str(version_number)},
    )


def result_document(work: Work, requested_procedure_pk: int) -> tuple[int, bytes]:
    """The released report as PDF with its key images. Raises NotFound, Conflict where nothing is released yet."""
    row = _row(work, requested_procedure_pk)
    view, versions = _report(work, row)
    if view is None or not versions:
        raise Conflict("There is no signed report yet.")
    work.audit(
        AuditEventID.EXPORT,
        "R",
        patient_pk=row.ImagingServiceRequest.patient_pk,
        object_type="report",
        object_id=view.report_pk,
        detail={"as": "PDF", "version": str(row.version_number)},
    )
    return view.report_pk, document(work, replace(view, versions=versions))


def result_images(work: Work, study_pk: int) -> ResultImages:
    """A study of one of the actor's orders for the viewer, with the patient's other ones. Raises NotFound."""
    own = _results(work)
    study = next(iter(store.studies(work.session, [study_pk])), None)
    rows = (
        own.of_patient(work.session, study.patient_pk)
        if own is not None and study is not None and study.patient_pk is not None
        else []
    )
    row = next((one for one in rows if study_pk in (one.study_pks or ())), None)
    if row is None or study is None:
        raise NotFound("There is no such study.")
    others = {pk for one in rows for pk in (one.study_pks or ())} - {study_pk}
    patient_pk = row.ImagingServiceRequest.patient_pk
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=patient_pk,
        study_instance_uid=study.study_instance_uid,
        object_type="result images",
        object_id=study_pk,
    )
    return ResultImages(
        patient_bars(work, [patient_pk])[patient_pk],
        row.RequestedProcedure.requested_procedure_pk,
        _study(study),
        [_study(one) for one in store.studies(work.session, sorted(others))],
    )


def _row(work: Work, requested_procedure_pk: int) -> Any:
    own = _results(work)
    row = None if own is None else own.one(work.session, requested_procedure_pk)
    if row is None:
        raise NotFound("There is no such result.")
    return row


def _report(work: Work, row: Any) -> tuple[ReportView | None, list[SignedVersion]]:
    if row.report_pk is None or row.version_number is None:
        return None, []
    view = signed_report(work, row.report_pk)
    return view, rules.released(view.versions, _policy)


def _items(work: Work, rows: Any) -> list[Result]:
    bars = patient_bars(work, {row.ImagingServiceRequest.patient_pk for row in rows})
    return [_item(row, bars[row.ImagingServiceRequest.patient_pk]) for row in rows]


def _item(row: Any, patient: PatientBar) -> Result:
    requested, request, seen = row.RequestedProcedure, row.ImagingServiceRequest, row.ResultSeen
    return Result(
        requested.requested_procedure_pk,
        patient,
        request.accession_number,
        requested.requested_procedure_description,
        row.Procedure.modality,
        requested.laterality,
        requested.requested_procedure_priority,
        requested.reason_for_the_requested_procedure,
        row.site_code,
        row.time_zone,
        request.ordered_at,
        row.starts_at,
        row.first_image_at,
        int(row.instances or 0),
        row.result_state,
        requested.state_reason if row.result_state in ("canceled", "discontinued") else None,
        row.latest_at,
        row.unseen,
        row.version_number,
        row.signed_at,
        row.signed_by_name,
        row.impression or "",
        seen.seen_at if seen else None,
        seen.acknowledged_at if seen else None,
        bool(seen and row.version_number and seen.acknowledged_version_number == row.version_number),
    )


def _study(study: Study) -> ResultStudy:
    return ResultStudy(
        study.study_pk,
        study.study_instance_uid,
        study.study_date,
        study.study_description,
        list(study.modalities_in_study),
        study.number_of_study_related_instances,
        f"/dicom-web/studies/{study.study_instance_uid}/thumbnail",
    )


def _picture(image: MarkedImage) -> KeyPicture:
    window = image.window
    return KeyPicture(
        image.key_image_pk,
        image.study_pk,
        image.series_instance_uid,
        image.sop_instance_uid,
        image.frame_number,
        image.note,
        f"/dicom-web/studies/{image.study_instance_uid}/series/{image.series_instance_uid}"
        f"/instances/{image.sop_instance_uid}/frames/{image.frame_number}/rendered?viewport=320,320&annotation=orientation"
        + (
            f"&window={window.window_center:g},{window.window_width:g},{window.voi_lut_function.lower()}"
            if window
            else ""
        ),
    )
