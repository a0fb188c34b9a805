"""What was drawn from an image series, as a Secondary Capture object of its own (PS3.3 A.8.1). Pure.

Its pixels are those of the screen, and it says of which images it was made (PS3.3 C.7.6.1.1.4). Of a plane, where it lies in
the patient and how far apart its pixels are stand beside them (PS3.3 C.7.6.2), as Standard Extended attributes of the
class; the body that is looked at from somewhere has no such place, and nothing is to be measured on it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from wetread.archive.service import OF_THE_STUDY
from wetread.kit.errors import FieldError, Invalid

Vector = tuple[float, float, float]
Drawn = Literal["thin", "mip", "minip", "average", "volume"]
# PS3.16 CID 7203.
_DERIVATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "thin": ("113072", "Multiplanar reformatting"),
    "mip": ("113078", "Maximum intensity projection"),
    "minip": ("113079", "Minimum intensity projection"),
    "average": ("113049", "Pixel by pixel mean"),
    "volume": ("113074", "Volume rendering"),
}
_OF_THE_SERIES: Final = ("Modality", "BodyPartExamined", "Laterality", "PatientPosition")
_EMPTY_IF_UNKNOWN: Final = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
_SERIES_NUMBER: Final = 9900
# Body Part Examined of which there is one (PS3.16 L): Laterality has no place beside it (PS3.3 C.7.3.1).
_UNPAIRED: Final = frozenset({
    "ABDOMEN", "ABDOMENPELVIS", "AORTA", "BACK", "BLADDER", "BRAIN", "CEREBELLUM", "CERVIX", "CHEST",
    "CHESTABDOMEN", "CHESTABDPELVIS", "CIRCLEOFWILLIS", "COCCYX", "COLON", "CSPINE", "CTSPINE", "DUODENUM",
    "ESOPHAGUS", "FACE", "GALLBLADDER", "HEAD", "HEADNECK", "HEART", "ILEUM", "JAW", "JEJUNUM", "LARYNX",
    "LIVER", "LSPINE", "LSSPINE", "MAXILLA", "MEDIASTINUM", "MOUTH", "NECK", "NECKCHEST", "NECKCHESTABDOMEN",
    "NECKCHESTABDPELV", "NOSE", "PANCREAS", "PELVIS", "PENIS", "PHARYNX", "PROSTATE", "RECTUM", "SCALP",
    "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH", "THYMUS", "THYROID", "TLSPINE", "TONGUE",
    "TRACHEA", "TSPINE", "URETHRA", "UTERUS", "VAGINA", "VULVA", "WHOLEBODY",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plane lies: `position` is the middle of its first pixel, `orientation` the directions of rows and columns,
    `spacing` lies between rows, then between columns; mm."""

    position: Vector
    orientation: tuple[Vector, Vector]
    spacing: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Capture:
    """What was drawn. `pixels` are 8 bits of grey, or of red, green and blue; `place` is that of a plane, and None of a
    body ("volume")."""

    rows: int
    columns: int
    samples: Literal[1, 3]
    pixels: bytes
    place: Place | None
    drawn: Drawn
    thickness: float | None
    description: str


def inflated(deflated: bytes, length: int) -> bytes:
    """Deflated pixels as they are. Raises Invalid where they are not so many."""
    reader = zlib.decompressobj()
    try:
        pixels = reader.decompress(deflated, length + 1)
    except zlib.error:
        pixels = b""
    if len(pixels) != length:
        raise Invalid(
            "The pixels are not as many as rows and columns say.", fields=[FieldError("pixels", "length")]
        )
    return pixels


def is_square(orientation: tuple[Vector, Vector]) -> bool:
    """Whether the directions are of length 1 and stand square on each other (PS3.3 C.7.6.2.1.1)."""
    row, column = orientation
    lengths = [sum(value * value for value in one) for one in orientation]
    across = sum(a * b for a, b in zip(row, column, strict=True))
    return all(abs(one - 1) < 1e-3 for one in lengths) and abs(across) < 1e-3


def secondary_capture(
    capture: Capture, first: Dataset, sources: Sequence[tuple[str, str]], made_at: datetime, version: str
) -> Dataset:
    """The object of what was drawn from images of a series; `first` is the header of one of them, `sources` are (SOP class,
    SOP instance) of those that it was reckoned from."""
    ds = Dataset()
    for keyword in (*OF_THE_STUDY, *_OF_THE_SERIES):
        if keyword in first:
            ds[keyword] = first[keyword]
    for keyword in _EMPTY_IF_UNKNOWN:
        if keyword not in ds:
            setattr(ds, keyword, "")
    if first.get("SpecificCharacterSet"):
        ds.SpecificCharacterSet = "ISO_IR 192"
    day, time = made_at.strftime("%Y%m%d"), made_at.strftime("%H%M%S")
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = (
        SecondaryCaptureImageStorage,
        generate_uid(),
        generate_uid(),
    )
    ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = _SERIES_NUMBER, 1, capture.description[:64]
    ds.InstanceCreationDate = ds.ContentDate = ds.DateOfSecondaryCapture = ds.SeriesDate = day
    ds.InstanceCreationTime = ds.ContentTime = ds.TimeOfSecondaryCapture = ds.SeriesTime = time
    ds.Manufacturer = ds.SecondaryCaptureDeviceManufacturer = "Wetread"
    ds.SecondaryCaptureDeviceSoftwareVersions = version
    ds.ConversionType, ds.ImageType, ds.PatientOrientation = "WSD", ["DERIVED", "SECONDARY"], ""
    ds.DerivationDescription = capture.description
    code, meaning = _DERIVATIONS[capture.drawn]
    ds.DerivationCodeSequence = [_code(code, meaning)]
    ds.SourceImageSequence = [_source(*one) for one in sources]
    if capture.place is not None:
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = first.FrameOfReferenceUID, ""
        ds.ImagePositionPatient = [f"{value:.6f}" for value in capture.place.position]
        ds.ImageOrientationPatient = [f"{value:.8f}" for one in capture.place.orientation for value in one]
        ds.PixelSpacing = [f"{value:.8g}" for value in capture.place.spacing]
        ds.SliceThickness = "" if capture.thickness is None else f"{capture.thickness:g}"
    if not ds.get("Laterality"):
        ds.Laterality = ""
        if ds.get("BodyPartExamined") in _UNPAIRED:
            del ds.Laterality
    ds.BurnedInAnnotation = "NO"
    if first.get("LossyImageCompression") == "01":
        for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if keyword in first:
                ds[keyword] = first[keyword]
    ds.SamplesPerPixel, ds.Rows, ds.Columns = capture.samples, capture.rows, capture.columns
    ds.PhotometricInterpretation = "RGB" if capture.samples == 3 else "MONOCHROME2"
    if capture.samples == 3:
        ds.PlanarConfiguration = 0
    else:
        # What was seen is what is stored: no window is to be laid on it once more.
        ds.WindowCenter, ds.WindowWidth = "128", "256"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
        ds.PresentationLUTShape = "IDENTITY"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = capture.pixels + b"\0" * (len(capture.pixels) % 2)
    ds["PixelData"].VR = "OB"
    return ds


def _code(value: str, meaning: str) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, "DCM", meaning
    return ds


def _source(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    ds.PurposeOfReferenceCodeSequence = [_code("121322", "Source image for image processing operation")]
    return ds


def as_dataset(document: dict[str, Any]) -> Dataset:
    """What a capture takes of an image, from its metadata."""
    wanted = Dataset()
    whole = Dataset.from_json(
        {tag: one for tag, one in document.items() if "BulkDataURI" not in one}, lambda *_: b""
    )
    for keyword in (
        *OF_THE_STUDY, *_OF_THE_SERIES, "FrameOfReferenceUID", "SpecificCharacterSet", "LossyImageCompression",
        "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    ):  # fmt: skip
        if keyword in whole:
            wanted[keyword] = whole[keyword]
    return wanted
