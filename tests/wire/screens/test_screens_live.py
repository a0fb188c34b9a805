"""Screens of those who keep the house in order: a scanner's work is hung, hanging protocols are ordered, notices arrive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from case_fixtures import Ward
from common import Api
from performed_fixtures import created, element, ended
from wetread.archive.service import Archive
from wetread.dicom.uid import new_uid
from wetread.notices.service import add_notice
from wetread.orders.model import RequestedProcedure
from wetread.scheduling import service as scheduling
from wetread.security.service import Actor, FileMasterKey, Identity

pytestmark = pytest.mark.e2e
expect.set_options(timeout=30_000)

Sit = Callable[..., Page]


@pytest.fixture
def sit(browser: Browser, live_port: int) -> Iterator[Sit]:
    """Has somebody sit down at a screen; the page must have nothing to complain of."""
    contexts, complaints = [], []

    def seated(account: Api, path: str, *, tablet: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": 1024, "height": 768} if tablet else {"width": 1440, "height": 900},
            has_touch=tablet,
            extra_http_headers={"Authorization": str(account.headers["Authorization"])},
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{live_port}{path}")
        return page

    yield seated
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def house(archive: Archive) -> Ward:
    return Ward(archive.offices, Identity(archive.offices, FileMasterKey(b"k" * 32)))


def test_a_notice_arrives_is_read_and_goes(web: Api, archive: Archive, sit: Sit) -> None:
    reader, other = web.as_role("radiologist"), web.as_role("radiologist")
    page = sit(reader, "/account")

    def tell(about: str, title: str, **whom: Any) -> None:
        with archive.offices.work(Actor.system("test")) as work:
            add_notice(work, about=about, title=title, body="It says so.", **whom)

    bell = page.get_by_role("button", name="Notices")
    expect(bell).to_have_accessible_name("Notices")
    page.evaluate("window.sat = true")
    tell("1", "The scanner in room 2 stands still", roles=["radiologist"])
    expect(bell).to_have_accessible_name("Notices, 1 unread")
    tell("2", "For you alone", user_pks=[reader.user_pk])
    expect(bell).to_have_accessible_name("Notices, 2 unread")
    tell("3", "For another", user_pks=[other.user_pk])
    bell.click()
    sheet = page.get_by_role("dialog", name="Notices")
    expect(sheet.get_by_role("listitem")).to_have_count(2)
    expect(sheet.get_by_role("listitem").first).to_contain_text("For you alone")
    sheet.get_by_role("button", name=re.compile("^For you alone")).click()
    expect(bell).to_have_accessible_name("Notices, 1 unread")
    sheet.get_by_role("button", name="Mark all as read").click()
    expect(bell).to_have_accessible_name("Notices")
    expect(sheet.get_by_text("unread")).to_have_count(0)
    assert page.evaluate("window.sat") is True, "the page was loaded anew"
    # What one has read, a colleague has not.
    assert other.get("/api/notices").json()["unread"] == 2


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def test_an_administrator_orders_switches_copies_and_removes_hanging_protocols(
    web: Api, house: Ward, sit: Sit
) -> None:
    admin = web.as_role("admin", "radiologist")
    stage = {"rows": 1, "columns": 1, "image_boxes": [{"selector": {"modality": "CT"}}]}
    for name, level, site in (
        ("Thick first", "SITE", house.site_pk), ("Thin first", "SITE", house.site_pk), ("Lungs", "SITE", house.site_pk),
        ("For all", "SITE", None), ("My own", "SINGLE_USER", None),
    ):  # fmt: skip
        body = {
            "name": name, "hanging_protocol_level": level, "site_pk": site, "display_sets": [stage],
            "hanging_protocol_definition": {"modality": "CT", "body_part_examined": "CHEST", "number_of_priors_referenced": 1},
        }  # fmt: skip
        made = admin.post("/api/hanging-protocols", json=body)
        assert made.status_code == 201, made.text

    def of_site() -> list[tuple[str, bool]]:
        found = admin.get("/api/hanging-protocols/all").json()
        return [(one["name"], one["is_enabled"]) for one in found if one["site_code"] == "RIV"]

    page = sit(web.as_role("admin"), "/system/hanging", tablet=True)
    chosen = page.get_by_role("complementary", name="The chosen protocol")
    expect(row(page, "My own")).to_be_visible()
    row(page, "Lungs").tap()
    expect(chosen.get_by_role("button", name="Later")).to_be_disabled()
    chosen.get_by_role("button", name="Earlier").tap()
    expect(chosen.get_by_role("button", name="Later")).to_be_enabled()
    chosen.get_by_role("button", name="Earlier").tap()
    expect(chosen.get_by_role("button", name="Earlier")).to_be_disabled()
    assert [name for name, _ in of_site()] == ["Lungs", "Thick first", "Thin first"]
    # The rows stand in that order at once.
    places = [row(page, name).bounding_box() for name in ("Lungs", "Thick first", "Thin first")]
    tops = [place["y"] for place in places if place]
    assert len(tops) == 3
    assert tops == sorted(tops)

    row(page, "Thick first").tap()
    chosen.get_by_role("switch", name="Studies hang by it").tap()
    expect(row(page, "Thick first")).to_contain_text(re.compile("disabled", re.IGNORECASE))
    assert ("Thick first", False) in of_site()

    row(page, "My own").tap()
    expect(chosen).to_contain_text("only they change it")
    expect(chosen.get_by_role("button", name="Remove the protocol")).to_have_count(0)
    chosen.get_by_label("Name of the copy").fill("The site’s own")
    chosen.get_by_label("Copy for").tap()
    page.get_by_role("option", name="RIV").tap()
    chosen.get_by_role("button", name="Copy", exact=True).tap()
    expect(row(page, "The site’s own")).to_contain_text("RIV")
    assert [name for name, _ in of_site()][-1] == "The site’s own"

    row(page, "Thin first").tap()
    chosen.get_by_role("button", name="Remove the protocol").tap()
    asked = page.get_by_role("dialog", name=re.compile("Thin first"))
    asked.get_by_role("button", name="Go back").tap()
    expect(asked).to_be_hidden()
    assert ("Thin first", True) in of_site()
    chosen.get_by_role("button", name="Remove the protocol").tap()
    asked.get_by_role("button", name="Remove the protocol").tap()
    expect(row(page, "Thin first")).to_have_count(0)
    assert "Thin first" not in [name for name, _ in of_site()]


def test_a_scanners_work_is_hung_on_an_order_and_taken_back(
    web: Api, house: Ward, archive: Archive, sit: Sit
) -> None:
    patient_pk = house.patient("Doe^Jane")
    requested = house.ordered("CTHEAD", patient_pk=patient_pk)
    with house.made() as work:
        given = scheduling.ResourceInput(house.site_pk, "CT 1", "EAST_CT1", "CT 1", "CT", time(7), time(19))
        scanner = scheduling.add_resource(work, given).modality_resource_pk
        at = datetime(2026, 11, 25, 12, tzinfo=UTC)
        scheduling.schedule(work, requested.requested_procedure_pk, scanner, at, overbook_reason="Emergency")
    uid = new_uid()
    technologist = web.as_role("technologist")
    page = sit(technologist, "/reconcile")
    page.get_by_text("Scanners’ work").click()
    expect(page.get_by_text("All work hangs on an order")).to_be_visible()
    waiting = page.get_by_role("grid", name="reports of scanners").get_by_text("Doe, Jane")

    # It comes while the screen is open.
    with archive.offices.work(Actor.system("modality")) as work:
        said = created(**{"00100040": element("CS", "M"), "00400254": element("LO", "Head, native")})
        scheduling.create_performed_step(work, uid, said)
        scheduling.update_performed_step(work, uid, ended("COMPLETED"))
        work.audited += 1
    expect(waiting).to_be_visible()
    main = page.get_by_role("main")
    expect(main).to_contain_text("It hangs on nothing: no such scheduled step")
    page.get_by_label("Find another order").fill(requested.accession_number)
    # The order beside it: what the scanner says of the patient's sex is another.
    sex = main.get_by_role("row").filter(has_text="Sex")
    expect(sex).to_contain_text("Differs")
    main.get_by_role("button", name="Hang the work on this order").click()
    dialog = page.get_by_role("dialog", name="Hang the work on this order?")
    expect(dialog.get_by_role("alert")).to_contain_text("It may be another patient")
    dialog.get_by_text("Scanned before the order was placed").click()
    dialog.get_by_role("button", name=f"Hang it on {requested.accession_number}").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("All work hangs on an order")).to_be_visible()

    def hangs() -> tuple[str, int, int]:
        """How the order stands, and how many reports wait and are decided."""
        with archive.offices.database.transaction() as session:
            order = session.get_one(RequestedProcedure, requested.requested_procedure_pk)
            state = order.state
        path = "/api/reconciliation/performed-steps"
        return (
            state,
            technologist.get(path).json()["total"],
            technologist.get(f"{path}/resolved").json()["total"],
        )

    assert hangs() == ("COMPLETED", 0, 1)
    page.get_by_text("Decided", exact=True).click()
    decided = page.get_by_role("row").filter(has_text=requested.accession_number)
    expect(decided).to_contain_text("Scanner’s work")
    main.get_by_role("button", name="Take it back").click()
    dialog = page.get_by_role("dialog", name="Take this decision back?")
    expect(dialog).to_contain_text("The work waits for an order again")
    dialog.get_by_text("Wrong order chosen").click()
    dialog.get_by_role("button", name="Take it back").click()
    expect(dialog).to_be_hidden()
    expect(decided).to_have_count(0)
    page.get_by_text("Scanners’ work").click()
    expect(waiting).to_be_visible()
    assert hangs() == ("SCHEDULED", 1, 0)
