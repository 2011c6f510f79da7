"""DICOM files as a scanner would export them: series, a screen capture with burned-in text, a CD with DICOMDIR, an SR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless, generate_uid

from deploy.demo.anatomy import Volume, bundled

CT_IMAGE, MR_IMAGE = UID("1.2.840.10008.5.1.4.1.1.2"), UID("1.2.840.10008.5.1.4.1.1.4")
SECONDARY_CAPTURE = UID("1.2.840.10008.5.1.4.1.1.7")


@dataclass(frozen=True)
class Header:
    """What all files of one series say. ``patient`` holds identity attributes by DICOM keyword, missing ones left out."""

    patient: dict[str, str]
    modality: str
    study_date: str  # YYYYMMDD
    body_part: str
    study_description: str
    series_description: str
    institution: str
    extra: dict[str, Any]
    seed: str  # UIDs are made from it, so that the same sample has the same UIDs

    def uid(self, *parts: object) -> UID:
        return generate_uid(entropy_srcs=[self.seed, *map(str, parts)])


def start_object(header: Header, sop_class: UID, series_number: int, instance_number: int) -> FileDataset:
    """A data set with everything but pixels."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = header.uid(series_number, instance_number)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "GB18030"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = header.uid("study"), header.uid("series", series_number)
    ds.FrameOfReferenceUID = header.uid("frame")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = header.study_date
    ds.StudyTime, ds.SeriesTime = "091500", "091830"
    ds.Modality, ds.BodyPartExamined = header.modality, header.body_part
    ds.StudyDescription, ds.SeriesDescription = header.study_description, header.series_description
    ds.InstitutionName = header.institution
    ds.Manufacturer = "DEMO IMAGING"
    ds.ManufacturerModelName = {"CT": "Gantry 64", "MR": "Tesla 3"}.get(header.modality, "Reader 1")
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", series_number, instance_number
    for keyword, value in (header.patient | header.extra).items():
        setattr(ds, keyword, value)
    return ds


def series_objects(header: Header, volume: Volume, compress: bool = False) -> list[FileDataset]:
    """One object a slice, feet first as the patient lies; half a centimetre and so on apart as the volume says."""
    slices, rows, columns = volume.pixels.shape
    objects = []
    for index in range(slices):
        ds = start_object(header, CT_IMAGE if header.modality == "CT" else MR_IMAGE, 2, index + 1)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if header.modality == "CT" else "M"]
        ds.PatientPosition = "HFS"
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        left, top = -columns / 2 * volume.spacing_mm, -rows / 2 * volume.spacing_mm
        ds.ImagePositionPatient = [f"{left:.3f}", f"{top:.3f}", f"{-200 + index * volume.slice_gap_mm:.3f}"]
        ds.PixelSpacing = [f"{volume.spacing_mm:.4f}"] * 2
        ds.SliceThickness = ds.SpacingBetweenSlices = f"{volume.slice_gap_mm:g}"
        ds.Rows, ds.Columns = rows, columns
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.PixelRepresentation = 1
        if header.modality == "CT":
            ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
            chest = header.body_part == "CHEST"
            ds.WindowCenter, ds.WindowWidth = ([-600, 40], [1500, 400]) if chest else ("50", "350")
            ds.KVP = "120"
        else:
            top_grey = int(np.percentile(volume.pixels, 99.5))
            ds.WindowCenter, ds.WindowWidth = str(top_grey // 2), str(top_grey)
        ds.set_pixel_data(volume.pixels[index], "MONOCHROME2", 16, generate_instance_uid=False)
        if compress:
            ds.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        objects.append(ds)
    return objects


def save_all(objects: list[FileDataset], folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for ds, name in zip(objects, names, strict=True):
        ds.save_as(folder / name, enforce_file_format=True)


def screen_capture(header: Header, lines: list[str]) -> FileDataset:
    """A secondary capture of the console: text with the patient's name burned into the pixels."""
    picture = Image.new("RGB", (512, 384), (8, 10, 24))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=22)
    for index, line in enumerate(lines):
        draw.text((24, 24 + 40 * index), line, fill=(220, 230, 120), font=font)
    draw.rectangle((24, 250, 488, 360), outline=(120, 150, 220))
    ds = start_object(header, SECONDARY_CAPTURE, 99, 1)
    ds.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    ds.ConversionType, ds.BurnedInAnnotation = "WSD", "YES"
    ds.SeriesDescription = "Dose report"
    pixels = np.asarray(picture)
    ds.set_pixel_data(pixels, "RGB", 8, generate_instance_uid=False)
    return ds


def structured_report(header: Header) -> Dataset:
    """pydicom's bundled SR under this patient's identity: a valid object that is no image."""
    ds = bundled("reportsi.dcm")
    for keyword, value in header.patient.items():
        setattr(ds, keyword, value)
    ds.SpecificCharacterSet = "GB18030"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = header.uid("study"), header.uid("sr")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = header.uid("sr", 1)
    ds.StudyDate = header.study_date
    return ds


def write_cd(objects: list[FileDataset], folder: Path) -> None:
    """The objects as a CD export: a DICOMDIR and files named IM000000 without ending."""
    files = FileSet()
    files.UID = generate_uid(entropy_srcs=["cd", str(objects[0].StudyInstanceUID)])
    files.ID = "DEMOCD"
    for ds in objects:
        files.add(ds)
    folder.mkdir(parents=True)
    files.write(folder)
