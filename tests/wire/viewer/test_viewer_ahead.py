"""What a study says of itself, before the viewer opens and while nobody looked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from archive_fixtures import MakeDicom, Store, study_of
from viewer_fixtures import PATIENCE_MS, OpenStudy, shown

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def go(page: Page, path: str) -> None:
    """To another screen, as a link in the page leads there."""
    page.evaluate("path => window.history.pushState({}, '', path)", path)


def count(page: Page, images: int) -> None:
    slider = page.locator("[data-pane=a] input[type=range]")
    expect(slider).to_have_attribute("max", str(images - 1), timeout=PATIENCE_MS)


def test_images_that_came_while_nobody_looked_are_there_on_coming_back(
    open_study: OpenStudy, store: Store, make_dicom: MakeDicom
) -> None:
    *first, last = study_of(make_dicom, 4)
    store(*first)
    page = open_study(first[0].StudyInstanceUID)
    images = page.url.removeprefix(page.url.split("/room")[0])
    count(page, 3)
    go(page, "/room")
    expect(page.locator("[data-pane=a]")).to_have_count(0, timeout=PATIENCE_MS)
    store(last)
    go(page, images)
    shown(page)
    count(page, 4)


def test_a_case_that_is_chosen_in_the_list_opens_by_what_was_fetched_ahead(
    open_case: OpenStudy, store: Store, make_dicom: MakeDicom
) -> None:
    here, other = study_of(make_dicom, 2), study_of(make_dicom, 3)
    store(*here, *other)
    page = open_case(here[0].StudyInstanceUID)
    read = open_case(other[0].StudyInstanceUID)
    case = read.url.removeprefix(read.url.split("/read")[0])
    read.context.close()
    metadata = f"**/studies/{other[0].StudyInstanceUID}/series/*/metadata"
    with page.expect_response(metadata, timeout=PATIENCE_MS):
        go(page, "/reading")
        page.locator("[role=row]", has_text="CT").last.click(timeout=PATIENCE_MS)
    # From here on nothing of the kind is answered.
    page.route(f"**/studies/{other[0].StudyInstanceUID}/series", lambda _: None)
    page.route(metadata, lambda _: None)
    go(page, case)
    shown(page)
    count(page, 3)
    page.unroute_all(behavior="ignoreErrors")
