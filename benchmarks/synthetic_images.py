"""One small DICOM file for every row of ../shared/data/reports/synthetic_dev/images.csv, as the hospital's archive would give them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian, MRImageStorage, UltrasoundImageStorage

CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "MG": DigitalMammographyXRayImageStorageForPresentation, "US": UltrasoundImageStorage}


def write(images_csv: Path, folder: Path, hospital: str | None = None) -> int:
    """Write the files below ``folder``, by hospital; how many."""
    count = 0
    with images_csv.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if hospital is not None and row["hospital"] != hospital:
                continue
            target = folder / row["hospital"] / f"{count:05d}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            dataset(row).save_as(target, enforce_file_format=True)
            count += 1
    return count


def dataset(row: dict[str, str]) -> Dataset:
    """A 64 x 64 image whose header says what the row says."""
    seed = int(hashlib.sha256(row["study_uid"].encode()).hexdigest()[:8], 16)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = CLASSES.get(row["Modality"], CTImageStorage)
    ds.SOPInstanceUID = row["study_uid"] + ".1.1"
    ds.StudyInstanceUID = row["study_uid"]
    ds.SeriesInstanceUID = row["study_uid"] + ".1"
    for name in ("AccessionNumber", "PatientID", "PatientName", "PatientSex", "PatientAge", "PatientBirthDate", "StudyDate", "Modality", "BodyPartExamined"):
        setattr(ds, name, row[name])
    ds.SeriesNumber, ds.InstanceNumber = 1, 1
    ds.Rows = ds.Columns = 64
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelSpacing, ds.SliceThickness = [1.0, 1.0], 5.0
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    ds.PixelData = np.random.default_rng(seed).integers(0, 4096, (64, 64), dtype=np.uint16).tobytes()
    return ds
