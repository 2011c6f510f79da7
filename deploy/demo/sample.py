"""The demo's sample: what two fictitious hospitals might drop on a server, made anew from code in seconds.

Pixels: two images bundled in the pydicom wheel (MIT) and drawings (``anatomy.py``, ``stain.py``); texts: ``patients.toml``.
Some images match their reports by number, some only by name and date, some cannot be told apart without a person; some files are
no images, one is broken. Run ``python deploy/demo/sample.py FOLDER`` to look at it.
"""

from __future__ import annotations

import gzip
import json
import sys
import tomllib
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import nibabel
import numpy as np
from PIL import Image

from deploy.demo import anatomy, export, stain, tables

SLICES = 12
BODY_PARTS = {"lung": "CHEST", "liver": "ABDOMEN", "pancreas": "ABDOMEN", "breast": "BREAST"}
CHINESE_PARTS = {"lung": "胸部", "liver": "上腹部", "pancreas": "上腹部", "breast": "乳腺"}


@dataclass(frozen=True)
class Table:
    """One table to import; ``kind`` as the API names it: imaging, pathology, labels, image_list."""

    kind: str
    path: Path


@dataclass(frozen=True)
class HospitalDrop:
    """What one hospital gives: one import. ``images`` is the folder to scan."""

    code: str
    title: str
    images: Path
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class SampleSummary:
    """``labels``: patient number to "1", "0" or "review", what a careful reader of all texts would say; of patients with texts."""

    hospitals: tuple[HospitalDrop, ...]
    patients: int
    files: int
    size_bytes: int
    labels: dict[str, str]


@dataclass
class _Hospital:
    """A hospital while its drop is written."""

    code: str
    title: str
    root: Path
    chinese: bool
    imaging: list[tuple[str, ...]] = field(default_factory=list)
    pathology: list[tuple[str, ...]] = field(default_factory=list)
    images: list[tuple[str, ...]] = field(default_factory=list)

    def day(self, iso: str) -> str:
        return iso if self.chinese else tables.us_date(iso)

    def person(self, patient: dict[str, Any], day: str, number: bool = True) -> tuple[str, str, str, str]:
        """Number, name, sex and age as this hospital's tables write them."""
        sex = {"F": "女", "M": "男"}[patient["sex"]] if self.chinese else patient["sex"]
        age = tables.age_on(patient["birth"], day)
        return (patient["number"] if number else "", patient["name"], sex, f"{age}岁" if self.chinese else str(age))


def make_sample(folder: Path, seed: int = 7) -> SampleSummary:
    """Write the sample into ``folder``, which must be empty or absent. Same seed, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    content = tomllib.loads(Path(__file__).with_name("patients.toml").read_text(encoding="utf-8"))
    hospitals = {
        entry["code"]: _Hospital(entry["code"], entry["title"], folder / entry["code"].lower(), entry["code"] == "CITY")
        for entry in content["hospital"]
    }
    for index, patient in enumerate(content["patient"]):
        _write_patient(hospitals[patient["hospital"]], patient, index, np.random.default_rng([seed, index]), seed)
    patients = {patient["number"]: patient for patient in content["patient"]}
    _write_pictures(hospitals, patients, np.random.default_rng([seed, 1000]))
    _write_oddities(hospitals["CITY"], patients, seed)
    drops = (_write_city_tables(hospitals["CITY"]), _write_north_tables(hospitals["NORTH"]))
    files = [path for path in folder.rglob("*") if path.is_file()]
    labels = {number: patient["label"] for number, patient in patients.items() if patient["label"]}
    summary = SampleSummary(drops, len(patients), len(files), sum(path.stat().st_size for path in files), labels)
    _note(folder).write_text(json.dumps(asdict(summary), default=lambda path: path.relative_to(folder).as_posix(), ensure_ascii=False), encoding="utf-8")
    return summary


def find_sample(folder: Path) -> SampleSummary | None:
    """The summary of a sample that ``make_sample`` finished in ``folder``; None when there is none."""
    if not _note(folder).exists():
        return None
    kept = json.loads(_note(folder).read_text(encoding="utf-8"))
    hospitals = tuple(
        HospitalDrop(
            drop["code"], drop["title"], folder / drop["images"], tuple(Table(table["kind"], folder / table["path"]) for table in drop["tables"])
        )
        for drop in kept["hospitals"]
    )
    return SampleSummary(hospitals, kept["patients"], kept["files"], kept["size_bytes"], kept["labels"])


def _note(folder: Path) -> Path:
    """Beside the hospitals' folders, so in no import; written last."""
    return folder / "summary.json"


def _accession(patient: dict[str, Any], index: int) -> str:
    return f"{'CT' if patient['scan'].endswith('ct') else 'MR'}{patient['date'].replace('-', '')[2:]}{index + 101:05d}"


def _identity(patient: dict[str, Any], index: int) -> dict[str, str]:
    """The identity attributes that this patient's images carry."""
    ideographic = patient["hospital"] == "CITY" and index % 3 != 2
    whole = {
        "PatientName": patient["name"] if ideographic else patient["pinyin"],
        "PatientID": patient["number"],
        "PatientBirthDate": patient["birth"].replace("-", ""),
        "PatientSex": patient["sex"],
        "PatientAge": f"{tables.age_on(patient['birth'], patient['date']):03d}Y",
        "AccessionNumber": _accession(patient, index),
        "ReferringPhysicianName": "ZHANG^LEI" if patient["hospital"] == "CITY" else "STONE^ALAN",
    }
    left_out = {
        "accession": (),
        "number": ("AccessionNumber",),
        "name": ("AccessionNumber", "PatientID", "PatientBirthDate"),
        "bare": ("AccessionNumber", "PatientName", "PatientBirthDate"),
    }[patient["header"]]
    if patient["header"] == "name":
        whole["PatientName"] = patient["pinyin"]
    return {keyword: "" if keyword in left_out else value for keyword, value in whole.items()}


def _header(hospital: _Hospital, patient: dict[str, Any], index: int, seed: int) -> export.Header:
    modality = "CT" if patient["scan"].endswith("ct") else "MR"
    enhanced = patient["scan"] != "chest-ct" or "增强" in patient.get("exam", "") or "W CONTRAST" in patient.get("exam", "")
    if modality == "CT":
        series = ("增强 门脉期" if enhanced else "平扫 5mm") if hospital.chinese else ("Portal venous 5mm" if enhanced else "Non contrast 5mm")
        extra: dict[str, Any] = {"ContrastBolusAgent": "Iohexol 300"} if enhanced else {}
    else:
        series = "T1 VIBE 增强" if hospital.chinese else "AX T1 VIBE POST"
        extra = {"ScanningSequence": "GR", "SequenceVariant": "SP", "RepetitionTime": "4.1", "EchoTime": "1.9", "FlipAngle": "12"}
        extra |= {"ContrastBolusAgent": "Gadobutrol", "MRAcquisitionType": "3D", "MagneticFieldStrength": "3"}
    return export.Header(
        patient=_identity(patient, index),
        modality=modality,
        study_date=patient["date"].replace("-", ""),
        body_part=BODY_PARTS[patient["disease"]],
        study_description=f"{CHINESE_PARTS[patient['disease']]}{modality}" if hospital.chinese else f"{modality} {BODY_PARTS[patient['disease']]}",
        series_description=series,
        institution=hospital.title.removesuffix(" (demo)"),
        extra=extra,
        seed=f"isocenter-demo-{seed}-{index}",
    )


def _draw(patient: dict[str, Any], rng: np.random.Generator, slices: int = SLICES, t2: bool = False) -> anatomy.Volume:
    scan, organ, size = patient["scan"], patient["disease"], float(patient["lesion_mm"])
    if scan == "abdomen-mr":
        return anatomy.draw_abdomen_mr(rng, organ, size, slices, t2)
    if scan == "breast-mr":
        return anatomy.draw_breast_mr(rng, size, slices)
    return anatomy.draw_ct(rng, scan.removesuffix("-ct"), organ, size, slices)


def _write_patient(hospital: _Hospital, patient: dict[str, Any], index: int, rng: np.random.Generator, seed: int) -> None:
    header = _header(hospital, patient, index, seed)
    objects = export.series_objects(header, _draw(patient, rng, SLICES + index % 5 - 2), compress=index % 6 == 1)
    if patient["name"] == "刘静":
        export.write_cd(objects, hospital.root / "images" / "cd-0007")
    else:
        folder = hospital.root / "images" / patient["date"].replace("-", "") / f"{header.modality}{index + 1:03d}"
        export.save_all(objects, folder, [f"IM{number + 1:04d}.dcm" for number in range(len(objects))])
    if "exam" in patient:
        bare = patient.get("report_without_number", False)
        day = hospital.day(patient["date"])
        person = hospital.person(patient, patient["date"], not bare)
        texts = (patient["exam"], patient["findings"], patient["impression"])
        hospital.imaging.append(("" if bare else _accession(patient, index), *person, day, *texts))
    if found := patient.get("pathology"):
        person = hospital.person(patient, found["date"])
        parts = (found["site"], found["gross"], found["micro"], found["diagnosis"])
        hospital.pathology.append((found["number"], *person, hospital.day(found["date"]), *parts))


# ---- NIfTI, PNG, JPEG, slide: they know no patient, the image list does ---------------------------------------------

_VOLUMES = (("2400355", "liver_t2.nii.gz"), ("2400728", "pancreas_t1.nii.gz"), ("N104925", "abdomen_t2.nii.gz"))
_FIELDS = (("2400318", "fields/f01.png"), ("2400511", "fields/f02.png"), ("2400618", "fields/f03.jpg"), ("2400702", "fields/f04.jpg"))
_SLIDES = (("2400604", "slides/S01.svs"),)
_NORTH_FIELDS = (("N104983", "fields/whitman.jpg"),)


def _write_pictures(hospitals: dict[str, _Hospital], patients: dict[str, dict[str, Any]], rng: np.random.Generator) -> None:
    for number, name in (*_VOLUMES, *_FIELDS, *_NORTH_FIELDS, *_SLIDES):
        patient = patients[number]
        hospital = hospitals[patient["hospital"]]
        path = hospital.root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        malignant = patient["label"] == "1"
        pathology_number = patient.get("pathology", {}).get("number", "")
        if name.endswith(".nii.gz"):
            pathology_number = ""
            _write_nifti(path, _draw(patient, rng, 16, t2="t2" in name), f"{patient['pinyin']} {patient['number']}")
        elif name.endswith(".svs"):
            stain.write_slide(path, rng, [pathology_number, patient["pinyin"].replace("^", " "), "HE"], malignant)
        else:
            Image.fromarray(stain.draw_tissue(rng, 640, malignant)).save(path, quality=88)
        day = patient["pathology"]["date"] if pathology_number else patient["date"]
        number_, name_, sex, _ = hospital.person(patient, day)
        part = CHINESE_PARTS[patient["disease"]] if hospital.chinese else BODY_PARTS[patient["disease"]].title()
        hospital.images.append((path.relative_to(hospital.root / "images").as_posix(), number_, name_, sex, hospital.day(day), pathology_number, part))


def _write_nifti(path: Path, volume: anatomy.Volume, description: str) -> None:
    """RAS+ with the patient's right at high column numbers turned to NIfTI's axes; the identity left in ``descrip``, as tools do."""
    spacing = (volume.spacing_mm, volume.spacing_mm, volume.slice_gap_mm)
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    make: Any = nibabel.Nifti1Image
    image = make(np.ascontiguousarray(volume.pixels.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode()
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


# ---- What else lies about in such folders ---------------------------------------------------------------------------


def _write_oddities(hospital: _Hospital, patients: dict[str, dict[str, Any]], seed: int) -> None:
    """A burned-in screen, an SR, a cut-off file, an empty picture, a copy, a PDF, an archive, an operating system's leftover."""
    images, index = hospital.root / "images", list(patients).index("2400511")
    patient = patients["2400511"]
    header = _header(hospital, patient, index, seed)
    folder = images / "20240408" / f"CT{index + 1:03d}"
    lines = [f"Name: {patient['pinyin'].replace('^', ' ')}", f"ID: {patient['number']}", "CTDIvol 8.4 mGy   DLP 312 mGy*cm", "CHEST ROUTINE"]
    export.save_all([export.screen_capture(header, lines)], folder, ["SR_DOSE.dcm"])
    export.structured_report(header).save_as(folder / "REPORT.dcm")
    whole = (folder / "IM0003.dcm").read_bytes()
    (images / "backup").mkdir()
    (images / "backup" / "copy of IM0003.dcm").write_bytes(whole)
    cut = export.start_object(header, export.CT_IMAGE, 3, 1)
    (images / "backup" / "IM0099.dcm").write_bytes(_cut_off(cut))
    blank = export.series_objects(header, anatomy.Volume(np.full((1, 256, 256), -1024, np.int16), 1.4, 5.0, 0))[0]
    blank.SOPInstanceUID = blank.file_meta.MediaStorageSOPInstanceUID = header.uid("blank")
    export.save_all([blank], images / "backup", ["IM0100.dcm"])
    (images / "backup" / "consent.pdf").write_bytes(_pdf("Consent to the use of images for research"))
    tables.write_zip(images / "backup" / "old_export.zip", {"IM0001.dcm": (folder / "IM0001.dcm").read_bytes()})
    (images / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504)


def _cut_off(ds: Any) -> bytes:
    """The file of ``ds`` with 256 x 256 pixels of which a third was written."""
    ds.Rows = ds.Columns = 256
    ds.set_pixel_data(np.arange(65536, dtype=np.uint16).reshape(256, 256) % 900, "MONOCHROME2", 16, generate_instance_uid=False)
    whole = BytesIO()
    ds.save_as(whole, enforce_file_format=True)
    return whole.getvalue()[:-88_000]


def _pdf(text: str) -> bytes:
    """A PDF of one page with one line."""
    stream = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (table, len(out))


# ---- Tables ---------------------------------------------------------------------------------------------------------


def _write_city_tables(hospital: _Hospital) -> HospitalDrop:
    folder = hospital.root / "tables"
    folder.mkdir()
    imaging = list(hospital.imaging)
    cancer = next(row for row in imaging if row[2] == "徐文彬")
    imaging += [
        imaging[0],  # exported twice
        (*cancer[:8], "补充报告：经多学科讨论，胰头癌诊断明确，拟行手术治疗。"),
        # a person none of the images is of, and one whose report was never written
        ("CT24062900990", "2400990", "钱伟", "男", "66岁", "2024-06-29", "胸部CT平扫", "双肺纹理增多，未见实变及占位。", "双肺未见明显异常。"),
        ("CT24063000991", "2400991", "冯兰", "女", "58岁", "2024-06-30", "上腹部CT平扫", "", ""),
    ]
    tables.write_csv(folder / "imaging_reports.csv", tables.CITY_IMAGING, imaging, "gb18030")
    title = "江城市第一医院病理科 2024年病理报告导出"
    tables.write_xlsx(folder / "pathology_reports.xlsx", title, tables.CITY_PATHOLOGY, hospital.pathology, date_column=5)
    tables.write_csv(folder / "image_list.csv", tables.CITY_IMAGES, hospital.images, "utf-8-sig")
    tables.write_csv(folder / "labels.csv", tables.LABELS, [("2400559", "1"), ("2400547", "0"), ("2400511", "1")], "utf-8")
    named = ("imaging", "imaging_reports.csv"), ("pathology", "pathology_reports.xlsx"), ("image_list", "image_list.csv"), ("labels", "labels.csv")
    return HospitalDrop(hospital.code, hospital.title, hospital.root / "images", tuple(Table(kind, folder / name) for kind, name in named))


def _write_north_tables(hospital: _Hospital) -> HospitalDrop:
    folder = hospital.root / "tables"
    folder.mkdir()
    tables.write_csv(folder / "radiology.csv", tables.NORTH_IMAGING, hospital.imaging, "utf-8")
    tables.write_csv(folder / "pathology.csv", tables.NORTH_PATHOLOGY, hospital.pathology, "utf-8")
    tables.write_csv(folder / "image_list.csv", tables.NORTH_IMAGES, hospital.images, "utf-8")
    named = ("imaging", "radiology.csv"), ("pathology", "pathology.csv"), ("image_list", "image_list.csv")
    return HospitalDrop(hospital.code, hospital.title, hospital.root / "images", tuple(Table(kind, folder / name) for kind, name in named))


if __name__ == "__main__":
    made = make_sample(Path(sys.argv[1]))
    print(f"{made.files} files, {made.size_bytes / 1e6:.1f} MB, {made.patients} patients")
