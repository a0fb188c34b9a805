"""DICOM objects of the demo hospital: the modules of PS3.3 filled for each kind of image, Part 10 bytes out."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wetread.app.demo.stack import Stack
from wetread.dicom.jsonmodel import encode
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN
from wetread.dicom.uid import new_uid

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
CR_IMAGE = "1.2.840.10008.5.1.4.1.1.1"
DX_IMAGE = "1.2.840.10008.5.1.4.1.1.1.1"
MG_IMAGE = "1.2.840.10008.5.1.4.1.1.1.2"
US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"

Picture = tuple[str, bytes]
"""SOP Instance UID and Part 10 bytes."""

# SNOMED CT codes of what is imaged, by Body Part Examined (PS3.16 Annex L).
_REGIONS = {
    "HEAD": ("69536005", "Head"),
    "CHEST": ("51185008", "Chest"),
    "ABDOMEN": ("818981001", "Abdomen"),
    "HAND": ("85562004", "Hand"),
    "KNEE": ("72696002", "Knee"),
    "BREAST": ("76752008", "Breast"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Who and what the images say they are of."""

    patient_name: str
    patient_id: str
    issuer_of_patient_id: str
    patient_birth_date: date | None
    patient_sex: str | None
    accession_number: str
    study_instance_uid: str
    study_description: str
    referring_physician_name: str
    scheduled_procedure_step_id: str = ""
    requested_procedure_id: str = ""
    patient_size_m: float | None = None
    patient_weight_kg: float | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit to one scanner. `taken_at` is the site's wall time, with its zone."""

    subject: Subject
    taken_at: datetime
    institution_name: str
    station: str


@dataclass(frozen=True, slots=True)
class Device:
    """The machine as General Equipment (PS3.3 C.7.5.1) names it."""

    manufacturer_model_name: str
    device_serial_number: str
    software_versions: str = "1.0"
    manufacturer: str = "Wetread Phantom Works"


@dataclass(slots=True)
class SeriesHead:
    """What the objects of one series have in common."""

    modality: str
    series_number: int
    series_description: str
    body_part_examined: str
    device: Device
    protocol_name: str = ""
    laterality: str | None = None
    series_instance_uid: str = field(default_factory=new_uid)
    frame_of_reference_uid: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Keywords that every object of the series carries."""


Item = dict[str, Any]
"""Keywords and values of a data set or of an item of a sequence, as `dicom.jsonmodel.encode` takes them."""


def code(value: str, meaning: str, scheme: str = "SCT") -> Item:
    """An item of a code sequence."""
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def region(body_part_examined: str) -> list[Item]:
    """Anatomic Region Sequence of a body part; empty where it has no code here."""
    found = _REGIONS.get(body_part_examined)
    return [code(*found)] if found else []


def picture(
    visit: Visit,
    series: SeriesHead,
    sop_class_uid: str,
    number: int,
    pixels: NDArray[Any],
    attributes: Mapping[str, Any],
    *,
    offset_s: float = 0.0,
    bits_stored: int | None = None,
) -> Picture:
    """One object: `pixels` is [row, column], [row, column, 3] (uint8 RGB), or [frame, row, column(, 3)]."""
    ds = _general(visit, series, sop_class_uid, number, offset_s)
    at = visit.taken_at
    ds["AcquisitionDate"], ds["AcquisitionTime"] = at.strftime("%Y%m%d"), ds["ContentTime"]
    ds["AcquisitionNumber"] = str(series.series_number)
    ds.update(_image_pixel(pixels, bits_stored))
    ds.update(series.attributes)
    ds.update(attributes)
    return _part10(ds, _pixel_data(pixels))


def document(
    visit: Visit,
    series: SeriesHead,
    sop_class_uid: str,
    attributes: Mapping[str, Any],
    *,
    offset_s: float = 0.0,
) -> Picture:
    """One object that is no picture."""
    ds = _general(visit, series, sop_class_uid, 1, offset_s)
    for keyword in ("ProtocolName", "BodyPartExamined"):
        del ds[keyword]
    ds.update(series.attributes)
    ds.update(attributes)
    return _part10(ds)


def _part10(ds: Item, pixel_data: bytes = b"") -> Picture:
    uid: str = ds["SOPInstanceUID"]
    return uid, b"".join(
        (build_meta(ds["SOPClassUID"], uid, EXPLICIT_VR_LITTLE_ENDIAN), encode(ds), pixel_data)
    )


def _general(visit: Visit, series: SeriesHead, sop_class_uid: str, number: int, offset_s: float) -> Item:
    """What every object says of its patient, its study, its series and itself."""
    at = visit.taken_at
    second = (at.hour * 3600 + at.minute * 60 + at.second + offset_s) % 86400
    day, begun = at.strftime("%Y%m%d"), at.strftime("%H%M%S")
    taken = f"{int(second // 3600):02}{int(second // 60 % 60):02}{second % 60:09.6f}"
    ds: Item = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": sop_class_uid,
        "SOPInstanceUID": new_uid(),
        "InstanceCreationDate": day,
        "InstanceCreationTime": taken,
        "StudyDate": day,
        "StudyTime": begun,
        "SeriesDate": day,
        "SeriesTime": begun,
        "ContentDate": day,
        "ContentTime": taken,
        **_subject(visit.subject, at.date()),
        "InstitutionName": visit.institution_name,
        "StationName": visit.station,
        "Manufacturer": series.device.manufacturer,
        "ManufacturerModelName": series.device.manufacturer_model_name,
        "DeviceSerialNumber": series.device.device_serial_number,
        "SoftwareVersions": series.device.software_versions,
        "Modality": series.modality,
        "SeriesDescription": series.series_description,
        "SeriesInstanceUID": series.series_instance_uid,
        "SeriesNumber": str(series.series_number),
        "ProtocolName": series.protocol_name or series.series_description,
        "BodyPartExamined": series.body_part_examined,
        "InstanceNumber": str(number),
    }
    if at.strftime("%z"):
        ds["TimezoneOffsetFromUTC"] = at.strftime("%z")
    if series.laterality is not None:
        ds["Laterality"] = series.laterality
    if series.frame_of_reference_uid:
        ds["FrameOfReferenceUID"] = series.frame_of_reference_uid
    return ds


def _subject(subject: Subject, day: date) -> Item:
    born = subject.patient_birth_date
    found: Item = {
        "PatientName": subject.patient_name,
        "PatientID": subject.patient_id,
        "IssuerOfPatientID": subject.issuer_of_patient_id,
        "PatientBirthDate": born.strftime("%Y%m%d") if born else "",
        "PatientSex": subject.patient_sex or "",
        "AccessionNumber": subject.accession_number,
        "StudyInstanceUID": subject.study_instance_uid,
        "StudyDescription": subject.study_description,
        "StudyID": subject.requested_procedure_id[:16] or "1",
        "ReferringPhysicianName": subject.referring_physician_name,
    }
    if born is not None:
        years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        found["PatientAge"] = f"{max(years, 0):03}Y"
    if subject.patient_size_m is not None:
        found["PatientSize"] = f"{subject.patient_size_m:g}"
    if subject.patient_weight_kg is not None:
        found["PatientWeight"] = f"{subject.patient_weight_kg:g}"
    if subject.requested_procedure_id:
        item: Item = {
            "RequestedProcedureID": subject.requested_procedure_id,
            "RequestedProcedureDescription": subject.study_description,
        }
        if subject.scheduled_procedure_step_id:
            item["ScheduledProcedureStepID"] = subject.scheduled_procedure_step_id
            item["ScheduledProcedureStepDescription"] = subject.study_description
        found["RequestAttributesSequence"] = [item]
    return found


def _image_pixel(pixels: NDArray[Any], bits_stored: int | None) -> Item:
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    bits = pixels.dtype.itemsize * 8
    found: Item = {
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "Rows": int(rows),
        "Columns": int(columns),
        "BitsAllocated": bits,
        "BitsStored": bits_stored or bits,
        "HighBit": (bits_stored or bits) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if colour:
        found["PlanarConfiguration"] = 0
    if pixels.ndim == (4 if colour else 3):
        found["NumberOfFrames"] = str(pixels.shape[0])
    return found


def _pixel_data(pixels: NDArray[Any]) -> bytes:
    """The element Pixel Data, last in the data set: OB for bytes, OW for words (PS3.5 A.2)."""
    raw = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    raw += b"\0" * (len(raw) % 2)
    vr = b"OW" if pixels.dtype.itemsize > 1 else b"OB"
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr, 0, len(raw)) + raw


def number_text(value: float) -> str:
    """A decimal string (DS) of at most 16 characters."""
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def plane_attributes(stack: Stack, index: int) -> dict[str, Any]:
    """Image Plane module (PS3.3 C.7.6.2) of one slice."""
    spacing = number_text(stack.pixel_spacing)
    return {
        "ImageOrientationPatient": [number_text(v) for v in stack.image_orientation_patient],
        "ImagePositionPatient": [number_text(v) for v in stack.image_positions_patient[index]],
        "PixelSpacing": [spacing, spacing],
        "SliceThickness": number_text(stack.slice_thickness),
        "SpacingBetweenSlices": number_text(stack.spacing_between_slices),
        "SliceLocation": number_text(stack.slice_locations[index]),
    }


def ct_series(
    visit: Visit, series: SeriesHead, stack: Stack, *, window: Sequence[tuple[str, float, float]]
) -> list[Picture]:
    """CT slices out of Hounsfield units; `window` is (explanation, centre, width), the first one shown first."""
    found = []
    for index in range(len(stack)):
        pixels = np.clip(np.rint(stack.pixels[index]), -1024, 3071).astype(np.int16)
        found.append(
            picture(
                visit,
                series,
                CT_IMAGE,
                index + 1,
                pixels,
                {
                    **plane_attributes(stack, index),
                    "RescaleIntercept": "0",
                    "RescaleSlope": "1",
                    "RescaleType": "HU",
                    **_window(window),
                },
                offset_s=2.0 + 0.4 * index,
            )
        )
    return found


def mr_series(
    visit: Visit, series: SeriesHead, stack: Stack, *, full_scale: float, first_number: int = 1
) -> list[Picture]:
    """MR slices out of signal 0..1 and a little more; `full_scale` is the stored value of 1."""
    values = stack.pixels * np.float32(full_scale)
    middle = values[len(values) // 4 : max(len(values) * 3 // 4, 1)]
    bright = float(np.percentile(middle[middle > full_scale * 0.05], 99.4)) if middle.size else full_scale
    found = []
    for index in range(len(stack)):
        found.append(
            picture(
                visit,
                series,
                MR_IMAGE,
                first_number + index,
                np.clip(np.rint(values[index]), 0, 4095).astype(np.uint16),
                {
                    **plane_attributes(stack, index),
                    **_window((("", round(bright * 0.5), round(bright * 1.02)),)),
                },
                offset_s=1.5 * index,
                bits_stored=12,
            )
        )
    return found


def _window(choices: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "WindowCenter": [number_text(centre) for _, centre, _ in choices],
        "WindowWidth": [number_text(width) for _, _, width in choices],
    }
    if any(words for words, _, _ in choices):
        result["WindowCenterWidthExplanation"] = [words for words, _, _ in choices]
    return result


def radiograph(
    visit: Visit,
    series: SeriesHead,
    number: int,
    density: NDArray[Any],
    *,
    sop_class_uid: str,
    pixel_spacing: float,
    view_position: str,
    patient_orientation: tuple[str, str],
    image_laterality: str,
    inverted: bool = False,
    attributes: Mapping[str, Any] | None = None,
    offset_s: float = 0.0,
) -> Picture:
    """A projection for presentation. `density` 0..1 is what lights up where much is in the beam (bone white).

    `inverted` stores it MONOCHROME1, as many plates and mammography units do; on a screen the picture is the same.
    """
    stored = np.clip(np.rint(density * 4095), 0, 4095).astype(np.uint16)
    if inverted:
        stored = (4095 - stored).astype(np.uint16)
    spacing = number_text(pixel_spacing)
    values: dict[str, Any] = {
        "ImagerPixelSpacing": [spacing, spacing],
        "PatientOrientation": list(patient_orientation),
        "ViewPosition": view_position,
        "BurnedInAnnotation": "NO",
        "WindowCenter": "2047.5",
        "WindowWidth": "4096",
        "PhotometricInterpretation": "MONOCHROME1" if inverted else "MONOCHROME2",
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "US",
        "LossyImageCompression": "00",
    }
    if sop_class_uid == CR_IMAGE:
        values.update({"ImageType": ["ORIGINAL", "PRIMARY"], "PixelSpacing": [spacing, spacing]})
        del values["RescaleType"], values["RescaleIntercept"], values["RescaleSlope"]
    else:
        values.update(
            {
                "ImageType": ["ORIGINAL", "PRIMARY", ""],
                "PresentationIntentType": "FOR PRESENTATION",
                "PixelIntensityRelationship": "LOG",
                "PixelIntensityRelationshipSign": 1 if inverted else -1,
                "PresentationLUTShape": "INVERSE" if inverted else "IDENTITY",
                "ImageLaterality": image_laterality,
                "AnatomicRegionSequence": region(series.body_part_examined),
                "DetectorType": "DIRECT",
                "DetectorConfiguration": "AREA",
                "DetectorID": "DET-1",
                "DateOfLastDetectorCalibration": "20260105",
                "AcquisitionContextSequence": [],
            }
        )
    values.update(attributes or {})
    return picture(visit, series, sop_class_uid, number, stored, values, offset_s=offset_s, bits_stored=12)
