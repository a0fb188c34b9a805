"""Drafts lose nothing: whose they are, what was saved where, which template lies under them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from case_fixtures import Ward
from wetread.kit.errors import Conflict, Denied, IllegalTransition, Invalid, NotFound
from wetread.kit.events import OutboxEvent
from wetread.orders.service import cancel_order
from wetread.reporting import rules, service
from wetread.reporting.service import ReportView
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, Role, Work

PASSWORD = "correct horse battery staple"


def opened(ward: Ward, actor: Actor, *procedures: int, template: str | None = None) -> ReportView:
    with ward.offices.work(actor) as work:
        return service.open_report(work, procedures, template)


def saved(ward: Ward, actor: Actor, report: int, text: str, revision: int) -> int:
    with ward.offices.work(actor) as work:
        return service.save_draft(work, report, {"findings": text}, revision).draft_revision


def test_opening_begins_one_draft_with_the_reason_and_the_fitting_template(ward: Ward) -> None:
    case = ward.case()
    reader = ward.person()
    view = opened(ward, reader, case.requested_procedure_pk)
    assert (view.state, view.template_key, view.editor_user_pk) == ("draft", "ct-head-stroke", reader.user_pk)
    assert view.draft_sections is not None
    assert view.draft_sections["indication"] == "Sudden headache"
    assert view.draft_sections["findings"].startswith("Haemorrhage")
    again = opened(ward, ward.person("Dr. Second"), case.requested_procedure_pk)
    assert (again.report_pk, again.may_edit, again.editor_name) == (view.report_pk, False, "Dr. Ines Moreau")


def test_two_who_open_the_same_case_at_one_instant_have_one_draft(
    committed_ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = committed_ward
    case = ward.case()
    people = [ward.person(), ward.person("Dr. Second")]
    look, together, waited = service._report_of, threading.Barrier(2), set[int]()

    def report_of(work: Work, procedures: Sequence[int]) -> int | None:
        found = look(work, procedures)
        if threading.get_ident() not in waited:
            waited.add(threading.get_ident())
            together.wait(10)  # both have seen that there is none
        return found

    monkeypatch.setattr(service, "_report_of", report_of)
    with ThreadPoolExecutor(2) as pool:
        views = list(pool.map(lambda one: opened(ward, one, case.requested_procedure_pk), people))
    assert len({view.report_pk for view in views}) == 1
    assert sorted(view.may_edit for view in views) == [False, True]


def test_nothing_is_reported_of_an_order_that_was_cancelled(ward: Ward) -> None:
    requested = ward.ordered()
    with ward.made() as work:
        cancel_order(work, requested.imaging_service_request_pk, "not needed")
    with pytest.raises(Conflict, match="cancelled"):
        opened(ward, ward.person(), requested.requested_procedure_pk)


def test_a_report_may_cover_several_procedures_of_one_patient_only(ward: Ward) -> None:
    first, stranger = ward.case(), ward.case()
    second = ward.ordered("CTCHEST", patient_pk=first.patient_pk)
    reader = ward.person()
    view = opened(ward, reader, first.requested_procedure_pk, second.requested_procedure_pk)
    assert len(view.procedures) == 2
    third = ward.ordered(patient_pk=first.patient_pk).requested_procedure_pk
    with pytest.raises(Invalid, match="one patient"):
        opened(ward, reader, third, stranger.requested_procedure_pk)
    opened(ward, reader, third)
    with pytest.raises(Conflict, match="different reports"):
        opened(ward, reader, first.requested_procedure_pk, third)
    with pytest.raises(NotFound):
        opened(ward, reader, third + 1000)


def test_saving_counts_and_a_stale_window_is_refused_without_loss(ward: Ward) -> None:
    reader = ward.person()
    view = opened(ward, reader, ward.case().requested_procedure_pk)
    assert (
        saved(ward, reader, view.report_pk, "First window.", view.draft_revision) == view.draft_revision + 1
    )
    with pytest.raises(Conflict, match="saved elsewhere"):
        saved(ward, reader, view.report_pk, "Second window.", view.draft_revision)
    with ward.offices.work(reader) as work:
        kept = service.get_report(work, view.report_pk)
    assert kept.draft_sections == {"findings": "First window."}
    assert kept.draft_saved_at is not None
    assert saved(ward, reader, view.report_pk, "Both.", kept.draft_revision) == view.draft_revision + 2


def test_the_409_tells_the_screen_what_happened(ward: Ward, api) -> None:
    client = api.as_role("radiologist")
    view = client.post(
        "/api/reports", json={"requested_procedure_pks": [ward.case().requested_procedure_pk]}
    ).json()
    path = f"/api/reports/{view['report_pk']}/draft"
    body = {"sections": {"findings": "x"}, "draft_revision": view["draft_revision"]}
    assert client.put(path, json=body).json()["draft_revision"] == view["draft_revision"] + 1
    stale = client.put(path, json=body)
    assert (stale.status_code, stale.json()["type"]) == (409, "about:wetread/conflict")
    other = api.as_role("radiologist").put(path, json={**body, "draft_revision": view["draft_revision"] + 1})
    assert (other.status_code, "is writing this report" in other.json()["detail"]) == (409, True)


def test_taking_over_needs_a_reason_ends_the_other_window_and_is_recorded(ward: Ward, api) -> None:
    first, second = ward.person("Dr. First"), ward.person("Dr. Second")
    view = opened(ward, first, ward.case().requested_procedure_pk)
    revision = saved(ward, first, view.report_pk, "Half a sentence", view.draft_revision)
    with pytest.raises(Conflict, match=r"Dr\. First is writing"):
        saved(ward, second, view.report_pk, "Mine.", revision)
    blank = api.as_role("radiologist").post(f"/api/reports/{view.report_pk}/editor", json={"reason": "   "})
    assert blank.status_code == 422
    with ward.offices.work(second) as work:
        taken = service.take_over(work, view.report_pk, "Shift ended")
    assert (taken.editor_name, taken.draft_sections) == ("Dr. Second", {"findings": "Half a sentence"})
    with pytest.raises(Conflict, match=r"Dr\. Second is writing"):
        saved(ward, first, view.report_pk, "Half a sentence more", revision)
    saved(ward, second, view.report_pk, "Mine.", taken.draft_revision)
    with ward.made() as work:
        record = work.session.scalars(
            select(AuditRecord).where(AuditRecord.user_id == second.username, AuditRecord.detail.is_not(None))
        ).first()
        told = work.session.scalars(select(OutboxEvent).where(OutboxEvent.kind == "report.changed")).all()
    assert record is not None and record.detail == {"taken over": "Shift ended"}
    assert [one.keys for one in told] == [{"report_pk": view.report_pk, "state": "draft"}] * 2


def test_another_template_leaves_what_was_written(ward: Ward) -> None:
    reader = ward.person()
    view = opened(ward, reader, ward.case().requested_procedure_pk)
    assert view.draft_sections is not None
    with ward.offices.work(reader) as work:
        kept = service.save_draft(
            work,
            view.report_pk,
            {**view.draft_sections, "findings": "Bleeding on the left."},
            view.draft_revision,
        )
        changed = service.apply_template(work, view.report_pk, "ct-chest", kept.draft_revision)
    assert changed.draft_sections is not None
    assert changed.template_key == "ct-chest"
    assert changed.draft_sections["findings"] == "Bleeding on the left."
    assert changed.draft_sections["indication"] == "Sudden headache"
    assert changed.draft_sections["technique"] == rules.template("ct-chest").sections["technique"]
    with pytest.raises(Conflict), ward.offices.work(reader) as work:
        service.apply_template(work, view.report_pk, "general", view.draft_revision)


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        ({"conclusion": "x"}, "sections.conclusion"),
        ({"findings": "x" * (rules.SECTION_CHARACTERS_MAX + 1)}, "sections.findings"),
    ],
)
def test_text_that_cannot_be_kept_is_named(ward: Ward, sections: dict[str, str], field: str) -> None:
    reader = ward.person()
    view = opened(ward, reader, ward.case().requested_procedure_pk)
    with pytest.raises(Invalid) as refused, ward.offices.work(reader) as work:
        service.save_draft(work, view.report_pk, sections, view.draft_revision)
    assert refused.value.fields[0].field == field


def test_who_only_reads_sees_no_draft_and_begins_none(ward: Ward) -> None:
    case, other = ward.case(), ward.case()
    opened(ward, ward.person(), case.requested_procedure_pk)
    technologist = ward.person("Jun", Role.TECHNOLOGIST)
    view = opened(ward, technologist, case.requested_procedure_pk)
    assert (view.draft_sections, view.may_edit) == (None, False)
    with pytest.raises(Denied):
        opened(ward, technologist, other.requested_procedure_pk)
    with pytest.raises(Denied):
        saved(ward, technologist, view.report_pk, "x", view.draft_revision)
    with pytest.raises(Denied), ward.offices.work(technologist) as work:
        service.take_over(work, view.report_pk, "why not")


def test_a_signed_report_is_no_draft_any_more(ward: Ward) -> None:
    reader = ward.person()
    view = opened(ward, reader, ward.case().requested_procedure_pk)
    with ward.offices.work(reader) as work:
        signed = service.sign(
            work, view.report_pk, "final", {"impression": "Normal."}, view.draft_revision, acknowledged=[],
            password=PASSWORD, totp=None,
        )  # fmt: skip
    assert (signed.draft_sections, signed.editor_user_pk) == (None, None)
    with pytest.raises(IllegalTransition):
        saved(ward, reader, view.report_pk, "Afterthought", signed.draft_revision)
    with pytest.raises(IllegalTransition), ward.offices.work(reader) as work:
        service.apply_template(work, view.report_pk, "general", signed.draft_revision)
    with pytest.raises(IllegalTransition), ward.offices.work(ward.person("Dr. Second")) as work:
        service.take_over(work, view.report_pk, "Shift ended")


def test_a_report_of_another_site_is_not_there(ward: Ward) -> None:
    with ward.made() as work:
        other_site = ward.add_site(work, "HIL")
    case = ward.case()
    view = opened(ward, ward.person(), case.requested_procedure_pk)
    local = ward.person("Dr. Local", site_pks=[other_site])
    with pytest.raises(NotFound), ward.offices.work(local) as work:
        service.get_report(work, view.report_pk)
    with pytest.raises(NotFound):
        opened(ward, local, case.requested_procedure_pk)
    with pytest.raises(NotFound):
        saved(ward, local, view.report_pk, "x", view.draft_revision)
