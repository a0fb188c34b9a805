"""Use cases of the reporting room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from wetread.archive.model import Instance, Series, Study
from wetread.archive.service import sides_of_series
from wetread.kit.errors import Conflict, Denied, FieldError, Invalid, NotFound
from wetread.kit.failpoints import failpoint
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.service import PatientBar, hold_patients, patient_bars
from wetread.reporting import rules
from wetread.reporting.events import ReportAddended, ReportChanged, ReportFinal, ReportPreliminary
from wetread.reporting.model import KeyImage, Report, ReportProcedure, ReportVersion
from wetread.reporting.rules import ReportState, Step, Template
from wetread.reporting.visibility import seen_at_sites as seen_at_sites  # noqa: PLC0414 - other rooms take it from here
from wetread.scheduling.model import StudyLink
from wetread.scheduling.service import linked_studies
from wetread.security.model import Practitioner, Site, User
from wetread.security.service import AuditEventID, Permission, Work, reauthenticate

_LASTING = ("final", "addendum")  # a preliminary text is replaced by the final one


@dataclass(frozen=True, slots=True)
class ReportedProcedure:
    """A Requested Procedure as its report shows it."""

    requested_procedure_pk: int
    accession_number: str
    requested_procedure_description: str
    modality: str
    body_part_examined: str | None
    laterality: str | None
    reason_for_the_requested_procedure: str | None
    diagnosis_codes: list[str]
    requested_procedure_priority: str
    referring_physician_name: str | None
    ordered_at: datetime
    study_pk: int | None
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class SignedVersion:
    """A signed version as people read it."""

    version_number: int
    kind: str
    sections: dict[str, str]
    signed_by_name: str
    signed_at: datetime
    signed_by_person_name: str | None = None
    signed_by_npi: str | None = None


@dataclass(frozen=True, slots=True)
class KeyWindow:
    """By what an image was seen when it was marked, in the values of its modality (PS3.3 C.11.2.1.2)."""

    window_center: float
    window_width: float
    voi_lut_function: str = "LINEAR"


@dataclass(frozen=True, slots=True)
class MarkedImage:
    """A key image."""

    key_image_pk: int
    study_pk: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    frame_number: int
    note: str | None
    marked_at: datetime
    window: KeyWindow | None = None


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report with all that its reader or writer needs beside it."""

    report_pk: int
    patient: PatientBar
    site_pk: int
    institution_name: str
    state: str
    template_key: str
    procedures: list[ReportedProcedure]
    versions: list[SignedVersion]
    key_images: list[MarkedImage]
    draft_sections: dict[str, str] | None
    draft_revision: int
    draft_saved_at: datetime | None
    editor_user_pk: int | None
    editor_name: str | None
    may_edit: bool


@dataclass(frozen=True, slots=True)
class PriorReport:
    """An earlier report of the same patient."""

    report_pk: int
    state: str
    description: str
    modality: str
    study_pk: int | None
    study_date: date | None
    signed_at: datetime
    signed_by_name: str
    impression: str
    text: str


@dataclass(frozen=True, slots=True)
class DraftSaved:
    """The answer to a saved draft."""

    draft_revision: int
    draft_saved_at: datetime


def open_report(
    work: Work, requested_procedure_pks: Sequence[int], template_key: str | None = None
) -> ReportView:
    """The report of these Requested Procedures; a draft is begun where there is none. One patient, one report.

    Raises NotFound where one of them is absent or of a site that the actor does not work at.
    """
    work.require(Permission.REPORT_READ)
    hold_patients(
        work,
        select(ImagingServiceRequest.patient_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.imaging_service_request_pk == ImagingServiceRequest.imaging_service_request_pk,
        )
        .where(RequestedProcedure.requested_procedure_pk.in_(requested_procedure_pks)),
    )
    found = _procedures(work, requested_procedure_pks)
    if {requested.requested_procedure_pk for requested, *_ in found} != set(requested_procedure_pks):
        raise NotFound("There is no such requested procedure.")
    if (begun := _report_of(work, requested_procedure_pks)) is not None:
        return get_report(work, begun)
    work.require(Permission.REPORT_WRITE)
    patients = {request.patient_pk for _, request, _ in found}
    if len(patients) != 1:
        raise Invalid(
            "A report is about one patient.", fields=[FieldError("requested_procedure_pks", "two patients")]
        )
    if any(requested.state == "CANCELED" for requested, *_ in found):
        raise Conflict("The order of this procedure was cancelled; there is nothing to report.")
    first, request, procedure = found[0]
    chosen = (
        rules.template(template_key)
        if template_key
        else rules.template_for(procedure.modality, procedure.body_part_examined, procedure.template_key)
    )
    sections = dict(chosen.sections)
    sections["indication"] = first.reason_for_the_requested_procedure or ""
    report = Report(
        patient_pk=request.patient_pk,
        site_pk=request.site_pk,
        state=ReportState.DRAFT,
        template_key=chosen.key,
        draft_sections=sections,
        draft_revision=1,
        draft_saved_at=work.now(),
        editor_user_pk=work.actor.user_pk,
        editor_since=work.now(),
        created_at=work.now(),
    )
    try:
        with work.session.begin_nested():
            work.session.add(report)
            work.session.flush()
            work.session.add_all(
                ReportProcedure(
                    requested_procedure_pk=requested.requested_procedure_pk, report_pk=report.report_pk
                )
                for requested, _, _ in found
            )
            work.session.flush()
    except IntegrityError:
        begun = _report_of(work, requested_procedure_pks)
        if begun is None:
            raise
        return get_report(work, begun)  # somebody else began it at the same instant
    work.publish(ReportChanged(report.report_pk, report.state))
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "C",
        patient_pk=report.patient_pk,
        object_type="report",
        object_id=report.report_pk,
    )
    return _view(work, report)


def _report_of(work: Work, requested_procedure_pks: Sequence[int]) -> int | None:
    """The report of these procedures that there is. Raises Conflict where they have different ones."""
    existing = set(
        work.session.scalars(
            select(ReportProcedure.report_pk).where(
                ReportProcedure.requested_procedure_pk.in_(requested_procedure_pks)
            )
        )
    )
    if len(existing) > 1:
        raise Conflict("These procedures already have different reports.")
    return existing.pop() if existing else None


def get_report(work: Work, report_pk: int) -> ReportView:
    """A report. Raises NotFound."""
    work.require(Permission.REPORT_READ)
    report = _report(work, report_pk)
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=report.patient_pk,
        object_type="report",
        object_id=report_pk,
    )
    return _view(work, report)


def signed_report(work: Work, report_pk: int) -> ReportView:
    """A report for rooms that distribute it; the calling use case decides who may see it and writes the audit record."""
    return _view(work, _report(work, report_pk))


def document(work: Work, view: ReportView) -> bytes:
    """The signed report as PDF with the key images that were marked when it was last signed. Raises Conflict where nothing
    is signed, or where a text is not what its signature stands for."""
    from wetread.reporting import pdf
    from wetread.reporting.pictures import picture_of

    if not view.versions:
        raise Conflict("Nothing of this report is signed yet.")
    signed = {
        row.version_number: row.content_sha256
        for row in work.session.execute(
            select(ReportVersion.version_number, ReportVersion.content_sha256).where(
                ReportVersion.report_pk == view.report_pk
            )
        )
    }
    if any(rules.content_hash(one.sections) != signed.get(one.version_number) for one in view.versions):
        raise Conflict(
            "The text of this report is not what was signed. It does not leave the house like this."
        )
    site = work.session.get_one(Site, view.site_pk)
    # What is marked later waits for the addendum: a signed document stays as it was signed.
    last = max((one.signed_at for one in view.versions if one.kind in _LASTING), default=None)
    images = [image for image in view.key_images if last is None or image.marked_at <= last]
    pictures = [picture for image in images if (picture := picture_of(work, image)) is not None]
    return pdf.render(view, site, pictures)


def save_draft(work: Work, report_pk: int, sections: Mapping[str, str], draft_revision: int) -> DraftSaved:
    """Keeps the text. Raises Conflict where another window or person saved in between; nothing is lost on either side."""
    work.require(Permission.REPORT_WRITE)
    report = _editable(work, report_pk, draft_revision)
    rules.after(report.state, Step.SAVE_DRAFT)
    _save(work, report, sections)
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "U",
        patient_pk=report.patient_pk,
        object_type="report draft",
        object_id=report_pk,
        detail={"revision": str(report.draft_revision)},
    )
    assert report.draft_saved_at is not None
    return DraftSaved(report.draft_revision, report.draft_saved_at)


def apply_template(work: Work, report_pk: int, template_key: str, draft_revision: int) -> ReportView:
    """Puts another template under the draft; text already written in a section stays."""
    work.require(Permission.REPORT_WRITE)
    report = _editable(work, report_pk, draft_revision)
    rules.after(report.state, Step.SAVE_DRAFT)
    chosen = rules.template(template_key)
    before = rules.template(report.template_key).sections
    written = report.draft_sections or {}
    merged = {
        name: text if written.get(name, "").strip() in ("", before.get(name, "").strip()) else written[name]
        for name, text in chosen.sections.items()
    }
    merged["indication"] = written.get("indication", "")
    report.template_key = chosen.key
    _save(work, report, merged)
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "U",
        patient_pk=report.patient_pk,
        object_type="report draft",
        object_id=report_pk,
    )
    return _view(work, report)


def take_over(work: Work, report_pk: int, reason: str) -> ReportView:
    """Makes the actor the draft's editor, with a reason; who had it is told by the event. Raises Invalid,
    IllegalTransition where nothing is being written any more."""
    work.require(Permission.REPORT_WRITE)
    if not reason.strip():
        raise Invalid("Taking over needs a reason.", fields=[FieldError("reason", "is empty")])
    report = _report(work, report_pk, lock=True)
    rules.after(report.state, Step.SAVE_DRAFT)
    report.editor_user_pk, report.editor_since = work.actor.user_pk, work.now()
    report.draft_revision += 1
    work.publish(ReportChanged(report_pk, report.state))
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "U",
        patient_pk=report.patient_pk,
        object_type="report draft",
        object_id=report_pk,
        detail={"taken over": reason.strip()[:200]},
    )
    return _view(work, report)


def warnings(work: Work, report_pk: int, sections: Mapping[str, str]) -> list[rules.Warning]:
    """What to look at before signing."""
    work.require(Permission.REPORT_WRITE)
    report = _report(work, report_pk)
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=report.patient_pk,
        object_type="report",
        object_id=report_pk,
    )
    return _warnings(work, report, sections)


def sign(
    work: Work,
    report_pk: int,
    kind: str,
    sections: Mapping[str, str],
    draft_revision: int,
    *,
    acknowledged: Sequence[str],
    password: str,
    totp: str | None,
) -> ReportView:
    """Signs a preliminary or final version after proving again who one is. Raises Denied, Conflict, Invalid (with the
    warnings that are not acknowledged in `fields`)."""
    work.require(Permission.REPORT_SIGN)
    step = {"preliminary": Step.SIGN_PRELIMINARY, "final": Step.SIGN_FINAL}.get(kind)
    if step is None:
        raise Invalid(
            "A report is signed as preliminary or final.", fields=[FieldError("kind", "preliminary or final")]
        )
    report = _editable(work, report_pk, draft_revision)
    state = rules.after(report.state, step)
    cleaned = _cleaned(sections)
    open_warnings = [
        one for one in _warnings(work, report, cleaned) if one.blocking or one.code not in acknowledged
    ]
    if open_warnings:
        raise Invalid(
            "Please look at these before signing.",
            fields=[FieldError(f"warning.{one.code}", one.text) for one in open_warnings],
        )
    reauthenticate(work, password, totp)
    version = _sign(work, report, kind, cleaned, acknowledged)
    failpoint("reporting.signed")
    report.state = state
    report.draft_sections = cleaned if kind == "preliminary" else None
    if kind == "final":
        report.editor_user_pk = report.editor_since = None
    fact = ReportPreliminary if kind == "preliminary" else ReportFinal
    work.publish(fact(report_pk, version.version_number))
    return _view(work, report)


def addend(work: Work, report_pk: int, text: str, *, password: str, totp: str | None) -> ReportView:
    """Signs an addendum onto a final report; what was signed before stays as it is."""
    work.require(Permission.REPORT_SIGN)
    report = _report(work, report_pk, lock=True)
    state = rules.after(report.state, Step.ADDEND)
    cleaned = _cleaned({"addendum": text})
    if not cleaned["addendum"]:
        raise Invalid("The addendum is empty.", fields=[FieldError("text", "required")])
    reauthenticate(work, password, totp)
    version = _sign(work, report, "addendum", cleaned, ())
    report.state = state
    work.publish(ReportAddended(report_pk, version.version_number))
    return _view(work, report)


def prior_reports(work: Work, patient_pk: int, *, except_report_pk: int | None = None) -> list[PriorReport]:
    """Signed reports of a patient from the actor's sites, newest first, each with the text that stands."""
    work.require(Permission.REPORT_READ)
    query = (
        _joined(ReportVersion, Report, RequestedProcedure, Procedure, Study)
        .join(ReportVersion, ReportVersion.report_pk == Report.report_pk)
        .where(Report.patient_pk == patient_pk)
        .order_by(ReportVersion.signed_at.desc(), ReportVersion.report_version_pk.desc())
    )
    if work.actor.site_pks is not None:
        query = query.where(Report.site_pk.in_(work.actor.site_pks))
    rows = work.session.execute(query).all()
    work.audit(AuditEventID.PATIENT_RECORD, "R", patient_pk=patient_pk, object_type="reports")
    heads: dict[int, tuple[Report, RequestedProcedure, Procedure, Study | None]] = {}
    versions: dict[int, dict[int, ReportVersion]] = {}
    for version, report, requested, procedure, study in rows:
        if report.report_pk != except_report_pk:
            heads.setdefault(report.report_pk, (report, requested, procedure, study))
            versions.setdefault(report.report_pk, {})[version.version_number] = version
    found = []
    for report, requested, procedure, study in heads.values():
        standing = rules.standing([one for _, one in sorted(versions[report.report_pk].items())])
        found.append(
            PriorReport(
                report.report_pk,
                report.state,
                requested.requested_procedure_description,
                procedure.modality,
                None if study is None else study.study_pk,
                None if study is None else study.study_date,
                standing[0].signed_at,
                standing[0].signed_by_name,
                standing[0].sections.get("impression", ""),
                "\n\n".join(rules.plain_text(one.sections) for one in standing),
            )
        )
    return found


def templates(work: Work) -> list[Template]:
    """Every template."""
    work.require(Permission.REPORT_READ)
    return list(rules.TEMPLATES)


def mark_key_image(
    work: Work,
    study_pk: int,
    series_instance_uid: str,
    sop_instance_uid: str,
    frame_number: int = 1,
    note: str | None = None,
    window: KeyWindow | None = None,
) -> MarkedImage:
    """Marks an image as telling, as it is seen; marking it again changes note and window. Raises Conflict where it stands
    in a signed report with others."""
    work.require(Permission.REPORT_WRITE)
    study = _study(work, study_pk)
    if work.actor.user_pk is None:
        raise Denied("Only a person marks key images.")
    # A mark prints the image into the report: it must be of this study, whatever the caller says.
    frames = work.session.scalar(
        select(Instance.number_of_frames)
        .join(Series, Series.series_pk == Instance.series_pk)
        .where(
            Instance.study_pk == study_pk,
            Instance.sop_instance_uid == sop_instance_uid,
            Series.series_instance_uid == series_instance_uid,
        )
    )
    if frames is None:
        raise NotFound("There is no such image in this study.")
    if not 1 <= frame_number <= frames:
        raise Invalid(
            "There is no such frame.", fields=[FieldError("frame_number", f"the image has {frames}")]
        )
    before = work.session.scalar(
        select(KeyImage).where(
            KeyImage.sop_instance_uid == sop_instance_uid, KeyImage.frame_number == frame_number
        )
    )
    if before is not None and (before.note, _window_of(before)) != (note, window):
        _require_unsigned(work, before)
    statement = insert(KeyImage).values(
        study_pk=study_pk,
        study_instance_uid=study.study_instance_uid,
        series_instance_uid=series_instance_uid,
        sop_instance_uid=sop_instance_uid,
        frame_number=frame_number,
        note=note,
        window_center=window and window.window_center,
        window_width=window and window.window_width,
        voi_lut_function=window and window.voi_lut_function,
        marked_by_user_pk=work.actor.user_pk,
        marked_at=work.now(),
    )
    image = work.session.scalars(
        statement.on_conflict_do_update(
            index_elements=["sop_instance_uid", "frame_number"],
            set_={
                name: statement.excluded[name]
                for name in ("note", "window_center", "window_width", "voi_lut_function")
            },
        ).returning(KeyImage),
        execution_options={"populate_existing": True},
    ).one()
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "C",
        patient_pk=study.patient_pk,
        study_instance_uid=study.study_instance_uid,
        object_type="key image",
        object_id=image.key_image_pk,
    )
    return _marked(image)


def unmark_key_image(work: Work, key_image_pk: int) -> None:
    """Takes a mark back. Raises NotFound, and Conflict where it stands in a signed report."""
    work.require(Permission.REPORT_WRITE)
    image = work.session.get(KeyImage, key_image_pk)
    if image is None or not _sees(work, image.study_pk):
        raise NotFound("There is no such key image.")
    _require_unsigned(work, image)
    work.session.execute(delete(KeyImage).where(KeyImage.key_image_pk == key_image_pk))
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "D",
        study_instance_uid=image.study_instance_uid,
        object_type="key image",
        object_id=key_image_pk,
    )


def _require_unsigned(work: Work, image: KeyImage) -> None:
    signed = (
        select(ReportVersion.report_version_pk)
        .join(ReportProcedure, ReportProcedure.report_pk == ReportVersion.report_pk)
        .join(StudyLink, StudyLink.requested_procedure_pk == ReportProcedure.requested_procedure_pk)
        .where(
            StudyLink.study_pk == image.study_pk,
            StudyLink.state.in_(("matched", "resolved")),
            ReportVersion.kind.in_(_LASTING),
            ReportVersion.signed_at >= image.marked_at,
        )
    )
    if work.session.scalar(select(signed.exists())):
        raise Conflict("This image stands in a signed report, which stays as it was signed.")


def key_images_of_study(work: Work, study_pk: int) -> list[MarkedImage]:
    """Key images of one study, in the order of marking. Raises NotFound."""
    work.require(Permission.REPORT_READ)
    study = _study(work, study_pk)
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "R",
        patient_pk=study.patient_pk,
        study_instance_uid=study.study_instance_uid,
        object_type="key images",
        object_id=study_pk,
    )
    return key_images(work, [study_pk])


def _study(work: Work, study_pk: int) -> Study:
    study = work.session.get(Study, study_pk)
    if study is None or not _sees(work, study_pk):
        raise NotFound("There is no such study.")
    return study


def _sees(work: Work, study_pk: int) -> bool:
    """Whether the study is of the actor's sites, or of no order yet."""
    condition = seen_at_sites(work.actor.site_pks)
    if condition is None:
        return True
    return bool(work.session.scalar(select(exists().where(Study.study_pk == study_pk, condition))))


def key_images(work: Work, study_pks: Sequence[int]) -> list[MarkedImage]:
    """Key images of studies, in the order of marking; the calling use case writes the audit record."""
    rows = work.session.scalars(
        select(KeyImage).where(KeyImage.study_pk.in_(study_pks)).order_by(KeyImage.key_image_pk)
    )
    return [_marked(row) for row in rows]


def _marked(image: KeyImage) -> MarkedImage:
    return MarkedImage(
        image.key_image_pk,
        image.study_pk,
        image.study_instance_uid,
        image.series_instance_uid,
        image.sop_instance_uid,
        image.frame_number,
        image.note,
        image.marked_at,
        _window_of(image),
    )


def _window_of(image: KeyImage) -> KeyWindow | None:
    if image.window_center is None or image.window_width is None:
        return None
    return KeyWindow(image.window_center, image.window_width, image.voi_lut_function or "LINEAR")


def _report(work: Work, report_pk: int, *, lock: bool = False) -> Report:
    query = select(Report).where(Report.report_pk == report_pk)
    report = work.session.scalar(query.with_for_update() if lock else query)
    if report is None or (work.actor.site_pks is not None and report.site_pk not in work.actor.site_pks):
        raise NotFound("There is no such report.")
    return report


def _editable(work: Work, report_pk: int, draft_revision: int) -> Report:
    report = _report(work, report_pk, lock=True)
    if report.editor_user_pk not in (None, work.actor.user_pk):
        editor = work.session.get(User, report.editor_user_pk)
        raise Conflict(
            f"{editor.display_name if editor else 'Somebody else'} is writing this report. Take it over first."
        )
    if report.draft_revision != draft_revision:
        raise Conflict(
            "This draft was saved elsewhere in the meantime. Your text is kept here; compare before saving."
        )
    report.editor_user_pk = work.actor.user_pk
    report.editor_since = report.editor_since or work.now()
    return report


def _cleaned(sections: Mapping[str, str]) -> dict[str, str]:
    faults = [
        FieldError(
            f"sections.{name}", "not a section of a report" if name not in rules.SECTIONS else "too long"
        )
        for name, text in sections.items()
        if name not in rules.SECTIONS or len(text) > rules.SECTION_CHARACTERS_MAX
    ]
    if faults:
        raise Invalid("The report's text cannot be kept like this.", fields=faults)
    return {name: rules.cleaned_text(text) for name, text in sections.items()}


def _save(work: Work, report: Report, sections: Mapping[str, str]) -> None:
    report.draft_sections = _cleaned(sections)
    report.draft_revision += 1
    report.draft_saved_at = work.now()
    work.session.flush()


def _sign(
    work: Work, report: Report, kind: str, sections: dict[str, str], acknowledged: Sequence[str]
) -> ReportVersion:
    if work.actor.user_pk is None:
        raise Denied("Only a person signs.")
    number = work.session.scalar(
        select(func.coalesce(func.max(ReportVersion.version_number), 0) + 1).where(
            ReportVersion.report_pk == report.report_pk
        )
    )
    version = ReportVersion(
        report_pk=report.report_pk,
        version_number=number or 1,
        kind=kind,
        sections=sections,
        signed_by_user_pk=work.actor.user_pk,
        signed_by_name=work.actor.display_name,
        signed_by_practitioner_pk=work.actor.practitioner_pk,
        signed_at=work.now(),
        content_sha256=rules.content_hash(sections),
        acknowledged_warnings=list(acknowledged),
    )
    work.session.add(version)
    report.draft_revision += 1
    report.draft_saved_at = work.now()
    work.session.flush()
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "C",
        patient_pk=report.patient_pk,
        object_type="report version",
        object_id=version.report_version_pk,
        detail={"kind": kind, "sha256": version.content_sha256.hex()},
    )
    return version


def _procedures(
    work: Work, requested_procedure_pks: Sequence[int]
) -> list[tuple[RequestedProcedure, ImagingServiceRequest, Procedure]]:
    rows = work.session.execute(
        select(RequestedProcedure, ImagingServiceRequest, Procedure)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .where(RequestedProcedure.requested_procedure_pk.in_(requested_procedure_pks))
        .order_by(RequestedProcedure.requested_procedure_pk)
    ).all()
    sites = work.actor.site_pks
    return [(a, b, c) for a, b, c in rows if sites is None or b.site_pk in sites]


def _warnings(work: Work, report: Report, sections: Mapping[str, str]) -> list[rules.Warning]:
    procedures = _reported(work, report.report_pk)
    bar = patient_bars(work, [report.patient_pk])[report.patient_pk]
    lateralities = {one.laterality for one in procedures if one.laterality}
    studies = {pk for one in procedures for pk in linked_studies(work, one.requested_procedure_pk)}
    shown: set[str] = set().union(*sides_of_series(work.session, studies).values())
    return rules.check(sections, lateralities=lateralities, patient_sex=bar.patient_sex, shown=shown)


def _joined(*columns: Any) -> Any:
    """Reports with their procedures, and the images of those that have some."""
    return (
        select(*columns)
        .select_from(ReportProcedure)
        .join(Report, Report.report_pk == ReportProcedure.report_pk)
        .join(
            RequestedProcedure,
            RequestedProcedure.requested_procedure_pk == ReportProcedure.requested_procedure_pk,
        )
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .outerjoin(
            StudyLink,
            (StudyLink.requested_procedure_pk == RequestedProcedure.requested_procedure_pk)
            & StudyLink.state.in_(("matched", "resolved")),
        )
        .outerjoin(Study, Study.study_pk == StudyLink.study_pk)
    )


def _reported(work: Work, report_pk: int) -> list[ReportedProcedure]:
    rows = work.session.execute(
        _joined(RequestedProcedure, ImagingServiceRequest, Procedure, Study, Practitioner.person_name)
        .outerjoin(
            Practitioner, Practitioner.practitioner_pk == ImagingServiceRequest.referring_practitioner_pk
        )
        .where(ReportProcedure.report_pk == report_pk)
        .order_by(RequestedProcedure.requested_procedure_pk, Study.study_pk)
    ).all()
    found: dict[int, ReportedProcedure] = {}
    for requested, request, procedure, study, referrer in rows:
        found.setdefault(
            requested.requested_procedure_pk,
            ReportedProcedure(
                requested.requested_procedure_pk,
                request.accession_number,
                requested.requested_procedure_description,
                procedure.modality,
                procedure.body_part_examined,
                requested.laterality,
                requested.reason_for_the_requested_procedure,
                list(requested.diagnosis_codes),
                requested.requested_procedure_priority,
                referrer or request.referring_physician_name,
                request.ordered_at,
                None if study is None else study.study_pk,
                requested.study_instance_uid if study is None else study.study_instance_uid,
            ),
        )
    return list(found.values())


def _view(work: Work, report: Report) -> ReportView:
    procedures = _reported(work, report.report_pk)
    versions = work.session.execute(
        select(ReportVersion, Practitioner.person_name, Practitioner.npi)
        .outerjoin(Practitioner, Practitioner.practitioner_pk == ReportVersion.signed_by_practitioner_pk)
        .where(ReportVersion.report_pk == report.report_pk)
        .order_by(ReportVersion.version_number)
    )
    editor = work.session.get(User, report.editor_user_pk) if report.editor_user_pk else None
    site = work.session.get(Site, report.site_pk)
    may_write = work.actor.may(Permission.REPORT_WRITE)
    return ReportView(
        report.report_pk,
        patient_bars(work, [report.patient_pk])[report.patient_pk],
        report.site_pk,
        site.institution_name if site else "",
        report.state,
        report.template_key,
        procedures,
        [
            SignedVersion(
                one.version_number,
                one.kind,
                one.sections,
                one.signed_by_name,
                one.signed_at,
                person_name,
                npi,
            )
            for one, person_name, npi in versions
        ],
        key_images(work, [one.study_pk for one in procedures if one.study_pk is not None]),
        report.draft_sections if may_write else None,
        report.draft_revision,
        report.draft_saved_at,
        report.editor_user_pk,
        editor.display_name if editor else None,
        may_write and report.editor_user_pk in (None, work.actor.user_pk),
    )
