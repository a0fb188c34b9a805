"""Identity on a real database: registering, finding, duplicates, merge and unmerge, history, safety, who looked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from wetread.archive.model import Study
from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.orders import service as orders
from wetread.orders.model import ImagingServiceRequest
from wetread.patients import service
from wetread.patients.model import Coverage, Patient, PatientChange, PatientIdentifier, PatientMerge
from wetread.patients.service import AllergyInput, CoverageInput, IdentifierInput, PatientInput, PayerInput
from wetread.security.model import AuditRecord, Site
from wetread.security.service import Actor, AuditEventID, Offices, Work


def register(work: Work, name: str, *numbers: str, issuer: str = "CITY", **fields: Any) -> Patient:
    return service.register_patient(
        work,
        PatientInput(name, identifiers=[IdentifierInput(number, issuer) for number in numbers], **fields),
    )


def found(work: Work, typed: str) -> list[str]:
    return [one.bar.patient_name for one in service.find_patients(work, typed)]


def records(work: Work, since: int = 0) -> list[tuple[str, str, int | None]]:
    rows = work.session.execute(
        select(AuditRecord.event_id, AuditRecord.event_action_code, AuditRecord.patient_pk)
        .where(AuditRecord.audit_record_pk > since)
        .order_by(AuditRecord.audit_record_pk)
    )
    return [(event, action, patient_pk) for event, action, patient_pk in rows]


def newest(work: Work) -> int:
    return work.session.scalar(select(func.coalesce(func.max(AuditRecord.audit_record_pk), 0))) or 0


# --- registering ----------------------------------------------------------------------------------------------


def test_without_an_identifier_one_of_ours_is_given_and_no_two_alike(work: Work) -> None:
    one, two = register(work, "Doe^Jane"), register(work, "Doe^Jane")
    bars = [service.patient_bar(work, patient.patient_pk) for patient in (one, two)]
    assert {bar.issuer_of_patient_id for bar in bars} == {service.issuer_of_our_identifiers()}
    assert bars[0].patient_id != bars[1].patient_id
    assert all(bar.patient_id and bar.patient_id.isdecimal() for bar in bars)


def test_an_identifier_is_unique_with_its_issuer_alone(work: Work) -> None:
    register(work, "Doe^Jane", "4711")
    register(work, "Roe^Richard", "4711", issuer="NORTH")
    for taken in ("4711", " 4711 "):
        with pytest.raises(Conflict) as refused:
            register(work, "Other^Person", taken)
        assert refused.value.fields[0].field == "patient_id"
    # Identifiers are text, not numbers: leading zeros and case count.
    register(work, "Zero^Leading", "04711")
    assert work.session.scalar(select(func.count()).select_from(Patient)) == 3


def test_the_same_identifier_twice_in_one_registration_is_one(work: Work) -> None:
    patient = register(work, "Doe^Jane", "A1", "A1 ", "A2")
    record = service.get_patient(work, patient.patient_pk)
    assert [(one.patient_id, one.is_primary) for one in record.identifiers] == [("A1", True), ("A2", False)]


def test_two_desks_cannot_give_one_identifier_to_two_people(clean_database: Database) -> None:
    barrier, outcomes = threading.Barrier(2), []

    def desk(name: str) -> None:
        try:
            with Offices(clean_database).work(Actor.system(name)) as work:
                work.session.execute(select(1))
                barrier.wait(10)
                register(work, f"{name}^Person", "SAME")
            outcomes.append("registered")
        except Conflict as refused:
            assert refused.fields[0].field == "patient_id"
            outcomes.append("refused")

    threads = [threading.Thread(target=desk, args=(name,)) for name in ("One", "Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["refused", "registered"]
    with Offices(clean_database).work(Actor.system("test")) as work:
        assert work.session.scalar(select(func.count()).select_from(Patient)) == 1
        work.audit(AuditEventID.QUERY, "E")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"patient_name": "  ^ "}, "patient_name"),
        ({"patient_name": "A^B^C^D^E^F"}, "patient_name"),
        ({"patient_name": "a=b=c=d"}, "patient_name"),
        ({"patient_name": "x" * 65}, "patient_name"),
        ({"patient_name": "Doe\\Jane"}, "patient_name"),
        ({"patient_sex": "X"}, "patient_sex"),
        ({"patient_birth_date": date(2026, 11, 27)}, "patient_birth_date"),
        ({"patient_birth_date": date(1849, 12, 31)}, "patient_birth_date"),
        ({"pregnancy_status": "maybe"}, "pregnancy_status"),
        ({"patient_size_m": 172.0}, "patient_size_m"),
        ({"patient_weight_kg": 0.0}, "patient_weight_kg"),
        ({"egfr_ml_min": 251}, "egfr_ml_min"),
        ({"city": "c" * 65}, "city"),
        ({"medical_alerts": "a\x00b"}, "medical_alerts"),
        ({"identifiers": [IdentifierInput("1" * 65, "CITY")]}, "patient_id"),
        ({"identifiers": [IdentifierInput("1", " ")]}, "issuer_of_patient_id"),
        ({"allergies": [AllergyInput(" ")]}, "allergies"),
        ({"coverages": [CoverageInput(999_999, "M1")]}, "payer_pk"),
    ],
)
def test_what_is_wrong_is_named(work: Work, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        service.register_patient(work, PatientInput(**{"patient_name": "Doe^Jane", **fields}))
    assert wrong in [one.field for one in refused.value.fields]


def test_a_newborn_may_be_of_today_in_every_time_zone(work: Work) -> None:
    # At 3 AM UTC on the 25th the day is still the 24th or the 25th; east of Greenwich it is later, and soon the 26th.
    assert register(work, "Born^Now", patient_birth_date=date(2026, 11, 26)).patient_pk


def test_who_may_not_register_changes_nothing(work_as: Any) -> None:
    for role in ("radiologist", "referrer", "biller", "manager", "admin"):
        with pytest.raises(Denied), work_as(role) as work:
            register(work, "Doe^Jane")
    with work_as("front_desk") as work:
        assert register(work, "Doe^Jane").patient_pk


# --- the unknown patient --------------------------------------------------------------------------------------


def test_the_unknown_are_counted_by_sex_and_day(work: Work, clock: FixedClock) -> None:
    names = [service.register_unknown_patient(work, sex).patient_name for sex in ("M", "M", "F", None, "M")]
    assert names == [
        "Unknown^Male 1", "Unknown^Male 2", "Unknown^Female 1", "Unknown^Person 1", "Unknown^Male 3",
    ]  # fmt: skip
    bar = service.patient_bar(work, service.register_unknown_patient(work, "M", "found in park").patient_pk)
    assert (bar.unidentified, bar.medical_alerts, bar.patient_birth_date) == (True, "found in park", None)


def test_a_number_is_not_given_again_when_one_of_the_unknown_is_named(work: Work) -> None:
    first, second = (service.register_unknown_patient(work, "M") for _ in range(2))
    service.change_patient(work, first.patient_pk, {"patient_name": "Doe^John"})
    third = service.register_unknown_patient(work, "M")
    assert third.patient_name == "Unknown^Male 3" != second.patient_name
    service.change_patient(work, third.patient_pk, {"patient_name": "Roe^Jim"})
    # The bracelet that says "Male 3" was on another arm a moment ago.
    assert service.register_unknown_patient(work, "M").patient_name == "Unknown^Male 4"


def test_two_unknown_at_once_never_share_a_name_across_midnight(work: Work, clock: FixedClock) -> None:
    before = service.register_unknown_patient(work, "F")
    work.clock = FixedClock(clock.now() + timedelta(days=1))
    after = service.register_unknown_patient(work, "F")
    assert (before.patient_name, after.patient_name) == ("Unknown^Female 1", "Unknown^Female 2")
    for patient in (before, after):
        service.change_patient(work, patient.patient_pk, {"patient_name": "Known^Now"})
    work.clock = FixedClock(clock.now() + timedelta(days=2))
    assert service.register_unknown_patient(work, "F").patient_name == "Unknown^Female 1"


def test_parallel_emergencies_get_different_names(clean_database: Database) -> None:
    names: list[str] = []

    def arrive() -> None:
        with Offices(clean_database).work(Actor.system("er")) as work:
            names.append(service.register_unknown_patient(work, "M").patient_name)

    threads = [threading.Thread(target=arrive) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(names) == [f"Unknown^Male {number}" for number in range(1, 7)]


def test_a_name_ends_the_anonymity_and_is_kept_in_the_history(work: Work) -> None:
    unknown = service.register_unknown_patient(work, "M")
    service.change_patient(work, unknown.patient_pk, {"patient_name": "Doe^John"})
    assert not service.patient_bar(work, unknown.patient_pk).unidentified
    (change,) = service.history(work, unknown.patient_pk)
    assert change.changes["patient_name"] == ["Unknown^Male 1", "Doe^John"]
    assert change.changes["unidentified"] == [True, False]


# --- finding --------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(work: Work) -> Work:
    register(work, "Müller^Jörg^Anton", "MRN-100", patient_birth_date=date(1960, 12, 31))
    register(work, "Mueller^Anna", "200", patient_birth_date=date(1971, 2, 3))
    register(work, "Muller^Zoë", "300")
    register(work, "Yamada^Tarou=山田^太郎=やまだ^たろう", "K1")
    register(work, "Иванова^Юлия", "R1")
    register(work, "O'Brien-Smith^Siân", "OB1", patient_telephone_numbers="+1 (617) 555-0142")
    register(work, "Đặng^Thị Hồng", "V1")
    register(work, "Number^Date", "20260117")
    return work


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        # The plain spelling finds every name that is written so once its marks are dropped.
        ("muller", {"Müller^Jörg^Anton", "Muller^Zoë"}),
        ("MÜLLER", {"Müller^Jörg^Anton", "Mueller^Anna", "Muller^Zoë"}),
        ("mueller", {"Müller^Jörg^Anton", "Mueller^Anna"}),
        ("Mül jö", {"Müller^Jörg^Anton"}),
        ("joerg muel", {"Müller^Jörg^Anton"}),
        ("Müller, Jörg", {"Müller^Jörg^Anton"}),
        ("müller^jörg", {"Müller^Jörg^Anton"}),
        ("zoe", {"Muller^Zoë"}),
        ("山田", {"Yamada^Tarou=山田^太郎=やまだ^たろう"}),
        ("山田 太", {"Yamada^Tarou=山田^太郎=やまだ^たろう"}),
        ("山田\u3000太郎", {"Yamada^Tarou=山田^太郎=やまだ^たろう"}),
        ("やまだ", {"Yamada^Tarou=山田^太郎=やまだ^たろう"}),
        ("yamada", {"Yamada^Tarou=山田^太郎=やまだ^たろう"}),
        ("ivanova", {"Иванова^Юлия"}),
        ("иванова ю", {"Иванова^Юлия"}),
        ("brien", {"O'Brien-Smith^Siân"}),
        ("o’brien sian", {"O'Brien-Smith^Siân"}),
        ("smith", {"O'Brien-Smith^Siân"}),
        ("dang", {"Đặng^Thị Hồng"}),
        ("hong thi", {"Đặng^Thị Hồng"}),
        ("1960-12-31", {"Müller^Jörg^Anton"}),
        ("31.12.1960", {"Müller^Jörg^Anton"}),
        ("12/31/1960", {"Müller^Jörg^Anton"}),
        ("19601231 müller", {"Müller^Jörg^Anton"}),
        ("mueller 1971-02-03", {"Mueller^Anna"}),
        ("müller 1971-02-03", {"Mueller^Anna"}),
        ("anna 1960-12-31", set()),
        ("mrn-1", {"Müller^Jörg^Anton"}),
        ("MRN-100", {"Müller^Jörg^Anton"}),
        ("k1", {"Yamada^Tarou=山田^太郎=やまだ^たろう"}),
        ("5550142", {"O'Brien-Smith^Siân"}),
        ("617-555", {"O'Brien-Smith^Siân"}),
        ("20260117", {"Number^Date"}),
        # Inside a word, and what LIKE would take for a wild card.
        ("ller", set()),
        ("%", set()),
        ("_uller", set()),
        ("m%r", set()),
        ("\\", set()),
        ("", set()),
        # Nothing but marks must not show everybody.
        ("-", set()),
        ("- ^", set()),
        ("' = ,", set()),
        ("müller -", {"Müller^Jörg^Anton", "Mueller^Anna", "Muller^Zoë"}),
    ],
)
def test_people_are_found_as_people_type(crowd: Work, typed: str, names: set[str]) -> None:
    assert set(found(crowd, typed)) == names


def test_a_search_shows_no_more_than_asked_and_no_merged_record(work: Work) -> None:
    kept, gone = register(work, "Doe^Jane", "A"), register(work, "Doe^Janet", "B")
    service.merge_patients(work, kept.patient_pk, gone.patient_pk, "same person")
    assert found(work, "doe") == ["Doe^Jane"]
    # The old number still leads to the person.
    assert found(work, "B") == ["Doe^Jane"]
    register(work, "Doe^Other", "C")
    assert len(service.find_patients(work, "doe", limit=1)) == 1


def test_a_changed_name_is_found_and_the_old_one_is_not(work: Work) -> None:
    patient = register(work, "Maiden^Mary", "A", patient_telephone_numbers="111222333")
    service.change_patient(
        work, patient.patient_pk, {"patient_name": "Married^Mary", "patient_telephone_numbers": "444555666"}
    )
    assert found(work, "married") == ["Married^Mary"]
    assert found(work, "444555") == ["Married^Mary"]
    assert found(work, "maiden") == found(work, "111222") == []


# --- duplicates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "known", "seen"),
    [
        (("Müller^Jörg", "1960-12-31", "M"), ("Mueller^Joerg", "1960-12-31", "M"), True),
        (("Doe^Jane", "1980-03-04", "F"), ("Doe^Jane", "1980-04-03", "F"), True),
        (("Doe^Jane", "1980-03-04", "F"), ("Jane^Doe", "1980-03-04", "F"), True),
        (("Doe^Jane", "1980-03-04", None), ("Doe^Jane", None, "F"), True),
        (("山田^太郎", "1975-05-05", "M"), ("Yamada^Tarou=山田^太郎", "1975-05-05", "M"), True),
        (("Doe^Jane", "1980-03-04", "F"), ("Doe^Jane", "1955-11-30", "F"), False),
        (("Doe^Jane", "1980-03-04", "F"), ("Smith^Peter", "1980-03-04", "M"), False),
    ],
)
def test_what_may_be_the_same_person_is_shown_while_typing(
    work: Work, typed: tuple[str, str | None, str | None], known: Any, seen: bool
) -> None:
    def born(text: str | None) -> date | None:
        return None if text is None else date.fromisoformat(text)

    register(work, known[0], "K", patient_birth_date=born(known[1]), patient_sex=known[2])
    register(work, "Bystander^Quite Other", "B", patient_birth_date=date(1999, 9, 9), patient_sex="F")
    candidates = service.possible_duplicates(
        work, PatientInput(typed[0], patient_birth_date=born(typed[1]), patient_sex=typed[2])
    )
    assert [one.found.bar.patient_name for one in candidates] == ([known[0]] if seen else [])
    assert work.session.scalar(select(func.count()).select_from(Patient)) == 2


def test_likelier_duplicates_come_first_with_reasons(work: Work) -> None:
    born = date(1980, 3, 4)
    register(work, "Doe^Jane", "1", patient_birth_date=date(1980, 3, 14), patient_sex="F")
    register(work, "Doe^Jane", "2", patient_birth_date=born, patient_sex="F")
    candidates = service.possible_duplicates(
        work, PatientInput("Doe^Jane", patient_birth_date=born, patient_sex="F")
    )
    assert [one.found.bar.patient_id for one in candidates] == ["2", "1"]
    assert candidates[0].likeness.score == 100
    assert set(candidates[0].likeness.reasons) == {"same name", "same birth date"}
    assert "birth date differs in one digit" in candidates[1].likeness.reasons


def test_a_record_is_not_its_own_duplicate_even_under_its_merged_number(work: Work) -> None:
    born = date(1980, 3, 4)
    one, two, three = (register(work, "Doe^Jane", n, patient_birth_date=born) for n in "ABC")
    service.merge_patients(work, one.patient_pk, two.patient_pk, "same")
    for pk in (one.patient_pk, two.patient_pk):
        assert [c.found.bar.patient_pk for c in service.duplicates_of(work, pk)] == [three.patient_pk]


# --- changes, history, safety, coverage -----------------------------------------------------------------------


def test_the_history_says_what_stood_before_and_by_whom(work: Work) -> None:
    patient = register(work, "Doe^Jane", "A", city="Boston", patient_weight_kg=61.5)
    service.change_patient(work, patient.patient_pk, {"city": "Lynn", "patient_weight_kg": 61.5})
    service.change_patient(work, patient.patient_pk, {"city": " ", "patient_birth_date": date(1980, 3, 4)})
    service.change_patient(work, patient.patient_pk, {"city": None})
    newest_first = [(one.changes, one.changed_by) for one in service.history(work, patient.patient_pk)]
    assert newest_first == [
        ({"city": ["Lynn", None], "patient_birth_date": [None, "1980-03-04"]}, "test"),
        ({"city": ["Boston", "Lynn"]}, "test"),
    ]
    with pytest.raises(Invalid):
        service.change_patient(work, patient.patient_pk, {"patient_pk": 1})
    with pytest.raises(NotFound):
        service.change_patient(work, 999_999, {"city": "X"})


def test_allergies_stand_on_the_bar_and_their_history_is_kept(work: Work) -> None:
    patient = register(work, "Doe^Jane", allergies=[AllergyInput("Latex")])
    service.replace_allergies(
        work,
        patient.patient_pk,
        [AllergyInput("Nickel"), AllergyInput(" Iodinated contrast ", "anaphylaxis", severe=True)],
    )
    bar = service.patient_bar(work, patient.patient_pk)
    assert bar.severe_allergy
    assert bar.allergies == ["Iodinated contrast (anaphylaxis)", "Nickel"]
    (change,) = service.history(work, patient.patient_pk)
    assert change.changes == {"allergies": [["Latex"], ["Iodinated contrast", "Nickel"]]}
    service.replace_allergies(work, patient.patient_pk, [])
    bar = service.patient_bar(work, patient.patient_pk)
    assert (bar.allergies, bar.severe_allergy) == ([], False)


def test_not_asked_for_allergies_is_not_the_same_as_none_known(work: Work) -> None:
    nobody_asked, has_none = register(work, "Doe^Jane"), register(work, "Roe^Jane", allergies=[])

    def shown(patient: Patient) -> list[str] | None:
        work.session.expire_all()
        return service.patient_bar(work, patient.patient_pk).allergies

    assert shown(nobody_asked) is None
    assert shown(has_none) == []
    service.replace_allergies(work, nobody_asked.patient_pk, [])
    assert shown(nobody_asked) == []
    # Whoever ticked the wrong patient takes it back.
    service.replace_allergies(work, nobody_asked.patient_pk, None)
    assert shown(nobody_asked) is None
    changes = [one.changes["allergies"] for one in service.history(work, nobody_asked.patient_pk)]
    assert changes == [[[], None], [None, []]]
    # What a merged record knows is known of the person; that it knew of none proves nothing of the other's.
    service.merge_patients(work, nobody_asked.patient_pk, has_none.patient_pk, "same")
    assert shown(nobody_asked) is None
    third = register(work, "Poe^Jane", allergies=[AllergyInput("Latex")])
    service.merge_patients(work, nobody_asked.patient_pk, third.patient_pk, "same")
    assert shown(nobody_asked) == ["Latex"]


@pytest.fixture
def payer_pk(work: Work) -> int:
    return service.payer_by_identifier(work, PayerInput("BW01", "Bluewater")).payer_pk


def test_a_new_coverage_ends_the_one_before_at_its_place(work: Work, payer_pk: int) -> None:
    patient = register(
        work, "Doe^Jane", coverages=[CoverageInput(payer_pk, "M1"), CoverageInput(payer_pk, "S1", priority=2)]
    )
    service.replace_coverage(work, patient.patient_pk, CoverageInput(payer_pk, " M2 "))
    standing = service.get_patient(work, patient.patient_pk).coverages
    assert [(coverage.priority, coverage.member_id) for coverage, _ in standing] == [(1, "M2"), (2, "S1")]
    kept = work.session.scalars(select(Coverage).where(Coverage.ended_at.is_not(None))).all()
    assert [(one.member_id, one.ended_at) for one in kept] == [("M1", work.now())]
    (change,) = service.history(work, patient.patient_pk)
    assert change.changes == {"coverage 1": ["Bluewater M1", "Bluewater M2"]}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"priority": 4}, "priority"),
        ({"member_id": " "}, "member_id"),
        ({"relationship": "friend"}, "relationship"),
        ({"relationship": "child"}, "subscriber_name"),
        ({"payer_pk": 0}, "payer_pk"),
    ],
)
def test_a_coverage_says_what_it_lacks(work: Work, payer_pk: int, fields: dict[str, Any], wrong: str) -> None:
    patient = register(work, "Doe^Jane")
    with pytest.raises(Invalid) as refused:
        service.replace_coverage(
            work, patient.patient_pk, CoverageInput(**{"payer_pk": payer_pk, "member_id": "M", **fields})
        )
    assert [one.field for one in refused.value.fields] == [wrong]


def test_the_same_payer_is_made_once(work: Work, payer_pk: int) -> None:
    assert service.payer_by_identifier(work, PayerInput("BW01", "Another spelling")).payer_pk == payer_pk
    assert [one.name for one in service.payers(work)] == ["Bluewater"]


# --- merge and unmerge ----------------------------------------------------------------------------------------


@pytest.fixture
def place(work: Work) -> Callable[[Patient], ImagingServiceRequest]:
    site = Site(code="RIV", institution_name="Riverside", time_zone="America/New_York")
    work.session.add(site)
    work.session.flush()
    orders.add_procedure(work, orders.ProcedureInput("CTHEAD", "CT head", "CT"))

    def place(patient: Patient) -> ImagingServiceRequest:
        standing = service.get_patient(work, patient.patient_pk).coverages
        return orders.place_order(
            work,
            orders.OrderInput(
                patient.patient_pk,
                site.site_pk,
                [orders.ProcedureChoice(code_value="CTHEAD")],
                coverage_pk=standing[0][0].coverage_pk if standing else None,
            ),
        )

    return place


def study_of(work: Work, patient: Patient, uid: str) -> Study:
    study = Study(
        study_instance_uid=uid,
        patient_pk=patient.patient_pk,
        patient_name=patient.patient_name,
        received_attributes={},
        created_at=work.now(),
        updated_at=work.now(),
        modalities_in_study=["CT"],
        number_of_study_related_series=1,
        number_of_study_related_instances=1,
    )
    work.session.add(study)
    work.session.flush()
    return study


def owner_of(work: Work, *things: Any) -> list[int | None]:
    work.session.expire_all()
    return [thing.patient_pk for thing in things]


def test_everything_follows_a_merge_and_comes_back(
    work: Work, payer_pk: int, place: Callable[[Patient], ImagingServiceRequest]
) -> None:
    known = register(work, "Doe^Jane", "A1", "A2", allergies=[AllergyInput("Latex")])
    unknown = register(
        work, "Unknown^Female 1", "T9", "T10",
        allergies=[AllergyInput("Iodine", severe=True)], coverages=[CoverageInput(payer_pk, "M9")],
    )  # fmt: skip
    mine, theirs = place(known), place(unknown)
    study, other = study_of(work, unknown, "1.2.3"), study_of(work, known, "1.2.4")
    since = newest(work)
    service.merge_patients(work, known.patient_pk, unknown.patient_pk, "identified by her husband")
    assert owner_of(work, mine, theirs, study, other) == [known.patient_pk] * 4
    record = service.get_patient(work, unknown.patient_pk)
    assert record.patient.patient_pk == known.patient_pk
    assert [(one.patient_id, one.is_primary) for one in record.identifiers] == [
        ("A1", True), ("A2", False), ("T9", False), ("T10", False),
    ]  # fmt: skip
    assert record.bar.severe_allergy and len(record.allergies) == 2
    assert [coverage.member_id for coverage, _ in record.coverages] == ["M9"]
    assert [(one.merged_patient_pk, one.reason) for one in record.merged] == [
        (unknown.patient_pk, "identified by her husband")
    ]
    assert ("110110", "U", known.patient_pk) in records(work, since)
    assert ("110110", "U", unknown.patient_pk) in records(work, since)
    # What comes to be after the merge stays where it was made.
    later = place(known)

    service.unmerge_patients(work, unknown.patient_pk)
    assert owner_of(work, mine, theirs, study, other, later) == [
        known.patient_pk, unknown.patient_pk, unknown.patient_pk, known.patient_pk, known.patient_pk,
    ]  # fmt: skip
    back, kept = (service.get_patient(work, one.patient_pk) for one in (unknown, known))
    assert [(one.patient_id, one.is_primary) for one in back.identifiers] == [("T9", True), ("T10", False)]
    assert [(one.patient_id, one.is_primary) for one in kept.identifiers] == [("A1", True), ("A2", False)]
    assert [one.substance for one in back.allergies] == ["Iodine"]
    assert [one.substance for one in kept.allergies] == ["Latex"]
    assert ([c.member_id for c, _ in back.coverages], kept.coverages, kept.merged) == (["M9"], [], [])
    merge = work.session.scalars(select(PatientMerge)).one()
    assert (merge.unmerged_at, merge.unmerged_by) == (work.now(), "test")
    with pytest.raises(NotFound):
        service.unmerge_patients(work, unknown.patient_pk)


def test_an_insurance_whose_place_is_taken_stays_with_its_record(work: Work, payer_pk: int) -> None:
    known = register(work, "Doe^Jane", "A", coverages=[CoverageInput(payer_pk, "M1")])
    other = register(
        work, "Doe^Jane", "B",
        coverages=[CoverageInput(payer_pk, "M2"), CoverageInput(payer_pk, "M3", priority=2)],
    )  # fmt: skip
    service.merge_patients(work, known.patient_pk, other.patient_pk, "same")
    standing = service.get_patient(work, known.patient_pk).coverages
    assert [(one.priority, one.member_id) for one, _ in standing] == [(1, "M1"), (2, "M3")]
    service.unmerge_patients(work, other.patient_pk)
    standing = service.get_patient(work, other.patient_pk).coverages
    assert [(one.priority, one.member_id) for one, _ in standing] == [(1, "M2"), (2, "M3")]


def test_what_is_written_to_a_merged_record_is_written_to_the_living_one(work: Work, payer_pk: int) -> None:
    living, gone = register(work, "Doe^Jane", "A"), register(work, "Doe^Janet", "B")
    service.merge_patients(work, living.patient_pk, gone.patient_pk, "same")
    since = newest(work)
    service.replace_allergies(work, gone.patient_pk, [AllergyInput("Iodine", severe=True)])
    service.replace_coverage(work, gone.patient_pk, CoverageInput(payer_pk, "M1"))
    service.change_patient(work, gone.patient_pk, {"city": "Lynn"})
    record = service.get_patient(work, living.patient_pk)
    assert record.bar.severe_allergy
    assert [coverage.member_id for coverage, _ in record.coverages] == ["M1"]
    assert record.patient.city == "Lynn"
    fields = {
        name for pk in (living, gone) for one in service.history(work, pk.patient_pk) for name in one.changes
    }
    assert {"allergies", "coverage 1", "city"} <= fields
    assert (
        work.session.scalars(select(PatientChange).where(PatientChange.patient_pk == gone.patient_pk)).all()
        == []
    )
    assert {patient_pk for _, action, patient_pk in records(work, since) if action == "U"} == {
        living.patient_pk
    }


def test_what_cannot_be_merged_is_refused_and_nothing_moves(work: Work) -> None:
    one, two, three = (register(work, f"Doe^{n}", n) for n in "ABC")
    with pytest.raises(Invalid):
        service.merge_patients(work, one.patient_pk, one.patient_pk, "same")
    with pytest.raises(Invalid):
        service.merge_patients(work, one.patient_pk, two.patient_pk, "  ")
    with pytest.raises(NotFound):
        service.merge_patients(work, one.patient_pk, 999_999, "same")
    service.merge_patients(work, one.patient_pk, two.patient_pk, "same")
    for survivor, loser, field in (
        (three, two, "merged_patient_pk"),
        (two, three, "surviving_patient_pk"),
        (one, two, "merged_patient_pk"),
    ):
        with pytest.raises(Conflict) as refused:
            service.merge_patients(work, survivor.patient_pk, loser.patient_pk, "same")
        assert refused.value.fields[0].field == field
    assert len(service.get_patient(work, three.patient_pk).identifiers) == 1


def test_a_chain_of_merges_comes_apart_in_the_order_it_was_made(
    work: Work, place: Callable[[Patient], ImagingServiceRequest]
) -> None:
    one, two, three = (register(work, f"Doe^{n}", n) for n in "ABC")
    placed = [place(patient) for patient in (one, two, three)]
    service.merge_patients(work, two.patient_pk, one.patient_pk, "first")
    service.merge_patients(work, three.patient_pk, two.patient_pk, "second")
    assert owner_of(work, *placed) == [three.patient_pk] * 3
    assert service.get_patient(work, one.patient_pk).patient.patient_pk == three.patient_pk
    # Taken out of the middle, its rows would stay with the last survivor under a wrong name.
    with pytest.raises(Conflict):
        service.unmerge_patients(work, one.patient_pk)
    assert owner_of(work, *placed) == [three.patient_pk] * 3
    service.unmerge_patients(work, two.patient_pk)
    assert owner_of(work, *placed) == [two.patient_pk, two.patient_pk, three.patient_pk]
    service.unmerge_patients(work, one.patient_pk)
    assert owner_of(work, *placed) == [one.patient_pk, two.patient_pk, three.patient_pk]
    assert [
        service.get_patient(work, patient.patient_pk).bar.patient_id for patient in (one, two, three)
    ] == ["A", "B", "C"]


def test_opposite_merges_at_once_end_in_one(clean_database: Database) -> None:
    offices = Offices(clean_database)
    with offices.work(Actor.system("test")) as work:
        pks = [register(work, f"Doe^{n}", n).patient_pk for n in "AB"]
    barrier, outcomes = threading.Barrier(2), []

    def merge(survivor: int, loser: int) -> None:
        try:
            with offices.work(Actor.system("test")) as work:
                barrier.wait(10)
                service.merge_patients(work, survivor, loser, "same")
            outcomes.append("merged")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=merge, args=pair) for pair in (pks, pks[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["merged", "refused"]
    with offices.work(Actor.system("test")) as work:
        assert (
            work.session.scalar(
                select(func.count()).select_from(Patient).where(Patient.merged_into_patient_pk.is_(None))
            )
            == 1
        )
        holders = set(work.session.scalars(select(PatientIdentifier.patient_pk)))
        assert len(holders) == 1
        work.audit(AuditEventID.QUERY, "E")


# --- over HTTP ------------------------------------------------------------------------------------------------


def test_the_desk_over_http(api: Any) -> None:
    desk = api.as_role("front_desk")
    made = desk.post("/api/patients", json={"patient_name": "Müller^Jörg", "patient_birth_date": "1960-12-31",
                                            "patient_sex": "M",
                                            "identifiers": [{"patient_id": "A1", "issuer_of_patient_id": "CITY"}]})  # fmt: skip
    assert made.status_code == 201, made.text
    pk = made.json()["patient"]["patient_pk"]
    again = desk.post("/api/patients", json={"patient_name": "Other^Person",
                                             "identifiers": [{"patient_id": "A1", "issuer_of_patient_id": "CITY"}]})  # fmt: skip
    assert again.status_code == 409
    assert "Müller" not in again.text
    assert desk.post("/api/patients/find", json={"text": "mueller"}).json()["total"] == 1
    seen = desk.post("/api/patients/duplicates",
                     json={"patient_name": "Muller^Jorg", "patient_birth_date": "1960-12-31"}).json()  # fmt: skip
    assert [one["found"]["bar"]["patient_pk"] for one in seen["items"]] == [pk]
    unknown = desk.post("/api/patients/unknown", json={"patient_sex": "M"}).json()["patient"]["patient_pk"]
    assert desk.post(f"/api/patients/{pk}/merge", json={"merged_patient_pk": unknown, "reason": "known now"}).status_code == 200  # fmt: skip
    assert desk.get(f"/api/patients/{unknown}").json()["patient"]["patient_pk"] == pk
    assert desk.post(f"/api/patients/{unknown}/unmerge").status_code == 200
    assert desk.get(f"/api/patients/{unknown}").json()["patient"]["patient_pk"] == unknown
    assert desk.patch(f"/api/patients/{pk}", json={"patient_sex": "W"}).status_code == 422
    assert desk.patch(f"/api/patients/{pk}", json={"nonsense": 1}).status_code == 422
    assert desk.get("/api/patients/999999").status_code == 404
    reader = api.as_role("radiologist")
    assert reader.get(f"/api/patients/{pk}").status_code == 200
    assert reader.patch(f"/api/patients/{pk}", json={"city": "Lynn"}).status_code == 403
