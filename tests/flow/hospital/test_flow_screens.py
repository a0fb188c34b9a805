"""The 3 AM case as people see it: DCMTK's tools are the scanner, a socket is the hospital, Chromium the eyes.

What is asserted is what stands on the screen, the drawn pixels included.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import imagecodecs
import numpy as np
import pydicom
import pyotp
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from hospital_fixtures import Hospital
from wetread.app.demo.people import REFERRER_NPI
from wetread.app.demo.run import CODE_CT_HEAD
from wetread.dimse.client import PERFORMED_PROCEDURE_STEP, open_plain

pytestmark = pytest.mark.e2e

# The hospital is still being built in the background, on two cores, while the case is played.
expect.set_options(timeout=45_000)
SCANNER = "NORTH_CT1"
SIZE, SLICES = 128, 12
PATIENT_ID = "E2E7301"
IMPRESSION = "Acute haemorrhage in the right hemisphere."


class Person:
    """Someone at a screen, signed in by `role`; `complaints` is what the browser's console said."""

    def __init__(
        self, browser: Browser, hospital: Hospital, role: str | None, *, tablet: bool = False
    ) -> None:
        self.url = f"http://127.0.0.1:{hospital.http}"
        width, height = (1024, 768) if tablet else (1440, 900)
        context = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=tablet, is_mobile=tablet
        )
        context.set_default_timeout(45_000)
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        if role is not None:
            self.sign_in(hospital.account(role))

    def sign_in(self, account: dict[str, str]) -> None:
        self.account = account
        self.page.goto(f"{self.url}/sign-in")
        self.page.get_by_label("User name").fill(self.account["username"])
        self.page.get_by_label("Password").fill(self.account["password"])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("navigation", name="Places").wait_for()
        self.page.on(
            "console",
            lambda entry: self.complaints.append(entry.text) if entry.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def close(self, *, refused: int = 0) -> None:
        """Leaves; the console noted nothing but the acts that were refused on purpose."""
        refusals = [one for one in self.complaints if re.search("403 \\(Forbidden|409 \\(Conflict", one)]
        assert len(refusals) == refused
        assert [one for one in self.complaints if one not in refusals] == []
        self.page.context.close()


def order_by_hl7(hospital: Hospital) -> str:
    """Sends ORM^O01 over MLLP as the hospital does; the answer."""
    stamp = f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000"
    message = "\r".join(
        (
            f"MSH|^~\\&|ER|NORTH|WETREAD|NORTH|{stamp}||ORM^O01|E2E1|P|2.3.1",
            f"PID|1||{PATIENT_ID}^^^WETREAD||Brandt^Ilse||19510314|F",
            "PV1|1|E",
            f"ORC|NW|E2E-77^ER|||SC||1^^^{stamp}^^S||{stamp}|||{REFERRER_NPI}^Berg^Tom",
            f"OBR|1|E2E-77^ER||{CODE_CT_HEAD}^CT head without contrast^99WETREAD|S|||||||||||{REFERRER_NPI}^Berg^Tom|||||||||||1^^^^^S||||^Sudden weakness of the left side",
            "DG1|1||R29.818^^I10",
            "",
        )
    )
    with socket.create_connection(("127.0.0.1", hospital.hl7), 10) as wire:
        wire.sendall(b"\x0b" + message.encode() + b"\x1c\r")
        wire.settimeout(20)
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += wire.recv(65536)
    return answer.decode()


def worklist(hospital: Hospital, folder: Path) -> Dataset:
    """What DCMTK's findscu gets of the worklist for the patient."""
    keys = ("PatientName", "PatientBirthDate", "PatientSex", "IssuerOfPatientID", "AccessionNumber", "StudyInstanceUID", "RequestedProcedureID",
            "ScheduledProcedureStepSequence[0].Modality=CT", "ScheduledProcedureStepSequence[0].ScheduledProcedureStepID")  # fmt: skip
    folder.mkdir()
    command = ["findscu", "-W", "-X", "-od", str(folder), "-aet", SCANNER, "-aec", "WETREAD", "127.0.0.1", str(hospital.dicom),
               "-k", f"PatientID={PATIENT_ID}"]  # fmt: skip
    for key in keys:
        command += ["-k", key]
    # The order is answered when it is kept; that it comes onto the worklist is the next job's doing.
    until = time.monotonic() + 150
    while not any(folder.iterdir()) and time.monotonic() < until:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        time.sleep(0.5)
    (found,) = sorted(folder.iterdir())
    return pydicom.dcmread(found, force=True)


def scan(
    item: Dataset, folder: Path, *, accession_number: str, study: str, day: str, bleeding: bool
) -> list[Path]:
    """CT slices of a disc of brain, 40 HU; where it bleeds, a block of 75 HU lies in the patient's right half."""
    folder.mkdir()
    y, x = np.mgrid[:SIZE, :SIZE]
    brain = np.hypot(x - SIZE / 2, y - SIZE / 2) < SIZE * 0.45
    series, frame = generate_uid(), generate_uid()
    files = []
    for number in range(1, SLICES + 1):
        image = np.where(brain, 40, -1000).astype("<i2")
        if bleeding:
            # Rows run to the patient's left (Image Orientation 1\0\0), so the right half comes first.
            image[56:72, 28:44] = 75
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.PatientName, ds.PatientID = item.PatientName, item.PatientID
        ds.IssuerOfPatientID = item.get("IssuerOfPatientID", "WETREAD")
        ds.PatientBirthDate, ds.PatientSex = item.PatientBirthDate, item.PatientSex
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.AccessionNumber, ds.StudyID = accession_number, "1"
        ds.StudyDate = ds.SeriesDate = day
        ds.StudyTime = ds.SeriesTime = "030000"
        ds.StudyDescription, ds.SeriesDescription = "CT head without contrast", "Axial"
        ds.Modality, ds.BodyPartExamined = "CT", "HEAD"
        ds.SeriesNumber, ds.InstanceNumber, ds.ReferringPhysicianName = 1, number, "Berg^Tom"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient = [-64, -64, 5.0 * number]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [1, 1], 5
        ds.Rows = ds.Columns = SIZE
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 15, 1, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = 1, 0, 40, 80
        ds.add_new(0x7FE00010, "OW", image.tobytes())
        path = folder / f"{number:03d}.dcm"
        ds.save_as(path, enforce_file_format=True)
        files.append(path)
    return files


def store(hospital: Hospital, files: list[Path], calling: str) -> None:
    subprocess.run(
        ["storescu", "-aet", calling, "-aec", "WETREAD", "127.0.0.1", str(hospital.dicom), *map(str, files)],
        check=True, capture_output=True, timeout=120, env={**os.environ, "TCP_NODELAY": "1"},
    )  # fmt: skip


def report_step(hospital: Hospital, item: Dataset, files: list[Path]) -> None:
    """MPPS: in progress, then completed with the images (pynetdicom does the same in test_flow_dimse)."""
    first = pydicom.dcmread(files[0], stop_before_pixels=True)
    now = datetime.now(UTC)
    begun: dict[str, Any] = {
        "ScheduledStepAttributesSequence": [
            {
                "StudyInstanceUID": str(item.StudyInstanceUID),
                "ReferencedStudySequence": [],
                "AccessionNumber": str(item.AccessionNumber),
                "RequestedProcedureID": str(item.RequestedProcedureID),
                "RequestedProcedureDescription": "CT head",
                "ScheduledProcedureStepID": str(
                    item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID
                ),
                "ScheduledProcedureStepDescription": "CT head",
                "ScheduledProtocolCodeSequence": [],
            }
        ],
        "PatientName": str(item.PatientName),
        "PatientID": str(item.PatientID),
        "PatientBirthDate": str(item.PatientBirthDate),
        "PatientSex": str(item.PatientSex),
        "PerformedProcedureStepID": "E2E",
        "PerformedStationAETitle": SCANNER,
        "PerformedProcedureStepStartDate": f"{now:%Y%m%d}",
        "PerformedProcedureStepStartTime": f"{now:%H%M%S}",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "Modality": "CT",
        "PerformedSeriesSequence": [],
    }
    images = [
        {
            "ReferencedSOPClassUID": str(CTImageStorage),
            "ReferencedSOPInstanceUID": str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID),
        }
        for path in files
    ]
    ended = {
        "PerformedProcedureStepStatus": "COMPLETED",
        "PerformedProcedureStepEndDate": f"{now:%Y%m%d}",
        "PerformedProcedureStepEndTime": f"{now:%H%M%S}",
        "PerformedSeriesSequence": [
            {
                "ProtocolName": "Head",
                "SeriesInstanceUID": str(first.SeriesInstanceUID),
                "ReferencedImageSequence": images,
            }
        ],
    }
    with open_plain(
        "127.0.0.1", hospital.dicom, "WETREAD", SCANNER, [PERFORMED_PROCEDURE_STEP]
    ) as association:
        uid = association.create_performed_step(begun, generate_uid())
        association.set_performed_step(uid, ended)


def picture(pane: Locator) -> np.ndarray:
    """The grey values that are drawn on a pane, rows by columns."""
    drawn = imagecodecs.png_decode(pane.locator("canvas").first.screenshot())
    return np.asarray(drawn)[..., :3].astype(float).mean(axis=-1)


def at(grey: np.ndarray, column: float, row: float) -> float:
    """The grey at a place of the image, given in pixels of the image, which is fitted to the pane's middle."""
    height, width = grey.shape
    scale = min(height, width) / SIZE
    y, x = height / 2 + (row - SIZE / 2) * scale, width / 2 + (column - SIZE / 2) * scale
    return float(np.median(grey[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]))


@pytest.mark.timeout(600)
def test_the_case_on_the_screens_of_everyone(hospital: Hospital, browser: Browser, tmp_path: Path) -> None:
    radiologist = Person(browser, hospital, "radiologist")
    page = radiologist.page
    page.goto(f"{radiologist.url}/reading")
    page.get_by_role("heading", name="Reading list").or_(
        page.get_by_role("heading", level=1)
    ).first.wait_for()
    page.get_by_text("STAT").first.or_(page.get_by_role("grid")).first.wait_for()

    answer = order_by_hl7(hospital)
    assert "MSA|AA|E2E1" in answer, answer
    item = worklist(hospital, tmp_path / "worklist")
    old = scan(item, tmp_path / "old", accession_number="RIV77", study=generate_uid(), day=f"{datetime.now(UTC) - timedelta(days=800):%Y%m%d}", bleeding=False)  # fmt: skip
    new = scan(item, tmp_path / "new", accession_number=item.AccessionNumber, study=item.StudyInstanceUID,
               day=f"{datetime.now(UTC):%Y%m%d}", bleeding=True)  # fmt: skip
    store(hospital, old, "RIVER_PACS")

    # The list shows the case without a reload.
    assert page.get_by_text("Brandt, Ilse").count() == 0
    store(hospital, new, SCANNER)
    row = page.get_by_role("row").filter(has_text="Brandt, Ilse")
    row.wait_for()
    report_step(hospital, item, new)

    row.dblclick()
    expect(page).to_have_url(re.compile(r"/read/\d+$"))
    assert "Brandt" not in page.title()
    bar = page.get_by_role("region", name="Patient", exact=True)
    expect(bar).to_contain_text("Brandt, Ilse")
    expect(bar).to_contain_text(PATIENT_ID)
    now, then = page.locator("[data-pane=a]"), page.locator("[data-pane=b]")
    expect(now).to_have_attribute("data-state", "shown")
    expect(now).to_have_attribute("data-loaded", str(SLICES))
    expect(then).to_have_attribute("data-state", "shown")
    expect(then.get_by_text("PRIOR · 2 years", exact=True)).to_be_visible()
    expect(now.locator("[data-edge=left]")).to_have_text("R")
    expect(now.locator("[data-edge=right]")).to_have_text("L")
    page.wait_for_timeout(500)

    # 40 HU in the window 40/80 is the middle of grey, 75 HU nearly white; the block lies where R stands.
    drawn = picture(now)
    assert 115 < at(drawn, 64, 64) < 140
    assert at(drawn, 36, 64) > 225
    assert 115 < at(drawn, SIZE - 36, 64) < 140
    assert at(drawn, 4, 4) < 10
    assert 115 < at(picture(then), 36, 64) < 140, "the prior has no bleeding"

    # One wheel moves both; a wider window makes the block greyer.
    before = int(now.get_attribute("data-index") or -1)
    now.hover()
    page.mouse.wheel(0, 120)
    expect(now).to_have_attribute("data-index", str(before + 1))
    expect(then).to_have_attribute("data-index", str(before + 1))
    page.keyboard.press("4")
    expect(now.get_by_text("W 2500 · C 500")).to_be_visible()
    page.wait_for_timeout(500)
    assert at(picture(now), 36, 64) < 100
    page.keyboard.press("1")
    page.keyboard.press("k")
    expect(now.get_by_text("Key image")).to_be_visible()

    report = page.get_by_role("complementary", name="Report")
    expect(report).to_contain_text("Sudden weakness of the left side")
    impression = report.get_by_role("textbox", name="Impression")
    impression.click()
    page.keyboard.type(IMPRESSION)
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Password").fill("not the password")
    dialog.get_by_role("button", name="Sign as final").click()
    expect(dialog.get_by_text(re.compile("password", re.IGNORECASE)).first).to_be_visible()
    dialog.get_by_label("Password").fill(radiologist.account["password"])
    dialog.get_by_role("button", name="Sign as final").click()
    expect(dialog).to_be_hidden()
    expect(report).to_contain_text("Final")
    radiologist.close(refused=1)

    referrer = Person(browser, hospital, "referrer", tablet=True)
    page = referrer.page
    page.goto(f"{referrer.url}/results")
    page.get_by_role("row").filter(has_text="Brandt, Ilse").first.click()
    expect(page.get_by_text(IMPRESSION).first).to_be_visible()
    # Another's study is not there for a referrer, at any door.
    assert hospital.ask("GET", "/api/reading-list", "referrer")[0] == 403
    referrer.close()

    biller = Person(browser, hospital, "biller")
    biller.page.goto(f"{biller.url}/billing")
    expect(biller.page.get_by_text("Brandt, Ilse").first).to_be_visible()
    biller.close()

    manager = Person(browser, hospital, "manager")
    manager.page.goto(f"{manager.url}/today")
    expect(manager.page.get_by_role("heading", name="Today").first).to_be_visible()
    expect(manager.page.get_by_text(re.compile("turnaround", re.IGNORECASE)).first).to_be_visible()
    manager.close()


def ordered(hospital: Hospital, name: str) -> tuple[int, int]:
    """Registers a patient and orders a CT of the head as the front desk does: the order, and its requested procedure."""
    _, sites = hospital.ask("GET", "/api/orders/sites", "front_desk")
    north = next(one["site_pk"] for one in sites["items"] if one["code"] == "NORTH")
    _, patient = hospital.ask("POST", "/api/patients", "front_desk", {"patient_name": name})
    body = {
        "patient_pk": patient["patient"]["patient_pk"],
        "site_pk": north,
        "procedures": [{"code_value": CODE_CT_HEAD}],
    }
    status, order = hospital.ask("POST", "/api/orders", "front_desk", body)
    assert status == 201, order
    return (
        order["imaging_service_request"]["imaging_service_request_pk"],
        order["lines"][0]["requested_procedure"]["requested_procedure_pk"],
    )


@pytest.mark.timeout(300)
def test_the_desk_overbooks_cancels_and_changes(hospital: Hospital, browser: Browser) -> None:
    (_, first), (order_pk, second) = ordered(hospital, "Early^Eva"), ordered(hospital, "Later^Leo")
    _, sites = hospital.ask("GET", "/api/orders/sites", "front_desk")
    # By day, so that an hour later is the same day, whenever this runs.
    there = ZoneInfo(sites["items"][0]["time_zone"])
    morning = (datetime.now(there) + timedelta(days=1)).replace(hour=9, minute=0).astimezone(UTC)
    query = f"requested_procedure_pk={first}&not_before={morning:%Y-%m-%dT%H:%M:%SZ}"
    _, slots = hospital.ask("GET", f"/api/schedule/slots?{query}", "front_desk")
    start = datetime.fromisoformat(slots[0]["starts_at"])
    # What the demo may have booked an hour later stays where it is.
    for requested, at, reason in ((first, start, None), (second, start + timedelta(hours=1), "emergency")):
        body = {
            "requested_procedure_pk": requested,
            "modality_resource_pk": slots[0]["modality_resource_pk"],
            "starts_at": at.isoformat(),
            "overbook_reason": reason,
        }
        status, answer = hospital.ask("POST", "/api/schedule/appointments", "front_desk", body)
        assert status == 201, answer
    there = ZoneInfo(answer["time_zone"])
    days = (start.astimezone(there).date() - datetime.now(there).date()).days

    desk = Person(browser, hospital, "front_desk")
    page = desk.page
    for _ in range(days):
        page.get_by_role("button", name="Day after").click()
    later = page.locator("button[data-step]").filter(has_text="Later, Leo")
    later.click()
    inspector = page.get_by_role("complementary", name="The chosen appointment")
    expect(page.get_by_role("region", name="Patient", exact=True)).to_contain_text("Allergies not asked")
    # Before its time has come nobody is missing.
    expect(inspector.get_by_role("button", name="No-show")).to_have_count(0)
    page.keyboard.press("m")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Another appointment takes this time")
    page.get_by_label("Reason to book it twice").fill("Both are short")
    page.keyboard.press("Enter")
    expect(inspector).to_contain_text("Both are short")
    expect(inspector).to_contain_text(f"{start.astimezone(there):%H:%M}")

    page.keyboard.press("c")
    inspector.get_by_role("button", name="Cancel the appointment").click()
    expect(inspector.get_by_text("Say why")).to_be_visible()
    inspector.get_by_role("button", name="Patient is ill").click()
    inspector.get_by_role("button", name="Cancel the appointment").click()
    expect(later).to_have_count(0)

    page.goto(f"{desk.url}/orders/{order_pk}")
    page.get_by_role("button", name="Change").click()
    page.get_by_label("Reason, as the referrer writes it").fill("Fell on the stairs")
    page.get_by_text("Urgent", exact=True).click()
    page.get_by_role("button", name="Save the change").click()
    work = page.get_by_role("main")
    expect(work.get_by_text("Fell on the stairs")).to_be_visible()
    expect(work).to_contain_text("priority, reason")
    page.get_by_role("button", name="Cancel the order").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel the order")).to_be_disabled()
    dialog.get_by_text("Ordered twice").click()
    dialog.get_by_role("button", name="Cancel the order").click()
    expect(dialog).to_be_hidden()
    expect(work).to_contain_text("Ordered twice")
    assert hospital.ask("GET", f"/api/orders/{order_pk}", "front_desk")[1]["state"] == "CANCELED"
    desk.close(refused=1)


@pytest.mark.timeout(300)
def test_the_room_starts_and_stops_a_scan(hospital: Hospital, browser: Browser) -> None:
    _, requested = ordered(hospital, "Walker^Wim")
    _, resources = hospital.ask("GET", "/api/schedule/resources?modality=CT", "front_desk")
    room = next(one for one in resources if one["site_code"] == "NORTH")
    body = {"requested_procedure_pk": requested, "modality_resource_pk": room["modality_resource_pk"]}
    status, booking = hospital.ask("POST", "/api/schedule/walk-ins", "front_desk", body)
    assert status == 201, booking
    technologist = Person(browser, hospital, "technologist", tablet=True)
    page = technologist.page
    page.get_by_role("button", name=room["name"]).click()
    page.get_by_role("navigation", name="The day of this room").get_by_role(
        "button", name="Walker, Wim"
    ).click()
    ready = page.get_by_role("button", name="Ready for the scan")
    expect(ready).to_be_disabled()
    for check in page.get_by_role("checkbox").all():
        check.check()
    ready.click()
    page.get_by_role("button", name="Start the scan").click()
    # Not one image came: that is asked about, since a completed step is charged.
    page.get_by_role("button", name="The scan is complete").click()
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Discontinue the scan").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Equipment failure").click()
    dialog.get_by_role("button", name="Discontinue the scan").click()
    expect(page.get_by_role("main")).to_contain_text("Discontinued")
    step = f"/api/steps/{booking['scheduled_procedure_step_pk']}"
    assert hospital.ask("GET", step, "technologist")[1]["scheduled_procedure_step_status"] == "DISCONTINUED"
    technologist.close()


@pytest.mark.timeout(300)
def test_an_invited_radiologist_enrols_and_signs_with_a_code(hospital: Hospital, browser: Browser) -> None:
    invited = subprocess.run(
        [sys.executable, "-m", "wetread", "user", "add", "vera.stein", "Dr. Vera Stein", "--role", "radiologist",
         "--data", str(hospital.data)],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"/welcome#(\S+)", invited.stdout)
    assert found, invited.stdout
    secret = found[1]
    password = "copper lantern under nine rivers"
    person = Person(browser, hospital, None)
    page = person.page
    page.goto(f"{person.url}/welcome#{secret}")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("The same again").fill(password)
    page.get_by_role("button", name="Set the password").click()
    # Nothing else opens before the authenticator is there; then the work does.
    expect(page).to_have_url(re.compile("/account$"))
    page.get_by_role("button", name="Enrol an authenticator").click()
    authenticator = pyotp.TOTP(page.locator("code").inner_text().replace(" ", ""))
    used = authenticator.now()
    page.get_by_label("The six digits it shows now").fill(used)
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page).to_have_url(re.compile("/reading$"))

    page.get_by_role("row").filter(has_text="Unread").first.dblclick()
    expect(page).to_have_url(re.compile(r"/read/\d+$"))
    report = page.get_by_role("complementary", name="Report")
    report.get_by_role("textbox", name="Impression").click()
    page.keyboard.type("Nothing acute.")
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Password").fill(password)
    sign = dialog.get_by_role("button", name="Sign as final")
    sign.click()
    code = dialog.get_by_label("Code from your authenticator")
    code.fill(used)
    sign.click()
    expect(dialog).to_contain_text("used already")
    # A clock that is a little ahead is forgiven, so the next code need not be waited for.
    code.fill(authenticator.at(datetime.now(UTC) + timedelta(seconds=30)))
    sign.click()
    expect(dialog).to_be_hidden()
    expect(report).to_contain_text("Final")
    page.context.close()
