"""labels.csv and images.csv of a version, from its manifest: UTF-8, comma, ``\\n``, the paper's Table 1 first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

LABEL_COLUMNS = (
    "case_id", "sex", "age", "label", "image_format",  # the paper's Table 1
    "split", "label_source", "label_state", "label_confidence", "disease", "scheme",
)  # fmt: skip
EXPLAINED_COLUMNS = ("report_kind", "link_score", "section", "start", "end", "rule", "rule_set_version", "decided_by")
PREPARED_COLUMNS = ("fold", "repeats", "weight")
IMAGE_COLUMNS = (
    "case_id", "series_uid", "study_uid", "format", "modality", "body_part", "sequence", "phase", "slice_thickness_mm", "spacing_row_mm",
    "spacing_column_mm", "rows", "columns", "instances", "mpp", "objective_power", "manufacturer", "model_name", "path",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def labels_csv(manifest: Mapping[str, Any]) -> str:
    """One row per case; why it has its label, fold, repeats (over-sampling) and weight only where the version has them."""
    shared = {"disease": manifest["disease"], "scheme": manifest["scheme"]["code"]}
    prepared = tuple(name for name in EXPLAINED_COLUMNS + PREPARED_COLUMNS if manifest["labels"] and name in manifest["labels"][0])
    return _csv(LABEL_COLUMNS + prepared, (row | shared for row in manifest["labels"]))


def images_csv(manifest: Mapping[str, Any]) -> str:
    """One row per series or slide."""
    return _csv(IMAGE_COLUMNS, manifest["images"])


def _csv(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row[column]) for column in columns])
    return text.getvalue()


def cell(value: Any) -> Any:
    """Empty for nothing; text that a spreadsheet would run as a formula (a device model "=HYPERLINK(...)") gets a leading '."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
