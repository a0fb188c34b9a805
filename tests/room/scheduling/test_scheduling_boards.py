"""What the screens of the scanner rooms ask for: orders beside a waiting study, what scanners counted, how far reading is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from wetread.archive.model import Study
from wetread.dicom.uid import new_uid
from wetread.kit.errors import Denied, NotFound
from wetread.orders.model import ImagingServiceRequest
from wetread.scheduling import service
from wetread.scheduling.candidates import CandidateOrder
from wetread.scheduling.model import PerformedProcedureStep, PerformedStepReference
from wetread.scheduling.rules import Verdict, name_verdict
from wetread.security.model import AuditRecord
from wetread.security.service import Role
from wetread.worklist.progress import reading_progress

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def waiting(hospital: Any, **fields: Any) -> Study:
    """A study of a stranger, until `fields` say otherwise, that waits."""
    values: dict[str, Any] = {
        "study_instance_uid": new_uid(), "study_date": date(2026, 11, 25), "modalities_in_study": ["CT"],
        "number_of_study_related_instances": 1, "received_attributes": {}, "patient_name": "Quux^Zed",
        "patient_id": "NOBODY", "issuer_of_patient_id": "CITY",
        "created_at": AT,  # orders of about that time are looked for: the day of the tests is another
    }  # fmt: skip
    study = Study(**(values | fields))
    hospital.work.session.add(study)
    hospital.work.session.flush()
    service.match_studies(hospital.work, [study.study_pk])
    return study


def verdicts(candidate: CandidateOrder) -> dict[str, str]:
    return {one.field: one.verdict.value for one in candidate.compared}


def test_a_mistyped_identifier_finds_its_order_by_everything_else(hospital: Any) -> None:
    (other,) = hospital.order(hospital.patient("Roe^Ann", patient_birth_date=date(1950, 1, 1)))
    (meant,) = hospital.order(hospital.patient("Doe^Jane"))
    for requested in (other, meant):
        service.schedule(
            hospital.work, requested.requested_procedure_pk, hospital.ct1, AT, overbook_reason="x"
        )
    study = waiting(
        hospital, patient_name="Doe^Jane", patient_id="P2O", patient_birth_date=date(1980, 3, 4), patient_sex="F",
        accession_number=meant.accession_number,
    )  # fmt: skip
    first, second = service.candidate_orders(hospital.work, study.study_pk)
    assert first.requested_procedure_pk == meant.requested_procedure_pk
    assert verdicts(first) == {
        "patient_name": "agrees", "patient_id": "differs", "patient_birth_date": "agrees", "patient_sex": "agrees",
        "accession_number": "agrees", "modality": "agrees", "study_date": "agrees", "study_instance_uid": "absent",
        "requested_procedure_description": "absent", "laterality": "absent",
    }  # fmt: skip
    assert verdicts(second)["patient_name"] == "differs"
    assert first.score > 0 > second.score


def test_an_identifier_of_another_issuer_is_another(hospital: Any) -> None:
    (requested,) = hospital.order(hospital.patient("Doe^Jane"))
    study = waiting(hospital, patient_name="Doe^Jane", patient_id="P1", issuer_of_patient_id="ELSEWHERE")
    (found,) = service.candidate_orders(hospital.work, study.study_pk)
    assert found.requested_procedure_pk == requested.requested_procedure_pk
    assert verdicts(found)["patient_id"] == "differs"


def test_any_order_is_found_by_typing(hospital: Any) -> None:
    (requested,) = hospital.order(hospital.patient("Zimmermann^Åse"), "MRHEAD")
    study = waiting(hospital)
    for typed in (requested.accession_number[:6], "zimm", "P1"):
        (found,) = service.candidate_orders(hospital.work, study.study_pk, typed)
        assert found.requested_procedure_pk == requested.requested_procedure_pk
        assert verdicts(found)["modality"] == "differs"
    assert service.candidate_orders(hospital.work, study.study_pk, "nothing") == []


def test_what_was_decided_is_listed_until_it_is_taken_back(hospital: Any) -> None:
    (requested,) = hospital.order()
    study = waiting(hospital)
    patient_pk = hospital.work.session.get_one(
        ImagingServiceRequest, requested.imaging_service_request_pk
    ).patient_pk
    (found,) = service.candidate_orders(hospital.work, study.study_pk, requested.accession_number)
    differed = [(one.field, one.study) for one in found.compared if one.verdict == "differs"]
    assert differed
    service.reconcile(
        hospital.work, study.study_pk, requested.requested_procedure_pk, patient_pk, "seen by Ann"
    )
    (decided,) = service.resolved(hospital.work)
    assert (decided.study_pk, decided.accession_number) == (study.study_pk, requested.accession_number)
    # Whoever looks later sees why, and against what.
    assert decided.linked_because == "seen by Ann"
    assert [(one["field"], one["study"]) for one in decided.reasons] == differed
    with pytest.raises(NotFound):
        service.candidate_orders(hospital.work, study.study_pk)
    service.undo_reconciliation(hospital.work, study.study_pk, "was another")
    assert service.resolved(hospital.work) == []
    # Who took it back sees again what it hung on, though nothing else points there.
    assert requested.requested_procedure_pk in {
        one.requested_procedure_pk for one in service.candidate_orders(hospital.work, study.study_pk)
    }


def test_candidates_are_searched_by_what_is_typed_in_the_body(hospital: Any, api: Any) -> None:
    (meant,) = hospital.order(hospital.patient("Roe^Ann", patient_birth_date=date(1950, 1, 1)))
    service.schedule(hospital.work, meant.requested_procedure_pk, hospital.ct1, AT)
    study = waiting(hospital)
    hospital.work.session.flush()
    path = f"/api/reconciliation/{study.study_pk}/candidates"
    technologist = api.as_role("technologist")
    for typed, found in (("roe", [meant.requested_procedure_pk]), ("nobody", [])):
        answer = technologist.post(path, json={"text": typed})
        assert answer.status_code == 200, answer.text
        assert [one["requested_procedure_pk"] for one in answer.json()["items"]] == found
    assert api.as_role("front_desk").post(path, json={}).status_code == 403


def test_only_who_reconciles_sees_candidates(hospital: Any, work_as: Any) -> None:
    study = waiting(hospital)
    with work_as(Role.FRONT_DESK) as work, pytest.raises(Denied):
        service.candidate_orders(work, study.study_pk)


def test_what_the_scanner_counted(hospital: Any) -> None:
    (requested,) = hospital.order()
    step = service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)
    image = {"00081155": {"vr": "UI", "Value": ["1.2"]}}
    performed = PerformedProcedureStep(
        sop_instance_uid=new_uid(), performed_procedure_step_id="1", performed_procedure_step_status="IN PROGRESS",
        performed_station_ae_title="EAST_CT1", modality="CT", study_instance_uid=requested.study_instance_uid,
        started_at=AT, received_at=AT,
        attributes={
            "00400340": {
                "vr": "SQ",
                "Value": [
                    {
                        "0020000E": {"vr": "UI", "Value": ["1.2.3"]},
                        "0008103E": {"vr": "LO", "Value": ["Axial"]},
                        "00081140": {"vr": "SQ", "Value": [image, image]},
                        "00400220": {"vr": "SQ", "Value": [image]},
                    },
                    {"0020000E": {"vr": "UI", "Value": ["1.2.4"]}, "00081140": {"vr": "SQ"}},
                ],
            }
        },
    )  # fmt: skip
    hospital.work.session.add(performed)
    hospital.work.session.flush()
    hospital.work.session.add(
        PerformedStepReference(
            performed_procedure_step_pk=performed.performed_procedure_step_pk,
            scheduled_procedure_step_pk=step.scheduled_procedure_step_pk,
        )
    )
    hospital.work.session.flush()
    (shown,) = service.performed_steps(hospital.work, step.scheduled_procedure_step_pk)
    assert [(one.series_description, one.number_of_instances) for one in shown.series] == [
        ("Axial", 3), (None, None),
    ]  # fmt: skip
    booking = service.book(hospital.work, step.scheduled_procedure_step_pk)
    assert booking.performed_procedure_step_status == "IN PROGRESS"
    assert reading_progress(hospital.work, [requested.requested_procedure_pk]) == []


def test_the_board_has_the_next_hours_and_what_was_done_in_the_last(hospital: Any) -> None:
    later, soon = hospital.order()[0], hospital.order()[0]
    service.schedule(hospital.work, later.requested_procedure_pk, hospital.ct1, AT + timedelta(days=6))
    step = service.schedule(hospital.work, soon.requested_procedure_pk, hospital.ct1, AT)

    def shown() -> list[int]:
        return [one.requested_procedure_pk for one in service.tracking_board(hospital.work)]

    assert shown() == [soon.requested_procedure_pk]
    for move in (service.StepMove.START, service.StepMove.COMPLETE):
        service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, move)
    assert shown() == [soon.requested_procedure_pk]


def test_what_was_checked_before_stays_in_the_record(hospital: Any) -> None:
    (requested,) = hospital.order()
    pk = service.schedule(
        hospital.work, requested.requested_procedure_pk, hospital.ct1, AT
    ).scheduled_procedure_step_pk
    service.act_on_step(hospital.work, pk, service.StepMove.ARRIVE)
    service.act_on_step(
        hospital.work, pk, service.StepMove.PREPARE, checks=["pregnancy", "identity", "identity"]
    )
    hospital.work.session.flush()
    details = [
        detail
        for (detail,) in hospital.work.session.execute(
            select(AuditRecord.detail).where(
                AuditRecord.object_type == "scheduled_procedure_step", AuditRecord.object_id == str(pk)
            )
        )
    ]
    assert {"move": "prepare", "checked": "identity,pregnancy"} in details


@pytest.mark.parametrize(
    ("order", "study", "expected"),
    [
        ("Doe^Jane", "DOE^JANE^M", Verdict.AGREES),
        ("Tanaka^Jun=田中^純", "Tanaka^Jun", Verdict.AGREES),
        ("Müller^Jörg", "Mueller^Joerg", Verdict.AGREES),
        ("Doe^Jane", "Doe^Anna", Verdict.SIMILAR),
        ("Doe^Jane", "Roe^Zed", Verdict.DIFFERS),
        ("Doe^Jane", "", Verdict.ABSENT),
    ],
)
def test_names_agree_are_similar_or_differ(order: str, study: str, expected: Verdict) -> None:
    assert name_verdict(order, study) is expected
