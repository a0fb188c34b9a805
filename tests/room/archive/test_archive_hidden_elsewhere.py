"""What lies in the trash is seen in no other room; what people wrote about it stays."""

from __future__ import annotations

from sqlalchemy import select

from case_fixtures import PASSWORD, Ward
from wetread.archive import removal
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.reporting import service as reporting
from wetread.security.service import Actor
from wetread.worklist import service as worklist
from wetread.worklist.service import ReadingFilter


def seen(ward: Ward, reader: Actor) -> set[int]:
    with ward.offices.work(reader) as work:
        return {item.study_pk for item in worklist.reading_list(work, ReadingFilter()).items}


def test_a_removed_study_is_on_no_reading_list_and_no_prior_and_its_report_stays(
    archive: Archive, committed_ward: Ward
) -> None:
    ward, reader = committed_ward, committed_ward.person()
    case, other = ward.case(), ward.case("CTCHEST")
    current = ward.study(case.patient_pk)
    with ward.offices.work(reader) as work:
        view = reporting.open_report(work, [case.requested_procedure_pk])
    sections = {"findings": "None.", "impression": "No bleeding."}
    with ward.offices.work(reader) as work:
        reporting.sign(
            work, view.report_pk, "final", sections, view.draft_revision, acknowledged=["no-technique"],
            password=PASSWORD, totp=None,
        )  # fmt: skip
    assert {case.study_pk, other.study_pk} & seen(ward, reader) == {other.study_pk}  # one is read
    with ward.made() as work:
        uids = dict(work.session.execute(select(Study.study_pk, Study.study_instance_uid)).all())
    taken = []
    for study_pk in (case.study_pk, other.study_pk):
        with ward.offices.work(reader) as work:
            taken.append(
                removal.remove(work, removal.Target(uids[study_pk]), reason="wrong patient").removal_pk
            )
    assert other.study_pk not in seen(ward, reader)
    with ward.offices.work(reader) as work:
        assert worklist.priors(work, current) == []
        (kept,) = reporting.prior_reports(work, case.patient_pk)
        assert (kept.impression, kept.study_pk) == ("No bleeding.", None)
    for removal_pk in taken:
        with ward.offices.work(reader) as work:
            removal.restore(work, removal_pk, reason="it was right")
    assert other.study_pk in seen(ward, reader)
    with ward.offices.work(reader) as work:
        assert [one.study_pk for one in worklist.priors(work, current)] == [case.study_pk]
