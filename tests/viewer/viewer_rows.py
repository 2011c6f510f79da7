"""A small catalog with real little objects: two projects' diseases, CT, multi-frame (native and RLE), NIfTI, PNG, a slide, held pixels."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.imaging.frames import frame_index
from isocenter.imaging.series import describe_series
from isocenter.models import (
    Account,
    Case,
    CaseStudy,
    Disease,
    Grant,
    Hospital,
    Import,
    Instance,
    Member,
    Patient,
    PatientIdentity,
    PolicyVersion,
    Project,
    Series,
    Study,
)
from isocenter.resources import Resources

RNG = np.random.default_rng(5)


def ct_slice(series_uid: str, study_uid: str, number: int, frames: int = 1, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A 48 x 40 CT image; values differ by slice and frame."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{series_uid}.{number}"
    ds = Dataset()
    ds.file_meta = meta
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{series_uid}.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = study_uid, series_uid, "CT"
    ds.PatientName = ds.PatientID = "pseudonym"
    ds.InstanceNumber = number
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 48, 40, 16, 12, 11
    ds.SamplesPerPixel, ds.PixelRepresentation, ds.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = 1, -1024, 40, 400
    ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing = [0, 0, 2.5 * number], [1, 0, 0, 0, 1, 0], [0.7, 0.7]
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.PixelData = RNG.integers(900, 1300, (frames, 48, 40), np.uint16).tobytes()
    ds["PixelData"].VR = "OW"
    if syntax == RLELossless:
        ds.compress(RLELossless)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def volume_bytes() -> bytes:
    """An LAS volume of 7 x 9 x 11 with spacing 1, 2, 3 mm; each voxel holds 100 x + 10 y + z in RAS terms."""
    x, y, z = np.meshgrid(np.arange(7), np.arange(9), np.arange(11), indexing="ij")
    values = (100 * x + 10 * y + z).astype(np.int16)[::-1]
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])
    return bytes(nib.Nifti1Image(values, affine).to_bytes())


def slide_bytes(folder: Path, photometric: str = "ycbcr") -> bytes:
    """A tiled pyramidal JPEG TIFF of 700 x 520 with levels 1, 2, 4 and tiles of 128 px."""
    full = np.zeros((520, 700, 3), np.uint8)
    full[..., 0], full[..., 1], full[..., 2] = 220, np.linspace(60, 200, 700)[None], np.linspace(120, 210, 520)[:, None]
    full[200:300, 300:450] = (120, 20, 140)
    path = folder / f"{photometric}.tif"
    with tifffile.TiffWriter(path) as writer:
        options: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb", "compression": "jpeg", "metadata": None}
        options["compressionargs"] = {"level": 90} if photometric == "ycbcr" else {"level": 90, "outcolorspace": "rgb"}
        writer.write(full, subifds=2, **options)
        for step in (2, 4):
            size = (-(-700 // step), -(-520 // step))
            writer.write(np.asarray(Image.fromarray(full).resize(size, Image.Resampling.BOX)), subfiletype=1, **options)
    return path.read_bytes()


def png_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 255, (30, 50, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Catalog:
    """What stands in the catalog; ``objects``: the stored bytes of each series in order."""

    resources: Resources
    objects: dict[str, list[bytes]] = field(default_factory=dict)
    studies: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)

    def headers(self, name: str, role: Role, **more: str) -> dict[str, str]:
        """The headers of a request by the account ``name``."""
        principal = Principal(self.accounts.get(name, 999), name, role)
        return {PRINCIPAL_HEADER: sign(principal, self.resources.key), **more}


async def fill(resources: Resources, folder: Path) -> Catalog:
    """Series by their last part: 1.1 CT of 3 slices, 1.2 native multi-frame, 1.3 RLE multi-frame, 1.4 NIfTI, 1.5 PNG, 1.6 slide,
    1.7 held ultrasound-like, all of liver; 2.1 CT of lung. Liver is granted to lin's project, lung to wu's."""
    catalog = Catalog(resources)
    async with resources.db.write() as session:
        liver, lung = Disease(code="liver", prefix="LIV", definition={}), Disease(code="lung", prefix="LUN", definition={})
        hospital = Hospital(code="H1")
        policy = PolicyVersion(kind="deid", scope="", number=1, sha256="0" * 64, body={})
        session.add_all([liver, lung, hospital, policy])
        for name, role in (("lin", Role.RESEARCHER), ("wu", Role.READER), ("rev", Role.REVIEWER), ("ops", Role.OPERATOR)):
            session.add(Account(name=name, role=role.value, password_hash=""))
        await session.flush()
        record = Import(key="i1", hospital_id=hospital.id, account="rev", source_kind="folder")
        projects = [Project(code="p-liver"), Project(code="p-lung")]
        session.add_all([record, *projects])
        await session.flush()
        from sqlalchemy import select

        catalog.accounts = {row.name: row.id for row in (await session.scalars(select(Account))).all()}
        session.add_all([Member(project_id=projects[0].id, account_id=catalog.accounts["lin"]), Grant(project_id=projects[0].id, disease_id=liver.id)])
        session.add_all([Member(project_id=projects[1].id, account_id=catalog.accounts["wu"]), Grant(project_id=projects[1].id, disease_id=lung.id)])
        maker = _Maker(catalog, session, hospital.id, record.id, policy.id)
        study = await maker.study("1", liver.id, "LIV-000001", date(2019, 3, 5))
        await maker.series("1.1", study, "DICOM", [ct_slice("1.1", "1", n) for n in (1, 2, 3)])
        await maker.series("1.2", study, "DICOM", [ct_slice("1.2", "1", 1, frames=5)])
        await maker.series("1.3", study, "DICOM", [ct_slice("1.3", "1", 1, frames=70, syntax=RLELossless)])
        await maker.series("1.4", study, "NIFTI", [volume_bytes()])
        await maker.series("1.5", study, "PNG", [png_bytes()])
        await maker.series("1.6", study, "WSI", [slide_bytes(folder)])
        await maker.series("1.7", study, "DICOM", [ct_slice("1.7", "1", 1)], held=True)
        await maker.series("1.8", study, "DICOM", [ct_slice("1.8", "1", 1, frames=4, syntax=RLELossless)])
        other = await maker.study("2", lung.id, "LUN-000001", None)
        await maker.series("2.1", other, "DICOM", [ct_slice("2.1", "2", 1)])
    return catalog


@dataclass
class _Maker:
    catalog: Catalog
    session: AsyncSession
    hospital_id: int
    import_id: int
    policy_id: int

    async def study(self, uid: str, disease_id: int, case_key: str, day: date | None) -> Study:
        patient = Patient(key=f"P{uid}")
        self.session.add(patient)
        await self.session.flush()
        identity = PatientIdentity(hospital_id=self.hospital_id, number_hmac=uid, pseudonym_key="k", patient_id=patient.id)
        case = Case(key=case_key, patient_id=patient.id, disease_id=disease_id)
        self.session.add_all([identity, case])
        await self.session.flush()
        study = Study(uid=uid, hospital_id=self.hospital_id, identity_id=identity.id, import_id=self.import_id, shifted_date=day, description="ABDOMEN CT")
        self.session.add(study)
        await self.session.flush()
        self.session.add(CaseStudy(case_id=case.id, study_id=study.id, import_id=self.import_id))
        return study

    async def series(self, uid: str, study: Study, kind: str, objects: list[bytes], held: bool = False) -> None:
        store = self.catalog.resources.store
        self.catalog.objects[uid] = objects
        self.catalog.studies[uid] = study.uid
        series = Series(uid=uid, study_id=study.id, format=kind, modality="CT" if kind == "DICOM" else "", instance_count=len(objects),
                        state="held" if held else "visible")  # fmt: skip
        self.session.add(series)
        await self.session.flush()
        paths = []
        for number, data in enumerate(objects, 1):
            sha256 = hashlib.sha256(data).hexdigest()
            key = f"data/{uid}/{sha256}"
            store.put_bytes(key, data)
            paths.append(store.path(key))
            row = Instance(sop_uid=f"{uid}.{number}", series_id=series.id, number=number, object_key=key, object_sha256=sha256, size_bytes=len(data),
                           media_type="application/dicom", source_hmac=uid, pixel_hash=uid, policy_id=self.policy_id,
                           state="held" if held else "visible")  # fmt: skip
            if kind == "DICOM":
                self._frames(row, data, key)
            self.session.add(row)
        description = describe_series([path for path in paths if path is not None])
        if description.metadata_gz:
            series.metadata_key = f"data/{uid}/metadata.json.gz"
            store.put_bytes(series.metadata_key, description.metadata_gz)
        if description.thumbnail_jpeg:
            series.thumbnail_key = f"data/{uid}/thumbnail.jpg"
            store.put_bytes(series.thumbnail_key, description.thumbnail_jpeg)

    def _frames(self, row: Instance, data: bytes, key: str) -> None:
        """As ingest writes them: short encapsulated indexes in the row, long ones as an object."""
        ds = pydicom.dcmread(io.BytesIO(data))
        row.pixel_offset, index = frame_index(data)
        row.transfer_syntax_uid, row.frames = str(ds.file_meta.TransferSyntaxUID), int(ds.get("NumberOfFrames", 1))
        lengths = {length for _, length in index}
        row.frame_bytes = lengths.pop() if len(lengths) == 1 else None
        if len(index) > 64:
            row.frame_index_key = f"{key}.frames.json"
            self.catalog.resources.store.put_bytes(row.frame_index_key, json.dumps(index).encode())
        else:
            row.frame_index = [list(span) for span in index]
