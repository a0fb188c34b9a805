"""Pictures with a known look: objects of every kind of pixels, and how each is to be drawn, by numpy and pydicom alone."""

from __future__ import annotations

import io
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.pixels import pixel_array
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    generate_uid,
)

from archive_fixtures import PACKAGE_FILES

Array = np.ndarray[Any, Any]
ROWS, COLUMNS = 60, 80


@dataclass
class Picture:
    """An object, and what is to be seen of its frame `number`: values to be laid between the pane's pixels, and the
    look of such a value (0 black to 255 white); of colours the look is the values themselves."""

    name: str
    dataset: Dataset
    values: Array
    look: Callable[[Array], Array] = lambda values: values
    aspect: float = 1.0
    number: int = 1
    # Lossy codecs differ among decoders.
    tolerance: float = 1.5


def linear(center: float, width: float) -> Callable[[Array], Array]:
    """PS3.3 C.11.2.1.2.1."""
    low = center - 0.5 - (width - 1) / 2
    return lambda x: np.clip((x - low) / max(width - 1, 1e-9), 0, 1) * 255


def exact(center: float, width: float) -> Callable[[Array], Array]:
    """PS3.3 C.11.2.1.3.2."""
    return lambda x: np.clip((x - (center - width / 2)) / width, 0, 1) * 255


def sigmoid(center: float, width: float) -> Callable[[Array], Array]:
    """PS3.3 C.11.2.1.3.1."""
    return lambda x: 255 / (1 + np.exp(-4 * (x - center) / width))


def inverse(look: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda x: 255 - look(x)


def all_of(values: Array) -> Callable[[Array], Array]:
    """Where nothing is said of a window: from the least value to the greatest."""
    low, high = float(values.min()), float(values.max())
    return lambda x: np.clip((x - low) / max(high - low, 1e-9), 0, 1) * 255


# Objects that are made


def scene(least: float, most: float) -> Array:
    """A ramp with a bright block and a dark one, unlike itself turned or mirrored."""
    x, y = np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(0, 1, ROWS))
    out = 0.2 + 0.35 * x + 0.2 * y
    out[8:20, 10:22] = 1.0
    out[38:50, 55:75] = 0.0
    return np.round(least + out * (most - least))


def grey(pixels: Array, sop_class: str = CTImageStorage, **attributes: Any) -> Dataset:
    """An object of one sample a pixel, stored as the array is."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = attributes.pop("syntax", ExplicitVRLittleEndian)
    ds.SOPClassUID = sop_class
    ds.Modality = attributes.pop("Modality", "CT")
    ds.Rows, ds.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        ds.NumberOfFrames = len(pixels)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = attributes.get("BitsStored", ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
    order = ">" if ds.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
    ds.PixelData = _even(pixels.astype(pixels.dtype.newbyteorder(order)).tobytes())
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def colour(photometric: str, data: bytes, **attributes: Any) -> Dataset:
    """An object of three samples a pixel."""
    ds = grey(np.zeros((ROWS, COLUMNS), np.uint8), SecondaryCaptureImageStorage, Modality="OT")
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, photometric, 0
    ds.PixelData = _even(data)
    for keyword, value in attributes.items():
        if keyword == "syntax":
            ds.file_meta.TransferSyntaxUID = value
        else:
            setattr(ds, keyword, value)
    return ds


def compressed(ds: Dataset, syntax: str, *frames: bytes, **attributes: Any) -> Dataset:
    """The object with its pixels as these codestreams."""
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate(list(frames))
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def lut(keyword: str, ds: Dataset, first: int, table: Array, bits: int, *, signed: bool) -> Dataset:
    """The object with a lookup table in one of its sequences."""
    item = Dataset()
    item.add_new(0x00283002, "SS" if signed else "US", [len(table) % 65536, first, bits])
    item.LUTExplanation = "TABLE"
    item.add_new(0x00283006, "OW", table.astype("<u2").tobytes())
    if keyword == "ModalityLUTSequence":
        item.ModalityLUTType = "US"
    setattr(ds, keyword, [item])
    return ds


def rgb() -> Array:
    """A colourful scene: (rows, columns, 3)."""
    out = np.stack([scene(0, 255), scene(0, 255)[:, ::-1], scene(0, 255)[::-1]], axis=-1).astype(np.uint8)
    out[25:35, 30:40] = (250, 20, 30)
    return out


def to_ybr(colours: Array) -> Array:
    """PS3.3 C.7.6.3.1.2, YBR_FULL."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.clip(np.round(colours @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def from_ybr(ybr: Array) -> Array:
    y, cb, cr = (ybr[..., at].astype(float) for at in range(3))
    out = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    return np.clip(np.round(np.stack(out, axis=-1)), 0, 255)


def _with_dcmtk(ds: Dataset, *command: str) -> Dataset:
    """The object after one of DCMTK's tools."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.dcm"), Path(folder, "after.dcm")
        ds.SOPInstanceUID = ds.StudyInstanceUID = ds.SeriesInstanceUID = generate_uid()
        ds.save_as(before, implicit_vr=False, little_endian=True, enforce_file_format=True)
        subprocess.run([*command, str(before), str(after)], check=True, capture_output=True)
        return pydicom.dcmread(after, defer_size=None)


def made() -> list[Picture]:
    """One of every kind."""
    out: list[Picture] = []

    def add(name: str, ds: Dataset, values: Array, look: Any = None, **more: Any) -> None:
        out.append(Picture(name, ds, values, look or (lambda x: x), **more))

    hu = scene(-1000, 1500)
    window = {"WindowCenter": "200", "WindowWidth": "2000"}
    look = linear(200, 2000)
    add("signed 16", grey(hu.astype("<i2"), **window), hu, look)
    add(
        "unsigned with intercept",
        grey((hu + 1024).astype("<u2"), RescaleIntercept="-1024", RescaleSlope="1", **window),
        hu,
        look,
    )
    add(
        "slope of parts",
        grey(
            (hu + 1024).astype("<u2"),
            RescaleIntercept="-51.2",
            RescaleSlope="0.05",
            WindowCenter="10.5",
            WindowWidth="90.5",
        ),
        hu * 0.05,
        linear(10.5, 90.5),
    )
    add("no window", grey(hu.astype("<i2")), hu, all_of(hu))
    add(
        "two windows", grey(hu.astype("<i2"), WindowCenter=["200", "0"], WindowWidth=["2000", "10"]), hu, look
    )
    twelve = scene(0, 4095)
    add("12 bits", grey(twelve.astype("<u2"), BitsStored=12, **window), twelve, look)
    dirty = twelve.astype("<u2") | (np.arange(COLUMNS, dtype="<u2") % 16 << 12)[None, :]
    add("12 bits under rubbish", grey(dirty, BitsStored=12, **window), twelve, look)
    signed12 = scene(-2000, 2000)
    add(
        "12 bits signed",
        grey(
            (signed12.astype(np.int16).view(np.uint16) & 0xFFF).astype("<u2"),
            BitsStored=12,
            PixelRepresentation=1,
            **window,
        ),
        signed12,
        look,
    )
    high = grey((twelve.astype("<u2") << 4), BitsStored=12, **window)
    high.HighBit = 15
    add("12 bits at the top", high, twelve, look)
    add(
        "MONOCHROME1",
        grey(hu.astype("<i2"), PhotometricInterpretation="MONOCHROME1", **window),
        hu,
        inverse(look),
    )
    # The shape says it again; where it says otherwise, it counts.
    for photometric, shape, seen in (
        ("MONOCHROME1", "INVERSE", inverse(look)),
        ("MONOCHROME1", "IDENTITY", look),
        ("MONOCHROME2", "INVERSE", inverse(look)),
    ):
        shaped = grey(
            hu.astype("<i2"), PhotometricInterpretation=photometric, PresentationLUTShape=shape, **window
        )
        add(f"{photometric}, {shape}", shaped, hu, seen)
    add(
        "MONOCHROME1 8 bits, no window",
        grey(scene(0, 255).astype(np.uint8), PhotometricInterpretation="MONOCHROME1"),
        scene(0, 255),
        inverse(all_of(scene(0, 255))),
    )
    add(
        "LINEAR_EXACT",
        grey(
            scene(0, 255).astype(np.uint8),
            VOILUTFunction="LINEAR_EXACT",
            WindowCenter="100",
            WindowWidth="50",
        ),
        scene(0, 255),
        exact(100, 50),
    )
    add(
        "SIGMOID",
        grey(hu.astype("<i2"), VOILUTFunction="SIGMOID", WindowCenter="200", WindowWidth="1200"),
        hu,
        sigmoid(200, 1200),
    )
    add(
        "window of 1",
        grey(scene(0, 255).astype(np.uint8), WindowCenter="100.5", WindowWidth="1"),
        np.where(scene(0, 255) > 100, 255.0, 0.0),
        None,
        tolerance=255,
    )
    # Tables
    curve = np.round(np.sqrt(np.linspace(0, 1, 4096)) * 3000).astype(np.uint16)
    modality = curve[twelve.astype(int)].astype(float)
    add(
        "modality table",
        lut(
            "ModalityLUTSequence",
            grey(twelve.astype("<u2"), BitsStored=12, WindowCenter="1500", WindowWidth="3000"),
            0,
            curve,
            16,
            signed=False,
        ),
        modality,
        linear(1500, 3000),
    )
    small = np.round(np.linspace(0, 1, 1000) ** 2 * 65535).astype(np.uint16)
    index = lambda x, first, table: table[np.clip(np.round(x) - first, 0, len(table) - 1).astype(int)]  # noqa: E731
    add(
        "VOI table, signed",
        lut("VOILUTSequence", grey(hu.astype("<i2")), -500, small, 16, signed=True),
        hu,
        lambda x: index(x, -500, small) / 65535 * 255,
        tolerance=2,
    )
    narrow = np.round(np.linspace(0, 1, 4096) ** 0.5 * 1023).astype(np.uint16)
    add(
        "VOI table of fewer bits than told",
        lut("VOILUTSequence", grey(twelve.astype("<u2"), BitsStored=12), 0, narrow, 16, signed=False),
        twelve,
        lambda x: index(x, 0, narrow) / 1023 * 255,
        tolerance=2,
    )
    # Padding
    padded = hu.copy()
    padded[:, :6] = -2000
    add("padding value, no window", grey(padded.astype("<i2"), PixelPaddingValue=-2000), padded, all_of(hu))
    ranged = hu.copy()
    ranged[:3], ranged[3:6] = -32768, -32000
    add(
        "padding range, no window",
        grey(ranged.astype("<i2"), PixelPaddingValue=-32768, PixelPaddingRangeLimit=-32000),
        ranged,
        all_of(hu[6:]),
    )
    # Wide values
    wide = scene(-100_000, 3_000_000)
    add(
        "32 bits signed",
        grey(wide.astype("<i4"), WindowCenter="1000000", WindowWidth="2500000"),
        wide,
        linear(1e6, 2.5e6),
    )
    uwide = scene(0, 4_000_000_000)
    add(
        "32 bits",
        grey(uwide.astype("<u4"), WindowCenter="2000000000", WindowWidth="4000000000"),
        uwide,
        linear(2e9, 4e9),
    )
    reals = scene(-1, 3) / 2.5 + 0.123
    add("floating point", _floats(reals.astype("<f4"), "FloatPixelData"), reals, exact(0.5, 1.25))
    add(
        "double floating point", _floats(reals.astype("<f8"), "DoubleFloatPixelData"), reals, exact(0.5, 1.25)
    )
    bits = scene(0, 1).astype(np.uint8)
    one = grey(bits, Modality="OT")
    one.BitsAllocated = one.BitsStored = 1
    one.HighBit = 0
    one.PixelData = _even(np.packbits(bits.ravel(), bitorder="little").tobytes())
    add("single bits", one, bits.astype(float), all_of(np.array([0, 1.0])))
    # Shape
    add(
        "pixels twice as high",
        grey(hu.astype("<i2"), PixelSpacing=["1.0", "0.5"], **window),
        hu,
        look,
        aspect=2.0,
    )
    add(
        "aspect ratio",
        grey(scene(0, 255).astype(np.uint8), PixelAspectRatio=[4, 3], Modality="OT"),
        scene(0, 255),
        all_of(scene(0, 255)),
        aspect=4 / 3,
    )
    # Several frames
    cine = np.stack([scene(0, 255), scene(0, 255)[::-1], scene(0, 255)[:, ::-1]]).astype(np.uint8)
    many = grey(
        cine,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        Modality="OT",
        WindowCenter="128",
        WindowWidth="256",
    )
    add("several frames", many, cine[0].astype(float), linear(128, 256))
    for kind in (EnhancedCTImageStorage, EnhancedMRImageStorage):
        # The middle one of five is opened, with its own rescaling and window.
        seen = scene(0, 3000) + 20 - 900
        add(f"enhanced {kind.name[9:11]}", _enhanced(kind), seen, linear(700, 1800), aspect=2.0, number=3)
    # Colours
    colours = rgb()
    add("RGB", colour("RGB", colours.tobytes()), colours)
    add("RGB in planes", colour("RGB", colours.transpose(2, 0, 1).tobytes(), PlanarConfiguration=1), colours)
    deep = (colours.astype("<u2") << 8) | 0x7F
    add("RGB of 16 bits", colour("RGB", deep.tobytes(), BitsAllocated=16, BitsStored=16, HighBit=15), colours)
    ybr = to_ybr(colours)
    add("YBR_FULL", colour("YBR_FULL", ybr.tobytes()), from_ybr(ybr))
    add(
        "YBR_FULL in planes",
        colour("YBR_FULL", ybr.transpose(2, 0, 1).tobytes(), PlanarConfiguration=1),
        from_ybr(ybr),
    )
    halved = ybr.copy()
    halved[:, 1::2, 1:] = ybr[:, ::2, 1:]
    pairs = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1)
    add("YBR_FULL_422", colour("YBR_FULL_422", pairs.tobytes()), from_ybr(halved))
    out.extend(_palettes())
    add("RGB in RLE", _rle(colour("RGB", colours.tobytes())), colours)
    add("YBR_FULL in RLE", _rle(colour("YBR_FULL", ybr.tobytes())), from_ybr(ybr))
    jpeg = imagecodecs.jpeg8_encode(
        colours, level=95, colorspace="RGB", outcolorspace="YCBCR", subsampling="444"
    )
    back = np.asarray(imagecodecs.jpeg8_decode(jpeg, colorspace="YCBCR", outcolorspace="RGB"))
    add(
        "JPEG YBR_FULL",
        compressed(colour("YBR_FULL", b""), "1.2.840.10008.1.2.4.50", jpeg),
        back,
        tolerance=3,
    )
    jpeg422 = imagecodecs.jpeg8_encode(
        colours, level=95, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"
    )
    back = np.asarray(imagecodecs.jpeg8_decode(jpeg422, colorspace="YCBCR", outcolorspace="RGB"))
    add(
        "JPEG YBR_FULL_422",
        compressed(colour("YBR_FULL_422", b""), "1.2.840.10008.1.2.4.50", jpeg422),
        back,
        tolerance=4,
    )
    plain = imagecodecs.jpeg8_encode(colours, level=95, colorspace="RGB", outcolorspace="RGB")
    back = np.asarray(imagecodecs.jpeg8_decode(plain, colorspace="RGB", outcolorspace="RGB"))
    add(
        "JPEG RGB without a marker",
        compressed(colour("RGB", b""), "1.2.840.10008.1.2.4.50", _without_app14(plain)),
        back,
        tolerance=3,
    )
    j2k = imagecodecs.jpeg2k_encode(colours, level=0, codecformat="j2k", mct=True, reversible=True)
    add("JPEG 2000 YBR_RCT", compressed(colour("YBR_RCT", b""), "1.2.840.10008.1.2.4.90", j2k), colours)
    ict = imagecodecs.jpeg2k_encode(colours, level=45, codecformat="j2k", mct=True, reversible=False)
    add(
        "JPEG 2000 YBR_ICT",
        compressed(colour("YBR_ICT", b""), "1.2.840.10008.1.2.4.91", ict),
        np.asarray(imagecodecs.jpeg2k_decode(ict)),
        tolerance=3,
    )
    add(
        "JPEG-LS RGB",
        compressed(colour("RGB", b""), "1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode(colours)),
        colours,
    )
    # Every way to send the same values
    source = (hu + 1024).astype(np.uint16)

    def same(**more: Any) -> Dataset:
        return grey(source, RescaleIntercept="-1024", RescaleSlope="1", BitsStored=12, **window, **more)

    for name, syntax in (
        ("implicit", ImplicitVRLittleEndian),
        ("big endian", ExplicitVRBigEndian),
        ("deflated", "1.2.840.10008.1.2.1.99"),
    ):
        add(name, same(syntax=syntax), hu, look)
    add("RLE", _rle(same()), hu, look)
    for number, codestream in (
        ("80", imagecodecs.jpegls_encode(source)),
        ("90", imagecodecs.jpeg2k_encode(source, level=0, codecformat="j2k", reversible=True)),
        ("201", imagecodecs.htj2k_encode(source, reversible=True)),
        ("202", imagecodecs.htj2k_encode(source, reversible=True, tlm=True)),
        ("110", imagecodecs.jpegxl_encode(source, lossless=True)),
    ):
        add(f"syntax {number}", compressed(same(), f"1.2.840.10008.1.2.4.{number}", codestream), hu, look)
    for option, number in (("+e1", "70"), ("+el", "57")):
        add(f"lossless JPEG {number}", _with_dcmtk(same(), "dcmcjpeg", option), hu, look)
    return out


def _floats(values: Array, keyword: str) -> Dataset:
    ds = grey(
        np.zeros((ROWS, COLUMNS), np.uint8),
        "1.2.840.10008.5.1.4.1.1.30",
        WindowCenter="0.5",
        WindowWidth="1.25",
        VOILUTFunction="LINEAR_EXACT",
    )
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated = 8 * values.dtype.itemsize
    setattr(ds, keyword, values.tobytes())
    return ds


def _rle(ds: Dataset) -> Dataset:
    ds.SOPInstanceUID = generate_uid()
    ds.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    return ds


def _without_app14(jpeg: bytes) -> bytes:
    at = jpeg.find(b"\xff\xee")
    return jpeg if at < 0 else jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :]


def _palettes() -> list[Picture]:
    index = (scene(0, 199)).astype(np.uint8)
    out = []
    for name, bits, first in (
        ("palette of 8 bits", 8, 0),
        ("palette of 16 bits", 16, 0),
        ("palette from 20 on", 16, 20),
    ):
        tables = [np.linspace(10, 250, 200), np.linspace(255, 0, 200), np.linspace(0, 120, 200) ** 1.1]
        tables = [np.round(one).astype(int) for one in tables]
        ds = grey(
            index, SecondaryCaptureImageStorage, Modality="OT", PhotometricInterpretation="PALETTE COLOR"
        )
        for channel, table in zip(("Red", "Green", "Blue"), tables, strict=True):
            setattr(ds, f"{channel}PaletteColorLookupTableDescriptor", [200, first, bits])
            data = (
                (table << 8 | table).astype("<u2").tobytes()
                if bits == 16
                else table.astype(np.uint8).tobytes()
            )
            setattr(ds, f"{channel}PaletteColorLookupTableData", data)
        at = np.clip(index.astype(int) - first, 0, 199)
        out.append(Picture(name, ds, np.stack([table[at] for table in tables], axis=-1)))
    return out


_FRAMES = 5


def _enhanced(kind: str) -> Dataset:
    """Frames whose rescaling and window are told by frame, and whose spacing is shared."""
    frames = np.stack([scene(0, 3000) + 10 * number for number in range(_FRAMES)]).astype("<u2")
    ds = grey(frames, kind, Modality="CT" if kind == EnhancedCTImageStorage else "MR", BitsStored=12)
    ds.FrameOfReferenceUID = generate_uid()
    shared, measures, direction = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.8", "0.4"], "3"
    direction.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [direction]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = []
    for number in range(_FRAMES):
        place, voi, values, group = Dataset(), Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = ["0", "0", str(3 * number)]
        voi.WindowCenter, voi.WindowWidth = str(500 + 100 * number), "1800"
        values.RescaleIntercept, values.RescaleSlope, values.RescaleType = str(-1000 + 50 * number), "1", "HU"
        group.PlanePositionSequence, group.FrameVOILUTSequence = [place], [voi]
        group.PixelValueTransformationSequence = [values]
        ds.PerFrameFunctionalGroupsSequence.append(group)
    return ds


# pydicom's own files


# No picture, or one that is broken on purpose.
LEFT_OUT = {
    "MR_truncated.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "SC_rgb_jpeg.dcm", "ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm",
}  # fmt: skip
_BY_DCMTK = {
    "1.2.840.10008.1.2.4.80": "dcmdjpls",
    "1.2.840.10008.1.2.4.81": "dcmdjpls",
    "1.2.840.10008.1.2.4.51": "dcmdjpeg",
    "1.2.840.10008.1.2.4.50": "dcmdjpeg",
}


def packaged() -> list[Picture]:
    """Those of pydicom's files that hold a picture, as pydicom, or DCMTK where it must, decodes them."""
    out = []
    for path in sorted(PACKAGE_FILES.glob("*.dcm")):
        if path.name in LEFT_OUT:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(path, force=True)
            if "PixelData" not in ds or "SOPClassUID" not in ds:
                continue
            if ds.SOPClassUID == SegmentationStorage:
                # It is laid over pictures; its single bits make one all the same.
                ds.SOPClassUID = MultiFrameSingleBitSecondaryCaptureImageStorage
            picture = _packaged(path.name, ds)
        if picture is not None:
            out.append(picture)
    return out


def _packaged(name: str, ds: Dataset) -> Picture | None:
    if not hasattr(ds, "file_meta") or "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian if "BigEnd" in name else ExplicitVRLittleEndian
    # Of slices the middle one is opened, of others the first.
    said = str(ds.get("NumberOfFrames") or 1)
    frames = int(said) if said.isdigit() and "ImageOrientationPatient" in ds else 1
    number = (frames - 1) // 2 + 1
    try:
        pixels = pixel_array(ds, index=number - 1, raw=False)
    except Exception:
        tool = _BY_DCMTK.get(ds.file_meta.TransferSyntaxUID)
        if tool is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            before, after = Path(folder, "before.dcm"), Path(folder, "after.dcm")
            ds.save_as(before)
            if subprocess.run([tool, str(before), str(after)], check=False, capture_output=True).returncode:
                return None
            pixels = pixel_array(pydicom.dcmread(after), index=0, raw=False)
    lossy = (
        4.0 if ds.file_meta.TransferSyntaxUID in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51") else 1.5
    )
    if pixels.ndim == 3:
        if ds.BitsStored > 8:
            pixels = pixels >> (ds.BitsStored - 8)
        return Picture(name, ds, pixels, number=number, tolerance=lossy)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        colours = apply_color_lut(pixels, ds)
        return Picture(name, ds, colours >> 8 if colours.dtype.itemsize > 1 else colours)
    values = pixels.astype(np.float64)
    values = values * float(ds.get("RescaleSlope") or 1) + float(ds.get("RescaleIntercept") or 0)
    first = lambda value: float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)  # noqa: E731
    if ds.get("WindowWidth"):
        look = linear(first(ds.WindowCenter), first(ds.WindowWidth))
    else:
        padding = ds.get("PixelPaddingValue")
        real = values if padding is None else values[pixels != padding]
        look = all_of(real if real.size else values)
    if ds.BitsAllocated == 1:
        look = all_of(np.array([0.0, 1.0]))
    if ds.PhotometricInterpretation == "MONOCHROME1":
        look = inverse(look)
    spacing = [float(x) for x in ds.get("PixelSpacing") or ds.get("ImagerPixelSpacing") or (1, 1)]
    return Picture(name, ds, values, look, aspect=spacing[0] / spacing[1], number=number, tolerance=lossy)


def as_file(ds: Dataset) -> bytes:
    """The whole file, with what the archive needs to file it."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        if ds.file_meta.TransferSyntaxUID.is_transfer_syntax:
            ds.save_as(out, enforce_file_format=True)
            return out.getvalue()
    # Newer than this pydicom: written as all compressed syntaxes are.
    out.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(out, ds.file_meta)
    body = DicomBytesIO()
    body.is_little_endian, body.is_implicit_VR = True, False
    write_dataset(body, ds)
    return out.getvalue() + bytes(body.getvalue())
