"""Studies and orders: exact agreement links by itself, anything else waits with its reasons, and links are taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from wetread.app.wiring import fetched
from wetread.archive.model import Study
from wetread.dicom.uid import new_uid
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.kit.events import OutboxEvent
from wetread.orders.model import RequestedProcedure
from wetread.orders.service import cancel_order
from wetread.patients import service as patients
from wetread.patients.model import PatientIdentifier
from wetread.priors.model import RemoteArchive, RemoteStudy
from wetread.scheduling import linking, service
from wetread.scheduling.model import Appointment, ScheduledProcedureStep, StudyLink

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def study_of(hospital: Any, requested: RequestedProcedure | None = None, **fields: Any) -> Study:
    """A study as the scanner that took the worklist entry of `requested` sends it."""
    values: dict[str, Any] = {
        "study_instance_uid": new_uid(), "study_date": date(2026, 11, 25), "modalities_in_study": ["CT"],
        "number_of_study_related_instances": 1, "received_attributes": {},
    }  # fmt: skip
    if requested is not None:
        session = hospital.work.session
        order = requested.accession_number
        patient_pk = _patient_pk(hospital, requested)
        number = session.scalar(
            select(PatientIdentifier.patient_id).where(PatientIdentifier.patient_pk == patient_pk)
        )
        values |= {
            "study_instance_uid": requested.study_instance_uid, "accession_number": order,
            "patient_name": "Doe^Jane", "patient_id": number, "issuer_of_patient_id": "CITY",
            "patient_birth_date": date(1980, 3, 4), "patient_sex": "F",
        }  # fmt: skip
    values |= fields
    if not values["received_attributes"]:
        born = values.get("patient_birth_date")
        texts = {
            "00080050": ("SH", values.get("accession_number")), "00100020": ("LO", values.get("patient_id")),
            "00100021": ("LO", values.get("issuer_of_patient_id")), "00100040": ("CS", values.get("patient_sex")),
            "00100030": ("DA", born.strftime("%Y%m%d") if born else None),
            "00100010": ("PN", {"Alphabetic": values["patient_name"]} if values.get("patient_name") else None),
        }  # fmt: skip
        values["received_attributes"] = {
            tag: {"vr": vr, "Value": [value]} if value else {"vr": vr} for tag, (vr, value) in texts.items()
        }
    study = Study(**values)
    hospital.work.session.add(study)
    hospital.work.session.flush()
    return study


def _patient_pk(hospital: Any, requested: RequestedProcedure) -> int:
    from wetread.orders.model import ImagingServiceRequest

    return int(
        hospital.work.session.get(ImagingServiceRequest, requested.imaging_service_request_pk).patient_pk
    )


def links_of(hospital: Any, study: Study) -> list[tuple[str, int | None]]:
    rows = hospital.work.session.execute(
        select(StudyLink.state, StudyLink.requested_procedure_pk)
        .where(StudyLink.study_pk == study.study_pk)
        .order_by(StudyLink.study_link_pk)
    )
    return [(state, pk) for state, pk in rows]


def reasons_of(hospital: Any, study: Study) -> set[str]:
    (waiting,) = [one for one in service.unmatched(hospital.work) if one.study_pk == study.study_pk]
    return {reason["field"] for reason in waiting.reasons}


def test_the_study_of_the_worklist_entry_is_linked_and_begins_the_step(hospital: Any) -> None:
    (requested,) = hospital.order()
    step = service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)
    study = study_of(hospital, requested)
    event = {"keys": {"study_pk": study.study_pk}}
    for _ in range(2):
        service.studies_arrived(hospital.work, [event])
        assert links_of(hospital, study) == [("matched", requested.requested_procedure_pk)]
    assert study.patient_pk == _patient_pk(hospital, requested)
    assert (step.scheduled_procedure_step_status, requested.state) == ("STARTED", "IN PROGRESS")
    assert service.unmatched(hospital.work) == []


def test_the_accession_number_serves_where_the_study_uid_is_the_scanners_own(hospital: Any) -> None:
    (requested,) = hospital.order()
    study = study_of(hospital, requested, study_instance_uid=new_uid(), patient_name="DOE^JANE^M")
    service.match_studies(hospital.work, [study.study_pk])
    assert links_of(hospital, study) == [("matched", requested.requested_procedure_pk)]
    # Nobody had scheduled it.
    assert requested.state == "IN PROGRESS"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"patient_id": "P999"}, "patient_id"),
        ({"issuer_of_patient_id": "ELSEWHERE"}, "patient_id"),
        ({"patient_id": None}, "patient_id"),
        ({"patient_birth_date": date(1980, 4, 3)}, "patient_birth_date"),
        ({"patient_sex": "M"}, "patient_sex"),
        ({"patient_name": "Smith^Peter"}, "patient_name"),
    ],
)
def test_a_patient_who_does_not_agree_waits_with_the_reason(
    hospital: Any, fields: dict[str, Any], reason: str
) -> None:
    (requested,) = hospital.order()
    step = service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)
    study = study_of(hospital, requested, **fields)
    service.match_studies(hospital.work, [study.study_pk])
    assert links_of(hospital, study) == [("unmatched", None)]
    assert reasons_of(hospital, study) == {reason}
    assert study.patient_pk is None
    assert (step.scheduled_procedure_step_status, requested.state) == ("SCHEDULED", "SCHEDULED")
    (waiting,) = service.unmatched(hospital.work)
    assert waiting.candidate_procedure_pk == requested.requested_procedure_pk


def test_no_order_means_waiting_and_the_late_order_finds_its_images(hospital: Any) -> None:
    patient_pk = hospital.patient()
    study = study_of(
        hospital, accession_number="EAST260000001", patient_name="Doe^Jane", patient_id="P1",
        issuer_of_patient_id="CITY", patient_birth_date=date(1980, 3, 4), patient_sex="F",
    )  # fmt: skip
    service.match_studies(hospital.work, [study.study_pk])
    assert reasons_of(hospital, study) == {"accession_number"}
    # Its person is known all the same.
    assert study.patient_pk == patient_pk
    (requested,) = hospital.order(patient_pk)
    assert requested.accession_number == "EAST260000001"
    service.order_arrived(
        hospital.work, {"keys": {"requested_procedure_pk": requested.requested_procedure_pk}}
    )
    assert links_of(hospital, study) == [("matched", requested.requested_procedure_pk)]


def test_an_earlier_study_of_a_known_patient_needs_no_order(hospital: Any) -> None:
    patient_pk = hospital.patient()
    values: dict[str, Any] = {
        "accession_number": "OLD1", "patient_name": "Doe^Jane", "patient_id": "P1", "issuer_of_patient_id": "CITY",
        "patient_birth_date": date(1980, 3, 4), "patient_sex": "F",
    }  # fmt: skip
    prior = study_of(hospital, **values, study_date=date(2024, 1, 1))
    stranger = study_of(hospital, **(values | {"patient_sex": "M"}), study_date=date(2024, 1, 1))
    for study in (prior, stranger):
        service.match_studies(hospital.work, [study.study_pk])
    assert (links_of(hospital, prior), prior.patient_pk) == ([("matched", None)], patient_pk)
    assert (links_of(hospital, stranger), stranger.patient_pk) == ([("unmatched", None)], None)


def test_what_was_fetched_as_a_prior_asks_for_no_order_here(
    hospital: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "_foreign", [fetched])
    patient_pk = hospital.patient()
    (ordered,) = hospital.order(patient_pk)
    values: dict[str, Any] = {
        "patient_name": "Doe^Jane", "patient_id": "P1", "issuer_of_patient_id": "CITY",
        "patient_birth_date": date(1980, 3, 4), "patient_sex": "F",
    }  # fmt: skip
    yesterdays = study_of(hospital, **values, accession_number="X1", study_date=date(2026, 11, 24))
    # The other archive gave it a number that is one of ours, of the same patient.
    same_number = study_of(hospital, **values, accession_number=ordered.accession_number)
    stranger = study_of(hospital, **(values | {"patient_birth_date": date(1981, 3, 4)}))
    ours_back = study_of(hospital, ordered)
    not_fetched = study_of(hospital, **values, accession_number="X2")
    archive = RemoteArchive(
        name="City", retrieve="WADO-RS", base_url="https://city.example/dicom-web", issuer_of_patient_id="CITY",
        prefetch_max=3, years_max=5, lead_hours=24,
    )  # fmt: skip
    hospital.work.session.add(archive)
    hospital.work.session.flush()
    for study, state in (
        (yesterdays, "fetched"), (same_number, "fetching"), (stranger, "fetched"), (ours_back, "fetched"),
        (not_fetched, "absent"),
    ):  # fmt: skip
        hospital.work.session.add(
            RemoteStudy(
                remote_archive_pk=archive.remote_archive_pk, patient_pk=patient_pk, fetch_state=state, reasons=[],
                study_instance_uid=study.study_instance_uid, seen_at=AT, updated_at=AT, agreement="agrees",
            )
        )  # fmt: skip
    service.match_studies(
        hospital.work, [one.study_pk for one in (yesterdays, same_number, stranger, ours_back, not_fetched)]
    )
    assert (links_of(hospital, yesterdays), yesterdays.patient_pk) == ([("matched", None)], patient_pk)
    assert (links_of(hospital, same_number), same_number.patient_pk) == ([("matched", None)], patient_pk)
    assert (links_of(hospital, stranger), stranger.patient_pk) == ([("unmatched", None)], None)
    assert links_of(hospital, ours_back) == [("matched", ordered.requested_procedure_pk)]
    assert links_of(hospital, not_fetched) == [("unmatched", None)]


def test_images_of_a_cancelled_order_are_kept_and_wait(hospital: Any) -> None:
    (requested,) = hospital.order()
    cancel_order(hospital.work, requested.imaging_service_request_pk, "not needed")
    study = study_of(hospital, requested)
    service.match_studies(hospital.work, [study.study_pk])
    assert reasons_of(hospital, study) == {"order"}
    assert requested.state == "CANCELED"
    with pytest.raises(Conflict):
        service.reconcile(
            hospital.work,
            study.study_pk,
            requested.requested_procedure_pk,
            _patient_pk(hospital, requested),
            "was scanned",
        )
    assert (links_of(hospital, study), requested.state) == ([("unmatched", None)], "CANCELED")


def test_of_two_procedures_under_one_accession_the_modality_decides(hospital: Any) -> None:
    head, magnet = hospital.order(None, "CTHEAD", "MRHEAD")
    study = study_of(hospital, head, study_instance_uid=new_uid(), modalities_in_study=["MR"])
    service.match_studies(hospital.work, [study.study_pk])
    assert links_of(hospital, study) == [("matched", magnet.requested_procedure_pk)]
    one, _two = hospital.order(None, "CTHEAD", "CTCHEST")
    either = study_of(hospital, one, study_instance_uid=new_uid())
    service.match_studies(hospital.work, [either.study_pk])
    assert reasons_of(hospital, either) == {"accession_number"}
    # The study UID of one of them leaves no question.
    exact = study_of(hospital, one)
    service.match_studies(hospital.work, [exact.study_pk])
    assert links_of(hospital, exact) == [("matched", one.requested_procedure_pk)]


def test_one_scan_for_several_orders_hangs_on_each_of_them(hospital: Any) -> None:
    patient_pk = hospital.patient()
    (head,), (chest,) = hospital.order(patient_pk), hospital.order(patient_pk, "CTCHEST")
    chest.study_instance_uid = head.study_instance_uid
    hospital.work.session.flush()
    study = study_of(hospital, head, accession_number=None)
    service.match_studies(hospital.work, [study.study_pk])
    pks = [head.requested_procedure_pk, chest.requested_procedure_pk]
    assert links_of(hospital, study) == [("matched", pk) for pk in pks]
    assert (head.state, chest.state) == ("IN PROGRESS", "IN PROGRESS")
    service.undo_reconciliation(hospital.work, study.study_pk, "two scans after all")
    assert links_of(hospital, study) == [("unmatched", None)]
    assert (head.state, chest.state) == ("REQUESTED", "REQUESTED")


def test_one_study_uid_for_two_patients_is_nobodys_by_itself(hospital: Any) -> None:
    (one,), (other,) = hospital.order(), hospital.order(hospital.patient("Doe^Jane"))
    other.study_instance_uid = one.study_instance_uid
    hospital.work.session.flush()
    study = study_of(hospital, one, patient_id=None)
    service.match_studies(hospital.work, [study.study_pk])
    assert links_of(hospital, study) == [("unmatched", None)]


# --- whose it is ----------------------------------------------------------------------------------------------


def told(hospital: Any, kind: str) -> list[dict[str, Any]]:
    """The events of a kind so far, as a job gets them."""
    rows = hospital.work.session.scalars(
        select(OutboxEvent.keys).where(OutboxEvent.kind == kind).order_by(OutboxEvent.outbox_event_pk)
    )
    return [{"kind": kind, "keys": keys} for keys in rows]


def test_images_of_the_unknown_show_who_she_is_once_she_is_known(hospital: Any) -> None:
    unknown = patients.register_unknown_patient(hospital.work, "F")
    number = patients.patient_bar(hospital.work, unknown.patient_pk).patient_id
    (requested,) = hospital.order(unknown.patient_pk)
    brought = {"patient_name": "Unknown^Female 1", "patient_id": number, "patient_birth_date": None,
               "issuer_of_patient_id": None}  # fmt: skip
    study = study_of(hospital, requested, **brought)
    service.match_studies(hospital.work, [study.study_pk])
    assert links_of(hospital, study) == [("matched", requested.requested_procedure_pk)]
    known_pk = hospital.patient("Doe^Jane")
    patients.merge_patients(hospital.work, known_pk, unknown.patient_pk, "her husband came")
    for event in told(hospital, "patient.merged") * 2:
        service.patient_merged(hospital.work, event)
    assert (study.patient_pk, study.patient_name, study.patient_id, study.issuer_of_patient_id) == (
        known_pk, "Doe^Jane", "P1", "CITY",
    )  # fmt: skip
    assert study.patient_birth_date == date(1980, 3, 4)
    # The scanner goes on under the name it has: the same study, and another of the same order.
    late = study_of(hospital, requested, study_instance_uid=new_uid(), **brought)
    service.match_studies(hospital.work, [late.study_pk])
    assert links_of(hospital, late) == [("matched", requested.requested_procedure_pk)]
    stranger = study_of(
        hospital, requested, study_instance_uid=new_uid(), **(brought | {"patient_name": "Roe^Jim"})
    )
    service.match_studies(hospital.work, [stranger.study_pk])
    assert reasons_of(hospital, stranger) == {"patient_name"}

    patients.unmerge_patients(hospital.work, unknown.patient_pk)
    service.patient_merged(hospital.work, told(hospital, "patient.merged")[-1])
    assert (study.patient_pk, study.patient_name, study.patient_id) == (
        unknown.patient_pk, "Unknown^Female 1", number,
    )  # fmt: skip


def test_a_corrected_name_reaches_the_images_and_an_address_does_not_touch_them(hospital: Any) -> None:
    unknown = patients.register_unknown_patient(hospital.work, "M")
    number = patients.patient_bar(hospital.work, unknown.patient_pk).patient_id
    (requested,) = hospital.order(unknown.patient_pk)
    brought = {"patient_name": "UNKNOWN^MALE 1", "patient_id": number, "patient_birth_date": None, "patient_sex": "M",
               "issuer_of_patient_id": None}  # fmt: skip
    study = study_of(hospital, requested, **brought)
    service.match_studies(hospital.work, [study.study_pk])

    def change(**changes: Any) -> None:
        patients.change_patient(hospital.work, unknown.patient_pk, changes)
        service.patient_changed(hospital.work, told(hospital, "patient.changed")[-1])

    change(city="Boston")
    assert study.patient_name == "UNKNOWN^MALE 1"
    change(patient_name="Doe^John", patient_birth_date=date(1970, 1, 2))
    assert (study.patient_name, study.patient_birth_date) == ("Doe^John", date(1970, 1, 2))
    # Another change has followed before anybody heard of the first.
    patients.change_patient(hospital.work, unknown.patient_pk, {"patient_name": "Doe^Johnny"})
    patients.replace_allergies(hospital.work, unknown.patient_pk, [])
    for event in told(hospital, "patient.changed")[-2:]:
        service.patient_changed(hospital.work, event)
    assert study.patient_name == "Doe^Johnny"
    late = study_of(hospital, requested, study_instance_uid=new_uid(), **brought)
    service.match_studies(hospital.work, [late.study_pk])
    assert links_of(hospital, late) == [("matched", requested.requested_procedure_pk)]


# --- by hand --------------------------------------------------------------------------------------------------


def test_a_person_hangs_a_study_on_an_order_and_takes_it_back(hospital: Any) -> None:
    (requested,) = hospital.order()
    step = service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)
    service.act_on_step(hospital.work, step.scheduled_procedure_step_pk, service.StepMove.ARRIVE)
    received = {"patient_name": "Emergency^One", "patient_id": "E1", "issuer_of_patient_id": None,
                "patient_birth_date": None, "patient_sex": None, "accession_number": "NONE"}  # fmt: skip
    study = study_of(hospital, **received)
    service.match_studies(hospital.work, [study.study_pk])
    with pytest.raises(Invalid):
        service.reconcile(
            hospital.work,
            study.study_pk,
            requested.requested_procedure_pk,
            _patient_pk(hospital, requested),
            " ",
        )
    with pytest.raises(Conflict, match="another patient's by now"):
        service.reconcile(
            hospital.work,
            study.study_pk,
            requested.requested_procedure_pk,
            hospital.patient("Roe^Ann"),
            "seen",
        )
    assert links_of(hospital, study) == [("unmatched", None)]
    service.reconcile(
        hospital.work,
        study.study_pk,
        requested.requested_procedure_pk,
        _patient_pk(hospital, requested),
        "seen by Ann",
    )
    assert links_of(hospital, study) == [("resolved", requested.requested_procedure_pk)]
    assert (study.patient_name, study.patient_id, study.issuer_of_patient_id) == ("Doe^Jane", "P1", "CITY")
    assert (study.patient_birth_date, study.patient_sex) == (date(1980, 3, 4), "F")
    assert study.accession_number == requested.accession_number
    assert study.patient_pk == _patient_pk(hospital, requested)
    assert (step.scheduled_procedure_step_status, requested.state) == ("STARTED", "IN PROGRESS")
    with pytest.raises(Conflict):
        service.reconcile(
            hospital.work,
            study.study_pk,
            requested.requested_procedure_pk,
            _patient_pk(hospital, requested),
            "again",
        )

    service.undo_reconciliation(hospital.work, study.study_pk, "was the neighbour")
    assert links_of(hospital, study) == [("unmatched", None)]
    assert {name: getattr(study, name) for name in received} == received
    assert study.patient_pk is None
    # The patient for whom the order stands was never scanned: she must be on the worklist again.
    hospital.work.session.expire_all()
    appointment = hospital.work.session.get(Appointment, step.appointment_pk)
    assert (step.scheduled_procedure_step_status, appointment.state, requested.state) == (
        "SCHEDULED", "booked", "SCHEDULED",
    )  # fmt: skip
    with pytest.raises(NotFound):
        service.undo_reconciliation(hospital.work, study.study_pk, "again")


def test_what_is_taken_back_after_a_merge_is_whose_it_says(hospital: Any) -> None:
    """The order's patient was merged between hanging and taking back; the images say somebody of the register."""
    (requested,) = hospital.order()
    loser = _patient_pk(hospital, requested)
    survivor, own = hospital.patient("Doe^Janet"), hospital.patient("Roe^Ann")
    study = study_of(hospital, patient_name="Roe^Ann", patient_id="P3", issuer_of_patient_id="CITY",
                     patient_birth_date=date(1980, 3, 4), patient_sex="F")  # fmt: skip
    service.match_studies(hospital.work, [study.study_pk])
    assert study.patient_pk == own
    service.reconcile(
        hospital.work,
        study.study_pk,
        requested.requested_procedure_pk,
        _patient_pk(hospital, requested),
        "hers",
    )
    assert study.patient_pk == loser
    patients.merge_patients(hospital.work, survivor, loser, "the same woman")
    hospital.work.session.expire_all()
    service.patient_merged(hospital.work, told(hospital, "patient.merged")[-1])
    assert (study.patient_pk, study.patient_name) == (survivor, "Doe^Janet")
    service.undo_reconciliation(hospital.work, study.study_pk, "not hers")
    assert (study.patient_pk, study.patient_name, study.patient_id) == (own, "Roe^Ann", "P3")
    assert study.accession_number is None
    # News of the merge that comes late, and its undoing, leave the study alone.
    service.patient_merged(hospital.work, told(hospital, "patient.merged")[-1])
    patients.unmerge_patients(hospital.work, loser)
    hospital.work.session.expire_all()
    service.patient_merged(hospital.work, told(hospital, "patient.merged")[-1])
    assert (study.patient_pk, study.patient_name) == (own, "Roe^Ann")
    assert links_of(hospital, study) == [("unmatched", None)]


def test_what_a_person_took_back_does_not_hang_itself_up_again(hospital: Any) -> None:
    (requested,) = hospital.order()
    study = study_of(hospital, requested)
    service.match_studies(hospital.work, [study.study_pk])
    service.undo_reconciliation(hospital.work, study.study_pk, "the technologist took the wrong line")
    # The correction itself is news of the study, and so is every image that still comes.
    service.studies_arrived(hospital.work, [{"keys": {"study_pk": study.study_pk}}])
    service.order_arrived(
        hospital.work, {"keys": {"requested_procedure_pk": requested.requested_procedure_pk}}
    )
    assert links_of(hospital, study) == [("unmatched", None)]
    (other,) = hospital.order()
    service.reconcile(
        hospital.work, study.study_pk, other.requested_procedure_pk, _patient_pk(hospital, other), "hers"
    )
    assert links_of(hospital, study) == [("resolved", other.requested_procedure_pk)]


def test_an_undo_leaves_an_order_whose_work_has_begun_otherwise(hospital: Any) -> None:
    (requested,) = hospital.order()
    service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)
    own = study_of(hospital, requested)
    wrong = study_of(hospital, patient_id="E1", study_date=date(2026, 11, 25))
    for study in (own, wrong):
        service.match_studies(hospital.work, [study.study_pk])
    service.reconcile(
        hospital.work,
        wrong.study_pk,
        requested.requested_procedure_pk,
        _patient_pk(hospital, requested),
        "hers too",
    )
    service.undo_reconciliation(hospital.work, wrong.study_pk, "no")
    assert requested.state == "IN PROGRESS"
    (step,) = hospital.work.session.scalars(select(ScheduledProcedureStep)).all()
    assert step.scheduled_procedure_step_status == "STARTED"


def test_reconciling_is_for_those_who_may(hospital: Any, work_as: Any) -> None:
    (requested,) = hospital.order()
    study = study_of(hospital)
    service.match_studies(hospital.work, [study.study_pk])
    for role in ("front_desk", "referrer", "biller", "manager"):
        with pytest.raises(Denied), work_as(role) as work:
            service.reconcile(
                work, study.study_pk, requested.requested_procedure_pk, _patient_pk(hospital, requested), "x"
            )
        with pytest.raises(Denied), work_as(role) as work:
            service.undo_reconciliation(work, study.study_pk, "x")
    with work_as("technologist") as work:
        service.reconcile(
            work, study.study_pk, requested.requested_procedure_pk, _patient_pk(hospital, requested), "x"
        )
    with pytest.raises(NotFound):
        service.reconcile(
            hospital.work, 999_999, requested.requested_procedure_pk, _patient_pk(hospital, requested), "x"
        )


def test_studies_that_wait_come_newest_first(hospital: Any) -> None:
    studies = [study_of(hospital, study_date=date(2026, 11, 25) - timedelta(days=n)) for n in range(3)]
    for study in studies:
        service.match_studies(hospital.work, [study.study_pk])
    found = [one.study_pk for one in service.unmatched(hospital.work)]
    assert found == [study.study_pk for study in reversed(studies)]
