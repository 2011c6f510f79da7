"""NIfTI volumes as slices of the three planes, turned so that they look as a radiologist expects.

Axes are brought to the closest canonical RAS order first (x to the patient's right, y to the front, z to the head). Shown: axial with the front up,
coronal and sagittal with the head up; in axial and coronal slices the patient's right is on the left; in sagittal ones the front is on the left.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from isocenter.errors import InvalidInput
from services.viewer.render import Look, grey_picture

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error)
VOLUME_LIMIT_BYTES = 2 << 30
# Which side of the patient lies at the left and at the top of a slice (PS3.3 C.7.6.1.1.1 letters).
SIDES = {"axial": {"left": "R", "top": "A"}, "coronal": {"left": "R", "top": "H"}, "sagittal": {"left": "A", "top": "H"}}


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
    except (*_DAMAGE, nib.filebasedimages.ImageFileError, WrapStructError, HeaderDataError) as error:
        raise InvalidInput("This volume cannot be read.") from error
    if values.dtype.fields:
        values = np.stack([values[name] for name in ("R", "G", "B")], -1).mean(-1)
    if values.dtype == np.float64:
        values = values.astype(np.float32)  # to be looked at, half of the memory is enough
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


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """What the service knows of a volume whose values lie unpacked in the file ``path``."""

    path: Path
    size_bytes: int
    counts: dict[str, int]
    spacing_mm: tuple[float, float, float]
    ratios: dict[str, float]
    frames: int
    axes: dict[str, dict[str, str]]


def unpack_volume(data: bytes, path: Path) -> VolumeFacts:
    """Read a volume and write its values to ``path`` (numpy's own format), so that a slice is a few pages of a file."""
    volume = read_volume(data)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.save(file, volume.values)
    part.replace(path)
    counts = {plane: volume.count(plane) for plane in PLANES}
    ratios = {plane: pixel_ratio(volume, plane) for plane in PLANES}
    return VolumeFacts(path, path.stat().st_size, counts, volume.spacing_mm, ratios, volume.frames, SIDES)


def slice_picture(path: Path, spacing_mm: tuple[float, float, float], plane: str, index: int, frame: int, look: Look) -> bytes:
    """A slice of an unpacked volume as a picture; InvalidInput when there is no such slice."""
    volume = Volume(np.load(path, mmap_mode="r"), spacing_mm)
    return grey_picture(volume.slice(plane, index, frame), look)
