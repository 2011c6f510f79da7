"""NIfTI volumes as slices of the three planes, turned so that they look as a radiologist expects.

Axes are brought to the closest canonical RAS order first (x to the patient's right, y to the front, z to the head). Shown: axial with the front up,
coronal and sagittal with the head up; in axial and coronal slices the patient's right is on the left; in sagittal ones the front is on the left.
"""

from __future__ import annotations

import gzip
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from isocenter.errors import InvalidInput

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
VOLUME_LIMIT_BYTES = 2 << 30
KEPT_BYTES = 512 << 20


@dataclass(frozen=True)
class Volume:
    """values: (x, y, z[, t]) in RAS order, as stored (no scaling but the header's slope); spacing_mm along x, y, z."""

    values: NDArray[Any]
    spacing_mm: tuple[float, float, float]

    @property
    def frames(self) -> int:
        """Volumes in a time series, 1 for one."""
        return int(self.values.shape[3]) if self.values.ndim > 3 else 1

    def count(self, plane: str) -> int:
        return int(self.values.shape[PLANES[plane]])

    def slice(self, plane: str, index: int, frame: int = 0) -> NDArray[Any]:
        """(rows, columns[, 3]) of one slice; index 0 is the leftmost, hindmost or lowest. InvalidInput when there is none."""
        if plane not in PLANES:
            raise InvalidInput("A plane is axial, coronal or sagittal.", field="plane")
        if not 0 <= index < self.count(plane):
            raise InvalidInput(f"There is no slice {index}: the {plane} plane has {self.count(plane)}, counted from 0.", field="index")
        if not 0 <= frame < self.frames:
            raise InvalidInput(f"There is no volume {frame}: the series has {self.frames}, counted from 0.", field="volume")
        values = self.values[..., frame] if self.values.ndim > 3 else self.values
        flat = np.take(values, index, axis=PLANES[plane])
        # Rows from the higher axis downwards, columns from the patient's right (or front) on the left.
        return np.flip(np.swapaxes(flat, 0, 1), (0, 1))


def pixel_ratio(volume: Volume, plane: str) -> float:
    """Height of a pixel of a slice over its width."""
    x, y, z = volume.spacing_mm
    across, down = {"sagittal": (y, z), "coronal": (x, z), "axial": (x, y)}[plane]
    return down / across if across > 0 and down > 0 else 1.0


def read_volume(data: bytes) -> Volume:
    """The volume of NIfTI-1 or -2 bytes, gzipped or not; InvalidInput when it is none or over 2 GiB."""
    try:
        raw = _unzipped(data)
        image = nib.Nifti2Image.from_bytes(raw) if raw[4:7] == b"n+2" else nib.Nifti1Image.from_bytes(raw)
        image = nib.as_closest_canonical(image)  # type: ignore[no-untyped-call]
        values = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, KeyError, nib.filebasedimages.ImageFileError) as error:
        raise InvalidInput("This volume cannot be read.") from error
    if values.dtype.fields:
        values = np.stack([values[name] for name in ("R", "G", "B")], -1).mean(-1)
    values = values.reshape(*values.shape[:3], -1) if values.ndim > 3 else values.reshape(*values.shape, *([1] * (3 - values.ndim)))
    x, y, z = (float(zoom) for zoom in (*image.header.get_zooms(), 1.0, 1.0)[:3])
    return Volume(values, (x, y, z))


def _unzipped(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    with gzip.open(io.BytesIO(data)) as file:
        raw = file.read(VOLUME_LIMIT_BYTES + 1)
    if len(raw) > VOLUME_LIMIT_BYTES:
        raise InvalidInput(f"This volume is larger than {VOLUME_LIMIT_BYTES >> 30} GiB unpacked; download it instead.")
    return bytes(raw)


class Volumes:
    """Volumes read lately, up to 512 MiB; used from the pool's threads."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, Volume] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str) -> Volume | None:
        with self._lock:
            if sha256 in self._kept:
                self._kept.move_to_end(sha256)
            return self._kept.get(sha256)

    def put(self, sha256: str, volume: Volume) -> None:
        with self._lock:
            self._kept[sha256] = volume
            while len(self._kept) > 1 and sum(kept.values.nbytes for kept in self._kept.values()) > self._most_bytes:
                self._kept.popitem(last=False)
