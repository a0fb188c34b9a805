"""Pixel truth: what the canvas shows is what numpy and pydicom make of the same object, within rounding."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import OpenStudy, drawn, enlarged
from viewer_pictures import Picture

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def look_at_all(wanted: Sequence[Picture], store: Any, open_study: OpenStudy) -> list[str]:
    """Files the pictures as series of one study, goes through them by key, and says what is drawn otherwise."""
    study = generate_uid()
    for number, one in enumerate(wanted, 1):
        ds = one.dataset
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, generate_uid(), generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
            "Test^Picture",
            "PIX",
            "HOSPITAL",
            "A1",
        )
        ds.PatientBirthDate, ds.PatientSex = "", ""
        ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = number, 1, one.name
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, (one.name, result)
    page = open_study(study)
    page.keyboard.press("t")  # the list of series aside: a wider picture
    pane = page.locator("[data-pane=a]")
    faults = []
    # What scrolls is opened first, wherever it stands.
    for _ in wanted:
        if pane.get_attribute("data-series-instance-uid") == wanted[0].dataset.SeriesInstanceUID:
            break
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(30)
    for one in sorted(wanted, key=lambda one: int(one.dataset.SeriesNumber)):
        fault = None if go_to(page, one) else "it is not shown"
        fault = fault or difference(one, drawn(page))
        if fault:
            faults.append(f"{one.name}: {fault}")
            log.info("%s", faults[-1])
    return faults


def go_to(page: Page, one: Picture) -> bool:
    """Steps on to the series with this picture; whether it is drawn."""
    pane = page.locator("[data-pane=a]")
    for _ in range(3):
        if pane.get_attribute("data-series-instance-uid") == one.dataset.SeriesInstanceUID:
            break
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
    settled = (
        "[data-state=failed]",
        f"[data-state=shown][data-sop-instance-uid='{one.dataset.SOPInstanceUID}']",
    )
    page.locator(",".join(f"[data-pane=a]{state}" for state in settled)).wait_for(timeout=20_000)
    page.wait_for_timeout(50)
    return pane.get_attribute("data-state") == "shown"


def difference(one: Picture, seen: np.ndarray[Any, Any]) -> str | None:
    """What is wrong, in words; None: nothing."""
    values, inside = enlarged(one.values, seen.shape[:2], one.aspect)
    expected = one.look(values)
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    off = np.abs(seen.astype(float) - expected).max(axis=2)
    if not inside.any():
        return "it lies outside of the pane"
    # Between a bright pixel and a dark one the graphics processor's weights, of 8 bits, show.
    worst = float(np.percentile(off[inside], 98))
    mean = float(off[inside].mean())
    folder = os.environ.get("WETREAD_TEST_PICTURES")
    if worst > one.tolerance and folder:
        both = np.concatenate([seen, np.where(inside[..., None], expected, 0).astype(np.uint8)], axis=1)
        Image.fromarray(both).save(Path(folder) / f"{one.name.replace(' ', '_').replace('/', '_')}.png")
    return None if worst <= one.tolerance else f"off by {worst:.1f} (on average {mean:.2f}) of 255"


def test_made_pictures_are_drawn_as_the_standard_says(store: Any, open_study: OpenStudy) -> None:
    wanted = pictures.made()
    assert len(wanted) > 45
    assert look_at_all(wanted, store, open_study) == []


def test_the_files_of_pydicom_are_drawn_as_it_decodes_them(store: Any, open_study: OpenStudy) -> None:
    wanted = pictures.packaged()
    assert len(wanted) > 45
    assert look_at_all(wanted, store, open_study) == []
