"""Every layout checked by its target's own tool, on both back-ends where rows matter, else on SQLite."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from catalog.export_site import (
    add_segmentation,
    add_series,
    exported,
    frozen,
    inline,
    nifti,
    people,
    png,
    slices,
    slide,
)
from catalog.rows import open_site
from PIL import Image

PROGRAMS = Path(sys.executable).parent
CASES = tuple((f"LIV-{n:06d}", str(n % 2)) for n in range(1, 11))
SPLIT = {"split": {"train": 0.6, "val": 0.2, "test": 0.2}, "seed": 3}


@pytest.fixture
async def site(tmp_path):
    """Ten cases: five CT, four MR (T1, T2, DWI), one slide, pictures, and one series of each kind that is refused."""
    async with open_site(f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}", tmp_path / "server") as opened:
        inline(opened)
        await people(opened, *CASES)
        for n in range(1, 6):
            await add_series(opened, f"LIV-{n:06d}", f"ct {n}", [slices(f"ct {n}", 5)])
        for n, sequence in zip(range(6, 10), ("T1", "T2", "T1+C", "DWI"), strict=True):
            await add_series(opened, f"LIV-{n:06d}", f"mr {n}", [slices(f"mr {n}", 4, modality="MR", echo_ms=12)], modality="MR", sequence=sequence)
        await add_series(opened, "LIV-000010", "slide", [[slide()]], image_format="WSI", modality="SM", mpp=0.25)
        await add_series(opened, "LIV-000010", "picture", [[png(1, colour=True)]], image_format="PNG", modality="OT", rows=30, columns=40)
        await add_series(opened, "LIV-000001", "volume", [[nifti()]], image_format="NIFTI", rows=8, columns=9)
        uneven = slices("uneven", 4, places=[(0, 0, height) for height in (0, 2.5, 5, 20)])
        await add_series(opened, "LIV-000002", "uneven", [uneven])
        await frozen(opened, **SPLIT)
        yield opened


def table(folder: Path, name: str, delimiter: str = ",") -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def validated(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAMS / "bids-validator-deno", "--json", folder], capture_output=True, text=True, timeout=120)


async def test_nifti_when_exported_then_volumes_lie_by_case_and_refusals_have_reasons(site, tmp_path):
    folder, export = await exported(site, tmp_path, "nifti")
    assert export["refused"] == {"irregular-spacing": 1, "not-a-volume": 2}
    rows = table(folder, "images.csv")
    assert len(rows) == 10
    assert {row["format"] for row in rows} == {"NIFTI"}
    for row in rows:
        assert nibabel.load(folder / row["path"]).shape[2] in (4, 5)
    assert {row["reason"] for row in table(folder, "refused.csv")} == {"irregular-spacing", "not-a-volume"}
    assert [row["case_id"] for row in table(folder, "labels.csv")] == [key for key, _ in CASES]


async def test_monai_datalist_when_exported_then_has_the_decathlon_sections(site, tmp_path):
    folder, _ = await exported(site, tmp_path, "monai")
    found = json.loads((folder / "datalist.json").read_text())
    labels = {row["case_id"]: row for row in table(folder, "labels.csv")}
    for section, part in (("training", "train"), ("validation", "val")):
        assert found[section]
        for item in found[section]:
            assert nibabel.load(folder / item["image"]).ndim == 3
            assert labels[item["case_id"]]["split"] == part
            assert item["label"] == int(labels[item["case_id"]]["label"])
    assert all(isinstance(item, str) and (folder / item).is_file() for item in found["test"])
    assert found["numTraining"] == len(found["training"])
    assert found["labels"] == {"0": "benign", "1": "malignant"}


async def test_bids_when_exported_then_the_bids_validator_finds_no_error(site, tmp_path):
    folder, export = await exported(site, tmp_path, "bids")
    assert export["refused"]["diffusion-without-gradients"] == 1
    assert export["refused"]["not-mr"] == 9
    assert sorted(path.name for path in folder.rglob("*.nii.gz")) == [
        "sub-LIV000006_ses-01_run-01_T1w.nii.gz", "sub-LIV000007_ses-01_run-01_T2w.nii.gz", "sub-LIV000008_ses-01_ce-agent_run-01_T1w.nii.gz",
    ]  # fmt: skip
    done = validated(folder)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0


async def test_nnunet_without_masks_when_exported_then_says_so_and_holds_the_images(site, tmp_path):
    folder, export = await exported(site, tmp_path, "nnunet", number=1)
    assert "cannot train" in export["notes"][0]
    found = json.loads(next(folder.glob("nnUNet_raw/*/dataset.json")).read_text())
    assert found["numTraining"] == 0
    assert found["labels"] == {"background": 0}
    assert not list(folder.rglob("labelsTr/*"))


async def test_nnunet_with_segmentations_when_exported_then_masks_lie_on_the_images_as_drawn(site, tmp_path):
    for n in range(1, 4):
        await add_segmentation(site, f"LIV-{n:06d}", segmentation(tmp_path, f"ct {n}", 5, n))
    folder, export = await exported(site, tmp_path, "nnunet")
    assert export["refused"]["no-mask"] == 3  # two CTs and the stored NIfTI
    raw = next(folder.glob("nnUNet_raw/*"))
    found = json.loads((raw / "dataset.json").read_text())
    assert found["channel_names"] == {"0": "CT"}
    assert found["labels"] == {"background": 0, "lesion": 1, "organ": 2}
    images = sorted(raw.glob("images*/*.nii.gz"))
    assert len(images) == 3
    for image in images:
        name = image.name.replace("_0000.nii.gz", ".nii.gz")
        mask = raw / image.parent.name.replace("images", "labels") / name
        picture, label = nibabel.load(image), nibabel.load(mask)
        assert picture.shape == label.shape
        assert np.allclose(picture.affine, label.affine)
        values = np.asarray(label.dataobj)
        n = int(name[4:10])
        expected = np.zeros((24, 20, 5), np.uint8)
        expected[3 : 3 + n, 5:9, 2] = 1 if n != 2 else 2  # columns, rows, slice
        assert np.array_equal(values, expected)


def segmentation(tmp_path: Path, name: str, count: int, n: int) -> bytes:
    """A SEG of highdicom over the slices of ``name``: n columns from 3, rows 5 to 8, slice 2; case 2 draws the organ."""
    import highdicom
    import pydicom

    folder = tmp_path / f"for-seg-{n}"
    folder.mkdir()
    sources = []
    for number, content in enumerate(slices(name, count)):
        (folder / f"{number}.dcm").write_bytes(content)
        sources.append(pydicom.dcmread(folder / f"{number}.dcm"))
    mask = np.zeros((count, 20, 24), np.uint8)
    mask[2, 5:9, 3 : 3 + n] = 1
    tissue = highdicom.sr.CodedConcept("85756007", "SCT", "Tissue")
    segment = highdicom.seg.SegmentDescription(1, "lesion" if n != 2 else "organ", tissue, tissue, "MANUAL")
    seg = highdicom.seg.Segmentation(
        source_images=sources, pixel_array=mask, segmentation_type="BINARY", segment_descriptions=[segment], series_instance_uid=f"1.2.3.{n}",
        series_number=1, sop_instance_uid=f"1.2.4.{n}", instance_number=1, manufacturer="x", manufacturer_model_name="x", software_versions="1",
        device_serial_number="1",
    )  # fmt: skip
    seg.save_as(folder / "seg.dcm")
    return (folder / "seg.dcm").read_bytes()


async def test_coco_when_exported_then_pycocotools_loads_pictures_and_regions(site, tmp_path, capsys):
    from pycocotools.coco import COCO

    await add_segmentation(site, "LIV-000003", segmentation(tmp_path, "ct 3", 5, 3))
    folder, _ = await exported(site, tmp_path, "coco")
    seen, regions = 0, 0
    for path in folder.glob("annotations/*.json"):
        coco = COCO(path)
        for image in coco.loadImgs(coco.getImgIds()):
            with Image.open(folder / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"])
            seen += 1
        for annotation in coco.loadAnns(coco.getAnnIds()):
            drawn = coco.annToMask(annotation)
            expected = np.zeros((20, 24), np.uint8)
            expected[5:9, 3:6] = 1
            assert np.array_equal(drawn, expected)
            assert annotation["bbox"] == [3, 5, 3, 4]
            assert annotation["area"] == 12
            regions += 1
    assert seen == 13  # every series has one picture
    assert regions == 1


@pytest.mark.parametrize(("options", "shape"), [({"size_px": 28}, (28, 28, 3)), ({"size_px": 28, "dimensions": 3}, (28, 28, 28))])
async def test_medmnist_when_exported_then_numpy_loads_the_six_arrays(site, tmp_path, options, shape):
    folder, _ = await exported(site, tmp_path, "medmnist", **options)
    with np.load(folder / "livers_28.npz") as arrays:
        for part in ("train", "val", "test"):
            images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
            assert images.dtype == labels.dtype == np.uint8
            assert images.shape[1:] == shape
            assert labels.shape == (len(images), 1)
        cases = json.loads((folder / "info.json").read_text())["case_ids"]
        known = dict(CASES)
        assert [[int(known[key])] for key in cases["train"]] == arrays["train_labels"].tolist()


async def test_imagefolder_when_exported_then_each_part_has_its_metadata(site, tmp_path):
    folder, _ = await exported(site, tmp_path, "imagefolder", slices="all")
    parts = {path.name for path in (folder / "data").iterdir()}
    assert parts == {"train", "validation", "test"}
    for part in parts:
        rows = table(folder / "data" / part, "metadata.csv")
        assert next(iter(rows[0])) == "file_name"
        assert {row["file_name"] for row in rows} == {path.name for path in (folder / "data" / part).glob("*.png")}


async def test_pictures_when_exported_with_a_window_then_grey_is_what_the_window_says(site, tmp_path):
    folder, _ = await exported(site, tmp_path, "png", window_hu=[-700, 601])
    row = next(row for row in table(folder, "images.csv") if row["path"].startswith("images/LIV-000004/"))
    with Image.open(folder / row["path"]) as picture:
        values = np.asarray(picture)
    stored = np.arange(20)[:, None] * 24 + np.arange(24)[None] + 2 * 137  # the middle slice
    hu = stored - 1024.0
    expected = np.clip(((hu + 700.5) / 600 + 0.5) * 255, 0, 255)  # PS3.3 C.11.2.1.2.1
    assert np.abs(values - expected).max() <= 0.51
    jpeg, _ = await exported(site, tmp_path, "jpeg")
    assert all(row["path"].endswith(".jpg") for row in table(jpeg, "images.csv"))


async def test_patches_when_exported_by_resolution_then_hold_tissue_at_the_size_asked_for(site, tmp_path):
    folder, export = await exported(site, tmp_path, "patches", mpp=0.5, size_px=128, tissue=0.9)
    assert export["refused"] == {"not-a-slide": 12}
    rows = table(folder, "images.csv")
    assert len(rows) == 8  # 128 px at 0.5 um are 256 px of the slide: its right half holds 2 x 4
    for row in rows:
        with Image.open(folder / row["path"]) as picture:
            assert picture.size == (128, 128)
            values = np.asarray(picture)
        x, y = (int(part[1:]) for part in Path(row["path"]).stem.split("_")[-2:])
        assert x >= 512
        assert abs(float(values[..., 0].mean()) - (90 + 110 * (y + 128) / 1024)) < 3
        assert row["mpp"] == "0.5"
    finer, export = await exported(site, tmp_path, "patches", mpp=0.1)
    assert export["refused"]["finer-than-the-slide"] == 1
    assert table(finer, "images.csv") == []


async def test_croissant_when_exported_then_mlcroissant_reads_its_records_without_a_warning(site, tmp_path, caplog):
    import mlcroissant

    folder, _ = await exported(site, tmp_path, "croissant")
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert list(dataset.metadata.ctx.issues.errors) == []
    assert list(dataset.metadata.ctx.issues.warnings) == []
    cases = list(dataset.records("cases"))
    assert [record["cases/case_id"].decode() for record in cases] == [key for key, _ in CASES]
    assert len(list(dataset.records("series"))) == 13


async def test_labels_when_asked_to_impute_then_fills_from_the_training_part_and_flags_it(site, tmp_path):
    from sqlalchemy import update

    from isocenter.models import Study

    async with site.resources.db.write() as session:
        await session.execute(update(Study).where(Study.id == 1).values(age_years=None))
    await frozen(site, **SPLIT)
    plain, _ = await exported(site, tmp_path, "labels", number=2)
    assert table(plain, "labels.csv")[0]["age"] == ""
    assert "imputed" not in table(plain, "labels.csv")[0]
    filled, export = await exported(site, tmp_path, "labels", number=2, impute=["age"])
    rows = table(filled, "labels.csv")
    assert (rows[0]["age"], rows[0]["imputed"]) == ("60", "age")
    assert {row["imputed"] for row in rows[1:]} == {""}
    assert export["options"] == {"impute": ["age"]}


async def test_augmentation_when_exported_then_copies_are_of_the_training_part_only_and_told_apart(site, tmp_path):
    recipe = ["flip", {"kind": "rotation", "degrees": 8}, {"kind": "elastic", "shift_px": 2}, "noise", "intensity", "scale", "stain"]
    folder, _ = await exported(site, tmp_path, "png", augment=recipe, copies=2, seed=5)
    rows = table(folder, "images.csv")
    copies = [row for row in rows if row["augmented"] != "0"]
    training = [row for row in rows if row["augmented"] == "0" and row["split"] == "train"]
    assert len(copies) == 2 * len(training) > 0
    assert {row["split"] for row in copies} == {"train"}
    assert all(f"_aug{row['augmented']}." in row["path"] for row in copies)
    assert all("_aug" not in row["path"] for row in rows if row["augmented"] == "0")
    again, _ = await exported(site, tmp_path, "imagefolder", augment=recipe, copies=2, seed=5)
    first = copies[0]
    assert (folder / first["path"]).read_bytes() == (again / "data" / "train" / Path(first["path"]).name).read_bytes()
    volumes, _ = await exported(site, tmp_path, "nifti", augment=["flip", "noise"], copies=1)
    assert any("_aug1.nii.gz" in row["path"] for row in table(volumes, "images.csv"))


async def test_s5cmd_when_the_store_is_a_folder_then_is_refused_before_any_work(site):
    async with site.client() as admin:
        answer = await admin.post("/api/v1/datasets/livers/versions/1/exports", json={"format": "s5cmd"})
        assert answer.status_code == 422
        assert answer.json()["field"] == "format"
        assert "S3" in answer.json()["detail"]
