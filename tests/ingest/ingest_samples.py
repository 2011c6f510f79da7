"""Small real inputs for ingest: DICOM files made from nothing, tables, archives good and hostile."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

IMAGING_COLUMNS = ("检查号", "住院号", "姓名", "性别", "年龄", "检查日期", "检查方法", "影像所见", "诊断意见")


def write_ct(
    path: Path,
    *,
    uid: str,
    patient_id: str = "1000001",
    name: str = "张伟^明",
    accession: str = "CT1",
    date: str = "20230405",
    number: int = 1,
    series: str = "1",
    seed: int = 0,
    body_part: str = "ABDOMEN",
) -> Path:
    """One 32 x 32 CT slice of study ``uid``."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = CTImageStorage
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid, f"{uid}.{series}"
    ds.SOPInstanceUID = f"{uid}.{series}.{number}"
    ds.PatientID, ds.PatientName, ds.PatientSex, ds.PatientAge = patient_id, name, "M", "056Y"
    ds.AccessionNumber, ds.StudyDate, ds.Modality, ds.BodyPartExamined = accession, date, "CT", body_part
    ds.SeriesDescription, ds.Manufacturer = "ABDOMEN PLAIN 5.0", "Test"
    ds.SeriesNumber, ds.InstanceNumber = int(series), number
    ds.Rows = ds.Columns = 32
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelSpacing, ds.SliceThickness = [1.0, 1.0], 5.0
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 5.0 * number], [1, 0, 0, 0, 1, 0]
    ds.PixelData = np.random.default_rng(seed * 1000 + number).integers(0, 4096, (32, 32), dtype=np.uint16).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def imaging_row(
    accession: str = "CT1", patient_id: str = "1000001", name: str = "张伟明", date: str = "2023-04-05", impression: str = "肝右叶占位，考虑肝细胞癌。"
) -> tuple[str, ...]:
    return (accession, patient_id, name, "男", "56岁", date, "上腹部CT平扫", "肝右叶见一类圆形低密度影。", impression)


def write_table(path: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = IMAGING_COLUMNS, encoding: str = "gb18030") -> Path:
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in members.items():
            bundle.writestr(name, data)
    return path
