"""A reader saves a layout on the screen, and the next study of that kind hangs so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
from playwright.sync_api import Page, expect
from pydicom.uid import generate_uid
from sqlalchemy import select

import viewer_pictures as pictures
from archive_fixtures import MakeDicom, Store
from viewer_fixtures import PATIENCE_MS, OpenStudy, dataset_of, drawn, shown
from viewer_hand import filed
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.security.service import Actor, AuditEventID

KEEP = """async body => {
  const headers = { 'Content-Type': 'application/json', 'X-Wetread': '1' }
  return (await fetch('/api/hanging-protocols', { method: 'POST', headers, body: JSON.stringify(body) })).status
}"""
AXIAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]


def series(
    make: MakeDicom, study: dict[str, Any], number: int, description: str, along: list[int], **more: Any
) -> list[pydicom.Dataset]:
    """Three slices."""
    uid = generate_uid()
    made = []
    for at in range(3):
        place = [0, 0, 5.0 * at] if along == AXIAL else [5.0 * at, 0, 0]
        ds = make(
            SeriesInstanceUID=uid, SeriesNumber=number, SeriesDescription=description, InstanceNumber=at + 1,
            ImageOrientationPatient=along, ImagePositionPatient=place, FrameOfReferenceUID=study["StudyInstanceUID"],
            BodyPartExamined="CHEST", Modality="CT", **{"SliceThickness": 5, **study, **more},
        )  # fmt: skip
        made.append(dataset_of(ds))
    return made


def study(
    make: MakeDicom, name: str, date: str, *parts: tuple[int, str, list[int]]
) -> tuple[str, list[pydicom.Dataset]]:
    said = {
        "StudyInstanceUID": generate_uid(),
        "PatientName": name,
        "PatientID": name,
        "StudyDate": date,
        "StudyDescription": "CT chest",
    }
    made = [ds for number, words, along in parts for ds in series(make, said, number, words, along)]
    return said["StudyInstanceUID"], made


def with_prior(archive: Archive, page: Page, current: str, prior: str, first_pane: str = "a") -> None:
    """The prior is the same patient's: it is there when the case is opened again."""
    with archive.offices.work(Actor.system("test")) as work:
        found = {
            one.study_instance_uid: one
            for one in work.session.scalars(
                select(Study).where(Study.study_instance_uid.in_([current, prior]))
            )
        }
        found[prior].patient_pk = found[current].patient_pk
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="study")
    page.reload()
    shown(page, first_pane)
    page.keyboard.press("q")


def title(page: Page, pane: str) -> Any:
    return page.locator(f"[data-pane={pane}]")


def test_a_saved_layout_hangs_the_next_study_of_its_kind(
    open_case: OpenStudy, archive: Archive, make_dicom: MakeDicom, store: Store
) -> None:
    first, objects = study(
        make_dicom,
        "Ash",
        "20261125",
        (1, "Thorax 1.0", AXIAL),
        (2, "Thorax 5.0", AXIAL),
        (3, "Sag MPR", SAGITTAL),
    )
    before, older = study(make_dicom, "Ash", "20250912", (4, "Axial old", AXIAL))
    # Another patient, another numbering, other words; no sagittal in the prior.
    second, others = study(
        make_dicom,
        "Birch",
        "20261125",
        (7, "Cor Sag reformat", SAGITTAL),
        (8, "Chest 5.0", AXIAL),
        (9, "Chest 1.0", AXIAL),
    )
    second_before, second_older = study(make_dicom, "Birch", "20240101", (1, "Old axial", AXIAL))
    store(*objects, *older, *others, *second_older)

    page = open_case(first)
    with_prior(archive, page, first, before)
    # Built in: the first series, and the prior beside it.
    expect(title(page, "b")).to_contain_text("PRIOR · 14 months", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("hanging")).to_contain_text("Built in")
    shown(page, "b")
    page.locator("[data-pane=a]").click()
    page.get_by_role("button", name="Sag MPR").click()
    expect(title(page, "a")).to_contain_text("3 · Sag MPR")
    shown(page, "a")
    page.keyboard.press("2")  # the lung window, which goes to the prior too
    expect(title(page, "a")).to_contain_text("W 1500 · C -600")
    page.keyboard.press("Shift+S")
    editor = page.get_by_test_id("hanging-editor")
    editor.get_by_role("textbox", name="Name", exact=True).fill("Chest, sagittal first")
    expect(editor.get_by_label("Comparable priors, at least")).to_have_value("1")
    editor.get_by_role("button", name="Save protocol").click()
    expect(page.get_by_test_id("hanging")).to_contain_text("Chest, sagittal first")

    # A second stage: the thick slices alone, mirrored.
    page.get_by_role("button", name="Layout", exact=True).click()
    page.get_by_role("button", name="1 by 1").click()
    page.get_by_role("button", name="Thorax 5.0").click()
    expect(title(page, "a")).to_contain_text("2 · Thorax 5.0")
    shown(page, "a")
    page.keyboard.press("h")
    page.keyboard.press("Shift+E")
    editor.get_by_role("button", name="Add what hangs now as a stage").click()
    editor.get_by_label("Name of stage 2").fill("Thick")
    editor.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_test_id("hanging")).to_contain_text("2/2")
    [kept] = protocols(page)
    assert [box["selector"].get("plane") for box in kept["display_sets"][0]["image_boxes"]] == [
        "SAGITTAL",
        "TRANSVERSE",
    ]
    assert kept["display_sets"][1]["image_boxes"][0]["image_horizontal_flip"] is True
    assert "5" in kept["display_sets"][1]["image_boxes"][0]["selector"]["series_description"]

    # The next patient's study of that kind.
    page = open_case(second)
    expect(page.get_by_test_id("hanging")).to_contain_text(
        "Built in"
    )  # without a prior it is of another kind
    with_prior(archive, page, second, second_before)
    expect(page.get_by_test_id("hanging")).to_have_attribute("data-stage", "1", timeout=PATIENCE_MS)
    expect(title(page, "a")).to_contain_text("7 · Cor Sag reformat", timeout=PATIENCE_MS)
    expect(title(page, "a")).to_contain_text("W 1500 · C -600", timeout=PATIENCE_MS)
    expect(title(page, "b")).to_contain_text("PRIOR · 2 years", timeout=PATIENCE_MS)
    expect(title(page, "b")).to_contain_text("Old axial")
    page.keyboard.press("PageDown")
    expect(title(page, "a")).to_contain_text("8 · Chest 5.0", timeout=PATIENCE_MS)
    expect(page.locator("[data-pane]")).to_have_count(1)
    # Mirrored, as it was kept: the patient's left is at the left of the screen.
    expect(title(page, "a").locator("[data-edge=left]")).to_have_text("L", timeout=PATIENCE_MS)
    page.keyboard.press("PageUp")
    expect(title(page, "a")).to_contain_text("7 · Cor Sag reformat", timeout=PATIENCE_MS)


STAGES = [
    {"rows": 1, "columns": 2, "image_boxes": [
        {"selector": {"modality": "CT", "plane": "SAGITTAL"}},
        {"selector": {"modality": "CT", "plane": "TRANSVERSE"}, "abstract_prior_value": 1},
    ]},
    {"rows": 1, "columns": 1, "image_boxes": [{"selector": {"modality": "CT", "plane": "TRANSVERSE"}}]},
]  # fmt: skip


def test_a_box_without_its_series_says_so_and_a_further_window_takes_the_other_stage(
    open_case: OpenStudy, archive: Archive, make_dicom: MakeDicom, store: Store
) -> None:
    current, objects = study(make_dicom, "Cedar", "20261125", (1, "Only 5.0", AXIAL))
    before, older = study(make_dicom, "Cedar", "20260101", (1, "Old axial", AXIAL))
    store(*objects, *older)
    page = open_case(current)
    body = {
        "name": "Sagittal first",
        "hanging_protocol_definition": {"modality": "CT", "number_of_priors_referenced": 1},
        "display_sets": STAGES,
    }
    assert page.evaluate(KEEP, body) == 201
    with_prior(archive, page, current, before, first_pane="b")
    hanging = page.get_by_test_id("hanging")
    expect(hanging).to_have_attribute("data-stage", "1", timeout=PATIENCE_MS)
    expect(title(page, "a")).to_contain_text("No series here is CT · sagittal", timeout=PATIENCE_MS)
    expect(title(page, "a")).to_have_attribute("data-state", "empty")
    expect(title(page, "b")).to_contain_text("PRIOR · 10 months", timeout=PATIENCE_MS)

    with page.context.expect_page() as opening:
        page.keyboard.press("Shift+D")
    further = opening.value
    shown(further)
    expect(title(further, "a")).to_contain_text("1 · Only 5.0")
    expect(further.get_by_test_id("hanging")).to_have_attribute("data-stage", "2")
    page.bring_to_front()
    page.keyboard.press("PageDown")
    expect(hanging).to_have_attribute("data-stage", "2")
    # The further window takes the stage that is free now.
    expect(further.get_by_test_id("hanging")).to_have_attribute("data-stage", "1", timeout=PATIENCE_MS)
    page.keyboard.press("Shift+T")
    expect(hanging).to_contain_text("Built in")
    # It is a reader's choice, and stays when more of the study comes.
    said = {
        "StudyInstanceUID": current,
        "PatientName": "Cedar",
        "PatientID": "Cedar",
        "StudyDate": "20261125",
    }
    store(*series(make_dicom, said, 2, "Came later", AXIAL))
    expect(page.get_by_role("button", name="Came later")).to_be_visible(timeout=PATIENCE_MS)
    expect(hanging).to_contain_text("Built in")
    # Nothing comes after what is built in but the prior.
    expect(further.get_by_test_id("hanging")).to_contain_text("Prior", timeout=PATIENCE_MS)
    expect(title(further, "a")).to_contain_text("PRIOR · 10 months", timeout=PATIENCE_MS)
    page.goto("about:blank")
    expect(further.get_by_text("No case is open in the first window")).to_be_visible()


def protocols(page: Page) -> list[dict[str, Any]]:
    """What the server keeps for the reader of this page."""
    asked: Callable[..., Any] = page.evaluate
    found: list[dict[str, Any]] = asked("async () => (await fetch('/api/hanging-protocols')).json()")
    return found


def breast(side: str, view: str, along_row: str) -> pydicom.Dataset:
    ds = pictures.grey(np.full((100, 60), 200, np.uint8), "1.2.840.10008.5.1.4.1.1.1.2", Modality="MG")
    ds.ImageLaterality, ds.ViewPosition, ds.PatientOrientation = side, view, [along_row, side]
    ds.WindowCenter, ds.WindowWidth, ds.ImagerPixelSpacing = "128", "256", ["0.1", "0.1"]
    return ds


def test_breasts_stand_back_to_back(store: Any, open_study: OpenStudy) -> None:
    def edges(pane: str) -> tuple[int, int]:
        """What is free at the left and the right of the picture."""
        bright = np.flatnonzero(drawn(page, pane)[:, :, 0].max(axis=0) > 100)
        return int(bright[0]), int(drawn(page, pane).shape[1] - 1 - bright[-1])

    def stand(right: str, left: str) -> None:
        page.wait_for_timeout(300)
        assert edges(right)[1] <= 1 < 20 < edges(right)[0]
        assert edges(left)[0] <= 1 < 20 < edges(left)[1]

    each = [breast("R", "CC", "P"), breast("L", "CC", "A"), breast("R", "MLO", "P"), breast("L", "MLO", "A")]
    page = open_study(filed(store, *each), 1400, 800)
    shown(page, "d")
    stand("a", "b")
    stand("c", "d")
    # In panes of another size, and turned round.
    page.set_viewport_size({"width": 1100, "height": 760})
    stand("a", "b")
    page.get_by_test_id("canvas-a").click()
    page.keyboard.press("h")
    page.wait_for_timeout(300)
    assert edges("a")[0] <= 1
    page.keyboard.press("r")
    stand("a", "b")
