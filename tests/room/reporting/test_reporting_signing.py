"""Signatures: who signs, how they prove it, what is signed never changes, and the house hears of it once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from case_fixtures import PASSWORD, Ward
from wetread.archive.model import Instance, Series
from wetread.kit.clock import FixedClock
from wetread.kit.errors import Conflict, Denied, IllegalTransition, Invalid, TooMany
from wetread.kit.events import OutboxEvent
from wetread.reporting import rules, service
from wetread.reporting.model import Report, ReportVersion
from wetread.reporting.service import ReportView
from wetread.security.model import AuditRecord, SignInFailures
from wetread.security.service import Actor, Permission, Role

NORMAL = {"findings": "No bleeding.", "impression": "Normal."}


def opened(ward: Ward, actor: Actor, code: str = "CTHEAD", **case: object) -> ReportView:
    with ward.offices.work(actor) as work:
        return service.open_report(work, [ward.case(code, **case).requested_procedure_pk])


def sign(ward: Ward, actor: Actor, view: ReportView, kind: str = "final", **given: object) -> ReportView:
    values = {"acknowledged": [], "password": PASSWORD, "totp": None, **given}
    sections = values.pop("sections", NORMAL)
    with ward.offices.work(actor) as work:
        return service.sign(work, view.report_pk, kind, sections, view.draft_revision, **values)


def addend(ward: Ward, actor: Actor, view: ReportView, words: str = "Compared with 2020.") -> ReportView:
    with ward.offices.work(actor) as work:
        return service.addend(work, view.report_pk, words, password=PASSWORD, totp=None)


def told(ward: Ward) -> list[tuple[str, int]]:
    with ward.made() as work:
        rows = work.session.scalars(
            select(OutboxEvent)
            .where(OutboxEvent.kind.in_(("report.preliminary", "report.final", "report.addended")))
            .order_by(OutboxEvent.outbox_event_pk)
        )
        return [(one.kind, one.keys["version_number"]) for one in rows]


def versions(ward: Ward, report_pk: int) -> list[ReportVersion]:
    with ward.made() as work:
        return list(
            work.session.scalars(
                select(ReportVersion)
                .where(ReportVersion.report_pk == report_pk)
                .order_by(ReportVersion.version_number)
            )
        )


def test_from_preliminary_to_final_to_addenda_each_told_once(ward: Ward, clock: FixedClock) -> None:
    reader = ward.person()
    view = opened(ward, reader)
    first = sign(ward, reader, view, "preliminary", sections={"impression": "Perhaps normal."})
    assert (first.state, first.draft_sections) == ("preliminary", {"impression": "Perhaps normal."})
    clock.advance(timedelta(minutes=9))
    final = sign(ward, reader, first)
    assert final.state == "final"
    addended = addend(ward, reader, final)
    twice = addend(ward, reader, addended, "And with 2019.")
    assert twice.state == "addended"
    assert [(one.version_number, one.kind) for one in twice.versions] == [
        (1, "preliminary"), (2, "final"), (3, "addendum"), (4, "addendum"),
    ]  # fmt: skip
    assert twice.versions[0].sections == {"impression": "Perhaps normal."}, "what was said first stays"
    assert twice.versions[1].signed_at - twice.versions[0].signed_at == timedelta(minutes=9)
    assert told(ward) == [
        ("report.preliminary", 1), ("report.final", 2), ("report.addended", 3), ("report.addended", 4),
    ]  # fmt: skip
    for one in versions(ward, view.report_pk):
        assert one.content_sha256 == rules.content_hash(one.sections)
        assert one.signed_by_practitioner_pk == reader.practitioner_pk


@pytest.mark.parametrize("state", ["draft", "preliminary", "final", "addended"])
@pytest.mark.parametrize("step", ["preliminary", "final", "addendum"])
def test_what_the_state_does_not_allow_changes_nothing(ward: Ward, state: str, step: str) -> None:
    allowed = {
        "draft": {"preliminary", "final"},
        "preliminary": {"preliminary", "final"},
        "final": {"addendum"},
        "addended": {"addendum"},
    }
    if step in allowed[state]:
        return
    reader = ward.person()
    view = opened(ward, reader)
    if state == "preliminary":
        view = sign(ward, reader, view, "preliminary")
    if state in ("final", "addended"):
        view = sign(ward, reader, view)
    if state == "addended":
        view = addend(ward, reader, view)
    before = [(one.version_number, one.content_sha256) for one in versions(ward, view.report_pk)]
    heard = told(ward)
    with pytest.raises(IllegalTransition):
        addend(ward, reader, view) if step == "addendum" else sign(ward, reader, view, step)
    assert [(one.version_number, one.content_sha256) for one in versions(ward, view.report_pk)] == before
    assert told(ward) == heard
    with ward.made() as work:
        assert work.session.get_one(Report, view.report_pk).state == state


def test_only_kinds_that_there_are(ward: Ward) -> None:
    reader = ward.person()
    with pytest.raises(Invalid):
        sign(ward, reader, opened(ward, reader), "addendum")


def test_a_wrong_password_signs_nothing_and_counts(committed_ward: Ward, clock: FixedClock) -> None:
    ward = committed_ward
    reader = ward.person()
    view = opened(ward, reader)
    for failures in (1, 2):
        with pytest.raises(Denied) as refused:
            sign(ward, reader, view, password="wrong horse battery staple")
        assert refused.value.fields[0].field == "password"
        with ward.made() as work:
            assert work.session.scalars(select(SignInFailures.failures)).all() == [failures]
    with ward.made() as work:
        records = work.session.scalars(
            select(AuditRecord).where(
                AuditRecord.user_id == reader.username, AuditRecord.event_outcome_indicator == 4
            )
        ).all()
    assert [one.detail for one in records] == [{"type": "re-authentication", "result": "refused"}] * 2
    assert versions(ward, view.report_pk) == [] and told(ward) == []
    with ward.made() as work:
        assert work.session.get_one(Report, view.report_pk).state == "draft"
    assert sign(ward, reader, view).state == "final"
    with ward.made() as work:
        assert work.session.scalars(select(SignInFailures.failures)).all() == []


def test_guessing_a_signature_locks_the_account(committed_ward: Ward, clock: FixedClock) -> None:
    ward = committed_ward
    reader = ward.person()
    view = opened(ward, reader)
    wrong = 0
    while wrong < 10:
        try:
            sign(ward, reader, view, password="wrong horse battery staple")
        except Denied:
            wrong += 1
        except TooMany as wait:
            clock.advance(timedelta(seconds=wait.retry_after_s))
    with pytest.raises(TooMany) as locked:
        sign(ward, reader, view)
    assert locked.value.retry_after_s > 14 * 60
    assert versions(ward, view.report_pk) == []


def test_with_an_authenticator_the_signature_needs_a_fresh_code(
    committed_ward: Ward, clock: FixedClock
) -> None:
    ward = committed_ward
    reader = ward.person()
    with ward.offices.work(reader) as work:
        seed, _ = ward.identity.begin_totp(work)
        ward.identity.confirm_totp(work, seed, pyotp.TOTP(seed).at(clock.now()))
    view = opened(ward, reader)
    enrolling = pyotp.TOTP(seed).at(clock.now())
    with pytest.raises(Denied) as missing:
        sign(ward, reader, view)
    assert missing.value.fields[0].field == "totp"
    with pytest.raises(Denied):
        sign(ward, reader, view, totp=enrolling)  # a code is good once
    clock.advance(timedelta(minutes=2))
    with pytest.raises(Denied):
        sign(ward, reader, view, totp=enrolling)  # and not for long
    fresh = pyotp.TOTP(seed).at(clock.now())
    with pytest.raises(Denied):
        sign(ward, reader, view, totp=fresh, password="wrong horse battery staple")
    assert versions(ward, view.report_pk) == []
    assert sign(ward, reader, view, totp=fresh).state == "final"
    with pytest.raises(Denied), ward.offices.work(reader) as work:
        service.addend(work, view.report_pk, "More.", password=PASSWORD, totp=fresh)


def test_of_two_windows_that_sign_at_once_one_signs(committed_ward: Ward) -> None:
    ward = committed_ward
    reader = ward.person()
    view = opened(ward, reader)
    start = threading.Barrier(2)

    def press(words: str) -> str:
        start.wait()
        try:
            sign(ward, reader, view, sections={"impression": words})
        except (Conflict, IllegalTransition):
            return "refused"
        return words

    with ThreadPoolExecutor(2) as pool:
        answers = set(pool.map(press, ["One.", "Two."]))
    assert "refused" in answers and len(answers) == 2
    (signed,) = versions(ward, view.report_pk)
    assert {signed.sections["impression"], "refused"} == answers
    assert told(ward) == [("report.final", 1)]


def test_signing_a_draft_that_nobody_had_does_not_wait_for_itself(committed_ward: Ward) -> None:
    ward = committed_ward
    reader = ward.person()
    view = opened(ward, reader)
    with ward.made() as work:
        report = work.session.get_one(Report, view.report_pk)
        report.editor_user_pk = report.editor_since = None
    assert sign(ward, reader, view).state == "final"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.RADIOLOGIST])
def test_nobody_without_the_role_signs(ward: Ward, role: Role) -> None:
    reader = ward.person()
    view = opened(ward, reader)
    other = ward.person("Somebody", role)
    with pytest.raises(Denied):
        sign(ward, other, view)
    final = sign(ward, reader, view)
    with pytest.raises(Denied):
        addend(ward, other, final)
    assert [one.kind for one in versions(ward, view.report_pk)] == ["final"]


def test_the_door_is_shut_for_other_roles_too(ward: Ward, api) -> None:
    view = opened(ward, ward.person())
    body = {"kind": "final", "sections": NORMAL, "draft_revision": view.draft_revision, "password": PASSWORD}
    for role in ("technologist", "referrer", "admin"):
        client = api.as_role(role)
        assert client.post(f"/api/reports/{view.report_pk}/signature", json=body).status_code == 403
        addendum = {"text": "x", "password": PASSWORD}
        assert client.post(f"/api/reports/{view.report_pk}/addenda", json=addendum).status_code == 403
    assert versions(ward, view.report_pk) == []


def test_a_program_signs_nothing_whatever_it_may(ward: Ward) -> None:
    view = opened(ward, ward.person())
    with ward.made() as work:
        work.session.get_one(Report, view.report_pk).editor_user_pk = None
    system = Actor.system("robot")
    assert system.may(Permission.REPORT_SIGN)
    with pytest.raises(Denied):
        sign(ward, system, view)


def test_a_side_against_the_order_must_be_seen_before_signing(ward: Ward) -> None:
    reader = ward.person()
    view = opened(ward, reader, "XRKNEE", side="L")
    wrong = {"findings": "Fracture of the right patella.", "impression": "Patella fracture."}
    with ward.offices.work(reader) as work:
        (warning,) = service.warnings(work, view.report_pk, wrong)
    assert warning.code == "laterality" and "LEFT" in warning.text and "RIGHT" in warning.text
    with pytest.raises(Invalid) as refused:
        sign(ward, reader, view, sections=wrong)
    assert [one.field for one in refused.value.fields] == ["warning.laterality"]
    assert versions(ward, view.report_pk) == []
    sign(ward, reader, view, sections=wrong, acknowledged=["laterality"])
    (signed,) = versions(ward, view.report_pk)
    assert signed.acknowledged_warnings == ["laterality"]


def test_images_of_another_side_must_be_seen_before_signing(ward: Ward) -> None:
    reader = ward.person()
    view = opened(ward, reader, "XRKNEE", side="L")
    (study,) = view.procedures

    def warned() -> list[str]:
        with ward.offices.work(reader) as work:
            return [one.text for one in service.warnings(work, view.report_pk, NORMAL)]

    def marked(series: str | None, *images: str | None) -> None:
        with ward.made() as work:
            one = work.session.scalars(select(Series).where(Series.study_pk == study.study_pk)).first()
            assert one is not None
            one.laterality = series
            found = work.session.scalars(select(Instance).where(Instance.series_pk == one.series_pk)).all()
            for image, side in zip(found, images, strict=True):
                image.image_laterality = side

    marked(None, None)
    assert warned() == []
    marked("R", None)
    assert warned() == ["The order is for the LEFT side; the images are marked RIGHT."]
    with pytest.raises(Invalid) as refused:
        sign(ward, reader, view)
    assert [one.field for one in refused.value.fields] == ["warning.image-laterality"]
    # What an image says counts before what its series says (PS3.3 C.7.3.1).
    marked("R", "L")
    assert warned() == []
    marked("L", "B")
    assert warned() == ["The order is for the LEFT side; some images are marked RIGHT."]
    sign(ward, reader, view, acknowledged=["image-laterality"])


def test_a_missing_impression_cannot_be_waved_through(ward: Ward) -> None:
    reader = ward.person()
    view = opened(ward, reader)
    for sections in ({"findings": "Normal."}, {"findings": "Normal.", "impression": " \n"}):
        with pytest.raises(Invalid) as refused:
            sign(ward, reader, view, sections=sections, acknowledged=["empty-impression"])
        assert refused.value.fields[0].field == "warning.empty-impression"
    assert versions(ward, view.report_pk) == []


def test_organs_of_the_other_sex_are_asked_about(ward: Ward) -> None:
    reader = ward.person()
    view = opened(ward, reader, sex="M")
    odd = {"findings": "Uterus: normal.", "impression": "Normal."}
    with pytest.raises(Invalid) as refused:
        sign(ward, reader, view, sections=odd)
    assert refused.value.fields[0].field == "warning.sex"


def test_an_empty_addendum_is_none(ward: Ward) -> None:
    reader = ward.person()
    final = sign(ward, reader, opened(ward, reader))
    with pytest.raises(Invalid):
        addend(ward, reader, final, " \n ")
    assert len(versions(ward, final.report_pk)) == 1


def test_only_who_writes_the_draft_signs_it_and_only_as_seen(ward: Ward) -> None:
    reader, other = ward.person("Dr. First"), ward.person("Dr. Second")
    view = opened(ward, reader)
    with pytest.raises(Conflict, match=r"Dr\. First"):
        sign(ward, other, view)
    with ward.offices.work(reader) as work:
        service.save_draft(work, view.report_pk, NORMAL, view.draft_revision)
    with pytest.raises(Conflict, match="saved elsewhere"):
        sign(ward, reader, view)
    assert versions(ward, view.report_pk) == []


def test_a_resident_s_preliminary_is_finalised_by_another(ward: Ward) -> None:
    resident, attending = ward.person("Dr. Resident"), ward.person("Dr. Attending")
    first = sign(ward, resident, opened(ward, resident), "preliminary")
    with ward.offices.work(attending) as work:
        taken = service.take_over(work, first.report_pk, "To finalise")
    final = sign(ward, attending, taken)
    assert [(one.kind, one.signed_by_name) for one in final.versions] == [
        ("preliminary", "Dr. Resident"),
        ("final", "Dr. Attending"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE report_version SET sections = \'{"impression": "Other."}\'',
        "UPDATE report_version SET signed_by_name = 'Somebody'",
        "DELETE FROM report_version",
        "TRUNCATE report_version CASCADE",
        "TRUNCATE report CASCADE",
    ],
)
def test_the_database_itself_refuses_to_alter_what_is_signed(ward: Ward, statement: str) -> None:
    reader = ward.person()
    view = sign(ward, reader, opened(ward, reader))
    with pytest.raises(DBAPIError, match="never change"), ward.offices.database.transaction() as session:
        session.execute(text(statement))
    (kept,) = versions(ward, view.report_pk)
    assert kept.sections == NORMAL


def test_a_text_that_is_not_what_was_signed_does_not_leave_the_house(ward: Ward) -> None:
    reader = ward.person()
    view = sign(ward, reader, opened(ward, reader))
    with ward.offices.work(reader) as work:
        assert service.document(work, view).startswith(b"%PDF")
        work.session.execute(text("ALTER TABLE report_version DISABLE TRIGGER USER"))
        work.session.execute(
            text('UPDATE report_version SET sections = sections || \'{"impression": "Tumour."}\'')
        )
        work.session.expire_all()
        with pytest.raises(Conflict, match="not what was signed"):
            service.document(work, service.get_report(work, view.report_pk))


def test_a_prior_report_shows_no_text_that_another_replaced(ward: Ward) -> None:
    reader = ward.person()
    case = ward.case()
    with ward.offices.work(reader) as work:
        view = service.open_report(work, [case.requested_procedure_pk])
    view = sign(ward, reader, view, "preliminary", sections={"impression": "Bleeding."})
    with ward.offices.work(reader) as work:
        (prior,) = service.prior_reports(work, case.patient_pk)
    assert (prior.state, prior.impression) == ("preliminary", "Bleeding.")
    addend(ward, reader, sign(ward, reader, view, sections={"impression": "No bleeding."}))
    with ward.offices.work(reader) as work:
        (prior,) = service.prior_reports(work, case.patient_pk)
    assert prior.text == "IMPRESSION\nNo bleeding.\n\nADDENDUM\nCompared with 2020."


def test_prior_reports_carry_every_signed_word_newest_first(ward: Ward, clock: FixedClock) -> None:
    reader = ward.person()
    case = ward.case()
    with ward.offices.work(reader) as work:
        view = service.open_report(work, [case.requested_procedure_pk])
    addend(ward, reader, sign(ward, reader, view), "Compared with 2020.")
    clock.advance(timedelta(days=1))
    other = ward.ordered("CTCHEST", patient_pk=case.patient_pk)
    with ward.offices.work(reader) as work:
        newer = service.open_report(work, [other.requested_procedure_pk])
    sign(ward, reader, newer, sections={"impression": "Clear lungs."})
    with ward.offices.work(reader) as work:
        found = service.prior_reports(work, case.patient_pk)
        (old,) = service.prior_reports(work, case.patient_pk, except_report_pk=newer.report_pk)
    assert [one.impression for one in found] == ["Clear lungs.", "Normal."]
    assert (old.report_pk, old.state) == (view.report_pk, "addended")
    assert old.text.index("Normal.") < old.text.index("Compared with 2020.")
