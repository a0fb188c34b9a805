"""Modality Performed Procedure Steps (PS3.4 F.7): the standard's refusals, and nothing a modality did is ever lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from performed_fixtures import created, element, ended
from wetread.app.wiring import reported
from wetread.dicom.uid import new_uid
from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.kit.errors import Conflict, Invalid, NotFound
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.orders.service import cancel_order
from wetread.reporting.model import Report, ReportProcedure
from wetread.scheduling import service, unscheduled
from wetread.scheduling.model import Appointment, PerformedProcedureStep, ScheduledProcedureStep
from wetread.scheduling.rules import StepMove
from wetread.scheduling.service import PerformedStepRefused
from wetread.security.service import Actor, AuditEventID, Offices, Work

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def step(hospital: Any) -> ScheduledProcedureStep:
    (requested,) = hospital.order()
    return service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)


def refused(call: Callable[[], Any]) -> tuple[int, tuple[int, ...]]:
    with pytest.raises(PerformedStepRefused) as found:
        call()
    return found.value.dimse_status, found.value.tags


def states(hospital: Any, step: ScheduledProcedureStep) -> tuple[str, str, str]:
    session = hospital.work.session
    session.flush()
    session.expire_all()
    return (
        step.scheduled_procedure_step_status,
        session.get(Appointment, step.appointment_pk).state,
        session.get(RequestedProcedure, step.requested_procedure_pk).state,
    )


def test_work_begins_and_ends_the_step(hospital: Any, step: ScheduledProcedureStep) -> None:
    uid = new_uid()
    performed = service.create_performed_step(hospital.work, uid, created(step))
    assert states(hospital, step) == ("STARTED", "fulfilled", "IN PROGRESS")
    assert performed.unscheduled_reason is None
    service.update_performed_step(hospital.work, uid, {"00400254": element("LO", "Head, later chest")})
    assert states(hospital, step) == ("STARTED", "fulfilled", "IN PROGRESS")
    service.update_performed_step(hospital.work, uid, ended("COMPLETED"))
    assert states(hospital, step) == ("COMPLETED", "fulfilled", "COMPLETED")
    # Everything that was sent is kept, the later laid over the earlier.
    assert performed.attributes["00400254"]["Value"] == ["Head, later chest"]
    assert performed.attributes["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert performed.ended_at == datetime(2026, 11, 25, 12, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "status", "tag"),
    [
        ({"00400252": element("CS", "COMPLETED")}, 0x0106, 0x00400252),
        ({"00400252": element("CS")}, 0x0121, 0x00400252),
        ({"00400253": element("SH")}, 0x0121, 0x00400253),
        ({"00080060": None}, 0x0120, 0x00080060),
        ({"00400244": None}, 0x0120, 0x00400244),
        ({"00400270": None}, 0x0120, 0x00400270),
        ({"00400270": element("SQ")}, 0x0121, 0x00400270),
        ({"00400270": element("SQ", {"00400009": element("SH", "S1")})}, 0x0121, 0x0020000D),
    ],
)
def test_a_create_that_lacks_something_is_refused_by_attribute(
    hospital: Any, step: ScheduledProcedureStep, change: dict[str, Any], status: int, tag: int
) -> None:
    attributes = {key: value for key, value in {**created(step), **change}.items() if value is not None}
    found = refused(lambda: service.create_performed_step(hospital.work, new_uid(), attributes))
    assert found == (status, (tag,))
    assert states(hospital, step)[0] == "SCHEDULED"


def test_known_unknown_and_ended(hospital: Any, step: ScheduledProcedureStep) -> None:
    work, uid = hospital.work, new_uid()
    service.create_performed_step(work, uid, created(step))
    assert refused(lambda: service.create_performed_step(work, uid, created(step)))[0] == 0x0111
    assert refused(lambda: service.update_performed_step(work, new_uid(), ended("COMPLETED")))[0] == 0x0112
    for change, status, tag in (
        ({"00100010": element("PN", {"Alphabetic": "Other"})}, 0x0106, 0x00100010),
        ({"00400270": element("SQ")}, 0x0106, 0x00400270),
        ({"00400252": element("CS", "DONE")}, 0x0106, 0x00400252),
        ({"00400252": element("CS", "COMPLETED")}, 0x0121, 0x00400250),
    ):
        assert refused(lambda change=change: service.update_performed_step(work, uid, change)) == (
            status,
            (tag,),
        )
    assert states(hospital, step)[0] == "STARTED"
    service.update_performed_step(
        work, uid, ended("DISCONTINUED", ("110513", "Discontinued for unspecified reason"))
    )
    assert states(hospital, step) == ("DISCONTINUED", "fulfilled", "DISCONTINUED")
    assert step.discontinuation_reason == "Discontinued for unspecified reason"
    for status in ("IN PROGRESS", "COMPLETED", "DISCONTINUED"):
        assert (
            refused(lambda status=status: service.update_performed_step(work, uid, ended(status)))[0]
            == 0x0110
        )


def test_two_scanners_with_one_uid_at_once(
    clean_database: Database, furnished: Callable[[Work], Any]
) -> None:
    offices = Offices(clean_database, FixedClock(datetime(2026, 11, 25, 3, tzinfo=UTC)))
    with offices.work(Actor.system("test")) as work:
        hospital = furnished(work)
        steps = [
            service.schedule(work, hospital.order()[0].requested_procedure_pk, scanner, AT)
            for scanner in (hospital.ct1, hospital.ct2)
        ]
        attributes = [created(step) for step in steps]
    uid, barrier, outcomes = new_uid(), threading.Barrier(2), []

    def scanner(number: int) -> None:
        try:
            with offices.work(Actor.system("scanner")) as work:
                barrier.wait(10)
                service.create_performed_step(work, uid, attributes[number])
            outcomes.append(0)
        except PerformedStepRefused as found:
            outcomes.append(found.dimse_status)

    threads = [threading.Thread(target=scanner, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == [0, 0x0111]
    with offices.work(Actor.system("test")) as work:
        found = sorted(work.session.scalars(select(ScheduledProcedureStep.scheduled_procedure_step_status)))
        assert found == ["SCHEDULED", "STARTED"]
        work.audit(AuditEventID.QUERY, "E")


def test_one_report_ends_every_step_it_names(hospital: Any, step: ScheduledProcedureStep) -> None:
    (requested,) = hospital.order(None, "CTCHEST")
    other = service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct2, AT)
    uid = new_uid()
    service.create_performed_step(hospital.work, uid, created(step, other))
    service.update_performed_step(hospital.work, uid, ended("COMPLETED"))
    for one in (step, other):
        assert states(hospital, one) == ("COMPLETED", "fulfilled", "COMPLETED")


def test_a_step_ends_when_the_last_of_its_reports_ends(hospital: Any, step: ScheduledProcedureStep) -> None:
    first, second = new_uid(), new_uid()
    service.create_performed_step(hospital.work, first, created(step))
    service.create_performed_step(hospital.work, second, created(step))
    service.update_performed_step(
        hospital.work, first, ended("DISCONTINUED", ("110501", "Equipment failure"))
    )
    assert states(hospital, step) == ("STARTED", "fulfilled", "IN PROGRESS")
    service.update_performed_step(hospital.work, second, ended("COMPLETED"))
    assert states(hospital, step) == ("COMPLETED", "fulfilled", "COMPLETED")


def test_more_images_of_a_finished_step(hospital: Any, step: ScheduledProcedureStep) -> None:
    for status in ("COMPLETED", "COMPLETED", "DISCONTINUED"):
        uid = new_uid()
        performed = service.create_performed_step(hospital.work, uid, created(step))
        assert performed.unscheduled_reason is None
        service.update_performed_step(hospital.work, uid, ended(status))
        assert states(hospital, step) == ("COMPLETED", "fulfilled", "COMPLETED")


def test_the_wrong_worklist_entry_puts_its_patient_back_on_the_list(
    hospital: Any, step: ScheduledProcedureStep
) -> None:
    uid = new_uid()
    service.create_performed_step(hospital.work, uid, created(step))
    service.update_performed_step(
        hospital.work, uid, ended("DISCONTINUED", ("110514", "Incorrect worklist entry selected"))
    )
    assert states(hospital, step) == ("SCHEDULED", "booked", "SCHEDULED")
    again = new_uid()
    service.create_performed_step(hospital.work, again, created(step))
    service.update_performed_step(hospital.work, again, ended("COMPLETED"))
    assert states(hospital, step) == ("COMPLETED", "fulfilled", "COMPLETED")


@pytest.mark.parametrize("said", ["COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize(
    ("moves", "before"),
    [
        ([StepMove.COMPLETE], "COMPLETED"),
        ([StepMove.DISCONTINUE], "DISCONTINUED"),
        ([StepMove.REVERT], "SCHEDULED"),
        ([StepMove.REVERT, StepMove.ARRIVE], "ARRIVED"),
    ],
)
def test_what_people_did_meanwhile_costs_no_report(
    hospital: Any, step: ScheduledProcedureStep, moves: list[StepMove], before: str, said: str
) -> None:
    uid = new_uid()
    service.create_performed_step(hospital.work, uid, created(step))
    for move in moves:
        service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, move, "a reason")
    there = states(hospital, step)
    assert there[0] == before
    performed = service.update_performed_step(hospital.work, uid, ended(said))
    assert performed.performed_procedure_step_status == said
    assert states(hospital, step) == there


@pytest.mark.parametrize("lost", ["order", "appointment", "none", "patient"])
def test_work_that_hangs_on_nothing_is_kept_with_the_reason(
    hospital: Any, step: ScheduledProcedureStep, lost: str
) -> None:
    attributes = created(step)
    if lost == "order":
        # The scanner was quicker than the job that takes the step off the list.
        requested = hospital.work.session.get(RequestedProcedure, step.requested_procedure_pk)
        cancel_order(hospital.work, requested.imaging_service_request_pk, "not needed")
    elif lost == "appointment":
        service.cancel_appointment(hospital.work, step.appointment_pk, "called")
    elif lost == "none":
        attributes = created()
    else:
        attributes["00100020"] = element("LO", "SOMEBODY ELSE")
    before = states(hospital, step)
    uid = new_uid()
    performed = service.create_performed_step(hospital.work, uid, attributes)
    assert performed.unscheduled_reason
    assert states(hospital, step) == before
    service.update_performed_step(hospital.work, uid, ended("COMPLETED"))
    assert states(hospital, step) == before
    (kept,) = hospital.work.session.scalars(select(PerformedProcedureStep)).all()
    assert kept.performed_procedure_step_status == "COMPLETED"


def test_without_a_step_id_the_study_uid_names_the_step(hospital: Any, step: ScheduledProcedureStep) -> None:
    requested = hospital.work.session.get(RequestedProcedure, step.requested_procedure_pk)
    service.create_performed_step(hospital.work, new_uid(), created(uid=requested.study_instance_uid))
    assert states(hospital, step)[0] == "STARTED"


NO_NAME = {"00100010": element("PN")}
BORN = {"00100030": element("DA", "19800304")}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        # The number alone may be another RIS's: nothing, or nothing that tells a patient, stands beside it.
        (NO_NAME, "only the step's number"),
        ({}, "only the step's number"),
        ({**NO_NAME, **BORN, "00100040": element("CS", "F")}, "only the step's number"),
        ({"00100010": element("PN", {"Alphabetic": "Roe^Jane"}), **BORN}, "only the step's number"),
        # Who says another patient is not believed for a number, nor for an accession number or UID beside it.
        ({"00100010": element("PN", {"Alphabetic": "Miller^Bob"}), **BORN, "accession": True}, "the patient"),
        ({"00100030": element("DA", "19710101"), "accession": True}, "the patient"),
        ({"00100040": element("CS", "M"), "uid": True}, "the patient"),
        ({"00100020": element("LO", "P99"), **BORN, "accession": True, "uid": True}, "Patient ID"),
        # The patient, or what only the worklist can have told.
        ({"00100020": element("LO", "P1"), **NO_NAME}, None),
        (BORN, None),
        ({**NO_NAME, "accession": True}, None),
        ({**NO_NAME, "uid": True}, None),
    ],
)
def test_a_number_alone_names_no_patient(
    hospital: Any, step: ScheduledProcedureStep, said: dict[str, Any], reason: str | None
) -> None:
    session = hospital.work.session
    requested = session.get_one(RequestedProcedure, step.requested_procedure_pk)
    request = session.get_one(ImagingServiceRequest, requested.imaging_service_request_pk)
    facts = dict(said)
    attributes = created(step, uid=None if facts.pop("uid", False) else "1.2.840.99999.5")
    if facts.pop("accession", False):
        attributes["00400270"]["Value"][0]["00080050"] = element("SH", request.accession_number)
    before = states(hospital, step)
    uid = new_uid()
    performed = service.create_performed_step(hospital.work, uid, {**attributes, **facts})
    if reason is None:
        assert performed.unscheduled_reason is None
        assert states(hospital, step)[0] == "STARTED"
        return
    assert (performed.unscheduled_reason or "").startswith(reason)
    (waiting,) = service.unscheduled_performed_steps(hospital.work)
    assert waiting.performed_procedure_step_pk == performed.performed_procedure_step_pk
    assert waiting.unscheduled_reason == performed.unscheduled_reason
    service.update_performed_step(hospital.work, uid, ended("COMPLETED"))
    assert states(hospital, step) == before


def order_of(hospital: Any, step: ScheduledProcedureStep) -> tuple[int, int]:
    """(requested_procedure_pk, patient_pk) of a step."""
    session = hospital.work.session
    requested = session.get_one(RequestedProcedure, step.requested_procedure_pk)
    order = session.get_one(ImagingServiceRequest, requested.imaging_service_request_pk)
    return requested.requested_procedure_pk, order.patient_pk


def waiting(hospital: Any, status: str = "IN PROGRESS", **more: Any) -> tuple[int, str]:
    """(key, UID) of a CT's work that hangs on nothing."""
    uid = new_uid()
    attributes = created(**{"00100020": element("LO", "SOMEBODY"), **more})
    pk = service.create_performed_step(hospital.work, uid, attributes).performed_procedure_step_pk
    if status != "IN PROGRESS":
        service.update_performed_step(hospital.work, uid, ended(status))
    return pk, uid


def test_whose_the_order_is_stands_beside_what_the_scanner_says(
    hospital: Any, step: ScheduledProcedureStep
) -> None:
    procedure_pk, patient_pk = order_of(hospital, step)
    pk, _ = waiting(
        hospital,
        **{"00100040": element("CS", "M"), **BORN, "00400254": element("LO", "Head, LEFT ear")},
    )
    hospital.work.session.get_one(RequestedProcedure, procedure_pk).laterality = "R"
    found = {
        one.requested_procedure_pk: one for one in service.candidates_for_performed_step(hospital.work, pk)
    }
    candidate = found[procedure_pk]
    assert candidate.patient.patient_pk == patient_pk and candidate.obstacle is None
    says = {one.field: (one.order, one.study, one.verdict) for one in candidate.compared}
    assert says["patient_name"] == ("Doe^Jane", "Doe^Jane", "agrees")
    assert says["patient_id"] == ("P1 (CITY)", "SOMEBODY", "differs")
    assert says["patient_birth_date"] == ("1980-03-04", "1980-03-04", "agrees")
    assert says["patient_sex"] == ("F", "M", "differs")
    assert says["laterality"] == ("R", "L", "differs")
    assert says["modality"][2] == "agrees"
    (other,) = hospital.order(None, "MRHEAD")
    (of_mr,) = service.candidates_for_performed_step(hospital.work, pk, other.accession_number)
    assert of_mr.obstacle == "has no step for CT that is not cancelled"


@pytest.mark.parametrize("status", ["IN PROGRESS", "COMPLETED"])
def test_a_person_hangs_unscheduled_work_on_its_order(
    hospital: Any, step: ScheduledProcedureStep, status: str
) -> None:
    pk, uid = waiting(hospital, status)
    (seen,) = service.unscheduled_performed_steps(hospital.work)
    assert (seen.patient_name, seen.patient_id, seen.modality) == ("Doe^Jane", "SOMEBODY", "CT")
    assert seen.performed_procedure_step_status == status
    procedure_pk, patient_pk = order_of(hospital, step)
    with pytest.raises(NotFound):
        service.hang_performed_step(hospital.work, pk, [procedure_pk, 99_999], patient_pk, "seen")
    with pytest.raises(Conflict, match="another patient"):
        service.hang_performed_step(hospital.work, pk, [procedure_pk], patient_pk + 1, "seen")
    service.hang_performed_step(hospital.work, pk, [procedure_pk], patient_pk, "seen in the room")
    assert states(hospital, step)[0] == ("STARTED" if status == "IN PROGRESS" else "COMPLETED")
    assert service.unscheduled_performed_steps(hospital.work) == []
    (hung,) = service.hung_performed_steps(hospital.work)
    assert (hung.patient.patient_pk, hung.work.patient_id) == (patient_pk, "SOMEBODY")
    assert hung.linked_because == "seen in the room"
    assert [one.performed_procedure_step_pk for one in service.performed_steps(
        hospital.work, step.scheduled_procedure_step_pk
    )] == [pk]  # fmt: skip
    with pytest.raises(Conflict, match="already"):
        service.hang_performed_step(hospital.work, pk, [procedure_pk], patient_pk, "once more")
    if status == "IN PROGRESS":
        service.update_performed_step(hospital.work, uid, ended("COMPLETED"))
        assert states(hospital, step)[0] == "COMPLETED"


def test_unscheduled_work_hangs_only_where_it_can(hospital: Any, step: ScheduledProcedureStep) -> None:
    procedure_pk, patient_pk = order_of(hospital, step)
    of_mr, _ = waiting(hospital, **{"00080060": element("CS", "MR")})
    of_ct, _ = waiting(hospital)
    before = states(hospital, step)
    with pytest.raises(Invalid, match="cannot hang"):
        service.hang_performed_step(hospital.work, of_mr, [procedure_pk], patient_pk, "why not")
    (other,) = hospital.order(patient_pk)
    with pytest.raises(Invalid, match="cannot hang"):
        service.hang_performed_step(
            hospital.work, of_ct, [procedure_pk, other.requested_procedure_pk], patient_pk, "two orders"
        )
    assert states(hospital, step) == before
    requested = hospital.work.session.get_one(RequestedProcedure, procedure_pk)
    cancel_order(hospital.work, requested.imaging_service_request_pk, "not needed")
    before = states(hospital, step)
    assert before[0] == "SCHEDULED", "the job that takes the step off the list has not run"
    with pytest.raises(Conflict, match="cancelled"):
        service.hang_performed_step(hospital.work, of_ct, [procedure_pk], patient_pk, "too late")
    assert states(hospital, step) == before


@pytest.mark.parametrize("status", ["IN PROGRESS", "COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize("moves", [[], [StepMove.ARRIVE], [StepMove.ARRIVE, StepMove.PREPARE]])
def test_what_was_hung_is_taken_back_and_the_order_stands_as_before(
    hospital: Any, step: ScheduledProcedureStep, moves: list[StepMove], status: str
) -> None:
    for move in moves:
        service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, move)
    before = states(hospital, step)
    arrived_at = hospital.work.session.get(Appointment, step.appointment_pk).arrived_at
    pk, uid = waiting(hospital, status)
    procedure_pk, patient_pk = order_of(hospital, step)
    with pytest.raises(Conflict, match="Nobody"):
        service.take_back_performed_step(hospital.work, pk, "nothing there")
    service.hang_performed_step(hospital.work, pk, [procedure_pk], patient_pk, "seen in the room")
    assert states(hospital, step) != before
    if status == "IN PROGRESS":
        service.update_performed_step(hospital.work, uid, ended("COMPLETED"))
    hospital.work.clock.advance(timedelta(minutes=5))
    service.take_back_performed_step(hospital.work, pk, "another patient")
    assert states(hospital, step) == before
    assert hospital.work.session.get(Appointment, step.appointment_pk).arrived_at == arrived_at
    assert step.discontinuation_reason is None
    assert [
        one.performed_procedure_step_pk for one in service.unscheduled_performed_steps(hospital.work)
    ] == [pk]
    assert service.hung_performed_steps(hospital.work) == []
    # Its real work comes by itself, and moves the step as ever.
    own = new_uid()
    service.create_performed_step(hospital.work, own, created(step))
    service.update_performed_step(hospital.work, own, ended("COMPLETED"))
    assert states(hospital, step)[0] == "COMPLETED"


def test_other_work_and_people_outweigh_what_is_taken_back(
    hospital: Any, step: ScheduledProcedureStep
) -> None:
    procedure_pk, patient_pk = order_of(hospital, step)
    pk, _ = waiting(hospital, "COMPLETED")
    service.hang_performed_step(hospital.work, pk, [procedure_pk], patient_pk, "seen")
    own = new_uid()
    service.create_performed_step(hospital.work, own, created(step))
    service.take_back_performed_step(hospital.work, pk, "another patient")
    assert states(hospital, step) == ("STARTED", "fulfilled", "IN PROGRESS")
    service.hang_performed_step(hospital.work, pk, [procedure_pk], patient_pk, "again")
    service.act_on_step(
        hospital.work, step.scheduled_procedure_step_pk, StepMove.DISCONTINUE, "she went home"
    )
    service.take_back_performed_step(hospital.work, pk, "another patient")
    assert states(hospital, step)[0] == "DISCONTINUED"
    assert step.discontinuation_reason == "she went home"


def test_what_was_reported_is_not_undone(
    hospital: Any, step: ScheduledProcedureStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    procedure_pk, patient_pk = order_of(hospital, step)
    pk, _ = waiting(hospital, "COMPLETED")
    service.hang_performed_step(hospital.work, pk, [procedure_pk], patient_pk, "seen")
    monkeypatch.setattr(unscheduled, "_reported", [reported])
    session = hospital.work.session
    report = Report(
        patient_pk=patient_pk, site_pk=hospital.east, state="final", template_key="", created_at=AT
    )
    session.add(report)
    session.flush()
    session.add(ReportProcedure(requested_procedure_pk=procedure_pk, report_pk=report.report_pk))
    session.flush()
    with pytest.raises(Conflict, match="report"):
        service.take_back_performed_step(hospital.work, pk, "another patient")


def test_times_are_those_of_the_scanners_site(hospital: Any) -> None:
    (requested,) = hospital.order(site_pk=hospital.west)
    step = service.schedule(
        hospital.work, requested.requested_procedure_pk, hospital.ct_west, AT + timedelta(hours=3)
    )
    uid = new_uid()
    performed = service.create_performed_step(hospital.work, uid, created(step, station="WEST_CT1"))
    assert performed.started_at == datetime(2026, 11, 25, 15, 5, tzinfo=UTC)
    service.update_performed_step(hospital.work, uid, ended("COMPLETED"))
    assert performed.ended_at == datetime(2026, 11, 25, 15, 20, tzinfo=UTC)
    # An unknown station: the scanner that the step was planned on.
    other = service.create_performed_step(hospital.work, new_uid(), created(step, station="NEW_CT"))
    assert other.started_at == datetime(2026, 11, 25, 15, 5, tzinfo=UTC)
    nonsense = created(step, **{"00400244": element("DA", "20269999")})
    assert service.create_performed_step(hospital.work, new_uid(), nonsense).started_at == hospital.work.now()
