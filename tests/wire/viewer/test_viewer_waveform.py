"""Waveforms on their paper: what the canvas shows beside what pydicom reads, and what calipers say of it."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pydicom
import pytest
from playwright.sync_api import Locator, Page, expect
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

from viewer_fixtures import PATIENCE_MS, OpenStudy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)
Array = np.ndarray[Any, Any]
_CANVAS = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let text = ''
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
  return { width: canvas.width, height: canvas.height, data: btoa(text) }
}"""
LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def ecg() -> Dataset:
    ds = pydicom.dcmread(get_testdata_file("waveform_ecg.dcm"))
    ds.remove_private_tags()
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Test^Waves", "WAVE", "HOSPITAL"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (generate_uid() for _ in range(3))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def filed(store: Any, ds: Dataset) -> str:
    out = io.BytesIO()
    little = ds.file_meta.TransferSyntaxUID.is_little_endian
    pydicom.dcmwrite(out, ds, enforce_file_format=True, implicit_vr=False, little_endian=little)
    [result] = store(out.getvalue(), as_files=True)
    assert result.status == 0, result
    return str(ds.StudyInstanceUID)


def paper(page: Page) -> Locator:
    found = page.get_by_test_id("waveform-canvas")
    expect(found).to_have_attribute("data-strips", re.compile("lead"))
    return found


def strips_of(canvas: Locator) -> list[dict[str, Any]]:
    return list(json.loads(str(canvas.get_attribute("data-strips"))))


def is_drawn(canvas: Locator, strip: dict[str, Any], values: Array, frequency: float) -> None:
    """In each column of pixels the curve is where the samples of that time are."""
    canvas.page.wait_for_timeout(150)
    found = canvas.evaluate(_CANVAS)
    picture = np.frombuffer(base64.b64decode(found["data"]), np.uint8).reshape(
        found["height"], found["width"], 4
    )
    bright = picture[:, :, :3].astype(int).min(2) > 120
    scale = float(str(canvas.get_attribute("data-scale")))
    speed = 25.0
    missed = 0
    columns = range(int(strip["left"] * scale) + 4, int((strip["left"] + strip["width"]) * scale) - 4)
    for x in columns:
        time = strip["from"] + ((x + 0.5) / scale - strip["left"]) / speed
        at = round(time * frequency)
        if at >= len(values):
            break
        y = (strip["middle"] - (values[at] - strip["zero"]) * strip["scale"]) * scale
        near = bright[max(0, int(y) - 3) : int(y) + 4, max(0, x - 1) : x + 2]
        missed += not near.any()
    # The words of a strip lie over its beginning.
    assert missed <= 0.02 * len(columns), (missed, len(columns))


def choose(page: Page, label: str, value: str) -> None:
    page.get_by_test_id("waveform").get_by_label(label, exact=True).click()
    page.get_by_role("option", name=value, exact=True).click()


def test_an_ecg_stands_on_its_paper_as_pydicom_reads_it(store: Any, open_study: OpenStudy) -> None:
    ds = ecg()
    values = ds.waveform_array(0)
    page = open_study(filed(store, ds), 1440, 900, state="paper")
    canvas = paper(page)
    strips = strips_of(canvas)
    assert [one["lead"] for one in strips] == [*LEADS, "II"]
    # Ten millimetres a millivolt, and a quarter of the ten seconds in each column.
    assert {round(one["scale"] * 1000, 6) for one in strips} == {10.0}
    page.keyboard.press(":")
    for at in (0, 4, 8, 11, 12):
        is_drawn(canvas, strips[at], values[:, LEADS.index(strips[at]["lead"])], 1000)
    name = str(page.get_by_role("img", name=re.compile("12-lead ECG")).get_attribute("aria-label"))
    assert "25 mm/s, 10 mm/mV, 1000 Hz, filters 0.05–300 Hz" in name

    notes = page.get_by_role("complementary", name="Annotations of the recording")
    expect(notes).to_contain_text("RITMO SINUSALE")
    expect(notes.locator("dl > div").filter(has_text="PR Interval")).to_contain_text("161 ms")
    expect(notes).to_contain_text("Marks: 66")

    page.keyboard.press("'")
    page.keyboard.press("'")
    page.keyboard.press("'")
    expect(page.get_by_test_id("waveform").get_by_label("Layout")).to_have_value("12 × 1")
    page.keyboard.press(")")
    lead = strips_of(canvas)[9]
    assert (lead["lead"], round(lead["scale"] * 1000, 6)) == ("V4", 20.0)
    is_drawn(canvas, lead, values[:, 9], 1000)
    choose(page, "Recording", "MEDIAN BEAT (worked out)")
    expect(page.get_by_role("img", name=re.compile("0:00.0 to 0:01.2 of 0:01.2"))).to_be_visible()


def test_calipers_measure_by_hand_and_by_keys(store: Any, open_study: OpenStudy) -> None:
    page = open_study(filed(store, ecg()), 1280, 800, state="paper")
    canvas = paper(page)
    scale = float(str(canvas.get_attribute("data-scale")))
    rhythm = strips_of(canvas)[-1]
    box = canvas.bounding_box()
    assert box

    def at(seconds: float, millimetres: float) -> tuple[float, float]:
        return box["x"] + (rhythm["left"] + seconds * 25) * scale, box["y"] + (
            rhythm["middle"] - millimetres
        ) * scale

    page.keyboard.press(";")
    page.mouse.move(*at(2, 0))
    page.mouse.down()
    page.mouse.move(*at(2.8, 10), steps=4)
    page.mouse.up()
    said = page.get_by_label("Calipers", exact=True).filter(has_text="ms")
    time, rate, height = said.locator("span").all_inner_texts()
    assert int(re.fullmatch(r"(\d+) ms", time)[1]) == pytest.approx(800, abs=1.1 * 1000 / 25 / scale)
    assert float(re.fullmatch(r"([\d.]+) /min", rate)[1]) == pytest.approx(75, abs=2)
    assert float(re.fullmatch(r"([\d.]+) mV", height)[1]) == pytest.approx(1, abs=1.1 / 10 / scale)

    before = int(time.split()[0])
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    after = int(said.locator("span").first.inner_text().split()[0])
    assert after - before == pytest.approx(30 * 1000 / 25 / scale, abs=2)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("calipers")).to_have_count(0)


def channel(name: str, unit: str, sensitivity: str) -> Dataset:
    coded = Dataset()
    coded.CodeValue, coded.CodingSchemeDesignator, coded.CodeMeaning = unit, "UCUM", unit
    ds = Dataset()
    ds.ChannelLabel, ds.ChannelSensitivity, ds.ChannelSensitivityUnitsSequence = name, sensitivity, [coded]
    ds.ChannelSensitivityCorrectionFactor, ds.ChannelBaseline, ds.WaveformBitsStored = "1", "0", 16
    return ds


def hours_of(minutes: int) -> tuple[Dataset, Array]:
    """A pressure that rises with each beat, for minutes; big-endian, as old devices write."""
    ds = ecg()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.2.1"
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.Modality = "HD"
    del ds.WaveformAnnotationSequence
    count = 100 * 60 * minutes
    seconds = np.arange(count) / 100
    pressure = np.round(10 * (90 + 30 * np.abs(np.sin(3.1 * seconds)) + seconds / 60)).astype(">i2")
    group = Dataset()
    group.WaveformOriginality, group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = (
        "ORIGINAL",
        1,
        count,
    )
    group.SamplingFrequency, group.MultiplexGroupTimeOffset = "100", "0"
    group.ChannelDefinitionSequence = [channel("ART", "mm[Hg]", "0.1")]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.add_new("WaveformData", "OW", pressure.tobytes())
    ds.WaveformSequence = [group]
    return ds, pressure.astype(float) / 10


def test_a_long_pressure_is_scrolled_through(store: Any, open_study: OpenStudy) -> None:
    ds, values = hours_of(20)
    page = open_study(filed(store, ds), 1024, 768, state="paper", has_touch=True)
    canvas = paper(page)
    [strip] = strips_of(canvas)
    assert strip["lead"] == "ART"
    is_drawn(canvas, strip, values, 100)
    expect(page.get_by_role("img", name=re.compile("Haemodynamics.*mmHg"))).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_role("img", name=re.compile("to 20:00.0 of 20:00.0"))).to_be_visible()
    [strip] = strips_of(canvas)
    assert strip["from"] > 19 * 60
    is_drawn(canvas, strip, values, 100)
    # Two fingers that part from each other enlarge the paper.
    before = float(str(canvas.get_attribute("data-scale")))
    hand = page.context.new_cdp_session(page)

    def fingers(kind: str, *across: float) -> None:
        points = [{"x": x, "y": 400, "id": at} for at, x in enumerate(across)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 500)
    fingers("touchStart", 500, 600)
    for step in range(1, 6):
        fingers("touchMove", 500 - 10 * step, 600 + 10 * step)
    fingers("touchEnd")
    expect(canvas).not_to_have_attribute("data-scale", str(before))
    assert float(str(canvas.get_attribute("data-scale"))) == pytest.approx(2 * before, rel=0.05)
    page.get_by_test_id("waveform").get_by_role("button", name="As much as fits").click()
    # Seen from afar each pixel holds many samples.
    choose(page, "Paper speed", "1 mm/s")
    bounds = canvas.bounding_box()
    assert bounds
    page.mouse.move(bounds["x"] + 300, bounds["y"] + 100)
    page.mouse.down()
    page.mouse.move(bounds["x"] + 400, bounds["y"] + 100, steps=3)
    page.mouse.up()
    assert strips_of(canvas)[0]["from"] < strip["from"]


def test_a_sound_is_heard_and_followed(store: Any, open_study: OpenStudy) -> None:
    """Companded by µ-law (ITU-T G.711), as voices are."""
    ds, _ = hours_of(1)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.4.2"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Modality = "AU"
    rate, seconds = 8000, 3
    wave = np.sin(2 * np.pi * 3 * np.arange(rate * seconds) / rate)
    # Sign, and the size by its logarithm, turned round: full 0x80 and 0x00, nothing 0xFF and 0x7F.
    size = np.round(127 * np.log1p(255 * np.abs(wave)) / np.log(256)).astype(np.uint8)
    bytes_of = np.where(wave >= 0, 0xFF - size, 0x7F - size).astype(np.uint8)
    [group] = ds.WaveformSequence
    group.NumberOfWaveformSamples, group.SamplingFrequency = rate * seconds, str(rate)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 8, "MB"
    definition = Dataset()
    definition.ChannelLabel, definition.WaveformBitsStored = "Voice", 8
    group.ChannelDefinitionSequence = [definition]
    del group.WaveformData
    group.add_new("WaveformData", "OB", bytes_of.tobytes())
    page = open_study(filed(store, ds), 1280, 800, state="paper")
    canvas = paper(page)
    # What was companded comes back nearly as it was: within a part in sixteen.
    [strip] = strips_of(canvas)
    expanded = np.sign(wave) * (np.power(256.0, size / 127) - 1) / 255 * 32124
    is_drawn(canvas, strip, expanded, rate)
    heard = page.get_by_test_id("waveform").get_by_role("button", name="Play", exact=True)
    heard.click()
    expect(page.get_by_test_id("played")).to_have_count(1)
    before = page.get_by_test_id("played").bounding_box()
    page.wait_for_function(
        "x => document.querySelector('[data-testid=played]').getBoundingClientRect().x > x + 5",
        arg=before["x"],
    )
    page.keyboard.press("Space")
    expect(page.get_by_test_id("waveform").get_by_role("button", name="Play", exact=True)).to_be_visible()
