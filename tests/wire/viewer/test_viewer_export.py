"""What leaves the viewer: pictures equal to an independent rendering, nothing of the patient where that was asked, videos that
play, and paper on which a millimetre is one."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Download, Page, Route, expect
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from sqlalchemy import select

import viewer_pictures as pictures
from viewer_fixtures import PATIENCE_MS, OpenStudy
from wetread.archive.service import Archive
from wetread.security.model import AuditRecord
from wetread.security.service import AuditEventID

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
ROWS, COLUMNS, SPACING_MM, SLICES = 96, 128, 0.5, 6
CENTER, WIDTH = 128, 256


def values(number: int) -> np.ndarray[Any, Any]:
    """A slice without black, unlike itself however it is turned, and unlike its neighbours."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    found = 70 + 60 * (x / COLUMNS) + 50 * (y / ROWS)
    found[8:20, 8 + 4 * number : 24 + 4 * number] = 230
    return found.round()


def stack() -> list[Dataset]:
    study, series, frame = (generate_uid() for _ in range(3))
    return [
        pictures.grey(
            values(number).astype(np.uint16),
            CTImageStorage,
            PatientName="Export^Probe", PatientID="SECRET-77", PatientBirthDate="19700102", PatientSex="F",
            AccessionNumber="ACC-SECRET", StudyDate="20260102", StudyTime="101500", StudyDescription="Knee of Probe",
            StudyInstanceUID=study, SeriesInstanceUID=series, FrameOfReferenceUID=frame, Laterality="L",
            Modality="CT", SeriesNumber=3, InstanceNumber=number + 1, SOPInstanceUID=generate_uid(), PixelSpacing=[SPACING_MM, SPACING_MM],
            ImagePositionPatient=[0, 0, number * 2.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            WindowCenter=CENTER, WindowWidth=WIDTH, RescaleIntercept=0, RescaleSlope=1,
        )
        for number in range(SLICES)
    ]  # fmt: skip


TELLING = (b"Export", b"Probe", b"SECRET", b"19700102", b"1970", b"20260102")


def opened(page: Page, purpose: str = "Picture") -> None:
    page.keyboard.press("Control+e")
    page.get_by_role("dialog").get_by_text(purpose, exact=True).click()


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("dialog").get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option).click()


def exported(page: Page, button: str = "Export") -> tuple[Download, bytes]:
    with page.expect_download() as coming:
        page.get_by_role("dialog").get_by_role("button", name=button).click()
    download = coming.value
    return download, Path(download.path()).read_bytes()


def placed(shown: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Where the expected picture lies in a larger one: row and column of its first pixel."""
    rows, columns = expected.shape
    best, place = np.inf, (0, 0)
    for top in range(shown.shape[0] - rows + 1):
        for left in range(shown.shape[1] - columns + 1):
            off = np.abs(
                shown[top : top + rows : 16, left : left + columns : 16] - expected[::16, ::16]
            ).mean()
            if off < best:
                best, place = off, (top, left)
    return place


def test_pictures_videos_and_prints_are_true_and_name_nobody_where_asked(
    open_study: OpenStudy, archive: Archive, store: Any, tmp_path: Path
) -> None:
    slices = stack()
    store(*[pictures.as_file(one) for one in slices])
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page = open_study(
        str(slices[0].StudyInstanceUID),
        1440,
        900,
        before=lambda page: page.route("**/api/exports/rights", hold),
        accept_downloads=True,
    )
    # A key that is pressed before it is known who may is meant all the same, and none of the browser's.
    page.keyboard.press("Control+e")
    while not held:
        page.wait_for_timeout(50)
    expect(page.get_by_role("dialog")).to_have_count(0)
    held[0].continue_()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    index = int(page.locator("[data-pane=a]").get_attribute("data-index") or -1)
    page.keyboard.press("v")  # inverted, and turned: as it is shown, so it leaves
    page.keyboard.press(">")

    # PNG at the image's own pixels, with patient data.
    opened(page)
    choose(page, "Size", "Image pixels")
    expect(page.get_by_alt_text("As it will leave")).to_be_visible()
    download, content = exported(page)
    assert download.suggested_filename.startswith("Export-Probe_SECRET-77_")
    assert download.suggested_filename.endswith(f"_CT_series-3_image-{index + 1:04d}.png")
    picture = Image.open(io.BytesIO(content))
    assert picture.info == {}
    shown = np.asarray(picture.convert("RGB")).astype(float)
    expected = np.rot90(pictures.inverse(pictures.linear(CENTER, WIDTH))(values(index)), -1)
    top, left = placed(shown[:, :, 0], expected)
    inside = shown[top : top + expected.shape[0], left : left + expected.shape[1]]
    assert np.abs(inside - expected[:, :, None]).max() <= 1.5
    around = shown.copy()
    around[top : top + expected.shape[0], left : left + expected.shape[1]] = 0
    assert (around[:top] > 150).any()
    assert (around[top + expected.shape[0] :] > 150).any()

    # All of the series without patient data: a ZIP of JPEGs, and nothing in it says who it is.
    opened(page)
    page.get_by_role("dialog").get_by_text("Without", exact=True).click()
    choose(page, "Images", "This series")
    choose(page, "File", "JPEG, lossy")
    download, content = exported(page, f"Export {SLICES} pictures")
    assert download.suggested_filename == "CT_series-3_pictures.zip"
    found = [word for word in TELLING if word in content]
    assert found == []
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        assert made.testzip() is None
        assert made.namelist() == [f"{n:04d}_CT_series-3_image-{n:04d}.jpg" for n in range(1, SLICES + 1)]
        for number, name in enumerate(made.namelist()):
            jpeg = Image.open(io.BytesIO(made.read(name)))
            assert not jpeg.getexif()
            grey = np.asarray(jpeg.convert("L")).astype(float)
            look = np.rot90(pictures.inverse(pictures.linear(CENTER, WIDTH))(values(number)), -1)
            part = grey[top : top + look.shape[0], left : left + look.shape[1]]
            assert part.shape == look.shape
            assert np.abs(part - look).mean() < 4, name

    # The same as a video that a browser plays.
    opened(page, "Video")
    page.get_by_role("dialog").get_by_role("textbox", name="Images a second").fill("3")
    download, content = exported(page)
    assert download.suggested_filename.endswith(".mp4")
    elsewhere = page.context.new_page()  # our own pages play nothing that was made in them
    played = elsewhere.evaluate(
        """async data => {
          const video = document.createElement('video')
          video.muted = true
          video.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(data), c => c.charCodeAt(0))], {type: 'video/mp4'}))
          await new Promise((go, no) => { video.onloadeddata = go; video.onerror = () => no(video.error?.message) })
          video.currentTime = video.duration - 0.1
          await new Promise(go => { video.onseeked = go })
          return [video.duration, video.videoWidth, video.videoHeight]
        }""",
        base64.b64encode(content).decode(),
    )
    elsewhere.close()
    assert played[0] == pytest.approx(SLICES / 3, abs=0.05)
    assert played[1] >= COLUMNS
    assert content[4:8] == b"ftyp"

    # Paper: two sheets of four, with names, each picture as large as the patient.
    page.keyboard.press("Control+p")
    dialog = page.get_by_role("dialog")
    choose(page, "Images", "This series")
    choose(page, "Images a sheet", "2 × 2")
    dialog.get_by_role("switch", name="True size, 1 : 1").click()
    dialog.get_by_role("button", name="Prepare sheets").click()
    expect(dialog.get_by_role("button", name="Print", exact=True)).to_be_visible()
    paper = tmp_path / "print.pdf"
    page.pdf(path=paper, prefer_css_page_size=True, print_background=True)
    told = subprocess.run(["pdfinfo", paper], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Pages:\s+2\b", told), told
    size = re.search(r"Page size:\s+([\d.]+) x ([\d.]+)", told)
    assert size
    assert [float(one) / 72 * 25.4 for one in size.groups()] == pytest.approx([210, 297], abs=0.5)
    words = subprocess.run(
        ["pdftotext", "-layout", paper, "-"], capture_output=True, text=True, check=True
    ).stdout
    for said in ("Probe", "SECRET-77", "LEFT", "Page 1 of 2", "Page 2 of 2", "1 : 1", "Not for diagnosis"):
        assert said in words, said
    subprocess.run(["pdftoppm", "-r", "254", "-gray", paper, tmp_path / "sheet"], check=True)
    sheet = np.asarray(Image.open(next(tmp_path.glob("sheet-*1.pgm"))))
    # Ten pixels a millimetre. The picture has no white, and paper no grey: turned, it is 48 mm wide and 64 mm high.
    grey = (sheet > 20) & (sheet < 235)
    high = grey.mean(axis=0)
    columns = np.flatnonzero(high[: sheet.shape[1] // 2] > 0.3)
    assert (columns[-1] - columns[0] + 1) / 10 == pytest.approx(ROWS * SPACING_MM, abs=0.4)
    rows = np.flatnonzero(grey[:, (columns[0] + columns[-1]) // 2])
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    assert max(map(len, runs)) / 10 == pytest.approx(COLUMNS * SPACING_MM, abs=0.4)

    with archive.offices.database.transaction() as session:
        recorded = [
            (one["form"], one["identified"], one["pictures"])
            for one in session.scalars(
                select(AuditRecord.detail)
                .where(AuditRecord.event_id == AuditEventID.EXPORT)
                .order_by(AuditRecord.audit_record_pk)
            )
        ]
    assert recorded == [
        ("png", "yes", "1"),
        ("jpeg", "no", "6"),
        ("video", "yes", "6"),
        ("print", "yes", "6"),
    ]
