"""Synthetic objects to store: large CT slices load the disk, small ones the index. New UIDs at each making."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def _slice(study: str, series: str, patient_id: str, number: int, size: int, pixels: bytes) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.StudyInstanceUID, data.SeriesInstanceUID = study, series
    data.PatientID, data.PatientName = patient_id, "Okafor^Ada"
    data.PatientBirthDate, data.PatientSex = "19600615", "F"
    data.StudyDate, data.StudyTime, data.StudyID = "20260115", "030000", "1"
    data.AccessionNumber, data.ReferringPhysicianName = "", ""
    data.StudyDescription, data.SeriesDescription = "CT head", "Axial"
    data.Modality, data.SeriesNumber, data.InstanceNumber = "CT", 1, number
    data.FrameOfReferenceUID = series
    data.ImagePositionPatient = [-128, -128, number * 0.625]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [0.5, 0.5], 0.625
    data.Rows = data.Columns = size
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.WindowCenter, data.WindowWidth = 40, 80
    data.add_new(0x7FE00010, "OW", pixels)
    return data


def write(folder: Path, *, studies: int, slices: int, size: int) -> tuple[list[Path], int, str]:
    """Part 10 files of `studies` CT studies of `slices` images of `size` squared, int16.

    Returns the files, their bytes in all, and the last Study Instance UID.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    y, x = np.mgrid[:size, :size]
    inside = np.hypot(x - size / 2, y - size / 2) < size * 0.4
    files: list[Path] = []
    study = ""
    for at in range(studies):
        study, series = generate_uid(), generate_uid()
        for number in range(1, slices + 1):
            image = np.where(inside, 40 + 10 * np.sin(number / 9 + x / 13) * np.cos(y / 17), -1000)
            image[inside] += random.normal(0, 4, int(inside.sum()))
            data = _slice(study, series, f"BENCH{at:05d}", number, size, image.astype("<i2").tobytes())
            path = folder / f"{at:05d}_{number:05d}.dcm"
            data.save_as(path, enforce_file_format=True)
            files.append(path)
    return files, sum(path.stat().st_size for path in files), study
