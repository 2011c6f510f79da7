"""Make a dataset version of what the catalog holds: the canonical manifest, its digest and its counts.

The manifest names content hashes, labels, recipe and policy versions, nothing else: no row ids, no times, no database
order, not even the dataset's name. The same inputs and site key give the same digest on every back-end.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from services.catalog.balance import Balance, balanced, folds_of
from services.catalog.split import Member, Recipe, assign

SCHEMA = "isocenter-manifest/1"
_ALIKE = frozenset({str, bool, type(None)})
_EXTENSIONS = {
    "application/dicom": "dcm",
    "application/gzip": "nii.gz",
    "application/x-gzip": "nii.gz",
    "application/x-nifti": "nii",
    "application/x-nifti+gzip": "nii.gz",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/tiff": "tif",
}


class FrozenFile(NamedTuple):
    """A released object of a series. ``number`` is its geometric place in the series, ``stack`` the ordinal of its stack.

    A named tuple: a version has hundreds of thousands, and a frozen dataclass takes four times as long to make.
    """

    sop_uid: str
    number: int
    stack: int
    sha256: str
    size_bytes: int
    media_type: str
    object_key: str = ""


@dataclass(frozen=True, slots=True)
class FrozenSeries:
    """A series or slide of a case as it goes into images.csv. Lengths in mm, mpp in micrometres."""

    series_uid: str
    study_uid: str
    format: str
    modality: str
    body_part: str
    sequences: tuple[str, ...]
    phases: tuple[str, ...]
    slice_thickness_mm: float | None
    spacing_mm: tuple[float, float] | None  # between rows, between columns
    rows: int
    columns: int
    mpp: float | None
    objective_power: float | None
    manufacturer: str
    model_name: str
    files: tuple[FrozenFile, ...]


@dataclass(frozen=True, slots=True)
class FrozenCase:
    """A case with the label that counts now and the images that the query chose. ``patient`` is the pseudonym."""

    case_id: str
    patient: str
    sex: str
    age_years: float | None
    label: str
    label_source: str
    label_state: str
    label_confidence: float
    series: tuple[FrozenSeries, ...] = ()
    why: tuple[tuple[str, Any], ...] = ()  # name -> value: report, link, place in the text and rule it rests on


@dataclass(frozen=True, slots=True)
class Origin:
    """What was asked and what decided: part of the digest."""

    disease: str
    scheme: str
    scheme_number: int
    query: dict[str, Any]
    label_states: tuple[str, ...]
    policies: dict[str, list[dict[str, Any]]]  # kind -> [{scope, number, sha256}]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A version ready to be stored: canonical bytes, their SHA-256, counts, and the part of each case id."""

    manifest: dict[str, Any]
    content: bytes
    digest: str
    counts: dict[str, Any]
    parts: dict[str, str]
    folds: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is done to the cases before they are frozen. ``seed`` is the split's, or its own when there is none."""

    split: Recipe | None = None
    balance: Balance | None = None
    folds: int | None = None
    seed: int = 0

    def document(self) -> dict[str, Any]:
        """Its part of the manifest: what was not asked for stands not in it, so that older digests stay what they were."""
        found: dict[str, Any] = {"split": self.split.document() if self.split else None}
        if self.balance:
            found["balance"] = self.balance.document() | {"seed": self.seed}
        if self.folds:
            found["folds"] = {"number": self.folds, "seed": self.seed, "unit": "patient", "stratify": ["label"]}
        return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """Part of each case id before and after balancing, fold, who balancing left out, and what labels.csv says more of a case."""

    all_parts: dict[str, str]
    parts: dict[str, str]
    folds: dict[str, int]
    left_out: frozenset[str]
    columns: dict[str, dict[str, Any]]


def freeze(cases: Sequence[FrozenCase], origin: Origin, preparation: Preparation, left_out: dict[str, int]) -> Frozen:
    """The version of these cases; cases without images are none of it and must not be given."""
    ordered = sorted(cases, key=lambda case: case.case_id)
    done = prepared([Member(case.case_id, case.patient, case.label) for case in ordered], preparation)
    parts, folds = done.parts, done.folds
    ordered = [case for case in ordered if case.case_id not in done.left_out]
    if preparation.balance:
        left_out = left_out | {"balance": len(done.left_out)}
    labels = [_label_row(case, parts.get(case.case_id, "")) | done.columns.get(case.case_id, {}) for case in ordered]
    images: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    for case in ordered:
        for series in sorted(case.series, key=lambda item: (item.study_uid, item.series_uid)):
            folder = f"images/{case.case_id}/{series.series_uid}"
            images.append(_image_row(case.case_id, series, folder))
            files += _file_rows(series, folder)
    manifest = {
        "schema": SCHEMA,
        "disease": origin.disease,
        "scheme": {"code": origin.scheme, "number": origin.scheme_number},
        "query": origin.query,
        "label_states": sorted(origin.label_states),
        **preparation.document(),
        "policies": origin.policies,
        "labels": labels,
        "images": images,
        "files": files,
    }
    content = canonical(manifest)
    counts = counts_of(labels, images, files) | {"left_out": left_out}
    return Frozen(manifest, content, hashlib.sha256(content).hexdigest(), counts, parts, folds)


def prepared(members: Sequence[Member], preparation: Preparation) -> Prepared:
    """Split, balance and folds of these cases; the order of ``members`` does not matter."""
    all_parts = assign(members, preparation.split) if preparation.split else {}
    parts, left_out = all_parts, frozenset[str]()
    columns: dict[str, dict[str, Any]] = defaultdict(dict)
    if preparation.balance:
        done = balanced(members, all_parts, preparation.balance, preparation.seed)
        left_out = done.left_out
        members = [member for member in members if member.case_id not in left_out]
        parts = {case_id: part for case_id, part in all_parts.items() if case_id not in left_out}
        for member in members:
            if preparation.balance.method == "over":
                columns[member.case_id]["repeats"] = done.repeats.get(member.case_id, 1)
            elif preparation.balance.method == "weights":
                columns[member.case_id]["weight"] = done.weights.get(member.case_id, 1.0)
    folds = folds_of(members, parts, preparation.folds, preparation.seed) if preparation.folds else {}
    if preparation.folds:
        for member in members:
            columns[member.case_id]["fold"] = folds.get(member.case_id)
    return Prepared(all_parts, parts, folds, left_out, columns)


def canonical(document: Any) -> bytes:
    """JSON with sorted keys, no blanks, UTF-8: equal documents are equal bytes."""
    if not _written_alike(document):
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _written_alike(value: Any) -> bool:
    """Do json and orjson (nine times as fast) write it in the same bytes? They differ in exponents (1e-07, 1e-7), in NaN, in whole numbers
    beyond 64 bits and in keys and classes that are not JSON's own."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str for key in value) and all(type(item) in _ALIKE or _written_alike(item) for item in value.values())
    if kind is list or kind is tuple:
        return all(map(_written_alike, value))
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is float:
        return bool(value == 0 or 1e-4 <= abs(value) < 1e16)
    return kind in _ALIKE


def rounded(value: float | None) -> float | None:
    """Eight significant digits: readable, and finer than any scanner's ruler (0.66145802 mm stays as it is)."""
    return None if value is None else float(f"{value:.8g}")


def extension_of(media_type: str, object_key: str) -> str:
    """The file ending of an object: from its key when it has one, else from its media type."""
    name = object_key.rsplit("/", 1)[-1]
    _, dot, ending = name.partition(".")
    if dot and 0 < len(ending) <= 8 and ending.replace(".", "").isalnum():
        return ending.lower()
    return _EXTENSIONS.get(media_type, "bin")


def in_order(files: Sequence[FrozenFile]) -> list[FrozenFile]:
    return sorted(files, key=lambda file: (file.number, file.sop_uid))


def _label_row(case: FrozenCase, part: str) -> dict[str, Any]:
    formats = sorted({series.format for series in case.series})
    return {
        "case_id": case.case_id,
        "sex": case.sex,
        "age": None if case.age_years is None else int(case.age_years),
        "label": case.label,
        "image_format": ";".join(formats),
        "split": part,
        "label_source": case.label_source,
        "label_state": case.label_state,
        "label_confidence": rounded(case.label_confidence),
        **dict(case.why),
    }


def _image_row(case_id: str, series: FrozenSeries, folder: str) -> dict[str, Any]:
    spacing = series.spacing_mm or (None, None)
    return {
        "case_id": case_id,
        "series_uid": series.series_uid,
        "study_uid": series.study_uid,
        "format": series.format,
        "modality": series.modality,
        "body_part": series.body_part,
        "sequence": ";".join(sorted(set(series.sequences) - {""})),
        "phase": ";".join(sorted(set(series.phases) - {""})),
        "slice_thickness_mm": rounded(series.slice_thickness_mm),
        "spacing_row_mm": rounded(spacing[0]),
        "spacing_column_mm": rounded(spacing[1]),
        "rows": series.rows,
        "columns": series.columns,
        "instances": len(series.files),
        "mpp": rounded(series.mpp),
        "objective_power": rounded(series.objective_power),
        "manufacturer": series.manufacturer,
        "model_name": series.model_name,
        "path": folder,
    }


def _file_rows(series: FrozenSeries, folder: str) -> list[dict[str, Any]]:
    rows = []
    for place, file in enumerate(in_order(series.files), 1):
        path = f"{folder}/{place:06d}.{extension_of(file.media_type, file.object_key)}"
        rows.append({"path": path, "sha256": file.sha256, "size_bytes": file.size_bytes, "series_uid": series.series_uid, "stack": file.stack})
    return rows


def counts_of(labels: list[dict[str, Any]], images: list[dict[str, Any]], files: list[dict[str, Any]]) -> dict[str, Any]:
    """Cases, series, files, bytes, and cases by label, format, part and fold."""
    by_split: dict[str, Counter[str]] = defaultdict(Counter)
    for row in labels:
        if row["split"]:
            by_split[row["split"]][row["label"]] += 1
    by_fold = Counter(str(row["fold"]) for row in labels if row.get("fold") is not None)
    repeated = {"repeated": sum(row["repeats"] for row in labels)} if labels and "repeats" in labels[0] else {}
    folded = {"by_fold": dict(sorted(by_fold.items(), key=lambda item: int(item[0])))} if by_fold else {}
    return {
        **repeated,
        **folded,
        "cases": len(labels),
        "series": len(images),
        "files": len(files),
        "size_bytes": sum(row["size_bytes"] for row in files),
        "by_label": dict(sorted(Counter(row["label"] for row in labels).items())),
        "by_format": dict(sorted(Counter(row["format"] for row in images).items())),
        "by_split": {name: {"cases": sum(found.values()), "by_label": dict(sorted(found.items()))} for name, found in sorted(by_split.items())},
    }
