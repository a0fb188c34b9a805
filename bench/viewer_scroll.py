"""`python -m bench.viewer_scroll`: whether a study of 2,000 slices and one object of 3,000 frames scroll without stalls.

Both are opened in Chromium and scrolled by wheel and by keys, while their images still arrive and when all are here.
What is told: the time to the first image, the longest time between two frames that the browser could paint, how many
were longer than 100 ms, and the longest time that the page's work took at a stretch. And the same without the time that the
page waited for its pictures to be drawn: that is short where there is a graphics processor, and else its stand-in's.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid
from rich.console import Console
from rich.table import Table

from bench import corpus, store
from bench.servers import Server
from bench.viewer_browser import Seat, seat

STALL_MS = 100
_OPEN = """url => new Promise((done) => {
  const begun = performance.now()
  window.__late.gaps.length = window.__late.tasks.length = window.__late.draws.length = 0
  window.history.pushState({}, '', url)
  const look = () => {
    if (document.querySelector('[data-pane=a][data-state=shown]')) done(performance.now() - begun)
    else requestAnimationFrame(look)
  }
  look()
})"""
_TAKE = """() => {
  const { gaps, tasks, draws } = window.__late
  const drawn = (from, to) => draws.reduce((sum, [end, took]) => (end > from && end <= to ? sum + took : sum), 0)
  const taken = {
    gaps: gaps.map((one) => one[1]),
    tasks: tasks.map((one) => one[1]),
    own: gaps.map(([end, took]) => Math.max(0, took - drawn(end - took, end))),
  }
  gaps.length = tasks.length = draws.length = 0
  return taken
}"""


def main() -> None:
    """Makes both, opens and scrolls them, and prints a table."""
    parser = argparse.ArgumentParser(prog="bench.viewer_scroll", description=__doc__)
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--size", type=int, default=256, help="rows and columns of a slice")
    parser.add_argument("--frames", type=int, default=3000, help="of the one object, 128 squared")
    parser.add_argument("--seconds", type=float, default=5, help="how long each way of scrolling is kept up")
    asked = parser.parse_args()
    uids: dict[str, str] = {}

    def fill(server: Server, root: Path) -> None:
        files, _, slices = corpus.write(root / "slices", studies=1, slices=asked.slices, size=asked.size)
        store.send(server, [files])
        uids[f"{asked.slices:,} slices of {asked.size}²"] = slices
        path, frames = multi_frame(root / "frames.dcm", asked.frames)
        store.storescu(server, [[path]])
        uids[f"{asked.frames:,} frames of 128²"] = frames

    table = Table("what", "how", "first image s", "frames/s", "worst gap ms", f"gaps > {STALL_MS} ms", "longest task ms",
                  f"tasks > {STALL_MS} ms", "worst gap without drawing ms", f"of these > {STALL_MS} ms", title="Scrolling")  # fmt: skip
    console = Console(width=132)
    with seat(fill) as reader:
        for what, uid in uids.items():
            _scrolled(reader, table, what, uid, asked.seconds)
    console.print(table)


def _scrolled(reader: Seat, table: Table, what: str, uid: str, seconds: float) -> None:
    page = reader.page
    reader.leave()
    took = page.evaluate(_OPEN, f"/room/{reader.study_pks[uid]}/images") / 1000
    table.add_row(what, "opening", f"{took:.2f}", *_lateness(page.evaluate(_TAKE)))
    box = page.locator("[data-testid=canvas-a]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def wheel() -> None:
        end, way = time.monotonic() + seconds, 100
        while time.monotonic() < end:
            page.mouse.wheel(0, way)
            page.wait_for_timeout(16)

    def keys() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            page.keyboard.down("ArrowUp")  # again and again, as a key that is held does
            page.wait_for_timeout(33)
        page.keyboard.up("ArrowUp")

    def bar() -> None:
        end, at = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            at = (at + 37) % 100
            page.keyboard.press("Home" if at % 2 else "End")
            page.wait_for_timeout(150)

    def run(how: str, act: object) -> None:
        page.evaluate(_TAKE)
        assert callable(act)
        act()
        table.add_row("", how, "", *_lateness(page.evaluate(_TAKE)))

    run("wheel, while images arrive", wheel)
    run("keys, while images arrive", keys)
    run("ends, while images arrive", bar)
    total = page.locator("[data-pane=a] input[type=range]").get_attribute("max")
    end = time.monotonic() + 240
    before = "-1"
    while time.monotonic() < end:  # all are here, or as many as memory is given to
        loaded = page.locator("[data-pane=a]").get_attribute("data-loaded") or ""
        if loaded == str(int(total or 0) + 1) or loaded == before:
            break
        before = loaded
        page.wait_for_timeout(4000)
    page.evaluate(_TAKE)
    page.wait_for_timeout(int(seconds * 1000))
    table.add_row("", f"at rest, {loaded} images here", "", *_lateness(page.evaluate(_TAKE)))
    run("wheel", wheel)
    run("keys", keys)


def _lateness(taken: dict[str, list[float]]) -> list[str]:
    gaps, tasks, own = taken["gaps"], taken["tasks"], taken["own"]
    rate = len(gaps) / (sum(gaps) / 1000) if gaps else 0.0
    return [
        f"{rate:.0f}",
        f"{max(gaps, default=0):.0f}",
        str(sum(gap > STALL_MS for gap in gaps)),
        f"{max(tasks, default=0):.0f}",
        str(sum(task > STALL_MS for task in tasks)),
        f"{max(own, default=0):.0f}",
        str(sum(gap > STALL_MS for gap in own)),
    ]


def multi_frame(path: Path, frames: int, size: int = 128) -> tuple[Path, str]:
    """An Enhanced CT object of `frames` frames, each with its own functional groups; its file and Study Instance UID."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = EnhancedCTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.PatientID, data.PatientName = "BENCHMF", "Okafor^Ada"
    data.PatientBirthDate, data.PatientSex = "19600615", "F"
    data.StudyDate, data.StudyTime, data.StudyID = "20260115", "030000", "1"
    data.AccessionNumber, data.ReferringPhysicianName = "", ""
    data.Modality, data.SeriesNumber, data.InstanceNumber = "CT", 1, 1
    data.FrameOfReferenceUID = generate_uid()
    data.Rows = data.Columns = size
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.NumberOfFrames = frames
    data.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    shared = data.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence = Sequence([_item(PixelSpacing=[0.5, 0.5], SliceThickness=0.2)])
    shared.PlaneOrientationSequence = Sequence([_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    groups = []
    for at in range(frames):
        group = Dataset()
        group.PlanePositionSequence = Sequence([_item(ImagePositionPatient=[-32, -32, at * 0.2])])
        group.FrameContentSequence = Sequence(
            [_item(StackID="1", InStackPositionNumber=at + 1, DimensionIndexValues=[1, at + 1], FrameAcquisitionNumber=1)]
        )  # fmt: skip
        group.FrameVOILUTSequence = Sequence([_item(WindowCenter=40, WindowWidth=400)])
        group.PixelValueTransformationSequence = Sequence(
            [_item(RescaleIntercept=0, RescaleSlope=1, RescaleType="HU")]
        )
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    y, x = np.mgrid[:size, :size]
    pixels = np.empty((frames, size, size), "<i2")
    for at in range(frames):
        pixels[at] = 60 * np.sin(at / 30 + x / 11) * np.cos(y / 13) + 40
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path, data.StudyInstanceUID


def _item(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


if __name__ == "__main__":
    main()
