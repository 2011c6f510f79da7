"""nnU-Net v2 (documentation/dataset_format.md of MIC-DKFZ/nnUNet): images and masks by case. It is a segmentation layout; without masks it says so."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from services.catalog.exports.layouts.sheet import Sheet
from services.catalog.exports.nifti import write_slices
from services.catalog.exports.units import Made

NO_MASKS = "No series of this version has a released segmentation: nnU-Net cannot train on it. imagesTr and imagesTs hold the images alone."
CHANNELS = {"CT": "CT", "MR": "MRI"}  # "CT" makes nnU-Net normalise by Hounsfield units


def nnunet(sheet: Sheet) -> None:
    """``nnUNet_raw/DatasetNNN_Name/{dataset.json,imagesTr,labelsTr,imagesTs,labelsTs}``; the part test goes to Ts."""
    name = re.sub(r"[^A-Za-z0-9]", "", sheet.about.name.title()) or "Isocenter"
    folder = f"nnUNet_raw/Dataset{sheet.spec.number:03d}_{name}"
    modalities = Counter(unit.image["modality"] for unit, _ in sheet.made())
    modality = sorted(modalities.items(), key=lambda item: (-item[1], item[0]))[0][0] if modalities else ""
    segments = sorted({label for _, made in sheet.made() for label in made.facts.get("classes", {}).values()})
    values = {label: place for place, label in enumerate(segments, 1)}
    training = 0
    for unit, made in sheet.made():
        if unit.image["modality"] != modality:
            sheet.refuse(unit, "another-modality", made.facts.get("stack"))
            continue
        if segments and "mask" not in made.facts:
            sheet.refuse(unit, "no-mask", made.facts.get("stack"))
            continue
        part = "Ts" if unit.split == "test" else "Tr"
        training += part == "Tr"
        sheet.put(f"{folder}/images{part}/{made.name}_0000.nii.gz", unit, made)
        if segments:
            _label(sheet, f"{folder}/labels{part}/{made.name}.nii.gz", made, values)
    if not segments:
        sheet.notes.append(NO_MASKS)
        sheet.text(f"{folder}/NO_MASKS.txt", NO_MASKS + "\n")
    sheet.json(f"{folder}/dataset.json", {
        "channel_names": {"0": CHANNELS.get(modality, modality or "image")},
        "labels": {"background": 0, **values},
        "numTraining": training if segments else 0,
        "file_ending": ".nii.gz",
        "name": sheet.about.name,
        "reference": sheet.about.reference,
        "licence": sheet.about.licence,
        "description": sheet.about.description,
    })  # fmt: skip


def _label(sheet: Sheet, path: str, made: Made, values: dict[str, int]) -> None:
    """The mask under the values of the whole dataset: a series with one segment of three calls it 1 itself."""
    mask: dict[str, Any] = made.facts["mask"]
    own = {int(value): values[label] for value, label in made.facts["classes"].items()}
    if all(value == wanted for value, wanted in own.items()):
        sheet.files[path] = (mask["sha256"], mask["size_bytes"])
        return
    local: Path = sheet.folder / "mask.nii.gz"
    sheet.store.download(f"{sheet.prefix}/files/{mask['sha256']}", local)
    image: Any = nibabel.load(local)
    table = np.zeros(256, np.uint8)
    for value, wanted in own.items():
        table[value] = wanted
    turned = table[np.asarray(image.dataobj, np.uint8).T]
    out = sheet.folder / "mask-out.nii.gz"
    write_slices(image.shape, image.affine, np.dtype("u1"), iter(turned), out)
    sheet.keep(path, out)
