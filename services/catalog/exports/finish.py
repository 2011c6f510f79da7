"""The last step of an export: the layout's own files, the tables, and the manifest that makes it visible."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from isocenter.errors import NotFound
from isocenter.objects import ObjectStore
from services.catalog.exports.about import About
from services.catalog.exports.impute import imputed
from services.catalog.exports.layouts.bids import bids
from services.catalog.exports.layouts.coco import coco
from services.catalog.exports.layouts.croissant import croissant
from services.catalog.exports.layouts.medmnist import medmnist
from services.catalog.exports.layouts.nnunet import nnunet
from services.catalog.exports.layouts.plain import datalist, imagefolder, images
from services.catalog.exports.layouts.sheet import Sheet
from services.catalog.exports.units import SCHEMA, Done, done_of, units_of
from services.catalog.exports.workplace import Workplace, note_key
from services.catalog.freeze import canonical
from services.catalog.tables import IMAGE_COLUMNS, LABEL_COLUMNS, PREPARED_COLUMNS

EXTRA_COLUMNS = ("stack", "slice", "augmented", "label", "split")
FORMAT_OF = {"nii.gz": "NIFTI", "png": "PNG", "jpg": "JPEG", "raw": "NPZ"}
LAYOUTS: dict[str, Callable[[Sheet], None]] = {
    "nifti": images, "png": images, "jpeg": images, "patches": images, "monai": datalist, "nnunet": nnunet, "bids": bids, "coco": coco,
    "medmnist": medmnist, "imagefolder": imagefolder,
}  # fmt: skip


def manifest_key(folder: str) -> str:
    return f"{folder}/manifest.json"


def finish(workplace: Workplace, version_manifest: str, about: About) -> dict[str, Any]:
    """Digest, files, bytes, refusals by reason and notes of the finished export."""
    store = ObjectStore(workplace.store)
    manifest = json.loads(store.get_bytes(version_manifest))
    units = units_of(manifest)
    done = _done(store, workplace.folder, [unit.ordinal for unit in units])
    labels = imputed(manifest["labels"], workplace.spec.impute) if workplace.spec.impute else [dict(row) for row in manifest["labels"]]
    shared = {"disease": manifest["disease"], "scheme": manifest["scheme"]["code"]}
    labels = [row | shared for row in labels]
    workplace.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="export-", dir=workplace.scratch) as place:
        sheet = Sheet(about, workplace.spec, manifest, units, done, labels, store, workplace.folder, Path(place))
        if layout := LAYOUTS.get(workplace.spec.format):
            layout(sheet)
        if workplace.spec.format == "s5cmd":
            _s5cmd(sheet)
        _tables(sheet)
        if workplace.spec.format == "croissant":
            croissant(sheet, _label_columns(labels), IMAGE_COLUMNS)
        files = [{"path": path, "sha256": sha256, "size_bytes": size} for path, (sha256, size) in sorted(sheet.files.items())]
        document = {
            "schema": SCHEMA, "reference": about.reference, "version": hashlib.sha256(canonical(manifest)).hexdigest(), "format": workplace.spec.format,
            "options": workplace.spec.document(), "files": files, "refused": sheet.refused, "notes": sheet.notes,
        }  # fmt: skip
        content = canonical(document)
        store.put_bytes(manifest_key(workplace.folder), content)
    reasons: dict[str, int] = {}
    for row in sheet.refused:
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
    return {
        "digest": hashlib.sha256(content).hexdigest(), "files": len(files), "size_bytes": sum(file["size_bytes"] for file in files),
        "refused": dict(sorted(reasons.items())), "notes": sheet.notes,
    }  # fmt: skip


def _done(store: ObjectStore, folder: str, ordinals: list[int]) -> dict[int, Done]:
    def read(ordinal: int) -> Done | None:
        try:
            return done_of(json.loads(store.get_bytes(note_key(folder, ordinal))))
        except NotFound:
            return None

    with ThreadPoolExecutor(8) as readers:
        return {found.ordinal: found for found in readers.map(read, ordinals) if found is not None}


def _label_columns(labels: list[dict[str, Any]]) -> tuple[str, ...]:
    return LABEL_COLUMNS + tuple(name for name in (*PREPARED_COLUMNS, "imputed") if labels and name in labels[0])


def _tables(sheet: Sheet) -> None:
    """labels.csv and refused.csv of every export; images.csv: a row a file, or the version's own where nothing was converted."""
    sheet.table("labels.csv", _label_columns(sheet.labels), sheet.labels)
    if sheet.spec.format not in LAYOUTS:
        sheet.table("images.csv", IMAGE_COLUMNS, sheet.manifest["images"])
        return
    rows = []
    for unit, made in sheet.made():
        if path := sheet.paths.get((unit.ordinal, made.name)):
            own = {"format": FORMAT_OF[made.ending], "path": path, "label": unit.label, "split": unit.split, "augmented": 0}
            rows.append(dict(unit.image) | own | {name: made.facts[name] for name in ("stack", "slice", "augmented", "mpp") if name in made.facts})
    sheet.table("images.csv", IMAGE_COLUMNS + EXTRA_COLUMNS, rows)
    sheet.table("refused.csv", ("case_id", "series_uid", "stack", "reason"), sheet.refused)


def _s5cmd(sheet: Sheet) -> None:
    """``manifest.s5cmd``: ``s5cmd run`` copies the version's files from the bucket to where isc pull would put them."""
    lines = [f"# {sheet.about.reference}: s5cmd --endpoint-url ENDPOINT run manifest.s5cmd"]
    for _, made in sheet.made():
        lines += sheet.store.get_bytes(f"{sheet.prefix}/files/{made.sha256}").decode().splitlines()
    sheet.text("manifest.s5cmd", "\n".join(lines) + "\n")
