"""The web process is killed while two look at images together: the supervisor starts another, and the session goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from hospital_fixtures import Hospital

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]
PATIENCE_MS = 60_000


def web_process(hospital: Hospital) -> psutil.Process | None:
    """The process of the web part, by its command line."""
    for one in psutil.Process(hospital.process.pid).children(recursive=True):
        try:
            if one.cmdline()[-2:] == ["part", "web"]:
                return one
        except psutil.Error:
            continue
    return None


@contextmanager
def seat(browser: Browser, width: int) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def shows(page: Page, index: int) -> None:
    expect(page.locator("[data-pane=a]")).to_have_attribute("data-index", str(index), timeout=PATIENCE_MS)


def banner(page: Page, words: str) -> None:
    expect(page.get_by_test_id("together-banner")).to_contain_text(words, timeout=PATIENCE_MS)


def test_a_session_outlives_its_server(browser: Browser, hospital: Hospital) -> None:
    def scrolling() -> int | None:
        items = hospital.ask("GET", "/api/reading-list?limit=100", "radiologist")[1]["items"]
        return next((one["study_pk"] for one in items if one["modality"] == "CT"), None)

    study_pk = hospital.wait(scrolling, 120)
    url, account = f"http://127.0.0.1:{hospital.http}", hospital.account("radiologist")
    with seat(browser, 1400) as lead, seat(browser, 1000) as guest:
        lead.goto(f"{url}/sign-in")
        lead.get_by_label("User name").fill(account["username"])
        lead.get_by_label("Password").fill(account["password"])
        lead.get_by_role("button", name="Sign in").click()
        lead.get_by_role("navigation", name="Places").wait_for()
        lead.goto(f"{url}/read/{study_pk}")
        lead.locator("[data-pane=a][data-state=shown]").wait_for()
        lead.keyboard.press("q")
        lead.get_by_role("button", name="Look together with others").click()
        banner(lead, "You lead")
        lead.get_by_role("button", name="Guest link").click()
        lead.get_by_role("button", name="Make the link").click()
        guest.goto(lead.get_by_test_id("guest-link").input_value())
        lead.get_by_role("button", name="Guest link").click()
        guest.get_by_label("Your name").fill("Dr. Ann Far")
        guest.get_by_role("button", name="Join").click()
        guest.locator("[data-pane=a][data-state=shown]").wait_for()
        banner(lead, "1 follows you")
        guest.get_by_role("button", name=re.compile("people and words")).click()

        def say(text: str) -> None:
            lead.get_by_label("Write to all").fill(text)
            lead.keyboard.press("Enter")

        say("Before")
        expect(guest.get_by_role("log")).to_contain_text("Before")
        lead.get_by_test_id("canvas-a").click()
        lead.keyboard.press("Home")
        shows(guest, 0)

        # What comes last is on the others' screens, and not yet in the database.
        lead.keyboard.press("ArrowDown")
        lead.keyboard.press("l")
        box = lead.get_by_test_id("canvas-a").bounding_box()
        assert box
        lead.mouse.move(box["x"] + 200, box["y"] + 200)
        lead.mouse.down()
        lead.mouse.move(box["x"] + 300, box["y"] + 220, steps=3)
        lead.mouse.up()
        killed = web_process(hospital)
        assert killed is not None
        killed.kill()
        for page in (lead, guest):
            banner(page, "Reconnecting")
        say("While it was down")
        expect(lead.get_by_role("log")).to_contain_text("Waits for the line")
        lead.get_by_label("Write to all").blur()
        lead.keyboard.press("ArrowDown")
        shows(lead, 2)

        def another() -> bool:
            now = web_process(hospital)
            return now is not None and now.pid != killed.pid

        hospital.wait(another, 60)
        banner(lead, "1 follows you")
        banner(guest, "leads")
        shows(guest, 2)
        for page in (lead, guest):
            said = page.get_by_role("log").locator("p")
            expect(said).to_have_count(2)
            expect(said.last).to_contain_text("While it was down")
        expect(lead.get_by_role("log")).not_to_contain_text("Waits for the line")
        lead.keyboard.press("Home")
        shows(guest, 0)

        # What the server has now is what all have: a page that comes anew is told it.
        guest.reload()
        guest.locator("[data-pane=a][data-state=shown]").wait_for()
        shows(guest, 0)
        lead.keyboard.press("ArrowDown")
        shows(guest, 1)
        guest.get_by_test_id("canvas-a").hover(position={"x": 5, "y": 5})
        guest.keyboard.press("Shift+M")
        measured = guest.get_by_role("complementary", name="Measurements").get_by_role("listitem")
        expect(measured).to_have_count(1)
        expect(measured).to_contain_text(" mm")
        # Who opens the case next is in no session.
        lead.get_by_role("button", name="End the session for all").click()
        expect(lead.get_by_test_id("together-banner")).to_be_hidden()
