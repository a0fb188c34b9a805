"""Rendered resources: what a browser, a mail or a report shows of an object, and that it shows it rightly."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from archive_fixtures import MakeDicom, Store, file_bytes, package_file
from dicomweb_fixtures import Answer, Client, path_of

SHORT = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0}


def pixels(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    with Image.open(io.BytesIO(answer.body)) as image:
        return np.asarray(image).astype(int)


def grey(make_dicom: MakeDicom, frame: Any, **attributes: Any) -> Dataset:
    """A plain object of these values, without what the template says of windows."""
    wanted = SHORT | {
        "Rows": frame.shape[-2], "Columns": frame.shape[-1], "PixelData": frame.tobytes(), "RescaleSlope": 1,
        "RescaleIntercept": 0, "PixelSpacing": [1, 1],
    }  # fmt: skip
    return make_dicom(**(wanted | attributes))


def lut(first: int, entries: list[int], bits: int = 16) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US" if first >= 0 else "SS", [len(entries), first, bits])
    item.add_new(0x00283006, "US", entries)
    return item


def test_windows_by_each_function(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16), (4, 1))
    ds = grey(make_dicom, ramp, WindowCenter=128, WindowWidth=256)
    exact = grey(make_dicom, ramp, WindowCenter=100, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    store(ds, exact)
    x = np.arange(256)

    def row(query: str, of: Dataset = ds) -> Any:
        return pixels(reader.get(f"{path_of(of)}/rendered{query}", Accept="image/png"))[0]

    assert np.abs(row("") - np.clip((x - 127.5) / 255 + 0.5, 0, 1) * 255).max() <= 1
    assert np.abs(row("?window=100,100,linear") - np.clip((x - 99.5) / 99 + 0.5, 0, 1) * 255).max() <= 1
    assert np.abs(row("?window=100,100,linear-exact") - np.clip((x - 100) / 100 + 0.5, 0, 1) * 255).max() <= 1
    assert np.abs(row("?window=100,100,sigmoid") - 255 / (1 + np.exp(-4 * (x - 100) / 100))).max() <= 1
    assert np.abs(row("", exact) - row("?window=100,100,linear-exact")).max() == 0
    for bad in ("1", "1,2,3,4", "1,2,cubic", "1,0,linear", "1,0.5", "1,nan", "1,-5,sigmoid"):
        assert reader.get(f"{path_of(ds)}/rendered?window={bad}").status == 400, bad


def test_tables_stand_for_rescaling_and_windowing(
    reader: Client, make_dicom: MakeDicom, store: Store
) -> None:
    """The first value mapped may be negative, counts and entries are never; what the table reaches is white."""
    frame = np.array([[-2, -1, 0, 1]] * 4, np.int16)
    signed = grey(
        make_dicom, frame, PixelRepresentation=1, RescaleSlope=None, RescaleIntercept=None,
        ModalityLUTSequence=Sequence([lut(-2, [0, 32752, 32768, 65520])]), WindowCenter=32760, WindowWidth=65521,
    )  # fmt: skip
    curve = grey(
        make_dicom,
        np.array([[0, 1, 2, 9]] * 4, np.uint16),
        VOILUTSequence=Sequence([lut(0, [0, 1000, 4000], 16)]),
    )
    store(signed, curve)
    assert list(pixels(reader.get(path_of(signed) + "/rendered", Accept="image/png"))[0]) == [
        0,
        127,
        128,
        255,
    ]
    assert list(pixels(reader.get(path_of(curve) + "/rendered", Accept="image/png"))[0]) == [0, 64, 255, 255]


def test_what_is_white_is_turned_after_the_window(
    reader: Client, make_dicom: MakeDicom, store: Store
) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (4, 1))
    window = {"WindowCenter": 32768, "WindowWidth": 65536}
    one = grey(make_dicom, ramp, PhotometricInterpretation="MONOCHROME1", **window)
    plain = grey(make_dicom, ramp, **window)
    # The shape says it again; where it says otherwise, it counts, as it does for DCMTK's dcm2pnm.
    shaped = [
        grey(make_dicom, ramp, PresentationLUTShape=shape, PhotometricInterpretation=photometric, **window)
        for shape in ("INVERSE", "IDENTITY")
        for photometric in ("MONOCHROME1", "MONOCHROME2")
    ]
    store(one, plain, *shaped)
    turned, straight, *others = [
        pixels(reader.get(path_of(ds) + "/rendered", Accept="image/png"))[0] for ds in (one, plain, *shaped)
    ]
    assert straight[0] < straight[-1]
    assert np.array_equal(255 - turned, straight)
    for row, wanted in zip(others, (turned, turned, straight, straight), strict=True):
        assert np.array_equal(row, wanted)


def test_regions_sizes_and_pixels_that_are_not_square(
    reader: Client, make_dicom: MakeDicom, store: Store
) -> None:
    frame = np.zeros((40, 20), np.uint16)
    frame[:10, :10] = 1000
    ds = grey(make_dicom, frame, WindowCenter=500, WindowWidth=1000)
    tall = grey(make_dicom, frame, PixelSpacing=[2, 1], WindowCenter=500, WindowWidth=1000)
    store(ds, tall)

    def drawn(query: str, of: Dataset = ds) -> Any:
        return pixels(reader.get(f"{path_of(of)}/rendered?viewport={query}", Accept="image/png"))

    assert drawn("100,100").shape == (100, 50)
    assert drawn("10,100").shape == (20, 10)
    assert drawn("10,10,0,0,10,10").min() == 255
    assert drawn("10,10,10,0,10,10").max() == 0
    assert drawn("20,20,0,0,20,20")[5, 5] == 255
    assert drawn("20,20,0,0,-20,20")[5, 5] == 0
    assert drawn("20,20,0,0,-20,20")[5, 15] == 255
    assert drawn("20,20,0,0,20,-20")[15, 5] == 255
    assert drawn("10,10,10,,,10").shape == (10, 10)
    assert drawn("1000,1000", tall).shape == (1000, 250)
    assert pixels(reader.get(path_of(tall) + "/rendered", Accept="image/png")).shape == (80, 20)
    assert pixels(reader.get(path_of(ds) + "/thumbnail?viewport=300,300")).shape == (40, 20)
    for bad in ("0,5", "5", "5,x", "5,5,0,0,21,5", "5,5,-1", "5,5,0,0,0,5", "1,2,3,4,5,6,7", ",5"):
        assert reader.get(f"{path_of(ds)}/rendered?viewport={bad}").status == 400, bad


def test_overlays_are_drawn(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    """A plane of its own, and one in the bits above the image's."""
    frame = np.zeros((16, 16), np.uint16)
    bits = np.zeros((16, 16), np.uint8)
    bits[4, 4:8] = 1
    ds = grey(make_dicom, frame, WindowCenter=500, WindowWidth=1000)
    embedded = grey(
        make_dicom,
        frame + (bits.astype(np.uint16) << 12),
        BitsStored=12,
        HighBit=11,
        WindowCenter=500,
        WindowWidth=1000,
    )
    for one in (ds, embedded):
        one.add_new(0x60000010, "US", 16)
        one.add_new(0x60000011, "US", 16)
        one.add_new(0x60000040, "CS", "G")
        one.add_new(0x60000050, "SS", [1, 1])
        one.add_new(0x60000100, "US", 1 if one is ds else 16)
        one.add_new(0x60000102, "US", 0 if one is ds else 12)
    ds.add_new(0x60003000, "OW", np.packbits(bits.ravel(), bitorder="little").tobytes())
    store(ds, embedded)
    for one in (ds, embedded):
        image = pixels(reader.get(path_of(one) + "/rendered", Accept="image/png"))
        assert np.array_equal(image > 128, bits.astype(bool))


def test_orientation_is_written_at_the_edges(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    black = {"WindowCenter": 500, "WindowWidth": 1000}
    frame = np.zeros((320, 320), np.uint16)
    axial = grey(make_dicom, frame, ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImageLaterality="R", **black)
    unknown = grey(make_dicom, frame, ImageOrientationPatient=None, **black)
    store(axial, unknown)

    def written(of: Dataset, query: str = "") -> dict[str, Any]:
        drawn = pixels(
            reader.get(f"{path_of(of)}/rendered?annotation=orientation{query}", Accept="image/png")
        )
        edges = {"left": drawn[130:190, :40], "right": drawn[130:190, -40:], "top": drawn[:40, 140:180],
                 "bottom": drawn[-40:, 140:180], "corner": drawn[:40, :100]}  # fmt: skip
        return {name: int((part > 128).sum()) for name, part in edges.items()}

    letters = written(axial)
    assert all(letters.values()), "R, L, A, P, and RIGHT"
    assert letters["left"] > letters["right"], "an R has more strokes than an L"
    turned = written(axial, "&viewport=320,320,0,0,-320,-320")
    assert (turned["left"], turned["right"]) == (letters["right"], letters["left"])
    assert (turned["top"], turned["bottom"]) == (letters["bottom"], letters["top"])
    assert not any(written(unknown).values())


def test_annotations_quality_and_profiles(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    noise = np.random.default_rng(4).integers(0, 255, (128, 128)).astype(np.uint16)
    ds = grey(make_dicom, noise, WindowCenter=128, WindowWidth=256)
    colour = pydicom.dcmread(package_file("examples_rgb_color.dcm"))
    store(ds, file_bytes(colour))
    path = path_of(ds) + "/rendered"
    plain = pixels(reader.get(path, Accept="image/png"))
    for words in ("patient", "technique", "patient,technique"):
        written = pixels(reader.get(f"{path}?annotation={words}", Accept="image/png"))
        changed = np.argwhere(written != plain)
        assert len(changed) > 100
        assert changed[:, 0].max() < 120
    assert len(reader.get(path + "?quality=10").body) < len(reader.get(path + "?quality=95").body) / 2
    for bad in ("annotation=weather", "quality=0", "quality=high", "iccprofile=acme"):
        assert reader.get(f"{path}?{bad}").status == 400, bad
    for query, expected in (
        ("", False),
        ("?iccprofile=no", False),
        ("?iccprofile=yes", True),
        ("?iccprofile=srgb", True),
    ):
        with Image.open(io.BytesIO(reader.get(path_of(colour) + "/rendered" + query).body)) as image:
            assert bool(image.info.get("icc_profile")) is expected


def test_frames_series_and_studies_come_as_parts_to_who_asks(
    reader: Client, make_dicom: MakeDicom, store: Store
) -> None:
    frames = np.stack([np.full((8, 8), value, np.uint16) for value in (0, 100, 200)])
    study = generate_uid()
    multi = grey(
        make_dicom, frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3", NumberOfFrames=3, WindowCenter=100.5, WindowWidth=201,
        StudyInstanceUID=study,
    )  # fmt: skip
    single = grey(make_dicom, frames[2], WindowCenter=100.5, WindowWidth=201, StudyInstanceUID=study)
    store(multi, single)
    parts = 'multipart/related; type="image/png"'

    def values(path: str) -> list[int]:
        answer = reader.get(path, Accept=parts)
        assert answer.status == 200, answer.body
        found = []
        for kind, content in answer.parts():
            assert kind == "image/png"
            with Image.open(io.BytesIO(content)) as image:
                found.append(image.getpixel((0, 0)))
        return found

    path = path_of(multi)
    assert values(path + "/rendered") == [0, 128, 255]
    assert values(path + "/frames/3,1/rendered") == [255, 0]
    assert values(path.rsplit("/instances", 1)[0] + "/rendered") == [0, 128, 255]
    assert sorted(values(f"/studies/{study}/rendered")) == [0, 128, 255, 255]
    assert pixels(reader.get(path + "/rendered", Accept="image/png"))[0, 0] == 128
    assert pixels(reader.get(path + "/frames/3/thumbnail"))[0, 0] == 255
    refused = reader.get(path + "/frames/1,2/rendered", Accept="image/png")
    assert refused.status == 406
    assert 'multipart/related; type="image/png"' in [one["reason"] for one in refused.json()["errors"]]
    assert reader.get(path + "/frames/4/rendered").status == 404
    assert reader.get(path + "/frames/x/rendered").status == 400


@pytest.mark.parametrize(
    ("accept", "form"),
    [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF"), ("image/jp2", "JPEG2000")],
)
def test_the_media_types_of_the_standard(
    reader: Client, make_dicom: MakeDicom, store: Store, accept: str, form: str
) -> None:
    ds = make_dicom()
    store(ds)
    answer = reader.get(path_of(ds) + "/rendered", Accept=accept)
    assert answer.headers["content-type"] == accept
    with Image.open(io.BytesIO(answer.body)) as image:
        assert (image.format, image.size) == (form, (128, 128))


def test_reports_are_text(reader: Client, store: Store) -> None:
    ds = pydicom.dcmread(package_file("test-SR.dcm"))
    ds.PatientName = "<script>alert(1)</script>^A"
    store(file_bytes(ds))
    page = reader.get(path_of(ds) + "/rendered")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert b"<script>" not in page.body
    assert b"&lt;script&gt;" in page.body
    plain = reader.get(path_of(ds) + "/rendered", Accept="text/plain").body.decode()
    meanings = [
        item.ConceptNameCodeSequence[0].CodeMeaning
        for item in ds.ContentSequence
        if "ConceptNameCodeSequence" in item
    ]
    assert meanings
    assert all(meaning in plain for meaning in meanings)
    assert reader.get(path_of(ds) + "/rendered", Accept="image/jpeg").status == 406


def test_documents_and_videos_are_themselves(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    content = b"%PDF-1.7\nnot much\n%%EOF"
    document = make_dicom(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", PixelData=None, EncapsulatedDocument=content + b"\0",
        EncapsulatedDocumentLength=len(content), MIMETypeOfEncapsulatedDocument="application/pdf",
    )  # fmt: skip
    stream = np.random.default_rng(5).integers(0, 255, 3_000_001, np.uint8).tobytes()
    video = make_dicom(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.4.1", NumberOfFrames=250, Rows=480, Columns=640
    )
    half = len(stream) // 2
    video.PixelData = pydicom.encaps.encapsulate([stream[:half], stream[half:]], has_bot=False)
    video["PixelData"].VR = "OB"
    video["PixelData"].is_undefined_length = True
    video.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    store(document, file_bytes(video))
    shown = reader.get(path_of(document) + "/rendered")
    assert (shown.headers["content-type"], shown.body) == ("application/pdf", content)
    assert reader.get(path_of(document) + "/rendered", Accept="image/jpeg").status == 406
    expected = stream[:half] + (b"\0" if half % 2 else b"") + stream[half:] + b"\0"
    played = reader.get(path_of(video) + "/rendered", Accept="video/mp4")
    assert (played.headers["content-type"], played.body) == ("video/mp4", expected)
    part = reader.get(path_of(video) + "/rendered", Range=f"bytes={half - 10}-{half + 9}")
    assert (part.status, part.body) == (206, expected[half - 10 : half + 10])
    bulk = reader.get(path_of(video) + "/bulkdata/pixeldata", Accept="video/mp4", Range="bytes=5-")
    assert (bulk.status, bulk.body) == (206, expected[5:])
    parts = reader.get(path_of(video) + "/pixeldata", Accept='multipart/related; type="video/mp4"')
    assert parts.parts() == [("video/mp4; transfer-syntax=1.2.840.10008.1.2.4.102", expected)]
