"""Pixels of pulled files as arrays; each format imports its own library when it is met."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isocenter_client.errors import ClientError


def read_pixels(files: Sequence[Path], image_format: str) -> Any:
    """float32, channels first: (channels, slices, rows, columns), or (channels, rows, columns) for one flat picture."""
    readers = {"DICOM": _dicom, "NIFTI": _nifti, "PNG": _picture, "JPEG": _picture}
    if image_format not in readers:
        raise ClientError(f"{image_format} images are not read whole (a slide has gigapixels); open the file with openslide or tifffile.")
    try:
        return readers[image_format](files)
    except ImportError as error:
        raise ClientError(f"Reading {image_format} needs the package {error.name}: pip install {error.name}.") from None


def _dicom(files: Sequence[Path]) -> Any:
    """Slices in geometric order, rescaled to Hounsfield units (or what RescaleType says)."""
    import numpy as np
    import pydicom
    from pydicom.pixels.processing import apply_rescale

    frames: list[Any] = []
    for file in files:
        header = pydicom.dcmread(file)
        pixels = header.pixel_array
        colour = int(header.get("SamplesPerPixel", 1)) > 1
        values = pixels if colour else apply_rescale(pixels, header)
        single = values.ndim == (3 if colour else 2)
        frames += [values] if single else list(values)
    stack = np.stack(frames).astype(np.float32)
    return np.moveaxis(stack, -1, 0) if stack.ndim == 4 else stack[np.newaxis]


def _nifti(files: Sequence[Path]) -> Any:
    """(channels, k, j, i): the file's axes reversed, so that the last is the fastest."""
    import nibabel
    import numpy as np

    image: Any = nibabel.load(files[0])  # type: ignore[attr-defined, unused-ignore]
    values = np.asarray(image.dataobj, dtype=np.float32)
    while values.ndim > 4 and values.shape[-1] == 1:
        values = values[..., 0]
    values = values.T
    return np.ascontiguousarray(values if values.ndim == 4 else values[np.newaxis])


def _picture(files: Sequence[Path]) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(files[0]) as picture:
        flat = picture if picture.mode in ("L", "I;16", "I", "F", "RGB") else picture.convert("RGB")
        values = np.asarray(flat, dtype=np.float32)
    return np.ascontiguousarray(np.moveaxis(values, -1, 0)) if values.ndim == 3 else values[np.newaxis]
