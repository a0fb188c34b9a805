"""Modality Worklist (PS3.4 K.6): each key by its own kind of matching, and exactly the keys that were asked for back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from wetread.archive.model import Study
from wetread.dicom.uid import new_uid
from wetread.kit.errors import Invalid
from wetread.orders.service import cancel_order
from wetread.patients.service import AllergyInput, replace_allergies
from wetread.scheduling import service, worklist
from wetread.scheduling.model import ScheduledProcedureStep, StudyLink
from wetread.scheduling.rules import StepMove
from wetread.security.service import Work

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def asked(step: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """An identifier: `_tag=value` for keys of the request, `step` for those in the step's sequence."""

    def of(given: dict[str, Any]) -> dict[str, Any]:
        return {
            tag.lstrip("_"): {"vr": _vr(tag.lstrip("_")), **({"Value": [_json(tag, value)]} if value else {})}
            for tag, value in given.items()
        }

    return {**of(keys), "00400100": {"vr": "SQ", "Value": [of(step or {})]}}


def _vr(tag: str) -> str:
    return {"00100010": "PN", "00080090": "PN", "00400006": "PN", "0020000D": "UI"}.get(tag, "LO")


def _json(tag: str, value: str) -> Any:
    return {"Alphabetic": value} if _vr(tag.lstrip("_")) == "PN" else value


def found(hospital: Any, step: dict[str, Any] | None = None, **keys: Any) -> list[str]:
    items = service.worklist_items(hospital.work, asked(step, **{"_00100020": "", **keys}))
    return [item["00100020"]["Value"][0] for item in items]


@pytest.fixture
def listed(hospital: Any) -> Any:
    """P1 Müller on CT1 at 07:00, P2 Yamada on CT2 at 09:30, P3 Doe on the MR the next day, P4 in the west at 16:30."""
    for name, code, scanner, at in (
        ("Müller^Jörg", "CTHEAD", hospital.ct1, AT),
        (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "CTCHEST",
            hospital.ct2,
            AT + timedelta(hours=2, minutes=30),
        ),
        ("Doe^Jane^Ann", "MRHEAD", hospital.mr, AT + timedelta(days=1)),
        ("Doe^John", "CTHEAD", hospital.ct_west, AT + timedelta(hours=12, minutes=30)),
    ):
        site = hospital.west if scanner == hospital.ct_west else hospital.east
        (requested,) = hospital.order(hospital.patient(name), code, site_pk=site)
        service.schedule(hospital.work, requested.requested_procedure_pk, scanner, at)
    return hospital


ALL = ["P1", "P2", "P4", "P3"]


@pytest.mark.parametrize(
    ("step", "keys", "who"),
    [
        ({}, {}, ALL),
        ({"_00400001": "EAST_CT1"}, {}, ["P1"]),
        ({"_00400001": "EAST_CT?"}, {}, ["P1", "P2"]),
        ({"_00400001": "EAST_CT1\\EAST_CT2"}, {}, ["P1", "P2"]),
        ({"_00400001": "NOWHERE"}, {}, []),
        ({"_00080060": "MR"}, {}, ["P3"]),
        ({"_00080060": "CT"}, {}, ["P1", "P2", "P4"]),
        ({"_00080060": "*"}, {}, ALL),
        # Dates and times are wall time of the site: 16:30 on the 25th in Los Angeles is the 26th in UTC.
        ({"_00400002": "20261125"}, {}, ["P1", "P2", "P4"]),
        ({"_00400002": "20261126"}, {}, ["P3"]),
        ({"_00400002": "20261126-"}, {}, ["P3"]),
        ({"_00400002": "-20261125"}, {}, ["P1", "P2", "P4"]),
        ({"_00400002": "20261125-20261126"}, {}, ALL),
        ({"_00400002": "20261127-20261130"}, {}, []),
        ({"_00400003": "0700"}, {}, ["P1", "P3"]),
        ({"_00400003": "090000-100000"}, {}, ["P2"]),
        ({"_00400003": "09-0930"}, {}, ["P2"]),
        ({"_00400003": "16-"}, {}, ["P4"]),
        ({"_00400003": "-0929"}, {}, ["P1", "P3"]),
        ({"_00400002": "20261125", "_00400003": "0700-0800", "_00080060": "CT"}, {}, ["P1"]),
        ({}, {"_00100010": "Müller^Jörg"}, ["P1"]),
        ({}, {"_00100010": "MÜLLER*"}, ["P1"]),
        ({}, {"_00100010": "Mueller*"}, ["P1"]),
        ({}, {"_00100010": "doe^*"}, ["P4", "P3"]),
        ({}, {"_00100010": "Doe^Jane"}, []),
        ({}, {"_00100010": "Doe^Jane*"}, ["P3"]),
        ({}, {"_00100010": "D?e^John"}, ["P4"]),
        ({}, {"_00100010": "山田*"}, ["P2"]),
        ({}, {"_00100010": "=山田^太郎"}, ["P2"]),
        ({}, {"_00100010": "=山田^*"}, ["P2"]),
        ({}, {"_00100010": "Yamada^Tarou=山田^太郎"}, ["P2"]),
        ({}, {"_00100010": "Yamada^Tarou=山本^太郎"}, []),
        ({}, {"_00100010": "==やまだ*"}, ["P2"]),
        ({}, {"_00100010": "Yamada^Tarou"}, ["P2"]),
        ({}, {"_00100010": "*"}, ALL),
        ({}, {"_00100010": "[a-z]*"}, []),
        ({"_00080060": "CT"}, {"_00100010": "Doe*"}, ["P4"]),
    ],
)
def test_matching(listed: Any, step: dict[str, str], keys: dict[str, str], who: list[str]) -> None:
    assert found(listed, step, **keys) == who


@pytest.mark.parametrize("number", ["P2", "P?", "P*", "P9", "p2"])
def test_matching_by_number(listed: Any, number: str) -> None:
    expected = {"P2": ["P2"], "P?": ALL, "P*": ALL}.get(number, [])
    assert found(listed, _00100020=number) == expected


def test_matching_by_what_the_worklist_itself_gave(listed: Any) -> None:
    whole = service.worklist_items(
        listed.work,
        asked({"_00400009": ""}, _00080050="", _0020000D="", _00401001="", _00100020="P2"),
    )[0]
    step = whole["00400100"]["Value"][0]
    for tag in ("00080050", "0020000D", "00401001"):
        assert found(listed, **{f"_{tag}": whole[tag]["Value"][0]}) == ["P2"]
    assert found(listed, {"_00400009": step["00400009"]["Value"][0]}) == ["P2"]
    accession = whole["00080050"]["Value"][0]
    # The fourth order is of the western site, whose numbers begin otherwise.
    assert found(listed, _00080050=accession[:-1] + "?") == ["P1", "P2", "P3"]
    assert found(listed, _00080050=accession.lower()) == []


@pytest.mark.parametrize(
    "step", [{"_00400002": "2026*"}, {"_00400002": "-"}, {"_00400002": "tomorrow"}, {"_00400003": "noon"}]
)
def test_a_malformed_date_or_time_is_refused_not_ignored(listed: Any, step: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        found(listed, step)


def test_only_what_can_be_taken_is_offered(listed: Any) -> None:
    items = service.worklist_items(listed.work, asked({"_00400009": "", "_00400020": ""}))
    assert {item["00400100"]["Value"][0]["00400020"]["Value"][0] for item in items} == {"SCHEDULED"}
    steps = {one.patient.patient_id: one for one in service.tracking_board(listed.work)}
    service.act_on_step(listed.work, steps["P1"].scheduled_procedure_step_pk, StepMove.ARRIVE)
    service.act_on_step(listed.work, steps["P2"].scheduled_procedure_step_pk, StepMove.START)
    assert found(listed) == ["P1", "P4", "P3"]
    assert found(listed, {"_00400020": "ARRIVED"}) == ["P1"]
    assert found(listed, {"_00400020": "STARTED"}) == ["P2"]
    # Cancelled: gone at once, not when a job has run.
    cancel_order(listed.work, steps["P1"].imaging_service_request_pk, "not needed")
    assert found(listed) == ["P4", "P3"]


def test_exactly_the_keys_asked_for_come_back(listed: Any) -> None:
    keys = {
        **asked(
            {"_00400001": "EAST_CT1", "_00400012": "", "_00400011": ""},
            _00100010="",
            _00100030="",
            _00380050="",
        ),
        "00321064": {"vr": "SQ"},
        "00081110": {"vr": "SQ"},
        "00189999": {"vr": "LO"},
    }
    (item,) = service.worklist_items(listed.work, keys)
    assert set(item) == {
        "00080005",
        "00100010",
        "00100030",
        "00380050",
        "00321064",
        "00081110",
        "00189999",
        "00400100",
    }
    assert item["00080005"]["Value"] == ["ISO_IR 192"]
    assert item["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert item["00100030"]["Value"] == ["19800304"]
    # Asked for without items it comes whole; what is not known here, or empty, comes empty.
    assert item["00321064"]["Value"][0]["00080100"]["Value"] == ["CTHEAD"]
    for empty in ("00380050", "00081110", "00189999"):
        assert "Value" not in item[empty]
    (step,) = item["00400100"]["Value"]
    assert set(step) == {"00400001", "00400012", "00400011"}
    assert step["00400001"]["Value"] == ["EAST_CT1"]
    assert "Value" not in step["00400012"]


def test_every_key_of_table_k_6_1_has_its_value_or_is_empty(listed: Any) -> None:
    patient_pk = next(
        one.patient.patient_pk
        for one in service.tracking_board(listed.work)
        if one.patient.patient_id == "P1"
    )
    substances = [f"Substance number {number} with quite a long name" for number in range(3)]
    replace_allergies(
        listed.work, patient_pk, [*map(AllergyInput, substances), AllergyInput("Iodine", severe=True)]
    )
    step_tags = ("00400001", "00400002", "00400003", "00080060", "00400006", "00400007", "00400008", "00400009",
                 "00400010", "00400011", "00400012", "00321070", "00400020")  # fmt: skip
    tags = ("00401001", "00321060", "00321064", "0020000D", "00081110", "00401003", "00401004", "00080050", "00321032",
            "00080090", "00380010", "00380300", "00081120", "00100010", "00100020", "00100030", "00100040", "00101030",
            "00403001", "00380500", "001021C0", "00102000", "00102110", "00380050")  # fmt: skip
    identifier = {
        tag: {"vr": "SQ" if tag in ("00321064", "00081110", "00081120") else _vr(tag)} for tag in tags
    }
    identifier["00100020"] = {"vr": "LO", "Value": ["P1"]}
    identifier["00400100"] = {"vr": "SQ", "Value": [{tag: {"vr": _vr(tag)} for tag in step_tags}]}
    (item,) = service.worklist_items(listed.work, identifier)
    assert set(tags) <= set(item)
    for required in (
        "00401001",
        "00321060",
        "0020000D",
        "00080050",
        "00100010",
        "00100020",
        "00100030",
        "00102110",
    ):
        assert item[required]["Value"][0]
    assert item["00102110"]["Value"] == ["Iodine", *substances]
    (step,) = item["00400100"]["Value"]
    assert set(step) == set(step_tags)
    for required in ("00400001", "00400002", "00400003", "00080060", "00400007", "00400009"):
        assert step[required]["Value"][0]
    assert (step["00400002"]["Value"], step["00400003"]["Value"]) == (["20261125"], ["070000"])
    assert item["00401001"]["Value"][0].isascii() and len(item["00401001"]["Value"][0]) <= 16


def test_no_warning_crowds_out_another_and_no_value_is_longer_than_an_lo(hospital: Any) -> None:
    alert = (
        "Difficult airway, was intubated awake by fibre optics in 2019 and again in 2023; call anaesthesia"
    )
    patient_pk = hospital.patient(medical_alerts=alert, implants="Pacemaker, not MR\\conditional")
    (requested,) = hospital.order(patient_pk, reason_for_the_requested_procedure="Pain L4\\L5")
    service.schedule(hospital.work, requested.requested_procedure_pk, hospital.ct1, AT)
    (item,) = service.worklist_items(hospital.work, asked(_00102000="", _00401002=""))
    alerts = item["00102000"]["Value"]
    assert " ".join(alerts) == f"{alert} Pacemaker, not MR conditional"
    assert len(alerts) == 3 and all(len(one) <= 64 for one in alerts)
    assert item["00401002"]["Value"] == ["Pain L4 L5"]  # VM 1


def test_many_open_steps_hide_nobody_who_is_asked_for(listed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist, "ITEMS_MAX", 1)
    assert found(listed, _00100020="P3") == ["P3"]
    assert found(listed, _00100010="Doe^Jane*") == ["P3"]
    assert len(found(listed)) == 1


def test_times_are_those_of_the_scanner_not_of_the_orderer(hospital: Any) -> None:
    (requested,) = hospital.order(site_pk=hospital.east)
    service.schedule(
        hospital.work, requested.requested_procedure_pk, hospital.ct_west, AT + timedelta(hours=14)
    )
    (item,) = service.worklist_items(
        hospital.work, asked({"_00400002": "20261125", "_00400003": "1700-1900", "_00400001": "WEST_CT1"})
    )
    step = item["00400100"]["Value"][0]
    assert (step["00400002"]["Value"], step["00400003"]["Value"]) == (["20261125"], ["180000"])


def test_a_technologist_may_look_and_a_biller_may_not(listed: Any, work_as: Any) -> None:
    from wetread.kit.errors import Denied

    with work_as("technologist") as work:
        assert len(service.worklist_items(work, asked())) == 4
    with pytest.raises(Denied), work_as("biller") as work:
        service.worklist_items(work, asked())


def test_a_line_names_the_studies_that_hang_on_it_already(listed: Any) -> None:
    """What was moved or came under another UID is found by who takes the next step of the procedure."""
    work: Work = listed.work
    step = work.session.scalars(
        select(ScheduledProcedureStep).where(ScheduledProcedureStep.scheduled_station_ae_title == "EAST_CT1")
    ).one()
    came = new_uid()
    study = Study(
        study_instance_uid=came, patient_name="Other", modalities_in_study=[], received_attributes={}
    )
    work.session.add(study)
    work.session.flush()
    link = StudyLink(
        study_pk=study.study_pk, requested_procedure_pk=step.requested_procedure_pk, state="resolved", linked_at=AT, linked_by="test",
    )  # fmt: skip
    work.session.add(link)
    work.session.flush()
    keys = {"00081110": {"vr": "SQ"}}
    (item,) = service.worklist_items(work, asked({"_00400001": "EAST_CT1"}) | keys)
    (named,) = item["00081110"]["Value"]
    assert named["00081155"]["Value"] == [came]
    (other,) = service.worklist_items(work, asked({"_00400001": "EAST_CT2"}) | keys)
    assert "Value" not in other["00081110"]
