"""Pulled exports through the loaders people use: PyTorch and MONAI. Skipped without them; run with a Python that has torch and monai."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytestmark = pytest.mark.soak


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What an export as ``monai`` looks like on the disk: two volumes, one a part."""
    rows, items = [], {"training": [], "validation": [], "test": []}
    for number, (part, section) in enumerate((("train", "training"), ("val", "validation"))):
        path = f"images/LUN-00000{number}/LUN-00000{number}_01.nii.gz"
        (tmp_path / path).parent.mkdir(parents=True)
        values = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) - 1000
        nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 1, 2.5, 1])), tmp_path / path)
        rows.append({"case_id": f"LUN-00000{number}", "label": str(number), "split": part, "series_uid": "1", "format": "NIFTI", "path": path})
        items[section].append({"image": path, "label": number, "case_id": f"LUN-00000{number}"})
    for name in ("labels.csv", "images.csv"):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    (tmp_path / "datalist.json").write_text(json.dumps(items | {"labels": {"0": "benign", "1": "malignant"}, "numTraining": 1, "numTest": 0}))
    return tmp_path


def test_torch_adapter_when_iterated_then_gives_tensors_with_labels(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    from isocenter_client import Dataset

    batch = next(iter(torch.utils.data.DataLoader(Dataset(folder).torch("train"), batch_size=1)))
    assert batch["image"].shape == (1, 1, 4, 5, 6)
    assert batch["image"].dtype == torch.float32
    assert batch["label"].tolist() == [0]
    assert float(batch["image"].min()) == -1000


def test_monai_when_it_loads_the_datalist_and_the_adapter_then_reads_the_same_volume(folder: Path) -> None:
    pytest.importorskip("torch")
    monai = pytest.importorskip("monai")
    from isocenter_client import Dataset
    from monai.data import load_decathlon_datalist

    training = load_decathlon_datalist(str(folder / "datalist.json"), is_segmentation=False, data_list_key="training")
    assert [(Path(item["image"]).is_file(), item["label"]) for item in training] == [(True, 0)]
    item = Dataset(folder).monai("val", monai.transforms.LoadImaged("image"))[0]
    assert item["image"].shape == (6, 5, 4)
    assert item["label"] == 1
