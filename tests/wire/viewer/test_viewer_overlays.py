"""Segmentations and structures over the pictures that they belong to: where they lie, however the picture is turned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless, generate_uid

import viewer_pictures as pictures
from archive_fixtures import package_file
from viewer_fixtures import PATIENCE_MS, OpenStudy
from viewer_hand import AXIAL, COLUMNS, ROWS, Hand, filed, slice_of
from viewer_others import item
from viewer_overlaid import (
    BLUE,
    CORNER,
    GREEN,
    GRID,
    GRID_MM,
    RED,
    RTSTRUCT,
    STEP,
    Array,
    Screen,
    at_image,
    beside,
    code,
    expected,
    hue,
    middles,
    offered,
    panel,
    red,
    seen,
    segmentation,
    stack,
    store_stack,
)  # fmt: skip

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]
expect.set_options(timeout=PATIENCE_MS)


def blob(seed: int) -> Array:
    return np.random.default_rng(seed).random(GRID) < 0.3


def test_a_cropped_segmentation_of_odd_bits_lies_where_it_is_however_the_picture_is_turned(
    store: Any, open_study: OpenStudy
) -> None:
    space = generate_uid()
    slices = stack(space)
    study = store_stack(store, slices)
    first, second = blob(1), blob(2) & ~blob(1)
    large = np.ones(GRID, bool)
    organs = segmentation(
        space, [(2, 13.0, second), (1, 19.0, large), (1, 13.0, first), (2, 10.0, second)], {1: RED, 2: GREEN}
    )
    beside(store, slices[0], organs)
    elsewhere = segmentation(generate_uid(), [(1, 13.0, large)], {1: BLUE}, ContentLabel="ELSEWHERE")
    beside(store, slices[0], elsewhere, SeriesNumber=51)
    assert (
        organs.pixel_array == np.stack([second, large, first, second])
    ).all()  # pydicom's reading of the odd bits

    page = open_study(study, 1100, 760, accept_downloads=True)
    # It is no stack of pictures, and it is offered.
    offered(page, 2)
    assert page.get_by_role("navigation", name="Series").locator("img").count() == 1
    page.get_by_role("button", name=re.compile("Segmentation off.*ORGANS", re.DOTALL)).click()
    expect(page.locator("[data-pane=a]")).to_contain_text("Segmentation: 2 of 2 shown")
    page.keyboard.press("*")
    expect(panel(page)).to_contain_text("Knife")
    # By voxels: counts × 2 × 3 × 3 mm.
    for number, mask in ((1, [first, large]), (2, [second, second])):
        expect(panel(page).locator(f"li[data-part='{number}']").first).to_contain_text(
            f"{sum(int(one.sum()) for one in mask) * 18 / 1000:.3g} ml"
        )
    # Places of another frame of reference are never drawn.
    expect(panel(page).get_by_label("ELSEWHERE", exact=True)).to_contain_text(
        "The images that it belongs to are not open."
    )
    panel(page).get_by_role("button", name="Show ELSEWHERE").click()

    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    at_image(page, 1)
    page.keyboard.press("t")
    page.wait_for_timeout(500)
    both = expected(("r", first), ("g", second))
    assert Screen(page).hues(middles()) == both
    page.keyboard.press("h")
    assert Screen(page, lambda x, y: (COLUMNS - x, y)).hues(middles()) == both
    page.keyboard.press(">")
    page.wait_for_timeout(300)
    # Mirrored, then turned right: what was the left edge of the mirrored picture is the upper one.
    assert Screen(page, lambda x, y: (ROWS - y, COLUMNS - x), lying=True).hues(middles()) == both
    page.keyboard.press("r")
    page.keyboard.press("ArrowUp")
    at_image(page, 0)
    assert Screen(page).hues(middles()) == expected(("g", second))

    # The eye of one, then to where the other is largest.
    panel(page).get_by_role("button", name="Show Organ 2").first.click()
    expect(page.locator("[data-pane=a]")).to_contain_text("Segmentation: 1 of 2 shown")
    assert Screen(page).hues(middles()) == expected()
    panel(page).get_by_role("button", name="Go to Organ 1").first.click()
    at_image(page, 3)
    assert Screen(page).hues(middles()) == expected(("r", large))

    # It leaves as it is seen.
    on_screen = red(seen(page)).sum()
    page.keyboard.press("Control+e")
    with page.expect_download() as coming:
        page.get_by_role("dialog").get_by_role("button", name="Export").click()
    left = imagecodecs.png_decode(Path(coming.value.path()).read_bytes())[..., :3].astype(int)
    assert red(left).sum() == pytest.approx(on_screen, rel=0.03)
    # On planes it is as long as its grid, and as high as its three steps, of which the middle one is empty.
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    panel(page).get_by_role("button", name="Go to Organ 1").first.click()
    for plane, length in (("sagittal", GRID[0] * GRID_MM[0]), ("coronal", GRID[1] * GRID_MM[1])):
        expect(page.locator(f"[data-plane={plane}]").get_by_test_id("laid")).to_have_count(1)
        rows, columns = np.nonzero(red(seen(page, f"plane-{plane}")))
        assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(length / (3 * STEP), rel=0.1), (
            plane
        )
        assert len(np.unique(rows)) < np.ptp(rows) - 3, plane
    # In the body it stands as a surface, of what is shown alone; looked at from the front it is as broad as its grid.
    page.keyboard.press("Shift+D")
    body = page.locator("[data-plane=body]")
    expect(body).to_have_attribute("data-surfaces", "1")
    expect(body).to_contain_text("1 surface of segments")
    page.get_by_role("button", name="Segments alone").click()
    page.wait_for_timeout(300)
    reddish = seen(page, "plane-body")
    reddish = (reddish[..., 0] > 40) & (reddish[..., 1] < reddish[..., 0] / 4)
    rows, columns = np.nonzero(reddish)
    assert len(rows) > 300
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(
        GRID[1] * GRID_MM[1] / (3 * STEP), rel=0.15
    )
    panel(page).get_by_role("button", name="Show Organ 2").first.click()
    expect(body).to_have_attribute("data-surfaces", "2")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("planes")).to_have_count(0)
    page.keyboard.press("Shift+Z")
    expect(page.locator("[data-pane=a]")).to_contain_text("Segmentation hidden")
    assert Screen(page).hues(middles()) == expected()


def test_structures_have_holes_and_are_cut_where_a_picture_stands_across(
    store: Any, open_study: OpenStudy
) -> None:
    space = generate_uid()
    slices = stack(space)
    study = store_stack(store, slices)
    across = slice_of(np.zeros((ROWS, COLUMNS), "<i2"), [0, 1, 0, 0, 0, -1])
    across.FrameOfReferenceUID, across.ImagePositionPatient = space, ["-10", "-30", "40"]
    beside(store, slices[0], across, SeriesNumber=2)

    def contour(kind: str, *points: tuple[float, float, float]) -> Dataset:
        return item(
            ContourGeometricType=kind,
            NumberOfContourPoints=len(points),
            ContourData=[f"{one:.3f}" for point in points for one in point],
        )

    def square(left: float, top: float, side: float, z: float) -> Dataset:
        return contour(
            "CLOSED_PLANAR",
            (left, top, z),
            (left + side, top, z),
            (left + side, top + side, z),
            (left, top + side, z),
        )

    plan = item(
        SOPClassUID=RTSTRUCT, Modality="RTSTRUCT", StructureSetLabel="PLAN", FrameOfReferenceUID=space,
        StructureSetROISequence=[
            item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=space, ROIGenerationAlgorithm="MANUAL")
            for number, name in ((1, "Bladder"), (2, "Needle"))
        ],
        ROIContourSequence=[
            item(
                ReferencedROINumber=1, ROIDisplayColor=[255, 20, 20],
                ContourSequence=[square(-20, -20, 30, z) for z in (13, 16, 19)] + [square(-15, -15, 10, 16)],
            ),
            item(ReferencedROINumber=2, ROIDisplayColor=[20, 20, 255], ContourSequence=[contour("POINT", (20, 5, 16))]),
        ],
        RTROIObservationsSequence=[item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="ORGAN", ROIInterpreter="")],
    )  # fmt: skip
    beside(store, slices[0], plan)
    page = open_study(study, 1100, 760)
    offered(page)
    page.keyboard.press("*")
    panel(page).get_by_role("button", name="Go to Bladder").click()
    expect(panel(page)).to_contain_text("Organ")
    expect(panel(page).locator("li[data-part='1']")).to_contain_text(f"{(3 * 900 - 100) * 3 / 1000:.3g} ml")
    panel(page).get_by_role("slider", name="Fill of PLAN").press("End")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.locator("[data-pane=a]").click(position={"x": 300, "y": 60})
    page.keyboard.press("Home")
    places = [(-18.0, -18.0), (-10.0, -10.0), (5.0, 5.0), (15.0, 0.0)]
    for image, colours in enumerate(("....", "rrr.", "r.r.", "rrr.", "....")):
        at_image(page, image)
        page.wait_for_timeout(300)
        assert Screen(page).hues(places) == colours, image
        assert page.locator("[data-testid=laid] [data-part='2']").count() == (1 if image == 2 else 0)
        page.keyboard.press("ArrowDown")
    # A sagittal picture at x = -10 goes through all three, and through the hole of the middle one.
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-pane=a]")).to_have_attribute("data-sop-instance-uid", across.SOPInstanceUID)
    page.wait_for_timeout(300)
    # Along a row is to the back from -30, down a column to the feet from 40, as if both were the first picture's axes.
    sagittal = [
        (y - 10, 10 - z)
        for y, z in ((-18, 13), (-10, 13), (-18, 16), (-10, 16), (0, 16), (-10, 19), (-10, 21), (-10, 11))
    ]
    assert Screen(page).hues(sagittal) == "rrr.rr.."


def test_parts_labels_and_a_liver_are_seen_as_pydicom_reads_them(store: Any, open_study: OpenStudy) -> None:
    space = generate_uid()
    slices = stack(space)
    study = store_stack(store, slices)
    parts = np.zeros(GRID, "u1")
    parts[2:5, 3:9], parts[8:11, 3:9] = 200, 60
    fractional = segmentation(
        space,
        [(1, 10.0, parts)],
        {1: RED},
        "FRACTIONAL",
        SegmentationFractionalType="OCCUPANCY",
        MaximumFractionalValue=200,
        ContentLabel="PARTS",
    )
    fractional.SOPInstanceUID = generate_uid()
    fractional.file_meta = pictures.FileMetaDataset()
    fractional.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    fractional.compress(RLELossless, generate_instance_uid=False)
    labels = np.zeros(GRID, "<u2")
    labels[2:6, 2:8], labels[2:6, 8:12] = 3, 700
    # Its palette is longer than what comes with the metadata, and counts more than what its segments recommend.
    tables = {name: np.zeros(701, "<u2") for name in ("Red", "Green", "Blue")}
    tables["Blue"][3] = tables["Green"][700] = 0xFFFF
    label_map = segmentation(
        space, [(0, 13.0, labels)], {3: RED, 700: RED}, "LABELMAP", ContentLabel="LABELS",
        PhotometricInterpretation="PALETTE COLOR",
        **{f"{name}PaletteColorLookupTableDescriptor": [701, 0, 16] for name in tables},
        **{f"{name}PaletteColorLookupTableData": table.tobytes() for name, table in tables.items()},
    )  # fmt: skip
    label_map.file_meta = pictures.FileMetaDataset()
    label_map.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    beside(store, slices[0], fractional)
    beside(store, slices[0], label_map, SeriesNumber=51)
    page = open_study(study, 1100, 760)
    offered(page, 2)
    page.keyboard.press("*")
    page.keyboard.press("Shift+Z")
    expect(panel(page).locator("li[data-part='1']")).to_contain_text(f"{(18 + 18 * 0.3) * 18 / 1000:.3g} ml")
    expect(panel(page).locator("li[data-part='700']")).to_contain_text(f"{16 * 18 / 1000:.3g} ml")
    page.keyboard.press("t")
    page.keyboard.press("Home")
    at_image(page, 0)
    page.wait_for_timeout(500)
    assert Screen(page).hues(middles())[: 7 * GRID[1]] == expected(("r", parts == 200))[: 7 * GRID[1]]
    # All is filled by 40 %; three tenths, which two of four levels are below, fainter.
    whole, part = (redness(page, (CORNER[0] + 12, CORNER[1] + row * 2.0)) for row in (3, 9))
    assert (whole, part) == (pytest.approx(102, abs=8), pytest.approx(255 * (1 - 0.6**0.5), abs=8))
    page.keyboard.press("ArrowDown")
    at_image(page, 1)
    assert Screen(page).hues(middles()) == expected(("b", labels == 3), ("g", labels == 700))


def redness(page: Page, place: tuple[float, float]) -> int:
    screen = Screen(page)
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box
    across, down = screen.hand.at(((place[0] + 40) / 0.8 + 0.5, (place[1] + 30) / 0.5 + 0.5))
    rgb = seen(page)[round(down - box["y"]), round(across - box["x"])]
    return int(rgb[0] - rgb[1])


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_a_liver_lies_as_pydicom_reads_it(name: str, store: Any, open_study: OpenStudy) -> None:
    liver = pydicom.dcmread(package_file(name))
    covered = liver.pixel_array.reshape(512, 512)
    frame = liver.PerFrameFunctionalGroupsSequence[0]
    image = pictures.grey(
        np.zeros((512, 512), "<i2"), WindowCenter="50", WindowWidth="200", ImageOrientationPatient=AXIAL
    )
    image.PixelSpacing = liver.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    image.ImagePositionPatient = frame.PlanePositionSequence[0].ImagePositionPatient
    image.FrameOfReferenceUID = liver.FrameOfReferenceUID
    study = filed(store, image)
    beside(store, image, liver)
    page = open_study(study, 1100, 760)
    offered(page)
    page.keyboard.press("t")
    page.keyboard.press("Shift+Z")
    expect(page.get_by_test_id("laid")).to_have_count(1)
    page.wait_for_timeout(500)
    painted, hand = seen(page), Hand(page, (512, 512), 1.0)
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box
    # Places whose neighbours are all alike: the edge itself is drawn a little to both sides.
    around = np.lib.stride_tricks.sliding_window_view(np.pad(covered, 3, mode="edge"), (7, 7)).sum((2, 3))
    places = [
        (row, column)
        for row in range(60, 460, 7)
        for column in range(60, 460, 7)
        if around[row, column] in (0, 49)
    ]
    inside = [bool(covered[place]) for place in places]
    found = []
    for row, column in places:
        across, down = hand.at((column + 0.5, row + 0.5))
        found.append(hue(painted[round(down - box["y"]), round(across - box["x"])]) == "r")
    assert found == inside
    assert sum(inside) > 100


def test_surfaces_stand_in_the_body_and_cut_pictures(store: Any, open_study: OpenStudy) -> None:
    space = generate_uid()
    slices = stack(space)
    study = store_stack(store, slices)
    # A box of 20 by 24 by 6 mm about the third slice, as sides of two triangles: its bytes are long, and fetched.
    low, high = np.array([-10.0, -22.0, 13.0]), np.array([10.0, 2.0, 19.0])
    corners = np.array([[(low, high)[n >> axis & 1][axis] for axis in range(3)] for n in range(8)], "<f4")
    sides = [(1, 3, 4, 2), (5, 6, 8, 7), (1, 2, 6, 5), (3, 7, 8, 4), (1, 5, 7, 3), (2, 4, 8, 6)]
    triangles = np.array([[(a, b, c), (a, c, d)] for a, b, c, d in sides], "<u4")
    surfaces = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.5", Modality="SEG", FrameOfReferenceUID=space, ContentLabel="SKIN", NumberOfSurfaces=1,
        SegmentSequence=[
            item(
                SegmentNumber=1, SegmentLabel="Box", SegmentAlgorithmType="AUTOMATIC", SegmentAlgorithmName="Knife",
                ReferencedSurfaceSequence=[item(ReferencedSurfaceNumber=1)],
                SegmentedPropertyCategoryCodeSequence=code("Tissue"), SegmentedPropertyTypeCodeSequence=code("Skin"),
            )
        ],
        SurfaceSequence=[
            item(
                SurfaceNumber=1, RecommendedDisplayCIELabValue=RED, RecommendedPresentationOpacity=1.0,
                RecommendedPresentationType="SURFACE", FiniteVolume="YES", Manifold="YES", SurfaceProcessing="NO",
                SurfacePointsSequence=[item(NumberOfSurfacePoints=8, PointCoordinatesData=corners.tobytes())],
                SurfaceMeshPrimitivesSequence=[item(LongTrianglePointIndexList=triangles.tobytes())],
            )
        ],
    )  # fmt: skip
    beside(store, slices[0], surfaces)
    page = open_study(study, 1100, 760)
    offered(page)
    page.get_by_role("button", name=re.compile("Surfaces off.*SKIN", re.DOTALL)).click()
    page.keyboard.press("*")
    expect(panel(page).locator("li[data-part='1']")).to_contain_text("2.88 ml")
    panel(page).get_by_role("slider", name="Fill of SKIN").press("End")
    page.keyboard.press("Escape")
    page.locator("[data-pane=a]").click(position={"x": 300, "y": 60})
    page.keyboard.press("t")
    page.keyboard.press("Home")
    places = [(-8.0, -20.0), (8.0, 0.0), (-12.0, -10.0), (0.0, 4.0)]
    for image, colours in enumerate(("....", "rr..", "rr..", "rr..", "....")):
        # At the faces themselves a rounding decides.
        if image not in (1, 3):
            at_image(page, image)
            page.wait_for_timeout(300)
            assert Screen(page).hues(places) == colours, image
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+P")
    expect(page.get_by_test_id("planes")).to_have_attribute("data-ready", "true")
    panel(page).get_by_role("button", name="Go to Box").click()
    for plane, length in (("sagittal", 24.0), ("coronal", 20.0)):
        expect(page.locator(f"[data-plane={plane}]").get_by_test_id("laid")).to_have_count(1)
        rows, columns = np.nonzero(red(seen(page, f"plane-{plane}")))
        assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(length / 6, rel=0.1), plane
    page.keyboard.press("Shift+D")
    expect(page.locator("[data-plane=body]")).to_have_attribute("data-surfaces", "1")
    # From where it is looked at: from the front, and after a quarter to the right from the patient's right.
    letters = page.locator("[data-plane=body] [data-edge]")
    expect(letters).to_have_text(["H", "L", "F", "R"])
    for _ in range(9):
        page.keyboard.press("Shift+ArrowRight")
    expect(letters).to_have_text(["H", "A", "F", "P"])
    for _ in range(9):
        page.keyboard.press("Shift+ArrowLeft")
    expect(letters).to_have_text(["H", "L", "F", "R"])
    page.get_by_role("button", name="Segments alone").click()
    page.wait_for_timeout(300)
    body = seen(page, "plane-body")
    rows, columns = np.nonzero((body[..., 0] > 40) & (body[..., 1] < body[..., 0] / 4))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(20 / 6, rel=0.15)


def test_heights_are_lines_on_the_pictures_that_they_name(store: Any, open_study: OpenStudy) -> None:
    # Two B-scans of an eye, in one object that says nothing of where it lies.
    scans = pictures.grey(
        np.zeros((2, ROWS, COLUMNS), "u1"),
        "1.2.840.10008.5.1.4.1.1.77.1.5.4",
        WindowCenter="50",
        WindowWidth="200",
    )
    study = filed(store, scans)
    heights = np.full((2, 2, COLUMNS), -1.0, "<f4")
    heights[0, 0] = np.linspace(10, 40, COLUMNS)
    heights[0, 1, 30:] = 70.5
    heights[1, 1] = 20
    layers = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.8", Modality="SEG", SegmentationType="HEIGHTMAP", Rows=2, Columns=COLUMNS,
        NumberOfFrames=2, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=32, ContentLabel="RETINA",
        FrameOfReferenceUID=generate_uid(),
        SegmentSequence=[
            item(SegmentNumber=n, SegmentLabel=name, SegmentAlgorithmType="MANUAL", RecommendedDisplayCIELabValue=lab)
            for n, name, lab in ((1, "ILM", RED), (2, "RPE", BLUE))
        ],
        SharedFunctionalGroupsSequence=[
            item(
                DerivationImageSequence=[
                    item(
                        SourceImageSequence=[
                            item(
                                ReferencedSOPClassUID=scans.SOPClassUID,
                                ReferencedSOPInstanceUID=scans.SOPInstanceUID,
                                ReferencedFrameNumber=[1, 2],
                            )
                        ]
                    )
                ]
            )
        ],
        PerFrameFunctionalGroupsSequence=[
            item(SegmentIdentificationSequence=[item(ReferencedSegmentNumber=n)]) for n in (1, 2)
        ],
        FloatPixelPaddingValue=-1.0,
        FloatPixelData=heights.tobytes(),
    )  # fmt: skip
    beside(store, scans, layers)
    page = open_study(study, 1100, 760)
    offered(page)
    page.get_by_role("button", name=re.compile("Height map off.*RETINA", re.DOTALL)).click()
    page.keyboard.press("t")
    expect(page.locator("[data-testid=laid] [data-part='1']")).to_have_count(1)
    expect(page.locator("[data-testid=laid] [data-part='2']")).to_have_count(0)
    first = lines_of(page)
    # The line falls from row 10 to row 40, pixels of one size.
    assert {column: first["r"][column] for column in (5, 60, 115)} == {
        column: pytest.approx(10 + 30 * (column - 0.5) / (COLUMNS - 1), abs=0.7) for column in (5, 60, 115)
    }
    page.keyboard.press("ArrowDown")
    at_image(page, 1)
    second = lines_of(page)
    # It begins where its heights do.
    assert (second["r"].get(20), second["r"][50]) == (None, pytest.approx(70.5, abs=0.7))
    assert second["b"][50] == pytest.approx(20, abs=0.7)


def lines_of(page: Page) -> dict[str, dict[int, float]]:
    """At which height, in pixels of the picture, a colour stands in some of its columns."""
    page.mouse.move(3, 3)
    page.wait_for_timeout(300)
    painted, hand = seen(page), Hand(page, (ROWS, COLUMNS), 1.0)
    box = page.get_by_test_id("canvas-a").bounding_box()
    assert box
    out: dict[str, dict[int, float]] = {"r": {}, "b": {}}
    for column in (5, 20, 50, 60, 115):
        across = round(hand.at((column, 0))[0] - box["x"])
        for letter, found in out.items():
            rows = [row for row, rgb in enumerate(painted[:, across]) if hue(rgb) == letter]
            if rows:
                found[column] = (np.mean(rows) + 0.5 + box["y"] - hand.top) / hand.down
    return out
