"""Croissant 1.0 (docs.mlcommons.org/croissant): the version's tables described for machines, its images as a file set."""

from __future__ import annotations

from typing import Any

from services.catalog.exports.layouts.sheet import Sheet

CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip
NUMBERS = {
    "age": "sc:Integer", "label_confidence": "sc:Float", "slice_thickness_mm": "sc:Float", "spacing_row_mm": "sc:Float", "spacing_column_mm": "sc:Float",
    "rows": "sc:Integer", "columns": "sc:Integer", "instances": "sc:Integer", "mpp": "sc:Float", "objective_power": "sc:Float", "weight": "sc:Float",
    "repeats": "sc:Integer", "fold": "sc:Integer",
}  # fmt: skip


def croissant(sheet: Sheet, label_columns: tuple[str, ...], image_columns: tuple[str, ...]) -> None:
    """``croissant.json`` beside ``labels.csv`` and ``images.csv`` of the version as it is pulled."""
    about = sheet.about
    distribution: list[dict[str, Any]] = [_table(sheet, name) for name in ("labels.csv", "images.csv")]
    distribution.append({"@type": "cr:FileSet", "@id": "images", "name": "images", "encodingFormat": "application/dicom", "includes": "images/**/*"})
    sheet.json("croissant.json", {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "description": about.description or about.title or about.name,
        "license": about.licence or "not stated",
        "url": f"https://isocenter.invalid/datasets/{about.name}",
        "version": f"{about.number}.0.0",
        "datePublished": about.created,
        "creator": {"@type": "sc:Organization", "name": "see card.md"},
        "citeAs": f"{about.title or about.name}, {about.reference}",
        "distribution": distribution,
        "recordSet": [_records("cases", "labels.csv", label_columns, ("case_id",)), _records("series", "images.csv", image_columns, ("case_id", "series_uid"))],
    })  # fmt: skip


def _table(sheet: Sheet, name: str) -> dict[str, Any]:
    sha256, size = sheet.files[name]
    return {"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name, "encodingFormat": "text/csv", "sha256": sha256, "contentSize": f"{size} B"}


def _records(name: str, table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field", "@id": f"{name}/{column}", "name": column, "dataType": NUMBERS.get(column, "sc:Text"),
            "source": {"fileObject": {"@id": table}, "extract": {"column": column}},
        }
        for column in columns
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "key": [{"@id": f"{name}/{column}"} for column in key], "field": fields}
