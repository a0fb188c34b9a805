"""The viewer in a browser, on an archive of the test's own: small, and quick to begin."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from case_fixtures import Ward
from common import Api
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.orders.service import Move, move_requested_procedure
from wetread.security.model import Practitioner
from wetread.security.service import FileMasterKey, Identity

# Pictures are drawn without a graphics processor.
PATIENCE_MS = 60_000
_CANVAS = """id => {
  const canvas = document.querySelector(`[data-testid=canvas-${id}] canvas`)
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width, height, data: btoa(text) }
}"""


OpenStudy = Callable[..., Page]


@pytest.fixture
def open_study(browser: Browser, web: Api, port: int, archive: Archive) -> Iterator[OpenStudy]:
    """Opens a study by its UID as a technologist, who may see any; the console must have nothing to complain of."""
    account = web.as_role("technologist")
    contexts, complaints = [], []

    def opened(
        study_instance_uid: str,
        width: int = 900,
        height: int = 700,
        before: Callable[[Page], None] = lambda _: None,
        state: str = "shown",
        **how: Any,
    ) -> Page:
        with archive.offices.database.transaction() as session:
            study_pk = session.scalar(
                select(Study.study_pk).where(Study.study_instance_uid == study_instance_uid)
            )
        context = browser.new_context(
            viewport={"width": width, "height": height},
            extra_http_headers={"Authorization": str(account.headers["Authorization"])},
            **how,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        before(page)
        page.goto(f"http://127.0.0.1:{port}/room/{study_pk}/images")
        shown(page, state=state)
        return page

    yield opened
    for context in contexts:
        context.close()
    # Cornerstone's cache throws once more what a loader has told it, where nobody can catch it.
    complaints = [one for one in complaints if not one.startswith("The server could not be reached")]
    assert complaints == [], complaints


@pytest.fixture
def open_case(browser: Browser, web: Api, port: int, archive: Archive) -> Iterator[OpenStudy]:
    """Puts a stored study on an order and opens it as the radiologist who reads it; again: the same account."""
    ward = Ward(archive.offices, Identity(archive.offices, FileMasterKey(b"k" * 32)))
    with ward.made() as work:
        practitioner = Practitioner(person_name="Moreau^Ines^^Dr.")
        work.session.add(practitioner)
        work.session.flush()
        practitioner_pk = practitioner.practitioner_pk
    account = web.as_role("radiologist", practitioner_pk=practitioner_pk)
    contexts, complaints = [], []

    def ordered(study_instance_uid: str) -> int:
        patient_pk = ward.patient()
        requested = ward.ordered("CTCHEST", patient_pk=patient_pk)
        with ward.made() as work:
            move_requested_procedure(work, requested.requested_procedure_pk, Move.START)
            study = work.session.scalars(
                select(Study).where(Study.study_instance_uid == study_instance_uid)
            ).one()
            study.patient_pk = patient_pk
            study_pk = study.study_pk
        ward.link(study_pk, requested.requested_procedure_pk)
        return study_pk

    def opened(study_instance_uid: str, width: int = 1440, height: int = 900, **how: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            extra_http_headers={"Authorization": str(account.headers["Authorization"])},
            **how,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/read/{ordered(study_instance_uid)}")
        shown(page)
        page.keyboard.press("q")  # the report aside, so that letters are the viewer's
        return page

    yield opened
    for context in contexts:
        context.close()
    # Cornerstone's cache throws once more what a loader has told it, where nobody can catch it.
    complaints = [one for one in complaints if not one.startswith("The server could not be reached")]
    assert complaints == [], complaints


def shown(page: Page, pane: str = "a", sop_instance_uid: str | None = None, state: str = "shown") -> None:
    """Waits until the pane draws a picture, or that of an instance; or has the `state` of one that shows a paper."""
    found = page.locator(f"[data-pane={pane}]")
    if sop_instance_uid:
        expect(found).to_have_attribute("data-sop-instance-uid", sop_instance_uid, timeout=PATIENCE_MS)
    expect(found).to_have_attribute("data-state", state, timeout=PATIENCE_MS)


def drawn(page: Page, pane: str = "a") -> np.ndarray[Any, Any]:
    """What the canvas of a pane shows now: (rows, columns, RGB)."""
    canvas = page.evaluate(_CANVAS, pane)
    flat = np.frombuffer(base64.b64decode(canvas["data"]), np.uint8)
    return flat.reshape(canvas["height"], canvas["width"], 4)[:, :, :3]


def within(
    size: tuple[int, int], picture: tuple[int, int], aspect: float = 1.0
) -> tuple[float, float, float, float]:
    """Where a picture of (rows, columns), whose pixels are `aspect` times as high as wide, lies fitted into a pane of
    (height, width): its left, its top, and the width and height of its pixels there."""
    across = min(size[1] / picture[1], size[0] / (picture[0] * aspect))
    down = across * aspect
    return (size[1] - picture[1] * across) / 2, (size[0] - picture[0] * down) / 2, across, down


def enlarged(
    values: np.ndarray[Any, Any], size: tuple[int, int], aspect: float = 1.0
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """`values` at the middles of the pane's pixels, between four neighbours by distance; and which lie well inside."""
    rows, columns = values.shape[:2]
    left, top, across, down = within(size, (rows, columns), aspect)
    x = (np.arange(size[1]) + 0.5 - left) / across - 0.5
    y = (np.arange(size[0]) + 0.5 - top) / down - 0.5
    inside = ((y > 0.5) & (y < rows - 1.5))[:, None] & ((x > 0.5) & (x < columns - 1.5))[None, :]
    x, y = np.clip(x, 0, columns - 1.001), np.clip(y, 0, rows - 1.001)
    x0, y0 = x.astype(int), y.astype(int)
    fx, fy = (x - x0)[None, :], (y - y0)[:, None]
    if values.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    v = values.astype(np.float64)
    upper = v[y0][:, x0] * (1 - fx) + v[y0][:, x0 + 1] * fx
    lower = v[y0 + 1][:, x0] * (1 - fx) + v[y0 + 1][:, x0 + 1] * fx
    return upper * (1 - fy) + lower * fy, inside


def dataset_of(ds: pydicom.Dataset, **attributes: Any) -> pydicom.Dataset:
    """The data set with these attributes; None removes."""
    for keyword, value in attributes.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds
