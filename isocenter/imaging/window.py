"""From stored values to what a screen shows: modality LUT, window or VOI LUT, inversion, 8 bits.

PS3.3 C.11.1 (modality LUT), C.11.2.1.2 (window functions), C.7.6.3.1.2 (photometric interpretation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

Pixels = NDArray[Any]

_AUTO_PERCENTILES = (0.5, 99.5)
_AUTO_SAMPLE = 1 << 20


@dataclass(frozen=True, slots=True)
class Window:
    """Centre and width in modality units (Hounsfield for CT); ``function``: LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"


def windowed(values: Pixels, window: Window, out_max: float = 255.0) -> NDArray[np.float32]:
    """Values mapped to 0..``out_max`` by the window function of PS3.3 C.11.2.1.2.1-3; same shape."""
    x = np.asarray(values, np.float32)
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        return np.asarray(out_max / (1 + np.exp(-4 * (x - center) / max(width, 1e-9))), np.float32)
    if window.function == "LINEAR_EXACT":
        scaled = (x - center) / max(width, 1e-9) + 0.5
    else:
        # LINEAR: c - 0.5 and w - 1; a width of 1 is a threshold.
        scaled = (x - (center - 0.5)) / (width - 1) + 0.5 if width > 1 else (x > center - 0.5).astype(np.float32)
    return np.asarray(np.clip(scaled, 0, 1) * out_max, np.float32)


def header_window(ds: Dataset, frame: int = 0) -> Window | None:
    """The first window of a dataset, from the frame's functional group in enhanced objects; None where none is usable."""
    holder: Any = ds
    if "WindowCenter" not in ds:
        holder = _frame_voi(ds, frame)
    try:
        center, width = holder.WindowCenter, holder.WindowWidth
        center = center if isinstance(center, int | float) else center[0]
        width = width if isinstance(width, int | float) else width[0]
        window = Window(float(center), float(width), str(holder.get("VOILUTFunction", "LINEAR") or "LINEAR"))
    except (AttributeError, TypeError, ValueError, IndexError):
        return None
    if not np.isfinite([window.center, window.width]).all() or window.width < (1 if window.function == "LINEAR" else 1e-9):
        return None
    return window


def auto_window(values: Pixels) -> Window:
    """A window from the 0.5th to the 99.5th percentile, of at most about a million sampled values."""
    flat = np.asarray(values).reshape(-1)
    sample = flat[:: max(1, flat.size // _AUTO_SAMPLE)]
    sample = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    low, high = np.percentile(sample, _AUTO_PERCENTILES) if sample.size else (0.0, 1.0)
    if high <= low:
        low, high = (float(sample.min()), float(sample.max())) if sample.size else (0.0, 1.0)
    return Window((low + high) / 2, max(float(high - low), 1e-6), "LINEAR_EXACT")


def modality_values(pixels: Pixels, ds: Dataset) -> Pixels:
    """Stored values in modality units (Hounsfield for CT): rescale or modality LUT, at top level or in the shared functional
    group of enhanced objects."""
    if "ModalityLUTSequence" in ds or "RescaleSlope" in ds:
        return np.asarray(apply_modality_lut(pixels, ds))
    groups = ds.get("SharedFunctionalGroupsSequence") or ds.get("PerFrameFunctionalGroupsSequence")
    transform = groups[0].get("PixelValueTransformationSequence") if groups else None
    if transform:
        slope, intercept = float(transform[0].get("RescaleSlope", 1)), float(transform[0].get("RescaleIntercept", 0))
        return np.asarray(pixels * slope + intercept)
    return pixels


def to_uint8(pixels: Pixels, ds: Dataset, window: Window | None = None, frame: int = 0) -> NDArray[np.uint8]:
    """What a screen shows of one decoded frame: (rows, columns) grey or (rows, columns, 3) RGB, uint8.

    ``window`` overrides the header; without either, the window is taken from the percentiles. MONOCHROME1 is inverted.
    """
    photometric = str(ds.get("PhotometricInterpretation", ""))
    if photometric == "PALETTE COLOR" and pixels.ndim == 2:
        coloured = np.asarray(apply_color_lut(pixels, ds))
        return np.asarray(coloured >> 8 if coloured.dtype.itemsize > 1 else coloured, np.uint8)[..., :3]
    if pixels.ndim == 3:
        if pixels.dtype == np.uint8:
            return np.asarray(pixels)
        top = float((1 << int(ds.get("BitsStored", 8 * pixels.dtype.itemsize))) - 1)
        return np.asarray(np.clip(pixels.astype(np.float32) * (255.0 / top), 0, 255), np.uint8)
    values = modality_values(pixels, ds)
    if window is None and "VOILUTSequence" in ds:
        looked = np.asarray(apply_voi(values, ds), np.float32)
        top = float((1 << int(ds.VOILUTSequence[0].LUTDescriptor[2])) - 1)
        grey = looked * (255.0 / top)
    else:
        grey = windowed(values, window or header_window(ds, frame) or auto_window(values))
    if photometric == "MONOCHROME1":
        grey = 255.0 - grey
    return np.asarray(np.clip(grey + 0.5, 0, 255), np.uint8)


def _frame_voi(ds: Dataset, frame: int) -> Dataset | None:
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*per_frame[frame : frame + 1], *(ds.get("SharedFunctionalGroupsSequence") or [])):
        items = group.get("FrameVOILUTSequence")
        if items:
            return Dataset(items[0])
    return None
