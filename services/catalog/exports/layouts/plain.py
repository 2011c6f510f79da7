"""Layouts that are folders of files with tables: images by case, MONAI and Decathlon datalists, Hugging Face imagefolders."""

from __future__ import annotations

from typing import Any

from services.catalog.exports.layouts.sheet import Sheet

HF_PARTS = {"train": "train", "": "train", "val": "validation", "valid": "validation", "test": "test"}


def images(sheet: Sheet) -> None:
    """``images/<case>/<name>.<ending>``."""
    for unit, made in sheet.made():
        sheet.put(f"images/{unit.case_id}/{made.name}.{made.ending}", unit, made)


def datalist(sheet: Sheet) -> None:
    """``datalist.json`` as ``monai.data.load_decathlon_datalist(path, is_segmentation=False)`` reads it; test items are bare paths there."""
    images(sheet)
    rows = {row["case_id"]: row for row in sheet.labels}
    parts: dict[str, list[Any]] = {"training": [], "validation": [], "test": []}
    modalities: list[str] = []
    for unit, made in sheet.made():
        path = sheet.paths[unit.ordinal, made.name]
        modalities += [unit.image["modality"]]
        if unit.split == "test":
            parts["test"].append(path)
            continue
        item: dict[str, Any] = {"image": path, "label": sheet.class_index(unit.label), "case_id": unit.case_id}
        fold = rows[unit.case_id].get("fold")
        item |= {"fold": fold} if fold is not None else {}
        item |= {"augmented": made.facts["augmented"]} if "augmented" in made.facts else {}
        parts["validation" if unit.split in ("val", "valid", "validation") else "training"].append(item)
    sheet.json("datalist.json", {
        "name": sheet.about.title or sheet.about.name,
        "description": sheet.about.description,
        "reference": sheet.about.reference,
        "licence": sheet.about.licence,
        "release": str(sheet.about.number),
        "tensorImageSize": "3D",
        "modality": {str(place): name for place, name in enumerate(sorted(set(modalities)))},
        "labels": {str(place): title for place, (_, title) in enumerate(sheet.about.classes)},
        "numTraining": len(parts["training"]),
        "numTest": len(parts["test"]),
        **parts,
    })  # fmt: skip


def imagefolder(sheet: Sheet) -> None:
    """``data/<train|validation|test>/NAME.png`` with a ``metadata.csv`` in each folder (Hugging Face datasets, ``load_dataset("imagefolder")``)."""
    rows = {row["case_id"]: row for row in sheet.labels}
    tables: dict[str, list[dict[str, Any]]] = {}
    for unit, made in sheet.made():
        part = HF_PARTS.get(unit.split, unit.split)
        file_name = f"{made.name}.{made.ending}"
        sheet.put(f"data/{part}/{file_name}", unit, made)
        row = rows[unit.case_id]
        about = {"file_name": file_name, "label": unit.label, "case_id": unit.case_id, "sex": row["sex"], "age": row["age"]}
        tables.setdefault(part, []).append(about | {"modality": unit.image["modality"], "augmented": made.facts.get("augmented", 0)})
    for part, found in tables.items():
        sheet.table(f"data/{part}/metadata.csv", tuple(found[0]), found)
