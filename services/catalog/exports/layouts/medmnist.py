"""MedMNIST: one .npz with ``train_images, train_labels, val_*, test_*``; images uint8 (N, size, size[, 3]) or (N, size, size, size), labels (N, 1)."""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from services.catalog.exports.layouts.sheet import Sheet
from services.catalog.exports.units import Made, Unit

PARTS = ("train", "val", "test")


def medmnist(sheet: Sheet) -> None:
    """Written one picture at a time: memory does not grow with the version."""
    parts: dict[str, list[tuple[Unit, Made]]] = defaultdict(list)
    colour = False
    for unit, made in sheet.made():
        parts[unit.split or "train"].append((unit, made))
        colour = colour or made.facts["shape"][-1] == 3
    size = sheet.spec.size_px
    shape = (size,) * sheet.spec.dimensions + ((3,) if colour else ())
    out = sheet.folder / "medmnist.npz"
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for part in (*PARTS, *sorted(set(parts) - set(PARTS))):
            found = parts[part]
            with _member(archive, f"{part}_images") as file:
                file.write(_npy_head((len(found), *shape)))
                for _, made in found:
                    file.write(_pixels(sheet, made, colour).tobytes())
            with _member(archive, f"{part}_labels") as file:
                labels = np.array([[sheet.class_index(unit.label)] for unit, _ in found], np.uint8).reshape(-1, 1)
                file.write(_npy_head(labels.shape) + labels.tobytes())
    path = f"{sheet.about.name}_{size}.npz"
    sheet.keep(path, out)
    for found in parts.values():
        for unit, made in found:
            sheet.paths[unit.ordinal, made.name] = path
    sheet.json("info.json", {
        "name": sheet.about.name, "description": sheet.about.description, "license": sheet.about.licence, "n_channels": 3 if colour else 1,
        "n_samples": {part: len(parts[part]) for part in PARTS}, "task": "binary-class" if len(sheet.about.classes) == 2 else "multi-class",
        "label": {str(place): title for place, (_, title) in enumerate(sheet.about.classes)},
        "case_ids": {p: [u.case_id for u, _ in f] for p, f in parts.items()},
    })  # fmt: skip


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    about = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))  # no time of its own: the same content is the same bytes
    about.compress_type = zipfile.ZIP_DEFLATED
    return archive.open(about, "w", force_zip64=True)


def _npy_head(shape: tuple[int, ...]) -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return head.getvalue()


def _pixels(sheet: Sheet, made: Made, colour: bool) -> NDArray[Any]:
    values = np.frombuffer(sheet.store.get_bytes(f"{sheet.prefix}/files/{made.sha256}"), np.uint8).reshape(made.facts["shape"])
    return np.stack([values] * 3, -1) if colour and values.shape[-1] != 3 else values
