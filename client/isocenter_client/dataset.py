"""A pulled folder: its rows, its files, and loaders that import torch or monai only when asked for."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from isocenter_client.errors import ClientError

Row = dict[str, str]


class Dataset:
    """A dataset version on disk. ``Dataset("./data")`` needs no server."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "labels.csv").exists():
            raise ClientError(f"{self.folder} holds no dataset; isc pull NAME@N --to {self.folder} brings one.")

    def __repr__(self) -> str:
        return f"Dataset({self.reference}, {len(self.rows())} cases, {len(self.images())} series)"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "manifest.json").read_bytes()))

    @property
    def reference(self) -> str:
        return str(self.manifest["reference"])

    @property
    def digest(self) -> str:
        return str(self.manifest["digest"])

    @property
    def splits(self) -> list[str]:
        """Names of the parts, empty when the version was not split."""
        return sorted({row["split"] for row in self._labels} - {""})

    def rows(self, split: str | None = None) -> list[Row]:
        """labels.csv: one row per case, all of them or those of a part."""
        self._check(split)
        return [row for row in self._labels if split is None or row["split"] == split]

    def images(self, split: str | None = None) -> list[Row]:
        """images.csv with the label and part of each case: one row per series or slide."""
        cases = {row["case_id"]: row for row in self.rows(split)}
        return [{**row, "label": cases[row["case_id"]]["label"], "split": cases[row["case_id"]]["split"]} for row in self._images if row["case_id"] in cases]

    def files(self, image: Row) -> list[Path]:
        """Files of a row of :meth:`images`, in geometric order; one file in an export."""
        place = self.folder / image["path"]
        return [place] if place.is_file() else sorted(path for path in place.iterdir() if path.suffix != ".part")

    def array(self, image: Row) -> Any:
        """Pixels of a series, float32, (channels, slices, rows, columns) or (channels, rows, columns) for PNG and JPEG.

        CT in Hounsfield units. Needs pydicom, nibabel or pillow for the format at hand.
        """
        from isocenter_client.pixels import read_pixels

        return read_pixels(self.files(image), image["format"])

    def datalist(self, split: str | None = None) -> list[dict[str, Any]]:
        """``[{"image": path, "label": 0, "case_id": ...}]``: a DICOM series is its folder, everything else its file."""
        found = []
        for row in self.images(split):
            files = self.files(row)
            place = files[0] if len(files) == 1 and row["format"] != "DICOM" else self.folder / row["path"]
            found.append({"image": str(place), "label": class_of(row["label"]), "case_id": row["case_id"], "series_uid": row["series_uid"]})
        return found

    def torch(self, split: str | None = None, transform: Callable[[dict[str, Any]], Any] | None = None) -> Any:
        """A ``torch.utils.data.Dataset`` of ``{"image": tensor, "label": int, "case_id": str}``, one item per series."""
        try:
            import torch  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise ClientError(".torch() needs PyTorch: pip install torch, then try again.") from None
        dataset, images = self, self.images(split)

        class SeriesDataset(torch.utils.data.Dataset):  # type: ignore[misc, name-defined, unused-ignore]
            def __len__(self) -> int:
                return len(images)

            def __getitem__(self, index: int) -> Any:
                row = images[index]
                item = {"image": torch.from_numpy(dataset.array(row)), "label": class_of(row["label"]), "case_id": row["case_id"]}
                return item if transform is None else transform(item)

        return SeriesDataset()

    def monai(self, split: str | None = None, transform: Any = None) -> Any:
        """A ``monai.data.Dataset`` over :meth:`datalist`; start the transform with ``LoadImaged("image")``."""
        try:
            from monai.data import Dataset as MonaiDataset  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise ClientError(".monai() needs MONAI: pip install monai, then try again.") from None
        return MonaiDataset(self.datalist(split), transform)

    def verify(self) -> list[str]:
        """Paths of files that are missing or do not have their SHA-256; empty when all is well."""
        return [file["path"] for file in self.manifest["files"] if not _has_hash(self.folder / file["path"], file["sha256"])]

    @cached_property
    def _labels(self) -> list[Row]:
        return _read(self.folder / "labels.csv")

    @cached_property
    def _images(self) -> list[Row]:
        return _read(self.folder / "images.csv")

    def _check(self, split: str | None) -> None:
        if split is not None and split not in self.splits:
            raise ClientError(f"The version has no part {split!r}; it has {', '.join(self.splits) or 'no split'}.", field="split")


def class_of(label: str) -> int | str:
    """Classes written as numbers are numbers."""
    return int(label) if label.isdigit() else label


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _has_hash(path: Path, sha256: str) -> bool:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError:
        return False
    return digest.hexdigest() == sha256
