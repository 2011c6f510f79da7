"""Flat pictures of a series as uint8: the middle slice of each stack or every slice, windowed; a slide as an overview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import openslide
import pydicom
from numpy.typing import NDArray
from PIL import Image

from isocenter.errors import InvalidInput
from isocenter.imaging.decode import decode
from isocenter.imaging.frames import frame_count
from isocenter.imaging.quiet import quiet
from isocenter.imaging.window import Window, auto_window, to_uint8, windowed

OVERVIEW_PX = 1024
PICTURE_PIXELS = 1 << 28
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """``pixels``: (rows, columns) or (rows, columns, 3), row 0 at the top. ``slice``: 0-based place in the stack; ``sop_uid`` where it is a DICOM image."""

    pixels: Bytes
    slice: int
    sop_uid: str = ""
    frame: int = 0


def pictures_of(image_format: str, paths: Sequence[Path], every: bool, window_hu: tuple[float, float] | None) -> Iterator[Picture]:
    """Pictures of one stack. InvalidInput for a format without pictures or pixels that do not decode."""
    window = Window(*window_hu) if window_hu else None
    if image_format == "DICOM":
        yield from _dicom(paths, every, window)
    elif image_format == "NIFTI":
        yield from _nifti(paths[0], every, window)
    elif image_format in ("PNG", "JPEG"):
        yield Picture(_flat(paths[0]), 0)
    elif image_format == "WSI":
        yield Picture(_overview(paths[0]), 0)
    else:
        raise InvalidInput("This format has no flat pictures.", code="no-pictures")


def resized(pixels: Bytes, size_px: int) -> Bytes:
    """Square of ``size_px``, bicubic, the sides stretched as MedMNIST does it."""
    return np.asarray(Image.fromarray(pixels).resize((size_px, size_px), Image.Resampling.BICUBIC))


def _dicom(paths: Sequence[Path], every: bool, window: Window | None) -> Iterator[Picture]:
    with quiet():
        places = [(path, frame) for path in paths for frame in range(frame_count(pydicom.dcmread(path, stop_before_pixels=True, force=True)))]
    chosen = range(len(places)) if every else range(len(places) // 2, len(places) // 2 + 1)
    held: tuple[Path, Any] | None = None
    for index in chosen:
        path, frame = places[index]
        with quiet():
            if held is None or held[0] != path:
                held = path, pydicom.dcmread(path, force=True)
            yield Picture(to_uint8(decode(held[1], frame), held[1], window, frame), index, str(held[1].get("SOPInstanceUID", "")), frame)


def _nifti(path: Path, every: bool, window: Window | None) -> Iterator[Picture]:
    """Slices of the third axis, seen as a radiologist does when the volume is axial: anterior at the top, the patient's right at the left."""
    volume: Any = nibabel.as_closest_canonical(nibabel.load(path))  # type: ignore[no-untyped-call]
    if len(volume.shape) < 2:
        raise InvalidInput("This volume has no slices.", code="no-pictures")
    depth = volume.shape[2] if len(volume.shape) > 2 else 1
    shown = window or auto_window(np.asarray(volume.dataobj[..., depth // 2] if len(volume.shape) == 3 else volume.dataobj))
    for index in range(depth) if every else (depth // 2,):
        values = np.asarray(volume.dataobj[:, :, index] if len(volume.shape) > 2 else volume.dataobj, np.float32)
        while values.ndim > 2:
            values = values[..., 0]
        yield Picture(np.ascontiguousarray(np.flip(windowed(values, shown).T + 0.5, (0, 1))).astype(np.uint8), index)


def _flat(path: Path) -> Bytes:
    with Image.open(path) as picture:
        if picture.width * picture.height > PICTURE_PIXELS:
            raise InvalidInput("This picture is too large to be decoded whole.", code="too-large")
        if picture.mode in ("I;16", "I", "F"):
            values = np.asarray(picture, np.float32)
            return np.asarray(windowed(values, auto_window(values)) + 0.5, np.uint8)
        return np.asarray(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))


def _overview(path: Path) -> Bytes:
    try:
        with openslide.OpenSlide(path) as slide:
            return np.asarray(slide.get_thumbnail((OVERVIEW_PX, OVERVIEW_PX)).convert("RGB"))
    except openslide.OpenSlideError as error:
        raise InvalidInput("The slide cannot be read.", code="slide-unreadable") from error
