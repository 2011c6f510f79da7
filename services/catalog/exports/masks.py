"""DICOM segmentations (PS3.3 A.51) laid over the series they were drawn on: one label volume in the grid of the image, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from isocenter.imaging.quiet import quiet
from services.catalog.exports.nifti import Volume

PLACE_TOLERANCE = 0.3  # of the distance between slices
TURN_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Mask:
    """``labels``: (slices, rows, columns) uint8, 0 background. ``names``: label value -> segment label, as its author wrote it."""

    labels: NDArray[np.uint8]
    names: dict[int, str]


def mask_of(volume: Volume, series_uid: str, segmentations: Sequence[Path], keyed: Callable[[str], str]) -> Mask | None:
    """The segments drawn on a series, later ones over earlier ones. None when there are none or their grid is another one: nothing is resampled.

    ``keyed``: an original UID -> the released one, for a segmentation that names its series as it came.
    """
    columns, rows, slices = volume.shape
    labels = np.zeros((slices, rows, columns), np.uint8)
    names: dict[int, str] = {}
    for path in segmentations:
        with quiet():
            seg = pydicom.dcmread(path, force=True)
        if str(seg.get("Modality", "")) != "SEG" or (int(seg.get("Rows", 0)), int(seg.get("Columns", 0))) != (rows, columns):
            continue
        if not any(uid == series_uid or keyed(uid) == series_uid for uid in _series_of(seg)):
            continue
        values = {int(item.SegmentNumber): _value(names, str(item.get("SegmentLabel", "") or f"segment {item.SegmentNumber}")) for item in seg.SegmentSequence}
        for place, number, frame in _frames(seg, volume):
            labels[place][frame] = values[number]
    return Mask(labels, names) if labels.any() else None


def _value(names: dict[int, str], label: str) -> int:
    """The same label is the same value, whichever segmentation says it."""
    for value, known in names.items():
        if known == label:
            return value
    names[len(names) + 1] = label
    return len(names)


def _series_of(seg: Dataset) -> list[str]:
    return [str(item.SeriesInstanceUID) for item in seg.get("ReferencedSeriesSequence") or [] if "SeriesInstanceUID" in item]


def _frames(seg: Dataset, volume: Volume) -> list[tuple[int, int, NDArray[np.bool_]]]:
    """(slice, segment number, (rows, columns) where it is) of each frame that lies in a slice of the volume."""
    with quiet():
        pixels: Any = seg.pixel_array
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    shared = (seg.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    turn = np.array(volume.planes[0].place.orientation)
    along = np.cross(turn[:3], turn[3:])
    places = np.array([np.array(plane.place.position_mm) for plane in volume.planes])
    heights = places @ along
    gap = float(np.abs(np.diff(heights)).min()) if len(heights) > 1 else 1.0
    found = []
    for frame, group in enumerate(seg.get("PerFrameFunctionalGroupsSequence") or []):
        plane = (group.get("PlaneOrientationSequence") or shared.get("PlaneOrientationSequence") or [Dataset()])[0]
        own = np.array([float(v) for v in plane.get("ImageOrientationPatient") or [0] * 6])
        position = group.get("PlanePositionSequence")
        if not position or not np.allclose(own, turn, atol=TURN_TOLERANCE):
            return []
        corner = np.array([float(v) for v in position[0].ImagePositionPatient])
        nearest = int(np.argmin(np.abs(heights - corner @ along)))
        if np.linalg.norm(corner - places[nearest]) > PLACE_TOLERANCE * gap:
            continue
        identification = group.get("SegmentIdentificationSequence") or shared.get("SegmentIdentificationSequence")
        number = int(identification[0].ReferencedSegmentNumber) if identification else int(seg.SegmentSequence[0].SegmentNumber)
        limit = int(seg.get("MaximumFractionalValue", 1)) / 2 if str(seg.get("SegmentationType", "")) == "FRACTIONAL" else 0
        found.append((nearest, number, pixels[frame] > limit))
    return found
