"""Scheduled Procedure Steps as Unified Procedure Steps (PS3.3 C.30): what is said of one, and how its Workitem moves it.

A Workitem's moves are those of a performed step: who says that it has begun, is done or was broken off moves the step by
the same table, and order and appointment with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select

from wetread.archive.model import Study
from wetread.archive.service import instance_references
from wetread.notices.service import add_notice
from wetread.orders.model import (
    ImagingServiceRequest,
    Procedure,
    RequestedProcedure,
    RequestedProcedureChange,
)
from wetread.orders.rules import Move
from wetread.orders.service import move_requested_procedure
from wetread.patients.model import Patient, PatientIdentifier
from wetread.scheduling import rules
from wetread.scheduling.model import (
    Appointment,
    ModalityResource,
    PerformedProcedureStep,
    ScheduledProcedureStep,
    StudyLink,
)
from wetread.scheduling.performed import counts, performed_for, reason_code, text_of
from wetread.scheduling.rules import AppointmentMove, StepMove, StepStatus
from wetread.scheduling.steps import lock_steps, move_appointment, move_step
from wetread.scheduling.worklist import PREGNANCY, JsonDict, allergies_of, json_model, values_of
from wetread.security.model import Practitioner, Site
from wetread.security.service import AuditEventID, Permission, Work
from wetread.workitems.model import State, StepKind, Workitem
from wetread.workitems.service import Answer, Described, Instances, WorkitemRefused, keep

_KEPT_AT_ONCE = 2000
_TERMS = "99WETREAD"
"""Coding scheme of the names of this system's own stations and sites."""


def code_item(value: str, scheme: str, meaning: str) -> JsonDict:
    """An item of a code sequence, by keyword."""
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning[:64] or value}


def own_code(value: str, meaning: str) -> JsonDict:
    """A code of this system for a station or a site."""
    return code_item(value[:16], _TERMS, meaning)


def reason(code: str, meaning: str, words: str | None = None, *, anew: bool = False) -> JsonDict:
    """Why something was not done: an item of CID 9300, and words; `anew`: another Workitem replaces it (PS3.17 GGG.3)."""
    codes = dict.fromkeys([(code, meaning), *([RESCHEDULED] if anew else [])])
    given: JsonDict = {
        "ProcedureStepDiscontinuationReasonCodeSequence": [code_item(one, "DCM", said) for one, said in codes]
    }
    return json_model(given | ({"ReasonForCancellation": words} if words else {}))


RESCHEDULED = ("110528", "Discontinued Procedure Step rescheduled")


def order_attributes(
    work: Work, requested_procedure_pk: int
) -> tuple[JsonDict, RequestedProcedure, Procedure, Site] | None:
    """Patient, visit and Referenced Request Sequence of a Requested Procedure by keyword, as a Unified Procedure Step says
    them (PS3.4 table CC.2.5-3), with what is known of it besides. The patient is the order's: merged records count as the
    one that survived."""
    row = work.session.execute(
        select(
            RequestedProcedure, ImagingServiceRequest, Procedure, Patient, Site, Practitioner.person_name, allergies_of(),
        )
        .join(ImagingServiceRequest,
              ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk)
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .join(Patient, Patient.patient_pk == ImagingServiceRequest.patient_pk)
        .join(Site, Site.site_pk == ImagingServiceRequest.site_pk)
        .outerjoin(Practitioner, Practitioner.practitioner_pk == ImagingServiceRequest.referring_practitioner_pk)
        .where(RequestedProcedure.requested_procedure_pk == requested_procedure_pk)
        .execution_options(populate_existing=True)
    ).one_or_none()  # fmt: skip
    if row is None:
        return None
    requested, request, procedure, patient, site, referrer, allergies = row
    identifiers = work.session.scalars(
        select(PatientIdentifier)
        .where(PatientIdentifier.patient_pk == patient.patient_pk)
        .order_by(PatientIdentifier.is_primary.desc(), PatientIdentifier.patient_identifier_pk)
        .execution_options(populate_existing=True)
    ).all()
    first = identifiers[0] if identifiers else None
    born = patient.patient_birth_date
    said: JsonDict = {
        "PatientName": patient.patient_name,
        "PatientID": first.patient_id if first else None,
        "IssuerOfPatientID": first.issuer_of_patient_id if first else None,
        "OtherPatientIDsSequence": [
            {
                "PatientID": one.patient_id,
                "IssuerOfPatientID": one.issuer_of_patient_id,
                "TypeOfPatientID": "TEXT",
            }
            for one in identifiers[1:]
        ],
        "PatientBirthDate": born.strftime("%Y%m%d") if born else None,
        "PatientSex": patient.patient_sex,
        "AdmissionID": request.admission_id,
        "IssuerOfAdmissionIDSequence": [],
        "AdmittingDiagnosesDescription": None,
        "AdmittingDiagnosesCodeSequence": [code_item(one, "I10C", one) for one in requested.diagnosis_codes],
        "ReferencedRequestSequence": [
            {
                "StudyInstanceUID": requested.study_instance_uid,
                "AccessionNumber": request.accession_number,
                "IssuerOfAccessionNumberSequence": _issuer(request.issuer_of_accession_number),
                "OrderPlacerIdentifierSequence": _issuer(request.issuer_of_placer_order_number),
                "OrderFillerIdentifierSequence": _issuer(request.issuer_of_accession_number),
                "FillerOrderNumberImagingServiceRequest": request.accession_number,
                "RequestedProcedureID": requested.requested_procedure_id,
                "RequestedProcedureDescription": requested.requested_procedure_description,
                "RequestedProcedureCodeSequence": [procedure_code(procedure)],
                "ReferringPhysicianName": referrer or request.referring_physician_name,
                "RequestingPhysician": referrer or request.referring_physician_name,
                **_given(
                    PlacerOrderNumberImagingServiceRequest=request.placer_order_number,
                    RequestingService=request.requesting_service,
                    ReasonForTheRequestedProcedure=(requested.reason_for_the_requested_procedure or "")[:64],
                    RequestedProcedureComments=requested.requested_procedure_comments,
                ),
            }
        ],
        "MedicalAlerts": values_of(patient.medical_alerts, patient.implants),
        "Allergies": allergies,
        "PregnancyStatus": PREGNANCY.get(patient.pregnancy_status or ""),
        "SpecialNeeds": patient.special_needs,
        "ScheduledProcedureStepPriority": rules.WORKITEM_PRIORITY[requested.requested_procedure_priority],
    }
    return said, requested, procedure, site


def _given(**values: str | None) -> JsonDict:
    return {keyword: value for keyword, value in values.items() if value}


def _issuer(namespace: str | None) -> list[JsonDict]:
    return [{"LocalNamespaceEntityID": namespace}] if namespace else []


def procedure_code(procedure: Procedure) -> JsonDict:
    """The catalogue's code of a procedure."""
    return code_item(procedure.code_value, procedure.coding_scheme_designator, procedure.code_meaning)


def date_time(moment: datetime, zone_name: str) -> str:
    """An instant as DT in a site's wall time, with its offset."""
    return moment.astimezone(ZoneInfo(zone_name)).strftime("%Y%m%d%H%M%S%z")


def linked_studies(work: Work, requested_procedure_pk: int) -> Sequence[int]:
    """The studies that hang on a Requested Procedure, first come first."""
    return work.session.scalars(
        select(StudyLink.study_pk)
        .join(Study, Study.study_pk == StudyLink.study_pk)
        .where(
            StudyLink.requested_procedure_pk == requested_procedure_pk,
            StudyLink.state.in_(("matched", "resolved")),
        )
        .order_by(StudyLink.study_pk)
    ).all()


_STATES: Mapping[StepStatus, State] = {
    StepStatus.SCHEDULED: State.SCHEDULED,
    StepStatus.ARRIVED: State.SCHEDULED,
    StepStatus.READY: State.SCHEDULED,
    StepStatus.STARTED: State.IN_PROGRESS,
    StepStatus.COMPLETED: State.COMPLETED,
    StepStatus.DISCONTINUED: State.CANCELED,
    StepStatus.CANCELED: State.CANCELED,
}


class AcquisitionKeeper:
    """Fulfils `workitems.service.Keeper` for Scheduled Procedure Steps."""

    def describe(self, work: Work, step_pk: int) -> Described | None:
        """The step as it stands."""
        row = work.session.execute(
            select(ScheduledProcedureStep, ModalityResource, Site, Appointment)
            .join(
                ModalityResource,
                ModalityResource.modality_resource_pk == ScheduledProcedureStep.modality_resource_pk,
            )
            .join(Site, Site.site_pk == ModalityResource.site_pk)
            .outerjoin(Appointment, Appointment.appointment_pk == ScheduledProcedureStep.appointment_pk)
            .where(ScheduledProcedureStep.scheduled_procedure_step_pk == step_pk)
            .execution_options(populate_existing=True)
        ).one_or_none()
        ordered = None if row is None else order_attributes(work, row[0].requested_procedure_pk)
        if row is None or ordered is None:
            return None
        step, resource, site, appointment = row
        said, requested, procedure, _ = ordered
        state = _STATES[StepStatus(step.scheduled_procedure_step_status)]
        if requested.state == "CANCELED" and state is State.SCHEDULED:
            state = State.CANCELED  # its steps leave the worklist a moment later
        ends = (
            appointment.ends_at
            if appointment
            else step.starts_at + timedelta(minutes=procedure.duration_minutes)
        )
        station = own_code(step.scheduled_station_ae_title, step.scheduled_station_name or resource.name)
        said |= {
            "ProcedureStepLabel": step.scheduled_procedure_step_description,
            "WorklistLabel": "ACQUISITION",
            "ScheduledStationNameCodeSequence": [station],
            "ScheduledStationClassCodeSequence": [
                code_item(step.modality, "DCM", rules.STATION_CLASSES.get(step.modality, step.modality))
            ],
            "ScheduledStationGeographicLocationCodeSequence": [own_code(site.code, site.institution_name)],
            "ScheduledHumanPerformersSequence": _performers(
                step.scheduled_performing_physician_name, site.institution_name
            ),
            "ScheduledProcedureStepStartDateTime": date_time(step.starts_at, site.time_zone),
            "ExpectedCompletionDateTime": date_time(ends, site.time_zone),
            "ScheduledWorkitemCodeSequence": [procedure_code(procedure)],
            "CommentsOnTheScheduledProcedureStep": _comments(procedure),
            "ScheduledProcessingParametersSequence": [],
            "InputReadinessState": "READY",
            "InputInformationSequence": [],
            "StudyInstanceUID": requested.study_instance_uid,
        }
        performed = [one for one in performed_for(work, step) if counts(one)]
        return Described(
            site.site_pk,
            state,
            json_model(said),
            None,
            _performed(work, step, site, station, procedure, performed),
            _canceled(step, appointment, performed, state),
        )

    def instances(self, work: Work, step_pk: int) -> Instances:
        """What was made, where it hangs now."""
        step = work.session.get(ScheduledProcedureStep, step_pk)
        if step is None or step.scheduled_procedure_step_status not in (
            StepStatus.STARTED, StepStatus.COMPLETED,
        ):  # fmt: skip
            return Instances()
        studies = linked_studies(work, step.requested_procedure_pk)
        return Instances(made=instance_references(work.session, studies))

    def begin(self, work: Work, step_pk: int) -> None:
        """As an N-CREATE of a performed step does. Raises WorkitemRefused where it has begun or is over."""
        step = self._step(work, step_pk)
        status = step.scheduled_procedure_step_status
        if status == StepStatus.STARTED:
            raise WorkitemRefused(Answer.ALREADY_IN_PROGRESS)
        if status not in rules.OPEN_STEPS or self._order_is_canceled(work, step):
            raise WorkitemRefused(Answer.NO_LONGER_UPDATABLE)
        move_step(work, step, StepMove.START)
        self._audit(work, step, StepMove.START)

    def go_on(self, work: Work, step_pk: int) -> None:
        """Nothing runs out meanwhile."""

    def complete(self, work: Work, step_pk: int) -> None:
        """As the last N-SET of a performed step does: not before all of them are done."""
        step = self._step(work, step_pk)
        if _scanner_is_at(work, step):
            raise WorkitemRefused(Answer.NOT_MET_FINAL_STATE, "a performed step of it is IN PROGRESS")
        if step.scheduled_procedure_step_status == StepStatus.COMPLETED:
            return
        if step.scheduled_procedure_step_status != StepStatus.STARTED:
            raise WorkitemRefused(Answer.NO_LONGER_UPDATABLE)
        move_step(work, step, StepMove.COMPLETE)
        self._audit(work, step, StepMove.COMPLETE)

    def discontinue(self, work: Work, step_pk: int, code: str, words: str) -> None:
        """As an N-SET to DISCONTINUED does: where another worklist entry was meant, it is scheduled as before."""
        step = self._step(work, step_pk)
        status = step.scheduled_procedure_step_status
        if status in (StepStatus.DISCONTINUED, StepStatus.CANCELED) or status in rules.OPEN_STEPS:
            return  # it was taken from its performer already
        if _scanner_is_at(work, step):
            return  # only who gives it up is out of it
        if status != StepStatus.STARTED:
            raise WorkitemRefused(Answer.NO_LONGER_UPDATABLE)
        if code == rules.WRONG_WORKLIST_ENTRY:
            move_step(work, step, StepMove.REVERT, words or "another worklist entry was meant")
            move_appointment(work, step.appointment_pk, AppointmentMove.REINSTATE)
        else:
            move_step(work, step, StepMove.DISCONTINUE, words or "discontinued by its performer")
        self._audit(work, step, StepMove.DISCONTINUE)

    def cancel(self, work: Work, step_pk: int, words: str) -> None:
        """As the front desk cancels an appointment: the slot is free, and the order waits to be scheduled."""
        step = self._step(work, step_pk)
        if step.scheduled_procedure_step_status == StepStatus.CANCELED:
            return
        if step.scheduled_procedure_step_status not in rules.OPEN_STEPS:
            raise WorkitemRefused(Answer.PERFORMER_DECLINES)
        move_appointment(work, step.appointment_pk, AppointmentMove.CANCEL, words)
        move_step(work, step, StepMove.CANCEL, words)
        if not self._order_is_canceled(work, step):
            move_requested_procedure(work, step.requested_procedure_pk, Move.UNSCHEDULE, words)
        self._audit(work, step, StepMove.CANCEL)

    def ask(self, work: Work, workitem_pk: int, step_pk: int) -> bool:
        """Technologists are told that somebody asks to stop."""
        step = self._step(work, step_pk)
        add_notice(
            work,
            about=f"workitem cancel {workitem_pk}",
            title="An examination should be stopped",
            body=f"{work.actor.username[:64]} asks to break off {step.scheduled_procedure_step_id} at "
            f"{step.scheduled_station_name}.",
            link="/workitems",
            roles=("technologist",),
        )
        return True

    @staticmethod
    def _step(work: Work, step_pk: int) -> ScheduledProcedureStep:
        work.require(Permission.STEP_PERFORM)
        found = lock_steps(work, ScheduledProcedureStep.scheduled_procedure_step_pk == step_pk)
        if not found:
            raise WorkitemRefused(Answer.NO_LONGER_UPDATABLE)
        return found[0]

    @staticmethod
    def _order_is_canceled(work: Work, step: ScheduledProcedureStep) -> bool:
        requested = work.session.get_one(
            RequestedProcedure, step.requested_procedure_pk, populate_existing=True
        )
        return requested.state == "CANCELED"

    @staticmethod
    def _audit(work: Work, step: ScheduledProcedureStep, move: StepMove) -> None:
        work.audit(
            AuditEventID.PROCEDURE_RECORD,
            "U",
            object_type="scheduled_procedure_step",
            object_id=step.scheduled_procedure_step_pk,
            detail={"move": move.value, "by": "workitem"},
        )


def _scanner_is_at(work: Work, step: ScheduledProcedureStep) -> bool:
    return any(
        one.performed_procedure_step_status == "IN PROGRESS"
        for one in performed_for(work, step)
        if counts(one)
    )


def _performers(name: str | None, organization: str) -> list[JsonDict]:
    if not name:
        return []
    return [
        {
            "HumanPerformerCodeSequence": [own_code(name.replace("^", " ").strip(), name.replace("^", " "))],
            "HumanPerformerName": name,
            "HumanPerformerOrganization": organization,
        }
    ]


def _comments(procedure: Procedure) -> str | None:
    parts = [procedure.preparation, procedure.requested_contrast_agent, procedure.pre_medication]
    return "; ".join(part for part in parts if part) or None


def _performed(
    work: Work,
    step: ScheduledProcedureStep,
    site: Site,
    station: JsonDict,
    procedure: Procedure,
    performed: Sequence[PerformedProcedureStep],
) -> JsonDict:
    begun = [one.started_at for one in performed]
    ended = [one.ended_at for one in performed if one.ended_at is not None]
    if not begun:
        began = work.session.scalar(
            select(RequestedProcedureChange.changed_at)
            .where(
                RequestedProcedureChange.requested_procedure_pk == step.requested_procedure_pk,
                RequestedProcedureChange.step == Move.START,
            )
            .order_by(RequestedProcedureChange.requested_procedure_change_pk.desc())
            .limit(1)
        )
        begun = [began or step.status_changed_at]
    stations = {one.performed_station_ae_title for one in performed} - {step.scheduled_station_ae_title}
    return json_model(
        {
            "PerformedStationNameCodeSequence": [own_code(one, one) for one in sorted(stations)] or [station],
            "PerformedStationClassCodeSequence": [],
            "PerformedStationGeographicLocationCodeSequence": [own_code(site.code, site.institution_name)],
            "PerformedProcedureStepStartDateTime": date_time(min(begun), site.time_zone),
            "PerformedProcedureStepEndDateTime": date_time(
                max(ended, default=step.status_changed_at), site.time_zone
            ),
            "PerformedWorkitemCodeSequence": [procedure_code(procedure)],
        }
    )


def _canceled(
    step: ScheduledProcedureStep,
    appointment: Appointment | None,
    performed: Sequence[PerformedProcedureStep],
    state: State,
) -> JsonDict:
    """Why it is not done, or not by who had begun."""
    if state is State.SCHEDULED:
        return reason(*RESCHEDULED)
    words = step.discontinuation_reason
    if appointment is not None and appointment.state == "noshow":
        return reason("110507", "Patient did not arrive", words)
    for one in reversed(performed):
        said = reason_code(one)
        if text_of(said, "00080100"):
            found: JsonDict = {"0074100E": {"vr": "SQ", "Value": [said]}}
            return found | json_model(_given(ReasonForCancellation=words))
    return reason("110513", "Discontinued for unspecified reason", words)


# Followed by its Workitem


def keep_steps_of(work: Work, events: Sequence[Mapping[str, Any]]) -> None:
    """On `step.changed`, `order.changed`, `patient.changed` and `patient.merged`: the Workitems of the steps say what these
    say now. Idempotent."""
    steps = {int(key) for key in keys_of(events, "scheduled_procedure_step_pk")}
    # A step that moved says which; its order besides is no other news.
    orders = {int(one["keys"]["requested_procedure_pk"]) for one in events if one["kind"] == "order.changed"}
    of_orders = ScheduledProcedureStep.requested_procedure_pk.in_(orders)
    patients = patients_of(events)
    # Of a patient's whole life only what is open, and what somebody may still look up.
    known = exists().where(
        Workitem.step_kind == StepKind.ACQUISITION.value,
        Workitem.step_pk == ScheduledProcedureStep.scheduled_procedure_step_pk,
    )
    is_open = ScheduledProcedureStep.scheduled_procedure_step_status.in_(
        (*rules.OPEN_STEPS, StepStatus.STARTED)
    )
    of_patients = and_(
        ScheduledProcedureStep.requested_procedure_pk.in_(procedures_of_patients(patients)),
        or_(is_open, known),
    )
    named = ScheduledProcedureStep.scheduled_procedure_step_pk.in_(steps)
    conditions = [
        condition
        for condition, given in ((named, steps), (of_orders, orders), (of_patients, patients))
        if given
    ]
    _keep_steps(work, or_(*conditions) if conditions else false())


def keys_of(events: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """What the events say under this key."""
    return [one["keys"][key] for one in events if one["keys"].get(key) is not None]


def patients_of(events: Sequence[Mapping[str, Any]]) -> set[int]:
    """Whom news of patients is about."""
    names = ("patient_pk", "surviving_patient_pk", "merged_patient_pk")
    return {int(key) for name in names for key in keys_of(events, name)}


def _keep_steps(work: Work, where: ColumnElement[bool]) -> None:
    keys = work.session.scalars(
        select(ScheduledProcedureStep.scheduled_procedure_step_pk)
        .where(where)
        .order_by(ScheduledProcedureStep.scheduled_procedure_step_pk)
    ).all()
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "E", object_type="workitem", object_id=len(keys))
    for key in keys:
        keep(work, StepKind.ACQUISITION, key)


def procedures_of_patients(patient_pks: Collection[int]) -> Select[int]:
    """The Requested Procedures of these patients."""
    return (
        select(RequestedProcedure.requested_procedure_pk)
        .join(
            ImagingServiceRequest,
            ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk,
        )
        .where(ImagingServiceRequest.patient_pk.in_(patient_pks))
    )


def keep_missed_steps(work: Work) -> None:
    """Every open step that has no open Workitem: those of before there were any, and what an upgrade lost."""
    has_one = exists().where(
        Workitem.step_kind == StepKind.ACQUISITION.value,
        Workitem.step_pk == ScheduledProcedureStep.scheduled_procedure_step_pk,
        Workitem.procedure_step_state.in_((State.SCHEDULED, State.IN_PROGRESS)),
    )
    missed = (
        select(ScheduledProcedureStep.scheduled_procedure_step_pk)
        .where(
            ScheduledProcedureStep.scheduled_procedure_step_status.in_(
                (*rules.OPEN_STEPS, StepStatus.STARTED)
            ),
            ~has_one,
        )
        .order_by(ScheduledProcedureStep.starts_at.desc())
        .limit(_KEPT_AT_ONCE)
    )
    _keep_steps(work, ScheduledProcedureStep.scheduled_procedure_step_pk.in_(missed))
