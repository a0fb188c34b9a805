"""HTTP: reports, templates, key images."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from wetread.reporting import rules, service
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api", tags=["reports"])

Sections = dict[str, str]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OpenIn(Body):
    requested_procedure_pks: list[int] = Field(min_length=1, max_length=20)
    template_key: str | None = Field(None, max_length=64)


class DraftIn(Body):
    sections: Sections
    draft_revision: int


class TemplateIn(Body):
    template_key: str = Field(max_length=64)
    draft_revision: int


class TakeOverIn(Body):
    reason: str = Field(min_length=1, max_length=200)


class CheckIn(Body):
    sections: Sections


class SignIn(Body):
    kind: Literal["preliminary", "final"]
    sections: Sections
    draft_revision: int
    acknowledged: list[str] = Field([], max_length=20)
    password: str = Field(max_length=1024)
    totp: str | None = Field(None, max_length=10)


class AddendumIn(Body):
    text: str = Field(min_length=1, max_length=rules.SECTION_CHARACTERS_MAX)
    password: str = Field(max_length=1024)
    totp: str | None = Field(None, max_length=10)


class KeyImageIn(Body):
    study_pk: int
    series_instance_uid: str = Field(max_length=64)
    sop_instance_uid: str = Field(max_length=64)
    frame_number: int = Field(1, ge=1)
    note: str | None = Field(None, max_length=200)
    window_center: float | None = Field(None, allow_inf_nan=False)
    window_width: float | None = Field(None, ge=1, allow_inf_nan=False)
    voi_lut_function: Literal["LINEAR", "SIGMOID"] = "LINEAR"

    @property
    def window(self) -> service.KeyWindow | None:
        """By what it is seen; None: as the image itself says."""
        if self.window_center is None or self.window_width is None:
            return None
        return service.KeyWindow(self.window_center, self.window_width, self.voi_lut_function)


@router.post("/reports")
def open_report(body: OpenIn, work: Work = door(Permission.REPORT_READ)) -> service.ReportView:
    """The report of these Requested Procedures, begun where there is none."""
    return service.open_report(work, body.requested_procedure_pks, body.template_key)


@router.get("/reports/{report_pk}")
def get_report(report_pk: int, work: Work = door(Permission.REPORT_READ)) -> service.ReportView:
    """A report with its versions, key images and draft."""
    return service.get_report(work, report_pk)


@router.put("/reports/{report_pk}/draft")
def save_draft(
    report_pk: int, body: DraftIn, work: Work = door(Permission.REPORT_WRITE)
) -> service.DraftSaved:
    """Keeps the draft's text; 409 where it was saved elsewhere meanwhile."""
    return service.save_draft(work, report_pk, body.sections, body.draft_revision)


@router.put("/reports/{report_pk}/template")
def apply_template(
    report_pk: int, body: TemplateIn, work: Work = door(Permission.REPORT_WRITE)
) -> service.ReportView:
    """Another template under the draft; what was written stays."""
    return service.apply_template(work, report_pk, body.template_key, body.draft_revision)


@router.post("/reports/{report_pk}/editor")
def take_over(
    report_pk: int, body: TakeOverIn, work: Work = door(Permission.REPORT_WRITE)
) -> service.ReportView:
    """Takes the draft over from who is writing it."""
    return service.take_over(work, report_pk, body.reason)


@router.post("/reports/{report_pk}/check")
def check(report_pk: int, body: CheckIn, work: Work = door(Permission.REPORT_WRITE)) -> list[rules.Warning]:
    """What to look at before signing."""
    return service.warnings(work, report_pk, body.sections)


@router.post("/reports/{report_pk}/signature")
def sign(report_pk: int, body: SignIn, work: Work = door(Permission.REPORT_SIGN)) -> service.ReportView:
    """Signs the preliminary or final version."""
    return service.sign(
        work,
        report_pk,
        body.kind,
        body.sections,
        body.draft_revision,
        acknowledged=body.acknowledged,
        password=body.password,
        totp=body.totp,
    )


@router.post("/reports/{report_pk}/addenda")
def addend(report_pk: int, body: AddendumIn, work: Work = door(Permission.REPORT_SIGN)) -> service.ReportView:
    """Signs an addendum."""
    return service.addend(work, report_pk, body.text, password=body.password, totp=body.totp)


@router.get("/reports/{report_pk}/pdf", response_class=Response)
def report_pdf(report_pk: int, work: Work = door(Permission.REPORT_READ)) -> Response:
    """The signed report as PDF."""
    view = service.get_report(work, report_pk)
    return pdf_response(work, view)


def pdf_response(work: Work, view: service.ReportView) -> Response:
    """The PDF of a report that the caller may see."""
    return Response(
        service.document(work, view),
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'inline; filename="report-{view.report_pk}.pdf"',
            "Cache-Control": "no-store",
        },
    )


@router.get("/patients/{patient_pk}/reports")
def prior_reports(
    patient_pk: int, except_report_pk: int | None = None, work: Work = door(Permission.REPORT_READ)
) -> list[service.PriorReport]:
    """Signed reports of a patient, newest first."""
    return service.prior_reports(work, patient_pk, except_report_pk=except_report_pk)


@router.get("/report-templates")
def templates(work: Work = door(Permission.REPORT_READ)) -> list[rules.Template]:
    """Every template."""
    return service.templates(work)


@router.post("/key-images", status_code=201)
def mark_key_image(body: KeyImageIn, work: Work = door(Permission.REPORT_WRITE)) -> service.MarkedImage:
    """Marks an image as telling."""
    return service.mark_key_image(
        work,
        body.study_pk,
        body.series_instance_uid,
        body.sop_instance_uid,
        body.frame_number,
        body.note,
        body.window,
    )


@router.get("/studies/{study_pk}/key-images")
def key_images(study_pk: int, work: Work = door(Permission.REPORT_READ)) -> list[service.MarkedImage]:
    """Key images of a study."""
    return service.key_images_of_study(work, study_pk)


@router.delete("/key-images/{key_image_pk}", status_code=204)
def unmark_key_image(key_image_pk: int, work: Work = door(Permission.REPORT_WRITE)) -> None:
    """Takes a mark back."""
    service.unmark_key_image(work, key_image_pk)
