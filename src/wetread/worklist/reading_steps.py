"""Cases of the reading list as Unified Procedure Steps: interpretation tasks, which are claimed as the list's own cases.

A case is a task from its first images on; it is IN PROGRESS while somebody has claimed it, COMPLETED by the final report.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update

from wetread.archive.model import Study
from wetread.archive.service import instance_references
from wetread.notices.service import add_notice
from wetread.orders.model import RequestedProcedure
from wetread.reporting.model import Report, ReportProcedure, ReportVersion
from wetread.scheduling.model import StudyLink
from wetread.scheduling.service import (
    RESCHEDULED,
    code_item,
    date_time,
    json_model,
    keys_of,
    linked_studies,
    order_attributes,
    own_code,
    patients_of,
    procedures_of_patients,
    reason,
)
from wetread.security.model import Site, User
from wetread.security.service import AuditEventID, Permission, Work
from wetread.workitems.model import State, StepKind, Workitem
from wetread.workitems.service import Answer, Described, Instances, WorkitemRefused, keep
from wetread.worklist import rules
from wetread.worklist.claims import claim, release
from wetread.worklist.model import ReadingClaim

JsonDict = dict[str, Any]
_KEPT_AT_ONCE = 2000
_MISSED_WITHIN = timedelta(days=30)
_INTERPRETATION = code_item("110005", "DCM", "Interpretation")
_SIGNED = ("final", "addended")
_GIVEN_BACK = {
    "given back": ("110530", "Workitem assignment rejected by assigned resource"),
    "ran out": ("110533", "Workitem expired"),
}


class ReadingKeeper:
    """Fulfils `workitems.service.Keeper` for Requested Procedures that wait to be read."""

    def __init__(self, ae_title: str) -> None:
        self._station = own_code(ae_title, ae_title)

    def describe(self, work: Work, step_pk: int) -> Described | None:
        """The case as it stands on the list."""
        ordered = order_attributes(work, step_pk)
        if ordered is None:
            return None
        said, requested, _, site = ordered
        studies = linked_studies(work, step_pk)
        report = self._report(work, step_pk)
        held = work.session.execute(
            select(ReadingClaim, User.username)
            .join(User, User.user_pk == ReadingClaim.user_pk)
            .where(ReadingClaim.requested_procedure_pk == step_pk)
            .order_by(ReadingClaim.reading_claim_pk.desc())
            .limit(1)
            .execution_options(populate_existing=True)
        ).one_or_none()
        reads = held is not None and held[0].released_at is None and held[0].expires_at > work.now()
        signed = report is not None and report.state in _SIGNED
        if signed:
            state = State.COMPLETED
        elif requested.state == "CANCELED" or not studies:
            state = State.CANCELED
        else:
            state = State.IN_PROGRESS if reads else State.SCHEDULED
        arrived = (
            work.session.scalar(select(func.min(Study.created_at)).where(Study.study_pk.in_(studies)))
            if studies
            else None
        ) or requested.state_changed_at
        due = rules.due(requested.requested_procedure_priority, arrived)
        said |= {
            "ProcedureStepLabel": requested.requested_procedure_description,
            "WorklistLabel": "READING",
            "ScheduledStationNameCodeSequence": [],
            "ScheduledStationClassCodeSequence": [],
            "ScheduledStationGeographicLocationCodeSequence": [own_code(site.code, site.institution_name)],
            "ScheduledHumanPerformersSequence": [],
            "ScheduledProcedureStepStartDateTime": date_time(arrived, site.time_zone),
            "ExpectedCompletionDateTime": date_time(due, site.time_zone),
            "ScheduledWorkitemCodeSequence": [_INTERPRETATION],
            "CommentsOnTheScheduledProcedureStep": requested.reason_for_the_requested_procedure,
            "ScheduledProcessingParametersSequence": [],
            # More images may come as long as the scanner is at it.
            "InputReadinessState": "INCOMPLETE" if requested.state == "IN PROGRESS" else "READY",
            "InputInformationSequence": [],
            "StudyInstanceUID": requested.study_instance_uid,
        }
        return Described(
            site.site_pk,
            state,
            json_model(said),
            held[1] if held is not None and reads else None,
            self._performed(work, report, site, held[0] if held else None) if signed and report else {},
            self._canceled(state, held[0] if held else None, requested),
        )

    def instances(self, work: Work, step_pk: int) -> Instances:
        """What is read, where it hangs now."""
        return Instances(used=instance_references(work.session, linked_studies(work, step_pk)))

    def begin(self, work: Work, step_pk: int) -> None:
        """As on the list: only a person reads, and only what nobody else has."""
        self._open(work, step_pk)
        claim(work, step_pk)

    def go_on(self, work: Work, step_pk: int) -> None:
        """The claim begins anew."""
        work.session.execute(
            update(ReadingClaim)
            .where(
                ReadingClaim.requested_procedure_pk == step_pk,
                ReadingClaim.user_pk == work.actor.user_pk,
                ReadingClaim.released_at.is_(None),
            )
            .values(expires_at=work.now() + rules.CLAIM)
        )

    def complete(self, work: Work, step_pk: int) -> None:
        """What is read says the final report, and nothing else. Raises WorkitemRefused."""
        work.require(Permission.REPORT_WRITE)
        report = self._report(work, step_pk)
        if report is None or report.state not in _SIGNED:
            raise WorkitemRefused(Answer.NOT_MET_FINAL_STATE, "its report is not final")

    def discontinue(self, work: Work, step_pk: int, code: str, words: str) -> None:
        """The case goes back to the list."""
        release(work, step_pk)

    def cancel(self, work: Work, step_pk: int, words: str) -> None:
        """Images that are here are read, unless their order is cancelled. Raises WorkitemRefused."""
        raise WorkitemRefused(Answer.PERFORMER_DECLINES, "it is read unless its order is cancelled")

    def ask(self, work: Work, workitem_pk: int, step_pk: int) -> bool:
        """Who reads it is told that somebody asks to stop."""
        reader = work.session.scalar(
            select(ReadingClaim.user_pk).where(
                ReadingClaim.requested_procedure_pk == step_pk, ReadingClaim.released_at.is_(None)
            )
        )
        if reader is None:
            return False
        add_notice(
            work,
            about=f"workitem cancel {workitem_pk}",
            title="A reading should be stopped",
            body=f"{work.actor.username[:64]} asks you to give back a case that you have claimed.",
            link="/reading",
            user_pks=(reader,),
        )
        return True

    def _open(self, work: Work, step_pk: int) -> None:
        """Raises WorkitemRefused where there is nothing (any more) to read."""
        report = self._report(work, step_pk)
        requested = work.session.get(RequestedProcedure, step_pk, populate_existing=True)
        if (
            requested is None
            or requested.state == "CANCELED"
            or (report is not None and report.state in _SIGNED)
        ):
            raise WorkitemRefused(Answer.NO_LONGER_UPDATABLE)

    @staticmethod
    def _report(work: Work, requested_procedure_pk: int) -> Report | None:
        return work.session.scalar(
            select(Report)
            .join(ReportProcedure, ReportProcedure.report_pk == Report.report_pk)
            .where(ReportProcedure.requested_procedure_pk == requested_procedure_pk)
            .execution_options(populate_existing=True)
        )

    def _performed(self, work: Work, report: Report, site: Site, held: ReadingClaim | None) -> JsonDict:
        version = work.session.scalars(
            select(ReportVersion)
            .where(ReportVersion.report_pk == report.report_pk, ReportVersion.kind == "final")
            .order_by(ReportVersion.version_number)
            .limit(1)
        ).one()
        signer = work.session.get_one(User, version.signed_by_user_pk)
        began = min(
            report.created_at,
            held.claimed_at if held and held.user_pk == signer.user_pk else report.created_at,
        )
        return json_model(
            {
                "ActualHumanPerformersSequence": [
                    {
                        "HumanPerformerCodeSequence": [own_code(signer.username, version.signed_by_name)],
                        "HumanPerformerName": version.signed_by_name[:64],
                        "HumanPerformerOrganization": site.institution_name,
                    }
                ],
                "PerformedStationNameCodeSequence": [self._station],
                "PerformedStationClassCodeSequence": [],
                "PerformedStationGeographicLocationCodeSequence": [
                    own_code(site.code, site.institution_name)
                ],
                "PerformedProcedureStepStartDateTime": date_time(began, site.time_zone),
                "PerformedProcedureStepEndDateTime": date_time(version.signed_at, site.time_zone),
                "PerformedWorkitemCodeSequence": [_INTERPRETATION],
            }
        )

    @staticmethod
    def _canceled(state: State, held: ReadingClaim | None, requested: RequestedProcedure) -> JsonDict:
        """Why it is not read, or not by whom it was claimed."""
        if state is State.CANCELED:
            return reason("110513", "Discontinued for unspecified reason", requested.state_reason)
        if state is State.IN_PROGRESS:
            return reason("110526", "Resource pre-empted", "taken over", anew=True)
        # One that nobody gave back has run out.
        why = "given back" if held is None else held.release_reason or "ran out"
        return reason(*_GIVEN_BACK.get(why, RESCHEDULED), why, anew=True)


# Followed by its Workitem


def keep_readings_of(work: Work, events: Sequence[Mapping[str, Any]]) -> None:
    """On news of links, claims, reports, orders and patients: the Workitems of the cases say what the reading list says
    now. Idempotent."""
    procedures = {int(key) for key in keys_of(events, "requested_procedure_pk")}
    reports = keys_of(events, "report_pk")
    if reports:
        procedures |= set(
            work.session.scalars(
                select(ReportProcedure.requested_procedure_pk).where(ReportProcedure.report_pk.in_(reports))
            )
        )
    if patients := patients_of(events):
        procedures |= _kept(work, Workitem.step_pk.in_(procedures_of_patients(patients)))
    if any(one["kind"] == "study.unmatched" for one in events):
        procedures |= _without_images(work)
    _keep_readings(work, procedures)


def _kept(work: Work, *where: ColumnElement[bool]) -> set[int]:
    """The cases whose Workitems meet these conditions."""
    found = work.session.scalars(
        select(Workitem.step_pk).where(Workitem.step_kind == StepKind.READING.value, *where)
    )
    return {pk for pk in found if pk is not None}


def _without_images(work: Work) -> set[int]:
    """A study that was taken from its order leaves nothing to be read."""
    hangs = exists().where(
        StudyLink.requested_procedure_pk == Workitem.step_pk,
        StudyLink.state.in_(("matched", "resolved")),
    )
    return _kept(work, Workitem.procedure_step_state.in_((State.SCHEDULED, State.IN_PROGRESS)), ~hangs)


def _keep_readings(work: Work, requested_procedure_pks: Collection[int]) -> None:
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="workitem",
        object_id=len(requested_procedure_pks),
    )
    for key in sorted(requested_procedure_pks):
        keep(work, StepKind.READING, key)


def keep_what_ran_out(work: Work) -> None:
    """Claims end by themselves, and nothing tells of it."""
    claimed = exists().where(
        ReadingClaim.requested_procedure_pk == Workitem.step_pk,
        ReadingClaim.released_at.is_(None),
        ReadingClaim.expires_at > work.now(),
    )
    _keep_readings(work, _kept(work, Workitem.procedure_step_state == State.IN_PROGRESS.value, ~claimed))


def keep_missed_readings(work: Work) -> None:
    """Every unread case that has no open Workitem: those of before there were any."""
    kept = exists().where(
        Workitem.step_kind == StepKind.READING.value,
        Workitem.step_pk == RequestedProcedure.requested_procedure_pk,
        Workitem.procedure_step_state.in_((State.SCHEDULED, State.IN_PROGRESS)),
    )
    signed = exists().where(
        ReportProcedure.requested_procedure_pk == RequestedProcedure.requested_procedure_pk,
        Report.report_pk == ReportProcedure.report_pk,
        Report.state.in_(_SIGNED),
    )
    found = work.session.scalars(
        select(RequestedProcedure.requested_procedure_pk)
        .join(StudyLink, StudyLink.requested_procedure_pk == RequestedProcedure.requested_procedure_pk)
        .where(
            StudyLink.state.in_(("matched", "resolved")),
            StudyLink.linked_at > work.now() - _MISSED_WITHIN,
            RequestedProcedure.state != "CANCELED",
            ~kept,
            ~signed,
        )
        .order_by(StudyLink.study_link_pk.desc())
        .limit(_KEPT_AT_ONCE)
    )
    _keep_readings(work, set(found))
