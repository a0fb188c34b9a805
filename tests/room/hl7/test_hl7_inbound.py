"""Messages in, on a real database: what is accepted is there, what is refused is kept and says why."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import select

from wetread.hl7 import inbound
from wetread.hl7.acknowledgment import Ack, read_acknowledgment
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.kit.clock import FixedClock
from wetread.orders.model import ImagingServiceRequest, RequestedProcedure
from wetread.orders.service import (
    Move,
    ProcedureInput,
    add_procedure,
    change_procedure,
    move_requested_procedure,
)
from wetread.patients.model import Coverage, Patient, PatientIdentifier, Payer
from wetread.security.model import Practitioner, Site
from wetread.security.service import Actor, AuditEventID, Offices, Work
from wetread.sharing import messages_service as queue
from wetread.sharing.messages import InterfaceMessage

STAT_HEAD = "\r".join(
    [
        "MSH|^~\\&|EPIC|CITYHOSP|WETREAD|RIV|20261125031500-0500||ORM^O01|{number}|P|2.3.1||||||UNICODE UTF-8",
        "PID|1||4711^^^CITY^MR~999-99-9999^^^SSA^SS||Müller^Jörg^A^^Dr||19601231|M|||1 Main St^Apt 2^Boston^MA^02115^USA||617-555-0100",
        "PV1|1|E|ER^^^CITYHOSP||||||||||||||||V77",
        "IN1|1|PPO^Bluewater PPO|BWH01|Bluewater Health|PO Box 1^^Boston^MA^02101|||GRP9|||||||CI|Müller^Jörg|SEL|19601231||||||||||||||||||BW998877",
        "ORC|NW|P-{order}^EPIC||||1|^^^^^S||20261125031400-0500|||1679576722^Smith^Ann^^^Dr^^^NPI^^^^NPI",
        "OBR|1|P-{order}^EPIC||CTHEAD^CT head without contrast^99WETREAD|S|||||||||||1679576722^Smith^Ann|||||||||||||||Thunderclap headache",
        "DG1|1||R51.9^Headache, unspecified^I10",
        "NTE|1||GCS 14, collapsed at home",
        "ZDS|1.2.840.99999.1.{order}^WETREAD^Application^DICOM",
    ]
)


@pytest.fixture
def site(offices: Offices) -> Site:
    with offices.work(Actor.system("test")) as work:
        work.session.add(Site(code="NOR", institution_name="Northgate", time_zone="America/New_York"))
        site = Site(code="RIV", institution_name="Riverside", time_zone="America/New_York")
        work.session.add(site)
        work.session.flush()
        add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT", cpt_code="70450"))
        add_procedure(work, ProcedureInput("XRKNEE", "XR knee", "DX", laterality_required=True))
    return site


@pytest.fixture
def interface(offices: Offices, site: Site) -> Interface:
    return Interface(offices, InterfaceSettings("WETREAD"))


@pytest.fixture
def look(offices: Offices) -> Iterator[Work]:
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        yield work


def message(number: str = "M1", order: str = "1", **changes: str) -> str:
    """The order, with segments replaced or (empty) removed by name."""
    lines = STAT_HEAD.replace("{number}", number).replace("{order}", order).split("\r")
    return "\r".join(changes.get(line[:3], line) for line in lines if changes.get(line[:3], line)) + "\r"


def told(interface: Interface, text: str | bytes) -> Ack:
    raw = text.encode() if isinstance(text, str) else text
    ack = read_acknowledgment(interface.handle(raw, "127.0.0.1"))
    assert ack is not None
    return ack


def kept(work: Work) -> list[InterfaceMessage]:
    return list(
        work.session.scalars(select(InterfaceMessage).order_by(InterfaceMessage.interface_message_pk))
    )


def test_a_stat_order_makes_patient_coverage_referrer_and_order(interface: Interface, look: Work) -> None:
    ack = told(interface, message())
    assert (ack.code, ack.control_id) == ("AA", "M1")
    assert ack.message.message_type == "ORR^O02"
    request = look.session.scalars(select(ImagingServiceRequest)).one()
    assert ack.message.first("ORC").components(2) == ["P-1", "EPIC"]
    assert ack.message.first("ORC").value(1) == "OK"
    assert ack.message.first("ORC").value(3) == request.accession_number

    patient = look.session.get(Patient, request.patient_pk)
    assert patient and patient.patient_name == "Müller^Jörg^A^Dr" and patient.patient_sex == "M"
    assert (
        patient.patient_birth_date == date(1960, 12, 31)
        and patient.city == "Boston"
        and patient.country == "US"
    )
    identifiers = look.session.scalars(select(PatientIdentifier)).all()
    assert [(i.patient_id, i.issuer_of_patient_id) for i in identifiers] == [("4711", "CITY")]
    coverage = look.session.scalars(select(Coverage)).one()
    payer = look.session.get(Payer, coverage.payer_pk)
    assert (
        payer
        and payer.payer_id == "BWH01"
        and coverage.member_id == "BW998877"
        and coverage.group_number == "GRP9"
    )
    referrer = look.session.scalars(select(Practitioner).where(Practitioner.npi == "1679576722")).one()
    assert (
        referrer.person_name == "Smith^Ann^^Dr"
        and request.referring_practitioner_pk == referrer.practitioner_pk
    )

    assert request.placer_order_number == "P-1" and request.issuer_of_placer_order_number == "EPIC"
    assert request.coverage_pk == coverage.coverage_pk and request.admission_id == "V77"
    assert f"{request.ordered_at:%Y-%m-%dT%H:%M}" == "2026-11-25T08:14"
    assert look.session.get(Site, request.site_pk).code == "RIV"
    requested = look.session.scalars(select(RequestedProcedure)).one()
    assert requested.requested_procedure_priority == "STAT"
    assert requested.reason_for_the_requested_procedure == "Thunderclap headache"
    assert requested.diagnosis_codes == ["R51.9"] and requested.study_instance_uid == "1.2.840.99999.1.1"
    assert request.imaging_service_request_comments == "GCS 14, collapsed at home"
    (row,) = kept(look)
    assert (row.state, row.direction, row.accession_number) == ("applied", "in", request.accession_number)


def test_the_same_message_again_is_applied_once_and_answered_alike(interface: Interface, look: Work) -> None:
    raw = message().encode()
    assert interface.handle(raw) == interface.handle(raw)
    assert len(look.session.scalars(select(ImagingServiceRequest)).all()) == 1
    assert len(kept(look)) == 1


def test_the_same_number_with_other_content_is_kept_and_refused(interface: Interface, look: Work) -> None:
    told(interface, message())
    for _ in range(2):
        ack = told(interface, message(order="2"))
        assert ack.code == "AE" and ack.message.first("ERR").raw(1).startswith("MSH^1^10^205")
    assert [row.state for row in kept(look)] == ["applied", "failed"]
    assert len(look.session.scalars(select(ImagingServiceRequest)).all()) == 1


def test_the_same_order_under_a_new_control_number_is_one_order(interface: Interface, look: Work) -> None:
    assert told(interface, message("M1")).code == "AA"
    assert told(interface, message("M2")).code == "AA"
    assert len(look.session.scalars(select(ImagingServiceRequest)).all()) == 1


KNEE = "OBR|1|P-1^EPIC||XRKNEE^XR knee^99WETREAD|||||||||||^^^^LT|||{accession}" + "|" * 13 + "{reason}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"OBR": KNEE.replace("^^^^LT", "^^^^RT")}, "side"),
        ({"OBR": KNEE.replace("XRKNEE^XR knee", "CTHEAD^CT head")}, "procedure"),
        ({"ORC": "ORC|NW|P-1^EPIC|||||^^^^^S"}, "urgency"),
        ({"OBR": KNEE.replace("{reason}", "Fell from a horse")}, "reason"),
        ({"OBR": KNEE.replace("{accession}", "OTHER1")}, "accession number"),
        ({"ZDS": "ZDS|1.2.3.4"}, "Study Instance UID"),
        ({"DG1": "DG1|1||S80.02XA^^I10"}, "diagnoses"),
        ({"NTE": "NTE|1||Pregnant"}, "comments"),
    ],
)
def test_a_known_order_number_that_says_otherwise_is_refused_never_passed_over(
    interface: Interface, look: Work, changes: dict[str, str], words: str
) -> None:
    knee = {"OBR": KNEE, "ORC": "ORC|NW|P-1^EPIC|||||^^^^^R"}

    def text(number: str, **more: str) -> str:
        return message(number, **{**knee, **more}).replace("{accession}", "").replace("{reason}", "Fell")

    assert told(interface, text("M1")).code == "AA"
    assert told(interface, text("M2")).code == "AA"
    ack = told(interface, text("M3", **changes))
    assert ack.code == "AR" and ack.message.first("ERR").raw(1).startswith("ORC^1^2^205")
    assert ack.message.first("ORC").value(1) == "UA" and words in ack.text
    (one,) = look.session.scalars(select(RequestedProcedure))
    assert (one.laterality, one.requested_procedure_priority) == ("L", "ROUTINE")


def test_a_cancelled_order_does_not_pass_for_a_new_one(interface: Interface, look: Work) -> None:
    told(interface, message("M1"))
    assert told(interface, message("M2").replace("ORC|NW", "ORC|CA")).code == "AA"
    ack = told(interface, message("M3"))
    assert ack.code == "AR" and ack.message.first("ORC").value(1) == "UA" and "cancelled" in ack.text
    assert look.session.scalars(select(RequestedProcedure)).one().state == "CANCELED"
    assert told(interface, message("M4", "2")).code == "AA"


def test_a_cancel_that_names_one_procedure_leaves_the_others(interface: Interface, look: Work) -> None:
    more = "ORC|NW|P-1^EPIC\rOBR|1|P-1^EPIC||XRKNEE^XR knee^99WETREAD|||||||||||^^^^RT"
    assert told(interface, message("M1") + more).code == "AA"
    cancel = message("M2", OBR="OBR|1|P-1^EPIC||XRKNEE^XR knee^99WETREAD|||||||||||^^^^RT")
    assert told(interface, cancel.replace("ORC|NW", "ORC|CA")).code == "AA"
    states = dict(look.session.execute(select(RequestedProcedure.laterality, RequestedProcedure.state)).all())
    assert states == {None: "REQUESTED", "R": "CANCELED"}
    unknown = message("M3", OBR="OBR|1|P-1^EPIC||XRKNEE^XR knee^99WETREAD|||||||||||^^^^LT")
    ack = told(interface, unknown.replace("ORC|NW", "ORC|CA"))
    assert ack.code == "AE" and ack.message.first("ORC").value(1) == "UC"
    assert told(interface, message("M4", OBR="").replace("ORC|NW", "ORC|CA")).code == "AA"
    look.session.expire_all()
    assert set(look.session.scalars(select(RequestedProcedure.state))) == {"CANCELED"}


def test_a_known_order_for_another_patient_is_refused_by_the_patient_field(
    interface: Interface, look: Work
) -> None:
    assert told(interface, message("M1")).code == "AA"
    wrong = message("M2", PID="PID|1||4712^^^CITY^MR||Other^Person||19700101|F")
    for number, text in (("M2", wrong), ("M3", wrong.replace("|M2|", "|M3|").replace("ORC|NW", "ORC|CA"))):
        ack = told(interface, text)
        assert (ack.code, ack.control_id) == ("AR", number)
        assert ack.message.first("ERR").raw(1).startswith("PID^1^3^204&Unknown key identifier&HL70357")
        assert "another patient" in ack.text
    assert look.session.scalars(select(RequestedProcedure)).one().state == "REQUESTED"
    assert [row.state for row in kept(look)] == ["applied", "rejected", "rejected"]
    assert len(look.session.scalars(select(Patient)).all()) == 1


def test_another_person_under_a_known_identifier_is_never_taken_for_the_first(interface: Interface) -> None:
    assert told(interface, message("M1")).code == "AA"
    ack = told(interface, message("M2", "2", PID="PID|1||4711^^^CITY^MR||Other^Person||19700101|F"))
    assert ack.code == "AE" and "PID^1^3" in ack.message.first("ERR").raw(1)


def test_cancel_before_and_after_the_start(interface: Interface, offices: Offices, look: Work) -> None:
    told(interface, message("M1", "1"))
    told(interface, message("M2", "2"))
    cancel = message("M3", "1").replace("ORC|NW", "ORC|CA")
    ack = told(interface, cancel)
    assert ack.code == "AA" and ack.message.first("ORC").value(1) == "CR"
    again = told(interface, cancel.replace("|M3|", "|M4|"))
    assert again.code == "AA" and again.message.first("ORC").value(1) == "CR"
    second = look.session.scalars(
        select(RequestedProcedure).order_by(RequestedProcedure.requested_procedure_pk.desc())
    ).first()
    assert second is not None
    with offices.work(Actor.system("test")) as work:
        move_requested_procedure(work, second.requested_procedure_pk, Move.START)
        work.audit(AuditEventID.PROCEDURE_RECORD, "U")
    ack = told(interface, message("M5", "2").replace("ORC|NW", "ORC|CA"))
    assert ack.code == "AR" and ack.message.first("ORC").value(1) == "UC"
    assert "ORC^1^1" in ack.message.first("ERR").raw(1)
    look.session.expire_all()
    states = look.session.scalars(
        select(RequestedProcedure.state).order_by(RequestedProcedure.requested_procedure_pk)
    )
    assert list(states) == ["CANCELED", "IN PROGRESS"]


def test_a_cancel_without_its_order_and_a_replacement_are_answered(interface: Interface) -> None:
    ack = told(interface, message("M1").replace("ORC|NW", "ORC|CA"))
    assert ack.code == "AE" and "ORC^1^2^204" in ack.message.first("ERR").raw(1)
    told(interface, message("M2"))
    ack = told(interface, message("M3").replace("ORC|NW", "ORC|RO"))
    assert ack.code == "AR" and ack.message.first("ORC").value(1) == "UX"


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"PID": ""}, "AR", "PID^1^^100"),
        ({"PID": "PID|1||||Nobody^Known"}, "AR", "PID^1^3^101"),
        ({"PID": "PID|1||55^^^CITY"}, "AE", "PID^1^5^101"),
        ({"PID": "PID|1||55^^^CITY||New^Person||19601341"}, "AE", "PID^1^7^102"),
        ({"ORC": ""}, "AR", "ORC^1^^100"),
        ({"ORC": "ORC|ZZ|P-1"}, "AR", "ORC^1^1^103"),
        ({"ORC": "ORC|NW", "OBR": "OBR|1|||CTHEAD"}, "AR", "ORC^1^2^101"),
        ({"OBR": ""}, "AR", "OBR^1^^100"),
        ({"OBR": "OBR|1|P-1"}, "AR", "OBR^1^4^101"),
        ({"OBR": "OBR|1|P-1||NOSUCH^What^L"}, "AE", "OBR^1^4^103"),
        ({"OBR": "OBR|1|P-1||XRKNEE^XR knee"}, "AE", "OBR^1^15^103"),
        ({"ORC": "ORC|NW|P-1|||||^^^^^WHENEVER"}, "AE", "ORC^1^7^103"),
        ({"ZDS": "ZDS|no uid"}, "AE", "ZDS^1^1^103"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_kept(
    interface: Interface, look: Work, changes: dict[str, str], code: str, place: str
) -> None:
    ack = told(interface, message(**changes))
    assert ack.code == code
    assert ack.message.first("ERR").raw(1).startswith(place)
    (row,) = kept(look)
    assert row.state == ("rejected" if code == "AR" else "failed") and row.error_text
    assert look.session.scalars(select(Patient)).all() == []
    assert look.session.scalars(select(ImagingServiceRequest)).all() == []


@pytest.mark.parametrize(
    ("raw", "code", "control"),
    [
        (b"", "AR", ""),
        (b"garbage", "AR", ""),
        (b"MSH|^~\\&|A|B|C|D|2026|||M9|P|2.3", "AR", "M9"),
        (b"MSH|^~\\&|A|B|C|D|2026||ORM^O01||P|2.3", "AR", ""),
        (b"MSH|^~\\&|A|B|C|D|2026||QRY^A19|M9|P|2.3", "AR", "M9"),
        (b"MSH|^~\\&|A|B|C|D|2026||ADT^A99|M9|P|2.5.1", "AR", "M9"),
        (b"MSH|^~\\&|A\x00|B|C|D|2026||ADT^A99|M9|P|2.5.1", "AR", "M9"),
        (b"MSH|^~\\&|A|B|C|D|2026||ADT^A04|M9|P|2.5.1\rMSH|^~\\&|A|B", "AR", "M9"),
    ],
)
def test_what_is_no_order_is_answered_and_kept(
    interface: Interface, look: Work, raw: bytes, code: str, control: str
) -> None:
    ack = told(interface, raw)
    assert (ack.code, ack.control_id) == (code, control)
    assert ack.message.has("ERR")
    assert [(row.state, row.content) for row in kept(look)] == [("rejected", raw)]


def test_a_wrong_diagnosis_never_costs_the_order(interface: Interface, look: Work) -> None:
    assert told(interface, message(DG1="DG1|1||784.0^Headache^I9")).code == "AA"
    requested = look.session.scalars(select(RequestedProcedure)).one()
    request = look.session.scalars(select(ImagingServiceRequest)).one()
    assert requested.diagnosis_codes == []
    assert "784.0 Headache" in (request.imaging_service_request_comments or "")


def test_two_orders_in_one_message_stand_or_fall_together(interface: Interface, look: Work) -> None:
    more = "ORC|NW|P-8^EPIC\rOBR|1|P-8^EPIC||XRKNEE^XR knee^99WETREAD|||||||||||^^^^RT"
    ack = told(interface, message("M1", "7") + more)
    assert [s.value(1) for s in ack.message.all("ORC")] == ["OK", "OK"]
    assert len(look.session.scalars(select(ImagingServiceRequest)).all()) == 2
    sides = look.session.scalars(select(RequestedProcedure.laterality)).all()
    assert set(sides) == {None, "R"}
    ack = told(interface, message("M2", "9") + more.replace("P-8", "P-10").replace("XRKNEE", "NOSUCH"))
    assert ack.code == "AE" and "OBR^2^4" in ack.message.first("ERR").raw(1)
    assert len(look.session.scalars(select(ImagingServiceRequest)).all()) == 2


def test_a_failed_message_is_applied_after_a_correction(
    interface: Interface, offices: Offices, look: Work
) -> None:
    text = message(OBR="OBR|1|P-1||CTX^CT special")
    assert told(interface, text).code == "AE"
    with offices.work(Actor.system("test")) as work:
        procedure = add_procedure(work, ProcedureInput("CTX", "CT special", "CT"))
        pk = kept(work)[0].interface_message_pk
        queue.reprocess(work, pk)
    with offices.work(Actor.system("hl7.process")) as work:
        inbound.reprocess(work, pk, InterfaceSettings("WETREAD"))
    look.session.expire_all()
    assert kept(look)[0].state == "applied"
    assert look.session.scalars(select(RequestedProcedure)).one().procedure_pk == procedure.procedure_pk
    assert told(interface, text).code == "AA"
    with offices.work(Actor.system("test")) as work:
        change_procedure(work, procedure.procedure_pk, {"active": False})


def test_the_sender_repeating_a_failed_message_succeeds_once_it_can(
    interface: Interface, offices: Offices, look: Work
) -> None:
    text = message(OBR="OBR|1|P-1||CTX^CT special")
    assert told(interface, text).code == "AE"
    with offices.work(Actor.system("test")) as work:
        add_procedure(work, ProcedureInput("CTX", "CT special", "CT"))
    assert told(interface, text).code == "AA"
    assert [row.state for row in kept(look)] == ["applied"]


def adt(event: str, number: str, pid: str, more: str = "") -> str:
    return f"MSH|^~\\&|ADT|CITY|WETREAD|RIV|2026||ADT^{event}|{number}|P|2.5.1||||||8859/1\rEVN|{event}\r{pid}\r{more}"


def test_admissions_register_change_and_merge(interface: Interface, look: Work) -> None:
    first = adt("A04", "1", "PID|1||A1^^^CITY||Doe^Jane||19800101|F").encode("latin-1")
    assert told(interface, first).code == "AA"
    changed = adt("A08", "2", 'PID|1||A1^^^CITY||Doé^Jane||19800101|F|||9 New St^^Lynn^MA^01901||""').encode(
        "latin-1"
    )
    assert told(interface, changed).code == "AA"
    patient = look.session.scalars(select(Patient)).one()
    assert (patient.patient_name, patient.city) == ("Doé^Jane", "Lynn")
    told(interface, adt("A04", "3", "PID|1||T9^^^CITY||Unknown^F||1980|F"))
    merge = adt("A40", "4", "PID|1||A1^^^CITY||Doe^Jane", "MRG|T9^^^CITY")
    assert told(interface, merge).code == "AA"
    assert told(interface, merge.replace("|4|", "|5|")).code == "AA"
    itself = told(interface, adt("A40", "6", "PID|1||A1^^^CITY", "MRG|A1^^^CITY"))
    assert itself.code == "AR" and itself.message.first("ERR").raw(2) == "MRG^1^1"
    late = told(interface, adt("A08", "7", "PID|1||T9^^^CITY||Doe^Jane^M||19800101|F"))
    assert late.code == "AA"
    living = look.session.scalars(select(Patient).where(Patient.merged_into_patient_pk.is_(None))).all()
    look.session.expire_all()
    assert [p.patient_name for p in living] == ["Doe^Jane^M"]


def test_names_in_several_scripts(interface: Interface, look: Work) -> None:
    pid = "PID|1||K1^^^CITY||Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P||19750505|M"
    assert told(interface, adt("A04", "1", pid).replace("8859/1", "UNICODE UTF-8")).code == "AA"
    assert look.session.scalars(select(Patient.patient_name)).one() == "Yamada^Tarou=山田^太郎=やまだ^たろう"


def test_an_unexpected_fault_keeps_the_message_and_answers(
    interface: Interface, look: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Müller")

    monkeypatch.setitem(inbound._HANDLERS, "ORM^O01", broken)
    ack = told(interface, message())
    assert ack.code == "AE" and "kept" in ack.text and "Müller" not in ack.text
    (row,) = kept(look)
    assert row.state == "failed" and row.content == message().encode()
    monkeypatch.undo()
    assert told(interface, message()).code == "AA"


def test_no_database_means_no_acceptance(clock: FixedClock) -> None:
    class Closed(Offices):
        def work(self, actor: Actor):
            raise ConnectionError

    ack = told(Interface(Closed(None, clock), InterfaceSettings("W")), message())
    assert (ack.code, ack.control_id) == ("AE", "M1") and "not kept" in ack.text
