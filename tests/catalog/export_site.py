"""A site whose series are real files: CT and MR made here, NIfTI, PNG and a small pyramidal slide; and the background run by hand."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import nibabel
import numpy as np
import pydicom
import tifffile
from catalog.rows import KEY, Person, Site
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import select

from isocenter.models import Case, CaseStudy, Instance, PolicyVersion, Resource, Series, Slide, Stack, Study
from services.catalog.app import create_app

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
ROWS, COLUMNS = 20, 24


def slices(
    name: str, count: int = 6, *, modality: str = "CT", orientation: Sequence[float] = AXIAL, gap: float = 2.5, places: Sequence[Sequence[float]] = (),
    slope: float = 1, intercept: float = -1024, rows: int = ROWS, columns: int = COLUMNS, spacing: Sequence[float] = (0.9, 0.7), echo_ms: float | None = None,
) -> list[bytes]:  # fmt: skip
    """A series of ``count`` DICOM files. Every voxel has a value of its own, so that a wrong order or flip is seen."""
    along = np.cross(orientation[:3], orientation[3:])
    files = []
    for index in range(count):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CT if modality == "CT" else MR
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = KEY.uid(f"{name} {index}")
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = KEY.uid(f"{name} study"), KEY.uid(f"series {name}"), KEY.uid(f"{name} frame")
        ds.Modality, ds.PatientID, ds.PatientName, ds.StudyDate, ds.InstanceNumber, ds.SeriesNumber = modality, "P", "P", "20200101", index + 1, 1
        ds.Manufacturer = "ACME"
        ds.PatientBirthDate = ds.PatientSex = ds.StudyTime = ds.AccessionNumber = ds.StudyID = ds.ReferringPhysicianName = ds.PositionReferenceIndicator = ""
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.PixelSpacing, ds.SliceThickness = [str(value) for value in spacing], str(gap)
        ds.ImageOrientationPatient = [f"{value:.8f}" for value in orientation]
        place = places[index] if len(places) else np.array([-11.5, 7.25, -40.0]) + along * gap * index
        ds.ImagePositionPatient = [f"{value:.6f}" for value in place]
        if modality == "CT":
            ds.RescaleSlope, ds.RescaleIntercept = str(slope), str(intercept)
        if echo_ms:
            ds.EchoTime = str(echo_ms)
        values = (np.arange(rows)[:, None] * columns + np.arange(columns)[None] + index * 137) % 4096
        ds.PixelData = values.astype("<u2").tobytes()
        out = io.BytesIO()
        pydicom.dcmwrite(out, ds, enforce_file_format=True)
        files.append(out.getvalue())
    return files


def nifti(shape: tuple[int, int, int] = (8, 9, 5)) -> bytes:
    image = nibabel.Nifti1Image(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), np.diag([1.5, 1.5, 3, 1]))
    return image.to_bytes()


def png(seed: int = 0, colour: bool = False) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (30, 40, 3) if colour else (30, 40), np.uint8)
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def slide(side: int = 1024) -> bytes:
    """A pyramid at 0.25 micrometres: glass on the left half, tissue on the right, its red rising downwards."""
    base = np.full((side, side, 3), 245, np.uint8)
    base[:, side // 2 :] = (150, 60, 140)
    base[:, side // 2 :, 0] = np.linspace(90, 200, side, dtype=np.uint8)[:, None]
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=False) as writer:
        options = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg", "resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}
        writer.write(base, subifds=0, **options)
        writer.write(np.ascontiguousarray(base[::4, ::4]), subfiletype=1, **options)
    return out.getvalue()


MEDIA = {"DICOM": ("application/dicom", ".dcm"), "NIFTI": ("application/x-nifti", ".nii"), "PNG": ("image/png", ".png"), "WSI": ("image/tiff", ".tif")}


async def add_series(
    site: Site, case_key: str, name: str, stacks: Sequence[Sequence[bytes]], *, image_format: str = "DICOM", modality: str = "CT", sequence: str = "",
    mpp: float | None = None, rows: int = ROWS, columns: int = COLUMNS,
) -> str:  # fmt: skip
    """Store the files and their rows; the series' UID."""
    media_type, ending = MEDIA[image_format]
    async with site.resources.db.write() as session:
        study_id = await session.scalar(select(CaseStudy.study_id).join(Case, Case.id == CaseStudy.case_id).where(Case.key == case_key))
        policy = await session.scalar(select(PolicyVersion.id).where(PolicyVersion.kind == "deid"))
        series = Series(
            uid=KEY.uid(f"series {name}"), study_id=study_id, format=image_format, modality=modality, number=1, body_part="LIVER", description=name,
            manufacturer="ACME", model_name="Scan 1", sequence=sequence, phase="", slice_thickness_mm=2.5, spacing_mm=[0.9, 0.7], rows=rows, columns=columns,
            instance_count=sum(map(len, stacks)), frame_count=sum(map(len, stacks)), state="visible",
        )  # fmt: skip
        session.add(series)
        await session.flush()
        if mpp:
            session.add(Slide(series_id=series.id, mpp=mpp, objective_power=40.0, width_px=1024, height_px=1024))
        number = 0
        for ordinal, files in enumerate(stacks):
            stack = Stack(series_id=series.id, ordinal=ordinal, sequence=sequence, phase="", instance_count=len(files))
            session.add(stack)
            await session.flush()
            for content in files:
                number += 1
                sha256 = hashlib.sha256(content).hexdigest()
                key = f"data/{series.uid}/{sha256}{ending}"
                site.resources.store.put_bytes(key, content)
                session.add(Instance(
                    sop_uid=KEY.uid(f"sop {name} {number}"), series_id=series.id, stack_id=stack.id, number=number, object_key=key, object_sha256=sha256,
                    size_bytes=len(content), media_type=media_type, source_hmac=sha256, pixel_hash=sha256, policy_id=policy, state="visible",
                ))  # fmt: skip
        return series.uid


async def add_segmentation(site: Site, case_key: str, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    site.resources.store.put_bytes(f"resources/{sha256}", content)
    async with site.resources.db.write() as session:
        case_id = await session.scalar(select(Case.id).where(Case.key == case_key))
        import_id = await session.scalar(select(Study.import_id))
        session.add(Resource(
            scope=case_key, sha256=sha256, case_id=case_id, import_id=import_id, title="SEG", media_type="application/dicom", code="non-image-object",
            object_key=f"resources/{sha256}", size_bytes=len(content), state="visible",
        ))  # fmt: skip


async def people(site: Site, *cases: tuple[str, str]) -> None:
    """(case key, label) each, without images yet."""
    await site.add(*(Person(key, label=label, shots=()) for key, label in cases))


def inline(site: Site) -> Site:
    """The service with its export work in a thread of this process."""
    settings = site.resources.settings.model_copy(update={"executor": "inline:"})
    object.__setattr__(site.resources, "settings", settings)
    site.app = create_app(settings, site.resources)
    return site


async def frozen(site: Site, name: str = "livers", **body: object) -> None:
    async with site.client() as admin:
        if (await admin.get(f"/api/v1/datasets/{name}")).status_code == 404:
            assert (await admin.post("/api/v1/datasets", json={"name": name, "title": "Livers", "disease": "liver", "licence": "CC-BY-4.0"})).status_code == 201
        answer = await admin.post(f"/api/v1/datasets/{name}/versions", json=body)
        assert answer.status_code == 201, answer.text


async def exported(site: Site, tmp_path, form: str, *, number: int = 1, **options: object):
    """Ask, run the background by hand, and bring the files; (folder, export)."""
    async with site.client() as admin:
        base = f"/api/v1/datasets/livers/versions/{number}/exports"
        asked = await admin.post(base, json={"format": form, "options": options})
        assert asked.status_code == 202, asked.text
        while await site.app.state.exporter.work_once():
            pass
        export = (await admin.get(f"{base}/{asked.json()['key']}")).json()
        if export["state"] != "finished":
            return None, export
        folder = tmp_path / export["key"]
        manifest = await admin.get(f"{base}/{export['key']}/manifest")
        assert hashlib.sha256(manifest.content).hexdigest() == export["digest"]
        for file in manifest.json()["files"]:
            path = folder / file["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            answer = await admin.get(f"{base}/{export['key']}/files/{file['sha256']}")
            assert answer.status_code == 200, answer.text
            assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
            path.write_bytes(answer.content)
        return folder, export
