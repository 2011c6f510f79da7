"""Generated CT: 512 x 512 int16 slices of round bodies with noise, in several studies and series, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498.77"
SIDE_PX = 512


def write(folder: Path, studies: int, series_a_study: int, slices: int, side_px: int = SIDE_PX) -> int:
    """Write the files; how many."""
    bodies = _bodies(side_px)
    count = 0
    for study in range(studies):
        for series in range(series_a_study):
            target = folder / f"{study:04d}" / f"{series:02d}"
            target.mkdir(parents=True, exist_ok=True)
            for number in range(slices):
                pixels = np.roll(bodies[number % len(bodies)], (study * 7 + number, series * 11), (0, 1))
                _slice(study, series, number, pixels).save_as(target / f"{number:04d}.dcm", enforce_file_format=True)
                count += 1
    return count


def _bodies(side_px: int) -> list[NDArray[np.int16]]:
    """Sixteen slices in Hounsfield units: air, a body, an organ, and noise of 12 HU."""
    rows, columns = np.mgrid[:side_px, :side_px] / side_px - 0.5
    made = []
    for number in range(16):
        rng = np.random.default_rng(number)
        pixels = np.where((rows / 0.32) ** 2 + (columns / 0.44) ** 2 < 1, 40.0, -1000.0)
        pixels[((rows - 0.05) / 0.1) ** 2 + ((columns + 0.1 + number / 200) / 0.12) ** 2 < 1] = 90.0
        made.append(np.asarray(pixels + rng.normal(0, 12, pixels.shape), np.int16))
    return made


def _slice(study: int, series: int, number: int, pixels: NDArray[np.int16]) -> Dataset:
    uid = f"{ROOT}.{study + 1}"
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{uid}.{series + 1}.{number + 1}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid, f"{uid}.{series + 1}"
    ds.FrameOfReferenceUID = f"{uid}.9"
    ds.StudyDate, ds.SeriesDate, ds.StudyTime = f"2024{study % 12 + 1:02d}{study % 28 + 1:02d}", f"2024{study % 12 + 1:02d}{study % 28 + 1:02d}", "101500"
    ds.AccessionNumber, ds.StudyID, ds.PatientID = f"A{study:06d}", str(study), f"P{study:06d}"
    ds.PatientName, ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = f"Patient^{study:04d}", "19600101", "MF"[study % 2], "064Y"
    ds.Modality, ds.BodyPartExamined, ds.Manufacturer, ds.ManufacturerModelName = "CT", "ABDOMEN", "Made", "Up"
    ds.StudyDescription, ds.SeriesDescription, ds.SeriesNumber, ds.InstanceNumber = "CT abdomen", f"Portal {series}", series + 1, number + 1
    ds.ReferringPhysicianName = ds.PositionReferenceIndicator = ""
    ds.AcquisitionNumber = 1
    ds.KVP, ds.SliceThickness, ds.PixelSpacing, ds.PatientPosition = 120, 3.0, [0.75, 0.75], "HFS"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-192.0, -192.0, 3.0 * number], [1, 0, 0, 0, 1, 0]
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 400
    ds.PixelData = pixels.tobytes()
    return ds
