"""Billing on a real database: from the performed procedure to a file that pyx12 accepts."""

import io
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import pyx12.params
import pyx12.x12n_document
from sqlalchemy import select

from wetread.billing import service
from wetread.billing.jobs import order_changed, patient_changed, report_final
from wetread.billing.model import Charge, Claim
from wetread.billing.rules import ClaimMove, Need
from wetread.dicom.uid import new_uid
from wetread.kit.errors import Conflict, Denied, IllegalTransition, Invalid, NotFound
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.orders.service import (
    Move,
    OrderInput,
    ProcedureChoice,
    ProcedureInput,
    add_procedure,
    move_requested_procedure,
    place_order,
    procedures_of,
)
from wetread.patients.service import (
    CoverageInput,
    PatientInput,
    PayerInput,
    change_patient,
    payer_by_identifier,
    register_patient,
)
from wetread.reporting.model import Report, ReportProcedure, ReportVersion
from wetread.scheduling.model import (
    ModalityResource,
    PerformedProcedureStep,
    PerformedStepReference,
    ScheduledProcedureStep,
)
from wetread.security.model import Practitioner, Site
from wetread.security.service import AuditEventID, Role, Work, create_user

SUBMITTER = service.SubmitterInput(
    "Riverside Imaging", "WETREAD", "Billing office", "555-123-4567", "Clearing House", "CLEARING"
)


@dataclass
class Hospital:
    work: Work
    site: Site
    payer_pk: int
    referrer: Practitioner
    reader: Practitioner

    def procedure_done(
        self, *codes: str, read: bool = False, begun_before: timedelta | None = None, **order: object
    ) -> list[RequestedProcedure]:
        patient = register_patient(
            self.work,
            PatientInput(
                "Müller^Jörg", patient_birth_date=date(1960, 12, 31), patient_sex="M", patient_address="1 Main St",
                city="Boston", state="MA", postal_code="02115",
                coverages=[CoverageInput(self.payer_pk, "BW998877")],
            ),
        )  # fmt: skip
        given = OrderInput(
            patient.patient_pk,
            self.site.site_pk,
            [
                ProcedureChoice(code_value=code, laterality="L" if code == "XRKNEE" else None)
                for code in codes
            ],
            diagnosis_codes=["R51.9", "S06.0X0A"],
            referring_practitioner_pk=self.referrer.practitioner_pk,
        )
        request = place_order(self.work, replace(given, **order))
        requested = procedures_of(self.work, request.imaging_service_request_pk)
        for one in requested:
            move_requested_procedure(self.work, one.requested_procedure_pk, Move.START)
            move_requested_procedure(self.work, one.requested_procedure_pk, Move.COMPLETE)
            if begun_before is not None:
                self.performed(one, one.state_changed_at - begun_before)
            service.procedure_changed(self.work, one.requested_procedure_pk)
            if read:
                self.sign(one)
        return requested

    def performed(self, requested: RequestedProcedure, started_at: datetime) -> None:
        """A performed step, as the modality told it."""
        resource = ModalityResource(
            site_pk=self.site.site_pk, name="CT 1", modality="CT", station_ae_title="CT1", station_name="CT1",
            opens=time(7), closes=time(19), weekdays=[0, 1, 2, 3, 4],
        )  # fmt: skip
        self.work.session.add(resource)
        self.work.session.flush()
        scheduled = ScheduledProcedureStep(
            requested_procedure_pk=requested.requested_procedure_pk,
            modality_resource_pk=resource.modality_resource_pk, scheduled_procedure_step_id="S1",
            scheduled_procedure_step_status="COMPLETED", modality="CT", scheduled_station_ae_title="CT1",
            scheduled_station_name="CT1", scheduled_procedure_step_description="CT head", starts_at=started_at,
            status_changed_at=started_at,
        )  # fmt: skip
        performed = PerformedProcedureStep(
            sop_instance_uid=new_uid(), performed_procedure_step_id="P1",
            performed_procedure_step_status="COMPLETED", performed_station_ae_title="CT1", modality="CT",
            study_instance_uid=requested.study_instance_uid, attributes={}, started_at=started_at,
            received_at=started_at,
        )  # fmt: skip
        self.work.session.add_all([scheduled, performed])
        self.work.session.flush()
        self.work.session.add(
            PerformedStepReference(
                performed_procedure_step_pk=performed.performed_procedure_step_pk,
                scheduled_procedure_step_pk=scheduled.scheduled_procedure_step_pk,
            )
        )

    def sign(
        self, requested: RequestedProcedure, reader: Practitioner | None = None, *, known: bool = True
    ) -> None:
        """A final report, as the reporting room leaves it."""
        now = self.work.now()
        user = create_user(
            self.work, username=f"reader{requested.requested_procedure_pk}", display_name="Reader",
            roles=[Role.RADIOLOGIST], password="correct horse battery staple", mfa_required=False,
        )  # fmt: skip
        report = Report(
            patient_pk=self.claims()[0].patient_pk if self.claims() else requested_patient(self.work, requested),
            site_pk=self.site.site_pk, state="final", template_key="ct", created_at=now,
        )  # fmt: skip
        self.work.session.add(report)
        self.work.session.flush()
        self.work.session.add_all([
            ReportProcedure(requested_procedure_pk=requested.requested_procedure_pk, report_pk=report.report_pk),
            ReportVersion(
                report_pk=report.report_pk, version_number=1, kind="final", sections={"impression": "Normal."},
                signed_by_user_pk=user.user_pk, signed_by_name="Reader",
                signed_by_practitioner_pk=(reader or self.reader).practitioner_pk if known else None,
                signed_at=now, content_sha256=b"x",
            ),
        ])  # fmt: skip
        self.work.session.flush()
        report_final(self.work, {"keys": {"report_pk": report.report_pk}})

    def claims(self) -> list[Claim]:
        return list(self.work.session.scalars(select(Claim).order_by(Claim.claim_pk)))

    def charges(self) -> list[Charge]:
        return list(self.work.session.scalars(select(Charge).order_by(Charge.charge_pk)))


def requested_patient(work: Work, requested: RequestedProcedure) -> int:
    return work.session.get_one(ImagingServiceRequest, requested.imaging_service_request_pk).patient_pk


@pytest.fixture
def hospital(work: Work) -> Hospital:
    site = Site(
        code="RIV", institution_name="Riverside Hospital", time_zone="America/New_York", address_line="3 Oak St",
        city="Boston", state="MA", postal_code="02115-1234", npi="1588667638", place_of_service="11", bills_global=False,
    )  # fmt: skip
    referrer = Practitioner(person_name="Smith^Ann", npi="1679576722")
    reader = Practitioner(person_name="Read^Ray", npi="1497758544", taxonomy_code="2085R0202X")
    work.session.add_all([site, referrer, reader])
    work.session.flush()
    add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT", cpt_code="70450"))
    add_procedure(work, ProcedureInput("XRKNEE", "XR knee", "DX", cpt_code="73560", laterality_required=True))
    add_procedure(work, ProcedureInput("ODD", "Something odd", "DX"))
    payer = payer_by_identifier(work, PayerInput("BWH01", "Bluewater Health"))
    address = {
        "address_line": "3 Oak St",
        "city": "Boston",
        "state": "MA",
        "postal_code": "021151234",
        "tax_id": "123456789",
    }
    owner = service.save_provider(work, service.ProviderInput("Riverside Imaging", "1588667638", **address))
    group = service.save_provider(
        work,
        service.ProviderInput("Riverside Radiologists", "1234567893", taxonomy_code="2085R0202X", **address),
    )
    service.set_site_billing(work, site.site_pk, owner.billing_provider_pk, group.billing_provider_pk)
    service.save_submitter(work, SUBMITTER)
    for code, whole, technical, professional in (
        ("70450", 60000, 45000, 15000),
        ("73560", 12000, 8000, 4000),
    ):
        for modifier, amount in (("", whole), ("TC", technical), ("26", professional)):
            service.set_fee(work, code, modifier, amount)
    return Hospital(work, site, payer.payer_pk, referrer, reader)


def accepted(text: str) -> bool:
    return bool(
        pyx12.x12n_document.x12n_document(pyx12.params.params(), io.StringIO(text), io.StringIO(), None)
    )


def test_the_technical_part_falls_due_with_the_images_and_the_reading_with_the_report(
    hospital: Hospital,
) -> None:
    (requested,) = hospital.procedure_done("CTHEAD")
    (technical,) = hospital.claims()
    assert (technical.component, technical.state, technical.total_minor) == ("TC", "ready", 45000)
    assert [c.modifiers for c in hospital.charges()] == [["TC"]]
    hospital.sign(requested)
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    _, reading = hospital.claims()
    assert (reading.component, reading.state, reading.total_minor) == ("26", "ready", 15000)
    assert reading.rendering_practitioner_pk == hospital.reader.practitioner_pk
    assert technical.billing_provider_pk != reading.billing_provider_pk
    assert len(hospital.charges()) == 2


@pytest.mark.parametrize(
    ("begun_before", "is_believed"),
    [(timedelta(hours=23, minutes=50), True), (timedelta(days=300), False), (timedelta(hours=-30), False)],
)
def test_the_date_of_service_is_that_of_the_beginning(
    hospital: Hospital, begun_before: timedelta, is_believed: bool
) -> None:
    (requested,) = hospital.procedure_done("CTHEAD", begun_before=begun_before)
    at = requested.state_changed_at - (begun_before if is_believed else timedelta(0))
    (charge,) = hospital.charges()
    assert charge.service_date == at.astimezone(ZoneInfo("America/New_York")).date()
    local = requested.state_changed_at.astimezone(ZoneInfo("America/New_York")).date()
    assert (charge.service_date < local) == is_believed


def test_one_entity_bills_globally_and_waits_for_the_report(hospital: Hospital) -> None:
    hospital.site.bills_global = True
    (requested,) = hospital.procedure_done("CTHEAD")
    (claim,) = hospital.claims()
    assert (claim.component, claim.state, claim.total_minor, claim.needs) == (
        "global",
        "held",
        60000,
        ["report"],
    )
    assert hospital.charges()[0].state == "held" and hospital.charges()[0].modifiers == []
    hospital.sign(requested)
    assert claim.state == "ready" and hospital.charges()[0].state == "ready"


def test_a_reader_who_is_no_known_physician_is_named(hospital: Hospital) -> None:
    (requested,) = hospital.procedure_done("CTHEAD")
    hospital.sign(requested, known=False)
    assert [(c.component, c.state, c.needs) for c in hospital.claims()] == [
        ("TC", "ready", []),
        ("26", "draft", ["reader"]),
    ]


def test_in_a_hospital_only_the_reading_is_billed_here(hospital: Hospital) -> None:
    hospital.site.place_of_service = "22"
    (requested,) = hospital.procedure_done("CTHEAD")
    assert hospital.claims() == []
    hospital.sign(requested)
    assert [c.component for c in hospital.claims()] == ["26"]


def test_procedures_of_one_order_share_a_claim_with_pointers_and_sides(hospital: Hospital) -> None:
    hospital.procedure_done("CTHEAD", "XRKNEE", read=True)
    assert [c.component for c in hospital.claims()] == ["TC", "26"]
    view = service.get_claim(hospital.work, hospital.claims()[0].claim_pk)
    assert view.diagnosis_codes == ("R51.9", "S06.0X0A")
    assert [(line.charge.modifiers, line.diagnosis_pointers) for line in view.lines] == [
        (["TC"], (1, 2)),
        (["TC", "LT"], (1, 2)),
    ]
    text = service.preview(hospital.work, view.claim.claim_pk)
    assert "SV1*HC:73560:TC:LT*80*UN*1***1:2~" in text and "CLM*W" in text and accepted(text)


def test_two_readers_of_one_order_are_two_claims(hospital: Hospital) -> None:
    first, second = hospital.procedure_done("CTHEAD", "XRKNEE")
    hospital.site.bills_global = False
    other = Practitioner(person_name="Two^Tim", npi="1999999984")
    hospital.work.session.add(other)
    hospital.work.session.flush()
    hospital.sign(first)
    hospital.sign(second, other)
    readings = [c for c in hospital.claims() if c.component == "26"]
    assert [c.rendering_practitioner_pk for c in readings] == [
        hospital.reader.practitioner_pk,
        other.practitioner_pk,
    ]


def test_two_readers_of_a_global_claim_part_it(hospital: Hospital) -> None:
    hospital.site.bills_global = True
    first, second = hospital.procedure_done("CTHEAD", "XRKNEE")
    other = Practitioner(person_name="Two^Tim", npi="1999999984")
    hospital.work.session.add(other)
    hospital.work.session.flush()
    assert len(hospital.claims()) == 1
    hospital.sign(first)
    hospital.sign(second, other)
    assert [(c.total_minor, c.state) for c in hospital.claims()] == [(60000, "ready"), (12000, "ready")]


def test_a_procedure_that_was_not_done_after_all_takes_its_charge_back(hospital: Hospital) -> None:
    (requested,) = hospital.procedure_done("CTHEAD")
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.REVERT)
    order_changed(hospital.work, {"keys": {"requested_procedure_pk": requested.requested_procedure_pk}})
    assert [c.state for c in hospital.charges()] == ["void"] and [c.state for c in hospital.claims()] == [
        "void"
    ]
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.START)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.COMPLETE)
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    assert [c.state for c in hospital.charges()] == ["void", "ready"]


def discontinued(hospital: Hospital, code: str = "CTHEAD") -> RequestedProcedure:
    (requested,) = hospital.procedure_done(code)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.REVERT)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.START)
    move_requested_procedure(
        hospital.work, requested.requested_procedure_pk, Move.DISCONTINUE, "The patient was restless"
    )
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    return requested


def test_a_discontinued_procedure_waits_for_what_a_person_says_it_costs(hospital: Hospital) -> None:
    requested = discontinued(hospital, "XRKNEE")
    whole, part = hospital.charges()
    assert (whole.state, part.state, part.modifiers, part.amount_minor) == (
        "void",
        "draft",
        ["TC", "53", "LT"],
        0,
    )
    claim = hospital.claims()[-1]
    assert (claim.state, claim.needs) == ("draft", ["fee"])
    assert "discontinued" in claim.findings[0]["text"]
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    assert len(hospital.charges()) == 2
    service.change_charge(hospital.work, part.charge_pk, {"amount_minor": 3000})
    assert (claim.state, claim.total_minor) == ("ready", 3000)
    text = service.preview(hospital.work, claim.claim_pk)
    assert "SV1*HC:73560:TC:53:LT*30*UN*1***1:2~" in text and accepted(text)
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    assert (claim.state, part.state) == ("ready", "ready")


def test_a_second_try_that_succeeds_is_charged_whole(hospital: Hospital) -> None:
    requested = discontinued(hospital)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.SCHEDULE)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.START)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.COMPLETE)
    # Events may come together: nobody looked while it was scheduled again.
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    assert [(c.state, c.modifiers, c.amount_minor) for c in hospital.charges()] == [
        ("void", ["TC"], 45000),
        ("void", ["TC", "53"], 0),
        ("ready", ["TC"], 45000),
    ]


def test_a_first_try_that_went_into_a_file_stays_beside_the_second(hospital: Hospital) -> None:
    requested = discontinued(hospital)
    part = hospital.charges()[-1]
    service.change_charge(hospital.work, part.charge_pk, {"amount_minor": 9000})
    service.make_batch(hospital.work)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.SCHEDULE)
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.START)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.COMPLETE)
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    assert [(c.state, c.modifiers) for c in hospital.charges()[1:]] == [
        ("claimed", ["TC", "53"]),
        ("ready", ["TC"]),
    ]


def test_a_surgery_centre_says_73_and_a_person_may_say_74_or_52(hospital: Hospital) -> None:
    hospital.site.place_of_service = "24"
    requested = discontinued(hospital)
    part = hospital.charges()[-1]
    assert part.modifiers == ["TC", "73"]
    hospital.sign(requested)
    assert [c.modifiers for c in hospital.charges()[2:]] == [["26", "53"]]
    for modifier in ("74", "52"):
        service.change_charge(
            hospital.work, part.charge_pk, {"modifiers": ["TC", modifier], "amount_minor": 9000}
        )
        service.procedure_changed(hospital.work, requested.requested_procedure_pk)
        assert (part.state, part.amount_minor) == ("ready", 9000)
    service.change_charge(hospital.work, part.charge_pk, {"modifiers": ["TC", "73", "74"]})
    assert part.state == "draft"


def test_what_was_never_begun_costs_nothing(hospital: Hospital) -> None:
    (requested,) = hospital.procedure_done("CTHEAD")
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.REVERT)
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.CANCEL, "Not needed")
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)
    assert [c.state for c in hospital.charges()] == ["void"]


def test_what_is_missing_is_mended_beside_the_claim(hospital: Hospital) -> None:
    work = hospital.work
    hospital.referrer.npi = None
    (requested,) = hospital.procedure_done("ODD", diagnosis_codes=[], coverage_pk=None)
    change_patient(work, hospital.claims()[0].patient_pk, {"postal_code": "", "state": "ma"})
    (claim,) = hospital.claims()
    patient_changed(work, {"keys": {"patient_pk": claim.patient_pk}})
    assert claim.state == "draft" and requested.state == "COMPLETED"
    assert set(claim.needs) == {Need.PATIENT, Need.REFERRER, Need.CODING, Need.DIAGNOSIS, Need.FEE}
    with pytest.raises(Invalid) as refused:
        service.preview(work, claim.claim_pk)
    assert {one.field for one in refused.value.fields} >= {"npi", "procedure_code", "diagnosis_codes"}

    (charge,) = hospital.charges()
    service.change_charge(work, charge.charge_pk, {"procedure_code": "76499", "diagnosis_codes": ["r519"]})
    assert charge.diagnosis_codes == ["R51.9"]
    service.set_fee(work, "76499", "TC", 5000)
    service.change_practitioner(work, hospital.referrer.practitioner_pk, {"npi": "1679576722"})
    change_patient(work, claim.patient_pk, {"postal_code": "02115"})
    patient_changed(work, {"keys": {"patient_pk": claim.patient_pk}})
    assert (claim.state, claim.needs, claim.total_minor) == ("ready", [], 5000)
    service.change_charge(work, charge.charge_pk, {"amount_minor": 7777, "units": 2})
    assert claim.total_minor == 7777


def test_a_member_number_and_a_payers_own_fee(hospital: Hospital) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD")
    (claim,) = hospital.claims()
    other = payer_by_identifier(work, PayerInput("MCR", "Medicare", "MB"))
    service.set_fee(work, "70450", "TC", 31000, other.payer_pk)
    service.set_coverage(work, claim.claim_pk, CoverageInput(other.payer_pk, "1EG4TE5MK73"))
    assert (claim.state, claim.total_minor) == ("ready", 31000)
    assert service.get_claim(work, claim.claim_pk).payer.name == "Medicare"
    prices = [(f.procedure_code, f.modifier, name) for f, name in service.fees(work)]
    assert ("70450", "TC", "Medicare") in prices and ("70450", "TC", None) in prices


def test_wrong_corrections_are_refused_by_field(hospital: Hospital) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD")
    (claim,), (charge,) = hospital.claims(), hospital.charges()
    for changes in (
        {"diagnosis_codes": ["R51"]}, {"diagnosis_codes": ["NOPE"]}, {"units": 0}, {"amount_minor": -1},
        {"state": "ready"}, {"procedure_code": "123456"},
    ):  # fmt: skip
        with pytest.raises(Invalid):
            service.change_charge(work, charge.charge_pk, changes)
    with pytest.raises(Invalid):
        service.change_practitioner(work, hospital.referrer.practitioner_pk, {"npi": "1679576723"})
    with pytest.raises(Invalid):
        service.change_claim(work, claim.claim_pk, {"total_minor": 1})
    with pytest.raises(Invalid):
        service.change_claim(work, claim.claim_pk, {"referring_practitioner_pk": 999999})
    with pytest.raises(Invalid):
        service.void_claim(work, claim.claim_pk, " ")
    with pytest.raises(NotFound):
        service.get_claim(work, 999999)
    with pytest.raises(Invalid):
        service.save_submitter(work, replace(SUBMITTER, contact_phone="1", sender_id="A*B"))


def test_the_same_procedure_twice_on_a_day_is_questioned(hospital: Hospital) -> None:
    (first,) = hospital.procedure_done("CTHEAD")
    patient = hospital.claims()[0].patient_pk
    request = place_order(
        hospital.work,
        OrderInput(
            patient, hospital.site.site_pk, [ProcedureChoice(code_value="CTHEAD")], diagnosis_codes=["R51.9"],
            referring_practitioner_pk=hospital.referrer.practitioner_pk,
        ),
    )  # fmt: skip
    (again,) = procedures_of(hospital.work, request.imaging_service_request_pk)
    move_requested_procedure(hospital.work, again.requested_procedure_pk, Move.START)
    move_requested_procedure(hospital.work, again.requested_procedure_pk, Move.COMPLETE)
    service.procedure_changed(hospital.work, again.requested_procedure_pk)
    one, two = hospital.claims()
    assert one.state == "ready" and two.needs == ["duplicate"] and one.claim_number in two.findings[0]["text"]
    service.change_charge(hospital.work, hospital.charges()[1].charge_pk, {"modifiers": ["TC", "76"]})
    assert two.state == "ready" and first.state == "COMPLETED"


def test_a_file_of_ready_claims(hospital: Hospital) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD", read=True)
    hospital.procedure_done("XRKNEE", read=True)
    hospital.procedure_done("ODD")
    before = service.queue_counts(work)
    assert {(q.state, q.need): (q.count, q.total_minor) for q in before}[("ready", None)] == (4, 72000)
    result = service.make_batch(work)
    assert result.batch and result.refused == [] and result.batch.claim_count == 4
    name, content = service.batch_file(work, result.batch.claim_batch_pk)
    text = content.decode()
    assert name.endswith(".edi") and accepted(text)
    assert text.count("CLM*") == 4 and text.count("HL*") == 6 and "NM1*IL*1*MUELLER*JOERG" in text
    assert f"*{result.batch.interchange_control_number:09}*0*T*:~" in text
    assert [c.state for c in hospital.claims()] == ["batched"] * 4 + ["draft"]
    assert [c.state for c in hospital.charges()] == ["claimed"] * 4 + ["draft"]
    with pytest.raises(Conflict):
        service.make_batch(work)
    with pytest.raises(Conflict):
        service.change_claim(work, hospital.claims()[0].claim_pk, {"place_of_service": "22"})
    service.mark_sent(work, result.batch.claim_batch_pk)
    assert {c.state for c in hospital.claims()} == {"sent", "draft"}
    for again in (service.mark_sent, service.unmake_batch):
        with pytest.raises(Conflict):
            again(work, result.batch.claim_batch_pk)
    with pytest.raises(IllegalTransition):
        service.void_claim(work, hospital.claims()[0].claim_pk, "wrong")
    with pytest.raises(IllegalTransition):
        service.correct_claim(work, hospital.claims()[0].claim_pk)


def test_a_file_taken_back_frees_its_claims_and_never_its_number(hospital: Hospital) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD")
    first = service.make_batch(work).batch
    assert first
    service.unmake_batch(work, first.claim_batch_pk)
    assert [c.state for c in hospital.claims()] == ["ready"]
    second = service.make_batch(work, [hospital.claims()[0].claim_pk]).batch
    assert second and second.interchange_control_number != first.interchange_control_number
    assert [b.claim_batch_pk for b in service.batches(work)] == [second.claim_batch_pk, first.claim_batch_pk]


def test_a_claim_that_spoils_before_the_file_is_left_out(hospital: Hospital) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD")
    hospital.procedure_done("XRKNEE")
    hospital.claims()[0].place_of_service = "77"
    result = service.make_batch(work)
    assert result.batch and result.batch.claim_count == 1
    assert [(c.claim_pk, why) for c, why in result.refused] == [
        (hospital.claims()[0].claim_pk, "There is no place of service 77")
    ]
    assert [c.state for c in hospital.claims()] == ["draft", "batched"]


def test_a_void_claim_and_its_queue(hospital: Hospital) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD")
    (claim,) = hospital.claims()
    service.void_claim(work, claim.claim_pk, "Study was for training")
    assert (claim.state, claim.state_reason) == ("void", "Study was for training")
    assert hospital.charges()[0].void_reason == "Study was for training"
    assert service.list_claims(work, states=["ready", "draft"]).items == []


def test_lists_page_without_gaps(hospital: Hospital) -> None:
    for _ in range(3):
        hospital.procedure_done("CTHEAD", read=True)
    seen, cursor = [], None
    while True:
        page = service.list_claims(hospital.work, cursor=cursor, limit=2)
        seen += [row.claim.claim_pk for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [c.claim_pk for c in hospital.claims()]
    charges = service.list_charges(hospital.work, limit=4)
    rest = service.list_charges(hospital.work, cursor=charges.next_cursor)
    assert len(charges.items) == 4 and len(rest.items) == 2


def test_who_may(hospital: Hospital, work_as) -> None:
    with work_as("technologist") as work:
        for call in (
            service.queue_counts,
            service.list_claims,
            service.list_charges,
            service.make_batch,
            service.fees,
        ):
            with pytest.raises(Denied):
                call(work)
    with work_as("manager") as work:
        service.queue_counts(work)
        with pytest.raises(Denied):
            service.make_batch(work)
    hospital.work.audit(AuditEventID.QUERY, "E")


def handed_in(work: Work) -> str:
    """All that is ready, in a file that pyx12 accepts and that was handed in."""
    batch = service.make_batch(work).batch
    assert batch is not None
    text = service.batch_file(work, batch.claim_batch_pk)[1].decode()
    assert accepted(text)
    service.mark_sent(work, batch.claim_batch_pk)
    return text


def test_what_the_payer_has_is_replaced_or_voided_by_its_number_and_what_it_never_took_is_not(
    hospital: Hospital,
) -> None:
    work, answer = hospital.work, service.record_answer
    hospital.procedure_done("CTHEAD")
    (claim,), (charge,) = hospital.claims(), hospital.charges()
    pk = claim.claim_pk
    assert "*11:B:1*" in handed_in(work)
    # Rejected before adjudication, even after it was accepted for it and given a number: the payer has nothing.
    answer(work, pk, ClaimMove.ACCEPT, payer_claim_control_number="ICN-1")
    answer(work, pk, ClaimMove.REJECT, reason="A7: member number")
    assert (claim.state, claim.state_reason) == ("rejected", "A7: member number")
    service.correct_claim(work, pk)
    text = handed_in(work)
    assert "*11:B:1*" in text and "REF*F8" not in text
    # Denied: adjudicated, so it is replaced; the payer's number may come later than the correction.
    answer(work, pk, ClaimMove.DENY)
    service.correct_claim(work, pk)
    service.change_claim(work, pk, {"payer_claim_control_number": None})
    text = handed_in(work)
    assert "*11:B:7*" in text and "REF*F8" not in text
    answer(work, pk, ClaimMove.DENY, payer_claim_control_number="2026329ICN77")
    service.correct_claim(work, pk)
    service.change_claim(work, pk, {"prior_authorization": "AUTH9"})
    text = handed_in(work)
    assert "*11:B:7*" in text and "REF*F8*2026329ICN77~" in text and "REF*G1*AUTH9~" in text
    assert f"CLM*{claim.claim_number}*450*" in text
    # A replacement that was rejected is one still.
    answer(work, pk, ClaimMove.REJECT)
    service.correct_claim(work, pk)
    assert "*11:B:7*" in service.preview(work, pk)
    assert "*11:B:7*" in handed_in(work)
    answer(work, pk, ClaimMove.PAY)
    # Off our books when the payer says so, not before.
    service.void_claim(work, pk, "Wrong patient")
    assert (claim.state, charge.state) == ("ready", "ready")
    with pytest.raises(Conflict):
        service.void_claim(work, pk, "again")
    text = handed_in(work)
    assert "*11:B:8*" in text and "REF*F8*2026329ICN77~" in text
    answer(work, pk, ClaimMove.PAY)
    assert (claim.state, charge.state, charge.void_reason) == ("void", "void", "Wrong patient")
    with pytest.raises(IllegalTransition):
        answer(work, pk, ClaimMove.DENY)


def test_a_replacement_that_is_given_up_leaves_the_payer_a_void(hospital: Hospital) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD")
    (claim,) = hospital.claims()
    handed_in(work)
    with pytest.raises(Invalid) as refused:
        service.record_answer(work, claim.claim_pk, ClaimMove.DENY, payer_claim_control_number="A~B*C")
    assert [one.field for one in refused.value.fields] == ["payer_claim_control_number"]
    service.record_answer(work, claim.claim_pk, ClaimMove.DENY, payer_claim_control_number="ICN5")
    service.correct_claim(work, claim.claim_pk)
    service.void_claim(work, claim.claim_pk, "Study was for training")
    text = handed_in(work)
    assert "*11:B:8*" in text and "REF*F8*ICN5~" in text
    assert claim.state == "sent"


def undone(hospital: Hospital, requested: RequestedProcedure) -> None:
    """The procedure was not done after all."""
    move_requested_procedure(hospital.work, requested.requested_procedure_pk, Move.REVERT)
    service.procedure_changed(hospital.work, requested.requested_procedure_pk)


@pytest.mark.parametrize("when", ["replaced", "paid", "with the payer"])
def test_what_was_not_done_after_all_leaves_the_payers_books_by_a_void(hospital: Hospital, when: str) -> None:
    work = hospital.work
    (requested,) = hospital.procedure_done("CTHEAD")
    (claim,), (charge,) = hospital.claims(), hospital.charges()
    handed_in(work)
    if when == "with the payer":
        undone(hospital, requested)
        assert (claim.state, charge.state) == ("sent", "claimed")
        service.record_answer(work, claim.claim_pk, ClaimMove.ACCEPT)
        assert claim.state == "accepted"
    service.record_answer(work, claim.claim_pk, ClaimMove.PAY, payer_claim_control_number="ICN9")
    if when == "replaced":
        service.correct_claim(work, claim.claim_pk)
    if when != "with the payer":
        undone(hospital, requested)
    # Work of the biller, with why: the void waits for its file with all that was claimed.
    assert (claim.state, claim.frequency_code) == ("ready", "8")
    assert claim.state_reason == "The procedure is not completed"
    service.procedure_changed(work, requested.requested_procedure_pk)
    # Done once more meanwhile: nothing is asked for twice.
    move_requested_procedure(work, requested.requested_procedure_pk, Move.START)
    move_requested_procedure(work, requested.requested_procedure_pk, Move.COMPLETE)
    assert service.procedure_changed(work, requested.requested_procedure_pk) == []
    text = handed_in(work)
    assert "*11:B:8*" in text and "REF*F8*ICN9~" in text and f"CLM*{claim.claim_number}*450*" in text
    service.record_answer(work, claim.claim_pk, ClaimMove.PAY)
    assert (claim.state, charge.state) == ("void", "void")
    (again,) = [one for one in hospital.claims() if one.state != "void"]
    assert (again.state, again.frequency_code, again.total_minor) == ("ready", "1", 45000)


@pytest.mark.parametrize("stood", [ClaimMove.PAY, ClaimMove.DENY, "replaced"])
def test_a_void_that_is_in_no_file_can_be_taken_back(hospital: Hospital, stood: ClaimMove | str) -> None:
    work = hospital.work
    hospital.procedure_done("CTHEAD")
    (claim,), (charge,) = hospital.claims(), hospital.charges()
    handed_in(work)
    answer = stood if isinstance(stood, ClaimMove) else ClaimMove.PAY
    service.record_answer(work, claim.claim_pk, answer, payer_claim_control_number="ICN9")
    if stood == "replaced":
        service.correct_claim(work, claim.claim_pk)
    before = (claim.state, claim.frequency_code, charge.state, claim.total_minor)
    with pytest.raises(Conflict):
        service.keep_claim(work, claim.claim_pk)
    service.void_claim(work, claim.claim_pk, "the wrong claim")
    assert (claim.state, claim.frequency_code) == ("ready", "8")
    # What goes out says again what was claimed.
    with pytest.raises(Conflict, match="says again"):
        service.change_charge(work, charge.charge_pk, {"units": 2})
    service.make_batch(work, [claim.claim_pk])
    assert claim.claim_batch_pk
    with pytest.raises(Conflict):
        service.keep_claim(work, claim.claim_pk)
    service.unmake_batch(work, claim.claim_batch_pk)
    service.keep_claim(work, claim.claim_pk)
    assert (claim.state, claim.frequency_code, charge.state, claim.total_minor) == before
    assert (charge.void_reason, claim.state_reason) == (None, None)
    # Done otherwise meanwhile, it is what its procedure became.
    service.void_claim(work, claim.claim_pk, "the wrong claim again")
    (procedure,) = {charge.requested_procedure_pk}
    move_requested_procedure(work, procedure, Move.REVERT)
    service.procedure_changed(work, procedure)
    service.keep_claim(work, claim.claim_pk)
    assert (claim.state, claim.frequency_code, claim.state_reason) == (
        "ready",
        "8",
        "The procedure is not completed",
    )
    with pytest.raises(Conflict):
        service.keep_claim(work, claim.claim_pk)


def test_what_is_left_of_a_paid_claim_replaces_it(hospital: Hospital) -> None:
    work = hospital.work
    head, knee = hospital.procedure_done("CTHEAD", "XRKNEE")
    (claim,) = hospital.claims()
    handed_in(work)
    service.record_answer(work, claim.claim_pk, ClaimMove.PAY, payer_claim_control_number="ICN9")
    undone(hospital, knee)
    assert (claim.state, claim.frequency_code) == ("ready", "7")
    text = handed_in(work)
    assert "*11:B:7*" in text and text.count("LX*") == 1
    service.record_answer(work, claim.claim_pk, ClaimMove.REJECT)
    undone(hospital, head)
    assert (claim.state, claim.frequency_code) == ("ready", "8")
    # What the payer never took needs no void.
    other, _ = hospital.procedure_done("CTHEAD", "XRKNEE")
    (fresh,) = [one for one in hospital.claims() if one.frequency_code == "1"]
    service.make_batch(work, [fresh.claim_pk])
    undone(hospital, other)
    assert fresh.state == "batched"
    service.unmake_batch(work, fresh.claim_batch_pk)
    assert (fresh.state, fresh.frequency_code) == ("ready", "1")
    assert [one.description for one in hospital.charges() if one.claim_pk == fresh.claim_pk and one.state != "void"] == [
        "XR knee, LEFT"
    ]  # fmt: skip
