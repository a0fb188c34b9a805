"""Results out, and the interface queue over HTTP."""

import base64
from datetime import date

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from sqlalchemy import select

from common import Api
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.hl7.message import Message
from wetread.hl7.results import report_signed
from wetread.orders.service import (
    OrderInput,
    ProcedureChoice,
    ProcedureInput,
    add_procedure,
    place_order,
    procedures_of,
)
from wetread.patients.service import IdentifierInput, PatientInput, register_patient
from wetread.reporting import rules
from wetread.reporting.model import Report, ReportProcedure, ReportVersion
from wetread.security.model import Practitioner, Site
from wetread.security.service import Actor, AuditEventID, Offices, Role, Work, create_user
from wetread.sharing import messages_service as queue
from wetread.sharing.messages import InterfaceMessage

SECTIONS = {
    "indication": "Sudden headache",
    "findings": "Hyperdense focus 4 | 5 mm & oedema.\nNo midline shift ~ stable^",
    "impression": "Acute haemorrhage.\\ Called.",
}


class Signed:
    """A report of two procedures in one order, signed as often as told."""

    def __init__(self, work: Work) -> None:
        self.work = work
        site = Site(code="RIV", institution_name="Riverside", time_zone="America/New_York")
        reader = Practitioner(person_name="Moreau^Inès^^Dr.", npi="1999999984")
        referrer = Practitioner(person_name="Berg^Tom", npi="1999999992")
        work.session.add_all([site, reader, referrer])
        work.session.flush()
        add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT"))
        add_procedure(work, ProcedureInput("XRKNEE", "XR knee", "DX"))
        patient = register_patient(
            work,
            PatientInput(
                "Yamada^Tarou=山田^太郎",
                [IdentifierInput("4711", "CITY")],
                patient_birth_date=date(1975, 5, 5),
                patient_sex="M",
            ),
        )
        request = place_order(
            work,
            OrderInput(
                patient.patient_pk, site.site_pk,
                [ProcedureChoice(code_value="CTHEAD"), ProcedureChoice(code_value="XRKNEE", laterality="L")],
                requested_procedure_priority="STAT", reason_for_the_requested_procedure="Sudden headache",
                referring_practitioner_pk=referrer.practitioner_pk,
                placer_order_number="P7", issuer_of_placer_order_number="EPIC",
            ),
        )  # fmt: skip
        self.accession_number = request.accession_number
        self.procedures = procedures_of(work, request.imaging_service_request_pk)
        self.user = create_user(
            work, username="reader", display_name="Dr. Inès Moreau", roles=[Role.RADIOLOGIST],
            password="correct horse battery staple", mfa_required=False,
        )  # fmt: skip
        self.reader = reader
        self.report = Report(
            patient_pk=patient.patient_pk,
            site_pk=site.site_pk,
            state="draft",
            template_key="ct-head",
            created_at=work.now(),
        )
        work.session.add(self.report)
        work.session.flush()
        work.session.add_all(
            ReportProcedure(
                requested_procedure_pk=one.requested_procedure_pk, report_pk=self.report.report_pk
            )
            for one in self.procedures
        )
        work.session.flush()
        self.versions = 0

    def sign(self, kind: str, sections: dict[str, str] = SECTIONS) -> dict[str, object]:
        self.versions += 1
        self.report.state = {"addendum": "addended"}.get(kind, kind)
        self.work.session.add(
            ReportVersion(
                report_pk=self.report.report_pk, version_number=self.versions, kind=kind, sections=sections,
                signed_by_user_pk=self.user.user_pk, signed_by_name=self.user.display_name,
                signed_by_practitioner_pk=self.reader.practitioner_pk, signed_at=self.work.now(),
                content_sha256=rules.content_hash(sections),
            )
        )  # fmt: skip
        self.work.session.flush()
        event = {
            "kind": f"report.{kind}",
            "keys": {"report_pk": self.report.report_pk, "version_number": self.versions},
        }
        report_signed(self.work, event)
        report_signed(self.work, event)
        return event

    def messages(self) -> list[Message]:
        rows = self.work.session.scalars(
            select(InterfaceMessage).order_by(InterfaceMessage.interface_message_pk)
        )
        return [Message.parse(row.content) for row in rows]


@pytest.fixture
def signed(work: Work) -> Signed:
    return Signed(work)


def receiver(work: Work, **changes: object) -> None:
    queue.save_receiver(
        work,
        queue.ReceiverInput("HIS", "127.0.0.1", 9, receiving_application="EPIC", **changes),
    )


def test_a_final_report_goes_to_each_receiver_once_for_each_procedure(signed: Signed) -> None:
    receiver(signed.work)
    signed.sign("final")
    first, second = signed.messages()
    assert first.message_type == "ORU^R01" and first.header.value(5) == "EPIC"
    assert len(first.control_id) <= 20 and first.control_id != second.control_id
    pid, obr = first.first("PID"), first.first("OBR")
    assert pid.components(3)[:1] == ["4711"] and pid.value(3, 1, 4) == "CITY" and pid.value(7) == "19750505"
    assert pid.value(5, 1, 1) == "Yamada" and pid.value(5, 2, 1) == "山田" and pid.value(5, 2, 8) == "I"
    assert obr.components(2) == ["P7", "EPIC"] and obr.value(3) == signed.accession_number == obr.value(18)
    assert (
        obr.value(4) == "CTHEAD"
        and obr.value(25) == "F"
        and obr.value(27, 1, 6) == "S"
        and obr.value(24) == "CT"
    )
    assert (obr.value(32, 1, 1, 1), obr.value(32, 1, 1, 2)) == ("1999999984", "Moreau")
    assert obr.value(16, 1, 2) == "Berg" and obr.value(31, 1, 2) == "Sudden headache"
    assert second.first("OBR").value(4) == "XRKNEE" and second.first("OBR").value(4, 1, 2) == "XR knee, LEFT"
    found = {obx.value(3): obx for obx in first.all("OBX")}
    assert found["113014"].text(5) == signed.procedures[0].study_instance_uid
    assert (
        found["18782-3"].text(5) == SECTIONS["findings"]
        and found["19005-8"].text(5) == SECTIONS["impression"]
    )
    assert {obx.value(11) for obx in found.values()} == {"F"}
    pdf = found["18748-4"]
    assert pdf.value(2) == "ED" and [pdf.value(5, 1, n) for n in (2, 3, 4)] == [
        "application",
        "PDF",
        "Base64",
    ]
    assert base64.b64decode(pdf.value(5, 1, 5)).startswith(b"%PDF")


def test_a_foreign_parser_accepts_the_result(signed: Signed) -> None:
    receiver(signed.work)
    signed.sign("final")
    text = signed.messages()[0].encode().decode()
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
    assert parsed.validate()
    group = parsed.oru_r01_patient_result[0].oru_r01_order_observation[0]
    assert group.obr.obr_25.value == "F" and len(group.oru_r01_observation) == 5


def test_preliminary_then_final_then_addendum(signed: Signed) -> None:
    receiver(signed.work)
    signed.sign("preliminary", {"impression": "Probably bleeding."})
    signed.sign("final")
    signed.sign("addendum", {"addendum": "Compared with outside CT."})
    statuses = [m.first("OBR").value(25) for m in signed.messages()]
    assert statuses == ["P", "P", "F", "F", "C", "C"]
    last = signed.messages()[-1]
    texts = [obx.text(5) for obx in last.all("OBX") if obx.value(2) == "FT"]
    assert texts == [*SECTIONS.values(), "Compared with outside CT."]
    assert "Probably" not in last.encode().decode()
    assert not any(obx.value(4) for obx in last.all("OBX"))
    signed.sign("addendum", {"addendum": "Called at 03:40."})
    told = [obx for obx in signed.messages()[-1].all("OBX") if obx.value(3) == "55107-7"]
    assert [(obx.value(4), obx.text(5)) for obx in told] == [
        ("1", "Compared with outside CT."),
        ("2", "Called at 03:40."),
    ]


def test_an_event_that_a_newer_version_has_overtaken_tells_nothing_old(signed: Signed) -> None:
    event = signed.sign("preliminary")
    signed.sign("final")
    receiver(signed.work)
    report_signed(signed.work, event)
    assert signed.messages() == []


def test_nobody_configured_or_disabled_gets_nothing(signed: Signed) -> None:
    receiver(signed.work, enabled=False)
    signed.sign("final")
    assert signed.messages() == []


# --- HTTP ---------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(offices: Offices) -> int:
    with offices.work(Actor.system("test")) as work:
        site = Site(code="RIV", institution_name="Riverside", time_zone="UTC")
        work.session.add(site)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "C")
    interface = Interface(offices, InterfaceSettings("WETREAD"))
    interface.handle(
        "MSH|^~\\&|HIS|CITY|W|R|2026||ORM^O01|M1|P|2.3.1||||||UNICODE UTF-8\rPID|1||1^^^C||Müller^Jörg||1960\r"
        "ORC|NW|P1\rOBR|1|P1||NOPE^Nothing".encode()
    )
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        return work.session.scalars(select(InterfaceMessage.interface_message_pk)).one()


def test_a_failed_message_is_seen_with_its_fields_named_and_handled(api: Api, failed: int) -> None:
    admin = api.as_role("admin")
    (row,) = admin.get("/api/interfaces/messages?state=failed&direction=in").json()["items"]
    assert (
        row["interface_message_pk"] == failed
        and row["error_location"] == "OBR^1^4"
        and row["error_code"] == "103"
    )
    assert "content" not in row
    of_an_order = admin.post("/api/interfaces/messages/find", json={"accession_number": "NONE"})
    assert of_an_order.json()["items"] == []
    assert admin.post("/api/interfaces/messages/find", json={}).status_code == 422
    assert admin.get("/api/interfaces/messages/counts").json() == {"inbound": {"failed": 1}, "outbound": {}}
    whole = admin.get(f"/api/interfaces/messages/{failed}").json()
    pid = next(s for s in whole["segments"] if s["name"] == "PID")
    assert {"number": 5, "name": "Name", "value": "Müller^Jörg"} in pid["fields"]
    assert [s["name"] for s in whole["acknowledgment"]] == ["MSH", "MSA", "ERR"]
    assert admin.get(f"/api/interfaces/messages/{failed}/raw").content.startswith(b"MSH|")
    assert admin.post(f"/api/interfaces/messages/{failed}/skip", json={"reason": " "}).status_code == 422
    assert admin.post(f"/api/interfaces/messages/{failed}/resend", json={}).status_code == 409
    again = admin.post(f"/api/interfaces/messages/{failed}/reprocess", json={"reason": "Catalogue mended"})
    assert again.status_code == 200 and again.json()["state"] == "received" and again.json()["handled_by"]
    assert admin.post(f"/api/interfaces/messages/{failed}/reprocess", json={}).status_code == 409
    assert admin.get("/api/interfaces/messages/999999").status_code == 404


def test_looking_at_a_message_is_a_look_at_the_patient(api: Api, failed: int, offices: Offices) -> None:
    from wetread.security.model import AuditRecord

    api.as_role("admin").get(f"/api/interfaces/messages/{failed}")
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.AUDIT_LOG_USED, "R")
        found = work.session.scalars(
            select(AuditRecord).where(
                AuditRecord.object_id == str(failed), AuditRecord.event_action_code == "R"
            )
        ).all()
        assert [one.event_id for one in found] == [AuditEventID.PATIENT_RECORD]


def test_skipping_and_taking_back(api: Api, failed: int) -> None:
    admin = api.as_role("admin")
    skipped = admin.post(f"/api/interfaces/messages/{failed}/skip", json={"reason": "Sent by mistake"}).json()
    assert skipped["state"] == "skipped" and skipped["handling_reason"] == "Sent by mistake"
    assert admin.post(f"/api/interfaces/messages/{failed}/reprocess", json={}).json()["state"] == "received"


def test_receivers_are_set_up_by_administrators(api: Api) -> None:
    admin = api.as_role("admin")
    made = admin.post("/api/interfaces/receivers", json={"name": "HIS", "host": "127.0.0.1", "port": 2576})
    assert made.status_code == 201
    pk = made.json()["interface_receiver_pk"]
    assert (
        admin.post("/api/interfaces/receivers", json={"name": "HIS", "host": "h", "port": 1}).status_code
        == 409
    )
    wrong = admin.post(
        "/api/interfaces/receivers",
        json={"name": " ", "host": "a b", "port": 99999, "message_types": ["DFT^P03"]},
    )
    assert {e["field"] for e in wrong.json()["errors"]} == {"name", "host", "port", "message_types"}
    changed = admin.put(
        f"/api/interfaces/receivers/{pk}", json={"name": "HIS", "host": "::1", "port": 2577, "enabled": False}
    )
    assert changed.json()["port"] == 2577 and changed.json()["enabled"] is False
    assert admin.get("/api/interfaces/receivers").json()["total"] == 1
    assert admin.delete(f"/api/interfaces/receivers/{pk}").status_code == 204
    assert admin.delete(f"/api/interfaces/receivers/{pk}").status_code == 404
    for role in ("biller", "radiologist", "front_desk"):
        assert api.as_role(role).get("/api/interfaces/messages").status_code == 403
