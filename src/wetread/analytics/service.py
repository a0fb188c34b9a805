"""The manager's page of one day, and the cases behind each of its figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from wetread.analytics import rules, store
from wetread.analytics.store import Group, Scope
from wetread.kit import limits
from wetread.kit.errors import FieldError, Invalid, NotFound
from wetread.kit.paging import Page, decode_cursor, encode_cursor
from wetread.security.model import Site
from wetread.security.service import AuditEventID, Permission, Work
from wetread.worklist.rules import SERVICE_LEVEL

__all__ = ["Case", "Group", "Today", "cases", "today"]


@dataclass(frozen=True, slots=True)
class SiteOfDay:
    """A site on the page, with the clock its day goes by."""

    site_pk: int
    code: str
    institution_name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class VolumeOfGroup:
    """How many procedures of one modality, site or priority were ordered, imaged and made final on the day."""

    key: str
    ordered: int
    acquired: int
    final: int


@dataclass(frozen=True, slots=True)
class VolumeOfHour:
    """The same for one hour of the site's clock, 0 to 23."""

    hour: int
    ordered: int
    acquired: int
    final: int


@dataclass(frozen=True, slots=True)
class Measure:
    """Percentiles of a stretch over `count` cases; `left_out` ended before they began and measure nothing."""

    count: int
    median_s: float | None
    p90_s: float | None
    left_out: int


@dataclass(frozen=True, slots=True)
class Turnaround:
    """A stretch of the way, for all cases that reached its end on the day and for the STAT ones among them."""

    name: str
    all: Measure
    stat: Measure


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Reports of one priority that became final on the day: within the time allowed after the first image, or not."""

    priority: str
    allowed_s: int
    met: int
    missed: int


@dataclass(frozen=True, slots=True)
class AppointmentsOfDay:
    """Appointments that would have begun on the day, and what became of them."""

    total: int
    kept: int
    no_show: int
    canceled: int


@dataclass(frozen=True, slots=True)
class Now:
    """How things stand at this moment, whatever the day."""

    requested: int
    scheduled: int
    in_progress: int
    waiting: int
    waiting_stat: int
    waiting_overdue: int
    waiting_preliminary: int
    waiting_oldest_at: datetime | None
    waiting_oldest_stat_at: datetime | None
    unmatched: int
    unmatched_oldest_at: datetime | None
    quarantined: int
    quarantined_oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Today:
    """The page, of `sites`; `every_site` is what could be chosen. Each number's name is a figure that `cases` opens."""

    day: date
    made_at: datetime
    is_today: bool
    site_pk: int | None
    sites: list[SiteOfDay]
    every_site: list[SiteOfDay]
    ordered: int
    scheduled: int
    acquired: int
    first_reported: int
    final: int
    order_canceled: int
    discontinued: int
    by_modality: list[VolumeOfGroup]
    by_site: list[VolumeOfGroup]
    by_priority: list[VolumeOfGroup]
    by_hour: list[VolumeOfHour]
    turnaround: list[Turnaround]
    service_levels: list[ServiceLevel]
    appointments: AppointmentsOfDay
    now: Now


@dataclass(frozen=True, slots=True)
class Case:
    """A case behind a figure: its moments, and how long it took where the figure measures that."""

    case_pk: int
    requested_procedure_pk: int | None
    imaging_service_request_pk: int | None
    accession_number: str | None
    description: str | None
    modality: str | None
    requested_procedure_priority: str | None
    site_code: str | None
    patient_name: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    state: str
    note: str | None
    moment: datetime | None
    span_s: float | None
    ordered_at: datetime | None
    scheduled_at: datetime | None
    acquired_at: datetime | None
    first_report_at: datetime | None
    final_at: datetime | None


def today(work: Work, *, site_pk: int | None = None, day: date | None = None) -> Today:
    """The figures of a day (left out: the present one by the site's clock) at one site or all. Raises NotFound."""
    work.require(Permission.ANALYTICS_READ)
    seen, scope, present = _scope(work, site_pk, day)
    session, now = work.session, work.now()
    row = store.day_row(session, scope, now)
    by_group = store.groups(session, scope, now)
    by_hour = {(one.figure, one.hour): one.count for one in store.hours(session, scope, now)}
    levels = {one.priority: one for one in store.service_levels(session, scope, now)}
    booked = store.appointments_row(session, scope)
    work.audit(
        AuditEventID.QUERY,
        "E",
        object_type="figures of a day",
        detail={"day": scope.day.isoformat(), "sites": ",".join(one.code for one in seen)[:200]},
    )
    return Today(
        scope.day,
        now,
        scope.day == present,
        site_pk,
        [_site(one) for one in seen],
        [_site(one) for one in store.sites(session, work.actor.site_pks)],
        row["ordered"],
        row["scheduled"],
        row["acquired"],
        row["first_reported"],
        row["final"],
        row["order_canceled"],
        row["discontinued"],
        _of(by_group, "modality"),
        _of(by_group, "site_code"),
        sorted(_of(by_group, "priority"), key=lambda one: ("STAT", "HIGH", "ROUTINE").index(one.key)),
        [
            VolumeOfHour(
                hour, *(by_hour.get((figure, hour), 0) for figure in ("ordered", "acquired", "final"))
            )
            for hour in range(24)
        ],
        [
            Turnaround(one.name, _measure(row, one.name, "all"), _measure(row, one.name, "stat"))
            for one in rules.SEGMENTS
        ],
        [
            ServiceLevel(
                priority,
                int(allowed.total_seconds()),
                levels[priority].service_level_met if priority in levels else 0,
                levels[priority].service_level_missed if priority in levels else 0,
            )
            for priority, allowed in SERVICE_LEVEL.items()
        ],
        AppointmentsOfDay(booked.appointments, booked.kept, booked.no_show, booked.appointment_canceled),
        _now(work, scope, now),
    )


def _site(site: Site) -> SiteOfDay:
    return SiteOfDay(site.site_pk, site.code, site.institution_name, site.time_zone)


def _now(work: Work, scope: Scope, now: datetime) -> Now:
    waiting = store.waiting_row(work.session, scope, now)
    standing = store.open_row(work.session, scope)
    unfiled = store.unfiled_row(work.session)
    return Now(
        standing.now_requested,
        standing.now_scheduled,
        standing.now_in_progress,
        waiting.waiting,
        waiting.stat,
        waiting.waiting_overdue,
        waiting.waiting_preliminary,
        waiting.oldest_at,
        waiting.oldest_stat_at,
        unfiled.unmatched,
        unfiled.unmatched_oldest_at,
        unfiled.quarantined,
        unfiled.quarantined_oldest_at,
    )


def _scope(work: Work, site_pk: int | None, day: date | None) -> tuple[list[Site], Scope, date]:
    seen = store.sites(work.session, work.actor.site_pks)
    if site_pk is not None:
        seen = [one for one in seen if one.site_pk == site_pk]
        if not seen:
            raise NotFound("There is no such site.")
    zone = ZoneInfo(seen[0].time_zone) if seen else ZoneInfo("UTC")
    present = work.now().astimezone(zone).date()
    scope = store.scope_of(work.session, day or present, tuple(one.site_pk for one in seen))
    return seen, scope, present


def _of(rows: Any, column: str) -> list[VolumeOfGroup]:
    return [
        VolumeOfGroup(row[column], row["ordered"], row["acquired"], row["final"])
        for row in rows
        if row[column] is not None
    ]


def _measure(row: Any, name: str, group: str) -> Measure:
    def of(part: str) -> Any:
        return row[f"{name}__{group}__{part}"]

    return Measure(of("count"), _seconds(of("median_s")), _seconds(of("p90_s")), of("left_out"))


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)


def cases(
    work: Work,
    figure: str,
    *,
    site_pk: int | None = None,
    day: date | None = None,
    group: Group | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[Case]:
    """The cases that a figure of `today` counts: the longest first where it measures, else the latest first."""
    work.require(Permission.ANALYTICS_READ)
    if figure not in rules.FIGURES:
        raise Invalid("There is no such figure.", fields=[FieldError("figure", "not one of the page's")])
    _, scope, _ = _scope(work, site_pk, day)
    limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
    after = None
    if cursor is not None:
        key, last = decode_cursor(cursor, 2)
        try:
            after = Decimal(str(key)), int(last or 0)
        except (InvalidOperation, ValueError):
            raise Invalid(
                "The page cursor is not one of ours.", fields=[FieldError("cursor", "not valid")]
            ) from None
    rows = store.cases(
        work.session, scope, figure, group or Group(), work.now(), limit=limit + 1, after=after
    )
    work.audit(
        AuditEventID.QUERY,
        "E",
        object_type="cases of a figure",
        detail={"figure": figure, "day": scope.day.isoformat(), "shown": str(min(len(rows), limit))},
    )
    shown = rows[:limit]
    following = encode_cursor(str(shown[-1].sort_key), shown[-1].case_pk) if len(rows) > limit else None
    return Page([_case(row) for row in shown], following)


def _case(row: Any) -> Case:
    return Case(
        row.case_pk,
        row.requested_procedure_pk,
        row.imaging_service_request_pk,
        row.accession_number,
        row.description,
        row.modality,
        row.priority,
        row.site_code,
        row.patient_name,
        row.patient_id,
        row.issuer_of_patient_id,
        row.state,
        row.note,
        row.moment,
        _seconds(row.span_s),
        row.ordered_at,
        row.scheduled_at,
        row.acquired_at,
        row.first_report_at,
        row.final_at,
    )
