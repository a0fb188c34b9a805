"""DICOM objects of the demo hospital: CT heads cut from the phantom, with true geometry and Hounsfield units."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from wetread.app.demo.head import GRID, Finding, HeadTraits, head_volume
from wetread.dicom.uid import IMPLEMENTATION_CLASS_UID, new_uid


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


def head_ct(
    subject: Subject,
    taken_at: datetime,
    *,
    seed: int,
    finding: Finding | None,
    station: str,
    every_mm: int = 4,
) -> list[tuple[str, bytes]]:
    """An axial CT head, one (SOP Instance UID, Part 10 bytes) a slice, feet to head. `taken_at` is the site's wall time."""
    volume: NDArray[Any] = head_volume("ct", HeadTraits(seed=seed, finding=finding))[0]  # [z, y, x] in HU
    rng = np.random.default_rng(seed)
    series_uid, frame_uid = new_uid(), new_uid()
    slices: list[tuple[str, bytes]] = []
    count = volume.shape[0] // every_mm
    for number in range(count):
        plane = volume[number * every_mm : (number + 1) * every_mm].mean(axis=0)
        plane = plane + rng.normal(0, 3.2, plane.shape)
        position = (
            GRID.origin[0],
            GRID.origin[1],
            GRID.origin[2] + (number + 0.5) * every_mm * GRID.spacing[2],
        )
        slices.append(
            _slice(
                subject,
                taken_at,
                station,
                series_uid,
                frame_uid,
                number,
                plane,
                position,
                every_mm * GRID.spacing[2],
            )
        )
    return slices


def _slice(
    subject: Subject,
    taken_at: datetime,
    station: str,
    series_uid: str,
    frame_uid: str,
    number: int,
    plane: NDArray[Any],
    position: tuple[float, float, float],
    thickness: float,
) -> tuple[str, bytes]:
    ds = Dataset()
    uid = new_uid()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, uid
    for part in ("Study", "Series", "Acquisition", "Content"):
        setattr(ds, f"{part}Date", taken_at.strftime("%Y%m%d"))
        setattr(ds, f"{part}Time", taken_at.strftime("%H%M%S"))
    ds.AccessionNumber, ds.Modality = subject.accession_number, "CT"
    ds.Manufacturer, ds.ManufacturerModelName = "Wetread Phantom Works", "Head phantom"
    ds.InstitutionName, ds.StationName = "Wetread demo hospital", station
    ds.ReferringPhysicianName = subject.referring_physician_name
    ds.StudyDescription, ds.SeriesDescription = subject.study_description, "Axial brain"
    ds.PatientName, ds.PatientID = subject.patient_name, subject.patient_id
    ds.IssuerOfPatientID = subject.issuer_of_patient_id
    ds.PatientBirthDate = subject.patient_birth_date.strftime("%Y%m%d") if subject.patient_birth_date else ""
    ds.PatientSex = subject.patient_sex or ""
    ds.BodyPartExamined, ds.SliceThickness, ds.KVP = "HEAD", f"{thickness:g}", "120"
    ds.PatientPosition, ds.ConvolutionKernel = "HFS", "BRAIN"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = subject.study_instance_uid, series_uid
    ds.StudyID, ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = "1", "1", "1", str(number + 1)
    ds.ImagePositionPatient = [f"{value:g}" for value in position]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = frame_uid, "OM"
    ds.SliceLocation = f"{position[2]:g}"
    if subject.requested_procedure_id:
        item = Dataset()
        item.RequestedProcedureID = subject.requested_procedure_id
        item.ScheduledProcedureStepID = subject.scheduled_procedure_step_id
        ds.RequestAttributesSequence = [item]
    pixels = np.clip(np.rint(plane), -1024, 3071).astype("<i2")
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelSpacing = [f"{GRID.spacing[1]:g}", f"{GRID.spacing[0]:g}"]
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "40", "80"
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    ds.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return uid, buffer.getvalue()
