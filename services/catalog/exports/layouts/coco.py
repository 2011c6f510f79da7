"""COCO for flat pictures: one annotation file a part. Regions come from released segmentations; without them the class stands with the picture."""

from __future__ import annotations

from typing import Any

from services.catalog.exports.layouts.sheet import Sheet

NO_REGIONS = "No series of this version has a released segmentation: annotations are empty, the class of a case is images[].label."


def coco(sheet: Sheet) -> None:
    """``images/<part>/NAME.png`` and ``annotations/instances_<part>.json`` (part ``all`` without a split)."""
    names = sorted({region["name"] for _, made in sheet.made() for region in made.facts.get("regions", ())})
    categories = [{"id": place, "name": name, "supercategory": "segment"} for place, name in enumerate(names, 1)]
    if not names:
        sheet.notes.append(NO_REGIONS)
        categories = [{"id": place, "name": title, "supercategory": "class"} for place, (_, title) in enumerate(sheet.about.classes, 1)]
    parts: dict[str, dict[str, list[Any]]] = {}
    number = 0
    for place, (unit, made) in enumerate(sheet.made(), 1):
        part = unit.split or "all"
        path = f"images/{part}/{made.name}.{made.ending}"
        sheet.put(path, unit, made)
        found = parts.setdefault(part, {"images": [], "annotations": []})
        width, height = made.facts["width"], made.facts["height"]
        found["images"].append({
            "id": place, "file_name": path, "width": width, "height": height, "license": 1, "case_id": unit.case_id, "label": unit.label,
        })  # fmt: skip
        for region in made.facts.get("regions", ()):
            number += 1
            found["annotations"].append({
                "id": number, "image_id": place, "category_id": names.index(region["name"]) + 1, "bbox": region["bbox"], "area": region["area"],
                "segmentation": {"size": [height, width], "counts": region["counts"]}, "iscrowd": 1,
            })  # fmt: skip
    info = {"description": sheet.about.title or sheet.about.name, "version": sheet.about.reference, "year": int(sheet.about.created[:4])}
    for part, found in parts.items():
        licences = [{"id": 1, "name": sheet.about.licence or "not stated", "url": ""}]
        sheet.json(f"annotations/instances_{part}.json", {"info": info, "licenses": licences, "categories": categories, **found})
