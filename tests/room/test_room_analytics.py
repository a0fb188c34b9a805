"""The manager's page: moments in, right figures out, by each site's clock; each figure opens just its cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from common import Api
from wetread.analytics import rules
from wetread.archive.model import Quarantine, Study
from wetread.kit.clock import FixedClock
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.service import IdentifierInput, PatientInput, register_patient
from wetread.reporting.model import Report, ReportProcedure, ReportVersion
from wetread.scheduling.model import Appointment, ModalityResource, StudyLink
from wetread.security.model import AuditRecord, Site, User
from wetread.security.service import Actor, AuditEventID, Offices, Work

# The house's clock stands at 2026-11-25 03:00 UTC: 22:00 on the 24th in New York, 12:00 on the 25th in Tokyo.
DAY = date(2026, 11, 24)
NEW_YORK = ZoneInfo("America/New_York")


def at(hour: int, minute: int = 0, *, day: date = DAY, zone: ZoneInfo = NEW_YORK) -> datetime:
    """Wall time of the site as an instant."""
    return datetime.combine(day, time(hour, minute), zone).astimezone(UTC)


@dataclass
class Way:
    """The moments of one case; what is left out did not happen."""

    ordered: datetime
    booked: datetime | None = None
    image: datetime | None = None
    preliminary: datetime | None = None
    final: datetime | None = None


class House:
    """A hospital whose cases are laid down moment by moment."""

    def __init__(self, work: Work) -> None:
        self.work, self.number = work, 0
        self.sites = {
            code: Site(code=code, institution_name=code, time_zone=zone)
            for code, zone in (("NYC", "America/New_York"), ("TYO", "Asia/Tokyo"))
        }
        self.reader = User(
            username="reader", display_name="Reader", roles=["radiologist"], created_at=work.now()
        )
        self.procedures = {
            modality: Procedure(
                code_value=modality, coding_scheme_designator="99W", code_meaning=f"{modality} head", modality=modality,
                duration_minutes=15,
            )
            for modality in ("CT", "MR")
        }  # fmt: skip
        work.session.add_all([*self.sites.values(), self.reader, *self.procedures.values()])
        work.session.flush()
        self.scanners = {
            code: ModalityResource(
                site_pk=site.site_pk, name=code, station_name=code, station_ae_title=code, modality="CT",
                opens=time(0), closes=time(23), weekdays=[0, 1, 2, 3, 4, 5, 6],
            )
            for code, site in self.sites.items()
        }  # fmt: skip
        work.session.add_all(self.scanners.values())
        self.patient = register_patient(work, PatientInput("Doe^Jane", [IdentifierInput("P1", "HOSPITAL")]))
        work.session.flush()

    def case(
        self,
        way: Way,
        *,
        priority: str = "ROUTINE",
        modality: str = "CT",
        site: str = "NYC",
        state: str | None = None,
        changed: datetime | None = None,
    ) -> RequestedProcedure:
        session, self.number = self.work.session, self.number + 1
        request = ImagingServiceRequest(
            patient_pk=self.patient.patient_pk, site_pk=self.sites[site].site_pk,
            accession_number=f"A{self.number}", issuer_of_accession_number="W", ordered_at=way.ordered,
            ordered_by="test",
        )  # fmt: skip
        session.add(request)
        session.flush()
        state = state or ("COMPLETED" if way.image else "SCHEDULED" if way.booked else "REQUESTED")
        requested = RequestedProcedure(
            imaging_service_request_pk=request.imaging_service_request_pk,
            procedure_pk=self.procedures[modality].procedure_pk, requested_procedure_id=f"R{self.number}",
            study_instance_uid=f"1.2.{self.number}", requested_procedure_description=f"{modality} head",
            requested_procedure_priority=priority, state=state,
            state_changed_at=changed or way.image or way.booked or way.ordered,
        )  # fmt: skip
        session.add(requested)
        session.flush()
        if way.booked:
            self.appointment(requested, way.booked + timedelta(hours=1), booked=way.booked, site=site)
        if way.image:
            self.images(way.image, requested)
        self.sign(requested, request.site_pk, way)
        return requested

    def appointment(
        self,
        requested: RequestedProcedure,
        starts: datetime,
        *,
        booked: datetime,
        state: str = "fulfilled",
        site: str = "NYC",
        reason: str | None = None,
    ) -> None:
        self.work.session.add(
            Appointment(
                modality_resource_pk=self.scanners[site].modality_resource_pk,
                requested_procedure_pk=requested.requested_procedure_pk, starts_at=starts,
                ends_at=starts + timedelta(minutes=15), state=state, booked_at=booked, booked_by="test",
                overbook_reason="test", cancel_reason=reason,
            )
        )  # fmt: skip
        self.work.session.flush()

    def images(self, moment: datetime, requested: RequestedProcedure | None) -> Study:
        self.number += 1
        study = Study(
            study_instance_uid=f"1.3.{self.number}", received_attributes={}, created_at=moment,
            study_description="Study", modalities_in_study=["CT"], patient_name="Roe^Rita",
        )  # fmt: skip
        self.work.session.add(study)
        self.work.session.flush()
        self.work.session.add(
            StudyLink(
                study_pk=study.study_pk,
                requested_procedure_pk=requested.requested_procedure_pk if requested else None,
                state="matched" if requested else "unmatched", linked_at=moment, linked_by="test",
            )
        )  # fmt: skip
        self.work.session.flush()
        return study

    def sign(self, requested: RequestedProcedure, site_pk: int, way: Way) -> None:
        signed = [
            (kind, moment)
            for kind, moment in (("preliminary", way.preliminary), ("final", way.final))
            if moment
        ]
        if not signed:
            return
        report = Report(
            patient_pk=self.patient.patient_pk, site_pk=site_pk, state=signed[-1][0], template_key="ct",
            created_at=signed[0][1],
        )  # fmt: skip
        self.work.session.add(report)
        self.work.session.flush()
        self.work.session.add(
            ReportProcedure(
                requested_procedure_pk=requested.requested_procedure_pk, report_pk=report.report_pk
            )
        )
        self.work.session.add_all(
            ReportVersion(
                report_pk=report.report_pk, version_number=number, kind=kind, sections={},
                signed_by_user_pk=self.reader.user_pk, signed_by_name="Reader", signed_at=moment,
                content_sha256=b"x",
            )
            for number, (kind, moment) in enumerate(signed, 1)
        )  # fmt: skip
        self.work.session.flush()


@pytest.fixture
def house(work: Work) -> House:
    work.audit(AuditEventID.APPLICATION_ACTIVITY, "C")
    return House(work)


@pytest.fixture
def manager(api: Api, house: House) -> Api:
    return api.as_role("manager")


def page(manager: Api, query: str = "") -> dict:
    answer = manager.get(f"/api/analytics/today{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def opened(manager: Api, figure: str, query: str = "") -> list[dict]:
    answer = manager.get(f"/api/analytics/today/cases?figure={figure}{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def accessions(manager: Api, figure: str, query: str = "") -> list[str]:
    return [one["accession_number"] for one in opened(manager, figure, query)]


def segments(shown: dict) -> dict[str, dict]:
    return {one["name"]: one for one in shown["turnaround"]}


def test_turnaround_is_measured_over_the_cases_that_reached_its_end_on_the_day(
    manager: Api, house: House
) -> None:
    # acquired → final: 10, 20, 30, 40, 100 minutes, of which 20 and 100 are STAT.
    for minutes, priority in ((10, "ROUTINE"), (20, "STAT"), (30, "ROUTINE"), (40, "HIGH"), (100, "STAT")):
        house.case(
            Way(at(8), at(8, 5), at(9), at(9, 5), at(9) + timedelta(minutes=minutes)), priority=priority
        )
    # Final on the day before and on the day after: neither counts.
    yesterday = DAY - timedelta(days=1)
    house.case(Way(at(8, day=yesterday), None, at(9, day=yesterday), None, at(23, 59, day=yesterday)))
    tomorrow = at(0, 0, day=DAY + timedelta(days=1))
    house.case(Way(at(8), at(8, 15), at(9, 15), None, tomorrow))
    found = segments(page(manager))
    assert found["acquired_to_final"]["all"] == {
        "count": 5, "median_s": 30 * 60, "p90_s": pytest.approx(76 * 60), "left_out": 0,
    }  # fmt: skip
    assert found["acquired_to_final"]["stat"] == {
        "count": 2, "median_s": 60 * 60, "p90_s": pytest.approx(92 * 60), "left_out": 0,
    }  # fmt: skip
    assert found["ordered_to_scheduled"]["all"] == {
        "count": 6, "median_s": 5 * 60, "p90_s": 10 * 60, "left_out": 0,
    }  # fmt: skip
    assert found["scheduled_to_acquired"]["all"]["median_s"] == 55 * 60
    assert found["acquired_to_first_report"]["all"]["count"] == 5
    assert found["acquired_to_first_report"]["all"]["median_s"] == 5 * 60
    assert found["first_report_to_final"]["all"]["median_s"] == 25 * 60
    assert found["ordered_to_final"]["all"]["median_s"] == 90 * 60
    # The day before knows its own.
    assert segments(page(manager, f"?day={yesterday}"))["acquired_to_final"]["all"]["median_s"] == 899 * 60
    longest = opened(manager, "acquired_to_final")
    assert [one["span_s"] / 60 for one in longest] == [100, 40, 30, 20, 10]
    assert [one["span_s"] / 60 for one in opened(manager, "acquired_to_final", "&priority=STAT")] == [100, 20]


def test_images_before_the_order_measure_nothing_and_are_counted_apart(manager: Api, house: House) -> None:
    house.case(Way(at(10), None, at(9), None, at(9, 30)))
    house.case(Way(at(10), None, at(10, 30), None, at(11)))
    found = segments(page(manager))["ordered_to_final"]["all"]
    assert found == {"count": 1, "median_s": 3600, "p90_s": 3600, "left_out": 1}
    # Both are opened: the one that was left out is the one to look at.
    assert len(opened(manager, "ordered_to_final")) == 2


def test_volumes_by_modality_priority_site_and_hour_of_the_sites_clock(manager: Api, house: House) -> None:
    house.case(Way(at(0, 0)), priority="STAT")
    house.case(Way(at(8, 59), None, at(9, 0), None, at(23, 59)), modality="MR")
    house.case(Way(at(9, 0), None, at(9, 59)))
    house.case(Way(at(23, 59, day=DAY - timedelta(days=1)), None, at(0, 1)))
    shown = page(manager, f"?day={DAY}")
    assert (shown["ordered"], shown["acquired"], shown["final"]) == (3, 3, 1)
    groups = {
        name: {one["key"]: (one["ordered"], one["acquired"], one["final"]) for one in shown[f"by_{name}"]}
        for name in ("modality", "site", "priority")
    }
    assert groups == {
        "modality": {"CT": (2, 2, 0), "MR": (1, 1, 1)},
        "site": {"NYC": (3, 3, 1)},
        "priority": {"STAT": (1, 0, 0), "ROUTINE": (2, 3, 1)},
    }
    hours = {
        one["hour"]: (one["ordered"], one["acquired"], one["final"])
        for one in shown["by_hour"]
        if one["ordered"] or one["acquired"] or one["final"]
    }
    assert hours == {0: (1, 1, 0), 8: (1, 0, 0), 9: (1, 2, 0), 23: (0, 0, 1)}
    assert len(shown["by_hour"]) == 24
    assert accessions(manager, "acquired", "&hour=9") == ["A4", "A2"]
    assert accessions(manager, "ordered", "&modality=MR") == ["A2"]
    assert accessions(manager, "acquired", "&priority=STAT") == []
    assert accessions(manager, "ordered", "&site_code=TYO") == []


def test_each_site_has_its_own_day(manager: Api, house: House) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    house.case(Way(at(23, 30)), site="NYC")  # 13:30 on the 25th in Tokyo
    house.case(Way(at(0, 30, zone=tokyo)), site="TYO")  # 10:30 on the 23rd in New York
    house.case(Way(at(0, 30, zone=tokyo, day=DAY + timedelta(days=1))), site="TYO")
    both = page(manager, f"?day={DAY}")
    assert both["ordered"] == 2 and {one["hour"] for one in both["by_hour"] if one["ordered"]} == {0, 23}
    pks = {one["code"]: one["site_pk"] for one in both["sites"]}
    # Left out, the day is the present one of the site: it is the 25th in Tokyo already.
    shown = page(manager, f"?site_pk={pks['TYO']}")
    assert (shown["day"], shown["is_today"], shown["ordered"]) == ("2026-11-25", True, 1)
    shown = page(manager, f"?site_pk={pks['NYC']}")
    assert (shown["day"], shown["is_today"], shown["ordered"]) == ("2026-11-24", True, 1)
    assert page(manager, f"?day={DAY - timedelta(days=1)}")["is_today"] is False


def test_the_day_of_a_clock_change_has_as_many_hours_as_it_has(manager: Api, house: House) -> None:
    # 2026-11-01 in New York: 25 hours, 01:30 comes twice.
    long_day = date(2026, 11, 1)
    for moment in (
        datetime(2026, 11, 1, 4, 0, tzinfo=UTC),  # 00:00, the first instant
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # 01:30 for the first time
        datetime(2026, 11, 1, 6, 30, tzinfo=UTC),  # 01:30 for the second
        datetime(2026, 11, 2, 4, 59, tzinfo=UTC),  # 23:59
        datetime(2026, 11, 2, 5, 0, tzinfo=UTC),  # the next day
        datetime(2026, 11, 1, 3, 59, tzinfo=UTC),  # the day before
    ):
        house.case(Way(moment))
    shown = page(manager, f"?day={long_day}")
    assert shown["ordered"] == 4
    assert {one["hour"]: one["ordered"] for one in shown["by_hour"] if one["ordered"]} == {0: 1, 1: 2, 23: 1}


def test_appointments_of_the_day_by_what_became_of_them(manager: Api, house: House) -> None:
    requested = house.case(Way(at(7)))
    booked = at(7, 30)
    for hour, state, reason in (
        (8, "fulfilled", None), (9, "noshow", "no-show"), (10, "cancelled", "scanner down"), (11, "booked", None),
        (12, "arrived", None), (13, "noshow", "no-show"),
    ):  # fmt: skip
        house.appointment(requested, at(hour), booked=booked, state=state, reason=reason)
    house.appointment(requested, at(9, day=DAY + timedelta(days=1)), booked=booked, state="noshow")
    assert page(manager)["appointments"] == {"total": 6, "kept": 2, "no_show": 2, "canceled": 1}
    missed = opened(manager, "no_show")
    assert [(one["state"], one["moment"][:16]) for one in missed] == [
        ("noshow", "2026-11-24T18:00"), ("noshow", "2026-11-24T14:00"),
    ]  # fmt: skip
    assert [one["note"] for one in opened(manager, "appointment_canceled")] == ["scanner down"]
    assert len(opened(manager, "appointments")) == 6


def test_orders_that_ended_otherwise(manager: Api, house: House) -> None:
    house.case(Way(at(7, day=DAY - timedelta(days=3))), state="CANCELED", changed=at(10))
    house.case(Way(at(7)), state="DISCONTINUED", changed=at(11))
    house.case(
        Way(at(7, day=DAY - timedelta(days=3))), state="CANCELED", changed=at(10, day=DAY - timedelta(days=2))
    )
    shown = page(manager)
    assert (shown["order_canceled"], shown["discontinued"], shown["ordered"]) == (1, 1, 1)
    assert accessions(manager, "order_canceled") == ["A1"]


def test_what_waits_now_whatever_the_day(manager: Api, house: House) -> None:
    week = DAY - timedelta(days=7)
    house.case(Way(at(8, day=week), None, at(9, day=week)))
    house.case(Way(at(19), None, at(20)), priority="STAT")  # two hours ago; an hour is allowed
    house.case(Way(at(19), None, at(21, 30)), priority="STAT")
    house.case(Way(at(19), None, at(20), at(21)), priority="HIGH")  # preliminary, within its four hours
    house.case(Way(at(19), None, at(20), None, at(21)))
    house.case(Way(at(19), None, at(20)), state="CANCELED")
    house.case(Way(at(19), at(19, 30)))
    house.case(Way(at(19)))
    house.case(Way(at(19), at(19, 30)), state="IN PROGRESS")
    house.images(at(12), None)
    house.images(at(11), None)
    house.work.session.add(
        Quarantine(reason="content-differs", detail="x", received_from="CT1", received_at=at(13))
    )
    house.work.session.add(
        Quarantine(
            reason="unreadable", detail="x", received_from="CT1", received_at=at(1), resolution="discarded"
        )
    )
    house.work.session.flush()
    now = page(manager, f"?day={DAY - timedelta(days=30)}")["now"]
    assert {name: value for name, value in now.items() if not name.endswith("_at")} == {
        "requested": 1, "scheduled": 1, "in_progress": 1, "waiting": 3, "waiting_stat": 2, "waiting_overdue": 2,
        "waiting_preliminary": 1, "unmatched": 2, "quarantined": 1,
    }  # fmt: skip
    moments = {name: datetime.fromisoformat(value) for name, value in now.items() if name.endswith("_at")}
    assert moments == {
        "waiting_oldest_at": at(9, day=week), "waiting_oldest_stat_at": at(20), "unmatched_oldest_at": at(11),
        "quarantined_oldest_at": at(13),
    }  # fmt: skip
    assert len(opened(manager, "waiting", "&priority=STAT")) == 2
    unmatched = opened(manager, "unmatched")
    assert [one["patient_name"] for one in unmatched] == [None, None], "whose they are is not known"
    (held,) = opened(manager, "quarantined")
    assert (held["description"], held["note"]) == ("Object from CT1", "content-differs")


def test_service_levels_count_what_became_final_in_time(manager: Api, house: House) -> None:
    for minutes in (59, 60, 61):
        house.case(Way(at(8), None, at(9), None, at(9) + timedelta(minutes=minutes)), priority="STAT")
    house.case(Way(at(8), None, at(9), None, at(13, 1)), priority="HIGH")
    levels = {one["priority"]: one for one in page(manager)["service_levels"]}
    assert (levels["STAT"]["met"], levels["STAT"]["missed"], levels["STAT"]["allowed_s"]) == (2, 1, 3600)
    assert (levels["HIGH"]["met"], levels["HIGH"]["missed"]) == (0, 1)
    assert (levels["ROUTINE"]["met"], levels["ROUTINE"]["missed"]) == (0, 0)
    (late,) = opened(manager, "service_level_missed", "&priority=STAT")
    assert late["span_s"] == 61 * 60


def test_every_figure_opens_as_many_cases_as_it_counts(manager: Api, house: House) -> None:
    for number in range(12):
        start = at(6 + number)
        way = Way(start, start + timedelta(minutes=7), start + timedelta(minutes=40))
        if number % 2:
            way.preliminary = start + timedelta(minutes=50)
        if number % 3:
            way.final = start + timedelta(minutes=70 + number)
        house.case(
            way, priority=("STAT", "HIGH", "ROUTINE")[number % 3], modality=("CT", "MR")[number % 2],
            state=("COMPLETED", "IN PROGRESS", "DISCONTINUED")[number % 3],
        )  # fmt: skip
    house.images(at(12), None)
    shown = page(manager)
    counts = {figure: shown[figure] for figure in (*rules.VOLUMES, *rules.ENDED)}
    counts |= {name: one["all"]["count"] + one["all"]["left_out"] for name, one in segments(shown).items()}
    counts |= {
        "appointments": shown["appointments"]["total"], "kept": shown["appointments"]["kept"],
        "no_show": shown["appointments"]["no_show"], "appointment_canceled": shown["appointments"]["canceled"],
        "service_level_met": sum(one["met"] for one in shown["service_levels"]),
        "service_level_missed": sum(one["missed"] for one in shown["service_levels"]),
    }  # fmt: skip
    now = shown["now"]
    counts |= {f"now_{name}": now[name] for name in ("requested", "scheduled", "in_progress")}
    counts |= {
        name: now[name]
        for name in ("waiting", "waiting_overdue", "waiting_preliminary", "unmatched", "quarantined")
    }
    assert set(counts) == set(rules.FIGURES)
    assert {figure: len(opened(manager, figure)) for figure in counts} == counts
    assert sum(counts.values()) > 80
    for name in ("modality", "site", "priority"):
        for figure in ("ordered", "acquired", "final"):
            assert sum(one[figure] for one in shown[f"by_{name}"]) == shown[figure]
    for figure in ("ordered", "acquired", "final"):
        assert sum(one[figure] for one in shown["by_hour"]) == shown[figure]


def test_cases_come_in_pages_without_gap_or_repetition(manager: Api, house: House) -> None:
    for number in range(7):
        house.case(Way(at(8), None, at(9), None, at(9, 10 * (number // 2))))
    for figure in ("acquired_to_final", "acquired"):
        whole, pages, cursor = accessions(manager, figure), [], ""
        while True:
            answer = manager.get(f"/api/analytics/today/cases?figure={figure}&limit=2{cursor}").json()
            pages += [one["accession_number"] for one in answer["items"]]
            if answer["next_cursor"] is None:
                break
            cursor = f"&cursor={answer['next_cursor']}"
        assert pages == whole and len(set(whole)) == 7


def test_an_empty_day_has_no_figures_and_no_percentiles(manager: Api) -> None:
    shown = page(manager, "?day=2020-02-29")
    assert shown["ordered"] == 0 and shown["by_modality"] == []
    assert all(
        one[group] == {"count": 0, "median_s": None, "p90_s": None, "left_out": 0}
        for one in shown["turnaround"]
        for group in ("all", "stat")
    )


def test_a_person_of_one_site_sees_its_figures_alone(api: Api, house: House, offices: Offices) -> None:
    house.case(Way(at(8)), site="NYC")
    tokyo = house.sites["TYO"].site_pk
    narrow = api.as_role("manager", site_pks=[tokyo])
    shown = page(narrow, f"?day={DAY}")
    assert shown["ordered"] == 0 and [one["code"] for one in shown["sites"]] == ["TYO"]
    assert narrow.get(f"/api/analytics/today?site_pk={house.sites['NYC'].site_pk}").status_code == 404
    assert accessions(narrow, "ordered", f"&day={DAY}") == []


def test_what_is_asked_wrongly_is_refused(manager: Api) -> None:
    for query in (
        "figure=nonsense",
        "figure=ordered&cursor=rubbish",
        "figure=ordered&hour=24",
        "figure=final&day=x",
    ):
        assert manager.get(f"/api/analytics/today/cases?{query}").status_code == 422, query
    assert manager.get("/api/analytics/today?site_pk=99999").status_code == 404


def test_only_managers_see_the_page_and_each_look_is_recorded(
    api: Api, manager: Api, house: House, clock: FixedClock
) -> None:
    for role in ("radiologist", "referrer", "technologist", "front_desk", "biller"):
        assert api.as_role(role).get("/api/analytics/today").status_code == 403
    house.case(Way(at(8)))
    page(manager)
    opened(manager, "ordered")
    with api.offices.work(Actor.system("test")) as work:
        looks = work.session.scalars(
            select(AuditRecord).where(AuditRecord.object_type.in_(("figures of a day", "cases of a figure")))
        ).all()
        assert [(one.object_type, (one.detail or {}).get("figure")) for one in looks] == [
            ("figures of a day", None), ("cases of a figure", "ordered"),
        ]  # fmt: skip
