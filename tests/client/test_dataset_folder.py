"""A pulled folder as rows, lists and arrays."""

from __future__ import annotations

import importlib.util
import json
import shutil

import nibabel
import numpy as np
import pydicom
import pytest
from isocenter_client import Dataset
from isocenter_client.errors import ClientError
from PIL import Image
from pydicom.data import get_testdata_file

LABELS = "case_id,sex,age,label,image_format,split\nLIV-1,F,60,1,DICOM,train\nLIV-2,M,,0,NIFTI;PNG,val\n"
IMAGES = "case_id,series_uid,format,path\nLIV-1,1.1,DICOM,images/LIV-1/1.1\nLIV-2,1.2,NIFTI,images/LIV-2/1.2\nLIV-2,1.3,PNG,images/LIV-2/1.3\n"


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "images.csv").write_text(IMAGES)
    (tmp_path / "manifest.json").write_text(json.dumps({"reference": "x@1", "digest": "d", "files": []}))
    for name in ("LIV-1/1.1", "LIV-2/1.2", "LIV-2/1.3"):
        (tmp_path / "images" / name).mkdir(parents=True)
    for number in (1, 2, 3):
        shutil.copy(get_testdata_file("CT_small.dcm", download=False), tmp_path / f"images/LIV-1/1.1/00000{number}.dcm")
    volume = np.arange(24, dtype=np.int16).reshape(2, 3, 4)  # i, j, k
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "images/LIV-2/1.2/000001.nii.gz")
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)).save(tmp_path / "images/LIV-2/1.3/000001.png")
    return Dataset(tmp_path)


def test_rows_and_images_follow_the_split(dataset):
    assert dataset.splits == ["train", "val"]
    assert [row["case_id"] for row in dataset.rows("val")] == ["LIV-2"]
    assert [(row["series_uid"], row["label"]) for row in dataset.images("val")] == [("1.2", "0"), ("1.3", "0")]
    with pytest.raises(ClientError, match="train, val"):
        dataset.rows("test")


def test_datalist_names_the_folder_of_a_series_and_the_file_of_a_volume(dataset):
    items = dataset.datalist()
    assert [item["label"] for item in items] == [1, 0, 0]
    assert items[0]["image"].endswith("images/LIV-1/1.1")
    assert items[1]["image"].endswith("000001.nii.gz")


def test_array_of_ct_is_in_hounsfield_units_slices_first(dataset):
    pixels = dataset.array(dataset.images()[0])
    header = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    assert (pixels.shape, pixels.dtype) == ((1, 3, 128, 128), np.float32)
    # CT_small has RescaleSlope 1 and RescaleIntercept -1024.
    assert np.array_equal(pixels[0, 1], header.pixel_array.astype(np.float32) - 1024)


def test_array_of_nifti_has_the_files_axes_reversed_and_of_png_channels_first(dataset):
    volume = dataset.array(dataset.images()[1])
    assert volume.shape == (1, 4, 3, 2)
    assert volume[0, 3, 2, 1] == 23
    picture = dataset.array(dataset.images()[2])
    assert picture.shape == (3, 2, 2)
    assert picture[:, 0, 1].tolist() == [3, 4, 5]


@pytest.mark.parametrize("package", ["torch", "monai"])
def test_loader_without_its_package_says_what_to_install(dataset, package):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed here")
    with pytest.raises(ClientError, match=f"pip install {package}"):
        getattr(dataset, package)("train")


def test_whole_slides_are_not_read_into_memory(dataset):
    with pytest.raises(ClientError, match="openslide"):
        dataset.array({**dataset.images()[0], "format": "WSI"})
