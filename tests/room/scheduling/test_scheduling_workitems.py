"""Scheduled Procedure Steps as Unified Procedure Steps: both say the same, whichever is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from common import Api
from performed_fixtures import created, ended
from wetread.archive.model import RemoteAE
from wetread.dicom.uid import new_uid
from wetread.kit.errors import Denied
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.orders.service import cancel_order
from wetread.patients.model import PatientIdentifier
from wetread.patients.service import merge_patients, unmerge_patients
from wetread.scheduling import service
from wetread.scheduling.model import Appointment, ScheduledProcedureStep
from wetread.scheduling.rules import StepMove
from wetread.security.service import Actor, Permission, Work
from wetread.workitems import rules
from wetread.workitems import service as workitems
from wetread.workitems.model import State, Workitem, WorkitemEvent
from wetread.workitems.rules import Answer, WorkitemRefused, element, first, tag_of, text_of
from workitem_fixtures import GLOBAL, PERFORMED, follow, keep_house, workitem

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
T = "1.2.3.77"


@pytest.fixture
def step(hospital: Any) -> ScheduledProcedureStep:
    keep_house()
    (requested,) = hospital.order()
    return service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)


@pytest.fixture
def told(work: Work, step: ScheduledProcedureStep) -> Workitem:
    """The Workitem of a step, watched by WATCHER."""
    work.session.add(RemoteAE(ae_title="WATCHER", host="127.0.0.1", port=11190, rights=["workitems"]))
    work.session.flush()
    workitems.subscribe(work, GLOBAL, "WATCHER", deletion_lock=False, is_web=False)
    follow(work)
    return of(work, step)


def of(work: Work, step: ScheduledProcedureStep) -> Workitem:
    """The present Workitem of a step."""
    return all_of(work, step)[-1]


def all_of(work: Work, step: ScheduledProcedureStep) -> list[Workitem]:
    found = select(Workitem).where(
        Workitem.step_kind == "acquisition", Workitem.step_pk == step.scheduled_procedure_step_pk
    )
    return list(work.session.scalars(found.order_by(Workitem.workitem_pk)))


def heard(work: Work, one: Workitem) -> list[str]:
    rows = work.session.scalars(
        select(WorkitemEvent)
        .where(WorkitemEvent.sop_instance_uid == one.sop_instance_uid, WorkitemEvent.event_type_id == 1)
        .order_by(WorkitemEvent.workitem_event_pk)
    )
    return [text_of(row.information, rules.STATE) for row in rows]


def reason_of(one: Workitem) -> str:
    progress = first(one.attributes, rules.PROGRESS)
    return text_of(first(progress, rules.REASON_CODES), "00080100")


def status_of(work: Work, step: ScheduledProcedureStep) -> tuple[str, str, str]:
    """Of the step, its order and its appointment."""
    work.session.refresh(step)
    requested = work.session.get_one(RequestedProcedure, step.requested_procedure_pk)
    appointment = work.session.get_one(Appointment, step.appointment_pk)
    return step.scheduled_procedure_step_status, requested.state, appointment.state


def test_what_is_scheduled_is_a_workitem_with_all_that_its_performer_needs(
    work: Work, step: ScheduledProcedureStep, told: Workitem
) -> None:
    attributes, answer = workitems.get(work, told.sop_instance_uid)
    assert answer is Answer.SUCCESS
    requested = work.session.get_one(RequestedProcedure, step.requested_procedure_pk)
    request = work.session.get_one(ImagingServiceRequest, requested.imaging_service_request_pk)

    def say(keyword: str, inside: dict[str, Any] = attributes) -> str:
        return text_of(inside, tag_of(keyword))

    def code(keyword: str, inside: dict[str, Any] = attributes) -> tuple[str, str]:
        item = first(inside, tag_of(keyword))
        return text_of(item, "00080100"), text_of(item, "00080102")

    assert say("ProcedureStepState") == "SCHEDULED"
    assert (say("PatientID"), say("IssuerOfPatientID")) == ("P1", "CITY")
    assert first(attributes, rules.PATIENT_NAME) == {"Alphabetic": "Doe^Jane"}
    assert (say("PatientBirthDate"), say("PatientSex")) == ("19800304", "F")
    assert say("ScheduledProcedureStepPriority") == "LOW"
    assert say("ScheduledProcedureStepStartDateTime") == "20261125070000-0500"
    assert say("ExpectedCompletionDateTime") == "20261125071500-0500"
    assert say("InputReadinessState") == "READY"
    assert code("ScheduledStationNameCodeSequence") == ("EAST_CT1", "99WETREAD")
    assert code("ScheduledStationClassCodeSequence") == ("CT", "DCM")
    assert code("ScheduledStationGeographicLocationCodeSequence") == ("EAST", "99WETREAD")
    assert code("ScheduledWorkitemCodeSequence")[0] == "CTHEAD"
    asked = first(attributes, tag_of("ReferencedRequestSequence"))
    assert say("AccessionNumber", asked) == request.accession_number
    assert say("StudyInstanceUID", asked) == say("StudyInstanceUID") == requested.study_instance_uid
    assert say("RequestedProcedureID", asked) == requested.requested_procedure_id
    assert code("RequestedProcedureCodeSequence", asked)[0] == "CTHEAD"
    keys = element("ScheduledStationNameCodeSequence", element("CodeValue", "EAST_CT1"))
    assert len(workitems.find(work, keys, limit=9).items) == 1
    assert told.scheduled_procedure_step_start_date_time == AT
    assert heard(work, told) == ["SCHEDULED"]


def test_it_follows_what_people_do_to_the_step(
    work: Work, hospital: Any, step: ScheduledProcedureStep, told: Workitem
) -> None:
    assert step.appointment_pk is not None
    service.reschedule(work, step.appointment_pk, hospital.ct2, AT + timedelta(hours=1))
    follow(work)
    station = first(told.attributes, rules.STATIONS)
    assert text_of(station, "00080100") == "EAST_CT2"
    assert told.scheduled_procedure_step_start_date_time == AT + timedelta(hours=1)
    for move in (StepMove.ARRIVE, StepMove.PREPARE):
        service.act_on_step(work, step.scheduled_procedure_step_pk, move, checks=["allergies"])
    service.create_performed_step(work, new_uid(), created(step))
    follow(work)
    assert told.state is State.IN_PROGRESS
    # Nobody learns the Transaction UID of what a scanner does by itself.
    with pytest.raises(WorkitemRefused) as refused:
        workitems.change_state(work, told.sop_instance_uid, "IN PROGRESS", T)
    assert refused.value.answer is Answer.ALREADY_IN_PROGRESS
    service.act_on_step(work, step.scheduled_procedure_step_pk, StepMove.COMPLETE)
    follow(work)
    assert told.state is State.COMPLETED
    assert rules.missing_for(State.COMPLETED, told.attributes) == []
    performed = first(told.attributes, rules.PERFORMED_SEQUENCE)
    assert text_of(performed, tag_of("PerformedProcedureStepStartDateTime")) == "20261125070500-0500"
    assert heard(work, told) == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]
    follow(work)
    assert len(all_of(work, step)) == 1


def test_who_claims_the_workitem_has_begun_the_step(
    work: Work, step: ScheduledProcedureStep, told: Workitem
) -> None:
    uid = told.sop_instance_uid
    assert workitems.change_state(work, uid, "IN PROGRESS", T) is Answer.SUCCESS
    assert status_of(work, step) == ("STARTED", "IN PROGRESS", "fulfilled")
    follow(work)
    assert (told.state, told.transaction_uid) == (State.IN_PROGRESS, T)
    with pytest.raises(WorkitemRefused) as refused:
        workitems.update(work, uid, PERFORMED, "1.2.3.78")
    assert refused.value.answer is Answer.WRONG_TRANSACTION_UID
    # The scanner itself reports too: it is not done before that is.
    mpps = new_uid()
    service.create_performed_step(work, mpps, created(step))
    workitems.update(work, uid, PERFORMED, T)
    with pytest.raises(WorkitemRefused) as refused:
        workitems.change_state(work, uid, "COMPLETED", T)
    assert refused.value.answer is Answer.NOT_MET_FINAL_STATE
    assert told.state is State.IN_PROGRESS
    service.update_performed_step(work, mpps, ended("COMPLETED"))
    assert workitems.change_state(work, uid, "COMPLETED", T) is Answer.SUCCESS
    assert status_of(work, step) == ("COMPLETED", "COMPLETED", "fulfilled")
    follow(work)
    (one,) = all_of(work, step)
    assert one.state is State.COMPLETED
    said = first(one.attributes, rules.PERFORMED_SEQUENCE)
    assert text_of(said, tag_of("PerformedProcedureStepEndDateTime")) == "20261125030500"


def test_what_its_performer_breaks_off(work: Work, step: ScheduledProcedureStep, told: Workitem) -> None:
    def break_off(one: Workitem, code: str) -> None:
        item = (
            element("CodeValue", code)
            | element("CodingSchemeDesignator", "DCM")
            | element("CodeMeaning", "x")
        )
        progress = element("ProcedureStepDiscontinuationReasonCodeSequence", item)
        uid = one.sop_instance_uid
        workitems.change_state(work, uid, "IN PROGRESS", T)
        workitems.update(work, uid, element("ProcedureStepProgressInformationSequence", progress), T)
        workitems.change_state(work, uid, "CANCELED", T)
        follow(work)

    break_off(told, "110514")  # another worklist entry was meant
    assert status_of(work, step) == ("SCHEDULED", "SCHEDULED", "booked")
    first_one, second = all_of(work, step)
    assert (first_one.state, second.state) == (State.CANCELED, State.SCHEDULED)
    replaced = first(second.attributes, tag_of("ReplacedProcedureStepSequence"))
    assert text_of(replaced, "00081155") == first_one.sop_instance_uid
    assert heard(work, second) == ["SCHEDULED"]
    break_off(second, "110501")
    assert status_of(work, step)[:2] == ("DISCONTINUED", "DISCONTINUED")
    assert [one.state for one in all_of(work, step)] == [State.CANCELED, State.CANCELED]


def test_a_request_to_cancel_is_the_front_desks_cancellation(
    work: Work, step: ScheduledProcedureStep, told: Workitem
) -> None:
    asked = element("ReasonForCancellation", "scanner is down")
    assert workitems.request_cancel(work, told.sop_instance_uid, asked) is Answer.SUCCESS
    assert status_of(work, step) == ("CANCELED", "REQUESTED", "cancelled")
    assert step.discontinuation_reason == "scanner is down"
    follow(work)
    assert [one.state for one in all_of(work, step)] == [State.CANCELED]


@pytest.mark.parametrize("how", ["no-show", "order"])
def test_what_the_house_cancels(work: Work, step: ScheduledProcedureStep, told: Workitem, how: str) -> None:
    requested = work.session.get_one(RequestedProcedure, step.requested_procedure_pk)
    if how == "order":
        cancel_order(work, requested.imaging_service_request_pk, "duplicate")
        # Its step is canceled a moment later; who is quicker is refused.
        with pytest.raises(WorkitemRefused) as refused:
            workitems.change_state(work, told.sop_instance_uid, "IN PROGRESS", T)
        assert refused.value.answer is Answer.NO_LONGER_UPDATABLE
    else:
        assert step.appointment_pk is not None
        service.mark_no_show(work, step.appointment_pk)
    follow(work)
    assert told.state is State.CANCELED
    assert reason_of(told) == ("110507" if how == "no-show" else "110513")
    assert heard(work, told) == ["SCHEDULED", "IN PROGRESS", "CANCELED"]


def test_a_merge_and_its_undoing_say_whose_it_is_of_ended_ones_too(
    work: Work, hospital: Any, step: ScheduledProcedureStep, told: Workitem
) -> None:
    workitems.change_state(work, told.sop_instance_uid, "IN PROGRESS", T)
    workitems.update(work, told.sop_instance_uid, PERFORMED, T)
    workitems.change_state(work, told.sop_instance_uid, "COMPLETED", T)
    merged = work.session.scalars(
        select(PatientIdentifier.patient_pk).where(PatientIdentifier.patient_id == "P1")
    ).one()
    survivor = hospital.patient("Doe^Jane^Marie")
    (requested,) = hospital.order(merged)
    later = service.schedule(work, requested.requested_procedure_pk, hospital.ct2, AT)
    follow(work)
    merge_patients(work, survivor, merged, "the same person")
    follow(work)

    def whose(one: Workitem) -> tuple[str | None, str, list[str]]:
        name = first(one.attributes, rules.PATIENT_NAME)["Alphabetic"]
        others = one.attributes[tag_of("OtherPatientIDsSequence")].get("Value") or []
        return one.patient_id, name, [text_of(item, rules.PATIENT_ID) for item in others]

    assert whose(told) == whose(of(work, later)) == ("P2", "Doe^Jane^Marie", ["P1"])
    assert workitems.find(work, element("PatientID", "P1"), limit=9).items == []
    unmerge_patients(work, merged)
    follow(work)
    assert whose(told) == whose(of(work, later)) == ("P1", "Doe^Jane", [])


def test_what_is_scheduled_is_changed_where_it_was_scheduled(
    work: Work, step: ScheduledProcedureStep, told: Workitem
) -> None:
    uid = told.sop_instance_uid
    for sent in (
        element("ScheduledProcedureStepPriority", "HIGH"),
        element("ScheduledProcedureStepStartDateTime", "20261126070000"),
        element("ProcedureStepLabel", "Other"),
    ):
        with pytest.raises(WorkitemRefused) as refused:
            workitems.update(work, uid, sent)
        assert refused.value.answer is Answer.INVALID_ATTRIBUTE_VALUE
    with pytest.raises(WorkitemRefused):
        workitems.update(work, uid, element("PatientID", "P9"))
    assert workitems.update(work, uid, element("ScheduledProcedureStepPriority", "LOW")) is Answer.SUCCESS
    # A Workitem of others, which names a step of the house, moves nothing.
    other = workitems.create(work, None, workitem("Find nodules")).sop_instance_uid
    workitems.update(work, other, element("ScheduledProcedureStepPriority", "LOW"))


def test_who_may_move_a_step_and_who_sees_it(
    work: Work, hospital: Any, step: ScheduledProcedureStep, told: Workitem, work_as: Any
) -> None:
    uid = told.sop_instance_uid
    stranger = Actor.application_entity(
        "AI1", "127.0.0.1", frozenset({Permission.WORKITEM_READ, Permission.WORKITEM_WRITE})
    )
    theirs = Work(work.session, stranger, work.clock)
    with pytest.raises(Denied):
        workitems.change_state(theirs, uid, "IN PROGRESS", T)
    with pytest.raises(Denied):
        workitems.request_cancel(theirs, uid, {})
    assert status_of(work, step)[0] == "SCHEDULED"
    with work_as("technologist", site_pks=frozenset({hospital.west})) as west:
        with pytest.raises(WorkitemRefused) as refused:
            workitems.get(west, uid)
        assert refused.value.answer is Answer.NO_SUCH_WORKITEM
        assert workitems.find(west, {}, limit=9).items == []
        listed = workitems.listed(west, (), cursor=None, limit=9)
        assert (listed.page.items, listed.counts) == ([], {})
        workitems.subscribe(west, GLOBAL, "WESTERN", deletion_lock=False, is_web=True)
    (requested,) = hospital.order()
    service.schedule(work, requested.requested_procedure_pk, hospital.ct1, AT + timedelta(hours=2))
    (west_one,) = hospital.order(site_pk=hospital.west)
    there = service.schedule(work, west_one.requested_procedure_pk, hospital.ct_west, AT + timedelta(hours=5))
    follow(work)
    western = work.session.scalars(
        select(WorkitemEvent.sop_instance_uid).where(WorkitemEvent.receiving_ae_title == "WESTERN")
    )
    assert set(western) == {of(work, there).sop_instance_uid}


def test_the_screen_tells_others_work_from_the_houses_own(work: Work, told: Workitem, api: Api) -> None:
    other = workitems.create(work, None, workitem("Find nodules")).sop_instance_uid
    client = api.as_role("technologist")

    def shown(**query: str) -> list[str]:
        page = client.get("/api/workitems", params=query).json()
        assert sum(page["counts"].values()) == len(page["items"])
        return [one["sop_instance_uid"] for one in page["items"]]

    assert shown() == [other, told.sop_instance_uid]
    assert shown(whose="others") == [other]
    assert shown(whose="acquisition") == [told.sop_instance_uid]
    assert shown(whose="reading") == []


def test_steps_of_before_get_theirs_at_night(work: Work, step: ScheduledProcedureStep) -> None:
    assert work.session.scalars(select(Workitem)).all() == []
    service.keep_missed_steps(work)
    service.keep_missed_steps(work)
    assert [one.state for one in all_of(work, step)] == [State.SCHEDULED]
